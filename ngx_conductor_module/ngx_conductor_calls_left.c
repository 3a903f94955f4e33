/*
 * Clients that are gone, and still have calls of back ends.
 *
 * What was said before a client left is told all the same, when nobody else
 * waits, and its answer goes nowhere.  Its "disconnect" is held meanwhile, so
 * that it comes last; that is why it does not take longer than a call may.
 */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_errand.h"


/* They have so much of what waits in a worker, all together. */

#define NGX_CONDUCTOR_CALLS_LEFT   (NGX_CONDUCTOR_CALL_BYTES / 4)


static ngx_uint_t ngx_conductor_left_final(ngx_uint_t code);
static void ngx_conductor_left_forget(ngx_conductor_calls_t *calls);
static void ngx_conductor_left_waived(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said);
static void ngx_conductor_left_cancel(ngx_conductor_calls_t *calls);


/* Those of this worker, and the bytes of what they said. */

static ngx_queue_t  ngx_conductor_left = {
    &ngx_conductor_left, &ngx_conductor_left
};

static size_t  ngx_conductor_left_size;


void
ngx_conductor_calls_leave(ngx_conductor_session_t *s)
{
    ngx_conductor_calls_t  *calls;

    calls = s->calls;

    if (ngx_conductor_left_final(s->code)
        || (calls->current && calls->current->kind == CDR_CALL_CONNECT))
    {
        ngx_conductor_left_forget(calls);
        return;
    }

    ngx_conductor_backend_move(&calls->ticket, NGX_CONDUCTOR_WAIT_LEFT);
}


/* The hub wants nothing more from it. */

static ngx_uint_t
ngx_conductor_left_final(ngx_uint_t code)
{
    switch (code) {

    case CDR_CLOSE_TOKEN:
    case CDR_CLOSE_FLOOD:
    case CDR_CLOSE_REVOKED:
    case CDR_CLOSE_FORBIDDEN:
        return 1;

    default:
        return 0;
    }
}


/* Only what is under way is left. */

static void
ngx_conductor_left_forget(ngx_conductor_calls_t *calls)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&calls->said)) {
        q = ngx_queue_head(&calls->said);
        ngx_queue_remove(q);

        ngx_conductor_left_waived(calls, ngx_queue_data(q,
                                              ngx_conductor_said_t, queue));
    }

    if (calls->ticket.backend) {
        ngx_conductor_backend_forget(&calls->ticket);

        ngx_conductor_left_waived(calls, calls->current);
        calls->current = NULL;
    }
}


static void
ngx_conductor_left_waived(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said)
{
    calls->n--;
    ngx_conductor_gauge(calls->hub, CDR_GAUGE_CALLS_WAITING, -1);

    if (said->kind == CDR_CALL_MESSAGE) {
        ngx_conductor_count(calls->hub, CDR_FIGURE_CALLS + CDR_CALLED_BUSY, 1);
    }

    ngx_conductor_calls_drop(calls, said);
}


void
ngx_conductor_calls_end(ngx_conductor_session_t *s)
{
    ngx_conductor_calls_t  *calls;

    ngx_conductor_calls_leave(s);

    calls = s->calls;

    if (ngx_conductor_left_size + calls->bytes > NGX_CONDUCTOR_CALLS_LEFT) {
        ngx_conductor_left_forget(calls);
    }

    ngx_conductor_agent_end(calls);
    ngx_conductor_keyed_end(calls);

    if (calls->early) {
        ngx_free(calls->early);
        calls->early = NULL;
    }

    calls->session = NULL;

    if (calls->current == NULL) {
        s->calls = NULL;
        ngx_free(calls);
        return;
    }

    ngx_conductor_left_size += calls->bytes;
    calls->deadline = ngx_current_msec + calls->conf->backend_timeout;

    ngx_queue_insert_tail(&ngx_conductor_left, &calls->queue);
}


void
ngx_conductor_left_bytes(size_t size)
{
    ngx_conductor_left_size -= size;
}


void
ngx_conductor_left_free(ngx_conductor_calls_t *calls)
{
    if (calls->hold) {
        ngx_conductor_errand_go(calls->hub, calls->hold);
    }

    ngx_queue_remove(&calls->queue);
    ngx_free(calls);
}


/* In each tick of a worker. */

void
ngx_conductor_left_tick(void)
{
    ngx_queue_t            *q, *next;
    ngx_conductor_calls_t  *calls;

    for (q = ngx_queue_head(&ngx_conductor_left);
         q != ngx_queue_sentinel(&ngx_conductor_left);
         q = next)
    {
        next = ngx_queue_next(q);
        calls = ngx_queue_data(q, ngx_conductor_calls_t, queue);

        if (ngx_conductor_overdue(calls->hub)) {
            ngx_conductor_left_cancel(calls);

        } else if (calls->hold
                   && (ngx_msec_int_t) (ngx_current_msec - calls->deadline)
                      >= 0)
        {
            ngx_conductor_left_forget(calls);
        }

        if (calls->current == NULL) {
            ngx_conductor_left_free(calls);
        }
    }
}


/* The worker is to end, and nobody waits for the answer. */

static void
ngx_conductor_left_cancel(ngx_conductor_calls_t *calls)
{
    ngx_conductor_said_t  *said;

    ngx_conductor_left_forget(calls);

    if (calls->call == NULL) {
        return;
    }

    said = calls->current;

    ngx_conductor_call_cancel(calls->call);
    calls->call = NULL;
    calls->current = NULL;

    ngx_conductor_backend_leave(calls->conf->backend[said->kind]);
    ngx_conductor_count(calls->hub, CDR_FIGURE_CALLS + CDR_CALLED_TIMEOUT, 1);

    ngx_conductor_calls_drop(calls, said);
}
