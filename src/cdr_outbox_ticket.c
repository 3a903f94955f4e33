/* The tickets of the outbox: who waits for what became of a record. */

#include "cdr.h"
#include "cdr_outbox_shm.h"


static cdr_outbox_slip_t *cdr_ticket_slip(cdr_outbox_t *ob, uint32_t link,
    uint32_t serial);
static void cdr_ticket_waits_no_more(cdr_outbox_t *ob);
static void cdr_ticket_free(cdr_outbox_t *ob, cdr_outbox_slip_t *slip);


int
cdr_ticket_finish(cdr_outbox_t *ob, const cdr_outbox_rec_t *rec,
    cdr_ticket_state_e state, const cdr_ticket_outcome_t *outcome,
    uint32_t *slot)
{
    cdr_outbox_slip_t  *slip;

    slip = cdr_ticket_slip(ob, rec->ticket, rec->serial);

    if (slip == NULL) {
        return CDR_DECLINED;
    }

    switch (cdr_outbox_get(&slip->state)) {

    case CDR_TICKET_WAITING:
        slip->outcome = *outcome;
        *slot = slip->asker.slot;

        atomic_store_explicit(&slip->state, (uint32_t) state,
                              memory_order_release);
        cdr_ticket_waits_no_more(ob);

        return CDR_OK;

    case CDR_TICKET_LEFT:
        cdr_ticket_free(ob, slip);
        return CDR_DECLINED;

    default:
        return CDR_DECLINED;
    }
}


bool
cdr_ticket_finished(const cdr_outbox_t *ob, const cdr_ticket_t *ticket)
{
    if (ticket->link == 0 || ticket->link > ob->ntickets) {
        return true;
    }

    /* one that is not its own any more is found out when it is taken */

    return atomic_load_explicit(&ob->slips[ticket->link - 1].state,
                                memory_order_acquire)
           != CDR_TICKET_WAITING;
}


int
cdr_ticket_take(cdr_outbox_t *ob, const cdr_ticket_t *ticket,
    cdr_ticket_state_e *state, cdr_ticket_outcome_t *outcome)
{
    cdr_outbox_slip_t  *slip;

    slip = cdr_ticket_slip(ob, ticket->link, ticket->serial);

    if (slip == NULL) {
        return CDR_DECLINED;
    }

    *state = (cdr_ticket_state_e) cdr_outbox_get(&slip->state);

    switch (*state) {

    case CDR_TICKET_WAITING:
        return CDR_AGAIN;

    case CDR_TICKET_DONE:
    case CDR_TICKET_REPEATED:
    case CDR_TICKET_FAILED:
        *outcome = slip->outcome;
        cdr_ticket_free(ob, slip);
        return CDR_OK;

    default:
        return CDR_DECLINED;
    }
}


void
cdr_ticket_leave(cdr_outbox_t *ob, const cdr_ticket_t *ticket)
{
    cdr_outbox_slip_t  *slip;

    slip = cdr_ticket_slip(ob, ticket->link, ticket->serial);

    if (slip == NULL) {
        return;
    }

    switch (cdr_outbox_get(&slip->state)) {

    case CDR_TICKET_WAITING:
        cdr_outbox_set(&slip->state, CDR_TICKET_LEFT);
        cdr_ticket_waits_no_more(ob);
        break;

    case CDR_TICKET_DONE:
    case CDR_TICKET_REPEATED:
    case CDR_TICKET_FAILED:
        cdr_ticket_free(ob, slip);
        break;

    default:
        break;
    }
}


void
cdr_ticket_release_owner(cdr_outbox_t *ob, uint32_t slot,
    uint32_t incarnation)
{
    uint32_t            i;
    cdr_ticket_t        ticket;
    cdr_outbox_slip_t  *slip;

    if (cdr_outbox_get(&ob->shm->taken) == 0) {
        return;
    }

    for (i = 0; i < ob->ntickets; i++) {
        slip = &ob->slips[i];

        if (cdr_outbox_get(&slip->state) == CDR_TICKET_FREE
            || slip->asker.slot != slot
            || incarnation - slip->asker.incarnation > UINT32_MAX / 2)
        {
            continue;
        }

        ticket.link = i + 1;
        ticket.serial = slip->serial;

        cdr_ticket_leave(ob, &ticket);
    }
}


/* A ticket is known by its serial; NULL: it is not, or not any more. */

static cdr_outbox_slip_t *
cdr_ticket_slip(cdr_outbox_t *ob, uint32_t link, uint32_t serial)
{
    cdr_outbox_slip_t  *slip;

    if (link == 0 || link > ob->ntickets) {
        return NULL;
    }

    slip = &ob->slips[link - 1];

    return slip->serial == serial ? slip : NULL;
}


static void
cdr_ticket_waits_no_more(cdr_outbox_t *ob)
{
    cdr_outbox_set(&ob->shm->waiting, cdr_outbox_get(&ob->shm->waiting) - 1);
}


static void
cdr_ticket_free(cdr_outbox_t *ob, cdr_outbox_slip_t *slip)
{
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;

    cdr_outbox_set(&slip->state, CDR_TICKET_FREE);

    slip->next = shm->free;
    shm->free = (uint32_t) (slip - ob->slips) + 1;

    cdr_outbox_set(&shm->taken, cdr_outbox_get(&shm->taken) - 1);
}


/*
 * What waits for a record that is not there waits for nothing: its asker was
 * killed before it put the record in, or the record is lost.
 */

void
cdr_outbox_repair_tickets(cdr_outbox_t *ob)
{
    uint32_t            i, state;
    uint64_t            at;
    cdr_outbox_rec_t   *rec;
    cdr_outbox_shm_t   *shm;
    cdr_outbox_slip_t  *slip;

    shm = ob->shm;

    for (i = 0; i < ob->ntickets; i++) {
        ob->slips[i].next = 0;
    }

    at = cdr_outbox_get(&shm->tail);

    while (cdr_outbox_look(ob, &at, &rec) == CDR_OK) {
        slip = cdr_ticket_slip(ob, rec->ticket, rec->serial);

        if (slip) {
            slip->next = 1;
        }

        at += rec->size;
    }

    shm->free = 0;
    cdr_outbox_set(&shm->waiting, 0);
    cdr_outbox_set(&shm->taken, ob->ntickets);

    for (i = ob->ntickets; i; i--) {
        slip = &ob->slips[i - 1];
        state = cdr_outbox_get(&slip->state);

        switch (state) {

        case CDR_TICKET_WAITING:
        case CDR_TICKET_LEFT:

            if (slip->next) {
                cdr_outbox_set(&shm->waiting, cdr_outbox_get(&shm->waiting)
                                              + (state == CDR_TICKET_WAITING));
                break;
            }

            /* fall through */

        default:
            cdr_ticket_free(ob, slip);
            break;

        case CDR_TICKET_DONE:
        case CDR_TICKET_REPEATED:
        case CDR_TICKET_FAILED:
            break;
        }
    }
}
