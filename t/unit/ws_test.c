/* Tests of the framing: what is refused where, any chunking, both ways. */

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


static void
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


static void
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

static int
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


static void
trace_free(trace_t *t)
{
    free(t->lines.data);
    free(t->message.data);
    free(t->control.data);
    memset(t, 0, sizeof(trace_t));
}


static bool
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

static bool
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

static bool
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


static void
test_conversations(void)
{
    bytes_t  in;
    size_t   i, j;

    static const struct {
        const char       *name;
        cdr_ws_limits_t   limits;
        frame_t           frames[10];
        cdr_str_t         tail;
        const char       *expected;
    } talk[] = {
        { "a text, a binary and an empty message",
          { MAX, 0, false, 0 },
          { { 0x81, "Hello" }, { 0x82, "world" }, { 0x81, "" } }, cdr_str(""),
          "text:Hello\nbinary:world\ntext:\n" },

        { "control frames between, inside and behind messages",
          { MAX, 0, false, 0 },
          { { 0x89, "a" }, { 0x01, "He" }, { 0x89, "" }, { 0x00, "l" },
            { 0x8a, "pong" }, { 0x00, "" }, { 0x89, "b" }, { 0x80, "lo" },
            { 0x8a, "" }, { 0x88, "\x03\xe8 bye" } }, cdr_str(""),
          "ping@0:a\nping@2:\npong@3:pong\nping@3:b\ntext:Hello\n"
          "pong@0:\nclose@0:\x03\xe8 bye\n" },

        { "a message of empty frames around one byte",
          { 1, 5, false, 0 },
          { { 0x02, "" }, { 0x00, "" }, { 0x00, "x" }, { 0x89, "p" },
            { 0x00, "" }, { 0x80, "" }, { 0x81, "y" } }, cdr_str(""),
          "ping@1:p\nbinary:x\ntext:y\n" },

        { "a message of nothing but empty frames",
          { 0, 3, false, 0 },
          { { 0x01, "" }, { 0x00, "" }, { 0x80, "" }, { 0x81, "" } },
          cdr_str(""),
          "text:\ntext:\n" },

        { "a compressed message in fragments, then a plain one",
          { MAX, 0, true, 0 },
          { { 0x41, "ab" }, { 0x89, "" }, { 0x80, "cd" }, { 0xc2, "" },
            { 0x82, "ef" } }, cdr_str(""),
          "ping@2:\ntextz:abcd\nbinaryz:\nbinary:ef\n" },

        { "RSV1 on a continuation of a compressed message",
          { MAX, 0, true, 0 },
          { { 0x41, "ab" } }, cdr_str("\xc0"),
          "error 1002 reserved bit\n" },

        { "RSV1 on a control frame inside a compressed message",
          { MAX, 0, true, 0 },
          { { 0x41, "ab" } }, cdr_str("\xc9"),
          "error 1002 reserved bit\n" },

        { "RSV1 without permessage-deflate",
          { MAX, 0, false, 0 },
          { { 0x81, "ab" } }, cdr_str("\xc1"),
          "text:ab\nerror 1002 reserved bit\n" },

        { "a continuation without a message",
          { MAX, 0, false, 0 },
          { { 0x01, "a" }, { 0x80, "b" } }, cdr_str("\x80"),
          "text:ab\nerror 1002 continuation without a message\n" },

        { "a message inside a message",
          { MAX, 0, false, 0 },
          { { 0x01, "a" }, { 0x89, "" } }, cdr_str("\x81"),
          "ping@1:\nerror 1002 message inside a message\n" },

        { "a control frame in fragments",
          { MAX, 0, false, 0 },
          { { 0x01, "a" } }, cdr_str("\x09"),
          "error 1002 fragmented control frame\n" },

        { "a reserved opcode",
          { MAX, 0, false, 0 },
          { { 0x81, "a" } }, cdr_str("\x83"),
          "text:a\nerror 1002 reserved opcode\n" },

        { "an unmasked frame",
          { MAX, 0, false, 0 },
          { { 0x81, "a" } }, cdr_str("\x81\x01"),
          "text:a\nerror 1002 unmasked frame\n" },

        { "a control frame over 125 bytes",
          { MAX, 0, false, 0 },
          { { 0x81, "a" } }, cdr_str("\x89\xfe"),
          "text:a\nerror 1002 control frame too long\n" },

        { "a frame that takes the message over its limit",
          { 4, 0, false, 0 },
          { { 0x01, "abc" }, { 0x89, "control frames are free" },
            { 0x00, "d" } }, cdr_str("\x80\x81"),
          "ping@3:control frames are free\nerror 1009 message too long\n" },

        { "a frame beyond the number of fragments",
          { MAX, 3, false, 0 },
          { { 0x01, "a" }, { 0x00, "b" }, { 0x89, "" }, { 0x80, "c" },
            { 0x01, "a" }, { 0x00, "" }, { 0x8a, "" }, { 0x00, "" } },
          cdr_str("\x80"),
          "ping@2:\ntext:abc\npong@1:\nerror 1009 too many fragments\n" },
    };

    for (i = 0; i < count_of(talk); i++) {
        memset(&in, 0, sizeof(in));

        for (j = 0; j < count_of(talk[i].frames) && talk[i].frames[j].payload;
             j++)
        {
            add_frame(&in, talk[i].frames[j].first, talk[i].frames[j].payload,
                      strlen(talk[i].frames[j].payload));
        }

        add(&in, talk[i].tail.data, talk[i].tail.len);

        ok(run_all_ways(&talk[i].limits, &in, talk[i].expected),
           "in every chunking: %s", talk[i].name);

        free(in.data);
    }
}


/* Feeds the first n bytes of a header one at a time and all at once. */

static int
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


/* What RFC 6455 and RFC 7692 say of a first byte, told once more. */

static bool
first_byte_is_right(int b, bool deflate, bool inside)
{
    int  op = b & 15;

    if (b & 0x30) {
        return false;
    }

    if (op >= 8) {
        return op <= 10 && (b & 0xc0) == 0x80;
    }

    if (b & 0x40) {
        return deflate && !inside && (op == 1 || op == 2);
    }

    return inside ? op == 0 : op == 1 || op == 2;
}


static void
test_first_bytes(void)
{
    int              b, deflate, inside, rc;
    uint8_t          h[1];
    unsigned         bad;
    uint16_t         code;
    cdr_ws_limits_t  l;

    bad = 0;

    for (deflate = 0; deflate < 2; deflate++) {
        for (inside = 0; inside < 2; inside++) {
            for (b = 0; b < 256; b++) {
                l = deflate ? deflate_limits : open_limits;
                h[0] = (uint8_t) b;
                rc = judge(&l, inside, h, 1, &code);

                bad += first_byte_is_right(b, deflate, inside)
                       ? rc != CDR_AGAIN : rc != CDR_ERROR || code != 1002;
            }
        }
    }

    ok(bad == 0, "each first byte is accepted or refused on that byte alone");
}


static void
test_second_bytes(void)
{
    int        b, c, inside, rc;
    bool       control;
    uint8_t    h[2];
    unsigned   bad;
    uint16_t   code;

    bad = 0;

    for (inside = 0; inside < 2; inside++) {
        for (b = 0; b < 256; b++) {

            if (!first_byte_is_right(b, true, inside)) {
                continue;
            }

            control = (b & 15) >= 8;

            for (c = 0; c < 256; c++) {
                h[0] = (uint8_t) b;
                h[1] = (uint8_t) c;
                rc = judge(&deflate_limits, inside, h, 2, &code);

                bad += c < 128 || (control && c > 128 + 125)
                       ? rc != CDR_ERROR || code != 1002 : rc != CDR_AGAIN;
            }
        }
    }

    ok(bad == 0, "each second byte behind each first one is judged at once");
}


static void
test_lengths(void)
{
    int       rc;
    size_t    i, top;
    uint8_t   h[14] = { 0x82 };
    uint32_t  n, bad16, bad64;
    uint16_t  code;

    bad16 = 0;
    h[1] = 0x80 | 126;

    for (n = 0; n <= 0xffff; n++) {
        h[2] = (uint8_t) (n >> 8);
        h[3] = (uint8_t) (n & 0xff);
        rc = judge(&open_limits, false, h, 4, &code);

        bad16 += n < 126 ? rc != CDR_ERROR || code != 1002 : rc != CDR_AGAIN;
    }

    ok(bad16 == 0, "a 16-bit length below 126 is refused at its last byte");

    bad64 = 0;
    h[1] = 0x80 | 127;

    for (top = 2; top < 8; top++) {
        for (i = 0; i < 8; i++) {
            memset(h + 2, 0, 12);
            h[top] = (uint8_t) (1 << i);
            rc = judge(&open_limits, false, h, 10, &code);
            bad64 += top == 2 && i == 7 ? rc == CDR_AGAIN : rc != CDR_AGAIN;
        }
    }

    ok(bad64 == 0, "every 64-bit length from 65536 on is accepted");

    memset(h + 2, 0, 12);
    ok(judge(&open_limits, false, h, 7, &code) == CDR_AGAIN
       && judge(&open_limits, false, h, 8, &code) == CDR_ERROR && code == 1002,
       "a 64-bit length below 65536 is refused at its sixth byte");

    h[2] = 0x80;
    ok(judge(&open_limits, false, h, 3, &code) == CDR_ERROR && code == 1002,
       "a 64-bit length with its top bit set is refused at its first byte");
}


/* Does a frame of "len" bytes pass a limit, decided before its mask? */

static bool
limit_at(uint64_t max, uint64_t len, int expected)
{
    size_t           n;
    uint8_t          h[CDR_WS_HEADER_MAX];
    uint16_t         code;
    cdr_ws_limits_t  l = { max, 0, false, 0 };

    n = cdr_ws_header(h, 0x82, len);
    h[1] |= 0x80;

    return judge(&l, false, h, n, &code) == expected
           && judge(&l, false, h, n - 1, &code) == CDR_AGAIN
           && code == 0;
}


static void
test_message_limit(void)
{
    size_t           i;
    bytes_t          in;
    cdr_ws_limits_t  l = { 5, 0, false, 0 };

    static const uint64_t  max[] = {
        0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 16777216,
        0xffffffff, 0x7ffffffffffffffe
    };

    for (i = 0; i < count_of(max); i++) {
        ok(limit_at(max[i], max[i], CDR_AGAIN)
           && limit_at(max[i], max[i] + 1, CDR_ERROR),
           "a limit of %llu lets so many bytes pass and is told by the length",
           (unsigned long long) max[i]);
    }

    memset(&in, 0, sizeof(in));
    add_frame(&in, 0x01, "abc", 3);
    add_frame(&in, 0x00, "de", 2);
    add_frame(&in, 0x80, "", 0);
    add_frame(&in, 0x81, "abcde", 5);
    add_frame(&in, 0x01, "abcde", 5);
    add(&in, "\x00\x81", 2);

    ok(run_all_ways(&l, &in, "text:abcde\ntext:abcde\n"
                             "error 1009 message too long\n"),
       "the limit is of a message, not of a frame, and starts anew");

    l.max_message = 4;

    ok(run_all_ways(&l, &in, "error 1009 message too long\n"),
       "no byte of a frame that is too long is reported");

    free(in.data);
}


/* A reload may lower a limit while a message is open. */

static void
test_lowered_limit(void)
{
    trace_t          t;
    bytes_t          in;
    cdr_ws_parser_t  p;
    cdr_ws_limits_t  l = { 4, 0, false, 0 };

    memset(&in, 0, sizeof(in));
    memset(&t, 0, sizeof(t));
    cdr_ws_parser_init(&p);

    add_frame(&in, 0x01, "abc", 3);
    (void) feed(&p, &open_limits, in.data, in.len, &t);
    (void) feed(&p, &l, (const uint8_t *) "\x00\x81\1\2\3\4d", 7, &t);
    l.max_message = 2;
    (void) feed(&p, &l, (const uint8_t *) "\x89\x80\1\2\3\4", 6, &t);
    (void) feed(&p, &l, (const uint8_t *) "\x80\x80", 2, &t);

    ok(trace_is(&t, "ping@4:\nerror 1009 message too long\n"),
       "a limit that is lowered counts from the next frame of a message on");

    trace_free(&t);
    free(in.data);
}


/* Two frames of 2^63 - 1 bytes, as if the payload of the first had passed. */

static void
test_overflow(void)
{
    int              rc;
    size_t           used;
    uint8_t          h[14];
    cdr_ws_event_t   ev;
    cdr_ws_parser_t  p;

    memset(h, 0xff, sizeof(h));
    h[0] = 0x02;
    h[2] = 0x7f;

    cdr_ws_parser_init(&p);
    rc = cdr_ws_parse(&p, &open_limits, h, 14, &used, &ev);
    ok(rc == CDR_AGAIN && p.rest == INT64_MAX && p.size == INT64_MAX,
       "a frame of 2^63 - 1 bytes begins where that is allowed");

    p.rest = 0;
    p.payload = false;
    h[0] = 0x00;
    rc = cdr_ws_parse(&p, &open_limits, h, 14, &used, &ev);
    ok(rc == CDR_AGAIN && p.size == UINT64_MAX - 1, "and a second one fits");

    p.rest = 0;
    p.payload = false;
    rc = cdr_ws_parse(&p, &open_limits, h, 14, &used, &ev);
    ok(rc == CDR_ERROR && ev.code == 1009,
       "a third one does not overflow the size of the message");
}


static void
test_big_messages(void)
{
    size_t           i, n;
    trace_t          t;
    bytes_t          in, want;
    uint32_t         r;
    cdr_ws_parser_t  p;
    cdr_ws_limits_t  l = { 16 << 20, 65536, false, 0 };

    memset(&in, 0, sizeof(in));
    memset(&want, 0, sizeof(want));
    memset(&t, 0, sizeof(t));

    add_text(&want, "binary:");

    for (i = 0, r = 7; i < 16 << 20; i += 4) {
        r = r * 1664525 + 1013904223;
        add(&want, &r, 4);
    }

    add_frame(&in, 0x82, want.data + 7, 16 << 20);
    add_text(&want, "\n");
    cdr_ws_parser_init(&p);

    for (i = 0; i < in.len; i += n) {
        n = 1 + (i * 7919) % 20011;
        n = n < in.len - i ? n : in.len - i;
        (void) feed(&p, &l, in.data + i, n, &t);
    }

    ok(t.broken == 0 && t.lines.len == want.len
       && memcmp(t.lines.data, want.data, want.len) == 0,
       "a message of 16 MiB comes through in odd pieces");

    trace_free(&t);
    in.len = 0;
    want.len = strlen("binary:");

    for (i = 0; i < 65536; i++) {
        add_frame(&in, (i == 0 ? 0x02 : 0) | (i == 65535 ? 0x80 : 0),
                  want.data, i % 3);
        add(&want, want.data, i % 3);
    }

    add_text(&want, "\n");
    cdr_ws_parser_init(&p);
    (void) feed(&p, &l, in.data, in.len, &t);

    ok(t.broken == 0 && t.lines.len == want.len
       && memcmp(t.lines.data, want.data, want.len) == 0,
       "a message of 65,536 fragments comes through");

    l.max_fragments = 65535;
    trace_free(&t);
    cdr_ws_parser_init(&p);

    (void) feed(&p, &l, in.data, in.len, &t);

    ok(trace_is(&t, "error 1009 too many fragments\n"),
       "and is refused where 65,535 are allowed");

    trace_free(&t);
    free(in.data);
    free(want.data);
}


/* Headers of 8 and 14 bytes, cut in three everywhere. */

static void
test_long_headers(void)
{
    bool     good;
    size_t   i, cuts[2];
    char    *want;
    bytes_t  in;

    static const size_t  sizes[] = { 126, 65535, 65536, 65537 };

    for (i = 0; i < count_of(sizes); i++) {
        memset(&in, 0, sizeof(in));
        want = malloc(sizes[i] + 7);
        memset(want, 'x', sizes[i] + 5);
        memcpy(want, "text:", 5);
        strcpy(want + 5 + sizes[i], "\n");

        add_frame(&in, 0x81, want + 5, sizes[i]);
        good = true;

        for (cuts[0] = 0; cuts[0] < 16; cuts[0]++) {
            for (cuts[1] = cuts[0]; cuts[1] < 16; cuts[1]++) {
                good = good && run(&open_limits, &in, cuts, 2, want);
            }
        }

        ok(good, "a header for %zu bytes may be cut anywhere", sizes[i]);

        free(want);
        free(in.data);
    }
}


/* Payloads at every alignment, of every length, cut everywhere. */

static void
test_masks(void)
{
    size_t           at, len, cut, i, used, got;
    uint8_t          buf[80], *p;
    unsigned         bad;
    cdr_ws_event_t   ev;
    cdr_ws_parser_t  parser;

    bad = 0;

    for (at = 0; at < 8; at++) {
        for (len = 1; len <= 50; len++) {
            for (cut = 0; cut < len; cut++) {
                memset(buf, 0xaa, sizeof(buf));
                p = buf + at;
                p[0] = 0x82;
                p[1] = (uint8_t) (0x80 | len);
                memcpy(p + 2, mask_key, 4);

                for (i = 0; i < len; i++) {
                    p[6 + i] = (uint8_t) ((i * 37 + 11) ^ mask_key[i % 4]);
                }

                cdr_ws_parser_init(&parser);
                (void) cdr_ws_parse(&parser, &open_limits, p, 6 + cut, &used,
                                    &ev);
                got = used;
                (void) cdr_ws_parse(&parser, &open_limits, p + got,
                                    sizeof(buf) - at - got, &used, &ev);

                bad += (got + used != 6 + len || !ev.last);

                for (i = 0; i < len; i++) {
                    bad += (p[6 + i] != (uint8_t) (i * 37 + 11));
                }

                for (i = at + 6 + len; i < sizeof(buf); i++) {
                    bad += (buf[i] != 0xaa);
                }
            }
        }
    }

    ok(bad == 0, "the mask is right at every alignment, length and cut, "
       "and touches nothing behind the frame");
}


static void
test_events(void)
{
    int              rc;
    size_t           used;
    uint8_t          ping[] = { 0x89, 0x83, 0, 0, 0, 0, 'a', 'b', 'c', 0x81 };
    cdr_ws_event_t   ev;
    cdr_ws_parser_t  p;

    cdr_ws_parser_init(&p);
    rc = cdr_ws_parse(&p, &open_limits, NULL, 0, &used, &ev);
    ok(rc == CDR_AGAIN && used == 0, "no input is no event");

    rc = cdr_ws_parse(&p, &open_limits, ping, 10, &used, &ev);
    ok(rc == CDR_OK && ev.type == CDR_WS_PING && ev.opcode == CDR_WS_OP_PING
       && ev.first && ev.last && !ev.compressed && ev.len == 3
       && ev.data == ping + 6 && used == 9,
       "a control frame that is whole is one event");

    rc = cdr_ws_parse(&p, &open_limits, ping, 8, &used, &ev);
    ok(rc == CDR_OK && ev.first && !ev.last && ev.len == 2 && used == 8,
       "a control frame that is cut begins with a first piece");

    rc = cdr_ws_parse(&p, &open_limits, ping + 8, 2, &used, &ev);
    ok(rc == CDR_OK && !ev.first && ev.last && ev.len == 1 && used == 1,
       "and ends with a last one, which leaves what follows");

    rc = cdr_ws_parse(&p, &open_limits, ping, 6, &used, &ev);
    ok(rc == CDR_AGAIN && used == 6, "a header alone is no event");

    rc = cdr_ws_parse(&p, &open_limits, ping + 6, 1, &used, &ev);
    ok(rc == CDR_OK && ev.first && !ev.last && used == 1,
       "a piece may be one byte");
}


static void
test_close_codes(void)
{
    bool       right;
    uint8_t    b[4] = { 0, 0, 'o', 'k' };
    unsigned   bad;
    uint16_t   code;
    uint32_t   n;
    cdr_str_t  reason;

    bad = 0;

    for (n = 0; n <= 0xffff; n++) {
        b[0] = (uint8_t) (n >> 8);
        b[1] = (uint8_t) (n & 0xff);

        right = n >= 1000 && n < 5000 && (n >= 3000 || n < 1015)
                && n != 1004 && n != 1005 && n != 1006;

        if (right) {
            bad += cdr_ws_close_parse(b, 4, &code, &reason) != CDR_OK
                   || code != n || reason.len != 2 || reason.data != b + 2;
            bad += cdr_ws_close_parse(b, 2, &code, &reason) != CDR_OK
                   || code != n || reason.len != 0;

        } else {
            bad += cdr_ws_close_parse(b, 4, &code, &reason) != CDR_ERROR
                   || code != 1002 || reason.len != 0;
        }

        bad += cdr_ws_close_code_valid((uint16_t) n) != right;
    }

    ok(bad == 0, "of all close codes those are accepted that may be sent");
}


static void
test_close_payloads(void)
{
    uint16_t   code;
    cdr_str_t  r;

#define parse(lit)                                                            \
    cdr_ws_close_parse((const uint8_t *) lit, sizeof(lit) - 1, &code, &r)

    ok(cdr_ws_close_parse(NULL, 0, &code, &r) == CDR_OK && code == 1005
       && r.len == 0, "a close frame without a code is 1005");
    ok(parse("\x03") == CDR_ERROR && code == 1002,
       "a close frame of one byte is 1002");
    ok(parse("\x03\xe8\xe2\x82\xac") == CDR_OK && code == 1000 && r.len == 3,
       "a reason is text");
    ok(parse("\x03\xe8\xe2\x82") == CDR_ERROR && code == 1007 && r.len == 0,
       "a reason that ends inside a character is 1007");
    ok(parse("\x03\xe8 \xed\xa0\x80") == CDR_ERROR && code == 1007,
       "a reason that is not UTF-8 is 1007");
    ok(parse("\x03\xed\xff") == CDR_ERROR && code == 1002,
       "a wrong code counts before a wrong reason");

#undef parse
}


static void
test_headers(void)
{
    size_t    i, n;
    uint8_t   h[CDR_WS_HEADER_MAX];
    unsigned  bad;
    uint64_t  len;

    static const struct {
        uint64_t   len;
        cdr_str_t  header;
    } want[] = {
        { 0, cdr_str("\x81\x00") },
        { 1, cdr_str("\x81\x01") },
        { 125, cdr_str("\x81\x7d") },
        { 126, cdr_str("\x81\x7e\x00\x7e") },
        { 256, cdr_str("\x81\x7e\x01\x00") },
        { 65535, cdr_str("\x81\x7e\xff\xff") },
        { 65536, cdr_str("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00") },
        { 0x0102030405060708,
          cdr_str("\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08") },
        { INT64_MAX, cdr_str("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff") },
    };

    bad = 0;

    for (i = 0; i < count_of(want); i++) {
        len = want[i].len;
        n = cdr_ws_header(h, 0x81, len);
        bad += n != want[i].header.len || n != cdr_ws_header_size(len)
               || memcmp(h, want[i].header.data, n) != 0;
    }

    ok(bad == 0, "a header has its shortest form");
}


/* Frames of every size, cut at every byte. */

static void
test_messages(void)
{
    size_t    i, pos, len, next, done;
    uint8_t   first;
    unsigned  bad;

    static const size_t  sizes[] = { 0, 1, 125, 126, 300, 65535, 65536, 0 };
    static uint8_t       buf[200000];

    len = 0;
    bad = 0;

    for (done = 0, i = 0; i < count_of(sizes); i++) {
        first = (i == 1) ? CDR_WS_FIN | CDR_WS_OP_PING
                         : CDR_WS_FIN | CDR_WS_RSV1 | CDR_WS_OP_BINARY;

        next = len + cdr_ws_header(buf + len, first, sizes[i]) + sizes[i];

        for (pos = len; pos < next; pos += (next - pos > 40) ? 17 : 1) {
            bad += cdr_ws_messages(buf, pos) != done;
        }

        done += (i != 1);
        len = next;
        bad += cdr_ws_messages(buf, len) != done;
    }

    ok(bad == 0, "messages are counted as far as they are whole");
}


static void
test_close_frames(void)
{
    size_t     n, len, cut;
    uint8_t    frame[2 + CDR_WS_CONTROL_MAX], long_text[200];
    unsigned   bad;
    uint16_t   code;
    cdr_str_t  reason, got;

    static const cdr_str_t  euro = cdr_str("\xe2\x82\xac");
    static const cdr_str_t  none = cdr_str_null;

    n = cdr_ws_close_frame(frame, 1012, euro);
    ok(n == 7 && memcmp(frame, "\x88\x05\x03\xf4\xe2\x82\xac", 7) == 0,
       "a close frame is a code and a reason");

    n = cdr_ws_close_frame(frame, 1000, none);
    ok(n == 4 && memcmp(frame, "\x88\x02\x03\xe8", 4) == 0,
       "a close frame may have no reason");

    n = cdr_ws_close_frame(frame, 1005, euro);
    ok(n == 2 && memcmp(frame, "\x88\x00", 2) == 0,
       "a close frame with 1005 has neither");

    bad = 0;

    for (cut = 0; cut < 3; cut++) {
        for (len = 0; len + cut <= 198; len += 3) {
            memset(long_text, 'x', cut);

            for (n = cut; n < cut + len; n += 3) {
                memcpy(long_text + n, euro.data, 3);
            }

            reason.data = long_text;
            reason.len = cut + len;

            n = cdr_ws_close_frame(frame, 4429, reason);
            bad += n > sizeof(frame) || frame[1] != n - 2
                   || cdr_ws_close_parse(frame + 2, n - 2, &code, &got)
                      != CDR_OK
                   || code != 4429
                   || memcmp(got.data, long_text, got.len) != 0
                   || (reason.len <= 123 ? got.len != reason.len
                                         : got.len < 121);
        }
    }

    ok(bad == 0, "a long reason is cut between two characters");
}


int
main(void)
{
    test_conversations();
    test_first_bytes();
    test_second_bytes();
    test_lengths();
    test_message_limit();
    test_lowered_limit();
    test_overflow();
    test_big_messages();
    test_long_headers();
    test_masks();
    test_events();
    test_close_codes();
    test_close_payloads();
    test_headers();
    test_messages();
    test_close_frames();

    return done_testing();
}
