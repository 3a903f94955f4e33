/*
 * Keys that verify tokens: from a secret, a PEM file or a JWK set, each pinned
 * to one algorithm (RFC 7517, RFC 7518, RFC 8037).
 *
 * The primitives are OpenSSL's EVP and the JSON is jansson's.  The JOSE
 * libraries of Debian 12 (libjwt, libjose, cjose) lack EdDSA or key sets, and
 * each would add its symbols to the global scope in which nginx loads modules.
 *
 * Memory is OpenSSL's: keys are made while a configuration is read and are
 * cleared when they are freed.  A key holds a context that every verification
 * reuses, so a key and the sets it is in must not be used by two threads at
 * once; processes that fork after the keys were made may all use them.
 */

#ifndef CDR_JWK_H_INCLUDED
#define CDR_JWK_H_INCLUDED


#include "cdr.h"


#define CDR_JWK_PEM_MAX   (64 * 1024)     /* bytes of a PEM file */
#define CDR_JWK_RSA_MIN   2048            /* bits (RFC 7518 section 3.3) */
#define CDR_JWK_RSA_MAX   8192            /* bits: bounds a verification */
#define CDR_JWK_HMAC_MIN  32              /* bytes: less is weak */

#define CDR_JWKS_MAX      (256 * 1024)    /* bytes of a JWK set document */
#define CDR_JWKS_KEYS     100             /* keys in a set */

#define CDR_JWK_SIG_MAX   (CDR_JWK_RSA_MAX / 8)
#define CDR_JSON_DEPTH    32              /* nesting of header, claims, sets */


/* RFC 7518 section 3.1, RFC 8037 section 3.1; "none" does not exist here. */

typedef enum {
    CDR_JWT_HS256 = 0,
    CDR_JWT_HS384,
    CDR_JWT_HS512,
    CDR_JWT_RS256,
    CDR_JWT_RS384,
    CDR_JWT_RS512,
    CDR_JWT_ES256,
    CDR_JWT_ES384,
    CDR_JWT_EDDSA
} cdr_jwt_alg_t;


typedef struct cdr_jwk_s   cdr_jwk_t;
typedef struct cdr_jwks_s  cdr_jwks_t;

struct json_t;


/*
 * Sets *alg to the algorithm called "name", compared exactly as RFC 7515
 * section 4.1.1 demands.  CDR_DECLINED: there is none of that name.
 */
int cdr_jwt_alg_parse(cdr_str_t name, cdr_jwt_alg_t *alg);

/* The name of "alg", ended by a NUL. */
const char *cdr_jwt_alg_name(cdr_jwt_alg_t alg);

/* Whether "alg" is an HMAC, and its key therefore a secret. */
bool cdr_jwt_alg_is_hmac(cdr_jwt_alg_t alg);


/*
 * Makes a key for "alg" and for nothing else.  For HS* "key" is the secret,
 * octet by octet (a trailing newline counts).  For the others it is PEM text
 * with a public key (SubjectPublicKeyInfo, or PKCS #1 for RSA) or a
 * certificate; of several the first is taken, and a certificate's dates and
 * issuer are not looked at.  RS* needs RSA of CDR_JWK_RSA_MIN to
 * CDR_JWK_RSA_MAX bits, ES256 the curve P-256, ES384 P-384, EdDSA Ed25519 or
 * Ed448.  An empty "kid" means that the key has none.
 *
 * Copies what it needs of "key" and "kid".  Returns the key, to be given to
 * cdr_jwks_add() or cdr_jwk_del(); or NULL, with a sentence in "err", which
 * has room for "errlen" bytes with the NUL.  Refused are also a PEM text that
 * holds a private key (a verifier has no use for one), and for HS* a PEM text
 * with a public key or a certificate (what is public is no secret).
 */
cdr_jwk_t *cdr_jwk_new(cdr_jwt_alg_t alg, cdr_str_t key, cdr_str_t kid,
    char *err, size_t errlen);

/* Frees a key and clears its secret; accepts NULL. */
void cdr_jwk_del(cdr_jwk_t *jwk);

cdr_jwt_alg_t cdr_jwk_alg(const cdr_jwk_t *jwk);

/* The key's id, empty if it has none; lives as long as the key. */
cdr_str_t cdr_jwk_kid(const cdr_jwk_t *jwk);

/* An HS* secret of less than CDR_JWK_HMAC_MIN bytes: worth a warning. */
bool cdr_jwk_is_weak(const cdr_jwk_t *jwk);

/*
 * Whether "sig" is the key's signature of "input" (RFC 7518 section 3,
 * RFC 8037 section 3.1).  ECDSA signatures are r || s of fixed size.
 *
 * CDR_OK      it is
 * CDR_ERROR   it is not
 * CDR_NOMEM   OpenSSL could not tell, for want of memory
 */
int cdr_jwk_verify(const cdr_jwk_t *jwk, cdr_str_t input, cdr_str_t sig);


/* Makes an empty set; NULL if there is no memory. */
cdr_jwks_t *cdr_jwks_new(void);

/* Frees a set and its keys; accepts NULL. */
void cdr_jwks_del(cdr_jwks_t *set);

/*
 * Takes "jwk" into the set, which deletes it in the end.  CDR_FULL: the set
 * has CDR_JWKS_KEYS keys, and "jwk" is still the caller's.
 */
int cdr_jwks_add(cdr_jwks_t *set, cdr_jwk_t *jwk);

/*
 * Adds the keys of a JWK set document (RFC 7517 section 5): "kty" RSA, EC
 * (P-256, P-384), OKP (Ed25519, Ed448) and oct.  "alg" pins the algorithm;
 * without it EC and OKP follow the curve, RSA is RS256 and oct is HS256.
 *
 * Passed over are keys that are not for verifying ("use" other than "sig",
 * "key_ops" without "verify") or whose "kty", "crv" or "alg" is none of ours;
 * and, as RFC 7517 asks, keys with a missing or wrong member.
 *
 * CDR_OK      at least one key was added.  "err" is empty, or says what was
 *             wrong with the first key that was passed over for being broken
 *             (worth a warning)
 * CDR_ERROR   nothing was added, and "err" has a sentence: not a JSON object
 *             with "keys", a duplicate member, nested deeper than
 *             CDR_JSON_DEPTH, a private key in it (one with "d"), no usable
 *             key, more than CDR_JWKS_KEYS keys, more than CDR_JWKS_MAX
 *             bytes, or no memory
 */
int cdr_jwks_load(cdr_jwks_t *set, cdr_str_t json, char *err, size_t errlen);

/* The number of keys in the set. */
size_t cdr_jwks_count(const cdr_jwks_t *set);

/* The set's "i"-th key, counted from 0; the set keeps it. */
const cdr_jwk_t *cdr_jwks_get(const cdr_jwks_t *set, size_t i);


/*
 * Parses one JSON object strictly, as headers, claims and key sets are read:
 * no duplicate member (RFC 7515 section 4), no NUL in a string, at most
 * CDR_JSON_DEPTH deep, nothing after it.  Returns a new reference, or NULL.
 */
struct json_t *cdr_jwk_json(cdr_str_t text);


#endif /* CDR_JWK_H_INCLUDED */
