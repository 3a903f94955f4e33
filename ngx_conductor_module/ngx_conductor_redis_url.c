/* Where the directive "redis" says that Redis is. */

#include "ngx_conductor_redis_conf.h"

#include <cdr_redis_url.h>


static char *ngx_conductor_redis_where(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, cdr_redis_url_t *url, ngx_str_t *value);
static ngx_int_t ngx_conductor_redis_hosts(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, cdr_redis_url_t *url, const char **why);
static char *ngx_conductor_redis_bad_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, const char *why);


/* The URL itself, or where it is: then it may hold what is not to be seen. */

char *
ngx_conductor_redis_url(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    ngx_str_t *value)
{
    char             *rv;
    u_char           *buf;
    cdr_str_t         text, hidden;
    ngx_str_t         source, rest;
    const char       *why;
    cdr_redis_url_t   url;

    if (ngx_conductor_key_source(cf, value, 1, &source) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    text.data = source.data;
    text.len = source.len;

    buf = ngx_pnalloc(cf->pool, source.len + 1);
    if (buf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cdr_redis_url_parse(&url, text, buf, &why) != CDR_OK) {
        return ngx_conductor_redis_bad_url(cf, value, &source, why);
    }

    rv = ngx_conductor_redis_where(cf, rcf, &url, value);

    /* copies of the password; what is in the environment is wiped later */

    ngx_explicit_memzero(buf, source.len);

    hidden = cdr_redis_url_hidden(text);

    if (hidden.len && ngx_conductor_option(value, "env:", &rest) != NGX_OK) {
        ngx_explicit_memzero((u_char *) hidden.data, hidden.len);
    }

    return rv;
}


static char *
ngx_conductor_redis_where(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    cdr_redis_url_t *url, ngx_str_t *value)
{
    ngx_str_t                    user, password, path;
    const char                  *why;
    ngx_conductor_redis_addr_t  *addr;

    rcf->tls = url->tls;
    rcf->database = url->database;

    user.data = (u_char *) url->user.data;
    user.len = url->user.len;
    password.data = (u_char *) url->password.data;
    password.len = url->password.len;

    if (ngx_conductor_redis_copy(cf, &rcf->user, &user) != NGX_OK
        || ngx_conductor_redis_copy(cf, &rcf->password, &password) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (url->nhosts) {
        if (ngx_conductor_redis_hosts(cf, rcf, url, &why) == NGX_OK) {
            return NGX_CONF_OK;
        }

        return why ? ngx_conductor_redis_bad_url(cf, value, value, why)
                   : NGX_CONF_ERROR;
    }

    path.data = (u_char *) url->path.data;
    path.len = url->path.len;

    addr = ngx_array_push(&rcf->addrs);
    if (addr == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(addr, sizeof(ngx_conductor_redis_addr_t));

    return (ngx_conductor_redis_copy(cf, &addr->path, &path) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_conductor_redis_hosts(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    cdr_redis_url_t *url, const char **why)
{
    uint32_t                     i;
    ngx_str_t                    host;
    struct in6_addr              in6;
    ngx_conductor_redis_addr_t  *addr;

    *why = NULL;

    for (i = 0; i < url->nhosts; i++) {
        host.data = (u_char *) url->hosts[i].host.data;
        host.len = url->hosts[i].host.len;

        if (url->hosts[i].ipv6
            && ngx_inet6_addr(host.data, host.len, in6.s6_addr) != NGX_OK)
        {
            *why = "what stands in brackets is no IPv6 address";
            return NGX_ERROR;
        }

        addr = ngx_array_push(&rcf->addrs);
        if (addr == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(addr, sizeof(ngx_conductor_redis_addr_t));

        addr->port = url->hosts[i].port;

        if (ngx_conductor_redis_copy(cf, &addr->host, &host) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* "text" is the URL that "value" names; it is shown only where it stands. */

static char *
ngx_conductor_redis_bad_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, const char *why)
{
    size_t      before;
    cdr_str_t   hidden, all;
    ngx_str_t   shown;

    if (value->data != text->data) {
        return ngx_conductor_conf_error(cf, value, why);
    }

    all.data = text->data;
    all.len = text->len;

    hidden = cdr_redis_url_hidden(all);

    if (hidden.len == 0) {
        return ngx_conductor_conf_error(cf, value, why);
    }

    before = hidden.data - all.data;

    shown.data = ngx_pnalloc(cf->temp_pool, all.len + 3);
    if (shown.data == NULL) {
        return NGX_CONF_ERROR;
    }

    shown.len = ngx_sprintf(shown.data, "%*s...%*s", before, all.data,
                            all.len - before - hidden.len,
                            hidden.data + hidden.len)
                - shown.data;

    return ngx_conductor_conf_error(cf, &shown, why);
}
