/*
 * Errands: what a back end is told whoever dies, at least once.
 *
 *   _errand         an errand is put into the zone, with what it is about
 *   _errand_zone    their part of the zone, and its file
 *   _errand_target  whom they are for
 *   _errand_hold    those that wait for a call of the same client
 *   _errand_keep    the keeper, which runs them,
 *   _errand_box     reads them from the outbox,
 *   _errand_line    has them in a line for each connection,
 *   _errand_lend    and lends each to a worker until it is done,
 *   _errand_stream  or appends it to a stream in Redis
 *   _errand_do      the worker: a call of the back end's location
 *
 * They lie in an outbox of their own (see cdr_outbox.h), in which a record is
 * one item: its type is the tag of whom it is for, its flags are its kind, its
 * text is the JSON object of the call.  It is PLACED from the beginning, so
 * that it is on disk soon, and ORDERED when it was done.  The record's key is
 * its connection, whose errands are done one after the other.
 */

#ifndef NGX_CONDUCTOR_ERRAND_H_INCLUDED
#define NGX_CONDUCTOR_ERRAND_H_INCLUDED


#include "ngx_conductor.h"
#include "ngx_conductor_offer.h"

#include <cdr_call.h>
#include <cdr_lend.h>


#define NGX_CONDUCTOR_ERRANDS_VERSION  3
#define NGX_CONDUCTOR_ERRAND_HOLDS     1024
#define NGX_CONDUCTOR_ERRAND_HELD      0x100  /* flag of an item: it may be */
#define NGX_CONDUCTOR_ERRAND_TAG       8      /* hexadecimal digits */
#define NGX_CONDUCTOR_ERRAND_ID        (CDR_CONN_ID_TEXT_LEN + 1 + 16)


/* An errand that is not to be lent before its worker says so, or is gone. */

typedef struct {
    _Atomic uint64_t              n;          /* its number; 0: free */
    uint32_t                      slot;
    uint32_t                      incarnation;
} ngx_conductor_hold_t;


/* What lies in the zone, before the outbox. */

struct ngx_conductor_errands_s {
    _Alignas(64)
    uint64_t                      magic;
    uint64_t                      server;     /* in the name of the file */
    _Atomic uint32_t              owner;      /* slot + 1 of the keeper that
                                                 is at it; 0: none; under the
                                                 lock */
    _Atomic uint64_t              done;
    _Atomic uint64_t              moved;      /* when one was, in ms as they
                                                 pass */
    _Atomic uint64_t              failed;     /* calls, and tried again */
    _Atomic uint64_t              dropped;
    _Atomic uint64_t              lost;       /* of these: found no room */
    uint32_t                      hold;       /* that was taken last */
    ngx_conductor_hold_t          holds[NGX_CONDUCTOR_ERRAND_HOLDS];
    cdr_lends_t                   lends;
};


struct ngx_conductor_join_s;


/* Whom errands are for, as it is configured. */

typedef struct {
    uint32_t                      tag;        /* not 0 */
    ngx_str_t                     name;       /* as it is logged */
    ngx_http_core_srv_conf_t     *server;     /* where the location is, */
    ngx_str_t                     uri;        /* and which one; or: */
    ngx_str_t                     stream;     /* a name in Redis, */
    ngx_str_t                     key;        /* which has this key, */
    ngx_str_t                     max;        /* and about so many entries */
    ngx_uint_t                    calls;      /* at a time, and how long one */
    ngx_msec_t                    timeout;    /* may take: the most that a
                                                 location has for it */
} ngx_conductor_target_t;


/*
 * ngx_conductor_errand_target.c
 *
 * While locations are merged: a location of a server, or with "server" NULL a
 * stream in Redis, is a target of the hub's errands; *tag is what it is known
 * by, the same after a reload.  Every target is there once.  And when all are
 * known: can they be?  And the target of a tag, or NULL.
 */

ngx_int_t ngx_conductor_target_add(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_http_core_srv_conf_t *server, ngx_str_t *name, uint32_t *tag);
char *ngx_conductor_target_check(ngx_conf_t *cf, ngx_conductor_hub_t *hub);
ngx_conductor_target_t *ngx_conductor_target(ngx_conductor_hub_t *hub,
    uint32_t tag);


/* ngx_conductor_errand_zone.c: a part of the zone, if there are targets */

size_t ngx_conductor_errands_size(ngx_conductor_hub_t *hub, ngx_uint_t n);
size_t ngx_conductor_errands_each(ngx_conductor_hub_t *hub);
int ngx_conductor_errands_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n);
int ngx_conductor_errands_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size);

/* A new zone: what an earlier server has left is taken in. */

void ngx_conductor_errands_create(ngx_conductor_hub_t *hub, ngx_log_t *log);

/* A zone of the configuration before this one, made without them. */

void ngx_conductor_errands_compare(ngx_conductor_hub_t *hub, ngx_log_t *log);

/* Under the lock, after a holder of it died; and what the dead had. */

void ngx_conductor_errands_repair(ngx_conductor_hub_t *hub);
void ngx_conductor_errands_release(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation);

/* As a file has it. */

void ngx_conductor_errands_kept(ngx_conductor_hub_t *hub,
    ngx_conductor_kept_t *box);


/*
 * ngx_conductor_errand.c, under the lock.
 *
 * An errand with a text that the caller has made; it is copied.  NGX_DECLINED:
 * there is no room.  That is counted, but for a message, whose client is told;
 * the keeper logs it once.  What clients say has half of the room.  With "hold"
 * it waits for ngx_conductor_errand_go(); *hold is 0 if that cannot be.
 */

ngx_int_t ngx_conductor_errand(ngx_conductor_hub_t *hub, uint32_t tag,
    cdr_call_kind_e kind, const uint8_t id[CDR_CONN_ID_LEN], cdr_str_t text,
    uint32_t *hold);

/*
 * A connection of the registry ends: whoever is to be told of it will be.  And
 * what it says of itself, to a target.
 */

void ngx_conductor_errand_disconnect(ngx_conductor_hub_t *hub, uint32_t entry,
    ngx_uint_t ending, uint32_t code, uint32_t *hold);
void ngx_conductor_errand_presence(ngx_conductor_hub_t *hub, uint32_t entry,
    uint32_t tag);


/*
 * ngx_conductor_errand_hold.c.  Under the lock: the errand of this number is
 * held by this worker; 0: too many are.  Without: it is to go, or not held, as
 * all that the dead held.  And the keeper: by which is it held, and is it
 * still?
 */

uint32_t ngx_conductor_errand_hold(ngx_conductor_hub_t *hub, uint64_t n);
void ngx_conductor_errand_go(ngx_conductor_hub_t *hub, uint32_t hold);
uint32_t ngx_conductor_errand_held(ngx_conductor_hub_t *hub, uint64_t n);
ngx_uint_t ngx_conductor_errand_holds(ngx_conductor_hub_t *hub, uint32_t hold,
    uint64_t n);
ngx_uint_t ngx_conductor_errand_unhold(ngx_conductor_hub_t *hub,
    ngx_uint_t slot, uint32_t incarnation);


/*
 * ngx_conductor_errand_do.c, a worker: what is lent to it is done; and in each
 * of its ticks.
 */

void ngx_conductor_errands_do(ngx_conductor_hub_t *hub);
void ngx_conductor_errands_tick(void);


/*
 * ngx_conductor_errand_keep.c, the keeper: every 100 ms and when it was woken;
 * and when the process ends.
 */

void ngx_conductor_errands_turn(ngx_conductor_hub_t *hub,
    struct ngx_conductor_join_s *join);
void ngx_conductor_errands_stop(ngx_conductor_hub_t *hub);

/* The master, when all its children are gone: what is left is on disk. */

ngx_uint_t ngx_conductor_errands_left(ngx_conductor_hub_t *hub);
ngx_int_t ngx_conductor_errands_save(ngx_conductor_hub_t *hub);


#endif /* NGX_CONDUCTOR_ERRAND_H_INCLUDED */
