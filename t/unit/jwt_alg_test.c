/* Tests of tokens: every algorithm, and what is signed by another one. */

#include "jwt_test.h"


static void test_vectors(void);
static void test_every_algorithm(void);
static void test_every_bit(void);
static void test_secret_of_pem(void);
static void test_confusion(void);
static void test_ecdsa_forms(void);


int
main(void)
{
    make_keys();

    test_vectors();
    test_every_algorithm();
    test_every_bit();
    test_secret_of_pem();
    test_confusion();
    test_ecdsa_forms();

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
