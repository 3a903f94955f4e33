/*
 * Who is told of presence, and when: a change at once, and what follows it
 * within a tick together at its end, so that what changes often is told once.
 *
 * A client gets a list first.  Until then it gets no changes; and lists are
 * given before the changes of a flush are read, so that none of these is
 * older than what the list says.
 *
 * A flush takes turns with all else, and after it rests so long that it took a
 * fifth of the time at most; but not for many ticks: after a storm, those who
 * wait cost nobody anything.  What it took is time of the processor: while
 * that was somebody else's, it was not spent here.
 */

#include "ngx_conductor_watch.h"


#define NGX_CONDUCTOR_WATCH_SHARE  5        /* one part of so many, of time */
#define NGX_CONDUCTOR_WATCH_TICKS  10       /* of rest at most */
#define NGX_CONDUCTOR_WATCH_TURN   5000     /* us */
#define NGX_CONDUCTOR_WATCH_LISTS  200000   /* us, for the lists of a flush */
#define NGX_CONDUCTOR_WATCH_STEP   32       /* clients between two looks at
                                               the clock */


static void ngx_conductor_watch_turn(ngx_conductor_hub_t *hub);
static uint64_t ngx_conductor_watch_cpu(void);
static void ngx_conductor_watch_wait(ngx_conductor_hub_t *hub);
static uint64_t ngx_conductor_watch_rest(ngx_conductor_hub_t *hub,
    uint64_t now);
static void ngx_conductor_watch_timer(ngx_event_t *ev);
static void ngx_conductor_watch_start(ngx_conductor_hub_t *hub,
    uint64_t now);
static void ngx_conductor_watch_stop(ngx_conductor_hub_t *hub);
static ngx_int_t ngx_conductor_watch_run(ngx_conductor_hub_t *hub,
    uint64_t until);
static ngx_int_t ngx_conductor_watch_lists(ngx_conductor_hub_t *hub,
    uint64_t until);
static void ngx_conductor_watch_give(ngx_conductor_session_t *s);
static ngx_int_t ngx_conductor_watch_changes(ngx_conductor_hub_t *hub,
    uint64_t until);
static ngx_int_t ngx_conductor_watch_group(ngx_conductor_hub_t *hub,
    ngx_conductor_group_t *g, uint64_t until);
static void ngx_conductor_watch_leave(ngx_conductor_hub_t *hub);
static void ngx_conductor_watch_resync(ngx_conductor_hub_t *hub);
static void ngx_conductor_watch_relist(ngx_conductor_group_t *g);


/* Timers have to look like those of a connection. */

static ngx_connection_t      ngx_conductor_watch_connection;

/* What is staged is that of one hub; the others wait their turn. */

static ngx_conductor_hub_t  *ngx_conductor_watch_hub;


void
ngx_conductor_watch_forget(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g)
{
    if (hub->watch.group == g) {
        ngx_conductor_watch_leave(hub);
    }

    cdr_set_free(&g->passed, &ngx_conductor_watch_alloc);
}


void
ngx_conductor_watch_wake(ngx_conductor_hub_t *hub)
{
    uint32_t           i;
    _Atomic uint32_t  *flag;

    /* after the change, as a worker looks for one after it has set its flag */

    atomic_thread_fence(memory_order_seq_cst);

    for (i = cdr_slots_next(&hub->slots, 0);
         i < CDR_SLOTS;
         i = cdr_slots_next(&hub->slots, i + 1))
    {
        flag = &hub->zone->watching[i];

        if (atomic_load_explicit(flag, memory_order_relaxed)
            && atomic_exchange(flag, 0))
        {
            ngx_conductor_wake_worker(hub, i);
        }
    }
}


void
ngx_conductor_watch(ngx_conductor_hub_t *hub)
{
    uint64_t                now;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;

    if (ngx_conductor_watch_hub && ngx_conductor_watch_hub != hub) {
        return;
    }

    if (!w->flushing) {

        if (w->watchers == 0) {
            return;
        }

        if (ngx_queue_empty(&w->waiting) && !w->fresh
            && cdr_presence_version(&hub->reviewers) == w->cursor.version)
        {
            ngx_conductor_watch_wait(hub);
            return;
        }

        now = ngx_conductor_clock();

        if (ngx_conductor_watch_rest(hub, now)) {
            return;
        }

        ngx_conductor_watch_start(hub, now);
    }

    ngx_conductor_watch_turn(hub);

    /* the rest, after a turn for the clients; or what has changed meanwhile */

    ngx_conductor_process_post_next();
}


static void
ngx_conductor_watch_turn(ngx_conductor_hub_t *hub)
{
    uint64_t                cpu;
    ngx_int_t               rc;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;
    cpu = ngx_conductor_watch_cpu();

    rc = ngx_conductor_watch_run(hub, ngx_conductor_clock()
                                      + NGX_CONDUCTOR_WATCH_TURN);

    w->end = ngx_conductor_clock();
    w->spent += ngx_conductor_watch_cpu() - cpu;

    if (rc == NGX_OK) {
        ngx_conductor_watch_stop(hub);
    }
}


/* What this thread has had of a processor, in us. */

static uint64_t
ngx_conductor_watch_cpu(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* All is told: whoever changes something wakes this worker. */

static void
ngx_conductor_watch_wait(ngx_conductor_hub_t *hub)
{
    atomic_store(&hub->zone->watching[hub->slot], 1);
    atomic_thread_fence(memory_order_seq_cst);

    if (cdr_presence_version(&hub->reviewers) != hub->watch.cursor.version
        && atomic_exchange(&hub->zone->watching[hub->slot], 0))
    {
        ngx_conductor_process_post_next();
    }
}


/* How long it still has to be quiet, in us; the timer is set then. */

static uint64_t
ngx_conductor_watch_rest(ngx_conductor_hub_t *hub, uint64_t now)
{
    uint64_t                due, tick;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;
    tick = (uint64_t) hub->presence_tick * 1000;

    due = w->start + ngx_max(w->spent * NGX_CONDUCTOR_WATCH_SHARE, tick);
    due = ngx_min(due, w->end + tick * NGX_CONDUCTOR_WATCH_TICKS);

    if (w->start == 0 || due <= now) {
        return 0;
    }

    if (!w->timer.timer_set) {
        ngx_conductor_watch_connection.fd = (ngx_socket_t) -1;

        w->timer.handler = ngx_conductor_watch_timer;
        w->timer.data = &ngx_conductor_watch_connection;
        w->timer.log = ngx_cycle->log;
        w->timer.cancelable = 1;

        ngx_add_timer(&w->timer, (due - now + 999) / 1000);
    }

    return due - now;
}


static void
ngx_conductor_watch_timer(ngx_event_t *ev)
{
    ngx_conductor_process_post();
}


static void
ngx_conductor_watch_start(ngx_conductor_hub_t *hub, uint64_t now)
{
    ngx_queue_t            *q;
    cdr_presence_fill_t     fill;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;

    ngx_conductor_watch_hub = hub;

    w->flushing = 1;
    w->start = now;
    w->spent = 0;
    w->lists = 0;

    for (q = ngx_queue_head(&w->waiting);
         q != ngx_queue_sentinel(&w->waiting);
         q = ngx_queue_next(q))
    {
        w->lists++;
    }

    ngx_conductor_zone_lock(hub);

    if (w->fresh) {
        w->fresh = 0;
        cdr_presence_end(&hub->reviewers, &w->cursor);
    }

    cdr_presence_fill(&hub->reviewers, &fill);

    ngx_conductor_zone_unlock(hub);

    w->from = w->cursor.version;
    w->target = cdr_presence_version(&hub->reviewers);

    if (fill.live >= hub->presence_diff) {
        w->diff = 1;

    } else if (fill.live < hub->presence_diff * 4 / 5) {
        w->diff = 0;
    }
}


static void
ngx_conductor_watch_stop(ngx_conductor_hub_t *hub)
{
    ngx_conductor_watch_leave(hub);
    ngx_conductor_watch_stage_reset();
    ngx_conductor_watch_list_reset();

    hub->watch.flushing = 0;
    hub->watch.staged = 0;

    ngx_conductor_watch_hub = NULL;
}


/* NGX_OK if the flush is over, NGX_AGAIN if its turn is. */

static ngx_int_t
ngx_conductor_watch_run(ngx_conductor_hub_t *hub, uint64_t until)
{
    ngx_int_t               rc;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;

    if (ngx_conductor_watch_lists(hub, until) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    while (w->watchers) {

        if (!w->staged) {

            if (w->cursor.version >= w->target) {
                return NGX_OK;
            }

            rc = ngx_conductor_watch_stage(hub);

            if (rc == NGX_DECLINED) {
                ngx_conductor_watch_resync(hub);
                return NGX_OK;
            }

            if (rc == NGX_DONE) {
                return NGX_OK;
            }

            w->staged = 1;
            w->pass++;
        }

        if (ngx_conductor_watch_changes(hub, until) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        ngx_conductor_watch_stage_reset();
        w->staged = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_watch_lists(ngx_conductor_hub_t *hub, uint64_t until)
{
    ngx_queue_t              *q;
    ngx_conductor_watch_t    *w;
    ngx_conductor_session_t  *s;

    w = &hub->watch;

    for ( /* void */ ; w->lists && !ngx_queue_empty(&w->waiting); w->lists--) {
        q = ngx_queue_head(&w->waiting);
        s = ngx_queue_data(q, ngx_conductor_session_t, waiting);

        if (w->spent >= NGX_CONDUCTOR_WATCH_LISTS) {

            /* when so many come, those who are there are not to wait */

            break;
        }

        ngx_conductor_watch_give(s);

        if (ngx_conductor_clock() >= until) {
            w->lists--;
            return NGX_AGAIN;
        }
    }

    w->lists = 0;

    return NGX_OK;
}


static void
ngx_conductor_watch_give(ngx_conductor_session_t *s)
{
    ngx_conductor_buf_t  *buf;

    ngx_queue_remove(&s->waiting);
    ngx_conductor_group_unlisted(s, 0);

    buf = ngx_conductor_watch_list(s->hub, s->group);

    if (buf == NULL) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return;
    }

    ngx_conductor_count(s->hub, CDR_FIGURE_SENT + CDR_SENT_LIST, 1);

    if (ngx_conductor_output_buf(s, buf, 0) == NGX_OK) {
        (void) ngx_conductor_output_flush(s);
    }

    ngx_conductor_buf_unref(buf);
}


/* What is staged, to all groups. */

static ngx_int_t
ngx_conductor_watch_changes(ngx_conductor_hub_t *hub, uint64_t until)
{
    ngx_int_t               rc;
    ngx_queue_t            *q;
    ngx_conductor_group_t  *g;

    rc = NGX_OK;
    hub->sending = 1;

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups) && rc == NGX_OK;
         q = ngx_queue_next(q))
    {
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        if (g->pass == hub->watch.pass || g->n == 0
            || !ngx_conductor_watch_sees(g))
        {
            continue;
        }

        rc = ngx_conductor_watch_group(hub, g, until);
    }

    hub->sending = 0;

    if (hub->deserted) {
        hub->deserted = 0;
        ngx_conductor_groups_tidy(hub);
    }

    return rc;
}


static ngx_int_t
ngx_conductor_watch_group(ngx_conductor_hub_t *hub, ngx_conductor_group_t *g,
    uint64_t until)
{
    ngx_int_t               rc;
    ngx_uint_t              n;
    ngx_conductor_watch_t  *w;

    w = &hub->watch;

    if (w->group != g) {
        ngx_conductor_watch_leave(hub);

        rc = ngx_conductor_watch_stage_buf(hub, g, &w->buf, &w->type);

        if (rc != NGX_OK) {
            g->pass = w->pass;

            if (rc == NGX_ERROR) {

                /* they must not go on without what they miss */

                ngx_conductor_watch_relist(g);
            }

            return NGX_OK;
        }

        w->group = g;
        w->at = g->n;
    }

    do {
        n = ngx_conductor_group_tell(g, w->buf, &w->at,
                                     NGX_CONDUCTOR_WATCH_STEP);

        ngx_conductor_count(hub, CDR_FIGURE_SENT + w->type,
                            n * w->buf->messages);

        rc = (ngx_conductor_clock() >= until) ? NGX_AGAIN : NGX_OK;

    } while (rc == NGX_OK && w->at);

    if (w->at == 0) {
        g->pass = w->pass;
        ngx_conductor_watch_leave(hub);
    }

    return rc;
}


/* No group is being told any more. */

static void
ngx_conductor_watch_leave(ngx_conductor_hub_t *hub)
{
    if (hub->watch.group) {
        ngx_conductor_buf_unref(hub->watch.buf);
        hub->watch.group = NULL;
    }
}


/* What has been forgotten cannot be told: lists begin anew. */

static void
ngx_conductor_watch_resync(ngx_conductor_hub_t *hub)
{
    ngx_queue_t            *q;
    ngx_conductor_group_t  *g;

    hub->watch.fresh = 1;

    for (q = ngx_queue_head(&hub->groups);
         q != ngx_queue_sentinel(&hub->groups);
         q = ngx_queue_next(q))
    {
        g = ngx_queue_data(q, ngx_conductor_group_t, queue);

        if (ngx_conductor_watch_sees(g)) {
            ngx_conductor_watch_relist(g);
        }
    }
}


static void
ngx_conductor_watch_relist(ngx_conductor_group_t *g)
{
    uint32_t                  i;
    ngx_conductor_session_t  *s;

    for (i = 0; i < g->n; i++) {
        s = g->members[i].session;

        if (!s->unlisted) {
            ngx_conductor_watch_unlist(s);
        }
    }
}
