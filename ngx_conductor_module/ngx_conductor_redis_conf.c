/* The directive "redis" of a hub. */

#include "ngx_conductor_redis_conf.h"


#define NGX_CONDUCTOR_REDIS_PORT         6379
#define NGX_CONDUCTOR_SENTINEL_PORT      26379
#define NGX_CONDUCTOR_REDIS_SECRET_MIN   32             /* bytes */


static ngx_conductor_rcf_t *ngx_conductor_redis_create(ngx_conf_t *cf);
static const char *ngx_conductor_redis_conflict(ngx_conductor_rcf_t *rcf);
static void ngx_conductor_redis_ports(ngx_conductor_rcf_t *rcf);


/* redis URL|env:NAME|file:PATH [password=] [timeout=] ... */

char *
ngx_conductor_hub_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    char                 *rv;
    ngx_str_t            *value;
    ngx_uint_t            i, given;
    const char           *why;
    ngx_conductor_rcf_t  *rcf;

    if (hub->redis) {
        return "is duplicate";
    }

    rcf = ngx_conductor_redis_create(cf);
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    hub->redis = rcf;

    value = cf->args->elts;
    given = 0;

    rv = ngx_conductor_redis_url(cf, rcf, &value[1]);

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rv = ngx_conductor_redis_option(cf, rcf, &value[i], &given);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    why = ngx_conductor_redis_conflict(rcf);

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis\" directive: %s", why);
        return NGX_CONF_ERROR;
    }

    ngx_conductor_redis_ports(rcf);

    return NGX_CONF_OK;
}


/* What they are if nothing else is said; after the block was read. */

char *
ngx_conductor_hub_redis_defaults(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    size_t                len;
    ngx_conductor_rcf_t  *rcf;

    rcf = hub->redis;

    if (rcf == NULL) {
        return NGX_CONF_OK;
    }

    if (hub->state == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"redis\" of hub \"%V\" needs a directory for "
                           "what Redis does not have yet: \"state\", or "
                           "\"presence\" with a file", &hub->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(rcf->timeout, 1000);
    ngx_conf_init_size_value(rcf->outbox, 8 * 1024 * 1024);
    ngx_conf_init_uint_value(rcf->stream, hub->history_events);
    ngx_conf_init_value(rcf->cluster, 0);
    ngx_conf_init_value(rcf->verify, 1);
    ngx_conf_init_value(rcf->foreign, rcf->secret.len == 0);

    if (rcf->prefix.len == 0) {
        ngx_str_set(&rcf->prefix, "conductor");
    }

    if (rcf->secret.len && rcf->secret.len < NGX_CONDUCTOR_REDIS_SECRET_MIN) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the \"secret=\" in \"redis\" directive of hub "
                           "\"%V\" has %uz bytes, less than 32",
                           &hub->name, rcf->secret.len);
    }

    len = rcf->prefix.len + hub->name.len + sizeof("{:}:") - 1;

    rcf->base.data = ngx_pnalloc(cf->pool, len + 1);
    if (rcf->base.data == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->base.len = ngx_sprintf(rcf->base.data, "{%V:%V}:%Z", &rcf->prefix,
                                &hub->name)
                    - rcf->base.data - 1;

    return ngx_conductor_redis_context(cf, rcf);
}


ngx_int_t
ngx_conductor_redis_before(ngx_conductor_rcf_t *rcf,
    ngx_conductor_rcf_t *before, ngx_pool_t *pool)
{
    if (before == NULL || before->secret.len == 0
        || (before->secret.len == rcf->secret.len
            && ngx_memcmp(before->secret.data, rcf->secret.data,
                          rcf->secret.len)
               == 0))
    {
        return NGX_OK;
    }

    rcf->before.data = ngx_pstrdup(pool, &before->secret);

    if (rcf->before.data == NULL) {
        return NGX_ERROR;
    }

    rcf->before.len = before->secret.len;

    return NGX_OK;
}


/* What only the keeper needs is no more in this process. */

void
ngx_conductor_redis_forget(ngx_conductor_redis_conf_t *rcf)
{
    ngx_conductor_redis_wipe(&rcf->password);
    ngx_conductor_redis_wipe(&rcf->sentinel_password);
    ngx_conductor_redis_wipe(&rcf->secret);
    ngx_conductor_redis_wipe(&rcf->before);
    ngx_conductor_redis_context_free(rcf);
}


static ngx_conductor_rcf_t *
ngx_conductor_redis_create(ngx_conf_t *cf)
{
    ngx_uint_t            i;
    ngx_str_t            *secret[4];
    ngx_pool_cleanup_t   *cln;
    ngx_conductor_rcf_t  *rcf;

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_rcf_t));
    if (rcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rcf->addrs, cf->pool, 2,
                       sizeof(ngx_conductor_redis_addr_t))
        != NGX_OK)
    {
        return NULL;
    }

    rcf->timeout = NGX_CONF_UNSET_MSEC;
    rcf->outbox = NGX_CONF_UNSET_SIZE;
    rcf->stream = NGX_CONF_UNSET_UINT;
    rcf->cluster = NGX_CONF_UNSET;
    rcf->verify = NGX_CONF_UNSET;
    rcf->foreign = NGX_CONF_UNSET;

    /* what a configuration leaves when it is freed is inherited by workers */

    secret[0] = &rcf->password;
    secret[1] = &rcf->sentinel_password;
    secret[2] = &rcf->secret;
    secret[3] = &rcf->before;

    for (i = 0; i < 4; i++) {
        cln = ngx_pool_cleanup_add(cf->pool, 0);
        if (cln == NULL) {
            return NULL;
        }

        cln->handler = ngx_conductor_redis_wipe;
        cln->data = secret[i];
    }

    return rcf;
}


/* NULL, or what does not go together. */

static const char *
ngx_conductor_redis_conflict(ngx_conductor_rcf_t *rcf)
{
    ngx_conductor_redis_addr_t  *addr;

    addr = rcf->addrs.elts;

    if (rcf->user.len && rcf->password.len == 0) {
        return "a user needs a password, in the URL or with \"password=\"";
    }

    if (rcf->sentinel.len) {
        if (rcf->cluster == 1) {
            return "it is either \"sentinel=\" or \"cluster=on\"";
        }

        if (addr->path.len) {
            return "with \"sentinel=\" the URL names hosts, not a socket";
        }

    } else if (rcf->sentinel_user.len || rcf->sentinel_password.len) {
        return "\"sentinel_user=\" and \"sentinel_password=\" need "
               "\"sentinel=\"";
    }

    if (rcf->sentinel_user.len && rcf->sentinel_password.len == 0) {
        return "\"sentinel_user=\" needs \"sentinel_password=\"";
    }

    if (rcf->cluster == 1 && rcf->database) {
        return "a cluster has database 0 only";
    }

    if (rcf->cluster == 1 && addr->path.len) {
        return "with \"cluster=on\" the URL names hosts, not a socket";
    }

    if (!rcf->tls
        && (rcf->ca.len || rcf->cert.len || rcf->key.len || rcf->tls_name.len
            || rcf->verify != NGX_CONF_UNSET))
    {
        return "\"ca=\", \"cert=\", \"key=\", \"tls_name=\" and \"verify=\" "
               "need a \"rediss://\" URL";
    }

    if ((rcf->cert.len == 0) != (rcf->key.len == 0)) {
        return "\"cert=\" and \"key=\" need each other";
    }

    return NULL;
}


static void
ngx_conductor_redis_ports(ngx_conductor_rcf_t *rcf)
{
    ngx_uint_t                   i;
    ngx_conductor_redis_addr_t  *addr;

    addr = rcf->addrs.elts;

    for (i = 0; i < rcf->addrs.nelts; i++) {
        if (addr[i].host.len && addr[i].port == 0) {
            addr[i].port = rcf->sentinel.len ? NGX_CONDUCTOR_SENTINEL_PORT
                                             : NGX_CONDUCTOR_REDIS_PORT;
        }
    }
}


/* With a NUL behind it. */

ngx_int_t
ngx_conductor_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, ngx_str_t *src)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, src->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;
    dst->len = src->len;

    p = ngx_cpymem(p, src->data, src->len);
    *p = '\0';

    return NGX_OK;
}


void
ngx_conductor_redis_wipe(void *data)
{
    ngx_str_t  *secret = data;

    if (secret->len) {
        ngx_explicit_memzero(secret->data, secret->len);
    }
}
