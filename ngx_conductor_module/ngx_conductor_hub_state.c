/* The directives "state" and "presence": what a hub keeps, and where. */

#include "ngx_conductor_conf.h"
#include "ngx_conductor_hub.h"
#include "ngx_conductor_keeper.h"


#define NGX_CONDUCTOR_SNAPSHOT_MIN  100              /* ms */
#define NGX_CONDUCTOR_LIST_MAX      10000
#define NGX_CONDUCTOR_DIFF_MAX      10000000
#define NGX_CONDUCTOR_TICK_MIN      10               /* ms */
#define NGX_CONDUCTOR_TICK_MAX      10000
#define NGX_CONDUCTOR_AGE_MAX       (100 * 365 * 24 * 3600u)


typedef struct {
    const char   *name;
    ngx_uint_t    offset;
    const char *(*parse)(ngx_str_t *value, void *field);
} ngx_conductor_presence_option_t;


static char *ngx_conductor_presence_where(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *value);
static char *ngx_conductor_presence_option(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *value, ngx_uint_t *given);
static const char *ngx_conductor_parse_age(ngx_str_t *value, void *field);
static const char *ngx_conductor_parse_history(ngx_str_t *value,
    void *field);
static const char *ngx_conductor_parse_leave(ngx_str_t *value,
    void *field);
static const char *ngx_conductor_parse_tick(ngx_str_t *value, void *field);
static const char *ngx_conductor_parse_list(ngx_str_t *value, void *field);
static const char *ngx_conductor_parse_diff(ngx_str_t *value, void *field);
static const char *ngx_conductor_parse_check_key(ngx_str_t *value,
    void *field);
static char *ngx_conductor_presence_key(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *value);
static void ngx_conductor_presence_forget(void *data);
static char *ngx_conductor_state_add(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *value, ngx_str_t *name);
static ngx_int_t ngx_conductor_hub_alone(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub);


static ngx_conductor_presence_option_t  ngx_conductor_presence_options[] = {

    { "ttl=", offsetof(ngx_conductor_hub_t, presence_ttl),
      ngx_conductor_parse_age },

    { "sweep=", offsetof(ngx_conductor_hub_t, presence_sweep),
      ngx_conductor_parse_age },

    { "leave=", offsetof(ngx_conductor_hub_t, presence_leave),
      ngx_conductor_parse_leave },

    { "list=", offsetof(ngx_conductor_hub_t, presence_list),
      ngx_conductor_parse_list },

    { "diff=", offsetof(ngx_conductor_hub_t, presence_diff),
      ngx_conductor_parse_diff },

    { "tick=", offsetof(ngx_conductor_hub_t, presence_tick),
      ngx_conductor_parse_tick },

    { "history=", offsetof(ngx_conductor_hub_t, presence_history),
      ngx_conductor_parse_history },

    { "key=", 0,
      ngx_conductor_parse_check_key },

    { NULL, 0, NULL }
};


/* state DIR [snapshot=TIME] */

char *
ngx_conductor_hub_state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t  *value, rest, name;

    if (hub->state) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 3) {

        if (ngx_conductor_option(&value[2], "snapshot=", &rest) != NGX_OK) {
            return ngx_conductor_conf_error(cf, &value[2],
                                            "expected \"snapshot=\"");
        }

        if (ngx_conductor_msec(&rest, &hub->snapshot) != NGX_OK
            || hub->snapshot < NGX_CONDUCTOR_SNAPSHOT_MIN)
        {
            return ngx_conductor_conf_error(cf, &value[2],
                                   "it is a time from 100ms to a year");
        }
    }

    name = value[1];

    if (name.len && ngx_conf_full_name(cf->cycle, &name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_conductor_state_add(cf, hub, &value[1], &name);
}


/* presence FILE|memory|off [ttl=] [sweep=] ... */

char *
ngx_conductor_hub_presence(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i, given;

    if (hub->presence != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    given = 0;

    rv = ngx_conductor_presence_where(cf, hub, &value[1]);

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {

        if (!hub->presence) {
            return ngx_conductor_conf_error(cf, &value[i],
                                            "nothing follows \"off\"");
        }

        rv = ngx_conductor_presence_option(cf, hub, &value[i], &given);
    }

    return rv;
}


/* What they are if nothing else is said; after the block was read. */

char *
ngx_conductor_hub_state_defaults(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    char       *rv;
    ngx_str_t   name;

    ngx_conf_init_value(hub->presence, 0);
    ngx_conf_init_value(hub->presence_ttl, 1800);
    ngx_conf_init_value(hub->presence_sweep, 300);
    ngx_conf_init_msec_value(hub->presence_leave, 2000);
    ngx_conf_init_msec_value(hub->presence_tick, 100);
    ngx_conf_init_uint_value(hub->presence_list, 500);
    ngx_conf_init_uint_value(hub->presence_diff, 500);
    ngx_conf_init_value(hub->presence_history, 30 * 24 * 3600);
    ngx_conf_init_msec_value(hub->snapshot, 10000);

    if (hub->presence_file.len && hub->state == NULL) {
        name.len = hub->presence_file.len + sizeof(".state") - 1;
        name.data = ngx_pnalloc(cf->pool, name.len + 1);
        if (name.data == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_sprintf(name.data, "%V.state%Z", &hub->presence_file);

        rv = ngx_conductor_state_add(cf, hub, &name, &name);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (ngx_conductor_hub_alone(cf, hub) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (hub->presence_key.len && hub->state == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"key=\" in \"presence\" directive of hub \"%V\" "
                           "has nothing to encrypt: there is no database and "
                           "no \"state\"", &hub->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_presence_where(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *value)
{
    const char  *why;

    hub->presence = (ngx_strcmp(value->data, "off") != 0);

    if (!hub->presence || ngx_strcmp(value->data, "memory") == 0) {
        return NGX_CONF_OK;
    }

    if (value->len == 0) {
        return ngx_conductor_conf_error(cf, value, "a file has a name");
    }

    if (value->data[value->len - 1] == '/') {
        return ngx_conductor_conf_error(cf, value, "it is a directory");
    }

    hub->presence_file = *value;

    if (ngx_conf_full_name(cf->cycle, &hub->presence_file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    why = ngx_conductor_database_check(cf, hub);

    return why ? ngx_conductor_conf_error(cf, value, why) : NGX_CONF_OK;
}


static char *
ngx_conductor_presence_option(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *value, ngx_uint_t *given)
{
    ngx_str_t                         rest;
    ngx_uint_t                        i;
    const char                       *why;
    ngx_conductor_presence_option_t  *option;

    option = ngx_conductor_presence_options;

    for (i = 0; option[i].name; i++) {
        if (ngx_conductor_option(value, option[i].name, &rest) == NGX_OK) {
            break;
        }
    }

    if (option[i].name == NULL) {
        return ngx_conductor_conf_error(cf, value,
                   "expected \"ttl=\", \"sweep=\", \"leave=\", \"list=\", "
                   "\"diff=\", \"tick=\", \"history=\" or \"key=\"");
    }

    if (*given & (1u << i)) {
        return ngx_conductor_conf_error(cf, value, "it is given twice");
    }

    *given |= 1u << i;

    why = option[i].parse(&rest, (u_char *) hub + option[i].offset);

    if (why) {
        return ngx_conductor_conf_error(cf, value, why);
    }

    return (option[i].offset == 0)
           ? ngx_conductor_presence_key(cf, hub, &rest) : NGX_CONF_OK;
}


static const char *
ngx_conductor_parse_age(ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 1);

    if (n == NGX_ERROR || n == 0
        || (ngx_uint_t) n > NGX_CONDUCTOR_AGE_MAX)
    {
        return "it is a time from 1s to 100 years";
    }

    *(time_t *) field = n;

    return NULL;
}


static const char *
ngx_conductor_parse_history(ngx_str_t *value, void *field)
{
    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        *(time_t *) field = 0;
        return NULL;
    }

    return ngx_conductor_parse_age(value, field)
           ? "it is \"off\" or a time from 1s to 100 years" : NULL;
}


static const char *
ngx_conductor_parse_leave(ngx_str_t *value, void *field)
{
    return (ngx_conductor_msec(value, field) == NGX_OK)
           ? NULL : "it is a time of at most a year";
}


static const char *
ngx_conductor_parse_tick(ngx_str_t *value, void *field)
{
    ngx_msec_t  *tick;

    tick = field;

    return (ngx_conductor_msec(value, tick) == NGX_OK
            && *tick >= NGX_CONDUCTOR_TICK_MIN
            && *tick <= NGX_CONDUCTOR_TICK_MAX)
           ? NULL : "it is a time from 10ms to 10s";
}


static const char *
ngx_conductor_parse_list(ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_CONDUCTOR_LIST_MAX) {
        return "it must be a number from 1 to 10000";
    }

    *(ngx_uint_t *) field = n;

    return NULL;
}


static const char *
ngx_conductor_parse_diff(ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_CONDUCTOR_DIFF_MAX) {
        return "it must be a number from 1 to 10000000";
    }

    *(ngx_uint_t *) field = n;

    return NULL;
}


static const char *
ngx_conductor_parse_check_key(ngx_str_t *value, void *field)
{
    ngx_str_t  rest;

    return (ngx_conductor_option(value, "env:", &rest) == NGX_OK
            || ngx_conductor_option(value, "file:", &rest) == NGX_OK)
           ? NULL : "a key is given as \"env:NAME\" or \"file:PATH\"";
}


/*
 * The only copy, which workers forget; what is in the environment is forgotten
 * by the keeper, too.
 */

static char *
ngx_conductor_presence_key(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *value)
{
    ngx_str_t            key, rest;
    ngx_pool_cleanup_t  *cln;

    if (hub->presence_file.len && !cdr_store_encrypts()) {
        return ngx_conductor_conf_error(cf, value,
                   "this build has no encryption of databases");
    }

    if (ngx_conductor_key_source(cf, value, 1, &key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    hub->presence_key.data = ngx_pstrdup(cf->pool, &key);
    if (hub->presence_key.data == NULL) {
        return NGX_CONF_ERROR;
    }

    hub->presence_key.len = key.len;

    if (ngx_conductor_option(value, "file:", &rest) == NGX_OK) {
        ngx_explicit_memzero(key.data, key.len);
    }

    /* what a configuration leaves when it is freed is inherited by workers */

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_conductor_presence_forget;
    cln->data = &hub->presence_key;

    return NGX_CONF_OK;
}


static void
ngx_conductor_presence_forget(void *data)
{
    ngx_str_t  *key = data;

    ngx_explicit_memzero(key->data, key->len);
}


/* "value" is what an error is about. */

static char *
ngx_conductor_state_add(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *value, ngx_str_t *name)
{
    ngx_path_t  *path;
    const char  *why;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    if (name->len == 0) {
        return ngx_conductor_conf_error(cf, value, "a directory has a name");
    }

    path->name.len = name->len;
    path->name.data = ngx_pnalloc(cf->pool, name->len + 1);
    if (path->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_cpystrn(path->name.data, name->data, name->len + 1);

    while (path->name.len > 1
           && path->name.data[path->name.len - 1] == '/')
    {
        path->name.data[--path->name.len] = '\0';
    }

    path->data = hub;
    path->manager = ngx_conductor_keeper_manager;
    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    hub->state = path;
    hub->cycle = cf->cycle;

    why = ngx_conductor_state_check(cf, hub, &path->name);

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"state\" directive: %s",
                           value, why);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Not sooner: inside of the block there is no configuration of http. */

static ngx_int_t
ngx_conductor_hub_alone(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_str_t                   *path;
    ngx_uint_t                   i;
    const char                  *what;
    ngx_conductor_hub_t        **hubp;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_conductor_module);

    hubp = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hubp[i] == hub) {
            continue;
        }

        what = NULL;
        path = NULL;

        if (hub->state && hubp[i]->state
            && ngx_conductor_same_file(&hub->state->name,
                                       &hubp[i]->state->name))
        {
            what = "state";
            path = &hub->state->name;
        }

        if (ngx_conductor_same_file(&hub->presence_file,
                                    &hubp[i]->presence_file))
        {
            what = "presence";
            path = &hub->presence_file;
        }

        if (what) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" of hub \"%V\" is that of hub \"%V\": "
                               "\"%V\"", what, &hub->name, &hubp[i]->name,
                               path);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
