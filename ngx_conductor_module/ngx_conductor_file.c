/*
 * Files that are replaced as a whole: whoever reads one finds the old bytes or
 * the new ones, over a crash too.
 */

#include "ngx_conductor_file.h"


#define NGX_CONDUCTOR_FILE_NEW   ".new"
#define NGX_CONDUCTOR_FILE_BAD   ".bad"

#define NGX_CONDUCTOR_DIR_NAME   (2 * NGX_MAX_PATH + 1)


static ngx_fd_t ngx_conductor_dir_trusted(ngx_str_t *path);
static ngx_int_t ngx_conductor_dir_link(ngx_str_t *path, u_char *name);
static ngx_int_t ngx_conductor_file_own(ngx_conductor_dir_t *dir);
static ngx_int_t ngx_conductor_file_load(ngx_conductor_dir_t *dir, int fd,
    const char *name, u_char **data, size_t *len);
static void ngx_conductor_file_name(u_char *dst, const char *name,
    const char *suffix);
static ngx_int_t ngx_conductor_file_failed(ngx_conductor_dir_t *dir,
    const char *what, const char *name, const char *suffix);


ngx_int_t
ngx_conductor_dir_open(ngx_conductor_dir_t *dir, ngx_str_t *path)
{
    dir->path = *path;
    dir->out = -1;
    dir->err = 0;
    dir->error[0] = '\0';

    dir->fd = (geteuid() == 0)
              ? ngx_conductor_dir_trusted(path)
              : open((char *) path->data, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    return (dir->fd == -1) ? ngx_conductor_file_failed(dir, "open()", "", "")
                           : NGX_OK;
}


/* As nginx makes its paths, but not by name: a name is what may be changed. */

ngx_int_t
ngx_conductor_dir_make(ngx_conductor_dir_t *dir, ngx_str_t *path,
    ngx_uid_t user)
{
    struct stat  st;

    dir->fd = -1;

    if (ngx_create_dir(path->data, 0700) == NGX_FILE_ERROR
        && ngx_errno != NGX_EEXIST)
    {
        dir->path = *path;
        return ngx_conductor_file_failed(dir, "mkdir()", "", "");
    }

    if (ngx_conductor_dir_open(dir, path) != NGX_OK) {
        return NGX_ERROR;
    }

    if (user == (ngx_uid_t) NGX_CONF_UNSET_UINT) {
        return NGX_OK;
    }

    if (fstat(dir->fd, &st) == -1) {
        return ngx_conductor_file_failed(dir, "fstat()", "", "");
    }

    if (st.st_uid != user && fchown(dir->fd, user, (gid_t) -1) == -1) {
        return ngx_conductor_file_failed(dir, "fchown()", "", "");
    }

    if ((st.st_mode & S_IRWXU) != S_IRWXU
        && fchmod(dir->fd, (st.st_mode & 07777) | S_IRWXU) == -1)
    {
        return ngx_conductor_file_failed(dir, "fchmod()", "", "");
    }

    return NGX_OK;
}


static ngx_fd_t
ngx_conductor_dir_trusted(ngx_str_t *path)
{
    ngx_fd_t   fd;
    ngx_err_t  err;
    u_char     name[NGX_CONDUCTOR_DIR_NAME];

    fd = open((char *) path->data,
              O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd != -1) {
        return fd;
    }

    err = ngx_errno;

    switch (ngx_conductor_dir_link(path, name)) {

    case NGX_OK:
        return open((char *) name,
                    O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    case NGX_ERROR:
        err = NGX_EACCES;
        break;

    default: /* NGX_DECLINED */
        break;
    }

    ngx_set_errno(err);

    return -1;
}


/* A link: NGX_OK; NGX_ERROR if it is not one of root's; NGX_DECLINED: none. */

static ngx_int_t
ngx_conductor_dir_link(ngx_str_t *path, u_char *name)
{
    u_char       *p, *last;
    ssize_t       n;
    ngx_fd_t      fd;
    struct stat   st;
    u_char        target[NGX_MAX_PATH];

    fd = open((char *) path->data, O_PATH|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return NGX_DECLINED;
    }

    if (fstat(fd, &st) == -1 || !S_ISLNK(st.st_mode)) {
        (void) close(fd);
        return NGX_DECLINED;
    }

    n = readlinkat(fd, "", (char *) target, sizeof(target));

    (void) close(fd);

    if (st.st_uid != 0 || n <= 0 || path->len > NGX_MAX_PATH) {
        return NGX_ERROR;
    }

    last = path->data + path->len;

    while (last > path->data && last[-1] != '/') {
        last--;
    }

    p = name;

    if (target[0] != '/') {
        p = ngx_cpymem(p, path->data, last - path->data);
    }

    p = ngx_cpymem(p, target, n);
    *p = '\0';

    return NGX_OK;
}


void
ngx_conductor_dir_close(ngx_conductor_dir_t *dir)
{
    if (dir->fd != -1) {
        (void) close(dir->fd);
        dir->fd = -1;
    }
}


ngx_int_t
ngx_conductor_file_read(ngx_conductor_dir_t *dir, const char *name,
    u_char **data, size_t *len)
{
    int        fd;
    ngx_int_t  rc;

    fd = openat(dir->fd, name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1) {
        rc = (ngx_errno == NGX_ENOENT) ? NGX_DECLINED : NGX_ERROR;

        (void) ngx_conductor_file_failed(dir, "open()", name, "");

        return rc;
    }

    rc = ngx_conductor_file_load(dir, fd, name, data, len);

    (void) close(fd);

    return rc;
}


ngx_int_t
ngx_conductor_file_create(ngx_conductor_dir_t *dir, const char *name)
{
    u_char  temp[NGX_CONDUCTOR_FILE_NAME];

    ngx_conductor_file_name(temp, name, NGX_CONDUCTOR_FILE_NEW);

    /* what a crash left */

    (void) unlinkat(dir->fd, (char *) temp, 0);

    dir->out = openat(dir->fd, (char *) temp,
                      O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600);

    if (dir->out == -1) {
        return ngx_conductor_file_failed(dir, "open()", name,
                                         NGX_CONDUCTOR_FILE_NEW);
    }

    if (ngx_conductor_file_own(dir) == -1) {
        return ngx_conductor_file_failed(dir, "fchown()", name,
                                         NGX_CONDUCTOR_FILE_NEW);
    }

    return NGX_OK;
}


ngx_int_t
ngx_conductor_file_write(ngx_conductor_dir_t *dir, const u_char *data,
    size_t len)
{
    ssize_t  n;

    while (len) {
        n = write(dir->out, data, len);

        if (n == -1) {
            if (ngx_errno == NGX_EINTR) {
                continue;
            }

            return ngx_conductor_file_failed(dir, "write()", "", "");
        }

        data += n;
        len -= n;
    }

    return NGX_OK;
}


ngx_int_t
ngx_conductor_file_commit(ngx_conductor_dir_t *dir, const char *name)
{
    u_char  temp[NGX_CONDUCTOR_FILE_NAME];

    ngx_conductor_file_name(temp, name, NGX_CONDUCTOR_FILE_NEW);

    if (fsync(dir->out) == -1) {
        return ngx_conductor_file_failed(dir, "fsync()", name,
                                         NGX_CONDUCTOR_FILE_NEW);
    }

    if (renameat(dir->fd, (char *) temp, dir->fd, name) == -1) {
        return ngx_conductor_file_failed(dir, "rename()", name,
                                         NGX_CONDUCTOR_FILE_NEW);
    }

    (void) close(dir->out);
    dir->out = -1;

    if (fsync(dir->fd) == -1) {
        return ngx_conductor_file_failed(dir, "fsync()", "", "");
    }

    return NGX_OK;
}


void
ngx_conductor_file_abort(ngx_conductor_dir_t *dir, const char *name)
{
    u_char  temp[NGX_CONDUCTOR_FILE_NAME];

    if (dir->out == -1) {
        return;
    }

    (void) close(dir->out);
    dir->out = -1;

    ngx_conductor_file_name(temp, name, NGX_CONDUCTOR_FILE_NEW);

    (void) unlinkat(dir->fd, (char *) temp, 0);
}


ngx_int_t
ngx_conductor_file_aside(ngx_conductor_dir_t *dir, const char *name)
{
    u_char  bad[NGX_CONDUCTOR_FILE_NAME];

    ngx_conductor_file_name(bad, name, NGX_CONDUCTOR_FILE_BAD);

    return (renameat(dir->fd, name, dir->fd, (char *) bad) == -1)
           ? ngx_conductor_file_failed(dir, "rename()", name, "") : NGX_OK;
}


/* The master writes as root what the keeper is to read and replace. */

static ngx_int_t
ngx_conductor_file_own(ngx_conductor_dir_t *dir)
{
    struct stat  st;

    if (geteuid() != 0) {
        return 0;
    }

    if (fstat(dir->fd, &st) == -1) {
        return -1;
    }

    return fchown(dir->out, st.st_uid, st.st_gid);
}


static ngx_int_t
ngx_conductor_file_load(ngx_conductor_dir_t *dir, int fd, const char *name,
    u_char **data, size_t *len)
{
    size_t       size, got;
    u_char      *p;
    ssize_t      n;
    struct stat  st;

    if (fstat(fd, &st) == -1) {
        return ngx_conductor_file_failed(dir, "fstat()", name, "");
    }

    if (!S_ISREG(st.st_mode)) {
        ngx_set_errno(EINVAL);
        return ngx_conductor_file_failed(dir, "reading", name, "");
    }

    size = (size_t) st.st_size;

    p = malloc(size + 1);
    if (p == NULL) {
        return ngx_conductor_file_failed(dir, "malloc() for", name, "");
    }

    for (got = 0; got < size; got += n) {
        n = read(fd, p + got, size - got);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            (void) ngx_conductor_file_failed(dir, "read()", name, "");
            free(p);
            return NGX_ERROR;
        }

        if (n == 0) {
            break;
        }
    }

    *data = p;
    *len = got;

    return NGX_OK;
}


static void
ngx_conductor_file_name(u_char *dst, const char *name, const char *suffix)
{
    (void) ngx_snprintf(dst, NGX_CONDUCTOR_FILE_NAME, "%s%s%Z", name, suffix);
}


static ngx_int_t
ngx_conductor_file_failed(ngx_conductor_dir_t *dir, const char *what,
    const char *name, const char *suffix)
{
    u_char  *last;

    dir->err = ngx_errno;

    last = dir->error + NGX_CONDUCTOR_FILE_ERROR - 1;
    last = ngx_slprintf(dir->error, last, "%s \"%V%s%s%s\" failed", what,
                        &dir->path, *name ? "/" : "", name, suffix);
    *last = '\0';

    return NGX_ERROR;
}
