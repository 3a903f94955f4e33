/* What a keeper that is told to end has still to do, with Redis. */

#include "ngx_conductor_join.h"


static ngx_uint_t ngx_conductor_join_served(ngx_conductor_hub_t *hub);


ngx_uint_t
ngx_conductor_join_left(ngx_conductor_join_t *join)
{
    cdr_outbox_fill_t     fill;
    ngx_conductor_hub_t  *hub;

    if (join == NULL || join->link == NULL) {
        return 0;
    }

    hub = join->hub;

    if (ngx_conductor_join_followed(hub)) {
        return 0;
    }

    if (ngx_conductor_join_served(hub)) {
        return NGX_CONDUCTOR_JOIN_SERVES;
    }

    cdr_outbox_fill(&hub->outbox, &fill);

    return (join->up && fill.records) ? NGX_CONDUCTOR_JOIN_OWES : 0;
}


/* Are there workers, whose clients may publish? */

static ngx_uint_t
ngx_conductor_join_served(ngx_conductor_hub_t *hub)
{
    ngx_uint_t   i;
    cdr_slot_t  *slot;

    for (i = 0; i < CDR_SLOTS; i++) {
        slot = &hub->slots.slots[i];

        if (atomic_load(&slot->state) != CDR_SLOT_FREE
            && !ngx_conductor_slot_is_keeper(slot)
            && !ngx_conductor_process_gone(slot))
        {
            return 1;
        }
    }

    return 0;
}
