/* Who is there of the hub's servers, by Redis' clock. */

#include "ngx_conductor_guests.h"

#include <hiredis/hiredis.h>


#define NGX_CONDUCTOR_BEAT_KEEP  60000      /* ms at least that Redis keeps
                                               what is told of a server */

/*
 * KEYS   servers by the time of their last beat, their names, the versions of
 *        their reviewers, this server's reviewers
 * ARGV   this server, its name, ms that it is remembered
 *
 * Returns the time; whether this server's reviewers are there; and the first
 * three, of the servers that were there last: of so many names as anybody may
 * have put there.
 */

#define NGX_CONDUCTOR_LUA_BEAT                                                \
    "local function num(x) return string.format('%.0f', x) end\n"             \
    "local t = redis.call('TIME')\n"                                          \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                     \
    "redis.call('ZADD', KEYS[1], num(now), ARGV[1])\n"                        \
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])\n"                         \
    "local own = redis.call('PEXPIRE', KEYS[4], ARGV[3])\n"                   \
    "local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf',\n"              \
    "                       num(now - tonumber(ARGV[3])), 'LIMIT', 0, 100)\n" \
    "for i = 1, #old do\n"                                                    \
    "  redis.call('ZREM', KEYS[1], old[i])\n"                                 \
    "  redis.call('HDEL', KEYS[2], old[i])\n"                                 \
    "  redis.call('HDEL', KEYS[3], old[i])\n"                                 \
    "end\n"                                                                   \
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], num(now + 60000), '+inf')\n"     \
    "local there = redis.call('ZREVRANGE', KEYS[1], 0, 255, 'WITHSCORES')\n"  \
    "local names, versions = {}, {}\n"                                        \
    "for i = 1, #there, 2 do\n"                                               \
    "  for k, list in pairs({ [2] = names, [3] = versions }) do\n"            \
    "    local is = redis.call('HGET', KEYS[k], there[i])\n"                  \
    "    if is then\n"                                                        \
    "      list[#list + 1] = there[i]\n"                                      \
    "      list[#list + 1] = is\n"                                            \
    "    end\n"                                                               \
    "  end\n"                                                                 \
    "end\n"                                                                   \
    "return { num(now), own, there, names, versions }\n"


static void ngx_conductor_beat_reply(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static void ngx_conductor_beat_answered(ngx_conductor_guests_t *g);
static ngx_uint_t ngx_conductor_beat_valid(redisReply *reply);
static void ngx_conductor_beat_own(ngx_conductor_guests_t *g,
    redisReply *reply);
static void ngx_conductor_beat_server(ngx_conductor_guests_t *g,
    redisReply *reply, uint64_t server, uint64_t now);
static cdr_str_t ngx_conductor_beat_label(u_char *dst, redisReply *name);
static ngx_uint_t ngx_conductor_beat_missing(ngx_conductor_guests_t *g,
    redisReply *reply, uint64_t now);
static ngx_uint_t ngx_conductor_beat_age(redisReply *servers,
    uint64_t server, uint64_t now, uint64_t *age);
static redisReply *ngx_conductor_beat_find(redisReply *pairs,
    uint64_t server);
static ngx_int_t ngx_conductor_beat_number(redisReply *reply, uint64_t *n);


static ngx_conductor_script_t  ngx_conductor_beat_script = {
    NGX_CONDUCTOR_LUA_BEAT, ""
};


void
ngx_conductor_beat(ngx_conductor_guests_t *g)
{
    ngx_str_t   argv[7];
    ngx_msec_t  keep;
    u_char      buf[NGX_INT64_LEN];

    if (!g->up || g->beating || !ngx_conductor_due(g->beat_at)) {
        return;
    }

    keep = ngx_max((ngx_msec_t) g->hub->presence_ttl * 1000,
                   NGX_CONDUCTOR_BEAT_KEEP);

    argv[0] = g->servers;
    argv[1] = g->names;
    argv[2] = g->versions;
    argv[3] = g->own;
    argv[4] = g->id;
    argv[5] = g->label;
    argv[6].data = buf;
    argv[6].len = ngx_sprintf(buf, "%M", keep) - buf;

    g->beat_at = ngx_current_msec + NGX_CONDUCTOR_GUESTS_BEAT;

    if (ngx_conductor_join_script(g->join, &ngx_conductor_beat_script,
                                  ngx_conductor_beat_reply, NULL, 4, 7, argv)
        == NGX_OK)
    {
        g->beating = 1;
    }
}


static void
ngx_conductor_beat_reply(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    size_t                   i;
    uint64_t                 now, server, age;
    ngx_uint_t               there;
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);
    g->beating = 0;

    if (reply == NULL || !g->up || !ngx_conductor_beat_valid(reply)
        || ngx_conductor_beat_number(reply->element[0], &now) != NGX_OK)
    {
        return;
    }

    ngx_conductor_beat_answered(g);
    there = 0;

    for (i = 0; i + 1 < reply->element[2]->elements; i += 2) {

        if (ngx_conductor_beat_number(reply->element[2]->element[i], &server)
            != NGX_OK
            || !ngx_conductor_beat_age(reply->element[2], server, now, &age)
            || age > NGX_CONDUCTOR_GUESTS_DEAD)
        {
            continue;
        }

        there++;

        if (g->listing && server != g->hub->zone->joining.server) {
            ngx_conductor_beat_server(g, reply, server, now);
        }
    }

    atomic_store(&g->hub->zone->joining.servers, (uint32_t) there);

    if (g->listing) {
        ngx_conductor_beat_own(g, reply);

        if (ngx_conductor_beat_missing(g, reply, now)) {
            g->beat_at = ngx_current_msec + NGX_CONDUCTOR_GUESTS_LOOK;
        }
    }
}


/*
 * When answers were long in coming, those of the others were, too: their signs
 * of life come soon, or, where connections were lost, when they are back.
 */

static void
ngx_conductor_beat_answered(ngx_conductor_guests_t *g)
{
    ngx_uint_t  i;
    ngx_msec_t  quiet;

    quiet = ngx_current_msec - g->answered;

    if (quiet > NGX_CONDUCTOR_GUESTS_PAUSE) {
        g->sure_at = ngx_current_msec + NGX_CONDUCTOR_GUESTS_PAUSE;
    }

    if (quiet > NGX_CONDUCTOR_GUESTS_DEAD) {
        g->back_at = ngx_current_msec + NGX_CONDUCTOR_GUESTS_SURE;

        for (i = 0; i < CDR_GUEST_SERVERS; i++) {
            g->peers[i].seen = 0;
        }
    }

    g->answered = ngx_current_msec;
    g->stale = 0;
}


static ngx_uint_t
ngx_conductor_beat_valid(redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 5
           && reply->element[1]->type == REDIS_REPLY_INTEGER
           && reply->element[2]->type == REDIS_REPLY_ARRAY
           && reply->element[3]->type == REDIS_REPLY_ARRAY
           && reply->element[4]->type == REDIS_REPLY_ARRAY;
}


/* Does Redis have what it was told of this server? */

static void
ngx_conductor_beat_own(ngx_conductor_guests_t *g, redisReply *reply)
{
    uint64_t     version;
    redisReply  *value;

    if (g->push || g->pushing || g->waiting) {
        return;
    }

    value = ngx_conductor_beat_find(reply->element[4],
                                    g->hub->zone->joining.server);

    if (reply->element[1]->integer == 0 || value == NULL
        || ngx_conductor_beat_number(value, &version) != NGX_OK
        || version != g->version)
    {
        ngx_conductor_tell_all(g, 0);
    }
}


/* A server that is there: its hash is read if it is of another version. */

static void
ngx_conductor_beat_server(ngx_conductor_guests_t *g, redisReply *reply,
    uint64_t server, uint64_t now)
{
    int                       rc;
    uint32_t                  index;
    uint64_t                  version;
    cdr_str_t                 label;
    redisReply               *name, *value;
    cdr_guest_peer_t          peer;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_reading_t  *p;
    u_char                    buf[CDR_GUEST_LABEL_MAX];

    hub = g->hub;
    name = ngx_conductor_beat_find(reply->element[3], server);
    value = ngx_conductor_beat_find(reply->element[4], server);

    if (name == NULL || name->type != REDIS_REPLY_STRING || value == NULL
        || ngx_conductor_beat_number(value, &version) != NGX_OK)
    {
        return;
    }

    label = ngx_conductor_beat_label(buf, name);

    ngx_conductor_zone_lock(hub);

    rc = cdr_guest_server(&hub->guests, server, label, &index);

    if (rc == CDR_OK) {
        cdr_guest_seen(&hub->guests, index, ngx_conductor_now());
        (void) cdr_guest_peer(&hub->guests, index, &peer);

        if (peer.version == version) {
            cdr_guest_stale(&hub->guests, index, false);
        }
    }

    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return;
    }

    p = &g->peers[index];
    p->seen = 1;

    if (peer.version == version) {
        p->behind = 0;

    } else if (peer.version == 0 || p->behind) {
        ngx_conductor_peers_read(g, index);

    } else {

        /* a message may be on its way */

        p->behind = 1;
    }
}


/*
 * A server's name is plain text; what whoever may write to Redis has put in its
 * place does not get into frames and logs.
 */

static cdr_str_t
ngx_conductor_beat_label(u_char *dst, redisReply *name)
{
    size_t     i;
    cdr_str_t  label;

    label.data = dst;
    label.len = ngx_min(name->len, CDR_GUEST_LABEL_MAX);

    for (i = 0; i < label.len; i++) {
        dst[i] = (name->str[i] > ' ' && name->str[i] < 0x7f)
                 ? (u_char) name->str[i] : '?';
    }

    return label;
}


/*
 * Those of whom there was no sign for long are gone, if this server would have
 * had it.  Is one late?
 */

static ngx_uint_t
ngx_conductor_beat_missing(ngx_conductor_guests_t *g, redisReply *reply,
    uint64_t now)
{
    int               rc;
    uint32_t          i;
    uint64_t          age;
    ngx_uint_t        late;
    cdr_guest_peer_t  peer;

    late = 0;

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {

        ngx_conductor_zone_lock(g->hub);
        rc = cdr_guest_next(&g->hub->guests, &i, &peer);
        ngx_conductor_zone_unlock(g->hub);

        if (rc != CDR_OK) {
            break;
        }

        if (ngx_conductor_beat_age(reply->element[2], peer.server, now, &age)
            && age <= NGX_CONDUCTOR_GUESTS_DEAD)
        {
            late |= (age > NGX_CONDUCTOR_GUESTS_BEAT * 3 / 2);
            continue;
        }

        if (!ngx_conductor_due(g->sure_at)
            || (!g->peers[i].seen && !ngx_conductor_due(g->back_at)))
        {
            late = 1;
            continue;
        }

        g->peers[i].seen = 0;
        ngx_conductor_peers_drop(g, i, NULL);
    }

    return late;
}


/* How long ago the last beat of a server was; 0 if there was none. */

static ngx_uint_t
ngx_conductor_beat_age(redisReply *servers, uint64_t server, uint64_t now,
    uint64_t *age)
{
    uint64_t     last;
    redisReply  *score;

    score = ngx_conductor_beat_find(servers, server);

    if (score == NULL || ngx_conductor_beat_number(score, &last) != NGX_OK) {
        return 0;
    }

    *age = (now > last) ? now - last : 0;

    return 1;
}


/* Of a list of names and values, the value that belongs to a server. */

static redisReply *
ngx_conductor_beat_find(redisReply *pairs, uint64_t server)
{
    size_t    i;
    uint64_t  n;

    for (i = 0; i + 1 < pairs->elements; i += 2) {
        if (ngx_conductor_beat_number(pairs->element[i], &n) == NGX_OK
            && n == server)
        {
            return pairs->element[i + 1];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_conductor_beat_number(redisReply *reply, uint64_t *n)
{
    cdr_str_t  text;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    return (cdr_guest_number(text, n) == CDR_OK) ? NGX_OK : NGX_ERROR;
}
