/*
 * Event ids.  "ms-n" names a position in the order of the hub.  With
 * "~server.n" behind it, it means everything up to that position and, of what
 * this server ordered while it was alone, everything up to its n-th event.
 * Clients treat an id as opaque.
 */

#ifndef CDR_EVENT_ID_H_INCLUDED
#define CDR_EVENT_ID_H_INCLUDED


#include "cdr.h"


#define CDR_EVENT_ID_LEN  83        /* of the longest text */


typedef struct {
    uint64_t  ms;
    uint64_t  n;
    uint64_t  server;
    uint64_t  origin_n;
    bool      has_origin;           /* else server and origin_n are 0 */
} cdr_event_id_t;


/*
 * Prints "ms-n" or "ms-n~server.origin_n" to "dst", which has room for
 * CDR_EVENT_ID_LEN bytes; returns the length.  No NUL is added.
 */

size_t cdr_event_id_print(uint8_t *dst, const cdr_event_id_t *id);

/*
 * Parses exactly what cdr_event_id_print() can print: decimal, no signs, no
 * leading zeros, each number within 64 bits.  CDR_OK or CDR_ERROR.
 */

int cdr_event_id_parse(cdr_event_id_t *id, const uint8_t *data, size_t len);


#endif /* CDR_EVENT_ID_H_INCLUDED */
