/* What becomes due without the client's doing: pings, time-outs, draining. */

#include "ngx_conductor_backend.h"
#include "ngx_conductor_replay.h"


static ngx_uint_t ngx_conductor_timer_due(ngx_msec_t due);
static void ngx_conductor_timer_connect(ngx_conductor_session_t *s);
static void ngx_conductor_timer_ping(ngx_conductor_session_t *s);


/* The timer is lazy: it fires no later than due and is then set anew. */

void
ngx_conductor_session_timer(ngx_conductor_session_t *s)
{
    u_char                     reason[sizeof("retry=") + NGX_INT_T_LEN];
    ngx_msec_t                 since;
    ngx_conductor_loc_conf_t  *conf;

    conf = s->conf;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor timer: state %d", (int) s->state);

    switch (s->state) {

    case NGX_CONDUCTOR_DEAD:
        return;

    case NGX_CONDUCTOR_OPEN:
        break;

    default:
        if (ngx_conductor_timer_due(s->end_time)) {
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return;
        }

        ngx_conductor_session_arm(s);
        return;
    }

    if (s->draining && ngx_conductor_timer_due(s->end_time)) {

        /* not all in the same moment at the next worker or server */

        *ngx_sprintf(reason, "retry=%M",
                     (ngx_msec_t) (ngx_random() % 1000)) = '\0';

        ngx_conductor_session_close(s, CDR_CLOSE_RESTART, (char *) reason);
        return;
    }

    if (s->expires <= ngx_time()) {
        ngx_conductor_session_close(s, CDR_CLOSE_TOKEN, "token expired");
        return;
    }

    if (s->connecting) {
        ngx_conductor_timer_connect(s);
        return;
    }

    since = conf->idle_data ? s->data_time : s->frame_time;

    if (conf->idle && ngx_conductor_timer_due(since + conf->idle)) {
        ngx_conductor_session_close(s, CDR_CLOSE_IDLE, "idle");
        return;
    }

    ngx_conductor_replay_timer(s);

    if (conf->ping && s->state == NGX_CONDUCTOR_OPEN) {
        ngx_conductor_timer_ping(s);
    }

    if (s->state != NGX_CONDUCTOR_DEAD) {
        ngx_conductor_session_arm(s);
    }
}


/* Its turn may not have come yet: what it waits for is limited as a whole. */

static void
ngx_conductor_timer_connect(ngx_conductor_session_t *s)
{
    if (ngx_conductor_timer_due(s->frame_time + s->conf->backend_timeout)) {
        ngx_conductor_backend_close(s, CDR_ENDED_UNASKED,
                                    CDR_CLOSE_TOO_SLOW,
                                    "the back end did not answer in time");
        return;
    }

    ngx_conductor_session_arm(s);
}


static void
ngx_conductor_timer_ping(ngx_conductor_session_t *s)
{
    if (s->ping_sent) {

        if (!ngx_conductor_timer_due(s->ping_time + s->conf->ping_timeout)) {
            return;
        }

        /*
         * A pong cannot come before the end of a frame that is under way:
         * while that moves, the peer is there.
         */

        if (cdr_receiver_in_frame(&s->receiver)
            && (ngx_msec_int_t) (s->frame_time - s->ping_time) > 0)
        {
            s->ping_time = s->frame_time;
            return;
        }

        ngx_log_error(NGX_LOG_INFO, &s->log, 0,
                      "conductor: a ping was not answered in %M ms",
                      s->conf->ping_timeout);

        ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
        return;
    }

    if (ngx_conductor_timer_due(s->ping_time + s->conf->ping)) {
        (void) ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_PING, NULL, 0);

        s->ping_sent = 1;
        s->ping_time = ngx_current_msec;

        ngx_conductor_traffic_sample(s);
    }
}


/*
 * The worker is leaving: its clients follow at moments spread over the time
 * the hub gives them, each told to come back.
 */

void
ngx_conductor_session_drain(ngx_conductor_session_t *s)
{
    ngx_msec_t  drain;

    if (s->state != NGX_CONDUCTOR_OPEN || s->draining) {
        return;
    }

    drain = s->hub->drain;

    s->draining = 1;
    s->end_time = ngx_current_msec
                  + (drain ? (ngx_msec_t) ngx_random() % drain : 0);

    if (drain == 0) {
        ngx_conductor_session_timer(s);
        return;
    }

    ngx_conductor_session_arm(s);
}


/* It is to come back at once or a little later, here it has no place. */

void
ngx_conductor_session_restart(ngx_conductor_session_t *s)
{
    u_char  reason[sizeof("retry=") + NGX_INT_T_LEN];

    if (s->state != NGX_CONDUCTOR_OPEN) {
        return;
    }

    *ngx_sprintf(reason, "retry=%M",
                 (ngx_msec_t) ngx_random() % (s->hub->drain + 1000)) = '\0';

    ngx_conductor_session_close(s, CDR_CLOSE_RESTART, (char *) reason);

    if (!s->hold) {
        (void) ngx_conductor_output_flush(s);
    }
}


/* The drain was taken back; the timer finds by itself that nothing is due. */

void
ngx_conductor_session_stay(ngx_conductor_session_t *s)
{
    if (s->state == NGX_CONDUCTOR_OPEN) {
        s->draining = 0;
    }
}


static ngx_uint_t
ngx_conductor_timer_due(ngx_msec_t due)
{
    return (ngx_msec_int_t) (due - ngx_current_msec) <= 0;
}
