/*
 * The outbox: what this server wants Redis to order, in a ring in shared
 * memory, and tickets for those who wait for the outcome.
 *
 * Any worker puts records in, under the caller's mutex.  One process, the
 * keeper, reads them in their order without a lock, and marks what became of
 * each.  A record is primary from the single store that moves the head over
 * it; its bytes do not change after that but for its marks, so a keeper that
 * dies leaves everything to the next one.  A record makes way when Redis has
 * it and the server's own log has it; see CDR_OUTBOX_DONE.
 *
 * Every event has a number, n, that grows by 1 from event to event of this
 * server, also over its lives (see cdr_outbox_start).  A record holds the
 * events of one publication, or one thing that all servers are to do.
 */

#ifndef CDR_OUTBOX_H_INCLUDED
#define CDR_OUTBOX_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_idem.h"
#include "cdr_log.h"


#define CDR_OUTBOX_VERSION    1
#define CDR_OUTBOX_SIZE_MIN   65536         /* bytes of the ring */
#define CDR_OUTBOX_BATCH      4096          /* events of a record */


typedef enum {
    CDR_OUTBOX_EVENTS = 0,
    CDR_OUTBOX_CONTROL          /* one item, for all servers; counts as one
                                   event: it has its n */
} cdr_outbox_kind_e;


/*
 * What became of a record; set under the mutex, by the keeper but for the last.
 */

#define CDR_OUTBOX_ORDERED    0x1   /* Redis has said that it has it */
#define CDR_OUTBOX_PLACED     0x2   /* the log has it, by a place that this
                                       server gave alone */
#define CDR_OUTBOX_RETURNED   0x4   /* the log has it, as Redis ordered it;
                                       or, if placed: it came back */
#define CDR_OUTBOX_REPEATED   0x8   /* Redis knows its key: it is not in the
                                       log, the first one is */

#define CDR_OUTBOX_TAKEN      0x10  /* it was read: see cdr_outbox_next() */
#define CDR_OUTBOX_CANCELLED  0x20  /* by its asker, before it was read */

/* Such a record is of no more use. */

#define CDR_OUTBOX_DONE(marks)                                                \
    (((marks) & (CDR_OUTBOX_REPEATED|CDR_OUTBOX_CANCELLED))                   \
     || (((marks) & CDR_OUTBOX_ORDERED)                                       \
         && ((marks) & (CDR_OUTBOX_PLACED|CDR_OUTBOX_RETURNED))))


/*
 * An item: an event, as {"type":"...",FIELDS without the closing brace (the
 * three members that the hub gives are not among the fields), or what is to be
 * done.  The strings of a record are one piece: all items follow each other.
 */

typedef struct {
    uint32_t              flags;        /* the caller's: of the log's record */
    uint16_t              type_len;     /* its type, plain, and then */
    uint32_t              text_len;     /* the text */
} cdr_outbox_item_t;


typedef struct {
    uint32_t              size;         /* of all of it, 8-aligned */
    uint32_t              kind;         /* cdr_outbox_kind_e */
    _Atomic uint32_t      marks;
    uint32_t              count;        /* items */
    uint64_t              number;       /* of the record, from 1 */
    uint64_t              n;            /* of the first event; they follow in
                                           a row */
    uint64_t              time_ms;      /* when it was accepted, Unix */
    uint32_t              ticket;       /* index + 1; 0: nobody waits */
    uint32_t              serial;       /* of the ticket */
    bool                  keyed;
    cdr_idem_hash_t       key;          /* the same on all servers */
    cdr_idem_hash_t       digest;
    uint32_t              len;          /* of the items that follow */
} cdr_outbox_rec_t;


/* A reader's place; begin with cdr_outbox_first(). */

typedef struct {
    uint64_t              at;           /* byte position */
    uint64_t              number;       /* of the record there */
} cdr_outbox_cursor_t;


typedef enum {
    CDR_TICKET_FREE = 0,
    CDR_TICKET_WAITING,
    CDR_TICKET_DONE,            /* in the log: see "first" and "lone" */
    CDR_TICKET_REPEATED,        /* done before, under its key: see "answer" */
    CDR_TICKET_FAILED,          /* dropped: nothing was sent */
    CDR_TICKET_LEFT             /* nobody waits any more: freed by whoever
                                   finishes it */
} cdr_ticket_state_e;


typedef struct {
    cdr_log_pos_t         first;        /* position of the first event */
    uint64_t              lone;         /* server that gave it, as in
                                           cdr_log_fields_t */
    bool                  alone;        /* it was placed: the rest follow in
                                           "local", else in "n" */
    cdr_idem_answer_t     answer;
} cdr_ticket_outcome_t;


typedef struct {
    uint32_t              link;         /* 0: none */
    uint32_t              serial;
} cdr_ticket_t;


typedef struct {
    uint64_t              size;         /* bytes of the ring */
    uint64_t              used;
    uint64_t              records;      /* held */
    uint64_t              events;       /* of these */
    uint64_t              oldest_ms;    /* when the oldest was accepted; 0 */
    uint32_t              tickets;
    uint32_t              waiting;
} cdr_outbox_fill_t;


typedef struct cdr_outbox_shm_s   cdr_outbox_shm_t;
typedef struct cdr_outbox_slip_s  cdr_outbox_slip_t;


typedef struct {
    cdr_outbox_shm_t     *shm;
    cdr_outbox_slip_t    *slips;        /* of tickets */
    uint8_t              *data;
    uint64_t              size;
    uint32_t              ntickets;
} cdr_outbox_t;


/*
 * Bytes for a ring of "size" and so many tickets; 0 if out of range (a ring
 * below CDR_OUTBOX_SIZE_MIN or above 1 << 33, tickets 0 or above 1 << 20).
 */

size_t cdr_outbox_size(size_t size, uint32_t tickets);

/*
 * Lays an empty one out at "mem", aligned to 64.  CDR_OK, or CDR_ERROR if out
 * of range.  And attaches to one in "size" bytes at "mem": CDR_OK;
 * CDR_DECLINED: none, or of another version; CDR_ERROR: it does not fit.
 */

int cdr_outbox_init(void *mem, size_t size, uint32_t tickets);
int cdr_outbox_attach(cdr_outbox_t *ob, void *mem, size_t size);

/*
 * Numbers begin at "n" + 1, or above what they have come to.  Called where a
 * zone is made, with the time in ms << 10, so that no life uses those of an
 * earlier one.
 */

void cdr_outbox_start(cdr_outbox_t *ob, uint64_t n);

/* The last number given. */

uint64_t cdr_outbox_n(const cdr_outbox_t *ob);

/* After a holder of the mutex died. */

void cdr_outbox_repair(cdr_outbox_t *ob);


/*
 * Under the mutex.  Room for a record of "count" items in "len" bytes: the
 * caller writes them with cdr_outbox_put() and fills in kind, time, key and
 * digest; then commits.  What is begun and not committed leaves nothing.
 * "asker" wants a ticket, by which it is known: its slot and incarnation.
 * NULL: none.
 *
 * A record of an earlier life keeps its marks and its n, which the caller
 * sets before it commits; they must be above those of all before it.
 *
 * CDR_OK; CDR_TOOBIG: it is larger than half of the ring, or has no item, or
 * more than CDR_OUTBOX_BATCH; CDR_FULL: the ring, or the tickets, are full.
 */

int cdr_outbox_begin(cdr_outbox_t *ob, size_t len, uint32_t count,
    const cdr_idem_owner_t *asker, cdr_outbox_rec_t **rec, uint8_t **items,
    cdr_ticket_t *ticket);
void cdr_outbox_commit(cdr_outbox_t *ob, cdr_outbox_rec_t *rec);

/*
 * Bytes of an item, and writes it: returns the place behind it.  The text may
 * stand in its place already.
 */

size_t cdr_outbox_item_size(size_t type_len, size_t text_len);
uint8_t *cdr_outbox_put(uint8_t *p, uint32_t flags, cdr_str_t type,
    cdr_str_t text);

/*
 * The keeper: reads the next record without a lock, in its place, which stays
 * while it is not DONE.  CDR_OK; CDR_AGAIN: none yet.  Those that were
 * cancelled are passed over, and what is read is not cancelled any more.  And
 * the record that has the event of this number, while it is held: CDR_OK or
 * CDR_DECLINED; from the first one on, or, for numbers that grow, from where it
 * was found last (a cursor of 0 at first).
 */

void cdr_outbox_first(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur);
int cdr_outbox_next(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur,
    cdr_outbox_rec_t **rec);
int cdr_outbox_find(const cdr_outbox_t *ob, uint64_t n,
    cdr_outbox_rec_t **rec);
int cdr_outbox_seek(const cdr_outbox_t *ob, cdr_outbox_cursor_t *cur,
    uint64_t n, cdr_outbox_rec_t **rec);

/* The items of a record: CDR_OK, CDR_DECLINED at the end, CDR_ERROR. */

typedef struct {
    cdr_str_t             rest;
} cdr_outbox_iter_t;

void cdr_outbox_items(const cdr_outbox_rec_t *rec, cdr_outbox_iter_t *it);
int cdr_outbox_item(cdr_outbox_iter_t *it, uint32_t *flags, cdr_str_t *type,
    cdr_str_t *text);

/*
 * Under the mutex: marks a record, and drops from the front what is DONE.
 * "rec" is of no use afterwards if it is.
 */

void cdr_outbox_mark(cdr_outbox_t *ob, cdr_outbox_rec_t *rec, uint32_t marks);

/*
 * Under the mutex: drops the oldest record, though Redis does not have it.
 * Returns its events; 0 if there is none.  For a ring that is full of what was
 * placed: others will miss these.  Records that are not placed are never
 * dropped (returns 0).
 */

uint32_t cdr_outbox_drop(cdr_outbox_t *ob);

/*
 * Under the mutex, who put it in: the record with this event is not to be
 * sent.  CDR_OK; CDR_DECLINED: the keeper has read it.
 */

int cdr_outbox_cancel(cdr_outbox_t *ob, uint64_t n);

/*
 * Under the mutex: finishes the ticket of a record, before it is marked DONE.
 * Returns CDR_OK with the slot of who waits; CDR_DECLINED if nobody does.
 */

int cdr_ticket_finish(cdr_outbox_t *ob, const cdr_outbox_rec_t *rec,
    cdr_ticket_state_e state, const cdr_ticket_outcome_t *outcome,
    uint32_t *slot);

/*
 * The asker.  Without the lock: is it worth taking?  Then under the mutex:
 * CDR_OK with the state and outcome of what is finished (the ticket is then
 * free); CDR_AGAIN: still waiting; CDR_DECLINED: not its own.  And: gives up
 * waiting.  And all that a dead asker left.
 */

bool cdr_ticket_finished(const cdr_outbox_t *ob, const cdr_ticket_t *ticket);
int cdr_ticket_take(cdr_outbox_t *ob, const cdr_ticket_t *ticket,
    cdr_ticket_state_e *state, cdr_ticket_outcome_t *outcome);
void cdr_ticket_leave(cdr_outbox_t *ob, const cdr_ticket_t *ticket);
void cdr_ticket_release_owner(cdr_outbox_t *ob, uint32_t slot,
    uint32_t incarnation);

/* How full it is; exact under the mutex, else a moment's mixture. */

void cdr_outbox_fill(const cdr_outbox_t *ob, cdr_outbox_fill_t *fill);


#endif /* CDR_OUTBOX_H_INCLUDED */
