/* Tests of the UTF-8 validator: every character, every wrong byte. */

#include "cdr_test.h"
#include "cdr_utf8.h"


/*
 * The reference: every prefix of the encoding of every character, as a bit
 * per prefix of one, two, three and four bytes, made by encoding them all.
 */

#define PREFIXES_4  (0x05000000u / 64)    /* F0 to F4 by three bytes */

static uint64_t  *prefixes[5];


static size_t
encode(uint32_t c, uint8_t *p)
{
    if (c < 0x80) {
        p[0] = (uint8_t) c;
        return 1;
    }

    if (c < 0x800) {
        p[0] = (uint8_t) (0xc0 | c >> 6);
        p[1] = (uint8_t) (0x80 | (c & 0x3f));
        return 2;
    }

    if (c < 0x10000) {
        p[0] = (uint8_t) (0xe0 | c >> 12);
        p[1] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        p[2] = (uint8_t) (0x80 | (c & 0x3f));
        return 3;
    }

    p[0] = (uint8_t) (0xf0 | c >> 18);
    p[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
    p[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
    p[3] = (uint8_t) (0x80 | (c & 0x3f));

    return 4;
}


static uint32_t
prefix_number(const uint8_t *p, size_t len)
{
    size_t    i;
    uint32_t  n;

    n = 0;

    for (i = 0; i < len; i++) {
        n = n << 8 | p[i];
    }

    return len == 4 ? n - 0xf0000000u : n;
}


static bool
is_prefix(const uint8_t *p, size_t len)
{
    uint32_t  n;

    if (len == 4 && (p[0] < 0xf0 || p[0] > 0xf4)) {
        return false;
    }

    n = prefix_number(p, len);

    return prefixes[len][n / 64] >> (n % 64) & 1;
}


static void
make_prefixes(void)
{
    size_t    n, len;
    uint8_t   b[4];
    uint32_t  c, i;

    prefixes[1] = calloc(256 / 64, 8);
    prefixes[2] = calloc(65536 / 64, 8);
    prefixes[3] = calloc(16777216 / 64, 8);
    prefixes[4] = calloc(PREFIXES_4, 8);

    for (c = 0; c <= 0x10ffff; c++) {

        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }

        len = encode(c, b);

        for (n = 1; n <= len; n++) {
            i = prefix_number(b, n);
            prefixes[n][i / 64] |= (uint64_t) 1 << (i % 64);
        }
    }
}


/* Checks a text in one go and returns what a session would see. */

static int
check(const uint8_t *p, size_t len)
{
    cdr_utf8_t  state = 0;

    if (cdr_utf8_check(&state, p, len) != CDR_OK) {
        return CDR_ERROR;
    }

    return cdr_utf8_done(&state) ? CDR_OK : CDR_AGAIN;
}


static int
check_bytes(const uint8_t *p, size_t len)
{
    size_t      i;
    cdr_utf8_t  state = 0;

    for (i = 0; i < len; i++) {

        if (cdr_utf8_check(&state, p + i, 1) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    return cdr_utf8_done(&state) ? CDR_OK : CDR_AGAIN;
}


static void
test_every_character(void)
{
    size_t    n, len;
    uint8_t   b[4];
    uint32_t  c, bad, cut;

    bad = 0;
    cut = 0;

    for (c = 0; c <= 0x10ffff; c++) {

        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }

        len = encode(c, b);
        bad += (check(b, len) != CDR_OK) + (check_bytes(b, len) != CDR_OK);

        for (n = 1; n < len; n++) {
            cut += (check(b, n) != CDR_AGAIN);
        }
    }

    ok(bad == 0, "every character is accepted, whole and byte by byte");
    ok(cut == 0, "a character that is cut is not wrong, and not done");
}


/* Adds every byte to every right prefix. */

static uint32_t
walk(const uint8_t *prefix, size_t len, cdr_utf8_t state)
{
    int         b, rc;
    bool        right;
    uint8_t     p[4];
    uint32_t    bad;
    cdr_utf8_t  next;

    bad = 0;
    memcpy(p, prefix, len);

    for (b = 0; b < 256; b++) {
        p[len] = (uint8_t) b;
        next = state;
        rc = cdr_utf8_check(&next, p + len, 1);
        right = is_prefix(p, len + 1);

        bad += (rc != (right ? CDR_OK : CDR_ERROR));
        bad += (check(p, len + 1) == CDR_ERROR) == right;

        if (rc == CDR_OK && !cdr_utf8_done(&next) && len < 3) {
            bad += walk(p, len + 1, next);
        }
    }

    return bad;
}


static void
test_every_wrong_byte(void)
{
    uint8_t  none[1] = { 0 };

    ok(walk(none, 0, 0) == 0,
       "every byte behind every right start of a character is judged at once");
}


static void
test_named(void)
{
    size_t  i;

    static const struct {
        cdr_str_t    text;
        const char  *name;
    } wrong[] = {
        { cdr_str("\x80"), "a continuation byte alone" },
        { cdr_str("\xc0"), "C0, which can only be overlong" },
        { cdr_str("\xc1"), "C1, which can only be overlong" },
        { cdr_str("\xe0\x9f"), "an overlong form of three bytes" },
        { cdr_str("\xf0\x8f"), "an overlong form of four bytes" },
        { cdr_str("\xed\xa0"), "a surrogate" },
        { cdr_str("\xf4\x90"), "a character above U+10FFFF" },
        { cdr_str("\xf5"), "F5, which can only be above U+10FFFF" },
        { cdr_str("\xff"), "FF" },
        { cdr_str("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0"),
          "a surrogate behind right text" },
    };

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(check(wrong[i].text.data, wrong[i].text.len) == CDR_ERROR
           && check(wrong[i].text.data, wrong[i].text.len - 1) != CDR_ERROR,
           "refused at its last byte: %s", wrong[i].name);
    }
}


/*
 * Text of every length up to 40 at every alignment, with each of a few bytes
 * or characters put at every place.
 */

static void
test_ascii_runs(void)
{
    size_t      at, len, place, i, split;
    uint32_t    bad;
    uint8_t    *p, *text;
    cdr_utf8_t  state;

    static const struct {
        const char  *bytes;
        size_t       len;
        int          rc;
    } put[] = {
        { "a", 1, CDR_OK },
        { "\0", 1, CDR_OK },
        { "\x7f", 1, CDR_OK },
        { "\x80", 1, CDR_ERROR },
        { "\xff", 1, CDR_ERROR },
        { "\xc3\xa9", 2, CDR_OK },
        { "\xe2\x82\xac", 3, CDR_OK },
        { "\xf0\x9f\x98\x80", 4, CDR_OK },
        { "\xf0\x9f\x98z", 4, CDR_ERROR },
    };

    bad = 0;

    for (at = 0; at < 8; at++) {
        for (len = 4; len <= 40; len++) {

            p = malloc(at + len);
            text = p + at;

            for (place = 0; place + 4 <= len; place++) {
                for (i = 0; i < sizeof(put) / sizeof(put[0]); i++) {
                    memset(text, 'x', len);
                    memcpy(text + place, put[i].bytes, put[i].len);

                    bad += (check(text, len) != put[i].rc);
                    bad += (check_bytes(text, len) != put[i].rc);
                }
            }

            /* the last one put is wrong at its last byte, at len - 1 */

            for (split = 0; split < len; split++) {
                state = 0;
                bad += (cdr_utf8_check(&state, text, split) != CDR_OK);
                bad += (cdr_utf8_check(&state, text + split, len - 1 - split)
                        != CDR_OK);
                bad += (cdr_utf8_check(&state, text + len - 1, 1)
                        != CDR_ERROR);
            }

            free(p);
        }
    }

    ok(bad == 0, "eight bytes at a time find what one at a time finds");
}


static void
test_empty(void)
{
    cdr_utf8_t  state = 0;

    ok(cdr_utf8_check(&state, NULL, 0) == CDR_OK && cdr_utf8_done(&state),
       "no text is a right text");

    (void) cdr_utf8_check(&state, (const uint8_t *) "\xc3", 1);

    ok(cdr_utf8_check(&state, NULL, 0) == CDR_OK && !cdr_utf8_done(&state),
       "an empty piece changes nothing inside a character");
}


int
main(void)
{
    size_t  i;

    make_prefixes();

    test_every_character();
    test_every_wrong_byte();
    test_named();
    test_ascii_runs();
    test_empty();

    for (i = 1; i <= 4; i++) {
        free(prefixes[i]);
    }

    return done_testing();
}
