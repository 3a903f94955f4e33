/* Laying out and writing the event log: its header says how readers meet it. */

#include "cdr.h"
#include "cdr_log_shm.h"

#include <string.h>


#define CDR_LOG_MAGIC       0x4364724cU     /* "CdrL" */
#define CDR_LOG_SIZE_MAX    ((uint64_t) 1 << 33)
#define CDR_LOG_EVENTS_MAX  ((uint64_t) 1 << 30)

#define cdr_log_align(n, a)  (((n) + (a) - 1) & ~((uint64_t) (a) - 1))


static cdr_log_pos_t cdr_log_position(const cdr_log_t *log,
    const cdr_log_tx_t *tx, const cdr_log_fields_t *fields);
static void cdr_log_fill_rec(cdr_log_rec_t *rec,
    const cdr_log_fields_t *fields, const cdr_log_place_t *place,
    uint64_t seq);
static void cdr_log_put(const cdr_log_t *log, uint64_t seq,
    const cdr_log_place_t *place);
static bool cdr_log_sound(const cdr_log_t *log, cdr_log_place_t *last);
static void cdr_log_evict(cdr_log_t *log, uint64_t seq, uint64_t end);


size_t
cdr_log_size(const cdr_log_params_t *params)
{
    if (params->size < CDR_LOG_SIZE_MIN || params->size > CDR_LOG_SIZE_MAX
        || params->events < CDR_LOG_EVENTS_MIN
        || params->events > CDR_LOG_EVENTS_MAX)
    {
        return 0;
    }

    return sizeof(cdr_log_shm_t)
           + cdr_log_align((params->events + 1) * sizeof(cdr_log_slot_t), 64)
           + params->size / 8 * 8;
}


int
cdr_log_init(void *mem, const cdr_log_params_t *params)
{
    size_t            total;
    cdr_log_t         log;
    cdr_log_shm_t    *shm;
    cdr_log_place_t   base;

    total = cdr_log_size(params);

    if (total == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);

    shm->version = CDR_LOG_VERSION;
    shm->size = params->size / 8 * 8;
    shm->events = params->events;
    shm->epoch_ms = params->epoch_ms;

    atomic_store_explicit(&shm->head, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->tail, 1, memory_order_relaxed);
    atomic_store_explicit(&shm->magic, CDR_LOG_MAGIC, memory_order_relaxed);

    (void) cdr_log_attach(&log, mem, total);

    base.start = 0;
    base.size = 0;
    base.pos = params->base;

    cdr_log_put(&log, 0, &base);

    atomic_thread_fence(memory_order_release);

    return CDR_OK;
}


int
cdr_log_attach(cdr_log_t *log, void *mem, size_t size)
{
    size_t             total;
    cdr_log_shm_t     *shm;
    cdr_log_params_t   params;

    if (size < sizeof(cdr_log_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_LOG_MAGIC
        || shm->version != CDR_LOG_VERSION)
    {
        return CDR_DECLINED;
    }

    memset(&params, 0, sizeof(cdr_log_params_t));

    params.size = shm->size;
    params.events = shm->events;

    total = cdr_log_size(&params);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    log->shm = shm;
    log->size = params.size / 8 * 8;
    log->events = params.events;
    log->slots = params.events + 1;
    log->epoch_ms = shm->epoch_ms;
    log->index = (cdr_log_slot_t *) (shm + 1);
    log->data = (uint8_t *) mem + (total - (size_t) log->size);

    return CDR_OK;
}


int
cdr_log_repair(cdr_log_t *log)
{
    uint64_t         head;
    cdr_log_place_t  place;

    if (cdr_log_sound(log, &place)) {
        return CDR_OK;
    }

    head = atomic_load_explicit(&log->shm->head, memory_order_relaxed);

    if (head > UINT64_MAX / 2) {
        head = 0;
        atomic_store_explicit(&log->shm->head, 0, memory_order_relaxed);
    }

    atomic_store_explicit(&log->shm->tail, head + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);

    place.start = 0;
    place.size = 0;
    place.pos.ms = log->epoch_ms;
    place.pos.n = head;
    place.pos.local = 0;

    cdr_log_put(log, head, &place);

    return CDR_ERROR;
}


size_t
cdr_log_record_size(size_t type_len, size_t payload_len)
{
    if (type_len > CDR_LOG_TYPE_MAX || payload_len > CDR_LOG_SIZE_MAX) {
        return SIZE_MAX;
    }

    return cdr_log_align(sizeof(cdr_log_rec_t) + type_len + payload_len, 8);
}


int
cdr_log_begin(cdr_log_t *log, cdr_log_tx_t *tx, size_t bytes, size_t n)
{
    cdr_log_place_t  last;

    if (bytes > log->size / 4 || (n > 1 && n > log->events / 4)) {
        return CDR_TOOBIG;
    }

    if (!cdr_log_sound(log, &last)) {
        return CDR_ERROR;
    }

    tx->seq = atomic_load_explicit(&log->shm->head, memory_order_relaxed) + 1;
    tx->at = last.start + last.size;
    tx->bytes = bytes;
    tx->n = n;
    tx->last = last.pos;

    return CDR_OK;
}


uint8_t *
cdr_log_add(cdr_log_t *log, cdr_log_tx_t *tx, const cdr_log_fields_t *fields,
    cdr_str_t type, size_t payload_len)
{
    size_t            size;
    uint8_t          *p;
    uint64_t          offset;
    cdr_log_rec_t     rec;
    cdr_log_place_t   place;

    size = cdr_log_record_size(type.len, payload_len);

    if (tx->n == 0 || size > tx->bytes) {
        return NULL;
    }

    place.pos = cdr_log_position(log, tx, fields);

    if (cdr_log_cmp(&place.pos, &tx->last) <= 0) {
        return NULL;
    }

    place.start = tx->at;
    place.size = size;

    offset = place.start % log->size;

    if (size > log->size - offset) {
        place.start += log->size - offset;
        offset = 0;
    }

    cdr_log_evict(log, tx->seq, place.start + size);
    cdr_log_put(log, tx->seq, &place);

    cdr_log_fill_rec(&rec, fields, &place, tx->seq);

    rec.payload_len = (uint32_t) payload_len;
    rec.type_len = (uint32_t) type.len;

    p = log->data + offset;

    memcpy(p, &rec, sizeof(cdr_log_rec_t));
    p += sizeof(cdr_log_rec_t);

    if (type.len) {
        memcpy(p, type.data, type.len);
    }

    tx->seq++;
    tx->at = place.start + size;
    tx->bytes -= size;
    tx->n--;
    tx->last = place.pos;

    return p + type.len;
}


/* The one that it has; or, in an order of this log's own, the next one. */

static cdr_log_pos_t
cdr_log_position(const cdr_log_t *log, const cdr_log_tx_t *tx,
    const cdr_log_fields_t *fields)
{
    cdr_log_pos_t  pos;

    pos = fields->pos;

    if ((pos.ms | pos.n | pos.local) == 0) {
        pos.ms = log->epoch_ms;
        pos.n = tx->seq;

        if (cdr_log_cmp(&pos, &tx->last) <= 0) {

            /* behind what another order gave places to */

            pos.ms = tx->last.ms;
            pos.n = tx->last.n + 1;
        }
    }

    return pos;
}


static void
cdr_log_fill_rec(cdr_log_rec_t *rec, const cdr_log_fields_t *fields,
    const cdr_log_place_t *place, uint64_t seq)
{
    rec->size = (uint32_t) place->size;
    rec->flags = fields->flags;
    rec->seq = seq;
    rec->time_ms = fields->time_ms;
    rec->arrived_us = fields->arrived_us;
    rec->pos = place->pos;
    rec->server = fields->server;
    rec->boot = fields->boot;
    rec->n = fields->n;
    rec->lone = fields->lone;

    atomic_store_explicit(&rec->settled_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&rec->settled_n, 0, memory_order_relaxed);
}


void
cdr_log_commit(cdr_log_t *log, cdr_log_tx_t *tx)
{
    atomic_store_explicit(&log->shm->head, tx->seq - 1, memory_order_release);
}


int
cdr_log_settle(cdr_log_t *log, cdr_log_cursor_t *cur, uint64_t server,
    uint64_t n, const cdr_log_pos_t *place)
{
    uint64_t          head, tail;
    cdr_log_rec_t    *rec;
    cdr_log_place_t   at;

    head = atomic_load_explicit(&log->shm->head, memory_order_relaxed);
    tail = atomic_load_explicit(&log->shm->tail, memory_order_relaxed);

    if (cur->seq < tail - 1) {
        cur->seq = tail - 1;
    }

    for ( /* void */ ; cur->seq < head; cur->seq++) {

        (void) cdr_log_get(log, cur->seq + 1, &at);

        if (at.pos.local > n) {
            break;
        }

        if (at.pos.local != n
            || at.size < sizeof(cdr_log_rec_t)
            || at.size > log->size - at.start % log->size)
        {
            continue;
        }

        rec = (cdr_log_rec_t *) (void *) (log->data + at.start % log->size);

        if (rec->lone != server || !cdr_log_lone(rec)) {
            continue;
        }

        /* readers look at the milliseconds first */

        atomic_store_explicit(&rec->settled_n, place->n,
                              memory_order_relaxed);
        atomic_store_explicit(&rec->settled_ms, place->ms,
                              memory_order_release);

        return CDR_OK;
    }

    return CDR_DECLINED;
}


size_t
cdr_log_expire(cdr_log_t *log, uint64_t before_ms, size_t max)
{
    size_t            n;
    uint64_t          head, tail;
    cdr_log_event_t   event;
    cdr_log_cursor_t  cur;

    head = atomic_load_explicit(&log->shm->head, memory_order_relaxed);
    tail = atomic_load_explicit(&log->shm->tail, memory_order_relaxed);

    for (n = 0; n < max && tail <= head; n++) {
        cur.seq = tail - 1;

        if (cdr_log_next(log, &cur, &event) != CDR_OK
            || event.fields.time_ms >= before_ms)
        {
            break;
        }

        atomic_store_explicit(&log->shm->tail, ++tail, memory_order_release);
    }

    return n;
}


static void
cdr_log_put(const cdr_log_t *log, uint64_t seq, const cdr_log_place_t *place)
{
    cdr_log_slot_t  *slot;

    slot = &log->index[seq % log->slots];

    atomic_store_explicit(&slot->start, place->start, memory_order_relaxed);
    atomic_store_explicit(&slot->size, place->size, memory_order_relaxed);
    atomic_store_explicit(&slot->ms, place->pos.ms, memory_order_relaxed);
    atomic_store_explicit(&slot->n, place->pos.n, memory_order_relaxed);
    atomic_store_explicit(&slot->local, place->pos.local,
                          memory_order_relaxed);
}


/*
 * Under the mutex: whether head, tail and the index entries they name make
 * sense together, so that appending stays inside the ring.
 */

static bool
cdr_log_sound(const cdr_log_t *log, cdr_log_place_t *last)
{
    uint64_t         head, tail;
    cdr_log_place_t  first;

    head = atomic_load_explicit(&log->shm->head, memory_order_relaxed);
    tail = atomic_load_explicit(&log->shm->tail, memory_order_relaxed);

    if (head > UINT64_MAX / 2 || tail == 0 || tail > head + 1
        || head + 1 - tail > log->events)
    {
        return false;
    }

    (void) cdr_log_get(log, head, last);

    if (last->start % 8 || last->size % 8 || last->size > log->size
        || last->start > UINT64_MAX / 2)
    {
        return false;
    }

    if (tail > head) {
        return true;
    }

    (void) cdr_log_get(log, tail, &first);

    return first.start <= last->start
           && last->start + last->size - first.start <= log->size;
}


/*
 * Moves the tail so that neither the index entry for "seq" nor the bytes up
 * to position "end" belong to an event that is still held.
 */

static void
cdr_log_evict(cdr_log_t *log, uint64_t seq, uint64_t end)
{
    uint64_t         head, tail;
    cdr_log_place_t  oldest;

    head = atomic_load_explicit(&log->shm->head, memory_order_relaxed);
    tail = atomic_load_explicit(&log->shm->tail, memory_order_relaxed);

    if (seq > log->events && tail < seq - log->events + 1) {
        tail = seq - log->events + 1;
    }

    while (tail <= head) {
        (void) cdr_log_get(log, tail, &oldest);

        if (oldest.start + log->size >= end) {
            break;
        }

        tail++;
    }

    atomic_store_explicit(&log->shm->tail, tail, memory_order_relaxed);

    /* Pairs with cdr_log_valid(): nothing is overwritten before this. */

    atomic_thread_fence(memory_order_release);
}
