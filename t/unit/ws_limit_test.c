/* Tests of the framing: messages at their limits, and large ones. */

#include "ws_test.h"


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
    free(in.data);
    free(want.data);
}


static void
test_many_fragments(void)
{
    size_t           i;
    trace_t          t;
    bytes_t          in, want;
    cdr_ws_parser_t  p;
    cdr_ws_limits_t  l = { 16 << 20, 65536, false, 0 };

    memset(&in, 0, sizeof(in));
    memset(&want, 0, sizeof(want));
    memset(&t, 0, sizeof(t));

    add_text(&want, "binary:");

    for (i = 0; i < 65536; i++) {
        add_frame(&in, (i == 0 ? 0x02 : 0) | (i == 65535 ? 0x80 : 0), "ab",
                  i % 3);
        add(&want, "ab", i % 3);
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


int
main(void)
{
    test_message_limit();
    test_lowered_limit();
    test_overflow();
    test_big_messages();
    test_many_fragments();

    return done_testing();
}
