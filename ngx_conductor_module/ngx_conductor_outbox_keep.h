/* Inside the file of an outbox: the loop's part and the thread's. */

#ifndef NGX_CONDUCTOR_OUTBOX_KEEP_H_INCLUDED
#define NGX_CONDUCTOR_OUTBOX_KEEP_H_INCLUDED


#include "ngx_conductor_join.h"
#include "ngx_conductor_offer.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_outbox_file.h>
#include <pthread.h>


typedef enum {
    NGX_CONDUCTOR_KEEP_NEW = 0,     /* a file, in place of the one there is */
    NGX_CONDUCTOR_KEEP_ADD,         /* to it */
    NGX_CONDUCTOR_KEEP_REMOVE
} ngx_conductor_keep_e;


typedef enum {
    NGX_CONDUCTOR_KEEP_IDLE = 0,
    NGX_CONDUCTOR_KEEP_POSTED,
    NGX_CONDUCTOR_KEEP_DONE,
    NGX_CONDUCTOR_KEEP_GONE
} ngx_conductor_keep_state_e;


typedef struct ngx_conductor_keep_s  ngx_conductor_keep_t;

struct ngx_conductor_keep_s {
    ngx_conductor_keep_t         *next;
    ngx_conductor_hub_t          *hub;
    ngx_conductor_kept_t          box;

    /* the loop's */

    cdr_outbox_cursor_t           cursor;   /* behind what is in the file */
    cdr_outbox_cursor_t           posted;   /* when this is done */
    size_t                        size;     /* of the file */
    ngx_msec_t                    again;    /* not before */
    u_char                        said[NGX_CONDUCTOR_FILE_ERROR];
    unsigned                      there:1;  /* may be, at the beginning */
    unsigned                      whole:1;  /* to be written anew */
    unsigned                      busy:1;   /* a job is posted */
    unsigned                      full:1;   /* and said so */

    pthread_t                     id;
    pthread_mutex_t               mutex;
    pthread_cond_t                cond;
    ngx_conductor_keep_state_e    state;
    ngx_uint_t                    quit;

    /* the job, and its outcome */

    ngx_conductor_keep_e          kind;
    u_char                       *data;     /* a chunk, with room for all */
    size_t                        len;      /* of its records */
    size_t                        written;
    ngx_int_t                     rc;

    /* the thread's */

    ngx_conductor_dir_t           dir;
    ngx_fd_t                      fd;       /* of the file; -1: none */
    cdr_outbox_file_t            *file;
    u_char                        name[NGX_CONDUCTOR_FILE_NAME];
};


/*
 * ngx_conductor_outbox_keep.c, the loop: begins to keep what is placed in an
 * outbox; NULL, and the reason, if there is no memory or no thread.  What a
 * keeper before this one has written is written again, or removed.  Then, every
 * now and then: what is to be written now?  And at the end, with what is left
 * to be written; it is freed, unless its thread hangs.
 */

ngx_conductor_keep_t *ngx_conductor_keep_open(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box, ngx_err_t *err);
void ngx_conductor_keep_run(ngx_conductor_keep_t *k);
void ngx_conductor_keep_end(ngx_conductor_keep_t *k);

/* For who has no thread, and no keeper beside it: all of it, at once. */

ngx_int_t ngx_conductor_keep_all(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box);

/*
 * ngx_conductor_outbox_thread.c, called by the loop.  Starts the thread: 0 or
 * an error.  And waits until it is gone, or has no job to do.  And does the
 * job here.
 */

int ngx_conductor_keep_thread(ngx_conductor_keep_t *k);
void ngx_conductor_keep_until(ngx_conductor_keep_t *k, ngx_uint_t gone,
    ngx_msec_t ms);
ngx_int_t ngx_conductor_keep_do(ngx_conductor_keep_t *k);
void ngx_conductor_keep_done(ngx_conductor_keep_t *k);


#endif /* NGX_CONDUCTOR_OUTBOX_KEEP_H_INCLUDED */
