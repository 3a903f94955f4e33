/* Unit tests of message compression: RFC 7692, section 7.2. */

#include "deflate_test.h"


#define hex_case(h, t, n)  { h, sizeof(h) - 1, t, n }


typedef struct {
    const char  *in;
    size_t       len;
    const char  *text;     /* NULL: wrong */
    const char  *name;
} inflate_case_t;


static void test_examples(void);
static void test_deflate_example(void);
static void test_round_trips(void);
static void test_level(int level);
static void test_small_room(void);
static void test_reuse(void);
static void test_every_split(void);
static void test_every_room(void);
static void test_final_blocks(void);
static void test_no_takeover(void);


/* Those of RFC 7692, section 7.2.3, and what is near them. */

static const inflate_case_t  examples[] = {
    hex_case("\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello", "one block"),
    hex_case("\x00\x05\x00\xfa\xff" "Hello\x00", "Hello", "a stored block"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello",
             "a block with BFINAL"),
    hex_case("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello",
             "two blocks"),
    hex_case("\x00", "", "an empty message"),
    hex_case("\x02\x00", "", "an empty message by an empty fixed block"),
    hex_case("", "", "no octet at all"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello",
             "BFINAL without an empty block behind it"),
    hex_case("\x03\x00", "", "an empty BFINAL block"),
    hex_case("\x03\x00\x03\x00\x03\x00\x00", "", "three BFINAL blocks"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
             "HelloHello", "data behind BFINAL"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00",
             "HelloHello", "an open block behind BFINAL"),
    hex_case("\x01\x05\x00\xfa\xff" "Hello\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
             "HelloHello", "a stored block with BFINAL"),

    hex_case("\xf2\x48\xcd\xc9\xc9\x07", NULL, "the block does not end"),
    hex_case("\xf2", NULL, "only a first octet"),
    hex_case("\x00\x05\x00\xfa\xff" "Hell", NULL, "a stored block too short"),
    hex_case("\x00\x05\x00\xfa\xff" "Hello", NULL,
             "a stored block and nothing for the tail to end"),
    hex_case("\x00\x05\x00\xfa", NULL, "a cut length"),
    hex_case("\x00\x05\x00\xfb\xff" "Hello\x00", NULL,
             "a length that does not equal its complement"),
    hex_case("\x06", NULL, "a reserved block type"),
    hex_case("\x07", NULL, "a reserved block type with BFINAL"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00\x07", NULL,
             "garbage behind BFINAL"),
    hex_case("\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff", NULL,
             "more garbage behind BFINAL"),
    hex_case("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", NULL,
             "the tail was not taken off and nothing follows it"),
    hex_case("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x00", "Hello",
             "a tail and another empty block"),
    hex_case("Hello", NULL, "plain text"),
    hex_case("\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00", NULL, "a zlib header"),
    hex_case("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", NULL,
             "a gzip header"),
    hex_case("\xf2\x00\x11\x00\x00", NULL,
             "the RFC's second \"Hello\", which takes context over"),
    hex_case("\x02\x02\x00", NULL, "a distance before the message"),
    hex_case("\x04\xc0\x81\x08\x00\x00\x00\x00\x20\x7f\xeb\x0b\x00", NULL,
             "a broken dynamic block")
};


int
main(void)
{
    prepare();

    test_examples();
    test_deflate_example();
    test_round_trips();
    test_small_room();
    test_reuse();
    test_every_split();
    test_every_room();
    test_final_blocks();
    test_no_takeover();

    cdr_inflater_del(inf);

    ok(counter.held == 0, "all memory was given back");

    return done_testing();
}


static void
test_examples(void)
{
    int                    rc;
    bool                   same;
    size_t                 i, step, room, len;
    const inflate_case_t  *t;

    for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        t = &examples[i];
        rc = whole(t->in, t->len, text, &len);

        ok(t->text ? rc == CDR_OK && len == strlen(t->text)
                     && memcmp(text, t->text, len) == 0
                   : rc == CDR_ERROR,
           "inflate: %s: %s", t->name, t->text ? "taken" : "refused");

        same = true;

        for (step = 1; step <= t->len + 1; step++) {
            for (room = 1; room <= 12; room++) {
                rc = pieces((const uint8_t *) t->in, t->len, step, room,
                            BUF_SIZE, text, &len);

                same = same && (t->text ? rc == CDR_OK
                                          && len == strlen(t->text)
                                          && memcmp(text, t->text, len) == 0
                                        : rc == CDR_ERROR);
            }
        }

        ok(same, "inflate: %s: the same in any pieces", t->name);
    }
}


static void
test_deflate_example(void)
{
    size_t  len;

    len = compress(9, (const uint8_t *) "Hello", 5, packed);

    ok(len == 7 && memcmp(packed, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7) == 0,
       "deflate: \"Hello\" becomes what the RFC says");

    len = compress(1, plain, 0, packed);

    ok(len == 1 && packed[0] == 0x00, "deflate: nothing becomes one 00");
}


static void
test_round_trips(void)
{
    int              level;
    cdr_deflater_t  *low, *high;

    for (level = 1; level <= 9; level++) {
        test_level(level);
    }

    low = cdr_deflater_new(&memory, 0);
    high = cdr_deflater_new(&memory, 10);

    ok(low == NULL && high == NULL, "deflate: there is no level 0 and no 10");

    cdr_deflater_del(low);
}


static void
test_level(int level)
{
    int     kind, rc;
    bool    same, bound;
    size_t  i, n, len;

    static const size_t  sizes[] = {
        0, 1, 2, 3, 64, 125, 126, 257, 258, 259, 1000, 16383, 16384, 32767,
        32768, 32769, 65535, 65536, 100000, 200000
    };

    same = true;
    bound = true;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (kind = 0; kind < 4; kind++) {
            fill(plain, sizes[i], kind);
            n = compress(level, plain, sizes[i], packed);

            bound = bound && n > 0 && n <= cdr_deflate_bound(sizes[i]) - 5;

            rc = whole(packed, n, text, &len);

            same = same && rc == CDR_OK && len == sizes[i]
                   && memcmp(text, plain, len) == 0;
        }
    }

    ok(bound, "level %d: never more than the bound", level);
    ok(same, "level %d: comes back as it was", level);
}


static void
test_small_room(void)
{
    int              rc, wrong;
    size_t           room, n, len;
    uint8_t         *out;
    cdr_deflater_t  *d;

    fill(plain, 2000, 1);
    n = compress(6, plain, 2000, packed);
    d = cdr_deflater_new(&memory, 6);

    for (wrong = 0, room = 0; room < n + 16; room++) {
        out = malloc(room ? room : 1);
        rc = cdr_deflate(d, plain, 2000, out, room, &len);

        wrong += rc != (room < n + 5 ? CDR_TOOBIG : CDR_OK);
        wrong += len != (rc == CDR_OK ? n : 0);
        wrong += rc == CDR_OK && memcmp(out, packed, n) != 0;

        free(out);
    }

    ok(wrong == 0, "deflate: 5 octets more than the result are enough room");

    rc = cdr_deflate(d, plain, 0, packed, 0, &len);
    ok(rc == CDR_TOOBIG, "deflate: even an empty message needs room");

    fill(plain, 2000, 3);
    rc = cdr_deflate(d, plain, 2000, packed, 2000, &len);
    ok(rc == CDR_TOOBIG, "deflate: random octets give no gain, and say so");

    cdr_deflater_del(d);
}


static void
test_reuse(void)
{
    int              i, wrong;
    size_t           n, first, len;
    uint8_t          one[256];
    cdr_deflater_t  *d;

    d = cdr_deflater_new(&memory, 6);
    fill(plain, 100, 1);

    for (wrong = 0, first = 0, i = 0; i < 50; i++) {
        wrong += cdr_deflate(d, plain, 100, packed, BUF_SIZE, &n) != CDR_OK;

        if (i == 0) {
            first = n;
            memcpy(one, packed, n);
        }

        wrong += n != first || memcmp(packed, one, n) != 0;

        /* whatever came between: long, empty, without enough room */

        wrong += cdr_deflate(d, text, i % 3 ? 50000 : 0, packed,
                             i % 5 ? BUF_SIZE : 1, &len)
                 == CDR_ERROR;
    }

    ok(wrong == 0, "deflate: a message is the same whatever came before it");

    cdr_deflater_del(d);
}


static void
test_every_split(void)
{
    int      rc, wrong;
    size_t   n, a, b, used, len, total;

    fill(plain, 600, 1);
    n = compress(6, plain, 600, packed);

    for (wrong = 0, a = 0; a <= n; a++) {
        for (b = a; b <= n; b += 3) {

            rc = cdr_inflate(inf, packed, a, &used, false, text, 1000, &len);
            wrong += rc != CDR_OK || used != a;
            total = len;

            rc = cdr_inflate(inf, packed + a, b - a, &used, false,
                             text + total, 1000 - total, &len);
            wrong += rc != CDR_OK || used != b - a;
            total += len;

            rc = cdr_inflate(inf, packed + b, n - b, &used, true,
                             text + total, 1000 - total, &len);
            wrong += rc != CDR_OK || used != n - b;
            total += len;

            wrong += total != 600 || memcmp(text, plain, total) != 0;
        }
    }

    ok(wrong == 0, "inflate: a message in three pieces, split anywhere");
}


static void
test_every_room(void)
{
    int     rc, kind, wrong;
    size_t  n, step, room, len;

    wrong = 0;

    for (kind = 0; kind < 4; kind++) {
        fill(plain, 3000, kind);
        n = compress(1 + kind * 2, plain, 3000, packed);

        for (room = 1; room < 40; room++) {
            for (step = 1; step < 40; step += 6) {
                rc = pieces(packed, n, step, room, BUF_SIZE, text, &len);

                wrong += rc != CDR_OK || len != 3000
                         || memcmp(text, plain, len) != 0;
            }
        }
    }

    ok(wrong == 0, "inflate: any size of input and output piece");

    fill(plain, BUF_SIZE / 2, 1);
    n = compress(6, plain, BUF_SIZE / 2, packed);

    rc = pieces(packed, n, 1, BUF_SIZE, BUF_SIZE, text, &len);
    ok(rc == CDR_OK && len == BUF_SIZE / 2 && memcmp(text, plain, len) == 0,
       "inflate: a long message octet by octet");

    rc = pieces(packed, n, n, 1, BUF_SIZE, text, &len);
    ok(rc == CDR_OK && len == BUF_SIZE / 2 && memcmp(text, plain, len) == 0,
       "inflate: a long message into one octet at a time");
}


/*
 * A second block that refers to what a block with BFINAL brought: the window
 * is that of the message.
 */

static void
test_final_blocks(void)
{
    int     rc;
    size_t  len;

    /* stored "Hello", BFINAL; then a fixed block: length 5, distance 5 */

    static const char  back[] = "\x01\x05\x00\xfa\xff" "Hello\x02\x13\x00\x00";

    rc = whole(back, sizeof(back) - 1, text, &len);

    ok(rc == CDR_OK && len == 10 && memcmp(text, "HelloHello", 10) == 0,
       "inflate: a block behind BFINAL may refer to what came before");
}


static void
test_no_takeover(void)
{
    int     rc;
    size_t  used, len;

    static const char  refers[] = "\x02\x13\x00\x00";    /* 5 from 5 */

    whole("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, text, &len);
    rc = whole(refers, 4, text, &len);

    ok(rc == CDR_ERROR && len == 0,
       "inflate: a message cannot refer to the one before it");

    (void) cdr_inflate(inf, (const uint8_t *) "\xf2\x48\xcd\xc9\xc9\x07", 6,
                       &used, false, text, BUF_SIZE, &len);
    cdr_inflater_reset(inf);
    rc = whole(refers, 4, text, &len);

    ok(rc == CDR_ERROR && len == 0,
       "inflate: nor to one that was given up");

    cdr_inflater_del(inf);
    prepare();
    rc = whole(refers, 4, text, &len);

    ok(rc == CDR_ERROR && len == 0,
       "inflate: nor the first one to what was there before it");
}
