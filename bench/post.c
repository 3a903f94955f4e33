/* Publishers: each has one connection and sends numbered events by POST. */

#define _GNU_SOURCE

#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>


static void bench_post_read(bench_t *b, void *self);
static void bench_post_lost(bench_t *b, bench_post_t *p, int status);
static size_t bench_post_answer(bench_post_t *p, const char *data,
    size_t len, int *status);
static int bench_post_body(bench_t *b, char *buf, int publisher, uint32_t n);


/* What only an event has is taken out by the hub, and the last two put in. */

static const char  bench_event[] =
    "{\"type\":\"task-status-changed\",\"taskId\":\"T-00017\","
    "\"featureSlug\":\"bench-%d-%010u\",\"oldStatus\":\"InProgress\","
    "\"newStatus\":\"InReview\",\"title\":\"Check the totals of the report\","
    "\"reviewer\":{\"name\":\"Robin\",\"email\":\"robin@example.com\"},"
    "\"estimate\":8,\"internalNotes\":\"not for everyone\"}";

static const char  bench_text[] =
    "{\"type\":\"task-status-changed\",\"taskId\":\"T-00017\","
    "\"featureSlug\":\"bench-%d-%010u\",\"oldStatus\":\"InProgress\","
    "\"newStatus\":\"InReview\",\"title\":\"Check the totals of the report\","
    "\"reviewer\":{\"name\":\"Robin\"},\"estimate\":8,"
    "\"timestamp\":1767225600000,\"eventId\":\"1767225600000-123\"}";


void
bench_posts_open(bench_t *b)
{
    int  i;

    for (i = 0; i < b->conf.publishers; i++) {
        (void) bench_post_open(b, &b->posts[i]);
    }
}


bool
bench_post_open(bench_t *b, bench_post_t *p)
{
    int                 one;
    struct sockaddr_in  to;
    struct epoll_event  ev;

    one = 1;

    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(b->conf.ports[(p - b->posts) % b->conf.servers]);

    p->source.handler = bench_post_read;
    p->len = 0;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (p->fd == -1
        || connect(p->fd, (struct sockaddr *) &to, sizeof(to)) == -1
        || setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
           == -1)
    {
        if (b->failed == NULL) {
            bench_fail("a publisher cannot connect: %s", strerror(errno));
        }

        close(p->fd);
        p->fd = -1;
        return false;
    }

    ev.events = EPOLLIN;
    ev.data.ptr = p;

    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, p->fd, &ev) == -1) {
        bench_fail("epoll_ctl: %s", strerror(errno));
    }

    return true;
}


/* One write, whether or not the requests before it are answered. */

void
bench_post(bench_t *b, bench_post_t *p, uint64_t due)
{
    if (p->n == p->size) {
        p->size = p->size ? p->size * 2 : 1024;
        p->sent = realloc(p->sent, p->size * sizeof(bench_sent_t));

        if (p->sent == NULL) {
            bench_fail("no memory");
        }
    }

    memset(&p->sent[p->n], 0, sizeof(bench_sent_t));
    p->sent[p->n++].due = due;

    if (!bench_post_send(b, p) && b->failed == NULL) {
        bench_fail("a publisher cannot send: %s", strerror(errno));
    }
}


bool
bench_post_send(bench_t *b, bench_post_t *p)
{
    int   n, len, publisher;
    char  key[64], body[BENCH_BODY_MAX], request[BENCH_BODY_MAX + 256];

    publisher = (int) (p - b->posts);
    len = bench_post_body(b, body, publisher, p->n);

    key[0] = '\0';

    if (b->failed) {
        snprintf(key, sizeof(key), "Idempotency-Key: %d-%u\r\n", publisher,
                 p->n);
    }

    n = snprintf(request, sizeof(request),
                 "POST /publish HTTP/1.1\r\n"
                 "Host: localhost\r\n"
                 "Content-Type: application/json\r\n"
                 "%s"
                 "Content-Length: %d\r\n\r\n%s", key, len, body);

    return send(p->fd, request, (size_t) n, MSG_NOSIGNAL) == n;
}


static int
bench_post_body(bench_t *b, char *buf, int publisher, uint32_t n)
{
    return snprintf(buf, BENCH_BODY_MAX,
                    b->conf.peer->event ? bench_event : bench_text, publisher,
                    n);
}


static void
bench_post_read(bench_t *b, void *self)
{
    int            status;
    size_t         used;
    ssize_t        n;
    bench_post_t  *p;

    p = self;

    n = recv(p->fd, p->buffer + p->len, sizeof(p->buffer) - p->len,
             MSG_DONTWAIT);

    if (n <= 0) {
        if (n == -1 && errno == EAGAIN) {
            return;
        }

        bench_post_lost(b, p, 0);
        return;
    }

    p->len += (size_t) n;

    while ((used = bench_post_answer(p, p->buffer, p->len, &status)) != 0) {

        if (status / 100 != 2) {
            bench_post_lost(b, p, status);
            return;
        }

        memmove(p->buffer, p->buffer + used, p->len - used);
        p->len -= used;
        p->answered++;

        if (b->answered) {
            b->answered(b, p);
        }
    }
}


/* It was refused, or its connection is gone (0). */

static void
bench_post_lost(bench_t *b, bench_post_t *p, int status)
{
    if (b->failed == NULL) {
        bench_fail(status ? "a publisher is refused: %.*s"
                          : "the connection of a publisher is lost%.*s",
                   status ? (int) p->len : 0, p->buffer);
    }

    close(p->fd);
    p->fd = -1;

    b->failed(b, p, status);
}


/* The size of a whole answer, or 0. */

static size_t
bench_post_answer(bench_post_t *p, const char *data, size_t len, int *status)
{
    size_t       size;
    const char  *end, *field;

    end = memmem(data, len, "\r\n\r\n", 4);

    if (end == NULL) {
        if (len == sizeof(p->buffer)) {
            bench_fail("an answer to a publisher is too long");
        }

        return 0;
    }

    if (len < 12 || memcmp(data, "HTTP/1.1 ", 9) != 0) {
        bench_fail("a publisher is not answered: %.*s", (int) len, data);
    }

    *status = atoi(data + 9);
    field = memmem(data, (size_t) (end - data), "Content-Length:", 15);

    if (field == NULL) {
        bench_fail("an answer to a publisher has no length: %.*s",
                   (int) len, data);
    }

    size = (size_t) (end + 4 - data) + strtoul(field + 15, NULL, 10);

    return (size <= len) ? size : 0;
}
