/* UTF-8 (RFC 3629) checked as it arrives, to the first wrong byte. */

#include "cdr.h"
#include "cdr_utf8.h"

#include <string.h>


#define CDR_UTF8_HIGH_BITS  0x8080808080808080u

/*
 * The state inside a character: how many bytes are to come, and the range in
 * which the next one must be.  Only the first of them has a range of its own;
 * it is what refuses overlong forms, surrogates and what is above U+10FFFF.
 */

#define cdr_utf8_expect(n, lo, hi)                                            \
    ((cdr_utf8_t) (n) | (cdr_utf8_t) (lo) << 8 | (cdr_utf8_t) (hi) << 16)

#define cdr_utf8_left(state)  ((state) & 0xff)
#define cdr_utf8_low(state)   ((state) >> 8 & 0xff)
#define cdr_utf8_high(state)  ((state) >> 16 & 0xff)


static const uint8_t *cdr_utf8_skip_ascii(const uint8_t *p,
    const uint8_t *end);
static cdr_utf8_t cdr_utf8_lead(uint8_t b);


int
cdr_utf8_check(cdr_utf8_t *state, const uint8_t *p, size_t len)
{
    cdr_utf8_t      s;
    const uint8_t  *end;

    if (len == 0) {
        return CDR_OK;
    }

    s = *state;
    end = p + len;

    while (p < end) {

        if (s == 0) {

            if (*p < 0x80) {
                p = cdr_utf8_skip_ascii(p, end);
                continue;
            }

            s = cdr_utf8_lead(*p++);

            if (s == 0) {
                return CDR_ERROR;
            }

            continue;
        }

        if (*p < cdr_utf8_low(s) || *p > cdr_utf8_high(s)) {
            return CDR_ERROR;
        }

        p++;
        s = cdr_utf8_left(s) > 1
            ? cdr_utf8_expect(cdr_utf8_left(s) - 1, 0x80, 0xbf) : 0;
    }

    *state = s;

    return CDR_OK;
}


/* Returns the first byte that is not ASCII, or "end". */

static const uint8_t *
cdr_utf8_skip_ascii(const uint8_t *p, const uint8_t *end)
{
    uint64_t  w;

    while (end - p >= 8) {
        memcpy(&w, p, 8);

        if (w & CDR_UTF8_HIGH_BITS) {
            break;
        }

        p += 8;
    }

    while (p < end && *p < 0x80) {
        p++;
    }

    return p;
}


/* The state behind a first byte above 7F; 0 if there is no such character. */

static cdr_utf8_t
cdr_utf8_lead(uint8_t b)
{
    if (b < 0xc2 || b > 0xf4) {
        return 0;
    }

    if (b < 0xe0) {
        return cdr_utf8_expect(1, 0x80, 0xbf);
    }

    if (b < 0xf0) {
        return cdr_utf8_expect(2, b == 0xe0 ? 0xa0 : 0x80,
                               b == 0xed ? 0x9f : 0xbf);
    }

    return cdr_utf8_expect(3, b == 0xf0 ? 0x90 : 0x80,
                           b == 0xf4 ? 0x8f : 0xbf);
}
