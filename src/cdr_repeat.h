/*
 * What is told again and again: so often in a window of time, and then only
 * counted, for each thing that is told.
 *
 * A thing is a number of 64 bits, a keyed hash of it.  There are so many at a
 * time; where more are told of, those are one.
 */

#ifndef CDR_REPEAT_H_INCLUDED
#define CDR_REPEAT_H_INCLUDED


#include "cdr.h"


#define CDR_REPEAT_WAYS  8
#define CDR_REPEAT_SETS  256
#define CDR_REPEAT_N     (CDR_REPEAT_SETS * CDR_REPEAT_WAYS)


typedef struct {
    uint64_t         key;
    uint64_t         start_ms;      /* of the window; 0: unused */
    uint32_t         told;          /* in it */
    uint32_t         untold;        /* that were only counted */
    void            *data;          /* the caller's */
} cdr_repeat_thing_t;


/* Zeroed to begin with. */

typedef struct {
    cdr_repeat_thing_t  rest;       /* all for which there is no room */
    cdr_repeat_thing_t  thing[CDR_REPEAT_N];
} cdr_repeat_t;


/*
 * The thing of a key, or one to become it, or the rest.  If something is
 * untold of it and its window is over, that is the caller's to tell, and then
 * to set to 0, before it counts on.
 */

cdr_repeat_thing_t *cdr_repeat_find(cdr_repeat_t *t, uint64_t key,
    uint64_t now_ms, uint64_t per_ms);

/* Is its window over?  A clock that goes back ends it. */

bool cdr_repeat_over(const cdr_repeat_thing_t *thing, uint64_t now_ms,
    uint64_t per_ms);

/*
 * Counts it.  CDR_OK: it is to be told, as one of "most" in the window, which
 * begins here if the last one is over.  CDR_DECLINED: it is not.
 */

int cdr_repeat_count(cdr_repeat_t *t, cdr_repeat_thing_t *thing, uint64_t key,
    uint64_t now_ms, uint64_t per_ms, uint32_t most);


#endif /* CDR_REPEAT_H_INCLUDED */
