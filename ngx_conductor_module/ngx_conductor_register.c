/* The entry of a new client in the hub's registry, counted for its limits. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_calls.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_presence.h"

#include <openssl/rand.h>


/* What is counted for a connection, and which limits let it pass only dry. */

typedef struct {
    uint32_t                      conn;
    uint32_t                      user;
    unsigned                      dry_run:1;
    unsigned                      over_conn:1;
    unsigned                      over_user:1;
} ngx_conductor_counted_t;


static ngx_uint_t ngx_conductor_register_take(ngx_conductor_session_t *s,
    cdr_conn_info_t *info, ngx_conductor_counted_t *n);
static ngx_uint_t ngx_conductor_register_locked(ngx_conductor_session_t *s,
    cdr_conn_info_t *info, ngx_conductor_counted_t *n);
static ngx_uint_t ngx_conductor_register_count(ngx_conductor_hub_t *hub,
    cdr_conn_info_t *info, ngx_conductor_counted_t *n);
static ngx_int_t ngx_conductor_register_info(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id,
    cdr_conn_info_t *info);
static ngx_int_t ngx_conductor_register_keys(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id,
    cdr_conn_info_t *info);
static ngx_int_t ngx_conductor_register_id(ngx_http_request_t *r,
    cdr_conn_info_t *info);


/*
 * Takes an entry of the registry, counted for its address and its user.  Who
 * is refused may be so for what a dead worker holds: then once more.
 */

ngx_uint_t
ngx_conductor_register(ngx_http_request_t *r, ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id)
{
    ngx_uint_t                reason;
    cdr_conn_info_t           info;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_counted_t   n;

    hub = s->hub;

    if (ngx_conductor_register_info(r, s, id, &info) != NGX_OK) {
        return CDR_REFUSE_ZONE_FULL;
    }

    s->expires = id->expires;

    ngx_memzero(&n, sizeof(ngx_conductor_counted_t));

    n.conn = (uint32_t) s->conf->limit_conn;
    n.user = (uint32_t) s->conf->limit_user;
    n.dry_run = s->conf->limit_dry_run;

    reason = ngx_conductor_register_take(s, &info, &n);

    if (reason != NGX_CONDUCTOR_ADMITTED && reason != CDR_REFUSE_REVOKED
        && ngx_conductor_reap_again(hub) == NGX_OK)
    {
        reason = ngx_conductor_register_take(s, &info, &n);
    }

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        return reason;
    }

    if (n.over_conn) {
        ngx_conductor_limit_dry_run(hub, r->connection->log,
                                    CDR_REFUSE_ADDRESS);
    }

    if (n.over_user) {
        ngx_conductor_limit_dry_run(hub, r->connection->log,
                                    CDR_REFUSE_USER);
    }

    return NGX_CONDUCTOR_ADMITTED;
}


/* Gives back the entry and what it counts. */

void
ngx_conductor_unregister(ngx_conductor_session_t *s)
{
    uint32_t               live;
    uint64_t               conn_key, user_key;
    ngx_conductor_hub_t   *hub;
    cdr_registry_entry_t  *e;

    if (s->entry == NGX_CONDUCTOR_NO_ENTRY) {
        return;
    }

    hub = s->hub;

    ngx_conductor_audit_disconnect(s);

    ngx_conductor_zone_lock(hub);

    e = cdr_registry_entry(&hub->registry, s->entry);
    conn_key = e->conn.conn_key;
    user_key = e->conn.user_key;

    ngx_conductor_errand_disconnect(hub, s->entry,
                                    ngx_conductor_session_ending(s),
                                    s->code,
                                    ngx_conductor_calls_left(s)
                                    ? &s->calls->hold : NULL);
    ngx_conductor_presence_leave(hub, s->entry, s->retry);

    if (cdr_registry_remove(&hub->registry, s->entry, s->generation)
        == CDR_OK)
    {
        (void) cdr_counter_dec(&hub->counters, conn_key, ngx_current_msec);
        (void) cdr_counter_dec(&hub->counters, user_key, ngx_current_msec);

        ngx_conductor_count(hub, CDR_FIGURE_ENDED
                                 + ngx_conductor_session_ending(s),
                            1);
    }

    live = atomic_load_explicit(&hub->slots.slots[hub->slot].connections,
                                memory_order_relaxed);
    atomic_store_explicit(&hub->slots.slots[hub->slot].connections, live - 1,
                          memory_order_relaxed);

    ngx_conductor_zone_unlock(hub);

    s->entry = NGX_CONDUCTOR_NO_ENTRY;
}


static ngx_uint_t
ngx_conductor_register_take(ngx_conductor_session_t *s, cdr_conn_info_t *info,
    ngx_conductor_counted_t *n)
{
    ngx_uint_t  reason;

    ngx_conductor_zone_lock(s->hub);

    reason = ngx_conductor_register_locked(s, info, n);

    ngx_conductor_zone_unlock(s->hub);

    return reason;
}


static ngx_uint_t
ngx_conductor_register_locked(ngx_conductor_session_t *s,
    cdr_conn_info_t *info, ngx_conductor_counted_t *n)
{
    uint32_t              live;
    ngx_uint_t            reason;
    cdr_slot_t           *slot;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;

    s->revoke = cdr_revoke_generation(&hub->revoke);

    if (cdr_revoke_check(&hub->revoke, info->identity.user,
                         info->identity.jti, ngx_conductor_now()))
    {
        return CDR_REFUSE_REVOKED;
    }

    reason = ngx_conductor_register_count(hub, info, n);

    if (reason != NGX_CONDUCTOR_ADMITTED) {
        return reason;
    }

    ngx_conductor_presence_keep(hub, info);

    if (cdr_registry_add(&hub->registry, info, &s->entry, &s->generation)
        != CDR_OK)
    {
        (void) cdr_counter_dec(&hub->counters, info->conn_key,
                               ngx_current_msec);
        (void) cdr_counter_dec(&hub->counters, info->identity.user_key,
                               ngx_current_msec);

        s->entry = NGX_CONDUCTOR_NO_ENTRY;

        return CDR_REFUSE_ZONE_FULL;
    }

    cdr_registry_entry(&hub->registry, s->entry)->session = (uintptr_t) s;

    ngx_conductor_presence_join(hub, s->entry);

    slot = &hub->slots.slots[hub->slot];

    live = atomic_load_explicit(&slot->connections, memory_order_relaxed);
    atomic_store_explicit(&slot->connections, live + 1, memory_order_relaxed);

    ngx_conductor_count(hub, CDR_FIGURE_CONNECTIONS, 1);

    return NGX_CONDUCTOR_ADMITTED;
}


/* Both or none, under the lock.  A dry run counts beyond the limit. */

static ngx_uint_t
ngx_conductor_register_count(ngx_conductor_hub_t *hub, cdr_conn_info_t *info,
    ngx_conductor_counted_t *n)
{
    int       rc;
    uint32_t  conn, user;

    rc = cdr_counter_inc(&hub->counters, NGX_CONDUCTOR_KEY_ADDRESS,
                         info->conn_key, n->dry_run ? 0 : n->conn,
                         ngx_current_msec, &conn);

    if (rc != CDR_OK) {
        return (rc == CDR_DECLINED) ? CDR_REFUSE_ADDRESS
                                    : CDR_REFUSE_ZONE_FULL;
    }

    rc = cdr_counter_inc(&hub->counters, NGX_CONDUCTOR_KEY_USER,
                         info->identity.user_key, n->dry_run ? 0 : n->user,
                         ngx_current_msec, &user);

    if (rc != CDR_OK) {
        (void) cdr_counter_dec(&hub->counters, info->conn_key,
                               ngx_current_msec);

        return (rc == CDR_DECLINED) ? CDR_REFUSE_USER : CDR_REFUSE_ZONE_FULL;
    }

    n->over_conn = (conn > n->conn);
    n->over_user = (user > n->user);

    return NGX_CONDUCTOR_ADMITTED;
}


static ngx_int_t
ngx_conductor_register_info(ngx_http_request_t *r, ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, cdr_conn_info_t *info)
{
    ngx_connection_t     *c;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;
    c = r->connection;

    ngx_memzero(info, sizeof(cdr_conn_info_t));

    if (ngx_conductor_register_id(r, info) != NGX_OK) {
        return NGX_ERROR;
    }

    info->owner.slot = (uint16_t) hub->slot;
    info->owner.pid = ngx_pid;
    info->owner.incarnation = hub->incarnation;
    info->connected_ms = ngx_conductor_now();

    info->address.data = c->addr_text.data;
    info->address.len = ngx_min(c->addr_text.len, CDR_CONN_ADDRESS_MAX);

    if (s->conf->protocol == NGX_CONDUCTOR_ECHO
        || ngx_conductor_backend_connects(s->conf))
    {
        info->flags = NGX_CONDUCTOR_CONN_HIDDEN;
    }

    info->backend = s->conf->disconnect_tag;

    ngx_conductor_identity_record(hub, id, &info->identity);

    return ngx_conductor_register_keys(r, s, id, info);
}


/* A key is 0 where nothing is to be counted. */

static ngx_int_t
ngx_conductor_register_keys(ngx_http_request_t *r, ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, cdr_conn_info_t *info)
{
    ngx_conductor_address_t  address;

    ngx_conductor_limit_address(r->connection->sockaddr, &address);

    ngx_memcpy(info->addr, address.data, sizeof(info->addr));
    info->family = address.family;
    info->port = address.port;

    if (s->conf->limit_user && id->user.len) {
        info->identity.user_key =
                       ngx_conductor_zone_key(s->hub, NGX_CONDUCTOR_KEY_USER,
                                              id->user.data, id->user.len);
    }

    if (s->conf->limit_conn == 0) {
        return NGX_OK;
    }

    return ngx_conductor_limit_key(r, s->hub, s->conf->limit_conn_key,
                                   &address, &info->conn_key);
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
