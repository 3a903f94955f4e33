/* A small set of numbers. */

#include "cdr.h"
#include "cdr_set.h"

#include <string.h>


#define CDR_SET_MIN  8


static int cdr_set_grow(cdr_set_t *set, const cdr_alloc_t *alloc);
static uint32_t cdr_set_slot(const cdr_set_t *set, uint32_t value);
static uint32_t cdr_set_find(const cdr_set_t *set, uint32_t value);


void
cdr_set_add(cdr_set_t *set, uint32_t number, const cdr_alloc_t *alloc)
{
    uint32_t  i;

    if (set->all) {
        return;
    }

    if (set->n >= set->size / 2 && cdr_set_grow(set, alloc) != CDR_OK) {
        cdr_set_free(set, alloc);
        set->all = true;
        return;
    }

    i = cdr_set_find(set, number + 1);

    if (set->slots[i] == 0) {
        set->slots[i] = number + 1;
        set->n++;
    }
}


bool
cdr_set_take(cdr_set_t *set, uint32_t number)
{
    uint32_t  i, next, own;

    if (set->all || set->n == 0) {
        return set->all;
    }

    i = cdr_set_find(set, number + 1);

    if (set->slots[i] == 0) {
        return false;
    }

    set->n--;

    /* what follows moves up, unless it would come before its own slot */

    for (next = (i + 1) & (set->size - 1);
         set->slots[next];
         next = (next + 1) & (set->size - 1))
    {
        own = cdr_set_slot(set, set->slots[next]);

        if (((next - own) & (set->size - 1))
            >= ((next - i) & (set->size - 1)))
        {
            set->slots[i] = set->slots[next];
            i = next;
        }
    }

    set->slots[i] = 0;

    return true;
}


void
cdr_set_free(cdr_set_t *set, const cdr_alloc_t *alloc)
{
    alloc->free(alloc->ctx, set->slots);
    memset(set, 0, sizeof(cdr_set_t));
}


static int
cdr_set_grow(cdr_set_t *set, const cdr_alloc_t *alloc)
{
    size_t     bytes;
    uint32_t   i;
    cdr_set_t  larger;

    if (set->n >= CDR_SET_MAX) {
        return CDR_FULL;
    }

    larger.size = set->size ? set->size * 2 : CDR_SET_MIN;
    larger.n = set->n;
    larger.all = false;

    bytes = larger.size * sizeof(uint32_t);
    larger.slots = alloc->alloc(alloc->ctx, bytes);

    if (larger.slots == NULL) {
        return CDR_NOMEM;
    }

    memset(larger.slots, 0, bytes);

    for (i = 0; i < set->size; i++) {
        if (set->slots[i]) {
            larger.slots[cdr_set_find(&larger, set->slots[i])]
                = set->slots[i];
        }
    }

    alloc->free(alloc->ctx, set->slots);
    *set = larger;

    return CDR_OK;
}


static uint32_t
cdr_set_slot(const cdr_set_t *set, uint32_t value)
{
    return (value * 2654435769U >> 7) & (set->size - 1);
}


/* Where it is, or the free slot where it would be; half of them are free. */

static uint32_t
cdr_set_find(const cdr_set_t *set, uint32_t value)
{
    uint32_t  i;

    i = cdr_set_slot(set, value);

    while (set->slots[i] && set->slots[i] != value) {
        i = (i + 1) & (set->size - 1);
    }

    return i;
}
