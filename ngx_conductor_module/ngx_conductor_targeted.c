/*
 * Events for a role or a user only: a flag of the record says that it is one,
 * and its first field, which no client gets, for whom.
 */

#include "ngx_conductor_session.h"

#include <cdr_json.h>


static ngx_uint_t ngx_conductor_targeted_role(cdr_str_t roles,
    cdr_str_t role);


/*
 * Takes from a payload whom it is for, in plain text at "text", which has
 * room for NGX_CONDUCTOR_TO_MAX bytes; what is left is for clients.
 * NGX_DECLINED if it does not say.
 */

ngx_int_t
ngx_conductor_targeted(cdr_str_t *payload, u_char *text, cdr_str_t *to)
{
    cdr_str_t                value;
    cdr_event_iter_t         it;
    cdr_event_field_t        field;
    static const cdr_str_t   name = cdr_str("to");

    it.rest = *payload;
    it.ordinal = 0;

    if (cdr_event_next(&it, &field) != CDR_OK
        || !cdr_json_eq(field.key, name) || field.value.len < 2)
    {
        return NGX_DECLINED;
    }

    value = cdr_json_text(field.value);

    if (cdr_json_unescape_size(value) > NGX_CONDUCTOR_TO_MAX) {
        return NGX_DECLINED;
    }

    to->data = text;
    to->len = cdr_json_unescape(text, value);

    *payload = it.rest;

    return NGX_OK;
}


/* Is the session one of those? */

ngx_uint_t
ngx_conductor_targeted_at(ngx_conductor_session_t *s, uint32_t flags,
    cdr_str_t to)
{
    cdr_str_t  has;

    if (s->entry == NGX_CONDUCTOR_NO_ENTRY) {
        return 0;
    }

    if (flags & NGX_CONDUCTOR_TO_USER) {
        has = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);
        return cdr_json_eq(has, to);
    }

    has = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_ROLE);

    return ngx_conductor_targeted_role(has, to);
}


/* Roles are joined by commas. */

static ngx_uint_t
ngx_conductor_targeted_role(cdr_str_t roles, cdr_str_t role)
{
    size_t          len;
    const uint8_t  *p, *end, *comma;

    p = roles.data;
    end = p + roles.len;

    while (p < end) {
        comma = memchr(p, ',', end - p);
        len = (comma ? comma : end) - p;

        if (len == role.len && ngx_memcmp(p, role.data, len) == 0) {
            return 1;
        }

        p += len + 1;
    }

    return 0;
}
