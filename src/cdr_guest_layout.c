/* How the table of guests lies in its memory. */

#include "cdr.h"
#include "cdr_guest_shm.h"

#include <assert.h>
#include <string.h>


#define CDR_GUEST_MAGIC  0x43647247U        /* "CdrG" */
#define CDR_GUEST_SPARE  64                 /* reviewers that have left */

#define cdr_guest_align(n)  (((n) + 63) & ~(size_t) 63)


static size_t cdr_guest_blocks(size_t n);


static_assert(sizeof(cdr_guest_entry_t) == 168, "no holes");
static_assert(sizeof(cdr_guest_head_t) == 12, "no holes");


size_t
cdr_guest_size(uint32_t nconns, uint32_t nguests)
{
    size_t  blocks, heads;

    if (nguests == 0 || cdr_presence_size(nconns, nguests) == 0) {
        return 0;
    }

    heads = cdr_presence_reviewers(nconns, nguests);
    blocks = cdr_guest_blocks(nguests);

    return sizeof(cdr_guest_shm_t)
           + cdr_guest_align(CDR_GUEST_SERVERS * sizeof(cdr_guest_server_t))
           + cdr_guest_align(heads * sizeof(cdr_guest_head_t))
           + cdr_guest_align(blocks * sizeof(uint32_t))
           + blocks * CDR_GUEST_BLOCK
           + nguests * sizeof(cdr_guest_entry_t);
}


/* A reviewer each for the guest and for the connection. */

size_t
cdr_guest_bytes_per_guest(void)
{
    return sizeof(cdr_guest_entry_t)
           + (2 * sizeof(cdr_guest_head_t) * 9 + 7) / 8
           + (CDR_GUEST_BLOCK + sizeof(uint32_t) + CDR_GUEST_PER_BLOCK - 1)
             / CDR_GUEST_PER_BLOCK;
}


size_t
cdr_guest_overhead(void)
{
    return sizeof(cdr_guest_shm_t) + 3 * 64
           + CDR_GUEST_SERVERS * sizeof(cdr_guest_server_t)
           + CDR_GUEST_BLOCK + sizeof(uint32_t)
           + CDR_GUEST_SPARE * sizeof(cdr_guest_head_t);
}


int
cdr_guest_init(void *mem, uint32_t nconns, uint32_t nguests)
{
    uint32_t          i;
    cdr_guest_t       g;
    cdr_presence_t    p;
    cdr_guest_shm_t  *shm;

    if (cdr_guest_size(nconns, nguests) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    memset(shm, 0, sizeof(cdr_guest_shm_t));

    shm->version = CDR_GUEST_VERSION;
    shm->nconns = nconns;
    shm->n = nguests;
    shm->block_free = 1;

    atomic_store_explicit(&shm->magic, CDR_GUEST_MAGIC, memory_order_relaxed);

    p.nconns = nconns;
    p.n = cdr_presence_reviewers(nconns, nguests);

    (void) cdr_guest_attach(&g, &p, mem, cdr_guest_size(nconns, nguests));

    memset(g.servers, 0, CDR_GUEST_SERVERS * sizeof(cdr_guest_server_t));

    for (i = 0; i < g.nblocks; i++) {
        g.block_next[i] = (i + 1 < g.nblocks) ? i + 2 : 0;
    }

    atomic_thread_fence(memory_order_release);

    return CDR_OK;
}


int
cdr_guest_attach(cdr_guest_t *g, cdr_presence_t *presence, void *mem,
    size_t size)
{
    size_t            total;
    uint8_t          *at;
    cdr_guest_shm_t  *shm;

    if (size < sizeof(cdr_guest_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_GUEST_MAGIC
        || shm->version != CDR_GUEST_VERSION)
    {
        return CDR_DECLINED;
    }

    total = cdr_guest_size(shm->nconns, shm->n);

    if (total == 0 || total > size || presence->nconns != shm->nconns
        || presence->n != cdr_presence_reviewers(shm->nconns, shm->n))
    {
        return CDR_ERROR;
    }

    g->shm = shm;
    g->n = shm->n;
    g->nblocks = (uint32_t) cdr_guest_blocks(g->n);
    g->presence = presence;

    at = (uint8_t *) (shm + 1);
    g->servers = (cdr_guest_server_t *) (void *) at;

    at += cdr_guest_align(CDR_GUEST_SERVERS * sizeof(cdr_guest_server_t));
    g->heads = (cdr_guest_head_t *) (void *) at;

    at += cdr_guest_align(presence->n * sizeof(cdr_guest_head_t));
    g->block_next = (uint32_t *) (void *) at;

    at += cdr_guest_align(g->nblocks * sizeof(uint32_t));
    g->blocks = at;

    at += (size_t) g->nblocks * CDR_GUEST_BLOCK;
    g->entries = (cdr_guest_entry_t *) (void *) at;

    presence->guests = g;

    return CDR_OK;
}


static size_t
cdr_guest_blocks(size_t n)
{
    return (n + CDR_GUEST_PER_BLOCK - 1) / CDR_GUEST_PER_BLOCK;
}
