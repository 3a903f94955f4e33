/* From the outbox to Redis. */

#include "ngx_conductor_join_own.h"
#include "ngx_conductor_offer.h"


#define NGX_CONDUCTOR_OFFER_TRIES  16       /* to find the oldest event */


static ngx_int_t ngx_conductor_join_offer_next(ngx_conductor_join_own_t *own);
static ngx_int_t ngx_conductor_join_offer_records(
    ngx_conductor_join_own_t *own, ngx_conductor_join_args_t *args);
static ngx_int_t ngx_conductor_join_offer_gap(ngx_conductor_join_own_t *own,
    ngx_conductor_join_args_t *args, cdr_outbox_rec_t *rec);
static ngx_int_t ngx_conductor_join_offer_again(ngx_conductor_join_own_t *own,
    ngx_conductor_join_args_t *args);
static ngx_uint_t ngx_conductor_join_offer_lost(
    ngx_conductor_join_own_t *own, cdr_log_event_t *event);
static void ngx_conductor_join_offered(redisAsyncContext *ac, void *r,
    void *privdata);
static void ngx_conductor_join_offer_failed(ngx_conductor_join_own_t *own,
    redisReply *reply);
static ngx_int_t ngx_conductor_join_offer_took(ngx_conductor_join_own_t *own,
    ngx_conductor_join_call_t *call, redisReply *reply);
static cdr_outbox_rec_t *ngx_conductor_join_offer_find(
    ngx_conductor_hub_t *hub, cdr_outbox_cursor_t *cur, uint64_t n);
static ngx_int_t ngx_conductor_join_offer_mark(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, redisReply *reply);


ngx_int_t
ngx_conductor_join_offer(ngx_conductor_join_own_t *own)
{
    ngx_int_t  rc;

    if (ngx_conductor_rules_current(own->join.hub) != NGX_OK) {
        return NGX_AGAIN;
    }

    do {
        if (own->ncalls == 0 && ngx_conductor_join_caught(own)) {

            /* what has not come by now does not come */

            own->ahead = 0;
        }

        if (own->ncalls == NGX_CONDUCTOR_JOIN_CALLS
            || own->ahead >= ngx_min(NGX_CONDUCTOR_JOIN_AHEAD,
                                     own->join.conf->stream / 2))
        {
            return NGX_AGAIN;
        }

        rc = ngx_conductor_join_offer_next(own);

    } while (rc == NGX_OK);

    if (rc == NGX_ERROR) {
        ngx_conductor_link_fail(own->join.link,
                                "what is offered cannot be sent");
        return NGX_AGAIN;
    }

    return NGX_OK;
}


/* Nothing, which is answered too. */

void
ngx_conductor_join_probe(ngx_conductor_join_own_t *own)
{
    ngx_conductor_join_args_t  args;

    if (own->ncalls || ngx_conductor_join_args(&args, own) != NGX_OK) {
        return;
    }

    if (ngx_conductor_join_args_send(&args, ngx_conductor_join_offered)
        != NGX_OK)
    {
        ngx_conductor_link_fail(own->join.link,
                                "what is offered cannot be sent");
    }
}


/* One call: NGX_OK, NGX_DONE: nothing is left, NGX_ERROR. */

static ngx_int_t
ngx_conductor_join_offer_next(ngx_conductor_join_own_t *own)
{
    ngx_int_t                  rc;
    ngx_conductor_hub_t       *hub;
    cdr_outbox_cursor_t        cur;
    cdr_outbox_rec_t          *rec;
    ngx_conductor_join_args_t  args;

    hub = own->join.hub;
    cur = own->offered;

    if (own->upto == 0 && cdr_outbox_next(&hub->outbox, &cur, &rec) != CDR_OK)
    {
        return NGX_DONE;
    }

    if (ngx_conductor_join_args(&args, own) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = own->upto ? ngx_conductor_join_offer_again(own, &args) : NGX_OK;

    if (rc != NGX_OK) {
        ngx_conductor_join_args_free(&args);
        return NGX_ERROR;
    }

    /* only this process takes records out: no lock until hiredis has a copy */

    if (args.call->nrecords == 0 && own->upto == 0) {
        rc = ngx_conductor_join_offer_records(own, &args);
    }

    if (rc == NGX_OK && args.call->nrecords) {
        own->top = ngx_max(own->top, args.call->last);
        rc = ngx_conductor_join_args_send(&args, ngx_conductor_join_offered);

    } else {
        ngx_conductor_join_args_free(&args);

        if (rc == NGX_OK) {
            rc = NGX_DONE;
        }
    }

    return rc;
}


static ngx_int_t
ngx_conductor_join_offer_records(ngx_conductor_join_own_t *own,
    ngx_conductor_join_args_t *args)
{
    uint32_t              marks;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    args->call->from = own->offered;

    while (args->call->nrecords < NGX_CONDUCTOR_JOIN_BATCH
           && args->bytes < NGX_CONDUCTOR_JOIN_BYTES)
    {
        cur = own->offered;

        if (cdr_outbox_next(&hub->outbox, &cur, &rec) != CDR_OK) {
            break;
        }

        marks = atomic_load(&rec->marks);

        if (rec->n + rec->count - 1 <= own->top
            || (marks & (CDR_OUTBOX_REPEATED|CDR_OUTBOX_CANCELLED)))
        {
            own->offered = cur;
            continue;
        }

        if (args->call->nrecords
            && args->bytes + rec->len > NGX_CONDUCTOR_JOIN_BYTES)
        {
            break;
        }

        if (ngx_conductor_join_offer_gap(own, args, rec) != NGX_OK
            || ngx_conductor_join_args_record(args, rec) != NGX_OK)
        {
            return NGX_ERROR;
        }

        own->offered = cur;
    }

    return NGX_OK;
}


/* What was dropped stood right before the first that is still there. */

static ngx_int_t
ngx_conductor_join_offer_gap(ngx_conductor_join_own_t *own,
    ngx_conductor_join_args_t *args, cdr_outbox_rec_t *rec)
{
    uint64_t                  dropped;
    ngx_conductor_joining_t  *joining;

    joining = &own->join.hub->zone->joining;
    dropped = atomic_load(&joining->dropped);

    if (args->call->last || dropped == joining->gap_told
        || rec->n - 1 <= own->top)
    {
        return NGX_OK;
    }

    args->call->gap = dropped;

    return ngx_conductor_join_args_gap(args, rec->n - 1,
                                       dropped - joining->gap_told);
}


/* What the log has of our own, and Redis had, but has forgotten. */

static ngx_int_t
ngx_conductor_join_offer_again(ngx_conductor_join_own_t *own,
    ngx_conductor_join_args_t *args)
{
    int                   rc;
    ngx_int_t             sent;
    ngx_uint_t            tries;
    cdr_log_event_t       event;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;
    tries = 0;

    while (args->call->nrecords < NGX_CONDUCTOR_JOIN_BATCH
           && args->bytes < NGX_CONDUCTOR_JOIN_BYTES)
    {
        rc = cdr_log_next(&hub->log, &own->again, &event);

        if (rc == CDR_DECLINED && tries++ < NGX_CONDUCTOR_OFFER_TRIES) {
            cdr_log_cursor_oldest(&hub->log, &own->again);
            continue;
        }

        if (rc != CDR_OK) {
            own->upto = 0;
            break;
        }

        if (!ngx_conductor_join_offer_lost(own, &event)) {
            continue;
        }

        sent = ngx_conductor_join_args_event(args, &event);

        if (sent == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (sent == NGX_OK) {
            own->top = event.fields.n;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_join_offer_lost(ngx_conductor_join_own_t *own,
    cdr_log_event_t *event)
{
    ngx_conductor_joining_t  *joining;

    joining = &own->join.hub->zone->joining;

    return event->fields.server == joining->server
           && event->fields.n > own->top && event->fields.n < own->upto
           && (event->settled.ms == 0
               || event->settled.ms + NGX_CONDUCTOR_JOIN_AGAIN
                  >= joining->last_ms);
}


static void
ngx_conductor_join_offered(redisAsyncContext *ac, void *r, void *privdata)
{
    redisReply *reply = r;
    ngx_conductor_join_call_t *call = privdata;

    ngx_conductor_join_own_t  *own;

    own = call->own;

    if (reply == NULL || !own->linked || call->session != own->session) {
        ngx_free(call);
        return;
    }

    own->ncalls--;
    own->heard = ngx_conductor_clock();
    own->rtt = own->heard - call->clock;

    if (reply->type != REDIS_REPLY_ARRAY) {
        ngx_conductor_join_offer_failed(own, reply);

    } else if (ngx_conductor_join_offer_took(own, call, reply) != NGX_OK) {
        ngx_conductor_link_fail(own->join.link,
                                "Redis gives answers that make no sense");

    } else if (call->clock >= own->since) {
        own->answered = 1;
    }

    ngx_free(call);

    ngx_conductor_join_turn(own);
}


/* An error, or the number 0: this session is over. */

static void
ngx_conductor_join_offer_failed(ngx_conductor_join_own_t *own,
    redisReply *reply)
{
    u_char  text[NGX_CONDUCTOR_KEEPER_TEXT];

    if (reply->type != REDIS_REPLY_ERROR
        || ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0)
    {
        ngx_conductor_join_over(own, 0);
        ngx_conductor_join_hello(own);
        return;
    }

    (void) ngx_conductor_join_refused(own, reply, text);

    if (own->linked) {
        ngx_conductor_join_over(own, NGX_CONDUCTOR_JOIN_RETRY);
        ngx_conductor_join_alone(own, (char *) text);
    }
}


static ngx_int_t
ngx_conductor_join_offer_took(ngx_conductor_join_own_t *own,
    ngx_conductor_join_call_t *call, redisReply *reply)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    cdr_log_pos_t         tail;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    if (reply->elements != call->nrecords + 1
        || ngx_conductor_join_reply_place(&tail, reply->element[0]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = NGX_OK;
    cur = call->from;

    ngx_conductor_zone_lock(hub);

    for (i = 0; i < call->nrecords && rc == NGX_OK; i++) {

        rec = ngx_conductor_join_offer_find(hub, &cur, call->n[i]);

        rc = ngx_conductor_join_offer_mark(own, rec, reply->element[i + 1]);
    }

    if (call->gap) {
        hub->zone->joining.gap_told = call->gap;
    }

    if (hub->zone->joining.lone_n && call->last >= hub->zone->joining.lone_n) {
        own->lone = tail;
    }

    ngx_conductor_zone_unlock(hub);

    own->tail = tail;

    return rc;
}


/* NULL: it was dropped, or is none of the outbox. */

static cdr_outbox_rec_t *
ngx_conductor_join_offer_find(ngx_conductor_hub_t *hub,
    cdr_outbox_cursor_t *cur, uint64_t n)
{
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   next;

    next = *cur;

    while (n && cdr_outbox_next(&hub->outbox, &next, &rec) == CDR_OK
           && rec->n <= n)
    {
        *cur = next;

        if (rec->n == n) {
            return rec;
        }
    }

    return NULL;
}


/* What became of a record: [ 0, place ], [ 1 ] or [ 2, answer ]. */

static ngx_int_t
ngx_conductor_join_offer_mark(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    if (reply->element[0]->integer && rec) {

        /* these do not come */

        own->ahead -= ngx_min(own->ahead, rec->count);
    }

    if (reply->element[0]->integer != 2) {

        if (rec) {
            cdr_outbox_mark(&own->join.hub->outbox, rec,
                            CDR_OUTBOX_ORDERED);
        }

        return NGX_OK;
    }

    if (reply->elements != 2 || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    if (rec) {
        ngx_conductor_join_repeated(own, rec, reply->element[1]);
    }

    return NGX_OK;
}


void
ngx_conductor_join_repeated(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, redisReply *reply)
{
    uint32_t              slot;
    cdr_str_t             text;
    cdr_ticket_state_e    state;
    cdr_ticket_outcome_t  outcome;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;
    state = CDR_TICKET_REPEATED;

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    ngx_memzero(&outcome, sizeof(cdr_ticket_outcome_t));

    if (cdr_stream_answer(text, &outcome.answer) != CDR_OK) {

        /* what others have put there: nothing was sent */

        atomic_fetch_add(&hub->zone->joining.rejected, 1);
        state = CDR_TICKET_FAILED;
    }

    /* of the same body; of another one it is of no use */

    outcome.answer.count = rec->count;

    if (!(atomic_load(&rec->marks) & CDR_OUTBOX_PLACED)
        && ngx_conductor_outbox_finish(hub, rec, state, &outcome, &slot)
           == NGX_OK)
    {
        ngx_conductor_wake_one(hub, slot);
    }

    cdr_outbox_mark(&hub->outbox, rec, CDR_OUTBOX_ORDERED|CDR_OUTBOX_REPEATED);
}
