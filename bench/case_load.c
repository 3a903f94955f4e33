/* A server that is used as one is: events and pings, with their latencies. */

#include "bench.h"

#include <stdio.h>
#include <string.h>


static void bench_load_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_latencies(const char *name, const bench_hist_t *h);


/* Many messages of each client, each answered, and events for all. */

void
bench_load(bench_t *b)
{
    int       i;
    uint64_t  start, due, end, all;

    b->message = bench_load_message;

    bench_posts_open(b);
    bench_open_all(b);

    start = bench_clock();
    due = start;
    all = (uint64_t) b->conf.clients * (uint64_t) b->conf.count;

    for (i = 0; i < b->conf.clients; i++) {
        bench_ping(b, &b->conns[i]);
    }

    while (b->replies < all && b->errors == 0) {
        bench_turn(b, due);

        if (bench_clock() >= due) {
            bench_post(b, &b->posts[0], due);
            due += (uint64_t) (1e9 / b->conf.rate);
        }
    }

    end = bench_clock();

    bench_drain(b);
    bench_audit_end(b);

    printf("{\"case\":\"%s\",\"clients\":%d,\"messages\":%llu,"
           "\"events\":%u,\"delivered\":%llu,\"per_second\":%.0f,",
           b->conf.test, b->conf.clients, (unsigned long long) b->replies,
           b->posts[0].n, (unsigned long long) b->delivered,
           (double) b->replies / (double) (end - start) * 1e9);

    bench_latencies("replies", &b->reply);
    bench_latencies("published", &b->latency);

    printf("\"lost\":%llu,\"doubled\":%llu,\"reordered\":%llu,"
           "\"errors\":%llu}\n",
           (unsigned long long) b->lost, (unsigned long long) b->doubled,
           (unsigned long long) b->reordered, (unsigned long long) b->errors);
}


static void
bench_load_message(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    int   n;
    char  expected[64];

    n = snprintf(expected, sizeof(expected), "{\"type\":\"pong\",\"id\":%u,",
                 c->nsent);

    if (len < (size_t) n || memcmp(data, expected, (size_t) n) != 0) {

        /* an event, or an error */

        bench_audit(b, c, data, len);
        return;
    }

    bench_hist_add(&b->reply, bench_clock() - c->sent);
    b->replies++;

    if (c->nsent < (uint32_t) b->conf.count) {
        bench_ping(b, c);
    }
}


static void
bench_latencies(const char *name, const bench_hist_t *h)
{
    printf("\"%s\":{\"min\":%.1f,\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f,"
           "\"max\":%.1f},", name, bench_hist_at(h, 0),
           bench_hist_at(h, 0.5), bench_hist_at(h, 0.95),
           bench_hist_at(h, 0.99), bench_hist_at(h, 1));
}
