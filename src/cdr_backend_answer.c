/* What a back end answers. */

#include <stddef.h>

#include "cdr_backend.h"


#define CDR_BACKEND_DEPTH    32
#define CDR_BACKEND_MEMBERS  64
#define CDR_BACKEND_SECONDS  100000000000   /* more are milliseconds */

#define cdr_backend_type(t)  (1U << (t))


static int cdr_backend_members(cdr_backend_answer_t *a,
    const cdr_json_member_t *members, size_t n);
static int cdr_backend_identity(cdr_backend_answer_t *a,
    const cdr_json_member_t *m);
static int cdr_backend_role(cdr_backend_answer_t *a,
    const cdr_json_member_t *m);
static bool cdr_backend_clean(cdr_str_t s, bool item);
static int cdr_backend_plain(const cdr_json_member_t *m, uint8_t *buf,
    size_t max, cdr_str_t *plain);
static int cdr_backend_close(cdr_backend_answer_t *a,
    const cdr_json_member_t *m);
static int cdr_backend_code(cdr_backend_answer_t *a, cdr_str_t value);
static int cdr_backend_integer(cdr_str_t value, int64_t *n);
static int cdr_backend_wrong(cdr_backend_answer_t *a, const char *error);
static bool cdr_backend_space(uint8_t ch);


/* What is as it came, and what it may be. */

static const struct {
    cdr_str_t            name;
    size_t               offset;
    unsigned             types;
    const char          *error;
} cdr_backend_raw[] = {

    { cdr_str("emit"), offsetof(cdr_backend_answer_t, emit),
      cdr_backend_type(CDR_JSON_OBJECT)|cdr_backend_type(CDR_JSON_ARRAY),
      "\"emit\" must be an object or an array" },

    { cdr_str("publish"), offsetof(cdr_backend_answer_t, publish),
      cdr_backend_type(CDR_JSON_OBJECT)|cdr_backend_type(CDR_JSON_ARRAY),
      "\"publish\" must be an object or an array" },

    { cdr_str("subscribe"), offsetof(cdr_backend_answer_t, subscribe),
      cdr_backend_type(CDR_JSON_OBJECT)|cdr_backend_type(CDR_JSON_ARRAY)
      |cdr_backend_type(CDR_JSON_STRING),
      "\"subscribe\" must be a string, an object or an array" },

    { cdr_str("unsubscribe"), offsetof(cdr_backend_answer_t, unsubscribe),
      cdr_backend_type(CDR_JSON_ARRAY)|cdr_backend_type(CDR_JSON_STRING),
      "\"unsubscribe\" must be a string or an array" }
};


int
cdr_backend_answer(cdr_backend_answer_t *a, cdr_str_t text)
{
    int                rc;
    cdr_json_scan_t    s;
    cdr_json_member_t  members[CDR_BACKEND_MEMBERS];

    memset(a, 0, offsetof(cdr_backend_answer_t, user_buf));

    a->expires = -1;
    a->reason[0] = '\0';

    while (text.len && cdr_backend_space(text.data[0])) {
        text.data++;
        text.len--;
    }

    if (text.len == 0) {
        return CDR_OK;
    }

    s.members = members;
    s.max_members = CDR_BACKEND_MEMBERS;
    s.max_depth = CDR_BACKEND_DEPTH;

    rc = cdr_json_scan(&s, text);

    if (rc == CDR_TOOBIG) {
        return cdr_backend_wrong(a, "it has too many members");
    }

    if (rc != CDR_OK || s.type != CDR_JSON_OBJECT) {
        return cdr_backend_wrong(a, s.too_deep ? "it is nested too deeply"
                                               : "it is not a JSON object");
    }

    return cdr_backend_members(a, members, s.nmembers);
}


static int
cdr_backend_members(cdr_backend_answer_t *a, const cdr_json_member_t *members,
    size_t n)
{
    size_t                    i;
    const cdr_json_member_t  *m;
    static const cdr_str_t    ack = cdr_str("ack");
    static const cdr_str_t    identity = cdr_str("identity");
    static const cdr_str_t    shut = cdr_str("close");

    for (i = 0; i < sizeof(cdr_backend_raw) / sizeof(cdr_backend_raw[0]); i++)
    {
        m = cdr_json_find(members, n, cdr_backend_raw[i].name);

        if (m == NULL || m->type == CDR_JSON_NULL) {
            continue;
        }

        if (!(cdr_backend_raw[i].types & cdr_backend_type(m->type))) {
            return cdr_backend_wrong(a, cdr_backend_raw[i].error);
        }

        memcpy((uint8_t *) a + cdr_backend_raw[i].offset, &m->value,
               sizeof(cdr_str_t));
    }

    m = cdr_json_find(members, n, ack);

    if (m && m->type != CDR_JSON_NULL) {
        a->ack = m->value;
        a->ack_type = m->type;
    }

    m = cdr_json_find(members, n, identity);

    if (m && m->type != CDR_JSON_NULL && cdr_backend_identity(a, m) != CDR_OK)
    {
        return CDR_ERROR;
    }

    m = cdr_json_find(members, n, shut);

    return m ? cdr_backend_close(a, m) : CDR_OK;
}


static int
cdr_backend_identity(cdr_backend_answer_t *a, const cdr_json_member_t *m)
{
    cdr_json_scan_t         s;
    cdr_json_member_t       members[CDR_BACKEND_MEMBERS];
    static const cdr_str_t  user = cdr_str("user");
    static const cdr_str_t  user_id = cdr_str("userId");
    static const cdr_str_t  role = cdr_str("role");
    static const cdr_str_t  expires = cdr_str("expires");

    s.members = members;
    s.max_members = CDR_BACKEND_MEMBERS;
    s.max_depth = CDR_BACKEND_DEPTH;

    if (m->type != CDR_JSON_OBJECT || cdr_json_scan(&s, m->value) != CDR_OK) {
        return cdr_backend_wrong(a, "\"identity\" must be an object");
    }

    a->identity = true;

    m = cdr_json_find(members, s.nmembers, user_id);

    if (m == NULL) {
        m = cdr_json_find(members, s.nmembers, user);
    }

    if (m && m->type != CDR_JSON_NULL
        && (cdr_backend_plain(m, a->user_buf, sizeof(a->user_buf), &a->user)
            != CDR_OK
            || !cdr_backend_clean(a->user, false)))
    {
        return cdr_backend_wrong(a, "\"identity.userId\" must be a string of "
                                    "at most 255 bytes, without control "
                                    "characters");
    }

    m = cdr_json_find(members, s.nmembers, role);

    if (m && m->type != CDR_JSON_NULL && cdr_backend_role(a, m) != CDR_OK) {
        return cdr_backend_wrong(a, "\"identity.role\" must be a string or "
                                    "strings of at most 255 bytes, without "
                                    "control characters");
    }

    m = cdr_json_find(members, s.nmembers, expires);

    if (m && m->type != CDR_JSON_NULL
        && (m->type != CDR_JSON_INTEGER
            || cdr_backend_integer(m->value, &a->expires) != CDR_OK
            || a->expires > CDR_BACKEND_SECONDS))
    {
        return cdr_backend_wrong(a, "\"identity.expires\" must be Unix "
                                    "seconds");
    }

    return CDR_OK;
}


/* A string, or strings that are joined by commas. */

static int
cdr_backend_role(cdr_backend_answer_t *a, const cdr_json_member_t *m)
{
    size_t             len, max;
    cdr_str_t          rest, plain;
    cdr_json_type_e    type;
    cdr_json_member_t  item;

    if (m->type != CDR_JSON_STRING && m->type != CDR_JSON_ARRAY) {
        return CDR_ERROR;
    }

    len = 0;
    max = sizeof(a->role_buf);
    rest = cdr_backend_list(m->value);

    while (cdr_backend_next(&rest, &item.value, &type) == CDR_OK) {
        item.type = type;

        if (len && len < max) {
            a->role_buf[len++] = ',';
        }

        if (cdr_backend_plain(&item, a->role_buf + len, max - len, &plain)
            != CDR_OK
            || !cdr_backend_clean(plain, m->type == CDR_JSON_ARRAY))
        {
            return CDR_ERROR;
        }

        len += plain.len;
    }

    a->role.data = a->role_buf;
    a->role.len = len;

    return CDR_OK;
}


/* No control character, nor what would part an item of a list, as in tokens. */

static bool
cdr_backend_clean(cdr_str_t s, bool item)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {

        if (s.data[i] < 0x20 || s.data[i] == 0x7f
            || (item && s.data[i] == ',')
            || (s.data[i] == 0xc2 && i + 1 < s.len && s.data[i + 1] < 0xa0))
        {
            return false;
        }
    }

    return true;
}


static int
cdr_backend_plain(const cdr_json_member_t *m, uint8_t *buf, size_t max,
    cdr_str_t *plain)
{
    cdr_str_t  text;

    if (m->type != CDR_JSON_STRING) {
        return CDR_ERROR;
    }

    text = cdr_json_text(m->value);

    if (cdr_json_unescape_size(text) > max) {
        return CDR_ERROR;
    }

    plain->len = cdr_json_unescape(buf, text);
    plain->data = buf;

    return CDR_OK;
}


/* true, a code, or an object with "code" and "reason". */

static int
cdr_backend_close(cdr_backend_answer_t *a, const cdr_json_member_t *m)
{
    cdr_str_t               plain;
    cdr_json_scan_t         s;
    cdr_json_member_t       members[CDR_BACKEND_MEMBERS];
    static const cdr_str_t  code = cdr_str("code");
    static const cdr_str_t  reason = cdr_str("reason");

    switch (m->type) {

    case CDR_JSON_NULL:
    case CDR_JSON_FALSE:
        return CDR_OK;

    case CDR_JSON_TRUE:
        a->close = 1000;
        return CDR_OK;

    case CDR_JSON_INTEGER:
        return cdr_backend_code(a, m->value);

    case CDR_JSON_OBJECT:
        break;

    default:
        return cdr_backend_wrong(a, "\"close\" must be a code or an object");
    }

    s.members = members;
    s.max_members = CDR_BACKEND_MEMBERS;
    s.max_depth = CDR_BACKEND_DEPTH;

    if (cdr_json_scan(&s, m->value) != CDR_OK) {
        return cdr_backend_wrong(a, "\"close\" has too many members");
    }

    a->close = 1000;

    m = cdr_json_find(members, s.nmembers, reason);

    if (m && m->type != CDR_JSON_NULL) {

        if (cdr_backend_plain(m, (uint8_t *) a->reason,
                              CDR_BACKEND_REASON_MAX, &plain)
            != CDR_OK)
        {
            return cdr_backend_wrong(a, "\"close.reason\" must be a string "
                                        "of at most 123 bytes");
        }

        a->reason[plain.len] = '\0';
    }

    m = cdr_json_find(members, s.nmembers, code);

    return m ? cdr_backend_code(a, m->value) : CDR_OK;
}


/* What an application may say, RFC 6455 section 7.4.2. */

static int
cdr_backend_code(cdr_backend_answer_t *a, cdr_str_t value)
{
    int64_t  n;

    if (cdr_backend_integer(value, &n) != CDR_OK
        || (n != 1000 && (n < 3000 || n > 4999)))
    {
        return cdr_backend_wrong(a, "a close code is 1000, or 3000 to 4999");
    }

    a->close = (unsigned) n;

    return CDR_OK;
}


static int
cdr_backend_integer(cdr_str_t value, int64_t *n)
{
    size_t   i;
    int64_t  v;

    v = 0;

    for (i = 0; i < value.len; i++) {

        if (value.data[i] < '0' || value.data[i] > '9'
            || v > (INT64_MAX - 9) / 10)
        {
            return CDR_ERROR;
        }

        v = v * 10 + (value.data[i] - '0');
    }

    *n = v;

    return CDR_OK;
}


cdr_str_t
cdr_backend_list(cdr_str_t value)
{
    if (value.len > 1 && value.data[0] == '[') {
        value.data++;
        value.len -= 2;
    }

    return value;
}


int
cdr_backend_next(cdr_str_t *list, cdr_str_t *item, cdr_json_type_e *type)
{
    cdr_json_scan_t  s;

    while (list->len
           && (cdr_backend_space(list->data[0]) || list->data[0] == ','))
    {
        list->data++;
        list->len--;
    }

    s.members = NULL;
    s.max_members = 0;
    s.max_depth = CDR_BACKEND_DEPTH;

    if (list->len == 0 || cdr_json_scan_value(&s, *list) != CDR_OK) {
        return CDR_DECLINED;
    }

    item->data = list->data;
    item->len = s.end;
    *type = s.type;

    list->data += s.end;
    list->len -= s.end;

    return CDR_OK;
}


static int
cdr_backend_wrong(cdr_backend_answer_t *a, const char *error)
{
    a->error = error;

    return CDR_ERROR;
}


static bool
cdr_backend_space(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}
