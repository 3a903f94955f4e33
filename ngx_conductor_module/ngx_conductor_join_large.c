/*
 * Whoever may write to Redis may make entries of any size, and an answer has a
 * limit: so many are asked for at a time as will fit, and one that does not fit
 * alone is passed.
 */

#include "ngx_conductor_join_own.h"


#define NGX_CONDUCTOR_JOIN_FIT  (NGX_CONDUCTOR_REDIS_ANSWER / 8)


static void ngx_conductor_join_skipped(ngx_conductor_join_t *join,
    redisReply *reply, void *data);


/*
 * KEYS   the stream
 * ARGV   a place
 *
 * Returns the place of the entry behind it, or nothing.
 */

static ngx_conductor_script_t  ngx_conductor_join_script_behind = {
    "local e = redis.call('XREAD', 'COUNT', 1, 'STREAMS', KEYS[1], ARGV[1])\n"
    "return e and e[1][2][1][1]\n",
    ""
};


/* By the largest of those that came. */

void
ngx_conductor_join_fit(ngx_conductor_join_own_t *own, redisReply **entries,
    ngx_uint_t n)
{
    size_t       size, largest, k;
    ngx_uint_t   i;
    redisReply  *list;

    largest = 1;

    for (i = 0; i < n; i++) {

        if (entries[i]->type != REDIS_REPLY_ARRAY || entries[i]->elements != 2)
        {
            continue;
        }

        list = entries[i]->element[1];
        size = 0;

        for (k = 0; list->type == REDIS_REPLY_ARRAY && k < list->elements;
             k++)
        {
            size += sizeof(redisReply) + list->element[k]->len;
        }

        largest = ngx_max(largest, size);
    }

    own->count = ngx_min(own->count * 2, NGX_CONDUCTOR_JOIN_COUNT);
    own->count = ngx_min(own->count, NGX_CONDUCTOR_JOIN_FIT / largest);
    own->count = ngx_max(own->count, 1);
}


void
ngx_conductor_join_large(ngx_conductor_join_own_t *own)
{
    if (!own->join.link->large) {
        return;
    }

    own->skip = (own->count == 1);
    own->count = 1;
}


/* NGX_OK: reading goes on when that is answered. */

ngx_int_t
ngx_conductor_join_skip(ngx_conductor_join_own_t *own)
{
    u_char     *p;
    ngx_str_t   argv[2];
    u_char      key[256], place[CDR_STREAM_PLACE_LEN];

    p = ngx_slprintf(key, key + sizeof(key), "%Vlog", &own->join.conf->base);

    argv[0].data = key;
    argv[0].len = p - key;
    argv[1].data = place;
    argv[1].len = cdr_stream_place_print(place, own->read.ms, own->read.n);

    return ngx_conductor_join_script(&own->join,
                                     &ngx_conductor_join_script_behind,
                                     ngx_conductor_join_skipped, NULL, 1, 2,
                                     argv);
}


static void
ngx_conductor_join_skipped(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    cdr_log_pos_t              pos;
    ngx_conductor_join_own_t  *own;

    own = ngx_conductor_join_own(join);

    if (reply == NULL || !own->linked) {
        return;
    }

    own->skip = 0;
    own->reading = 0;

    if (ngx_conductor_join_reply_place(&pos, reply) == NGX_OK) {
        ngx_conductor_join_pass(own, pos.ms, pos.n, "is larger than 64 MB");
    }

    own->read_at = ngx_current_msec;
}
