/*
 * What clients that come back are given of the log.  Those that come together
 * miss the same: events are encoded, and compressed, once for all of them, as
 * in the fan-out, and kept for those that come next.
 */

#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_REPLAY_BYTES   (64 * 1024)
#define NGX_CONDUCTOR_REPLAY_KEPT    1024   /* events that stay encoded */
#define NGX_CONDUCTOR_REPLAY_SIZE    (2 * 1024 * 1024)


/* Events that were read lately, by their number. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    used;       /* since the last tick */
    ngx_conductor_stage_t         stage;
    ngx_conductor_staged_t       *events;
} ngx_conductor_kept_t;


static ngx_int_t ngx_conductor_replay_next(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch);
static ngx_conductor_staged_t *ngx_conductor_replay_event(
    ngx_conductor_hub_t *hub, uint64_t seq, ngx_int_t *rc);


static ngx_conductor_kept_t  ngx_conductor_kept;


ngx_int_t
ngx_conductor_replay_read(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch, uint64_t until)
{
    size_t                  staged;
    ngx_int_t               rc;
    ngx_uint_t              n;
    ngx_conductor_kept_t   *kept;

    batch->len = 0;
    batch->n = 0;

    kept = &ngx_conductor_kept;
    kept->used = 1;

    if (kept->hub != r->session->hub
        || kept->stage.len > NGX_CONDUCTOR_REPLAY_SIZE / 2)
    {
        ngx_conductor_replay_forget();
        kept->hub = r->session->hub;
    }

    rc = NGX_AGAIN;

    for (n = 0;
         rc == NGX_AGAIN
         && n < NGX_CONDUCTOR_REPLAY_EVENTS
         && batch->len < NGX_CONDUCTOR_REPLAY_BYTES
         && kept->stage.len < NGX_CONDUCTOR_REPLAY_SIZE;
         n++)
    {
        staged = kept->stage.len;

        rc = ngx_conductor_replay_next(r, batch);

        if (rc == NGX_AGAIN && kept->stage.len != staged
            && ngx_conductor_clock() >= until)
        {
            break;
        }
    }

    return rc;
}


/* One event. */

static ngx_int_t
ngx_conductor_replay_next(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch)
{
    uint64_t                  seq;
    ngx_int_t                 rc, got;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_piece_t    *piece, other;
    ngx_conductor_stage_t    *st;
    ngx_conductor_staged_t   *ev;
    ngx_conductor_session_t  *s;

    s = r->session;
    hub = s->hub;

    if (r->place.cursor.seq >= hub->cursor.seq) {
        return NGX_OK;
    }

    seq = r->place.cursor.seq + 1;

    if (seq > r->got && seq <= r->left.cursor.seq && r->old == NULL) {
        r->place = r->left;
        r->id_len = 0;
        return NGX_AGAIN;
    }

    ev = ngx_conductor_replay_event(hub, seq, &rc);

    if (ev == NULL) {
        return rc;
    }

    if (r->outcome == CDR_RESUME_GAP && cdr_log_cmp(&ev->pos, &r->gap) >= 0) {
        return NGX_DONE;
    }

    st = &ngx_conductor_kept.stage;
    piece = &batch->pieces[batch->n];

    rc = ngx_conductor_stage_single(st, ev, s->group, s, piece);

    if (rc == NGX_OK && seq > r->got && seq <= r->left.cursor.seq) {
        got = ngx_conductor_stage_single(st, ev, r->old, s, &other);
        rc = (got == NGX_OK) ? NGX_DECLINED : (got == NGX_ERROR) ? got : rc;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        batch->len += piece->len;
        batch->n++;
    }

    r->place.cursor.seq = seq;
    r->place.pos = ev->pos;
    r->place.server = ev->server;
    r->id_len = 0;

    return NGX_AGAIN;
}


/* As kept, or from the log. */

static ngx_conductor_staged_t *
ngx_conductor_replay_event(ngx_conductor_hub_t *hub, uint64_t seq,
    ngx_int_t *rc)
{
    cdr_log_event_t          event;
    cdr_log_cursor_t         cursor;
    ngx_conductor_kept_t    *kept;
    ngx_conductor_staged_t  *ev;

    kept = &ngx_conductor_kept;

    if (kept->events == NULL) {
        kept->events = ngx_calloc(NGX_CONDUCTOR_REPLAY_KEPT
                                  * sizeof(ngx_conductor_staged_t),
                                  ngx_cycle->log);
        if (kept->events == NULL) {
            *rc = NGX_ERROR;
            return NULL;
        }
    }

    ev = &kept->events[seq % NGX_CONDUCTOR_REPLAY_KEPT];

    if (ev->seq == seq) {
        return ev;
    }

    ev->seq = 0;
    cursor.seq = seq - 1;

    if (cdr_log_next(&hub->log, &cursor, &event) != CDR_OK) {
        *rc = NGX_DECLINED;
        return NULL;
    }

    *rc = ngx_conductor_stage_event(&kept->stage, hub, &event, ev);

    if (*rc != NGX_OK) {
        ev->seq = 0;
        return NULL;
    }

    return ev;
}


u_char *
ngx_conductor_replay_bytes(ngx_conductor_piece_t *piece)
{
    return ngx_conductor_stage_bytes(&ngx_conductor_kept.stage, piece);
}


void
ngx_conductor_replay_forget(void)
{
    ngx_uint_t             i;
    ngx_conductor_kept_t  *kept;

    kept = &ngx_conductor_kept;

    ngx_conductor_stage_clear(&kept->stage, NGX_CONDUCTOR_REPLAY_SIZE);

    for (i = 0; kept->events && i < NGX_CONDUCTOR_REPLAY_KEPT; i++) {
        kept->events[i].seq = 0;
    }

    kept->hub = NULL;
}


/* Gives the memory back when nobody has read for a while. */

void
ngx_conductor_replay_tick(void)
{
    ngx_conductor_kept_t  *kept;

    kept = &ngx_conductor_kept;

    if (kept->events && !kept->used) {
        ngx_conductor_stage_clear(&kept->stage, 0);
        ngx_free(kept->events);
        kept->events = NULL;
        kept->hub = NULL;
    }

    kept->used = 0;
}
