/* Directives of back ends, and what a location inherits of them. */

#include "ngx_conductor_backend.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_hub.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_BACKEND_CALLS    64
#define NGX_CONDUCTOR_BACKEND_TIMEOUT  60000


/* As it was written: which back end for what. */

typedef struct {
    ngx_str_t                     uri;
    ngx_str_t                     stream;
    ngx_uint_t                    kinds;      /* a bit for each CDR_CALL_... */
} ngx_conductor_backend_conf_t;


static char *ngx_conductor_backend_kinds(ngx_conf_t *cf,
    ngx_conductor_backend_conf_t *bcf);
static char *ngx_conductor_backend_name(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conductor_backend_conf_t *bcf);
static ngx_int_t ngx_conductor_backend_target(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *conf, ngx_conductor_backend_t *backend);
static ngx_conductor_backend_t *ngx_conductor_backend_get(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *conf, ngx_conductor_backend_conf_t *bcf);
static ngx_uint_t ngx_conductor_backend_alike(ngx_http_core_srv_conf_t *a,
    ngx_http_core_srv_conf_t *b);
static uint64_t ngx_conductor_backend_key(ngx_conductor_backend_t *backend,
    ngx_uint_t n);


char *
ngx_conductor_backend(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    char                          *rv;
    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_conductor_backend_conf_t  *bcf, *other;

    value = cf->args->elts;

    if (lcf->backends == NGX_CONF_UNSET_PTR) {
        lcf->backends = ngx_array_create(cf->pool, 2,
                                        sizeof(ngx_conductor_backend_conf_t));
        if (lcf->backends == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    bcf = ngx_array_push(lcf->backends);
    if (bcf == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(bcf, sizeof(ngx_conductor_backend_conf_t));

    rv = ngx_conductor_backend_name(cf, &value[1], bcf);

    if (rv == NGX_CONF_OK) {
        rv = ngx_conductor_backend_kinds(cf, bcf);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    other = lcf->backends->elts;

    for (i = 0; i < lcf->backends->nelts - 1; i++) {
        if (other[i].kinds & bcf->kinds) {
            return ngx_conductor_conf_error(cf, &value[1],
                "another back end is called for that already");
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_backend_name(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conductor_backend_conf_t *bcf)
{
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "redis-stream:", &rest) == NGX_OK) {

        if (ngx_conductor_name_valid(&rest) != NGX_OK) {
            return ngx_conductor_conf_error(cf, value,
                "the name of a stream is 1 to 64 letters, digits or "
                "\"-_.:\"");
        }

        bcf->stream = rest;
        return NGX_CONF_OK;
    }

    if (value->len == 0 || value->data[0] != '/') {
        return ngx_conductor_conf_error(cf, value,
            "a back end is the URI of a location of this server, such as "
            "\"/backend\", or \"redis-stream:NAME\"");
    }

    bcf->uri = *value;

    return NGX_CONF_OK;
}


/* Without any it is "message". */

static char *
ngx_conductor_backend_kinds(ngx_conf_t *cf, ngx_conductor_backend_conf_t *bcf)
{
    cdr_str_t    kind;
    ngx_str_t   *value;
    ngx_uint_t   i, k;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        for (k = 0; k < CDR_CALL_N; k++) {
            kind = cdr_call_kind((cdr_call_kind_e) k);

            if (value[i].len == kind.len
                && ngx_strncmp(value[i].data, kind.data, kind.len) == 0)
            {
                break;
            }
        }

        if (k == CDR_CALL_N) {
            return ngx_conductor_conf_error(cf, &value[i],
                "a back end is called for \"connect\", \"message\", "
                "\"disconnect\" and \"presence\"");
        }

        if (bcf->kinds & (ngx_uint_t) 1 << k) {
            return ngx_conductor_conf_error(cf, &value[i],
                                            "it is given twice");
        }

        bcf->kinds |= (ngx_uint_t) 1 << k;
    }

    if (bcf->kinds == 0) {
        bcf->kinds = (ngx_uint_t) 1 << CDR_CALL_MESSAGE;
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_backend_concurrency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->backend_calls != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_conductor_number(cf, &value[1], 1, 65535,
                                &lcf->backend_calls);
}


char *
ngx_conductor_backend_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->backend_timeout != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conductor_msec(&value[1], &lcf->backend_timeout) != NGX_OK
        || lcf->backend_timeout == 0)
    {
        return ngx_conductor_conf_error(cf, &value[1],
                                  "it is a time above 0, of at most a year");
    }

    return NGX_CONF_OK;
}


/* A hub without any. */

ngx_int_t
ngx_conductor_hub_backends(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    if (ngx_array_init(&hub->messages, cf->pool, 1,
                       sizeof(ngx_conductor_message_conf_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_array_init(&hub->backends, cf->pool, 1,
                          sizeof(ngx_conductor_backend_t *));
}


/* "message", in the block of a hub */

char *
ngx_conductor_hub_message(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    cdr_str_t                      name;
    ngx_str_t                     *value;
    ngx_uint_t                     i, k;
    ngx_conductor_message_conf_t  *message;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_conductor_name_valid(&value[i]) != NGX_OK) {
            return ngx_conductor_conf_error(cf, &value[i],
                "a name is 1 to 64 letters, digits or \"-_.:\"");
        }

        if (ngx_strncmp(value[i].data, "agent:", sizeof("agent:") - 1) == 0) {
            return ngx_conductor_conf_error(cf, &value[i],
                             "such messages go to a back end without this");
        }

        name.data = value[i].data;
        name.len = value[i].len;

        if (cdr_backend_own(name)) {
            return ngx_conductor_conf_error(cf, &value[i],
                                          "such messages are the hub's own");
        }

        message = hub->messages.elts;

        for (k = 0; k < hub->messages.nelts; k++) {
            if (message[k].name.len == value[i].len
                && ngx_strncmp(message[k].name.data, value[i].data,
                               value[i].len)
                   == 0)
            {
                return ngx_conductor_conf_error(cf, &value[i],
                                                "it is given twice");
            }
        }

        message = ngx_array_push(&hub->messages);
        if (message == NULL) {
            return NGX_CONF_ERROR;
        }

        message->name = value[i];
        message->figure = CDR_FIGURE_RECEIVED + CDR_COMMAND_OTHER;
    }

    return NGX_CONF_OK;
}


/* A back end belongs to the hub of the location, and is there once. */

char *
ngx_conductor_merge_backends(ngx_conf_t *cf, ngx_conductor_loc_conf_t *prev,
    ngx_conductor_loc_conf_t *conf)
{
    ngx_uint_t                     i, k;
    ngx_conductor_backend_t       *backend;
    ngx_conductor_backend_conf_t  *bcf;

    ngx_conf_merge_ptr_value(conf->backends, prev->backends, NULL);
    ngx_conf_merge_uint_value(conf->backend_calls, prev->backend_calls,
                              NGX_CONDUCTOR_BACKEND_CALLS);
    ngx_conf_merge_msec_value(conf->backend_timeout, prev->backend_timeout,
                              NGX_CONDUCTOR_BACKEND_TIMEOUT);

    if (conf->backends == NULL || conf->endpoint != NGX_CONDUCTOR_SOCKET) {
        return NGX_CONF_OK;
    }

    bcf = conf->backends->elts;

    for (i = 0; i < conf->backends->nelts; i++) {
        backend = ngx_conductor_backend_get(cf, conf, &bcf[i]);

        if (backend == NULL) {
            return NGX_CONF_ERROR;
        }

        for (k = 0; k < CDR_CALL_N; k++) {
            if (bcf[i].kinds >> k & 1) {
                conf->backend[k] = backend;
            }
        }

        if (ngx_conductor_backend_target(cf, conf, backend) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* What must not be lost is an errand, and all that a stream is told. */

static ngx_int_t
ngx_conductor_backend_target(ngx_conf_t *cf, ngx_conductor_loc_conf_t *conf,
    ngx_conductor_backend_t *backend)
{
    ngx_uint_t               disconnect, presence;
    ngx_conductor_target_t  *target;

    disconnect = (conf->backend[CDR_CALL_DISCONNECT] == backend);
    presence = (conf->backend[CDR_CALL_PRESENCE] == backend);

    if (backend->server && !disconnect && !presence) {
        return NGX_OK;
    }

    if (ngx_conductor_target_add(cf, conf->hub, backend->server,
                                 backend->server ? &backend->uri
                                                 : &backend->stream,
                                 &backend->tag)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    target = ngx_conductor_target(conf->hub, backend->tag);

    target->calls = ngx_max(target->calls, conf->backend_calls);
    target->timeout = ngx_max(target->timeout, conf->backend_timeout);

    if (disconnect) {
        conf->disconnect_tag = backend->tag;
    }

    if (presence) {
        conf->presence_tag = backend->tag;
    }

    return NGX_OK;
}


static ngx_conductor_backend_t *
ngx_conductor_backend_get(ngx_conf_t *cf, ngx_conductor_loc_conf_t *conf,
    ngx_conductor_backend_conf_t *bcf)
{
    ngx_str_t                  *a, *b;
    ngx_uint_t                  i, n;
    ngx_array_t                *list;
    ngx_conductor_backend_t    *backend, **all;
    ngx_http_core_srv_conf_t   *server;

    server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    if (bcf->stream.len) {
        server = NULL;
    }

    list = &conf->hub->backends;
    all = list->elts;
    n = 0;

    for (i = 0; i < list->nelts; i++) {
        a = all[i]->stream.len ? &all[i]->stream : &all[i]->uri;
        b = bcf->stream.len ? &bcf->stream : &bcf->uri;

        if (a->len != b->len || ngx_strncmp(a->data, b->data, a->len) != 0) {
            continue;
        }

        if (all[i]->server == server) {
            return all[i];
        }

        n += ngx_conductor_backend_alike(server, all[i]->server);
    }

    if (list->nelts == CDR_BACKENDS) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "hub \"%V\" has more than %d back ends",
                      &conf->hub->name, CDR_BACKENDS);
        return NULL;
    }

    all = ngx_array_push(list);
    backend = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_backend_t));

    if (all == NULL || backend == NULL) {
        return NULL;
    }

    *all = backend;

    backend->uri = bcf->uri;
    backend->stream = bcf->stream;
    backend->server = server;
    backend->hub = conf->hub;
    backend->index = list->nelts - 1;
    backend->key = ngx_conductor_backend_key(backend, n);

    for (i = 0; i < NGX_CONDUCTOR_WAITS; i++) {
        ngx_queue_init(&backend->waiting[i]);
    }

    return backend;
}


/* Servers of the same name are told apart by their order. */

static ngx_uint_t
ngx_conductor_backend_alike(ngx_http_core_srv_conf_t *a,
    ngx_http_core_srv_conf_t *b)
{
    return a && b && a->server_name.len == b->server_name.len
           && ngx_strncmp(a->server_name.data, b->server_name.data,
                          a->server_name.len)
              == 0;
}


/* Of its name, with "n" of the same name before it; not 0. */

static uint64_t
ngx_conductor_backend_key(ngx_conductor_backend_t *backend, ngx_uint_t n)
{
    uint64_t   key;
    cdr_str_t  name;
    uint8_t    seed[CDR_SIPHASH_KEY_LEN];

    ngx_memzero(seed, sizeof(seed));
    ngx_memcpy(seed, &n, sizeof(n));

    if (backend->server) {
        name.data = backend->server->server_name.data;
        name.len = backend->server->server_name.len;

        key = cdr_siphash(seed, name.data, name.len);
        ngx_memcpy(seed + sizeof(key), &key, sizeof(key));
    }

    name.data = backend->server ? backend->uri.data : backend->stream.data;
    name.len = backend->server ? backend->uri.len : backend->stream.len;

    key = cdr_siphash(seed, name.data, name.len);

    return key ? key : 1;
}
