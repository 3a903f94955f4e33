/* Clients that come back: what a missed event costs, and others meanwhile. */

#define _GNU_SOURCE

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BENCH_ID      64
#define BENCH_MISSED  100       /* events of a resume beside live ones */
#define BENCH_RING    (BENCH_MISSED + 1)


static size_t bench_resume_path(bench_t *b, bench_conn_t *c, char *buf,
    size_t size);
static void bench_resume_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_resume_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_resume_done(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_resume_ended(bench_t *b, bench_conn_t *c);
static uint64_t bench_resume_round(bench_t *b, uint64_t missed);
static void bench_resume_leave(bench_t *b);

static size_t bench_resumes_path(bench_t *b, bench_conn_t *c, char *buf,
    size_t size);
static void bench_resumes_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_resumes_for(bench_t *b, double seconds);
static void bench_resumes_next(bench_t *b);


static char      bench_since[BENCH_RING][BENCH_ID];   /* a ring */
static uint64_t  bench_since_n;
static uint64_t  bench_replayed;
static int       bench_returning;       /* they were there before */


/*
 * All clients come back at once: first with nothing missed, then with "count"
 * events.  What differs is the cost of these.  A server that cannot replay
 * delivers them live.
 */

void
bench_resume(bench_t *b)
{
    uint32_t  n;
    uint64_t  idle, cpu;

    if (!b->conf.peer->event) {
        bench_fixed(b);
        return;
    }

    b->path = bench_resume_path;
    b->open = bench_resume_opened;
    b->message = bench_resume_message;
    b->end = bench_resume_ended;

    bench_posts_open(b);
    bench_open_all(b);
    bench_resume_leave(b);

    bench_returning = 1;

    (void) bench_resume_round(b, 0);
    idle = bench_resume_round(b, 0);

    for (n = 0; n < (uint32_t) b->conf.count; n++) {
        bench_post(b, &b->posts[0], bench_clock());

        while (b->posts[0].answered <= n) {
            bench_turn(b, 0);
        }
    }

    bench_forget(b);
    cpu = bench_resume_round(b, (uint64_t) b->conf.count);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"clients\":%d,"
           "\"messages\":%d,\"cpu_us\":%.4f,\"resume_us\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients, b->conf.count,
           ((double) cpu - (double) idle) / 1000 / b->conf.count
           / b->conf.clients,
           (double) idle / 1000 / b->conf.clients,
           bench_hist_at(&b->reply, 0.5), bench_hist_at(&b->reply, 0.99),
           (unsigned long long) b->errors);
}


static size_t
bench_resume_path(bench_t *b, bench_conn_t *c, char *buf, size_t size)
{
    (void) c;

    return (size_t) snprintf(buf, size, bench_returning ? "%s?since=%s" : "%s",
                             b->conf.peer->path, bench_since[0]);
}


static void
bench_resume_opened(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    (void) b;
    (void) c;

    if (bench_since_n == 0
        && bench_value(data, len, "lastEventId", bench_since[0], BENCH_ID))
    {
        bench_since_n = 1;
    }
}


static void
bench_resume_message(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    if (bench_is(data, len, "task-status-changed")) {
        bench_replayed++;

    } else if (bench_is(data, len, "resumed")) {
        bench_resume_done(b, c, data, len);

    } else {
        b->errors++;
    }
}


static void
bench_resume_done(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    if (memmem(data, len, "\"recovered\":true", 16) == NULL) {
        bench_fail("not recovered: %.*s", (int) len, data);
    }

    bench_hist_add(&b->reply, bench_clock() - c->sent);
    b->replies++;

    bench_conn_send(b, c, 0x8, "\x03\xe8", 2);
    c->state = BENCH_CLOSING;
}


static void
bench_resume_ended(bench_t *b, bench_conn_t *c)
{
    (void) c;

    b->done++;
}


/* All of them, and out again: the CPU it took. */

static uint64_t
bench_resume_round(bench_t *b, uint64_t missed)
{
    uint64_t  cpu, n;

    b->done = 0;
    bench_replayed = 0;

    cpu = bench_proc_cpu(b->conf.pid);

    bench_open_all(b);

    while (b->done < b->conf.clients) {
        bench_turn(b, 0);
    }

    cpu = bench_cpu_since(b, cpu);
    n = missed * (uint64_t) b->conf.clients;

    if (bench_replayed != n) {
        bench_fail("%llu events were missed, but %llu came",
                   (unsigned long long) n,
                   (unsigned long long) bench_replayed);
    }

    return cpu;
}


static void
bench_resume_leave(bench_t *b)
{
    int  i;

    b->done = 0;

    for (i = 0; i < b->conf.clients; i++) {
        bench_conn_send(b, &b->conns[i], 0x8, "\x03\xe8", 2);
        b->conns[i].state = BENCH_CLOSING;
    }

    while (b->done < b->conf.clients) {
        bench_turn(b, 0);
    }
}


/*
 * Live events for all clients, while "resumes" others a second come, get the
 * last hundred events, and go.
 */

void
bench_resumes(bench_t *b)
{
    double    seconds;
    uint64_t  cpu, start, n, p99;

    b->path = bench_resumes_path;
    b->message = bench_resumes_message;
    b->end = bench_resume_ended;

    bench_posts_open(b);
    bench_open_all(b);

    /* what is missed later, and the live events alone */

    seconds = b->conf.seconds;

    for (n = 0; n < BENCH_RING; n++) {
        bench_post(b, &b->posts[0], bench_clock());
        bench_turn(b, bench_clock() + BENCH_SECOND / 100);
    }

    bench_drain(b);
    bench_forget(b);
    bench_fixed_rate(b, seconds / 2);
    bench_drain(b);

    p99 = (uint64_t) bench_hist_at(&b->latency, 0.99);

    bench_resumes_for(b, seconds / 4);
    bench_forget(b);
    bench_replayed = 0;

    start = bench_clock();
    cpu = bench_proc_cpu(b->conf.pid);
    bench_resumes_for(b, seconds);
    cpu = bench_cpu_since(b, cpu);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"clients\":%d,"
           "\"resumes\":%llu,\"per_second\":%.0f,\"replayed\":%llu,"
           "\"cpu_percent\":%.1f,\"resume_p50_us\":%.1f,"
           "\"resume_p99_us\":%.1f,\"alone_p99_us\":%llu,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"lost\":%llu,\"doubled\":%llu,"
           "\"reordered\":%llu,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients,
           (unsigned long long) b->replies,
           (double) b->replies * 1e9 / (double) (bench_clock() - start),
           (unsigned long long) bench_replayed,
           (double) cpu * 100 / (double) (bench_clock() - start),
           bench_hist_at(&b->reply, 0.5), bench_hist_at(&b->reply, 0.99),
           (unsigned long long) p99, bench_hist_at(&b->latency, 0.5),
           bench_hist_at(&b->latency, 0.99), (unsigned long long) b->lost,
           (unsigned long long) b->doubled,
           (unsigned long long) b->reordered,
           (unsigned long long) b->errors);
}


static size_t
bench_resumes_path(bench_t *b, bench_conn_t *c, char *buf, size_t size)
{
    return (size_t) snprintf(buf, size,
                             c - b->conns < b->conf.clients ? "%s"
                                                            : "%s?since=%s",
                             b->conf.peer->path,
                             bench_since[bench_since_n % BENCH_RING]);
}


/* The first client knows the ids of the last events. */

static void
bench_resumes_message(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    if (c - b->conns >= b->conf.clients) {

        if (c->state == BENCH_OPEN) {
            bench_resume_message(b, c, data, len);
        }

        return;
    }

    if (c == b->conns
        && bench_value(data, len, "eventId",
                      bench_since[bench_since_n % BENCH_RING], BENCH_ID))
    {
        bench_since_n++;
    }

    bench_audit(b, c, data, len);
}


static void
bench_resumes_for(bench_t *b, double seconds)
{
    uint64_t  now, end, event, resume, i;

    now = bench_clock();
    end = now + (uint64_t) (seconds * 1e9);
    event = now;
    resume = now;

    for (i = 0; now < end; now = bench_clock()) {

        for ( /* void */ ; resume <= now; resume += (uint64_t)
                                              (1e9 / b->conf.resumes))
        {
            bench_resumes_next(b);
        }

        for ( /* void */ ; event <= now; i++) {
            bench_post(b, &b->posts[i % (uint64_t) b->conf.publishers],
                       event);
            event += (uint64_t) (1e9 / b->conf.rate);
        }

        bench_turn(b, resume < event ? resume : event);
    }

    bench_drain(b);
}


/* One more, if not all are under way: then the server is behind. */

static void
bench_resumes_next(bench_t *b)
{
    int            i;
    bench_conn_t  *c;

    for (i = 0; i < BENCH_EXTRA; i++) {
        c = &b->conns[b->conf.clients + i];

        if (c->state == BENCH_CLOSED) {
            c->id = b->conf.clients + (i + 1) * BENCH_PER_ADDRESS;
            (void) bench_conn_open(b, c);
            return;
        }
    }
}
