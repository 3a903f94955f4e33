/* What a client has with back ends: calls, and sessions of agents. */

#ifndef NGX_CONDUCTOR_CALLS_H_INCLUDED
#define NGX_CONDUCTOR_CALLS_H_INCLUDED


#include "ngx_conductor_backend.h"


typedef struct ngx_conductor_agent_s  ngx_conductor_agent_t;

struct ngx_conductor_agent_s {
    ngx_conductor_agent_t        *next;
    u_char                        id[CDR_CONN_ID_TEXT_LEN];
    size_t                        len;
    u_char                        name[];
};


/* A message with a key, and what its ack had beside the id. */

typedef struct {
    ngx_queue_t                   queue;      /* in calls->kept */
    ngx_msec_t                    time;       /* when it was done */
    ngx_str_t                     extra;
    unsigned                      done:1;
    size_t                        len;
    u_char                        key[];
} ngx_conductor_keyed_t;


/* Something that a back end is to be told, with the id of the command. */

typedef struct {
    ngx_queue_t                   queue;
    ngx_uint_t                    kind;       /* CDR_CALL_... */
    ngx_conductor_keyed_t         *kept;       /* NULL: it has no key; not to
                                                 be used without a session */
    size_t                        size;       /* that counts */
    size_t                        id_len;     /* 0: it wants no answer */
    size_t                        len;
    ngx_uint_t                    renewed;    /* as the client had it */
    uint64_t                      time;       /* Unix, ms */
    cdr_str_t                     call_id;    /* behind the body */
    size_t                        head;       /* bytes of the body that say
                                                 whose it is */
    u_char                        data[];     /* the id, and the call's body */
} ngx_conductor_said_t;


/* Made when there is something; outlives the client if there still is. */

struct ngx_conductor_calls_s {
    ngx_conductor_session_t      *session;    /* NULL: gone */
    ngx_conductor_hub_t          *hub;
    ngx_conductor_loc_conf_t     *conf;

    ngx_queue_t                   said;       /* waiting, in their order */
    ngx_uint_t                    n;
    size_t                        bytes;      /* of what it said */
    ngx_conductor_said_t         *current;    /* the one that is next or
                                                 under way */
    ngx_conductor_call_t         *call;
    ngx_conductor_ticket_t        ticket;
    uint64_t                      serial;

    ngx_queue_t                   queue;      /* of clients that are gone */
    ngx_msec_t                    deadline;   /* what waits is dropped then, */
    uint32_t                      hold;       /* if "disconnect" does, which
                                                 is held; 0: it is not */

    ngx_conductor_agent_t        *agents;
    ngx_uint_t                    nagents;

    size_t                        left;       /* bytes that came with the */
    u_char                       *early;      /* handshake */

    ngx_queue_t                   kept;       /* the oldest first */
    ngx_uint_t                    nkept;
    size_t                        kept_bytes;
    ngx_conductor_keyed_t         *keyed;      /* the message at hand */

    uint64_t                      token_user[2];  /* hash, if "named" */
    int64_t                       token_expires;
    int64_t                       expires;    /* says a back end */
    ngx_uint_t                    renewed;    /* times that its identity was */
    unsigned                      named:1;    /* it has another user */
    unsigned                      role:1;     /* it gave the role */

    ngx_str_t                     address;
    u_char                        id[CDR_CONN_ID_TEXT_LEN];
    u_char                        text[CDR_CONN_ADDRESS_MAX];
};


/* ngx_conductor_calls.c: one call of a client after the other */

/* What the session has; made if need be, NULL without memory. */

ngx_conductor_calls_t *ngx_conductor_calls(ngx_conductor_session_t *s);

/*
 * Room for what is said: "len" bytes of body behind those of the id, which is
 * copied.  NULL: too much waits in this worker, or there is no memory.
 */

ngx_conductor_said_t *ngx_conductor_calls_new(ngx_conductor_calls_t *calls,
    ngx_uint_t kind, cdr_str_t id, size_t len);

#define ngx_conductor_said_body(said)  ((said)->data + (said)->id_len)

/*
 * It is told in its turn, and what comes of it comes from an event.  NGX_DONE:
 * a stream has it, and nothing will come; NGX_DECLINED: there is no room for
 * that.
 */

ngx_int_t ngx_conductor_calls_say(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said);

/* It is not wanted any more. */

void ngx_conductor_calls_drop(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said);


/*
 * ngx_conductor_calls_left.c: who is gone has so many bytes less; or nothing
 * any more, and its "disconnect" goes.
 */

#define ngx_conductor_calls_left(s)                                           \
    ((s)->calls && (s)->calls->session == NULL)

void ngx_conductor_left_bytes(size_t size);
void ngx_conductor_left_free(ngx_conductor_calls_t *calls);


/* What all calls for this client begin with; "id" is the call's. */

void ngx_conductor_calls_describe(ngx_conductor_calls_t *calls,
    cdr_call_t *call, cdr_call_kind_e kind, cdr_str_t id);


/*
 * ngx_conductor_calls_key.c: messages with a key.  NGX_OK: it is to be done,
 * and calls->keyed, if not NULL, is for what comes of it.  NGX_DECLINED: it
 * was, or is being done, and is answered.
 */

ngx_int_t ngx_conductor_keyed_begin(ngx_conductor_session_t *s,
    cdr_command_t *cmd);

/* The message at hand, which is somebody else's to end from now on; or NULL. */

ngx_conductor_keyed_t *ngx_conductor_keyed_take(ngx_conductor_calls_t *calls);

/* It was done, or it was not; it may be gone afterwards.  NULL does nothing. */

void ngx_conductor_keyed_done(ngx_conductor_calls_t *calls,
    ngx_conductor_keyed_t *kept, ngx_str_t *extra);
void ngx_conductor_keyed_drop(ngx_conductor_calls_t *calls,
    ngx_conductor_keyed_t *kept);
void ngx_conductor_keyed_end(ngx_conductor_calls_t *calls);


/* ngx_conductor_agent.c: sessions of agents */

ngx_int_t ngx_conductor_agent(ngx_conductor_session_t *s, cdr_command_t *cmd);
cdr_str_t ngx_conductor_agent_session(ngx_conductor_calls_t *calls,
    cdr_str_t name);
void ngx_conductor_agent_end(ngx_conductor_calls_t *calls);


/* ngx_conductor_backend_answer.c: what a back end wants done */

/* The client has no session, or goes on with it; what fails is logged. */

void ngx_conductor_answer_publish(ngx_conductor_calls_t *calls,
    cdr_backend_answer_t *answer, ngx_log_t *log);

/* NGX_OK, or the session is closed. */

ngx_int_t ngx_conductor_answer_apply(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer);
void ngx_conductor_answer_close(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer);

/* The detail may be logged. */

void ngx_conductor_answer_log(ngx_log_t *log, const char *what,
    cdr_str_t detail);


/*
 * ngx_conductor_backend_identity.c: who a client is.  NGX_OK, or the session is
 * closed.
 */

ngx_int_t ngx_conductor_answer_identity(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, ngx_uint_t fresh);

/*
 * Makes of a new token's identity the one that the client is to have.
 * NGX_DECLINED: the token is of another user; NGX_ERROR: no memory.
 */

ngx_int_t ngx_conductor_identity_keep(ngx_conductor_session_t *s,
    ngx_conductor_identity_t *id, ngx_pool_t *pool);

/* Under the lock: is the user revoked whom a back end gave another name? */

ngx_uint_t ngx_conductor_identity_revoked(ngx_conductor_session_t *s);


/*
 * ngx_conductor_backend_message.c: the body of a message whose client is
 * somebody else by now, to be freed.  NULL: "body" is right as it is.
 */

u_char *ngx_conductor_message_renew(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_str_t *body);


/* ngx_conductor_backend_message.c, _connect.c: what came of it */

void ngx_conductor_message_answered(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_uint_t outcome,
    cdr_backend_answer_t *answer);
void ngx_conductor_connect_answered(ngx_conductor_calls_t *calls,
    ngx_uint_t outcome, cdr_backend_answer_t *answer);


#endif /* NGX_CONDUCTOR_CALLS_H_INCLUDED */
