/*
 * Events: the catalogue of what may be published, the check of a publication
 * against it, the payload as the log keeps it, and the encoding for clients.
 *
 * An event is kept by name, in no encoding that depends on configuration
 * numbers: whoever reads a record needs only the bytes.  A payload is a list
 * of fields in the order in which the publisher gave them, each as
 *
 *     uint16_t  length of the key
 *     uint32_t  length of the value
 *     key       canonical JSON text, without quotes
 *     value     canonical JSON
 *
 * with native, unaligned integers.  The members "type", "timestamp" and
 * "eventId" of a publication are not fields: the type stands in the record's
 * header, the other two are the hub's to give.
 */

#ifndef CDR_EVENT_H_INCLUDED
#define CDR_EVENT_H_INCLUDED


#include "cdr.h"
#include "cdr_json.h"
#include "cdr_mask.h"


#define CDR_EVENT_MAX_TYPES     4096
#define CDR_EVENT_MAX_NAME      255     /* bytes */
#define CDR_EVENT_MAX_FIELDS    256

/* room for the fields of an event and the three members that are none */
#define CDR_EVENT_MAX_MEMBERS   (CDR_EVENT_MAX_FIELDS + 3)


/*
 * A type of event, as configured.  Names are plain UTF-8.  Roles are bits of
 * a mask.  Rule i hides something from those who have no role of unless[i].
 */

typedef struct {
    cdr_str_t                name;
    uint16_t                 channel;   /* index of the hub's channel */
    uint16_t                 nrequire;
    const cdr_str_t         *require;   /* dotted paths */

    const cdr_mask_t        *mask;      /* NULL: nothing is ever hidden */
    bool                     hide_everyone;     /* something from everyone */
    uint32_t                 roles;             /* 0: everyone */
    uint32_t                 publish_roles;     /* 0: none */
    unsigned                 nrules;    /* at most CDR_MASK_RULES */
    const uint32_t          *unless;
} cdr_event_type_t;


/* All types of a hub, with an index by name; memory is the caller's. */

typedef struct {
    const cdr_event_type_t  *types;
    size_t                   ntypes;
    uint16_t                *slots;
    size_t                   nslots;
} cdr_event_catalogue_t;


/* Why a publication is no event: a sentence, and the field if there is one. */

typedef struct {
    const char              *error;
    cdr_str_t                field;     /* plain; data is NULL if none */
    bool                     unknown;   /* a type that nobody configured */
} cdr_event_error_t;


/* A field of a payload. */

typedef struct {
    cdr_str_t                key;       /* canonical text, without quotes */
    cdr_str_t                value;     /* canonical JSON */
} cdr_event_field_t;


/* A reader of payloads; begin with { payload, 0 }. */

typedef struct {
    cdr_str_t                rest;
    unsigned                 ordinal;   /* of the next field */
} cdr_event_iter_t;


/* What an event is encoded from. */

typedef struct {
    cdr_str_t                type;      /* plain */
    cdr_str_t                payload;
    uint64_t                 timestamp; /* Unix milliseconds */
    cdr_str_t                id;        /* plain */

    const cdr_mask_t        *mask;      /* NULL: all is visible */
    uint32_t                 hidden;    /* the class: rules that hide */
    unsigned                 skip;      /* leading fields that nobody gets */
} cdr_event_view_t;


/*
 * The number of slots that a catalogue of so many types needs: a power of two,
 * more than the types.  Each slot is one uint16_t.
 */
size_t cdr_event_catalogue_slots(size_t ntypes);


/*
 * Makes a catalogue of types, which stay the caller's and live as long as it,
 * as do the slots.  Returns CDR_OK; CDR_TOOBIG for more than
 * CDR_EVENT_MAX_TYPES; CDR_ERROR if a name is empty, longer than
 * CDR_EVENT_MAX_NAME or there twice, with the index of that type in "*wrong".
 */
int cdr_event_catalogue_init(cdr_event_catalogue_t *cat,
    const cdr_event_type_t *types, size_t ntypes, uint16_t *slots,
    size_t *wrong);


/* The type of that name or NULL; _text() takes JSON text, such as "\u0061". */
const cdr_event_type_t *cdr_event_find(const cdr_event_catalogue_t *cat,
    cdr_str_t name);
const cdr_event_type_t *cdr_event_find_text(const cdr_event_catalogue_t *cat,
    cdr_str_t text);


/*
 * The class of an event type for a set of roles: the rules that hide something
 * from them, CDR_MASK_EVERYONE always among these.
 */
uint32_t cdr_event_class(const cdr_event_type_t *type, uint32_t roles);


/*
 * Whether a member is a field, which the three that the hub gives are not; and
 * whether a path begins with the name of one of these three.
 */
bool cdr_event_is_field(const cdr_json_member_t *m);
bool cdr_event_reserved(cdr_str_t path);


/*
 * Checks the members of an object against the catalogue.  Returns CDR_OK with
 * the type; CDR_ERROR with "err" filled if "type" is missing, no string or
 * unknown, if a required field is missing or null, or if there are more than
 * CDR_EVENT_MAX_FIELDS fields or a key is over 65,535 bytes.
 *
 * A required path is there if each name on its way is in an object.  Where the
 * way meets an array, every element has to have the rest of it, and there has
 * to be one.  What the path leads to may be anything but null, so also [].
 */
int cdr_event_check(const cdr_event_catalogue_t *cat,
    const cdr_json_member_t *members, size_t n,
    const cdr_event_type_t **type, cdr_event_error_t *err);


/*
 * The payload of the members of an object that was checked, without what its
 * type hides from everyone.  The size is exact for a type without
 * "hide_everyone", else it is an upper bound; cdr_event_payload() returns the
 * bytes of the payload.  What is hidden may stand in "dst" while this writes,
 * and behind the payload afterwards, so "dst" is not where others read.
 */
size_t cdr_event_payload_size(const cdr_json_member_t *members, size_t n);
size_t cdr_event_payload(uint8_t *dst, const cdr_event_type_t *type,
    const cdr_json_member_t *members, size_t n);


/*
 * Reads the next field.  Returns CDR_OK; CDR_DECLINED at the end; CDR_ERROR if
 * what is left is no field, which a log that is sound does not hold.
 */
int cdr_event_next(cdr_event_iter_t *it, cdr_event_field_t *field);


/*
 * The event as clients of a class get it:
 * {"type":"NAME",FIELDS,"timestamp":1700000000000,"eventId":"ms-n"}
 * cdr_event_encode() returns the bytes written, which is the size.
 */
size_t cdr_event_encode_size(const cdr_event_view_t *view);
size_t cdr_event_encode(uint8_t *dst, const cdr_event_view_t *view);


/*
 * The event as servers tell each other of it, all of it but its end:
 * {"type":"NAME",FIELDS  Returns the bytes, which are not written to NULL.
 */
size_t cdr_event_open(uint8_t *dst, cdr_str_t type, cdr_str_t payload);


#endif /* CDR_EVENT_H_INCLUDED */
