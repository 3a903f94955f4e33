/*
 * Which events a client wants: the channels it has subscribed, and what it
 * filters of each.
 *
 * A subscription is kept by the group that the client is in, so a client that
 * filters nothing has no memory of its own for it.
 */

#include "ngx_conductor_replay.h"

#include <cdr_filter.h>


#define NGX_CONDUCTOR_FILTER_HEAD  (1 + sizeof(uint32_t))


static ngx_int_t ngx_conductor_subscribe_channel(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t *channel);
static ngx_int_t ngx_conductor_subscribe_filter(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_filter_t *filter);
static void ngx_conductor_subscribe_set(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t channel, uint64_t channels,
    cdr_str_t *filter);
static ngx_int_t ngx_conductor_resubscribed(ngx_conductor_group_t *g,
    unsigned *to, ngx_uint_t n, uint64_t *channels,
    ngx_conductor_filters_t **filters);
static u_char *ngx_conductor_filter_put(u_char *p, ngx_uint_t channel,
    cdr_str_t *filter);
static u_char *ngx_conductor_filter_next(u_char *p, ngx_uint_t *channel,
    cdr_str_t *filter);


/* One filter is read at a time; about 2 KB. */

static cdr_filter_t  ngx_conductor_filter_read;


void
ngx_conductor_command_subscribe(ngx_conductor_session_t *s,
    cdr_command_t *cmd)
{
    cdr_str_t       filter;
    ngx_uint_t      channel;
    cdr_filter_t   *compiled;

    if (ngx_conductor_subscribe_channel(s, cmd, &channel) != NGX_OK) {
        return;
    }

    if (!(s->group->view->sees.channels >> channel & 1)) {
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "this channel is not for your role");
        return;
    }

    compiled = &ngx_conductor_filter_read;

    if (ngx_conductor_subscribe_filter(s, cmd, compiled) != NGX_OK) {
        return;
    }

    filter.data = compiled->data;
    filter.len = compiled->len;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor subscribe: channel %ui, filter of %uz bytes",
                   channel, filter.len);

    ngx_conductor_subscribe_set(s, cmd, channel,
                                s->group->channels | (uint64_t) 1 << channel,
                                &filter);
}


void
ngx_conductor_command_unsubscribe(ngx_conductor_session_t *s,
    cdr_command_t *cmd)
{
    ngx_uint_t        channel;
    static cdr_str_t  none = cdr_str_null;

    if (ngx_conductor_subscribe_channel(s, cmd, &channel) != NGX_OK) {
        return;
    }

    ngx_conductor_subscribe_set(s, cmd, channel,
                              s->group->channels & ~((uint64_t) 1 << channel),
                              &none);
}


/* The channel that a command names, with an answer if there is none. */

static ngx_int_t
ngx_conductor_subscribe_channel(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t *channel)
{
    cdr_str_t               value;
    u_char                  buf[CDR_COMMAND_TEXT_LEN];
    static const cdr_str_t  name = cdr_str("channel");

    if (s->group == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there are no channels here");
        return NGX_DECLINED;
    }

    switch (cdr_command_string(cmd, name, buf, sizeof(buf), &value)) {

    case CDR_OK:
        break;

    case CDR_TOOBIG:
        ngx_conductor_error(s, cmd, CDR_ERR_UNKNOWN_CHANNEL,
                            "there is no such channel");
        return NGX_DECLINED;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            "\"channel\" must be a string");
        return NGX_DECLINED;
    }

    *channel = cdr_policy_channel(s->hub->policy, value);

    if (*channel == CDR_POLICY_MAX_CHANNELS) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNKNOWN_CHANNEL,
                            "there is no such channel");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_subscribe_filter(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_filter_t *filter)
{
    const char               *error;
    const cdr_json_member_t  *m;
    static const cdr_str_t    name = cdr_str("filter");

    filter->len = 0;

    m = cdr_command_member(cmd, name);

    if (m == NULL || m->type == CDR_JSON_NULL) {
        return NGX_OK;
    }

    if (cdr_filter_compile(filter, m->value, &error) != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE, error);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_conductor_subscribe_set(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t channel, uint64_t channels, cdr_str_t *filter)
{
    ngx_conductor_filters_t  *filters;

    if (ngx_conductor_filters_set(s->group->filters, channel, filter,
                                  &filters)
        != NGX_OK)
    {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    if (ngx_conductor_group_move(s, channels, filters) != NGX_OK) {
        ngx_free(filters);
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
        return;
    }

    ngx_free(filters);

    ngx_conductor_ack_channel(s, cmd, &s->hub->policy->channels[channel].name);
}


/* The filters with that of one channel replaced, or taken out if empty. */

ngx_int_t
ngx_conductor_filters_set(ngx_conductor_filters_t *old, ngx_uint_t channel,
    cdr_str_t *filter, ngx_conductor_filters_t **set)
{
    u_char                   *p, *from, *last;
    cdr_str_t                 other;
    ngx_uint_t                n, done;
    ngx_conductor_filters_t  *filters;

    *set = NULL;

    filters = ngx_alloc(sizeof(ngx_conductor_filters_t)
                        + (old ? old->len : 0)
                        + NGX_CONDUCTOR_FILTER_HEAD + filter->len,
                        ngx_cycle->log);
    if (filters == NULL) {
        return NGX_ERROR;
    }

    p = filters->data;
    done = (filter->len == 0);

    from = old ? old->data : NULL;
    last = old ? old->data + old->len : NULL;

    while (from < last) {
        from = ngx_conductor_filter_next(from, &n, &other);

        if (!done && n >= channel) {
            p = ngx_conductor_filter_put(p, channel, filter);
            done = 1;
        }

        if (n != channel) {
            p = ngx_conductor_filter_put(p, n, &other);
        }
    }

    if (!done) {
        p = ngx_conductor_filter_put(p, channel, filter);
    }

    filters->len = p - filters->data;

    if (filters->len == 0) {
        ngx_free(filters);
        return NGX_OK;
    }

    *set = filters;

    return NGX_OK;
}


/* The filter of a channel: NGX_OK, or NGX_DECLINED if it has none. */

ngx_int_t
ngx_conductor_filter(ngx_conductor_filters_t *filters, ngx_uint_t channel,
    cdr_str_t *filter)
{
    u_char      *p, *last;
    ngx_uint_t   n;

    p = filters->data;
    last = p + filters->len;

    while (p < last) {
        p = ngx_conductor_filter_next(p, &n, filter);

        if (n == channel) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/*
 * The rules have changed: "to" tells for each of the "n" channels before what
 * it is now.  What does not exist any more is subscribed no longer.
 */

void
ngx_conductor_resubscribe(ngx_conductor_session_t *s, unsigned *to,
    ngx_uint_t n)
{
    uint64_t                  channels;
    ngx_conductor_group_t    *old;
    ngx_conductor_filters_t  *filters;

    if (ngx_conductor_resubscribed(s->group, to, n, &channels, &filters)
        != NGX_OK
        || ngx_conductor_group_move(s, channels, filters) != NGX_OK)
    {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }

    ngx_free(filters);

    if (s->replay == NULL || s->replay->old == NULL) {
        return;
    }

    old = s->replay->old;
    s->replay->old = NULL;

    if (ngx_conductor_resubscribed(old, to, n, &channels, &filters) == NGX_OK)
    {
        s->replay->old = ngx_conductor_group_hold(s, channels, filters,
                                                  NULL);
    }

    ngx_free(filters);
    ngx_conductor_group_release(s->hub, old);

    if (s->replay->old == NULL) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }
}


static ngx_int_t
ngx_conductor_resubscribed(ngx_conductor_group_t *g, unsigned *to,
    ngx_uint_t n, uint64_t *channels, ngx_conductor_filters_t **filters)
{
    u_char                   *p, *last;
    cdr_str_t                 filter;
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_conductor_filters_t  *more;

    *channels = 0;
    *filters = NULL;

    for (i = 0; i < n; i++) {
        if ((g->channels >> i & 1) && to[i] < CDR_POLICY_MAX_CHANNELS) {
            *channels |= (uint64_t) 1 << to[i];
        }
    }

    p = g->filters ? g->filters->data : NULL;
    last = g->filters ? g->filters->data + g->filters->len : NULL;

    while (p < last) {
        p = ngx_conductor_filter_next(p, &i, &filter);

        if (to[i] == CDR_POLICY_MAX_CHANNELS) {
            continue;
        }

        rc = ngx_conductor_filters_set(*filters, to[i], &filter, &more);

        ngx_free(*filters);
        *filters = more;

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_conductor_filter_put(u_char *p, ngx_uint_t channel, cdr_str_t *filter)
{
    uint32_t  len;

    len = (uint32_t) filter->len;

    *p++ = (u_char) channel;
    p = ngx_cpymem(p, &len, sizeof(uint32_t));

    return ngx_cpymem(p, filter->data, filter->len);
}


static u_char *
ngx_conductor_filter_next(u_char *p, ngx_uint_t *channel, cdr_str_t *filter)
{
    uint32_t  len;

    *channel = *p++;
    ngx_memcpy(&len, p, sizeof(uint32_t));

    filter->data = p + sizeof(uint32_t);
    filter->len = len;

    return p + sizeof(uint32_t) + len;
}
