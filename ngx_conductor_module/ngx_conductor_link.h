/* What the files of the connections to Redis share. */

#ifndef NGX_CONDUCTOR_LINK_H_INCLUDED
#define NGX_CONDUCTOR_LINK_H_INCLUDED


#include "ngx_conductor_redis.h"

#include <hiredis/hiredis.h>
#include <hiredis/async.h>


#define NGX_CONDUCTOR_PEER_TRY     3000     /* ms for one address */
#define NGX_CONDUCTOR_PEER_FOUND   8        /* addresses of a name */
#define NGX_CONDUCTOR_PEER_TEXT    64       /* of an address, with a zone */
#define NGX_CONDUCTOR_PEER_HOST    256
#define NGX_CONDUCTOR_PEER_REASON  192


/* Where one is, as the configuration or another Redis has it. */

typedef struct {
    u_char                        host[NGX_CONDUCTOR_PEER_HOST];
    in_port_t                     port;     /* 0: host is a path */
} ngx_conductor_place_t;


/*
 * ngx_conductor_redis_address.c: names, in threads.
 *
 * A lookup begins at once; NULL without memory, or if too many threads are
 * still waiting for the system.  Its result: NGX_AGAIN, NGX_OK with at least
 * one address as text, NGX_ERROR with a reason.  A lookup is left in any case;
 * a thread that still waits ends by itself.
 */

typedef struct ngx_conductor_lookup_s  ngx_conductor_lookup_t;

ngx_conductor_lookup_t *ngx_conductor_lookup(u_char *name);
ngx_int_t ngx_conductor_lookup_result(ngx_conductor_lookup_t *l,
    char found[][NGX_CONDUCTOR_PEER_TEXT], ngx_uint_t *n,
    const char **reason);
void ngx_conductor_lookup_leave(ngx_conductor_lookup_t *l);


/*
 * ngx_conductor_redis_reader.c: what hiredis reads.
 *
 * An answer takes at most NGX_CONDUCTOR_REDIS_ANSWER bytes of memory, and is of
 * a form that hiredis can bear; what is not is refused, which hiredis takes
 * for a lack of memory.
 */

typedef struct {
    redisAsyncContext            *ac;
    redisReplyObjectFunctions     own;
    const redisReplyObjectFunctions  *given;
    uint64_t                      begun;    /* answers, */
    uint64_t                      whole;    /* and those that are there */
    size_t                        size;     /* of the one that has begun */
    size_t                        seen;     /* of it, and what is not read */
    ngx_msec_t                    came;     /* when it was readable */
    ngx_msec_t                    heard;    /* when it said something */
    const char                   *refused;  /* why; NULL: it was not */
} ngx_conductor_reader_t;

void ngx_conductor_reader_init(ngx_conductor_reader_t *r,
    redisAsyncContext *ac);

/* Before there is more to read, and once a second: NGX_ERROR, it is refused.
 * "heard" is right then. */

ngx_int_t ngx_conductor_reader_look(ngx_conductor_reader_t *r);

/* Was it for its size? */

ngx_uint_t ngx_conductor_reader_is_large(ngx_conductor_reader_t *r);


/*
 * ngx_conductor_redis_socket.c: hiredis on nginx's events.
 *
 * "gone" is called while hiredis is at it, and only once: with the socket's
 * "ac" still there, which takes no more commands.
 */

typedef struct ngx_conductor_socket_s  ngx_conductor_socket_t;

struct ngx_conductor_socket_s {
    redisAsyncContext            *ac;
    ngx_connection_t             *connection;
    ngx_conductor_reader_t        reader;
    void                        (*gone)(ngx_conductor_socket_t *s);
    void                         *data;
    struct ssl_st                *ssl;      /* NULL: without TLS */
};

/* NGX_ERROR without a connection or memory; the context then stays NULL, or
 * has an error, and is to be closed. */

ngx_int_t ngx_conductor_socket_open(ngx_conductor_socket_t *s, char *text,
    ngx_uint_t port, ngx_log_t *log);

/* Whatever waits for a reply is called with NULL. */

void ngx_conductor_socket_close(ngx_conductor_socket_t *s);


/*
 * ngx_conductor_redis_tls.c
 *
 * After it was connected: NULL, or why it cannot be.  And why it was in vain
 * later; NULL if it was not for TLS.
 */

const char *ngx_conductor_redis_tls_begin(ngx_conductor_socket_t *s,
    ngx_conductor_redis_conf_t *conf, u_char *host);
const char *ngx_conductor_redis_tls_reason(ngx_conductor_socket_t *s);


/*
 * ngx_conductor_redis_peer.c: a connection to one Redis, or Sentinel: found by
 * its name, connected, and logged in.
 *
 * The handler is called with a reason of NULL when it is, and with a reason
 * when it could not be had, or is lost ("state" is still what it was then); it
 * is to be closed then.  Never while hiredis is at it, and nothing is touched
 * when it has returned.
 */

typedef struct ngx_conductor_peer_s  ngx_conductor_peer_t;

typedef void (*ngx_conductor_peer_pt)(ngx_conductor_peer_t *peer,
    const char *reason);

typedef enum {
    NGX_CONDUCTOR_PEER_CLOSED = 0,
    NGX_CONDUCTOR_PEER_LOOKUP,
    NGX_CONDUCTOR_PEER_CONNECT,
    NGX_CONDUCTOR_PEER_LOGIN,
    NGX_CONDUCTOR_PEER_READY
} ngx_conductor_peer_e;

struct ngx_conductor_peer_s {

    /* a timer of an nginx with debugging looks at the fourth word */

    void                         *data;     /* the owner's */
    ngx_conductor_redis_conf_t   *conf;
    ngx_log_t                    *log;
    ngx_int_t                     ident;

    ngx_conductor_peer_pt         handler;
    ngx_str_t                    *name;     /* that Redis is told */
    ngx_uint_t                    sentinel; /* unsigned sentinel:1 */

    ngx_conductor_peer_e          state;
    ngx_conductor_place_t         place;
    char                          found[NGX_CONDUCTOR_PEER_FOUND]
                                       [NGX_CONDUCTOR_PEER_TEXT];
    ngx_uint_t                    nfound;
    ngx_uint_t                    at;       /* the next one */
    ngx_conductor_lookup_t       *lookup;
    ngx_conductor_socket_t        socket;
    ngx_msec_t                    deadline;
    ngx_event_t                   timer;
    ngx_event_t                   event;    /* posted: failed, or ready */
    u_char                        reason[NGX_CONDUCTOR_PEER_REASON];
    unsigned                      failed:1;
    unsigned                      probing:1;
};

void ngx_conductor_peer_init(ngx_conductor_peer_t *peer,
    ngx_conductor_redis_conf_t *conf, ngx_str_t *name,
    ngx_conductor_peer_pt handler, void *data, ngx_log_t *log);

void ngx_conductor_peer_open(ngx_conductor_peer_t *peer,
    ngx_conductor_place_t *place);

/* To where another one is connected. */

void ngx_conductor_peer_beside(ngx_conductor_peer_t *peer,
    ngx_conductor_peer_t *other);

/* The handler is not called any more. */

void ngx_conductor_peer_close(ngx_conductor_peer_t *peer);

/* It is of no use: the handler is called, soon. */

void ngx_conductor_peer_fail(ngx_conductor_peer_t *peer, const char *reason);

/* Once a second: asks for a sign of life if there was none of late.  With
 * "quiet" it does not ask, but looks whether what others asked is answered. */

void ngx_conductor_peer_probe(ngx_conductor_peer_t *peer, ngx_uint_t quiet);


/* The link of a hub. */

#define NGX_CONDUCTOR_LINK_FIRST   100      /* ms until the second round */
#define NGX_CONDUCTOR_LINK_STEPS   6        /* doubled so often */
#define NGX_CONDUCTOR_LINK_GOOD    5000     /* up for so long: all is well */
#define NGX_CONDUCTOR_LINK_TICK    1000     /* ms */
#define NGX_CONDUCTOR_LINK_SEEDS   32
#define NGX_CONDUCTOR_LINK_TOLD    4        /* reasons */
#define NGX_CONDUCTOR_LINK_HOPS    5        /* from node to node of a cluster */

/* What a round of attempts has come to at best. */

typedef enum {
    NGX_CONDUCTOR_LINK_NOTHING = 0,
    NGX_CONDUCTOR_LINK_SENTINEL,            /* one was asked */
    NGX_CONDUCTOR_LINK_CONNECT,
    NGX_CONDUCTOR_LINK_LOGIN,
    NGX_CONDUCTOR_LINK_CHECK                /* it is not one to work with */
} ngx_conductor_link_e;

typedef struct {

    /* as of a peer: a timer looks at the fourth word */

    ngx_conductor_link_t         *link;
    ngx_conductor_redis_conf_t   *conf;
    ngx_log_t                    *log;
    ngx_int_t                     ident;

    ngx_str_t                     name;
    const ngx_conductor_link_handlers_t  *handlers;
    void                         *data;

    ngx_conductor_peer_t          commands;
    ngx_conductor_peer_t          reader;
    ngx_conductor_peer_t          subscriber;
    ngx_conductor_peer_t          sentinel;

    ngx_event_t                   timer;    /* the next round, or the limit
                                               of what is being asked */
    ngx_event_t                   tick;
    ngx_event_t                   again;    /* the subscriber is made anew */
    ngx_event_t                   event;    /* posted: answers are there */

    /* a round of attempts */

    ngx_conductor_place_t         seeds[NGX_CONDUCTOR_LINK_SEEDS];
    ngx_uint_t                    nseeds;
    ngx_uint_t                    seed;     /* of this attempt */
    ngx_uint_t                    tries;    /* of this round */
    ngx_uint_t                    hops;
    ngx_uint_t                    asked;    /* answers that are to come */
    ngx_conductor_place_t         target;   /* what another one has named */
    ngx_conductor_place_t         dead;     /* the last that was no good */
    ngx_uint_t                    best;     /* ngx_conductor_link_e */
    u_char                        reason[NGX_CONDUCTOR_KEEPER_TEXT];
    uint32_t                      told[NGX_CONDUCTOR_LINK_TOLD];
                                            /* hashes of the last reasons */
    ngx_uint_t                    ntold;
    u_char                        error[NGX_CONDUCTOR_PEER_REASON];
                                            /* of a check */
    ngx_uint_t                    failures; /* rounds in a row */
    ngx_uint_t                    deaf;     /* times in a row that the
                                               subscriber was lost, */
    u_char                        missed[NGX_CONDUCTOR_KEEPER_TEXT];
                                            /* why, */
    ngx_msec_t                    hears;    /* and since when it is there */
    ngx_msec_t                    began;    /* the round */
    ngx_msec_t                    up_since;
    ngx_uint_t                    watch;    /* Sentinel that is asked */
    unsigned                      waiting:1;      /* for the next round */
    unsigned                      master:1;
    unsigned                      moved:1;  /* go to the target */
    unsigned                      other:1;  /* Sentinel names another one */
} ngx_conductor_link_own_t;


/*
 * ngx_conductor_redis_link.c: one of those beside the first has come, or has
 * failed.  A reason with the place that it is about, for people.
 */

void ngx_conductor_link_beside(ngx_conductor_peer_t *peer,
    const char *reason);
void ngx_conductor_link_text(u_char *buf, ngx_conductor_place_t *place,
    const char *reason);


/*
 * ngx_conductor_redis_subscriber.c: the handler of the subscriber, and of the
 * timer after which it is made anew.
 */

void ngx_conductor_link_subscriber(ngx_conductor_peer_t *peer,
    const char *reason);
void ngx_conductor_link_again(ngx_event_t *ev);


/*
 * ngx_conductor_redis_find.c: which one is it?
 *
 * Asks Sentinel for the master, or the one that was found whether it is one,
 * and has the keys of the hub.  The answers are there when "asked" is 0; then
 * "event" is posted.
 */

ngx_int_t ngx_conductor_find_ask(ngx_conductor_link_own_t *own);
ngx_int_t ngx_conductor_find_check(ngx_conductor_link_own_t *own);

/* "text" is an error: where it leads to; NGX_OK or NGX_DECLINED. */

ngx_int_t ngx_conductor_find_moved(ngx_conductor_link_own_t *own,
    const char *text);


/*
 * ngx_conductor_redis_watch.c: once a second, and with an error as an answer:
 * is it still one to work with?
 */

void ngx_conductor_link_tick(ngx_event_t *ev);


#endif /* NGX_CONDUCTOR_LINK_H_INCLUDED */
