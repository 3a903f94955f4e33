/*
 * Fuzzes message compression: what is deflated comes back, and an arbitrary
 * stream inflates to the same in any pieces.
 *
 * Input: level, size of an input piece, size of an output piece, octets.
 */

#include "cdr_deflate.h"

#include <stdlib.h>
#include <string.h>


#define CAP  65536

#define must(cond)  ((cond) ? (void) 0 : abort())
#define min(a, b)   ((a) < (b) ? (a) : (b))


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *get(void *ctx, size_t size);
static void put(void *ctx, void *p);
static void round_trip(int level, const uint8_t *in, size_t len, size_t step,
    size_t room);
static void any_stream(const uint8_t *in, size_t len, size_t step,
    size_t room);
static int inflate_pieces(const uint8_t *in, size_t len, size_t step,
    size_t room, uint8_t *out, size_t *outlen);


/* They live through all inputs: none may leave anything behind. */

static const cdr_alloc_t   memory = { get, put, NULL };
static cdr_deflater_t     *deflaters[9];
static cdr_inflater_t     *inflater;
static uint8_t             whole[CAP], other[CAP];


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int     level;
    size_t  step, room;

    if (size < 3 || size > CAP / 2) {
        return 0;
    }

    level = data[0] % 9 + 1;
    step = (size_t) data[1] + 1;
    room = (size_t) data[2] + 1;

    if (inflater == NULL) {
        inflater = cdr_inflater_new(&memory);
    }

    if (deflaters[level - 1] == NULL) {
        deflaters[level - 1] = cdr_deflater_new(&memory, level);
    }

    must(inflater && deflaters[level - 1]);

    round_trip(level, data + 3, size - 3, step, room);
    any_stream(data + 3, size - 3, step, room);

    return 0;
}


static void *
get(void *ctx, size_t size)
{
    (void) ctx;
    return malloc(size);
}


static void
put(void *ctx, void *p)
{
    (void) ctx;
    free(p);
}


static void
round_trip(int level, const uint8_t *in, size_t len, size_t step, size_t room)
{
    size_t    bound, n, got;
    uint8_t  *packed;

    bound = cdr_deflate_bound(len);
    packed = malloc(bound);

    must(packed);
    must(cdr_deflate(deflaters[level - 1], in, len, packed, bound, &n)
         == CDR_OK);
    must(n > 0 && n + 5 <= bound);

    must(inflate_pieces(packed, n, step, room, whole, &got) == CDR_OK);
    must(got == len && memcmp(whole, in, len) == 0);

    free(packed);
}


static void
any_stream(const uint8_t *in, size_t len, size_t step, size_t room)
{
    int     rc, again;
    size_t  got, got2;

    rc = inflate_pieces(in, len, len + 1, CAP, whole, &got);
    again = inflate_pieces(in, len, step, room, other, &got2);

    must(rc == again);
    must(memcmp(whole, other, min(got, got2)) == 0);

    if (rc != CDR_ERROR) {
        must(got == got2);
        must(rc == CDR_OK || got == CAP);
    }
}


/* Returns CDR_TOOBIG if the message exceeds CAP. */

static int
inflate_pieces(const uint8_t *in, size_t len, size_t step, size_t room,
    uint8_t *out, size_t *outlen)
{
    int     rc;
    bool    last;
    size_t  n, used, got, left;

    *outlen = 0;

    do {
        n = min(len, step);
        last = (n == len);

        do {
            left = min(room, CAP - *outlen);
            rc = cdr_inflate(inflater, in, n, &used, last, out + *outlen,
                             left, &got);

            must(used <= n && got <= left);

            in += used;
            n -= used;
            len -= used;
            *outlen += got;

            if (rc == CDR_AGAIN) {
                must(got == left);

                if (*outlen == CAP) {
                    rc = CDR_TOOBIG;
                }
            }

        } while (rc == CDR_AGAIN);

        must(rc != CDR_OK || n == 0);

    } while (rc == CDR_OK && !last);

    if (rc != CDR_OK) {
        cdr_inflater_reset(inflater);
    }

    return rc;
}
