/* What a back end is told of a client. */

#include "cdr_backend.h"




static void cdr_backend_pair(cdr_json_out_t *out, const char *name,
    size_t len, cdr_str_t value);
static void cdr_backend_member(cdr_json_out_t *out,
    const cdr_json_member_t *m);
static void cdr_backend_value(cdr_json_out_t *out, cdr_str_t value);
static bool cdr_backend_hidden(const cdr_json_member_t *m);


#define cdr_backend_string(out, name, value)                                  \
    cdr_backend_pair(out, "" name, sizeof(name) - 1, value)


#define CDR_X_BACKEND_TYPE(symbol, name)  cdr_str(name),

static const cdr_str_t  cdr_backend_types[] = {
    CDR_COMMAND_TYPES(CDR_X_BACKEND_TYPE)

    /* by these other messages are counted */

    cdr_str("invalid"),
    cdr_str("unread"),
    cdr_str("echo")
};


bool
cdr_backend_own(cdr_str_t type)
{
    size_t                  i;
    static const cdr_str_t  agent = cdr_str("agent:");

    if (type.len >= agent.len && memcmp(type.data, agent.data, agent.len) == 0)
    {
        return true;
    }

    for (i = 0; i < sizeof(cdr_backend_types) / sizeof(cdr_str_t); i++) {
        if (cdr_json_eq(type, cdr_backend_types[i])) {
            return true;
        }
    }

    return false;
}


size_t
cdr_backend_message(uint8_t *dst, const cdr_call_t *call,
    const cdr_command_t *cmd, cdr_str_t session)
{
    bool            first;
    size_t          i;
    cdr_json_out_t  out = { dst, 0 };

    cdr_call_put(&out, call);
    cdr_json_put_lit(&out, ",\"message\":{");

    first = true;

    for (i = 0; i < cmd->nmembers; i++) {

        if (cdr_backend_hidden(&cmd->members[i])) {
            continue;
        }

        if (!first) {
            cdr_json_put_lit(&out, ",");
        }

        first = false;
        cdr_backend_member(&out, &cmd->members[i]);
    }

    cdr_json_put_lit(&out, "}");

    if (session.data) {
        cdr_backend_string(&out, "sessionId", session);
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_backend_connect(uint8_t *dst, const cdr_call_t *call,
    cdr_str_t protocol, cdr_str_t last_event)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_call_put(&out, call);
    cdr_backend_string(&out, "protocol", protocol);
    cdr_backend_string(&out, "lastEventId", last_event);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_backend_emit(uint8_t *dst, const cdr_json_member_t *members, size_t n,
    uint64_t timestamp)
{
    size_t                  i;
    cdr_json_out_t          out = { dst, 0 };
    static const cdr_str_t  own = cdr_str("timestamp");

    cdr_json_put_lit(&out, "{");

    for (i = 0; i < n; i++) {
        if (!cdr_json_key_eq(&members[i], own)) {
            cdr_backend_member(&out, &members[i]);
            cdr_json_put_lit(&out, ",");
        }
    }

    cdr_json_put_lit(&out, "\"timestamp\":");
    cdr_json_put_u64(&out, timestamp);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_backend_ack(uint8_t *dst, const cdr_backend_answer_t *a)
{
    size_t                  i;
    cdr_json_out_t          out = { dst, 0 };
    cdr_json_scan_t         s;
    cdr_json_member_t       members[CDR_COMMAND_MAX_MEMBERS];
    static const cdr_str_t  type = cdr_str("type");
    static const cdr_str_t  id = cdr_str("id");

    if (a->ack.data == NULL) {
        return 0;
    }

    if (a->ack_type != CDR_JSON_OBJECT) {
        cdr_json_put_lit(&out, "\"data\":");
        cdr_backend_value(&out, a->ack);
        return out.len;
    }

    s.members = members;
    s.max_members = CDR_COMMAND_MAX_MEMBERS;
    s.max_depth = CDR_COMMAND_MAX_DEPTH;

    (void) cdr_json_scan(&s, a->ack);

    for (i = 0; i < s.nmembers; i++) {

        if (cdr_json_key_eq(&members[i], type)
            || cdr_json_key_eq(&members[i], id))
        {
            continue;
        }

        if (out.len) {
            cdr_json_put_lit(&out, ",");
        }

        cdr_backend_member(&out, &members[i]);
    }

    return out.len;
}


static void
cdr_backend_pair(cdr_json_out_t *out, const char *name, size_t len,
    cdr_str_t value)
{
    cdr_json_put_lit(out, ",\"");
    cdr_json_put(out, name, len);
    cdr_json_put_lit(out, "\":");

    if (value.data == NULL) {
        cdr_json_put_lit(out, "null");
        return;
    }

    cdr_json_put_string(out, value);
}


static void
cdr_backend_member(cdr_json_out_t *out, const cdr_json_member_t *m)
{
    cdr_json_put_lit(out, "\"");

    if (out->dst) {
        out->len += cdr_json_canonical_text(out->dst + out->len, m->key);

    } else {
        out->len += cdr_json_canonical_text_size(m->key);
    }

    cdr_json_put_lit(out, "\":");
    cdr_backend_value(out, m->value);
}


static void
cdr_backend_value(cdr_json_out_t *out, cdr_str_t value)
{
    if (out->dst) {
        out->len += cdr_json_canonical(out->dst + out->len, value);

    } else {
        out->len += cdr_json_canonical_size(value);
    }
}


/* What is between the client and the hub only. */

static bool
cdr_backend_hidden(const cdr_json_member_t *m)
{
    size_t                  i;
    static const cdr_str_t  names[] = {
        cdr_str("id"), cdr_str("key"), cdr_str("token")
    };

    for (i = 0; i < sizeof(names) / sizeof(cdr_str_t); i++) {
        if (cdr_json_key_eq(m, names[i])) {
            return true;
        }
    }

    return false;
}
