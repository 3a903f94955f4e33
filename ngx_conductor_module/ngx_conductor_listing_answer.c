/* The list of connections, as it is answered. */

#include "ngx_conductor_listing.h"
#include "ngx_conductor_watch.h"

#include <cdr_conn_json.h>


#define NGX_CONDUCTOR_LISTING_SIZE   (4 * 1024 * 1024)
#define NGX_CONDUCTOR_LISTING_OTHER  (64 + 6 * CDR_GUEST_LABEL_MAX)


static ngx_int_t ngx_conductor_listing_end(ngx_conductor_listing_t *l,
    ngx_uint_t n);
static void ngx_conductor_listing_others(ngx_conductor_hub_t *hub,
    cdr_json_out_t *out, ngx_uint_t max);
static ngx_int_t ngx_conductor_listing_add(ngx_conductor_listing_t *l,
    ngx_conductor_listed_t *item, ngx_uint_t *n);


static ngx_conductor_arena_t  ngx_conductor_listing_text;


ngx_int_t
ngx_conductor_listing_answer(ngx_conductor_listing_t *l, ngx_str_t *body)
{
    ngx_int_t               rc;
    ngx_uint_t              i, n;
    ngx_conductor_arena_t  *text;

    text = &ngx_conductor_listing_text;
    rc = NGX_OK;
    n = 0;

    for (i = 0; i < l->n && rc == NGX_OK; i++) {

        if (text->len > NGX_CONDUCTOR_LISTING_SIZE) {
            l->index = l->items[i].index;
            l->more = 1;
            break;
        }

        rc = ngx_conductor_listing_add(l, &l->items[i], &n);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_listing_end(l, n);
    }

    body->len = sizeof("{\"connections\":[") - 1 + text->len;
    body->data = (rc == NGX_OK) ? ngx_pnalloc(l->request->pool, body->len)
                                : NULL;

    if (body->data) {
        ngx_memcpy(ngx_cpymem(body->data, "{\"connections\":[",
                              sizeof("{\"connections\":[") - 1),
                   text->data, text->len);
    }

    ngx_conductor_arena_reset(text);

    return body->data ? NGX_OK : NGX_ERROR;
}


/* What follows the connections. */

static ngx_int_t
ngx_conductor_listing_end(ngx_conductor_listing_t *l, ngx_uint_t n)
{
    ngx_uint_t              others;
    cdr_json_out_t          out;
    cdr_guest_fill_t        fill;
    ngx_conductor_hub_t    *hub;
    ngx_conductor_arena_t  *text;
    u_char                  cursor[NGX_CONDUCTOR_CURSOR];

    hub = l->hub;
    text = &ngx_conductor_listing_text;
    others = 0;

    if (hub->guests.shm) {
        cdr_guest_fill(&hub->guests, &fill);
        others = fill.servers;
    }

    if (ngx_conductor_arena_room(text, 256 + hub->label.len
                                 + others * NGX_CONDUCTOR_LISTING_OTHER)
        == NULL)
    {
        return NGX_ERROR;
    }

    out.dst = text->data;
    out.len = text->len;

    cdr_json_put_lit(&out, "],\"count\":");
    cdr_json_put_u64(&out, n);
    cdr_json_put_lit(&out, ",\"total\":");
    cdr_json_put_u64(&out, cdr_registry_live(&hub->registry));
    cdr_json_put_lit(&out, ",\"server\":\"");
    cdr_json_put(&out, hub->label.data, hub->label.len);
    cdr_json_put_lit(&out, "\"");

    if (hub->guests.shm) {
        ngx_conductor_listing_others(hub, &out, others);
    }

    if (l->more) {
        ngx_conductor_cursor_text(hub, NGX_CONDUCTOR_CURSOR_CONNECTIONS,
                                  l->index, cursor);

        cdr_json_put_lit(&out, ",\"cursor\":\"");
        cdr_json_put(&out, cursor, sizeof(cursor));
        cdr_json_put_lit(&out, "\"");
    }

    cdr_json_put_lit(&out, "}\n");

    text->len = out.len;

    return NGX_OK;
}


/* The other servers of the hub, which have to be asked themselves. */

static void
ngx_conductor_listing_others(ngx_conductor_hub_t *hub, cdr_json_out_t *out,
    ngx_uint_t max)
{
    uint32_t          i;
    ngx_uint_t        n;
    cdr_guest_peer_t  peer;

    cdr_json_put_lit(out, ",\"others\":[");

    ngx_conductor_zone_lock(hub);

    i = 0;

    for (n = 0;
         n < max && cdr_guest_next(&hub->guests, &i, &peer) == CDR_OK;
         n++, i++)
    {
        cdr_json_put(out, ",", n ? 1 : 0);
        cdr_json_put_lit(out, "{\"server\":");
        cdr_json_put_string(out, peer.label);
        cdr_json_put_lit(out, ",\"reviewers\":");
        cdr_json_put_u64(out, peer.guests);

        if (peer.stale) {
            cdr_json_put_lit(out, ",\"stale\":true");
        }

        cdr_json_put_lit(out, "}");
    }

    ngx_conductor_zone_unlock(hub);

    cdr_json_put_lit(out, "]");
}


static ngx_int_t
ngx_conductor_listing_add(ngx_conductor_listing_t *l,
    ngx_conductor_listed_t *item, ngx_uint_t *n)
{
    int                     rc;
    u_char                 *p;
    cdr_str_t               server;
    cdr_conn_copy_t         copy;
    ngx_conductor_arena_t  *text;

    ngx_conductor_zone_lock(l->hub);
    rc = cdr_registry_snapshot(&l->hub->registry, item->index, &copy);
    ngx_conductor_zone_unlock(l->hub);

    if (rc != CDR_OK || copy.generation != item->generation) {
        return NGX_OK;
    }

    text = &ngx_conductor_listing_text;

    p = ngx_conductor_arena_room(text, 1 + CDR_CONN_JSON_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if ((*n)++) {
        *p++ = ',';
    }

    server.data = l->hub->label.data;
    server.len = l->hub->label.len;

    p += cdr_conn_object(p, &copy, server,
                         !ngx_conductor_listing_told(l, item));
    text->len = p - text->data;

    return NGX_OK;
}
