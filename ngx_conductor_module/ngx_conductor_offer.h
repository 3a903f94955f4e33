/*
 * What this server offers to the hub's order: into the outbox, where the
 * keeper finds it, and back to whoever waits.
 *
 *   _offer     in any process: puts something in, and waits for the outcome
 *   _outbox    the zone's outbox: made, repaired, and finished by the keeper
 *   _outbox_keep, _outbox_thread, _outbox_file
 *              what of it is on disk
 */

#ifndef NGX_CONDUCTOR_OFFER_H_INCLUDED
#define NGX_CONDUCTOR_OFFER_H_INCLUDED


#include "ngx_conductor.h"
#include "ngx_conductor_redis.h"


/* Is it the keeper that brings events into the log? */

#define ngx_conductor_ordered(hub)  ((hub)->redis != NULL)


typedef struct ngx_conductor_offer_s  ngx_conductor_offer_t;
typedef struct ngx_conductor_audit_held_s  ngx_conductor_audit_held_t;

typedef void (*ngx_conductor_offer_pt)(ngx_conductor_offer_t *offer);


/* Something that was put in and is waited for; its owner's, cleared. */

struct ngx_conductor_offer_s {
    ngx_conductor_offer_pt        handler;    /* called once, in a later turn,
                                                 unless it was left */
    void                         *data;       /* the owner's */

    /* what became of it: DONE, REPEATED, FAILED (nothing was sent), or still
     * WAITING: it is not known */

    cdr_ticket_state_e            state;
    cdr_ticket_outcome_t          outcome;
    uint32_t                      count;      /* of events */

    /* its own */

    ngx_queue_t                   queue;
    ngx_conductor_hub_t          *hub;
    cdr_ticket_t                  ticket;
    uint64_t                      n;
    ngx_msec_t                    until;
    ngx_conductor_audit_held_t   *audit;      /* NULL: nothing is told */
    unsigned                      waiting:1;
};


/*
 * ngx_conductor_offer.c
 *
 * Under the lock: a record of "count" items, as cdr_outbox_put() writes them.
 * With a key that this process has reserved: from then on it is the keeper's
 * to complete.  With an offer, which is to be waited for once the lock is
 * released; NULL: nobody waits.  The keeper is to be woken.
 *
 * NGX_OK; NGX_ABORT: it is too large; NGX_BUSY: there is no room; NGX_DECLINED:
 * there is nobody to send it.
 */

ngx_int_t ngx_conductor_offer_put(ngx_conductor_hub_t *hub,
    cdr_outbox_kind_e kind, uint32_t count, ngx_str_t *items,
    ngx_conductor_idem_t *idem, ngx_conductor_offer_t *offer);

/* Wakes the keeper, and waits: in this order. */

void ngx_conductor_offer_wait(ngx_conductor_offer_t *offer);

/* It is not waited for any more; does nothing if it never was. */

void ngx_conductor_offer_leave(ngx_conductor_offer_t *offer);

/*
 * For a request, which is held until the handler finishes it: "data" is the
 * request.  NULL without memory.
 */

ngx_conductor_offer_t *ngx_conductor_offer_request(ngx_http_request_t *r,
    ngx_conductor_offer_pt handler);
ngx_int_t ngx_conductor_offer_hold(ngx_http_request_t *r);
void ngx_conductor_offer_finalize(ngx_http_request_t *r, ngx_int_t rc);

/* Hands out what has come.  Called in every turn. */

void ngx_conductor_offer_turn(void);

/*
 * Without the lock: a JSON object that all servers are told, in the order of
 * the hub.  As ngx_conductor_offer_put().
 */

ngx_int_t ngx_conductor_offer_control(ngx_conductor_hub_t *hub,
    ngx_str_t *text);

/* Where the events of an offer that is DONE, or was done before, are. */

void ngx_conductor_offer_first(ngx_conductor_offer_t *offer,
    ngx_conductor_first_t *first);


/*
 * ngx_conductor_outbox.c
 *
 * Under the lock, the keeper: tells what became of a record, to who waits for
 * it and to whoever repeats it with its key.  Before it is marked; as often as
 * it likes, the first time counts.  Returns NGX_OK with the slot to be woken,
 * NGX_DECLINED if nobody waits.
 */

ngx_int_t ngx_conductor_outbox_finish(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec, cdr_ticket_state_e state,
    const cdr_ticket_outcome_t *outcome, uint32_t *slot);

/* Under the lock, who put it in: NGX_OK if it will not be sent. */

ngx_int_t ngx_conductor_outbox_cancel(ngx_conductor_hub_t *hub, uint64_t n);

/*
 * ngx_conductor_outbox_keep.c, for the keeper: something was placed, and is to
 * be on disk soon.  Is a thread still at it, though it was to end?  Then the
 * process has to end by _exit().
 */

void ngx_conductor_outbox_placed(ngx_conductor_hub_t *hub);
ngx_uint_t ngx_conductor_outbox_busy(void);

/*
 * ngx_conductor_outbox_file.c
 *
 * An outbox that is kept in a file: PREFIX and the number of the server whose
 * it is, in hexadecimal digits.
 */

typedef struct {
    cdr_outbox_t                 *outbox;
    const char                   *prefix;
    const char                   *name;       /* as it is logged */
    uint64_t                      server;
} ngx_conductor_kept_t;


/* What was found of it. */

typedef struct {
    uint64_t                      server;     /* 0: nothing */
    uint64_t                      n;          /* last */
    uint64_t                      events;
    uint64_t                      dropped;    /* of these: no room */
} ngx_conductor_found_t;


void ngx_conductor_outbox_name(const ngx_conductor_kept_t *box, u_char *name);

/*
 * The master, for a new zone: takes in what a server has left that has ended,
 * whose number this one goes on with, and so with what others have of it.
 */

void ngx_conductor_outbox_restore(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box, ngx_conductor_found_t *found,
    ngx_log_t *log);

/* A new zone: the server's number, and those of its events. */

ngx_int_t ngx_conductor_outbox_create(ngx_conductor_hub_t *hub,
    ngx_log_t *log);

/* As a file has it. */

void ngx_conductor_outbox_kept(ngx_conductor_hub_t *hub,
    ngx_conductor_kept_t *box);


#endif /* NGX_CONDUCTOR_OFFER_H_INCLUDED */
