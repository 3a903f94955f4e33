/* The table of reviewers: who leaves, is offline, and is forgotten. */

#include "cdr.h"
#include "cdr_presence_shm.h"


static int cdr_reviewer_expire_slot(cdr_presence_t *p, uint64_t now_ms,
    uint32_t *n, uint32_t max);
static int cdr_reviewer_depart(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms);
static int cdr_reviewer_forget(cdr_presence_t *p, cdr_reviewer_entry_t *e);
static cdr_reviewer_entry_t *cdr_reviewer_next_due(const cdr_presence_t *p);


int
cdr_presence_expire(cdr_presence_t *p, uint64_t now_ms, uint64_t forget_ms,
    uint32_t max, uint32_t *n)
{
    int                    rc;
    uint64_t               at;
    cdr_reviewer_entry_t  *e;

    *n = 0;
    at = now_ms / CDR_PRESENCE_SLOT_MS;

    if (p->shm->passed > at || p->shm->passed + CDR_PRESENCE_SLOTS <= at) {

        /* one turn finds them all, also when the clock was set */

        p->shm->passed = at < CDR_PRESENCE_SLOTS
                         ? 0 : at - CDR_PRESENCE_SLOTS + 1;
    }

    for ( ;; ) {
        rc = cdr_reviewer_expire_slot(p, now_ms, n, max);

        if (rc != CDR_OK) {
            return rc;
        }

        if (p->shm->passed == at) {
            break;
        }

        p->shm->passed++;
    }

    for ( /* void */ ; p->shm->order[1].first; max--) {
        e = cdr_presence_entry(p, p->shm->order[1].first);

        if (e == NULL || cdr_reviewer_state(e) != CDR_REVIEWER_OFFLINE) {
            return CDR_ERROR;
        }

        if (e->updated_ms > forget_ms) {
            break;
        }

        if (max == 0) {
            return CDR_AGAIN;
        }

        if (cdr_reviewer_forget(p, e) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    return CDR_OK;
}


/* Forgets the one that is offline longest, or else is to be so next. */

int
cdr_reviewer_recycle(cdr_presence_t *p, uint64_t now_ms)
{
    uint32_t               link;
    cdr_reviewer_entry_t  *e;

    link = p->shm->order[1].first;

    if (link == 0) {
        e = cdr_reviewer_next_due(p);

        if (e == NULL) {
            return p->shm->leaving ? CDR_ERROR : CDR_FULL;
        }

        if (cdr_reviewer_depart(p, e, now_ms) != CDR_OK) {
            return CDR_ERROR;
        }

        link = p->shm->order[1].first;
    }

    e = cdr_presence_entry(p, link);

    return (e && cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE)
           ? cdr_reviewer_forget(p, e) : CDR_ERROR;
}


/*
 * By the time they leave, modulo the length of the wheel: those due in another
 * turn of it are found, and left alone, when theirs has come.
 */

int
cdr_reviewer_due(cdr_presence_t *p, cdr_reviewer_entry_t *e)
{
    uint64_t      at;
    cdr_chains_t  c;

    at = e->due_ms / CDR_PRESENCE_SLOT_MS;

    if (at < p->shm->passed) {
        at = p->shm->passed;
    }

    e->slot = (uint8_t) (at % CDR_PRESENCE_SLOTS);
    p->shm->leaving++;

    c = cdr_presence_dues(p);

    return cdr_chain_insert(&c, &p->shm->slots[e->slot],
                            cdr_reviewer_link(p, e),
                            p->shm->slots[e->slot].last);
}


int
cdr_reviewer_undue(cdr_presence_t *p, cdr_reviewer_entry_t *e)
{
    cdr_chains_t  c;

    c = cdr_presence_dues(p);
    p->shm->leaving--;

    return cdr_chain_remove(&c,
                            &p->shm->slots[e->slot % CDR_PRESENCE_SLOTS],
                            cdr_reviewer_link(p, e));
}


/* Those in the present slot whose time has come.  CDR_AGAIN at "max". */

static int
cdr_reviewer_expire_slot(cdr_presence_t *p, uint64_t now_ms, uint32_t *n,
    uint32_t max)
{
    uint32_t               link, steps, high;
    cdr_reviewer_entry_t  *e;

    high = cdr_presence_high(p);
    link = p->shm->slots[p->shm->passed % CDR_PRESENCE_SLOTS].first;

    for (steps = 0; link; steps++) {
        e = cdr_presence_entry(p, link);

        if (e == NULL || steps == high) {
            return CDR_ERROR;
        }

        link = e->due.next;

        if (e->due_ms > now_ms) {
            continue;
        }

        if (*n == max) {
            return CDR_AGAIN;
        }

        if (cdr_reviewer_depart(p, e, now_ms) != CDR_OK) {
            return CDR_ERROR;
        }

        ++*n;
    }

    return CDR_OK;
}


static int
cdr_reviewer_depart(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms)
{
    uint32_t      self;
    cdr_chains_t  c;

    self = cdr_reviewer_link(p, e);
    c = cdr_presence_orders(p);

    cdr_reviewer_open(e);

    if (cdr_reviewer_undue(p, e) != CDR_OK
        || cdr_chain_remove(&c, &p->shm->order[0], self) != CDR_OK
        || cdr_chain_insert(&c, &p->shm->order[1], self,
                            p->shm->order[1].last)
           != CDR_OK)
    {
        return CDR_ERROR;
    }

    p->shm->live--;
    p->shm->offline++;

    cdr_reviewer_set_state(e, CDR_REVIEWER_OFFLINE);

    if (cdr_reviewer_order(p, e, now_ms) != CDR_OK) {
        return CDR_ERROR;
    }

    cdr_reviewer_close(e);

    return CDR_OK;
}


static int
cdr_reviewer_forget(cdr_presence_t *p, cdr_reviewer_entry_t *e)
{
    cdr_chains_t  c;

    c = cdr_presence_orders(p);

    if (e->version > p->shm->forgotten) {
        p->shm->forgotten = e->version;
        atomic_signal_fence(memory_order_seq_cst);
    }

    if (cdr_chain_remove(&c, &p->shm->order[1], cdr_reviewer_link(p, e))
        != CDR_OK)
    {
        return CDR_ERROR;
    }

    p->shm->offline--;

    return cdr_reviewer_free(p, e);
}


/* One of those who leave, roughly the next. */

static cdr_reviewer_entry_t *
cdr_reviewer_next_due(const cdr_presence_t *p)
{
    uint32_t  i, link;

    for (i = 0; i < CDR_PRESENCE_SLOTS; i++) {
        link = p->shm->slots[(p->shm->passed + i) % CDR_PRESENCE_SLOTS].first;

        if (link) {
            return cdr_presence_entry(p, link);
        }
    }

    return NULL;
}
