/*
 * Base64url without padding (RFC 4648 section 5, RFC 7515 section 2), in its
 * one canonical form: two texts never decode to the same bytes.
 */

#ifndef CDR_BASE64_H_INCLUDED
#define CDR_BASE64_H_INCLUDED


#include "cdr.h"


/* The most bytes that "n" characters can decode to, without overflow. */

#define cdr_base64url_decoded_max(n)  ((n) / 4 * 3 + 2)

/* The characters that "n" bytes encode to; "n" is at most SIZE_MAX / 2. */

#define cdr_base64url_encoded_len(n)  ((n) / 3 * 4 + ((n) % 3 * 4 + 2) / 3)


/*
 * Decodes "src" into "dst", which has room for "size" bytes, and sets *len to
 * their number.  An empty text is no bytes.  "dst" must not overlap "src".
 *
 * CDR_OK      decoded
 * CDR_ERROR   a character outside the alphabet (so also '=', '+', '/' and
 *             white space), a length of 4n + 1, or unused bits that are not
 *             zero
 * CDR_TOOBIG  "size" is less than what "src" decodes to
 *
 * After an error *len is 0 and the content of "dst" is undefined.
 */
int cdr_base64url_decode(uint8_t *dst, size_t size, size_t *len,
    cdr_str_t src);


/*
 * Encodes "src" into "dst", which has room for
 * cdr_base64url_encoded_len(src.len) characters; returns that number.  No NUL
 * is appended.
 */
size_t cdr_base64url_encode(uint8_t *dst, cdr_str_t src);


#endif /* CDR_BASE64_H_INCLUDED */
