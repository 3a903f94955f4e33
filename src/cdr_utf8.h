/* UTF-8 (RFC 3629) checked as it arrives, to the first wrong byte. */

#ifndef CDR_UTF8_H_INCLUDED
#define CDR_UTF8_H_INCLUDED


#include "cdr.h"


/*
 * Where in a character the text stands; 0 is between two characters.  A new
 * text starts at 0.
 */

typedef uint32_t  cdr_utf8_t;


/*
 * Checks the next "len" bytes of a text; p may be NULL if len is 0.
 *
 * CDR_OK     no byte so far is wrong; the text may end inside a character
 * CDR_ERROR  a byte is wrong.  Overlong forms, surrogates and characters
 *            above U+10FFFF are refused at the byte that makes them wrong,
 *            e.g. C0, F5, or the second one of E0 80, ED A0 and F4 90.
 *            *state means nothing any more.
 */

int cdr_utf8_check(cdr_utf8_t *state, const uint8_t *p, size_t len);


/* Returns true if the text may end here: no character is cut. */

static inline bool
cdr_utf8_done(const cdr_utf8_t *state)
{
    return *state == 0;
}


#endif /* CDR_UTF8_H_INCLUDED */
