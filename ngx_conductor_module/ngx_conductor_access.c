/* Identity as an access check, and the challenge where it is missing. */

#include "ngx_conductor_audit.h"


static ngx_int_t ngx_conductor_access_check(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf);
static ngx_int_t ngx_conductor_access_refuse(ngx_http_request_t *r,
    ngx_conductor_identity_t *id);


/* Identity as an access check, for the HTTP endpoints. */

ngx_int_t
ngx_conductor_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if ((lcf->endpoint != NGX_CONDUCTOR_PUBLISH
         && lcf->endpoint != NGX_CONDUCTOR_ADMIN
         && lcf->endpoint != NGX_CONDUCTOR_REVIEWERS
         && lcf->endpoint != NGX_CONDUCTOR_METRICS)
        || lcf->auth == NGX_CONF_UNSET_UINT
        || lcf->auth == NGX_CONDUCTOR_AUTH_OFF
        || r != r->main)
    {
        return NGX_DECLINED;
    }

    if (r->method == NGX_HTTP_OPTIONS) {

        /* a preflight carries no token; with "satisfy any" this admits it */

        return NGX_OK;
    }

    ngx_conductor_hide_arguments(r, lcf);

    rc = ngx_conductor_access_check(r, lcf);

    if (rc == NGX_OK) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);
        ctx->admitted = 1;
    }

    /* the last check of all: a refusal is final, and a page is to see it */

    if (rc != NGX_OK && ngx_conductor_cors_origin(r) == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_conductor_access_check(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf)
{
    u_char                    *last;
    ngx_conductor_identity_t  *id;
    u_char                     role[CDR_CONN_ROLE_MAX * 4];
    u_char                     who[NGX_CONDUCTOR_LOG_WHO];

    last = role + sizeof(role);

    id = ngx_conductor_identity(r);

    if (id == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_conductor_count_identity(lcf, id);

    if (id->rc != NGX_OK) {
        return ngx_conductor_access_refuse(r, id);
    }

    if (id->cookie && ngx_conductor_origin_allowed(r, 1) != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "conductor: access refused: a token in a cookie needs "
                      "an allowed Origin%s", ngx_conductor_log_who(r, who));
        ngx_conductor_audit_deny(r, "bad_origin", NGX_HTTP_FORBIDDEN);
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_conductor_role_allowed(lcf->roles, &id->role) != NGX_OK) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "conductor: access refused: role \"%*s\" is not "
                      "allowed%s", ngx_conductor_log_text(role, last,
                                     id->role.data, id->role.len) - role,
                      role, ngx_conductor_log_who(r, who));
        ngx_conductor_audit_deny(r, "bad_role", NGX_HTTP_FORBIDDEN);
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


/*
 * A body may take its time: NGX_OK if whoever was admitted before it still
 * is, or else the status of the answer.
 */

ngx_int_t
ngx_conductor_access_still(ngx_http_request_t *r)
{
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_identity_t  *id;
    ngx_conductor_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    if (ctx == NULL || !ctx->admitted) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    id = &ctx->identity;

    if (id->expires <= ngx_time()) {
        id->expired = 1;
        id->reason = "expired";

    } else if (ngx_conductor_revoked(lcf->hub, id)) {
        id->revoked = 1;
        id->reason = "revoked";

    } else {
        return NGX_OK;
    }

    id->rc = NGX_DECLINED;
    ngx_str_null(&id->user);
    ngx_str_null(&id->role);

    return ngx_conductor_access_refuse(r, id);
}


static ngx_int_t
ngx_conductor_access_refuse(ngx_http_request_t *r,
    ngx_conductor_identity_t *id)
{
    u_char  who[NGX_CONDUCTOR_LOG_WHO];

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "conductor: access refused: %s%s", id->reason,
                  ngx_conductor_log_who(r, who));
    ngx_conductor_audit_deny(r, id->reason, NGX_HTTP_UNAUTHORIZED);

    return (ngx_conductor_authenticate(r, id) == NGX_OK)
           ? NGX_HTTP_UNAUTHORIZED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* The challenge of RFC 6750 section 3. */

ngx_int_t
ngx_conductor_authenticate(ngx_http_request_t *r,
    ngx_conductor_identity_t *id)
{
    u_char           *p;
    size_t            len;
    ngx_table_elt_t  *h;

    len = sizeof("Bearer realm=\"conductor\", error=\"invalid_token\", "
                 "error_description=\"\"");

    if (!id->missing) {
        len += ngx_strlen(id->reason);
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    /* that of auth_basic may be there already, and is good as well */

    if (r->headers_out.www_authenticate == NULL) {
        r->headers_out.www_authenticate = h;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    h->value.data = p;

    p = ngx_sprintf(p, "Bearer realm=\"conductor\"");

    if (!id->missing) {
        p = ngx_sprintf(p, ", error=\"invalid_token\", "
                        "error_description=\"%s\"", id->reason);
    }

    h->value.len = p - h->value.data;

    return NGX_OK;
}


/* Does one of the comma-joined roles stand in the list?  No list: yes. */

ngx_int_t
ngx_conductor_role_allowed(ngx_array_t *roles, ngx_str_t *role)
{
    u_char      *p, *end, *comma;
    size_t       len;
    ngx_str_t   *want;
    ngx_uint_t   i;

    if (roles == NULL) {
        return NGX_OK;
    }

    want = roles->elts;
    p = role->data;
    end = p + role->len;

    while (p < end) {
        comma = ngx_strlchr(p, end, ',');
        len = (comma ? comma : end) - p;

        for (i = 0; i < roles->nelts; i++) {
            if (want[i].len == len
                && ngx_memcmp(want[i].data, p, len) == 0)
            {
                return NGX_OK;
            }
        }

        p += len + 1;
    }

    return NGX_DECLINED;
}
