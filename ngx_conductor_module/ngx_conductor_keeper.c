/* The keeper: nginx's manager process, and what it does for each hub. */

#include "ngx_conductor_keeper.h"


#define NGX_CONDUCTOR_KEEPER_IDLE  (60 * 60 * 1000)


/* Called once for each hub, when the process has started. */

ngx_msec_t
ngx_conductor_keeper_manager(void *data)
{
    return NGX_CONDUCTOR_KEEPER_IDLE;
}
