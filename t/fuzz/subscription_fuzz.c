/*
 * A list of subscriptions is read as jansson reads it, and any other bytes are
 * read safely, and to an end.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_command.h"
#include "cdr_json.h"
#include "cdr_subscription.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* What may stand in a list. */

static bool
is_subscription(const json_t *j)
{
    return json_is_object(j)
           && json_object_size(j) <= CDR_SUBSCRIPTION_MEMBERS
           && json_is_string(json_object_get(j, "channel"));
}


static void
check_inside(cdr_str_t part, cdr_str_t whole)
{
    assert(part.data >= whole.data);
    assert(part.len <= whole.len);
    assert(part.data + part.len <= whole.data + whole.len);
}


static void
check_channel(cdr_str_t text, const json_t *channel)
{
    size_t    len;
    uint8_t  *buf;

    len = cdr_json_unescape_size(text);
    buf = malloc(len ? len : 1);
    assert(buf);

    assert(cdr_json_unescape(buf, text) == len);
    assert(len == json_string_length(channel));
    assert(len == 0 || memcmp(buf, json_string_value(channel), len) == 0);

    free(buf);
}


static void
check_filter(cdr_str_t text, const json_t *filter)
{
    json_t  *j;

    if (filter == NULL || json_is_null(filter)) {
        assert(text.data == NULL);
        return;
    }

    assert(text.data);

    j = json_loadb((const char *) text.data, text.len,
                   JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL);

    assert(j && json_equal(j, filter));
    json_decref(j);
}


/* Reads to the end, beside jansson's list if the input is one. */

static void
check_list(cdr_str_t value, const json_t *list)
{
    int                       rc;
    size_t                    n;
    json_t                   *j;
    const char               *error;
    cdr_subscription_t        sub;
    cdr_subscription_iter_t   it;

    it.rest = value;
    it.n = 0;
    error = NULL;

    for (n = 0; /* void */ ; n++) {
        rc = cdr_subscription_next(&it, &sub, &error);
        j = list ? json_array_get(list, n) : NULL;

        if (rc != CDR_OK) {
            break;
        }

        assert(n < CDR_SUBSCRIPTION_MAX);

        check_inside(sub.channel, value);

        if (sub.filter.data) {
            check_inside(sub.filter, value);
        }

        if (list) {
            assert(is_subscription(j));
            check_channel(sub.channel, json_object_get(j, "channel"));
            check_filter(sub.filter, json_object_get(j, "filter"));
        }
    }

    assert(rc == CDR_DECLINED || (rc == CDR_ERROR && error && *error));

    if (list) {
        assert((rc == CDR_DECLINED) == (j == NULL));
        assert(rc == CDR_DECLINED || n == CDR_SUBSCRIPTION_MAX
               || !is_subscription(j));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t           *j;
    cdr_str_t         value;
    cdr_json_scan_t   scan;

    value.data = data;
    value.len = size;

    scan.members = NULL;
    scan.max_members = 0;
    scan.max_depth = CDR_COMMAND_MAX_DEPTH;

    j = NULL;

    if (size && data[0] == '[' && cdr_json_scan(&scan, value) == CDR_OK) {
        j = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES,
                       NULL);
    }

    check_list(value, j);

    json_decref(j);

    return 0;
}
