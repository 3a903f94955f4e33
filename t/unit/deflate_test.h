/* What the tests of message compression share. */

#ifndef DEFLATE_TEST_H_INCLUDED
#define DEFLATE_TEST_H_INCLUDED


#include "cdr_test.h"
#include "cdr_deflate.h"


#define BUF_SIZE  (256 * 1024)


static cdr_test_alloc_t  counter;
static cdr_alloc_t       memory = { cdr_test_alloc, cdr_test_free, &counter };
static cdr_inflater_t   *inf;
static uint8_t           plain[BUF_SIZE], packed[BUF_SIZE], text[BUF_SIZE];


static inline void
prepare(void)
{
    inf = cdr_inflater_new(&memory);

    if (inf == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }
}


static inline size_t
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

static inline int
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

static inline int
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

static inline void
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


#endif /* DEFLATE_TEST_H_INCLUDED */
