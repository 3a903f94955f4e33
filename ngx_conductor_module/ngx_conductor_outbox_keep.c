/*
 * What Redis does not have is on disk, too: the keeper's loop copies what was
 * placed, a thread writes it, and the file goes when nothing is left.
 */

#include "ngx_conductor_outbox_keep.h"


#define NGX_CONDUCTOR_KEEP_SPARE   (1024 * 1024)    /* beyond two outboxes */
#define NGX_CONDUCTOR_KEEP_AGAIN   1000             /* ms, after an error */
#define NGX_CONDUCTOR_KEEP_LAST    500              /* ms, at the end */

/* Bytes of an outbox that are used at most, so that there is room. */

#define ngx_conductor_keep_most(fill)  ((fill)->size / 4 * 3)


static void ngx_conductor_keep_start(ngx_conductor_join_t *join);
static ngx_conductor_keep_t *ngx_conductor_keep_make(
    ngx_conductor_hub_t *hub, const ngx_conductor_kept_t *box);
static void ngx_conductor_keep_tick(ngx_conductor_join_t *join);
static void ngx_conductor_keep_stop(ngx_conductor_join_t *join);
static void ngx_conductor_keep_room(ngx_conductor_keep_t *k);
static void ngx_conductor_keep_taken(ngx_conductor_keep_t *k);
static ngx_uint_t ngx_conductor_keep_pending(const cdr_outbox_t *ob);
static void ngx_conductor_keep_collect(ngx_conductor_keep_t *k);
static size_t ngx_conductor_keep_copy(ngx_conductor_keep_t *k,
    cdr_outbox_cursor_t *cur, const cdr_outbox_cursor_t *end, u_char *p);
static void ngx_conductor_keep_post(ngx_conductor_keep_t *k,
    ngx_conductor_keep_e kind);


ngx_conductor_join_hook_t  ngx_conductor_outbox_keep = {
    ngx_conductor_keep_start,
    NULL,                                   /* up */
    NULL,                                   /* listen */
    NULL,                                   /* down */
    ngx_conductor_keep_tick,
    ngx_conductor_keep_stop,
    NULL,                                   /* message */
    NULL                                    /* control */
};


static ngx_conductor_keep_t  *ngx_conductor_keeps;
static ngx_uint_t             ngx_conductor_keep_left;  /* threads */


static void
ngx_conductor_keep_start(ngx_conductor_join_t *join)
{
    ngx_err_t              err;
    ngx_conductor_keep_t  *k;
    ngx_conductor_kept_t   box;

    ngx_conductor_outbox_kept(join->hub, &box);

    k = ngx_conductor_keep_open(join->hub, &box, &err);

    if (k == NULL) {
        ngx_log_error(NGX_LOG_ALERT, join->log, err,
                      "no thread for the outbox of hub \"%V\": what Redis "
                      "does not have is lost when nginx ends",
                      &join->hub->name);
        return;
    }

    k->next = ngx_conductor_keeps;
    ngx_conductor_keeps = k;
}


ngx_conductor_keep_t *
ngx_conductor_keep_open(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box, ngx_err_t *err)
{
    ngx_conductor_keep_t  *k;

    k = ngx_conductor_keep_make(hub, box);

    if (k == NULL) {
        *err = NGX_ENOMEM;
        return NULL;
    }

    *err = ngx_conductor_keep_thread(k);

    if (*err) {
        free(k);
        return NULL;
    }

    return k;
}


ngx_int_t
ngx_conductor_keep_all(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box)
{
    ngx_int_t              rc;
    ngx_conductor_keep_t  *k;

    k = ngx_conductor_keep_make(hub, box);

    if (k == NULL) {
        return NGX_ERROR;
    }

    ngx_conductor_keep_collect(k);

    rc = k->busy ? ngx_conductor_keep_do(k) : NGX_OK;

    ngx_conductor_keep_done(k);

    free(k->data);
    free(k);

    return rc;
}


static ngx_conductor_keep_t *
ngx_conductor_keep_make(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box)
{
    ngx_conductor_keep_t  *k;

    k = calloc(1, sizeof(ngx_conductor_keep_t));
    if (k == NULL) {
        return NULL;
    }

    k->hub = hub;
    k->box = *box;
    k->there = 1;
    k->whole = 1;
    k->again = ngx_current_msec;
    k->fd = -1;
    k->dir.fd = -1;
    k->dir.out = -1;

    ngx_conductor_outbox_name(box, k->name);

    return k;
}


static void
ngx_conductor_keep_tick(ngx_conductor_join_t *join)
{
    ngx_conductor_outbox_placed(join->hub);
}


void
ngx_conductor_outbox_placed(ngx_conductor_hub_t *hub)
{
    ngx_conductor_keep_t  *k;

    for (k = ngx_conductor_keeps; k; k = k->next) {
        if (k->hub == hub) {
            ngx_conductor_keep_room(k);
            ngx_conductor_keep_run(k);
        }
    }
}


/*
 * There is room for what comes: what was placed longest ago makes way, and the
 * others will miss it.
 */

static void
ngx_conductor_keep_room(ngx_conductor_keep_t *k)
{
    uint32_t              n;
    uint64_t              dropped;
    cdr_outbox_fill_t     fill;
    ngx_conductor_hub_t  *hub;

    hub = k->hub;
    dropped = 0;

    cdr_outbox_fill(&hub->outbox, &fill);

    if (fill.records == 0) {
        k->full = 0;
    }

    if (fill.used <= ngx_conductor_keep_most(&fill)) {
        return;
    }

    ngx_conductor_zone_lock(hub);

    do {
        n = cdr_outbox_drop(&hub->outbox);
        dropped += n;

        cdr_outbox_fill(&hub->outbox, &fill);

    } while (n && fill.used > ngx_conductor_keep_most(&fill));

    (void) atomic_fetch_add(&hub->zone->joining.dropped, dropped);

    ngx_conductor_zone_unlock(hub);

    if (dropped && !k->full) {
        k->full = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the outbox of hub \"%V\" is full: the oldest events "
                      "that Redis does not have are dropped, and clients of "
                      "other servers will miss them", &hub->name);
    }
}


void
ngx_conductor_keep_run(ngx_conductor_keep_t *k)
{
    ngx_conductor_keep_state_e  state;

    (void) pthread_mutex_lock(&k->mutex);

    state = k->state;

    if (state == NGX_CONDUCTOR_KEEP_DONE) {
        k->state = NGX_CONDUCTOR_KEEP_IDLE;
    }

    (void) pthread_mutex_unlock(&k->mutex);

    if (state == NGX_CONDUCTOR_KEEP_POSTED
        || state == NGX_CONDUCTOR_KEEP_GONE)
    {
        return;
    }

    if (k->busy) {
        ngx_conductor_keep_taken(k);
    }

    if (!k->whole || ngx_conductor_due(k->again)) {
        ngx_conductor_keep_collect(k);
    }
}


/* What came of the last job. */

static void
ngx_conductor_keep_taken(ngx_conductor_keep_t *k)
{
    k->busy = 0;

    free(k->data);
    k->data = NULL;

    if (k->rc != NGX_OK) {
        k->whole = 1;
        k->again = ngx_current_msec + NGX_CONDUCTOR_KEEP_AGAIN;

        if (ngx_strcmp(k->said, k->dir.error) != 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, k->dir.err,
                          "the %s of hub \"%V\" cannot be written: %s",
                          k->box.name, &k->hub->name, k->dir.error);

            ngx_cpystrn(k->said, k->dir.error, NGX_CONDUCTOR_FILE_ERROR);
        }

        return;
    }

    if (k->said[0]) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "the %s of hub \"%V\" is written again",
                      k->box.name, &k->hub->name);
        k->said[0] = '\0';
    }

    k->there = (k->kind != NGX_CONDUCTOR_KEEP_REMOVE);
    k->whole = !k->there;
    k->cursor = k->posted;
    k->size = (k->kind == NGX_CONDUCTOR_KEEP_ADD) ? k->size + k->written
                                                  : k->written;
}


/* What was placed comes before what was not. */

static ngx_uint_t
ngx_conductor_keep_pending(const cdr_outbox_t *ob)
{
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;

    cdr_outbox_first(ob, &cur);

    return cdr_outbox_next(ob, &cur, &rec) == CDR_OK
           && (atomic_load(&rec->marks) & CDR_OUTBOX_PLACED);
}


/* What Redis has meanwhile may stay in the file: it is not taken twice. */

static void
ngx_conductor_keep_collect(ngx_conductor_keep_t *k)
{
    size_t                len;
    cdr_outbox_cursor_t   cur;

    if (!ngx_conductor_keep_pending(k->box.outbox)) {

        if (k->there) {
            ngx_conductor_keep_post(k, NGX_CONDUCTOR_KEEP_REMOVE);
        }

        return;
    }

    if (k->size > 2 * k->box.outbox->size + NGX_CONDUCTOR_KEEP_SPARE) {
        k->whole = 1;
    }

    if (k->whole) {
        cdr_outbox_first(k->box.outbox, &k->cursor);
    }

    cur = k->cursor;
    len = ngx_conductor_keep_copy(k, &cur, NULL, NULL);

    if (len == 0) {
        return;
    }

    k->data = malloc(CDR_OUTBOX_FILE_WORD + len + CDR_OUTBOX_FILE_SEAL);

    if (k->data == NULL) {
        return;
    }

    k->posted = k->cursor;
    k->len = ngx_conductor_keep_copy(k, &k->posted, &cur,
                                     k->data + CDR_OUTBOX_FILE_WORD);

    ngx_conductor_keep_post(k, k->whole ? NGX_CONDUCTOR_KEEP_NEW
                                        : NGX_CONDUCTOR_KEEP_ADD);
}


/*
 * Returns the bytes, which are not written to NULL.  Others go on appending:
 * what they add behind "end" is for the next time.
 */

static size_t
ngx_conductor_keep_copy(ngx_conductor_keep_t *k, cdr_outbox_cursor_t *cur,
    const cdr_outbox_cursor_t *end, u_char *p)
{
    size_t                len;
    uint32_t              marks;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   next;

    len = 0;
    next = *cur;

    while ((end == NULL || next.at < end->at)
           && cdr_outbox_next(k->box.outbox, &next, &rec) == CDR_OK)
    {
        marks = atomic_load(&rec->marks);

        if (!(marks & CDR_OUTBOX_PLACED) && !CDR_OUTBOX_DONE(marks)) {
            break;
        }

        *cur = next;

        if (CDR_OUTBOX_DONE(marks)) {
            continue;
        }

        len += cdr_outbox_file_size(rec);

        if (p) {
            p = cdr_outbox_file_put(p, rec);
        }
    }

    return len;
}


static void
ngx_conductor_keep_post(ngx_conductor_keep_t *k, ngx_conductor_keep_e kind)
{
    k->busy = 1;
    k->kind = kind;

    (void) pthread_mutex_lock(&k->mutex);

    k->state = NGX_CONDUCTOR_KEEP_POSTED;

    (void) pthread_cond_broadcast(&k->cond);
    (void) pthread_mutex_unlock(&k->mutex);
}


static void
ngx_conductor_keep_stop(ngx_conductor_join_t *join)
{
    ngx_conductor_keep_t  *k, **p;

    for (p = &ngx_conductor_keeps; *p; p = &(*p)->next) {
        if ((*p)->hub == join->hub) {
            break;
        }
    }

    k = *p;

    if (k == NULL) {
        return;
    }

    *p = k->next;

    ngx_conductor_keep_end(k);
}


void
ngx_conductor_keep_end(ngx_conductor_keep_t *k)
{
    ngx_conductor_keep_until(k, 0, NGX_CONDUCTOR_KEEP_LAST);
    ngx_conductor_keep_run(k);
    ngx_conductor_keep_until(k, 0, NGX_CONDUCTOR_KEEP_LAST);

    /* a thread that hangs ends with us */

    (void) pthread_mutex_lock(&k->mutex);
    k->quit = 1;
    (void) pthread_cond_broadcast(&k->cond);
    (void) pthread_mutex_unlock(&k->mutex);

    ngx_conductor_keep_until(k, 1, NGX_CONDUCTOR_KEEP_LAST);

    if (k->state != NGX_CONDUCTOR_KEEP_GONE) {
        ngx_conductor_keep_left++;
        return;
    }

    (void) pthread_join(k->id, NULL);

    free(k->data);
    free(k);
}


ngx_uint_t
ngx_conductor_outbox_busy(void)
{
    return ngx_conductor_keep_left;
}


