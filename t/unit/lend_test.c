/* Work that is lent to other processes, and who may die on the way. */

#include "cdr_test.h"
#include "cdr_lend.h"


static void a_piece_comes_back(void);
static void only_its_borrower_takes_it(void);
static void places_are_few(void);
static void what_nobody_took_is_taken_back(void);
static void the_dead_give_back(void);


static cdr_lends_t       l;
static cdr_lend_state_e  state;


int
main(void)
{
    a_piece_comes_back();
    only_its_borrower_takes_it();
    places_are_few();
    what_nobody_took_is_taken_back();
    the_dead_give_back();

    return done_testing();
}


static void
a_piece_comes_back(void)
{
    uint32_t  i;

    memset(&l, 0, sizeof(l));

    i = cdr_lend(&l, 3, 7, 11, 100, 0);

    ok(i < CDR_LENDS, "a piece is lent");
    ok(cdr_lend_find(&l, 100) == i, "and is found by its number");
    ok(cdr_lend_find(&l, 0) == CDR_LENDS, "a free place is not found");
    ok(cdr_lend_back(&l, 0, &state) == CDR_LENDS, "it has not come back");
    ok(cdr_lend_take(&l, 3, 7) == i, "its borrower takes it");
    ok(cdr_lend_take(&l, 3, 7) == CDR_LENDS, "once");

    cdr_lend_return(&l, i, CDR_LEND_DONE, 503);

    ok(cdr_lend_back(&l, 0, &state) == i && state == CDR_LEND_DONE,
       "it comes back done");
    ok(l.lends[i].result == 503, "with a result");
    ok(cdr_lend_back(&l, i + 1, &state) == CDR_LENDS, "and nothing else");

    cdr_lend_free(&l, i);

    ok(cdr_lend_find(&l, 100) == CDR_LENDS, "and its place is free");

    cdr_lend_return(&l, i, CDR_LEND_FAILED, 503);

    ok(cdr_lend_back(&l, 0, &state) == CDR_LENDS, "what is not taken does not "
       "come back");
}


static void
only_its_borrower_takes_it(void)
{
    memset(&l, 0, sizeof(l));

    (void) cdr_lend(&l, 3, 7, 11, 100, 0);

    ok(cdr_lend_take(&l, 4, 7) == CDR_LENDS, "another slot gets nothing");
    ok(cdr_lend_take(&l, 3, 8) == CDR_LENDS, "nor its next owner");
}


static void
places_are_few(void)
{
    uint32_t  i;

    memset(&l, 0, sizeof(l));

    for (i = 0; i < CDR_LENDS; i++) {
        (void) cdr_lend(&l, 3, 7, 11, i, 0);
    }

    ok(cdr_lend_find(&l, CDR_LENDS - 1) == CDR_LENDS - 1, "all are lent");
    ok(cdr_lend(&l, 3, 7, 11, 100, 0) == CDR_LENDS, "one more is not");
}


static void
what_nobody_took_is_taken_back(void)
{
    uint32_t  i;

    memset(&l, 0, sizeof(l));

    i = cdr_lend(&l, 3, 7, 11, 100, 0);

    ok(cdr_lend_recall(&l, i) == CDR_OK, "what was not taken comes back");
    ok(cdr_lend_take(&l, 3, 7) == CDR_LENDS, "and cannot be taken");
    ok(cdr_lend_find(&l, 100) == CDR_LENDS, "its place is free");

    i = cdr_lend(&l, 3, 7, 11, 100, 0);
    (void) cdr_lend_take(&l, 3, 7);

    ok(cdr_lend_recall(&l, i) == CDR_DECLINED, "what was taken does not");
    ok(cdr_lend_find(&l, 100) == i, "and stays");
}


static void
the_dead_give_back(void)
{
    uint32_t  taken;

    memset(&l, 0, sizeof(l));

    (void) cdr_lend(&l, 3, 7, 11, 1, 0);
    taken = cdr_lend_take(&l, 3, 7);

    (void) cdr_lend(&l, 3, 7, 11, 2, 0);
    (void) cdr_lend(&l, 3, 8, 11, 3, 0);
    (void) cdr_lend(&l, 4, 7, 11, 4, 0);

    ok(cdr_lend_release_owner(&l, 3, 7) == 2, "two were the dead owner's");
    ok(cdr_lend_back(&l, 0, &state) == taken && state == CDR_LEND_LOST,
       "what it had taken is lost");

    cdr_lend_return(&l, taken, CDR_LEND_DONE, 503);

    (void) cdr_lend_back(&l, 0, &state);

    ok(state == CDR_LEND_LOST, "and not done by a dead hand");
    ok(cdr_lend_take(&l, 3, 8) == cdr_lend_find(&l, 3),
       "the slot's next owner keeps its own");
    ok(cdr_lend_release_owner(&l, 3, 7) == 0, "nothing is lost twice");
}
