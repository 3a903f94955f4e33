/* The figures of a hub, as this process counts them. */

#include "ngx_conductor_backend.h"


#define NGX_CONDUCTOR_CELLS        64       /* a step in their number */
#define NGX_CONDUCTOR_CELLS_SPARE  32       /* for names of later reloads */

#define NGX_CONDUCTOR_SENT_OTHER   (CDR_FIGURE_SENT + CDR_SENT_OTHER)


static void ngx_conductor_figures_messages(ngx_conductor_hub_t *hub,
    ngx_log_t *log);


/*
 * How many names a zone has room for.  It is rounded up, so that the layout of
 * the zone does not change with every event that is configured.
 */

ngx_uint_t
ngx_conductor_figures_cells(ngx_conductor_hub_t *hub)
{
    return ngx_align(hub->events.nelts + hub->messages.nelts
                     + NGX_CONDUCTOR_CELLS_SPARE,
                     NGX_CONDUCTOR_CELLS);
}


/*
 * Under the lock, by a process that has got its slot, before others learn of
 * its rules: sees to it that the events it knows have their cells.
 */

void
ngx_conductor_figures_start(ngx_conductor_hub_t *hub, ngx_uint_t slot,
    ngx_log_t *log)
{
    size_t                        i;
    const cdr_str_t              *name;
    const cdr_event_catalogue_t  *catalogue;

    hub->figures = cdr_slots_figures(&hub->slots, (uint32_t) slot);
    hub->gauges = hub->slots.slots[slot].gauges;
    catalogue = &hub->policy->catalogue;

    for (i = 0; i < catalogue->ntypes; i++) {
        name = &catalogue->types[i].name;

        if (cdr_figure_sent(&hub->cells, *name) == NGX_CONDUCTOR_SENT_OTHER
            && cdr_cells_add(&hub->cells, CDR_CELL_SENT, *name) != CDR_OK)
        {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "the zone of hub \"%V\" has no figure left for "
                          "event \"%*s\": until a restart it counts as "
                          "\"other\"", &hub->name, name->len, name->data);
        }
    }

    ngx_conductor_figures_messages(hub, log);
    ngx_conductor_figures_resolve(hub);
}


/* The same for messages of clients that the hub names. */

static void
ngx_conductor_figures_messages(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    uint32_t                       cell;
    cdr_str_t                      name;
    ngx_uint_t                     i;
    ngx_conductor_message_conf_t  *message;

    message = hub->messages.elts;

    for (i = 0; i < hub->messages.nelts; i++) {
        name.data = message[i].name.data;
        name.len = message[i].name.len;

        if (cdr_cells_find(&hub->cells, CDR_CELL_RECEIVED, name)
            == CDR_CELLS_NONE)
        {
            (void) cdr_cells_add(&hub->cells, CDR_CELL_RECEIVED, name);
        }

        cell = cdr_cells_find(&hub->cells, CDR_CELL_RECEIVED, name);

        if (cell == CDR_CELLS_NONE) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "the zone of hub \"%V\" has no figure left for "
                          "message \"%V\": until a restart it counts as "
                          "\"other\"", &hub->name, &message[i].name);
            continue;
        }

        message[i].figure = CDR_FIGURES + cell;
    }
}


/* Finds the figures of the events in the rules that this process follows. */

void
ngx_conductor_figures_resolve(ngx_conductor_hub_t *hub)
{
    size_t                        i;
    const cdr_event_catalogue_t  *catalogue;

    catalogue = &hub->policy->catalogue;

    for (i = 0; i < catalogue->ntypes; i++) {
        hub->sent[i] = cdr_figure_sent(&hub->cells, catalogue->types[i].name);
    }
}


/* For a process without a slot; not under the lock. */

void
ngx_conductor_count_shared(ngx_conductor_hub_t *hub, ngx_uint_t figure,
    uint64_t n)
{
    ngx_conductor_zone_lock(hub);

    ngx_conductor_count_locked(hub, figure, n);

    ngx_conductor_zone_unlock(hub);
}


/* A publication over HTTP that is refused with a status. */

void
ngx_conductor_count_publication(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 kind;
    ngx_conductor_loc_conf_t  *lcf;

    switch (status) {

    case NGX_HTTP_BAD_REQUEST:
        kind = CDR_REFUSED_BAD_JSON;
        break;

    case NGX_HTTP_FORBIDDEN:
        kind = CDR_REFUSED_FORBIDDEN;
        break;

    case NGX_HTTP_CONFLICT:
        kind = CDR_REFUSED_CONFLICT;
        break;

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        kind = CDR_REFUSED_TOO_LARGE;
        break;

    case NGX_CONDUCTOR_UNPROCESSABLE:
        kind = CDR_REFUSED_INVALID;
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        kind = CDR_REFUSED_UNAVAILABLE;
        break;

    default:
        kind = CDR_REFUSED_OTHER;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (lcf->endpoint != NGX_CONDUCTOR_PUBLISH) {
        return;
    }

    ngx_conductor_count(lcf->hub, CDR_FIGURE_PUBLISH + kind, 1);
}


void
ngx_conductor_count_identity(ngx_conductor_loc_conf_t *lcf,
    ngx_conductor_identity_t *id)
{
    ngx_uint_t  outcome;

    if (lcf->auth == NGX_CONDUCTOR_AUTH_OFF) {
        return;
    }

    outcome = (id->rc == NGX_OK) ? CDR_IDENTITY_ACCEPTED
              : id->missing ? CDR_IDENTITY_MISSING
              : id->expired ? CDR_IDENTITY_EXPIRED
              : id->revoked ? CDR_IDENTITY_REVOKED
              : CDR_IDENTITY_INVALID;

    ngx_conductor_count(lcf->hub, CDR_FIGURE_IDENTITY + outcome, 1);
}


/*
 * Under the lock, after a process died in there.  An entry of the registry
 * and its figure change in one hold of the lock, the entry first.  If only the
 * entry did, the figure follows; so it counts once, whoever dies where.
 */

void
ngx_conductor_figures_repair(ngx_conductor_hub_t *hub)
{
    uint32_t  i;
    uint64_t  taken, ended;

    taken = cdr_slots_sum(&hub->slots, CDR_FIGURE_CONNECTIONS);
    ended = cdr_registry_live(&hub->registry);

    for (i = 0; i < CDR_ENDED_N; i++) {
        ended += cdr_slots_sum(&hub->slots, CDR_FIGURE_ENDED + i);
    }

    if (taken > ended) {
        ngx_conductor_count_locked(hub, CDR_FIGURE_ENDED + CDR_ENDED_LOST,
                                   taken - ended);

    } else if (taken < ended) {
        ngx_conductor_count_locked(hub, CDR_FIGURE_CONNECTIONS,
                                   ended - taken);
    }
}
