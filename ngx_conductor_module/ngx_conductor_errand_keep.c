/*
 * The keeper runs errands: it alone, with their file, in each of its turns and
 * when it ends.
 */

#include "ngx_conductor_errand_keep.h"


#define NGX_CONDUCTOR_ERRAND_ORPHANS 1000   /* ms that workers may take */


static ngx_conductor_runner_t *ngx_conductor_runner(ngx_conductor_hub_t *hub);
static ngx_conductor_runner_t *ngx_conductor_runner_new(
    ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_runner_of_new(ngx_conductor_errands_of_t *of);
static ngx_int_t ngx_conductor_runner_own(ngx_conductor_runner_t *run);
static ngx_uint_t ngx_conductor_runner_owned(ngx_conductor_hub_t *hub,
    uint32_t owner);
static void ngx_conductor_runner_start(ngx_conductor_runner_t *run);
static void ngx_conductor_runner_orphans(ngx_conductor_hub_t *hub);


static ngx_conductor_runner_t  *ngx_conductor_runners;


void
ngx_conductor_errands_turn(ngx_conductor_hub_t *hub,
    struct ngx_conductor_join_s *join)
{
    ngx_uint_t               i;
    ngx_conductor_runner_t  *run;

    if (hub->errands == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    run = ngx_conductor_runner(hub);

    if (run == NULL || ngx_conductor_runner_own(run) != NGX_OK) {
        return;
    }

    run->join = join;

    ngx_conductor_errand_read(run);
    ngx_conductor_errand_room(run);
    ngx_conductor_errand_back(run);
    ngx_conductor_errand_prune(run);

    for (i = 0; i < run->n; i++) {

        if (run->of[i].target->server) {
            ngx_conductor_errand_lend(&run->of[i]);

        } else {
            ngx_conductor_errand_stream(&run->of[i]);
        }
    }

    if (run->keep) {
        ngx_conductor_keep_run(run->keep);
    }
}


/* What is lent stays lent: the next keeper takes it back. */

void
ngx_conductor_errands_stop(ngx_conductor_hub_t *hub)
{
    ngx_conductor_runner_t  *run;

    if (hub->errands == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    run = ngx_conductor_runner(hub);

    if (run == NULL || !run->owner) {
        return;
    }

    if (getppid() != ngx_parent) {
        ngx_conductor_runner_orphans(hub);
    }

    ngx_conductor_errand_back(run);

    if (run->keep) {
        ngx_conductor_keep_end(run->keep);
        run->keep = NULL;
    }

    run->owner = 0;

    ngx_conductor_zone_lock(hub);

    if (atomic_load(&hub->errands->owner) == hub->slot + 1) {
        atomic_store(&hub->errands->owner, 0);
    }

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_wake_keeper(hub);
}


static ngx_conductor_runner_t *
ngx_conductor_runner(ngx_conductor_hub_t *hub)
{
    ngx_conductor_runner_t  *run;

    for (run = ngx_conductor_runners; run; run = run->next) {
        if (run->hub == hub) {
            return run;
        }
    }

    run = ngx_conductor_runner_new(hub);

    if (run) {
        run->next = ngx_conductor_runners;
        ngx_conductor_runners = run;
    }

    return run;
}


static ngx_conductor_runner_t *
ngx_conductor_runner_new(ngx_conductor_hub_t *hub)
{
    ngx_uint_t               i;
    ngx_conductor_target_t  *target;
    ngx_conductor_runner_t  *run;

    run = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_runner_t));
    if (run == NULL) {
        return NULL;
    }

    run->hub = hub;
    run->n = hub->targets.nelts;
    run->of = ngx_pcalloc(ngx_cycle->pool,
                          (run->n + 1) * sizeof(ngx_conductor_errands_of_t));
    if (run->of == NULL) {
        return NULL;
    }

    target = hub->targets.elts;

    for (i = 0; i < run->n; i++) {
        run->of[i].runner = run;
        run->of[i].target = &target[i];

        if (ngx_conductor_runner_of_new(&run->of[i]) != NGX_OK) {
            return NULL;
        }
    }

    return run;
}


static ngx_int_t
ngx_conductor_runner_of_new(ngx_conductor_errands_of_t *of)
{
    of->moved = ngx_current_msec;

    ngx_queue_init(&of->errands);
    ngx_queue_init(&of->fresh);
    ngx_queue_init(&of->again);
    ngx_queue_init(&of->later);
    ngx_queue_init(&of->held);

    if (of->target->server == NULL) {
        return NGX_OK;
    }

    of->lines = ngx_pcalloc(ngx_cycle->pool, NGX_CONDUCTOR_LINES
                                             * sizeof(ngx_conductor_line_t *));

    return of->lines ? NGX_OK : NGX_ERROR;
}


/* Nobody else may be at it: two keepers overlap while nginx is reloaded. */

static ngx_int_t
ngx_conductor_runner_own(ngx_conductor_runner_t *run)
{
    ngx_conductor_hub_t  *hub;

    if (run->owner) {
        return NGX_OK;
    }

    hub = run->hub;

    ngx_conductor_zone_lock(hub);

    if (!ngx_conductor_runner_owned(hub, atomic_load(&hub->errands->owner))) {
        atomic_store(&hub->errands->owner, (uint32_t) hub->slot + 1);
        run->owner = 1;
    }

    ngx_conductor_zone_unlock(hub);

    if (!run->owner) {
        return NGX_DECLINED;
    }

    ngx_conductor_runner_start(run);

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_runner_owned(ngx_conductor_hub_t *hub, uint32_t owner)
{
    cdr_slot_t  *slot;

    if (owner == 0 || owner > CDR_SLOTS || owner == hub->slot + 1) {
        return 0;
    }

    slot = &hub->slots.slots[owner - 1];

    return atomic_load(&slot->state) != CDR_SLOT_FREE
           && ngx_conductor_slot_is_keeper(slot)
           && !ngx_conductor_process_gone(slot);
}


static void
ngx_conductor_runner_start(ngx_conductor_runner_t *run)
{
    ngx_err_t             err;
    ngx_conductor_kept_t  box;

    cdr_outbox_first(&run->hub->errand_box, &run->cursor);

    ngx_conductor_errands_kept(run->hub, &box);

    run->keep = ngx_conductor_keep_open(run->hub, &box, &err);

    if (run->keep == NULL) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, err,
                      "no thread for the %s of hub \"%V\": what they are not "
                      "told is lost when nginx ends", box.name,
                      &run->hub->name);
    }
}


/* Without a master nobody comes after the workers: they end at once. */

static void
ngx_conductor_runner_orphans(ngx_conductor_hub_t *hub)
{
    ngx_uint_t   i, left;
    cdr_slot_t  *slot;
    ngx_msec_t   deadline;

    deadline = ngx_current_msec + NGX_CONDUCTOR_ERRAND_ORPHANS;

    do {
        left = 0;

        for (i = 0; i < CDR_SLOTS; i++) {
            slot = &hub->slots.slots[i];

            left += atomic_load(&slot->state) != CDR_SLOT_FREE
                    && !ngx_conductor_slot_is_keeper(slot)
                    && !ngx_conductor_process_gone(slot);
        }

        if (left) {
            ngx_msleep(10);
            ngx_time_update();
        }

    } while (left && !ngx_conductor_due(deadline));
}


ngx_uint_t
ngx_conductor_errands_left(ngx_conductor_hub_t *hub)
{
    return hub->errands && hub->state;
}


ngx_int_t
ngx_conductor_errands_save(ngx_conductor_hub_t *hub)
{
    ngx_conductor_kept_t  box;

    ngx_conductor_errands_kept(hub, &box);

    return ngx_conductor_keep_all(hub, &box);
}
