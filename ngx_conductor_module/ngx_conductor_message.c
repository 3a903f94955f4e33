/* What a client's message asks for, and the answer. */

#include "ngx_conductor_audit.h"
#include "ngx_conductor_backend.h"
#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"

#include <cdr_rate.h>
#include <cdr_reply.h>


static int ngx_conductor_message_parse(ngx_conductor_session_t *s,
    u_char *data, size_t len);
static ngx_int_t ngx_conductor_message_allowed(ngx_conductor_session_t *s,
    u_char *data, size_t len);
static void ngx_conductor_message_refuse(ngx_conductor_session_t *s,
    u_char *data, size_t len, uint64_t retry);
static ngx_int_t ngx_conductor_message_excess(ngx_conductor_session_t *s,
    cdr_rate_t *rate);
static void ngx_conductor_message_echo(ngx_conductor_session_t *s,
    ngx_uint_t opcode, u_char *data, size_t len);
static void ngx_conductor_command(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_command_ping(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_error_str(ngx_conductor_session_t *s,
    ngx_uint_t code, cdr_str_t text, cdr_str_t id);


#define ngx_conductor_message_count(s, kind)                                  \
    ngx_conductor_count((s)->hub, CDR_FIGURE_RECEIVED + (kind), 1)


/* an id of the longest, a time, and an event's id, which needs no escapes */

#define NGX_CONDUCTOR_PONG_MAX                                                \
    (64 + CDR_COMMAND_ID_LEN + CDR_JSON_U64_LEN + CDR_EVENT_ID_LEN)


static ngx_str_t  ngx_conductor_welcome =
    ngx_string("Connected to AIConductor WebSocket server");


/* About 4 KB; one message is handled at a time. */

static cdr_command_t  ngx_conductor_cmd;


void
ngx_conductor_message(ngx_conductor_session_t *s, ngx_uint_t opcode,
    u_char *data, size_t len)
{
    cdr_command_t  *cmd;

    s->data_time = ngx_current_msec;

    /* the timer may be a moment late */

    if (s->expires <= ngx_time()) {
        ngx_conductor_message_count(s, CDR_RECEIVED_UNREAD);
        ngx_conductor_session_close(s, CDR_CLOSE_TOKEN, "token expired");
        return;
    }

    if (ngx_conductor_control_check(s) != NGX_OK) {
        ngx_conductor_message_count(s, CDR_RECEIVED_UNREAD);
        return;
    }

    if (ngx_conductor_message_allowed(s, data, len) != NGX_OK) {
        return;
    }

    if (s->conf->protocol == NGX_CONDUCTOR_ECHO) {
        ngx_conductor_message_count(s, CDR_RECEIVED_ECHO);
        ngx_conductor_message_echo(s, opcode, data, len);
        return;
    }

    cmd = &ngx_conductor_cmd;

    if (ngx_conductor_message_parse(s, data, len) != CDR_OK) {
        ngx_conductor_error_str(s, cmd->code, cmd->error, cmd->id);
        return;
    }

    if (ngx_conductor_key_begin(s, cmd) == NGX_OK) {
        ngx_conductor_command(s, cmd);
        ngx_conductor_key_end();
    }
}


/* Every message is counted once, by its type where that is known. */

static int
ngx_conductor_message_parse(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    int        rc;
    cdr_str_t  text;

    text.data = data;
    text.len = len;

    rc = cdr_command_parse(&ngx_conductor_cmd, text);

    ngx_conductor_count(s->hub, ngx_conductor_message_figure(s->hub, rc,
                                                     &ngx_conductor_cmd), 1);
    return rc;
}


void
ngx_conductor_session_welcome(ngx_conductor_session_t *s)
{
    u_char               *p;
    size_t                len;
    cdr_reply_welcome_t   w;
    cdr_registry_entry_t *e;
    u_char                conn[CDR_CONN_ID_TEXT_LEN];

    ngx_memzero(&w, sizeof(cdr_reply_welcome_t));

    e = ngx_conductor_session_entry(s);

    cdr_conn_id_print(conn, e->conn.id);

    w.connection.data = conn;
    w.connection.len = sizeof(conn);
    w.message.data = ngx_conductor_welcome.data;
    w.message.len = ngx_conductor_welcome.len;
    w.timestamp = ngx_conductor_now();

    w.user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);
    w.role = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_ROLE);

    if (w.user.len == 0) {
        w.user.data = NULL;
    }

    if (w.role.len == 0) {
        w.role.data = NULL;
    }

    w.server.data = s->hub->label.data;
    w.server.len = s->hub->label.len;
    w.last_event = ngx_conductor_given_id(s);
    w.ping = s->conf->ping;

    w.limits.messages = s->conf->limit_messages;
    w.limits.per = s->conf->limit_messages
                   ? s->conf->limit_messages_per : 0;
    w.limits.bytes = s->conf->limit_messages_bytes;
    w.limits.max_message = s->conf->max_message;
    w.limits.max_queue = s->conf->max_queue;

    len = cdr_reply_welcome(NULL, &w);

    p = ngx_conductor_output_message(s, CDR_SENT_WELCOME, len);

    if (p) {
        (void) cdr_reply_welcome(p, &w);
    }
}


/* The id of the last event that this worker has sent to its clients. */

cdr_str_t
ngx_conductor_event_id(ngx_conductor_hub_t *hub)
{
    cdr_event_id_t  id;

    if (hub->last_id.len == 0) {
        cdr_event_id_set(&id, &hub->last, hub->last_lone);

        hub->last_id.data = hub->last_id_text;
        hub->last_id.len = cdr_event_id_print(hub->last_id_text, &id);
    }

    return hub->last_id;
}


/* The rate of messages, with its answer where it is exceeded. */

static ngx_int_t
ngx_conductor_message_allowed(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    int                        rc;
    uint64_t                   retry;
    cdr_rate_limits_t          limits;
    cdr_registry_entry_t      *e;
    ngx_conductor_loc_conf_t  *conf;
    u_char                     reason[sizeof("retry=") + NGX_INT64_LEN];

    conf = s->conf;

    if (conf->limit_messages == 0) {
        return NGX_OK;
    }

    limits.messages = (uint32_t) conf->limit_messages;
    limits.per_ms = conf->limit_messages_per;
    limits.bytes = conf->limit_messages_bytes;
    limits.close_after = (uint32_t) conf->limit_messages_close;

    e = ngx_conductor_session_entry(s);

    rc = cdr_rate_check(&e->rate, &limits, ngx_current_msec, len, &retry);

    if (rc == CDR_OK || ngx_conductor_message_excess(s, &e->rate) == NGX_OK) {
        return NGX_OK;
    }

    if (rc == CDR_TOOBIG) {
        *ngx_sprintf(reason, "retry=%uL", retry) = '\0';

        /* nor is any more of it inflated, in wait for its close frame */

        s->discard = 1;
        ngx_conductor_message_count(s, CDR_RECEIVED_UNREAD);
        ngx_conductor_session_close(s, CDR_CLOSE_FLOOD, (char *) reason);
        return NGX_DECLINED;
    }

    ngx_conductor_message_refuse(s, data, len, retry);

    return NGX_DECLINED;
}


static void
ngx_conductor_message_refuse(ngx_conductor_session_t *s, u_char *data,
    size_t len, uint64_t retry)
{
    u_char     *p;
    size_t      size;
    cdr_str_t   id;

    id.data = NULL;
    id.len = 0;

    if (s->conf->protocol == NGX_CONDUCTOR_NATIVE) {

        /* only for the id of the answer */

        (void) ngx_conductor_message_parse(s, data, len);
        id = ngx_conductor_cmd.id;

    } else {
        ngx_conductor_message_count(s, CDR_RECEIVED_ECHO);
    }

    size = cdr_reply_rate_limited(NULL, retry, id);

    p = ngx_conductor_output_message(s, CDR_SENT_ERROR, size);

    if (p) {
        (void) cdr_reply_rate_limited(p, retry, id);
        ngx_conductor_count(s->hub, CDR_FIGURE_ERRORS + CDR_ERR_RATE_LIMITED,
                            1);
    }
}


/* Logged once in a window.  NGX_OK: a dry run, it passes all the same. */

static ngx_int_t
ngx_conductor_message_excess(ngx_conductor_session_t *s, cdr_rate_t *rate)
{
    ngx_uint_t  dry_run, level;

    dry_run = s->conf->limit_dry_run;

    if (rate->refused == 1) {
        level = dry_run ? NGX_LOG_WARN : NGX_LOG_INFO;

        ngx_log_error(level, &s->log, 0,
                      "conductor: messages over the limit%s",
                      dry_run ? ", dry run" : "");
    }

    ngx_conductor_audit_error(s, NULL, CDR_ERR_RATE_LIMITED,
                              "messages over the limit");

    if (!dry_run) {
        return NGX_DECLINED;
    }

    ngx_conductor_count(s->hub, CDR_FIGURE_DRY_RUN + CDR_DRY_RUN_MESSAGES, 1);

    return NGX_OK;
}


static void
ngx_conductor_message_echo(ngx_conductor_session_t *s, ngx_uint_t opcode,
    u_char *data, size_t len)
{
    ngx_str_t  deflated;

    if (s->pmd.on
        && cdr_pmd_may_compress(&s->pmd, len)
        && ngx_conductor_deflate(s->conf->compress, data, len, &deflated)
           == NGX_OK)
    {
        opcode |= CDR_WS_RSV1;
        data = deflated.data;
        len = deflated.len;
    }

    if (ngx_conductor_output(s, CDR_WS_FIN|opcode, data, len) == NGX_OK) {
        ngx_conductor_count(s->hub, CDR_FIGURE_SENT + CDR_SENT_ECHO, 1);
    }
}


static void
ngx_conductor_command(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor message: command %d", (int) cmd->type);

    switch (cmd->type) {

    case CDR_COMMAND_PING:
        ngx_conductor_command_ping(s, cmd);
        break;

    case CDR_COMMAND_AUTH:
        ngx_conductor_command_auth(s, cmd);
        break;

    case CDR_COMMAND_SUBSCRIBE:
        ngx_conductor_command_subscribe(s, cmd);
        break;

    case CDR_COMMAND_UNSUBSCRIBE:
        ngx_conductor_command_unsubscribe(s, cmd);
        break;

    case CDR_COMMAND_RESUME:
        ngx_conductor_command_resume(s, cmd);
        break;

    case CDR_COMMAND_PUBLISH:
        ngx_conductor_command_publish(s, cmd);
        break;

    case CDR_COMMAND_PRESENCE_UPDATE:
        ngx_conductor_command_presence(s, cmd);
        break;

    default:
        ngx_conductor_command_other(s, cmd);
    }
}


static void
ngx_conductor_command_ping(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    u_char  *p;
    size_t   len;
    u_char   pong[NGX_CONDUCTOR_PONG_MAX];

    /* it comes often and is short: written once, not measured first */

    len = cdr_reply_pong(pong, cmd->id, ngx_conductor_now(),
                         ngx_conductor_given_id(s));

    p = ngx_conductor_output_message(s, CDR_SENT_PONG, len);

    if (p) {
        ngx_memcpy(p, pong, len);
    }
}


/*
 * A command without an id wants no answer.  "extra" is what it answers, the
 * inside of a JSON object, or NULL.
 */

void
ngx_conductor_ack(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_str_t *extra)
{
    u_char     *p;
    size_t      len;
    cdr_str_t   more;

    ngx_conductor_key_done();

    if (cmd->id.data == NULL) {
        return;
    }

    more.data = extra ? extra->data : NULL;
    more.len = extra ? extra->len : 0;

    len = cdr_reply_ack(NULL, cmd->id, more);

    p = ngx_conductor_output_message(s, CDR_SENT_ACK, len);

    if (p) {
        (void) cdr_reply_ack(p, cmd->id, more);
    }
}


void
ngx_conductor_error(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t code, const char *text)
{
    cdr_str_t  str;

    str.data = (u_char *) text;
    str.len = ngx_strlen(text);

    ngx_conductor_audit_error(s, cmd, code, text);
    ngx_conductor_error_str(s, code, str, cmd->id);
}


static void
ngx_conductor_error_str(ngx_conductor_session_t *s, ngx_uint_t code,
    cdr_str_t text, cdr_str_t id)
{
    u_char     *p;
    size_t      len;
    cdr_str_t   name;

    name = cdr_reply_code((unsigned) code);
    len = cdr_reply_error(NULL, name, text, id);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor message: error %*s", name.len, name.data);

    p = ngx_conductor_output_message(s, CDR_SENT_ERROR, len);

    if (p) {
        (void) cdr_reply_error(p, name, text, id);
        ngx_conductor_count(s->hub, CDR_FIGURE_ERRORS + code, 1);
    }
}
