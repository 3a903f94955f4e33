/*
 * What outlives the server, as the keeper and the last act of the master write
 * it.
 */

#include "ngx_conductor_snapshot.h"


ngx_uint_t
ngx_conductor_position_lost(ngx_conductor_hub_t *hub, const cdr_log_pos_t *pos)
{
    uint32_t                i;
    ngx_conductor_lives_t  *lives;

    lives = &hub->zone->lives;

    for (i = 0; i < lives->nepochs && i < CDR_SNAPSHOT_EPOCHS; i++) {

        if (lives->epochs[i].ms == pos->ms) {
            return pos->n > lives->epochs[i].last_n;
        }
    }

    return 0;
}


ngx_uint_t
ngx_conductor_save_due(ngx_conductor_hub_t *hub)
{
    return 0;
}


ngx_conductor_save_t *
ngx_conductor_save_new(ngx_conductor_hub_t *hub, ngx_uint_t what)
{
    return NULL;
}


void
ngx_conductor_save_free(ngx_conductor_save_t *save)
{
}


ngx_int_t
ngx_conductor_save(ngx_conductor_save_t *save)
{
    return NGX_OK;
}
