/* The arguments of a request that asks for a list. */

#include "ngx_conductor_args.h"
#include "ngx_conductor_location.h"
#include "ngx_conductor_zone.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_ARG_TEXT  1024        /* of an argument, decoded */


static ngx_uint_t ngx_conductor_arg_is(ngx_str_t *name, const char *names);
static ngx_uint_t ngx_conductor_arg_taken(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_uint_t ngx_conductor_arg_in(ngx_http_complex_value_t *value,
    ngx_str_t *name);


ngx_int_t
ngx_conductor_arg(ngx_http_request_t *r, const char *name, ngx_str_t *value,
    const char **error)
{
    u_char     *src, *dst;
    ngx_str_t   arg;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return NGX_OK;
    }

    if (arg.len > NGX_CONDUCTOR_ARG_TEXT) {
        *error = "it is too long";
        return NGX_DECLINED;
    }

    dst = ngx_pnalloc(r->pool, arg.len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = arg.data;

    ngx_unescape_uri(&dst, &src, arg.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_arg_limit(ngx_http_request_t *r, ngx_uint_t max,
    ngx_uint_t *limit, const char **error)
{
    ngx_int_t  rc, n;
    ngx_str_t  value;

    rc = ngx_conductor_arg(r, "limit", &value, error);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    n = ngx_atoi(value.data, value.len);

    if (n == NGX_ERROR || n == 0 || (ngx_uint_t) n > max) {
        *error = (max == 1000) ? "the limit is a number from 1 to 1000"
                               : "the limit is a number from 1 to 10000";
        return NGX_DECLINED;
    }

    *limit = n;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_arg_cursor(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    ngx_conductor_cursor_e table, uint32_t *index, const char **error)
{
    ngx_int_t  rc, n;
    ngx_str_t  value;
    u_char     text[NGX_CONDUCTOR_CURSOR];

    rc = ngx_conductor_arg(r, "cursor", &value, error);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    if (value.len == sizeof(text)) {
        n = ngx_hextoi(value.data, 8);

        if (n != NGX_ERROR) {
            *index = (uint32_t) n;
            ngx_conductor_cursor_text(hub, table, *index, text);

            if (ngx_memcmp(text, value.data, sizeof(text)) == 0) {
                return NGX_OK;
            }
        }
    }

    *error = "this server did not give this cursor, or it was started anew: "
             "begin without one";

    return NGX_DECLINED;
}


void
ngx_conductor_cursor_text(ngx_conductor_hub_t *hub,
    ngx_conductor_cursor_e table, uint32_t index, u_char *text)
{
    uint64_t  proof;
    uint32_t  place[2];

    place[0] = index;
    place[1] = table;

    proof = cdr_siphash(hub->zone->secret, (u_char *) place, sizeof(place));

    (void) ngx_sprintf(text, "%08xD%016xL", index, proof);
}


ngx_int_t
ngx_conductor_args_known(ngx_http_request_t *r, const char *names)
{
    u_char     *p, *last, *end;
    ngx_str_t   name;

    p = r->args.data;
    last = p + r->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        name.data = p;
        p = ngx_strlchr(p, end, '=');
        name.len = (p ? p : end) - name.data;

        if (name.len && !ngx_conductor_arg_is(&name, names)
            && !ngx_conductor_arg_taken(r, &name))
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* As nginx compares them. */

static ngx_uint_t
ngx_conductor_arg_is(ngx_str_t *name, const char *names)
{
    size_t       len;
    const char  *p;

    for (p = names; *p; p += len + (p[len] == ' ')) {
        len = ngx_strchr(p, ' ') ? (size_t) (ngx_strchr(p, ' ') - p)
                                 : ngx_strlen(p);

        if (len == name->len
            && ngx_strncasecmp(name->data, (u_char *) p, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Does the location take from it who asks? */

static ngx_uint_t
ngx_conductor_arg_taken(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t                 i;
    ngx_conductor_token_t     *token;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (ngx_conductor_arg_in(lcf->user, name)
        || ngx_conductor_arg_in(lcf->role, name)
        || ngx_conductor_arg_in(lcf->expires, name))
    {
        return 1;
    }

    if (lcf->tokens == NULL) {
        return 0;
    }

    token = lcf->tokens->elts;

    for (i = 0; i < lcf->tokens->nelts; i++) {
        if (ngx_conductor_arg_in(token[i].value, name)) {
            return 1;
        }
    }

    return 0;
}


/* Is its variable in the text of a value? */

static ngx_uint_t
ngx_conductor_arg_in(ngx_http_complex_value_t *value, ngx_str_t *name)
{
    u_char  *p, *last, *end;

    if (value == NULL) {
        return 0;
    }

    p = value->value.data;
    last = p + value->value.len;

    for ( /* void */ ; p + 4 + name->len <= last; p++) {

        if (ngx_strncasecmp(p, (u_char *) "arg_", 4) != 0
            || ngx_strncasecmp(p + 4, name->data, name->len) != 0)
        {
            continue;
        }

        end = p + 4 + name->len;

        if (end == last || !(*end == '_' || (*end >= '0' && *end <= '9')
                             || ((*end | 0x20) >= 'a'
                                 && (*end | 0x20) <= 'z')))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_conductor_role_is(ngx_str_t *want, cdr_str_t roles)
{
    size_t   len;
    u_char  *p, *end, *comma;

    if (want->len == 0) {
        return roles.len == 0;
    }

    p = (u_char *) roles.data;
    end = p + roles.len;

    while (p < end) {
        comma = ngx_strlchr(p, end, ',');
        len = (comma ? comma : end) - p;

        if (len == want->len && ngx_memcmp(p, want->data, len) == 0) {
            return 1;
        }

        p += len + 1;
    }

    return 0;
}
