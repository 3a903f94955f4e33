/* Verifies signed tokens: form, header, signature, claims, in this order. */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_jwk.h"
#include "cdr_jwt.h"


#define CDR_JWT_PART_MAX   cdr_base64url_decoded_max(CDR_JWT_MAX)
#define CDR_JWT_INT_LEN    24       /* characters of a 64-bit number, NUL */


/* The parts of a token; all but "input" are decoded from base64url. */

typedef struct {
    cdr_str_t          input;       /* what is signed: header.payload */
    cdr_str_t          header;
    cdr_str_t          payload;
    cdr_str_t          sig;
    uint8_t            sig_buf[CDR_JWK_SIG_MAX];
    uint8_t            buf[CDR_JWT_PART_MAX];
} cdr_jwt_parts_t;


typedef struct {
    cdr_jwt_alg_t      alg;
    bool               has_kid;
    cdr_str_t          kid;
} cdr_jwt_header_t;


/* These return NULL if the token passes, or else the reason. */

static const char *cdr_jwt_split(cdr_str_t token, cdr_jwt_parts_t *parts);
static const char *cdr_jwt_decode(cdr_str_t *dst, uint8_t *buf, size_t size,
    const uint8_t *p, const uint8_t *end);
static const char *cdr_jwt_signature(const cdr_jwks_t *set,
    const cdr_jwt_parts_t *parts);
static const char *cdr_jwt_header(const json_t *root, cdr_jwt_header_t *h);
static const char *cdr_jwt_typ(const json_t *typ);
static const char *cdr_jwt_try_keys(const cdr_jwks_t *set,
    const cdr_jwt_header_t *h, const cdr_jwt_parts_t *parts);
static const char *cdr_jwt_claims(const cdr_jwt_policy_t *policy,
    cdr_str_t payload, int64_t now, cdr_jwt_claims_t *out);
static const char *cdr_jwt_issuer(const cdr_jwt_policy_t *policy,
    const json_t *root);
static const char *cdr_jwt_audience(const cdr_jwt_policy_t *policy,
    const json_t *root);
static const char *cdr_jwt_user(const json_t *v, cdr_jwt_claims_t *out);
static const char *cdr_jwt_roles(const json_t *v, cdr_jwt_claims_t *out);
static const char *cdr_jwt_add_role(const json_t *v, cdr_jwt_claims_t *out);
static const char *cdr_jwt_id(const json_t *v, cdr_jwt_claims_t *out);
static const char *cdr_jwt_times(const cdr_jwt_policy_t *policy,
    const json_t *root, int64_t now, cdr_jwt_claims_t *out);

static int cdr_jwt_time(const json_t *v, int64_t absent, int64_t *t);
static bool cdr_jwt_is_candidate(const cdr_jwk_t *jwk,
    const cdr_jwt_header_t *h, unsigned pass);
static const json_t *cdr_jwt_find(const json_t *o, cdr_str_t name);
static cdr_str_t cdr_jwt_text(const json_t *v);
static bool cdr_jwt_listed(const cdr_str_t *list, size_t n, const json_t *v);
static bool cdr_jwt_equal(cdr_str_t a, cdr_str_t b);
static bool cdr_jwt_equal_nocase(cdr_str_t s, cdr_str_t lower);
static bool cdr_jwt_is_clean(cdr_str_t s);


static const char  cdr_jwt_malformed[] = "malformed token";
static const char  cdr_jwt_expired[] = "token expired";
static const char  cdr_jwt_nomem[] = "no memory to verify the token";


int
cdr_jwt_verify(const cdr_jwks_t *set, const cdr_jwt_policy_t *policy,
    cdr_str_t token, int64_t now, cdr_jwt_claims_t *out, const char **reason)
{
    const char       *why;
    cdr_jwt_parts_t   parts;

    memset(out, 0, sizeof(cdr_jwt_claims_t));

    why = cdr_jwt_split(token, &parts);

    if (why == NULL) {
        why = cdr_jwt_signature(set, &parts);
    }

    if (why == NULL) {
        why = cdr_jwt_claims(policy, parts.payload, now, out);
    }

    *reason = why;

    if (why == NULL) {
        return CDR_OK;
    }

    memset(out, 0, sizeof(cdr_jwt_claims_t));
    out->expired = (why == cdr_jwt_expired);

    return why == cdr_jwt_nomem ? CDR_NOMEM : CDR_ERROR;
}


/* RFC 7515 section 7.1. */

static const char *
cdr_jwt_split(cdr_str_t token, cdr_jwt_parts_t *parts)
{
    size_t          n;
    const char     *why;
    const uint8_t  *p, *end, *dot1, *dot2;

    if (token.len > CDR_JWT_MAX) {
        return "token too large";
    }

    if (token.len == 0) {
        return cdr_jwt_malformed;
    }

    p = token.data;
    end = p + token.len;

    dot1 = memchr(p, '.', token.len);

    if (dot1 == NULL) {
        return cdr_jwt_malformed;
    }

    dot2 = memchr(dot1 + 1, '.', (size_t) (end - dot1 - 1));

    if (dot2 == NULL) {
        return cdr_jwt_malformed;
    }

    parts->input.data = p;
    parts->input.len = (size_t) (dot2 - p);

    why = cdr_jwt_decode(&parts->header, parts->buf, CDR_JWT_PART_MAX, p,
                         dot1);

    if (why == NULL) {
        n = parts->header.len;
        why = cdr_jwt_decode(&parts->payload, parts->buf + n,
                             CDR_JWT_PART_MAX - n, dot1 + 1, dot2);
    }

    if (why == NULL) {
        why = cdr_jwt_decode(&parts->sig, parts->sig_buf, CDR_JWK_SIG_MAX,
                             dot2 + 1, end);
    }

    return why;
}


/* A third dot is not in the alphabet of base64url. */

static const char *
cdr_jwt_decode(cdr_str_t *dst, uint8_t *buf, size_t size, const uint8_t *p,
    const uint8_t *end)
{
    cdr_str_t  src;

    src.data = p;
    src.len = (size_t) (end - p);

    dst->data = buf;

    if (cdr_base64url_decode(buf, size, &dst->len, src) != CDR_OK) {
        return cdr_jwt_malformed;
    }

    return NULL;
}


static const char *
cdr_jwt_signature(const cdr_jwks_t *set, const cdr_jwt_parts_t *parts)
{
    json_t            *root;
    const char        *why;
    cdr_jwt_header_t   h;

    root = cdr_jwk_json(parts->header);

    if (root == NULL) {
        return "malformed header";
    }

    why = cdr_jwt_header(root, &h);

    if (why == NULL) {
        why = cdr_jwt_try_keys(set, &h, parts);
    }

    json_decref(root);

    return why;
}


/* RFC 7515 section 4.1, RFC 7797 section 3. */

static const char *
cdr_jwt_header(const json_t *root, cdr_jwt_header_t *h)
{
    const char    *why;
    const json_t  *alg, *kid, *b64;

    alg = json_object_get(root, "alg");
    kid = json_object_get(root, "kid");
    b64 = json_object_get(root, "b64");

    if (!json_is_string(alg) || (kid && !json_is_string(kid))) {
        return "malformed header";
    }

    if (json_object_get(root, "crit")) {
        return "critical header not supported";
    }

    if (b64 && !json_is_true(b64)) {
        return "unencoded payload not supported";
    }

    why = cdr_jwt_typ(json_object_get(root, "typ"));

    if (why) {
        return why;
    }

    if (cdr_jwt_alg_parse(cdr_jwt_text(alg), &h->alg) != CDR_OK) {
        return "no key for this algorithm";
    }

    h->has_kid = (kid != NULL);
    h->kid = cdr_jwt_text(kid);

    return NULL;
}


/* RFC 7519 section 5.1, RFC 7515 section 4.1.9, RFC 9068 section 2.1. */

static const char *
cdr_jwt_typ(const json_t *typ)
{
    size_t                  i;
    cdr_str_t               s;

    static const cdr_str_t  accepted[] = {
        cdr_str("jwt"),
        cdr_str("at+jwt"),
        cdr_str("application/jwt"),
        cdr_str("application/at+jwt")
    };

    if (typ == NULL) {
        return NULL;
    }

    s = cdr_jwt_text(typ);

    for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        if (cdr_jwt_equal_nocase(s, accepted[i])) {
            return NULL;
        }
    }

    return "wrong type of token";
}


/* Keys with the token's id come before keys without any. */

static const char *
cdr_jwt_try_keys(const cdr_jwks_t *set, const cdr_jwt_header_t *h,
    const cdr_jwt_parts_t *parts)
{
    int               rc;
    size_t            i, n;
    unsigned          pass, tries;
    const char       *why;
    const cdr_jwk_t  *jwk;

    n = cdr_jwks_count(set);
    tries = 0;
    why = "no key for this algorithm";

    for (pass = 0; pass < 2; pass++) {

        for (i = 0; i < n && tries < CDR_JWT_TRIES_MAX; i++) {
            jwk = cdr_jwks_get(set, i);

            if (cdr_jwk_alg(jwk) != h->alg) {
                continue;
            }

            if (tries == 0) {
                why = "no key with this id";
            }

            if (!cdr_jwt_is_candidate(jwk, h, pass)) {
                continue;
            }

            rc = cdr_jwk_verify(jwk, parts->input, parts->sig);

            if (rc != CDR_ERROR) {
                return rc == CDR_OK ? NULL : cdr_jwt_nomem;
            }

            tries++;
            why = "bad signature";
        }
    }

    return why;
}


static bool
cdr_jwt_is_candidate(const cdr_jwk_t *jwk, const cdr_jwt_header_t *h,
    unsigned pass)
{
    cdr_str_t  kid;

    if (!h->has_kid) {
        return pass == 0;
    }

    kid = cdr_jwk_kid(jwk);

    if (pass == 0) {
        return kid.len && cdr_jwt_equal(kid, h->kid);
    }

    return kid.len == 0;
}


/* Time comes last: whoever hears that a token has expired needs a new one. */

static const char *
cdr_jwt_claims(const cdr_jwt_policy_t *policy, cdr_str_t payload, int64_t now,
    cdr_jwt_claims_t *out)
{
    json_t           *root;
    const char       *why;
    cdr_str_t         user = cdr_str("sub"), role = cdr_str("role");

    root = cdr_jwk_json(payload);

    if (root == NULL) {
        return "malformed claims";
    }

    if (policy->user_claim.len) {
        user = policy->user_claim;
    }

    if (policy->role_claim.len) {
        role = policy->role_claim;
    }

    why = cdr_jwt_issuer(policy, root);

    if (why == NULL) {
        why = cdr_jwt_audience(policy, root);
    }

    if (why == NULL) {
        why = cdr_jwt_user(cdr_jwt_find(root, user), out);
    }

    if (why == NULL) {
        why = cdr_jwt_roles(cdr_jwt_find(root, role), out);
    }

    if (why == NULL) {
        why = cdr_jwt_id(json_object_get(root, "jti"), out);
    }

    if (why == NULL) {
        why = cdr_jwt_times(policy, root, now, out);
    }

    json_decref(root);

    return why;
}


/* RFC 7519 section 4.1.1. */

static const char *
cdr_jwt_issuer(const cdr_jwt_policy_t *policy, const json_t *root)
{
    if (policy->niss
        && !cdr_jwt_listed(policy->iss, policy->niss,
                           json_object_get(root, "iss")))
    {
        return "wrong issuer";
    }

    return NULL;
}


/* RFC 7519 section 4.1.3: a string or a list of strings. */

static const char *
cdr_jwt_audience(const cdr_jwt_policy_t *policy, const json_t *root)
{
    size_t         i;
    const json_t  *aud;

    if (policy->naud == 0) {
        return NULL;
    }

    aud = json_object_get(root, "aud");

    if (cdr_jwt_listed(policy->aud, policy->naud, aud)) {
        return NULL;
    }

    for (i = 0; i < json_array_size(aud); i++) {
        if (cdr_jwt_listed(policy->aud, policy->naud, json_array_get(aud, i)))
        {
            return NULL;
        }
    }

    return "wrong audience";
}


static const char *
cdr_jwt_user(const json_t *v, cdr_jwt_claims_t *out)
{
    int        n;
    char       number[CDR_JWT_INT_LEN];
    cdr_str_t  s;

    s = cdr_jwt_text(v);

    if (json_is_integer(v)) {
        n = snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                     json_integer_value(v));
        s.data = (const uint8_t *) number;
        s.len = (size_t) n;
    }

    if (s.len == 0) {
        return "no user claim";
    }

    if (s.len > CDR_JWT_CLAIM_MAX) {
        return "user too long";
    }

    if (!cdr_jwt_is_clean(s)) {
        return "control character in user";
    }

    memcpy(out->user_buf, s.data, s.len);
    out->user.data = out->user_buf;
    out->user.len = s.len;

    return NULL;
}


static const char *
cdr_jwt_roles(const json_t *v, cdr_jwt_claims_t *out)
{
    size_t       i;
    const char  *why;

    out->role.data = out->role_buf;

    if (v == NULL || json_is_null(v)) {
        return NULL;
    }

    if (!json_is_array(v)) {
        return cdr_jwt_add_role(v, out);
    }

    for (i = 0; i < json_array_size(v); i++) {
        why = cdr_jwt_add_role(json_array_get(v, i), out);

        if (why) {
            return why;
        }
    }

    return NULL;
}


/* An empty name is no role. */

static const char *
cdr_jwt_add_role(const json_t *v, cdr_jwt_claims_t *out)
{
    size_t     comma;
    uint8_t   *p;
    cdr_str_t  s;

    if (!json_is_string(v)) {
        return "role is not a string";
    }

    s = cdr_jwt_text(v);

    if (s.len == 0) {
        return NULL;
    }

    if (out->nroles == CDR_JWT_ROLES_MAX) {
        return "too many roles";
    }

    comma = (out->nroles > 0);

    if (s.len + comma > CDR_JWT_CLAIM_MAX - out->role.len) {
        return "roles too long";
    }

    if (!cdr_jwt_is_clean(s)) {
        return "control character in role";
    }

    if (memchr(s.data, ',', s.len)) {
        return "comma in role";
    }

    p = out->role_buf + out->role.len;

    if (comma) {
        *p++ = ',';
    }

    memcpy(p, s.data, s.len);

    out->roles[out->nroles].data = p;
    out->roles[out->nroles].len = s.len;

    out->nroles++;
    out->role.len += comma + s.len;

    return NULL;
}


/* RFC 7519 section 4.1.7. */

static const char *
cdr_jwt_id(const json_t *v, cdr_jwt_claims_t *out)
{
    cdr_str_t  s;

    out->jti.data = out->jti_buf;

    if (v == NULL) {
        return NULL;
    }

    s = cdr_jwt_text(v);

    if (!json_is_string(v) || s.len > CDR_JWT_CLAIM_MAX
        || !cdr_jwt_is_clean(s))
    {
        return "malformed token id";
    }

    memcpy(out->jti_buf, s.data, s.len);
    out->jti.len = s.len;

    return NULL;
}


/* RFC 7519 sections 4.1.4 to 4.1.6. */

static const char *
cdr_jwt_times(const cdr_jwt_policy_t *policy, const json_t *root, int64_t now,
    cdr_jwt_claims_t *out)
{
    const json_t  *exp, *nbf, *iat;

    exp = json_object_get(root, "exp");
    nbf = json_object_get(root, "nbf");
    iat = json_object_get(root, "iat");

    if (exp == NULL && policy->exp_required) {
        return "no expiry";
    }

    if (cdr_jwt_time(exp, INT64_MAX, &out->exp) != CDR_OK
        || cdr_jwt_time(nbf, 0, &out->nbf) != CDR_OK
        || cdr_jwt_time(iat, 0, &out->iat) != CDR_OK)
    {
        return "malformed time";
    }

    if (nbf && now < out->nbf - policy->leeway) {
        return "not yet valid";
    }

    if (iat && now < out->iat - policy->leeway) {
        return "issued in the future";
    }

    out->deadline = exp ? out->exp + policy->leeway : INT64_MAX;

    if (now >= out->deadline) {
        return cdr_jwt_expired;
    }

    return NULL;
}


/* A NumericDate (RFC 7519 section 2); the comparisons are false for a NaN. */

static int
cdr_jwt_time(const json_t *v, int64_t absent, int64_t *t)
{
    double  d;

    *t = absent;

    if (v == NULL) {
        return CDR_OK;
    }

    d = json_number_value(v);

    if (!json_is_number(v) || !(d >= 0 && d <= (double) CDR_JWT_TIME_MAX)) {
        return CDR_ERROR;
    }

    *t = (int64_t) d;

    return CDR_OK;
}


/* A claim of that name, or else what a dot in the name leads to. */

static const json_t *
cdr_jwt_find(const json_t *o, cdr_str_t name)
{
    size_t          n;
    const char     *key;
    const json_t   *v;
    const uint8_t  *dot;

    for ( ;; ) {
        key = (const char *) name.data;
        v = json_object_getn(o, key, name.len);

        if (v) {
            return v;
        }

        dot = memchr(name.data, '.', name.len);

        if (dot == NULL) {
            return NULL;
        }

        n = (size_t) (dot - name.data);
        o = json_object_getn(o, key, n);

        name.data += n + 1;
        name.len -= n + 1;
    }
}


/* The text of a string, empty for anything else. */

static cdr_str_t
cdr_jwt_text(const json_t *v)
{
    cdr_str_t  s = cdr_str_null;

    if (json_is_string(v)) {
        s.data = (const uint8_t *) json_string_value(v);
        s.len = json_string_length(v);
    }

    return s;
}


static bool
cdr_jwt_listed(const cdr_str_t *list, size_t n, const json_t *v)
{
    size_t  i;

    for (i = 0; i < n && json_is_string(v); i++) {
        if (cdr_jwt_equal(list[i], cdr_jwt_text(v))) {
            return true;
        }
    }

    return false;
}


static bool
cdr_jwt_equal(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static bool
cdr_jwt_equal_nocase(cdr_str_t s, cdr_str_t lower)
{
    size_t   i;
    uint8_t  ch;

    if (s.len != lower.len) {
        return false;
    }

    for (i = 0; i < s.len; i++) {
        ch = s.data[i];

        if (ch >= 'A' && ch <= 'Z') {
            ch = (uint8_t) (ch | 0x20);
        }

        if (ch != lower.data[i]) {
            return false;
        }
    }

    return true;
}


/* No control character of ASCII or, as UTF-8, of ISO 6429 (C1). */

static bool
cdr_jwt_is_clean(cdr_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {

        if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return false;
        }

        if (s.data[i] == 0xc2 && i + 1 < s.len && s.data[i + 1] < 0xa0) {
            return false;
        }
    }

    return true;
}
