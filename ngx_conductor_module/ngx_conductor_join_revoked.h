/* What the servers of a hub are to do, in the keeper: what its files share. */

#ifndef NGX_CONDUCTOR_JOIN_REVOKED_H_INCLUDED
#define NGX_CONDUCTOR_JOIN_REVOKED_H_INCLUDED


#include "ngx_conductor_join_own.h"

#include <cdr_control.h>


typedef struct {
    unsigned                      bad:1;    /* something was; logged */
    unsigned                      full:1;   /* the table is; logged */
} ngx_conductor_join_controlled_t;


typedef struct {
    cdr_revoke_kind_t             kind;
    uint64_t                      hash[2];
    uint64_t                      until_ms; /* 0: lifted */
    uint64_t                      ms;       /* its place in the stream; 0: it
                                               came another way */
    uint64_t                      n;
} ngx_conductor_revocation_t;


/*
 * ngx_conductor_join_revoked.c
 *
 * When the link is up: what this server has is compared with what Redis has.
 */

void ngx_conductor_join_revoked_up(ngx_conductor_join_t *join);

/*
 * Under the lock: it holds from now on.  NGX_OK: workers are to be woken;
 * NGX_DECLINED: nothing has changed.
 */

ngx_int_t ngx_conductor_join_revoked_set(ngx_conductor_join_t *join,
    ngx_conductor_revocation_t *r, ngx_uint_t own);

/* Redis is to keep it. */

void ngx_conductor_join_revoked_keep(ngx_conductor_join_t *join,
    ngx_conductor_revocation_t *r);


#endif /* NGX_CONDUCTOR_JOIN_REVOKED_H_INCLUDED */
