/* The registry of connections: adding, changing, reading, repairing. */

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_registry.h"

#include <assert.h>
#include <string.h>


#define CDR_REGISTRY_MAGIC  0x43647252U     /* "CdrR" */
#define CDR_REGISTRY_TRIES  16
#define CDR_BLOCK_TAKEN     UINT32_MAX

#define CDR_CONN_ID_PREFIX  "conn_"

#define cdr_registry_align(n)  (((n) + 63) & ~(size_t) 63)


/*
 * Links are entry or block numbers + 1, and 0 for none.  Entries at "high"
 * and above were never used and their memory never touched.
 */

struct cdr_registry_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint32_t          n;
    _Atomic uint32_t  high;
    _Atomic uint32_t  live;
    _Atomic uint32_t  blocks;       /* taken */
    uint32_t          free;
    uint32_t          block_free;
};


/* The strings of an entry, packed. */

typedef struct {
    uint8_t           len[CDR_CONN_STRINGS];
    uint8_t           data[CDR_CONN_STRINGS_MAX];
    size_t            size;
} cdr_registry_text_t;


static uint32_t cdr_registry_blocks(uint32_t n);
static int cdr_registry_take(cdr_registry_t *r, uint32_t *index);
static void cdr_registry_open(cdr_registry_entry_t *e);
static void cdr_registry_close(cdr_registry_entry_t *e);
static void cdr_registry_set_conn(cdr_conn_t *conn,
    const cdr_conn_info_t *info);
static void cdr_registry_set_who(cdr_conn_t *conn,
    const cdr_conn_identity_t *identity);
static int cdr_registry_pack(cdr_registry_text_t *text,
    const cdr_str_t str[CDR_CONN_STRINGS]);
static int cdr_registry_take_block(cdr_registry_t *r, size_t size,
    uint32_t *block);
static void cdr_registry_free_block(cdr_registry_t *r, uint32_t block);
static void cdr_registry_write_text(cdr_registry_t *r,
    cdr_registry_entry_t *e, const cdr_registry_text_t *text, uint32_t block);
static size_t cdr_registry_text_size(const cdr_registry_t *r,
    const cdr_conn_t *conn);
static const uint8_t *cdr_registry_text(const cdr_registry_t *r,
    const cdr_registry_entry_t *e, uint32_t block);
static cdr_registry_entry_t *cdr_registry_get(const cdr_registry_t *r,
    uint32_t index, uint32_t generation);
static uint32_t *cdr_registry_bucket(const cdr_registry_t *r,
    const uint8_t *id);
static void cdr_registry_link(cdr_registry_t *r, uint32_t index);
static int cdr_registry_unlink(cdr_registry_t *r, uint32_t index);
static void cdr_registry_repair_entry(cdr_registry_t *r, uint32_t index);
static uint32_t cdr_registry_high(const cdr_registry_t *r);
static void cdr_registry_count(_Atomic uint32_t *counter, uint32_t n);


static_assert(sizeof(cdr_registry_entry_t) == 384, "six cache lines");
static_assert(CDR_CONN_BLOCK >= CDR_CONN_STRINGS_MAX, "any strings fit");


static const uint8_t  cdr_conn_max[CDR_CONN_STRINGS] = {
    CDR_CONN_USER_MAX,
    CDR_CONN_ROLE_MAX,
    CDR_CONN_FEATURE_MAX,
    CDR_CONN_ADDRESS_MAX
};


size_t
cdr_registry_size(uint32_t n)
{
    size_t  blocks;

    if (n == 0 || n > CDR_REGISTRY_ENTRIES_MAX) {
        return 0;
    }

    blocks = cdr_registry_blocks(n);

    return sizeof(cdr_registry_shm_t)
           + cdr_registry_align(n * sizeof(uint32_t))
           + cdr_registry_align(blocks * sizeof(uint32_t))
           + blocks * CDR_CONN_BLOCK
           + n * sizeof(cdr_registry_entry_t);
}


size_t
cdr_registry_bytes_per_entry(void)
{
    return sizeof(cdr_registry_entry_t) + sizeof(uint32_t)
           + (CDR_CONN_BLOCK + sizeof(uint32_t) + CDR_CONN_PER_BLOCK - 1)
             / CDR_CONN_PER_BLOCK;
}


size_t
cdr_registry_overhead(void)
{
    return sizeof(cdr_registry_shm_t) + 2 * 64
           + CDR_CONN_BLOCK + sizeof(uint32_t);
}


int
cdr_registry_init(void *mem, uint32_t n)
{
    uint32_t             i;
    cdr_registry_t       r;
    cdr_registry_shm_t  *shm;

    if (cdr_registry_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->high, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->live, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->blocks, 0, memory_order_relaxed);

    shm->version = CDR_REGISTRY_VERSION;
    shm->n = n;
    shm->free = 0;
    shm->block_free = 1;

    atomic_store_explicit(&shm->magic, CDR_REGISTRY_MAGIC,
                          memory_order_relaxed);

    (void) cdr_registry_attach(&r, mem, cdr_registry_size(n));

    for (i = 0; i < n; i++) {
        r.buckets[i] = 0;
    }

    for (i = 0; i < r.nblocks; i++) {
        r.block_next[i] = (i + 1 < r.nblocks) ? i + 2 : 0;
    }

    atomic_thread_fence(memory_order_release);

    return CDR_OK;
}


int
cdr_registry_attach(cdr_registry_t *r, void *mem, size_t size)
{
    size_t               total;
    uint8_t             *p;
    cdr_registry_shm_t  *shm;

    if (size < sizeof(cdr_registry_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_REGISTRY_MAGIC
        || shm->version != CDR_REGISTRY_VERSION)
    {
        return CDR_DECLINED;
    }

    r->n = shm->n;
    total = cdr_registry_size(r->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    r->shm = shm;
    r->nblocks = cdr_registry_blocks(r->n);

    p = (uint8_t *) (shm + 1);
    r->buckets = (uint32_t *) p;

    p += cdr_registry_align(r->n * sizeof(uint32_t));
    r->block_next = (uint32_t *) p;

    p += cdr_registry_align(r->nblocks * sizeof(uint32_t));
    r->blocks = p;

    p += (size_t) r->nblocks * CDR_CONN_BLOCK;
    r->entries = (cdr_registry_entry_t *) p;

    return CDR_OK;
}


void
cdr_registry_repair(cdr_registry_t *r)
{
    uint32_t  i, high;

    high = cdr_registry_high(r);

    atomic_store_explicit(&r->shm->high, high, memory_order_relaxed);
    atomic_store_explicit(&r->shm->live, 0, memory_order_relaxed);
    atomic_store_explicit(&r->shm->blocks, 0, memory_order_relaxed);

    r->shm->free = 0;
    r->shm->block_free = 0;

    for (i = 0; i < r->n; i++) {
        r->buckets[i] = 0;
    }

    for (i = 0; i < r->nblocks; i++) {
        r->block_next[i] = 0;
    }

    /* Downwards, so that low numbers are used again first. */

    for (i = high; i-- > 0; /* void */ ) {
        cdr_registry_repair_entry(r, i);
    }

    for (i = r->nblocks; i-- > 0; /* void */ ) {

        if (r->block_next[i] != CDR_BLOCK_TAKEN) {
            r->block_next[i] = r->shm->block_free;
            r->shm->block_free = i + 1;
        }
    }
}


int
cdr_registry_add(cdr_registry_t *r, const cdr_conn_info_t *info,
    uint32_t *index, uint32_t *generation)
{
    int                    rc;
    uint32_t               block;
    cdr_str_t              str[CDR_CONN_STRINGS];
    cdr_registry_text_t    text;
    cdr_registry_entry_t  *e;

    str[CDR_CONN_USER] = info->identity.user;
    str[CDR_CONN_ROLE] = info->identity.role;
    str[CDR_CONN_FEATURE] = info->feature;
    str[CDR_CONN_ADDRESS] = info->address;

    if (cdr_registry_pack(&text, str) != CDR_OK) {
        return CDR_TOOBIG;
    }

    block = 0;
    rc = cdr_registry_take_block(r, text.size, &block);

    if (rc != CDR_OK) {
        return rc;
    }

    rc = cdr_registry_take(r, index);

    if (rc != CDR_OK) {
        cdr_registry_free_block(r, block);
        return rc;
    }

    e = &r->entries[*index];

    cdr_registry_open(e);

    *generation = atomic_load_explicit(&e->generation, memory_order_relaxed)
                  + 1;
    atomic_store_explicit(&e->generation, *generation, memory_order_relaxed);

    memset(&e->rate, 0, sizeof(cdr_rate_t));

    atomic_store_explicit(&e->seen_ms, info->connected_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&e->messages_in, 0, memory_order_relaxed);
    atomic_store_explicit(&e->messages_out, 0, memory_order_relaxed);
    atomic_store_explicit(&e->bytes_in, 0, memory_order_relaxed);
    atomic_store_explicit(&e->bytes_out, 0, memory_order_relaxed);

    cdr_registry_set_conn(&e->conn, info);
    cdr_registry_set_who(&e->conn, &info->identity);
    cdr_registry_write_text(r, e, &text, block);

    cdr_registry_close(e);

    atomic_store_explicit(&e->state, CDR_CONN_LIVE, memory_order_release);

    cdr_registry_link(r, *index);
    cdr_registry_count(&r->shm->live, 1);

    return CDR_OK;
}


int
cdr_registry_remove(cdr_registry_t *r, uint32_t index, uint32_t generation)
{
    uint32_t               block;
    cdr_registry_entry_t  *e;

    e = cdr_registry_get(r, index, generation);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    atomic_store_explicit(&e->state, CDR_CONN_FREE, memory_order_release);

    /* Whoever is copying it sees another version before its block is gone. */

    cdr_registry_open(e);
    cdr_registry_close(e);

    if (cdr_registry_unlink(r, index) != CDR_OK) {
        return CDR_ERROR;
    }

    cdr_registry_count(&r->shm->live, UINT32_MAX);

    block = e->conn.block;
    e->conn.block = 0;
    cdr_registry_free_block(r, block);

    e->next = r->shm->free;
    r->shm->free = index + 1;

    return CDR_OK;
}


int
cdr_registry_set_identity(cdr_registry_t *r, uint32_t index,
    uint32_t generation, const cdr_conn_identity_t *identity)
{
    int                    rc;
    uint32_t               block, old;
    cdr_str_t              str[CDR_CONN_STRINGS];
    cdr_registry_text_t    text;
    cdr_registry_entry_t  *e;

    e = cdr_registry_get(r, index, generation);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    str[CDR_CONN_USER] = identity->user;
    str[CDR_CONN_ROLE] = identity->role;
    str[CDR_CONN_FEATURE] = cdr_registry_string(r, index, CDR_CONN_FEATURE);
    str[CDR_CONN_ADDRESS] = cdr_registry_string(r, index, CDR_CONN_ADDRESS);

    if (cdr_registry_pack(&text, str) != CDR_OK) {
        return CDR_TOOBIG;
    }

    old = e->conn.block;
    block = old;
    rc = cdr_registry_take_block(r, text.size, &block);

    if (rc != CDR_OK) {
        return rc;
    }

    cdr_registry_open(e);

    cdr_registry_set_who(&e->conn, identity);
    cdr_registry_write_text(r, e, &text, block);

    cdr_registry_close(e);

    if (old != block) {
        cdr_registry_free_block(r, old);
    }

    return CDR_OK;
}


int
cdr_registry_set_feature(cdr_registry_t *r, uint32_t index,
    uint32_t generation, cdr_status_t status, cdr_str_t feature,
    uint64_t now_ms)
{
    int                    rc;
    uint32_t               block, old;
    cdr_str_t              str[CDR_CONN_STRINGS];
    cdr_registry_text_t    text;
    cdr_registry_entry_t  *e;

    e = cdr_registry_get(r, index, generation);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    str[CDR_CONN_USER] = cdr_registry_string(r, index, CDR_CONN_USER);
    str[CDR_CONN_ROLE] = cdr_registry_string(r, index, CDR_CONN_ROLE);
    str[CDR_CONN_FEATURE] = feature;
    str[CDR_CONN_ADDRESS] = cdr_registry_string(r, index, CDR_CONN_ADDRESS);

    if (cdr_registry_pack(&text, str) != CDR_OK) {
        return CDR_TOOBIG;
    }

    old = e->conn.block;
    block = old;
    rc = cdr_registry_take_block(r, text.size, &block);

    if (rc != CDR_OK) {
        return rc;
    }

    cdr_registry_open(e);

    e->conn.status = (uint8_t) status;
    e->conn.updated_ms = now_ms;
    cdr_registry_write_text(r, e, &text, block);

    cdr_registry_close(e);

    if (old != block) {
        cdr_registry_free_block(r, old);
    }

    return CDR_OK;
}


int
cdr_registry_set_flags(cdr_registry_t *r, uint32_t index,
    uint32_t generation, uint32_t flags)
{
    cdr_registry_entry_t  *e;

    e = cdr_registry_get(r, index, generation);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    cdr_registry_open(e);

    e->conn.flags = (e->conn.flags & CDR_CONN_TORN)
                    | (flags & ~CDR_CONN_TORN);

    cdr_registry_close(e);

    return CDR_OK;
}


int
cdr_registry_find(cdr_registry_t *r, const uint8_t id[CDR_CONN_ID_LEN],
    uint32_t *index, uint32_t *generation)
{
    uint32_t               link, high, steps;
    cdr_registry_entry_t  *e;

    high = cdr_registry_high(r);
    link = *cdr_registry_bucket(r, id);

    for (steps = 0; link; steps++) {

        if (link > high || steps == high) {
            return CDR_ERROR;
        }

        e = &r->entries[link - 1];

        if (atomic_load_explicit(&e->state, memory_order_relaxed)
            != CDR_CONN_LIVE)
        {
            return CDR_ERROR;
        }

        if (memcmp(e->conn.id, id, CDR_CONN_ID_LEN) == 0) {
            *index = link - 1;
            *generation = atomic_load_explicit(&e->generation,
                                               memory_order_relaxed);
            return CDR_OK;
        }

        link = e->next;
    }

    return CDR_DECLINED;
}


int
cdr_registry_release_owner(cdr_registry_t *r, uint16_t slot,
    uint32_t incarnation, uint32_t *cursor, uint32_t budget,
    cdr_registry_release_pt release, void *ctx)
{
    uint32_t               i, high;
    cdr_registry_entry_t  *e;

    high = cdr_registry_high(r);

    for (i = *cursor; i < high; i++) {

        if (budget-- == 0) {
            *cursor = i;
            return CDR_AGAIN;
        }

        e = &r->entries[i];

        if (atomic_load_explicit(&e->state, memory_order_relaxed)
            != CDR_CONN_LIVE
            || e->conn.owner.slot != slot
            || incarnation - e->conn.owner.incarnation > UINT32_MAX / 2)
        {
            continue;
        }

        release(ctx, i, e);

        if (cdr_registry_remove(r, i, atomic_load(&e->generation)) != CDR_OK) {
            *cursor = i;
            return CDR_ERROR;
        }
    }

    *cursor = 0;

    return CDR_OK;
}


cdr_registry_entry_t *
cdr_registry_entry(const cdr_registry_t *r, uint32_t index)
{
    return index < cdr_registry_high(r) ? &r->entries[index] : NULL;
}


cdr_str_t
cdr_registry_string(const cdr_registry_t *r, uint32_t index, unsigned which)
{
    unsigned               i;
    cdr_str_t              str = cdr_str_null;
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(r, index);

    if (e == NULL || which >= CDR_CONN_STRINGS
        || cdr_registry_text_size(r, &e->conn) == 0)
    {
        return str;
    }

    str.data = cdr_registry_text(r, e, e->conn.block);
    str.len = e->conn.len[which];

    for (i = 0; i < which; i++) {
        str.data += e->conn.len[i];
    }

    return str;
}


int
cdr_registry_snapshot(const cdr_registry_t *r, uint32_t index,
    cdr_conn_copy_t *copy)
{
    size_t                 size;
    unsigned               i, try;
    uint32_t               version;
    const uint8_t         *text;
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(r, index);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    for (try = 0; try < CDR_REGISTRY_TRIES; try++) {
        version = atomic_load_explicit(&e->version, memory_order_acquire);

        if (atomic_load_explicit(&e->state, memory_order_acquire)
            != CDR_CONN_LIVE)
        {
            return CDR_DECLINED;
        }

        if (version & 1) {
            continue;
        }

        copy->conn = e->conn;
        copy->generation = atomic_load_explicit(&e->generation,
                                                memory_order_relaxed);

        size = cdr_registry_text_size(r, &copy->conn);

        if (size) {
            text = cdr_registry_text(r, e, copy->conn.block);
            memcpy(copy->text, text, size);
        }

        atomic_thread_fence(memory_order_acquire);

        if (atomic_load_explicit(&e->version, memory_order_relaxed)
            == version)
        {
            break;
        }
    }

    if (try == CDR_REGISTRY_TRIES) {
        return CDR_AGAIN;
    }

    text = copy->text;

    for (i = 0; i < CDR_CONN_STRINGS; i++) {
        copy->str[i].data = text;
        copy->str[i].len = size ? copy->conn.len[i] : 0;
        text += copy->str[i].len;
    }

    copy->index = index;
    copy->seen_ms = atomic_load_explicit(&e->seen_ms, memory_order_relaxed);
    copy->messages_in = atomic_load_explicit(&e->messages_in,
                                             memory_order_relaxed);
    copy->messages_out = atomic_load_explicit(&e->messages_out,
                                              memory_order_relaxed);
    copy->bytes_in = atomic_load_explicit(&e->bytes_in, memory_order_relaxed);
    copy->bytes_out = atomic_load_explicit(&e->bytes_out,
                                           memory_order_relaxed);

    return CDR_OK;
}


uint32_t
cdr_registry_next(const cdr_registry_t *r, uint32_t index)
{
    uint32_t  high;

    high = cdr_registry_high(r);

    for ( /* void */ ; index < high; index++) {

        if (atomic_load_explicit(&r->entries[index].state,
                                 memory_order_acquire)
            == CDR_CONN_LIVE)
        {
            return index;
        }
    }

    return UINT32_MAX;
}


uint32_t
cdr_registry_live(const cdr_registry_t *r)
{
    return atomic_load_explicit(&r->shm->live, memory_order_relaxed);
}


void
cdr_registry_fill(const cdr_registry_t *r, cdr_registry_fill_t *fill)
{
    fill->live = cdr_registry_live(r);
    fill->entries = r->n;
    fill->blocks = atomic_load_explicit(&r->shm->blocks,
                                        memory_order_relaxed);
    fill->blocks_max = r->nblocks;
}


void
cdr_conn_id_print(uint8_t *dst, const uint8_t id[CDR_CONN_ID_LEN])
{
    cdr_str_t  src;

    src.data = id;
    src.len = CDR_CONN_ID_LEN;

    memcpy(dst, CDR_CONN_ID_PREFIX, sizeof(CDR_CONN_ID_PREFIX) - 1);
    (void) cdr_base64url_encode(dst + sizeof(CDR_CONN_ID_PREFIX) - 1, src);
}


int
cdr_conn_id_parse(uint8_t id[CDR_CONN_ID_LEN], const uint8_t *data,
    size_t len)
{
    size_t     n;
    cdr_str_t  src;

    if (len != CDR_CONN_ID_TEXT_LEN
        || memcmp(data, CDR_CONN_ID_PREFIX, sizeof(CDR_CONN_ID_PREFIX) - 1))
    {
        return CDR_ERROR;
    }

    src.data = data + sizeof(CDR_CONN_ID_PREFIX) - 1;
    src.len = len - (sizeof(CDR_CONN_ID_PREFIX) - 1);

    return cdr_base64url_decode(id, CDR_CONN_ID_LEN, &n, src) == CDR_OK
           ? CDR_OK : CDR_ERROR;
}


static uint32_t
cdr_registry_blocks(uint32_t n)
{
    return (n + CDR_CONN_PER_BLOCK - 1) / CDR_CONN_PER_BLOCK;
}


/* An entry that is free, for the caller to fill. */

static int
cdr_registry_take(cdr_registry_t *r, uint32_t *index)
{
    uint32_t               high, link;
    cdr_registry_entry_t  *e;

    high = cdr_registry_high(r);
    link = r->shm->free;

    if (link) {

        if (link > high
            || atomic_load_explicit(&r->entries[link - 1].state,
                                    memory_order_relaxed)
               != CDR_CONN_FREE)
        {
            return CDR_ERROR;
        }

        *index = link - 1;
        r->shm->free = r->entries[link - 1].next;

        return CDR_OK;
    }

    if (high == r->n) {
        return CDR_FULL;
    }

    e = &r->entries[high];

    atomic_store_explicit(&e->state, CDR_CONN_FREE, memory_order_relaxed);
    atomic_store_explicit(&e->version, 0, memory_order_relaxed);
    atomic_store_explicit(&e->generation, 0, memory_order_relaxed);
    atomic_store_explicit(&r->shm->high, high + 1, memory_order_release);

    *index = high;

    return CDR_OK;
}


static void
cdr_registry_open(cdr_registry_entry_t *e)
{
    uint32_t  version;

    version = atomic_load_explicit(&e->version, memory_order_relaxed);
    atomic_store_explicit(&e->version, version | 1, memory_order_relaxed);

    /* Pairs with the fence in cdr_registry_snapshot(). */

    atomic_thread_fence(memory_order_release);
}


static void
cdr_registry_close(cdr_registry_entry_t *e)
{
    uint32_t  version;

    version = atomic_load_explicit(&e->version, memory_order_relaxed);
    atomic_store_explicit(&e->version, version + 1, memory_order_release);
}


static void
cdr_registry_set_conn(cdr_conn_t *conn, const cdr_conn_info_t *info)
{
    memcpy(conn->id, info->id, CDR_CONN_ID_LEN);
    memcpy(conn->addr, info->addr, sizeof(conn->addr));

    conn->connected_ms = info->connected_ms;
    conn->updated_ms = info->connected_ms;
    conn->conn_key = info->conn_key;
    conn->flags = info->flags & ~CDR_CONN_TORN;
    conn->owner = info->owner;
    conn->port = info->port;
    conn->family = info->family;
    conn->status = (uint8_t) info->status;
}


static void
cdr_registry_set_who(cdr_conn_t *conn, const cdr_conn_identity_t *identity)
{
    conn->expires_s = identity->expires_s;
    conn->user_key = identity->user_key;
    conn->jti[0] = identity->jti[0];
    conn->jti[1] = identity->jti[1];
    conn->roles = identity->roles;
}


/* A copy, because the strings may be those of the entry to be rewritten. */

static int
cdr_registry_pack(cdr_registry_text_t *text,
    const cdr_str_t str[CDR_CONN_STRINGS])
{
    unsigned  i;

    text->size = 0;

    for (i = 0; i < CDR_CONN_STRINGS; i++) {

        if (str[i].len > cdr_conn_max[i]) {
            return CDR_TOOBIG;
        }

        if (str[i].len) {
            memcpy(text->data + text->size, str[i].data, str[i].len);
        }

        text->len[i] = (uint8_t) str[i].len;
        text->size += str[i].len;
    }

    return CDR_OK;
}


/* *block is what the entry has, and becomes what it needs. */

static int
cdr_registry_take_block(cdr_registry_t *r, size_t size, uint32_t *block)
{
    uint32_t  link;

    if (size <= CDR_CONN_INLINE) {
        *block = 0;
        return CDR_OK;
    }

    if (*block) {
        return CDR_OK;
    }

    link = r->shm->block_free;

    if (link == 0) {
        return CDR_FULL;
    }

    if (link > r->nblocks || r->block_next[link - 1] == CDR_BLOCK_TAKEN) {
        return CDR_ERROR;
    }

    r->shm->block_free = r->block_next[link - 1];
    r->block_next[link - 1] = CDR_BLOCK_TAKEN;
    cdr_registry_count(&r->shm->blocks, 1);

    *block = link;

    return CDR_OK;
}


static void
cdr_registry_free_block(cdr_registry_t *r, uint32_t block)
{
    if (block == 0 || block > r->nblocks
        || r->block_next[block - 1] != CDR_BLOCK_TAKEN)
    {
        return;
    }

    r->block_next[block - 1] = r->shm->block_free;
    r->shm->block_free = block;
    cdr_registry_count(&r->shm->blocks, UINT32_MAX);
}


static void
cdr_registry_write_text(cdr_registry_t *r, cdr_registry_entry_t *e,
    const cdr_registry_text_t *text, uint32_t block)
{
    uint8_t  *p;

    p = block ? r->blocks + (size_t) (block - 1) * CDR_CONN_BLOCK : e->strings;

    memcpy(p, text->data, text->size);
    memcpy(e->conn.len, text->len, CDR_CONN_STRINGS);

    e->conn.block = block;
}


/*
 * The bytes of an entry's strings; 0 also if what "conn" says of them cannot
 * be true, as in a torn copy.
 */

static size_t
cdr_registry_text_size(const cdr_registry_t *r, const cdr_conn_t *conn)
{
    size_t    size;
    unsigned  i;

    size = 0;

    for (i = 0; i < CDR_CONN_STRINGS; i++) {

        if (conn->len[i] > cdr_conn_max[i]) {
            return 0;
        }

        size += conn->len[i];
    }

    if (conn->block > r->nblocks
        || (conn->block == 0 && size > CDR_CONN_INLINE))
    {
        return 0;
    }

    return size;
}


static const uint8_t *
cdr_registry_text(const cdr_registry_t *r, const cdr_registry_entry_t *e,
    uint32_t block)
{
    return block ? r->blocks + (size_t) (block - 1) * CDR_CONN_BLOCK
                 : e->strings;
}


/* The live entry of this generation, or NULL. */

static cdr_registry_entry_t *
cdr_registry_get(const cdr_registry_t *r, uint32_t index,
    uint32_t generation)
{
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(r, index);

    if (e == NULL
        || atomic_load_explicit(&e->state, memory_order_relaxed)
           != CDR_CONN_LIVE
        || atomic_load_explicit(&e->generation, memory_order_relaxed)
           != generation)
    {
        return NULL;
    }

    return e;
}


/* Ids are random, so any of their bytes are as good as a hash. */

static uint32_t *
cdr_registry_bucket(const cdr_registry_t *r, const uint8_t *id)
{
    uint32_t  hash;

    memcpy(&hash, id, sizeof(uint32_t));

    return &r->buckets[hash % r->n];
}


static void
cdr_registry_link(cdr_registry_t *r, uint32_t index)
{
    uint32_t              *bucket;
    cdr_registry_entry_t  *e;

    e = &r->entries[index];
    bucket = cdr_registry_bucket(r, e->conn.id);

    e->next = *bucket;
    *bucket = index + 1;
}


static int
cdr_registry_unlink(cdr_registry_t *r, uint32_t index)
{
    uint32_t  high, steps, *link;

    high = cdr_registry_high(r);
    link = cdr_registry_bucket(r, r->entries[index].conn.id);

    for (steps = 0; *link != index + 1; steps++) {

        if (*link == 0 || *link > high || steps == high) {
            return CDR_ERROR;
        }

        link = &r->entries[*link - 1].next;
    }

    *link = r->entries[index].next;

    return CDR_OK;
}


static void
cdr_registry_repair_entry(cdr_registry_t *r, uint32_t index)
{
    bool                   torn;
    uint32_t               version, block;
    cdr_registry_entry_t  *e;

    e = &r->entries[index];

    version = atomic_load_explicit(&e->version, memory_order_relaxed);
    torn = version & 1;

    if (atomic_load_explicit(&e->state, memory_order_relaxed)
        != CDR_CONN_LIVE)
    {
        atomic_store_explicit(&e->state, CDR_CONN_FREE, memory_order_relaxed);

        e->conn.block = 0;
        e->next = r->shm->free;
        r->shm->free = index + 1;

    } else {
        block = e->conn.block;

        if (block > r->nblocks
            || (block && r->block_next[block - 1] == CDR_BLOCK_TAKEN))
        {
            torn = true;
        }

        if (torn) {
            cdr_registry_open(e);

            e->conn.block = 0;
            e->conn.roles = 0;
            e->conn.status = CDR_STATUS_OFFLINE;
            e->conn.flags |= CDR_CONN_TORN;
            memset(e->conn.len, 0, CDR_CONN_STRINGS);

        } else if (block) {
            r->block_next[block - 1] = CDR_BLOCK_TAKEN;
            cdr_registry_count(&r->shm->blocks, 1);
        }

        cdr_registry_link(r, index);
        cdr_registry_count(&r->shm->live, 1);
    }

    if (torn) {
        cdr_registry_close(e);
    }
}


static uint32_t
cdr_registry_high(const cdr_registry_t *r)
{
    uint32_t  high;

    high = atomic_load_explicit(&r->shm->high, memory_order_acquire);

    return high < r->n ? high : r->n;
}


static void
cdr_registry_count(_Atomic uint32_t *counter, uint32_t n)
{
    uint32_t  value;

    value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_relaxed);
}
