/* A hub that is joined to others by Redis: whose it is, and its state. */

#include "ngx_conductor_join_own.h"


static ngx_conductor_join_own_t *ngx_conductor_join_new(
    ngx_conductor_hub_t *hub);
static ngx_uint_t ngx_conductor_join_mine(ngx_conductor_join_own_t *own);
static ngx_int_t ngx_conductor_join_take(ngx_conductor_join_own_t *own);
static ngx_uint_t ngx_conductor_join_owned(ngx_conductor_hub_t *hub,
    uint32_t owner);
static void ngx_conductor_join_start(ngx_conductor_join_own_t *own);
static void ngx_conductor_join_sample(ngx_conductor_join_own_t *own);
static ngx_uint_t ngx_conductor_join_late(ngx_conductor_join_own_t *own);
static void ngx_conductor_join_look(ngx_conductor_join_own_t *own);
static void ngx_conductor_join_idle(ngx_conductor_join_own_t *own);
static ngx_uint_t ngx_conductor_join_responsive(
    ngx_conductor_join_own_t *own);
static void ngx_conductor_join_linked(void *data);
static void ngx_conductor_join_unlinked(void *data, const char *reason);
static void ngx_conductor_join_error(ngx_conductor_join_own_t *own,
    const char *reason);


static const ngx_conductor_link_handlers_t  ngx_conductor_join_handlers = {
    ngx_conductor_join_linked,
    ngx_conductor_join_unlinked,
    ngx_conductor_join_heard,
    ngx_conductor_join_unheard
};


void
ngx_conductor_join_tick(ngx_conductor_join_t **join, ngx_conductor_hub_t *hub)
{
    ngx_conductor_join_own_t    *own;
    ngx_conductor_join_hook_t  **hook;

    if (hub->redis == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    if (*join == NULL) {
        own = ngx_conductor_join_new(hub);

        if (own == NULL) {
            return;
        }

        *join = &own->join;
    }

    own = ngx_conductor_join_own(*join);

    if (!ngx_conductor_join_mine(own)) {
        return;
    }

    ngx_conductor_join_sample(own);
    ngx_conductor_join_gap_due(own);

    if (own->linked) {
        ngx_conductor_join_look(own);
    }

    if (!own->linked
        && ngx_conductor_join_state(hub) != NGX_CONDUCTOR_REDIS_ALONE
        && ngx_current_msec - own->lost >= own->join.conf->timeout)
    {
        ngx_conductor_join_alone(own, ngx_conductor_join_silent(own));
    }

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->tick) {
            (*hook)->tick(&own->join);
        }
    }

    ngx_conductor_join_turn(own);
}


void
ngx_conductor_join_woken(ngx_conductor_join_t *join)
{
    if (join && ngx_conductor_join_mine(ngx_conductor_join_own(join))) {
        ngx_conductor_join_turn(ngx_conductor_join_own(join));
    }
}


void
ngx_conductor_join_stop(ngx_conductor_join_t *join)
{
    ngx_conductor_hub_t        *hub;
    ngx_conductor_join_own_t   *own;
    ngx_conductor_join_hook_t  **hook;

    if (join == NULL || !ngx_conductor_join_own(join)->owner) {
        return;
    }

    hub = join->hub;
    own = ngx_conductor_join_own(join);

    if (!ngx_conductor_join_followed(hub)) {

        /* nobody else answers those who wait */

        ngx_conductor_join_state_set(own, NGX_CONDUCTOR_REDIS_ALONE);
        ngx_conductor_join_place(own);
    }

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->stop) {
            (*hook)->stop(join);
        }
    }

    own->owner = 0;
    own->linked = 0;
    join->up = 0;

    if (join->link) {
        ngx_conductor_link_close(join->link);
        join->link = NULL;
    }

    ngx_conductor_zone_lock(hub);

    if (atomic_load(&hub->zone->joining.owner) == hub->slot + 1) {
        atomic_store(&hub->zone->joining.owner, 0);
    }

    ngx_conductor_zone_unlock(hub);

    ngx_conductor_wake_keeper(hub);
}


static ngx_conductor_join_own_t *
ngx_conductor_join_new(ngx_conductor_hub_t *hub)
{
    ngx_conductor_join_own_t  *own;

    own = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_join_own_t));

    if (own == NULL) {
        return NULL;
    }

    own->join.hub = hub;
    own->join.conf = hub->redis;
    own->join.log = ngx_cycle->log;
    own->count = NGX_CONDUCTOR_JOIN_COUNT;

    return (ngx_conductor_join_sign_init(own) == NGX_OK) ? own : NULL;
}


/* Is it this keeper that is at it?  When the one before it stops, it is. */

static ngx_uint_t
ngx_conductor_join_mine(ngx_conductor_join_own_t *own)
{
    if (own->owner) {
        return 1;
    }

    if (ngx_conductor_join_take(own) != NGX_OK) {
        return 0;
    }

    ngx_conductor_join_start(own);

    return 1;
}


/* Nobody else may be at it: two keepers overlap while nginx is reloaded. */

static ngx_int_t
ngx_conductor_join_take(ngx_conductor_join_own_t *own)
{
    uint32_t              owner;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    ngx_conductor_zone_lock(hub);

    owner = atomic_load(&hub->zone->joining.owner);

    if (!ngx_conductor_join_owned(hub, owner)) {
        atomic_store(&hub->zone->joining.owner, (uint32_t) hub->slot + 1);
        atomic_store(&hub->zone->joining.next, 0);
        own->owner = 1;

    } else {
        atomic_store(&hub->zone->joining.next, (uint32_t) hub->slot + 1);
    }

    ngx_conductor_zone_unlock(hub);

    return own->owner ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_conductor_join_followed(ngx_conductor_hub_t *hub)
{
    return ngx_conductor_join_owned(hub,
                                    atomic_load(&hub->zone->joining.next));
}


static ngx_uint_t
ngx_conductor_join_owned(ngx_conductor_hub_t *hub, uint32_t owner)
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
ngx_conductor_join_start(ngx_conductor_join_own_t *own)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t         *hub;
    ngx_conductor_join_t        *join;
    ngx_conductor_join_hook_t  **hook;

    join = &own->join;
    hub = join->hub;

    own->patient = 1;
    own->since = ngx_conductor_clock();
    own->lost = ngx_current_msec;

    for (i = 0; i < NGX_CONDUCTOR_JOIN_SAMPLES; i++) {
        own->samples[i].n = 0;
        own->samples[i].at = ngx_current_msec;
    }

    ngx_conductor_join_recover(own);

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->start) {
            (*hook)->start(join);
        }
    }

    join->link = ngx_conductor_link_open(join->conf, &hub->name,
                                         &ngx_conductor_join_handlers, own,
                                         join->log);
    if (join->link == NULL) {
        ngx_conductor_join_alone(own, "out of memory");
        own->owner = 0;
    }
}


/* What is to be done by the clock while there is a link. */

static void
ngx_conductor_join_look(ngx_conductor_join_own_t *own)
{
    if (own->over && ngx_conductor_due(own->hello_at)) {
        ngx_conductor_join_hello(own);
    }

    if (!own->greeted) {

        if (own->greeting
            && ngx_current_msec - own->hello_at >= own->join.conf->timeout)
        {
            ngx_conductor_join_alone(own, "Redis did not answer in time");
        }

        return;
    }

    ngx_conductor_join_idle(own);

    if (own->reading) {

        if (ngx_current_msec - own->asked >= NGX_CONDUCTOR_JOIN_HUNG) {
            ngx_conductor_link_fail(own->join.link,
                                    "the stream cannot be read: no answer");
        }

    } else if (ngx_conductor_due(own->read_at)) {
        ngx_conductor_join_read(own);
    }
}


/*
 * Also where nobody publishes it is to be known whether Redis answers, and
 * still has what it had.
 */

static void
ngx_conductor_join_idle(ngx_conductor_join_own_t *own)
{
    uint64_t  now;

    now = ngx_conductor_clock();

    if (own->ncalls == 0) {

        if (now - own->sent >= NGX_CONDUCTOR_JOIN_PROBE * 1000) {
            ngx_conductor_join_probe(own);
        }

    } else if (now - ngx_max(own->heard, own->sent)
               >= (uint64_t) own->join.conf->timeout * 1000)
    {
        ngx_conductor_join_alone(own, "Redis did not answer in time");
    }
}


/*
 * One thing after the other: what waited too long, or need not wait, gets a
 * place; what Redis does not have is offered; and the state follows.
 */

void
ngx_conductor_join_turn(ngx_conductor_join_own_t *own)
{
    ngx_int_t             rc;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    if (ngx_conductor_join_late(own)) {
        ngx_conductor_join_alone(own, ngx_conductor_join_silent(own));
    }

    if (ngx_conductor_join_state(hub) != NGX_CONDUCTOR_REDIS_JOINED
        && !own->patient)
    {
        ngx_conductor_join_place(own);
    }

    if (!own->greeted || own->over) {
        return;
    }

    ngx_conductor_join_keys(own);

    rc = ngx_conductor_join_offer(own);

    if (ngx_conductor_join_state(hub) == NGX_CONDUCTOR_REDIS_JOINED) {
        return;
    }

    if (rc == NGX_OK && ngx_conductor_join_responsive(own)) {
        ngx_conductor_join_state_set(own, NGX_CONDUCTOR_REDIS_JOINED);

    } else if (own->ncalls == 0) {
        ngx_conductor_join_probe(own);
    }
}


/* Would what waits for Redis now be answered well in time? */

static ngx_uint_t
ngx_conductor_join_responsive(ngx_conductor_join_own_t *own)
{
    return own->answered && own->rtt <= (uint64_t) own->join.conf->timeout * 500
           && own->ncalls == 0 && ngx_conductor_join_caught(own);
}


static void
ngx_conductor_join_sample(ngx_conductor_join_own_t *own)
{
    ngx_conductor_join_sample_t  *s;

    s = &own->samples[own->sample];

    if (ngx_current_msec - s->at
        < own->join.conf->timeout / (NGX_CONDUCTOR_JOIN_SAMPLES - 4))
    {
        return;
    }

    own->sample = (own->sample + 1) % NGX_CONDUCTOR_JOIN_SAMPLES;
    s = &own->samples[own->sample];

    s->at = ngx_current_msec;
    s->n = cdr_outbox_n(&own->join.hub->outbox);
}


/* Has the first event that waits been there before the time-out began? */

static ngx_uint_t
ngx_conductor_join_late(ngx_conductor_join_own_t *own)
{
    uint64_t                      n;
    ngx_uint_t                    i;
    ngx_conductor_join_sample_t  *s;

    n = ngx_conductor_join_waiting(own);

    if (n == 0) {
        return 0;
    }

    for (i = 0; i < NGX_CONDUCTOR_JOIN_SAMPLES; i++) {
        s = &own->samples[i];

        if (s->n >= n
            && ngx_current_msec - s->at >= own->join.conf->timeout)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_conductor_join_state_set(ngx_conductor_join_own_t *own,
    ngx_conductor_redis_e state)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    own->patient = 0;

    if (ngx_conductor_join_state(hub) == state) {
        return;
    }

    own->answered = 0;
    own->since = ngx_conductor_clock();

    if (state == NGX_CONDUCTOR_REDIS_JOINED) {
        ngx_conductor_join_error(own, "");

        if (!own->quiet) {
            ngx_log_error(NGX_LOG_NOTICE, own->join.log, 0,
                          "hub \"%V\" is joined by its Redis", &hub->name);
        }

        own->quiet = 1;
    }

    atomic_store(&joining->since_ms, ngx_conductor_now());
    atomic_store(&joining->state, state);
}


void
ngx_conductor_join_alone(ngx_conductor_join_own_t *own, const char *reason)
{
    ngx_conductor_join_error(own, reason);

    if (ngx_conductor_join_say_why(own, reason)) {
        own->quiet = 0;

        ngx_log_error(NGX_LOG_ERR, own->join.log, 0,
                      "hub \"%V\" goes on alone: %s",
                      &own->join.hub->name, reason);
    }

    ngx_conductor_join_state_set(own, NGX_CONDUCTOR_REDIS_ALONE);
}


/* For /health. */

static void
ngx_conductor_join_error(ngx_conductor_join_own_t *own, const char *reason)
{
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    ngx_conductor_zone_lock(hub);

    (void) ngx_cpystrn(hub->zone->joining.error, (u_char *) reason,
                       NGX_CONDUCTOR_KEEPER_TEXT);

    ngx_conductor_zone_unlock(hub);
}


/* The hello is through for the first time on this link. */

void
ngx_conductor_join_up(ngx_conductor_join_own_t *own)
{
    ngx_conductor_hub_t         *hub;
    ngx_conductor_join_hook_t  **hook;

    hub = own->join.hub;

    atomic_fetch_add(&hub->zone->joining.reconnects, 1);

    if (own->patient && hub->zone->joining.lone_n == 0) {
        ngx_conductor_join_state_set(own, NGX_CONDUCTOR_REDIS_JOINED);

    } else if (ngx_conductor_join_state(hub) == NGX_CONDUCTOR_REDIS_ALONE) {
        ngx_conductor_join_state_set(own, NGX_CONDUCTOR_REDIS_RETURNING);
    }

    own->join.up = 1;

    for (hook = ngx_conductor_join_hooks; *hook; hook++) {
        if ((*hook)->up) {
            (*hook)->up(&own->join);
        }
    }

    ngx_conductor_join_listen(own);
}


static void
ngx_conductor_join_linked(void *data)
{
    ngx_conductor_join_own_t *own = data;

    own->linked = 1;
    own->reading = 0;
    own->read_at = ngx_current_msec;

    ngx_conductor_join_hello(own);
}


static void
ngx_conductor_join_unlinked(void *data, const char *reason)
{
    ngx_conductor_join_own_t *own = data;

    ngx_conductor_join_hook_t  **hook;

    (void) ngx_cpystrn(own->why, (u_char *) reason, NGX_CONDUCTOR_KEEPER_TEXT);

    if (own->linked) {
        ngx_conductor_join_large(own);

        own->linked = 0;
        own->lost = ngx_current_msec;

        ngx_conductor_join_over(own, 0);
    }

    own->reading = 0;

    if (own->join.up) {
        own->join.up = 0;

        for (hook = ngx_conductor_join_hooks; *hook; hook++) {
            if ((*hook)->down) {
                (*hook)->down(&own->join);
            }
        }

        /* it may be back in a moment, and who waits has time until then */

        if (ngx_conductor_join_state(own->join.hub)
            == NGX_CONDUCTOR_REDIS_JOINED)
        {
            ngx_conductor_join_error(own, reason);
            return;
        }
    }

    ngx_conductor_join_alone(own, reason);
    ngx_conductor_join_turn(own);
}
