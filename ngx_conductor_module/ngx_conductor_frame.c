/* From the bytes of a socket to the messages of a client. */

#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_READ_BUDGET   16      /* full reads in one turn */
#define NGX_CONDUCTOR_PAUSE         65536   /* queued bytes, for echo */


static void ngx_conductor_frame_conf(ngx_conductor_session_t *s,
    cdr_receiver_conf_t *conf);
static void ngx_conductor_frame_received(ngx_conductor_session_t *s,
    cdr_received_t *ev);
static void ngx_conductor_frame_fail(ngx_conductor_session_t *s,
    uint16_t code, const char *reason);


static u_char  ngx_conductor_read_buffer[NGX_CONDUCTOR_READ_SIZE];


void
ngx_conductor_frame_read(ngx_conductor_session_t *s)
{
    size_t             size;
    ssize_t            n;
    ngx_uint_t         budget;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = s->connection;
    rev = c->read;

    for (budget = NGX_CONDUCTOR_READ_BUDGET; budget; budget--) {

        if (s->state == NGX_CONDUCTOR_DEAD || s->paused) {
            return;
        }

        /* after our end of a TLS connection is closed, what comes is noise */

        n = (s->state == NGX_CONDUCTOR_LINGERING)
            ? ngx_recv(c, ngx_conductor_read_buffer, NGX_CONDUCTOR_READ_SIZE)
            : c->recv(c, ngx_conductor_read_buffer, NGX_CONDUCTOR_READ_SIZE);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0) {

            /* a peer that ended its side only still reads the answers */

            (void) ngx_conductor_output_flush(s);
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return;
        }

        size = ngx_conductor_frame_feed(s, ngx_conductor_read_buffer, n);

        /* what was compressed counts by its real size */

        budget -= ngx_min(size / NGX_CONDUCTOR_READ_SIZE, budget - 1);
    }

    if (budget == 0 && rev->ready) {

        /* the others' turn */

        ngx_post_event(rev, &ngx_posted_next_events);
        return;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
    }
}


/* Takes what a client sent; the bytes of the messages that it came to. */

size_t
ngx_conductor_frame_feed(ngx_conductor_session_t *s, u_char *data, size_t len)
{
    int                   rc;
    size_t                used, size;
    cdr_received_t        ev;
    cdr_receiver_conf_t   conf;

    s->frame_time = ngx_current_msec;
    s->traffic.in.bytes += len;
    size = 0;

    ngx_conductor_frame_conf(s, &conf);

    while (!s->discard && !s->peer_closed
           && (s->state == NGX_CONDUCTOR_OPEN
               || s->state == NGX_CONDUCTOR_CLOSING))
    {
        rc = cdr_receiver_feed(&s->receiver, &conf, data, len, &used, &ev);

        if (rc == CDR_AGAIN) {
            break;
        }

        if (rc == CDR_ERROR) {
            ngx_conductor_frame_fail(s, ev.code, ev.reason);
            break;
        }

        if (rc != CDR_OK) {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
            break;
        }

        data += used;
        len -= used;
        size += ev.len;

        ngx_conductor_frame_received(s, &ev);
    }

    ngx_conductor_inflate_done();

    if (s->conf->protocol == NGX_CONDUCTOR_ECHO
        && s->state == NGX_CONDUCTOR_OPEN
        && (s->queued > NGX_CONDUCTOR_PAUSE
            || (s->queued && !s->connection->write->ready))
        && ngx_conductor_output_flush(s) == NGX_AGAIN)
    {
        s->paused = 1;
    }

    return size;
}


/* Gives back what an unfinished message holds; nothing is read any more. */

void
ngx_conductor_frame_free(ngx_conductor_session_t *s)
{
    cdr_receiver_conf_t  conf;

    ngx_conductor_frame_conf(s, &conf);
    cdr_receiver_free(&s->receiver, &conf);
}


static void
ngx_conductor_frame_conf(ngx_conductor_session_t *s,
    cdr_receiver_conf_t *conf)
{
    conf->ws.max_message = s->conf->max_message;
    conf->ws.max_compressed = cdr_deflate_bound(s->conf->max_message);
    conf->ws.max_fragments = NGX_CONDUCTOR_MAX_FRAGMENTS;
    conf->ws.deflate = s->pmd.on;
    conf->binary = (s->conf->protocol == NGX_CONDUCTOR_ECHO);

    ngx_conductor_inflate_conf(conf);
}


static void
ngx_conductor_frame_received(ngx_conductor_session_t *s, cdr_received_t *ev)
{
    cdr_registry_entry_t  *e;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor frame: %d, %uz bytes", (int) ev->type, ev->len);

    if (s->state == NGX_CONDUCTOR_OPEN) {
        e = ngx_conductor_session_entry(s);

        atomic_store_explicit(&e->seen_ms, ngx_conductor_now(),
                              memory_order_relaxed);
    }

    switch (ev->type) {

    case CDR_RECEIVED_MESSAGE:

        /* behind our close frame it is not for us, RFC 6455 section 1.4 */

        if (s->state == NGX_CONDUCTOR_OPEN) {
            s->traffic.in.messages++;
            ngx_conductor_message(s, ev->opcode, ev->data, ev->len);
        }

        break;

    case CDR_RECEIVED_PING:

        if (s->state == NGX_CONDUCTOR_OPEN) {
            (void) ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_PONG,
                                        ev->data, ev->len);
        }

        break;

    case CDR_RECEIVED_PONG:

        if (s->ping_sent) {
            s->ping_sent = 0;
            s->latency = (uint32_t) (ngx_current_msec - s->ping_time) + 1;
            ngx_conductor_session_arm(s);
        }

        break;

    case CDR_RECEIVED_CLOSE:

        s->peer_closed = 1;

        /* RFC 6455 section 5.5.1: the answer carries the same code */

        ngx_conductor_session_close(s, ev->code, "");
        break;
    }
}


/*
 * Fails the connection, RFC 6455 section 7.1.7: nothing that follows can be
 * understood.
 */

static void
ngx_conductor_frame_fail(ngx_conductor_session_t *s, uint16_t code,
    const char *reason)
{
    s->discard = 1;

    ngx_conductor_session_close(s, code, reason);
}
