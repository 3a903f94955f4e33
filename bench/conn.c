/* Clients: they connect with a token, read, and send small messages. */

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


#define BENCH_KEY     "dGhlIHNhbXBsZSBub25jZQ=="
#define BENCH_ACCEPT  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


static int bench_conn_connect(bench_t *b, bench_conn_t *c);
static bool bench_conn_request(bench_t *b, bench_conn_t *c);
static void bench_conn_read(bench_t *b, void *self);
static size_t bench_conn_answer(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_conn_keep(bench_conn_t *c, const unsigned char *data,
    size_t len);


static unsigned char  bench_buffer[BENCH_BUFFER];


bool
bench_conn_open(bench_t *b, bench_conn_t *c)
{
    struct epoll_event  ev;

    c->fd = bench_conn_connect(b, c);

    if (c->fd == -1) {
        return false;
    }

    c->source.handler = bench_conn_read;
    c->state = BENCH_HANDSHAKE;
    c->rest_len = 0;

    c->sent = bench_clock();
    c->quiet = bench_wall();
    c->look = b->look + 1;

    b->opening++;

    ev.events = EPOLLIN;
    ev.data.ptr = c;

    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1) {
        bench_fail("epoll_ctl: %s", strerror(errno));
    }

    if (!bench_conn_request(b, c)) {
        bench_conn_close(b, c);
        return false;
    }

    return true;
}


void
bench_conn_close(bench_t *b, bench_conn_t *c)
{
    close(c->fd);
    free(c->rest);

    if (c->state == BENCH_HANDSHAKE || c->state == BENCH_WELCOME) {
        b->opening--;
    }

    c->fd = -1;
    c->rest = NULL;
    c->rest_len = 0;
    c->state = BENCH_CLOSED;
}


void
bench_conn_send(bench_t *b, bench_conn_t *c, unsigned opcode,
    const char *data, size_t len)
{
    size_t         i;
    unsigned char  frame[6 + 125];

    static const unsigned char  mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

    frame[0] = (unsigned char) (0x80 | opcode);
    frame[1] = (unsigned char) (0x80 | len);
    memcpy(frame + 2, mask, 4);

    for (i = 0; i < len; i++) {
        frame[6 + i] = (unsigned char) data[i] ^ mask[i % 4];
    }

    if (send(c->fd, frame, len + 6, MSG_NOSIGNAL) != (ssize_t) len + 6
        && b->closed == NULL)
    {
        b->errors++;
    }
}


/*
 * From one of many local addresses, so that neither a limit of connections
 * for an address nor the range of its ports is met.
 */

static int
bench_conn_connect(bench_t *b, bench_conn_t *c)
{
    int                 fd, one;
    struct sockaddr_in  from, to;

    one = 1;
    fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&from, 0, sizeof(from));
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7f010001 + (uint32_t) c->id
                                              / BENCH_PER_ADDRESS);
    to = from;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(b->conf.ports[c->server]);

    if (fd == -1
        || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
                      sizeof(one)) == -1
        || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &from, sizeof(from)) == -1)
    {
        bench_fail("client %d has no socket: %s", c->id, strerror(errno));
    }

    if (connect(fd, (struct sockaddr *) &to, sizeof(to)) == -1) {

        if (b->refused == NULL) {
            bench_fail("client %d cannot connect: %s", c->id,
                       strerror(errno));
        }

        close(fd);
        return -1;
    }

    return fd;
}


static bool
bench_conn_request(bench_t *b, bench_conn_t *c)
{
    int   n;
    char  path[128], token[BENCH_TOKEN_MAX], request[1024];

    if (b->path) {
        b->path(b, c, path, sizeof(path));

    } else {
        snprintf(path, sizeof(path),
                 strcmp(b->conf.test, "inbound") != 0
                 ? b->conf.peer->path : b->conf.peer->echo, c->id);
    }

    bench_token(token, b->conf.secret, c->id);

    n = snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\n"
                 "Host: localhost\r\n"
                 "Upgrade: websocket\r\n"
                 "Connection: Upgrade\r\n"
                 "Sec-WebSocket-Key: " BENCH_KEY "\r\n"
                 "Sec-WebSocket-Version: 13\r\n"
                 "Authorization: Bearer %s\r\n\r\n", path, token);

    if (send(c->fd, request, (size_t) n, MSG_NOSIGNAL) == n) {
        return true;
    }

    if (b->refused == NULL) {
        bench_fail("client %d cannot send: %s", c->id, strerror(errno));
    }

    return false;
}


static void
bench_conn_read(bench_t *b, void *self)
{
    size_t         len, used;
    ssize_t        n;
    bench_conn_t  *c;

    c = self;

    bench_unquiet(b, c);

    if (c->rest_len) {
        memcpy(bench_buffer, c->rest, c->rest_len);
    }

    n = recv(c->fd, bench_buffer + c->rest_len, BENCH_BUFFER - c->rest_len,
             MSG_DONTWAIT);

    if (n <= 0) {
        if (n == -1 && errno == EAGAIN) {
            return;
        }

        if (c->state != BENCH_CLOSING && b->closed == NULL) {
            b->errors++;
        }

        bench_conn_close(b, c);
        b->end(b, c);
        return;
    }

    len = c->rest_len + (size_t) n;
    used = 0;

    if (c->state == BENCH_HANDSHAKE) {
        used = bench_conn_answer(b, c, bench_buffer, len);
    }

    if (c->state != BENCH_HANDSHAKE && c->state != BENCH_CLOSED) {
        used += bench_frames(b, c, bench_buffer + used, len - used);
    }

    if (c->state != BENCH_CLOSED) {
        bench_conn_keep(c, bench_buffer + used, len - used);
    }
}


/* Takes the answer to the handshake, once it is whole. */

static size_t
bench_conn_answer(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    size_t                head;
    const unsigned char  *end;

    end = memmem(data, len, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }

    head = (size_t) (end - data) + 4;

    if (memcmp(data, "HTTP/1.1 101", 12) != 0
        || memmem(data, head, BENCH_ACCEPT, sizeof(BENCH_ACCEPT) - 1) == NULL)
    {
        if (b->refused == NULL) {
            bench_fail("client %d is refused: %.*s", c->id, (int) len, data);
        }

        b->refused(b, c, (const char *) data, head);
        bench_conn_close(b, c);
        return 0;
    }

    if (b->conf.peer->welcome) {
        c->state = BENCH_WELCOME;
        return head;
    }

    c->state = BENCH_OPEN;
    b->opening--;
    b->opened++;
    b->open(b, c, NULL, 0);

    return head;
}


static void
bench_conn_keep(bench_conn_t *c, const unsigned char *data, size_t len)
{
    unsigned char  *p;

    c->rest_len = len;

    if (len == 0) {
        return;
    }

    p = realloc(c->rest, len);
    if (p == NULL) {
        bench_fail("no memory");
    }

    memcpy(p, data, len);
    c->rest = p;
}
