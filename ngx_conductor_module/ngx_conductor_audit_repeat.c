/*
 * Lines of the audit log that anybody can cause as often as they like, so
 * that they do not fill the disk: some are written, and how many were not.
 *
 * Each process counts for itself.  What is untold is written when the minute
 * of its thing is over, and at the end of the process.
 */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_zone.h"

#include <cdr_siphash.h>


#define NGX_CONDUCTOR_AUDIT_PER  60000      /* ms */


/* A line without its time and kind. */

typedef struct {
    size_t                        len;
    u_char                        data[];
} ngx_conductor_audit_like_t;


static cdr_repeat_t *ngx_conductor_audit_table(ngx_conductor_hub_t *hub,
    cdr_audit_e kind);
static uint64_t ngx_conductor_audit_key(ngx_conductor_hub_t *hub,
    cdr_audit_t *line, struct sockaddr *sa);
static void ngx_conductor_audit_untold(ngx_conductor_hub_t *hub,
    cdr_audit_t *line, cdr_repeat_thing_t *thing, ngx_uint_t rest);
static void ngx_conductor_audit_tell(ngx_conductor_hub_t *hub,
    cdr_audit_e kind, cdr_repeat_thing_t *thing);
static void ngx_conductor_audit_handler(ngx_event_t *ev);
static ngx_uint_t ngx_conductor_audit_sweep(ngx_conductor_hub_t *hub,
    ngx_uint_t all);


static cdr_audit_t       ngx_conductor_audit_again;
static ngx_connection_t  ngx_conductor_audit_connection;


void
ngx_conductor_audit_repeat(ngx_conductor_hub_t *hub, cdr_audit_e kind,
    cdr_audit_t *line, struct sockaddr *sa, ngx_uint_t most)
{
    uint64_t             key, now;
    cdr_repeat_t        *table;
    cdr_repeat_thing_t  *thing;

    table = ngx_conductor_audit_table(hub, kind);

    if (table == NULL) {
        ngx_conductor_audit_end(hub);
        return;
    }

    now = ngx_conductor_now();
    key = ngx_conductor_audit_key(hub, line, sa);
    thing = cdr_repeat_find(table, key, now, NGX_CONDUCTOR_AUDIT_PER);

    if (thing->untold && cdr_repeat_over(thing, now, NGX_CONDUCTOR_AUDIT_PER))
    {
        ngx_conductor_audit_tell(hub, kind, thing);
    }

    if (cdr_repeat_count(table, thing, key, now, NGX_CONDUCTOR_AUDIT_PER,
                         (uint32_t) most)
        == CDR_OK)
    {
        ngx_conductor_audit_end(hub);
        return;
    }

    if (thing->untold == 1) {
        ngx_conductor_audit_untold(hub, line, thing, thing == &table->rest);
    }
}


/* Made when there is the first one to count; NULL without memory. */

static cdr_repeat_t *
ngx_conductor_audit_table(ngx_conductor_hub_t *hub, cdr_audit_e kind)
{
    cdr_repeat_t  **table;

    table = &hub->audit->repeats[kind];

    if (*table == NULL) {
        *table = ngx_pcalloc(ngx_cycle->pool, sizeof(cdr_repeat_t));
    }

    return *table;
}


/* Of the line, but for its time; of an address what the limits count. */

static uint64_t
ngx_conductor_audit_key(ngx_conductor_hub_t *hub, cdr_audit_t *line,
    struct sockaddr *sa)
{
    u_char                       *secret;
    uint64_t                      part[3];
    ngx_conductor_address_t       address;
    ngx_conductor_audit_marks_t  *at;

    secret = hub->zone->secret;
    at = &ngx_conductor_audit_marks;

    if (sa == NULL) {
        return cdr_siphash(secret, line->data + at->head,
                           line->len - at->head);
    }

    ngx_conductor_limit_address(sa, &address);

    part[0] = cdr_siphash(secret, line->data + at->head,
                          at->address - at->head);
    part[1] = cdr_siphash(secret, address.data, address.counted);
    part[2] = cdr_siphash(secret, line->data + at->rest,
                          line->len - at->rest);

    return cdr_siphash(secret, part, sizeof(part));
}


/* It is written later, with how often; of all the rest only that is said. */

static void
ngx_conductor_audit_untold(ngx_conductor_hub_t *hub, cdr_audit_t *line,
    cdr_repeat_thing_t *thing, ngx_uint_t rest)
{
    size_t                        head, len;
    ngx_event_t                  *ev;
    ngx_conductor_audit_like_t   *like;

    head = ngx_conductor_audit_marks.head;
    len = (rest ? ngx_conductor_audit_marks.server : line->len) - head;

    like = ngx_alloc(sizeof(ngx_conductor_audit_like_t) + len,
                     ngx_cycle->log);

    if (like) {
        like->len = len;
        ngx_memcpy(like->data, line->data + head, len);
    }

    thing->data = like;

    ev = &hub->audit->event;

    if (ev->handler == NULL) {
        ngx_conductor_audit_connection.fd = (ngx_socket_t) -1;

        ev->handler = ngx_conductor_audit_handler;
        ev->data = &ngx_conductor_audit_connection;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;
    }

    if (!ev->timer_set) {
        ngx_add_timer(ev, NGX_CONDUCTOR_AUDIT_PER);
    }
}


static void
ngx_conductor_audit_tell(ngx_conductor_hub_t *hub, cdr_audit_e kind,
    cdr_repeat_thing_t *thing)
{
    cdr_audit_t                 *line;
    ngx_conductor_audit_like_t  *like;

    like = thing->data;

    if (like) {
        line = &ngx_conductor_audit_again;

        cdr_audit_begin(line, kind, ngx_conductor_now());

        ngx_memcpy(line->data + line->len, like->data, like->len);
        line->len += like->len;

        cdr_audit_number(line, "repeated", thing->untold);
        cdr_audit_end(line);

        ngx_conductor_audit_put(hub->audit->file, line);

        ngx_free(like);
    }

    thing->data = NULL;
    thing->untold = 0;
}


static void
ngx_conductor_audit_handler(ngx_event_t *ev)
{
    ngx_uint_t                   i;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_conductor_module);
    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        if (hub[i]->audit && &hub[i]->audit->event == ev
            && ngx_conductor_audit_sweep(hub[i], 0))
        {
            ngx_add_timer(ev, NGX_CONDUCTOR_AUDIT_PER);
        }
    }
}


void
ngx_conductor_audit_repeats_exit(ngx_conductor_hub_t *hub)
{
    (void) ngx_conductor_audit_sweep(hub, 1);
}


/* What is over, or all.  Is there more? */

static ngx_uint_t
ngx_conductor_audit_sweep(ngx_conductor_hub_t *hub, ngx_uint_t all)
{
    uint64_t             now;
    ngx_uint_t           i, kind, more;
    cdr_repeat_t        *table;
    cdr_repeat_thing_t  *thing;

    now = ngx_conductor_now();
    more = 0;

    for (kind = 0; kind < CDR_AUDIT_N; kind++) {
        table = hub->audit->repeats[kind];

        for (i = 0; table && i <= CDR_REPEAT_N; i++) {
            thing = i ? &table->thing[i - 1] : &table->rest;

            if (thing->untold == 0) {
                continue;
            }

            if (all || cdr_repeat_over(thing, now, NGX_CONDUCTOR_AUDIT_PER)) {
                ngx_conductor_audit_tell(hub, kind, thing);

            } else {
                more = 1;
            }
        }
    }

    return more;
}
