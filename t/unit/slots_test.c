/* Process slots: owners, wake-ups, figures. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_slots.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define NFIGURES  13


static void
test_layout(void)
{
    void         *mem;
    size_t        size;
    cdr_slots_t   s;

    size = cdr_slots_size(NFIGURES);
    mem = aligned_alloc(64, size);
    memset(mem, 0, size);

    ok(cdr_slots_attach(&s, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for slots");

    memset(mem, 0xa5, size);
    (void) cdr_slots_init(mem, NFIGURES);

    ok(cdr_slots_attach(&s, mem, size) == CDR_OK && s.nfigures == NFIGURES,
       "slots laid out over old bytes can be attached");
    ok(cdr_slots_attach(&s, mem, size - 1) == CDR_ERROR,
       "slots do not fit in less than their size");
    ok(cdr_slots_size(0) == 0 && cdr_slots_init(mem, 0) == CDR_ERROR
       && cdr_slots_size(CDR_SLOTS_FIGURES + 1) == 0
       && cdr_slots_size(CDR_SLOTS_FIGURES) != 0,
       "there is at least one figure, and at most 65536");
    ok(cdr_slots_next(&s, 0) == CDR_SLOTS, "all slots are free at first");
    ok(cdr_slots_sum(&s, 0) == 0 && cdr_slots_sum_gauge(&s, 0) == 0,
       "and all figures are 0");

    ((uint32_t *) mem)[1]++;

    ok(cdr_slots_attach(&s, mem, size) == CDR_DECLINED,
       "another layout version is declined");

    free(mem);
}


static void
test_owners(cdr_slots_t *s)
{
    uint32_t  a, b, i, n;

    ok(cdr_slots_claim(s, 3, CDR_SLOT_WORKER, 100, 7, 1000, &a) == CDR_OK
       && s->slots[3].state == CDR_SLOT_ACTIVE
       && s->slots[3].pid == 100 && s->slots[3].start == 7
       && s->slots[3].heartbeat_ms == 1000,
       "a process claims a slot");
    ok(cdr_slots_claim(s, CDR_SLOTS, CDR_SLOT_WORKER, 1, 1, 1, &b)
       == CDR_DECLINED,
       "a slot number out of range is declined");

    cdr_slots_drain(s, 3);
    ok(s->slots[3].state == CDR_SLOT_DRAINING, "it says that it drains");

    ok(cdr_slots_claim(s, 3, CDR_SLOT_KEEPER, 101, 8, 2000, &b) == CDR_OK
       && b == a + 1,
       "the next owner of a slot is its next incarnation");
    ok(cdr_slots_release(s, 3, a) == CDR_DECLINED
       && s->slots[3].pid == 101,
       "what is done late for a dead owner does not hurt the next one");
    ok(cdr_slots_release(s, 3, b) == CDR_OK
       && cdr_slots_release(s, 3, b) == CDR_DECLINED,
       "a slot is released once");
    ok(cdr_slots_release(s, CDR_SLOTS + 1, b) == CDR_DECLINED,
       "a slot that does not exist is not released");

    for (i = 0; i < CDR_SLOTS; i += 5) {
        (void) cdr_slots_claim(s, i, CDR_SLOT_WORKER, 1, 1, 1, &a);
    }

    for (n = 0, i = cdr_slots_next(s, 0); i < CDR_SLOTS;
         i = cdr_slots_next(s, i + 1))
    {
        n += (i % 5 == 0);
    }

    ok(n == 52, "iterating meets exactly the slots that are taken");
    ok(cdr_slots_next(s, 255) == 255 && cdr_slots_next(s, 256) == 256
       && cdr_slots_next(s, UINT32_MAX) >= CDR_SLOTS,
       "the last slot is the last");

    for (i = 0; i < CDR_SLOTS; i += 5) {
        (void) cdr_slots_release(s, i, s->slots[i].incarnation);
    }

    ok(cdr_slots_next(s, 0) == CDR_SLOTS, "and none is left afterwards");
}


static void
test_figures(cdr_slots_t *s)
{
    uint32_t  a;
    uint64_t  sums[NFIGURES];

    (void) cdr_slots_claim(s, 1, CDR_SLOT_WORKER, 1, 1, 1, &a);
    (void) cdr_slots_claim(s, 255, CDR_SLOT_WORKER, 2, 1, 1, &a);

    ok(cdr_slots_sum(s, 9) == 0, "figures are 0 at first, in any memory");

    cdr_figure_add(&cdr_slots_figures(s, 1)[9], 30);
    cdr_figure_add(&cdr_slots_figures(s, 255)[9], 2);
    cdr_figure_add(&cdr_slots_figures(s, CDR_SLOTS_SHARED)[9], 10);
    cdr_figure_add(&cdr_slots_figures(s, 255)[NFIGURES - 1], 3);
    cdr_slot_gauge(&s->slots[255], 4, 17);
    s->slots[255].connections = 5;

    ok(cdr_slots_sum(s, 9) == 42,
       "figures are summed over all slots and those of no process");

    cdr_slots_sums(s, sums);

    ok(sums[9] == 42 && sums[NFIGURES - 1] == 3 && sums[0] == 0,
       "also all of them at once");
    ok(cdr_slots_sum_gauge(s, 4) == 17 && cdr_slots_connections(s) == 5,
       "and so are gauges and connections");

    (void) cdr_slots_release(s, 255, s->slots[255].incarnation);

    ok(cdr_slots_sum(s, 9) == 42, "a process that ends takes no figure along");
    ok(cdr_slots_sum_gauge(s, 4) == 0 && cdr_slots_connections(s) == 0,
       "but its gauges and connections");

    (void) cdr_slots_claim(s, 255, CDR_SLOT_WORKER, 3, 1, 1, &a);
    (void) cdr_slots_claim(s, 1, CDR_SLOT_WORKER, 4, 1, 1, &a);
    cdr_figure_add(&cdr_slots_figures(s, 255)[9], 1);

    ok(cdr_slots_sum(s, 9) == 43,
       "the next owner goes on counting, also where one died unreleased");

    (void) cdr_slots_release(s, 1, s->slots[1].incarnation);
    (void) cdr_slots_release(s, 255, s->slots[255].incarnation);
}


static void
test_wake(cdr_slots_t *s)
{
    uint32_t     a;
    cdr_slot_t  *slot;

    slot = &s->slots[7];

    (void) cdr_slots_claim(s, 7, CDR_SLOT_WORKER, 1, 1, 1, &a);

    ok(cdr_slot_wake(slot), "the first to wake a process writes to it");
    ok(!cdr_slot_wake(slot), "the next one need not");

    cdr_slot_clear_pending(slot);

    ok(cdr_slot_wake(slot), "once it woke, it is to be woken again");

    (void) cdr_slots_claim(s, 7, CDR_SLOT_WORKER, 2, 1, 1, &a);

    ok(cdr_slot_wake(slot), "a new owner inherits no wake-up");
}


static void
reuse(void *mem)
{
    uint32_t     a;
    cdr_slots_t  s;

    (void) cdr_slots_attach(&s, mem, cdr_slots_size(NFIGURES));
    (void) cdr_slots_claim(&s, 7, CDR_SLOT_KEEPER, 9, 9, 9, &a);
    (void) cdr_slots_release(&s, 7, a);
    (void) cdr_slots_claim(&s, 8, CDR_SLOT_WORKER, 9, 9, 9, &a);
}


static bool
usable(void *mem)
{
    uint32_t     i, a;
    cdr_slots_t  s;

    if (cdr_slots_attach(&s, mem, cdr_slots_size(NFIGURES)) != CDR_OK) {
        return false;
    }

    cdr_slots_repair(&s);

    if (cdr_slots_sum(&s, 9) != 43) {
        return false;
    }

    for (i = 0; i < CDR_SLOTS; i++) {

        if ((s.slots[i].state != CDR_SLOT_FREE)
            != (cdr_slots_next(&s, i) == i))
        {
            return false;
        }

        if (s.slots[i].state != CDR_SLOT_FREE && s.slots[i].pid == 0) {
            return false;
        }
    }

    a = s.slots[7].incarnation;

    return cdr_slots_claim(&s, 7, CDR_SLOT_WORKER, 5, 5, 5, &i) == CDR_OK
           && i == a + 1 && cdr_slots_release(&s, 7, i) == CDR_OK;
}


int
main(void)
{
    void         *mem;
    cdr_step_t    step;
    cdr_slots_t   s;

    test_layout();

    mem = cdr_step_map(cdr_slots_size(NFIGURES));
    memset(mem, 0xa5, cdr_slots_size(NFIGURES));
    (void) cdr_slots_init(mem, NFIGURES);
    (void) cdr_slots_attach(&s, mem, cdr_slots_size(NFIGURES));

    test_owners(&s);
    test_figures(&s);
    test_wake(&s);

    step.mem = mem;
    step.size = cdr_slots_size(NFIGURES);
    step.op = reuse;
    step.check = usable;

    ok_step(&step, "slots are whole wherever a claim or a release is killed");

    return done_testing();
}
