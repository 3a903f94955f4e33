/* The module: its directives, its configuration, its place in nginx. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_keeper.h"
#include "ngx_conductor_session.h"
#include "ngx_conductor_snapshot.h"


static ngx_int_t ngx_conductor_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_conductor_postconfiguration(ngx_conf_t *cf);
static void *ngx_conductor_create_main_conf(ngx_conf_t *cf);
static void *ngx_conductor_create_loc_conf(ngx_conf_t *cf);
static char *ngx_conductor_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_conductor_exit_process(ngx_cycle_t *cycle);
static void ngx_conductor_exit_master(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_conductor_protocols[] = {
    { ngx_string("native"), NGX_CONDUCTOR_NATIVE },
    { ngx_string("echo"), NGX_CONDUCTOR_ECHO },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_conductor_refuse_modes[] = {
    { ngx_string("http"), NGX_CONDUCTOR_REFUSE_HTTP },
    { ngx_string("close"), NGX_CONDUCTOR_REFUSE_CLOSE },
    { ngx_null_string, 0 }
};


#define NGX_CONDUCTOR_ALL_CONF                                                \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_conductor_commands[] = {

    { ngx_string("conductor_hub"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_conductor_hub_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_SOCKET,
      NULL },

    { ngx_string("conductor_publish"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_PUBLISH,
      NULL },

    { ngx_string("conductor_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_HEALTH,
      NULL },

    { ngx_string("conductor_presence"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_REVIEWERS,
      NULL },

    { ngx_string("conductor_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_METRICS,
      NULL },

    { ngx_string("conductor_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conductor_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      NGX_CONDUCTOR_ADMIN,
      NULL },

    { ngx_string("conductor_protocol"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_conductor_loc_conf_t, protocol),
      &ngx_conductor_protocols },

    { ngx_string("conductor_jwt_key"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE23,
      ngx_conductor_jwt_key,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_jwt_key_set"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_jwt_key_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_jwt_require"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_1MORE,
      ngx_conductor_jwt_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_jwt_leeway"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_jwt_leeway,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_jwt_claims"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE12,
      ngx_conductor_jwt_claims,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_identity"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE123,
      ngx_conductor_identity_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_auth"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_token"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_1MORE,
      ngx_conductor_token,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_require_role"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_1MORE,
      ngx_conductor_require_role,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_origins"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_1MORE,
      ngx_conductor_origins,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_refuse"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_conductor_loc_conf_t, refuse),
      &ngx_conductor_refuse_modes },

    { ngx_string("conductor_backend"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_1MORE,
      ngx_conductor_backend,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_backend_concurrency"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_backend_concurrency,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_backend_timeout"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_backend_timeout,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_limit_conn"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE12,
      ngx_conductor_limit_conn,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_limit_user"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_limit_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_limit_handshakes"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE123,
      ngx_conductor_limit_handshakes,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_limit_messages"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1234,
      ngx_conductor_limit_messages,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_limit_dry_run"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_conductor_loc_conf_t, limit_dry_run),
      NULL },

    { ngx_string("conductor_max_message"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_size,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_conductor_loc_conf_t, max_message),
      NULL },

    { ngx_string("conductor_max_queue"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_size,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_conductor_loc_conf_t, max_queue),
      NULL },

    { ngx_string("conductor_ping"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE12,
      ngx_conductor_ping,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_idle_timeout"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE12,
      ngx_conductor_idle_timeout,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("conductor_compress"),
      NGX_CONDUCTOR_ALL_CONF|NGX_CONF_TAKE1,
      ngx_conductor_compress,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_conductor_module_ctx = {
    ngx_conductor_preconfiguration,        /* preconfiguration */
    ngx_conductor_postconfiguration,       /* postconfiguration */

    ngx_conductor_create_main_conf,        /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_conductor_create_loc_conf,         /* create location configuration */
    ngx_conductor_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_conductor_module = {
    NGX_MODULE_V1,
    &ngx_conductor_module_ctx,             /* module context */
    ngx_conductor_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_conductor_process_init_master,     /* init module */
    ngx_conductor_process_init,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_conductor_exit_process,            /* exit process */
    ngx_conductor_exit_master,             /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_conductor_ctx_t *
ngx_conductor_get_ctx(ngx_http_request_t *r)
{
    ngx_conductor_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_conductor_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ctx->identity.rc = NGX_AGAIN;
        ngx_http_set_ctx(r, ctx, ngx_http_conductor_module);
    }

    return ctx;
}


static ngx_int_t
ngx_conductor_preconfiguration(ngx_conf_t *cf)
{
    return ngx_conductor_add_variables(cf);
}


static ngx_int_t
ngx_conductor_postconfiguration(ngx_conf_t *cf)
{
    ngx_array_t                *access;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_conductor_hub_check(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    access = &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers;

    if (ngx_array_push(access) == NULL) {
        return NGX_ERROR;
    }

    /*
     * Handlers run from the last to the first.  Ours is the last to run:
     * what auth_request and others find out may be the identity.
     */

    h = access->elts;
    ngx_memmove(&h[1], h, (access->nelts - 1) * sizeof(*h));

    *h = ngx_conductor_access_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_conductor_upgrade_handler;

    return NGX_OK;
}


static void *
ngx_conductor_create_main_conf(ngx_conf_t *cf)
{
    ngx_conductor_main_conf_t  *cmcf;

    cmcf = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_main_conf_t));
    if (cmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&cmcf->hubs, cf->pool, 4,
                       sizeof(ngx_conductor_hub_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&cmcf->env, cf->pool, 4, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NULL;
    }

    return cmcf;
}


static void *
ngx_conductor_create_loc_conf(ngx_conf_t *cf)
{
    ngx_conductor_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->hub = NULL;
     *     conf->endpoint = NGX_CONDUCTOR_NONE;
     *     conf->optional = 0;
     *     conf->keys = NULL;
     *     conf->policy = NULL;
     *     conf->user = NULL; role, expires
     *     conf->user_claim = { 0, NULL }; role_claim
     *     conf->limit_conn_key = NULL; limit_handshakes_key
     *     conf->limit_handshakes_per = 0; limit_messages_per, _bytes, _close
     */

    conf->protocol = NGX_CONF_UNSET_UINT;
    conf->auth = NGX_CONF_UNSET_UINT;
    conf->issuers = NGX_CONF_UNSET_PTR;
    conf->audiences = NGX_CONF_UNSET_PTR;
    conf->exp_required = NGX_CONF_UNSET;
    conf->leeway = NGX_CONF_UNSET;
    conf->tokens = NGX_CONF_UNSET_PTR;
    conf->roles = NGX_CONF_UNSET_PTR;
    conf->origins = NGX_CONF_UNSET_PTR;
    conf->refuse = NGX_CONF_UNSET_UINT;
    conf->limit_conn = NGX_CONF_UNSET_UINT;
    conf->limit_user = NGX_CONF_UNSET_UINT;
    conf->limit_handshakes = NGX_CONF_UNSET_UINT;
    conf->limit_messages = NGX_CONF_UNSET_UINT;
    conf->limit_dry_run = NGX_CONF_UNSET;
    conf->max_message = NGX_CONF_UNSET_SIZE;
    conf->max_queue = NGX_CONF_UNSET_SIZE;
    conf->ping = NGX_CONF_UNSET_MSEC;
    conf->idle = NGX_CONF_UNSET_MSEC;
    conf->compress = NGX_CONF_UNSET_UINT;
    conf->backends = NGX_CONF_UNSET_PTR;
    conf->backend_calls = NGX_CONF_UNSET_UINT;
    conf->backend_timeout = NGX_CONF_UNSET_MSEC;

    return conf;
}


static char *
ngx_conductor_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_conductor_loc_conf_t *prev = parent;
    ngx_conductor_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {

        /* "if" and "limit_except" are the same location */

        conf->hub = prev->hub;
        conf->endpoint = prev->endpoint;
        conf->optional = prev->optional;
        conf->prometheus = prev->prometheus;

        if (clcf->handler == NULL) {
            clcf->handler = ngx_conductor_content_handler(conf->endpoint);
        }
    }

    ngx_conf_merge_uint_value(conf->protocol, prev->protocol,
                              NGX_CONDUCTOR_NATIVE);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);
    ngx_conf_merge_uint_value(conf->refuse, prev->refuse,
                              NGX_CONDUCTOR_REFUSE_HTTP);

    ngx_conductor_merge_limits(prev, conf);

    ngx_conf_merge_size_value(conf->max_message, prev->max_message,
                              64 * 1024);
    ngx_conf_merge_size_value(conf->max_queue, prev->max_queue,
                              1024 * 1024);

    if (conf->ping == NGX_CONF_UNSET_MSEC) {
        conf->ping_timeout = (prev->ping == NGX_CONF_UNSET_MSEC)
                             ? 20000 : prev->ping_timeout;
    }

    ngx_conf_merge_msec_value(conf->ping, prev->ping, 25000);

    if (conf->idle == NGX_CONF_UNSET_MSEC) {
        conf->idle_data = (prev->idle == NGX_CONF_UNSET_MSEC)
                          ? 0 : prev->idle_data;
    }

    ngx_conf_merge_msec_value(conf->idle, prev->idle, 300000);
    ngx_conf_merge_uint_value(conf->compress, prev->compress, 0);

    if (ngx_conductor_merge_backends(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_conductor_merge_identity(cf, prev, conf);
}


static void
ngx_conductor_exit_process(ngx_cycle_t *cycle)
{
    ngx_conductor_sessions_exit(cycle);
    ngx_conductor_process_exit(cycle);
    ngx_conductor_audit_exit(cycle);
}


static void
ngx_conductor_exit_master(ngx_cycle_t *cycle)
{
    ngx_conductor_snapshot_exit_master(cycle);
    ngx_conductor_keeper_exit_master(cycle);
}
