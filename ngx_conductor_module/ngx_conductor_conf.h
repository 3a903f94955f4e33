/* What reads the configuration: the handlers of directives, and their tools. */

#ifndef NGX_CONDUCTOR_CONF_H_INCLUDED
#define NGX_CONDUCTOR_CONF_H_INCLUDED


#include "ngx_conductor.h"


/* ngx_conductor_hub.c: the "conductor_hub" block */

char *ngx_conductor_hub_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_conductor_hub_t *ngx_conductor_hub_get(ngx_conf_t *cf, ngx_str_t *name);
ngx_int_t ngx_conductor_hub_check(ngx_conf_t *cf);


/* ngx_conductor_directives.c: directives with more than one value */

char *ngx_conductor_endpoint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_http_handler_pt ngx_conductor_content_handler(
    ngx_conductor_endpoint_e endpoint);
char *ngx_conductor_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_ping(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_idle_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_compress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_number(ngx_conf_t *cf, ngx_str_t *value, ngx_uint_t min,
    ngx_uint_t max, ngx_uint_t *result);
ngx_int_t ngx_conductor_msec(ngx_str_t *value, ngx_msec_t *result);
char *ngx_conductor_conf_error(ngx_conf_t *cf, ngx_str_t *value,
    const char *why);
ngx_int_t ngx_conductor_complex_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);
ngx_int_t ngx_conductor_option(ngx_str_t *value, const char *name,
    ngx_str_t *rest);


/*
 * ngx_conductor_backend_conf.c: directives of back ends.  In the end
 * conf->backend[CDR_CALL_...] is who is called for that, or NULL.
 */

char *ngx_conductor_backend(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_backend_concurrency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_backend_timeout(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_merge_backends(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *prev, ngx_conductor_loc_conf_t *conf);


/* ngx_conductor_limit_conf.c: directives of limits */

char *ngx_conductor_limit_conn(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_limit_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_limit_handshakes(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_limit_messages(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_conductor_merge_limits(ngx_conductor_loc_conf_t *prev,
    ngx_conductor_loc_conf_t *conf);


/* ngx_conductor_identity_conf.c: directives of identity */

char *ngx_conductor_jwt_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_jwt_key_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_jwt_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_jwt_leeway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_jwt_claims(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_identity_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_conductor_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_conductor_require_role(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_conductor_policy.c: what a location inherits of it */

char *ngx_conductor_merge_identity(ngx_conf_t *cf,
    ngx_conductor_loc_conf_t *prev, ngx_conductor_loc_conf_t *conf);


/* ngx_conductor_key.c: where a key comes from */

ngx_int_t ngx_conductor_key_source(ngx_conf_t *cf, ngx_str_t *value,
    ngx_uint_t literal, ngx_str_t *key);
ngx_int_t ngx_conductor_read_file(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *name, ngx_str_t *content);


#endif /* NGX_CONDUCTOR_CONF_H_INCLUDED */
