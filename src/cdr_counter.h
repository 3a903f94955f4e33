/*
 * Counts by key (connections of an address or a user, handshakes in a window)
 * in one fixed table in shared memory.
 *
 * A key is a 64-bit keyed hash of kind and value, made by the caller, and 0
 * for "not counted".  An entry with a key is primary; buckets, free list and
 * the queue of windows are derived.  An entry is given back when its count is
 * 0 and its window is over.  All of this runs under the caller's mutex.
 *
 * Functions that follow links check every index and never take more steps
 * than the table has entries; where a link is wrong they return CDR_ERROR and
 * want cdr_counter_repair().
 */

#ifndef CDR_COUNTER_H_INCLUDED
#define CDR_COUNTER_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_COUNTER_VERSION      2
#define CDR_COUNTER_ENTRIES_MAX  (1U << 28)


typedef struct {
    _Atomic uint64_t          key;          /* 0: the entry is free */
    uint64_t                  start_ms;     /* of the window */
    uint32_t                  per_ms;       /* its length; 0: no window */
    uint32_t                  window;       /* events in it */
    uint32_t                  count;
    uint32_t                  kind;
    uint32_t                  next;         /* in its bucket or free list */
    uint32_t                  older;        /* in the queue of windows */
    uint32_t                  newer;
    uint32_t                  spare;
} cdr_counter_entry_t;


typedef struct {
    uint32_t                  used;
    uint32_t                  entries;
    uint64_t                  evicted;      /* windows, since the start */
} cdr_counter_fill_t;


typedef struct cdr_counter_shm_s  cdr_counter_shm_t;


typedef struct {
    cdr_counter_shm_t        *shm;
    uint32_t                 *buckets;
    cdr_counter_entry_t      *entries;
    uint32_t                  n;
} cdr_counter_t;


/* Bytes for a table of "n" entries; 0 if n is 0 or beyond ENTRIES_MAX. */

size_t cdr_counter_size(uint32_t n);

/*
 * Lays an empty table out in cdr_counter_size() bytes at "mem", aligned to
 * 64.  CDR_OK or CDR_ERROR (n out of range).
 */

int cdr_counter_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there is no table or one of another version;
 * CDR_ERROR if it does not fit in "size".
 */

int cdr_counter_attach(cdr_counter_t *t, void *mem, size_t size);

/* Rebuilds everything derived from the entries that have a key, in O(n). */

void cdr_counter_repair(cdr_counter_t *t);

/*
 * Sets every count to 0, keeps the windows, and repairs.  The caller then
 * counts again what exists, with cdr_counter_inc() and limit 0.
 */

void cdr_counter_reset_counts(cdr_counter_t *t);

/*
 * One more.  CDR_OK, with the new count; CDR_DECLINED if the count is at
 * "limit" already (0: no limit), with the count as it stays; CDR_FULL if the
 * key has no entry and none can be had, all being counts; CDR_ERROR.  "count"
 * may be NULL.  Key 0: CDR_OK and a count of 0.
 */

int cdr_counter_inc(cdr_counter_t *t, uint32_t kind, uint64_t key,
    uint32_t limit, uint64_t now_ms, uint32_t *count);

/*
 * One less.  CDR_OK; CDR_DECLINED if the key counts nothing (a caller that
 * sees this has lost count and should recount); CDR_ERROR.
 */

int cdr_counter_dec(cdr_counter_t *t, uint64_t key, uint64_t now_ms);

/*
 * One more event of the key in a fixed window of "per_ms" that starts with
 * its first event: exactly "limit" pass.  CDR_OK; CDR_DECLINED, with the time
 * until the window ends in *retry_ms; CDR_FULL if the key has no entry and
 * none can be had; CDR_ERROR.  A clock that goes back restarts the window with
 * its count kept.  per_ms or limit 0, or key 0: CDR_OK, nothing counted.
 *
 * When the table is full the oldest window that is over is reused, and where
 * none is over the oldest of all, whose key then begins anew: that is counted
 * as evicted.  A key that also counts something keeps its entry.  The oldest
 * 64 windows are looked at.
 */

int cdr_counter_window(cdr_counter_t *t, uint32_t kind, uint64_t key,
    uint32_t limit, uint32_t per_ms, uint64_t now_ms, uint64_t *retry_ms);

/* The entry of a key, to read; NULL if it has none. */

const cdr_counter_entry_t *cdr_counter_get(cdr_counter_t *t, uint64_t key);

void cdr_counter_fill(const cdr_counter_t *t, cdr_counter_fill_t *fill);


#endif /* CDR_COUNTER_H_INCLUDED */
