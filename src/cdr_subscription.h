/* A list of subscriptions in a command: channels, each with its filter. */

#ifndef CDR_SUBSCRIPTION_H_INCLUDED
#define CDR_SUBSCRIPTION_H_INCLUDED


#include "cdr.h"


#define CDR_SUBSCRIPTION_MAX      64    /* in a list */
#define CDR_SUBSCRIPTION_MEMBERS  16    /* of one */


typedef struct {
    cdr_str_t            channel;   /* text between quotes, not decoded */
    cdr_str_t            filter;    /* a JSON value; data NULL: none */
} cdr_subscription_t;


/* A reader; begin with { value, 0 }, the value of a JSON array. */

typedef struct {
    cdr_str_t            rest;
    unsigned             n;         /* read so far */
} cdr_subscription_iter_t;


/*
 * Reads the next subscription of an array that the scanner has accepted.  Its
 * strings lie in the array.  CDR_OK; CDR_DECLINED at the end; CDR_ERROR with a
 * sentence in *error if it is no object, has no string "channel", has more
 * than CDR_SUBSCRIPTION_MEMBERS members, or if there are more than
 * CDR_SUBSCRIPTION_MAX.  A "filter" of null is none; what else it is has to be
 * looked at by who compiles it.  Safe for any bytes.
 */

int cdr_subscription_next(cdr_subscription_iter_t *it,
    cdr_subscription_t *sub, const char **error);


#endif /* CDR_SUBSCRIPTION_H_INCLUDED */
