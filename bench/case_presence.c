/* Presence: reviewers who change, and when those who watch are told. */

#define _GNU_SOURCE

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void bench_presence_for(bench_t *b, double seconds);
static void bench_presence_say(bench_t *b, bench_conn_t *c, uint32_t n);
static void bench_presence_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_presence_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_presence_wait(bench_t *b, uint64_t *what, uint64_t n);


static const char  bench_presence_watch[] =
    "{\"type\":\"subscribe\",\"channel\":\"presence:updates\"}";

static const char  bench_presence_mark[] = "\"currentFeature\":\"change-";

static uint64_t  *bench_presence_due;       /* of each change */
static uint32_t   bench_presence_n;
static uint64_t   bench_presence_lists;
static uint64_t   bench_presence_seen;


/* The first "watchers" of all clients watch; each change is of the next. */

void
bench_presence(bench_t *b)
{
    double    seconds;
    uint64_t  cpu, changes, start;

    seconds = b->conf.seconds;

    bench_presence_due = calloc((size_t) (b->conf.changes * seconds * 2) + 16,
                                sizeof(uint64_t));
    if (bench_presence_due == NULL) {
        bench_fail("no memory");
    }

    b->open = bench_presence_opened;
    b->message = bench_presence_message;

    bench_open_all(b);
    bench_presence_wait(b, &bench_presence_lists, (uint64_t) b->conf.watchers);
    bench_rest(b, BENCH_SECOND);

    bench_presence_for(b, seconds / 4);
    bench_forget(b);

    changes = bench_presence_n;
    start = bench_clock();
    cpu = bench_proc_cpu(b->conf.pid);

    bench_presence_for(b, seconds);

    cpu = bench_cpu_since(b, cpu);
    changes = bench_presence_n - changes;

    b->lost = (uint64_t) bench_presence_n * (uint64_t) b->conf.watchers
              - bench_presence_seen;

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"clients\":%d,"
           "\"watchers\":%d,\"changes\":%llu,\"cpu_us\":%.4f,"
           "\"cpu_percent\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"max_us\":%.1f,\"lost\":%llu,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients,
           b->conf.watchers, (unsigned long long) changes,
           (double) cpu / 1000 / (double) changes,
           (double) cpu * 100 / (double) (bench_clock() - start),
           bench_hist_at(&b->latency, 0.5), bench_hist_at(&b->latency, 0.99),
           bench_hist_at(&b->latency, 1), (unsigned long long) b->lost,
           (unsigned long long) b->errors);
}


static void
bench_presence_for(bench_t *b, double seconds)
{
    uint32_t  i, n;
    uint64_t  start, due;

    n = (uint32_t) (seconds * b->conf.changes);
    start = bench_clock() + BENCH_SECOND / 100;

    for (i = 0; i < n; i++) {
        due = start + (uint64_t) ((double) i / b->conf.changes * 1e9);

        while (bench_clock() < due) {
            bench_turn(b, due);
        }

        bench_presence_due[bench_presence_n] = due;
        bench_presence_say(b, &b->conns[bench_presence_n
                                        % (uint32_t) b->conf.clients],
                           bench_presence_n);
        bench_presence_n++;
    }

    bench_presence_wait(b, &bench_presence_seen,
                        (uint64_t) bench_presence_n
                        * (uint64_t) b->conf.watchers);
}


static void
bench_presence_say(bench_t *b, bench_conn_t *c, uint32_t n)
{
    int   len;
    char  text[126];

    len = snprintf(text, sizeof(text),
                   "{\"type\":\"presence-update\",\"status\":\"busy\","
                   "\"currentFeature\":\"change-%010u\"}", n);

    bench_conn_send(b, c, 0x1, text, (size_t) len);
}


static void
bench_presence_opened(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    (void) data;
    (void) len;

    if (c->id < b->conf.watchers) {
        bench_conn_send(b, c, 0x1, bench_presence_watch,
                        sizeof(bench_presence_watch) - 1);
    }
}


/* One change or many; a list has been there before the first. */

static void
bench_presence_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len)
{
    uint64_t              now;
    unsigned long         n;
    const unsigned char  *p, *end;

    (void) c;

    if (bench_is(data, len, "presence-list")) {
        bench_presence_lists++;
        return;
    }

    if (!bench_is(data, len, "presence-update")
        && !bench_is(data, len, "presence-diff"))
    {
        if (bench_is(data, len, "error")) {
            b->errors++;
        }

        return;
    }

    now = bench_clock();
    end = data + len;

    while ((p = memmem(data, (size_t) (end - data), bench_presence_mark,
                       sizeof(bench_presence_mark) - 1)) != NULL)
    {
        data = p + sizeof(bench_presence_mark) - 1;
        n = strtoul((const char *) data, NULL, 10);

        if (n >= bench_presence_n) {
            b->errors++;
            return;
        }

        bench_presence_seen++;
        bench_hist_add(&b->latency, now - bench_presence_due[n]);
    }
}


/* Until there are so many, or nothing has come for three seconds. */

static void
bench_presence_wait(bench_t *b, uint64_t *what, uint64_t n)
{
    uint64_t  seen, since;

    seen = *what;
    since = bench_clock();

    while (*what < n && bench_clock() - since < 3 * BENCH_SECOND) {
        bench_turn(b, bench_clock() + BENCH_SECOND / 10);

        if (*what != seen) {
            seen = *what;
            since = bench_clock();
        }
    }
}
