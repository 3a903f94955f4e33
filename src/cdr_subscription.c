/* Reading a list of subscriptions. */

#include "cdr.h"
#include "cdr_command.h"
#include "cdr_json.h"
#include "cdr_subscription.h"


static const uint8_t *cdr_subscription_skip(const uint8_t *p,
    const uint8_t *end);
static int cdr_subscription_object(const cdr_json_scan_t *scan,
    cdr_subscription_t *sub, const char **error);


int
cdr_subscription_next(cdr_subscription_iter_t *it, cdr_subscription_t *sub,
    const char **error)
{
    int                 rc;
    cdr_str_t           value;
    cdr_json_scan_t     scan;
    const uint8_t      *p, *end;
    cdr_json_member_t   members[CDR_SUBSCRIPTION_MEMBERS];

    p = it->rest.data;
    end = p + it->rest.len;

    if (it->n == 0 && p < end && *p == '[') {
        p++;
    }

    p = cdr_subscription_skip(p, end);

    if (p == end || *p == ']') {
        return CDR_DECLINED;
    }

    if (it->n++ == CDR_SUBSCRIPTION_MAX) {
        *error = "there are too many subscriptions";
        return CDR_ERROR;
    }

    value.data = p;
    value.len = (size_t) (end - p);

    scan.members = members;
    scan.max_members = CDR_SUBSCRIPTION_MEMBERS;
    scan.max_depth = CDR_COMMAND_MAX_DEPTH;

    rc = cdr_json_scan_value(&scan, value);

    if (rc != CDR_OK) {
        *error = (rc == CDR_TOOBIG) ? "a subscription has too many members"
                                    : scan.error;
        return CDR_ERROR;
    }

    it->rest.data = p + scan.end;
    it->rest.len = (size_t) (end - it->rest.data);

    return cdr_subscription_object(&scan, sub, error);
}


/* What stands between the values of an array that is sound. */

static const uint8_t *
cdr_subscription_skip(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ',' || *p == ' ' || *p == '\t' || *p == '\r'
                       || *p == '\n'))
    {
        p++;
    }

    return p;
}


static int
cdr_subscription_object(const cdr_json_scan_t *scan, cdr_subscription_t *sub,
    const char **error)
{
    const cdr_json_member_t  *m;
    static const cdr_str_t    channel = cdr_str("channel");
    static const cdr_str_t    filter = cdr_str("filter");

    if (scan->type != CDR_JSON_OBJECT) {
        *error = "a subscription must be an object";
        return CDR_ERROR;
    }

    m = cdr_json_find(scan->members, scan->nmembers, channel);

    if (m == NULL || m->type != CDR_JSON_STRING) {
        *error = "\"channel\" must be a string";
        return CDR_ERROR;
    }

    sub->channel = cdr_json_text(m->value);

    m = cdr_json_find(scan->members, scan->nmembers, filter);

    sub->filter.data = NULL;
    sub->filter.len = 0;

    if (m && m->type != CDR_JSON_NULL) {
        sub->filter = m->value;
    }

    return CDR_OK;
}
