/*
 * What servers of a hub tell each other of their reviewers: lines of JSON, one
 * for each, behind one that says whose they are.  A field of the hash that
 * holds all reviewers of a server has such a line as its value.
 *
 *   {"server":"123","version":5}
 *   {"server":"123","version":6,"gone":true,"leave":10000}
 *   {"id":"ann","status":"busy","role":"architect","feature":"search",
 *    "connections":2,"connection":"conn_...","spoke":true,"said":...,
 *    "since":...}
 *   {"id":"conn_...","anonymous":true,"gone":true}
 *
 * The second one is a single line, too.  Functions that write return the
 * length, and only that with "dst" NULL.  Members that are not known are left
 * alone.
 */

#ifndef CDR_GUEST_TEXT_H_INCLUDED
#define CDR_GUEST_TEXT_H_INCLUDED


#include "cdr.h"
#include "cdr_guest.h"


#define CDR_GUEST_STRINGS    (CDR_REVIEWER_ID_MAX + CDR_CONN_ROLE_MAX         \
                              + CDR_CONN_FEATURE_MAX)

/* The longest line, whatever the strings are, and the longest name of a
 * field. */

#define CDR_GUEST_LINE_MAX   (512 + 6 * CDR_GUEST_STRINGS)
#define CDR_GUEST_FIELD_MAX  (2 + CDR_REVIEWER_ID_MAX)


typedef struct {
    uint64_t              server;
    uint64_t              version;      /* one more with each message */
    bool                  all;          /* the hash is to be read anew */
    bool                  gone;         /* the server stops: its reviewers may
                                           be elsewhere in so many ms */
    uint64_t              leave;
} cdr_guest_note_t;


size_t cdr_guest_note(uint8_t *dst, const cdr_guest_note_t *note);
size_t cdr_guest_line(uint8_t *dst, const cdr_guest_info_t *info);
size_t cdr_guest_gone(uint8_t *dst, cdr_str_t id, bool anonymous);

/* The name of a reviewer's field in the hash of its server. */

size_t cdr_guest_field(uint8_t *dst, cdr_str_t id, bool anonymous);

/* CDR_OK or CDR_ERROR. */

int cdr_guest_note_parse(cdr_guest_note_t *note, cdr_str_t line);

/*
 * Either kind of line: *gone tells which; strings are decoded into "buf" of
 * CDR_GUEST_STRINGS bytes.  CDR_OK or CDR_ERROR.
 */

int cdr_guest_line_parse(cdr_guest_info_t *info, bool *gone, cdr_str_t line,
    uint8_t *buf);

/* Takes the next line from the front of a text; false at its end. */

bool cdr_guest_next_line(cdr_str_t *text, cdr_str_t *line);

/* A decimal number: CDR_OK or CDR_ERROR. */

int cdr_guest_number(cdr_str_t text, uint64_t *n);


#endif /* CDR_GUEST_TEXT_H_INCLUDED */
