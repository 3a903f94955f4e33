/*
 * Fuzzes the framing.  Input: a byte of limits, a byte that seeds the
 * chunking, then what a client sends.  The conversation must come to the same
 * in one piece, byte by byte and in chunks, what is reported must be
 * consistent, and a close frame must survive being encoded again.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cdr.h"
#include "cdr_codes.h"
#include "cdr_utf8.h"
#include "cdr_ws.h"


#define check(cond)                                                           \
    do {                                                                      \
        if (!(cond)) {                                                        \
            abort();                                                          \
        }                                                                     \
    } while (0)


/*
 * What was reported, without its cuts: marks and payload.  A frame has six
 * bytes or more and at most two marks.
 */

typedef struct {
    uint8_t         *log;
    size_t           len;
    size_t           size;
    size_t           payload;      /* all payload reported */
    uint8_t          opcode;       /* of the open message; 0: none */
    bool             compressed;
    cdr_utf8_t       text;         /* of it, whatever the opcode */
    bool             wrong;        /* it is not UTF-8 */
    uint64_t         message;      /* bytes of it */
    uint8_t          control;      /* open control frame; 0: none */
    uint8_t          body[CDR_WS_CONTROL_MAX];
    size_t           nbody;
} session_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void session_run(session_t *s, const cdr_ws_limits_t *l,
    const uint8_t *in, size_t len, unsigned chunk, uint32_t seed);
static bool session_feed(session_t *s, cdr_ws_parser_t *p,
    const cdr_ws_limits_t *l, const uint8_t *in, size_t len);
static void session_data(session_t *s, const cdr_ws_limits_t *l,
    const cdr_ws_event_t *ev);
static void session_control(session_t *s, const cdr_ws_event_t *ev);
static void session_close(session_t *s);
static void session_log(session_t *s, const void *data, size_t len);
static void session_mark(session_t *s, uint8_t a, uint8_t b);


static const uint64_t  max_message[] = {
    0, 1, 16, 125, 126, 300, 65536, UINT64_MAX
};

static const uint32_t  max_fragments[] = { 0, 1, 2, 5 };


/* Limits: bit 0 deflate, bits 1-3 max_message, bits 4-5 max_fragments. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           i;
    session_t        s[4];
    cdr_ws_limits_t  l;

    if (size < 2) {
        return 0;
    }

    l.deflate = data[0] & 1;
    l.max_message = max_message[data[0] >> 1 & 7];
    l.max_fragments = max_fragments[data[0] >> 4 & 3];
    l.max_compressed = 0;

    session_run(&s[0], &l, data + 2, size - 2, 0, 0);
    session_run(&s[1], &l, data + 2, size - 2, 1, 0);
    session_run(&s[2], &l, data + 2, size - 2, 7, data[1]);
    session_run(&s[3], &l, data + 2, size - 2, 40, data[1]);

    for (i = 1; i < 4; i++) {
        check(s[i].len == s[0].len);
        check(s[i].payload == s[0].payload);
        check(s[i].wrong == s[0].wrong);
        check(memcmp(s[i].log, s[0].log, s[0].len) == 0);
    }

    for (i = 0; i < 4; i++) {
        free(s[i].log);
    }

    return 0;
}


/* Feeds in chunks of 1 to "chunk" bytes; 0: in one piece. */

static void
session_run(session_t *s, const cdr_ws_limits_t *l, const uint8_t *in,
    size_t len, unsigned chunk, uint32_t seed)
{
    size_t           n, left;
    cdr_ws_parser_t  p;

    memset(s, 0, sizeof(session_t));
    s->size = 2 * len + 2 + CDR_WS_REASON_MAX;
    s->log = malloc(s->size);
    check(s->log != NULL);

    cdr_ws_parser_init(&p);

    for (left = len; left; left -= n, in += n) {
        seed = seed * 1664525 + 1013904223;
        n = chunk ? 1 + (seed >> 16) % chunk : left;
        n = n < left ? n : left;

        if (!session_feed(s, &p, l, in, n)) {
            break;
        }
    }

    check(s->payload <= len);
}


static bool
session_feed(session_t *s, cdr_ws_parser_t *p, const cdr_ws_limits_t *l,
    const uint8_t *in, size_t len)
{
    int              rc;
    size_t           used;
    uint8_t         *buf, *pos;
    cdr_ws_event_t   ev;

    buf = malloc(len);
    check(buf != NULL);
    memcpy(buf, in, len);
    pos = buf;

    for ( ;; ) {
        rc = cdr_ws_parse(p, l, pos, len, &used, &ev);

        check(used <= len);

        if (rc != CDR_OK) {
            break;
        }

        check(used > 0);
        check(ev.data >= pos && ev.data + ev.len == pos + used);
        check(ev.len || ev.last);
        s->payload += ev.len;

        if (ev.type == CDR_WS_DATA) {
            session_data(s, l, &ev);

        } else {
            session_control(s, &ev);
        }

        /* nothing behind the event was touched */

        pos += used;
        len -= used;
        in += used;
        check(memcmp(pos, in, len) == 0);
    }

    check(used == len);

    if (rc == CDR_ERROR) {
        check(ev.code == CDR_CLOSE_PROTOCOL || ev.code == CDR_CLOSE_TOO_BIG);
        check(ev.reason.len > 0 && ev.reason.len <= CDR_WS_REASON_MAX);
        session_mark(s, 'E', (uint8_t) (ev.code - 1000));
        session_log(s, ev.reason.data, ev.reason.len);

    } else {
        check(rc == CDR_AGAIN);
    }

    free(buf);

    return rc == CDR_AGAIN;
}


static void
session_data(session_t *s, const cdr_ws_limits_t *l, const cdr_ws_event_t *ev)
{
    check(ev->opcode == CDR_WS_OP_TEXT || ev->opcode == CDR_WS_OP_BINARY);
    check(!ev->compressed || l->deflate);
    check(ev->first == (s->opcode == 0));
    check(s->control == 0);

    if (ev->first) {
        s->opcode = ev->opcode;
        s->compressed = ev->compressed;
        s->message = 0;
        s->text = 0;
        s->wrong = false;
        session_mark(s, 'M', (uint8_t) (ev->opcode | ev->compressed << 4));
    }

    check(ev->opcode == s->opcode && ev->compressed == s->compressed);

    s->message += ev->len;
    check(s->message <= l->max_message);

    session_log(s, ev->data, ev->len);

    if (!s->wrong
        && cdr_utf8_check(&s->text, ev->data, ev->len) != CDR_OK)
    {
        s->wrong = true;
    }

    if (ev->last) {
        s->opcode = 0;
        session_mark(s, 'm', !s->wrong && cdr_utf8_done(&s->text));
    }
}


static void
session_control(session_t *s, const cdr_ws_event_t *ev)
{
    check(ev->opcode == (ev->type == CDR_WS_CLOSE ? CDR_WS_OP_CLOSE
                         : ev->type == CDR_WS_PING ? CDR_WS_OP_PING
                                                   : CDR_WS_OP_PONG));
    check(!ev->compressed);
    check(ev->first == (s->control == 0));
    check(ev->len <= CDR_WS_CONTROL_MAX - s->nbody);

    if (ev->first) {
        s->control = ev->opcode;
    }

    check(ev->opcode == s->control);

    memcpy(s->body + s->nbody, ev->data, ev->len);
    s->nbody += ev->len;

    if (!ev->last) {
        return;
    }

    session_mark(s, 'C', s->control);
    session_log(s, s->body, s->nbody);
    session_mark(s, 'c', (uint8_t) s->nbody);

    if (s->control == CDR_WS_OP_CLOSE) {
        session_close(s);
    }

    s->control = 0;
    s->nbody = 0;
}


/* What a close frame said, said again, is the same close frame. */

static void
session_close(session_t *s)
{
    int        rc;
    size_t     n;
    uint8_t    frame[2 + CDR_WS_CONTROL_MAX];
    uint16_t   code;
    cdr_str_t  reason;

    rc = cdr_ws_close_parse(s->body, s->nbody, &code, &reason);

    if (rc != CDR_OK) {
        check(rc == CDR_ERROR && reason.len == 0);
        check(code == CDR_CLOSE_PROTOCOL || code == CDR_CLOSE_BAD_DATA);
        return;
    }

    n = cdr_ws_close_frame(frame, code, reason);

    check(n == 2 + s->nbody);
    check(frame[0] == (CDR_WS_FIN | CDR_WS_OP_CLOSE));
    check(frame[1] == s->nbody);
    check(memcmp(frame + 2, s->body, s->nbody) == 0);
}


static void
session_log(session_t *s, const void *data, size_t len)
{
    check(len <= s->size - s->len);

    if (len) {
        memcpy(s->log + s->len, data, len);
        s->len += len;
    }
}


static void
session_mark(session_t *s, uint8_t a, uint8_t b)
{
    uint8_t  mark[2];

    mark[0] = a;
    mark[1] = b;
    session_log(s, mark, 2);
}
