/* The table of revocations. */

#include "cdr.h"
#include "cdr_revoke.h"
#include "cdr_siphash.h"


#define CDR_REVOKE_MAGIC  0x43647276U       /* "Cdrv" */

#define cdr_revoke_align(n)  (((n) + 63) & ~(size_t) 63)


/*
 * Links are entry numbers + 1, and 0 for none.  Entries at "high" and above
 * were never used and their memory never touched.
 */

struct cdr_revoke_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint32_t          n;
    _Atomic uint32_t  high;
    _Atomic uint32_t  generation;
    uint32_t          free;
};


static cdr_revoke_entry_t *cdr_revoke_find(const cdr_revoke_t *t,
    cdr_revoke_kind_t kind, const uint64_t hash[2]);
static cdr_revoke_entry_t *cdr_revoke_search(const cdr_revoke_t *t,
    cdr_revoke_kind_t kind, const uint64_t hash[2]);
static bool cdr_revoke_is(const cdr_revoke_entry_t *e,
    cdr_revoke_kind_t kind, const uint64_t hash[2]);
static bool cdr_revoke_holds(const cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t now_ms);
static cdr_revoke_entry_t *cdr_revoke_obtain(cdr_revoke_t *t,
    uint64_t now_ms);
static cdr_revoke_entry_t *cdr_revoke_pop(cdr_revoke_t *t);
static void cdr_revoke_link(cdr_revoke_t *t, cdr_revoke_entry_t *e);
static void cdr_revoke_rebuild(cdr_revoke_t *t);
static uint32_t cdr_revoke_high(const cdr_revoke_t *t);
static void cdr_revoke_changed(cdr_revoke_t *t);


size_t
cdr_revoke_size(uint32_t n)
{
    if (n == 0 || n > CDR_REVOKE_ENTRIES_MAX) {
        return 0;
    }

    return sizeof(cdr_revoke_shm_t)
           + cdr_revoke_align(n * sizeof(uint32_t))
           + n * sizeof(cdr_revoke_entry_t);
}


int
cdr_revoke_init(void *mem, uint32_t n)
{
    uint32_t           i, *buckets;
    cdr_revoke_shm_t  *shm;

    if (cdr_revoke_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->high, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->generation, 0, memory_order_relaxed);

    shm->version = CDR_REVOKE_VERSION;
    shm->n = n;
    shm->free = 0;

    buckets = (uint32_t *) (shm + 1);

    for (i = 0; i < n; i++) {
        buckets[i] = 0;
    }

    atomic_store_explicit(&shm->magic, CDR_REVOKE_MAGIC,
                          memory_order_release);

    return CDR_OK;
}


int
cdr_revoke_attach(cdr_revoke_t *t, void *mem, size_t size)
{
    size_t             total;
    cdr_revoke_shm_t  *shm;

    if (size < sizeof(cdr_revoke_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_REVOKE_MAGIC
        || shm->version != CDR_REVOKE_VERSION)
    {
        return CDR_DECLINED;
    }

    total = cdr_revoke_size(shm->n);

    if (total == 0) {
        return CDR_DECLINED;
    }

    if (total > size) {
        return CDR_ERROR;
    }

    t->shm = shm;
    t->n = shm->n;
    t->buckets = (uint32_t *) (shm + 1);
    t->entries = (cdr_revoke_entry_t *)
                 ((uint8_t *) t->buckets
                  + cdr_revoke_align(t->n * sizeof(uint32_t)));

    return CDR_OK;
}


void
cdr_revoke_repair(cdr_revoke_t *t)
{
    cdr_revoke_rebuild(t);
    cdr_revoke_changed(t);
}


void
cdr_revoke_hash(cdr_str_t name, uint64_t hash[2])
{
    uint8_t  key[CDR_SIPHASH_KEY_LEN] = { 0 };

    hash[0] = cdr_siphash(key, name.data, name.len);
    key[0] = 1;
    hash[1] = cdr_siphash(key, name.data, name.len);
}


int
cdr_revoke_set(cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t until_ms, uint64_t now_ms)
{
    cdr_revoke_entry_t  *e;

    e = cdr_revoke_find(t, kind, hash);

    if (e == NULL && until_ms <= now_ms) {
        return CDR_OK;
    }

    if (e) {
        atomic_store_explicit(&e->issued_ms, now_ms, memory_order_relaxed);
        atomic_store_explicit(&e->until_ms, until_ms, memory_order_relaxed);
        cdr_revoke_changed(t);

        return CDR_OK;
    }

    e = cdr_revoke_obtain(t, now_ms);

    if (e == NULL) {
        return CDR_FULL;
    }

    e->hash[0] = hash[0];
    e->hash[1] = hash[1];
    atomic_store_explicit(&e->issued_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&e->until_ms, until_ms, memory_order_relaxed);

    atomic_store_explicit(&e->kind, (uint32_t) kind, memory_order_release);

    cdr_revoke_link(t, e);
    cdr_revoke_changed(t);

    return CDR_OK;
}


int
cdr_revoke_set_told(cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t until_ms, uint64_t now_ms)
{
    int                  rc;
    cdr_revoke_entry_t  *e;

    rc = cdr_revoke_set(t, kind, hash, until_ms, now_ms);
    e = cdr_revoke_find(t, kind, hash);

    if (e) {
        atomic_store_explicit(&e->issued_ms, 0, memory_order_relaxed);
    }

    return rc;
}


bool
cdr_revoke_check(const cdr_revoke_t *t, cdr_str_t user, const uint64_t jti[2],
    uint64_t now_ms)
{
    uint64_t  hash[2];

    if (cdr_revoke_high(t) == 0) {
        return false;
    }

    if ((jti[0] || jti[1]) && cdr_revoke_holds(t, CDR_REVOKE_JTI, jti, now_ms))
    {
        return true;
    }

    cdr_revoke_hash(user, hash);

    return cdr_revoke_holds(t, CDR_REVOKE_USER, hash, now_ms);
}


const cdr_revoke_entry_t *
cdr_revoke_get(const cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2])
{
    return cdr_revoke_find(t, kind, hash);
}


const cdr_revoke_entry_t *
cdr_revoke_next(const cdr_revoke_t *t, uint32_t *i)
{
    uint32_t             high;
    cdr_revoke_entry_t  *e;

    high = cdr_revoke_high(t);

    while (*i < high) {
        e = &t->entries[(*i)++];

        if (atomic_load_explicit(&e->kind, memory_order_relaxed)
            != CDR_REVOKE_FREE)
        {
            return e;
        }
    }

    return NULL;
}


uint32_t
cdr_revoke_generation(const cdr_revoke_t *t)
{
    return atomic_load_explicit(&t->shm->generation, memory_order_acquire);
}


static cdr_revoke_entry_t *
cdr_revoke_find(const cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2])
{
    uint32_t             link, high, steps;
    cdr_revoke_entry_t  *e;

    high = cdr_revoke_high(t);
    link = t->buckets[hash[0] % t->n];

    for (steps = 0; link; steps++) {

        if (link > high || steps == high) {
            return cdr_revoke_search(t, kind, hash);
        }

        e = &t->entries[link - 1];

        if (cdr_revoke_is(e, kind, hash)) {
            return e;
        }

        link = e->next;
    }

    return NULL;
}


static cdr_revoke_entry_t *
cdr_revoke_search(const cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2])
{
    uint32_t  i, high;

    high = cdr_revoke_high(t);

    for (i = 0; i < high; i++) {
        if (cdr_revoke_is(&t->entries[i], kind, hash)) {
            return &t->entries[i];
        }
    }

    return NULL;
}


static bool
cdr_revoke_is(const cdr_revoke_entry_t *e, cdr_revoke_kind_t kind,
    const uint64_t hash[2])
{
    return atomic_load_explicit(&e->kind, memory_order_relaxed)
           == (uint32_t) kind
           && e->hash[0] == hash[0]
           && e->hash[1] == hash[1];
}


static bool
cdr_revoke_holds(const cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t now_ms)
{
    cdr_revoke_entry_t  *e;

    e = cdr_revoke_find(t, kind, hash);

    return e && atomic_load_explicit(&e->until_ms, memory_order_relaxed)
                > now_ms;
}


/* A free entry, if need be one of those that are over; NULL if all hold. */

static cdr_revoke_entry_t *
cdr_revoke_obtain(cdr_revoke_t *t, uint64_t now_ms)
{
    uint32_t             i, high;
    cdr_revoke_entry_t  *e;

    e = cdr_revoke_pop(t);

    if (e) {
        return e;
    }

    high = cdr_revoke_high(t);

    if (high < t->n) {
        e = &t->entries[high];

        atomic_store_explicit(&e->kind, CDR_REVOKE_FREE, memory_order_relaxed);
        atomic_store_explicit(&t->shm->high, high + 1, memory_order_release);

        return e;
    }

    for (i = 0; i < high; i++) {
        e = &t->entries[i];

        if (atomic_load_explicit(&e->until_ms, memory_order_relaxed)
            <= now_ms)
        {
            atomic_store_explicit(&e->kind, CDR_REVOKE_FREE,
                                  memory_order_relaxed);
        }
    }

    cdr_revoke_rebuild(t);

    return cdr_revoke_pop(t);
}


static cdr_revoke_entry_t *
cdr_revoke_pop(cdr_revoke_t *t)
{
    uint32_t             link;
    cdr_revoke_entry_t  *e;

    link = t->shm->free;

    if (link == 0) {
        return NULL;
    }

    if (link > cdr_revoke_high(t)
        || atomic_load_explicit(&t->entries[link - 1].kind,
                                memory_order_relaxed)
           != CDR_REVOKE_FREE)
    {
        cdr_revoke_rebuild(t);

        link = t->shm->free;

        if (link == 0) {
            return NULL;
        }
    }

    e = &t->entries[link - 1];
    t->shm->free = e->next;

    return e;
}


static void
cdr_revoke_link(cdr_revoke_t *t, cdr_revoke_entry_t *e)
{
    uint32_t  *bucket;

    bucket = &t->buckets[e->hash[0] % t->n];

    e->next = *bucket;
    *bucket = (uint32_t) (e - t->entries) + 1;
}


static void
cdr_revoke_rebuild(cdr_revoke_t *t)
{
    uint32_t             i, high;
    cdr_revoke_entry_t  *e;

    high = cdr_revoke_high(t);

    atomic_store_explicit(&t->shm->high, high, memory_order_relaxed);
    t->shm->free = 0;

    for (i = 0; i < t->n; i++) {
        t->buckets[i] = 0;
    }

    for (i = 0; i < high; i++) {
        e = &t->entries[i];

        if (atomic_load_explicit(&e->kind, memory_order_relaxed)
            != CDR_REVOKE_FREE)
        {
            cdr_revoke_link(t, e);
            continue;
        }

        e->next = t->shm->free;
        t->shm->free = i + 1;
    }
}


static uint32_t
cdr_revoke_high(const cdr_revoke_t *t)
{
    uint32_t  high;

    high = atomic_load_explicit(&t->shm->high, memory_order_acquire);

    return high < t->n ? high : t->n;
}


/* What changed is there before the generation that tells of it. */

static void
cdr_revoke_changed(cdr_revoke_t *t)
{
    uint32_t  generation;

    generation = atomic_load_explicit(&t->shm->generation,
                                      memory_order_relaxed);
    atomic_store_explicit(&t->shm->generation, generation + 1,
                          memory_order_release);
}
