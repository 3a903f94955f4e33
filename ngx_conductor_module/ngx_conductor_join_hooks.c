/* Who hangs on a hub's being joined to others. */

#include "ngx_conductor_join.h"


ngx_conductor_join_hook_t  *ngx_conductor_join_hooks[] = {
    &ngx_conductor_join_presence,
    NULL
};
