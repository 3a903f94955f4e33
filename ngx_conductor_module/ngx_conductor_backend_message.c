/* A client's message that is not the hub's own: it goes to a back end. */

#include "ngx_conductor_calls.h"


static void ngx_conductor_message_pass(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_message_say(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_message_head(ngx_conductor_said_t *said,
    cdr_call_t *call, size_t len);
static size_t ngx_conductor_message_id(ngx_conductor_calls_t *calls,
    cdr_command_t *cmd, cdr_call_t *call, u_char *buf);
static void ngx_conductor_message_busy(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static ngx_conductor_message_conf_t *ngx_conductor_message_find(
    ngx_conductor_hub_t *hub, cdr_command_t *cmd);
static void ngx_conductor_message_ack(ngx_conductor_session_t *s,
    cdr_command_t *cmd, cdr_backend_answer_t *answer,
    ngx_conductor_keyed_t *kept);


/* of a user and its length, and of a key or a number */

#define NGX_CONDUCTOR_CALL_ID                                                 \
    (NGX_SIZE_T_LEN + 1 + CDR_CONN_USER_MAX + 1 + CDR_COMMAND_TEXT_LEN        \
     + NGX_INT64_LEN)


void
ngx_conductor_command_other(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    if (ngx_conductor_keyed_begin(s, cmd) != NGX_OK) {
        return;
    }

    if (cmd->type != CDR_COMMAND_AGENT
        || ngx_conductor_agent(s, cmd) != NGX_OK)
    {
        ngx_conductor_message_pass(s, cmd);
    }

    if (s->calls) {
        ngx_conductor_keyed_drop(s->calls, ngx_conductor_keyed_take(s->calls));
    }
}


static void
ngx_conductor_message_pass(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_backend_t  *backend;

    backend = s->conf->backend[CDR_CALL_MESSAGE];

    if (backend == NULL
        || (cmd->type != CDR_COMMAND_AGENT
            && ngx_conductor_message_find(s->hub, cmd) == NULL))
    {
        ngx_conductor_error(s, cmd, CDR_ERR_UNKNOWN_TYPE,
                            "this type of message is not known here");
        return;
    }

    ngx_conductor_message_say(s, cmd);
}


/* What a message counts in, after cdr_command_parse(). */

ngx_uint_t
ngx_conductor_message_figure(ngx_conductor_hub_t *hub, int rc,
    cdr_command_t *cmd)
{
    ngx_conductor_message_conf_t  *message;

    if (rc != CDR_OK) {
        return CDR_FIGURE_RECEIVED + CDR_RECEIVED_INVALID;
    }

    if (cmd->type == CDR_COMMAND_OTHER) {
        message = ngx_conductor_message_find(hub, cmd);

        if (message) {
            return message->figure;
        }
    }

    return CDR_FIGURE_RECEIVED + cmd->type;
}


void
ngx_conductor_message_answered(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_uint_t outcome,
    cdr_backend_answer_t *answer)
{
    cdr_command_t             cmd;
    ngx_conductor_session_t  *s;

    s = calls->session;

    if (s && s->state != NGX_CONDUCTOR_OPEN) {
        s = NULL;
    }

    if (outcome == CDR_CALLED_OK) {
        ngx_conductor_answer_publish(calls, answer,
                                     s ? &s->log : ngx_cycle->log);
    }

    if (s == NULL) {
        return;
    }

    cmd.id.data = said->id_len ? said->data : NULL;
    cmd.id.len = said->id_len;

    if (outcome != CDR_CALLED_OK) {
        ngx_conductor_keyed_drop(calls, said->kept);
    }

    switch (outcome) {

    case CDR_CALLED_OK:

        if (ngx_conductor_answer_identity(s, answer, 0) == NGX_OK
            && ngx_conductor_answer_apply(s, answer) == NGX_OK)
        {
            ngx_conductor_message_ack(s, &cmd, answer, said->kept);
            ngx_conductor_answer_close(s, answer);
        }

        break;

    case CDR_CALLED_TIMEOUT:
        ngx_conductor_error(s, &cmd, CDR_ERR_BACKEND_TIMEOUT,
                            "the back end did not answer in time");
        break;

    default:
        ngx_conductor_error(s, &cmd, CDR_ERR_BACKEND_ERROR,
                            "the back end failed");
    }
}


static void
ngx_conductor_message_say(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    size_t                  len;
    cdr_str_t               agent;
    cdr_call_t              call;
    ngx_conductor_keyed_t   *kept;
    ngx_conductor_said_t   *said;
    ngx_conductor_calls_t  *calls;
    u_char                  id[NGX_CONDUCTOR_CALL_ID];

    calls = ngx_conductor_calls(s);

    if (calls == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    if (calls->n >= NGX_CONDUCTOR_CALL_WAITING) {
        ngx_conductor_message_busy(s, cmd);
        return;
    }

    ngx_conductor_calls_describe(calls, &call, CDR_CALL_MESSAGE, cmd->id);

    call.id.data = id;
    call.id.len = ngx_conductor_message_id(calls, cmd, &call, id);

    agent = ngx_conductor_agent_session(calls, cmd->agent);

    len = cdr_backend_message(NULL, &call, cmd, agent);

    said = ngx_conductor_calls_new(calls, CDR_CALL_MESSAGE, cmd->id,
                                   len + call.id.len);

    if (said == NULL) {
        ngx_conductor_message_busy(s, cmd);
        return;
    }

    (void) cdr_backend_message(ngx_conductor_said_body(said), &call, cmd,
                               agent);

    ngx_conductor_message_head(said, &call, len);

    kept = ngx_conductor_keyed_take(calls);
    said->kept = kept;

    switch (ngx_conductor_calls_say(calls, said)) {

    case NGX_DONE:
        ngx_conductor_ack(s, cmd, NULL);
        ngx_conductor_keyed_done(calls, kept, NULL);
        break;

    case NGX_DECLINED:
        ngx_conductor_message_busy(s, cmd);
        ngx_conductor_keyed_drop(calls, kept);
        break;

    default: /* NGX_AGAIN */
        break;
    }
}


/* What it takes to say whose it is once more. */

static void
ngx_conductor_message_head(ngx_conductor_said_t *said, cdr_call_t *call,
    size_t len)
{
    u_char          *p;
    cdr_json_out_t   out = { NULL, 0 };

    cdr_call_put(&out, call);

    p = ngx_conductor_said_body(said) + len;
    ngx_memcpy(p, call->id.data, call->id.len);

    said->call_id.data = p;
    said->call_id.len = call->id.len;
    said->time = call->timestamp;
    said->head = out.len;
    said->len = len;
}


u_char *
ngx_conductor_message_renew(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_str_t *body)
{
    size_t           rest;
    u_char          *fresh;
    cdr_call_t       call;
    cdr_json_out_t   out = { NULL, 0 };

    if (calls->session == NULL || said->kind != CDR_CALL_MESSAGE
        || said->renewed == calls->renewed)
    {
        return NULL;
    }

    ngx_conductor_calls_describe(calls, &call, CDR_CALL_MESSAGE,
                                 said->call_id);
    call.timestamp = said->time;

    cdr_call_put(&out, &call);

    rest = said->len - said->head;
    fresh = ngx_alloc(out.len + rest, ngx_cycle->log);

    if (fresh == NULL) {
        return NULL;
    }

    out.dst = fresh;
    out.len = 0;

    cdr_call_put(&out, &call);
    ngx_memcpy(fresh + out.len, body->data + said->head, rest);

    body->data = fresh;
    body->len = out.len + rest;

    return fresh;
}


/*
 * What is repeated with its key has the id it had; so a back end that did it
 * before can tell.  No name or key looks like the other, or like a number.
 */

static size_t
ngx_conductor_message_id(ngx_conductor_calls_t *calls, cdr_command_t *cmd,
    cdr_call_t *call, u_char *buf)
{
    u_char     *p;
    cdr_str_t   who;

    who = call->connection;

    if (cmd->key.len) {

        p = buf;

        if (call->user.len) {
            who = call->user;
            p = ngx_sprintf(p, "%uz:", who.len);
        }

        return ngx_sprintf(p, "%*s/%*s", who.len, who.data, cmd->key.len,
                           cmd->key.data)
               - buf;
    }

    return ngx_sprintf(buf, "%*s.%uL", who.len, who.data, ++calls->serial)
           - buf;
}


static void
ngx_conductor_message_busy(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_count(s->hub, CDR_FIGURE_CALLS + CDR_CALLED_BUSY, 1);

    ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                        "too many messages wait for the back end");
}


static ngx_conductor_message_conf_t *
ngx_conductor_message_find(ngx_conductor_hub_t *hub, cdr_command_t *cmd)
{
    ngx_uint_t                     i;
    ngx_conductor_message_conf_t  *message;

    message = hub->messages.elts;

    for (i = 0; i < hub->messages.nelts; i++) {
        if (message[i].name.len == cmd->name.len
            && ngx_memcmp(message[i].name.data, cmd->name.data,
                          cmd->name.len)
               == 0)
        {
            return &message[i];
        }
    }

    return NULL;
}


static void
ngx_conductor_message_ack(ngx_conductor_session_t *s, cdr_command_t *cmd,
    cdr_backend_answer_t *answer, ngx_conductor_keyed_t *kept)
{
    ngx_str_t  extra;

    extra.len = (cmd->id.len || kept) ? cdr_backend_ack(NULL, answer) : 0;

    if (extra.len == 0) {
        ngx_conductor_ack(s, cmd, NULL);
        ngx_conductor_keyed_done(s->calls, kept, NULL);
        return;
    }

    extra.data = ngx_alloc(extra.len, &s->log);

    if (extra.data == NULL) {
        ngx_conductor_keyed_drop(s->calls, kept);
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    (void) cdr_backend_ack(extra.data, answer);

    ngx_conductor_ack(s, cmd, &extra);
    ngx_conductor_keyed_done(s->calls, kept, &extra);
    ngx_free(extra.data);
}
