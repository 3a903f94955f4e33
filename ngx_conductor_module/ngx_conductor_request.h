/* A request over HTTP: who asks, and what is answered. */

#ifndef NGX_CONDUCTOR_REQUEST_H_INCLUDED
#define NGX_CONDUCTOR_REQUEST_H_INCLUDED


#include "ngx_conductor.h"


#define NGX_CONDUCTOR_UNPROCESSABLE       422
#define NGX_CONDUCTOR_UPGRADE_REQUIRED    426


/* Who asks: made at the first use in a request, kept with the request. */

typedef struct {
    ngx_str_t                     user;
    ngx_str_t                     role;       /* all roles, comma-joined */
    ngx_str_t                     jti;
    int64_t                       expires;    /* seconds, INT64_MAX: never */
    const char                   *reason;     /* why there is no identity */
    ngx_int_t                     rc;         /* NGX_AGAIN: not asked yet */
    unsigned                      expired:1;
    unsigned                      cookie:1;   /* the token came by cookie */
    unsigned                      missing:1;  /* no token at all */
    unsigned                      revoked:1;
} ngx_conductor_identity_t;


typedef struct {
    ngx_conductor_identity_t      identity;
    ngx_conductor_loc_conf_t     *conf;       /* under whose rules */
    ngx_conductor_session_t      *session;    /* until it leaves the request */
    ngx_str_t                     bearer;     /* token in a subprotocol */
    unsigned                      subprotocols:2; /* 0: unread, 2: malformed */
    unsigned                      offered:1;  /* our subprotocol was */
    unsigned                      admitted:1; /* by the identity */
    ngx_conductor_idem_t         *idem;       /* of a publication */
    ngx_str_t                     connection; /* its id, for the variable */
    const char                   *status;     /* for $conductor_status */
    ngx_msec_t                    retry;      /* after a refusal; 0: as
                                                 its reason says */
    ngx_uint_t                    refused;    /* with a close code: reason
                                                 + 1 */
} ngx_conductor_ctx_t;


/* ngx_conductor_module.c */

ngx_conductor_ctx_t *ngx_conductor_get_ctx(ngx_http_request_t *r);


/* ngx_conductor_identity.c: who asks */

ngx_conductor_identity_t *ngx_conductor_identity(ngx_http_request_t *r);
ngx_int_t ngx_conductor_identity_verify(ngx_conductor_loc_conf_t *lcf,
    ngx_str_t *token, ngx_pool_t *pool, ngx_conductor_identity_t *id);
void ngx_conductor_identity_record(ngx_conductor_hub_t *hub,
    ngx_conductor_identity_t *id, cdr_conn_identity_t *record);
ngx_int_t ngx_conductor_subprotocols(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx);
void ngx_conductor_hide_arguments(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *lcf);
u_char *ngx_conductor_log_text(u_char *p, u_char *last, const u_char *data,
    size_t len);

/* The hub, and the user if it is known, as the end of a line of the log. */

#define NGX_CONDUCTOR_LOG_WHO  (CDR_CONN_USER_MAX * 4 + 128)

u_char *ngx_conductor_log_who(ngx_http_request_t *r, u_char *buf);


/* ngx_conductor_access.c: identity as an access check */

ngx_int_t ngx_conductor_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_access_still(ngx_http_request_t *r);
ngx_int_t ngx_conductor_authenticate(ngx_http_request_t *r,
    ngx_conductor_identity_t *id);
ngx_int_t ngx_conductor_role_allowed(ngx_array_t *roles, ngx_str_t *role);

/* ngx_conductor_variables.c */

ngx_int_t ngx_conductor_add_variables(ngx_conf_t *cf);

/* ngx_conductor_origin.c: RFC 6454 origins and CORS */

ngx_int_t ngx_conductor_origin_allowed(ngx_http_request_t *r,
    ngx_flag_t by_cookie);
ngx_int_t ngx_conductor_cors_origin(ngx_http_request_t *r);
ngx_int_t ngx_conductor_cors(ngx_http_request_t *r, const char *methods);
ngx_int_t ngx_conductor_send_preflight(ngx_http_request_t *r);


/* ngx_conductor_upgrade.c: the handshake */

ngx_int_t ngx_conductor_upgrade_handler(ngx_http_request_t *r);


/* ngx_conductor_refuse.c: refusals, each with its reason */

#define NGX_CONDUCTOR_REFUSAL_TEXT  64      /* of a close frame */

ngx_int_t ngx_conductor_refuse(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail);
ngx_int_t ngx_conductor_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);
ngx_int_t ngx_conductor_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body);
ngx_int_t ngx_conductor_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
uint16_t ngx_conductor_refusal_code(ngx_uint_t reason);
ngx_str_t *ngx_conductor_refusal_name(ngx_uint_t reason);
u_char *ngx_conductor_refusal_text(u_char *buf, ngx_conductor_ctx_t *ctx);
void ngx_conductor_refused(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail);


/* ngx_conductor_publish_key.c: the header Idempotency-Key */

ngx_int_t ngx_conductor_publish_key(ngx_http_request_t *r,
    ngx_conductor_idem_t **idem);
ngx_int_t ngx_conductor_publish_reserve(ngx_http_request_t *r,
    ngx_conductor_idem_t *idem);
ngx_int_t ngx_conductor_publish_lookup(ngx_conductor_idem_t *idem,
    ngx_str_t *body);
void ngx_conductor_publish_release(ngx_conductor_idem_t *idem);


/*
 * ngx_conductor_publish.c, ngx_conductor_health.c, ngx_conductor_admin.c,
 * ngx_conductor_presence_http.c, ngx_conductor_metrics.c: HTTP endpoints
 */

ngx_int_t ngx_conductor_publish_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_health_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_admin_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_presence_handler(ngx_http_request_t *r);
ngx_int_t ngx_conductor_metrics_handler(ngx_http_request_t *r);

/* ngx_conductor_listing.c: answers who waits.  Called in every turn. */

void ngx_conductor_listing_turn(void);


/* ngx_conductor_body.c: what they share */

ngx_int_t ngx_conductor_body_type(ngx_http_request_t *r, ngx_flag_t *ndjson);
ngx_int_t ngx_conductor_body_read(ngx_http_request_t *r, ngx_str_t *body);
ngx_int_t ngx_conductor_body_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *text);


#endif /* NGX_CONDUCTOR_REQUEST_H_INCLUDED */
