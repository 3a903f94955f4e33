/* The table of guests, under writers that are killed. */

#include "guest_test.h"
#include "cdr_step.h"


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

    work(step.mem);
    ok(usable(step.mem), "and where nobody is killed");
}


int
main(void)
{
    test_step();

    return done_testing();
}
