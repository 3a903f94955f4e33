/*
 * How many calls of a back end there are at a time, on all of this server.
 *
 * Each worker says in a gauge of its slot how many it has under way, so what
 * a dead one had is given back with its slot.  The sum is compared with the
 * limit under the lock of the zone.  Who has to wait says so in a gauge as
 * well, and is woken when a call has ended anywhere.
 *
 * A worker of another configuration may have its back ends in another order, so
 * each says of which one a gauge is.
 */

#include "ngx_conductor_backend.h"


static ngx_conductor_ticket_t *ngx_conductor_backend_first(
    ngx_conductor_backend_t *backend);
static ngx_int_t ngx_conductor_backend_take(ngx_conductor_ticket_t *ticket);
static uint64_t ngx_conductor_backend_sum(ngx_conductor_backend_t *backend);
static uint32_t ngx_conductor_backend_at(ngx_conductor_backend_t *backend,
    cdr_slot_t *slot);
static ngx_uint_t ngx_conductor_backend_next(
    ngx_conductor_backend_t *backend);
static void ngx_conductor_backend_waits(ngx_conductor_backend_t *backend);


_Static_assert(CDR_GAUGE_N <= CDR_GAUGES_MAX, "room for all gauges");


#define ngx_conductor_backend_gauge(backend)                                  \
    (CDR_GAUGE_BACKEND + (uint32_t) (backend)->index)


void
ngx_conductor_backend_start(ngx_conductor_hub_t *hub, ngx_uint_t slot)
{
    ngx_uint_t                 i;
    ngx_conductor_backend_t  **backend;

    backend = hub->backends.elts;

    for (i = 0; i < hub->backends.nelts; i++) {
        cdr_slot_gauge(&hub->slots.slots[slot],
                       (uint32_t) (CDR_GAUGE_BACKEND_KEY + i),
                       backend[i]->key);
    }
}


ngx_int_t
ngx_conductor_backend_enter(ngx_conductor_backend_t *backend,
    ngx_conductor_ticket_t *ticket)
{
    ngx_uint_t  first;

    first = (ngx_conductor_backend_first(backend) == NULL);

    ticket->backend = backend;
    ngx_queue_insert_tail(&backend->waiting[ticket->wait], &ticket->queue);

    if (first && ngx_conductor_backend_take(ticket) == NGX_OK) {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


void
ngx_conductor_backend_leave(ngx_conductor_backend_t *backend)
{
    ngx_uint_t            next;
    ngx_conductor_hub_t  *hub;

    hub = backend->hub;

    ngx_conductor_gauge(hub, CDR_GAUGE_CALLS, -1);

    /* who finds no room says that it waits under the lock as well */

    ngx_conductor_zone_lock(hub);

    ngx_conductor_gauge(hub, ngx_conductor_backend_gauge(backend), -1);
    next = ngx_conductor_backend_next(backend);

    ngx_conductor_zone_unlock(hub);

    if (next < CDR_SLOTS) {
        ngx_conductor_wake_worker(hub, (uint32_t) next);
    }
}


/* It does not wait any more; its handler is not called. */

void
ngx_conductor_backend_forget(ngx_conductor_ticket_t *ticket)
{
    ngx_conductor_backend_t  *backend;

    backend = ticket->backend;

    if (backend == NULL) {
        return;
    }

    ticket->backend = NULL;
    ngx_queue_remove(&ticket->queue);

    ngx_conductor_backend_waits(backend);
}


void
ngx_conductor_backend_move(ngx_conductor_ticket_t *ticket,
    ngx_conductor_wait_e wait)
{
    ticket->wait = wait;

    if (ticket->backend) {
        ngx_queue_remove(&ticket->queue);
        ngx_queue_insert_tail(&ticket->backend->waiting[wait],
                              &ticket->queue);
    }
}


void
ngx_conductor_backend_turn(ngx_conductor_hub_t *hub)
{
    ngx_uint_t                 i;
    ngx_conductor_ticket_t    *ticket;
    ngx_conductor_backend_t  **backend;

    backend = hub->backends.elts;

    for (i = 0; i < hub->backends.nelts; i++) {

        for ( ;; ) {
            ticket = ngx_conductor_backend_first(backend[i]);

            if (ticket == NULL
                || ngx_conductor_backend_take(ticket) != NGX_OK)
            {
                break;
            }

            ticket->handler(ticket->data);
        }
    }
}


/* NULL: nobody waits. */

static ngx_conductor_ticket_t *
ngx_conductor_backend_first(ngx_conductor_backend_t *backend)
{
    ngx_uint_t    i, wait;
    ngx_queue_t  *q;

    for (i = 0; i < NGX_CONDUCTOR_WAITS; i++) {
        wait = (i < NGX_CONDUCTOR_WAIT_LEFT)
               ? (backend->turn + i) % NGX_CONDUCTOR_WAIT_LEFT : i;

        if (!ngx_queue_empty(&backend->waiting[wait])) {
            q = ngx_queue_head(&backend->waiting[wait]);

            return ngx_queue_data(q, ngx_conductor_ticket_t, queue);
        }
    }

    return NULL;
}


/* NGX_OK: it no longer waits. */

static ngx_int_t
ngx_conductor_backend_take(ngx_conductor_ticket_t *ticket)
{
    uint64_t                  n;
    ngx_uint_t                gauge;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_backend_t  *backend;

    backend = ticket->backend;
    hub = backend->hub;
    gauge = ngx_conductor_backend_gauge(backend);

    ngx_conductor_zone_lock(hub);

    n = ngx_conductor_backend_sum(backend);

    if (n < ticket->limit) {
        ngx_conductor_gauge(hub, gauge, 1);
        ticket->backend = NULL;
        ngx_queue_remove(&ticket->queue);
        backend->turn = ticket->wait + 1;
    }

    ngx_conductor_backend_waits(backend);

    ngx_conductor_zone_unlock(hub);

    if (ticket->backend) {
        return NGX_AGAIN;
    }

    ngx_conductor_gauge(hub, CDR_GAUGE_CALLS, 1);

    return NGX_OK;
}


/* Its calls, of all workers. */

static uint64_t
ngx_conductor_backend_sum(ngx_conductor_backend_t *backend)
{
    uint32_t      i, at;
    uint64_t      sum;
    cdr_slots_t  *slots;

    slots = &backend->hub->slots;
    sum = 0;

    for (i = cdr_slots_next(slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(slots, i + 1))
    {
        at = ngx_conductor_backend_at(backend, &slots->slots[i]);

        if (at < CDR_BACKENDS) {
            sum += atomic_load_explicit(
                       &slots->slots[i].gauges[CDR_GAUGE_BACKEND + at],
                       memory_order_relaxed);
        }
    }

    return sum;
}


/* Its number in a slot; CDR_BACKENDS: it has none. */

static uint32_t
ngx_conductor_backend_at(ngx_conductor_backend_t *backend, cdr_slot_t *slot)
{
    uint32_t  i, at;

    for (i = 0; i < CDR_BACKENDS; i++) {
        at = ((uint32_t) backend->index + i) % CDR_BACKENDS;

        if (atomic_load_explicit(&slot->gauges[CDR_GAUGE_BACKEND_KEY + at],
                                 memory_order_relaxed)
            == backend->key)
        {
            return at;
        }
    }

    return CDR_BACKENDS;
}


/* A bit for each back end that somebody in this process waits for. */

static void
ngx_conductor_backend_waits(ngx_conductor_backend_t *backend)
{
    uint64_t              bit, bits;
    ngx_conductor_hub_t  *hub;

    hub = backend->hub;

    if (hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    bit = (uint64_t) 1 << backend->index;
    bits = atomic_load_explicit(
               &hub->slots.slots[hub->slot].gauges[CDR_GAUGE_CALLERS],
               memory_order_relaxed);

    bits = ngx_conductor_backend_first(backend) ? bits | bit : bits & ~bit;

    cdr_slot_gauge(&hub->slots.slots[hub->slot], CDR_GAUGE_CALLERS, bits);
}


/* The next slot in turn where somebody waits; under the lock. */

static ngx_uint_t
ngx_conductor_backend_next(ngx_conductor_backend_t *backend)
{
    uint32_t              i, at, first;
    uint64_t              bits;
    cdr_slot_t           *slot;
    ngx_conductor_hub_t  *hub;

    hub = backend->hub;
    first = CDR_SLOTS;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        slot = &hub->slots.slots[i];
        at = ngx_conductor_backend_at(backend, slot);

        bits = atomic_load_explicit(&slot->gauges[CDR_GAUGE_CALLERS],
                                    memory_order_relaxed);

        if (at == CDR_BACKENDS || !(bits >> at & 1)) {
            continue;
        }

        if (i > hub->slot) {
            return i;
        }

        if (first == CDR_SLOTS) {
            first = i;
        }
    }

    return first;
}


void
ngx_conductor_backend_ended(ngx_conductor_backend_t *backend, ngx_uint_t kind,
    ngx_uint_t outcome, ngx_conductor_answer_t *answer, ngx_log_t *log)
{
    ngx_conductor_hub_t  *hub;

    hub = backend->hub;

    ngx_conductor_count(hub, CDR_FIGURE_CALLS + outcome, 1);
    ngx_conductor_observe(hub, CDR_HISTOGRAM_CALL + kind, answer->us);

    if (outcome == CDR_CALLED_OK) {

        if (backend->failing) {
            backend->failing = 0;

            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "conductor: back end \"%V\" answers again",
                          &backend->uri);
        }

        return;
    }

    if (backend->failing) {
        return;
    }

    backend->failing = 1;

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "conductor: back end \"%V\" failed: outcome \"%s\", "
                  "status %ui",
                  &backend->uri, cdr_figure_called((uint32_t) outcome).data,
                  answer->status);
}


void
ngx_conductor_backend_close(ngx_conductor_session_t *s, ngx_uint_t ending,
    uint16_t code, const char *reason)
{
    if (s->state == NGX_CONDUCTOR_OPEN) {
        s->ending = ending & 0xff;
        ngx_conductor_session_close(s, code, reason);
    }
}
