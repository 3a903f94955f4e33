/* Inside the outbox: its layout, and what its files share. */

#ifndef CDR_OUTBOX_SHM_H_INCLUDED
#define CDR_OUTBOX_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_outbox.h"


/* In place of a record's kind: from here the next one is at the start. */

#define CDR_OUTBOX_FILLER  UINT32_MAX


/*
 * Positions in the ring grow for ever.  Only head and tail are primary: the
 * rest is known from the records between them, except that the numbers also
 * remember what is not held any more.
 */

struct cdr_outbox_shm_s {
    _Alignas(64)
    _Atomic uint32_t      magic;
    uint32_t              version;
    uint64_t              size;
    uint32_t              ntickets;

    _Alignas(64)
    _Atomic uint64_t      head;         /* behind the last record */
    _Atomic uint64_t      tail;         /* before the oldest one */

    _Alignas(64)
    _Atomic uint64_t      n;            /* the last ones given */
    _Atomic uint64_t      number;
    _Atomic uint64_t      records;
    _Atomic uint64_t      events;
    _Atomic uint64_t      oldest_ms;
    uint32_t              free;         /* ticket, index + 1 */
    _Atomic uint32_t      waiting;      /* tickets */
    _Atomic uint32_t      taken;        /* that are not free */
};


/* What is behind a ticket. */

struct cdr_outbox_slip_s {
    _Atomic uint32_t      state;        /* cdr_ticket_state_e */
    uint32_t              serial;       /* one more with every use */
    uint32_t              next;         /* of the free ones */
    cdr_idem_owner_t      asker;
    cdr_ticket_outcome_t  outcome;
};


#define cdr_outbox_get(cell)      atomic_load_explicit(cell,                  \
                                                       memory_order_relaxed)
#define cdr_outbox_set(cell, v)   atomic_store_explicit(cell, v,              \
                                                        memory_order_relaxed)


/*
 * The record at a position, or the one behind the filler there, and then
 * *at is where it begins.  CDR_OK; CDR_AGAIN at the head; CDR_ERROR: damaged.
 */

int cdr_outbox_look(const cdr_outbox_t *ob, uint64_t *at,
    cdr_outbox_rec_t **rec);

/* After the records were counted anew: which tickets do they know? */

void cdr_outbox_repair_tickets(cdr_outbox_t *ob);


#endif /* CDR_OUTBOX_SHM_H_INCLUDED */
