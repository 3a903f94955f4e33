/* The entry of a new client in the hub's registry, counted for its address. */

#include "ngx_conductor_session.h"

#include <openssl/rand.h>


#define NGX_CONDUCTOR_KEY_ADDRESS  1        /* kinds of counted keys */
#define NGX_CONDUCTOR_KEY_VARIABLE 2


static ngx_int_t ngx_conductor_register_info(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id,
    cdr_conn_info_t *info);
static void ngx_conductor_register_address(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, cdr_conn_info_t *info);
static ngx_int_t ngx_conductor_register_id(ngx_http_request_t *r,
    cdr_conn_info_t *info);


/* Takes an entry of the registry, counted for its address. */

ngx_uint_t
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
