/*
 * The keeper's process: nginx's manager process, which runs an event loop of
 * its own and is started again by the master when it dies.
 */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_join.h"
#include "ngx_conductor_offer.h"


#define NGX_CONDUCTOR_KEEPER_IDLE   (60 * 60 * 1000)
#define NGX_CONDUCTOR_KEEPER_REAP   1000    /* ms */
#define NGX_CONDUCTOR_KEEPER_TITLE  "conductor keeper"
#define NGX_CONDUCTOR_KEEPER_OWES   300     /* ms, for Redis at the end */
#define NGX_CONDUCTOR_MANAGER_TIME  50      /* ms that others may take */


static void ngx_conductor_keeper_begin(ngx_cycle_t *cycle);
static void ngx_conductor_keeper_claim(ngx_conductor_hub_t *hub);
static void ngx_conductor_keeper_woken(ngx_event_t *ev);
static void ngx_conductor_keeper_timer(ngx_event_t *ev);
static void ngx_conductor_keeper_tick(ngx_conductor_keeper_t *k);
static void ngx_conductor_keeper_exit(void);
static void ngx_conductor_keeper_stay(void);
static void ngx_conductor_keeper_caches(ngx_cycle_t *cycle);
static ngx_uint_t ngx_conductor_keeper_is_cache(ngx_cycle_t *cycle,
    void *tag);


static ngx_conductor_keeper_t  *ngx_conductor_keepers;
static ngx_uint_t               ngx_conductor_keeper_begun;
static ngx_uint_t               ngx_conductor_keeper_ends;
static ngx_event_t              ngx_conductor_keeper_event;
static ngx_connection_t         ngx_conductor_keeper_connection;


/*
 * Called by the manager for each hub that has a directory, when it starts and
 * every now and then.  Nothing is set up before: the cache loader, too, is a
 * process that reads the configuration.
 */

ngx_msec_t
ngx_conductor_keeper_manager(void *data)
{
    ngx_conductor_hub_t *hub = data;

    ngx_conductor_keeper_t  *k;

    for (k = ngx_conductor_keepers; k; k = k->next) {
        if (k->hub == hub) {
            return NGX_CONDUCTOR_KEEPER_IDLE;
        }
    }

    if (!ngx_conductor_keeper_begun) {
        ngx_conductor_keeper_begin((ngx_cycle_t *) ngx_cycle);
    }

    k = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_keeper_t));
    if (k == NULL) {
        return NGX_CONDUCTOR_KEEPER_TICK;
    }

    k->hub = hub;
    k->tried = ngx_current_msec;

    ngx_queue_init(&k->changes);

    ngx_conductor_job_init(&k->thread, hub);
    ngx_conductor_keeper_claim(hub);

    k->next = ngx_conductor_keepers;
    ngx_conductor_keepers = k;

    ngx_conductor_keeper_tick(k);

    return NGX_CONDUCTOR_KEEPER_IDLE;
}


/* What of the configuration goes ill with a keeper. */

void
ngx_conductor_keeper_check(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i, keepers;
    ngx_core_conf_t             *ccf;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    hub = cmcf->hubs.elts;
    keepers = 0;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hub[i]->state == NULL) {
            continue;
        }

        keepers++;

        if (!ccf->master) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "with \"master_process off\" there is no keeper: "
                          "hub \"%V\" has its presence in memory only, and "
                          "writes to \"%V\" only when nginx ends",
                          &hub[i]->name, &hub[i]->state->name);
        }
    }

    if (keepers && ccf->master) {
        ngx_conductor_keeper_caches(cycle);
    }
}


/* Has the hub a keeper, and that not been heard of for long? */

ngx_uint_t
ngx_conductor_keeper_missing(ngx_conductor_hub_t *hub)
{
    ngx_msec_t  beat;

    if (hub->state == NULL || ngx_process == NGX_PROCESS_SINGLE) {
        return 0;
    }

    beat = (ngx_msec_t) atomic_load_explicit(&hub->zone->keeping.beat,
                                             memory_order_relaxed);

    return (ngx_msec_int_t) (ngx_current_msec - beat)
           > NGX_CONDUCTOR_KEEPER_MISSING;
}


static void
ngx_conductor_keeper_begin(ngx_cycle_t *cycle)
{
    ngx_event_t  *ev;

    ngx_conductor_keeper_begun = 1;

    ngx_setproctitle(NGX_CONDUCTOR_KEEPER_TITLE);

    if (ngx_conductor_wake_listen(cycle, ngx_conductor_keeper_woken) == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "no process slot is left: the keeper cannot be woken");
    }

    if (atexit(ngx_conductor_keeper_exit) != 0) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0, "atexit() failed");
    }

    /* a timer of an nginx with debugging looks at its connection */

    ngx_conductor_keeper_connection.fd = (ngx_socket_t) -1;

    ev = &ngx_conductor_keeper_event;

    ev->handler = ngx_conductor_keeper_timer;
    ev->data = &ngx_conductor_keeper_connection;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_CONDUCTOR_KEEPER_TICK);
}


static void
ngx_conductor_keeper_claim(ngx_conductor_hub_t *hub)
{
    if (!ngx_conductor_wake_possible()) {
        return;
    }

    ngx_conductor_zone_lock(hub);
    ngx_conductor_process_claim(hub, CDR_SLOT_KEEPER, ngx_cycle->log);
    ngx_conductor_zone_unlock(hub);

    (void) ngx_conductor_reap_behind(hub, ngx_process_slot);

    hub->slot = ngx_process_slot;
}


/* By the thread, with a job that is done, or by a worker. */

static void
ngx_conductor_keeper_woken(ngx_event_t *ev)
{
    ngx_conductor_keeper_t  *k;

    ngx_conductor_wake_taken(ev);

    for (k = ngx_conductor_keepers; k; k = k->next) {

        if (k->hub->slot != NGX_CONDUCTOR_NO_SLOT) {
            cdr_slot_clear_pending(&k->hub->slots.slots[k->hub->slot]);
        }

        ngx_conductor_join_woken(k->join);
        ngx_conductor_errands_turn(k->hub, k->join);

        if (k->thread.started) {
            ngx_conductor_keeper_run(k);
        }
    }
}


static void
ngx_conductor_keeper_timer(ngx_event_t *ev)
{
    ngx_conductor_keeper_t  *k;

    if (getppid() != ngx_parent && !ngx_conductor_keeper_ends) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                      "the master process %P is gone: exiting", ngx_parent);
        exit(0);
    }

    for (k = ngx_conductor_keepers; k; k = k->next) {
        ngx_conductor_keeper_tick(k);
    }

    ngx_add_timer(ev, NGX_CONDUCTOR_KEEPER_TICK);
}


static void
ngx_conductor_keeper_tick(ngx_conductor_keeper_t *k)
{
    ngx_conductor_hub_t  *hub;

    hub = k->hub;

    atomic_store_explicit(&hub->zone->keeping.beat, ngx_current_msec,
                          memory_order_relaxed);

    if (hub->slot != NGX_CONDUCTOR_NO_SLOT) {
        atomic_store_explicit(&hub->slots.slots[hub->slot].heartbeat_ms,
                              ngx_current_msec, memory_order_relaxed);
        cdr_slot_clear_pending(&hub->slots.slots[hub->slot]);
    }

    if (ngx_current_msec - k->reaped >= NGX_CONDUCTOR_KEEPER_REAP) {
        k->reaped = ngx_current_msec;
        ngx_conductor_reap(hub);
    }

    ngx_conductor_join_tick(&k->join, hub);
    ngx_conductor_errands_turn(hub, k->join);

    if (hub->presence) {
        ngx_conductor_presence_expire(hub);
    }

    if (k->locked && hub->presence_file.len && !k->reading) {
        ngx_conductor_changes_collect(k);
    }

    if (ngx_conductor_thread_start(&k->thread, ngx_cycle->log) == NGX_OK) {
        ngx_conductor_keeper_run(k);
    }
}


/* nginx ends the process with a mere exit(). */

static void
ngx_conductor_keeper_exit(void)
{
    ngx_uint_t               busy;
    ngx_msec_t               deadline;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_keeper_t  *k;

    ngx_time_update();

    ngx_conductor_keeper_stay();

    busy = 0;
    deadline = ngx_current_msec + NGX_CONDUCTOR_KEEPER_LAST;

    for (k = ngx_conductor_keepers; k; k = k->next) {
        hub = k->hub;

        ngx_conductor_join_stop(k->join);
        ngx_conductor_errands_stop(hub);

        if (k->thread.started) {
            ngx_conductor_keeper_finish(k, deadline);
            busy |= k->thread.started;
        }

        if (hub->slot != NGX_CONDUCTOR_NO_SLOT) {
            ngx_conductor_slot_release(hub, hub->slot, hub->incarnation);
        }
    }

    if (busy || ngx_conductor_lookup_busy() || ngx_conductor_outbox_busy()) {

        /* libraries are not to be cleaned up while a thread uses them */

        _exit(0);
    }
}


/*
 * Workers end when their clients have, and what these publish meanwhile is to
 * have its place in the hub's order: so the keeper is the last to go.
 */

static void
ngx_conductor_keeper_stay(void)
{
    ngx_uint_t               left;
    ngx_msec_t               deadline;
    ngx_conductor_keeper_t  *k;

    ngx_conductor_keeper_ends = 1;

    deadline = ngx_current_msec + NGX_CONDUCTOR_KEEPER_OWES;

    for ( ;; ) {
        left = 0;

        for (k = ngx_conductor_keepers; k; k = k->next) {
            left |= ngx_conductor_join_left(k->join);
        }

        if ((left & NGX_CONDUCTOR_JOIN_SERVES) && !ngx_terminate) {
            deadline = ngx_current_msec + NGX_CONDUCTOR_KEEPER_OWES;
        }

        if (left == 0
            || getppid() != ngx_parent
            || (ngx_msec_int_t) (deadline - ngx_current_msec) <= 0)
        {
            return;
        }

        ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);
    }
}


/*
 * The manager of a cache of nginx's runs in the same process, and may hold it
 * for so long.  A cache is what a zone of one of nginx's proxies is for.
 */

static void
ngx_conductor_keeper_caches(ngx_cycle_t *cycle)
{
#if (NGX_HTTP_CACHE)

    ngx_uint_t              i;
    ngx_shm_zone_t         *zone;
    ngx_list_part_t        *part;
    ngx_http_file_cache_t  *cache;

    for (part = &cycle->shared_memory.part; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (zone[i].data == NULL
                || !ngx_conductor_keeper_is_cache(cycle, zone[i].tag))
            {
                continue;
            }

            cache = zone[i].data;

            if (cache->manager_threshold <= NGX_CONDUCTOR_MANAGER_TIME) {
                continue;
            }

            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "the manager of the cache \"%V\" may hold the "
                          "keeper for %M ms: set \"manager_threshold=%dms\" "
                          "or less", &cache->path->name,
                          cache->manager_threshold,
                          NGX_CONDUCTOR_MANAGER_TIME);
        }
    }

#endif
}


static ngx_uint_t
ngx_conductor_keeper_is_cache(ngx_cycle_t *cycle, void *tag)
{
    ngx_uint_t  i, n;

    static const char  *names[] = {
        "ngx_http_proxy_module",
        "ngx_http_fastcgi_module",
        "ngx_http_scgi_module",
        "ngx_http_uwsgi_module",
        NULL
    };

    for (i = 0; cycle->modules[i]; i++) {

        if (cycle->modules[i] != tag) {
            continue;
        }

        for (n = 0; names[n]; n++) {
            if (ngx_strcmp(cycle->modules[i]->name, names[n]) == 0) {
                return 1;
            }
        }
    }

    return 0;
}
