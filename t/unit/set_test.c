/* A small set of numbers, against an array that knows. */

#include "cdr_test.h"
#include "cdr_set.h"


#define RANGE  9000


static cdr_test_alloc_t  mem;

static const cdr_alloc_t  alloc = { cdr_test_alloc, cdr_test_free, &mem };


static void
test_small(void)
{
    cdr_set_t  set;

    memset(&set, 0, sizeof(set));

    ok(!cdr_set_take(&set, 0), "an empty set has nothing");

    cdr_set_add(&set, 0, &alloc);
    cdr_set_add(&set, 0, &alloc);
    cdr_set_add(&set, UINT32_MAX - 1, &alloc);

    ok(set.n == 2, "what is there already is not added again");
    ok(cdr_set_take(&set, 0) && !cdr_set_take(&set, 0),
       "a number is taken once");
    ok(cdr_set_take(&set, UINT32_MAX - 1), "the largest one, too");

    cdr_set_free(&set, &alloc);
    ok(mem.held == 0, "nothing is left");
}


/* Numbers that come and go, close together and apart. */

static void
test_model(void)
{
    bool            had, good;
    cdr_set_t       set;
    unsigned        i;
    uint32_t        n, r = 1, count = 0;
    static uint8_t  there[RANGE];

    memset(&set, 0, sizeof(set));
    good = true;

    for (i = 0; i < 400000; i++) {
        r = r * 1664525 + 1013904223;
        n = (r >> 8) % (i & 1024 ? 64 : RANGE);
        had = there[n];

        if (r >> 31 && count < 3000) {
            cdr_set_add(&set, n, &alloc);
            count += !had;
            there[n] = 1;

        } else {
            good = good && cdr_set_take(&set, n) == had;
            count -= had;
            there[n] = 0;
        }

        good = good && set.n == count && !set.all;
    }

    ok(good, "it has what was added and not taken");

    for (n = 0; n < RANGE; n++) {
        good = good && cdr_set_take(&set, n) == there[n];
    }

    ok(good && set.n == 0, "to the last");

    cdr_set_free(&set, &alloc);
}


static void
test_bounds(void)
{
    cdr_set_t  set;
    uint32_t   n;

    memset(&set, 0, sizeof(set));

    for (n = 0; n < CDR_SET_MAX; n++) {
        cdr_set_add(&set, n * 3, &alloc);
    }

    ok(!set.all && !cdr_set_take(&set, 1), "up to the bound it knows");

    for ( /* void */ ; !set.all && n < 3 * CDR_SET_MAX; n++) {
        cdr_set_add(&set, n * 3, &alloc);
    }

    ok(set.all && cdr_set_take(&set, 1), "beyond it everything is there");
    ok(mem.held == 0, "and it takes no memory");

    cdr_set_free(&set, &alloc);
    ok(!cdr_set_take(&set, 1), "emptied it knows again");

    mem.fail_at = mem.calls + 1;
    cdr_set_add(&set, 1, &alloc);
    mem.fail_at = 0;

    ok(cdr_set_take(&set, 2), "without memory everything is there, too");

    cdr_set_free(&set, &alloc);
    ok(mem.held == 0, "nothing is left at the end");
}


int
main(void)
{
    test_small();
    test_model();
    test_bounds();

    return done_testing();
}
