/* The channels and events of a hub, as its block names them. */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_hub.h"
#include "ngx_conductor_presence.h"


static ngx_conductor_event_conf_t *ngx_conductor_hub_event_new(
    ngx_conf_t *cf, ngx_conductor_hub_t *hub, ngx_str_t *name);
static ngx_int_t ngx_conductor_hub_builtin_event(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *name, ngx_str_t *channel,
    ngx_conductor_event_conf_t **ev);
static ngx_int_t ngx_conductor_hub_presence_event(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *name, ngx_str_t *channel);
static char *ngx_conductor_hub_names(ngx_conf_t *cf, ngx_array_t *list,
    ngx_uint_t paths);
static char *ngx_conductor_hub_path(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *list);
static char *ngx_conductor_hub_role(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *role, ngx_array_t *list);
static char *ngx_conductor_hub_unless(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *roles, ngx_array_t *list);


/* The three of every hub that names none. */

char *
ngx_conductor_hub_default_channels(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    cdr_str_t                     *role;
    ngx_uint_t                     i;
    ngx_conductor_channel_conf_t  *ch;

    static ngx_str_t  names[] = {
        ngx_string("tasks:updates"),
        ngx_string("presence:updates"),
        ngx_string("admin:notifications")
    };

    for (i = 0; i < 3; i++) {
        ch = ngx_array_push(&hub->channels);

        if (ch == NULL
            || ngx_array_init(&ch->roles, cf->pool, 1, sizeof(cdr_str_t))
               != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        ch->name = names[i];
        ch->on = 1;
    }

    role = ngx_array_push(&ch->roles);
    if (role == NULL) {
        return NGX_CONF_ERROR;
    }

    role->data = (u_char *) "admin";
    role->len = 5;

    return NGX_CONF_OK;
}


char *
ngx_conductor_hub_channel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t                     *value;
    ngx_conductor_channel_conf_t  *ch;

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    if (ngx_conductor_hub_index(&hub->channels,
                                sizeof(ngx_conductor_channel_conf_t),
                                &value[1])
        != NGX_DECLINED)
    {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "this channel is already defined");
    }

    if (hub->channels.nelts == CDR_POLICY_MAX_CHANNELS) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a hub has at most 64 channels");
    }

    ch = ngx_array_push(&hub->channels);
    if (ch == NULL) {
        return NGX_CONF_ERROR;
    }

    ch->name = value[1];
    ch->on = NGX_CONF_UNSET;

    if (ngx_array_init(&ch->roles, cf->pool, 4, sizeof(cdr_str_t)) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_conductor_hub_parse(cf, NGX_CONDUCTOR_CHANNEL_CONF, ch)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_value(ch->on, 0);

    return NGX_CONF_OK;
}


char *
ngx_conductor_hub_event(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t                   *value;
    ngx_conductor_event_conf_t  *ev;

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    if (ngx_conductor_hub_index(&hub->events,
                                sizeof(ngx_conductor_event_conf_t),
                                &value[1])
        != NGX_DECLINED)
    {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "this event is already defined");
    }

    if (hub->events.nelts == CDR_POLICY_MAX_EVENTS) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a hub has at most 256 events");
    }

    ev = ngx_conductor_hub_event_new(cf, hub, &value[1]);
    if (ev == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_conductor_hub_parse(cf, NGX_CONDUCTOR_EVENT_CONF, ev);
}


static ngx_conductor_event_conf_t *
ngx_conductor_hub_event_new(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *name)
{
    ngx_conductor_event_conf_t  *ev;

    ev = ngx_array_push(&hub->events);
    if (ev == NULL) {
        return NULL;
    }

    ev->name = *name;
    ngx_str_null(&ev->channel);

    if (ngx_array_init(&ev->require, cf->pool, 4, sizeof(cdr_str_t))
        != NGX_OK
        || ngx_array_init(&ev->fields, cf->pool, 4, sizeof(cdr_str_t))
           != NGX_OK
        || ngx_array_init(&ev->roles, cf->pool, 4, sizeof(cdr_str_t))
           != NGX_OK
        || ngx_array_init(&ev->publish_roles, cf->pool, 4, sizeof(cdr_str_t))
           != NGX_OK
        || ngx_array_init(&ev->redacts, cf->pool, 4,
                          sizeof(cdr_redact_conf_t))
           != NGX_OK)
    {
        return NULL;
    }

    return ev;
}


/*
 * Events that every hub has which has their channels.  Notifications may be
 * defined in another way; what tells of presence belongs to its channel, and
 * nobody publishes it.
 */

char *
ngx_conductor_hub_builtin(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    cdr_str_t                   *field;
    ngx_conductor_event_conf_t  *ev;

    static ngx_str_t  notification = ngx_string(NGX_CONDUCTOR_NOTIFICATION);
    static ngx_str_t  admin = ngx_string(NGX_CONDUCTOR_ADMIN_CHANNEL);
    static ngx_str_t  update = ngx_string(NGX_CONDUCTOR_PRESENCE_UPDATE);
    static ngx_str_t  presence = ngx_string(NGX_CONDUCTOR_PRESENCE_CHANNEL);

    if (ngx_conductor_hub_presence_event(cf, hub, &update, &presence)
        != NGX_OK
        || ngx_conductor_hub_builtin_event(cf, hub, &update, &presence, &ev)
           != NGX_OK
        || ngx_conductor_hub_builtin_event(cf, hub, &notification, &admin,
                                           &ev)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ev) {
        field = ngx_array_push_n(&ev->require, 2);
        if (field == NULL) {
            return NGX_CONF_ERROR;
        }

        field[0] = (cdr_str_t) cdr_str("level");
        field[1] = (cdr_str_t) cdr_str("message");
    }

    return NGX_CONF_OK;
}


/* NULL if it is defined, or the hub does not have its channel. */

static ngx_int_t
ngx_conductor_hub_builtin_event(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *name, ngx_str_t *channel, ngx_conductor_event_conf_t **ev)
{
    *ev = NULL;

    if (hub->events.nelts == CDR_POLICY_MAX_EVENTS
        || ngx_conductor_hub_index(&hub->channels,
                                   sizeof(ngx_conductor_channel_conf_t),
                                   channel)
           == NGX_DECLINED
        || ngx_conductor_hub_index(&hub->events,
                                   sizeof(ngx_conductor_event_conf_t), name)
           != NGX_DECLINED)
    {
        return NGX_OK;
    }

    *ev = ngx_conductor_hub_event_new(cf, hub, name);
    if (*ev == NULL) {
        return NGX_ERROR;
    }

    (*ev)->channel = *channel;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_hub_presence_event(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *name, ngx_str_t *channel)
{
    ngx_int_t                    i;
    const char                  *why;
    ngx_conductor_event_conf_t  *ev;

    i = ngx_conductor_hub_index(&hub->events,
                                sizeof(ngx_conductor_event_conf_t), name);
    if (i == NGX_DECLINED) {
        return NGX_OK;
    }

    ev = hub->events.elts;
    ev += i;

    if (ev->channel.len == 0) {
        ev->channel = *channel;
    }

    if (ev->channel.len != channel->len
        || ngx_strncmp(ev->channel.data, channel->data, channel->len) != 0)
    {
        why = "belongs to channel \"" NGX_CONDUCTOR_PRESENCE_CHANNEL "\"";

    } else if (ev->publish_roles.nelts || ev->require.nelts) {
        why = "is published by nobody: it has neither \"publish_roles\" nor "
              "\"require\"";

    } else {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "event \"%V\" in hub \"%V\" %s",
                       name, &hub->name, why);

    return NGX_ERROR;
}


char *
ngx_conductor_channel_default(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_channel_conf_t *ch = conf;

    ngx_str_t  *value;

    if (ch->on != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        ch->on = 1;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        ch->on = 0;

    } else {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "it must be \"on\" or \"off\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_event_channel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_event_conf_t *ev = conf;

    ngx_str_t  *value;

    if (ev->channel.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    ev->channel = value[1];

    return NGX_CONF_OK;
}


char *
ngx_conductor_channel_roles(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_channel_conf_t *ch = conf;

    return ngx_conductor_hub_names(cf, &ch->roles, 0);
}


/* Lists of an event; where it is in the block's data says "offset". */

char *
ngx_conductor_event_paths(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    return ngx_conductor_hub_names(cf, (ngx_array_t *) (p + cmd->offset), 1);
}


char *
ngx_conductor_event_roles(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    return ngx_conductor_hub_names(cf, (ngx_array_t *) (p + cmd->offset), 0);
}


/* redact PATH ... [unless_role=ROLE,...]; each is a rule of its own. */

char *
ngx_conductor_event_redact(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_event_conf_t *ev = conf;

    char               *rv;
    ngx_str_t          *value, rest;
    ngx_uint_t          i;
    ngx_array_t        *paths, *unless;
    cdr_redact_conf_t  *redact;

    paths = ngx_array_create(cf->pool, 4, sizeof(cdr_str_t));
    unless = ngx_array_create(cf->pool, 4, sizeof(cdr_str_t));
    redact = ngx_array_push(&ev->redacts);

    if (paths == NULL || unless == NULL || redact == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_conductor_option(&value[i], "unless_role=", &rest) == NGX_OK)
        {
            rv = ngx_conductor_hub_unless(cf, &value[i], &rest, unless);

            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        rv = ngx_conductor_hub_path(cf, &value[i], paths);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (paths->nelts == 0) {
        return "names no field";
    }

    ngx_conductor_hub_list(&redact->paths, paths);
    ngx_conductor_hub_list(&redact->unless, unless);

    return NGX_CONF_OK;
}


static char *
ngx_conductor_hub_unless(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *roles,
    ngx_array_t *list)
{
    char       *rv;
    u_char     *p, *end, *comma;
    ngx_str_t   role;

    if (list->nelts) {
        return ngx_conductor_conf_error(cf, value, "it is given twice");
    }

    p = roles->data;
    end = p + roles->len;

    do {
        comma = ngx_strlchr(p, end, ',');

        role.data = p;
        role.len = (comma ? comma : end) - p;

        rv = ngx_conductor_hub_role(cf, value, &role, list);

        if (rv != NGX_CONF_OK) {
            return rv;
        }

        p += role.len + 1;

    } while (comma);

    return NGX_CONF_OK;
}


/* Adds the arguments of a directive, which may be repeated. */

static char *
ngx_conductor_hub_names(ngx_conf_t *cf, ngx_array_t *list, ngx_uint_t paths)
{
    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = paths ? ngx_conductor_hub_path(cf, &value[i], list)
                   : ngx_conductor_hub_role(cf, &value[i], &value[i], list);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_hub_path(ngx_conf_t *cf, ngx_str_t *value, ngx_array_t *list)
{
    cdr_str_t  *path;

    path = ngx_array_push(list);
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_conductor_hub_str(path, value);

    if (cdr_mask_path_check(*path) != CDR_OK) {
        return ngx_conductor_conf_error(cf, value,
            "a field is 1 to 16 names of 1 to 255 characters with dots "
            "between them");
    }

    if (cdr_event_reserved(*path)) {
        return ngx_conductor_conf_error(cf, value,
                                        "this field belongs to the hub");
    }

    /* a slip of the pen that would hide a field from the wrong ones */

    if (ngx_strncmp(value->data, "unless", 6) == 0
        && ngx_strchr(value->data, '='))
    {
        return ngx_conductor_conf_error(cf, value,
                              "only \"redact\" takes \"unless_role=ROLE,...\""
                              ", and nothing like it is a field");
    }

    return NGX_CONF_OK;
}


/* "value" is the argument in which the role stands. */

static char *
ngx_conductor_hub_role(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *role,
    ngx_array_t *list)
{
    cdr_str_t  *name;

    name = ngx_array_push(list);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_conductor_hub_str(name, role);

    if (!cdr_policy_role_valid(*name)) {
        return ngx_conductor_conf_error(cf, value,
            "a role is 1 to 255 characters without comma or space");
    }

    return NGX_CONF_OK;
}
