/* The arguments of an administrator's request. */

#include "ngx_conductor_admin.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_ADMIN_TEXT  1024      /* of an argument, decoded */


ngx_int_t
ngx_conductor_admin_arg(ngx_conductor_admin_t *a, const char *name,
    ngx_str_t *value)
{
    u_char     *src, *dst;
    ngx_str_t   arg;

    ngx_str_null(value);

    if (ngx_http_arg(a->request, (u_char *) name, ngx_strlen(name), &arg)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (arg.len > NGX_CONDUCTOR_ADMIN_TEXT) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST,
                                         "it is too long", name);
    }

    dst = ngx_pnalloc(a->request->pool, arg.len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = arg.data;

    ngx_unescape_uri(&dst, &src, arg.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


/* *limit is what holds without one. */

ngx_int_t
ngx_conductor_admin_limit(ngx_conductor_admin_t *a, ngx_uint_t max,
    ngx_uint_t *limit)
{
    ngx_int_t  rc, n;
    ngx_str_t  value;

    rc = ngx_conductor_admin_arg(a, "limit", &value);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    n = ngx_atoi(value.data, value.len);

    if (n == NGX_ERROR || n == 0 || (ngx_uint_t) n > max) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST,
                       (max == 1000)
                       ? "the limit is a number from 1 to 1000"
                       : "the limit is a number from 1 to 10000", "limit");
    }

    *limit = n;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_admin_cursor(ngx_conductor_admin_t *a, uint32_t *index)
{
    ngx_int_t  rc, n;
    ngx_str_t  value;
    u_char     text[NGX_CONDUCTOR_ADMIN_CURSOR];

    rc = ngx_conductor_admin_arg(a, "cursor", &value);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    if (value.len == sizeof(text)) {
        n = ngx_hextoi(value.data, 8);

        if (n != NGX_ERROR) {
            *index = (uint32_t) n;
            ngx_conductor_admin_cursor_text(a->hub, *index, text);

            if (ngx_memcmp(text, value.data, sizeof(text)) == 0) {
                return NGX_OK;
            }
        }
    }

    return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST,
                   "this server did not give this cursor, or it was started "
                   "anew: begin without one", "cursor");
}


void
ngx_conductor_admin_cursor_text(ngx_conductor_hub_t *hub, uint32_t index,
    u_char *text)
{
    uint64_t  proof;
    uint32_t  place[2];

    place[0] = index;
    place[1] = NGX_CONDUCTOR_ADMIN_CURSOR;      /* and of which table */

    proof = cdr_siphash(hub->zone->secret, (u_char *) place, sizeof(place));

    (void) ngx_sprintf(text, "%08xD%016xL", index, proof);
}
