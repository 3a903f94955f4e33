/*
 * The floor: one thread that does as little as can be done with a client.
 *
 * A client's handshake is answered without being looked at, in as many writes
 * as the hub makes.  What is posted is made a frame once and sent to each
 * client by one send().  A message of a client is answered by a fixed text.
 * Usage: bare PORT
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>


#define BARE_FDS     65536
#define BARE_EVENTS  512
#define BARE_BUFFER  65536


typedef enum {
    BARE_NEW = 0,
    BARE_CLIENT,
    BARE_PUBLISHER
} bare_kind_e;


static int bare_listen(int port);
static void bare_accept(void);
static void bare_read(int fd);
static void bare_handshake(int fd);
static void bare_messages(int fd, unsigned char *data, size_t len);
static void bare_posts(int fd, size_t len);
static size_t bare_post(int fd, char *data, size_t len);
static void bare_fanout(const char *data, size_t len);
static void bare_send(int fd, const void *data, size_t len);
static void bare_close(int fd);
static size_t bare_frame(unsigned char *dst, const char *data, size_t len);
static void bare_fail(const char *what);


static int            bare_epoll;
static int            bare_listening;
static unsigned char  bare_kind[BARE_FDS];
static int            bare_place[BARE_FDS];     /* in the next */
static int            bare_clients[BARE_FDS];
static int            bare_nclients;
static char           bare_buffer[2 * BARE_BUFFER];
static char          *bare_rest[BARE_FDS];      /* of a publisher's request */
static size_t         bare_rest_len[BARE_FDS];

static unsigned char  bare_welcome[1024];
static size_t         bare_welcome_len;
static unsigned char  bare_pong[256];
static size_t         bare_pong_len;


/* The answers, as long as the hub's. */

static const char  bare_101[] =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Server: bare loop/1\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "Connection: upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static const char  bare_200[] =
    "HTTP/1.1 200 OK\r\n"
    "Server: bare loop/1\r\n"
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 48\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: no-store\r\n\r\n"
    "{\"accepted\":1,\"eventIds\":[\"1767225600000-123\"]}\n";

static const char  bare_welcome_text[] =
    "{\"type\":\"welcome\",\"connectionId\":\"conn_0123456789abcdef\","
    "\"message\":\"Connected to AIConductor WebSocket server\","
    "\"timestamp\":1767225600000,\"userId\":\"user-1234\","
    "\"role\":\"architect\",\"server\":\"node-1\","
    "\"lastEventId\":\"1767225600000-0\",\"pingMs\":25000,"
    "\"limits\":{\"messages\":100000000,\"bytes\":1073741824,"
    "\"per\":60000,\"maxMessage\":65536,\"maxQueue\":1048576}}";

static const char  bare_pong_text[] =
    "{\"type\":\"pong\",\"id\":12345,\"timestamp\":1767225600000,"
    "\"lastEventId\":\"1767225600000-0\"}";


int
main(int argc, char **argv)
{
    int                 i, n;
    struct rlimit       rl;
    struct epoll_event  events[BARE_EVENTS];

    if (argc != 2) {
        fprintf(stderr, "usage: bare PORT\n");
        return 2;
    }

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &rl);
    }

    bare_welcome_len = bare_frame(bare_welcome, bare_welcome_text,
                                  sizeof(bare_welcome_text) - 1);
    bare_pong_len = bare_frame(bare_pong, bare_pong_text,
                               sizeof(bare_pong_text) - 1);

    bare_epoll = epoll_create1(0);
    bare_listening = bare_listen(atoi(argv[1]));

    for ( ;; ) {
        n = epoll_wait(bare_epoll, events, BARE_EVENTS, -1);

        if (n == -1 && errno != EINTR) {
            bare_fail("epoll_wait");
        }

        for (i = 0; i < n; i++) {
            if (events[i].data.fd == bare_listening) {
                bare_accept();

            } else {
                bare_read(events[i].data.fd);
            }
        }
    }
}


static int
bare_listen(int port)
{
    int                 fd, one;
    struct sockaddr_in  sin;
    struct epoll_event  ev;

    one = 1;
    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t) port);

    ev.events = EPOLLIN;
    ev.data.fd = fd;

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1
        || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 511) == -1
        || epoll_ctl(bare_epoll, EPOLL_CTL_ADD, fd, &ev) == -1)
    {
        bare_fail("listen");
    }

    return fd;
}


static void
bare_accept(void)
{
    int                 fd, one;
    struct epoll_event  ev;

    one = 1;
    fd = accept4(bare_listening, NULL, NULL, SOCK_NONBLOCK);

    if (fd == -1) {
        return;
    }

    if (fd >= BARE_FDS) {
        close(fd);
        return;
    }

    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    bare_kind[fd] = BARE_NEW;

    ev.events = EPOLLIN|EPOLLRDHUP;
    ev.data.fd = fd;

    if (epoll_ctl(bare_epoll, EPOLL_CTL_ADD, fd, &ev) == -1) {
        bare_fail("epoll_ctl");
    }
}


/* Handshakes and frames are taken to come whole, as the load client's do. */

static void
bare_read(int fd)
{
    ssize_t  n;

    n = recv(fd, bare_buffer + bare_rest_len[fd], BARE_BUFFER, 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            bare_close(fd);
        }

        return;
    }

    if (bare_kind[fd] == BARE_CLIENT) {
        bare_messages(fd, (unsigned char *) bare_buffer, (size_t) n);
        return;
    }

    if (bare_kind[fd] == BARE_NEW && bare_buffer[0] == 'G') {
        bare_handshake(fd);
        return;
    }

    bare_kind[fd] = BARE_PUBLISHER;
    bare_posts(fd, (size_t) n);
}


static void
bare_handshake(int fd)
{
    bare_send(fd, bare_101, sizeof(bare_101) - 1);
    bare_send(fd, bare_welcome, bare_welcome_len);

    bare_kind[fd] = BARE_CLIENT;
    bare_place[fd] = bare_nclients;
    bare_clients[bare_nclients++] = fd;
}


static void
bare_messages(int fd, unsigned char *data, size_t len)
{
    size_t  pos;

    static const unsigned char  close_frame[] = { 0x88, 0x02, 0x03, 0xe8 };

    for (pos = 0; pos + 6 <= len; pos += 6 + (data[pos + 1] & 0x7f)) {

        if ((data[pos] & 0xf) == 0x8) {
            bare_send(fd, close_frame, sizeof(close_frame));
            (void) shutdown(fd, SHUT_WR);
            return;
        }

        bare_send(fd, bare_pong, bare_pong_len);
    }
}


/* A publisher that is ahead may have its requests cut anywhere. */

static void
bare_posts(int fd, size_t len)
{
    char    *data;
    size_t   used;

    data = bare_buffer;

    if (bare_rest_len[fd]) {
        memcpy(data, bare_rest[fd], bare_rest_len[fd]);
        len += bare_rest_len[fd];
    }

    while ((used = bare_post(fd, data, len)) != 0) {
        data += used;
        len -= used;
    }

    bare_rest_len[fd] = len;

    if (len) {
        bare_rest[fd] = realloc(bare_rest[fd], len);

        if (bare_rest[fd] == NULL || len > BARE_BUFFER) {
            bare_fail("a request");
        }

        memcpy(bare_rest[fd], data, len);
    }
}


/* The size of a request, or 0 if it is not whole. */

static size_t
bare_post(int fd, char *data, size_t len)
{
    char    *body, *field;
    size_t   size;

    body = memmem(data, len, "\r\n\r\n", 4);

    if (body == NULL) {
        return 0;
    }

    field = memmem(data, (size_t) (body - data), "Content-Length:", 15);
    body += 4;
    size = field ? strtoul(field + 15, NULL, 10) : 0;

    if ((size_t) (data + len - body) < size) {
        return 0;
    }

    bare_send(fd, bare_200, sizeof(bare_200) - 1);
    bare_fanout(body, size);

    return (size_t) (body - data) + size;
}


static void
bare_fanout(const char *data, size_t len)
{
    int            i;
    size_t         size;
    unsigned char  frame[4096];

    size = bare_frame(frame, data, len);

    for (i = bare_nclients; i-- > 0; /* void */ ) {
        bare_send(bare_clients[i], frame, size);
    }
}


/* A client that takes nothing is waited for: the floor knows no queue. */

static void
bare_send(int fd, const void *data, size_t len)
{
    ssize_t        n;
    struct pollfd  pfd;

    while (len) {
        n = send(fd, data, len, MSG_NOSIGNAL);

        if (n >= 0) {
            data = (const char *) data + n;
            len -= (size_t) n;
            continue;
        }

        if (errno != EAGAIN) {
            return;
        }

        pfd.fd = fd;
        pfd.events = POLLOUT;
        (void) poll(&pfd, 1, -1);
    }
}


static void
bare_close(int fd)
{
    if (bare_kind[fd] == BARE_CLIENT) {
        bare_clients[bare_place[fd]] = bare_clients[--bare_nclients];
        bare_place[bare_clients[bare_place[fd]]] = bare_place[fd];
    }

    bare_rest_len[fd] = 0;
    close(fd);
}


static size_t
bare_frame(unsigned char *dst, const char *data, size_t len)
{
    size_t  header;

    dst[0] = 0x81;
    header = 2;

    if (len < 126) {
        dst[1] = (unsigned char) len;

    } else {
        dst[1] = 126;
        dst[2] = (unsigned char) (len >> 8);
        dst[3] = (unsigned char) len;
        header = 4;
    }

    memcpy(dst + header, data, len);

    return header + len;
}


static void
bare_fail(const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    exit(1);
}
