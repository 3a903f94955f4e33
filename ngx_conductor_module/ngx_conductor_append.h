/* A publication on its way into the event log, whoever brought it. */

#ifndef NGX_CONDUCTOR_APPEND_H_INCLUDED
#define NGX_CONDUCTOR_APPEND_H_INCLUDED


#include "ngx_conductor.h"
#include "ngx_conductor_offer.h"

#include <cdr_publish.h>


typedef enum {
    NGX_CONDUCTOR_APPENDED = 0,     /* all of it */
    NGX_CONDUCTOR_APPEND_WAITING,   /* for its place: see "offer" */
    NGX_CONDUCTOR_APPENDED_BEFORE,  /* under this key: see idem->answer */
    NGX_CONDUCTOR_APPEND_RUNNING,   /* just now, under this key */
    NGX_CONDUCTOR_APPEND_INVALID,   /* see error */
    NGX_CONDUCTOR_APPEND_FORBIDDEN, /* to this role: see error.index */
    NGX_CONDUCTOR_APPEND_PRESENCE,  /* to anybody: see error.index */
    NGX_CONDUCTOR_APPEND_TOO_LARGE, /* for the log */
    NGX_CONDUCTOR_APPEND_FULL,      /* so many keys are running */
    NGX_CONDUCTOR_APPEND_FAILED,    /* the log cannot take it */
    NGX_CONDUCTOR_APPEND_CROWDED,   /* so much waits for its place */
    NGX_CONDUCTOR_APPEND_NO_MEMORY,
    NGX_CONDUCTOR_APPEND_OUTDATED   /* never returned: tried again */
} ngx_conductor_append_e;


/* An event as the log is to have it. */

typedef struct {
    const cdr_event_type_t       *type;
    u_char                       *payload;
    size_t                        len;
} ngx_conductor_prepared_t;


typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_pool_t                   *pool;
    ngx_str_t                     body;
    ngx_flag_t                    ndjson;     /* each line is an event */
    ngx_uint_t                    max;        /* events */

    ngx_str_t                    *role;       /* NULL: may publish all */
    ngx_flag_t                    open;       /* also what names no role */
    ngx_conductor_idem_t         *idem;       /* NULL: no key */
    ngx_conductor_offer_t        *offer;      /* of a hub with Redis; with its
                                                 handler */

    /* who publishes, for the audit log: one of them, or none; with "calls" it
       is a back end in its answer */

    ngx_http_request_t           *request;
    ngx_conductor_session_t      *session;
    struct ngx_conductor_calls_s *calls;

    /* made of it */

    ngx_uint_t                    n;
    size_t                        bytes;      /* in the log */
    size_t                        payload;
    ngx_conductor_prepared_t     *events;
    ngx_str_t                     items;      /* for the outbox */

    uint64_t                      arrived_us; /* set by appending it */

    /* the result */

    ngx_conductor_first_t         first;
    cdr_publish_error_t           error;
} ngx_conductor_publication_t;


/*
 * Checks all events, and appends all of them or none; then everyone is woken.
 * A key that is not yet reserved is reserved here; the record of either is
 * complete after NGX_CONDUCTOR_APPENDED, and the caller's to release after
 * anything else.  In a hub with Redis, all that can be appended is WAITING: the
 * key is no more the caller's, and the offer's handler is told the rest.
 */

ngx_conductor_append_e ngx_conductor_append(ngx_conductor_publication_t *pub);

/* May who has one of these comma-joined roles publish such an event? */

ngx_int_t ngx_conductor_may_publish(ngx_conductor_hub_t *hub,
    const cdr_event_type_t *type, ngx_str_t *role);

/* The id of the i-th event from "first" on: as cdr_event_id_print(). */

size_t ngx_conductor_append_id(ngx_conductor_hub_t *hub, u_char *dst,
    const ngx_conductor_first_t *first, ngx_uint_t i);


/*
 * ngx_conductor_ordered.c: an event that has its place; see the fields' "pos",
 * "lone" and origin.  Of its flags, NGX_CONDUCTOR_TO says that its member "to"
 * names whom it is for.  One with NGX_CONDUCTOR_EVENT_GAP has no text: it says
 * that events are missing here.
 */

typedef struct {
    cdr_str_t                     text;       /* a JSON object, with the type
                                                 and the fields; members that
                                                 the hub gives are skipped */
    unsigned                      open:1;     /* without its last brace */
    cdr_log_fields_t              fields;

    /* made of it */

    const char                   *error;      /* a sentence: it is no event,
                                                 and is never appended */
    uint64_t                      generation; /* of the rules */
    cdr_str_t                     type;
    u_char                       *payload;
    size_t                        len;
} ngx_conductor_ordered_t;


/*
 * Under the lock: the history was dropped, which those who come back are to be
 * told, up to what was read last.
 */

void ngx_conductor_ordered_dropped(ngx_conductor_hub_t *hub);

/*
 * Without the lock: makes what the log is to have, in memory of the pool.
 * NGX_OK, also if some have an error; NGX_ERROR without memory.
 */

ngx_int_t ngx_conductor_ordered_prepare(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_uint_t n, ngx_pool_t *pool);

/*
 * Under the lock: appends one, and raises its source; the caller sees to it
 * that it is new, counts it, and wakes the workers.  NGX_OK; NGX_DECLINED (see
 * its error); NGX_AGAIN (the rules have changed: prepare it again); NGX_ERROR
 * (its position is not above the log's last, or the log is of no use).
 */

ngx_int_t ngx_conductor_ordered_append(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev);

/*
 * All of that for some, without the lock.  NGX_ERROR: those from the first one
 * on that could not be are not appended.
 */

ngx_int_t ngx_conductor_append_ordered(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_uint_t n, ngx_pool_t *pool);


#endif /* NGX_CONDUCTOR_APPEND_H_INCLUDED */
