/* The table of idempotency keys. */

#include "cdr.h"
#include "cdr_idem_shm.h"


/* What is too old goes on any use, so many at a time. */
#define CDR_IDEM_TIDY  4

/* The small share is this part of the table. */
#define CDR_IDEM_PART  4

/* The owner of what was lent: no slot is. */
#define CDR_IDEM_LENT  UINT32_MAX


static int cdr_idem_lookup(cdr_idem_t *t, const cdr_idem_hash_t *key,
    cdr_idem_record_t **found);
static int cdr_idem_known(cdr_idem_t *t, const cdr_idem_hash_t *key,
    uint64_t now_ms, cdr_idem_record_t **found);
static int cdr_idem_obtain(cdr_idem_t *t, cdr_idem_share_t share,
    cdr_idem_record_t **found);
static int cdr_idem_make_way(cdr_idem_t *t, cdr_idem_share_t share);
static int cdr_idem_ticket(cdr_idem_t *t, const cdr_idem_ticket_t *ticket,
    cdr_idem_record_t **found);
static int cdr_idem_tidy(cdr_idem_t *t, uint64_t now_ms, uint32_t max);
static bool cdr_idem_over(cdr_idem_record_t *e, uint64_t now_ms);
static int cdr_idem_tidy_share(cdr_idem_t *t, uint32_t share,
    uint64_t now_ms, uint32_t max);
static int cdr_idem_oldest(cdr_idem_t *t, uint32_t share,
    cdr_idem_record_t **found);
static int cdr_idem_drop_oldest(cdr_idem_t *t, cdr_idem_record_t *e);
static int cdr_idem_drop(cdr_idem_t *t, cdr_idem_record_t *e);


int
cdr_idem_find(cdr_idem_t *t, const cdr_idem_hash_t *key, uint64_t now_ms,
    cdr_idem_answer_t *answer)
{
    int                 rc;
    cdr_idem_record_t  *e;

    rc = cdr_idem_known(t, key, now_ms, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    if (cdr_idem_get(&e->state) != CDR_IDEM_DONE) {
        return CDR_AGAIN;
    }

    *answer = e->answer;

    return CDR_OK;
}


int
cdr_idem_reserve(cdr_idem_t *t, const cdr_idem_hash_t *key,
    cdr_idem_share_t share, const cdr_idem_owner_t *owner, uint64_t now_ms,
    cdr_idem_ticket_t *ticket, cdr_idem_answer_t *answer)
{
    int                 rc;
    uint32_t           *bucket;
    cdr_idem_record_t  *e;

    ticket->link = 0;
    ticket->serial = 0;

    rc = cdr_idem_tidy(t, now_ms, CDR_IDEM_TIDY);

    if (rc != CDR_OK) {
        return rc;
    }

    rc = cdr_idem_find(t, key, now_ms, answer);

    if (rc != CDR_DECLINED) {
        return (rc == CDR_OK) ? CDR_DECLINED : rc;
    }

    rc = cdr_idem_obtain(t, share, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    bucket = cdr_idem_bucket(t, key);

    e->serial++;
    e->share = share;
    e->key = *key;
    e->next = *bucket;
    e->owner.slot = owner ? owner->slot : 0;
    e->owner.incarnation = owner ? owner->incarnation : 0;

    atomic_store_explicit(&e->state, owner ? CDR_IDEM_RUNNING : CDR_IDEM_HELD,
                          memory_order_release);

    *bucket = cdr_idem_link(t, e);
    cdr_idem_set(&t->shm->running, cdr_idem_get(&t->shm->running) + 1);

    ticket->link = cdr_idem_link(t, e);
    ticket->serial = e->serial;

    return CDR_OK;
}


int
cdr_idem_complete(cdr_idem_t *t, const cdr_idem_ticket_t *ticket,
    const cdr_idem_answer_t *answer, uint64_t now_ms)
{
    uint64_t            order;
    cdr_idem_record_t  *e;

    if (cdr_idem_ticket(t, ticket, &e) != CDR_OK) {
        return CDR_DECLINED;
    }

    if (e->share >= CDR_IDEM_SHARES || cdr_idem_count(t, e->share) >= t->n) {
        return CDR_ERROR;
    }

    order = cdr_idem_get(&t->shm->newest[e->share]);

    e->order = order;
    e->time_ms = now_ms;
    e->answer = *answer;

    atomic_store_explicit(&e->state, CDR_IDEM_DONE, memory_order_release);

    *cdr_idem_place(t, e->share, order) = ticket->link;
    cdr_idem_set(&t->shm->newest[e->share], order + 1);
    cdr_idem_set(&t->shm->running, cdr_idem_get(&t->shm->running) - 1);

    return CDR_OK;
}


int
cdr_idem_release(cdr_idem_t *t, const cdr_idem_ticket_t *ticket)
{
    int                 rc;
    cdr_idem_record_t  *e;

    if (cdr_idem_ticket(t, ticket, &e) != CDR_OK) {
        return CDR_DECLINED;
    }

    rc = cdr_idem_drop(t, e);

    if (rc == CDR_OK) {
        cdr_idem_set(&t->shm->running, cdr_idem_get(&t->shm->running) - 1);
    }

    return rc;
}


int
cdr_idem_lend(cdr_idem_t *t, const cdr_idem_ticket_t *ticket)
{
    cdr_idem_record_t  *e;

    if (cdr_idem_ticket(t, ticket, &e) != CDR_OK
        || cdr_idem_get(&e->state) != CDR_IDEM_RUNNING)
    {
        return CDR_DECLINED;
    }

    e->owner.slot = CDR_IDEM_LENT;

    return CDR_OK;
}


int
cdr_idem_note(cdr_idem_t *t, const cdr_idem_hash_t *key,
    const cdr_idem_answer_t *answer, uint64_t now_ms)
{
    int                 rc;
    cdr_idem_ticket_t   ticket;
    cdr_idem_answer_t   known;
    cdr_idem_record_t  *e;

    rc = cdr_idem_reserve(t, key, CDR_IDEM_LARGE, NULL, now_ms, &ticket,
                          &known);

    if (rc == CDR_DECLINED) {
        return CDR_OK;
    }

    if (rc == CDR_AGAIN) {
        rc = cdr_idem_lookup(t, key, &e);

        if (rc != CDR_OK) {
            return CDR_ERROR;
        }

        ticket.link = cdr_idem_link(t, e);
        ticket.serial = e->serial;
    }

    return (rc == CDR_OK) ? cdr_idem_complete(t, &ticket, answer, now_ms)
                          : rc;
}


int
cdr_idem_forget(cdr_idem_t *t, const cdr_idem_hash_t *key)
{
    int                 rc;
    cdr_idem_ticket_t   ticket;
    cdr_idem_record_t  *e;

    rc = cdr_idem_lookup(t, key, &e);

    if (rc == CDR_ERROR) {
        return CDR_ERROR;
    }

    if (rc != CDR_OK || cdr_idem_get(&e->state) != CDR_IDEM_RUNNING
        || e->owner.slot != CDR_IDEM_LENT)
    {
        return CDR_OK;
    }

    ticket.link = cdr_idem_link(t, e);
    ticket.serial = e->serial;

    return cdr_idem_release(t, &ticket);
}


int
cdr_idem_release_owner(cdr_idem_t *t, uint32_t slot, uint32_t incarnation,
    uint32_t *released)
{
    int                 rc;
    uint32_t            i, high;
    cdr_idem_record_t  *e;

    *released = 0;

    if (cdr_idem_get(&t->shm->running) == 0) {
        return CDR_OK;
    }

    high = cdr_idem_high(t);

    for (i = 0; i < high; i++) {
        e = &t->records[i];

        if (cdr_idem_get(&e->state) != CDR_IDEM_RUNNING
            || e->owner.slot != slot
            || incarnation - e->owner.incarnation > UINT32_MAX / 2)
        {
            continue;
        }

        rc = cdr_idem_drop(t, e);

        if (rc != CDR_OK) {
            return rc;
        }

        cdr_idem_set(&t->shm->running, cdr_idem_get(&t->shm->running) - 1);
        ++*released;
    }

    return CDR_OK;
}


static int
cdr_idem_lookup(cdr_idem_t *t, const cdr_idem_hash_t *key,
    cdr_idem_record_t **found)
{
    uint32_t            link, high, steps;
    cdr_idem_record_t  *e;

    high = cdr_idem_high(t);
    link = *cdr_idem_bucket(t, key);

    for (steps = 0; link; steps++) {

        if (link > high || steps == high) {
            return CDR_ERROR;
        }

        e = &t->records[link - 1];

        if (cdr_idem_get(&e->state) == CDR_IDEM_FREE) {
            return CDR_ERROR;
        }

        if (e->key.word[0] == key->word[0] && e->key.word[1] == key->word[1])
        {
            *found = e;
            return CDR_OK;
        }

        link = e->next;
    }

    return CDR_DECLINED;
}


/* The record of a key, unless it is too old to count. */

static int
cdr_idem_known(cdr_idem_t *t, const cdr_idem_hash_t *key, uint64_t now_ms,
    cdr_idem_record_t **found)
{
    int  rc;

    rc = cdr_idem_lookup(t, key, found);

    if (rc != CDR_OK
        || cdr_idem_get(&(*found)->state) != CDR_IDEM_DONE
        || !cdr_idem_over(*found, now_ms))
    {
        return rc;
    }

    /* and so are all that were done before it */

    rc = cdr_idem_tidy(t, now_ms, t->n);

    return (rc == CDR_OK) ? cdr_idem_lookup(t, key, found) : rc;
}


/* A free record; if there is none, that of the oldest which is DONE. */

static int
cdr_idem_obtain(cdr_idem_t *t, cdr_idem_share_t share,
    cdr_idem_record_t **found)
{
    int                 rc;
    uint32_t            high;
    cdr_idem_record_t  *e;

    high = cdr_idem_high(t);

    if (share == CDR_IDEM_SMALL
        && cdr_idem_count(t, share) >= (t->n + CDR_IDEM_PART - 1)
                                       / CDR_IDEM_PART)
    {
        rc = cdr_idem_make_way(t, share);

        if (rc != CDR_OK) {
            return rc;
        }
    }

    if (t->shm->free == 0 && high < t->n) {
        e = &t->records[high];

        e->serial = 0;
        cdr_idem_set(&e->state, CDR_IDEM_FREE);
        atomic_store_explicit(&t->shm->high, high + 1, memory_order_release);

        *found = e;

        return CDR_OK;
    }

    if (t->shm->free == 0) {
        rc = cdr_idem_make_way(t, CDR_IDEM_LARGE);

        if (rc == CDR_DECLINED) {
            rc = cdr_idem_make_way(t, CDR_IDEM_SMALL);
        }

        if (rc != CDR_OK) {
            return (rc == CDR_DECLINED) ? CDR_FULL : rc;
        }
    }

    if (t->shm->free == 0 || t->shm->free > high) {
        return CDR_ERROR;
    }

    e = &t->records[t->shm->free - 1];

    if (cdr_idem_get(&e->state) != CDR_IDEM_FREE) {
        return CDR_ERROR;
    }

    t->shm->free = e->next;
    *found = e;

    return CDR_OK;
}


/* Drops the oldest of a share: CDR_DECLINED if nothing is DONE in it. */

static int
cdr_idem_make_way(cdr_idem_t *t, cdr_idem_share_t share)
{
    int                 rc;
    cdr_idem_record_t  *e;

    rc = cdr_idem_oldest(t, share, &e);

    return (rc == CDR_OK) ? cdr_idem_drop_oldest(t, e) : rc;
}


static int
cdr_idem_ticket(cdr_idem_t *t, const cdr_idem_ticket_t *ticket,
    cdr_idem_record_t **found)
{
    uint32_t            state;
    cdr_idem_record_t  *e;

    if (ticket->link == 0 || ticket->link > cdr_idem_high(t)) {
        return CDR_DECLINED;
    }

    e = &t->records[ticket->link - 1];
    state = cdr_idem_get(&e->state);

    if (e->serial != ticket->serial
        || (state != CDR_IDEM_RUNNING && state != CDR_IDEM_HELD))
    {
        return CDR_DECLINED;
    }

    *found = e;

    return CDR_OK;
}


/* Drops what is too old, the oldest first, at most "max" of a share. */

static int
cdr_idem_tidy(cdr_idem_t *t, uint64_t now_ms, uint32_t max)
{
    int       rc;
    uint32_t  share;

    rc = CDR_OK;

    for (share = 0; share < CDR_IDEM_SHARES && rc == CDR_OK; share++) {
        rc = cdr_idem_tidy_share(t, share, now_ms, max);
    }

    return rc;
}


static int
cdr_idem_tidy_share(cdr_idem_t *t, uint32_t share, uint64_t now_ms,
    uint32_t max)
{
    int                 rc;
    cdr_idem_record_t  *e;

    for ( /* void */ ; max; max--) {
        rc = cdr_idem_oldest(t, share, &e);

        if (rc != CDR_OK) {
            return (rc == CDR_DECLINED) ? CDR_OK : rc;
        }

        if (!cdr_idem_over(e, now_ms)) {
            return CDR_OK;
        }

        rc = cdr_idem_drop_oldest(t, e);

        if (rc != CDR_OK) {
            return rc;
        }
    }

    return CDR_OK;
}


static bool
cdr_idem_over(cdr_idem_record_t *e, uint64_t now_ms)
{
    return now_ms > e->time_ms && now_ms - e->time_ms >= CDR_IDEM_KEEP_MS;
}


/* CDR_DECLINED if nothing is DONE in this share. */

static int
cdr_idem_oldest(cdr_idem_t *t, uint32_t share, cdr_idem_record_t **found)
{
    uint32_t            link;
    uint64_t            order;
    cdr_idem_record_t  *e;

    if (cdr_idem_count(t, share) == 0) {
        return CDR_DECLINED;
    }

    order = cdr_idem_get(&t->shm->oldest[share]);
    link = *cdr_idem_place(t, share, order);

    if (link == 0 || link > cdr_idem_high(t)) {
        return CDR_ERROR;
    }

    e = &t->records[link - 1];

    if (cdr_idem_get(&e->state) != CDR_IDEM_DONE || e->order != order
        || e->share != share)
    {
        return CDR_ERROR;
    }

    *found = e;

    return CDR_OK;
}


static int
cdr_idem_drop_oldest(cdr_idem_t *t, cdr_idem_record_t *e)
{
    int  rc;

    rc = cdr_idem_drop(t, e);

    if (rc == CDR_OK) {
        cdr_idem_set(&t->shm->oldest[e->share], e->order + 1);
    }

    return rc;
}


/* Takes a record out of its bucket and gives it back. */

static int
cdr_idem_drop(cdr_idem_t *t, cdr_idem_record_t *e)
{
    uint32_t  self, high, steps, *link;

    high = cdr_idem_high(t);
    self = cdr_idem_link(t, e);
    link = cdr_idem_bucket(t, &e->key);

    for (steps = 0; *link != self; steps++) {

        if (*link == 0 || *link > high || steps == high) {
            return CDR_ERROR;
        }

        link = &t->records[*link - 1].next;
    }

    *link = e->next;
    cdr_idem_push_free(t, e);

    return CDR_OK;
}


void
cdr_idem_push_free(cdr_idem_t *t, cdr_idem_record_t *e)
{
    atomic_store_explicit(&e->state, CDR_IDEM_FREE, memory_order_release);

    e->next = t->shm->free;
    t->shm->free = cdr_idem_link(t, e);
}
