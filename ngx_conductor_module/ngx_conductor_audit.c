/*
 * The file of the audit log.
 *
 * Lines are gathered and written at the end of a turn of the loop, or later
 * where a time is configured; each write is whole lines at the file's end, so
 * those of several processes do not mix.  What cannot be written is lost, and
 * counted: no client waits for a disk that is full.
 *
 * Who writes has the file's lock, so that a line which the disk took in part
 * can be taken back while no other process writes behind it.  Nobody waits
 * for the lock: the lines are kept, and it is tried again soon.
 */

#include "ngx_conductor_audit.h"


#define NGX_CONDUCTOR_AUDIT_PIPE  4096      /* bytes that a pipe takes whole */
#define NGX_CONDUCTOR_AUDIT_SOON  1         /* ms until the lock is tried */
#define NGX_CONDUCTOR_AUDIT_LOCK  100       /* times, where lines cannot wait */
#define NGX_CONDUCTOR_AUDIT_SAY   60000     /* ms between complaints */


static void ngx_conductor_audit_arm(ngx_conductor_audit_file_t *f);
static void ngx_conductor_audit_handler(ngx_event_t *ev);
static ngx_err_t ngx_conductor_audit_lock(ngx_conductor_audit_file_t *f,
    ngx_uint_t tries, ngx_msec_t wait);
static void ngx_conductor_audit_out(ngx_conductor_audit_file_t *f,
    ngx_err_t locked);
static size_t ngx_conductor_audit_write(ngx_conductor_audit_file_t *f);
static size_t ngx_conductor_audit_chunk(u_char *p, u_char *last);
static size_t ngx_conductor_audit_mend(ngx_conductor_audit_file_t *f,
    u_char *p, size_t n);
static void ngx_conductor_audit_failed(ngx_conductor_audit_file_t *f,
    ngx_err_t err, u_char *p);
static void ngx_conductor_audit_again(ngx_conductor_audit_file_t *f);


ngx_conductor_audit_marks_t  ngx_conductor_audit_marks;

static cdr_audit_t       ngx_conductor_audit_line;
static ngx_connection_t  ngx_conductor_audit_connection;


cdr_audit_t *
ngx_conductor_audit_begin(ngx_conductor_hub_t *hub, cdr_audit_e kind,
    const ngx_conductor_actor_t *actor)
{
    cdr_str_t                     name, label;
    cdr_audit_t                  *line;
    ngx_conductor_audit_marks_t  *at;

    line = &ngx_conductor_audit_line;

    name.data = hub->name.data;
    name.len = hub->name.len;
    label.data = hub->label.data;
    label.len = hub->label.len;

    at = &ngx_conductor_audit_marks;

    cdr_audit_begin(line, kind, ngx_conductor_now());
    at->head = line->len;
    cdr_audit_text(line, "hub", name);
    cdr_audit_text(line, "server", label);
    at->server = line->len;
    cdr_audit_text(line, "connection", actor->connection);
    cdr_audit_text(line, "user", actor->user);
    cdr_audit_text(line, "role", actor->role);
    at->address = line->len;
    cdr_audit_text(line, "address", actor->address);
    at->rest = line->len;

    return line;
}


void
ngx_conductor_audit_end(ngx_conductor_hub_t *hub)
{
    cdr_audit_end(&ngx_conductor_audit_line);

    ngx_conductor_audit_put(hub->audit->file, &ngx_conductor_audit_line);
}


void
ngx_conductor_audit_put(ngx_conductor_audit_file_t *f, cdr_audit_t *line)
{
    if ((size_t) (f->pos - f->start) + line->len > f->size) {
        ngx_conductor_audit_out(f, ngx_conductor_audit_lock(f,
                                            NGX_CONDUCTOR_AUDIT_LOCK, 0));
    }

    f->pos = ngx_cpymem(f->pos, line->data, line->len);

    ngx_conductor_audit_arm(f);
}


/* A process that is ending has no later. */

static void
ngx_conductor_audit_arm(ngx_conductor_audit_file_t *f)
{
    ngx_event_t  *ev;

    ev = &f->event;

    if (ev->handler == NULL) {

        /* a timer of an nginx with debugging looks at its connection */

        ngx_conductor_audit_connection.fd = (ngx_socket_t) -1;

        ev->handler = ngx_conductor_audit_handler;
        ev->data = &ngx_conductor_audit_connection;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;
    }

    if (f->flush && ngx_process != NGX_PROCESS_HELPER) {

        if (!ev->timer_set) {
            ngx_add_timer(ev, f->flush);
        }

    } else {
        ngx_post_event(ev, &ngx_posted_events);
    }
}


static void
ngx_conductor_audit_handler(ngx_event_t *ev)
{
    ngx_err_t                    err;
    ngx_conductor_audit_file_t  *f;

    f = (ngx_conductor_audit_file_t *)
        ((u_char *) ev - offsetof(ngx_conductor_audit_file_t, event));

    if (f->pos == f->start) {
        return;
    }

    err = ngx_conductor_audit_lock(f, 1, 0);

    if (err == NGX_EAGAIN) {
        ngx_add_timer(ev, NGX_CONDUCTOR_AUDIT_SOON);
        return;
    }

    ngx_conductor_audit_out(f, err);
}


/* Of a process that ends or opens another file: it may wait a moment. */

void
ngx_conductor_audit_flush(ngx_conductor_audit_file_t *f)
{
    if (f->pos == f->start) {
        return;
    }

    ngx_conductor_audit_out(f, ngx_conductor_audit_lock(f,
                                            NGX_CONDUCTOR_AUDIT_LOCK, 1));
}


/* 0; NGX_EAGAIN: another process has it; or the file cannot be locked. */

static ngx_err_t
ngx_conductor_audit_lock(ngx_conductor_audit_file_t *f, ngx_uint_t tries,
    ngx_msec_t wait)
{
    ngx_err_t  err;

    for ( ;; ) {
        err = ngx_trylock_fd(f->file->fd);

        if (err == NGX_EACCES) {
            err = NGX_EAGAIN;
        }

        if (err != NGX_EAGAIN || --tries == 0) {
            return err;
        }

        if (wait) {
            ngx_msleep(wait);

        } else {
            ngx_sched_yield();
        }
    }
}


/* Writes what is gathered; without the lock that another has, it is lost. */

static void
ngx_conductor_audit_out(ngx_conductor_audit_file_t *f, ngx_err_t locked)
{
    size_t     n;
    ngx_err_t  err;

    if (f->event.timer_set) {
        ngx_del_timer(&f->event);
    }

    f->locked = (locked == 0);

    if (locked == NGX_EAGAIN) {
        n = 0;
        err = locked;

    } else {
        n = ngx_conductor_audit_write(f);
        err = ngx_errno;
    }

    if (f->locked) {
        (void) ngx_unlock_fd(f->file->fd);
    }

    if (n < (size_t) (f->pos - f->start)) {
        ngx_conductor_audit_failed(f, err, f->start + n);

    } else if (f->error) {
        ngx_conductor_audit_again(f);
    }

    f->pos = f->start;
}


/* The end of a process: what it has still gathered. */

void
ngx_conductor_audit_exit(ngx_cycle_t *cycle)
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
        if (hub[i]->audit) {
            ngx_conductor_audit_repeats_exit(hub[i]);
            ngx_conductor_audit_flush(hub[i]->audit->file);
        }
    }
}


/* How many bytes of the buffer are written, as whole lines. */

static size_t
ngx_conductor_audit_write(ngx_conductor_audit_file_t *f)
{
    size_t    len;
    u_char   *p;
    ssize_t   n;

    p = f->start;

    if (f->torn) {

        /* the line that was cut is not to spoil another one */

        if (ngx_write_fd(f->file->fd, "\n", 1) != 1) {
            return 0;
        }

        f->torn = 0;
    }

    while (p < f->pos) {
        len = ngx_conductor_audit_chunk(p, f->pos);

        do {
            n = ngx_write_fd(f->file->fd, p, len);
        } while (n == -1 && ngx_errno == NGX_EINTR);

        if (n == -1) {
            break;
        }

        if ((size_t) n < len) {
            p += ngx_conductor_audit_mend(f, p, n);
            ngx_set_errno(NGX_ENOSPC);
            break;
        }

        p += n;
    }

    return p - f->start;
}


/* Whole lines that one write is to take: a page of them, or one longer. */

static size_t
ngx_conductor_audit_chunk(u_char *p, u_char *last)
{
    size_t   len;
    u_char  *line;

    len = 0;

    while (p + len < last) {
        line = ngx_strlchr(p + len, last, LF);

        if (len && (size_t) (line + 1 - p) > NGX_CONDUCTOR_AUDIT_PIPE) {
            break;
        }

        len = line + 1 - p;
    }

    return len;
}


/*
 * A disk that became full may have taken a part of a line: it is taken back,
 * or else ended before another one begins.  Returns what is whole.
 */

static size_t
ngx_conductor_audit_mend(ngx_conductor_audit_file_t *f, u_char *p, size_t n)
{
    off_t            cut;
    ngx_file_info_t  fi;

    for (cut = 0; (size_t) cut < n && p[n - 1 - cut] != LF; cut++) {
        /* void */
    }

    if (cut == 0) {
        return n;
    }

    f->torn = (!f->locked
               || ngx_fd_info(f->file->fd, &fi) == NGX_FILE_ERROR
               || !ngx_is_file(&fi)
               || ngx_file_size(&fi) < cut
               || ftruncate(f->file->fd, ngx_file_size(&fi) - cut) == -1);

    return n - cut;
}


/*
 * Said once for as long as it fails, and not again soon: a disk at its limit
 * takes a line now and then.  What was lost unsaid is said with the rest.
 */

static void
ngx_conductor_audit_failed(ngx_conductor_audit_file_t *f, ngx_err_t err,
    u_char *p)
{
    uint64_t  lost;

    lost = 0;

    while (p < f->pos) {
        p = ngx_strlchr(p, f->pos, LF) + 1;
        lost++;
    }

    f->lost += lost;

    ngx_conductor_count_shared(f->hub, CDR_FIGURE_AUDIT_LOST, lost);

    if (f->error || (f->said && ngx_current_msec - f->said_time
                                < NGX_CONDUCTOR_AUDIT_SAY))
    {
        return;
    }

    f->error = err ? err : NGX_ENOSPC;
    f->said = 1;
    f->said_time = ngx_current_msec;

    ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, err,
                  "the audit log \"%V\" cannot be written: lines are lost "
                  "until it can", &f->file->name);
}


static void
ngx_conductor_audit_again(ngx_conductor_audit_file_t *f)
{
    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "the audit log \"%V\" is written again, %uL lines of "
                  "this process are lost", &f->file->name, f->lost);

    f->error = 0;
    f->lost = 0;
}
