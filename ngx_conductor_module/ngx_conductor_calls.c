/*
 * What a client says to a back end, one after the other.
 *
 * The next is told when the last was answered, so a client's messages have
 * their order; other clients do not wait for that.
 */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_errand.h"


/* A client takes so much of what others leave, if it says a second thing. */

#define NGX_CONDUCTOR_CALLS_SHARE  16


static ngx_int_t ngx_conductor_calls_append(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, uint32_t tag);
static void ngx_conductor_calls_next(ngx_conductor_calls_t *calls);
static void ngx_conductor_calls_turn(void *data);
static ngx_int_t ngx_conductor_calls_begin(ngx_conductor_calls_t *calls);
static void ngx_conductor_calls_failed(ngx_conductor_calls_t *calls);
static void ngx_conductor_calls_done(void *data,
    ngx_conductor_answer_t *answer);
static ngx_uint_t ngx_conductor_calls_read(ngx_conductor_calls_t *calls,
    ngx_conductor_answer_t *answer, ngx_log_t *log);
static void ngx_conductor_calls_told(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_uint_t outcome);


/* Bytes that wait in this worker. */

static size_t  ngx_conductor_calls_bytes;


/* One is handled at a time; about 1 KB. */

static cdr_backend_answer_t  ngx_conductor_calls_answer;


ngx_conductor_calls_t *
ngx_conductor_calls(ngx_conductor_session_t *s)
{
    cdr_str_t               address;
    ngx_conductor_calls_t  *calls;

    if (s->calls) {
        return s->calls;
    }

    calls = ngx_calloc(sizeof(ngx_conductor_calls_t), &s->log);
    if (calls == NULL) {
        return NULL;
    }

    calls->session = s;
    calls->hub = s->hub;
    calls->conf = s->conf;

    calls->token_expires = s->expires;
    calls->expires = INT64_MAX;

    calls->ticket.handler = ngx_conductor_calls_turn;
    calls->ticket.data = calls;
    calls->ticket.limit = s->conf->backend_calls;

    ngx_queue_init(&calls->said);
    ngx_queue_init(&calls->kept);

    cdr_conn_id_print(calls->id, ngx_conductor_session_entry(s)->conn.id);

    address = cdr_registry_string(&s->hub->registry, s->entry,
                                  CDR_CONN_ADDRESS);

    ngx_memcpy(calls->text, address.data, address.len);
    calls->address.data = calls->text;
    calls->address.len = address.len;

    s->calls = calls;

    return calls;
}


ngx_conductor_said_t *
ngx_conductor_calls_new(ngx_conductor_calls_t *calls, ngx_uint_t kind,
    cdr_str_t id, size_t len)
{
    size_t                 size, rest;
    ngx_conductor_said_t  *said;

    size = sizeof(ngx_conductor_said_t) + id.len + len;
    rest = NGX_CONDUCTOR_CALL_BYTES - ngx_conductor_calls_bytes;

    if (kind != CDR_CALL_CONNECT
        && (size > rest
            || (calls->bytes
                && calls->bytes + size > rest / NGX_CONDUCTOR_CALLS_SHARE)))
    {
        return NULL;
    }

    said = ngx_alloc(size, &calls->session->log);
    if (said == NULL) {
        return NULL;
    }

    /* that of a connect is small, and there is one for a connection */

    said->size = (kind != CDR_CALL_CONNECT) ? size : 0;
    said->kind = kind;
    said->kept = NULL;
    said->renewed = calls->renewed;

    calls->bytes += said->size;
    ngx_conductor_calls_bytes += said->size;

    said->id_len = id.len;
    said->len = len;

    if (id.len) {
        ngx_memcpy(said->data, id.data, id.len);
    }

    return said;
}


ngx_int_t
ngx_conductor_calls_say(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said)
{
    ngx_conductor_backend_t  *backend;

    backend = calls->conf->backend[said->kind];

    if (backend->server == NULL) {
        return ngx_conductor_calls_append(calls, said, backend->tag);
    }

    ngx_queue_insert_tail(&calls->said, &said->queue);
    calls->n++;

    ngx_conductor_gauge(calls->hub, CDR_GAUGE_CALLS_WAITING, 1);

    ngx_conductor_calls_next(calls);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_conductor_calls_append(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, uint32_t tag)
{
    cdr_str_t                 text;
    ngx_int_t                 rc;
    ngx_conductor_session_t  *s;

    s = calls->session;

    text.data = ngx_conductor_said_body(said);
    text.len = said->len;

    ngx_conductor_zone_lock(calls->hub);

    rc = ngx_conductor_errand(calls->hub, tag, (cdr_call_kind_e) said->kind,
                              ngx_conductor_session_entry(s)->conn.id, text,
                              NULL);

    ngx_conductor_zone_unlock(calls->hub);

    ngx_conductor_calls_drop(calls, said);

    return (rc == NGX_OK) ? NGX_DONE : NGX_DECLINED;
}


void
ngx_conductor_calls_drop(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said)
{
    calls->bytes -= said->size;
    ngx_conductor_calls_bytes -= said->size;

    if (calls->session == NULL) {
        ngx_conductor_left_bytes(said->size);
    }

    ngx_free(said);
}


void
ngx_conductor_calls_describe(ngx_conductor_calls_t *calls, cdr_call_t *call,
    cdr_call_kind_e kind, cdr_str_t id)
{
    ngx_conductor_hub_t      *hub;
    ngx_conductor_session_t  *s;

    hub = calls->hub;
    s = calls->session;

    call->kind = kind;
    call->id = id;
    call->hub.data = hub->name.data;
    call->hub.len = hub->name.len;
    call->server.data = hub->label.data;
    call->server.len = hub->label.len;
    call->connection.data = calls->id;
    call->connection.len = sizeof(calls->id);
    call->user = cdr_registry_string(&hub->registry, s->entry, CDR_CONN_USER);
    call->role = cdr_registry_string(&hub->registry, s->entry, CDR_CONN_ROLE);
    call->address.data = calls->address.data;
    call->address.len = calls->address.len;
    call->timestamp = ngx_conductor_now();
}


/* The next one, unless one is under way. */

static void
ngx_conductor_calls_next(ngx_conductor_calls_t *calls)
{
    ngx_queue_t              *q;
    ngx_conductor_said_t     *said;
    ngx_conductor_backend_t  *backend;

    while (calls->current == NULL && !ngx_queue_empty(&calls->said)) {
        q = ngx_queue_head(&calls->said);
        ngx_queue_remove(q);

        said = ngx_queue_data(q, ngx_conductor_said_t, queue);
        calls->current = said;

        backend = calls->conf->backend[said->kind];

        if (calls->ticket.wait != NGX_CONDUCTOR_WAIT_LEFT) {
            calls->ticket.wait = (said->kind == CDR_CALL_CONNECT)
                                 ? NGX_CONDUCTOR_WAIT_CONNECT
                                 : NGX_CONDUCTOR_WAIT_MESSAGE;
        }

        if (ngx_conductor_backend_enter(backend, &calls->ticket)
            == NGX_AGAIN)
        {
            return;
        }

        if (ngx_conductor_calls_begin(calls) != NGX_OK) {
            ngx_conductor_calls_failed(calls);
        }
    }
}


static void
ngx_conductor_calls_turn(void *data)
{
    ngx_conductor_calls_t *calls = data;

    if (ngx_conductor_calls_begin(calls) == NGX_OK) {
        return;
    }

    ngx_conductor_calls_failed(calls);
    ngx_conductor_calls_next(calls);

    if (calls->session == NULL && calls->current == NULL) {
        ngx_conductor_left_free(calls);
    }
}


static ngx_int_t
ngx_conductor_calls_begin(ngx_conductor_calls_t *calls)
{
    u_char                     *fresh;
    ngx_conductor_said_t       *said;
    ngx_conductor_backend_t    *backend;
    ngx_conductor_call_conf_t   conf;

    said = calls->current;
    backend = calls->conf->backend[said->kind];

    calls->n--;
    ngx_conductor_gauge(calls->hub, CDR_GAUGE_CALLS_WAITING, -1);

    conf.hub = calls->hub;
    conf.server = backend->server;
    conf.uri = backend->uri;
    conf.body.data = ngx_conductor_said_body(said);
    conf.body.len = said->len;

    fresh = ngx_conductor_message_renew(calls, said, &conf.body);

    conf.address = calls->address;
    conf.connection.data = calls->id;
    conf.connection.len = sizeof(calls->id);
    conf.timeout = calls->conf->backend_timeout;
    conf.quiet = backend->failing;
    conf.handler = ngx_conductor_calls_done;
    conf.data = calls;

    calls->call = ngx_conductor_call(&conf);

    if (fresh) {
        ngx_free(fresh);
    }

    if (calls->call == NULL) {
        ngx_conductor_backend_leave(backend);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* There is no memory, or no connection, for a call. */

static void
ngx_conductor_calls_failed(ngx_conductor_calls_t *calls)
{
    ngx_log_t               *log;
    ngx_conductor_said_t    *said;
    ngx_conductor_answer_t   answer;

    said = calls->current;
    log = calls->session ? &calls->session->log : ngx_cycle->log;

    ngx_memzero(&answer, sizeof(ngx_conductor_answer_t));

    ngx_conductor_backend_ended(calls->conf->backend[said->kind], said->kind,
                                CDR_CALLED_FAILED, &answer, log);

    ngx_conductor_calls_told(calls, said, CDR_CALLED_FAILED);
}


static void
ngx_conductor_calls_done(void *data, ngx_conductor_answer_t *answer)
{
    ngx_conductor_calls_t *calls = data;

    ngx_log_t                *log;
    ngx_uint_t                outcome;
    ngx_conductor_said_t     *said;
    ngx_conductor_backend_t  *backend;

    said = calls->current;
    backend = calls->conf->backend[said->kind];
    log = calls->session ? &calls->session->log : ngx_cycle->log;

    calls->call = NULL;

    ngx_conductor_backend_leave(backend);

    outcome = ngx_conductor_calls_read(calls, answer, log);

    ngx_conductor_backend_ended(backend, said->kind, outcome, answer, log);

    ngx_conductor_calls_told(calls, said, outcome);
    ngx_conductor_calls_next(calls);

    if (calls->session == NULL && calls->current == NULL) {
        ngx_conductor_left_free(calls);
    }
}


/* What is wrong with an answer is logged where its back end worked before. */

static ngx_uint_t
ngx_conductor_calls_read(ngx_conductor_calls_t *calls,
    ngx_conductor_answer_t *answer, ngx_log_t *log)
{
    cdr_str_t                 text;
    ngx_conductor_backend_t  *backend;

    if (answer->outcome != NGX_CONDUCTOR_CALL_OK) {
        return CDR_CALLED_OK + answer->outcome;
    }

    text.data = answer->body.data;
    text.len = answer->body.len;

    if (cdr_backend_answer(&ngx_conductor_calls_answer, text) == CDR_OK) {
        return CDR_CALLED_OK;
    }

    backend = calls->conf->backend[calls->current->kind];

    if (!backend->failing) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "conductor: the answer of back end \"%V\" is of no use: "
                      "%s", &backend->uri, ngx_conductor_calls_answer.error);
    }

    return CDR_CALLED_INVALID;
}


/* The session may be closed in here, but is not gone. */

static void
ngx_conductor_calls_told(ngx_conductor_calls_t *calls,
    ngx_conductor_said_t *said, ngx_uint_t outcome)
{
    ngx_uint_t                hold;
    ngx_conductor_session_t  *s;

    s = calls->session;
    hold = s ? s->hold : 1;

    if (!hold) {
        s->hold = 1;
    }

    if (said->kind == CDR_CALL_CONNECT) {
        ngx_conductor_connect_answered(calls, outcome,
                                       &ngx_conductor_calls_answer);

    } else {
        ngx_conductor_message_answered(calls, said, outcome,
                                       &ngx_conductor_calls_answer);
    }

    if (!hold) {
        s->hold = 0;

        /* with what else comes in this turn */

        if (ngx_conductor_live(s)) {
            ngx_conductor_group_blocked(s, 1);
        }

        ngx_post_event(s->connection->write, &ngx_posted_events);
    }

    calls->current = NULL;

    ngx_conductor_calls_drop(calls, said);
}
