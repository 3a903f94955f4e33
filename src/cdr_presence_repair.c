/*
 * The repair of the table of reviewers: what is derived is made anew, from
 * the entries and from the registry.
 */

#include "cdr.h"
#include "cdr_guest_shm.h"
#include "cdr_presence_shm.h"

#include <string.h>


static void cdr_presence_empty(cdr_presence_t *p);
static void cdr_presence_repair_entry(cdr_presence_t *p, uint32_t index);
static bool cdr_presence_repair_valid(cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);
static void cdr_presence_repair_conns(cdr_presence_t *p, uint32_t without,
    uint64_t now_ms);
static void cdr_presence_repair_conn(cdr_presence_t *p, uint32_t conn,
    uint64_t now_ms);
static void cdr_presence_repair_order(cdr_presence_t *p, uint64_t now_ms,
    uint64_t due_ms);
static void cdr_presence_repair_live(cdr_presence_t *p,
    cdr_reviewer_entry_t *e, uint64_t now_ms);
static void cdr_presence_repair_told(cdr_presence_t *p, uint64_t now_ms);
static void cdr_presence_push(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t link);
static uint64_t cdr_presence_by_version(const cdr_presence_t *p,
    uint32_t link);
static uint64_t cdr_presence_by_age(const cdr_presence_t *p, uint32_t link);


void
cdr_presence_repair(cdr_presence_t *p, uint32_t without, uint64_t now_ms,
    uint64_t due_ms)
{
    uint32_t  i;

    cdr_presence_empty(p);

    /* Downwards, so that low numbers are used again first. */

    for (i = p->shm->high; i-- > 0; /* void */ ) {
        cdr_presence_repair_entry(p, i);
    }

    for (i = p->nblocks; i-- > 0; /* void */ ) {

        if (p->block_next[i] != CDR_PRESENCE_TAKEN) {
            p->block_next[i] = p->shm->block_free;
            p->shm->block_free = i + 1;
        }
    }

    /* Before any entry that is free now becomes another reviewer. */

    if (p->guests) {
        cdr_guest_repair(p->guests);
    }

    cdr_presence_repair_conns(p, without, now_ms);
    cdr_presence_repair_order(p, now_ms, due_ms);
    cdr_presence_repair_told(p, now_ms);
}


static void
cdr_presence_empty(cdr_presence_t *p)
{
    uint32_t             i;
    cdr_presence_shm_t  *shm;

    shm = p->shm;

    shm->high = cdr_presence_high(p);
    shm->links = shm->links < p->nconns ? shm->links : p->nconns;
    shm->free = 0;
    shm->block_free = 0;
    shm->live = 0;
    shm->leaving = 0;
    shm->offline = 0;

    memset(shm->order, 0, sizeof(shm->order));
    memset(shm->slots, 0, sizeof(shm->slots));

    for (i = 0; i < p->n; i++) {
        p->buckets[i] = 0;
    }

    for (i = 0; i < p->nblocks; i++) {
        p->block_next[i] = 0;
    }

    for (i = 0; i < shm->links; i++) {
        p->links[i].reviewer = 0;
        memset(&p->links[i].chain, 0, sizeof(cdr_chain_t));
    }

    if (p->guests) {
        cdr_guest_empty(p->guests);
    }
}


static void
cdr_presence_repair_entry(cdr_presence_t *p, uint32_t index)
{
    uint32_t               block;
    cdr_reviewer_entry_t  *e;

    e = &p->entries[index];

    memset(&e->order, 0, sizeof(cdr_chain_t));
    memset(&e->due, 0, sizeof(cdr_chain_t));
    memset(&e->conns, 0, sizeof(cdr_chain_ends_t));

    e->said = 0;
    e->connections = 0;

    if (!cdr_presence_repair_valid(p, e)) {

        if (cdr_reviewer_state(e) != CDR_REVIEWER_FREE) {

            /* Whoever was told of it is to begin anew. */

            p->shm->forgotten = cdr_presence_version(p) + 1;
            atomic_store_explicit(&p->shm->last, p->shm->forgotten,
                                  memory_order_relaxed);
        }

        cdr_reviewer_set_state(e, CDR_REVIEWER_FREE);

        e->next = p->shm->free;
        p->shm->free = index + 1;

        return;
    }

    block = cdr_text_block(atomic_load_explicit(&e->text,
                                                memory_order_relaxed));
    if (block) {
        p->block_next[block - 1] = CDR_PRESENCE_TAKEN;
    }

    if (e->version > cdr_presence_version(p)) {
        atomic_store_explicit(&p->shm->last, e->version,
                              memory_order_relaxed);
    }

    cdr_reviewer_index(p, e);
}


/* Is it one that may be kept? */

static bool
cdr_presence_repair_valid(cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint32_t               state, block;
    uint64_t               text;
    cdr_str_t              id;
    cdr_reviewer_entry_t  *other;

    state = cdr_reviewer_state(e);
    text = atomic_load_explicit(&e->text, memory_order_relaxed);

    if (state == CDR_REVIEWER_FREE || state > CDR_REVIEWER_OFFLINE
        || !cdr_reviewer_text_valid(p, text))
    {
        return false;
    }

    block = cdr_text_block(text);

    if (block && p->block_next[block - 1] == CDR_PRESENCE_TAKEN) {
        return false;
    }

    id.data = cdr_reviewer_text(p, e);
    id.len = cdr_text_id(text);

    return cdr_reviewer_find(p, id, e->anonymous, &other) == CDR_DECLINED;
}


/* Connections find their reviewers again, in any order. */

static void
cdr_presence_repair_conns(cdr_presence_t *p, uint32_t without,
    uint64_t now_ms)
{
    uint32_t               i;
    cdr_registry_entry_t  *c;

    for (i = cdr_registry_next(p->registry, 0);
         i < p->nconns;
         i = cdr_registry_next(p->registry, i + 1))
    {
        c = cdr_registry_entry(p->registry, i);

        if (c->conn.flags & (without|CDR_CONN_TORN)) {
            continue;
        }

        while (p->shm->links <= i) {
            memset(&p->links[p->shm->links], 0, sizeof(cdr_presence_link_t));
            p->shm->links++;
        }

        cdr_presence_repair_conn(p, i, now_ms);
    }
}


static void
cdr_presence_repair_conn(cdr_presence_t *p, uint32_t conn, uint64_t now_ms)
{
    int                    rc;
    cdr_chains_t           c;
    cdr_reviewer_name_t    name;
    cdr_reviewer_entry_t  *e;

    cdr_reviewer_name(p, conn, &name);

    rc = cdr_reviewer_find(p, name.id, name.anonymous, &e);

    if (rc == CDR_DECLINED) {

        if (cdr_reviewer_take(p, &name, &e) != CDR_OK) {
            return;
        }

        e->joined = cdr_presence_version(p) + 1;
        e->version = e->joined;
        atomic_store_explicit(&p->shm->last, e->joined,
                              memory_order_relaxed);
        e->connected_ms = now_ms;

        cdr_reviewer_open(e);
        cdr_reviewer_set_state(e, CDR_REVIEWER_LIVE);
        cdr_reviewer_index(p, e);
    }

    c = cdr_presence_conns(p);
    cdr_presence_push(&c, &e->conns, conn + 1);

    p->links[conn].reviewer = cdr_reviewer_link(p, e);
    e->connections++;
}


static void
cdr_presence_repair_order(cdr_presence_t *p, uint64_t now_ms,
    uint64_t due_ms)
{
    uint32_t               i, state;
    cdr_chains_t           c;
    cdr_reviewer_entry_t  *e;

    c = cdr_presence_orders(p);

    for (i = 0; i < p->shm->high; i++) {
        e = &p->entries[i];
        state = cdr_reviewer_state(e);

        if (state == CDR_REVIEWER_FREE) {
            continue;
        }

        if (e->connections || cdr_guest_first(p, e)) {
            cdr_presence_repair_live(p, e, now_ms);

        } else if (state == CDR_REVIEWER_LIVE) {
            e->seen_ms = now_ms;
            e->due_ms = due_ms;
            cdr_reviewer_set_state(e, CDR_REVIEWER_LEAVING);
        }

        if (cdr_reviewer_state(e) == CDR_REVIEWER_LEAVING) {
            (void) cdr_reviewer_due(p, e);
        }

        if (cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE) {
            p->shm->offline++;
            cdr_presence_push(&c, &p->shm->order[1], i + 1);

        } else {
            p->shm->live++;
            cdr_presence_push(&c, &p->shm->order[0], i + 1);
        }
    }

    cdr_chain_sort(&c, &p->shm->order[0], p, cdr_presence_by_version);
    cdr_chain_sort(&c, &p->shm->order[1], p, cdr_presence_by_version);
}


/* Its connections in their order, and how far of them have said something. */

static void
cdr_presence_repair_live(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms)
{
    uint32_t              link;
    cdr_chains_t          c;
    cdr_presence_link_t  *l;

    c = cdr_presence_conns(p);
    cdr_chain_sort(&c, &e->conns, p, cdr_presence_by_age);

    for (link = e->conns.first; link; link = l->chain.next) {
        l = &p->links[link - 1];

        if (l->stamp == 0 && cdr_reviewer_spoke(p, link - 1)) {
            l->stamp = (uint32_t) cdr_presence_version(p) | 1;
        }

        if (l->stamp) {
            e->said = link;
        }
    }

    if (cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE) {
        e->joined = cdr_presence_version(p) + 1;
        e->connected_ms = now_ms;
        cdr_reviewer_open(e);
    }

    cdr_reviewer_set_state(e, CDR_REVIEWER_LIVE);
}


/* A change that was under way, or of which nobody was told, is one now. */

static void
cdr_presence_repair_told(cdr_presence_t *p, uint64_t now_ms)
{
    bool                   says;
    uint32_t               i;
    cdr_reviewer_says_t    what;
    cdr_reviewer_entry_t  *e;

    for (i = 0; i < p->shm->high; i++) {
        e = &p->entries[i];

        if (cdr_reviewer_state(e) == CDR_REVIEWER_FREE) {
            continue;
        }

        says = (cdr_reviewer_says(p, e, &what) == CDR_OK);

        if (says && p->guests) {
            cdr_guest_head(p->guests, e)->server = (uint16_t) what.server;
        }

        if (atomic_load_explicit(&e->open, memory_order_relaxed) == 0
            && (!says || cdr_reviewer_tells(p, e, &what)))
        {
            continue;
        }

        cdr_reviewer_open(e);

        if (says) {
            (void) cdr_reviewer_tell(p, e, &what);
            memcpy(e->connection, what.connection, CDR_CONN_ID_LEN);
        }

        (void) cdr_reviewer_order(p, e, now_ms);
        cdr_reviewer_close(e);
    }
}


static void
cdr_presence_push(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t link)
{
    (void) cdr_chain_insert(c, ends, link, 0);
}


static uint64_t
cdr_presence_by_version(const cdr_presence_t *p, uint32_t link)
{
    return p->entries[link - 1].version;
}


/*
 * Who said something last is first; behind those who did, who came last.  One
 * that said something of which the table does not know did so just now.
 */

static uint64_t
cdr_presence_by_age(const cdr_presence_t *p, uint32_t link)
{
    uint32_t                    stamp;
    const cdr_registry_entry_t  *c;

    c = cdr_registry_entry(p->registry, link - 1);
    stamp = p->links[link - 1].stamp;

    if (stamp) {
        return 1 + (uint32_t) ((uint32_t) cdr_presence_version(p) - stamp);
    }

    if (cdr_reviewer_spoke(p, link - 1)) {
        return 0;
    }

    return UINT64_MAX - (c->conn.connected_ms & (UINT64_MAX >> 1));
}
