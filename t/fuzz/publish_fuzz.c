/*
 * A body is taken or refused as its parts would be by jansson, two passes see
 * the same, and each event comes out of the log with the fields it had.  The
 * first byte of the input chooses the content type.
 */

#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_event.h"
#include "cdr_publish.h"


#define MAX_EVENTS  8


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const cdr_str_t  require[] = { cdr_str("text"), cdr_str("n") };

static const cdr_event_type_t  types[] = {
    { cdr_str("a"), 0, 0, NULL },
    { cdr_str("note"), 1, 2, require }
};


/* Whether jansson and the rules in words would take this as an event. */

static bool
event_is_fine(const json_t *j)
{
    size_t       fields;
    const char  *type;

    type = json_string_value(json_object_get(j, "type"));

    fields = json_object_size(j) - (type != NULL)
             - (json_object_get(j, "timestamp") != NULL)
             - (json_object_get(j, "eventId") != NULL);

    if (type == NULL || fields > CDR_EVENT_MAX_FIELDS) {
        return false;
    }

    if (strcmp(type, "note") == 0) {
        return json_object_get(j, "text") && json_object_get(j, "n")
               && !json_is_null(json_object_get(j, "text"))
               && !json_is_null(json_object_get(j, "n"));
    }

    return strcmp(type, "a") == 0;
}


static unsigned
depth_of(const json_t *j)
{
    size_t       i;
    json_t      *v;
    unsigned     d, max;
    const char  *key;

    max = 0;

    json_object_foreach((json_t *) j, key, v) {
        d = depth_of(v);
        max = d > max ? d : max;
    }

    json_array_foreach(j, i, v) {
        d = depth_of(v);
        max = d > max ? d : max;
    }

    return max + (json_is_object(j) || json_is_array(j));
}


/* What the event is for a client is what it was, and the hub's three. */

static void
check_encoded(const cdr_publish_t *p, cdr_str_t payload, const json_t *was)
{
    size_t            size;
    json_t           *is;
    uint8_t          *dst;
    cdr_event_view_t  view;

    view.type = p->type->name;
    view.payload = payload;
    view.timestamp = 1700000000000;
    view.id = (cdr_str_t) cdr_str("1700000000000-1");
    view.mask = NULL;
    view.hidden = CDR_MASK_EVERYONE;
    view.skip = 0;

    size = cdr_event_encode_size(&view);
    dst = malloc(size);
    assert(cdr_event_encode(dst, &view) == size);

    is = json_loadb((char *) dst, size, JSON_REJECT_DUPLICATES, NULL);
    assert(is);
    assert(json_integer_value(json_object_get(is, "timestamp"))
           == 1700000000000);
    assert(json_is_string(json_object_get(is, "eventId")));

    json_object_del(is, "timestamp");
    json_object_del(is, "eventId");
    assert(json_equal(is, was));

    json_decref(is);
    free(dst);
}


static void
check_event(const cdr_publish_t *p, const char *start, const char *end)
{
    size_t             size;
    json_t            *was;
    uint8_t           *dst;
    cdr_str_t          payload;
    cdr_event_iter_t   it;
    cdr_event_field_t  field;

    was = json_loadb(start, (size_t) (end - start), JSON_REJECT_DUPLICATES,
                     NULL);
    assert(was && event_is_fine(was));

    size = cdr_event_payload_size(p->members, p->nmembers);
    dst = malloc(size ? size : 1);
    assert(cdr_event_payload(dst, p->type, p->members, p->nmembers) == size);

    payload.data = dst;
    payload.len = size;

    it = (cdr_event_iter_t) { payload, 0 };
    while (cdr_event_next(&it, &field) == CDR_OK) { /* void */ }
    assert(it.rest.len == 0 && it.ordinal <= CDR_EVENT_MAX_FIELDS);

    json_object_del(was, "timestamp");
    json_object_del(was, "eventId");
    check_encoded(p, payload, was);

    json_decref(was);
    free(dst);
}


/* Whether all of the body, read as one text, is one event or more. */

static bool
whole_is_fine(const json_t *j, size_t *n)
{
    size_t   i;
    json_t  *v;

    *n = 1;

    if (json_is_object(j)) {
        return event_is_fine(j) && depth_of(j) <= CDR_PUBLISH_MAX_DEPTH;
    }

    *n = json_array_size(j);

    json_array_foreach(j, i, v) {
        if (!event_is_fine(v) || depth_of(v) > CDR_PUBLISH_MAX_DEPTH) {
            return false;
        }
    }

    return *n > 0 && *n <= MAX_EVENTS;
}


/* The same of the body as lines. */

static bool
lines_are_fine(const char *p, const char *end, size_t *n)
{
    bool         fine;
    size_t       m;
    json_t      *j;
    const char  *nl, *q;

    for (*n = 0; p < end; p = nl + 1) {
        nl = memchr(p, '\n', (size_t) (end - p));
        nl = nl ? nl : end;

        for (q = p; q < nl && strchr(" \t\r", *q) && *q; q++) { /* void */ }

        if (q == nl) {
            continue;
        }

        j = json_loadb(p, (size_t) (nl - p), JSON_REJECT_DUPLICATES, NULL);
        fine = json_is_object(j) && whole_is_fine(j, &m);
        json_decref(j);

        if (!fine) {
            return false;
        }

        *n += 1;
    }

    return *n > 0 && *n <= MAX_EVENTS;
}


static int
first_pass(cdr_publish_t *p, const char *body)
{
    int          rc;
    const char  *start;

    do {
        start = body + p->pos;
        rc = cdr_publish_next(p);

        if (rc == CDR_OK) {
            start += strspn(start, ", \t\r\n[");
            check_event(p, start, body + p->pos);
        }

    } while (rc == CDR_OK);

    assert(cdr_publish_next(p) == rc);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     rc;
    bool                    ndjson, whole, lines;
    char                   *body;
    size_t                  n, m, wrong;
    json_t                 *j;
    uint16_t                slots[4];
    cdr_str_t               text;
    cdr_publish_t          *p;
    cdr_event_catalogue_t   cat;

    ndjson = size && (data[0] & 1);
    data += size != 0;
    size -= size != 0;

    body = malloc(size ? size : 1);
    memcpy(body, data, size);
    text.data = (uint8_t *) body;
    text.len = size;

    rc = cdr_event_catalogue_init(&cat, types, 2, slots, &wrong);
    assert(rc == CDR_OK);

    p = malloc(sizeof(cdr_publish_t));
    cdr_publish_init(p, text, ndjson, &cat, MAX_EVENTS);
    rc = first_pass(p, body);

    j = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    whole = j && memchr(body, '\0', size) == NULL && whole_is_fine(j, &n);
    lines = memchr(body, '\0', size) == NULL
            && lines_are_fine(body, body + size, &m);

    if (rc == CDR_DECLINED) {
        assert(p->index >= 1 && p->index <= MAX_EVENTS);
        assert(!ndjson || (lines && p->index == m));
        assert(!whole || p->index == (ndjson ? m : n));

    } else {
        assert(rc == CDR_ERROR && p->error.error && p->error.offset <= size);
        assert(!lines);
        assert(ndjson || !whole);
    }

    /* a second pass sees what the first did */

    n = p->index;
    cdr_publish_init(p, text, ndjson, &cat, MAX_EVENTS);
    while ((wrong = (size_t) cdr_publish_next(p)) == CDR_OK) { /* void */ }
    assert((int) wrong == rc && p->index == n);

    json_decref(j);
    free(p);
    free(body);

    return 0;
}
