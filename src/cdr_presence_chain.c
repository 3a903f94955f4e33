/* Chains in the table of reviewers: links both ways, checked when used. */

#include "cdr.h"
#include "cdr_presence_shm.h"


static cdr_chain_t *cdr_chain(const cdr_chains_t *c, uint32_t link);
static cdr_chain_ends_t cdr_chain_cut(const cdr_chains_t *c, uint32_t from,
    uint32_t size, uint32_t *rest);
static void cdr_chain_append(const cdr_chains_t *c, cdr_chain_ends_t *to,
    uint32_t link);


cdr_chains_t
cdr_presence_orders(const cdr_presence_t *p)
{
    cdr_chains_t  c;

    c.base = (uint8_t *) &p->entries[0].order;
    c.stride = sizeof(cdr_reviewer_entry_t);
    c.n = cdr_presence_high(p);

    return c;
}


cdr_chains_t
cdr_presence_dues(const cdr_presence_t *p)
{
    cdr_chains_t  c;

    c.base = (uint8_t *) &p->entries[0].due;
    c.stride = sizeof(cdr_reviewer_entry_t);
    c.n = cdr_presence_high(p);

    return c;
}


cdr_chains_t
cdr_presence_conns(const cdr_presence_t *p)
{
    cdr_chains_t  c;

    c.base = (uint8_t *) &p->links[0].chain;
    c.stride = sizeof(cdr_presence_link_t);
    c.n = p->shm->links < p->nconns ? p->shm->links : p->nconns;

    return c;
}


int
cdr_chain_insert(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t self, uint32_t after)
{
    uint32_t     before;
    cdr_chain_t  *own;

    if (after > c->n || ends->first > c->n || ends->last > c->n) {
        return CDR_ERROR;
    }

    before = after ? cdr_chain(c, after)->next : ends->first;

    if (before > c->n || before == self || after == self) {
        return CDR_ERROR;
    }

    own = cdr_chain(c, self);
    own->prev = after;
    own->next = before;

    *(after ? &cdr_chain(c, after)->next : &ends->first) = self;
    *(before ? &cdr_chain(c, before)->prev : &ends->last) = self;

    return CDR_OK;
}


int
cdr_chain_remove(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t self)
{
    uint32_t     *prev, *next;
    cdr_chain_t  *own;

    own = cdr_chain(c, self);

    if (own->prev > c->n || own->next > c->n) {
        return CDR_ERROR;
    }

    next = own->prev ? &cdr_chain(c, own->prev)->next : &ends->first;
    prev = own->next ? &cdr_chain(c, own->next)->prev : &ends->last;

    if (*next != self || *prev != self) {
        return CDR_ERROR;
    }

    *next = own->next;
    *prev = own->prev;

    own->prev = 0;
    own->next = 0;

    return CDR_OK;
}


/* Runs of 1, 2, 4 ... are merged: no memory but the links is needed. */

void
cdr_chain_sort(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    const cdr_presence_t *p, cdr_chain_key_pt key)
{
    uint32_t          size, rest, runs, left, right, *from;
    cdr_chain_ends_t  sorted;

    for (size = 1; size <= c->n; size *= 2) {

        sorted.first = 0;
        sorted.last = 0;
        rest = ends->first;

        for (runs = 0; rest; runs++) {
            left = cdr_chain_cut(c, rest, size, &rest).first;
            right = cdr_chain_cut(c, rest, size, &rest).first;

            while (left || right) {
                from = (right == 0 || (left && key(p, left) <= key(p, right)))
                       ? &left : &right;

                cdr_chain_append(c, &sorted, *from);
                *from = cdr_chain(c, *from)->next;
            }
        }

        if (sorted.last) {
            cdr_chain(c, sorted.last)->next = 0;
        }

        *ends = sorted;

        if (runs <= 1) {
            break;
        }
    }
}


static cdr_chain_t *
cdr_chain(const cdr_chains_t *c, uint32_t link)
{
    return (cdr_chain_t *) (void *) (c->base + (link - 1) * c->stride);
}


/* The first "size" elements, as a chain of their own. */

static cdr_chain_ends_t
cdr_chain_cut(const cdr_chains_t *c, uint32_t from, uint32_t size,
    uint32_t *rest)
{
    cdr_chain_ends_t  run;

    run.first = from;
    run.last = from;

    while (run.last && --size && cdr_chain(c, run.last)->next) {
        run.last = cdr_chain(c, run.last)->next;
    }

    *rest = 0;

    if (run.last) {
        *rest = cdr_chain(c, run.last)->next;
        cdr_chain(c, run.last)->next = 0;
    }

    return run;
}


static void
cdr_chain_append(const cdr_chains_t *c, cdr_chain_ends_t *to, uint32_t link)
{
    cdr_chain(c, link)->prev = to->last;
    *(to->last ? &cdr_chain(c, to->last)->next : &to->first) = link;
    to->last = link;
}
