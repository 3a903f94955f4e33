/* Reviewers as JSON, and the messages that tell of them. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_presence_json.h"
#include "cdr_siphash.h"


#define CDR_REVIEWER_NAME(symbol, name)  cdr_str(name),


/* A writer that leaves out what is hidden. */

typedef struct {
    cdr_json_out_t              out;
    const cdr_reviewer_view_t  *view;
    const char                 *sep;
} cdr_reviewer_out_t;


static bool cdr_reviewer_key(cdr_reviewer_out_t *o, unsigned field);
static void cdr_reviewer_string(cdr_reviewer_out_t *o, unsigned field,
    cdr_str_t value);
static void cdr_reviewer_number(cdr_reviewer_out_t *o, unsigned field,
    uint64_t value);
static void cdr_reviewer_who(cdr_reviewer_out_t *o, const cdr_reviewer_t *r);
static void cdr_reviewer_state(cdr_reviewer_out_t *o,
    const cdr_reviewer_t *r);
static void cdr_reviewer_id(cdr_json_out_t *out,
    const cdr_reviewer_view_t *view, const cdr_reviewer_t *r);


static const cdr_str_t  cdr_reviewer_names[] = {
    CDR_REVIEWER_FIELDS(CDR_REVIEWER_NAME)
};

static const cdr_str_t  cdr_status_names[] = {
    cdr_str("online"),
    cdr_str("away"),
    cdr_str("busy"),
    cdr_str("offline")
};


uint32_t
cdr_reviewer_hidden(const cdr_mask_t *mask, uint32_t rules)
{
    unsigned                 i;
    uint32_t                 hidden;
    const cdr_mask_t        *node;
    static const cdr_str_t   plain = cdr_str("\"\"");

    hidden = 0;

    for (i = 0; i < CDR_REVIEWER_FIELDS_N; i++) {
        if (!cdr_mask_field(mask, rules, cdr_reviewer_names[i], plain, &node))
        {
            hidden |= (uint32_t) 1 << i;
        }
    }

    return hidden;
}


cdr_str_t
cdr_status_name(unsigned status)
{
    return cdr_status_names[status & 3];
}


int
cdr_status_parse(cdr_str_t name, cdr_status_t *status)
{
    unsigned  i;

    for (i = 0; i <= CDR_STATUS_OFFLINE; i++) {
        if (cdr_json_eq(cdr_status_names[i], name)) {
            *status = (cdr_status_t) i;
            return CDR_OK;
        }
    }

    return CDR_DECLINED;
}


size_t
cdr_reviewer_object(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r)
{
    cdr_reviewer_out_t  o = { { dst, 0 }, view, "" };

    cdr_json_put_lit(&o.out, "{");

    cdr_reviewer_who(&o, r);
    cdr_reviewer_state(&o, r);
    cdr_reviewer_number(&o, CDR_REVIEWER_SEEN, r->seen_ms);
    cdr_reviewer_number(&o, CDR_REVIEWER_CONNECTIONS, r->connections);

    if (cdr_reviewer_key(&o, CDR_REVIEWER_SERVER)) {
        cdr_json_put_string(&o.out, r->server.data ? r->server
                                                   : view->server);
    }

    if (r->stale && cdr_reviewer_key(&o, CDR_REVIEWER_STALE)) {
        cdr_json_put_lit(&o.out, "true");
    }

    cdr_json_put_lit(&o.out, "}");

    return o.out.len;
}


size_t
cdr_reviewer_update(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r)
{
    uint8_t             id[CDR_CONN_ID_TEXT_LEN];
    cdr_str_t           conn = { id, sizeof(id) };
    cdr_reviewer_out_t  o = { { dst, 0 }, view, "," };

    cdr_json_put_lit(&o.out, "{\"type\":\"presence-update\"");

    cdr_conn_id_print(id, r->connection);

    cdr_reviewer_string(&o, CDR_REVIEWER_CONNECTION, conn);
    cdr_reviewer_who(&o, r);
    cdr_reviewer_state(&o, r);

    cdr_json_put_lit(&o.out, ",\"timestamp\":");
    cdr_json_put_u64(&o.out, r->updated_ms);
    cdr_json_put_lit(&o.out, "}");

    return o.out.len;
}


size_t
cdr_reviewer_left(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r)
{
    cdr_json_out_t  out = { dst, 0 };

    if (!cdr_reviewer_hides(view->hidden, CDR_REVIEWER_ID)) {
        cdr_reviewer_id(&out, view, r);
    }

    return out.len;
}


/* Is the field to be written?  Then its name is. */

static bool
cdr_reviewer_key(cdr_reviewer_out_t *o, unsigned field)
{
    if (cdr_reviewer_hides(o->view->hidden, field)) {
        return false;
    }

    cdr_json_put(&o->out, o->sep, *o->sep ? 1 : 0);
    cdr_json_put_lit(&o->out, "\"");
    cdr_json_put(&o->out, cdr_reviewer_names[field].data,
                 cdr_reviewer_names[field].len);
    cdr_json_put_lit(&o->out, "\":");

    o->sep = ",";

    return true;
}


static void
cdr_reviewer_string(cdr_reviewer_out_t *o, unsigned field, cdr_str_t value)
{
    if (!cdr_reviewer_key(o, field)) {
        return;
    }

    if (value.len == 0) {
        cdr_json_put_lit(&o->out, "null");
        return;
    }

    cdr_json_put_string(&o->out, value);
}


static void
cdr_reviewer_number(cdr_reviewer_out_t *o, unsigned field, uint64_t value)
{
    if (cdr_reviewer_key(o, field)) {
        cdr_json_put_u64(&o->out, value);
    }
}


static void
cdr_reviewer_who(cdr_reviewer_out_t *o, const cdr_reviewer_t *r)
{
    cdr_str_t               user;
    static const cdr_str_t  none = cdr_str_null;

    user = r->anonymous ? none : r->id;

    if (cdr_reviewer_key(o, CDR_REVIEWER_ID)) {
        cdr_reviewer_id(&o->out, o->view, r);
    }

    cdr_reviewer_string(o, CDR_REVIEWER_USER, user);
    cdr_reviewer_string(o, CDR_REVIEWER_ROLE, r->role);
}


static void
cdr_reviewer_state(cdr_reviewer_out_t *o, const cdr_reviewer_t *r)
{
    cdr_reviewer_string(o, CDR_REVIEWER_STATUS, cdr_status_name(r->status));
    cdr_reviewer_string(o, CDR_REVIEWER_FEATURE, r->feature);
    cdr_reviewer_number(o, CDR_REVIEWER_CONNECTED, r->connected_ms);
}


/*
 * The id of a reviewer is the user, or the connection of one without: it is
 * not told to those who may not see that.
 */

static void
cdr_reviewer_id(cdr_json_out_t *out, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r)
{
    int                i;
    uint8_t            name[2 + 16];
    uint64_t           hash;
    static const char  hex[] = "0123456789abcdef";

    if (!cdr_reviewer_hides(view->hidden,
                            r->anonymous ? CDR_REVIEWER_CONNECTION
                                         : CDR_REVIEWER_USER))
    {
        cdr_json_put_string(out, r->id);
        return;
    }

    hash = cdr_siphash(view->key, r->id.data, r->id.len);

    name[0] = 'r';
    name[1] = '_';

    for (i = 0; i < 16; i++) {
        name[2 + i] = (uint8_t) hex[hash >> (60 - 4 * i) & 15];
    }

    cdr_json_put_string(out, (cdr_str_t) { name, sizeof(name) });
}


size_t
cdr_presence_list(uint8_t *dst, cdr_str_t reviewers, uint64_t total,
    bool truncated, uint64_t timestamp)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"presence-list\",\"reviewers\":[");
    cdr_json_put(&out, reviewers.data, reviewers.len);
    cdr_json_put_lit(&out, "],\"total\":");
    cdr_json_put_u64(&out, total);

    if (truncated) {
        cdr_json_put_lit(&out, ",\"truncated\":true,\"timestamp\":");

    } else {
        cdr_json_put_lit(&out, ",\"truncated\":false,\"timestamp\":");
    }

    cdr_json_put_u64(&out, timestamp);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_presence_diff(uint8_t *dst, cdr_str_t joined, cdr_str_t changed,
    cdr_str_t left, uint64_t timestamp)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"type\":\"presence-diff\",\"joined\":[");
    cdr_json_put(&out, joined.data, joined.len);
    cdr_json_put_lit(&out, "],\"changed\":[");
    cdr_json_put(&out, changed.data, changed.len);
    cdr_json_put_lit(&out, "],\"left\":[");
    cdr_json_put(&out, left.data, left.len);
    cdr_json_put_lit(&out, "],\"timestamp\":");
    cdr_json_put_u64(&out, timestamp);
    cdr_json_put_lit(&out, "}");

    return out.len;
}


size_t
cdr_presence_answer(uint8_t *dst, cdr_str_t reviewers, uint64_t count,
    uint64_t total, cdr_str_t cursor)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_put_lit(&out, "{\"reviewers\":[");
    cdr_json_put(&out, reviewers.data, reviewers.len);
    cdr_json_put_lit(&out, "],\"count\":");
    cdr_json_put_u64(&out, count);
    cdr_json_put_lit(&out, ",\"total\":");
    cdr_json_put_u64(&out, total);

    if (cursor.data) {
        cdr_json_put_lit(&out, ",\"cursor\":");
        cdr_json_put_string(&out, cursor);
    }

    cdr_json_put_lit(&out, "}\n");

    return out.len;
}
