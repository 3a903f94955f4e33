/* Events: catalogue, check, payload and encoding. */

#include "cdr.h"
#include "cdr_event.h"
#include "cdr_json_internal.h"


/* an empty slot of a catalogue */
#define CDR_EVENT_NO_TYPE   UINT16_MAX

/* the lengths in front of a field */
#define CDR_EVENT_HEAD_LEN  (sizeof(uint16_t) + sizeof(uint32_t))


static const cdr_event_type_t *cdr_event_slot(
    const cdr_event_catalogue_t *cat, size_t i);
static int cdr_event_fail(cdr_event_error_t *err, const char *error,
    cdr_str_t field);
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
static bool cdr_event_is_field(const cdr_json_member_t *m);
static size_t cdr_event_put_field(uint8_t *dst, const cdr_event_type_t *type,
    const cdr_json_member_t *m);
static void cdr_event_write(cdr_json_out_t *out, const cdr_event_view_t *view);


static const cdr_str_t  cdr_event_type_key = cdr_str("type");
static const cdr_str_t  cdr_event_no_field = cdr_str_null;

static const cdr_str_t  cdr_event_own[] = {
    cdr_str("type"),
    cdr_str("timestamp"),
    cdr_str("eventId")
};


size_t
cdr_event_catalogue_slots(size_t ntypes)
{
    size_t  n;

    for (n = 4; n < ntypes * 2; n *= 2) { /* void */ }

    return n;
}


int
cdr_event_catalogue_init(cdr_event_catalogue_t *cat,
    const cdr_event_type_t *types, size_t ntypes, uint16_t *slots,
    size_t *wrong)
{
    size_t  i, j;

    if (ntypes > CDR_EVENT_MAX_TYPES) {
        return CDR_TOOBIG;
    }

    cat->types = types;
    cat->ntypes = ntypes;
    cat->slots = slots;
    cat->nslots = cdr_event_catalogue_slots(ntypes);

    for (i = 0; i < cat->nslots; i++) {
        slots[i] = CDR_EVENT_NO_TYPE;
    }

    for (i = 0; i < ntypes; i++) {

        if (types[i].name.len == 0
            || types[i].name.len > CDR_EVENT_MAX_NAME
            || cdr_event_find(cat, types[i].name))
        {
            *wrong = i;
            return CDR_ERROR;
        }

        j = cdr_json_hash(types[i].name);

        while (slots[j & (cat->nslots - 1)] != CDR_EVENT_NO_TYPE) {
            j++;
        }

        slots[j & (cat->nslots - 1)] = (uint16_t) i;
    }

    return CDR_OK;
}


const cdr_event_type_t *
cdr_event_find(const cdr_event_catalogue_t *cat, cdr_str_t name)
{
    size_t                   i;
    const cdr_event_type_t  *type;

    for (i = cdr_json_hash(name); /* void */; i++) {
        type = cdr_event_slot(cat, i);

        if (type == NULL || cdr_json_eq(type->name, name)) {
            return type;
        }
    }
}


const cdr_event_type_t *
cdr_event_find_text(const cdr_event_catalogue_t *cat, cdr_str_t text)
{
    size_t                   i;
    const cdr_event_type_t  *type;

    for (i = cdr_json_text_hash(text); /* void */; i++) {
        type = cdr_event_slot(cat, i);

        if (type == NULL || cdr_json_text_eq(text, type->name)) {
            return type;
        }
    }
}


/* The type in a slot, counted around the table; NULL if it is empty. */

static const cdr_event_type_t *
cdr_event_slot(const cdr_event_catalogue_t *cat, size_t i)
{
    uint16_t  n;

    n = cat->slots[i & (cat->nslots - 1)];

    return (n == CDR_EVENT_NO_TYPE) ? NULL : &cat->types[n];
}


uint32_t
cdr_event_class(const cdr_event_type_t *type, uint32_t roles)
{
    unsigned  i;
    uint32_t  rules;

    rules = CDR_MASK_EVERYONE;

    for (i = 0; i < type->nrules; i++) {
        rules |= (uint32_t) ((type->unless[i] & roles) == 0) << i;
    }

    return rules;
}


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
        return cdr_event_fail(err, "the type of the event is unknown",
                              cdr_event_type_key);
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

    return CDR_ERROR;
}


/* Whether a member is stored, which those that the hub gives are not. */

static bool
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


size_t
cdr_event_payload_size(const cdr_json_member_t *members, size_t n)
{
    size_t  i, size;

    size = 0;

    for (i = 0; i < n; i++) {

        if (cdr_event_is_field(&members[i])) {
            size += CDR_EVENT_HEAD_LEN
                    + cdr_json_canonical_text_size(members[i].key)
                    + cdr_json_canonical_size(members[i].value);
        }
    }

    return size;
}


size_t
cdr_event_payload(uint8_t *dst, const cdr_event_type_t *type,
    const cdr_json_member_t *members, size_t n)
{
    size_t    i;
    uint8_t  *p;

    p = dst;

    for (i = 0; i < n; i++) {
        if (cdr_event_is_field(&members[i])) {
            p += cdr_event_put_field(p, type, &members[i]);
        }
    }

    return (size_t) (p - dst);
}


/* Returns the bytes written, which is none for a field that is hidden. */

static size_t
cdr_event_put_field(uint8_t *dst, const cdr_event_type_t *type,
    const cdr_json_member_t *m)
{
    uint8_t           *p;
    uint16_t           len;
    uint32_t           value_len;
    cdr_str_t          key, value;
    cdr_json_out_t     out;
    const cdr_mask_t  *mask, *node;

    p = dst + CDR_EVENT_HEAD_LEN;

    key.data = p;
    key.len = cdr_json_canonical_text(p, m->key);
    p += key.len;

    mask = type->hide_everyone ? type->mask : NULL;

    if (!cdr_mask_field(mask, CDR_MASK_EVERYONE, key, m->value, &node)) {
        return 0;
    }

    value.data = p;
    value.len = cdr_json_canonical(p, m->value);

    if (node) {
        out.dst = p;
        out.len = 0;
        cdr_mask_put(&out, node, CDR_MASK_EVERYONE, value);
        value.len = out.len;
    }

    len = (uint16_t) key.len;
    value_len = (uint32_t) value.len;

    memcpy(dst, &len, sizeof(len));
    memcpy(dst + sizeof(len), &value_len, sizeof(value_len));

    return CDR_EVENT_HEAD_LEN + key.len + value.len;
}


int
cdr_event_next(cdr_event_iter_t *it, cdr_event_field_t *field)
{
    size_t          left;
    uint16_t        key;
    uint32_t        value;
    const uint8_t  *p;

    left = it->rest.len;

    if (left == 0) {
        return CDR_DECLINED;
    }

    if (left < CDR_EVENT_HEAD_LEN) {
        return CDR_ERROR;
    }

    p = it->rest.data;
    left -= CDR_EVENT_HEAD_LEN;

    memcpy(&key, p, sizeof(key));
    memcpy(&value, p + sizeof(key), sizeof(value));

    if (key > left || value > left - key) {
        return CDR_ERROR;
    }

    p += CDR_EVENT_HEAD_LEN;

    field->key.data = p;
    field->key.len = key;
    field->value.data = p + key;
    field->value.len = value;

    it->rest.data = p + key + value;
    it->rest.len = left - key - value;
    it->ordinal++;

    return CDR_OK;
}


size_t
cdr_event_encode_size(const cdr_event_view_t *view)
{
    cdr_json_out_t  out = { NULL, 0 };

    cdr_event_write(&out, view);

    return out.len;
}


size_t
cdr_event_encode(uint8_t *dst, const cdr_event_view_t *view)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_event_write(&out, view);

    return out.len;
}


static void
cdr_event_write(cdr_json_out_t *out, const cdr_event_view_t *view)
{
    cdr_event_iter_t   it = { view->payload, 0 };
    cdr_event_field_t  field;
    const cdr_mask_t  *node;

    cdr_json_put_lit(out, "{\"type\":");
    cdr_json_put_string(out, view->type);

    while (cdr_event_next(&it, &field) == CDR_OK) {

        if (it.ordinal <= view->skip
            || !cdr_mask_field(view->mask, view->hidden, field.key,
                               field.value, &node))
        {
            continue;
        }

        cdr_json_put_lit(out, ",\"");
        cdr_json_put(out, field.key.data, field.key.len);
        cdr_json_put_lit(out, "\":");

        if (node == NULL) {
            cdr_json_put(out, field.value.data, field.value.len);

        } else {
            cdr_mask_put(out, node, view->hidden, field.value);
        }
    }

    cdr_json_put_lit(out, ",\"timestamp\":");
    cdr_json_put_u64(out, view->timestamp);
    cdr_json_put_lit(out, ",\"eventId\":");
    cdr_json_put_string(out, view->id);
    cdr_json_put_lit(out, "}");
}
