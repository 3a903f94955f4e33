/* The registry: entries, strings, owners, copies without a lock, repair. */

#include "registry_test.h"


static void
test_layout(void *mem)
{
    bool            fits;
    uint32_t        n;
    cdr_registry_t  r;

    memset(mem, 0, size);

    ok(cdr_registry_attach(&r, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a registry");

    r = fresh(mem);

    ok(cdr_registry_attach(&r, mem, size - 1) == CDR_ERROR
       && cdr_registry_attach(&r, mem, 8) == CDR_ERROR,
       "a registry does not fit in less than its size");
    ok(cdr_registry_size(0) == 0 && cdr_registry_init(mem, 0) == CDR_ERROR
       && cdr_registry_size(UINT32_MAX) == 0,
       "one of no entry or of too many is not laid out");

    for (fits = true, n = 1; n < 5000; n++) {
        fits = fits && cdr_registry_size(n)
                       <= cdr_registry_overhead()
                          + n * cdr_registry_bytes_per_entry();
    }

    ok(fits, "any number of entries fits in the bytes that are told");
    ok(cdr_registry_bytes_per_entry() < 512,
       "a connection takes less than 512 bytes of the zone");
}


static void
test_add(void *mem)
{
    int              rc;
    uint32_t         i, g, i2, g2;
    cdr_conn_copy_t  c;
    cdr_conn_info_t  n;
    cdr_registry_t   r;

    r = fresh(mem);

    rc = add(&r, 7, 20, &i, &g);
    ok(rc == CDR_OK && whole(&r), "a connection is added");

    rc = cdr_registry_snapshot(&r, i, &c);
    ok(rc == CDR_OK && same(&c, 7) && c.generation == g && c.index == i
       && is(&c, CDR_CONN_USER, 20) && is(&c, CDR_CONN_ROLE, 5)
       && is(&c, CDR_CONN_FEATURE, 3) && is(&c, CDR_CONN_ADDRESS, 9)
       && c.conn.roles == 1U << 7 && c.conn.expires_s == 84
       && c.conn.jti[0] == 7 && c.conn.user_key == 2007
       && c.conn.flags == 5 && c.conn.status == CDR_STATUS_ONLINE
       && c.conn.updated_ms == START + 7 && c.seen_ms == START + 7
       && c.look.messages_in == 0 && c.conn.block == 0,
       "a copy has all of it");

    n = info(7, 20);
    rc = cdr_registry_find(&r, n.id, &i2, &g2);
    ok(rc == CDR_OK && i2 == i && g2 == g, "it is found by its id");
    n = info(8, 20);
    ok(cdr_registry_find(&r, n.id, &i2, &g2) == CDR_DECLINED,
       "and no other is");

    ok(cdr_registry_remove(&r, i, g + 1) == CDR_DECLINED
       && cdr_registry_remove(&r, i + 1, g) == CDR_DECLINED
       && cdr_registry_remove(&r, UINT32_MAX, g) == CDR_DECLINED,
       "another generation or index is not removed");
    ok(cdr_registry_remove(&r, i, g) == CDR_OK
       && cdr_registry_remove(&r, i, g) == CDR_DECLINED && whole(&r),
       "a connection is removed once");
    ok(cdr_registry_snapshot(&r, i, &c) == CDR_DECLINED
       && cdr_registry_snapshot(&r, UINT32_MAX, &c) == CDR_DECLINED
       && cdr_registry_live(&r) == 0,
       "then there is nothing to copy");

    rc = add(&r, 8, 20, &i2, &g2);
    ok(rc == CDR_OK && i2 == i && g2 != g,
       "the next user of an entry has another generation");

    for (g = 0; add(&r, 100 + g, 10, &i, &g2) == CDR_OK; g++) { /* void */ }

    ok(g == ENTRIES - 1 && add(&r, 200, 10, &i, &g2) == CDR_FULL && whole(&r),
       "all entries can be used and not one more");

    n = info(9, 20);
    n.feature = string(CDR_CONN_FEATURE_MAX + 1);
    ok(cdr_registry_add(&r, &n, &i, &g) == CDR_TOOBIG,
       "a string over its limit is refused");
}


static void
test_change(void *mem)
{
    int                   rc;
    uint32_t              i, g;
    cdr_conn_copy_t       c;
    cdr_registry_t        r;
    cdr_conn_identity_t   who;

    r = fresh(mem);
    (void) add(&r, 7, 20, &i, &g);

    rc = cdr_registry_set_feature(&r, i, g, CDR_STATUS_BUSY, string(100),
                                  START + 999);
    (void) cdr_registry_snapshot(&r, i, &c);
    ok(rc == CDR_OK && c.conn.status == CDR_STATUS_BUSY
       && c.conn.updated_ms == START + 999 && is(&c, CDR_CONN_FEATURE, 100)
       && is(&c, CDR_CONN_USER, 20) && is(&c, CDR_CONN_ROLE, 5)
       && is(&c, CDR_CONN_ADDRESS, 9) && whole(&r),
       "presence changes and nothing else does");

    memset(&who, 0, sizeof(who));
    who.user = string(CDR_CONN_USER_MAX);
    who.role = string(CDR_CONN_ROLE_MAX);
    who.roles = 3;
    who.expires_s = 4;
    who.user_key = 5;
    who.jti[1] = 6;

    rc = cdr_registry_set_identity(&r, i, g, &who);
    (void) cdr_registry_snapshot(&r, i, &c);
    ok(rc == CDR_OK && is(&c, CDR_CONN_USER, 255) && is(&c, CDR_CONN_ROLE, 255)
       && is(&c, CDR_CONN_FEATURE, 100) && is(&c, CDR_CONN_ADDRESS, 9)
       && c.conn.roles == 3 && c.conn.expires_s == 4 && c.conn.user_key == 5
       && c.conn.jti[1] == 6 && c.conn.block && whole(&r),
       "an identity of any length has room");

    rc = cdr_registry_set_feature(&r, i, g, CDR_STATUS_AWAY, string(128), 1);
    (void) cdr_registry_snapshot(&r, i, &c);
    ok(rc == CDR_OK && is(&c, CDR_CONN_USER, 255)
       && is(&c, CDR_CONN_FEATURE, 128) && whole(&r),
       "strings change in their block");

    who.user = string(1);
    who.role = string(0);
    rc = cdr_registry_set_identity(&r, i, g, &who);
    (void) cdr_registry_snapshot(&r, i, &c);
    ok(rc == CDR_OK && c.conn.block == 0 && is(&c, CDR_CONN_USER, 1)
       && is(&c, CDR_CONN_ROLE, 0) && is(&c, CDR_CONN_FEATURE, 128)
       && whole(&r),
       "and move back into the entry when they fit");
}


static void
test_change_gone(void *mem)
{
    uint32_t              i, g;
    cdr_registry_t        r;
    cdr_conn_identity_t   who;

    r = fresh(mem);
    (void) add(&r, 7, 20, &i, &g);
    (void) cdr_registry_set_feature(&r, i, g, CDR_STATUS_AWAY, string(128), 1);
    memset(&who, 0, sizeof(who));

    ok(cdr_registry_set_flags(&r, i, g, 0xffffffff) == CDR_OK
       && cdr_registry_entry(&r, i)->conn.flags == ~CDR_CONN_TORN,
       "flags are replaced, all but ours");

    ok(cdr_registry_set_identity(&r, i, g + 1, &who) == CDR_DECLINED
       && cdr_registry_set_feature(&r, i, g + 1, CDR_STATUS_AWAY, string(1), 1)
          == CDR_DECLINED
       && cdr_registry_set_flags(&r, i, g + 1, 0) == CDR_DECLINED,
       "a connection that is gone is not changed");
    ok(cdr_registry_string(&r, i, CDR_CONN_FEATURE).len == 128
       && cdr_registry_string(&r, i, CDR_CONN_STRINGS).len == 0
       && cdr_registry_string(&r, 1000, 0).len == 0,
       "a string is read under the lock");
}


static void
test_blocks(void *mem)
{
    uint32_t              i[4], g[4], k;
    cdr_registry_t        r;
    cdr_registry_fill_t   fill;
    cdr_conn_identity_t   who;

    r = fresh(mem);

    (void) add(&r, 1, LONG, &i[1], &g[1]);
    (void) add(&r, 2, LONG, &i[2], &g[2]);

    ok(add(&r, 3, LONG, &i[3], &g[3]) == CDR_FULL && whole(&r),
       "when the blocks are used up, long strings are refused");
    ok(add(&r, 3, 20, &i[3], &g[3]) == CDR_OK, "and short ones are not");

    memset(&who, 0, sizeof(who));
    who.user = string(LONG);
    ok(cdr_registry_set_identity(&r, i[3], g[3], &who) == CDR_FULL
       && cdr_registry_string(&r, i[3], CDR_CONN_USER).len == 20,
       "an identity that has no room changes nothing");

    (void) cdr_registry_remove(&r, i[1], g[1]);
    ok(cdr_registry_set_identity(&r, i[3], g[3], &who) == CDR_OK && whole(&r),
       "a connection that leaves gives its block back");

    for (k = 0; k < ENTRIES - 2; k++) {
        (void) add(&r, 10 + k, 1, &i[0], &g[0]);
    }

    (void) cdr_registry_remove(&r, i[2], g[2]);
    (void) add(&r, 90, 1, &i[0], &g[0]);

    ok(add(&r, 99, LONG, &i[0], &g[0]) == CDR_FULL, "a full registry");

    cdr_registry_fill(&r, &fill);
    ok(fill.blocks == 1 && fill.live == ENTRIES && whole(&r),
       "keeps no block for one that was refused");
}


typedef struct {
    uint32_t  n;
    bool      live;
} released_t;


static void
released(void *ctx, uint32_t index, const cdr_registry_entry_t *e)
{
    released_t  *rel = ctx;

    (void) index;

    rel->n++;
    rel->live = rel->live && e->state == CDR_CONN_LIVE;
}


static void
test_owner(void *mem)
{
    int             rc;
    uint32_t        k, i, g, cursor, calls;
    released_t      rel = { 0, true };
    cdr_registry_t  r;

    r = fresh(mem);

    /* Slot 0 has 0, 3, 6, 9, 12, 15; incarnation 11 has the odd ones. */

    for (k = 0; k < ENTRIES; k++) {
        (void) add(&r, k, 10, &i, &g);
    }

    cursor = 0;
    calls = 0;

    do {
        rc = cdr_registry_release_owner(&r, 0, 10, &cursor, 5, released, &rel);
        calls++;
    } while (rc == CDR_AGAIN);

    ok(rc == CDR_OK && calls == 4 && rel.n == 3 && rel.live && cursor == 0
       && cdr_registry_live(&r) == ENTRIES - 3 && whole(&r),
       "a dead owner's connections are given back, a few entries at a time");

    rc = cdr_registry_release_owner(&r, 1, 12, &cursor, 100, released, &rel);
    ok(rc == CDR_OK && rel.n == 8 && whole(&r),
       "with those of all earlier owners of its slot");

    rc = cdr_registry_release_owner(&r, 2, 9, &cursor, 100, released, &rel);
    ok(rc == CDR_OK && rel.n == 8, "and of no later one");

    rc = cdr_registry_release_owner(&r, 2, (uint32_t) 10 + 0x7fffffff,
                                    &cursor, 100, released, &rel);
    ok(rc == CDR_OK && rel.n == 13, "incarnations may wrap round");

    ok(cdr_registry_next(&r, 0) != UINT32_MAX && whole(&r),
       "other slots keep theirs");
}


static void
test_damage(void *mem)
{
    uint32_t               i, g, k;
    cdr_conn_copy_t        c;
    cdr_conn_info_t        n;
    cdr_registry_t         r;
    cdr_registry_entry_t  *e;

    r = fresh(mem);

    for (k = 0; k < 5; k++) {
        (void) add(&r, k * ENTRIES, 10, &i, &g);
    }

    r.entries[0].next = 5;
    n = info(1, 0);
    memset(n.id, 0, 4);
    ok(cdr_registry_find(&r, n.id, &i, &g) == CDR_ERROR,
       "a chain that runs in a circle is an error");

    r.entries[4].next = 0xffffff;
    ok(cdr_registry_find(&r, n.id, &i, &g) == CDR_ERROR,
       "and so is one that leads out of the registry");

    cdr_registry_repair(&r);
    ok(whole(&r) && cdr_registry_live(&r) == 5, "a repair rebuilds them");

    e = &r.entries[2];
    e->version++;
    ok(cdr_registry_snapshot(&r, 2, &c) == CDR_AGAIN,
       "an entry that stays half-written is not copied");

    cdr_registry_repair(&r);
    ok(cdr_registry_snapshot(&r, 2, &c) == CDR_OK
       && (c.conn.flags & CDR_CONN_TORN) && c.conn.roles == 0
       && is(&c, CDR_CONN_USER, 0) && c.conn.conn_key == 1000 + 2 * ENTRIES
       && whole(&r),
       "after a repair it is, without anybody's name or role");

    e = &r.entries[3];
    e->conn.len[CDR_CONN_USER] = 255;
    ok(cdr_registry_snapshot(&r, 3, &c) == CDR_OK && is(&c, CDR_CONN_USER, 0)
       && cdr_registry_string(&r, 3, CDR_CONN_USER).len == 0,
       "lengths that cannot be are not followed");

    e->conn.block = 1000;
    ok(cdr_registry_snapshot(&r, 3, &c) == CDR_OK && is(&c, CDR_CONN_USER, 0),
       "nor is a block that does not exist");
    cdr_registry_repair(&r);
    ok(whole(&r) && (e->conn.flags & CDR_CONN_TORN), "a repair sees to it");
}


static void
test_ids(void)
{
    size_t   i;
    uint8_t  id[CDR_CONN_ID_LEN], back[CDR_CONN_ID_LEN], text[64];

    static const char  *bad[] = {
        "conn_AAAAAAAAAAAAAAA", "conn_AAAAAAAAAAAAAAAAA",
        "Conn_AAAAAAAAAAAAAAAA", "conn-AAAAAAAAAAAAAAAA",
        "conn_AAAAAAA+AAAAAAAA", "conn_AAAAAAAAAAAAAAA=", ""
    };

    for (i = 0; i < sizeof(id); i++) {
        id[i] = (uint8_t) (i * 37 + 250);
    }

    cdr_conn_id_print(text, id);
    ok(cdr_conn_id_parse(back, text, CDR_CONN_ID_TEXT_LEN) == CDR_OK
       && memcmp(id, back, sizeof(id)) == 0,
       "an id is printed and parsed");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(cdr_conn_id_parse(back, (const uint8_t *) bad[i], strlen(bad[i]))
           == CDR_ERROR,
           "\"%s\" is no connection id", bad[i]);
    }
}


int
main(void)
{
    void  *mem;

    prepare();

    mem = aligned_alloc(64, (size + 63) & ~(size_t) 63);

    test_layout(mem);
    test_add(mem);
    test_change(mem);
    test_change_gone(mem);
    test_blocks(mem);
    test_owner(mem);
    test_damage(mem);
    test_ids();

    free(mem);

    return done_testing();
}
