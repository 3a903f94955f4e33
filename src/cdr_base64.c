/* Strict base64url without padding: decoder and encoder. */

#include "cdr.h"
#include "cdr_base64.h"


#define CDR_BASE64_BAD  0x40    /* more than six bits: in no text */


static const uint8_t  cdr_base64url_alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd',
    'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's',
    't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7',
    '8', '9', '-', '_'
};


#define XX  CDR_BASE64_BAD

static const uint8_t  cdr_base64url_value[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX
};

#undef XX


int
cdr_base64url_decode(uint8_t *dst, size_t size, size_t *len, cdr_str_t src)
{
    size_t    i, n, tail;
    uint32_t  bits, seen, value;

    *len = 0;

    tail = src.len % 4;

    if (tail == 1) {
        return CDR_ERROR;
    }

    if (size < src.len / 4 * 3 + tail * 3 / 4) {
        return CDR_TOOBIG;
    }

    n = 0;
    bits = 0;
    seen = 0;

    for (i = 0; i < src.len; i++) {
        value = cdr_base64url_value[src.data[i]];

        seen |= value;
        bits = (bits << 6) | value;

        if (i % 4 == 3) {
            dst[n++] = (uint8_t) (bits >> 16);
            dst[n++] = (uint8_t) (bits >> 8);
            dst[n++] = (uint8_t) bits;
            bits = 0;
        }
    }

    if (seen & CDR_BASE64_BAD) {
        return CDR_ERROR;
    }

    if (tail == 2) {

        if (bits & 0x0f) {
            return CDR_ERROR;
        }

        dst[n++] = (uint8_t) (bits >> 4);

    } else if (tail == 3) {

        if (bits & 0x03) {
            return CDR_ERROR;
        }

        dst[n++] = (uint8_t) (bits >> 10);
        dst[n++] = (uint8_t) (bits >> 2);
    }

    *len = n;

    return CDR_OK;
}


size_t
cdr_base64url_encode(uint8_t *dst, cdr_str_t src)
{
    size_t    i, k, n, chars;
    uint32_t  bits;

    n = 0;

    for (i = 0; i < src.len; i += 3) {
        bits = (uint32_t) src.data[i] << 16;
        chars = 2;

        if (src.len - i > 1) {
            bits |= (uint32_t) src.data[i + 1] << 8;
            chars = 3;
        }

        if (src.len - i > 2) {
            bits |= src.data[i + 2];
            chars = 4;
        }

        for (k = 0; k < chars; k++) {
            dst[n++] = cdr_base64url_alphabet[(bits >> (18 - 6 * k)) & 63];
        }
    }

    return n;
}
