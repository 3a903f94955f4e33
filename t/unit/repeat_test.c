/* What is told so often in a window, and then counted. */

#include "cdr.h"
#include "cdr_repeat.h"

#include "cdr_test.h"


#define PER  1000


static cdr_repeat_t  table;


static int
see(uint64_t key, uint64_t now, uint32_t most)
{
    return cdr_repeat_count(&table, cdr_repeat_find(&table, key, now, PER),
                            key, now, PER, most);
}


static void
test_window(void)
{
    int                  i, told;
    cdr_repeat_thing_t  *thing;

    for (i = 0, told = 0; i < 100; i++) {
        told += see(7, 5000 + (uint64_t) i, 3) == CDR_OK;
    }

    thing = cdr_repeat_find(&table, 7, 5100, PER);

    ok(told == 3 && thing->told == 3 && thing->untold == 97,
       "so many are told, and the rest is counted");
    ok(see(8, 5100, 3) == CDR_OK, "of another thing anew");
    ok(!cdr_repeat_over(thing, 5999, PER) && cdr_repeat_over(thing, 6000, PER),
       "until the window is over");
    ok(cdr_repeat_over(thing, 4999, PER), "or the clock goes back");
    ok(cdr_repeat_find(&table, 7, 6000, PER) == thing && thing->untold == 97,
       "and what is untold is there for the caller");

    thing->untold = 0;

    ok(see(7, 6000, 3) == CDR_OK && thing->told == 1 && thing->untold == 0,
       "then it is told again");
}


static void
test_full(void)
{
    uint64_t             i;
    cdr_repeat_thing_t  *thing;

    memset(&table, 0, sizeof(cdr_repeat_t));

    for (i = 0; i < CDR_REPEAT_N; i++) {
        (void) see(i, 100, 1);
    }

    ok(table.rest.start_ms == 0, "there is room for as many as were said");

    for (i = 0; i < 50; i++) {
        (void) see(CDR_REPEAT_N + i, 200, 1);
    }

    ok(table.rest.told == 1 && table.rest.untold == 49 && table.rest.key == 0,
       "those beyond are one");
    ok(see(3, 300, 1) == CDR_DECLINED && table.rest.untold == 49,
       "which those before are not");

    thing = cdr_repeat_find(&table, CDR_REPEAT_N, 1100, PER);

    ok(thing != &table.rest && thing->untold == 0,
       "a window that is over makes room");

    thing = cdr_repeat_find(&table, CDR_REPEAT_N + 3, 1100, PER);

    ok(thing->key == 3 && thing->untold == 1,
       "also of one that has something untold");

    table.rest.start_ms = 300;
    table.rest.untold = UINT32_MAX;
    (void) cdr_repeat_count(&table, &table.rest, 1, 300, PER, 0);

    ok(table.rest.untold == UINT32_MAX, "a count does not begin anew");
}


int
main(void)
{
    test_window();
    test_full();

    return done_testing();
}
