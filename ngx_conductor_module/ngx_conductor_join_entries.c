/*
 * Entries of the stream, on their way into the log: whether they are new, and
 * what they mean for what this server has offered.
 */

#include "ngx_conductor_join_own.h"
#include "ngx_conductor_append.h"
#include "ngx_conductor_offer.h"


/* Entries that are taken in one hold of the lock. */

typedef struct {
    ngx_conductor_join_own_t     *own;
    ngx_pool_t                   *pool;
    redisReply                  **entries;
    ngx_uint_t                    n;
    ngx_uint_t                    news;     /* events and answers */

    cdr_stream_entry_t            entry[NGX_CONDUCTOR_JOIN_HOLD];
    ngx_conductor_ordered_t       event[NGX_CONDUCTOR_JOIN_HOLD];
    const char                   *error[NGX_CONDUCTOR_JOIN_HOLD];
    ngx_uint_t                    count;
} ngx_conductor_join_batch_t;


static ngx_int_t ngx_conductor_join_read_batch(ngx_conductor_join_batch_t *b);
static ngx_int_t ngx_conductor_join_read_parse(ngx_conductor_join_batch_t *b);
static void ngx_conductor_join_read_event(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, ngx_conductor_ordered_t *ev);
static ngx_uint_t ngx_conductor_join_read_gap(cdr_stream_entry_t *e);
static ngx_int_t ngx_conductor_join_read_take(ngx_conductor_join_batch_t *b,
    ngx_uint_t *next);
static ngx_int_t ngx_conductor_join_read_one(ngx_conductor_join_batch_t *b,
    ngx_uint_t i);
static ngx_int_t ngx_conductor_join_read_append(
    ngx_conductor_join_own_t *own, cdr_stream_entry_t *e,
    ngx_conductor_ordered_t *ev);
static ngx_uint_t ngx_conductor_join_read_own(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, cdr_log_pos_t *pos);
static void ngx_conductor_join_read_control(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e);


ngx_int_t
ngx_conductor_join_entries(ngx_conductor_join_own_t *own,
    redisReply **entries, ngx_uint_t n)
{
    ngx_int_t                    rc;
    ngx_conductor_join_batch_t  *b;

    b = ngx_alloc(sizeof(ngx_conductor_join_batch_t), own->join.log);

    if (b == NULL) {
        return NGX_ERROR;
    }

    b->own = own;
    b->entries = entries;
    b->n = n;

    do {
        rc = ngx_conductor_join_read_batch(b);
    } while (rc == NGX_OK && b->n);

    ngx_free(b);

    return rc;
}


/* Takes some from the front. */

static ngx_int_t
ngx_conductor_join_read_batch(ngx_conductor_join_batch_t *b)
{
    ngx_int_t                  rc;
    ngx_uint_t                 next;
    ngx_conductor_join_own_t  *own;

    own = b->own;
    b->news = 0;
    next = 0;

    b->pool = ngx_create_pool(4096, own->join.log);

    if (b->pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_conductor_join_read_parse(b);

    while (rc == NGX_OK && next < b->count) {
        rc = ngx_conductor_join_read_take(b, &next);
    }

    ngx_conductor_join_tell_log(own);

    if (b->news) {
        ngx_conductor_wake_all(own->join.hub);
    }

    ngx_destroy_pool(b->pool);

    if (rc == NGX_OK) {
        b->entries += b->count;
        b->n -= b->count;
    }

    return rc;
}


static ngx_int_t
ngx_conductor_join_read_parse(ngx_conductor_join_batch_t *b)
{
    ngx_uint_t           i;
    cdr_stream_entry_t  *e;

    b->count = ngx_min(b->n, NGX_CONDUCTOR_JOIN_HOLD);

    ngx_memzero(b->event, b->count * sizeof(ngx_conductor_ordered_t));

    for (i = 0; i < b->count; i++) {
        e = &b->entry[i];

        b->error[i] = ngx_conductor_join_entry(b->own, b->entries[i], e);

        if (b->error[i] == NULL
            && (!e->control || ngx_conductor_join_read_gap(e)))
        {
            ngx_conductor_join_read_event(b->own, e, &b->event[i]);

            if (ngx_conductor_ordered_prepare(b->own->join.hub, &b->event[i],
                                              1, b->pool)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static void
ngx_conductor_join_read_event(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, ngx_conductor_ordered_t *ev)
{
    ev->text = e->text;

    ev->fields.time_ms = e->time_ms;
    ev->fields.arrived_us = ngx_conductor_clock();
    ev->fields.server = e->server;
    ev->fields.n = e->number;
    ev->fields.flags = e->flags & NGX_CONDUCTOR_TO;

    if (e->server == own->join.hub->zone->joining.server) {
        ev->fields.arrived_us = ngx_conductor_arrived(e->time_ms);
    }

    if (e->control) {
        ev->fields.flags = NGX_CONDUCTOR_EVENT_GAP;

    } else if (e->ms < own->old) {

        /* it was there before any client of this life */

        ev->fields.flags |= NGX_CONDUCTOR_EVENT_OLD;
        ev->fields.arrived_us = 0;
    }
}


/* Does another server say that events of its own are lost? */

static ngx_uint_t
ngx_conductor_join_read_gap(cdr_stream_entry_t *e)
{
    static const cdr_str_t  gap = cdr_str("{\"type\":\"gap\",");

    return e->control && e->text.len > gap.len
           && ngx_memcmp(e->text.data, gap.data, gap.len) == 0;
}


/*
 * In one hold of the lock, but for what is to be done: that comes between two
 * holds, and is passed when it is done.
 */

static ngx_int_t
ngx_conductor_join_read_take(ngx_conductor_join_batch_t *b, ngx_uint_t *next)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_conductor_hub_t       *hub;
    ngx_conductor_join_own_t  *own;

    own = b->own;
    hub = own->join.hub;
    rc = NGX_OK;

    ngx_conductor_zone_lock(hub);

    for (i = *next; i < b->count; i++) {

        rc = ngx_conductor_join_read_one(b, i);

        if (rc != NGX_OK) {
            break;
        }
    }

    ngx_conductor_zone_unlock(hub);

    *next = i;

    if (rc == NGX_DONE) {
        ngx_conductor_join_read_control(own, &b->entry[i]);

        ngx_conductor_zone_lock(hub);

        cdr_source_raise(&hub->sources, b->entry[i].server,
                         b->entry[i].number, ngx_conductor_now());
        ngx_conductor_join_read_passed(own, &b->entry[i]);

        ngx_conductor_zone_unlock(hub);

        (*next)++;
        return NGX_OK;
    }

    if (rc == NGX_AGAIN) {

        /* there are newer rules */

        return ngx_conductor_ordered_prepare(hub, &b->event[i], b->count - i,
                                             b->pool);
    }

    return rc;
}


/* NGX_OK; NGX_DONE: it is to be done; NGX_AGAIN; NGX_ERROR. */

static ngx_int_t
ngx_conductor_join_read_one(ngx_conductor_join_batch_t *b, ngx_uint_t i)
{
    ngx_int_t                  rc;
    cdr_log_pos_t              pos;
    cdr_stream_entry_t        *e;
    ngx_conductor_hub_t       *hub;
    ngx_conductor_join_own_t  *own;

    own = b->own;
    hub = own->join.hub;
    e = &b->entry[i];

    ngx_conductor_join_read_index(own, e,
                                  b->error[i] == NULL
                                  && e->number > cdr_source_highest(
                                                &hub->sources, e->server));

    if (b->error[i]) {
        ngx_conductor_join_read_bad(own, e, b->error[i]);

        /* nothing is behind one without a place, and scripts remove it */

        return (e->ms | e->n) ? NGX_OK : NGX_ERROR;
    }

    pos.ms = e->ms;
    pos.n = e->n;
    pos.local = 0;

    if (e->number > cdr_source_highest(&hub->sources, e->server)) {

        if (e->control && !ngx_conductor_join_read_gap(e)) {
            return NGX_DONE;
        }

        if (!e->control || e->server != hub->zone->joining.server) {
            rc = ngx_conductor_join_read_append(own, e, &b->event[i]);

            if (rc != NGX_OK) {
                return rc;
            }

            pos = b->event[i].fields.pos;
            b->news++;
        }
    }

    if (e->server == hub->zone->joining.server) {
        b->news += ngx_conductor_join_read_own(own, e, &pos);
    }

    ngx_conductor_join_read_passed(own, e);

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_join_read_append(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, ngx_conductor_ordered_t *ev)
{
    ngx_int_t                 rc;
    cdr_log_pos_t             last;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    ev->fields.pos.ms = e->ms;
    ev->fields.pos.n = e->n;

    if (cdr_log_last(&hub->log, &last) == CDR_OK
        && (e->ms < last.ms || (e->ms == last.ms && e->n <= last.n)))
    {
        /* Redis had lost it, and gave it another place */

        ev->fields.pos.ms = last.ms;
        ev->fields.pos.n = last.n + 1;
    }

    ev->fields.pos.local = joining->lone_n;
    ev->fields.lone = joining->lone_n ? joining->server : 0;

    rc = ngx_conductor_ordered_append(hub, ev);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_conductor_join_read_bad(own, e, ev->error ? ev->error
                                    : "cannot be added to the log");

        cdr_source_raise(&hub->sources, e->server, e->number,
                         ngx_conductor_now());
    }

    return NGX_OK;
}


/*
 * One of our own has come back; of a record, the last one counts.  1: who waits
 * for it has an answer, and is to be woken when there is no lock to wait for.
 */

static ngx_uint_t
ngx_conductor_join_read_own(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, cdr_log_pos_t *pos)
{
    uint32_t                  slot, marks;
    uint64_t                  now, lag;
    ngx_uint_t                answered;
    cdr_log_pos_t             place;
    cdr_outbox_rec_t         *rec;
    ngx_conductor_hub_t      *hub;
    cdr_ticket_outcome_t      outcome;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    own->ahead -= (own->ahead != 0);

    place.ms = e->ms;
    place.n = e->n;
    place.local = 0;

    if (!e->control) {
        (void) cdr_log_settle(&hub->log, &own->settle, e->server, e->number,
                              &place);
    }

    if (joining->lone_n && e->number >= joining->lone_n) {
        joining->lone_n = 0;
    }

    now = ngx_conductor_now();

    lag = (now > e->time_ms) ? (now - e->time_ms) * 1000 : 0;

    atomic_store(&joining->lag_us, lag);
    ngx_conductor_observe(hub, CDR_HISTOGRAM_REDIS, lag);

    if (cdr_outbox_seek(&hub->outbox, &own->found, e->number, &rec) != CDR_OK
        || e->number != rec->n + rec->count - 1)
    {
        return 0;
    }

    answered = 0;
    marks = atomic_load(&rec->marks);

    if (!(marks & (CDR_OUTBOX_PLACED|CDR_OUTBOX_REPEATED))) {

        ngx_memzero(&outcome, sizeof(cdr_ticket_outcome_t));

        outcome.first = *pos;
        outcome.first.n -= ngx_min(outcome.first.n, rec->count - 1);
        outcome.lone = pos->local ? joining->server : 0;

        answered = (ngx_conductor_outbox_finish(hub, rec, CDR_TICKET_DONE,
                                                &outcome, &slot)
                    == NGX_OK);
    }

    cdr_outbox_mark(&hub->outbox, rec,
                    CDR_OUTBOX_ORDERED|CDR_OUTBOX_RETURNED);

    return answered;
}


static void
ngx_conductor_join_read_control(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e)
{
    cdr_log_pos_t                  pos;
    ngx_conductor_hub_t           *hub;
    ngx_conductor_join_hook_t    **hook;
    ngx_conductor_join_control_t   control;

    hub = own->join.hub;

    control.ms = e->ms;
    control.n = e->n;
    control.time_ms = e->time_ms;
    control.server = e->server;
    control.text = e->text;
    control.own = (e->server == hub->zone->joining.server);

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->control
            && (*hook)->control(&own->join, &control) == NGX_OK)
        {
            break;
        }
    }

    if (control.own) {
        pos.ms = e->ms;
        pos.n = e->n;
        pos.local = 0;

        ngx_conductor_zone_lock(hub);
        (void) ngx_conductor_join_read_own(own, e, &pos);
        ngx_conductor_zone_unlock(hub);
    }
}
