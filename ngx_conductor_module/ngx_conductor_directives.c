/*
 * Directives of a location but those of identity and limits, and the
 * vocabulary of all.
 */

#include "ngx_conductor.h"

#include <cdr_origin.h>


static char *ngx_conductor_endpoint_option(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf, ngx_str_t *value);


/* One way to say that a value is wrong: directive, value, reason. */

char *
ngx_conductor_conf_error(ngx_conf_t *cf, ngx_str_t *value, const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive: %s",
                       value, (ngx_str_t *) cf->args->elts, why);

    return NGX_CONF_ERROR;
}


/* Is the value "name=..."?  NGX_OK with the rest, or NGX_DECLINED. */

ngx_int_t
ngx_conductor_option(ngx_str_t *value, const char *name, ngx_str_t *rest)
{
    size_t  len;

    len = ngx_strlen(name);

    if (value->len < len || ngx_strncmp(value->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    rest->data = value->data + len;
    rest->len = value->len - len;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_complex_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    ngx_http_compile_complex_value_t  ccv;

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv);
}


/* "conductor", "conductor_publish" and so on: what a location is */

char *
ngx_conductor_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->endpoint != NGX_CONDUCTOR_NONE) {
        return (lcf->endpoint == (ngx_conductor_endpoint_e) cmd->offset)
               ? "is duplicate"
               : "stands in a location that is another endpoint already";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "a hub has a name");
    }

    lcf->hub = ngx_conductor_hub_get(cf, &value[1]);
    if (lcf->hub == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->endpoint = (ngx_conductor_endpoint_e) cmd->offset;

    if (cf->args->nelts == 3) {
        rv = ngx_conductor_endpoint_option(cf, lcf, &value[2]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (lcf->endpoint == NGX_CONDUCTOR_ADMIN
        && (clcf->exact_match || clcf->named
#if (NGX_PCRE)
            || clcf->regex
#endif
           ))
    {
        return "needs a location that is a prefix: what follows it says what "
               "to do";
    }

    if (lcf->endpoint == NGX_CONDUCTOR_REVIEWERS) {
        lcf->hub->asked = 1;
    }

    if (lcf->endpoint != NGX_CONDUCTOR_SOCKET) {
        clcf->handler = ngx_conductor_content_handler(lcf->endpoint);
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_endpoint_option(ngx_conf_t *cf, ngx_conductor_loc_conf_t *lcf,
    ngx_str_t *value)
{
    ngx_str_t  format;

    if (lcf->endpoint != NGX_CONDUCTOR_METRICS) {

        if (ngx_strcmp(value->data, "optional") != 0) {
            return ngx_conductor_conf_error(cf, value,
                                            "it can only be \"optional\"");
        }

        lcf->optional = 1;

        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "format=", &format) == NGX_OK) {

        if (ngx_strcmp(format.data, "prometheus") == 0) {
            lcf->prometheus = 1;
            return NGX_CONF_OK;
        }

        if (ngx_strcmp(format.data, "json") == 0) {
            return NGX_CONF_OK;
        }
    }

    return ngx_conductor_conf_error(cf, value,
        "it can only be \"format=json\" or \"format=prometheus\"");
}


/* NULL for a socket, which is no content of its location. */

ngx_http_handler_pt
ngx_conductor_content_handler(ngx_conductor_endpoint_e endpoint)
{
    switch (endpoint) {

    case NGX_CONDUCTOR_PUBLISH:
        return ngx_conductor_publish_handler;

    case NGX_CONDUCTOR_HEALTH:
        return ngx_conductor_health_handler;

    case NGX_CONDUCTOR_METRICS:
        return ngx_conductor_metrics_handler;

    case NGX_CONDUCTOR_ADMIN:
        return ngx_conductor_admin_handler;

    case NGX_CONDUCTOR_REVIEWERS:
        return ngx_conductor_presence_handler;

    default:
        return NULL;
    }
}


/*
 * As nginx's own ngx_conf_set_enum_slot() and ngx_conf_set_size_slot(), which
 * do not say what is wrong.
 */

char *
ngx_conductor_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char           *p, *last;
    ngx_str_t        *value;
    ngx_uint_t       *np;
    ngx_conf_enum_t  *e;
    u_char            why[128];

    np = (ngx_uint_t *) ((char *) conf + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    p = ngx_cpymem(why, "it must be", sizeof("it must be") - 1);
    last = why + sizeof(why) - 1;

    for (e = cmd->post; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strncmp(e->name.data, value[1].data, value[1].len) == 0)
        {
            *np = e->value;
            return NGX_CONF_OK;
        }

        p = ngx_slprintf(p, last, "%s \"%V\"",
                         (e == cmd->post) ? "" : " or", &e->name);
    }

    *p = '\0';

    return ngx_conductor_conf_error(cf, &value[1], (char *) why);
}


char *
ngx_conductor_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    off_t       size;
    size_t     *sp;
    ngx_str_t  *value;

    sp = (size_t *) ((char *) conf + cmd->offset);

    if (*sp != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_offset(&value[1]);

    if (size == NGX_ERROR || size < 128 || size > 1024 * 1024 * 1024) {
        return ngx_conductor_conf_error(cf, &value[1],
                                        "it is a size from 128 to 1g");
    }

    *sp = size;

    return NGX_CONF_OK;
}


char *
ngx_conductor_ping(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value, rest;

    if (lcf->ping != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->ping_timeout = 20000;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts != 2) {
            return ngx_conductor_conf_error(cf, &value[2],
                                            "nothing follows \"off\"");
        }

        lcf->ping = 0;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_msec(&value[1], &lcf->ping) != NGX_OK
        || lcf->ping == 0)
    {
        return ngx_conductor_conf_error(cf, &value[1],
                                  "it is a time above 0, or \"off\"");
    }

    if (cf->args->nelts == 3
        && (ngx_conductor_option(&value[2], "timeout=", &rest) != NGX_OK
            || ngx_conductor_msec(&rest, &lcf->ping_timeout) != NGX_OK
            || lcf->ping_timeout == 0))
    {
        return ngx_conductor_conf_error(cf, &value[2],
                                  "expected \"timeout=\" and a time above 0");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_idle_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->idle != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts != 2) {
            return ngx_conductor_conf_error(cf, &value[2],
                                            "nothing follows \"off\"");
        }

        lcf->idle = 0;

    } else if (ngx_conductor_msec(&value[1], &lcf->idle) != NGX_OK
               || lcf->idle == 0)
    {
        return ngx_conductor_conf_error(cf, &value[1],
                                  "it is a time above 0, or \"off\"");
    }

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "data") != 0) {
            return ngx_conductor_conf_error(cf, &value[2],
                                            "it can only be \"data\"");
        }

        lcf->idle_data = 1;
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_compress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->compress != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->compress = 0;

    } else if (ngx_strcmp(value[1].data, "on") == 0) {
        lcf->compress = 1;

    } else if (value[1].len == 1
               && value[1].data[0] >= '1' && value[1].data[0] <= '9')
    {
        lcf->compress = value[1].data[0] - '0';

    } else {
        return ngx_conductor_conf_error(cf, &value[1],
                         "it must be \"on\", \"off\" or a level from 1 to 9");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    cdr_str_t    *pattern, s;
    ngx_str_t    *value;
    ngx_uint_t    i;
    const char   *why;

    if (lcf->origins == NGX_CONF_UNSET_PTR) {
        lcf->origins = ngx_array_create(cf->pool, 4, sizeof(cdr_str_t));
        if (lcf->origins == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        s.data = value[i].data;
        s.len = value[i].len;

        if (cdr_origin_pattern_check(s, &why) != CDR_OK) {
            return ngx_conductor_conf_error(cf, &value[i], why);
        }

        pattern = ngx_array_push(lcf->origins);
        if (pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        *pattern = s;
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_number(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t min,
    ngx_uint_t max, ngx_uint_t *result)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || (ngx_uint_t) n < min || (ngx_uint_t) n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive: "
                           "it must be a number from %ui to %ui",
                           value, (ngx_str_t *) cf->args->elts, min, max);
        return NGX_CONF_ERROR;
    }

    *result = n;

    return NGX_CONF_OK;
}


/*
 * A time as nginx writes it.  Bounded by a year, so that sums of times stay
 * far from the wrap of ngx_msec_t.
 */

ngx_int_t
ngx_conductor_msec(ngx_str_t *value, ngx_msec_t *result)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || (uint64_t) n > 31536000000ull) {
        return NGX_ERROR;
    }

    *result = n;

    return NGX_OK;
}
