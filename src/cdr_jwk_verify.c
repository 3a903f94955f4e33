/* The signatures of RFC 7518 section 3 and RFC 8037 section 3.1. */

#include <string.h>

#include "cdr.h"
#include "cdr_jwk_int.h"


#define CDR_JWK_MAC_MAX   64      /* bytes of an HMAC */

/* A SEQUENCE of two INTEGERs, each with a zero byte before it. */

#define CDR_JWK_DER_MAX   (2 + 2 * (3 + CDR_JWK_EC_MAX))


static int cdr_jwk_verify_mac(const cdr_jwk_t *jwk, cdr_str_t input,
    cdr_str_t sig);
static int cdr_jwk_verify_pkey(const cdr_jwk_t *jwk, cdr_str_t input,
    cdr_str_t sig);
static size_t cdr_jwk_ecdsa_der(uint8_t *dst, cdr_str_t sig);
static size_t cdr_jwk_der_integer(uint8_t *dst, const uint8_t *p, size_t len);


int
cdr_jwk_verify(const cdr_jwk_t *jwk, cdr_str_t input, cdr_str_t sig)
{
    int  rc;

    if (sig.len != jwk->sig_len) {
        return CDR_ERROR;
    }

    cdr_jwk_errors_enter();

    rc = jwk->mac ? cdr_jwk_verify_mac(jwk, input, sig)
                  : cdr_jwk_verify_pkey(jwk, input, sig);

    cdr_jwk_errors_leave();

    return rc;
}


static int
cdr_jwk_verify_mac(const cdr_jwk_t *jwk, cdr_str_t input, cdr_str_t sig)
{
    int      rc;
    size_t   len;
    uint8_t  mac[CDR_JWK_MAC_MAX];

    if (EVP_MAC_init(jwk->mac, NULL, 0, NULL) != 1
        || EVP_MAC_update(jwk->mac, input.data, input.len) != 1
        || EVP_MAC_final(jwk->mac, mac, &len, sizeof(mac)) != 1)
    {
        return CDR_NOMEM;
    }

    rc = (len == sig.len && CRYPTO_memcmp(mac, sig.data, len) == 0)
         ? CDR_OK : CDR_ERROR;

    OPENSSL_cleanse(mac, sizeof(mac));

    return rc;
}


static int
cdr_jwk_verify_pkey(const cdr_jwk_t *jwk, cdr_str_t input, cdr_str_t sig)
{
    int          rc;
    uint8_t      der[CDR_JWK_DER_MAX];
    EVP_MD_CTX  *md;

    if (cdr_jwk_specs[jwk->alg].kty == CDR_JWK_EC) {
        sig.len = cdr_jwk_ecdsa_der(der, sig);
        sig.data = der;
    }

    md = EVP_MD_CTX_new();

    if (md == NULL || EVP_MD_CTX_copy_ex(md, jwk->md) != 1) {
        EVP_MD_CTX_free(md);
        return CDR_NOMEM;
    }

    rc = CDR_ERROR;

    if (EVP_DigestVerify(md, sig.data, sig.len, input.data, input.len) == 1) {
        rc = CDR_OK;

    } else if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE) {
        rc = CDR_NOMEM;
    }

    EVP_MD_CTX_free(md);

    return rc;
}


/* ECDSA-Sig-Value of RFC 3279; its lengths stay below 128, so in one byte. */

static size_t
cdr_jwk_ecdsa_der(uint8_t *dst, cdr_str_t sig)
{
    size_t  half, n;

    half = sig.len / 2;

    n = 2;
    n += cdr_jwk_der_integer(dst + n, sig.data, half);
    n += cdr_jwk_der_integer(dst + n, sig.data + half, half);

    dst[0] = 0x30;
    dst[1] = (uint8_t) (n - 2);

    return n;
}


static size_t
cdr_jwk_der_integer(uint8_t *dst, const uint8_t *p, size_t len)
{
    size_t  n;

    while (len > 1 && *p == 0) {
        p++;
        len--;
    }

    n = 2;

    if (*p & 0x80) {
        dst[n++] = 0;
    }

    memcpy(dst + n, p, len);
    n += len;

    dst[0] = 0x02;
    dst[1] = (uint8_t) (n - 2);

    return n;
}
