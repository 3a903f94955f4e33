/* The variables $conductor_... of a request. */

#include "ngx_conductor.h"


static ngx_int_t ngx_conductor_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_conductor_variable_identity(ngx_http_request_t *r,
    uintptr_t data, ngx_str_t *s);


enum {
    NGX_CONDUCTOR_VAR_USER = 0,
    NGX_CONDUCTOR_VAR_ROLE,
    NGX_CONDUCTOR_VAR_CONNECTION,
    NGX_CONDUCTOR_VAR_STATUS
};


static ngx_http_variable_t  ngx_conductor_vars[] = {

    { ngx_string("conductor_user"), NULL, ngx_conductor_variable,
      NGX_CONDUCTOR_VAR_USER, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("conductor_role"), NULL, ngx_conductor_variable,
      NGX_CONDUCTOR_VAR_ROLE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("conductor_connection"), NULL, ngx_conductor_variable,
      NGX_CONDUCTOR_VAR_CONNECTION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("conductor_status"), NULL, ngx_conductor_variable,
      NGX_CONDUCTOR_VAR_STATUS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_conductor_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_conductor_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t             s;
    ngx_conductor_ctx_t  *ctx;

    ngx_str_null(&s);

    switch (data) {

    case NGX_CONDUCTOR_VAR_USER:
    case NGX_CONDUCTOR_VAR_ROLE:

        if (ngx_conductor_variable_identity(r, data, &s) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    default:

        ctx = ngx_http_get_module_ctx(r->main, ngx_http_conductor_module);

        if (ctx == NULL) {
            break;
        }

        if (data == NGX_CONDUCTOR_VAR_CONNECTION) {
            s = ctx->connection;

        } else if (ctx->status) {
            s.data = (u_char *) ctx->status;
            s.len = ngx_strlen(ctx->status);
        }
    }

    if (s.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s.data;
    v->len = s.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* Empty where nobody is asked who he is, or who he says is not believed. */

static ngx_int_t
ngx_conductor_variable_identity(ngx_http_request_t *r, uintptr_t data,
    ngx_str_t *s)
{
    ngx_conductor_identity_t  *id;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r->main, ngx_http_conductor_module);

    if (lcf->auth == NGX_CONF_UNSET_UINT
        || (lcf->auth == NGX_CONDUCTOR_AUTH_JWT && lcf->policy == NULL))
    {
        return NGX_OK;
    }

    id = ngx_conductor_identity(r);

    if (id == NULL) {
        return NGX_ERROR;
    }

    if (id->rc == NGX_OK) {
        *s = (data == NGX_CONDUCTOR_VAR_USER) ? id->user : id->role;
    }

    return NGX_OK;
}
