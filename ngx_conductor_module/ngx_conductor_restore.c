/*
 * A new zone begins with what the one before left: its events with their
 * positions, its revocations, its name.
 *
 * New positions are above all old ones, also where the clock went back: they
 * have a later time than any life that is known of.
 */

#include "ngx_conductor_snapshot.h"


#define NGX_CONDUCTOR_RESTORE_WAIT  5000    /* ms for another one to end */
#define NGX_CONDUCTOR_RESTORE_STEP  20


struct ngx_conductor_restore_s {
    cdr_snapshot_file_t          *events;
    cdr_snapshot_file_t          *revocations;
    ngx_conductor_lives_t         lives;
    u_char                        label[CDR_SNAPSHOT_NAME_MAX];
    uint64_t                      boot;       /* the life that began last */
    uint64_t                      epoch_ms;
    cdr_log_pos_t                 base;
    cdr_log_pos_t                 gap;
    uint64_t                      skip;       /* the first events */

    /* meanwhile */

    ngx_conductor_hub_t          *hub;
    uint64_t                      now;
    ngx_uint_t                    nrevoked;
    ngx_uint_t                    lost;       /* revocations without room */
};


static ngx_int_t ngx_conductor_restore_files(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_log_t *log);
static ngx_uint_t ngx_conductor_restore_server(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_log_t *log);
static ngx_uint_t ngx_conductor_restore_wait(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_conductor_server_t *server);
static cdr_snapshot_file_t *ngx_conductor_restore_open(
    ngx_conductor_restore_t *r, ngx_conductor_dir_t *dir, const char *name,
    uint32_t kind, ngx_log_t *log);
static void ngx_conductor_restore_aside(ngx_conductor_dir_t *dir,
    const char *name, ngx_log_t *log);
static void ngx_conductor_restore_place(ngx_conductor_restore_t *r);
static void ngx_conductor_restore_later(ngx_conductor_restore_t *r,
    uint64_t ms);
static int ngx_conductor_restore_fits(void *ctx,
    const cdr_log_event_t *event);
static int ngx_conductor_restore_event(void *ctx,
    const cdr_log_event_t *event);
static int ngx_conductor_restore_revoked(void *ctx,
    const cdr_snapshot_revoked_t *revoked);
static void ngx_conductor_restore_done(ngx_conductor_restore_t *r,
    ngx_log_t *log);


void
ngx_conductor_restore_load(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_conductor_dir_t       dir;
    ngx_conductor_restore_t  *r;

    if (hub->state == NULL || ngx_test_config) {
        return;
    }

    r = calloc(1, sizeof(ngx_conductor_restore_t));
    if (r == NULL) {
        return;
    }

    r->hub = hub;
    r->now = ngx_conductor_now();
    r->epoch_ms = r->now;

    if (ngx_conductor_dir_open(&dir, &hub->state->name) != NGX_OK
        || ngx_conductor_restore_files(r, &dir, log) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, log, dir.err,
                      "hub \"%V\" starts without its state: %s", &hub->name,
                      dir.error);
    }

    ngx_conductor_dir_close(&dir);

    ngx_conductor_restore_place(r);

    hub->restore = r;
}


void
ngx_conductor_restore_params(ngx_conductor_hub_t *hub,
    cdr_log_params_t *params)
{
    if (hub->restore) {
        params->epoch_ms = hub->restore->epoch_ms;
        params->base = hub->restore->base;
    }
}


void
ngx_conductor_restore(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    uint64_t                  before;
    ngx_conductor_restore_t  *r;
    cdr_snapshot_reader_t     reader;

    r = hub->restore;

    if (r == NULL) {
        return;
    }

    reader.event = ngx_conductor_restore_event;
    reader.revoked = ngx_conductor_restore_revoked;
    reader.ctx = r;

    if (r->events) {
        (void) cdr_snapshot_read(r->events, &reader);

        before = r->now - (uint64_t) hub->history_age * 1000;

        if (hub->redis) {
            cdr_source_repair(&hub->sources, &hub->log, r->now);
        }

        (void) cdr_log_expire(&hub->log, before, SIZE_MAX);
    }

    if (r->revocations) {
        (void) cdr_snapshot_read(r->revocations, &reader);
    }

    hub->zone->lives.nepochs = r->lives.nepochs;

    ngx_memcpy(hub->zone->lives.epochs, r->lives.epochs,
               sizeof(r->lives.epochs));
    hub->zone->lives.gap = r->gap;

    ngx_memcpy(hub->zone->label, r->label, ngx_strlen(r->label));

    ngx_conductor_restore_done(r, log);
    ngx_conductor_restore_drop(hub);
}


void
ngx_conductor_restore_drop(ngx_conductor_hub_t *hub)
{
    ngx_conductor_restore_t  *r;

    r = hub->restore;

    if (r) {
        cdr_snapshot_close(r->events);
        cdr_snapshot_close(r->revocations);
        free(r);

        hub->restore = NULL;
    }
}


static ngx_int_t
ngx_conductor_restore_files(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_log_t *log)
{
    if (!ngx_conductor_restore_server(r, dir, log)) {
        return NGX_OK;
    }

    r->events = ngx_conductor_restore_open(r, dir, NGX_CONDUCTOR_FILE_EVENTS,
                                           CDR_SNAPSHOT_EVENTS, log);
    r->revocations = ngx_conductor_restore_open(r, dir,
                                                NGX_CONDUCTOR_FILE_REVOCATIONS,
                                                CDR_SNAPSHOT_REVOCATIONS, log);

    return NGX_OK;
}


/* Who had the directory; false if somebody has it. */

static ngx_uint_t
ngx_conductor_restore_server(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_log_t *log)
{
    ngx_int_t               rc;
    ngx_conductor_server_t  server;

    rc = ngx_conductor_owner_read(r->hub, dir, &server);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, dir->err, "%s", dir->error);
    }

    if (rc == NGX_ABORT) {
        ngx_conductor_restore_aside(dir, NGX_CONDUCTOR_FILE_SERVER, log);
    }

    if (!ngx_conductor_restore_wait(r, dir, &server)) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%V\" is the state of another server, process %P: hub "
                      "\"%V\" starts without it", &dir->path,
                      (ngx_pid_t) server.head.owner[0], &r->hub->name);
        return 0;
    }

    r->boot = server.head.boot;

    ngx_conductor_owner_lives(&r->lives, &server.head);

    if (server.head.name.len < sizeof(r->label)) {
        ngx_memcpy(r->label, server.name, server.head.name.len);
    }

    return 1;
}


/*
 * Another server that is about to end writes what we want to read: its pid
 * file is gone before that.  One that only sends its clients on has no keeper
 * any more, and is not waited for longer.
 */

static ngx_uint_t
ngx_conductor_restore_wait(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, ngx_conductor_server_t *server)
{
    ngx_uint_t  waited;

    waited = 0;

    while (ngx_conductor_owner(r->hub, server) == NGX_CONDUCTOR_OWNER_OTHER) {

        if (waited >= NGX_CONDUCTOR_RESTORE_WAIT) {
            return !ngx_conductor_owner_locked(dir);
        }

        ngx_msleep(NGX_CONDUCTOR_RESTORE_STEP);
        waited += NGX_CONDUCTOR_RESTORE_STEP;
    }

    return 1;
}


static cdr_snapshot_file_t *
ngx_conductor_restore_open(ngx_conductor_restore_t *r,
    ngx_conductor_dir_t *dir, const char *name, uint32_t kind, ngx_log_t *log)
{
    ngx_int_t             rc;
    cdr_snapshot_file_t  *file;

    rc = ngx_conductor_snapshot_open(r->hub, dir, name, kind, &file);

    if (rc == NGX_OK) {
        return file;
    }

    if (rc != NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, log, dir->err,
                      "%s: hub \"%V\" starts without its %s", dir->error,
                      &r->hub->name, name);

        ngx_conductor_restore_aside(dir, name, log);
    }

    return NULL;
}


static void
ngx_conductor_restore_aside(ngx_conductor_dir_t *dir, const char *name,
    ngx_log_t *log)
{
    if (ngx_conductor_file_aside(dir, name) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, dir->err, "%s", dir->error);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%V/%s\" is now \"%V/%s.bad\"",
                  &dir->path, name, &dir->path, name);
}


/* Where the log begins, and from when on its new positions are. */

static void
ngx_conductor_restore_place(ngx_conductor_restore_t *r)
{
    uint32_t                    i;
    cdr_snapshot_reader_t       reader;
    const cdr_snapshot_head_t  *head;

    head = NULL;

    if (r->events) {
        head = cdr_snapshot_head(r->events);

        ngx_conductor_owner_lives(&r->lives, head);
        ngx_conductor_restore_later(r, head->last.ms);
    }

    for (i = 0; i < r->lives.nepochs; i++) {
        ngx_conductor_restore_later(r, r->lives.epochs[i].ms);
    }

    if (head == NULL) {
        r->base.ms = r->hub->redis ? 0 : r->epoch_ms;
        return;
    }

    r->base = head->base;
    r->gap = head->gap;

    if (!head->final || head->boot != r->boot) {

        /* that life, or one after it, may have accepted more */

        r->gap.ms = r->epoch_ms;
        r->gap.n = 0;
    }

    reader.event = ngx_conductor_restore_fits;
    reader.revoked = NULL;
    reader.ctx = r;

    (void) cdr_snapshot_read(r->events, &reader);
}


static void
ngx_conductor_restore_later(ngx_conductor_restore_t *r, uint64_t ms)
{
    if (r->epoch_ms <= ms) {
        r->epoch_ms = ms + 1;
    }
}


/* The log may be smaller now: it begins after the last one it cannot take. */

static int
ngx_conductor_restore_fits(void *ctx, const cdr_log_event_t *event)
{
    ngx_conductor_restore_t *r = ctx;

    size_t  size;

    size = cdr_log_record_size(event->type.len, event->payload.len);

    if (size > r->hub->history_size / 8 * 8 / 4) {
        r->base = event->fields.pos;
        r->skip = event->seq;
    }

    return CDR_OK;
}


static int
ngx_conductor_restore_event(void *ctx, const cdr_log_event_t *event)
{
    ngx_conductor_restore_t *r = ctx;

    u_char            *dst;
    cdr_log_tx_t       tx;
    cdr_log_cursor_t   cursor;

    if (event->seq <= r->skip) {
        return CDR_OK;
    }

    if (cdr_log_begin(&r->hub->log, &tx,
                      cdr_log_record_size(event->type.len, event->payload.len),
                      1)
        != CDR_OK)
    {
        return CDR_ERROR;
    }

    dst = cdr_log_add(&r->hub->log, &tx, &event->fields, event->type,
                      event->payload.len);
    if (dst == NULL) {
        return CDR_ERROR;
    }

    ngx_memcpy(dst, event->payload.data, event->payload.len);

    cdr_log_commit(&r->hub->log, &tx);

    if (event->settled.ms) {
        cursor.seq = tx.seq - 2;

        /* nothing to do for one whose position is its place */

        (void) cdr_log_settle(&r->hub->log, &cursor, event->fields.lone,
                              event->fields.n, &event->settled);
    }

    return CDR_OK;
}


static int
ngx_conductor_restore_revoked(void *ctx, const cdr_snapshot_revoked_t *revoked)
{
    ngx_conductor_restore_t *r = ctx;

    if (revoked->until_ms <= r->now) {
        return CDR_OK;
    }

    if (cdr_revoke_set(&r->hub->revoke, revoked->kind, revoked->hash,
                       revoked->until_ms, ngx_min(revoked->issued_ms, r->now))
        == CDR_OK)
    {
        r->nrevoked++;

    } else {
        r->lost++;
    }

    return CDR_OK;
}


static void
ngx_conductor_restore_done(ngx_conductor_restore_t *r, ngx_log_t *log)
{
    cdr_log_fill_t  fill;

    cdr_log_fill(&r->hub->log, &fill);

    if (fill.events || r->nrevoked) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "hub \"%V\" begins with %uL events and %ui revocations "
                      "from \"%V\"", &r->hub->name, fill.events, r->nrevoked,
                      &r->hub->state->name);
    }

    if (r->lost) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "there is no room for %ui revocations of hub \"%V\": "
                      "those are let in who should not be; enlarge \"zone\"",
                      r->lost, &r->hub->name);
    }
}
