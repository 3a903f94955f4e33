/*
 * Replay: a client reads what it missed from the log, by a cursor of its own,
 * as its socket takes it.
 *
 * It is in no group meanwhile.  What it is sent stands in front of anything
 * else in its queue, so that it is never too slow for what it missed; and
 * there is no more of it than one write takes.  Where its cursor meets that
 * of this worker it enters its group and is live.
 *
 * Clients that come back together miss the same.  So events are encoded once
 * for all of them, as in the fan-out, and kept for those that come next.
 */

#include "ngx_conductor_replay.h"
#include "ngx_conductor_snapshot.h"
#include "ngx_conductor_stage.h"

#include <cdr_reply.h>


#define NGX_CONDUCTOR_REPLAY_EVENTS  128    /* that a client gets at a time */
#define NGX_CONDUCTOR_REPLAY_BYTES   (64 * 1024)
#define NGX_CONDUCTOR_REPLAY_TURN    4096   /* events in a turn, of all */
#define NGX_CONDUCTOR_REPLAY_WRITE   32     /* what a write costs in events */
#define NGX_CONDUCTOR_REPLAY_ENCODE  8      /* and an encoding */

#define NGX_CONDUCTOR_REPLAY_KEPT    1024   /* events that stay encoded */
#define NGX_CONDUCTOR_REPLAY_SIZE    (2 * 1024 * 1024)


/* Events that were read lately, by their number. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    used;       /* since the last tick */
    ngx_conductor_stage_t         stage;
    ngx_conductor_staged_t       *events;
} ngx_conductor_kept_t;


/* What one write of a client is made of. */

typedef struct {
    size_t                        len;
    ngx_uint_t                    n;
    ngx_uint_t                    read;       /* events, sent or not */
    ngx_conductor_piece_t         pieces[NGX_CONDUCTOR_REPLAY_EVENTS];
} ngx_conductor_batch_t;


static void ngx_conductor_replay_post(void);
static void ngx_conductor_replay_handler(ngx_event_t *ev);
static ngx_uint_t ngx_conductor_replay_turn(ngx_conductor_replay_t *r);
static ngx_int_t ngx_conductor_replay_read(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch);
static ngx_int_t ngx_conductor_replay_next(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch);
static ngx_conductor_staged_t *ngx_conductor_replay_event(
    ngx_conductor_hub_t *hub, uint64_t seq, ngx_int_t *rc);
static ngx_int_t ngx_conductor_replay_send(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch);
static void ngx_conductor_replay_gap(ngx_conductor_replay_t *r);
static void ngx_conductor_replay_end(ngx_conductor_replay_t *r,
    uint32_t outcome);
static uint32_t ngx_conductor_replay_lost(ngx_conductor_hub_t *hub);


static ngx_queue_t           ngx_conductor_replays;     /* want a turn */
static ngx_queue_t           ngx_conductor_replays_ahead;
static ngx_event_t           ngx_conductor_replay_event_posted;
static ngx_conductor_kept_t  ngx_conductor_kept;


ngx_conductor_replay_t *
ngx_conductor_replay_new(ngx_conductor_session_t *s)
{
    ngx_conductor_replay_t  *r;

    if (ngx_conductor_replay_event_posted.handler == NULL) {
        ngx_queue_init(&ngx_conductor_replays);
        ngx_queue_init(&ngx_conductor_replays_ahead);

        ngx_conductor_replay_event_posted.handler =
                                                ngx_conductor_replay_handler;
        ngx_conductor_replay_event_posted.log = ngx_cycle->log;
    }

    r = ngx_calloc(sizeof(ngx_conductor_replay_t), ngx_cycle->log);

    if (r) {
        r->session = s;
        r->outcome = CDR_RESUME_RECOVERED;
    }

    return r;
}


void
ngx_conductor_replay_free(ngx_conductor_session_t *s)
{
    ngx_conductor_replay_t  *r;

    r = s->replay;

    if (r == NULL) {
        return;
    }

    s->replay = NULL;

    if (r->queued) {
        ngx_queue_remove(&r->queue);
    }

    if (r->old) {
        ngx_conductor_group_release(s->hub, r->old);
    }

    ngx_free(r);
}


void
ngx_conductor_replay_start(ngx_conductor_session_t *s)
{
    ngx_conductor_replay_t  *r;

    r = s->replay;

    r->holding = 0;
    r->start = r->place.cursor.seq;

    if (r->outcome == CDR_RESUME_GAP) {
        ngx_conductor_position_gap(s->hub, &r->gap);

    } else if (r->outcome != CDR_RESUME_RECOVERED) {
        ngx_conductor_replay_end(r, r->outcome);
        return;
    }

    ngx_conductor_replay_ready(s);
}


void
ngx_conductor_replay_ready(ngx_conductor_session_t *s)
{
    ngx_conductor_replay_t  *r;

    r = s->replay;

    if (r->holding || r->queued) {
        return;
    }

    r->queued = 1;
    ngx_queue_insert_tail(&ngx_conductor_replays, &r->queue);

    ngx_conductor_replay_post();
}


static void
ngx_conductor_replay_post(void)
{
    ngx_event_t  *ev;

    ev = &ngx_conductor_replay_event_posted;

    ngx_post_event(ev, &ngx_posted_events);
}


void
ngx_conductor_replay_timer(ngx_conductor_session_t *s)
{
    if (ngx_conductor_replay_holds(s)
        && (ngx_msec_int_t) (s->replay->deadline - ngx_current_msec) <= 0)
    {
        ngx_conductor_replay_start(s);
    }
}


/* Those that were ahead of this worker may be so no longer. */

void
ngx_conductor_replay_fanned(void)
{
    if (ngx_conductor_replay_event_posted.handler == NULL
        || ngx_queue_empty(&ngx_conductor_replays_ahead))
    {
        return;
    }

    ngx_queue_add(&ngx_conductor_replays, &ngx_conductor_replays_ahead);
    ngx_queue_init(&ngx_conductor_replays_ahead);

    ngx_conductor_replay_post();
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


/* A bounded share of the turn; what is left goes on in the next. */

static void
ngx_conductor_replay_handler(ngx_event_t *ev)
{
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_replay_t  *r;

    n = 0;

    while (!ngx_queue_empty(&ngx_conductor_replays)) {

        if (n >= NGX_CONDUCTOR_REPLAY_TURN) {

            if (ev->posted) {
                ngx_delete_posted_event(ev);
            }

            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        q = ngx_queue_head(&ngx_conductor_replays);
        r = ngx_queue_data(q, ngx_conductor_replay_t, queue);
        hub = r->session->hub;

        if (ngx_conductor_rules_changed(hub)) {

            /* it may end some of them */

            ngx_conductor_rules_update(hub);
            n++;
            continue;
        }

        ngx_queue_remove(q);
        r->queued = 0;

        n += ngx_conductor_replay_turn(r);
    }
}


/* Returns what it costs.  The session may be gone afterwards. */

static ngx_uint_t
ngx_conductor_replay_turn(ngx_conductor_replay_t *r)
{
    ngx_int_t                 rc;
    ngx_uint_t                encodings, cost;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_batch_t     batch;
    ngx_conductor_session_t  *s;

    s = r->session;
    hub = s->hub;
    cost = NGX_CONDUCTOR_REPLAY_WRITE;

    if (r->place.cursor.seq > hub->cursor.seq) {

        /* another worker was faster */

        r->queued = 1;
        ngx_queue_insert_tail(&ngx_conductor_replays_ahead, &r->queue);

        return 1;
    }

    s->hold = 1;

    if (ngx_conductor_output_flush(s) == NGX_OK) {
        encodings = ngx_conductor_kept.stage.nencodings;

        rc = ngx_conductor_replay_read(r, &batch);

        if (ngx_conductor_kept.stage.nencodings > encodings) {
            cost += (ngx_conductor_kept.stage.nencodings - encodings)
                    * NGX_CONDUCTOR_REPLAY_ENCODE;
        }

        cost += batch.read;

        if (ngx_conductor_replay_send(r, &batch) != NGX_OK
            || rc == NGX_ERROR)
        {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);

        } else if (rc == NGX_OK) {
            ngx_conductor_replay_gap(r);
            ngx_conductor_replay_end(r, CDR_RESUME_RECOVERED);

        } else if (rc == NGX_DECLINED && batch.n == 0) {
            ngx_conductor_replay_end(r, ngx_conductor_replay_lost(hub));

        } else {
            if (rc == NGX_DONE) {
                ngx_conductor_replay_gap(r);
            }

            if (ngx_conductor_output_flush(s) == NGX_OK) {
                ngx_conductor_replay_ready(s);
            }
        }
    }

    s->hold = 0;

    ngx_conductor_session_turn(s);

    return cost;
}


/*
 * What comes next.  NGX_OK: with it this client knows all that this worker
 * does; NGX_AGAIN: there is more; NGX_DONE: there is a gap before that;
 * NGX_DECLINED: what follows is gone; NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_conductor_replay_read(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch)
{
    ngx_int_t               rc;
    ngx_conductor_kept_t   *kept;

    batch->len = 0;
    batch->n = 0;
    batch->read = 0;

    kept = &ngx_conductor_kept;
    kept->used = 1;

    if (kept->hub != r->session->hub
        || kept->stage.len > NGX_CONDUCTOR_REPLAY_SIZE / 2)
    {
        ngx_conductor_replay_forget();
        kept->hub = r->session->hub;
    }

    do {
        rc = ngx_conductor_replay_next(r, batch);

    } while (rc == NGX_AGAIN
             && batch->read < NGX_CONDUCTOR_REPLAY_EVENTS
             && batch->len < NGX_CONDUCTOR_REPLAY_BYTES
             && kept->stage.len < NGX_CONDUCTOR_REPLAY_SIZE);

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

    batch->read++;

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


static ngx_int_t
ngx_conductor_replay_send(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_conductor_buf_t      *buf;
    ngx_conductor_piece_t    *piece;
    ngx_conductor_session_t  *s;

    if (batch->n == 0) {
        return NGX_OK;
    }

    s = r->session;

    buf = ngx_conductor_buf_new(batch->len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    p = buf->data;

    for (i = 0; i < batch->n; i++) {
        piece = &batch->pieces[i];

        p = ngx_cpymem(p, ngx_conductor_stage_bytes(&ngx_conductor_kept.stage,
                                                    piece),
                       piece->len);

        ngx_conductor_count(s->hub, piece->figure, 1);
    }

    buf->len = batch->len;
    buf->messages = (uint32_t) batch->n;
    r->count += batch->n;

    /* nothing is queued before it */

    rc = ngx_conductor_output_buf(s, buf, 0);

    ngx_conductor_buf_unref(buf);

    return rc;
}


/*
 * Where events are missing, the client is told before it gets one that came
 * later: with that it would resume from behind the gap, and never know.
 */

static void
ngx_conductor_replay_gap(ngx_conductor_replay_t *r)
{
    if (r->outcome != CDR_RESUME_GAP) {
        return;
    }

    ngx_conductor_position_behind(r->session->hub, &r->place.pos);
    r->id_len = 0;

    ngx_conductor_replay_answer(r->session, CDR_RESUME_GAP, r->count,
                                ngx_conductor_replay_id(r));

    r->outcome = CDR_RESUME_RECOVERED;
    r->asked = 0;
    r->count = 0;
}


/* It is live from now on. */

static void
ngx_conductor_replay_end(ngx_conductor_replay_t *r, uint32_t outcome)
{
    cdr_str_t                 id;
    uint64_t                  count;
    ngx_uint_t                asked;
    ngx_conductor_session_t  *s;

    s = r->session;

    if (outcome != CDR_RESUME_RECOVERED) {
        s->live_seq = s->hub->cursor.seq;

    } else if (!r->live || r->start < s->live_seq) {
        s->live_seq = r->start;
    }

    asked = r->asked || outcome != CDR_RESUME_RECOVERED;
    count = r->count;

    ngx_conductor_replay_free(s);

    if (asked) {
        id = ngx_conductor_event_id(s->hub);
        ngx_conductor_replay_answer(s, outcome, count, id);
    }

    if (s->state == NGX_CONDUCTOR_OPEN
        && ngx_conductor_group_enter(s) != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }
}


void
ngx_conductor_replay_answer(ngx_conductor_session_t *s, uint32_t outcome,
    uint64_t count, cdr_str_t id)
{
    u_char      *p;
    size_t       len;
    bool         recovered;
    cdr_str_t    reason;

    recovered = (outcome == CDR_RESUME_RECOVERED);
    reason = cdr_figure_resume(outcome);

    if (recovered) {
        reason.data = NULL;
    }

    len = cdr_reply_resumed(NULL, recovered, count, id, reason);

    p = ngx_conductor_output_message(s, CDR_SENT_RESUMED, len);

    if (p) {
        (void) cdr_reply_resumed(p, recovered, count, id, reason);
        ngx_conductor_count(s->hub, CDR_FIGURE_RESUMES + outcome, 1);
    }
}


/*
 * Why the next event is gone.  A log drops what it has no room for, or what
 * is too old; in a log with much room only the latter can be.
 */

static uint32_t
ngx_conductor_replay_lost(ngx_conductor_hub_t *hub)
{
    cdr_log_fill_t  fill;

    cdr_log_fill(&hub->log, &fill);

    return (fill.events > fill.events_max / 4 * 3
            || fill.bytes > fill.bytes_max / 4 * 3)
           ? CDR_RESUME_OVERRUN : CDR_RESUME_EXPIRED;
}


cdr_str_t
ngx_conductor_replay_id(ngx_conductor_replay_t *r)
{
    cdr_str_t       text;
    cdr_event_id_t  id;

    if (r->id_len == 0) {
        cdr_event_id_set(&id, &r->place.pos, r->place.server);
        r->id_len = (unsigned) cdr_event_id_print(r->id, &id) & 0xff;
    }

    text.data = r->id;
    text.len = r->id_len;

    return text;
}


/* What this worker has passed on. */

void
ngx_conductor_replay_here(ngx_conductor_hub_t *hub,
    ngx_conductor_place_t *place)
{
    ngx_memzero(place, sizeof(ngx_conductor_place_t));

    place->cursor = hub->cursor;
    place->pos.ms = hub->last_ms;
    place->pos.n = hub->last_n;
}
