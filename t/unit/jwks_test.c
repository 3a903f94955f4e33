/* Tests of sets of keys: what is taken into one, and what is refused. */

#include <jansson.h>
#include <openssl/crypto.h>

#include "jwk_test.h"


typedef struct {
    char         name[72];
    const char  *json;
    size_t       count;
    const char  *text;            /* part of the sentence; NULL: none */
} set_case_t;


static unsigned  calls, fail_at;


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
test_set_count(void)
{
    int          rc;
    char        *json;
    size_t       i, n, len, size;
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

    free(json);
}


static void
test_set_size(void)
{
    int          rc;
    char        *json;
    size_t       n, size;
    cdr_jwks_t  *set;

    size = CDR_JWKS_MAX + 2;
    json = malloc(size);

    for (n = CDR_JWKS_MAX; n <= CDR_JWKS_MAX + 1; n++) {
        memset(json, ' ', n);
        memcpy(json, SET(K_OKP), sizeof(SET(K_OKP)) - 1);
        set = load(json, n, &rc);

        ok((rc == CDR_OK) == (n == CDR_JWKS_MAX),
           "a document of %zu bytes is %s", n,
           n == CDR_JWKS_MAX ? "read" : "too long");

        cdr_jwks_del(set);
    }

    free(json);
}


static void
test_set_depth(void)
{
    int          rc;
    char        *json;
    size_t       len, size;
    unsigned     depth;
    cdr_jwks_t  *set;

    size = CDR_JWKS_MAX + 2;
    json = malloc(size);

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


int
main(void)
{
    CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free);

    test_sets();
    test_set_count();
    test_set_size();
    test_set_depth();
    test_set_algorithms();
    test_failed_load_changes_nothing();
    test_failing_allocations();

    return done_testing();
}
