/* Figures: their numbers, their names, and all of them as JSON. */

#include "cdr.h"
#include "cdr_figures.h"

#include "cdr_test.h"


#define CELLS  4


static void
test_numbers(void)
{
    uint32_t                    i, next;
    bool                        good, named;
    const cdr_figure_family_t  *f;

    next = 0;
    good = true;
    named = true;

    for (f = cdr_figure_families(); f->n; f++) {
        good = good && f->first == next && (f->labels || f->n == 1);
        named = named && f->name.len;
        next += f->n;

        for (i = 0; f->labels && i < f->n; i++) {
            named = named && f->labels[i].len;
        }
    }

    ok(good && next == CDR_FIGURES,
       "the families have every figure once, in their order");
    ok(named, "and each has a name");
}


static void
test_endings(void)
{
    ok(cdr_figure_ending(CDR_CLOSE_TOO_SLOW, false)
       == CDR_ENDED_CDR_CLOSE_TOO_SLOW
       && strcmp((char *) cdr_figure_ending_label(
                              CDR_ENDED_CDR_CLOSE_TOO_SLOW).data,
                 "too_slow")
          == 0,
       "a connection that the hub ended counts by the label of its code");
    ok(cdr_figure_ending(CDR_CLOSE_NORMAL, true)
       == CDR_ENDED_CDR_CLOSE_NORMAL
       && cdr_figure_ending(CDR_CLOSE_GOING_AWAY, true)
          == CDR_ENDED_CDR_CLOSE_GOING_AWAY
       && cdr_figure_ending(CDR_CLOSE_NO_STATUS, true)
          == CDR_ENDED_CDR_CLOSE_NO_STATUS,
       "so do those codes with which a client takes its leave");
    ok(cdr_figure_ending(CDR_CLOSE_TOO_SLOW, true) == CDR_ENDED_OTHER
       && cdr_figure_ending(CDR_CLOSE_REVOKED, true) == CDR_ENDED_OTHER
       && cdr_figure_ending(3000, true) == CDR_ENDED_OTHER,
       "but no client can count as one of the hub's own reasons");
    ok(cdr_figure_ending(0, false) == CDR_ENDED_OTHER,
       "a code that is none counts as well");
}


static void
test_sent(cdr_cells_t *cells)
{
    static const cdr_str_t  welcome = cdr_str("welcome"), e = cdr_str("e"),
                            f = cdr_str("f"), g = cdr_str("g");

    (void) cdr_cells_add(cells, CDR_CELL_RECEIVED, e);
    (void) cdr_cells_add(cells, CDR_CELL_SENT, e);
    (void) cdr_cells_add(cells, CDR_CELL_SENT, welcome);
    (void) cdr_cells_add(cells, CDR_CELL_SENT, f);

    ok(cdr_figure_sent(cells, e) == CDR_FIGURES + 1
       && cdr_figure_sent(cells, f) == CDR_FIGURES + 3,
       "an event counts in its cell");
    ok(cdr_figure_sent(cells, welcome) == CDR_FIGURE_SENT + CDR_SENT_WELCOME,
       "one that is called as a native message in that one's figure");
    ok(cdr_figure_sent(cells, g) == CDR_FIGURE_SENT + CDR_SENT_OTHER,
       "and one without a cell as \"other\"");
}


static void
test_json(cdr_cells_t *cells)
{
    size_t                      len;
    uint64_t                    sums[CDR_FIGURES + CELLS];
    const char                 *want;
    const cdr_figure_family_t  *f;
    uint8_t                     buf[512];

    memset(sums, 0, sizeof(sums));

    ok(cdr_figures_json(buf, cells, sums) == 2 && memcmp(buf, "{}", 2) == 0,
       "no figures are an empty object");

    sums[CDR_FIGURE_CONNECTIONS] = 12;
    sums[CDR_FIGURE_REFUSED + CDR_REFUSE_KEY] = 3;
    sums[CDR_FIGURE_RECEIVED + CDR_COMMAND_PING] = 4;
    sums[CDR_FIGURE_RECEIVED + CDR_RECEIVED_INVALID] = 5;
    sums[CDR_FIGURE_SENT + CDR_SENT_PONG] = 4;
    sums[CDR_FIGURES + 0] = 6;
    sums[CDR_FIGURES + 1] = UINT64_MAX - 4;

    want = "{\"connectionsTotal\":12,\"refused\":{\"bad_key\":3},"
           "\"messagesReceived\":{\"ping\":4,\"invalid\":5,\"e\":6},"
           "\"messagesSent\":{\"pong\":4,\"e\":18446744073709551611}}";

    len = cdr_figures_json(NULL, cells, sums);

    ok(len == strlen(want) && cdr_figures_json(buf, cells, sums) == len
       && memcmp(buf, want, len) == 0,
       "figures are told by name where they are not 0");

    for (f = cdr_figure_families(); f->first != CDR_FIGURE_RECEIVED; f++) {
        /* void */
    }

    ok(cdr_figure_total(f, cells, sums) == 15,
       "the total of a family has its cells in it, and no others");
}


int
main(void)
{
    void         *mem;
    cdr_cells_t   cells;

    test_numbers();
    test_endings();

    mem = aligned_alloc(64, (cdr_cells_size(CELLS) + 63) & ~(size_t) 63);

    (void) cdr_cells_init(mem, CELLS);
    (void) cdr_cells_attach(&cells, mem, cdr_cells_size(CELLS));

    test_sent(&cells);
    test_json(&cells);

    free(mem);

    return done_testing();
}
