/* What the tests of keys and of their sets share. */

#ifndef JWK_TEST_H_INCLUDED
#define JWK_TEST_H_INCLUDED


#include <stdlib.h>
#include <string.h>

#include "cdr.h"
#include "cdr_jwk.h"
#include "cdr_test.h"


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


static const char *const  names[NALGS] = {
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384",
    "EdDSA"
};

static char  err[256];


static inline cdr_jwk_t *
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


static inline int
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


static inline cdr_jwks_t *
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


#endif /* JWK_TEST_H_INCLUDED */
