/*
 * The hash of another server's reviewers, page by page: it may be of any size,
 * and Redis and this process have other things to do.
 */

#include "ngx_conductor_guests.h"

#include <hiredis/hiredis.h>


#define NGX_CONDUCTOR_SCAN_PAGE   1000      /* fields of the first attempt */
#define NGX_CONDUCTOR_SCAN_TIMES  4         /* as many in the next one */


static void ngx_conductor_scan_ask(ngx_conductor_guests_t *g, uint32_t index);
static void ngx_conductor_scan_begin(ngx_conductor_guests_t *g,
    uint32_t index);
static void ngx_conductor_scan_page(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static ngx_int_t ngx_conductor_scan_take(ngx_conductor_guests_t *g,
    uint32_t index, redisReply *reply);
static ngx_int_t ngx_conductor_scan_done(ngx_conductor_guests_t *g,
    uint32_t index);
static ngx_uint_t ngx_conductor_scan_most(ngx_conductor_guests_t *g);
static ngx_int_t ngx_conductor_scan_value(ngx_conductor_guests_t *g,
    ngx_str_t *key, redisReply *field, redisReply *value, cdr_str_t *line);
static ngx_int_t ngx_conductor_scan_name(ngx_conductor_guests_t *g,
    uint64_t server, ngx_str_t *name, u_char *buf, size_t size);


/*
 * KEYS   a server's reviewers
 * ARGV   where to go on, how many fields about, the longest field and value
 *
 * Returns the version of what is there now, where to go on, and the fields.
 */

static ngx_conductor_script_t  ngx_conductor_scan_script = {
    "local r = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])\n"
    "local out, is = {}, r[2]\n"
    "for i = 1, #is, 2 do\n"
    "  if #is[i] <= tonumber(ARGV[3]) and #is[i + 1] <= tonumber(ARGV[4])\n"
    "  then\n"
    "    out[#out + 1] = is[i]\n"
    "    out[#out + 1] = is[i + 1]\n"
    "  end\n"
    "end\n"
    "local v = redis.call('HGET', KEYS[1], 'version') or ''\n"
    "return { string.sub(v, 1, 20), r[1], out }\n",
    ""
};


void
ngx_conductor_peers_read(ngx_conductor_guests_t *g, uint32_t index)
{
    cdr_guest_peer_t          peer;
    ngx_conductor_reading_t  *p;

    p = &g->peers[index];

    if (p->reading || !g->up
        || ngx_conductor_peers_get(g, index, &peer) != NGX_OK)
    {
        return;
    }

    p->server = peer.server;
    p->page = NGX_CONDUCTOR_SCAN_PAGE;

    ngx_conductor_scan_begin(g, index);
}


static void
ngx_conductor_scan_begin(ngx_conductor_guests_t *g, uint32_t index)
{
    ngx_conductor_reading_t  *p;

    p = &g->peers[index];

    p->fields = 0;
    p->asked = 0;
    p->cursor[0] = '0';
    p->cursor_len = 1;

    ngx_conductor_zone_lock(g->hub);
    cdr_guest_begin(&g->hub->guests, index);
    ngx_conductor_zone_unlock(g->hub);

    ngx_conductor_scan_ask(g, index);
}


static void
ngx_conductor_scan_ask(ngx_conductor_guests_t *g, uint32_t index)
{
    u_char                    name[NGX_INT64_LEN + 512], count[NGX_INT_T_LEN],
                              field[NGX_INT_T_LEN], value[NGX_INT_T_LEN];
    ngx_str_t                 argv[5];
    ngx_conductor_reading_t  *p;

    p = &g->peers[index];

    p->reading = 0;

    if (ngx_conductor_scan_name(g, p->server, &argv[0], name, sizeof(name))
        != NGX_OK)
    {
        return;
    }

    argv[1].data = p->cursor;
    argv[1].len = p->cursor_len;
    argv[2].data = count;
    argv[2].len = ngx_sprintf(count, "%ui", p->page) - count;
    argv[3].data = field;
    argv[3].len = ngx_sprintf(field, "%d", CDR_GUEST_FIELD_MAX) - field;
    argv[4].data = value;
    argv[4].len = ngx_sprintf(value, "%d", NGX_CONDUCTOR_TOLD_VALUE) - value;

    p->reading = (ngx_conductor_join_script(g->join,
                                            &ngx_conductor_scan_script,
                                            ngx_conductor_scan_page,
                                            (void *) (uintptr_t) index, 1, 5,
                                            argv)
                  == NGX_OK);
}


static void
ngx_conductor_scan_page(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    uint32_t                  index;
    cdr_guest_peer_t          peer;
    ngx_conductor_reading_t  *p;
    ngx_conductor_guests_t   *g;

    g = ngx_conductor_guests(join);
    index = (uint32_t) (uintptr_t) data;
    p = &g->peers[index];

    p->reading = 0;

    if (reply == NULL || !g->up
        || ngx_conductor_peers_get(g, index, &peer) != NGX_OK
        || peer.server != p->server
        || ngx_conductor_scan_take(g, index, reply) != NGX_OK)
    {
        return;
    }

    if (p->cursor_len != 1 || p->cursor[0] != '0') {
        ngx_conductor_scan_ask(g, index);
        return;
    }

    if (p->version != p->first && p->page < ngx_conductor_scan_most(g)) {

        /* it has changed meanwhile: once more, in fewer pages */

        p->page *= NGX_CONDUCTOR_SCAN_TIMES;
        ngx_conductor_scan_begin(g, index);
        return;
    }

    if (ngx_conductor_scan_done(g, index) == NGX_OK && p->first < p->wanted) {

        /* a message was faster */

        ngx_conductor_peers_read(g, index);
    }
}


/* NGX_OK: they are in the table, and it is known where to go on. */

static ngx_int_t
ngx_conductor_scan_take(ngx_conductor_guests_t *g, uint32_t index,
    redisReply *reply)
{
    u_char                    buf[NGX_INT64_LEN + 512];
    size_t                    i;
    cdr_str_t                 line;
    ngx_str_t                 key;
    redisReply              **e, *list;
    ngx_conductor_reading_t  *p;

    p = &g->peers[index];
    e = reply->element;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || e[0]->type != REDIS_REPLY_STRING
        || e[1]->type != REDIS_REPLY_STRING
        || e[1]->len == 0 || e[1]->len > sizeof(p->cursor)
        || e[2]->type != REDIS_REPLY_ARRAY
        || ngx_conductor_scan_name(g, p->server, &key, buf, sizeof(buf))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    line.data = (u_char *) e[0]->str;
    line.len = e[0]->len;

    if (cdr_guest_number(line, &p->version) != CDR_OK || p->version == 0) {
        return NGX_DECLINED;
    }

    if (!p->asked) {
        p->asked = 1;
        p->first = p->version;
    }

    p->cursor_len = e[1]->len;
    ngx_memcpy(p->cursor, e[1]->str, e[1]->len);

    list = e[2];
    p->fields += list->elements / 2;

    ngx_conductor_lines_begin(g, index);

    for (i = 0; i + 1 < list->elements; i += 2) {

        if (list->element[i]->type != REDIS_REPLY_STRING
            || list->element[i + 1]->type != REDIS_REPLY_STRING
            || ngx_strcmp(list->element[i]->str, "version") == 0)
        {
            continue;
        }

        if (ngx_conductor_scan_value(g, &key, list->element[i],
                                     list->element[i + 1], &line)
            == NGX_OK)
        {
            ngx_conductor_lines_add(line);
        }
    }

    if (p->fields > ngx_conductor_scan_most(g)) {

        /* the rest has no room either */

        ngx_conductor_peers_full(g);

        p->cursor[0] = '0';
        p->cursor_len = 1;
        p->first = p->version;
    }

    return ngx_conductor_lines_flush();
}


/* Who was not told of any more leaves. */

static ngx_int_t
ngx_conductor_scan_done(ngx_conductor_guests_t *g, uint32_t index)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_reading_t  *p;

    hub = g->hub;
    p = &g->peers[index];

    if (ngx_conductor_peers_sweep(g, index, ngx_conductor_now()
                                            + hub->presence_leave)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_conductor_zone_lock(hub);

    cdr_guest_set_version(&hub->guests, index, 0, p->first);
    cdr_guest_stale(&hub->guests, index, false);
    cdr_guest_seen(&hub->guests, index, ngx_conductor_now());

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_watch_wake(hub);

    return NGX_OK;
}


/* Fields of a hash of which the table could have all; some come twice. */

static ngx_uint_t
ngx_conductor_scan_most(ngx_conductor_guests_t *g)
{
    return 2 * (ngx_uint_t) g->hub->guests.n + NGX_CONDUCTOR_SCAN_PAGE;
}


/* The line of a field, if it is signed where it has to be. */

static ngx_int_t
ngx_conductor_scan_value(ngx_conductor_guests_t *g, ngx_str_t *key,
    redisReply *field, redisReply *value, cdr_str_t *line)
{
    u_char     buf[512 + CDR_GUEST_FIELD_MAX];
    cdr_str_t  what;

    line->data = (u_char *) value->str;
    line->len = value->len;

    if (g->join->conf->secret.len == 0) {
        return NGX_OK;
    }

    what.data = buf;
    what.len = ngx_snprintf(buf, sizeof(buf), "%V %*s", key, field->len,
                            field->str)
               - buf;

    if (cdr_sign_text_check(&g->sign, what, line) != CDR_OK) {
        ngx_conductor_peers_wrong(g, "is not signed by a server of the hub");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* The key of a server's hash: as this one's, with another id. */

static ngx_int_t
ngx_conductor_scan_name(ngx_conductor_guests_t *g, uint64_t server,
    ngx_str_t *name, u_char *buf, size_t size)
{
    size_t  len;

    len = g->own.len - g->id.len;

    if (len + NGX_INT64_LEN > size) {
        return NGX_ERROR;
    }

    name->data = buf;
    name->len = ngx_sprintf(ngx_cpymem(buf, g->own.data, len), "%uL", server)
                - buf;

    return NGX_OK;
}
