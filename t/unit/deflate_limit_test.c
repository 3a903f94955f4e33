/* Compressed messages that are wrong, too large, or too much for memory. */

#include "deflate_test.h"


static void test_bomb(void);
static void test_exact_cap(void);
static void test_truncated(void);
static void test_bit_flips(void);
static void test_after_error(void);
static void test_misuse(void);
static void test_failing_alloc(void);
static void test_no_late_alloc(void);


int
main(void)
{
    prepare();

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
