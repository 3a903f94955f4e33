/*
 * The body of a publication: one event, an array of events or NDJSON, read
 * one event at a time.
 *
 * Publishing is all or nothing, and nothing is allocated for it.  The caller
 * goes through a body twice: the first pass checks every event and adds up
 * what the log has to hold, the second, which cannot fail, writes.
 */

#ifndef CDR_PUBLISH_H_INCLUDED
#define CDR_PUBLISH_H_INCLUDED


#include "cdr.h"
#include "cdr_event.h"
#include "cdr_json.h"


/* How deep an event may be nested; an array around the events is not in it. */

#define CDR_PUBLISH_MAX_DEPTH  32


typedef enum {
    CDR_PUBLISH_NOT_JSON = 0,           /* 400 */
    CDR_PUBLISH_INVALID,                /* 422: JSON, but not such an event */
    CDR_PUBLISH_TOO_MANY                /* 413 */
} cdr_publish_kind_e;


typedef enum {
    CDR_PUBLISH_START = 0,
    CDR_PUBLISH_ARRAY,                  /* inside an array */
    CDR_PUBLISH_LINES,                  /* NDJSON: one object on each line */
    CDR_PUBLISH_OBJECTS,                /* objects, with lines between them */
    CDR_PUBLISH_END,
    CDR_PUBLISH_FAILED
} cdr_publish_state_e;


typedef struct {
    cdr_publish_kind_e            kind;
    const char                   *error;
    size_t                        index;    /* of the event, from 0 */
    size_t                        offset;   /* in the body, from 0 */
    cdr_str_t                     field;    /* plain; data is NULL if none */
    bool                          unknown;  /* a type nobody configured */
} cdr_publish_error_t;


/* About 11 KB, so that no event needs memory of its own. */

typedef struct {
    const cdr_event_catalogue_t  *catalogue;
    cdr_str_t                     body;
    size_t                        pos;
    size_t                        max_events;
    size_t                        index;    /* events so far */
    bool                          ndjson;
    cdr_publish_state_e           state;

    /* of the event at hand, as soon as it is known; NULL before */
    const cdr_event_type_t       *type;

    /* the current event, after CDR_OK */
    size_t                        nmembers;
    cdr_json_member_t             members[CDR_EVENT_MAX_MEMBERS];

    /* after CDR_ERROR */
    cdr_publish_error_t           error;
} cdr_publish_t;


/*
 * Begins a pass over a body, which stays the caller's and in place.  "ndjson"
 * tells that the content type says so: then each line is one object.  Without
 * it a body of several objects is taken as well, with a line end between one
 * and the next, each of them on one line or on more.
 */
void cdr_publish_init(cdr_publish_t *p, cdr_str_t body, bool ndjson,
    const cdr_event_catalogue_t *catalogue, size_t max_events);


/*
 * Reads and checks the next event.  Returns CDR_OK with "type", "members" and
 * "nmembers", which hold until the next call; CDR_DECLINED after the last
 * event ("index" is their number, at least 1); CDR_ERROR with "error", and with
 * the "type" of the wrong event if it has one that is in the catalogue.  The
 * end of a pass is final: later calls return CDR_DECLINED or CDR_ERROR again.
 */
int cdr_publish_next(cdr_publish_t *p);


#endif /* CDR_PUBLISH_H_INCLUDED */
