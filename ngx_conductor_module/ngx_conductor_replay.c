/*
 * Replay: a client reads what it missed from the log, by a cursor of its own,
 * as its socket takes it.
 *
 * It is in no group meanwhile.  What it is sent stands in front of anything
 * else in its queue, so that it is never too slow for what it missed; and
 * there is no more of it than one write takes.  Where its cursor meets that
 * of this worker it enters its group and is live.  If it missed little, its
 * welcome, that, and "resumed" are one write.
 *
 * All of this takes two milliseconds of a turn, and what was begun then: a
 * clock is looked at after each write, and after each event that had to be
 * encoded.  Clients that are live wait no longer, however many come back.
 */

#include "ngx_conductor_replay.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_reply.h>


#define NGX_CONDUCTOR_REPLAY_TURN   2000    /* us, of all clients in a turn */
#define NGX_CONDUCTOR_REPLAY_REPLY  256     /* room behind what was missed */


static void ngx_conductor_replay_post(void);
static void ngx_conductor_replay_handler(ngx_event_t *ev);
static void ngx_conductor_replay_turn(ngx_conductor_replay_t *r);
static void ngx_conductor_replay_park(ngx_conductor_replay_t *r);
static void ngx_conductor_replay_stay(ngx_conductor_replay_t *r);
static ngx_int_t ngx_conductor_replay_some(ngx_conductor_replay_t *r);
static ngx_int_t ngx_conductor_replay_send(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch);
static void ngx_conductor_replay_gap(ngx_conductor_replay_t *r);
static void ngx_conductor_replay_end(ngx_conductor_replay_t *r,
    uint32_t outcome);
static uint32_t ngx_conductor_replay_lost(ngx_conductor_hub_t *hub);


static ngx_queue_t           ngx_conductor_replays;     /* want a turn */
static ngx_queue_t           ngx_conductor_replays_ahead;
static ngx_event_t           ngx_conductor_replay_event_posted;
static uint64_t              ngx_conductor_replay_until;    /* us */


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

    if (r->queued || r->ahead) {
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
    r->since = r->asked;

    if (r->had.waits) {
        r->deadline = ngx_current_msec;
        r->asked = 1;

    } else if (r->outcome == CDR_RESUME_GAP) {
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

    if (r->holding || r->queued || r->ahead) {
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
    if (ngx_conductor_replay_event_posted.handler == NULL) {
        return;
    }

    ngx_conductor_replay_waited(&ngx_conductor_replays_ahead);

    if (ngx_queue_empty(&ngx_conductor_replays_ahead)) {
        return;
    }

    ngx_queue_add(&ngx_conductor_replays, &ngx_conductor_replays_ahead);
    ngx_queue_init(&ngx_conductor_replays_ahead);

    ngx_conductor_replay_post();
}


/* A bounded share of the turn; what is left goes on in the next. */

static void
ngx_conductor_replay_handler(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_replay_t  *r;

    ngx_conductor_replay_until = ngx_conductor_clock()
                                 + NGX_CONDUCTOR_REPLAY_TURN;

    while (!ngx_queue_empty(&ngx_conductor_replays)) {

        q = ngx_queue_head(&ngx_conductor_replays);
        r = ngx_queue_data(q, ngx_conductor_replay_t, queue);
        hub = r->session->hub;

        if (ngx_conductor_rules_changed(hub)) {

            /* it may end some of them */

            ngx_conductor_rules_update(hub);

        } else {
            ngx_queue_remove(q);
            r->queued = 0;
            r->ahead = 0;

            ngx_conductor_replay_turn(r);
        }

        if (ngx_conductor_clock() >= ngx_conductor_replay_until) {

            if (ev->posted) {
                ngx_delete_posted_event(ev);
            }

            if (!ngx_queue_empty(&ngx_conductor_replays)) {
                ngx_post_event(ev, &ngx_posted_next_events);
            }

            return;
        }
    }
}


/* The session may be gone afterwards. */

static void
ngx_conductor_replay_turn(ngx_conductor_replay_t *r)
{
    uint32_t                  outcome;
    ngx_int_t                 rc;
    ngx_conductor_session_t  *s;

    s = r->session;
    s->hold = 1;

    rc = r->had.waits ? ngx_conductor_replay_wait(r, &outcome) : NGX_OK;

    if (rc == NGX_DECLINED) {

        /* what it had is not known here, or not to come any more */

        ngx_conductor_replay_end(r, outcome);

    } else if (rc == NGX_AGAIN) {

        /* it is looked at later */

    } else if (r->place.cursor.seq > s->hub->cursor.seq) {

        /* another worker was faster */

        ngx_conductor_replay_park(r);

    } else if ((ngx_conductor_replay_joins(s)
                || ngx_conductor_output_flush(s) == NGX_OK)
               && ngx_conductor_replay_some(r) != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }

    s->hold = 0;

    ngx_conductor_session_turn(s);
}


/* Until the fan-out has moved on. */

static void
ngx_conductor_replay_park(ngx_conductor_replay_t *r)
{
    r->ahead = 1;
    ngx_queue_insert_tail(&ngx_conductor_replays_ahead, &r->queue);
}


/*
 * It knows all that this worker does, and had events that are still to come,
 * as too many others had other ones: it is recovered, but goes on by itself.
 */

static void
ngx_conductor_replay_stay(ngx_conductor_replay_t *r)
{
    uint64_t                  count;
    ngx_uint_t                asked;
    ngx_conductor_session_t  *s;

    s = r->session;
    asked = r->asked;
    count = r->count;

    if (!r->stays && (!r->live || r->start < s->live_seq)) {
        s->live_seq = r->start;
    }

    r->stays = 1;
    r->asked = 0;
    r->count = 0;

    ngx_conductor_replay_park(r);

    if (asked) {
        ngx_conductor_replay_answer(s, CDR_RESUME_RECOVERED, count,
                                    ngx_conductor_replay_id(r));
    }
}


/* Some events, and what comes of it; NGX_ERROR without memory. */

static ngx_int_t
ngx_conductor_replay_some(ngx_conductor_replay_t *r)
{
    ngx_int_t                 rc;
    ngx_conductor_batch_t     batch;
    ngx_conductor_session_t  *s;

    s = r->session;

    rc = ngx_conductor_replay_read(r, &batch, ngx_conductor_replay_until);

    if (rc == NGX_ERROR || ngx_conductor_replay_send(r, &batch) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK || rc == NGX_DONE) {
        ngx_conductor_replay_gap(r);

        if (s->replay == NULL) {
            return NGX_OK;
        }
    }

    if (rc == NGX_OK && r->place.cursor.seq < r->had.upto) {

        /* it had some of what this worker has not yet passed on */

        ngx_conductor_replay_park(r);

    } else if (rc == NGX_OK
               && ngx_conductor_had_left(s->hub, &r->had, r->place.cursor.seq)
               && ngx_conductor_known_hold(s, &r->had) != NGX_OK)
    {
        ngx_conductor_replay_stay(r);

    } else if (rc == NGX_OK) {
        ngx_conductor_replay_end(r, CDR_RESUME_RECOVERED);

    } else if (rc == NGX_DECLINED && batch.n == 0) {
        ngx_conductor_replay_end(r, ngx_conductor_replay_lost(s->hub));

    } else if (ngx_conductor_output_flush(s) == NGX_OK) {
        ngx_conductor_replay_ready(s);
    }

    return NGX_OK;
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

    buf = ngx_conductor_buf_new(s->queued + batch->len
                                + NGX_CONDUCTOR_REPLAY_REPLY);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    ngx_conductor_output_move(s, buf);

    p = buf->data + buf->len;

    for (i = 0; i < batch->n; i++) {
        piece = &batch->pieces[i];

        p = ngx_cpymem(p, ngx_conductor_replay_bytes(piece), piece->len);

        ngx_conductor_count(s->hub, piece->figure, 1);
    }

    buf->len += batch->len;
    buf->messages += (uint32_t) batch->n;
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
    uint64_t  count;

    if (r->outcome != CDR_RESUME_GAP) {
        return;
    }

    count = r->count;

    ngx_conductor_position_behind(r->session->hub, &r->place.pos);

    r->id_len = 0;
    r->outcome = CDR_RESUME_RECOVERED;
    r->asked = 0;
    r->count = 0;

    /* the session may be dead afterwards, and this gone */

    ngx_conductor_replay_answer(r->session, CDR_RESUME_GAP, count,
                                ngx_conductor_replay_id(r));
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

    } else if (!r->stays && (!r->live || r->start < s->live_seq)) {
        s->live_seq = r->start;
    }

    asked = r->asked || outcome != CDR_RESUME_RECOVERED;
    count = r->count;

    ngx_conductor_replay_free(s);

    if (asked) {
        id = ngx_conductor_live_id(s);
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

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor replay: %*s, %uL events", reason.len,
                   reason.data, count);

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
        cdr_event_id_set(&id, &r->place.pos, r->place.lone);

        if (r->had.active || r->had.waits) {
            id = r->had.id;
        }

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
    place->pos = hub->last;
    place->lone = hub->last_lone;
}
