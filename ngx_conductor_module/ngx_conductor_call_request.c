/*
 * What a call is made of.
 *
 * nginx's upstreams need a request, and a request needs a connection: both are
 * made up.  The connection's descriptor is an eventfd that all calls of a
 * process share and nobody waits for.
 */

#include "ngx_conductor_call.h"

#include <sys/eventfd.h>


/* nginx takes what a log has for the first of these. */

typedef struct {
    ngx_http_log_ctx_t            http;
    ngx_conductor_hub_t          *hub;
    ngx_str_t                     id;         /* of the client's connection */
} ngx_conductor_call_log_t;


static ngx_int_t ngx_conductor_call_connect(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static ngx_int_t ngx_conductor_call_addresses(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static ngx_int_t ngx_conductor_call_log(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c);
static u_char *ngx_conductor_call_log_error(ngx_log_t *log, u_char *buf,
    size_t len);
static ngx_int_t ngx_conductor_call_line(ngx_conductor_call_conf_t *conf,
    ngx_http_request_t *r);
static ngx_int_t ngx_conductor_call_body(ngx_http_request_t *r,
    ngx_str_t *body);


static int  ngx_conductor_call_fd = -1;

static ngx_str_t  ngx_conductor_call_post = ngx_string("POST");
static ngx_str_t  ngx_conductor_call_http = ngx_string("HTTP/1.1");


ngx_connection_t *
ngx_conductor_call_connection(ngx_conductor_call_conf_t *conf,
    ngx_event_handler_pt handler)
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

    c->read->handler = handler;
    c->write->handler = handler;

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
    c->write->active = 1;
    c->write->log = c->log;

    return NGX_OK;
}


/* The client's, as far as it is known; the server's is told to be local. */

static ngx_int_t
ngx_conductor_call_addresses(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c)
{
    ngx_addr_t           addr;
    struct sockaddr_in  *sin;
    struct sockaddr_un  *sun;

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

    if (ngx_strncmp(c->addr_text.data, "unix:",
                    ngx_min(c->addr_text.len, sizeof("unix:") - 1))
        == 0)
    {
        sun = ngx_pcalloc(c->pool, sizeof(struct sockaddr_un));
        if (sun == NULL) {
            return NGX_ERROR;
        }

        sun->sun_family = AF_UNIX;

        c->sockaddr = (struct sockaddr *) sun;
        c->socklen = offsetof(struct sockaddr_un, sun_path);

        return NGX_OK;
    }

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


ngx_http_request_t *
ngx_conductor_call_request(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c, ngx_http_event_handler_pt handler)
{
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

    if (ngx_conductor_call_line(conf, r) != NGX_OK
        || ngx_list_init(&r->headers_in.headers, r->pool, 2,
                         sizeof(ngx_table_elt_t))
           != NGX_OK
        || ngx_conductor_call_body(r, &conf->body) != NGX_OK)
    {
        ngx_http_free_request(r, 0);
        return NULL;
    }

    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->valid_location = 1;
    r->write_event_handler = handler;

    return r;
}


/* The request's line, as variables and logs have it. */

static ngx_int_t
ngx_conductor_call_line(ngx_conductor_call_conf_t *conf,
    ngx_http_request_t *r)
{
    u_char  *p;

    r->method = NGX_HTTP_POST;
    r->method_name = ngx_conductor_call_post;
    r->http_version = NGX_HTTP_VERSION_11;
    r->http_protocol = ngx_conductor_call_http;

    r->request_line.len = r->method_name.len + conf->uri.len
                          + r->http_protocol.len + 2;
    r->request_line.data = ngx_pnalloc(r->pool, r->request_line.len);

    if (r->request_line.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(r->request_line.data, "%V %V %V", &r->method_name,
                       &conf->uri, &r->http_protocol);

    r->unparsed_uri.data = r->request_line.data + r->method_name.len + 1;
    r->unparsed_uri.len = conf->uri.len;
    r->uri = r->unparsed_uri;

    p = ngx_strlchr(r->uri.data, r->uri.data + r->uri.len, '?');

    if (p) {
        r->args.data = p + 1;
        r->args.len = r->uri.data + r->uri.len - (p + 1);
        r->uri.len = p - r->uri.data;
    }

    /* $host: the server's name, or one that is not empty */

    if (conf->server->server_name.len == 0) {
        ngx_str_set(&r->headers_in.server, "localhost");
    }

    return NGX_OK;
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
