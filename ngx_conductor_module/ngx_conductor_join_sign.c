/* Entries of the stream are signed, where servers share a secret. */

#include "ngx_conductor_join_own.h"


#define NGX_CONDUCTOR_JOIN_PARTS   8
#define NGX_CONDUCTOR_JOIN_BEFORE  60000    /* ms */


static size_t ngx_conductor_join_sign_parts(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, cdr_str_t *parts, u_char *buf);


ngx_int_t
ngx_conductor_join_sign_init(ngx_conductor_join_own_t *own)
{
    cdr_str_t  secret;

    secret.data = own->join.conf->secret.data;
    secret.len = own->join.conf->secret.len;

    if (secret.len == 0) {
        return NGX_OK;
    }

    if (cdr_sign_init(&own->sign, secret) != CDR_OK) {
        return NGX_ERROR;
    }

    own->signs = 1;

    secret.data = own->join.conf->before.data;
    secret.len = own->join.conf->before.len;

    if (secret.len) {

        if (cdr_sign_init(&own->before, secret) != CDR_OK) {
            return NGX_ERROR;
        }

        own->signed_before = 1;
        own->begun = ngx_current_msec;
    }

    return NGX_OK;
}


/* With the place and the signature of an entry still open. */

ngx_int_t
ngx_conductor_join_sign(ngx_conductor_join_own_t *own, cdr_stream_entry_t *e,
    u_char *dst)
{
    size_t     n;
    cdr_str_t  parts[NGX_CONDUCTOR_JOIN_PARTS];
    u_char     buf[NGX_CONDUCTOR_JOIN_PARTS * NGX_INT64_LEN];

    n = ngx_conductor_join_sign_parts(own, e, parts, buf);

    return (cdr_sign(&own->sign, parts, n, dst) == CDR_OK)
           ? NGX_OK : NGX_ERROR;
}


/* Why it is not to be believed; NULL if it is. */

const char *
ngx_conductor_join_sign_check(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e)
{
    size_t     n;
    cdr_str_t  parts[NGX_CONDUCTOR_JOIN_PARTS];
    u_char     buf[NGX_CONDUCTOR_JOIN_PARTS * NGX_INT64_LEN];

    if (e->server == 0) {

        /* anybody may publish, so there is nothing that they could sign */

        return (own->join.conf->foreign && !e->control)
               ? NULL : "comes from nobody of the hub";
    }

    if (!own->signs) {
        return NULL;
    }

    n = ngx_conductor_join_sign_parts(own, e, parts, buf);

    if (cdr_sign_check(&own->sign, parts, n, e->signature) == CDR_OK) {
        return NULL;
    }

    /* what was on its way when the secret was changed */

    if (own->signed_before
        && ngx_current_msec - own->begun < NGX_CONDUCTOR_JOIN_BEFORE
        && cdr_sign_check(&own->before, parts, n, e->signature) == CDR_OK)
    {
        return NULL;
    }

    return "is not signed with the secret of the hub";
}


static size_t
ngx_conductor_join_sign_parts(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e, cdr_str_t *parts, u_char *buf)
{
    u_char      *p;
    ngx_uint_t   i;
    uint64_t     number[4];

    static const cdr_str_t  stream = cdr_str("stream"), event = cdr_str("e"),
                            control = cdr_str("c");

    parts[0] = stream;
    parts[1].data = own->join.conf->base.data;
    parts[1].len = own->join.conf->base.len;

    number[0] = e->server;
    number[1] = e->number;
    number[2] = e->time_ms;
    number[3] = e->flags;

    for (i = 0; i < 4; i++) {
        p = buf + i * NGX_INT64_LEN;

        parts[2 + i].data = p;
        parts[2 + i].len = ngx_sprintf(p, "%uL", number[i]) - p;
    }

    parts[6] = e->control ? control : event;
    parts[7] = e->text;

    return NGX_CONDUCTOR_JOIN_PARTS;
}
