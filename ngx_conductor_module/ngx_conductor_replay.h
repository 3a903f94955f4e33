/* Clients that are given what they missed, before what comes. */

#ifndef NGX_CONDUCTOR_REPLAY_H_INCLUDED
#define NGX_CONDUCTOR_REPLAY_H_INCLUDED


#include "ngx_conductor_stage.h"

#include <cdr_figures.h>


#define NGX_CONDUCTOR_HOLD           10000  /* ms, for the client to resume */
#define NGX_CONDUCTOR_REPLAY_EVENTS  128    /* that a client gets at a time */
#define NGX_CONDUCTOR_REPLAY_JOIN    2048   /* octets of the queue that go with
                                               them, not before them */


/* A place in the log. */

typedef struct {
    cdr_log_cursor_t              cursor;     /* after this event */
    cdr_log_pos_t                 pos;        /* and that is its position */
    uint64_t                      lone;
} ngx_conductor_place_t;


/*
 * In a hub of several servers: what is behind the place in the log, and was
 * had nevertheless.
 */

typedef struct {
    cdr_event_id_t                id;         /* of the client */
    uint64_t                      over[CDR_EVENT_ID_ORIGINS];
                                              /* the log's head + 1, when
                                                 nothing of that was to come
                                                 any more; 0: it may */
    uint64_t                      upto;       /* the last event of the log with
                                                 a place that is not above its
                                                 own */
    unsigned                      active:1;   /* there may be something */
    unsigned                      waits:1;    /* for this server to read so
                                                 far; no place yet */
} ngx_conductor_had_t;


/* What the members of a group had of other servers before they came. */

struct ngx_conductor_known_s {
    ngx_queue_t                   queue;      /* in hub->known */
    uint64_t                      serial;     /* no other had or will have */
    uint32_t                      refs;
    cdr_event_id_t                id;         /* its origins are that, growing
                                                 by server; no place */
    uint64_t                      over[CDR_EVENT_ID_ORIGINS];     /* as above */
};


/*
 * What a session needs that is not live.  One that was, and resumes, got all
 * behind "got" and up to "left" already, but for what it did not subscribe.
 */

struct ngx_conductor_replay_s {
    ngx_queue_t                   queue;
    ngx_conductor_session_t      *session;
    ngx_conductor_place_t         place;      /* of what it was given last */
    ngx_conductor_place_t         left;       /* where it stopped to be live */
    uint64_t                      got;
    uint64_t                      start;
    ngx_conductor_group_t        *old;        /* what it had subscribed then;
                                                 NULL: the same as now */
    uint64_t                      count;      /* events it was sent */
    ngx_msec_t                    deadline;   /* of the hold, or the wait */
    ngx_conductor_had_t           had;
    cdr_log_pos_t                 gap;        /* if the outcome is _GAP: what
                                                 is behind it is no answer */
    uint32_t                      outcome;    /* CDR_RESUME_... */
    unsigned                      live:1;     /* it was, before this */
    unsigned                      asked:1;    /* and is to be answered */
    unsigned                      holding:1;  /* for the client's "resume" */
    unsigned                      queued:1;   /* for its turn */
    unsigned                      ahead:1;    /* of this worker, and waits */
    unsigned                      since:1;    /* it wants what is older */
    unsigned                      stays:1;    /* it was given all there is */
    unsigned                      id_len:8;
    u_char                        id[CDR_EVENT_ID_LEN];
};


/*
 * ngx_conductor_command_resume.c: where a client wants to go on.
 *
 * Handshake: "since" and "hold" of the request; NGX_ERROR without memory.
 * Begin: before the welcome of the session.
 */

ngx_int_t ngx_conductor_resume_handshake(ngx_http_request_t *r,
    ngx_conductor_session_t *s);
void ngx_conductor_resume_begin(ngx_conductor_session_t *s);
void ngx_conductor_command_resume(ngx_conductor_session_t *s,
    cdr_command_t *cmd);


/* ngx_conductor_resume_place.c: with Redis, where that is. */

uint32_t ngx_conductor_resume_place(ngx_conductor_hub_t *hub,
    const cdr_event_id_t *id, ngx_conductor_place_t *place,
    ngx_conductor_had_t *had);
ngx_uint_t ngx_conductor_resume_ahead(ngx_conductor_hub_t *hub,
    const cdr_log_pos_t *pos);
ngx_msec_t ngx_conductor_resume_patience(ngx_conductor_hub_t *hub,
    uint32_t *outcome);
ngx_int_t ngx_conductor_had(ngx_conductor_hub_t *hub,
    ngx_conductor_had_t *had, uint64_t seq, cdr_log_fields_t *fields);
void ngx_conductor_had_pass(ngx_conductor_hub_t *hub,
    ngx_conductor_had_t *had, const cdr_log_pos_t *pos, uint64_t lone);
ngx_uint_t ngx_conductor_had_left(ngx_conductor_hub_t *hub,
    ngx_conductor_had_t *had, uint64_t seq);


/*
 * ngx_conductor_replay.c: the reading.
 *
 * Start: the session, which holds its group and has a replay, is given the
 * events behind its place, or told why not.  Ready: its socket takes more.
 */

ngx_conductor_replay_t *ngx_conductor_replay_new(ngx_conductor_session_t *s);
void ngx_conductor_replay_free(ngx_conductor_session_t *s);
void ngx_conductor_replay_start(ngx_conductor_session_t *s);
void ngx_conductor_replay_ready(ngx_conductor_session_t *s);
void ngx_conductor_replay_answer(ngx_conductor_session_t *s,
    uint32_t outcome, uint64_t count, cdr_str_t id);
cdr_str_t ngx_conductor_replay_id(ngx_conductor_replay_t *r);
void ngx_conductor_replay_here(ngx_conductor_hub_t *hub,
    ngx_conductor_place_t *place);

/*
 * Does what is queued, and not yet offered to the socket, go out with the
 * events of a turn that is to come?
 */

#define ngx_conductor_replay_joins(s)                                         \
    ((s)->replay && (s)->out_pos == 0 && (s)->offered == 0                    \
     && (s)->queued <= NGX_CONDUCTOR_REPLAY_JOIN                              \
     && (s)->connection->write->ready)

#define ngx_conductor_replay_due(s)                                           \
    ((s)->replay && (s)->replay->queued)


/* The hold is over, for want of a "resume". */

void ngx_conductor_replay_timer(ngx_conductor_session_t *s);

/*
 * ngx_conductor_replay_wait.c: for what this server has not read yet.  NGX_OK:
 * it has, and the place is known; NGX_AGAIN: it waits; NGX_DECLINED: in vain,
 * with the outcome.  And into a queue, those that are to be looked at.
 */

ngx_int_t ngx_conductor_replay_wait(ngx_conductor_replay_t *r,
    uint32_t *outcome);
void ngx_conductor_replay_waited(ngx_queue_t *queue);

/* The fan-out has moved on. */

void ngx_conductor_replay_fanned(void);

#define ngx_conductor_replay_holds(s)  ((s)->replay && (s)->replay->holding)

/*
 * ngx_conductor_replay_read.c: what comes next for one of them.
 *
 * Read: NGX_OK, with it this client knows all that this worker does; NGX_AGAIN
 * if there is more; NGX_DONE if there is a gap before that; NGX_DECLINED if
 * what follows is gone; NGX_ERROR without memory.  It ends with the first event
 * that has to be encoded at "until", us.
 * Bytes: of a piece, until the next read.
 */

typedef struct {
    size_t                        len;
    ngx_uint_t                    n;
    ngx_conductor_piece_t         pieces[NGX_CONDUCTOR_REPLAY_EVENTS];
} ngx_conductor_batch_t;

ngx_int_t ngx_conductor_replay_read(ngx_conductor_replay_t *r,
    ngx_conductor_batch_t *batch, uint64_t until);
u_char *ngx_conductor_replay_bytes(ngx_conductor_piece_t *piece);

/* What is kept is of no use: the rules have changed; or not used: a tick. */

void ngx_conductor_replay_forget(void);
void ngx_conductor_replay_tick(void);


/*
 * ngx_conductor_known.c: live clients that have had what is still to come.
 *
 * Had: is an event of this origin one of that?  Id: that of an event, or of
 * the last one, for them; returns its length, or with "live" the id until the
 * next call, for any client that is live.  Turn: the fan-out has moved on.
 */

ngx_int_t ngx_conductor_known_hold(ngx_conductor_session_t *s,
    ngx_conductor_had_t *had);
void ngx_conductor_known_unref(ngx_conductor_known_t *known);
ngx_uint_t ngx_conductor_known_had(ngx_conductor_known_t *known,
    uint64_t server, uint64_t n);
size_t ngx_conductor_known_id(ngx_conductor_known_t *known, u_char *text,
    const cdr_log_pos_t *pos, uint64_t lone);
cdr_str_t ngx_conductor_live_id(ngx_conductor_session_t *s);
void ngx_conductor_known_turn(ngx_conductor_hub_t *hub);


/* The position up to which a client has been given everything. */

#define ngx_conductor_given_id(s)                                             \
    ((s)->replay ? ngx_conductor_replay_id((s)->replay)                       \
                 : ngx_conductor_live_id(s))


#endif /* NGX_CONDUCTOR_REPLAY_H_INCLUDED */
