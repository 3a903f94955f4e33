/*
 * Sessions of agents: a client that talks to agent NAME may have one, whose id
 * is the same however often it asks.  They end with the connection.
 */

#include "ngx_conductor_calls.h"

#include <openssl/rand.h>


#define NGX_CONDUCTOR_AGENTS  32            /* of a client */

#define NGX_CONDUCTOR_AGENT_PREFIX  "sess_"     /* as long as "conn_" */


static ngx_int_t ngx_conductor_agent_action(cdr_command_t *cmd,
    const char *action);
static void ngx_conductor_agent_start(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static void ngx_conductor_agent_stop(ngx_conductor_session_t *s,
    cdr_command_t *cmd);
static ngx_conductor_agent_t *ngx_conductor_agent_new(
    ngx_conductor_session_t *s, cdr_str_t name);
static ngx_conductor_agent_t **ngx_conductor_agent_find(
    ngx_conductor_calls_t *calls, cdr_str_t name);
static void ngx_conductor_agent_ack(ngx_conductor_session_t *s,
    cdr_command_t *cmd, ngx_conductor_agent_t *agent);


/* NGX_DECLINED: what it wants is not the hub's. */

ngx_int_t
ngx_conductor_agent(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    if (ngx_conductor_agent_action(cmd, "start_session") == NGX_OK) {
        ngx_conductor_agent_start(s, cmd);
        return NGX_OK;
    }

    if (ngx_conductor_agent_action(cmd, "end_session") == NGX_OK) {
        ngx_conductor_agent_stop(s, cmd);
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* The id of the session with an agent; data NULL: there is none. */

cdr_str_t
ngx_conductor_agent_session(ngx_conductor_calls_t *calls, cdr_str_t name)
{
    cdr_str_t               id;
    ngx_conductor_agent_t  *agent;

    agent = *ngx_conductor_agent_find(calls, name);

    id.data = agent ? agent->id : NULL;
    id.len = agent ? sizeof(agent->id) : 0;

    return id;
}


void
ngx_conductor_agent_end(ngx_conductor_calls_t *calls)
{
    ngx_conductor_agent_t  *agent;

    while (calls->agents) {
        agent = calls->agents;
        calls->agents = agent->next;
        ngx_free(agent);
    }

    ngx_conductor_gauge(calls->hub, CDR_GAUGE_SESSIONS,
                        -(int64_t) calls->nagents);
    calls->nagents = 0;
}


static ngx_int_t
ngx_conductor_agent_action(cdr_command_t *cmd, const char *action)
{
    cdr_str_t               value;
    u_char                  buf[32];
    static const cdr_str_t  name = cdr_str("action");

    if (cdr_command_string(cmd, name, buf, sizeof(buf), &value) != CDR_OK
        || value.len != ngx_strlen(action)
        || ngx_memcmp(value.data, action, value.len) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_conductor_agent_start(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_agent_t  *agent;
    ngx_conductor_calls_t  *calls;

    calls = ngx_conductor_calls(s);
    agent = calls ? *ngx_conductor_agent_find(calls, cmd->agent) : NULL;

    if (agent == NULL) {

        if (calls && calls->nagents == NGX_CONDUCTOR_AGENTS) {
            ngx_conductor_error(s, cmd, CDR_ERR_BUSY,
                                "this connection has too many sessions");
            return;
        }

        agent = calls ? ngx_conductor_agent_new(s, cmd->agent) : NULL;
    }

    if (agent == NULL) {
        ngx_conductor_error(s, cmd, CDR_ERR_UNAVAILABLE,
                            "there is no memory for it");
        return;
    }

    ngx_conductor_agent_ack(s, cmd, agent);
}


/* Also of what has ended before: a repeat is answered alike. */

static void
ngx_conductor_agent_stop(ngx_conductor_session_t *s, cdr_command_t *cmd)
{
    ngx_conductor_agent_t  *agent, **link;

    link = s->calls ? ngx_conductor_agent_find(s->calls, cmd->agent) : NULL;

    if (link == NULL || *link == NULL) {
        ngx_conductor_ack(s, cmd, NULL);

        if (s->calls) {
            ngx_conductor_keyed_done(s->calls,
                                    ngx_conductor_keyed_take(s->calls), NULL);
        }

        return;
    }

    agent = *link;
    *link = agent->next;

    s->calls->nagents--;
    ngx_conductor_gauge(s->hub, CDR_GAUGE_SESSIONS, -1);

    ngx_conductor_agent_ack(s, cmd, agent);
    ngx_free(agent);
}


static ngx_conductor_agent_t *
ngx_conductor_agent_new(ngx_conductor_session_t *s, cdr_str_t name)
{
    u_char                  id[CDR_CONN_ID_LEN];
    ngx_conductor_agent_t  *agent;

    if (RAND_bytes(id, CDR_CONN_ID_LEN) != 1) {
        return NULL;
    }

    agent = ngx_alloc(sizeof(ngx_conductor_agent_t) + name.len, &s->log);
    if (agent == NULL) {
        return NULL;
    }

    cdr_conn_id_print(agent->id, id);
    ngx_memcpy(agent->id, NGX_CONDUCTOR_AGENT_PREFIX,
               sizeof(NGX_CONDUCTOR_AGENT_PREFIX) - 1);

    agent->len = name.len;
    ngx_memcpy(agent->name, name.data, name.len);

    agent->next = s->calls->agents;
    s->calls->agents = agent;

    s->calls->nagents++;
    ngx_conductor_gauge(s->hub, CDR_GAUGE_SESSIONS, 1);

    return agent;
}


/* The link that leads to it, or to nothing. */

static ngx_conductor_agent_t **
ngx_conductor_agent_find(ngx_conductor_calls_t *calls, cdr_str_t name)
{
    ngx_conductor_agent_t  **link;

    for (link = &calls->agents; *link; link = &(*link)->next) {
        if ((*link)->len == name.len
            && ngx_memcmp((*link)->name, name.data, name.len) == 0)
        {
            break;
        }
    }

    return link;
}


static void
ngx_conductor_agent_ack(ngx_conductor_session_t *s, cdr_command_t *cmd,
    ngx_conductor_agent_t *agent)
{
    ngx_str_t  extra;
    u_char     text[sizeof("\"sessionId\":\"\"") + CDR_CONN_ID_TEXT_LEN];

    extra.data = text;
    extra.len = ngx_sprintf(text, "\"sessionId\":\"%*s\"", sizeof(agent->id),
                            agent->id)
                - text;

    ngx_conductor_ack(s, cmd, &extra);

    ngx_conductor_keyed_done(s->calls, ngx_conductor_keyed_take(s->calls),
                            &extra);
}
