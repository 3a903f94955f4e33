/*
 * Keys on commands: what was done under a key is not done again.
 *
 * What a publication does concerns everyone, so its key is the user's, on any
 * connection and worker.  What other commands do concerns the connection, and
 * so does their key: a client that comes back has to subscribe anew, and may
 * do so with the same words.
 */

#include "ngx_conductor_session.h"
#include "ngx_conductor_append.h"


static ngx_int_t ngx_conductor_key_find(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_key_make(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t kind);
static void ngx_conductor_key_answer(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static cdr_str_t *ngx_conductor_key_channel(ngx_conductor_hub_t *hub);


/* Of the command at hand; one is handled at a time. */

static ngx_conductor_idem_t  ngx_conductor_key_idem;


/*
 * NGX_OK: the command is to be done.  NGX_DECLINED: it was, and is answered.
 * An empty key is none; a ping measures time, so it is never repeated; and of
 * what a back end does more is to be kept.
 */

ngx_int_t
ngx_conductor_key_begin(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_idem_t  *idem;

    if (cmd->key.len == 0 || cmd->type == CDR_COMMAND_PING
        || cmd->type == CDR_COMMAND_AGENT || cmd->type == CDR_COMMAND_OTHER)
    {
        return NGX_OK;
    }

    idem = &ngx_conductor_key_idem;

    ngx_memzero(idem, sizeof(ngx_conductor_idem_t));

    idem->hub = s->hub;

    if (cmd->type != CDR_COMMAND_PUBLISH) {

        /* anybody may have it done */

        idem->share = CDR_IDEM_SMALL;
    }

    switch (ngx_conductor_key_find(s, cmd)) {

    case NGX_OK:
    case NGX_DECLINED:
        return NGX_OK;

    case NGX_DONE:
        ngx_conductor_key_answer(s, cmd);
        return NGX_DECLINED;

    case NGX_AGAIN:
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "the first command with this key is under way");
        return NGX_DECLINED;

    default:
        ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                            "too many commands with a key are under way");
        return NGX_DECLINED;
    }
}


/* What is kept under its keys; the last one is that under which it will be. */

static ngx_int_t
ngx_conductor_key_find(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_int_t              rc;
    ngx_conductor_idem_t  *idem;

    idem = &ngx_conductor_key_idem;

    ngx_conductor_zone_lock(s->hub);

    ngx_conductor_key_make(s, cmd, (cmd->type == CDR_COMMAND_PUBLISH)
                                   ? NGX_CONDUCTOR_IDEM_CONNECTION
                                   : NGX_CONDUCTOR_IDEM_USER);

    rc = ngx_conductor_idem_find(idem);

    if (rc == NGX_DECLINED && cmd->type == CDR_COMMAND_PUBLISH) {
        ngx_conductor_key_make(s, cmd, NGX_CONDUCTOR_IDEM_USER);
        rc = ngx_conductor_idem_find(idem);

    } else if (rc == NGX_DECLINED) {
        ngx_conductor_key_make(s, cmd, NGX_CONDUCTOR_IDEM_CONNECTION);
        rc = ngx_conductor_idem_reserve(idem, 1);
    }

    ngx_conductor_zone_unlock(s->hub);

    return rc;
}


/* The command was done. */

void
ngx_conductor_key_done(void)
{
    ngx_conductor_idem_t  *idem;

    idem = &ngx_conductor_key_idem;

    if (idem->ticket.link == 0) {
        return;
    }

    ngx_memzero(&idem->answer, sizeof(cdr_idem_answer_t));

    idem->answer.kind = NGX_CONDUCTOR_DONE_COMMAND;

    ngx_conductor_zone_lock(idem->hub);

    (void) ngx_conductor_idem_complete(idem);

    ngx_conductor_zone_unlock(idem->hub);
}


/* It is over; what was not done by now was not done at all. */

void
ngx_conductor_key_end(void)
{
    ngx_conductor_idem_t  *idem;

    idem = &ngx_conductor_key_idem;

    if (idem->ticket.link == 0) {
        return;
    }

    ngx_conductor_zone_lock(idem->hub);

    ngx_conductor_idem_release(idem);

    ngx_conductor_zone_unlock(idem->hub);
}


/* Under which a publication that was begun is kept; NULL: none. */

ngx_conductor_idem_t *
ngx_conductor_key_publication(cdr_command_t *cmd)
{
    return cmd->key.len ? &ngx_conductor_key_idem : NULL;
}


/* What the ack of a publication has beside the id: of the first and only. */

void
ngx_conductor_ack_event(ngx_conductor_session_t *s, cdr_command_t *cmd,
    const ngx_conductor_first_t *first)
{
    u_char     *p;
    ngx_str_t   extra;
    u_char      text[sizeof("\"eventId\":\"\"") + CDR_EVENT_ID_LEN];

    p = ngx_cpymem(text, "\"eventId\":\"", sizeof("\"eventId\":\"") - 1);
    p += ngx_conductor_append_id(s->hub, p, first, 0);
    *p++ = '"';

    extra.data = text;
    extra.len = p - text;

    ngx_conductor_ack(s, cmd, &extra);
}


/*
 * The ack of a command that concerns a channel.  A record has no room for a
 * name: it keeps the digest, and the channels of the hub are few.
 */

void
ngx_conductor_ack_channel(ngx_conductor_session_t *s, cdr_command_t *cmd,
    const cdr_str_t *name)
{
    ngx_str_t  channel, extra;
    u_char     text[sizeof("\"channel\":\"\"") + CDR_EVENT_MAX_NAME];

    channel.data = (u_char *) name->data;
    channel.len = name->len;

    if (ngx_conductor_key_idem.ticket.link) {
        ngx_conductor_idem_digest(&ngx_conductor_key_idem, &channel);
    }

    extra.data = text;
    extra.len = ngx_sprintf(text, "\"channel\":\"%V\"", &channel) - text;

    ngx_conductor_ack(s, cmd, &extra);
}


static void
ngx_conductor_key_answer(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    cdr_str_t              *channel;
    cdr_idem_answer_t      *answer;
    ngx_conductor_first_t   first;

    answer = &ngx_conductor_key_idem.answer;

    if (answer->kind != NGX_CONDUCTOR_DONE_COMMAND) {
        ngx_conductor_idem_first(answer, &first);
        ngx_conductor_ack_event(s, cmd, &first);
        return;
    }

    channel = ngx_conductor_key_channel(s->hub);

    if (channel) {
        ngx_conductor_ack_channel(s, cmd, channel);

    } else {
        ngx_conductor_ack(s, cmd, NULL);
    }
}


/* The channel of what was done; NULL: of none, or of one that is gone. */

static cdr_str_t *
ngx_conductor_key_channel(ngx_conductor_hub_t *hub)
{
    ngx_str_t                     name;
    ngx_uint_t                    i;
    ngx_conductor_idem_t         *idem;
    static const cdr_idem_hash_t  none;

    idem = &ngx_conductor_key_idem;

    if (ngx_memcmp(&idem->answer.digest, &none, sizeof(none)) == 0) {
        return NULL;
    }

    for (i = 0; i < hub->policy->nchannels; i++) {
        name.data = (u_char *) hub->policy->channels[i].name.data;
        name.len = hub->policy->channels[i].name.len;

        ngx_conductor_idem_digest(idem, &name);

        if (ngx_memcmp(&idem->answer.digest, &idem->digest, sizeof(none))
            == 0)
        {
            return &hub->policy->channels[i].name;
        }
    }

    return NULL;
}


/* Who is nobody is known by the connection alone. */

static void
ngx_conductor_key_make(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t kind)
{
    cdr_str_t              user;
    ngx_str_t              parts[2];
    cdr_registry_entry_t  *e;

    user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);

    if (kind == NGX_CONDUCTOR_IDEM_USER && user.len) {
        parts[0].data = (u_char *) user.data;
        parts[0].len = user.len;

    } else {
        e = ngx_conductor_session_entry(s);

        kind = NGX_CONDUCTOR_IDEM_CONNECTION;
        parts[0].data = e->conn.id;
        parts[0].len = CDR_CONN_ID_LEN;
    }

    parts[1].data = (u_char *) cmd->key.data;
    parts[1].len = cmd->key.len;

    ngx_conductor_idem_key(&ngx_conductor_key_idem, kind, parts, 2);
}
