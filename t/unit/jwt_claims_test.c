/* Tests of what a token claims: user, roles, times, issuer, audience. */

#include "jwt_test.h"


#define A10     "aaaaaaaaaa"
#define A50     A10 A10 A10 A10 A10
#define A250    A50 A50 A50 A50 A50
#define R8      "\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\""
#define R32     R8 "," R8 "," R8 "," R8


static void test_claims(void);
static void test_times(void);
static void test_time_boundaries(void);
static void test_issuers_and_audiences(void);
static void test_claim_names(void);
static void test_reasons_are_clean(void);


int
main(void)
{
    make_keys();

    test_claims();
    test_times();
    test_time_boundaries();
    test_issuers_and_audiences();
    test_claim_names();
    test_reasons_are_clean();

    free_keys();

    return done_testing();
}


#define C(claims)  "{\"exp\":1800000000," claims "}"
#define S(claims)  C("\"sub\":\"ann\"," claims)

static const case_t  claim_cases[] = {
    { "a user and a role", S("\"role\":\"admin\""), "ok ann/admin/1//admin" },
    { "no role", C("\"sub\":\"ann\""), "ok ann//0/" },
    { "an empty role", S("\"role\":\"\""), "ok ann//0/" },
    { "a role that is null", S("\"role\":null"), "ok ann//0/" },
    { "a list of roles", S("\"role\":[\"admin\",\"a b\",\"c\"]"),
      "ok ann/admin,a b,c/3//admin/a b/c" },
    { "an empty list", S("\"role\":[]"), "ok ann//0/" },
    { "an empty name in a list", S("\"role\":[\"\",\"a\",\"\",\"b\"]"),
      "ok ann/a,b/2//a/b" },
    { "32 roles", S("\"role\":[" R32 "]"),
      "ok ann/a,b,c,d,e,f,g,h,a,b,c,d,e,f,g,h,a,b,c,d,e,f,g,h,a,b,c,d,e,f,g,h"
      "/32/" },
    { "33 roles", S("\"role\":[" R32 ",\"i\"]"), "too many roles" },
    { "roles of 255 bytes", S("\"role\":[\"" A250 "\",\"abcd\"]"),
      "ok ann/" A250 ",abcd/2//" A250 "/abcd" },
    { "roles of 256 bytes", S("\"role\":[\"" A250 "\",\"abcde\"]"),
      "roles too long" },
    { "a role of 255 bytes", S("\"role\":\"" A250 "abcde\""),
      "ok ann/" A250 "abcde/1//" A250 "abcde" },
    { "a role of 256 bytes", S("\"role\":\"" A250 "abcdef\""),
      "roles too long" },
    { "a role that is a number", S("\"role\":7"), "role is not a string" },
    { "a role that is an object", S("\"role\":{\"a\":1}"),
      "role is not a string" },
    { "a role that is true", S("\"role\":true"), "role is not a string" },
    { "a number among roles", S("\"role\":[\"a\",7]"),
      "role is not a string" },
    { "null among roles", S("\"role\":[null]"), "role is not a string" },
    { "a list in a list", S("\"role\":[[\"a\"]]"), "role is not a string" },
    { "a comma in a role", S("\"role\":\"a,admin\""), "comma in role" },
    { "a comma in a list", S("\"role\":[\"a\",\",\"]"), "comma in role" },
    { "a line feed in a role", S("\"role\":[\"a\\n\"]"),
      "control character in role" },
    { "no user", "{\"exp\":1800000000}", "no user claim" },
    { "an empty user", C("\"sub\":\"\""), "no user claim" },
    { "a user that is null", C("\"sub\":null"), "no user claim" },
    { "a user that is a list", C("\"sub\":[\"ann\"]"), "no user claim" },
    { "a user that is true", C("\"sub\":true"), "no user claim" },
    { "a user that is a real number", C("\"sub\":1.5"), "no user claim" },
    { "a user that is 1e3", C("\"sub\":1e3"), "no user claim" },
    { "a user with a number", C("\"sub\":42"), "ok 42//0/" },
    { "a user 0", C("\"sub\":0"), "ok 0//0/" },
    { "the largest number", C("\"sub\":9223372036854775807"),
      "ok 9223372036854775807//0/" },
    { "the smallest number", C("\"sub\":-9223372036854775808"),
      "ok -9223372036854775808//0/" },
    { "a number that is too large", C("\"sub\":9223372036854775808"),
      "malformed claims" },
    { "a user of 255 bytes", C("\"sub\":\"" A250 "abcde\""),
      "ok " A250 "abcde//0/" },
    { "a user of 256 bytes", C("\"sub\":\"" A250 "abcdef\""),
      "user too long" },
    { "a user in UTF-8", C("\"sub\":\"J\xc3\xbcrg \xe6\x97\xa5\""),
      "ok J\xc3\xbcrg \xe6\x97\xa5//0/" },
    { "a user with quotes", C("\"sub\":\"a\\\"b\\\\\""), "ok a\"b\\//0/" },
    { "a line feed in a user", C("\"sub\":\"a\\nb\""),
      "control character in user" },
    { "0x1f in a user", C("\"sub\":\"\\u001f\""),
      "control character in user" },
    { "0x7f in a user", C("\"sub\":\"a\x7f\""), "control character in user" },
    { "a control character of C1", C("\"sub\":\"\\u009b1m\""),
      "control character in user" },
    { "no-break space, which is none", C("\"sub\":\"a\\u00a0\""),
      "ok a\xc2\xa0//0/" },
    { "a NUL in a user", C("\"sub\":\"a\\u0000\""), "malformed claims" },
    { "a raw line feed in a user", C("\"sub\":\"a\nb\""),
      "malformed claims" },
    { "half of a surrogate pair", C("\"sub\":\"\\ud800\""),
      "malformed claims" },
    { "a user given twice", C("\"sub\":\"ann\",\"sub\":\"bob\""),
      "malformed claims" },
    { "a token id", S("\"jti\":\"one\""), "ok ann//0/one" },
    { "a token id of 255 bytes", S("\"jti\":\"" A250 "abcde\""),
      "ok ann//0/" A250 "abcde" },
    { "a token id of 256 bytes", S("\"jti\":\"" A250 "abcdef\""),
      "malformed token id" },
    { "a token id that is a number", S("\"jti\":1"), "malformed token id" },
    { "a token id that is null", S("\"jti\":null"), "malformed token id" },
    { "a tab in a token id", S("\"jti\":\"\\t\""), "malformed token id" },
    { "claims that are a list", "[]", "malformed claims" },
    { "claims that are null", "null", "malformed claims" },
    { "no claims", "", "malformed claims" },
    { "a nested token", "eyJhbGciOiJIUzI1NiJ9.e30.AA", "malformed claims" },
    { "something after the claims", S("\"a\":1") "x", "malformed claims" }
};


static void
test_claims(void)
{
    char    deep[CDR_JWT_MAX];
    size_t  i, n;

    for (i = 0; i < sizeof(claim_cases) / sizeof(claim_cases[0]); i++) {
        is(told(claim_cases[i].json), claim_cases[i].want,
           claim_cases[i].name);
    }

    n = (size_t) snprintf(deep, sizeof(deep), "{\"x\":");
    memset(deep + n, '[', 4000);
    memset(deep + n + 4000, '\0', 1);
    is(told(deep), "malformed claims", "four thousand brackets");

    ok(!dirty, "claims have left nothing behind");
}


static const case_t  time_cases[] = {
    { "no expiry", "\"sub\":\"a\"", "no expiry" },
    { "an expiry that is null", "\"exp\":null", "malformed time" },
    { "an expiry that is a string", "\"exp\":\"1800000000\"",
      "malformed time" },
    { "an expiry that is true", "\"exp\":true", "malformed time" },
    { "an expiry that is a list", "\"exp\":[1800000000]", "malformed time" },
    { "an expiry of -1", "\"exp\":-1", "malformed time" },
    { "an expiry of -0.5", "\"exp\":-0.5", "malformed time" },
    { "an expiry of -1e300", "\"exp\":-1e300", "malformed time" },
    { "an expiry of 1e300", "\"exp\":1e300", "malformed time" },
    { "an expiry of 1e400", "\"exp\":1e400", "malformed claims" },
    { "an expiry of 2^63", "\"exp\":9223372036854775808",
      "malformed claims" },
    { "an expiry of 2^63 - 1", "\"exp\":9223372036854775807",
      "malformed time" },
    { "an expiry in milliseconds", "\"exp\":1800000000000",
      "malformed time" },
    { "an expiry of NaN", "\"exp\":NaN", "malformed claims" },
    { "the end of the year 9999", "\"exp\":253402300799", "ok" },
    { "the second after it", "\"exp\":253402300800", "malformed time" },
    { "an expiry of 0", "\"exp\":0", "token expired" },
    { "an expiry of -0.0", "\"exp\":-0.0", "token expired" },
    { "an expiry of 1.8e9", "\"exp\":1.8e9", "ok" },
    { "an expiry now", "\"exp\":" NOW_S, "token expired" },
    { "half a second from now", "\"exp\":" NOW_S ".5", "token expired" },
    { "a second from now", "\"exp\":1700000001", "ok" },
    { "not before now", "\"exp\":1800000000,\"nbf\":" NOW_S, "ok" },
    { "not before now and a half", "\"exp\":1800000000,\"nbf\":" NOW_S ".5",
      "ok" },
    { "not before the next second", "\"exp\":1800000000,\"nbf\":1700000001",
      "not yet valid" },
    { "nbf that is a string", "\"exp\":1800000000,\"nbf\":\"0\"",
      "malformed time" },
    { "nbf of -1", "\"exp\":1800000000,\"nbf\":-1", "malformed time" },
    { "issued now", "\"exp\":1800000000,\"iat\":" NOW_S, "ok" },
    { "issued this second", "\"exp\":1800000000,\"iat\":" NOW_S ".999",
      "ok" },
    { "issued in the next second", "\"exp\":1800000000,\"iat\":1700000001",
      "issued in the future" },
    { "issued at a time that is an object", "\"exp\":1800000000,\"iat\":{}",
      "malformed time" },
    { "issued at 1e300", "\"exp\":1800000000,\"iat\":1e300",
      "malformed time" }
};


static void
test_times(void)
{
    char              payload[256];
    size_t            i;
    token_t           t;
    cdr_jwt_policy_t  policy;

    for (i = 0; i < sizeof(time_cases) / sizeof(time_cases[0]); i++) {
        (void) snprintf(payload, sizeof(payload), "{%s%s}",
                        i ? "\"sub\":\"ann\"," : "", time_cases[i].json);
        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", payload);
        is(verdict(all, &any, t.text, t.len, NOW), time_cases[i].want,
           time_cases[i].name);
    }

    policy = any;
    policy.exp_required = false;

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", "{\"sub\":\"ann\"}");
    is(verdict(all, &policy, t.text, t.len, NOW), "ok",
       "no expiry where none is required");
    ok(claims.exp == INT64_MAX && claims.deadline == INT64_MAX
       && claims.iat == 0 && claims.nbf == 0, "it then never expires");

    make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}",
         "{\"sub\":\"ann\",\"exp\":1700000010,\"nbf\":5,\"iat\":7.9}");
    policy.leeway = 30;
    is(verdict(all, &policy, t.text, t.len, NOW), "ok", "all three times");
    ok(claims.exp == NOW + 10 && claims.deadline == NOW + 40
       && claims.nbf == 5 && claims.iat == 7,
       "they are given, and the moment at which the token ends");
}


static void
test_time_boundaries(void)
{
    int               good;
    int64_t           leeway, d;
    token_t           exp, nbf, iat;
    cdr_jwt_policy_t  policy;

    make(&exp, CDR_JWT_HS256, "{\"alg\":\"HS256\"}",
         "{\"sub\":\"ann\",\"exp\":" NOW_S "}");
    make(&nbf, CDR_JWT_HS256, "{\"alg\":\"HS256\"}",
         "{\"sub\":\"ann\",\"exp\":253402300799,\"nbf\":" NOW_S "}");
    make(&iat, CDR_JWT_HS256, "{\"alg\":\"HS256\"}",
         "{\"sub\":\"ann\",\"exp\":253402300799,\"iat\":" NOW_S "}");

    good = 1;
    policy = any;

    for (leeway = 0; leeway <= 90; leeway += 30) {
        policy.leeway = leeway;

        for (d = -100; d <= 100; d++) {
            (void) verdict(all, &policy, exp.text, exp.len, NOW + d);
            good &= ((result == CDR_OK) == (d < leeway));
            good &= (claims.expired == (d >= leeway));

            (void) verdict(all, &policy, nbf.text, nbf.len, NOW + d);
            good &= ((result == CDR_OK) == (d >= -leeway));
            good &= !claims.expired;

            (void) verdict(all, &policy, iat.text, iat.len, NOW + d);
            good &= ((result == CDR_OK) == (d >= -leeway));
            good &= !claims.expired;
        }
    }

    ok(good, "times hold to the second, with and without leeway");

    policy.leeway = CDR_JWT_LEEWAY_MAX;
    is(verdict(all, &policy, nbf.text, nbf.len, 0), "ok",
       "the largest leeway");
    is(verdict(all, &policy, exp.text, exp.len, INT64_MAX), "token expired",
       "the end of time");
}


static void
test_issuers_and_audiences(void)
{
    size_t            i;
    token_t           t;
    cdr_jwt_policy_t  policy;

    static const cdr_str_t  iss[] = { cdr_str("https://a"), cdr_str("b") };
    static const cdr_str_t  aud[] = { cdr_str("hub"), cdr_str("reviews") };

    static const case_t  c[] = {
        { "the first of each", "\"iss\":\"https://a\",\"aud\":\"hub\"",
          "ok" },
        { "the second of each", "\"iss\":\"b\",\"aud\":\"reviews\"", "ok" },
        { "a list of audiences", "\"iss\":\"b\",\"aud\":[\"x\",7,\"hub\"]",
          "ok" },
        { "a list of others", "\"iss\":\"b\",\"aud\":[\"x\",\"y\"]",
          "wrong audience" },
        { "an empty list", "\"iss\":\"b\",\"aud\":[]", "wrong audience" },
        { "no audience", "\"iss\":\"b\"", "wrong audience" },
        { "an audience that is an object",
          "\"iss\":\"b\",\"aud\":{\"hub\":1}", "wrong audience" },
        { "a list in a list", "\"iss\":\"b\",\"aud\":[[\"hub\"]]",
          "wrong audience" },
        { "an audience that begins well", "\"iss\":\"b\",\"aud\":\"hubs\"",
          "wrong audience" },
        { "an audience in capitals", "\"iss\":\"b\",\"aud\":\"HUB\"",
          "wrong audience" },
        { "no issuer", "\"aud\":\"hub\"", "wrong issuer" },
        { "another issuer", "\"iss\":\"c\",\"aud\":\"hub\"", "wrong issuer" },
        { "an empty issuer", "\"iss\":\"\",\"aud\":\"hub\"", "wrong issuer" },
        { "an issuer with a slash", "\"iss\":\"https://a/\",\"aud\":\"hub\"",
          "wrong issuer" },
        { "a list of issuers", "\"iss\":[\"b\"],\"aud\":\"hub\"",
          "wrong issuer" }
    };

    policy = any;
    policy.iss = iss;
    policy.niss = 2;
    policy.aud = aud;
    policy.naud = 2;

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        char  payload[256];

        (void) snprintf(payload, sizeof(payload),
                        "{\"sub\":\"ann\",\"exp\":1800000000,%s}", c[i].json);
        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", payload);
        is(verdict(all, &policy, t.text, t.len, NOW), c[i].want, c[i].name);
        is(verdict(all, &any, t.text, t.len, NOW), "ok",
           "the same where nothing is demanded");
    }
}


static void
test_claim_names(void)
{
    size_t            i;
    token_t           t;
    cdr_jwt_policy_t  policy;
    const char       *why;

    static const struct {
        char         name[48];
        const char  *user, *role, *json, *want;
    } c[] = {
        { "other names", "email", "groups",
          "\"email\":\"a@b\",\"groups\":[\"x\"],\"sub\":1,\"role\":\"y\"",
          "a@b x" },
        { "roles further down", "sub", "realm_access.roles",
          "\"sub\":\"a\",\"realm_access\":{\"roles\":[\"x\",\"y\"]}",
          "a x,y" },
        { "a user further down", "u.v.w", "role",
          "\"u\":{\"v\":{\"w\":5}}", "5 " },
        { "a name with a dot in it", "sub", "a.b",
          "\"sub\":\"a\",\"a.b\":\"x\",\"a\":{\"b\":\"y\"}", "a x" },
        { "a URL as a name", "sub", "https://x.y/roles",
          "\"sub\":\"a\",\"https://x.y/roles\":[\"x\"]", "a x" },
        { "a dot in a lower name", "sub", "a.b.c",
          "\"sub\":\"a\",\"a\":{\"b.c\":\"x\"}", "a x" },
        { "a lower name that is missing", "sub", "a.b",
          "\"sub\":\"a\",\"a\":{\"c\":\"x\"}", "a " },
        { "a way through a string", "sub", "a.b",
          "\"sub\":\"a\",\"a\":\"b\"", "a " },
        { "a way through a list", "sub", "a.0",
          "\"sub\":\"a\",\"a\":[\"x\"]", "a " },
        { "a way to nowhere", "sub", "x.y.z", "\"sub\":\"a\"", "a " },
        { "dots alone", "sub", "..", "\"sub\":\"a\"", "a " },
        { "an empty name further down", "sub", "a.",
          "\"sub\":\"a\",\"a\":{\"\":\"x\"}", "a x" },
        { "a user that is missing", "u.v", "role", "\"sub\":\"a\",\"u\":{}",
          "no user claim" }
    };

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        char  text[512];

        policy = any;
        policy.user_claim = str(c[i].user);
        policy.role_claim = str(c[i].role);

        (void) snprintf(text, sizeof(text), "{\"exp\":1800000000,%s}",
                        c[i].json);
        make(&t, CDR_JWT_HS256, "{\"alg\":\"HS256\"}", text);
        why = verdict(all, &policy, t.text, t.len, NOW);

        if (result == CDR_OK) {
            (void) snprintf(text, sizeof(text), "%.*s %.*s",
                            (int) claims.user.len, claims.user.data,
                            (int) claims.role.len, claims.role.data);
            why = text;
        }

        is(why, c[i].want, c[i].name);
    }
}


/* RFC 6750 section 3: the characters of an error_description. */

static void
test_reasons_are_clean(void)
{
    int          good;
    size_t       i;
    const char  *p;

    good = 1;

    for (i = 0; i < sizeof(claim_cases) / sizeof(claim_cases[0]); i++) {
        p = told(claim_cases[i].json);

        for ( /* void */ ; result != CDR_OK && *p; p++) {
            good &= (*p >= 0x20 && *p <= 0x7e && *p != '"' && *p != '\\');
        }
    }

    ok(good, "reasons can stand in a header as they are");
}
