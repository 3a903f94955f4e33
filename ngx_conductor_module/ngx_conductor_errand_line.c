/*
 * The keeper: errands of a connection stand in a line, in their order, and
 * only the first is tried.  So one that its back end does not take holds up
 * no other connection.
 */

#include "ngx_conductor_errand_keep.h"


#define NGX_CONDUCTOR_LINE_AGAIN  4         /* every so many is tried again */


static ngx_conductor_line_t *ngx_conductor_line(
    ngx_conductor_errands_of_t *of, const uint64_t key[2]);
static void ngx_conductor_line_del(ngx_conductor_errands_of_t *of,
    ngx_conductor_line_t *line);
static void ngx_conductor_line_due(ngx_conductor_errands_of_t *of);


#define ngx_conductor_line_bucket(of, key)                                    \
    &(of)->lines[(key)[0] % NGX_CONDUCTOR_LINES]

#define ngx_conductor_line_first(line)                                        \
    ngx_queue_data(ngx_queue_head(&(line)->errands), ngx_conductor_errand_t,  \
                   mates)


ngx_int_t
ngx_conductor_line_join(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const uint64_t key[2])
{
    ngx_conductor_line_t  *line;

    line = ngx_conductor_line(of, key);
    if (line == NULL) {
        return NGX_ERROR;
    }

    errand->line = line;
    ngx_queue_insert_tail(&line->errands, &errand->mates);

    if (ngx_conductor_line_first(line) == errand) {
        ngx_conductor_line_place(of, line);
    }

    return NGX_OK;
}


/* The one of a connection, which is new if there was none. */

static ngx_conductor_line_t *
ngx_conductor_line(ngx_conductor_errands_of_t *of, const uint64_t key[2])
{
    ngx_conductor_line_t  *line, **bucket;

    bucket = ngx_conductor_line_bucket(of, key);

    for (line = *bucket; line; line = line->next) {
        if (line->key[0] == key[0] && line->key[1] == key[1]) {
            return line;
        }
    }

    line = calloc(1, sizeof(ngx_conductor_line_t));
    if (line == NULL) {
        return NULL;
    }

    line->key[0] = key[0];
    line->key[1] = key[1];

    ngx_queue_init(&line->queue);
    ngx_queue_init(&line->errands);

    line->next = *bucket;
    *bucket = line;

    return line;
}


void
ngx_conductor_line_leave(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand)
{
    ngx_uint_t             first;
    ngx_conductor_line_t  *line;

    line = errand->line;
    first = (ngx_conductor_line_first(line) == errand);

    ngx_queue_remove(&errand->mates);

    if (ngx_queue_empty(&line->errands)) {
        ngx_conductor_line_del(of, line);

    } else if (first) {
        ngx_conductor_line_place(of, line);
    }
}


static void
ngx_conductor_line_del(ngx_conductor_errands_of_t *of,
    ngx_conductor_line_t *line)
{
    ngx_conductor_line_t  **p;

    for (p = ngx_conductor_line_bucket(of, line->key);
         *p != line;
         p = &(*p)->next)
    {
        /* void */
    }

    *p = line->next;

    ngx_queue_remove(&line->queue);
    free(line);
}


void
ngx_conductor_line_place(ngx_conductor_errands_of_t *of,
    ngx_conductor_line_t *line)
{
    ngx_conductor_errand_t  *errand;

    errand = ngx_conductor_line_first(line);

    ngx_queue_remove(&line->queue);
    ngx_queue_init(&line->queue);

    if (errand->lent) {
        return;
    }

    if (ngx_conductor_errand_holds(of->runner->hub, errand->hold, errand->n)) {
        ngx_queue_insert_tail(&of->held, &line->queue);
        return;
    }

    if (errand->tries == 0) {
        ngx_queue_insert_tail(&of->fresh, &line->queue);
        return;
    }

    if (ngx_queue_empty(&of->later)
        || (ngx_msec_int_t) (errand->retry - of->look) < 0)
    {
        of->look = errand->retry;
    }

    ngx_queue_insert_tail(&of->later, &line->queue);
}


void
ngx_conductor_line_let_go(ngx_conductor_errands_of_t *of)
{
    ngx_queue_t             *q, *next;
    ngx_conductor_line_t    *line;
    ngx_conductor_errand_t  *errand;

    for (q = ngx_queue_head(&of->held);
         q != ngx_queue_sentinel(&of->held);
         q = next)
    {
        next = ngx_queue_next(q);
        line = ngx_queue_data(q, ngx_conductor_line_t, queue);
        errand = ngx_conductor_line_first(line);

        if (!ngx_conductor_errand_holds(of->runner->hub, errand->hold,
                                        errand->n))
        {
            ngx_conductor_line_place(of, line);
        }
    }
}


ngx_conductor_errand_t *
ngx_conductor_line_next(ngx_conductor_errands_of_t *of)
{
    ngx_queue_t           *q;
    ngx_conductor_line_t  *line;

    ngx_conductor_line_due(of);

    q = &of->fresh;

    if (ngx_queue_empty(q)
        || (of->failures == 0 && !ngx_queue_empty(&of->again)
            && ++of->turn % NGX_CONDUCTOR_LINE_AGAIN == 0))
    {
        q = &of->again;
    }

    if (ngx_queue_empty(q)) {
        return NULL;
    }

    line = ngx_queue_data(ngx_queue_head(q), ngx_conductor_line_t, queue);

    return ngx_conductor_line_first(line);
}


/* Those whose time has come. */

static void
ngx_conductor_line_due(ngx_conductor_errands_of_t *of)
{
    ngx_queue_t             *q, *next;
    ngx_msec_t               look;
    ngx_conductor_line_t    *line;
    ngx_conductor_errand_t  *errand;

    if (ngx_queue_empty(&of->later) || !ngx_conductor_due(of->look)) {
        return;
    }

    look = ngx_current_msec + NGX_MAX_INT32_VALUE;

    for (q = ngx_queue_head(&of->later);
         q != ngx_queue_sentinel(&of->later);
         q = next)
    {
        next = ngx_queue_next(q);
        line = ngx_queue_data(q, ngx_conductor_line_t, queue);
        errand = ngx_conductor_line_first(line);

        if (ngx_conductor_due(errand->retry)) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&of->again, q);

        } else if ((ngx_msec_int_t) (errand->retry - look) < 0) {
            look = errand->retry;
        }
    }

    of->look = look;
}
