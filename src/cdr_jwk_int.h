/* What the files of the keys share, and nobody else needs. */

#ifndef CDR_JWK_INT_H_INCLUDED
#define CDR_JWK_INT_H_INCLUDED


#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "cdr.h"
#include "cdr_jwk.h"


#define CDR_JWK_EC_MAX    48      /* bytes of a coordinate */

/*
 * OpenSSL keeps what went wrong in a queue that nginx reports as its own if
 * it is not left as it was found.
 */

#define cdr_jwk_errors_enter()  (void) ERR_set_mark()
#define cdr_jwk_errors_leave()  (void) ERR_pop_to_mark()

#define cdr_jwk_nelts(table)  (sizeof(table) / sizeof((table)[0]))


typedef enum {
    CDR_JWK_OCT = 0,
    CDR_JWK_RSA,
    CDR_JWK_EC,
    CDR_JWK_OKP
} cdr_jwk_kty_t;


typedef struct {
    char            name[8];
    cdr_jwk_kty_t   kty;
    const char     *digest;       /* NULL: the algorithm has its own */
    const char     *curve;        /* EC: OpenSSL's name of it */
    const char     *crv;          /* EC: RFC 7518's name of it */
    size_t          size;         /* bytes of an HMAC or a coordinate */
} cdr_jwk_spec_t;


struct cdr_jwk_s {
    cdr_jwt_alg_t   alg;
    EVP_MAC_CTX    *mac;          /* HS*: keyed, started anew for each token */
    EVP_MD_CTX     *md;           /* the others: keyed, copied for each token */
    size_t          sig_len;      /* of every signature of this key */
    bool            weak;
    size_t          kid_len;
    uint8_t         kid[];
};


/* Where a sentence about what is wrong goes. */

typedef struct {
    char           *text;
    size_t          size;
} cdr_jwk_err_t;


/* In the order of cdr_jwt_alg_t. */

extern const cdr_jwk_spec_t  cdr_jwk_specs[CDR_JWT_EDDSA + 1];


/* Writes the sentence; returns CDR_ERROR. */
int cdr_jwk_fail(cdr_jwk_err_t *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* These return NULL, and a sentence, if there is something wrong. */
cdr_jwk_t *cdr_jwk_from_secret(cdr_jwt_alg_t alg, cdr_str_t secret,
    cdr_str_t kid, cdr_jwk_err_t *e);
cdr_jwk_t *cdr_jwk_from_pkey(cdr_jwt_alg_t alg, EVP_PKEY *pkey,
    cdr_str_t kid, cdr_jwk_err_t *e);
cdr_jwk_t *cdr_jwk_from_json(const json_t *o, cdr_jwt_alg_t alg,
    cdr_str_t kid, cdr_jwk_err_t *e);

/* CDR_DECLINED: there is no such member.  CDR_ERROR: it is not a string. */
int cdr_jwk_member(const json_t *o, const char *name, cdr_str_t *s);

/* Whether "v" is the string "text". */
bool cdr_jwk_json_is(const json_t *v, const char *text);


#endif /* CDR_JWK_INT_H_INCLUDED */
