/* The registry as it is read without a lock, and the ids of connections. */

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_registry_shm.h"

#include <string.h>


#define CDR_REGISTRY_TRIES  16

#define CDR_CONN_ID_PREFIX  "conn_"


static bool cdr_registry_copy(const cdr_registry_t *r,
    const cdr_registry_entry_t *e, uint32_t version, cdr_conn_copy_t *copy,
    size_t *size);
static void cdr_registry_copy_figures(const cdr_registry_entry_t *e,
    cdr_conn_copy_t *copy);


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
    size_t                 size, at;
    unsigned               i, tries;
    uint32_t               version;
    cdr_registry_entry_t  *e;

    e = cdr_registry_entry(r, index);

    if (e == NULL) {
        return CDR_DECLINED;
    }

    tries = CDR_REGISTRY_TRIES;

    do {
        if (tries-- == 0) {
            return CDR_AGAIN;
        }

        version = atomic_load_explicit(&e->version, memory_order_acquire);

        if (atomic_load_explicit(&e->state, memory_order_acquire)
            != CDR_CONN_LIVE)
        {
            return CDR_DECLINED;
        }

    } while (!cdr_registry_copy(r, e, version, copy, &size));

    for (at = 0, i = 0; i < CDR_CONN_STRINGS; i++) {
        copy->str[i].data = copy->text + at;
        copy->str[i].len = size ? copy->conn.len[i] : 0;
        at += copy->str[i].len;
    }

    copy->index = index;
    cdr_registry_copy_figures(e, copy);

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


/* Copies an entry; true if it is still the version it was. */

static bool
cdr_registry_copy(const cdr_registry_t *r, const cdr_registry_entry_t *e,
    uint32_t version, cdr_conn_copy_t *copy, size_t *size)
{
    if (version & 1) {
        return false;
    }

    copy->conn = e->conn;
    copy->generation = atomic_load_explicit(&e->generation,
                                            memory_order_relaxed);

    *size = cdr_registry_text_size(r, &copy->conn);

    if (*size) {
        memcpy(copy->text, cdr_registry_text(r, e, copy->conn.block), *size);
    }

    /* Pairs with the fence in cdr_registry_open(). */

    atomic_thread_fence(memory_order_acquire);

    return atomic_load_explicit(&e->version, memory_order_relaxed) == version;
}


static void
cdr_registry_copy_figures(const cdr_registry_entry_t *e,
    cdr_conn_copy_t *copy)
{
    copy->seen_ms = atomic_load_explicit(&e->seen_ms, memory_order_relaxed);
    copy->look = e->look;
}
