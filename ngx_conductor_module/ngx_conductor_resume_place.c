/*
 * Where a client goes on in a hub of several servers: it was given its id by
 * any of them, and what it has had is told by the places of events in the
 * hub's order, not by their place in the log of this server.
 *
 * Someone with the id "P~S.N" has had every event with a place up to P, and of
 * what the server S ordered alone, every event up to its N-th.  The others are
 * given in the order of this log.  As long as such events of S may still come,
 * the client is in a group of those who had the same, and each id that it is
 * told says so; see ngx_conductor_known.c.
 */

#include "ngx_conductor_replay.h"


#define NGX_CONDUCTOR_WAIT_JOINED  5000     /* ms, for what others have */
#define NGX_CONDUCTOR_WAIT_ALONE   30000


static ngx_uint_t ngx_conductor_resume_exact(ngx_conductor_hub_t *hub,
    const cdr_event_id_t *id, ngx_conductor_place_t *place);
static ngx_uint_t ngx_conductor_had_names(const cdr_event_id_t *id,
    uint64_t server);
static void ngx_conductor_had_forget(ngx_conductor_had_t *had, unsigned i);


/*
 * The place of an id: CDR_RESUME_RECOVERED, with the place, and with what is
 * to be left out behind it, or that it is to be asked for again.  Else why
 * there is none.
 */

uint32_t
ngx_conductor_resume_place(ngx_conductor_hub_t *hub, const cdr_event_id_t *id,
    ngx_conductor_place_t *place, ngx_conductor_had_t *had)
{
    cdr_log_pos_t     pos, upto;
    cdr_log_found_t   found;
    cdr_log_cursor_t  cursor;

    ngx_memzero(had, sizeof(ngx_conductor_had_t));

    if (ngx_conductor_resume_exact(hub, id, place)) {
        return CDR_RESUME_RECOVERED;
    }

    had->id = *id;

    pos.ms = id->ms;
    pos.n = id->n;
    pos.local = 0;

    if (ngx_conductor_resume_ahead(hub, &pos)) {
        had->waits = 1;
        return CDR_RESUME_RECOVERED;
    }

    if (cdr_log_since(&hub->log, &pos, &cursor) != CDR_OK) {
        return CDR_RESUME_EXPIRED;
    }

    place->cursor = cursor;
    place->pos = pos;
    place->lone = 0;

    upto = pos;
    upto.local = UINT64_MAX;

    (void) cdr_log_find(&hub->log, &upto, &cursor, &found);

    had->upto = cursor.seq;
    had->active = (id->norigins || cursor.seq != place->cursor.seq);

    return CDR_RESUME_RECOVERED;
}


/* That of an event of this log: what came before it was given before it. */

static ngx_uint_t
ngx_conductor_resume_exact(ngx_conductor_hub_t *hub, const cdr_event_id_t *id,
    ngx_conductor_place_t *place)
{
    cdr_log_pos_t     pos;
    cdr_log_event_t   event;
    cdr_log_found_t   found;
    cdr_log_cursor_t  cursor;

    if (id->norigins > 1) {
        return 0;
    }

    pos.ms = id->ms;
    pos.n = id->n;
    pos.local = id->norigins ? id->origins[0].n : 0;

    if (cdr_log_find(&hub->log, &pos, &cursor, &found) != CDR_OK) {
        return 0;
    }

    place->cursor = cursor;
    place->pos = pos;
    place->lone = 0;

    if (pos.local == 0) {
        return 1;
    }

    place->lone = id->origins[0].server;
    cursor.seq--;

    return cdr_log_next(&hub->log, &cursor, &event) == CDR_OK
           && event.fields.lone == place->lone;
}


/* Has this server not yet read the hub's events up to there? */

ngx_uint_t
ngx_conductor_resume_ahead(ngx_conductor_hub_t *hub, const cdr_log_pos_t *pos)
{
    cdr_log_pos_t             last;
    ngx_conductor_joining_t  *joining;

    if (cdr_log_last(&hub->log, &last) == CDR_OK) {
        last.local = 0;

        if (cdr_log_cmp(pos, &last) <= 0) {
            return 0;
        }
    }

    joining = &hub->zone->joining;

    ngx_conductor_zone_lock(hub);

    last.ms = joining->last_ms;
    last.n = joining->last_n;
    last.local = 0;

    ngx_conductor_zone_unlock(hub);

    return cdr_log_cmp(pos, &last) > 0;
}


/*
 * How long it is worth waiting for, and what is said then: a hub that reads
 * everything does not know the place; one that is alone does not know what it
 * misses.
 */

ngx_msec_t
ngx_conductor_resume_patience(ngx_conductor_hub_t *hub, uint32_t *outcome)
{
    if (atomic_load(&hub->zone->joining.state) == NGX_CONDUCTOR_REDIS_JOINED) {
        *outcome = CDR_RESUME_UNKNOWN;
        return NGX_CONDUCTOR_WAIT_JOINED;
    }

    *outcome = CDR_RESUME_GAP;

    return NGX_CONDUCTOR_WAIT_ALONE;
}


/* What comes next; NGX_DONE: it had that; NGX_DECLINED: it is gone. */

ngx_int_t
ngx_conductor_had(ngx_conductor_hub_t *hub, ngx_conductor_had_t *had,
    uint64_t seq, cdr_log_fields_t *fields)
{
    cdr_log_event_t   event;
    cdr_log_cursor_t  cursor;

    cursor.seq = seq - 1;

    if (cdr_log_next(&hub->log, &cursor, &event) != CDR_OK) {
        return NGX_DECLINED;
    }

    *fields = event.fields;

    return cdr_log_had(&event, &had->id) ? NGX_DONE : NGX_OK;
}


/*
 * It was given this one, or had it.  With one that the hub has ordered, all
 * are behind it that this server ordered alone before.
 */

void
ngx_conductor_had_pass(ngx_conductor_hub_t *hub, ngx_conductor_had_t *had,
    const cdr_log_pos_t *pos, uint64_t lone)
{
    unsigned         i;
    cdr_event_id_t  *id;

    id = &had->id;

    if (pos->ms > id->ms || (pos->ms == id->ms && pos->n > id->n)) {
        id->ms = pos->ms;
        id->n = pos->n;
    }

    for (i = id->norigins; pos->local == 0 && i-- > 0; /* void */ ) {

        if (had->over[i]
            && id->origins[i].server == hub->zone->joining.server)
        {
            ngx_conductor_had_forget(had, i);
        }
    }

    if (pos->local) {

        if (id->norigins == CDR_EVENT_ID_ORIGINS
            && !ngx_conductor_had_names(id, lone))
        {
            ngx_conductor_had_forget(had, 0);
        }

        cdr_event_id_add(id, lone, pos->local);
    }
}


static ngx_uint_t
ngx_conductor_had_names(const cdr_event_id_t *id, uint64_t server)
{
    unsigned  i;

    for (i = 0; i < id->norigins; i++) {
        if (id->origins[i].server == server) {
            return 1;
        }
    }

    return 0;
}


/*
 * It has read all up to "seq".  A server's events come in the order of their
 * numbers: one whose highest is known to be later will send nothing of that
 * again.  Returns whether there is still something to be left out.
 */

ngx_uint_t
ngx_conductor_had_left(ngx_conductor_hub_t *hub, ngx_conductor_had_t *had,
    uint64_t seq)
{
    unsigned             i, left;
    cdr_log_fill_t       fill;
    cdr_event_origin_t  *origin;

    if (!had->active || had->id.norigins == 0) {
        return 0;
    }

    left = 0;

    ngx_conductor_zone_lock(hub);

    cdr_log_fill(&hub->log, &fill);

    for (i = had->id.norigins; i-- > 0; /* void */ ) {
        origin = &had->id.origins[i];

        if (had->over[i] == 0
            && cdr_source_highest(&hub->sources, origin->server) >= origin->n)
        {
            had->over[i] = fill.head + 1;
        }

        if (had->over[i] == 0 || had->over[i] > seq + 1) {
            left++;

        } else if (origin->server != hub->zone->joining.server) {
            ngx_conductor_had_forget(had, i);
        }
    }

    ngx_conductor_zone_unlock(hub);

    return left;
}


static void
ngx_conductor_had_forget(ngx_conductor_had_t *had, unsigned i)
{
    cdr_event_id_t  *id;

    id = &had->id;
    id->norigins--;

    for ( /* void */ ; i < id->norigins; i++) {
        id->origins[i] = id->origins[i + 1];
        had->over[i] = had->over[i + 1];
    }

    had->over[id->norigins] = 0;
}
