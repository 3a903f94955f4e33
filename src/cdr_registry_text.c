/* The strings of connections: packed into an entry or a block. */

#include "cdr.h"
#include "cdr_registry_shm.h"

#include <assert.h>
#include <string.h>


static_assert(CDR_CONN_BLOCK >= CDR_CONN_STRINGS_MAX, "any strings fit");


static const uint8_t  cdr_conn_max[CDR_CONN_STRINGS] = {
    CDR_CONN_USER_MAX,
    CDR_CONN_ROLE_MAX,
    CDR_CONN_FEATURE_MAX,
    CDR_CONN_ADDRESS_MAX
};


int
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


int
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


void
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


void
cdr_registry_write_text(cdr_registry_t *r, cdr_registry_entry_t *e,
    const cdr_registry_text_t *text, uint32_t block)
{
    uint8_t  *p;

    p = block ? r->blocks + (size_t) (block - 1) * CDR_CONN_BLOCK : e->strings;

    memcpy(p, text->data, text->size);
    memcpy(e->conn.len, text->len, CDR_CONN_STRINGS);

    e->conn.block = block;
}


size_t
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


const uint8_t *
cdr_registry_text(const cdr_registry_t *r, const cdr_registry_entry_t *e,
    uint32_t block)
{
    return block ? r->blocks + (size_t) (block - 1) * CDR_CONN_BLOCK
                 : e->strings;
}
