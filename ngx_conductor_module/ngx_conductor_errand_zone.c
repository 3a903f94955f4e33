/* Errands: their part of the zone, and whose file it is. */

#include "ngx_conductor_errand.h"


#define NGX_CONDUCTOR_ERRANDS_MAGIC  0x7364617265726463ULL
#define NGX_CONDUCTOR_ERRANDS_LIVES  10     /* bits: numbers of a ms */
#define NGX_CONDUCTOR_ERRANDS_EACH   512    /* bytes for each connection */
#define NGX_CONDUCTOR_ERRANDS_TICKETS  1    /* nobody waits */


static size_t ngx_conductor_errands_box(ngx_conductor_hub_t *hub,
    ngx_uint_t n);


size_t
ngx_conductor_errands_size(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    if (hub->targets.nelts == 0) {
        return 0;
    }

    return sizeof(ngx_conductor_errands_t)
           + cdr_outbox_size(ngx_conductor_errands_box(hub, n),
                             NGX_CONDUCTOR_ERRANDS_TICKETS);
}


size_t
ngx_conductor_errands_each(ngx_conductor_hub_t *hub)
{
    return hub->targets.nelts ? NGX_CONDUCTOR_ERRANDS_EACH : 0;
}


int
ngx_conductor_errands_init(ngx_conductor_hub_t *hub, u_char *mem,
    ngx_uint_t n)
{
    ngx_conductor_errands_t  *errands;

    if (hub->targets.nelts == 0) {
        return CDR_OK;
    }

    errands = (ngx_conductor_errands_t *) mem;

    ngx_memzero(errands, sizeof(ngx_conductor_errands_t));

    errands->magic = NGX_CONDUCTOR_ERRANDS_MAGIC;

    return cdr_outbox_init(mem + sizeof(ngx_conductor_errands_t),
                           ngx_conductor_errands_box(hub, n),
                           NGX_CONDUCTOR_ERRANDS_TICKETS);
}


/* In a zone that was made without targets, nothing stands there. */

int
ngx_conductor_errands_attach(ngx_conductor_hub_t *hub, u_char *mem,
    size_t size)
{
    ngx_conductor_errands_t  *errands;

    hub->errands = NULL;
    errands = (ngx_conductor_errands_t *) mem;

    if (size < sizeof(ngx_conductor_errands_t)
        || errands->magic != NGX_CONDUCTOR_ERRANDS_MAGIC
        || cdr_outbox_attach(&hub->errand_box,
                             mem + sizeof(ngx_conductor_errands_t),
                             size - sizeof(ngx_conductor_errands_t))
           != CDR_OK)
    {
        return CDR_OK;
    }

    hub->errands = errands;

    return CDR_OK;
}


/* All connections may end at once. */

static size_t
ngx_conductor_errands_box(ngx_conductor_hub_t *hub, ngx_uint_t n)
{
    return CDR_OUTBOX_SIZE_MIN + n * NGX_CONDUCTOR_ERRANDS_EACH;
}


void
ngx_conductor_errands_kept(ngx_conductor_hub_t *hub, ngx_conductor_kept_t *box)
{
    box->outbox = &hub->errand_box;
    box->prefix = "errands.";
    box->name = "outbox for back ends";
    box->server = hub->errands->server;
}


void
ngx_conductor_errands_create(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_conductor_kept_t   box;
    ngx_conductor_found_t  found;

    if (hub->errands == NULL) {
        return;
    }

    hub->errands->server = hub->zone->boot ? hub->zone->boot : 1;

    if (hub->state) {
        ngx_conductor_errands_kept(hub, &box);
        ngx_conductor_outbox_restore(hub, &box, &found, log);

        if (found.server) {
            hub->errands->server = found.server;
            atomic_store(&hub->errands->dropped, found.dropped);

            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "hub \"%V\" begins with %uL things that its back "
                          "ends are to be told, %uL more found no room",
                          &hub->name, found.events - found.dropped,
                          found.dropped);
        }
    }

    cdr_outbox_start(&hub->errand_box,
                     ngx_conductor_now() << NGX_CONDUCTOR_ERRANDS_LIVES);
}


void
ngx_conductor_errands_compare(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    if (hub->targets.nelts && hub->errands == NULL) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the zone of hub \"%V\" was made without back ends: "
                      "that they are told what must not be lost takes effect "
                      "at a restart or with another zone size", &hub->name);
    }
}


void
ngx_conductor_errands_repair(ngx_conductor_hub_t *hub)
{
    if (hub->errands) {
        cdr_outbox_repair(&hub->errand_box);
    }
}


void
ngx_conductor_errands_release(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    uint32_t incarnation)
{
    ngx_uint_t  n;

    if (hub->errands == NULL) {
        return;
    }

    n = cdr_lend_release_owner(&hub->errands->lends, (uint32_t) slot,
                               incarnation);
    n += ngx_conductor_errand_unhold(hub, slot, incarnation);

    if (n) {
        ngx_conductor_wake_keeper(hub);
    }
}
