/* The life of a session: made at the handshake, gone with its connection. */

#include "ngx_conductor_backend.h"
#include "ngx_conductor_presence.h"
#include "ngx_conductor_replay.h"


static void ngx_conductor_session_read(ngx_event_t *ev);
static void ngx_conductor_session_write(ngx_event_t *ev);
static void ngx_conductor_session_linger(ngx_conductor_session_t *s);
static void ngx_conductor_session_destroy(ngx_conductor_session_t *s);
static void ngx_conductor_session_end(ngx_connection_t *c);
static void ngx_conductor_session_depart(ngx_conductor_session_t *s);
static ngx_msec_t ngx_conductor_session_retry(const char *reason);
static u_char *ngx_conductor_session_log(ngx_log_t *log, u_char *buf,
    size_t len);


/*
 * The process ends and nobody will wait: one attempt to tell each client
 * that it should come back.
 */

void
ngx_conductor_sessions_exit(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_queue_t                 *q;
    ngx_conductor_hub_t        **hub;
    ngx_conductor_session_t     *s;
    ngx_conductor_main_conf_t   *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_conductor_module);
    if (cmcf == NULL) {
        return;
    }

    hub = cmcf->hubs.elts;

    for (i = 0; i < cmcf->hubs.nelts; i++) {

        while (!ngx_queue_empty(&hub[i]->sessions)) {
            q = ngx_queue_head(&hub[i]->sessions);
            s = ngx_queue_data(q, ngx_conductor_session_t, queue);

            ngx_conductor_session_close(s, CDR_CLOSE_RESTART, "retry=1000");
            (void) ngx_conductor_output_flush(s);

            ngx_conductor_session_dead(s, CDR_CLOSE_RESTART);
            ngx_conductor_session_destroy(s);
        }

        ngx_conductor_groups_free(hub[i]);
    }
}


/* A session that still belongs to a request; the registry is not told yet. */

ngx_conductor_session_t *
ngx_conductor_session_create(ngx_http_request_t *r,
    ngx_conductor_loc_conf_t *conf)
{
    ngx_conductor_session_t  *s;

    s = ngx_calloc(sizeof(ngx_conductor_session_t), r->connection->log);
    if (s == NULL) {
        return NULL;
    }

    s->hub = conf->hub;
    s->conf = conf;
    s->entry = NGX_CONDUCTOR_NO_ENTRY;
    s->expires = INT64_MAX;
    s->last = &s->out;

    cdr_receiver_init(&s->receiver);

    return s;
}


/* The request ended before the session could leave it. */

void
ngx_conductor_session_abandon(ngx_conductor_session_t *s)
{
    s->code = CDR_CLOSE_ABNORMAL;

    ngx_conductor_replay_free(s);
    ngx_conductor_unregister(s);
    ngx_conductor_output_drop(s, 1);
    ngx_free(s);
}


/* The connection is ours from here on. */

void
ngx_conductor_session_start(ngx_conductor_session_t *s, ngx_connection_t *c)
{
    s->connection = c;

    /* the file and level of the location's error_log */

    s->log = *c->log;
    s->log.handler = ngx_conductor_session_log;
    s->log.data = s;
    s->log.action = NULL;

    c->data = s;
    c->log = &s->log;
    c->read->log = &s->log;
    c->write->log = &s->log;
    c->read->handler = ngx_conductor_session_read;
    c->write->handler = ngx_conductor_session_write;
    c->log_error = NGX_ERROR_INFO;
    c->idle = 1;

    s->frame_time = ngx_current_msec;
    s->data_time = ngx_current_msec;
    s->ping_time = ngx_current_msec;

    ngx_conductor_traffic_sample(s);

    ngx_queue_insert_tail(&s->hub->sessions, &s->queue);
    ngx_conductor_latency_begin(s->hub);
}


/*
 * Begins the closing handshake, RFC 6455 section 7.1.2.  Nothing but the
 * close frame follows what is queued; the connection ends a second after the
 * peer last took some of it.
 */

void
ngx_conductor_session_close(ngx_conductor_session_t *s, uint16_t code,
    const char *reason)
{
    size_t     len;
    cdr_str_t  why;
    u_char     frame[2 + CDR_WS_CONTROL_MAX];

    if (s->state != NGX_CONDUCTOR_OPEN) {
        return;
    }

    ngx_conductor_group_leave(s);

    s->state = NGX_CONDUCTOR_CLOSING;
    s->code = code;
    s->by_client = s->peer_closed;
    s->end_time = ngx_current_msec + NGX_CONDUCTOR_CLOSE_TIME;
    s->end_max = ngx_current_msec + NGX_CONDUCTOR_CLOSE_MAX;

    if (code == CDR_CLOSE_RESTART) {
        s->retry = ngx_conductor_session_retry(reason);
    }

    ngx_conductor_session_depart(s);

    if (s->calls) {
        ngx_conductor_calls_leave(s);
    }

    if (code == CDR_CLOSE_NO_STATUS) {
        (void) ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_CLOSE, NULL, 0);

    } else {
        why.data = (u_char *) reason;
        why.len = ngx_strlen(reason);

        len = cdr_ws_close_frame(frame, code, why);

        (void) ngx_conductor_output(s, CDR_WS_FIN|CDR_WS_OP_CLOSE, frame + 2,
                                    len - 2);
    }

    /* of a handshake that was refused the log has a line */

    if (s->entry != NGX_CONDUCTOR_NO_ENTRY) {
        ngx_log_error(NGX_LOG_INFO, &s->log, 0,
                      "conductor: closing with %d%s%s",
                      (int) code, *reason ? ": " : "", reason);
    }

    ngx_conductor_session_arm(s);
}


/* Nothing more can be said to this client. */

void
ngx_conductor_session_dead(ngx_conductor_session_t *s, uint16_t code)
{
    if (s->state == NGX_CONDUCTOR_DEAD) {
        return;
    }

    ngx_conductor_group_leave(s);

    if (s->code == 0) {
        s->code = code;
    }

    s->state = NGX_CONDUCTOR_DEAD;
    s->connection->error = 1;

    if (!s->hold) {
        ngx_post_event(s->connection->read, &ngx_posted_events);
    }
}


/*
 * The end of every turn in which something happened to a session: all that
 * was queued goes out in one write, and what is over is given back.  The
 * session may be gone afterwards.
 */

void
ngx_conductor_session_turn(ngx_conductor_session_t *s)
{
    if (s->state != NGX_CONDUCTOR_DEAD && s->out) {

        if (ngx_conductor_live(s) && s->connection->write->ready
            && ngx_conductor_fanout_due())
        {
            /* with the events that are about to come */

            ngx_conductor_group_blocked(s, 1);
            ngx_post_event(s->connection->write, &ngx_posted_events);
            return;
        }

        if (ngx_conductor_replay_due(s) && ngx_conductor_replay_joins(s)) {

            /* with what it missed */

            return;
        }

        (void) ngx_conductor_output_flush(s);
    }

    if (s->state == NGX_CONDUCTOR_CLOSING && s->out == NULL
        && (s->peer_closed || s->discard))
    {
        ngx_conductor_session_linger(s);
    }

    if (s->state == NGX_CONDUCTOR_DEAD) {
        ngx_conductor_session_destroy(s);
    }
}


/* Keeps the one timer of a session no later than what is due first. */

void
ngx_conductor_session_arm(ngx_conductor_session_t *s)
{
    ngx_msec_t                 due, next;
    ngx_msec_int_t             wait;
    ngx_event_t               *rev;
    ngx_conductor_loc_conf_t  *conf;

    conf = s->conf;
    rev = s->connection->read;
    due = ngx_current_msec + 3600 * 1000;

    if (s->state != NGX_CONDUCTOR_OPEN || s->draining) {
        due = s->end_time;
    }

    if (s->state == NGX_CONDUCTOR_OPEN) {

        if (s->connecting) {
            next = s->frame_time + conf->backend_timeout;
            due = ((ngx_msec_int_t) (next - due) < 0) ? next : due;
        }

        if (conf->ping && !s->connecting) {
            next = s->ping_time + (s->ping_sent ? conf->ping_timeout
                                                : conf->ping);
            due = ((ngx_msec_int_t) (next - due) < 0) ? next : due;
        }

        if (conf->idle && !s->connecting) {
            next = (conf->idle_data ? s->data_time : s->frame_time)
                   + conf->idle;
            due = ((ngx_msec_int_t) (next - due) < 0) ? next : due;
        }

        if (ngx_conductor_replay_holds(s)) {
            next = s->replay->deadline;
            due = ((ngx_msec_int_t) (next - due) < 0) ? next : due;
        }

        if (s->expires - ngx_time() < 3600) {
            next = ngx_current_msec
                   + (ngx_msec_t) ngx_max(s->expires - ngx_time(), 0) * 1000
                   + 1;
            due = ((ngx_msec_int_t) (next - due) < 0) ? next : due;
        }
    }

    wait = (ngx_msec_int_t) (due - ngx_current_msec);

    if (rev->timer_set
        && (ngx_msec_int_t) (rev->timer.key - due) <= 0)
    {
        return;
    }

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    ngx_add_timer(rev, ngx_max(wait, 0));
}


static void
ngx_conductor_session_read(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_conductor_session_t  *s;

    c = ev->data;
    s = c->data;

    s->hold = 1;

    if (c->close) {
        c->close = 0;

        if (c->error) {

            /* worker_shutdown_timeout */

            ngx_conductor_session_close(s, CDR_CLOSE_RESTART, "retry=1000");
            (void) ngx_conductor_output_flush(s);
            ngx_conductor_session_dead(s, CDR_CLOSE_RESTART);

        } else {
            ngx_conductor_session_drain(s);
        }
    }

    if (ev->timedout) {
        ev->timedout = 0;
        ngx_conductor_session_timer(s);
    }

    if (ngx_conductor_connecting(s)) {
        ngx_conductor_connect_look(s);

    } else if (ev->ready) {
        ngx_conductor_frame_read(s);
    }

    s->hold = 0;

    ngx_conductor_session_turn(s);
}


static void
ngx_conductor_session_write(ngx_event_t *ev)
{
    ngx_msec_t                end;
    ngx_connection_t         *c;
    ngx_conductor_session_t  *s;

    c = ev->data;
    s = c->data;

    s->hold = 1;

    if (s->state == NGX_CONDUCTOR_CLOSING && s->out) {

        /* who reads on, however slowly, comes to the close frame */

        end = ngx_current_msec + NGX_CONDUCTOR_CLOSE_TIME;
        s->end_time = ((ngx_msec_int_t) (end - s->end_max) < 0) ? end
                                                                : s->end_max;
    }

    if (s->state != NGX_CONDUCTOR_DEAD
        && ngx_conductor_output_flush(s) == NGX_OK)
    {
        if (s->replay) {
            ngx_conductor_replay_ready(s);
        }

        if (s->paused) {
            s->paused = 0;

            if (c->read->ready) {
                ngx_conductor_frame_read(s);
            }
        }
    }

    s->hold = 0;

    ngx_conductor_session_turn(s);
}


/*
 * Both close frames are out (or the peer's is not to be expected): the
 * server ends the TCP connection, RFC 6455 section 7.1.1.  What the peer
 * still sends is read, lest a reset destroys our close frame on its way.
 */

static void
ngx_conductor_session_linger(ngx_conductor_session_t *s)
{
    ngx_connection_t  *c;

    c = s->connection;
    s->state = NGX_CONDUCTOR_LINGERING;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        (void) SSL_shutdown(c->ssl->connection);
        ERR_clear_error();
        c->ssl->no_send_shutdown = 1;
    }

#endif

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {
        s->state = NGX_CONDUCTOR_DEAD;
        return;
    }

    if (c->read->ready) {
        s->hold = 1;
        ngx_conductor_frame_read(s);
        s->hold = 0;
    }
}


static void
ngx_conductor_session_destroy(ngx_conductor_session_t *s)
{
    ngx_connection_t  *c;

    c = s->connection;

    if (s->entry != NGX_CONDUCTOR_NO_ENTRY) {
        ngx_log_error(NGX_LOG_INFO, &s->log, 0,
                      "conductor: connection ended, %s",
                      cdr_figure_ending_label(
                          ngx_conductor_session_ending(s)).data);
    }

    if (s->offering) {
        ngx_conductor_command_publish_end(s);
    }

    if (s->calls) {
        ngx_conductor_calls_end(s);
    }

    ngx_conductor_group_leave(s);
    ngx_conductor_frame_free(s);
    ngx_conductor_output_drop(s, 1);
    ngx_conductor_unregister(s);

    s->calls = NULL;

    ngx_queue_remove(&s->queue);

    c->idle = 0;

    ngx_conductor_session_end(c);
}


static void
ngx_conductor_session_end(ngx_connection_t *c)
{
    ngx_pool_t               *pool;
    ngx_conductor_session_t  *s;

    s = c->data;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->handler = ngx_conductor_session_end;
            return;
        }
    }

#endif

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif

    c->destroyed = 1;

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }

    ngx_free(s);
}


/*
 * Its reviewer leaves with the close frame, not when the connection has ended:
 * who comes back meanwhile goes on with what was said last.
 */

static void
ngx_conductor_session_depart(ngx_conductor_session_t *s)
{
    if (s->entry == NGX_CONDUCTOR_NO_ENTRY || s->hub->reviewers.shm == NULL) {
        return;
    }

    ngx_conductor_zone_lock(s->hub);
    ngx_conductor_presence_leave(s->hub, s->entry, s->retry);
    ngx_conductor_zone_unlock(s->hub);
}


/* When it is to come back, as it is told. */

static ngx_msec_t
ngx_conductor_session_retry(const char *reason)
{
    size_t     len;
    ngx_int_t  retry;

    len = sizeof("retry=") - 1;

    if (ngx_strncmp(reason, "retry=", len) != 0) {
        return 0;
    }

    retry = ngx_atoi((u_char *) reason + len, ngx_strlen(reason) - len);

    return (retry == NGX_ERROR) ? 0 : (ngx_msec_t) retry;
}


static u_char *
ngx_conductor_session_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                   *p, *last;
    cdr_str_t                 user, address;
    ngx_conductor_session_t  *s;
    cdr_registry_entry_t     *e;
    u_char                    id[CDR_CONN_ID_TEXT_LEN];

    s = log->data;

    p = ngx_snprintf(buf, len, ", hub: \"%V\"", &s->hub->name);

    if (s->entry == NGX_CONDUCTOR_NO_ENTRY) {
        return p;
    }

    e = ngx_conductor_session_entry(s);
    user = cdr_registry_string(&s->hub->registry, s->entry, CDR_CONN_USER);
    address = cdr_registry_string(&s->hub->registry, s->entry,
                                  CDR_CONN_ADDRESS);
    cdr_conn_id_print(id, e->conn.id);

    last = buf + len;

    p = ngx_slprintf(p, last, ", client: %*s, user: \"", address.len,
                     address.data);
    p = ngx_conductor_log_text(p, last, user.data, user.len);

    return ngx_slprintf(p, last, "\", connection: %*s", (size_t) sizeof(id),
                        id);
}
