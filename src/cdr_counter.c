/* The table of counted keys. */

#include "cdr.h"
#include "cdr_counter_shm.h"


/* Windows looked at, oldest first: on any use, and when an entry is needed. */
#define CDR_COUNTER_TIDY   2
#define CDR_COUNTER_DEPTH  64


static int cdr_counter_lookup(cdr_counter_t *t, uint64_t key,
    cdr_counter_entry_t **found);
static int cdr_counter_obtain(cdr_counter_t *t, uint32_t kind, uint64_t key,
    uint64_t now_ms, cdr_counter_entry_t **found);
static int cdr_counter_pop(cdr_counter_t *t, cdr_counter_entry_t **found);
static int cdr_counter_tidy(cdr_counter_t *t, uint64_t now_ms,
    unsigned depth);
static int cdr_counter_evict(cdr_counter_t *t);
static bool cdr_counter_over(cdr_counter_entry_t *e, uint64_t now_ms);
static int cdr_counter_drop(cdr_counter_t *t, cdr_counter_entry_t *e);
static int cdr_counter_unqueue(cdr_counter_t *t, cdr_counter_entry_t *e);


int
cdr_counter_inc(cdr_counter_t *t, uint32_t kind, uint64_t key, uint32_t limit,
    uint64_t now_ms, uint32_t *count)
{
    int                   rc;
    uint32_t              dummy;
    cdr_counter_entry_t  *e;

    if (count == NULL) {
        count = &dummy;
    }

    *count = 0;

    if (key == 0) {
        return CDR_OK;
    }

    rc = cdr_counter_obtain(t, kind, key, now_ms, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    if ((limit && e->count >= limit) || e->count == UINT32_MAX) {
        *count = e->count;
        return CDR_DECLINED;
    }

    *count = ++e->count;

    return CDR_OK;
}


int
cdr_counter_dec(cdr_counter_t *t, uint64_t key, uint64_t now_ms)
{
    int                   rc;
    cdr_counter_entry_t  *e;

    if (key == 0) {
        return CDR_OK;
    }

    rc = cdr_counter_lookup(t, key, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    if (e->count == 0) {
        return CDR_DECLINED;
    }

    if (--e->count || (e->per_ms && !cdr_counter_over(e, now_ms))) {
        return CDR_OK;
    }

    return cdr_counter_drop(t, e);
}


int
cdr_counter_window(cdr_counter_t *t, uint32_t kind, uint64_t key,
    uint32_t limit, uint32_t per_ms, uint64_t now_ms, uint64_t *retry_ms)
{
    int                   rc;
    cdr_counter_entry_t  *e;

    *retry_ms = 0;

    if (key == 0 || limit == 0 || per_ms == 0) {
        return CDR_OK;
    }

    rc = cdr_counter_obtain(t, kind, key, now_ms, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    if (e->per_ms) {
        e->per_ms = per_ms;
    }

    if (e->per_ms == 0 || cdr_counter_over(e, now_ms)) {

        if (cdr_counter_unqueue(t, e) != CDR_OK) {
            return CDR_ERROR;
        }

        /* killed in between, it is over and empty: not new and full */

        e->window = 0;
        atomic_signal_fence(memory_order_seq_cst);
        e->start_ms = now_ms;
        e->per_ms = per_ms;

        if (cdr_counter_queue(t, e) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    if (e->window < limit) {
        e->window++;
        return CDR_OK;
    }

    *retry_ms = per_ms - (now_ms - e->start_ms);

    return CDR_DECLINED;
}


const cdr_counter_entry_t *
cdr_counter_get(cdr_counter_t *t, uint64_t key)
{
    cdr_counter_entry_t  *e;

    return cdr_counter_lookup(t, key, &e) == CDR_OK ? e : NULL;
}


void
cdr_counter_fill(const cdr_counter_t *t, cdr_counter_fill_t *fill)
{
    fill->entries = t->n;
    fill->used = atomic_load_explicit(&t->shm->used, memory_order_relaxed);
    fill->evicted = atomic_load_explicit(&t->shm->evicted,
                                         memory_order_relaxed);
}


static int
cdr_counter_lookup(cdr_counter_t *t, uint64_t key,
    cdr_counter_entry_t **found)
{
    uint32_t              link, high, steps;
    cdr_counter_entry_t  *e;

    high = cdr_counter_high(t);
    link = t->buckets[key % t->n];

    for (steps = 0; link; steps++) {

        if (link > high || steps == high) {
            return CDR_ERROR;
        }

        e = &t->entries[link - 1];

        if (cdr_counter_key(e) == key) {
            *found = e;
            return key ? CDR_OK : CDR_DECLINED;
        }

        link = e->next;
    }

    return CDR_DECLINED;
}


/* The entry of the key, made if there is none. */

static int
cdr_counter_obtain(cdr_counter_t *t, uint32_t kind, uint64_t key,
    uint64_t now_ms, cdr_counter_entry_t **found)
{
    int                   rc;
    uint32_t             *bucket;
    cdr_counter_entry_t  *e;

    rc = cdr_counter_lookup(t, key, found);

    if (rc != CDR_DECLINED) {
        return rc;
    }

    rc = cdr_counter_tidy(t, now_ms, CDR_COUNTER_TIDY);

    if (rc == CDR_OK) {
        rc = cdr_counter_pop(t, &e);
    }

    if (rc == CDR_FULL) {
        rc = cdr_counter_tidy(t, now_ms, CDR_COUNTER_DEPTH);

        if (rc == CDR_OK) {
            rc = cdr_counter_pop(t, &e);
        }
    }

    if (rc == CDR_FULL) {
        rc = cdr_counter_evict(t);

        if (rc == CDR_OK) {
            rc = cdr_counter_pop(t, &e);
        }
    }

    if (rc != CDR_OK) {
        return rc;
    }

    bucket = &t->buckets[key % t->n];

    e->start_ms = 0;
    e->per_ms = 0;
    e->window = 0;
    e->count = 0;
    e->kind = kind;
    e->older = 0;
    e->newer = 0;
    e->next = *bucket;

    atomic_store_explicit(&e->key, key, memory_order_release);

    *bucket = cdr_counter_link(t, e);
    cdr_counter_add_used(t, 1);

    *found = e;

    return CDR_OK;
}


static int
cdr_counter_pop(cdr_counter_t *t, cdr_counter_entry_t **found)
{
    uint32_t              high;
    cdr_counter_entry_t  *e;

    high = cdr_counter_high(t);

    if (t->shm->free) {

        if (t->shm->free > high) {
            return CDR_ERROR;
        }

        e = &t->entries[t->shm->free - 1];

        if (cdr_counter_key(e) != 0) {
            return CDR_ERROR;
        }

        t->shm->free = e->next;
        *found = e;

        return CDR_OK;
    }

    if (high == t->n) {
        return CDR_FULL;
    }

    e = &t->entries[high];

    atomic_store_explicit(&e->key, 0, memory_order_relaxed);
    atomic_store_explicit(&t->shm->high, high + 1, memory_order_release);

    *found = e;

    return CDR_OK;
}


/* Ends the windows that are over, among the "depth" oldest. */

static int
cdr_counter_tidy(cdr_counter_t *t, uint64_t now_ms, unsigned depth)
{
    int                   rc;
    uint32_t              link, high;
    cdr_counter_entry_t  *e;

    high = cdr_counter_high(t);

    for (link = t->shm->oldest; link && depth; depth--) {

        if (link > high) {
            return CDR_ERROR;
        }

        e = &t->entries[link - 1];
        link = e->newer;

        if (!cdr_counter_over(e, now_ms)) {
            continue;
        }

        if (e->count == 0) {
            rc = cdr_counter_drop(t, e);

        } else {
            rc = cdr_counter_unqueue(t, e);
            e->per_ms = 0;
            e->window = 0;
        }

        if (rc != CDR_OK) {
            return rc;
        }
    }

    return CDR_OK;
}


/* Gives the oldest window up that counts nothing: CDR_OK, CDR_FULL, _ERROR. */

static int
cdr_counter_evict(cdr_counter_t *t)
{
    uint32_t              link, high;
    uint64_t              evicted;
    unsigned              depth;
    cdr_counter_entry_t  *e;

    high = cdr_counter_high(t);
    link = t->shm->oldest;

    for (depth = CDR_COUNTER_DEPTH; link && depth; depth--) {

        if (link > high) {
            return CDR_ERROR;
        }

        e = &t->entries[link - 1];

        if (e->count == 0) {
            evicted = atomic_load_explicit(&t->shm->evicted,
                                           memory_order_relaxed);
            atomic_store_explicit(&t->shm->evicted, evicted + 1,
                                  memory_order_relaxed);

            return cdr_counter_drop(t, e);
        }

        link = e->newer;
    }

    return CDR_FULL;
}


static bool
cdr_counter_over(cdr_counter_entry_t *e, uint64_t now_ms)
{
    if (now_ms < e->start_ms) {
        e->start_ms = now_ms;
    }

    return now_ms - e->start_ms >= e->per_ms;
}


/* Gives an entry back. */

static int
cdr_counter_drop(cdr_counter_t *t, cdr_counter_entry_t *e)
{
    uint32_t  self, high, steps, *link;

    high = cdr_counter_high(t);
    self = cdr_counter_link(t, e);
    link = &t->buckets[cdr_counter_key(e) % t->n];

    for (steps = 0; *link != self; steps++) {

        if (*link == 0 || *link > high || steps == high) {
            return CDR_ERROR;
        }

        link = &t->entries[*link - 1].next;
    }

    if (cdr_counter_unqueue(t, e) != CDR_OK) {
        return CDR_ERROR;
    }

    *link = e->next;
    cdr_counter_push_free(t, e);
    cdr_counter_add_used(t, UINT32_MAX);

    return CDR_OK;
}


int
cdr_counter_queue(cdr_counter_t *t, cdr_counter_entry_t *e)
{
    uint32_t  self;

    self = cdr_counter_link(t, e);

    if (t->shm->newest > cdr_counter_high(t)) {
        return CDR_ERROR;
    }

    e->older = t->shm->newest;
    e->newer = 0;

    if (e->older) {
        t->entries[e->older - 1].newer = self;

    } else {
        t->shm->oldest = self;
    }

    t->shm->newest = self;

    return CDR_OK;
}


/* Takes an entry out of the queue of windows, if it is in it. */

static int
cdr_counter_unqueue(cdr_counter_t *t, cdr_counter_entry_t *e)
{
    uint32_t  self, high, *newer, *older;

    self = cdr_counter_link(t, e);

    if (e->older == 0 && t->shm->oldest != self) {
        return e->newer ? CDR_ERROR : CDR_OK;
    }

    high = cdr_counter_high(t);

    if (e->older > high || e->newer > high) {
        return CDR_ERROR;
    }

    newer = e->older ? &t->entries[e->older - 1].newer : &t->shm->oldest;
    older = e->newer ? &t->entries[e->newer - 1].older : &t->shm->newest;

    if (*newer != self || *older != self) {
        return CDR_ERROR;
    }

    *newer = e->newer;
    *older = e->older;

    e->older = 0;
    e->newer = 0;

    return CDR_OK;
}


void
cdr_counter_push_free(cdr_counter_t *t, cdr_counter_entry_t *e)
{
    atomic_store_explicit(&e->key, 0, memory_order_release);

    e->older = 0;
    e->newer = 0;
    e->next = t->shm->free;
    t->shm->free = cdr_counter_link(t, e);
}
