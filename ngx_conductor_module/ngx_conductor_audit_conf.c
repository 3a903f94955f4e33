/* The directive "audit_log" of a hub. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_conf.h"


#define NGX_CONDUCTOR_AUDIT_SIZE   (64 * 1024)
#define NGX_CONDUCTOR_AUDIT_MAX    (16 * 1024 * 1024)
#define NGX_CONDUCTOR_AUDIT_FLUSH  1000     /* ms, if only "buffer" is given */


typedef struct {
    size_t      size;
    ngx_msec_t  flush;
    ngx_str_t  *flush_given;
    ngx_uint_t  kinds;
} ngx_conductor_audit_conf_t;


static char *ngx_conductor_audit_name(ngx_conf_t *cf, ngx_str_t *name);
static char *ngx_conductor_audit_option(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conductor_audit_conf_t *conf);
static char *ngx_conductor_audit_kinds(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *list, ngx_uint_t *kinds);
static ngx_uint_t ngx_conductor_audit_kind(u_char *name, size_t len);
static char *ngx_conductor_audit_open(ngx_conf_t *cf,
    ngx_conductor_hub_t *hub, ngx_str_t *name,
    ngx_conductor_audit_conf_t *conf);
static ngx_conductor_audit_file_t *ngx_conductor_audit_find(
    ngx_conductor_main_conf_t *cmcf, ngx_open_file_t *file);
static void ngx_conductor_audit_reopen(ngx_open_file_t *file,
    ngx_log_t *log);


/* audit_log FILE|off [buffer=SIZE [flush=TIME]] [events=KIND,...] */

char *
ngx_conductor_hub_audit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_conductor_hub_t *hub = conf;

    char                        *rv;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_conductor_audit_conf_t   ac;

    if (hub->audit_given) {
        return "is duplicate";
    }

    hub->audit_given = 1;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return (cf->args->nelts == 2)
               ? NGX_CONF_OK
               : ngx_conductor_conf_error(cf, &value[2],
                                          "there is no more to say of \"off\"");
    }

    rv = ngx_conductor_audit_name(cf, &value[1]);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_memzero(&ac, sizeof(ngx_conductor_audit_conf_t));
    ac.flush = NGX_CONF_UNSET_MSEC;

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_conductor_audit_option(cf, &value[i], &ac);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (ac.flush != NGX_CONF_UNSET_MSEC && ac.size == 0) {
        return ngx_conductor_conf_error(cf, ac.flush_given,
                                        "\"flush=\" needs \"buffer=\"");
    }

    if (ac.flush == NGX_CONF_UNSET_MSEC) {
        ac.flush = ac.size ? NGX_CONDUCTOR_AUDIT_FLUSH : 0;
    }

    if (ac.size == 0) {
        ac.size = NGX_CONDUCTOR_AUDIT_SIZE;
    }

    if (ac.kinds == 0) {
        ac.kinds = ((ngx_uint_t) 1 << CDR_AUDIT_N) - 1;
    }

    return ngx_conductor_audit_open(cf, hub, &value[1], &ac);
}


/* A file's, which is the same for all lines. */

static char *
ngx_conductor_audit_name(ngx_conf_t *cf, ngx_str_t *name)
{
    if (name->len == 0
        || ngx_strncmp(name->data, "syslog:", sizeof("syslog:") - 1) == 0)
    {
        return ngx_conductor_conf_error(cf, name, "it names no file");
    }

    if (ngx_strlchr(name->data, name->data + name->len, '$')) {
        return ngx_conductor_conf_error(cf, name, "it cannot have variables");
    }

    return NGX_CONF_OK;
}


static char *
ngx_conductor_audit_option(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conductor_audit_conf_t *conf)
{
    ssize_t    size;
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "buffer=", &rest) == NGX_OK) {
        size = ngx_parse_size(&rest);

        if (conf->size) {
            return ngx_conductor_conf_error(cf, value, "it is given twice");
        }

        if (size < CDR_AUDIT_LINE || size > NGX_CONDUCTOR_AUDIT_MAX) {
            return ngx_conductor_conf_error(cf, value,
                                            "the size is 8k to 16m");
        }

        conf->size = size;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "flush=", &rest) == NGX_OK) {

        if (conf->flush != NGX_CONF_UNSET_MSEC) {
            return ngx_conductor_conf_error(cf, value, "it is given twice");
        }

        if (ngx_conductor_msec(&rest, &conf->flush) != NGX_OK
            || conf->flush == 0)
        {
            return ngx_conductor_conf_error(cf, value,
                                   "it is a time above 0, of at most a year");
        }

        conf->flush_given = value;
        return NGX_CONF_OK;
    }

    if (ngx_conductor_option(value, "events=", &rest) == NGX_OK) {
        return ngx_conductor_audit_kinds(cf, value, &rest, &conf->kinds);
    }

    return ngx_conductor_conf_error(cf, value,
                               "expected \"buffer=\", \"flush=\" or "
                               "\"events=\"");
}


/* A list with commas. */

static char *
ngx_conductor_audit_kinds(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *list,
    ngx_uint_t *kinds)
{
    u_char      *p, *last, *comma;
    ngx_uint_t   kind;

    if (*kinds) {
        return ngx_conductor_conf_error(cf, value, "it is given twice");
    }

    p = list->data;
    last = p + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        kind = ngx_conductor_audit_kind(p, comma - p);

        if (kind == CDR_AUDIT_N) {
            return ngx_conductor_conf_error(cf, value,
                       "there is connect, refuse, authenticate, disconnect, "
                       "publish, deny, revoke and admin, with commas between");
        }

        *kinds |= (ngx_uint_t) 1 << kind;

        if (comma == last) {
            return NGX_CONF_OK;
        }

        p = comma + 1;
    }
}


static ngx_uint_t
ngx_conductor_audit_kind(u_char *name, size_t len)
{
    cdr_str_t   known;
    ngx_uint_t  kind;

    for (kind = 0; kind < CDR_AUDIT_N; kind++) {
        known = cdr_audit_name(kind);

        if (known.len == len && ngx_strncmp(known.data, name, len) == 0) {
            break;
        }
    }

    return kind;
}


/* The file of another hub is shared, if it is to be written likewise. */

static char *
ngx_conductor_audit_open(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *name, ngx_conductor_audit_conf_t *conf)
{
    ngx_open_file_t             *file;
    ngx_conductor_main_conf_t   *cmcf;
    ngx_conductor_audit_file_t  *f;

    /* the context is that of the hub here */

    cmcf = ngx_http_cycle_get_module_main_conf(cf->cycle,
                                               ngx_http_conductor_module);

    hub->audit = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_audit_t));
    file = ngx_conf_open_file(cf->cycle, name);

    if (hub->audit == NULL || file == NULL) {
        return NGX_CONF_ERROR;
    }

    hub->audit->kinds = conf->kinds;
    hub->audit->file = NULL;

    f = ngx_conductor_audit_find(cmcf, file);

    if (f) {

        if (f->size != conf->size || f->flush != conf->flush) {
            return ngx_conductor_conf_error(cf, name,
                       "another hub has it with another buffer or flush");
        }

        hub->audit->file = f;
        return NGX_CONF_OK;
    }

    if (file->flush || file->data) {
        return ngx_conductor_conf_error(cf, name,
                                        "it is the file of another log");
    }

    f = ngx_pcalloc(cf->pool, sizeof(ngx_conductor_audit_file_t));
    if (f == NULL) {
        return NGX_CONF_ERROR;
    }

    f->start = ngx_pnalloc(cf->pool, conf->size);
    if (f->start == NULL) {
        return NGX_CONF_ERROR;
    }

    f->pos = f->start;
    f->size = conf->size;
    f->flush = conf->flush;
    f->file = file;
    f->hub = hub;

    file->flush = ngx_conductor_audit_reopen;

    hub->audit->file = f;

    return NGX_CONF_OK;
}


static ngx_conductor_audit_file_t *
ngx_conductor_audit_find(ngx_conductor_main_conf_t *cmcf,
    ngx_open_file_t *file)
{
    ngx_uint_t              i;
    ngx_conductor_hub_t   **hub;

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {
        if (hub[i]->audit && hub[i]->audit->file
            && hub[i]->audit->file->file == file)
        {
            return hub[i]->audit->file;
        }
    }

    return NULL;
}


/* Before the file is opened anew: what is gathered belongs to the old one. */

static void
ngx_conductor_audit_reopen(ngx_open_file_t *file, ngx_log_t *log)
{
    ngx_conductor_main_conf_t   *cmcf;
    ngx_conductor_audit_file_t  *f;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_conductor_module);

    f = cmcf ? ngx_conductor_audit_find(cmcf, file) : NULL;

    if (f) {
        ngx_conductor_audit_flush(f);
    }
}
