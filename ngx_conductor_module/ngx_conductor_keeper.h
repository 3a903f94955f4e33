/*
 * The keeper: the process that owns what lies outside of shared memory.
 *
 * Its loop looks into the zone; a thread for each hub does what may wait for a
 * disk, one job at a time: the loop fills in a job, the thread does it, the
 * loop looks at the outcome and gives it the next one.
 */

#ifndef NGX_CONDUCTOR_KEEPER_H_INCLUDED
#define NGX_CONDUCTOR_KEEPER_H_INCLUDED


#include "ngx_conductor_presence.h"
#include "ngx_conductor_question.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_store.h>

#include <pthread.h>


#define NGX_CONDUCTOR_KEEPER_TICK     100   /* ms */
#define NGX_CONDUCTOR_KEEPER_MISSING  10000 /* ms without a sign of life */
#define NGX_CONDUCTOR_KEEPER_LAST     1000  /* ms for what is left at the end */
#define NGX_CONDUCTOR_KEEPER_QUEUE    (8 * 1024 * 1024)
                                            /* bytes of changes that wait */


typedef enum {
    NGX_CONDUCTOR_JOB_NONE = 0,
    NGX_CONDUCTOR_JOB_LOCK,                 /* the directory of the state */
    NGX_CONDUCTOR_JOB_UNLOCK,
    NGX_CONDUCTOR_JOB_SAVE,
    NGX_CONDUCTOR_JOB_ASK,
    NGX_CONDUCTOR_JOB_OPEN,                 /* the database; the rest is its */
    NGX_CONDUCTOR_JOB_BEGIN,
    NGX_CONDUCTOR_JOB_ADD,
    NGX_CONDUCTOR_JOB_END,
    NGX_CONDUCTOR_JOB_APPLY,
    NGX_CONDUCTOR_JOB_RENEW,
    NGX_CONDUCTOR_JOB_SWEEP,
    NGX_CONDUCTOR_JOB_LOOK
} ngx_conductor_job_e;


#define ngx_conductor_due(at)                                                 \
    ((ngx_msec_int_t) (ngx_current_msec - (at)) >= 0)


/* Some of the reviewers, with their strings, in one piece of memory. */

typedef struct {
    ngx_queue_t                   queue;
    size_t                        size;
    uint64_t                      version;  /* of the last one */
    ngx_uint_t                    n;
    cdr_store_change_t            change[];
} ngx_conductor_changes_t;


typedef struct {
    ngx_conductor_job_e           kind;
    ngx_conductor_changes_t      *changes;
    ngx_conductor_save_t         *save;
    ngx_conductor_question_t     *question;
    uint64_t                      now;      /* Unix, ms */

    /* the outcome */

    int                           rc;       /* as of cdr_store.h */
    uint64_t                      us;       /* that it took */
    bool                          more;     /* there is more of it to do, or
                                               it has changed */
    char                          error[CDR_STORE_ERROR_LEN];
} ngx_conductor_job_t;


/* The thread of a hub. */

typedef struct {
    pthread_t                     id;
    pthread_mutex_t               mutex;
    pthread_cond_t                cond;
    ngx_uint_t                    started;
    ngx_uint_t                    failed;   /* to start, and said so */
    ngx_uint_t                    state;    /* of the job, under the mutex */
    ngx_uint_t                    quit;
    ngx_conductor_job_t           job;

    /* the thread's own, but for what is set before it starts */

    cdr_store_conf_t              conf;
    cdr_store_t                  *store;
    const char                   *directory;
    const char                   *user;     /* who has to be able to write */
    ngx_fd_t                      lock;     /* of the directory */
    ngx_fd_t                      file;     /* of the database */
} ngx_conductor_thread_t;


/* A hub, as the keeper's loop has it. */

typedef struct ngx_conductor_keeper_s  ngx_conductor_keeper_t;

struct ngx_conductor_keeper_s {
    ngx_conductor_keeper_t       *next;
    ngx_conductor_hub_t          *hub;
    ngx_conductor_thread_t        thread;
    ngx_conductor_question_t      question; /* the one that is answered */

    ngx_msec_t                    tried;    /* when the lock was wanted */
    ngx_msec_t                    waiting;  /* since when; 0: not waiting */
    ngx_msec_t                    reaped;

    /* files of the state */

    ngx_msec_t                    save_at;  /* not before */
    ngx_msec_t                    events_at;
    u_char                        save_error[NGX_CONDUCTOR_KEEPER_TEXT];

    /* presence: what was read of the table, and is to be written */

    cdr_presence_cursor_t         cursor;
    ngx_queue_t                   changes;  /* ngx_conductor_changes_t */
    size_t                        queued;   /* bytes of these */
    uint32_t                      index;    /* of a reconciliation */
    uint64_t                      begun;    /* version when it began */

    ngx_msec_t                    retry;    /* not before */
    ngx_msec_t                    backoff;
    ngx_msec_t                    failing;  /* since when; 0: it works */
    ngx_msec_t                    renew_at;
    ngx_msec_t                    sweep_at;
    ngx_msec_t                    look_at;
    ngx_msec_t                    true_at;  /* reconciled not before */
    ngx_msec_t                    true_began;
    char                          said[2][CDR_STORE_ERROR_LEN];
                                            /* causes that were logged */

    struct ngx_conductor_join_s  *join;     /* with Redis */

    unsigned                      locked:1;
    unsigned                      complained:1;   /* of who has the lock */
    unsigned                      open:1;
    unsigned                      fresh:1;  /* nothing of this life is in the
                                               database */
    unsigned                      untrue:1; /* to be reconciled */
    unsigned                      reading:1;      /* being reconciled */
    unsigned                      failed:1; /* and said so */
    unsigned                      asked:1;  /* the last job was a question */
};


/* ngx_conductor_keeper.c: the process */

ngx_msec_t ngx_conductor_keeper_manager(void *data);
void ngx_conductor_keeper_check(ngx_cycle_t *cycle);
ngx_uint_t ngx_conductor_keeper_missing(ngx_conductor_hub_t *hub);


/*
 * ngx_conductor_keeper_hub.c: what is to be done next.
 *
 * Looks at the outcome of a job that was done, and begins another one.  And
 * what is left to be written when the process ends: until "deadline".
 */

void ngx_conductor_keeper_run(ngx_conductor_keeper_t *k);
void ngx_conductor_keeper_finish(ngx_conductor_keeper_t *k,
    ngx_msec_t deadline);


/*
 * ngx_conductor_keeper_database.c: the jobs of the database.
 *
 * Fills in the next job: NGX_OK, NGX_DECLINED if there is none now.  And takes
 * the outcome of one.
 */

void ngx_conductor_database_start(ngx_conductor_keeper_t *k);
ngx_int_t ngx_conductor_database_next(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
void ngx_conductor_database_done(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
void ngx_conductor_database_lost(ngx_conductor_keeper_t *k);
void ngx_conductor_database_failed(ngx_conductor_keeper_t *k,
    const char *error);


/*
 * ngx_conductor_keeper_changes.c: from the table of reviewers.
 *
 * What has changed is queued, as far as there is room.  Some reviewers of a
 * reconciliation: NULL at its end, or without memory (*end is 0 then).  The
 * same, of those who are there, as if they had gone.
 */

void ngx_conductor_changes_collect(ngx_conductor_keeper_t *k);
ngx_conductor_changes_t *ngx_conductor_changes_scan(
    ngx_conductor_keeper_t *k, ngx_uint_t *end);
void ngx_conductor_changes_leave(ngx_conductor_changes_t *changes,
    uint64_t now);
void ngx_conductor_changes_drop(ngx_conductor_keeper_t *k);
void ngx_conductor_changes_forget(ngx_conductor_keeper_t *k);


/* ngx_conductor_keeper_thread.c: the thread, and what it does */

ngx_int_t ngx_conductor_thread_start(ngx_conductor_thread_t *t,
    ngx_log_t *log);
ngx_uint_t ngx_conductor_thread_idle(ngx_conductor_thread_t *t);
ngx_uint_t ngx_conductor_thread_take(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
void ngx_conductor_thread_post(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
void ngx_conductor_thread_wait(ngx_conductor_thread_t *t, ngx_msec_t ms);
void ngx_conductor_thread_stop(ngx_conductor_thread_t *t, ngx_msec_t ms);

/* ngx_conductor_keeper_job.c: in the thread, or where there is none */

void ngx_conductor_job_init(ngx_conductor_thread_t *t,
    ngx_conductor_hub_t *hub);
void ngx_conductor_job_do(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);


/* ngx_conductor_keeper_stop.c: the master, when all its children are gone */

void ngx_conductor_keeper_exit_master(ngx_cycle_t *cycle);


#endif /* NGX_CONDUCTOR_KEEPER_H_INCLUDED */
