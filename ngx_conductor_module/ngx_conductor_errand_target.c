/* Whom errands are for: locations of servers, and streams in Redis. */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_redis.h"


#define NGX_CONDUCTOR_TARGET_MAX  "100000"  /* entries of a stream */


static ngx_int_t ngx_conductor_target_name(ngx_conf_t *cf,
    ngx_conductor_target_t *target, ngx_uint_t n);
static ngx_int_t ngx_conductor_target_key(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_conductor_target_t *target);
static ngx_uint_t ngx_conductor_target_is(ngx_conductor_target_t *target,
    ngx_http_core_srv_conf_t *server, ngx_str_t *name);
static ngx_uint_t ngx_conductor_target_same(ngx_str_t *a, ngx_str_t *b);


ngx_int_t
ngx_conductor_target_add(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_http_core_srv_conf_t *server, ngx_str_t *name, uint32_t *tag)
{
    ngx_uint_t               i, n;
    ngx_conductor_target_t  *target;

    if (hub->targets.elts == NULL
        && ngx_array_init(&hub->targets, cf->pool, 4,
                          sizeof(ngx_conductor_target_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    target = hub->targets.elts;
    n = 1;

    for (i = 0; i < hub->targets.nelts; i++) {

        if (ngx_conductor_target_is(&target[i], server, name)) {
            *tag = target[i].tag;
            return NGX_OK;
        }

        /* servers of the same name are told apart by their order */

        n += server && target[i].server
             && ngx_conductor_target_same(&target[i].uri, name)
             && ngx_conductor_target_same(&target[i].server->server_name,
                                          &server->server_name);
    }

    target = ngx_array_push(&hub->targets);
    if (target == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(target, sizeof(ngx_conductor_target_t));

    target->server = server;
    *(server ? &target->uri : &target->stream) = *name;

    ngx_str_set(&target->max, NGX_CONDUCTOR_TARGET_MAX);

    if (ngx_conductor_target_name(cf, target, n) != NGX_OK) {
        return NGX_ERROR;
    }

    *tag = target->tag;

    return NGX_OK;
}


/* The tag is a hash of the name: what waits for it may outlive nginx. */

static ngx_int_t
ngx_conductor_target_name(ngx_conf_t *cf, ngx_conductor_target_t *target,
    ngx_uint_t n)
{
    u_char     *p;
    ngx_str_t  *server;

    server = target->server ? &target->server->server_name : NULL;

    target->name.len = server
                       ? server->len + NGX_INT_T_LEN + 2 + target->uri.len
                       : sizeof("redis-stream:") - 1 + target->stream.len;

    p = ngx_pnalloc(cf->pool, target->name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    target->name.data = p;

    if (server == NULL) {
        p = ngx_sprintf(p, "redis-stream:%V", &target->stream);

    } else if (n > 1) {
        p = ngx_sprintf(p, "%V#%ui %V", server, n, &target->uri);

    } else if (server->len) {
        p = ngx_sprintf(p, "%V %V", server, &target->uri);

    } else {
        p = ngx_sprintf(p, "%V", &target->uri);
    }

    target->name.len = p - target->name.data;

    target->tag = cdr_json_hash((cdr_str_t) { target->name.data,
                                              target->name.len });
    target->tag = target->tag ? target->tag : 1;

    return NGX_OK;
}


static ngx_uint_t
ngx_conductor_target_is(ngx_conductor_target_t *target,
    ngx_http_core_srv_conf_t *server, ngx_str_t *name)
{
    return target->server == server
           && ngx_conductor_target_same(server ? &target->uri
                                               : &target->stream, name);
}


static ngx_uint_t
ngx_conductor_target_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && ngx_strncmp(a->data, b->data, a->len) == 0;
}


/* Before the zone is laid out, when all locations are known. */

char *
ngx_conductor_target_check(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_uint_t               i, k;
    ngx_conductor_target_t  *target;

    target = hub->targets.elts;

    for (i = 0; i < hub->targets.nelts; i++) {

        if (hub->state == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"conductor_backend\" with \"%V\" is told things "
                          "that must not be lost: hub \"%V\" needs \"state\"",
                          &target[i].name, &hub->name);
            return NGX_CONF_ERROR;
        }

        if (target[i].server == NULL && hub->redis == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"conductor_backend %V\": hub \"%V\" needs "
                          "\"redis\"", &target[i].name, &hub->name);
            return NGX_CONF_ERROR;
        }

        if (ngx_conductor_target_key(cf, hub, &target[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        for (k = 0; k < i; k++) {
            if (target[k].tag == target[i].tag) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "\"conductor_backend\": \"%V\" and \"%V\" have "
                              "the same hash, rename one of them",
                              &target[k].name, &target[i].name);
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
}


/* In a Cluster, all that a hub has is in one slot. */

static ngx_int_t
ngx_conductor_target_key(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_conductor_target_t *target)
{
    u_char     *p;
    ngx_str_t  *base;

    target->key = target->stream;

    if (target->server || !hub->redis->cluster) {
        return NGX_OK;
    }

    base = &hub->redis->base;

    p = ngx_pnalloc(cf->pool, base->len + target->stream.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    target->key.data = p;
    target->key.len = base->len + target->stream.len;

    p = ngx_cpymem(p, base->data, base->len);
    ngx_memcpy(p, target->stream.data, target->stream.len);

    return NGX_OK;
}


ngx_conductor_target_t *
ngx_conductor_target(ngx_conductor_hub_t *hub, uint32_t tag)
{
    ngx_uint_t               i;
    ngx_conductor_target_t  *target;

    target = hub->targets.elts;

    for (i = 0; i < hub->targets.nelts; i++) {
        if (target[i].tag == tag) {
            return &target[i];
        }
    }

    return NULL;
}
