/*
 * How many messages and bytes one connection may send in a window of time.
 *
 * The window is fixed and starts with its first message: exactly "messages"
 * pass in it, whatever their spacing.
 */

#ifndef CDR_RATE_H_INCLUDED
#define CDR_RATE_H_INCLUDED


#include "cdr.h"


/* Zeroed to begin with.  Belongs to the process that owns the connection. */

typedef struct {
    uint64_t  start_ms;             /* of the window; 0: none yet */
    uint64_t  bytes;                /* that passed in it */
    uint32_t  count;                /* messages that passed */
    uint32_t  refused;              /* messages that did not */
} cdr_rate_t;


typedef struct {
    uint32_t  messages;             /* per window; 0: any number */
    uint64_t  per_ms;               /* the window; 0: no limit at all */
    uint64_t  bytes;                /* per window; 0: any number */
    uint32_t  close_after;          /* refusals in a window; 0: ten times
                                       "messages", never if that is 0 */
} cdr_rate_limits_t;


/*
 * Counts a message of "size" bytes.  CDR_OK: it passes.  CDR_DECLINED: it is
 * refused, and *retry_ms says after how many milliseconds (1 at least) the
 * next window can begin.  CDR_TOOBIG: refused, and the client has now had
 * close_after refusals or more in this window.  A refused message takes
 * nothing of the window.  *retry_ms is 0 with CDR_OK.
 *
 * If the clock goes back, the window restarts with its counts kept: it never
 * passes more, nor lasts longer than per_ms from then.
 */

int cdr_rate_check(cdr_rate_t *rate, const cdr_rate_limits_t *limits,
    uint64_t now_ms, size_t size, uint64_t *retry_ms);


#endif /* CDR_RATE_H_INCLUDED */
