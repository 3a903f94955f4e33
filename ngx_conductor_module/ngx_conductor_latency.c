/*
 * How long events take from their arrival at this server to the write to the
 * last client.
 *
 * Each worker that has clients says in its slot how far it has sent.  Who
 * finds that all have passed an event observes it, once: the zone knows how
 * far that was done, and moves by a single exchange.  Clients that are behind
 * already are not waited for: to them the event is queued.
 */

#include "ngx_conductor.h"


#define NGX_CONDUCTOR_LATENCY_MAX  4096     /* events that are looked at */


static ngx_int_t ngx_conductor_latency_sent(ngx_conductor_hub_t *hub,
    uint64_t *seq);
static void ngx_conductor_latency_observe(ngx_conductor_hub_t *hub,
    uint64_t from, uint64_t to);
static void ngx_conductor_latency_event(ngx_conductor_hub_t *hub,
    cdr_log_event_t *event, uint64_t now);


/* Between two turns of the fan-out. */

void
ngx_conductor_latency(ngx_conductor_hub_t *hub)
{
    uint64_t   seq, sent;
    ngx_int_t  rc;

    if (hub->gauges == NULL || hub->cursor.seq == hub->sent_seq) {
        return;
    }

    hub->sent_seq = hub->cursor.seq;

    /* in one order with what others store and read: one of them is last */

    atomic_store(&hub->gauges[CDR_GAUGE_SENT],
                 ngx_queue_empty(&hub->sessions) ? 0 : hub->sent_seq + 1);

    rc = ngx_conductor_latency_sent(hub, &seq);
    sent = atomic_load(&hub->zone->sent);

    while (sent < seq) {

        if (atomic_compare_exchange_weak(&hub->zone->sent, &sent, seq)) {

            if (rc == NGX_OK) {
                ngx_conductor_latency_observe(hub, sent, seq);
            }

            return;
        }
    }
}


void
ngx_conductor_latency_begin(ngx_conductor_hub_t *hub)
{
    if (hub->gauges && atomic_load(&hub->gauges[CDR_GAUGE_SENT]) == 0) {
        atomic_store(&hub->gauges[CDR_GAUGE_SENT], hub->cursor.seq + 1);
    }
}


uint64_t
ngx_conductor_arrived(uint64_t time_ms)
{
    uint64_t  now, clock, passed;

    now = ngx_conductor_now();
    clock = ngx_conductor_clock();
    passed = (now > time_ms) ? (now - time_ms) * 1000 : 0;

    return (clock > passed) ? clock - passed : 1;
}


/*
 * The number of the last event that all workers with clients have sent;
 * NGX_DECLINED if none has any.
 */

static ngx_int_t
ngx_conductor_latency_sent(ngx_conductor_hub_t *hub, uint64_t *seq)
{
    uint32_t   i;
    uint64_t   sent;
    ngx_int_t  rc;

    rc = NGX_DECLINED;
    *seq = hub->cursor.seq;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        sent = atomic_load(&hub->slots.slots[i].gauges[CDR_GAUGE_SENT]);

        if (sent == 0) {
            continue;
        }

        rc = NGX_OK;
        *seq = ngx_min(*seq, sent - 1);
    }

    return rc;
}


/* After a worker stood still, or at the start, the newest of them will do. */

static void
ngx_conductor_latency_observe(ngx_conductor_hub_t *hub, uint64_t from,
    uint64_t to)
{
    int               rc;
    uint64_t          now;
    cdr_log_event_t   event;
    cdr_log_cursor_t  cursor, oldest;

    now = ngx_conductor_clock();
    cursor.seq = (to - from > NGX_CONDUCTOR_LATENCY_MAX)
                 ? to - NGX_CONDUCTOR_LATENCY_MAX : from;

    while (cursor.seq < to) {
        rc = cdr_log_next(&hub->log, &cursor, &event);

        if (rc == CDR_OK) {
            ngx_conductor_latency_event(hub, &event, now);
            continue;
        }

        /* some are gone */

        cdr_log_cursor_oldest(&hub->log, &oldest);

        if (rc == CDR_AGAIN || oldest.seq <= cursor.seq) {
            return;
        }

        cursor = oldest;
    }
}


static void
ngx_conductor_latency_event(ngx_conductor_hub_t *hub, cdr_log_event_t *event,
    uint64_t now)
{
    uint32_t                      figure;
    const cdr_event_type_t       *type;
    const cdr_event_catalogue_t  *catalogue;

    if (event->fields.arrived_us == 0
        || (event->fields.flags
            & (NGX_CONDUCTOR_EVENT_OLD|NGX_CONDUCTOR_EVENT_GAP)))
    {
        return;
    }

    catalogue = &hub->policy->catalogue;
    type = cdr_event_find(catalogue, event->type);
    figure = type ? hub->sent[type - catalogue->types]
                  : CDR_FIGURE_SENT + CDR_SENT_OTHER;

    if (cdr_log_valid(&hub->log, event->seq)) {
        ngx_conductor_observe(hub, cdr_histogram_sent(figure),
                              (now > event->fields.arrived_us)
                              ? now - event->fields.arrived_us : 0);
    }
}
