/* What waits for Redis, and who may die on the way. */

#define _GNU_SOURCE

#include "cdr_test.h"
#include "cdr_step.h"
#include "outbox_test.h"


/* Killed at any instruction: the record is there, or it is not. */

static void
kill_put(void *m)
{
    cdr_outbox_t  box;

    (void) cdr_outbox_attach(&box, m, size);
    (void) put_at(&box, 2, 20, &me);
}


static bool
kill_put_good(void *copy)
{
    uint64_t             n;
    cdr_outbox_t         box;
    cdr_outbox_fill_t    fill;
    cdr_outbox_cursor_t  c;

    (void) cdr_outbox_attach(&box, copy, size);
    cdr_outbox_repair(&box);
    cdr_outbox_fill(&box, &fill);
    cdr_outbox_first(&box, &c);

    n = cdr_outbox_n(&box);

    if (cdr_outbox_next(&box, &c, &rec) != CDR_OK || rec->number != 1
        || fill.records + fill.waiting == 0
        || fill.records != fill.waiting || n != fill.events)
    {
        return false;
    }

    if (cdr_outbox_next(&box, &c, &rec) == CDR_OK
        && (rec->number != 2 || rec->n != 2
            || fill.records != 2 || n != 3))
    {
        return false;
    }

    return put_at(&box, 1, 1, &me) == CDR_OK && rec->n == n + 1
           && put_at(&box, 1, 1, &me) == CDR_OK
           && (fill.records == 2 || put_at(&box, 1, 1, &me) == CDR_OK)
           && put_at(&box, 1, 1, &me) == CDR_FULL;
}


static void
writers_may_die(void)
{
    cdr_step_t  step;

    size = (cdr_outbox_size(SIZE, TICKETS) + 63) & ~(size_t) 63;
    mem = cdr_step_map(size);

    (void) cdr_outbox_init(mem, SIZE, TICKETS);
    (void) cdr_outbox_attach(&ob, mem, size);
    (void) put_at(&ob, 1, 30000, &me);

    step.mem = mem;
    step.size = size;
    step.op = kill_put;
    step.check = kill_put_good;

    ok_step(&step, "a record is put in or not, wherever its writer is killed");

#ifndef CDR_STEP

    kill_put(mem);
    ok(kill_put_good(mem), "and it is if nobody is killed");

#endif

    (void) munmap(mem, size);
}


static void
kill_mark(void *m)
{
    uint32_t              slot;
    cdr_outbox_t          box;
    cdr_outbox_cursor_t   c;
    cdr_ticket_outcome_t  out;

    (void) cdr_outbox_attach(&box, m, size);
    cdr_outbox_first(&box, &c);
    (void) cdr_outbox_next(&box, &c, &rec);

    memset(&out, 0, sizeof(cdr_ticket_outcome_t));
    out.first.ms = 5;

    (void) cdr_ticket_finish(&box, rec, CDR_TICKET_DONE, &out, &slot);
    cdr_outbox_mark(&box, rec, CDR_OUTBOX_REPEATED);
}


static bool
kill_mark_good(void *copy)
{
    int                   rc;
    cdr_outbox_t          box;
    cdr_ticket_t          first;
    cdr_outbox_fill_t     fill;
    cdr_outbox_cursor_t   c;
    cdr_ticket_state_e    state;
    cdr_ticket_outcome_t  out;

    (void) cdr_outbox_attach(&box, copy, size);
    cdr_outbox_repair(&box);
    cdr_outbox_fill(&box, &fill);
    cdr_outbox_first(&box, &c);

    first.link = 1;
    first.serial = 1;

    rc = cdr_ticket_take(&box, &first, &state, &out);

    if (cdr_outbox_next(&box, &c, &rec) != CDR_OK
        || (rec->number != 1 && rec->number != 2)
        || (rec->number == 2 && rc != CDR_OK)
        || (rc != CDR_OK && rc != CDR_AGAIN)
        || (rc == CDR_OK && out.first.ms != 5)
        || (rc == CDR_AGAIN) != (fill.waiting == 1)
        || fill.records != 3 - rec->number)
    {
        return false;
    }

    return true;
}


static void
keepers_may_die(void)
{
    cdr_step_t  step;

    size = (cdr_outbox_size(SIZE, TICKETS) + 63) & ~(size_t) 63;
    mem = cdr_step_map(size);

    (void) cdr_outbox_init(mem, SIZE, TICKETS);
    (void) cdr_outbox_attach(&ob, mem, size);
    (void) put_at(&ob, 1, 20, &me);
    (void) put(1, 20);

    step.mem = mem;
    step.size = size;
    step.op = kill_mark;
    step.check = kill_mark_good;

    ok_step(&step, "who waits is told, wherever the keeper is killed");

#ifndef CDR_STEP

    kill_mark(mem);
    ok(kill_mark_good(mem), "and if nobody is killed");

#endif

    (void) munmap(mem, size);
}


int
main(void)
{
    writers_may_die();
    keepers_may_die();

    return done_testing();
}
