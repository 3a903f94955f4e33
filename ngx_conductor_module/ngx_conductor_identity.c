/* Who asks: the token or variables of a request, verified at first use. */

#include "ngx_conductor.h"

#include <cdr_handshake.h>
#include <cdr_utf8.h>


static void ngx_conductor_identity_jwt(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id);
static void ngx_conductor_identity_variables(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id);
static ngx_int_t ngx_conductor_find_token(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_str_t *token, ngx_flag_t *cookie);
static ngx_int_t ngx_conductor_copy(ngx_pool_t *pool, ngx_str_t *dst,
    cdr_str_t *src);
static ngx_int_t ngx_conductor_printable(ngx_str_t *s);
static u_char *ngx_conductor_log_request(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);


/*
 * The identity of a request under its location's rules; never NULL but
 * without memory.  Its rc is NGX_OK, or NGX_DECLINED with a reason.  It is
 * asked anew when the request moves to a location with other rules, and if
 * it comes from variables, which others set on the way.
 */

ngx_conductor_identity_t *
ngx_conductor_identity(ngx_http_request_t *r)
{
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_identity_t  *id;
    ngx_conductor_loc_conf_t  *lcf;

    ctx = ngx_conductor_get_ctx(r->main);
    if (ctx == NULL) {
        return NULL;
    }

    lcf = ngx_http_get_module_loc_conf(r->main, ngx_http_conductor_module);
    id = &ctx->identity;

    if (id->rc != NGX_AGAIN && ctx->conf == lcf
        && lcf->auth != NGX_CONDUCTOR_AUTH_VARIABLE)
    {
        return id;
    }

    ngx_memzero(id, sizeof(ngx_conductor_identity_t));

    ctx->conf = lcf;
    id->expires = INT64_MAX;

    switch (lcf->auth) {

    case NGX_CONDUCTOR_AUTH_JWT:
        ngx_conductor_identity_jwt(r->main, lcf, id);
        break;

    case NGX_CONDUCTOR_AUTH_VARIABLE:
        ngx_conductor_identity_variables(r->main, lcf, id);
        break;

    case NGX_CONDUCTOR_AUTH_OFF:
        id->rc = NGX_OK;
        break;

    default:
        id->rc = NGX_DECLINED;
        id->missing = 1;
        id->reason = "no way of identity is configured";
    }

    if (id->rc == NGX_OK && ngx_conductor_revoked(lcf->hub, id)) {
        id->rc = NGX_DECLINED;
        id->revoked = 1;
        id->reason = "revoked";
    }

    if (id->rc != NGX_OK) {
        ngx_str_null(&id->user);
        ngx_str_null(&id->role);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "conductor identity: %i, %s", id->rc,
                   id->reason ? id->reason : "good");

    return id;
}


/* Verifies a token; the strings of the identity are copied to the pool. */

ngx_int_t
ngx_conductor_identity_verify(ngx_conductor_loc_conf_t *lcf, ngx_str_t *token,
    ngx_pool_t *pool, ngx_conductor_identity_t *id)
{
    cdr_str_t          str;
    cdr_jwt_policy_t   policy;
    cdr_jwt_claims_t   claims;

    str.data = token->data;
    str.len = token->len;

    policy = *lcf->policy;

    id->rc = NGX_DECLINED;

    if (cdr_jwt_verify(lcf->keys, &policy, str, ngx_time(), &claims,
                       &id->reason)
        != CDR_OK)
    {
        id->expired = claims.expired;
        return NGX_DECLINED;
    }

    if (ngx_conductor_copy(pool, &id->user, &claims.user) != NGX_OK
        || ngx_conductor_copy(pool, &id->role, &claims.role) != NGX_OK
        || ngx_conductor_copy(pool, &id->jti, &claims.jti) != NGX_OK)
    {
        id->reason = "no memory";
        return NGX_DECLINED;
    }

    id->expires = claims.deadline;
    id->rc = NGX_OK;

    return NGX_OK;
}


/* What the registry keeps of an identity. */

void
ngx_conductor_identity_record(ngx_conductor_hub_t *hub,
    ngx_conductor_identity_t *id, cdr_conn_identity_t *record)
{
    cdr_str_t  jti;

    ngx_memzero(record, sizeof(cdr_conn_identity_t));

    record->user.data = id->user.data;
    record->user.len = id->user.len;
    record->role.data = id->role.data;
    record->role.len = id->role.len;
    record->expires_s = (id->expires == INT64_MAX) ? 0 : id->expires;

    if (id->jti.len) {

        jti.data = id->jti.data;
        jti.len = id->jti.len;

        cdr_revoke_hash(jti, record->jti);
    }
}


static void
ngx_conductor_identity_jwt(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id)
{
    ngx_int_t   rc;
    ngx_str_t   token;
    ngx_flag_t  cookie;

    rc = ngx_conductor_find_token(r, lcf, &token, &cookie);

    if (rc != NGX_OK) {
        id->rc = NGX_DECLINED;
        id->missing = (rc == NGX_DECLINED);
        id->reason = (rc == NGX_DECLINED) ? "no token" : "malformed token";
        return;
    }

    id->cookie = cookie;

    (void) ngx_conductor_identity_verify(lcf, &token, r->pool, id);
}


static void
ngx_conductor_identity_variables(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id)
{
    time_t     expires;
    ngx_str_t  value;

    id->rc = NGX_DECLINED;
    id->reason = "no user";

    if (ngx_http_complex_value(r, lcf->user, &id->user) != NGX_OK
        || id->user.len == 0)
    {
        id->missing = 1;
        return;
    }

    if (lcf->role
        && ngx_http_complex_value(r, lcf->role, &id->role) != NGX_OK)
    {
        return;
    }

    if (id->user.len > CDR_CONN_USER_MAX || id->role.len > CDR_CONN_ROLE_MAX
        || ngx_conductor_printable(&id->user) != NGX_OK
        || ngx_conductor_printable(&id->role) != NGX_OK)
    {
        id->reason = "user or role is too long or not printable text";
        return;
    }

    if (lcf->expires) {
        id->reason = "expiry is not a Unix time";

        if (ngx_http_complex_value(r, lcf->expires, &value) != NGX_OK) {
            return;
        }

        expires = ngx_atotm(value.data, value.len);

        if (expires == NGX_ERROR) {
            return;
        }

        if (expires <= ngx_time()) {
            id->reason = "identity expired";
            id->expired = 1;
            return;
        }

        id->expires = expires;
    }

    id->rc = NGX_OK;
    id->reason = NULL;
}


/*
 * The header, the subprotocol, then the configured places: the first that is
 * there counts.  NGX_OK; NGX_DECLINED if there is no token; NGX_ERROR if a
 * place is there twice or its content cannot be a token.
 */

static ngx_int_t
ngx_conductor_find_token(ngx_http_request_t *r, ngx_conductor_loc_conf_t *lcf,
    ngx_str_t *token, ngx_flag_t *cookie)
{
    ngx_uint_t              i;
    ngx_conductor_ctx_t    *ctx;
    ngx_table_elt_t        *h;
    ngx_conductor_token_t  *place;

    *cookie = 0;

    h = r->headers_in.authorization;

    if (h && h->value.len > 7
        && ngx_strncasecmp(h->value.data, (u_char *) "Bearer ", 7) == 0)
    {
        token->data = h->value.data + 7;
        token->len = h->value.len - 7;

        while (token->len && *token->data == ' ') {
            token->data++;
            token->len--;
        }

        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    if (ngx_conductor_subprotocols(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->bearer.len) {
        *token = ctx->bearer;
        return NGX_OK;
    }

    if (lcf->tokens == NULL) {
        return NGX_DECLINED;
    }

    place = lcf->tokens->elts;

    for (i = 0; i < lcf->tokens->nelts; i++) {

        if (ngx_http_complex_value(r, place[i].value, token) != NGX_OK) {
            return NGX_ERROR;
        }

        if (token->len) {
            *cookie = place[i].cookie;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* Reads Sec-WebSocket-Protocol once: is ours offered, and a token with it? */

ngx_int_t
ngx_conductor_subprotocols(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx)
{
    cdr_str_t               value;
    ngx_uint_t              i;
    ngx_list_part_t        *part;
    ngx_table_elt_t        *h;
    cdr_ws_subprotocols_t   sub;
    static cdr_str_t        wanted = cdr_str("conductor.v1");

    if (ctx->subprotocols) {
        return (ctx->subprotocols == 1) ? NGX_OK : NGX_ERROR;
    }

    ctx->subprotocols = 1;

    ngx_memzero(&sub, sizeof(cdr_ws_subprotocols_t));

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

        if (h[i].key.len != sizeof("Sec-WebSocket-Protocol") - 1
            || ngx_strcasecmp(h[i].key.data,
                              (u_char *) "Sec-WebSocket-Protocol")
               != 0)
        {
            continue;
        }

        value.data = h[i].value.data;
        value.len = h[i].value.len;

        if (cdr_ws_subprotocols(value, wanted, &sub) != CDR_OK) {
            ctx->subprotocols = 2;
            return NGX_ERROR;
        }
    }

    ctx->offered = sub.conductor;
    ctx->bearer.data = (u_char *) sub.bearer.data;
    ctx->bearer.len = sub.bearer.len;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_copy(ngx_pool_t *pool, ngx_str_t *dst, cdr_str_t *src)
{
    dst->len = src->len;
    dst->data = ngx_pnalloc(pool, ngx_max(src->len, 1));

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    if (src->len) {
        ngx_memcpy(dst->data, src->data, src->len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_printable(ngx_str_t *s)
{
    size_t      i;
    cdr_utf8_t  utf8;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return NGX_DECLINED;
        }

        /* C1 of ISO 6429, as UTF-8 */

        if (s->data[i] == 0xc2 && i + 1 < s->len && s->data[i + 1] < 0xa0) {
            return NGX_DECLINED;
        }
    }

    utf8 = 0;

    return (cdr_utf8_check(&utf8, s->data, s->len) == CDR_OK
            && cdr_utf8_done(&utf8)) ? NGX_OK : NGX_DECLINED;
}


/* Where an argument may be a token, none is to be in the log from here on. */

void
ngx_conductor_hide_arguments(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf)
{
    if (lcf->tokens) {
        r->log_handler = ngx_conductor_log_request;
    }
}


/*
 * What others chose, within quotes of the error log and as the access log
 * has it: it cannot look like something else, nor speak to a terminal.
 */

u_char *
ngx_conductor_log_text(u_char *p, u_char *last, const u_char *data,
    size_t len)
{
    for ( /* void */ ; len && last - p >= 4; data++, len--) {

        if (*data < 0x20 || *data > 0x7e || *data == '"' || *data == '\\') {
            p = ngx_sprintf(p, "\\x%02Xd", (u_int) *data);

        } else {
            *p++ = *data;
        }
    }

    return p;
}


/* "buf" has NGX_CONDUCTOR_LOG_WHO bytes; ends with a NUL. */

u_char *
ngx_conductor_log_who(ngx_http_request_t *r, u_char *buf)
{
    u_char                    *p, *last;
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_loc_conf_t  *lcf;

    last = buf + NGX_CONDUCTOR_LOG_WHO - 2;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    p = ngx_slprintf(buf, last, ", hub: \"%V\"", &lcf->hub->name);

    if (ctx && ctx->identity.rc == NGX_OK && ctx->identity.user.len) {
        p = ngx_slprintf(p, last, ", user: \"");
        p = ngx_conductor_log_text(p, last, ctx->identity.user.data,
                                   ctx->identity.user.len);
        *p++ = '"';
    }

    *p = '\0';

    return buf;
}


/* As nginx names a request in its log, up to the arguments. */

static u_char *
ngx_conductor_log_request(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                    *p, *last, *args;
    ngx_str_t                  line;
    ngx_http_core_srv_conf_t  *cscf;

    last = buf + len;
    line = r->request_line;

    args = line.len ? ngx_strlchr(line.data, line.data + line.len, '?') : NULL;

    if (args) {
        line.len = args - line.data;
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    p = ngx_slprintf(buf, last, ", server: \"%V\", request: \"%V\"",
                     &cscf->server_name, &line);

    if (r->headers_in.host) {
        p = ngx_slprintf(p, last, ", host: \"%V\"",
                         &r->headers_in.host->value);
    }

    return p;
}
