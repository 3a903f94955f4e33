/* The header Idempotency-Key of a publication. */

#include "ngx_conductor.h"


#define NGX_CONDUCTOR_KEY_MAX   255
#define NGX_CONDUCTOR_KEY_PART  4           /* of the table, for who waits */


static ngx_int_t ngx_conductor_publish_header(ngx_http_request_t *r,
    ngx_str_t *key);
static ngx_uint_t ngx_conductor_publish_crowded(ngx_conductor_idem_t *idem);
static void ngx_conductor_publish_cleanup(void *data);


/*
 * NGX_OK, with *idem NULL where there is no key; NGX_DECLINED if it is none
 * or there twice; NGX_ERROR.  A key is that of whom the identity admitted, or
 * else of nobody in particular, and counts in its location.
 */

ngx_int_t
ngx_conductor_publish_key(ngx_http_request_t *r, ngx_conductor_idem_t **idem)
{
    ngx_int_t                  rc;
    ngx_str_t                  parts[4];
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_idem_t      *id;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;
    ngx_conductor_loc_conf_t  *lcf;

    *idem = NULL;

    rc = ngx_conductor_publish_header(r, &parts[3]);

    if (rc != NGX_OK || parts[3].data == NULL) {
        return rc;
    }

    id = ngx_pcalloc(r->pool, sizeof(ngx_conductor_idem_t));
    if (id == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    parts[0] = cscf->server_name;
    parts[1] = clcf->name;

    if (ctx->admitted) {
        parts[2] = ctx->identity.user;

    } else {
        ngx_str_null(&parts[2]);
    }

    id->hub = lcf->hub;

    ngx_conductor_idem_key(id, NGX_CONDUCTOR_IDEM_LOCATION, parts, 4);

    *idem = id;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_publish_header(ngx_http_request_t *r, ngx_str_t *key)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("idempotency-key");

    ngx_str_null(key);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != name.len
                || ngx_strncasecmp(h[i].key.data, name.data, name.len) != 0)
            {
                continue;
            }

            if (key->data || h[i].value.len == 0
                || h[i].value.len > NGX_CONDUCTOR_KEY_MAX)
            {
                return NGX_DECLINED;
            }

            *key = h[i].value;
        }
    }

    return NGX_OK;
}


/*
 * Has the key until the request ends.  NGX_OK; NGX_DONE, NGX_AGAIN and
 * NGX_BUSY as ngx_conductor_idem_reserve(); NGX_ERROR.
 */

ngx_int_t
ngx_conductor_publish_reserve(ngx_http_request_t *r,
    ngx_conductor_idem_t *idem)
{
    ngx_int_t            rc;
    ngx_http_cleanup_t  *cln;

    if (idem->hub->slot == NGX_CONDUCTOR_NO_SLOT) {

        /* nobody could give it back: it is taken with the events alone */

        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_conductor_publish_cleanup;
    cln->data = idem;

    ngx_conductor_zone_lock(idem->hub);

    if (ngx_conductor_publish_crowded(idem)) {
        rc = ngx_conductor_idem_find(idem);
        rc = (rc == NGX_DECLINED) ? NGX_OK : rc;

    } else {
        rc = ngx_conductor_idem_reserve(idem, 1);
    }

    ngx_conductor_zone_unlock(idem->hub);

    return rc;
}


/*
 * Whoever may send headers can have a key for as long as its body takes: they
 * must not drive out what was answered, nor leave no room to who is quick.
 * Beyond their part of the table a key is taken with the events alone.
 */

static ngx_uint_t
ngx_conductor_publish_crowded(ngx_conductor_idem_t *idem)
{
    cdr_idem_fill_t  fill;

    cdr_idem_fill(&idem->hub->idem, &fill);

    return fill.running >= fill.records / NGX_CONDUCTOR_KEY_PART;
}


/*
 * What became of the key, now that the body is there: NGX_OK, go on; NGX_DONE
 * or NGX_AGAIN.  The record that was seen before the body may be gone.
 */

ngx_int_t
ngx_conductor_publish_lookup(ngx_conductor_idem_t *idem, ngx_str_t *body)
{
    ngx_int_t  rc;

    if (idem == NULL) {
        return NGX_OK;
    }

    ngx_conductor_idem_digest(idem, body);

    if (idem->ticket.link) {
        return NGX_OK;
    }

    ngx_conductor_zone_lock(idem->hub);

    rc = ngx_conductor_idem_find(idem);

    ngx_conductor_zone_unlock(idem->hub);

    return (rc == NGX_DECLINED) ? NGX_OK : rc;
}


void
ngx_conductor_publish_release(ngx_conductor_idem_t *idem)
{
    if (idem == NULL || idem->ticket.link == 0) {
        return;
    }

    ngx_conductor_zone_lock(idem->hub);

    ngx_conductor_idem_release(idem);

    ngx_conductor_zone_unlock(idem->hub);
}


static void
ngx_conductor_publish_cleanup(void *data)
{
    ngx_conductor_publish_release(data);
}
