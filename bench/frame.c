/* What a server sends to a client: its frames, RFC 6455 section 5.2. */

#define _GNU_SOURCE

#include "bench.h"

#include <stdio.h>
#include <string.h>


static size_t bench_frame_header(const unsigned char *data, size_t len,
    size_t *payload);
static bool bench_socketio(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
static void bench_frame(bench_t *b, bench_conn_t *c, unsigned first,
    const unsigned char *data, size_t len);


size_t
bench_frames(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    size_t  used, header, payload;

    used = 0;

    while (c->state != BENCH_CLOSED) {
        header = bench_frame_header(data + used, len - used, &payload);

        if (header == 0 || len - used - header < payload) {
            break;
        }

        bench_frame(b, c, data[used], data + used + header, payload);

        used += header + payload;
    }

    return used;
}


/* The size of the header, or 0 if it is not whole. */

static size_t
bench_frame_header(const unsigned char *data, size_t len, size_t *payload)
{
    int  i;

    if (len < 2) {
        return 0;
    }

    if (data[1] < 126) {
        *payload = data[1];
        return 2;
    }

    if (data[1] == 126) {
        if (len < 4) {
            return 0;
        }

        *payload = (size_t) data[2] << 8 | data[3];
        return 4;
    }

    if (data[1] > 127) {
        bench_fail("a server must not mask its frames");
    }

    if (len < 10) {
        return 0;
    }

    *payload = 0;

    for (i = 2; i < 10; i++) {
        *payload = *payload << 8 | data[i];
    }

    return 10;
}


static void
bench_frame(bench_t *b, bench_conn_t *c, unsigned first,
    const unsigned char *data, size_t len)
{
    switch (first) {

    case 0x81:
        if (b->conf.peer->socketio && bench_socketio(b, c, data, len)) {
            return;
        }

        if (c->state == BENCH_WELCOME) {
            c->state = BENCH_OPEN;
            b->opening--;
            b->opened++;
            b->open(b, c, data, len);
            return;
        }

        b->message(b, c, data, len);
        return;

    case 0x88:
        if (b->closed) {
            b->closed(b, c, data, len);
            return;
        }

        if (c->state != BENCH_CLOSING) {
            b->errors++;
            bench_conn_close(b, c);
        }

        return;

    case 0x89:
        bench_conn_send(b, c, 0xa, (const char *) data, len);
        return;

    default:
        b->errors++;
    }
}


/* The packets of Engine.IO that say nothing: an opening, a ping. */

static bool
bench_socketio(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len)
{
    if (len && data[0] == '0') {
        bench_conn_send(b, c, 0x1, "40", 2);
        return true;
    }

    if (len == 1 && data[0] == '2') {
        bench_conn_send(b, c, 0x1, "3", 1);
        return true;
    }

    return false;
}


/* As encoders write it that put no spaces. */

size_t
bench_value(const unsigned char *data, size_t len, const char *name,
    char *buf, size_t size)
{
    char                  key[32];
    size_t                n;
    const unsigned char  *p, *end;

    n = (size_t) snprintf(key, sizeof(key), "\"%s\":\"", name);
    p = memmem(data, len, key, n);

    if (p == NULL) {
        return 0;
    }

    p += n;
    end = memchr(p, '"', (size_t) (data + len - p));

    if (end == NULL || (size_t) (end - p) >= size) {
        return 0;
    }

    memcpy(buf, p, (size_t) (end - p));
    buf[end - p] = '\0';

    return (size_t) (end - p);
}


bool
bench_is(const unsigned char *data, size_t len, const char *type)
{
    size_t  n;

    n = strlen(type);

    return len > n + 10 && memcmp(data, "{\"type\":\"", 9) == 0
           && memcmp(data + 9, type, n) == 0 && data[9 + n] == '"';
}
