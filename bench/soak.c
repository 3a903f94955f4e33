/* The loop of the soak: publishers and clients that go on whatever fails. */

#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static void bench_soak_publish(bench_t *b, uint64_t now);
static void bench_soak_post(bench_t *b, bench_post_t *p, uint64_t *due,
    uint64_t now);
static void bench_soak_answered(bench_t *b, bench_post_t *p);
static void bench_soak_failed(bench_t *b, bench_post_t *p, int status);
static void bench_soak_changes(bench_t *b, uint64_t now);


void
bench_soak(bench_t *b)
{
    int            i;
    uint64_t       now;
    bench_soak_t  *soak;

    soak = calloc(1, sizeof(bench_soak_t));
    if (soak == NULL) {
        bench_fail("no memory");
    }

    b->soak = soak;
    b->answered = bench_soak_answered;
    b->failed = bench_soak_failed;

    for (i = 0; i < b->conf.publishers; i++) {
        b->posts[i].fd = -1;
    }

    bench_soak_hooks(b);
    bench_soak_control(b);

    while (!soak->quit) {
        now = bench_clock();

        bench_soak_publish(b, now);
        bench_soak_changes(b, now);

        if (now >= soak->scan) {
            bench_soak_clients(b, now);
            soak->scan = now + 10 * BENCH_MS;
        }

        if (now >= soak->check) {
            bench_view_check(b, now);
            soak->check = now + 250 * BENCH_MS;
        }

        bench_turn(b, now + 2 * BENCH_MS);
    }
}


static void
bench_soak_publish(bench_t *b, uint64_t now)
{
    int  i;

    for (i = 0; i < b->conf.publishers; i++) {
        bench_soak_post(b, &b->posts[i], &b->soak->due[i], now);
    }
}


/* One event at a time, repeated until it is answered. */

static void
bench_soak_post(bench_t *b, bench_post_t *p, uint64_t *due, uint64_t now)
{
    if (p->waiting) {
        return;
    }

    if (p->n == p->answered && (b->soak->rate <= 0 || now < *due)) {
        return;
    }

    if (p->fd == -1 && (now < p->again || !bench_post_open(b, p))) {

        if (now >= p->again) {
            p->again = now + 50 * BENCH_MS;
        }

        return;
    }

    p->waiting = true;

    if (p->n > p->answered) {
        b->soak->repeated++;
        (void) bench_post_send(b, p);
        return;
    }

    bench_post(b, p, *due);

    *due += (uint64_t) (1e9 * b->conf.publishers / b->soak->rate);
}


static void
bench_soak_answered(bench_t *b, bench_post_t *p)
{
    (void) b;

    p->waiting = false;
}


/* What is never accepted would be repeated for ever. */

static void
bench_soak_failed(bench_t *b, bench_post_t *p, int status)
{
    (void) b;

    if (status / 100 == 4 && status != 409 && status != 408
        && status != 429)
    {
        bench_fail("a publication is refused: %.*s", (int) p->len, p->buffer);
    }

    p->waiting = false;
    p->again = bench_clock() + 20 * BENCH_MS;
}


/* Somebody does something else. */

static void
bench_soak_changes(bench_t *b, uint64_t now)
{
    int                   i;
    bench_soak_t         *soak;
    bench_soak_client_t  *s;

    soak = b->soak;

    if (soak->changes <= 0) {
        return;
    }

    while (soak->change_due <= now) {
        soak->change_due += (uint64_t) (1e9 / soak->changes);

        i = rand() % b->conf.clients;
        s = &soak->clients[i];

        if (b->conns[i].state != BENCH_OPEN) {
            continue;
        }

        s->said.status = (uint8_t) (1 + rand() % 3);
        s->said.feature = (uint32_t) (1 + rand() % 100);

        bench_soak_say(b, &b->conns[i], now);
    }
}
