/*
 * Groups: the clients of this worker that see the same in the same form, as
 * an array of what the fan-out touches of each.
 */

#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_GROUP_MIN  8
#define NGX_CONDUCTOR_BUCKETS    1024       /* a power of two */


static ngx_inline void ngx_conductor_member_put(ngx_conductor_member_t *m,
    ngx_conductor_buf_t *buf);
static void ngx_conductor_member_send(ngx_conductor_session_t *s,
    ngx_conductor_buf_t *buf, ssize_t n, ngx_err_t err);
static ngx_conductor_group_t *ngx_conductor_group_get(
    ngx_conductor_session_t *s, ngx_conductor_group_t *key);
static ngx_conductor_group_t *ngx_conductor_group_new(
    ngx_conductor_session_t *s, ngx_conductor_group_t *key);
static uint32_t ngx_conductor_group_hash(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *key);
static ngx_uint_t ngx_conductor_group_eq(ngx_conductor_group_t *a,
    ngx_conductor_group_t *b);
static void ngx_conductor_group_remove(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, uint32_t member);
static void ngx_conductor_group_unused(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g);
static void ngx_conductor_group_free(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g);


/*
 * What the session wants is the events of these channels, as far as its roles
 * see them.  The filters, NULL if there are none, are copied.  It gets them as
 * they come, unless it has to be given earlier ones first.
 */

ngx_int_t
ngx_conductor_group_join(ngx_conductor_session_t *s, uint64_t channels,
    ngx_conductor_filters_t *filters)
{
    ngx_conductor_group_t  *g;

    g = ngx_conductor_group_hold(s, channels, filters);

    if (g == NULL) {
        return NGX_ERROR;
    }

    s->group = g;
    s->member = NGX_CONDUCTOR_NO_MEMBER;

    if (s->replay) {
        return NGX_OK;
    }

    if (ngx_conductor_group_enter(s) != NGX_OK) {
        ngx_conductor_group_leave(s);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* From now on it gets events as they come. */

ngx_int_t
ngx_conductor_group_enter(ngx_conductor_session_t *s)
{
    uint32_t                 size;
    ngx_conductor_group_t   *g;
    ngx_conductor_member_t  *m;

    g = s->group;

    if (g->n == g->size) {
        size = g->size ? g->size * 2
                       : (g->filters ? 1 : NGX_CONDUCTOR_GROUP_MIN);

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
    m->unlisted = s->unlisted;
    s->blocked = m->blocked;

    s->member = g->n++;
    g->holders--;

    if (!s->watching) {
        ngx_conductor_watch_begin(s);
    }

    return NGX_OK;
}


/* It gets none until it enters again, and keeps what it subscribed. */

void
ngx_conductor_group_exit(ngx_conductor_session_t *s)
{
    uint32_t  member;

    ngx_conductor_watch_end(s);

    member = s->member;

    s->member = NGX_CONDUCTOR_NO_MEMBER;
    s->group->holders++;

    ngx_conductor_group_remove(s->hub, s->group, member);
}


void
ngx_conductor_group_leave(ngx_conductor_session_t *s)
{
    ngx_conductor_group_t  *g;

    ngx_conductor_replay_free(s);

    g = s->group;

    if (g == NULL) {
        return;
    }

    ngx_conductor_watch_end(s);

    s->group = NULL;

    if (s->member == NGX_CONDUCTOR_NO_MEMBER) {
        ngx_conductor_group_release(s->hub, g);
        return;
    }

    ngx_conductor_group_remove(s->hub, g, s->member);
}


/* The group that wants this, with a reference; NULL without memory. */

ngx_conductor_group_t *
ngx_conductor_group_hold(ngx_conductor_session_t *s, uint64_t channels,
    ngx_conductor_filters_t *filters)
{
    ngx_conductor_group_t   *g, key;

    ngx_memzero(&key, sizeof(ngx_conductor_group_t));

    key.view = ngx_conductor_view(s->hub,
                                  cdr_registry_string(&s->hub->registry,
                                                      s->entry,
                                                      CDR_CONN_ROLE));
    if (key.view == NULL) {
        return NULL;
    }

    key.channels = channels;
    key.filters = filters;
    key.level = s->pmd.on ? (uint8_t) s->conf->compress : 0;
    key.window = key.level ? s->pmd.server_max_window_bits : 0;
    key.hash = ngx_conductor_group_hash(s->hub, &key);

    g = ngx_conductor_group_get(s, &key);

    ngx_conductor_view_unref(key.view);

    if (g) {
        g->holders++;
    }

    return g;
}


void
ngx_conductor_group_release(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g)
{
    g->holders--;

    ngx_conductor_group_unused(hub, g);
}


/* Takes a member out; the last one gets its place. */

static void
ngx_conductor_group_remove(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g,
    uint32_t member)
{
    ngx_conductor_member_t  *m, *last;

    m = &g->members[member];
    last = &g->members[--g->n];

    if (m != last) {
        *m = *last;
        m->session->member = member;
    }

    if (g->n == 0) {
        ngx_conductor_group_unused(hub, g);
        return;
    }

    if (g->size > NGX_CONDUCTOR_GROUP_MIN && g->n < g->size / 4) {

        last = realloc(g->members,
                       g->size / 2 * sizeof(ngx_conductor_member_t));
        if (last) {
            g->members = last;
            g->size /= 2;
        }
    }
}


/* Is it? */

static void
ngx_conductor_group_unused(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g)
{
    if (g->n || g->holders) {
        return;
    }

    if (hub->sending) {
        hub->deserted = 1;

    } else {
        ngx_conductor_group_free(hub, g);
    }
}


/*
 * To the group of another subscription or role.  NGX_ERROR: it is in none,
 * and must not go on.
 */

ngx_int_t
ngx_conductor_group_move(ngx_conductor_session_t *s, uint64_t channels,
    ngx_conductor_filters_t *filters)
{
    uint32_t                member;
    ngx_int_t               rc;
    ngx_conductor_group_t  *old;

    old = s->group;
    member = s->member;

    if (old == NULL) {
        return ngx_conductor_group_join(s, channels, filters);
    }

    /* the filters may be the old group's, so that is left last */

    s->group = NULL;

    rc = ngx_conductor_group_join(s, channels, filters);

    if (rc != NGX_OK || !ngx_conductor_watch_same(old, s)) {
        ngx_conductor_watch_end(s);
    }

    if (rc == NGX_OK && !s->watching) {
        ngx_conductor_watch_begin(s);
    }

    if (member == NGX_CONDUCTOR_NO_MEMBER) {
        ngx_conductor_group_release(s->hub, old);

    } else {
        ngx_conductor_group_remove(s->hub, old, member);
    }

    return rc;
}


/* Those that nobody is in any more. */

void
ngx_conductor_groups_tidy(ngx_conductor_hub_t *hub)
{
    ngx_queue_t            *q, *next;
    ngx_conductor_group_t  *g;

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups);
         q = next)
    {
        next = ngx_queue_next(q);
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        if (g->n == 0 && g->holders == 0) {
            ngx_conductor_group_free(hub, g);
        }
    }
}


/* At the end of the process, when all sessions are gone. */

void
ngx_conductor_groups_free(ngx_conductor_hub_t *hub)
{
    ngx_conductor_groups_tidy(hub);
    ngx_conductor_views_free(hub);

    ngx_free(hub->buckets);
    hub->buckets = NULL;
}


void
ngx_conductor_group_blocked(ngx_conductor_session_t *s, ngx_uint_t blocked)
{
    s->blocked = blocked;

    if (ngx_conductor_live(s)) {
        s->group->members[s->member].blocked = blocked;
    }
}


/* From the end: who leaves is replaced by one who has been served. */

void
ngx_conductor_group_send(ngx_conductor_group_t *g, ngx_conductor_buf_t *buf)
{
    uint32_t  i;

    for (i = g->n; i-- > 0; /* void */ ) {
        ngx_conductor_member_put(&g->members[i], buf);
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
    uint32_t    i;
    ngx_uint_t  n;

    n = 0;

    for (i = ngx_min(*at, g->n); i > 0 && max > 0; max--) {

        if (!g->members[--i].unlisted) {
            ngx_conductor_member_put(&g->members[i], buf);
            n++;
        }
    }

    *at = i;

    return n;
}


void
ngx_conductor_group_unlisted(ngx_conductor_session_t *s, ngx_uint_t unlisted)
{
    s->unlisted = unlisted;

    if (s->group && s->member != NGX_CONDUCTOR_NO_MEMBER) {
        s->group->members[s->member].unlisted = unlisted;
    }
}


static ngx_inline void
ngx_conductor_member_put(ngx_conductor_member_t *m, ngx_conductor_buf_t *buf)
{
    ssize_t    n;
    ngx_err_t  err;

    if (m->blocked || m->fd == -1) {
        ngx_conductor_member_send(m->session, buf, 0, 0);
        return;
    }

    n = send(m->fd, buf->data, buf->len, 0);

    if (n == (ssize_t) buf->len) {
        return;
    }

    err = (n == -1) ? ngx_socket_errno : 0;

    ngx_conductor_member_send(m->session, buf, n, err);
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
            ngx_conductor_output_lost(s, buf, 0);
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
ngx_conductor_group_get(ngx_conductor_session_t *s,
    ngx_conductor_group_t *key)
{
    size_t                  size;
    ngx_conductor_group_t  *g;

    if (s->hub->buckets == NULL) {
        size = NGX_CONDUCTOR_BUCKETS * sizeof(ngx_conductor_group_t *);

        s->hub->buckets = ngx_calloc(size, &s->log);
        if (s->hub->buckets == NULL) {
            return NULL;
        }
    }

    for (g = s->hub->buckets[key->hash % NGX_CONDUCTOR_BUCKETS];
         g;
         g = g->next)
    {
        if (ngx_conductor_group_eq(g, key)) {
            return g;
        }
    }

    return ngx_conductor_group_new(s, key);
}


static ngx_conductor_group_t *
ngx_conductor_group_new(ngx_conductor_session_t *s,
    ngx_conductor_group_t *key)
{
    size_t                   len;
    ngx_conductor_group_t   *g, **bucket;

    len = key->filters ? sizeof(ngx_conductor_filters_t) + key->filters->len
                       : 0;

    g = ngx_alloc(sizeof(ngx_conductor_group_t) + len, &s->log);
    if (g == NULL) {
        return NULL;
    }

    *g = *key;
    g->view->refs++;

    if (len) {
        g->filters = (ngx_conductor_filters_t *) &g[1];
        ngx_memcpy(g->filters, key->filters, len);
    }

    bucket = &s->hub->buckets[g->hash % NGX_CONDUCTOR_BUCKETS];

    g->next = *bucket;
    *bucket = g;

    ngx_queue_insert_tail(&s->hub->groups, &g->queue);

    return g;
}


/* Under a secret: clients choose their filters, but not which ones collide. */

static uint32_t
ngx_conductor_group_hash(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *key)
{
    uint64_t  part[4];

    part[0] = key->channels;
    part[1] = (uintptr_t) key->view;
    part[2] = (uint64_t) key->level << 8 | key->window;
    part[3] = 0;

    if (key->filters) {
        part[3] = cdr_siphash(hub->zone->secret, key->filters->data,
                              key->filters->len);
    }

    return (uint32_t) cdr_siphash(hub->zone->secret, (u_char *) part,
                                  sizeof(part));
}


static ngx_uint_t
ngx_conductor_group_eq(ngx_conductor_group_t *a, ngx_conductor_group_t *b)
{
    if (a->hash != b->hash || a->view != b->view
        || a->channels != b->channels || a->level != b->level
        || a->window != b->window)
    {
        return 0;
    }

    if (a->filters == NULL || b->filters == NULL) {
        return a->filters == b->filters;
    }

    return a->filters->len == b->filters->len
           && ngx_memcmp(a->filters->data, b->filters->data,
                         a->filters->len)
              == 0;
}


static void
ngx_conductor_group_free(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g)
{
    ngx_conductor_group_t  **bucket;

    ngx_conductor_watch_forget(hub, g);

    bucket = &hub->buckets[g->hash % NGX_CONDUCTOR_BUCKETS];

    while (*bucket != g) {
        bucket = &(*bucket)->next;
    }

    *bucket = g->next;

    ngx_queue_remove(&g->queue);
    ngx_conductor_view_unref(g->view);
    free(g->members);
    ngx_free(g);
}
