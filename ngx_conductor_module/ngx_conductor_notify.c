/*
 * Notifications of an administrator: events of a type that every hub has
 * which has their channel.
 *
 * One that is for a role or a user only says so in the flags of its record,
 * and its first field "to", which no client gets, says for whom.
 */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_offer.h"

#include <cdr_json.h>


static ngx_int_t ngx_conductor_notify_try(ngx_conductor_hub_t *hub,
    ngx_conductor_notice_t *notice, u_char *id, size_t *len,
    ngx_pool_t *pool);
static const cdr_event_type_t *ngx_conductor_notify_type(
    ngx_conductor_hub_t *hub);
static size_t ngx_conductor_notify_members(ngx_conductor_notice_t *notice,
    cdr_json_member_t *members);
static size_t ngx_conductor_notify_payload(u_char *dst,
    const cdr_event_type_t *type, ngx_conductor_notice_t *notice,
    cdr_json_member_t *members, size_t n);
static void ngx_conductor_notify_member(cdr_json_member_t *m,
    const char *name, cdr_str_t value);
static ngx_int_t ngx_conductor_notify_locked(ngx_conductor_hub_t *hub,
    cdr_str_t type, ngx_conductor_notice_t *notice, ngx_str_t *payload,
    ngx_str_t *items, u_char *id, size_t *len);
static ngx_int_t ngx_conductor_notify_item(cdr_str_t type, uint32_t flags,
    ngx_str_t *payload, ngx_str_t *items, ngx_pool_t *pool);
static ngx_int_t ngx_conductor_notify_append(ngx_conductor_hub_t *hub,
    cdr_str_t type, uint32_t flags, ngx_str_t *payload, u_char *id,
    size_t *len);


/*
 * NGX_OK with the id of the event, of at most CDR_EVENT_ID_LEN bytes; NGX_DONE
 * in a hub with Redis: notice->offer is waited for; NGX_DECLINED if the hub has
 * no such channel; NGX_ABORT if it is too large; NGX_ERROR if it cannot be
 * taken.
 */

ngx_int_t
ngx_conductor_notify(ngx_conductor_hub_t *hub, ngx_conductor_notice_t *notice,
    u_char *id, size_t *len, ngx_pool_t *pool)
{
    ngx_int_t  rc;

    do {
        if (ngx_conductor_rules_current(hub) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = ngx_conductor_notify_try(hub, notice, id, len, pool);

    } while (rc == NGX_AGAIN);

    if (rc == NGX_DONE) {
        ngx_conductor_offer_wait(notice->offer);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_conductor_count(hub, CDR_FIGURE_EVENTS, 1);

    ngx_conductor_wake_all(hub);

    return NGX_OK;
}


/* NGX_AGAIN: there are newer rules. */

static ngx_int_t
ngx_conductor_notify_try(ngx_conductor_hub_t *hub,
    ngx_conductor_notice_t *notice, u_char *id, size_t *len,
    ngx_pool_t *pool)
{
    size_t                   n;
    ngx_int_t                rc;
    ngx_str_t                payload, items;
    cdr_json_member_t        members[3];
    const cdr_event_type_t  *type;

    type = ngx_conductor_notify_type(hub);

    if (type == NULL) {
        return NGX_DECLINED;
    }

    n = ngx_conductor_notify_members(notice, members);

    payload.len = cdr_event_payload_size(members, n);
    payload.data = ngx_pnalloc(pool, payload.len);

    if (payload.data == NULL) {
        return NGX_ERROR;
    }

    payload.len = ngx_conductor_notify_payload(payload.data, type, notice,
                                               members, n);

    if (ngx_conductor_ordered(hub)
        && ngx_conductor_notify_item(type->name, notice->flags, &payload,
                                     &items, pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_conductor_zone_lock(hub);

    rc = ngx_conductor_rules_changed(hub)
         ? NGX_AGAIN
         : ngx_conductor_notify_locked(hub, type->name, notice, &payload,
                                       &items, id, len);

    ngx_conductor_zone_unlock(hub);

    return rc;
}


static const cdr_event_type_t *
ngx_conductor_notify_type(ngx_conductor_hub_t *hub)
{
    static const cdr_str_t  name = cdr_str(NGX_CONDUCTOR_NOTIFICATION);

    return cdr_event_find(&hub->policy->catalogue, name);
}


static size_t
ngx_conductor_notify_members(ngx_conductor_notice_t *notice,
    cdr_json_member_t *members)
{
    size_t  n;

    n = 0;

    if (notice->flags) {
        ngx_conductor_notify_member(&members[n++], "to", notice->to);
    }

    ngx_conductor_notify_member(&members[n++], "level", notice->level);
    ngx_conductor_notify_member(&members[n++], "message", notice->message);

    return n;
}


/* Whom it is for is no field of the type, which hides nothing of it. */

static size_t
ngx_conductor_notify_payload(u_char *dst, const cdr_event_type_t *type,
    ngx_conductor_notice_t *notice, cdr_json_member_t *members, size_t n)
{
    size_t            to, len;
    cdr_event_type_t  open;

    to = (notice->flags != 0);

    open = *type;
    open.hide_everyone = false;

    len = cdr_event_payload(dst, &open, members, to);

    return len + cdr_event_payload(dst + len, type, members + to, n - to);
}


static void
ngx_conductor_notify_member(cdr_json_member_t *m, const char *name,
    cdr_str_t value)
{
    m->key.data = (u_char *) name;
    m->key.len = ngx_strlen(name);
    m->value = value;
    m->type = CDR_JSON_STRING;
    m->key_escaped = false;
}


/* Under the lock. */

static ngx_int_t
ngx_conductor_notify_locked(ngx_conductor_hub_t *hub, cdr_str_t type,
    ngx_conductor_notice_t *notice, ngx_str_t *payload, ngx_str_t *items,
    u_char *id, size_t *len)
{
    if (!ngx_conductor_ordered(hub)) {
        return ngx_conductor_notify_append(hub, type, notice->flags, payload,
                                           id, len);
    }

    if (cdr_log_record_size(type.len, payload->len) > hub->log.size / 4) {
        return NGX_ABORT;
    }

    switch (ngx_conductor_offer_put(hub, CDR_OUTBOX_EVENTS, 1, items, NULL,
                                    notice->offer))
    {
    case NGX_OK:
        return NGX_DONE;

    case NGX_ABORT:
        return NGX_ABORT;

    default:
        return NGX_ERROR;
    }
}


/* As servers tell each other of it: whom it is for is a field there. */

static ngx_int_t
ngx_conductor_notify_item(cdr_str_t type, uint32_t flags, ngx_str_t *payload,
    ngx_str_t *items, ngx_pool_t *pool)
{
    u_char     *p;
    cdr_str_t   fields, text;

    fields.data = payload->data;
    fields.len = payload->len;

    text.len = cdr_event_open(NULL, type, fields);

    items->len = cdr_outbox_item_size(type.len, text.len);
    items->data = ngx_pnalloc(pool, items->len);

    if (items->data == NULL) {
        return NGX_ERROR;
    }

    p = items->data + cdr_outbox_item_size(type.len, 0);

    text.data = p;
    (void) cdr_event_open(p, type, fields);
    (void) cdr_outbox_put(items->data, flags, type, text);

    return NGX_OK;
}


/* Under the lock. */

static ngx_int_t
ngx_conductor_notify_append(ngx_conductor_hub_t *hub, cdr_str_t type,
    uint32_t flags, ngx_str_t *payload, u_char *id, size_t *len)
{
    int                rc;
    u_char            *p;
    size_t             size;
    cdr_log_tx_t       tx;
    cdr_event_id_t     event_id;
    cdr_log_fields_t   fields;

    size = cdr_log_record_size(type.len, payload->len);

    rc = cdr_log_begin(&hub->log, &tx, size, 1);

    if (rc == CDR_ERROR) {
        (void) cdr_log_repair(&hub->log);
        rc = cdr_log_begin(&hub->log, &tx, size, 1);
    }

    if (rc != CDR_OK) {
        return (rc == CDR_TOOBIG) ? NGX_ABORT : NGX_ERROR;
    }

    ngx_memzero(&fields, sizeof(cdr_log_fields_t));

    fields.time_ms = ngx_conductor_now();
    fields.arrived_us = ngx_conductor_clock();
    fields.server = hub->zone->boot;
    fields.boot = hub->zone->boot;
    fields.n = tx.seq;
    fields.flags = flags;

    p = cdr_log_add(&hub->log, &tx, &fields, type, payload->len);

    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, payload->data, payload->len);

    cdr_event_id_set(&event_id, &tx.last, fields.server);
    *len = cdr_event_id_print(id, &event_id);

    cdr_log_commit(&hub->log, &tx);

    return NGX_OK;
}
