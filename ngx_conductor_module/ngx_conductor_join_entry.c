/* An entry of the stream: whether it is one that a server may have made. */

#include "ngx_conductor_join_own.h"


static ngx_uint_t ngx_conductor_join_entry_number(
    ngx_conductor_join_own_t *own, cdr_stream_entry_t *e);


const char *
ngx_conductor_join_entry(ngx_conductor_join_own_t *own, redisReply *reply,
    cdr_stream_entry_t *e)
{
    size_t       k, n;
    cdr_str_t    id, fields[2 * CDR_STREAM_FIELDS + 8];
    redisReply  *list;
    const char  *error;

    ngx_memzero(e, sizeof(cdr_stream_entry_t));

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        return "is none";
    }

    id.data = (u_char *) reply->element[0]->str;
    id.len = reply->element[0]->len;

    list = reply->element[1];
    n = 0;

    if (list->type == REDIS_REPLY_ARRAY) {
        n = ngx_min(list->elements, sizeof(fields) / sizeof(fields[0]));
    }

    for (k = 0; k < n; k++) {

        if (list->element[k]->type != REDIS_REPLY_STRING) {
            n = k;
            break;
        }

        fields[k].data = (u_char *) list->element[k]->str;
        fields[k].len = list->element[k]->len;
    }

    if (cdr_stream_entry(e, id, fields, n, &error) != CDR_OK) {
        return error;
    }

    error = ngx_conductor_join_sign_check(own, e);

    return error ? error
           : ngx_conductor_join_entry_number(own, e)
             ? "has a number that nobody can have given it" : NULL;
}


/*
 * A number that is too high would have all later ones dropped.  It begins with
 * the clock of its server, or of Redis for what is of none.
 */

static ngx_uint_t
ngx_conductor_join_entry_number(ngx_conductor_join_own_t *own,
    cdr_stream_entry_t *e)
{
    uint64_t              now;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    if (e->server == hub->zone->joining.server) {
        return e->number > cdr_outbox_n(&hub->outbox);
    }

    now = e->server ? ngx_max(e->ms, ngx_conductor_now()) : e->ms;

    return e->number >> 10 > now + (e->server ? NGX_CONDUCTOR_JOIN_CLOCK
                                              : NGX_CONDUCTOR_JOIN_AGAIN);
}
