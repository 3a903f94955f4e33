/* The policy of a hub, made of the channels and events of its block. */

#include "ngx_conductor_hub.h"


static ngx_int_t ngx_conductor_hub_policy_conf(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, cdr_policy_conf_t *conf);
static ngx_int_t ngx_conductor_hub_event_conf(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_conductor_event_conf_t *ev,
    cdr_event_conf_t *conf);


/*
 * Turns what the block says into the policy of the hub.  The policy is loaded
 * from the block of bytes that other processes may load it from.
 */

char *
ngx_conductor_hub_policy(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_str_t            where, name;
    cdr_policy_conf_t    conf;
    cdr_policy_error_t   err;

    if (ngx_conductor_hub_policy_conf(cf, hub, &conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&err, sizeof(cdr_policy_error_t));

    if (cdr_policy_check(&conf, &err) != CDR_OK) {
        where.data = (u_char *) err.where.data;
        where.len = err.where.len;
        name.data = (u_char *) err.name.data;
        name.len = err.name.len;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%s\" directive of "
                           "\"%V\" in hub \"%V\": %s",
                           &name, err.directive, &where, &hub->name,
                           err.error);
        return NGX_CONF_ERROR;
    }

    hub->block.len = cdr_policy_pack(NULL, &conf);
    hub->block.data = ngx_pnalloc(cf->pool, hub->block.len);

    if (hub->block.data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) cdr_policy_pack(hub->block.data, &conf);

    return (ngx_conductor_rules_init(cf, hub) == NGX_OK) ? NGX_CONF_OK
                                                         : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_conductor_hub_policy_conf(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    cdr_policy_conf_t *conf)
{
    ngx_uint_t                     i;
    cdr_event_conf_t              *event;
    cdr_channel_conf_t            *channel;
    ngx_conductor_event_conf_t    *ev;
    ngx_conductor_channel_conf_t  *ch;

    channel = ngx_pcalloc(cf->pool, hub->channels.nelts
                                    * sizeof(cdr_channel_conf_t));
    event = ngx_pcalloc(cf->pool, ngx_max(hub->events.nelts, 1)
                                  * sizeof(cdr_event_conf_t));

    if (channel == NULL || event == NULL) {
        return NGX_ERROR;
    }

    ch = hub->channels.elts;

    for (i = 0; i < hub->channels.nelts; i++) {
        ngx_conductor_hub_str(&channel[i].name, &ch[i].name);
        ngx_conductor_hub_list(&channel[i].roles, &ch[i].roles);
        channel[i].on = (ch[i].on == 1);
    }

    ev = hub->events.elts;

    for (i = 0; i < hub->events.nelts; i++) {
        if (ngx_conductor_hub_event_conf(cf, hub, &ev[i], &event[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    conf->channels = channel;
    conf->nchannels = hub->channels.nelts;
    conf->events = event;
    conf->nevents = hub->events.nelts;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_hub_event_conf(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_conductor_event_conf_t *ev, cdr_event_conf_t *conf)
{
    ngx_int_t  n;

    n = ev->channel.len
        ? ngx_conductor_hub_index(&hub->channels,
                                  sizeof(ngx_conductor_channel_conf_t),
                                  &ev->channel)
        : 0;

    if (n == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "event \"%V\" names channel \"%V\", which "
                           "hub \"%V\" does not have",
                           &ev->name, &ev->channel, &hub->name);
        return NGX_ERROR;
    }

    ngx_conductor_hub_str(&conf->name, &ev->name);
    ngx_conductor_hub_list(&conf->require, &ev->require);
    ngx_conductor_hub_list(&conf->fields, &ev->fields);
    ngx_conductor_hub_list(&conf->roles, &ev->roles);
    ngx_conductor_hub_list(&conf->publish_roles, &ev->publish_roles);

    conf->channel = n;
    conf->redacts = ev->redacts.elts;
    conf->nredacts = ev->redacts.nelts;

    return NGX_OK;
}


void
ngx_conductor_hub_list(cdr_names_t *names, ngx_array_t *list)
{
    names->names = list->elts;
    names->n = list->nelts;
}


void
ngx_conductor_hub_str(cdr_str_t *dst, ngx_str_t *src)
{
    dst->data = src->data;
    dst->len = src->len;
}


/* In a list of structures that begin with their name. */

ngx_int_t
ngx_conductor_hub_index(ngx_array_t *list, size_t size, ngx_str_t *name)
{
    u_char      *p;
    ngx_str_t   *have;
    ngx_uint_t   i;

    p = list->elts;

    for (i = 0; i < list->nelts; i++) {
        have = (ngx_str_t *) (p + i * size);

        if (have->len == name->len
            && ngx_strncmp(have->data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_DECLINED;
}
