/*
 * The end of a server: nobody is there any more, and the database says so.
 *
 * The keeper ends before workers that drain.  So when all of them are gone,
 * the master has a child do its last work, as the user of the workers: files
 * beside the database must not become those of root.
 */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_keeper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>


#define NGX_CONDUCTOR_STOP_TIME  2000       /* ms for each database */
#define NGX_CONDUCTOR_STOP_STEP  5


typedef ngx_int_t (*ngx_conductor_stop_pt)(ngx_conductor_hub_t *hub);


static void ngx_conductor_stop_hub(ngx_cycle_t *cycle,
    ngx_conductor_hub_t *hub, ngx_conductor_stop_pt work);
static void ngx_conductor_stop_wait(ngx_pid_t pid);
static ngx_int_t ngx_conductor_stop_user(ngx_cycle_t *cycle);
static ngx_int_t ngx_conductor_stop_write(ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_stop_leave(ngx_conductor_keeper_t *k);
static int ngx_conductor_stop_do(ngx_conductor_keeper_t *k,
    ngx_conductor_job_e kind, ngx_conductor_changes_t *changes);


void
ngx_conductor_keeper_exit_master(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    if (ngx_process == NGX_PROCESS_SINGLE) {
        return;
    }

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);

    if (cmcf == NULL) {
        return;
    }

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (ngx_conductor_errands_left(hub[i])) {
            ngx_conductor_stop_hub(cycle, hub[i], ngx_conductor_errands_save);
        }

        /*
         * A new binary has the database by now, or will make it true.  One
         * that was never written has nobody in it.
         */

        if (!ngx_new_binary && hub[i]->presence_file.len && hub[i]->zone
            && atomic_load(&hub[i]->zone->keeping.presence))
        {
            ngx_conductor_stop_hub(cycle, hub[i], ngx_conductor_stop_write);
        }
    }
}


static void
ngx_conductor_stop_hub(ngx_cycle_t *cycle, ngx_conductor_hub_t *hub,
    ngx_conductor_stop_pt work)
{
    ngx_int_t  rc;
    ngx_pid_t  pid;

    pid = fork();

    switch (pid) {

    case -1:
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno, "fork() failed");
        return;

    case 0:
        rc = ngx_conductor_stop_user(cycle);

        /* not sooner: another user is not to be signalled any more */

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

        if (rc == NGX_OK) {
            rc = work(hub);
        }

        _exit(rc != NGX_OK);

    default:
        ngx_conductor_stop_wait(pid);
    }
}


/* The master blocks signals by now; a child that hangs is killed. */

static void
ngx_conductor_stop_wait(ngx_pid_t pid)
{
    int              status;
    ngx_pid_t        ended;
    ngx_uint_t       i;
    struct timespec  step;

    step.tv_sec = 0;
    step.tv_nsec = NGX_CONDUCTOR_STOP_STEP * 1000000;

    for (i = 0; i < NGX_CONDUCTOR_STOP_TIME / NGX_CONDUCTOR_STOP_STEP; i++) {
        ended = waitpid(pid, &status, WNOHANG);

        if (ended == pid || (ended == -1 && ngx_errno != NGX_EINTR)) {
            return;
        }

        (void) nanosleep(&step, NULL);
    }

    (void) kill(pid, SIGKILL);
    (void) waitpid(pid, &status, 0);
}


static ngx_int_t
ngx_conductor_stop_user(ngx_cycle_t *cycle)
{
    ngx_core_conf_t  *ccf;

    if (geteuid() != 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    return (setgid(ccf->group) == 0
            && initgroups(ccf->username, ccf->group) == 0
            && setuid(ccf->user) == 0)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_conductor_stop_write(ngx_conductor_hub_t *hub)
{
    ngx_conductor_keeper_t  k;

    ngx_memzero(&k, sizeof(ngx_conductor_keeper_t));

    k.hub = hub;

    ngx_queue_init(&k.changes);
    ngx_conductor_job_init(&k.thread, hub);
    ngx_time_update();

    if (ngx_conductor_stop_do(&k, NGX_CONDUCTOR_JOB_LOCK, NULL) != CDR_OK
        || ngx_conductor_stop_do(&k, NGX_CONDUCTOR_JOB_OPEN, NULL) != CDR_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_conductor_stop_leave(&k) != NGX_OK
        || ngx_conductor_stop_do(&k, NGX_CONDUCTOR_JOB_BEGIN, NULL) != CDR_OK
        || ngx_conductor_stop_do(&k, NGX_CONDUCTOR_JOB_END, NULL) != CDR_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_conductor_stop_do(&k, NGX_CONDUCTOR_JOB_UNLOCK, NULL);

    return NGX_OK;
}


/* Those in the table leave now, whatever else the database has a while ago. */

static ngx_int_t
ngx_conductor_stop_leave(ngx_conductor_keeper_t *k)
{
    int                       rc;
    ngx_uint_t                end;
    ngx_conductor_changes_t  *changes;

    rc = CDR_OK;

    while (rc == CDR_OK) {
        changes = ngx_conductor_changes_scan(k, &end);

        if (changes == NULL) {
            return end ? NGX_OK : NGX_ERROR;
        }

        ngx_conductor_changes_leave(changes, ngx_conductor_now());

        rc = ngx_conductor_stop_do(k, NGX_CONDUCTOR_JOB_APPLY, changes);

        ngx_free(changes);
    }

    return NGX_ERROR;
}


static int
ngx_conductor_stop_do(ngx_conductor_keeper_t *k, ngx_conductor_job_e kind,
    ngx_conductor_changes_t *changes)
{
    ngx_conductor_job_t  job;

    ngx_memzero(&job, sizeof(ngx_conductor_job_t));

    job.kind = kind;
    job.changes = changes;
    job.now = ngx_conductor_now();

    ngx_conductor_job_do(&k->thread, &job);

    return job.rc;
}
