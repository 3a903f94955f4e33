/* Arguments of a request that asks for a list: texts, pages, roles. */

#ifndef NGX_CONDUCTOR_ARGS_H_INCLUDED
#define NGX_CONDUCTOR_ARGS_H_INCLUDED


#include "ngx_conductor.h"


#define NGX_CONDUCTOR_CURSOR  24            /* characters */


/* Of which table a cursor is. */

typedef enum {
    NGX_CONDUCTOR_CURSOR_REVIEWERS = 1,
    NGX_CONDUCTOR_CURSOR_CONNECTIONS
} ngx_conductor_cursor_e;


/*
 * Each returns NGX_OK; NGX_DECLINED with *error, which says what is wrong; or
 * NGX_ERROR without memory.
 */

/* An argument, decoded; its data is NULL if it is not there. */

ngx_int_t ngx_conductor_arg(ngx_http_request_t *r, const char *name,
    ngx_str_t *value, const char **error);

/* "limit", of at most 1000 or 10000; *limit is what holds without one. */

ngx_int_t ngx_conductor_arg_limit(ngx_http_request_t *r, ngx_uint_t max,
    ngx_uint_t *limit, const char **error);

/* "cursor": a place in a table, and the proof that this server gave it. */

ngx_int_t ngx_conductor_arg_cursor(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, ngx_conductor_cursor_e table, uint32_t *index,
    const char **error);
void ngx_conductor_cursor_text(ngx_conductor_hub_t *hub,
    ngx_conductor_cursor_e table, uint32_t index, u_char *text);

/*
 * NGX_OK if all arguments are of these, separated by spaces, or such as the
 * location takes the token or the identity from; else NGX_DECLINED.
 */

ngx_int_t ngx_conductor_args_known(ngx_http_request_t *r, const char *names);

/* Is it one of the comma-joined roles?  An empty one: is there none? */

ngx_uint_t ngx_conductor_role_is(ngx_str_t *want, cdr_str_t roles);


#endif /* NGX_CONDUCTOR_ARGS_H_INCLUDED */
