/* Tests of tokens: every algorithm, every form, every trick known. */

#include <jansson.h>
#include <openssl/crypto.h>

#include "jwt_test.h"


static void test_vectors(void);
static void test_every_algorithm(void);
static void test_every_bit(void);
static void test_secret_of_pem(void);
static void test_confusion(void);
static void test_ecdsa_forms(void);
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

    test_vectors();
    test_every_algorithm();
    test_every_bit();
    test_secret_of_pem();
    test_confusion();
    test_ecdsa_forms();
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


static const char  keys[] =
    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVM"
    "koqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"},"
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQo"
    "Tbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2l"
    "ZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaS"
    "HSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4u"
    "DZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q"
    "2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gH"
    "MzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYj"
    "KIWI5a0\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCr"
    "fVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

#define JOE  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l" \
             "eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static const case_t  vectors[] = {
    { "RFC 7515 A.1, HS256",
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "ok" },
    { "RFC 7515 A.2, RS256",
      "eyJhbGciOiJSUzI1NiJ9." JOE
      ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh"
      "7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX"
      "4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7"
      "K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPq"
      "vhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVr"
      "Bp0igcN_IoypGlUPQGe77Rw", "ok" },
    { "RFC 7515 A.3, ES256",
      "eyJhbGciOiJFUzI1NiJ9." JOE
      ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlS"
      "ApmWQxfKTUJqPP3-Kg6NU1Q", "ok" },
    { "RFC 8037 A.4, Ed25519, whose payload is no JSON",
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
      ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5"
      "BhVsPt9g7sVvpAr_MuM0KAg", "malformed claims" },
    { "RFC 7515 A.5, none", "eyJhbGciOiJub25lIn0." JOE ".",
      "no key for this algorithm" }
};


static void
test_vectors(void)
{
    char               err[256];
    size_t             i;
    cdr_str_t          json;
    const char        *dot;
    cdr_jwks_t        *set;
    cdr_jwt_policy_t   policy;

    set = cdr_jwks_new();
    json = str(keys);

    ok(cdr_jwks_load(set, json, err, sizeof(err)) == CDR_OK,
       "the keys of the RFCs are a set");

    policy = any;
    policy.user_claim = str("iss");

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        is(verdict(set, &policy, vectors[i].json, strlen(vectors[i].json),
                   1300819379),
           vectors[i].want, vectors[i].name);
    }

    is(verdict(set, &policy, vectors[0].json, strlen(vectors[0].json),
               1300819380), "token expired", "A.1 a second later");

    dot = strrchr(vectors[3].json, '.');
    json.data = (const uint8_t *) vectors[3].json;
    json.len = (size_t) (dot - vectors[3].json);

    ok(cdr_jwk_verify(cdr_jwks_get(set, 3), json, json) == CDR_ERROR,
       "a signature of the wrong length is no signature");

    cdr_jwks_del(set);
}


static void
test_every_algorithm(void)
{
    char       header[64];
    token_t    t, twice;
    unsigned   i;

    for (i = 0; i < NALGS; i++) {
        (void) snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);

        make(&t, i, header, GOOD);
        is(verdict(all, &any, t.text, t.len, NOW), "ok", names[i]);
        is(verdict(all, &any, t.text, t.len, NOW), "ok", "and once more");

        make(&twice, i, header, "{\"sub\":\"bob\",\"exp\":1800000000}");
        memcpy(strrchr(twice.text, '.'), strrchr(t.text, '.'),
               strlen(strrchr(t.text, '.')));
        is(verdict(all, &any, twice.text, twice.len, NOW), "bad signature",
           "the signature of another token");

        t.len = (size_t) (strrchr(t.text, '.') - t.text);
        t.text[t.len] = '\0';

        if (pkeys[i]) {
            put_signature(&t, i, others[i]);
        } else {
            put_hmac(&t, i, "another secret", 14);
        }

        is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
           "the signature of another key");

        t.len = (size_t) (strrchr(t.text, '.') + 1 - t.text);
        is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
           "no signature");
    }

    ok(!dirty, "verdicts have left nothing behind");
}


/* One bit of a decoded part is another token; it is never good. */

static void
test_every_bit(void)
{
    char       header[64];
    int        good;
    size_t     bit, bits, len[3], part, at;
    uint8_t    raw[3][512];
    token_t    t;
    unsigned   i, step;
    cdr_str_t  s;
    char      *p, *dot;

    for (i = 0; i < NALGS; i++) {
        (void) snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        make(&t, i, header, GOOD);
        p = t.text;

        for (part = 0; part < 3; part++) {
            dot = strchr(p, '.');
            s.data = (uint8_t *) p;
            s.len = dot ? (size_t) (dot - p) : strlen(p);
            (void) cdr_base64url_decode(raw[part], sizeof(raw[part]),
                                        &len[part], s);
            p += s.len + 1;
        }

        step = pkeys[i] ? 7 : 1;

        for (part = 0; part < 3; part++) {
            good = 1;
            bits = 8 * len[part];

            for (bit = 0; bit < bits; bit += step) {
                raw[part][bit / 8] ^= (uint8_t) (1 << bit % 8);

                t.len = 0;
                for (at = 0; at < 3; at++) {
                    put_part(&t, raw[at], len[at]);
                }

                (void) verdict(all, &any, t.text, t.len, NOW);
                good &= (result == CDR_ERROR);

                raw[part][bit / 8] ^= (uint8_t) (1 << bit % 8);
            }

            ok(good, "%s: a flipped bit in part %zu is noticed", names[i],
               part + 1);
        }
    }
}


static void
test_secret_of_pem(void)
{
    BIO         *bio;
    char        *pem;
    size_t       len;
    token_t      t;
    cdr_jwks_t  *rsa;

    rsa = cdr_jwks_new();
    cdr_jwks_add(rsa, public_key(CDR_JWT_RS256, pkeys[CDR_JWT_RS256], ""));

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, pkeys[CDR_JWT_RS256]);
    len = (size_t) BIO_get_mem_data(bio, &pem);

    t.len = 0;
    put_part(&t, "{\"alg\":\"HS256\"}", 15);
    put_part(&t, GOOD, strlen(GOOD));
    put_hmac(&t, CDR_JWT_HS256, pem, len);
    is(verdict(rsa, &any, t.text, t.len, NOW), "no key for this algorithm",
       "an HMAC with the RSA key's PEM text as its secret");
    is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
       "the same beside a key for HS256");

    t.len = 0;
    put_part(&t, "{\"alg\":\"RS256\"}", 15);
    put_part(&t, GOOD, strlen(GOOD));
    put_hmac(&t, CDR_JWT_HS256, pem, len);
    is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
       "an HMAC that says it is RS256");
    BIO_free(bio);
    cdr_jwks_del(rsa);
}


static void
test_confusion(void)
{
    char         err[256];
    size_t       i;
    token_t      t;
    cdr_str_t    none = cdr_str_null;
    cdr_jwks_t  *rsa;

    static const char *const  nones[] = {
        "none", "None", "NONE", "nOnE", "noNe", "NoNe", "none ", ""
    };

    rsa = cdr_jwks_new();
    cdr_jwks_add(rsa, public_key(CDR_JWT_RS256, pkeys[CDR_JWT_RS256], ""));

    for (i = 0; i < sizeof(nones) / sizeof(nones[0]); i++) {
        (void) snprintf(err, sizeof(err), "{\"alg\":\"%s\"}", nones[i]);

        t.len = 0;
        put_part(&t, err, strlen(err));
        put_part(&t, GOOD, strlen(GOOD));
        put_part(&t, "", 0);
        is(verdict(all, &any, t.text, t.len, NOW),
           "no key for this algorithm", err);
    }

    make(&t, CDR_JWT_RS256, "{\"alg\":\"RS512\"}", GOOD);
    is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
       "RS256 that says it is RS512");
    is(verdict(rsa, &any, t.text, t.len, NOW), "no key for this algorithm",
       "RS512 with the key of RS256");

    make(&t, CDR_JWT_HS256, "{\"alg\":\"hs256\"}", GOOD);
    is(verdict(all, &any, t.text, t.len, NOW), "no key for this algorithm",
       "an algorithm in small letters");

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", GOOD);
    is(verdict(all, &any, t.text, t.len, NOW), "malformed header",
       "an algorithm given twice");

    cdr_jwks_del(rsa);
    rsa = cdr_jwks_new();
    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", GOOD);
    is(verdict(rsa, &any, t.text, t.len, NOW), "no key for this algorithm",
       "an empty set");

    cdr_jwks_add(rsa, cdr_jwk_new(CDR_JWT_HS512, str(SECRET), none, err,
                                  sizeof(err)));
    is(verdict(rsa, &any, t.text, t.len, NOW), "no key for this algorithm",
       "the right secret for another algorithm");
    cdr_jwks_del(rsa);
}


/* RFC 7518 section 3.4; all zeros is CVE-2022-21449. */

static void
test_ecdsa_forms(void)
{
    size_t       i, len;
    uint8_t      sig[160];
    token_t      t;
    unsigned     tries;
    EVP_MD_CTX  *md;
    const char  *why;

    static const struct {
        char    name[24];
        size_t  len;
        int     fill;
    } forms[] = {
        { "all zeros", 64, 0 },
        { "all ones", 64, 0xff },
        { "one byte short", 63, 1 },
        { "one byte long", 65, 1 },
        { "of ES384's size", 96, 1 }
    };

    t.len = 0;
    put_part(&t, "{\"alg\":\"ES256\"}", 15);
    put_part(&t, GOOD, strlen(GOOD));

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        len = t.len;
        memset(sig, forms[i].fill, sizeof(sig));
        put_part(&t, sig, forms[i].len);
        is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
           forms[i].name);
        t.len = len;
    }

    md = EVP_MD_CTX_new();
    len = sizeof(sig);
    EVP_DigestSignInit_ex(md, NULL, "SHA256", NULL, NULL,
                          pkeys[CDR_JWT_ES256], NULL);
    EVP_DigestSign(md, sig, &len, (uint8_t *) t.text, t.len);
    EVP_MD_CTX_free(md);
    put_part(&t, sig, len);
    is(verdict(all, &any, t.text, t.len, NOW), "bad signature",
       "a signature in DER");

    /* Some of these have a half that begins with zeros or a high bit. */

    why = "ok";

    for (tries = 0; tries < 300 && strcmp(why, "ok") == 0; tries++) {
        make(&t, CDR_JWT_ES256, "{\"alg\":\"ES256\"}", GOOD);
        why = verdict(all, &any, t.text, t.len, NOW);
    }

    is(why, "ok", "300 signatures, whatever their leading bytes");
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
