/* What is offered to the hub's order, and who waits for it. */

#include "ngx_conductor_audit.h"


#define NGX_CONDUCTOR_OFFER_PATIENCE  5000  /* ms beyond Redis' own time */
#define NGX_CONDUCTOR_OFFER_LOOK      500   /* ms, for those without answer */


static ngx_uint_t ngx_conductor_offer_keeper(ngx_conductor_hub_t *hub);
static void ngx_conductor_offer_cleanup(void *data);
static void ngx_conductor_offer_arm(void);
static void ngx_conductor_offer_timer(ngx_event_t *ev);
static ngx_uint_t ngx_conductor_offer_over(ngx_conductor_offer_t *offer);
static void ngx_conductor_offer_take(ngx_conductor_offer_t *offer);
static void ngx_conductor_offer_give_up(ngx_conductor_offer_t *offer);


static ngx_queue_t       ngx_conductor_offers;
static ngx_event_t       ngx_conductor_offer_event;
static ngx_connection_t  ngx_conductor_offer_conn;  /* of the timer, for
                                                       nginx's debugging */


ngx_int_t
ngx_conductor_offer_put(ngx_conductor_hub_t *hub, cdr_outbox_kind_e kind,
    uint32_t count, ngx_str_t *items, ngx_conductor_idem_t *idem,
    ngx_conductor_offer_t *offer)
{
    int                rc;
    u_char            *p;
    cdr_ticket_t       ticket;
    cdr_idem_owner_t   asker;
    cdr_outbox_rec_t  *rec;

    if (!ngx_conductor_ordered(hub)
        || (offer && hub->slot == NGX_CONDUCTOR_NO_SLOT)
        || (ngx_exiting && !ngx_conductor_offer_keeper(hub)))
    {
        return NGX_DECLINED;
    }

    asker.slot = (uint32_t) hub->slot;
    asker.incarnation = hub->incarnation;

    rc = cdr_outbox_begin(&hub->outbox, items->len, count,
                          offer ? &asker : NULL, &rec, &p, &ticket);

    if (rc != CDR_OK) {
        return (rc == CDR_TOOBIG) ? NGX_ABORT : NGX_BUSY;
    }

    ngx_memcpy(p, items->data, items->len);

    rec->kind = kind;
    rec->time_ms = ngx_conductor_now();

    if (idem) {
        rec->keyed = 1;
        rec->key = idem->shared;
        rec->digest = idem->digest;
    }

    cdr_outbox_commit(&hub->outbox, rec);

    if (idem) {
        (void) cdr_idem_lend(&hub->idem, &idem->ticket);
        idem->ticket.link = 0;
    }

    if (offer) {
        offer->hub = hub;
        offer->ticket = ticket;
        offer->count = count;
        offer->n = rec->n;
    }

    return NGX_OK;
}


/* Is there one?  A server that ends loses it first. */

static ngx_uint_t
ngx_conductor_offer_keeper(ngx_conductor_hub_t *hub)
{
    uint32_t  i;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        if (ngx_conductor_slot_is_keeper(&hub->slots.slots[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_conductor_offer_control(ngx_conductor_hub_t *hub, ngx_str_t *text)
{
    u_char                  *p;
    ngx_int_t                rc;
    ngx_str_t                items;
    cdr_str_t                str;
    static const cdr_str_t   none = cdr_str_null;

    items.len = cdr_outbox_item_size(0, text->len);
    p = ngx_alloc(items.len, ngx_cycle->log);

    if (p == NULL) {
        return NGX_BUSY;
    }

    items.data = p;

    str.data = text->data;
    str.len = text->len;

    (void) cdr_outbox_put(p, 0, none, str);

    ngx_conductor_zone_lock(hub);
    rc = ngx_conductor_offer_put(hub, CDR_OUTBOX_CONTROL, 1, &items, NULL,
                                 NULL);
    ngx_conductor_zone_unlock(hub);

    ngx_free(p);

    if (rc == NGX_OK) {
        ngx_conductor_wake_keeper(hub);
    }

    return rc;
}


void
ngx_conductor_offer_wait(ngx_conductor_offer_t *offer)
{
    if (ngx_conductor_offers.next == NULL) {
        ngx_queue_init(&ngx_conductor_offers);
    }

    offer->until = ngx_current_msec + offer->hub->redis->timeout
                   + NGX_CONDUCTOR_OFFER_PATIENCE;
    offer->state = CDR_TICKET_WAITING;
    offer->waiting = 1;

    ngx_queue_insert_tail(&ngx_conductor_offers, &offer->queue);

    ngx_conductor_offer_arm();

    ngx_conductor_wake_keeper(offer->hub);
}


void
ngx_conductor_offer_leave(ngx_conductor_offer_t *offer)
{
    if (!offer->waiting) {
        return;
    }

    offer->waiting = 0;

    ngx_queue_remove(&offer->queue);

    if (offer->audit) {
        ngx_conductor_audit_offered(offer);
    }

    if (offer->state != CDR_TICKET_WAITING) {
        return;
    }

    /* it goes on without */

    ngx_conductor_zone_lock(offer->hub);
    cdr_ticket_leave(&offer->hub->outbox, &offer->ticket);
    ngx_conductor_zone_unlock(offer->hub);

    ngx_conductor_count(offer->hub, CDR_FIGURE_EVENTS, offer->count);
}


/* Who asks may go; what was taken goes on. */

ngx_conductor_offer_t *
ngx_conductor_offer_request(ngx_http_request_t *r,
    ngx_conductor_offer_pt handler)
{
    ngx_http_cleanup_t     *cln;
    ngx_conductor_offer_t  *offer;

    offer = ngx_pcalloc(r->pool, sizeof(ngx_conductor_offer_t));
    if (offer == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_conductor_offer_cleanup;
    cln->data = offer;

    offer->handler = handler;
    offer->data = r;

    return offer;
}


static void
ngx_conductor_offer_cleanup(void *data)
{
    ngx_conductor_offer_leave(data);
}


/* Returns what a content handler does. */

ngx_int_t
ngx_conductor_offer_hold(ngx_http_request_t *r)
{
    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


void
ngx_conductor_offer_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/*
 * A process that is to end waits for what is under way, so this timer is not
 * cancelable; and it looks after those whom nobody answers.
 */

static void
ngx_conductor_offer_arm(void)
{
    ngx_event_t  *ev;

    ev = &ngx_conductor_offer_event;

    if (ev->timer_set) {
        return;
    }

    ngx_conductor_offer_conn.fd = (ngx_socket_t) -1;

    ev->handler = ngx_conductor_offer_timer;
    ev->data = &ngx_conductor_offer_conn;
    ev->log = ngx_cycle->log;

    ngx_add_timer(ev, NGX_CONDUCTOR_OFFER_LOOK);
}


static void
ngx_conductor_offer_timer(ngx_event_t *ev)
{
    ngx_conductor_offer_turn();

    if (!ngx_queue_empty(&ngx_conductor_offers)) {
        ngx_conductor_offer_arm();
    }
}


/* One that is handed out may end others, so they stay in the queue. */

void
ngx_conductor_offer_turn(void)
{
    ngx_queue_t            *q, done;
    ngx_conductor_offer_t  *offer;

    if (ngx_conductor_offers.next == NULL
        || ngx_queue_empty(&ngx_conductor_offers))
    {
        return;
    }

    ngx_queue_init(&done);

    q = ngx_queue_head(&ngx_conductor_offers);

    while (q != ngx_queue_sentinel(&ngx_conductor_offers)) {
        offer = ngx_queue_data(q, ngx_conductor_offer_t, queue);
        q = ngx_queue_next(q);

        if (ngx_conductor_offer_over(offer)) {
            ngx_queue_remove(&offer->queue);
            ngx_queue_insert_tail(&done, &offer->queue);
        }
    }

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        offer = ngx_queue_data(q, ngx_conductor_offer_t, queue);

        ngx_queue_remove(q);

        if (ngx_queue_empty(&ngx_conductor_offers)
            && ngx_queue_empty(&done)
            && ngx_conductor_offer_event.timer_set)
        {
            ngx_del_timer(&ngx_conductor_offer_event);
        }

        offer->waiting = 0;

        ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "conductor offer: %uL, %d, hub \"%V\"", offer->n,
                       (int) offer->state, &offer->hub->name);

        if (offer->audit) {
            ngx_conductor_audit_offered(offer);
        }

        offer->handler(offer);
    }
}


/* Is there an outcome, or none to be expected? */

static ngx_uint_t
ngx_conductor_offer_over(ngx_conductor_offer_t *offer)
{
    if (cdr_ticket_finished(&offer->hub->outbox, &offer->ticket)) {
        ngx_conductor_offer_take(offer);
        return 1;
    }

    if ((ngx_msec_int_t) (offer->until - ngx_current_msec) > 0) {
        return 0;
    }

    ngx_conductor_offer_give_up(offer);

    return 1;
}


static void
ngx_conductor_offer_take(ngx_conductor_offer_t *offer)
{
    int                  rc;
    cdr_ticket_state_e   state;

    ngx_conductor_zone_lock(offer->hub);
    rc = cdr_ticket_take(&offer->hub->outbox, &offer->ticket, &state,
                         &offer->outcome);
    ngx_conductor_zone_unlock(offer->hub);

    if (rc != CDR_OK) {
        return;
    }

    offer->state = state;
    offer->hub->unanswered = 0;

    if (state == CDR_TICKET_DONE) {
        ngx_conductor_count(offer->hub, CDR_FIGURE_EVENTS, offer->count);
    }
}


static void
ngx_conductor_offer_give_up(ngx_conductor_offer_t *offer)
{
    ngx_conductor_zone_lock(offer->hub);

    if (ngx_conductor_outbox_cancel(offer->hub, offer->n) == NGX_OK) {
        offer->state = CDR_TICKET_FAILED;
    }

    cdr_ticket_leave(&offer->hub->outbox, &offer->ticket);

    ngx_conductor_zone_unlock(offer->hub);

    if (!offer->hub->unanswered) {
        offer->hub->unanswered = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "hub \"%V\": a publication was not answered by the "
                      "keeper, %s; more such are not told of until one is "
                      "answered", &offer->hub->name,
                      offer->state == CDR_TICKET_FAILED
                      ? "and is not sent" : "and may still be sent");
    }
}


void
ngx_conductor_offer_first(ngx_conductor_offer_t *offer,
    ngx_conductor_first_t *first)
{
    if (offer->state == CDR_TICKET_REPEATED) {
        ngx_conductor_idem_first(&offer->outcome.answer, first);
        return;
    }

    first->pos = offer->outcome.first;
    first->lone = offer->outcome.lone;
    first->alone = offer->outcome.alone;
}
