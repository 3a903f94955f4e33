/* Signatures of what the servers of a hub tell each other through Redis. */

#include "cdr_sign.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "cdr_base64.h"


#define SIGN_DIGEST  32


int
cdr_sign_init(cdr_sign_t *sign, cdr_str_t secret)
{
    char         digest[] = "SHA256";
    EVP_MAC     *mac;
    OSSL_PARAM   params[2];

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 digest, 0);
    params[1] = OSSL_PARAM_construct_end();

    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    sign->mac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);

    if (sign->mac == NULL
        || EVP_MAC_init(sign->mac, secret.data, secret.len, params) != 1)
    {
        cdr_sign_free(sign);
        return CDR_NOMEM;
    }

    return CDR_OK;
}


void
cdr_sign_free(cdr_sign_t *sign)
{
    EVP_MAC_CTX_free(sign->mac);
    sign->mac = NULL;
}


int
cdr_sign(cdr_sign_t *sign, const cdr_str_t *parts, size_t n, uint8_t *dst)
{
    size_t     i, j, len;
    uint8_t    prefix[8], digest[SIGN_DIGEST];
    cdr_str_t  bytes = { digest, sizeof(digest) };

    if (EVP_MAC_init(sign->mac, NULL, 0, NULL) != 1) {
        return CDR_NOMEM;
    }

    for (i = 0; i < n; i++) {

        for (j = 0; j < sizeof(prefix); j++) {
            prefix[j] = (uint8_t) ((uint64_t) parts[i].len >> (56 - 8 * j));
        }

        if (EVP_MAC_update(sign->mac, prefix, sizeof(prefix)) != 1
            || (parts[i].len
                && EVP_MAC_update(sign->mac, parts[i].data, parts[i].len)
                   != 1))
        {
            return CDR_NOMEM;
        }
    }

    if (EVP_MAC_final(sign->mac, digest, &len, sizeof(digest)) != 1) {
        return CDR_NOMEM;
    }

    (void) cdr_base64url_encode(dst, bytes);

    return CDR_OK;
}


int
cdr_sign_check(cdr_sign_t *sign, const cdr_str_t *parts, size_t n,
    cdr_str_t signature)
{
    uint8_t  right[CDR_SIGN_LEN];

    if (signature.len != CDR_SIGN_LEN) {
        return CDR_DECLINED;
    }

    if (cdr_sign(sign, parts, n, right) != CDR_OK) {
        return CDR_NOMEM;
    }

    return (CRYPTO_memcmp(right, signature.data, CDR_SIGN_LEN) == 0)
           ? CDR_OK : CDR_DECLINED;
}


int
cdr_sign_text(cdr_sign_t *sign, cdr_str_t what, cdr_str_t text, uint8_t *dst)
{
    int        rc;
    cdr_str_t  parts[2] = { what, text };

    rc = cdr_sign(sign, parts, 2, dst);

    if (rc != CDR_OK) {
        return rc;
    }

    dst[CDR_SIGN_LEN] = ' ';

    if (text.len) {
        memcpy(dst + CDR_SIGN_LEN + 1, text.data, text.len);
    }

    return CDR_OK;
}


int
cdr_sign_text_check(cdr_sign_t *sign, cdr_str_t what, cdr_str_t *text)
{
    int        rc;
    cdr_str_t  signature, parts[2];

    if (text->len <= CDR_SIGN_LEN || text->data[CDR_SIGN_LEN] != ' ') {
        return CDR_DECLINED;
    }

    signature.data = text->data;
    signature.len = CDR_SIGN_LEN;

    parts[0] = what;
    parts[1].data = text->data + CDR_SIGN_LEN + 1;
    parts[1].len = text->len - CDR_SIGN_LEN - 1;

    rc = cdr_sign_check(sign, parts, 2, signature);

    if (rc == CDR_OK) {
        *text = parts[1];
    }

    return rc;
}
