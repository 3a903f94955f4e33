/* Presence across servers: what is done when, as a hook of joining. */

#include "ngx_conductor_guests.h"


#define NGX_CONDUCTOR_GUESTS_QUIET  3500    /* ms without an answer */


static void ngx_conductor_guests_start(ngx_conductor_join_t *join);
static ngx_int_t ngx_conductor_guests_names(ngx_conductor_guests_t *g);
static ngx_int_t ngx_conductor_guests_sign(ngx_conductor_guests_t *g);
static void ngx_conductor_guests_up(ngx_conductor_join_t *join);
static void ngx_conductor_guests_listen(ngx_conductor_join_t *join);
static void ngx_conductor_guests_down(ngx_conductor_join_t *join);
static void ngx_conductor_guests_tick(ngx_conductor_join_t *join);
static void ngx_conductor_guests_alone(ngx_conductor_guests_t *g);
static void ngx_conductor_guests_stop(ngx_conductor_join_t *join);
static ngx_int_t ngx_conductor_guests_message(ngx_conductor_join_t *join,
    ngx_str_t *channel, ngx_str_t *text);
static ngx_uint_t ngx_conductor_guests_place(void);


ngx_conductor_join_hook_t  ngx_conductor_join_presence = {
    ngx_conductor_guests_start,
    ngx_conductor_guests_up,
    ngx_conductor_guests_listen,
    ngx_conductor_guests_down,
    ngx_conductor_guests_tick,
    ngx_conductor_guests_stop,
    ngx_conductor_guests_message,
    NULL
};


/* NULL if there was no memory for it. */

ngx_conductor_guests_t *
ngx_conductor_guests(ngx_conductor_join_t *join)
{
    return join->data[ngx_conductor_guests_place()];
}


static void
ngx_conductor_guests_start(ngx_conductor_join_t *join)
{
    ngx_pool_t              *pool;
    ngx_conductor_hub_t     *hub;
    ngx_conductor_guests_t  *g;

    hub = join->hub;

    pool = ngx_create_pool(4096, join->log);
    if (pool == NULL) {
        return;
    }

    g = ngx_pcalloc(pool, sizeof(ngx_conductor_guests_t));
    if (g == NULL) {
        goto failed;
    }

    g->join = join;
    g->hub = hub;
    g->pool = pool;
    g->lost = ngx_current_msec;
    g->version = ngx_conductor_now() << 10;
    g->listing = (hub->presence && hub->guests.shm != NULL);

    if (ngx_conductor_guests_names(g) != NGX_OK
        || ngx_conductor_guests_sign(g) != NGX_OK)
    {
        goto failed;
    }

    if (g->listing) {
        g->told = ngx_calloc(hub->reviewers.n * sizeof(uint64_t), join->log);
        if (g->told == NULL) {
            goto failed;
        }

        ngx_conductor_zone_lock(hub);
        cdr_guest_self(&hub->guests, hub->zone->joining.server);
        ngx_conductor_zone_unlock(hub);
    }

    join->data[ngx_conductor_guests_place()] = g;

    return;

failed:

    ngx_destroy_pool(pool);
}


static ngx_int_t
ngx_conductor_guests_names(ngx_conductor_guests_t *g)
{
    u_char   own[sizeof("reviewers:") + NGX_INT64_LEN];
    u_char   next[sizeof(own) + sizeof(":next")];

    g->id.data = ngx_pnalloc(g->pool, NGX_INT64_LEN);
    if (g->id.data == NULL) {
        return NGX_ERROR;
    }

    g->id.len = ngx_sprintf(g->id.data, "%uL", g->hub->zone->joining.server)
                - g->id.data;

    g->label.data = g->hub->label.data;
    g->label.len = ngx_min(g->hub->label.len, CDR_GUEST_LABEL_MAX);

    *ngx_sprintf(own, "reviewers:%V", &g->id) = '\0';
    *ngx_sprintf(next, "%s:next", own) = '\0';

    if (ngx_conductor_join_name(g->join, g->pool, &g->servers, "servers")
        != NGX_OK
        || ngx_conductor_join_name(g->join, g->pool, &g->names, "names")
           != NGX_OK
        || ngx_conductor_join_name(g->join, g->pool, &g->versions, "versions")
           != NGX_OK
        || ngx_conductor_join_name(g->join, g->pool, &g->channel, "presence")
           != NGX_OK
        || ngx_conductor_join_name(g->join, g->pool, &g->own, (char *) own)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_conductor_join_name(g->join, g->pool, &g->next, (char *) next);
}


static ngx_int_t
ngx_conductor_guests_sign(ngx_conductor_guests_t *g)
{
    cdr_str_t  secret;

    secret.data = g->join->conf->secret.data;
    secret.len = g->join->conf->secret.len;

    return (secret.len == 0 || cdr_sign_init(&g->sign, secret) == CDR_OK)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_conductor_guests_up(ngx_conductor_join_t *join)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);
    if (g == NULL) {
        return;
    }

    g->up = 1;
    g->beating = 0;
    g->waiting = 0;
    g->answered = ngx_current_msec;
    g->sure_at = ngx_current_msec;
    g->back_at = ngx_current_msec + NGX_CONDUCTOR_GUESTS_SURE;
    g->beat_at = ngx_current_msec;

    ngx_memzero(g->peers, sizeof(g->peers));

    if (!g->listing) {
        return;
    }

    ngx_conductor_tell_all(g, 0);
    ngx_conductor_beat(g);
    ngx_conductor_tell(g);
}


/* What the others have told meanwhile is found by the next beat. */

static void
ngx_conductor_guests_listen(ngx_conductor_join_t *join)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);

    if (g && g->listing) {
        (void) ngx_conductor_join_subscribe(join, &g->channel);
    }
}


static void
ngx_conductor_guests_down(ngx_conductor_join_t *join)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);
    if (g == NULL || !g->up) {
        return;
    }

    g->up = 0;
    g->pushing = 0;
    g->lost = ngx_current_msec;

    ngx_conductor_peers_stale(g);
}


static void
ngx_conductor_guests_tick(ngx_conductor_join_t *join)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);
    if (g == NULL) {
        return;
    }

    if (!g->up) {
        ngx_conductor_guests_alone(g);
        return;
    }

    if (ngx_current_msec - g->answered > NGX_CONDUCTOR_GUESTS_QUIET
        && !g->stale)
    {
        ngx_conductor_peers_stale(g);
    }

    ngx_conductor_beat(g);

    if (g->listing) {
        ngx_conductor_tell(g);
    }
}


/* Nobody can say that they are gone; but they are not kept for ever. */

static void
ngx_conductor_guests_alone(ngx_conductor_guests_t *g)
{
    int               rc;
    uint32_t          i;
    ngx_msec_t        alone;
    cdr_guest_peer_t  peer;

    alone = ngx_current_msec - g->lost;

    if (!g->listing || alone < NGX_CONDUCTOR_GUESTS_BEAT) {
        return;
    }

    if (!g->stale) {
        ngx_conductor_peers_stale(g);
    }

    if (alone < (ngx_msec_t) g->hub->presence_ttl * 1000) {
        return;
    }

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {

        ngx_conductor_zone_lock(g->hub);
        rc = cdr_guest_next(&g->hub->guests, &i, &peer);
        ngx_conductor_zone_unlock(g->hub);

        if (rc != CDR_OK) {
            return;
        }

        ngx_conductor_peers_drop(g, i, NULL);
    }
}


static void
ngx_conductor_guests_stop(ngx_conductor_join_t *join)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);

    if (g && g->up) {
        ngx_conductor_leave(g);
    }
}


static ngx_int_t
ngx_conductor_guests_message(ngx_conductor_join_t *join, ngx_str_t *channel,
    ngx_str_t *text)
{
    ngx_conductor_guests_t  *g;

    g = ngx_conductor_guests(join);

    if (g == NULL || channel->len != g->channel.len
        || ngx_memcmp(channel->data, g->channel.data, channel->len) != 0)
    {
        return NGX_DECLINED;
    }

    if (g->listing) {
        ngx_conductor_peers_message(g, text);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_guests_place(void)
{
    ngx_uint_t  i;

    for (i = 0; ngx_conductor_join_hooks[i] != &ngx_conductor_join_presence;
         i++)
    {
        /* void */
    }

    return i;
}
