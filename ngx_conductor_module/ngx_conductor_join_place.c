/*
 * Places given alone: behind all that the log has of the hub's order, in the
 * order of our own numbers.
 */

#include "ngx_conductor_join_own.h"
#include "ngx_conductor_append.h"
#include "ngx_conductor_offer.h"


#define NGX_CONDUCTOR_JOIN_THERE                                              \
    (CDR_OUTBOX_PLACED|CDR_OUTBOX_RETURNED|CDR_OUTBOX_REPEATED                \
     |CDR_OUTBOX_CANCELLED)


static ngx_int_t ngx_conductor_join_place_record(
    ngx_conductor_join_own_t *own, cdr_outbox_rec_t *rec);
static ngx_conductor_ordered_t *ngx_conductor_join_place_items(
    ngx_conductor_join_own_t *own, cdr_outbox_rec_t *rec, ngx_pool_t *pool);
static ngx_int_t ngx_conductor_join_place_locked(
    ngx_conductor_join_own_t *own, cdr_outbox_rec_t *rec,
    ngx_conductor_ordered_t *ev);
static void ngx_conductor_join_place_base(ngx_conductor_join_own_t *own,
    cdr_log_pos_t *pos);
static void ngx_conductor_join_place_done(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, cdr_ticket_state_e state, cdr_log_pos_t *first,
    ngx_uint_t alone);
static ngx_int_t ngx_conductor_join_recover_find(ngx_conductor_hub_t *hub,
    uint64_t n, cdr_log_event_t *event);


uint64_t
ngx_conductor_join_waiting(ngx_conductor_join_own_t *own)
{
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    for ( ;; ) {
        cur = own->waiting;

        if (cdr_outbox_next(&hub->outbox, &cur, &rec) != CDR_OK) {
            return 0;
        }

        if (!(atomic_load(&rec->marks) & NGX_CONDUCTOR_JOIN_THERE)) {
            return rec->n;
        }

        own->waiting = cur;
    }
}


void
ngx_conductor_join_place(ngx_conductor_join_own_t *own)
{
    ngx_uint_t            placed;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;
    placed = 0;

    while (ngx_conductor_join_waiting(own)) {

        cur = own->waiting;

        if (cdr_outbox_next(&hub->outbox, &cur, &rec) != CDR_OK
            || ngx_conductor_join_place_record(own, rec) != NGX_OK)
        {
            break;
        }

        own->waiting = cur;
        placed = 1;
    }

    if (placed) {
        ngx_conductor_wake_all(hub);
        ngx_conductor_outbox_placed(hub);
    }
}


/* Its bytes stay while it is not placed, so they are read without a lock. */

static ngx_int_t
ngx_conductor_join_place_record(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec)
{
    ngx_int_t                 rc;
    ngx_pool_t               *pool;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_ordered_t  *ev;

    hub = own->join.hub;

    if (rec->kind == CDR_OUTBOX_CONTROL) {
        ngx_conductor_zone_lock(hub);
        ngx_conductor_join_place_done(own, rec, CDR_TICKET_DONE, NULL, 1);
        ngx_conductor_zone_unlock(hub);

        return NGX_OK;
    }

    pool = ngx_create_pool(4096, own->join.log);

    if (pool == NULL) {
        return NGX_ERROR;
    }

    ev = ngx_conductor_join_place_items(own, rec, pool);
    rc = NGX_AGAIN;

    while (ev && rc == NGX_AGAIN) {

        rc = ngx_conductor_ordered_prepare(hub, ev, rec->count, pool);

        if (rc == NGX_OK) {
            ngx_conductor_zone_lock(hub);
            rc = ngx_conductor_join_place_locked(own, rec, ev);
            ngx_conductor_zone_unlock(hub);
        }
    }

    ngx_conductor_join_tell_log(own);
    ngx_destroy_pool(pool);

    return (rc == NGX_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_conductor_ordered_t *
ngx_conductor_join_place_items(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, ngx_pool_t *pool)
{
    uint32_t                  flags;
    cdr_str_t                 type, text;
    ngx_uint_t                i;
    cdr_outbox_iter_t         it;
    ngx_conductor_ordered_t  *ev;

    ev = ngx_pcalloc(pool, rec->count * sizeof(ngx_conductor_ordered_t));

    if (ev == NULL) {
        return NULL;
    }

    cdr_outbox_items(rec, &it);

    for (i = 0; i < rec->count; i++) {

        if (cdr_outbox_item(&it, &flags, &type, &text) != CDR_OK) {
            return NULL;
        }

        ev[i].text = text;
        ev[i].open = 1;
        ev[i].fields.time_ms = rec->time_ms;
        ev[i].fields.arrived_us = ngx_conductor_arrived(rec->time_ms);
        ev[i].fields.server = own->join.hub->zone->joining.server;
        ev[i].fields.lone = ev[i].fields.server;
        ev[i].fields.n = rec->n + i;
        ev[i].fields.flags = flags;
    }

    return ev;
}


/* Some of it may be in the log: it was killed, or came back in part. */

static ngx_int_t
ngx_conductor_join_place_locked(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, ngx_conductor_ordered_t *ev)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, placed;
    cdr_log_pos_t             pos;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;
    placed = 0;

    ngx_conductor_join_place_base(own, &pos);

    for (i = 0; i < rec->count; i++) {

        if (ev[i].fields.n <= cdr_source_highest(&hub->sources,
                                                 joining->server))
        {
            placed++;
            continue;
        }

        ev[i].fields.pos.ms = pos.ms;
        ev[i].fields.pos.n = pos.n;
        ev[i].fields.pos.local = ev[i].fields.n;

        rc = ngx_conductor_ordered_append(hub, &ev[i]);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_OK) {
            joining->lone_n = ev[i].fields.n;
            own->lone.ms = 0;
            placed++;

        } else {
            own->lost_event = ev[i].error ? ev[i].error
                                          : "it cannot be added to the log";
        }
    }

    pos.local = rec->n;

    ngx_conductor_join_place_done(own, rec,
                                  placed ? CDR_TICKET_DONE : CDR_TICKET_FAILED,
                                  &pos, 1);

    return NGX_OK;
}


/*
 * The place that is shared by what follows.  A hub that has nothing yet takes
 * the time of its making: so it says where in the order of others it began.
 */

static void
ngx_conductor_join_place_base(ngx_conductor_join_own_t *own,
    cdr_log_pos_t *pos)
{
    cdr_log_pos_t             last;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    if ((joining->last_ms | joining->last_n) == 0) {
        joining->last_ms = atomic_load(&joining->created_ms);
        joining->based = 1;
    }

    pos->ms = joining->last_ms;
    pos->n = joining->last_n;
    pos->local = 0;

    if (cdr_log_last(&hub->log, &last) == CDR_OK) {
        last.local = 0;

        if (cdr_log_cmp(&last, pos) > 0) {
            *pos = last;
        }
    }
}


/* Under the lock. */

static void
ngx_conductor_join_place_done(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, cdr_ticket_state_e state, cdr_log_pos_t *first,
    ngx_uint_t alone)
{
    uint32_t              slot;
    ngx_conductor_hub_t  *hub;
    cdr_ticket_outcome_t  outcome;

    hub = own->join.hub;

    ngx_memzero(&outcome, sizeof(cdr_ticket_outcome_t));

    if (first) {
        outcome.first = *first;
        outcome.lone = first->local ? hub->zone->joining.server : 0;
        outcome.alone = alone;
    }

    if (ngx_conductor_outbox_finish(hub, rec, state, &outcome, &slot)
        == NGX_OK)
    {
        ngx_conductor_wake_one(hub, slot);
    }

    cdr_outbox_mark(&hub->outbox, rec,
                    (state == CDR_TICKET_FAILED) ? CDR_OUTBOX_CANCELLED
                    : alone ? CDR_OUTBOX_PLACED : CDR_OUTBOX_RETURNED);
}


/*
 * A keeper before this one may have been killed between the log and the marks;
 * and a log that was restored says where reading goes on.
 */

void
ngx_conductor_join_recover(ngx_conductor_join_own_t *own)
{
    uint64_t                  highest;
    cdr_log_pos_t             last;
    cdr_log_event_t           event;
    cdr_outbox_rec_t         *rec;
    cdr_outbox_cursor_t       cur;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    ngx_conductor_zone_lock(hub);

    if ((joining->last_ms | joining->last_n) == 0
        && cdr_log_last(&hub->log, &last) == CDR_OK)
    {
        joining->last_ms = last.ms;
        joining->last_n = last.n;
    }

    highest = cdr_source_highest(&hub->sources, joining->server);

    cdr_outbox_first(&hub->outbox, &own->waiting);
    cur = own->waiting;

    while (cdr_outbox_next(&hub->outbox, &cur, &rec) == CDR_OK
           && rec->n + rec->count - 1 <= highest)
    {
        if ((atomic_load(&rec->marks) & NGX_CONDUCTOR_JOIN_THERE)
            || rec->kind == CDR_OUTBOX_CONTROL
            || ngx_conductor_join_recover_find(hub, rec->n, &event) != NGX_OK)
        {
            continue;
        }

        ngx_conductor_join_place_done(own, rec, CDR_TICKET_DONE,
                                      &event.fields.pos,
                                      event.fields.pos.local == rec->n);
    }

    ngx_conductor_zone_unlock(hub);
}


static ngx_int_t
ngx_conductor_join_recover_find(ngx_conductor_hub_t *hub, uint64_t n,
    cdr_log_event_t *event)
{
    cdr_log_cursor_t  cursor;

    cdr_log_cursor_oldest(&hub->log, &cursor);

    while (cdr_log_next(&hub->log, &cursor, event) == CDR_OK) {

        if (event->fields.server == hub->zone->joining.server
            && event->fields.n == n)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
