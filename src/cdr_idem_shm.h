/* Inside the idempotency keys: their memory, and what the files share. */

#ifndef CDR_IDEM_SHM_H_INCLUDED
#define CDR_IDEM_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_idem.h"


/*
 * Links are record numbers + 1, and 0 for none.  Records at "high" and above
 * were never used and their memory never touched.
 *
 * What is DONE in a share is numbered by "order" in a row, from "oldest" to
 * before "newest", and goes in that order; the share's ring tells where a
 * number's record is.
 */

struct cdr_idem_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint32_t          n;
    _Atomic uint32_t  high;
    _Atomic uint32_t  running;
    uint32_t          free;
    _Atomic uint64_t  oldest[CDR_IDEM_SHARES];
    _Atomic uint64_t  newest[CDR_IDEM_SHARES];
};


#define cdr_idem_get(cell)      atomic_load_explicit(cell,                    \
                                                     memory_order_relaxed)
#define cdr_idem_set(cell, v)   atomic_store_explicit(cell, v,                \
                                                      memory_order_relaxed)


/* Puts a record in front of the free ones. */

void cdr_idem_push_free(cdr_idem_t *t, cdr_idem_record_t *e);


/* How many records were ever used; never more than there are. */

static inline uint32_t
cdr_idem_high(const cdr_idem_t *t)
{
    uint32_t  high;

    high = cdr_idem_get(&t->shm->high);

    return high < t->n ? high : t->n;
}


static inline uint32_t
cdr_idem_link(const cdr_idem_t *t, const cdr_idem_record_t *e)
{
    return (uint32_t) (e - t->records) + 1;
}


static inline uint32_t *
cdr_idem_bucket(const cdr_idem_t *t, const cdr_idem_hash_t *key)
{
    return &t->buckets[key->word[0] % t->n];
}


static inline uint32_t *
cdr_idem_place(const cdr_idem_t *t, uint32_t share, uint64_t order)
{
    return &t->ring[share * t->n + order % t->n];
}


/* How many are DONE in a share. */

static inline uint64_t
cdr_idem_count(const cdr_idem_t *t, uint32_t share)
{
    return cdr_idem_get(&t->shm->newest[share])
           - cdr_idem_get(&t->shm->oldest[share]);
}


#endif /* CDR_IDEM_SHM_H_INCLUDED */
