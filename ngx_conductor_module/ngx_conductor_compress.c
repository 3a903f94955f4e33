/*
 * permessage-deflate, RFC 7692, with one stream of each kind in a worker.
 *
 * Context is never taken over, so a stream serves one whole message of one
 * client after another, and one compressed frame serves all clients.
 */

#include "ngx_conductor_session.h"

#include <cdr_deflate.h>


#define NGX_CONDUCTOR_LEVELS        10
#define NGX_CONDUCTOR_SCRATCH_KEEP  (256 * 1024)
#define NGX_CONDUCTOR_DEFLATE_MIN   128     /* below, it costs and saves not */


typedef struct {
    u_char                       *data;
    size_t                        size;
} ngx_conductor_scratch_t;


static ngx_int_t ngx_conductor_scratch(ngx_conductor_scratch_t *scratch,
    size_t size);
static void *ngx_conductor_zalloc(void *ctx, size_t size);
static void ngx_conductor_zfree(void *ctx, void *p);


static cdr_alloc_t  ngx_conductor_allocator = {
    ngx_conductor_zalloc, ngx_conductor_zfree, NULL
};


static cdr_inflated_t            ngx_conductor_inflated;
static cdr_deflater_t           *ngx_conductor_deflaters[NGX_CONDUCTOR_LEVELS];
static ngx_conductor_scratch_t   ngx_conductor_deflated;


/* What a receiver inflates with: the one inflater of this worker. */

void
ngx_conductor_inflate_conf(cdr_receiver_conf_t *conf)
{
    conf->alloc = &ngx_conductor_allocator;
    conf->inflated = &ngx_conductor_inflated;
}


/* Gives back what an unusually large message needed. */

void
ngx_conductor_inflate_done(void)
{
    cdr_inflated_shrink(&ngx_conductor_inflated, &ngx_conductor_allocator,
                        NGX_CONDUCTOR_SCRATCH_KEEP);
}


/*
 * Deflates a whole message into memory that is valid until the next call.
 * NGX_OK, or NGX_DECLINED if it is better sent as it is.
 */

ngx_int_t
ngx_conductor_deflate(ngx_uint_t level, u_char *data, size_t len,
    ngx_str_t *out)
{
    cdr_deflater_t  **d;

    if (len < NGX_CONDUCTOR_DEFLATE_MIN || level == 0
        || level >= NGX_CONDUCTOR_LEVELS)
    {
        return NGX_DECLINED;
    }

    d = &ngx_conductor_deflaters[level];

    if (*d == NULL) {
        *d = cdr_deflater_new(&ngx_conductor_allocator, (int) level);

        if (*d == NULL) {
            return NGX_DECLINED;
        }
    }

    if (ngx_conductor_deflated.size > NGX_CONDUCTOR_SCRATCH_KEEP
        && len <= NGX_CONDUCTOR_SCRATCH_KEEP)
    {
        ngx_free(ngx_conductor_deflated.data);
        ngx_conductor_deflated.data = NULL;
        ngx_conductor_deflated.size = 0;
    }

    if (ngx_conductor_scratch(&ngx_conductor_deflated, len) != NGX_OK) {
        return NGX_DECLINED;
    }

    out->data = ngx_conductor_deflated.data;

    return (cdr_deflate(*d, data, len, out->data, len, &out->len) == CDR_OK)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_conductor_scratch(ngx_conductor_scratch_t *scratch, size_t size)
{
    u_char  *p;

    if (scratch->size >= size && scratch->data) {
        return NGX_OK;
    }

    p = realloc(scratch->data, ngx_max(size, 1));
    if (p == NULL) {
        ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, ngx_errno,
                      "realloc(%uz) failed", size);
        return NGX_ERROR;
    }

    scratch->data = p;
    scratch->size = size;

    return NGX_OK;
}


static void *
ngx_conductor_zalloc(void *ctx, size_t size)
{
    return ngx_alloc(size, ngx_cycle->log);
}


static void
ngx_conductor_zfree(void *ctx, void *p)
{
    ngx_free(p);
}
