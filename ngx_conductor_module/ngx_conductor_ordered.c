/*
 * Events that have their place, as Redis gave it or this server alone, on
 * their way into the event log: they were accepted, by some server and its
 * rules, and are never refused for what other rules ask of a publication.
 */

#include "ngx_conductor_append.h"
#include "ngx_conductor_presence.h"


#define NGX_CONDUCTOR_KEY_MAX  65535


static ngx_int_t ngx_conductor_ordered_one(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_pool_t *pool);
static ngx_int_t ngx_conductor_ordered_text(ngx_conductor_ordered_t *ev,
    cdr_str_t *text, ngx_pool_t *pool);
static const char *ngx_conductor_ordered_scan(cdr_str_t text, size_t *n);
static const char *ngx_conductor_ordered_type(ngx_conductor_ordered_t *ev,
    size_t n, ngx_pool_t *pool);
static size_t ngx_conductor_ordered_payload(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, size_t n);
static int ngx_conductor_ordered_begin(ngx_conductor_hub_t *hub,
    cdr_log_tx_t *tx, size_t size);


/* About 12 KB; one event is looked at at a time. */

static cdr_json_member_t  ngx_conductor_members[CDR_EVENT_MAX_MEMBERS];


ngx_int_t
ngx_conductor_ordered_prepare(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_uint_t n, ngx_pool_t *pool)
{
    ngx_uint_t  i;

    if (hub->rules->generation != hub->generation
        && hub->rules->generation != 0)
    {
        /* where they are not known it goes on by its own */

        ngx_conductor_rules_update(hub);
    }

    for (i = 0; i < n; i++) {
        if (ngx_conductor_ordered_one(hub, &ev[i], pool) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_ordered_one(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_pool_t *pool)
{
    size_t     n;
    cdr_str_t  text;

    ev->error = NULL;
    ev->generation = hub->generation;

    if (ev->fields.flags & NGX_CONDUCTOR_EVENT_GAP) {
        ngx_memzero(&ev->type, sizeof(cdr_str_t));
        ev->payload = NULL;
        ev->len = 0;
        return NGX_OK;
    }

    if (ngx_conductor_ordered_text(ev, &text, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    n = 0;
    ev->error = ngx_conductor_ordered_scan(text, &n);

    if (ev->error == NULL) {
        ev->error = ngx_conductor_ordered_type(ev, n, pool);
    }

    if (ev->error) {
        return NGX_OK;
    }

    ev->len = cdr_event_payload_size(ngx_conductor_members, n);
    ev->payload = ngx_pnalloc(pool, ngx_max(ev->len, 1));

    if (ev->type.data == NULL || ev->payload == NULL) {
        return NGX_ERROR;
    }

    ev->len = ngx_conductor_ordered_payload(hub, ev, n);

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_ordered_text(ngx_conductor_ordered_t *ev, cdr_str_t *text,
    ngx_pool_t *pool)
{
    u_char  *p;

    *text = ev->text;

    if (!ev->open) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, ev->text.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = ev->text.len + 1;

    p = ngx_cpymem(p, ev->text.data, ev->text.len);
    *p = '}';

    return NGX_OK;
}


static const char *
ngx_conductor_ordered_scan(cdr_str_t text, size_t *n)
{
    int              rc;
    size_t           i, fields;
    cdr_json_scan_t  s;

    s.members = ngx_conductor_members;
    s.max_members = CDR_EVENT_MAX_MEMBERS;
    s.max_depth = CDR_PUBLISH_MAX_DEPTH;

    rc = cdr_json_scan(&s, text);

    if (rc != CDR_OK) {
        return s.error;
    }

    if (s.type != CDR_JSON_OBJECT) {
        return "the event is not an object";
    }

    for (fields = 0, i = 0; i < s.nmembers; i++) {

        if (ngx_conductor_members[i].key.len > NGX_CONDUCTOR_KEY_MAX) {
            return "a key is too long";
        }

        fields += cdr_event_is_field(&ngx_conductor_members[i]);
    }

    if (fields > CDR_EVENT_MAX_FIELDS) {
        return "the event has too many fields";
    }

    *n = s.nmembers;

    return NULL;
}


/* Without memory, the type has none. */

static const char *
ngx_conductor_ordered_type(ngx_conductor_ordered_t *ev, size_t n,
    ngx_pool_t *pool)
{
    u_char                   *p;
    cdr_str_t                 text;
    const cdr_json_member_t  *m;
    static const cdr_str_t    name = cdr_str("type"), to = cdr_str("to"),
                              presence =
                                     cdr_str(NGX_CONDUCTOR_PRESENCE_UPDATE);

    m = cdr_json_find(ngx_conductor_members, n, name);

    if (m == NULL || m->type != CDR_JSON_STRING) {
        return "the event has no type";
    }

    text = cdr_json_text(m->value);
    ev->type.len = cdr_json_unescape_size(text);

    if (ev->type.len == 0 || ev->type.len > CDR_LOG_TYPE_MAX) {
        return "the type is too long, or empty";
    }

    p = ngx_pnalloc(pool, ev->type.len);
    ev->type.data = p;

    if (p == NULL) {
        return NULL;
    }

    (void) cdr_json_unescape(p, text);

    if (cdr_json_eq(ev->type, presence)) {
        return "presence is no event";
    }

    if (ev->fields.flags & NGX_CONDUCTOR_TO) {
        m = cdr_json_find(ngx_conductor_members, n, to);

        if (m == NULL || m->type != CDR_JSON_STRING) {
            return "the event does not say whom it is for";
        }
    }

    return NULL;
}


/*
 * Whom it is for comes first, and is no field of the type.  A type that is not
 * known is kept as it came: nobody sees it until it is known.
 */

static size_t
ngx_conductor_ordered_payload(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, size_t n)
{
    size_t                   i, len;
    cdr_event_type_t         open;
    cdr_json_member_t       *m, *members, to;
    const cdr_event_type_t  *type;
    static const cdr_str_t   name = cdr_str("to");

    members = ngx_conductor_members;
    len = 0;

    ngx_memzero(&open, sizeof(cdr_event_type_t));

    type = cdr_event_find(&hub->policy->catalogue, ev->type);

    if (type == NULL) {
        type = &open;
    }

    if (ev->fields.flags & NGX_CONDUCTOR_TO) {
        m = (cdr_json_member_t *) cdr_json_find(members, n, name);
        i = (size_t) (m - members);
        to = *m;

        len = cdr_event_payload(ev->payload, &open, &to, 1);

        n--;
        ngx_memmove(&members[i], &members[i + 1],
                    (n - i) * sizeof(cdr_json_member_t));
    }

    return len + cdr_event_payload(ev->payload + len, type, members, n);
}


ngx_int_t
ngx_conductor_ordered_append(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev)
{
    int                rc;
    u_char            *p;
    cdr_log_tx_t       tx;
    cdr_log_fields_t  *f;

    if (ev->error) {
        return NGX_DECLINED;
    }

    if (ev->generation != hub->rules->generation
        && hub->rules->generation != 0 && !hub->outdated)
    {
        return NGX_AGAIN;
    }

    f = &ev->fields;

    rc = ngx_conductor_ordered_begin(hub, &tx,
                                     cdr_log_record_size(ev->type.len,
                                                         ev->len));
    if (rc == CDR_TOOBIG) {
        ev->error = "the event is too large for the history";
        return NGX_DECLINED;
    }

    p = (rc == CDR_OK)
        ? cdr_log_add(&hub->log, &tx, f, ev->type, ev->len)
        : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ev->len) {
        ngx_memcpy(p, ev->payload, ev->len);
    }

    cdr_log_commit(&hub->log, &tx);

    cdr_source_raise(&hub->sources, f->server, f->n, ngx_conductor_now());

    return NGX_OK;
}


static int
ngx_conductor_ordered_begin(ngx_conductor_hub_t *hub, cdr_log_tx_t *tx,
    size_t size)
{
    int  rc;

    rc = cdr_log_begin(&hub->log, tx, size, 1);

    if (rc == CDR_ERROR) {

        if (cdr_log_repair(&hub->log) != CDR_OK) {
            ngx_conductor_ordered_dropped(hub);
        }

        rc = cdr_log_begin(&hub->log, tx, size, 1);
    }

    return rc;
}


void
ngx_conductor_ordered_dropped(ngx_conductor_hub_t *hub)
{
    cdr_log_tx_t              tx;
    cdr_log_fields_t          fields;
    ngx_conductor_joining_t  *joining;
    static const cdr_str_t    none = cdr_str_null;

    joining = &hub->zone->joining;

    if ((joining->last_ms | joining->last_n) == 0
        || cdr_log_begin(&hub->log, &tx, cdr_log_record_size(0, 0), 1)
           != CDR_OK)
    {
        return;
    }

    ngx_memzero(&fields, sizeof(cdr_log_fields_t));

    fields.flags = NGX_CONDUCTOR_EVENT_GAP;
    fields.time_ms = ngx_conductor_now();
    fields.pos.ms = joining->last_ms;
    fields.pos.n = joining->last_n;
    fields.pos.local = joining->lone_n;
    fields.lone = joining->lone_n ? joining->server : 0;

    if (cdr_log_cmp(&fields.pos, &tx.last) <= 0) {
        fields.pos.ms = tx.last.ms;
        fields.pos.n = tx.last.n + 1;
    }

    if (cdr_log_add(&hub->log, &tx, &fields, none, 0)) {
        cdr_log_commit(&hub->log, &tx);
    }
}


ngx_int_t
ngx_conductor_append_ordered(ngx_conductor_hub_t *hub,
    ngx_conductor_ordered_t *ev, ngx_uint_t n, ngx_pool_t *pool)
{
    ngx_int_t   rc;
    ngx_uint_t  i, appended;

    appended = 0;
    i = 0;

    do {
        if (ngx_conductor_ordered_prepare(hub, &ev[i], n - i, pool) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_conductor_zone_lock(hub);

        for (rc = NGX_OK; i < n; i++) {
            rc = ngx_conductor_ordered_append(hub, &ev[i]);

            if (rc == NGX_AGAIN || rc == NGX_ERROR) {
                break;
            }

            appended += (rc == NGX_OK);
        }

        ngx_conductor_zone_unlock(hub);

    } while (rc == NGX_AGAIN);

    if (appended) {
        ngx_conductor_count(hub, CDR_FIGURE_EVENTS, appended);
        ngx_conductor_wake_all(hub);
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}
