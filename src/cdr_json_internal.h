/* What the files of the JSON scanner and writer share among themselves. */

#ifndef CDR_JSON_INTERNAL_H_INCLUDED
#define CDR_JSON_INTERNAL_H_INCLUDED


#include "cdr.h"
#include "cdr_json.h"


#define CDR_JSON_ONES         0x0101010101010101u
#define CDR_JSON_HIGH_BITS    0x8080808080808080u

/* the high bit of each byte of w that is 0 or below n, or of a later byte */
#define cdr_json_zero(w)      (((w) - CDR_JSON_ONES) & ~(w))
#define cdr_json_below(w, n)  (((w) - CDR_JSON_ONES * (n)) & ~(w))

/* classes of bytes */
#define CDR_JSON_PLAIN        1         /* ASCII that strings hold as it is */
#define CDR_JSON_SPACE        2
#define CDR_JSON_DIGIT        4
#define CDR_JSON_HEX          8

#define cdr_json_is(b, class)  (cdr_json_class[b] & (class))

#define cdr_json_surrogate(c, first)                                          \
    (((uint32_t) (c) & 0xfffffc00u) == (first))


/* A key of an object that is open, as a place in the text. */

typedef struct {
    uint32_t            hash;           /* of the decoded key */
    uint32_t            pos;
    uint32_t            len;
} cdr_json_key_t;


/* Bytes above 7F are in no class. */

extern const uint8_t  cdr_json_class[256];


/* Whether what looks like a number fits int64_t, or a double when rounded. */
bool cdr_json_integer_fits(const uint8_t *p, const uint8_t *end);
bool cdr_json_real_fits(const uint8_t *p, const uint8_t *end);


/*
 * Looks among the keys of an object, which begin at "start" plus their
 * positions, for two that decode to the same, and reorders them.  Returns
 * CDR_OK, or CDR_ERROR with the position of the later one in "*pos".
 */
int cdr_json_unique(const uint8_t *start, cdr_json_key_t *keys, unsigned n,
    uint32_t *pos);


/* Compares as memcmp() does the bytes that two texts decode to. */
int cdr_json_text_cmp(cdr_str_t a, cdr_str_t b);


/* The character of an escape sequence, and the byte behind it. */
const uint8_t *cdr_json_decode(const uint8_t *p, const uint8_t *end,
    uint32_t *cp);


/* A character in UTF-8; "dst" has room for 4 bytes. */
size_t cdr_json_encode(uint8_t *dst, uint32_t cp);


/*
 * Walking over what the scanner has accepted; any other bytes are safe too.
 * skip_value() gives the byte behind the value at p, which is before "end".
 *
 * An object or array is walked from behind its bracket.  walk_key() gives the
 * text of the next key and moves to its value, which is before "end"; behind
 * a value walk_comma() moves over the comma to what follows.  False if there
 * is none: then "*pos" is at the other bracket, or at "end".
 */
const uint8_t *cdr_json_skip_value(const uint8_t *p, const uint8_t *end);
bool cdr_json_walk_key(const uint8_t **pos, const uint8_t *end,
    cdr_str_t *key);
bool cdr_json_walk_comma(const uint8_t **pos, const uint8_t *end);


/* Eight bytes, the first of them lowest: below it nothing is borrowed. */

static inline uint64_t
cdr_json_load(const uint8_t *p)
{
    uint64_t  w;

    memcpy(&w, p, 8);

#if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
    w = __builtin_bswap64(w);
#endif

    return w;
}


/* The first byte that is not plain, or "end"; eight at a time. */

static inline const uint8_t *
cdr_json_skip_plain(const uint8_t *p, const uint8_t *end)
{
    uint64_t  w, stop;

    while (end - p >= 8) {
        w = cdr_json_load(p);

        stop = w | cdr_json_below(w, 0x20)
               | cdr_json_zero(w ^ CDR_JSON_ONES * '"')
               | cdr_json_zero(w ^ CDR_JSON_ONES * '\\');

        stop &= CDR_JSON_HIGH_BITS;

        if (stop) {
            return p + __builtin_ctzll(stop) / 8;
        }

        p += 8;
    }

    while (p < end && cdr_json_is(*p, CDR_JSON_PLAIN)) {
        p++;
    }

    return p;
}


static inline const uint8_t *
cdr_json_skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && cdr_json_is(*p, CDR_JSON_SPACE)) {
        p++;
    }

    return p;
}


static inline const uint8_t *
cdr_json_skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && cdr_json_is(*p, CDR_JSON_DIGIT)) {
        p++;
    }

    return p;
}


/*
 * The length of the character at p, which is above 7F; if it is none, how
 * many bytes belong to what could have become one, negative.
 */

static inline int
cdr_json_utf8(const uint8_t *p, const uint8_t *end)
{
    int      i, n;
    uint8_t  b, lo, hi;

    b = *p;

    if (b < 0xc2 || b > 0xf4) {
        return -1;
    }

    n = (b < 0xe0) ? 2 : (b < 0xf0) ? 3 : 4;
    lo = (b == 0xe0) ? 0xa0 : (b == 0xf0) ? 0x90 : 0x80;
    hi = (b == 0xed) ? 0x9f : (b == 0xf4) ? 0x8f : 0xbf;

    for (i = 1; i < n; i++) {

        if (end - p == i || p[i] < lo || p[i] > hi) {
            return -i;
        }

        lo = 0x80;
        hi = 0xbf;
    }

    return n;
}


/* The number in four hexadecimal digits, or -1. */

static inline int32_t
cdr_json_hex4(const uint8_t *p, const uint8_t *end)
{
    int      i;
    int32_t  n;

    if (end - p < 4) {
        return -1;
    }

    n = 0;

    for (i = 0; i < 4; i++) {

        if (!cdr_json_is(p[i], CDR_JSON_HEX)) {
            return -1;
        }

        n = n << 4 | ((p[i] & 0xf) + (p[i] >> 6) * 9);
    }

    return n;
}


#endif /* CDR_JSON_INTERNAL_H_INCLUDED */
