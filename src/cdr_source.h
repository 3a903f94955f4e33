/*
 * Where events come from: for each source, a server, the highest number that
 * was taken.  A source gives its events growing numbers, over its lives too,
 * and offers them as often as it likes: whatever is not above the highest one
 * was taken before.  So time-outs, repeats, a crash and a Redis that forgot
 * have one rule.
 *
 * A small fixed table in shared memory; all but the layout is done under the
 * caller's mutex.  When it is full, the source that was silent longest makes
 * way.  The numbers are raised after the events they stand for are in the log:
 * what a writer that was killed in between has left is found by reading the
 * log again.
 */

#ifndef CDR_SOURCE_H_INCLUDED
#define CDR_SOURCE_H_INCLUDED


#include "cdr.h"
#include "cdr_log.h"


#define CDR_SOURCE_VERSION  1
#define CDR_SOURCES         512


typedef struct cdr_source_shm_s  cdr_source_shm_t;


typedef struct {
    cdr_source_shm_t    *shm;
} cdr_source_t;


/* Bytes for the table. */

size_t cdr_source_size(void);

/* Lays an empty one out at "mem", aligned to 64. */

int cdr_source_init(void *mem);

/* CDR_OK; CDR_DECLINED: none, or of another version; CDR_ERROR: too small. */

int cdr_source_attach(cdr_source_t *t, void *mem, size_t size);

/* The highest number of a source; 0 if it is not known. */

uint64_t cdr_source_highest(const cdr_source_t *t, uint64_t server);

/* Events up to "n" of this source are in the log. */

void cdr_source_raise(cdr_source_t *t, uint64_t server, uint64_t n,
    uint64_t now_ms);

/*
 * After a holder of the mutex died, or with a log that was restored: raises
 * the numbers to what the log has, in O(events).
 */

void cdr_source_repair(cdr_source_t *t, const cdr_log_t *log,
    uint64_t now_ms);


#endif /* CDR_SOURCE_H_INCLUDED */
