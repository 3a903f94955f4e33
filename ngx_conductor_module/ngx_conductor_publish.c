/*
 * Publishing over HTTP: a POST of one event, an array of events or NDJSON.
 *
 * All or nothing.  The body is checked to its end, the events are put into
 * the form of the log in the request's own memory, and only copied under the
 * lock; then everyone is woken.
 */

#include "ngx_conductor.h"

#include <cdr_json.h>
#include <cdr_publish.h>


#define NGX_CONDUCTOR_METHODS  "POST, OPTIONS"


typedef struct {
    const cdr_event_type_t       *type;
    u_char                       *payload;
    size_t                        len;
} ngx_conductor_prepared_t;


typedef struct {
    ngx_http_request_t           *request;
    ngx_conductor_hub_t          *hub;
    ngx_str_t                     body;
    ngx_flag_t                    ndjson;
    ngx_uint_t                    n;
    size_t                        bytes;      /* in the log */
    size_t                        payload;
    ngx_conductor_prepared_t     *events;
    u_char                       *ids;        /* the answer's list */
    size_t                        ids_len;
} ngx_conductor_publication_t;


static ngx_int_t ngx_conductor_publish_type(ngx_http_request_t *r,
    ngx_flag_t *ndjson);
static void ngx_conductor_publish_body(ngx_http_request_t *r);
static ngx_int_t ngx_conductor_publish_read(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_conductor_publish_run(ngx_conductor_publication_t *pub);
static ngx_int_t ngx_conductor_publish_check(
    ngx_conductor_publication_t *pub, cdr_publish_t *p);
static ngx_int_t ngx_conductor_publish_prepare(
    ngx_conductor_publication_t *pub, cdr_publish_t *p);
static ngx_int_t ngx_conductor_publish_append(
    ngx_conductor_publication_t *pub);
static ngx_int_t ngx_conductor_publish_log(ngx_conductor_publication_t *pub,
    cdr_log_tx_t *tx);
static ngx_int_t ngx_conductor_publish_accepted(
    ngx_conductor_publication_t *pub);
static ngx_int_t ngx_conductor_publish_invalid(ngx_http_request_t *r,
    cdr_publish_error_t *err);
static ngx_int_t ngx_conductor_publish_error(ngx_http_request_t *r,
    ngx_uint_t status, const char *text);


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

        return (rc == NGX_DECLINED)
               ? ngx_conductor_publish_error(r, NGX_HTTP_FORBIDDEN,
                                             "this origin is not allowed")
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method != NGX_HTTP_POST) {
        ngx_str_set(&value, NGX_CONDUCTOR_METHODS);
        (void) ngx_http_discard_request_body(r);

        if (ngx_conductor_add_header(r, "Allow", &value) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_conductor_publish_error(r, NGX_HTTP_NOT_ALLOWED,
                                           "events are published by POST");
    }

    if (ngx_conductor_publish_type(r, &ndjson) != NGX_OK) {
        (void) ngx_http_discard_request_body(r);

        return ngx_conductor_publish_error(r,
                             NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                             "Content-Type must be application/json or "
                             "application/x-ndjson");
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_conductor_publish_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/*
 * Types that a page of any site could make a browser send here without
 * asking first (RFC 9110 calls none of them JSON) are refused.
 */

static ngx_int_t
ngx_conductor_publish_type(ngx_http_request_t *r, ngx_flag_t *ndjson)
{
    size_t       len;
    ngx_str_t   *type;
    ngx_uint_t   i;

    static ngx_str_t  types[] = {
        ngx_string("application/json"),
        ngx_string("application/x-ndjson"),
        ngx_string("application/ndjson"),
        ngx_string("application/jsonl"),
        ngx_null_string
    };

    *ndjson = 0;

    if (r->headers_in.content_type == NULL) {
        return NGX_OK;
    }

    type = &r->headers_in.content_type->value;

    for (len = 0; len < type->len; len++) {
        if (type->data[len] == ';' || type->data[len] == ' ') {
            break;
        }
    }

    for (i = 0; types[i].len; i++) {
        if (types[i].len == len
            && ngx_strncasecmp(types[i].data, type->data, len) == 0)
        {
            *ndjson = (i != 0);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_conductor_publish_body(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_conductor_loc_conf_t     *lcf;
    ngx_conductor_publication_t   pub;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    ngx_memzero(&pub, sizeof(ngx_conductor_publication_t));

    pub.request = r;
    pub.hub = lcf->hub;

    (void) ngx_conductor_publish_type(r, &pub.ndjson);

    rc = ngx_conductor_publish_read(r, &pub.body);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_finalize_request(r, ngx_conductor_publish_run(&pub));
}


/* The body in one piece. */

static ngx_int_t
ngx_conductor_publish_read(ngx_http_request_t *r, ngx_str_t *body)
{
    off_t                     len;
    u_char                   *p;
    ssize_t                   n;
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;
    ngx_str_null(body);

    if (rb == NULL || rb->bufs == NULL) {
        return NGX_OK;
    }

    b = rb->bufs->buf;

    if (rb->bufs->next == NULL && ngx_buf_in_memory(b)) {
        body->data = b->pos;
        body->len = b->last - b->pos;
        return NGX_OK;
    }

    len = 0;

    for (cl = rb->bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    p = ngx_pnalloc(r->pool, ngx_max(len, 1));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->data = p;
    body->len = (size_t) len;

    for (cl = rb->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {

            /* the end of a chunked body */

            continue;
        }

        len = b->file_last - b->file_pos;

        n = ngx_read_file(b->file, p, (size_t) len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_publish_run(ngx_conductor_publication_t *pub)
{
    ngx_int_t            rc;
    cdr_publish_t       *p;
    ngx_http_request_t  *r;

    r = pub->request;

    p = ngx_palloc(r->pool, sizeof(cdr_publish_t));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_conductor_publish_check(pub, p) != NGX_OK) {
        return ngx_conductor_publish_invalid(r, &p->error);
    }

    rc = ngx_conductor_publish_prepare(pub, p);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_conductor_publish_append(pub);

    switch (rc) {

    case NGX_OK:
        ngx_conductor_wake_all(pub->hub);
        return ngx_conductor_publish_accepted(pub);

    case NGX_DECLINED:
        return ngx_conductor_publish_error(r,
                             NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                             "the events are larger than a quarter of the "
                             "hub's history");

    default:
        return ngx_conductor_publish_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                             "the event log cannot take it now; nothing was "
                             "sent");
    }
}


/* The first pass: is every event what the hub knows, and how much is it? */

static ngx_int_t
ngx_conductor_publish_check(ngx_conductor_publication_t *pub,
    cdr_publish_t *p)
{
    int        rc;
    size_t     len;
    cdr_str_t  body;

    body.data = pub->body.data;
    body.len = pub->body.len;

    cdr_publish_init(p, body, pub->ndjson, &pub->hub->policy->catalogue,
                     NGX_CONDUCTOR_BATCH);

    while ((rc = cdr_publish_next(p)) == CDR_OK) {
        len = cdr_event_payload_size(p->members, p->nmembers);

        pub->n++;
        pub->payload += len;
        pub->bytes += cdr_log_record_size(p->type->name.len, len);
    }

    return (rc == CDR_DECLINED) ? NGX_OK : NGX_DECLINED;
}


/* The second: the events as the log has them. */

static ngx_int_t
ngx_conductor_publish_prepare(ngx_conductor_publication_t *pub,
    cdr_publish_t *p)
{
    u_char              *dst;
    cdr_str_t            body;
    ngx_uint_t           i;
    ngx_pool_t          *pool;

    pool = pub->request->pool;

    pub->events = ngx_palloc(pool, pub->n * sizeof(ngx_conductor_prepared_t));
    dst = ngx_pnalloc(pool, ngx_max(pub->payload, 1));
    pub->ids = ngx_pnalloc(pool, pub->n * (CDR_EVENT_ID_LEN + 3));

    if (pub->events == NULL || dst == NULL || pub->ids == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = pub->body.data;
    body.len = pub->body.len;

    cdr_publish_init(p, body, pub->ndjson, &pub->hub->policy->catalogue,
                     NGX_CONDUCTOR_BATCH);

    for (i = 0; i < pub->n; i++) {

        if (cdr_publish_next(p) != CDR_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        pub->events[i].type = p->type;
        pub->events[i].payload = dst;
        pub->events[i].len = cdr_event_payload(dst, p->type, p->members,
                                               p->nmembers);

        dst += pub->events[i].len;
    }

    return NGX_OK;
}


/*
 * NGX_OK: every event has its place.  NGX_DECLINED if they are too large,
 * NGX_ERROR if the log cannot take them: then none of them has one.
 */

static ngx_int_t
ngx_conductor_publish_append(ngx_conductor_publication_t *pub)
{
    int                   rc;
    ngx_int_t             result;
    cdr_log_tx_t          tx;
    ngx_conductor_hub_t  *hub;

    hub = pub->hub;

    ngx_conductor_zone_lock(hub);

    rc = cdr_log_begin(&hub->log, &tx, pub->bytes, pub->n);

    if (rc == CDR_ERROR) {
        (void) cdr_log_repair(&hub->log);
        rc = cdr_log_begin(&hub->log, &tx, pub->bytes, pub->n);
    }

    if (rc == CDR_OK) {
        result = ngx_conductor_publish_log(pub, &tx);

    } else {
        result = (rc == CDR_TOOBIG) ? NGX_DECLINED : NGX_ERROR;
    }

    ngx_conductor_zone_unlock(hub);

    if (result == NGX_OK && hub->slot != NGX_CONDUCTOR_NO_SLOT) {
        cdr_slot_add(&hub->slots.slots[hub->slot],
                     NGX_CONDUCTOR_FIGURE_EVENTS, pub->n);
    }

    return result;
}


static ngx_int_t
ngx_conductor_publish_log(ngx_conductor_publication_t *pub, cdr_log_tx_t *tx)
{
    u_char                    *p, *dst;
    ngx_uint_t                 i;
    cdr_event_id_t             id;
    cdr_log_fields_t           fields;
    ngx_conductor_hub_t       *hub;
    ngx_conductor_prepared_t  *ev;

    hub = pub->hub;
    p = pub->ids;

    ngx_memzero(&fields, sizeof(cdr_log_fields_t));

    fields.time_ms = ngx_conductor_now();
    fields.server = hub->zone->boot;
    fields.boot = hub->zone->boot;

    for (i = 0; i < pub->n; i++) {
        ev = &pub->events[i];

        fields.n = tx->seq;

        dst = cdr_log_add(&hub->log, tx, &fields, ev->type->name, ev->len);

        if (dst == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(dst, ev->payload, ev->len);

        cdr_event_id_set(&id, &tx->last, fields.server);

        *p++ = (i == 0) ? '[' : ',';
        *p++ = '"';
        p += cdr_event_id_print(p, &id);
        *p++ = '"';
    }

    pub->ids_len = p - pub->ids;

    cdr_log_commit(&hub->log, tx);

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_publish_accepted(ngx_conductor_publication_t *pub)
{
    u_char     *p;
    ngx_str_t   body, ids;

    ids.data = pub->ids;
    ids.len = pub->ids_len;

    p = ngx_pnalloc(pub->request->pool,
                    sizeof("{\"accepted\":,\"eventIds\":]}\n")
                    + NGX_INT_T_LEN + ids.len);
    if (p == NULL) {

        /* it is published all the same */

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    body.len = ngx_sprintf(p, "{\"accepted\":%ui,\"eventIds\":%V]}\n",
                           pub->n, &ids)
               - p;

    return ngx_conductor_send_json(pub->request, NGX_HTTP_OK, &body);
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

    return ngx_conductor_send_json(r, status, &body);
}


static ngx_int_t
ngx_conductor_publish_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_str_t  body, retry;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_str_set(&retry, "1");

        if (ngx_conductor_add_header(r, "Retry-After", &retry) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    body.len = sizeof("{\"error\":\"\"}\n") - 1 + ngx_strlen(text);
    body.data = ngx_pnalloc(r->pool, body.len);

    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(body.data, "{\"error\":\"%s\"}\n", text);

    return ngx_conductor_send_json(r, status, &body);
}
