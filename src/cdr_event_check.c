/* Whether an object can be published as an event. */

#include "cdr.h"
#include "cdr_event.h"
#include "cdr_json_internal.h"


static int cdr_event_check_type(const cdr_event_catalogue_t *cat,
    const cdr_json_member_t *type, const cdr_event_type_t **found,
    cdr_event_error_t *err);
static int cdr_event_check_require(const cdr_event_type_t *type,
    const cdr_json_member_t *members, size_t n, cdr_event_error_t *err);
static bool cdr_event_has(const cdr_json_member_t *members, size_t n,
    cdr_str_t path);
static const uint8_t *cdr_event_walk(const uint8_t *p, const uint8_t *end,
    cdr_str_t path, unsigned depth, bool *has);
static const uint8_t *cdr_event_walk_object(const uint8_t *p,
    const uint8_t *end, cdr_str_t path, unsigned depth, bool *has);
static const uint8_t *cdr_event_walk_array(const uint8_t *p,
    const uint8_t *end, cdr_str_t path, unsigned depth, bool *has);
static int cdr_event_fail(cdr_event_error_t *err, const char *error,
    cdr_str_t field);


static const cdr_str_t  cdr_event_type_key = cdr_str("type");
static const cdr_str_t  cdr_event_no_field = cdr_str_null;

static const cdr_str_t  cdr_event_own[] = {
    cdr_str("type"),
    cdr_str("timestamp"),
    cdr_str("eventId")
};


int
cdr_event_check(const cdr_event_catalogue_t *cat,
    const cdr_json_member_t *members, size_t n,
    const cdr_event_type_t **type, cdr_event_error_t *err)
{
    size_t  i, fields;

    if (cdr_event_check_type(cat, cdr_json_find(members, n,
                                                cdr_event_type_key),
                             type, err)
        != CDR_OK)
    {
        return CDR_ERROR;
    }

    fields = 0;

    for (i = 0; i < n; i++) {

        if (members[i].key.len > UINT16_MAX) {
            return cdr_event_fail(err, "the name of a field is too long",
                                  cdr_event_no_field);
        }

        fields += cdr_event_is_field(&members[i]);
    }

    if (fields > CDR_EVENT_MAX_FIELDS) {
        return cdr_event_fail(err, "the event has too many fields",
                              cdr_event_no_field);
    }

    return cdr_event_check_require(*type, members, n, err);
}


static int
cdr_event_check_type(const cdr_event_catalogue_t *cat,
    const cdr_json_member_t *type, const cdr_event_type_t **found,
    cdr_event_error_t *err)
{
    if (type == NULL) {
        return cdr_event_fail(err, "the event has no type",
                              cdr_event_type_key);
    }

    if (type->type != CDR_JSON_STRING) {
        return cdr_event_fail(err, "the type of the event is not a string",
                              cdr_event_type_key);
    }

    *found = cdr_event_find_text(cat, cdr_json_text(type->value));

    if (*found == NULL) {
        (void) cdr_event_fail(err, "the type of the event is unknown",
                              cdr_event_type_key);
        err->unknown = true;

        return CDR_ERROR;
    }

    return CDR_OK;
}


static int
cdr_event_check_require(const cdr_event_type_t *type,
    const cdr_json_member_t *members, size_t n, cdr_event_error_t *err)
{
    unsigned  i;

    for (i = 0; i < type->nrequire; i++) {

        if (!cdr_event_has(members, n, type->require[i])) {
            return cdr_event_fail(err, "a required field is missing",
                                  type->require[i]);
        }
    }

    return CDR_OK;
}


static bool
cdr_event_has(const cdr_json_member_t *members, size_t n, cdr_str_t path)
{
    bool                      has;
    const uint8_t            *p;
    const cdr_json_member_t  *m;

    m = cdr_json_find(members, n, cdr_mask_path_next(&path));

    if (m == NULL || path.len == 0) {
        return m && m->type != CDR_JSON_NULL;
    }

    p = m->value.data;
    (void) cdr_event_walk(p, p + m->value.len, path, 0, &has);

    return has;
}


/* Does the value at p have that path?  Returns the byte behind it. */

static const uint8_t *
cdr_event_walk(const uint8_t *p, const uint8_t *end, cdr_str_t path,
    unsigned depth, bool *has)
{
    *has = false;

    if (path.len == 0) {
        *has = (*p != 'n');

    } else if (depth < CDR_JSON_MAX_DEPTH) {

        if (*p == '{') {
            p = cdr_event_walk_object(p + 1, end, path, depth + 1, has);
            return p + (p < end);
        }

        if (*p == '[') {
            p = cdr_event_walk_array(p + 1, end, path, depth + 1, has);
            return p + (p < end);
        }
    }

    return cdr_json_skip_value(p, end);
}


static const uint8_t *
cdr_event_walk_object(const uint8_t *p, const uint8_t *end, cdr_str_t path,
    unsigned depth, bool *has)
{
    cdr_str_t  key, name;

    name = cdr_mask_path_next(&path);

    while (cdr_json_walk_key(&p, end, &key)) {

        p = cdr_json_text_eq(key, name)
            ? cdr_event_walk(p, end, path, depth, has)
            : cdr_json_skip_value(p, end);

        if (!cdr_json_walk_comma(&p, end)) {
            break;
        }
    }

    return p;
}


static const uint8_t *
cdr_event_walk_array(const uint8_t *p, const uint8_t *end, cdr_str_t path,
    unsigned depth, bool *has)
{
    bool  each;

    p = cdr_json_skip_space(p, end);

    if (p == end || *p == ']') {
        return p;
    }

    *has = true;

    do {
        p = cdr_event_walk(p, end, path, depth, &each);
        *has = *has && each;
    } while (cdr_json_walk_comma(&p, end));

    return p;
}


static int
cdr_event_fail(cdr_event_error_t *err, const char *error, cdr_str_t field)
{
    err->error = error;
    err->field = field;
    err->unknown = false;

    return CDR_ERROR;
}


bool
cdr_event_is_field(const cdr_json_member_t *m)
{
    size_t  i;

    for (i = 0; i < sizeof(cdr_event_own) / sizeof(cdr_str_t); i++) {
        if (cdr_json_key_eq(m, cdr_event_own[i])) {
            return false;
        }
    }

    return true;
}


bool
cdr_event_reserved(cdr_str_t path)
{
    cdr_json_member_t  m = { .key = cdr_mask_path_next(&path) };

    return !cdr_event_is_field(&m);
}
