/* Events of other servers are missing here, which clients are told. */

#include "ngx_conductor_join_own.h"
#include "ngx_conductor_append.h"


#define NGX_CONDUCTOR_JOIN_GAP  1000        /* ms between two */


static void ngx_conductor_join_gap_append(ngx_conductor_join_own_t *own);


void
ngx_conductor_join_gap(ngx_conductor_join_own_t *own, const char *reason)
{
    ngx_conductor_zone_lock(own->join.hub);
    ngx_conductor_join_gap_locked(own, reason);
    ngx_conductor_zone_unlock(own->join.hub);

    ngx_conductor_join_tell_log(own);
    ngx_conductor_wake_all(own->join.hub);
}


void
ngx_conductor_join_gap_locked(ngx_conductor_join_own_t *own,
    const char *reason)
{
    own->gap = reason;
    own->join.hub->zone->joining.last_index = 0;

    if (own->gap_at
        && ngx_current_msec - own->gap_at < NGX_CONDUCTOR_JOIN_GAP)
    {
        own->gap_due = 1;
        return;
    }

    ngx_conductor_join_gap_append(own);
}


void
ngx_conductor_join_gap_due(ngx_conductor_join_own_t *own)
{
    if (!own->gap_due
        || ngx_current_msec - own->gap_at < NGX_CONDUCTOR_JOIN_GAP)
    {
        return;
    }

    ngx_conductor_zone_lock(own->join.hub);
    ngx_conductor_join_gap_append(own);
    ngx_conductor_zone_unlock(own->join.hub);

    ngx_conductor_wake_all(own->join.hub);
}


/* Behind all that the log has; in an empty one nothing is missed. */

static void
ngx_conductor_join_gap_append(ngx_conductor_join_own_t *own)
{
    cdr_log_pos_t             last;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_ordered_t   ev;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    own->gap_due = 0;

    if (cdr_log_last(&hub->log, &last) != CDR_OK) {
        return;
    }

    ngx_memzero(&ev, sizeof(ngx_conductor_ordered_t));

    ev.generation = hub->rules->generation;
    ev.fields.flags = NGX_CONDUCTOR_EVENT_GAP;
    ev.fields.time_ms = ngx_conductor_now();
    ev.fields.pos.ms = last.ms;
    ev.fields.pos.n = last.n + 1;
    ev.fields.pos.local = joining->lone_n;
    ev.fields.lone = joining->lone_n ? joining->server : 0;

    (void) ngx_conductor_ordered_append(hub, &ev);

    own->gap_at = ngx_current_msec;
}
