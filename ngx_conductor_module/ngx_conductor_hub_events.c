/* The channels and events of a hub, and the catalogue made of them. */

#include "ngx_conductor_hub.h"


static ngx_int_t ngx_conductor_channel_index(ngx_conductor_hub_t *hub,
    ngx_str_t *name);


char *
ngx_conductor_hub_channel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    ngx_str_t                *value;
    ngx_conductor_channel_t  *ch;

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    if (ngx_conductor_channel_index(hub, &value[1]) != NGX_DECLINED) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "this channel is already defined");
    }

    if (hub->channels.nelts == NGX_CONDUCTOR_MAX_CHANNELS) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a hub has at most 64 channels");
    }

    ch = ngx_array_push(&hub->channels);
    if (ch == NULL) {
        return NGX_CONF_ERROR;
    }

    ch->name = value[1];
    ch->on = NGX_CONF_UNSET;

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
    ngx_uint_t                   i;
    ngx_conductor_event_conf_t  *ev;

    value = cf->args->elts;

    if (ngx_conductor_name_valid(&value[1]) != NGX_OK) {
        return ngx_conductor_conf_error(cf, &value[1],
            "a name is 1 to 64 letters, digits or \"-_.:\"");
    }

    ev = hub->events.elts;

    for (i = 0; i < hub->events.nelts; i++) {
        if (ev[i].name.len == value[1].len
            && ngx_strncmp(ev[i].name.data, value[1].data, value[1].len) == 0)
        {
            return ngx_conductor_conf_error(cf, &value[1],
                                            "this event is already defined");
        }
    }

    if (hub->events.nelts == NGX_CONDUCTOR_MAX_EVENTS) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a hub has at most 256 events");
    }

    ev = ngx_array_push(&hub->events);
    if (ev == NULL) {
        return NGX_CONF_ERROR;
    }

    ev->name = value[1];
    ngx_str_null(&ev->channel);

    if (ngx_array_init(&ev->require, cf->pool, 4, sizeof(cdr_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_conductor_hub_parse(cf, NGX_CONDUCTOR_EVENT_CONF, ev);
}


char *
ngx_conductor_channel_default(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_channel_t *ch = conf;

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
ngx_conductor_event_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_event_conf_t *ev = conf;

    cdr_str_t   *field;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0 || value[i].len > 255) {
            return ngx_conductor_conf_error(cf, &value[i],
                                     "a field's name is 1 to 255 characters");
        }

        field = ngx_array_push(&ev->require);
        if (field == NULL) {
            return NGX_CONF_ERROR;
        }

        field->data = value[i].data;
        field->len = value[i].len;
    }

    return NGX_CONF_OK;
}


/* Turns the events of the block into the catalogue of the core. */

char *
ngx_conductor_hub_catalogue(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    size_t                       wrong;
    uint16_t                    *slots;
    ngx_int_t                    n;
    ngx_uint_t                   i;
    cdr_event_type_t            *type;
    ngx_conductor_event_conf_t  *ev;

    ev = hub->events.elts;

    type = ngx_pcalloc(cf->pool, ngx_max(hub->events.nelts, 1)
                                 * sizeof(cdr_event_type_t));
    slots = ngx_pcalloc(cf->pool, cdr_event_catalogue_slots(hub->events.nelts)
                                  * sizeof(uint16_t));

    if (type == NULL || slots == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < hub->events.nelts; i++) {
        n = ev[i].channel.len
            ? ngx_conductor_channel_index(hub, &ev[i].channel) : 0;

        if (n == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "event \"%V\" names channel \"%V\", which "
                               "hub \"%V\" does not have",
                               &ev[i].name, &ev[i].channel, &hub->name);
            return NGX_CONF_ERROR;
        }

        type[i].name.data = ev[i].name.data;
        type[i].name.len = ev[i].name.len;
        type[i].channel = (uint16_t) n;
        type[i].nrequire = (uint16_t) ev[i].require.nelts;
        type[i].require = ev[i].require.elts;
    }

    if (cdr_event_catalogue_init(&hub->catalogue, type, hub->events.nelts,
                                 slots, &wrong)
        != CDR_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the events of hub \"%V\" are too many or repeat "
                           "a name", &hub->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_conductor_channel_index(ngx_conductor_hub_t *hub, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_conductor_channel_t  *ch;

    ch = hub->channels.elts;

    for (i = 0; i < hub->channels.nelts; i++) {
        if (ch[i].name.len == name->len
            && ngx_strncmp(ch[i].name.data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_DECLINED;
}
