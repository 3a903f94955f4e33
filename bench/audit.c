/* Does every client get everything, once, and in each publisher's order? */

#define _GNU_SOURCE

#include "bench.h"

#include <string.h>


#define BENCH_WINDOW  64


static bool bench_audit_number(const unsigned char *data, size_t len,
    unsigned *publisher, uint32_t *n);
static bool bench_audit_hears(const bench_t *b, const bench_conn_t *c,
    int publisher);
static void bench_audit_last(bench_t *b, const bench_conn_t *c,
    unsigned publisher, uint32_t n, uint64_t took);
static void bench_audit_late(bench_t *b, bench_audit_t *a, uint32_t n);


static const char  bench_mark[] = "bench-";


/* "bench-P-NNNNNNNNNN" stands somewhere in the text. */

void
bench_audit(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    uint32_t        n, step;
    uint64_t        took;
    unsigned        p;
    bench_audit_t  *a;

    if (!bench_audit_number(data, len, &p, &n)
        || p >= (unsigned) b->conf.publishers || n > b->posts[p].n || n == 0
        || !bench_audit_hears(b, c, (int) p))
    {
        b->errors++;
        return;
    }

    b->bytes += len;

    a = &c->audit[p];

    took = bench_clock() - b->posts[p].sent[n - 1].due;

    bench_hist_add(&b->latency, took);
    bench_audit_last(b, c, p, n, took);

    c->order = (c->order ^ ((uint64_t) p << 32 | n)) * 0x100000001b3ull;

    if (n <= a->last) {
        bench_audit_late(b, a, n);
        return;
    }

    step = n - a->last;

    a->window = (step < BENCH_WINDOW) ? a->window << step | 1 : 1;
    a->last = n;

    if (c->gap & 1u << p) {
        c->gap &= ~(1u << p);
        b->told += step - 1;

    } else {
        b->lost += step - 1;
        c->missed += step - 1;
    }

    b->delivered++;
}


static bool
bench_audit_number(const unsigned char *data, size_t len,
    unsigned *publisher, uint32_t *n)
{
    int                   i;
    const unsigned char  *p;

    static size_t  where;       /* in all copies of a message the same */

    p = data + where;

    if (where + sizeof(bench_mark) + 12 > len
        || memcmp(p, bench_mark, sizeof(bench_mark) - 1) != 0)
    {
        p = memmem(data, len, bench_mark, sizeof(bench_mark) - 1);

        if (p == NULL || (size_t) (data + len - p) < sizeof(bench_mark) + 12) {
            return false;
        }

        where = (size_t) (p - data);
    }

    p += sizeof(bench_mark) - 1;

    *publisher = *p - '0';
    p += 2;
    *n = 0;

    for (i = 0; i < 10; i++) {
        *n = *n * 10 + *p++ - '0';
    }

    return true;
}


static bool
bench_audit_hears(const bench_t *b, const bench_conn_t *c, int publisher)
{
    return !b->conf.apart || c->server == publisher % b->conf.servers;
}


/* Was it the last client of the publisher's server, or of the others? */

static void
bench_audit_last(bench_t *b, const bench_conn_t *c, unsigned publisher,
    uint32_t n, uint64_t took)
{
    int            server;
    bench_sent_t  *sent;

    server = (int) publisher % b->conf.servers;
    sent = &b->posts[publisher].sent[n - 1];

    if (c->server == server) {

        if (++sent->near == b->there[server]) {
            bench_hist_add(&b->near, took);
        }

    } else if (++sent->far
               == (uint32_t) b->conf.clients - b->there[server])
    {
        bench_hist_add(&b->far, took);
    }
}


/* It was counted as lost when a later one came, unless it has come before. */

static void
bench_audit_late(bench_t *b, bench_audit_t *a, uint32_t n)
{
    uint32_t  age;

    age = a->last - n;

    if (age >= BENCH_WINDOW || a->window & 1ull << age) {
        b->doubled++;
        return;
    }

    a->window |= 1ull << age;

    b->lost--;
    b->reordered++;
    b->delivered++;
}


/* At the end: what has not come after the last. */

void
bench_audit_end(bench_t *b)
{
    int            i, p;
    uint32_t       n;
    bench_conn_t  *c;

    for (i = 0; i < b->conf.clients; i++) {
        c = &b->conns[i];

        for (p = 0; p < b->conf.publishers; p++) {

            if (!bench_audit_hears(b, c, p)) {
                continue;
            }

            n = b->posts[p].n - c->audit[p].last;

            if (c->gap & 1u << p) {
                b->told += n;

            } else {
                b->lost += n;
            }
        }
    }
}


/* In how many orders over all publishers did clients get the messages? */

uint64_t
bench_audit_orders(bench_t *b)
{
    int       i, k;
    uint64_t  n, seen[16];

    n = 0;

    for (i = 0; i < b->conf.clients; i++) {

        for (k = 0; k < (int) n; k++) {
            if (seen[k] == b->conns[i].order) {
                break;
            }
        }

        if (k == (int) n && n < 16) {
            seen[n++] = b->conns[i].order;
        }
    }

    return n;
}
