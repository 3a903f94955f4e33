/*
 * Work that one process of a server lends to others: a small table in shared
 * memory, so that each piece comes back, done or not, whoever dies.
 *
 * The lender fills in a free place and moves its state to LENT, the borrower
 * to TAKEN and then to what became of it, and the lender takes it back.  Each
 * move is one store, and only one process may make it; but what the dead have
 * is returned by whoever finds them.
 */

#ifndef CDR_LEND_H_INCLUDED
#define CDR_LEND_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_LENDS  64


typedef enum {
    CDR_LEND_FREE = 0,
    CDR_LEND_LENT,
    CDR_LEND_TAKEN,
    CDR_LEND_DONE,              /* from here on: it came back */
    CDR_LEND_FAILED,
    CDR_LEND_REFUSED,           /* this borrower cannot do it */
    CDR_LEND_LOST               /* its borrower died, or it is gone */
} cdr_lend_state_e;


typedef struct {
    _Atomic uint32_t      state;        /* cdr_lend_state_e */
    uint32_t              slot;         /* of the borrower */
    uint32_t              incarnation;
    uint32_t              tag;          /* the lender's */
    uint32_t              result;       /* the borrower's */
    uint64_t              n;            /* likewise: which piece of work, */
    uint64_t              at;           /* and where it lies */
} cdr_lend_t;


typedef struct {
    cdr_lend_t            lends[CDR_LENDS];
} cdr_lends_t;


/*
 * The lender, one at a time.  Lends a piece: its place, or CDR_LENDS if all
 * are in use.  The place of a piece, or CDR_LENDS.  What came back next, from
 * place "i" on: its place, or CDR_LENDS; it is lent until cdr_lend_free().  And
 * what nobody has taken yet is taken back, and its place is free: CDR_OK, or
 * CDR_DECLINED.
 */

uint32_t cdr_lend(cdr_lends_t *l, uint32_t slot, uint32_t incarnation,
    uint32_t tag, uint64_t n, uint64_t at);
uint32_t cdr_lend_find(const cdr_lends_t *l, uint64_t n);
uint32_t cdr_lend_back(const cdr_lends_t *l, uint32_t i,
    cdr_lend_state_e *state);
void cdr_lend_free(cdr_lends_t *l, uint32_t i);
int cdr_lend_recall(cdr_lends_t *l, uint32_t i);

/*
 * The borrower.  Takes a piece that is lent to it: its place, or CDR_LENDS.
 * Gives back what it took: DONE, FAILED or REFUSED, with a result that it may
 * tell; or LOST, if the piece of work has made way meanwhile.
 */

uint32_t cdr_lend_take(cdr_lends_t *l, uint32_t slot, uint32_t incarnation);
void cdr_lend_return(cdr_lends_t *l, uint32_t i, cdr_lend_state_e state,
    uint32_t result);

/*
 * For the dead: all that the owners of a slot have, up to this incarnation, is
 * LOST.  Returns how many.
 */

uint32_t cdr_lend_release_owner(cdr_lends_t *l, uint32_t slot,
    uint32_t incarnation);


#endif /* CDR_LEND_H_INCLUDED */
