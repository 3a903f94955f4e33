/*
 * What all workers are told to do: disconnect a client, let nobody in who is
 * revoked, drain.
 *
 * It is told by state in the zone, not by messages: a mark on a connection, a
 * table, a number.  Beside each lies a count that moves with it, and a worker
 * that wakes compares it with what it has done.  So nothing can be overrun,
 * however long a worker stood still, and a worker that comes later finds all.
 */

#include "ngx_conductor_calls.h"


#define NGX_CONDUCTOR_SWEEP_HOLD  64        /* sessions in a hold of the lock */
#define NGX_CONDUCTOR_SWEEP_TURN  4096      /* and in a turn */


static void ngx_conductor_control_drain(ngx_conductor_hub_t *hub);
static void ngx_conductor_control_leave(ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_control_sweep(ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_control_revoked(ngx_conductor_hub_t *hub,
    ngx_conductor_session_t **revoked);
static ngx_uint_t ngx_conductor_control_is_revoked(
    ngx_conductor_session_t *s);
static void ngx_conductor_control_close(ngx_conductor_session_t *s,
    uint16_t code, const char *reason);


/* Ends a connection of any worker: NGX_OK, NGX_DECLINED if there is none. */

ngx_int_t
ngx_conductor_disconnect(ngx_conductor_hub_t *hub, u_char *id, size_t len)
{
    int                    rc;
    uint32_t               index, generation, flags;
    cdr_registry_entry_t  *e;
    uint8_t                raw[CDR_CONN_ID_LEN];

    if (cdr_conn_id_parse(raw, id, len) != CDR_OK) {
        return NGX_DECLINED;
    }

    ngx_conductor_zone_lock(hub);

    rc = cdr_registry_find(&hub->registry, raw, &index, &generation);

    if (rc == CDR_ERROR) {
        cdr_registry_repair(&hub->registry);
        rc = cdr_registry_find(&hub->registry, raw, &index, &generation);
    }

    if (rc == CDR_OK) {
        e = cdr_registry_entry(&hub->registry, index);
        flags = (e->conn.flags & 0xffffff) | NGX_CONDUCTOR_CONN_LEAVE;

        rc = cdr_registry_set_flags(&hub->registry, index, generation, flags);

        (void) atomic_fetch_add(
                   &hub->zone->marked[e->conn.owner.slot % CDR_SLOTS], 1);
    }

    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return NGX_DECLINED;
    }

    ngx_conductor_wake_all(hub);

    return NGX_OK;
}


/* NGX_OK, or NGX_DECLINED if the table is full. */

ngx_int_t
ngx_conductor_revoke(ngx_conductor_hub_t *hub, cdr_revoke_kind_t kind,
    ngx_str_t *name, uint64_t until)
{
    int        rc;
    uint64_t   hash[2];
    cdr_str_t  str;

    str.data = name->data;
    str.len = name->len;

    cdr_revoke_hash(str, hash);

    ngx_conductor_zone_lock(hub);
    rc = cdr_revoke_set(&hub->revoke, kind, hash, until, ngx_conductor_now());
    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return NGX_DECLINED;
    }

    ngx_conductor_wake_all(hub);

    return NGX_OK;
}


/* Sends the clients of all workers away, or takes that back. */

void
ngx_conductor_drain(ngx_conductor_hub_t *hub, ngx_uint_t on)
{
    uint32_t  drain;

    ngx_conductor_zone_lock(hub);

    drain = atomic_load(&hub->zone->drain);

    if ((drain & 1) != on) {
        atomic_store(&hub->zone->drain, drain + 1);
    }

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_wake_all(hub);
}


/* Does what was asked.  NGX_AGAIN if there is more for a next turn. */

ngx_int_t
ngx_conductor_control(ngx_conductor_hub_t *hub)
{
    ngx_conductor_control_drain(hub);
    ngx_conductor_control_leave(hub);

    return ngx_conductor_control_sweep(hub);
}


/*
 * Is the identity of a request revoked?  For one that becomes a session this
 * is asked once more, when it gets its entry.
 */

ngx_uint_t
ngx_conductor_revoked(ngx_conductor_hub_t *hub, ngx_conductor_identity_t *id)
{
    ngx_uint_t           revoked;
    cdr_conn_identity_t  identity;

    if (hub == NULL || cdr_revoke_generation(&hub->revoke) == 0) {
        return 0;
    }

    ngx_conductor_identity_record(hub, id, &identity);

    ngx_conductor_zone_lock(hub);

    revoked = cdr_revoke_check(&hub->revoke, identity.user, identity.jti,
                               ngx_conductor_now());

    ngx_conductor_zone_unlock(hub);

    return revoked;
}


/*
 * A session begins that was registered a moment ago.  NGX_DECLINED if it is
 * being closed.
 */

ngx_int_t
ngx_conductor_control_begin(ngx_conductor_session_t *s)
{
    cdr_registry_entry_t  *e;

    e = ngx_conductor_session_entry(s);

    if (e->conn.flags & NGX_CONDUCTOR_CONN_LEAVE) {
        ngx_conductor_session_close(s, CDR_CLOSE_NORMAL, "disconnected");
        return NGX_DECLINED;
    }

    return ngx_conductor_control_check(s);
}


/* Before a message is looked at: NGX_DECLINED if its client was revoked. */

ngx_int_t
ngx_conductor_control_check(ngx_conductor_session_t *s)
{
    ngx_uint_t            revoked;
    ngx_conductor_hub_t  *hub;

    hub = s->hub;

    if (s->revoke == cdr_revoke_generation(&hub->revoke)) {
        return NGX_OK;
    }

    ngx_conductor_zone_lock(hub);
    revoked = ngx_conductor_control_is_revoked(s);
    ngx_conductor_zone_unlock(hub);

    if (!revoked) {
        return NGX_OK;
    }

    ngx_conductor_output_drop(s, 0);
    ngx_conductor_session_close(s, CDR_CLOSE_REVOKED, "revoked");

    return NGX_DECLINED;
}


static void
ngx_conductor_control_drain(ngx_conductor_hub_t *hub)
{
    uint32_t                  drain;
    ngx_queue_t              *q;
    ngx_conductor_session_t  *s;

    drain = atomic_load_explicit(&hub->zone->drain, memory_order_acquire);

    if (drain == hub->drain_seen || ngx_exiting) {
        return;
    }

    hub->drain_seen = drain;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "conductor control: drain %uD, hub \"%V\"", drain,
                   &hub->name);

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (!(drain & 1)) {
            ngx_conductor_session_stay(s);
            continue;
        }

        ngx_conductor_session_drain(s);

        if (s->state == NGX_CONDUCTOR_CLOSING) {
            (void) ngx_conductor_output_flush(s);
        }
    }
}


/* Closes those of this worker's connections that are marked. */

static void
ngx_conductor_control_leave(ngx_conductor_hub_t *hub)
{
    uint32_t                  marked;
    ngx_queue_t              *q;
    cdr_registry_entry_t     *e;
    ngx_conductor_session_t  *s;

    marked = atomic_load_explicit(&hub->zone->marked[hub->slot],
                                  memory_order_acquire);

    if (marked == hub->marked_seen) {
        return;
    }

    hub->marked_seen = marked;

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (s->entry == NGX_CONDUCTOR_NO_ENTRY) {
            continue;
        }

        e = ngx_conductor_session_entry(s);

        if (e->conn.flags & NGX_CONDUCTOR_CONN_LEAVE) {
            ngx_conductor_control_close(s, CDR_CLOSE_NORMAL, "disconnected");
        }
    }
}


/*
 * Checks the sessions that were not checked since the last change of the
 * revocations.  They stand in front: whoever was checked goes to the end.
 */

static ngx_int_t
ngx_conductor_control_sweep(ngx_conductor_hub_t *hub)
{
    ngx_uint_t                i, n, turn;
    ngx_queue_t              *q;
    ngx_conductor_session_t  *s;
    ngx_conductor_session_t  *revoked[NGX_CONDUCTOR_SWEEP_HOLD];

    for (turn = 0; turn < NGX_CONDUCTOR_SWEEP_TURN;
         turn += NGX_CONDUCTOR_SWEEP_HOLD)
    {
        if (ngx_queue_empty(&hub->sessions)) {
            return NGX_OK;
        }

        q = ngx_queue_head(&hub->sessions);
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (s->revoke == cdr_revoke_generation(&hub->revoke)) {
            return NGX_OK;
        }

        n = ngx_conductor_control_revoked(hub, revoked);

        for (i = 0; i < n; i++) {
            ngx_conductor_output_drop(revoked[i], 0);
            ngx_conductor_control_close(revoked[i], CDR_CLOSE_REVOKED,
                                        "revoked");
        }
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_conductor_control_revoked(ngx_conductor_hub_t *hub,
    ngx_conductor_session_t **revoked)
{
    ngx_uint_t                i, n;
    ngx_queue_t              *q;
    ngx_conductor_session_t  *s;

    n = 0;

    ngx_conductor_zone_lock(hub);

    for (i = 0; i < NGX_CONDUCTOR_SWEEP_HOLD; i++) {
        q = ngx_queue_head(&hub->sessions);
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (s->revoke == cdr_revoke_generation(&hub->revoke)) {
            break;
        }

        if (ngx_conductor_control_is_revoked(s)) {
            revoked[n++] = s;
        }
    }

    ngx_conductor_zone_unlock(hub);

    return n;
}


/* Under the lock. */

static ngx_uint_t
ngx_conductor_control_is_revoked(ngx_conductor_session_t *s)
{
    cdr_str_t              user;
    ngx_conductor_hub_t   *hub;
    cdr_registry_entry_t  *e;

    hub = s->hub;

    s->revoke = cdr_revoke_generation(&hub->revoke);

    ngx_queue_remove(&s->queue);
    ngx_queue_insert_tail(&hub->sessions, &s->queue);

    if (s->state != NGX_CONDUCTOR_OPEN || s->entry == NGX_CONDUCTOR_NO_ENTRY) {
        return 0;
    }

    e = ngx_conductor_session_entry(s);
    user = cdr_registry_string(&hub->registry, s->entry, CDR_CONN_USER);

    return cdr_revoke_check(&hub->revoke, user, e->conn.jti,
                            ngx_conductor_now())
           || ngx_conductor_identity_revoked(s);
}


static void
ngx_conductor_control_close(ngx_conductor_session_t *s, uint16_t code,
    const char *reason)
{
    ngx_conductor_session_close(s, code, reason);

    if (s->state == NGX_CONDUCTOR_CLOSING) {
        (void) ngx_conductor_output_flush(s);
    }
}
