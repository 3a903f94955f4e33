/* What the tests of the framing share: a trace of what was parsed. */

#ifndef WS_TEST_H_INCLUDED
#define WS_TEST_H_INCLUDED


#include "cdr_test.h"
#include "cdr_frames.h"
#include "cdr_ws.h"


#define MAX  UINT64_MAX

#define count_of(a)  (sizeof(a) / sizeof((a)[0]))


/*
 * What a conversation came to, in one text whatever the chunking: a line for
 * each message ("text:", "binary:", with "z" if compressed), control frame
 * ("ping@3:" came behind three bytes of a message) and error.
 */

typedef struct {
    bytes_t   lines;
    bytes_t   message;
    bytes_t   control;
    unsigned  broken;      /* events that contradict each other */
    unsigned  events;
    size_t    consumed;
} trace_t;


typedef struct {
    int          first;
    const char  *payload;
} frame_t;


static const cdr_ws_limits_t  open_limits = { MAX, 0, false, 0 };
static const cdr_ws_limits_t  deflate_limits = { MAX, 0, true, 0 };


static inline void
trace_data(trace_t *t, const cdr_ws_event_t *ev)
{
    if (ev->first) {
        t->broken += (t->message.len != 0);
        add_text(&t->message, ev->opcode == CDR_WS_OP_TEXT ? "text" : "binary");
        add_text(&t->message, ev->compressed ? "z:" : ":");
    }

    t->broken += (t->message.len == 0);
    add(&t->message, ev->data, ev->len);

    if (ev->last) {
        add(&t->lines, t->message.data, t->message.len);
        add_text(&t->lines, "\n");
        t->message.len = 0;
    }
}


static inline void
trace_control(trace_t *t, const cdr_ws_event_t *ev)
{
    char         head[40];
    uint8_t     *colon;
    const char  *name;

    name = ev->type == CDR_WS_PING ? "ping"
           : ev->type == CDR_WS_PONG ? "pong" : "close";

    if (ev->first) {
        t->broken += (t->control.len != 0);
        colon = t->message.len ? memchr(t->message.data, ':', t->message.len)
                               : NULL;
        snprintf(head, sizeof(head), "%s@%d:", name,
                 colon ? (int) (t->message.data + t->message.len - colon - 1)
                       : 0);
        add_text(&t->control, head);
    }

    t->broken += (t->control.len == 0);
    add(&t->control, ev->data, ev->len);

    if (ev->last) {
        add(&t->lines, t->control.data, t->control.len);
        add_text(&t->lines, "\n");
        t->control.len = 0;
    }
}


/*
 * Feeds one piece, in memory of exactly its size, and keeps the trace.
 * Returns CDR_AGAIN, or CDR_ERROR when there is nothing more to feed.
 */

static inline int
feed(cdr_ws_parser_t *p, const cdr_ws_limits_t *l, const uint8_t *data,
    size_t len, trace_t *t)
{
    int              rc;
    char             line[80];
    size_t           used;
    uint8_t         *piece, *pos, *end;
    cdr_ws_event_t   ev;

    piece = malloc(len ? len : 1);
    memcpy(piece, data, len);
    pos = piece;
    end = piece + len;

    for ( ;; ) {
        memset(&ev, 0xee, sizeof(ev));
        used = 12345;
        rc = cdr_ws_parse(p, l, pos, (size_t) (end - pos), &used, &ev);

        if (rc != CDR_OK) {
            break;
        }

        t->events++;
        t->broken += (used == 0 || used > (size_t) (end - pos));
        t->broken += (ev.data + ev.len != pos + used);
        t->broken += (ev.len == 0 && !ev.last);

        if (ev.type == CDR_WS_DATA) {
            trace_data(t, &ev);

        } else {
            trace_control(t, &ev);
        }

        pos += used;
        t->consumed += used;
    }

    t->broken += (used != (size_t) (end - pos));

    if (rc == CDR_ERROR) {
        snprintf(line, sizeof(line), "error %d %.*s\n", ev.code,
                 (int) ev.reason.len, (const char *) ev.reason.data);
        add_text(&t->lines, line);
    }

    free(piece);

    return rc;
}


static inline void
trace_free(trace_t *t)
{
    free(t->lines.data);
    free(t->message.data);
    free(t->control.data);
    memset(t, 0, sizeof(trace_t));
}


static inline bool
trace_is(const trace_t *t, const char *expected)
{
    bool  same;

    same = t->broken == 0 && t->lines.len == strlen(expected)
           && memcmp(t->lines.data ? t->lines.data : (const uint8_t *) "",
                     expected, t->lines.len) == 0;

    if (!same) {
        printf("# broken: %u, got:\n%.*s", t->broken, (int) t->lines.len,
               t->lines.data ? (const char *) t->lines.data : "");
    }

    return same;
}


/* Runs a whole input cut after each of "cuts" (ascending, below len). */

static inline bool
run(const cdr_ws_limits_t *l, const bytes_t *in, const size_t *cuts, size_t n,
    const char *expected)
{
    bool             same;
    size_t           i, from, to;
    trace_t          t;
    cdr_ws_parser_t  p;

    memset(&t, 0, sizeof(t));
    cdr_ws_parser_init(&p);

    for (i = 0, from = 0; i <= n; i++, from = to) {
        to = i < n ? cuts[i] : in->len;

        if (feed(&p, l, in->data + from, to - from, &t) == CDR_ERROR) {
            break;
        }
    }

    same = trace_is(&t, expected);
    trace_free(&t);

    return same;
}


/* Whole, byte by byte, all cuts in two and in three, and 200 random ones. */

static inline bool
run_all_ways(const cdr_ws_limits_t *l, const bytes_t *in, const char *expected)
{
    bool      good;
    size_t    i, j, n, *cuts, two[2];
    uint32_t  r;

    cuts = malloc((in->len + 1) * sizeof(size_t));
    good = run(l, in, NULL, 0, expected);

    for (i = 0; i < in->len; i++) {
        cuts[i] = i + 1;
    }

    good = good && run(l, in, cuts, in->len - 1, expected);

    for (i = 0; good && i <= in->len; i++) {
        good = run(l, in, &i, 1, expected);
    }

    for (i = 0; good && in->len <= 120 && i < in->len; i++) {
        for (j = i; good && j < in->len; j++) {
            two[0] = i;
            two[1] = j;
            good = run(l, in, two, 2, expected);
        }
    }

    for (r = 1, j = 0; good && j < 200; j++) {
        for (n = 0, i = 0; i < in->len; i++) {
            r = r * 1664525 + 1013904223;

            if ((r >> 16) % (j % 23 + 2) == 0) {
                cuts[n++] = i;
            }
        }

        good = run(l, in, cuts, n, expected);
    }

    free(cuts);

    return good;
}


/* Feeds the first n bytes of a header one at a time and all at once. */

static inline int
judge(const cdr_ws_limits_t *l, bool inside, const uint8_t *b, size_t n,
    uint16_t *code)
{
    int              rc, whole;
    size_t           i, used;
    uint8_t          c[14], open[6] = { 0x01, 0x80, 1, 2, 3, 4 };
    cdr_ws_event_t   ev;
    cdr_ws_parser_t  p, q;

    cdr_ws_parser_init(&p);

    if (inside) {
        (void) cdr_ws_parse(&p, l, open, 6, &used, &ev);
    }

    q = p;
    memcpy(c, b, n);
    whole = cdr_ws_parse(&q, l, c, n, &used, &ev);
    *code = whole == CDR_ERROR ? ev.code : 0;

    for (i = 0, rc = CDR_AGAIN; i < n && rc == CDR_AGAIN; i++) {
        c[0] = b[i];
        rc = cdr_ws_parse(&p, l, c, 1, &used, &ev);
    }

    if (rc != whole || (rc == CDR_ERROR && (i != n || ev.code != *code))) {
        return CDR_DECLINED;
    }

    return rc;
}


#endif /* WS_TEST_H_INCLUDED */
