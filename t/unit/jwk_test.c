/* Tests of the keys: what is taken for a key of which algorithm. */

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "cdr.h"
#include "cdr_jwk.h"
#include "cdr_test.h"


#define PEM_SIZE  8192
#define NALGS     9

/* The keys of RFC 7515 (A.1 to A.3) and RFC 8037 (A.4), and three others. */

#define K_OCT                                                                 \
    "\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1"  \
    "qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\""
#define K_RSA_N                                                               \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"   \
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2"  \
    "jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7"  \
    "WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvU"  \
    "K-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define K_RSA      "\"kty\":\"RSA\",\"n\":\"" K_RSA_N "\",\"e\":\"AQAB\""
#define K_RSA1024                                                             \
    "\"kty\":\"RSA\",\"n\":\"pQnsMAhEfBnniMpxdKQfXJXwRN_OcxEqywc-8ix6Zpzj4vo" \
    "fF5g1LOQ5Ko8ofUaYU7kJPudCVaokAA6jgTV6EdhiLxiw_9jnTrXTf0jx8IvrPKKrTFKY0"  \
    "29LhQYT7LdvJAki8B7SYlngyMfUbPhX3ObvxReiGNWLdouDj3hN5p8\",\"e\":\"AQAB\""
#define K_X256     "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define K_Y256     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define K_EC256    "\"kty\":\"EC\",\"crv\":\"P-256\"," K_X256 "," K_Y256
#define K_EC384                                                               \
    "\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"WVct1JD-_Bg9Y7kfMqf86_d-AFR629" \
    "B9B-iLsb88rgmzg3RRTEDipDgUnIvF0hRc\",\"y\":\"uWP-7QWVUBfY_1mtVSJO-oBArZ" \
    "Vt3AXOTJKWMzC-2Kk1_sznh9Erv3FUB1mNMqqd\""
#define K_OKP                                                                 \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvP" \
    "apiMlrwIaaPcHURo\""
#define K_ED448                                                               \
    "\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"6GWXE0UiWAh4j_4jFzORwVFsnclQ6" \
    "DU6iryhGWwfwugZ17bfz67qlBgp9hqO3fcoktqdBAMFWFsA\""

#define SET(members)  "{\"keys\":[{" members "}]}"


typedef struct {
    char         name[32];
    const char  *type;            /* for EVP_PKEY_Q_keygen() */
    const char  *curve;
    size_t       bits;
    char         algs[32];        /* whose keys these may be */
} kind_t;


typedef struct {
    char         name[72];
    const char  *json;
    size_t       count;
    const char  *text;            /* part of the sentence; NULL: none */
} set_case_t;


static void *failing_malloc(size_t size, const char *file, int line);
static void *failing_json_malloc(size_t size);
static void *failing_realloc(void *p, size_t size, const char *file,
    int line);
static void plain_free(void *p, const char *file, int line);
static EVP_PKEY *make_pkey(const kind_t *kind);
static int put_pkcs1(BIO *bio, EVP_PKEY *pkey);
static size_t put_pem(EVP_PKEY *pkey, const char *what, char *dst);
static cdr_jwk_t *new_key(cdr_jwt_alg_t alg, const void *data, size_t len);
static int is_refused(cdr_jwt_alg_t alg, const void *data, size_t len,
    const char *text);
static cdr_jwks_t *load(const char *json, size_t len, int *rc);
static void test_names(void);
static void test_secrets(void);
static void test_pem_of_every_kind(void);
static void test_pem_forms(void);
static void test_kid(void);
static void test_sets(void);
static void test_set_bounds(void);
static void test_set_algorithms(void);
static void test_failed_load_changes_nothing(void);
static void test_failing_allocations(void);
static void test_error_queue(void);


static const char *const  names[NALGS] = {
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384",
    "EdDSA"
};

static const kind_t  kinds[] = {
    { "RSA of 2048 bits", "RSA", NULL, 2048, "RS256 RS384 RS512" },
    { "RSA of 1024 bits", "RSA", NULL, 1024, "" },
    { "P-256", "EC", "P-256", 0, "ES256" },
    { "P-384", "EC", "P-384", 0, "ES384" },
    { "P-521", "EC", "P-521", 0, "" },
    { "secp256k1", "EC", "secp256k1", 0, "" },
    { "Ed25519", "ED25519", NULL, 0, "EdDSA" },
    { "Ed448", "ED448", NULL, 0, "EdDSA" },
    { "X25519", "X25519", NULL, 0, "" }
};

static char      err[256];
static unsigned  calls, fail_at;


int
main(void)
{
    CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free);

    test_names();
    test_secrets();
    test_pem_of_every_kind();
    test_pem_forms();
    test_kid();
    test_sets();
    test_set_bounds();
    test_set_algorithms();
    test_failed_load_changes_nothing();
    test_failing_allocations();
    test_error_queue();

    return done_testing();
}


static void *
failing_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return (++calls == fail_at) ? NULL : malloc(size);
}


static void *
failing_json_malloc(size_t size)
{
    return failing_malloc(size, NULL, 0);
}


static void *
failing_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return (++calls == fail_at) ? NULL : realloc(p, size);
}


static void
plain_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;

    free(p);
}


static EVP_PKEY *
make_pkey(const kind_t *kind)
{
    if (kind->bits) {
        return EVP_PKEY_Q_keygen(NULL, NULL, kind->type, kind->bits);
    }

    if (kind->curve) {
        return EVP_PKEY_Q_keygen(NULL, NULL, kind->type, kind->curve);
    }

    return EVP_PKEY_Q_keygen(NULL, NULL, kind->type);
}


static int
put_pkcs1(BIO *bio, EVP_PKEY *pkey)
{
    int       n, good;
    uint8_t  *der;

    der = NULL;
    n = i2d_PublicKey(pkey, &der);
    good = n > 0 && PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, n) > 0;
    OPENSSL_free(der);

    return good;
}


/* Appends PEM text to "dst" of PEM_SIZE bytes; returns its new length. */

static size_t
put_pem(EVP_PKEY *pkey, const char *what, char *dst)
{
    int      n, good;
    BIO     *bio;
    X509    *cert;
    size_t   len;

    len = strlen(dst);
    bio = BIO_new(BIO_s_mem());

    if (strcmp(what, "public") == 0) {
        good = PEM_write_bio_PUBKEY(bio, pkey);

    } else if (strcmp(what, "private") == 0) {
        good = PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);

    } else if (strcmp(what, "traditional") == 0) {
        good = PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0,
                                                    NULL, NULL);

    } else if (strcmp(what, "encrypted") == 0) {
        good = PEM_write_bio_PKCS8PrivateKey(bio, pkey, EVP_aes_128_cbc(),
                                             "x", 1, NULL, NULL);

    } else if (strcmp(what, "pkcs1") == 0) {
        good = put_pkcs1(bio, pkey);

    } else {
        cert = X509_new();
        good = X509_set_pubkey(cert, pkey)
               && X509_gmtime_adj(X509_getm_notBefore(cert), 0)
               && X509_gmtime_adj(X509_getm_notAfter(cert), 60)
               && X509_sign(cert, pkey, EVP_sha256())
               && PEM_write_bio_X509(bio, cert);
        X509_free(cert);
    }

    n = BIO_read(bio, dst + len, PEM_SIZE - 1 - (int) len);
    BIO_free(bio);

    if (!good || n <= 0) {
        printf("Bail out! cannot make a %s PEM\n", what);
        exit(1);
    }

    len += (size_t) n;
    dst[len] = '\0';

    return len;
}


static cdr_jwk_t *
new_key(cdr_jwt_alg_t alg, const void *data, size_t len)
{
    cdr_jwk_t  *jwk;
    uint8_t    *copy;
    cdr_str_t   key, kid = cdr_str_null;

    copy = malloc(len + !len);
    memcpy(copy, data, len);

    key.data = copy;
    key.len = len;

    err[0] = '\0';
    jwk = cdr_jwk_new(alg, key, kid, err, sizeof(err));

    free(copy);

    return jwk;
}


static int
is_refused(cdr_jwt_alg_t alg, const void *data, size_t len, const char *text)
{
    cdr_jwk_t  *jwk;

    jwk = new_key(alg, data, len);

    if (jwk == NULL && strstr(err, text)) {
        return 1;
    }

    printf("# %s, said: %s\n", jwk ? "taken" : "refused", err);
    cdr_jwk_del(jwk);

    return 0;
}


static cdr_jwks_t *
load(const char *json, size_t len, int *rc)
{
    uint8_t     *copy;
    cdr_str_t    text;
    cdr_jwks_t  *set;

    copy = malloc(len + !len);
    memcpy(copy, json, len);

    text.data = copy;
    text.len = len;

    set = cdr_jwks_new();
    *rc = cdr_jwks_load(set, text, err, sizeof(err));

    free(copy);

    return set;
}


static void
test_names(void)
{
    int            good;
    size_t         i;
    cdr_str_t      name;
    cdr_jwt_alg_t  alg;

    static const char *const  wrong[] = {
        "", "none", "None", "NONE", "nOnE", "hs256", "HS25", "HS2567",
        "HS256 ", "PS256", "ES512", "ES256K", "EDDSA", "eddsa", "RSA-OAEP",
        "dir", "HS1"
    };

    good = 1;

    for (i = 0; i < NALGS; i++) {
        name.data = (const uint8_t *) names[i];
        name.len = strlen(names[i]);

        good &= (cdr_jwt_alg_parse(name, &alg) == CDR_OK && alg == i
                 && strcmp(cdr_jwt_alg_name(alg), names[i]) == 0
                 && cdr_jwt_alg_is_hmac(alg) == (i < 3));
    }

    ok(good, "the nine algorithms are known by their names");

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        name.data = (const uint8_t *) wrong[i];
        name.len = strlen(wrong[i]);

        ok(cdr_jwt_alg_parse(name, &alg) == CDR_DECLINED,
           "\"%s\" is no algorithm", wrong[i]);
    }
}


static void
test_secrets(void)
{
    cdr_jwk_t  *jwk;

    static const uint8_t  secret[64] = { 0, 1, 2, 0xff };

    jwk = new_key(CDR_JWT_HS256, secret, 32);
    ok(jwk && !cdr_jwk_is_weak(jwk), "32 bytes, zeros among them, are a key");
    ok(jwk && cdr_jwk_alg(jwk) == CDR_JWT_HS256, "it keeps its algorithm");
    cdr_jwk_del(jwk);

    jwk = new_key(CDR_JWT_HS512, secret, 31);
    ok(jwk && cdr_jwk_is_weak(jwk), "31 bytes are a weak key");
    cdr_jwk_del(jwk);

    jwk = new_key(CDR_JWT_HS384, secret, 1);
    ok(jwk && cdr_jwk_is_weak(jwk), "a single byte is a weak key");
    cdr_jwk_del(jwk);

    ok(is_refused(CDR_JWT_HS256, "", 0, "the secret is empty"),
       "an empty secret is refused");

    cdr_jwk_del(NULL);
    cdr_jwks_del(NULL);
}


static void
test_pem_of_every_kind(void)
{
    char           pem[PEM_SIZE];
    size_t         i, len;
    unsigned       a;
    EVP_PKEY      *pkey;
    cdr_jwk_t     *jwk;
    const kind_t  *kind;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        kind = &kinds[i];
        pkey = make_pkey(kind);
        pem[0] = '\0';
        len = put_pem(pkey, "public", pem);
        EVP_PKEY_free(pkey);

        for (a = CDR_JWT_RS256; a < NALGS; a++) {
            jwk = new_key((cdr_jwt_alg_t) a, pem, len);

            if (strstr(kind->algs, names[a])) {
                ok(jwk && cdr_jwk_alg(jwk) == a && !cdr_jwk_is_weak(jwk),
                   "%s is a key for %s", kind->name, names[a]);
            } else {
                ok(jwk == NULL && strstr(err, names[a])
                   && strstr(err, "this one"),
                   "%s is no key for %s: %s", kind->name, names[a], err);
            }

            cdr_jwk_del(jwk);
        }

        ok(is_refused(CDR_JWT_HS256, pem, len, "needs a secret"),
           "%s is no secret for HS256", kind->name);
    }
}


static void
test_pem_forms(void)
{
    char           pem[PEM_SIZE], both[PEM_SIZE + 128];
    char          *big;
    size_t         len, n;
    EVP_PKEY      *rsa, *ec;
    cdr_jwk_t     *jwk;

    rsa = make_pkey(&kinds[0]);
    ec = make_pkey(&kinds[2]);

    pem[0] = '\0';
    len = put_pem(ec, "certificate", pem);
    jwk = new_key(CDR_JWT_ES256, pem, len);
    ok(jwk != NULL, "a certificate is as good as its key");
    cdr_jwk_del(jwk);

    ok(is_refused(CDR_JWT_HS256, pem, len, "needs a secret"),
       "a certificate is no secret");

    len = put_pem(rsa, "certificate", pem);
    jwk = new_key(CDR_JWT_ES256, pem, len);
    ok(jwk != NULL, "of several certificates the first is taken");
    cdr_jwk_del(jwk);

    pem[0] = '\0';
    len = put_pem(rsa, "pkcs1", pem);
    jwk = new_key(CDR_JWT_RS256, pem, len);
    ok(jwk != NULL, "an RSA key may be in the form of PKCS #1");
    cdr_jwk_del(jwk);

    (void) snprintf(both, sizeof(both), "-----BEGIN EC PARAMETERS-----\n"
                    "BggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n%s",
                    pem);
    jwk = new_key(CDR_JWT_RS256, both, strlen(both));
    ok(jwk != NULL, "blocks that are no keys are passed over");
    cdr_jwk_del(jwk);

    pem[0] = '\0';
    len = put_pem(ec, "private", pem);
    ok(is_refused(CDR_JWT_ES256, pem, len, "private key"),
       "a private key is refused");

    len = put_pem(ec, "public", pem);
    ok(is_refused(CDR_JWT_ES256, pem, len, "private key"),
       "also if a public one follows");

    pem[0] = '\0';
    (void) put_pem(ec, "public", pem);
    len = put_pem(ec, "traditional", pem);
    ok(is_refused(CDR_JWT_ES256, pem, len, "private key"),
       "or a public one precedes it");

    pem[0] = '\0';
    len = put_pem(rsa, "encrypted", pem);
    ok(is_refused(CDR_JWT_RS256, pem, len, "private key"),
       "an encrypted private key is refused, and no passphrase is asked for");

    pem[0] = '\0';
    len = put_pem(ec, "public", pem);

    (void) snprintf(both, sizeof(both), "Bag Attributes\n  x: y\n%s\n\n", pem);
    jwk = new_key(CDR_JWT_ES256, both, strlen(both));
    ok(jwk != NULL, "text around the PEM block does not matter");
    cdr_jwk_del(jwk);

    for (n = 0; n < len - 1; n++) {
        jwk = new_key(CDR_JWT_ES256, pem, n);

        if (jwk || err[0] == '\0') {
            break;
        }
    }

    ok(jwk == NULL && n == len - 1, "no part of a PEM text is a key");
    cdr_jwk_del(jwk);

    pem[len / 2] = '*';
    ok(is_refused(CDR_JWT_ES256, pem, len, "damaged"),
       "a PEM text with a wrong character is called damaged");

    ok(is_refused(CDR_JWT_RS256, "", 0, "no public key"),
       "an empty PEM text is refused");
    ok(is_refused(CDR_JWT_RS256, "secret", 6, "no public key"),
       "a secret is no public key");
    ok(is_refused(CDR_JWT_RS256, "-----BEGIN PUBLIC KEY-----\nAAAA\n"
                  "-----END PUBLIC KEY-----\n", 56, "cannot read"),
       "a public key that is not one is refused");

    big = calloc(1, CDR_JWK_PEM_MAX + 1);
    ok(is_refused(CDR_JWT_RS256, big, CDR_JWK_PEM_MAX + 1, "longer than"),
       "a PEM text that is too long is refused");
    jwk = new_key(CDR_JWT_HS256, big, CDR_JWK_PEM_MAX + 1);
    ok(jwk != NULL, "a secret may be longer");
    cdr_jwk_del(jwk);
    free(big);

    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
}


static void
test_kid(void)
{
    cdr_str_t   kid = cdr_str("key\0one"), key = cdr_str("secret");
    cdr_str_t   none = cdr_str_null;
    cdr_jwk_t  *jwk;

    jwk = cdr_jwk_new(CDR_JWT_HS256, key, kid, err, sizeof(err));
    ok(cdr_jwk_kid(jwk).len == 7 && cdr_jwk_kid(jwk).data != kid.data
       && memcmp(cdr_jwk_kid(jwk).data, "key\0one", 7) == 0,
       "the id of a key is copied, whatever bytes it has");
    cdr_jwk_del(jwk);

    jwk = cdr_jwk_new(CDR_JWT_HS256, key, none, err, sizeof(err));
    ok(cdr_jwk_kid(jwk).len == 0, "a key may have no id");
    cdr_jwk_del(jwk);

    ok(cdr_jwk_new(CDR_JWT_RS256, key, none, NULL, 0) == NULL,
       "a caller who wants no sentence gets none");
}


static const set_case_t  sets[] = {
    { "an RSA key", SET(K_RSA), 1, NULL },
    { "an RSA key with a zero byte before n",
      SET("\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AKH4FgrhLcAhdAkd2H6RIsLU"
          "bTbyVqhEvYMDJR6Mld-DN2-_kO6Hn19mSp0qlLl37JPAmpYgPQpxuHIMvvLQfTlQ"
          "sOsVAgsUPVrB\"}, {" K_RSA), 1, "key 1 of the set was passed over" },
    { "an RSA key of 1024 bits", SET(K_RSA1024), 0, "2048 to 8192 bits" },
    { "an RSA key with the exponent 1",
      SET("\"kty\":\"RSA\",\"n\":\"" K_RSA_N "\",\"e\":\"AQ\""), 0,
      "valid public key" },
    { "an RSA key with an even exponent",
      SET("\"kty\":\"RSA\",\"n\":\"" K_RSA_N "\",\"e\":\"AQAC\""), 0,
      "valid public key" },
    { "an RSA key without e", SET("\"kty\":\"RSA\",\"n\":\"" K_RSA_N "\""),
      0, "valid public key" },
    { "an RSA key with padding in e",
      SET("\"kty\":\"RSA\",\"n\":\"" K_RSA_N "\",\"e\":\"AQAB=\""), 0,
      "valid public key" },
    { "an RSA key whose n is a number",
      SET("\"kty\":\"RSA\",\"n\":65537,\"e\":\"AQAB\""), 0,
      "valid public key" },
    { "a key on P-256", SET(K_EC256), 1, NULL },
    { "a key on P-384", SET(K_EC384), 1, NULL },
    { "a key on P-521",
      SET("\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AA\",\"y\":\"AA\""), 0,
      "supported" },
    { "a point that is not on its curve",
      SET("\"kty\":\"EC\",\"crv\":\"P-256\"," K_X256 ",\"y\":"
          "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""), 0,
      "valid public key" },
    { "a coordinate that is too short",
      SET("\"kty\":\"EC\",\"crv\":\"P-256\"," K_X256 ",\"y\":\"AAAA\""), 0,
      "valid public key" },
    { "a point of zeros",
      SET("\"kty\":\"EC\",\"crv\":\"P-256\","
          "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
          "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), 0,
      "valid public key" },
    { "an EC key without a curve", SET("\"kty\":\"EC\"," K_X256 "," K_Y256),
      0, "missing or wrong" },
    { "an Ed25519 key", SET(K_OKP), 1, NULL },
    { "an Ed448 key", SET(K_ED448), 1, NULL },
    { "an Ed25519 key of 31 bytes",
      SET("\"kty\":\"OKP\",\"crv\":\"Ed25519\","
          "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ\""), 0,
      "valid public key" },
    { "an X25519 key", SET("\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\""),
      0, "supported" },
    { "a secret", SET(K_OCT), 1, NULL },
    { "an empty secret", SET("\"kty\":\"oct\",\"k\":\"\""), 0, "\"k\"" },
    { "a secret in plain base64", SET("\"kty\":\"oct\",\"k\":\"+/+/\""), 0,
      "\"k\"" },
    { "an unknown kind of key", SET("\"kty\":\"AKP\",\"pub\":\"AA\""), 0,
      "supported" },
    { "a key without a kind", SET("\"n\":\"AQ\""), 0, "missing or wrong" },
    { "a key that is no object", "{\"keys\":[17]}", 0, "missing or wrong" },
    { "an algorithm that is not ours", SET(K_RSA ",\"alg\":\"PS256\""), 0,
      "supported" },
    { "an algorithm for encryption", SET(K_RSA ",\"alg\":\"RSA-OAEP\""), 0,
      "supported" },
    { "the algorithm none", SET(K_OCT ",\"alg\":\"none\""), 0, "supported" },
    { "an algorithm of another kind of key",
      SET(K_RSA ",\"alg\":\"HS256\""), 0, "missing or wrong" },
    { "an algorithm of another curve", SET(K_EC256 ",\"alg\":\"ES384\""), 0,
      "missing or wrong" },
    { "an algorithm that is a number", SET(K_RSA ",\"alg\":256"), 0,
      "missing or wrong" },
    { "a key for signatures", SET(K_RSA ",\"use\":\"sig\""), 1, NULL },
    { "a key for encryption", SET(K_RSA ",\"use\":\"enc\""), 0, "supported" },
    { "a use that is a number", SET(K_RSA ",\"use\":1"), 0,
      "missing or wrong" },
    { "a key for verification",
      SET(K_RSA ",\"key_ops\":[\"sign\",\"verify\"]"), 1, NULL },
    { "a key only for signing", SET(K_RSA ",\"key_ops\":[\"sign\"]"), 0,
      "supported" },
    { "a key for nothing", SET(K_RSA ",\"key_ops\":[]"), 0, "supported" },
    { "operations that are no list", SET(K_RSA ",\"key_ops\":\"verify\""), 0,
      "missing or wrong" },
    { "an id", SET(K_RSA ",\"kid\":\"one\""), 1, NULL },
    { "an id that is a number", SET(K_RSA ",\"kid\":1"), 0,
      "missing or wrong" },
    { "members nobody knows", SET(K_RSA ",\"x5t\":\"AA\",\"more\":[{}]"), 1,
      NULL },
    { "a private key", SET(K_OKP ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZ"
                           "cDusAxyuf2A\""), 0, "private key" },
    { "a private key after a public one",
      "{\"keys\":[{" K_RSA "},{" K_RSA ",\"d\":\"AA\"}]}", 0,
      "key 2 of the set is a private key" },
    { "a good key among others",
      "{\"keys\":[{\"kty\":\"AKP\"},{" K_RSA1024 "},{" K_OKP "},3]}", 1,
      "key 2 of the set was passed over" },
    { "all kinds of keys",
      "{\"keys\":[{" K_RSA "},{" K_EC256 "},{" K_EC384 "},{" K_OKP "},{"
      K_OCT "}]}", 5, NULL },
    { "no keys", "{\"keys\":[]}", 0, "supported" },
    { "keys that are no list", "{\"keys\":{" K_RSA "}}", 0, "no array" },
    { "no member keys", "{\"kees\":[]}", 0, "no array" },
    { "a single key without a set", "{" K_RSA "}", 0, "no array" },
    { "a list", "[{" K_RSA "}]", 0, "not a JSON object" },
    { "nothing", "", 0, "not a JSON object" },
    { "white space", " \n", 0, "not a JSON object" },
    { "something after the set", SET(K_RSA) "x", 0, "not a JSON object" },
    { "a set that is cut off", "{\"keys\":[{" K_RSA "}]", 0,
      "not a JSON object" },
    { "keys twice", "{\"keys\":[{" K_RSA "}],\"keys\":[]}", 0,
      "duplicate" },
    { "a member of a key twice", SET(K_RSA ",\"e\":\"AQAB\""), 0,
      "duplicate" },
    { "a NUL in an id", SET(K_RSA ",\"kid\":\"a\\u0000b\""), 0,
      "not a JSON object" }
};


static void
test_sets(void)
{
    int                rc;
    size_t             i;
    cdr_jwks_t        *set;
    const set_case_t  *c;

    for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        c = &sets[i];
        set = load(c->json, strlen(c->json), &rc);

        ok(rc == (c->count ? CDR_OK : CDR_ERROR)
           && cdr_jwks_count(set) == c->count
           && (c->text ? strstr(err, c->text) != NULL : err[0] == '\0'),
           "a set with %s gives %zu keys: %s", c->name, c->count, err);

        cdr_jwks_del(set);
    }
}


static void
test_set_bounds(void)
{
    int          rc;
    char        *json;
    size_t       i, n, len, size;
    unsigned     depth;
    cdr_jwks_t  *set;

    size = CDR_JWKS_MAX + 2;
    json = malloc(size);

    for (n = CDR_JWKS_KEYS; n <= CDR_JWKS_KEYS + 1; n++) {
        len = (size_t) snprintf(json, size, "{\"keys\":[");

        for (i = 0; i < n; i++) {
            len += (size_t) snprintf(json + len, size - len, "%s{" K_OCT "}",
                                     i ? "," : "");
        }

        len += (size_t) snprintf(json + len, size - len, "]}");
        set = load(json, len, &rc);

        if (n == CDR_JWKS_KEYS) {
            ok(rc == CDR_OK && cdr_jwks_count(set) == n,
               "a set may have %zu keys", n);
        } else {
            ok(rc == CDR_ERROR && cdr_jwks_count(set) == 0
               && strstr(err, "more than 100"), "but not %zu: %s", n, err);
        }

        cdr_jwks_del(set);
    }

    for (n = CDR_JWKS_MAX; n <= CDR_JWKS_MAX + 1; n++) {
        memset(json, ' ', n);
        memcpy(json, SET(K_OKP), sizeof(SET(K_OKP)) - 1);
        set = load(json, n, &rc);

        ok((rc == CDR_OK) == (n == CDR_JWKS_MAX),
           "a document of %zu bytes is %s", n,
           n == CDR_JWKS_MAX ? "read" : "too long");

        cdr_jwks_del(set);
    }

    /* The set, the list and the key are three levels themselves. */

    for (depth = CDR_JSON_DEPTH - 3; depth <= CDR_JSON_DEPTH - 2; depth++) {
        len = (size_t) snprintf(json, size, "{\"keys\":[{" K_OKP ",\"a\":");
        memset(json + len, '[', depth);
        memset(json + len + depth, ']', depth);
        len += 2 * depth;
        len += (size_t) snprintf(json + len, size - len, "}]}");

        set = load(json, len, &rc);
        ok((rc == CDR_OK) == (depth == CDR_JSON_DEPTH - 3),
           "%u levels of nesting are %s", depth + 3,
           depth == CDR_JSON_DEPTH - 3 ? "read" : "too many");
        cdr_jwks_del(set);
    }

    memset(json, '[', 100000);
    set = load(json, 100000, &rc);
    ok(rc == CDR_ERROR, "a hundred thousand brackets are refused");
    cdr_jwks_del(set);

    len = (size_t) snprintf(json, size, "{\"keys\":[{" K_OKP ",\"a\":\"\\\"");
    memset(json + len, '{', 1000);
    len += 1000;
    len += (size_t) snprintf(json + len, size - len, "\"}]}");
    set = load(json, len, &rc);
    ok(rc == CDR_OK, "brackets in a string are no nesting");
    cdr_jwks_del(set);

    free(json);
}


static void
test_set_algorithms(void)
{
    int          rc;
    size_t       i;
    cdr_jwks_t  *set;

    static const struct {
        const char     *json;
        cdr_jwt_alg_t   alg;
    } c[] = {
        { SET(K_RSA), CDR_JWT_RS256 },
        { SET(K_RSA ",\"alg\":\"RS256\""), CDR_JWT_RS256 },
        { SET(K_RSA ",\"alg\":\"RS384\""), CDR_JWT_RS384 },
        { SET(K_RSA ",\"alg\":\"RS512\""), CDR_JWT_RS512 },
        { SET(K_EC256), CDR_JWT_ES256 },
        { SET(K_EC256 ",\"alg\":\"ES256\""), CDR_JWT_ES256 },
        { SET(K_EC384), CDR_JWT_ES384 },
        { SET(K_OKP), CDR_JWT_EDDSA },
        { SET(K_OKP ",\"alg\":\"EdDSA\""), CDR_JWT_EDDSA },
        { SET(K_ED448), CDR_JWT_EDDSA },
        { SET(K_OCT), CDR_JWT_HS256 },
        { SET(K_OCT ",\"alg\":\"HS384\""), CDR_JWT_HS384 },
        { SET(K_OCT ",\"alg\":\"HS512\""), CDR_JWT_HS512 }
    };

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        set = load(c[i].json, strlen(c[i].json), &rc);

        ok(rc == CDR_OK && cdr_jwk_alg(cdr_jwks_get(set, 0)) == c[i].alg,
           "%.24s... is pinned to %s", c[i].json + 10,
           cdr_jwt_alg_name(c[i].alg));

        cdr_jwks_del(set);
    }

    set = load(SET("\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"w\""),
               strlen(SET("\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"w\"")),
               &rc);
    ok(rc == CDR_OK && cdr_jwk_is_weak(cdr_jwks_get(set, 0))
       && cdr_jwk_kid(cdr_jwks_get(set, 0)).len == 1,
       "a short secret in a set is a weak key with its id");
    cdr_jwks_del(set);
}


static void
test_failed_load_changes_nothing(void)
{
    int          rc;
    cdr_str_t    text = cdr_str("{\"keys\":[{" K_OKP "},{\"d\":\"\"}]}");
    cdr_jwk_t   *jwk;
    cdr_jwks_t  *set;

    set = load(SET(K_RSA), strlen(SET(K_RSA)), &rc);

    ok(cdr_jwks_load(set, text, err, sizeof(err)) == CDR_ERROR
       && cdr_jwks_count(set) == 1,
       "a document that is refused leaves the set as it was");

    while (cdr_jwks_count(set) < CDR_JWKS_KEYS) {
        rc |= cdr_jwks_add(set, new_key(CDR_JWT_HS256, "x", 1));
    }

    ok(rc == CDR_OK, "a set takes %d keys", CDR_JWKS_KEYS);

    jwk = new_key(CDR_JWT_HS256, "x", 1);
    ok(cdr_jwks_add(set, jwk) == CDR_FULL
       && cdr_jwks_count(set) == CDR_JWKS_KEYS,
       "one more stays the caller's");
    cdr_jwk_del(jwk);

    cdr_jwks_del(set);
}


/* Both OpenSSL's allocations and jansson's. */

static void
test_failing_allocations(void)
{
    int          rc, good;
    unsigned     n;
    cdr_str_t    json = cdr_str("{\"keys\":[{" K_EC256 "},{" K_OCT "}]}");
    cdr_jwks_t  *set;

    good = 1;

    json_set_alloc_funcs(failing_json_malloc, free);

    for (n = 1; n < 10000; n++) {
        set = cdr_jwks_new();

        calls = 0;
        fail_at = n;
        rc = cdr_jwks_load(set, json, err, sizeof(err));
        fail_at = 0;

        good &= (rc == CDR_OK || cdr_jwks_count(set) == 0);
        cdr_jwks_del(set);

        if (calls < n) {
            break;
        }
    }

    json_set_alloc_funcs(malloc, free);

    ok(good && n > 50 && n < 10000 && rc == CDR_OK,
       "each of %u allocations may fail while a set is read", n - 1);
}


static void
test_error_queue(void)
{
    int            rc;
    cdr_jwks_t    *set;
    unsigned long  first, second;

    ERR_clear_error();
    (void) is_refused(CDR_JWT_RS256, "x", 1, "");
    (void) is_refused(CDR_JWT_RS256, "-----BEGIN PUBLIC KEY-----\nAAAA\n"
                      "-----END PUBLIC KEY-----\n", 56, "");
    set = load(SET(K_RSA1024), strlen(SET(K_RSA1024)), &rc);
    cdr_jwks_del(set);
    cdr_jwk_del(new_key(CDR_JWT_HS256, "secret", 6));

    ok(ERR_peek_error() == 0, "nothing is left in OpenSSL's error queue");

    ERR_raise(ERR_LIB_USER, 42);
    (void) is_refused(CDR_JWT_RS256, "x", 1, "");

    first = ERR_get_error();
    second = ERR_get_error();

    ok(ERR_GET_REASON(first) == 42 && second == 0,
       "what was there before is still there");
}
