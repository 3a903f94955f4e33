/* The driver of the soak: a command a line, and a line of JSON for each. */

#include "soak.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>


static void bench_soak_read(bench_t *b, void *self);
static void bench_soak_command(bench_t *b, const char *line);
static void bench_soak_rate(bench_t *b, double rate);
static void bench_soak_absent(bench_t *b, int n);
static void bench_soak_return(bench_t *b);
static void bench_soak_stats(bench_t *b);
static void bench_soak_truth(bench_t *b);
static uint64_t bench_soak_behind(bench_t *b);
static void bench_soak_mark(bench_t *b);


void
bench_soak_control(bench_t *b)
{
    struct epoll_event  ev;

    b->soak->control.handler = bench_soak_read;

    ev.events = EPOLLIN;
    ev.data.ptr = &b->soak->control;

    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) == -1) {
        bench_fail("the soak takes commands from a pipe: %s",
                   strerror(errno));
    }
}


static void
bench_soak_read(bench_t *b, void *self)
{
    char          *end;
    ssize_t        n;
    bench_soak_t  *soak;

    (void) self;

    soak = b->soak;
    n = read(STDIN_FILENO, soak->line + soak->line_len,
             sizeof(soak->line) - soak->line_len);

    if (n <= 0) {
        bench_fail("the driver is gone");
    }

    soak->line_len += (size_t) n;

    while ((end = memchr(soak->line, '\n', soak->line_len)) != NULL) {
        *end++ = '\0';

        bench_soak_command(b, soak->line);

        soak->line_len -= (size_t) (end - soak->line);
        memmove(soak->line, end, soak->line_len);
    }

    if (soak->line_len == sizeof(soak->line)) {
        bench_fail("a command is too long");
    }
}


static void
bench_soak_command(bench_t *b, const char *line)
{
    int     n;
    double  rate;

    if (sscanf(line, "rate %lf", &rate) == 1) {
        bench_soak_rate(b, rate);

    } else if (sscanf(line, "changes %lf", &rate) == 1) {
        b->soak->changes = rate;
        b->soak->change_due = bench_clock();

    } else if (sscanf(line, "absent %d", &n) == 1) {
        bench_soak_absent(b, n);

    } else if (strcmp(line, "return") == 0) {
        bench_soak_return(b);

    } else if (strcmp(line, "mark") == 0) {
        bench_soak_mark(b);

    } else if (strcmp(line, "truth") == 0) {
        bench_soak_truth(b);
        return;

    } else if (strcmp(line, "quit") == 0) {
        bench_audit_end(b);
        b->soak->quit = true;

    } else if (strcmp(line, "stats") != 0) {
        bench_fail("there is no command \"%s\"", line);
    }

    bench_soak_stats(b);
}


static void
bench_soak_rate(bench_t *b, double rate)
{
    int       i;
    uint64_t  now;

    now = bench_clock();
    b->soak->rate = rate;

    for (i = 0; rate > 0 && i < b->conf.publishers; i++) {
        b->soak->due[i] = now + (uint64_t) (1e9 / rate) * (uint64_t) i;
    }
}


/* So many stay away once they are closed; half of them go by themselves. */

static void
bench_soak_absent(bench_t *b, int n)
{
    int            i, tries;
    bench_conn_t  *c;

    for (tries = 0; n > 0 && tries < 100 * b->conf.clients; tries++) {
        i = rand() % b->conf.clients;
        c = &b->conns[i];

        if (i < b->conf.watchers || b->soak->clients[i].leaves
            || c->state != BENCH_OPEN)
        {
            continue;
        }

        b->soak->clients[i].leaves = true;

        if (n-- % 2) {
            bench_conn_send(b, c, 0x8, "\x03\xe8", 2);
            bench_stay_end(b, i, 0, false);
            b->soak->clients[i].closing = bench_clock();
            b->soak->clients[i].retry = 0;
            c->state = BENCH_CLOSING;
        }
    }
}


static void
bench_soak_return(bench_t *b)
{
    int  i;

    for (i = 0; i < b->conf.clients; i++) {
        b->soak->clients[i].leaves = false;
    }
}


/* What is measured from now on. */

static void
bench_soak_mark(bench_t *b)
{
    memset(&b->latency, 0, sizeof(bench_hist_t));
}


static void
bench_soak_stats(bench_t *b)
{
    int            i;
    uint64_t       posted, accepted;
    bench_soak_t  *k;

    bench_view_check(b, bench_clock());

    k = b->soak;
    posted = 0;
    accepted = 0;

    for (i = 0; i < b->conf.publishers; i++) {
        posted += b->posts[i].n;
        accepted += b->posts[i].answered;
    }

    printf("{\"open\":%d,\"posted\":%llu,\"accepted\":%llu,\"behind\":%llu,"
           "\"delivered\":%llu,\"lost\":%llu,\"doubled\":%llu,"
           "\"reordered\":%llu,\"told\":%llu,\"errors\":%llu,"
           "\"orders\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,",
           bench_soak_open(b), (unsigned long long) posted,
           (unsigned long long) accepted,
           (unsigned long long) bench_soak_behind(b),
           (unsigned long long) b->delivered, (unsigned long long) b->lost,
           (unsigned long long) b->doubled,
           (unsigned long long) b->reordered, (unsigned long long) b->told,
           (unsigned long long) b->errors,
           (unsigned long long) bench_audit_orders(b),
           bench_hist_at(&b->latency, 0.5), bench_hist_at(&b->latency, 0.99));

    printf("\"sent_on\":%llu,\"slow\":%llu,\"cut\":%llu,\"refused\":%llu,"
           "\"repeated\":%llu,\"resumed\":%llu,\"unrecovered\":%llu,"
           "\"replayed\":%llu,\"miscounted\":%llu,",
           (unsigned long long) k->sent_on, (unsigned long long) k->slow,
           (unsigned long long) k->cut, (unsigned long long) k->refused,
           (unsigned long long) k->repeated, (unsigned long long) k->resumed,
           (unsigned long long) k->unrecovered,
           (unsigned long long) k->replayed,
           (unsigned long long) k->miscounted);

    printf("\"said\":%llu,\"lists\":%llu,\"updates\":%llu,\"diffs\":%llu,"
           "\"ghosts\":%llu,\"missing\":%llu,\"stale\":%llu,\"early\":%llu,"
           "\"flaps\":%llu,\"watching\":%d,\"unsure\":%d,"
           "\"unlike\":%llu,\"oldest_ms\":%.1f}\n",
           (unsigned long long) k->said, (unsigned long long) k->lists,
           (unsigned long long) k->updates, (unsigned long long) k->diffs,
           (unsigned long long) k->ghosts, (unsigned long long) k->missing,
           (unsigned long long) k->stale, (unsigned long long) k->early,
           (unsigned long long) k->flaps, k->watching, k->unsure,
           (unsigned long long) k->unlike, (double) k->oldest / 1e6);

    fflush(stdout);
}


/* What accepted events have not come to whom. */

static uint64_t
bench_soak_behind(bench_t *b)
{
    int       i, p;
    uint64_t  n;

    n = 0;

    for (i = 0; i < b->conf.clients; i++) {
        for (p = 0; p < b->conf.publishers; p++) {

            if (b->posts[p].answered > b->conns[i].audit[p].last
                && !(b->conns[i].gap & 1u << p))
            {
                n += b->posts[p].answered - b->conns[i].audit[p].last;
            }
        }
    }

    return n;
}


/* Who is there (1), gone (0) or neither (-1), how, and for how many ms. */

static void
bench_soak_truth(bench_t *b)
{
    int                   i, state;
    uint64_t              now, since;
    bench_soak_client_t  *s;

    now = bench_clock();
    printf("{");

    for (i = 0; i < b->conf.clients; i++) {
        s = &b->soak->clients[i];
        since = now;
        state = bench_view_state(b, i, now, &since);

        printf("%s\"user-%d\":[%d,\"%s\",", i ? "," : "", i, state,
               bench_view_statuses[s->said.status]);
        printf(s->said.feature ? "\"feature-%u\"" : "null", s->said.feature);
        printf(",%llu]", (unsigned long long) ((now - since) / BENCH_MS));
    }

    printf("}\n");
    fflush(stdout);
}
