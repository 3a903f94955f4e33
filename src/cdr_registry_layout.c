/* How the registry lies in its memory, and its repair. */

#include "cdr.h"
#include "cdr_registry_shm.h"

#include <assert.h>
#include <string.h>


#define CDR_REGISTRY_MAGIC  0x43647252U     /* "CdrR" */

#define cdr_registry_align(n)  (((n) + 63) & ~(size_t) 63)


static uint32_t cdr_registry_blocks(uint32_t n);
static void cdr_registry_repair_entry(cdr_registry_t *r, uint32_t index);
static void cdr_registry_blank(cdr_registry_entry_t *e);


static_assert(sizeof(cdr_registry_entry_t) == 384, "six cache lines");


size_t
cdr_registry_size(uint32_t n)
{
    size_t  blocks;

    if (n == 0 || n > CDR_REGISTRY_ENTRIES_MAX) {
        return 0;
    }

    blocks = cdr_registry_blocks(n);

    return sizeof(cdr_registry_shm_t)
           + cdr_registry_align(n * sizeof(uint32_t))
           + cdr_registry_align(blocks * sizeof(uint32_t))
           + blocks * CDR_CONN_BLOCK
           + n * sizeof(cdr_registry_entry_t);
}


size_t
cdr_registry_bytes_per_entry(void)
{
    return sizeof(cdr_registry_entry_t) + sizeof(uint32_t)
           + (CDR_CONN_BLOCK + sizeof(uint32_t) + CDR_CONN_PER_BLOCK - 1)
             / CDR_CONN_PER_BLOCK;
}


size_t
cdr_registry_overhead(void)
{
    return sizeof(cdr_registry_shm_t) + 2 * 64
           + CDR_CONN_BLOCK + sizeof(uint32_t);
}


int
cdr_registry_init(void *mem, uint32_t n)
{
    uint32_t             i;
    cdr_registry_t       r;
    cdr_registry_shm_t  *shm;

    if (cdr_registry_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->high, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->live, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->blocks, 0, memory_order_relaxed);

    shm->version = CDR_REGISTRY_VERSION;
    shm->n = n;
    shm->free = 0;
    shm->block_free = 1;

    atomic_store_explicit(&shm->magic, CDR_REGISTRY_MAGIC,
                          memory_order_relaxed);

    (void) cdr_registry_attach(&r, mem, cdr_registry_size(n));

    for (i = 0; i < n; i++) {
        r.buckets[i] = 0;
    }

    for (i = 0; i < r.nblocks; i++) {
        r.block_next[i] = (i + 1 < r.nblocks) ? i + 2 : 0;
    }

    atomic_thread_fence(memory_order_release);

    return CDR_OK;
}


int
cdr_registry_attach(cdr_registry_t *r, void *mem, size_t size)
{
    size_t               total;
    uint8_t             *p;
    cdr_registry_shm_t  *shm;

    if (size < sizeof(cdr_registry_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_REGISTRY_MAGIC
        || shm->version != CDR_REGISTRY_VERSION)
    {
        return CDR_DECLINED;
    }

    r->n = shm->n;
    total = cdr_registry_size(r->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    r->shm = shm;
    r->nblocks = cdr_registry_blocks(r->n);

    p = (uint8_t *) (shm + 1);
    r->buckets = (uint32_t *) p;

    p += cdr_registry_align(r->n * sizeof(uint32_t));
    r->block_next = (uint32_t *) p;

    p += cdr_registry_align(r->nblocks * sizeof(uint32_t));
    r->blocks = p;

    p += (size_t) r->nblocks * CDR_CONN_BLOCK;
    r->entries = (cdr_registry_entry_t *) p;

    return CDR_OK;
}


void
cdr_registry_repair(cdr_registry_t *r)
{
    uint32_t  i, high;

    high = cdr_registry_high(r);

    atomic_store_explicit(&r->shm->high, high, memory_order_relaxed);
    atomic_store_explicit(&r->shm->live, 0, memory_order_relaxed);
    atomic_store_explicit(&r->shm->blocks, 0, memory_order_relaxed);

    r->shm->free = 0;
    r->shm->block_free = 0;

    for (i = 0; i < r->n; i++) {
        r->buckets[i] = 0;
    }

    for (i = 0; i < r->nblocks; i++) {
        r->block_next[i] = 0;
    }

    /* Downwards, so that low numbers are used again first. */

    for (i = high; i-- > 0; /* void */ ) {
        cdr_registry_repair_entry(r, i);
    }

    for (i = r->nblocks; i-- > 0; /* void */ ) {

        if (r->block_next[i] != CDR_BLOCK_TAKEN) {
            r->block_next[i] = r->shm->block_free;
            r->shm->block_free = i + 1;
        }
    }
}


static uint32_t
cdr_registry_blocks(uint32_t n)
{
    return (n + CDR_CONN_PER_BLOCK - 1) / CDR_CONN_PER_BLOCK;
}


static void
cdr_registry_repair_entry(cdr_registry_t *r, uint32_t index)
{
    uint32_t               block;
    cdr_registry_entry_t  *e;

    e = &r->entries[index];
    e->asked = 0;

    if (atomic_load_explicit(&e->state, memory_order_relaxed)
        != CDR_CONN_LIVE)
    {
        atomic_store_explicit(&e->state, CDR_CONN_FREE, memory_order_relaxed);

        /* The entry's next user makes its version even. */

        e->conn.block = 0;
        e->next = r->shm->free;
        r->shm->free = index + 1;

        return;
    }

    block = e->conn.block;

    if ((atomic_load_explicit(&e->version, memory_order_relaxed) & 1)
        || block > r->nblocks
        || (block && r->block_next[block - 1] == CDR_BLOCK_TAKEN))
    {
        cdr_registry_blank(e);
        block = 0;
    }

    if (block) {
        r->block_next[block - 1] = CDR_BLOCK_TAKEN;
        cdr_registry_count(&r->shm->blocks, 1);
    }

    cdr_registry_link(r, index);
    cdr_registry_count(&r->shm->live, 1);
}


/* Better nobody than a mixture of two. */

static void
cdr_registry_blank(cdr_registry_entry_t *e)
{
    cdr_registry_open(e);

    e->conn.block = 0;
    e->conn.roles = 0;
    e->conn.status = CDR_STATUS_OFFLINE;
    e->conn.flags |= CDR_CONN_TORN;
    memset(e->conn.len, 0, CDR_CONN_STRINGS);

    cdr_registry_close(e);
}
