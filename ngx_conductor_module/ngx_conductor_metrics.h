/* What /metrics answers with, and what it is read from. */

#ifndef NGX_CONDUCTOR_METRICS_H_INCLUDED
#define NGX_CONDUCTOR_METRICS_H_INCLUDED


#include "ngx_conductor.h"

#include <cdr_metrics.h>


/*
 * ngx_conductor_metrics_read.c: all that there is to tell of a hub, with
 * arrays from the pool.  NGX_OK; NGX_ERROR without memory.
 */

ngx_int_t ngx_conductor_metrics_read(ngx_conductor_hub_t *hub,
    ngx_pool_t *pool, cdr_metrics_t *m);


#endif /* NGX_CONDUCTOR_METRICS_H_INCLUDED */
