/* The table of guests: what other servers tell of their reviewers. */

#include "guest_test.h"


static void
test_sizes(void *mem)
{
    bool      good;
    uint32_t  n;
    tables_t  t;

    good = true;

    for (n = 1; n < 3000; n++) {
        good = good
               && cdr_guest_size(n, n) <= cdr_guest_overhead()
                                          + n * cdr_guest_bytes_per_guest()
               && cdr_presence_size(n, n)
                  <= cdr_presence_overhead()
                     + n * cdr_presence_bytes_per_conn()
                     + n * cdr_presence_bytes_per_guest();
    }

    ok(good, "the share of a guest is enough, all tables included");
    ok(cdr_guest_size(1, 0) == 0 && cdr_guest_size(0, 1) == 0
       && cdr_guest_init(mem, 1, 0) == CDR_ERROR,
       "no guests, or none beside connections, have no size");

    fresh(&t, mem);
    ok(t.p.guests == &t.g, "a table of reviewers has its guests");
    ok(cdr_guest_attach(&t.g, &t.p, t.g.shm,
                        cdr_guest_size(CONNS, GUESTS) - 1) == CDR_ERROR,
       "not in less memory");

    t.p.n++;
    ok(cdr_guest_attach(&t.g, &t.p, t.g.shm, cdr_guest_size(CONNS, GUESTS))
       == CDR_ERROR, "nor beside another table");
    t.p.n--;

    t.g.shm->version++;
    ok(cdr_guest_attach(&t.g, &t.p, t.g.shm, cdr_guest_size(CONNS, GUESTS))
       == CDR_DECLINED, "one of another version is not ours");
}


static void
test_told(void *mem)
{
    uint32_t  a, b, c;
    tables_t  t;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    c = server(&t, 70, "node-c");

    ok(put(&t, b, "ann", 1, CDR_STATUS_BUSY, "search", 1000) == CDR_OK,
       "a guest comes");
    is(told(&t, "ann"), "busy search 1 node-b", "and is there, on its server");
    ok(batch.item[0].connected_ms == 900, "for as long as it says");
    is(own(&t, "ann"), "none", "but not told of by this server");

    ok(put(&t, b, "ann", 1, CDR_STATUS_BUSY, "search", 1000) == CDR_DECLINED,
       "the same again changes nothing");

    (void) join(&t, "ann", 1100, &a);
    is(told(&t, "ann"), "busy search 2 node-b",
       "one that says nothing here does not undo that");
    is(own(&t, "ann"), "online  1", "it tells of this one");

    (void) say(&t, a, CDR_STATUS_AWAY, "login", 990);
    is(told(&t, "ann"), "away login 2 ",
       "what is said later is newer, whatever the clock says");

    (void) put(&t, c, "ann", 3, CDR_STATUS_ONLINE, "docs", 1500);
    is(told(&t, "ann"), "online docs 5 node-c", "and so on a third server");

    (void) put(&t, b, "ann", 2, CDR_STATUS_BUSY, "search", 1000);
    is(told(&t, "ann"), "online docs 6 node-c", "connections add up");

    (void) drop(&t, c, "ann", 1600, 3600);
    is(told(&t, "ann"), "away login 3 ",
       "when that one ends, the newest of the others holds");

    (void) leave(&t, a, 1700, 3700);
    is(told(&t, "ann"), "busy search 2 node-b", "on whatever server");
    is(own(&t, "ann"), "none", "nothing of it is this server's");

    (void) drop(&t, b, "ann", 1800, 3800);
    is(told(&t, "ann"), "busy search 0 node-b", "without any it stays so");
    is(own(&t, "ann"), "none", "which each server knows by itself");
    ok(expire(&t, 3799) == 0 && expire(&t, 3800) == 1, "until it is due");
    is(told(&t, "ann"), "offline search 0 node-b", "and is offline then");

    ok(drop(&t, b, "ann", 4000, 4000) == CDR_DECLINED
       && drop(&t, b, "eve", 4000, 4000) == CDR_DECLINED,
       "who is not there does not leave");
}


/* Two servers that know the same tell the same. */

static void
test_order(void *mem)
{
    uint32_t  a, b, c;
    tables_t  t;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    c = server(&t, 40, "node-c");

    (void) put(&t, c, "ann", 1, CDR_STATUS_BUSY, "c", 1000);
    (void) put(&t, b, "ann", 1, CDR_STATUS_AWAY, "b", 1000);
    is(told(&t, "ann"), "away b 2 node-b",
       "at the same time the higher server is newer");

    (void) join(&t, "ann", 1000, &a);
    (void) cdr_registry_set_feature(&t.r, a, 1, CDR_STATUS_BUSY, text("a"),
                                    1000);
    (void) cdr_presence_changed(&t.p, a, 1000);
    is(told(&t, "ann"), "away b 3 node-b", "than this one too");
    (void) drop(&t, b, "ann", 1001, 3000);
    is(told(&t, "ann"), "busy a 2 ", "which is above the third");

    (void) put(&t, b, "ann", 1, CDR_STATUS_ONLINE, NULL, 5000);
    is(told(&t, "ann"), "busy a 3 ",
       "who has said nothing is behind those who have");

    (void) put(&t, c, "ann", 0, CDR_STATUS_BUSY, "c", 9000);
    is(told(&t, "ann"), "busy a 2 ", "and who is leaving behind all");
}


/* Who leaves one server may be on its way to another. */

static void
test_leaving(void *mem)
{
    uint32_t      a, b;
    cdr_str_t     feature;
    cdr_status_t  status;
    tables_t      t;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");

    (void) join(&t, "ann", 1000, &a);
    (void) say(&t, a, CDR_STATUS_BUSY, "search", 1000);
    (void) leave(&t, a, 1100, 3100);
    is(own(&t, "ann"), "busy search 0", "who leaves is told of as leaving");

    (void) put(&t, b, "ann", 1, CDR_STATUS_BUSY, "search", 1200);
    is(told(&t, "ann"), "busy search 1 node-b", "until it is elsewhere");
    is(own(&t, "ann"), "none", "then it is only there");
    ok(expire(&t, 1900) == 0, "and does not go offline");

    (void) put(&t, b, "ann", 0, CDR_STATUS_BUSY, "search", 1200);
    is(told(&t, "ann"), "busy search 0 node-b", "it leaves that one");
    ok(cdr_presence_kept(&t.p, text("ann"), &status, &feature) == CDR_OK
       && status == CDR_STATUS_BUSY && feature.len == 6,
       "what it said there is kept here for who comes back");

    (void) join(&t, "ann", 2000, &a);
    is(told(&t, "ann"), "busy search 1 ", "who goes on with it");
    (void) drop(&t, b, "ann", 2100, 4100);
    is(told(&t, "ann"), "busy search 1 ", "and is here now");

    (void) leave(&t, a, 2200, 4200);
    ok(expire(&t, 4200) == 1, "and leaves");
    is(own(&t, "ann"), "none", "of who is offline nothing is told");

    (void) put(&t, b, "bob", 1, CDR_STATUS_ONLINE, NULL, 5000);
    (void) put(&t, b, "bob", 0, CDR_STATUS_ONLINE, NULL, 5000);
    (void) drop(&t, b, "bob", 7000, 9000);
    ok(expire(&t, 7000) == 1,
       "whose time was over on its server is offline at once");
}


static void
test_servers(void *mem)
{
    uint32_t          b, c, i;
    tables_t          t;
    cdr_guest_peer_t  peer;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    c = server(&t, 70, "node-c");

    ok(server(&t, 60, "node-b") == b && cdr_guest_find(&t.g, 70, &i) == CDR_OK
       && i == c && cdr_guest_find(&t.g, 71, &i) == CDR_DECLINED,
       "a server is known by its id");

    cdr_guest_set_version(&t.g, b, 7, 8);
    cdr_guest_seen(&t.g, b, 1234);
    ok(cdr_guest_peer(&t.g, b, &peer) == CDR_OK && peer.boot == 7
       && peer.version == 8 && peer.seen_ms == 1234 && peer.label.len == 6,
       "with what was read of it");

    (void) put(&t, b, "ann", 1, CDR_STATUS_BUSY, "f", 1000);
    (void) put(&t, b, "bob", 1, CDR_STATUS_BUSY, "f", 1000);
    (void) put(&t, c, "bob", 1, CDR_STATUS_BUSY, "g", 1001);

    cdr_guest_stale(&t.g, b, true);
    is(told(&t, "ann"), "busy f 1 node-b!", "what it told may be stale");
    is(told(&t, "bob"), "busy g 2 node-c", "not what others tell");
    ok(batch.item[0].seen_ms == 1234, "who is seen as last as its server was");
    cdr_guest_stale(&t.g, b, false);
}


/* What a server told is read again, and then it is gone. */

static void
test_swept(void *mem)
{
    uint32_t          b, c, i, cursor;
    tables_t          t;
    cdr_guest_fill_t  fill;
    cdr_guest_peer_t  peer;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    c = server(&t, 70, "node-c");

    (void) put(&t, b, "ann", 1, CDR_STATUS_BUSY, "f", 1000);
    (void) put(&t, b, "bob", 1, CDR_STATUS_BUSY, "f", 1000);
    (void) put(&t, c, "bob", 1, CDR_STATUS_BUSY, "g", 1001);

    cdr_guest_begin(&t.g, b);
    (void) put(&t, b, "bob", 1, CDR_STATUS_BUSY, "f", 1000);
    (void) put(&t, b, "eve", 1, CDR_STATUS_BUSY, "f", 1000);
    cursor = 0;
    ok(cdr_guest_sweep(&t.g, b, &cursor, 1, 2000, 2000) == CDR_AGAIN
       && cdr_guest_sweep(&t.g, b, &cursor, 99, 2000, 2000) == CDR_OK,
       "all of it is read again, a part at a time");
    ok(expire(&t, 2000) == 1 && strcmp(told(&t, "ann"), "offline f 0 node-b")
                                == 0,
       "who was not among them leaves");

    cdr_guest_fill(&t.g, &fill);
    ok(fill.guests == 3 && fill.servers == 2, "the others are there");

    cdr_guest_begin(&t.g, b);
    cursor = 0;
    (void) cdr_guest_sweep(&t.g, b, &cursor, 99, 3000, 3000);
    cdr_guest_forget(&t.g, b);
    ok(expire(&t, 3000) == 1 && cdr_guest_find(&t.g, 60, &i) == CDR_DECLINED,
       "a server is gone with all of its guests");
    is(told(&t, "eve"), "offline f 0 node-b", "whose last one is known");
    is(told(&t, "bob"), "busy g 1 node-c", "but for who is elsewhere");

    i = 0;
    ok(cdr_guest_next(&t.g, &i, &peer) == CDR_OK && peer.server == 70
       && (i++, cdr_guest_next(&t.g, &i, &peer)) == CDR_DECLINED,
       "those that are left are found");
}


static void
test_many_servers(void *mem)
{
    char              label[300];
    bool              good;
    uint32_t          i;
    tables_t          t;
    cdr_guest_peer_t  peer;

    fresh(&t, mem);
    (void) server(&t, 70, "node-c");

    memset(label, 'l', sizeof(label));
    label[299] = '\0';
    good = true;

    for (i = 0; i < CDR_GUEST_SERVERS - 1; i++) {
        good = server(&t, 1000 + i, label) != UINT32_MAX && good;
    }

    ok(good && cdr_guest_peer(&t.g, 5, &peer) == CDR_OK
       && peer.label.len == CDR_GUEST_LABEL_MAX,
       "there may be many, with long names");
    ok(server(&t, 9999, "more") == UINT32_MAX, "but not any number");
}


static void
test_full(void *mem)
{
    char              user[300], feature[200];
    uint32_t          b, i;
    tables_t          t;
    bool              good;
    cdr_guest_info_t  info;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    good = true;

    for (i = 0; i < GUESTS; i++) {
        snprintf(user, sizeof(user), "u%u", i);
        good = put(&t, b, user, 1, CDR_STATUS_BUSY, "f", 1000) == CDR_OK
               && good;
    }

    ok(good && put(&t, b, "more", 1, CDR_STATUS_BUSY, "f", 1000) == CDR_FULL,
       "a table is full");
    is(told(&t, "more"), "none", "of who has no room nothing is left");
    (void) drop(&t, b, "u3", 1000, 1000);
    ok(put(&t, b, "more", 1, CDR_STATUS_BUSY, "f", 1000) == CDR_OK,
       "until another one gives room");

    memset(feature, 'f', sizeof(feature));
    feature[128] = '\0';
    ok(put(&t, b, "more", 1, CDR_STATUS_AWAY, feature, 1001) == CDR_OK
       && put(&t, b, "u1", 1, CDR_STATUS_AWAY, feature, 1001) == CDR_OK
       && put(&t, b, "u2", 1, CDR_STATUS_AWAY, feature, 1001) == CDR_FULL,
       "long features have some room");
    is(told(&t, "u2"), "away  1 node-b", "or are left out");
    ok(strlen(told(&t, "u1")) == 128 + strlen("away  1 node-b"),
       "not those before");
    (void) drop(&t, b, "u1", 1002, 1002);
    ok(put(&t, b, "u2", 1, CDR_STATUS_AWAY, feature, 1003) == CDR_OK,
       "until there is some");

    memset(&info, 0, sizeof(info));
    ok(cdr_guest_put(&t.g, b, &info, 1000) == CDR_TOOBIG, "nobody is no guest");
    memset(user, 'u', sizeof(user));
    user[256] = '\0';
    ok(put(&t, b, user, 1, CDR_STATUS_BUSY, "f", 1000) == CDR_TOOBIG
       && put(&t, b, "x", 1, CDR_STATUS_OFFLINE, "f", 1000) == CDR_TOOBIG,
       "nor is what could not be");
}


static void
test_repair(void *mem)
{
    uint32_t               a, b, c;
    tables_t               t;
    cdr_guest_fill_t       fill;
    cdr_guest_peer_t       peer;
    cdr_presence_cursor_t  cursor;

    fresh(&t, mem);
    b = server(&t, 60, "node-b");
    c = server(&t, 70, "node-c");

    (void) join(&t, "ann", 1000, &a);
    (void) put(&t, b, "ann", 2, CDR_STATUS_BUSY, "b", 1001);
    (void) put(&t, c, "ann", 1, CDR_STATUS_AWAY, "c", 1002);
    (void) put(&t, c, "bob", 1, CDR_STATUS_AWAY, "d", 1002);
    cdr_guest_set_version(&t.g, b, 1, 1);
    cdr_guest_set_version(&t.g, c, 1, 1);
    cdr_presence_end(&t.p, &cursor);

    cdr_presence_repair(&t.p, HIDDEN, 2000, 3000);
    is(told(&t, "ann"), "away c 4 node-c",
       "where nothing was wrong a repair changes nothing");
    is(told(&t, "bob"), "away d 1 node-c", "for who is only a guest as well");
    ok(cdr_presence_changes(&t.p, &cursor, &batch) == CDR_OK && batch.n == 0,
       "and nobody is told anything");

    atomic_store(&t.g.entries[1].open, 1);
    cdr_presence_repair(&t.p, HIDDEN, 2000, 3000);
    is(told(&t, "ann"), "busy b 3 node-b", "a guest that was torn is dropped");
    ok(cdr_guest_peer(&t.g, c, &peer) == CDR_OK && peer.version == 0
       && cdr_guest_peer(&t.g, b, &peer) == CDR_OK && peer.version == 1,
       "and its server is to be read again");
    ok(put(&t, c, "ann", 1, CDR_STATUS_AWAY, "c", 1002) == CDR_OK
       && strcmp(told(&t, "ann"), "away c 4 node-c") == 0, "which it is");

    cdr_guest_fill(&t.g, &fill);
    ok(fill.guests == 3, "they are counted");
}


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, tables_size());

    test_sizes(mem);
    test_told(mem);
    test_order(mem);
    test_leaving(mem);
    test_servers(mem);
    test_swept(mem);
    test_many_servers(mem);
    test_full(mem);
    test_repair(mem);

    free(mem);

    return done_testing();
}
