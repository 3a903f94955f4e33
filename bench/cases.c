/* What is measured: each case opens clients, does its work, prints a line. */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BENCH_QUIET  (3 * BENCH_SECOND)     /* then the rest will not come */


typedef struct {
    const char  *name;
    void       (*run)(bench_t *b);
} bench_case_t;


/* What there was when the measurement began. */

typedef struct {
    uint64_t     cpu;
    uint64_t     redis;
    uint64_t     posted;
    uint64_t     expected;
} bench_begun_t;


static void bench_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_ended(bench_t *b, bench_conn_t *c);

static void bench_backlog(bench_t *b);
static void bench_backlog_for(bench_t *b, double seconds);
static void bench_backlog_next(bench_t *b, bench_post_t *p);
static void bench_events_begin(bench_t *b, bench_begun_t *begun);
static void bench_events(bench_t *b, const bench_begun_t *begun);

static void bench_handshake(bench_t *b);
static void bench_handshake_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_handshake_ended(bench_t *b, bench_conn_t *c);

static void bench_inbound(bench_t *b);
static void bench_inbound_reply(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);

static void bench_memory(bench_t *b);


static const bench_case_t  bench_cases[] = {
    { "fixed",     bench_fixed },
    { "backlog",   bench_backlog },
    { "handshake", bench_handshake },
    { "inbound",   bench_inbound },
    { "memory",    bench_memory },
    { "load",      bench_load },
    { "soak",      bench_soak },
    { "presence",  bench_presence },
    { "resume",    bench_resume },
    { "resumes",   bench_resumes },
    { NULL,        NULL }
};


bool
bench_run(bench_t *b)
{
    const bench_case_t  *test;

    b->open = bench_opened;
    b->end = bench_ended;
    b->message = bench_audit;

    for (test = bench_cases; test->name; test++) {

        if (strcmp(test->name, b->conf.test) == 0) {
            test->run(b);
            return b->errors + b->lost + b->doubled + b->reordered == 0;
        }
    }

    bench_fail("there is no case \"%s\"", b->conf.test);
}


void
bench_open_all(bench_t *b)
{
    int  i;

    for (i = 0; i < b->conf.clients; i++) {
        bench_conn_open(b, &b->conns[i]);

        while (b->opening == BENCH_OPENING
               || (i + 1 == b->conf.clients && b->opening))
        {
            bench_turn(b, 0);
        }
    }
}


static void
bench_opened(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    (void) b;
    (void) c;
    (void) data;
    (void) len;
}


static void
bench_ended(bench_t *b, bench_conn_t *c)
{
    (void) b;
    (void) c;
}


/* Until every client has everything, or nothing more comes. */

void
bench_drain(bench_t *b)
{
    uint64_t  seen, since;

    seen = b->delivered;
    since = bench_clock();

    while (b->delivered < bench_expected(b)) {
        bench_turn(b, bench_clock() + BENCH_SECOND / 10);

        if (b->delivered != seen) {
            seen = b->delivered;
            since = bench_clock();
        }

        if (bench_clock() - since > BENCH_QUIET) {
            break;
        }
    }
}


uint64_t
bench_posted(bench_t *b)
{
    int       i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < b->conf.publishers; i++) {
        n += b->posts[i].n;
    }

    return n;
}


uint64_t
bench_expected(bench_t *b)
{
    int       i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < b->conf.publishers; i++) {
        n += (uint64_t) b->posts[i].n
             * (b->conf.apart ? b->there[i % b->conf.servers]
                              : (uint32_t) b->conf.clients);
    }

    return n;
}


void
bench_rest(bench_t *b, uint64_t ns)
{
    uint64_t  until;

    until = bench_clock() + ns;

    while (bench_clock() < until) {
        bench_turn(b, until);
    }
}


uint64_t
bench_cpu_since(bench_t *b, uint64_t before)
{
    uint64_t  now;

    now = bench_proc_cpu(b->conf.pid);

    if (b->conf.pid && now <= before) {
        bench_fail("process %d and its children have done nothing",
                   (int) b->conf.pid);
    }

    return now - before;
}


/* What was before this does not count; the audit goes on. */

void
bench_forget(bench_t *b)
{
    memset(&b->latency, 0, sizeof(bench_hist_t));
    memset(&b->near, 0, sizeof(bench_hist_t));
    memset(&b->far, 0, sizeof(bench_hist_t));
    memset(&b->reply, 0, sizeof(bench_hist_t));
    b->replies = 0;
}


void
bench_fixed(bench_t *b)
{
    bench_begun_t  begun;

    bench_posts_open(b);
    bench_open_all(b);

    bench_fixed_rate(b, b->conf.seconds / 4);
    bench_drain(b);

    bench_events_begin(b, &begun);

    bench_fixed_rate(b, b->conf.seconds);
    bench_drain(b);

    bench_events(b, &begun);
}


void
bench_fixed_rate(bench_t *b, double seconds)
{
    int       i, k, n, together;
    uint64_t  start, due;

    together = b->conf.apart ? b->conf.servers : 1;
    n = (int) (seconds * b->conf.rate);
    start = bench_clock() + BENCH_SECOND / 100;

    for (i = 0; i < n; i++) {
        due = start + (uint64_t) ((double) i / b->conf.rate * 1e9);

        while (bench_clock() < due) {
            bench_turn(b, due);
        }

        for (k = i * together; k < (i + 1) * together; k++) {
            bench_post(b, &b->posts[k % b->conf.publishers], due);
        }
    }
}


/* Every publisher sends its next message as soon as one is answered. */

static void
bench_backlog(bench_t *b)
{
    bench_begun_t  begun;

    b->answered = bench_backlog_next;

    bench_posts_open(b);
    bench_open_all(b);

    bench_backlog_for(b, b->conf.seconds / 4);

    bench_events_begin(b, &begun);

    bench_backlog_for(b, b->conf.seconds);

    bench_events(b, &begun);
}


static void
bench_backlog_for(bench_t *b, double seconds)
{
    int  i, k;

    b->until = bench_clock() + (uint64_t) (seconds * 1e9);

    for (k = 0; k < b->conf.depth; k++) {
        for (i = 0; i < b->conf.publishers; i++) {
            bench_post(b, &b->posts[i], bench_clock());
        }
    }

    while (bench_clock() < b->until) {
        bench_turn(b, b->until);
    }

    bench_drain(b);
}


static void
bench_backlog_next(bench_t *b, bench_post_t *p)
{
    uint64_t  now;

    now = bench_clock();

    if (now < b->until) {
        bench_post(b, p, now);
    }
}


static void
bench_events_begin(bench_t *b, bench_begun_t *begun)
{
    bench_forget(b);

    begun->posted = bench_posted(b);
    begun->expected = bench_expected(b);
    begun->redis = bench_proc_redis(b->conf.pid);
    begun->cpu = bench_proc_cpu(b->conf.pid);
}


static void
bench_events(bench_t *b, const bench_begun_t *begun)
{
    double  cpu, redis, sent, expected;

    cpu = (double) bench_cpu_since(b, begun->cpu) / 1000;
    redis = (double) (bench_proc_redis(b->conf.pid) - begun->redis) / 1000;
    sent = (double) (bench_posted(b) - begun->posted);
    expected = (double) (bench_expected(b) - begun->expected);

    bench_audit_end(b);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"clients\":%d,"
           "\"messages\":%.0f,\"bytes\":%.1f,\"cpu_us\":%.4f,"
           "\"redis_us\":%.4f,\"per_second\":%.1f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"near_p50_us\":%.1f,\"near_p99_us\":%.1f,"
           "\"far_p50_us\":%.1f,\"far_p99_us\":%.1f,"
           "\"lost\":%llu,\"doubled\":%llu,\"reordered\":%llu,"
           "\"orders\":%llu,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients, sent,
           (double) b->bytes / (double) (b->delivered + b->doubled),
           cpu / expected, redis / sent, sent / b->conf.seconds,
           bench_hist_at(&b->latency, 0.5), bench_hist_at(&b->latency, 0.99),
           bench_hist_at(&b->latency, 1),
           bench_hist_at(&b->near, 0.5), bench_hist_at(&b->near, 0.99),
           bench_hist_at(&b->far, 0.5), bench_hist_at(&b->far, 0.99),
           (unsigned long long) b->lost, (unsigned long long) b->doubled,
           (unsigned long long) b->reordered,
           (unsigned long long) bench_audit_orders(b),
           (unsigned long long) b->errors);
}


/* Clients that come, are welcomed, and leave; some at a time. */

static void
bench_handshake(bench_t *b)
{
    int       i, warm;
    bool      counts;
    uint64_t  cpu;

    b->open = bench_handshake_opened;
    b->end = bench_handshake_ended;

    cpu = 0;
    counts = false;
    warm = b->conf.count / 4;

    for (i = 0; i < b->conf.clients; i++) {
        bench_conn_open(b, &b->conns[i]);
    }

    while (b->done < b->conf.count + warm) {
        bench_turn(b, 0);

        if (!counts && b->done >= warm) {
            counts = true;
            warm = b->done;
            cpu = bench_proc_cpu(b->conf.pid);
            bench_forget(b);
        }
    }

    cpu = bench_cpu_since(b, cpu);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"handshakes\":%d,"
           "\"cpu_us\":%.4f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->done - warm,
           (double) cpu / 1000 / (b->done - warm),
           bench_hist_at(&b->reply, 0.5), bench_hist_at(&b->reply, 0.99),
           (unsigned long long) b->errors);
}


static void
bench_handshake_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len)
{
    (void) data;
    (void) len;

    bench_hist_add(&b->reply, bench_clock() - c->sent);

    bench_conn_send(b, c, 0x8, "\x03\xe8", 2);
    c->state = BENCH_CLOSING;
}


static void
bench_handshake_ended(bench_t *b, bench_conn_t *c)
{
    b->done++;
    c->id += b->conf.clients;

    bench_conn_open(b, c);
}


/* Every client sends its next message as soon as one is answered. */

static void
bench_inbound(bench_t *b)
{
    int       i;
    uint64_t  cpu, start;

    b->message = bench_inbound_reply;
    b->until = UINT64_MAX;

    bench_open_all(b);

    for (i = 0; i < b->conf.clients; i++) {
        bench_ping(b, &b->conns[i]);
    }

    bench_rest(b, (uint64_t) (b->conf.seconds / 4 * 1e9));
    bench_forget(b);

    start = bench_clock();
    cpu = bench_proc_cpu(b->conf.pid);

    bench_rest(b, (uint64_t) (b->conf.seconds * 1e9));

    cpu = bench_cpu_since(b, cpu);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"messages\":%llu,"
           "\"cpu_us\":%.4f,\"per_second\":%.0f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, (unsigned long long) b->replies,
           (double) cpu / 1000 / (double) b->replies,
           (double) b->replies / (double) (bench_clock() - start) * 1e9,
           bench_hist_at(&b->reply, 0.5), bench_hist_at(&b->reply, 0.99),
           (unsigned long long) b->errors);
}


void
bench_ping(bench_t *b, bench_conn_t *c)
{
    int   n;
    char  text[64];

    n = snprintf(text, sizeof(text), "{\"type\":\"ping\",\"id\":%u}",
                 ++c->nsent);

    c->sent = bench_clock();
    bench_conn_send(b, c, 0x1, text, (size_t) n);
}


static void
bench_inbound_reply(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    (void) data;
    (void) len;

    bench_hist_add(&b->reply, bench_clock() - c->sent);
    b->replies++;

    bench_ping(b, c);
}


/* Clients that only are there, and what a server takes without and with. */

static void
bench_memory(bench_t *b)
{
    bench_memory_t  before, after;

    bench_rest(b, BENCH_SECOND / 2);
    before = bench_proc_memory(b->conf.pid);

    bench_open_all(b);

    bench_rest(b, BENCH_SECOND);
    after = bench_proc_memory(b->conf.pid);

    printf("{\"case\":\"%s\",\"peer\":\"%s\",\"clients\":%d,"
           "\"idle\":%llu,\"anon\":%lld,\"file\":%lld,\"shmem\":%lld,"
           "\"errors\":%llu}\n",
           b->conf.test, b->conf.peer->name, b->conf.clients,
           (unsigned long long) (before.anon + before.file + before.shmem),
           (long long) (after.anon - before.anon),
           (long long) (after.file - before.file),
           (long long) (after.shmem - before.shmem),
           (unsigned long long) b->errors);
}
