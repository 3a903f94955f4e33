/* GET /metrics: for Prometheus, or as JSON. */

#include "ngx_conductor_metrics.h"


static ngx_int_t ngx_conductor_metrics_method(ngx_http_request_t *r);
static size_t ngx_conductor_metrics_accept(ngx_http_request_t *r, u_char *p);
static cdr_metrics_format_e ngx_conductor_metrics_format(
    ngx_http_request_t *r);


static ngx_str_t  ngx_conductor_metrics_types[] = {
    ngx_string("text/plain; version=0.0.4; charset=utf-8"),
    ngx_string("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ngx_string("application/json")
};


ngx_int_t
ngx_conductor_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  body, vary;
    cdr_metrics_t             *m;
    cdr_metrics_format_e       format;
    ngx_conductor_loc_conf_t  *lcf;

    rc = ngx_conductor_metrics_method(r);

    if (rc != NGX_OK) {
        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    format = ngx_conductor_metrics_format(r);

    m = ngx_palloc(r->pool, sizeof(cdr_metrics_t));

    if (m == NULL || ngx_conductor_metrics_read(lcf->hub, r->pool, m) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = cdr_metrics_write(NULL, m, format);
    body.data = ngx_pnalloc(r->pool, body.len);

    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) cdr_metrics_write(body.data, m, format);

    if (format != CDR_METRICS_JSON) {
        ngx_str_set(&vary, "Accept");

        if (ngx_conductor_add_header(r, "Vary", &vary) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_conductor_send(r, NGX_HTTP_OK,
                              &ngx_conductor_metrics_types[format], &body);
}


/* NGX_OK, or what the request is to be ended with. */

static ngx_int_t
ngx_conductor_metrics_method(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_conductor_cors(r, "GET, HEAD, OPTIONS");

    if (rc == NGX_DONE) {
        return ngx_conductor_send_preflight(r);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    return ngx_http_discard_request_body(r);
}


static cdr_metrics_format_e
ngx_conductor_metrics_format(ngx_http_request_t *r)
{
    u_char                    *p;
    cdr_str_t                  accept;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (!lcf->prometheus) {
        return CDR_METRICS_JSON;
    }

    accept.len = ngx_conductor_metrics_accept(r, NULL);

    if (accept.len == 0) {
        return CDR_METRICS_TEXT;
    }

    p = ngx_pnalloc(r->pool, accept.len);
    if (p == NULL) {
        return CDR_METRICS_TEXT;
    }

    accept.data = p;
    (void) ngx_conductor_metrics_accept(r, p);

    return cdr_metrics_accepted(accept);
}


/* Several lines of it are one list, RFC 9110, 5.3.  Returns its length. */

static size_t
ngx_conductor_metrics_accept(ngx_http_request_t *r, u_char *p)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len != sizeof("Accept") - 1
                || ngx_strcasecmp(h[i].key.data, (u_char *) "Accept") != 0)
            {
                continue;
            }

            len += h[i].value.len + 1;

            if (p) {
                p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
                *p++ = ',';
            }
        }
    }

    return len;
}
