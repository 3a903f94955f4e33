/* Publishing over HTTP: a POST of one event, an array of events or NDJSON. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_presence.h"

#include <cdr_json.h>


#define NGX_CONDUCTOR_METHODS  "POST, OPTIONS"


static ngx_int_t ngx_conductor_publish_begin(ngx_http_request_t *r);
static void ngx_conductor_publish_body(ngx_http_request_t *r);
static ngx_int_t ngx_conductor_publish_run(ngx_http_request_t *r,
    ngx_conductor_ctx_t *ctx, ngx_str_t *body);
static void ngx_conductor_publish_done(ngx_conductor_offer_t *offer);
static ngx_int_t ngx_conductor_publish_outcome(ngx_http_request_t *r,
    ngx_conductor_offer_t *offer);
static ngx_int_t ngx_conductor_publish_answer(ngx_http_request_t *r,
    ngx_conductor_publication_t *pub, ngx_conductor_append_e rc);
static ngx_int_t ngx_conductor_publish_again(ngx_http_request_t *r,
    ngx_conductor_idem_t *idem);
static ngx_int_t ngx_conductor_publish_running(ngx_http_request_t *r);
static ngx_int_t ngx_conductor_publish_accepted(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, ngx_conductor_first_t *first, ngx_uint_t n);
static ngx_int_t ngx_conductor_publish_forbidden(ngx_http_request_t *r,
    size_t index);
static ngx_int_t ngx_conductor_publish_invalid(ngx_http_request_t *r,
    cdr_publish_error_t *err);


ngx_int_t
ngx_conductor_publish_handler(ngx_http_request_t *r)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_flag_t  ndjson;

    rc = ngx_conductor_cors(r, NGX_CONDUCTOR_METHODS);

    if (rc == NGX_DONE) {
        return ngx_conductor_send_preflight(r);
    }

    if (rc != NGX_OK) {
        (void) ngx_http_discard_request_body(r);

        if (rc != NGX_DECLINED) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_conductor_audit_deny(r, "bad_origin", NGX_HTTP_FORBIDDEN);

        return ngx_conductor_body_error(r, NGX_HTTP_FORBIDDEN,
                                        "this origin is not allowed");
    }

    if (r->method != NGX_HTTP_POST) {
        ngx_str_set(&value, NGX_CONDUCTOR_METHODS);
        (void) ngx_http_discard_request_body(r);

        if (ngx_conductor_add_header(r, "Allow", &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_conductor_body_error(r, NGX_HTTP_NOT_ALLOWED,
                                        "events are published by POST");
    }

    if (ngx_conductor_body_type(r, &ndjson) != NGX_OK) {
        (void) ngx_http_discard_request_body(r);

        return ngx_conductor_body_error(r,
                             NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                             "Content-Type must be application/json or "
                             "application/x-ndjson");
    }

    return ngx_conductor_publish_begin(r);
}


/* A key is taken before the body, which may take its time. */

static ngx_int_t
ngx_conductor_publish_begin(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_conductor_ctx_t  *ctx;

    ctx = ngx_conductor_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_conductor_publish_key(r, &ctx->idem);

    if (rc == NGX_OK && ctx->idem) {
        rc = ngx_conductor_publish_reserve(r, ctx->idem);
    }

    switch (rc) {

    case NGX_OK:
    case NGX_DONE:

        /* the answer depends on the body */

        break;

    case NGX_AGAIN:
        (void) ngx_http_discard_request_body(r);
        return ngx_conductor_publish_running(r);

    case NGX_BUSY:
        (void) ngx_http_discard_request_body(r);
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "too many requests with a key are under way");

    case NGX_DECLINED:
        (void) ngx_http_discard_request_body(r);
        return ngx_conductor_body_error(r, NGX_HTTP_BAD_REQUEST,
                             "Idempotency-Key must be there once, with 1 "
                             "to 255 octets");

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_conductor_publish_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_conductor_publish_release(ctx->idem);
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_conductor_publish_body(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_conductor_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    rc = ngx_conductor_access_still(r);

    if (rc == NGX_OK) {
        rc = ngx_conductor_body_read(r, &body);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_publish_run(r, ctx, &body);

    } else {
        ngx_conductor_publish_release(ctx->idem);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_conductor_publish_run(ngx_http_request_t *r, ngx_conductor_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_conductor_append_e        rc;
    ngx_conductor_loc_conf_t     *lcf;
    ngx_conductor_publication_t   pub;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    switch (ngx_conductor_publish_lookup(ctx->idem, body)) {

    case NGX_DONE:
        return ngx_conductor_publish_again(r, ctx->idem);

    case NGX_AGAIN:
        return ngx_conductor_publish_running(r);
    }

    ngx_memzero(&pub, sizeof(ngx_conductor_publication_t));

    pub.hub = lcf->hub;
    pub.request = r;
    pub.pool = r->pool;
    pub.body = *body;
    pub.max = NGX_CONDUCTOR_BATCH;
    pub.role = ctx->admitted ? &ctx->identity.role : NULL;
    pub.open = (lcf->roles != NULL);
    pub.idem = ctx->idem;

    (void) ngx_conductor_body_type(r, &pub.ndjson);

    if (ngx_conductor_ordered(lcf->hub)) {
        pub.offer = ngx_conductor_offer_request(r, ngx_conductor_publish_done);

        if (pub.offer == NULL) {
            ngx_conductor_publish_release(ctx->idem);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_conductor_append(&pub);

    if (rc == NGX_CONDUCTOR_APPEND_WAITING) {
        return ngx_conductor_offer_hold(r);
    }

    /* who is told that it failed may use the key at once */

    ngx_conductor_publish_release(ctx->idem);

    return ngx_conductor_publish_answer(r, &pub, rc);
}


static void
ngx_conductor_publish_done(ngx_conductor_offer_t *offer)
{
    ngx_http_request_t  *r;

    r = offer->data;

    ngx_conductor_offer_finalize(r, ngx_conductor_publish_outcome(r, offer));
}


static ngx_int_t
ngx_conductor_publish_outcome(ngx_http_request_t *r,
    ngx_conductor_offer_t *offer)
{
    ngx_conductor_ctx_t    *ctx;
    ngx_conductor_first_t   first;

    switch (offer->state) {

    case CDR_TICKET_DONE:
        ngx_conductor_offer_first(offer, &first);

        return ngx_conductor_publish_accepted(r, offer->hub, &first,
                                              offer->count);

    case CDR_TICKET_REPEATED:
        ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);
        ctx->idem->answer = offer->outcome.answer;

        return ngx_conductor_publish_again(r, ctx->idem);

    case CDR_TICKET_FAILED:
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the events cannot have their place now; "
                             "nothing was sent");

    default:
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the events may have been sent: repeat the "
                             "request with its Idempotency-Key");
    }
}


static ngx_int_t
ngx_conductor_publish_answer(ngx_http_request_t *r,
    ngx_conductor_publication_t *pub, ngx_conductor_append_e rc)
{
    switch (rc) {

    case NGX_CONDUCTOR_APPENDED:
        return ngx_conductor_publish_accepted(r, pub->hub, &pub->first,
                                              pub->n);

    case NGX_CONDUCTOR_APPENDED_BEFORE:
        return ngx_conductor_publish_again(r, pub->idem);

    case NGX_CONDUCTOR_APPEND_RUNNING:
        return ngx_conductor_publish_running(r);

    case NGX_CONDUCTOR_APPEND_INVALID:
        return ngx_conductor_publish_invalid(r, &pub->error);

    case NGX_CONDUCTOR_APPEND_FORBIDDEN:
        return ngx_conductor_publish_forbidden(r, pub->error.index);

    case NGX_CONDUCTOR_APPEND_PRESENCE:
        pub->error.kind = CDR_PUBLISH_INVALID;
        pub->error.error = NGX_CONDUCTOR_PRESENCE_REFUSED;
        pub->error.field = (cdr_str_t) cdr_str("type");
        return ngx_conductor_publish_invalid(r, &pub->error);

    case NGX_CONDUCTOR_APPEND_TOO_LARGE:
        return ngx_conductor_body_error(r,
                             NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                             "the events are larger than a quarter of the "
                             "hub's history");

    case NGX_CONDUCTOR_APPEND_FULL:
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "too many requests with a key are under way");

    case NGX_CONDUCTOR_APPEND_CROWDED:
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "too many publications wait for their place; "
                             "nothing was sent");

    case NGX_CONDUCTOR_APPEND_NO_MEMORY:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the event log cannot take it now; nothing was "
                             "sent");
    }
}


/* It was published before: the first answer once more, if it is the same. */

static ngx_int_t
ngx_conductor_publish_again(ngx_http_request_t *r, ngx_conductor_idem_t *idem)
{
    cdr_idem_answer_t      *answer;
    ngx_conductor_first_t   first;

    answer = &idem->answer;

    if (answer->digest.word[0] != idem->digest.word[0]
        || answer->digest.word[1] != idem->digest.word[1])
    {
        return ngx_conductor_body_error(r, NGX_CONDUCTOR_UNPROCESSABLE,
                             "this Idempotency-Key was used with another "
                             "body");
    }

    ngx_conductor_idem_first(answer, &first);

    return ngx_conductor_publish_accepted(r, idem->hub, &first,
                                          answer->count);
}


static ngx_int_t
ngx_conductor_publish_running(ngx_http_request_t *r)
{
    ngx_str_t  value;

    ngx_str_set(&value, "1");

    if (ngx_conductor_add_header(r, "Retry-After", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_conductor_body_error(r, NGX_HTTP_CONFLICT,
                             "the first request with this Idempotency-Key "
                             "is still under way");
}


static ngx_int_t
ngx_conductor_publish_accepted(ngx_http_request_t *r,
    ngx_conductor_hub_t *hub, ngx_conductor_first_t *first, ngx_uint_t n)
{
    u_char      *p;
    ngx_str_t    body;
    ngx_uint_t   i;

    p = ngx_pnalloc(r->pool, sizeof("{\"accepted\":,\"eventIds\":[]}\n")
                             + NGX_INT_T_LEN + n * (CDR_EVENT_ID_LEN + 3));
    if (p == NULL) {

        /* it is published all the same */

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "{\"accepted\":%ui,\"eventIds\":[", n);

    for (i = 0; i < n; i++) {

        if (i) {
            *p++ = ',';
        }

        *p++ = '"';
        p += ngx_conductor_append_id(hub, p, first, i);
        *p++ = '"';
    }

    *p++ = ']';
    *p++ = '}';
    *p++ = '\n';

    body.len = p - body.data;

    return ngx_conductor_send_json(r, NGX_HTTP_OK, &body);
}


static ngx_int_t
ngx_conductor_publish_forbidden(ngx_http_request_t *r, size_t index)
{
    u_char     *p;
    ngx_str_t   body;

    p = ngx_pnalloc(r->pool, 128);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_conductor_count_publication(r, NGX_HTTP_FORBIDDEN);
    ngx_conductor_audit_deny(r, "forbidden", NGX_HTTP_FORBIDDEN);

    body.data = p;
    body.len = ngx_sprintf(p, "{\"error\":\"this role may not publish this "
                           "type of event\",\"index\":%uz}\n", index)
               - p;

    return ngx_conductor_send_json(r, NGX_HTTP_FORBIDDEN, &body);
}


/* Which event is wrong, and why. */

static ngx_int_t
ngx_conductor_publish_invalid(ngx_http_request_t *r, cdr_publish_error_t *err)
{
    u_char      *p;
    size_t       len;
    cdr_str_t    text;
    ngx_str_t    body;
    ngx_uint_t   status;

    text.data = (u_char *) err->error;
    text.len = ngx_strlen(err->error);

    len = sizeof("{\"error\":\"\",\"index\":,\"offset\":,\"field\":\"\"}\n")
          + cdr_json_escape_size(text) + cdr_json_escape_size(err->field)
          + 2 * NGX_SIZE_T_LEN;

    body.data = ngx_pnalloc(r->pool, len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(body.data, "{\"error\":\"", sizeof("{\"error\":\"") - 1);
    p += cdr_json_escape(p, text);
    p = ngx_sprintf(p, "\",\"index\":%uz", err->index);

    switch (err->kind) {

    case CDR_PUBLISH_NOT_JSON:
        status = NGX_HTTP_BAD_REQUEST;
        p = ngx_sprintf(p, ",\"offset\":%uz", err->offset);
        break;

    case CDR_PUBLISH_TOO_MANY:
        status = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        break;

    default:
        status = NGX_CONDUCTOR_UNPROCESSABLE;
    }

    if (err->field.data) {
        p = ngx_cpymem(p, ",\"field\":\"", sizeof(",\"field\":\"") - 1);
        p += cdr_json_escape(p, err->field);
        *p++ = '"';
    }

    *p++ = '}';
    *p++ = '\n';

    body.len = p - body.data;

    ngx_conductor_count_publication(r, status);

    return ngx_conductor_send_json(r, status, &body);
}
