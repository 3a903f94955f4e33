/* The file of an outbox: the thread that writes it. */

#include "ngx_conductor_outbox_keep.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <time.h>


#define NGX_CONDUCTOR_KEEP_STACK  (256 * 1024)


static void *ngx_conductor_keep_cycle(void *data);
static ngx_int_t ngx_conductor_keep_new(ngx_conductor_keep_t *k);
static ngx_int_t ngx_conductor_keep_begin(ngx_conductor_keep_t *k,
    u_char *first, size_t *len);
static ngx_int_t ngx_conductor_keep_chunk(ngx_conductor_keep_t *k);
static ngx_int_t ngx_conductor_keep_add(ngx_conductor_keep_t *k);
static ngx_int_t ngx_conductor_keep_remove(ngx_conductor_keep_t *k);
static void ngx_conductor_keep_close(ngx_conductor_keep_t *k);
static ngx_int_t ngx_conductor_keep_failed(ngx_conductor_keep_t *k,
    const char *what);
static void *ngx_conductor_keep_alloc(void *ctx, size_t size);
static void ngx_conductor_keep_free(void *ctx, void *p);


static const cdr_alloc_t  ngx_conductor_keep_memory = {
    ngx_conductor_keep_alloc, ngx_conductor_keep_free, NULL
};


/* Signals are the loop's. */

int
ngx_conductor_keep_thread(ngx_conductor_keep_t *k)
{
    int                 err;
    sigset_t            all, old;
    pthread_attr_t      attr;
    pthread_condattr_t  clock;

    (void) pthread_condattr_init(&clock);
    (void) pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&k->cond, &clock);
    (void) pthread_condattr_destroy(&clock);
    (void) pthread_mutex_init(&k->mutex, NULL);

    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setstacksize(&attr, NGX_CONDUCTOR_KEEP_STACK);

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    err = pthread_create(&k->id, &attr, ngx_conductor_keep_cycle, k);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attr);

    return err;
}


/* Until it is gone, or has no job to do. */

void
ngx_conductor_keep_until(ngx_conductor_keep_t *k, ngx_uint_t gone,
    ngx_msec_t ms)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    ts.tv_nsec += (long) ms * 1000000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;

    (void) pthread_mutex_lock(&k->mutex);

    while ((gone ? k->state != NGX_CONDUCTOR_KEEP_GONE
                 : k->state == NGX_CONDUCTOR_KEEP_POSTED)
           && pthread_cond_timedwait(&k->cond, &k->mutex, &ts) == 0)
    { /* void */ }

    (void) pthread_mutex_unlock(&k->mutex);
}


static void *
ngx_conductor_keep_cycle(void *data)
{
    ngx_conductor_keep_t *k = data;

    (void) pthread_mutex_lock(&k->mutex);

    for ( ;; ) {

        while (k->state != NGX_CONDUCTOR_KEEP_POSTED && !k->quit) {
            (void) pthread_cond_wait(&k->cond, &k->mutex);
        }

        if (k->quit) {
            break;
        }

        (void) pthread_mutex_unlock(&k->mutex);

        k->rc = ngx_conductor_keep_do(k);

        (void) pthread_mutex_lock(&k->mutex);

        k->state = NGX_CONDUCTOR_KEEP_DONE;

        (void) pthread_cond_broadcast(&k->cond);

        ngx_conductor_wake_me();
    }

    ngx_conductor_keep_done(k);

    k->state = NGX_CONDUCTOR_KEEP_GONE;

    (void) pthread_cond_broadcast(&k->cond);
    (void) pthread_mutex_unlock(&k->mutex);

    return NULL;
}


void
ngx_conductor_keep_done(ngx_conductor_keep_t *k)
{
    ngx_conductor_keep_close(k);
    ngx_conductor_dir_close(&k->dir);
}


/* In the thread, all of the following: nothing is logged here. */

ngx_int_t
ngx_conductor_keep_do(ngx_conductor_keep_t *k)
{
    ngx_int_t  rc;

    k->written = 0;

    if (k->dir.fd == -1
        && ngx_conductor_dir_open(&k->dir, &k->hub->state->name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (k->kind) {

    case NGX_CONDUCTOR_KEEP_NEW:
        rc = ngx_conductor_keep_new(k);
        break;

    case NGX_CONDUCTOR_KEEP_ADD:
        rc = ngx_conductor_keep_add(k);
        break;

    default:
        rc = ngx_conductor_keep_remove(k);
    }

    if (rc != NGX_OK) {

        /* it may have been made anew meanwhile */

        ngx_conductor_keep_done(k);
    }

    return rc;
}


static ngx_int_t
ngx_conductor_keep_new(ngx_conductor_keep_t *k)
{
    size_t       len;
    ngx_int_t    rc;
    u_char       first[CDR_OUTBOX_FILE_FIRST];
    const char  *name;

    name = (const char *) k->name;

    ngx_conductor_keep_close(k);

    if (ngx_conductor_keep_begin(k, first, &len) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_conductor_file_create(&k->dir, name);

    if (rc == NGX_OK) {
        rc = ngx_conductor_file_write(&k->dir, first, len);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_keep_chunk(k);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_file_commit(&k->dir, name);
    }

    if (rc != NGX_OK) {
        ngx_conductor_file_abort(&k->dir, name);
        return NGX_ERROR;
    }

    k->written += len;

    k->fd = openat(k->dir.fd, name,
                   O_WRONLY|O_APPEND|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    return (k->fd == -1) ? ngx_conductor_keep_failed(k, "open()") : NGX_OK;
}


static ngx_int_t
ngx_conductor_keep_begin(ngx_conductor_keep_t *k, u_char *first, size_t *len)
{
    int                      rc;
    u_char                   key[CDR_SNAPSHOT_KEY_LEN];
    u_char                   salt[CDR_SNAPSHOT_SALT_LEN];
    cdr_outbox_file_head_t   head;

    head.server = k->box.server;
    head.owner[0] = ngx_conductor_master_pid();

    if (ngx_conductor_process_start_time((ngx_pid_t) head.owner[0],
                                         &head.owner[1])
        != NGX_OK)
    {
        head.owner[1] = 0;
    }

    rc = CDR_ERROR;

    if (ngx_conductor_snapshot_key(k->hub, key) == NGX_OK
        && RAND_bytes(salt, sizeof(salt)) == 1)
    {
        rc = cdr_outbox_file_new(&k->file, &head,
                                 k->hub->presence_key.len ? key : NULL, salt,
                                 &ngx_conductor_keep_memory, first, len);
        OPENSSL_cleanse(key, sizeof(key));
    }

    if (rc == CDR_OK) {
        return NGX_OK;
    }

    ngx_set_errno(0);

    return ngx_conductor_keep_failed(k, "encryption of, or memory for,");
}


/* To where the directory's file is being written. */

static ngx_int_t
ngx_conductor_keep_chunk(ngx_conductor_keep_t *k)
{
    size_t  size;

    if (cdr_outbox_file_chunk(k->file, k->data, k->len, &size) != CDR_OK) {
        ngx_set_errno(0);
        return ngx_conductor_keep_failed(k, "encryption of");
    }

    k->written = size;

    return ngx_conductor_file_write(&k->dir, k->data, size);
}


static ngx_int_t
ngx_conductor_keep_add(ngx_conductor_keep_t *k)
{
    ngx_int_t  rc;

    k->dir.out = k->fd;
    rc = ngx_conductor_keep_chunk(k);
    k->dir.out = -1;

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return (fdatasync(k->fd) == -1)
           ? ngx_conductor_keep_failed(k, "fdatasync()") : NGX_OK;
}


static ngx_int_t
ngx_conductor_keep_remove(ngx_conductor_keep_t *k)
{
    ngx_conductor_keep_close(k);

    if (unlinkat(k->dir.fd, (char *) k->name, 0) == -1
        && ngx_errno != NGX_ENOENT)
    {
        return ngx_conductor_keep_failed(k, "unlink()");
    }

    return NGX_OK;
}


static void
ngx_conductor_keep_close(ngx_conductor_keep_t *k)
{
    if (k->fd != -1) {
        (void) close(k->fd);
        k->fd = -1;
    }

    cdr_outbox_file_del(k->file);
    k->file = NULL;
}


static ngx_int_t
ngx_conductor_keep_failed(ngx_conductor_keep_t *k, const char *what)
{
    u_char  *last;

    k->dir.err = ngx_errno;

    last = k->dir.error + NGX_CONDUCTOR_FILE_ERROR - 1;
    last = ngx_slprintf(k->dir.error, last, "%s \"%V/%s\" failed", what,
                        &k->dir.path, k->name);
    *last = '\0';

    return NGX_ERROR;
}


static void *
ngx_conductor_keep_alloc(void *ctx, size_t size)
{
    return malloc(size);
}


static void
ngx_conductor_keep_free(void *ctx, void *p)
{
    free(p);
}
