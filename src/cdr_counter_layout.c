/* How the counted keys lie in their memory, and the repair. */

#include "cdr.h"
#include "cdr_counter_shm.h"


#define CDR_COUNTER_MAGIC  0x43647243U      /* "CdrC" */

#define cdr_counter_align(n)  (((n) + 63) & ~(size_t) 63)


size_t
cdr_counter_size(uint32_t n)
{
    if (n == 0 || n > CDR_COUNTER_ENTRIES_MAX) {
        return 0;
    }

    return sizeof(cdr_counter_shm_t)
           + cdr_counter_align(n * sizeof(uint32_t))
           + n * sizeof(cdr_counter_entry_t);
}


int
cdr_counter_init(void *mem, uint32_t n)
{
    uint32_t            i, *buckets;
    cdr_counter_shm_t  *shm;

    if (cdr_counter_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->high, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->used, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->evicted, 0, memory_order_relaxed);

    shm->version = CDR_COUNTER_VERSION;
    shm->n = n;
    shm->free = 0;
    shm->oldest = 0;
    shm->newest = 0;

    buckets = (uint32_t *) (shm + 1);

    for (i = 0; i < n; i++) {
        buckets[i] = 0;
    }

    atomic_store_explicit(&shm->magic, CDR_COUNTER_MAGIC,
                          memory_order_release);

    return CDR_OK;
}


int
cdr_counter_attach(cdr_counter_t *t, void *mem, size_t size)
{
    size_t              total;
    cdr_counter_shm_t  *shm;

    if (size < sizeof(cdr_counter_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_COUNTER_MAGIC
        || shm->version != CDR_COUNTER_VERSION)
    {
        return CDR_DECLINED;
    }

    t->n = shm->n;
    total = cdr_counter_size(t->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    t->shm = shm;
    t->buckets = (uint32_t *) (shm + 1);
    t->entries = (cdr_counter_entry_t *)
                 ((uint8_t *) mem
                  + (total - t->n * sizeof(cdr_counter_entry_t)));

    return CDR_OK;
}


void
cdr_counter_repair(cdr_counter_t *t)
{
    uint32_t              i, high, *bucket;
    uint64_t              key;
    cdr_counter_entry_t  *e;

    high = cdr_counter_high(t);

    atomic_store_explicit(&t->shm->high, high, memory_order_relaxed);
    atomic_store_explicit(&t->shm->used, 0, memory_order_relaxed);

    t->shm->free = 0;
    t->shm->oldest = 0;
    t->shm->newest = 0;

    for (i = 0; i < t->n; i++) {
        t->buckets[i] = 0;
    }

    for (i = 0; i < high; i++) {
        e = &t->entries[i];
        key = cdr_counter_key(e);

        if (key == 0 || (e->count == 0 && e->per_ms == 0)) {
            cdr_counter_push_free(t, e);
            continue;
        }

        bucket = &t->buckets[key % t->n];
        e->next = *bucket;
        *bucket = i + 1;

        e->older = 0;
        e->newer = 0;

        if (e->per_ms) {
            (void) cdr_counter_queue(t, e);
        }

        cdr_counter_add_used(t, 1);
    }
}


void
cdr_counter_reset_counts(cdr_counter_t *t)
{
    uint32_t  i, high;

    high = cdr_counter_high(t);

    for (i = 0; i < high; i++) {
        t->entries[i].count = 0;
    }

    cdr_counter_repair(t);
}
