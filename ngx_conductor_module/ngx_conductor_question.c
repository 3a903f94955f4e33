/*
 * Questions about the database: a worker puts one into the zone, the keeper's
 * thread answers it, the worker finishes the request.
 */

#include "ngx_conductor_question.h"

#include <time.h>


#define NGX_CONDUCTOR_QUESTION_WAIT   5000      /* ms, of a request */
#define NGX_CONDUCTOR_QUESTION_TIME   1000      /* ms, of the database */

#define ngx_conductor_question_set(q, code, text)                             \
    ngx_conductor_question_text(q, code, "{\"error\":\"" text "\"}\n",        \
                                sizeof("{\"error\":\"" text "\"}\n") - 1)


/* A request that waits. */

typedef struct {
    ngx_queue_t                   queue;
    ngx_http_request_t           *request;
    ngx_conductor_hub_t          *hub;
    cdr_question_ticket_t         ticket;
    ngx_event_t                   timer;
    unsigned                      waiting:1;
} ngx_conductor_asking_t;


static void ngx_conductor_question_wait(ngx_http_request_t *r,
    ngx_conductor_asking_t *asking);
static void ngx_conductor_question_leave(ngx_conductor_asking_t *asking);
static void ngx_conductor_question_cleanup(void *data);
static void ngx_conductor_question_timeout(ngx_event_t *ev);
static void ngx_conductor_question_finish(ngx_conductor_asking_t *asking);
static ngx_int_t ngx_conductor_question_send(ngx_conductor_asking_t *asking);
static uint64_t ngx_conductor_question_taker(ngx_conductor_hub_t *hub);
static bool ngx_conductor_question_stop(void *data);
static uint64_t ngx_conductor_question_clock(clockid_t clock);
static void ngx_conductor_question_text(ngx_conductor_question_t *q,
    ngx_uint_t status, const char *text, size_t len);


static ngx_queue_t  ngx_conductor_questions;


ngx_int_t
ngx_conductor_question_ask(ngx_http_request_t *r, ngx_conductor_hub_t *hub,
    cdr_history_ask_t *ask)
{
    int                      rc;
    cdr_str_t                text;
    ngx_http_cleanup_t      *cln;
    ngx_conductor_asking_t  *asking;

    asking = ngx_pcalloc(r->pool, sizeof(ngx_conductor_asking_t));
    if (asking == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_conductor_question_cleanup;
    cln->data = asking;

    asking->request = r;
    asking->hub = hub;

    if (hub->slot == NGX_CONDUCTOR_NO_SLOT || hub->questions.n == 0) {
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "nobody can be asked: restart nginx with this "
                     "configuration");
    }

    text.data = (const uint8_t *) ask;
    text.len = sizeof(cdr_history_ask_t);

    ngx_conductor_zone_lock(hub);
    rc = cdr_question_ask(&hub->questions, text, (uint32_t) hub->slot,
                          ngx_current_msec, &asking->ticket);
    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "too many questions are being answered: try again");
    }

    ngx_conductor_question_wait(r, asking);

    ngx_conductor_wake_keeper(hub);

    return NGX_DONE;
}


static void
ngx_conductor_question_wait(ngx_http_request_t *r,
    ngx_conductor_asking_t *asking)
{
    if (ngx_conductor_questions.next == NULL) {
        ngx_queue_init(&ngx_conductor_questions);
    }

    ngx_queue_insert_tail(&ngx_conductor_questions, &asking->queue);

    asking->waiting = 1;
    asking->timer.handler = ngx_conductor_question_timeout;
    asking->timer.data = r->connection;
    asking->timer.log = r->connection->log;

    ngx_add_timer(&asking->timer, NGX_CONDUCTOR_QUESTION_WAIT);

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}


static void
ngx_conductor_question_leave(ngx_conductor_asking_t *asking)
{
    asking->waiting = 0;

    ngx_queue_remove(&asking->queue);

    if (asking->timer.timer_set) {
        ngx_del_timer(&asking->timer);
    }
}


/* Whoever asked has gone. */

static void
ngx_conductor_question_cleanup(void *data)
{
    ngx_conductor_asking_t  *asking = data;

    if (!asking->waiting) {
        return;
    }

    ngx_conductor_question_leave(asking);

    ngx_conductor_zone_lock(asking->hub);
    cdr_question_drop(&asking->hub->questions, &asking->ticket);
    ngx_conductor_zone_unlock(asking->hub);
}


/* A timer's data is a connection, for nginx's debugging. */

static void
ngx_conductor_question_timeout(ngx_event_t *ev)
{
    ngx_conductor_asking_t  *asking;

    asking = (ngx_conductor_asking_t *)
                 ((u_char *) ev - offsetof(ngx_conductor_asking_t, timer));

    ngx_conductor_question_finish(asking);
}


/* Whatever is finished may end others too, so begin again after each. */

void
ngx_conductor_question_turn(void)
{
    ngx_queue_t             *q;
    ngx_conductor_asking_t  *asking;

    if (ngx_conductor_questions.next == NULL) {
        return;
    }

    q = ngx_queue_head(&ngx_conductor_questions);

    while (q != ngx_queue_sentinel(&ngx_conductor_questions)) {
        asking = ngx_queue_data(q, ngx_conductor_asking_t, queue);
        q = ngx_queue_next(q);

        if (cdr_question_answered(&asking->hub->questions, &asking->ticket)) {
            ngx_conductor_question_finish(asking);
            q = ngx_queue_head(&ngx_conductor_questions);
        }
    }
}


/* With what there is: after five seconds perhaps nothing. */

static void
ngx_conductor_question_finish(ngx_conductor_asking_t *asking)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = asking->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, ngx_conductor_question_send(asking));
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_conductor_question_send(ngx_conductor_asking_t *asking)
{
    int                   rc;
    uint32_t              status;
    ngx_str_t             body;
    ngx_http_request_t   *r;
    ngx_conductor_hub_t  *hub;

    r = asking->request;
    hub = asking->hub;

    ngx_conductor_question_leave(asking);

    body.data = ngx_pnalloc(r->pool, CDR_QUESTION_ANSWER);

    ngx_conductor_zone_lock(hub);

    rc = body.data ? cdr_question_collect(&hub->questions, &asking->ticket,
                                          &status, body.data, &body.len)
                   : CDR_NOMEM;

    if (rc != CDR_OK) {
        cdr_question_drop(&hub->questions, &asking->ticket);
    }

    ngx_conductor_zone_unlock(hub);

    if (rc == CDR_NOMEM) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != CDR_OK) {
        return ngx_conductor_body_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                     "the database has not answered within five seconds");
    }

    return ngx_conductor_send_json(r, status, &body);
}


ngx_int_t
ngx_conductor_question_take(ngx_conductor_hub_t *hub,
    ngx_conductor_question_t *q)
{
    int     rc;
    size_t  len;
    u_char  text[CDR_QUESTION_TEXT];

    if (hub->questions.n == 0) {
        return NGX_DECLINED;
    }

    ngx_conductor_zone_lock(hub);
    rc = cdr_question_take(&hub->questions, ngx_conductor_question_taker(hub),
                           text, &len, &q->ticket);
    ngx_conductor_zone_unlock(hub);

    if (rc != CDR_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(&q->ask, sizeof(cdr_history_ask_t));
    ngx_memcpy(&q->ask, text, ngx_min(len, sizeof(cdr_history_ask_t)));

    q->len = 0;

    return NGX_OK;
}


void
ngx_conductor_question_answer(ngx_conductor_hub_t *hub,
    ngx_conductor_question_t *q)
{
    int        rc;
    uint32_t   asker;
    cdr_str_t  answer;

    answer.data = q->answer;
    answer.len = q->len;

    ngx_conductor_zone_lock(hub);
    rc = cdr_question_answer(&hub->questions,
                             ngx_conductor_question_taker(hub), &q->ticket,
                             (uint32_t) q->status, answer, &asker);
    ngx_conductor_zone_unlock(hub);

    if (rc == CDR_OK) {
        ngx_conductor_wake_one(hub, asker);
    }
}


/* A keeper that follows has another slot, or this one in another life. */

static uint64_t
ngx_conductor_question_taker(ngx_conductor_hub_t *hub)
{
    return ((uint64_t) hub->slot << 32) | hub->incarnation;
}


void
ngx_conductor_question_run(ngx_conductor_question_t *q, cdr_store_t *store)
{
    int       rc;
    uint64_t  until;

    if (store == NULL) {
        ngx_conductor_question_set(q, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "the database is not available");
        return;
    }

    until = ngx_conductor_question_clock(CLOCK_MONOTONIC)
            + NGX_CONDUCTOR_QUESTION_TIME;

    rc = cdr_history_answer(store, &q->ask,
                            ngx_conductor_question_clock(CLOCK_REALTIME),
                            ngx_conductor_question_stop, &until,
                            q->answer, CDR_QUESTION_ANSWER, &q->len);

    if (rc == CDR_OK) {
        q->status = NGX_HTTP_OK;

    } else if (rc == CDR_TOOBIG) {
        ngx_conductor_question_set(q, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "it takes too long: ask for less time");

    } else {
        ngx_conductor_question_set(q, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "the database cannot be read now");
    }
}


static bool
ngx_conductor_question_stop(void *data)
{
    uint64_t  *until = data;

    return ngx_conductor_question_clock(CLOCK_MONOTONIC) > *until;
}


static uint64_t
ngx_conductor_question_clock(clockid_t clock)
{
    struct timespec  ts;

    (void) clock_gettime(clock, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
ngx_conductor_question_text(ngx_conductor_question_t *q, ngx_uint_t status,
    const char *text, size_t len)
{
    q->status = status;
    q->len = len;

    memcpy(q->answer, text, len);
}
