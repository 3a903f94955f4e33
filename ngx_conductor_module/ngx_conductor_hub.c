/* The "conductor_hub" block: what the locations of a hub share. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_errand.h"
#include "ngx_conductor_hub.h"
#include "ngx_conductor_redis.h"


/*
 * The block has a vocabulary of its own, so it is parsed with a private module
 * type; the commands get the hub, channel or event they fill from the context.
 */

#define NGX_CONDUCTOR_HUB_MODULE    0x42554843      /* "CHUB" */

#define NGX_CONDUCTOR_ZONE_MIN      (2 * 1024 * 1024)


static ngx_conductor_hub_t *ngx_conductor_hub_create(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_conductor_hub_defaults(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);
static char *ngx_conductor_hub_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_conductor_hub_name(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_conductor_hub_drain(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_conductor_hub_commands[] = {

    { ngx_string("zone"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conductor_hub_zone,
      0,
      0,
      NULL },

    { ngx_string("name"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conductor_hub_name,
      0,
      0,
      NULL },

    { ngx_string("history"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE123,
      ngx_conductor_hub_history,
      0,
      0,
      NULL },

    { ngx_string("drain"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conductor_hub_drain,
      0,
      0,
      NULL },

    { ngx_string("audit_log"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1234,
      ngx_conductor_hub_audit,
      0,
      0,
      NULL },

    { ngx_string("message"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_hub_message,
      0,
      0,
      NULL },

    { ngx_string("state"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE12,
      ngx_conductor_hub_state,
      0,
      0,
      NULL },

    { ngx_string("presence"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_hub_presence,
      0,
      0,
      NULL },

    { ngx_string("redis"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_hub_redis,
      0,
      0,
      NULL },

    { ngx_string("channel"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_conductor_hub_channel,
      0,
      0,
      NULL },

    { ngx_string("event"),
      NGX_CONDUCTOR_HUB_CONF|NGX_DIRECT_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_conductor_hub_event,
      0,
      0,
      NULL },

    { ngx_string("default"),
      NGX_CONDUCTOR_CHANNEL_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conductor_channel_default,
      0,
      0,
      NULL },

    { ngx_string("channel"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conductor_event_channel,
      0,
      0,
      NULL },

    { ngx_string("roles"),
      NGX_CONDUCTOR_CHANNEL_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_channel_roles,
      0,
      0,
      NULL },

    { ngx_string("require"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_event_paths,
      0,
      offsetof(ngx_conductor_event_conf_t, require),
      NULL },

    { ngx_string("redact"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_event_redact,
      0,
      0,
      NULL },

    { ngx_string("fields"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_event_paths,
      0,
      offsetof(ngx_conductor_event_conf_t, fields),
      NULL },

    { ngx_string("roles"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_event_roles,
      0,
      offsetof(ngx_conductor_event_conf_t, roles),
      NULL },

    { ngx_string("publish_roles"),
      NGX_CONDUCTOR_EVENT_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_conductor_event_roles,
      0,
      offsetof(ngx_conductor_event_conf_t, publish_roles),
      NULL },

      ngx_null_command
};


ngx_module_t  ngx_conductor_hub_module = {
    NGX_MODULE_V1,
    NULL,                                  /* module context */
    ngx_conductor_hub_commands,            /* module directives */
    NGX_CONDUCTOR_HUB_MODULE,              /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* The hub of that name, which may be defined later in the configuration. */

ngx_conductor_hub_t *
ngx_conductor_hub_get(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t         *hub, **hubp;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_conductor_module);

    hubp = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hubp[i]->name.len == name->len
            && ngx_strncmp(hubp[i]->name.data, name->data, name->len) == 0)
        {
            return hubp[i];
        }
    }

    hub = ngx_conductor_hub_create(cf, name);
    if (hub == NULL) {
        return NULL;
    }

    hubp = ngx_array_push(&cmcf->hubs);
    if (hubp == NULL) {
        return NULL;
    }

    *hubp = hub;

    return hub;
}


/* A hub of which nothing is known but its name. */

static ngx_conductor_hub_t *
ngx_conductor_hub_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_conductor_hub_t  *hub;

    hub = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_hub_t));
    if (hub == NULL) {
        return NULL;
    }

    hub->name = *name;
    hub->file = cf->conf_file->file.name.data;
    hub->line = cf->conf_file->line;
    hub->zone_size = NGX_CONF_UNSET_SIZE;
    hub->history_events = NGX_CONF_UNSET_UINT;
    hub->history_size = NGX_CONF_UNSET_SIZE;
    hub->history_age = NGX_CONF_UNSET;
    hub->drain = NGX_CONF_UNSET_MSEC;
    hub->snapshot = NGX_CONF_UNSET_MSEC;
    hub->presence = NGX_CONF_UNSET;
    hub->presence_ttl = NGX_CONF_UNSET;
    hub->presence_sweep = NGX_CONF_UNSET;
    hub->presence_leave = NGX_CONF_UNSET_MSEC;
    hub->presence_tick = NGX_CONF_UNSET_MSEC;
    hub->presence_list = NGX_CONF_UNSET_UINT;
    hub->presence_diff = NGX_CONF_UNSET_UINT;
    hub->presence_history = NGX_CONF_UNSET;
    hub->slot = NGX_CONDUCTOR_NO_SLOT;

    ngx_queue_init(&hub->groups);
    ngx_queue_init(&hub->known);
    ngx_queue_init(&hub->watch.waiting);
    ngx_queue_init(&hub->sessions);

    if (ngx_array_init(&hub->channels, cf->pool, 4,
                       sizeof(ngx_conductor_channel_conf_t))
        != NGX_OK
        || ngx_array_init(&hub->events, cf->pool, 8,
                          sizeof(ngx_conductor_event_conf_t))
           != NGX_OK
        || ngx_conductor_hub_backends(cf, hub) != NGX_OK)
    {
        return NULL;
    }

    return hub;
}


/*
 * Is every hub that a location names defined?  What lies in its zone depends
 * on its locations, too.
 */

ngx_int_t
ngx_conductor_hub_check(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hubp;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_conductor_module);

    hubp = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (!hubp[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "hub \"%V\" is not defined: there is no "
                          "\"conductor_hub %V { ... }\" in \"http\" in %s:%ui",
                          &hubp[i]->name, &hubp[i]->name, hubp[i]->file,
                          hubp[i]->line);
            return NGX_ERROR;
        }

        if (hubp[i]->asked && !hubp[i]->presence) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"conductor_presence\" names hub \"%V\", which has "
                          "no \"presence\"", &hubp[i]->name);
            return NGX_ERROR;
        }

        if (ngx_conductor_target_check(cf, hubp[i]) != NGX_CONF_OK
            || ngx_conductor_zone_add(cf, hubp[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


char *
ngx_conductor_hub_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                 *rv;
    ngx_str_t            *value;
    ngx_conductor_hub_t  *hub;

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    hub = ngx_conductor_hub_get(cf, &value[1]);
    if (hub == NULL) {
        return NGX_CONF_ERROR;
    }

    if (hub->defined) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "this hub is already defined");
    }

    hub->defined = 1;

    rv = ngx_conductor_hub_parse(cf, NGX_CONDUCTOR_HUB_CONF, hub);

    if (rv == NGX_CONF_OK) {
        rv = ngx_conductor_hub_defaults(cf, hub);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_conductor_hub_state_defaults(cf, hub);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_conductor_hub_redis_defaults(cf, hub);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_conductor_hub_builtin(cf, hub);
    }

    return (rv == NGX_CONF_OK) ? ngx_conductor_hub_policy(cf, hub) : rv;
}


char *
ngx_conductor_hub_parse(ngx_conf_t *cf, ngx_uint_t type, void *conf)
{
    char        *rv;
    void       **ctx;
    ngx_conf_t   save;

    ctx = ngx_pcalloc(cf->temp_pool, sizeof(void *) * ngx_max_module);
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx[ngx_conductor_hub_module.index] = conf;

    save = *cf;
    cf->ctx = ctx;
    cf->module_type = NGX_CONDUCTOR_HUB_MODULE;
    cf->cmd_type = type;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_conductor_hub_defaults(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_conf_init_size_value(hub->zone_size, 64 * 1024 * 1024);
    ngx_conf_init_uint_value(hub->history_events, 10000);
    ngx_conf_init_size_value(hub->history_size,
                             ngx_min(hub->zone_size / 4, 16 * 1024 * 1024));
    ngx_conf_init_value(hub->history_age, 3600);
    ngx_conf_init_msec_value(hub->drain, 10000);

    return (hub->channels.nelts == 0)
           ? ngx_conductor_hub_default_channels(cf, hub) : NGX_CONF_OK;
}


static char *
ngx_conductor_hub_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (hub->zone_size != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a size is a number with k or m");
    }

    if (size < NGX_CONDUCTOR_ZONE_MIN) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a zone needs at least 2m");
    }

    hub->zone_size = size;

    return NGX_CONF_OK;
}


static char *
ngx_conductor_hub_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t  *value;

    if (hub->label.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    hub->label = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_conductor_hub_drain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t  *value;

    if (hub->drain != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conductor_msec(&value[1], &hub->drain) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "it is a time of at most a year");
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_conductor_name_valid(ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > 64) {
        return NGX_ERROR;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '-' || ch == '_' || ch == '.' || ch == ':'))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
