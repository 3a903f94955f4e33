/*
 * What a back end wants done: it is trusted as the configuration is, but what
 * it says of a configured event passes the rules for its client's role.
 */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_append.h"

#include <cdr_filter.h>


#define NGX_CONDUCTOR_ANSWER_LOG  1000      /* ms between two lines */

/* what ends an event that has no id, and is not sent */
#define NGX_CONDUCTOR_NO_ID       ",\"eventId\":\"\"}"


static void ngx_conductor_answer_published(ngx_conductor_offer_t *offer);
static void ngx_conductor_answer_subscribe(ngx_conductor_session_t *s,
    cdr_str_t list, ngx_uint_t on);
static ngx_int_t ngx_conductor_answer_channel(ngx_conductor_session_t *s,
    cdr_str_t item, cdr_json_type_e type, ngx_uint_t on);
static ngx_int_t ngx_conductor_answer_set(ngx_conductor_session_t *s,
    ngx_uint_t channel, cdr_str_t *filter, ngx_uint_t on);
static void ngx_conductor_answer_emit(ngx_conductor_session_t *s,
    cdr_str_t list);
static cdr_str_t ngx_conductor_answer_type(cdr_str_t item);
static ngx_int_t ngx_conductor_answer_message(ngx_conductor_session_t *s,
    cdr_str_t item);
static ngx_int_t ngx_conductor_answer_event(ngx_conductor_session_t *s,
    const cdr_event_type_t *type, cdr_json_member_t *members, size_t n);


static cdr_json_member_t  ngx_conductor_answer_members[CDR_EVENT_MAX_FIELDS];


void
ngx_conductor_answer_publish(ngx_conductor_calls_t *calls,
    cdr_backend_answer_t *answer, ngx_log_t *log)
{
    ngx_conductor_hub_t          *hub;
    ngx_conductor_append_e        rc;
    ngx_conductor_publication_t   pub;

    if (answer->publish.data == NULL) {
        return;
    }

    ngx_memzero(&pub, sizeof(ngx_conductor_publication_t));

    pub.pool = ngx_create_pool(1024, log);

    if (pub.pool == NULL) {
        return;
    }

    hub = calls->hub;

    pub.hub = hub;
    pub.calls = calls;
    pub.body.data = (u_char *) answer->publish.data;
    pub.body.len = answer->publish.len;
    pub.max = NGX_CONDUCTOR_BATCH;

    if (ngx_conductor_ordered(hub)) {
        pub.offer = ngx_calloc(sizeof(ngx_conductor_offer_t), log);

        if (pub.offer) {
            pub.offer->handler = ngx_conductor_answer_published;
        }
    }

    rc = (ngx_conductor_ordered(hub) && pub.offer == NULL)
         ? NGX_CONDUCTOR_APPEND_NO_MEMORY : ngx_conductor_append(&pub);

    if (rc != NGX_CONDUCTOR_APPEND_WAITING && pub.offer) {
        ngx_free(pub.offer);
    }

    if (rc == NGX_CONDUCTOR_APPEND_INVALID) {
        ngx_conductor_answer_log(log, pub.error.error, pub.error.field);

    } else if (rc != NGX_CONDUCTOR_APPENDED
               && rc != NGX_CONDUCTOR_APPEND_WAITING)
    {
        ngx_conductor_answer_log(log, "its events cannot be published now",
                                 (cdr_str_t) cdr_str_null);
    }

    ngx_destroy_pool(pub.pool);
}


static void
ngx_conductor_answer_published(ngx_conductor_offer_t *offer)
{
    if (offer->state == CDR_TICKET_FAILED) {
        ngx_conductor_answer_log(ngx_cycle->log,
                                 "its events could not be published",
                                 (cdr_str_t) cdr_str_null);
    }

    ngx_free(offer);
}


ngx_int_t
ngx_conductor_answer_apply(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer)
{
    if (answer->unsubscribe.data) {
        ngx_conductor_answer_subscribe(s, answer->unsubscribe, 0);
    }

    if (answer->subscribe.data && s->state == NGX_CONDUCTOR_OPEN) {
        ngx_conductor_answer_subscribe(s, answer->subscribe, 1);
    }

    if (answer->emit.data && s->state == NGX_CONDUCTOR_OPEN) {
        ngx_conductor_answer_emit(s, answer->emit);
    }

    return (s->state == NGX_CONDUCTOR_OPEN) ? NGX_OK : NGX_ERROR;
}


void
ngx_conductor_answer_close(ngx_conductor_session_t *s,
    cdr_backend_answer_t *answer)
{
    if (answer->close) {
        ngx_conductor_backend_close(s, CDR_ENDED_BACKEND,
                                    (uint16_t) answer->close,
                                    answer->reason);
    }
}


static void
ngx_conductor_answer_subscribe(ngx_conductor_session_t *s, cdr_str_t list,
    ngx_uint_t on)
{
    cdr_str_t        item;
    cdr_json_type_e  type;

    list = cdr_backend_list(list);

    while (s->state == NGX_CONDUCTOR_OPEN && s->group
           && cdr_backend_next(&list, &item, &type) == CDR_OK)
    {
        if (ngx_conductor_answer_channel(s, item, type, on) != NGX_OK) {
            ngx_conductor_answer_log(&s->log,
                                     "this cannot be subscribed for the "
                                     "client", (type == CDR_JSON_STRING)
                                               ? item
                                               : (cdr_str_t) cdr_str_null);
        }
    }
}


/* The name of a channel, or an object with "channel" and "filter". */

static ngx_int_t
ngx_conductor_answer_channel(ngx_conductor_session_t *s, cdr_str_t item,
    cdr_json_type_e type, ngx_uint_t on)
{
    cdr_str_t                 name, compiled;
    ngx_uint_t                channel;
    const char               *error;
    cdr_json_scan_t           scan;
    const cdr_json_member_t  *m, *f;
    u_char                    buf[CDR_COMMAND_TEXT_LEN];
    static cdr_filter_t       filter;
    static const cdr_str_t    key = cdr_str("channel");
    static const cdr_str_t    filter_key = cdr_str("filter");

    f = NULL;
    filter.len = 0;

    if (type == CDR_JSON_OBJECT && on) {
        scan.members = ngx_conductor_answer_members;
        scan.max_members = CDR_EVENT_MAX_FIELDS;
        scan.max_depth = CDR_COMMAND_MAX_DEPTH;

        if (cdr_json_scan(&scan, item) != CDR_OK) {
            return NGX_DECLINED;
        }

        m = cdr_json_find(scan.members, scan.nmembers, key);
        f = cdr_json_find(scan.members, scan.nmembers, filter_key);

        if (m == NULL) {
            return NGX_DECLINED;
        }

        item = m->value;
        type = m->type;
    }

    if (type != CDR_JSON_STRING
        || cdr_json_unescape_size(cdr_json_text(item)) > sizeof(buf))
    {
        return NGX_DECLINED;
    }

    name.data = buf;
    name.len = cdr_json_unescape(buf, cdr_json_text(item));

    channel = cdr_policy_channel(s->hub->policy, name);

    if (channel == CDR_POLICY_MAX_CHANNELS
        || (on && !(s->group->view->sees.channels >> channel & 1))
        || (f && f->type != CDR_JSON_NULL
            && cdr_filter_compile(&filter, f->value, &error) != CDR_OK))
    {
        return NGX_DECLINED;
    }

    compiled.data = filter.data;
    compiled.len = filter.len;

    return ngx_conductor_answer_set(s, channel, &compiled, on);
}


static ngx_int_t
ngx_conductor_answer_set(ngx_conductor_session_t *s, ngx_uint_t channel,
    cdr_str_t *filter, ngx_uint_t on)
{
    uint64_t                  channels;
    ngx_conductor_filters_t  *filters;

    channels = s->group->channels & ~((uint64_t) 1 << channel);

    if (on) {
        channels |= (uint64_t) 1 << channel;
    }

    if (ngx_conductor_filters_set(s->group->filters, channel, filter,
                                  &filters)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_conductor_group_move(s, channels, filters) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }

    if (filters) {
        ngx_free(filters);
    }

    return NGX_OK;
}


static void
ngx_conductor_answer_emit(ngx_conductor_session_t *s, cdr_str_t list)
{
    cdr_str_t        item;
    cdr_json_type_e  type;

    list = cdr_backend_list(list);

    while (s->state == NGX_CONDUCTOR_OPEN
           && cdr_backend_next(&list, &item, &type) == CDR_OK)
    {
        if (type != CDR_JSON_OBJECT
            || ngx_conductor_answer_message(s, item) != NGX_OK)
        {
            ngx_conductor_answer_log(&s->log,
                                     "this cannot be sent to the client",
                                     ngx_conductor_answer_type(item));
        }
    }
}


/* All of it that may be logged. */

static cdr_str_t
ngx_conductor_answer_type(cdr_str_t item)
{
    cdr_json_scan_t           scan;
    const cdr_json_member_t  *m;
    static const cdr_str_t    key = cdr_str("type");

    scan.members = ngx_conductor_answer_members;
    scan.max_members = CDR_EVENT_MAX_FIELDS;
    scan.max_depth = CDR_COMMAND_MAX_DEPTH;

    m = (cdr_json_scan(&scan, item) == CDR_OK && scan.type == CDR_JSON_OBJECT)
        ? cdr_json_find(scan.members, scan.nmembers, key) : NULL;

    return (m && m->type == CDR_JSON_STRING) ? m->value
                                             : (cdr_str_t) cdr_str_null;
}


static ngx_int_t
ngx_conductor_answer_message(ngx_conductor_session_t *s, cdr_str_t item)
{
    u_char                   *p;
    size_t                    len;
    uint64_t                  now;
    cdr_str_t                 name;
    cdr_json_scan_t           scan;
    const cdr_event_type_t   *type;
    const cdr_json_member_t  *m;
    static const cdr_str_t    key = cdr_str("type");

    scan.members = ngx_conductor_answer_members;
    scan.max_members = CDR_EVENT_MAX_FIELDS;
    scan.max_depth = CDR_COMMAND_MAX_DEPTH;

    if (cdr_json_scan(&scan, item) != CDR_OK) {
        return NGX_DECLINED;
    }

    m = cdr_json_find(scan.members, scan.nmembers, key);

    if (m == NULL || m->type != CDR_JSON_STRING) {
        return NGX_DECLINED;
    }

    name = cdr_json_text(m->value);

    if (name.len == 0) {
        return NGX_DECLINED;
    }

    type = cdr_event_find_text(&s->hub->policy->catalogue, name);

    if (type) {
        return ngx_conductor_answer_event(s, type, scan.members,
                                          scan.nmembers);
    }

    now = ngx_conductor_now();
    len = cdr_backend_emit(NULL, scan.members, scan.nmembers, now);

    p = ngx_conductor_output_message(s, CDR_SENT_OTHER, len);

    if (p) {
        (void) cdr_backend_emit(p, scan.members, scan.nmembers, now);
    }

    return NGX_OK;
}


/* As one that is published, but without a place in the hub's order. */

static ngx_int_t
ngx_conductor_answer_event(ngx_conductor_session_t *s,
    const cdr_event_type_t *type, cdr_json_member_t *members, size_t n)
{
    size_t             len, index;
    u_char            *p, *buf;
    cdr_event_view_t   view;

    index = type - s->hub->policy->catalogue.types;

    if (s->group == NULL
        || s->group->view->sees.classes[index] == CDR_CLASS_NONE)
    {
        return NGX_OK;
    }

    buf = ngx_alloc(cdr_event_payload_size(members, n) + 1, &s->log);
    if (buf == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&view, sizeof(cdr_event_view_t));

    view.type = type->name;
    view.payload.data = buf;
    view.payload.len = cdr_event_payload(buf, type, members, n);
    view.timestamp = ngx_conductor_now();
    view.id.data = buf;
    view.mask = type->mask;
    view.hidden = s->group->view->sees.classes[index];

    len = cdr_event_encode_size(&view);

    p = ngx_alloc(len, &s->log);

    if (p) {
        (void) cdr_event_encode(p, &view);

        len -= sizeof(NGX_CONDUCTOR_NO_ID) - 1;
        p[len++] = '}';

        if (ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_TEXT, p, len)
            == NGX_OK)
        {
            ngx_conductor_count(s->hub, s->hub->sent[index], 1);
        }

        ngx_free(p);
    }

    ngx_free(buf);

    return NGX_OK;
}


/* A back end that is wrong is so every time. */

void
ngx_conductor_answer_log(ngx_log_t *log, const char *what, cdr_str_t detail)
{
    u_char             *p;
    u_char              text[256];
    static ngx_msec_t   last;

    if (last && ngx_current_msec - last < NGX_CONDUCTOR_ANSWER_LOG) {
        return;
    }

    last = ngx_current_msec;

    p = text;

    if (detail.len) {
        p = ngx_slprintf(p, text + sizeof(text), ": \"");
        p = ngx_conductor_log_text(p, text + sizeof(text) - 1, detail.data,
                                   detail.len);
        *p++ = '"';
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "conductor: a back end wants what cannot be: %s%*s", what,
                  (size_t) (p - text), text);
}
