/* The keeper: the process that owns what lies outside of shared memory. */

#ifndef NGX_CONDUCTOR_KEEPER_H_INCLUDED
#define NGX_CONDUCTOR_KEEPER_H_INCLUDED


#include "ngx_conductor.h"

#include <cdr_store.h>


/* Can a database be encrypted in this build? */

#define ngx_conductor_encrypts()  cdr_store_encrypts()


/* ngx_conductor_keeper.c: what nginx's manager process calls for a path */

ngx_msec_t ngx_conductor_keeper_manager(void *data);


#endif /* NGX_CONDUCTOR_KEEPER_H_INCLUDED */
