/* The parameters of the directive "redis". */

#include "ngx_conductor_redis_conf.h"


#define NGX_CONDUCTOR_REDIS_TIMEOUT_MIN  50             /* ms */
#define NGX_CONDUCTOR_REDIS_TIMEOUT_MAX  60000
#define NGX_CONDUCTOR_REDIS_NAME_MAX     128
#define NGX_CONDUCTOR_REDIS_OUTBOX_MAX   (1024 * 1024 * 1024)


typedef struct {
    const char   *name;
    ngx_uint_t    offset;

    /* NULL, or why not */
    const char *(*parse)(ngx_conf_t *cf, ngx_str_t *value, void *field);
    ngx_uint_t    hidden;       /* the value is not to be shown */
} ngx_conductor_redis_option_t;


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


char *
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
