/* What is common to all that is asked about presence over HTTP. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"


#define NGX_CONDUCTOR_METHODS  "GET, HEAD, OPTIONS"


static ngx_int_t ngx_conductor_presence_methods(ngx_http_request_t *r,
    ngx_int_t *rc);


ngx_int_t
ngx_conductor_presence_ask(ngx_http_request_t *r, uint32_t *hidden,
    ngx_int_t *rc)
{
    cdr_str_t                  role;
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_view_t      *view;
    ngx_conductor_loc_conf_t  *lcf;

    *hidden = 0;

    if (ngx_conductor_presence_methods(r, rc) != NGX_OK) {
        return NGX_DONE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    if (ctx == NULL || !ctx->admitted) {

        /* let in by nginx's own rules: all of it */

        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    role.data = ctx->identity.role.data;
    role.len = ctx->identity.role.len;

    view = (ngx_conductor_rules_current(lcf->hub) == NGX_OK)
           ? ngx_conductor_view(lcf->hub, role) : NULL;

    if (view == NULL) {
        *rc = ngx_conductor_presence_wrong(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "what your role may see is not known", NULL);
        return NGX_DONE;
    }

    *hidden = view->hidden;
    ngx_conductor_view_unref(view);

    if (*hidden == NGX_CONDUCTOR_UNSEEN) {
        ngx_conductor_audit_deny(r, "forbidden", NGX_HTTP_FORBIDDEN);
        *rc = ngx_conductor_presence_wrong(r, NGX_HTTP_FORBIDDEN,
                             "presence is not for your role", NULL);
        return NGX_DONE;
    }

    return NGX_OK;
}


/* By which methods it is asked, from other origins too; as above. */

static ngx_int_t
ngx_conductor_presence_methods(ngx_http_request_t *r, ngx_int_t *rc)
{
    ngx_str_t  value;

    *rc = ngx_conductor_cors(r, NGX_CONDUCTOR_METHODS);

    if (*rc == NGX_DONE) {
        *rc = ngx_conductor_send_preflight(r);
        return NGX_DONE;
    }

    if (*rc == NGX_ERROR) {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NGX_DONE;
    }

    *rc = ngx_http_discard_request_body(r);

    if (*rc != NGX_OK) {
        return NGX_DONE;
    }

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return NGX_OK;
    }

    ngx_str_set(&value, NGX_CONDUCTOR_METHODS);

    *rc = (ngx_conductor_add_header(r, "Allow", &value) == NGX_OK)
          ? ngx_conductor_presence_wrong(r, NGX_HTTP_NOT_ALLOWED,
                                         "presence is read by GET", NULL)
          : NGX_HTTP_INTERNAL_SERVER_ERROR;

    return NGX_DONE;
}


ngx_int_t
ngx_conductor_presence_wrong(ngx_http_request_t *r, ngx_uint_t status,
    const char *error, const char *field)
{
    u_char     *p;
    ngx_str_t   body;

    if (field == NULL) {
        return ngx_conductor_body_error(r, status, error);
    }

    body.data = ngx_pnalloc(r->pool, sizeof("{\"error\":\"\",\"field\":\"\"}\n")
                                     + ngx_strlen(error) + ngx_strlen(field));
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body.data, "{\"error\":\"%s\",\"field\":\"%s\"}\n", error,
                    field);
    body.len = p - body.data;

    return ngx_conductor_send_json(r, status, &body);
}
