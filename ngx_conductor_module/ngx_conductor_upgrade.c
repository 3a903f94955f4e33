/*
 * The handshake, RFC 6455 section 4.2: from a request to a session.
 *
 * It runs after all access modules and before the location's own content.
 */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_replay.h"

#include <cdr_handshake.h>
#include <cdr_pmd.h>


/* What the headers say, gathered in one walk. */

typedef struct {
    unsigned                      upgrade:1;
    unsigned                      connection:1;
    unsigned                      version:1;
    unsigned                      other_version:1;
    unsigned                      origin:1;
    unsigned                      bad_extensions:1;
    ngx_uint_t                    keys;
    ngx_uint_t                    versions;
    cdr_str_t                     key;
    cdr_pmd_t                     pmd;
} ngx_conductor_handshake_t;


static void ngx_conductor_handshake_read(ngx_http_request_t *r,
    ngx_conductor_handshake_t *hs);
static void ngx_conductor_handshake_header(ngx_table_elt_t *h,
    ngx_conductor_handshake_t *hs);
static cdr_str_t ngx_conductor_handshake_value(ngx_table_elt_t *h);
static ngx_uint_t ngx_conductor_handshake_check(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs);
static ngx_uint_t ngx_conductor_admit(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, const char **detail);
static ngx_uint_t ngx_conductor_admit_session(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id);
static ngx_uint_t ngx_conductor_admit_identity(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id,
    const char **detail);
static ngx_int_t ngx_conductor_accept(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs);
static ngx_int_t ngx_conductor_accept_headers(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs);
static ngx_int_t ngx_conductor_refuse_close(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs,
    ngx_uint_t reason, const char *detail);
static void ngx_conductor_upgrade_cleanup(void *data);


ngx_int_t
ngx_conductor_upgrade_handler(ngx_http_request_t *r)
{
    ngx_uint_t                  reason;
    const char                 *detail;
    ngx_conductor_ctx_t        *ctx;
    ngx_conductor_loc_conf_t   *lcf;
    ngx_conductor_handshake_t   hs;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (lcf->endpoint != NGX_CONDUCTOR_SOCKET) {
        return NGX_DECLINED;
    }

    if (r != r->main) {

        /* no file must answer in place of a hub, auth_request least of all */

        return lcf->optional ? NGX_DECLINED : NGX_CONDUCTOR_UPGRADE_REQUIRED;
    }

    ngx_memzero(&hs, sizeof(ngx_conductor_handshake_t));

    ngx_conductor_handshake_read(r, &hs);

    if (lcf->optional
        && (!hs.upgrade || r->http_version != NGX_HTTP_VERSION_11))
    {
        return NGX_DECLINED;
    }

    ngx_conductor_hide_arguments(r, lcf);

    ctx = ngx_conductor_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    detail = NULL;

    reason = ngx_conductor_handshake_check(r, ctx, &hs);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        return ngx_conductor_refuse(r, reason, NULL);
    }

    reason = ngx_conductor_admit(r, lcf, &detail);

    if (reason == NGX_CONDUCTOR_ADMITTED) {
        return ngx_conductor_accept(r, ctx, &hs);
    }

    if (lcf->refuse == NGX_CONDUCTOR_REFUSE_CLOSE && hs.origin
        && ngx_conductor_refusal_code(reason))
    {
        return ngx_conductor_refuse_close(r, ctx, &hs, reason, detail);
    }

    return ngx_conductor_refuse(r, reason, detail);
}


/*
 * Lists may be split over lines, and nginx keeps one line of some headers
 * only: all are looked at.
 */

static void
ngx_conductor_handshake_read(ngx_http_request_t *r,
    ngx_conductor_handshake_t *hs)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

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

        ngx_conductor_handshake_header(&h[i], hs);
    }

    if (r->http_version > NGX_HTTP_VERSION_11) {
        hs->upgrade = 0;
    }
}


#define ngx_conductor_header_is(h, name)                                      \
    ((h)->key.len == sizeof(name) - 1                                         \
     && ngx_strncasecmp((h)->key.data, (u_char *) name, sizeof(name) - 1)     \
        == 0)

static void
ngx_conductor_handshake_header(ngx_table_elt_t *h,
    ngx_conductor_handshake_t *hs)
{
    cdr_str_t               value;
    static const cdr_str_t  websocket = cdr_str("websocket");
    static const cdr_str_t  upgrade = cdr_str("upgrade");

    value = ngx_conductor_handshake_value(h);

    if (ngx_conductor_header_is(h, "Upgrade")) {
        hs->upgrade |= cdr_list_has(value, websocket);

    } else if (ngx_conductor_header_is(h, "Connection")) {
        hs->connection |= cdr_list_has(value, upgrade);

    } else if (ngx_conductor_header_is(h, "Sec-WebSocket-Key")) {
        hs->keys++;
        hs->key = value;

    } else if (ngx_conductor_header_is(h, "Sec-WebSocket-Version")) {
        hs->versions++;

        if (cdr_ws_version_check(value) == CDR_OK) {
            hs->version = 1;

        } else {
            hs->other_version = 1;
        }

    } else if (ngx_conductor_header_is(h, "Sec-WebSocket-Extensions")) {
        if (cdr_pmd_negotiate(value, &hs->pmd) == CDR_ERROR) {
            hs->bad_extensions = 1;
        }

    } else if (ngx_conductor_header_is(h, "Origin")) {
        hs->origin = 1;
    }
}


/* nginx takes the spaces around a value away, but no tabs. */

static cdr_str_t
ngx_conductor_handshake_value(ngx_table_elt_t *h)
{
    u_char     *p, *last;
    cdr_str_t   value;

    p = h->value.data;
    last = p + h->value.len;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    value.data = p;
    value.len = last - p;

    return value;
}


/* RFC 6455 section 4.2.1, in the order in which a reader would mend it. */

static ngx_uint_t
ngx_conductor_handshake_check(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_conductor_handshake_t *hs)
{
    if (!hs->upgrade) {
        return CDR_REFUSE_UPGRADE;
    }

    if (r->http_version != NGX_HTTP_VERSION_11) {
        return CDR_REFUSE_HTTP;
    }

    if (r->method != NGX_HTTP_GET) {
        return CDR_REFUSE_METHOD;
    }

    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        return CDR_REFUSE_BODY;
    }

    if (!hs->connection) {
        return CDR_REFUSE_CONNECTION;
    }

    if (!hs->version || hs->other_version || hs->versions != 1) {
        return CDR_REFUSE_VERSION;
    }

    if (hs->keys != 1 || cdr_ws_key_check(hs->key) != CDR_OK) {
        return CDR_REFUSE_KEY;
    }

    if (hs->bad_extensions) {
        return CDR_REFUSE_EXTENSIONS;
    }

    if (ngx_conductor_subprotocols(r, ctx) != NGX_OK) {
        return CDR_REFUSE_PROTOCOL;
    }

    return NGX_CONDUCTOR_ADMITTED;
}


/* Who may come in; on success the session is in the context. */

static ngx_uint_t
ngx_conductor_admit(ngx_http_request_t *r, ngx_conductor_loc_conf_t *lcf,
    const char **detail)
{
    ngx_uint_t                 reason;
    ngx_conductor_identity_t  *id;

    if (ngx_exiting || ngx_terminate || ngx_conductor_draining(lcf->hub)) {
        return CDR_REFUSE_DRAINING;
    }

    if (lcf->hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        *detail = "this worker has no process slot";
        return CDR_REFUSE_ZONE_FULL;
    }

    if (ngx_conductor_origin_allowed(r, 0) != NGX_OK) {
        return CDR_REFUSE_ORIGIN;
    }

    /* before anything is verified: that is what costs */

    reason = ngx_conductor_limit_handshake(r, lcf);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        return reason;
    }

    id = ngx_conductor_identity(r);

    if (id == NULL) {
        return CDR_REFUSE_ZONE_FULL;
    }

    ngx_conductor_count_identity(lcf, id);

    reason = ngx_conductor_admit_identity(r, lcf, id, detail);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        return reason;
    }

    return ngx_conductor_admit_session(r, lcf, id);
}


static ngx_uint_t
ngx_conductor_admit_session(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id)
{
    ngx_uint_t                reason;
    ngx_conductor_ctx_t      *ctx;
    ngx_conductor_session_t  *s;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    s = ngx_conductor_session_create(r, lcf);
    if (s == NULL) {
        return CDR_REFUSE_ZONE_FULL;
    }

    reason = ngx_conductor_register(r, s, id);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        ngx_conductor_session_abandon(s);
        ngx_str_null(&ctx->connection);

        /* for the challenge, if it was revoked just now */

        id->reason = "revoked";

        return reason;
    }

    ctx->session = s;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "conductor handshake: %V, hub \"%V\"", &ctx->connection,
                   &s->hub->name);

    ngx_conductor_audit_connect(r, s);

    return NGX_CONDUCTOR_ADMITTED;
}


static ngx_uint_t
ngx_conductor_admit_identity(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf, ngx_conductor_identity_t *id,
    const char **detail)
{
    if (id->rc != NGX_OK) {
        *detail = id->reason;

        if (id->revoked) {
            return CDR_REFUSE_REVOKED;
        }

        return id->expired ? CDR_REFUSE_EXPIRED : CDR_REFUSE_TOKEN;
    }

    if (id->cookie && ngx_conductor_origin_allowed(r, 1) != NGX_OK) {
        *detail = "a token in a cookie needs an Origin";
        return CDR_REFUSE_ORIGIN;
    }

    if (ngx_conductor_role_allowed(lcf->roles, &id->role) != NGX_OK) {
        return CDR_REFUSE_ROLE;
    }

    return NGX_CONDUCTOR_ADMITTED;
}


/* Sends the 101, RFC 6455 section 4.2.2, and leaves the request after it. */

static ngx_int_t
ngx_conductor_accept(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_conductor_handshake_t *hs)
{
    ngx_int_t                  rc;
    ngx_http_cleanup_t        *cln;
    ngx_conductor_session_t   *s;

    s = ctx->session;

    cln = ngx_http_cleanup_add(r, 0);

    if (cln == NULL) {
        ngx_conductor_session_abandon(s);
        ctx->session = NULL;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_conductor_upgrade_cleanup;
    cln->data = ctx;

    if (!ctx->refused && ngx_conductor_resume_handshake(r, s) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->status == NULL) {
        ctx->status = "connected";
    }

    if (ngx_conductor_accept_headers(r, ctx, hs) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* not the status of an error whose page this location is */

    r->err_status = 0;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");

    r->keepalive = 0;
    r->limit_rate = 0;
    r->limit_rate_set = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    if (ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return NGX_DONE;
    }

    return ngx_conductor_detach(r);
}


static ngx_int_t
ngx_conductor_accept_headers(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_conductor_handshake_t *hs)
{
    ngx_str_t                 value;
    ngx_conductor_session_t  *s;

    s = ctx->session;

    value.data = ngx_pnalloc(r->pool,
                             CDR_WS_ACCEPT_LEN + CDR_PMD_RESPONSE_MAX);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = CDR_WS_ACCEPT_LEN;

    if (cdr_ws_accept(hs->key, value.data) != CDR_OK
        || ngx_conductor_add_header(r, "Sec-WebSocket-Accept", &value)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (hs->pmd.on && s->conf->compress) {
        s->pmd = hs->pmd;

        value.data += CDR_WS_ACCEPT_LEN;
        value.len = cdr_pmd_response(&s->pmd, value.data,
                                     CDR_PMD_RESPONSE_MAX);

        if (ngx_conductor_add_header(r, "Sec-WebSocket-Extensions", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->offered) {
        ngx_str_set(&value, "conductor.v1");

        if (ngx_conductor_add_header(r, "Sec-WebSocket-Protocol", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&value, "websocket");

    return ngx_conductor_add_header(r, "Upgrade", &value);
}


/*
 * A browser cannot see why a handshake was refused: it gets the handshake,
 * and the reason as a close code.
 */

static ngx_int_t
ngx_conductor_refuse_close(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_conductor_handshake_t *hs, ngx_uint_t reason, const char *detail)
{
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    ngx_conductor_refused(r, reason, detail);

    ctx->session = ngx_conductor_session_create(r, lcf);
    if (ctx->session == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->session->code = ngx_conductor_refusal_code(reason);
    ctx->refused = reason + 1;

    return ngx_conductor_accept(r, ctx, hs);
}


static void
ngx_conductor_upgrade_cleanup(void *data)
{
    ngx_conductor_ctx_t *ctx = data;

    if (ctx->session) {
        ngx_conductor_session_abandon(ctx->session);
        ctx->session = NULL;
    }
}
