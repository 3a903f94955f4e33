/* Back ends: what is called for what clients do, and what it answers. */

#ifndef NGX_CONDUCTOR_BACKEND_H_INCLUDED
#define NGX_CONDUCTOR_BACKEND_H_INCLUDED


#include "ngx_conductor_call.h"
#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_CALL_WAITING  16      /* messages of a client */
#define NGX_CONDUCTOR_CALL_BYTES    (32 * 1024 * 1024)  /* of a worker */


/* Who waits for what: all take turns, but those who are gone come last. */

typedef enum {
    NGX_CONDUCTOR_WAIT_CONNECT = 0,
    NGX_CONDUCTOR_WAIT_MESSAGE,
    NGX_CONDUCTOR_WAIT_ERRAND,      /* "disconnect" and "presence" */
    NGX_CONDUCTOR_WAIT_LEFT,        /* messages of clients that are gone */
    NGX_CONDUCTOR_WAITS
} ngx_conductor_wait_e;


/* One that a hub's locations name; also the state of this process. */

struct ngx_conductor_backend_s {
    ngx_str_t                     uri;        /* of a location, or empty: */
    ngx_str_t                     stream;     /* of Redis */
    ngx_http_core_srv_conf_t     *server;     /* where the location is; NULL:
                                                 it is a stream */
    uint32_t                      tag;        /* as a target of errands */
    ngx_conductor_hub_t          *hub;
    ngx_uint_t                    index;      /* in hub->backends */
    uint64_t                      key;        /* the same after a reload */
    ngx_queue_t                   waiting[NGX_CONDUCTOR_WAITS];
                                              /* ngx_conductor_ticket_t */
    ngx_uint_t                    turn;       /* whose it is */
    unsigned                      failing:1;  /* logged */
};


/* "message": a type of clients' messages that goes to the back end. */

typedef struct {
    ngx_str_t                     name;
    uint32_t                      figure;     /* that it counts in */
} ngx_conductor_message_conf_t;


/* Who waits for its turn with a back end. */

typedef struct ngx_conductor_ticket_s  ngx_conductor_ticket_t;

typedef void (*ngx_conductor_ticket_pt)(void *data);

struct ngx_conductor_ticket_s {
    ngx_queue_t                   queue;
    ngx_conductor_backend_t      *backend;    /* NULL: does not wait */
    ngx_conductor_wait_e          wait;
    ngx_uint_t                    limit;      /* calls of this server */
    ngx_conductor_ticket_pt       handler;
    void                         *data;
};


/*
 * ngx_conductor_backend.c: how many calls of a back end there are at a time,
 * in all workers of this server.
 *
 * Under the lock: the owner of a slot says which its back ends are.
 *
 * NGX_OK: there is room for one, which ngx_conductor_backend_leave() gives
 * back.  NGX_AGAIN: the ticket waits; its handler is called, from an event,
 * when the same has become of it.
 */

void ngx_conductor_backend_start(ngx_conductor_hub_t *hub, ngx_uint_t slot);
ngx_int_t ngx_conductor_backend_enter(ngx_conductor_backend_t *backend,
    ngx_conductor_ticket_t *ticket);
void ngx_conductor_backend_leave(ngx_conductor_backend_t *backend);
void ngx_conductor_backend_forget(ngx_conductor_ticket_t *ticket);

/* It waits among others from now on, if it does. */

void ngx_conductor_backend_move(ngx_conductor_ticket_t *ticket,
    ngx_conductor_wait_e wait);

/* Those who wait, as far as there is room; in every turn of a worker. */

void ngx_conductor_backend_turn(ngx_conductor_hub_t *hub);

/*
 * A call has ended: counts it by its outcome CDR_CALLED_..., and logs the first
 * failure, and when it works again.
 */

void ngx_conductor_backend_ended(ngx_conductor_backend_t *backend,
    ngx_uint_t kind, ngx_uint_t outcome, ngx_conductor_answer_t *answer,
    ngx_log_t *log);


/* A client is sent away for what a back end does, CDR_ENDED_... */

void ngx_conductor_backend_close(ngx_conductor_session_t *s,
    ngx_uint_t ending, uint16_t code, const char *reason);


/* ngx_conductor_backend_message.c: a message that is not the hub's own */

void ngx_conductor_command_other(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
ngx_uint_t ngx_conductor_message_figure(ngx_conductor_hub_t *hub, int rc,
    cdr_command_t *cmd);


/*
 * ngx_conductor_backend_connect.c: "welcome" waits for the back end.  With
 * NGX_AGAIN it does; then ngx_conductor_detach_go() goes on with what came
 * with the handshake, or the session is closed.  NGX_DECLINED: it need not.
 */

ngx_int_t ngx_conductor_backend_connect(ngx_conductor_session_t *s,
    u_char *data, size_t len);

/* Has a client left that waits so?  What it says is not read. */

void ngx_conductor_connect_look(ngx_conductor_session_t *s);

#define ngx_conductor_backend_connects(conf)                                  \
    ((conf)->protocol == NGX_CONDUCTOR_NATIVE                                 \
     && (conf)->backend[CDR_CALL_CONNECT]                                     \
     && (conf)->backend[CDR_CALL_CONNECT]->server)


/*
 * ngx_conductor_calls_left.c: the client is told to go, or has gone: what it
 * said waits for all who are here, or is dropped.  And the session is over:
 * s->calls is what goes on without it, if anything does.  And what is to be
 * done in each tick of a worker.
 */

void ngx_conductor_calls_leave(ngx_conductor_session_t *s);
void ngx_conductor_calls_end(ngx_conductor_session_t *s);
void ngx_conductor_left_tick(void);


#endif /* NGX_CONDUCTOR_BACKEND_H_INCLUDED */
