/* One connection to Redis or Sentinel: name, socket, TLS, login, probes. */

#include "ngx_conductor_link.h"


#define NGX_CONDUCTOR_PEER_POLL  5          /* ms, for a name */


static void ngx_conductor_peer_locate(ngx_conductor_peer_t *peer);
static ngx_uint_t ngx_conductor_peer_numeric(u_char *host);
static void ngx_conductor_peer_lookup(ngx_conductor_peer_t *peer);
static void ngx_conductor_peer_connect(ngx_conductor_peer_t *peer);
static void ngx_conductor_peer_connected(const redisAsyncContext *ac,
    int status);
static void ngx_conductor_peer_login(ngx_conductor_peer_t *peer);
static ngx_int_t ngx_conductor_peer_auth(ngx_conductor_peer_t *peer);
static void ngx_conductor_peer_reply(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_peer_pong(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_conductor_peer_gone(ngx_conductor_socket_t *s);
static void ngx_conductor_peer_why(ngx_conductor_peer_t *peer);
static void ngx_conductor_peer_event(ngx_event_t *ev);
static void ngx_conductor_peer_timer(ngx_event_t *ev);
static void ngx_conductor_peer_release(ngx_conductor_peer_t *peer);


void
ngx_conductor_peer_init(ngx_conductor_peer_t *peer,
    ngx_conductor_redis_conf_t *conf, ngx_str_t *name,
    ngx_conductor_peer_pt handler, void *data, ngx_log_t *log)
{
    ngx_memzero(peer, sizeof(ngx_conductor_peer_t));

    peer->data = data;
    peer->conf = conf;
    peer->log = log;
    peer->ident = -1;
    peer->handler = handler;
    peer->name = name;

    peer->timer.handler = ngx_conductor_peer_timer;
    peer->timer.data = peer;
    peer->timer.log = log;
    peer->timer.cancelable = 1;

    peer->event.handler = ngx_conductor_peer_event;
    peer->event.data = peer;
    peer->event.log = log;

    peer->socket.gone = ngx_conductor_peer_gone;
    peer->socket.data = peer;
}


void
ngx_conductor_peer_open(ngx_conductor_peer_t *peer,
    ngx_conductor_place_t *place)
{
    ngx_conductor_peer_close(peer);

    peer->place = *place;

    ngx_conductor_peer_locate(peer);
}


void
ngx_conductor_peer_beside(ngx_conductor_peer_t *peer,
    ngx_conductor_peer_t *other)
{
    ngx_conductor_peer_close(peer);

    peer->place = other->place;

    ngx_memcpy(peer->found[0], other->found[other->at - 1],
               NGX_CONDUCTOR_PEER_TEXT);

    peer->nfound = 1;
    peer->at = 0;

    ngx_conductor_peer_connect(peer);
}


void
ngx_conductor_peer_close(ngx_conductor_peer_t *peer)
{
    ngx_conductor_peer_release(peer);

    peer->state = NGX_CONDUCTOR_PEER_CLOSED;
}


/* What comes first is why. */

void
ngx_conductor_peer_fail(ngx_conductor_peer_t *peer, const char *reason)
{
    if (peer->state == NGX_CONDUCTOR_PEER_CLOSED) {
        return;
    }

    if (!peer->failed) {
        peer->failed = 1;
        ngx_cpystrn(peer->reason, (u_char *) reason,
                    NGX_CONDUCTOR_PEER_REASON);
    }

    if (!peer->event.posted) {
        ngx_post_event(&peer->event, &ngx_posted_events);
    }
}


void
ngx_conductor_peer_probe(ngx_conductor_peer_t *peer, ngx_uint_t quiet)
{
    ngx_msec_t               silent;
    ngx_conductor_reader_t  *reader;

    if (peer->state != NGX_CONDUCTOR_PEER_READY || peer->failed) {
        return;
    }

    reader = &peer->socket.reader;

    if (quiet && peer->socket.ac->replies.head == NULL) {
        reader->heard = ngx_current_msec;
        return;
    }

    (void) ngx_conductor_reader_look(reader);

    silent = ngx_current_msec - reader->heard;

    if (silent >= NGX_CONDUCTOR_REDIS_DEAD && (quiet || peer->probing)) {
        ngx_conductor_peer_fail(peer, "it does not answer any more");
        return;
    }

    if (!quiet && !peer->probing
        && silent >= NGX_CONDUCTOR_REDIS_PROBE
        && redisAsyncCommand(peer->socket.ac, ngx_conductor_peer_pong, peer,
                             "PING")
           == REDIS_OK)
    {
        peer->probing = 1;
    }
}


static void
ngx_conductor_peer_locate(ngx_conductor_peer_t *peer)
{
    peer->at = 0;
    peer->nfound = 0;

    if (peer->place.port == 0 || ngx_conductor_peer_numeric(peer->place.host)) {

        if (peer->place.port) {
            ngx_cpystrn((u_char *) peer->found[0], peer->place.host,
                        NGX_CONDUCTOR_PEER_TEXT);
        }

        peer->nfound = 1;
        ngx_conductor_peer_connect(peer);

        return;
    }

    peer->state = NGX_CONDUCTOR_PEER_LOOKUP;
    peer->deadline = ngx_current_msec + NGX_CONDUCTOR_PEER_TRY;
    peer->lookup = ngx_conductor_lookup(peer->place.host);

    if (peer->lookup == NULL) {
        ngx_conductor_peer_fail(peer, "the system is slow to look up names");
        return;
    }

    ngx_add_timer(&peer->timer, NGX_CONDUCTOR_PEER_POLL);
}


static ngx_uint_t
ngx_conductor_peer_numeric(u_char *host)
{
    struct in_addr   in;
    struct in6_addr  in6;

    return inet_pton(AF_INET, (char *) host, &in) == 1
           || inet_pton(AF_INET6, (char *) host, &in6) == 1
           || ngx_strchr(host, '%');
}


/* A name server may take its time, and is looked after now and then. */

static void
ngx_conductor_peer_lookup(ngx_conductor_peer_t *peer)
{
    ngx_int_t    rc;
    const char  *reason;

    reason = "its name is not looked up in time";
    rc = ngx_conductor_lookup_result(peer->lookup, peer->found,
                                     &peer->nfound, &reason);

    if (rc == NGX_AGAIN
        && (ngx_msec_int_t) (peer->deadline - ngx_current_msec) > 0)
    {
        ngx_add_timer(&peer->timer, NGX_CONDUCTOR_PEER_POLL);
        return;
    }

    ngx_conductor_lookup_leave(peer->lookup);
    peer->lookup = NULL;

    if (rc != NGX_OK) {
        ngx_conductor_peer_fail(peer, reason);
        return;
    }

    ngx_conductor_peer_connect(peer);
}


/* To the next address of it. */

static void
ngx_conductor_peer_connect(ngx_conductor_peer_t *peer)
{
    char                    *text;
    ngx_conductor_socket_t  *s;

    s = &peer->socket;
    text = peer->place.port ? peer->found[peer->at] : (char *) peer->place.host;

    peer->at++;
    peer->failed = 0;
    peer->probing = 0;
    peer->state = NGX_CONDUCTOR_PEER_CONNECT;

    if (ngx_conductor_socket_open(s, text, peer->place.port, peer->log)
        != NGX_OK)
    {
        ngx_conductor_peer_fail(peer, s->ac && s->ac->err
                                          ? s->ac->errstr
                                          : "no memory or connection for it");
        return;
    }

    s->ac->data = peer;

    if (redisAsyncSetConnectCallback(s->ac, ngx_conductor_peer_connected)
        != REDIS_OK)
    {
        ngx_conductor_peer_fail(peer, "hiredis failed");
        return;
    }

    ngx_add_timer(&peer->timer, NGX_CONDUCTOR_PEER_TRY);
}


static void
ngx_conductor_peer_connected(const redisAsyncContext *ac, int status)
{
    const char            *reason;
    ngx_conductor_peer_t  *peer;

    peer = ac->data;

    if (status != REDIS_OK) {

        /* "gone" is called next */

        return;
    }

    if (peer->conf->tls) {
        reason = ngx_conductor_redis_tls_begin(&peer->socket, peer->conf,
                                               peer->place.host);
        if (reason) {
            ngx_conductor_peer_fail(peer, reason);
            return;
        }
    }

    ngx_conductor_peer_login(peer);
}


static void
ngx_conductor_peer_login(ngx_conductor_peer_t *peer)
{
    redisAsyncContext  *ac;

    ac = peer->socket.ac;

    peer->state = NGX_CONDUCTOR_PEER_LOGIN;

    if (ngx_conductor_peer_auth(peer) != NGX_OK) {
        goto failed;
    }

    if (!peer->sentinel && peer->conf->database
        && redisAsyncCommand(ac, ngx_conductor_peer_reply, peer, "SELECT %d",
                             (int) peer->conf->database)
           != REDIS_OK)
    {
        goto failed;
    }

    /* for people who look at CLIENT LIST; it may be forbidden */

    if (redisAsyncCommand(ac, NULL, NULL, "CLIENT SETNAME conductor:%b",
                          peer->name->data, peer->name->len)
        != REDIS_OK)
    {
        goto failed;
    }

    if (redisAsyncCommand(ac, ngx_conductor_peer_pong, peer, "PING")
        == REDIS_OK)
    {
        return;
    }

failed:

    ngx_conductor_peer_fail(peer, "no memory to log in");
}


static ngx_int_t
ngx_conductor_peer_auth(ngx_conductor_peer_t *peer)
{
    int           n;
    size_t        len[3];
    ngx_str_t    *user, *password;
    const char   *arg[3];

    user = peer->sentinel ? &peer->conf->sentinel_user : &peer->conf->user;
    password = peer->sentinel ? &peer->conf->sentinel_password
                              : &peer->conf->password;

    if (user->len == 0 && password->len == 0) {
        return NGX_OK;
    }

    arg[0] = "AUTH";
    len[0] = 4;
    n = 1;

    if (user->len) {
        arg[n] = (char *) user->data;
        len[n++] = user->len;
    }

    arg[n] = password->len ? (char *) password->data : "";
    len[n++] = password->len;

    return redisAsyncCommandArgv(peer->socket.ac, ngx_conductor_peer_reply,
                                 peer, n, arg, len)
           == REDIS_OK ? NGX_OK : NGX_ERROR;
}


/* Without a reply the connection is gone, and the peer perhaps, too. */

static void
ngx_conductor_peer_reply(redisAsyncContext *ac, void *reply, void *data)
{
    redisReply *r = reply;

    if (r && r->type == REDIS_REPLY_ERROR) {
        ngx_conductor_peer_fail(data, r->str);
    }
}


/* The end of the login, or a sign of life. */

static void
ngx_conductor_peer_pong(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_conductor_peer_t *peer = data;

    if (reply == NULL) {
        return;
    }

    ngx_conductor_peer_reply(ac, reply, data);

    peer->probing = 0;

    if (peer->state == NGX_CONDUCTOR_PEER_LOGIN && !peer->failed
        && !peer->event.posted)
    {
        ngx_post_event(&peer->event, &ngx_posted_events);
    }
}


static void
ngx_conductor_peer_gone(ngx_conductor_socket_t *s)
{
    ngx_conductor_peer_why(s->data);
}


static void
ngx_conductor_peer_why(ngx_conductor_peer_t *peer)
{
    const char         *reason;
    redisAsyncContext  *ac;

    ac = peer->socket.ac;
    reason = peer->socket.reader.refused;

    if (reason == NULL) {
        reason = ngx_conductor_redis_tls_reason(&peer->socket);
    }

    if (reason == NULL) {
        reason = ac->errstr && ac->errstr[0] ? ac->errstr
                                             : "the connection is lost";
    }

    ngx_conductor_peer_fail(peer, reason);
}


/* It has failed, or is ready. */

static void
ngx_conductor_peer_event(ngx_event_t *ev)
{
    ngx_conductor_peer_t  *peer;

    peer = ev->data;

    if (!peer->failed) {

        if (peer->timer.timer_set) {
            ngx_del_timer(&peer->timer);
        }

        peer->state = NGX_CONDUCTOR_PEER_READY;
        peer->handler(peer, NULL);

        return;
    }

    if (peer->state != NGX_CONDUCTOR_PEER_READY) {
        ngx_conductor_peer_release(peer);

        if (peer->at < peer->nfound) {
            ngx_conductor_peer_connect(peer);
            return;
        }
    }

    peer->handler(peer, (char *) peer->reason);
}


static void
ngx_conductor_peer_timer(ngx_event_t *ev)
{
    ngx_conductor_peer_t  *peer;

    peer = ev->data;

    if (peer->lookup) {
        ngx_conductor_peer_lookup(peer);
        return;
    }

    ngx_conductor_peer_fail(peer,
                            peer->state == NGX_CONDUCTOR_PEER_CONNECT
                                ? "connecting takes too long"
                                : "it does not answer");
}


static void
ngx_conductor_peer_release(ngx_conductor_peer_t *peer)
{
    if (peer->timer.timer_set) {
        ngx_del_timer(&peer->timer);
    }

    if (peer->event.posted) {
        ngx_delete_posted_event(&peer->event);
    }

    if (peer->lookup) {
        ngx_conductor_lookup_leave(peer->lookup);
        peer->lookup = NULL;
    }

    ngx_conductor_socket_close(&peer->socket);

    peer->failed = 0;
}
