/*
 * How long somebody is to be seen at least, by what is surely known: times of
 * the server, and when nothing of it was still to be read.
 */

#define _GNU_SOURCE

#include "soak.h"

#include <stdlib.h>
#include <string.h>


/* A worker's clock is that of its turn, and a diff waits for the next. */

#define BENCH_STALE  (300 * BENCH_MS)


static uint64_t bench_stay_sure(bench_t *b, int i, bool waited);


void
bench_stay_begin(bench_t *b, int i)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];

    s->before = s->stay;
    s->stay.from = bench_wall();
    s->stay.until = 0;
    s->heard = 0;
    s->there = true;
}


/* Its connection was there at that time, as it has brought this. */

void
bench_stay_heard(bench_t *b, int i, const unsigned char *data, size_t len)
{
    uint64_t              at;
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];
    at = bench_stamp(data, len);

    if (at > s->heard) {
        s->heard = at;
    }
}


/*
 * What is read first of the end counts: the server lets go of a reviewer with
 * the close frame.  A connection without a welcome may never have counted.
 */

void
bench_stay_end(bench_t *b, int i, uint64_t retry, bool waited)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];

    if (!s->there) {
        return;
    }

    s->there = false;
    s->stay.until = bench_stay_sure(b, i, waited) + retry
                    + (uint64_t) (b->conf.leave * 1e9);
}


/* Is it wrong that the server saw it offline at that time? */

bool
bench_stay_flaps(bench_t *b, int i, uint64_t at)
{
    uint64_t              until;
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];

    if (s->stay.from && at > s->stay.from + BENCH_STALE) {
        until = s->there
                ? bench_stay_sure(b, i, false)
                  + (uint64_t) (b->conf.leave * 1e9)
                : s->stay.until;

    } else if (s->before.from && at > s->before.from + BENCH_STALE) {
        until = s->before.until;

    } else {

        /* that was before all that is known */

        return false;
    }

    return at + BENCH_STALE < until;
}


/*
 * When it was there at last: the time of the latest message that came, or when
 * nothing was left to be read, unless the end has waited in the server.
 */

static uint64_t
bench_stay_sure(bench_t *b, int i, bool waited)
{
    uint64_t              quiet;
    bench_soak_client_t  *s;

    s = &b->soak->clients[i];
    quiet = waited ? 0 : bench_quiet(b, &b->conns[i]);

    return quiet > s->heard ? quiet : s->heard;
}


/* The "timestamp" of a message, in ns; 0 if there is none. */

uint64_t
bench_stamp(const unsigned char *data, size_t len)
{
    size_t                n;
    const unsigned char  *p;

    static const char  name[] = "\"timestamp\":";

    n = sizeof(name) - 1;

    p = memmem(data, len, name, n);

    if (p == NULL || (size_t) (data + len - p) < n + 14) {
        return 0;
    }

    return strtoull((const char *) p + n, NULL, 10) * BENCH_MS;
}
