/*
 * How a hub is joined to the others that have the same Redis; all of it in the
 * keeper.
 *
 *   _join          whose it is, its states, and who hangs on it
 *   _join_hello    what is agreed on when a link comes up
 *   _join_offer    from the outbox to Redis
 *   _join_read     from Redis to the log, and
 *   _join_entries  what was read
 *   _join_place    places given alone
 *   _join_large    entries that are too large to be read
 *   _join_say      what happens often, and is said once
 *   _join_script   what runs in Redis
 *   _join_left     what is left to do at the end
 *
 * What holds at every instruction, whoever dies:
 *
 *   One writer.  Only the owner (zone->joining.owner, a keeper's slot + 1)
 *   reads the stream, marks the outbox or gives places.  What the log, the
 *   sources, the marks, the tickets and "last" have to do with one event is
 *   changed within one hold of the lock.
 *
 *   Origin.  An event is (server, n): n grows with every event of a server,
 *   over its lives too, as its id is kept with the n's that are still to be
 *   offered; so its life is no part of it, and "boot" is 0.  Redis ("heads")
 *   and each server ("sources") keep the highest n, and drop what is not above
 *   it.  That is right only as long as
 *   a server's events come in the order of their n, without one that is left
 *   out and comes later; so:
 *
 *   Fence.  Each hello begins a session of its server, and each call of the
 *   script has the session and its number in it.  Redis takes a call only in
 *   the session that began last, and only if it took the one before.  So what
 *   an earlier connection or keeper left in a buffer is never done after a
 *   hello, and no call is done after one that failed (no memory, read-only,
 *   script unknown): the session is then over, and the next hello tells how
 *   far Redis got.  What it tells is all that is believed of what Redis has.
 *
 *   Way in.  A log gets events of the hub by reading the stream in its order,
 *   and in no other way; "last" is the place up to which that was done.  What
 *   a script answers moves marks, never the log.
 *
 *   Alone.  What this server placed itself stays in the outbox until Redis has
 *   said that it has it.  The highest n placed so is "lone_n" until it has
 *   come back; until then all records are given (their place, local = lone_n,
 *   lone = server), since who has the one has the others.
 *
 *   Place.  What is appended is above all that the log has.  An event whose
 *   place is not (Redis has forgotten, and was told again) is given the next
 *   one behind the log's last.
 */

#ifndef NGX_CONDUCTOR_JOIN_H_INCLUDED
#define NGX_CONDUCTOR_JOIN_H_INCLUDED


#include "ngx_conductor_keeper.h"
#include "ngx_conductor_redis.h"


#define NGX_CONDUCTOR_JOIN_BLOCK   1000     /* ms that reading may wait */
#define NGX_CONDUCTOR_JOIN_COUNT   500      /* entries read at once */
#define NGX_CONDUCTOR_JOIN_BATCH   64       /* records of a call */
#define NGX_CONDUCTOR_JOIN_BYTES   (256 * 1024)
#define NGX_CONDUCTOR_JOIN_CALLS   16       /* on their way at a time */


typedef struct ngx_conductor_join_s  ngx_conductor_join_t;


/* Something that all servers are to do, as it was read from the stream. */

typedef struct {
    uint64_t                      ms;       /* its place */
    uint64_t                      n;
    uint64_t                      time_ms;  /* when it was asked for, Unix */
    uint64_t                      server;   /* by which; see "own" */
    cdr_str_t                     text;     /* a JSON object, checked */
    ngx_uint_t                    own;      /* this server has done it */
} ngx_conductor_join_control_t;


/*
 * Who hangs on it; each function may be NULL.  All are called by the owner
 * only, outside of the lock.
 *
 *   start     it is the owner now: once, before all others
 *   up        the hello is through; join->forgotten: Redis does not have what
 *             it had (it failed over, or was restarted), so what this server
 *             has told it is to be told again
 *   listen    after "up", and when the connection for channels was made anew,
 *             which may have missed messages: they are to be subscribed to
 *   down      the link is gone, and with it what was asked and not answered
 *   tick      every 100 ms, whatever the link
 *   stop      it is the owner no more (the process ends)
 *   message   from a channel that was subscribed to by the hook itself (or by
 *             another one): NGX_OK if it was its own, else NGX_DECLINED
 *   control   likewise
 */

typedef struct {
    void        (*start)(ngx_conductor_join_t *join);
    void        (*up)(ngx_conductor_join_t *join);
    void        (*listen)(ngx_conductor_join_t *join);
    void        (*down)(ngx_conductor_join_t *join);
    void        (*tick)(ngx_conductor_join_t *join);
    void        (*stop)(ngx_conductor_join_t *join);
    ngx_int_t   (*message)(ngx_conductor_join_t *join, ngx_str_t *channel,
                           ngx_str_t *text);
    ngx_int_t   (*control)(ngx_conductor_join_t *join,
                           ngx_conductor_join_control_t *control);
} ngx_conductor_join_hook_t;


/* ngx_conductor_join_hooks.c: one line for each; ends with NULL */

extern ngx_conductor_join_hook_t  *ngx_conductor_join_hooks[];

extern ngx_conductor_join_hook_t  ngx_conductor_join_presence;
extern ngx_conductor_join_hook_t  ngx_conductor_join_control;
extern ngx_conductor_join_hook_t  ngx_conductor_join_foreign;
extern ngx_conductor_join_hook_t  ngx_conductor_outbox_keep;


/* The first member of what the files of joining know of it. */

struct ngx_conductor_join_s {
    ngx_conductor_hub_t          *hub;
    ngx_conductor_redis_conf_t   *conf;
    ngx_conductor_link_t         *link;     /* NULL: not the owner */
    ngx_log_t                    *log;

    unsigned                      up:1;     /* the hello is through */
    unsigned                      forgotten:1;

    /* the hooks' own, by their place in the table */

    void                         *data[8];
};


/*
 * Of who is at it, and ends: is another keeper there to go on?  That of a
 * reload is, before this one is told to end.
 */

ngx_uint_t ngx_conductor_join_followed(ngx_conductor_hub_t *hub);


/* Where a hook's own is. */

void **ngx_conductor_join_data(ngx_conductor_join_t *join,
    ngx_conductor_join_hook_t *hook);


/* What runs in Redis.  The sum is made at the first use. */

typedef struct {
    const char                   *text;
    char                          sha[41];
} ngx_conductor_script_t;


/* "reply" is NULL if the link is gone; never an error of the script's being
 * unknown. */

typedef void (*ngx_conductor_join_reply_pt)(ngx_conductor_join_t *join,
    struct redisReply *reply, void *data);


/*
 * A command, or a script, on the link's connection for commands.  NGX_OK: the
 * handler, if not NULL, will be called once.  NGX_ERROR: no link, or no
 * memory; it will not.  An error reply is given to the handler after the link
 * was told of it (ngx_conductor_link_error()).
 *
 * Of a script: "argv" are its keys, "keys" of them, then its arguments.
 */

ngx_int_t ngx_conductor_join_command(ngx_conductor_join_t *join,
    ngx_conductor_join_reply_pt handler, void *data, ngx_uint_t argc,
    const ngx_str_t *argv);
ngx_int_t ngx_conductor_join_script(ngx_conductor_join_t *join,
    ngx_conductor_script_t *script, ngx_conductor_join_reply_pt handler,
    void *data, ngx_uint_t keys, ngx_uint_t argc, const ngx_str_t *argv);

/*
 * Messages of a channel are wanted, as long as this connection lasts: to be
 * asked for in "listen".  NGX_OK; NGX_ERROR: it is lost, and "listen" is called
 * again.
 */

ngx_int_t ngx_conductor_join_subscribe(ngx_conductor_join_t *join,
    ngx_str_t *channel);

/* The name of a key or channel: base and suffix, in memory of the pool. */

ngx_int_t ngx_conductor_join_name(ngx_conductor_join_t *join,
    ngx_pool_t *pool, ngx_str_t *name, const char *suffix);

/*
 * For scripts that add to the stream: functions of Lua, to stand before the
 * rest.  KEYS[1] is the stream ({base}log), KEYS[2] the hash {base}heads.
 *
 *   begin()          to be called first
 *   add(max, ...)    adds an entry of these fields and values at the next
 *                    place, above all that were given; returns a table with
 *                    "err" if Redis refuses, and then nothing was written
 *   ms, n            the place of the entry that was added last
 *   id()             the same as text
 *   finish()         to be called last, if something was added
 *   purge()          removes entries at a place that is none
 *   rebuild(max)     makes the stream anew of its newest entries: Redis 8 does
 *                    not go back behind one that was removed
 *
 * Whoever writes to Redis may put entries near the end of all places, behind
 * which there would be none: a place is below 2^48 (ms) and 2^53, and what is
 * not is removed.
 *
 * Numbers are to be printed by num(x): Lua's own way loses digits.
 */

#define NGX_CONDUCTOR_JOIN_LUA                                                \
    "local ms, n, count = 0, 0, 0\n"                                          \
    "local function num(x) return string.format('%.0f', x) end\n"             \
    "local function id() return num(ms) .. '-' .. num(n) end\n"               \
    "local function above(place)\n"                                           \
    "  local m, k = string.match(place or '', '^(%d+)-(%d+)$')\n"             \
    "  m, k = tonumber(m), tonumber(k)\n"                                     \
    "  if m and k >= 9007199254740992 then m, k = m + 1, 0 end\n"             \
    "  if m and m < 281474976710656\n"                                        \
    "     and (m > ms or m == ms and k > n) then ms, n = m, k end\n"          \
    "end\n"                                                                   \
    "local function purge()\n"                                                \
    "  local e\n"                                                             \
    "  repeat\n"                                                              \
    "    e = redis.call('XREVRANGE', KEYS[1], '+', '281474976710656-0',\n"    \
    "                   'COUNT', 100)\n"                                      \
    "    for i = 1, #e do redis.call('XDEL', KEYS[1], e[i][1]) end\n"         \
    "  until #e == 0\n"                                                       \
    "end\n"                                                                   \
    "local function rebuild(max)\n"                                           \
    "  local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', max)\n"  \
    "  redis.call('DEL', KEYS[1])\n"                                          \
    "  for i = #e, 1, -1 do\n"                                                \
    "    local f = e[i][2]\n"                                                 \
    "    if #f <= 100 then\n"                                                 \
    "      redis.pcall('XADD', KEYS[1], e[i][1], unpack(f))\n"                \
    "    end\n"                                                               \
    "  end\n"                                                                 \
    "end\n"                                                                   \
    "local function begin()\n"                                                \
    "  local t = redis.call('TIME')\n"                                        \
    "  ms = t[1] * 1000 + math.floor(t[2] / 1000)\n"                          \
    "  above(redis.call('HGET', KEYS[2], 'last'))\n"                          \
    "  count = tonumber(redis.call('HGET', KEYS[2], 'count') or '0') or 0\n"  \
    "  if not (count >= 0 and count < 9007199254740992) then count = 0 end\n" \
    "end\n"                                                                   \
    "local function append(max, ...)\n"                                       \
    "  n = n + 1\n"                                                           \
    "  return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', max, id(),\n"       \
    "                     'i', num(count + 1), ...)\n"                        \
    "end\n"                                                                   \
    "local function higher(max)\n"                                            \
    "  local i = redis.call('XINFO', 'STREAM', KEYS[1])\n"                    \
    "  local last\n"                                                          \
    "  for k = 1, #i, 2 do\n"                                                 \
    "    if i[k] == 'last-generated-id' then last = i[k + 1] end\n"           \
    "  end\n"                                                                 \
    "  above(last)\n"                                                         \
    "  if tonumber(string.match(last, '^%d+')) >= 281474976710656 then\n"     \
    "    purge()\n"                                                           \
    "    last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)\n"     \
    "    above(last[1] and last[1][1])\n"                                     \
    "    if redis.pcall('XSETID', KEYS[1], id()).err then\n"                  \
    "      rebuild(max)\n"                                                    \
    "    end\n"                                                               \
    "  end\n"                                                                 \
    "end\n"                                                                   \
    "local function add(max, ...)\n"                                          \
    "  local r = append(max, ...)\n"                                          \
    "  if r.err and (string.find(r.err, 'equal or smaller', 1, true)\n"       \
    "                or string.find(r.err, 'exhausted', 1, true)) then\n"     \
    "    higher(max)\n"                                                       \
    "    r = append(max, ...)\n"                                              \
    "  end\n"                                                                 \
    "  count = count + (r.err and 0 or 1)\n"                                  \
    "  return r\n"                                                            \
    "end\n"                                                                   \
    "local function finish()\n"                                               \
    "  redis.call('HSET', KEYS[2], 'last', id(), 'count', num(count))\n"      \
    "end\n"


/*
 * An entry of the stream has the fields "o" (origin, "server.n", decimal; the
 * server 0 stands for all foreign publishers, whose n is given in Redis, at
 * least ms * 1024), "i" (one more than the entry before it, so that one that
 * is missing is missed), "t" (when it was accepted, Unix ms), "f" (flags of the
 * log's record; may be missing), and "e", an event as JSON object with its
 * type and fields, or "c", a JSON object of what all are to do; and "m", a
 * signature of these, if they are signed.  A field of {base}heads named by a
 * server is "n session call ms", of 0 "n 0 0 ms".
 */

/*
 * ngx_conductor_join.c, for the keeper: every 100 ms; when it was woken, as
 * there may be something in the outbox; and when the process ends.
 */

void ngx_conductor_join_tick(ngx_conductor_join_t **join,
    ngx_conductor_hub_t *hub);
void ngx_conductor_join_woken(ngx_conductor_join_t *join);
void ngx_conductor_join_stop(ngx_conductor_join_t *join);

/*
 * ngx_conductor_join_left.c: why it should not stop yet, if it is the last
 * keeper.  Serves: workers have clients that may publish.  Owes: Redis has not
 * all of what they did, and could be given it.  0: it may stop.
 */

#define NGX_CONDUCTOR_JOIN_SERVES  1
#define NGX_CONDUCTOR_JOIN_OWES    2

ngx_uint_t ngx_conductor_join_left(ngx_conductor_join_t *join);


#endif /* NGX_CONDUCTOR_JOIN_H_INCLUDED */
