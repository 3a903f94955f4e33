/*
 * What stands in the stream that all servers of a hub read: an entry's place,
 * and its fields; and the words that scripts answer with.
 *
 * Numbers are decimal, without signs or leading zeros, within 64 bits.
 */

#ifndef CDR_STREAM_H_INCLUDED
#define CDR_STREAM_H_INCLUDED


#include "cdr.h"
#include "cdr_idem.h"
#include "cdr_log.h"


/* What is not below these is no place: there is room behind all others. */

#define CDR_STREAM_MS_END     ((uint64_t) 1 << 48)
#define CDR_STREAM_N_END      ((uint64_t) 1 << 53)

#define CDR_STREAM_FIELDS     7         /* that are known */
#define CDR_STREAM_PLACE_LEN  41        /* the longest "ms-n" */
#define CDR_STREAM_HASH_LEN   32        /* of a cdr_idem_hash_t in hex */


typedef struct {
    uint64_t              ms;           /* its place */
    uint64_t              n;

    uint64_t              server;       /* origin, "o"; 0: somebody foreign */
    uint64_t              number;       /* and its number, not 0 */
    uint64_t              index;        /* "i", one more than the entry before
                                           it; 0: it says nothing */
    uint64_t              time_ms;      /* "t" */
    uint32_t              flags;        /* "f", or 0 */
    bool                  control;      /* it has "c", not "e" */
    cdr_str_t             text;         /* of either */
    cdr_str_t             signature;    /* "m"; data is NULL if none */
} cdr_stream_entry_t;


/* "ms-n": CDR_OK or CDR_ERROR.  And its text, of at most _PLACE_LEN bytes. */

int cdr_stream_place(cdr_str_t text, uint64_t *ms, uint64_t *n);
size_t cdr_stream_place_print(uint8_t *dst, uint64_t ms, uint64_t n);

/*
 * An entry from its id and its fields, a list of names and values in turn, as
 * Redis gives them; "n" is the length of that list.  The slices are those of
 * the fields.  A field that is not known is left alone.  CDR_OK; CDR_ERROR
 * with a reason ("has no origin") in *error, the place is set then if it is
 * one: a field that is needed is missing, is there twice, or is wrong.
 */

int cdr_stream_entry(cdr_stream_entry_t *e, cdr_str_t id,
    const cdr_str_t *fields, size_t n, const char **error);

/*
 * What a record stands for that was done under a key: "digest ms n count", in
 * a hub's order.  CDR_OK or CDR_ERROR.
 */

int cdr_stream_answer(cdr_str_t text, cdr_idem_answer_t *answer);

/* A hash as _HASH_LEN bytes of hex, and back: CDR_OK or CDR_ERROR. */

void cdr_stream_hash_print(uint8_t *dst, const cdr_idem_hash_t *hash);
int cdr_stream_hash(cdr_str_t text, cdr_idem_hash_t *hash);


#endif /* CDR_STREAM_H_INCLUDED */
