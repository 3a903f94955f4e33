/*
 * The file of an outbox: its prefix and the number of the server whose it is,
 * in the directory of the hub's state.  Two servers may have one directory for
 * a while, as after an upgrade of the binary.
 */

#include "ngx_conductor_offer.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_outbox_file.h>
#include <dirent.h>
#include <openssl/crypto.h>


#define NGX_CONDUCTOR_OUTBOX_HEX     16


/* A file that was found, and what became of it. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    const ngx_conductor_kept_t   *box;
    ngx_conductor_found_t         found;
    ngx_conductor_dir_t           dir;
    ngx_log_t                    *log;
    u_char                        key[CDR_SNAPSHOT_KEY_LEN];
} ngx_conductor_outbox_files_t;


static void ngx_conductor_outbox_scan(ngx_conductor_outbox_files_t *f);
static ngx_uint_t ngx_conductor_outbox_is(const ngx_conductor_kept_t *box,
    const char *name);
static void ngx_conductor_outbox_open(ngx_conductor_outbox_files_t *f,
    const char *name);
static ngx_int_t ngx_conductor_outbox_read(ngx_conductor_outbox_files_t *f,
    u_char *data, size_t len, const char **error);
static ngx_uint_t ngx_conductor_outbox_owned(cdr_outbox_file_head_t *head);
static int ngx_conductor_outbox_put(void *ctx,
    const cdr_outbox_file_rec_t *rec);


void
ngx_conductor_outbox_name(const ngx_conductor_kept_t *box, u_char *name)
{
    (void) ngx_snprintf(name, NGX_CONDUCTOR_FILE_NAME, "%s%016xL%Z",
                        box->prefix, box->server);
}


void
ngx_conductor_outbox_restore(ngx_conductor_hub_t *hub,
    const ngx_conductor_kept_t *box, ngx_conductor_found_t *found,
    ngx_log_t *log)
{
    ngx_conductor_outbox_files_t  f;

    ngx_memzero(found, sizeof(ngx_conductor_found_t));

    if (ngx_test_config) {
        return;
    }

    ngx_memzero(&f, sizeof(ngx_conductor_outbox_files_t));

    f.hub = hub;
    f.box = box;
    f.log = log;

    if (ngx_conductor_dir_open(&f.dir, &hub->state->name) != NGX_OK) {

        /* said where the other files are read */

        return;
    }

    if (ngx_conductor_snapshot_key(hub, f.key) == NGX_OK) {
        ngx_conductor_outbox_scan(&f);
    }

    ngx_conductor_dir_close(&f.dir);
    OPENSSL_cleanse(f.key, sizeof(f.key));

    *found = f.found;
}


static void
ngx_conductor_outbox_scan(ngx_conductor_outbox_files_t *f)
{
    int             fd;
    DIR            *d;
    struct dirent  *entry;

    fd = openat(f->dir.fd, ".", O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    d = fdopendir(fd);

    if (d == NULL) {
        (void) close(fd);
        return;
    }

    while ((entry = readdir(d)) != NULL) {
        if (ngx_conductor_outbox_is(f->box, entry->d_name)) {
            ngx_conductor_outbox_open(f, entry->d_name);
        }
    }

    (void) closedir(d);
}


static ngx_uint_t
ngx_conductor_outbox_is(const ngx_conductor_kept_t *box, const char *name)
{
    size_t      len;
    ngx_uint_t  i;

    len = ngx_strlen(box->prefix);

    if (ngx_strncmp(name, box->prefix, len) != 0) {
        return 0;
    }

    for (i = 0; i < NGX_CONDUCTOR_OUTBOX_HEX; i++) {
        if (ngx_hextoi((u_char *) name + len + i, 1) == NGX_ERROR) {
            return 0;
        }
    }

    return name[len + i] == '\0';
}


static void
ngx_conductor_outbox_open(ngx_conductor_outbox_files_t *f, const char *name)
{
    size_t       len;
    u_char      *data;
    ngx_int_t    rc;
    const char  *error;

    if (ngx_conductor_file_read(&f->dir, name, &data, &len) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, f->log, f->dir.err, "%s", f->dir.error);
        return;
    }

    rc = ngx_conductor_outbox_read(f, data, len, &error);

    free(data);

    if (rc == NGX_OK) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, f->log, 0, "\"%V/%s\" %s: it is now \"%s.bad\"",
                  &f->dir.path, name, error, name);

    if (ngx_conductor_file_aside(&f->dir, name) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, f->log, f->dir.err, "%s", f->dir.error);
    }
}


static ngx_int_t
ngx_conductor_outbox_read(ngx_conductor_outbox_files_t *f, u_char *data,
    size_t len, const char **error)
{
    int                      rc;
    u_char                  *key, *copy;
    cdr_outbox_file_head_t   head;

    key = f->hub->presence_key.len ? f->key : NULL;

    /* what is read is decrypted in place: once for the head alone */

    copy = malloc(ngx_max(len, 1));
    if (copy == NULL) {
        return NGX_OK;
    }

    ngx_memcpy(copy, data, len);

    rc = cdr_outbox_file_read(copy, len, key, &head, NULL, NULL, error);

    free(copy);

    if (rc != CDR_OK || ngx_conductor_outbox_owned(&head)) {
        return (rc == CDR_OK) ? NGX_OK : NGX_ERROR;
    }

    if (f->found.server) {
        ngx_log_error(NGX_LOG_WARN, f->log, 0,
                      "hub \"%V\": the %s of one more server is left, and is "
                      "sent after another start", &f->hub->name,
                      f->box->name);
        return NGX_OK;
    }

    rc = cdr_outbox_file_read(data, len, key, &head, ngx_conductor_outbox_put,
                              f, error);

    if (rc == CDR_OK || f->found.events) {
        f->found.server = head.server;
    }

    return (rc == CDR_OK) ? NGX_OK : NGX_ERROR;
}


/* Is there still somebody else who sends it? */

static ngx_uint_t
ngx_conductor_outbox_owned(cdr_outbox_file_head_t *head)
{
    uint64_t   start;
    ngx_pid_t  pid;

    pid = (ngx_pid_t) head->owner[0];

    return ngx_conductor_process_start_time(pid, &start) == NGX_OK
           && start == head->owner[1];
}


/* Not under the lock: the zone is new.  The oldest make way. */

static int
ngx_conductor_outbox_put(void *ctx, const cdr_outbox_file_rec_t *rec)
{
    ngx_conductor_outbox_files_t *f = ctx;

    int                rc;
    u_char            *items;
    uint32_t           n;
    cdr_outbox_t      *ob;
    cdr_ticket_t       ticket;
    cdr_outbox_rec_t  *r;

    ob = f->box->outbox;

    if (rec->n <= f->found.n) {
        return CDR_ERROR;
    }

    for ( ;; ) {
        rc = cdr_outbox_begin(ob, rec->items.len, rec->count, NULL, &r,
                              &items, &ticket);

        n = (rc == CDR_FULL) ? cdr_outbox_drop(ob) : 0;

        if (n == 0) {
            break;
        }

        f->found.dropped += n;
    }

    f->found.events += rec->count;
    f->found.n = rec->n + rec->count - 1;

    if (rc != CDR_OK) {
        f->found.dropped += rec->count;
        return CDR_OK;
    }

    ngx_memcpy(items, rec->items.data, rec->items.len);

    r->kind = rec->kind;
    r->n = rec->n;
    r->time_ms = rec->time_ms;
    r->keyed = rec->keyed;
    r->key = rec->key;
    r->digest = rec->digest;
    atomic_store(&r->marks, CDR_OUTBOX_PLACED);

    cdr_outbox_commit(ob, r);

    return CDR_OK;
}
