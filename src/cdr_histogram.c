/* Histograms in shared memory. */

#include <string.h>

#include "cdr.h"
#include "cdr_histogram.h"


#define CDR_HISTOGRAM_MAGIC  0x43647248U    /* "CdrH" */
#define CDR_HISTOGRAM_MAX    (CDR_HISTOGRAMS + CDR_CELLS_MAX)

#define CDR_X_LABEL(symbol, label)  cdr_str(label),


typedef struct {
    _Atomic uint64_t          sum;
    _Atomic uint64_t          buckets[CDR_HISTOGRAM_BUCKETS];
} cdr_histogram_row_t;


struct cdr_histogram_shm_s {
    _Alignas(64)
    _Atomic uint32_t          magic;
    uint32_t                  version;
    uint32_t                  n;
    uint32_t                  buckets;
    cdr_histogram_row_t       rows[];
};


static const uint64_t  cdr_histogram_table[CDR_HISTOGRAM_BOUNDS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000, 2500000, 5000000, 10000000
};


static const cdr_str_t  cdr_histogram_calls[] = { CDR_CALL_KINDS(CDR_X_LABEL) };
static const cdr_str_t  cdr_histogram_types[] = { CDR_SENT_TYPES(CDR_X_LABEL) };


static const cdr_histogram_family_t  cdr_histogram_list[] = {

    { cdr_str("conductor_database_commit_seconds"),
      cdr_str("How long the database took to commit."),
      CDR_HISTOGRAM_COMMIT, 1, cdr_str_null, NULL, 0, false },

    { cdr_str("conductor_database_query_seconds"),
      cdr_str("How long the database took to answer a question."),
      CDR_HISTOGRAM_QUERY, 1, cdr_str_null, NULL, 0, false },

    { cdr_str("conductor_redis_lag_seconds"),
      cdr_str("From an event's acceptance on a server of the hub to its place "
              "in this server's log."),
      CDR_HISTOGRAM_REDIS, 1, cdr_str_null, NULL, 0, false },

    { cdr_str("conductor_backend_call_seconds"),
      cdr_str("How long calls of back ends took."),
      CDR_HISTOGRAM_CALL, CDR_CALL_N, cdr_str("kind"), cdr_histogram_calls,
      0, false },

    { cdr_str("websocket_message_latency_ms"),
      cdr_str("From an event's arrival to the write to the last client."),
      CDR_HISTOGRAM_SENT, CDR_SENT_N, cdr_str("event"), cdr_histogram_types,
      CDR_CELL_SENT, true },

    { cdr_str_null, cdr_str_null, 0, 0, cdr_str_null, NULL, 0, false }
};


const uint64_t *
cdr_histogram_bounds(void)
{
    return cdr_histogram_table;
}


const cdr_histogram_family_t *
cdr_histogram_families(void)
{
    return cdr_histogram_list;
}


uint32_t
cdr_histogram_sent(uint32_t figure)
{
    return (figure >= CDR_FIGURES)
           ? CDR_HISTOGRAMS + figure - CDR_FIGURES
           : CDR_HISTOGRAM_SENT + figure - CDR_FIGURE_SENT;
}


size_t
cdr_histogram_size(uint32_t n)
{
    if (n == 0 || n > CDR_HISTOGRAM_MAX) {
        return 0;
    }

    return sizeof(cdr_histogram_shm_t) + n * sizeof(cdr_histogram_row_t);
}


int
cdr_histogram_init(void *mem, uint32_t n)
{
    uint32_t              i, k;
    cdr_histogram_row_t  *row;
    cdr_histogram_shm_t  *shm;

    if (cdr_histogram_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);

    shm->version = CDR_HISTOGRAM_VERSION;
    shm->n = n;
    shm->buckets = CDR_HISTOGRAM_BUCKETS;

    for (i = 0; i < n; i++) {
        row = &shm->rows[i];

        atomic_store_explicit(&row->sum, 0, memory_order_relaxed);

        for (k = 0; k < CDR_HISTOGRAM_BUCKETS; k++) {
            atomic_store_explicit(&row->buckets[k], 0, memory_order_relaxed);
        }
    }

    atomic_store_explicit(&shm->magic, CDR_HISTOGRAM_MAGIC,
                          memory_order_release);

    return CDR_OK;
}


int
cdr_histogram_attach(cdr_histograms_t *t, void *mem, size_t size)
{
    size_t                total;
    cdr_histogram_shm_t  *shm;

    if (size < sizeof(cdr_histogram_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_HISTOGRAM_MAGIC
        || shm->version != CDR_HISTOGRAM_VERSION
        || shm->buckets != CDR_HISTOGRAM_BUCKETS)
    {
        return CDR_DECLINED;
    }

    total = cdr_histogram_size(shm->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    t->shm = shm;
    t->n = shm->n;

    return CDR_OK;
}


void
cdr_histogram_observe(const cdr_histograms_t *t, uint32_t row, uint64_t us)
{
    uint32_t              k;
    cdr_histogram_row_t  *r;

    if (row >= t->n) {
        return;
    }

    for (k = 0; k < CDR_HISTOGRAM_BOUNDS && us > cdr_histogram_table[k]; k++) {
        /* void */
    }

    r = &t->shm->rows[row];

    (void) atomic_fetch_add_explicit(&r->sum, us, memory_order_relaxed);
    (void) atomic_fetch_add_explicit(&r->buckets[k], 1, memory_order_relaxed);
}


void
cdr_histogram_read(const cdr_histograms_t *t, uint32_t row, cdr_histogram_t *h)
{
    uint32_t              k;
    cdr_histogram_row_t  *r;

    r = &t->shm->rows[row];

    h->count = 0;

    for (k = 0; k < CDR_HISTOGRAM_BUCKETS; k++) {
        h->buckets[k] = atomic_load_explicit(&r->buckets[k],
                                             memory_order_relaxed);
        h->count += h->buckets[k];
    }

    h->sum = atomic_load_explicit(&r->sum, memory_order_relaxed);
}


void
cdr_histogram_add(cdr_histogram_t *sum, const cdr_histogram_t *h)
{
    uint32_t  k;

    sum->count += h->count;
    sum->sum += h->sum;

    for (k = 0; k < CDR_HISTOGRAM_BUCKETS; k++) {
        sum->buckets[k] += h->buckets[k];
    }
}


uint64_t
cdr_histogram_quantile(const cdr_histogram_t *h, uint32_t permille)
{
    double    rank, below, share;
    uint32_t  k;
    uint64_t  from, to;

    if (h->count == 0) {
        return 0;
    }

    rank = (double) h->count * permille / 1000;
    below = 0;

    for (k = 0; k < CDR_HISTOGRAM_BOUNDS; k++) {

        if (h->buckets[k] && below + (double) h->buckets[k] >= rank) {
            break;
        }

        below += (double) h->buckets[k];
    }

    if (k == CDR_HISTOGRAM_BOUNDS) {
        return cdr_histogram_table[CDR_HISTOGRAM_BOUNDS - 1];
    }

    from = k ? cdr_histogram_table[k - 1] : 0;
    to = cdr_histogram_table[k];
    share = (rank - below) / (double) h->buckets[k];

    return from + (uint64_t) ((double) (to - from) * share);
}
