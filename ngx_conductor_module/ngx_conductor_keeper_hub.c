/* What the keeper does for a hub, one job after the other. */

#include "ngx_conductor_keeper.h"


#define NGX_CONDUCTOR_LOCK_AGAIN     100    /* ms */
#define NGX_CONDUCTOR_LOCK_PATIENCE  3000   /* before it is said */
#define NGX_CONDUCTOR_SAVE_AGAIN     1000


static ngx_int_t ngx_conductor_keeper_next(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static ngx_int_t ngx_conductor_keeper_asked(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static ngx_int_t ngx_conductor_keeper_own(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static ngx_int_t ngx_conductor_keeper_save(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static void ngx_conductor_keeper_timed(ngx_conductor_hub_t *hub,
    ngx_conductor_job_t *job);
static void ngx_conductor_keeper_done(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static void ngx_conductor_keeper_locked(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static void ngx_conductor_keeper_unlock(ngx_conductor_keeper_t *k);
static void ngx_conductor_keeper_saved(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);


void
ngx_conductor_keeper_run(ngx_conductor_keeper_t *k)
{
    ngx_conductor_job_t  job;

    if (ngx_conductor_thread_take(&k->thread, &job)) {
        ngx_conductor_keeper_done(k, &job);
    }

    if (!ngx_conductor_thread_idle(&k->thread)) {
        return;
    }

    ngx_memzero(&job, sizeof(ngx_conductor_job_t));

    if (ngx_conductor_keeper_next(k, &job) == NGX_OK) {
        job.now = ngx_conductor_now();
        ngx_conductor_thread_post(&k->thread, &job);
    }
}


/* What is known by now goes into the database, if that can be written. */

void
ngx_conductor_keeper_finish(ngx_conductor_keeper_t *k, ngx_msec_t deadline)
{
    ngx_msec_int_t       left;
    ngx_conductor_job_t  job;

    if (!k->reading && k->locked && k->hub->presence_file.len) {
        ngx_conductor_changes_collect(k);
    }

    for ( ;; ) {
        ngx_time_update();

        left = (ngx_msec_int_t) (deadline - ngx_current_msec);

        if (left <= 0) {
            break;
        }

        ngx_conductor_thread_wait(&k->thread, left);

        if (ngx_conductor_thread_take(&k->thread, &job)) {
            ngx_conductor_keeper_done(k, &job);
        }

        if (!k->open || k->failing || k->fresh
            || ngx_queue_empty(&k->changes)
            || !ngx_conductor_thread_idle(&k->thread))
        {
            break;
        }

        ngx_memzero(&job, sizeof(ngx_conductor_job_t));

        job.kind = NGX_CONDUCTOR_JOB_APPLY;
        job.now = ngx_conductor_now();
        job.changes = ngx_queue_data(ngx_queue_head(&k->changes),
                                     ngx_conductor_changes_t, queue);

        ngx_conductor_thread_post(&k->thread, &job);
    }

    ngx_conductor_thread_stop(&k->thread, ngx_max(left, 0));
}


/* Questions are many, and must not keep presence from being written. */

static ngx_int_t
ngx_conductor_keeper_next(ngx_conductor_keeper_t *k, ngx_conductor_job_t *job)
{
    if (!k->asked && ngx_conductor_keeper_asked(k, job) == NGX_OK) {
        k->asked = 1;
        return NGX_OK;
    }

    k->asked = 0;

    if (ngx_conductor_keeper_own(k, job) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_conductor_keeper_asked(k, job);
}


/* Whoever has the database answers, or says that nobody can. */

static ngx_int_t
ngx_conductor_keeper_asked(ngx_conductor_keeper_t *k, ngx_conductor_job_t *job)
{
    if (k->hub->presence_file.len == 0
        || (!k->open && !k->failing && !k->complained)
        || ngx_conductor_question_take(k->hub, &k->question) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    job->kind = NGX_CONDUCTOR_JOB_ASK;
    job->question = &k->question;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_keeper_own(ngx_conductor_keeper_t *k, ngx_conductor_job_t *job)
{
    if (!k->locked) {

        if (!ngx_conductor_due(k->tried)) {
            return NGX_DECLINED;
        }

        job->kind = NGX_CONDUCTOR_JOB_LOCK;
        return NGX_OK;
    }

    if (ngx_conductor_keeper_save(k, job) == NGX_OK) {
        return NGX_OK;
    }

    return k->hub->presence_file.len ? ngx_conductor_database_next(k, job)
                                     : NGX_DECLINED;
}


static ngx_int_t
ngx_conductor_keeper_save(ngx_conductor_keeper_t *k, ngx_conductor_job_t *job)
{
    ngx_uint_t  what;

    if (!ngx_conductor_due(k->save_at)) {
        return NGX_DECLINED;
    }

    what = ngx_conductor_save_due(k->hub);

    if (!ngx_conductor_due(k->events_at)) {
        what &= ~NGX_CONDUCTOR_SAVE_EVENTS;
    }

    if (what == 0) {
        return NGX_DECLINED;
    }

    job->save = ngx_conductor_save_new(k->hub, what);

    if (job->save == NULL) {
        k->save_at = ngx_current_msec + NGX_CONDUCTOR_SAVE_AGAIN;
        return NGX_DECLINED;
    }

    job->kind = NGX_CONDUCTOR_JOB_SAVE;

    return NGX_OK;
}


static void
ngx_conductor_keeper_done(ngx_conductor_keeper_t *k, ngx_conductor_job_t *job)
{
    ngx_conductor_keeper_timed(k->hub, job);

    switch (job->kind) {

    case NGX_CONDUCTOR_JOB_NONE:
    case NGX_CONDUCTOR_JOB_UNLOCK:
        break;

    case NGX_CONDUCTOR_JOB_ASK:
        ngx_conductor_question_answer(k->hub, job->question);
        break;

    case NGX_CONDUCTOR_JOB_LOCK:
        ngx_conductor_keeper_locked(k, job);
        break;

    case NGX_CONDUCTOR_JOB_SAVE:
        ngx_conductor_keeper_saved(k, job);
        break;

    default:
        ngx_conductor_database_done(k, job);
    }
}


/* How long the database took. */

static void
ngx_conductor_keeper_timed(ngx_conductor_hub_t *hub, ngx_conductor_job_t *job)
{
    switch (job->kind) {

    case NGX_CONDUCTOR_JOB_ASK:
        ngx_conductor_observe(hub, CDR_HISTOGRAM_QUERY, job->us);
        break;

    case NGX_CONDUCTOR_JOB_END:
    case NGX_CONDUCTOR_JOB_APPLY:
    case NGX_CONDUCTOR_JOB_RENEW:
    case NGX_CONDUCTOR_JOB_SWEEP:
        ngx_conductor_observe(hub, CDR_HISTOGRAM_COMMIT, job->us);
        break;

    default:
        break;
    }
}


/*
 * The keeper of the configuration before this one has the directory until it
 * has ended; that another nginx has it is worth a word.
 */

static void
ngx_conductor_keeper_locked(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    ngx_conductor_hub_t  *hub;

    hub = k->hub;

    if (job->rc == CDR_OK) {

        if (k->complained) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "hub \"%V\" has its state directory \"%V\"",
                          &hub->name, &hub->state->name);
            k->complained = 0;
        }

        k->locked = 1;
        k->waiting = 0;
        k->save_at = ngx_current_msec;
        k->events_at = ngx_current_msec;

        ngx_conductor_database_start(k);
        return;
    }

    k->tried = ngx_current_msec + NGX_CONDUCTOR_LOCK_AGAIN;

    if (k->waiting == 0) {
        k->waiting = ngx_current_msec ? ngx_current_msec : 1;
    }

    if (job->rc == CDR_AGAIN
        && ngx_current_msec - k->waiting < NGX_CONDUCTOR_LOCK_PATIENCE)
    {
        return;
    }

    if (!k->complained) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "hub \"%V\" cannot have its state directory \"%V\": %s",
                      &hub->name, &hub->state->name, job->error);
        k->complained = 1;
    }

    if (hub->presence_file.len) {
        ngx_conductor_database_failed(k, job->error);
    }
}


/* A server that began later has the directory. */

static void
ngx_conductor_keeper_unlock(ngx_conductor_keeper_t *k)
{
    ngx_conductor_job_t  job;

    k->locked = 0;
    k->tried = ngx_current_msec + NGX_CONDUCTOR_SAVE_AGAIN;

    /* who has it next begins where the database is */

    ngx_conductor_changes_forget(k);
    ngx_conductor_database_lost(k);

    ngx_memzero(&job, sizeof(ngx_conductor_job_t));
    job.kind = NGX_CONDUCTOR_JOB_UNLOCK;

    ngx_conductor_thread_post(&k->thread, &job);
}


static void
ngx_conductor_keeper_saved(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    ngx_conductor_hub_t   *hub;
    ngx_conductor_save_t  *save;

    hub = k->hub;
    save = job->save;

    if (save->what & NGX_CONDUCTOR_SAVE_EVENTS) {
        k->events_at = ngx_current_msec + hub->snapshot;
    }

    switch (job->rc) {

    case CDR_OK:

        if (k->save_error[0]) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "the state of hub \"%V\" is written again",
                          &hub->name);
            k->save_error[0] = '\0';
        }

        break;

    case CDR_DECLINED:
        ngx_conductor_keeper_unlock(k);
        break;

    default:
        k->save_at = ngx_current_msec + NGX_CONDUCTOR_SAVE_AGAIN;
        k->events_at = k->save_at;

        if (ngx_strcmp(k->save_error, save->error) != 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, save->err,
                          "the state of hub \"%V\" cannot be written: %s",
                          &hub->name, save->error);

            ngx_cpystrn(k->save_error, save->error,
                        NGX_CONDUCTOR_KEEPER_TEXT);
        }
    }

    ngx_conductor_save_free(save);
}
