/* The configuration of the module: hubs, locations, and what they share. */

#ifndef NGX_CONDUCTOR_H_INCLUDED
#define NGX_CONDUCTOR_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <cdr.h>
#include <cdr_codes.h>
#include <cdr_event.h>
#include <cdr_guest.h>
#include <cdr_idem.h>
#include <cdr_jwk.h>
#include <cdr_jwt.h>
#include <cdr_log.h>
#include <cdr_outbox.h>
#include <cdr_policy.h>
#include <cdr_presence.h>
#include <cdr_question.h>
#include <cdr_registry.h>
#include <cdr_revoke.h>
#include <cdr_counter.h>
#include <cdr_cells.h>
#include <cdr_figures.h>
#include <cdr_slots.h>
#include <cdr_source.h>

#include "ngx_conductor_zone.h"


#define NGX_CONDUCTOR_BATCH          1024     /* events of a publication */
#define NGX_CONDUCTOR_MAX_FRAGMENTS  65536    /* frames of a message */
#define NGX_CONDUCTOR_MAX_PARTS      16       /* of a zone */

/* In the flags of an event of the log: whom it is for, its field "to". */

#define NGX_CONDUCTOR_TO_ROLE             1
#define NGX_CONDUCTOR_TO_USER             2
#define NGX_CONDUCTOR_TO                                                      \
    (NGX_CONDUCTOR_TO_ROLE|NGX_CONDUCTOR_TO_USER)

/* And: it is older than this life, so only for those who come back; it stands
 * for events that are missing. */

#define NGX_CONDUCTOR_EVENT_OLD           4
#define NGX_CONDUCTOR_EVENT_GAP           8

#define NGX_CONDUCTOR_UNPROCESSABLE       422
#define NGX_CONDUCTOR_UPGRADE_REQUIRED    426


typedef struct ngx_conductor_buf_s      ngx_conductor_buf_t;
typedef struct ngx_conductor_group_s    ngx_conductor_group_t;
typedef struct ngx_conductor_session_s  ngx_conductor_session_t;
typedef struct ngx_conductor_restore_s  ngx_conductor_restore_t;


/* What roles see, shared by the groups of this worker that see the same. */

typedef struct {
    uint32_t                      refs;
    uint32_t                      presence;   /* its channel, by index */
    uint32_t                      hidden;     /* fields of reviewers, or
                                                 NGX_CONDUCTOR_UNSEEN */
    cdr_view_t                    sees;
} ngx_conductor_view_t;


#define NGX_CONDUCTOR_UNSEEN  UINT32_MAX


/* How far this worker has told its clients of presence. */

typedef struct {
    ngx_queue_t                   waiting;    /* sessions, for a list */
    uint32_t                      watchers;
    uint32_t                      pass;       /* number of the last one */
    cdr_presence_cursor_t         cursor;     /* what is told */
    uint64_t                      from;       /* what was, before this flush */
    uint64_t                      target;     /* where this one ends */
    uint64_t                      start;      /* us, of the last flush */
    uint64_t                      end;
    uint64_t                      spent;      /* us of the processor, on it */
    uint32_t                      lists;      /* still to be given in it */
    ngx_conductor_group_t        *group;      /* which is being told, */
    ngx_conductor_buf_t          *buf;        /* and what */
    ngx_uint_t                    type;       /* CDR_SENT_... */
    uint32_t                      at;         /* members left of it */
    ngx_event_t                   timer;
    unsigned                      flushing:1;
    unsigned                      staged:1;   /* some changes are */
    unsigned                      fresh:1;    /* the cursor is of no use */
    unsigned                      diff:1;
} ngx_conductor_watch_t;


struct ngx_conductor_hub_s {
    ngx_str_t                     name;
    unsigned                      defined:1;
    unsigned                      asked:1;    /* about presence, over HTTP */
    u_char                       *file;       /* where it was first named */
    ngx_uint_t                    line;

    size_t                        zone_size;
    ngx_str_t                     hostname;
    ngx_str_t                     label;      /* this server's name */
    ngx_uint_t                    history_events;
    size_t                        history_size;
    time_t                        history_age;
    ngx_msec_t                    drain;

    ngx_path_t                   *state;      /* directory; NULL: none */
    ngx_cycle_t                  *cycle;      /* with it: that of the hub */
    ngx_msec_t                    snapshot;   /* interval */
    ngx_conductor_restore_t      *restore;    /* while a zone is made */

    ngx_flag_t                    presence;   /* is there any */
    ngx_str_t                     presence_file;      /* empty: in memory */
    time_t                        presence_ttl;
    time_t                        presence_sweep;
    ngx_msec_t                    presence_leave;
    ngx_msec_t                    presence_tick;
    ngx_uint_t                    presence_list;      /* reviewers in a list */
    ngx_uint_t                    presence_diff;      /* from so many on */
    time_t                        presence_history;   /* age; 0: none */
    ngx_str_t                     presence_key;       /* not in workers */

    struct ngx_conductor_redis_conf_s  *redis;   /* NULL: a server alone */

    ngx_array_t                   channels;   /* as configured */
    ngx_array_t                   events;
    ngx_str_t                     block;      /* the policy, packed */
    cdr_policy_t                 *policy;     /* that this process follows */
    uint64_t                      generation; /* and its number */
    uint32_t                      sent[CDR_POLICY_MAX_EVENTS];
                                              /* figures of event types */

    ngx_uint_t                    capacity;   /* connections, as configured */
    ngx_shm_zone_t               *shm_zone;
    ngx_slab_pool_t              *shpool;
    ngx_conductor_zone_t         *zone;

    /* the handles of this process */

    cdr_slots_t                   slots;
    cdr_cells_t                   cells;
    cdr_counter_t                 counters;   /* of connections */
    cdr_counter_t                 windows;    /* of handshakes */
    cdr_registry_t                registry;
    cdr_presence_t                reviewers;
    cdr_guest_t                   guests;     /* shm NULL: there are none */
    cdr_revoke_t                  revoke;
    cdr_log_t                     log;
    cdr_source_t                  sources;    /* with Redis */
    cdr_outbox_t                  outbox;     /* likewise */
    ngx_conductor_rules_t        *rules;
    cdr_idem_t                    idem;
    cdr_question_t                questions;

    /* the state of this process */

    ngx_uint_t                    slot;       /* NGX_CONDUCTOR_NO_SLOT: none */
    uint32_t                      incarnation;
    _Atomic uint64_t             *figures;    /* of the slot; NULL: none */
    cdr_log_cursor_t              cursor;     /* next event to fan out */
    uint32_t                      drain_seen; /* what is done of the zone's */
    uint32_t                      marked_seen;
    ngx_msec_t                    reaped;     /* when, for who is refused */
    cdr_log_pos_t                 last;       /* position of the last one, */
    uint64_t                      last_lone;  /* and who was alone then */
    cdr_str_t                     last_id;    /* its text; empty: not made */
    u_char                        last_id_text[CDR_EVENT_ID_LEN];
    ngx_queue_t                   groups;     /* ngx_conductor_group_t */
    ngx_conductor_group_t       **buckets;    /* the same, by what they see */
    ngx_array_t                   views;      /* ngx_conductor_role_view_t */
    ngx_queue_t                   sessions;
    ngx_conductor_watch_t         watch;
    unsigned                      outdated:1; /* the rules are not known */
    unsigned                      sending:1;  /* groups are being served */
    unsigned                      deserted:1; /* one of them has nobody left */
    unsigned                      overrun:1;  /* logged */
    unsigned                      evicted:1;  /* logged */
    unsigned                      lost:1;     /* overrun, nothing read since */
    unsigned                      unlisted:1; /* no room in it: logged */
};


typedef struct {
    ngx_array_t                   hubs;       /* ngx_conductor_hub_t * */
    ngx_array_t                   env;        /* ngx_str_t: hidden names */
} ngx_conductor_main_conf_t;


typedef enum {
    NGX_CONDUCTOR_NONE = 0,
    NGX_CONDUCTOR_SOCKET,
    NGX_CONDUCTOR_PUBLISH,
    NGX_CONDUCTOR_HEALTH,
    NGX_CONDUCTOR_ADMIN,
    NGX_CONDUCTOR_REVIEWERS
} ngx_conductor_endpoint_e;


#define NGX_CONDUCTOR_NATIVE         0
#define NGX_CONDUCTOR_ECHO           1

#define NGX_CONDUCTOR_AUTH_OFF       0
#define NGX_CONDUCTOR_AUTH_JWT       1
#define NGX_CONDUCTOR_AUTH_VARIABLE  2

#define NGX_CONDUCTOR_REFUSE_HTTP    0
#define NGX_CONDUCTOR_REFUSE_CLOSE   1


typedef struct {
    ngx_http_complex_value_t     *value;
    ngx_flag_t                    cookie;     /* sent by the browser itself */
} ngx_conductor_token_t;


typedef struct {
    ngx_conductor_hub_t          *hub;        /* not inherited */
    ngx_conductor_endpoint_e      endpoint;   /* not inherited */
    ngx_flag_t                    optional;

    ngx_uint_t                    protocol;

    /* identity */

    ngx_uint_t                    auth;
    cdr_jwks_t                   *keys;
    cdr_jwt_policy_t             *policy;     /* made at merging */
    ngx_array_t                  *issuers;    /* cdr_str_t */
    ngx_array_t                  *audiences;  /* cdr_str_t */
    ngx_flag_t                    exp_required;
    time_t                        leeway;
    ngx_str_t                     user_claim;
    ngx_str_t                     role_claim;
    ngx_http_complex_value_t     *user;
    ngx_http_complex_value_t     *role;
    ngx_http_complex_value_t     *expires;
    ngx_array_t                  *tokens;     /* ngx_conductor_token_t */
    ngx_array_t                  *roles;      /* ngx_str_t: required */

    ngx_array_t                  *origins;    /* cdr_str_t: patterns */
    ngx_uint_t                    refuse;

    /* limits */

    ngx_uint_t                    limit_conn; /* 0: off */
    ngx_http_complex_value_t     *limit_conn_key;
    ngx_uint_t                    limit_user;         /* 0: off */
    ngx_uint_t                    limit_handshakes;   /* 0: off */
    ngx_msec_t                    limit_handshakes_per;
    ngx_http_complex_value_t     *limit_handshakes_key;
    ngx_uint_t                    limit_messages;     /* 0: off */
    ngx_msec_t                    limit_messages_per;
    size_t                        limit_messages_bytes;
    ngx_uint_t                    limit_messages_close;
    ngx_flag_t                    limit_dry_run;
    size_t                        max_message;
    size_t                        max_queue;
    ngx_msec_t                    ping;       /* 0: off */
    ngx_msec_t                    ping_timeout;
    ngx_msec_t                    idle;       /* 0: off */
    ngx_flag_t                    idle_data;
    ngx_uint_t                    compress;   /* level, 0: off */
} ngx_conductor_loc_conf_t;


/* Who asks: made at the first use in a request, kept with the request. */

typedef struct {
    ngx_str_t                     user;
    ngx_str_t                     role;       /* all roles, comma-joined */
    ngx_str_t                     jti;
    int64_t                       expires;    /* seconds, INT64_MAX: never */
    const char                   *reason;     /* why there is no identity */
    ngx_int_t                     rc;         /* NGX_AGAIN: not asked yet */
    unsigned                      expired:1;
    unsigned                      cookie:1;   /* the token came by cookie */
    unsigned                      missing:1;  /* no token at all */
    unsigned                      revoked:1;
} ngx_conductor_identity_t;


/* A key, and what is known of it: see ngx_conductor_idem.c. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    cdr_idem_hash_t               key;
    cdr_idem_hash_t               shared;     /* with Redis: the same key, as
                                                 all servers have it */
    cdr_idem_hash_t               digest;     /* of what is asked for */
    cdr_idem_share_t              share;
    cdr_idem_ticket_t             ticket;     /* while this request has it */
    cdr_idem_answer_t             answer;     /* as the first was answered */
} ngx_conductor_idem_t;


/* The first event of a publication, and by it all others. */

typedef struct {
    cdr_log_pos_t                 pos;
    uint64_t                      lone;       /* server, with pos.local */
    ngx_uint_t                    alone;      /* the others follow in "local",
                                                 else in "n" */
} ngx_conductor_first_t;


/* A notification; the strings are values of JSON. */

typedef struct {
    cdr_str_t                     level;
    cdr_str_t                     message;
    cdr_str_t                     to;
    uint32_t                      flags;      /* 0: to all, or whom "to" is */
    struct ngx_conductor_offer_s *offer;      /* of a hub with Redis; with its
                                                 handler */
} ngx_conductor_notice_t;


typedef struct {
    ngx_conductor_identity_t      identity;
    ngx_conductor_loc_conf_t     *conf;       /* under whose rules */
    ngx_conductor_session_t      *session;    /* until it leaves the request */
    ngx_str_t                     bearer;     /* token in a subprotocol */
    unsigned                      subprotocols:2; /* 0: unread, 2: malformed */
    unsigned                      offered:1;  /* our subprotocol was */
    unsigned                      admitted:1; /* by the identity */
    ngx_conductor_idem_t         *idem;       /* of a publication */
    ngx_str_t                     connection; /* its id, for the variable */
    const char                   *status;     /* for $conductor_status */
    ngx_msec_t                    retry;      /* after a refusal; 0: as
                                                 its reason says */
    ngx_uint_t                    refused;    /* with a close code: reason
                                                 + 1 */
} ngx_conductor_ctx_t;


/* ngx_conductor_module.c */

extern ngx_module_t  ngx_http_conductor_module;
extern ngx_module_t  ngx_conductor_hub_module;

ngx_conductor_ctx_t *ngx_conductor_get_ctx(ngx_http_request_t *r);


/* ngx_conductor_identity.c: who asks */

ngx_conductor_identity_t *ngx_conductor_identity(ngx_http_request_t *r);
ngx_int_t ngx_conductor_identity_verify(ngx_conductor_loc_conf_t *lcf,
    ngx_str_t *token, ngx_pool_t *pool, ngx_conductor_identity_t *id);
void ngx_conductor_identity_record(ngx_conductor_hub_t *hub,
    ngx_conductor_identity_t *id, cdr_conn_identity_t *record);
ngx_int_t ngx_conductor_subprotocols(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx);
void ngx_conductor_hide_arguments(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf);
u_char *ngx_conductor_log_text(u_char *p, u_char *last, const u_char *data,
    size_t len);


/* ngx_conductor_access.c: identity as an access check */

ngx_int_t ngx_conductor_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_access_still(ngx_http_request_t *r);
ngx_int_t ngx_conductor_authenticate(ngx_http_request_t *r,
    ngx_conductor_identity_t *id);
ngx_int_t ngx_conductor_role_allowed(ngx_array_t *roles, ngx_str_t *role);

/* ngx_conductor_variables.c */

ngx_int_t ngx_conductor_add_variables(ngx_conf_t *cf);

/* ngx_conductor_origin.c: RFC 6454 origins and CORS */

ngx_int_t ngx_conductor_origin_allowed(ngx_http_request_t *r,
    ngx_flag_t by_cookie);
ngx_int_t ngx_conductor_cors_origin(ngx_http_request_t *r);
ngx_int_t ngx_conductor_cors(ngx_http_request_t *r, const char *methods);
ngx_int_t ngx_conductor_send_preflight(ngx_http_request_t *r);


/* ngx_conductor_rules.c: who may see and publish what */

ngx_int_t ngx_conductor_rules_init(ngx_conf_t *cf, ngx_conductor_hub_t *hub);
size_t ngx_conductor_rules_size(ngx_conductor_hub_t *hub, ngx_uint_t n);
int ngx_conductor_rules_create(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
int ngx_conductor_rules_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
void ngx_conductor_rules_count(void);
ngx_int_t ngx_conductor_rules_publish(ngx_conductor_hub_t *hub);
ngx_int_t ngx_conductor_rules_current(ngx_conductor_hub_t *hub);
void ngx_conductor_rules_update(ngx_conductor_hub_t *hub);
ngx_conductor_view_t *ngx_conductor_view(ngx_conductor_hub_t *hub,
    cdr_str_t role);
void ngx_conductor_view_unref(ngx_conductor_view_t *view);
void ngx_conductor_views_free(ngx_conductor_hub_t *hub);

/* Have other processes been given newer rules? */

#define ngx_conductor_rules_changed(hub)                                      \
    ((hub)->rules->generation != (hub)->generation                            \
     && (hub)->slot != NGX_CONDUCTOR_NO_SLOT)


/* ngx_conductor_figures.c: what this process counts */

ngx_uint_t ngx_conductor_figures_cells(ngx_conductor_hub_t *hub);
void ngx_conductor_figures_start(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    ngx_log_t *log);
void ngx_conductor_figures_resolve(ngx_conductor_hub_t *hub);
void ngx_conductor_figures_repair(ngx_conductor_hub_t *hub);
void ngx_conductor_count_shared(ngx_conductor_hub_t *hub, ngx_uint_t figure,
    uint64_t n);

void ngx_conductor_count_publication(ngx_http_request_t *r,
    ngx_uint_t status);

/* Not under the lock, unless this process has a slot. */

static ngx_inline void
ngx_conductor_count(ngx_conductor_hub_t *hub, ngx_uint_t figure, uint64_t n)
{
    if (hub->figures) {
        cdr_figure_add(&hub->figures[figure], n);

    } else {
        ngx_conductor_count_shared(hub, figure, n);
    }
}

/* Under the lock: what is counted for others. */

static ngx_inline void
ngx_conductor_count_locked(ngx_conductor_hub_t *hub, ngx_uint_t figure,
    uint64_t n)
{
    cdr_figure_add(&cdr_slots_figures(&hub->slots, CDR_SLOTS_SHARED)[figure],
                   n);
}


/* ngx_conductor_wake.c: how processes wake each other */

#define ngx_conductor_slot_is_keeper(slot)                                    \
    (atomic_load_explicit(&(slot)->kind, memory_order_relaxed)                \
     == CDR_SLOT_KEEPER)

ngx_int_t ngx_conductor_wake_create(ngx_log_t *log);
ngx_uint_t ngx_conductor_wake_possible(void);
ngx_connection_t *ngx_conductor_wake_listen(ngx_cycle_t *cycle,
    ngx_event_handler_pt handler);
void ngx_conductor_wake_taken(ngx_event_t *ev);
void ngx_conductor_wake_all(ngx_conductor_hub_t *hub);
void ngx_conductor_wake_worker(ngx_conductor_hub_t *hub, uint32_t i);
void ngx_conductor_wake_keeper(ngx_conductor_hub_t *hub);
void ngx_conductor_wake_one(ngx_conductor_hub_t *hub, ngx_uint_t slot);
void ngx_conductor_wake_me(void);


/* ngx_conductor_process.c: process slots, the tick */

#define NGX_CONDUCTOR_NO_SLOT  ((ngx_uint_t) -1)

ngx_int_t ngx_conductor_process_init_master(ngx_cycle_t *cycle);
ngx_int_t ngx_conductor_process_init(ngx_cycle_t *cycle);
void ngx_conductor_process_exit(ngx_cycle_t *cycle);
void ngx_conductor_process_claim(ngx_conductor_hub_t *hub,
    cdr_slot_kind_t kind, ngx_log_t *log);
void ngx_conductor_process_post(void);
void ngx_conductor_process_post_next(void);
ngx_uint_t ngx_conductor_fanout_due(void);
ngx_uint_t ngx_conductor_stalled(ngx_conductor_hub_t *hub);
uint64_t ngx_conductor_now(void);
uint64_t ngx_conductor_clock(void);         /* us, monotonic */


/* ngx_conductor_control.c: what all workers are told to do */

/* in the registry: to be closed; takes no part in presence */

#define NGX_CONDUCTOR_CONN_LEAVE   0x000001
#define NGX_CONDUCTOR_CONN_HIDDEN  0x000002

#define ngx_conductor_draining(hub)                                           \
    (atomic_load_explicit(&(hub)->zone->drain, memory_order_relaxed) & 1)

ngx_int_t ngx_conductor_disconnect(ngx_conductor_hub_t *hub, u_char *id,
    size_t len);
ngx_int_t ngx_conductor_revoke(ngx_conductor_hub_t *hub,
    cdr_revoke_kind_t kind, ngx_str_t *name, uint64_t until);
void ngx_conductor_drain(ngx_conductor_hub_t *hub, ngx_uint_t on);
ngx_int_t ngx_conductor_control(ngx_conductor_hub_t *hub);
ngx_uint_t ngx_conductor_revoked(ngx_conductor_hub_t *hub,
    ngx_conductor_identity_t *id);


/* ngx_conductor_reap.c: what the dead leave behind */

void ngx_conductor_reap(ngx_conductor_hub_t *hub);
ngx_int_t ngx_conductor_reap_again(ngx_conductor_hub_t *hub);
void ngx_conductor_slot_release(ngx_conductor_hub_t *hub,
    ngx_uint_t slot, uint32_t incarnation);
void ngx_conductor_give_back(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation, ngx_uint_t ending);
ngx_uint_t ngx_conductor_process_gone(cdr_slot_t *slot);
ngx_int_t ngx_conductor_process_start_time(ngx_pid_t pid,
    uint64_t *start);


/* ngx_conductor_upgrade.c: the handshake */

ngx_int_t ngx_conductor_upgrade_handler(ngx_http_request_t *r);


/* ngx_conductor_refuse.c: refusals, each with its reason */

#define NGX_CONDUCTOR_REFUSAL_TEXT  64      /* of a close frame */

ngx_int_t ngx_conductor_refuse(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail);
ngx_int_t ngx_conductor_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body);
ngx_int_t ngx_conductor_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
uint16_t ngx_conductor_refusal_code(ngx_uint_t reason);
ngx_str_t *ngx_conductor_refusal_name(ngx_uint_t reason);
u_char *ngx_conductor_refusal_text(u_char *buf, ngx_conductor_ctx_t *ctx);
void ngx_conductor_refused(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail);


/* ngx_conductor_idem.c: what was done under a key */

#define NGX_CONDUCTOR_DONE_PUBLISH     1    /* what was done, in a record */
#define NGX_CONDUCTOR_DONE_COMMAND     2
#define NGX_CONDUCTOR_DONE_ALONE       3    /* a publication, placed so */

#define NGX_CONDUCTOR_IDEM_LOCATION    1    /* whose key it is */
#define NGX_CONDUCTOR_IDEM_USER        2
#define NGX_CONDUCTOR_IDEM_CONNECTION  3

void ngx_conductor_idem_key(ngx_conductor_idem_t *idem, ngx_uint_t kind,
    ngx_str_t *parts, ngx_uint_t n);
void ngx_conductor_idem_digest(ngx_conductor_idem_t *idem, ngx_str_t *data);
ngx_int_t ngx_conductor_idem_find(ngx_conductor_idem_t *idem);
ngx_int_t ngx_conductor_idem_reserve(ngx_conductor_idem_t *idem,
    ngx_uint_t running);
ngx_int_t ngx_conductor_idem_complete(ngx_conductor_idem_t *idem);
void ngx_conductor_idem_release(ngx_conductor_idem_t *idem);
void ngx_conductor_idem_repair(ngx_conductor_hub_t *hub);
void ngx_conductor_idem_local(ngx_conductor_hub_t *hub,
    const cdr_idem_hash_t *shared, cdr_idem_hash_t *key);
void ngx_conductor_idem_first(const cdr_idem_answer_t *answer,
    ngx_conductor_first_t *first);


/* ngx_conductor_publish_key.c: the header Idempotency-Key */

ngx_int_t ngx_conductor_publish_key(ngx_http_request_t *r,
    ngx_conductor_idem_t **idem);
ngx_int_t ngx_conductor_publish_reserve(ngx_http_request_t *r,
    ngx_conductor_idem_t *idem);
ngx_int_t ngx_conductor_publish_lookup(ngx_conductor_idem_t *idem,
    ngx_str_t *body);
void ngx_conductor_publish_release(ngx_conductor_idem_t *idem);


/*
 * ngx_conductor_publish.c, ngx_conductor_health.c, ngx_conductor_admin.c,
 * ngx_conductor_presence_http.c: HTTP endpoints
 */

ngx_int_t ngx_conductor_publish_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_health_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_admin_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_presence_handler(ngx_http_request_t *r);


/* ngx_conductor_body.c: what they share */

ngx_int_t ngx_conductor_body_type(ngx_http_request_t *r, ngx_flag_t *ndjson);
ngx_int_t ngx_conductor_body_read(ngx_http_request_t *r, ngx_str_t *body);
ngx_int_t ngx_conductor_body_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *text);


/* ngx_conductor_notify.c: notifications of an administrator */

#define NGX_CONDUCTOR_NOTIFICATION  "admin-notification"
#define NGX_CONDUCTOR_ADMIN_CHANNEL  "admin:notifications"

ngx_int_t ngx_conductor_notify(ngx_conductor_hub_t *hub,
    ngx_conductor_notice_t *notice, u_char *id, size_t *len,
    ngx_pool_t *pool);


/* ngx_conductor_fanout.c: from the log to the clients of this worker */

ngx_int_t ngx_conductor_fanout(ngx_conductor_hub_t *hub);


#include "ngx_conductor_conf.h"


#endif /* NGX_CONDUCTOR_H_INCLUDED */
