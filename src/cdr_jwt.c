/* Verifies signed tokens: form, header, signature, claims, in this order. */

#include <string.h>

#include "cdr_base64.h"
#include "cdr_jwt_int.h"


#define CDR_JWT_PART_MAX   cdr_base64url_decoded_max(CDR_JWT_MAX)


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

static bool cdr_jwt_is_candidate(const cdr_jwk_t *jwk,
    const cdr_jwt_header_t *h, unsigned pass);
static bool cdr_jwt_equal_nocase(cdr_str_t s, cdr_str_t lower);


static const char  cdr_jwt_malformed[] = "malformed token";
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


cdr_str_t
cdr_jwt_text(const json_t *v)
{
    cdr_str_t  s = cdr_str_null;

    if (json_is_string(v)) {
        s.data = (const uint8_t *) json_string_value(v);
        s.len = json_string_length(v);
    }

    return s;
}


bool
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
