/*
 * The parts of a zone: how large each is for so many connections, how it is
 * laid out, and how a process attaches to it.
 */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_redis.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_siphash.h>
#include <openssl/rand.h>


#define NGX_CONDUCTOR_KEYS_PER_CONN  2      /* its address and its user */
#define NGX_CONDUCTOR_KEYS_SPARE     1024

#define NGX_CONDUCTOR_WINDOWS_SHARE  64     /* one of so many bytes */
#define NGX_CONDUCTOR_IDEM_MAX       4096   /* idempotency keys of a hub */
#define NGX_CONDUCTOR_IDEM_MIN       64
#define NGX_CONDUCTOR_IDEM_SHARE     4096   /* bytes of the zone for each */
#define NGX_CONDUCTOR_QUESTIONS_MAX    16
#define NGX_CONDUCTOR_QUESTIONS_SHARE  (4 * 1024 * 1024)
#define NGX_CONDUCTOR_REVOKE_MAX     4096   /* in a zone of 16m or more */
#define NGX_CONDUCTOR_NO_REVIEWERS   64     /* bytes of zeros */
#define NGX_CONDUCTOR_TICKETS_MAX    4096   /* publications that wait */
#define NGX_CONDUCTOR_TICKETS_MIN    64
#define NGX_CONDUCTOR_TICKETS_SHARE  16384  /* bytes of the zone for each */

#define ngx_conductor_keys(n)                                                 \
    ((n) * NGX_CONDUCTOR_KEYS_PER_CONN + NGX_CONDUCTOR_KEYS_SPARE)


static uint32_t ngx_conductor_windows(ngx_conductor_hub_t *hub);
static uint32_t ngx_conductor_revocations(ngx_conductor_hub_t *hub);
static uint32_t ngx_conductor_idem_records(ngx_conductor_hub_t *hub);
static uint32_t ngx_conductor_question_slots(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_questions_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_questions_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_questions_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static size_t ngx_conductor_sources_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_sources_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_sources_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static uint32_t ngx_conductor_tickets(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_outbox_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_outbox_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_outbox_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static int ngx_conductor_cells_match(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static size_t ngx_conductor_counters_each(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_registry_each(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_reviewers_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_reviewers_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_reviewers_attach(ngx_conductor_hub_t *hub,
    u_char *mem, size_t size);
static size_t ngx_conductor_reviewers_each(ngx_conductor_hub_t *hub);
static uint32_t ngx_conductor_guests(ngx_conductor_hub_t *hub, ngx_uint_t n);
static size_t ngx_conductor_guests_size(ngx_conductor_hub_t *hub,
    ngx_uint_t n);
static int ngx_conductor_guests_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_guests_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static size_t ngx_conductor_guests_each(ngx_conductor_hub_t *hub);
static size_t ngx_conductor_log_size(ngx_conductor_hub_t *hub, ngx_uint_t n);
static int ngx_conductor_log_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
static int ngx_conductor_log_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);
static cdr_log_params_t ngx_conductor_log_params(ngx_conductor_hub_t *hub);


/*
 * The three functions of a table of "entries", which is cdr_CORE_t in the core
 * and hub->NAME here; in "entries" are "hub" and "n".
 */

#define ngx_conductor_table(name, core, entries)                              \
                                                                              \
static size_t                                                                 \
ngx_conductor_ ## name ## _size(ngx_conductor_hub_t *hub, ngx_uint_t n)       \
{                                                                             \
    return cdr_ ## core ## _size((uint32_t) (entries));                       \
}                                                                             \
                                                                              \
static int                                                                    \
ngx_conductor_ ## name ## _init(ngx_conductor_hub_t *hub, u_char *mem,        \
    ngx_uint_t n)                                                             \
{                                                                             \
    return cdr_ ## core ## _init(mem, (uint32_t) (entries));                  \
}                                                                             \
                                                                              \
static int                                                                    \
ngx_conductor_ ## name ## _attach(ngx_conductor_hub_t *hub, u_char *mem,      \
    size_t size)                                                              \
{                                                                             \
    return cdr_ ## core ## _attach(&hub->name, mem, size);                    \
}


ngx_conductor_table(slots, slots,
                    CDR_FIGURES + ngx_conductor_figures_cells(hub))
ngx_conductor_table(cells, cells, ngx_conductor_figures_cells(hub))
ngx_conductor_table(histograms, histogram,
                    CDR_HISTOGRAMS + ngx_conductor_figures_cells(hub))
ngx_conductor_table(counters, counter, ngx_conductor_keys(n))
ngx_conductor_table(windows, counter, ngx_conductor_windows(hub))
ngx_conductor_table(registry, registry, n)
ngx_conductor_table(revoke, revoke, ngx_conductor_revocations(hub))
ngx_conductor_table(idem, idem, ngx_conductor_idem_records(hub))


ngx_conductor_part_t  ngx_conductor_parts[] = {

    { "process slots", CDR_SLOTS_VERSION,
      ngx_conductor_slots_size,
      ngx_conductor_slots_init,
      ngx_conductor_slots_attach,
      NULL },

    { "names of figures", CDR_CELLS_VERSION,
      ngx_conductor_cells_size,
      ngx_conductor_cells_init,
      ngx_conductor_cells_match,
      NULL },

    { "histograms", CDR_HISTOGRAM_VERSION,
      ngx_conductor_histograms_size,
      ngx_conductor_histograms_init,
      ngx_conductor_histograms_attach,
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
      ngx_conductor_registry_each },

    { "reviewers", CDR_PRESENCE_VERSION,
      ngx_conductor_reviewers_size,
      ngx_conductor_reviewers_init,
      ngx_conductor_reviewers_attach,
      ngx_conductor_reviewers_each },

    { "guests", CDR_GUEST_VERSION,
      ngx_conductor_guests_size,
      ngx_conductor_guests_init,
      ngx_conductor_guests_attach,
      ngx_conductor_guests_each },

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

    { "outbox", CDR_OUTBOX_VERSION,
      ngx_conductor_outbox_size,
      ngx_conductor_outbox_init,
      ngx_conductor_outbox_attach,
      NULL },

    { "questions", CDR_QUESTION_VERSION,
      ngx_conductor_questions_size,
      ngx_conductor_questions_init,
      ngx_conductor_questions_attach,
      NULL },

    { "sources", CDR_SOURCE_VERSION,
      ngx_conductor_sources_size,
      ngx_conductor_sources_init,
      ngx_conductor_sources_attach,
      NULL },

    { "errands", NGX_CONDUCTOR_ERRANDS_VERSION,
      ngx_conductor_errands_size,
      ngx_conductor_errands_init,
      ngx_conductor_errands_attach,
      ngx_conductor_errands_each },

    { NULL, 0, NULL, NULL, NULL, NULL }
};


/* After the slots: whose figures are there for every name. */

static int
ngx_conductor_cells_match(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    if (ngx_conductor_cells_attach(hub, mem, size) != CDR_OK
        || hub->slots.nfigures != CDR_FIGURES + hub->cells.n)
    {
        return CDR_DECLINED;
    }

    return CDR_OK;
}


static size_t
ngx_conductor_counters_each(ngx_conductor_hub_t *hub)
{
    return NGX_CONDUCTOR_KEYS_PER_CONN
           * (sizeof(cdr_counter_entry_t) + sizeof(uint32_t));
}


static size_t
ngx_conductor_registry_each(ngx_conductor_hub_t *hub)
{
    return cdr_registry_bytes_per_entry();
}


/* In a hub without presence there is only the place where its table is not. */

static size_t
ngx_conductor_reviewers_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return hub->presence
           ? cdr_presence_size((uint32_t) n, ngx_conductor_guests(hub, n))
           : NGX_CONDUCTOR_NO_REVIEWERS;
}


static int
ngx_conductor_reviewers_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    uint8_t  key[CDR_SIPHASH_KEY_LEN];

    if (!hub->presence) {
        ngx_memzero(mem, NGX_CONDUCTOR_NO_REVIEWERS);
        return CDR_OK;
    }

    if (RAND_bytes(key, sizeof(key)) != 1) {
        return CDR_ERROR;
    }

    return cdr_presence_init(mem, (uint32_t) n, ngx_conductor_guests(hub, n),
                             key);
}


static int
ngx_conductor_reviewers_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    int  rc;

    rc = cdr_presence_attach(&hub->reviewers, &hub->registry, mem, size);

    if (rc == CDR_DECLINED) {
        hub->reviewers.shm = NULL;
        return CDR_OK;
    }

    return rc;
}


static size_t
ngx_conductor_reviewers_each(ngx_conductor_hub_t *hub)
{
    if (!hub->presence) {
        return 0;
    }

    return cdr_presence_bytes_per_conn()
           + ngx_conductor_guests(hub, 1) * cdr_presence_bytes_per_guest();
}


/* As many reviewers of other servers as this one has connections. */

static uint32_t
ngx_conductor_guests(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return (hub->presence && hub->redis) ? (uint32_t) n : 0;
}


/* In a hub without other servers nothing stands there. */

static size_t
ngx_conductor_guests_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    uint32_t  guests;

    guests = ngx_conductor_guests(hub, n);

    return guests ? cdr_guest_size((uint32_t) n, guests) : 0;
}


static int
ngx_conductor_guests_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    uint32_t  guests;

    guests = ngx_conductor_guests(hub, n);

    return guests ? cdr_guest_init(mem, (uint32_t) n, guests) : CDR_OK;
}


static int
ngx_conductor_guests_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    int  rc;

    hub->guests.shm = NULL;

    if (hub->reviewers.shm == NULL) {
        return CDR_OK;
    }

    rc = cdr_guest_attach(&hub->guests, &hub->reviewers, mem, size);

    return (rc == CDR_DECLINED) ? CDR_OK : rc;
}


static size_t
ngx_conductor_guests_each(ngx_conductor_hub_t *hub)
{
    return ngx_conductor_guests(hub, 1) * cdr_guest_bytes_per_guest();
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


static uint32_t
ngx_conductor_revocations(ngx_conductor_hub_t *hub)
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
    params.base.ms = hub->redis ? 0 : params.epoch_ms;

    ngx_conductor_restore_params(hub, &params);

    return params;
}


static uint32_t
ngx_conductor_idem_records(ngx_conductor_hub_t *hub)
{
    size_t  n;

    n = hub->zone_size / NGX_CONDUCTOR_IDEM_SHARE;
    n = ngx_max(n, NGX_CONDUCTOR_IDEM_MIN);

    return (uint32_t) ngx_min(n, NGX_CONDUCTOR_IDEM_MAX);
}


static uint32_t
ngx_conductor_tickets(ngx_conductor_hub_t *hub)
{
    size_t  n;

    n = hub->zone_size / NGX_CONDUCTOR_TICKETS_SHARE;
    n = ngx_max(n, NGX_CONDUCTOR_TICKETS_MIN);

    return (uint32_t) ngx_min(n, NGX_CONDUCTOR_TICKETS_MAX);
}


static size_t
ngx_conductor_outbox_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return hub->redis ? cdr_outbox_size(hub->redis->outbox,
                                        ngx_conductor_tickets(hub))
                      : 0;
}


static int
ngx_conductor_outbox_init(ngx_conductor_hub_t *hub, u_char *mem, ngx_uint_t n)
{
    return hub->redis ? cdr_outbox_init(mem, hub->redis->outbox,
                                        ngx_conductor_tickets(hub))
                      : CDR_OK;
}


/* In a zone that was made without Redis, nothing stands there. */

static int
ngx_conductor_outbox_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    if (cdr_outbox_attach(&hub->outbox, mem, size) != CDR_OK) {
        hub->outbox.shm = NULL;
    }

    return CDR_OK;
}


/* Few: they wait for one thread.  None where there is nothing to ask. */

static uint32_t
ngx_conductor_question_slots(ngx_conductor_hub_t *hub)
{
    size_t  n;

    if (hub->presence_file.len == 0) {
        return 0;
    }

    n = hub->zone_size / NGX_CONDUCTOR_QUESTIONS_SHARE;
    n = ngx_max(n, 1);

    return (uint32_t) ngx_min(n, NGX_CONDUCTOR_QUESTIONS_MAX);
}


static size_t
ngx_conductor_questions_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    uint32_t  slots;

    slots = ngx_conductor_question_slots(hub);

    return slots ? cdr_question_size(slots) : 0;
}


static int
ngx_conductor_questions_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    uint32_t  slots;

    slots = ngx_conductor_question_slots(hub);

    return slots ? cdr_question_init(mem, slots) : CDR_OK;
}


/* Without questions, nothing stands there. */

static int
ngx_conductor_questions_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    if (cdr_question_attach(&hub->questions, mem, size) != CDR_OK) {
        hub->questions.n = 0;
    }

    return CDR_OK;
}


/* Of events, in a hub with Redis; elsewhere nothing stands there. */

static size_t
ngx_conductor_sources_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return hub->redis ? cdr_source_size() : 0;
}


static int
ngx_conductor_sources_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    return hub->redis ? cdr_source_init(mem) : CDR_OK;
}


static int
ngx_conductor_sources_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    (void) cdr_source_attach(&hub->sources, mem, size);

    return CDR_OK;
}
