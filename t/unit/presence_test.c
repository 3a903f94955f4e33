/* The table of reviewers: who is there, and what is told of them. */

#include <time.h>

#include "presence_test.h"


#define MANY  10000


static void
test_sizes(void)
{
    uint32_t  n;
    bool      good;

    good = true;

    for (n = 1; n < 3000; n++) {
        good = good && cdr_presence_size(n, 0)
                       <= cdr_presence_overhead()
                          + n * cdr_presence_bytes_per_conn();
    }

    ok(good, "the share of a connection is enough, all tables included");
    ok(cdr_presence_size(0, 0) == 0
       && cdr_presence_size(CDR_REGISTRY_ENTRIES_MAX + 1, 0) == 0,
       "no connection, or too many, have no size");
    ok(sizeof(cdr_reviewer_entry_t) + sizeof(cdr_presence_link_t)
       + sizeof(uint32_t) <= 260,
       "an idle user touches no more than 260 octets");
}


static void
test_attach(void *mem)
{
    tables_t  t;

    t = fresh(mem, CONNS);

    ok(cdr_presence_attach(&t.p, &t.r, t.p.shm, cdr_presence_size(CONNS, 0))
       == CDR_OK, "a table is found");
    ok(cdr_presence_attach(&t.p, &t.r, t.p.shm, cdr_presence_size(CONNS, 0) - 1)
       == CDR_ERROR, "but not in less memory");
    ok(cdr_presence_attach(&t.p, &t.r, t.p.shm, 63) == CDR_ERROR,
       "let alone in none");

    t.p.shm->version++;
    ok(cdr_presence_attach(&t.p, &t.r, t.p.shm, cdr_presence_size(CONNS, 0))
       == CDR_DECLINED, "one of another version is not ours");
    ok(cdr_presence_init(mem, 0, 0, key) == CDR_ERROR,
       "there is none for no connections");
}


static void
test_told(void *mem)
{
    uint32_t  a, b, c;
    tables_t  t;

    t = fresh(mem, CONNS);

    ok(join(&t, "ann", 1000, &a) == CDR_OK, "a connection joins");
    is(told(&t, "ann"), "online  1", "its user is online");
    ok(batch.item[0].connected_ms == 1000 && batch.item[0].joined
       == batch.item[0].version && !batch.item[0].anonymous,
       "since then");

    (void) say(&t, a, CDR_STATUS_BUSY, "search", 1100);
    is(told(&t, "ann"), "busy search 1", "and is what it says");
    ok(batch.item[0].updated_ms == 1100 && batch.item[0].connected_ms == 1000,
       "since now, but there as long as before");

    (void) join(&t, "ann", 1200, &b);
    is(told(&t, "ann"), "busy search 2", "a second tab does not undo that");

    (void) say(&t, b, CDR_STATUS_AWAY, "login", 1300);
    is(told(&t, "ann"), "away login 2", "until it says something itself");

    (void) join(&t, "ann", 1400, &c);
    (void) leave(&t, b, 1500, 3500);
    is(told(&t, "ann"), "busy search 2",
       "when it ends, what the newest of the others said holds");

    (void) leave(&t, a, 1600, 3600);
    is(told(&t, "ann"), "online  1", "one that said nothing is online");

    (void) leave(&t, c, 1700, 3700);
    is(told(&t, "ann"), "online  0", "without any it stays as it was");
    ok(batch.item[0].seen_ms == 1700, "seen last when that one left");

    ok(cdr_presence_changed(&t.p, c, 1800) == CDR_DECLINED
       && cdr_presence_role(&t.p, c, 1800) == CDR_DECLINED
       && cdr_presence_leave(&t.p, c, 1800, 1800) == CDR_DECLINED,
       "a connection that has left is in none");
    ok(cdr_presence_join(&t.p, c, 1800) == CDR_DECLINED
       && cdr_presence_join(&t.p, CONNS, 1800) == CDR_DECLINED,
       "and what is not in the registry does not join");
}


static void
test_roles(void *mem)
{
    uint32_t  a, b;
    uint64_t  version;
    tables_t  t;

    t = fresh(mem, CONNS);

    (void) join(&t, "ann", 1000, &a);
    (void) join(&t, "ann", 1001, &b);
    (void) say(&t, a, CDR_STATUS_BUSY, "f", 1002);

    version = cdr_presence_version(&t.p);
    (void) become(&t, a, "ann", "reviewer", 1003);
    ok(cdr_presence_version(&t.p) == version,
       "a token with the same role changes nothing");

    (void) become(&t, b, "ann", "admin", 1004);
    is(told(&t, "ann"), "busy f 2", "a new role is no new status");
    ok(batch.item[0].role.len == 8, "nor that of who said something last");

    (void) become(&t, a, "ann", "admin", 1005);
    is(told(&t, "ann"), "busy f 2", "but its own");
    ok(batch.item[0].role.len == 5 && cdr_presence_version(&t.p) > version,
       "is told");
}


static void
test_leaving(void *mem)
{
    uint32_t               a, b, c, n;
    cdr_str_t              feature;
    cdr_status_t           status;
    tables_t               t;
    cdr_presence_cursor_t  cursor = { 0, { 0, 0 } };

    t = fresh(mem, CONNS);

    (void) join(&t, "ann", 1000, &a);
    (void) join(&t, "bob", 1000, &b);
    (void) say(&t, a, CDR_STATUS_BUSY, "search", 1000);
    is(changes(&t, &cursor), "bob+ ann+", "in the order of their changes");

    (void) leave(&t, a, 2000, 4000);
    is(changes(&t, &cursor), "", "who leaves has not changed");

    ok(cdr_presence_expire(&t.p, 3999, 0, 9, &n) == CDR_OK && n == 0,
       "nor is offline before its time");

    ok(cdr_presence_kept(&t.p, text("ann"), &status, &feature) == CDR_OK
       && status == CDR_STATUS_BUSY && feature.len == 6,
       "what it said is kept for who comes back");
    ok(cdr_presence_kept(&t.p, text("bob"), &status, &feature) == CDR_DECLINED
       && cdr_presence_kept(&t.p, text("eve"), &status, &feature)
          == CDR_DECLINED
       && cdr_presence_kept(&t.p, text(""), &status, &feature)
          == CDR_DECLINED,
       "only of those who leave");

    ok(cdr_presence_expire(&t.p, 4000, 0, 9, &n) == CDR_OK && n == 1,
       "but then");
    is(told(&t, "ann"), "offline search 0", "and is told as offline");
    is(changes(&t, &cursor), "ann-", "once");
    ok(cdr_presence_kept(&t.p, text("ann"), &status, &feature)
       == CDR_DECLINED, "nothing is kept any more");

    (void) join(&t, "ann", 5000, &c);
    is(changes(&t, &cursor), "ann+", "it comes back");
    ok(batch.n == 0 && strcmp(told(&t, "ann"), "online  1") == 0
       && batch.item[0].connected_ms == 5000
       && batch.item[0].joined == batch.item[0].version, "as one that is new");
}


static void
test_forgotten(void *mem)
{
    uint32_t               a, b, n;
    tables_t               t;
    cdr_presence_fill_t    fill;
    cdr_presence_cursor_t  cursor = { 0, { 0, 0 } };

    t = fresh(mem, CONNS);

    (void) join(&t, "ann", 1000, &a);
    (void) join(&t, "bob", 1000, &b);
    is(changes(&t, &cursor), "ann+ bob+", "of several who come");

    (void) leave(&t, a, 6000, 9000);
    (void) leave(&t, b, 6000, 100000);
    cdr_presence_fill(&t.p, &fill);
    ok(fill.live == 2 && fill.leaving == 2 && fill.offline == 0,
       "several leave");

    ok(cdr_presence_expire(&t.p, 90000, 0, 9, &n) == CDR_OK && n == 1
       && cdr_presence_expire(&t.p, 99999, 0, 9, &n) == CDR_OK && n == 0
       && cdr_presence_expire(&t.p, 100000, 0, 9, &n) == CDR_OK && n == 1,
       "each at its own time, also after turns of the wheel");

    ok(cdr_presence_expire(&t.p, 100000, 89999, 9, &n) == CDR_OK
       && strcmp(told(&t, "ann"), "none") != 0, "they are known for a time");
    ok(cdr_presence_expire(&t.p, 100000, 90000, 9, &n) == CDR_OK
       && strcmp(told(&t, "ann"), "none") == 0, "and then forgotten");
    is(changes(&t, &cursor), "anew",
       "who did not see it go offline begins anew");

    cdr_presence_end(&t.p, &cursor);
    is(changes(&t, &cursor), "", "from the end");
}


/* The clock may be set, by an hour and in either direction. */

static void
test_clock(void *mem)
{
    uint32_t  a, b, n;
    tables_t  t;

    t = fresh(mem, CONNS);

    (void) join(&t, "ann", 10000000, &a);
    (void) join(&t, "bob", 10000000, &b);
    (void) cdr_presence_expire(&t.p, 10000000, 0, 9, &n);

    (void) leave(&t, a, 6400000, 6402000);
    ok(cdr_presence_expire(&t.p, 6401999, 0, 9, &n) == CDR_OK && n == 0
       && cdr_presence_expire(&t.p, 6403000 + CDR_PRESENCE_SLOT_MS
                                    * CDR_PRESENCE_SLOTS, 0, 9, &n) == CDR_OK
       && n == 1, "who leaves when the clock was set back is offline in time");

    (void) leave(&t, b, 6440000, 6442000);
    ok(cdr_presence_expire(&t.p, 10100000, 0, 9, &n) == CDR_OK && n == 1,
       "or when it was set forward");
}


static void
test_full(void *mem)
{
    uint32_t               i, n, index, first;
    char                   user[32];
    tables_t               t;
    bool                   good;
    cdr_presence_cursor_t  cursor;

    t = fresh(mem, CONNS);
    good = true;

    (void) join(&t, "first", 1000, &first);

    for (i = 0; i < t.p.n - 1; i++) {
        snprintf(user, sizeof(user), "u%u", i);
        good = join(&t, user, 1000, &index) == CDR_OK
               && leave(&t, index, 1000 + i, 2000 + i) == CDR_OK && good;
    }

    ok(good, "a table is full of those who have left");

    cdr_presence_end(&t.p, &cursor);

    ok(join(&t, "more", 1100, &index) == CDR_OK
       && strcmp(told(&t, "more"), "online  1") == 0,
       "there is room for who comes");
    ok(strcmp(told(&t, "first"), "online  1") == 0, "beside who is there");
    is(changes(&t, &cursor), "anew", "readers are told to begin anew");

    (void) cdr_presence_expire(&t.p, 2005, 0, 3, &n);
    ok(n == 3, "no more than so many are offline at once");
    ok(join(&t, "yet-more", 2005, &index) == CDR_OK
       && strcmp(told(&t, "yet-more"), "online  1") == 0,
       "and one of those goes before any that still leaves");

    n = t.p.shm->offline;
    ok(n == 2, "only one");
}


static void
test_strings(void *mem)
{
    uint32_t  a, b, c, d;
    char      name[256], feature[129];
    tables_t  t;

    t = fresh(mem, CONNS);

    memset(name, 'n', sizeof(name));
    memset(feature, 'f', 128);
    feature[128] = '\0';
    name[255] = '\0';

    ok(join(&t, name, 1000, &a) == CDR_OK, "the longest name");
    (void) say(&t, a, CDR_STATUS_BUSY, feature, 1000);
    ok(strlen(told(&t, name)) == 128 + strlen("busy  1"),
       "with the longest feature");

    (void) join(&t, "ann", 1000, &b);
    (void) say(&t, b, CDR_STATUS_AWAY, feature, 1000);

    (void) join(&t, "bob", 1000, &c);
    ok(say(&t, c, CDR_STATUS_AWAY, feature, 1000) == CDR_FULL,
       "where there is no more room for long ones");
    is(told(&t, "bob"), "away  1", "one is left out");

    name[254] = '\0';
    ok(join(&t, name, 1000, &d) == CDR_FULL
       && cdr_presence_leave(&t.p, d, 1000, 1000) == CDR_DECLINED,
       "or a reviewer");

    (void) say(&t, b, CDR_STATUS_ONLINE, "short", 1001);
    (void) say(&t, c, CDR_STATUS_ONLINE, feature, 1001);
    ok(strlen(told(&t, "bob")) == 128 + strlen("online  1"),
       "until another one gives room");
}


static void
test_anonymous(void *mem)
{
    uint32_t  a, b;
    uint64_t  below;
    tables_t  t;

    t = fresh(mem, CONNS);

    (void) join(&t, "", 1000, &a);
    (void) join(&t, "", 1000, &b);

    below = UINT64_MAX;
    ok(cdr_presence_recent(&t.p, &below, &batch) == CDR_OK && batch.n == 2
       && batch.item[0].anonymous && batch.item[0].id.len
          == CDR_CONN_ID_TEXT_LEN
       && memcmp(batch.item[0].id.data, "conn_", 5) == 0,
       "without a user each connection is a reviewer by its id");
    ok(batch.item[0].version > batch.item[1].version,
       "the newest is listed first");
    ok(cdr_presence_recent(&t.p, &below, &batch) == CDR_DECLINED,
       "and there are no more");
}


static double
seconds(void)
{
    return (double) clock() / CLOCKS_PER_SEC;
}


/* What is slow by the square is slower than this by far. */

static void
test_many(void)
{
    void      *mem;
    bool       good;
    double     began;
    uint32_t   i, *index;
    tables_t   t;

    mem = aligned_alloc(64, tables_size(MANY));
    index = malloc(MANY * sizeof(uint32_t));

    t = fresh(mem, MANY);
    good = true;
    began = seconds();

    for (i = 0; i < MANY; i++) {
        good = join(&t, "ann", 1000, &index[i]) == CDR_OK && good;
    }

    for (i = 0; i < MANY; i++) {
        good = say(&t, index[i / 2], CDR_STATUS_BUSY, "f", 1001) == CDR_OK
               && good;
    }

    cdr_presence_repair(&t.p, HIDDEN, 1002, 1003);

    for (i = 0; i < MANY; i++) {
        good = leave(&t, index[i], 1002, 1003) == CDR_OK && good;
    }

    ok(good && seconds() - began < 5,
       "ten thousand connections of one user are not slow");

    free(index);
    free(mem);
}


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, tables_size(CONNS));

    test_sizes();
    test_attach(mem);
    test_told(mem);
    test_roles(mem);
    test_leaving(mem);
    test_forgotten(mem);
    test_clock(mem);
    test_full(mem);
    test_strings(mem);
    test_anonymous(mem);
    test_many();

    free(mem);

    return done_testing();
}
