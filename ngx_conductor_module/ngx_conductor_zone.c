/* The shared memory of a hub: how it is laid out, locked and repaired. */

#include "ngx_conductor_append.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_offer.h"
#include "ngx_conductor_presence.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_siphash.h>
#include <openssl/rand.h>


#define NGX_CONDUCTOR_ZONE_MAGIC    0x524f545544434e43ull
#define NGX_CONDUCTOR_ZONE_VERSION  7

#define ngx_conductor_align(n)       ngx_align(n, 64)


static ngx_int_t ngx_conductor_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_conductor_zone_find(ngx_conductor_hub_t *hub,
    ngx_conductor_hub_t *ohub, ngx_shm_zone_t *shm_zone);
static void ngx_conductor_zone_single(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static ngx_int_t ngx_conductor_zone_create(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static ngx_int_t ngx_conductor_zone_attach(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static void ngx_conductor_zone_label(ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_zone_layout(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
static void ngx_conductor_zone_print(ngx_conductor_hub_t *hub,
    size_t usable, size_t fixed, size_t each);
static size_t ngx_conductor_zone_usable(size_t size);
static size_t ngx_conductor_zone_need(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static void ngx_conductor_zone_repair(ngx_conductor_hub_t *hub);


ngx_int_t
ngx_conductor_zone_add(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_str_t  name;

    if (ngx_conductor_zone_layout(cf, hub) != NGX_OK) {
        return NGX_ERROR;
    }

    name.len = sizeof("conductor_") - 1 + hub->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name.data, "conductor_%V", &hub->name);

    hub->shm_zone = ngx_shared_memory_add(cf, &name, hub->zone_size,
                                          &ngx_http_conductor_module);
    if (hub->shm_zone == NULL) {
        return NGX_ERROR;
    }

    hub->hostname = cf->cycle->hostname;
    hub->shm_zone->init = ngx_conductor_zone_init;
    hub->shm_zone->data = hub;

    return NGX_OK;
}


/*
 * The section between the two is critical: a process that is killed inside
 * it leaves the zone dirty, and whoever locks next repairs what is derived.
 */

void
ngx_conductor_zone_lock(ngx_conductor_hub_t *hub)
{
    ngx_shmtx_lock(&hub->shpool->mutex);

    if (hub->zone->dirty) {
        ngx_conductor_zone_repair(hub);
    }

    hub->zone->dirty = 1;

    ngx_memory_barrier();
}


void
ngx_conductor_zone_unlock(ngx_conductor_hub_t *hub)
{
    ngx_memory_barrier();

    hub->zone->dirty = 0;

    ngx_shmtx_unlock(&hub->shpool->mutex);
}


/* A counted key: nobody outside can choose what it collides with. */

uint64_t
ngx_conductor_zone_key(ngx_conductor_hub_t *hub, ngx_uint_t kind,
    u_char *data, size_t len)
{
    uint64_t  key;
    uint8_t   secret[CDR_SIPHASH_KEY_LEN];

    ngx_memcpy(secret, hub->zone->secret, CDR_SIPHASH_KEY_LEN);
    secret[0] ^= (uint8_t) kind;

    key = cdr_siphash(secret, data, len);

    return key ? key : 1;
}


static ngx_int_t
ngx_conductor_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_conductor_hub_t *ohub = data;

    ngx_conductor_hub_t  *hub;

    hub = shm_zone->data;
    hub->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ngx_conductor_owner_prepare(hub, shm_zone->shm.log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_conductor_zone_single(hub, shm_zone->shm.log);

    if (ohub && hub->redis
        && ngx_conductor_redis_before(hub->redis, ohub->redis,
                                      hub->cycle->pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_conductor_zone_find(hub, ohub, shm_zone) != NGX_OK) {
        ngx_conductor_restore_drop(hub);
        return NGX_ERROR;
    }

    ngx_conductor_restore(hub, shm_zone->shm.log);

    if (ohub == NULL || ohub->state == NULL) {

        /* time for a keeper to begin */

        atomic_store(&hub->zone->keeping.beat, ngx_current_msec);
    }

    ngx_conductor_zone_label(hub);

    return NGX_OK;
}


/* The zone of the hub before this one, or one that is made. */

static ngx_int_t
ngx_conductor_zone_find(ngx_conductor_hub_t *hub, ngx_conductor_hub_t *ohub,
    ngx_shm_zone_t *shm_zone)
{
    ngx_log_t  *log;

    log = shm_zone->shm.log;

    if (ohub) {
        hub->zone = ohub->zone;

    } else if (shm_zone->shm.exists) {
        hub->zone = hub->shpool->data;

    } else {
        ngx_conductor_zone_resized(hub, shm_zone);
        ngx_conductor_restore_load(hub, log);

        if (ngx_conductor_zone_create(hub, log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_conductor_zone_attach(hub, log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ohub) {
        ngx_conductor_zone_compare(hub, log);
    }

    if (ohub || shm_zone->shm.exists) {
        return NGX_OK;
    }

    ngx_conductor_errands_create(hub, log);

    return ngx_conductor_outbox_create(hub, log);
}


/*
 * It is the keeper that brings events into the log of a hub with Redis: without
 * one this is a hub without, whose places are those of its lives.
 */

static void
ngx_conductor_zone_single(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_core_conf_t  *ccf;

    if (hub->redis == NULL) {
        return;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(hub->cycle->conf_ctx,
                                           ngx_core_module);
    if (ccf->master) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "with \"master_process off\" there is no keeper: hub \"%V\" "
                  "does not use its Redis, and is a server alone",
                  &hub->name);

    hub->redis = NULL;
}


static ngx_int_t
ngx_conductor_zone_create(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    u_char                *mem;
    size_t                 size;
    ngx_uint_t             i;
    ngx_conductor_part_t  *part;
    ngx_conductor_zone_t  *zone;

    mem = ngx_slab_alloc(hub->shpool,
                         ngx_conductor_zone_need(hub, hub->capacity));
    if (mem == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the zone of hub \"%V\" is too small", &hub->name);
        return NGX_ERROR;
    }

    zone = (ngx_conductor_zone_t *) mem;
    ngx_memzero(zone, sizeof(ngx_conductor_zone_t));

    zone->capacity = (uint32_t) hub->capacity;

    if (RAND_bytes((u_char *) &zone->boot, sizeof(uint64_t)) != 1
        || RAND_bytes(zone->secret, sizeof(zone->secret)) != 1)
    {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    size = ngx_conductor_align(sizeof(ngx_conductor_zone_t));
    part = ngx_conductor_parts;

    for (i = 0; part[i].name; i++) {
        zone->parts[i].offset = size;
        zone->parts[i].version = part[i].version;

        if (part[i].init(hub, mem + size, hub->capacity) != CDR_OK) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "the %s of hub \"%V\" cannot be laid out",
                          part[i].name, &hub->name);
            return NGX_ERROR;
        }

        size += ngx_conductor_align(part[i].size(hub, hub->capacity));
    }

    zone->version = NGX_CONDUCTOR_ZONE_VERSION;
    zone->magic = NGX_CONDUCTOR_ZONE_MAGIC;

    hub->zone = zone;
    hub->shpool->data = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_zone_attach(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    u_char                *mem, *end;
    ngx_uint_t             i;
    ngx_conductor_part_t  *part;
    ngx_conductor_zone_t  *zone;

    zone = hub->zone;
    end = hub->shpool->end;
    part = ngx_conductor_parts;

    if (zone == NULL || zone->magic != NGX_CONDUCTOR_ZONE_MAGIC
        || zone->version != NGX_CONDUCTOR_ZONE_VERSION)
    {
        goto failed;
    }

    for (i = 0; part[i].name; i++) {
        mem = (u_char *) zone + zone->parts[i].offset;

        if (zone->parts[i].version != part[i].version
            || part[i].attach(hub, mem, end - mem) != CDR_OK)
        {
            goto failed;
        }
    }

    return NGX_OK;

failed:

    ngx_log_error(NGX_LOG_EMERG, log, 0,
                  "the zone of hub \"%V\" was laid out by another "
                  "version of the module: restart nginx", &hub->name);

    return NGX_ERROR;
}


/* This server's name, if none is configured: it stays over a reload. */

static void
ngx_conductor_zone_label(ngx_conductor_hub_t *hub)
{
    u_char                *p, *last;
    ngx_conductor_zone_t  *zone;

    if (hub->label.len) {
        return;
    }

    zone = hub->zone;

    if (zone->label[0] == '\0') {
        last = zone->label + sizeof(zone->label) - 1;
        p = ngx_slprintf(zone->label, last - 9, "%V", &hub->hostname);
        p = ngx_slprintf(p, last, "-%08xL", zone->boot & 0xffffffff);
        *p = '\0';
    }

    hub->label.data = zone->label;
    hub->label.len = ngx_strlen(zone->label);
}


/*
 * connections = (usable - fixed parts - overhead) / bytes of each.  What is
 * added per connection is rounded up, so all of it fits.
 */

static ngx_int_t
ngx_conductor_zone_layout(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    size_t                 usable, fixed, each;
    ngx_conductor_part_t  *part;

    usable = ngx_conductor_zone_usable(hub->zone_size);
    each = 0;

    for (part = ngx_conductor_parts; part->name; part++) {
        each += part->each ? part->each(hub) : 0;
    }

    fixed = ngx_conductor_zone_need(hub, 1) - each;

    if (hub->history_size > usable || fixed + each > usable) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone of hub \"%V\" is too small: %uz bytes hold "
                           "no connection beside %uz of history and other "
                           "fixed parts; enlarge \"zone\" or reduce "
                           "\"history\"", &hub->name, hub->zone_size,
                           ngx_max(fixed, hub->history_size));
        return NGX_ERROR;
    }

    hub->capacity = ngx_min((usable - fixed) / each,
                            CDR_REGISTRY_ENTRIES_MAX);

    while (ngx_conductor_zone_need(hub, hub->capacity) > usable) {

        /* the alignment of parts */

        hub->capacity--;
        fixed += each;
    }

    if (ngx_test_config && !ngx_quiet_mode) {
        ngx_conductor_zone_print(hub, usable, fixed, each);
    }

    return NGX_OK;
}


/* Every term of what a zone holds. */

static void
ngx_conductor_zone_print(ngx_conductor_hub_t *hub, size_t usable,
    size_t fixed, size_t each)
{
    u_char                *p, *last;
    size_t                 size;
    ngx_conductor_part_t  *part;
    u_char                 terms[512];

    p = terms;
    last = terms + sizeof(terms);

    for (part = ngx_conductor_parts; part->name; part++) {

        size = ngx_conductor_align(part->size(hub, 1));

        if (part->each || size == 0) {
            continue;
        }

        fixed -= size;

        p = ngx_slprintf(p, last, " - %uz %s", size, part->name);
    }

    ngx_log_stderr(0, "hub \"%V\": zone of %uz bytes holds %ui "
                   "connections = (%uz usable%*s - %uz overhead) / %uz",
                   &hub->name, hub->zone_size, hub->capacity, usable,
                   (size_t) (p - terms), terms, fixed, each);
}


/* What nginx's own page table leaves of a zone. */

static size_t
ngx_conductor_zone_usable(size_t size)
{
    size_t  pages, used;

    pages = size / ngx_pagesize;
    used = pages * sizeof(ngx_slab_page_t) + 4 * ngx_pagesize;

    return (size > used) ? size - used : 0;
}


static size_t
ngx_conductor_zone_need(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    size_t                 size;
    ngx_conductor_part_t  *part;

    size = ngx_conductor_align(sizeof(ngx_conductor_zone_t));

    for (part = ngx_conductor_parts; part->name; part++) {
        size += ngx_conductor_align(part->size(hub, n));
    }

    return size;
}


static void
ngx_conductor_zone_repair(ngx_conductor_hub_t *hub)
{
    uint32_t               i;
    uint64_t               now;
    cdr_registry_entry_t  *e;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "a process died while it changed the zone of hub \"%V\": "
                  "repairing it", &hub->name);

    now = ngx_current_msec;

    cdr_slots_repair(&hub->slots);
    ngx_conductor_look_repair(hub);
    cdr_revoke_repair(&hub->revoke);
    cdr_counter_reset_counts(&hub->counters);
    cdr_counter_repair(&hub->windows);

    for (i = cdr_registry_next(&hub->registry, 0);
         i != UINT32_MAX;
         i = cdr_registry_next(&hub->registry, i + 1))
    {
        e = cdr_registry_entry(&hub->registry, i);

        (void) cdr_counter_inc(&hub->counters, 0, e->conn.conn_key, 0, now,
                               NULL);
        (void) cdr_counter_inc(&hub->counters, 0, e->conn.user_key, 0, now,
                               NULL);
    }

    ngx_conductor_figures_repair(hub);
    ngx_conductor_presence_repair(hub);

    if (cdr_log_repair(&hub->log) != CDR_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "the event log of hub \"%V\" was damaged: its history "
                      "is dropped", &hub->name);

        if (hub->redis) {
            ngx_conductor_ordered_dropped(hub);
        }
    }

    if (hub->redis) {
        cdr_source_repair(&hub->sources, &hub->log, ngx_conductor_now());
        cdr_outbox_repair(&hub->outbox);
    }

    ngx_conductor_errands_repair(hub);
    ngx_conductor_idem_repair(hub);
}
