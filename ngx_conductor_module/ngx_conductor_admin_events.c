/* The event log, as an administrator reads it to find out what happened. */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_session.h"
#include "ngx_conductor_watch.h"


#define NGX_CONDUCTOR_EVENTS_LIMIT  100
#define NGX_CONDUCTOR_EVENTS_MAX    1000
#define NGX_CONDUCTOR_EVENTS_SIZE   (4 * 1024 * 1024)
#define NGX_CONDUCTOR_EVENTS_LOOKS  (64 * 1024)       /* at events */


typedef struct {
    ngx_conductor_hub_t          *hub;
    ngx_conductor_view_t         *view;       /* of a role; NULL: all */
    ngx_str_t                     type;       /* data NULL: any */
    ngx_uint_t                    limit;
    cdr_log_cursor_t              cursor;
    cdr_log_fields_t              last;       /* event that was looked at */
    const char                   *reason;     /* why some are missing */
    ngx_uint_t                    n;
    unsigned                      any:1;
    unsigned                      more:1;
} ngx_conductor_events_t;


static ngx_int_t ngx_conductor_events_args(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev);
static ngx_int_t ngx_conductor_events_view(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev);
static ngx_int_t ngx_conductor_events_since(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev, ngx_str_t *since);
static void ngx_conductor_events_newest(ngx_conductor_events_t *ev);
static ngx_int_t ngx_conductor_events_read(ngx_conductor_events_t *ev);
static ngx_int_t ngx_conductor_events_add(ngx_conductor_events_t *ev,
    cdr_log_event_t *event);
static ngx_uint_t ngx_conductor_events_match(ngx_conductor_events_t *ev,
    cdr_log_event_t *event);
static ngx_int_t ngx_conductor_events_seen(ngx_conductor_events_t *ev,
    cdr_event_view_t *view, cdr_log_event_t *event);
static ngx_int_t ngx_conductor_events_answer(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev);
static u_char *ngx_conductor_events_id(u_char *p, cdr_log_fields_t *fields);


static ngx_conductor_arena_t  ngx_conductor_events_text;
static ngx_conductor_arena_t  ngx_conductor_events_copy;


ngx_int_t
ngx_conductor_admin_events(ngx_conductor_admin_t *a)
{
    ngx_int_t               rc;
    ngx_conductor_events_t  ev;

    ngx_memzero(&ev, sizeof(ngx_conductor_events_t));

    ev.hub = a->hub;
    ev.limit = NGX_CONDUCTOR_EVENTS_LIMIT;

    rc = ngx_conductor_events_args(a, &ev);

    if (rc == NGX_OK) {
        rc = ngx_conductor_events_view(a, &ev);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_events_read(&ev);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_events_answer(a, &ev);
    }

    if (ev.view) {
        ngx_conductor_view_unref(ev.view);
    }

    ngx_conductor_arena_reset(&ngx_conductor_events_text);
    ngx_conductor_arena_reset(&ngx_conductor_events_copy);

    return rc;
}


static ngx_int_t
ngx_conductor_events_args(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev)
{
    ngx_int_t  rc;
    ngx_str_t  since;

    rc = ngx_conductor_admin_known(a, "since type limit",
                   "there are the arguments since, type and limit, and no "
                   "other");

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_arg(a, "type", &ev->type);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_limit(a, NGX_CONDUCTOR_EVENTS_MAX,
                                       &ev->limit);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_arg(a, "since", &since);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (since.data) {
        return ngx_conductor_events_since(a, ev, &since);
    }

    ngx_conductor_events_newest(ev);

    return NGX_OK;
}


/* Whom a token has let in sees what its role sees, others see all. */

static ngx_int_t
ngx_conductor_events_view(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev)
{
    cdr_str_t             role;
    ngx_conductor_ctx_t  *ctx;

    if (ngx_conductor_rules_current(ev->hub) != NGX_OK) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                       "what may be seen is not known", NULL);
    }

    ctx = ngx_http_get_module_ctx(a->request, ngx_http_conductor_module);

    if (ctx == NULL || !ctx->admitted) {
        return NGX_OK;
    }

    role.data = ctx->identity.role.data;
    role.len = ctx->identity.role.len;

    ev->view = ngx_conductor_view(ev->hub, role);

    return ev->view ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_conductor_events_since(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev, ngx_str_t *since)
{
    cdr_log_pos_t    pos;
    cdr_event_id_t   id;
    cdr_log_found_t  found;

    if (cdr_event_id_parse(&id, since->data, since->len) != CDR_OK) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST,
                                         "it is no eventId", "since");
    }

    pos.ms = id.ms;
    pos.n = id.n;
    pos.local = id.norigins ? id.origins[0].n : 0;

    if (cdr_log_find(&ev->hub->log, &pos, &ev->cursor, &found) != CDR_OK) {
        ev->reason = (found == CDR_LOG_EXPIRED) ? "expired" : "unknown";
    }

    return NGX_OK;
}


/* Before so many of the newest. */

static void
ngx_conductor_events_newest(ngx_conductor_events_t *ev)
{
    uint64_t          head;
    ngx_uint_t        n, looks;
    cdr_log_event_t   event;
    cdr_log_cursor_t  at;

    cdr_log_cursor_end(&ev->hub->log, &ev->cursor);

    head = ev->cursor.seq;
    n = 0;

    for (looks = 0;
         head && n < ev->limit && looks < NGX_CONDUCTOR_EVENTS_LOOKS;
         looks++)
    {
        at.seq = --head;

        if (cdr_log_next(&ev->hub->log, &at, &event) != CDR_OK) {
            return;
        }

        n += ngx_conductor_events_match(ev, &event);
        ev->cursor.seq = head;
    }
}


static ngx_int_t
ngx_conductor_events_read(ngx_conductor_events_t *ev)
{
    int               rc;
    ngx_int_t         added;
    ngx_uint_t        looks;
    cdr_log_event_t   event;

    for (looks = 0; looks < NGX_CONDUCTOR_EVENTS_LOOKS; looks++) {

        rc = cdr_log_next(&ev->hub->log, &ev->cursor, &event);

        if (rc == CDR_AGAIN) {
            return NGX_OK;
        }

        if (rc != CDR_OK) {
            cdr_log_cursor_oldest(&ev->hub->log, &ev->cursor);
            ev->reason = "expired";
            continue;
        }

        if (ev->n == ev->limit
            || ngx_conductor_events_text.len > NGX_CONDUCTOR_EVENTS_SIZE)
        {
            ev->more = 1;
            return NGX_OK;
        }

        added = ngx_conductor_events_add(ev, &event);

        if (added == NGX_ERROR) {
            return NGX_ERROR;
        }

        ev->last = event.fields;
        ev->any = 1;
    }

    ev->more = 1;

    return NGX_OK;
}


/* NGX_OK; NGX_DECLINED: it is not for this answer; NGX_ERROR. */

static ngx_int_t
ngx_conductor_events_add(ngx_conductor_events_t *ev, cdr_log_event_t *event)
{
    u_char                 *p;
    ngx_int_t               rc;
    cdr_event_view_t        view;
    ngx_conductor_arena_t  *text;
    u_char                  id[CDR_EVENT_ID_LEN];

    if (event->fields.flags & NGX_CONDUCTOR_EVENT_GAP
        || !ngx_conductor_events_match(ev, event))
    {
        return NGX_DECLINED;
    }

    rc = ngx_conductor_events_seen(ev, &view, event);

    if (rc != NGX_OK) {
        return rc;
    }

    view.timestamp = event->fields.time_ms;
    view.id.data = id;
    view.id.len = ngx_conductor_events_id(id, &event->fields) - id;

    text = &ngx_conductor_events_text;

    p = ngx_conductor_arena_room(text, 1 + cdr_event_encode_size(&view));
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ev->n++) {
        *p++ = ',';
    }

    p += cdr_event_encode(p, &view);
    text->len = p - text->data;

    return NGX_OK;
}


/* The type may be overwritten meanwhile: whoever copies it checks that. */

static ngx_uint_t
ngx_conductor_events_match(ngx_conductor_events_t *ev, cdr_log_event_t *event)
{
    return ev->type.data == NULL
           || (ev->type.len == event->type.len
               && ngx_memcmp(ev->type.data, event->type.data, ev->type.len)
                  == 0);
}


/* A copy of it, and what of it is to be seen. */

static ngx_int_t
ngx_conductor_events_seen(ngx_conductor_events_t *ev, cdr_event_view_t *view,
    cdr_log_event_t *event)
{
    size_t                   len;
    u_char                  *p;
    cdr_str_t                to;
    const cdr_event_type_t  *type;
    cdr_event_catalogue_t   *catalogue;

    catalogue = &ev->hub->policy->catalogue;
    len = event->type.len + event->payload.len;

    ngx_conductor_events_copy.len = 0;

    p = ngx_conductor_arena_room(&ngx_conductor_events_copy,
                                 len + NGX_CONDUCTOR_TO_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(view, sizeof(cdr_event_view_t));

    view->type.data = p;
    view->type.len = event->type.len;
    view->payload.data = p + event->type.len;
    view->payload.len = event->payload.len;

    ngx_memcpy(p, event->type.data, event->type.len);
    ngx_memcpy(p + event->type.len, event->payload.data, event->payload.len);

    if (!cdr_log_valid(&ev->hub->log, event->seq)) {
        return NGX_DECLINED;
    }

    type = cdr_event_find(catalogue, view->type);

    if (ev->view) {

        if (type == NULL || event->fields.flags & NGX_CONDUCTOR_TO
            || ev->view->sees.classes[type - catalogue->types]
               == CDR_CLASS_NONE)
        {
            return NGX_DECLINED;
        }

        view->mask = type->mask;
        view->hidden = ev->view->sees.classes[type - catalogue->types];
    }

    if (event->fields.flags & NGX_CONDUCTOR_TO
        && ngx_conductor_targeted(&view->payload, p + len, &to) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_events_answer(ngx_conductor_admin_t *a,
    ngx_conductor_events_t *ev)
{
    u_char                 *p;
    ngx_conductor_arena_t  *text;

    text = &ngx_conductor_events_text;

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"events\":[],\"count\":,\"more\":false"
                           ",\"lastEventId\":\"\",\"recovered\":false"
                           ",\"reason\":\"unknown\"}\n")
                    + text->len + NGX_INT_T_LEN + CDR_EVENT_ID_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->answer.data = p;

    p = ngx_cpymem(p, "{\"events\":[", 11);
    p = ngx_cpymem(p, text->data, text->len);
    p = ngx_sprintf(p, "],\"count\":%ui,\"more\":%s", ev->n,
                    ev->more ? "true" : "false");

    if (ev->any) {
        p = ngx_cpymem(p, ",\"lastEventId\":\"", 16);
        p = ngx_conductor_events_id(p, &ev->last);
        *p++ = '"';
    }

    if (ev->reason) {
        p = ngx_sprintf(p, ",\"recovered\":false,\"reason\":\"%s\"",
                        ev->reason);
    }

    p = ngx_cpymem(p, "}\n", 2);

    a->answer.len = p - a->answer.data;

    return NGX_OK;
}


static u_char *
ngx_conductor_events_id(u_char *p, cdr_log_fields_t *fields)
{
    cdr_event_id_t  id;

    cdr_event_id_set(&id, &fields->pos, fields->lone);

    return p + cdr_event_id_print(p, &id);
}
