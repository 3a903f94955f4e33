/*
 * A filter lets pass what its words on jansson's tree would, and any bytes are
 * safe as a filter and as an event.  The input is the filter, a zero byte, and
 * the event.
 */

#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_filter.h"
#include "cdr_json.h"
#include "cdr_model.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static bool
wanted(const json_t *values, const json_t *v)
{
    size_t   i;
    json_t  *w;

    if (!json_is_array(values)) {
        return json_equal(values, v);
    }

    json_array_foreach(values, i, w) {
        if (json_equal(w, v)) {
            return true;
        }
    }

    return false;
}


static bool
passes_field(const json_t *v, const char *path, const json_t *values)
{
    size_t       i;
    json_t      *child;
    const char  *key, *rest;

    if (json_is_array(v)) {

        json_array_foreach(v, i, child) {
            if (passes_field(child, path, values)) {
                return true;
            }
        }

        return false;
    }

    if (*path == '\0') {
        return !json_is_object(v) && wanted(values, v);
    }

    json_object_foreach((json_t *) v, key, child) {
        rest = model_below(path, key);

        if (rest && passes_field(child, rest, values)) {
            return true;
        }
    }

    return false;
}


static bool
passes(const json_t *event, const json_t *filter)
{
    json_t      *values;
    const char  *path;

    json_object_foreach((json_t *) filter, path, values) {
        if (!passes_field(event, path, values)) {
            return false;
        }
    }

    return true;
}


/* Of numbers jansson keeps the value alone, so not if 1.0 is 1.00. */

static bool
same_by_text(cdr_str_t text)
{
    size_t  i;

    for (i = 0; i + 1 < text.len; i++) {

        if ((text.data[i] == '-' && text.data[i + 1] == '0')
            || strchr(".eE", text.data[i + 1]) != NULL)
        {
            return false;
        }
    }

    return true;
}


static cdr_str_t
exact(const uint8_t *data, size_t len)
{
    uint8_t    *p;
    cdr_str_t   text;

    p = malloc(len ? len : 1);
    memcpy(p, data, len);
    text.data = p;
    text.len = len;

    return text;
}


static void
check(const cdr_filter_t *filter, cdr_str_t wants, cdr_str_t event)
{
    bool              pass;
    json_t           *j, *w;
    cdr_str_t         data = { filter->data, filter->len };
    cdr_str_t         text;
    cdr_json_scan_t   s = { .max_depth = 64 };

    if (memchr(event.data, '\0', event.len)
        || cdr_json_scan(&s, event) != CDR_OK || s.type != CDR_JSON_OBJECT)
    {
        return;
    }

    text = exact(event.data, cdr_json_canonical_size(event));
    text.len = cdr_json_canonical((uint8_t *) text.data, event);
    pass = cdr_filter_match(data, text);
    free((void *) text.data);

    if (same_by_text(wants) && same_by_text(event)) {
        j = json_loadb((char *) event.data, event.len, 0, NULL);
        w = json_loadb((char *) wants.data, wants.len, 0, NULL);
        assert(j && w && pass == passes(j, w));
        json_decref(j);
        json_decref(w);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int               rc;
    size_t            len;
    cdr_str_t         wants, event;
    const char       *error;
    const uint8_t    *zero;
    cdr_filter_t     *filter;
    cdr_json_scan_t   s = { .max_depth = 64 };

    zero = size ? memchr(data, '\0', size) : NULL;
    len = zero ? (size_t) (zero - data) : size;

    wants = exact(data, len);
    event = zero ? exact(zero + 1, size - len - 1) : exact(data, size);

    (void) cdr_filter_match(wants, event);

    filter = malloc(sizeof(cdr_filter_t));

    if (cdr_json_scan(&s, wants) == CDR_OK && wants.data[0] != ' ') {
        wants.len = s.end;
        rc = cdr_filter_compile(filter, wants, &error);
        assert(filter->len <= sizeof(filter->data));

        if (rc == CDR_OK) {
            (void) cdr_filter_match((cdr_str_t) { filter->data, filter->len },
                                    event);
            check(filter, wants, event);

        } else {
            assert(rc == CDR_ERROR && error && filter->len == 0);
        }
    }

    free(filter);
    free((void *) wants.data);
    free((void *) event.data);

    return 0;
}
