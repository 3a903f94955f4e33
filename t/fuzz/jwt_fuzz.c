/*
 * Feeds tokens to the verifier.  What follows a 'T' is a token as it stands:
 * it may be good only if its HMAC is right.  What follows anything else is a
 * header, a line feed and claims, which the target signs: if they are found
 * good, what was made of them must keep to the bounds it promises.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_jwk.h"
#include "cdr_jwt.h"


#define NOW     1700000000
#define SECRET  "0123456789abcdef0123456789abcdef"

#define assert_that(cond)                                                     \
    do {                                                                      \
        if (!(cond)) {                                                        \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void prepare(void);
static void check(cdr_str_t token);
static int mac_is_right(cdr_str_t token);
static void check_good(const cdr_jwt_claims_t *claims);
static void check_refused(const cdr_jwt_claims_t *claims, const char *reason);
static int is_clean(cdr_str_t s);
static size_t sign(uint8_t *dst, cdr_str_t header, cdr_str_t payload);


static cdr_jwks_t             *set;

static const cdr_jwt_policy_t  policy = {
    NULL, 0, NULL, 0, cdr_str("u.id"), cdr_str("r.s"), 60, false
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t        *copy;
    cdr_str_t       token, header, payload;
    const uint8_t  *lf;

    prepare();

    if (size == 0) {
        return 0;
    }

    data++;
    size--;

    if (data[-1] == 'T') {
        copy = malloc(size + !size);
        assert_that(copy);
        memcpy(copy, data, size);

        token.data = copy;
        token.len = size;

    } else {
        lf = memchr(data, '\n', size);

        if (lf == NULL) {
            return 0;
        }

        header.data = data;
        header.len = (size_t) (lf - data);
        payload.data = lf + 1;
        payload.len = size - header.len - 1;

        copy = malloc(2 * size + 64);
        assert_that(copy);

        token.data = copy;
        token.len = sign(copy, header, payload);
    }

    check(token);
    free(copy);

    return 0;
}


static void
prepare(void)
{
    int            i;
    char           err[256];
    cdr_str_t      secret = cdr_str(SECRET), none = cdr_str_null;
    cdr_jwt_alg_t  alg;

    if (set) {
        return;
    }

    set = cdr_jwks_new();
    assert_that(set);

    for (i = CDR_JWT_HS256; i <= CDR_JWT_HS512; i++) {
        alg = (cdr_jwt_alg_t) i;
        assert_that(cdr_jwks_add(set, cdr_jwk_new(alg, secret, none, err,
                                                  sizeof(err)))
                    == CDR_OK);
    }
}


static void
check(cdr_str_t token)
{
    int               rc;
    const char       *reason, *again;
    cdr_jwt_claims_t  claims, second;

    rc = cdr_jwt_verify(set, &policy, token, NOW, &claims, &reason);

    assert_that(cdr_jwt_verify(set, &policy, token, NOW, &second, &again)
                == rc);
    assert_that(reason == again);
    assert_that(ERR_peek_error() == 0);

    if (rc == CDR_OK) {
        assert_that(reason == NULL);
        assert_that(mac_is_right(token));
        check_good(&claims);

    } else {
        assert_that(rc == CDR_ERROR);
        check_refused(&claims, reason);
    }
}


static int
mac_is_right(cdr_str_t token)
{
    size_t         n, len, input;
    uint8_t        mac[EVP_MAX_MD_SIZE], sig[EVP_MAX_MD_SIZE];
    unsigned       mac_len, i;
    cdr_str_t      text;

    const EVP_MD  *md[] = { EVP_sha256(), EVP_sha384(), EVP_sha512() };

    for (n = token.len; n && token.data[n - 1] != '.'; n--) { /* void */ }

    text.data = token.data + n;
    text.len = token.len - n;
    input = n ? n - 1 : 0;

    if (cdr_base64url_decode(sig, sizeof(sig), &len, text) != CDR_OK) {
        return 0;
    }

    for (i = 0; i < 3; i++) {
        HMAC(md[i], SECRET, sizeof(SECRET) - 1, token.data, input, mac,
             &mac_len);

        if (mac_len == len && memcmp(mac, sig, len) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
check_good(const cdr_jwt_claims_t *claims)
{
    size_t          i;
    const uint8_t  *p;

    assert_that(claims->user.len > 0);
    assert_that(claims->user.len <= CDR_JWT_CLAIM_MAX);
    assert_that(claims->role.len <= CDR_JWT_CLAIM_MAX);
    assert_that(claims->jti.len <= CDR_JWT_CLAIM_MAX);
    assert_that(claims->nroles <= CDR_JWT_ROLES_MAX);

    assert_that(is_clean(claims->user));
    assert_that(is_clean(claims->role));
    assert_that(is_clean(claims->jti));

    /* The roles, and a comma between each two, are the whole of "role". */

    p = claims->role.data;

    for (i = 0; i < claims->nroles; i++) {
        if (i) {
            assert_that(*p++ == ',');
        }

        assert_that(claims->roles[i].data == p && claims->roles[i].len);
        assert_that(memchr(p, ',', claims->roles[i].len) == NULL);
        p += claims->roles[i].len;
    }

    assert_that(p == claims->role.data + claims->role.len);

    assert_that(!claims->expired && claims->deadline > NOW);
    assert_that(claims->exp == INT64_MAX
                ? claims->deadline == INT64_MAX
                : claims->deadline == claims->exp + policy.leeway);
    assert_that(claims->nbf >= 0 && claims->nbf - policy.leeway <= NOW);
    assert_that(claims->iat >= 0 && claims->iat - policy.leeway <= NOW);
}


static void
check_refused(const cdr_jwt_claims_t *claims, const char *reason)
{
    assert_that(reason && *reason);
    assert_that(claims->expired == !strcmp(reason, "token expired"));
    assert_that(claims->user.len == 0 && claims->role.len == 0);
    assert_that(claims->jti.len == 0 && claims->nroles == 0);
}


static int
is_clean(cdr_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static size_t
sign(uint8_t *dst, cdr_str_t header, cdr_str_t payload)
{
    size_t     n;
    uint8_t    mac[EVP_MAX_MD_SIZE];
    unsigned   len;
    cdr_str_t  sig;

    n = cdr_base64url_encode(dst, header);
    dst[n++] = '.';
    n += cdr_base64url_encode(dst + n, payload);

    HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, dst, n, mac, &len);

    sig.data = mac;
    sig.len = len;

    dst[n++] = '.';

    return n + cdr_base64url_encode(dst + n, sig);
}
