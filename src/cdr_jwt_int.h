/* What the files of the tokens share, and nobody else needs. */

#ifndef CDR_JWT_INT_H_INCLUDED
#define CDR_JWT_INT_H_INCLUDED


#include <jansson.h>

#include "cdr.h"
#include "cdr_jwk.h"
#include "cdr_jwt.h"


/* The reason of a token that was good once. */

extern const char  cdr_jwt_expired[];


/* Checks the claims in JSON: NULL if they pass, or else the reason. */

const char *cdr_jwt_claims(const cdr_jwt_policy_t *policy, cdr_str_t payload,
    int64_t now, cdr_jwt_claims_t *out);

/* The text of a string, empty for anything else. */

cdr_str_t cdr_jwt_text(const json_t *v);

bool cdr_jwt_equal(cdr_str_t a, cdr_str_t b);


#endif /* CDR_JWT_INT_H_INCLUDED */
