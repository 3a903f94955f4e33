/* What servers tell each other of their reviewers, as lines of JSON. */

#include "cdr.h"
#include "cdr_guest_text.h"
#include "cdr_json.h"
#include "cdr_presence_json.h"

#include <string.h>


#define CDR_GUEST_MEMBERS  32
#define CDR_GUEST_DEPTH    8
#define CDR_GUEST_TIME     ((uint64_t) 1 << 53)
#define CDR_GUEST_LEAVE    (60 * 60 * 1000)


/* A line as it is read: the first thing that is wrong stays so. */

typedef struct {
    cdr_json_scan_t      scan;
    cdr_json_member_t    members[CDR_GUEST_MEMBERS];
    bool                 wrong;
} cdr_guest_in_t;


static bool cdr_guest_read(cdr_guest_in_t *in, cdr_str_t line);
static const cdr_json_member_t *cdr_guest_member(cdr_guest_in_t *in,
    cdr_str_t name, cdr_json_type_e type);
static cdr_str_t cdr_guest_string(cdr_guest_in_t *in, cdr_str_t name,
    size_t max, uint8_t **buf);
static uint64_t cdr_guest_integer(cdr_guest_in_t *in, cdr_str_t name,
    uint64_t max);
static bool cdr_guest_flag(cdr_guest_in_t *in, cdr_str_t name);
static void cdr_guest_put_string(cdr_json_out_t *out, const char *name,
    cdr_str_t value);
static void cdr_guest_put_number(cdr_json_out_t *out, const char *name,
    uint64_t n);


static const cdr_str_t  cdr_guest_server_key = cdr_str("server");
static const cdr_str_t  cdr_guest_version_key = cdr_str("version");
static const cdr_str_t  cdr_guest_all_key = cdr_str("all");
static const cdr_str_t  cdr_guest_id_key = cdr_str("id");
static const cdr_str_t  cdr_guest_anonymous_key = cdr_str("anonymous");
static const cdr_str_t  cdr_guest_gone_key = cdr_str("gone");
static const cdr_str_t  cdr_guest_leave_key = cdr_str("leave");
static const cdr_str_t  cdr_guest_status_key = cdr_str("status");
static const cdr_str_t  cdr_guest_role_key = cdr_str("role");
static const cdr_str_t  cdr_guest_feature_key = cdr_str("feature");
static const cdr_str_t  cdr_guest_connections_key = cdr_str("connections");
static const cdr_str_t  cdr_guest_connection_key = cdr_str("connection");
static const cdr_str_t  cdr_guest_spoke_key = cdr_str("spoke");
static const cdr_str_t  cdr_guest_said_key = cdr_str("said");
static const cdr_str_t  cdr_guest_since_key = cdr_str("since");


size_t
cdr_guest_note(uint8_t *dst, const cdr_guest_note_t *note)
{
    cdr_json_out_t  out = { dst, 0 };

    /* A number of 64 bits is a string: not all readers have such numbers. */

    cdr_json_put_lit(&out, "{\"server\":\"");
    cdr_json_put_u64(&out, note->server);
    cdr_json_put_lit(&out, "\"");
    cdr_guest_put_number(&out, ",\"version\":", note->version);

    if (note->all) {
        cdr_json_put_lit(&out, ",\"all\":true");
    }

    if (note->gone) {
        cdr_json_put_lit(&out, ",\"gone\":true");
        cdr_guest_put_number(&out, ",\"leave\":", note->leave);
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_guest_line(uint8_t *dst, const cdr_guest_info_t *info)
{
    uint8_t         id[CDR_CONN_ID_TEXT_LEN];
    cdr_str_t       connection = { id, sizeof(id) };
    cdr_json_out_t  out = { dst, 0 };

    cdr_conn_id_print(id, info->connection);

    cdr_guest_put_string(&out, "{\"id\":", info->id);

    if (info->anonymous) {
        cdr_json_put_lit(&out, ",\"anonymous\":true");
    }

    cdr_guest_put_string(&out, ",\"status\":", cdr_status_name(info->status));
    cdr_guest_put_string(&out, ",\"role\":", info->role);
    cdr_guest_put_string(&out, ",\"feature\":", info->feature);
    cdr_guest_put_number(&out, ",\"connections\":", info->connections);
    cdr_guest_put_string(&out, ",\"connection\":", connection);

    if (info->spoke) {
        cdr_json_put_lit(&out, ",\"spoke\":true");
    }

    cdr_guest_put_number(&out, ",\"said\":", info->said_ms);
    cdr_guest_put_number(&out, ",\"since\":", info->connected_ms);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_guest_gone(uint8_t *dst, cdr_str_t id, bool anonymous)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_guest_put_string(&out, "{\"id\":", id);

    if (anonymous) {
        cdr_json_put_lit(&out, ",\"anonymous\":true");
    }

    cdr_json_put_lit(&out, ",\"gone\":true}");

    return out.len;
}


size_t
cdr_guest_field(uint8_t *dst, cdr_str_t id, bool anonymous)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put(&out, anonymous ? "c:" : "u:", 2);
    cdr_json_put(&out, id.data, id.len);

    return out.len;
}


int
cdr_guest_note_parse(cdr_guest_note_t *note, cdr_str_t line)
{
    uint8_t         buf[CDR_JSON_U64_LEN], *at;
    cdr_str_t       server;
    cdr_guest_in_t  in;

    if (!cdr_guest_read(&in, line)) {
        return CDR_ERROR;
    }

    at = buf;
    server = cdr_guest_string(&in, cdr_guest_server_key, sizeof(buf), &at);

    note->version = cdr_guest_integer(&in, cdr_guest_version_key, INT64_MAX);
    note->all = cdr_guest_flag(&in, cdr_guest_all_key);
    note->gone = cdr_guest_flag(&in, cdr_guest_gone_key);
    note->leave = note->gone ? cdr_guest_integer(&in, cdr_guest_leave_key,
                                                 CDR_GUEST_LEAVE)
                             : 0;

    return (in.wrong || cdr_guest_number(server, &note->server) != CDR_OK)
           ? CDR_ERROR : CDR_OK;
}


int
cdr_guest_line_parse(cdr_guest_info_t *info, bool *gone, cdr_str_t line,
    uint8_t *buf)
{
    uint8_t         text[CDR_CONN_ID_TEXT_LEN], *at;
    cdr_str_t       str;
    cdr_guest_in_t  in;

    if (!cdr_guest_read(&in, line)) {
        return CDR_ERROR;
    }

    info->id = cdr_guest_string(&in, cdr_guest_id_key, CDR_REVIEWER_ID_MAX,
                                &buf);
    info->anonymous = cdr_guest_flag(&in, cdr_guest_anonymous_key);
    *gone = cdr_guest_flag(&in, cdr_guest_gone_key);

    if (in.wrong || info->id.len == 0) {
        return CDR_ERROR;
    }

    if (*gone) {
        return CDR_OK;
    }

    info->role = cdr_guest_string(&in, cdr_guest_role_key, CDR_CONN_ROLE_MAX,
                                  &buf);
    info->feature = cdr_guest_string(&in, cdr_guest_feature_key,
                                     CDR_CONN_FEATURE_MAX, &buf);
    info->connections = (uint32_t)
                        cdr_guest_integer(&in, cdr_guest_connections_key,
                                          CDR_REGISTRY_ENTRIES_MAX);
    info->spoke = cdr_guest_flag(&in, cdr_guest_spoke_key);
    info->said_ms = cdr_guest_integer(&in, cdr_guest_said_key,
                                      CDR_GUEST_TIME);
    info->connected_ms = cdr_guest_integer(&in, cdr_guest_since_key,
                                           CDR_GUEST_TIME);

    at = text;
    str = cdr_guest_string(&in, cdr_guest_status_key, sizeof(text), &at);

    if (in.wrong || cdr_status_parse(str, &info->status) != CDR_OK
        || info->status == CDR_STATUS_OFFLINE)
    {
        return CDR_ERROR;
    }

    at = text;
    str = cdr_guest_string(&in, cdr_guest_connection_key, sizeof(text), &at);

    return (in.wrong
            || cdr_conn_id_parse(info->connection, str.data, str.len)
               != CDR_OK)
           ? CDR_ERROR : CDR_OK;
}


bool
cdr_guest_next_line(cdr_str_t *text, cdr_str_t *line)
{
    const uint8_t  *end;

    if (text->len == 0) {
        return false;
    }

    end = memchr(text->data, '\n', text->len);

    line->data = text->data;
    line->len = end ? (size_t) (end - text->data) : text->len;

    text->data += line->len + (end ? 1 : 0);
    text->len -= line->len + (end ? 1 : 0);

    return true;
}


int
cdr_guest_number(cdr_str_t text, uint64_t *n)
{
    size_t    i;
    unsigned  digit;

    *n = 0;

    if (text.len == 0 || text.len > CDR_JSON_U64_LEN) {
        return CDR_ERROR;
    }

    for (i = 0; i < text.len; i++) {
        digit = (unsigned) text.data[i] - '0';

        if (digit > 9 || *n > (UINT64_MAX - digit) / 10) {
            return CDR_ERROR;
        }

        *n = *n * 10 + digit;
    }

    return CDR_OK;
}


static bool
cdr_guest_read(cdr_guest_in_t *in, cdr_str_t line)
{
    memset(&in->scan, 0, sizeof(cdr_json_scan_t));

    in->scan.members = in->members;
    in->scan.max_members = CDR_GUEST_MEMBERS;
    in->scan.max_depth = CDR_GUEST_DEPTH;
    in->wrong = false;

    return cdr_json_scan(&in->scan, line) == CDR_OK
           && in->scan.type == CDR_JSON_OBJECT;
}


/* NULL, and the line is wrong, unless it is there and of that type. */

static const cdr_json_member_t *
cdr_guest_member(cdr_guest_in_t *in, cdr_str_t name, cdr_json_type_e type)
{
    const cdr_json_member_t  *m;

    m = cdr_json_find(in->members, in->scan.nmembers, name);

    if (m == NULL || m->type != type) {
        in->wrong = true;
        return NULL;
    }

    return m;
}


static cdr_str_t
cdr_guest_string(cdr_guest_in_t *in, cdr_str_t name, size_t max,
    uint8_t **buf)
{
    cdr_str_t                 text, str = cdr_str_null;
    const cdr_json_member_t  *m;

    m = cdr_guest_member(in, name, CDR_JSON_STRING);

    if (m == NULL) {
        return str;
    }

    text = cdr_json_text(m->value);

    if (cdr_json_unescape_size(text) > max) {
        in->wrong = true;
        return str;
    }

    str.data = *buf;
    str.len = cdr_json_unescape(*buf, text);
    *buf += str.len;

    return str;
}


static uint64_t
cdr_guest_integer(cdr_guest_in_t *in, cdr_str_t name, uint64_t max)
{
    uint64_t                  n;
    const cdr_json_member_t  *m;

    m = cdr_guest_member(in, name, CDR_JSON_INTEGER);

    if (m == NULL || cdr_guest_number(m->value, &n) != CDR_OK || n > max) {
        in->wrong = true;
        return 0;
    }

    return n;
}


/* One that is not there is false. */

static bool
cdr_guest_flag(cdr_guest_in_t *in, cdr_str_t name)
{
    const cdr_json_member_t  *m;

    m = cdr_json_find(in->members, in->scan.nmembers, name);

    if (m && m->type != CDR_JSON_TRUE && m->type != CDR_JSON_FALSE) {
        in->wrong = true;
    }

    return m && m->type == CDR_JSON_TRUE;
}


static void
cdr_guest_put_string(cdr_json_out_t *out, const char *name, cdr_str_t value)
{
    cdr_json_put(out, name, strlen(name));
    cdr_json_put_string(out, value);
}


static void
cdr_guest_put_number(cdr_json_out_t *out, const char *name, uint64_t n)
{
    cdr_json_put(out, name, strlen(name));
    cdr_json_put_u64(out, n);
}
