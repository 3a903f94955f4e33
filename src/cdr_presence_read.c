/* The table of reviewers as it is read, under the lock. */

#include "cdr.h"
#include "cdr_guest_shm.h"
#include "cdr_presence_shm.h"

#include <string.h>


#define CDR_PRESENCE_LOOK  4        /* connections, for a sign of life */


static uint32_t cdr_presence_after(const cdr_presence_t *p, unsigned order,
    uint64_t version, uint32_t place);
static bool cdr_presence_read(const cdr_presence_t *p, uint32_t link,
    cdr_presence_batch_t *batch);
static void cdr_presence_item(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e, cdr_reviewer_t *item);
static uint64_t cdr_presence_seen(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);


uint64_t
cdr_presence_version(const cdr_presence_t *p)
{
    return atomic_load_explicit(&p->shm->last, memory_order_acquire);
}


int
cdr_presence_changes(const cdr_presence_t *p, cdr_presence_cursor_t *cursor,
    cdr_presence_batch_t *batch)
{
    unsigned                     i;
    uint32_t                     next[2];
    const cdr_reviewer_entry_t  *e[2];

    batch->n = 0;
    batch->used = 0;

    if (cursor->version < p->shm->forgotten) {
        return CDR_DECLINED;
    }

    for (i = 0; i < 2; i++) {
        next[i] = cdr_presence_after(p, i, cursor->version, cursor->place[i]);
    }

    for ( ;; ) {
        e[0] = cdr_presence_entry(p, next[0]);
        e[1] = cdr_presence_entry(p, next[1]);

        if (e[0] == NULL && e[1] == NULL) {
            break;
        }

        i = (e[0] == NULL || (e[1] && e[1]->version < e[0]->version));

        if (!cdr_presence_read(p, next[i], batch)) {
            return CDR_OK;
        }

        cursor->version = e[i]->version;
        cursor->place[i] = next[i];

        next[i] = e[i]->order.next;
    }

    if (batch->n == 0) {
        cursor->version = cdr_presence_version(p);
    }

    return CDR_OK;
}


void
cdr_presence_end(const cdr_presence_t *p, cdr_presence_cursor_t *cursor)
{
    cursor->version = cdr_presence_version(p);
    cursor->place[0] = p->shm->order[0].last;
    cursor->place[1] = p->shm->order[1].last;
}


int
cdr_presence_recent(const cdr_presence_t *p, uint64_t *below,
    cdr_presence_batch_t *batch)
{
    uint32_t                     link, steps;
    const cdr_reviewer_entry_t  *e;

    batch->n = 0;
    batch->used = 0;

    link = p->shm->order[0].last;

    for (steps = 0; steps < p->n; steps++) {
        e = cdr_presence_entry(p, link);

        if (e == NULL) {
            break;
        }

        if (e->version < *below) {

            if (!cdr_presence_read(p, link, batch)) {
                break;
            }

            *below = e->version;
        }

        link = e->order.prev;
    }

    return batch->n ? CDR_OK : CDR_DECLINED;
}


int
cdr_presence_scan(const cdr_presence_t *p, uint32_t *index,
    cdr_presence_batch_t *batch)
{
    uint32_t  high, looked;

    batch->n = 0;
    batch->used = 0;

    high = cdr_presence_high(p);

    if (*index >= high) {
        return CDR_DECLINED;
    }

    for (looked = 0;
         looked < 4 * CDR_PRESENCE_BATCH && *index < high;
         looked++, ++*index)
    {
        if (cdr_reviewer_state(&p->entries[*index]) == CDR_REVIEWER_FREE) {
            continue;
        }

        if (!cdr_presence_read(p, *index + 1, batch)) {
            break;
        }
    }

    return CDR_OK;
}


int
cdr_presence_get(const cdr_presence_t *p, cdr_str_t id, bool anonymous,
    cdr_presence_batch_t *batch)
{
    int                    rc;
    cdr_reviewer_entry_t  *e;

    batch->n = 0;
    batch->used = 0;

    rc = cdr_reviewer_find(p, id, anonymous, &e);

    if (rc == CDR_OK) {
        (void) cdr_presence_read(p, cdr_reviewer_link(p, e), batch);
    }

    return rc;
}


void
cdr_presence_fill(const cdr_presence_t *p, cdr_presence_fill_t *fill)
{
    fill->live = p->shm->live;
    fill->leaving = p->shm->leaving;
    fill->offline = p->shm->offline;
    fill->entries = p->n;
}


/*
 * The first of an order above a version.  "place" is right if the version of
 * what is there is not above, and that of the next one is; else it is looked
 * for from the end, among what is new.
 */

static uint32_t
cdr_presence_after(const cdr_presence_t *p, unsigned order, uint64_t version,
    uint32_t place)
{
    uint32_t                     link, found, steps;
    const cdr_reviewer_entry_t  *e, *next;

    e = cdr_presence_entry(p, place);

    if (e && e->version <= version
        && cdr_reviewer_state(e) != CDR_REVIEWER_FREE
        && (cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE) == (order == 1))
    {
        next = cdr_presence_entry(p, e->order.next);

        if (next == NULL || next->version > version) {
            return e->order.next;
        }
    }

    link = p->shm->order[order].first;
    e = cdr_presence_entry(p, link);

    if (e == NULL || e->version > version) {
        return e ? link : 0;
    }

    found = 0;
    link = p->shm->order[order].last;

    for (steps = 0; steps < p->n; steps++) {
        e = cdr_presence_entry(p, link);

        if (e == NULL || e->version <= version) {
            break;
        }

        found = link;
        link = e->order.prev;
    }

    return found;
}


/* Appends to the batch; false if that is full. */

static bool
cdr_presence_read(const cdr_presence_t *p, uint32_t link,
    cdr_presence_batch_t *batch)
{
    size_t                       size;
    uint8_t                     *to;
    uint64_t                     text;
    cdr_str_t                    server;
    cdr_reviewer_t              *item;
    const cdr_reviewer_entry_t  *e;

    e = &p->entries[link - 1];
    text = atomic_load_explicit(&e->text, memory_order_relaxed);
    size = cdr_reviewer_text_valid(p, text) ? cdr_text_size(text) : 0;
    server = cdr_guest_label(p, e);

    if (batch->n == CDR_PRESENCE_BATCH
        || batch->used + size + server.len > CDR_PRESENCE_TEXT)
    {
        return false;
    }

    to = batch->text + batch->used;
    item = &batch->item[batch->n];

    memset(item, 0, sizeof(cdr_reviewer_t));

    if (size) {
        memcpy(to, cdr_reviewer_text(p, e), size);

        item->id.data = to;
        item->id.len = cdr_text_id(text);
        item->role.data = to + item->id.len;
        item->role.len = cdr_text_role(text);
        item->feature.data = item->role.data + item->role.len;
        item->feature.len = cdr_text_feature(text);
    }

    if (server.data) {
        item->server.data = memcpy(to + size, server.data, server.len);
        item->server.len = server.len;
        size += server.len;
    }

    cdr_presence_item(p, e, item);

    batch->used += size;
    batch->n++;

    return true;
}


static void
cdr_presence_item(const cdr_presence_t *p, const cdr_reviewer_entry_t *e,
    cdr_reviewer_t *item)
{
    item->index = (uint32_t) (e - p->entries);
    item->connections = cdr_reviewer_connections(p, e);
    item->stale = cdr_guest_stands(p, e);
    item->version = e->version;
    item->joined = e->joined;
    item->connected_ms = e->connected_ms;
    item->updated_ms = e->updated_ms;
    item->seen_ms = cdr_presence_seen(p, e);
    item->anonymous = e->anonymous;

    item->status = (cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE)
                   ? CDR_STATUS_OFFLINE : (cdr_status_t) e->status;

    memcpy(item->connection, e->connection, CDR_CONN_ID_LEN);
}


/*
 * Its connections answer pings, one as well as the other: a few of them will
 * do, however many there are.
 */

static uint64_t
cdr_presence_seen(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint32_t               i, link;
    uint64_t               seen, ms;
    cdr_registry_entry_t  *c;

    seen = cdr_guest_sign(p, e);

    if (e->connections == 0) {
        return seen ? seen : e->seen_ms;
    }

    seen = seen > e->connected_ms ? seen : e->connected_ms;
    link = e->conns.first;

    for (i = 0; link && link <= p->nconns && i < CDR_PRESENCE_LOOK; i++) {
        c = cdr_registry_entry(p->registry, link - 1);

        if (c == NULL) {
            break;
        }

        ms = atomic_load_explicit(&c->seen_ms, memory_order_relaxed);
        seen = ms > seen ? ms : seen;
        link = p->links[link - 1].chain.next;
    }

    return seen;
}
