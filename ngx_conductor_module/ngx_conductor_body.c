/* Bodies of requests, and answers with an error: what HTTP endpoints share. */

#include "ngx_conductor.h"


static ngx_int_t ngx_conductor_body_copy(u_char *p, ngx_chain_t *cl);


/*
 * Types that a page of any site could make a browser send here without
 * asking first (RFC 9110 calls none of them JSON) are refused.
 */

ngx_int_t
ngx_conductor_body_type(ngx_http_request_t *r, ngx_flag_t *ndjson)
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


/* The body in one piece: NGX_OK, or a status. */

ngx_int_t
ngx_conductor_body_read(ngx_http_request_t *r, ngx_str_t *body)
{
    off_t                     len;
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

    body->data = ngx_pnalloc(r->pool, ngx_max((size_t) len, 1));

    if (body->data == NULL
        || ngx_conductor_body_copy(body->data, rb->bufs) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->len = (size_t) len;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_body_copy(u_char *p, ngx_chain_t *cl)
{
    size_t      len;
    ssize_t     n;
    ngx_buf_t  *b;

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {

            /* the end of a chunked body */

            continue;
        }

        len = (size_t) (b->file_last - b->file_pos);

        n = ngx_read_file(b->file, p, len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}


ngx_int_t
ngx_conductor_body_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_str_t  body, retry;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_str_set(&retry, "1");

        if (ngx_conductor_add_header(r, "Retry-After", &retry) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_conductor_count_publication(r, status);

    body.len = sizeof("{\"error\":\"\"}\n") - 1 + ngx_strlen(text);
    body.data = ngx_pnalloc(r->pool, body.len);

    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(body.data, "{\"error\":\"%s\"}\n", text);

    return ngx_conductor_send_json(r, status, &body);
}
