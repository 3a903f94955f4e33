/*
 * The registry against an array: adding, changing, removing, finding, giving
 * back, as the input says; now and then with links destroyed, which may cost
 * an error but nothing else, and is mended by a repair.
 */

#include "cdr.h"
#include "cdr_registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>


#define ENTRIES  20
#define SLOTS    4


typedef struct {
    bool              live;
    bool              mixed;            /* its strings are any */
    uint32_t          id;
    uint32_t          generation;
    uint32_t          roles;
    uint16_t          slot;
    uint8_t           status;
    uint8_t           len[CDR_CONN_STRINGS];
    uint8_t           text;             /* first letter of each string */
} conn_t;


typedef struct {
    cdr_registry_t    r;
    conn_t            conns[ENTRIES];
    uint32_t          next_id;
    bool              damaged;
    const uint8_t    *in;
    size_t            left;
    uint8_t           letters[512];
} model_t;


static unsigned
byte(model_t *m)
{
    if (m->left == 0) {
        return 0;
    }

    m->left--;

    return *m->in++;
}


static cdr_str_t
string(model_t *m, unsigned from, unsigned len)
{
    cdr_str_t  s;

    s.data = m->letters + from;
    s.len = len;

    return s;
}


static size_t
total(const conn_t *c)
{
    return (size_t) c->len[0] + c->len[1] + c->len[2] + c->len[3];
}


static uint32_t
blocks(const model_t *m)
{
    uint32_t  i, n;

    for (n = 0, i = 0; i < ENTRIES; i++) {
        n += (m->conns[i].live && total(&m->conns[i]) > CDR_CONN_INLINE);
    }

    return n;
}


static void
check_copy(model_t *m, uint32_t index)
{
    int              rc;
    uint32_t         k, i, g;
    conn_t          *own;
    cdr_conn_copy_t  c;

    own = &m->conns[index];
    rc = cdr_registry_snapshot(&m->r, index, &c);

    assert(rc == (own->live ? CDR_OK : CDR_DECLINED));

    if (!own->live) {
        return;
    }

    assert(memcmp(c.conn.id, &own->id, 4) == 0);
    assert(c.generation == own->generation);
    assert(c.conn.roles == own->roles && c.conn.status == own->status);
    assert(c.conn.owner.slot == own->slot);

    for (k = 0; k < CDR_CONN_STRINGS; k++) {
        assert(c.str[k].len == own->len[k]);
        assert(own->mixed
               || memcmp(c.str[k].data, m->letters + own->text, own->len[k])
                  == 0);
    }

    assert(cdr_registry_find(&m->r, c.conn.id, &i, &g) == CDR_OK);
    assert(i == index && g == own->generation);
}


static void
check(model_t *m)
{
    uint32_t             i, live;
    cdr_registry_fill_t  fill;

    if (m->damaged) {
        return;
    }

    for (live = 0, i = 0; i < ENTRIES; i++) {
        live += m->conns[i].live;
        check_copy(m, i);
    }

    cdr_registry_fill(&m->r, &fill);

    assert(fill.live == live && fill.blocks == blocks(m));
}


/*
 * After damage: what the entries say is how it is.  Links that led to a block
 * in use may have given it to two entries.
 */

static void
resync(model_t *m)
{
    uint32_t          i, k;
    conn_t           *own;
    cdr_conn_copy_t   c;

    for (i = 0; i < ENTRIES; i++) {
        own = &m->conns[i];
        own->live = (cdr_registry_snapshot(&m->r, i, &c) == CDR_OK);

        if (!own->live) {
            continue;
        }

        memcpy(&own->id, c.conn.id, 4);
        own->generation = c.generation;
        own->roles = c.conn.roles;
        own->status = c.conn.status;
        own->slot = c.conn.owner.slot;

        for (k = 0; k < CDR_CONN_STRINGS; k++) {
            own->len[k] = (uint8_t) c.str[k].len;
        }

        own->text = 0;

        for (k = 0; k < CDR_CONN_STRINGS; k++) {
            if (c.str[k].len) {
                own->text = c.str[k].data[0];
                break;
            }
        }

        own->mixed = false;

        for (k = 0; k < CDR_CONN_STRINGS; k++) {
            own->mixed |= memcmp(c.str[k].data, m->letters + own->text,
                                 c.str[k].len) != 0;
        }
    }
}


static void
fits(model_t *m, int rc, const conn_t *before, const conn_t *after)
{
    bool  needs;

    if (m->damaged) {
        return;
    }

    needs = total(after) > CDR_CONN_INLINE
            && !(before && total(before) > CDR_CONN_INLINE);

    if (after->len[CDR_CONN_FEATURE] > CDR_CONN_FEATURE_MAX
        || after->len[CDR_CONN_ADDRESS] > CDR_CONN_ADDRESS_MAX)
    {
        assert(rc == CDR_TOOBIG);

    } else if (needs && blocks(m) == m->r.nblocks) {
        assert(rc == CDR_FULL);

    } else {
        assert(rc == CDR_OK || (rc == CDR_FULL && before == NULL));
    }
}


static void
do_add(model_t *m)
{
    int              rc;
    uint32_t         index, generation, live;
    unsigned         i;
    conn_t           c;
    cdr_conn_info_t  info;

    memset(&c, 0, sizeof(c));
    memset(&info, 0, sizeof(info));

    c.live = true;
    /* Many of them in few buckets. */

    m->next_id++;
    c.id = m->next_id % 64 * (ENTRIES / 4) + (m->next_id << 16);
    c.slot = (uint16_t) (byte(m) % SLOTS);
    c.text = (uint8_t) byte(m);
    c.roles = c.text;
    c.status = c.text % 4;

    for (i = 0; i < CDR_CONN_STRINGS; i++) {
        c.len[i] = (uint8_t) byte(m);
    }

    memcpy(info.id, &c.id, 4);
    info.owner.slot = c.slot;
    info.owner.incarnation = 1;
    info.status = c.status;
    info.identity.roles = c.roles;
    info.identity.user = string(m, c.text, c.len[CDR_CONN_USER]);
    info.identity.role = string(m, c.text, c.len[CDR_CONN_ROLE]);
    info.feature = string(m, c.text, c.len[CDR_CONN_FEATURE]);
    info.address = string(m, c.text, c.len[CDR_CONN_ADDRESS]);

    for (live = 0, i = 0; i < ENTRIES; i++) {
        live += m->conns[i].live;
    }

    rc = cdr_registry_add(&m->r, &info, &index, &generation);
    fits(m, rc, NULL, &c);

    if (rc == CDR_OK) {
        assert(index < ENTRIES);
        assert(m->damaged || !m->conns[index].live);

        c.generation = generation;
        m->conns[index] = c;

    } else if (rc == CDR_FULL && !m->damaged) {
        assert(live == ENTRIES || blocks(m) == m->r.nblocks);
    }
}


static void
do_remove(model_t *m, uint32_t index)
{
    int       rc;
    conn_t   *own;

    own = &m->conns[index];
    rc = cdr_registry_remove(&m->r, index, own->generation);

    if (!m->damaged) {
        assert(rc == (own->live ? CDR_OK : CDR_DECLINED));
        own->live = false;
    }
}


static void
do_identity(model_t *m, uint32_t index)
{
    int                  rc;
    conn_t               c, *own;
    cdr_conn_identity_t  who;

    own = &m->conns[index];
    c = *own;

    memset(&who, 0, sizeof(who));

    c.len[CDR_CONN_USER] = (uint8_t) byte(m);
    c.len[CDR_CONN_ROLE] = (uint8_t) byte(m);
    c.roles = byte(m);

    who.user = string(m, c.text, c.len[CDR_CONN_USER]);
    who.role = string(m, c.text, c.len[CDR_CONN_ROLE]);
    who.roles = c.roles;

    rc = cdr_registry_set_identity(&m->r, index, c.generation, &who);

    if (!own->live) {
        assert(m->damaged || rc == CDR_DECLINED);
        return;
    }

    fits(m, rc, own, &c);

    if (rc == CDR_OK) {
        *own = c;
    }
}


static void
do_feature(model_t *m, uint32_t index)
{
    int      rc;
    conn_t   c, *own;

    own = &m->conns[index];
    c = *own;

    c.len[CDR_CONN_FEATURE] = (uint8_t) byte(m);
    c.status = (uint8_t) (byte(m) % 4);

    rc = cdr_registry_set_feature(&m->r, index, c.generation, c.status,
                                  string(m, c.text, c.len[CDR_CONN_FEATURE]),
                                  5);

    if (!own->live) {
        assert(m->damaged || rc == CDR_DECLINED);
        return;
    }

    fits(m, rc, own, &c);

    if (rc == CDR_OK) {
        *own = c;
    }
}


static void
released(void *ctx, uint32_t index, const cdr_registry_entry_t *e)
{
    model_t  *m = ctx;

    (void) e;

    assert(m->damaged || m->conns[index].live);
    m->conns[index].live = false;
}


static void
do_release(model_t *m)
{
    int       rc;
    uint16_t  slot;
    uint32_t  cursor, i, calls;

    slot = (uint16_t) (byte(m) % SLOTS);
    cursor = 0;
    calls = 0;

    do {
        rc = cdr_registry_release_owner(&m->r, slot, 1, &cursor, 3, released,
                                        m);
        assert(++calls < ENTRIES);
    } while (rc == CDR_AGAIN);

    if (m->damaged) {
        return;
    }

    assert(rc == CDR_OK);

    for (i = 0; i < ENTRIES; i++) {
        assert(!m->conns[i].live || m->conns[i].slot != slot);
    }
}


/* Anything into the links; the entries themselves stay. */

static void
do_damage(model_t *m)
{
    uint32_t  i, value;

    value = byte(m);
    value = (value & 0x80) ? value * 0x01010101 : value;
    i = byte(m);

    switch (byte(m) % 3) {

    case 0:
        m->r.buckets[i % ENTRIES] = value;
        break;

    case 1:
        m->r.block_next[i % m->r.nblocks] = value;
        break;

    default:
        if (cdr_registry_entry(&m->r, i % ENTRIES)) {
            m->r.entries[i % ENTRIES].next = value;
        }
    }

    m->damaged = true;
}


static void
step(model_t *m, unsigned op)
{
    uint32_t  index;

    index = op % ENTRIES;

    switch (op / ENTRIES) {

    case 0:
        do_remove(m, index);
        break;

    case 1:
        do_identity(m, index);
        break;

    case 2:
        do_feature(m, index);
        break;

    case 3:
        if (index == 0) {
            do_damage(m);

        } else if (index < 5) {
            do_release(m);
        }

        break;

    case 4:
        cdr_registry_repair(&m->r);

        if (m->damaged) {
            resync(m);
            m->damaged = false;
        }

        break;

    default:
        do_add(m);
    }

    check(m);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void     *mem;
    size_t    i, bytes;
    model_t  *m;

    m = calloc(1, sizeof(model_t));

    m->in = data;
    m->left = size;

    for (i = 0; i < sizeof(m->letters); i++) {
        m->letters[i] = (uint8_t) i;
    }

    bytes = cdr_registry_size(ENTRIES);
    mem = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(mem, 0x5a, bytes);

    assert(cdr_registry_init(mem, ENTRIES) == CDR_OK);
    assert(cdr_registry_attach(&m->r, mem, bytes) == CDR_OK);

    while (m->left) {
        step(m, byte(m));
    }

    cdr_registry_repair(&m->r);

    if (m->damaged) {
        resync(m);
        m->damaged = false;
    }

    check(m);

    free(mem);
    free(m);

    return 0;
}
