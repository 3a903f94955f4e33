/* Keys that verify tokens: making them from secrets and PEM, and checking. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cdr.h"
#include "cdr_jwk_int.h"


static cdr_jwk_t *cdr_jwk_alloc(cdr_jwt_alg_t alg, cdr_str_t kid,
    cdr_jwk_err_t *e);
static int cdr_jwk_init_mac(cdr_jwk_t *jwk, cdr_str_t secret);
static int cdr_jwk_check_pkey(const cdr_jwk_spec_t *spec, EVP_PKEY *pkey,
    cdr_jwk_err_t *e);
static int cdr_jwk_check_ec(const cdr_jwk_spec_t *spec, EVP_PKEY *pkey,
    cdr_jwk_err_t *e);
static EVP_PKEY *cdr_jwk_from_pem(cdr_str_t text, cdr_jwk_err_t *e);
static int cdr_jwk_pem_block(const char *label, const uint8_t *der, long len,
    EVP_PKEY **pkey, cdr_jwk_err_t *e);


/* In the order of cdr_jwt_alg_t. */

const cdr_jwk_spec_t  cdr_jwk_specs[CDR_JWT_EDDSA + 1] = {
    { "HS256", CDR_JWK_OCT, "SHA256", NULL, NULL, 32 },
    { "HS384", CDR_JWK_OCT, "SHA384", NULL, NULL, 48 },
    { "HS512", CDR_JWK_OCT, "SHA512", NULL, NULL, 64 },
    { "RS256", CDR_JWK_RSA, "SHA256", NULL, NULL, 0 },
    { "RS384", CDR_JWK_RSA, "SHA384", NULL, NULL, 0 },
    { "RS512", CDR_JWK_RSA, "SHA512", NULL, NULL, 0 },
    { "ES256", CDR_JWK_EC, "SHA256", "prime256v1", "P-256", 32 },
    { "ES384", CDR_JWK_EC, "SHA384", "secp384r1", "P-384", 48 },
    { "EdDSA", CDR_JWK_OKP, NULL, NULL, NULL, 0 }
};


int
cdr_jwt_alg_parse(cdr_str_t name, cdr_jwt_alg_t *alg)
{
    size_t       i;
    const char  *known;

    for (i = 0; i < cdr_jwk_nelts(cdr_jwk_specs); i++) {
        known = cdr_jwk_specs[i].name;

        if (name.len == strlen(known)
            && memcmp(name.data, known, name.len) == 0)
        {
            *alg = (cdr_jwt_alg_t) i;
            return CDR_OK;
        }
    }

    return CDR_DECLINED;
}


const char *
cdr_jwt_alg_name(cdr_jwt_alg_t alg)
{
    return cdr_jwk_specs[alg].name;
}


bool
cdr_jwt_alg_is_hmac(cdr_jwt_alg_t alg)
{
    return cdr_jwk_specs[alg].kty == CDR_JWK_OCT;
}


cdr_jwk_t *
cdr_jwk_new(cdr_jwt_alg_t alg, cdr_str_t key, cdr_str_t kid, char *err,
    size_t errlen)
{
    EVP_PKEY       *pkey;
    cdr_jwk_t      *jwk;
    cdr_jwk_err_t   e = { err, errlen };

    jwk = NULL;

    cdr_jwk_errors_enter();

    if (cdr_jwt_alg_is_hmac(alg)) {
        jwk = cdr_jwk_from_secret(alg, key, kid, &e);

    } else {
        pkey = cdr_jwk_from_pem(key, &e);

        if (pkey) {
            jwk = cdr_jwk_from_pkey(alg, pkey, kid, &e);
            EVP_PKEY_free(pkey);
        }
    }

    cdr_jwk_errors_leave();

    return jwk;
}


void
cdr_jwk_del(cdr_jwk_t *jwk)
{
    if (jwk == NULL) {
        return;
    }

    EVP_MAC_CTX_free(jwk->mac);
    EVP_MD_CTX_free(jwk->md);
    OPENSSL_free(jwk);
}


cdr_jwt_alg_t
cdr_jwk_alg(const cdr_jwk_t *jwk)
{
    return jwk->alg;
}


cdr_str_t
cdr_jwk_kid(const cdr_jwk_t *jwk)
{
    cdr_str_t  kid = { jwk->kid, jwk->kid_len };

    return kid;
}


bool
cdr_jwk_is_weak(const cdr_jwk_t *jwk)
{
    return jwk->weak;
}


int
cdr_jwk_fail(cdr_jwk_err_t *e, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(e->text, e->size, fmt, args);
    va_end(args);

    return CDR_ERROR;
}


static cdr_jwk_t *
cdr_jwk_alloc(cdr_jwt_alg_t alg, cdr_str_t kid, cdr_jwk_err_t *e)
{
    cdr_jwk_t  *jwk;

    jwk = OPENSSL_zalloc(sizeof(cdr_jwk_t) + kid.len);

    if (jwk == NULL) {
        (void) cdr_jwk_fail(e, "there is no memory for the key");
        return NULL;
    }

    jwk->alg = alg;
    jwk->kid_len = kid.len;

    if (kid.len) {
        memcpy(jwk->kid, kid.data, kid.len);
    }

    return jwk;
}


cdr_jwk_t *
cdr_jwk_from_secret(cdr_jwt_alg_t alg, cdr_str_t secret, cdr_str_t kid,
    cdr_jwk_err_t *e)
{
    cdr_jwk_t      *jwk;
    EVP_PKEY       *pkey;
    cdr_jwk_err_t   quiet = { NULL, 0 };

    if (secret.len == 0) {
        (void) cdr_jwk_fail(e, "the secret is empty");
        return NULL;
    }

    pkey = cdr_jwk_from_pem(secret, &quiet);

    if (pkey) {
        EVP_PKEY_free(pkey);
        (void) cdr_jwk_fail(e, "%s needs a secret, and this is a public key",
                            cdr_jwt_alg_name(alg));
        return NULL;
    }

    jwk = cdr_jwk_alloc(alg, kid, e);

    if (jwk == NULL) {
        return NULL;
    }

    if (cdr_jwk_init_mac(jwk, secret) != CDR_OK) {
        (void) cdr_jwk_fail(e, "OpenSSL cannot use the secret for %s",
                            cdr_jwt_alg_name(alg));
        cdr_jwk_del(jwk);
        return NULL;
    }

    return jwk;
}


/*
 * The context stays keyed: to start it anew needs neither the secret nor a
 * look-up of the algorithm.
 */

static int
cdr_jwk_init_mac(cdr_jwk_t *jwk, cdr_str_t secret)
{
    char                  digest[8];
    EVP_MAC              *mac;
    OSSL_PARAM            params[2];
    const cdr_jwk_spec_t *spec;

    spec = &cdr_jwk_specs[jwk->alg];

    (void) snprintf(digest, sizeof(digest), "%s", spec->digest);

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    jwk->mac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);

    if (jwk->mac == NULL
        || EVP_MAC_init(jwk->mac, secret.data, secret.len, params) != 1)
    {
        return CDR_ERROR;
    }

    jwk->sig_len = spec->size;
    jwk->weak = (secret.len < CDR_JWK_HMAC_MIN);

    return CDR_OK;
}


cdr_jwk_t *
cdr_jwk_from_pkey(cdr_jwt_alg_t alg, EVP_PKEY *pkey, cdr_str_t kid,
    cdr_jwk_err_t *e)
{
    cdr_jwk_t             *jwk;
    const cdr_jwk_spec_t  *spec;

    spec = &cdr_jwk_specs[alg];

    if (cdr_jwk_check_pkey(spec, pkey, e) != CDR_OK) {
        return NULL;
    }

    jwk = cdr_jwk_alloc(alg, kid, e);

    if (jwk == NULL) {
        return NULL;
    }

    jwk->sig_len = spec->kty == CDR_JWK_EC ? 2 * spec->size
                                           : (size_t) EVP_PKEY_get_size(pkey);
    jwk->md = EVP_MD_CTX_new();

    if (jwk->md == NULL
        || EVP_DigestVerifyInit_ex(jwk->md, NULL, spec->digest, NULL, NULL,
                                   pkey, NULL)
           != 1)
    {
        (void) cdr_jwk_fail(e, "OpenSSL cannot use the key for %s",
                            spec->name);
        cdr_jwk_del(jwk);
        return NULL;
    }

    return jwk;
}


static int
cdr_jwk_check_pkey(const cdr_jwk_spec_t *spec, EVP_PKEY *pkey,
    cdr_jwk_err_t *e)
{
    int            good, bits;
    const char    *type;
    EVP_PKEY_CTX  *ctx;

    type = EVP_PKEY_get0_type_name(pkey);
    bits = EVP_PKEY_get_bits(pkey);

    if (type == NULL) {
        type = "unknown";
    }

    if (spec->kty == CDR_JWK_RSA
        && (!EVP_PKEY_is_a(pkey, "RSA")
            || bits < CDR_JWK_RSA_MIN || bits > CDR_JWK_RSA_MAX))
    {
        return cdr_jwk_fail(e, "%s needs an RSA key of %d to %d bits, and "
                            "this one is of type %s with %d bits", spec->name,
                            CDR_JWK_RSA_MIN, CDR_JWK_RSA_MAX, type, bits);
    }

    if (spec->kty == CDR_JWK_EC && cdr_jwk_check_ec(spec, pkey, e) != CDR_OK) {
        return CDR_ERROR;
    }

    if (spec->kty == CDR_JWK_OKP
        && !EVP_PKEY_is_a(pkey, "ED25519") && !EVP_PKEY_is_a(pkey, "ED448"))
    {
        return cdr_jwk_fail(e, "%s needs an Ed25519 or Ed448 key, and this "
                            "one is of type %s", spec->name, type);
    }

    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    good = (ctx && EVP_PKEY_public_check(ctx) == 1);
    EVP_PKEY_CTX_free(ctx);

    return good ? CDR_OK
                : cdr_jwk_fail(e, "the numbers in the key are not those of "
                               "a valid public key");
}


static int
cdr_jwk_check_ec(const cdr_jwk_spec_t *spec, EVP_PKEY *pkey, cdr_jwk_err_t *e)
{
    char         curve[64];
    size_t       len;
    const char  *type;

    if (!EVP_PKEY_is_a(pkey, "EC")) {
        type = EVP_PKEY_get0_type_name(pkey);

        return cdr_jwk_fail(e, "%s needs an EC key on the curve %s, and this "
                            "one is of type %s", spec->name, spec->crv,
                            type ? type : "unknown");
    }

    if (EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), &len) != 1) {
        return cdr_jwk_fail(e, "%s needs an EC key on the curve %s, and this "
                            "one is on a curve without a name", spec->name,
                            spec->crv);
    }

    if (strcmp(curve, spec->curve) != 0) {
        return cdr_jwk_fail(e, "%s needs an EC key on the curve %s, and this "
                            "one is on %s", spec->name, spec->crv, curve);
    }

    return CDR_OK;
}


/* All blocks are read, so that a private key is found wherever it stands. */

static EVP_PKEY *
cdr_jwk_from_pem(cdr_str_t text, cdr_jwk_err_t *e)
{
    int        rc;
    BIO       *bio;
    char      *label, *header;
    long       len;
    uint8_t   *der;
    EVP_PKEY  *pkey;

    pkey = NULL;

    if (text.len > CDR_JWK_PEM_MAX) {
        (void) cdr_jwk_fail(e, "the PEM text is longer than %d bytes",
                            CDR_JWK_PEM_MAX);
        return NULL;
    }

    bio = BIO_new_mem_buf(text.data, (int) text.len);

    if (bio == NULL) {
        (void) cdr_jwk_fail(e, "there is no memory for the key");
        return NULL;
    }

    rc = CDR_OK;

    while (rc == CDR_OK
           && PEM_read_bio(bio, &label, &header, &der, &len) == 1)
    {
        rc = cdr_jwk_pem_block(label, der, len, &pkey, e);

        OPENSSL_free(label);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t) len);
    }

    BIO_free(bio);

    if (rc == CDR_OK
        && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    {
        rc = cdr_jwk_fail(e, "the PEM text is damaged");
    }

    if (rc == CDR_OK && pkey == NULL) {
        rc = cdr_jwk_fail(e, "there is no public key or certificate in the "
                          "PEM text");
    }

    if (rc != CDR_OK) {
        EVP_PKEY_free(pkey);
        return NULL;
    }

    return pkey;
}


/* Leaves *pkey as it is if it has been set or the block is of no interest. */

static int
cdr_jwk_pem_block(const char *label, const uint8_t *der, long len,
    EVP_PKEY **pkey, cdr_jwk_err_t *e)
{
    X509           *cert;
    const uint8_t  *p;

    p = der;

    if (strstr(label, "PRIVATE KEY")) {
        return cdr_jwk_fail(e, "the PEM text has a private key in it, and "
                            "only the public one belongs here");
    }

    if (*pkey) {
        return CDR_OK;
    }

    if (strcmp(label, PEM_STRING_PUBLIC) == 0) {
        *pkey = d2i_PUBKEY(NULL, &p, len);

    } else if (strcmp(label, PEM_STRING_RSA_PUBLIC) == 0) {
        *pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);

    } else if (strcmp(label, PEM_STRING_X509) == 0) {
        cert = d2i_X509(NULL, &p, len);
        *pkey = X509_get_pubkey(cert);
        X509_free(cert);

    } else {
        return CDR_OK;
    }

    if (*pkey == NULL || p != der + len) {
        return cdr_jwk_fail(e, "OpenSSL cannot read the %s in the PEM text",
                            strcmp(label, PEM_STRING_X509) == 0
                            ? "certificate" : "public key");
    }

    return CDR_OK;
}
