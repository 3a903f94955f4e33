/* Histograms: laid out, observed, read, killed while they are observed. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_histogram.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define N  (CDR_HISTOGRAMS + 2)


static void
test_layout(void)
{
    void              *mem;
    size_t             size;
    cdr_histograms_t   t;

    size = cdr_histogram_size(N);
    mem = aligned_alloc(64, (size + 63) & ~(size_t) 63);
    memset(mem, 0, size);

    ok(cdr_histogram_attach(&t, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for histograms");

    memset(mem, 0xa5, size);

    ok(cdr_histogram_init(mem, N) == CDR_OK
       && cdr_histogram_attach(&t, mem, size) == CDR_OK && t.n == N,
       "histograms are laid out over old bytes");
    ok(cdr_histogram_attach(&t, mem, size - 1) == CDR_ERROR
       && cdr_histogram_attach(&t, mem, 8) == CDR_ERROR,
       "they do not fit in less than their size");
    ok(cdr_histogram_size(0) == 0 && cdr_histogram_init(mem, 0) == CDR_ERROR
       && cdr_histogram_size(UINT32_MAX) == 0,
       "there is at least one, and not too many");

    ((uint32_t *) mem)[1]++;

    ok(cdr_histogram_attach(&t, mem, size) == CDR_DECLINED,
       "another layout version is declined");

    free(mem);
}


static void
test_names(void)
{
    uint32_t                       row;
    const cdr_histogram_family_t  *f;

    row = 0;

    for (f = cdr_histogram_families(); f->n; f++) {

        if (f->first != row || (f->n > 1) != (f->labels != NULL)
            || f->help.data[f->help.len - 1] != '.')
        {
            break;
        }

        row += f->n;
    }

    ok(f->n == 0 && row == CDR_HISTOGRAMS,
       "each row belongs to one family, and each family has a text");
    ok(cdr_histogram_sent(CDR_FIGURE_SENT + 3) == CDR_HISTOGRAM_SENT + 3
       && cdr_histogram_sent(CDR_FIGURES) == CDR_HISTOGRAMS
       && cdr_histogram_sent(CDR_FIGURES + 1) == N - 1,
       "events have a row of their own as they have a figure");
}


static void
test_observe(const cdr_histograms_t *t)
{
    uint32_t         i;
    const uint64_t  *bound;
    cdr_histogram_t  h, sum;

    bound = cdr_histogram_bounds();

    for (i = 0; i < CDR_HISTOGRAM_BOUNDS; i++) {
        cdr_histogram_observe(t, 1, bound[i]);
        cdr_histogram_observe(t, 1, bound[i] + 1);
    }

    cdr_histogram_observe(t, 1, 0);
    cdr_histogram_observe(t, N, 1);
    cdr_histogram_observe(t, UINT32_MAX, 1);

    cdr_histogram_read(t, 1, &h);

    for (i = 0; i < CDR_HISTOGRAM_BUCKETS; i++) {
        if (h.buckets[i] != (uint32_t) (i == CDR_HISTOGRAM_BOUNDS ? 1 : 2)) {
            break;
        }
    }

    ok(i == CDR_HISTOGRAM_BUCKETS && h.count == 2 * CDR_HISTOGRAM_BOUNDS + 1,
       "a bound belongs to its bucket, what is above it to the next");
    ok(h.sum == 2 * 19444350ull + CDR_HISTOGRAM_BOUNDS,
       "all of it is in the sum");

    memset(&sum, 0, sizeof(sum));
    cdr_histogram_add(&sum, &h);
    cdr_histogram_add(&sum, &h);

    ok(sum.count == 2 * h.count && sum.sum == 2 * h.sum
       && sum.buckets[3] == 4,
       "histograms can be added");

    cdr_histogram_read(t, 0, &h);

    ok(h.count == 0 && h.sum == 0, "the one beside it is empty");
}


static void
test_quantiles(const cdr_histograms_t *t)
{
    int              i;
    cdr_histogram_t  h;

    cdr_histogram_read(t, 2, &h);

    ok(cdr_histogram_quantile(&h, 500) == 0, "without any, there is none");

    for (i = 0; i < 90; i++) {
        cdr_histogram_observe(t, 2, 700);
    }

    for (i = 0; i < 10; i++) {
        cdr_histogram_observe(t, 2, 40000);
    }

    cdr_histogram_read(t, 2, &h);

    ok(cdr_histogram_quantile(&h, 450) == 750
       && cdr_histogram_quantile(&h, 900) == 1000,
       "a quantile lies in its bucket, as deep as its rank");
    ok(cdr_histogram_quantile(&h, 950) == 37500
       && cdr_histogram_quantile(&h, 1000) == 50000,
       "those above it beyond empty ones");

    cdr_histogram_observe(t, 2, UINT32_MAX);
    cdr_histogram_read(t, 2, &h);

    ok(cdr_histogram_quantile(&h, 1000) == 10000000,
       "none is above the last bound");
}


static void
observe(void *mem)
{
    cdr_histograms_t  t;

    (void) cdr_histogram_attach(&t, mem, cdr_histogram_size(N));
    cdr_histogram_observe(&t, 0, 300);
    cdr_histogram_observe(&t, 0, 300);
}


static bool
usable(void *mem)
{
    uint64_t          n;
    cdr_histogram_t   h;
    cdr_histograms_t  t;

    if (cdr_histogram_attach(&t, mem, cdr_histogram_size(N)) != CDR_OK) {
        return false;
    }

    cdr_histogram_read(&t, 0, &h);
    n = h.count;

    cdr_histogram_observe(&t, 0, 300);
    cdr_histogram_read(&t, 0, &h);

    return n >= 1 && n <= 3 && h.count == n + 1 && h.buckets[2] == n + 1
           && (h.sum == (n + 1) * 300 || h.sum == (n + 2) * 300);
}


int
main(void)
{
    void              *mem;
    cdr_step_t         step;
    cdr_histograms_t   t;

    test_layout();
    test_names();

    mem = cdr_step_map(cdr_histogram_size(N));
    (void) cdr_histogram_init(mem, N);
    (void) cdr_histogram_attach(&t, mem, cdr_histogram_size(N));

    test_observe(&t);
    test_quantiles(&t);

    (void) cdr_histogram_init(mem, N);
    cdr_histogram_observe(&t, 0, 300);

    step.mem = mem;
    step.size = cdr_histogram_size(N);
    step.op = observe;
    step.check = usable;

    ok_step(&step, "killed at any instruction, nothing that was observed is "
            "lost");

    return done_testing();
}
