/* The table of reviewers after a writer of it was killed. */

#include "cdr_test.h"
#include "cdr_step.h"
#include "presence_test.h"


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
#ifndef CDR_STEP

    void  *mem;

    mem = aligned_alloc(64, tables_size(CONNS));
    test_repair(mem);
    free(mem);

#endif

    test_step();

    return done_testing();
}
