/* Whether the files and directories that a hub names can be what it says. */

#include "ngx_conductor_conf.h"
#include "ngx_conductor_hub.h"


static ngx_int_t ngx_conductor_parent(ngx_conf_t *cf, ngx_str_t *path,
    ngx_file_info_t *fi);


/* NULL, or why this cannot be the database. */

const char *
ngx_conductor_database_check(ngx_conf_t *cf, ngx_conductor_hub_t *hub)
{
    ngx_str_t        *file;
    ngx_file_info_t   fi;

    file = &hub->presence_file;

    if (ngx_conductor_parent(cf, file, &fi) == NGX_FILE_ERROR) {
        return "its directory does not exist";
    }

    if (!ngx_is_dir(&fi)) {
        return "what it lies in is not a directory";
    }

    if (ngx_file_info(file->data, &fi) != NGX_FILE_ERROR
        && !ngx_is_file(&fi))
    {
        return ngx_is_dir(&fi) ? "it is a directory" : "it is not a file";
    }

    return NULL;
}


/* NULL, or why this cannot be the directory. */

const char *
ngx_conductor_state_check(ngx_conf_t *cf, ngx_conductor_hub_t *hub,
    ngx_str_t *path)
{
    ngx_file_info_t  fi;

    if (ngx_conductor_parent(cf, path, &fi) == NGX_FILE_ERROR) {
        return "the directory that it is to be made in does not exist";
    }

    if (!ngx_is_dir(&fi)) {
        return "what it is to be made in is not a directory";
    }

    if (ngx_file_info(path->data, &fi) != NGX_FILE_ERROR
        && !ngx_is_dir(&fi))
    {
        return "it is not a directory";
    }

    return NULL;
}


ngx_uint_t
ngx_conductor_same_file(ngx_str_t *a, ngx_str_t *b)
{
    ngx_file_info_t  fa, fb;

    if (a->len == 0 || b->len == 0) {
        return 0;
    }

    if (ngx_strcmp(a->data, b->data) == 0) {
        return 1;
    }

    return ngx_file_info(a->data, &fa) != NGX_FILE_ERROR
           && ngx_file_info(b->data, &fb) != NGX_FILE_ERROR
           && fa.st_dev == fb.st_dev && fa.st_ino == fb.st_ino;
}


/* Information on what a full name lies in. */

static ngx_int_t
ngx_conductor_parent(ngx_conf_t *cf, ngx_str_t *path, ngx_file_info_t *fi)
{
    u_char     *p;
    ngx_str_t   parent;

    parent.data = ngx_pnalloc(cf->temp_pool, path->len + 2);
    if (parent.data == NULL) {
        return NGX_FILE_ERROR;
    }

    p = ngx_cpymem(parent.data, path->data, path->len);

    while (p > parent.data && *--p != '/') { /* void */ }

    p[p == parent.data] = '\0';

    return ngx_file_info(parent.data, fi);
}
