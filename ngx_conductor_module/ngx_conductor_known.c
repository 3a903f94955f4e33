/*
 * Groups of clients that have had what is still to come: they were at another
 * server of the hub while that was alone, and have its events up to a number,
 * which this one may yet get.  Those that came with the same are live like all
 * others, but such events are left out for them, and each id that they are
 * told says so.  When nothing of that can come any more, they go to the group
 * of those who came with nothing.
 */

#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_KNOWN_MAX  64


static uint64_t  ngx_conductor_known_serial;


static void ngx_conductor_known_left(ngx_conductor_hub_t *hub,
    ngx_conductor_had_t *had, cdr_event_id_t *left);
static ngx_conductor_known_t *ngx_conductor_known_get(
    ngx_conductor_hub_t *hub, const cdr_event_id_t *id);
static ngx_uint_t ngx_conductor_known_passed(ngx_conductor_hub_t *hub,
    ngx_conductor_known_t *known, cdr_event_id_t *left);
static ngx_int_t ngx_conductor_known_end(ngx_conductor_hub_t *hub,
    ngx_conductor_known_t *known, const cdr_event_id_t *left);
static void ngx_conductor_known_move(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, ngx_conductor_known_t *known);


/*
 * The client holds the group of those who had what it had, and can enter it.
 * NGX_DECLINED: there are too many such groups, or there is no memory.
 */

ngx_int_t
ngx_conductor_known_hold(ngx_conductor_session_t *s, ngx_conductor_had_t *had)
{
    cdr_event_id_t          left;
    ngx_conductor_group_t  *g;
    ngx_conductor_known_t  *known;

    ngx_conductor_known_left(s->hub, had, &left);

    known = ngx_conductor_known_get(s->hub, &left);

    if (known == NULL) {
        return NGX_DECLINED;
    }

    g = ngx_conductor_group_hold(s, s->group->channels, s->group->filters,
                                 known);

    ngx_conductor_known_unref(known);

    if (g == NULL) {
        return NGX_DECLINED;
    }

    ngx_conductor_group_release(s->hub, s->group);
    s->group = g;

    return NGX_OK;
}


/* What may still come of what it had, in one order for all clients. */

static void
ngx_conductor_known_left(ngx_conductor_hub_t *hub, ngx_conductor_had_t *had,
    cdr_event_id_t *left)
{
    unsigned             i, k;
    cdr_event_origin_t  *origin;

    ngx_memzero(left, sizeof(cdr_event_id_t));

    for (i = 0; i < had->id.norigins; i++) {

        if (had->over[i] && had->over[i] <= hub->cursor.seq + 1) {
            continue;
        }

        origin = &had->id.origins[i];

        for (k = left->norigins++;
             k > 0 && left->origins[k - 1].server > origin->server;
             k--)
        {
            left->origins[k] = left->origins[k - 1];
        }

        left->origins[k] = *origin;
    }
}


/* With a reference that is the caller's. */

static ngx_conductor_known_t *
ngx_conductor_known_get(ngx_conductor_hub_t *hub, const cdr_event_id_t *id)
{
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_conductor_known_t  *known;

    n = 0;

    for (q = ngx_queue_head(&hub->known);
         q != ngx_queue_sentinel(&hub->known);
         q = ngx_queue_next(q))
    {
        known = ngx_queue_data(q, ngx_conductor_known_t, queue);

        if (known->id.norigins == id->norigins
            && ngx_memcmp(known->id.origins, id->origins,
                          id->norigins * sizeof(cdr_event_origin_t))
               == 0)
        {
            known->refs++;
            return known;
        }

        n++;
    }

    if (n >= NGX_CONDUCTOR_KNOWN_MAX) {
        return NULL;
    }

    known = ngx_calloc(sizeof(ngx_conductor_known_t), ngx_cycle->log);

    if (known) {
        known->id = *id;
        known->refs = 1;
        known->serial = ++ngx_conductor_known_serial;
        ngx_queue_insert_tail(&hub->known, &known->queue);
    }

    return known;
}


void
ngx_conductor_known_unref(ngx_conductor_known_t *known)
{
    if (--known->refs == 0) {
        ngx_queue_remove(&known->queue);
        ngx_free(known);
    }
}


ngx_uint_t
ngx_conductor_known_had(ngx_conductor_known_t *known, uint64_t server,
    uint64_t n)
{
    unsigned             i;
    cdr_event_origin_t  *origin;

    for (i = 0; i < known->id.norigins; i++) {
        origin = &known->id.origins[i];

        if (origin->server == server && n <= origin->n) {
            return 1;
        }
    }

    return 0;
}


size_t
ngx_conductor_known_id(ngx_conductor_known_t *known, u_char *text,
    const cdr_log_pos_t *pos, uint64_t lone)
{
    cdr_event_id_t  id;

    id = known->id;
    id.ms = pos->ms;
    id.n = pos->n;

    if (pos->local) {
        cdr_event_id_add(&id, lone, pos->local);
    }

    return cdr_event_id_print(text, &id);
}


cdr_str_t
ngx_conductor_live_id(ngx_conductor_session_t *s)
{
    cdr_str_t             id;
    ngx_conductor_hub_t  *hub;

    static u_char         text[CDR_EVENT_ID_LEN];

    hub = s->hub;

    if (s->group == NULL || s->group->known == NULL) {
        return ngx_conductor_event_id(hub);
    }

    id.data = text;
    id.len = ngx_conductor_known_id(s->group->known, text, &hub->last,
                                    hub->last_lone);
    return id;
}


/* Not in the middle of telling groups, one by one, of presence. */

void
ngx_conductor_known_turn(ngx_conductor_hub_t *hub)
{
    ngx_uint_t              passed;
    ngx_queue_t            *q, *next;
    cdr_event_id_t          left;
    ngx_conductor_known_t  *known;

    if (ngx_queue_empty(&hub->known) || hub->watch.flushing) {
        return;
    }

    for (q = ngx_queue_head(&hub->known);
         q != ngx_queue_sentinel(&hub->known);
         q = next)
    {
        known = ngx_queue_data(q, ngx_conductor_known_t, queue);

        ngx_conductor_zone_lock(hub);
        passed = ngx_conductor_known_passed(hub, known, &left);
        ngx_conductor_zone_unlock(hub);

        known->refs++;

        if (passed && ngx_conductor_known_end(hub, known, &left) != NGX_OK) {
            ngx_conductor_known_unref(known);
            return;
        }

        next = ngx_queue_next(q);
        ngx_conductor_known_unref(known);
    }
}


/*
 * A server's events come in the order of their numbers: once its highest is
 * later, and this worker has passed what the log held then, that was all.
 */

static ngx_uint_t
ngx_conductor_known_passed(ngx_conductor_hub_t *hub,
    ngx_conductor_known_t *known, cdr_event_id_t *left)
{
    unsigned             i;
    ngx_uint_t           passed;
    cdr_log_fill_t       fill;
    cdr_event_origin_t  *origin;

    ngx_memzero(left, sizeof(cdr_event_id_t));

    passed = 0;

    for (i = 0; i < known->id.norigins; i++) {
        origin = &known->id.origins[i];

        if (known->over[i] == 0
            && cdr_source_highest(&hub->sources, origin->server) >= origin->n)
        {
            cdr_log_fill(&hub->log, &fill);
            known->over[i] = fill.head + 1;
        }

        if (known->over[i] && known->over[i] <= hub->cursor.seq + 1) {
            passed++;

        } else {
            left->origins[left->norigins++] = *origin;
        }
    }

    return passed;
}


static ngx_int_t
ngx_conductor_known_end(ngx_conductor_hub_t *hub,
    ngx_conductor_known_t *known, const cdr_event_id_t *left)
{
    ngx_queue_t            *q, *next;
    ngx_conductor_known_t  *less;
    ngx_conductor_group_t  *g;

    less = NULL;

    if (left->norigins) {
        less = ngx_conductor_known_get(hub, left);

        if (less == NULL) {
            return NGX_ERROR;
        }
    }

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups);
         q = next)
    {
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        if (g->known != known) {
            next = ngx_queue_next(q);
            continue;
        }

        g->holders++;

        ngx_conductor_known_move(hub, g, less);

        next = ngx_queue_next(q);
        ngx_conductor_group_release(hub, g);
    }

    if (less) {
        ngx_conductor_known_unref(less);
    }

    return NGX_OK;
}


/* Whose presence is filtered gets a list again: what it was told is not known
 * in the other group. */

static void
ngx_conductor_known_move(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g,
    ngx_conductor_known_t *known)
{
    ngx_conductor_session_t  *s;

    while (g->n) {
        s = g->members[g->n - 1].session;

        if (g->filters) {
            ngx_conductor_watch_end(s);
        }

        if (ngx_conductor_group_transfer(s, g->channels, g->filters, known)
            != NGX_OK)
        {
            ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        }
    }
}
