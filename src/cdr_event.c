/* Events: catalogue, classes, payload and encoding. */

#include "cdr.h"
#include "cdr_event.h"


/* an empty slot of a catalogue */
#define CDR_EVENT_NO_TYPE   UINT16_MAX

/* the lengths in front of a field */
#define CDR_EVENT_HEAD_LEN  (sizeof(uint16_t) + sizeof(uint32_t))


static const cdr_event_type_t *cdr_event_slot(
    const cdr_event_catalogue_t *cat, size_t i);
static size_t cdr_event_put_field(uint8_t *dst, const cdr_event_type_t *type,
    const cdr_json_member_t *m);
static void cdr_event_write(cdr_json_out_t *out, const cdr_event_view_t *view);
static void cdr_event_write_fields(cdr_json_out_t *out,
    const cdr_event_view_t *view);


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


size_t
cdr_event_open(uint8_t *dst, cdr_str_t type, cdr_str_t payload)
{
    cdr_json_out_t    out = { dst, 0 };
    cdr_event_view_t  view;

    memset(&view, 0, sizeof(cdr_event_view_t));

    view.type = type;
    view.payload = payload;

    cdr_event_write_fields(&out, &view);

    return out.len;
}


static void
cdr_event_write(cdr_json_out_t *out, const cdr_event_view_t *view)
{
    cdr_event_write_fields(out, view);

    cdr_json_put_lit(out, ",\"timestamp\":");
    cdr_json_put_u64(out, view->timestamp);
    cdr_json_put_lit(out, ",\"eventId\":");
    cdr_json_put_string(out, view->id);
    cdr_json_put_lit(out, "}");
}


static void
cdr_event_write_fields(cdr_json_out_t *out, const cdr_event_view_t *view)
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
}
