/* Where a key comes from: the environment, a file, or the directive. */

#include "ngx_conductor.h"


#define NGX_CONDUCTOR_KEY_FILE_MAX  (256 * 1024)


static ngx_int_t ngx_conductor_key_env(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *name, ngx_str_t *key);
static const char *ngx_conductor_read_content(ngx_conf_t *cf, ngx_fd_t fd,
    ngx_str_t *content);


/* The octets of a key: from the environment, a file, or as they stand. */

ngx_int_t
ngx_conductor_key_source(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t literal,
    ngx_str_t *key)
{
    ngx_str_t  rest;

    if (ngx_conductor_option(value, "env:", &rest) == NGX_OK) {
        return ngx_conductor_key_env(cf, value, &rest, key);
    }

    if (ngx_conductor_option(value, "file:", &rest) == NGX_OK) {

        if (ngx_conductor_read_file(cf, value, &rest, key) != NGX_OK) {
            return NGX_ERROR;
        }

        if (literal) {

            /* a secret's file may end with a line feed, the secret does not */

            while (key->len && (key->data[key->len - 1] == LF
                                || key->data[key->len - 1] == CR))
            {
                key->len--;
            }
        }

    } else if (literal) {
        *key = *value;

    } else {
        ngx_conductor_conf_error(cf, value,
             "a public key is given as \"file:PATH\" or \"env:NAME\"");
        return NGX_ERROR;
    }

    if (key->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key in \"%V\" directive is empty",
                           (ngx_str_t *) cf->args->elts);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The name is remembered: nginx passes it on to the binary that USR2 starts,
 * and workers forget it.
 */

static ngx_int_t
ngx_conductor_key_env(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *name,
    ngx_str_t *key)
{
    char                       *s;
    ngx_str_t                  *env;
    ngx_core_conf_t            *ccf;
    ngx_conductor_main_conf_t  *cmcf;

    s = name->len ? getenv((char *) name->data) : NULL;

    if (s == NULL || *s == '\0') {
        ngx_conductor_conf_error(cf, value,
                   "there is no such variable in nginx's environment, "
                   "or it is empty");
        return NGX_ERROR;
    }

    key->data = (u_char *) s;
    key->len = ngx_strlen(s);

    /* also inside of a hub's block, which has a context of its own */

    cmcf = ngx_http_cycle_get_module_main_conf(cf->cycle,
                                               ngx_http_conductor_module);

    env = ngx_array_push(&cmcf->env);
    if (env == NULL) {
        return NGX_ERROR;
    }

    *env = *name;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);
    env = ngx_array_push(&ccf->env);
    if (env == NULL) {
        return NGX_ERROR;
    }

    *env = *name;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_read_file(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *name,
    ngx_str_t *content)
{
    ngx_fd_t     fd;
    ngx_str_t    path;
    const char  *why;

    path = *name;

    if (path.len == 0) {
        ngx_conductor_conf_error(cf, value, "a file has a name");
        return NGX_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a pipe would block */

    fd = ngx_open_file(path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "invalid value \"%V\" in \"%V\" directive: "
                           "cannot open \"%V\"", value,
                           (ngx_str_t *) cf->args->elts, &path);
        return NGX_ERROR;
    }

    why = ngx_conductor_read_content(cf, fd, content);

    if (why) {
        ngx_conductor_conf_error(cf, value, why);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &path);
    }

    return why ? NGX_ERROR : NGX_OK;
}


/* NULL, or why it cannot be read. */

static const char *
ngx_conductor_read_content(ngx_conf_t *cf, ngx_fd_t fd, ngx_str_t *content)
{
    size_t           size;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        return "it is not a file";
    }

    if (ngx_file_size(&fi) > NGX_CONDUCTOR_KEY_FILE_MAX) {
        return "the file is larger than 256k";
    }

    size = (size_t) ngx_file_size(&fi);

    content->len = size;
    content->data = ngx_pnalloc(cf->pool, size + 1);

    if (content->data == NULL
        || ngx_read_fd(fd, content->data, size) != (ssize_t) size)
    {
        return "the file cannot be read";
    }

    return NULL;
}
