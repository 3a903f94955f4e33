/* A client of the soak: it comes back, and says what it has seen last. */

#define _GNU_SOURCE

#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BENCH_CLOSE_WAIT  (5 * BENCH_SECOND)


static size_t bench_soak_path(bench_t *b, bench_conn_t *c, char *buf,
    size_t size);
static void bench_soak_opened(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_soak_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_soak_resumed(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_soak_closed(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_soak_refused(bench_t *b, bench_conn_t *c,
    const char *head, size_t len);
static void bench_soak_ended(bench_t *b, bench_conn_t *c);
static uint64_t bench_soak_backoff(bench_soak_client_t *s);
static uint64_t bench_soak_random(uint64_t n);


static const char  bench_soak_watch[] =
    "{\"type\":\"subscribe\",\"channel\":\"presence:updates\"}";


void
bench_soak_hooks(bench_t *b)
{
    int                   i;
    size_t                n;
    uint64_t              now;
    bench_soak_client_t  *s;

    n = (size_t) b->conf.clients;
    now = bench_clock();

    s = calloc(n + 1, sizeof(bench_soak_client_t));
    if (s == NULL) {
        bench_fail("no memory");
    }

    b->soak->clients = s;

    for (i = 0; i < b->conf.clients; i++) {
        s[i].at = now;
        s[i].closed = now;

        if (i < b->conf.watchers) {
            s[i].view = calloc(n, sizeof(bench_seen_t));
            if (s[i].view == NULL) {
                bench_fail("no memory");
            }
        }
    }

    b->path = bench_soak_path;
    b->open = bench_soak_opened;
    b->message = bench_soak_message;
    b->closed = bench_soak_closed;
    b->refused = bench_soak_refused;
    b->end = bench_soak_ended;
}


static size_t
bench_soak_path(bench_t *b, bench_conn_t *c, char *buf, size_t size)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    if (!s->resuming) {
        c->missed = 0;
    }

    s->resuming = (s->since[0] != '\0');
    s->replayed = 0;

    return (size_t) snprintf(buf, size, s->resuming ? "%s?since=%s" : "%s",
                             b->conf.peer->path, s->since);
}


/* It is welcome. */

static void
bench_soak_opened(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    if (!s->resuming) {
        (void) bench_value(data, len, "lastEventId", s->since,
                          sizeof(s->since));
    }

    bench_stay_begin(b, c->id);
    bench_stay_heard(b, c->id, data, len);

    s->attempts = 0;
    s->blamed = false;
    s->changed = bench_clock();

    if (s->said.status > 1 || s->said.feature) {
        bench_soak_say(b, c, s->changed);

    } else {
        s->said.status = 1;
    }

    if (s->view) {
        bench_view_reset(b, s);
        bench_conn_send(b, c, 0x1, bench_soak_watch,
                        sizeof(bench_soak_watch) - 1);
    }
}


void
bench_soak_say(bench_t *b, bench_conn_t *c, uint64_t now)
{
    int                   n;
    char                  text[126], feature[32];
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];
    s->changed = now;
    s->blamed = false;

    snprintf(feature, sizeof(feature),
             s->said.feature ? "\"feature-%u\"" : "null", s->said.feature);

    n = snprintf(text, sizeof(text),
                 "{\"type\":\"presence-update\",\"status\":\"%s\","
                 "\"currentFeature\":%s}",
                 bench_view_statuses[s->said.status], feature);

    b->soak->said++;
    bench_conn_send(b, c, 0x1, text, (size_t) n);
}


static void
bench_soak_message(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    if (bench_is(data, len, "task-status-changed")) {
        s->replayed++;
        bench_stay_heard(b, c->id, data, len);
        (void) bench_value(data, len, "eventId", s->since, sizeof(s->since));
        bench_audit(b, c, data, len);
        return;
    }

    if (bench_is(data, len, "resumed")) {
        bench_soak_resumed(b, c, data, len);
        return;
    }

    if (bench_is(data, len, "ack") || bench_view_message(b, c, data, len))
    {
        return;
    }

    if (b->errors++ < 10) {
        fprintf(stderr, "client %d got %.*s\n", c->id,
                (int) (len < 300 ? len : 300), data);
    }
}


/* All that was missed has come; or the server says that it cannot. */

static void
bench_soak_resumed(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    uint64_t              count;
    const char           *p;
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    if (memmem(data, len, "\"recovered\":true", 16) == NULL) {
        c->gap = UINT32_MAX;

        if (s->resuming) {

            /* after two crashes it is told of both behind the second */

            b->lost -= c->missed;
            b->told += c->missed;
        }

        c->missed = 0;

        if (b->soak->unrecovered++ < 5) {
            fprintf(stderr, "client %d since %s got %.*s\n", c->id, s->since,
                    (int) (len < 300 ? len : 300), data);
        }

        (void) bench_value(data, len, "lastEventId", s->since,
                          sizeof(s->since));
        s->resuming = false;
        return;
    }

    p = memmem(data, len, "\"count\":", 8);
    count = p ? strtoull(p + 8, NULL, 10) : UINT64_MAX;

    b->soak->resumed++;
    b->soak->replayed += s->replayed;

    if (!s->resuming || count != s->replayed) {
        b->soak->miscounted++;
    }

    s->resuming = false;
}


/* The server closes: 1012 says when to come back. */

static void
bench_soak_closed(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    char                  reason[126];
    unsigned              code;
    const char           *retry;
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];

    code = (len >= 2) ? (unsigned) data[0] << 8 | data[1] : 1005;
    len = (len >= 2) ? len - 2 : 0;

    memcpy(reason, data + 2, len);
    reason[len] = '\0';

    if (c->state == BENCH_CLOSING) {
        return;         /* the answer to its own */
    }

    if (c->state == BENCH_WELCOME) {
        b->opening--;
    }

    retry = strstr(reason, "retry=");
    s->retry = retry ? strtoull(retry + 6, NULL, 10) * BENCH_MS : 0;
    s->closing = bench_clock();

    bench_stay_end(b, c->id, s->retry, code == 1013 || s->resuming);

    if (code == 1012) {
        b->soak->sent_on++;

    } else if (code == 1013) {
        b->soak->slow++;

    } else {
        b->errors++;
        fprintf(stderr, "client %d is closed: %u %s\n", c->id, code, reason);
    }

    c->state = BENCH_CLOSING;
    bench_conn_send(b, c, 0x8, (const char *) data, 2);
}


static void
bench_soak_refused(bench_t *b, bench_conn_t *c, const char *head, size_t len)
{
    const char           *p;
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];
    b->soak->refused++;

    if (memcmp(head, "HTTP/1.1 503", 12) != 0
        && memcmp(head, "HTTP/1.1 502", 12) != 0)
    {
        bench_fail("client %d is refused: %.*s", c->id, (int) len, head);
    }

    p = memmem(head, len, "Retry-After:", 12);

    s->attempts++;
    s->at = bench_clock()
            + (p ? strtoull(p + 12, NULL, 10)
                   * (500 + bench_soak_random(500)) * BENCH_MS
                 : bench_soak_backoff(s));
}


/* The connection is gone. */

static void
bench_soak_ended(bench_t *b, bench_conn_t *c)
{
    uint64_t              now;
    bench_soak_client_t  *s;

    s = &b->soak->clients[c->id];
    now = bench_clock();

    if (s->closing == 0) {
        b->soak->cut++;
        s->retry = 0;
        bench_stay_end(b, c->id, 0, false);
    }

    s->closed = now;
    s->closing = 0;
    s->listed = false;
    s->blamed = false;
    s->at = now + (s->retry ? s->retry : bench_soak_backoff(s));
    s->attempts++;

    /* to the same server, or to the next one */

    if (bench_soak_random(2)) {
        c->server = (c->server + 1) % b->conf.servers;
    }
}


/* Up to a second at first, then 1, 2, 4, 8 s, less up to a half. */

static uint64_t
bench_soak_backoff(bench_soak_client_t *s)
{
    uint64_t  ms;

    if (s->attempts == 0) {
        return bench_soak_random(1000) * BENCH_MS;
    }

    ms = 1000ull << (s->attempts < 4 ? s->attempts - 1 : 3);

    return (ms / 2 + bench_soak_random(ms / 2)) * BENCH_MS;
}


static uint64_t
bench_soak_random(uint64_t n)
{
    return (uint64_t) rand() % n;
}


/* Those whose time has come connect; who was closed is left by the server. */

void
bench_soak_clients(bench_t *b, uint64_t now)
{
    int                   i;
    bench_conn_t         *c;
    bench_soak_client_t  *s;

    for (i = 0; i < b->conf.clients; i++) {
        c = &b->conns[i];
        s = &b->soak->clients[i];

        if (c->state == BENCH_CLOSING && s->closing
            && now - s->closing > BENCH_CLOSE_WAIT)
        {
            b->errors++;
            fprintf(stderr, "client %d is closed but not left\n", i);
            bench_conn_close(b, c);
            bench_soak_ended(b, c);
        }

        if (c->state != BENCH_CLOSED || s->leaves || now < s->at
            || b->opening >= BENCH_OPENING)
        {
            continue;
        }

        if (!bench_conn_open(b, c)) {
            s->at = now + bench_soak_backoff(s);
            s->attempts++;
            c->server = (c->server + 1) % b->conf.servers;
        }
    }
}


int
bench_soak_open(bench_t *b)
{
    int  i, n;

    n = 0;

    for (i = 0; i < b->conf.clients; i++) {
        n += (b->conns[i].state == BENCH_OPEN
              && !b->soak->clients[i].resuming);
    }

    return n;
}
