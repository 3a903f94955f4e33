/*
 * Records whose key was used before, but whose answer was lost: Redis passed
 * over them, so they do not come back.  When all has been read that could have
 * brought them, it is asked what their keys stand for.
 */

#include "ngx_conductor_join_own.h"
#include "ngx_conductor_offer.h"


static void ngx_conductor_join_key_ask(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec);
static void ngx_conductor_join_key_answer(ngx_conductor_join_t *join,
    redisReply *reply, void *data);


void
ngx_conductor_join_keys(ngx_conductor_join_own_t *own)
{
    uint32_t              marks;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    if (own->upto_key == 0
        || cdr_log_cmp(&own->read, &own->greeted_tail) < 0)
    {
        return;
    }

    hub = own->join.hub;

    ngx_conductor_zone_lock(hub);

    cdr_outbox_first(&hub->outbox, &cur);

    while (cdr_outbox_next(&hub->outbox, &cur, &rec) == CDR_OK
           && rec->n + rec->count - 1 <= own->upto_key)
    {
        marks = atomic_load(&rec->marks);

        if (rec->keyed
            && !(marks & (CDR_OUTBOX_PLACED|CDR_OUTBOX_RETURNED
                          |CDR_OUTBOX_REPEATED|CDR_OUTBOX_CANCELLED)))
        {
            ngx_conductor_join_key_ask(own, rec);
        }
    }

    ngx_conductor_zone_unlock(hub);

    own->upto_key = 0;
}


static void
ngx_conductor_join_key_ask(ngx_conductor_join_own_t *own,
    cdr_outbox_rec_t *rec)
{
    u_char     *p;
    uint64_t   *n;
    ngx_str_t   argv[2];
    u_char      key[256 + CDR_STREAM_HASH_LEN];

    n = ngx_alloc(sizeof(uint64_t), own->join.log);

    if (n == NULL) {
        return;
    }

    *n = rec->n;

    p = ngx_slprintf(key, key + 256, "%Vkey:", &own->join.conf->base);
    cdr_stream_hash_print(p, &rec->key);

    ngx_str_set(&argv[0], "GET");
    argv[1].data = key;
    argv[1].len = p + CDR_STREAM_HASH_LEN - key;

    if (ngx_conductor_join_command(&own->join, ngx_conductor_join_key_answer,
                                   n, 2, argv)
        != NGX_OK)
    {
        ngx_free(n);
    }
}


static void
ngx_conductor_join_key_answer(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    uint64_t *n = data;

    cdr_outbox_rec_t  *rec;

    if (reply && reply->type == REDIS_REPLY_STRING) {

        ngx_conductor_zone_lock(join->hub);

        if (cdr_outbox_find(&join->hub->outbox, *n, &rec) == CDR_OK
            && rec->keyed
            && !(atomic_load(&rec->marks)
                 & (CDR_OUTBOX_PLACED|CDR_OUTBOX_RETURNED
                    |CDR_OUTBOX_REPEATED)))
        {
            ngx_conductor_join_repeated(ngx_conductor_join_own(join), rec,
                                        reply);
        }

        ngx_conductor_zone_unlock(join->hub);
    }

    ngx_free(n);
}
