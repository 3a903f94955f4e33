/* What /metrics tells, read from the zone. */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_keeper.h"
#include "ngx_conductor_metrics.h"
#include "ngx_conductor_redis.h"


static ngx_int_t ngx_conductor_metrics_histograms(ngx_conductor_hub_t *hub,
    ngx_pool_t *pool, cdr_metrics_t *m);
static void ngx_conductor_metrics_levels(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_tables(ngx_conductor_hub_t *hub,
    uint64_t *used, uint64_t *room);
static uint64_t ngx_conductor_metrics_revoked(ngx_conductor_hub_t *hub);
static void ngx_conductor_metrics_log(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_clients(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_workers(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_keeper(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_redis(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_errands(ngx_conductor_hub_t *hub,
    uint64_t *level);
static void ngx_conductor_metrics_outbox(ngx_conductor_hub_t *hub,
    uint64_t *level);


ngx_int_t
ngx_conductor_metrics_read(ngx_conductor_hub_t *hub, ngx_pool_t *pool,
    cdr_metrics_t *m)
{
    uint64_t                *sums;
    static const cdr_str_t   version = cdr_str(NGX_CONDUCTOR_VERSION),
                             nginx = cdr_str(NGINX_VERSION);

    sums = ngx_palloc(pool, hub->slots.nfigures * sizeof(uint64_t));
    if (sums == NULL) {
        return NGX_ERROR;
    }

    m->hub.data = hub->name.data;
    m->hub.len = hub->name.len;
    m->server.data = hub->label.data;
    m->server.len = hub->label.len;
    m->version = version;
    m->nginx = nginx;

    /* no name more while it is written than when it was measured */

    m->cells = hub->cells;
    m->cells.n = cdr_cells_used(&hub->cells);

    cdr_slots_sums(&hub->slots, sums);
    m->figures = sums;

    ngx_conductor_metrics_levels(hub, m->levels);

    return ngx_conductor_metrics_histograms(hub, pool, m);
}


static ngx_int_t
ngx_conductor_metrics_histograms(ngx_conductor_hub_t *hub, ngx_pool_t *pool,
    cdr_metrics_t *m)
{
    uint32_t          i;
    cdr_histogram_t  *h;

    m->nhistograms = CDR_HISTOGRAMS + m->cells.n;
    m->nhistograms = ngx_min(m->nhistograms, hub->histograms.n);

    h = ngx_palloc(pool, m->nhistograms * sizeof(cdr_histogram_t));
    if (h == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < m->nhistograms; i++) {
        cdr_histogram_read(&hub->histograms, i, &h[i]);
    }

    m->histograms = h;

    return NGX_OK;
}


static void
ngx_conductor_metrics_levels(ngx_conductor_hub_t *hub, uint64_t *level)
{
    ngx_uint_t  i;

    for (i = 0; i < CDR_LEVEL_N; i++) {
        level[i] = CDR_LEVEL_NONE;
    }

    level[CDR_LEVEL_CONNECTIONS] = cdr_registry_live(&hub->registry);
    level[CDR_LEVEL_ZONE_BYTES] = hub->zone_size;
    level[CDR_LEVEL_STARTED] = hub->log.epoch_ms;
    level[CDR_LEVEL_DRAINING] = ngx_conductor_draining(hub);

    ngx_conductor_metrics_tables(hub, &level[CDR_LEVEL_USED],
                                 &level[CDR_LEVEL_ROOM]);
    ngx_conductor_metrics_log(hub, level);
    ngx_conductor_metrics_clients(hub, level);
    ngx_conductor_metrics_workers(hub, &level[CDR_LEVEL_WORKERS]);
    ngx_conductor_metrics_keeper(hub, level);

    if (hub->redis) {
        ngx_conductor_metrics_redis(hub, level);
        ngx_conductor_metrics_outbox(hub, level);
    }

    if (hub->errands) {
        ngx_conductor_metrics_errands(hub, level);
    }
}


static void
ngx_conductor_metrics_tables(ngx_conductor_hub_t *hub, uint64_t *used,
    uint64_t *room)
{
    cdr_idem_fill_t      idem;
    cdr_counter_fill_t   counter;
    cdr_presence_fill_t  reviewers;

    used[CDR_TABLE_CONNECTIONS] = cdr_registry_live(&hub->registry);
    room[CDR_TABLE_CONNECTIONS] = hub->zone->capacity;

    cdr_counter_fill(&hub->counters, &counter);
    used[CDR_TABLE_KEYS] = counter.used;
    room[CDR_TABLE_KEYS] = counter.entries;

    cdr_counter_fill(&hub->windows, &counter);
    used[CDR_TABLE_WINDOWS] = counter.used;
    room[CDR_TABLE_WINDOWS] = counter.entries;

    used[CDR_TABLE_REVOCATIONS] = ngx_conductor_metrics_revoked(hub);
    room[CDR_TABLE_REVOCATIONS] = hub->revoke.n;

    cdr_idem_fill(&hub->idem, &idem);
    used[CDR_TABLE_IDEMPOTENCY] = idem.running + idem.done;
    room[CDR_TABLE_IDEMPOTENCY] = idem.records;

    used[CDR_TABLE_FIGURES] = cdr_cells_used(&hub->cells);
    room[CDR_TABLE_FIGURES] = hub->cells.n;

    if (hub->presence && hub->reviewers.shm) {
        cdr_presence_fill(&hub->reviewers, &reviewers);
        used[CDR_TABLE_REVIEWERS] = reviewers.live + reviewers.offline;
        room[CDR_TABLE_REVIEWERS] = reviewers.entries;
    }

    if (hub->questions.n) {
        used[CDR_TABLE_QUESTIONS] = cdr_question_used(&hub->questions);
        room[CDR_TABLE_QUESTIONS] = hub->questions.n;
    }
}


/* Those that are not over. */

static uint64_t
ngx_conductor_metrics_revoked(ngx_conductor_hub_t *hub)
{
    uint32_t                   i;
    uint64_t                   n, now;
    const cdr_revoke_entry_t  *e;

    n = 0;
    i = 0;
    now = ngx_conductor_now();

    while ((e = cdr_revoke_next(&hub->revoke, &i)) != NULL) {
        n += (atomic_load(&e->until_ms) > now);
    }

    return n;
}


static void
ngx_conductor_metrics_log(ngx_conductor_hub_t *hub, uint64_t *level)
{
    cdr_log_fill_t  fill;

    cdr_log_fill(&hub->log, &fill);

    level[CDR_LEVEL_LOG_EVENTS] = fill.events;
    level[CDR_LEVEL_LOG_EVENTS_MAX] = fill.events_max;
    level[CDR_LEVEL_LOG_BYTES] = fill.bytes;
    level[CDR_LEVEL_LOG_BYTES_MAX] = fill.bytes_max;
}


static void
ngx_conductor_metrics_clients(ngx_conductor_hub_t *hub, uint64_t *level)
{
    ngx_uint_t                i;
    static const struct {
        uint32_t              level;
        uint32_t              gauge;
    }                         told[] = {
        { CDR_LEVEL_SESSIONS, CDR_GAUGE_SESSIONS },
        { CDR_LEVEL_QUEUE_BYTES, CDR_GAUGE_QUEUED_BYTES },
        { CDR_LEVEL_QUEUE_MESSAGES, CDR_GAUGE_QUEUED_MESSAGES },
        { CDR_LEVEL_BEHIND, CDR_GAUGE_BEHIND },
        { CDR_LEVEL_CALLS, CDR_GAUGE_CALLS },
        { CDR_LEVEL_CALLS_WAITING, CDR_GAUGE_CALLS_WAITING }
    };

    for (i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        level[told[i].level] = cdr_slots_sum_gauge(&hub->slots,
                                                   told[i].gauge);
    }
}


static void
ngx_conductor_metrics_workers(ngx_conductor_hub_t *hub, uint64_t *level)
{
    uint32_t     i;
    cdr_slot_t  *slot;

    level[CDR_WORKERS_ACTIVE] = 0;
    level[CDR_WORKERS_DRAINING] = 0;

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        slot = &hub->slots.slots[i];

        if (!ngx_conductor_slot_is_keeper(slot)) {
            level[(atomic_load(&slot->state) == CDR_SLOT_DRAINING)
                  ? CDR_WORKERS_DRAINING : CDR_WORKERS_ACTIVE]++;
        }
    }
}


static void
ngx_conductor_metrics_keeper(ngx_conductor_hub_t *hub, uint64_t *level)
{
    if (hub->state == NULL || ngx_process == NGX_PROCESS_SINGLE) {
        return;
    }

    level[CDR_LEVEL_KEEPER] = !ngx_conductor_keeper_missing(hub);

    if (hub->presence_file.len) {
        level[CDR_LEVEL_DATABASE] = (atomic_load(&hub->zone->keeping.database)
                                     == NGX_CONDUCTOR_DATABASE_OK);
    }
}


static void
ngx_conductor_metrics_redis(ngx_conductor_hub_t *hub, uint64_t *level)
{
    ngx_uint_t                i, state;
    ngx_conductor_joining_t  *joining;

    joining = &hub->zone->joining;
    state = CDR_REDIS_ALONE;

    switch (atomic_load(&joining->state)) {

    case NGX_CONDUCTOR_REDIS_RETURNING:
        state = CDR_REDIS_RETURNING;
        break;

    case NGX_CONDUCTOR_REDIS_JOINED:
        state = CDR_REDIS_JOINED;
        break;

    default:
        break;
    }

    for (i = 0; i < CDR_REDIS_STATE_N; i++) {
        level[CDR_LEVEL_REDIS_STATE + i] = (i == state);
    }

    level[CDR_LEVEL_REDIS] = (state == CDR_REDIS_JOINED);
    level[CDR_LEVEL_REDIS_LAG] = atomic_load(&joining->lag_us);
    level[CDR_LEVEL_REDIS_RECONNECTS] = atomic_load(&joining->reconnects);
    level[CDR_LEVEL_REDIS_DROPPED] = atomic_load(&joining->dropped);
    level[CDR_LEVEL_REDIS_REJECTED] = atomic_load(&joining->rejected);
    level[CDR_LEVEL_SERVERS] = ngx_max(atomic_load(&joining->servers), 1);
}


static void
ngx_conductor_metrics_outbox(ngx_conductor_hub_t *hub, uint64_t *level)
{
    cdr_outbox_fill_t  fill;

    ngx_memzero(&fill, sizeof(cdr_outbox_fill_t));

    if (hub->outbox.shm) {
        cdr_outbox_fill(&hub->outbox, &fill);
    }

    level[CDR_LEVEL_OUTBOX_EVENTS] = fill.events;
    level[CDR_LEVEL_OUTBOX_BYTES] = fill.used;
    level[CDR_LEVEL_OUTBOX_BYTES_MAX] = fill.size;
}


static void
ngx_conductor_metrics_errands(ngx_conductor_hub_t *hub, uint64_t *level)
{
    cdr_outbox_fill_t  fill;

    cdr_outbox_fill(&hub->errand_box, &fill);

    level[CDR_LEVEL_ERRANDS] = fill.records;
    level[CDR_LEVEL_ERRANDS_BYTES] = fill.used;
    level[CDR_LEVEL_ERRANDS_BYTES_MAX] = fill.size;
    level[CDR_LEVEL_ERRANDS_DONE] = atomic_load(&hub->errands->done);
    level[CDR_LEVEL_ERRANDS_FAILED] = atomic_load(&hub->errands->failed);
    level[CDR_LEVEL_ERRANDS_DROPPED] = atomic_load(&hub->errands->dropped);
}
