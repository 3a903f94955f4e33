/*
 * The list of reviewers that a client gets first.  All clients that see the
 * same get the same bytes, made once in a flush.
 */

#include "ngx_conductor_watch.h"

#include <cdr_filter.h>


/* A list being made. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_conductor_group_t        *group;
    cdr_reviewer_view_t           view;
    cdr_str_t                     filter;     /* len 0: none */
    uint64_t                      n;          /* reviewers in it */
    uint64_t                      total;      /* of those that there are */
    unsigned                      cut:1;      /* there was no room for all */
} ngx_conductor_list_t;


static ngx_conductor_buf_t *ngx_conductor_list_make(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, cdr_str_t *filter);
static ngx_int_t ngx_conductor_list_read(ngx_conductor_list_t *list);
static ngx_int_t ngx_conductor_list_add(ngx_conductor_list_t *list,
    cdr_reviewer_t *r);
static ngx_conductor_buf_t *ngx_conductor_list_buf(ngx_conductor_list_t *list);


static ngx_conductor_shares_t  ngx_conductor_lists;
static ngx_conductor_arena_t   ngx_conductor_list_reviewers;
static ngx_conductor_arena_t   ngx_conductor_list_text;
static ngx_conductor_arena_t   ngx_conductor_list_frame;
static cdr_presence_batch_t    ngx_conductor_list_batch;


ngx_conductor_buf_t *
ngx_conductor_watch_list(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g)
{
    cdr_str_t                filter;
    ngx_conductor_shared_t  *shared;

    if (ngx_conductor_watch_filter(g, &filter)) {
        return ngx_conductor_list_make(hub, g, &filter);
    }

    shared = ngx_conductor_share(&ngx_conductor_lists, g);

    if (shared == NULL) {
        return NULL;
    }

    if (shared->buf == NULL) {
        shared->buf = ngx_conductor_list_make(hub, g, NULL);

        if (shared->buf == NULL) {
            return NULL;
        }
    }

    shared->buf->refs++;

    return shared->buf;
}


/* The next ones are made anew. */

void
ngx_conductor_watch_list_reset(void)
{
    ngx_conductor_shares_reset(&ngx_conductor_lists);
    ngx_conductor_arena_reset(&ngx_conductor_list_reviewers);
    ngx_conductor_arena_reset(&ngx_conductor_list_text);
    ngx_conductor_arena_reset(&ngx_conductor_list_frame);
}


static ngx_conductor_buf_t *
ngx_conductor_list_make(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g,
    cdr_str_t *filter)
{
    ngx_conductor_list_t  list;

    ngx_memzero(&list, sizeof(ngx_conductor_list_t));

    list.hub = hub;
    list.group = g;

    if (filter) {
        list.filter = *filter;
    }

    ngx_conductor_watch_reviewer(hub, g->view->hidden, &list.view);

    ngx_conductor_list_reviewers.len = 0;
    ngx_conductor_list_text.len = 0;
    ngx_conductor_list_frame.len = 0;

    if (ngx_conductor_list_read(&list) != NGX_OK) {
        return NULL;
    }

    return ngx_conductor_list_buf(&list);
}


/*
 * The one that changed last comes first.  Who filters is told how many pass,
 * so all are looked at.
 */

static ngx_int_t
ngx_conductor_list_read(ngx_conductor_list_t *list)
{
    int                    rc;
    uint32_t               i;
    uint64_t               below;
    ngx_conductor_hub_t   *hub;
    cdr_presence_fill_t    fill;
    cdr_presence_batch_t  *batch;

    hub = list->hub;
    batch = &ngx_conductor_list_batch;
    below = UINT64_MAX;

    for ( ;; ) {
        ngx_conductor_zone_lock(hub);

        rc = cdr_presence_recent(&hub->reviewers, &below, batch);
        cdr_presence_fill(&hub->reviewers, &fill);

        ngx_conductor_zone_unlock(hub);

        if (rc != CDR_OK || batch->n == 0) {
            break;
        }

        for (i = 0; i < batch->n; i++) {
            if (ngx_conductor_list_add(list, &batch->item[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (list->filter.len == 0 && list->n == hub->presence_list) {
            list->cut = (fill.live > list->n);
            break;
        }
    }

    /* who has changed while they were read is told of in a moment */

    if (list->filter.len == 0) {
        list->total = list->cut ? ngx_max(list->n, fill.live) : list->n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_list_add(ngx_conductor_list_t *list, cdr_reviewer_t *r)
{
    u_char                 *p;
    size_t                  len;
    cdr_str_t               text;
    ngx_conductor_arena_t  *a;

    a = &ngx_conductor_list_reviewers;

    p = ngx_conductor_arena_room(a, 1 + CDR_REVIEWER_JSON_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = ',';
    len = cdr_reviewer_object(p + 1, &list->view, r);

    text.data = p + 1;
    text.len = len;

    if (list->filter.len) {

        if (!cdr_filter_match(list->filter, text)) {
            return NGX_OK;
        }

        cdr_set_add(&list->group->passed, r->index,
                    &ngx_conductor_watch_alloc);
        list->total++;
    }

    if (list->n < list->hub->presence_list
        && a->len + len < NGX_CONDUCTOR_WATCH_LIST)
    {
        list->n++;
        a->len += 1 + len;

    } else {
        list->cut = 1;
    }

    return NGX_OK;
}


static ngx_conductor_buf_t *
ngx_conductor_list_buf(ngx_conductor_list_t *list)
{
    u_char                 *p;
    size_t                  len;
    uint64_t                now;
    cdr_str_t               reviewers;
    ngx_conductor_buf_t    *buf;
    ngx_conductor_arena_t  *frame;

    frame = &ngx_conductor_list_frame;
    now = ngx_conductor_now();

    /* without its first comma */

    reviewers.data = ngx_conductor_list_reviewers.data + (list->n != 0);
    reviewers.len = ngx_conductor_list_reviewers.len - (list->n != 0);

    len = cdr_presence_list(NULL, reviewers, list->total, list->cut,
                            now);

    p = ngx_conductor_arena_room(&ngx_conductor_list_text, len);
    if (p == NULL) {
        return NULL;
    }

    (void) cdr_presence_list(p, reviewers, list->total, list->cut,
                            now);

    if (ngx_conductor_watch_frame(frame, list->group, p, len) != NGX_OK) {
        return NULL;
    }

    buf = ngx_conductor_buf_new(frame->len);
    if (buf == NULL) {
        return NULL;
    }

    ngx_memcpy(buf->data, frame->data, frame->len);

    buf->len = frame->len;
    buf->messages = 1;

    return buf;
}
