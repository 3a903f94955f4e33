/* Latencies, in buckets of 1/64 of their size. */

#include "bench.h"


static unsigned bench_hist_bucket(uint64_t ns);
static uint64_t bench_hist_value(unsigned i);


void
bench_hist_add(bench_hist_t *h, uint64_t ns)
{
    if (h->n == 0 || ns < h->min) {
        h->min = ns;
    }

    if (ns > h->max) {
        h->max = ns;
    }

    h->n++;
    h->buckets[bench_hist_bucket(ns)]++;
}


double
bench_hist_at(const bench_hist_t *h, double quantile)
{
    unsigned  i;
    uint64_t  sum, rank;

    if (h->n == 0) {
        return 0;
    }

    rank = (uint64_t) (quantile * (double) (h->n - 1));
    sum = 0;

    if (quantile <= 0) {
        return (double) h->min / 1000;
    }

    if (rank >= h->n - 1) {
        return (double) h->max / 1000;
    }

    for (i = 0; i < BENCH_HIST_SIZE; i++) {
        sum += h->buckets[i];

        if (sum > rank) {
            break;
        }
    }

    return (double) bench_hist_value(i) / 1000;
}


/* Below 128 the value itself; then 64 for each power of two. */

static unsigned
bench_hist_bucket(uint64_t ns)
{
    unsigned  shift;

    if (ns < 128) {
        return (unsigned) ns;
    }

    shift = 57 - (unsigned) __builtin_clzll(ns);

    return (shift << 6) + (unsigned) (ns >> shift);
}


static uint64_t
bench_hist_value(unsigned i)
{
    unsigned  shift;

    if (i < 128) {
        return i;
    }

    shift = (i >> 6) - 1;

    return ((uint64_t) ((i & 63) + 64) << shift) + (1ull << shift) / 2;
}
