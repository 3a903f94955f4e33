/* What comes from Redis, before it is taken: how much, and of what form. */

#include "ngx_conductor_link.h"


#define NGX_CONDUCTOR_READER_LINE   65536   /* bytes of a line */
#define NGX_CONDUCTOR_READER_COUNT  24      /* of how long a text is */
#define NGX_CONDUCTOR_READER_DEPTH  8       /* lists in lists */
#define NGX_CONDUCTOR_READER_STEP   16384   /* bytes that are a sign of life */


static ngx_int_t ngx_conductor_reader_take(const redisReadTask *task,
    size_t size, size_t elements);
static const char *ngx_conductor_reader_form(ngx_conductor_reader_t *r,
    const redisReadTask *task, size_t elements);
static const char *ngx_conductor_reader_text(ngx_conductor_reader_t *r,
    char *text, size_t len);
static void ngx_conductor_reader_plain(char *text, size_t len);
static void *ngx_conductor_reader_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_conductor_reader_array(const redisReadTask *task,
    size_t elements);
static void *ngx_conductor_reader_integer(const redisReadTask *task,
    long long value);
static void *ngx_conductor_reader_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_conductor_reader_nil(const redisReadTask *task);
static void *ngx_conductor_reader_bool(const redisReadTask *task, int value);


static const char  ngx_conductor_reader_large[] =
                                        "Redis gives an answer over 64 MB";
static const char  ngx_conductor_reader_sense[] =
                                        "what it says is not what Redis says";


void
ngx_conductor_reader_init(ngx_conductor_reader_t *r, redisAsyncContext *ac)
{
    ngx_memzero(r, sizeof(ngx_conductor_reader_t));

    r->ac = ac;
    r->heard = ngx_current_msec;
    r->came = ngx_current_msec;

    r->given = ac->c.reader->fn;
    r->own = *r->given;

    r->own.createString = ngx_conductor_reader_string;
    r->own.createArray = ngx_conductor_reader_array;
    r->own.createInteger = ngx_conductor_reader_integer;
    r->own.createDouble = ngx_conductor_reader_double;
    r->own.createNil = ngx_conductor_reader_nil;
    r->own.createBool = ngx_conductor_reader_bool;

    ac->c.reader->fn = &r->own;
    ac->c.reader->privdata = r;
}


/*
 * What counts is an answer in full; or that one which is large has grown: not
 * that a byte has come.
 */

ngx_int_t
ngx_conductor_reader_look(ngx_conductor_reader_t *r)
{
    size_t        held, left;
    uint64_t      whole;
    redisReader  *reader;

    reader = r->ac->c.reader;

    left = reader->len - reader->pos;
    held = left + (reader->ridx > 0 ? r->size : 0);
    whole = r->begun - (reader->ridx > 0);

    if (whole != r->whole) {
        r->whole = whole;
        r->seen = held;
        r->heard = r->came;

    } else if (held >= r->seen + NGX_CONDUCTOR_READER_STEP) {
        r->seen = held;
        r->heard = r->came;
    }

    if (r->refused == NULL && left && reader->ridx >= 0) {

        if (reader->task[reader->ridx]->type == REDIS_REPLY_STRING) {
            r->refused = ngx_conductor_reader_text(r, reader->buf
                                                      + reader->pos, left);

        } else if (left > NGX_CONDUCTOR_READER_LINE) {
            r->refused = ngx_conductor_reader_sense;
        }
    }

    return r->refused ? NGX_ERROR : NGX_OK;
}


ngx_uint_t
ngx_conductor_reader_is_large(ngx_conductor_reader_t *r)
{
    return r->refused == ngx_conductor_reader_large;
}


/* A text that is not there in full: "5\r\nhel". */

static const char *
ngx_conductor_reader_text(ngx_conductor_reader_t *r, char *text, size_t len)
{
    u_char   *p, *end;
    ssize_t   n;

    p = (u_char *) text;
    end = ngx_strlchr(p, p + ngx_min(len, NGX_CONDUCTOR_READER_COUNT), '\r');

    if (end == NULL) {
        return (len < NGX_CONDUCTOR_READER_COUNT)
               ? NULL : ngx_conductor_reader_sense;
    }

    n = ngx_atosz(p, end - p);

    return (n == NGX_ERROR || (size_t) n > NGX_CONDUCTOR_REDIS_ANSWER
            || (r->ac->c.reader->ridx > 0
                && r->size + n > NGX_CONDUCTOR_REDIS_ANSWER))
           ? ngx_conductor_reader_large : NULL;
}


/* May this be a part of it? */

static ngx_int_t
ngx_conductor_reader_take(const redisReadTask *task, size_t size,
    size_t elements)
{
    ngx_conductor_reader_t  *r;

    r = task->privdata;

    if (task->parent == NULL) {
        r->size = 0;
        r->begun++;
    }

    r->refused = ngx_conductor_reader_form(r, task, elements);

    if (r->refused == NULL) {
        r->size += sizeof(redisReply) + size;

        if (r->size > NGX_CONDUCTOR_REDIS_ANSWER
            || elements > (NGX_CONDUCTOR_REDIS_ANSWER - r->size)
                          / sizeof(redisReply *))
        {
            r->refused = ngx_conductor_reader_large;
        }

        r->size += elements * sizeof(redisReply *);
    }

    return r->refused ? NGX_ERROR : NGX_OK;
}


/* hiredis does not look whether somebody has asked, and what a message is. */

static const char *
ngx_conductor_reader_form(ngx_conductor_reader_t *r,
    const redisReadTask *task, size_t elements)
{
    ngx_uint_t     subscribed;
    redisContext  *c;

    c = &r->ac->c;
    subscribed = ((c->flags & REDIS_SUBSCRIBED) != 0);

    if (task->type > REDIS_REPLY_ERROR
        || c->reader->ridx >= NGX_CONDUCTOR_READER_DEPTH)
    {
        return ngx_conductor_reader_sense;
    }

    if (task->parent == NULL) {
        return (subscribed || r->ac->replies.head
                || task->type == REDIS_REPLY_ERROR)
               ? NULL : ngx_conductor_reader_sense;
    }

    return (subscribed && task->parent->parent == NULL && task->idx == 0
            && task->type != REDIS_REPLY_STRING)
           ? ngx_conductor_reader_sense : NULL;
}


/*
 * That channels were subscribed to, or not any more, hiredis believes without
 * looking which.  Nobody needs to know: only messages stay what they are.
 */

static void *
ngx_conductor_reader_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_conductor_reader_t  *r;

    r = task->privdata;

    if (ngx_conductor_reader_take(task, len, 0) != NGX_OK) {
        return NULL;
    }

    if (task->type == REDIS_REPLY_ERROR) {
        ngx_conductor_reader_plain(str, len);
    }

    if ((r->ac->c.flags & REDIS_SUBSCRIBED) && task->parent
        && task->parent->parent == NULL && task->idx == 0
        && (len != 7 || ngx_memcmp(str, "message", 7) != 0))
    {
        return r->given->createString(task, "-", 1);
    }

    return r->given->createString(task, str, len);
}


/* Errors are for the log, and for people. */

static void
ngx_conductor_reader_plain(char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            text[i] = '?';
        }
    }
}


static void *
ngx_conductor_reader_array(const redisReadTask *task, size_t elements)
{
    ngx_conductor_reader_t *r = task->privdata;

    return (ngx_conductor_reader_take(task, 0, elements) == NGX_OK)
           ? r->given->createArray(task, elements) : NULL;
}


static void *
ngx_conductor_reader_integer(const redisReadTask *task, long long value)
{
    ngx_conductor_reader_t *r = task->privdata;

    return (ngx_conductor_reader_take(task, 0, 0) == NGX_OK)
           ? r->given->createInteger(task, value) : NULL;
}


static void *
ngx_conductor_reader_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    ngx_conductor_reader_t *r = task->privdata;

    return (ngx_conductor_reader_take(task, len, 0) == NGX_OK)
           ? r->given->createDouble(task, value, str, len) : NULL;
}


static void *
ngx_conductor_reader_nil(const redisReadTask *task)
{
    ngx_conductor_reader_t *r = task->privdata;

    return (ngx_conductor_reader_take(task, 0, 0) == NGX_OK)
           ? r->given->createNil(task) : NULL;
}


static void *
ngx_conductor_reader_bool(const redisReadTask *task, int value)
{
    ngx_conductor_reader_t *r = task->privdata;

    return (ngx_conductor_reader_take(task, 0, 0) == NGX_OK)
           ? r->given->createBool(task, value) : NULL;
}
