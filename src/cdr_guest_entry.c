/* Guests: their strings, and their places among those of a reviewer. */

#include "cdr.h"
#include "cdr_guest_shm.h"

#include <assert.h>
#include <string.h>


static_assert(CDR_GUEST_BLOCK >= CDR_CONN_ROLE_MAX + CDR_CONN_FEATURE_MAX,
              "any strings fit");


static cdr_chains_t cdr_guest_chains(const cdr_guest_t *g);
static cdr_guest_entry_t *cdr_guest_entry(const cdr_guest_t *g,
    uint32_t link);
static bool cdr_guest_before(const cdr_guest_t *g,
    const cdr_guest_entry_t *a, const cdr_guest_entry_t *b);
static bool cdr_guest_later(bool spoke, uint64_t said, uint64_t server,
    bool other_spoke, uint64_t other_said, uint64_t other_server);
static uint8_t *cdr_guest_bytes(const cdr_guest_t *g,
    const cdr_guest_entry_t *guest, uint32_t block);
static int cdr_guest_room(cdr_guest_t *g, uint32_t was, cdr_str_t *role,
    cdr_str_t *feature, uint32_t *block);
static void cdr_guest_free_block(cdr_guest_t *g, uint32_t block);


cdr_guest_entry_t *
cdr_guest_first(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    return p->guests
           ? cdr_guest_entry(p->guests,
                             cdr_guest_head(p->guests, e)->guests.first)
           : NULL;
}


uint32_t
cdr_guest_connections(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint32_t            n, steps;
    cdr_guest_entry_t  *guest;

    n = 0;
    guest = cdr_guest_first(p, e);

    for (steps = 0; guest && steps < CDR_GUEST_SERVERS; steps++) {
        n += guest->connections;
        guest = cdr_guest_entry(p->guests, guest->chain.next);
    }

    return n;
}


cdr_guest_entry_t *
cdr_guest_of(const cdr_guest_t *g, const cdr_reviewer_entry_t *e,
    uint32_t server)
{
    uint32_t            steps;
    cdr_guest_entry_t  *guest;

    guest = cdr_guest_first(g->presence, e);

    for (steps = 0; guest && steps < CDR_GUEST_SERVERS; steps++) {

        if (guest->server == server) {
            return guest;
        }

        guest = cdr_guest_entry(g, guest->chain.next);
    }

    return NULL;
}


cdr_str_t
cdr_guest_label(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint32_t                   server;
    cdr_str_t                  label = cdr_str_null;
    const cdr_guest_server_t  *s;

    server = p->guests ? cdr_guest_head(p->guests, e)->server : 0;

    if (server && server <= CDR_GUEST_SERVERS) {
        s = &p->guests->servers[server - 1];
        label.data = s->label;
        label.len = s->len;
    }

    return label;
}


bool
cdr_guest_stands(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    cdr_guest_entry_t  *guest;

    guest = cdr_guest_first(p, e);

    return guest && e->connections == 0
           && p->guests->servers[guest->server].stale;
}


uint64_t
cdr_guest_sign(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint32_t            steps;
    uint64_t            ms, seen;
    cdr_guest_entry_t  *guest;

    seen = 0;
    guest = cdr_guest_first(p, e);

    for (steps = 0; guest && steps < CDR_GUEST_SERVERS; steps++) {
        ms = p->guests->servers[guest->server].seen_ms;
        seen = ms > seen ? ms : seen;
        guest = cdr_guest_entry(p->guests, guest->chain.next);
    }

    return seen;
}


void
cdr_guest_says(const cdr_guest_t *g, const cdr_guest_entry_t *guest,
    cdr_reviewer_says_t *says)
{
    says->status = guest->status;
    says->server = guest->server + 1U;
    says->connection = guest->connection;

    says->role.data = cdr_guest_bytes(g, guest,
                                      cdr_guest_block(guest->text));
    says->role.len = cdr_guest_role(guest->text);
    says->feature.data = says->role.data + says->role.len;
    says->feature.len = cdr_guest_feature(guest->text);
}


bool
cdr_guest_newer(const cdr_presence_t *p, const cdr_guest_entry_t *guest,
    uint32_t conn)
{
    const cdr_guest_t           *g;
    const cdr_registry_entry_t  *c;

    g = p->guests;
    c = cdr_registry_entry(p->registry, conn);

    return guest->connections && c
           && cdr_guest_later(guest->spoke, guest->said_ms,
                              g->servers[guest->server].server,
                              p->links[conn].stamp != 0,
                              c->conn.updated_ms, g->shm->self);
}


/* Few: one for each server at most. */

int
cdr_guest_link(const cdr_guest_t *g, cdr_guest_entry_t *guest)
{
    uint32_t                  after, link, steps;
    cdr_chains_t              c;
    cdr_chain_ends_t         *ends;
    const cdr_guest_entry_t  *other;

    c = cdr_guest_chains(g);
    ends = &g->heads[guest->reviewer - 1].guests;
    after = 0;

    for (link = ends->first, steps = 0; link; link = other->chain.next) {
        other = cdr_guest_entry(g, link);

        if (other == NULL || steps++ == CDR_GUEST_SERVERS) {
            return CDR_ERROR;
        }

        if (cdr_guest_before(g, guest, other)) {
            break;
        }

        after = link;
    }

    return cdr_chain_insert(&c, ends, (uint32_t) (guest - g->entries) + 1,
                            after);
}


int
cdr_guest_unlink(const cdr_guest_t *g, cdr_guest_entry_t *guest)
{
    cdr_chains_t  c;

    c = cdr_guest_chains(g);

    return cdr_chain_remove(&c, &g->heads[guest->reviewer - 1].guests,
                            (uint32_t) (guest - g->entries) + 1);
}


int
cdr_guest_take(cdr_guest_t *g, cdr_guest_entry_t **guest)
{
    uint32_t            high, link;
    cdr_guest_entry_t  *e;

    high = cdr_guest_high(g);
    link = g->shm->free;

    if (link > high || (link == 0 && high == g->n)) {
        return link ? CDR_ERROR : CDR_FULL;
    }

    e = &g->entries[link ? link - 1 : high];

    if (link) {

        if (cdr_guest_state(e) != CDR_GUEST_FREE) {
            return CDR_ERROR;
        }

        g->shm->free = e->next;

    } else {
        memset(e, 0, sizeof(cdr_guest_entry_t));
        atomic_signal_fence(memory_order_seq_cst);
        g->shm->high = high + 1;
    }

    memset(&e->chain, 0, sizeof(cdr_chain_t));
    e->text = 0;

    *guest = e;

    return CDR_OK;
}


void
cdr_guest_free(cdr_guest_t *g, cdr_guest_entry_t *guest)
{
    cdr_guest_set_state(guest, CDR_GUEST_FREE);
    cdr_guest_free_block(g, cdr_guest_block(guest->text));

    guest->text = 0;
    guest->next = g->shm->free;
    g->shm->free = (uint32_t) (guest - g->entries) + 1;
}


int
cdr_guest_write(cdr_guest_t *g, cdr_guest_entry_t *guest,
    const cdr_guest_info_t *info)
{
    int         rc;
    uint8_t    *to;
    uint32_t    block, was;
    cdr_str_t   role, feature;

    role = info->role;
    feature = info->feature;
    was = cdr_guest_block(guest->text);

    rc = cdr_guest_room(g, was, &role, &feature, &block);

    if (rc == CDR_ERROR) {
        return CDR_ERROR;
    }

    to = cdr_guest_bytes(g, guest, block);

    if (role.len) {
        memcpy(to, role.data, role.len);
    }

    if (feature.len) {
        memcpy(to + role.len, feature.data, feature.len);
    }

    guest->text = (uint64_t) role.len | (uint64_t) feature.len << 8
                  | (uint64_t) block << 32;

    if (was != block) {
        cdr_guest_free_block(g, was);
    }

    guest->status = (uint8_t) info->status;
    guest->spoke = info->spoke;
    guest->connections = info->connections;
    guest->said_ms = info->said_ms;
    guest->connected_ms = info->connected_ms;
    memcpy(guest->connection, info->connection, CDR_CONN_ID_LEN);

    return rc;
}


bool
cdr_guest_same(const cdr_guest_t *g, const cdr_guest_entry_t *guest,
    const cdr_guest_info_t *info)
{
    cdr_reviewer_says_t  says;

    cdr_guest_says(g, guest, &says);

    return guest->status == info->status && guest->spoke == info->spoke
           && guest->connections == info->connections
           && guest->said_ms == info->said_ms
           && guest->connected_ms == info->connected_ms
           && says.role.len == info->role.len
           && says.feature.len == info->feature.len
           && memcmp(guest->connection, info->connection, CDR_CONN_ID_LEN)
              == 0
           && (says.role.len == 0
               || memcmp(says.role.data, info->role.data, says.role.len) == 0)
           && (says.feature.len == 0
               || memcmp(says.feature.data, info->feature.data,
                         says.feature.len)
                  == 0);
}


static cdr_chains_t
cdr_guest_chains(const cdr_guest_t *g)
{
    cdr_chains_t  c;

    c.base = (uint8_t *) &g->entries[0].chain;
    c.stride = sizeof(cdr_guest_entry_t);
    c.n = cdr_guest_high(g);

    return c;
}


/* NULL if there is none, or cannot be. */

static cdr_guest_entry_t *
cdr_guest_entry(const cdr_guest_t *g, uint32_t link)
{
    cdr_guest_entry_t  *guest;

    if (link == 0 || link > cdr_guest_high(g)) {
        return NULL;
    }

    guest = &g->entries[link - 1];

    return (cdr_guest_state(guest) == CDR_GUEST_LIVE
            && guest->server < CDR_GUEST_SERVERS)
           ? guest : NULL;
}


/* Those that have no connection any more are last. */

static bool
cdr_guest_before(const cdr_guest_t *g, const cdr_guest_entry_t *a,
    const cdr_guest_entry_t *b)
{
    if ((a->connections == 0) != (b->connections == 0)) {
        return a->connections != 0;
    }

    return cdr_guest_later(a->spoke, a->said_ms, g->servers[a->server].server,
                           b->spoke, b->said_ms, g->servers[b->server].server);
}


/* The same on every server, so that all tell the same. */

static bool
cdr_guest_later(bool spoke, uint64_t said, uint64_t server, bool other_spoke,
    uint64_t other_said, uint64_t other_server)
{
    if (spoke != other_spoke) {
        return spoke;
    }

    return said != other_said ? said > other_said : server > other_server;
}


static uint8_t *
cdr_guest_bytes(const cdr_guest_t *g, const cdr_guest_entry_t *guest,
    uint32_t block)
{
    return (block && block <= g->nblocks)
           ? g->blocks + (size_t) (block - 1) * CDR_GUEST_BLOCK
           : ((cdr_guest_entry_t *) (uintptr_t) guest)->strings;
}


/* The block that strings need; without one, those that fit. */

static int
cdr_guest_room(cdr_guest_t *g, uint32_t was, cdr_str_t *role,
    cdr_str_t *feature, uint32_t *block)
{
    uint32_t  link;

    *block = 0;

    if (role->len + feature->len <= CDR_GUEST_INLINE) {
        return CDR_OK;
    }

    if (was) {
        *block = was;
        return CDR_OK;
    }

    link = g->shm->block_free;

    if (link == 0) {
        feature->len = 0;

        if (role->len > CDR_GUEST_INLINE) {
            role->len = 0;
        }

        return CDR_FULL;
    }

    if (link > g->nblocks || g->block_next[link - 1] == CDR_PRESENCE_TAKEN) {
        return CDR_ERROR;
    }

    g->shm->block_free = g->block_next[link - 1];
    g->block_next[link - 1] = CDR_PRESENCE_TAKEN;

    *block = link;

    return CDR_OK;
}


static void
cdr_guest_free_block(cdr_guest_t *g, uint32_t block)
{
    if (block == 0 || block > g->nblocks
        || g->block_next[block - 1] != CDR_PRESENCE_TAKEN)
    {
        return;
    }

    g->block_next[block - 1] = g->shm->block_free;
    g->shm->block_free = block;
}
