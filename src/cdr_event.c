/* Events: catalogue, check, payload and encoding. */

#include "cdr.h"
#include "cdr_event.h"


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
static bool cdr_event_is_field(const cdr_json_member_t *m);
static void cdr_event_write(cdr_json_out_t *out, const cdr_event_view_t *view);
static bool cdr_event_selected(const uint64_t *select, unsigned ordinal);


static const cdr_str_t  cdr_event_type_key = cdr_str("type");
static const cdr_str_t  cdr_event_no_field = cdr_str_null;

static const cdr_str_t  cdr_event_reserved[] = {
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
    unsigned                  i;
    const cdr_json_member_t  *m;

    for (i = 0; i < type->nrequire; i++) {
        m = cdr_json_find(members, n, type->require[i]);

        if (m == NULL || m->type == CDR_JSON_NULL) {
            return cdr_event_fail(err, "a required field is missing",
                                  type->require[i]);
        }
    }

    return CDR_OK;
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

    for (i = 0; i < sizeof(cdr_event_reserved) / sizeof(cdr_str_t); i++) {
        if (cdr_json_key_eq(m, cdr_event_reserved[i])) {
            return false;
        }
    }

    return true;
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
cdr_event_payload(uint8_t *dst, const cdr_json_member_t *members, size_t n)
{
    size_t     i;
    uint8_t   *p, *head;
    uint16_t   key;
    uint32_t   value;

    p = dst;

    for (i = 0; i < n; i++) {

        if (!cdr_event_is_field(&members[i])) {
            continue;
        }

        head = p;
        p += CDR_EVENT_HEAD_LEN;

        key = (uint16_t) cdr_json_canonical_text(p, members[i].key);
        p += key;

        value = (uint32_t) cdr_json_canonical(p, members[i].value);
        p += value;

        memcpy(head, &key, sizeof(key));
        memcpy(head + sizeof(key), &value, sizeof(value));
    }

    return (size_t) (p - dst);
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

    cdr_json_put_lit(out, "{\"type\":");
    cdr_json_put_string(out, view->type);

    while (cdr_event_next(&it, &field) == CDR_OK) {

        if (!cdr_event_selected(view->select, it.ordinal - 1)) {
            continue;
        }

        cdr_json_put_lit(out, ",\"");
        cdr_json_put(out, field.key.data, field.key.len);
        cdr_json_put_lit(out, "\":");
        cdr_json_put(out, field.value.data, field.value.len);
    }

    cdr_json_put_lit(out, ",\"timestamp\":");
    cdr_json_put_u64(out, view->timestamp);
    cdr_json_put_lit(out, ",\"eventId\":");
    cdr_json_put_string(out, view->id);
    cdr_json_put_lit(out, "}");
}


static bool
cdr_event_selected(const uint64_t *select, unsigned ordinal)
{
    return select == NULL
           || (ordinal < CDR_EVENT_MAX_FIELDS
               && (select[ordinal / 64] >> (ordinal % 64) & 1));
}
