/*
 * Idempotency keys: one fixed table in shared memory of what was done under a
 * key, so that a request that is repeated is not done again and is answered
 * as the first was.
 *
 * Records are of two shares.  What is DONE in the small one takes at most a
 * quarter of the table, so what anybody may have done does not drive out what
 * counts.
 *
 * A key is a keyed hash, of 128 bits, of all that makes it one key; the
 * caller makes it.  A record is primary, and what it is by a single store of
 * its state; buckets, free list and the queue by age are derived.
 *
 *   RUNNING  the first request is under way.  Only its owner ends it, or
 *            whoever finds that the owner is gone.  One that was lent has no
 *            owner: who it was lent to ends it, by its key.
 *   DONE     kept for CDR_IDEM_KEEP_MS, and no longer than its share has
 *            room: the oldest one makes way.  RUNNING ones never do.
 *   HELD     being made within one hold of the mutex: a repair drops it.
 *
 * All of this runs under the caller's mutex.  Where a record stands for
 * entries of an event log, it is completed before the log is committed and
 * within the same hold; cdr_idem_repair() then drops what the log does not
 * have.  So either both are there or none, wherever a writer is killed.
 *
 * Functions that follow links check every index and never take more steps
 * than the table has records; where a link is wrong they return CDR_ERROR and
 * want cdr_idem_repair().
 */

#ifndef CDR_IDEM_H_INCLUDED
#define CDR_IDEM_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_IDEM_VERSION      2
#define CDR_IDEM_RECORDS_MAX  (1U << 20)
#define CDR_IDEM_KEEP_MS      600000


typedef enum {
    CDR_IDEM_FREE = 0,
    CDR_IDEM_RUNNING,
    CDR_IDEM_DONE,
    CDR_IDEM_HELD
} cdr_idem_state_t;


typedef enum {
    CDR_IDEM_LARGE = 0,
    CDR_IDEM_SMALL,
    CDR_IDEM_SHARES
} cdr_idem_share_t;


typedef struct {
    uint64_t                  word[2];
} cdr_idem_hash_t;


/* Who does what a RUNNING record stands for. */

typedef struct {
    uint32_t                  slot;
    uint32_t                  incarnation;
} cdr_idem_owner_t;


/* What was done: enough to answer once more. */

typedef struct {
    uint32_t                  kind;         /* the caller's */
    uint32_t                  count;        /* of events; 0: none */
    uint64_t                  seq;          /* of the first, in the log; 0: it
                                               is not known by it */
    uint64_t                  ms;           /* and its position */
    uint64_t                  n;
    uint64_t                  local;
    uint64_t                  lone;         /* server, with "local" */
    cdr_idem_hash_t           digest;       /* of what was asked for */
} cdr_idem_answer_t;


typedef struct {
    _Atomic uint32_t          state;        /* cdr_idem_state_t */
    uint32_t                  serial;       /* one more with every use */
    cdr_idem_hash_t           key;
    uint64_t                  order;        /* among those DONE in its share */
    uint64_t                  time_ms;      /* when it was done */
    cdr_idem_owner_t          owner;        /* while RUNNING */
    cdr_idem_answer_t         answer;
    uint32_t                  next;         /* in its bucket or free list */
    uint32_t                  share;        /* cdr_idem_share_t */
} cdr_idem_record_t;


/* A reservation, for its owner. */

typedef struct {
    uint32_t                  link;         /* 0: none */
    uint32_t                  serial;
} cdr_idem_ticket_t;


typedef struct {
    uint32_t                  running;
    uint32_t                  done;
    uint32_t                  records;
} cdr_idem_fill_t;


typedef struct cdr_idem_shm_s  cdr_idem_shm_t;


typedef struct {
    cdr_idem_shm_t           *shm;
    uint32_t                 *buckets;
    uint32_t                 *ring;
    cdr_idem_record_t        *records;
    uint32_t                  n;
} cdr_idem_t;


/*
 * Bytes for a table of "n" records, 0 if n is 0 or beyond RECORDS_MAX; and
 * those of one record with its places in the indexes.
 */

size_t cdr_idem_size(uint32_t n);
size_t cdr_idem_bytes_per_record(void);

/*
 * Lays an empty table out in cdr_idem_size() bytes at "mem", aligned to 64.
 * CDR_OK or CDR_ERROR (n out of range).
 */

int cdr_idem_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there is no table or one of another version;
 * CDR_ERROR if it does not fit in "size".
 */

int cdr_idem_attach(cdr_idem_t *t, void *mem, size_t size);

/*
 * After a holder of the mutex died: rebuilds everything derived, in O(n), and
 * drops what was HELD, and what is DONE with events above "head", the number
 * of the last event that the log has.
 */

void cdr_idem_repair(cdr_idem_t *t, uint64_t head);

/*
 * What is known of a key: CDR_OK, it was done, with *answer; CDR_AGAIN, it is
 * being done; CDR_DECLINED, nothing; CDR_ERROR.
 */

int cdr_idem_find(cdr_idem_t *t, const cdr_idem_hash_t *key, uint64_t now_ms,
    cdr_idem_answer_t *answer);

/*
 * Begins what has this key.  With an owner the record is RUNNING until the
 * ticket is used; without one (NULL) it is HELD, and the ticket is to be used
 * before the mutex is released.
 *
 * CDR_OK, with a ticket; CDR_DECLINED, it was done before, with *answer;
 * CDR_AGAIN, it is being done; CDR_FULL, all records are RUNNING; CDR_ERROR.
 */

int cdr_idem_reserve(cdr_idem_t *t, const cdr_idem_hash_t *key,
    cdr_idem_share_t share, const cdr_idem_owner_t *owner, uint64_t now_ms,
    cdr_idem_ticket_t *ticket, cdr_idem_answer_t *answer);

/*
 * It was done: the record is kept from now on.  CDR_OK; CDR_DECLINED if the
 * ticket is not good any more; CDR_ERROR.
 */

int cdr_idem_complete(cdr_idem_t *t, const cdr_idem_ticket_t *ticket,
    const cdr_idem_answer_t *answer, uint64_t now_ms);

/* It was not done: the key may be used again.  Returns as above. */

int cdr_idem_release(cdr_idem_t *t, const cdr_idem_ticket_t *ticket);

/*
 * What is RUNNING goes on without its owner, as somebody else does it.
 * Returns as above.
 */

int cdr_idem_lend(cdr_idem_t *t, const cdr_idem_ticket_t *ticket);

/*
 * What was lent, by its key: it was done, or it was not.  What was done is
 * kept also where nothing was known of it, and a record that is kept already
 * stays as it is.  CDR_OK, CDR_FULL or CDR_ERROR.
 */

int cdr_idem_note(cdr_idem_t *t, const cdr_idem_hash_t *key,
    const cdr_idem_answer_t *answer, uint64_t now_ms);
int cdr_idem_forget(cdr_idem_t *t, const cdr_idem_hash_t *key);

/*
 * The same for all that a dead owner left: what is RUNNING in "slot" under
 * this incarnation or one before it, in O(n) if there is any RUNNING at all.
 * CDR_OK, with the number of them in *released, or CDR_ERROR.
 */

int cdr_idem_release_owner(cdr_idem_t *t, uint32_t slot, uint32_t incarnation,
    uint32_t *released);

/* Without the lock it is a moment's mixture. */

void cdr_idem_fill(const cdr_idem_t *t, cdr_idem_fill_t *fill);


#endif /* CDR_IDEM_H_INCLUDED */
