/*
 * What outlives the server, as the keeper writes it, and the master when all
 * its children are gone.
 */

#include "ngx_conductor_snapshot.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>


static ngx_int_t ngx_conductor_save_revocations(ngx_conductor_save_t *save);
static ngx_int_t ngx_conductor_save_admitted(ngx_conductor_save_t *save,
    ngx_conductor_dir_t *dir);
static ngx_int_t ngx_conductor_save_files(ngx_conductor_save_t *save,
    ngx_conductor_dir_t *dir);
static void ngx_conductor_save_last(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static int ngx_conductor_snapshot_write(void *ctx, const uint8_t *data,
    size_t len);
static void *ngx_conductor_snapshot_alloc(void *ctx, size_t size);
static void ngx_conductor_snapshot_free(void *ctx, void *p);


/* Not nginx's: threads use it. */

static const cdr_alloc_t  ngx_conductor_snapshot_memory = {
    ngx_conductor_snapshot_alloc, ngx_conductor_snapshot_free, NULL
};


ngx_uint_t
ngx_conductor_position_lost(ngx_conductor_hub_t *hub, const cdr_log_pos_t *pos)
{
    uint32_t                i;
    ngx_conductor_lives_t  *lives;

    lives = &hub->zone->lives;

    for (i = 0; i < lives->nepochs && i < CDR_SNAPSHOT_EPOCHS; i++) {

        if (lives->epochs[i].ms == pos->ms) {
            return pos->n > lives->epochs[i].last_n;
        }
    }

    return 0;
}


void
ngx_conductor_position_gap(ngx_conductor_hub_t *hub, cdr_log_pos_t *gap)
{
    uint64_t                n;
    ngx_conductor_lives_t  *lives;

    lives = &hub->zone->lives;
    *gap = lives->gap;

    if (hub->redis) {

        /* what others have of it is read again, the rest is in the outbox */

        ngx_memzero(gap, sizeof(cdr_log_pos_t));
        return;
    }

    n = atomic_load(&lives->overtaken);

    if (n) {
        gap->ms = hub->log.epoch_ms;
        gap->n = n;
    }
}


/* A life begins at its position 0; within one there is no such place. */

void
ngx_conductor_position_behind(ngx_conductor_hub_t *hub, cdr_log_pos_t *pos)
{
    cdr_log_pos_t  gap;

    ngx_conductor_position_gap(hub, &gap);

    if (gap.n == 0 && cdr_log_cmp(pos, &gap) < 0) {
        *pos = gap;
    }
}


ngx_uint_t
ngx_conductor_save_due(ngx_conductor_hub_t *hub)
{
    ngx_uint_t              due;
    cdr_log_fill_t          fill;
    ngx_conductor_lives_t  *lives;

    if (hub->state == NULL) {
        return 0;
    }

    due = 0;
    lives = &hub->zone->lives;

    cdr_log_fill(&hub->log, &fill);

    if (fill.head != atomic_load(&lives->head)
        || fill.tail != atomic_load(&lives->tail))
    {
        due |= NGX_CONDUCTOR_SAVE_EVENTS;
    }

    if (cdr_revoke_generation(&hub->revoke) != atomic_load(&lives->revoked)) {
        due |= NGX_CONDUCTOR_SAVE_REVOCATIONS;
    }

    return due;
}


ngx_conductor_save_t *
ngx_conductor_save_new(ngx_conductor_hub_t *hub, ngx_uint_t what)
{
    cdr_log_fill_t         fill;
    cdr_snapshot_head_t   *head;
    ngx_conductor_save_t  *save;

    save = calloc(1, sizeof(ngx_conductor_save_t));
    if (save == NULL) {
        return NULL;
    }

    save->hub = hub;
    save->what = what;
    save->log = hub->log;

    if ((what & NGX_CONDUCTOR_SAVE_REVOCATIONS)
        && ngx_conductor_save_revocations(save) != NGX_OK)
    {
        free(save);
        return NULL;
    }

    cdr_log_fill(&hub->log, &fill);

    save->head = fill.head;
    save->tail = fill.tail;

    head = &save->data.head;
    head->time_ms = ngx_conductor_now();
    head->boot = hub->zone->boot;
    head->epoch_ms = hub->log.epoch_ms;

    return save;
}


void
ngx_conductor_save_free(ngx_conductor_save_t *save)
{
    if (save) {
        free((void *) save->data.revoked);
        free(save);
    }
}


ngx_int_t
ngx_conductor_save(ngx_conductor_save_t *save)
{
    ngx_int_t            rc;
    ngx_conductor_dir_t  dir;

    rc = ngx_conductor_dir_open(&dir, &save->hub->state->name);

    if (rc == NGX_OK) {
        rc = ngx_conductor_save_admitted(save, &dir);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_save_files(save, &dir);
    }

    save->err = dir.err;
    ngx_memcpy(save->error, dir.error, NGX_CONDUCTOR_FILE_ERROR);

    ngx_conductor_dir_close(&dir);

    return rc;
}


void
ngx_conductor_snapshot_exit_master(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    if (cmcf == NULL) {
        return;
    }

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hub[i]->state && hub[i]->zone) {
            ngx_conductor_save_last(hub[i], cycle->log);
        }
    }
}


ngx_int_t
ngx_conductor_snapshot_open(ngx_conductor_hub_t *hub, ngx_conductor_dir_t *dir,
    const char *name, uint32_t kind, cdr_snapshot_file_t **file)
{
    int          rc;
    size_t       len;
    u_char      *data, *last;
    ngx_int_t    read;
    const char  *error;
    u_char       key[CDR_SNAPSHOT_KEY_LEN];

    read = ngx_conductor_file_read(dir, name, &data, &len);

    if (read != NGX_OK) {
        return read;
    }

    error = "cannot be read: OpenSSL fails";
    rc = CDR_NOMEM;

    if (ngx_conductor_snapshot_key(hub, key) == NGX_OK) {
        rc = cdr_snapshot_open(file, data, len,
                               hub->presence_key.len ? key : NULL,
                               &ngx_conductor_snapshot_memory, &error);
        OPENSSL_cleanse(key, sizeof(key));
    }

    free(data);

    if (rc == CDR_OK && cdr_snapshot_head(*file)->kind != kind) {
        cdr_snapshot_close(*file);
        error = "is another of these files";
        rc = CDR_ERROR;
    }

    if (rc == CDR_OK) {
        return NGX_OK;
    }

    dir->err = 0;
    last = ngx_slprintf(dir->error, dir->error + NGX_CONDUCTOR_FILE_ERROR - 1,
                        "\"%V/%s\" %s", &dir->path, name, error);
    *last = '\0';

    return (rc == CDR_NOMEM) ? NGX_ERROR : NGX_ABORT;
}


ngx_int_t
ngx_conductor_snapshot_put(ngx_conductor_hub_t *hub, ngx_conductor_dir_t *dir,
    const char *name, cdr_snapshot_t *s)
{
    int     rc;
    u_char  key[CDR_SNAPSHOT_KEY_LEN];

    if (ngx_conductor_file_create(dir, name) != NGX_OK) {
        ngx_conductor_file_abort(dir, name);
        return NGX_ERROR;
    }

    ngx_memcpy(dir->error, "encryption or memory failed", 28);
    dir->err = 0;
    rc = CDR_ERROR;

    if (ngx_conductor_snapshot_key(hub, key) == NGX_OK
        && RAND_bytes(s->salt, CDR_SNAPSHOT_SALT_LEN) == 1)
    {
        s->key = hub->presence_key.len ? key : NULL;

        rc = cdr_snapshot_save(s, ngx_conductor_snapshot_write, dir,
                               &ngx_conductor_snapshot_memory);

        OPENSSL_cleanse(key, sizeof(key));
        s->key = NULL;
    }

    if (rc == CDR_OK && ngx_conductor_file_commit(dir, name) == NGX_OK) {
        return NGX_OK;
    }

    ngx_conductor_file_abort(dir, name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_conductor_save_revocations(ngx_conductor_save_t *save)
{
    size_t                     n;
    uint32_t                   i;
    ngx_conductor_hub_t       *hub;
    cdr_snapshot_revoked_t    *r;
    const cdr_revoke_entry_t  *e;

    hub = save->hub;

    r = calloc(hub->revoke.n, sizeof(cdr_snapshot_revoked_t));
    if (r == NULL) {
        return NGX_ERROR;
    }

    i = 0;
    n = 0;

    ngx_conductor_zone_lock(hub);

    save->generation = cdr_revoke_generation(&hub->revoke);

    while ((e = cdr_revoke_next(&hub->revoke, &i)) != NULL) {
        r[n].kind = (cdr_revoke_kind_t) e->kind;
        r[n].hash[0] = e->hash[0];
        r[n].hash[1] = e->hash[1];
        r[n].until_ms = e->until_ms;
        r[n].issued_ms = e->issued_ms;
        n++;
    }

    ngx_conductor_zone_unlock(hub);

    save->data.revoked = r;
    save->data.nrevoked = n;

    return NGX_OK;
}


/*
 * May this server write?  Of two that were started one by the other, it is the
 * later one that goes on; if that has ended, the earlier one takes over again.
 */

static ngx_int_t
ngx_conductor_save_admitted(ngx_conductor_save_t *save,
    ngx_conductor_dir_t *dir)
{
    ngx_int_t               rc;
    ngx_conductor_hub_t    *hub;
    ngx_conductor_server_t  server;

    hub = save->hub;

    rc = ngx_conductor_owner_read(hub, dir, &server);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_ABORT
        && ngx_conductor_file_aside(dir, NGX_CONDUCTOR_FILE_SERVER) != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (ngx_conductor_owner(hub, &server)) {

    case NGX_CONDUCTOR_OWNER_SELF:

        /* nginx may have gone into the background since */

        if (server.head.owner[0] == (uint64_t) ngx_conductor_master_pid()) {
            return NGX_OK;
        }

        break;

    case NGX_CONDUCTOR_OWNER_GONE:
        ngx_conductor_owner_lives(&hub->zone->lives, &server.head);
        ngx_conductor_owner_back(hub, &server.head);
        break;

    default:
        return NGX_DECLINED;
    }

    return ngx_conductor_owner_write(hub, dir, save->data.head.time_ms);
}


static ngx_int_t
ngx_conductor_save_files(ngx_conductor_save_t *save, ngx_conductor_dir_t *dir)
{
    cdr_snapshot_t          data;
    ngx_conductor_hub_t    *hub;
    ngx_conductor_lives_t  *lives;

    hub = save->hub;
    lives = &hub->zone->lives;

    if (save->what & NGX_CONDUCTOR_SAVE_REVOCATIONS) {
        data = save->data;
        data.head.kind = CDR_SNAPSHOT_REVOCATIONS;

        if (ngx_conductor_snapshot_put(hub, dir,
                                       NGX_CONDUCTOR_FILE_REVOCATIONS, &data)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        atomic_store(&lives->revoked, save->generation);
    }

    if (save->what & NGX_CONDUCTOR_SAVE_EVENTS) {
        data = save->data;
        data.head.kind = CDR_SNAPSHOT_EVENTS;
        data.head.final = save->final;
        data.head.nepochs = lives->nepochs;
        ngx_memcpy(data.head.epochs, lives->epochs, sizeof(lives->epochs));
        ngx_conductor_position_gap(hub, &data.head.gap);
        data.log = &save->log;
        data.revoked = NULL;
        data.nrevoked = 0;

        if (ngx_conductor_snapshot_put(hub, dir, NGX_CONDUCTOR_FILE_EVENTS,
                                       &data)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        atomic_store(&lives->head, save->head);
        atomic_store(&lives->tail, save->tail);
    }

    return NGX_OK;
}


/* Also if the keeper has saved all of it: it could not know that. */

static void
ngx_conductor_save_last(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_int_t              rc;
    ngx_conductor_save_t  *save;

    save = ngx_conductor_save_new(hub, ngx_conductor_save_due(hub)
                                       | NGX_CONDUCTOR_SAVE_EVENTS);

    if (save == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "no memory to keep the events of hub \"%V\"",
                      &hub->name);
        return;
    }

    save->final = 1;

    rc = ngx_conductor_save(save);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "the state of hub \"%V\" is left as it is: another "
                      "server has \"%V\" now", &hub->name, &hub->state->name);

    } else if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, save->err,
                      "the events of hub \"%V\" could not be kept: %s",
                      &hub->name, save->error);
    }

    ngx_conductor_save_free(save);
}


static int
ngx_conductor_snapshot_write(void *ctx, const uint8_t *data, size_t len)
{
    return ngx_conductor_file_write(ctx, data, len) == NGX_OK
           ? CDR_OK : CDR_FULL;
}


ngx_int_t
ngx_conductor_snapshot_key(ngx_conductor_hub_t *hub, u_char *key)
{
    cdr_str_t  secret;

    if (hub->presence_key.len == 0) {
        return NGX_OK;
    }

    secret.data = hub->presence_key.data;
    secret.len = hub->presence_key.len;

    return cdr_snapshot_key(key, secret) == CDR_OK ? NGX_OK : NGX_ERROR;
}


static void *
ngx_conductor_snapshot_alloc(void *ctx, size_t size)
{
    return malloc(size);
}


static void
ngx_conductor_snapshot_free(void *ctx, void *p)
{
    free(p);
}
