/* What the files of joining share. */

#ifndef NGX_CONDUCTOR_JOIN_OWN_H_INCLUDED
#define NGX_CONDUCTOR_JOIN_OWN_H_INCLUDED


#include "ngx_conductor_join.h"

#include <cdr_sign.h>
#include <cdr_stream.h>

#include <hiredis/async.h>


#define NGX_CONDUCTOR_JOIN_SAMPLES  16
#define NGX_CONDUCTOR_JOIN_AHEAD    4096    /* events offered and not read */
#define NGX_CONDUCTOR_JOIN_AGAIN    30000   /* ms of the stream that are read
                                               and told again */
#define NGX_CONDUCTOR_JOIN_RETRY    1000    /* ms */
#define NGX_CONDUCTOR_JOIN_SOON     100     /* ms */
#define NGX_CONDUCTOR_JOIN_CLOCK    86400000        /* ms that clocks of servers
                                                       may differ */
#define NGX_CONDUCTOR_JOIN_PROBE    1000    /* ms between calls */
#define NGX_CONDUCTOR_JOIN_HUNG     4000    /* ms of reading in vain */
#define NGX_CONDUCTOR_JOIN_HOLD     64      /* events in a hold of the lock */


typedef struct ngx_conductor_join_own_s  ngx_conductor_join_own_t;


/* A call of the script on its way to Redis. */

typedef struct {
    ngx_conductor_join_own_t     *own;
    uint64_t                      session;
    uint64_t                      clock;    /* us, when it was sent */
    uint64_t                      last;     /* the highest number in it */
    uint64_t                      gap;      /* dropped, as is told in it */
    cdr_outbox_cursor_t           from;     /* before the first record */
    ngx_uint_t                    nrecords;
    uint64_t                      n[NGX_CONDUCTOR_JOIN_BATCH + 1];
                                            /* of their first events; 0: not
                                               one of the outbox */
} ngx_conductor_join_call_t;


/* Something that may happen often: said at most once a minute. */

typedef struct {
    ngx_msec_t                    at;       /* when it was said last */
    ngx_uint_t                    n;        /* and how often it was not since */
    unsigned                      said:1;
} ngx_conductor_join_said_t;


/* Why the hub was alone, as it was said. */

#define NGX_CONDUCTOR_JOIN_WHYS  4

typedef struct {
    uint32_t                      hash;     /* of the reason */
    ngx_msec_t                    at;
} ngx_conductor_join_why_t;


/* What the last number was at a time: so what has waited since is known. */

typedef struct {
    uint64_t                      n;
    ngx_msec_t                    at;
} ngx_conductor_join_sample_t;


struct ngx_conductor_join_own_s {
    ngx_conductor_join_t          join;     /* as the hooks know it */

    cdr_sign_t                    sign;
    cdr_sign_t                    before;   /* of the secret before, for */
    ngx_msec_t                    begun;    /* some time from then on */
    ngx_msec_t                    lost;     /* since when there is no link */
    u_char                        why[NGX_CONDUCTOR_KEEPER_TEXT];
    ngx_conductor_join_why_t      said[NGX_CONDUCTOR_JOIN_WHYS];
    ngx_uint_t                    nsaid;
    ngx_conductor_join_sample_t   samples[NGX_CONDUCTOR_JOIN_SAMPLES];
    ngx_uint_t                    sample;   /* the newest */

    /* the session */

    uint64_t                      session;
    uint64_t                      call;     /* number of the next call */
    ngx_msec_t                    hello_at; /* when it was, or is to be */
    cdr_log_pos_t                 tail;     /* of the stream, as told last */
    uint64_t                      rtt;      /* us, of the last call */
    uint64_t                      since;    /* us, when the state began */
    uint64_t                      sent;     /* us, the last call */
    uint64_t                      heard;    /* us, its last answer */

    /* offering */

    cdr_outbox_cursor_t           offered;  /* behind what was sent */
    uint64_t                      top;      /* highest number sent, or known
                                               to Redis */
    cdr_log_cursor_t              again;    /* what is told again; */
    uint64_t                      upto;     /* to this number; 0: nothing */
    uint64_t                      ahead;    /* events sent and not read */
    ngx_uint_t                    ncalls;   /* that are not answered */

    /* reading */

    cdr_log_pos_t                 read;     /* place of the reader */
    cdr_log_pos_t                 target;   /* then all was read again */
    cdr_log_pos_t                 greeted_tail;   /* of the stream, at the
                                                     hello */
    uint64_t                      upto_key; /* what Redis has to this number
                                               has come by then; 0: done */
    ngx_msec_t                    asked;    /* when it asked */
    ngx_msec_t                    read_at;  /* it asks not before */
    uint64_t                      old;      /* Redis' ms, when this life
                                               began */
    u_char                        stream[NGX_CONDUCTOR_STREAM_NAME];
    cdr_log_cursor_t              settle;
    cdr_outbox_cursor_t           found;    /* the last of ours that came */
    ngx_uint_t                    count;    /* entries that are asked for */
    ngx_msec_t                    gap_at;   /* when clients were told of one */
    const char                   *gap;      /* to be logged */
    const char                   *lost_event;     /* likewise */
    const char                   *bad;      /* likewise, of an entry, */
    uint64_t                      bad_ms;   /* at this place */
    uint64_t                      bad_n;

    ngx_conductor_join_said_t     said_gap;
    ngx_conductor_join_said_t     said_lost;
    ngx_conductor_join_said_t     said_deaf;

    /* placing */

    cdr_outbox_cursor_t           waiting;  /* before what is not in the log */
    cdr_log_pos_t                 lone;     /* place of the last one placed
                                               alone; 0: not known */

    unsigned                      signs:1;
    unsigned                      signed_before:1;
    unsigned                      owner:1;
    unsigned                      linked:1;
    unsigned                      patient:1;      /* no word of the link yet */
    unsigned                      greeted:1;      /* the session has begun */
    unsigned                      greeting:1;
    unsigned                      over:1;   /* the session is */
    unsigned                      loaded:1; /* Redis knows the script */
    unsigned                      reading:1;
    unsigned                      again_due:1;    /* reading again */
    unsigned                      answered:1;     /* since the state began */
    unsigned                      said_bad:1;     /* an entry was; logged */
    unsigned                      quiet:1;  /* that it is alone was not said
                                               again */
    unsigned                      gap_due:1;      /* clients are to be told of
                                                     one more */
    unsigned                      skip:1;   /* the next entry cannot be read */
};


#define ngx_conductor_join_own(join)  ((ngx_conductor_join_own_t *) (join))

#define ngx_conductor_join_state(hub)                                         \
    atomic_load_explicit(&(hub)->zone->joining.state, memory_order_relaxed)


/* ngx_conductor_join_script.c */

extern ngx_conductor_script_t  ngx_conductor_join_script_hello;
extern ngx_conductor_script_t  ngx_conductor_join_script_offer;

const char *ngx_conductor_join_sha(ngx_conductor_script_t *script);


/*
 * ngx_conductor_join.c: does what is to be done now; the state; and the hub
 * goes its own way from now on, for a reason.
 */

void ngx_conductor_join_turn(ngx_conductor_join_own_t *own);
void ngx_conductor_join_state_set(ngx_conductor_join_own_t *own,
    ngx_conductor_redis_e state);
void ngx_conductor_join_alone(ngx_conductor_join_own_t *own,
    const char *reason);
void ngx_conductor_join_up(ngx_conductor_join_own_t *own);


/* ngx_conductor_join_command.c: an error reply, as a text that ends; a place */

ngx_int_t ngx_conductor_join_refused(ngx_conductor_join_own_t *own,
    redisReply *reply, u_char *text);
ngx_int_t ngx_conductor_join_reply_place(cdr_log_pos_t *pos,
    redisReply *reply);


/* ngx_conductor_join_sign.c */

ngx_int_t ngx_conductor_join_sign_init(ngx_conductor_join_own_t *own);
ngx_int_t ngx_conductor_join_sign(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, u_char *dst);
const char *ngx_conductor_join_sign_check(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e);


/* ngx_conductor_join_hello.c: begins a session, or another one */

void ngx_conductor_join_hello(ngx_conductor_join_own_t *own);
void ngx_conductor_join_over(ngx_conductor_join_own_t *own, ngx_msec_t wait);


/*
 * ngx_conductor_join_offer.c: sends what there is to be sent, also nothing, to
 * see whether Redis answers.  NGX_OK: nothing is left; NGX_AGAIN: there is.
 */

ngx_int_t ngx_conductor_join_offer(ngx_conductor_join_own_t *own);
void ngx_conductor_join_probe(ngx_conductor_join_own_t *own);

/* Under the lock: its key was used before, for what the reply says. */

void ngx_conductor_join_repeated(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec, redisReply *reply);


/* ngx_conductor_join_key.c: is one of those that Redis has such a one? */

void ngx_conductor_join_keys(ngx_conductor_join_own_t *own);


/*
 * ngx_conductor_join_call.c: the arguments of a call.
 *
 * A record has a head and as many events as that says.  NGX_ERROR: no memory.
 * When it is sent it is gone, be it NGX_OK or NGX_ERROR.
 */

#define NGX_CONDUCTOR_JOIN_FORCE    1       /* though its key was used */
#define NGX_CONDUCTOR_JOIN_CONTROL  2

typedef struct {
    ngx_conductor_join_own_t     *own;
    ngx_conductor_join_call_t    *call;
    ngx_pool_t                   *pool;
    ngx_array_t                   keys;     /* ngx_str_t */
    ngx_array_t                   argv;     /* likewise */
    cdr_stream_entry_t            entry;    /* what is to be signed next */
    size_t                        bytes;
    ngx_uint_t                    events;
} ngx_conductor_join_args_t;


ngx_int_t ngx_conductor_join_args(ngx_conductor_join_args_t *args,
    ngx_conductor_join_own_t *own);
void ngx_conductor_join_args_free(ngx_conductor_join_args_t *args);
ngx_int_t ngx_conductor_join_args_record(ngx_conductor_join_args_t *args,
    cdr_outbox_rec_t *rec);
ngx_int_t ngx_conductor_join_args_gap(ngx_conductor_join_args_t *args,
    uint64_t n, uint64_t events);
ngx_int_t ngx_conductor_join_args_event(ngx_conductor_join_args_t *args,
    cdr_log_event_t *event);
ngx_int_t ngx_conductor_join_args_send(ngx_conductor_join_args_t *args,
    redisCallbackFn *handler);


/* ngx_conductor_join_read.c: asks for what is behind own->read */

void ngx_conductor_join_read(ngx_conductor_join_own_t *own);
ngx_uint_t ngx_conductor_join_caught(ngx_conductor_join_own_t *own);


/*
 * ngx_conductor_join_gap.c
 *
 * Clients are told that they miss something: once a second at most, so that
 * nobody can fill the history with that; and what is due since.  Under the
 * lock, where the workers are to be woken; "reason" is a constant.
 */

void ngx_conductor_join_gap(ngx_conductor_join_own_t *own,
    const char *reason);
void ngx_conductor_join_gap_locked(ngx_conductor_join_own_t *own,
    const char *reason);
void ngx_conductor_join_gap_due(ngx_conductor_join_own_t *own);


/*
 * ngx_conductor_join_entry.c: NULL, or what is wrong with it; its place is 0
 * if that is.
 */

const char *ngx_conductor_join_entry(ngx_conductor_join_own_t *own,
    redisReply *reply, cdr_stream_entry_t *e);


/* ngx_conductor_join_entries.c: NGX_OK, or what was not taken is read again */

ngx_int_t ngx_conductor_join_entries(ngx_conductor_join_own_t *own,
    redisReply **entries, ngx_uint_t n);

/*
 * ngx_conductor_join_passed.c
 *
 * Under the lock, for each entry: whether one is missing before it, if it is
 * news; it is passed; and likewise, as it has a fault, a constant.
 */

void ngx_conductor_join_read_index(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, ngx_uint_t fresh);
void ngx_conductor_join_read_passed(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e);
void ngx_conductor_join_read_bad(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, const char *error);

/* Without the lock: one that was not read. */

void ngx_conductor_join_pass(ngx_conductor_join_own_t *own, uint64_t ms,
    uint64_t n, const char *error);


/*
 * ngx_conductor_join_large.c: entries may be of any size, an answer not.
 *
 * How many are to be asked for, by what was read last; the link went down,
 * perhaps for that; and the next entry is to be passed.
 */

void ngx_conductor_join_fit(ngx_conductor_join_own_t *own,
    redisReply **entries, ngx_uint_t n);
void ngx_conductor_join_large(ngx_conductor_join_own_t *own);
ngx_int_t ngx_conductor_join_skip(ngx_conductor_join_own_t *own);


/*
 * ngx_conductor_join_say.c
 *
 * Is it to be logged?  Then how often it was not, for the end of a sentence:
 * in the buffer, of NGX_CONDUCTOR_JOIN_TIMES bytes, with a zero.
 */

#define NGX_CONDUCTOR_JOIN_SAY    60000     /* ms */
#define NGX_CONDUCTOR_JOIN_TIMES                                              \
    (sizeof("; more such,  times, were not logged") + NGX_INT_T_LEN)

ngx_uint_t ngx_conductor_join_say(ngx_conductor_join_said_t *said,
    u_char *times);

/* Is it to be logged why the hub is alone?  Not if that is known, nor if some
 * reasons take turns. */

ngx_uint_t ngx_conductor_join_say_why(ngx_conductor_join_own_t *own,
    const char *reason);

const char *ngx_conductor_join_silent(ngx_conductor_join_own_t *own);

/* What is logged when no lock is held: gaps, and what could not be taken. */

void ngx_conductor_join_tell_log(ngx_conductor_join_own_t *own);

/* Of the connection for channels. */

void ngx_conductor_join_listen(ngx_conductor_join_own_t *own);
void ngx_conductor_join_heard(void *data, const char *reason);
void ngx_conductor_join_unheard(void *data, const char *reason);


/*
 * ngx_conductor_join_place.c: gives places to what waits; the number of the
 * first event that waits, or 0; what a keeper before this one has left half
 * done; and an event of the log, under the lock.
 */

void ngx_conductor_join_place(ngx_conductor_join_own_t *own);
uint64_t ngx_conductor_join_waiting(ngx_conductor_join_own_t *own);
void ngx_conductor_join_recover(ngx_conductor_join_own_t *own);


#endif /* NGX_CONDUCTOR_JOIN_OWN_H_INCLUDED */
