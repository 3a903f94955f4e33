/* The events that a turn of the fan-out takes from the log. */

#include "ngx_conductor_stage.h"


#define NGX_CONDUCTOR_STAGE_SIZE    (256 * 1024)
#define NGX_CONDUCTOR_STAGE_KEEP    (1024 * 1024)


static ngx_int_t ngx_conductor_turn_next(ngx_conductor_turn_t *turn,
    ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_turn_take(ngx_conductor_turn_t *turn,
    ngx_conductor_staged_t *ev);


/*
 * Takes the next events of the log.  NGX_OK, with "more" if there may be
 * others; NGX_DECLINED if some were missed.
 */

ngx_int_t
ngx_conductor_turn_fill(ngx_conductor_turn_t *turn, ngx_conductor_hub_t *hub,
    ngx_uint_t *more)
{
    ngx_int_t  rc;

    *more = 0;

    do {
        if (turn->n == NGX_CONDUCTOR_STAGE_EVENTS
            || turn->stage.len >= NGX_CONDUCTOR_STAGE_SIZE)
        {
            break;
        }

        rc = ngx_conductor_turn_next(turn, hub);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_DECLINED && turn->n == 0) {
            return NGX_DECLINED;
        }

    } while (rc == NGX_OK);

    *more = 1;

    return NGX_OK;
}


/*
 * NGX_OK; NGX_AGAIN: there is none; NGX_DONE: the turn ends, with it or before
 * it; NGX_DECLINED: it was missed.
 */

static ngx_int_t
ngx_conductor_turn_next(ngx_conductor_turn_t *turn, ngx_conductor_hub_t *hub)
{
    int                      rc;
    cdr_log_event_t          event;
    cdr_log_cursor_t         cursor;
    ngx_conductor_staged_t  *ev;

    cursor = hub->cursor;

    rc = cdr_log_next(&hub->log, &cursor, &event);

    if (rc == CDR_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == CDR_OK && turn->n && event.fields.flags) {

        /* it goes alone, after what came before */

        return NGX_DONE;
    }

    /* an event may be younger than these rules */

    if (ngx_conductor_rules_changed(hub)) {

        if (turn->n) {
            return NGX_DONE;
        }

        ngx_conductor_rules_update(hub);
    }

    ev = &turn->events[turn->n];

    if (rc != CDR_OK
        || ngx_conductor_stage_event(&turn->stage, hub, &event, ev) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    hub->lost = 0;
    hub->cursor = cursor;
    hub->last = event.fields.pos;
    hub->last_lone = event.fields.lone;
    hub->last_id.len = 0;

    return ngx_conductor_turn_take(turn, ev);
}


/* NGX_DONE: the turn ends with it. */

static ngx_int_t
ngx_conductor_turn_take(ngx_conductor_turn_t *turn, ngx_conductor_staged_t *ev)
{
    if (ev->marks & NGX_CONDUCTOR_EVENT_OLD) {
        turn->marks |= NGX_CONDUCTOR_EVENT_OLD;
        turn->old = ev->seq;
        return NGX_OK;
    }

    if (ev->marks) {
        turn->marks |= NGX_CONDUCTOR_EVENT_GAP;
        turn->server = ev->server;
        turn->number = ev->n;
        return NGX_DONE;
    }

    if (ev->type) {
        turn->n++;
    }

    return ngx_conductor_turn_targeted(turn) ? NGX_DONE : NGX_OK;
}


void
ngx_conductor_turn_reset(ngx_conductor_turn_t *turn)
{
    turn->n = 0;
    turn->marks = 0;
    ngx_conductor_stage_clear(&turn->stage, NGX_CONDUCTOR_STAGE_KEEP);
}
