/* How the idempotency keys lie in their memory, and the repair. */

#include "cdr.h"
#include "cdr_idem_shm.h"


#define CDR_IDEM_MAGIC  0x49726443U      /* "CdrI" */
#define CDR_IDEM_LINKS  (1 + CDR_IDEM_SHARES)   /* buckets and rings */

#define cdr_idem_align(n)  (((n) + 63) & ~(size_t) 63)


static void cdr_idem_limits(cdr_idem_t *t, uint32_t share, uint64_t head);
static bool cdr_idem_done(cdr_idem_record_t *e, uint64_t head);
static void cdr_idem_rebuild(cdr_idem_t *t, cdr_idem_record_t *e);


size_t
cdr_idem_size(uint32_t n)
{
    if (n == 0 || n > CDR_IDEM_RECORDS_MAX) {
        return 0;
    }

    return sizeof(cdr_idem_shm_t)
           + cdr_idem_align(n * CDR_IDEM_LINKS * sizeof(uint32_t))
           + n * sizeof(cdr_idem_record_t);
}


size_t
cdr_idem_bytes_per_record(void)
{
    return sizeof(cdr_idem_record_t) + CDR_IDEM_LINKS * sizeof(uint32_t);
}


int
cdr_idem_init(void *mem, uint32_t n)
{
    uint32_t         i, *buckets;
    cdr_idem_shm_t  *shm;

    if (cdr_idem_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    cdr_idem_set(&shm->magic, 0);
    cdr_idem_set(&shm->high, 0);
    cdr_idem_set(&shm->running, 0);

    for (i = 0; i < CDR_IDEM_SHARES; i++) {
        cdr_idem_set(&shm->oldest[i], 0);
        cdr_idem_set(&shm->newest[i], 0);
    }

    shm->version = CDR_IDEM_VERSION;
    shm->n = n;
    shm->free = 0;

    buckets = (uint32_t *) (shm + 1);

    for (i = 0; i < n; i++) {
        buckets[i] = 0;
    }

    atomic_store_explicit(&shm->magic, CDR_IDEM_MAGIC, memory_order_release);

    return CDR_OK;
}


int
cdr_idem_attach(cdr_idem_t *t, void *mem, size_t size)
{
    size_t           total;
    cdr_idem_shm_t  *shm;

    if (size < sizeof(cdr_idem_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_IDEM_MAGIC
        || shm->version != CDR_IDEM_VERSION)
    {
        return CDR_DECLINED;
    }

    t->n = shm->n;
    total = cdr_idem_size(t->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    t->shm = shm;
    t->buckets = (uint32_t *) (shm + 1);
    t->ring = t->buckets + t->n;
    t->records = (cdr_idem_record_t *)
                 ((uint8_t *) mem
                  + (total - t->n * sizeof(cdr_idem_record_t)));

    return CDR_OK;
}


void
cdr_idem_repair(cdr_idem_t *t, uint64_t head)
{
    uint32_t  i, high;

    high = cdr_idem_high(t);

    cdr_idem_set(&t->shm->high, high);
    cdr_idem_set(&t->shm->running, 0);
    t->shm->free = 0;

    for (i = 0; i < CDR_IDEM_SHARES; i++) {
        cdr_idem_limits(t, i, head);
    }

    for (i = 0; i < t->n; i++) {
        t->buckets[i] = 0;
    }

    for (i = 0; i < t->n * CDR_IDEM_SHARES; i++) {
        t->ring[i] = 0;
    }

    for (i = 0; i < high; i++) {
        cdr_idem_rebuild(t, &t->records[i]);
    }
}


/* From which number to which a share goes. */

static void
cdr_idem_limits(cdr_idem_t *t, uint32_t share, uint64_t head)
{
    uint32_t            i, high;
    uint64_t            oldest, newest, done;
    cdr_idem_record_t  *e;

    high = cdr_idem_high(t);
    oldest = UINT64_MAX;
    newest = 0;
    done = 0;

    for (i = 0; i < high; i++) {
        e = &t->records[i];

        if (e->share == share && cdr_idem_done(e, head)) {
            oldest = e->order < oldest ? e->order : oldest;
            newest = e->order >= newest ? e->order + 1 : newest;
            done++;
        }
    }

    if (done == 0 || newest - oldest != done) {

        /* none, or a damaged table, which cannot tell old from new */

        oldest = newest;
    }

    cdr_idem_set(&t->shm->oldest[share], oldest);
    cdr_idem_set(&t->shm->newest[share], newest);
}


/* Is it DONE, with what the log has?  One without is not. */

static bool
cdr_idem_done(cdr_idem_record_t *e, uint64_t head)
{
    const cdr_idem_answer_t  *a;

    if (cdr_idem_get(&e->state) != CDR_IDEM_DONE) {
        return false;
    }

    a = &e->answer;

    if (a->count == 0 || a->seq == 0
        || (a->seq <= head && head - a->seq >= a->count - 1))
    {
        return true;
    }

    cdr_idem_set(&e->state, CDR_IDEM_FREE);

    return false;
}


static void
cdr_idem_rebuild(cdr_idem_t *t, cdr_idem_record_t *e)
{
    uint32_t  *place, *bucket;

    switch (cdr_idem_get(&e->state)) {

    case CDR_IDEM_RUNNING:
        cdr_idem_set(&t->shm->running, cdr_idem_get(&t->shm->running) + 1);
        break;

    case CDR_IDEM_DONE:
        if (e->share >= CDR_IDEM_SHARES) {
            cdr_idem_push_free(t, e);
            return;
        }

        place = cdr_idem_place(t, e->share, e->order);

        if (*place == 0
            && e->order - cdr_idem_get(&t->shm->oldest[e->share])
               < cdr_idem_count(t, e->share))
        {
            *place = cdr_idem_link(t, e);
            break;
        }

        /* fall through */

    default:
        cdr_idem_push_free(t, e);
        return;
    }

    bucket = cdr_idem_bucket(t, &e->key);
    e->next = *bucket;
    *bucket = cdr_idem_link(t, e);
}


void
cdr_idem_fill(const cdr_idem_t *t, cdr_idem_fill_t *fill)
{
    fill->records = t->n;
    fill->running = cdr_idem_get(&t->shm->running);
    fill->done = (uint32_t) (cdr_idem_count(t, CDR_IDEM_LARGE)
                             + cdr_idem_count(t, CDR_IDEM_SMALL));
}
