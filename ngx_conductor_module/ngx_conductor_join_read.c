/* From Redis to the log: the stream is read, and nothing else. */

#include "ngx_conductor_join_own.h"


static void ngx_conductor_join_came(redisAsyncContext *ac, void *r,
    void *privdata);
static void ngx_conductor_join_read_failed(ngx_conductor_join_own_t *own,
    redisReply *reply);
static ngx_int_t ngx_conductor_join_read_reply(ngx_conductor_join_own_t *own,
    redisReply *reply);
static void ngx_conductor_join_read_again(ngx_conductor_join_own_t *own);


void
ngx_conductor_join_read(ngx_conductor_join_own_t *own)
{
    u_char        *p;
    size_t         len[8];
    const char    *argv[8];
    ngx_uint_t     i;
    u_char         block[NGX_INT_T_LEN], count[NGX_INT_T_LEN], key[256],
                   place[CDR_STREAM_PLACE_LEN];

    if (own->skip) {
        if (ngx_conductor_join_skip(own) == NGX_OK) {
            goto asked;
        }

        own->read_at = ngx_current_msec + NGX_CONDUCTOR_JOIN_RETRY;
        return;
    }

    argv[0] = "XREAD";
    argv[1] = "BLOCK";
    argv[2] = (char *) block;
    argv[3] = "COUNT";
    argv[4] = (char *) count;
    argv[5] = "STREAMS";
    argv[6] = (char *) key;
    argv[7] = (char *) place;

    (void) ngx_sprintf(block, "%d%Z", NGX_CONDUCTOR_JOIN_BLOCK);
    (void) ngx_sprintf(count, "%ui%Z", own->count);

    for (i = 0; i < 6; i++) {
        len[i] = ngx_strlen(argv[i]);
    }

    p = ngx_slprintf(key, key + sizeof(key), "%Vlog", &own->join.conf->base);

    len[6] = p - key;
    len[7] = cdr_stream_place_print(place, own->read.ms, own->read.n);

    if (redisAsyncCommandArgv(own->join.link->reader, ngx_conductor_join_came,
                              own, 8, argv, len)
        != REDIS_OK)
    {
        own->read_at = ngx_current_msec + NGX_CONDUCTOR_JOIN_RETRY;
        return;
    }

asked:

    own->reading = 1;
    own->asked = ngx_current_msec;
}


/* Has all been read that was there when Redis answered last? */

ngx_uint_t
ngx_conductor_join_caught(ngx_conductor_join_own_t *own)
{
    return cdr_log_cmp(&own->read, &own->tail) >= 0;
}


static void
ngx_conductor_join_came(redisAsyncContext *ac, void *r, void *privdata)
{
    redisReply *reply = r;
    ngx_conductor_join_own_t *own = privdata;

    if (reply == NULL || !own->linked) {
        return;
    }

    own->reading = 0;

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_conductor_join_read_failed(own, reply);
        return;
    }

    atomic_store(&own->join.hub->zone->joining.read_ms, ngx_conductor_now());

    if (reply->type != REDIS_REPLY_NIL
        && ngx_conductor_join_read_reply(own, reply) != NGX_OK)
    {
        own->read_at = ngx_current_msec + NGX_CONDUCTOR_JOIN_SOON;
        return;
    }

    ngx_conductor_join_read_again(own);
    ngx_conductor_join_turn(own);

    if (own->linked && own->greeted && !own->reading) {
        ngx_conductor_join_read(own);
    }
}


static void
ngx_conductor_join_read_failed(ngx_conductor_join_own_t *own,
    redisReply *reply)
{
    u_char  text[NGX_CONDUCTOR_KEEPER_TEXT];

    own->read_at = ngx_current_msec + NGX_CONDUCTOR_JOIN_RETRY;

    (void) ngx_conductor_join_refused(own, reply, text);

    /* a stream that was deleted is one that has nothing */

    if (own->linked
        && ngx_strncmp(text, "UNBLOCKED", sizeof("UNBLOCKED") - 1) != 0)
    {
        ngx_conductor_join_alone(own, (char *) text);
    }
}


/* [ [ key, [ [ id, [ name, value ... ] ] ... ] ] ], or so RESP2 has it. */

static ngx_int_t
ngx_conductor_join_read_reply(ngx_conductor_join_own_t *own,
    redisReply *reply)
{
    redisReply  *list;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1
        || reply->element[0]->type != REDIS_REPLY_ARRAY
        || reply->element[0]->elements != 2
        || reply->element[0]->element[1]->type != REDIS_REPLY_ARRAY)
    {
        ngx_conductor_link_fail(own->join.link,
                                "Redis gives answers that make no sense");
        return NGX_ERROR;
    }

    list = reply->element[0]->element[1];

    ngx_conductor_join_fit(own, list->element, list->elements);

    return ngx_conductor_join_entries(own, list->element, list->elements);
}


/* All was read that Redis had when the link came up: it is known from now. */

static void
ngx_conductor_join_read_again(ngx_conductor_join_own_t *own)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    if (!own->again_due || cdr_log_cmp(&own->read, &own->target) < 0) {
        return;
    }

    own->again_due = 0;

    ngx_conductor_zone_lock(hub);

    (void) ngx_cpystrn(joining->run_id, own->join.link->run_id,
                       sizeof(joining->run_id));
    (void) ngx_cpystrn(joining->stream, own->stream,
                       sizeof(joining->stream));

    ngx_conductor_zone_unlock(hub);
}
