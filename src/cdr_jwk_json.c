/* Keys from JSON: the members of each kind of JWK, read strictly. */

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_jwk_int.h"


#define CDR_JWK_OKP_MAX   57      /* bytes of a public key of Ed448 */
#define CDR_JWK_EXP_MAX   8       /* bytes of an RSA exponent */
#define CDR_JWK_OCT_MAX   4096    /* bytes of a secret in a key set */


static cdr_jwk_t *cdr_jwk_json_oct(const json_t *o, cdr_jwt_alg_t alg,
    cdr_str_t kid, cdr_jwk_err_t *e);
static EVP_PKEY *cdr_jwk_json_rsa(const json_t *o);
static EVP_PKEY *cdr_jwk_json_ec(const json_t *o, const cdr_jwk_spec_t *spec);
static EVP_PKEY *cdr_jwk_json_okp(const json_t *o);
static EVP_PKEY *cdr_jwk_fromdata(const char *type, OSSL_PARAM_BLD *bld);
static int cdr_jwk_octets(const json_t *o, const char *name, uint8_t *dst,
    size_t size, size_t *len);


cdr_jwk_t *
cdr_jwk_from_json(const json_t *o, cdr_jwt_alg_t alg, cdr_str_t kid,
    cdr_jwk_err_t *e)
{
    EVP_PKEY              *pkey;
    cdr_jwk_t             *jwk;
    const cdr_jwk_spec_t  *spec;

    spec = &cdr_jwk_specs[alg];

    switch (spec->kty) {
    case CDR_JWK_OCT:
        return cdr_jwk_json_oct(o, alg, kid, e);
    case CDR_JWK_RSA:
        pkey = cdr_jwk_json_rsa(o);
        break;
    case CDR_JWK_EC:
        pkey = cdr_jwk_json_ec(o, spec);
        break;
    default:
        pkey = cdr_jwk_json_okp(o);
    }

    if (pkey == NULL) {
        (void) cdr_jwk_fail(e, "its members are not those of a valid public "
                            "key");
        return NULL;
    }

    jwk = cdr_jwk_from_pkey(alg, pkey, kid, e);
    EVP_PKEY_free(pkey);

    return jwk;
}


/* RFC 7518 section 6.4. */

static cdr_jwk_t *
cdr_jwk_json_oct(const json_t *o, cdr_jwt_alg_t alg, cdr_str_t kid,
    cdr_jwk_err_t *e)
{
    uint8_t     k[CDR_JWK_OCT_MAX];
    cdr_str_t   secret;
    cdr_jwk_t  *jwk;

    secret.data = k;

    if (cdr_jwk_octets(o, "k", k, sizeof(k), &secret.len) != CDR_OK) {
        (void) cdr_jwk_fail(e, "its \"k\" is missing, or is not base64url "
                            "of at most %d bytes", CDR_JWK_OCT_MAX);
        return NULL;
    }

    jwk = cdr_jwk_from_secret(alg, secret, kid, e);
    OPENSSL_cleanse(k, sizeof(k));

    return jwk;
}


/* RFC 7518 section 6.3.1.  Some issuers put a zero byte before "n". */

static EVP_PKEY *
cdr_jwk_json_rsa(const json_t *o)
{
    size_t           n_len, e_len;
    BIGNUM          *n, *e;
    uint8_t          nb[CDR_JWK_RSA_MAX / 8 + 1], eb[CDR_JWK_EXP_MAX];
    EVP_PKEY        *pkey;
    OSSL_PARAM_BLD  *bld;

    if (cdr_jwk_octets(o, "n", nb, sizeof(nb), &n_len) != CDR_OK
        || cdr_jwk_octets(o, "e", eb, sizeof(eb), &e_len) != CDR_OK)
    {
        return NULL;
    }

    pkey = NULL;
    n = BN_bin2bn(nb, (int) n_len, NULL);
    e = BN_bin2bn(eb, (int) e_len, NULL);
    bld = OSSL_PARAM_BLD_new();

    if (n && e && bld
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        pkey = cdr_jwk_fromdata("RSA", bld);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_free(e);
    BN_free(n);

    return pkey;
}


/* RFC 7518 section 6.2.1: both coordinates have the full size. */

static EVP_PKEY *
cdr_jwk_json_ec(const json_t *o, const cdr_jwk_spec_t *spec)
{
    size_t           x_len, y_len;
    uint8_t          point[1 + 2 * CDR_JWK_EC_MAX];
    EVP_PKEY        *pkey;
    OSSL_PARAM_BLD  *bld;

    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    if (cdr_jwk_octets(o, "x", point + 1, spec->size, &x_len) != CDR_OK
        || cdr_jwk_octets(o, "y", point + 1 + spec->size, spec->size, &y_len)
           != CDR_OK
        || x_len != spec->size || y_len != spec->size)
    {
        return NULL;
    }

    pkey = NULL;
    bld = OSSL_PARAM_BLD_new();

    if (bld
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           spec->curve, 0)
           == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 1 + 2 * spec->size)
           == 1)
    {
        pkey = cdr_jwk_fromdata("EC", bld);
    }

    OSSL_PARAM_BLD_free(bld);

    return pkey;
}


/* RFC 8037 section 2. */

static EVP_PKEY *
cdr_jwk_json_okp(const json_t *o)
{
    size_t       len;
    uint8_t      x[CDR_JWK_OKP_MAX];
    const char  *type;

    if (cdr_jwk_octets(o, "x", x, sizeof(x), &len) != CDR_OK) {
        return NULL;
    }

    type = cdr_jwk_json_is(json_object_get(o, "crv"), "Ed25519") ? "ED25519"
                                                                 : "ED448";

    return EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, x, len);
}


static EVP_PKEY *
cdr_jwk_fromdata(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY      *pkey;
    OSSL_PARAM    *params;
    EVP_PKEY_CTX  *ctx;

    pkey = NULL;
    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);

    return pkey;
}


/* CDR_DECLINED: there is no such member.  CDR_ERROR: it is not a string. */

int
cdr_jwk_member(const json_t *o, const char *name, cdr_str_t *s)
{
    const json_t  *v;

    s->data = NULL;
    s->len = 0;

    v = json_object_get(o, name);

    if (v == NULL) {
        return CDR_DECLINED;
    }

    if (!json_is_string(v)) {
        return CDR_ERROR;
    }

    s->data = (const uint8_t *) json_string_value(v);
    s->len = json_string_length(v);

    return CDR_OK;
}


/* Decodes a member that must be there and not be empty. */

static int
cdr_jwk_octets(const json_t *o, const char *name, uint8_t *dst, size_t size,
    size_t *len)
{
    cdr_str_t  text;

    if (cdr_jwk_member(o, name, &text) != CDR_OK || text.len == 0) {
        return CDR_ERROR;
    }

    return cdr_base64url_decode(dst, size, len, text);
}


bool
cdr_jwk_json_is(const json_t *v, const char *text)
{
    return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}


/*
 * jansson recurses, so the depth is looked at before it does.  Whether the
 * text is JSON at all is left to jansson: where it is not, the count may be
 * wrong, but not below what jansson would descend to before it finds out.
 */

json_t *
cdr_jwk_json(cdr_str_t text)
{
    bool         in_string;
    json_t      *root;
    size_t       i, depth;
    json_error_t error;

    in_string = false;
    depth = 0;

    for (i = 0; i < text.len; i++) {

        if (in_string) {
            if (text.data[i] == '\\') {
                i++;

            } else if (text.data[i] == '"') {
                in_string = false;
            }

            continue;
        }

        switch (text.data[i]) {
        case '"':
            in_string = true;
            break;
        case '{':
        case '[':
            if (++depth > CDR_JSON_DEPTH) {
                return NULL;
            }
            break;
        case '}':
        case ']':
            depth -= (depth > 0);
            break;
        }
    }

    root = json_loadb((const char *) text.data, text.len,
                      JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }

    return root;
}
