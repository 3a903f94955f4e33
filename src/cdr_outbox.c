/* The outbox: records go in, are read, marked, and make way. */

#include "cdr.h"
#include "cdr_outbox_shm.h"

#include <string.h>


static uint64_t cdr_outbox_tail(const cdr_outbox_t *ob, uint64_t at);
static cdr_outbox_rec_t *cdr_outbox_place(cdr_outbox_t *ob, uint64_t head,
    size_t rest);
static void cdr_outbox_ticket(cdr_outbox_t *ob, cdr_outbox_rec_t *rec);
static void cdr_outbox_pop(cdr_outbox_t *ob, uint64_t at,
    const cdr_outbox_rec_t *rec);


uint64_t
cdr_outbox_n(const cdr_outbox_t *ob)
{
    return cdr_outbox_get(&ob->shm->n);
}


int
cdr_outbox_begin(cdr_outbox_t *ob, size_t len, uint32_t count,
    const cdr_idem_owner_t *asker, cdr_outbox_rec_t **rec, uint8_t **items,
    cdr_ticket_t *ticket)
{
    size_t              size, rest;
    uint64_t            head, used;
    cdr_outbox_rec_t   *r;
    cdr_outbox_shm_t   *shm;
    cdr_outbox_slip_t  *slip;

    shm = ob->shm;

    if (len > ob->size / 2 - sizeof(cdr_outbox_rec_t) - 8
        || count == 0 || count > CDR_OUTBOX_BATCH)
    {
        return CDR_TOOBIG;
    }

    size = (sizeof(cdr_outbox_rec_t) + len + 7) / 8 * 8;

    head = cdr_outbox_get(&shm->head);
    used = head - cdr_outbox_get(&shm->tail);
    rest = (size_t) (ob->size - head % ob->size);

    if (rest >= size) {
        rest = 0;
    }

    if (used + rest + size > ob->size
        || (asker && (shm->free == 0 || shm->free > ob->ntickets)))
    {
        return CDR_FULL;
    }

    r = cdr_outbox_place(ob, head, rest);

    r->size = (uint32_t) size;
    r->count = count;
    r->len = (uint32_t) len;

    if (asker) {
        slip = &ob->slips[shm->free - 1];
        slip->asker = *asker;

        r->ticket = shm->free;
        r->serial = slip->serial + 1;

        ticket->link = r->ticket;
        ticket->serial = r->serial;
    }

    *rec = r;
    *items = (uint8_t *) (r + 1);

    return CDR_OK;
}


/* An empty record at the head, or behind a filler of so many bytes there. */

static cdr_outbox_rec_t *
cdr_outbox_place(cdr_outbox_t *ob, uint64_t head, size_t rest)
{
    cdr_outbox_rec_t  *r;

    if (rest) {
        r = (cdr_outbox_rec_t *) (ob->data + head % ob->size);
        r->size = (uint32_t) rest;
        r->kind = CDR_OUTBOX_FILLER;
    }

    r = (cdr_outbox_rec_t *) (ob->data + (head + rest) % ob->size);

    memset(r, 0, sizeof(cdr_outbox_rec_t));

    r->number = cdr_outbox_get(&ob->shm->number) + 1;
    r->n = cdr_outbox_get(&ob->shm->n) + 1;

    return r;
}


void
cdr_outbox_commit(cdr_outbox_t *ob, cdr_outbox_rec_t *rec)
{
    uint64_t           head;
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;

    if (rec->ticket) {
        cdr_outbox_ticket(ob, rec);
    }

    head = cdr_outbox_get(&shm->head);

    if ((uint8_t *) rec != ob->data + head % ob->size) {
        head += ob->size - head % ob->size;
    }

    atomic_store_explicit(&shm->head, head + rec->size, memory_order_release);

    cdr_outbox_set(&shm->n, rec->n + rec->count - 1);
    cdr_outbox_set(&shm->number, rec->number);

    if (cdr_outbox_get(&shm->records) == 0) {
        cdr_outbox_set(&shm->oldest_ms, rec->time_ms);
    }

    cdr_outbox_set(&shm->records, cdr_outbox_get(&shm->records) + 1);
    cdr_outbox_set(&shm->events, cdr_outbox_get(&shm->events) + rec->count);
}


/* The first free one, as it was written into the record. */

static void
cdr_outbox_ticket(cdr_outbox_t *ob, cdr_outbox_rec_t *rec)
{
    cdr_outbox_shm_t   *shm;
    cdr_outbox_slip_t  *slip;

    shm = ob->shm;
    slip = &ob->slips[rec->ticket - 1];

    shm->free = slip->next;
    slip->serial = rec->serial;

    cdr_outbox_set(&slip->state, CDR_TICKET_WAITING);
    cdr_outbox_set(&shm->waiting, cdr_outbox_get(&shm->waiting) + 1);
    cdr_outbox_set(&shm->taken, cdr_outbox_get(&shm->taken) + 1);
}


size_t
cdr_outbox_item_size(size_t type_len, size_t text_len)
{
    return sizeof(cdr_outbox_item_t) + type_len + text_len;
}


uint8_t *
cdr_outbox_put(uint8_t *p, uint32_t flags, cdr_str_t type, cdr_str_t text)
{
    cdr_outbox_item_t  item;

    memset(&item, 0, sizeof(cdr_outbox_item_t));

    item.flags = flags;
    item.type_len = (uint16_t) type.len;
    item.text_len = (uint32_t) text.len;

    memcpy(p, &item, sizeof(cdr_outbox_item_t));
    p += sizeof(cdr_outbox_item_t);

    if (type.len) {
        memcpy(p, type.data, type.len);
        p += type.len;
    }

    if (text.len && text.data != p) {
        memcpy(p, text.data, text.len);
    }

    return p + text.len;
}


int
cdr_outbox_look(const cdr_outbox_t *ob, uint64_t *at, cdr_outbox_rec_t **rec)
{
    uint64_t           head, rest;
    cdr_outbox_rec_t  *r;

    head = atomic_load_explicit(&ob->shm->head, memory_order_acquire);

    if (*at >= head) {
        return CDR_AGAIN;
    }

    r = (cdr_outbox_rec_t *) (ob->data + *at % ob->size);
    rest = ob->size - *at % ob->size;

    if (r->kind == CDR_OUTBOX_FILLER) {

        if (rest >= head - *at) {
            return CDR_ERROR;
        }

        *at += rest;
        rest = ob->size;
        r = (cdr_outbox_rec_t *) ob->data;
    }

    if (rest < sizeof(cdr_outbox_rec_t)
        || r->size < sizeof(cdr_outbox_rec_t) || r->size % 8
        || r->size > rest || r->size > head - *at
        || r->len > r->size - sizeof(cdr_outbox_rec_t)
        || r->kind > CDR_OUTBOX_CONTROL
        || r->count == 0 || r->count > CDR_OUTBOX_BATCH
        || r->ticket > ob->ntickets)
    {
        return CDR_ERROR;
    }

    *rec = r;

    return CDR_OK;
}


void
cdr_outbox_first(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur)
{
    cur->at = atomic_load_explicit(&ob->shm->tail, memory_order_acquire);
    cur->number = 0;
}


int
cdr_outbox_next(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur,
    cdr_outbox_rec_t **rec)
{
    uint32_t  marks;
    uint64_t  at;

    do {
        at = cdr_outbox_tail(ob, cur->at);

        if (cdr_outbox_look(ob, &at, rec) != CDR_OK) {
            return CDR_AGAIN;
        }

        cur->at = at + (*rec)->size;
        cur->number = (*rec)->number + 1;

        marks = atomic_fetch_or(&(*rec)->marks, CDR_OUTBOX_TAKEN);

    } while (marks & CDR_OUTBOX_CANCELLED);

    return CDR_OK;
}


/* A place among what is held: a repair may have moved either end. */

static uint64_t
cdr_outbox_tail(const cdr_outbox_t *ob, uint64_t at)
{
    uint64_t  head, tail;

    head = atomic_load_explicit(&ob->shm->head, memory_order_acquire);
    tail = atomic_load_explicit(&ob->shm->tail, memory_order_acquire);

    if (at > head) {
        return head;
    }

    return at < tail ? tail : at;
}


int
cdr_outbox_find(const cdr_outbox_t *ob, uint64_t n, cdr_outbox_rec_t **rec)
{
    cdr_outbox_cursor_t  cur;

    cdr_outbox_first(ob, &cur);

    return cdr_outbox_seek(ob, &cur, n, rec);
}


int
cdr_outbox_seek(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur, uint64_t n,
    cdr_outbox_rec_t **rec)
{
    uint64_t  at;

    at = cdr_outbox_tail(ob, cur->at);

    if (cdr_outbox_look(ob, &at, rec) != CDR_OK || (*rec)->n > n) {
        at = atomic_load_explicit(&ob->shm->tail, memory_order_acquire);
    }

    while (cdr_outbox_look(ob, &at, rec) == CDR_OK && (*rec)->n <= n) {

        cur->at = at;

        if (n - (*rec)->n < (*rec)->count) {
            return CDR_OK;
        }

        at += (*rec)->size;
    }

    return CDR_DECLINED;
}


int
cdr_outbox_cancel(cdr_outbox_t *ob, uint64_t n)
{
    uint32_t           marks;
    cdr_outbox_rec_t  *rec;

    if (cdr_outbox_find(ob, n, &rec) != CDR_OK) {
        return CDR_DECLINED;
    }

    marks = 0;

    return atomic_compare_exchange_strong(&rec->marks, &marks,
                                          CDR_OUTBOX_CANCELLED)
           ? CDR_OK : CDR_DECLINED;
}


void
cdr_outbox_items(const cdr_outbox_rec_t *rec, cdr_outbox_iter_t *it)
{
    it->rest.data = (const uint8_t *) (rec + 1);
    it->rest.len = rec->len;
}


int
cdr_outbox_item(cdr_outbox_iter_t *it, uint32_t *flags, cdr_str_t *type,
    cdr_str_t *text)
{
    size_t             size;
    cdr_outbox_item_t  item;

    if (it->rest.len == 0) {
        return CDR_DECLINED;
    }

    if (it->rest.len < sizeof(cdr_outbox_item_t)) {
        return CDR_ERROR;
    }

    memcpy(&item, it->rest.data, sizeof(cdr_outbox_item_t));

    size = cdr_outbox_item_size(item.type_len, item.text_len);

    if (size > it->rest.len) {
        return CDR_ERROR;
    }

    *flags = item.flags;

    type->data = it->rest.data + sizeof(cdr_outbox_item_t);
    type->len = item.type_len;
    text->data = type->data + type->len;
    text->len = item.text_len;

    it->rest.data += size;
    it->rest.len -= size;

    return CDR_OK;
}


void
cdr_outbox_mark(cdr_outbox_t *ob, cdr_outbox_rec_t *rec, uint32_t marks)
{
    uint64_t  at;

    (void) atomic_fetch_or(&rec->marks, marks);

    at = cdr_outbox_get(&ob->shm->tail);

    while (cdr_outbox_look(ob, &at, &rec) == CDR_OK
           && CDR_OUTBOX_DONE(cdr_outbox_get(&rec->marks)))
    {
        cdr_outbox_pop(ob, at, rec);
        at += rec->size;
    }
}


uint32_t
cdr_outbox_drop(cdr_outbox_t *ob)
{
    uint32_t           n;
    uint64_t           at;
    cdr_outbox_rec_t  *rec;

    at = cdr_outbox_get(&ob->shm->tail);

    if (cdr_outbox_look(ob, &at, &rec) != CDR_OK
        || (cdr_outbox_get(&rec->marks) & CDR_OUTBOX_PLACED) == 0)
    {
        return 0;
    }

    n = rec->count;

    cdr_outbox_pop(ob, at, rec);

    return n;
}


/* The oldest record makes way, and nobody may look at it from now on. */

static void
cdr_outbox_pop(cdr_outbox_t *ob, uint64_t at, const cdr_outbox_rec_t *rec)
{
    uint32_t           count;
    cdr_outbox_rec_t  *next;
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;
    count = rec->count;
    at += rec->size;

    atomic_store_explicit(&shm->tail, at, memory_order_release);

    cdr_outbox_set(&shm->records, cdr_outbox_get(&shm->records) - 1);
    cdr_outbox_set(&shm->events, cdr_outbox_get(&shm->events) - count);
    cdr_outbox_set(&shm->oldest_ms,
                   cdr_outbox_look(ob, &at, &next) == CDR_OK
                   ? next->time_ms : 0);
}


void
cdr_outbox_fill(const cdr_outbox_t *ob, cdr_outbox_fill_t *fill)
{
    uint64_t           tail;
    cdr_outbox_shm_t  *shm;

    shm = ob->shm;
    tail = cdr_outbox_get(&shm->tail);

    fill->size = ob->size;
    fill->used = cdr_outbox_get(&shm->head) - tail;
    fill->records = cdr_outbox_get(&shm->records);
    fill->events = cdr_outbox_get(&shm->events);
    fill->oldest_ms = cdr_outbox_get(&shm->oldest_ms);
    fill->tickets = ob->ntickets;
    fill->waiting = cdr_outbox_get(&shm->waiting);

    if (fill->used > fill->size) {
        fill->used = fill->size;
    }
}
