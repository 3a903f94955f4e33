/* What the servers of a hub are told to do, as text. */

#include "cdr_control.h"

#include <string.h>

#include "cdr_json.h"


#define CONTROL_MEMBERS  16
#define CONTROL_DEPTH    8
#define CONTROL_HEX      32


static int cdr_control_disconnect(cdr_control_t *control,
    const cdr_json_scan_t *s, uint8_t *buf);
static int cdr_control_revoke(cdr_control_t *control,
    const cdr_json_scan_t *s);
static int cdr_control_drain(cdr_control_t *control, const cdr_json_scan_t *s,
    uint8_t *buf);
static int cdr_control_string(const cdr_json_scan_t *s, cdr_str_t key,
    cdr_str_t *text);
static int cdr_control_name(const cdr_json_scan_t *s, cdr_str_t key,
    cdr_str_t *name, uint8_t *buf);
static int cdr_control_time(cdr_str_t value, uint64_t *ms);
static void cdr_control_hex(uint8_t *dst, const uint64_t hash[2]);
static int cdr_control_hash(cdr_str_t text, uint64_t hash[2]);


static const cdr_str_t  cdr_control_user = cdr_str("user");
static const cdr_str_t  cdr_control_jti = cdr_str("jti");


size_t
cdr_control_print(uint8_t *dst, const cdr_control_t *control)
{
    uint8_t         hex[CONTROL_HEX];
    cdr_json_out_t  out = { dst, 0 };

    switch (control->kind) {

    case CDR_CONTROL_DISCONNECT:
        cdr_json_put_lit(&out, "{\"do\":\"disconnect\",\"id\":");
        cdr_json_put_string(&out, control->name);
        break;

    case CDR_CONTROL_REVOKE:
        cdr_control_hex(hex, control->hash);

        cdr_json_put_lit(&out, "{\"do\":\"revoke\",\"kind\":");
        cdr_json_put_string(&out, (control->revoked == CDR_REVOKE_JTI)
                                  ? cdr_control_jti : cdr_control_user);
        cdr_json_put_lit(&out, ",\"hash\":\"");
        cdr_json_put(&out, hex, CONTROL_HEX);
        cdr_json_put_lit(&out, "\",\"until\":");
        cdr_json_put_u64(&out, control->until_ms);
        break;

    default:
        cdr_json_put_lit(&out, "{\"do\":\"drain\",\"server\":");
        cdr_json_put_string(&out, control->name);

        if (control->on) {
            cdr_json_put_lit(&out, ",\"on\":true");

        } else {
            cdr_json_put_lit(&out, ",\"on\":false");
        }
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


int
cdr_control_parse(cdr_control_t *control, cdr_str_t text,
    uint8_t buf[CDR_CONTROL_NAME_MAX])
{
    cdr_str_t          what;
    cdr_json_scan_t    s;
    cdr_json_member_t  members[CONTROL_MEMBERS];

    static const cdr_str_t  key = cdr_str("do");
    static const cdr_str_t  disconnect = cdr_str("disconnect");
    static const cdr_str_t  revoke = cdr_str("revoke");
    static const cdr_str_t  drain = cdr_str("drain");

    memset(&s, 0, sizeof(cdr_json_scan_t));
    memset(control, 0, sizeof(cdr_control_t));

    s.members = members;
    s.max_members = CONTROL_MEMBERS;
    s.max_depth = CONTROL_DEPTH;

    if (cdr_json_scan(&s, text) != CDR_OK || s.type != CDR_JSON_OBJECT) {
        return CDR_ERROR;
    }

    if (cdr_control_string(&s, key, &what) != CDR_OK) {
        return CDR_DECLINED;
    }

    if (cdr_json_text_eq(what, disconnect)) {
        return cdr_control_disconnect(control, &s, buf);
    }

    if (cdr_json_text_eq(what, revoke)) {
        return cdr_control_revoke(control, &s);
    }

    if (cdr_json_text_eq(what, drain)) {
        return cdr_control_drain(control, &s, buf);
    }

    return CDR_DECLINED;
}


static int
cdr_control_disconnect(cdr_control_t *control, const cdr_json_scan_t *s,
    uint8_t *buf)
{
    static const cdr_str_t  id = cdr_str("id");

    control->kind = CDR_CONTROL_DISCONNECT;

    return cdr_control_name(s, id, &control->name, buf);
}


static int
cdr_control_revoke(cdr_control_t *control, const cdr_json_scan_t *s)
{
    cdr_str_t                 text;
    const cdr_json_member_t  *m;
    static const cdr_str_t    kind = cdr_str("kind"), hash = cdr_str("hash"),
                              until = cdr_str("until");

    control->kind = CDR_CONTROL_REVOKE;

    if (cdr_control_string(s, kind, &text) != CDR_OK) {
        return CDR_ERROR;
    }

    if (cdr_json_text_eq(text, cdr_control_user)) {
        control->revoked = CDR_REVOKE_USER;

    } else if (cdr_json_text_eq(text, cdr_control_jti)) {
        control->revoked = CDR_REVOKE_JTI;

    } else {
        return CDR_ERROR;
    }

    if (cdr_control_string(s, hash, &text) != CDR_OK
        || cdr_control_hash(text, control->hash) != CDR_OK)
    {
        return CDR_ERROR;
    }

    m = cdr_json_find(s->members, s->nmembers, until);

    return (m && m->type == CDR_JSON_INTEGER)
           ? cdr_control_time(m->value, &control->until_ms) : CDR_ERROR;
}


static int
cdr_control_drain(cdr_control_t *control, const cdr_json_scan_t *s,
    uint8_t *buf)
{
    const cdr_json_member_t  *m;
    static const cdr_str_t    server = cdr_str("server"), on = cdr_str("on");

    control->kind = CDR_CONTROL_DRAIN;

    m = cdr_json_find(s->members, s->nmembers, on);

    if (m == NULL || (m->type != CDR_JSON_TRUE && m->type != CDR_JSON_FALSE)) {
        return CDR_ERROR;
    }

    control->on = (m->type == CDR_JSON_TRUE);

    return cdr_control_name(s, server, &control->name, buf);
}


static int
cdr_control_string(const cdr_json_scan_t *s, cdr_str_t key, cdr_str_t *text)
{
    const cdr_json_member_t  *m;

    m = cdr_json_find(s->members, s->nmembers, key);

    if (m == NULL || m->type != CDR_JSON_STRING) {
        return CDR_ERROR;
    }

    *text = cdr_json_text(m->value);

    return CDR_OK;
}


static int
cdr_control_name(const cdr_json_scan_t *s, cdr_str_t key, cdr_str_t *name,
    uint8_t *buf)
{
    cdr_str_t  text;

    if (cdr_control_string(s, key, &text) != CDR_OK) {
        return CDR_ERROR;
    }

    name->data = buf;
    name->len = cdr_json_unescape_size(text);

    if (name->len == 0 || name->len > CDR_CONTROL_NAME_MAX) {
        return CDR_ERROR;
    }

    (void) cdr_json_unescape(buf, text);

    return CDR_OK;
}


/* An integer within int64, as it was scanned. */

static int
cdr_control_time(cdr_str_t value, uint64_t *ms)
{
    size_t    i;
    uint64_t  n;

    for (n = 0, i = 0; i < value.len; i++) {

        if (value.data[i] < '0' || value.data[i] > '9') {
            return CDR_ERROR;
        }

        n = n * 10 + (uint64_t) (value.data[i] - '0');
    }

    *ms = n;

    return CDR_OK;
}


size_t
cdr_control_field(uint8_t *dst, cdr_revoke_kind_t kind,
    const uint64_t hash[2])
{
    size_t  len;

    len = (kind == CDR_REVOKE_JTI) ? 4 : 5;

    memcpy(dst, (kind == CDR_REVOKE_JTI) ? "jti:" : "user:", len);
    cdr_control_hex(dst + len, hash);

    return len + CONTROL_HEX;
}


int
cdr_control_field_parse(cdr_str_t text, cdr_revoke_kind_t *kind,
    uint64_t hash[2])
{
    size_t  len;

    *kind = (text.len && text.data[0] == 'j') ? CDR_REVOKE_JTI
                                              : CDR_REVOKE_USER;
    len = (*kind == CDR_REVOKE_JTI) ? 4 : 5;

    if (text.len < len
        || memcmp(text.data, (*kind == CDR_REVOKE_JTI) ? "jti:" : "user:",
                  len) != 0)
    {
        return CDR_ERROR;
    }

    text.data += len;
    text.len -= len;

    return cdr_control_hash(text, hash);
}


static void
cdr_control_hex(uint8_t *dst, const uint64_t hash[2])
{
    unsigned  i;

    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < CONTROL_HEX; i++) {
        dst[i] = (uint8_t) digits[(hash[i / 16] >> (60 - i % 16 * 4)) & 15];
    }
}


static int
cdr_control_hash(cdr_str_t text, uint64_t hash[2])
{
    unsigned  i, digit;

    if (text.len != CONTROL_HEX) {
        return CDR_ERROR;
    }

    hash[0] = 0;
    hash[1] = 0;

    for (i = 0; i < CONTROL_HEX; i++) {

        if (text.data[i] >= '0' && text.data[i] <= '9') {
            digit = (unsigned) (text.data[i] - '0');

        } else if (text.data[i] >= 'a' && text.data[i] <= 'f') {
            digit = (unsigned) (text.data[i] - 'a') + 10;

        } else {
            return CDR_ERROR;
        }

        hash[i / 16] = hash[i / 16] << 4 | digit;
    }

    return CDR_OK;
}
