/*
 * Revocations: users and token ids that are not let in until a time, in one
 * fixed table in shared memory.
 *
 * A record is primary, and counts from a single store of its kind on; chains
 * and the free list are derived.  It names a user or a "jti" by a hash under
 * a fixed key, so that records of all servers can be compared.
 *
 * All of this but cdr_revoke_generation() runs under the caller's mutex.
 * Functions that follow links check every index and never take more steps
 * than the table has entries.  Where a link leads out of the table, or a chain
 * does not end, all entries are looked at instead.
 */

#ifndef CDR_REVOKE_H_INCLUDED
#define CDR_REVOKE_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_REVOKE_VERSION      1
#define CDR_REVOKE_ENTRIES_MAX  (1U << 20)


typedef enum {
    CDR_REVOKE_FREE = 0,
    CDR_REVOKE_USER,
    CDR_REVOKE_JTI
} cdr_revoke_kind_t;


typedef struct {
    _Atomic uint32_t         kind;          /* cdr_revoke_kind_t */
    uint32_t                 next;          /* in its bucket or free list */
    uint64_t                 hash[2];
    _Atomic uint64_t         until_ms;      /* Unix; not revoked from then */
    _Atomic uint64_t         issued_ms;     /* 0: by another server */
} cdr_revoke_entry_t;


typedef struct cdr_revoke_shm_s  cdr_revoke_shm_t;


typedef struct {
    cdr_revoke_shm_t        *shm;
    uint32_t                *buckets;
    cdr_revoke_entry_t      *entries;
    uint32_t                 n;
} cdr_revoke_t;


/* Bytes for a table of "n" records; 0 if n is 0 or beyond ENTRIES_MAX. */

size_t cdr_revoke_size(uint32_t n);

/*
 * Lays an empty table out in cdr_revoke_size() bytes at "mem", aligned to 64.
 * Records are not touched before their first use.  CDR_OK or CDR_ERROR (n out
 * of range).
 */

int cdr_revoke_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there is no table or one of another version;
 * CDR_ERROR if it does not fit in "size".
 */

int cdr_revoke_attach(cdr_revoke_t *t, void *mem, size_t size);

/*
 * After a holder of the mutex died: rebuilds what is derived, in O(n).  The
 * generation moves, for it may be that a record came without it.
 */

void cdr_revoke_repair(cdr_revoke_t *t);


/* The hash of a user or jti: the same everywhere. */

void cdr_revoke_hash(cdr_str_t name, uint64_t hash[2]);

/*
 * Revokes until "until_ms", in place of what was said of the same user or jti
 * before; a time that is over lifts it.  CDR_OK; CDR_FULL if it is a new one,
 * and as many records as there are still hold.
 */

int cdr_revoke_set(cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t until_ms, uint64_t now_ms);

/*
 * The same, as another server has it.  Its issued_ms becomes 0, until it is
 * set here again: so it is known who was the last to say something.
 */

int cdr_revoke_set_told(cdr_revoke_t *t, cdr_revoke_kind_t kind,
    const uint64_t hash[2], uint64_t until_ms, uint64_t now_ms);

/* Whether a user, or the token with this jti (0, 0: none), is revoked. */

bool cdr_revoke_check(const cdr_revoke_t *t, cdr_str_t user,
    const uint64_t jti[2], uint64_t now_ms);

/* The record of a user or jti, to read; NULL if there is none. */

const cdr_revoke_entry_t *cdr_revoke_get(const cdr_revoke_t *t,
    cdr_revoke_kind_t kind, const uint64_t hash[2]);

/*
 * Going through all records: that at *i or the next one, and *i behind it; NULL
 * at the end.  *i is 0 at first.
 */

const cdr_revoke_entry_t *cdr_revoke_next(const cdr_revoke_t *t,
    uint32_t *i);

/*
 * Without the lock: moves after every change.  Whoever was checked at a
 * generation need not be checked again while that is the present one.
 */

uint32_t cdr_revoke_generation(const cdr_revoke_t *t);


#endif /* CDR_REVOKE_H_INCLUDED */
