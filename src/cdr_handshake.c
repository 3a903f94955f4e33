/* The header fields of a WebSocket opening handshake: RFC 6455, section 4.2. */

#include "cdr.h"
#include "cdr_handshake.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>


/* RFC 6455, section 1.3. */

#define CDR_WS_GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define CDR_WS_GUID_LEN  (sizeof(CDR_WS_GUID) - 1)

#define cdr_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')


static uint8_t cdr_lower(uint8_t ch);
static bool cdr_list_next(cdr_str_t *rest, cdr_str_t *member);
static int cdr_ws_subprotocol_add(cdr_str_t entry, cdr_str_t wanted,
    cdr_ws_subprotocols_t *out);
static bool cdr_str_eq(cdr_str_t a, cdr_str_t b);


/* One bit for each of the 128 characters of ASCII. */

static const uint32_t  cdr_tchar[4] = {
    0x00000000,    /* control characters */
    0x03ff6cfa,    /* ! # $ % & ' * + - . 0-9 */
    0xc7fffffe,    /* A-Z ^ _ */
    0x57ffffff     /* ` a-z | ~ */
};


bool
cdr_str_ieq(cdr_str_t a, cdr_str_t b)
{
    size_t  i;

    if (a.len != b.len) {
        return false;
    }

    for (i = 0; i < a.len; i++) {
        if (cdr_lower(a.data[i]) != cdr_lower(b.data[i])) {
            return false;
        }
    }

    return true;
}


static uint8_t
cdr_lower(uint8_t ch)
{
    return (uint8_t) (ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
}


bool
cdr_is_tchar(uint8_t ch)
{
    return ch < 128 && (cdr_tchar[ch >> 5] >> (ch & 31) & 1);
}


bool
cdr_list_has(cdr_str_t value, cdr_str_t token)
{
    cdr_str_t  member;

    if (token.len == 0) {
        return false;
    }

    while (cdr_list_next(&value, &member)) {
        if (cdr_str_ieq(member, token)) {
            return true;
        }
    }

    return false;
}


/*
 * Splits the next member off a comma-separated list and takes the white space
 * around it away.  After the last one "rest" has no data and false comes back.
 */

static bool
cdr_list_next(cdr_str_t *rest, cdr_str_t *member)
{
    const uint8_t  *p, *comma, *end;

    if (rest->data == NULL) {
        return false;
    }

    p = rest->data;
    end = p + rest->len;
    comma = rest->len ? memchr(p, ',', rest->len) : NULL;

    if (comma) {
        rest->data = comma + 1;
        rest->len = (size_t) (end - rest->data);
        end = comma;

    } else {
        rest->data = NULL;
        rest->len = 0;
    }

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    member->data = p;
    member->len = (size_t) (end - p);

    return true;
}


int
cdr_ws_key_check(cdr_str_t key)
{
    size_t   i;
    uint8_t  ch;

    if (key.len != CDR_WS_KEY_LEN) {
        return CDR_ERROR;
    }

    for (i = 0; i < CDR_WS_KEY_LEN - 2; i++) {
        ch = cdr_lower(key.data[i]);

        if (!(ch >= 'a' && ch <= 'z') && !cdr_is_digit(ch)
            && ch != '+' && ch != '/')
        {
            return CDR_ERROR;
        }
    }

    if (key.data[i] != '=' || key.data[i + 1] != '=') {
        return CDR_ERROR;
    }

    return CDR_OK;
}


int
cdr_ws_accept(cdr_str_t key, uint8_t dst[CDR_WS_ACCEPT_LEN])
{
    uint8_t  text[CDR_WS_KEY_LEN + CDR_WS_GUID_LEN];
    uint8_t  digest[SHA_DIGEST_LENGTH];
    uint8_t  base64[CDR_WS_ACCEPT_LEN + 1];

    if (key.len != CDR_WS_KEY_LEN) {
        return CDR_ERROR;
    }

    memcpy(text, key.data, CDR_WS_KEY_LEN);
    memcpy(text + CDR_WS_KEY_LEN, CDR_WS_GUID, CDR_WS_GUID_LEN);

    if (SHA1(text, sizeof(text), digest) == NULL) {
        return CDR_ERROR;
    }

    EVP_EncodeBlock(base64, digest, SHA_DIGEST_LENGTH);
    memcpy(dst, base64, CDR_WS_ACCEPT_LEN);

    return CDR_OK;
}


int
cdr_ws_version_check(cdr_str_t version)
{
    size_t    i;
    unsigned  n;

    if (version.len < 1 || version.len > 3
        || (version.data[0] == '0' && version.len > 1))
    {
        return CDR_ERROR;
    }

    n = 0;

    for (i = 0; i < version.len; i++) {
        if (!cdr_is_digit(version.data[i])) {
            return CDR_ERROR;
        }

        n = n * 10 + (unsigned) (version.data[i] - '0');
    }

    if (n > 255) {
        return CDR_ERROR;
    }

    return n == 13 ? CDR_OK : CDR_DECLINED;
}


int
cdr_ws_subprotocol_next(cdr_str_t *rest, cdr_str_t *entry)
{
    size_t  i;

    if (!cdr_list_next(rest, entry)) {
        return CDR_DECLINED;
    }

    if (entry->len == 0) {
        return CDR_ERROR;
    }

    for (i = 0; i < entry->len; i++) {
        if (!cdr_is_tchar(entry->data[i])) {
            return CDR_ERROR;
        }
    }

    return CDR_OK;
}


int
cdr_ws_subprotocols(cdr_str_t value, cdr_str_t wanted,
    cdr_ws_subprotocols_t *out)
{
    int        rc;
    cdr_str_t  entry;

    if (value.len == 0) {
        return CDR_ERROR;
    }

    for ( ;; ) {
        rc = cdr_ws_subprotocol_next(&value, &entry);

        if (rc == CDR_DECLINED) {
            return CDR_OK;
        }

        if (rc != CDR_OK
            || cdr_ws_subprotocol_add(entry, wanted, out) != CDR_OK)
        {
            return CDR_ERROR;
        }
    }
}


static int
cdr_ws_subprotocol_add(cdr_str_t entry, cdr_str_t wanted,
    cdr_ws_subprotocols_t *out)
{
    size_t  i;

    static const cdr_str_t  bearer = cdr_str("bearer.");

    if (out->count == CDR_WS_SUBPROTOCOLS_MAX) {
        return CDR_ERROR;
    }

    for (i = 0; i < out->count; i++) {
        if (cdr_str_eq(out->entries[i], entry)) {
            return CDR_ERROR;
        }
    }

    out->entries[out->count++] = entry;

    if (cdr_str_eq(entry, wanted)) {
        out->conductor = true;
    }

    if (entry.len >= bearer.len
        && memcmp(entry.data, bearer.data, bearer.len) == 0)
    {
        if (out->bearer.data || entry.len == bearer.len) {
            return CDR_ERROR;
        }

        out->bearer.data = entry.data + bearer.len;
        out->bearer.len = entry.len - bearer.len;
    }

    return CDR_OK;
}


static bool
cdr_str_eq(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
