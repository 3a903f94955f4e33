/* A call of a location of this server, on behalf of no request. */

#ifndef NGX_CONDUCTOR_CALL_H_INCLUDED
#define NGX_CONDUCTOR_CALL_H_INCLUDED


#include "ngx_conductor.h"


/*
 * What became of a call, in the order of CDR_CALL_OUTCOMES.  An answer of any
 * status but 2xx is a failure.
 */

typedef enum {
    NGX_CONDUCTOR_CALL_OK = 0,
    NGX_CONDUCTOR_CALL_FAILED,      /* no answer, or not all of it */
    NGX_CONDUCTOR_CALL_TIMEOUT,     /* none in time, or 504 */
    NGX_CONDUCTOR_CALL_TOO_BIG      /* subrequest_output_buffer_size */
} ngx_conductor_call_e;


typedef struct {
    ngx_conductor_call_e          outcome;
    ngx_uint_t                    status;     /* HTTP; 0: none came */
    ngx_str_t                     body;       /* of 2xx; until the handler
                                                 returns */
    uint64_t                      us;         /* that it took */
} ngx_conductor_answer_t;


typedef struct ngx_conductor_call_s  ngx_conductor_call_t;

typedef void (*ngx_conductor_call_pt)(void *data,
    ngx_conductor_answer_t *answer);


/* All of it is copied, but the hub, the server and the log's file. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_http_core_srv_conf_t     *server;     /* where the location is */
    ngx_str_t                     uri;        /* with arguments, if any */
    ngx_str_t                     body;       /* JSON */
    ngx_str_t                     address;    /* of the client, as text; may be
                                                 empty */
    ngx_str_t                     connection; /* its id, likewise; for logs */
    ngx_msec_t                    timeout;    /* of all of it */
    ngx_conductor_call_pt         handler;
    void                         *data;       /* for it */
    unsigned                      quiet:1;    /* nginx is not to log that it
                                                 fails: it is known */
} ngx_conductor_call_conf_t;


/*
 * Begins a call: a POST of "body" to the location, which takes whatever its
 * configuration says, as a subrequest.  The handler is called once, from an
 * event of its own, never from within this function.  Returns NULL if there is
 * no memory or no connection for it; then the handler is not called.
 */
ngx_conductor_call_t *ngx_conductor_call(ngx_conductor_call_conf_t *conf);

/* Nobody wants the answer any more: the handler is not called. */
void ngx_conductor_call_cancel(ngx_conductor_call_t *call);


/*
 * ngx_conductor_call_request.c: the connection and the request of a call, with
 * the handler of their events.  NULL without memory or a connection; a request
 * that cannot be made leaves the connection to the caller.
 */

ngx_connection_t *ngx_conductor_call_connection(
    ngx_conductor_call_conf_t *conf, ngx_event_handler_pt handler);
ngx_http_request_t *ngx_conductor_call_request(ngx_conductor_call_conf_t *conf,
    ngx_connection_t *c, ngx_http_event_handler_pt handler);


#endif /* NGX_CONDUCTOR_CALL_H_INCLUDED */
