/* From the bytes of a socket to the messages of a client. */

#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_READ_BUDGET   16      /* reads in one turn */
#define NGX_CONDUCTOR_PAUSE         65536   /* queued bytes, for echo */
#define NGX_CONDUCTOR_INBOUND_MIN   256


static void ngx_conductor_frame_event(ngx_conductor_session_t *s,
    cdr_ws_event_t *ev);
static void ngx_conductor_frame_control(ngx_conductor_session_t *s,
    cdr_ws_event_t *ev);
static void ngx_conductor_frame_close(ngx_conductor_session_t *s,
    u_char *data, size_t len);
static void ngx_conductor_frame_data(ngx_conductor_session_t *s,
    cdr_ws_event_t *ev);
static void ngx_conductor_frame_message(ngx_conductor_session_t *s,
    ngx_uint_t opcode, ngx_uint_t compressed, u_char *data, size_t len);
static ngx_conductor_inbound_t *ngx_conductor_inbound(
    ngx_conductor_session_t *s);
static ngx_int_t ngx_conductor_inbound_append(ngx_conductor_session_t *s,
    u_char *data, size_t len);
static void ngx_conductor_frame_fail(ngx_conductor_session_t *s,
    uint16_t code, const char *reason);


static u_char  ngx_conductor_read_buffer[NGX_CONDUCTOR_READ_SIZE];


void
ngx_conductor_frame_read(ngx_conductor_session_t *s)
{
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

        if (n == 0 || n == NGX_ERROR) {
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return;
        }

        ngx_conductor_frame_feed(s, ngx_conductor_read_buffer, n);
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


void
ngx_conductor_frame_feed(ngx_conductor_session_t *s, u_char *data, size_t len)
{
    int              rc;
    size_t           used;
    cdr_ws_event_t   ev;
    cdr_ws_limits_t  limits;

    s->frame_time = ngx_current_msec;

    limits.max_message = s->conf->max_message;
    limits.max_fragments = NGX_CONDUCTOR_MAX_FRAGMENTS;
    limits.deflate = s->pmd.on;

    while (len && !s->discard && !s->peer_closed
           && (s->state == NGX_CONDUCTOR_OPEN
               || s->state == NGX_CONDUCTOR_CLOSING))
    {
        rc = cdr_ws_parse(&s->parser, &limits, data, len, &used, &ev);

        if (rc == CDR_AGAIN) {
            break;
        }

        if (rc != CDR_OK) {
            ngx_conductor_frame_fail(s, ev.code, (char *) ev.reason.data);
            break;
        }

        data += used;
        len -= used;

        ngx_conductor_frame_event(s, &ev);
    }

    if (s->queued > NGX_CONDUCTOR_PAUSE
        && s->conf->protocol == NGX_CONDUCTOR_ECHO
        && s->state == NGX_CONDUCTOR_OPEN
        && ngx_conductor_output_flush(s) == NGX_AGAIN)
    {
        s->paused = 1;
    }
}


void
ngx_conductor_inbound_free(ngx_conductor_session_t *s)
{
    if (s->inbound) {

        if (s->inbound->data) {
            ngx_free(s->inbound->data);
        }

        ngx_free(s->inbound);
        s->inbound = NULL;
    }
}


static void
ngx_conductor_frame_event(ngx_conductor_session_t *s, cdr_ws_event_t *ev)
{
    if (ev->type != CDR_WS_DATA) {
        ngx_conductor_frame_control(s, ev);
        return;
    }

    /* data behind our close frame is not for us, RFC 6455 section 1.4 */

    if (s->state == NGX_CONDUCTOR_OPEN) {
        ngx_conductor_frame_data(s, ev);
    }
}


static void
ngx_conductor_frame_control(ngx_conductor_session_t *s, cdr_ws_event_t *ev)
{
    size_t                    len;
    u_char                   *data;
    ngx_conductor_inbound_t  *in;

    data = ev->data;
    len = ev->len;

    if (!(ev->first && ev->last)) {

        in = ngx_conductor_inbound(s);
        if (in == NULL) {
            return;
        }

        if (ev->first) {
            in->control_len = 0;
        }

        ngx_memcpy(in->control + in->control_len, data, len);
        in->control_len += (uint8_t) len;

        if (!ev->last) {
            return;
        }

        data = in->control;
        len = in->control_len;
    }

    switch (ev->type) {

    case CDR_WS_PING:

        if (s->state == NGX_CONDUCTOR_OPEN) {
            (void) ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_PONG, data,
                                        len);
        }

        break;

    case CDR_WS_PONG:

        if (s->ping_sent) {
            s->ping_sent = 0;
            ngx_conductor_session_arm(s);
        }

        break;

    default:
        ngx_conductor_frame_close(s, data, len);
    }
}


/* RFC 6455 section 5.5.1: the answer carries the code that was received. */

static void
ngx_conductor_frame_close(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    uint16_t   code;
    cdr_str_t  reason;

    if (cdr_ws_close_parse(data, len, &code, &reason) != CDR_OK) {
        ngx_conductor_frame_fail(s, code, (code == CDR_CLOSE_BAD_DATA)
                                          ? "close reason is not UTF-8"
                                          : "invalid close frame");
        return;
    }

    s->peer_closed = 1;

    if (s->state == NGX_CONDUCTOR_OPEN) {
        ngx_conductor_session_close(s, code, "");
    }
}


static void
ngx_conductor_frame_data(ngx_conductor_session_t *s, cdr_ws_event_t *ev)
{
    ngx_conductor_inbound_t  *in;

    if (ev->opcode == CDR_WS_OP_BINARY
        && s->conf->protocol == NGX_CONDUCTOR_NATIVE)
    {
        ngx_conductor_frame_fail(s, CDR_CLOSE_UNSUPPORTED,
                                 "messages are text");
        return;
    }

    if (ev->first && ev->last) {
        ngx_conductor_frame_message(s, ev->opcode, ev->compressed, ev->data,
                                    ev->len);
        return;
    }

    in = ngx_conductor_inbound(s);
    if (in == NULL) {
        return;
    }

    if (ev->first) {
        in->len = 0;
        in->utf8 = 0;
    }

    if (ev->opcode == CDR_WS_OP_TEXT && !ev->compressed
        && cdr_utf8_check(&in->utf8, ev->data, ev->len) != CDR_OK)
    {
        ngx_conductor_frame_fail(s, CDR_CLOSE_BAD_DATA, "text is not UTF-8");
        return;
    }

    if (ngx_conductor_inbound_append(s, ev->data, ev->len) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return;
    }

    if (!ev->last) {
        return;
    }

    ngx_conductor_frame_message(s, ev->opcode, ev->compressed, in->data,
                                in->len);

    ngx_conductor_inbound_free(s);
}


/* A whole message as it was framed. */

static void
ngx_conductor_frame_message(ngx_conductor_session_t *s, ngx_uint_t opcode,
    ngx_uint_t compressed, u_char *data, size_t len)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    cdr_utf8_t  utf8;

    text.data = data;
    text.len = len;

    if (compressed) {
        rc = ngx_conductor_inflate(data, len, s->conf->max_message, &text);

        if (rc == NGX_DECLINED) {
            ngx_conductor_frame_fail(s, CDR_CLOSE_TOO_BIG,
                                     "inflated message is too big");
            return;
        }

        if (rc == NGX_ABORT) {
            ngx_conductor_frame_fail(s, CDR_CLOSE_PROTOCOL,
                                     "message cannot be inflated");
            return;
        }

        if (rc != NGX_OK) {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
            return;
        }
    }

    utf8 = 0;

    if (opcode == CDR_WS_OP_TEXT
        && (cdr_utf8_check(&utf8, text.data, text.len) != CDR_OK
            || !cdr_utf8_done(&utf8)))
    {
        ngx_conductor_frame_fail(s, CDR_CLOSE_BAD_DATA, "text is not UTF-8");

    } else {
        ngx_conductor_message(s, opcode, text.data, text.len);
    }

    if (compressed) {
        ngx_conductor_inflate_done();
    }
}


static ngx_conductor_inbound_t *
ngx_conductor_inbound(ngx_conductor_session_t *s)
{
    if (s->inbound == NULL) {
        s->inbound = ngx_calloc(sizeof(ngx_conductor_inbound_t), &s->log);

        if (s->inbound == NULL) {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        }
    }

    return s->inbound;
}


/* Grows with what has arrived, never with what was announced. */

static ngx_int_t
ngx_conductor_inbound_append(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    size_t                    size;
    u_char                   *p;
    ngx_conductor_inbound_t  *in;

    in = s->inbound;

    if (in->size - in->len < len) {
        size = ngx_max(in->size * 2, NGX_CONDUCTOR_INBOUND_MIN);
        size = ngx_min(size, s->conf->max_message);
        size = ngx_max(size, in->len + len);

        p = realloc(in->data, size);
        if (p == NULL) {
            ngx_log_error(NGX_LOG_EMERG, &s->log, ngx_errno,
                          "realloc(%uz) failed", size);
            return NGX_ERROR;
        }

        in->data = p;
        in->size = size;
    }

    ngx_memcpy(in->data + in->len, data, len);
    in->len += len;

    return NGX_OK;
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
