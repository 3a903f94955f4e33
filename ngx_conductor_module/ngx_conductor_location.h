/* What is configured of a location. */

#ifndef NGX_CONDUCTOR_LOCATION_H_INCLUDED
#define NGX_CONDUCTOR_LOCATION_H_INCLUDED


#include "ngx_conductor.h"


typedef enum {
    NGX_CONDUCTOR_NONE = 0,
    NGX_CONDUCTOR_SOCKET,
    NGX_CONDUCTOR_PUBLISH,
    NGX_CONDUCTOR_HEALTH,
    NGX_CONDUCTOR_ADMIN,
    NGX_CONDUCTOR_REVIEWERS,
    NGX_CONDUCTOR_METRICS
} ngx_conductor_endpoint_e;


#define NGX_CONDUCTOR_NATIVE         0
#define NGX_CONDUCTOR_ECHO           1

#define NGX_CONDUCTOR_AUTH_OFF       0
#define NGX_CONDUCTOR_AUTH_JWT       1
#define NGX_CONDUCTOR_AUTH_VARIABLE  2

#define NGX_CONDUCTOR_REFUSE_HTTP    0
#define NGX_CONDUCTOR_REFUSE_CLOSE   1


typedef struct {
    ngx_http_complex_value_t     *value;
    ngx_flag_t                    cookie;     /* sent by the browser itself */
} ngx_conductor_token_t;


typedef struct {
    ngx_conductor_hub_t          *hub;        /* not inherited */
    ngx_conductor_endpoint_e      endpoint;   /* not inherited */
    ngx_flag_t                    optional;
    ngx_flag_t                    prometheus; /* text, not JSON */

    ngx_uint_t                    protocol;

    /* identity */

    ngx_uint_t                    auth;
    cdr_jwks_t                   *keys;
    cdr_jwt_policy_t             *policy;     /* made at merging */
    ngx_array_t                  *issuers;    /* cdr_str_t */
    ngx_array_t                  *audiences;  /* cdr_str_t */
    ngx_flag_t                    exp_required;
    time_t                        leeway;
    ngx_str_t                     user_claim;
    ngx_str_t                     role_claim;
    ngx_http_complex_value_t     *user;
    ngx_http_complex_value_t     *role;
    ngx_http_complex_value_t     *expires;
    ngx_array_t                  *tokens;     /* ngx_conductor_token_t */
    ngx_array_t                  *roles;      /* ngx_str_t: required */

    ngx_array_t                  *origins;    /* cdr_str_t: patterns */
    ngx_uint_t                    refuse;

    /* limits */

    ngx_uint_t                    limit_conn; /* 0: off */
    ngx_http_complex_value_t     *limit_conn_key;
    ngx_uint_t                    limit_user;         /* 0: off */
    ngx_uint_t                    limit_handshakes;   /* 0: off */
    ngx_msec_t                    limit_handshakes_per;
    ngx_http_complex_value_t     *limit_handshakes_key;
    ngx_uint_t                    limit_messages;     /* 0: off */
    ngx_msec_t                    limit_messages_per;
    size_t                        limit_messages_bytes;
    ngx_uint_t                    limit_messages_close;
    ngx_flag_t                    limit_dry_run;
    size_t                        max_message;
    size_t                        max_queue;
    ngx_msec_t                    ping;       /* 0: off */
    ngx_msec_t                    ping_timeout;
    ngx_msec_t                    idle;       /* 0: off */
    ngx_flag_t                    idle_data;
    ngx_uint_t                    compress;   /* level, 0: off */

    /* who is told what must not be lost, see ngx_conductor_errand.h; 0: none */

    uint32_t                      disconnect_tag;
    uint32_t                      presence_tag;

    /* back ends */

    ngx_array_t                  *backends;   /* as configured */
    ngx_conductor_backend_t      *backend[CDR_CALL_N];    /* NULL: none */
    ngx_uint_t                    backend_calls;          /* at a time */
    ngx_msec_t                    backend_timeout;
} ngx_conductor_loc_conf_t;


#endif /* NGX_CONDUCTOR_LOCATION_H_INCLUDED */
