/* The thread of a hub in the keeper: one job at a time, given and taken. */

#include "ngx_conductor_keeper.h"

#include <signal.h>
#include <time.h>


#define NGX_CONDUCTOR_THREAD_STACK   (1024 * 1024)

#define NGX_CONDUCTOR_THREAD_IDLE    0
#define NGX_CONDUCTOR_THREAD_POSTED  1
#define NGX_CONDUCTOR_THREAD_DONE    2
#define NGX_CONDUCTOR_THREAD_GONE    3


static ngx_int_t ngx_conductor_thread_init(ngx_conductor_thread_t *t);
static int ngx_conductor_thread_create(ngx_conductor_thread_t *t);
static void *ngx_conductor_thread_cycle(void *data);
static void ngx_conductor_thread_until(ngx_conductor_thread_t *t,
    ngx_uint_t gone, ngx_msec_t ms);


/* Does nothing if it runs.  NGX_OK or NGX_ERROR. */

ngx_int_t
ngx_conductor_thread_start(ngx_conductor_thread_t *t, ngx_log_t *log)
{
    int  err;

    if (t->started) {
        return NGX_OK;
    }

    if (ngx_conductor_thread_init(t) != NGX_OK) {
        return NGX_ERROR;
    }

    err = ngx_conductor_thread_create(t);

    if (err) {
        (void) pthread_cond_destroy(&t->cond);
        (void) pthread_mutex_destroy(&t->mutex);

        if (!t->failed) {
            t->failed = 1;
            ngx_log_error(NGX_LOG_ALERT, log, err, "pthread_create() failed");
        }

        return NGX_ERROR;
    }

    t->started = 1;
    t->failed = 0;

    return NGX_OK;
}


ngx_uint_t
ngx_conductor_thread_idle(ngx_conductor_thread_t *t)
{
    ngx_uint_t  idle;

    (void) pthread_mutex_lock(&t->mutex);
    idle = (t->state == NGX_CONDUCTOR_THREAD_IDLE);
    (void) pthread_mutex_unlock(&t->mutex);

    return idle;
}


/* A job that was done, if there is one. */

ngx_uint_t
ngx_conductor_thread_take(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    ngx_uint_t  done;

    (void) pthread_mutex_lock(&t->mutex);

    done = (t->state == NGX_CONDUCTOR_THREAD_DONE);

    if (done) {
        *job = t->job;
        t->state = NGX_CONDUCTOR_THREAD_IDLE;
    }

    (void) pthread_mutex_unlock(&t->mutex);

    if (done) {
        ngx_log_debug2(NGX_LOG_DEBUG_CORE, ngx_cycle->log, 0,
                       "conductor keeper: job %d, rc:%d", (int) job->kind,
                       job->rc);
    }

    return done;
}


/* To a thread that is idle. */

void
ngx_conductor_thread_post(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    (void) pthread_mutex_lock(&t->mutex);

    t->job = *job;
    t->state = NGX_CONDUCTOR_THREAD_POSTED;

    (void) pthread_cond_broadcast(&t->cond);
    (void) pthread_mutex_unlock(&t->mutex);
}


/* Until its job is done, or so many milliseconds. */

void
ngx_conductor_thread_wait(ngx_conductor_thread_t *t, ngx_msec_t ms)
{
    ngx_conductor_thread_until(t, 0, ms);
}


/* A thread that does not come back in time ends with the process. */

void
ngx_conductor_thread_stop(ngx_conductor_thread_t *t, ngx_msec_t ms)
{
    ngx_uint_t  gone;

    (void) pthread_mutex_lock(&t->mutex);
    t->quit = 1;
    (void) pthread_cond_broadcast(&t->cond);
    (void) pthread_mutex_unlock(&t->mutex);

    ngx_conductor_thread_until(t, 1, ms);

    (void) pthread_mutex_lock(&t->mutex);
    gone = (t->state == NGX_CONDUCTOR_THREAD_GONE);
    (void) pthread_mutex_unlock(&t->mutex);

    if (gone) {
        (void) pthread_join(t->id, NULL);
        (void) pthread_cond_destroy(&t->cond);
        (void) pthread_mutex_destroy(&t->mutex);
        t->started = 0;
    }
}


static ngx_int_t
ngx_conductor_thread_init(ngx_conductor_thread_t *t)
{
    int                 err;
    pthread_condattr_t  attr;

    if (pthread_condattr_init(&attr) != 0) {
        return NGX_ERROR;
    }

    err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);

    if (err == 0) {
        err = pthread_cond_init(&t->cond, &attr);
    }

    (void) pthread_condattr_destroy(&attr);

    if (err) {
        return NGX_ERROR;
    }

    if (pthread_mutex_init(&t->mutex, NULL) != 0) {
        (void) pthread_cond_destroy(&t->cond);
        return NGX_ERROR;
    }

    t->state = NGX_CONDUCTOR_THREAD_IDLE;
    t->quit = 0;

    return NGX_OK;
}


/* Signals are the loop's. */

static int
ngx_conductor_thread_create(ngx_conductor_thread_t *t)
{
    int             err;
    sigset_t        all, old;
    pthread_attr_t  attr;

    err = pthread_attr_init(&attr);
    if (err) {
        return err;
    }

    (void) pthread_attr_setstacksize(&attr, NGX_CONDUCTOR_THREAD_STACK);

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    err = pthread_create(&t->id, &attr, ngx_conductor_thread_cycle, t);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attr);

    return err;
}


static void *
ngx_conductor_thread_cycle(void *data)
{
    ngx_conductor_thread_t *t = data;

    (void) pthread_mutex_lock(&t->mutex);

    for ( ;; ) {

        while (t->state != NGX_CONDUCTOR_THREAD_POSTED && !t->quit) {
            (void) pthread_cond_wait(&t->cond, &t->mutex);
        }

        if (t->quit) {
            break;
        }

        (void) pthread_mutex_unlock(&t->mutex);

        ngx_conductor_job_do(t, &t->job);

        (void) pthread_mutex_lock(&t->mutex);

        t->state = NGX_CONDUCTOR_THREAD_DONE;

        (void) pthread_cond_broadcast(&t->cond);

        ngx_conductor_wake_me();
    }

    cdr_store_close(t->store);
    t->store = NULL;

    t->state = NGX_CONDUCTOR_THREAD_GONE;

    (void) pthread_cond_broadcast(&t->cond);
    (void) pthread_mutex_unlock(&t->mutex);

    return NULL;
}


/* Until it is gone, or has no job to do. */

static void
ngx_conductor_thread_until(ngx_conductor_thread_t *t, ngx_uint_t gone,
    ngx_msec_t ms)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    ts.tv_sec += (time_t) (ms / 1000);
    ts.tv_nsec += (long) (ms % 1000) * 1000000;

    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }

    (void) pthread_mutex_lock(&t->mutex);

    while ((gone ? t->state != NGX_CONDUCTOR_THREAD_GONE
                 : t->state == NGX_CONDUCTOR_THREAD_POSTED)
           && pthread_cond_timedwait(&t->cond, &t->mutex, &ts) == 0)
    { /* void */ }

    (void) pthread_mutex_unlock(&t->mutex);
}
