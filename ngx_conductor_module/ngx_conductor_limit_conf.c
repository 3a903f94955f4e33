/* Directives of the limits, and what a location inherits of them. */

#include "ngx_conductor.h"


static ngx_int_t ngx_conductor_limit_off(ngx_conf_t *cf);
static ngx_int_t ngx_conductor_limit_per(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *time, ngx_msec_t max, ngx_msec_t *per);
static ngx_int_t ngx_conductor_limit_key_conf(ngx_conf_t *cf,
    ngx_str_t *value, ngx_http_complex_value_t **key);
static char *ngx_conductor_limit_messages_option(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf, ngx_str_t *value);


char *
ngx_conductor_limit_conn(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_int_t   rc;
    ngx_str_t  *value;

    if (lcf->limit_conn != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    rc = ngx_conductor_limit_off(cf);

    if (rc != NGX_DECLINED) {
        lcf->limit_conn = 0;
        return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_conductor_number(cf, &value[1], 1, 1000000, &lcf->limit_conn)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3
        && ngx_conductor_limit_key_conf(cf, &value[2], &lcf->limit_conn_key)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_limit_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->limit_user != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (ngx_conductor_limit_off(cf) == NGX_OK) {
        lcf->limit_user = 0;
        return NGX_CONF_OK;
    }

    value = cf->args->elts;

    return ngx_conductor_number(cf, &value[1], 1, 1000000, &lcf->limit_user);
}


char *
ngx_conductor_limit_handshakes(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value, rest;
    ngx_uint_t   i;

    if (lcf->limit_handshakes != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    rc = ngx_conductor_limit_off(cf);

    if (rc != NGX_DECLINED) {
        lcf->limit_handshakes = 0;
        return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_conductor_number(cf, &value[1], 1, 100000000,
                             &lcf->limit_handshakes)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_conductor_option(&value[i], "per=", &rest) == NGX_OK) {
            rc = ngx_conductor_limit_per(cf, &value[i], &rest, UINT32_MAX,
                                         &lcf->limit_handshakes_per);

        } else if (ngx_conductor_option(&value[i], "key=", &rest) == NGX_OK) {
            rc = ngx_conductor_limit_key_conf(cf, &value[i],
                                              &lcf->limit_handshakes_key);

        } else {
            return ngx_conductor_conf_error(cf, &value[i],
                                  "expected \"per=\" or \"key=$variable\"");
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (lcf->limit_handshakes_per == 0) {
        return ngx_conductor_conf_error(cf, &value[1],
                                 "a number of handshakes needs \"per=TIME\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_conductor_limit_messages(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_loc_conf_t *lcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (lcf->limit_messages != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    rc = ngx_conductor_limit_off(cf);

    if (rc != NGX_DECLINED) {
        lcf->limit_messages = 0;
        return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_conductor_number(cf, &value[1], 1, 100000000,
                             &lcf->limit_messages)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_conductor_limit_messages_option(cf, lcf, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (lcf->limit_messages_per == 0) {
        return ngx_conductor_conf_error(cf, &value[1],
                                  "a number of messages needs \"per=TIME\"");
    }

    if (lcf->limit_messages_close == 0) {
        lcf->limit_messages_close = lcf->limit_messages * 10;
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_limit_messages_option(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *lcf, ngx_str_t *value)
{
    ssize_t    size;
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "per=", &rest) == NGX_OK) {
        return (ngx_conductor_limit_per(cf, value, &rest,
                                        NGX_MAX_INT_T_VALUE,
                                        &lcf->limit_messages_per)
                == NGX_OK)
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (ngx_conductor_option(value, "bytes=", &rest) == NGX_OK) {

        if (lcf->limit_messages_bytes) {
            return ngx_conductor_conf_error(cf, value, "it is given twice");
        }

        size = ngx_parse_size(&rest);

        if (size == NGX_ERROR || size == 0) {
            return ngx_conductor_conf_error(cf, value,
                                            "it is a size above 0");
        }

        lcf->limit_messages_bytes = size;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "close_after=", &rest) == NGX_OK) {

        if (lcf->limit_messages_close) {
            return ngx_conductor_conf_error(cf, value, "it is given twice");
        }

        return ngx_conductor_number(cf, &rest, 1, 1000000000,
                                    &lcf->limit_messages_close);
    }

    return ngx_conductor_conf_error(cf, value,
                       "expected \"per=\", \"bytes=\" or \"close_after=\"");
}


/* A limit is inherited with all of its options or not at all. */

void
ngx_conductor_merge_limits(ngx_conductor_loc_conf_t *prev,
    ngx_conductor_loc_conf_t *conf)
{
    if (conf->limit_conn == NGX_CONF_UNSET_UINT) {
        conf->limit_conn_key = prev->limit_conn_key;
    }

    ngx_conf_merge_uint_value(conf->limit_conn, prev->limit_conn, 10);
    ngx_conf_merge_uint_value(conf->limit_user, prev->limit_user, 0);

    if (conf->limit_handshakes == NGX_CONF_UNSET_UINT) {
        conf->limit_handshakes_per = prev->limit_handshakes_per;
        conf->limit_handshakes_key = prev->limit_handshakes_key;
    }

    ngx_conf_merge_uint_value(conf->limit_handshakes,
                              prev->limit_handshakes, 0);

    if (conf->limit_messages == NGX_CONF_UNSET_UINT) {
        conf->limit_messages_per = prev->limit_messages_per;
        conf->limit_messages_bytes = prev->limit_messages_bytes;
        conf->limit_messages_close = prev->limit_messages_close;
    }

    if (conf->limit_messages == NGX_CONF_UNSET_UINT
        && prev->limit_messages == NGX_CONF_UNSET_UINT)
    {
        conf->limit_messages_per = 60000;
        conf->limit_messages_close = 1000;
    }

    ngx_conf_merge_uint_value(conf->limit_messages, prev->limit_messages,
                              100);
    ngx_conf_merge_value(conf->limit_dry_run, prev->limit_dry_run, 0);
}


/* NGX_OK if it is "off", NGX_DECLINED if not, NGX_ERROR if more follows. */

static ngx_int_t
ngx_conductor_limit_off(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") != 0) {
        return NGX_DECLINED;
    }

    if (cf->args->nelts != 2) {
        ngx_conductor_conf_error(cf, &value[2], "nothing follows \"off\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_limit_per(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *time,
    ngx_msec_t max, ngx_msec_t *per)
{
    if (*per) {
        ngx_conductor_conf_error(cf, value, "it is given twice");
        return NGX_ERROR;
    }

    if (ngx_conductor_msec(time, per) != NGX_OK || *per == 0) {
        ngx_conductor_conf_error(cf, value, "it is a time above 0");
        return NGX_ERROR;
    }

    if (*per > max) {
        ngx_conductor_conf_error(cf, value, "it is a time of at most 49d");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_limit_key_conf(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **key)
{
    ngx_str_t  rest;

    if (*key) {
        ngx_conductor_conf_error(cf, value, "it is given twice");
        return NGX_ERROR;
    }

    if (ngx_conductor_option(value, "key=", &rest) != NGX_OK
        || rest.len == 0)
    {
        ngx_conductor_conf_error(cf, value, "expected \"key=$variable\"");
        return NGX_ERROR;
    }

    return ngx_conductor_complex_value(cf, &rest, key);
}
