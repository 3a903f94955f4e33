/*
 * The keeper: errands are read from the outbox once, wait in the order of
 * their target, and are lent to workers.  What came back done makes way; what
 * failed, or whose worker died, is lent again.
 */

#include "ngx_conductor_errand_keep.h"


#define NGX_CONDUCTOR_ERRAND_AHEAD   8      /* lent at a time, of a target */
#define NGX_CONDUCTOR_ERRAND_LOOK    64     /* errands that are looked at */
#define NGX_CONDUCTOR_ERRAND_AGAIN   100    /* ms, twice as long each time */
#define NGX_CONDUCTOR_ERRAND_PROBE   5000   /* ms at most, of a target */
#define NGX_CONDUCTOR_ERRAND_LATER   60000  /* ms at most, of an errand */
#define NGX_CONDUCTOR_ERRAND_DOWN    3      /* failures in a row */
#define NGX_CONDUCTOR_ERRAND_REFUSED 1000   /* ms that a worker is left alone */
#define NGX_CONDUCTOR_ERRAND_ORPHANS 1000   /* ms that workers may take */

/* Bytes of the outbox that are used at most, so that there is room. */

#define ngx_conductor_errand_most(fill)  ((fill)->size / 4 * 3)


static ngx_conductor_runner_t *ngx_conductor_runner(ngx_conductor_hub_t *hub);
static ngx_conductor_runner_t *ngx_conductor_runner_new(
    ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_runner_own(ngx_conductor_runner_t *run);
static ngx_uint_t ngx_conductor_runner_owned(ngx_conductor_hub_t *hub,
    uint32_t owner);
static void ngx_conductor_runner_start(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_room(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_back(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_returned(ngx_conductor_runner_t *run,
    cdr_lend_t *lend, cdr_lend_state_e state);
static void ngx_conductor_runner_read(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_take(ngx_conductor_runner_t *run,
    cdr_outbox_rec_t *rec, uint64_t at);
static ngx_conductor_errands_of_t *ngx_conductor_runner_of(
    ngx_conductor_runner_t *run, uint32_t tag);
static void ngx_conductor_runner_strange(ngx_conductor_runner_t *run,
    cdr_outbox_rec_t *rec);
static void ngx_conductor_runner_prune(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_lend(ngx_conductor_errands_of_t *of);
static ngx_int_t ngx_conductor_runner_lend_one(
    ngx_conductor_errands_of_t *of, ngx_conductor_errand_t *errand);
static cdr_slot_t *ngx_conductor_runner_worker(ngx_conductor_runner_t *run,
    cdr_slot_state_t state);
static void ngx_conductor_runner_orphans(ngx_conductor_hub_t *hub);


static ngx_conductor_runner_t  *ngx_conductor_runners;


void
ngx_conductor_errands_turn(ngx_conductor_hub_t *hub,
    struct ngx_conductor_join_s *join)
{
    ngx_uint_t               i;
    ngx_conductor_runner_t  *run;

    if (hub->errands == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    run = ngx_conductor_runner(hub);

    if (run == NULL || ngx_conductor_runner_own(run) != NGX_OK) {
        return;
    }

    run->join = join;

    ngx_conductor_runner_room(run);
    ngx_conductor_runner_read(run);
    ngx_conductor_runner_back(run);
    ngx_conductor_runner_prune(run);

    for (i = 0; i < run->n; i++) {

        if (run->of[i].target->server) {
            ngx_conductor_runner_lend(&run->of[i]);

        } else {
            ngx_conductor_errand_stream(&run->of[i]);
        }
    }

    if (run->keep) {
        ngx_conductor_keep_run(run->keep);
    }
}


/* What is lent stays lent: the next keeper takes it back. */

void
ngx_conductor_errands_stop(ngx_conductor_hub_t *hub)
{
    ngx_conductor_runner_t  *run;

    if (hub->errands == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    run = ngx_conductor_runner(hub);

    if (run == NULL || !run->owner) {
        return;
    }

    if (getppid() != ngx_parent) {
        ngx_conductor_runner_orphans(hub);
    }

    ngx_conductor_runner_back(run);

    if (run->keep) {
        ngx_conductor_keep_end(run->keep);
        run->keep = NULL;
    }

    run->owner = 0;

    ngx_conductor_zone_lock(hub);

    if (atomic_load(&hub->errands->owner) == hub->slot + 1) {
        atomic_store(&hub->errands->owner, 0);
    }

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_wake_keeper(hub);
}


static ngx_conductor_runner_t *
ngx_conductor_runner(ngx_conductor_hub_t *hub)
{
    ngx_conductor_runner_t  *run;

    for (run = ngx_conductor_runners; run; run = run->next) {
        if (run->hub == hub) {
            return run;
        }
    }

    run = ngx_conductor_runner_new(hub);

    if (run) {
        run->next = ngx_conductor_runners;
        ngx_conductor_runners = run;
    }

    return run;
}


static ngx_conductor_runner_t *
ngx_conductor_runner_new(ngx_conductor_hub_t *hub)
{
    ngx_uint_t               i;
    ngx_conductor_target_t  *target;
    ngx_conductor_runner_t  *run;

    run = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_runner_t));
    if (run == NULL) {
        return NULL;
    }

    run->hub = hub;
    run->n = hub->targets.nelts;
    run->of = ngx_pcalloc(ngx_cycle->pool,
                          (run->n + 1) * sizeof(ngx_conductor_errands_of_t));
    if (run->of == NULL) {
        return NULL;
    }

    target = hub->targets.elts;

    for (i = 0; i < run->n; i++) {
        run->of[i].runner = run;
        run->of[i].target = &target[i];
        ngx_queue_init(&run->of[i].errands);
    }

    return run;
}


/* Nobody else may be at it: two keepers overlap while nginx is reloaded. */

static ngx_int_t
ngx_conductor_runner_own(ngx_conductor_runner_t *run)
{
    ngx_conductor_hub_t  *hub;

    if (run->owner) {
        return NGX_OK;
    }

    hub = run->hub;

    ngx_conductor_zone_lock(hub);

    if (!ngx_conductor_runner_owned(hub, atomic_load(&hub->errands->owner))) {
        atomic_store(&hub->errands->owner, (uint32_t) hub->slot + 1);
        run->owner = 1;
    }

    ngx_conductor_zone_unlock(hub);

    if (!run->owner) {
        return NGX_DECLINED;
    }

    ngx_conductor_runner_start(run);

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_runner_owned(ngx_conductor_hub_t *hub, uint32_t owner)
{
    cdr_slot_t  *slot;

    if (owner == 0 || owner > CDR_SLOTS || owner == hub->slot + 1) {
        return 0;
    }

    slot = &hub->slots.slots[owner - 1];

    return atomic_load(&slot->state) != CDR_SLOT_FREE
           && ngx_conductor_slot_is_keeper(slot)
           && !ngx_conductor_process_gone(slot);
}


static void
ngx_conductor_runner_start(ngx_conductor_runner_t *run)
{
    ngx_err_t             err;
    ngx_conductor_kept_t  box;

    cdr_outbox_first(&run->hub->errand_box, &run->cursor);

    ngx_conductor_errands_kept(run->hub, &box);

    run->keep = ngx_conductor_keep_open(run->hub, &box, &err);

    if (run->keep == NULL) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, err,
                      "no thread for the %s of hub \"%V\": what they are not "
                      "told is lost when nginx ends", box.name,
                      &run->hub->name);
    }
}


/* There is room for what comes: the oldest makes way. */

static void
ngx_conductor_runner_room(ngx_conductor_runner_t *run)
{
    uint64_t              dropped;
    cdr_outbox_fill_t     fill;
    ngx_conductor_hub_t  *hub;

    hub = run->hub;
    dropped = 0;

    cdr_outbox_fill(&hub->errand_box, &fill);

    if (fill.records == 0) {
        run->full = 0;
    }

    if (fill.used <= ngx_conductor_errand_most(&fill)) {
        return;
    }

    ngx_conductor_zone_lock(hub);

    while (fill.used > ngx_conductor_errand_most(&fill)
           && cdr_outbox_drop(&hub->errand_box))
    {
        dropped++;
        cdr_outbox_fill(&hub->errand_box, &fill);
    }

    ngx_conductor_zone_unlock(hub);

    (void) atomic_fetch_add(&hub->errands->dropped, dropped);

    if (dropped && !run->full) {
        run->full = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the outbox for back ends of hub \"%V\" is full: the "
                      "oldest of what they are to be told is dropped",
                      &hub->name);
    }
}


static void
ngx_conductor_runner_back(ngx_conductor_runner_t *run)
{
    uint32_t           i;
    cdr_lends_t       *lends;
    cdr_lend_state_e   state;

    lends = &run->hub->errands->lends;

    for (i = cdr_lend_back(lends, 0, &state);
         i < CDR_LENDS;
         i = cdr_lend_back(lends, i + 1, &state))
    {
        ngx_conductor_runner_returned(run, &lends->lends[i], state);
        cdr_lend_free(lends, i);
    }
}


static void
ngx_conductor_runner_returned(ngx_conductor_runner_t *run, cdr_lend_t *lend,
    cdr_lend_state_e state)
{
    ngx_queue_t                 *q;
    ngx_conductor_errand_t      *errand;
    ngx_conductor_errands_of_t  *of;
    u_char                       reason[sizeof("status ") + NGX_INT32_LEN];

    of = ngx_conductor_runner_of(run, lend->tag);

    if (of == NULL) {
        return;
    }

    errand = NULL;

    for (q = ngx_queue_head(&of->errands);
         q != ngx_queue_sentinel(&of->errands);
         q = ngx_queue_next(q))
    {
        errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

        if (errand->n == lend->n) {
            break;
        }

        errand = NULL;
    }

    if (errand == NULL) {

        /* there was no memory for it */

        return;
    }

    of->lent--;
    errand->lent = 0;

    switch (state) {

    case CDR_LEND_DONE:
        ngx_conductor_errand_done(of, errand);
        break;

    case CDR_LEND_FAILED:
        (void) ngx_snprintf(reason, sizeof(reason), "status %uD%Z",
                            lend->result);
        ngx_conductor_errand_failed(of, errand,
                                    lend->result ? (char *) reason
                                                 : "it does not answer");
        break;

    case CDR_LEND_REFUSED:
        run->refused[lend->slot % CDR_SLOTS] = ngx_current_msec
                                               + NGX_CONDUCTOR_ERRAND_REFUSED;
        break;

    default: /* CDR_LEND_LOST */
        break;
    }
}


void
ngx_conductor_errand_done(ngx_conductor_errands_of_t *of,
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

    (void) atomic_fetch_add(&hub->errands->done, 1);

    ngx_queue_remove(&errand->queue);
    free(errand);

    of->failures = 0;

    if (of->said) {
        of->said = 0;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "back end \"%V\" of hub \"%V\" takes what it is told "
                      "again", &of->target->name, &hub->name);
    }
}


void
ngx_conductor_errand_failed(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const char *reason)
{
    ngx_msec_t            wait;
    ngx_conductor_hub_t  *hub;

    hub = of->runner->hub;

    (void) atomic_fetch_add(&hub->errands->failed, 1);

    wait = NGX_CONDUCTOR_ERRAND_AGAIN << ngx_min(errand->tries, 10);
    errand->retry = ngx_current_msec
                    + ngx_min(wait, NGX_CONDUCTOR_ERRAND_LATER);
    errand->tries++;

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


/* One that is not taken itself must not keep others from being tried. */

ngx_uint_t
ngx_conductor_errand_due(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    if (of->failures >= NGX_CONDUCTOR_ERRAND_DOWN
        && (of->lent || !ngx_conductor_due(of->retry)))
    {
        return 0;
    }

    return errand == NULL || errand->tries == 0
           || ngx_conductor_due(errand->retry);
}


static void
ngx_conductor_runner_read(ngx_conductor_runner_t *run)
{
    uint64_t           at;
    cdr_outbox_rec_t  *rec;

    at = run->cursor.at;

    while (cdr_outbox_next(&run->hub->errand_box, &run->cursor, &rec)
           == CDR_OK)
    {
        if (!CDR_OUTBOX_DONE(atomic_load(&rec->marks))) {
            ngx_conductor_runner_take(run, rec, at);
        }

        at = run->cursor.at;
    }
}


static void
ngx_conductor_runner_take(ngx_conductor_runner_t *run, cdr_outbox_rec_t *rec,
    uint64_t at)
{
    uint32_t                     flags;
    cdr_str_t                    type, text;
    ngx_int_t                    tag;
    cdr_outbox_iter_t            it;
    ngx_conductor_errand_t      *errand;
    ngx_conductor_errands_of_t  *of;

    cdr_outbox_items(rec, &it);

    of = NULL;

    if (cdr_outbox_item(&it, &flags, &type, &text) == CDR_OK
        && type.len == NGX_CONDUCTOR_ERRAND_TAG)
    {
        tag = ngx_hextoi((u_char *) type.data, type.len);
        of = ngx_conductor_runner_of(run, (uint32_t) tag);
    }

    if (of == NULL) {
        ngx_conductor_runner_strange(run, rec);
        return;
    }

    errand = calloc(1, sizeof(ngx_conductor_errand_t));
    if (errand == NULL) {

        /* it stays in the outbox, and is for the next keeper */

        return;
    }

    errand->n = rec->n;
    errand->at = at;
    errand->key[0] = rec->key.word[0];
    errand->key[1] = rec->key.word[1];

    errand->lent = (cdr_lend_find(&run->hub->errands->lends, rec->n) + 1)
                   % (CDR_LENDS + 1);
    of->lent += (errand->lent != 0);

    ngx_queue_insert_tail(&of->errands, &errand->queue);
}


static ngx_conductor_errands_of_t *
ngx_conductor_runner_of(ngx_conductor_runner_t *run, uint32_t tag)
{
    ngx_uint_t  i;

    for (i = 0; i < run->n; i++) {
        if (run->of[i].target->tag == tag) {
            return &run->of[i];
        }
    }

    return NULL;
}


/* The configuration has this back end no more. */

static void
ngx_conductor_runner_strange(ngx_conductor_runner_t *run,
    cdr_outbox_rec_t *rec)
{
    ngx_conductor_hub_t  *hub;

    hub = run->hub;

    ngx_conductor_zone_lock(hub);
    cdr_outbox_mark(&hub->errand_box, rec, CDR_OUTBOX_ORDERED);
    ngx_conductor_zone_unlock(hub);

    (void) atomic_fetch_add(&hub->errands->dropped, 1);

    if (!run->strange) {
        run->strange = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "hub \"%V\" has things to tell to a back end that the "
                      "configuration has no more: they are dropped",
                      &hub->name);
    }
}


/* What made way is not to be done any more. */

static void
ngx_conductor_runner_prune(ngx_conductor_runner_t *run)
{
    uint64_t                 first;
    ngx_uint_t               i;
    ngx_queue_t             *q, *next;
    cdr_outbox_rec_t        *rec;
    cdr_outbox_cursor_t      cur;
    ngx_conductor_errand_t  *errand;

    cdr_outbox_first(&run->hub->errand_box, &cur);

    first = (cdr_outbox_next(&run->hub->errand_box, &cur, &rec) == CDR_OK)
            ? rec->n : UINT64_MAX;

    for (i = 0; i < run->n; i++) {

        for (q = ngx_queue_head(&run->of[i].errands);
             q != ngx_queue_sentinel(&run->of[i].errands);
             q = next)
        {
            next = ngx_queue_next(q);
            errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

            if (errand->n >= first) {
                break;
            }

            if (errand->lent == 0) {
                ngx_queue_remove(q);
                free(errand);
            }
        }
    }
}


/* One of a connection after the other, those of others meanwhile. */

static void
ngx_conductor_runner_lend(ngx_conductor_errands_of_t *of)
{
    uint64_t                (*key)[2];
    ngx_uint_t                i, n;
    ngx_queue_t              *q;
    ngx_conductor_errand_t   *errand;
    uint64_t                  keys[NGX_CONDUCTOR_ERRAND_LOOK][2];

    n = 0;
    key = keys;

    for (q = ngx_queue_head(&of->errands);
         q != ngx_queue_sentinel(&of->errands)
         && n < NGX_CONDUCTOR_ERRAND_LOOK
         && of->lent < NGX_CONDUCTOR_ERRAND_AHEAD;
         q = ngx_queue_next(q))
    {
        errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

        for (i = 0; i < n; i++) {
            if (key[i][0] == errand->key[0] && key[i][1] == errand->key[1]) {
                break;
            }
        }

        key[n][0] = errand->key[0];
        key[n][1] = errand->key[1];
        n++;

        if (i == n - 1 && errand->lent == 0
            && ngx_conductor_errand_due(of, errand)
            && ngx_conductor_runner_lend_one(of, errand) != NGX_OK)
        {
            return;
        }
    }
}


static ngx_int_t
ngx_conductor_runner_lend_one(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    uint32_t                 i;
    cdr_slot_t              *slot;
    ngx_conductor_runner_t  *run;

    run = of->runner;
    slot = ngx_conductor_runner_worker(run, CDR_SLOT_ACTIVE);

    if (slot == NULL) {
        return NGX_DECLINED;
    }

    i = cdr_lend(&run->hub->errands->lends, (uint32_t) run->slot,
                 atomic_load(&slot->incarnation), of->target->tag, errand->n,
                 errand->at);

    if (i == CDR_LENDS) {
        return NGX_DECLINED;
    }

    errand->lent = i + 1;
    of->lent++;

    ngx_conductor_wake_one(run->hub, run->slot);

    return NGX_OK;
}


/* The next one; its number is run->slot. */

static cdr_slot_t *
ngx_conductor_runner_worker(ngx_conductor_runner_t *run,
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


/* Without a master nobody comes after the workers: they end at once. */

static void
ngx_conductor_runner_orphans(ngx_conductor_hub_t *hub)
{
    ngx_uint_t   i, left;
    cdr_slot_t  *slot;
    ngx_msec_t   deadline;

    deadline = ngx_current_msec + NGX_CONDUCTOR_ERRAND_ORPHANS;

    do {
        left = 0;

        for (i = 0; i < CDR_SLOTS; i++) {
            slot = &hub->slots.slots[i];

            left += atomic_load(&slot->state) != CDR_SLOT_FREE
                    && !ngx_conductor_slot_is_keeper(slot)
                    && !ngx_conductor_process_gone(slot);
        }

        if (left) {
            ngx_msleep(10);
            ngx_time_update();
        }

    } while (left && !ngx_conductor_due(deadline));
}


ngx_uint_t
ngx_conductor_errands_left(ngx_conductor_hub_t *hub)
{
    return hub->errands && hub->state;
}


ngx_int_t
ngx_conductor_errands_save(ngx_conductor_hub_t *hub)
{
    ngx_conductor_kept_t  box;

    ngx_conductor_errands_kept(hub, &box);

    return ngx_conductor_keep_all(hub, &box);
}
