/* The arguments of an administrator's request. */

#include "ngx_conductor_admin.h"


static ngx_int_t ngx_conductor_admin_argued(ngx_conductor_admin_t *a,
    ngx_int_t rc, const char *error, const char *name);


ngx_int_t
ngx_conductor_admin_arg(ngx_conductor_admin_t *a, const char *name,
    ngx_str_t *value)
{
    ngx_int_t    rc;
    const char  *error;

    error = NULL;
    rc = ngx_conductor_arg(a->request, name, value, &error);

    return ngx_conductor_admin_argued(a, rc, error, name);
}


ngx_int_t
ngx_conductor_admin_limit(ngx_conductor_admin_t *a, ngx_uint_t max,
    ngx_uint_t *limit)
{
    ngx_int_t    rc;
    const char  *error;

    error = NULL;
    rc = ngx_conductor_arg_limit(a->request, max, limit, &error);

    return ngx_conductor_admin_argued(a, rc, error, "limit");
}


ngx_int_t
ngx_conductor_admin_cursor(ngx_conductor_admin_t *a, uint32_t *index)
{
    ngx_int_t    rc;
    const char  *error;

    error = NULL;
    rc = ngx_conductor_arg_cursor(a->request, a->hub,
                                  NGX_CONDUCTOR_CURSOR_CONNECTIONS, index,
                                  &error);

    return ngx_conductor_admin_argued(a, rc, error, "cursor");
}


/* An unknown one is refused: mistyped, it would mean all instead of some. */

ngx_int_t
ngx_conductor_admin_known(ngx_conductor_admin_t *a, const char *names,
    const char *error)
{
    return ngx_conductor_admin_argued(a, ngx_conductor_args_known(a->request,
                                                                  names),
                                      error, NULL);
}


static ngx_int_t
ngx_conductor_admin_argued(ngx_conductor_admin_t *a, ngx_int_t rc,
    const char *error, const char *name)
{
    return (rc == NGX_DECLINED)
           ? ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST, error, name)
           : rc;
}
