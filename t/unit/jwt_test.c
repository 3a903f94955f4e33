/* Tests of tokens: every form, and every trick known. */

#include <jansson.h>
#include <openssl/crypto.h>

#include "jwt_test.h"


static void test_forms(void);
static void test_form_of_good_one(void);
static void test_sizes(void);
static void test_headers(void);
static void test_kid(void);
static void test_tries(void);
static void test_order_of_reasons(void);
static void test_failing_allocations(void);


static unsigned  calls, fail_at;


static void *
failing_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;

    return (++calls == fail_at) ? NULL : malloc(size);
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


static void *
failing_json_malloc(size_t size)
{
    return failing_malloc(size, NULL, 0);
}


int
main(void)
{
    CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free);

    make_keys();

    test_forms();
    test_form_of_good_one();
    test_sizes();
    test_headers();
    test_kid();
    test_tries();
    test_order_of_reasons();
    test_failing_allocations();

    free_keys();

    return done_testing();
}


static void
test_forms(void)
{
    size_t  i;

    static const case_t  forms[] = {
        { "nothing", "", "malformed token" },
        { "a word", "token", "malformed token" },
        { "a dot", ".", "malformed token" },
        { "two dots", "..", "malformed header" },
        { "three dots", "...", "malformed token" },
        { "two parts", "eyJhbGciOiJIUzI1NiJ9.e30", "malformed token" },
        { "four parts", "eyJhbGciOiJIUzI1NiJ9.e30.AA.AA", "malformed token" },
        { "five parts, as JWE has", "eyJhbGciOiJIUzI1NiJ9.AA.AA.AA.AA",
          "malformed token" },
        { "a header that is a list", "W10.e30.AA", "malformed header" },
        { "a header that is a string", "IngiIA.e30.AA", "malformed header" },
        { "a header without an algorithm", "e30.e30.AA", "malformed header" },
        { "bits after the header", "e31.e30.AA", "malformed token" },
        { "bits after the claims", "e30.e31.AA", "malformed token" },
        { "bits after the signature", "e30.e30.AB", "malformed token" },
        { "bytes that are not UTF-8", "eyJhbGciOiL_In0.e30.AA",
          "malformed header" },
        { "Bearer before it", "Bearer e30.e30.AA", "malformed token" }
    };

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        is(verdict(all, &any, forms[i].json, strlen(forms[i].json), NOW),
           forms[i].want, forms[i].name);
    }
}


static void
test_form_of_good_one(void)
{
    char     text[ROOM];
    size_t   i, n, h, p;
    int      good;
    token_t  t;

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", GOOD);
    h = (size_t) (strchr(t.text, '.') - t.text);
    p = (size_t) (strrchr(t.text, '.') - t.text);

    /* One character put in anywhere, among them every byte there is. */

    good = 1;

    for (i = 0; i <= t.len; i++) {
        for (n = 0; n < 256; n += (i == h || i == p || i == t.len) ? 1 : 13) {
            memcpy(text, t.text, i);
            text[i] = (char) n;
            memcpy(text + i + 1, t.text + i, t.len - i);

            (void) verdict(all, &any, text, t.len + 1, NOW);
            good &= (result == CDR_ERROR);
        }

        memcpy(text, t.text, i);
        text[i] = '\n';
        memcpy(text + i + 1, t.text + i, t.len - i);
        (void) verdict(all, &any, text, t.len + 1, NOW);
        good &= (result == CDR_ERROR);
    }

    ok(good, "no character can be put into a token, be it '=', NUL or space");

    good = 1;

    for (i = 0; i < t.len; i++) {
        (void) verdict(all, &any, t.text, i, NOW);
        good &= (result == CDR_ERROR);
        (void) verdict(all, &any, t.text + i + 1, t.len - i - 1, NOW);
        good &= (result == CDR_ERROR);
    }

    ok(good, "no beginning and no end of a token is one");
    ok(!dirty, "malformed tokens have left nothing behind");
}


static void
test_sizes(void)
{
    char     payload[CDR_JWT_MAX];
    size_t   pad;
    token_t  t;

    for (pad = 6000; ; pad++) {
        (void) snprintf(payload, sizeof(payload),
                        "{\"sub\":\"ann\",\"exp\":1800000000,\"x\":\"%*s\"}",
                        (int) pad, "");
        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", payload);

        if (t.len > CDR_JWT_MAX) {
            break;
        }

        if (t.len >= CDR_JWT_MAX - 1) {
            is(verdict(all, &any, t.text, t.len, NOW), "ok",
               "a token of the largest size");
        }
    }

    is(verdict(all, &any, t.text, t.len, NOW), "token too large",
       "a token that is larger");

    memset(t.text, 'A', sizeof(t.text));
    is(verdict(all, &any, t.text, CDR_JWT_MAX, NOW), "malformed token",
       "8192 characters without a dot");
    is(verdict(all, &any, t.text, CDR_JWT_MAX + 1, NOW), "token too large",
       "8193 characters");

    memcpy(t.text, "e30.e30.", 8);
    is(verdict(all, &any, t.text, CDR_JWT_MAX, NOW), "malformed token",
       "a signature that fills the token");

    memcpy(t.text, "AAAAAAAA", 8);
    memcpy(t.text + CDR_JWT_MAX - 3, "..", 2);
    is(verdict(all, &any, t.text, CDR_JWT_MAX - 1, NOW), "malformed token",
       "a header of 4n + 1 characters that fills the token");

    memset(t.text, 'A', sizeof(t.text));
    memcpy(t.text + CDR_JWT_MAX - 4, "..AA", 4);
    is(verdict(all, &any, t.text, CDR_JWT_MAX, NOW), "malformed header",
       "a header that fills the token");
}


static const case_t  headers[] = {
    { "JWT", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "ok" },
    { "jwt", "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", "ok" },
    { "at+jwt", "{\"alg\":\"HS256\",\"typ\":\"at+JWT\"}", "ok" },
    { "application/at+jwt",
      "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", "ok" },
    { "Application/JWT",
      "{\"alg\":\"HS256\",\"typ\":\"Application/JWT\"}", "ok" },
    { "another type", "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}",
      "wrong type of token" },
    { "a type that begins well", "{\"alg\":\"HS256\",\"typ\":\"JWTx\"}",
      "wrong type of token" },
    { "a type of the same length", "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
      "wrong type of token" },
    { "an empty type", "{\"alg\":\"HS256\",\"typ\":\"\"}",
      "wrong type of token" },
    { "a type that is a list", "{\"alg\":\"HS256\",\"typ\":[\"JWT\"]}",
      "wrong type of token" },
    { "a critical extension",
      "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
      "critical header not supported" },
    { "an empty list of them", "{\"alg\":\"HS256\",\"crit\":[]}",
      "critical header not supported" },
    { "crit that is null", "{\"alg\":\"HS256\",\"crit\":null}",
      "critical header not supported" },
    { "an unencoded payload", "{\"alg\":\"HS256\",\"b64\":false}",
      "unencoded payload not supported" },
    { "b64 that is no boolean", "{\"alg\":\"HS256\",\"b64\":\"true\"}",
      "unencoded payload not supported" },
    { "an encoded payload", "{\"alg\":\"HS256\",\"b64\":true}", "ok" },
    { "white space", " {\r\n \"alg\" :\t\"HS256\" } ", "ok" },
    { "a key of its own",
      "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"},"
      "\"jku\":\"http://127.0.0.1/\",\"x5u\":\"x\",\"x5c\":[]}", "ok" },
    { "an escaped algorithm", "{\"alg\":\"HS\\u0032\\u00356\"}", "ok" },
    { "alg that is a number", "{\"alg\":256}", "malformed header" },
    { "alg that is null", "{\"alg\":null}", "malformed header" },
    { "alg that is a list", "{\"alg\":[\"HS256\"]}", "malformed header" },
    { "alg with a NUL", "{\"alg\":\"HS256\\u0000\"}",
      "malformed header" },
    { "a kid that is a number", "{\"alg\":\"HS256\",\"kid\":1}",
      "malformed header" },
    { "a kid that is null", "{\"alg\":\"HS256\",\"kid\":null}",
      "malformed header" },
    { "any member twice", "{\"alg\":\"HS256\",\"x\":1,\"x\":1}",
      "malformed header" },
    { "a member twice further down",
      "{\"alg\":\"HS256\",\"x\":[{\"y\":1,\"\\u0079\":1}]}",
      "malformed header" },
    { "something after it", "{\"alg\":\"HS256\"}{}", "malformed header" },
    { "a comment", "{\"alg\":\"HS256\"/**/}", "malformed header" },
    { "a comma too many", "{\"alg\":\"HS256\",}", "malformed header" },
    { "single quotes", "{'alg':'HS256'}", "malformed header" }
};


static void
test_headers(void)
{
    char     deep[1024];
    size_t   i, n;
    token_t  t;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        make(&t, CDR_JWT_HS256, headers[i].json, GOOD);
        is(verdict(all, &any, t.text, t.len, NOW), headers[i].want,
           headers[i].name);
    }

    for (n = CDR_JSON_DEPTH - 1; n <= CDR_JSON_DEPTH; n++) {
        (void) snprintf(deep, sizeof(deep), "{\"alg\":\"HS256\",\"x\":");
        i = strlen(deep);
        memset(deep + i, '[', n);
        memset(deep + i + n, ']', n);
        memcpy(deep + i + 2 * n, "}", 2);

        make(&t, CDR_JWT_HS256, deep, GOOD);
        is(verdict(all, &any, t.text, t.len, NOW),
           n < CDR_JSON_DEPTH ? "ok" : "malformed header",
           n < CDR_JSON_DEPTH ? "32 levels" : "33 levels");
    }
}


static void
test_kid(void)
{
    char         err[256];
    cdr_jwks_t  *set;
    size_t       i;
    token_t      t;
    cdr_str_t    one = cdr_str("one"), two = cdr_str("two"),
                 none = cdr_str_null;

    static const case_t  kids[] = {
        { "the key's id", "{\"alg\":\"HS256\",\"kid\":\"one\"}", "ok" },
        { "no id", "{\"alg\":\"HS256\"}", "ok" },
        { "another key's id", "{\"alg\":\"HS256\",\"kid\":\"two\"}",
          "bad signature" },
        { "nobody's id", "{\"alg\":\"HS256\",\"kid\":\"three\"}",
          "no key with this id" },
        { "the id in capitals", "{\"alg\":\"HS256\",\"kid\":\"ONE\"}",
          "no key with this id" },
        { "part of the id", "{\"alg\":\"HS256\",\"kid\":\"on\"}",
          "no key with this id" },
        { "an empty id", "{\"alg\":\"HS256\",\"kid\":\"\"}",
          "no key with this id" },
        { "the id of a key of another algorithm",
          "{\"alg\":\"HS384\",\"kid\":\"one\"}",
          "no key for this algorithm" }
    };

    set = cdr_jwks_new();
    cdr_jwks_add(set, cdr_jwk_new(CDR_JWT_HS256, str("x"), two, err,
                                  sizeof(err)));
    cdr_jwks_add(set, cdr_jwk_new(CDR_JWT_HS256, str(SECRET), one, err,
                                  sizeof(err)));

    for (i = 0; i < sizeof(kids) / sizeof(kids[0]); i++) {
        make(&t, CDR_JWT_HS256, kids[i].json, GOOD);
        is(verdict(set, &any, t.text, t.len, NOW), kids[i].want,
           kids[i].name);
    }

    cdr_jwks_add(set, cdr_jwk_new(CDR_JWT_HS256, str(SECRET), none, err,
                                  sizeof(err)));
    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\",\"kid\":\"three\"}", GOOD);
    is(verdict(set, &any, t.text, t.len, NOW), "ok",
       "a key without an id is for any id");

    cdr_jwks_del(set);
}


static void
test_tries(void)
{
    char         err[256];
    unsigned     i, before;
    cdr_jwks_t  *set;
    token_t      t;
    cdr_str_t    none = cdr_str_null, one = cdr_str("one");

    for (before = 7; before <= 8; before++) {
        set = cdr_jwks_new();

        for (i = 0; i < before; i++) {
            cdr_jwks_add(set, cdr_jwk_new(CDR_JWT_HS256, str("wrong"), none,
                                          err, sizeof(err)));
        }

        cdr_jwks_add(set, cdr_jwk_new(CDR_JWT_HS256, str(SECRET), one, err,
                                      sizeof(err)));

        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", GOOD);
        is(verdict(set, &any, t.text, t.len, NOW),
           before == 7 ? "ok" : "bad signature",
           before == 7 ? "the eighth key is tried" : "the ninth is not");

        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\",\"kid\":\"one\"}", GOOD);
        is(verdict(set, &any, t.text, t.len, NOW), "ok",
           "a key with the right id is tried first");

        cdr_jwks_del(set);
    }
}


static void
test_order_of_reasons(void)
{
    token_t           t;
    cdr_jwt_policy_t  policy;

    static const cdr_str_t  iss = cdr_str("me");

    policy = any;
    policy.iss = &iss;
    policy.niss = 1;

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}",
         "{\"sub\":\"ann\",\"iss\":\"you\",\"exp\":1}");
    is(verdict(all, &policy, t.text, t.len, NOW), "wrong issuer",
       "a token that has expired and is wrong besides is wrong");
    is(verdict(all, &any, t.text, t.len, NOW), "token expired",
       "a token that has expired");

    t.text[t.len - 10] = t.text[t.len - 10] == 'A' ? 'B' : 'A';
    is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
       "without a good signature nobody hears that it has expired");
}


/* A failure may cost the verdict; it never makes a bad token good. */

static void
test_failing_allocations(void)
{
    int       good, kept;
    char      header[64];
    token_t   t, bad;
    unsigned  i, n;

    json_set_alloc_funcs(failing_json_malloc, free);

    for (i = 0; i < NALGS; i++) {
        (void) snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        make(&t, i, header, GOOD);
        bad = t;
        bad.text[bad.len - 10] = bad.text[bad.len - 10] == 'A' ? 'B' : 'A';

        good = 1;
        kept = 1;

        for (n = 1; n < 2000; n++) {
            calls = 0;
            fail_at = n;
            (void) verdict(all, &any, bad.text, bad.len, NOW);
            fail_at = 0;
            good &= (result != CDR_OK);

            calls = 0;
            fail_at = n;
            (void) verdict(all, &any, t.text, t.len, NOW);
            fail_at = 0;

            if (calls < n) {
                break;
            }

            (void) verdict(all, &any, t.text, t.len, NOW);
            kept &= (result == CDR_OK);
        }

        ok(good, "%s: no failing allocation makes a bad token good",
           names[i]);
        ok(kept && n > 10 && n < 2000 && result == CDR_OK,
           "%s: after each of %u failures the key is as good as before",
           names[i], n - 1);
    }

    json_set_alloc_funcs(malloc, free);

    ok(!dirty, "failures have left nothing behind");
}
