/* What the files that read the directive "redis" share. */

#ifndef NGX_CONDUCTOR_REDIS_CONF_H_INCLUDED
#define NGX_CONDUCTOR_REDIS_CONF_H_INCLUDED


#include "ngx_conductor_conf.h"
#include "ngx_conductor_hub.h"
#include "ngx_conductor_redis.h"


typedef ngx_conductor_redis_conf_t  ngx_conductor_rcf_t;


/* ngx_conductor_redis_conf.c */

/* With a NUL behind it. */

ngx_int_t ngx_conductor_redis_copy(ngx_conf_t *cf, ngx_str_t *dst,
    ngx_str_t *src);
void ngx_conductor_redis_wipe(void *data);


/* ngx_conductor_redis_url.c: the first value */

char *ngx_conductor_redis_url(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    ngx_str_t *value);


/* ngx_conductor_redis_option.c: those behind it; "given" is 0 at first */

char *ngx_conductor_redis_option(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf,
    ngx_str_t *value, ngx_uint_t *given);


/* ngx_conductor_redis_context.c: TLS, if the URL wants it */

char *ngx_conductor_redis_context(ngx_conf_t *cf, ngx_conductor_rcf_t *rcf);
void ngx_conductor_redis_context_free(ngx_conductor_rcf_t *rcf);


#endif /* NGX_CONDUCTOR_REDIS_CONF_H_INCLUDED */
