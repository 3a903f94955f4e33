/*
 * The handshake, RFC 6455 section 4.2: from a request to a session.
 *
 * It runs after all access modules and before the location's own content.
 */

#include "ngx_conductor_session.h"

#include <cdr_handshake.h>
#include <cdr_pmd.h>
#include <openssl/rand.h>


#define NGX_CONDUCTOR_RETRY_BUSY   5        /* seconds */
#define NGX_CONDUCTOR_RETRY_DRAIN  1

#define NGX_CONDUCTOR_KEY_ADDRESS  1        /* kinds of counted keys */
#define NGX_CONDUCTOR_KEY_VARIABLE 2


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
static ngx_uint_t ngx_conductor_register(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id);
static ngx_int_t ngx_conductor_register_info(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id,
    cdr_conn_info_t *info);
static void ngx_conductor_register_address(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, cdr_conn_info_t *info);
static ngx_int_t ngx_conductor_register_id(ngx_http_request_t *r,
    cdr_conn_info_t *info);
static ngx_int_t ngx_conductor_accept(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs);
static ngx_int_t ngx_conductor_refuse_close(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_conductor_handshake_t *hs,
    ngx_uint_t reason, const char *detail);
static void ngx_conductor_upgrade_cleanup(void *data);

#define NGX_CONDUCTOR_ADMITTED  CDR_REFUSAL_N


ngx_int_t
ngx_conductor_upgrade_handler(ngx_http_request_t *r)
{
    ngx_uint_t                  reason, retry;
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
        return ngx_conductor_refuse(r, reason, NULL, 0);
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

    switch (reason) {

    case CDR_REFUSE_DRAINING:
        retry = NGX_CONDUCTOR_RETRY_DRAIN;
        break;

    case CDR_REFUSE_ADDRESS:
    case CDR_REFUSE_ZONE_FULL:
        retry = NGX_CONDUCTOR_RETRY_BUSY;
        break;

    default:
        retry = 0;
    }

    return ngx_conductor_refuse(r, reason, detail, retry);
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
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_session_t   *s;
    ngx_conductor_identity_t  *id;

    if (ngx_exiting || ngx_terminate) {
        return CDR_REFUSE_DRAINING;
    }

    if (lcf->hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        *detail = "this worker has no process slot";
        return CDR_REFUSE_ZONE_FULL;
    }

    if (ngx_conductor_origin_allowed(r, 0) != NGX_OK) {
        return CDR_REFUSE_ORIGIN;
    }

    id = ngx_conductor_identity(r);

    if (id == NULL) {
        return CDR_REFUSE_ZONE_FULL;
    }

    if (id->rc != NGX_OK) {
        *detail = id->reason;
        return id->expired ? CDR_REFUSE_EXPIRED : CDR_REFUSE_TOKEN;
    }

    if (id->cookie && ngx_conductor_origin_allowed(r, 1) != NGX_OK) {
        *detail = "a token in a cookie needs an Origin";
        return CDR_REFUSE_ORIGIN;
    }

    if (ngx_conductor_role_allowed(lcf->roles, &id->role) != NGX_OK) {
        return CDR_REFUSE_ROLE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    s = ngx_conductor_session_create(r, lcf);
    if (s == NULL) {
        return CDR_REFUSE_ZONE_FULL;
    }

    reason = ngx_conductor_register(r, s, id);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        ngx_conductor_session_abandon(s);
        ngx_str_null(&ctx->connection);
        return reason;
    }

    ctx->session = s;

    return NGX_CONDUCTOR_ADMITTED;
}


/* Takes an entry of the registry, counted for its address. */

static ngx_uint_t
ngx_conductor_register(ngx_http_request_t *r, ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id)
{
    int                   rc;
    uint32_t              live;
    cdr_slot_t           *slot;
    cdr_conn_info_t       info;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;

    if (ngx_conductor_register_info(r, s, id, &info) != NGX_OK) {
        return CDR_REFUSE_ZONE_FULL;
    }

    s->expires = id->expires;
    slot = &hub->slots.slots[hub->slot];

    ngx_conductor_zone_lock(hub);

    rc = cdr_counter_inc(&hub->counters, NGX_CONDUCTOR_KEY_ADDRESS,
                         info.conn_key, (uint32_t) s->conf->limit_conn,
                         ngx_current_msec, NULL);

    if (rc == CDR_OK) {
        rc = cdr_registry_add(&hub->registry, &info, &s->entry,
                              &s->generation);

        if (rc == CDR_OK) {
            live = atomic_load_explicit(&slot->connections,
                                        memory_order_relaxed);
            atomic_store_explicit(&slot->connections, live + 1,
                                  memory_order_relaxed);

        } else {
            (void) cdr_counter_dec(&hub->counters, info.conn_key,
                                   ngx_current_msec);
            s->entry = NGX_CONDUCTOR_NO_ENTRY;
            rc = CDR_FULL;
        }
    }

    ngx_conductor_zone_unlock(hub);

    if (rc == CDR_OK) {
        cdr_slot_add(slot, NGX_CONDUCTOR_FIGURE_CONNECTIONS, 1);
        return NGX_CONDUCTOR_ADMITTED;
    }

    return (rc == CDR_DECLINED) ? CDR_REFUSE_ADDRESS : CDR_REFUSE_ZONE_FULL;
}


static ngx_int_t
ngx_conductor_register_info(ngx_http_request_t *r, ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, cdr_conn_info_t *info)
{
    ngx_str_t             key;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;

    ngx_memzero(info, sizeof(cdr_conn_info_t));

    if (ngx_conductor_register_id(r, info) != NGX_OK) {
        return NGX_ERROR;
    }

    info->owner.slot = (uint16_t) hub->slot;
    info->owner.pid = ngx_pid;
    info->owner.incarnation = hub->incarnation;
    info->connected_ms = ngx_conductor_now();

    ngx_conductor_register_address(r, hub, info);

    if (s->conf->limit_conn == 0) {
        info->conn_key = 0;

    } else if (s->conf->limit_conn_key) {

        if (ngx_http_complex_value(r, s->conf->limit_conn_key, &key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        info->conn_key = key.len
                         ? ngx_conductor_zone_key(hub,
                                                  NGX_CONDUCTOR_KEY_VARIABLE,
                                                  key.data, key.len)
                         : 0;
    }

    ngx_conductor_identity_record(hub, id, &info->identity);

    return NGX_OK;
}


/*
 * The address as realip and the like have set it.  Of an IPv6 address the
 * network counts, since a host has all of a /64.
 */

static void
ngx_conductor_register_address(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, cdr_conn_info_t *info)
{
    size_t                len;
    ngx_connection_t     *c;
    struct sockaddr      *sa;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    c = r->connection;
    sa = c->sockaddr;

    info->family = (uint8_t) sa->sa_family;
    info->address.data = c->addr_text.data;
    info->address.len = ngx_min(c->addr_text.len, CDR_CONN_ADDRESS_MAX);

    switch (sa->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;
        ngx_memcpy(info->addr, &sin6->sin6_addr, 16);
        info->port = ntohs(sin6->sin6_port);

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memmove(info->addr, info->addr + 12, 4);
            ngx_memzero(info->addr + 4, 12);
            info->family = AF_INET;
            len = 4;
            break;
        }

        len = 8;
        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        ngx_memcpy(info->addr, &sin->sin_addr, 4);
        info->port = ntohs(sin->sin_port);
        len = 4;
        break;

    default: /* AF_UNIX */
        len = 0;
    }

    info->conn_key = ngx_conductor_zone_key(hub, NGX_CONDUCTOR_KEY_ADDRESS,
                                            info->addr, len);
}


/* Also for $conductor_connection. */

static ngx_int_t
ngx_conductor_register_id(ngx_http_request_t *r, cdr_conn_info_t *info)
{
    ngx_conductor_ctx_t  *ctx;

    if (RAND_bytes(info->id, CDR_CONN_ID_LEN) != 1) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "RAND_bytes() failed");
        return NGX_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    ctx->connection.data = ngx_pnalloc(r->pool, CDR_CONN_ID_TEXT_LEN);
    if (ctx->connection.data == NULL) {
        return NGX_ERROR;
    }

    cdr_conn_id_print(ctx->connection.data, info->id);
    ctx->connection.len = CDR_CONN_ID_TEXT_LEN;

    return NGX_OK;
}


/* Sends the 101, RFC 6455 section 4.2.2, and leaves the request after it. */

static ngx_int_t
ngx_conductor_accept(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_conductor_handshake_t *hs)
{
    ngx_int_t                  rc;
    ngx_str_t                  value;
    ngx_http_cleanup_t        *cln;
    ngx_conductor_session_t   *s;

    s = ctx->session;

    cln = ngx_http_cleanup_add(r, 0);

    value.len = CDR_WS_ACCEPT_LEN + CDR_PMD_RESPONSE_MAX;
    value.data = ngx_pnalloc(r->pool, value.len);

    if (cln == NULL || value.data == NULL) {
        ngx_conductor_session_abandon(s);
        ctx->session = NULL;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_conductor_upgrade_cleanup;
    cln->data = ctx;

    if (ctx->status == NULL) {
        ctx->status = "connected";
    }

    value.len = CDR_WS_ACCEPT_LEN;

    if (cdr_ws_accept(hs->key, value.data) != CDR_OK
        || ngx_conductor_add_header(r, "Sec-WebSocket-Accept", &value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (hs->pmd.on && s->conf->compress) {
        s->pmd = hs->pmd;

        value.data += CDR_WS_ACCEPT_LEN;
        value.len = cdr_pmd_response(&s->pmd, value.data,
                                     CDR_PMD_RESPONSE_MAX);

        if (ngx_conductor_add_header(r, "Sec-WebSocket-Extensions", &value)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->offered) {
        ngx_str_set(&value, "conductor.v1");

        if (ngx_conductor_add_header(r, "Sec-WebSocket-Protocol", &value)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_str_set(&value, "websocket");

    if (ngx_conductor_add_header(r, "Upgrade", &value) != NGX_OK) {
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
