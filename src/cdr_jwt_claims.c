/* The claims of a token whose signature is good. */

#include <stdio.h>
#include <string.h>

#include "cdr_jwt_int.h"


#define CDR_JWT_INT_LEN  24       /* characters of a 64-bit number, NUL */


/* The first ones return NULL if a claim passes, or else the reason. */

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
static const json_t *cdr_jwt_find(const json_t *o, cdr_str_t name);
static bool cdr_jwt_listed(const cdr_str_t *list, size_t n, const json_t *v);
static bool cdr_jwt_is_clean(cdr_str_t s);


const char  cdr_jwt_expired[] = "token expired";


/* Time comes last: whoever hears that a token has expired needs a new one. */

const char *
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
