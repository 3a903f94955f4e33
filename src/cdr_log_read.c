/* Reading the event log, without a lock. */

#include "cdr.h"
#include "cdr_log_shm.h"

#include <string.h>


#define CDR_LOG_TRIES  16


static cdr_log_pos_t cdr_log_settled(const cdr_log_rec_t *ring,
    const cdr_log_rec_t *rec);


void
cdr_log_cursor_end(const cdr_log_t *log, cdr_log_cursor_t *cur)
{
    cur->seq = atomic_load_explicit(&log->shm->head, memory_order_acquire);
}


void
cdr_log_cursor_oldest(const cdr_log_t *log, cdr_log_cursor_t *cur)
{
    cur->seq = atomic_load_explicit(&log->shm->tail, memory_order_acquire) - 1;
}


int
cdr_log_next(const cdr_log_t *log, cdr_log_cursor_t *cur,
    cdr_log_event_t *event)
{
    uint8_t          *p;
    uint64_t          head, seq;
    cdr_log_pos_t     settled;
    cdr_log_rec_t     rec;
    cdr_log_place_t   place;

    head = atomic_load_explicit(&log->shm->head, memory_order_acquire);

    if (cur->seq >= head) {
        return cur->seq == head ? CDR_AGAIN : CDR_DECLINED;
    }

    seq = cur->seq + 1;

    /*
     * An overwritten entry or record is noticed by the tail; the comparisons
     * keep us inside the ring should the memory itself be damaged.
     */

    if (!cdr_log_get(log, seq, &place)
        || place.size < sizeof(cdr_log_rec_t)
        || place.size > log->size - place.start % log->size)
    {
        return CDR_DECLINED;
    }

    p = log->data + place.start % log->size;

    memcpy(&rec, p, sizeof(cdr_log_rec_t));
    settled = cdr_log_settled((const cdr_log_rec_t *) (const void *) p, &rec);

    if (!cdr_log_valid(log, seq) || rec.seq != seq || rec.size != place.size
        || (uint64_t) rec.type_len + rec.payload_len
           > place.size - sizeof(cdr_log_rec_t))
    {
        return CDR_DECLINED;
    }

    event->seq = seq;
    event->fields.time_ms = rec.time_ms;
    event->fields.arrived_us = rec.arrived_us;
    event->fields.pos = rec.pos;
    event->fields.server = rec.server;
    event->fields.boot = rec.boot;
    event->fields.n = rec.n;
    event->fields.lone = rec.lone;
    event->fields.flags = rec.flags;
    event->settled = settled;
    event->type.data = p + sizeof(cdr_log_rec_t);
    event->type.len = rec.type_len;
    event->payload.data = event->type.data + rec.type_len;
    event->payload.len = rec.payload_len;

    cur->seq = seq;

    return CDR_OK;
}


/* The place of a record in the ring, of which "rec" is a copy. */

static cdr_log_pos_t
cdr_log_settled(const cdr_log_rec_t *ring, const cdr_log_rec_t *rec)
{
    cdr_log_pos_t  place;

    place = rec->pos;
    place.local = 0;

    if (cdr_log_lone(rec)) {
        place.ms = atomic_load_explicit(&ring->settled_ms,
                                        memory_order_acquire);
        place.n = atomic_load_explicit(&ring->settled_n,
                                       memory_order_relaxed);

        if (place.ms == 0) {
            place.n = 0;
        }
    }

    return place;
}


bool
cdr_log_valid(const cdr_log_t *log, uint64_t seq)
{
    /*
     * Pairs with the fence in cdr_log_evict(): having read one byte that was
     * written behind that fence, we also see the tail stored before it.
     */

    atomic_thread_fence(memory_order_acquire);

    return atomic_load_explicit(&log->shm->tail, memory_order_relaxed) <= seq;
}


int
cdr_log_find(const cdr_log_t *log, const cdr_log_pos_t *pos,
    cdr_log_cursor_t *cur, cdr_log_found_t *found)
{
    int              rc;
    uint64_t         low, high, mid;
    cdr_log_place_t  place;

    /*
     * An entry that vanishes under the search was dropped, so it counts as
     * not above the position; whether that matters shows at the end.
     */

    low = atomic_load_explicit(&log->shm->tail, memory_order_acquire) - 1;
    high = atomic_load_explicit(&log->shm->head, memory_order_acquire) + 1;

    while (high > low && high - low > 1) {
        mid = low + (high - low) / 2;

        if (!cdr_log_get(log, mid, &place)
            || cdr_log_cmp(&place.pos, pos) <= 0)
        {
            low = mid;

        } else {
            high = mid;
        }
    }

    rc = cdr_log_get(log, low, &place) ? cdr_log_cmp(&place.pos, pos) : 1;

    if (rc > 0) {
        cdr_log_cursor_oldest(log, cur);
        *found = CDR_LOG_EXPIRED;
        return CDR_DECLINED;
    }

    cur->seq = low;
    *found = (rc == 0) ? CDR_LOG_FOUND : CDR_LOG_UNKNOWN;

    return (rc == 0) ? CDR_OK : CDR_DECLINED;
}


int
cdr_log_since(const cdr_log_t *log, const cdr_log_pos_t *pos,
    cdr_log_cursor_t *cur)
{
    bool              known;
    cdr_log_pos_t     upto;
    cdr_log_found_t   found;
    cdr_log_place_t   place;

    upto.ms = pos->ms;
    upto.n = pos->n;
    upto.local = UINT64_MAX;

    (void) cdr_log_find(log, &upto, cur, &found);

    if (found == CDR_LOG_EXPIRED) {
        return CDR_DECLINED;
    }

    /*
     * While a server was alone, and until what it ordered had come back,
     * events stand in front of others with a lower place.  All before one
     * with a position of the hub only are before it in the hub, too.
     */

    for (known = (pos->ms | pos->n) == 0;
         cdr_log_get(log, cur->seq, &place);
         cur->seq--)
    {
        /* the hub's order is known here from its first event on only */

        known = known || (place.pos.ms | place.pos.n);

        if (place.pos.local == 0 && known) {
            return CDR_OK;
        }

        if (place.pos.local == 0 || cur->seq == 0) {
            break;
        }
    }

    cdr_log_cursor_oldest(log, cur);

    return CDR_DECLINED;
}


bool
cdr_log_had(const cdr_log_event_t *event, const cdr_event_id_t *id)
{
    unsigned       i;
    cdr_log_pos_t  upto;

    upto.ms = id->ms;
    upto.n = id->n;
    upto.local = 0;

    if (event->settled.ms && cdr_log_cmp(&event->settled, &upto) <= 0) {
        return true;
    }

    for (i = 0; i < id->norigins; i++) {

        if (event->fields.server == id->origins[i].server
            && event->fields.n <= id->origins[i].n)
        {
            return true;
        }
    }

    return false;
}


int
cdr_log_newest(const cdr_log_t *log, cdr_log_pos_t *pos, uint64_t *lone)
{
    unsigned          i;
    cdr_log_event_t   event;
    cdr_log_cursor_t  cur;

    for (i = 0; i < CDR_LOG_TRIES; i++) {
        cdr_log_cursor_end(log, &cur);

        if (cur.seq == 0) {
            break;
        }

        cur.seq--;

        if (cdr_log_next(log, &cur, &event) == CDR_OK) {
            *pos = event.fields.pos;
            *lone = event.fields.lone;
            return CDR_OK;
        }
    }

    *lone = 0;

    return cdr_log_last(log, pos);
}


int
cdr_log_last(const cdr_log_t *log, cdr_log_pos_t *pos)
{
    unsigned          i;
    uint64_t          head;
    cdr_log_place_t   place;

    for (i = 0; i < CDR_LOG_TRIES; i++) {
        head = atomic_load_explicit(&log->shm->head, memory_order_acquire);

        if (cdr_log_get(log, head, &place)) {
            *pos = place.pos;
            return CDR_OK;
        }
    }

    return CDR_AGAIN;
}


void
cdr_log_fill(const cdr_log_t *log, cdr_log_fill_t *fill)
{
    cdr_log_place_t  first, last;

    fill->tail = atomic_load_explicit(&log->shm->tail, memory_order_acquire);
    fill->head = atomic_load_explicit(&log->shm->head, memory_order_acquire);
    fill->events_max = log->events;
    fill->bytes_max = log->size;
    fill->events = 0;
    fill->bytes = 0;

    if (fill->head < fill->tail) {
        return;
    }

    (void) cdr_log_get(log, fill->tail, &first);
    (void) cdr_log_get(log, fill->head, &last);

    fill->events = fill->head - fill->tail + 1;
    fill->bytes = last.start + last.size - first.start;

    if (fill->bytes > log->size) {
        fill->bytes = log->size;
    }
}


void
cdr_event_id_set(cdr_event_id_t *id, const cdr_log_pos_t *pos,
    uint64_t server)
{
    id->ms = pos->ms;
    id->n = pos->n;
    id->norigins = 0;

    if (pos->local) {
        cdr_event_id_add(id, server, pos->local);
    }
}


bool
cdr_log_get(const cdr_log_t *log, uint64_t seq, cdr_log_place_t *place)
{
    const cdr_log_slot_t  *slot;

    slot = &log->index[seq % log->slots];

    place->start = atomic_load_explicit(&slot->start, memory_order_relaxed);
    place->size = atomic_load_explicit(&slot->size, memory_order_relaxed);
    place->pos.ms = atomic_load_explicit(&slot->ms, memory_order_relaxed);
    place->pos.n = atomic_load_explicit(&slot->n, memory_order_relaxed);
    place->pos.local = atomic_load_explicit(&slot->local,
                                            memory_order_relaxed);

    /* The entry before the tail's is the last one that is left alone. */

    return cdr_log_valid(log, seq + 1);
}


int
cdr_log_cmp(const cdr_log_pos_t *a, const cdr_log_pos_t *b)
{
    if (a->ms != b->ms) {
        return a->ms < b->ms ? -1 : 1;
    }

    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }

    if (a->local != b->local) {
        return a->local < b->local ? -1 : 1;
    }

    return 0;
}
