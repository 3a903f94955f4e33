/* The body of a publication, one event at a time. */

#include "cdr.h"
#include "cdr_publish.h"


static int cdr_publish_start(cdr_publish_t *p);
static int cdr_publish_element(cdr_publish_t *p);
static int cdr_publish_line(cdr_publish_t *p);
static int cdr_publish_object(cdr_publish_t *p);
static int cdr_publish_event(cdr_publish_t *p, size_t end);
static bool cdr_publish_skip_blank(cdr_publish_t *p, size_t end);
static int cdr_publish_done(cdr_publish_t *p);
static int cdr_publish_fail(cdr_publish_t *p, cdr_publish_kind_e kind,
    const char *error);


void
cdr_publish_init(cdr_publish_t *p, cdr_str_t body, bool ndjson,
    const cdr_event_catalogue_t *catalogue, size_t max_events)
{
    p->catalogue = catalogue;
    p->body = body;
    p->pos = 0;
    p->max_events = max_events;
    p->index = 0;
    p->ndjson = ndjson;
    p->state = CDR_PUBLISH_START;
    p->type = NULL;
    p->nmembers = 0;
    p->error = (cdr_publish_error_t) { CDR_PUBLISH_NOT_JSON, NULL, 0, 0,
                                       cdr_str_null, false };
}


int
cdr_publish_next(cdr_publish_t *p)
{
    if (p->state == CDR_PUBLISH_START && cdr_publish_start(p) != CDR_OK) {
        return CDR_ERROR;
    }

    switch (p->state) {

    case CDR_PUBLISH_ARRAY:
        return cdr_publish_element(p);

    case CDR_PUBLISH_LINES:
        return cdr_publish_line(p);

    case CDR_PUBLISH_OBJECTS:
        return cdr_publish_object(p);

    case CDR_PUBLISH_END:
        return CDR_DECLINED;

    default: /* CDR_PUBLISH_FAILED */
        return CDR_ERROR;
    }
}


/* Finds out which form the body has. */

static int
cdr_publish_start(cdr_publish_t *p)
{
    (void) cdr_publish_skip_blank(p, p->body.len);

    if (p->pos == p->body.len) {
        return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON, "the body is empty");
    }

    if (p->ndjson) {
        p->state = CDR_PUBLISH_LINES;
        return CDR_OK;
    }

    if (p->body.data[p->pos] != '[') {
        p->state = CDR_PUBLISH_OBJECTS;
        return CDR_OK;
    }

    p->state = CDR_PUBLISH_ARRAY;
    p->pos++;

    (void) cdr_publish_skip_blank(p, p->body.len);

    if (p->pos < p->body.len && p->body.data[p->pos] == ']') {
        return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON, "the array is empty");
    }

    return CDR_OK;
}


/* The next event of an array, with the comma before it. */

static int
cdr_publish_element(cdr_publish_t *p)
{
    uint8_t  b;

    (void) cdr_publish_skip_blank(p, p->body.len);

    if (p->index) {
        b = (p->pos < p->body.len) ? p->body.data[p->pos] : '\0';

        if (b != ',' && b != ']') {
            return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON,
                                    "a comma or ] is expected");
        }

        p->pos++;

        (void) cdr_publish_skip_blank(p, p->body.len);

        if (b == ']') {
            return (p->pos == p->body.len)
                   ? cdr_publish_done(p)
                   : cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON,
                                      "something follows the array");
        }
    }

    return cdr_publish_event(p, p->body.len);
}


/* The event on the next line that is not blank, alone on it. */

static int
cdr_publish_line(cdr_publish_t *p)
{
    int             rc;
    size_t          end;
    const uint8_t  *nl;

    (void) cdr_publish_skip_blank(p, p->body.len);

    if (p->pos == p->body.len) {
        return cdr_publish_done(p);
    }

    nl = memchr(p->body.data + p->pos, '\n', p->body.len - p->pos);
    end = nl ? (size_t) (nl - p->body.data) : p->body.len;

    rc = cdr_publish_event(p, end);

    if (rc != CDR_OK) {
        return rc;
    }

    (void) cdr_publish_skip_blank(p, end);

    if (p->pos != end) {
        p->index--;
        return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON,
                                "something follows the event on its line");
    }

    return CDR_OK;
}


/* The only object, or the next one on a line below the last. */

static int
cdr_publish_object(cdr_publish_t *p)
{
    bool  line;

    line = cdr_publish_skip_blank(p, p->body.len);

    if (p->index) {

        if (p->pos == p->body.len) {
            return cdr_publish_done(p);
        }

        if (!line) {
            return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON,
                                    "something follows the event");
        }
    }

    if (p->body.data[p->pos] != '{') {
        return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON,
                                "neither an object nor an array");
    }

    return cdr_publish_event(p, p->body.len);
}


/* Reads the event at "pos", which ends before "end", and checks it. */

static int
cdr_publish_event(cdr_publish_t *p, size_t end)
{
    int                rc;
    cdr_str_t          text;
    cdr_json_scan_t    s;
    cdr_event_error_t  err;

    p->type = NULL;

    if (p->index == p->max_events) {
        return cdr_publish_fail(p, CDR_PUBLISH_TOO_MANY,
                                "the request has too many events");
    }

    text.data = p->body.data + p->pos;
    text.len = end - p->pos;

    s.members = p->members;
    s.max_members = CDR_EVENT_MAX_MEMBERS;
    s.max_depth = CDR_PUBLISH_MAX_DEPTH;

    rc = cdr_json_scan_value(&s, text);

    if (rc == CDR_ERROR) {
        p->pos += s.offset;
        return cdr_publish_fail(p, CDR_PUBLISH_NOT_JSON, s.error);
    }

    if (rc != CDR_OK) {
        return cdr_publish_fail(p, CDR_PUBLISH_INVALID,
                                "the event has too many fields");
    }

    if (s.type != CDR_JSON_OBJECT) {
        return cdr_publish_fail(p, CDR_PUBLISH_INVALID,
                                "the event is not an object");
    }

    if (cdr_event_check(p->catalogue, p->members, s.nmembers, &p->type, &err)
        != CDR_OK)
    {
        p->error.field = err.field;
        p->error.unknown = err.unknown;
        return cdr_publish_fail(p, CDR_PUBLISH_INVALID, err.error);
    }

    p->nmembers = s.nmembers;
    p->pos += s.end;
    p->index++;

    return CDR_OK;
}


/* Returns whether a line ended in what was skipped. */

static bool
cdr_publish_skip_blank(cdr_publish_t *p, size_t end)
{
    bool     line;
    uint8_t  b;

    for (line = false; p->pos < end; p->pos++) {
        b = p->body.data[p->pos];

        if (b == '\n') {
            line = true;

        } else if (b != ' ' && b != '\t' && b != '\r') {
            break;
        }
    }

    return line;
}


static int
cdr_publish_done(cdr_publish_t *p)
{
    p->state = CDR_PUBLISH_END;

    return CDR_DECLINED;
}


static int
cdr_publish_fail(cdr_publish_t *p, cdr_publish_kind_e kind, const char *error)
{
    p->state = CDR_PUBLISH_FAILED;
    p->error.kind = kind;
    p->error.error = error;
    p->error.index = p->index;
    p->error.offset = p->pos;

    return CDR_ERROR;
}
