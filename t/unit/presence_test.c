/* The table of reviewers: who is there, and what is told of them. */

#include "cdr_test.h"
#include "cdr_step.h"

#include <time.h>

#include "cdr_presence.h"
#include "cdr_presence_shm.h"


#define CONNS   16
#define HIDDEN  1
#define MANY    10000


/* Both tables, one behind the other as in a zone. */

typedef struct {
    cdr_registry_t         r;
    cdr_presence_t         p;
} tables_t;


static uint32_t              next_id;
static cdr_presence_batch_t  batch;

static const uint8_t         key[CDR_SIPHASH_KEY_LEN] = { 1, 2, 3 };


static size_t
registry_size(uint32_t n)
{
    return (cdr_registry_size(n) + 63) & ~(size_t) 63;
}


static size_t
tables_size(uint32_t n)
{
    return registry_size(n) + ((cdr_presence_size(n, 0) + 63) & ~(size_t) 63);
}


static tables_t
attach(void *mem, uint32_t n)
{
    tables_t  t;

    (void) cdr_registry_attach(&t.r, mem, cdr_registry_size(n));
    (void) cdr_presence_attach(&t.p, NULL,
                               (uint8_t *) mem + registry_size(n),
                               cdr_presence_size(n, 0));
    return t;
}


static tables_t
fresh(void *mem, uint32_t n)
{
    memset((uint8_t *) mem + registry_size(n), 0x5a, cdr_presence_size(n, 0));

    (void) cdr_registry_init(mem, n);
    (void) cdr_presence_init((uint8_t *) mem + registry_size(n), n, 0, key);

    next_id = 0;

    return attach(mem, n);
}


static cdr_str_t
text(const char *s)
{
    cdr_str_t  str = { (const uint8_t *) s, strlen(s) };

    return str;
}


/* The handle of the registry is that of this copy of the tables. */

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

    if (cdr_registry_add(&t->r, &info, index, &generation) != CDR_OK) {
        return CDR_FULL;
    }

    t->p.registry = &t->r;

    return cdr_presence_join(&t->p, *index, now);
}


static int
say(tables_t *t, uint32_t index, cdr_status_t status, const char *feature,
    uint64_t now)
{
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_feature(&t->r, index, generation, status,
                                    text(feature), now);
    t->p.registry = &t->r;

    return cdr_presence_changed(&t->p, index, now);
}


static int
become(tables_t *t, uint32_t index, const char *user, const char *role,
    uint64_t now)
{
    uint32_t              generation;
    cdr_conn_identity_t   who;

    memset(&who, 0, sizeof(who));
    who.user = text(user);
    who.role = text(role);

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_identity(&t->r, index, generation, &who);
    t->p.registry = &t->r;

    return cdr_presence_role(&t->p, index, now);
}


static int
leave(tables_t *t, uint32_t index, uint64_t now, uint64_t due)
{
    int       rc;
    uint32_t  generation;

    t->p.registry = &t->r;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);
    rc = cdr_presence_leave(&t->p, index, now, due);
    (void) cdr_registry_remove(&t->r, index, generation);

    return rc;
}


/* "status feature connections", or "none". */

static const char *
told(tables_t *t, const char *user)
{
    cdr_reviewer_t  *v;
    static char      line[64 + CDR_CONN_FEATURE_MAX];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    t->p.registry = &t->r;

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK) {
        return "none";
    }

    v = &batch.item[0];

    snprintf(line, sizeof(line), "%s %.*s %u", status[v->status],
             (int) v->feature.len, v->feature.data ? v->feature.data
                                                   : (uint8_t *) "",
             v->connections);

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


/* All that is above the cursor: "ann online, bob offline". */

static const char *
changes(tables_t *t, cdr_presence_cursor_t *cursor)
{
    int          rc;
    size_t       at;
    uint32_t     i;
    static char  line[1024];

    line[0] = '\0';
    at = 0;
    t->p.registry = &t->r;

    while ((rc = cdr_presence_changes(&t->p, cursor, &batch)) == CDR_OK
           && batch.n)
    {
        for (i = 0; i < batch.n && at < sizeof(line) - 100; i++) {
            at += (size_t) snprintf(line + at, sizeof(line) - at, "%s%.*s%s",
                                    at ? " " : "",
                                    (int) batch.item[i].id.len,
                                    batch.item[i].id.data,
                                    batch.item[i].status
                                    == CDR_STATUS_OFFLINE ? "-" : "+");
        }
    }

    return rc == CDR_OK ? line : "anew";
}


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


/* A reviewer of whom readers know, and the version up to which they do. */

static uint32_t  known;
static uint64_t  before;


/* Every kind of change once, stepped through. */

static void
work(void *mem)
{
    uint32_t  a, b, c, n;
    tables_t  t;

    t = attach(mem, CONNS);
    t.p.registry = &t.r;
    next_id = 100;

    (void) say(&t, known, CDR_STATUS_BUSY, "search", 999);
    (void) become(&t, known, "zed", "admin", 999);
    (void) join(&t, "ann", 1000, &a);
    (void) join(&t, "bob", 1001, &b);
    (void) join(&t, "ann", 1002, &c);
    (void) say(&t, a, CDR_STATUS_BUSY, "search", 1003);
    (void) become(&t, b, "bob", "admin", 1004);
    (void) leave(&t, a, 1005, 2005);
    (void) leave(&t, b, 1006, 2006);
    (void) cdr_presence_expire(&t.p, 2006, 1500, 9, &n);
    (void) join(&t, "bob", 2007, &b);
    (void) leave(&t, b, 2008, 2009);
    (void) cdr_presence_expire(&t.p, 2600, 1500, 9, &n);
    (void) cdr_presence_expire(&t.p, 2601, 2600, 9, &n);
}


/* Both "there" and "eve" have been there all the time. */

static bool
whole(tables_t *t)
{
    uint32_t             i, index, connections, live;
    cdr_presence_fill_t  fill;

    cdr_presence_fill(&t->p, &fill);

    if (strcmp(told(t, "there"), "away f 1") != 0
        || strcmp(told(t, "eve"), "online  0") != 0)
    {
        return false;
    }

    /* who is told in another way has changed for its readers too */

    if (strncmp(told(t, "zed"), "online  ", 8) != 0
        && (strncmp(told(t, "zed"), "busy search ", 12) != 0
            || batch.item[0].version <= before))
    {
        return false;
    }

    index = 0;
    connections = 0;
    live = 0;

    while (cdr_presence_scan(&t->p, &index, &batch) == CDR_OK) {
        for (i = 0; i < batch.n; i++) {
            connections += batch.item[i].connections;
            live += (batch.item[i].status != CDR_STATUS_OFFLINE);
        }
    }

    return connections == cdr_registry_live(&t->r) && live == fill.live;
}


static bool
usable(void *mem)
{
    uint32_t               i, n, index;
    char                   user[16];
    tables_t               t;
    cdr_presence_cursor_t  cursor = { 0, { 0, 0 } };

    t = attach(mem, CONNS);
    t.p.registry = &t.r;

    cdr_registry_repair(&t.r);

    for (i = 0; i < CONNS; i++) {

        /* what was being written is nobody's: the reaper takes it out */

        if (cdr_registry_entry(&t.r, i)
            && (cdr_registry_entry(&t.r, i)->conn.flags & CDR_CONN_TORN)
            && atomic_load(&cdr_registry_entry(&t.r, i)->state)
               == CDR_CONN_LIVE)
        {
            (void) cdr_registry_remove(&t.r, i,
                          atomic_load(&cdr_registry_entry(&t.r, i)
                                      ->generation));
        }
    }

    cdr_presence_repair(&t.p, HIDDEN, 3000, 4000);

    if (!whole(&t)) {
        return false;
    }

    (void) cdr_presence_changes(&t.p, &cursor, &batch);
    cdr_presence_end(&t.p, &cursor);

    next_id = 200;

    for (i = cdr_registry_live(&t.r); i < CONNS; i++) {
        snprintf(user, sizeof(user), "user%u", i);

        if (join(&t, user, 3001, &index) != CDR_OK
            || say(&t, index, CDR_STATUS_BUSY, "g", 3002) != CDR_OK
            || strcmp(told(&t, user), "busy g 1") != 0)
        {
            return false;
        }
    }

    if (!whole(&t)) {
        return false;
    }

    for (i = 0; i < CONNS; i++) {
        if (leave(&t, i, 3003, 3004) != CDR_OK) {
            return false;
        }
    }

    return cdr_presence_expire(&t.p, 100000, 100000, 99, &n) == CDR_OK
           && t.p.shm->live == 0 && t.p.shm->offline == 0
           && t.p.shm->leaving == 0;
}


/* What a reader was told before a kill, or is told after the repair. */

static void
test_repair(void *mem)
{
    uint32_t               a, b, c;
    uint64_t               version;
    tables_t               t;
    cdr_presence_cursor_t  cursor = { 0, { 0, 0 } };

    t = fresh(mem, CONNS);

    (void) join(&t, "ann", 1000, &a);
    (void) join(&t, "ann", 1001, &b);
    (void) join(&t, "bob", 1002, &c);
    (void) say(&t, a, CDR_STATUS_BUSY, "search", 1003);
    (void) changes(&t, &cursor);
    version = cdr_presence_version(&t.p);

    cdr_presence_repair(&t.p, HIDDEN, 2000, 3000);
    ok(cdr_presence_version(&t.p) == version
       && strcmp(told(&t, "ann"), "busy search 2") == 0,
       "where nothing was wrong a repair changes nothing");
    is(changes(&t, &cursor), "", "and nobody is told anything");

    (void) cdr_registry_remove(&t.r, c,
                 atomic_load(&cdr_registry_entry(&t.r, c)->generation));
    (void) cdr_registry_set_feature(&t.r, b,
                 atomic_load(&cdr_registry_entry(&t.r, b)->generation),
                 CDR_STATUS_AWAY, text("login"), 1500);
    cdr_presence_repair(&t.p, HIDDEN, 2000, 3000);

    is(told(&t, "ann"), "away login 2",
       "what the registry says and the table does not know is the newest");
    is(changes(&t, &cursor), "ann+", "and is told");
    is(told(&t, "bob"), "online  0", "who is not in the registry leaves");

    (void) cdr_registry_set_flags(&t.r, a,
                 atomic_load(&cdr_registry_entry(&t.r, a)->generation),
                 HIDDEN);
    cdr_presence_repair(&t.p, HIDDEN, 2000, 3000);
    is(told(&t, "ann"), "away login 1", "who is hidden is not there");
}


static void
test_step(void)
{
    uint32_t    a, b;
    tables_t    t;
    cdr_step_t  step;

    step.size = tables_size(CONNS);
    step.mem = cdr_step_map(step.size);
    step.op = work;
    step.check = usable;

    t = fresh(step.mem, CONNS);

    (void) join(&t, "there", 900, &a);
    (void) say(&t, a, CDR_STATUS_AWAY, "f", 901);
    (void) join(&t, "eve", 902, &b);
    (void) leave(&t, b, 903, 50000);
    (void) join(&t, "zed", 904, &known);

    before = cdr_presence_version(&t.p);

    ok_step(&step, "whoever is there stays so, wherever a writer is killed");
}


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, tables_size(CONNS));

#ifndef CDR_STEP

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
    test_repair(mem);
    test_many();

#endif

    test_step();

    free(mem);

    return done_testing();
}
