/*
 * Presence across servers, in the keeper that owns the hub's joining.
 *
 *   _join_presence   the hook: when what is done
 *   _join_beat       who is there of the servers
 *   _join_tell       this server's reviewers, to Redis
 *   _join_told       the same as text
 *   _join_peers      those of the others, from Redis
 *   _join_scan       all of one server, page by page
 *   _join_leave      the end of this server
 *
 * In Redis each server has a hash of its reviewers ({base}reviewers:ID), of
 * which it alone writes.  Every change of it gives it the next version and is
 * told on a channel, in whole.  Whoever has the version before takes the
 * change; whoever has not reads the hash.  Once a second each server says that
 * it is there, and is told who else is and which versions they have: so what a
 * channel lost is found, and also that Redis has forgotten.
 */

#ifndef NGX_CONDUCTOR_GUESTS_H_INCLUDED
#define NGX_CONDUCTOR_GUESTS_H_INCLUDED


#include "ngx_conductor_join.h"
#include "ngx_conductor_watch.h"

#include <cdr_guest_text.h>
#include <cdr_sign.h>


#define NGX_CONDUCTOR_GUESTS_BEAT    1000   /* ms between signs of life */
#define NGX_CONDUCTOR_GUESTS_LOOK    250    /* where one is missing */
#define NGX_CONDUCTOR_GUESTS_DEAD    3500   /* ms without: it is gone */
#define NGX_CONDUCTOR_GUESTS_PAUSE   1500   /* ms between answers that others
                                               may have waited for as well */
#define NGX_CONDUCTOR_GUESTS_SURE    6000   /* ms that one may take to come
                                               back to Redis */
#define NGX_CONDUCTOR_GUESTS_HOLD    64     /* guests in a hold of the lock */


/* How the hash of another server is read. */

typedef struct {
    uint64_t                      server;   /* as its hash was asked for */
    uint64_t                      wanted;   /* version that there is */
    uint64_t                      first;    /* with its first page, */
    uint64_t                      version;  /* and with its last one */
    ngx_uint_t                    page;     /* fields of one, */
    ngx_uint_t                    fields;   /* and of all so far */
    u_char                        cursor[NGX_INT64_LEN];
    size_t                        cursor_len;
    unsigned                      asked:1;  /* the first page was there */
    unsigned                      reading:1;
    unsigned                      behind:1; /* as the last beat said */
    unsigned                      seen:1;   /* since answers come */
} ngx_conductor_reading_t;


typedef struct {
    ngx_conductor_join_t         *join;
    ngx_conductor_hub_t          *hub;
    ngx_pool_t                   *pool;
    cdr_sign_t                    sign;     /* with a secret */

    ngx_str_t                     id;       /* this server, as text */
    ngx_str_t                     label;    /* its name */
    ngx_str_t                     servers;  /* keys, and the channel */
    ngx_str_t                     names;
    ngx_str_t                     versions;
    ngx_str_t                     own;
    ngx_str_t                     next;
    ngx_str_t                     channel;

    ngx_msec_t                    beat_at;
    ngx_msec_t                    answered; /* the last beat was */
    ngx_msec_t                    sure_at;  /* nobody is gone before, */
    ngx_msec_t                    back_at;  /* nor who was not seen */
    ngx_msec_t                    lost;     /* no answers since */

    /* this server's reviewers */

    uint64_t                      version;
    uint64_t                     *told;     /* what was, by reviewer; 0: he is
                                               not among them */
    cdr_presence_cursor_t         cursor;
    uint32_t                      index;    /* of what is told anew */
    ngx_uint_t                    waiting;  /* commands without an answer */
    ngx_msec_t                    push_at;  /* not before */

    unsigned                      listing:1;      /* there is presence */
    unsigned                      up:1;
    unsigned                      beating:1;
    unsigned                      stale:1;
    unsigned                      push:1;   /* all is to be told anew */
    unsigned                      pushing:1;
    unsigned                      full:1;   /* no room: said so */
    unsigned                      wrong:1;  /* what could not be read: said */

    ngx_conductor_reading_t       peers[CDR_GUEST_SERVERS];
} ngx_conductor_guests_t;


/* A reviewer of a batch as he is told; line.len is 0 if he is gone. */

typedef struct {
    ngx_str_t                     field;
    ngx_str_t                     line;
    ngx_str_t                     value;    /* the line, signed if it is */
} ngx_conductor_told_t;


#define NGX_CONDUCTOR_TOLD_VALUE                                              \
    (CDR_SIGN_LEN + 1 + CDR_GUEST_LINE_MAX)


/* ngx_conductor_join_presence.c */

ngx_conductor_guests_t *ngx_conductor_guests(ngx_conductor_join_t *join);


/* ngx_conductor_join_beat.c: says that this server is there, if it is time. */

void ngx_conductor_beat(ngx_conductor_guests_t *g);


/*
 * ngx_conductor_join_tell.c
 *
 * What has changed, as far as it may be on its way; all of it first, after
 * ngx_conductor_tell_all().
 */

void ngx_conductor_tell(ngx_conductor_guests_t *g);
void ngx_conductor_tell_all(ngx_conductor_guests_t *g, ngx_msec_t delay);


/*
 * ngx_conductor_join_told.c
 *
 * The value of a field, of at most NGX_CONDUCTOR_TOLD_VALUE bytes at *p, which
 * moves behind it; what is signed is good for that field only.  A message of
 * this version with these reviewers, or with "told" NULL that all are to be
 * read.  One that this server stops, see cdr_guest_note_t.  NGX_OK or
 * NGX_ERROR.
 */

ngx_int_t ngx_conductor_told_value(ngx_conductor_guests_t *g,
    ngx_conductor_told_t *told, u_char **p);
ngx_int_t ngx_conductor_told_message(ngx_conductor_guests_t *g,
    ngx_conductor_told_t *told, ngx_uint_t n, ngx_str_t *message);
ngx_int_t ngx_conductor_told_gone(ngx_conductor_guests_t *g,
    ngx_msec_t leave, ngx_str_t *message);


/*
 * ngx_conductor_join_scan.c: reads the hash of a server, by its index in the
 * table, if that is not being done.
 */

void ngx_conductor_peers_read(ngx_conductor_guests_t *g, uint32_t index);


/*
 * ngx_conductor_join_peers.c
 *
 * Lines that are taken into the table, in the end by a flush: NGX_OK or
 * NGX_ERROR, it was damaged.  Guests that were not among them since
 * cdr_guest_begin() leave, "due": NGX_OK or NGX_ERROR.  What is known of a
 * server: NGX_OK or NGX_DECLINED.  Something is wrong; there is no room.
 */

void ngx_conductor_lines_begin(ngx_conductor_guests_t *g, uint32_t index);
void ngx_conductor_lines_add(cdr_str_t line);
ngx_int_t ngx_conductor_lines_flush(void);
ngx_int_t ngx_conductor_peers_sweep(ngx_conductor_guests_t *g, uint32_t index,
    uint64_t due);
ngx_int_t ngx_conductor_peers_get(ngx_conductor_guests_t *g, uint32_t index,
    cdr_guest_peer_t *peer);
void ngx_conductor_peers_wrong(ngx_conductor_guests_t *g, const char *what);
void ngx_conductor_peers_full(ngx_conductor_guests_t *g);

/*
 * A message of the channel.  A server is gone, with its guests, or has said so
 * and when they are.  What all of them told is as last known.
 */

void ngx_conductor_peers_message(ngx_conductor_guests_t *g, ngx_str_t *text);
void ngx_conductor_peers_drop(ngx_conductor_guests_t *g, uint32_t index,
    const cdr_guest_note_t *note);
void ngx_conductor_peers_stale(ngx_conductor_guests_t *g);


/* ngx_conductor_join_leave.c: says goodbye, if the server stops. */

void ngx_conductor_leave(ngx_conductor_guests_t *g);


#endif /* NGX_CONDUCTOR_GUESTS_H_INCLUDED */
