/* Inside the registry: its layout, and what its files share. */

#ifndef CDR_REGISTRY_SHM_H_INCLUDED
#define CDR_REGISTRY_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_registry.h"

#include <string.h>


#define CDR_BLOCK_TAKEN  UINT32_MAX     /* in block_next */


/*
 * Links are entry or block numbers + 1, and 0 for none.  Entries at "high"
 * and above were never used and their memory never touched.
 */

struct cdr_registry_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint32_t          n;
    _Atomic uint32_t  high;
    _Atomic uint32_t  live;
    _Atomic uint32_t  blocks;       /* taken */
    uint32_t          free;
    uint32_t          block_free;
};


/* The strings of an entry, packed. */

typedef struct {
    uint8_t           len[CDR_CONN_STRINGS];
    uint8_t           data[CDR_CONN_STRINGS_MAX];
    size_t            size;
} cdr_registry_text_t;


/*
 * Copies four strings one behind the other; a copy, because they may be those
 * of the entry to be rewritten.  CDR_OK or CDR_TOOBIG.
 */

int cdr_registry_pack(cdr_registry_text_t *text,
    const cdr_str_t str[CDR_CONN_STRINGS]);

/*
 * *block is the block an entry has, and becomes the one that "size" bytes of
 * strings need: the same, a new one, or 0.  The old one is not given back.
 * CDR_OK, CDR_FULL or CDR_ERROR.
 */

int cdr_registry_take_block(cdr_registry_t *r, size_t size, uint32_t *block);

/* Gives a block back; 0 is none. */

void cdr_registry_free_block(cdr_registry_t *r, uint32_t block);

/* Writes the strings of an entry that is open for writing. */

void cdr_registry_write_text(cdr_registry_t *r, cdr_registry_entry_t *e,
    const cdr_registry_text_t *text, uint32_t block);

/*
 * The bytes of an entry's strings; 0 also if what "conn" says of them cannot
 * be true, as in a torn copy.  And where they lie.
 */

size_t cdr_registry_text_size(const cdr_registry_t *r,
    const cdr_conn_t *conn);
const uint8_t *cdr_registry_text(const cdr_registry_t *r,
    const cdr_registry_entry_t *e, uint32_t block);


/* How many entries were ever used; never more than there are. */

static inline uint32_t
cdr_registry_high(const cdr_registry_t *r)
{
    uint32_t  high;

    high = atomic_load_explicit(&r->shm->high, memory_order_acquire);

    return high < r->n ? high : r->n;
}


/* Under the mutex: there is one writer, so a plain load and store will do. */

static inline void
cdr_registry_count(_Atomic uint32_t *counter, uint32_t n)
{
    uint32_t  value;

    value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}


/* An entry that is being written has an odd version. */

static inline void
cdr_registry_open(cdr_registry_entry_t *e)
{
    uint32_t  version;

    version = atomic_load_explicit(&e->version, memory_order_relaxed);
    atomic_store_explicit(&e->version, version | 1, memory_order_relaxed);

    /* Pairs with the fence in cdr_registry_copy(). */

    atomic_thread_fence(memory_order_release);
}


static inline void
cdr_registry_close(cdr_registry_entry_t *e)
{
    uint32_t  version;

    version = atomic_load_explicit(&e->version, memory_order_relaxed);
    atomic_store_explicit(&e->version, version + 1, memory_order_release);
}


/* Ids are random, so any of their bytes are as good as a hash. */

static inline uint32_t *
cdr_registry_bucket(const cdr_registry_t *r, const uint8_t *id)
{
    uint32_t  hash;

    memcpy(&hash, id, sizeof(uint32_t));

    return &r->buckets[hash % r->n];
}


/* Puts an entry into the index of ids. */

static inline void
cdr_registry_link(cdr_registry_t *r, uint32_t index)
{
    uint32_t              *bucket;
    cdr_registry_entry_t  *e;

    e = &r->entries[index];
    bucket = cdr_registry_bucket(r, e->conn.id);

    e->next = *bucket;
    *bucket = index + 1;
}


#endif /* CDR_REGISTRY_SHM_H_INCLUDED */
