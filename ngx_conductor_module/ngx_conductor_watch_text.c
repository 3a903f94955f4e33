/* Texts about reviewers: memory for them, their frames, and who shares them. */

#include "ngx_conductor_watch.h"

#include <cdr_filter.h>


static void *ngx_conductor_watch_new(void *ctx, size_t size);
static void ngx_conductor_watch_free(void *ctx, void *p);


const cdr_alloc_t  ngx_conductor_watch_alloc = {
    ngx_conductor_watch_new, ngx_conductor_watch_free, NULL
};


/* Room behind what is there, which may move; NULL without memory. */

u_char *
ngx_conductor_arena_room(ngx_conductor_arena_t *a, size_t len)
{
    u_char  *p;
    size_t   size;

    size = a->len + len;

    if (size > a->size || a->data == NULL) {
        size = ngx_max(size + 1, a->size * 2);

        p = realloc(a->data, size);
        if (p == NULL) {
            ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, ngx_errno,
                          "realloc(%uz) failed", size);
            return NULL;
        }

        a->data = p;
        a->size = size;
    }

    return a->data + a->len;
}


void
ngx_conductor_arena_reset(ngx_conductor_arena_t *a)
{
    a->len = 0;

    if (a->size > NGX_CONDUCTOR_WATCH_KEEP) {
        ngx_free(a->data);
        a->data = NULL;
        a->size = 0;
    }
}


/* Appends a message as the members of a group get it, compressed or not. */

ngx_int_t
ngx_conductor_watch_frame(ngx_conductor_arena_t *a, ngx_conductor_group_t *g,
    u_char *text, size_t len)
{
    u_char     *p, first;
    ngx_str_t   out;

    first = CDR_WS_FIN|CDR_WS_OP_TEXT;

    if (g->level && cdr_pmd_fits(g->window, len)
        && ngx_conductor_deflate(g->level, text, len, &out) == NGX_OK)
    {
        first |= CDR_WS_RSV1;

    } else {
        out.data = text;
        out.len = len;
    }

    p = ngx_conductor_arena_room(a, CDR_WS_HEADER_MAX + out.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p += cdr_ws_header(p, first, out.len);
    p = ngx_cpymem(p, out.data, out.len);

    a->len = p - a->data;

    return NGX_OK;
}


/* The place of the bytes for such a group, NULL without memory. */

ngx_conductor_shared_t *
ngx_conductor_share(ngx_conductor_shares_t *shares, ngx_conductor_group_t *g)
{
    ngx_uint_t               i, n;
    ngx_conductor_shared_t  *s;

    for (i = 0; i < shares->n; i++) {
        s = &shares->elts[i];

        if (s->hidden == g->view->hidden && s->level == g->level
            && s->window == g->window)
        {
            return s;
        }
    }

    if (shares->n == shares->size) {
        n = ngx_max(shares->size * 2, 8);

        s = realloc(shares->elts, n * sizeof(ngx_conductor_shared_t));
        if (s == NULL) {
            return NULL;
        }

        shares->elts = s;
        shares->size = n;
    }

    s = &shares->elts[shares->n++];

    s->hidden = g->view->hidden;
    s->level = g->level;
    s->window = g->window;
    s->buf = NULL;

    return s;
}


void
ngx_conductor_shares_reset(ngx_conductor_shares_t *shares)
{
    ngx_uint_t  i;

    for (i = 0; i < shares->n; i++) {
        if (shares->elts[i].buf) {
            ngx_conductor_buf_unref(shares->elts[i].buf);
        }
    }

    shares->n = 0;
}


void
ngx_conductor_watch_reviewer(ngx_conductor_hub_t *hub, uint32_t hidden,
    cdr_reviewer_view_t *view)
{
    view->hidden = hidden;
    view->server.data = hub->label.data;
    view->server.len = ngx_min(hub->label.len, 255);
    view->key = hub->zone->secret;
}


/* What the members of a group filter of presence, if they do. */

ngx_uint_t
ngx_conductor_watch_filter(ngx_conductor_group_t *g, cdr_str_t *filter)
{
    return g->filters
           && ngx_conductor_filter(g->filters, g->view->presence, filter)
              == NGX_OK;
}


/*
 * Is a reviewer to be told of to those who filter so?  If it passes, and also
 * if it did when they were told of it last: then they see that it passes no
 * longer.  "object" is what they see of one that is there.
 */

ngx_uint_t
ngx_conductor_watch_passes(ngx_conductor_group_t *g, cdr_str_t filter,
    cdr_reviewer_t *r, cdr_str_t object)
{
    if (r->status == CDR_STATUS_OFFLINE) {
        (void) cdr_set_take(&g->passed, r->index);
        return 1;
    }

    if (cdr_filter_match(filter, object)) {
        cdr_set_add(&g->passed, r->index, &ngx_conductor_watch_alloc);
        return 1;
    }

    return cdr_set_take(&g->passed, r->index);
}


static void *
ngx_conductor_watch_new(void *ctx, size_t size)
{
    return ngx_alloc(size, ngx_cycle->log);
}


static void
ngx_conductor_watch_free(void *ctx, void *p)
{
    ngx_free(p);
}
