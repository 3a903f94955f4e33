/*
 * Feeds key set documents to the loader.  Whatever comes out of one must be
 * public keys in bounds, the same ones each time, that find garbage no
 * signature; and a document that is refused must leave nothing in the set.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "cdr.h"
#include "cdr_jwk.h"


#define assert_that(cond)                                                     \
    do {                                                                      \
        if (!(cond)) {                                                        \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_keys(const cdr_jwks_t *set, size_t n);
static void check_key(const cdr_jwk_t *jwk);
static int is_same(const cdr_jwk_t *a, const cdr_jwk_t *b);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc, again;
    char         err[256], second[256];
    size_t       n;
    uint8_t     *copy;
    cdr_str_t    json;
    cdr_jwks_t  *set;

    copy = malloc(size + !size);
    set = cdr_jwks_new();
    assert_that(copy && set);

    memcpy(copy, data, size);
    json.data = copy;
    json.len = size;

    rc = cdr_jwks_load(set, json, err, sizeof(err));
    n = cdr_jwks_count(set);

    assert_that(memchr(err, '\0', sizeof(err)));
    assert_that(ERR_peek_error() == 0);

    if (rc == CDR_OK) {
        assert_that(n > 0 && n <= CDR_JWKS_KEYS);

    } else {
        assert_that(rc == CDR_ERROR && n == 0 && err[0]);
    }

    /* Once more into the same set: all of it again, or nothing. */

    again = cdr_jwks_load(set, json, second, sizeof(second));

    if (rc == CDR_OK && 2 * n <= CDR_JWKS_KEYS) {
        assert_that(again == CDR_OK && strcmp(err, second) == 0);
        assert_that(cdr_jwks_count(set) == 2 * n);
        check_keys(set, n);

    } else {
        assert_that(again == CDR_ERROR && second[0]);
        assert_that(cdr_jwks_count(set) == n);
    }

    cdr_jwks_del(set);
    free(copy);

    return 0;
}


static void
check_keys(const cdr_jwks_t *set, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        assert_that(is_same(cdr_jwks_get(set, i), cdr_jwks_get(set, n + i)));
        check_key(cdr_jwks_get(set, i));
    }
}


static void
check_key(const cdr_jwk_t *jwk)
{
    size_t         i;
    uint8_t        garbage[CDR_JWK_SIG_MAX];
    cdr_str_t      input = cdr_str("input"), sig;
    cdr_jwt_alg_t  alg, found;

    static const size_t  lengths[] = {
        0, 32, 48, 64, 96, 114, 256, 384, 512, CDR_JWK_SIG_MAX
    };

    alg = cdr_jwk_alg(jwk);
    sig.data = (const uint8_t *) cdr_jwt_alg_name(alg);
    sig.len = strlen(cdr_jwt_alg_name(alg));

    assert_that(cdr_jwt_alg_parse(sig, &found) == CDR_OK && found == alg);
    assert_that(cdr_jwt_alg_is_hmac(alg) || !cdr_jwk_is_weak(jwk));

    memset(garbage, 0x5a, sizeof(garbage));
    sig.data = garbage;

    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        sig.len = lengths[i];
        assert_that(cdr_jwk_verify(jwk, input, sig) == CDR_ERROR);
    }
}


static int
is_same(const cdr_jwk_t *a, const cdr_jwk_t *b)
{
    cdr_str_t  x, y;

    x = cdr_jwk_kid(a);
    y = cdr_jwk_kid(b);

    return cdr_jwk_alg(a) == cdr_jwk_alg(b)
           && cdr_jwk_is_weak(a) == cdr_jwk_is_weak(b)
           && x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}
