/* A foreign message: what it is, and how the hub gets it once. */

#include "ngx_conductor_join_foreign.h"
#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"

#include <openssl/sha.h>


#define NGX_CONDUCTOR_FOREIGN_KEYS  3
#define NGX_CONDUCTOR_FOREIGN_ARGS  8
#define NGX_CONDUCTOR_FOREIGN_HASH  16      /* bytes of a digest */


static const char *ngx_conductor_foreign_check(ngx_conductor_heard_t *h,
    const cdr_event_type_t **type, size_t *n);
static ngx_int_t ngx_conductor_foreign_own(ngx_conductor_heard_t *h,
    size_t n);
static ngx_int_t ngx_conductor_foreign_text(ngx_conductor_heard_t *h,
    const cdr_event_type_t *type, size_t n, ngx_str_t *text, ngx_pool_t *pool,
    const char **error);
static ngx_uint_t ngx_conductor_foreign_logged(ngx_conductor_heard_t *h,
    cdr_str_t type, cdr_str_t payload);
static ngx_int_t ngx_conductor_foreign_send(ngx_conductor_heard_t *h,
    ngx_str_t *text, ngx_conductor_join_reply_pt handler, ngx_pool_t *pool);
static void ngx_conductor_foreign_args(ngx_conductor_heard_t *h,
    ngx_str_t *arg, u_char *p);
static ngx_int_t ngx_conductor_foreign_keys(ngx_conductor_heard_t *h,
    ngx_str_t *argv, ngx_pool_t *pool);


/*
 * KEYS   the stream, heads, {base}heard:DIGEST
 * ARGV   whose session, number of the call in it, since when it hears (ms),
 *        the place that the message says it has or '', entries kept, ms that
 *        is counted, time, text
 *
 * Returns the place that it was given; or 0: it was told of before, or is the
 * hub's own (also if the stream, being short, has lost it since).  "n" of the
 * hash is how often the stream has it, "at" when it was added, and a session's
 * field how often it was heard in it, and the last call.  A session begins with
 * what was added before it.
 */

static ngx_conductor_script_t  ngx_conductor_join_script_foreign = {
    NGX_CONDUCTOR_JOIN_LUA
    "begin()\n"
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "if ARGV[4] ~= '' then\n"
    "  if #redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4]) > 0 then\n"
    "    return 0\n"
    "  end\n"
    "  local m = string.match(ARGV[4], '^%d+')\n"
    "  local f = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)\n"
    "  f = f[1] and string.match(f[1][1], '^%d+')\n"
    "  if f and tonumber(m) <= tonumber(f)\n"
    "     and now - tonumber(m) < tonumber(ARGV[6])\n"
    "  then return 0 end\n"
    "end\n"
    "local is = redis.call('HMGET', KEYS[3], 'n', 'at', ARGV[1])\n"
    "local n, at = tonumber(is[1] or 0), is[2] or ''\n"
    "local h, call = string.match(is[3] or '', '^(%d+) (%d+)$')\n"
    "if call and tonumber(ARGV[2]) <= tonumber(call) then return 0 end\n"
    "if not h then\n"
    "  h = n\n"
    "  for x in string.gmatch(at, '%d+') do\n"
    "    if tonumber(x) >= tonumber(ARGV[3]) then h = h - 1 end\n"
    "  end\n"
    "end\n"
    "h = tonumber(h) + 1\n"
    "local place = 0\n"
    "if h > n then\n"
    "  local k = string.match(redis.call('HGET', KEYS[2], '0') or '', '^%d+')\n"
    "  k = tonumber(k or 0) + 1\n"
    "  if k < ms * 1024 or k > (ms + 10000) * 1024 then k = ms * 1024 end\n"
    "  local r = add(ARGV[5], 'o', '0.' .. num(k), 't', ARGV[7], 'e',"
    " ARGV[8])\n"
    "  if r.err then return r end\n"
    "  redis.call('HSET', KEYS[2], '0', num(k) .. ' 0 0 ' .. num(now))\n"
    "  finish()\n"
    "  place = id()\n"
    "  at = at .. ' ' .. num(now)\n"
    "  if #at > 4000 then at = string.match(at, ' .*$', #at - 3999) end\n"
    "  redis.call('HSET', KEYS[3], 'n', num(h), 'at', at)\n"
    "end\n"
    "redis.call('HSET', KEYS[3], ARGV[1], num(h) .. ' ' .. ARGV[2])\n"
    "redis.call('PEXPIRE', KEYS[3], ARGV[6])\n"
    "return place\n",
    ""
};


/* About 12 KB; one message is looked at at a time. */

static cdr_json_member_t  ngx_conductor_members[CDR_EVENT_MAX_MEMBERS];


ngx_int_t
ngx_conductor_foreign_tell(ngx_conductor_heard_t *h,
    ngx_conductor_join_reply_pt handler, const char **error)
{
    size_t                   n;
    ngx_int_t                rc;
    ngx_str_t                text;
    ngx_pool_t              *pool;
    ngx_conductor_hub_t     *hub;
    const cdr_event_type_t  *type;

    hub = h->join->hub;

    if (hub->rules->generation != hub->generation
        && hub->rules->generation != 0)
    {
        ngx_conductor_rules_update(hub);
    }

    n = 0;
    type = NULL;
    *error = ngx_conductor_foreign_check(h, &type, &n);

    if (*error || ngx_conductor_foreign_own(h, n) == NGX_OK) {
        return NGX_DECLINED;
    }

    pool = ngx_create_pool(4096, h->join->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_conductor_foreign_text(h, type, n, &text, pool, error);

    if (rc == NGX_OK) {
        rc = ngx_conductor_foreign_send(h, &text, handler, pool);
    }

    ngx_destroy_pool(pool);

    return rc;
}


/* NULL, or why it is no event that may come this way. */

static const char *
ngx_conductor_foreign_check(ngx_conductor_heard_t *h,
    const cdr_event_type_t **type, size_t *n)
{
    cdr_str_t               text, channel;
    cdr_policy_t           *policy;
    cdr_json_scan_t         s;
    cdr_event_error_t       err;
    static const cdr_str_t  presence = cdr_str(NGX_CONDUCTOR_PRESENCE_UPDATE);

    policy = h->join->hub->policy;

    ngx_memzero(&s, sizeof(cdr_json_scan_t));

    s.members = ngx_conductor_members;
    s.max_members = CDR_EVENT_MAX_MEMBERS;
    s.max_depth = CDR_PUBLISH_MAX_DEPTH;

    text.data = h->text.data;
    text.len = h->text.len;

    if (cdr_json_scan(&s, text) != CDR_OK) {
        return s.error;
    }

    if (s.type != CDR_JSON_OBJECT) {
        return "it is no JSON object";
    }

    if (cdr_event_check(&policy->catalogue, ngx_conductor_members, s.nmembers,
                        type, &err)
        != CDR_OK)
    {
        return err.error;
    }

    channel.data = h->channel.data;
    channel.len = h->channel.len;

    if (!cdr_json_eq(policy->channels[(*type)->channel].name, channel)) {
        return "its type belongs to another channel";
    }

    if (cdr_json_eq((*type)->name, presence)) {
        return "presence is no event";
    }

    *n = s.nmembers;

    return NULL;
}


/* NGX_OK if it is one of the hub's that somebody has published once more. */

static ngx_int_t
ngx_conductor_foreign_own(ngx_conductor_heard_t *h, size_t n)
{
    cdr_str_t                 text;
    cdr_event_id_t            id;
    const cdr_json_member_t  *m;
    static const cdr_str_t    name = cdr_str("eventId");

    m = cdr_json_find(ngx_conductor_members, n, name);

    if (m == NULL || m->type != CDR_JSON_STRING) {
        return NGX_DECLINED;
    }

    text = cdr_json_text(m->value);

    if (cdr_event_id_parse(&id, text.data, text.len) != CDR_OK || id.ms == 0) {
        return NGX_DECLINED;
    }

    if (id.norigins == 0) {
        h->ms = id.ms;
        h->n = id.n;
    }

    return ngx_conductor_foreign_known(h->join->hub, id.ms, id.n)
           ? NGX_OK : NGX_DECLINED;
}


/* What is hidden from everyone is left out, as of every publication. */

static ngx_int_t
ngx_conductor_foreign_text(ngx_conductor_heard_t *h,
    const cdr_event_type_t *type, size_t n, ngx_str_t *text, ngx_pool_t *pool,
    const char **error)
{
    u_char     *p;
    cdr_str_t   payload;

    payload.len = cdr_event_payload_size(ngx_conductor_members, n);

    p = ngx_pnalloc(pool, ngx_max(payload.len, 1));
    if (p == NULL) {
        return NGX_ERROR;
    }

    payload.data = p;
    payload.len = cdr_event_payload(p, type, ngx_conductor_members, n);

    if (cdr_log_record_size(type->name.len, payload.len)
        > h->join->hub->log.size / 4)
    {
        *error = "it is larger than a quarter of the history";
        return NGX_DECLINED;
    }

    if (h->doubtful && ngx_conductor_foreign_logged(h, type->name, payload)) {
        return NGX_DECLINED;
    }

    text->len = cdr_event_open(NULL, type->name, payload) + 1;
    text->data = ngx_pnalloc(pool, text->len);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    (void) cdr_event_open(text->data, type->name, payload);
    text->data[text->len - 1] = '}';

    return NGX_OK;
}


/*
 * Whether the log has had such an event since it was heard: told by another
 * server to a Redis that does not know it any more.
 */

static ngx_uint_t
ngx_conductor_foreign_logged(ngx_conductor_heard_t *h, cdr_str_t type,
    cdr_str_t payload)
{
    uint64_t               since;
    cdr_log_t             *log;
    cdr_log_fill_t         fill;
    cdr_log_event_t        event;
    cdr_log_cursor_t       cursor;

    log = &h->join->hub->log;

    cdr_log_fill(log, &fill);

    cursor.seq = (fill.head > NGX_CONDUCTOR_FOREIGN_LOOK)
                 ? fill.head - NGX_CONDUCTOR_FOREIGN_LOOK : 0;
    cursor.seq = ngx_max(cursor.seq + 1, fill.tail) - 1;

    since = ngx_conductor_now() - (ngx_current_msec - h->heard)
            - NGX_CONDUCTOR_FOREIGN_AHEAD;

    while (cdr_log_next(log, &cursor, &event) == CDR_OK) {

        if (event.fields.server == 0 && event.fields.time_ms >= since
            && cdr_json_eq(event.type, type)
            && cdr_json_eq(event.payload, payload))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_conductor_foreign_send(ngx_conductor_heard_t *h, ngx_str_t *text,
    ngx_conductor_join_reply_pt handler, ngx_pool_t *pool)
{
    u_char     *p;
    ngx_str_t   argv[NGX_CONDUCTOR_FOREIGN_KEYS
                     + NGX_CONDUCTOR_FOREIGN_ARGS];

    p = ngx_pnalloc(pool, 9 * NGX_INT64_LEN + CDR_STREAM_PLACE_LEN);

    if (p == NULL
        || ngx_conductor_foreign_keys(h, argv, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_conductor_foreign_args(h, &argv[NGX_CONDUCTOR_FOREIGN_KEYS], p);

    argv[NGX_CONDUCTOR_FOREIGN_KEYS + 7] = *text;

    return ngx_conductor_join_script(h->join,
                                     &ngx_conductor_join_script_foreign,
                                     handler, h, NGX_CONDUCTOR_FOREIGN_KEYS,
                                     NGX_CONDUCTOR_FOREIGN_KEYS
                                     + NGX_CONDUCTOR_FOREIGN_ARGS,
                                     argv);
}


/* All arguments but the text. */

static void
ngx_conductor_foreign_args(ngx_conductor_heard_t *h, ngx_str_t *arg,
    u_char *p)
{
    ngx_uint_t             i;
    ngx_conductor_join_t  *join;

    join = h->join;

    for (i = 0; i < 7; i++) {
        arg[i].data = p;

        switch (i) {

        case 0:
            p = ngx_sprintf(p, "%uL.%uL", join->hub->zone->joining.server,
                            h->session);
            break;

        case 1:
            p = ngx_sprintf(p, "%uL", h->serial);
            break;

        case 2:
            p = ngx_sprintf(p, "%uL", h->since);
            break;

        case 3:
            p += h->ms ? cdr_stream_place_print(p, h->ms, h->n) : 0;
            break;

        case 4:
            p = ngx_sprintf(p, "%ui", join->conf->stream);
            break;

        case 5:
            p = ngx_sprintf(p, "%d", NGX_CONDUCTOR_FOREIGN_KEPT);
            break;

        default:
            p = ngx_sprintf(p, "%uL", ngx_conductor_now());
        }

        arg[i].len = p - arg[i].data;
    }
}


/* The digest is that of what was heard: all have heard the same. */

static ngx_int_t
ngx_conductor_foreign_keys(ngx_conductor_heard_t *h, ngx_str_t *argv,
    ngx_pool_t *pool)
{
    u_char      *p;
    u_char       digest[SHA256_DIGEST_LENGTH];
    ngx_str_t    both;
    ngx_str_t   *base;

    base = &h->join->conf->base;

    if (ngx_conductor_join_name(h->join, pool, &argv[0], "log") != NGX_OK
        || ngx_conductor_join_name(h->join, pool, &argv[1], "heads") != NGX_OK)
    {
        return NGX_ERROR;
    }

    both.len = h->channel.len + 1 + h->text.len;
    both.data = ngx_pnalloc(pool, both.len);

    p = ngx_pnalloc(pool, base->len + sizeof("heard:") - 1
                          + 2 * NGX_CONDUCTOR_FOREIGN_HASH);

    if (both.data == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(both.data, h->channel.data, h->channel.len);
    both.data[h->channel.len] = '\0';
    ngx_memcpy(both.data + h->channel.len + 1, h->text.data, h->text.len);

    (void) SHA256(both.data, both.len, digest);

    argv[2].data = p;
    p = ngx_sprintf(p, "%Vheard:", base);
    p = ngx_hex_dump(p, digest, NGX_CONDUCTOR_FOREIGN_HASH);
    argv[2].len = p - argv[2].data;

    return NGX_OK;
}


void
ngx_conductor_foreign_placed(ngx_conductor_heard_t *h, cdr_str_t place)
{
    size_t                   n;
    ngx_conductor_first_t    first;
    const cdr_event_type_t  *type;

    if (!ngx_conductor_audited(h->join->hub, CDR_AUDIT_PUBLISH)) {
        return;
    }

    ngx_memzero(&first, sizeof(ngx_conductor_first_t));

    if (cdr_stream_place(place, &first.pos.ms, &first.pos.n) == CDR_OK
        && ngx_conductor_foreign_check(h, &type, &n) == NULL)
    {
        ngx_conductor_audit_foreign(h->join->hub, type->name, &first);
    }
}


ngx_int_t
ngx_conductor_foreign_place(ngx_str_t *text, uint64_t *ms, uint64_t *n)
{
    size_t           len;
    u_char          *p, *end;
    cdr_event_id_t   id;

    static const u_char  name[] = ",\"eventId\":\"";

    len = sizeof(name) - 1;

    if (text->len < len + 4
        || ngx_memcmp(text->data + text->len - 2, "\"}", 2) != 0)
    {
        return NGX_DECLINED;
    }

    end = text->data + text->len - 2;

    for (p = end; p > text->data && end - p <= CDR_EVENT_ID_LEN; p--) {

        if (p[-1] != '"') {
            continue;
        }

        if (p < text->data + len || ngx_memcmp(p - len, name, len) != 0
            || cdr_event_id_parse(&id, p, end - p) != CDR_OK
            || id.norigins || id.ms == 0)
        {
            return NGX_DECLINED;
        }

        *ms = id.ms;
        *n = id.n;

        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_conductor_foreign_known(ngx_conductor_hub_t *hub, uint64_t ms, uint64_t n)
{
    cdr_log_pos_t      pos;
    cdr_log_event_t    event;
    cdr_log_found_t    found;
    cdr_log_cursor_t   cursor;

    pos.ms = ms;
    pos.n = n;
    pos.local = UINT64_MAX;

    if (cdr_log_find(&hub->log, &pos, &cursor, &found) != CDR_OK
        && found == CDR_LOG_EXPIRED)
    {
        return 0;
    }

    /* it stands behind the last event that is not above it */

    if (cursor.seq == 0) {
        return 0;
    }

    cursor.seq--;

    return cdr_log_next(&hub->log, &cursor, &event) == CDR_OK
           && event.fields.pos.ms == ms && event.fields.pos.n == n;
}
