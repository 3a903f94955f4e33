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
static ngx_int_t ngx_conductor_replay_had(ngx_conductor_replay_t *r,
    uint64_t seq, cdr_event_id_t *id);
static ngx_int_t ngx_conductor_replay_give(ngx_conductor_replay_t *r,
    ngx_conductor_staged_t *ev, ngx_conductor_batch_t *batch);
static void ngx_conductor_replay_pass(ngx_conductor_replay_t *r,
    const cdr_log_pos_t *pos, uint64_t lone, uint64_t seq);
static ngx_conductor_staged_t *ngx_conductor_replay_event(
    ngx_conductor_hub_t *hub, uint64_t seq, const cdr_event_id_t *id,
    ngx_int_t *rc);


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
    uint64_t                 seq;
    ngx_int_t                rc;
    cdr_event_id_t           id;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_staged_t  *ev;

    hub = r->session->hub;

    if (r->place.cursor.seq >= hub->cursor.seq) {
        return NGX_OK;
    }

    seq = r->place.cursor.seq + 1;

    if (seq > r->got && seq <= r->left.cursor.seq && r->old == NULL) {
        ngx_conductor_replay_pass(r, &r->left.pos, r->left.lone,
                                  r->left.cursor.seq);
        return NGX_AGAIN;
    }

    if (r->had.active) {
        rc = ngx_conductor_replay_had(r, seq, &id);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ev = ngx_conductor_replay_event(hub, seq, r->had.active ? &id : NULL,
                                    &rc);
    if (ev == NULL) {
        return rc;
    }

    if (ev->marks & NGX_CONDUCTOR_EVENT_OLD && !r->since) {
        ngx_conductor_replay_pass(r, &ev->pos, ev->lone, seq);
        return NGX_AGAIN;
    }

    if (ev->marks & NGX_CONDUCTOR_EVENT_GAP) {
        ngx_conductor_replay_pass(r, &ev->pos, ev->lone, seq);
        r->outcome = CDR_RESUME_GAP;
        return NGX_DONE;
    }

    if (r->outcome == CDR_RESUME_GAP && cdr_log_cmp(&ev->pos, &r->gap) >= 0) {
        return NGX_DONE;
    }

    return ngx_conductor_replay_give(r, ev, batch);
}


/*
 * NGX_OK, with the id that the event has for this client; NGX_AGAIN: it had
 * it; NGX_DECLINED: it is gone.
 */

static ngx_int_t
ngx_conductor_replay_had(ngx_conductor_replay_t *r, uint64_t seq,
    cdr_event_id_t *id)
{
    ngx_int_t             rc;
    cdr_log_fields_t      fields;
    ngx_conductor_had_t   had;
    ngx_conductor_hub_t  *hub;

    hub = r->session->hub;

    rc = ngx_conductor_had(hub, &r->had, seq, &fields);

    if (rc == NGX_DONE) {
        ngx_conductor_replay_pass(r, &fields.pos, fields.lone, seq);
        return NGX_AGAIN;
    }

    if (rc == NGX_OK) {
        had = r->had;
        ngx_conductor_had_pass(hub, &had, &fields.pos, fields.lone);
        *id = had.id;
    }

    return rc;
}


static ngx_int_t
ngx_conductor_replay_give(ngx_conductor_replay_t *r,
    ngx_conductor_staged_t *ev, ngx_conductor_batch_t *batch)
{
    ngx_int_t                 rc, got;
    ngx_conductor_piece_t    *piece, other;
    ngx_conductor_stage_t    *st;
    ngx_conductor_session_t  *s;

    s = r->session;
    st = &ngx_conductor_kept.stage;
    piece = &batch->pieces[batch->n];

    rc = ngx_conductor_stage_single(st, ev, s->group, s, piece);

    if (rc == NGX_OK && ev->seq > r->got && ev->seq <= r->left.cursor.seq) {
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

    ngx_conductor_replay_pass(r, &ev->pos, ev->lone, ev->seq);

    return NGX_AGAIN;
}


static void
ngx_conductor_replay_pass(ngx_conductor_replay_t *r, const cdr_log_pos_t *pos,
    uint64_t lone, uint64_t seq)
{
    r->place.cursor.seq = seq;
    r->place.pos = *pos;
    r->place.lone = lone;
    r->id_len = 0;

    if (r->had.active) {
        ngx_conductor_had_pass(r->session->hub, &r->had, pos, lone);
    }
}


/* As kept, or from the log; with an id that is not the event's own, or NULL. */

static ngx_conductor_staged_t *
ngx_conductor_replay_event(ngx_conductor_hub_t *hub, uint64_t seq,
    const cdr_event_id_t *id, ngx_int_t *rc)
{
    size_t                   len;
    cdr_log_event_t          event;
    cdr_log_cursor_t         cursor;
    ngx_conductor_kept_t    *kept;
    ngx_conductor_staged_t  *ev;
    u_char                   text[CDR_EVENT_ID_LEN];

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

    /* the two are often wanted by turns */

    ev = &kept->events[(seq + (id ? NGX_CONDUCTOR_REPLAY_KEPT / 2 : 0))
                       % NGX_CONDUCTOR_REPLAY_KEPT];

    len = id ? cdr_event_id_print(text, id) : 0;

    if (ev->seq == seq && ev->other == (id != NULL)
        && (id == NULL || ev->type == NULL
            || (ev->id_len == len && ngx_memcmp(ev->id, text, len) == 0)))
    {
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

    ev->other = (id != NULL);

    if (ev->other) {
        ngx_memcpy(ev->id, text, len);
        ev->id_len = (uint32_t) len;
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
