/*
 * Presence: reviewers who change, and when those who watch are told.
 *
 * A watcher gets changes only once it has its list, so nothing changes before
 * all have theirs; and each must then get each change once.
 */

#define _GNU_SOURCE

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* What a watcher has had. */

typedef struct {
    uint32_t   lists;
    uint64_t  *told;            /* a bit for each change */
} bench_watcher_t;


static void bench_presence_prepare(bench_t *b);
static uint64_t bench_presence_ready(bench_t *b);
static void bench_presence_for(bench_t *b, double seconds);
static void bench_presence_say(bench_t *b, bench_conn_t *c, uint32_t n);
static void bench_presence_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_presence_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_presence_list(bench_t *b, bench_watcher_t *w);
static void bench_presence_told(bench_t *b, bench_watcher_t *w, uint32_t n);
static void bench_presence_wait(bench_t *b, uint64_t *what, uint64_t n);


static const char  bench_presence_watch[] =
    "{\"type\":\"subscribe\",\"channel\":\"presence:updates\"}";

static const char  bench_presence_mark[] = "\"currentFeature\":\"change-";

static bench_watcher_t  *bench_presence_watchers;
static uint64_t         *bench_presence_due;    /* of each change */
static uint32_t          bench_presence_n;
static uint64_t          bench_presence_lists;  /* first ones */
static uint64_t          bench_presence_seen;   /* changes, each once for each
                                                   watcher */


/* The first "watchers" of all clients watch; each change is of the next. */

void
bench_presence(bench_t *b)
{
    double    seconds;
    uint64_t  cpu, changes, start, lists;

    seconds = b->conf.seconds;

    b->open = bench_presence_opened;
    b->message = bench_presence_message;

    bench_presence_prepare(b);
    lists = bench_presence_ready(b);

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
           "\"watchers\":%d,\"lists_us\":%.1f,\"changes\":%llu,"
           "\"cpu_us\":%.4f,\"cpu_percent\":%.1f,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f,\"lost\":%llu,"
           "\"doubled\":%llu,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients,
           b->conf.watchers, (double) lists / 1000,
           (unsigned long long) changes,
           (double) cpu / 1000 / (double) changes,
           (double) cpu * 100 / (double) (bench_clock() - start),
           bench_hist_at(&b->latency, 0.5), bench_hist_at(&b->latency, 0.99),
           bench_hist_at(&b->latency, 1), (unsigned long long) b->lost,
           (unsigned long long) b->doubled, (unsigned long long) b->errors);
}


static void
bench_presence_prepare(bench_t *b)
{
    int        i;
    size_t     max, words;
    uint64_t  *told;

    max = (size_t) (b->conf.changes * b->conf.seconds * 2) + 16;
    words = max / 64 + 1;

    bench_presence_due = calloc(max, sizeof(uint64_t));
    bench_presence_watchers = calloc((size_t) b->conf.watchers,
                                     sizeof(bench_watcher_t));
    told = calloc((size_t) b->conf.watchers * words, sizeof(uint64_t));

    if (bench_presence_due == NULL || bench_presence_watchers == NULL
        || told == NULL)
    {
        bench_fail("no memory");
    }

    for (i = 0; i < b->conf.watchers; i++) {
        bench_presence_watchers[i].told = told + (size_t) i * words;
    }
}


/* All are there, and watch; how long the last list took, from all connected. */

static uint64_t
bench_presence_ready(bench_t *b)
{
    uint64_t  start, n;

    bench_open_all(b);

    start = bench_clock();
    n = (uint64_t) b->conf.watchers;

    bench_presence_wait(b, &bench_presence_lists, n);

    if (bench_presence_lists < n) {
        bench_fail("%llu of %d watchers have no list",
                   (unsigned long long) (n - bench_presence_lists),
                   b->conf.watchers);
    }

    start = bench_clock() - start;

    bench_rest(b, BENCH_SECOND);

    return start;
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


/* One change or many. */

static void
bench_presence_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len)
{
    unsigned long         n;
    bench_watcher_t      *w;
    const unsigned char  *p, *end;

    if (bench_is(data, len, "error")) {
        b->errors++;
        return;
    }

    if (c->id >= b->conf.watchers) {
        return;
    }

    w = &bench_presence_watchers[c->id];

    if (bench_is(data, len, "presence-list")) {
        bench_presence_list(b, w);
        return;
    }

    if (!bench_is(data, len, "presence-update")
        && !bench_is(data, len, "presence-diff"))
    {
        return;
    }

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

        bench_presence_told(b, w, (uint32_t) n);
    }
}


/* A second list, or one after the first change, hides what is missing. */

static void
bench_presence_list(bench_t *b, bench_watcher_t *w)
{
    if (w->lists++ || bench_presence_n) {
        b->errors++;
        return;
    }

    bench_presence_lists++;
}


static void
bench_presence_told(bench_t *b, bench_watcher_t *w, uint32_t n)
{
    uint64_t  bit;

    bit = 1ull << n % 64;

    if (w->told[n / 64] & bit) {
        b->doubled++;
        return;
    }

    w->told[n / 64] |= bit;

    bench_presence_seen++;
    bench_hist_add(&b->latency, bench_clock() - bench_presence_due[n]);
}


/* Until there are so many; however quiet it is meanwhile. */

static void
bench_presence_wait(bench_t *b, uint64_t *what, uint64_t n)
{
    uint64_t  now, until;

    now = bench_clock();
    until = now + (uint64_t) (b->conf.wait * 1e9);

    while (*what < n && now < until) {
        bench_turn(b, until);
        now = bench_clock();
    }
}
