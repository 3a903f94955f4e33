/* Reviewers by their ids, and the strings that are told of them. */

#include "cdr.h"
#include "cdr_guest_shm.h"
#include "cdr_presence_shm.h"

#include <assert.h>
#include <string.h>


static_assert(CDR_REVIEWER_BLOCK >= CDR_REVIEWER_ID_MAX + CDR_CONN_ROLE_MAX
              + CDR_CONN_FEATURE_MAX, "any strings fit");


static uint32_t *cdr_reviewer_bucket(const cdr_presence_t *p, cdr_str_t id,
    bool anonymous);
static uint64_t cdr_reviewer_pack(size_t id, size_t role, size_t feature,
    uint32_t block);
static int cdr_reviewer_fit(cdr_presence_t *p, uint64_t old, cdr_str_t *role,
    cdr_str_t *feature, size_t id, uint32_t *block);
static int cdr_reviewer_block_take(cdr_presence_t *p, uint32_t *block);
static void cdr_reviewer_block_free(cdr_presence_t *p, uint32_t block);
static uint8_t *cdr_reviewer_bytes(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e, uint32_t block);
static void cdr_reviewer_copy(uint8_t *dst, cdr_str_t str);
static void cdr_reviewer_clear(cdr_reviewer_entry_t *e);


void
cdr_reviewer_name(const cdr_presence_t *p, uint32_t conn,
    cdr_reviewer_name_t *name)
{
    name->id = cdr_registry_string(p->registry, conn, CDR_CONN_USER);
    name->anonymous = (name->id.len == 0);

    if (name->anonymous) {
        cdr_conn_id_print(name->text,
                          cdr_registry_entry(p->registry, conn)->conn.id);
        name->id.data = name->text;
        name->id.len = CDR_CONN_ID_TEXT_LEN;
    }
}


int
cdr_reviewer_find(const cdr_presence_t *p, cdr_str_t id, bool anonymous,
    cdr_reviewer_entry_t **found)
{
    uint64_t               text;
    uint32_t               link, high, steps;
    cdr_reviewer_entry_t  *e;

    high = cdr_presence_high(p);
    link = *cdr_reviewer_bucket(p, id, anonymous);

    for (steps = 0; link; steps++) {

        if (link > high || steps == high) {
            return CDR_ERROR;
        }

        e = &p->entries[link - 1];
        text = atomic_load_explicit(&e->text, memory_order_relaxed);

        if (cdr_reviewer_state(e) == CDR_REVIEWER_FREE
            || !cdr_reviewer_text_valid(p, text))
        {
            return CDR_ERROR;
        }

        if (cdr_text_id(text) == id.len && e->anonymous == anonymous
            && memcmp(cdr_reviewer_text(p, e), id.data, id.len) == 0)
        {
            *found = e;
            return CDR_OK;
        }

        link = e->next;
    }

    return CDR_DECLINED;
}


int
cdr_reviewer_take(cdr_presence_t *p, const cdr_reviewer_name_t *name,
    cdr_reviewer_entry_t **found)
{
    int                    rc;
    uint32_t               high, link, block;
    cdr_reviewer_entry_t  *e;

    high = cdr_presence_high(p);
    link = p->shm->free;

    if (link > high || (link == 0 && high == p->n)) {
        return link ? CDR_ERROR : CDR_FULL;
    }

    e = &p->entries[link ? link - 1 : high];

    if (link && cdr_reviewer_state(e) != CDR_REVIEWER_FREE) {
        return CDR_ERROR;
    }

    block = 0;

    if (name->id.len > CDR_REVIEWER_INLINE) {
        rc = cdr_reviewer_block_take(p, &block);

        if (rc != CDR_OK) {
            return rc;
        }
    }

    if (link) {
        p->shm->free = e->next;

    } else {
        atomic_store_explicit(&e->state, CDR_REVIEWER_FREE,
                              memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        p->shm->high = high + 1;
    }

    cdr_reviewer_clear(e);

    if (p->guests) {
        memset(cdr_guest_head(p->guests, e), 0, sizeof(cdr_guest_head_t));
    }

    cdr_reviewer_copy(cdr_reviewer_bytes(p, e, block), name->id);

    e->anonymous = name->anonymous;
    atomic_store_explicit(&e->text,
                          cdr_reviewer_pack(name->id.len, 0, 0, block),
                          memory_order_relaxed);
    *found = e;

    return CDR_OK;
}


void
cdr_reviewer_index(cdr_presence_t *p, cdr_reviewer_entry_t *e)
{
    uint32_t   *bucket;
    cdr_str_t   id;

    id.data = cdr_reviewer_text(p, e);
    id.len = cdr_text_id(atomic_load_explicit(&e->text,
                                              memory_order_relaxed));

    bucket = cdr_reviewer_bucket(p, id, e->anonymous);

    e->next = *bucket;
    *bucket = cdr_reviewer_link(p, e);
}


int
cdr_reviewer_free(cdr_presence_t *p, cdr_reviewer_entry_t *e)
{
    uint32_t    self, high, steps, *link;
    uint64_t    text;
    cdr_str_t   id;

    text = atomic_load_explicit(&e->text, memory_order_relaxed);

    id.data = cdr_reviewer_text(p, e);
    id.len = cdr_text_id(text);

    high = cdr_presence_high(p);
    self = cdr_reviewer_link(p, e);
    link = cdr_reviewer_bucket(p, id, e->anonymous);

    for (steps = 0; *link != self; steps++) {

        if (*link == 0 || *link > high || steps == high) {
            return CDR_ERROR;
        }

        link = &p->entries[*link - 1].next;
    }

    cdr_reviewer_set_state(e, CDR_REVIEWER_FREE);

    *link = e->next;
    cdr_reviewer_block_free(p, cdr_text_block(text));

    e->next = p->shm->free;
    p->shm->free = self;

    return CDR_OK;
}


int
cdr_reviewer_says(const cdr_presence_t *p, const cdr_reviewer_entry_t *e,
    cdr_reviewer_says_t *says)
{
    uint32_t               conn;
    cdr_guest_entry_t     *guest;
    cdr_registry_entry_t  *c;

    guest = cdr_guest_first(p, e);
    conn = e->conns.first - 1;

    if (guest && (e->conns.first == 0 || cdr_guest_newer(p, guest, conn))) {
        cdr_guest_says(p->guests, guest, says);
        return CDR_OK;
    }

    if (e->conns.first == 0) {
        return CDR_DECLINED;
    }

    c = cdr_registry_entry(p->registry, conn);

    if (c == NULL) {
        return CDR_ERROR;
    }

    says->status = c->conn.status;
    says->server = 0;
    says->role = cdr_registry_string(p->registry, conn, CDR_CONN_ROLE);
    says->feature = cdr_registry_string(p->registry, conn, CDR_CONN_FEATURE);
    says->connection = c->conn.id;

    return CDR_OK;
}


int
cdr_reviewer_tell(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const cdr_reviewer_says_t *says)
{
    int         rc;
    size_t      len;
    uint8_t    *to;
    uint32_t    block, was;
    uint64_t    old;
    cdr_str_t   id, role, feature;

    old = atomic_load_explicit(&e->text, memory_order_relaxed);
    was = cdr_text_block(old);

    if (!cdr_reviewer_text_valid(p, old)) {
        return CDR_ERROR;
    }

    id.data = cdr_reviewer_text(p, e);
    id.len = cdr_text_id(old);
    role = says->role;
    feature = says->feature;

    rc = cdr_reviewer_fit(p, old, &role, &feature, id.len, &block);

    if (rc == CDR_ERROR) {
        return CDR_ERROR;
    }

    /* An id that stays where it is is never written again. */

    to = cdr_reviewer_bytes(p, e, block);
    len = id.len;

    if (to != id.data) {
        cdr_reviewer_copy(to, id);
    }

    cdr_reviewer_copy(to + len, role);
    cdr_reviewer_copy(to + len + role.len, feature);

    atomic_store_explicit(&e->text, cdr_reviewer_pack(len, role.len,
                                                      feature.len, block),
                          memory_order_release);

    e->status = (uint8_t) says->status;

    if (p->guests) {
        cdr_guest_head(p->guests, e)->server = (uint16_t) says->server;
    }

    if (was != block) {
        cdr_reviewer_block_free(p, was);
    }

    return rc;
}


bool
cdr_reviewer_tells(const cdr_presence_t *p, const cdr_reviewer_entry_t *e,
    const cdr_reviewer_says_t *says)
{
    size_t          at;
    uint64_t        text;
    cdr_str_t       role, feature;
    const uint8_t  *own;

    text = atomic_load_explicit(&e->text, memory_order_relaxed);
    own = cdr_reviewer_text(p, e);
    at = cdr_text_id(text);
    role = says->role;
    feature = says->feature;

    return e->status == says->status
           && role.len == cdr_text_role(text)
           && feature.len == cdr_text_feature(text)
           && (role.len == 0 || memcmp(own + at, role.data, role.len) == 0)
           && (feature.len == 0
               || memcmp(own + at + role.len, feature.data, feature.len)
                  == 0);
}


bool
cdr_reviewer_text_valid(const cdr_presence_t *p, uint64_t text)
{
    return cdr_text_id(text) > 0
           && cdr_text_feature(text) <= CDR_CONN_FEATURE_MAX
           && cdr_text_block(text) <= p->nblocks
           && (cdr_text_block(text)
               || cdr_text_size(text) <= CDR_REVIEWER_INLINE);
}


const uint8_t *
cdr_reviewer_text(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    uint64_t  text;

    text = atomic_load_explicit(&e->text, memory_order_relaxed);

    return cdr_reviewer_bytes(p, e, cdr_text_block(text));
}


uint32_t
cdr_reviewer_connections(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e)
{
    return e->connections + cdr_guest_connections(p, e);
}


bool
cdr_reviewer_spoke(const cdr_presence_t *p, uint32_t conn)
{
    const cdr_conn_t  *c;

    c = &cdr_registry_entry(p->registry, conn)->conn;

    return c->status != CDR_STATUS_ONLINE || c->len[CDR_CONN_FEATURE];
}


static uint32_t *
cdr_reviewer_bucket(const cdr_presence_t *p, cdr_str_t id, bool anonymous)
{
    uint8_t  key[CDR_SIPHASH_KEY_LEN];

    memcpy(key, p->shm->key, sizeof(key));
    key[0] ^= anonymous;

    return &p->buckets[cdr_siphash(key, id.data, id.len) % p->n];
}


static uint64_t
cdr_reviewer_pack(size_t id, size_t role, size_t feature, uint32_t block)
{
    return (uint64_t) id | (uint64_t) role << 8 | (uint64_t) feature << 16
           | (uint64_t) block << 32;
}


/* The block that strings need; without one, those that fit. */

static int
cdr_reviewer_fit(cdr_presence_t *p, uint64_t old, cdr_str_t *role,
    cdr_str_t *feature, size_t id, uint32_t *block)
{
    int  rc;

    *block = 0;

    if (id + role->len + feature->len <= CDR_REVIEWER_INLINE) {
        return CDR_OK;
    }

    *block = cdr_text_block(old);

    if (*block) {
        return CDR_OK;
    }

    rc = cdr_reviewer_block_take(p, block);

    if (rc == CDR_FULL) {
        feature->len = 0;

        if (id + role->len > CDR_REVIEWER_INLINE) {
            role->len = 0;
        }
    }

    return rc;
}


static int
cdr_reviewer_block_take(cdr_presence_t *p, uint32_t *block)
{
    uint32_t  link;

    link = p->shm->block_free;

    if (link == 0) {
        return CDR_FULL;
    }

    if (link > p->nblocks || p->block_next[link - 1] == CDR_PRESENCE_TAKEN) {
        return CDR_ERROR;
    }

    p->shm->block_free = p->block_next[link - 1];
    p->block_next[link - 1] = CDR_PRESENCE_TAKEN;

    *block = link;

    return CDR_OK;
}


static void
cdr_reviewer_block_free(cdr_presence_t *p, uint32_t block)
{
    if (block == 0 || block > p->nblocks
        || p->block_next[block - 1] != CDR_PRESENCE_TAKEN)
    {
        return;
    }

    p->block_next[block - 1] = p->shm->block_free;
    p->shm->block_free = block;
}


static uint8_t *
cdr_reviewer_bytes(const cdr_presence_t *p, const cdr_reviewer_entry_t *e,
    uint32_t block)
{
    return block ? p->blocks + (size_t) (block - 1) * CDR_REVIEWER_BLOCK
                 : ((cdr_reviewer_entry_t *) (uintptr_t) e)->strings;
}


static void
cdr_reviewer_copy(uint8_t *dst, cdr_str_t str)
{
    if (str.len) {
        memcpy(dst, str.data, str.len);
    }
}


static void
cdr_reviewer_clear(cdr_reviewer_entry_t *e)
{
    memset(&e->order, 0, sizeof(cdr_chain_t));
    memset(&e->due, 0, sizeof(cdr_chain_t));
    memset(&e->conns, 0, sizeof(cdr_chain_ends_t));
    memset(e->connection, 0, CDR_CONN_ID_LEN);

    e->said = 0;
    e->connections = 0;
    e->version = 0;
    e->joined = 0;
    e->connected_ms = 0;
    e->updated_ms = 0;
    e->seen_ms = 0;
    e->due_ms = 0;
    e->status = CDR_STATUS_ONLINE;
    e->slot = 0;
}
