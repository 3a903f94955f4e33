/* A request of an administrator, and what its files share. */

#ifndef NGX_CONDUCTOR_ADMIN_H_INCLUDED
#define NGX_CONDUCTOR_ADMIN_H_INCLUDED


#include "ngx_conductor_args.h"

#include <cdr_json.h>


/* A request, and the answer as it comes to be. */

typedef struct {
    ngx_http_request_t           *request;
    ngx_conductor_hub_t          *hub;
    ngx_str_t                     id;         /* behind the action's path */
    ngx_str_t                     body;
    ngx_str_t                     answer;
    ngx_uint_t                    status;     /* 0: 200; if declined: why */
    const char                   *error;
    const char                   *field;
} ngx_conductor_admin_t;


/* A field of a body; "value" is JSON, and its data NULL if it is not there. */

typedef struct {
    cdr_str_t                     name;
    cdr_json_type_e               type;
    cdr_str_t                     value;
} ngx_conductor_field_t;


/* A notification; the strings are values of JSON. */

typedef struct {
    cdr_str_t                     level;
    cdr_str_t                     message;
    cdr_str_t                     to;
    uint32_t                      flags;      /* 0: to all, or whom "to" is */
    struct ngx_conductor_offer_s *offer;      /* of a hub with Redis; with its
                                                 handler */
} ngx_conductor_notice_t;


/*
 * ngx_conductor_action.c: NGX_OK with the answer; NGX_DONE: it comes later;
 * NGX_DECLINED with status and error; NGX_ERROR without memory
 */

ngx_int_t ngx_conductor_admin_disconnect(ngx_conductor_admin_t *a);
ngx_int_t ngx_conductor_admin_revoke(ngx_conductor_admin_t *a);
ngx_int_t ngx_conductor_admin_notify(ngx_conductor_admin_t *a);
ngx_int_t ngx_conductor_admin_drain(ngx_conductor_admin_t *a);
ngx_int_t ngx_conductor_admin_undrain(ngx_conductor_admin_t *a);


/*
 * ngx_conductor_listing.c, ngx_conductor_admin_events.c: what is there, as
 * above
 */

ngx_int_t ngx_conductor_admin_connections(ngx_conductor_admin_t *a);
ngx_int_t ngx_conductor_admin_events(ngx_conductor_admin_t *a);


/*
 * ngx_conductor_admin_args.c: an argument, decoded; its data is NULL if it is
 * not there.  NGX_OK; NGX_DECLINED with status and error; NGX_ERROR.
 */

ngx_int_t ngx_conductor_admin_arg(ngx_conductor_admin_t *a, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_conductor_admin_limit(ngx_conductor_admin_t *a,
    ngx_uint_t max, ngx_uint_t *limit);

ngx_int_t ngx_conductor_admin_cursor(ngx_conductor_admin_t *a,
    uint32_t *index);
ngx_int_t ngx_conductor_admin_known(ngx_conductor_admin_t *a,
    const char *names, const char *error);


/* ngx_conductor_notify.c: notifications of an administrator */

#define NGX_CONDUCTOR_NOTIFICATION  "admin-notification"
#define NGX_CONDUCTOR_ADMIN_CHANNEL  "admin:notifications"

ngx_int_t ngx_conductor_notify(ngx_conductor_hub_t *hub,
    ngx_conductor_notice_t *notice, u_char *id, size_t *len,
    ngx_pool_t *pool);


/*
 * ngx_conductor_tell.c: the hub's other servers are told to do something, now
 * or when they are back.  NGX_OK; NGX_DECLINED: there are no others; NGX_BUSY:
 * they cannot be told.
 */

ngx_int_t ngx_conductor_tell_disconnect(ngx_conductor_hub_t *hub,
    ngx_str_t *id);
ngx_int_t ngx_conductor_tell_revoke(ngx_conductor_hub_t *hub,
    cdr_revoke_kind_t kind, ngx_str_t *name, uint64_t until);
ngx_int_t ngx_conductor_tell_drain(ngx_conductor_hub_t *hub,
    ngx_str_t *server, ngx_uint_t on);


/* ngx_conductor_admin.c: NGX_OK, or NGX_DECLINED with status and error */

ngx_int_t ngx_conductor_admin_fields(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, ngx_uint_t n);
ngx_int_t ngx_conductor_admin_wrong(ngx_conductor_admin_t *a,
    ngx_uint_t status, const char *error, const char *field);


#endif /* NGX_CONDUCTOR_ADMIN_H_INCLUDED */
