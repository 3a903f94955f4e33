/*
 * The keeper lends errands to workers.  What came back done makes way; what
 * failed, or whose worker died, is lent again.
 */

#include "ngx_conductor_errand_keep.h"


#define NGX_CONDUCTOR_ERRAND_AHEAD   8      /* lent at a time, of a target */
#define NGX_CONDUCTOR_ERRAND_AGAIN   100    /* ms, twice as long each time */
#define NGX_CONDUCTOR_ERRAND_PROBE   5000   /* ms at most, of a target */
#define NGX_CONDUCTOR_ERRAND_LATER   60000  /* ms at most, of an errand; and
                                               between two lines in a log */
#define NGX_CONDUCTOR_ERRAND_DOWN    3      /* failures in a row */
#define NGX_CONDUCTOR_ERRAND_GIVE_UP 7      /* times, of what is refused */
#define NGX_CONDUCTOR_ERRAND_REFUSED 1000   /* ms that a worker is left alone */


/* Each target has its places, whatever the others have. */

_Static_assert(NGX_CONDUCTOR_ERRAND_AHEAD * CDR_BACKENDS <= CDR_LENDS,
               "places for what is lent");


static void ngx_conductor_errand_returned(ngx_conductor_runner_t *run,
    cdr_lend_t *lend, cdr_lend_state_e state);
static void ngx_conductor_errand_became(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, cdr_lend_t *lend, cdr_lend_state_e state);
static ngx_uint_t ngx_conductor_errand_down(ngx_uint_t status);
static void ngx_conductor_errand_not_taken(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, ngx_uint_t status);
static void ngx_conductor_errand_remove(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);
static void ngx_conductor_errand_again(ngx_conductor_errand_t *errand);
static ngx_int_t ngx_conductor_errand_lend_one(
    ngx_conductor_errands_of_t *of, ngx_conductor_errand_t *errand);
static cdr_slot_t *ngx_conductor_errand_worker(ngx_conductor_runner_t *run,
    cdr_slot_state_t state);


void
ngx_conductor_errand_back(ngx_conductor_runner_t *run)
{
    uint32_t           i;
    cdr_lends_t       *lends;
    cdr_lend_state_e   state;

    lends = &run->hub->errands->lends;

    for (i = cdr_lend_back(lends, 0, &state);
         i < CDR_LENDS;
         i = cdr_lend_back(lends, i + 1, &state))
    {
        ngx_conductor_errand_returned(run, &lends->lends[i], state);
        cdr_lend_free(lends, i);
    }
}


static void
ngx_conductor_errand_returned(ngx_conductor_runner_t *run, cdr_lend_t *lend,
    cdr_lend_state_e state)
{
    ngx_queue_t                 *q;
    ngx_conductor_errand_t      *errand;
    ngx_conductor_errands_of_t  *of;

    of = ngx_conductor_errands_of(run, lend->tag);

    if (of == NULL) {
        return;
    }

    for (q = ngx_queue_head(&of->errands);
         q != ngx_queue_sentinel(&of->errands);
         q = ngx_queue_next(q))
    {
        errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

        if (errand->n == lend->n) {
            of->lent--;
            errand->lent = 0;

            ngx_conductor_errand_became(of, errand, lend, state);
            return;
        }
    }

    /* there was no memory for it */
}


static void
ngx_conductor_errand_became(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, cdr_lend_t *lend, cdr_lend_state_e state)
{
    ngx_conductor_runner_t  *run;
    u_char                   reason[sizeof("status ") + NGX_INT32_LEN];

    run = of->runner;

    if (state == CDR_LEND_DONE) {
        ngx_conductor_errand_done(of, errand);
        return;
    }

    if (state == CDR_LEND_FAILED) {

        if (!ngx_conductor_errand_down(lend->result)) {
            ngx_conductor_errand_not_taken(of, errand, lend->result);
            return;
        }

        (void) ngx_snprintf(reason, sizeof(reason), "status %uD%Z",
                            lend->result);
        ngx_conductor_errand_failed(of, errand,
                                    lend->result ? (char *) reason
                                                 : "it does not answer");
    }

    if (state == CDR_LEND_REFUSED) {
        run->refused[lend->slot % CDR_SLOTS] = ngx_current_msec
                                               + NGX_CONDUCTOR_ERRAND_REFUSED;
    }

    ngx_conductor_line_place(of, errand->line);
}


/* Is it the back end, or nginx before it, and not what it is told? */

static ngx_uint_t
ngx_conductor_errand_down(ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:
    case NGX_HTTP_FORBIDDEN:
    case NGX_HTTP_NOT_FOUND:
    case 407:                        /* a proxy's, likewise set up wrongly */
    case NGX_HTTP_REQUEST_TIME_OUT:
    case NGX_HTTP_MISDIRECTED_REQUEST:
    case 425:                        /* too early */
    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        return 1;

    default:
        return status < NGX_HTTP_BAD_REQUEST;
    }
}


/* The back end is well, so others are tried without delay. */

static void
ngx_conductor_errand_not_taken(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, ngx_uint_t status)
{
    ngx_uint_t            last;
    ngx_conductor_hub_t  *hub;

    hub = of->runner->hub;

    of->failures = 0;
    (void) atomic_fetch_add(&hub->errands->failed, 1);

    last = status < NGX_HTTP_INTERNAL_SERVER_ERROR
           && errand->tries + 1 >= NGX_CONDUCTOR_ERRAND_GIVE_UP;

    if (of->quiet == 0 || ngx_conductor_due(of->quiet)) {
        of->quiet = ngx_current_msec + NGX_CONDUCTOR_ERRAND_LATER;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "back end \"%V\" of hub \"%V\" does not take something "
                      "that it is told: status %ui; it is %s",
                      &of->target->name, &hub->name, status,
                      status < NGX_HTTP_INTERNAL_SERVER_ERROR
                      ? "tried a few times, and then dropped"
                      : "tried again and again");
    }

    if (last) {
        ngx_conductor_errand_remove(of, errand);
        (void) atomic_fetch_add(&hub->errands->dropped, 1);
        return;
    }

    ngx_conductor_errand_again(errand);
    ngx_conductor_line_place(of, errand->line);
}


void
ngx_conductor_errand_done(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    ngx_conductor_hub_t  *hub;

    hub = of->runner->hub;

    ngx_conductor_errand_remove(of, errand);

    (void) atomic_fetch_add(&hub->errands->done, 1);
    atomic_store(&hub->errands->moved, ngx_current_msec);

    of->failures = 0;
    of->moved = ngx_current_msec;

    if (of->said) {
        of->said = 0;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "back end \"%V\" of hub \"%V\" takes what it is told "
                      "again", &of->target->name, &hub->name);
    }
}


/* Its record makes way, too. */

static void
ngx_conductor_errand_remove(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    cdr_outbox_t         *ob;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = of->runner->hub;
    ob = &hub->errand_box;

    cur.at = errand->at;
    cur.number = 0;

    ngx_conductor_zone_lock(hub);

    if (cdr_outbox_seek(ob, &cur, errand->n, &rec) == CDR_OK) {
        cdr_outbox_mark(ob, rec, CDR_OUTBOX_ORDERED);
    }

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_errand_del(of, errand);
}


void
ngx_conductor_errand_failed(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const char *reason)
{
    ngx_msec_t            wait;
    ngx_conductor_hub_t  *hub;

    hub = of->runner->hub;

    (void) atomic_fetch_add(&hub->errands->failed, 1);

    ngx_conductor_errand_again(errand);

    wait = NGX_CONDUCTOR_ERRAND_AGAIN << ngx_min(of->failures, 6);
    of->retry = ngx_current_msec + ngx_min(wait, NGX_CONDUCTOR_ERRAND_PROBE);
    of->failures++;

    if (!of->said) {
        of->said = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "back end \"%V\" of hub \"%V\" does not take what it is "
                      "told: %s; it is tried again and again",
                      &of->target->name, &hub->name, reason);
    }
}


static void
ngx_conductor_errand_again(ngx_conductor_errand_t *errand)
{
    ngx_msec_t  wait;

    wait = NGX_CONDUCTOR_ERRAND_AGAIN << ngx_min(errand->tries, 10);
    errand->retry = ngx_current_msec
                    + ngx_min(wait, NGX_CONDUCTOR_ERRAND_LATER);
    errand->tries++;
}


ngx_uint_t
ngx_conductor_errand_due(ngx_conductor_errands_of_t *of)
{
    return of->failures < NGX_CONDUCTOR_ERRAND_DOWN
           || (of->lent == 0 && ngx_conductor_due(of->retry));
}


/* One of a connection after the other, those of others meanwhile. */

void
ngx_conductor_errand_lend(ngx_conductor_errands_of_t *of)
{
    ngx_conductor_errand_t  *errand;

    ngx_conductor_line_let_go(of);

    while (of->lent < NGX_CONDUCTOR_ERRAND_AHEAD
           && ngx_conductor_errand_due(of))
    {
        errand = ngx_conductor_line_next(of);

        if (errand == NULL
            || ngx_conductor_errand_lend_one(of, errand) != NGX_OK)
        {
            return;
        }
    }
}


static ngx_int_t
ngx_conductor_errand_lend_one(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    uint32_t                 i, incarnation;
    cdr_slot_t              *slot;
    ngx_conductor_runner_t  *run;

    run = of->runner;
    slot = ngx_conductor_errand_worker(run, CDR_SLOT_ACTIVE);

    if (slot == NULL) {
        return NGX_DECLINED;
    }

    incarnation = atomic_load(&slot->incarnation);

    i = cdr_lend(&run->hub->errands->lends, (uint32_t) run->slot, incarnation,
                 of->target->tag, errand->n, errand->at);

    if (i == CDR_LENDS) {
        return NGX_DECLINED;
    }

    /* what its owner had may have been given back before it had this */

    if ((atomic_load(&slot->state) == CDR_SLOT_FREE
         || atomic_load(&slot->incarnation) != incarnation)
        && cdr_lend_recall(&run->hub->errands->lends, i) == CDR_OK)
    {
        return NGX_DECLINED;
    }

    errand->lent = i + 1;
    of->lent++;

    ngx_conductor_line_place(of, errand->line);

    ngx_conductor_wake_one(run->hub, run->slot);

    return NGX_OK;
}


/* The next one; its number is run->slot. */

static cdr_slot_t *
ngx_conductor_errand_worker(ngx_conductor_runner_t *run,
    cdr_slot_state_t state)
{
    ngx_uint_t   i;
    cdr_slot_t  *slot;

    for (i = 0; i < CDR_SLOTS; i++) {
        run->slot = (run->slot + 1) % CDR_SLOTS;
        slot = &run->hub->slots.slots[run->slot];

        if (atomic_load(&slot->state) == state
            && !ngx_conductor_slot_is_keeper(slot)
            && (run->refused[run->slot] == 0
                || ngx_conductor_due(run->refused[run->slot])))
        {
            run->refused[run->slot] = 0;
            return slot;
        }
    }

    return NULL;
}
