/*
 * Keys on messages for back ends: what was done on this connection is not done
 * again, and is answered as the first was.
 *
 * Answers are of any size, so they are kept by the worker that has the
 * connection, some for each.  On another connection a message with the same
 * key is told again, under the id that it had: by that a back end knows.
 */

#include "ngx_conductor_calls.h"


#define NGX_CONDUCTOR_KEYED        32        /* of a connection */
#define NGX_CONDUCTOR_KEYED_BYTES  65536     /* of their answers */


static ngx_conductor_keyed_t *ngx_conductor_keyed_find(
    ngx_conductor_calls_t *calls, cdr_str_t key);
static ngx_conductor_keyed_t *ngx_conductor_keyed_new(
    ngx_conductor_calls_t *calls, cdr_str_t key);
static void ngx_conductor_keyed_tidy(ngx_conductor_calls_t *calls);


ngx_int_t
ngx_conductor_keyed_begin(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_keyed_t   *kept;
    ngx_conductor_calls_t  *calls;

    if (cmd->key.len == 0) {
        return NGX_OK;
    }

    calls = ngx_conductor_calls(s);

    if (calls == NULL) {
        return NGX_OK;
    }

    kept = ngx_conductor_keyed_find(calls, cmd->key);

    if (kept == NULL) {
        calls->keyed = ngx_conductor_keyed_new(calls, cmd->key);
        return NGX_OK;
    }

    if (!kept->done) {
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "the first message with this key is under way");

    } else {
        ngx_conductor_ack(s, cmd, kept->extra.len ? &kept->extra : NULL);
    }

    return NGX_DECLINED;
}


ngx_conductor_keyed_t *
ngx_conductor_keyed_take(ngx_conductor_calls_t *calls)
{
    ngx_conductor_keyed_t  *kept;

    kept = calls->keyed;
    calls->keyed = NULL;

    return kept;
}


void
ngx_conductor_keyed_done(ngx_conductor_calls_t *calls,
    ngx_conductor_keyed_t *kept, ngx_str_t *extra)
{
    if (kept == NULL) {
        return;
    }

    if (extra && extra->len) {
        kept->extra.data = (extra->len <= NGX_CONDUCTOR_KEYED_BYTES)
                           ? ngx_alloc(extra->len, ngx_cycle->log) : NULL;

        if (kept->extra.data == NULL) {
            ngx_conductor_keyed_drop(calls, kept);
            return;
        }

        ngx_memcpy(kept->extra.data, extra->data, extra->len);
        kept->extra.len = extra->len;
        calls->kept_bytes += extra->len;
    }

    kept->done = 1;
    kept->time = ngx_current_msec;

    ngx_conductor_keyed_tidy(calls);
}


void
ngx_conductor_keyed_drop(ngx_conductor_calls_t *calls,
    ngx_conductor_keyed_t *kept)
{
    if (kept == NULL) {
        return;
    }

    ngx_queue_remove(&kept->queue);

    calls->nkept--;
    calls->kept_bytes -= kept->extra.len;

    if (kept->extra.data) {
        ngx_free(kept->extra.data);
    }

    ngx_free(kept);
}


void
ngx_conductor_keyed_end(ngx_conductor_calls_t *calls)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&calls->kept)) {
        q = ngx_queue_head(&calls->kept);

        ngx_conductor_keyed_drop(calls,
                            ngx_queue_data(q, ngx_conductor_keyed_t, queue));
    }
}


/* What is too old goes. */

static ngx_conductor_keyed_t *
ngx_conductor_keyed_find(ngx_conductor_calls_t *calls, cdr_str_t key)
{
    ngx_queue_t           *q, *next;
    ngx_conductor_keyed_t  *kept;

    for (q = ngx_queue_head(&calls->kept);
         q != ngx_queue_sentinel(&calls->kept);
         q = next)
    {
        next = ngx_queue_next(q);
        kept = ngx_queue_data(q, ngx_conductor_keyed_t, queue);

        if (kept->done && ngx_current_msec - kept->time > CDR_IDEM_KEEP_MS) {
            ngx_conductor_keyed_drop(calls, kept);
            continue;
        }

        if (kept->len == key.len
            && ngx_memcmp(kept->key, key.data, key.len) == 0)
        {
            return kept;
        }
    }

    return NULL;
}


static ngx_conductor_keyed_t *
ngx_conductor_keyed_new(ngx_conductor_calls_t *calls, cdr_str_t key)
{
    ngx_conductor_keyed_t  *kept;

    kept = ngx_calloc(sizeof(ngx_conductor_keyed_t) + key.len, ngx_cycle->log);

    if (kept == NULL) {
        return NULL;
    }

    kept->len = key.len;
    ngx_memcpy(kept->key, key.data, key.len);

    ngx_queue_insert_tail(&calls->kept, &kept->queue);
    calls->nkept++;

    return kept;
}


/* The oldest make way; what is under way never does. */

static void
ngx_conductor_keyed_tidy(ngx_conductor_calls_t *calls)
{
    ngx_queue_t           *q, *next;
    ngx_conductor_keyed_t  *kept;

    for (q = ngx_queue_head(&calls->kept);
         q != ngx_queue_sentinel(&calls->kept)
         && (calls->nkept > NGX_CONDUCTOR_KEYED
             || calls->kept_bytes > NGX_CONDUCTOR_KEYED_BYTES);
         q = next)
    {
        next = ngx_queue_next(q);
        kept = ngx_queue_data(q, ngx_conductor_keyed_t, queue);

        if (kept->done) {
            ngx_conductor_keyed_drop(calls, kept);
        }
    }
}
