/* The registry of connections: what changes in it. */

#include "cdr.h"
#include "cdr_registry_shm.h"

#include <string.h>


/* An entry that is being rewritten, and the block it is going to have. */

typedef struct {
    cdr_registry_entry_t  *entry;
    uint32_t               block;
    cdr_registry_text_t    text;
} cdr_registry_change_t;


static int cdr_registry_take(cdr_registry_t *r, uint32_t *index);
static int cdr_registry_change(cdr_registry_t *r, uint32_t index,
    uint32_t generation, const cdr_str_t str[CDR_CONN_STRINGS],
    cdr_registry_change_t *change);
static void cdr_registry_changed(cdr_registry_t *r,
    cdr_registry_change_t *change);
static void cdr_registry_reset(cdr_registry_entry_t *e, uint64_t now_ms);
static void cdr_registry_set_conn(cdr_conn_t *conn,
    const cdr_conn_info_t *info);
static void cdr_registry_set_who(cdr_conn_t *conn,
    const cdr_conn_identity_t *identity);
static cdr_registry_entry_t *cdr_registry_get(const cdr_registry_t *r,
    uint32_t index, uint32_t generation);
static int cdr_registry_unlink(cdr_registry_t *r, uint32_t index);


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

    cdr_registry_reset(e, info->connected_ms);
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
    int                     rc;
    cdr_str_t               str[CDR_CONN_STRINGS];
    cdr_registry_change_t   change;

    str[CDR_CONN_USER] = identity->user;
    str[CDR_CONN_ROLE] = identity->role;
    str[CDR_CONN_FEATURE] = cdr_registry_string(r, index, CDR_CONN_FEATURE);
    str[CDR_CONN_ADDRESS] = cdr_registry_string(r, index, CDR_CONN_ADDRESS);

    rc = cdr_registry_change(r, index, generation, str, &change);

    if (rc == CDR_OK) {
        cdr_registry_set_who(&change.entry->conn, identity);
        cdr_registry_changed(r, &change);
    }

    return rc;
}


int
cdr_registry_set_feature(cdr_registry_t *r, uint32_t index,
    uint32_t generation, cdr_status_t status, cdr_str_t feature,
    uint64_t now_ms)
{
    int                     rc;
    cdr_str_t               str[CDR_CONN_STRINGS];
    cdr_registry_change_t   change;

    str[CDR_CONN_USER] = cdr_registry_string(r, index, CDR_CONN_USER);
    str[CDR_CONN_ROLE] = cdr_registry_string(r, index, CDR_CONN_ROLE);
    str[CDR_CONN_FEATURE] = feature;
    str[CDR_CONN_ADDRESS] = cdr_registry_string(r, index, CDR_CONN_ADDRESS);

    rc = cdr_registry_change(r, index, generation, str, &change);

    if (rc == CDR_OK) {
        change.entry->conn.status = (uint8_t) status;
        change.entry->conn.updated_ms = now_ms;
        cdr_registry_changed(r, &change);
    }

    return rc;
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
    e->asked = 0;
    atomic_store_explicit(&e->version, 0, memory_order_relaxed);
    atomic_store_explicit(&e->generation, 0, memory_order_relaxed);
    atomic_store_explicit(&r->shm->high, high + 1, memory_order_release);

    *index = high;

    return CDR_OK;
}


/*
 * Makes room for other strings and opens the entry; on an error nothing has
 * changed.  cdr_registry_changed() writes the strings and closes it.
 */

static int
cdr_registry_change(cdr_registry_t *r, uint32_t index, uint32_t generation,
    const cdr_str_t str[CDR_CONN_STRINGS], cdr_registry_change_t *change)
{
    int                    rc;
    cdr_registry_entry_t  *e;

    e = cdr_registry_get(r, index, generation);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    rc = cdr_registry_pack(&change->text, str);

    if (rc != CDR_OK) {
        return rc;
    }

    change->entry = e;
    change->block = e->conn.block;

    rc = cdr_registry_take_block(r, change->text.size, &change->block);

    if (rc != CDR_OK) {
        return rc;
    }

    cdr_registry_open(e);

    return CDR_OK;
}


static void
cdr_registry_changed(cdr_registry_t *r, cdr_registry_change_t *change)
{
    uint32_t  old;

    old = change->entry->conn.block;

    cdr_registry_write_text(r, change->entry, &change->text, change->block);
    cdr_registry_close(change->entry);

    if (old != change->block) {
        cdr_registry_free_block(r, old);
    }
}


/*
 * What the owner counts of a connection begins anew.  It may still be on a
 * list of those that are asked about: it leaves that when it is taken.
 */

static void
cdr_registry_reset(cdr_registry_entry_t *e, uint64_t now_ms)
{
    memset(&e->rate, 0, sizeof(cdr_rate_t));

    atomic_store_explicit(&e->seen_ms, now_ms, memory_order_relaxed);
    memset(&e->look, 0, sizeof(cdr_conn_look_t));
    e->session = 0;
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
    conn->backend = info->backend;
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
