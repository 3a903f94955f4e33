/* What programs that are no servers of the hub publish in Redis. */

#include "ngx_conductor_join_foreign.h"
#include "ngx_conductor_presence.h"


static void ngx_conductor_foreign_start(ngx_conductor_join_t *join);
static void ngx_conductor_foreign_up(ngx_conductor_join_t *join);
static void ngx_conductor_foreign_listen(ngx_conductor_join_t *join);
static void ngx_conductor_foreign_doubt(ngx_queue_t *queue);
static void ngx_conductor_foreign_time(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static void ngx_conductor_foreign_subscribe(ngx_conductor_join_t *join);
static void ngx_conductor_foreign_tick(ngx_conductor_join_t *join);
static ngx_int_t ngx_conductor_foreign_message(ngx_conductor_join_t *join,
    ngx_str_t *channel, ngx_str_t *text);
static ngx_int_t ngx_conductor_foreign_channel(ngx_conductor_join_t *join,
    ngx_str_t *channel);
static ngx_uint_t ngx_conductor_foreign_is_ahead(ngx_conductor_join_t *join,
    uint64_t ms, uint64_t n);
static ngx_conductor_heard_t *ngx_conductor_foreign_heard(
    ngx_conductor_join_t *join, ngx_str_t *channel, ngx_str_t *text);
static void ngx_conductor_foreign_arrived(ngx_conductor_foreign_t *f);
static void ngx_conductor_foreign_take(ngx_conductor_heard_t *h);
static void ngx_conductor_foreign_try(ngx_conductor_heard_t *h);
static void ngx_conductor_foreign_told(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static void ngx_conductor_foreign_drop(ngx_conductor_heard_t *h);
static void ngx_conductor_foreign_bad(ngx_conductor_join_t *join,
    ngx_str_t *channel, const char *error);
static void ngx_conductor_foreign_late(ngx_conductor_join_t *join);


ngx_conductor_join_hook_t  ngx_conductor_join_foreign = {
    ngx_conductor_foreign_start,
    ngx_conductor_foreign_up,
    ngx_conductor_foreign_listen,
    NULL,                                   /* down */
    ngx_conductor_foreign_tick,
    NULL,                                   /* stop */
    ngx_conductor_foreign_message,
    NULL                                    /* control */
};


static void
ngx_conductor_foreign_start(ngx_conductor_join_t *join)
{
    ngx_conductor_foreign_t  *f;

    if (!join->conf->foreign) {
        return;
    }

    f = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_conductor_foreign_t));
    if (f == NULL) {
        return;
    }

    ngx_queue_init(&f->ahead);
    ngx_queue_init(&f->told);

    *ngx_conductor_join_data(join, &ngx_conductor_join_foreign) = f;
}


static void
ngx_conductor_foreign_up(ngx_conductor_join_t *join)
{
    ngx_queue_t              *q;
    ngx_conductor_heard_t    *h;
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    if (f == NULL) {
        return;
    }

    if (join->forgotten) {
        ngx_conductor_foreign_doubt(&f->ahead);
        ngx_conductor_foreign_doubt(&f->told);
    }

    /* whether the script was asked is not known: the same call again */

    for (q = ngx_queue_head(&f->told); q != ngx_queue_sentinel(&f->told); ) {
        h = ngx_queue_data(q, ngx_conductor_heard_t, queue);
        q = ngx_queue_next(q);

        if (!h->asked) {
            ngx_conductor_foreign_try(h);
        }
    }
}


/*
 * A session begins.  Since when is asked before it hears anything: what is
 * added in between is not heard here, nor told.
 */

static void
ngx_conductor_foreign_listen(ngx_conductor_join_t *join)
{
    static const ngx_str_t  time = ngx_string("TIME");

    if (*ngx_conductor_join_data(join, &ngx_conductor_join_foreign)) {
        (void) ngx_conductor_join_command(join, ngx_conductor_foreign_time,
                                          NULL, 1, &time);
    }
}


/*
 * Redis has forgotten: what has an id is told again by the server that it is
 * of; of the rest others may have told the old one.
 */

static void
ngx_conductor_foreign_doubt(ngx_queue_t *queue)
{
    ngx_queue_t            *q;
    ngx_conductor_heard_t  *h;

    for (q = ngx_queue_head(queue); q != ngx_queue_sentinel(queue); ) {
        h = ngx_queue_data(q, ngx_conductor_heard_t, queue);
        q = ngx_queue_next(q);

        h->doubtful = 1;

        if (h->ms && !h->asked) {
            ngx_conductor_foreign_drop(h);
        }
    }
}


static void
ngx_conductor_foreign_time(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    ngx_int_t                 sec, usec;
    ngx_conductor_foreign_t  *f;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return;
    }

    sec = ngx_atoi((u_char *) reply->element[0]->str, reply->element[0]->len);
    usec = ngx_atoi((u_char *) reply->element[1]->str,
                    reply->element[1]->len);

    if (sec == NGX_ERROR || usec == NGX_ERROR) {
        return;
    }

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    f->session = ngx_conductor_clock();
    f->since = (uint64_t) sec * 1000 + (uint64_t) usec / 1000;

    ngx_conductor_foreign_subscribe(join);
}


static void
ngx_conductor_foreign_subscribe(ngx_conductor_join_t *join)
{
    u_char         *p;
    unsigned        i;
    cdr_str_t      *name;
    ngx_str_t       channel;
    u_char          text[NGX_CONDUCTOR_JOIN_CHANNEL];
    cdr_policy_t   *policy;

    static const cdr_str_t  presence =
                                     cdr_str(NGX_CONDUCTOR_PRESENCE_CHANNEL);

    policy = join->hub->policy;

    for (i = 0; i < policy->nchannels; i++) {
        name = &policy->channels[i].name;

        if (cdr_json_eq(*name, presence)
            || name->len + join->conf->channels.len > sizeof(text))
        {
            continue;
        }

        p = ngx_cpymem(text, join->conf->channels.data,
                       join->conf->channels.len);
        p = ngx_cpymem(p, name->data, name->len);

        channel.data = text;
        channel.len = p - text;

        if (ngx_conductor_join_subscribe(join, &channel) != NGX_OK) {
            return;
        }
    }
}


static void
ngx_conductor_foreign_tick(ngx_conductor_join_t *join)
{
    ngx_queue_t              *q;
    ngx_conductor_heard_t    *h;
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    if (f == NULL) {
        return;
    }

    for (q = ngx_queue_head(&f->ahead); q != ngx_queue_sentinel(&f->ahead); ) {
        h = ngx_queue_data(q, ngx_conductor_heard_t, queue);
        q = ngx_queue_next(q);

        if (!ngx_conductor_foreign_is_ahead(join, h->ms, h->n)
            || ngx_current_msec - h->heard >= NGX_CONDUCTOR_FOREIGN_AHEAD)
        {
            ngx_conductor_foreign_take(h);
        }
    }

    for (q = ngx_queue_head(&f->told); q != ngx_queue_sentinel(&f->told); ) {
        h = ngx_queue_data(q, ngx_conductor_heard_t, queue);
        q = ngx_queue_next(q);

        if (h->asked) {
            continue;
        }

        if (ngx_current_msec - h->heard >= NGX_CONDUCTOR_FOREIGN_AGE) {
            ngx_conductor_foreign_late(join);
            ngx_conductor_foreign_drop(h);

        } else if (join->up && ngx_conductor_due(h->retry)) {
            ngx_conductor_foreign_try(h);
        }
    }
}


static ngx_int_t
ngx_conductor_foreign_message(ngx_conductor_join_t *join, ngx_str_t *channel,
    ngx_str_t *text)
{
    uint64_t                  ms, n;
    ngx_str_t                 name;
    ngx_conductor_heard_t    *h;
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);
    name = *channel;

    if (f == NULL || ngx_conductor_foreign_channel(join, &name) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_conductor_foreign_arrived(f);

    ms = 0;
    n = 0;

    if (ngx_conductor_foreign_place(text, &ms, &n) == NGX_OK
        && ngx_conductor_foreign_known(join->hub, ms, n))
    {
        return NGX_OK;
    }

    h = ngx_conductor_foreign_heard(join, &name, text);

    if (h == NULL) {
        ngx_conductor_foreign_late(join);
        return NGX_OK;
    }

    h->ms = ms;
    h->n = n;

    ngx_queue_insert_tail(&f->ahead, &h->queue);

    if (!ngx_conductor_foreign_is_ahead(join, ms, n)) {
        ngx_conductor_foreign_take(h);
    }

    return NGX_OK;
}


/* The hub's name of a channel. */

static ngx_int_t
ngx_conductor_foreign_channel(ngx_conductor_join_t *join, ngx_str_t *channel)
{
    cdr_str_t   name;
    ngx_str_t  *prefix;

    prefix = &join->conf->channels;

    if (channel->len < prefix->len
        || ngx_memcmp(channel->data, prefix->data, prefix->len) != 0)
    {
        return NGX_DECLINED;
    }

    channel->data += prefix->len;
    channel->len -= prefix->len;

    name.data = channel->data;
    name.len = channel->len;

    return (cdr_policy_channel(join->hub->policy, name)
            < CDR_POLICY_MAX_CHANNELS)
           ? NGX_OK : NGX_DECLINED;
}


/* Has the reader not come so far?  Only this process moves it. */

static ngx_uint_t
ngx_conductor_foreign_is_ahead(ngx_conductor_join_t *join, uint64_t ms,
    uint64_t n)
{
    ngx_conductor_joining_t  *joining;

    joining = &join->hub->zone->joining;

    return ms > joining->last_ms
           || (ms == joining->last_ms && n > joining->last_n);
}


static ngx_conductor_heard_t *
ngx_conductor_foreign_heard(ngx_conductor_join_t *join, ngx_str_t *channel,
    ngx_str_t *text)
{
    size_t                    size;
    u_char                   *p;
    ngx_conductor_heard_t    *h;
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    size = channel->len + text->len;

    if (f->n == NGX_CONDUCTOR_FOREIGN_MAX
        || size > NGX_CONDUCTOR_FOREIGN_BYTES - f->bytes)
    {
        return NULL;
    }

    h = ngx_alloc(sizeof(ngx_conductor_heard_t) + size, join->log);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_conductor_heard_t));

    h->join = join;
    h->heard = ngx_current_msec;
    h->session = f->session;
    h->since = f->since;

    p = (u_char *) (h + 1);

    h->channel.data = p;
    h->channel.len = channel->len;
    p = ngx_cpymem(p, channel->data, channel->len);

    h->text.data = p;
    h->text.len = text->len;
    ngx_memcpy(p, text->data, text->len);

    f->n++;
    f->bytes += size;

    return h;
}


/* The hub's own come in its order, so those in front are known first. */

static void
ngx_conductor_foreign_arrived(ngx_conductor_foreign_t *f)
{
    ngx_conductor_heard_t  *h;

    while (!ngx_queue_empty(&f->ahead)) {
        h = ngx_queue_data(ngx_queue_head(&f->ahead), ngx_conductor_heard_t,
                           queue);

        if (ngx_conductor_foreign_is_ahead(h->join, h->ms, h->n)) {
            return;
        }

        ngx_conductor_foreign_take(h);
    }
}


static void
ngx_conductor_foreign_take(ngx_conductor_heard_t *h)
{
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(h->join, &ngx_conductor_join_foreign);

    if (h->ms
        && ngx_conductor_foreign_known(h->join->hub, h->ms, h->n))
    {
        ngx_conductor_foreign_drop(h);
        return;
    }

    ngx_queue_remove(&h->queue);
    ngx_queue_insert_tail(&f->told, &h->queue);

    ngx_conductor_foreign_try(h);
}


static void
ngx_conductor_foreign_try(ngx_conductor_heard_t *h)
{
    const char               *error;
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(h->join, &ngx_conductor_join_foreign);

    if (h->serial == 0) {
        h->serial = ++f->serial;
    }

    switch (ngx_conductor_foreign_tell(h, ngx_conductor_foreign_told, &error)) {

    case NGX_OK:
        h->asked = 1;
        return;

    case NGX_DECLINED:
        if (error) {
            ngx_conductor_foreign_bad(h->join, &h->channel, error);
        }

        ngx_conductor_foreign_drop(h);
        return;

    default:
        h->retry = ngx_current_msec + NGX_CONDUCTOR_FOREIGN_RETRY;
    }
}


/* An error says that nothing was done; no answer says nothing. */

static void
ngx_conductor_foreign_told(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    ngx_conductor_heard_t *h = data;

    cdr_str_t  place;

    h->asked = 0;
    h->retry = ngx_current_msec + NGX_CONDUCTOR_FOREIGN_RETRY;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        h->serial = 0;
        return;
    }

    if (reply->type == REDIS_REPLY_STRING) {
        place.data = (u_char *) reply->str;
        place.len = reply->len;

        ngx_conductor_foreign_placed(h, place);
    }

    ngx_conductor_foreign_drop(h);
}


static void
ngx_conductor_foreign_drop(ngx_conductor_heard_t *h)
{
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(h->join, &ngx_conductor_join_foreign);

    ngx_queue_remove(&h->queue);

    f->n--;
    f->bytes -= h->channel.len + h->text.len;

    ngx_free(h);
}


static void
ngx_conductor_foreign_bad(ngx_conductor_join_t *join, ngx_str_t *channel,
    const char *error)
{
    u_char                   *last;
    u_char                    text[4 * CDR_EVENT_MAX_NAME];
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    atomic_fetch_add(&join->hub->zone->joining.rejected, 1);

    if (f->bad) {
        return;
    }

    f->bad = 1;

    last = ngx_conductor_log_text(text, text + sizeof(text), channel->data,
                                  channel->len);

    ngx_log_error(NGX_LOG_ERR, join->log, 0,
                  "hub \"%V\": a message that was published in Redis on "
                  "channel \"%*s\" is no event: %s; more such are counted "
                  "only", &join->hub->name, (size_t) (last - text), text,
                  error);
}


static void
ngx_conductor_foreign_late(ngx_conductor_join_t *join)
{
    ngx_conductor_foreign_t  *f;

    f = *ngx_conductor_join_data(join, &ngx_conductor_join_foreign);

    atomic_fetch_add(&join->hub->zone->joining.rejected, 1);

    if (!f->late) {
        f->late = 1;
        ngx_log_error(NGX_LOG_ERR, join->log, 0,
                      "hub \"%V\": messages that were published in Redis are "
                      "lost: it could not take them in time; more such are "
                      "counted only", &join->hub->name);
    }
}
