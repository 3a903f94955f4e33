/* A new client that a back end is asked about before it is welcome. */

#include "ngx_conductor_calls.h"
#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"


static ngx_int_t ngx_conductor_connect_ask(ngx_conductor_session_t *s,
    u_char *data, size_t len);
static ngx_int_t ngx_conductor_connect_still(ngx_conductor_session_t *s);
static ngx_int_t ngx_conductor_connect_admit(ngx_conductor_session_t *s);
static uint64_t ngx_conductor_connect_key(ngx_conductor_session_t *s);
static void ngx_conductor_connect_show(ngx_conductor_session_t *s);


/* NGX_AGAIN also where it cannot be asked: then the session is closed. */

ngx_int_t
ngx_conductor_backend_connect(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    if (s->conf->backend[CDR_CALL_CONNECT] == NULL
        || s->conf->protocol != NGX_CONDUCTOR_NATIVE)
    {
        return NGX_DECLINED;
    }

    if (!ngx_conductor_backend_connects(s->conf)) {

        /* a stream is told, and does not answer */

        (void) ngx_conductor_connect_ask(s, NULL, 0);
        return NGX_DECLINED;
    }

    s->connecting = 1;

    if (ngx_conductor_connect_ask(s, data, len) == NGX_ERROR) {
        s->connecting = 0;
        ngx_conductor_backend_close(s, CDR_ENDED_UNASKED,
                                    CDR_CLOSE_TOO_SLOW,
                                    "the back end cannot be asked");
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_conductor_connect_ask(ngx_conductor_session_t *s, u_char *data,
    size_t len)
{
    size_t                  n;
    cdr_str_t               id, last, none;
    cdr_call_t              call;
    ngx_conductor_said_t   *said;
    ngx_conductor_calls_t  *calls;
    static const cdr_str_t  protocol = cdr_str("conductor.v1");

    calls = ngx_conductor_calls(s);
    if (calls == NULL) {
        return NGX_ERROR;
    }

    if (len) {
        calls->early = ngx_alloc(len, &s->log);
        if (calls->early == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(calls->early, data, len);
        calls->left = len;
    }

    none.data = NULL;
    none.len = 0;

    id.data = calls->id;
    id.len = sizeof(calls->id);

    last = ngx_conductor_given_id(s);

    ngx_conductor_calls_describe(calls, &call, CDR_CALL_CONNECT, id);

    n = cdr_backend_connect(NULL, &call, protocol, last);

    said = ngx_conductor_calls_new(calls, CDR_CALL_CONNECT, none, n);
    if (said == NULL) {
        return NGX_ERROR;
    }

    (void) cdr_backend_connect(ngx_conductor_said_body(said), &call, protocol,
                               last);

    return ngx_conductor_calls_say(calls, said);
}


/* With the end of its connection comes an event. */

void
ngx_conductor_connect_look(ngx_conductor_session_t *s)
{
    u_char        ch;
    ssize_t       n;
    ngx_uint_t    ready;
    ngx_event_t  *rev;

    rev = s->connection->read;

    if (!rev->pending_eof && !rev->error) {
        n = recv(s->connection->fd, &ch, 1, MSG_PEEK|MSG_DONTWAIT);

        if (n > 0 || (n == -1 && ngx_socket_errno == NGX_EAGAIN)) {

            /* nginx waits for no event of what is "ready", as it stays */

            ready = rev->ready;

            if (!rev->active) {
                rev->ready = 0;
            }

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_conductor_session_dead(s, CDR_CLOSE_INTERNAL);
            }

            rev->ready = ready;

            return;
        }
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, &s->log, 0,
                   "conductor connect: left before it was welcome");

    ngx_conductor_session_dead(s, CDR_CLOSE_ABNORMAL);
}


void
ngx_conductor_connect_answered(ngx_conductor_calls_t *calls,
    ngx_uint_t outcome, cdr_backend_answer_t *answer)
{
    size_t                    len;
    u_char                   *early;
    ngx_conductor_session_t  *s;

    s = calls->session;

    if (s == NULL || s->state != NGX_CONDUCTOR_OPEN) {
        return;
    }

    s->connecting = 0;

    early = calls->early;
    len = calls->left;
    calls->early = NULL;

    if (outcome != CDR_CALLED_OK) {
        ngx_conductor_backend_close(s, CDR_ENDED_UNASKED,
                                    CDR_CLOSE_TOO_SLOW,
                                    (outcome == CDR_CALLED_TIMEOUT)
                                    ? "the back end did not answer in time"
                                    : "the back end failed");

    } else if (answer->close) {
        ngx_conductor_answer_close(s, answer);

    } else if (ngx_conductor_connect_still(s) == NGX_OK
               && ngx_conductor_answer_identity(s, answer, 1) == NGX_OK
               && ngx_conductor_connect_admit(s) == NGX_OK)
    {
        s->ping_time = ngx_current_msec;
        s->frame_time = ngx_current_msec;
        s->data_time = ngx_current_msec;

        ngx_conductor_connect_show(s);
        ngx_conductor_answer_publish(s->calls, answer, &s->log);

        /* it may have said something already */

        ngx_conductor_detach_go(s, answer, early, len);
    }

    if (early) {
        ngx_free(early);
    }
}


/* Who it was at the handshake may not be let in any more. */

static ngx_int_t
ngx_conductor_connect_still(ngx_conductor_session_t *s)
{
    if (s->expires <= ngx_time()) {
        ngx_conductor_session_close(s, CDR_CLOSE_TOKEN, "token expired");
        return NGX_DECLINED;
    }

    return ngx_conductor_control_begin(s);
}


/* The connections of its user are counted by the one it is now. */

static ngx_int_t
ngx_conductor_connect_admit(ngx_conductor_session_t *s)
{
    int                    rc;
    uint32_t               n, max;
    uint64_t               key;
    ngx_conductor_hub_t   *hub;
    cdr_registry_entry_t  *e;

    hub = s->hub;
    e = ngx_conductor_session_entry(s);
    key = ngx_conductor_connect_key(s);

    if (key == e->conn.user_key) {
        return NGX_OK;
    }

    max = s->conf->limit_dry_run ? 0 : (uint32_t) s->conf->limit_user;

    ngx_conductor_zone_lock(hub);

    rc = cdr_counter_inc(&hub->counters, NGX_CONDUCTOR_KEY_USER, key, max,
                         ngx_current_msec, &n);

    if (rc == CDR_OK) {
        (void) cdr_counter_dec(&hub->counters, e->conn.user_key,
                               ngx_current_msec);
        e->conn.user_key = key;
    }

    ngx_conductor_zone_unlock(hub);

    if (rc == CDR_OK) {
        return NGX_OK;
    }

    ngx_conductor_session_close(s, (rc == CDR_DECLINED)
                                   ? CDR_CLOSE_FLOOD : CDR_CLOSE_TOO_SLOW,
                                "too many connections of this user");

    return NGX_DECLINED;
}


static uint64_t
ngx_conductor_connect_key(ngx_conductor_session_t *s)
{
    cdr_str_t  user;

    user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);

    if (s->conf->limit_user == 0 || user.len == 0) {
        return 0;
    }

    return ngx_conductor_zone_key(s->hub, NGX_CONDUCTOR_KEY_USER,
                                  (u_char *) user.data, user.len);
}


/* Until now it took no part in presence; it goes on with what it said last. */

static void
ngx_conductor_connect_show(ngx_conductor_session_t *s)
{
    cdr_str_t              user, kept;
    uint32_t               flags;
    cdr_status_t           status;
    ngx_conductor_hub_t   *hub;
    cdr_registry_entry_t  *e;
    u_char                 feature[CDR_CONN_FEATURE_MAX];

    hub = s->hub;
    e = ngx_conductor_session_entry(s);

    ngx_conductor_zone_lock(hub);

    flags = e->conn.flags & ~(CDR_CONN_TORN|NGX_CONDUCTOR_CONN_HIDDEN);

    (void) cdr_registry_set_flags(&hub->registry, s->entry, s->generation,
                                  flags);

    user = cdr_registry_string(&hub->registry, s->entry, CDR_CONN_USER);

    if (hub->reviewers.shm
        && cdr_presence_kept(&hub->reviewers, user, &status, &kept) == CDR_OK
        && kept.len <= sizeof(feature))
    {
        ngx_memcpy(feature, kept.data, kept.len);
        kept.data = feature;

        (void) cdr_registry_set_feature(&hub->registry, s->entry,
                                        s->generation, status, kept,
                                        ngx_conductor_now());
    }

    ngx_conductor_presence_join(hub, s->entry);

    ngx_conductor_zone_unlock(hub);
}
