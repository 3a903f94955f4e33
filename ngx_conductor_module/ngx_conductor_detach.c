/*
 * The connection leaves the HTTP request once the 101 is on its way.
 *
 * A request costs some ten kilobytes and is of no use any more.  It is freed
 * from an event of its own, with none of its callers on the stack, and when
 * nobody else holds it.  With it goes the connection's pool, but for TLS,
 * whose state lives there.
 */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_DETACH_WAIT   10      /* ms, for who holds the request */


static void ngx_conductor_detach_request(ngx_http_request_t *r);
static void ngx_conductor_detach_read(ngx_event_t *rev);
static void ngx_conductor_detach_write(ngx_event_t *wev);
static void ngx_conductor_detach_fail(ngx_http_request_t *r, ngx_int_t rc);
static ngx_int_t ngx_conductor_detach_flushed(ngx_http_request_t *r);
static void ngx_conductor_detach_now(ngx_http_request_t *r);
static void ngx_conductor_detach_pool(ngx_connection_t *c,
    ngx_http_connection_t *hc);
static void ngx_conductor_detach_native(ngx_conductor_session_t *s);
static void ngx_conductor_detach_begin(ngx_conductor_session_t *s,
    u_char *refused, u_char *data, size_t len);
static void ngx_conductor_detach_welcome(ngx_conductor_session_t *s);
static void ngx_conductor_detach_drain(ngx_conductor_session_t *s);
static void ngx_conductor_detach_heard(ngx_conductor_session_t *s,
    u_char *data, size_t len);


/* Returns NGX_DONE: the phases stop, the request goes on in the event. */

ngx_int_t
ngx_conductor_detach(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_conductor_detach_request;

    ngx_conductor_detach_request(r);

    return NGX_DONE;
}


/*
 * Also called when a subrequest has ended: if it failed, nginx has taken the
 * events of the connection for the request.
 */

static void
ngx_conductor_detach_request(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    c->read->handler = ngx_conductor_detach_read;
    c->write->handler = ngx_conductor_detach_write;

    ngx_post_event(c->write, &ngx_posted_events);
}


/* What arrives stays in the socket until the session reads it. */

static void
ngx_conductor_detach_read(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {
        ngx_conductor_detach_fail(c->data, NGX_HTTP_CLOSE);
    }
}


static void
ngx_conductor_detach_write(ngx_event_t *wev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = wev->data;
    r = c->data;

    if (wev->timedout && (c->buffered || r->out)) {
        c->timedout = 1;
        ngx_conductor_detach_fail(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    wev->timedout = 0;

    rc = ngx_conductor_detach_flushed(r);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK || c->error) {
        ngx_conductor_detach_fail(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return;
    }

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (r->count != 1) {
        ngx_add_timer(wev, NGX_CONDUCTOR_DETACH_WAIT);
        return;
    }

    ngx_conductor_detach_now(r);
}


static void
ngx_conductor_detach_fail(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->error = 1;

    ngx_http_finalize_request(r, rc);

    /* the request's end is one of them: nobody below us runs it */

    ngx_http_run_posted_requests(c);
}


/* Is the 101 in the socket?  NGX_OK, NGX_AGAIN or NGX_ERROR. */

static ngx_int_t
ngx_conductor_detach_flushed(ngx_http_request_t *r)
{
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;

    if (!c->buffered && r->out == NULL) {
        return NGX_OK;
    }

    if (ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (!c->buffered && r->out == NULL) {
        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!c->write->timer_set) {
        ngx_add_timer(c->write, clcf->send_timeout);
    }

    if (ngx_handle_write_event(c->write, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_conductor_detach_now(ngx_http_request_t *r)
{
    size_t                    len;
    u_char                   *data;
    ngx_buf_t                *b;
    u_char                   *refused;
    ngx_connection_t         *c;
    ngx_conductor_ctx_t      *ctx;
    ngx_http_connection_t    *hc;
    ngx_conductor_session_t  *s;
    u_char                    text[NGX_CONDUCTOR_REFUSAL_TEXT];

    c = r->connection;
    hc = r->http_connection;

    /* frames that came with the handshake */

    b = r->header_in;
    len = b->last - b->pos;
    data = NULL;

    if (len) {
        data = ngx_alloc(len, c->log);

        if (data == NULL) {
            ngx_conductor_detach_fail(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

        ngx_memcpy(data, b->pos, len);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    s = ctx->session;
    refused = ctx->refused ? ngx_conductor_refusal_text(text, ctx) : NULL;
    ctx->session = NULL;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_http_free_request(r, 0);

    c->destroyed = 0;

    ngx_conductor_session_start(s, c);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor session: %uz bytes came with the handshake", len);

    ngx_conductor_detach_pool(c, hc);

    ngx_conductor_detach_begin(s, refused, data, len);

    if (data) {
        ngx_free(data);
    }
}


static void
ngx_conductor_detach_pool(ngx_connection_t *c, ngx_http_connection_t *hc)
{
#if (NGX_HTTP_SSL)

    ngx_chain_t  *cl;

    if (c->ssl) {
        for (cl = hc->busy; cl; cl = cl->next) {
            (void) ngx_pfree(c->pool, cl->buf->start);
        }

        for (cl = hc->free; cl; cl = cl->next) {
            (void) ngx_pfree(c->pool, cl->buf->start);
        }

        hc->busy = NULL;
        hc->free = NULL;

        if (c->buffer) {
            (void) ngx_pfree(c->pool, c->buffer->start);
            c->buffer = NULL;
        }

        ngx_ssl_free_buffer(c);

        SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE
                                         |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        return;
    }

#endif

    ngx_destroy_pool(c->pool);

    c->pool = NULL;
    c->buffer = NULL;
    c->sockaddr = NULL;
    c->socklen = 0;
    c->local_sockaddr = NULL;
    c->proxy_protocol = NULL;
    ngx_str_null(&c->addr_text);
}


/* Who missed nothing gets events from here on. */

static void
ngx_conductor_detach_native(ngx_conductor_session_t *s)
{
    if (s->replay) {
        ngx_conductor_resume_begin(s);
    }

    s->live_seq = s->hub->cursor.seq;

    ngx_conductor_session_welcome(s);

    if (ngx_conductor_group_join(s, s->hub->policy->defaults, NULL) != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return;
    }

    if (s->replay && !s->replay->holding) {
        ngx_conductor_replay_start(s);
    }
}


/* The first turn of a session: what it is told, and what it said already. */

static void
ngx_conductor_detach_begin(ngx_conductor_session_t *s, u_char *refused,
    u_char *data, size_t len)
{
    ngx_connection_t  *c;

    c = s->connection;

    s->hold = 1;

    if (c->tcp_nodelay == NGX_TCP_NODELAY_UNSET
        && ngx_tcp_nodelay(c) != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);

    } else if (refused) {
        ngx_conductor_session_close(s, s->code, (char *) refused);

    } else if (ngx_conductor_backend_connect(s, data, len) == NGX_AGAIN) {
        ngx_conductor_detach_drain(s);
        len = 0;

    } else {
        ngx_conductor_detach_welcome(s);
    }

    ngx_conductor_detach_heard(s, data, len);

    s->hold = 0;

    ngx_conductor_session_turn(s);
}


/* It is welcome, says a back end; within a turn of the session. */

void
ngx_conductor_detach_go(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, u_char *data, size_t len)
{
    ngx_conductor_detach_welcome(s);

    if (s->state == NGX_CONDUCTOR_OPEN) {
        (void) ngx_conductor_answer_apply(s, answer);
    }

    ngx_conductor_detach_heard(s, data, len);
}


static void
ngx_conductor_detach_welcome(ngx_conductor_session_t *s)
{
    if (s->conf->protocol == NGX_CONDUCTOR_NATIVE) {
        ngx_conductor_detach_native(s);
    }

    if (s->state == NGX_CONDUCTOR_OPEN
        && ngx_conductor_control_begin(s) == NGX_OK)
    {
        ngx_conductor_session_arm(s);
    }

    ngx_conductor_detach_drain(s);
}


static void
ngx_conductor_detach_drain(ngx_conductor_session_t *s)
{
    if (!s->draining && (ngx_exiting || ngx_conductor_draining(s->hub))) {
        ngx_conductor_session_drain(s);
    }
}


static void
ngx_conductor_detach_heard(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    ngx_connection_t  *c;

    c = s->connection;

    if (len && s->state != NGX_CONDUCTOR_DEAD) {
        ngx_conductor_frame_feed(s, data, len);
    }

    if (s->state == NGX_CONDUCTOR_DEAD) {
        return;
    }

    if (ngx_conductor_connecting(s)) {
        ngx_conductor_session_arm(s);
        ngx_conductor_connect_look(s);

    } else if (c->read->ready) {
        ngx_conductor_frame_read(s);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }
}
