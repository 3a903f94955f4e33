/*
 * Groups: the clients of this worker that see the same in the same form, as
 * an array of what the fan-out touches of each.
 */

#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_GROUP_MIN  8
#define NGX_CONDUCTOR_BUCKETS    1024       /* a power of two */


static ngx_int_t ngx_conductor_group_put(ngx_conductor_session_t *s,
    uint64_t channels, ngx_conductor_filters_t *filters,
    ngx_conductor_known_t *known);
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
    return ngx_conductor_group_put(s, channels, filters, NULL);
}


static ngx_int_t
ngx_conductor_group_put(ngx_conductor_session_t *s, uint64_t channels,
    ngx_conductor_filters_t *filters, ngx_conductor_known_t *known)
{
    ngx_conductor_group_t  *g;

    g = ngx_conductor_group_hold(s, channels, filters, known);

    if (g == NULL) {
        return NGX_ERROR;
    }

    s->group = g;
    s->member = NGX_CONDUCTOR_NO_MEMBER;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor group: %p, channels %xL, %uD members", g,
                   channels, g->n);

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
    s->joined = g->sent;
    g->holders--;

    if (!s->watching) {
        ngx_conductor_watch_begin(s);
    }

    return NGX_OK;
}


/*
 * It gets none until it enters again, and keeps what it subscribed; what it
 * had before is up to its replay.  NGX_ERROR without memory.
 */

ngx_int_t
ngx_conductor_group_exit(ngx_conductor_session_t *s)
{
    uint32_t                member;
    ngx_conductor_group_t  *g, *old;

    old = s->group;
    g = old;

    if (old->known) {
        g = ngx_conductor_group_hold(s, old->channels, old->filters, NULL);

        if (g == NULL) {
            return NGX_ERROR;
        }

    } else {
        g->holders++;
    }

    ngx_conductor_watch_end(s);
    ngx_conductor_traffic_leave(s);

    member = s->member;

    s->member = NGX_CONDUCTOR_NO_MEMBER;
    s->group = g;

    ngx_conductor_group_remove(s->hub, old, member);

    return NGX_OK;
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
    ngx_conductor_traffic_leave(s);

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
    ngx_conductor_filters_t *filters, ngx_conductor_known_t *known)
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
    key.known = known;
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
    return ngx_conductor_group_transfer(s, channels, filters,
                                        s->group ? s->group->known : NULL);
}


/* And of others who had something before. */

ngx_int_t
ngx_conductor_group_transfer(ngx_conductor_session_t *s, uint64_t channels,
    ngx_conductor_filters_t *filters, ngx_conductor_known_t *known)
{
    uint32_t                member;
    ngx_int_t               rc;
    ngx_conductor_group_t  *old;

    old = s->group;
    member = s->member;

    if (old == NULL) {
        return ngx_conductor_group_put(s, channels, filters, known);
    }

    /* the filters may be the old group's, so that is left last */

    ngx_conductor_traffic_leave(s);

    s->group = NULL;

    rc = ngx_conductor_group_put(s, channels, filters, known);

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


void
ngx_conductor_group_unlisted(ngx_conductor_session_t *s, ngx_uint_t unlisted)
{
    s->unlisted = unlisted;

    if (s->group && s->member != NGX_CONDUCTOR_NO_MEMBER) {
        s->group->members[s->member].unlisted = unlisted;
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

    if (g->known) {
        g->known->refs++;
    }

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
    uint64_t  part[5];

    part[0] = key->channels;
    part[1] = (uintptr_t) key->view;
    part[2] = (uint64_t) key->level << 8 | key->window;
    part[3] = 0;
    part[4] = (uintptr_t) key->known;

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
        || a->window != b->window || a->known != b->known)
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

    if (g->known) {
        ngx_conductor_known_unref(g->known);
    }

    free(g->members);
    ngx_free(g);
}
