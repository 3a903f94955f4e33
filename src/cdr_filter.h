/*
 * Filters of subscriptions: which events of a channel a client wants.
 *
 * A filter is an object of fields, each with the one value or the list of
 * values that is wanted; an event passes if each field of the filter has one
 * of its values.  Values are null, booleans, numbers and strings, compared in
 * canonical form (so 1 and 1.0 differ).  A field is a dotted path as in
 * cdr_mask.h; where it meets an array, one element that matches is enough.
 * An empty list wants nothing, so no event passes; a field that an event does
 * not have is not null.
 *
 * A filter is matched against the event as it is encoded for the client, and
 * therefore sees what the client sees ("type", "timestamp" and "eventId"
 * included) and nothing else.
 */

#ifndef CDR_FILTER_H_INCLUDED
#define CDR_FILTER_H_INCLUDED


#include "cdr.h"
#include "cdr_json.h"


#define CDR_FILTER_MAX_FIELDS   8
#define CDR_FILTER_MAX_VALUES   64          /* in all fields together */
#define CDR_FILTER_MAX_SIZE     1024        /* bytes of its JSON text */


/* A compiled filter holds no address: equal bytes are equal filters. */

typedef struct {
    size_t               len;               /* 0: everything passes */
    uint8_t              data[2 * CDR_FILTER_MAX_SIZE];
} cdr_filter_t;


/*
 * Compiles a JSON value that the scanner has accepted.  Fields and the values
 * of each are sorted, and a value that is there twice counts once, so that the
 * same filter written in another order compares equal.  CDR_OK (for {} as
 * well: everything passes), or CDR_ERROR with a sentence in *error.
 */
int cdr_filter_compile(cdr_filter_t *filter, cdr_str_t value,
    const char **error);

/*
 * Does an event pass?  "filter" is the data of a compiled filter; "event" is
 * the canonical text of an object, as cdr_event_encode() writes it.  Safe for
 * any bytes.
 */
bool cdr_filter_match(cdr_str_t filter, cdr_str_t event);


#endif /* CDR_FILTER_H_INCLUDED */
