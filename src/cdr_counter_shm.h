/* Inside the counted keys: their memory, and what the files share. */

#ifndef CDR_COUNTER_SHM_H_INCLUDED
#define CDR_COUNTER_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_counter.h"


/*
 * Links are entry numbers + 1, and 0 for none.  Entries at "high" and above
 * were never used and their memory never touched.
 */

struct cdr_counter_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint32_t          n;
    _Atomic uint32_t  high;
    _Atomic uint32_t  used;
    uint32_t          free;
    uint32_t          oldest;
    uint32_t          newest;
    _Atomic uint64_t  evicted;
};


/* Puts an entry at the end of the queue of windows: CDR_OK or CDR_ERROR. */

int cdr_counter_queue(cdr_counter_t *t, cdr_counter_entry_t *e);

/* Puts an entry in front of the free ones. */

void cdr_counter_push_free(cdr_counter_t *t, cdr_counter_entry_t *e);


/* How many entries were ever used; never more than there are. */

static inline uint32_t
cdr_counter_high(const cdr_counter_t *t)
{
    uint32_t  high;

    high = atomic_load_explicit(&t->shm->high, memory_order_relaxed);

    return high < t->n ? high : t->n;
}


static inline uint64_t
cdr_counter_key(const cdr_counter_entry_t *e)
{
    return atomic_load_explicit(&e->key, memory_order_relaxed);
}


static inline uint32_t
cdr_counter_link(const cdr_counter_t *t, const cdr_counter_entry_t *e)
{
    return (uint32_t) (e - t->entries) + 1;
}


/* Under the mutex: there is one writer, so a plain load and store will do. */

static inline void
cdr_counter_add_used(cdr_counter_t *t, uint32_t n)
{
    uint32_t  used;

    used = atomic_load_explicit(&t->shm->used, memory_order_relaxed);
    atomic_store_explicit(&t->shm->used, used + n, memory_order_relaxed);
}


#endif /* CDR_COUNTER_SHM_H_INCLUDED */
