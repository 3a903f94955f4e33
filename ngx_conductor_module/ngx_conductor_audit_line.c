/* The lines of the audit log that tell of connections and requests. */

#include "ngx_conductor_audit.h"

#include <cdr_reply.h>


#define NGX_CONDUCTOR_AUDIT_MESSAGES  1     /* lines in a minute, of each cause
                                               and connection, */
#define NGX_CONDUCTOR_AUDIT_REQUESTS  10    /* or address */


static cdr_audit_e ngx_conductor_audit_error_kind(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_uint_t code);
static void ngx_conductor_audit_entry(ngx_conductor_session_t *s,
    cdr_registry_entry_t *e, ngx_conductor_actor_t *actor);
static void ngx_conductor_audit_ended(ngx_conductor_hub_t *hub,
    const ngx_conductor_actor_t *actor, uint32_t ending, uint64_t code,
    uint64_t connected_ms, const ngx_conductor_traffic_t *traffic);
static void ngx_conductor_audit_amount(cdr_audit_t *line, const char *name,
    const uint64_t *n);
static void ngx_conductor_audit_str(cdr_str_t *dst, const u_char *data,
    size_t len);
static void ngx_conductor_audit_plain(cdr_audit_t *line, const char *name,
    const char *text);


static const char  *ngx_conductor_audit_endpoints[] = {
    [NGX_CONDUCTOR_NONE] = "",
    [NGX_CONDUCTOR_SOCKET] = "message",
    [NGX_CONDUCTOR_PUBLISH] = "publish",
    [NGX_CONDUCTOR_HEALTH] = "health",
    [NGX_CONDUCTOR_ADMIN] = "admin",
    [NGX_CONDUCTOR_REVIEWERS] = "presence",
    [NGX_CONDUCTOR_METRICS] = "metrics"
};


/* Who it is was found out, and it is let in. */

void
ngx_conductor_audit_connect(ngx_http_request_t *r, ngx_conductor_session_t *s)
{
    cdr_audit_t            *line;
    ngx_conductor_hub_t    *hub;
    ngx_conductor_actor_t   actor;

    hub = s->hub;

    ngx_conductor_audit_session(s, &actor);

    if (s->conf->auth != NGX_CONDUCTOR_AUTH_OFF
        && ngx_conductor_audited(hub, CDR_AUDIT_AUTHENTICATE))
    {
        line = ngx_conductor_audit_begin(hub, CDR_AUDIT_AUTHENTICATE, &actor);

        ngx_conductor_audit_plain(line, "result", "ok");
        ngx_conductor_audit_plain(line, "method",
                                  (s->conf->auth == NGX_CONDUCTOR_AUTH_JWT)
                                  ? "token" : "variables");
        if (s->expires != INT64_MAX) {
            cdr_audit_number(line, "expires", (uint64_t) s->expires * 1000);
        }

        ngx_conductor_audit_end(hub);
    }

    if (ngx_conductor_audited(hub, CDR_AUDIT_CONNECT)) {
        line = ngx_conductor_audit_begin(hub, CDR_AUDIT_CONNECT, &actor);

        ngx_conductor_audit_plain(line, "protocol",
                                  (s->conf->protocol == NGX_CONDUCTOR_ECHO)
                                  ? "echo" : "native");
        ngx_conductor_audit_end(hub);
    }
}


/* Before its entry is given back. */

void
ngx_conductor_audit_disconnect(ngx_conductor_session_t *s)
{
    cdr_registry_entry_t     *e;
    ngx_conductor_actor_t     actor;
    ngx_conductor_traffic_t   traffic;

    if (!ngx_conductor_audited(s->hub, CDR_AUDIT_DISCONNECT)) {
        return;
    }

    e = ngx_conductor_session_entry(s);

    ngx_conductor_audit_entry(s, e, &actor);
    ngx_conductor_traffic(s, &traffic);

    ngx_conductor_audit_ended(s->hub, &actor,
                              ngx_conductor_session_ending(s),
                              s->code, e->conn.connected_ms, &traffic);
}


/* With its worker, which knew what it had sent: a copy of its entry. */

void
ngx_conductor_audit_lost(ngx_conductor_hub_t *hub,
    const cdr_conn_copy_t *conn)
{
    ngx_conductor_actor_t  actor;

    cdr_conn_id_print(actor.id, conn->conn.id);

    ngx_conductor_audit_str(&actor.connection, actor.id,
                            CDR_CONN_ID_TEXT_LEN);
    ngx_conductor_audit_str(&actor.user, conn->str[CDR_CONN_USER].data,
                            conn->str[CDR_CONN_USER].len);
    ngx_conductor_audit_str(&actor.role, conn->str[CDR_CONN_ROLE].data,
                            conn->str[CDR_CONN_ROLE].len);
    ngx_conductor_audit_str(&actor.address, conn->str[CDR_CONN_ADDRESS].data,
                            conn->str[CDR_CONN_ADDRESS].len);

    ngx_conductor_audit_ended(hub, &actor, CDR_ENDED_LOST,
                              CDR_CLOSE_ABNORMAL, conn->conn.connected_ms,
                              NULL);
}


static void
ngx_conductor_audit_ended(ngx_conductor_hub_t *hub,
    const ngx_conductor_actor_t *actor, uint32_t ending, uint64_t code,
    uint64_t connected_ms, const ngx_conductor_traffic_t *traffic)
{
    uint64_t      now;
    cdr_audit_t  *line;

    now = ngx_conductor_now();

    line = ngx_conductor_audit_begin(hub, CDR_AUDIT_DISCONNECT, actor);

    cdr_audit_text(line, "reason", cdr_figure_ending_label(ending));
    cdr_audit_number(line, "code", code);
    cdr_audit_number(line, "durationMs",
                     (now > connected_ms) ? now - connected_ms : 0);

    ngx_conductor_audit_amount(line, "bytesIn",
                               traffic ? &traffic->in.bytes : NULL);
    ngx_conductor_audit_amount(line, "bytesOut",
                               traffic ? &traffic->out.bytes : NULL);
    ngx_conductor_audit_amount(line, "messagesIn",
                               traffic ? &traffic->in.messages : NULL);
    ngx_conductor_audit_amount(line, "messagesOut",
                               traffic ? &traffic->out.messages : NULL);

    ngx_conductor_audit_end(hub);
}


/* NULL: nobody knows. */

static void
ngx_conductor_audit_amount(cdr_audit_t *line, const char *name,
    const uint64_t *n)
{
    cdr_str_t  null = cdr_str_null;

    if (n) {
        cdr_audit_number(line, name, *n);

    } else {
        cdr_audit_text(line, name, null);
    }
}


/* A handshake that is refused. */

void
ngx_conductor_audit_refuse(ngx_http_request_t *r, const char *reason,
    const char *detail, ngx_uint_t status)
{
    cdr_audit_t               *line;
    ngx_conductor_actor_t      actor;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (!ngx_conductor_audited(lcf->hub, CDR_AUDIT_REFUSE)) {
        return;
    }

    ngx_conductor_audit_request(r, &actor);

    line = ngx_conductor_audit_begin(lcf->hub, CDR_AUDIT_REFUSE, &actor);

    ngx_conductor_audit_plain(line, "reason", reason);

    if (detail) {
        ngx_conductor_audit_plain(line, "detail", detail);
    }

    cdr_audit_number(line, "status", status);

    ngx_conductor_audit_repeat(lcf->hub, CDR_AUDIT_REFUSE, line,
                               r->connection->sockaddr,
                               NGX_CONDUCTOR_AUDIT_REQUESTS);
}


/* A request that one may not make. */

void
ngx_conductor_audit_deny(ngx_http_request_t *r, const char *reason,
    ngx_uint_t status)
{
    cdr_audit_t               *line;
    ngx_conductor_actor_t      actor;
    ngx_conductor_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_conductor_module);

    if (!ngx_conductor_audited(lcf->hub, CDR_AUDIT_DENY)) {
        return;
    }

    ngx_conductor_audit_request(r, &actor);

    line = ngx_conductor_audit_begin(lcf->hub, CDR_AUDIT_DENY, &actor);

    ngx_conductor_audit_plain(line, "what",
                              ngx_conductor_audit_endpoints[lcf->endpoint]);
    ngx_conductor_audit_plain(line, "reason", reason);
    cdr_audit_number(line, "status", status);

    ngx_conductor_audit_repeat(lcf->hub, CDR_AUDIT_DENY, line,
                               r->connection->sockaddr,
                               NGX_CONDUCTOR_AUDIT_REQUESTS);
}


/*
 * A command that is answered with an error: of interest is what one may not
 * do, and a token that is of no use.  "cmd" is complete only for "auth".
 */

void
ngx_conductor_audit_error(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t code, const char *text)
{
    cdr_audit_e             kind;
    cdr_audit_t            *line;
    ngx_conductor_actor_t   actor;

    kind = ngx_conductor_audit_error_kind(s, cmd, code);

    if (kind == CDR_AUDIT_N || !ngx_conductor_audited(s->hub, kind)) {
        return;
    }

    ngx_conductor_audit_session(s, &actor);

    line = ngx_conductor_audit_begin(s->hub, kind, &actor);

    ngx_conductor_audit_plain(line, (kind == CDR_AUDIT_DENY) ? "what"
                                                             : "result",
                              (kind == CDR_AUDIT_DENY) ? "message"
                                                       : "failed");
    cdr_audit_text(line, "reason", cdr_reply_code((unsigned) code));
    ngx_conductor_audit_plain(line, "detail", text);

    ngx_conductor_audit_repeat(s->hub, kind, line, NULL,
                               NGX_CONDUCTOR_AUDIT_MESSAGES);
}


/* CDR_AUDIT_N: none. */

static cdr_audit_e
ngx_conductor_audit_error_kind(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_uint_t code)
{
    switch (code) {

    case CDR_ERR_FORBIDDEN:
    case CDR_ERR_TOKEN_EXPIRED:
    case CDR_ERR_REVOKED:
        return (cmd && cmd->type == CDR_COMMAND_AUTH) ? CDR_AUDIT_AUTHENTICATE
                                                      : CDR_AUDIT_DENY;

    case CDR_ERR_RATE_LIMITED:
        return s->conf->limit_dry_run ? CDR_AUDIT_N : CDR_AUDIT_DENY;

    default:
        return CDR_AUDIT_N;
    }
}


/* A new token was taken, or what a back end says of the client. */

void
ngx_conductor_audit_renewed(ngx_conductor_session_t *s, const char *method)
{
    cdr_audit_t            *line;
    ngx_conductor_actor_t   actor;

    if (!ngx_conductor_audited(s->hub, CDR_AUDIT_AUTHENTICATE)) {
        return;
    }

    ngx_conductor_audit_session(s, &actor);

    line = ngx_conductor_audit_begin(s->hub, CDR_AUDIT_AUTHENTICATE, &actor);

    ngx_conductor_audit_plain(line, "result", "ok");
    ngx_conductor_audit_plain(line, "method", method);

    if (s->expires != INT64_MAX) {
        cdr_audit_number(line, "expires", (uint64_t) s->expires * 1000);
    }

    ngx_conductor_audit_end(s->hub);
}


void
ngx_conductor_audit_session(ngx_conductor_session_t *s,
    ngx_conductor_actor_t *actor)
{
    ngx_memzero(actor, sizeof(ngx_conductor_actor_t));

    if (s->entry != NGX_CONDUCTOR_NO_ENTRY) {
        ngx_conductor_audit_entry(s, ngx_conductor_session_entry(s), actor);
    }
}


static void
ngx_conductor_audit_entry(ngx_conductor_session_t *s,
    cdr_registry_entry_t *e, ngx_conductor_actor_t *actor)
{
    cdr_str_t        str;
    cdr_registry_t  *r;

    r = &s->hub->registry;

    cdr_conn_id_print(actor->id, e->conn.id);
    ngx_conductor_audit_str(&actor->connection, actor->id,
                            CDR_CONN_ID_TEXT_LEN);

    str = cdr_registry_string(r, s->entry, CDR_CONN_USER);
    ngx_conductor_audit_str(&actor->user, str.data, str.len);

    str = cdr_registry_string(r, s->entry, CDR_CONN_ROLE);
    ngx_conductor_audit_str(&actor->role, str.data, str.len);

    str = cdr_registry_string(r, s->entry, CDR_CONN_ADDRESS);
    ngx_conductor_audit_str(&actor->address, str.data, str.len);
}


/* Whose identity is good, whatever else is not. */

void
ngx_conductor_audit_request(ngx_http_request_t *r,
    ngx_conductor_actor_t *actor)
{
    ngx_connection_t     *c;
    ngx_conductor_ctx_t  *ctx;

    ngx_memzero(actor, sizeof(ngx_conductor_actor_t));

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_conductor_module);

    ngx_conductor_audit_str(&actor->address, c->addr_text.data,
                            c->addr_text.len);

    if (ctx && ctx->identity.rc == NGX_OK) {
        ngx_conductor_audit_str(&actor->user, ctx->identity.user.data,
                                ctx->identity.user.len);
        ngx_conductor_audit_str(&actor->role, ctx->identity.role.data,
                                ctx->identity.role.len);
    }
}


/* Nothing is null. */

static void
ngx_conductor_audit_str(cdr_str_t *dst, const u_char *data, size_t len)
{
    dst->data = len ? data : NULL;
    dst->len = len;
}


static void
ngx_conductor_audit_plain(cdr_audit_t *line, const char *name,
    const char *text)
{
    cdr_str_t  str;

    str.data = (u_char *) text;
    str.len = ngx_strlen(text);

    cdr_audit_text(line, name, str);
}
