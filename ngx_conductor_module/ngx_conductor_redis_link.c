/* The connections to the Redis of a hub: up together, and down together. */

#include "ngx_conductor_link.h"

#include <poll.h>


static void ngx_conductor_link_peers(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_begin(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_try(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_schedule(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_asker(ngx_conductor_peer_t *peer,
    const char *reason);
static void ngx_conductor_link_commands(ngx_conductor_peer_t *peer,
    const char *reason);
static void ngx_conductor_link_close_all(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_checked(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_up(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_lost(ngx_conductor_link_own_t *own,
    ngx_conductor_peer_t *peer, const char *reason);
static void ngx_conductor_link_down(ngx_conductor_link_own_t *own);
static void ngx_conductor_link_event(ngx_event_t *ev);
static void ngx_conductor_link_timer(ngx_event_t *ev);
static void ngx_conductor_link_next(ngx_conductor_link_own_t *own,
    ngx_uint_t stage, ngx_conductor_place_t *place, const char *reason);
static void ngx_conductor_link_go(ngx_conductor_link_own_t *own);


ngx_conductor_link_t *
ngx_conductor_link_open(ngx_conductor_redis_conf_t *conf, ngx_str_t *name,
    const ngx_conductor_link_handlers_t *handlers, void *data, ngx_log_t *log)
{
    ngx_conductor_link_t      *link;
    ngx_conductor_link_own_t  *own;

    link = ngx_calloc(sizeof(ngx_conductor_link_t)
                      + sizeof(ngx_conductor_link_own_t), log);
    if (link == NULL) {
        return NULL;
    }

    own = (ngx_conductor_link_own_t *) &link[1];
    link->own = own;

    own->link = link;
    own->conf = conf;
    own->log = log;
    own->ident = -1;
    own->name = *name;
    own->handlers = handlers;
    own->data = data;

    ngx_conductor_link_peers(own);

    own->timer.handler = ngx_conductor_link_timer;
    own->timer.data = own;
    own->timer.log = log;
    own->timer.cancelable = 1;

    own->tick = own->timer;
    own->tick.handler = ngx_conductor_link_tick;

    own->again = own->timer;
    own->again.handler = ngx_conductor_link_again;

    own->event = own->timer;
    own->event.handler = ngx_conductor_link_event;

    own->waiting = 1;

    ngx_add_timer(&own->timer, 1);
    ngx_add_timer(&own->tick, NGX_CONDUCTOR_LINK_TICK);

    return link;
}


static void
ngx_conductor_link_peers(ngx_conductor_link_own_t *own)
{
    ngx_str_t                   *host;
    ngx_uint_t                   i;
    ngx_conductor_redis_addr_t  *addr;

    ngx_conductor_peer_init(&own->commands, own->conf, &own->name,
                            ngx_conductor_link_commands, own, own->log);
    ngx_conductor_peer_init(&own->reader, own->conf, &own->name,
                            ngx_conductor_link_beside, own, own->log);
    ngx_conductor_peer_init(&own->subscriber, own->conf, &own->name,
                            ngx_conductor_link_subscriber, own, own->log);
    ngx_conductor_peer_init(&own->sentinel, own->conf, &own->name,
                            ngx_conductor_link_asker, own, own->log);

    own->sentinel.sentinel = 1;

    addr = own->conf->addrs.elts;
    own->nseeds = ngx_min(own->conf->addrs.nelts, NGX_CONDUCTOR_LINK_SEEDS);

    for (i = 0; i < own->nseeds; i++) {
        host = addr[i].path.len ? &addr[i].path : &addr[i].host;

        ngx_cpystrn(own->seeds[i].host, host->data,
                    ngx_min(host->len + 1, NGX_CONDUCTOR_PEER_HOST));

        own->seeds[i].port = addr[i].path.len ? 0 : addr[i].port;
    }
}


void
ngx_conductor_link_close(ngx_conductor_link_t *link)
{
    ngx_conductor_link_own_t  *own;

    own = link->own;

    link->up = 0;

    ngx_conductor_link_close_all(own);

    if (own->timer.timer_set) {
        ngx_del_timer(&own->timer);
    }

    if (own->tick.timer_set) {
        ngx_del_timer(&own->tick);
    }

    if (own->event.posted) {
        ngx_delete_posted_event(&own->event);
    }

    ngx_free(link);
}


void
ngx_conductor_link_flush(ngx_conductor_link_t *link, ngx_msec_t ms)
{
    ngx_msec_t          begun;
    struct pollfd       pfd;
    redisAsyncContext  *ac;

    ac = link->commands;
    begun = ngx_current_msec;

    if (!link->up || ac == NULL) {
        return;
    }

    pfd.fd = ac->c.fd;
    pfd.events = POLLOUT;

    for ( ;; ) {
        redisAsyncHandleWrite(ac);

        if (!link->up || ac->err || ac->c.obuf[0] == '\0'
            || ngx_current_msec - begun >= ms
            || poll(&pfd, 1, (int) (ms - (ngx_current_msec - begun))) == -1)
        {
            return;
        }

        ngx_time_update();
    }
}


/* A round of attempts: all places, from the last good one on. */

static void
ngx_conductor_link_begin(ngx_conductor_link_own_t *own)
{
    own->waiting = 0;
    own->began = ngx_current_msec;
    own->tries = 0;
    own->best = NGX_CONDUCTOR_LINK_NOTHING;
    own->dead.host[0] = '\0';

    if (own->moved) {
        own->hops = 0;
        ngx_conductor_link_go(own);
        return;
    }

    ngx_conductor_link_try(own);
}


static void
ngx_conductor_link_try(ngx_conductor_link_own_t *own)
{
    own->hops = 0;

    ngx_conductor_peer_open(own->conf->sentinel.len ? &own->sentinel
                                                    : &own->commands,
                            &own->seeds[own->seed]);
}


/* To what another one has named. */

static void
ngx_conductor_link_go(ngx_conductor_link_own_t *own)
{
    own->moved = 0;

    if (++own->hops > NGX_CONDUCTOR_LINK_HOPS) {
        ngx_conductor_link_next(own, NGX_CONDUCTOR_LINK_CHECK, &own->target,
                                "one names the other, and never itself");
        return;
    }

    if (own->target.port == own->dead.port
        && ngx_strcmp(own->target.host, own->dead.host) == 0)
    {
        ngx_conductor_link_next(own, NGX_CONDUCTOR_LINK_NOTHING, NULL, NULL);
        return;
    }

    ngx_conductor_peer_open(&own->commands, &own->target);
}


/* The attempt has failed: the next place, or the next round. */

static void
ngx_conductor_link_next(ngx_conductor_link_own_t *own, ngx_uint_t stage,
    ngx_conductor_place_t *place, const char *reason)
{
    if (own->timer.timer_set) {
        ngx_del_timer(&own->timer);
    }

    ngx_conductor_link_close_all(own);

    own->moved = 0;

    if (place) {
        own->dead = *place;
    }

    if (stage > own->best) {
        own->best = stage;
        ngx_conductor_link_text(own->reason, place, reason);
    }

    own->seed = (own->seed + 1) % own->nseeds;

    if (++own->tries < own->nseeds) {
        ngx_conductor_link_try(own);
        return;
    }

    own->failures++;
    ngx_conductor_link_schedule(own);
    ngx_conductor_link_down(own);
}


/*
 * Twice as late each time, and at last every five seconds, which is also how
 * often one is tried that comes up and goes down: less, by chance, so that
 * servers do not come all at once.
 */

static void
ngx_conductor_link_schedule(ngx_conductor_link_own_t *own)
{
    ngx_msec_t      delay;
    ngx_msec_int_t  left;

    delay = NGX_CONDUCTOR_LINK_FIRST;

    if (own->failures) {
        delay <<= ngx_min(own->failures - 1, NGX_CONDUCTOR_LINK_STEPS);
        delay = ngx_min(delay, NGX_CONDUCTOR_REDIS_RETRY);
    }

    delay = delay / 2 + ngx_random() % (delay / 2);
    left = (ngx_msec_int_t) (own->began + delay - ngx_current_msec);

    own->waiting = 1;

    ngx_add_timer(&own->timer,
                  (ngx_msec_t) ngx_max(left, NGX_CONDUCTOR_LINK_FIRST / 2));
}


/* Sentinel: while an attempt is made, and then all the time. */

static void
ngx_conductor_link_asker(ngx_conductor_peer_t *peer, const char *reason)
{
    ngx_uint_t                 up;
    ngx_conductor_place_t      place;
    ngx_conductor_link_own_t  *own;

    own = peer->data;
    place = peer->place;
    up = (own->commands.state != NGX_CONDUCTOR_PEER_CLOSED);

    if (reason == NULL && ngx_conductor_find_ask(own) == NGX_OK) {

        if (!up) {
            ngx_add_timer(&own->timer, NGX_CONDUCTOR_PEER_TRY);
        }

        return;
    }

    if (up) {
        ngx_conductor_peer_close(peer);
        return;
    }

    ngx_conductor_link_next(own, NGX_CONDUCTOR_LINK_SENTINEL, &place,
                            reason ? reason : "no memory to ask it");
}


static void
ngx_conductor_link_commands(ngx_conductor_peer_t *peer, const char *reason)
{
    ngx_conductor_link_own_t  *own;

    own = peer->data;

    if (reason) {
        ngx_conductor_link_lost(own, peer, reason);
        return;
    }

    if (ngx_conductor_find_check(own) != NGX_OK) {
        ngx_conductor_link_lost(own, peer, "no memory to ask it");
        return;
    }

    ngx_add_timer(&own->timer, NGX_CONDUCTOR_PEER_TRY);
}


void
ngx_conductor_link_beside(ngx_conductor_peer_t *peer, const char *reason)
{
    ngx_conductor_link_own_t  *own;

    own = peer->data;

    if (reason) {
        ngx_conductor_link_lost(own, peer, reason);
        return;
    }

    if (own->reader.state == NGX_CONDUCTOR_PEER_READY
        && own->subscriber.state == NGX_CONDUCTOR_PEER_READY)
    {
        ngx_conductor_link_up(own);
    }
}


static void
ngx_conductor_link_close_all(ngx_conductor_link_own_t *own)
{
    if (own->again.timer_set) {
        ngx_del_timer(&own->again);
    }

    ngx_conductor_peer_close(&own->commands);
    ngx_conductor_peer_close(&own->reader);
    ngx_conductor_peer_close(&own->subscriber);
    ngx_conductor_peer_close(&own->sentinel);
}


/* It is the right one: the others beside it. */

static void
ngx_conductor_link_checked(ngx_conductor_link_own_t *own)
{
    const char  *reason;

    reason = own->error[0] ? (char *) own->error
             : own->moved || own->master ? NULL
             : "it is a replica";

    if (reason) {
        ngx_conductor_link_lost(own, &own->commands, reason);
        return;
    }

    if (own->moved) {
        ngx_conductor_peer_close(&own->commands);
        ngx_conductor_link_go(own);
        return;
    }

    ngx_conductor_peer_beside(&own->reader, &own->commands);
    ngx_conductor_peer_beside(&own->subscriber, &own->commands);
}


static void
ngx_conductor_link_up(ngx_conductor_link_own_t *own)
{
    ngx_conductor_link_t  *link;

    link = own->link;

    link->commands = own->commands.socket.ac;
    link->reader = own->reader.socket.ac;
    link->subscriber = own->subscriber.socket.ac;
    link->up = 1;

    link->large = 0;

    own->deaf = 0;
    own->hears = ngx_current_msec;
    own->up_since = ngx_current_msec;
    own->ntold = 0;

    own->handlers->up(own->data);
}


/* One of the connections, and so all of them. */

static void
ngx_conductor_link_lost(ngx_conductor_link_own_t *own,
    ngx_conductor_peer_t *peer, const char *reason)
{
    ngx_uint_t             stage;
    ngx_conductor_place_t  place;

    place = peer->place;

    stage = (peer->state == NGX_CONDUCTOR_PEER_READY)
            ? NGX_CONDUCTOR_LINK_CHECK
            : (peer->state == NGX_CONDUCTOR_PEER_LOGIN)
              ? NGX_CONDUCTOR_LINK_LOGIN
              : NGX_CONDUCTOR_LINK_CONNECT;

    if (!own->link->up) {
        ngx_conductor_link_next(own, stage, &place, reason);
        return;
    }

    own->link->up = 0;
    own->link->commands = NULL;
    own->link->reader = NULL;
    own->link->subscriber = NULL;

    if (ngx_current_msec - own->up_since >= NGX_CONDUCTOR_LINK_GOOD) {
        own->failures = 0;
    } else {
        own->failures++;
    }

    ngx_conductor_link_text(own->reason, &place, reason);

    own->link->large = (peer == &own->reader
                        && ngx_conductor_reader_is_large(
                                                   &peer->socket.reader));

    ngx_conductor_link_close_all(own);

    if (own->event.posted) {
        ngx_delete_posted_event(&own->event);
    }

    own->began = ngx_current_msec;
    ngx_conductor_link_schedule(own);

    ngx_conductor_link_down(own);
}


/*
 * A reason that was told of late is not told again, as several may take turns;
 * nothing is touched behind the handler.
 */

static void
ngx_conductor_link_down(ngx_conductor_link_own_t *own)
{
    uint32_t    hash;
    ngx_uint_t  i;

    hash = ngx_crc32_short(own->reason, ngx_strlen(own->reason));

    for (i = 0; i < ngx_min(own->ntold, NGX_CONDUCTOR_LINK_TOLD); i++) {
        if (own->told[i] == hash) {
            return;
        }
    }

    own->told[own->ntold++ % NGX_CONDUCTOR_LINK_TOLD] = hash;

    own->handlers->down(own->data, (char *) own->reason);
}


/* What was asked is answered. */

static void
ngx_conductor_link_event(ngx_event_t *ev)
{
    ngx_conductor_place_t      place;
    ngx_conductor_link_own_t  *own;

    own = ev->data;

    if (own->link->up) {

        if (own->other && own->moved) {
            own->moved = 0;
            ngx_conductor_peer_fail(&own->commands,
                                    "Sentinel names another master");
        }

        return;
    }

    if (own->timer.timer_set) {
        ngx_del_timer(&own->timer);
    }

    if (own->commands.state == NGX_CONDUCTOR_PEER_READY) {
        ngx_conductor_link_checked(own);
        return;
    }

    if (own->error[0]) {
        place = own->sentinel.place;
        ngx_conductor_link_next(own, NGX_CONDUCTOR_LINK_SENTINEL, &place,
                                (char *) own->error);
        return;
    }

    ngx_conductor_link_go(own);
}


/* The next round, or an answer that does not come. */

static void
ngx_conductor_link_timer(ngx_event_t *ev)
{
    ngx_conductor_link_own_t  *own;

    own = ev->data;

    if (own->waiting) {
        ngx_conductor_link_begin(own);
        return;
    }

    ngx_conductor_peer_fail(own->commands.state == NGX_CONDUCTOR_PEER_READY
                                ? &own->commands : &own->sentinel,
                            "it does not answer");
}


void
ngx_conductor_link_text(u_char *buf, ngx_conductor_place_t *place,
    const char *reason)
{
    u_char  *p, *q, *last;

    last = buf + NGX_CONDUCTOR_KEEPER_TEXT - 1;

    p = ngx_slprintf(buf, last, "%s", place->host);

    /* which Sentinel may have said, or Cluster */

    for (q = buf; q < p; q++) {
        if (*q < ' ' || *q == 0x7f) {
            *q = '?';
        }
    }

    if (place->port) {
        p = ngx_slprintf(p, last, ":%ui", (ngx_uint_t) place->port);
    }

    p = ngx_slprintf(p, last, ": %s", reason);
    *p = '\0';
}
