/* Lists of connections whose owners are asked, and what these tell. */

#include "cdr.h"
#include "cdr_registry_shm.h"


static bool cdr_registry_is(const cdr_registry_t *r, uint32_t index,
    uint32_t generation);


int
cdr_registry_ask(cdr_registry_t *r, uint32_t index, uint32_t generation,
    _Atomic uint32_t *head)
{
    uint32_t               first;
    cdr_registry_entry_t  *e;

    if (!cdr_registry_is(r, index, generation)) {
        return CDR_DECLINED;
    }

    e = &r->entries[index];

    if (e->asked) {
        return CDR_OK;
    }

    first = atomic_load_explicit(head, memory_order_relaxed);

    e->asked = first ? first : CDR_CONN_LAST;

    atomic_store_explicit(head, index + 1, memory_order_relaxed);

    return CDR_OK;
}


uint32_t
cdr_registry_asked(cdr_registry_t *r, _Atomic uint32_t *head)
{
    uint32_t               index;
    cdr_registry_entry_t  *e;

    index = atomic_load_explicit(head, memory_order_relaxed) - 1;

    if (index >= cdr_registry_high(r)) {
        atomic_store_explicit(head, 0, memory_order_relaxed);
        return UINT32_MAX;
    }

    e = &r->entries[index];

    atomic_store_explicit(head, e->asked == CDR_CONN_LAST ? 0 : e->asked,
                          memory_order_relaxed);
    e->asked = 0;

    return index;
}


void
cdr_registry_tell(cdr_registry_t *r, uint32_t index, uint32_t generation,
    const cdr_conn_look_t *look)
{
    cdr_registry_entry_t  *e;

    if (!cdr_registry_is(r, index, generation)) {
        return;
    }

    e = &r->entries[index];
    e->look = *look;

    (void) atomic_fetch_add(&e->looks, 1);
}


bool
cdr_registry_told(const cdr_registry_t *r, uint32_t index,
    uint32_t generation, uint32_t looks)
{
    return !cdr_registry_is(r, index, generation)
           || atomic_load(&r->entries[index].looks) != looks;
}


static bool
cdr_registry_is(const cdr_registry_t *r, uint32_t index, uint32_t generation)
{
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(r, index);

    return e
           && atomic_load_explicit(&e->state, memory_order_acquire)
              == CDR_CONN_LIVE
           && atomic_load_explicit(&e->generation, memory_order_relaxed)
              == generation;
}
