/* Unit tests of message compression: RFC 7692, section 7.2. */

#include "cdr_test.h"
#include "cdr_deflate.h"


#define BUF_SIZE  (256 * 1024)

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
static void test_bomb(void);
static void test_exact_cap(void);
static void test_truncated(void);
static void test_bit_flips(void);
static void test_after_error(void);
static void test_misuse(void);
static void test_failing_alloc(void);
static void test_no_late_alloc(void);

static void prepare(void);
static size_t compress(int level, const uint8_t *in, size_t len,
    uint8_t *out);
static int whole(const void *in, size_t len, uint8_t *out, size_t *outlen);
static int pieces(const uint8_t *in, size_t len, size_t step, size_t room,
    size_t cap, uint8_t *out, size_t *outlen);
static void fill(uint8_t *p, size_t len, int kind);


static cdr_test_alloc_t  counter;
static cdr_alloc_t       memory = { cdr_test_alloc, cdr_test_free, &counter };
static cdr_inflater_t   *inf;
static uint8_t           plain[BUF_SIZE], packed[BUF_SIZE], text[BUF_SIZE];


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
    test_bomb();
    test_exact_cap();
    test_truncated();
    test_bit_flips();
    test_after_error();
    test_misuse();
    test_no_late_alloc();

    cdr_inflater_del(inf);

    test_failing_alloc();

    ok(counter.held == 0, "all memory was given back");

    return done_testing();
}


static void
prepare(void)
{
    inf = cdr_inflater_new(&memory);

    if (inf == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }
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


static void
test_bomb(void)
{
    int      rc;
    size_t   n, pos, used, len, total, calls;
    uint8_t  room[512];

    memset(plain, 0, BUF_SIZE / 2);
    n = compress(9, plain, BUF_SIZE / 2, packed);

    ok(n < 300, "a bomb of %d octets is made", (int) n);

    rc = pieces(packed, n, n, 512, 4096, text, &len);

    ok(rc == CDR_TOOBIG && len == 4096,
       "inflate: a bomb is stopped at the cap");

    pos = 0;
    total = 0;
    calls = 0;

    do {
        rc = cdr_inflate(inf, packed + pos, n - pos, &used, true, room,
                         sizeof(room), &len);
        pos += used;
        total += len;
        calls++;

    } while (rc == CDR_AGAIN && len == sizeof(room));

    ok(rc == CDR_OK && pos == n && total == BUF_SIZE / 2
       && calls >= total / sizeof(room),
       "inflate: a bomb comes in pieces of the room given");
}


static void
test_exact_cap(void)
{
    int     rc, wrong;
    size_t  n, cap, room, len;

    fill(plain, 300, 0);
    n = compress(6, plain, 300, packed);

    for (wrong = 0, room = 1; room < 320; room += 7) {
        for (cap = 280; cap < 320; cap++) {
            rc = pieces(packed, n, 5, room, cap, text, &len);

            wrong += rc != (cap < 300 ? CDR_TOOBIG : CDR_OK)
                     || len != (cap < 300 ? cap : 300);

            cdr_inflater_reset(inf);
        }
    }

    ok(wrong == 0, "inflate: a cap lets exactly its number of octets pass");

    rc = pieces(packed, compress(6, plain, 0, packed), 1, 1, 0, text, &len);
    ok(rc == CDR_OK && len == 0, "inflate: a cap of 0 lets nothing pass");
}


/*
 * But for stored blocks, whose octets may be those of the tail: no decoder can
 * tell.
 */

static void
test_truncated(void)
{
    int     rc, kind, wrong;
    size_t  n, cut, len;

    for (wrong = 0, kind = 0; kind < 3; kind++) {
        fill(plain, 500, kind);
        n = compress(6, plain, 500, packed);

        for (cut = 1; cut < n; cut++) {
            rc = whole(packed, cut, text, &len);

            wrong += rc != CDR_ERROR;
        }
    }

    ok(wrong == 0, "inflate: a message that is cut anywhere is refused");
}


/* What a flipped bit makes of a message must not depend on its pieces. */

static void
test_bit_flips(void)
{
    int      rc, again, wrong, refused;
    size_t   n, bit, len, len2;
    uint8_t  other[4096];

    fill(plain, 400, 1);
    n = compress(6, plain, 400, packed);

    wrong = 0;
    refused = 0;

    for (bit = 0; bit < n * 8; bit++) {
        packed[bit / 8] ^= (uint8_t) (1 << bit % 8);

        rc = pieces(packed, n, n, sizeof(other), sizeof(other), text, &len);
        cdr_inflater_reset(inf);
        again = pieces(packed, n, 1, 3, sizeof(other), other, &len2);
        cdr_inflater_reset(inf);

        refused += rc == CDR_ERROR;
        wrong += rc != again;
        wrong += rc == CDR_OK && (len != len2 || memcmp(text, other, len));

        packed[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }

    ok(wrong == 0 && refused > 0,
       "inflate: every flipped bit has one outcome, in any pieces");
}


static void
test_after_error(void)
{
    int     rc;
    size_t  used, len;

    rc = cdr_inflate(inf, (const uint8_t *) "\x07", 1, &used, false, text,
                     BUF_SIZE, &len);
    ok(rc == CDR_ERROR, "inflate: a wrong octet is refused at once");

    rc = cdr_inflate(inf, (const uint8_t *) "\x00", 1, &used, true, text,
                     BUF_SIZE, &len);
    ok(rc == CDR_ERROR && used == 0 && len == 0,
       "inflate: after an error everything is refused");

    cdr_inflater_reset(inf);
    rc = whole("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, text, &len);

    ok(rc == CDR_OK && len == 5, "inflate: until it is reset");
}


static void
test_misuse(void)
{
    int     rc;
    size_t  used, len, n;

    fill(plain, 300, 0);
    n = compress(6, plain, 300, packed);

    rc = cdr_inflate(inf, packed, n, &used, true, NULL, 0, &len);
    ok(rc == CDR_AGAIN && len == 0, "inflate: no room at all is too little");

    rc = cdr_inflate(inf, packed + used, n - used, &used, true, text,
                     BUF_SIZE, &len);
    ok(rc == CDR_OK && len == 300, "inflate: and does no harm");

    rc = cdr_inflate(inf, NULL, 0, &used, false, NULL, 0, &len);
    ok(rc == CDR_OK && used == 0 && len == 0,
       "inflate: a piece may be empty, without a pointer");

    rc = whole("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, text, &len);
    ok(rc == CDR_OK && len == 5, "inflate: and the message then follows");

    cdr_inflater_reset(inf);
    cdr_inflater_del(NULL);
    cdr_deflater_del(NULL);
    ok(true, "what is NULL can be deleted");
}


static void
test_failing_alloc(void)
{
    long             held;
    unsigned         i, n;
    cdr_inflater_t  *f;
    cdr_deflater_t  *d;

    held = counter.held;

    for (n = 0, i = 1; ; i++) {
        counter.calls = 0;
        counter.fail_at = i;
        f = cdr_inflater_new(&memory);

        if (f) {
            break;
        }

        n += counter.held == held;
    }

    cdr_inflater_del(f);
    ok(n == i - 1 && n >= 3 && counter.held == held,
       "inflate: each of %u failed allocations gives the others back", n);

    for (n = 0, i = 1; ; i++) {
        counter.calls = 0;
        counter.fail_at = i;
        d = cdr_deflater_new(&memory, 6);

        if (d) {
            break;
        }

        n += counter.held == held;
    }

    cdr_deflater_del(d);
    ok(n == i - 1 && n >= 3 && counter.held == held,
       "deflate: each of %u failed allocations gives the others back", n);

    counter.fail_at = 0;
}


static void
test_no_late_alloc(void)
{
    int              i, wrong;
    size_t           n, len;
    unsigned         calls;
    cdr_deflater_t  *d;
    cdr_inflater_t  *saved;

    saved = inf;
    prepare();
    d = cdr_deflater_new(&memory, 9);
    calls = counter.calls;
    wrong = 0;

    for (i = 0; i < 3; i++) {
        fill(plain, 100000, i);

        wrong += cdr_deflate(d, plain, 100000, packed, BUF_SIZE, &n)
                 != CDR_OK;
        wrong += pieces(packed, n, 1000, 777, BUF_SIZE, text, &len) != CDR_OK;
    }

    ok(wrong == 0 && counter.calls == calls,
       "no message makes either allocate");

    cdr_deflater_del(d);
    cdr_inflater_del(inf);
    inf = saved;
}


static size_t
compress(int level, const uint8_t *in, size_t len, uint8_t *out)
{
    int              rc;
    size_t           n;
    uint8_t         *exact;
    cdr_deflater_t  *d;

    d = cdr_deflater_new(&memory, level);
    exact = malloc(cdr_deflate_bound(len));

    rc = cdr_deflate(d, in, len, exact, cdr_deflate_bound(len), &n);

    if (rc == CDR_OK) {
        memcpy(out, exact, n);
    }

    free(exact);
    cdr_deflater_del(d);

    return rc == CDR_OK ? n : 0;
}


/* Inflates a message at once; the inflater is ready for another. */

static int
whole(const void *in, size_t len, uint8_t *out, size_t *outlen)
{
    int       rc;
    size_t    used;
    uint8_t  *exact;

    exact = malloc(len ? len : 1);
    memcpy(exact, in, len);

    rc = cdr_inflate(inf, exact, len, &used, true, out, BUF_SIZE, outlen);

    if (rc != CDR_OK || used != len) {
        cdr_inflater_reset(inf);
    }

    free(exact);

    return rc == CDR_OK && used != len ? CDR_FULL : rc;
}


/*
 * Inflates a message from pieces of "step" octets into pieces of "room", the
 * way a connection does it; CDR_TOOBIG if it exceeds "cap".
 */

static int
pieces(const uint8_t *in, size_t len, size_t step, size_t room, size_t cap,
    uint8_t *out, size_t *outlen)
{
    int       rc;
    bool      last;
    size_t    n, used, size, got;
    uint8_t  *src, *dst;

    *outlen = 0;
    src = malloc(step);
    dst = malloc(room);

    do {
        n = len < step ? len : step;
        last = (n == len);
        rc = CDR_AGAIN;

        while (rc == CDR_AGAIN) {
            memcpy(src, in, n);
            size = cap - *outlen < room ? cap - *outlen : room;

            rc = cdr_inflate(inf, src, n, &used, last, dst, size, &got);

            memcpy(out + *outlen, dst, got);
            *outlen += got;
            in += used;
            len -= used;
            n -= used;

            if (rc == CDR_AGAIN && got < size) {
                rc = CDR_FULL;
            }

            if (rc == CDR_AGAIN && *outlen == cap) {
                rc = CDR_TOOBIG;
            }
        }

    } while (rc == CDR_OK && !last);

    if (rc != CDR_OK) {
        cdr_inflater_reset(inf);
    }

    free(src);
    free(dst);

    return rc;
}


/* 0: JSON, 1: words, 2: one letter, 3: random octets. */

static void
fill(uint8_t *p, size_t len, int kind)
{
    size_t    i;
    uint32_t  r;

    static const char  digits[] = "0123456789";
    static const char  json[] = "{\"type\":\"task-status-changed\",\"taskId\":";

    r = 2463534242u;

    for (i = 0; i < len; i++) {
        r ^= r << 13;
        r ^= r >> 17;
        r ^= r << 5;

        switch (kind) {

        case 0:
            p[i] = (uint8_t) (i % 60 < 40 ? json[i % 60] : digits[r % 10]);
            break;

        case 1:
            p[i] = (uint8_t) "etaoin shrdlu   "[r >> 3 & 15];
            break;

        case 2:
            p[i] = 'a';
            break;

        default:
            p[i] = (uint8_t) (r >> 7);
        }
    }
}
