/* Where a client wants to go on: with its handshake, or with a command. */

#include "ngx_conductor_replay.h"
#include "ngx_conductor_snapshot.h"

#include <cdr_filter.h>
#include <cdr_subscription.h>


#define NGX_CONDUCTOR_SINCE_MAX  (CDR_EVENT_ID_LEN * 3)     /* escaped */


/* What a client is to have instead of what it has. */

typedef struct {
    ngx_uint_t                    given;
    uint64_t                      channels;
    ngx_conductor_filters_t      *filters;
} ngx_conductor_wanted_t;


static uint32_t ngx_conductor_resume_find(ngx_conductor_hub_t *hub,
    cdr_str_t since, ngx_conductor_place_t *place, ngx_conductor_had_t *had);
static ngx_uint_t ngx_conductor_resume_ours(ngx_conductor_hub_t *hub,
    uint64_t ms);
static ngx_int_t ngx_conductor_resume_since(ngx_conductor_session_t *s,
    cdr_command_t *cmd, u_char *buf, cdr_str_t *since);
static ngx_int_t ngx_conductor_resume_wanted(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_wanted_t *wanted);
static ngx_int_t ngx_conductor_resume_channel(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_subscription_t *sub,
    ngx_conductor_wanted_t *wanted);
static ngx_int_t ngx_conductor_resume_do(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_str_t since, ngx_conductor_wanted_t *wanted);
static ngx_int_t ngx_conductor_resume_again(ngx_conductor_replay_t *r,
    ngx_uint_t other);
static ngx_int_t ngx_conductor_resume_exit(ngx_conductor_session_t *s,
    ngx_conductor_replay_t *r, ngx_conductor_wanted_t *wanted);
static ngx_int_t ngx_conductor_resume_move(ngx_conductor_session_t *s,
    ngx_conductor_wanted_t *wanted);


/* One filter is read at a time; about 2 KB. */

static cdr_filter_t  ngx_conductor_resume_filter;


ngx_int_t
ngx_conductor_resume_handshake(ngx_http_request_t *r,
    ngx_conductor_session_t *s)
{
    u_char                  *src, *dst;
    ngx_str_t                since, hold;
    ngx_conductor_replay_t  *replay;
    u_char                   text[NGX_CONDUCTOR_SINCE_MAX];

    if (s->conf->protocol != NGX_CONDUCTOR_NATIVE || r->args.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_arg(r, (u_char *) "since", 5, &since) != NGX_OK) {
        since.len = 0;
    }

    if (ngx_http_arg(r, (u_char *) "hold", 4, &hold) != NGX_OK
        || hold.len != 1 || hold.data[0] != '1')
    {
        hold.len = 0;
    }

    if (since.len == 0 && hold.len == 0) {
        return NGX_OK;
    }

    replay = ngx_conductor_replay_new(s);
    if (replay == NULL) {
        return NGX_ERROR;
    }

    s->replay = replay;

    replay->holding = (hold.len != 0);
    replay->asked = (since.len != 0);

    if (since.len && since.len <= NGX_CONDUCTOR_SINCE_MAX) {
        src = since.data;
        dst = text;

        ngx_unescape_uri(&dst, &src, since.len, 0);

        if (dst - text <= CDR_EVENT_ID_LEN) {
            replay->id_len = (dst - text) & 0xff;
            ngx_memcpy(replay->id, text, dst - text);
        }
    }

    return NGX_OK;
}


void
ngx_conductor_resume_begin(ngx_conductor_session_t *s)
{
    cdr_str_t                since;
    ngx_conductor_replay_t  *r;

    r = s->replay;

    since.data = r->id;
    since.len = r->id_len;

    ngx_conductor_replay_here(s->hub, &r->place);

    if (r->asked) {
        r->outcome = ngx_conductor_resume_find(s->hub, since, &r->place,
                                               &r->had);
    }

    r->id_len = 0;
    r->deadline = ngx_current_msec + NGX_CONDUCTOR_HOLD;
}


/*
 * The place of an id: CDR_RESUME_RECOVERED, or CDR_RESUME_GAP if more may be
 * missing than what follows it.  Else why there is none.
 */

static uint32_t
ngx_conductor_resume_find(ngx_conductor_hub_t *hub, cdr_str_t since,
    ngx_conductor_place_t *place, ngx_conductor_had_t *had)
{
    cdr_log_pos_t     pos, gap;
    cdr_event_id_t    id;
    cdr_log_found_t   found;
    cdr_log_cursor_t  cursor;

    ngx_memzero(had, sizeof(ngx_conductor_had_t));

    if (cdr_event_id_parse(&id, since.data, since.len) != CDR_OK) {
        return CDR_RESUME_UNKNOWN;
    }

    if (hub->redis) {
        return ngx_conductor_resume_place(hub, &id, place, had);
    }

    /* the order of another server is not known here */

    if (id.norigins) {
        return CDR_RESUME_UNKNOWN;
    }

    pos.ms = id.ms;
    pos.n = id.n;
    pos.local = 0;

    (void) cdr_log_find(&hub->log, &pos, &cursor, &found);

    ngx_conductor_position_gap(hub, &gap);

    if (found == CDR_LOG_UNKNOWN && pos.n == 0
        && cdr_log_cmp(&pos, &gap) <= 0
        && ngx_conductor_resume_ours(hub, pos.ms))
    {
        /* a life began here, after events of the one before */

        found = CDR_LOG_FOUND;
    }

    if (found == CDR_LOG_FOUND) {
        place->cursor = cursor;
        place->pos = pos;
        place->lone = 0;

        return (cdr_log_cmp(&pos, &gap) < 0) ? CDR_RESUME_GAP
                                             : CDR_RESUME_RECOVERED;
    }

    if (ngx_conductor_position_lost(hub, &pos)) {
        return CDR_RESUME_UPGRADE;
    }

    if (found == CDR_LOG_EXPIRED && ngx_conductor_resume_ours(hub, pos.ms)) {
        return CDR_RESUME_EXPIRED;
    }

    return CDR_RESUME_UNKNOWN;
}


/* Did this server give such positions, in this life or an earlier one? */

static ngx_uint_t
ngx_conductor_resume_ours(ngx_conductor_hub_t *hub, uint64_t ms)
{
    uint32_t                i;
    ngx_conductor_lives_t  *lives;

    lives = &hub->zone->lives;

    for (i = 0; i < lives->nepochs && i < CDR_SNAPSHOT_EPOCHS; i++) {
        if (lives->epochs[i].ms == ms) {
            return 1;
        }
    }

    return ms == hub->log.epoch_ms;
}


void
ngx_conductor_command_resume(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    cdr_str_t               since;
    ngx_conductor_wanted_t  wanted;
    u_char                  buf[CDR_EVENT_ID_LEN];

    if (s->group == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there are no channels here");
        return;
    }

    if (s->replay && !s->replay->holding && !s->replay->stays) {
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "missed events are on their way already");
        return;
    }

    wanted.filters = NULL;

    if (ngx_conductor_resume_since(s, cmd, buf, &since) != NGX_OK
        || ngx_conductor_resume_wanted(s, cmd, &wanted) != NGX_OK)
    {
        ngx_free(wanted.filters);
        return;
    }

    if (ngx_conductor_resume_do(s, cmd, since, &wanted) != NGX_OK) {
        ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
    }

    ngx_free(wanted.filters);
}


/* One that is too long is no id, and is looked for in vain like any other. */

static ngx_int_t
ngx_conductor_resume_since(ngx_conductor_session_t *s, cdr_command_t *cmd,
    u_char *buf, cdr_str_t *since)
{
    static const cdr_str_t  name = cdr_str("since");

    switch (cdr_command_string(cmd, name, buf, CDR_EVENT_ID_LEN, since)) {

    case CDR_OK:
        return NGX_OK;

    case CDR_TOOBIG:
        since->len = 0;
        return NGX_OK;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            "\"since\" must be a string");
        return NGX_DECLINED;
    }
}


/* All of it can be had, or nothing is changed and the client is told. */

static ngx_int_t
ngx_conductor_resume_wanted(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_conductor_wanted_t *wanted)
{
    int                       rc;
    const char               *error;
    cdr_subscription_t        sub;
    cdr_subscription_iter_t   it;
    static const cdr_str_t    name = cdr_str("subscriptions");

    wanted->channels = 0;

    rc = cdr_command_raw(cmd, name, CDR_JSON_ARRAY, &it.rest);

    wanted->given = (rc == CDR_OK);

    if (rc == CDR_DECLINED) {
        return NGX_OK;
    }

    if (rc != CDR_OK) {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE,
                            "\"subscriptions\" must be a list");
        return NGX_DECLINED;
    }

    it.n = 0;

    for ( ;; ) {
        rc = cdr_subscription_next(&it, &sub, &error);

        if (rc == CDR_DECLINED) {
            return NGX_OK;
        }

        if (rc != CDR_OK) {
            ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE, error);
            return NGX_DECLINED;
        }

        if (ngx_conductor_resume_channel(s, cmd, &sub, wanted) != NGX_OK) {
            return NGX_DECLINED;
        }
    }
}


/* A channel that is there twice has the filter of the second. */

static ngx_int_t
ngx_conductor_resume_channel(ngx_conductor_session_t *s, cdr_command_t *cmd,
    cdr_subscription_t *sub, ngx_conductor_wanted_t *wanted)
{
    cdr_str_t                 name, text;
    ngx_uint_t                channel;
    const char               *error;
    cdr_filter_t             *filter;
    ngx_conductor_filters_t  *filters;
    u_char                    buf[CDR_COMMAND_TEXT_LEN];

    channel = CDR_POLICY_MAX_CHANNELS;

    if (cdr_json_unescape_size(sub->channel) <= sizeof(buf)) {
        name.data = buf;
        name.len = cdr_json_unescape(buf, sub->channel);

        channel = cdr_policy_channel(s->hub->policy, name);
    }

    if (channel == CDR_POLICY_MAX_CHANNELS) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNKNOWN_CHANNEL,
                            "there is no such channel");
        return NGX_DECLINED;
    }

    if (!(s->group->view->sees.channels >> channel & 1)) {
        ngx_conductor_error(s, cmd, CDR_ERR_FORBIDDEN,
                            "this channel is not for your role");
        return NGX_DECLINED;
    }

    filter = &ngx_conductor_resume_filter;
    filter->len = 0;

    if (sub->filter.data
        && cdr_filter_compile(filter, sub->filter, &error) != CDR_OK)
    {
        ngx_conductor_error(s, cmd, CDR_ERR_BAD_MESSAGE, error);
        return NGX_DECLINED;
    }

    text.data = filter->data;
    text.len = filter->len;

    if (ngx_conductor_filters_set(wanted->filters, channel, &text, &filters)
        != NGX_OK)
    {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return NGX_DECLINED;
    }

    ngx_free(wanted->filters);

    wanted->filters = filters;
    wanted->channels |= (uint64_t) 1 << channel;

    return NGX_OK;
}


/* NGX_ERROR without memory: then it must not go on. */

static ngx_int_t
ngx_conductor_resume_do(ngx_conductor_session_t *s, cdr_command_t *cmd,
    cdr_str_t since, ngx_conductor_wanted_t *wanted)
{
    uint32_t                 outcome;
    cdr_str_t                id;
    ngx_conductor_had_t      had;
    ngx_conductor_place_t    place;
    ngx_conductor_replay_t  *r;

    ngx_conductor_replay_here(s->hub, &place);

    outcome = ngx_conductor_resume_find(s->hub, since, &place, &had);

    ngx_conductor_ack(s, cmd, NULL);

    if (s->state != NGX_CONDUCTOR_OPEN) {
        return NGX_OK;
    }

    if ((s->replay == NULL || s->replay->stays)
        && ((outcome != CDR_RESUME_RECOVERED && outcome != CDR_RESUME_GAP)
            || (s->replay == NULL
                && !wanted->given && !had.active && !had.waits
                && place.cursor.seq >= s->live_seq
                && place.cursor.seq <= s->hub->cursor.seq)))
    {
        /* it is live, and there is nothing that it missed, or can be given */

        id = ngx_conductor_given_id(s);
        ngx_conductor_replay_answer(s, outcome, 0, id);

        return ngx_conductor_resume_move(s, wanted);
    }

    r = s->replay;

    if (r && r->stays
        && ngx_conductor_resume_again(r, wanted->given) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r == NULL) {
        r = ngx_conductor_replay_new(s);

        if (r == NULL
            || ngx_conductor_resume_exit(s, r, wanted) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    r->asked = 1;
    r->outcome = outcome;
    r->place = place;
    r->had = had;
    r->id_len = 0;

    if (ngx_conductor_resume_move(s, wanted) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_conductor_replay_start(s);

    return NGX_OK;
}


/* It went on by itself, and wants to go back. */

static ngx_int_t
ngx_conductor_resume_again(ngx_conductor_replay_t *r, ngx_uint_t other)
{
    ngx_conductor_group_t    *g, *old;
    ngx_conductor_session_t  *s;

    s = r->session;
    old = NULL;

    if (other) {
        g = s->group;
        old = ngx_conductor_group_hold(s, g->channels, g->filters, NULL);

        if (old == NULL) {
            return NGX_ERROR;
        }
    }

    if (r->old) {
        ngx_conductor_group_release(s->hub, r->old);
    }

    if (r->queued || r->ahead) {
        ngx_queue_remove(&r->queue);
        r->queued = 0;
        r->ahead = 0;
    }

    r->old = old;
    r->live = 1;
    r->stays = 0;
    r->got = s->live_seq;
    r->left = r->place;

    return NGX_OK;
}


/* A live client goes back. */

static ngx_int_t
ngx_conductor_resume_exit(ngx_conductor_session_t *s,
    ngx_conductor_replay_t *r, ngx_conductor_wanted_t *wanted)
{
    ngx_conductor_group_t  *g;

    g = s->group;

    if (wanted->given) {
        r->old = ngx_conductor_group_hold(s, g->channels, g->filters, NULL);

        if (r->old == NULL) {
            ngx_free(r);
            return NGX_ERROR;
        }
    }

    r->live = 1;
    r->got = s->live_seq;
    ngx_conductor_replay_here(s->hub, &r->left);

    if (ngx_conductor_group_exit(s) != NGX_OK) {

        if (r->old) {
            ngx_conductor_group_release(s->hub, r->old);
        }

        ngx_free(r);
        return NGX_ERROR;
    }

    s->replay = r;

    return NGX_OK;
}


static ngx_int_t
ngx_conductor_resume_move(ngx_conductor_session_t *s,
    ngx_conductor_wanted_t *wanted)
{
    if (!wanted->given || s->state != NGX_CONDUCTOR_OPEN) {
        return NGX_OK;
    }

    return ngx_conductor_group_move(s, wanted->channels, wanted->filters);
}
