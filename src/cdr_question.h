/*
 * Questions that one process asks and another answers: a few slots in shared
 * memory, each with the bytes of a question and of its answer.
 *
 * Who asks has a ticket.  It is good for this question only: when the asker
 * gives up, or is dead, the slot is given to the next one, and an answer that
 * comes late finds nobody.  A question that was taken by a process which is
 * not there any more is taken again by the next that looks.
 *
 * All of it runs under the caller's mutex.  A slot's state is stored last, so
 * a holder that dies leaves what was there before, or nothing.
 */

#ifndef CDR_QUESTION_H_INCLUDED
#define CDR_QUESTION_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_QUESTION_VERSION   1
#define CDR_QUESTION_MAX       64       /* slots */
#define CDR_QUESTION_TEXT      2048     /* bytes of a question */
#define CDR_QUESTION_ANSWER    32768    /* and of an answer */
#define CDR_QUESTION_PATIENCE  10000    /* ms: nobody waits longer */


typedef struct cdr_question_shm_s   cdr_question_shm_t;
typedef struct cdr_question_slot_s  cdr_question_slot_t;


typedef struct {
    cdr_question_slot_t  *slots;
    uint32_t              n;
} cdr_question_t;


typedef struct {
    uint32_t              slot;
    uint64_t              serial;
} cdr_question_ticket_t;


/* Bytes for so many slots, which may be none; 0 above CDR_QUESTION_MAX. */

size_t cdr_question_size(uint32_t n);
size_t cdr_question_each(void);

/* CDR_OK, in cdr_question_size() bytes aligned to 64, or CDR_ERROR. */

int cdr_question_init(void *mem, uint32_t n);

/* CDR_OK; CDR_DECLINED: none, or of another version; CDR_ERROR: too small. */

int cdr_question_attach(cdr_question_t *q, void *mem, size_t size);

/*
 * Puts a question into a slot.  "asker" is told to who answers; the time is
 * one that all processes share.  CDR_OK, CDR_TOOBIG, or CDR_FULL if all slots
 * are in use.
 */

int cdr_question_ask(cdr_question_t *q, cdr_str_t text, uint32_t asker,
    uint64_t now_ms, cdr_question_ticket_t *ticket);

/*
 * Takes the question that has waited longest into "text", of
 * CDR_QUESTION_TEXT bytes; "taker" is a number that no other process has or
 * had.  CDR_OK, or CDR_DECLINED if there is none.
 */

int cdr_question_take(cdr_question_t *q, uint64_t taker, uint8_t *text,
    size_t *len, cdr_question_ticket_t *ticket);

/*
 * Answers what was taken.  CDR_OK, with the asker in *asker; CDR_DECLINED if
 * nobody waits for it any more; CDR_TOOBIG.
 */

int cdr_question_answer(cdr_question_t *q, uint64_t taker,
    const cdr_question_ticket_t *ticket, uint32_t status, cdr_str_t answer,
    uint32_t *asker);

/*
 * The answer, once it is there, into "answer", of CDR_QUESTION_ANSWER bytes;
 * the slot is then free.  CDR_OK; CDR_AGAIN: not yet; CDR_DECLINED: the ticket
 * is not good any more.
 */

int cdr_question_collect(cdr_question_t *q,
    const cdr_question_ticket_t *ticket, uint32_t *status, uint8_t *answer,
    size_t *len);

/* Whether there is an answer to collect. */

bool cdr_question_answered(const cdr_question_t *q,
    const cdr_question_ticket_t *ticket);

/* How many slots are in use. */

uint32_t cdr_question_used(const cdr_question_t *q);

/* The asker waits no longer. */

void cdr_question_drop(cdr_question_t *q,
    const cdr_question_ticket_t *ticket);


#endif /* CDR_QUESTION_H_INCLUDED */
