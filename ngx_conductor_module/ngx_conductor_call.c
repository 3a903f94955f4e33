/*
 * A call of a location of this server, on behalf of no request.
 *
 * A request that is made up does nothing but have a subrequest, which goes to
 * the location and keeps the answer in memory, and ends with it.
 */

#include "ngx_conductor_call.h"


struct ngx_conductor_call_s {
    ngx_connection_t             *connection; /* NULL: the request is over */
    ngx_http_request_t           *subrequest;
    ngx_conductor_call_pt         handler;    /* NULL: cancelled */
    void                         *data;
    ngx_event_t                   timer;
    ngx_event_t                   done;
    uint64_t                      start;      /* us */
    ngx_conductor_answer_t        answer;     /* the body: on the heap */
};


static ngx_int_t ngx_conductor_call_start(ngx_conductor_call_t *call,
    ngx_http_request_t *r);
static ngx_int_t ngx_conductor_call_answered(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);
static void ngx_conductor_call_wake(ngx_http_request_t *r);
static ngx_conductor_call_e ngx_conductor_call_outcome(
    ngx_http_request_t *sr);
static void ngx_conductor_call_take(ngx_conductor_call_t *call);
static void ngx_conductor_call_event(ngx_event_t *ev);
static void ngx_conductor_call_timer(ngx_event_t *ev);
static void ngx_conductor_call_end(ngx_connection_t *c);
static void ngx_conductor_call_cleanup(void *data);
static void ngx_conductor_call_done(ngx_event_t *ev);
static void ngx_conductor_call_free(ngx_conductor_call_t *call);


ngx_conductor_call_t *
ngx_conductor_call(ngx_conductor_call_conf_t *conf)
{
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_conductor_call_t  *call;

    call = ngx_calloc(sizeof(ngx_conductor_call_t), ngx_cycle->log);
    if (call == NULL) {
        return NULL;
    }

    c = ngx_conductor_call_connection(conf, ngx_conductor_call_event);
    if (c == NULL) {
        ngx_free(call);
        return NULL;
    }

    r = ngx_conductor_call_request(conf, c, ngx_conductor_call_wake);
    if (r == NULL) {
        ngx_http_close_connection(c);
        ngx_free(call);
        return NULL;
    }

    call->data = conf->data;
    call->start = ngx_conductor_clock();
    call->answer.outcome = NGX_CONDUCTOR_CALL_FAILED;

    call->done.handler = ngx_conductor_call_done;
    call->done.data = call;
    call->done.log = ngx_cycle->log;

    call->timer.handler = ngx_conductor_call_timer;
    call->timer.data = c;
    call->timer.log = c->log;

    if (ngx_conductor_call_start(call, r) != NGX_OK) {
        return NULL;
    }

    call->handler = conf->handler;

    ngx_add_timer(&call->timer, conf->timeout);

    /* it may be over behind this */

    ngx_http_run_posted_requests(c);

    return call;
}


void
ngx_conductor_call_cancel(ngx_conductor_call_t *call)
{
    call->handler = NULL;

    if (call->connection) {
        ngx_conductor_call_end(call->connection);
        return;
    }

    ngx_delete_posted_event(&call->done);
    ngx_conductor_call_free(call);
}


/* After an error all of it is freed. */

static ngx_int_t
ngx_conductor_call_start(ngx_conductor_call_t *call, ngx_http_request_t *r)
{
    ngx_connection_t            *c;
    ngx_http_cleanup_t          *cln;
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    c = r->connection;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ps == NULL || cln == NULL) {
        goto failed;
    }

    ps->handler = ngx_conductor_call_answered;
    ps->data = call;

    if (ngx_http_subrequest(r, &r->uri, &r->args, &sr, ps,
                            NGX_HTTP_SUBREQUEST_IN_MEMORY
                            |NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        goto failed;
    }

    sr->method = r->method;
    sr->method_name = r->method_name;

    call->connection = c;
    call->subrequest = sr;

    cln->handler = ngx_conductor_call_cleanup;
    cln->data = call;

    return NGX_OK;

failed:

    ngx_http_free_request(r, 0);
    ngx_http_close_connection(c);
    ngx_free(call);

    return NGX_ERROR;
}


/* It may be called again, for the page of an error: the last call counts. */

static ngx_int_t
ngx_conductor_call_answered(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_uint_t             status;
    ngx_conductor_call_t  *call;

    call = data;
    status = (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? (ngx_uint_t) rc
                                               : sr->headers_out.status;

    call->answer.status = status;

    if (call->answer.outcome == NGX_CONDUCTOR_CALL_TIMEOUT) {
        return rc;
    }

    if (status == NGX_HTTP_GATEWAY_TIME_OUT) {
        call->answer.outcome = NGX_CONDUCTOR_CALL_TIMEOUT;

    } else if ((rc == NGX_ERROR || sr->connection->error)
               && status / 100 == 2)
    {
        /* what keeps it in memory has refused it */

        call->answer.outcome = NGX_CONDUCTOR_CALL_TOO_BIG;
    }

    return rc;
}


/* The subrequest has ended. */

static void
ngx_conductor_call_wake(ngx_http_request_t *r)
{
    ngx_http_cleanup_t    *cln;
    ngx_conductor_call_t  *call;

    call = NULL;

    for (cln = r->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_conductor_call_cleanup) {
            call = cln->data;
        }
    }

    if (call == NULL || !call->subrequest->done) {
        return;
    }

    if (call->handler && call->answer.status / 100 == 2) {
        call->answer.outcome = ngx_conductor_call_outcome(call->subrequest);

        if (call->answer.outcome == NGX_CONDUCTOR_CALL_OK) {
            ngx_conductor_call_take(call);
        }
    }

    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
}


/*
 * Is an answer of status 2xx whole?  nginx ends a subrequest as if it were
 * when its memory is too small, and when the upstream goes away in the middle.
 */

static ngx_conductor_call_e
ngx_conductor_call_outcome(ngx_http_request_t *sr)
{
    ngx_event_pipe_t     *p;
    ngx_http_upstream_t  *u;

    u = sr->upstream;

    if (u == NULL || sr->cached) {
        return NGX_CONDUCTOR_CALL_OK;
    }

    if (!u->buffering || u->pipe == NULL) {
        return (u->length > 0) ? NGX_CONDUCTOR_CALL_FAILED
                               : NGX_CONDUCTOR_CALL_OK;
    }

    p = u->pipe;

    if (p->downstream_error) {
        return NGX_CONDUCTOR_CALL_TOO_BIG;
    }

    if (p->upstream_error || (!p->upstream_done && p->length > 0)) {
        return NGX_CONDUCTOR_CALL_FAILED;
    }

    return NGX_CONDUCTOR_CALL_OK;
}


/* The answer's body, out of the request's memory. */

static void
ngx_conductor_call_take(ngx_conductor_call_t *call)
{
    size_t      len;
    u_char     *p;
    ngx_buf_t  *b;

    if (call->subrequest->out == NULL || call->subrequest->out->buf == NULL) {
        return;
    }

    b = call->subrequest->out->buf;
    len = b->last - b->pos;

    if (len == 0) {
        return;
    }

    p = ngx_alloc(len, ngx_cycle->log);

    if (p == NULL) {
        call->answer.outcome = NGX_CONDUCTOR_CALL_FAILED;
        return;
    }

    ngx_memcpy(p, b->pos, len);

    call->answer.body.data = p;
    call->answer.body.len = len;
}


/* As nginx' own handler of both events of a connection. */

static void
ngx_conductor_call_event(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    if (c->close) {

        /* worker_shutdown_timeout */

        ngx_conductor_call_end(c);
        return;
    }

    if (ev->delayed && ev->timedout) {
        ev->delayed = 0;
        ev->timedout = 0;
    }

    if (ev->write) {
        r->write_event_handler(r);

    } else {
        r->read_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_conductor_call_timer(ngx_event_t *ev)
{
    ngx_conductor_call_t  *call;

    call = (ngx_conductor_call_t *)
               ((u_char *) ev - offsetof(ngx_conductor_call_t, timer));

    call->answer.outcome = NGX_CONDUCTOR_CALL_TIMEOUT;

    /* who made the call says so, once */

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, call->connection->log, 0,
                   "conductor call: it took too long");

    ngx_conductor_call_end(call->connection);
}


static void
ngx_conductor_call_end(ngx_connection_t *c)
{
    ngx_http_request_t  *r;

    r = c->data;

    ngx_http_finalize_request(r->main, NGX_HTTP_CLOSE);
    ngx_http_run_posted_requests(c);
}


static void
ngx_conductor_call_cleanup(void *data)
{
    ngx_connection_t      *c;
    ngx_conductor_call_t  *call;

    call = data;
    c = call->connection;

    /* nothing is to be done with the descriptor, which is no socket */

    c->timedout = 0;
    c->read->active = 0;
    c->write->active = 0;

    if (call->timer.timer_set) {
        ngx_del_timer(&call->timer);
    }

    /* a request that is blocked goes on for a while */

    call->subrequest->post_subrequest = NULL;

    call->connection = NULL;
    call->subrequest = NULL;

    if (call->handler == NULL) {
        ngx_conductor_call_free(call);
        return;
    }

    ngx_post_event(&call->done, &ngx_posted_events);
}


static void
ngx_conductor_call_done(ngx_event_t *ev)
{
    ngx_conductor_call_t  *call;

    call = ev->data;

    call->answer.us = ngx_conductor_clock() - call->start;

    call->handler(call->data, &call->answer);

    ngx_conductor_call_free(call);
}


static void
ngx_conductor_call_free(ngx_conductor_call_t *call)
{
    if (call->answer.body.data) {
        ngx_free(call->answer.body.data);
    }

    ngx_free(call);
}
