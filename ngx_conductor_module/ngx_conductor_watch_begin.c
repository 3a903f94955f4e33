/* Which clients are to be told of presence, and what they see of it. */

#include "ngx_conductor_watch.h"


void
ngx_conductor_watch_view(ngx_conductor_hub_t *hub, ngx_conductor_view_t *view)
{
    uint32_t                 class;
    const cdr_event_type_t  *type;
    static const cdr_str_t   name = cdr_str(NGX_CONDUCTOR_PRESENCE_UPDATE);

    view->presence = 0;
    view->hidden = NGX_CONDUCTOR_UNSEEN;

    type = cdr_event_find(&hub->policy->catalogue, name);

    if (type == NULL || !hub->presence || hub->reviewers.shm == NULL) {
        return;
    }

    class = view->sees.classes[type - hub->policy->catalogue.types];

    if (class == CDR_CLASS_NONE) {
        return;
    }

    view->presence = type->channel;
    view->hidden = cdr_reviewer_hidden(type->mask, class);
}


void
ngx_conductor_watch_begin(ngx_conductor_session_t *s)
{
    ngx_conductor_watch_t  *w;

    if (!ngx_conductor_watch_sees(s->group)
        || s->member == NGX_CONDUCTOR_NO_MEMBER)
    {
        return;
    }

    w = &s->hub->watch;

    if (w->watchers++ == 0) {
        w->fresh = 1;
    }

    s->watching = 1;
    ngx_conductor_watch_unlist(s);
    ngx_conductor_process_post();
}


void
ngx_conductor_watch_end(ngx_conductor_session_t *s)
{
    if (!s->watching) {
        return;
    }

    if (s->unlisted) {
        ngx_queue_remove(&s->waiting);
        ngx_conductor_group_unlisted(s, 0);
    }

    s->watching = 0;
    s->hub->watch.watchers--;
}


ngx_uint_t
ngx_conductor_watch_same(ngx_conductor_group_t *old,
    ngx_conductor_session_t *s)
{
    cdr_str_t               a, b;
    ngx_uint_t              filtered;
    ngx_conductor_group_t  *g;

    g = s->group;

    if (!ngx_conductor_watch_sees(old) || !ngx_conductor_watch_sees(g)
        || s->member == NGX_CONDUCTOR_NO_MEMBER
        || old->view->hidden != g->view->hidden)
    {
        return 0;
    }

    filtered = ngx_conductor_watch_filter(old, &a);

    return filtered == ngx_conductor_watch_filter(g, &b)
           && (!filtered || cdr_json_eq(a, b));
}


/* It waits for a list, and gets no changes until then. */

void
ngx_conductor_watch_unlist(ngx_conductor_session_t *s)
{
    ngx_queue_insert_tail(&s->hub->watch.waiting, &s->waiting);
    ngx_conductor_group_unlisted(s, 1);
}
