/* What an administrator can do, and what is answered. */

#include "ngx_conductor_admin.h"
#include "ngx_conductor_audit.h"


#define NGX_CONDUCTOR_LEVEL_MAX  32         /* characters */


static ngx_int_t ngx_conductor_admin_revoked(ngx_conductor_admin_t *a,
    ngx_uint_t jti, cdr_str_t value, uint64_t until);
static ngx_int_t ngx_conductor_admin_until(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, uint64_t *until);
static ngx_int_t ngx_conductor_admin_notified(ngx_conductor_admin_t *a,
    u_char *text, size_t len);
static void ngx_conductor_admin_told(ngx_conductor_offer_t *offer);
static ngx_int_t ngx_conductor_admin_notice(ngx_conductor_admin_t *a,
    ngx_conductor_notice_t *notice);
static ngx_int_t ngx_conductor_admin_drained(ngx_conductor_admin_t *a,
    ngx_uint_t on);
static ngx_int_t ngx_conductor_admin_elsewhere(ngx_conductor_admin_t *a,
    ngx_str_t *server, cdr_str_t value, ngx_uint_t on);
static ngx_int_t ngx_conductor_admin_passed(ngx_conductor_admin_t *a,
    ngx_int_t rc, const char *none, const char *field);
static ngx_int_t ngx_conductor_admin_text(ngx_conductor_admin_t *a,
    cdr_str_t value, ngx_str_t *text);
static void ngx_conductor_admin_log(ngx_conductor_admin_t *a,
    const char *what, ngx_str_t *whom);


ngx_int_t
ngx_conductor_admin_disconnect(ngx_conductor_admin_t *a)
{
    u_char  *p;

    if (ngx_conductor_disconnect(a->hub, a->id.data, a->id.len) != NGX_OK
        && ngx_conductor_admin_passed(a,
                         ngx_conductor_tell_disconnect(a->hub, &a->id),
                         "there is no such connection", NULL)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* an id that can be one is plain text */

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"connectionId\":\"\"}\n") + a->id.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->answer.data = p;
    a->answer.len = ngx_sprintf(p, "{\"connectionId\":\"%V\"}\n", &a->id) - p;

    ngx_conductor_admin_log(a, a->status ? "tells the other servers to "
                                           "disconnect connection"
                                         : "disconnected connection",
                            &a->id);
    ngx_conductor_audit_admin(a->hub, a->request,
                              NGX_CONDUCTOR_ADMIN_DISCONNECT, &a->id, 0);

    return NGX_OK;
}


ngx_int_t
ngx_conductor_admin_revoke(ngx_conductor_admin_t *a)
{
    uint64_t            until;
    ngx_str_t           name;
    cdr_str_t           value;
    ngx_uint_t          jti;
    cdr_revoke_kind_t   kind;

    ngx_conductor_field_t  field[] = {
        { cdr_str("user"), CDR_JSON_STRING, cdr_str_null },
        { cdr_str("jti"), CDR_JSON_STRING, cdr_str_null },
        { cdr_str("until"), CDR_JSON_INTEGER, cdr_str_null }
    };

    if (ngx_conductor_admin_fields(a, field, 3) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (!field[0].value.data == !field[1].value.data) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                             "either a user or a jti is revoked", NULL);
    }

    if (ngx_conductor_admin_until(a, &field[2], &until) != NGX_OK) {
        return NGX_DECLINED;
    }

    jti = (field[1].value.data != NULL);
    value = field[jti].value;
    kind = jti ? CDR_REVOKE_JTI : CDR_REVOKE_USER;

    if (ngx_conductor_admin_revoked(a, jti, value, until) != NGX_OK
        || ngx_conductor_admin_text(a, value, &name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_conductor_revoke(a->hub, kind, &name, until) != NGX_OK) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                   "the table of revocations is full; nothing was changed",
                   NULL);
    }

    ngx_conductor_audit_admin(a->hub, a->request,
                              jti ? NGX_CONDUCTOR_ADMIN_REVOKE_JTI
                                  : NGX_CONDUCTOR_ADMIN_REVOKE_USER,
                              &name, until);

    if (ngx_conductor_tell_revoke(a->hub, kind, &name, until) == NGX_BUSY) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                   "it holds on this server, but the others cannot be told "
                   "now", NULL);
    }

    ngx_conductor_admin_log(a, until ? (jti ? "revoked jti" : "revoked user")
                            : (jti ? "lifted the revocation of jti"
                                   : "lifted the revocation of user"),
                            &name);

    return NGX_OK;
}


/* The answer, if all goes well. */

static ngx_int_t
ngx_conductor_admin_revoked(ngx_conductor_admin_t *a, ngx_uint_t jti,
    cdr_str_t value, uint64_t until)
{
    u_char  *p;

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"user\":,\"until\":,\"issued\":}\n")
                    + value.len + 2 * NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->answer.data = p;

    p = ngx_sprintf(p, jti ? "{\"jti\":" : "{\"user\":");
    p += cdr_json_canonical(p, value);
    p = ngx_sprintf(p, ",\"until\":%uL,\"issued\":%uL}\n", until,
                    ngx_conductor_now());

    a->answer.len = p - a->answer.data;

    return NGX_OK;
}


/* A time to come, or 0 to lift what was revoked. */

static ngx_int_t
ngx_conductor_admin_until(ngx_conductor_admin_t *a,
    ngx_conductor_field_t *field, uint64_t *until)
{
    size_t     i;
    ngx_int_t  n;

    *until = 0;

    if (field->value.data == NULL) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                     "a required field is missing", "until");
    }

    /* a negative one is no number to ngx_atoi() */

    i = (field->value.len > 1 && field->value.data[0] == '-');
    n = ngx_atoi((u_char *) field->value.data + i, field->value.len - i);

    if (i == 0 && n == 0) {
        return NGX_OK;
    }

    if (i || n == NGX_ERROR || (uint64_t) n <= ngx_conductor_now()) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                       "it is a time to come, in Unix milliseconds, or 0",
                       "until");
    }

    *until = (uint64_t) n;

    return NGX_OK;
}


ngx_int_t
ngx_conductor_admin_notify(ngx_conductor_admin_t *a)
{
    size_t                   len;
    ngx_int_t                rc;
    ngx_conductor_notice_t   notice;
    u_char                   text[CDR_EVENT_ID_LEN];

    rc = ngx_conductor_admin_notice(a, &notice);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_conductor_ordered(a->hub)) {
        notice.offer = ngx_conductor_offer_request(a->request,
                                                 ngx_conductor_admin_told);
        if (notice.offer == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_conductor_notify(a->hub, &notice, text, &len, a->request->pool);

    switch (rc) {

    case NGX_OK:
        return ngx_conductor_admin_notified(a, text, len);

    case NGX_DONE:
        return NGX_DONE;

    case NGX_DECLINED:
        return ngx_conductor_admin_wrong(a, NGX_HTTP_NOT_FOUND,
                             "the hub has no channel "
                             NGX_CONDUCTOR_ADMIN_CHANNEL, NULL);

    case NGX_ABORT:
        return ngx_conductor_admin_wrong(a, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                             "it is larger than a quarter of the hub's "
                             "history", NULL);

    default:
        return ngx_conductor_admin_wrong(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the event log cannot take it now; nothing was "
                             "sent", NULL);
    }
}


static ngx_int_t
ngx_conductor_admin_notified(ngx_conductor_admin_t *a, u_char *text,
    size_t len)
{
    u_char     *p;
    ngx_str_t   id;

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"eventId\":\"\"}\n") + CDR_EVENT_ID_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id.data = text;
    id.len = len;

    a->answer.data = p;
    a->answer.len = ngx_sprintf(p, "{\"eventId\":\"%V\"}\n", &id) - p;

    ngx_conductor_admin_log(a, "sent notification", &id);
    ngx_conductor_audit_admin(a->hub, a->request, NGX_CONDUCTOR_ADMIN_NOTIFY,
                              &id, 0);

    return NGX_OK;
}


/* It has its place in the hub's order, or none. */

static void
ngx_conductor_admin_told(ngx_conductor_offer_t *offer)
{
    size_t                  len;
    ngx_int_t               rc;
    ngx_http_request_t     *r;
    ngx_conductor_admin_t   a;
    ngx_conductor_first_t   first;
    u_char                  text[CDR_EVENT_ID_LEN];

    r = offer->data;

    if (offer->state != CDR_TICKET_DONE) {
        rc = ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             (offer->state == CDR_TICKET_FAILED)
                             ? "it cannot have its place now; nothing was "
                               "sent"
                             : "it may have been sent");

        ngx_conductor_offer_finalize(r, rc);
        return;
    }

    ngx_memzero(&a, sizeof(ngx_conductor_admin_t));

    a.request = r;
    a.hub = offer->hub;

    ngx_conductor_offer_first(offer, &first);
    len = ngx_conductor_append_id(a.hub, text, &first, 0);

    rc = ngx_conductor_admin_notified(&a, text, len);

    ngx_conductor_offer_finalize(r, (rc == NGX_OK)
                             ? ngx_conductor_send_json(r, NGX_HTTP_OK,
                                                       &a.answer)
                             : NGX_HTTP_INTERNAL_SERVER_ERROR);
}


static ngx_int_t
ngx_conductor_admin_notice(ngx_conductor_admin_t *a,
    ngx_conductor_notice_t *notice)
{
    static const cdr_str_t  info = cdr_str("\"info\"");

    ngx_conductor_field_t  field[] = {
        { cdr_str("level"), CDR_JSON_STRING, cdr_str_null },
        { cdr_str("message"), CDR_JSON_STRING, cdr_str_null },
        { cdr_str("role"), CDR_JSON_STRING, cdr_str_null },
        { cdr_str("user"), CDR_JSON_STRING, cdr_str_null }
    };

    if (ngx_conductor_admin_fields(a, field, 4) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (field[1].value.len <= 2) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                   "a required field is missing", "message");
    }

    if (field[0].value.data == NULL) {
        field[0].value = info;
    }

    if (field[0].value.len == 2
        || cdr_json_text_chars(cdr_json_text(field[0].value))
           > NGX_CONDUCTOR_LEVEL_MAX)
    {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                         "it has 1 to 32 characters",
                                         "level");
    }

    if (field[2].value.data && field[3].value.data) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                             "it is for a role, a user or all", NULL);
    }

    if (field[2].value.len == 2) {
        return ngx_conductor_admin_wrong(a, NGX_CONDUCTOR_UNPROCESSABLE,
                                         "it must not be empty", "role");
    }

    notice->level = field[0].value;
    notice->message = field[1].value;

    if (field[2].value.data) {
        notice->to = field[2].value;
        notice->flags = NGX_CONDUCTOR_TO_ROLE;

    } else {
        notice->to = field[3].value;
        notice->flags = field[3].value.data ? NGX_CONDUCTOR_TO_USER : 0;
    }

    return NGX_OK;
}


ngx_int_t
ngx_conductor_admin_drain(ngx_conductor_admin_t *a)
{
    return ngx_conductor_admin_drained(a, 1);
}


ngx_int_t
ngx_conductor_admin_undrain(ngx_conductor_admin_t *a)
{
    return ngx_conductor_admin_drained(a, 0);
}


static ngx_int_t
ngx_conductor_admin_drained(ngx_conductor_admin_t *a, ngx_uint_t on)
{
    u_char               *p;
    ngx_str_t             name;
    ngx_conductor_hub_t  *hub;

    ngx_conductor_field_t  server = { cdr_str("server"), CDR_JSON_STRING,
                                      cdr_str_null };

    hub = a->hub;

    if (ngx_conductor_admin_fields(a, &server, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"server\":\"\",\"draining\":false"
                           ",\"connections\":}\n")
                    + hub->label.len + NGX_INT32_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (server.value.data) {

        if (ngx_conductor_admin_text(a, server.value, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        if (name.len != hub->label.len
            || ngx_memcmp(name.data, hub->label.data, name.len) != 0)
        {
            return ngx_conductor_admin_elsewhere(a, &name, server.value, on);
        }
    }

    ngx_conductor_drain(hub, on);

    a->answer.data = p;

    p = ngx_sprintf(p, "{\"server\":\"%V\",\"draining\":%s"
                    ",\"connections\":%uD}\n", &hub->label,
                    on ? "true" : "false", cdr_registry_live(&hub->registry));

    a->answer.len = p - a->answer.data;

    ngx_conductor_admin_log(a, on ? "drains server"
                                  : "takes back the drain of server",
                            &hub->label);
    ngx_conductor_audit_admin(hub, a->request,
                              on ? NGX_CONDUCTOR_ADMIN_DRAIN
                                 : NGX_CONDUCTOR_ADMIN_UNDRAIN,
                              &hub->label, 0);

    return NGX_OK;
}


/* Another server is to drain, or no more. */

static ngx_int_t
ngx_conductor_admin_elsewhere(ngx_conductor_admin_t *a, ngx_str_t *server,
    cdr_str_t value, ngx_uint_t on)
{
    u_char  *p;

    if (ngx_conductor_admin_passed(a,
                           ngx_conductor_tell_drain(a->hub, server, on),
                           "there is no such server", "server")
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(a->request->pool,
                    sizeof("{\"server\":,\"draining\":false}\n") + value.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->answer.data = p;

    p = ngx_sprintf(p, "{\"server\":");
    p += cdr_json_canonical(p, value);
    p = ngx_sprintf(p, ",\"draining\":%s}\n", on ? "true" : "false");

    a->answer.len = p - a->answer.data;

    ngx_conductor_admin_log(a, on ? "tells to drain server"
                                  : "tells to drain no more server",
                            server);
    ngx_conductor_audit_admin(a->hub, a->request,
                              on ? NGX_CONDUCTOR_ADMIN_DRAIN
                                 : NGX_CONDUCTOR_ADMIN_UNDRAIN,
                              server, 0);

    return NGX_OK;
}


/* Others may know what this server does not. */

static ngx_int_t
ngx_conductor_admin_passed(ngx_conductor_admin_t *a, ngx_int_t rc,
    const char *none, const char *field)
{
    if (rc == NGX_OK) {
        a->status = NGX_HTTP_ACCEPTED;
        return NGX_OK;
    }

    if (rc == NGX_BUSY) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the other servers cannot be told now", NULL);
    }

    return ngx_conductor_admin_wrong(a, NGX_HTTP_NOT_FOUND, none, field);
}


static ngx_int_t
ngx_conductor_admin_text(ngx_conductor_admin_t *a, cdr_str_t value,
    ngx_str_t *text)
{
    cdr_str_t  str;

    str = cdr_json_text(value);

    text->data = ngx_pnalloc(a->request->pool, ngx_max(str.len, 1));
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = cdr_json_unescape(text->data, str);

    return NGX_OK;
}


static void
ngx_conductor_admin_log(ngx_conductor_admin_t *a, const char *what,
    ngx_str_t *whom)
{
    u_char  *last;
    u_char   text[CDR_CONN_USER_MAX * 4];

    last = ngx_conductor_log_text(text, text + sizeof(text), whom->data,
                                  whom->len);

    ngx_log_error(NGX_LOG_NOTICE, a->request->connection->log, 0,
                  "conductor: an administrator %s \"%*s\", hub: \"%V\"",
                  what, (size_t) (last - text), text, &a->hub->name);
}
