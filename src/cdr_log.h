/*
 * The event log: a ring of events in memory shared by all processes, written
 * under the caller's mutex and read by anyone without a lock.
 *
 * Two numbers are primary, each moved by a single atomic store: "head", the
 * sequence number of the last event that counts, and "tail", that of the
 * oldest one still held.  Events are numbered from 1 without a hole; an index
 * ring tells for a number where its bytes lie.  The bytes of an event never
 * wrap.
 *
 *   writer   moves the tail over what it is about to overwrite, fence, writes
 *            records and index entries behind the head, then stores the head
 *            with release.  A whole batch appears at once.  A writer that is
 *            killed before that store has written nothing: the next one
 *            starts at the same head and overwrites it.
 *   reader   loads the head with acquire, so whatever number it sees has its
 *            record and its index entry.  It reads both in place, then fences
 *            and loads the tail: if that has not passed the number, nothing
 *            that was read had been overwritten.  Sizes are checked before
 *            they are used, so bytes torn by a writer are never followed.
 *
 * An event's position in the hub is a triple that grows from event to event:
 * "ms-n" as printed, and "local", 0 except while a server orders events alone
 * (then printed as "ms-n~server.local": all that the hub had ordered up to
 * ms-n, and of this server's own events those up to its local-th).
 *
 * An event that was ordered alone gets its place in the hub's order later: it
 * is then settled there, and keeps its place in this log.  So what a reader
 * from another server has had is told by settled places, not by the place in
 * the log; see cdr_log_settle() and cdr_log_since().
 *
 * Everything that takes a cdr_log_t * wants one filled by cdr_log_attach().
 */

#ifndef CDR_LOG_H_INCLUDED
#define CDR_LOG_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_event_id.h"


#define CDR_LOG_VERSION       3
#define CDR_LOG_SIZE_MIN      4096    /* data bytes */
#define CDR_LOG_EVENTS_MIN    4
#define CDR_LOG_TYPE_MAX      255     /* bytes of an event's type name */


typedef struct {
    uint64_t             ms;
    uint64_t             n;
    uint64_t             local;     /* 0: ordered by the hub */
} cdr_log_pos_t;


typedef struct {
    size_t               size;      /* data bytes, rounded down to 8 */
    size_t               events;    /* how many are held at most */
    uint64_t             epoch_ms;  /* creation time */
    cdr_log_pos_t        base;      /* position before the first event:
                                       { epoch_ms, 0, 0 } for a server alone,
                                       { 0, 0, 0 } where Redis gives them */
} cdr_log_params_t;


/* What the caller says of an event and gets back when reading it. */

typedef struct {
    uint64_t             time_ms;   /* when it was accepted */
    uint64_t             arrived_us;    /* when it came to this server, on its
                                           clock; 0: before this life */
    cdr_log_pos_t        pos;       /* all 0 when adding: { epoch_ms, seq } */
    uint64_t             server;    /* origin: who accepted it, */
    uint64_t             boot;      /* in which life, */
    uint64_t             n;         /* as its how-manieth */
    uint64_t             lone;      /* with pos.local: the server that was
                                       alone; else 0 */
    uint32_t             flags;     /* the caller's own */
} cdr_log_fields_t;


/*
 * A record as it lies in the ring, 8-aligned; the type name and then the
 * payload follow, then padding up to "size".
 */

typedef struct {
    uint32_t             size;      /* of the whole record */
    uint32_t             payload_len;
    uint32_t             type_len;
    uint32_t             flags;
    uint64_t             seq;
    uint64_t             time_ms;
    uint64_t             arrived_us;
    cdr_log_pos_t        pos;
    uint64_t             server;
    uint64_t             boot;
    uint64_t             n;
    uint64_t             lone;
    _Atomic uint64_t     settled_ms;    /* 0: not yet, or pos is its place */
    _Atomic uint64_t     settled_n;
} cdr_log_rec_t;


/* An event as read: the fields are copies, the strings lie in the ring. */

typedef struct {
    uint64_t             seq;
    cdr_log_fields_t     fields;
    cdr_log_pos_t        settled;   /* its place in the hub's order; all 0
                                       while it has none */
    cdr_str_t            type;
    cdr_str_t            payload;
} cdr_log_event_t;


/* A reader's place: the number of the last event it has passed. */

typedef struct {
    uint64_t             seq;
} cdr_log_cursor_t;


/* A batch being appended; lives on the stack of its writer. */

typedef struct {
    uint64_t             seq;       /* number of the next event added */
    uint64_t             at;        /* byte position behind the last added */
    uint64_t             bytes;     /* announced and not used yet */
    uint64_t             n;
    cdr_log_pos_t        last;
} cdr_log_tx_t;


typedef enum {
    CDR_LOG_FOUND = 0,
    CDR_LOG_EXPIRED,                /* events after it are gone */
    CDR_LOG_UNKNOWN                 /* not a position of this log */
} cdr_log_found_t;


typedef struct {
    uint64_t             head;      /* number of the last event; 0: none yet */
    uint64_t             tail;      /* number of the oldest event held */
    uint64_t             events;    /* held now */
    uint64_t             events_max;
    uint64_t             bytes;     /* ring bytes they take, gaps included */
    uint64_t             bytes_max;
} cdr_log_fill_t;


typedef struct cdr_log_shm_s   cdr_log_shm_t;
typedef struct cdr_log_slot_s  cdr_log_slot_t;


/* A process's handle; holds addresses, so it is private to the process. */

typedef struct {
    cdr_log_shm_t       *shm;
    cdr_log_slot_t      *index;
    uint8_t             *data;
    uint64_t             size;
    uint64_t             events;
    uint64_t             slots;     /* index entries: events + 1 */
    uint64_t             epoch_ms;
} cdr_log_t;


/*
 * Bytes of memory a log needs; 0 if the parameters are out of range
 * (size below CDR_LOG_SIZE_MIN or above 1 << 33, events below
 * CDR_LOG_EVENTS_MIN or above 1 << 30).
 */

size_t cdr_log_size(const cdr_log_params_t *params);

/*
 * Lays an empty log out in cdr_log_size() bytes at "mem", aligned to 64; what
 * was there is lost.  Nobody else may be using it.  The data bytes are not
 * touched.  CDR_OK, or CDR_ERROR if the parameters are out of range.
 */

int cdr_log_init(void *mem, const cdr_log_params_t *params);

/*
 * Fills the handle for a log laid out in "size" bytes at "mem", by this or
 * another process.  CDR_OK; CDR_DECLINED if there is none or it has another
 * layout version; CDR_ERROR if it does not fit in "size".
 */

int cdr_log_attach(cdr_log_t *log, void *mem, size_t size);

/*
 * Under the mutex, after a holder died.  Nothing is derived in a log, so this
 * only checks it: CDR_OK, or CDR_ERROR if it was inconsistent; its history
 * has then been dropped (readers see an overrun) and it is usable again.
 */

int cdr_log_repair(cdr_log_t *log);


/* Ring bytes one event takes: what to sum up for cdr_log_begin(). */

size_t cdr_log_record_size(size_t type_len, size_t payload_len);

/*
 * Under the mutex: starts a batch of "n" events of together "bytes" ring
 * bytes.  CDR_OK; CDR_TOOBIG if that is more than a quarter of the ring or of
 * the index (one event is always few enough); CDR_ERROR if the log is
 * inconsistent and wants cdr_log_repair().  A batch is given up by not
 * committing it.
 */

int cdr_log_begin(cdr_log_t *log, cdr_log_tx_t *tx, size_t bytes, size_t n);

/*
 * Adds an event to the batch, evicting the oldest events as needed, and
 * returns the place where the caller writes its "payload_len" bytes; tx->seq
 * before the call is its number.  If fields->pos is all 0 it becomes
 * { epoch_ms, seq, 0 }; the position given to the event is left in tx->last.
 * NULL if the event was not announced, its type name is too long, or its
 * position is not above the one before: the batch is then to be given up.
 */

uint8_t *cdr_log_add(cdr_log_t *log, cdr_log_tx_t *tx,
    const cdr_log_fields_t *fields, cdr_str_t type, size_t payload_len);

/* Makes all events added to the batch visible to readers, at once. */

void cdr_log_commit(cdr_log_t *log, cdr_log_tx_t *tx);

/*
 * Under the mutex: the event that "server" ordered alone as its n-th has its
 * place in the hub's order, "place".  It is looked for behind the cursor, and
 * the cursor is left there: such events get their places in the order of n, so
 * that a caller who begins with { 0 } and keeps the cursor looks at each once.
 * CDR_OK, also if it had a place; CDR_DECLINED if the log does not hold it.
 */

int cdr_log_settle(cdr_log_t *log, cdr_log_cursor_t *cur, uint64_t server,
    uint64_t n, const cdr_log_pos_t *place);

/*
 * Under the mutex: drops events from the oldest on while they were accepted
 * before "before_ms", at most "max" of them.  Returns how many.
 */

size_t cdr_log_expire(cdr_log_t *log, uint64_t before_ms, size_t max);


/*
 * The rest needs no lock.
 *
 * A cursor at the end (what comes next is new), and one before the oldest
 * event held: for a reader that was overrun.
 */

void cdr_log_cursor_end(const cdr_log_t *log, cdr_log_cursor_t *cur);
void cdr_log_cursor_oldest(const cdr_log_t *log, cdr_log_cursor_t *cur);

/*
 * Reads the event after the cursor and moves the cursor over it.
 * CDR_OK; CDR_AGAIN at the end; CDR_DECLINED if the event is gone: the cursor
 * stays, the caller takes a new one and reports a gap.  The fields and the
 * lengths are right; the strings lie in the ring and may be overwritten at
 * any time: use them, then ask cdr_log_valid().
 */

int cdr_log_next(const cdr_log_t *log, cdr_log_cursor_t *cur,
    cdr_log_event_t *event);

/*
 * Whether what was read of the event "seq" until now were its own bytes.
 * False: throw away what was made of them.
 */

bool cdr_log_valid(const cdr_log_t *log, uint64_t seq);

/*
 * Puts a cursor just after the event at this position.  CDR_OK; else
 * CDR_DECLINED with the reason in *found.  EXPIRED: an event after the
 * position is no longer held; the cursor stands before the oldest one.
 * UNKNOWN: no event has the position, or it lies in the future; the cursor
 * stands after the last event not above it.  The position of the last event
 * that was dropped is still found: nothing after it is missing; and so is the
 * log's base while no event was dropped.
 */

int cdr_log_find(const cdr_log_t *log, const cdr_log_pos_t *pos,
    cdr_log_cursor_t *cur, cdr_log_found_t *found);

/*
 * Where the hub gives the positions: puts a cursor before all events whose
 * place in the hub's order is, or will be, above "pos" (its "local" does not
 * count), which need not be that of an event.  Behind the cursor may be others:
 * see cdr_log_had().  CDR_OK; CDR_DECLINED if such an event may no longer be
 * held, or if the log is of a hub and "pos" is before its first event: then
 * the cursor stands before the oldest one.
 */

int cdr_log_since(const cdr_log_t *log, const cdr_log_pos_t *pos,
    cdr_log_cursor_t *cur);

/*
 * Whether a reader with this id has had the event, on whichever server: its
 * place is not above that of the id, or it is one of those of a server that
 * the id names.
 */

bool cdr_log_had(const cdr_log_event_t *event, const cdr_event_id_t *id);

/*
 * The position of the last event, or the base.  CDR_OK, or CDR_AGAIN if the
 * log was written so fast that no consistent copy could be taken.
 */

int cdr_log_last(const cdr_log_t *log, cdr_log_pos_t *pos);

/* Likewise, and the server that was alone then, or 0. */

int cdr_log_newest(const cdr_log_t *log, cdr_log_pos_t *pos, uint64_t *lone);

/* How full it is; exact under the mutex, else a moment's mixture. */

void cdr_log_fill(const cdr_log_t *log, cdr_log_fill_t *fill);

/* Below 0, 0, above 0: "a" is before, at, behind "b". */

int cdr_log_cmp(const cdr_log_pos_t *a, const cdr_log_pos_t *b);

/*
 * The id of an event, from its position and (used only if pos->local is not
 * 0) the server that ordered it alone.
 */

void cdr_event_id_set(cdr_event_id_t *id, const cdr_log_pos_t *pos,
    uint64_t server);


#endif /* CDR_LOG_H_INCLUDED */
