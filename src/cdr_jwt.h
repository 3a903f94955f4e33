/*
 * Tells whether a signed token (a JWT in JWS compact form) is good, and whom
 * it names (RFC 7515, RFC 7519, with the advice of RFC 8725).
 *
 * What a token says about its own verification is not believed: the algorithm
 * is the key's, "jku", "x5u", "jwk" and "x5c" are not looked at, and a header
 * that must be understood ("crit") is refused.  Claims are read only after
 * the signature was found good.
 *
 * A verification takes memory from jansson and OpenSSL and gives all of it
 * back before it returns; it keeps nothing.
 */

#ifndef CDR_JWT_H_INCLUDED
#define CDR_JWT_H_INCLUDED


#include "cdr.h"
#include "cdr_jwk.h"


#define CDR_JWT_MAX         8192            /* bytes of a token */
#define CDR_JWT_CLAIM_MAX   255             /* user, joined roles, jti: each */
#define CDR_JWT_ROLES_MAX   32
#define CDR_JWT_TRIES_MAX   8               /* keys tried for one token */
#define CDR_JWT_TIME_MAX    253402300799    /* the end of the year 9999 */
#define CDR_JWT_LEEWAY_MAX  INT32_MAX


/*
 * What is demanded of a token.  The strings belong to the caller.  An empty
 * list of issuers or audiences demands nothing.  A claim's name is looked up
 * as it is; if no claim has that name, a dot in it descends into an object
 * ("realm_access.roles").  An empty user_claim means "sub", an empty
 * role_claim "role".
 */

typedef struct {
    const cdr_str_t  *iss;                  /* one of them issued it */
    size_t            niss;
    const cdr_str_t  *aud;                  /* it is meant for one of them */
    size_t            naud;
    cdr_str_t         user_claim;
    cdr_str_t         role_claim;
    int64_t           leeway;               /* seconds: 0 to LEEWAY_MAX */
    bool              exp_required;
} cdr_jwt_policy_t;


/*
 * What a good token says.  The strings point into the structure itself: it
 * must stay where it is, and is not to be copied by assignment.  They are
 * UTF-8 without control characters, and no role has a comma in it.
 */

typedef struct {
    cdr_str_t   user;                       /* never empty */
    cdr_str_t   role;                       /* all roles, joined by commas */
    cdr_str_t   roles[CDR_JWT_ROLES_MAX];   /* parts of "role" */
    size_t      nroles;
    cdr_str_t   jti;                        /* empty if none */

    int64_t     exp;                        /* Unix seconds; INT64_MAX: none */
    int64_t     deadline;                   /* exp + leeway: good before it */
    int64_t     iat;                        /* Unix seconds; 0 if none */
    int64_t     nbf;                        /* Unix seconds; 0 if none */

    bool        expired;                    /* refused for this alone */

    uint8_t     user_buf[CDR_JWT_CLAIM_MAX];
    uint8_t     role_buf[CDR_JWT_CLAIM_MAX];
    uint8_t     jti_buf[CDR_JWT_CLAIM_MAX];
} cdr_jwt_claims_t;


/*
 * Verifies "token" at the time "now" (Unix seconds).
 *
 * The header names an algorithm of a key in the set.  A "kid" in it restricts
 * the keys to those with that id or without any; at most CDR_JWT_TRIES_MAX
 * keys are tried.  "typ", if there is one, is JWT or at+jwt (RFC 8725 section
 * 3.11, RFC 9068).  Times are numbers from 0 to CDR_JWT_TIME_MAX, fractions
 * of seconds being dropped.  The token is good
 * while now < exp + leeway (RFC 7519 section 4.1.4), nbf - leeway <= now
 * (section 4.1.5) and iat - leeway <= now.
 *
 * The user is a string or an integer (then its decimal text); the role is a
 * string, a list of strings, or missing.  Nothing is ever truncated: a claim
 * that does not fit into "out" refuses the token.
 *
 * CDR_OK      good: "out" is filled and *reason is NULL
 * CDR_ERROR   refused: *reason is a short static text for a log and for the
 *             error_description of RFC 6750 section 3 (no quotes in it).
 *             "out" is empty, but for out->expired
 * CDR_NOMEM   as CDR_ERROR, but the token may have been good
 *
 * A failing allocation may also appear as CDR_ERROR; it is never CDR_OK.
 */
int cdr_jwt_verify(const cdr_jwks_t *set, const cdr_jwt_policy_t *policy,
    cdr_str_t token, int64_t now, cdr_jwt_claims_t *out, const char **reason);


#endif /* CDR_JWT_H_INCLUDED */
