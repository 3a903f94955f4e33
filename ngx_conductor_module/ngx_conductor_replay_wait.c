/*
 * Clients that have had what this server has not read yet.  Anybody may come
 * with an id of a time to come, and ten thousand may: they are looked at when
 * the first of their places is reached, and now and then.
 */

#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_REPLAY_LOOK  250      /* ms */


static void ngx_conductor_replay_later(ngx_conductor_replay_t *r);
static void ngx_conductor_replay_pos(ngx_conductor_replay_t *r,
    cdr_log_pos_t *pos);


static ngx_queue_t           ngx_conductor_replays_waiting;
static ngx_conductor_hub_t  *ngx_conductor_replay_first_hub;
static cdr_log_pos_t         ngx_conductor_replay_first;
static ngx_msec_t            ngx_conductor_replay_looked;


ngx_int_t
ngx_conductor_replay_wait(ngx_conductor_replay_t *r, uint32_t *outcome)
{
    cdr_log_pos_t         pos;
    cdr_event_id_t        id;
    ngx_conductor_hub_t  *hub;

    hub = r->session->hub;

    ngx_conductor_replay_pos(r, &pos);

    if (!ngx_conductor_resume_ahead(hub, &pos)) {
        id = r->had.id;
        *outcome = ngx_conductor_resume_place(hub, &id, &r->place, &r->had);

        if (*outcome != CDR_RESUME_RECOVERED) {
            return NGX_DECLINED;
        }

        if (!r->had.waits) {
            r->start = r->place.cursor.seq;
            r->id_len = 0;
            return NGX_OK;
        }
    }

    if (ngx_current_msec - r->deadline
        >= ngx_conductor_resume_patience(hub, outcome))
    {
        return NGX_DECLINED;
    }

    ngx_conductor_replay_later(r);

    return NGX_AGAIN;
}


static void
ngx_conductor_replay_later(ngx_conductor_replay_t *r)
{
    cdr_log_pos_t  pos;

    if (ngx_conductor_replays_waiting.next == NULL) {
        ngx_queue_init(&ngx_conductor_replays_waiting);
    }

    ngx_conductor_replay_pos(r, &pos);

    if (ngx_queue_empty(&ngx_conductor_replays_waiting)
        || cdr_log_cmp(&pos, &ngx_conductor_replay_first) < 0)
    {
        ngx_conductor_replay_first = pos;
        ngx_conductor_replay_first_hub = r->session->hub;
    }

    r->ahead = 1;
    ngx_queue_insert_tail(&ngx_conductor_replays_waiting, &r->queue);
}


void
ngx_conductor_replay_waited(ngx_queue_t *queue)
{
    if (ngx_conductor_replays_waiting.next == NULL
        || ngx_queue_empty(&ngx_conductor_replays_waiting))
    {
        return;
    }

    if (ngx_current_msec - ngx_conductor_replay_looked
        < NGX_CONDUCTOR_REPLAY_LOOK
        && ngx_conductor_resume_ahead(ngx_conductor_replay_first_hub,
                                      &ngx_conductor_replay_first))
    {
        return;
    }

    ngx_conductor_replay_looked = ngx_current_msec;

    ngx_queue_add(queue, &ngx_conductor_replays_waiting);
    ngx_queue_init(&ngx_conductor_replays_waiting);
}


static void
ngx_conductor_replay_pos(ngx_conductor_replay_t *r, cdr_log_pos_t *pos)
{
    pos->ms = r->had.id.ms;
    pos->n = r->had.id.n;
    pos->local = 0;
}
