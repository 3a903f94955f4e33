/*
 * What only its worker knows of a connection, for whoever lists connections.
 *
 * Who asks puts connections on a list of their worker, in the zone, and wakes
 * it; the worker writes what it knows into their entries, and wakes who may
 * be waiting.  While nobody asks this costs a look at a number.
 */

#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_LOOK_HOLD  64         /* connections in a hold */
#define NGX_CONDUCTOR_LOOK_TURN  1024       /* and in a turn */


typedef struct {
    uint32_t                      index;
    uint32_t                      generation;
    ngx_conductor_session_t      *session;
    cdr_conn_look_t               look;
} ngx_conductor_looked_t;


static ngx_uint_t ngx_conductor_look_take(ngx_conductor_hub_t *hub,
    ngx_conductor_looked_t *looked);
static void ngx_conductor_look_at(ngx_conductor_session_t *s,
    cdr_conn_look_t *look);


ngx_int_t
ngx_conductor_look(ngx_conductor_hub_t *hub)
{
    ngx_uint_t              i, n, turn;
    ngx_conductor_looked_t  looked[NGX_CONDUCTOR_LOOK_HOLD];

    for (turn = 0; turn < NGX_CONDUCTOR_LOOK_TURN;
         turn += NGX_CONDUCTOR_LOOK_HOLD)
    {
        if (atomic_load_explicit(&hub->zone->asked[hub->slot],
                                 memory_order_relaxed)
            == 0)
        {
            break;
        }

        n = ngx_conductor_look_take(hub, looked);

        for (i = 0; i < n; i++) {
            ngx_conductor_look_at(looked[i].session, &looked[i].look);
        }

        ngx_conductor_zone_lock(hub);

        for (i = 0; i < n; i++) {
            cdr_registry_tell(&hub->registry, looked[i].index,
                              looked[i].generation, &looked[i].look);
        }

        ngx_conductor_zone_unlock(hub);
    }

    if (turn) {
        ngx_conductor_wake_all(hub);
    }

    return (turn < NGX_CONDUCTOR_LOOK_TURN) ? NGX_OK : NGX_AGAIN;
}


/* Under the lock, after a process died: the lists are not to be trusted. */

void
ngx_conductor_look_repair(ngx_conductor_hub_t *hub)
{
    ngx_uint_t  i;

    for (i = 0; i < CDR_SLOTS; i++) {
        atomic_store_explicit(&hub->zone->asked[i], 0, memory_order_relaxed);
    }

    cdr_registry_repair(&hub->registry);
}


/* An entry is this worker's if its owner is: then "session" is a pointer. */

static ngx_uint_t
ngx_conductor_look_take(ngx_conductor_hub_t *hub,
    ngx_conductor_looked_t *looked)
{
    uint32_t               index;
    ngx_uint_t             i, n;
    cdr_registry_entry_t  *e;

    n = 0;

    ngx_conductor_zone_lock(hub);

    for (i = 0; i < NGX_CONDUCTOR_LOOK_HOLD; i++) {

        index = cdr_registry_asked(&hub->registry,
                                   &hub->zone->asked[hub->slot]);
        if (index == UINT32_MAX) {
            break;
        }

        e = cdr_registry_entry(&hub->registry, index);

        if (atomic_load_explicit(&e->state, memory_order_relaxed)
            != CDR_CONN_LIVE
            || e->conn.owner.slot != hub->slot
            || e->conn.owner.incarnation != hub->incarnation
            || e->conn.owner.pid != ngx_pid || e->session == 0)
        {
            continue;
        }

        looked[n].index = index;
        looked[n].generation = atomic_load_explicit(&e->generation,
                                                    memory_order_relaxed);
        looked[n].session = (ngx_conductor_session_t *) (uintptr_t)
                            e->session;
        n++;
    }

    ngx_conductor_zone_unlock(hub);

    return n;
}


static void
ngx_conductor_look_at(ngx_conductor_session_t *s, cdr_conn_look_t *look)
{
    uint64_t                  channels;
    ngx_conductor_traffic_t   t;

    ngx_memzero(look, sizeof(cdr_conn_look_t));

    look->protocol = (s->conf->protocol == NGX_CONDUCTOR_ECHO)
                     ? CDR_CONN_ECHO : CDR_CONN_NATIVE;

    if (s->connection == NULL) {

        /* it is still a request */

        return;
    }

    ngx_conductor_traffic(s, &t);
    ngx_conductor_traffic_rate(s, &look->rate_in, &look->rate_out);

    look->messages_in = t.in.messages;
    look->messages_out = t.out.messages;
    look->bytes_in = t.in.bytes;
    look->bytes_out = t.out.bytes;
    look->queue_bytes = (uint32_t) ngx_min(s->queued, UINT32_MAX);
    look->queue_messages = s->queued_n;
    look->latency = s->latency;
    look->draining = s->draining;

    for (channels = s->group ? s->group->channels : 0;
         channels;
         channels &= channels - 1)
    {
        look->channels++;
    }
}
