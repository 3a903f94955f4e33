/*
 * The keeper and the outbox of errands: each is read once, and what makes way
 * is not to be done any more.
 */

#include "ngx_conductor_errand_keep.h"


/* Bytes of the outbox that are used at most, so that there is room. */

#define ngx_conductor_errand_most(fill)  ((fill)->size / 8 * 7)

#define NGX_CONDUCTOR_ERRAND_STILL  60000   /* ms that a target took nothing */


static ngx_int_t ngx_conductor_errand_drop(ngx_conductor_runner_t *run);
static ngx_int_t ngx_conductor_errand_take(ngx_conductor_runner_t *run,
    cdr_outbox_rec_t *rec, uint64_t at);
static void ngx_conductor_errand_strange(ngx_conductor_runner_t *run,
    cdr_outbox_rec_t *rec);


/* There is room for what comes: the oldest makes way, if it is stuck. */

void
ngx_conductor_errand_room(ngx_conductor_runner_t *run)
{
    uint64_t              dropped, lost;
    cdr_outbox_fill_t     fill;
    ngx_conductor_hub_t  *hub;

    hub = run->hub;
    dropped = 0;

    cdr_outbox_fill(&hub->errand_box, &fill);

    if (fill.records == 0) {
        run->full = 0;
    }

    if (fill.used > ngx_conductor_errand_most(&fill)) {
        ngx_conductor_zone_lock(hub);

        while (fill.used > ngx_conductor_errand_most(&fill)
               && ngx_conductor_errand_drop(run) == NGX_OK)
        {
            dropped++;
            cdr_outbox_fill(&hub->errand_box, &fill);
        }

        ngx_conductor_zone_unlock(hub);

        (void) atomic_fetch_add(&hub->errands->dropped, dropped);
    }

    lost = atomic_load(&hub->errands->lost);

    if ((dropped || lost != run->lost) && !run->full) {
        run->full = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the outbox for back ends of hub \"%V\" is full: the "
                      "oldest of what they are to be told is dropped, or the "
                      "newest", &hub->name);
    }

    run->lost = lost;
}


/* NGX_DECLINED: the oldest is lent, or will be soon. */

static ngx_int_t
ngx_conductor_errand_drop(ngx_conductor_runner_t *run)
{
    ngx_uint_t                   i;
    cdr_outbox_rec_t            *rec;
    cdr_outbox_cursor_t          cur;
    ngx_conductor_errand_t      *errand;
    ngx_conductor_errands_of_t  *of;

    cdr_outbox_first(&run->hub->errand_box, &cur);

    if (cdr_outbox_next(&run->hub->errand_box, &cur, &rec) != CDR_OK) {
        return NGX_DECLINED;
    }

    of = NULL;
    errand = NULL;

    for (i = 0; i < run->n; i++) {
        of = &run->of[i];

        if (!ngx_queue_empty(&of->errands)) {
            errand = ngx_queue_data(ngx_queue_head(&of->errands),
                                    ngx_conductor_errand_t, queue);
            if (errand->n == rec->n) {
                break;
            }
        }

        errand = NULL;
    }

    if (errand && (errand->lent
                   || ngx_conductor_errand_holds(run->hub, errand->hold,
                                                 errand->n)
                   || (errand->tries == 0 && ngx_current_msec - of->moved
                                             < NGX_CONDUCTOR_ERRAND_STILL)))
    {
        return NGX_DECLINED;
    }

    if (cdr_outbox_drop(&run->hub->errand_box) == 0) {
        return NGX_DECLINED;
    }

    if (errand) {
        ngx_conductor_errand_del(of, errand);
    }

    return NGX_OK;
}


void
ngx_conductor_errand_read(ngx_conductor_runner_t *run)
{
    uint64_t           at;
    cdr_outbox_rec_t  *rec;

    at = run->cursor.at;

    while (cdr_outbox_next(&run->hub->errand_box, &run->cursor, &rec)
           == CDR_OK)
    {
        if (!CDR_OUTBOX_DONE(atomic_load(&rec->marks))
            && ngx_conductor_errand_take(run, rec, at) != NGX_OK)
        {
            /* there is no memory: it is read again */

            run->cursor.at = at;
            return;
        }

        at = run->cursor.at;
    }
}


static ngx_int_t
ngx_conductor_errand_take(ngx_conductor_runner_t *run, cdr_outbox_rec_t *rec,
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
        of = ngx_conductor_errands_of(run, (uint32_t) tag);
    }

    if (of == NULL) {
        ngx_conductor_errand_strange(run, rec);
        return NGX_OK;
    }

    errand = calloc(1, sizeof(ngx_conductor_errand_t));
    if (errand == NULL) {
        return NGX_ERROR;
    }

    errand->n = rec->n;
    errand->at = at;
    errand->lent = (cdr_lend_find(&run->hub->errands->lends, rec->n) + 1)
                   % (CDR_LENDS + 1);

    if (flags & NGX_CONDUCTOR_ERRAND_HELD) {
        errand->hold = ngx_conductor_errand_held(run->hub, rec->n);
    }

    if (of->lines
        && ngx_conductor_line_join(of, errand, rec->key.word) != NGX_OK)
    {
        free(errand);
        return NGX_ERROR;
    }

    of->lent += (errand->lent != 0);
    ngx_queue_insert_tail(&of->errands, &errand->queue);

    return NGX_OK;
}


ngx_conductor_errands_of_t *
ngx_conductor_errands_of(ngx_conductor_runner_t *run, uint32_t tag)
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
ngx_conductor_errand_strange(ngx_conductor_runner_t *run,
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

void
ngx_conductor_errand_prune(ngx_conductor_runner_t *run)
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
                ngx_conductor_errand_del(&run->of[i], errand);
            }
        }
    }
}


void
ngx_conductor_errand_del(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    ngx_queue_remove(&errand->queue);

    if (errand->line) {
        ngx_conductor_line_leave(of, errand);
    }

    free(errand);
}
