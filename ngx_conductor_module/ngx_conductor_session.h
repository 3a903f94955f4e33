/* A client that has left its HTTP request, and what is queued for it. */

#ifndef NGX_CONDUCTOR_SESSION_H_INCLUDED
#define NGX_CONDUCTOR_SESSION_H_INCLUDED


#include "ngx_conductor.h"

#include <cdr_backend.h>
#include <cdr_command.h>
#include <cdr_pmd.h>
#include <cdr_receiver.h>
#include <cdr_set.h>


#define NGX_CONDUCTOR_READ_SIZE     65536   /* one read of a socket */
#define NGX_CONDUCTOR_CLOSE_TIME    1000    /* ms, for the closing handshake */
#define NGX_CONDUCTOR_CLOSE_MAX     10000   /* with what is queued before it */
#define NGX_CONDUCTOR_NO_ENTRY      UINT32_MAX
#define NGX_CONDUCTOR_NO_MEMBER     UINT32_MAX


#if (NGX_SSL || NGX_COMPAT)
#define ngx_conductor_tls(c)  ((c)->ssl != NULL)
#else
#define ngx_conductor_tls(c)  0
#endif


typedef struct ngx_conductor_calls_s  ngx_conductor_calls_t;
typedef struct ngx_conductor_item_s  ngx_conductor_item_t;
typedef struct ngx_conductor_replay_s  ngx_conductor_replay_t;

struct ngx_conductor_item_s {
    ngx_conductor_buf_t          *buf;
    ngx_conductor_item_t         *next;
};


/* Bytes on their way to one client or to many: whole frames, never part. */

struct ngx_conductor_buf_s {
    size_t                        len;
    size_t                        size;
    uint32_t                      refs;
    uint32_t                      messages;   /* control frames are none */
    ngx_conductor_item_t          link;       /* of the first that queues it */
    u_char                        data[];
};


typedef enum {
    NGX_CONDUCTOR_OPEN = 0,
    NGX_CONDUCTOR_CLOSING,      /* our close frame is on its way */
    NGX_CONDUCTOR_LINGERING,    /* both sides closed, until the peer's FIN */
    NGX_CONDUCTOR_DEAD          /* to be destroyed at the end of this turn */
} ngx_conductor_state_e;


/* What the fan-out touches of a client. */

typedef struct {
    ngx_conductor_session_t      *session;
    int                           fd;         /* -1: not to be written to
                                                 directly */
    uint16_t                      blocked;    /* something is queued */
    uint16_t                      unlisted;   /* has no list of reviewers */
} ngx_conductor_member_t;


/*
 * The filters of a subscription set, packed: for each the channel, the length
 * and the compiled filter.
 */

typedef struct {
    size_t                        len;
    u_char                        data[];
} ngx_conductor_filters_t;


/*
 * What went over a connection since its handshake: messages, and bytes of
 * frames as the socket, or TLS, has taken them.  What all members of a group
 * are sent is counted once, in the group; see ngx_conductor_traffic.c.
 */

typedef struct {
    uint64_t                      messages;
    uint64_t                      bytes;
} ngx_conductor_amount_t;


typedef struct {
    ngx_conductor_amount_t        in;
    ngx_conductor_amount_t        out;
} ngx_conductor_traffic_t;


typedef struct {
    uint32_t                      time;       /* of ngx_current_msec */
    uint32_t                      in;         /* messages */
    uint32_t                      out;
} ngx_conductor_sample_t;


struct ngx_conductor_group_s {
    ngx_queue_t                   queue;      /* in hub->groups */
    ngx_conductor_group_t        *next;       /* in its bucket */
    uint32_t                      hash;

    /* its key */
    uint8_t                       level;      /* of compression, 0: none */
    uint8_t                       window;     /* bits */
    uint64_t                      channels;   /* subscribed, to be seen or
                                                 not */
    ngx_conductor_view_t         *view;
    ngx_conductor_filters_t      *filters;    /* NULL: none */
    ngx_conductor_known_t        *known;      /* had before; NULL: nothing;
                                                 only where all members are
                                                 live */

    uint32_t                      holders;    /* that are no members */
    uint32_t                      n;
    uint32_t                      size;
    ngx_conductor_member_t       *members;
    ngx_conductor_amount_t        sent;       /* to each of them */
    uint32_t                      pass;       /* that told it of presence */
    cdr_set_t                     passed;     /* reviewers that passed its
                                                 filter when last told */
};


struct ngx_conductor_session_s {
    ngx_queue_t                   queue;        /* in hub->sessions */
    ngx_connection_t             *connection;
    ngx_conductor_hub_t          *hub;
    ngx_conductor_loc_conf_t     *conf;

    ngx_conductor_group_t        *group;        /* what it subscribed; NULL:
                                                   gets no events */
    uint32_t                      member;       /* index in it; NO_MEMBER: not
                                                   live, but reading the log */
    ngx_conductor_replay_t       *replay;       /* how it does */
    uint64_t                      live_seq;     /* it got all events behind
                                                   this one */
    ngx_queue_t                   waiting;      /* for a list, if "unlisted" */

    uint32_t                      entry;        /* in the registry */
    uint32_t                      generation;
    uint32_t                      revoke;       /* generation checked at */

    ngx_conductor_calls_t        *calls;        /* of back ends; NULL: none */

    ngx_conductor_item_t         *out;
    ngx_conductor_item_t        **last;
    size_t                        out_pos;      /* sent of the first buffer */
    size_t                        queued;       /* bytes not yet sent */
    uint32_t                      queued_n;     /* messages in buffers not yet
                                                   sent whole */
    size_t                        offered;      /* of these, to TLS in vain */

    cdr_receiver_t                receiver;

    int64_t                       expires;      /* of the token, seconds */
    ngx_msec_t                    frame_time;   /* last frame of the client */
    ngx_msec_t                    data_time;    /* last message of it */
    ngx_msec_t                    ping_time;    /* last ping to it */
    ngx_msec_t                    end_time;     /* when closing or draining */
    ngx_msec_t                    end_max;      /* when closing */
    ngx_msec_t                    retry;        /* told with 1012 */

    ngx_conductor_traffic_t       traffic;      /* its own share */
    ngx_conductor_amount_t        joined;       /* its group had sent so much
                                                   when it became a member */
    ngx_conductor_sample_t        samples[2];   /* of earlier, for rates */
    uint32_t                      latency;      /* ms of the last ping, and
                                                   1; 0: not known */

    cdr_pmd_t                     pmd;
    uint16_t                      code;         /* why it was closed */
    uint8_t                       state;        /* ngx_conductor_state_e */

    unsigned                      ping_sent:1;  /* and not yet answered */
    unsigned                      peer_closed:1;
    unsigned                      by_client:1;  /* it closed first */
    unsigned                      discard:1;    /* its input is of no use */
    unsigned                      paused:1;     /* until its queue is sent */
    unsigned                      draining:1;
    unsigned                      hold:1;       /* a turn is under way */
    unsigned                      blocked:1;    /* as its group has it */
    unsigned                      unlisted:1;   /* as well */
    unsigned                      watching:1;   /* is told of presence */
    unsigned                      offering:1;   /* waits for a publication */
    unsigned                      connecting:1; /* a back end is asked first */
    unsigned                      ending:8;     /* CDR_ENDED_..., if its code
                                                   does not say that */

    ngx_log_t                     log;
};


/* ngx_conductor_register.c: the entry of a new client */

#define NGX_CONDUCTOR_ADMITTED  CDR_REFUSAL_N

ngx_uint_t ngx_conductor_register(ngx_http_request_t *r,
    ngx_conductor_session_t *s, ngx_conductor_identity_t *id);
void ngx_conductor_unregister(ngx_conductor_session_t *s);


/* ngx_conductor_limit.c: what limits count by */

#define NGX_CONDUCTOR_KEY_ADDRESS    1      /* kinds of counted keys */
#define NGX_CONDUCTOR_KEY_VARIABLE   2
#define NGX_CONDUCTOR_KEY_USER       3
#define NGX_CONDUCTOR_KEY_HANDSHAKE  4

typedef struct {
    uint8_t                       data[16];
    size_t                        counted;      /* bytes of it that count */
    uint16_t                      port;
    uint8_t                       family;
} ngx_conductor_address_t;

ngx_uint_t ngx_conductor_limit_handshake(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf);
void ngx_conductor_limit_dry_run(ngx_conductor_hub_t *hub, ngx_log_t *log,
    ngx_uint_t reason);
ngx_int_t ngx_conductor_limit_key(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, ngx_http_complex_value_t *key,
    ngx_conductor_address_t *address, uint64_t *counted);
void ngx_conductor_limit_address(struct sockaddr *sa,
    ngx_conductor_address_t *address);


/* ngx_conductor_session.c: from the handshake to the end */

void ngx_conductor_sessions_exit(ngx_cycle_t *cycle);
ngx_conductor_session_t *ngx_conductor_session_create(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *conf);
void ngx_conductor_session_abandon(ngx_conductor_session_t *s);
void ngx_conductor_session_start(ngx_conductor_session_t *s,
    ngx_connection_t *c);
void ngx_conductor_session_close(ngx_conductor_session_t *s, uint16_t code,
    const char *reason);
void ngx_conductor_session_dead(ngx_conductor_session_t *s, uint16_t code);
void ngx_conductor_session_turn(ngx_conductor_session_t *s);
void ngx_conductor_session_arm(ngx_conductor_session_t *s);

/* Why it ended, as it is counted. */

#define ngx_conductor_session_ending(s)                                       \
    ((s)->ending ? (s)->ending : cdr_figure_ending((s)->code, (s)->by_client))

/* Does it get events as they come? */

#define ngx_conductor_live(s)                                                 \
    ((s)->group && (s)->member != NGX_CONDUCTOR_NO_MEMBER)

/* Does it wait to be welcome?  Then what it says is not read yet. */

#define ngx_conductor_connecting(s)                                           \
    ((s)->connecting && (s)->state == NGX_CONDUCTOR_OPEN)

#define ngx_conductor_session_entry(s)                                        \
    cdr_registry_entry(&(s)->hub->registry, (s)->entry)


/* ngx_conductor_timer.c: pings, time-outs, draining */

void ngx_conductor_session_timer(ngx_conductor_session_t *s);
void ngx_conductor_session_drain(ngx_conductor_session_t *s);
void ngx_conductor_session_restart(ngx_conductor_session_t *s);
void ngx_conductor_session_stay(ngx_conductor_session_t *s);


/* ngx_conductor_control.c: what a session is told to do */

ngx_int_t ngx_conductor_control_begin(ngx_conductor_session_t *s);
ngx_int_t ngx_conductor_control_check(ngx_conductor_session_t *s);


/* ngx_conductor_frame.c: from bytes to messages */

void ngx_conductor_frame_read(ngx_conductor_session_t *s);
size_t ngx_conductor_frame_feed(ngx_conductor_session_t *s, u_char *data,
    size_t len);
void ngx_conductor_frame_free(ngx_conductor_session_t *s);


/* ngx_conductor_message.c: what a message asks for */

void ngx_conductor_session_welcome(ngx_conductor_session_t *s);
cdr_str_t ngx_conductor_event_id(ngx_conductor_hub_t *hub);
void ngx_conductor_message(ngx_conductor_session_t *s, ngx_uint_t opcode,
    u_char *data, size_t len);
void ngx_conductor_ack(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_str_t *extra);
void ngx_conductor_error(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t code, const char *text);


/* ngx_conductor_command_auth.c: a new token */

void ngx_conductor_command_auth(ngx_conductor_session_t *s,
    cdr_command_t *cmd);


/* ngx_conductor_command_key.c: what was done under a key */

ngx_int_t ngx_conductor_key_begin(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
void ngx_conductor_key_done(void);
void ngx_conductor_key_end(void);
ngx_conductor_idem_t *ngx_conductor_key_publication(cdr_command_t *cmd);
void ngx_conductor_ack_event(ngx_conductor_session_t *s, cdr_command_t *cmd,
    const ngx_conductor_first_t *first);
void ngx_conductor_ack_channel(ngx_conductor_session_t *s,
    cdr_command_t *cmd, const cdr_str_t *name);


/* ngx_conductor_command_publish.c: an event of a client */

void ngx_conductor_command_publish(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
void ngx_conductor_command_publish_end(ngx_conductor_session_t *s);


/* ngx_conductor_compress.c: this worker's streams */

void ngx_conductor_inflate_conf(cdr_receiver_conf_t *conf);
void ngx_conductor_inflate_done(void);
ngx_int_t ngx_conductor_deflate(ngx_uint_t level, u_char *data, size_t len,
    ngx_str_t *out);


/* ngx_conductor_output.c: from messages to the socket */

ngx_conductor_buf_t *ngx_conductor_buf_new(size_t size);
void ngx_conductor_buf_unref(ngx_conductor_buf_t *buf);
u_char *ngx_conductor_output_frame(ngx_conductor_session_t *s,
    ngx_uint_t first, size_t len);
u_char *ngx_conductor_output_message(ngx_conductor_session_t *s,
    ngx_uint_t type, size_t len);
ngx_int_t ngx_conductor_output(ngx_conductor_session_t *s, ngx_uint_t first,
    u_char *data, size_t len);
ngx_int_t ngx_conductor_output_buf(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, size_t pos);
void ngx_conductor_output_move(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf);
ngx_int_t ngx_conductor_output_flush(ngx_conductor_session_t *s);
void ngx_conductor_output_lost(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, size_t pos);
void ngx_conductor_output_drop(ngx_conductor_session_t *s, ngx_uint_t all);


/* ngx_conductor_group.c: who sees the same */

ngx_int_t ngx_conductor_group_join(ngx_conductor_session_t *s,
    uint64_t channels, ngx_conductor_filters_t *filters);
ngx_int_t ngx_conductor_group_enter(ngx_conductor_session_t *s);
ngx_int_t ngx_conductor_group_exit(ngx_conductor_session_t *s);
void ngx_conductor_group_leave(ngx_conductor_session_t *s);
ngx_conductor_group_t *ngx_conductor_group_hold(ngx_conductor_session_t *s,
    uint64_t channels, ngx_conductor_filters_t *filters,
    ngx_conductor_known_t *known);
void ngx_conductor_group_release(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g);
ngx_int_t ngx_conductor_group_move(ngx_conductor_session_t *s,
    uint64_t channels, ngx_conductor_filters_t *filters);
ngx_int_t ngx_conductor_group_transfer(ngx_conductor_session_t *s,
    uint64_t channels, ngx_conductor_filters_t *filters,
    ngx_conductor_known_t *known);
void ngx_conductor_groups_tidy(ngx_conductor_hub_t *hub);
void ngx_conductor_group_send(ngx_conductor_group_t *g,
    ngx_conductor_buf_t *buf);
ngx_uint_t ngx_conductor_group_tell(ngx_conductor_group_t *g,
    ngx_conductor_buf_t *buf, uint32_t *at, ngx_uint_t max);
void ngx_conductor_group_unlisted(ngx_conductor_session_t *s,
    ngx_uint_t unlisted);
void ngx_conductor_groups_free(ngx_conductor_hub_t *hub);
void ngx_conductor_group_blocked(ngx_conductor_session_t *s,
    ngx_uint_t blocked);


/*
 * ngx_conductor_traffic.c: what went over a connection, until now; messages in
 * 1000 seconds, over one to two intervals of pings.
 */

void ngx_conductor_traffic(ngx_conductor_session_t *s,
    ngx_conductor_traffic_t *t);
void ngx_conductor_traffic_rate(ngx_conductor_session_t *s, uint32_t *in,
    uint32_t *out);
void ngx_conductor_traffic_sample(ngx_conductor_session_t *s);
void ngx_conductor_traffic_leave(ngx_conductor_session_t *s);


/* ngx_conductor_subscribe.c: which events a client wants */

void ngx_conductor_command_subscribe(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
void ngx_conductor_command_unsubscribe(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
ngx_int_t ngx_conductor_filter(ngx_conductor_filters_t *filters,
    ngx_uint_t channel, cdr_str_t *filter);
ngx_int_t ngx_conductor_filters_set(ngx_conductor_filters_t *old,
    ngx_uint_t channel, cdr_str_t *filter, ngx_conductor_filters_t **set);
void ngx_conductor_resubscribe(ngx_conductor_session_t *s, unsigned *to,
    ngx_uint_t n);


/* ngx_conductor_targeted.c: events for a role or a user only */

#define NGX_CONDUCTOR_TO_MAX  CDR_CONN_USER_MAX     /* bytes, as of a role */

ngx_int_t ngx_conductor_targeted(cdr_str_t *payload, u_char *text,
    cdr_str_t *to);
ngx_uint_t ngx_conductor_targeted_at(ngx_conductor_session_t *s,
    uint32_t flags, cdr_str_t to);


/* ngx_conductor_detach.c: out of the HTTP request */

ngx_int_t ngx_conductor_detach(ngx_http_request_t *r);
void ngx_conductor_detach_go(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer, u_char *data, size_t len);


#endif /* NGX_CONDUCTOR_SESSION_H_INCLUDED */
