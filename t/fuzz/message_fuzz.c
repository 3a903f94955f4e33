/*
 * Fuzzes the assembly of messages.  Input: a byte of limits, a byte that
 * seeds the chunking, the number of the allocation that fails in one more
 * run, then what a client sends.  The conversation must come to the same in
 * one piece, byte by byte and in chunks; text must be UTF-8, no message may
 * exceed its limit, what is held no more than what arrived accounts for, and
 * nothing may be left behind.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cdr_receiver.h"


#define HEAD     16         /* in front of what is allocated: its size */
#define PARTIAL  512        /* what an unfinished message costs by itself */

#define check(cond)  ((cond) ? (void) 0 : abort())


typedef struct {
    size_t                 live;
    unsigned               calls;
    unsigned               fail_at;
} memory_t;


/* One connection, and all that came out of it in one log. */

typedef struct {
    memory_t               memory;
    cdr_alloc_t            alloc;
    cdr_receiver_conf_t    conf;
    cdr_receiver_t         receiver;
    uint8_t               *log;
    size_t                 len;
    size_t                 size;
    size_t                 fed;
    int                    rc;
} session_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void session_run(session_t *s, const uint8_t *data, size_t size,
    unsigned chunk, unsigned fail_at);
static void session_conf(session_t *s, uint8_t limits);
static void session_feed(session_t *s, const uint8_t *in, size_t len);
static void session_event(session_t *s, const cdr_received_t *ev);
static void session_message(const session_t *s, const cdr_received_t *ev);
static void session_idle(session_t *s);
static void session_log(session_t *s, const void *data, size_t len);
static void *get(void *ctx, size_t size);
static void put(void *ctx, void *p);


static const uint64_t  max_message[] = {
    0, 1, 16, 125, 126, 300, 5000, 65536
};

static const uint32_t  max_fragments[] = { 0, 1, 2, 5 };


/* It lives through all inputs: none may spoil it for the next. */

static memory_t        kept;
static cdr_inflated_t  inflated;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       i;
    session_t    s[5];
    cdr_alloc_t  alloc = { get, put, &kept };

    if (size < 3) {
        return 0;
    }

    if (inflated.inflater == NULL) {
        inflated.inflater = cdr_inflater_new(&alloc);
        check(inflated.inflater != NULL);
    }

    session_run(&s[0], data, size, 0, 0);
    session_run(&s[1], data, size, 1, 0);
    session_run(&s[2], data, size, 7, 0);
    session_run(&s[3], data, size, 40, 0);
    session_run(&s[4], data, size, 40, data[2]);

    for (i = 1; i < 4; i++) {
        check(s[i].rc == s[0].rc);
        check(s[i].len == s[0].len);
        check(memcmp(s[i].log, s[0].log, s[0].len) == 0);
    }

    if (s[4].rc == CDR_NOMEM) {
        check(s[4].memory.fail_at);
        check(s[4].len <= s[0].len);

    } else {
        check(s[4].rc == s[0].rc && s[4].len == s[0].len);
    }

    check(memcmp(s[4].log, s[0].log, s[4].len) == 0);

    for (i = 0; i < 5; i++) {
        free(s[i].log);
    }

    return 0;
}


/* Feeds in chunks of 1 to "chunk" bytes; 0: in one piece. */

static void
session_run(session_t *s, const uint8_t *data, size_t size, unsigned chunk,
    unsigned fail_at)
{
    size_t    n, left;
    uint32_t  seed;

    memset(s, 0, sizeof(session_t));
    session_conf(s, data[0]);
    session_log(s, "", 0);
    cdr_receiver_init(&s->receiver);

    s->memory.fail_at = fail_at;
    s->rc = CDR_AGAIN;
    seed = data[1];
    data += 3;
    left = size - 3;

    while (left && s->rc == CDR_AGAIN) {
        seed = seed * 1664525 + 1013904223;
        n = chunk ? 1 + (seed >> 16) % chunk : left;
        n = (n < left) ? n : left;

        session_feed(s, data, n);

        data += n;
        left -= n;
    }

    cdr_receiver_free(&s->receiver, &s->conf);
    cdr_inflated_shrink(&inflated, &s->alloc, 0);
    check(s->memory.live == 0);
}


/*
 * Limits: bit 0 deflate, bits 1-3 max_message, bits 4-5 max_fragments, bit 6
 * no binary messages.
 */

static void
session_conf(session_t *s, uint8_t limits)
{
    s->alloc.alloc = get;
    s->alloc.free = put;
    s->alloc.ctx = &s->memory;

    s->conf.ws.deflate = limits & 1;
    s->conf.ws.max_message = max_message[limits >> 1 & 7];
    s->conf.ws.max_compressed = cdr_deflate_bound(s->conf.ws.max_message);
    s->conf.ws.max_fragments = max_fragments[limits >> 4 & 3];
    s->conf.binary = !(limits & 0x40);
    s->conf.alloc = &s->alloc;
    s->conf.inflated = &inflated;
}


/* In memory of exactly its size. */

static void
session_feed(session_t *s, const uint8_t *in, size_t len)
{
    size_t           used;
    uint8_t         *piece, *pos, *end;
    cdr_received_t   ev;

    piece = malloc(len);
    check(piece != NULL);
    memcpy(piece, in, len);
    s->fed += len;

    pos = piece;
    end = piece + len;

    do {
        s->rc = cdr_receiver_feed(&s->receiver, &s->conf, pos,
                                  (size_t) (end - pos), &used, &ev);
        check(used <= (size_t) (end - pos));
        pos += used;

        session_event(s, &ev);

    } while (s->rc == CDR_OK);

    check(s->rc != CDR_AGAIN || pos == end);
    free(piece);
}


static void
session_event(session_t *s, const cdr_received_t *ev)
{
    switch (s->rc) {

    case CDR_OK:
        break;

    case CDR_AGAIN:
        session_idle(s);
        return;

    case CDR_ERROR:
        check(ev->code == CDR_CLOSE_PROTOCOL || ev->code == CDR_CLOSE_TOO_BIG
              || ev->code == CDR_CLOSE_UNSUPPORTED
              || ev->code == CDR_CLOSE_BAD_DATA);
        session_log(s, &ev->code, sizeof(ev->code));
        session_log(s, ev->reason, strlen(ev->reason));
        return;

    default:
        check(s->rc == CDR_NOMEM);
        return;
    }

    session_log(s, &ev->type, sizeof(ev->type));
    session_log(s, &ev->opcode, 1);

    if (ev->type == CDR_RECEIVED_CLOSE) {
        check(ev->code == CDR_CLOSE_NO_STATUS
              || cdr_ws_close_code_valid(ev->code));
        session_log(s, &ev->code, sizeof(ev->code));
        return;
    }

    if (ev->type == CDR_RECEIVED_MESSAGE) {
        session_message(s, ev);

    } else {
        check(ev->len <= CDR_WS_CONTROL_MAX);
    }

    session_log(s, &ev->len, sizeof(ev->len));
    session_log(s, ev->data, ev->len);
}


static void
session_message(const session_t *s, const cdr_received_t *ev)
{
    cdr_utf8_t  utf8;

    check(ev->len <= s->conf.ws.max_message);

    if (ev->opcode == CDR_WS_OP_BINARY) {
        check(s->conf.binary);
        return;
    }

    check(ev->opcode == CDR_WS_OP_TEXT);

    utf8 = 0;
    check(cdr_utf8_check(&utf8, ev->data, ev->len) == CDR_OK);
    check(cdr_utf8_done(&utf8));
}


/* All input is consumed. */

static void
session_idle(session_t *s)
{
    size_t  own;

    check(inflated.size <= s->conf.ws.max_message);

    own = s->memory.live - inflated.size;
    check(own <= PARTIAL + 2 * s->fed);

    if (s->receiver.parser.message == 0
        && !cdr_receiver_in_frame(&s->receiver))
    {
        check(own == 0);
    }
}


static void
session_log(session_t *s, const void *data, size_t len)
{
    if (s->log == NULL || len > s->size - s->len) {
        s->size = 2 * (s->len + len) + 64;
        s->log = realloc(s->log, s->size);
        check(s->log != NULL);
    }

    if (len) {
        memcpy(s->log + s->len, data, len);
        s->len += len;
    }
}


static void *
get(void *ctx, size_t size)
{
    uint8_t   *p;
    memory_t  *m = ctx;

    if (++m->calls == m->fail_at) {
        return NULL;
    }

    p = malloc(HEAD + size);
    check(p != NULL);
    memcpy(p, &size, sizeof(size));
    m->live += size;

    return p + HEAD;
}


static void
put(void *ctx, void *p)
{
    size_t     size;
    uint8_t   *head;
    memory_t  *m = ctx;

    if (p == NULL) {
        return;
    }

    head = (uint8_t *) p - HEAD;
    memcpy(&size, head, sizeof(size));
    m->live -= size;
    free(head);
}
