/* How the table of reviewers lies in its memory. */

#include "cdr.h"
#include "cdr_presence_shm.h"

#include <assert.h>
#include <string.h>


#define CDR_PRESENCE_MAGIC  0x43647250U     /* "CdrP" */
#define CDR_PRESENCE_SPARE  64              /* reviewers, and one of 8 */

#define cdr_presence_align(n)  (((n) + 63) & ~(size_t) 63)


static size_t cdr_presence_blocks(size_t n);


static_assert(sizeof(cdr_reviewer_entry_t) == 240, "no holes");
static_assert(sizeof(cdr_presence_link_t) == 16, "no holes");


size_t
cdr_presence_size(uint32_t nconns, uint32_t nguests)
{
    size_t  n, blocks;

    if (nconns == 0 || nconns > CDR_REGISTRY_ENTRIES_MAX
        || nguests > CDR_REGISTRY_ENTRIES_MAX)
    {
        return 0;
    }

    n = cdr_presence_reviewers(nconns, nguests);
    blocks = cdr_presence_blocks((size_t) nconns + nguests);

    return sizeof(cdr_presence_shm_t)
           + cdr_presence_align(n * sizeof(uint32_t))
           + cdr_presence_align((size_t) nconns * sizeof(cdr_presence_link_t))
           + cdr_presence_align(blocks * sizeof(uint32_t))
           + blocks * CDR_REVIEWER_BLOCK
           + n * sizeof(cdr_reviewer_entry_t);
}


size_t
cdr_presence_bytes_per_conn(void)
{
    return sizeof(cdr_presence_link_t) + cdr_presence_bytes_per_guest();
}


size_t
cdr_presence_bytes_per_guest(void)
{
    return ((sizeof(cdr_reviewer_entry_t) + sizeof(uint32_t)) * 9 + 7) / 8
           + (CDR_REVIEWER_BLOCK + sizeof(uint32_t)
              + CDR_REVIEWER_PER_BLOCK - 1)
             / CDR_REVIEWER_PER_BLOCK;
}


size_t
cdr_presence_overhead(void)
{
    return sizeof(cdr_presence_shm_t) + 3 * 64
           + CDR_REVIEWER_BLOCK + sizeof(uint32_t)
           + CDR_PRESENCE_SPARE
             * (sizeof(cdr_reviewer_entry_t) + sizeof(uint32_t));
}


int
cdr_presence_init(void *mem, uint32_t nconns, uint32_t nguests,
    const uint8_t *key)
{
    uint32_t             i;
    cdr_presence_t       p;
    cdr_presence_shm_t  *shm;

    if (cdr_presence_size(nconns, nguests) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    memset(shm, 0, sizeof(cdr_presence_shm_t));
    memcpy(shm->key, key, CDR_SIPHASH_KEY_LEN);

    shm->version = CDR_PRESENCE_VERSION;
    shm->nconns = nconns;
    shm->nguests = nguests;
    shm->block_free = 1;

    atomic_store_explicit(&shm->magic, CDR_PRESENCE_MAGIC,
                          memory_order_relaxed);

    (void) cdr_presence_attach(&p, NULL, mem,
                               cdr_presence_size(nconns, nguests));

    for (i = 0; i < p.n; i++) {
        p.buckets[i] = 0;
    }

    for (i = 0; i < p.nblocks; i++) {
        p.block_next[i] = (i + 1 < p.nblocks) ? i + 2 : 0;
    }

    atomic_thread_fence(memory_order_release);

    return CDR_OK;
}


int
cdr_presence_attach(cdr_presence_t *p, cdr_registry_t *registry, void *mem,
    size_t size)
{
    size_t               total;
    uint8_t             *at;
    cdr_presence_shm_t  *shm;

    if (size < sizeof(cdr_presence_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_PRESENCE_MAGIC
        || shm->version != CDR_PRESENCE_VERSION)
    {
        return CDR_DECLINED;
    }

    total = cdr_presence_size(shm->nconns, shm->nguests);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    p->shm = shm;
    p->registry = registry;
    p->guests = NULL;
    p->nconns = shm->nconns;
    p->n = cdr_presence_reviewers(p->nconns, shm->nguests);
    p->nblocks = (uint32_t) cdr_presence_blocks((size_t) p->nconns
                                                + shm->nguests);

    at = (uint8_t *) (shm + 1);
    p->buckets = (uint32_t *) (void *) at;

    at += cdr_presence_align(p->n * sizeof(uint32_t));
    p->links = (cdr_presence_link_t *) (void *) at;

    at += cdr_presence_align(p->nconns * sizeof(cdr_presence_link_t));
    p->block_next = (uint32_t *) (void *) at;

    at += cdr_presence_align(p->nblocks * sizeof(uint32_t));
    p->blocks = at;

    at += (size_t) p->nblocks * CDR_REVIEWER_BLOCK;
    p->entries = (cdr_reviewer_entry_t *) (void *) at;

    return CDR_OK;
}


uint32_t
cdr_presence_reviewers(uint32_t nconns, uint32_t nguests)
{
    uint32_t  n;

    n = nconns + nguests;

    return n + n / 8 + CDR_PRESENCE_SPARE;
}


static size_t
cdr_presence_blocks(size_t n)
{
    return (n + CDR_REVIEWER_PER_BLOCK - 1) / CDR_REVIEWER_PER_BLOCK;
}
