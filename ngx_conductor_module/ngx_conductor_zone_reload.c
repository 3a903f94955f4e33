/* What a new configuration makes of a zone. */

#include "ngx_conductor_errand.h"


/*
 * A zone that is in use cannot be laid out again: the old workers go on
 * using it until they are gone.  That new events would have got room for
 * their figures is not worth a word until there is none.
 */

void
ngx_conductor_zone_compare(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    cdr_log_fill_t  fill;

    if (hub->presence && hub->reviewers.shm == NULL) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the zone of hub \"%V\" was made without presence, "
                      "which takes effect at a restart or with another zone "
                      "size", &hub->name);
        hub->presence = 0;
        hub->presence_file.len = 0;
    }

    if (hub->redis && (hub->sources.shm == NULL || hub->outbox.shm == NULL))
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the zone of hub \"%V\" was made without \"redis\", "
                      "which takes effect at a restart or with another zone "
                      "size", &hub->name);
        hub->redis = NULL;
    }

    ngx_conductor_errands_compare(hub, log);

    cdr_log_fill(&hub->log, &fill);

    if (fill.events_max != hub->history_events
        || fill.bytes_max != hub->history_size / 8 * 8)
    {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "the zone of hub \"%V\" keeps the history it was made "
                      "with, of %uL events; the configured one takes effect "
                      "at a restart or with another zone size",
                      &hub->name, fill.events_max);
    }
}


/* Did the configuration before this one have the zone in another size? */

void
ngx_conductor_zone_resized(ngx_conductor_hub_t *hub, ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (zone[i].tag != shm_zone->tag
                || zone[i].shm.name.len != shm_zone->shm.name.len
                || ngx_strncmp(zone[i].shm.name.data, shm_zone->shm.name.data,
                               shm_zone->shm.name.len)
                   != 0)
            {
                continue;
            }

            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "the zone of hub \"%V\" is made anew, with %uz in "
                          "place of %uz bytes: its history is lost, and "
                          "clients of the old workers get no new events",
                          &hub->name, shm_zone->shm.size, zone[i].shm.size);
            return;
        }
    }
}
