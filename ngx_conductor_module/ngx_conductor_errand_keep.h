/* Inside the keeping of errands: those of a target, as the keeper has them. */

#ifndef NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED
#define NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED


#include "ngx_conductor_errand.h"
#include "ngx_conductor_join.h"
#include "ngx_conductor_outbox_keep.h"


#define NGX_CONDUCTOR_LINES  4096            /* buckets */


typedef struct ngx_conductor_line_s  ngx_conductor_line_t;


/* One that is not done; its record is in the outbox while it has room. */

typedef struct {
    ngx_queue_t                   queue;
    ngx_queue_t                   mates;      /* in its line, */
    ngx_conductor_line_t         *line;       /* that of its connection; NULL:
                                                 it is of a stream */
    uint64_t                      n;
    uint64_t                      at;         /* where its record is */
    ngx_msec_t                    retry;      /* not before, if "tries" */
    uint32_t                      tries;
    uint32_t                      lent;       /* place + 1; 0: it is not */
    uint32_t                      hold;       /* that it may have; 0: none */
} ngx_conductor_errand_t;


/* Those of a connection. */

struct ngx_conductor_line_s {
    ngx_queue_t                   queue;      /* it is lent: in none */
    ngx_conductor_line_t         *next;       /* of its bucket */
    uint64_t                      key[2];
    ngx_queue_t                   errands;
};


typedef struct ngx_conductor_runner_s  ngx_conductor_runner_t;


typedef struct {
    ngx_conductor_runner_t       *runner;
    ngx_conductor_target_t       *target;
    ngx_queue_t                   errands;    /* in their order */
    ngx_conductor_line_t        **lines;      /* NULL: a stream has none */
    ngx_queue_t                   fresh;      /* lines: never tried, */
    ngx_queue_t                   again;      /* failed, but due again, */
    ngx_queue_t                   later;      /* and not yet due: */
    ngx_msec_t                    look;       /* none before */
    ngx_queue_t                   held;       /* or held by a worker */
    ngx_uint_t                    turn;
    ngx_uint_t                    lent;
    ngx_msec_t                    moved;      /* when one was done */
    ngx_uint_t                    failures;   /* in a row */
    ngx_msec_t                    retry;      /* not before, if there are */
    ngx_msec_t                    quiet;      /* until then; 0: nothing was said
                                                 of what is not taken */
    unsigned                      said:1;     /* that it fails */
    unsigned                      calling:1;  /* a stream: Redis is asked */
} ngx_conductor_errands_of_t;


/* A hub, as the keeper that runs its errands has it. */

struct ngx_conductor_runner_s {
    ngx_conductor_runner_t       *next;
    ngx_conductor_hub_t          *hub;
    ngx_conductor_keep_t         *keep;       /* its file; NULL: none */
    struct ngx_conductor_join_s  *join;       /* NULL: no Redis */
    cdr_outbox_cursor_t           cursor;     /* behind what was read */
    uint64_t                      lost;       /* when that was looked at */
    ngx_uint_t                    slot;       /* that was lent to last */
    ngx_msec_t                    refused[CDR_SLOTS];
    ngx_uint_t                    n;
    ngx_conductor_errands_of_t   *of;         /* of each target */
    unsigned                      owner:1;
    unsigned                      full:1;     /* and said so */
    unsigned                      strange:1;  /* likewise: nobody's errand */
};


/*
 * ngx_conductor_errand_box.c: room in the outbox is made by what is oldest;
 * what is new there is read; what made way is forgotten.  And the errands of
 * a tag, or NULL; and one is gone.
 */

void ngx_conductor_errand_room(ngx_conductor_runner_t *run);
void ngx_conductor_errand_read(ngx_conductor_runner_t *run);
void ngx_conductor_errand_prune(ngx_conductor_runner_t *run);
ngx_conductor_errands_of_t *ngx_conductor_errands_of(
    ngx_conductor_runner_t *run, uint32_t tag);
void ngx_conductor_errand_del(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);


/*
 * ngx_conductor_errand_line.c: an errand goes to the end of the line of its
 * connection, NGX_ERROR without memory; it leaves; its line has its place by
 * what the first one is, as have those whose first is not held any more.  And
 * who is next, which is not lent by this; NULL: nobody.
 */

ngx_int_t ngx_conductor_line_join(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const uint64_t key[2]);
void ngx_conductor_line_leave(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);
void ngx_conductor_line_place(ngx_conductor_errands_of_t *of,
    ngx_conductor_line_t *line);
void ngx_conductor_line_let_go(ngx_conductor_errands_of_t *of);
ngx_conductor_errand_t *ngx_conductor_line_next(
    ngx_conductor_errands_of_t *of);


/*
 * ngx_conductor_errand_lend.c: what workers give back; and what they are lent.
 * An errand is done, also if its record is gone; or it failed, for a reason
 * that is logged once.
 */

void ngx_conductor_errand_back(ngx_conductor_runner_t *run);
void ngx_conductor_errand_lend(ngx_conductor_errands_of_t *of);
void ngx_conductor_errand_done(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);
void ngx_conductor_errand_failed(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const char *reason);

/* May one be tried now?  Only one, while they fail. */

ngx_uint_t ngx_conductor_errand_due(ngx_conductor_errands_of_t *of);


/* ngx_conductor_errand_stream.c: those of a stream are appended to it */

void ngx_conductor_errand_stream(ngx_conductor_errands_of_t *of);


#endif /* NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED */
