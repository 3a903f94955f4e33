/*
 * Groups: the clients of this worker that see the same in the same form, as
 * an array of what the fan-out touches of each.
 */

#include "ngx_conductor_session.h"


#define NGX_CONDUCTOR_GROUP_MIN  8


static void ngx_conductor_member_send(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, ssize_t n, ngx_err_t err);
static ngx_conductor_group_t *ngx_conductor_group_get(
    ngx_conductor_session_t *s, uint64_t channels);


/* Makes the session one of those who get the events of these channels. */

ngx_int_t
ngx_conductor_group_join(ngx_conductor_session_t *s, uint64_t channels)
{
    uint32_t                 size;
    ngx_conductor_group_t   *g;
    ngx_conductor_member_t  *m;

    g = ngx_conductor_group_get(s, channels);
    if (g == NULL) {
        return NGX_ERROR;
    }

    if (g->n == g->size) {
        size = g->size ? g->size * 2 : NGX_CONDUCTOR_GROUP_MIN;

        m = realloc(g->members, size * sizeof(ngx_conductor_member_t));
        if (m == NULL) {
            return NGX_ERROR;
        }

        g->members = m;
        g->size = size;
    }

    m = &g->members[g->n];

    m->session = s;
    m->fd = ngx_conductor_tls(s->connection) ? -1 : s->connection->fd;
    m->blocked = (s->out != NULL);

    s->group = g;
    s->member = g->n++;

    return NGX_OK;
}


void
ngx_conductor_group_leave(ngx_conductor_session_t *s)
{
    ngx_conductor_group_t   *g;
    ngx_conductor_member_t  *m, *last;

    g = s->group;

    if (g == NULL) {
        return;
    }

    m = &g->members[s->member];
    last = &g->members[--g->n];

    if (m != last) {
        *m = *last;
        m->session->member = s->member;
    }

    s->group = NULL;

    if (g->size > NGX_CONDUCTOR_GROUP_MIN && g->n < g->size / 4) {

        last = realloc(g->members,
                       g->size / 2 * sizeof(ngx_conductor_member_t));
        if (last) {
            g->members = last;
            g->size /= 2;
        }
    }
}


/* At the end of the process, when all sessions are gone. */

void
ngx_conductor_groups_free(ngx_conductor_hub_t *hub)
{
    ngx_queue_t            *q;
    ngx_conductor_group_t  *g;

    while (!ngx_queue_empty(&hub->groups)) {
        q = ngx_queue_head(&hub->groups);
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        ngx_queue_remove(q);
        free(g->members);
        ngx_free(g);
    }
}


void
ngx_conductor_group_blocked(ngx_conductor_session_t *s, ngx_uint_t blocked)
{
    if (s->group) {
        s->group->members[s->member].blocked = blocked;
    }
}


/* From the end: who leaves is replaced by one who has been served. */

void
ngx_conductor_group_send(ngx_conductor_group_t *g, ngx_conductor_buf_t *buf)
{
    ssize_t                  n;
    uint32_t                 i;
    ngx_err_t                err;
    ngx_conductor_member_t  *m;

    for (i = g->n; i-- > 0; /* void */ ) {
        m = &g->members[i];

        if (m->blocked || m->fd == -1) {
            ngx_conductor_member_send(m->session, buf, 0, 0);
            continue;
        }

        n = send(m->fd, buf->data, buf->len, 0);

        if (n == (ssize_t) buf->len) {
            continue;
        }

        err = (n == -1) ? ngx_socket_errno : 0;

        ngx_conductor_member_send(m->session, buf, n, err);
    }
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
            ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
            return;
        }

        n = 0;

        if (err == NGX_EAGAIN) {
            c->write->ready = 0;
        }

    } else if (n > 0) {
        c->write->ready = 0;
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


static ngx_conductor_group_t *
ngx_conductor_group_get(ngx_conductor_session_t *s, uint64_t channels)
{
    uint8_t                 level, window;
    ngx_queue_t            *q;
    ngx_conductor_group_t  *g, *empty;

    level = s->pmd.on ? (uint8_t) s->conf->compress : 0;
    window = level ? s->pmd.server_max_window_bits : 0;
    empty = NULL;

    for (q = ngx_queue_head(&s->hub->groups);
         q != ngx_queue_sentinel(&s->hub->groups);
         q = ngx_queue_next(q))
    {
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        if (g->channels == channels && g->level == level
            && g->window == window)
        {
            return g;
        }

        if (g->n == 0) {
            empty = g;
        }
    }

    g = empty;

    if (g == NULL) {
        g = ngx_calloc(sizeof(ngx_conductor_group_t), &s->log);
        if (g == NULL) {
            return NULL;
        }

        ngx_queue_insert_tail(&s->hub->groups, &g->queue);
    }

    g->channels = channels;
    g->level = level;
    g->window = window;

    return g;
}
