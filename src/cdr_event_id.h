/*
 * Event ids.  "ms-n" names a position in the order of the hub.  With
 * "~server.n" behind it, it means everything up to that position and, of what
 * this server ordered while it was alone, everything up to its n-th event;
 * there may be several.  Clients treat an id as opaque.
 */

#ifndef CDR_EVENT_ID_H_INCLUDED
#define CDR_EVENT_ID_H_INCLUDED


#include "cdr.h"


#define CDR_EVENT_ID_ORIGINS  4
#define CDR_EVENT_ID_LEN      (41 + 42 * CDR_EVENT_ID_ORIGINS)
                                    /* of the longest text */


typedef struct {
    uint64_t             server;
    uint64_t             n;
} cdr_event_origin_t;


typedef struct {
    uint64_t             ms;
    uint64_t             n;
    unsigned             norigins;
    cdr_event_origin_t   origins[CDR_EVENT_ID_ORIGINS];
} cdr_event_id_t;


/*
 * Everything of this server up to "n" as well.  If there are too many, the one
 * that was added first makes way.
 */

void cdr_event_id_add(cdr_event_id_t *id, uint64_t server, uint64_t n);

/*
 * Prints "ms-n", and "~server.n" for each origin, to "dst", which has room for
 * CDR_EVENT_ID_LEN bytes; returns the length.  No NUL is added.
 */

size_t cdr_event_id_print(uint8_t *dst, const cdr_event_id_t *id);

/*
 * Parses exactly what cdr_event_id_print() can print: decimal, no signs, no
 * leading zeros, each number within 64 bits.  CDR_OK or CDR_ERROR.
 */

int cdr_event_id_parse(cdr_event_id_t *id, const uint8_t *data, size_t len);


#endif /* CDR_EVENT_ID_H_INCLUDED */
