/*
 * Errands that are held: "disconnect" of a client that a back end is still
 * asked about.  They lie in the outbox as all others do, so they are lost with
 * nobody; the keeper lends them when their worker has let them go, or is gone.
 */

#include "ngx_conductor_errand.h"


uint32_t
ngx_conductor_errand_hold(ngx_conductor_hub_t *hub, uint64_t n)
{
    uint32_t               i, k;
    ngx_conductor_hold_t  *hold;

    for (i = 1; i <= NGX_CONDUCTOR_ERRAND_HOLDS; i++) {
        k = (hub->errands->hold + i) % NGX_CONDUCTOR_ERRAND_HOLDS;
        hold = &hub->errands->holds[k];

        if (atomic_load(&hold->n) == 0) {
            hold->slot = (uint32_t) hub->slot;
            hold->incarnation = hub->incarnation;

            atomic_store(&hold->n, n);
            hub->errands->hold = k;

            return k + 1;
        }
    }

    return 0;
}


void
ngx_conductor_errand_go(ngx_conductor_hub_t *hub, uint32_t hold)
{
    atomic_store(&hub->errands->holds[hold - 1].n, 0);

    ngx_conductor_wake_keeper(hub);
}


uint32_t
ngx_conductor_errand_held(ngx_conductor_hub_t *hub, uint64_t n)
{
    uint32_t  i;

    for (i = 0; i < NGX_CONDUCTOR_ERRAND_HOLDS; i++) {
        if (atomic_load_explicit(&hub->errands->holds[i].n,
                                 memory_order_relaxed)
            == n)
        {
            return i + 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_conductor_errand_holds(ngx_conductor_hub_t *hub, uint32_t hold,
    uint64_t n)
{
    return hold && atomic_load(&hub->errands->holds[hold - 1].n) == n;
}


ngx_uint_t
ngx_conductor_errand_unhold(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation)
{
    ngx_uint_t             i, n;
    ngx_conductor_hold_t  *hold;

    n = 0;

    for (i = 0; i < NGX_CONDUCTOR_ERRAND_HOLDS; i++) {
        hold = &hub->errands->holds[i];

        if (atomic_load(&hold->n) && hold->slot == slot
            && (int32_t) (incarnation - hold->incarnation) >= 0)
        {
            atomic_store(&hold->n, 0);
            n++;
        }
    }

    return n;
}
