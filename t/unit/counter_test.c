/* Counted keys: limits, windows, a full table, repair. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_counter.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define ENTRIES  8
#define START    1700000000000U
#define ADDRESS  1
#define SHAKE    2


static size_t  size;


static cdr_counter_t
table(void *mem)
{
    cdr_counter_t  t;

    memset(mem, 0xa5, size);
    (void) cdr_counter_init(mem, ENTRIES);
    (void) cdr_counter_attach(&t, mem, size);

    return t;
}


/* Whether what is derived agrees with the entries. */

static bool
whole(cdr_counter_t *t)
{
    uint32_t             i, used;
    cdr_counter_fill_t   fill;
    cdr_counter_entry_t  *e;

    cdr_counter_fill(t, &fill);

    for (used = 0, i = 0; i < ENTRIES; i++) {
        e = &t->entries[i];

        if (e->key == 0 || e->key == 0xa5a5a5a5a5a5a5a5U) {
            continue;
        }

        used++;

        if (cdr_counter_get(t, e->key) != e) {
            return false;
        }

        if (e->count == 0 && e->per_ms == 0) {
            return false;
        }
    }

    return used == fill.used;
}


static uint64_t
evicted(const cdr_counter_t *t)
{
    cdr_counter_fill_t  fill;

    cdr_counter_fill(t, &fill);

    return fill.evicted;
}


static void
test_layout(void *mem)
{
    cdr_counter_t  t;

    memset(mem, 0, size);

    ok(cdr_counter_attach(&t, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a table");
    ok(cdr_counter_size(0) == 0 && cdr_counter_size(UINT32_MAX) == 0,
       "a table of no entry or of too many has no size");
    ok(cdr_counter_init(mem, 0) == CDR_ERROR, "and is not laid out");

    t = table(mem);

    ok(cdr_counter_attach(&t, mem, size - 1) == CDR_ERROR
       && cdr_counter_attach(&t, mem, 8) == CDR_ERROR,
       "a table does not fit in less than its size");
}


static void
test_count(void *mem)
{
    int            i;
    uint32_t       n;
    cdr_counter_t  t;

    t = table(mem);

    for (i = 0; i < 10; i++) {
        (void) cdr_counter_inc(&t, ADDRESS, 77, 10, START, &n);
    }

    ok(n == 10, "ten connections of an address are counted");
    ok(cdr_counter_inc(&t, ADDRESS, 77, 10, START, &n) == CDR_DECLINED
       && n == 10,
       "the eleventh is over the limit and not counted");
    ok(cdr_counter_inc(&t, ADDRESS, 78, 10, START, &n) == CDR_OK && n == 1,
       "another address counts for itself");
    ok(cdr_counter_dec(&t, 77, START) == CDR_OK
       && cdr_counter_inc(&t, ADDRESS, 77, 10, START, NULL) == CDR_OK,
       "one that leaves makes room for one");
    ok(cdr_counter_inc(&t, ADDRESS, 77, 0, START, &n) == CDR_OK && n == 11,
       "limit 0 counts without a limit");
    ok(cdr_counter_inc(&t, ADDRESS, 0, 1, START, &n) == CDR_OK && n == 0
       && cdr_counter_dec(&t, 0, START) == CDR_OK,
       "key 0 is not counted");
    ok(cdr_counter_dec(&t, 79, START) == CDR_DECLINED,
       "nothing is taken from a key that counts nothing");

    while (cdr_counter_dec(&t, 77, START) == CDR_OK) { /* void */ }

    ok(cdr_counter_get(&t, 77) == NULL && whole(&t),
       "an entry that counts nothing is given back");
}


static void
test_window(void *mem)
{
    int            i, pass;
    uint64_t       retry;
    cdr_counter_t  t;

    t = table(mem);

    for (pass = 0, i = 0; i < 20; i++) {
        pass += (cdr_counter_window(&t, SHAKE, 5, 7, 1000, START + 10U * i,
                                    &retry)
                 == CDR_OK);
    }

    ok(pass == 7, "exactly the limit passes in a window");
    ok(retry == 1000 - 190, "a refusal says how long the window lasts");
    ok(cdr_counter_window(&t, SHAKE, 5, 7, 1000, START + 999, &retry)
       == CDR_DECLINED && retry == 1,
       "the window is fixed: it starts with its first event");
    ok(cdr_counter_window(&t, SHAKE, 5, 7, 1000, START + 1000, &retry)
       == CDR_OK,
       "and is over after its time");

    for (i = 0; i < 6; i++) {
        (void) cdr_counter_window(&t, SHAKE, 5, 7, 1000, START + 1000, &retry);
    }

    ok(cdr_counter_window(&t, SHAKE, 5, 7, 1000, START - 50000, &retry)
       == CDR_DECLINED && retry == 1000,
       "a clock that goes back neither frees a key nor bars it for long");
    ok(cdr_counter_window(&t, SHAKE, 5, 7, 1000, START - 49000, &retry)
       == CDR_OK,
       "it is a window like any other from then on");

    ok(cdr_counter_window(&t, SHAKE, 0, 7, 1000, START, &retry) == CDR_OK
       && cdr_counter_window(&t, SHAKE, 9, 0, 1000, START, &retry) == CDR_OK
       && cdr_counter_window(&t, SHAKE, 9, 7, 0, START, &retry) == CDR_OK
       && cdr_counter_get(&t, 9) == NULL,
       "without key, limit or length nothing is counted");

    (void) cdr_counter_inc(&t, ADDRESS, 5, 0, START, NULL);
    (void) cdr_counter_dec(&t, 5, START - 48500);

    ok(cdr_counter_get(&t, 5) != NULL,
       "an entry with a window is kept when its count is 0");

    (void) cdr_counter_inc(&t, ADDRESS, 5, 0, START, NULL);
    (void) cdr_counter_dec(&t, 5, START);

    ok(cdr_counter_get(&t, 5) == NULL && whole(&t),
       "and given back when the window is over");
}


static void
test_full(void *mem)
{
    uint64_t       i, retry;
    cdr_counter_t  t;

    t = table(mem);

    for (i = 1; i <= ENTRIES; i++) {
        (void) cdr_counter_inc(&t, ADDRESS, i * 8, 0, START, NULL);
    }

    ok(whole(&t), "every key may fall into one bucket");
    ok(cdr_counter_inc(&t, ADDRESS, 1000, 0, START, NULL) == CDR_FULL
       && cdr_counter_window(&t, SHAKE, 1000, 1, 1, START, &retry)
          == CDR_FULL,
       "a table full of connections says so");
    ok(cdr_counter_inc(&t, ADDRESS, 8, 0, START, NULL) == CDR_OK,
       "a key that is in it goes on");

    (void) cdr_counter_dec(&t, 32, START);

    ok(cdr_counter_inc(&t, ADDRESS, 1000, 0, START, NULL) == CDR_OK,
       "an entry that becomes free is used at once");

    t = table(mem);

    for (i = 1; i <= ENTRIES; i++) {
        (void) cdr_counter_window(&t, SHAKE, i, 1, 1000, START + i, &retry);
    }

    ok(cdr_counter_window(&t, SHAKE, 99, 1, 1000, START + 1001, &retry)
       == CDR_OK && cdr_counter_get(&t, 1) == NULL
       && cdr_counter_get(&t, 2) != NULL && evicted(&t) == 0,
       "the oldest window is reused when it is over");

    t = table(mem);

    (void) cdr_counter_window(&t, SHAKE, 1, 1, 90000, START, &retry);

    for (i = 2; i <= ENTRIES; i++) {
        (void) cdr_counter_window(&t, SHAKE, i, 1, 10, START, &retry);
    }

    ok(cdr_counter_window(&t, SHAKE, 99, 1, 10, START + 10, &retry) == CDR_OK
       && cdr_counter_get(&t, 1) != NULL && whole(&t) && evicted(&t) == 0,
       "a long window before short ones does not hold them back");
}


static void
test_evict(void *mem)
{
    uint64_t       i, retry;
    cdr_counter_t  t;

    t = table(mem);

    for (i = 1; i <= ENTRIES; i++) {
        (void) cdr_counter_window(&t, SHAKE, i, 1, 1000, START + i, &retry);
    }

    ok(evicted(&t) == 0
       && cdr_counter_window(&t, SHAKE, 99, 1, 1000, START + 100, &retry)
          == CDR_OK
       && cdr_counter_get(&t, 1) == NULL && cdr_counter_get(&t, 2) != NULL
       && evicted(&t) == 1 && whole(&t),
       "where none is over, the oldest makes room");
    ok(cdr_counter_window(&t, SHAKE, 2, 1, 1000, START + 100, &retry)
       == CDR_DECLINED && retry == 902
       && cdr_counter_window(&t, SHAKE, 99, 1, 1000, START + 100, &retry)
          == CDR_DECLINED,
       "the others keep what they count");

    (void) cdr_counter_inc(&t, ADDRESS, 2, 0, START + 100, NULL);

    ok(cdr_counter_window(&t, SHAKE, 98, 1, 1000, START + 100, &retry)
       == CDR_OK && cdr_counter_get(&t, 2)->window == 1
       && cdr_counter_get(&t, 3) == NULL && whole(&t),
       "a key that counts connections keeps its window");
    ok(cdr_counter_window(&t, SHAKE, 97, 1, 1000, START + 1002, &retry)
       == CDR_OK && cdr_counter_get(&t, 2)->count == 1
       && cdr_counter_get(&t, 2)->per_ms == 0 && whole(&t),
       "and its count when the window is over");

    for (i = 0; i < ENTRIES - 1; i++) {
        (void) cdr_counter_inc(&t, ADDRESS, 200 + i, 0, START + 1002, NULL);
    }

    ok(cdr_counter_inc(&t, ADDRESS, 207, 0, START + 1002, NULL) == CDR_FULL
       && cdr_counter_get(&t, 206) != NULL && whole(&t),
       "counts take the room of windows, but not of counts");
}


static void
test_repair(void *mem)
{
    int            rc;
    uint64_t       i, retry;
    cdr_counter_t  t;

    t = table(mem);

    for (i = 1; i <= 5; i++) {
        (void) cdr_counter_inc(&t, ADDRESS, i, 0, START, NULL);
    }

    (void) cdr_counter_window(&t, SHAKE, 3, 5, 1000, START, &retry);
    (void) cdr_counter_window(&t, SHAKE, 6, 5, 1000, START, &retry);

    cdr_counter_reset_counts(&t);

    ok(whole(&t) && cdr_counter_get(&t, 1) == NULL
       && cdr_counter_get(&t, 3)->window == 1
       && cdr_counter_get(&t, 6)->window == 1,
       "a reset forgets counts and keeps windows");
    ok(cdr_counter_inc(&t, ADDRESS, 4, 1, START, NULL) == CDR_OK && whole(&t),
       "and what exists is counted again");

    for (i = 0; i < ENTRIES; i++) {
        t.buckets[i] = 1;
        t.entries[i].next = 1;
    }

    rc = cdr_counter_inc(&t, ADDRESS, 555, 0, START, NULL);
    ok(rc == CDR_ERROR, "a chain that runs in a circle is an error");

    for (i = 0; i < ENTRIES; i++) {
        t.buckets[i] = 0xffffff;
    }

    ok(cdr_counter_dec(&t, 4, START) == CDR_ERROR,
       "and so is one that leads out of the table");

    cdr_counter_repair(&t);

    ok(whole(&t) && cdr_counter_get(&t, 4)->count == 1,
       "a repair rebuilds them from the entries");
}


static void
work(void *mem)
{
    uint64_t       i, retry;
    cdr_counter_t  t;

    (void) cdr_counter_attach(&t, mem, size);

    (void) cdr_counter_inc(&t, ADDRESS, 8, 0, START, NULL);
    (void) cdr_counter_inc(&t, ADDRESS, 16, 0, START, NULL);
    (void) cdr_counter_window(&t, SHAKE, 8, 3, 1000, START, &retry);
    (void) cdr_counter_window(&t, SHAKE, 24, 3, 1000, START, &retry);
    (void) cdr_counter_dec(&t, 16, START);
    (void) cdr_counter_dec(&t, 8, START);
    (void) cdr_counter_window(&t, SHAKE, 8, 3, 1000, START + 2000, &retry);
    (void) cdr_counter_inc(&t, ADDRESS, 32, 0, START + 2000, NULL);
    (void) cdr_counter_dec(&t, 32, START + 2000);

    for (i = 1; i <= ENTRIES; i++) {
        (void) cdr_counter_window(&t, SHAKE, 8 * i, 1, 1000, START + 2000,
                                  &retry);
    }
}


static bool
usable(void *mem)
{
    uint64_t            key;
    cdr_counter_t       t;
    cdr_counter_fill_t  fill;

    if (cdr_counter_attach(&t, mem, size) != CDR_OK) {
        return false;
    }

    cdr_counter_repair(&t);

    if (!whole(&t)) {
        return false;
    }

    cdr_counter_reset_counts(&t);

    if (!whole(&t)) {
        return false;
    }

    /* All windows are over by then: the whole table can be had. */

    for (key = 100; key < 100 + ENTRIES; key++) {

        if (cdr_counter_inc(&t, ADDRESS, key, 0, START + 9999, NULL)
            != CDR_OK)
        {
            return false;
        }
    }

    cdr_counter_fill(&t, &fill);

    return whole(&t) && fill.used == ENTRIES
           && cdr_counter_inc(&t, ADDRESS, 99, 0, START, NULL) == CDR_FULL;
}


int
main(void)
{
    void        *mem;
    cdr_step_t   step;

    size = cdr_counter_size(ENTRIES);
    mem = cdr_step_map(size);

    test_layout(mem);
    test_count(mem);
    test_window(mem);
    test_full(mem);
    test_evict(mem);
    test_repair(mem);

    (void) table(mem);

    step.mem = mem;
    step.size = size;
    step.op = work;
    step.check = usable;

    ok_step(&step, "no entry is lost wherever a writer is killed");

    return done_testing();
}
