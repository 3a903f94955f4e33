/*
 * Whose the directory of a hub's state is.
 *
 * Its file "server" names the life that began last and its master.  A server
 * that was started by another one to replace it takes the directory over, as
 * does one whose predecessor has ended; any other leaves it alone.  The file
 * is there before a position is given, so no later life gives it again.
 */

#include "ngx_conductor_snapshot.h"

#include <sys/file.h>


static ngx_int_t ngx_conductor_owner_same(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static void ngx_conductor_owner_take(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static ngx_int_t ngx_conductor_owner_take_dir(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, ngx_log_t *log);


/*
 * nginx would make the directory too, and give it to the user of the workers;
 * but by its name, which that user may have made a link of.  So it is not
 * among the paths of nginx until these are made.
 */

ngx_int_t
ngx_conductor_owner_prepare(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_int_t             rc;
    ngx_core_conf_t      *ccf;
    ngx_conductor_dir_t   dir;

    if (hub->state == NULL) {
        return NGX_OK;
    }

    if (ngx_conductor_owner_same(hub, log) != NGX_OK) {
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(hub->cycle->conf_ctx,
                                           ngx_core_module);

    rc = ngx_conductor_dir_make(&dir, &hub->state->name, ccf->user);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, dir.err, "%s: it is to keep the "
                      "state of hub \"%V\", and root follows no links of "
                      "others", dir.error, &hub->name);
    }

    ngx_conductor_dir_close(&dir);

    return rc;
}


ngx_int_t
ngx_conductor_owner_paths(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_path_t                 **path;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hub[i]->state == NULL) {
            continue;
        }

        path = ngx_array_push(&cycle->paths);
        if (path == NULL) {
            return NGX_ERROR;
        }

        *path = hub[i]->state;
    }

    return NGX_OK;
}


/* Is it what nginx has for something else? */

static ngx_int_t
ngx_conductor_owner_same(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_uint_t    i;
    ngx_path_t  **path;

    path = hub->cycle->paths.elts;

    for (i = 0; i < hub->cycle->paths.nelts; i++) {

        if (path[i]->name.len == hub->state->name.len
            && ngx_strcmp(path[i]->name.data, hub->state->name.data) == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "the state directory \"%V\" of hub \"%V\" is used "
                          "by another directive too", &hub->state->name,
                          &hub->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_conductor_owner_claim(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hub[i]->state) {
            ngx_conductor_owner_take(hub[i], cycle->log);
        }
    }
}


ngx_pid_t
ngx_conductor_master_pid(void)
{
    return (ngx_process == NGX_PROCESS_WORKER
            || ngx_process == NGX_PROCESS_HELPER)
           ? ngx_parent : ngx_pid;
}


ngx_int_t
ngx_conductor_owner_read(ngx_conductor_hub_t *hub, ngx_conductor_dir_t *dir,
    ngx_conductor_server_t *server)
{
    ngx_int_t             rc;
    cdr_snapshot_file_t  *file;

    ngx_memzero(server, sizeof(ngx_conductor_server_t));

    rc = ngx_conductor_snapshot_open(hub, dir, NGX_CONDUCTOR_FILE_SERVER,
                                     CDR_SNAPSHOT_SERVER, &file);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    server->head = *cdr_snapshot_head(file);

    ngx_memcpy(server->name, server->head.name.data, server->head.name.len);
    server->head.name.data = server->name;

    cdr_snapshot_close(file);

    return NGX_OK;
}


ngx_int_t
ngx_conductor_owner_write(ngx_conductor_hub_t *hub, ngx_conductor_dir_t *dir,
    uint64_t now)
{
    ngx_pid_t               pid;
    cdr_snapshot_t          data;
    cdr_snapshot_head_t    *head;
    ngx_conductor_lives_t  *lives;

    ngx_memzero(&data, sizeof(cdr_snapshot_t));

    head = &data.head;
    lives = &hub->zone->lives;
    pid = ngx_conductor_master_pid();

    head->kind = CDR_SNAPSHOT_SERVER;
    head->time_ms = now;
    head->boot = hub->zone->boot;
    head->epoch_ms = hub->log.epoch_ms;
    head->base.ms = hub->log.epoch_ms;
    head->last = head->base;
    head->owner[0] = pid;
    head->name.data = hub->zone->label;
    head->name.len = ngx_strlen(hub->zone->label);
    head->nepochs = lives->nepochs;

    ngx_memcpy(head->epochs, lives->epochs, sizeof(lives->epochs));

    if (ngx_conductor_process_start_time(pid, &head->owner[1]) != NGX_OK) {
        head->owner[1] = 0;
    }

    return ngx_conductor_snapshot_put(hub, dir, NGX_CONDUCTOR_FILE_SERVER,
                                      &data);
}


ngx_conductor_owner_e
ngx_conductor_owner(ngx_conductor_hub_t *hub, ngx_conductor_server_t *server)
{
    uint64_t   start;
    ngx_pid_t  pid;

    if (hub->zone && server->head.boot == hub->zone->boot) {
        return NGX_CONDUCTOR_OWNER_SELF;
    }

    pid = (ngx_pid_t) server->head.owner[0];

    if (pid == 0
        || ngx_conductor_process_start_time(pid, &start) != NGX_OK
        || start != server->head.owner[1])
    {
        return NGX_CONDUCTOR_OWNER_GONE;
    }

    return (ngx_process != NGX_PROCESS_HELPER
            && (pid == ngx_pid || pid == getppid()))
           ? NGX_CONDUCTOR_OWNER_BEFORE : NGX_CONDUCTOR_OWNER_OTHER;
}


ngx_uint_t
ngx_conductor_owner_locked(ngx_conductor_dir_t *dir)
{
    int         fd;
    ngx_uint_t  locked;

    fd = openat(dir->fd, NGX_CONDUCTOR_FILE_LOCK,
                O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    locked = (flock(fd, LOCK_EX|LOCK_NB) == -1 && ngx_errno == EWOULDBLOCK);

    (void) close(fd);

    return locked;
}


void
ngx_conductor_owner_life(ngx_conductor_lives_t *lives, uint64_t ms, uint64_t n)
{
    uint32_t               i, count;
    cdr_snapshot_epoch_t  *e;

    e = lives->epochs;
    count = lives->nepochs;

    for (i = 0; i < count && e[i].ms < ms; i++) { /* void */ }

    if (i < count && e[i].ms == ms) {
        e[i].last_n = ngx_max(e[i].last_n, n);
        return;
    }

    if (count == CDR_SNAPSHOT_EPOCHS) {

        /* the oldest is forgotten */

        if (i == 0) {
            return;
        }

        i--;
        count--;
        ngx_memmove(&e[0], &e[1], count * sizeof(cdr_snapshot_epoch_t));
    }

    ngx_memmove(&e[i + 1], &e[i], (count - i) * sizeof(cdr_snapshot_epoch_t));

    e[i].ms = ms;
    e[i].last_n = n;

    lives->nepochs = count + 1;
}


void
ngx_conductor_owner_lives(ngx_conductor_lives_t *lives,
    const cdr_snapshot_head_t *head)
{
    uint32_t  i;

    if (head->boot == 0) {
        return;
    }

    for (i = 0; i < head->nepochs; i++) {
        ngx_conductor_owner_life(lives, head->epochs[i].ms,
                                 head->epochs[i].last_n);
    }

    ngx_conductor_owner_life(lives, head->epoch_ms,
                             (head->last.ms == head->epoch_ms)
                             ? head->last.n : 0);
}


/* What that one accepted is not in this log. */

void
ngx_conductor_owner_back(ngx_conductor_hub_t *hub,
    const cdr_snapshot_head_t *head)
{
    cdr_log_pos_t  last;

    if (head->epoch_ms <= hub->log.epoch_ms
        || cdr_log_last(&hub->log, &last) != CDR_OK)
    {
        return;
    }

    atomic_store(&hub->zone->lives.overtaken,
                 (last.ms == hub->log.epoch_ms) ? last.n + 1 : 1);
}


static void
ngx_conductor_owner_take(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_int_t            rc;
    ngx_conductor_dir_t  dir;

    rc = ngx_conductor_dir_open(&dir, &hub->state->name);

    if (rc == NGX_OK) {
        rc = ngx_conductor_owner_take_dir(hub, &dir, log);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, dir.err,
                      "the state of hub \"%V\" is not kept for now: %s",
                      &hub->name, dir.error);
    }

    ngx_conductor_dir_close(&dir);
}


static ngx_int_t
ngx_conductor_owner_take_dir(ngx_conductor_hub_t *hub,
    ngx_conductor_dir_t *dir, ngx_log_t *log)
{
    ngx_int_t               rc;
    ngx_conductor_lives_t  *lives;
    ngx_conductor_server_t  server;

    rc = ngx_conductor_owner_read(hub, dir, &server);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_ABORT) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "%s: it is moved to \"%s.bad\"", dir->error,
                      NGX_CONDUCTOR_FILE_SERVER);

        (void) ngx_conductor_file_aside(dir, NGX_CONDUCTOR_FILE_SERVER);
    }

    switch (ngx_conductor_owner(hub, &server)) {

    case NGX_CONDUCTOR_OWNER_SELF:

        if (server.head.encrypted == (hub->presence_key.len != 0)) {
            return NGX_OK;
        }

        break;

    case NGX_CONDUCTOR_OWNER_OTHER:

        if (ngx_conductor_owner_locked(dir)) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "\"%V\" is the state of another server, process %P: "
                          "hub \"%V\" keeps nothing while that is running",
                          &dir->path, (ngx_pid_t) server.head.owner[0],
                          &hub->name);
            return NGX_OK;
        }

        break;

    default:
        break;
    }

    /* all of it is to be written, be it another directory or another key */

    lives = &hub->zone->lives;

    atomic_store(&lives->head, UINT64_MAX);
    atomic_store(&lives->revoked, cdr_revoke_generation(&hub->revoke) - 1);

    return ngx_conductor_owner_write(hub, dir, ngx_conductor_now());
}
