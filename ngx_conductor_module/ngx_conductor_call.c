/*
 * A call of a location of this server, on behalf of no request.
 *
 * nginx's upstreams need a request, and a request needs a connection: both are
 * made up.  The connection's descriptor is an eventfd that all calls of a
 * process share and nobody waits for.  Its request does nothing but have a
 * subrequest, which goes to the location and keeps the answer in memory, and
 * ends with it.
 */

#include "ngx_conductor_call.h"

#include <sys/eventfd.h>


struct ngx_conductor_call_s {
    ngx_conductor_hub_t          *hub;
    ngx_connection_t             *connection; /* NULL: the request is over */
    ngx_http_request_t           *subrequest;
    ngx_conductor_call_pt         handler;    /* NULL: cancelled */
    void                         *data;
    ngx_event_t                   timer;
    ngx_event_t                   done;
    uint64_t                      start;      /* us */
    ngx_conductor_answer_t        answer;     /* the body: on the heap */
};


/* nginx takes what a log has for the first of these. */

typedef struct {
    ngx_http_log_ctx_t            http;
    ngx_conductor_hub_t          *hub;
    ngx_str_t                     id;         /* of the client's connection */
} ngx_conductor_call_log_t;


static ngx_connection_t *ngx_conductor_call_connection(
    ngx_conductor_call_conf_t *conf);
static ngx_int_t ngx_conductor_call_connect(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static ngx_int_t ngx_conductor_call_addresses(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static ngx_int_t ngx_conductor_call_log(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static u_char *ngx_conductor_call_log_error(ngx_log_t *log, u_char *buf,
    size_t len);
static ngx_http_request_t *ngx_conductor_call_request(
    ngx_conductor_call_conf_t *conf, ngx_connection_t *c);
static ngx_int_t ngx_conductor_call_body(ngx_http_request_t *r,
    ngx_str_t *body);
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


static int  ngx_conductor_call_fd = -1;


static ngx_str_t  ngx_conductor_call_names[] = {
    ngx_string("ok"),
    ngx_string("failed"),
    ngx_string("timeout"),
    ngx_string("too_big")
};


static ngx_str_t  ngx_conductor_call_post = ngx_string("POST");
static ngx_str_t  ngx_conductor_call_http = ngx_string("HTTP/1.1");


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

    c = ngx_conductor_call_connection(conf);
    if (c == NULL) {
        ngx_free(call);
        return NULL;
    }

    r = ngx_conductor_call_request(conf, c);
    if (r == NULL) {
        ngx_http_close_connection(c);
        ngx_free(call);
        return NULL;
    }

    call->hub = conf->hub;
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


ngx_str_t *
ngx_conductor_call_name(ngx_conductor_call_e outcome)
{
    return &ngx_conductor_call_names[outcome];
}


static ngx_connection_t *
ngx_conductor_call_connection(ngx_conductor_call_conf_t *conf)
{
    ngx_connection_t  *c;

    if (ngx_conductor_call_fd == -1) {
        ngx_conductor_call_fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (ngx_conductor_call_fd == -1) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                          "conductor: eventfd() failed");
            return NULL;
        }
    }

    c = ngx_get_connection(ngx_conductor_call_fd, ngx_cycle->log);
    if (c == NULL) {
        return NULL;
    }

    c->shared = 1;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    c->pool = ngx_create_pool(conf->server->connection_pool_size,
                              ngx_cycle->log);

    if (c->pool == NULL) {
        ngx_close_connection(c);

#if (NGX_STAT_STUB)
        (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif

        return NULL;
    }

    if (ngx_conductor_call_connect(conf, c) != NGX_OK) {
        c->log = ngx_cycle->log;
        ngx_http_close_connection(c);
        return NULL;
    }

    return c;
}


/* What a request looks for in its connection. */

static ngx_int_t
ngx_conductor_call_connect(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c)
{
    ngx_http_connection_t  *hc;

    hc = ngx_pcalloc(c->pool, sizeof(ngx_http_connection_t));
    c->buffer = ngx_calloc_buf(c->pool);

    if (hc == NULL || c->buffer == NULL
        || ngx_conductor_call_addresses(conf, c) != NGX_OK
        || ngx_conductor_call_log(conf, c) != NGX_OK)
    {
        return NGX_ERROR;
    }

    hc->conf_ctx = conf->server->ctx;

    c->data = hc;
    c->log_error = NGX_ERROR_INFO;
    c->start_time = ngx_current_msec;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    /* as if the descriptor were waited for: nobody adds it */

    c->read->active = 1;
    c->read->log = c->log;
    c->read->handler = ngx_conductor_call_event;

    c->write->active = 1;
    c->write->log = c->log;
    c->write->handler = ngx_conductor_call_event;

    return NGX_OK;
}


/* The client's, as far as it is known; the server's is told to be local. */

static ngx_int_t
ngx_conductor_call_addresses(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c)
{
    ngx_addr_t           addr;
    struct sockaddr_in  *sin;

    sin = ngx_pcalloc(c->pool, sizeof(struct sockaddr_in));
    if (sin == NULL) {
        return NGX_ERROR;
    }

    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->local_sockaddr = (struct sockaddr *) sin;
    c->local_socklen = sizeof(struct sockaddr_in);
    c->sockaddr = c->local_sockaddr;
    c->socklen = c->local_socklen;

    if (conf->address.len == 0) {
        ngx_str_set(&c->addr_text, "127.0.0.1");
        return NGX_OK;
    }

    c->addr_text.data = ngx_pstrdup(c->pool, &conf->address);
    if (c->addr_text.data == NULL) {
        return NGX_ERROR;
    }

    c->addr_text.len = conf->address.len;

    if (ngx_parse_addr(c->pool, &addr, c->addr_text.data, c->addr_text.len)
        == NGX_OK)
    {
        c->sockaddr = addr.sockaddr;
        c->socklen = addr.socklen;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_call_log(ngx_conductor_call_conf_t *conf, ngx_connection_t *c)
{
    ngx_log_t                 *log;
    ngx_conductor_call_log_t  *ctx;

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    ctx = ngx_pcalloc(c->pool, sizeof(ngx_conductor_call_log_t));

    if (log == NULL || ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->http.connection = c;
    ctx->hub = conf->hub;

    if (conf->connection.len) {
        ctx->id.data = ngx_pstrdup(c->pool, &conf->connection);

        if (ctx->id.data == NULL) {
            return NGX_ERROR;
        }

        ctx->id.len = conf->connection.len;
    }

    *log = *ngx_cycle->log;

    log->connection = c->number;
    log->handler = ngx_conductor_call_log_error;
    log->data = ctx;
    log->action = "calling a back end";

    c->log = log;
    c->pool->log = log;

    return NGX_OK;
}


static u_char *
ngx_conductor_call_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                    *p, *last;
    ngx_http_request_t        *r;
    ngx_conductor_call_log_t  *ctx;

    ctx = log->data;
    r = ctx->http.request;
    last = buf + len;
    p = buf;

    if (log->action) {
        p = ngx_slprintf(p, last, " while %s", log->action);
    }

    p = ngx_slprintf(p, last, ", hub: \"%V\", client: %V", &ctx->hub->name,
                     &ctx->http.connection->addr_text);

    if (ctx->id.len) {
        p = ngx_slprintf(p, last, ", connection: %V", &ctx->id);
    }

    if (r) {
        p = r->log_handler(r, ctx->http.current_request, p, last - p);
    }

    return p;
}


static ngx_http_request_t *
ngx_conductor_call_request(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c)
{
    u_char              *p;
    ngx_http_request_t  *r;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        return NULL;
    }

    c->data = r;
    r->logged = 1;

    if (conf->quiet && c->log->log_level < NGX_LOG_DEBUG) {
        c->log->log_level = ngx_min(c->log->log_level, NGX_LOG_CRIT);
    }

    r->unparsed_uri.data = ngx_pstrdup(r->pool, &conf->uri);

    if (r->unparsed_uri.data == NULL
        || ngx_list_init(&r->headers_in.headers, r->pool, 2,
                         sizeof(ngx_table_elt_t))
           != NGX_OK
        || ngx_conductor_call_body(r, &conf->body) != NGX_OK)
    {
        ngx_http_free_request(r, 0);
        return NULL;
    }

    r->unparsed_uri.len = conf->uri.len;
    r->uri = r->unparsed_uri;

    p = ngx_strlchr(r->uri.data, r->uri.data + r->uri.len, '?');

    if (p) {
        r->args.data = p + 1;
        r->args.len = r->uri.data + r->uri.len - (p + 1);
        r->uri.len = p - r->uri.data;
    }

    r->method = NGX_HTTP_POST;
    r->method_name = ngx_conductor_call_post;
    r->http_version = NGX_HTTP_VERSION_11;
    r->http_protocol = ngx_conductor_call_http;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->valid_location = 1;
    r->write_event_handler = ngx_conductor_call_wake;

    return r;
}


static ngx_int_t
ngx_conductor_call_body(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_buf_t                *b;
    ngx_table_elt_t          *h;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    b = ngx_create_temp_buf(r->pool, ngx_max(body->len, 1));
    h = ngx_list_push(&r->headers_in.headers);

    if (rb == NULL || b == NULL || h == NULL) {
        return NGX_ERROR;
    }

    rb->bufs = ngx_alloc_chain_link(r->pool);
    if (rb->bufs == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, body->data, body->len);
    b->last_buf = 1;

    rb->bufs->buf = b;
    rb->bufs->next = NULL;
    rb->buf = b;

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    ngx_str_set(&h->key, "Content-Type");
    ngx_str_set(&h->value, "application/json");
    h->lowcase_key = (u_char *) "content-type";
    h->hash = 1;

    r->headers_in.content_type = h;
    r->headers_in.content_length_n = body->len;
    r->request_body = rb;

    return NGX_OK;
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

    } else if (rc == NGX_ERROR && status / 100 == 2) {

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
