/*
 * Signatures of what the servers of a hub tell each other through Redis:
 * HMAC with SHA-256 (RFC 2104, FIPS 180-4) by a secret that they share.
 *
 * What is signed is a list of strings, each with its length before it, so that
 * no two lists have the same bytes.  The first one says what it is and of
 * which hub: a signature is good for nothing else.  A message that was signed
 * may be repeated by whoever saw it; its origin tells that, and must be among
 * the strings.
 */

#ifndef CDR_SIGN_H_INCLUDED
#define CDR_SIGN_H_INCLUDED


#include "cdr.h"


#define CDR_SIGN_LEN         43         /* characters, base64url */
#define CDR_SIGN_SECRET_MIN  32         /* bytes that a secret should have */


struct evp_mac_ctx_st;


typedef struct {
    struct evp_mac_ctx_st  *mac;
} cdr_sign_t;


/*
 * Takes a copy of the secret, which is not empty.  CDR_OK; CDR_NOMEM, also if
 * OpenSSL has no such thing; then there is nothing to free.  Freeing wipes it,
 * and may be done twice.
 */

int cdr_sign_init(cdr_sign_t *sign, cdr_str_t secret);
void cdr_sign_free(cdr_sign_t *sign);

/* Writes CDR_SIGN_LEN characters.  CDR_OK or CDR_NOMEM. */

int cdr_sign(cdr_sign_t *sign, const cdr_str_t *parts, size_t n,
    uint8_t *dst);

/*
 * CDR_OK        "signature" is that of these
 * CDR_DECLINED  it is not; one of length 0 never is
 * CDR_NOMEM     nobody knows: not to be believed either
 *
 * The time it takes does not tell how much of it is right.
 */

int cdr_sign_check(cdr_sign_t *sign, const cdr_str_t *parts, size_t n,
    cdr_str_t signature);

/*
 * A text with its signature before it, and a space between, as it goes over a
 * channel.  "dst" has room for CDR_SIGN_LEN + 1 + text.len bytes.  And back:
 * *text becomes what was signed; returns as cdr_sign_check().
 */

int cdr_sign_text(cdr_sign_t *sign, cdr_str_t what, cdr_str_t text,
    uint8_t *dst);
int cdr_sign_text_check(cdr_sign_t *sign, cdr_str_t what, cdr_str_t *text);


#endif /* CDR_SIGN_H_INCLUDED */
