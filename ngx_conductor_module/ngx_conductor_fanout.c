/*
 * From the event log to the clients of this worker.
 *
 * Clients that see the same form a group.  What one turn brings is put
 * together once for each group and goes out in one write to each client: its
 * own share of the work is a look at 16 bytes of an array and that write.
 */

#include "ngx_conductor_replay.h"
#include "ngx_conductor_stage.h"


static ngx_conductor_buf_t *ngx_conductor_group_batch(
    ngx_conductor_hub_t *hub, ngx_conductor_group_t *g);
static void ngx_conductor_group_fail(ngx_conductor_group_t *g);
static void ngx_conductor_fanout_targeted(ngx_conductor_hub_t *hub);
static void ngx_conductor_fanout_gap(ngx_conductor_hub_t *hub);
static void ngx_conductor_fanout_marked(ngx_conductor_hub_t *hub,
    ngx_conductor_turn_t *turn);
static void ngx_conductor_fanout_tell(ngx_conductor_hub_t *hub,
    ngx_conductor_turn_t *turn);


static ngx_conductor_turn_t  ngx_conductor_turn;


/* NGX_OK at the end of the log, NGX_AGAIN if there is more for a next turn. */

ngx_int_t
ngx_conductor_fanout(ngx_conductor_hub_t *hub)
{
    ngx_uint_t              more;
    ngx_queue_t            *q, *next;
    ngx_conductor_buf_t    *buf;
    ngx_conductor_group_t  *g;

    if (ngx_conductor_turn_fill(&ngx_conductor_turn, hub, &more) != NGX_OK) {
        ngx_conductor_fanout_gap(hub);
        return NGX_AGAIN;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "conductor fan-out: %ui events, more:%ui, hub \"%V\"",
                   (ngx_uint_t) ngx_conductor_turn.n, more, &hub->name);

    if (ngx_conductor_turn.marks) {
        ngx_conductor_fanout_marked(hub, &ngx_conductor_turn);
    }

    if (ngx_conductor_turn.n == 0) {
        ngx_conductor_turn_reset(&ngx_conductor_turn);
        return more ? NGX_AGAIN : NGX_OK;
    }

    if (ngx_conductor_turn_targeted(&ngx_conductor_turn)) {
        ngx_conductor_fanout_targeted(hub);
        ngx_conductor_turn_reset(&ngx_conductor_turn);

        return more ? NGX_AGAIN : NGX_OK;
    }

    hub->sending = 1;

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups);
         q = next)
    {
        next = ngx_queue_next(q);
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        buf = ngx_conductor_group_batch(hub, g);

        if (buf) {
            ngx_conductor_group_send(g, buf);
            ngx_conductor_buf_unref(buf);
        }
    }

    hub->sending = 0;

    if (hub->deserted) {
        hub->deserted = 0;
        ngx_conductor_groups_tidy(hub);
    }

    ngx_conductor_turn_reset(&ngx_conductor_turn);

    return more ? NGX_AGAIN : NGX_OK;
}


/* What this turn brings to a group, or NULL. */

static ngx_conductor_buf_t *
ngx_conductor_group_batch(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g)
{
    size_t                  len;
    u_char                 *p;
    ngx_int_t               rc;
    ngx_uint_t              i, n;
    ngx_conductor_buf_t    *buf;
    ngx_conductor_turn_t   *turn;
    ngx_conductor_piece_t   pieces[NGX_CONDUCTOR_STAGE_EVENTS];

    if (g->n == 0) {
        return NULL;
    }

    turn = &ngx_conductor_turn;
    len = 0;
    n = 0;

    for (i = 0; i < turn->n; i++) {
        rc = ngx_conductor_stage_piece(&turn->stage, hub, &turn->events[i],
                                       g, &pieces[n]);

        if (rc == NGX_ERROR) {
            ngx_conductor_group_fail(g);
            return NULL;
        }

        if (rc == NGX_OK) {
            len += pieces[n++].len;
        }
    }

    if (n == 0) {
        return NULL;
    }

    buf = ngx_conductor_buf_new(len);
    if (buf == NULL) {
        ngx_conductor_group_fail(g);
        return NULL;
    }

    p = buf->data;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, ngx_conductor_stage_bytes(&turn->stage, &pieces[i]),
                       pieces[i].len);

        ngx_conductor_count(hub, pieces[i].figure, g->n);
    }

    buf->len = len;
    buf->messages = n;

    return buf;
}


/* They must not go on without what they miss. */

static void
ngx_conductor_group_fail(ngx_conductor_group_t *g)
{
    while (g->n) {
        ngx_conductor_session_dead(g->members[g->n - 1].session,
                                   CDR_CLOSE_INTERNAL);
    }
}


/* The one event that is staged, to those it is for. */

static void
ngx_conductor_fanout_targeted(ngx_conductor_hub_t *hub)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_queue_t              *q;
    ngx_conductor_turn_t     *turn;
    ngx_conductor_piece_t     text;
    ngx_conductor_session_t  *s;

    turn = &ngx_conductor_turn;

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        rc = ngx_conductor_live(s)
             ? ngx_conductor_stage_text(&turn->stage, &turn->events[0], s,
                                        &text)
             : NGX_DECLINED;

        if (rc == NGX_ERROR) {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        }

        if (rc != NGX_OK) {
            continue;
        }

        p = ngx_conductor_output_frame(s, CDR_WS_FIN|CDR_WS_OP_TEXT,
                                       text.len);
        if (p) {
            ngx_memcpy(p, ngx_conductor_stage_bytes(&turn->stage, &text),
                       text.len);
            ngx_conductor_count(hub, text.figure, 1);
            (void) ngx_conductor_output_flush(s);
        }
    }
}


/*
 * This worker was so far behind that events were overwritten: its clients
 * are told, and it goes on with the oldest event there is.
 */

static void
ngx_conductor_fanout_gap(ngx_conductor_hub_t *hub)
{
    cdr_log_cursor_t  oldest;

    ngx_conductor_count(hub, CDR_FIGURE_OVERRUNS, 1);

    if (!hub->overrun) {
        hub->overrun = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "hub \"%V\": events were overwritten before this "
                      "worker had sent them; enlarge \"history\"",
                      &hub->name);
    }

    cdr_log_cursor_oldest(&hub->log, &oldest);

    /* twice in a row is no overrun but damage, and none is want of memory */

    if (hub->lost || oldest.seq <= hub->cursor.seq) {
        cdr_log_cursor_end(&hub->log, &hub->cursor);

    } else {
        hub->cursor = oldest;
    }

    hub->lost = 1;

    ngx_conductor_fanout_tell(hub, NULL);
}


/*
 * Between the events of this turn, or before them, were some that are only for
 * those who come back, or it is known here that some are missing.
 */

static void
ngx_conductor_fanout_marked(ngx_conductor_hub_t *hub,
    ngx_conductor_turn_t *turn)
{
    ngx_queue_t              *q;
    ngx_conductor_session_t  *s;

    if (turn->marks & NGX_CONDUCTOR_EVENT_GAP) {
        ngx_conductor_fanout_tell(hub, turn);
    }

    if (!(turn->marks & NGX_CONDUCTOR_EVENT_OLD)) {
        return;
    }

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (ngx_conductor_live(s)) {
            s->live_seq = turn->old;
        }
    }
}


/*
 * Those who are live have missed something: but for a gap of a turn, those
 * who had what was there.
 */

static void
ngx_conductor_fanout_tell(ngx_conductor_hub_t *hub, ngx_conductor_turn_t *turn)
{
    ngx_queue_t              *q, *next;
    ngx_conductor_known_t    *known;
    ngx_conductor_session_t  *s;

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = next)
    {
        next = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (!ngx_conductor_live(s)) {
            continue;
        }

        known = s->group->known;

        if (turn && known
            && ngx_conductor_known_had(known, turn->server, turn->number))
        {
            continue;
        }

        s->live_seq = hub->cursor.seq;

        ngx_conductor_replay_answer(s, CDR_RESUME_GAP, 0,
                                    ngx_conductor_live_id(s));
        (void) ngx_conductor_output_flush(s);
    }
}
