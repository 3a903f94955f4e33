/* Negotiation of permessage-deflate: RFC 7692, section 7.1. */

#include "cdr.h"
#include "cdr_handshake.h"
#include "cdr_pmd.h"

#include <string.h>


#define cdr_pmd_put(p, lit)                                                   \
    (memcpy(p, lit, sizeof(lit) - 1), (p) + sizeof(lit) - 1)


/* What value a parameter takes. */

typedef enum {
    CDR_PMD_NO_VALUE = 0,
    CDR_PMD_BITS,
    CDR_PMD_MAYBE_BITS
} cdr_pmd_kind_t;


typedef struct {
    cdr_str_t       name;
    cdr_pmd_kind_t  kind;
} cdr_pmd_known_t;


/* A parameter as it came.  Only the start of the value matters to us. */

typedef struct {
    cdr_str_t  name;
    bool       valued;
    uint8_t    value[2];
    size_t     value_len;
} cdr_pmd_param_t;


/* The order of cdr_pmd_known[]. */

enum {
    CDR_PMD_SERVER_NO_TAKEOVER = 0,
    CDR_PMD_CLIENT_NO_TAKEOVER,
    CDR_PMD_SERVER_BITS,
    CDR_PMD_CLIENT_BITS,
    CDR_PMD_KNOWN
};


static int cdr_pmd_read_offer(cdr_str_t *rest, cdr_pmd_t *offer);
static int cdr_pmd_read_param(cdr_str_t *rest, cdr_pmd_param_t *param);
static int cdr_pmd_read_token(cdr_str_t *rest, cdr_str_t *token);
static int cdr_pmd_read_quoted(cdr_str_t *rest, cdr_pmd_param_t *param);
static void cdr_pmd_add_value(cdr_pmd_param_t *param, uint8_t ch);
static int cdr_pmd_apply(const cdr_pmd_param_t *param, unsigned *seen,
    cdr_pmd_t *offer);
static uint8_t cdr_pmd_bits(const cdr_pmd_param_t *param);
static bool cdr_pmd_skip(cdr_str_t *rest, uint8_t ch);
static void cdr_pmd_skip_space(cdr_str_t *rest);
static void cdr_pmd_advance(cdr_str_t *rest);
static bool cdr_pmd_eq(cdr_str_t a, cdr_str_t b);
static uint8_t *cdr_pmd_put_bits(uint8_t *p, uint8_t bits);


static const cdr_str_t  cdr_pmd_name = cdr_str("permessage-deflate");

static const cdr_pmd_known_t  cdr_pmd_known[CDR_PMD_KNOWN] = {
    { cdr_str("server_no_context_takeover"), CDR_PMD_NO_VALUE },
    { cdr_str("client_no_context_takeover"), CDR_PMD_NO_VALUE },
    { cdr_str("server_max_window_bits"),     CDR_PMD_BITS },
    { cdr_str("client_max_window_bits"),     CDR_PMD_MAYBE_BITS }
};


int
cdr_pmd_negotiate(cdr_str_t value, cdr_pmd_t *pmd)
{
    int        rc;
    cdr_pmd_t  offer;

    for ( ;; ) {
        cdr_pmd_skip_space(&value);

        if (value.len == 0) {
            return pmd->on ? CDR_OK : CDR_DECLINED;
        }

        if (cdr_pmd_skip(&value, ',')) {
            continue;
        }

        rc = cdr_pmd_read_offer(&value, &offer);

        if (rc == CDR_ERROR
            || (value.len && !cdr_pmd_skip(&value, ',')))
        {
            return CDR_ERROR;
        }

        if (rc == CDR_OK && !pmd->on) {
            *pmd = offer;
        }
    }
}


/* Returns CDR_OK if we can serve it, CDR_DECLINED if not, CDR_ERROR. */

static int
cdr_pmd_read_offer(cdr_str_t *rest, cdr_pmd_t *offer)
{
    int              rc;
    unsigned         seen;
    cdr_str_t        name;
    cdr_pmd_param_t  param;

    memset(offer, 0, sizeof(cdr_pmd_t));

    offer->on = true;
    offer->server_max_window_bits = CDR_PMD_BITS_MAX;
    offer->client_max_window_bits = CDR_PMD_BITS_MAX;

    if (cdr_pmd_read_token(rest, &name) != CDR_OK) {
        return CDR_ERROR;
    }

    rc = cdr_pmd_eq(name, cdr_pmd_name) ? CDR_OK : CDR_DECLINED;
    seen = 0;

    while (cdr_pmd_skip(rest, ';')) {

        if (cdr_pmd_read_param(rest, &param) != CDR_OK) {
            return CDR_ERROR;
        }

        if (rc == CDR_OK) {
            rc = cdr_pmd_apply(&param, &seen, offer);
        }
    }

    return rc;
}


/*
 * Reads name [ "=" ( token | quoted-string ) ].  White space may stand around
 * the "=", as RFC 6455 uses the implied white space of RFC 2616.
 */

static int
cdr_pmd_read_param(cdr_str_t *rest, cdr_pmd_param_t *param)
{
    size_t     i;
    cdr_str_t  value;

    memset(param, 0, sizeof(cdr_pmd_param_t));

    cdr_pmd_skip_space(rest);

    if (cdr_pmd_read_token(rest, &param->name) != CDR_OK) {
        return CDR_ERROR;
    }

    if (!cdr_pmd_skip(rest, '=')) {
        return CDR_OK;
    }

    param->valued = true;

    cdr_pmd_skip_space(rest);

    if (rest->len && rest->data[0] == '"') {
        return cdr_pmd_read_quoted(rest, param);
    }

    if (cdr_pmd_read_token(rest, &value) != CDR_OK) {
        return CDR_ERROR;
    }

    for (i = 0; i < value.len; i++) {
        cdr_pmd_add_value(param, value.data[i]);
    }

    return CDR_OK;
}


/* Reads a token and the white space behind it. */

static int
cdr_pmd_read_token(cdr_str_t *rest, cdr_str_t *token)
{
    token->data = rest->data;

    while (rest->len && cdr_is_tchar(rest->data[0])) {
        cdr_pmd_advance(rest);
    }

    token->len = (size_t) (rest->data - token->data);

    cdr_pmd_skip_space(rest);

    return token->len ? CDR_OK : CDR_ERROR;
}


/* What is in the quotes must be a token too (RFC 6455, section 9.1). */

static int
cdr_pmd_read_quoted(cdr_str_t *rest, cdr_pmd_param_t *param)
{
    cdr_pmd_advance(rest);

    while (rest->len && rest->data[0] != '"') {

        if (rest->data[0] == '\\') {
            cdr_pmd_advance(rest);
        }

        if (rest->len == 0 || !cdr_is_tchar(rest->data[0])) {
            return CDR_ERROR;
        }

        cdr_pmd_add_value(param, rest->data[0]);
        cdr_pmd_advance(rest);
    }

    if (rest->len == 0 || param->value_len == 0) {
        return CDR_ERROR;
    }

    cdr_pmd_advance(rest);
    cdr_pmd_skip_space(rest);

    return CDR_OK;
}


static void
cdr_pmd_add_value(cdr_pmd_param_t *param, uint8_t ch)
{
    if (param->value_len < sizeof(param->value)) {
        param->value[param->value_len] = ch;
    }

    param->value_len++;
}


/* Returns CDR_OK, or CDR_DECLINED: an offer with it cannot be accepted. */

static int
cdr_pmd_apply(const cdr_pmd_param_t *param, unsigned *seen, cdr_pmd_t *offer)
{
    uint8_t         bits;
    unsigned        i;
    cdr_pmd_kind_t  kind;

    for (i = 0; i < CDR_PMD_KNOWN; i++) {
        if (cdr_pmd_eq(param->name, cdr_pmd_known[i].name)) {
            break;
        }
    }

    if (i == CDR_PMD_KNOWN || (*seen & 1u << i)) {
        return CDR_DECLINED;
    }

    *seen |= 1u << i;
    kind = cdr_pmd_known[i].kind;

    if (!param->valued) {
        return kind == CDR_PMD_BITS ? CDR_DECLINED : CDR_OK;
    }

    bits = cdr_pmd_bits(param);

    if (kind == CDR_PMD_NO_VALUE || bits == 0) {
        return CDR_DECLINED;
    }

    if (i == CDR_PMD_SERVER_BITS) {
        offer->server_bits_offered = true;
        offer->server_max_window_bits = bits;

    } else {
        offer->client_bits_offered = true;
        offer->client_max_window_bits = bits;
    }

    return CDR_OK;
}


/* 8 to 15 without leading zeros (RFC 7692, section 7.1.2), or 0. */

static uint8_t
cdr_pmd_bits(const cdr_pmd_param_t *param)
{
    const uint8_t  *v = param->value;

    if (param->value_len == 1 && (v[0] == '8' || v[0] == '9')) {
        return (uint8_t) (v[0] - '0');
    }

    if (param->value_len == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5') {
        return (uint8_t) (10 + v[1] - '0');
    }

    return 0;
}


static bool
cdr_pmd_skip(cdr_str_t *rest, uint8_t ch)
{
    if (rest->len == 0 || rest->data[0] != ch) {
        return false;
    }

    cdr_pmd_advance(rest);

    return true;
}


static void
cdr_pmd_skip_space(cdr_str_t *rest)
{
    while (rest->len && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        cdr_pmd_advance(rest);
    }
}


static void
cdr_pmd_advance(cdr_str_t *rest)
{
    rest->data++;
    rest->len--;
}


static bool
cdr_pmd_eq(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


size_t
cdr_pmd_response(const cdr_pmd_t *pmd, uint8_t *dst, size_t size)
{
    size_t    len;
    uint8_t  *p, buf[CDR_PMD_RESPONSE_MAX];

    if (!pmd->on) {
        return 0;
    }

    p = cdr_pmd_put(buf, "permessage-deflate; server_no_context_takeover"
                         "; client_no_context_takeover");

    if (pmd->server_bits_offered) {
        p = cdr_pmd_put(p, "; server_max_window_bits=");
        p = cdr_pmd_put_bits(p, pmd->server_max_window_bits);
    }

    if (pmd->client_bits_offered) {
        p = cdr_pmd_put(p, "; client_max_window_bits=");
        p = cdr_pmd_put_bits(p, pmd->client_max_window_bits);
    }

    len = (size_t) (p - buf);

    if (len <= size) {
        memcpy(dst, buf, len);
    }

    return len;
}


static uint8_t *
cdr_pmd_put_bits(uint8_t *p, uint8_t bits)
{
    if (bits > 9) {
        *p++ = '1';
        bits = (uint8_t) (bits - 10);
    }

    *p++ = (uint8_t) ('0' + bits);

    return p;
}


bool
cdr_pmd_may_compress(const cdr_pmd_t *pmd, size_t len)
{
    return pmd->on && cdr_pmd_fits(pmd->server_max_window_bits, len);
}


bool
cdr_pmd_fits(uint8_t bits, size_t len)
{
    return bits == CDR_PMD_BITS_MAX || len <= (size_t) 1 << bits;
}
