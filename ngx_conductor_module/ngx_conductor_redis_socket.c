/* hiredis on nginx's events. */

#include "ngx_conductor_link.h"

#include <openssl/err.h>


static redisAsyncContext *ngx_conductor_socket_context(char *text,
    ngx_uint_t port);
static void ngx_conductor_socket_detach(ngx_conductor_socket_t *s);
static void ngx_conductor_socket_readable(ngx_event_t *rev);
static void ngx_conductor_socket_writable(ngx_event_t *wev);
static void ngx_conductor_socket_add_read(void *data);
static void ngx_conductor_socket_del_read(void *data);
static void ngx_conductor_socket_add_write(void *data);
static void ngx_conductor_socket_del_write(void *data);
static void ngx_conductor_socket_cleanup(void *data);


/* To an address, or with port 0 to a Unix socket. */

ngx_int_t
ngx_conductor_socket_open(ngx_conductor_socket_t *s, char *text,
    ngx_uint_t port, ngx_log_t *log)
{
    ngx_connection_t   *c;
    redisAsyncContext  *ac;

    ac = ngx_conductor_socket_context(text, port);

    s->ac = ac;
    s->reader.refused = NULL;

    if (ac == NULL || ac->err) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(ac->c.fd, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->data = s;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_conductor_socket_readable;
    c->write->handler = ngx_conductor_socket_writable;

    s->connection = c;

    ngx_conductor_reader_init(&s->reader, ac);

    ac->ev.data = s;
    ac->ev.addRead = ngx_conductor_socket_add_read;
    ac->ev.delRead = ngx_conductor_socket_del_read;
    ac->ev.addWrite = ngx_conductor_socket_add_write;
    ac->ev.delWrite = ngx_conductor_socket_del_write;
    ac->ev.cleanup = ngx_conductor_socket_cleanup;

    return NGX_OK;
}


/*
 * hiredis keeps a context that has failed until it is closed here: the owner's
 * pointer to it stays good, though it takes no more commands.
 */

static redisAsyncContext *
ngx_conductor_socket_context(char *text, ngx_uint_t port)
{
    redisOptions  options;

    ngx_memzero(&options, sizeof(redisOptions));

    if (port) {
        REDIS_OPTIONS_SET_TCP(&options, text, (int) port);

        /* an address: nothing is looked up for it */

        options.options |= ngx_strchr(text, ':') ? REDIS_OPT_PREFER_IPV6 : 0;

    } else {
        REDIS_OPTIONS_SET_UNIX(&options, text);
    }

    options.options |= REDIS_OPT_NOAUTOFREE;

    return redisAsyncConnectWithOptions(&options);
}


void
ngx_conductor_socket_close(ngx_conductor_socket_t *s)
{
    redisAsyncContext  *ac;

    ac = s->ac;

    ngx_conductor_socket_detach(s);

    s->ac = NULL;
    s->ssl = NULL;

    if (ac == NULL) {
        return;
    }

    /* it may be freed only when its callback has returned */

    ngx_memzero(&ac->ev, sizeof(ac->ev));

    redisAsyncFree(ac);
}


/* The descriptor is hiredis' to close. */

static void
ngx_conductor_socket_detach(ngx_conductor_socket_t *s)
{
    ngx_connection_t  *c;

    c = s->connection;

    if (c == NULL) {
        return;
    }

    s->connection = NULL;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


/* Nothing is looked at after hiredis: a callback may have closed it. */

static void
ngx_conductor_socket_readable(ngx_event_t *rev)
{
    ngx_connection_t        *c;
    ngx_conductor_socket_t  *s;

    c = rev->data;
    s = c->data;

    if (ngx_conductor_reader_look(&s->reader) != NGX_OK) {
        ngx_conductor_socket_cleanup(s);
        return;
    }

    s->reader.came = ngx_current_msec;

    ERR_clear_error();
    redisAsyncHandleRead(s->ac);
}


static void
ngx_conductor_socket_writable(ngx_event_t *wev)
{
    ngx_connection_t        *c;
    ngx_conductor_socket_t  *s;

    c = wev->data;
    s = c->data;

    ERR_clear_error();
    redisAsyncHandleWrite(s->ac);
}


static void
ngx_conductor_socket_add_read(void *data)
{
    ngx_conductor_socket_t *s = data;

    if (s->connection && !s->connection->read->active) {
        (void) ngx_add_event(s->connection->read, NGX_READ_EVENT,
                             NGX_LEVEL_EVENT);
    }
}


static void
ngx_conductor_socket_del_read(void *data)
{
    ngx_conductor_socket_t *s = data;

    if (s->connection && s->connection->read->active) {
        (void) ngx_del_event(s->connection->read, NGX_READ_EVENT, 0);
    }
}


static void
ngx_conductor_socket_add_write(void *data)
{
    ngx_conductor_socket_t *s = data;

    if (s->connection && !s->connection->write->active) {
        (void) ngx_add_event(s->connection->write, NGX_WRITE_EVENT,
                             NGX_LEVEL_EVENT);
    }
}


static void
ngx_conductor_socket_del_write(void *data)
{
    ngx_conductor_socket_t *s = data;

    if (s->connection && s->connection->write->active) {
        (void) ngx_del_event(s->connection->write, NGX_WRITE_EVENT, 0);
    }
}


/* hiredis has given the connection up. */

static void
ngx_conductor_socket_cleanup(void *data)
{
    ngx_conductor_socket_t *s = data;

    ngx_conductor_socket_detach(s);

    s->gone(s);
}
