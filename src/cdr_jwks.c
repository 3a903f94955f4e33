/* Sets of keys: which keys of a JWK set document are taken, and as what. */

#include "cdr.h"
#include "cdr_jwk_int.h"


#define CDR_JWK_ERR_MAX   192     /* bytes of a sentence */


typedef struct {
    const char     *kty;
    const char     *crv;          /* NULL: any */
    cdr_jwt_alg_t   alg;
} cdr_jwk_type_t;


struct cdr_jwks_s {
    size_t          nkeys;
    cdr_jwk_t      *keys[CDR_JWKS_KEYS];
};


static int cdr_jwks_load_keys(cdr_jwks_t *set, const json_t *keys,
    cdr_jwk_err_t *e);
static int cdr_jwks_load_key(cdr_jwks_t *set, const json_t *o,
    cdr_jwk_err_t *e);
static int cdr_jwk_parse_use(const json_t *o);
static int cdr_jwk_parse_kty(const json_t *o, cdr_jwt_alg_t *alg);
static int cdr_jwk_parse_alg(const json_t *o, cdr_jwt_alg_t *alg);


/* What a key without "alg" is for. */

static const cdr_jwk_type_t  cdr_jwk_types[] = {
    { "RSA", NULL, CDR_JWT_RS256 },
    { "EC", "P-256", CDR_JWT_ES256 },
    { "EC", "P-384", CDR_JWT_ES384 },
    { "OKP", "Ed25519", CDR_JWT_EDDSA },
    { "OKP", "Ed448", CDR_JWT_EDDSA },
    { "oct", NULL, CDR_JWT_HS256 }
};


cdr_jwks_t *
cdr_jwks_new(void)
{
    return OPENSSL_zalloc(sizeof(cdr_jwks_t));
}


void
cdr_jwks_del(cdr_jwks_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->nkeys; i++) {
        cdr_jwk_del(set->keys[i]);
    }

    OPENSSL_free(set);
}


int
cdr_jwks_add(cdr_jwks_t *set, cdr_jwk_t *jwk)
{
    if (set->nkeys == CDR_JWKS_KEYS) {
        return CDR_FULL;
    }

    set->keys[set->nkeys++] = jwk;

    return CDR_OK;
}


size_t
cdr_jwks_count(const cdr_jwks_t *set)
{
    return set->nkeys;
}


const cdr_jwk_t *
cdr_jwks_get(const cdr_jwks_t *set, size_t i)
{
    return set->keys[i];
}


int
cdr_jwks_load(cdr_jwks_t *set, cdr_str_t json, char *err, size_t errlen)
{
    int             rc;
    size_t          before;
    json_t         *root, *keys;
    cdr_jwk_err_t   e = { err, errlen };

    if (json.len > CDR_JWKS_MAX) {
        return cdr_jwk_fail(&e, "the key set is longer than %d bytes",
                            CDR_JWKS_MAX);
    }

    before = set->nkeys;
    root = cdr_jwk_json(json);
    keys = json_object_get(root, "keys");

    cdr_jwk_errors_enter();

    if (root == NULL) {
        rc = cdr_jwk_fail(&e, "the key set is not a JSON object without "
                          "duplicate members");

    } else if (!json_is_array(keys)) {
        rc = cdr_jwk_fail(&e, "the key set has no array \"keys\"");

    } else {
        rc = cdr_jwks_load_keys(set, keys, &e);
    }

    cdr_jwk_errors_leave();

    if (rc != CDR_OK) {
        while (set->nkeys > before) {
            cdr_jwk_del(set->keys[--set->nkeys]);
        }
    }

    json_decref(root);

    return rc;
}


static int
cdr_jwks_load_keys(cdr_jwks_t *set, const json_t *keys, cdr_jwk_err_t *e)
{
    int            rc;
    char           why[CDR_JWK_ERR_MAX];
    size_t         i, n, before;
    const json_t  *o;
    cdr_jwk_err_t  one = { why, sizeof(why) };

    n = json_array_size(keys);
    before = set->nkeys;

    (void) cdr_jwk_fail(e, "%s", "");

    for (i = 0; i < n; i++) {
        o = json_array_get(keys, i);

        if (json_object_get(o, "d")) {
            return cdr_jwk_fail(e, "key %zu of the set is a private key, and "
                                "only the public one belongs here", i + 1);
        }

        rc = cdr_jwks_load_key(set, o, &one);

        if (rc == CDR_FULL) {
            return cdr_jwk_fail(e, "the set has more than %d keys",
                                CDR_JWKS_KEYS);
        }

        if (rc == CDR_ERROR && e->size && e->text[0] == '\0') {
            (void) cdr_jwk_fail(e, "key %zu of the set was passed over: %s",
                                i + 1, why);
        }
    }

    if (set->nkeys > before) {
        return CDR_OK;
    }

    if (e->size && e->text[0] == '\0') {
        (void) cdr_jwk_fail(e, "the set has no key for signatures of an "
                            "algorithm that is supported");
    }

    return CDR_ERROR;
}


/* CDR_DECLINED: the key is good for something else.  CDR_ERROR: broken. */

static int
cdr_jwks_load_key(cdr_jwks_t *set, const json_t *o, cdr_jwk_err_t *e)
{
    int            rc;
    cdr_str_t      kid;
    cdr_jwk_t     *jwk;
    cdr_jwt_alg_t  alg;

    rc = cdr_jwk_parse_use(o);

    if (rc == CDR_OK) {
        rc = cdr_jwk_parse_kty(o, &alg);
    }

    if (rc == CDR_OK) {
        rc = cdr_jwk_parse_alg(o, &alg);
    }

    if (rc == CDR_OK && cdr_jwk_member(o, "kid", &kid) == CDR_ERROR) {
        rc = CDR_ERROR;
    }

    if (rc == CDR_ERROR) {
        return cdr_jwk_fail(e, "a member of it is missing or wrong");
    }

    if (rc != CDR_OK) {
        return rc;
    }

    jwk = cdr_jwk_from_json(o, alg, kid, e);

    if (jwk == NULL) {
        return CDR_ERROR;
    }

    rc = cdr_jwks_add(set, jwk);

    if (rc != CDR_OK) {
        cdr_jwk_del(jwk);
    }

    return rc;
}


/* RFC 7517 sections 4.2 and 4.3. */

static int
cdr_jwk_parse_use(const json_t *o)
{
    size_t         i;
    const json_t  *use, *ops;

    use = json_object_get(o, "use");
    ops = json_object_get(o, "key_ops");

    if (use && !json_is_string(use)) {
        return CDR_ERROR;
    }

    if (use && !cdr_jwk_json_is(use, "sig")) {
        return CDR_DECLINED;
    }

    if (ops == NULL) {
        return CDR_OK;
    }

    if (!json_is_array(ops)) {
        return CDR_ERROR;
    }

    for (i = 0; i < json_array_size(ops); i++) {
        if (cdr_jwk_json_is(json_array_get(ops, i), "verify")) {
            return CDR_OK;
        }
    }

    return CDR_DECLINED;
}


/* The algorithm of a key that does not name one (RFC 7518 section 6). */

static int
cdr_jwk_parse_kty(const json_t *o, cdr_jwt_alg_t *alg)
{
    size_t                 i;
    const json_t          *kty, *crv;
    const cdr_jwk_type_t  *type;

    kty = json_object_get(o, "kty");
    crv = json_object_get(o, "crv");

    if (!json_is_string(kty)) {
        return CDR_ERROR;
    }

    for (i = 0; i < cdr_jwk_nelts(cdr_jwk_types); i++) {
        type = &cdr_jwk_types[i];

        if (!cdr_jwk_json_is(kty, type->kty)) {
            continue;
        }

        if (type->crv && !json_is_string(crv)) {
            return CDR_ERROR;
        }

        if (type->crv == NULL || cdr_jwk_json_is(crv, type->crv)) {
            *alg = type->alg;
            return CDR_OK;
        }
    }

    return CDR_DECLINED;
}


/* Replaces the algorithm with the one that "alg" names, if it fits. */

static int
cdr_jwk_parse_alg(const json_t *o, cdr_jwt_alg_t *alg)
{
    int            rc;
    cdr_str_t      name;
    cdr_jwt_alg_t  pinned;

    rc = cdr_jwk_member(o, "alg", &name);

    if (rc != CDR_OK) {
        return rc == CDR_DECLINED ? CDR_OK : CDR_ERROR;
    }

    if (cdr_jwt_alg_parse(name, &pinned) != CDR_OK) {
        return CDR_DECLINED;
    }

    if (cdr_jwk_specs[pinned].kty != cdr_jwk_specs[*alg].kty
        || (cdr_jwk_specs[pinned].kty == CDR_JWK_EC && pinned != *alg))
    {
        return CDR_ERROR;
    }

    *alg = pinned;

    return CDR_OK;
}
