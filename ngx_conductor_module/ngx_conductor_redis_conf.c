/* The directive "redis" of a hub. */

#include "ngx_conductor_conf.h"
#include "ngx_conductor_hub.h"
#include "ngx_conductor_redis.h"

#include <cdr_redis_url.h>


#define NGX_CONDUCTOR_REDIS_PORT         6379
#define NGX_CONDUCTOR_SENTINEL_PORT      26379
#define NGX_CONDUCTOR_REDIS_TIMEOUT_MIN  50             /* ms */
#define NGX_CONDUCTOR_REDIS_TIMEOUT_MAX  60000
#define NGX_CONDUCTOR_REDIS_SECRET_MIN   32             /* bytes */
#define NGX_CONDUCTOR_REDIS_NAME_MAX     128
#define NGX_CONDUCTOR_REDIS_OUTBOX_MAX   (1024 * 1024 * 1024)


typedef ngx_conductor_redis_conf_t  ngx_conductor_rcf_t;


typedef struct {
    const char   *name;
    ngx_uint_t    offset;

    /* NULL, or why not */
    const char *(*parse)(ngx_conf_t *cf, ngx_str_t *value, void *field);
    ngx_uint_t    hidden;       /* the value is not to be shown */
} ngx_conductor_redis_option_t;


static ngx_conductor_rcf_t *ngx_conductor_redis_create(ngx_conf_t *cf);
static char *ngx_conductor_redis_url(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, ngx_str_t *value);
static char *ngx_conductor_redis_where(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, cdr_redis_url_t *url, ngx_str_t *value);
static ngx_int_t ngx_conductor_redis_hosts(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, cdr_redis_url_t *url, const char **why);
static char *ngx_conductor_redis_bad_url(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, const char *why);
static char *ngx_conductor_redis_option(ngx_conf_t *cf,
    ngx_conductor_rcf_t *rcf, ngx_str_t *value, ngx_uint_t *given);
static ngx_conductor_redis_option_t *ngx_conductor_redis_option_find(
    ngx_str_t *value, ngx_str_t *rest);
static char *ngx_conductor_redis_bad_option(ngx_conf_t *cf,
    ngx_str_t *value, const char *why);
static const char *ngx_conductor_redis_secret(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_keyed(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_timeout(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_outbox(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_stream(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_name(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_text(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_flag(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static const char *ngx_conductor_redis_file(ngx_conf_t *cf,
    ngx_str_t *value, void *field);
static ngx_int_t ngx_conductor_redis_copy(ngx_conf_t *cf, ngx_str_t *dst,
    ngx_str_t *src);
static void ngx_conductor_redis_wipe(void *data);
static const char *ngx_conductor_redis_conflict(ngx_conductor_rcf_t *rcf);
static void ngx_conductor_redis_ports(ngx_conductor_rcf_t *rcf);


#define ngx_conductor_redis_field(name)                                       \
    offsetof(ngx_conductor_rcf_t, name)


static ngx_conductor_redis_option_t  ngx_conductor_redis_options[] = {

    { "password=", ngx_conductor_redis_field(password),
      ngx_conductor_redis_secret, 1 },

    { "timeout=", ngx_conductor_redis_field(timeout),
      ngx_conductor_redis_timeout, 0 },

    { "outbox=", ngx_conductor_redis_field(outbox),
      ngx_conductor_redis_outbox, 0 },

    { "stream=", ngx_conductor_redis_field(stream),
      ngx_conductor_redis_stream, 0 },

    { "prefix=", ngx_conductor_redis_field(prefix),
      ngx_conductor_redis_name, 0 },

    { "channels=", ngx_conductor_redis_field(channels),
      ngx_conductor_redis_text, 0 },

    { "sentinel=", ngx_conductor_redis_field(sentinel),
      ngx_conductor_redis_text, 0 },

    { "sentinel_user=", ngx_conductor_redis_field(sentinel_user),
      ngx_conductor_redis_text, 0 },

    { "sentinel_password=", ngx_conductor_redis_field(sentinel_password),
      ngx_conductor_redis_secret, 1 },

    { "cluster=", ngx_conductor_redis_field(cluster),
      ngx_conductor_redis_flag, 0 },

    { "ca=", ngx_conductor_redis_field(ca),
      ngx_conductor_redis_file, 0 },

    { "cert=", ngx_conductor_redis_field(cert),
      ngx_conductor_redis_file, 0 },

    { "key=", ngx_conductor_redis_field(key),
      ngx_conductor_redis_file, 0 },

    { "tls_name=", ngx_conductor_redis_field(tls_name),
      ngx_conductor_redis_text, 0 },

    { "verify=", ngx_conductor_redis_field(verify),
      ngx_conductor_redis_flag, 0 },

    { "secret=", ngx_conductor_redis_field(secret),
      ngx_conductor_redis_keyed, 1 },

    { "foreign=", ngx_conductor_redis_field(foreign),
      ngx_conductor_redis_flag, 0 },

    { NULL, 0, NULL, 0 }
};


/* redis URL|env:NAME|file:PATH [password=] [timeout=] ... */

char *
ngx_conductor_hub_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    char                 *rv;
    ngx_str_t            *value;
    ngx_uint_t            i, given;
    const char           *why;
    ngx_conductor_rcf_t  *rcf;

    if (hub->redis) {
        return "is duplicate";
    }

    rcf = ngx_conductor_redis_create(cf);
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    hub->redis = rcf;

    value = cf->args->elts;
    given = 0;

    rv = ngx_conductor_redis_url(cf, rcf, &value[1]);

    for (i = 2; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rv = ngx_conductor_redis_option(cf, rcf, &value[i], &given);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    why = ngx_conductor_redis_conflict(rcf);

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"redis\" directive: %s", why);
        return NGX_CONF_ERROR;
    }

    ngx_conductor_redis_ports(rcf);

    return NGX_CONF_OK;
}


/* What they are if nothing else is said; after the block was read. */

char *
ngx_conductor_hub_redis_defaults(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    size_t                len;
    ngx_conductor_rcf_t  *rcf;

    rcf = hub->redis;

    if (rcf == NULL) {
        return NGX_CONF_OK;
    }

    if (hub->state == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"redis\" of hub \"%V\" needs a directory for "
                           "what Redis does not have yet: \"state\", or "
                           "\"presence\" with a file", &hub->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(rcf->timeout, 1000);
    ngx_conf_init_size_value(rcf->outbox, 8 * 1024 * 1024);
    ngx_conf_init_uint_value(rcf->stream, hub->history_events);
    ngx_conf_init_value(rcf->cluster, 0);
    ngx_conf_init_value(rcf->verify, 1);
    ngx_conf_init_value(rcf->foreign, rcf->secret.len == 0);

    if (rcf->prefix.len == 0) {
        ngx_str_set(&rcf->prefix, "conductor");
    }

    if (rcf->secret.len && rcf->secret.len < NGX_CONDUCTOR_REDIS_SECRET_MIN) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the \"secret=\" in \"redis\" directive of hub "
                           "\"%V\" has %uz bytes, less than 32",
                           &hub->name, rcf->secret.len);
    }

    len = rcf->prefix.len + hub->name.len + sizeof("{:}:") - 1;

    rcf->base.data = ngx_pnalloc(cf->pool, len + 1);
    if (rcf->base.data == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->base.len = ngx_sprintf(rcf->base.data, "{%V:%V}:%Z", &rcf->prefix,
                                &hub->name)
                    - rcf->base.data - 1;

    return NGX_CONF_OK;
}


/* What only the keeper needs is no more in this process. */

void
ngx_conductor_redis_forget(ngx_conductor_redis_conf_t *rcf)
{
    ngx_conductor_redis_wipe(&rcf->password);
    ngx_conductor_redis_wipe(&rcf->sentinel_password);
    ngx_conductor_redis_wipe(&rcf->secret);
}


static ngx_conductor_rcf_t *
ngx_conductor_redis_create(ngx_conf_t *cf)
{
    ngx_uint_t            i;
    ngx_str_t            *secret[3];
    ngx_pool_cleanup_t   *cln;
    ngx_conductor_rcf_t  *rcf;

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_rcf_t));
    if (rcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rcf->addrs, cf->pool, 2,
                       sizeof(ngx_conductor_redis_addr_t))
        != NGX_OK)
    {
        return NULL;
    }

    rcf->timeout = NGX_CONF_UNSET_MSEC;
    rcf->outbox = NGX_CONF_UNSET_SIZE;
    rcf->stream = NGX_CONF_UNSET_UINT;
    rcf->cluster = NGX_CONF_UNSET;
    rcf->verify = NGX_CONF_UNSET;
    rcf->foreign = NGX_CONF_UNSET;

    /* what a configuration leaves when it is freed is inherited by workers */

    secret[0] = &rcf->password;
    secret[1] = &rcf->sentinel_password;
    secret[2] = &rcf->secret;

    for (i = 0; i < 3; i++) {
        cln = ngx_pool_cleanup_add(cf->pool, 0);
        if (cln == NULL) {
            return NULL;
        }

        cln->handler = ngx_conductor_redis_wipe;
        cln->data = secret[i];
    }

    return rcf;
}


/* The URL itself, or where it is: then it may hold what is not to be seen. */

static char *
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


static char *
ngx_conductor_redis_option(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    ngx_str_t *value, ngx_uint_t *given)
{
    ngx_str_t                      rest;
    ngx_uint_t                     bit;
    const char                    *why;
    ngx_conductor_redis_option_t  *option;

    option = ngx_conductor_redis_option_find(value, &rest);

    if (option == NULL) {
        return ngx_conductor_redis_bad_option(cf, value,
                                              "there is no such option");
    }

    bit = 1u << (option - ngx_conductor_redis_options);

    if (*given & bit) {
        why = "it is given twice";

    } else if (option->parse == ngx_conductor_redis_secret
               && ((ngx_str_t *) ((u_char *) rcf + option->offset))->len)
    {
        why = "the URL has a password already";

    } else {
        why = option->parse(cf, &rest, (u_char *) rcf + option->offset);
    }

    *given |= bit;

    if (why == NULL) {
        return NGX_CONF_OK;
    }

    if (*why == '\0') {
        return NGX_CONF_ERROR;                      /* it was said */
    }

    return option->hidden ? ngx_conductor_redis_bad_option(cf, value, why)
                          : ngx_conductor_conf_error(cf, value, why);
}


static ngx_conductor_redis_option_t *
ngx_conductor_redis_option_find(ngx_str_t *value, ngx_str_t *rest)
{
    ngx_conductor_redis_option_t  *option;

    for (option = ngx_conductor_redis_options; option->name; option++) {
        if (ngx_conductor_option(value, option->name, rest) == NGX_OK) {
            return option;
        }
    }

    return NULL;
}


/* One that may be a mistyped password: only its name is shown. */

static char *
ngx_conductor_redis_bad_option(ngx_conf_t *cf, ngx_str_t *value,
    const char *why)
{
    u_char     *p;
    ngx_str_t   shown;

    p = ngx_strlchr(value->data, value->data + value->len, '=');

    if (p == NULL) {
        return ngx_conductor_conf_error(cf, value, why);
    }

    shown.len = p - value->data + sizeof("=...") - 1;
    shown.data = ngx_pnalloc(cf->temp_pool, shown.len);
    if (shown.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(shown.data, "%*s=...", p - value->data, value->data);

    return ngx_conductor_conf_error(cf, &shown, why);
}


/* The only copy: workers forget it. */

static const char *
ngx_conductor_redis_secret(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ngx_str_t  key, rest;

    if (value->len == 0) {
        return "it is empty";
    }

    if (ngx_conductor_key_source(cf, value, 1, &key) != NGX_OK
        || ngx_conductor_redis_copy(cf, field, &key) != NGX_OK)
    {
        return "";
    }

    if (ngx_conductor_option(value, "env:", &rest) != NGX_OK) {
        ngx_explicit_memzero(key.data, key.len);
    }

    return NULL;
}


static const char *
ngx_conductor_redis_keyed(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "env:", &rest) != NGX_OK
        && ngx_conductor_option(value, "file:", &rest) != NGX_OK)
    {
        return "a secret is given as \"env:NAME\" or \"file:PATH\"";
    }

    return ngx_conductor_redis_secret(cf, value, field);
}


static const char *
ngx_conductor_redis_timeout(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ngx_msec_t  *timeout = field;

    return (ngx_conductor_msec(value, timeout) == NGX_OK
            && *timeout >= NGX_CONDUCTOR_REDIS_TIMEOUT_MIN
            && *timeout <= NGX_CONDUCTOR_REDIS_TIMEOUT_MAX)
           ? NULL : "it is a time from 50ms to 60s";
}


static const char *
ngx_conductor_redis_outbox(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ssize_t  size;

    size = ngx_parse_size(value);

    if (size == NGX_ERROR || size < CDR_OUTBOX_SIZE_MIN
        || size > NGX_CONDUCTOR_REDIS_OUTBOX_MAX)
    {
        return "it is a size from 64k to 1024m";
    }

    *(size_t *) field = size;

    return NULL;
}


static const char *
ngx_conductor_redis_stream(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n < 16 || n > 10000000) {
        return "it must be a number from 16 to 10000000";
    }

    *(ngx_uint_t *) field = n;

    return NULL;
}


static const char *
ngx_conductor_redis_name(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    if (ngx_conductor_name_valid(value) != NGX_OK) {
        return "a name is 1 to 64 letters, digits or \"-_.:\"";
    }

    *(ngx_str_t *) field = *value;

    return NULL;
}


static const char *
ngx_conductor_redis_text(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] >= 0x7f) {
            break;
        }
    }

    if (i < value->len || i == 0 || i > NGX_CONDUCTOR_REDIS_NAME_MAX) {
        return "it is 1 to 128 printable characters without a space";
    }

    *(ngx_str_t *) field = *value;

    return NULL;
}


static const char *
ngx_conductor_redis_flag(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    if (value->len == 2 && ngx_strncmp(value->data, "on", 2) == 0) {
        *(ngx_flag_t *) field = 1;

    } else if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        *(ngx_flag_t *) field = 0;

    } else {
        return "it must be \"on\" or \"off\"";
    }

    return NULL;
}


static const char *
ngx_conductor_redis_file(ngx_conf_t *cf, ngx_str_t *value, void *field)
{
    ngx_str_t  *name = field;

    if (value->len == 0) {
        return "a file has a name";
    }

    *name = *value;

    return (ngx_conf_full_name(cf->cycle, name, 1) == NGX_OK) ? NULL : "";
}


/* With a NUL behind it. */

static ngx_int_t
ngx_conductor_redis_copy(ngx_conf_t *cf, ngx_str_t *dst, ngx_str_t *src)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, src->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;
    dst->len = src->len;

    p = ngx_cpymem(p, src->data, src->len);
    *p = '\0';

    return NGX_OK;
}


static void
ngx_conductor_redis_wipe(void *data)
{
    ngx_str_t  *secret = data;

    if (secret->len) {
        ngx_explicit_memzero(secret->data, secret->len);
    }
}


/* NULL, or what does not go together. */

static const char *
ngx_conductor_redis_conflict(ngx_conductor_rcf_t *rcf)
{
    ngx_conductor_redis_addr_t  *addr;

    addr = rcf->addrs.elts;

    if (rcf->user.len && rcf->password.len == 0) {
        return "a user needs a password, in the URL or with \"password=\"";
    }

    if (rcf->sentinel.len) {
        if (rcf->cluster == 1) {
            return "it is either \"sentinel=\" or \"cluster=on\"";
        }

        if (addr->path.len) {
            return "with \"sentinel=\" the URL names hosts, not a socket";
        }

    } else if (rcf->sentinel_user.len || rcf->sentinel_password.len) {
        return "\"sentinel_user=\" and \"sentinel_password=\" need "
               "\"sentinel=\"";
    }

    if (rcf->sentinel_user.len && rcf->sentinel_password.len == 0) {
        return "\"sentinel_user=\" needs \"sentinel_password=\"";
    }

    if (rcf->cluster == 1 && rcf->database) {
        return "a cluster has database 0 only";
    }

    if (rcf->cluster == 1 && addr->path.len) {
        return "with \"cluster=on\" the URL names hosts, not a socket";
    }

    if (!rcf->tls
        && (rcf->ca.len || rcf->cert.len || rcf->key.len || rcf->tls_name.len
            || rcf->verify != NGX_CONF_UNSET))
    {
        return "\"ca=\", \"cert=\", \"key=\", \"tls_name=\" and \"verify=\" "
               "need a \"rediss://\" URL";
    }

    if ((rcf->cert.len == 0) != (rcf->key.len == 0)) {
        return "\"cert=\" and \"key=\" need each other";
    }

    return NULL;
}


static void
ngx_conductor_redis_ports(ngx_conductor_rcf_t *rcf)
{
    ngx_uint_t                   i;
    ngx_conductor_redis_addr_t  *addr;

    addr = rcf->addrs.elts;

    for (i = 0; i < rcf->addrs.nelts; i++) {
        if (addr[i].host.len && addr[i].port == 0) {
            addr[i].port = rcf->sentinel.len ? NGX_CONDUCTOR_SENTINEL_PORT
                                             : NGX_CONDUCTOR_REDIS_PORT;
        }
    }
}
