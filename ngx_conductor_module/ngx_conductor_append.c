/*
 * From the text of a publication into the event log.
 *
 * All or nothing.  The text is checked to its end, the events are put into
 * the form of the log in memory of the caller's, and only copied under the
 * lock; then everyone is woken.
 */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"


static ngx_conductor_append_e ngx_conductor_append_try(
    ngx_conductor_publication_t *pub);
static ngx_conductor_append_e ngx_conductor_append_check(
    ngx_conductor_publication_t *pub);
static ngx_int_t ngx_conductor_append_allowed(
    ngx_conductor_publication_t *pub, const cdr_event_type_t *type);
static ngx_conductor_append_e ngx_conductor_append_prepare(
    ngx_conductor_publication_t *pub);
static ngx_int_t ngx_conductor_append_items(
    ngx_conductor_publication_t *pub);
static ngx_conductor_append_e ngx_conductor_append_locked(
    ngx_conductor_publication_t *pub);
static ngx_conductor_append_e ngx_conductor_append_log(
    ngx_conductor_publication_t *pub);
static ngx_conductor_append_e ngx_conductor_append_offer(
    ngx_conductor_publication_t *pub);
static ngx_conductor_append_e ngx_conductor_append_copy(
    ngx_conductor_publication_t *pub, cdr_log_tx_t *tx);
static ngx_int_t ngx_conductor_append_key(ngx_conductor_publication_t *pub,
    uint64_t seq);


/* About 11 KB; one publication is handled at a time. */

static cdr_publish_t  ngx_conductor_parser;


ngx_conductor_append_e
ngx_conductor_append(ngx_conductor_publication_t *pub)
{
    ngx_conductor_hub_t     *hub;
    ngx_conductor_append_e   rc;

    hub = pub->hub;
    pub->arrived_us = ngx_conductor_clock();

    do {
        if (ngx_conductor_rules_current(hub) != NGX_OK) {

            /* what is to be taken out is not known */

            return NGX_CONDUCTOR_APPEND_FAILED;
        }

        rc = ngx_conductor_append_try(pub);

    } while (rc == NGX_CONDUCTOR_APPEND_OUTDATED);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "conductor append: %ui events, %ui, hub \"%V\"", pub->n,
                   (ngx_uint_t) rc, &hub->name);

    ngx_conductor_audit_publish(pub, rc);

    if (rc == NGX_CONDUCTOR_APPEND_WAITING) {
        ngx_conductor_offer_wait(pub->offer);
        return rc;
    }

    if (rc != NGX_CONDUCTOR_APPENDED) {
        return rc;
    }

    ngx_conductor_count(hub, CDR_FIGURE_EVENTS, pub->n);

    ngx_conductor_wake_all(hub);

    return NGX_CONDUCTOR_APPENDED;
}


static ngx_conductor_append_e
ngx_conductor_append_try(ngx_conductor_publication_t *pub)
{
    ngx_conductor_hub_t     *hub;
    ngx_conductor_append_e   rc;

    hub = pub->hub;

    pub->n = 0;
    pub->bytes = 0;
    pub->payload = 0;

    rc = ngx_conductor_append_check(pub);

    if (rc == NGX_CONDUCTOR_APPENDED) {
        rc = ngx_conductor_append_prepare(pub);
    }

    if (rc != NGX_CONDUCTOR_APPENDED) {
        return rc;
    }

    ngx_conductor_zone_lock(hub);

    if (ngx_conductor_rules_changed(hub)) {

        /* nothing is stored by rules that hold no more */

        rc = NGX_CONDUCTOR_APPEND_OUTDATED;

    } else {
        rc = ngx_conductor_append_locked(pub);
    }

    ngx_conductor_zone_unlock(hub);

    return rc;
}


/* The first pass: is every event what the hub knows, and how much is it? */

static ngx_conductor_append_e
ngx_conductor_append_check(ngx_conductor_publication_t *pub)
{
    int                      rc;
    size_t                   len;
    cdr_str_t                body;
    cdr_publish_t           *p;
    static const cdr_str_t   presence = cdr_str(NGX_CONDUCTOR_PRESENCE_UPDATE);

    p = &ngx_conductor_parser;

    body.data = pub->body.data;
    body.len = pub->body.len;

    cdr_publish_init(p, body, pub->ndjson, &pub->hub->policy->catalogue,
                     pub->max);

    while ((rc = cdr_publish_next(p)) == CDR_OK) {

        pub->error.index = pub->n;

        if (cdr_json_eq(p->type->name, presence)) {
            return NGX_CONDUCTOR_APPEND_PRESENCE;
        }

        if (ngx_conductor_append_allowed(pub, p->type) != NGX_OK) {
            return NGX_CONDUCTOR_APPEND_FORBIDDEN;
        }

        len = cdr_event_payload_size(p->members, p->nmembers);

        pub->n++;
        pub->payload += len;
        pub->bytes += cdr_log_record_size(p->type->name.len, len);
    }

    if (rc != CDR_DECLINED) {
        pub->error = p->error;

        /* what an event requires is told to those who may publish it */

        return (p->type && ngx_conductor_append_allowed(pub, p->type) != NGX_OK)
               ? NGX_CONDUCTOR_APPEND_FORBIDDEN
               : NGX_CONDUCTOR_APPEND_INVALID;
    }

    return NGX_CONDUCTOR_APPENDED;
}


static ngx_int_t
ngx_conductor_append_allowed(ngx_conductor_publication_t *pub,
    const cdr_event_type_t *type)
{
    if (pub->role == NULL || (pub->open && type->publish_roles == 0)) {
        return NGX_OK;
    }

    return ngx_conductor_may_publish(pub->hub, type, pub->role);
}


/* The second: the events as the log has them. */

static ngx_conductor_append_e
ngx_conductor_append_prepare(ngx_conductor_publication_t *pub)
{
    u_char         *dst;
    cdr_str_t       body;
    ngx_uint_t      i;
    cdr_publish_t  *p;

    p = &ngx_conductor_parser;

    pub->events = ngx_palloc(pub->pool,
                             pub->n * sizeof(ngx_conductor_prepared_t));
    dst = ngx_pnalloc(pub->pool, ngx_max(pub->payload, 1));

    if (pub->events == NULL || dst == NULL) {
        return NGX_CONDUCTOR_APPEND_NO_MEMORY;
    }

    body.data = pub->body.data;
    body.len = pub->body.len;

    cdr_publish_init(p, body, pub->ndjson, &pub->hub->policy->catalogue,
                     pub->max);

    for (i = 0; i < pub->n; i++) {

        if (cdr_publish_next(p) != CDR_OK) {
            return NGX_CONDUCTOR_APPEND_FAILED;
        }

        pub->events[i].type = p->type;
        pub->events[i].payload = dst;
        pub->events[i].len = cdr_event_payload(dst, p->type, p->members,
                                               p->nmembers);

        dst += pub->events[i].len;
    }

    if (ngx_conductor_ordered(pub->hub)
        && ngx_conductor_append_items(pub) != NGX_OK)
    {
        return NGX_CONDUCTOR_APPEND_NO_MEMORY;
    }

    return NGX_CONDUCTOR_APPENDED;
}


/* And as servers tell each other of them. */

static ngx_int_t
ngx_conductor_append_items(ngx_conductor_publication_t *pub)
{
    u_char                    *p;
    size_t                     len;
    cdr_str_t                  payload, text;
    ngx_uint_t                 i;
    ngx_conductor_prepared_t  *ev;

    len = 0;

    for (i = 0; i < pub->n; i++) {
        ev = &pub->events[i];

        payload.data = ev->payload;
        payload.len = ev->len;

        len += cdr_outbox_item_size(ev->type->name.len,
                                    cdr_event_open(NULL, ev->type->name,
                                                   payload));
    }

    pub->items.len = len;
    pub->items.data = ngx_pnalloc(pub->pool, len);

    if (pub->items.data == NULL) {
        return NGX_ERROR;
    }

    p = pub->items.data;

    for (i = 0; i < pub->n; i++) {
        ev = &pub->events[i];

        payload.data = ev->payload;
        payload.len = ev->len;

        text.data = p + cdr_outbox_item_size(ev->type->name.len, 0);
        text.len = cdr_event_open((u_char *) text.data, ev->type->name,
                                  payload);

        p = cdr_outbox_put(p, 0, ev->type->name, text);
    }

    return NGX_OK;
}


static ngx_conductor_append_e
ngx_conductor_append_locked(ngx_conductor_publication_t *pub)
{
    ngx_uint_t              held, ordered;
    ngx_conductor_append_e  rc;

    ordered = ngx_conductor_ordered(pub->hub);
    held = (pub->idem && pub->idem->ticket.link == 0);

    if (held) {
        switch (ngx_conductor_idem_reserve(pub->idem, ordered)) {

        case NGX_OK:
            break;

        case NGX_DONE:
            return NGX_CONDUCTOR_APPENDED_BEFORE;

        case NGX_AGAIN:
            return NGX_CONDUCTOR_APPEND_RUNNING;

        default:
            return NGX_CONDUCTOR_APPEND_FULL;
        }
    }

    rc = ordered ? ngx_conductor_append_offer(pub)
                 : ngx_conductor_append_log(pub);

    if (held) {

        /* of no use beyond this lock; nothing if it is complete, or lent */

        ngx_conductor_idem_release(pub->idem);
    }

    return rc;
}


/* What no log takes is not offered to any. */

static ngx_conductor_append_e
ngx_conductor_append_offer(ngx_conductor_publication_t *pub)
{
    ngx_conductor_hub_t  *hub;

    hub = pub->hub;

    if (pub->bytes > hub->log.size / 4
        || (pub->n > 1 && pub->n > hub->log.events / 4))
    {
        return NGX_CONDUCTOR_APPEND_TOO_LARGE;
    }

    switch (ngx_conductor_offer_put(hub, CDR_OUTBOX_EVENTS,
                                    (uint32_t) pub->n, &pub->items,
                                    pub->idem, pub->offer))
    {
    case NGX_OK:
        return NGX_CONDUCTOR_APPEND_WAITING;

    case NGX_ABORT:
        return NGX_CONDUCTOR_APPEND_TOO_LARGE;

    case NGX_BUSY:
        return NGX_CONDUCTOR_APPEND_CROWDED;

    default:
        return NGX_CONDUCTOR_APPEND_FAILED;
    }
}


static ngx_conductor_append_e
ngx_conductor_append_log(ngx_conductor_publication_t *pub)
{
    int                   rc;
    cdr_log_tx_t          tx;
    ngx_conductor_hub_t  *hub;

    hub = pub->hub;

    rc = cdr_log_begin(&hub->log, &tx, pub->bytes, pub->n);

    if (rc == CDR_ERROR) {
        (void) cdr_log_repair(&hub->log);
        rc = cdr_log_begin(&hub->log, &tx, pub->bytes, pub->n);
    }

    switch (rc) {

    case CDR_OK:
        return ngx_conductor_append_copy(pub, &tx);

    case CDR_TOOBIG:
        return NGX_CONDUCTOR_APPEND_TOO_LARGE;

    default:
        return NGX_CONDUCTOR_APPEND_FAILED;
    }
}


static ngx_conductor_append_e
ngx_conductor_append_copy(ngx_conductor_publication_t *pub, cdr_log_tx_t *tx)
{
    u_char                    *dst;
    uint64_t                   seq;
    ngx_uint_t                 i;
    cdr_log_fields_t           fields;
    ngx_conductor_hub_t       *hub;
    ngx_conductor_prepared_t  *ev;

    hub = pub->hub;
    seq = tx->seq;

    ngx_memzero(&fields, sizeof(cdr_log_fields_t));

    fields.time_ms = ngx_conductor_now();
    fields.arrived_us = pub->arrived_us;
    fields.server = hub->zone->boot;
    fields.boot = hub->zone->boot;

    for (i = 0; i < pub->n; i++) {
        ev = &pub->events[i];

        fields.n = tx->seq;

        dst = cdr_log_add(&hub->log, tx, &fields, ev->type->name, ev->len);

        if (dst == NULL) {
            return NGX_CONDUCTOR_APPEND_FAILED;
        }

        ngx_memcpy(dst, ev->payload, ev->len);

        if (i == 0) {
            pub->first.pos = tx->last;
        }
    }

    /*
     * The key is complete before the events count: killed in between, the
     * repair finds that the log does not have them.
     */

    if (pub->idem && ngx_conductor_append_key(pub, seq) != NGX_OK) {
        return NGX_CONDUCTOR_APPEND_FAILED;
    }

    cdr_log_commit(&hub->log, tx);

    return NGX_CONDUCTOR_APPENDED;
}


static ngx_int_t
ngx_conductor_append_key(ngx_conductor_publication_t *pub, uint64_t seq)
{
    cdr_idem_answer_t  *answer;

    answer = &pub->idem->answer;

    answer->kind = NGX_CONDUCTOR_DONE_PUBLISH;
    answer->count = (uint32_t) pub->n;
    answer->seq = seq;
    answer->ms = pub->first.pos.ms;
    answer->n = pub->first.pos.n;
    answer->local = 0;
    answer->lone = 0;

    return ngx_conductor_idem_complete(pub->idem);
}


ngx_int_t
ngx_conductor_may_publish(ngx_conductor_hub_t *hub,
    const cdr_event_type_t *type, ngx_str_t *role)
{
    cdr_str_t  roles;

    roles.data = role->data;
    roles.len = role->len;

    return (cdr_policy_roles(hub->policy, roles) & type->publish_roles)
           ? NGX_OK : NGX_DECLINED;
}


size_t
ngx_conductor_append_id(ngx_conductor_hub_t *hub, u_char *dst,
    const ngx_conductor_first_t *first, ngx_uint_t i)
{
    cdr_log_pos_t   pos;
    cdr_event_id_t  id;

    pos = first->pos;

    if (first->alone) {
        pos.local += i;

    } else {
        pos.n += i;
    }

    cdr_event_id_set(&id, &pos, first->lone);

    return cdr_event_id_print(dst, &id);
}
