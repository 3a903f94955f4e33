/*
 * The rules that a process follows: the policy of its hub, and what the roles
 * of its clients see under it.
 *
 * The workers of a newer configuration put its rules into the zone, so that
 * those of an older one, which still have clients, follow them as well: who
 * may see less from now on does see less from now on.
 */

#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_RULES_MIN  16384
#define NGX_CONDUCTOR_VIEWS_MAX  256


/* What these roles see; a reference. */

typedef struct {
    uint32_t                      roles;
    ngx_conductor_view_t         *view;
} ngx_conductor_role_view_t;


static void *ngx_conductor_rules_alloc(void *ctx, size_t size);
static void ngx_conductor_rules_free(void *ctx, void *p);
static void ngx_conductor_rules_cleanup(void *data);
static cdr_policy_t *ngx_conductor_rules_load(ngx_conductor_hub_t *hub,
    ngx_uint_t *same);
static void ngx_conductor_rules_regroup(ngx_conductor_hub_t *hub,
    cdr_policy_t *old);
static void ngx_conductor_rules_unknown(ngx_conductor_hub_t *hub);
static ngx_conductor_view_t *ngx_conductor_view_new(ngx_conductor_hub_t *hub,
    uint32_t roles);


static cdr_alloc_t  ngx_conductor_rules_allocator = {
    ngx_conductor_rules_alloc, ngx_conductor_rules_free, NULL
};


/* How many configurations this nginx has had; workers inherit the number. */

static uint64_t  ngx_conductor_generation;


ngx_int_t
ngx_conductor_rules_init(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&hub->views, cf->pool, NGX_CONDUCTOR_VIEWS_MAX,
                       sizeof(ngx_conductor_role_view_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    hub->policy = cdr_policy_new(hub->block.data, hub->block.len,
                                 &ngx_conductor_rules_allocator);
    if (hub->policy == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_conductor_rules_cleanup;
    cln->data = hub;

    return NGX_OK;
}


/* There is room for rules that grow. */

size_t
ngx_conductor_rules_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return sizeof(ngx_conductor_rules_t)
           + ngx_max(NGX_CONDUCTOR_RULES_MIN, 2 * hub->block.len);
}


int
ngx_conductor_rules_create(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    ngx_conductor_rules_t  *rules;

    rules = (ngx_conductor_rules_t *) mem;

    rules->generation = 0;
    rules->len = 0;
    rules->size = (uint32_t) (ngx_conductor_rules_size(hub, n)
                              - sizeof(ngx_conductor_rules_t));
    return CDR_OK;
}


int
ngx_conductor_rules_attach(ngx_conductor_hub_t *hub, u_char *mem, size_t size)
{
    hub->rules = (ngx_conductor_rules_t *) mem;

    return (size >= sizeof(ngx_conductor_rules_t)
            && size - sizeof(ngx_conductor_rules_t) >= hub->rules->size)
           ? CDR_OK : CDR_ERROR;
}


/* In the master, for every configuration that it is going to use. */

void
ngx_conductor_rules_count(void)
{
    ngx_conductor_generation++;
}


/*
 * Under the lock, at the start of a worker: puts its rules into the zone if
 * they are the newest.  NGX_OK if they were, so that others want waking.
 */

ngx_int_t
ngx_conductor_rules_publish(ngx_conductor_hub_t *hub)
{
    ngx_conductor_rules_t  *rules;

    rules = hub->rules;
    hub->generation = ngx_conductor_generation;

    if (rules->generation >= ngx_conductor_generation) {
        return NGX_DECLINED;
    }

    rules->len = 0;

    if (hub->block.len <= rules->size) {
        ngx_memcpy(rules->block, hub->block.data, hub->block.len);
        rules->len = (uint32_t) hub->block.len;

    } else {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "hub \"%V\": its rules have outgrown their place in "
                      "the zone: clients of older workers are sent on at "
                      "once", &hub->name);
    }

    ngx_memory_barrier();

    rules->generation = ngx_conductor_generation;

    return NGX_OK;
}


/* NGX_OK, by the newest rules; NGX_DECLINED if they are not known. */

ngx_int_t
ngx_conductor_rules_current(ngx_conductor_hub_t *hub)
{
    if (ngx_conductor_rules_changed(hub)) {
        ngx_conductor_rules_update(hub);
    }

    return hub->outdated ? NGX_DECLINED : NGX_OK;
}


/* Follows the newest rules, for clients that are connected as well. */

void
ngx_conductor_rules_update(ngx_conductor_hub_t *hub)
{
    ngx_uint_t     same;
    cdr_policy_t  *old, *policy;

    policy = ngx_conductor_rules_load(hub, &same);

    hub->outdated = (policy == NULL && !same);

    if (hub->outdated) {
        ngx_conductor_rules_unknown(hub);
        return;
    }

    if (same) {
        return;
    }

    old = hub->policy;
    hub->policy = policy;

    ngx_conductor_replay_forget();

    ngx_conductor_figures_resolve(hub);
    ngx_conductor_views_free(hub);
    ngx_conductor_rules_regroup(hub, old);

    cdr_policy_del(old);

    if (ngx_queue_empty(&hub->sessions)) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "hub \"%V\": the clients of this worker follow the rules "
                  "of the new configuration", &hub->name);
}


/* The policy in the zone, or NULL; "same" if it is the one in use. */

static cdr_policy_t *
ngx_conductor_rules_load(ngx_conductor_hub_t *hub, ngx_uint_t *same)
{
    u_char                 *block;
    uint32_t                len;
    cdr_policy_t           *policy;
    ngx_conductor_rules_t  *rules;

    rules = hub->rules;
    *same = 0;
    policy = NULL;

    block = ngx_alloc(rules->size, ngx_cycle->log);

    ngx_conductor_zone_lock(hub);

    hub->generation = rules->generation;
    len = rules->len;

    if (len > rules->size) {
        len = 0;
    }

    if (block) {
        ngx_memcpy(block, rules->block, len);
    }

    ngx_conductor_zone_unlock(hub);

    if (block == NULL || len == 0) {
        ngx_free(block);
        return NULL;
    }

    if (cdr_policy_is(hub->policy, block, len)) {
        *same = 1;

    } else {
        policy = cdr_policy_new(block, len, &ngx_conductor_rules_allocator);
    }

    ngx_free(block);

    return policy;
}


/* Each client keeps what it subscribed, by name. */

static void
ngx_conductor_rules_regroup(ngx_conductor_hub_t *hub, cdr_policy_t *old)
{
    unsigned                  to[CDR_POLICY_MAX_CHANNELS], i;
    ngx_queue_t              *q;
    ngx_conductor_session_t  *s;

    for (i = 0; i < old->nchannels; i++) {
        to[i] = cdr_policy_channel(hub->policy, old->channels[i].name);
    }

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        if (s->group) {
            ngx_conductor_resubscribe(s, to, old->nchannels);
        }
    }
}


/*
 * What the clients may see is not known any more: they find out from the
 * workers that know.
 */

static void
ngx_conductor_rules_unknown(ngx_conductor_hub_t *hub)
{
    ngx_queue_t              *q, *next;
    ngx_conductor_session_t  *s;

    for (q = ngx_queue_head(&hub->sessions);
         q != ngx_queue_sentinel(&hub->sessions);
         q = next)
    {
        next = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_conductor_session_t, queue);

        ngx_conductor_session_restart(s);
    }
}


/* What a client with these comma-joined roles sees: a reference, or NULL. */

ngx_conductor_view_t *
ngx_conductor_view(ngx_conductor_hub_t *hub, cdr_str_t role)
{
    uint32_t                    roles;
    ngx_uint_t                  i;
    ngx_conductor_view_t       *view;
    ngx_conductor_role_view_t  *rv;

    if (hub->outdated) {
        return NULL;
    }

    roles = cdr_policy_roles(hub->policy, role);
    rv = hub->views.elts;

    for (i = 0; i < hub->views.nelts; i++) {
        if (rv[i].roles == roles) {
            rv[i].view->refs++;
            return rv[i].view;
        }
    }

    view = ngx_conductor_view_new(hub, roles);
    if (view == NULL) {
        return NULL;
    }

    if (hub->views.nelts == NGX_CONDUCTOR_VIEWS_MAX) {
        ngx_conductor_views_free(hub);
    }

    /* there is always room */

    rv = ngx_array_push(&hub->views);

    rv->roles = roles;
    rv->view = view;
    view->refs++;

    return view;
}


/* One that is known already, if it is of the same things. */

static ngx_conductor_view_t *
ngx_conductor_view_new(ngx_conductor_hub_t *hub, uint32_t roles)
{
    ngx_uint_t                  i;
    ngx_conductor_view_t       *view;
    ngx_conductor_role_view_t  *rv;

    view = ngx_alloc(offsetof(ngx_conductor_view_t, sees)
                     + cdr_view_size(hub->policy), ngx_cycle->log);
    if (view == NULL) {
        return NULL;
    }

    view->refs = 1;
    cdr_view_init(&view->sees, hub->policy, roles);
    ngx_conductor_watch_view(hub, view);

    rv = hub->views.elts;

    for (i = 0; i < hub->views.nelts; i++) {
        if (cdr_view_eq(&rv[i].view->sees, &view->sees)) {
            ngx_free(view);
            rv[i].view->refs++;
            return rv[i].view;
        }
    }

    return view;
}


void
ngx_conductor_view_unref(ngx_conductor_view_t *view)
{
    if (--view->refs == 0) {
        ngx_free(view);
    }
}


/* Forgets all; groups keep theirs. */

void
ngx_conductor_views_free(ngx_conductor_hub_t *hub)
{
    ngx_uint_t                  i;
    ngx_conductor_role_view_t  *rv;

    rv = hub->views.elts;

    for (i = 0; i < hub->views.nelts; i++) {
        ngx_conductor_view_unref(rv[i].view);
    }

    hub->views.nelts = 0;
}


static void *
ngx_conductor_rules_alloc(void *ctx, size_t size)
{
    return ngx_alloc(size, ngx_cycle->log);
}


static void
ngx_conductor_rules_free(void *ctx, void *p)
{
    ngx_free(p);
}


static void
ngx_conductor_rules_cleanup(void *data)
{
    ngx_conductor_hub_t *hub = data;

    cdr_policy_del(hub->policy);
    hub->policy = NULL;
}
