/* A hub, as each process of nginx has it; the rest is in the files below. */

#ifndef NGX_CONDUCTOR_H_INCLUDED
#define NGX_CONDUCTOR_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <cdr.h>
#include <cdr_call.h>
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
#include <cdr_histogram.h>
#include <cdr_slots.h>
#include <cdr_source.h>

#include "ngx_conductor_zone.h"


#define NGX_CONDUCTOR_VERSION        "0.2.0"

#define NGX_CONDUCTOR_BATCH          1024     /* events of a publication */
#define NGX_CONDUCTOR_MAX_FRAGMENTS  65536    /* frames of a message */

/* In the flags of an event of the log: whom it is for, its field "to". */

#define NGX_CONDUCTOR_TO_ROLE             1
#define NGX_CONDUCTOR_TO_USER             2
#define NGX_CONDUCTOR_TO                                                      \
    (NGX_CONDUCTOR_TO_ROLE|NGX_CONDUCTOR_TO_USER)

/* And: it is older than this life, so only for those who come back; it stands
 * for events that are missing. */

#define NGX_CONDUCTOR_EVENT_OLD           4
#define NGX_CONDUCTOR_EVENT_GAP           8


typedef struct ngx_conductor_audit_s    ngx_conductor_audit_t;
typedef struct ngx_conductor_backend_s  ngx_conductor_backend_t;
typedef struct ngx_conductor_buf_s      ngx_conductor_buf_t;
typedef struct ngx_conductor_group_s    ngx_conductor_group_t;
typedef struct ngx_conductor_known_s    ngx_conductor_known_t;
typedef struct ngx_conductor_session_s  ngx_conductor_session_t;
typedef struct ngx_conductor_restore_s  ngx_conductor_restore_t;
typedef struct ngx_conductor_errands_s  ngx_conductor_errands_t;


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
    unsigned                      audit_given:1;
    u_char                       *file;       /* where it was first named */
    ngx_uint_t                    line;

    size_t                        zone_size;
    ngx_str_t                     hostname;
    ngx_str_t                     label;      /* this server's name */
    ngx_uint_t                    history_events;
    size_t                        history_size;
    time_t                        history_age;
    ngx_msec_t                    drain;
    ngx_conductor_audit_t        *audit;      /* NULL: off */

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

    ngx_array_t                   targets;    /* ngx_conductor_target_t */

    ngx_array_t                   channels;   /* as configured */
    ngx_array_t                   events;
    ngx_array_t                   messages;   /* types for the back end */
    ngx_array_t                   backends;   /* ngx_conductor_backend_t * */
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
    cdr_histograms_t              histograms;
    cdr_counter_t                 counters;   /* of connections */
    cdr_counter_t                 windows;    /* of handshakes */
    cdr_registry_t                registry;
    cdr_presence_t                reviewers;
    cdr_guest_t                   guests;     /* shm NULL: there are none */
    cdr_revoke_t                  revoke;
    cdr_log_t                     log;
    cdr_source_t                  sources;    /* with Redis */
    cdr_outbox_t                  outbox;     /* likewise */
    cdr_outbox_t                  errand_box;
    ngx_conductor_errands_t      *errands;    /* NULL: there are none */
    ngx_conductor_rules_t        *rules;
    cdr_idem_t                    idem;
    cdr_question_t                questions;

    /* the state of this process */

    ngx_uint_t                    slot;       /* NGX_CONDUCTOR_NO_SLOT: none */
    uint32_t                      incarnation;
    _Atomic uint64_t             *figures;    /* of the slot; NULL: none */
    _Atomic uint64_t             *gauges;     /* likewise */
    cdr_log_cursor_t              cursor;     /* next event to fan out */
    uint64_t                      sent_seq;   /* last one said to be sent */
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
    ngx_queue_t                   known;      /* ngx_conductor_known_t */
    ngx_queue_t                   sessions;
    ngx_conductor_watch_t         watch;
    unsigned                      outdated:1; /* the rules are not known */
    unsigned                      sending:1;  /* groups are being served */
    unsigned                      deserted:1; /* one of them has nobody left */
    unsigned                      overrun:1;  /* logged */
    unsigned                      evicted:1;  /* logged */
    unsigned                      lost:1;     /* overrun, nothing read since */
    unsigned                      unlisted:1; /* no room in it: logged */
    unsigned                      unanswered:1;   /* publications: logged */
};


typedef struct {
    ngx_array_t                   hubs;       /* ngx_conductor_hub_t * */
    ngx_array_t                   env;        /* ngx_str_t: hidden names */
} ngx_conductor_main_conf_t;


/* ngx_conductor_module.c */

extern ngx_module_t  ngx_http_conductor_module;
extern ngx_module_t  ngx_conductor_hub_module;


#include "ngx_conductor_location.h"
#include "ngx_conductor_idem.h"
#include "ngx_conductor_request.h"
#include "ngx_conductor_process.h"
#include "ngx_conductor_conf.h"


#endif /* NGX_CONDUCTOR_H_INCLUDED */
