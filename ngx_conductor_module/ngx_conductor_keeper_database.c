/*
 * The database, as the keeper's loop sees it: which job is next, and what its
 * outcome means.
 *
 * Changes are written in the order of their versions, and the version that is
 * written is told to the zone.  When that cannot be enough - the database was
 * just opened, or somebody else wrote to it, or a change was missed - all is
 * compared with the table of reviewers.
 */

#include "ngx_conductor_keeper.h"


#define NGX_CONDUCTOR_DATABASE_LOOK      1000   /* ms */
#define NGX_CONDUCTOR_DATABASE_BACKOFF   100
#define NGX_CONDUCTOR_DATABASE_RETRY     1000   /* at most */
#define NGX_CONDUCTOR_DATABASE_PATIENCE  1000   /* before it is said */
#define NGX_CONDUCTOR_DATABASE_RENEW     30000  /* at most */


static ngx_int_t ngx_conductor_database_read(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static void ngx_conductor_database_opened(ngx_conductor_keeper_t *k);
static void ngx_conductor_database_ended(ngx_conductor_keeper_t *k);
static void ngx_conductor_database_error(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job);
static void ngx_conductor_database_ok(ngx_conductor_keeper_t *k);
static ngx_uint_t ngx_conductor_database_said(ngx_conductor_keeper_t *k,
    const char *error);
static ngx_msec_t ngx_conductor_database_renew(ngx_conductor_hub_t *hub);
static uint64_t ngx_conductor_database_name(ngx_conductor_hub_t *hub);


/* The directory is ours: go on where whoever had it stopped. */

void
ngx_conductor_database_start(ngx_conductor_keeper_t *k)
{
    uint64_t                  name;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_keeping_t  *keeping;

    hub = k->hub;
    keeping = &hub->zone->keeping;

    if (hub->presence_file.len == 0) {
        return;
    }

    name = ngx_conductor_database_name(hub);

    if (atomic_load(&keeping->file) != name) {

        /* another file: it knows nothing of what was written to the last */

        atomic_store(&keeping->presence, 0);
        atomic_store(&keeping->file, name);
    }

    ngx_memzero(&k->cursor, sizeof(cdr_presence_cursor_t));

    k->cursor.version = atomic_load(&keeping->presence);
    k->fresh = (k->cursor.version == 0);
    k->retry = ngx_current_msec;
    k->backoff = NGX_CONDUCTOR_DATABASE_BACKOFF;
    k->failed = (atomic_load(&keeping->database)
                 == NGX_CONDUCTOR_DATABASE_FAILED);
}


ngx_int_t
ngx_conductor_database_next(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    if (!ngx_conductor_due(k->retry)) {
        return NGX_DECLINED;
    }

    if (!k->open) {
        job->kind = NGX_CONDUCTOR_JOB_OPEN;

    } else if (k->reading) {
        return ngx_conductor_database_read(k, job);

    } else if (k->fresh) {
        job->kind = NGX_CONDUCTOR_JOB_BEGIN;

    } else if (!ngx_queue_empty(&k->changes)) {
        job->kind = NGX_CONDUCTOR_JOB_APPLY;
        job->changes = ngx_queue_data(ngx_queue_head(&k->changes),
                                      ngx_conductor_changes_t, queue);

    } else if (k->untrue && ngx_conductor_due(k->true_at)) {
        job->kind = NGX_CONDUCTOR_JOB_BEGIN;

    } else if (k->failed || ngx_conductor_due(k->renew_at)) {
        job->kind = NGX_CONDUCTOR_JOB_RENEW;

    } else if (ngx_conductor_due(k->sweep_at)) {
        job->kind = NGX_CONDUCTOR_JOB_SWEEP;

    } else if (ngx_conductor_due(k->look_at)) {
        job->kind = NGX_CONDUCTOR_JOB_LOOK;

    } else {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_conductor_database_done(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    if (job->kind == NGX_CONDUCTOR_JOB_ADD) {
        ngx_free(job->changes);
    }

    if (job->rc != CDR_OK) {
        ngx_conductor_database_error(k, job);
        return;
    }

    switch (job->kind) {

    case NGX_CONDUCTOR_JOB_OPEN:
        ngx_conductor_database_opened(k);
        return;

    case NGX_CONDUCTOR_JOB_BEGIN:
        k->reading = 1;
        k->index = 0;
        k->true_began = ngx_current_msec;
        return;

    case NGX_CONDUCTOR_JOB_ADD:
        return;

    case NGX_CONDUCTOR_JOB_LOOK:
        k->look_at = ngx_current_msec + NGX_CONDUCTOR_DATABASE_LOOK;
        k->untrue |= job->more;
        return;

    case NGX_CONDUCTOR_JOB_END:
        ngx_conductor_database_ended(k);
        break;

    case NGX_CONDUCTOR_JOB_APPLY:
        atomic_store(&k->hub->zone->keeping.presence, job->changes->version);
        ngx_conductor_changes_drop(k);
        break;

    case NGX_CONDUCTOR_JOB_SWEEP:
        k->sweep_at = ngx_current_msec;

        if (!job->more) {
            k->sweep_at += (ngx_msec_t) k->hub->presence_sweep * 1000;
        }

        break;

    default: /* NGX_CONDUCTOR_JOB_RENEW */
        k->renew_at = ngx_current_msec + ngx_conductor_database_renew(k->hub);
    }

    /* something was written */

    ngx_conductor_database_ok(k);
}


/* The thread has closed it. */

void
ngx_conductor_database_lost(ngx_conductor_keeper_t *k)
{
    k->open = 0;
    k->reading = 0;
    k->untrue = 1;
}


/* The zone is told the first cause, the log each, once. */

void
ngx_conductor_database_failed(ngx_conductor_keeper_t *k, const char *error)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_keeping_t  *keeping;

    hub = k->hub;
    keeping = &hub->zone->keeping;

    if (!k->failed
        || atomic_load(&keeping->database) != NGX_CONDUCTOR_DATABASE_FAILED)
    {
        ngx_conductor_zone_lock(hub);

        ngx_cpystrn(keeping->error, (u_char *) error,
                    NGX_CONDUCTOR_KEEPER_TEXT);
        atomic_store(&keeping->failed_ms, ngx_conductor_now());
        atomic_store(&keeping->database, NGX_CONDUCTOR_DATABASE_FAILED);

        ngx_conductor_zone_unlock(hub);

        k->failed = 1;
    }

    if (!ngx_conductor_database_said(k, error)) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "database \"%V\" of hub \"%V\": %s",
                      &hub->presence_file, &hub->name, error);
    }
}


/* The next reviewers of a reconciliation; of a fresh life there are none. */

static ngx_int_t
ngx_conductor_database_read(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    ngx_uint_t  end;

    end = 1;

    if (!k->fresh) {
        job->changes = ngx_conductor_changes_scan(k, &end);

        if (job->changes) {
            job->kind = NGX_CONDUCTOR_JOB_ADD;
            return NGX_OK;
        }
    }

    if (!end) {

        /* no memory: from the beginning, a little later */

        k->reading = 0;
        k->retry = ngx_current_msec + NGX_CONDUCTOR_DATABASE_RETRY;

        return NGX_DECLINED;
    }

    job->kind = NGX_CONDUCTOR_JOB_END;

    return NGX_OK;
}


static void
ngx_conductor_database_opened(ngx_conductor_keeper_t *k)
{
    k->open = 1;
    k->untrue = 1;
    k->true_at = ngx_current_msec;
    k->sweep_at = ngx_current_msec;
    k->look_at = ngx_current_msec + NGX_CONDUCTOR_DATABASE_LOOK;
    k->renew_at = ngx_current_msec + ngx_conductor_database_renew(k->hub);
}


/* At most a tenth of the time goes into comparing all. */

static void
ngx_conductor_database_ended(ngx_conductor_keeper_t *k)
{
    ngx_msec_t  took;

    k->reading = 0;

    if (k->fresh) {
        k->fresh = 0;
        return;
    }

    took = ngx_current_msec - k->true_began;

    k->untrue = 0;
    k->true_at = ngx_current_msec + took * 10;

    atomic_store(&k->hub->zone->keeping.presence, k->cursor.version);
}


/*
 * What may pass is tried again soon, and complained of only if it lasts:
 * another program may write to its own tables for a moment.
 */

static void
ngx_conductor_database_error(ngx_conductor_keeper_t *k,
    ngx_conductor_job_t *job)
{
    k->reading = 0;
    k->retry = ngx_current_msec + k->backoff;
    k->backoff = ngx_min(k->backoff * 2, NGX_CONDUCTOR_DATABASE_RETRY);

    if (k->failing == 0) {
        k->failing = ngx_current_msec ? ngx_current_msec : 1;
    }

    if (job->rc != CDR_AGAIN) {

        if (job->kind != NGX_CONDUCTOR_JOB_OPEN) {
            ngx_conductor_database_lost(k);
        }

    } else if (ngx_current_msec - k->failing
               < NGX_CONDUCTOR_DATABASE_PATIENCE)
    {
        return;
    }

    ngx_conductor_database_failed(k, job->error);
}


static void
ngx_conductor_database_ok(ngx_conductor_keeper_t *k)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_keeping_t  *keeping;

    hub = k->hub;
    keeping = &hub->zone->keeping;

    k->failing = 0;
    k->backoff = NGX_CONDUCTOR_DATABASE_BACKOFF;

    if (atomic_load(&keeping->database) == NGX_CONDUCTOR_DATABASE_OK) {
        return;
    }

    if (k->failed) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "database \"%V\" of hub \"%V\" is written again",
                      &hub->presence_file, &hub->name);
    }

    ngx_conductor_zone_lock(hub);

    keeping->error[0] = '\0';
    atomic_store(&keeping->failed_ms, 0);
    atomic_store(&keeping->database, NGX_CONDUCTOR_DATABASE_OK);

    ngx_conductor_zone_unlock(hub);

    k->failed = 0;
    k->said[0][0] = '\0';
    k->said[1][0] = '\0';
}


/* Was this cause logged, or one that it alternates with? */

static ngx_uint_t
ngx_conductor_database_said(ngx_conductor_keeper_t *k, const char *error)
{
    if (ngx_strcmp(k->said[0], error) == 0
        || ngx_strcmp(k->said[1], error) == 0)
    {
        return 1;
    }

    ngx_memcpy(k->said[1], k->said[0], CDR_STORE_ERROR_LEN);
    ngx_cpystrn((u_char *) k->said[0], (u_char *) error, CDR_STORE_ERROR_LEN);

    return 0;
}


/* Long before a row expires, but no more than once in a second. */

static ngx_msec_t
ngx_conductor_database_renew(ngx_conductor_hub_t *hub)
{
    ngx_msec_t  ms;

    ms = ngx_min((ngx_msec_t) hub->presence_ttl * 50,
                 NGX_CONDUCTOR_DATABASE_RENEW);

    return ngx_max(ms, 1000);
}


static uint64_t
ngx_conductor_database_name(ngx_conductor_hub_t *hub)
{
    return ngx_conductor_zone_key(hub, 0, hub->presence_file.data,
                                  hub->presence_file.len);
}
