/* The directive "history": what a client that comes back can be given. */

#include "ngx_conductor_conf.h"
#include "ngx_conductor_hub.h"


static char *ngx_conductor_hub_history_option(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *value);
static ngx_uint_t ngx_conductor_hub_history_twice(ngx_conductor_hub_t *hub,
    ngx_str_t *value);


/* history [events=N] [size=SIZE] [age=TIME] */

char *
ngx_conductor_hub_history(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (hub->history_events != NGX_CONF_UNSET_UINT
        || hub->history_size != NGX_CONF_UNSET_SIZE
        || hub->history_age != NGX_CONF_UNSET)
    {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_conductor_hub_history_option(cf, hub, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_hub_history_option(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *value)
{
    ssize_t    size;
    ngx_int_t  n;
    ngx_str_t  rest;

    if (ngx_conductor_hub_history_twice(hub, value)) {
        return ngx_conductor_conf_error(cf, value, "it is given twice");
    }

    if (ngx_conductor_option(value, "events=", &rest) == NGX_OK) {
        n = ngx_atoi(rest.data, rest.len);

        if (n == NGX_ERROR || n < 16 || n > 10000000) {
            return ngx_conductor_conf_error(cf, value,
                "the number of events is 16 to 10000000");
        }

        hub->history_events = n;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "size=", &rest) == NGX_OK) {
        size = ngx_parse_size(&rest);

        if (size == NGX_ERROR || size < 64 * 1024) {
            return ngx_conductor_conf_error(cf, value,
                "the size is a number with k or m, at least 64k");
        }

        hub->history_size = size;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "age=", &rest) == NGX_OK) {
        n = ngx_parse_time(&rest, 1);

        if (n == NGX_ERROR || n == 0) {
            return ngx_conductor_conf_error(cf, value,
                                            "the age is a time above 0");
        }

        hub->history_age = n;
        return NGX_CONF_OK;
    }

    return ngx_conductor_conf_error(cf, value,
                                "expected \"events=\", \"size=\" or \"age=\"");
}


static ngx_uint_t
ngx_conductor_hub_history_twice(ngx_conductor_hub_t *hub, ngx_str_t *value)
{
    ngx_str_t  rest;

    return (hub->history_events != NGX_CONF_UNSET_UINT
            && ngx_conductor_option(value, "events=", &rest) == NGX_OK)
           || (hub->history_size != NGX_CONF_UNSET_SIZE
               && ngx_conductor_option(value, "size=", &rest) == NGX_OK)
           || (hub->history_age != NGX_CONF_UNSET
               && ngx_conductor_option(value, "age=", &rest) == NGX_OK);
}
