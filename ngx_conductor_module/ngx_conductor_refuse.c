/* Refusals of a handshake, and the JSON answers of the HTTP endpoints. */

#include "ngx_conductor_audit.h"


#define NGX_CONDUCTOR_RETRY_BUSY   5000     /* ms */
#define NGX_CONDUCTOR_RETRY_DRAIN  1000


typedef struct {
    ngx_uint_t    status;
    uint16_t      code;
    ngx_str_t     name;
    ngx_str_t     text;
} ngx_conductor_refusal_t;


#define NGX_CONDUCTOR_REFUSAL(symbol, status, code, name, text)               \
    { status, code, ngx_string(name), ngx_string(text) },

static ngx_conductor_refusal_t  ngx_conductor_refusals[] = {
    CDR_REFUSALS(NGX_CONDUCTOR_REFUSAL)
};


static ngx_msec_t ngx_conductor_refusal_retry(ngx_conductor_ctx_t *ctx,
    ngx_uint_t reason);
static ngx_int_t ngx_conductor_refuse_headers(ngx_http_request_t *r,
    ngx_uint_t reason);


uint16_t
ngx_conductor_refusal_code(ngx_uint_t reason)
{
    return ngx_conductor_refusals[reason].code;
}


ngx_str_t *
ngx_conductor_refusal_name(ngx_uint_t reason)
{
    return &ngx_conductor_refusals[reason].name;
}


/*
 * What a close frame says of it: when to come back, or the reason's name.
 * Written to "buf" of NGX_CONDUCTOR_REFUSAL_TEXT bytes, with a NUL.
 */

u_char *
ngx_conductor_refusal_text(u_char *buf, ngx_conductor_ctx_t *ctx)
{
    u_char      *p, *last;
    ngx_uint_t   reason;
    ngx_msec_t   retry;

    reason = ctx->refused - 1;
    retry = ngx_conductor_refusal_retry(ctx, reason);
    last = buf + NGX_CONDUCTOR_REFUSAL_TEXT - 1;

    p = retry ? ngx_slprintf(buf, last, "retry=%M", retry)
              : ngx_slprintf(buf, last, "%V",
                             ngx_conductor_refusal_name(reason));
    *p = '\0';

    return buf;
}


/* After how many milliseconds another attempt makes sense; 0: not said. */

static ngx_msec_t
ngx_conductor_refusal_retry(ngx_conductor_ctx_t *ctx, ngx_uint_t reason)
{
    if (ctx && ctx->retry) {
        return ctx->retry;
    }

    if (reason == CDR_REFUSE_DRAINING) {
        return NGX_CONDUCTOR_RETRY_DRAIN;
    }

    switch (ngx_conductor_refusals[reason].status) {

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return NGX_CONDUCTOR_RETRY_BUSY;

    default:
        return 0;
    }
}


/* Every refusal is counted by its reason and logged once. */

void
ngx_conductor_refused(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail)
{
    ngx_uint_t                 level;
    ngx_conductor_ctx_t       *ctx;
    ngx_conductor_hub_t       *hub;
    ngx_conductor_refusal_t   *rf;
    ngx_conductor_loc_conf_t  *lcf;
    u_char                     who[NGX_CONDUCTOR_LOG_WHO];

    rf = &ngx_conductor_refusals[reason];
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);
    hub = lcf->hub;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    if (ctx) {
        ctx->status = (char *) rf->name.data;
    }

    ngx_conductor_count(hub, CDR_FIGURE_REFUSED + reason, 1);
    ngx_conductor_audit_refuse(r, (char *) rf->name.data, detail, rf->status);

    level = (rf->status >= NGX_HTTP_INTERNAL_SERVER_ERROR) ? NGX_LOG_WARN
                                                           : NGX_LOG_INFO;

    ngx_log_error(level, r->connection->log, 0,
                  "conductor: handshake refused: %V%s%s%s", &rf->name,
                  detail ? ": " : "", detail ? detail : "",
                  ngx_conductor_log_who(r, who));
}


/* Answers with the status of the reason and ends the request: NGX_DONE. */

ngx_int_t
ngx_conductor_refuse(ngx_http_request_t *r, ngx_uint_t reason,
    const char *detail)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_str_t                 body;
    ngx_conductor_refusal_t  *rf;

    rf = &ngx_conductor_refusals[reason];

    ngx_conductor_refused(r, reason, detail);

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    if (ngx_conductor_refuse_headers(r, reason) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return NGX_DONE;
    }

    body.len = sizeof("{\"error\":\"\",\"code\":\"\"}" CRLF) + rf->text.len
               + rf->name.len;
    body.data = ngx_pnalloc(r->pool, body.len);

    if (body.data == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return NGX_DONE;
    }

    p = ngx_sprintf(body.data, "{\"error\":\"%V\",\"code\":\"%V\"}\n",
                    &rf->text, &rf->name);
    body.len = p - body.data;

    ngx_http_finalize_request(r, ngx_conductor_send_json(r, rf->status,
                                                         &body));
    return NGX_DONE;
}


/* Sends a whole answer; what ngx_http_finalize_request() is to be given. */

ngx_int_t
ngx_conductor_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *body)
{
    static ngx_str_t  type = ngx_string("application/json");

    return ngx_conductor_send(r, status, &type, body);
}


ngx_int_t
ngx_conductor_send(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_str_t     value;
    ngx_chain_t   out;

    ngx_str_set(&value, "no-store");

    if (ngx_conductor_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;

    /* two whose names nginx does not know */

    if (status == NGX_CONDUCTOR_UPGRADE_REQUIRED) {
        ngx_str_set(&r->headers_out.status_line, "426 Upgrade Required");

    } else if (status == NGX_CONDUCTOR_UNPROCESSABLE) {
        ngx_str_set(&r->headers_out.status_line, "422 Unprocessable Content");
    }

    r->headers_out.content_length_n = body->len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_conductor_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* "next", where nginx has it, is NULL */

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_refuse_headers(ngx_http_request_t *r, ngx_uint_t reason)
{
    u_char               *p;
    ngx_str_t             value;
    ngx_msec_t            retry;
    ngx_conductor_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    retry = ngx_conductor_refusal_retry(ctx, reason);

    if (retry) {
        p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
        if (p == NULL) {
            return NGX_ERROR;
        }

        value.data = p;
        value.len = ngx_sprintf(p, "%M", (retry + 999) / 1000) - p;

        if (ngx_conductor_add_header(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    switch (ngx_conductor_refusals[reason].status) {

    case NGX_HTTP_UNAUTHORIZED:

        return ngx_conductor_authenticate(r, &ctx->identity);

    case NGX_CONDUCTOR_UPGRADE_REQUIRED:

        ngx_str_set(&value, "13");

        if (ngx_conductor_add_header(r, "Sec-WebSocket-Version", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (r->http_version > NGX_HTTP_VERSION_11) {

            /* RFC 9113 section 8.2.2: no such header there */

            return NGX_OK;
        }

        ngx_str_set(&value, "websocket");

        if (ngx_conductor_add_header(r, "Upgrade", &value) != NGX_OK) {
            return NGX_ERROR;
        }

        /* RFC 9110 section 7.8; beside the line that nginx writes */

        ngx_str_set(&value, "upgrade");

        return ngx_conductor_add_header(r, "Connection", &value);
    }

    return NGX_OK;
}
