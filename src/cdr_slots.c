/* Process slots: owners, wake-ups and figures. */

#include "cdr.h"
#include "cdr_slots.h"


#define CDR_SLOTS_MAGIC  0x43647253U    /* "CdrS" */
#define CDR_SLOTS_WORDS  (CDR_SLOTS / 64)

/* a row of figures begins with a cache line */
#define cdr_slots_row(n) (((size_t) (n) + 7) & ~(size_t) 7)


/* "taken" has a bit for each slot that is not free; it is derived. */

struct cdr_slots_shm_s {
    _Alignas(64)
    _Atomic uint32_t    magic;
    uint32_t            version;
    uint32_t            slots;
    uint32_t            slot_size;
    uint32_t            nfigures;
    _Atomic uint64_t    taken[CDR_SLOTS_WORDS];
};


static void cdr_slots_zero(_Atomic uint64_t *figures, uint32_t n);
static bool cdr_slots_counted(const cdr_slots_t *s, uint32_t i);
static void cdr_slots_clear(cdr_slot_t *slot);
static void cdr_slots_mark(cdr_slots_t *s, uint32_t i, bool taken);


size_t
cdr_slots_size(uint32_t nfigures)
{
    if (nfigures == 0 || nfigures > CDR_SLOTS_FIGURES) {
        return 0;
    }

    return sizeof(cdr_slots_shm_t) + CDR_SLOTS * sizeof(cdr_slot_t)
           + (CDR_SLOTS + 1) * cdr_slots_row(nfigures) * sizeof(uint64_t);
}


int
cdr_slots_init(void *mem, uint32_t nfigures)
{
    uint32_t          i;
    cdr_slot_t       *slot;
    cdr_slots_t       s;
    cdr_slots_shm_t  *shm;

    if (cdr_slots_size(nfigures) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);

    shm->version = CDR_SLOTS_VERSION;
    shm->slots = CDR_SLOTS;
    shm->slot_size = sizeof(cdr_slot_t);
    shm->nfigures = nfigures;

    for (i = 0; i < CDR_SLOTS_WORDS; i++) {
        atomic_store_explicit(&shm->taken[i], 0, memory_order_relaxed);
    }

    for (i = 0; i < CDR_SLOTS; i++) {
        slot = (cdr_slot_t *) (shm + 1) + i;

        atomic_store_explicit(&slot->state, CDR_SLOT_FREE,
                              memory_order_relaxed);
        atomic_store_explicit(&slot->incarnation, 0, memory_order_relaxed);
        cdr_slots_clear(slot);
    }

    atomic_store_explicit(&shm->magic, CDR_SLOTS_MAGIC, memory_order_release);

    (void) cdr_slots_attach(&s, mem, SIZE_MAX);

    cdr_slots_zero(cdr_slots_figures(&s, CDR_SLOTS_SHARED), nfigures);

    return CDR_OK;
}


int
cdr_slots_attach(cdr_slots_t *s, void *mem, size_t size)
{
    size_t            total;
    cdr_slots_shm_t  *shm;

    if (size < sizeof(cdr_slots_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_SLOTS_MAGIC
        || shm->version != CDR_SLOTS_VERSION
        || shm->slots != CDR_SLOTS
        || shm->slot_size != sizeof(cdr_slot_t))
    {
        return CDR_DECLINED;
    }

    total = cdr_slots_size(shm->nfigures);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    s->shm = shm;
    s->slots = (cdr_slot_t *) (shm + 1);
    s->figures = (_Atomic uint64_t *) (s->slots + CDR_SLOTS);
    s->nfigures = shm->nfigures;

    return CDR_OK;
}


_Atomic uint64_t *
cdr_slots_figures(const cdr_slots_t *s, uint32_t i)
{
    return s->figures + i * cdr_slots_row(s->nfigures);
}


void
cdr_slots_repair(cdr_slots_t *s)
{
    uint32_t  i;

    for (i = 0; i < CDR_SLOTS; i++) {
        cdr_slots_mark(s, i, atomic_load(&s->slots[i].state) != CDR_SLOT_FREE);
    }
}


int
cdr_slots_claim(cdr_slots_t *s, uint32_t i, cdr_slot_kind_t kind, int32_t pid,
    uint64_t start, uint64_t now_ms, uint32_t *incarnation)
{
    uint32_t     n;
    cdr_slot_t  *slot;

    if (i >= CDR_SLOTS) {
        return CDR_DECLINED;
    }

    slot = &s->slots[i];

    /* The incarnation moves before anything else can be taken for ours. */

    n = atomic_load(&slot->incarnation) + 1;

    if (n == 1) {
        cdr_slots_zero(cdr_slots_figures(s, i), s->nfigures);
    }

    atomic_store(&slot->state, CDR_SLOT_FREE);
    atomic_store(&slot->incarnation, n);

    cdr_slots_clear(slot);

    atomic_store(&slot->behind, n - 1);
    atomic_store(&slot->kind, (uint32_t) kind);
    atomic_store(&slot->pid, pid);
    atomic_store(&slot->start, start);
    atomic_store(&slot->heartbeat_ms, now_ms);

    atomic_store(&slot->state, CDR_SLOT_ACTIVE);
    cdr_slots_mark(s, i, true);

    *incarnation = n;

    return CDR_OK;
}


int
cdr_slots_release(cdr_slots_t *s, uint32_t i, uint32_t incarnation)
{
    cdr_slot_t  *slot;

    if (i >= CDR_SLOTS) {
        return CDR_DECLINED;
    }

    slot = &s->slots[i];

    if (atomic_load(&slot->incarnation) != incarnation
        || atomic_load(&slot->state) == CDR_SLOT_FREE)
    {
        return CDR_DECLINED;
    }

    atomic_store(&slot->state, CDR_SLOT_FREE);
    cdr_slots_mark(s, i, false);
    cdr_slots_clear(slot);

    return CDR_OK;
}


void
cdr_slots_drain(cdr_slots_t *s, uint32_t i)
{
    atomic_store(&s->slots[i].state, CDR_SLOT_DRAINING);
}


uint32_t
cdr_slots_next(const cdr_slots_t *s, uint32_t i)
{
    uint64_t  bits;

    while (i < CDR_SLOTS) {
        bits = atomic_load_explicit(&s->shm->taken[i / 64],
                                    memory_order_acquire) >> (i % 64);

        if (bits == 0) {
            i = (i / 64 + 1) * 64;
            continue;
        }

        return i + (uint32_t) __builtin_ctzll(bits);
    }

    return CDR_SLOTS;
}


uint64_t
cdr_slots_sum(const cdr_slots_t *s, uint32_t figure)
{
    uint32_t  i;
    uint64_t  sum;

    sum = 0;

    for (i = 0; i <= CDR_SLOTS; i++) {
        if (cdr_slots_counted(s, i)) {
            sum += atomic_load_explicit(&cdr_slots_figures(s, i)[figure],
                                        memory_order_relaxed);
        }
    }

    return sum;
}


void
cdr_slots_sums(const cdr_slots_t *s, uint64_t *sums)
{
    uint32_t           i, k;
    _Atomic uint64_t  *figures;

    for (k = 0; k < s->nfigures; k++) {
        sums[k] = 0;
    }

    for (i = 0; i <= CDR_SLOTS; i++) {

        if (!cdr_slots_counted(s, i)) {
            continue;
        }

        figures = cdr_slots_figures(s, i);

        for (k = 0; k < s->nfigures; k++) {
            sums[k] += atomic_load_explicit(&figures[k],
                                            memory_order_relaxed);
        }
    }
}


uint64_t
cdr_slots_sum_gauge(const cdr_slots_t *s, uint32_t gauge)
{
    uint32_t  i;
    uint64_t  sum;

    sum = 0;

    for (i = cdr_slots_next(s, 0); i < CDR_SLOTS; i = cdr_slots_next(s, i + 1))
    {
        sum += atomic_load_explicit(&s->slots[i].gauges[gauge],
                                    memory_order_relaxed);
    }

    return sum;
}


uint64_t
cdr_slots_connections(const cdr_slots_t *s)
{
    uint32_t  i;
    uint64_t  sum;

    sum = 0;

    for (i = cdr_slots_next(s, 0); i < CDR_SLOTS; i = cdr_slots_next(s, i + 1))
    {
        sum += atomic_load_explicit(&s->slots[i].connections,
                                    memory_order_relaxed);
    }

    return sum;
}


bool
cdr_slot_wake(cdr_slot_t *slot)
{
    return atomic_exchange_explicit(&slot->pending, 1, memory_order_acq_rel)
           == 0;
}


void
cdr_slot_clear_pending(cdr_slot_t *slot)
{
    (void) atomic_exchange_explicit(&slot->pending, 0, memory_order_acq_rel);
}


static void
cdr_slots_zero(_Atomic uint64_t *figures, uint32_t n)
{
    uint32_t  k;

    for (k = 0; k < n; k++) {
        atomic_store_explicit(&figures[k], 0, memory_order_relaxed);
    }
}


/* Did anyone ever count there? */

static bool
cdr_slots_counted(const cdr_slots_t *s, uint32_t i)
{
    return i == CDR_SLOTS_SHARED
           || atomic_load_explicit(&s->slots[i].incarnation,
                                   memory_order_acquire)
              != 0;
}


/* What a process leaves behind, other than its figures. */

static void
cdr_slots_clear(cdr_slot_t *slot)
{
    uint32_t  i;

    atomic_store(&slot->kind, 0);
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->start, 0);
    atomic_store(&slot->heartbeat_ms, 0);
    atomic_store(&slot->connections, 0);
    atomic_store(&slot->behind, 0);
    atomic_store(&slot->pending, 0);

    for (i = 0; i < CDR_GAUGES_MAX; i++) {
        atomic_store_explicit(&slot->gauges[i], 0, memory_order_relaxed);
    }
}


static void
cdr_slots_mark(cdr_slots_t *s, uint32_t i, bool taken)
{
    uint64_t  bit;

    bit = (uint64_t) 1 << (i % 64);

    if (taken) {
        (void) atomic_fetch_or(&s->shm->taken[i / 64], bit);

    } else {
        (void) atomic_fetch_and(&s->shm->taken[i / 64], ~bit);
    }
}
