/*
 * This server's reviewers, to Redis: what has changed of them, or all of them
 * into another hash that then takes the place of theirs.
 */

#include "ngx_conductor_guests.h"

#include <cdr_siphash.h>
#include <hiredis/hiredis.h>


#define NGX_CONDUCTOR_TELL_WAITING  8       /* commands on their way */
#define NGX_CONDUCTOR_TELL_AGAIN    2000    /* ms after one failed */
#define NGX_CONDUCTOR_TELL_KEEP     "3600000"     /* ms for what was begun */
#define NGX_CONDUCTOR_TELL_FIXED    8       /* arguments before the lines */

/*
 * KEYS   this server's reviewers, versions
 * ARGV   server, version, channel, message, how many are set, the version
 *        before; field and value of each that is set; fields of those who are
 *        gone
 *
 * Returns 0 if Redis has another version: then nothing is done.
 */

#define NGX_CONDUCTOR_LUA_TELL                                                \
    "if redis.call('HGET', KEYS[1], 'version') ~= ARGV[6]\n"                  \
    "   or redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[6]\n"                 \
    "then\n"                                                                  \
    "  return 0\n"                                                            \
    "end\n"                                                                   \
    "local n = 6 + 2 * tonumber(ARGV[5])\n"                                   \
    "for i = 7, n, 2 do\n"                                                    \
    "  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])\n"                   \
    "end\n"                                                                   \
    "for i = n + 1, #ARGV do\n"                                               \
    "  redis.call('HDEL', KEYS[1], ARGV[i])\n"                                \
    "end\n"                                                                   \
    "redis.call('HSET', KEYS[1], 'version', ARGV[2])\n"                       \
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])\n"                         \
    "redis.call('PUBLISH', ARGV[3], ARGV[4])\n"                               \
    "return 1\n"


/*
 * KEYS   this server's reviewers, versions, what takes their place
 * ARGV   server, version, channel, message, ms that it is kept
 */

#define NGX_CONDUCTOR_LUA_REPLACE                                             \
    "redis.call('HSET', KEYS[3], 'version', ARGV[2])\n"                       \
    "redis.call('RENAME', KEYS[3], KEYS[1])\n"                                \
    "redis.call('PEXPIRE', KEYS[1], ARGV[5])\n"                               \
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])\n"                         \
    "redis.call('PUBLISH', ARGV[3], ARGV[4])\n"                               \
    "return 1\n"


static void ngx_conductor_tell_changes(ngx_conductor_guests_t *g);
static ngx_int_t ngx_conductor_tell_change(ngx_conductor_guests_t *g,
    ngx_uint_t n);
static ngx_int_t ngx_conductor_tell_fields(ngx_conductor_guests_t *g,
    ngx_uint_t n, u_char *p, ngx_uint_t *argc, ngx_uint_t *set);
static void ngx_conductor_tell_begin(ngx_conductor_guests_t *g);
static void ngx_conductor_tell_rest(ngx_conductor_guests_t *g);
static ngx_int_t ngx_conductor_tell_part(ngx_conductor_guests_t *g,
    ngx_uint_t n);
static ngx_int_t ngx_conductor_tell_end(ngx_conductor_guests_t *g);
static void ngx_conductor_tell_own(ngx_conductor_guests_t *g, u_char **p,
    u_char **line, cdr_reviewer_t *r);
static ngx_uint_t ngx_conductor_tell_lines(ngx_conductor_guests_t *g);
static ngx_int_t ngx_conductor_tell_run(ngx_conductor_guests_t *g,
    ngx_conductor_script_t *script, ngx_uint_t keys, ngx_uint_t argc,
    ngx_str_t *argv);
static void ngx_conductor_tell_reply(ngx_conductor_join_t *join,
    redisReply *reply, void *data);


static ngx_conductor_script_t  ngx_conductor_tell_script = {
    NGX_CONDUCTOR_LUA_TELL, ""
};

static ngx_conductor_script_t  ngx_conductor_replace_script = {
    NGX_CONDUCTOR_LUA_REPLACE, ""
};


/* One turn's work; the longest lines are for memory that is rarely touched. */

static cdr_presence_batch_t    ngx_conductor_tell_batch;
static ngx_conductor_told_t    ngx_conductor_told[CDR_PRESENCE_BATCH];
static uint64_t                ngx_conductor_told_sums[CDR_PRESENCE_BATCH];
static uint32_t                ngx_conductor_told_index[CDR_PRESENCE_BATCH];
static ngx_str_t               ngx_conductor_tell_argv
                                   [NGX_CONDUCTOR_TELL_FIXED
                                    + 2 * CDR_PRESENCE_BATCH];
static ngx_conductor_arena_t   ngx_conductor_tell_text;
static ngx_conductor_arena_t   ngx_conductor_tell_values;


void
ngx_conductor_tell(ngx_conductor_guests_t *g)
{
    if (!g->up) {
        return;
    }

    if (g->push && ngx_conductor_due(g->push_at)) {
        ngx_conductor_tell_begin(g);
    }

    if (g->pushing) {
        ngx_conductor_tell_rest(g);
    }

    if (!g->push && !g->pushing) {
        ngx_conductor_tell_changes(g);
    }
}


void
ngx_conductor_tell_all(ngx_conductor_guests_t *g, ngx_msec_t delay)
{
    g->push = 1;
    g->pushing = 0;
    g->push_at = ngx_current_msec + delay;
}


static void
ngx_conductor_tell_changes(ngx_conductor_guests_t *g)
{
    int                     rc;
    ngx_uint_t              n;
    ngx_conductor_hub_t    *hub;
    cdr_presence_cursor_t   cursor;

    hub = g->hub;

    while (g->waiting < NGX_CONDUCTOR_TELL_WAITING
           && cdr_presence_version(&hub->reviewers) != g->cursor.version)
    {
        cursor = g->cursor;

        if (ngx_conductor_arena_room(&ngx_conductor_tell_text,
                                     CDR_PRESENCE_BATCH
                                     * (CDR_GUEST_LINE_MAX
                                        + CDR_GUEST_FIELD_MAX))
            == NULL)
        {
            return;
        }

        ngx_conductor_zone_lock(hub);

        rc = cdr_presence_changes(&hub->reviewers, &cursor,
                                  &ngx_conductor_tell_batch);
        n = (rc == CDR_OK) ? ngx_conductor_tell_lines(g) : 0;

        ngx_conductor_zone_unlock(hub);

        if (rc != CDR_OK) {

            /* somebody was forgotten */

            ngx_conductor_tell_all(g, 0);
            return;
        }

        if (n && ngx_conductor_tell_change(g, n) != NGX_OK) {
            return;
        }

        g->cursor = cursor;
    }
}


static ngx_int_t
ngx_conductor_tell_change(ngx_conductor_guests_t *g, ngx_uint_t n)
{
    u_char      *p, count[NGX_INT_T_LEN];
    u_char       version[NGX_INT64_LEN], before[NGX_INT64_LEN];
    ngx_str_t   *argv;
    ngx_uint_t   i, argc, set;

    argv = ngx_conductor_tell_argv;

    g->version++;

    ngx_conductor_tell_values.len = 0;
    p = ngx_conductor_arena_room(&ngx_conductor_tell_values,
                                 n * NGX_CONDUCTOR_TOLD_VALUE);

    if (p == NULL
        || ngx_conductor_told_message(g, ngx_conductor_told, n,
                                      &argv[5]) != NGX_OK
        || ngx_conductor_tell_fields(g, n, p, &argc, &set) != NGX_OK)
    {
        return NGX_ERROR;
    }

    argv[0] = g->own;
    argv[1] = g->versions;
    argv[2] = g->id;
    argv[3].data = version;
    argv[3].len = ngx_sprintf(version, "%uL", g->version) - version;
    argv[4] = g->channel;
    argv[6].data = count;
    argv[6].len = ngx_sprintf(count, "%ui", set) - count;
    argv[7].data = before;
    argv[7].len = ngx_sprintf(before, "%uL", g->version - 1) - before;

    if (ngx_conductor_tell_run(g, &ngx_conductor_tell_script, 2, argc, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        g->told[ngx_conductor_told_index[i]] = ngx_conductor_told_sums[i];
    }

    return NGX_OK;
}


/* Arguments: those that are set with their values, those who are gone. */

static ngx_int_t
ngx_conductor_tell_fields(ngx_conductor_guests_t *g, ngx_uint_t n, u_char *p,
    ngx_uint_t *argc, ngx_uint_t *set)
{
    ngx_str_t             *arg;
    ngx_uint_t             i;
    ngx_conductor_told_t  *told;

    arg = &ngx_conductor_tell_argv[NGX_CONDUCTOR_TELL_FIXED];
    *set = 0;

    for (i = 0; i < n; i++) {
        told = &ngx_conductor_told[i];

        if (told->line.len == 0) {
            continue;
        }

        if (ngx_conductor_told_value(g, told, &p) != NGX_OK) {
            return NGX_ERROR;
        }

        *arg++ = told->field;
        *arg++ = told->value;
        (*set)++;
    }

    for (i = 0; i < n; i++) {
        if (ngx_conductor_told[i].line.len == 0) {
            *arg++ = ngx_conductor_told[i].field;
        }
    }

    *argc = arg - ngx_conductor_tell_argv;

    return NGX_OK;
}


/* What changes from now on is told behind it. */

static void
ngx_conductor_tell_begin(ngx_conductor_guests_t *g)
{
    ngx_str_t             argv[2];
    ngx_conductor_hub_t  *hub;

    hub = g->hub;

    ngx_str_set(&argv[0], "DEL");
    argv[1] = g->next;

    if (g->waiting
        || ngx_conductor_join_command(g->join, NULL, NULL, 2, argv) != NGX_OK)
    {
        return;
    }

    ngx_memzero(g->told, hub->reviewers.n * sizeof(uint64_t));

    ngx_conductor_zone_lock(hub);
    cdr_presence_end(&hub->reviewers, &g->cursor);
    ngx_conductor_zone_unlock(hub);

    g->index = 0;
    g->push = 0;
    g->pushing = 1;
}


static void
ngx_conductor_tell_rest(ngx_conductor_guests_t *g)
{
    int                   rc;
    ngx_uint_t            n;
    ngx_conductor_hub_t  *hub;

    hub = g->hub;

    while (g->pushing && g->waiting < NGX_CONDUCTOR_TELL_WAITING) {

        if (ngx_conductor_arena_room(&ngx_conductor_tell_text,
                                     CDR_PRESENCE_BATCH
                                     * (CDR_GUEST_LINE_MAX
                                        + CDR_GUEST_FIELD_MAX))
            == NULL)
        {
            return;
        }

        ngx_conductor_zone_lock(hub);

        rc = cdr_presence_scan(&hub->reviewers, &g->index,
                               &ngx_conductor_tell_batch);
        n = (rc == CDR_OK) ? ngx_conductor_tell_lines(g) : 0;

        ngx_conductor_zone_unlock(hub);

        if (rc != CDR_OK) {
            g->pushing = 0;
            rc = (ngx_conductor_tell_end(g) == NGX_OK) ? CDR_OK : CDR_ERROR;

        } else if (n) {
            rc = (ngx_conductor_tell_part(g, n) == NGX_OK) ? CDR_OK
                                                           : CDR_ERROR;
        }

        if (rc != CDR_OK) {
            ngx_conductor_tell_all(g, NGX_CONDUCTOR_TELL_AGAIN);
            return;
        }
    }
}


/* Some of all: into what will be the hash. */

static ngx_int_t
ngx_conductor_tell_part(ngx_conductor_guests_t *g, ngx_uint_t n)
{
    u_char                *p;
    ngx_str_t             *argv, expire[3];
    ngx_uint_t             i, argc;
    ngx_conductor_told_t  *told;

    argv = ngx_conductor_tell_argv;
    argc = 2;

    ngx_conductor_tell_values.len = 0;
    p = ngx_conductor_arena_room(&ngx_conductor_tell_values,
                                 n * NGX_CONDUCTOR_TOLD_VALUE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        told = &ngx_conductor_told[i];

        if (ngx_conductor_told_value(g, told, &p) != NGX_OK) {
            return NGX_ERROR;
        }

        argv[argc++] = told->field;
        argv[argc++] = told->value;

        g->told[ngx_conductor_told_index[i]] = ngx_conductor_told_sums[i];
    }

    ngx_str_set(&argv[0], "HSET");
    argv[1] = g->next;

    if (ngx_conductor_join_command(g->join, ngx_conductor_tell_reply, NULL,
                                   argc, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    g->waiting++;

    ngx_str_set(&expire[0], "PEXPIRE");
    expire[1] = g->next;
    ngx_str_set(&expire[2], NGX_CONDUCTOR_TELL_KEEP);

    return ngx_conductor_join_command(g->join, NULL, NULL, 3, expire);
}


static ngx_int_t
ngx_conductor_tell_end(ngx_conductor_guests_t *g)
{
    u_char     version[NGX_INT64_LEN];
    ngx_str_t  argv[8];

    g->version++;

    if (ngx_conductor_told_message(g, NULL, 0, &argv[6]) != NGX_OK) {
        return NGX_ERROR;
    }

    argv[0] = g->own;
    argv[1] = g->versions;
    argv[2] = g->next;
    argv[3] = g->id;
    argv[4].data = version;
    argv[4].len = ngx_sprintf(version, "%uL", g->version) - version;
    argv[5] = g->channel;
    ngx_str_set(&argv[7], NGX_CONDUCTOR_TELL_KEEP);

    return ngx_conductor_tell_run(g, &ngx_conductor_replace_script, 3, 8,
                                  argv);
}


/*
 * Under the lock: what is to be told of a batch, which was not yet.  Returns
 * how many they are.
 */

static ngx_uint_t
ngx_conductor_tell_lines(ngx_conductor_guests_t *g)
{
    u_char                *p, *line;
    uint32_t               i;
    uint64_t               sum;
    ngx_uint_t             n;
    cdr_reviewer_t        *r;
    ngx_conductor_told_t  *told;

    n = 0;
    p = ngx_conductor_tell_text.data;

    for (i = 0; i < ngx_conductor_tell_batch.n; i++) {
        r = &ngx_conductor_tell_batch.item[i];
        told = &ngx_conductor_told[n];

        told->field.data = p;
        ngx_conductor_tell_own(g, &p, &line, r);

        told->field.len = line - told->field.data;
        told->line.data = line;
        told->line.len = p - line;

        sum = 0;

        if (told->line.len) {
            sum = cdr_siphash(g->hub->zone->secret, told->line.data,
                              told->line.len);
            sum += (sum == 0);
        }

        if (sum == g->told[r->index]) {
            p = told->field.data;
            continue;
        }

        ngx_conductor_told_sums[n] = sum;
        ngx_conductor_told_index[n] = r->index;
        n++;
    }

    return n;
}


/* Name of the field, and behind it the line, if he is this server's. */

static void
ngx_conductor_tell_own(ngx_conductor_guests_t *g, u_char **p, u_char **line,
    cdr_reviewer_t *r)
{
    cdr_guest_info_t  info;

    *p += cdr_guest_field(*p, r->id, r->anonymous);
    *line = *p;

    if (cdr_guest_own(&g->hub->reviewers, r->index, &info) == CDR_OK) {
        *p += cdr_guest_line(*p, &info);
    }
}


static ngx_int_t
ngx_conductor_tell_run(ngx_conductor_guests_t *g,
    ngx_conductor_script_t *script, ngx_uint_t keys, ngx_uint_t argc,
    ngx_str_t *argv)
{
    if (ngx_conductor_join_script(g->join, script, ngx_conductor_tell_reply,
                                  script, keys, argc, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    g->waiting++;

    return NGX_OK;
}


/* What was not done has all told again. */

static void
ngx_conductor_tell_reply(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);

    if (g->waiting) {
        g->waiting--;
    }

    if (reply == NULL || g->push) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_conductor_tell_all(g, NGX_CONDUCTOR_TELL_AGAIN);

    } else if (data && reply->type == REDIS_REPLY_INTEGER
               && reply->integer == 0)
    {
        ngx_conductor_tell_all(g, 0);
    }
}
