/* SipHash-2-4 (Aumasson and Bernstein, 2012), 64-bit result. */

#include "cdr.h"
#include "cdr_siphash.h"


#define cdr_rotl(x, b)  (((x) << (b)) | ((x) >> (64 - (b))))


typedef struct {
    uint64_t  v0;
    uint64_t  v1;
    uint64_t  v2;
    uint64_t  v3;
} cdr_siphash_t;


static uint64_t cdr_siphash_word(const uint8_t *p, size_t len);
static void cdr_siphash_round(cdr_siphash_t *s);
static void cdr_siphash_compress(cdr_siphash_t *s, uint64_t word);


uint64_t
cdr_siphash(const uint8_t key[CDR_SIPHASH_KEY_LEN], const void *data,
    size_t len)
{
    size_t          left;
    uint64_t        k0, k1;
    cdr_siphash_t   s;
    const uint8_t  *p;

    k0 = cdr_siphash_word(key, 8);
    k1 = cdr_siphash_word(key + 8, 8);

    s.v0 = k0 ^ 0x736f6d6570736575U;
    s.v1 = k1 ^ 0x646f72616e646f6dU;
    s.v2 = k0 ^ 0x6c7967656e657261U;
    s.v3 = k1 ^ 0x7465646279746573U;

    p = data;

    for (left = len; left >= 8; left -= 8) {
        cdr_siphash_compress(&s, cdr_siphash_word(p, 8));
        p += 8;
    }

    cdr_siphash_compress(&s, cdr_siphash_word(p, left)
                             | (uint64_t) (len & 0xff) << 56);

    s.v2 ^= 0xff;

    cdr_siphash_round(&s);
    cdr_siphash_round(&s);
    cdr_siphash_round(&s);
    cdr_siphash_round(&s);

    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}


/* "len" bytes, at most 8, little-endian. */

static uint64_t
cdr_siphash_word(const uint8_t *p, size_t len)
{
    size_t    i;
    uint64_t  word;

    word = 0;

    for (i = 0; i < len; i++) {
        word |= (uint64_t) p[i] << (8 * i);
    }

    return word;
}


static void
cdr_siphash_round(cdr_siphash_t *s)
{
    s->v0 += s->v1;
    s->v1 = cdr_rotl(s->v1, 13) ^ s->v0;
    s->v0 = cdr_rotl(s->v0, 32);

    s->v2 += s->v3;
    s->v3 = cdr_rotl(s->v3, 16) ^ s->v2;

    s->v0 += s->v3;
    s->v3 = cdr_rotl(s->v3, 21) ^ s->v0;

    s->v2 += s->v1;
    s->v1 = cdr_rotl(s->v1, 17) ^ s->v2;
    s->v2 = cdr_rotl(s->v2, 32);
}


static void
cdr_siphash_compress(cdr_siphash_t *s, uint64_t word)
{
    s->v3 ^= word;
    cdr_siphash_round(s);
    cdr_siphash_round(s);
    s->v0 ^= word;
}
