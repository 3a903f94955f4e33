/* The registry where writers are killed, and while others read it. */

#define _GNU_SOURCE

#include <time.h>

#include "cdr_test.h"
#include "cdr_step.h"
#include "registry_test.h"


/* Every kind of change once, stepped through. */

static void
work(void *mem)
{
    uint32_t              i, g, i2, g2;
    cdr_registry_t        r;
    cdr_conn_identity_t   who;

    (void) cdr_registry_attach(&r, mem, size);

    (void) add(&r, 2, 10, &i, &g);
    (void) add(&r, 2 + ENTRIES, LONG, &i2, &g2);

    memset(&who, 0, sizeof(who));
    who.user = string(LONG);
    (void) cdr_registry_set_identity(&r, i, g, &who);
    (void) cdr_registry_remove(&r, i2, g2);
    (void) cdr_registry_set_feature(&r, i, g, CDR_STATUS_BUSY, string(9), 1);

    who.user = string(3);
    (void) cdr_registry_set_identity(&r, i, g, &who);
    (void) cdr_registry_remove(&r, i, g);
    (void) add(&r, 5, LONG, &i, &g);
}


static bool
usable(void *mem)
{
    uint32_t              i, g, k, live;
    cdr_registry_t        r;
    cdr_registry_fill_t   fill;

    if (cdr_registry_attach(&r, mem, size) != CDR_OK) {
        return false;
    }

    cdr_registry_repair(&r);

    if (!whole(&r)) {
        return false;
    }

    live = cdr_registry_live(&r);

    if (live < 2 || live > 4) {
        return false;
    }

    for (k = 0; k < ENTRIES - live; k++) {

        cdr_registry_fill(&r, &fill);

        if (add(&r, 500 + k, fill.blocks < fill.blocks_max ? LONG : 5, &i, &g)
            != CDR_OK)
        {
            return false;
        }
    }

    cdr_registry_fill(&r, &fill);

    return whole(&r) && fill.blocks == fill.blocks_max
           && add(&r, 600, 5, &i, &g) == CDR_FULL;
}


/*
 * One process changes entries, this one copies them without a lock: a copy is
 * always one of the two states that entry is ever in.
 */

static void
test_race(void *mem)
{
    int              status;
    long             copies, busy, gone, torn;
    pid_t            pid;
    time_t           end;
    uint32_t         i, g, k;
    cdr_registry_t   r;
    cdr_conn_copy_t  c;

    r = fresh(mem);
    (void) add(&r, 1, 4, &i, &g);

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        for (k = 0; /* void */ ; k = !k) {
            (void) cdr_registry_set_feature(&r, i, g, k, string(k ? 128 : 4),
                                            k);
            (void) cdr_registry_remove(&r, i, g);
            (void) add(&r, 1, k ? LONG : 4, &i, &g);
        }
    }

    copies = busy = gone = torn = 0;
    end = time(NULL) + 2;

    while (time(NULL) < end || (copies < 1000 && time(NULL) < end + 30)) {

        switch (cdr_registry_snapshot(&r, 0, &c)) {

        case CDR_OK:
            copies++;
            torn += !same(&c, 1) || !is(&c, CDR_CONN_ADDRESS, 9)
                    || !(is(&c, CDR_CONN_USER, 4)
                         || is(&c, CDR_CONN_USER, LONG))
                    || !(is(&c, CDR_CONN_FEATURE, 3)
                         || is(&c, CDR_CONN_FEATURE, 128)
                         || is(&c, CDR_CONN_FEATURE, 4))
                    || (is(&c, CDR_CONN_FEATURE, 128)
                        && c.conn.status != CDR_STATUS_AWAY);
            break;

        case CDR_AGAIN:
            busy++;
            break;

        default:
            gone++;
        }
    }

    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0);

    ok(copies >= 1000 && torn == 0,
       "a copy taken while the entry changes is never torn");
    printf("# %ld copies, %ld busy, %ld gone\n", copies, busy, gone);

    cdr_registry_repair(&r);
    ok(whole(&r), "and the registry is whole after the writer was killed");
}


/* Entry 0 has a block; it is copied while that goes to entry 1. */

static void
race_reset(void *mem)
{
    uint32_t        i, g;
    cdr_registry_t  r;

    r = fresh(mem);
    (void) add(&r, 1, LONG, &i, &g);
    (void) add(&r, 2, 4, &i, &g);
    (void) add(&r, 3, LONG, &i, &g);
}


static void
race_write(void *mem)
{
    cdr_registry_t        r;
    cdr_conn_identity_t   who;

    (void) cdr_registry_attach(&r, mem, size);
    (void) cdr_registry_remove(&r, 0, r.entries[0].generation);

    memset(&who, 0, sizeof(who));
    who.user.data = letters + 1;
    who.user.len = LONG;

    (void) cdr_registry_set_identity(&r, 1, r.entries[1].generation, &who);
}


static void
race_change(void *mem)
{
    cdr_registry_t  r;

    (void) cdr_registry_attach(&r, mem, size);
    (void) cdr_registry_set_feature(&r, 0, r.entries[0].generation,
                                    CDR_STATUS_BUSY, string(77), START + 999);
}


static void
race_read(void *mem)
{
    int              rc;
    bool             old, changed;
    cdr_registry_t   r;
    cdr_conn_copy_t  c;

    (void) cdr_registry_attach(&r, mem, size);
    rc = cdr_registry_snapshot(&r, 0, &c);
    cdr_race_end();

    if (rc == CDR_OK) {
        old = c.conn.status == CDR_STATUS_ONLINE
              && c.conn.updated_ms == START + 1 && is(&c, CDR_CONN_FEATURE, 3);
        changed = c.conn.status == CDR_STATUS_BUSY
                  && c.conn.updated_ms == START + 999
                  && is(&c, CDR_CONN_FEATURE, 77);

        _exit(!(same(&c, 1) && (old || changed)
                && is(&c, CDR_CONN_USER, LONG) && is(&c, CDR_CONN_ROLE, 5)
                && is(&c, CDR_CONN_ADDRESS, 9)));
    }

    _exit(rc != CDR_DECLINED);
}


int
main(void)
{
    void            *mem;
    uint32_t         index, generation;
    cdr_race_t       race;
    cdr_step_t       step;
    cdr_registry_t   r;

    prepare();

    mem = cdr_step_map(size);

    r = fresh(mem);
    (void) add(&r, 300, 4, &index, &generation);
    (void) add(&r, 301, 4, &index, &generation);

    step.mem = mem;
    step.size = size;
    step.op = work;
    step.check = usable;

    ok_step(&step, "no entry is lost wherever a writer is killed");

    race.mem = mem;
    race.reset = race_reset;
    race.reader = race_read;
    race.write = race_write;

    ok_race(&race, "a copy is right wherever the connection and its block go");

    race.write = race_change;

    ok_race(&race, "or wherever its presence changes");

    test_race(mem);

    return done_testing();
}
