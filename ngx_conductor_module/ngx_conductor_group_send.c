/*
 * What all members of a group get, to their sockets: a look at 16 bytes of an
 * array and a write for each that keeps up.
 */

#include "ngx_conductor_session.h"


static ngx_inline ngx_conductor_session_t *ngx_conductor_member_put(
    ngx_conductor_member_t *m, ngx_conductor_buf_t *buf);
static void ngx_conductor_member_send(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, ssize_t n, ngx_err_t err);


/* From the end: who leaves is replaced by one who has been served. */

void
ngx_conductor_group_send(ngx_conductor_group_t *g, ngx_conductor_buf_t *buf)
{
    uint32_t                  i;
    ngx_conductor_session_t  *s;

    g->sent.bytes += buf->len;
    g->sent.messages += buf->messages;

    for (i = g->n; i-- > 0; /* void */ ) {
        s = ngx_conductor_member_put(&g->members[i], buf);

        if (s) {
            s->traffic.out.bytes -= buf->len;
            s->traffic.out.messages -= buf->messages;
        }
    }
}


/*
 * The same in steps, for those who have their list: from *at members on, at
 * most "max" of them.  Returns how many it was for; *at is what is left.  Who
 * leaves between two steps may make another get the same twice.
 */

ngx_uint_t
ngx_conductor_group_tell(ngx_conductor_group_t *g, ngx_conductor_buf_t *buf,
    uint32_t *at, ngx_uint_t max)
{
    uint32_t                  i;
    ngx_uint_t                n;
    ngx_conductor_session_t  *s;

    n = 0;

    for (i = ngx_min(*at, g->n); i > 0 && max > 0; max--) {

        if (g->members[--i].unlisted) {
            continue;
        }

        s = g->members[i].session;

        if (ngx_conductor_member_put(&g->members[i], buf) == NULL) {
            s->traffic.out.bytes += buf->len;
            s->traffic.out.messages += buf->messages;
        }

        n++;
    }

    *at = i;

    return n;
}


/* NULL, or a client that has not taken all of it, and may be gone since. */

static ngx_inline ngx_conductor_session_t *
ngx_conductor_member_put(ngx_conductor_member_t *m, ngx_conductor_buf_t *buf)
{
    ssize_t                   n;
    ngx_err_t                 err;
    ngx_conductor_session_t  *s;

    if (m->blocked || m->fd == -1) {
        s = m->session;
        ngx_conductor_member_send(s, buf, 0, 0);
        return s;
    }

    n = send(m->fd, buf->data, buf->len, 0);

    if (n == (ssize_t) buf->len) {
        return NULL;
    }

    err = (n == -1) ? ngx_socket_errno : 0;
    s = m->session;

    ngx_conductor_member_send(s, buf, n, err);

    return s;
}


/* A client that could not take all of it at once. */

static void
ngx_conductor_member_send(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, ssize_t n, ngx_err_t err)
{
    ngx_connection_t  *c;

    c = s->connection;

    if (n == -1) {

        if (err != NGX_EAGAIN && err != NGX_EINTR) {
            (void) ngx_connection_error(c, err, "send() failed");
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            ngx_conductor_output_lost(s, buf, 0);
            return;
        }

        n = 0;

        if (err == NGX_EAGAIN) {
            c->write->ready = 0;
        }

    } else if (n > 0) {
        c->write->ready = 0;
        s->traffic.out.bytes += n;
    }

    if (ngx_conductor_output_buf(s, buf, n) != NGX_OK) {

        /* it is dead, or being closed for being slow */

        return;
    }

    if (c->write->ready) {
        (void) ngx_conductor_output_flush(s);
        return;
    }

    ngx_conductor_group_blocked(s, 1);

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
    }
}
