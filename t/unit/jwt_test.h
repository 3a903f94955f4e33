/* What the tests of tokens share: keys, a signer, and verdicts. */

#ifndef JWT_TEST_H_INCLUDED
#define JWT_TEST_H_INCLUDED


#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_jwk.h"
#include "cdr_jwt.h"
#include "cdr_test.h"


#define NOW     1700000000
#define NOW_S   "1700000000"
#define NALGS   9
#define SECRET  "0123456789abcdef0123456789abcdef"
#define ROOM    (2 * CDR_JWT_MAX)
#define GOOD    "{\"sub\":\"ann\",\"role\":\"admin\",\"exp\":1700000060}"


typedef struct {
    char            text[ROOM];
    size_t          len;
} token_t;


/* "want" is a reason, or "ok", or "ok user=... role=... n=... jti=...". */

typedef struct {
    char            name[72];
    const char     *json;
    const char     *want;
} case_t;


static cdr_jwks_t        *all;            /* one key for each algorithm */
static EVP_PKEY          *pkeys[NALGS], *others[NALGS];
static cdr_jwt_claims_t   claims;
static int                result;
static int                dirty;          /* something was left behind */

static const char *const  names[NALGS] = {
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384",
    "EdDSA"
};

static const cdr_jwt_policy_t  any = {
    NULL, 0, NULL, 0, cdr_str_null, cdr_str_null, 0, true
};


static inline cdr_str_t
str(const char *text)
{
    cdr_str_t  s;

    s.data = (const uint8_t *) text;
    s.len = strlen(text);

    return s;
}


static inline cdr_jwk_t *
public_key(cdr_jwt_alg_t alg, EVP_PKEY *pkey, const char *kid)
{
    BIO        *bio;
    char        err[256], *pem;
    cdr_jwk_t  *jwk;
    cdr_str_t   key;

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, pkey);
    key.len = (size_t) BIO_get_mem_data(bio, &pem);
    key.data = (uint8_t *) pem;

    jwk = cdr_jwk_new(alg, key, str(kid), err, sizeof(err));
    BIO_free(bio);

    if (jwk == NULL) {
        printf("Bail out! %s\n", err);
        exit(1);
    }

    return jwk;
}


static inline void
make_keys(void)
{
    char         err[256];
    unsigned     i;
    EVP_PKEY   **set;
    cdr_str_t    none = cdr_str_null;

    for (set = pkeys; ; set = others) {
        set[CDR_JWT_RS256] = EVP_RSA_gen(2048);
        set[CDR_JWT_ES256] = EVP_EC_gen("P-256");
        set[CDR_JWT_ES384] = EVP_EC_gen("P-384");
        set[CDR_JWT_EDDSA] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

        for (i = CDR_JWT_RS384; i <= CDR_JWT_RS512; i++) {
            set[i] = set[CDR_JWT_RS256];
            EVP_PKEY_up_ref(set[i]);
        }

        if (set == others) {
            break;
        }
    }

    all = cdr_jwks_new();

    for (i = 0; i < NALGS; i++) {
        cdr_jwks_add(all, pkeys[i] ? public_key(i, pkeys[i], "")
                                   : cdr_jwk_new(i, str(SECRET), none, err,
                                                 sizeof(err)));
    }
}


static inline void
free_keys(void)
{
    unsigned  i;

    cdr_jwks_del(all);

    for (i = 0; i < NALGS; i++) {
        EVP_PKEY_free(pkeys[i]);
        EVP_PKEY_free(others[i]);
    }
}


/* The signer. */

static inline void
put_part(token_t *t, const void *data, size_t len)
{
    cdr_str_t  s;

    if (t->len) {
        t->text[t->len++] = '.';
    }

    if (t->len + cdr_base64url_encoded_len(len) >= ROOM) {
        abort();
    }

    s.data = data;
    s.len = len;

    t->len += cdr_base64url_encode((uint8_t *) t->text + t->len, s);
    t->text[t->len] = '\0';
}


static inline void
put_hmac(token_t *t, cdr_jwt_alg_t alg, const void *key, size_t len)
{
    uint8_t        mac[EVP_MAX_MD_SIZE];
    unsigned       n;
    const EVP_MD  *md;

    md = alg == CDR_JWT_HS384 ? EVP_sha384()
                              : alg == CDR_JWT_HS512 ? EVP_sha512()
                                                     : EVP_sha256();

    HMAC(md, key, (int) len, (uint8_t *) t->text, t->len, mac, &n);
    put_part(t, mac, n);
}


static inline size_t
raw_ecdsa(uint8_t *sig, size_t len, size_t half)
{
    ECDSA_SIG      *s;
    const uint8_t  *p;

    p = sig;
    s = d2i_ECDSA_SIG(NULL, &p, (long) len);

    BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, (int) half);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + half, (int) half);
    ECDSA_SIG_free(s);

    return 2 * half;
}


static inline void
put_signature(token_t *t, cdr_jwt_alg_t alg, EVP_PKEY *pkey)
{
    size_t       len;
    uint8_t      sig[1024];
    EVP_MD_CTX  *md;

    static const char *const  digests[NALGS] = {
        "SHA256", "SHA384", "SHA512", "SHA256", "SHA384", "SHA512",
        "SHA256", "SHA384", NULL
    };

    md = EVP_MD_CTX_new();
    len = sizeof(sig);

    if (EVP_DigestSignInit_ex(md, NULL, digests[alg], NULL, NULL, pkey, NULL)
        != 1
        || EVP_DigestSign(md, sig, &len, (uint8_t *) t->text, t->len) != 1)
    {
        printf("Bail out! cannot sign\n");
        exit(1);
    }

    EVP_MD_CTX_free(md);

    if (EVP_PKEY_is_a(pkey, "EC")) {
        len = raw_ecdsa(sig, len, alg == CDR_JWT_ES384 ? 48 : 32);
    }

    put_part(t, sig, len);
}


static inline void
make(token_t *t, cdr_jwt_alg_t alg, const char *header, const char *payload)
{
    t->len = 0;
    put_part(t, header, strlen(header));
    put_part(t, payload, strlen(payload));

    if (pkeys[alg]) {
        put_signature(t, alg, pkeys[alg]);

    } else {
        put_hmac(t, alg, SECRET, strlen(SECRET));
    }
}


/*
 * Verifies a copy of its exact size.  Returns the reason, or "ok"; "result",
 * "claims" and "dirty" have the rest.
 */

static inline const char *
verdict(const cdr_jwks_t *set, const cdr_jwt_policy_t *policy,
    const char *text, size_t len, int64_t now)
{
    uint8_t     *copy;
    cdr_str_t    token;
    const char  *reason;

    copy = malloc(len + !len);
    memcpy(copy, text, len);

    token.data = copy;
    token.len = len;

    memset(&claims, 0xa5, sizeof(claims));
    reason = "not set";

    result = cdr_jwt_verify(set, policy, token, now, &claims, &reason);
    free(copy);

    if (result == CDR_OK) {
        dirty |= (reason != NULL || claims.user.len == 0 || claims.expired);
        reason = "ok";

    } else {
        dirty |= (reason == NULL || claims.user.len || claims.role.len
                  || claims.nroles || claims.jti.len || claims.user_buf[0]);
        dirty |= (claims.expired != !strcmp(reason, "token expired"));
    }

    dirty |= (ERR_peek_error() != 0);

    return reason;
}


/* The verdict on an HS256 token with these claims, and what it says. */

static inline const char *
told(const char *payload)
{
    size_t       n, i;
    token_t      t;
    const char  *why;

    static char  text[1024];

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", payload);
    why = verdict(all, &any, t.text, t.len, NOW);

    if (result != CDR_OK) {
        return why;
    }

    n = (size_t) snprintf(text, sizeof(text), "ok %.*s/%.*s/%zu/%.*s",
                          (int) claims.user.len, claims.user.data,
                          (int) claims.role.len, claims.role.data,
                          claims.nroles,
                          (int) claims.jti.len, claims.jti.data);

    for (i = 0; i < claims.nroles && claims.nroles < 4; i++) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "/%.*s",
                               (int) claims.roles[i].len,
                               claims.roles[i].data);
    }

    return text;
}


static inline void
is(const char *got, const char *want, const char *name)
{
    ok(strcmp(got, want) == 0, "%s: %s", name, want);

    if (strcmp(got, want) != 0) {
        printf("# got: %s\n", got);
    }
}


#endif /* JWT_TEST_H_INCLUDED */
