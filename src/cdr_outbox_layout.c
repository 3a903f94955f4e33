/* How the outbox lies in its memory, and the repair. */

#include "cdr.h"
#include "cdr_outbox_shm.h"


#define CDR_OUTBOX_MAGIC        0x4f726443U      /* "CdrO" */
#define CDR_OUTBOX_SIZE_MAX     ((size_t) 1 << 33)
#define CDR_OUTBOX_TICKETS_MAX  (1U << 20)

#define cdr_outbox_align(n)  (((n) + 63) & ~(size_t) 63)


static void cdr_outbox_recount(cdr_outbox_t *ob);


size_t
cdr_outbox_size(size_t size, uint32_t tickets)
{
    if (size < CDR_OUTBOX_SIZE_MIN || size > CDR_OUTBOX_SIZE_MAX
        || tickets == 0 || tickets > CDR_OUTBOX_TICKETS_MAX)
    {
        return 0;
    }

    return sizeof(cdr_outbox_shm_t)
           + cdr_outbox_align(tickets * sizeof(cdr_outbox_slip_t))
           + size / 8 * 8;
}


int
cdr_outbox_init(void *mem, size_t size, uint32_t tickets)
{
    uint32_t            i;
    cdr_outbox_shm_t   *shm;
    cdr_outbox_slip_t  *slips;

    if (cdr_outbox_size(size, tickets) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    cdr_outbox_set(&shm->magic, 0);
    cdr_outbox_set(&shm->head, 0);
    cdr_outbox_set(&shm->tail, 0);
    cdr_outbox_set(&shm->n, 0);
    cdr_outbox_set(&shm->number, 0);
    cdr_outbox_set(&shm->records, 0);
    cdr_outbox_set(&shm->events, 0);
    cdr_outbox_set(&shm->oldest_ms, 0);
    cdr_outbox_set(&shm->waiting, 0);
    cdr_outbox_set(&shm->taken, 0);

    shm->version = CDR_OUTBOX_VERSION;
    shm->size = size / 8 * 8;
    shm->ntickets = tickets;
    shm->free = 1;

    slips = (cdr_outbox_slip_t *) (shm + 1);

    for (i = 0; i < tickets; i++) {
        cdr_outbox_set(&slips[i].state, CDR_TICKET_FREE);
        slips[i].serial = 0;
        slips[i].next = (i + 1 < tickets) ? i + 2 : 0;
    }

    atomic_store_explicit(&shm->magic, CDR_OUTBOX_MAGIC,
                          memory_order_release);

    return CDR_OK;
}


int
cdr_outbox_attach(cdr_outbox_t *ob, void *mem, size_t size)
{
    size_t             total;
    cdr_outbox_shm_t  *shm;

    if (size < sizeof(cdr_outbox_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_OUTBOX_MAGIC
        || shm->version != CDR_OUTBOX_VERSION)
    {
        return CDR_DECLINED;
    }

    total = cdr_outbox_size(shm->size, shm->ntickets);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    ob->shm = shm;
    ob->slips = (cdr_outbox_slip_t *) (shm + 1);
    ob->size = shm->size;
    ob->ntickets = shm->ntickets;
    ob->data = (uint8_t *) mem + (total - (size_t) ob->size);

    return CDR_OK;
}


void
cdr_outbox_start(cdr_outbox_t *ob, uint64_t n)
{
    if (n > cdr_outbox_get(&ob->shm->n)) {
        cdr_outbox_set(&ob->shm->n, n);
    }
}


void
cdr_outbox_repair(cdr_outbox_t *ob)
{
    uint64_t           head, tail;
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;

    head = cdr_outbox_get(&shm->head);
    tail = cdr_outbox_get(&shm->tail);

    if (head > UINT64_MAX / 2 || head % 8 || tail % 8 || tail > head
        || head - tail > ob->size)
    {
        head = (head > UINT64_MAX / 2) ? 0 : head / 8 * 8;

        cdr_outbox_set(&shm->head, head);
        cdr_outbox_set(&shm->tail, head);
    }

    cdr_outbox_recount(ob);
    cdr_outbox_repair_tickets(ob);
}


/* From what is held; behind what is damaged, nothing is. */

static void
cdr_outbox_recount(cdr_outbox_t *ob)
{
    int                rc;
    uint64_t           at, n, number, records, events, oldest;
    cdr_outbox_rec_t  *rec;
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;

    at = cdr_outbox_get(&shm->tail);
    n = cdr_outbox_get(&shm->n);
    number = cdr_outbox_get(&shm->number);
    records = 0;
    events = 0;
    oldest = 0;

    while ((rc = cdr_outbox_look(ob, &at, &rec)) == CDR_OK) {

        if (rec->n + rec->count - 1 > n) {
            n = rec->n + rec->count - 1;
        }

        if (rec->number > number) {
            number = rec->number;
        }

        if (records == 0) {
            oldest = rec->time_ms;
        }

        records++;
        events += rec->count;
        at += rec->size;
    }

    if (rc == CDR_ERROR) {
        atomic_store_explicit(&shm->head, at, memory_order_release);
    }

    cdr_outbox_set(&shm->n, n);
    cdr_outbox_set(&shm->number, number);
    cdr_outbox_set(&shm->records, records);
    cdr_outbox_set(&shm->events, events);
    cdr_outbox_set(&shm->oldest_ms, oldest);
}
