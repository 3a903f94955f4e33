/* What the tests of the registry share: connections, and is it whole. */

#ifndef REGISTRY_TEST_H_INCLUDED
#define REGISTRY_TEST_H_INCLUDED


#include "cdr.h"
#include "cdr_registry.h"

#include "cdr_test.h"


#define ENTRIES  16             /* and so two blocks */
#define START    1700000000000U
#define LONG     250            /* a string that does not fit inline */


static size_t   size;
static uint8_t  letters[256];


/* The first thing that a test does. */

static inline void
prepare(void)
{
    size_t  i;

    for (i = 0; i < sizeof(letters); i++) {
        letters[i] = (uint8_t) ('a' + i % 26);
    }

    size = cdr_registry_size(ENTRIES);
}


static inline cdr_registry_t
fresh(void *mem)
{
    cdr_registry_t  r;

    memset(mem, 0xa5, size);
    (void) cdr_registry_init(mem, ENTRIES);
    (void) cdr_registry_attach(&r, mem, size);

    return r;
}


static inline cdr_str_t
string(size_t len)
{
    cdr_str_t  s;

    s.data = letters;
    s.len = len;

    return s;
}


/* A connection whose every field follows from "k". */

static inline cdr_conn_info_t
info(uint32_t k, size_t user_len)
{
    cdr_conn_info_t  i;

    memset(&i, 0, sizeof(i));

    memcpy(i.id, &k, sizeof(k));
    memset(i.id + 4, (int) k, 8);

    i.owner.slot = (uint16_t) (k % 3);
    i.owner.pid = (int32_t) k;
    i.owner.incarnation = 10 + k % 2;
    i.connected_ms = START + k;
    i.family = 2;
    memset(i.addr, (int) k, sizeof(i.addr));
    i.port = (uint16_t) k;
    i.address = string(9);
    i.conn_key = k + 1000;
    i.flags = 5;
    i.status = CDR_STATUS_ONLINE;
    i.feature = string(3);
    i.identity.user = string(user_len);
    i.identity.role = string(5);
    i.identity.roles = 1U << (k % 32);
    i.identity.expires_s = k + 77;
    i.identity.jti[0] = k;
    i.identity.jti[1] = ~(uint64_t) k;
    i.identity.user_key = k + 2000;

    return i;
}


static inline int
add(cdr_registry_t *r, uint32_t k, size_t user_len, uint32_t *index,
    uint32_t *generation)
{
    cdr_conn_info_t  i;

    i = info(k, user_len);

    return cdr_registry_add(r, &i, index, generation);
}


static inline bool
is(const cdr_conn_copy_t *c, unsigned which, size_t len)
{
    return c->str[which].len == len
           && (len == 0 || memcmp(c->str[which].data, letters, len) == 0);
}


/* Whether a copy is that of connection "k", torn ones aside. */

static inline bool
same(const cdr_conn_copy_t *c, uint32_t k)
{
    cdr_conn_info_t  i;

    i = info(k, 0);

    return memcmp(c->conn.id, i.id, sizeof(i.id)) == 0
           && memcmp(c->conn.addr, i.addr, sizeof(i.addr)) == 0
           && c->conn.owner.slot == i.owner.slot
           && c->conn.owner.pid == i.owner.pid
           && c->conn.owner.incarnation == i.owner.incarnation
           && c->conn.connected_ms == i.connected_ms
           && c->conn.conn_key == i.conn_key && c->conn.port == i.port
           && c->conn.family == i.family;
}


/* Whether what is derived agrees with the entries. */

static inline bool
whole(cdr_registry_t *r)
{
    int                   rc;
    uint32_t              i, k, live, blocks, index, generation;
    cdr_conn_copy_t       c;
    cdr_registry_fill_t   fill;
    cdr_registry_entry_t  *e;

    live = 0;
    blocks = 0;

    for (i = cdr_registry_next(r, 0); i != UINT32_MAX;
         i = cdr_registry_next(r, i + 1))
    {
        e = cdr_registry_entry(r, i);
        rc = cdr_registry_snapshot(r, i, &c);
        memcpy(&k, c.conn.id, sizeof(k));

        if (rc != CDR_OK || !same(&c, k)) {
            return false;
        }

        if (cdr_registry_find(r, c.conn.id, &index, &generation) != CDR_OK
            || index != i || generation != e->generation)
        {
            return false;
        }

        live++;
        blocks += (c.conn.block != 0);
    }

    cdr_registry_fill(r, &fill);

    return fill.live == live && fill.blocks == blocks
           && fill.entries == ENTRIES
           && fill.blocks_max == ENTRIES / CDR_CONN_PER_BLOCK;
}


#endif /* REGISTRY_TEST_H_INCLUDED */
