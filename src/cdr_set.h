/*
 * A small set of numbers in memory of its own, that grows up to a bound.
 * Beyond it, and without memory, the set no longer knows what is in it, and
 * says of every number that it is.
 */

#ifndef CDR_SET_H_INCLUDED
#define CDR_SET_H_INCLUDED


#include "cdr.h"


#define CDR_SET_MAX  4096               /* numbers in a set */


/* Begins with all 0. */

typedef struct {
    uint32_t  *slots;                   /* number + 1; 0: free */
    uint32_t   size;                    /* a power of two, or 0 */
    uint32_t   n;
    bool       all;                     /* it does not know */
} cdr_set_t;


/* Adds a number below UINT32_MAX, which may be there already. */

void cdr_set_add(cdr_set_t *set, uint32_t number, const cdr_alloc_t *alloc);

/* Takes a number out: was it there? */

bool cdr_set_take(cdr_set_t *set, uint32_t number);

/* Empties the set, which may be used on. */

void cdr_set_free(cdr_set_t *set, const cdr_alloc_t *alloc);


#endif /* CDR_SET_H_INCLUDED */
