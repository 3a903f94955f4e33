/*
 * The processes of a server: their slots, how they wake each other, and the
 * tick on which each looks after itself and after those who died.
 */

#include "ngx_conductor_backend.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_keeper.h"
#include "ngx_conductor_offer.h"
#include "ngx_conductor_presence.h"
#include "ngx_conductor_redis.h"
#include "ngx_conductor_question.h"
#include "ngx_conductor_replay.h"
#include "ngx_conductor_snapshot.h"


#define NGX_CONDUCTOR_TICK         500      /* ms */
#define NGX_CONDUCTOR_REAP_TICKS   2
#define NGX_CONDUCTOR_STALLED      10000    /* ms without a heartbeat */
#define NGX_CONDUCTOR_EXPIRE_MAX   4096     /* events dropped in a tick */


static void ngx_conductor_process_start(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static ngx_int_t ngx_conductor_process_events(ngx_cycle_t *cycle);
static void ngx_conductor_wake_handler(ngx_event_t *ev);
static void ngx_conductor_posted_handler(ngx_event_t *ev);
static void ngx_conductor_tick_handler(ngx_event_t *ev);
static void ngx_conductor_orphan(ngx_log_t *log);
static void ngx_conductor_tick(ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_first(ngx_conductor_hub_t *hub);
static void ngx_conductor_forget_env(ngx_conductor_main_conf_t *cmcf);
static void ngx_conductor_forget_keys(ngx_conductor_main_conf_t *cmcf);


static ngx_connection_t   *ngx_conductor_wake;
static ngx_event_t         ngx_conductor_tick_event;
static ngx_event_t         ngx_conductor_posted_event;
static ngx_uint_t          ngx_conductor_ticks;
static ngx_uint_t          ngx_conductor_due;   /* a fan-out in this turn */
static ngx_msec_t          ngx_conductor_quit;  /* when this worker began to
                                                   end; 0: it has not */


ngx_int_t
ngx_conductor_process_init_master(ngx_cycle_t *cycle)
{
    ngx_event_conf_t           *ecf;
    ngx_conductor_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);

    if (cmcf == NULL || cmcf->hubs.nelts == 0) {
        return NGX_OK;
    }

    ecf = ngx_event_get_conf(cycle->conf_ctx, ngx_event_core_module);

    if (ngx_strcmp(ecf->name, "epoll") != 0) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "conductor needs the event method epoll, not \"%s\"",
                      ecf->name);

        return ngx_is_init_cycle(cycle->old_cycle) ? NGX_ERROR : NGX_OK;
    }

    if (ngx_conductor_owner_paths(cycle) != NGX_OK) {
        return ngx_is_init_cycle(cycle->old_cycle) ? NGX_ERROR : NGX_OK;
    }

    ngx_conductor_keeper_check(cycle);

    if (ngx_test_config) {
        return NGX_OK;
    }

    ngx_conductor_rules_count();
    ngx_conductor_owner_claim(cycle);

    if (ngx_conductor_wake_create(cycle->log) == NGX_OK) {
        return NGX_OK;
    }

    /* a master that is at work would end here, and leave its workers alone */

    return ngx_is_init_cycle(cycle->old_cycle) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_conductor_process_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);

    if (cmcf == NULL || cmcf->hubs.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_process == NGX_PROCESS_WORKER
        || ngx_process == NGX_PROCESS_HELPER)
    {
        ngx_conductor_forget_env(cmcf);
    }

    if (ngx_process == NGX_PROCESS_WORKER) {
        ngx_conductor_forget_keys(cmcf);
    }

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (ngx_conductor_process_events(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        ngx_conductor_process_start(hub[i], cycle->log);
    }

    return NGX_OK;
}


void
ngx_conductor_process_exit(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    if (ngx_conductor_wake == NULL) {
        return;
    }

    /* nginx looks for open connections after this */

    ngx_conductor_wake->fd = (ngx_socket_t) -1;
    ngx_conductor_wake = NULL;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hub[i]->slot == NGX_CONDUCTOR_NO_SLOT) {
            continue;
        }

        (void) ngx_conductor_give_back(hub[i], hub[i]->slot,
                                       hub[i]->incarnation,
                                       CDR_ENDED_CDR_CLOSE_ABNORMAL);
        ngx_conductor_slot_release(hub[i], hub[i]->slot, hub[i]->incarnation);
    }
}


/* This worker looks in this turn of the loop. */

void
ngx_conductor_process_post(void)
{
    if (ngx_conductor_wake == NULL) {
        return;
    }

    ngx_conductor_due = 1;
    ngx_post_event(&ngx_conductor_posted_event, &ngx_posted_events);
}


/* And in the next, after one for its clients. */

void
ngx_conductor_process_post_next(void)
{
    ngx_post_event(&ngx_conductor_posted_event, &ngx_posted_next_events);
}


/* Will this turn of the loop still bring events? */

ngx_uint_t
ngx_conductor_fanout_due(void)
{
    return ngx_conductor_due;
}


/* Is there a worker whose loop has not turned for ten seconds? */

ngx_uint_t
ngx_conductor_stalled(ngx_conductor_hub_t *hub)
{
    uint32_t     i;
    uint64_t     beat;
    cdr_slot_t  *slot;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        slot = &hub->slots.slots[i];

        if (ngx_conductor_slot_is_keeper(slot)) {
            continue;
        }

        beat = atomic_load_explicit(&slot->heartbeat_ms,
                                    memory_order_relaxed);

        if (i != hub->slot
            && (int64_t) (ngx_current_msec - beat) > NGX_CONDUCTOR_STALLED
            && !ngx_conductor_process_gone(slot))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_conductor_overdue(ngx_conductor_hub_t *hub)
{
    return ngx_conductor_quit
           && ngx_current_msec - ngx_conductor_quit >= hub->drain;
}


uint64_t
ngx_conductor_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


uint64_t
ngx_conductor_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/*
 * This process becomes the owner of its slot, under the lock; what those
 * before it left there is to be given back.
 */

void
ngx_conductor_process_claim(ngx_conductor_hub_t *hub, cdr_slot_kind_t kind,
    ngx_log_t *log)
{
    uint64_t  start;

    if (ngx_conductor_process_start_time(ngx_pid, &start) != NGX_OK) {
        start = 0;
    }

    (void) cdr_slots_claim(&hub->slots, ngx_process_slot, kind, ngx_pid,
                           start, ngx_current_msec, &hub->incarnation);

    atomic_store(&hub->zone->watching[ngx_process_slot], 0);

    ngx_conductor_figures_start(hub, ngx_process_slot, log);
}


static void
ngx_conductor_process_start(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_int_t      rc;
    cdr_log_pos_t  pos;

    if (ngx_conductor_wake == NULL) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "no process slot is left in hub \"%V\": this worker "
                      "takes no clients", &hub->name);
        return;
    }

    ngx_conductor_zone_lock(hub);

    ngx_conductor_process_claim(hub, CDR_SLOT_WORKER, log);
    ngx_conductor_backend_start(hub, ngx_process_slot);

    cdr_log_cursor_end(&hub->log, &hub->cursor);

    hub->marked_seen = atomic_load(&hub->zone->marked[ngx_process_slot]);
    hub->drain_seen = atomic_load(&hub->zone->drain);

    if (cdr_log_newest(&hub->log, &pos, &hub->last_lone) == CDR_OK) {
        ngx_conductor_position_behind(hub, &pos);

        hub->last = pos;
    }

    rc = ngx_conductor_rules_publish(hub);

    ngx_conductor_zone_unlock(hub);

    /* whoever had this slot before and could not give its things back */

    (void) ngx_conductor_reap_behind(hub, ngx_process_slot);

    hub->slot = ngx_process_slot;

    if (rc == NGX_OK) {
        ngx_conductor_wake_all(hub);
    }
}


static ngx_int_t
ngx_conductor_process_events(ngx_cycle_t *cycle)
{
    ngx_connection_t  *c;

    if (!ngx_conductor_wake_possible()) {
        return NGX_OK;
    }

    c = ngx_conductor_wake_listen(cycle, ngx_conductor_wake_handler);
    if (c == NULL) {
        return NGX_ERROR;
    }

    ngx_conductor_wake = c;

    ngx_conductor_posted_event.handler = ngx_conductor_posted_handler;
    ngx_conductor_posted_event.data = c;
    ngx_conductor_posted_event.log = cycle->log;

    ngx_conductor_tick_event.handler = ngx_conductor_tick_handler;
    ngx_conductor_tick_event.data = c;
    ngx_conductor_tick_event.log = cycle->log;
    ngx_conductor_tick_event.cancelable = 1;

    ngx_add_timer(&ngx_conductor_tick_event, NGX_CONDUCTOR_TICK);

    return NGX_OK;
}


static void
ngx_conductor_wake_handler(ngx_event_t *ev)
{
    ngx_conductor_wake_taken(ev);

    /* with what the rest of this turn brings */

    ngx_conductor_process_post();
}


static void
ngx_conductor_posted_handler(ngx_event_t *ev)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    ngx_conductor_due = 0;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    /* who has published is answered before the events come */

    ngx_conductor_offer_turn();

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hub[i]->slot == NGX_CONDUCTOR_NO_SLOT) {
            continue;
        }

        cdr_slot_clear_pending(&hub[i]->slots.slots[hub[i]->slot]);

        if (ngx_conductor_rules_changed(hub[i])) {
            ngx_conductor_rules_update(hub[i]);
        }

        /* who has to go sees none of the events that come after that */

        if (ngx_conductor_control(hub[i]) == NGX_AGAIN
            || ngx_conductor_fanout(hub[i]) == NGX_AGAIN
            || ngx_conductor_look(hub[i]) == NGX_AGAIN)
        {
            /* a turn for the clients, then the rest */

            ngx_conductor_process_post_next();
        }

        ngx_conductor_latency(hub[i]);
        ngx_conductor_errands_do(hub[i]);
        ngx_conductor_watch(hub[i]);
        ngx_conductor_known_turn(hub[i]);
        ngx_conductor_backend_turn(hub[i]);
    }

    ngx_conductor_replay_fanned();
    ngx_conductor_question_turn();
    ngx_conductor_listing_turn();
}


static void
ngx_conductor_tick_handler(ngx_event_t *ev)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    ngx_conductor_ticks++;

    ngx_conductor_replay_tick();
    ngx_conductor_replay_fanned();

    ngx_conductor_orphan(ev->log);

    if (ngx_exiting && ngx_conductor_quit == 0) {
        ngx_conductor_quit = ngx_max(ngx_current_msec, 1);
    }

    ngx_conductor_left_tick();
    ngx_conductor_errands_tick();

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hub[i]->slot != NGX_CONDUCTOR_NO_SLOT) {
            ngx_conductor_tick(hub[i]);
        }
    }

    /* a wake-up whose sender died between the flag and the write */

    ngx_conductor_posted_handler(&ngx_conductor_posted_event);

    ngx_add_timer(ev, NGX_CONDUCTOR_TICK);
}


/*
 * A master that was killed cannot tell its workers to leave: they would keep
 * the listening sockets from the next one.
 */

static void
ngx_conductor_orphan(ngx_log_t *log)
{
    if (ngx_process == NGX_PROCESS_WORKER && !ngx_exiting
        && getppid() != ngx_parent)
    {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "the master process %P is gone: shutting down",
                      ngx_parent);
        ngx_quit = 1;
    }
}


static void
ngx_conductor_tick(ngx_conductor_hub_t *hub)
{
    uint64_t     before;
    cdr_slot_t  *slot;

    slot = &hub->slots.slots[hub->slot];

    atomic_store_explicit(&slot->heartbeat_ms, ngx_current_msec,
                          memory_order_relaxed);

    if (ngx_exiting) {
        cdr_slots_drain(&hub->slots, hub->slot);
    }

    if (ngx_conductor_first(hub)) {
        ngx_conductor_presence_expire(hub);
    }

    if (ngx_conductor_ticks % NGX_CONDUCTOR_REAP_TICKS) {
        return;
    }

    ngx_conductor_reap(hub);

    if (!ngx_conductor_first(hub)) {
        return;
    }

    before = ngx_conductor_now() - (uint64_t) hub->history_age * 1000;

    ngx_conductor_zone_lock(hub);
    (void) cdr_log_expire(&hub->log, before, NGX_CONDUCTOR_EXPIRE_MAX);
    ngx_conductor_zone_unlock(hub);
}


/* Is it this worker that does what one of them has to do? */

static ngx_uint_t
ngx_conductor_first(ngx_conductor_hub_t *hub)
{
    uint32_t  i;

    i = cdr_slots_next(&hub->slots, 0);

    while (i < hub->slot
           && ngx_conductor_slot_is_keeper(&hub->slots.slots[i]))
    {
        i = cdr_slots_next(&hub->slots, i + 1);
    }

    return i == hub->slot;
}


/* The keys are in use by now; workers need not carry their sources. */

static void
ngx_conductor_forget_env(ngx_conductor_main_conf_t *cmcf)
{
    char        *value;
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = cmcf->env.elts;

    for (i = 0; i < cmcf->env.nelts; i++) {
        value = getenv((char *) name[i].data);

        if (value == NULL) {
            continue;
        }

        ngx_explicit_memzero(value, ngx_strlen(value));
        (void) unsetenv((char *) name[i].data);
    }
}


/* Only the keeper opens what they are for. */

static void
ngx_conductor_forget_keys(ngx_conductor_main_conf_t *cmcf)
{
    ngx_uint_t             i;
    ngx_conductor_hub_t  **hub;

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hub[i]->presence_key.len) {
            ngx_explicit_memzero(hub[i]->presence_key.data,
                                 hub[i]->presence_key.len);
        }

        if (hub[i]->redis) {
            ngx_conductor_redis_forget(hub[i]->redis);
        }
    }
}
