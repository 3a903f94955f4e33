/* Tests of the framing: the frames of the server. */

#include "ws_test.h"


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
    test_headers();
    test_messages();
    test_close_frames();

    return done_testing();
}
