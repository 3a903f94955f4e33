/*
 * What the keeper's thread does: locks, and calls of the database.  It may
 * wait for a disk, and writes nothing to a log.
 */

#include "ngx_conductor_keeper.h"

#include <sys/file.h>


#define NGX_CONDUCTOR_BUSY   500            /* ms for another's transaction */
#define NGX_CONDUCTOR_PATH   4096


static int ngx_conductor_job_lock(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
static int ngx_conductor_job_unlock(ngx_conductor_thread_t *t);
static int ngx_conductor_job_save(ngx_conductor_job_t *job);
static int ngx_conductor_job_open(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
static int ngx_conductor_job_file(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
static int ngx_conductor_job_write(ngx_conductor_thread_t *t,
    ngx_conductor_job_t *job);
static int ngx_conductor_job_take(ngx_fd_t *fd, const char *path,
    const char *what, const char *user, char *error);
static ngx_uint_t ngx_conductor_job_same(ngx_fd_t fd, const char *path);
static long ngx_conductor_job_owner(ngx_fd_t fd);
static void ngx_conductor_job_sign(ngx_fd_t fd);


void
ngx_conductor_job_init(ngx_conductor_thread_t *t, ngx_conductor_hub_t *hub)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    t->directory = (char *) hub->state->name.data;
    t->user = ccf->username;
    t->lock = NGX_INVALID_FILE;
    t->file = NGX_INVALID_FILE;

    if (hub->presence_file.len == 0) {
        return;
    }

    t->conf.path = (char *) hub->presence_file.data;
    t->conf.key.data = hub->presence_key.data;
    t->conf.key.len = hub->presence_key.len;
    t->conf.ttl_s = (uint64_t) hub->presence_ttl;
    t->conf.history_s = (uint64_t) hub->presence_history;
    t->conf.busy_ms = NGX_CONDUCTOR_BUSY;
}


void
ngx_conductor_job_do(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    uint64_t  start;

    start = ngx_conductor_clock();

    job->more = 0;
    job->error[0] = '\0';

    switch (job->kind) {

    case NGX_CONDUCTOR_JOB_NONE:
        job->rc = CDR_OK;
        break;

    case NGX_CONDUCTOR_JOB_LOCK:
        job->rc = ngx_conductor_job_lock(t, job);
        break;

    case NGX_CONDUCTOR_JOB_UNLOCK:
        job->rc = ngx_conductor_job_unlock(t);
        break;

    case NGX_CONDUCTOR_JOB_SAVE:
        job->rc = ngx_conductor_job_save(job);
        break;

    case NGX_CONDUCTOR_JOB_ASK:
        ngx_conductor_question_run(job->question, t->store);
        job->rc = CDR_OK;
        break;

    case NGX_CONDUCTOR_JOB_OPEN:
        job->rc = ngx_conductor_job_open(t, job);
        break;

    default:
        job->rc = ngx_conductor_job_write(t, job);
    }

    job->us = ngx_conductor_clock() - start;
}


/* The directory: CDR_OK, CDR_AGAIN if another process has it, CDR_ERROR. */

static int
ngx_conductor_job_lock(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    u_char  path[NGX_CONDUCTOR_PATH];

    (void) ngx_snprintf(path, sizeof(path) - 1, "%s/lock%Z", t->directory);

    return ngx_conductor_job_take(&t->lock, (char *) path,
                                  "its state directory", t->user, job->error);
}


static int
ngx_conductor_job_unlock(ngx_conductor_thread_t *t)
{
    cdr_store_close(t->store);
    t->store = NULL;

    if (t->file != NGX_INVALID_FILE) {
        (void) close(t->file);
        t->file = NGX_INVALID_FILE;
    }

    if (t->lock != NGX_INVALID_FILE) {
        (void) close(t->lock);
        t->lock = NGX_INVALID_FILE;
    }

    return CDR_OK;
}


static int
ngx_conductor_job_save(ngx_conductor_job_t *job)
{
    ngx_int_t  rc;

    rc = ngx_conductor_save(job->save);

    return (rc == NGX_OK) ? CDR_OK
                          : (rc == NGX_DECLINED) ? CDR_DECLINED : CDR_ERROR;
}


static int
ngx_conductor_job_open(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    int  rc;

    cdr_store_close(t->store);
    t->store = NULL;

    rc = ngx_conductor_job_file(t, job);

    if (rc != CDR_OK) {
        return rc;
    }

    return cdr_store_open(&t->store, &t->conf, job->error);
}


/* Another server may have the database under another directory. */

static int
ngx_conductor_job_file(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    char         real[PATH_MAX];
    const char  *name;
    u_char       path[NGX_CONDUCTOR_PATH];

    /* SQLite puts its log beside the file, not beside a link to it */

    name = realpath(t->conf.path, real) ? real : t->conf.path;

    (void) ngx_snprintf(path, sizeof(path) - 1, "%s-lock%Z", name);

    return ngx_conductor_job_take(&t->file, (char *) path, "it", t->user,
                                  job->error);
}


static int
ngx_conductor_job_write(ngx_conductor_thread_t *t, ngx_conductor_job_t *job)
{
    int  rc;

    if (t->store == NULL) {
        return CDR_ERROR;
    }

    switch (job->kind) {

    case NGX_CONDUCTOR_JOB_BEGIN:
        rc = cdr_store_reconcile_begin(t->store);
        break;

    case NGX_CONDUCTOR_JOB_ADD:
        rc = cdr_store_reconcile_add(t->store, job->changes->change,
                                     job->changes->n);
        break;

    case NGX_CONDUCTOR_JOB_END:
        rc = cdr_store_reconcile_end(t->store, job->now);
        break;

    case NGX_CONDUCTOR_JOB_APPLY:
        rc = cdr_store_apply(t->store, job->changes->change, job->changes->n,
                             job->now);
        break;

    case NGX_CONDUCTOR_JOB_RENEW:
        rc = cdr_store_renew(t->store, job->now);
        break;

    case NGX_CONDUCTOR_JOB_SWEEP:
        rc = cdr_store_sweep(t->store, job->now, &job->more);
        break;

    default: /* NGX_CONDUCTOR_JOB_LOOK */
        rc = cdr_store_changed(t->store, &job->more);
    }

    if (rc == CDR_OK) {
        return CDR_OK;
    }

    ngx_cpystrn((u_char *) job->error, (u_char *) cdr_store_error(t->store),
                CDR_STORE_ERROR_LEN);

    if (rc != CDR_AGAIN) {
        cdr_store_close(t->store);
        t->store = NULL;
    }

    return rc;
}


/* Takes a file's lock, unless this process has it. */

static int
ngx_conductor_job_take(ngx_fd_t *fd, const char *path, const char *what,
    const char *user, char *error)
{
    int   err;
    long  pid;

    if (*fd != NGX_INVALID_FILE) {

        if (ngx_conductor_job_same(*fd, path)) {
            return CDR_OK;
        }

        (void) close(*fd);
    }

    *fd = open(path, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0644);

    if (*fd == NGX_INVALID_FILE) {
        err = ngx_errno;

        (void) ngx_snprintf((u_char *) error, CDR_STORE_ERROR_LEN - 1,
                            "cannot open \"%s\", which the user \"%s\" must "
                            "be able to write (%d: %s)%Z",
                            path, user, err, strerror(err));
        error[CDR_STORE_ERROR_LEN - 1] = '\0';
        return CDR_ERROR;
    }

    if (flock(*fd, LOCK_EX|LOCK_NB) == 0
        && ngx_conductor_job_same(*fd, path))
    {
        ngx_conductor_job_sign(*fd);
        return CDR_OK;
    }

    pid = ngx_conductor_job_owner(*fd);

    (void) close(*fd);
    *fd = NGX_INVALID_FILE;

    (void) ngx_snprintf((u_char *) error, CDR_STORE_ERROR_LEN - 1,
                        "%s is used by process %l, the keeper of another "
                        "nginx%Z", what, pid);
    error[CDR_STORE_ERROR_LEN - 1] = '\0';

    return CDR_AGAIN;
}


/* Is it still the file of that name? */

static ngx_uint_t
ngx_conductor_job_same(ngx_fd_t fd, const char *path)
{
    struct stat  a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0
           && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}


static long
ngx_conductor_job_owner(ngx_fd_t fd)
{
    char     text[32];
    ssize_t  n;

    n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';

    return strtol(text, NULL, 10);
}


/* For those who find it locked; nothing depends on it. */

static void
ngx_conductor_job_sign(ngx_fd_t fd)
{
    u_char  *p;
    u_char   text[32];

    p = ngx_snprintf(text, sizeof(text), "%P\n",
                     (ngx_pid_t) getpid());

    if (ftruncate(fd, 0) == 0) {
        (void) !pwrite(fd, text, (size_t) (p - text), 0);
    }
}
