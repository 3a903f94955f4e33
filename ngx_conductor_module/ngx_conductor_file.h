/* Files in a directory that are replaced as a whole; for any thread. */

#ifndef NGX_CONDUCTOR_FILE_H_INCLUDED
#define NGX_CONDUCTOR_FILE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_CONDUCTOR_FILE_NAME   32
#define NGX_CONDUCTOR_FILE_ERROR  192


/* A directory, open, and what was last wrong with a file of it. */

typedef struct {
    ngx_str_t                     path;
    ngx_fd_t                      fd;         /* -1: none */
    ngx_fd_t                      out;        /* being written; -1: none */
    ngx_err_t                     err;
    u_char                        error[NGX_CONDUCTOR_FILE_ERROR];
                                              /* with a NUL */
} ngx_conductor_dir_t;


/*
 * NGX_OK; NGX_ERROR with dir->error and dir->err, as everywhere here.  Where
 * the directory lies in one of an ordinary user, that user may put a link in
 * its place: root follows only links of root's.
 */

ngx_int_t ngx_conductor_dir_open(ngx_conductor_dir_t *dir, ngx_str_t *path);

/*
 * The same, but one that is not there is made; and it becomes the user's, but
 * for NGX_CONF_UNSET_UINT.
 */

ngx_int_t ngx_conductor_dir_make(ngx_conductor_dir_t *dir, ngx_str_t *path,
    ngx_uid_t user);

void ngx_conductor_dir_close(ngx_conductor_dir_t *dir);

/*
 * A file's bytes, from malloc(); the caller's to free().  NGX_DECLINED if there
 * is no such file.  Links and what is no plain file are errors.
 */

ngx_int_t ngx_conductor_file_read(ngx_conductor_dir_t *dir, const char *name,
    u_char **data, size_t *len);

/*
 * The file is written under another name, of the directory's owner and for
 * nobody else to read; ngx_conductor_file_commit() brings it to the disk and
 * puts it in the place of the one before, ngx_conductor_file_abort() forgets
 * it.  After an error of any of these it is to be forgotten.
 */

ngx_int_t ngx_conductor_file_create(ngx_conductor_dir_t *dir,
    const char *name);
ngx_int_t ngx_conductor_file_write(ngx_conductor_dir_t *dir,
    const u_char *data, size_t len);
ngx_int_t ngx_conductor_file_commit(ngx_conductor_dir_t *dir,
    const char *name);
void ngx_conductor_file_abort(ngx_conductor_dir_t *dir, const char *name);

/* Moves a file that is of no use to its name with ".bad" behind it. */

ngx_int_t ngx_conductor_file_aside(ngx_conductor_dir_t *dir,
    const char *name);


#endif /* NGX_CONDUCTOR_FILE_H_INCLUDED */
