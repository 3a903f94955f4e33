/* Work that one process lends to others, in shared memory. */

#include "cdr.h"
#include "cdr_lend.h"


#define cdr_lend_state(lend)                                                  \
    atomic_load_explicit(&(lend)->state, memory_order_acquire)


uint32_t
cdr_lend(cdr_lends_t *l, uint32_t slot, uint32_t incarnation, uint32_t tag,
    uint64_t n, uint64_t at)
{
    uint32_t     i;
    cdr_lend_t  *lend;

    for (i = 0; i < CDR_LENDS; i++) {
        lend = &l->lends[i];

        if (cdr_lend_state(lend) != CDR_LEND_FREE) {
            continue;
        }

        lend->slot = slot;
        lend->incarnation = incarnation;
        lend->tag = tag;
        lend->n = n;
        lend->at = at;

        atomic_store_explicit(&lend->state, CDR_LEND_LENT,
                              memory_order_release);
        break;
    }

    return i;
}


uint32_t
cdr_lend_find(const cdr_lends_t *l, uint64_t n)
{
    uint32_t  i;

    for (i = 0; i < CDR_LENDS; i++) {
        if (cdr_lend_state(&l->lends[i]) != CDR_LEND_FREE
            && l->lends[i].n == n)
        {
            break;
        }
    }

    return i;
}


uint32_t
cdr_lend_back(const cdr_lends_t *l, uint32_t i, cdr_lend_state_e *state)
{
    for ( /* void */ ; i < CDR_LENDS; i++) {
        *state = (cdr_lend_state_e) cdr_lend_state(&l->lends[i]);

        if (*state >= CDR_LEND_DONE) {
            break;
        }
    }

    return i;
}


void
cdr_lend_free(cdr_lends_t *l, uint32_t i)
{
    atomic_store_explicit(&l->lends[i].state, CDR_LEND_FREE,
                          memory_order_release);
}


int
cdr_lend_recall(cdr_lends_t *l, uint32_t i)
{
    uint32_t  lent;

    lent = CDR_LEND_LENT;

    return atomic_compare_exchange_strong(&l->lends[i].state, &lent,
                                          CDR_LEND_FREE)
           ? CDR_OK : CDR_DECLINED;
}


uint32_t
cdr_lend_take(cdr_lends_t *l, uint32_t slot, uint32_t incarnation)
{
    uint32_t     i, state;
    cdr_lend_t  *lend;

    for (i = 0; i < CDR_LENDS; i++) {
        lend = &l->lends[i];
        state = CDR_LEND_LENT;

        if (cdr_lend_state(lend) == CDR_LEND_LENT
            && lend->slot == slot && lend->incarnation == incarnation
            && atomic_compare_exchange_strong(&lend->state, &state,
                                              CDR_LEND_TAKEN))
        {
            break;
        }
    }

    return i;
}


void
cdr_lend_return(cdr_lends_t *l, uint32_t i, cdr_lend_state_e state,
    uint32_t result)
{
    uint32_t  taken;

    taken = CDR_LEND_TAKEN;

    if (cdr_lend_state(&l->lends[i]) == CDR_LEND_TAKEN) {
        l->lends[i].result = result;
    }

    (void) atomic_compare_exchange_strong(&l->lends[i].state, &taken,
                                          (uint32_t) state);
}


uint32_t
cdr_lend_release_owner(cdr_lends_t *l, uint32_t slot, uint32_t incarnation)
{
    uint32_t     i, n, state;
    cdr_lend_t  *lend;

    n = 0;

    for (i = 0; i < CDR_LENDS; i++) {
        lend = &l->lends[i];
        state = cdr_lend_state(lend);

        if ((state == CDR_LEND_LENT || state == CDR_LEND_TAKEN)
            && lend->slot == slot
            && (int32_t) (incarnation - lend->incarnation) >= 0
            && atomic_compare_exchange_strong(&lend->state, &state,
                                              CDR_LEND_LOST))
        {
            n++;
        }
    }

    return n;
}
