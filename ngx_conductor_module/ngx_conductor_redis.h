/*
 * Redis: how the keeper of a hub reaches it, and what it does there.
 *
 *   _redis_conf      the directive, and beside it _redis_url, _redis_option,
 *                    _redis_context
 *   _redis_address   names, in a thread, and lists of addresses
 *   _redis_socket    hiredis on nginx's events
 *   _redis_reader    what it may read
 *   _redis_tls       TLS
 *   _redis_peer      one connection: found, connected, logged in
 *   _redis_find      which Redis it is: what Sentinel, Cluster and it say
 *   _redis_link      the connections to the Redis of a hub: coming up,
 *                    going down, trying again
 *   _redis_subscriber  the one of them that may be lost alone
 *
 *   _join            what the keeper does once they are up
 */

#ifndef NGX_CONDUCTOR_REDIS_H_INCLUDED
#define NGX_CONDUCTOR_REDIS_H_INCLUDED


#include "ngx_conductor.h"


#define NGX_CONDUCTOR_REDIS_PROBE   2000    /* ms between probes */
#define NGX_CONDUCTOR_REDIS_DEAD    8000    /* ms without any answer */
#define NGX_CONDUCTOR_REDIS_RETRY   5000    /* ms at most until the next try */
#define NGX_CONDUCTOR_REDIS_ANSWER  (64 * 1024 * 1024)
                                            /* bytes of an answer */


/* Where Redis may be. */

typedef struct {
    ngx_str_t                     host;     /* a name or an address */
    in_port_t                     port;
    ngx_str_t                     path;     /* a Unix socket; then no host */
} ngx_conductor_redis_addr_t;


/* As configured: directive "redis". */

typedef struct ngx_conductor_redis_conf_s  ngx_conductor_redis_conf_t;

struct ngx_conductor_redis_conf_s {
    ngx_array_t                   addrs;    /* ngx_conductor_redis_addr_t */
    ngx_str_t                     user;     /* len 0: none */
    ngx_str_t                     password; /* likewise; not in workers */
    ngx_uint_t                    database;

    ngx_str_t                     sentinel; /* name of the master; len 0: the
                                               addresses are Redis' own */
    ngx_str_t                     sentinel_user;
    ngx_str_t                     sentinel_password;
    ngx_flag_t                    cluster;

    ngx_flag_t                    tls;
    ngx_str_t                     ca;       /* file; len 0: the system's */
    ngx_str_t                     cert;
    ngx_str_t                     key;
    ngx_str_t                     tls_name; /* that its certificate has; len
                                               0: the host's */
    ngx_flag_t                    verify;
    struct ssl_ctx_st            *ssl;      /* made from these (trust, own
                                               certificate, whether to verify)
                                               at configuration; not the name;
                                               NULL in workers */

    ngx_msec_t                    timeout;  /* 1s */
    size_t                        outbox;   /* 8m */
    ngx_uint_t                    stream;   /* entries kept in Redis; as many
                                               as the history has */
    ngx_str_t                     prefix;   /* "conductor" */
    ngx_str_t                     channels; /* what names of public channels
                                               begin with; len 0 */
    ngx_str_t                     before;   /* the secret that a reload took
                                               the place of */
    ngx_str_t                     secret;   /* len 0: nothing is signed; not
                                               in workers */
    ngx_flag_t                    foreign;  /* others may publish: on, but off
                                               with a secret */

    /* names of keys: "{PREFIX:HUB}:", and what is behind it; all in one slot */

    ngx_str_t                     base;
};


/* ngx_conductor_redis_conf.c */

char *ngx_conductor_hub_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* After the block was read. */

char *ngx_conductor_hub_redis_defaults(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);

/* For processes that are no keeper: passwords and keys are wiped. */

/* Notes the secret of the configuration before this one, if it is another. */

ngx_int_t ngx_conductor_redis_before(ngx_conductor_redis_conf_t *conf,
    ngx_conductor_redis_conf_t *before, ngx_pool_t *pool);

void ngx_conductor_redis_forget(ngx_conductor_redis_conf_t *conf);


/*
 * ngx_conductor_redis_address.c: is a thread still looking up a name?  Then the
 * process has to end by _exit().
 */

ngx_uint_t ngx_conductor_lookup_busy(void);


/*
 * ngx_conductor_health_redis.c: what /health says of it.
 *
 * Is Redis not ordering, though it should?  Members of the object, each with a
 * comma before it: of at most so many bytes; and the figures, with "dst" NULL
 * only room for them.
 */

#define NGX_CONDUCTOR_HEALTH_REDIS  (384 + 6 * NGX_CONDUCTOR_KEEPER_TEXT)

ngx_uint_t ngx_conductor_health_alone(ngx_conductor_hub_t *hub);
u_char *ngx_conductor_health_redis(ngx_conductor_hub_t *hub, u_char *p);
size_t ngx_conductor_health_redis_figures(ngx_conductor_hub_t *hub,
    u_char *dst);

/* ngx_conductor_health.c: a time in Unix ms, as text of 24 bytes */

u_char *ngx_conductor_health_time(u_char *p, uint64_t ms);


/*
 * The connections to the Redis of a hub, in the keeper.  They come up together,
 * and go down with one of the first two; the subscriber, which Redis ends when
 * more is published than it can send, is made anew by itself.
 *
 *   commands    scripts, probes
 *   reader      one XREAD BLOCK after the other
 *   subscriber  public channels, and presence; may be NULL while the link is up
 *
 * While they are up the owner uses hiredis' own functions on the contexts, and
 * answers to replies that come with a NULL reply (the connection is gone) by
 * doing nothing: "down" is called once, after these.
 */

struct redisAsyncContext;
struct redisReply;

typedef struct ngx_conductor_link_s  ngx_conductor_link_t;

typedef struct {

    /*
     * All three are there, and it is a master; "run_id" and "version" (major
     * * 100 + minor) are filled in.
     */
    void                        (*up)(void *data);

    /* They are gone, or could not be had; "reason" is a sentence.  Called
     * again with each new reason.  The next attempt is on its way. */
    void                        (*down)(void *data, const char *reason);

    /* While the link is up: the subscriber, which was lost for a reason, is
     * there again, and has subscribed to nothing. */
    void                        (*heard)(void *data, const char *reason);

    /* It cannot be had; the next attempt is on its way. */
    void                        (*unheard)(void *data, const char *reason);
} ngx_conductor_link_handlers_t;


struct ngx_conductor_link_s {
    struct redisAsyncContext     *commands;
    struct redisAsyncContext     *reader;
    struct redisAsyncContext     *subscriber;
    u_char                        run_id[48];
    ngx_uint_t                    version;
    unsigned                      up:1;
    unsigned                      large:1;  /* it went down since what was read
                                               was too large */
    /* the rest is the link's own */
    void                         *own;
};


/* NULL without memory; begins to connect at once.  The name is for logs. */

ngx_conductor_link_t *ngx_conductor_link_open(
    ngx_conductor_redis_conf_t *conf, ngx_str_t *name,
    const ngx_conductor_link_handlers_t *handlers, void *data,
    ngx_log_t *log);

/* No more of it, and "down" is not called. */

void ngx_conductor_link_close(ngx_conductor_link_t *link);

/* What commands are on their way is sent, if that takes no longer than so many
 * ms: the process ends. */

void ngx_conductor_link_flush(ngx_conductor_link_t *link, ngx_msec_t ms);

/* The owner says that it is of no use: down, and tried again. */

void ngx_conductor_link_fail(ngx_conductor_link_t *link, const char *reason);

/* Likewise, of the subscriber alone. */

void ngx_conductor_link_deaf(ngx_conductor_link_t *link, const char *reason);

/*
 * An error reply to one of the owner's commands.  NGX_OK: of this command
 * alone; NGX_AGAIN: the link goes down, or elsewhere (READONLY, LOADING, MOVED,
 * CLUSTERDOWN, NOAUTH ...), the command is to be repeated when it is up again;
 * NGX_BUSY: Redis cannot do it now (OOM, MISCONF, NOREPLICAS, BUSY): the link
 * stays, the owner tries again later.  Of an error in a script the reply keeps
 * what Redis says, and not where in the script.
 */

ngx_int_t ngx_conductor_link_error(ngx_conductor_link_t *link,
    struct redisReply *reply);


#endif /* NGX_CONDUCTOR_REDIS_H_INCLUDED */
