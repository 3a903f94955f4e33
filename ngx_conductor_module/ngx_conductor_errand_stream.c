/* Errands of a stream in Redis: the keeper appends them to it. */

#include "ngx_conductor_errand_keep.h"

#include <hiredis/hiredis.h>


#define NGX_CONDUCTOR_STREAM_BATCH  64
#define NGX_CONDUCTOR_STREAM_BYTES  (256 * 1024)


/* What is asked: the stream and its length, then a kind and an object each. */

typedef struct {
    ngx_pool_t                   *pool;
    ngx_array_t                   argv;       /* ngx_str_t */
    ngx_uint_t                    n;
    size_t                        bytes;
} ngx_conductor_appending_t;


static void ngx_conductor_stream_gather(ngx_conductor_errands_of_t *of,
    ngx_conductor_appending_t *a);
static ngx_int_t ngx_conductor_stream_add(ngx_conductor_errands_of_t *of,
    ngx_conductor_appending_t *a, ngx_conductor_errand_t *errand);
static ngx_int_t ngx_conductor_stream_put(ngx_conductor_appending_t *a,
    const u_char *data, size_t len);
static void ngx_conductor_stream_reply(ngx_conductor_join_t *join,
    redisReply *reply, void *data);


/* As far as it gets: how many of them are in the stream. */

static ngx_conductor_script_t  ngx_conductor_stream_script = {
    "for i = 2, #ARGV, 2 do\n"
    "  local r = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',\n"
    "                        'kind', ARGV[i], 'data', ARGV[i + 1])\n"
    "  if r.err then\n"
    "    if i == 2 then return r end\n"
    "    return i / 2 - 1\n"
    "  end\n"
    "end\n"
    "return (#ARGV - 1) / 2\n",
    ""
};


void
ngx_conductor_errand_stream(ngx_conductor_errands_of_t *of)
{
    ngx_conductor_join_t       *join;
    ngx_conductor_appending_t   a;

    join = of->runner->join;

    if (join == NULL || !join->up || of->calling
        || ngx_queue_empty(&of->errands)
        || !ngx_conductor_errand_due(of))
    {
        return;
    }

    a.n = 0;
    a.bytes = 0;
    a.pool = ngx_create_pool(4096, ngx_cycle->log);

    if (a.pool == NULL) {
        return;
    }

    ngx_conductor_stream_gather(of, &a);

    of->calling = 1;

    if (a.n == 0
        || ngx_conductor_join_script(join, &ngx_conductor_stream_script,
                                     ngx_conductor_stream_reply, of, 1,
                                     a.argv.nelts, a.argv.elts)
           != NGX_OK)
    {
        ngx_conductor_stream_reply(join, NULL, of);
    }

    ngx_destroy_pool(a.pool);
}


static void
ngx_conductor_stream_gather(ngx_conductor_errands_of_t *of,
    ngx_conductor_appending_t *a)
{
    ngx_queue_t             *q;
    ngx_conductor_errand_t  *errand;

    if (ngx_array_init(&a->argv, a->pool, 2 * NGX_CONDUCTOR_STREAM_BATCH + 2,
                       sizeof(ngx_str_t))
        != NGX_OK
        || ngx_conductor_stream_put(a, of->target->key.data,
                                    of->target->key.len)
           != NGX_OK
        || ngx_conductor_stream_put(a, of->target->max.data,
                                    of->target->max.len)
           != NGX_OK)
    {
        return;
    }

    for (q = ngx_queue_head(&of->errands);
         q != ngx_queue_sentinel(&of->errands)
         && a->n < NGX_CONDUCTOR_STREAM_BATCH
         && a->bytes < NGX_CONDUCTOR_STREAM_BYTES;
         q = ngx_queue_next(q))
    {
        errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

        if (ngx_conductor_stream_add(of, a, errand) != NGX_OK) {
            break;
        }

        a->n++;
    }
}


static ngx_int_t
ngx_conductor_stream_add(ngx_conductor_errands_of_t *of,
    ngx_conductor_appending_t *a, ngx_conductor_errand_t *errand)
{
    uint32_t              flags;
    cdr_str_t             type, text, kind;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_iter_t     it;
    cdr_outbox_cursor_t   cur;

    cur.at = errand->at;
    cur.number = 0;

    if (cdr_outbox_seek(&of->runner->hub->errand_box, &cur, errand->n, &rec)
        != CDR_OK)
    {
        return NGX_DECLINED;
    }

    cdr_outbox_items(rec, &it);

    if (cdr_outbox_item(&it, &flags, &type, &text) != CDR_OK) {
        return NGX_DECLINED;
    }

    kind = cdr_call_kind((cdr_call_kind_e) (flags % CDR_CALL_N));

    if (ngx_conductor_stream_put(a, kind.data, kind.len) != NGX_OK
        || ngx_conductor_stream_put(a, text.data, text.len) != NGX_OK)
    {
        a->argv.nelts = 2 + 2 * a->n;
        return NGX_ERROR;
    }

    errand->lent = 1;
    a->bytes += text.len;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_stream_put(ngx_conductor_appending_t *a, const u_char *data,
    size_t len)
{
    ngx_str_t  *arg;

    arg = ngx_array_push(&a->argv);

    if (arg == NULL) {
        return NGX_ERROR;
    }

    arg->len = len;
    arg->data = (u_char *) data;

    return NGX_OK;
}


/* Without an answer nobody knows: they are appended again. */

static void
ngx_conductor_stream_reply(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    ngx_conductor_errands_of_t *of = data;

    long long                done;
    ngx_queue_t             *q, *next;
    ngx_conductor_errand_t  *errand;

    of->calling = 0;
    done = (reply && reply->type == REDIS_REPLY_INTEGER) ? reply->integer : 0;

    for (q = ngx_queue_head(&of->errands);
         q != ngx_queue_sentinel(&of->errands);
         q = next)
    {
        next = ngx_queue_next(q);
        errand = ngx_queue_data(q, ngx_conductor_errand_t, queue);

        if (errand->lent == 0) {
            break;
        }

        errand->lent = 0;

        if (done-- > 0) {
            ngx_conductor_errand_done(of, errand);
        }
    }

    if (reply && reply->type != REDIS_REPLY_INTEGER
        && !ngx_queue_empty(&of->errands))
    {
        errand = ngx_queue_data(ngx_queue_head(&of->errands),
                                ngx_conductor_errand_t, queue);

        ngx_conductor_errand_failed(of, errand,
                                    reply->type == REDIS_REPLY_ERROR
                                    ? reply->str : "a strange answer");
    }
}
