/* Where events come from: the highest number of each source. */

#include "cdr.h"
#include "cdr_source.h"

#include <stdatomic.h>
#include <string.h>


#define CDR_SOURCE_MAGIC  0x43647253U       /* "CdrS" */


/* An entry counts while its number is not 0. */

typedef struct {
    _Atomic uint64_t      n;
    uint64_t              server;
    uint64_t              seen_ms;
} cdr_source_slot_t;


struct cdr_source_shm_s {
    _Alignas(64)
    _Atomic uint32_t      magic;
    uint32_t              version;
    _Atomic uint32_t      used;         /* no entry behind these ever was */
    uint32_t              last;         /* the one asked for last: a guess */
    cdr_source_slot_t     slots[CDR_SOURCES];
};


static cdr_source_slot_t *cdr_source_find(const cdr_source_t *t,
    uint64_t server);
static cdr_source_slot_t *cdr_source_make(cdr_source_t *t);


size_t
cdr_source_size(void)
{
    return sizeof(cdr_source_shm_t);
}


int
cdr_source_init(void *mem)
{
    cdr_source_shm_t  *shm;

    shm = mem;

    memset(shm, 0, sizeof(cdr_source_shm_t));

    shm->version = CDR_SOURCE_VERSION;
    atomic_store_explicit(&shm->magic, CDR_SOURCE_MAGIC,
                          memory_order_release);

    return CDR_OK;
}


int
cdr_source_attach(cdr_source_t *t, void *mem, size_t size)
{
    cdr_source_shm_t  *shm;

    t->shm = NULL;

    if (size < sizeof(cdr_source_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_SOURCE_MAGIC
        || shm->version != CDR_SOURCE_VERSION)
    {
        return CDR_DECLINED;
    }

    t->shm = shm;

    return CDR_OK;
}


uint64_t
cdr_source_highest(const cdr_source_t *t, uint64_t server)
{
    cdr_source_slot_t  *slot;

    slot = cdr_source_find(t, server);

    return slot ? atomic_load_explicit(&slot->n, memory_order_relaxed) : 0;
}


void
cdr_source_raise(cdr_source_t *t, uint64_t server, uint64_t n,
    uint64_t now_ms)
{
    cdr_source_slot_t  *slot;

    if (n == 0) {
        return;
    }

    slot = cdr_source_find(t, server);

    if (slot == NULL) {
        slot = cdr_source_make(t);

        slot->server = server;
        slot->seen_ms = now_ms;

        atomic_store_explicit(&slot->n, n, memory_order_release);
        return;
    }

    if (slot->seen_ms < now_ms) {
        slot->seen_ms = now_ms;
    }

    if (atomic_load_explicit(&slot->n, memory_order_relaxed) < n) {
        atomic_store_explicit(&slot->n, n, memory_order_relaxed);
    }
}


void
cdr_source_repair(cdr_source_t *t, const cdr_log_t *log, uint64_t now_ms)
{
    uint64_t           seen;
    cdr_log_event_t    event;
    cdr_log_cursor_t   cur;
    cdr_log_fields_t  *f;

    cdr_log_cursor_oldest(log, &cur);

    while (cdr_log_next(log, &cur, &event) == CDR_OK) {
        f = &event.fields;
        seen = f->time_ms < now_ms ? f->time_ms : now_ms;

        cdr_source_raise(t, f->server, f->n, seen);
    }
}


static cdr_source_slot_t *
cdr_source_find(const cdr_source_t *t, uint64_t server)
{
    uint32_t            i, at, used, guess;
    cdr_source_slot_t  *slot;

    used = atomic_load_explicit(&t->shm->used, memory_order_relaxed);
    used = used < CDR_SOURCES ? used : CDR_SOURCES;
    guess = t->shm->last;

    for (i = 0; i < used; i++) {
        at = (guess + i) % used;
        slot = &t->shm->slots[at];

        if (slot->server == server
            && atomic_load_explicit(&slot->n, memory_order_acquire))
        {
            t->shm->last = at;
            return slot;
        }
    }

    return NULL;
}


/* One that counts no more, or never did. */

static cdr_source_slot_t *
cdr_source_make(cdr_source_t *t)
{
    uint32_t            i, used;
    cdr_source_slot_t  *slot, *oldest;

    used = atomic_load_explicit(&t->shm->used, memory_order_relaxed);

    if (used < CDR_SOURCES) {
        slot = &t->shm->slots[used];

        atomic_store_explicit(&slot->n, 0, memory_order_relaxed);
        atomic_store_explicit(&t->shm->used, used + 1, memory_order_release);

        return slot;
    }

    oldest = &t->shm->slots[0];

    for (i = 0; i < CDR_SOURCES; i++) {
        slot = &t->shm->slots[i];

        if (atomic_load_explicit(&slot->n, memory_order_relaxed) == 0) {
            oldest = slot;
            break;
        }

        if (slot->seen_ms < oldest->seen_ms) {
            oldest = slot;
        }
    }

    atomic_store_explicit(&oldest->n, 0, memory_order_release);

    return oldest;
}
