/* An errand is put into the zone, with what it is about. */

#include "ngx_conductor_errand.h"


#define NGX_CONDUCTOR_ERRAND_MAX  8192      /* bytes of what is made here */


static void ngx_conductor_errand_make(ngx_conductor_hub_t *hub,
    uint32_t entry, cdr_call_t *call, u_char *id);
static cdr_outbox_rec_t *ngx_conductor_errand_begin(ngx_conductor_hub_t *hub,
    cdr_call_kind_e kind, size_t len, u_char **items);


static const cdr_str_t  ngx_conductor_errand_status[] = {
    cdr_str("online"), cdr_str("away"), cdr_str("busy"), cdr_str("offline")
};


ngx_int_t
ngx_conductor_errand(ngx_conductor_hub_t *hub, uint32_t tag,
    cdr_call_kind_e kind, const uint8_t id[CDR_CONN_ID_LEN], cdr_str_t text,
    uint32_t *hold)
{
    uint32_t           flags;
    u_char            *items;
    cdr_str_t          type;
    cdr_outbox_rec_t  *rec;
    u_char             hex[NGX_CONDUCTOR_ERRAND_TAG];

    if (hub->errands == NULL) {
        return NGX_DECLINED;
    }

    (void) ngx_sprintf(hex, "%08xD", tag);

    type.data = hex;
    type.len = sizeof(hex);

    rec = ngx_conductor_errand_begin(hub, kind,
                                     cdr_outbox_item_size(type.len, text.len),
                                     &items);
    if (rec == NULL) {
        return NGX_DECLINED;
    }

    flags = (uint32_t) kind;

    if (hold) {
        *hold = ngx_conductor_errand_hold(hub, rec->n);
        flags |= *hold ? NGX_CONDUCTOR_ERRAND_HELD : 0;
    }

    (void) cdr_outbox_put(items, flags, type, text);

    rec->kind = CDR_OUTBOX_EVENTS;
    rec->time_ms = ngx_conductor_now();
    rec->keyed = true;

    ngx_memcpy(&rec->key, id, CDR_CONN_ID_LEN);
    atomic_store(&rec->marks, CDR_OUTBOX_PLACED);

    cdr_outbox_commit(&hub->errand_box, rec);

    ngx_conductor_wake_keeper(hub);

    return NGX_OK;
}


void
ngx_conductor_errand_disconnect(ngx_conductor_hub_t *hub, uint32_t entry,
    ngx_uint_t ending, uint32_t code, uint32_t *hold)
{
    uint64_t                 connected;
    cdr_call_t               call;
    cdr_json_out_t           out;
    cdr_registry_entry_t    *e;
    ngx_conductor_target_t  *target;
    u_char                   id[NGX_CONDUCTOR_ERRAND_ID];
    u_char                   text[NGX_CONDUCTOR_ERRAND_MAX];

    e = cdr_registry_entry(&hub->registry, entry);

    if (e->conn.backend == 0 || hub->errands == NULL) {
        return;
    }

    ngx_conductor_errand_make(hub, entry, &call, id);

    /* it ends once, whoever says so */

    call.kind = CDR_CALL_DISCONNECT;
    call.id.len = ngx_sprintf(id + CDR_CONN_ID_TEXT_LEN, ".disconnect") - id;

    connected = ngx_min(e->conn.connected_ms, call.timestamp);

    out.dst = text;
    out.len = 0;

    cdr_call_put(&out, &call);
    cdr_call_put_disconnect(&out, cdr_figure_ending_label((uint32_t) ending),
                            code, call.timestamp - connected);

    /* a stream has its order anyway */

    target = ngx_conductor_target(hub, e->conn.backend);

    if (target && target->server == NULL) {
        hold = NULL;
    }

    (void) ngx_conductor_errand(hub, e->conn.backend, call.kind, e->conn.id,
                                (cdr_str_t) { text, out.len }, hold);
}


void
ngx_conductor_errand_presence(ngx_conductor_hub_t *hub, uint32_t entry,
    uint32_t tag)
{
    cdr_call_t             call;
    cdr_json_out_t         out;
    cdr_registry_entry_t  *e;
    u_char                 id[NGX_CONDUCTOR_ERRAND_ID];
    u_char                 text[NGX_CONDUCTOR_ERRAND_MAX];

    if (hub->errands == NULL) {
        return;
    }

    e = cdr_registry_entry(&hub->registry, entry);

    ngx_conductor_errand_make(hub, entry, &call, id);

    call.kind = CDR_CALL_PRESENCE;
    call.id.len = ngx_sprintf(id + CDR_CONN_ID_TEXT_LEN, ".%xL",
                              cdr_outbox_n(&hub->errand_box) + 1)
                  - id;

    out.dst = text;
    out.len = 0;

    cdr_call_put(&out, &call);
    cdr_call_put_presence(&out, &call,
                          ngx_conductor_errand_status[e->conn.status % 4],
                          cdr_registry_string(&hub->registry, entry,
                                              CDR_CONN_FEATURE));

    (void) ngx_conductor_errand(hub, tag, call.kind, e->conn.id,
                                (cdr_str_t) { text, out.len }, NULL);
}


/* Strings of an entry are short: escaped they fit in ERRAND_MAX. */

static void
ngx_conductor_errand_make(ngx_conductor_hub_t *hub, uint32_t entry,
    cdr_call_t *call, u_char *id)
{
    cdr_registry_t        *r;
    cdr_registry_entry_t  *e;

    r = &hub->registry;
    e = cdr_registry_entry(r, entry);

    cdr_conn_id_print(id, e->conn.id);

    call->id.data = id;
    call->hub.data = hub->name.data;
    call->hub.len = hub->name.len;
    call->server.data = hub->label.data;
    call->server.len = hub->label.len;
    call->connection.data = id;
    call->connection.len = CDR_CONN_ID_TEXT_LEN;
    call->user = cdr_registry_string(r, entry, CDR_CONN_USER);
    call->role = cdr_registry_string(r, entry, CDR_CONN_ROLE);
    call->address = cdr_registry_string(r, entry, CDR_CONN_ADDRESS);
    call->timestamp = ngx_conductor_now();
}


/* NULL, if it is not to be had: the keeper has made no room, or is away. */

static cdr_outbox_rec_t *
ngx_conductor_errand_begin(ngx_conductor_hub_t *hub, cdr_call_kind_e kind,
    size_t len, u_char **items)
{
    cdr_ticket_t        ticket;
    cdr_outbox_rec_t   *rec;
    cdr_outbox_fill_t   fill;

    cdr_outbox_fill(&hub->errand_box, &fill);

    /* clients that say much must not keep others from being seen off */

    if ((fill.used <= fill.size / 2
         || (kind != CDR_CALL_MESSAGE && kind != CDR_CALL_PRESENCE))
        && cdr_outbox_begin(&hub->errand_box, len, 1, NULL, &rec, items,
                            &ticket)
           == CDR_OK)
    {
        return rec;
    }

    if (kind != CDR_CALL_MESSAGE) {
        (void) atomic_fetch_add(&hub->errands->dropped, 1);
        (void) atomic_fetch_add(&hub->errands->lost, 1);
    }

    return NULL;
}
