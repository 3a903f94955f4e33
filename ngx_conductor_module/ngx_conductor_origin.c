/* Origins, RFC 6454: who may connect from a browser, and CORS over HTTP. */

#include "ngx_conductor.h"

#include <cdr_origin.h>


static ngx_int_t ngx_conductor_origin_header(ngx_http_request_t *r,
    ngx_str_t *origin);
static ngx_int_t ngx_conductor_origin_check(ngx_http_request_t *r,
    ngx_str_t *origin);


/*
 * NGX_OK or NGX_DECLINED.  A request without an origin comes from no browser,
 * or from the same site: it is allowed, unless its token came by a cookie,
 * which a browser sends along by itself.
 */

ngx_int_t
ngx_conductor_origin_allowed(ngx_http_request_t *r, ngx_flag_t by_cookie)
{
    ngx_int_t  rc;
    ngx_str_t  origin;

    rc = ngx_conductor_origin_header(r, &origin);

    if (rc == NGX_DECLINED) {
        return by_cookie ? NGX_DECLINED : NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_conductor_origin_check(r, &origin);
}


/*
 * Lets a page read the answer: NGX_OK if it may, NGX_DECLINED if no page asks,
 * NGX_ABORT if its origin is not allowed, or NGX_ERROR.
 */

ngx_int_t
ngx_conductor_cors_origin(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  origin, value;

    rc = ngx_conductor_origin_header(r, &origin);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_DECLINED : NGX_ABORT;
    }

    if (ngx_conductor_origin_check(r, &origin) != NGX_OK) {
        return NGX_ABORT;
    }

    ngx_str_set(&value, "Origin");

    if (ngx_conductor_add_header(r, "Access-Control-Allow-Origin", &origin)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_conductor_add_header(r, "Vary", &value);
}


/*
 * Answers for an HTTP endpoint: NGX_OK to go on, NGX_DONE if the request was
 * a preflight and is answered, NGX_DECLINED if the origin is not allowed.
 */

ngx_int_t
ngx_conductor_cors(ngx_http_request_t *r, const char *methods)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_conductor_cors_origin(r);

    if (rc == NGX_ABORT) {
        return NGX_DECLINED;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (r->method != NGX_HTTP_OPTIONS) {
        return NGX_OK;
    }

    value.data = (u_char *) methods;
    value.len = ngx_strlen(methods);

    if (ngx_conductor_add_header(r, "Allow", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {

        if (ngx_conductor_add_header(r, "Access-Control-Allow-Methods", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_str_set(&value, "Authorization, Content-Type, Idempotency-Key");

        if (ngx_conductor_add_header(r, "Access-Control-Allow-Headers", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_str_set(&value, "600");

        if (ngx_conductor_add_header(r, "Access-Control-Max-Age", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    return NGX_DONE;
}


/* Sends what ngx_conductor_cors() has prepared for a preflight. */

ngx_int_t
ngx_conductor_send_preflight(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_send_header(r);
}


/* NGX_OK; NGX_DECLINED if there is none; NGX_ERROR if there are several. */

static ngx_int_t
ngx_conductor_origin_header(ngx_http_request_t *r, ngx_str_t *origin)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    rc = NGX_DECLINED;
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != sizeof("Origin") - 1
            || ngx_strncasecmp(h[i].key.data, (u_char *) "Origin",
                               sizeof("Origin") - 1)
               != 0)
        {
            continue;
        }

        if (rc == NGX_OK) {
            return NGX_ERROR;
        }

        *origin = h[i].value;
        rc = NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_conductor_origin_check(ngx_http_request_t *r, ngx_str_t *origin)
{
    cdr_str_t                  s, host, *pattern;
    ngx_uint_t                 i, tls;
    cdr_origin_t               o;
    ngx_conductor_loc_conf_t  *lcf;

    s.data = origin->data;
    s.len = origin->len;

    if (cdr_origin_parse(s, &o) != CDR_OK) {
        return NGX_DECLINED;
    }

    tls = 0;

#if (NGX_HTTP_SSL)
    tls = (r->connection->ssl != NULL);
#endif

    if (r->headers_in.host) {
        host.data = r->headers_in.host->value.data;
        host.len = r->headers_in.host->value.len;

        if (cdr_origin_is_host(&o, host, tls)) {
            return NGX_OK;
        }
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (lcf->origins == NULL) {
        return NGX_DECLINED;
    }

    pattern = lcf->origins->elts;

    for (i = 0; i < lcf->origins->nelts; i++) {
        if (cdr_origin_match(&o, pattern[i])) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
