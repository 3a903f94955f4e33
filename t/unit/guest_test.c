/* The table of guests: what other servers tell of their reviewers. */

#include "cdr_test.h"
#include "cdr_step.h"

#include "cdr_guest.h"
#include "cdr_guest_shm.h"
#include "cdr_presence.h"
#include "cdr_presence_shm.h"


#define CONNS   16
#define GUESTS  12
#define HIDDEN  1


/* All tables, one behind the other as in a zone. */

typedef struct {
    cdr_registry_t         r;
    cdr_presence_t         p;
    cdr_guest_t            g;
} tables_t;


static uint32_t              next_id;
static cdr_presence_batch_t  batch;

static const uint8_t         key[CDR_SIPHASH_KEY_LEN] = { 1, 2, 3 };


static size_t
padded(size_t n)
{
    return (n + 63) & ~(size_t) 63;
}


static size_t
tables_size(void)
{
    return padded(cdr_registry_size(CONNS))
           + padded(cdr_presence_size(CONNS, GUESTS))
           + padded(cdr_guest_size(CONNS, GUESTS));
}


static void *
guests(void *mem)
{
    return (uint8_t *) mem + padded(cdr_registry_size(CONNS))
           + padded(cdr_presence_size(CONNS, GUESTS));
}


/* Handles point to each other, so they stay where they are. */

static tables_t *
attach(tables_t *t, void *mem)
{
    (void) cdr_registry_attach(&t->r, mem, cdr_registry_size(CONNS));
    (void) cdr_presence_attach(&t->p, &t->r,
                               (uint8_t *) mem
                               + padded(cdr_registry_size(CONNS)),
                               cdr_presence_size(CONNS, GUESTS));
    (void) cdr_guest_attach(&t->g, &t->p, guests(mem),
                            cdr_guest_size(CONNS, GUESTS));
    return t;
}


static tables_t *
fresh(tables_t *t, void *mem)
{
    memset(mem, 0x5a, tables_size());

    (void) cdr_registry_init(mem, CONNS);
    (void) cdr_presence_init((uint8_t *) mem
                             + padded(cdr_registry_size(CONNS)), CONNS,
                             GUESTS, key);
    (void) cdr_guest_init(guests(mem), CONNS, GUESTS);

    next_id = 0;
    attach(t, mem);
    cdr_guest_self(&t->g, 50);

    return t;
}


static cdr_str_t
text(const char *s)
{
    cdr_str_t  str = { (const uint8_t *) s, strlen(s) };

    return str;
}


static int
join(tables_t *t, const char *user, uint64_t now, uint32_t *index)
{
    uint32_t         generation;
    cdr_conn_info_t  info;

    memset(&info, 0, sizeof(info));

    next_id++;
    memcpy(info.id, &next_id, sizeof(next_id));
    info.identity.user = text(user);
    info.identity.role = text("reviewer");
    info.connected_ms = now;
    info.status = CDR_STATUS_ONLINE;

    (void) cdr_presence_kept(&t->p, info.identity.user, &info.status,
                             &info.feature);

    if (cdr_registry_add(&t->r, &info, index, &generation) != CDR_OK) {
        return CDR_FULL;
    }

    return cdr_presence_join(&t->p, *index, now);
}


static int
say(tables_t *t, uint32_t index, cdr_status_t status, const char *feature,
    uint64_t now)
{
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_feature(&t->r, index, generation, status,
                                    text(feature),
                                    cdr_guest_time(&t->p, index, now));

    return cdr_presence_changed(&t->p, index, now);
}


static int
leave(tables_t *t, uint32_t index, uint64_t now, uint64_t due)
{
    int       rc;
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);
    rc = cdr_presence_leave(&t->p, index, now, due);
    (void) cdr_registry_remove(&t->r, index, generation);

    return rc;
}


static uint32_t
server(tables_t *t, uint64_t id, const char *label)
{
    uint32_t  index;

    return cdr_guest_server(&t->g, id, text(label), &index) == CDR_OK
           ? index : UINT32_MAX;
}


/* A guest with so many connections; "feature" NULL: it said nothing. */

static int
put(tables_t *t, uint32_t index, const char *user, uint32_t connections,
    cdr_status_t status, const char *feature, uint64_t said)
{
    cdr_guest_info_t  info;

    memset(&info, 0, sizeof(info));

    info.id = text(user);
    info.status = status;
    info.role = text("guest");
    info.feature = text(feature ? feature : "");
    info.connections = connections;
    info.spoke = (feature != NULL);
    info.said_ms = said;
    info.connected_ms = 900;

    return cdr_guest_put(&t->g, index, &info, said);
}


static int
drop(tables_t *t, uint32_t index, const char *user, uint64_t now,
    uint64_t due)
{
    return cdr_guest_remove(&t->g, index, text(user), false, now, due);
}


/* "status feature connections server", or "none"; "!" where it is stale. */

static const char *
told(tables_t *t, const char *user)
{
    cdr_reviewer_t  *v;
    static char      line[600];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK) {
        return "none";
    }

    v = &batch.item[0];

    snprintf(line, sizeof(line), "%s %.*s %u %.*s%s", status[v->status],
             (int) v->feature.len, v->feature.data ? v->feature.data
                                                   : (uint8_t *) "",
             v->connections, (int) v->server.len,
             v->server.data ? v->server.data : (uint8_t *) "",
             v->stale ? "!" : "");

    return line;
}


/* What this server tells the others: "status feature connections". */

static const char *
own(tables_t *t, const char *user)
{
    cdr_guest_info_t  info;
    static char       line[300];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK
        || cdr_guest_own(&t->p, batch.item[0].index, &info) != CDR_OK)
    {
        return "none";
    }

    snprintf(line, sizeof(line), "%s %.*s %u", status[info.status],
             (int) info.feature.len, info.feature.data, info.connections);

    return line;
}


#define is(got, expected, ...)                                                \
    do {                                                                      \
        const char  *is_got_ = (got);                                         \
                                                                              \
        ok(strcmp(is_got_, expected) == 0, __VA_ARGS__);                      \
                                                                              \
        if (strcmp(is_got_, expected) != 0) {                                 \
            printf("# got \"%s\"\n", is_got_);                                \
        }                                                                     \
    } while (0)


static uint32_t
expire(tables_t *t, uint64_t now)
{
    uint32_t  n;

    (void) cdr_presence_expire(&t->p, now, 0, 99, &n);

    return n;
}


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
    char              label[300];
    bool              good;
    uint32_t          b, c, i, cursor;
    tables_t          t;
    cdr_guest_fill_t  fill;
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


/* Every kind of change once, stepped through. */

static void
work(void *mem)
{
    uint32_t  a, b, c, cursor;
    tables_t  t;

    attach(&t, mem);
    next_id = 100;

    (void) cdr_guest_find(&t.g, 60, &b);
    c = server(&t, 70, "node-c");

    (void) put(&t, b, "ann", 1, CDR_STATUS_BUSY, "search", 1000);
    (void) put(&t, c, "ann", 1, CDR_STATUS_AWAY, "login", 1001);
    (void) join(&t, "ann", 1002, &a);
    (void) say(&t, a, CDR_STATUS_BUSY, "docs", 1003);
    (void) put(&t, c, "ann", 2, CDR_STATUS_AWAY, "other", 1010);
    (void) put(&t, c, "zed", 2, CDR_STATUS_AWAY, "other", 1010);
    (void) leave(&t, a, 1011, 2011);
    (void) drop(&t, b, "ann", 1012, 2012);
    cdr_guest_begin(&t.g, c);
    (void) put(&t, c, "zed", 2, CDR_STATUS_BUSY, "other", 1013);
    cursor = 0;
    (void) cdr_guest_sweep(&t.g, c, &cursor, 99, 1014, 2014);
    (void) expire(&t, 2500);
    cdr_guest_begin(&t.g, c);
    cursor = 0;
    (void) cdr_guest_sweep(&t.g, c, &cursor, 99, 3000, 3000);
    cdr_guest_forget(&t.g, c);
    (void) expire(&t, 3500);
}


/* "here" and "there" have been all the time. */

static bool
whole(tables_t *t)
{
    uint32_t             i, index, connections, live;
    cdr_presence_fill_t  fill;
    cdr_guest_fill_t     guest;

    if (strcmp(told(t, "here"), "away f 1 ") != 0
        || strcmp(told(t, "there"), "busy g 2 node-b") != 0)
    {
        return false;
    }

    cdr_presence_fill(&t->p, &fill);
    cdr_guest_fill(&t->g, &guest);

    index = 0;
    connections = 0;
    live = 0;

    while (cdr_presence_scan(&t->p, &index, &batch) == CDR_OK) {
        for (i = 0; i < batch.n; i++) {
            connections += batch.item[i].connections;
            live += (batch.item[i].status != CDR_STATUS_OFFLINE);
        }
    }

    return live == fill.live
           && connections >= cdr_registry_live(&t->r) + guest.guests;
}


/* What the next writer does: reads all of every server again. */

static bool
usable(void *mem)
{
    uint32_t          i, cursor;
    tables_t          t;
    cdr_guest_fill_t  fill;
    cdr_guest_peer_t  peer;

    attach(&t, mem);

    cdr_registry_repair(&t.r);

    for (i = 0; i < CONNS; i++) {

        if (cdr_registry_entry(&t.r, i)
            && (cdr_registry_entry(&t.r, i)->conn.flags & CDR_CONN_TORN))
        {
            (void) cdr_registry_remove(&t.r, i,
                          atomic_load(&cdr_registry_entry(&t.r, i)
                                      ->generation));
        }
    }

    cdr_presence_repair(&t.p, HIDDEN, 4000, 5000);

    if (!whole(&t)) {
        return false;
    }

    for (i = 0; cdr_guest_next(&t.g, &i, &peer) == CDR_OK; i++) {
        cdr_guest_begin(&t.g, i);

        if (peer.server == 60
            && put(&t, i, "there", 2, CDR_STATUS_BUSY, "g", 905)
               == CDR_ERROR)
        {
            return false;
        }

        if (put(&t, i, "new", 1, CDR_STATUS_BUSY, "h", 4000) != CDR_OK) {
            return false;
        }

        cursor = 0;

        if (cdr_guest_sweep(&t.g, i, &cursor, 99, 4000, 4000) != CDR_OK) {
            return false;
        }
    }

    cdr_guest_fill(&t.g, &fill);
    (void) expire(&t, 6000);

    return whole(&t) && fill.guests == 1 + fill.servers;
}


static void
test_step(void)
{
    uint32_t    a, b;
    tables_t    t;
    cdr_step_t  step;

    step.size = tables_size();
    step.mem = cdr_step_map(step.size);
    step.op = work;
    step.check = usable;

    fresh(&t, step.mem);
    b = server(&t, 60, "node-b");

    (void) join(&t, "here", 900, &a);
    (void) say(&t, a, CDR_STATUS_AWAY, "f", 901);
    (void) put(&t, b, "there", 2, CDR_STATUS_BUSY, "g", 905);

    ok_step(&step, "whoever is there stays so, wherever a writer is killed");
}


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, tables_size());

#ifndef CDR_STEP

    test_sizes(mem);
    test_told(mem);
    test_order(mem);
    test_leaving(mem);
    test_servers(mem);
    test_full(mem);
    test_repair(mem);

#endif

    test_step();

    free(mem);

    return done_testing();
}
