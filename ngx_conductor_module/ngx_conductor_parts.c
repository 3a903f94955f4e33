/*
 * The parts of a zone: how large each is for so many connections, how it is
 * laid out, and how a process attaches to it.
 */

#include "ngx_conductor.h"


#define NGX_CONDUCTOR_KEYS_PER_CONN  2      /* its address and its user */
#define NGX_CONDUCTOR_KEYS_SPARE     1024

#define NGX_CONDUCTOR_WINDOWS_SHARE  64     /* one of so many bytes */
#define NGX_CONDUCTOR_IDEM_MAX       4096   /* idempotency keys of a hub */
#define NGX_CONDUCTOR_IDEM_MIN       64
#define NGX_CONDUCTOR_IDEM_SHARE     4096   /* bytes of the zone for each */
#define NGX_CONDUCTOR_REVOKE_MAX     4096   /* in a zone of 16m or more */

#define ngx_conductor_figures(hub)                                            \
    (uint32_t) (CDR_FIGURES + ngx_conductor_figures_cells(hub))

#define ngx_conductor_keys(n)                                                 \
    ((n) * NGX_CONDUCTOR_KEYS_PER_CONN + NGX_CONDUCTOR_KEYS_SPARE)


static size_t ngx_conductor_slots_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_slots_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_slots_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static size_t ngx_conductor_cells_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_cells_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_cells_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static size_t ngx_conductor_counters_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_counters_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_counters_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static size_t ngx_conductor_counters_each(void);
static size_t ngx_conductor_windows_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_windows_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_windows_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static uint32_t ngx_conductor_windows(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_registry_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_registry_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_registry_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static size_t ngx_conductor_revoke_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_revoke_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_revoke_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static uint32_t ngx_conductor_revoke_entries(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_log_size(ngx_conductor_hub_t *hub, ngx_uint_t n);
static int ngx_conductor_log_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_log_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static cdr_log_params_t ngx_conductor_log_params(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_idem_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_idem_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_idem_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static uint32_t ngx_conductor_idem_records(ngx_conductor_hub_t *hub);


ngx_conductor_part_t  ngx_conductor_parts[] = {

    { "process slots", CDR_SLOTS_VERSION,
      ngx_conductor_slots_size,
      ngx_conductor_slots_init,
      ngx_conductor_slots_attach,
      NULL },

    { "names of figures", CDR_CELLS_VERSION,
      ngx_conductor_cells_size,
      ngx_conductor_cells_init,
      ngx_conductor_cells_attach,
      NULL },

    { "counters", CDR_COUNTER_VERSION,
      ngx_conductor_counters_size,
      ngx_conductor_counters_init,
      ngx_conductor_counters_attach,
      ngx_conductor_counters_each },

    { "windows", CDR_COUNTER_VERSION,
      ngx_conductor_windows_size,
      ngx_conductor_windows_init,
      ngx_conductor_windows_attach,
      NULL },

    { "registry", CDR_REGISTRY_VERSION,
      ngx_conductor_registry_size,
      ngx_conductor_registry_init,
      ngx_conductor_registry_attach,
      cdr_registry_bytes_per_entry },

    { "revocations", CDR_REVOKE_VERSION,
      ngx_conductor_revoke_size,
      ngx_conductor_revoke_init,
      ngx_conductor_revoke_attach,
      NULL },

    { "history", CDR_LOG_VERSION,
      ngx_conductor_log_size,
      ngx_conductor_log_init,
      ngx_conductor_log_attach,
      NULL },

    { "rules", 1,
      ngx_conductor_rules_size,
      ngx_conductor_rules_create,
      ngx_conductor_rules_attach,
      NULL },

    { "idempotency keys", CDR_IDEM_VERSION,
      ngx_conductor_idem_size,
      ngx_conductor_idem_init,
      ngx_conductor_idem_attach,
      NULL },

    { NULL, 0, NULL, NULL, NULL, NULL }
};


static size_t
ngx_conductor_slots_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_slots_size(ngx_conductor_figures(hub));
}


static int
ngx_conductor_slots_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    return cdr_slots_init(mem, ngx_conductor_figures(hub));
}


static int
ngx_conductor_slots_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    return cdr_slots_attach(&hub->slots, mem, size);
}


static size_t
ngx_conductor_cells_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_cells_size((uint32_t) ngx_conductor_figures_cells(hub));
}


static int
ngx_conductor_cells_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    return cdr_cells_init(mem, (uint32_t) ngx_conductor_figures_cells(hub));
}


/* After the slots: whose figures are there for every name. */

static int
ngx_conductor_cells_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    if (cdr_cells_attach(&hub->cells, mem, size) != CDR_OK
        || hub->slots.nfigures != CDR_FIGURES + hub->cells.n)
    {
        return CDR_DECLINED;
    }

    return CDR_OK;
}


static size_t
ngx_conductor_counters_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_counter_size((uint32_t) ngx_conductor_keys(n));
}


static int
ngx_conductor_counters_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    return cdr_counter_init(mem, (uint32_t) ngx_conductor_keys(n));
}


static int
ngx_conductor_counters_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    return cdr_counter_attach(&hub->counters, mem, size);
}


static size_t
ngx_conductor_counters_each(void)
{
    return NGX_CONDUCTOR_KEYS_PER_CONN
           * (sizeof(cdr_counter_entry_t) + sizeof(uint32_t));
}


static size_t
ngx_conductor_windows_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_counter_size(ngx_conductor_windows(hub));
}


static int
ngx_conductor_windows_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    return cdr_counter_init(mem, ngx_conductor_windows(hub));
}


static int
ngx_conductor_windows_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    return cdr_counter_attach(&hub->windows, mem, size);
}


/* By the size of the zone: nobody knows how many will knock. */

static uint32_t
ngx_conductor_windows(ngx_conductor_hub_t *hub)
{
    size_t  n;

    n = hub->zone_size / NGX_CONDUCTOR_WINDOWS_SHARE
        / (sizeof(cdr_counter_entry_t) + sizeof(uint32_t));

    return (uint32_t) ngx_min(n, CDR_COUNTER_ENTRIES_MAX);
}


static size_t
ngx_conductor_registry_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_registry_size((uint32_t) n);
}


static int
ngx_conductor_registry_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    return cdr_registry_init(mem, (uint32_t) n);
}


static int
ngx_conductor_registry_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    return cdr_registry_attach(&hub->registry, mem, size);
}


static size_t
ngx_conductor_revoke_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_revoke_size(ngx_conductor_revoke_entries(hub));
}


static int
ngx_conductor_revoke_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    return cdr_revoke_init(mem, ngx_conductor_revoke_entries(hub));
}


static int
ngx_conductor_revoke_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    return cdr_revoke_attach(&hub->revoke, mem, size);
}


static uint32_t
ngx_conductor_revoke_entries(ngx_conductor_hub_t *hub)
{
    return (uint32_t) ngx_min(hub->zone_size / 4096,
                              NGX_CONDUCTOR_REVOKE_MAX);
}


static size_t
ngx_conductor_log_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    cdr_log_params_t  params;

    params = ngx_conductor_log_params(hub);

    return cdr_log_size(&params);
}


static int
ngx_conductor_log_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    cdr_log_params_t  params;

    params = ngx_conductor_log_params(hub);

    return cdr_log_init(mem, &params);
}


static int
ngx_conductor_log_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    return cdr_log_attach(&hub->log, mem, size);
}


static cdr_log_params_t
ngx_conductor_log_params(ngx_conductor_hub_t *hub)
{
    cdr_log_params_t  params;

    ngx_memzero(&params, sizeof(cdr_log_params_t));

    params.size = hub->history_size;
    params.events = hub->history_events;
    params.epoch_ms = ngx_conductor_now();
    params.base.ms = params.epoch_ms;

    return params;
}


static size_t
ngx_conductor_idem_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return cdr_idem_size(ngx_conductor_idem_records(hub));
}


static int
ngx_conductor_idem_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    return cdr_idem_init(mem, ngx_conductor_idem_records(hub));
}


static int
ngx_conductor_idem_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    return cdr_idem_attach(&hub->idem, mem, size);
}


static uint32_t
ngx_conductor_idem_records(ngx_conductor_hub_t *hub)
{
    size_t  n;

    n = hub->zone_size / NGX_CONDUCTOR_IDEM_SHARE;
    n = ngx_max(n, NGX_CONDUCTOR_IDEM_MIN);

    return (uint32_t) ngx_min(n, NGX_CONDUCTOR_IDEM_MAX);
}
