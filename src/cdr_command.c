/* The commands of clients. */

#include "cdr.h"
#include "cdr_command.h"


typedef struct {
    cdr_str_t            name;
    cdr_command_type_e   type;
} cdr_command_name_t;


static int cdr_command_parse_id(cdr_command_t *cmd);
static int cdr_command_parse_type(cdr_command_t *cmd);
static int cdr_command_parse_key(cdr_command_t *cmd);
static int cdr_command_text(const cdr_json_member_t *m, uint8_t *buf,
    cdr_str_t *plain);
static cdr_command_type_e cdr_command_type(cdr_command_t *cmd);
static int cdr_command_fail(cdr_command_t *cmd, unsigned code,
    const char *error);


static const cdr_str_t  cdr_command_id_key = cdr_str("id");
static const cdr_str_t  cdr_command_type_key = cdr_str("type");
static const cdr_str_t  cdr_command_key_key = cdr_str("key");
static const cdr_str_t  cdr_command_agent = cdr_str("agent:");

static const cdr_command_name_t  cdr_command_names[] = {
    { cdr_str("presence-update"), CDR_COMMAND_PRESENCE_UPDATE },
    { cdr_str("ping"),            CDR_COMMAND_PING },
    { cdr_str("subscribe"),       CDR_COMMAND_SUBSCRIBE },
    { cdr_str("unsubscribe"),     CDR_COMMAND_UNSUBSCRIBE },
    { cdr_str("resume"),          CDR_COMMAND_RESUME },
    { cdr_str("publish"),         CDR_COMMAND_PUBLISH },
    { cdr_str("auth"),            CDR_COMMAND_AUTH }
};


int
cdr_command_parse(cdr_command_t *cmd, cdr_str_t text)
{
    int              rc;
    cdr_json_scan_t  s;

    cmd->type = CDR_COMMAND_OTHER;
    cmd->name = (cdr_str_t) cdr_str_null;
    cmd->agent = (cdr_str_t) cdr_str_null;
    cmd->id = (cdr_str_t) cdr_str_null;
    cmd->key = (cdr_str_t) cdr_str_null;
    cmd->code = 0;
    cmd->error = (cdr_str_t) cdr_str_null;

    s.members = cmd->members;
    s.max_members = CDR_COMMAND_MAX_MEMBERS;
    s.max_depth = CDR_COMMAND_MAX_DEPTH;

    rc = cdr_json_scan(&s, text);

    cmd->nmembers = s.nmembers;

    if (rc == CDR_OK && s.type == CDR_JSON_OBJECT) {

        if (cdr_command_parse_id(cmd) != CDR_OK
            || cdr_command_parse_type(cmd) != CDR_OK)
        {
            return CDR_ERROR;
        }

        return cdr_command_parse_key(cmd);
    }

    if (rc == CDR_TOOBIG || s.too_deep) {

        /* well-formed as far as it was read, so its id counts */

        (void) cdr_command_parse_id(cmd);
    }

    if (rc == CDR_TOOBIG) {
        return cdr_command_fail(cmd, CDR_ERR_BAD_MESSAGE,
                                "the message has too many members");
    }

    return cdr_command_fail(cmd, CDR_ERR_BAD_JSON,
                            s.too_deep ? "the message is nested too deeply"
                                       : "the message is not a JSON object");
}


static int
cdr_command_parse_id(cdr_command_t *cmd)
{
    cdr_str_t                 id;
    const cdr_json_member_t  *m;

    m = cdr_command_member(cmd, cdr_command_id_key);

    if (m == NULL) {
        return CDR_OK;
    }

    id = m->value;

    switch (m->type) {

    case CDR_JSON_INTEGER:
    case CDR_JSON_REAL:

        if (id.len > CDR_COMMAND_MAX_TEXT) {
            break;
        }

        cmd->id = id;
        return CDR_OK;

    case CDR_JSON_STRING:

        if (cdr_json_text_chars(cdr_json_text(id)) > CDR_COMMAND_MAX_TEXT) {
            break;
        }

        cmd->id = id;

        if (memchr(id.data, '\\', id.len) != NULL) {
            cmd->id.data = cmd->id_buf;
            cmd->id.len = cdr_json_canonical(cmd->id_buf, id);
        }

        return CDR_OK;

    default:
        break;
    }

    return cdr_command_fail(cmd, CDR_ERR_BAD_MESSAGE,
                            "\"id\" must be a string or a number "
                            "of at most 64 characters");
}


static int
cdr_command_parse_type(cdr_command_t *cmd)
{
    const cdr_json_member_t  *m;

    m = cdr_command_member(cmd, cdr_command_type_key);

    if (m == NULL
        || cdr_command_text(m, cmd->name_buf, &cmd->name) != CDR_OK
        || cmd->name.len == 0)
    {
        return cdr_command_fail(cmd, CDR_ERR_BAD_MESSAGE,
                                "\"type\" must be a string "
                                "of 1 to 64 characters");
    }

    cmd->type = cdr_command_type(cmd);

    return CDR_OK;
}


static int
cdr_command_parse_key(cdr_command_t *cmd)
{
    const cdr_json_member_t  *m;

    m = cdr_command_member(cmd, cdr_command_key_key);

    if (m && cdr_command_text(m, cmd->key_buf, &cmd->key) != CDR_OK) {
        return cdr_command_fail(cmd, CDR_ERR_BAD_MESSAGE,
                                "\"key\" must be a string "
                                "of at most 64 characters");
    }

    return CDR_OK;
}


/* A string of at most CDR_COMMAND_MAX_TEXT characters, decoded. */

static int
cdr_command_text(const cdr_json_member_t *m, uint8_t *buf, cdr_str_t *plain)
{
    cdr_str_t  text;

    if (m->type != CDR_JSON_STRING) {
        return CDR_ERROR;
    }

    text = cdr_json_text(m->value);

    if (cdr_json_text_chars(text) > CDR_COMMAND_MAX_TEXT) {
        return CDR_TOOBIG;
    }

    *plain = text;

    if (memchr(text.data, '\\', text.len) != NULL) {
        plain->data = buf;
        plain->len = cdr_json_unescape(buf, text);
    }

    return CDR_OK;
}


static cdr_command_type_e
cdr_command_type(cdr_command_t *cmd)
{
    size_t     i;
    cdr_str_t  name;

    name = cmd->name;

    for (i = 0; i < sizeof(cdr_command_names) / sizeof(cdr_command_name_t);
         i++)
    {
        if (cdr_json_eq(cdr_command_names[i].name, name)) {
            return cdr_command_names[i].type;
        }
    }

    if (name.len > cdr_command_agent.len
        && memcmp(name.data, cdr_command_agent.data, cdr_command_agent.len)
           == 0)
    {
        cmd->agent.data = name.data + cdr_command_agent.len;
        cmd->agent.len = name.len - cdr_command_agent.len;

        return CDR_COMMAND_AGENT;
    }

    return CDR_COMMAND_OTHER;
}


const cdr_json_member_t *
cdr_command_member(const cdr_command_t *cmd, cdr_str_t name)
{
    return cdr_json_find(cmd->members, cmd->nmembers, name);
}


int
cdr_command_string(const cdr_command_t *cmd, cdr_str_t name, uint8_t *buf,
    size_t max, cdr_str_t *value)
{
    int        rc;
    cdr_str_t  text;

    rc = cdr_command_raw(cmd, name, CDR_JSON_STRING, &text);

    if (rc != CDR_OK) {
        return rc;
    }

    text = cdr_json_text(text);

    if (memchr(text.data, '\\', text.len) == NULL) {
        *value = text;
        return (text.len > max) ? CDR_TOOBIG : CDR_OK;
    }

    if (cdr_json_unescape_size(text) > max) {
        return CDR_TOOBIG;
    }

    value->data = buf;
    value->len = cdr_json_unescape(buf, text);

    return CDR_OK;
}


int
cdr_command_integer(const cdr_command_t *cmd, cdr_str_t name, int64_t *value)
{
    int        rc;
    bool       negative;
    size_t     i;
    uint64_t   n;
    cdr_str_t  digits;

    rc = cdr_command_raw(cmd, name, CDR_JSON_INTEGER, &digits);

    if (rc != CDR_OK) {
        return rc;
    }

    negative = (digits.data[0] == '-');
    n = 0;

    for (i = negative; i < digits.len; i++) {
        n = n * 10 + (uint64_t) (digits.data[i] - '0');
    }

    /* the scanner let pass what fits; INT64_MIN has no positive */

    *value = (negative && n) ? -(int64_t) (n - 1) - 1 : (int64_t) n;

    return CDR_OK;
}


int
cdr_command_raw(const cdr_command_t *cmd, cdr_str_t name, cdr_json_type_e type,
    cdr_str_t *value)
{
    const cdr_json_member_t  *m;

    m = cdr_command_member(cmd, name);

    if (m == NULL || m->type == CDR_JSON_NULL) {
        return CDR_DECLINED;
    }

    if (m->type != type) {
        return CDR_ERROR;
    }

    *value = m->value;

    return CDR_OK;
}


static int
cdr_command_fail(cdr_command_t *cmd, unsigned code, const char *error)
{
    cmd->code = code;
    cmd->error.data = (const uint8_t *) error;
    cmd->error.len = strlen(error);

    return CDR_ERROR;
}
