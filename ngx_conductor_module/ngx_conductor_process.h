/* What a process does for a hub: it counts, wakes, obeys, cleans up. */

#ifndef NGX_CONDUCTOR_PROCESS_H_INCLUDED
#define NGX_CONDUCTOR_PROCESS_H_INCLUDED


#include "ngx_conductor.h"


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

/* Where one is asked for. */

void ngx_conductor_count_identity(ngx_conductor_loc_conf_t *lcf,
    ngx_conductor_identity_t *id);

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

/* CDR_GAUGE_...: more or less of it; nothing in a process without a slot. */

static ngx_inline void
ngx_conductor_gauge(ngx_conductor_hub_t *hub, ngx_uint_t gauge, int64_t n)
{
    if (hub->gauges) {
        cdr_figure_add(&hub->gauges[gauge], (uint64_t) n);
    }
}

/* CDR_HISTOGRAM_...: something took so many microseconds; any process. */

static ngx_inline void
ngx_conductor_observe(ngx_conductor_hub_t *hub, ngx_uint_t row, uint64_t us)
{
    cdr_histogram_observe(&hub->histograms, (uint32_t) row, us);
}


/*
 * ngx_conductor_latency.c: from the arrival of an event to its last client.
 * This worker has sent what is before its cursor; its first client has come;
 * what arrived at that time of the day, in ms, on the clock of latencies.
 */

void ngx_conductor_latency(ngx_conductor_hub_t *hub);
void ngx_conductor_latency_begin(ngx_conductor_hub_t *hub);
uint64_t ngx_conductor_arrived(uint64_t time_ms);


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

/* Has this worker been ending for "drain"? */

ngx_uint_t ngx_conductor_overdue(ngx_conductor_hub_t *hub);

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


/*
 * ngx_conductor_look.c: what only its worker knows of a connection.  Told in
 * every turn, NGX_AGAIN if there is more for the next one; and, for who asks,
 * under the lock, whether its worker is to be woken.
 */

ngx_int_t ngx_conductor_look(ngx_conductor_hub_t *hub);
void ngx_conductor_look_repair(ngx_conductor_hub_t *hub);


/* ngx_conductor_reap.c: what the dead leave behind */

void ngx_conductor_reap(ngx_conductor_hub_t *hub);
ngx_uint_t ngx_conductor_reap_behind(ngx_conductor_hub_t *hub,
    ngx_uint_t slot);
ngx_int_t ngx_conductor_reap_again(ngx_conductor_hub_t *hub);
void ngx_conductor_slot_release(ngx_conductor_hub_t *hub,
    ngx_uint_t slot, uint32_t incarnation);
ngx_int_t ngx_conductor_give_back(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation, ngx_uint_t ending);
ngx_uint_t ngx_conductor_process_gone(cdr_slot_t *slot);
ngx_int_t ngx_conductor_process_start_time(ngx_pid_t pid,
    uint64_t *start);


/* ngx_conductor_fanout.c: from the log to the clients of this worker */

ngx_int_t ngx_conductor_fanout(ngx_conductor_hub_t *hub);


#endif /* NGX_CONDUCTOR_PROCESS_H_INCLUDED */
