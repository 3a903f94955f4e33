/* How far the stream was read: passing an entry, whatever became of it. */

#include "ngx_conductor_join_own.h"


/*
 * Is there one between it and the one before that is gone?  The index is not
 * signed: that of an entry that is no news can only be the next one.
 */

void
ngx_conductor_join_read_index(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, ngx_uint_t fresh)
{
    ngx_conductor_joining_t  *joining;

    joining = &own->join.hub->zone->joining;

    if (!fresh && e->index != joining->last_index + 1) {
        e->index = 0;
    }

    if (joining->last_index && e->index
        && e->index != joining->last_index
        && e->index != joining->last_index + 1
        && (e->ms > joining->last_ms
            || (e->ms == joining->last_ms && e->n > joining->last_n)))
    {
        ngx_conductor_join_gap_locked(own,
                                "the stream has dropped what was not read");
    }
}


/* The last step of each: what was not passed is read again. */

void
ngx_conductor_join_read_passed(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e)
{
    ngx_conductor_joining_t  *joining;

    joining = &own->join.hub->zone->joining;

    own->read.ms = e->ms;
    own->read.n = e->n;
    own->read.local = 0;

    if (joining->last_ms < e->ms
        || (joining->last_ms == e->ms && joining->last_n < e->n))
    {
        joining->last_ms = e->ms;
        joining->last_n = e->n;
        joining->based = 0;

        /* while all is read again, one is missing without being missed */

        if (own->join.forgotten && own->again_due) {
            joining->last_index = 0;

        } else if (e->index) {
            joining->last_index = e->index;
        }
    }

    if (own->lone.ms && cdr_log_cmp(&own->read, &own->lone) >= 0) {

        /* all of it has come back that ever will */

        own->lone.ms = 0;
        joining->lone_n = 0;
    }
}


void
ngx_conductor_join_read_bad(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, const char *error)
{
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    atomic_fetch_add(&hub->zone->joining.rejected, 1);

    if (own->bad == NULL) {
        own->bad = error;
        own->bad_ms = e->ms;
        own->bad_n = e->n;
    }

    if (e->ms | e->n) {
        ngx_conductor_join_read_passed(own, e);
    }
}


void
ngx_conductor_join_pass(ngx_conductor_join_own_t *own, uint64_t ms, uint64_t n,
    const char *error)
{
    cdr_stream_entry_t  e;

    ngx_memzero(&e, sizeof(cdr_stream_entry_t));

    e.ms = ms;
    e.n = n;

    ngx_conductor_zone_lock(own->join.hub);
    ngx_conductor_join_read_bad(own, &e, error);
    ngx_conductor_zone_unlock(own->join.hub);

    ngx_conductor_join_tell_log(own);
}
