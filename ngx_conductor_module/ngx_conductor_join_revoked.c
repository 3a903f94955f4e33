/* Revocations of all servers: in this one's table, and in Redis. */

#include "ngx_conductor_join_revoked.h"
#include "ngx_conductor_offer.h"

#include <openssl/crypto.h>


#define NGX_CONDUCTOR_REVOKED_CALL  256     /* that are sent at once */
#define NGX_CONDUCTOR_REVOKED_HOLD  64      /* in a hold of the lock */
#define NGX_CONDUCTOR_REVOKED_ARGS  5


static ngx_conductor_revocation_t *ngx_conductor_join_revoked_collect(
    ngx_conductor_join_t *join, ngx_pool_t *pool, ngx_uint_t *n);
static ngx_int_t ngx_conductor_join_revoked_send(ngx_conductor_join_t *join,
    ngx_pool_t *pool, ngx_conductor_revocation_t *r, ngx_uint_t n,
    ngx_uint_t all);
static ngx_int_t ngx_conductor_join_revoked_args(ngx_conductor_join_t *join,
    ngx_pool_t *pool, ngx_conductor_revocation_t *r, ngx_str_t *argv);
static ngx_int_t ngx_conductor_join_revoked_sign(ngx_conductor_join_t *join,
    cdr_str_t field, cdr_str_t until, u_char *signature);
static void ngx_conductor_join_revoked_reply(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static ngx_uint_t ngx_conductor_join_revoked_some(ngx_conductor_join_t *join,
    redisReply **all, ngx_uint_t n);
static void ngx_conductor_join_revoked_tell(ngx_conductor_join_t *join,
    redisReply *reply);
static ngx_int_t ngx_conductor_join_revoked_read(ngx_conductor_join_t *join,
    redisReply *field, redisReply *value, ngx_conductor_revocation_t *r);
static ngx_int_t ngx_conductor_join_revoked_number(cdr_str_t *text,
    uint64_t *n);
static void ngx_conductor_join_revoked_bad(ngx_conductor_join_t *join);
static ngx_uint_t ngx_conductor_join_revoked_passed(
    ngx_conductor_join_t *join, ngx_conductor_revocation_t *r);
static void ngx_conductor_join_revoked_full(ngx_conductor_join_t *join);


/*
 * KEYS   {base}revocations
 * ARGV   1, if all is wanted; for each: its name, until when, its place (ms
 *        and n; 0 and 0: none), signature or ''
 *
 * A value is "until keep ms n signature": until when it holds, 0 if it was
 * lifted; how long this is to be known; and the place.  Returns the names of
 * those that were not known; and names and values of all.
 */

static ngx_conductor_script_t  ngx_conductor_join_script_revoked = {
    "local function num(x) return string.format('%.0f', x) end\n"
    "local t, fresh, all = redis.call('TIME'), {}, {}\n"
    "local now = t[1] * 1000\n"
    "for i = 2, #ARGV, 5 do\n"
    "  local f, ms, n = ARGV[i], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])\n"
    "  local is = redis.call('HGET', KEYS[1], f)\n"
    "  local k, m, l = string.match(is or '', '^%d+ (%d+) (%d+) (%d+)')\n"
    "  if not is then fresh[#fresh + 1] = f end\n"
    "  k, m, l = tonumber(k or 0), tonumber(m or -1), tonumber(l or -1)\n"
    "  if ms > m or ms == m and n > l then\n"
    "    k = math.max(k, tonumber(ARGV[i + 1]))\n"
    "    redis.call('HSET', KEYS[1], f, ARGV[i + 1] .. ' ' .. num(k) .. ' '\n"
    "               .. num(ms) .. ' ' .. num(n) .. ' ' .. ARGV[i + 4])\n"
    "  end\n"
    "end\n"
    "if ARGV[1] == '1' then\n"
    "  local is = redis.call('HGETALL', KEYS[1])\n"
    "  for i = 1, #is, 2 do\n"
    "    local k = string.match(is[i + 1], '^%d+ (%d+) ')\n"
    "    if not k or tonumber(k) <= now then\n"
    "      redis.call('HDEL', KEYS[1], is[i])\n"
    "    else\n"
    "      all[#all + 1] = is[i]\n"
    "      all[#all + 1] = is[i + 1]\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return { fresh, all }\n",
    ""
};


void
ngx_conductor_join_revoked_up(ngx_conductor_join_t *join)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i, n, count;
    ngx_pool_t                  *pool;
    ngx_conductor_revocation_t  *r;

    pool = ngx_create_pool(16384, join->log);
    if (pool == NULL) {
        return;
    }

    r = ngx_conductor_join_revoked_collect(join, pool, &n);
    i = 0;
    rc = r ? NGX_OK : NGX_ERROR;

    while (rc == NGX_OK) {
        count = ngx_min(n - i, NGX_CONDUCTOR_REVOKED_CALL);

        rc = ngx_conductor_join_revoked_send(join, pool, r + i, count,
                                             i + count == n);
        i += count;

        if (i == n) {
            break;
        }
    }

    ngx_destroy_pool(pool);
}


/* Those that hold. */

static ngx_conductor_revocation_t *
ngx_conductor_join_revoked_collect(ngx_conductor_join_t *join,
    ngx_pool_t *pool, ngx_uint_t *n)
{
    uint32_t                     i;
    uint64_t                     now, until;
    ngx_conductor_hub_t         *hub;
    const cdr_revoke_entry_t    *e;
    ngx_conductor_revocation_t  *r;

    hub = join->hub;
    *n = 0;

    r = ngx_palloc(pool, (hub->revoke.n + 1)
                         * sizeof(ngx_conductor_revocation_t));
    if (r == NULL) {
        return NULL;
    }

    now = ngx_conductor_now();
    i = 0;

    ngx_conductor_zone_lock(hub);

    while (*n < hub->revoke.n
           && (e = cdr_revoke_next(&hub->revoke, &i)) != NULL)
    {
        until = atomic_load(&e->until_ms);

        if (until > now) {
            r[*n].kind = (cdr_revoke_kind_t) atomic_load(&e->kind);
            r[*n].hash[0] = e->hash[0];
            r[*n].hash[1] = e->hash[1];
            r[*n].until_ms = until;
            r[*n].ms = 0;
            r[*n].n = 0;
            (*n)++;
        }
    }

    ngx_conductor_zone_unlock(hub);

    return r;
}


void
ngx_conductor_join_revoked_keep(ngx_conductor_join_t *join,
    ngx_conductor_revocation_t *r)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(1024, join->log);

    if (pool) {
        (void) ngx_conductor_join_revoked_send(join, pool, r, 1, 0);
        ngx_destroy_pool(pool);
    }
}


static ngx_int_t
ngx_conductor_join_revoked_send(ngx_conductor_join_t *join, ngx_pool_t *pool,
    ngx_conductor_revocation_t *r, ngx_uint_t n, ngx_uint_t all)
{
    ngx_str_t   *argv;
    ngx_uint_t   i, argc;

    argc = 2 + n * NGX_CONDUCTOR_REVOKED_ARGS;
    argv = ngx_palloc(pool, argc * sizeof(ngx_str_t));

    if (argv == NULL
        || ngx_conductor_join_name(join, pool, &argv[0], "revocations")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    argv[1].data = (u_char *) (all ? "1" : "0");
    argv[1].len = 1;

    for (i = 0; i < n; i++) {
        if (ngx_conductor_join_revoked_args(join, pool, &r[i],
                                   &argv[2 + i * NGX_CONDUCTOR_REVOKED_ARGS])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* what was put there by its place is known to all */

    return ngx_conductor_join_script(join, &ngx_conductor_join_script_revoked,
                                     (n && r->ms)
                                     ? NULL : ngx_conductor_join_revoked_reply,
                                     NULL, 1, argc, argv);
}


static ngx_int_t
ngx_conductor_join_revoked_args(ngx_conductor_join_t *join, ngx_pool_t *pool,
    ngx_conductor_revocation_t *r, ngx_str_t *argv)
{
    u_char     *p;
    cdr_str_t   field, until;

    p = ngx_pnalloc(pool, CDR_CONTROL_FIELD_LEN + 3 * NGX_INT64_LEN
                          + CDR_SIGN_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    argv[0].data = p;
    argv[0].len = cdr_control_field(p, r->kind, r->hash);
    p += argv[0].len;

    argv[1].data = p;
    p = ngx_sprintf(p, "%uL", r->until_ms);
    argv[1].len = p - argv[1].data;

    argv[2].data = p;
    p = ngx_sprintf(p, "%uL", r->ms);
    argv[2].len = p - argv[2].data;

    argv[3].data = p;
    p = ngx_sprintf(p, "%uL", r->n);
    argv[3].len = p - argv[3].data;

    argv[4].data = p;
    argv[4].len = 0;

    if (ngx_conductor_join_own(join)->signs) {
        argv[4].len = CDR_SIGN_LEN;

        field.data = argv[0].data;
        field.len = argv[0].len;
        until.data = argv[1].data;
        until.len = argv[1].len;

        return ngx_conductor_join_revoked_sign(join, field, until, p);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_join_revoked_sign(ngx_conductor_join_t *join, cdr_str_t field,
    cdr_str_t until, u_char *signature)
{
    cdr_str_t               parts[4];
    static const cdr_str_t  what = cdr_str("revocation");

    parts[0] = what;
    parts[1].data = join->conf->base.data;
    parts[1].len = join->conf->base.len;
    parts[2] = field;
    parts[3] = until;

    return (cdr_sign(&ngx_conductor_join_own(join)->sign, parts, 4, signature)
            == CDR_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_conductor_join_revoked_reply(ngx_conductor_join_t *join,
    redisReply *reply, void *data)
{
    size_t                       n;
    ngx_uint_t                   count, changed;
    redisReply                 **all;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_ARRAY
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return;
    }

    ngx_conductor_join_revoked_tell(join, reply->element[0]);

    all = reply->element[1]->element;
    n = reply->element[1]->elements / 2;
    changed = 0;

    while (n) {
        count = ngx_min(n, NGX_CONDUCTOR_REVOKED_HOLD);
        changed |= ngx_conductor_join_revoked_some(join, all, count);

        all += 2 * count;
        n -= count;
    }

    if (changed) {
        ngx_conductor_wake_all(join->hub);
    }
}


/* Read, and their signatures checked, before the lock; has it changed any? */

static ngx_uint_t
ngx_conductor_join_revoked_some(ngx_conductor_join_t *join, redisReply **all,
    ngx_uint_t n)
{
    ngx_uint_t                  i, count, changed;
    ngx_conductor_revocation_t  r[NGX_CONDUCTOR_REVOKED_HOLD];

    count = 0;
    changed = 0;

    for (i = 0; i < n; i++) {

        if (ngx_conductor_join_revoked_read(join, all[2 * i], all[2 * i + 1],
                                            &r[count])
            == NGX_OK)
        {
            count++;

        } else {
            ngx_conductor_join_revoked_bad(join);
        }
    }

    ngx_conductor_zone_lock(join->hub);

    for (i = 0; i < count; i++) {
        if (!ngx_conductor_join_revoked_passed(join, &r[i])
            && ngx_conductor_join_revoked_set(join, &r[i], 0) == NGX_OK)
        {
            changed = 1;
        }
    }

    ngx_conductor_zone_unlock(join->hub);

    return changed;
}


/*
 * Under the lock: has it been read in the stream?  Then what holds here is not
 * older.  Of one without a place nobody knows whether it is.
 */

static ngx_uint_t
ngx_conductor_join_revoked_passed(ngx_conductor_join_t *join,
    ngx_conductor_revocation_t *r)
{
    ngx_conductor_joining_t  *joining;

    joining = &join->hub->zone->joining;

    if (r->ms == 0) {
        return cdr_revoke_get(&join->hub->revoke, r->kind, r->hash) != NULL;
    }

    return r->ms < joining->last_ms
           || (r->ms == joining->last_ms && r->n <= joining->last_n);
}


/* What Redis did not know, others may not know either. */

static void
ngx_conductor_join_revoked_tell(ngx_conductor_join_t *join,
    redisReply *reply)
{
    u_char                     text[256];
    cdr_str_t                  field;
    ngx_str_t                  str;
    ngx_uint_t                 i;
    cdr_control_t              control;
    const cdr_revoke_entry_t  *e;

    for (i = 0; i < reply->elements; i++) {

        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            continue;
        }

        field.data = (u_char *) reply->element[i]->str;
        field.len = reply->element[i]->len;

        ngx_memzero(&control, sizeof(cdr_control_t));

        control.kind = CDR_CONTROL_REVOKE;

        if (cdr_control_field_parse(field, &control.revoked, control.hash)
            != CDR_OK)
        {
            continue;
        }

        ngx_conductor_zone_lock(join->hub);

        e = cdr_revoke_get(&join->hub->revoke, control.revoked, control.hash);
        control.until_ms = e ? atomic_load(&e->until_ms) : 0;

        ngx_conductor_zone_unlock(join->hub);

        if (control.until_ms <= ngx_conductor_now()) {
            continue;
        }

        str.data = text;
        str.len = cdr_control_print(text, &control);

        (void) ngx_conductor_offer_control(join->hub, &str);
    }
}


/* A name and a value, as the script leaves them. */

static ngx_int_t
ngx_conductor_join_revoked_read(ngx_conductor_join_t *join,
    redisReply *field, redisReply *value, ngx_conductor_revocation_t *r)
{
    u_char     signature[CDR_SIGN_LEN];
    uint64_t   keep;
    cdr_str_t  name, text, until;

    if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    name.data = (u_char *) field->str;
    name.len = field->len;
    text.data = (u_char *) value->str;
    text.len = value->len;
    until = text;

    if (cdr_control_field_parse(name, &r->kind, r->hash) != CDR_OK
        || ngx_conductor_join_revoked_number(&text, &r->until_ms) != NGX_OK)
    {
        return NGX_ERROR;
    }

    until.len = text.data - until.data - 1;

    if (ngx_conductor_join_revoked_number(&text, &keep) != NGX_OK
        || ngx_conductor_join_revoked_number(&text, &r->ms) != NGX_OK
        || ngx_conductor_join_revoked_number(&text, &r->n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_conductor_join_own(join)->signs) {
        return NGX_OK;
    }

    return (text.len == CDR_SIGN_LEN
            && ngx_conductor_join_revoked_sign(join, name, until, signature)
               == NGX_OK
            && CRYPTO_memcmp(text.data, signature, CDR_SIGN_LEN) == 0)
           ? NGX_OK : NGX_ERROR;
}


/* Digits, and the space behind them. */

static ngx_int_t
ngx_conductor_join_revoked_number(cdr_str_t *text, uint64_t *n)
{
    size_t  i;

    for (*n = 0, i = 0; i < text->len && i < 19; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            break;
        }

        *n = *n * 10 + (uint64_t) (text->data[i] - '0');
    }

    if (i == 0 || i == text->len || text->data[i] != ' ') {
        return NGX_ERROR;
    }

    text->data += i + 1;
    text->len -= i + 1;

    return NGX_OK;
}


static void
ngx_conductor_join_revoked_bad(ngx_conductor_join_t *join)
{
    ngx_conductor_join_controlled_t  *own;

    own = *ngx_conductor_join_data(join, &ngx_conductor_join_control);

    atomic_fetch_add(&join->hub->zone->joining.rejected, 1);

    if (own && !own->bad) {
        own->bad = 1;
        ngx_log_error(NGX_LOG_ERR, join->log, 0,
                      "hub \"%V\": a revocation in Redis is not to be "
                      "believed; more such are counted only",
                      &join->hub->name);
    }
}


ngx_int_t
ngx_conductor_join_revoked_set(ngx_conductor_join_t *join,
    ngx_conductor_revocation_t *r, ngx_uint_t own)
{
    int                        rc;
    uint64_t                   now;
    ngx_conductor_hub_t       *hub;
    const cdr_revoke_entry_t  *e;

    hub = join->hub;
    now = ngx_conductor_now();

    e = cdr_revoke_get(&hub->revoke, r->kind, r->hash);

    if (own && (e == NULL || atomic_load(&e->issued_ms))) {

        /* nobody else has said anything since */

        return NGX_DECLINED;
    }

    if (e && !own && atomic_load(&e->issued_ms) == 0
        && atomic_load(&e->until_ms) == r->until_ms)
    {
        return NGX_DECLINED;
    }

    rc = cdr_revoke_set_told(&hub->revoke, r->kind, r->hash, r->until_ms,
                             now);
    if (rc != CDR_OK) {
        ngx_conductor_join_revoked_full(join);
    }

    return (rc == CDR_OK) ? NGX_OK : NGX_DECLINED;
}


static void
ngx_conductor_join_revoked_full(ngx_conductor_join_t *join)
{
    ngx_conductor_join_controlled_t  *own;

    own = *ngx_conductor_join_data(join, &ngx_conductor_join_control);

    if (own && !own->full) {
        own->full = 1;
        ngx_log_error(NGX_LOG_ERR, join->log, 0,
                      "hub \"%V\": the table of revocations is full, "
                      "revocations of other servers are lost",
                      &join->hub->name);
    }
}
