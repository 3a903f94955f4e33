/* Inside the event log: its layout, and what its files share. */

#ifndef CDR_LOG_SHM_H_INCLUDED
#define CDR_LOG_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_log.h"


struct cdr_log_shm_s {
    _Alignas(64)
    _Atomic uint32_t  magic;
    uint32_t          version;
    uint64_t          size;
    uint64_t          events;
    uint64_t          epoch_ms;

    _Alignas(64)
    _Atomic uint64_t  head;
    _Atomic uint64_t  tail;
};


/*
 * The index entry of a number.  There is one entry more than events can be
 * held, so that the one before the tail, the last event dropped, still tells
 * its position.  Before the first event it is entry 0 with the base.
 */

struct cdr_log_slot_s {
    _Atomic uint64_t  start;        /* byte position, grows for ever */
    _Atomic uint64_t  size;
    _Atomic uint64_t  ms;
    _Atomic uint64_t  n;
    _Atomic uint64_t  local;
};


typedef struct {
    uint64_t          start;
    uint64_t          size;
    cdr_log_pos_t     pos;
} cdr_log_place_t;


/* Was this event ordered alone, so that its position is not its place? */

#define cdr_log_lone(rec)                                                     \
    ((rec)->lone && (rec)->pos.local && (rec)->server == (rec)->lone          \
     && (rec)->n == (rec)->pos.local)


/* Copies an index entry; false if it was, or may have been, overwritten. */

bool cdr_log_get(const cdr_log_t *log, uint64_t seq, cdr_log_place_t *place);


#endif /* CDR_LOG_SHM_H_INCLUDED */
