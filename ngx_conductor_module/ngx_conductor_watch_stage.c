/*
 * Changes of presence, a batch at a time: as updates, or as a diff in a large
 * hub.  What a class of clients sees of a reviewer is encoded once, and those
 * who filter nothing share the bytes.
 */

#include "ngx_conductor_watch.h"


typedef enum {
    NGX_CONDUCTOR_JOINED = 0,
    NGX_CONDUCTOR_CHANGED,
    NGX_CONDUCTOR_LEFT,
    NGX_CONDUCTOR_CHANGES
} ngx_conductor_change_e;


/* What a class sees of the batch: the objects of GET /presence, or ids. */

typedef struct {
    uint32_t                      hidden;
    size_t                        offset[CDR_PRESENCE_BATCH + 1];
} ngx_conductor_seen_t;


typedef struct {
    uint64_t                      from;       /* what was told before */
    ngx_uint_t                    diff;
    ngx_uint_t                    n;          /* classes that are encoded */
    ngx_uint_t                    size;
    ngx_conductor_seen_t         *seen;
    ngx_conductor_arena_t         text;       /* of all of them */
    ngx_conductor_arena_t         part[NGX_CONDUCTOR_CHANGES];
    ngx_conductor_arena_t         message;
    ngx_conductor_arena_t         frames;
    ngx_uint_t                    messages;   /* in these */
    ngx_conductor_shares_t        shares;
    cdr_presence_batch_t          batch;
} ngx_conductor_tidings_t;


static ngx_conductor_seen_t *ngx_conductor_changes_seen(
    ngx_conductor_hub_t *hub, uint32_t hidden);
static ngx_conductor_seen_t *ngx_conductor_changes_encode(
    ngx_conductor_hub_t *hub, ngx_conductor_seen_t *seen);
static ngx_conductor_change_e ngx_conductor_changes_kind(cdr_reviewer_t *r);
static ngx_int_t ngx_conductor_changes_make(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, cdr_str_t *filter, ngx_conductor_buf_t **buf);
static ngx_int_t ngx_conductor_changes_update(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, cdr_reviewer_t *r);
static ngx_int_t ngx_conductor_changes_add(ngx_conductor_group_t *g,
    cdr_reviewer_t *r, cdr_str_t *text);
static ngx_int_t ngx_conductor_changes_diff(ngx_conductor_group_t *g);


static ngx_conductor_tidings_t  ngx_conductor_changes;


ngx_int_t
ngx_conductor_watch_stage(ngx_conductor_hub_t *hub)
{
    int                      rc;
    ngx_conductor_watch_t   *w;
    ngx_conductor_tidings_t *ch;

    w = &hub->watch;
    ch = &ngx_conductor_changes;

    ch->from = w->from;
    ch->diff = w->diff;

    ngx_conductor_zone_lock(hub);
    rc = cdr_presence_changes(&hub->reviewers, &w->cursor, &ch->batch);
    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return NGX_DECLINED;
    }

    return ch->batch.n ? NGX_OK : NGX_DONE;
}


ngx_int_t
ngx_conductor_watch_stage_buf(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, ngx_conductor_buf_t **buf, ngx_uint_t *type)
{
    ngx_int_t                 rc;
    cdr_str_t                 filter;
    ngx_conductor_shared_t   *shared;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;

    *type = ch->diff ? CDR_SENT_DIFF : CDR_SENT_UPDATE;

    if (ngx_conductor_watch_filter(g, &filter)) {
        return ngx_conductor_changes_make(hub, g, &filter, buf);
    }

    shared = ngx_conductor_share(&ch->shares, g);

    if (shared == NULL) {
        return NGX_ERROR;
    }

    if (shared->buf == NULL) {
        rc = ngx_conductor_changes_make(hub, g, NULL, &shared->buf);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    *buf = shared->buf;
    (*buf)->refs++;

    return NGX_OK;
}


void
ngx_conductor_watch_stage_reset(void)
{
    ngx_uint_t                i;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;

    ch->n = 0;

    ngx_conductor_shares_reset(&ch->shares);
    ngx_conductor_arena_reset(&ch->text);
    ngx_conductor_arena_reset(&ch->message);
    ngx_conductor_arena_reset(&ch->frames);

    for (i = 0; i < NGX_CONDUCTOR_CHANGES; i++) {
        ngx_conductor_arena_reset(&ch->part[i]);
    }
}


/* Who is gone is that above all, also who came in the same tick. */

static ngx_conductor_change_e
ngx_conductor_changes_kind(cdr_reviewer_t *r)
{
    if (r->status == CDR_STATUS_OFFLINE) {
        return NGX_CONDUCTOR_LEFT;
    }

    return (r->joined > ngx_conductor_changes.from) ? NGX_CONDUCTOR_JOINED
                                                    : NGX_CONDUCTOR_CHANGED;
}


static ngx_conductor_seen_t *
ngx_conductor_changes_seen(ngx_conductor_hub_t *hub, uint32_t hidden)
{
    ngx_uint_t                i, n;
    ngx_conductor_seen_t     *seen;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;

    for (i = 0; i < ch->n; i++) {
        if (ch->seen[i].hidden == hidden) {
            return &ch->seen[i];
        }
    }

    if (ch->n == ch->size) {
        n = ngx_max(ch->size * 2, 4);

        seen = realloc(ch->seen, n * sizeof(ngx_conductor_seen_t));
        if (seen == NULL) {
            return NULL;
        }

        ch->seen = seen;
        ch->size = n;
    }

    seen = &ch->seen[ch->n];
    seen->hidden = hidden;

    return ngx_conductor_changes_encode(hub, seen);
}


static ngx_conductor_seen_t *
ngx_conductor_changes_encode(ngx_conductor_hub_t *hub,
    ngx_conductor_seen_t *seen)
{
    u_char                   *p;
    uint32_t                  i;
    cdr_reviewer_t           *r;
    cdr_reviewer_view_t       view;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;

    ngx_conductor_watch_reviewer(hub, seen->hidden, &view);

    for (i = 0; i < ch->batch.n; i++) {
        r = &ch->batch.item[i];

        p = ngx_conductor_arena_room(&ch->text, CDR_REVIEWER_JSON_MAX);
        if (p == NULL) {
            return NULL;
        }

        seen->offset[i] = ch->text.len;

        ch->text.len += (ngx_conductor_changes_kind(r) == NGX_CONDUCTOR_LEFT)
                        ? cdr_reviewer_left(p, &view, r)
                        : cdr_reviewer_object(p, &view, r);
    }

    seen->offset[i] = ch->text.len;
    ch->n++;

    return seen;
}


/* Who filters is told of all who are gone, whatever they were last. */

static ngx_int_t
ngx_conductor_changes_make(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, cdr_str_t *filter, ngx_conductor_buf_t **buf)
{
    uint32_t                  i;
    ngx_int_t                 rc;
    cdr_str_t                 text;
    cdr_reviewer_t           *r;
    ngx_conductor_seen_t     *seen;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;
    seen = ngx_conductor_changes_seen(hub, g->view->hidden);

    if (seen == NULL) {
        return NGX_ERROR;
    }

    ch->frames.len = 0;
    ch->messages = 0;

    for (i = 0; i < NGX_CONDUCTOR_CHANGES; i++) {
        ch->part[i].len = 0;
    }

    for (i = 0; i < ch->batch.n; i++) {
        r = &ch->batch.item[i];

        text.data = ch->text.data + seen->offset[i];
        text.len = seen->offset[i + 1] - seen->offset[i];

        if (filter && !ngx_conductor_watch_passes(g, *filter, r, text)) {
            continue;
        }

        rc = ch->diff ? ngx_conductor_changes_add(g, r, &text)
                      : ngx_conductor_changes_update(hub, g, r);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ch->diff && ngx_conductor_changes_diff(g) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ch->messages == 0) {
        return NGX_DECLINED;
    }

    *buf = ngx_conductor_buf_new(ch->frames.len);
    if (*buf == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy((*buf)->data, ch->frames.data, ch->frames.len);

    (*buf)->len = ch->frames.len;
    (*buf)->messages = ch->messages;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_changes_update(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, cdr_reviewer_t *r)
{
    u_char               *p;
    size_t                len;
    cdr_reviewer_view_t   view;

    ngx_conductor_watch_reviewer(hub, g->view->hidden, &view);

    p = ngx_conductor_arena_room(&ngx_conductor_changes.message,
                                 CDR_REVIEWER_JSON_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    len = cdr_reviewer_update(p, &view, r);

    ngx_conductor_changes.messages++;

    return ngx_conductor_watch_frame(&ngx_conductor_changes.frames, g, p, len);
}


/* To one of the lists of a diff, which is sent when it is large enough. */

static ngx_int_t
ngx_conductor_changes_add(ngx_conductor_group_t *g, cdr_reviewer_t *r,
    cdr_str_t *text)
{
    u_char                   *p;
    size_t                    len;
    ngx_conductor_arena_t    *a;
    ngx_conductor_tidings_t  *ch;

    if (text->len == 0) {

        /* an id that is hidden */

        return NGX_OK;
    }

    ch = &ngx_conductor_changes;
    len = ch->part[NGX_CONDUCTOR_JOINED].len
          + ch->part[NGX_CONDUCTOR_CHANGED].len
          + ch->part[NGX_CONDUCTOR_LEFT].len;

    if (len && len + text->len > NGX_CONDUCTOR_WATCH_MESSAGE
        && ngx_conductor_changes_diff(g) != NGX_OK)
    {
        return NGX_ERROR;
    }

    a = &ch->part[ngx_conductor_changes_kind(r)];

    p = ngx_conductor_arena_room(a, 1 + text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (a->len) {
        *p++ = ',';
    }

    p = ngx_cpymem(p, text->data, text->len);
    a->len = p - a->data;

    return NGX_OK;
}


/* What the lists hold, if anything, as a message. */

static ngx_int_t
ngx_conductor_changes_diff(ngx_conductor_group_t *g)
{
    u_char                   *p;
    size_t                    len;
    uint64_t                  now;
    cdr_str_t                 part[NGX_CONDUCTOR_CHANGES];
    ngx_uint_t                i;
    ngx_conductor_tidings_t  *ch;

    ch = &ngx_conductor_changes;
    now = ngx_conductor_now();
    len = 0;

    for (i = 0; i < NGX_CONDUCTOR_CHANGES; i++) {
        part[i].data = ch->part[i].data;
        part[i].len = ch->part[i].len;
        len += part[i].len;
        ch->part[i].len = 0;
    }

    if (len == 0) {
        return NGX_OK;
    }

    len = cdr_presence_diff(NULL, part[0], part[1], part[2], now);

    p = ngx_conductor_arena_room(&ch->message, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) cdr_presence_diff(p, part[0], part[1], part[2], now);

    ch->messages++;

    return ngx_conductor_watch_frame(&ch->frames, g, p, len);
}
