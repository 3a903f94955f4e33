/* Who hangs on a hub's being joined to others. */

#include "ngx_conductor_join.h"


ngx_conductor_join_hook_t  *ngx_conductor_join_hooks[] = {
    &ngx_conductor_outbox_keep,
    &ngx_conductor_join_presence,
    &ngx_conductor_join_control,
    &ngx_conductor_join_foreign,
    NULL
};


void **
ngx_conductor_join_data(ngx_conductor_join_t *join,
    ngx_conductor_join_hook_t *hook)
{
    ngx_uint_t  i;

    for (i = 0; ngx_conductor_join_hooks[i]; i++) {
        if (ngx_conductor_join_hooks[i] == hook) {
            break;
        }
    }

    return &join->data[i];
}
