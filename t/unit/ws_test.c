/* Tests of the framing: what is refused where, in any chunking. */

#include "ws_test.h"


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


static void
test_conversations(void)
{
    bytes_t  in;
    size_t   i, j;

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


int
main(void)
{
    test_conversations();
    test_first_bytes();
    test_second_bytes();
    test_lengths();
    test_long_headers();
    test_masks();
    test_events();
    test_close_codes();
    test_close_payloads();

    return done_testing();
}
