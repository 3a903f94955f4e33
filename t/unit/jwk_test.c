/* Tests of the keys: what is taken for a key of which algorithm. */

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "jwk_test.h"


#define PEM_SIZE  8192


typedef struct {
    char         name[32];
    const char  *type;            /* for EVP_PKEY_Q_keygen() */
    const char  *curve;
    size_t       bits;
    char         algs[32];        /* whose keys these may be */
} kind_t;


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
    size_t         len;
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

    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
}


static void
test_pem_private(void)
{
    char       pem[PEM_SIZE];
    size_t     len;
    EVP_PKEY  *rsa, *ec;

    rsa = make_pkey(&kinds[0]);
    ec = make_pkey(&kinds[2]);

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

    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
}


static void
test_pem_damaged(void)
{
    char        pem[PEM_SIZE], both[PEM_SIZE + 128];
    char       *big;
    size_t      len, n;
    EVP_PKEY   *ec;
    cdr_jwk_t  *jwk;

    ec = make_pkey(&kinds[2]);

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


int
main(void)
{
    test_names();
    test_secrets();
    test_pem_of_every_kind();
    test_pem_forms();
    test_pem_private();
    test_pem_damaged();
    test_kid();
    test_error_queue();

    return done_testing();
}
