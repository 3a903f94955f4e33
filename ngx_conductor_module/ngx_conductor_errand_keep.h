/* Inside the keeping of errands: those of a target, as the keeper has them. */

#ifndef NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED
#define NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED


#include "ngx_conductor_errand.h"
#include "ngx_conductor_join.h"
#include "ngx_conductor_outbox_keep.h"


/* One that is not done; its record is in the outbox while it has room. */

typedef struct {
    ngx_queue_t                   queue;
    uint64_t                      n;
    uint64_t                      at;         /* where its record is */
    uint64_t                      key[2];     /* its connection */
    ngx_msec_t                    retry;      /* not before, if "tries" */
    uint32_t                      tries;
    uint32_t                      lent;       /* place + 1; 0: it is not */
} ngx_conductor_errand_t;


typedef struct ngx_conductor_runner_s  ngx_conductor_runner_t;


typedef struct {
    ngx_conductor_runner_t       *runner;
    ngx_conductor_target_t       *target;
    ngx_queue_t                   errands;    /* in their order */
    ngx_uint_t                    lent;
    ngx_uint_t                    failures;   /* in a row */
    ngx_msec_t                    retry;      /* not before, if there are */
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
    ngx_uint_t                    slot;       /* that was lent to last */
    ngx_msec_t                    refused[CDR_SLOTS];
    ngx_uint_t                    n;
    ngx_conductor_errands_of_t   *of;         /* of each target */
    unsigned                      owner:1;
    unsigned                      full:1;     /* and said so */
    unsigned                      strange:1;  /* likewise: nobody's errand */
};


/*
 * ngx_conductor_errand_keep.c: an errand is done, also if its record is gone;
 * or it failed, for a reason that is logged once.
 */

void ngx_conductor_errand_done(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);
void ngx_conductor_errand_failed(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand, const char *reason);

/* May one be tried now?  Only one, while they fail. */

ngx_uint_t ngx_conductor_errand_due(ngx_conductor_errands_of_t *of,
    ngx_conductor_errand_t *errand);


/* ngx_conductor_errand_stream.c: those of a stream are appended to it */

void ngx_conductor_errand_stream(ngx_conductor_errands_of_t *of);


#endif /* NGX_CONDUCTOR_ERRAND_KEEP_H_INCLUDED */
