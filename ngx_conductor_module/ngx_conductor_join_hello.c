/*
 * What is agreed on with Redis when a link comes up, or when a call failed: a
 * session begins, and it is told how far either side has got.
 */

#include "ngx_conductor_join_own.h"

#include <openssl/rand.h>


/* What it is told. */

typedef struct {
    ngx_str_t                     argv[8];
    u_char                        log[256];
    u_char                        heads[256];
    u_char                        server[NGX_INT64_LEN];
    u_char                        session[NGX_INT64_LEN];
    u_char                        last[CDR_STREAM_PLACE_LEN];
    u_char                        name[33];
    u_char                        n[NGX_INT64_LEN];
    u_char                        came[NGX_INT64_LEN];
} ngx_conductor_join_greeting_t;


/* What it says. */

typedef struct {
    uint64_t                      top;      /* our highest number there */
    cdr_str_t                     stream;   /* its name */
    cdr_log_pos_t                 first;    /* places: of the first entry */
    cdr_log_pos_t                 tail;     /* and of the last; 0: none */
    ngx_uint_t                    there;    /* our last one is */
    uint64_t                      now;      /* ms, by its clock */
} ngx_conductor_join_hello_t;


static void ngx_conductor_join_greeting(ngx_conductor_join_own_t *own,
    ngx_conductor_join_greeting_t *g);
static void ngx_conductor_join_greeted(ngx_conductor_join_t *join,
    redisReply *reply, void *data);
static ngx_int_t ngx_conductor_join_hello_parse(
    ngx_conductor_join_hello_t *h, redisReply *reply);
static void ngx_conductor_join_begin(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h);
static ngx_uint_t ngx_conductor_join_forgotten(
    ngx_conductor_join_own_t *own, ngx_conductor_join_hello_t *h);
static void ngx_conductor_join_ordered(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h);
static void ngx_conductor_join_where(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h);
static const char *ngx_conductor_join_missing(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h);


void
ngx_conductor_join_hello(ngx_conductor_join_own_t *own)
{
    u_char                         random[16];
    ngx_conductor_join_greeting_t  greeting;

    own->over = 0;
    own->greeted = 0;
    own->greeting = 1;
    own->hello_at = ngx_current_msec;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_conductor_join_over(own, NGX_CONDUCTOR_JOIN_RETRY);
        return;
    }

    ngx_memcpy(&own->session, random, sizeof(uint64_t));
    own->session >>= 12;

    greeting.argv[5].data = greeting.name;
    greeting.argv[5].len = ngx_hex_dump(greeting.name, random, sizeof(random))
                           - greeting.name;

    ngx_conductor_join_greeting(own, &greeting);

    if (ngx_conductor_join_script(&own->join, &ngx_conductor_join_script_hello,
                                  ngx_conductor_join_greeted, NULL, 2, 8,
                                  greeting.argv)
        != NGX_OK)
    {
        ngx_conductor_join_over(own, NGX_CONDUCTOR_JOIN_RETRY);
    }
}


/* All that Redis is told but the name that the stream gets if it has none. */

static void
ngx_conductor_join_greeting(ngx_conductor_join_own_t *own,
    ngx_conductor_join_greeting_t *g)
{
    ngx_str_t                *argv;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    argv = g->argv;
    hub = own->join.hub;
    joining = &hub->zone->joining;

    argv[0].data = g->log;
    argv[0].len = ngx_slprintf(g->log, g->log + sizeof(g->log), "%Vlog",
                               &own->join.conf->base)
                  - g->log;

    argv[1].data = g->heads;
    argv[1].len = ngx_slprintf(g->heads, g->heads + sizeof(g->heads),
                               "%Vheads", &own->join.conf->base)
                  - g->heads;

    argv[2].data = g->server;
    argv[2].len = ngx_sprintf(g->server, "%uL", joining->server) - g->server;

    argv[3].data = g->session;
    argv[3].len = ngx_sprintf(g->session, "%uL", own->session) - g->session;

    argv[4].data = g->last;
    argv[4].len = cdr_stream_place_print(g->last, joining->last_ms,
                                         joining->last_n);

    argv[6].data = g->n;
    argv[6].len = ngx_sprintf(g->n, "%uL", cdr_outbox_n(&hub->outbox)) - g->n;

    ngx_conductor_zone_lock(hub);

    argv[7].data = g->came;
    argv[7].len = ngx_sprintf(g->came, "%uL",
                              cdr_source_highest(&hub->sources,
                                                 joining->server))
                  - g->came;

    ngx_conductor_zone_unlock(hub);
}


/* The session is: what is on its way counts no more. */

void
ngx_conductor_join_over(ngx_conductor_join_own_t *own, ngx_msec_t wait)
{
    own->ncalls = 0;
    own->session = 0;
    own->greeted = 0;
    own->greeting = 0;
    own->over = 1;
    own->hello_at = ngx_current_msec + wait;
}


static void
ngx_conductor_join_greeted(ngx_conductor_join_t *join, redisReply *reply,
    void *data)
{
    ngx_conductor_join_own_t    *own;
    ngx_conductor_join_hello_t   hello;
    u_char                       text[NGX_CONDUCTOR_KEEPER_TEXT];

    own = ngx_conductor_join_own(join);

    if (reply == NULL || !own->linked || !own->greeting) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        /* the link was told of it already */

        (void) ngx_snprintf(text, sizeof(text), "%*s%Z",
                            ngx_min((size_t) reply->len, sizeof(text) - 1),
                            reply->str);

        ngx_conductor_join_over(own, NGX_CONDUCTOR_JOIN_RETRY);
        ngx_conductor_join_alone(own, (char *) text);
        ngx_conductor_join_turn(own);
        return;
    }

    if (ngx_conductor_join_hello_parse(&hello, reply) != NGX_OK) {
        ngx_conductor_join_over(own, NGX_CONDUCTOR_JOIN_RETRY);
        ngx_conductor_join_alone(own, "Redis gives answers that make no "
                                 "sense");
        return;
    }

    ngx_conductor_join_begin(own, &hello);
}


static ngx_int_t
ngx_conductor_join_hello_parse(ngx_conductor_join_hello_t *h,
    redisReply *reply)
{
    redisReply  **e;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 6) {
        return NGX_ERROR;
    }

    e = reply->element;

    if (e[0]->type != REDIS_REPLY_INTEGER || e[0]->integer < 0
        || e[1]->type != REDIS_REPLY_STRING
        || e[1]->len >= NGX_CONDUCTOR_STREAM_NAME
        || ngx_conductor_join_reply_place(&h->first, e[2]) != NGX_OK
        || ngx_conductor_join_reply_place(&h->tail, e[3]) != NGX_OK
        || e[4]->type != REDIS_REPLY_INTEGER
        || e[5]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    h->top = e[0]->integer;
    h->stream.data = (u_char *) e[1]->str;
    h->stream.len = e[1]->len;
    h->there = (e[4]->integer != 0);
    h->now = e[5]->integer;

    return NGX_OK;
}


static void
ngx_conductor_join_begin(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h)
{
    ngx_conductor_join_t  *join;

    join = &own->join;

    own->greeting = 0;
    own->greeted = 1;
    own->loaded = 0;
    own->call = 1;
    own->ahead = 0;
    own->top = h->top;
    own->tail = h->tail;
    own->greeted_tail = h->tail;
    own->upto_key = h->top;

    cdr_outbox_first(&join->hub->outbox, &own->offered);

    join->forgotten = ngx_conductor_join_forgotten(own, h);

    if (join->forgotten && join->up && !own->again_due) {

        /* who hangs on it has to know, too */

        ngx_conductor_link_fail(join->link, "Redis has lost what it had");
        return;
    }

    ngx_conductor_join_ordered(own, h);

    if (!join->up) {
        ngx_conductor_join_where(own, h);
        ngx_conductor_join_up(own);
    }

    ngx_conductor_join_turn(own);

    if (own->greeted && !own->reading) {
        ngx_conductor_join_read(own);
    }
}


/* Is it another one, or has it lost what it had? */

static ngx_uint_t
ngx_conductor_join_forgotten(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h)
{
    ngx_uint_t                rc;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    ngx_memcpy(own->stream, h->stream.data, h->stream.len);
    own->stream[h->stream.len] = '\0';

    ngx_conductor_zone_lock(hub);

    rc = joining->run_id[0]
         && (ngx_strcmp(joining->run_id, own->join.link->run_id) != 0
             || ngx_strcmp(joining->stream, own->stream) != 0);

    ngx_conductor_zone_unlock(hub);

    return rc;
}


/* What Redis says it has, it has; and only that. */

static void
ngx_conductor_join_ordered(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h)
{
    cdr_outbox_rec_t     *rec;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = own->join.hub;

    ngx_conductor_zone_lock(hub);

    cdr_outbox_first(&hub->outbox, &cur);

    while (cdr_outbox_next(&hub->outbox, &cur, &rec) == CDR_OK
           && rec->n + rec->count - 1 <= h->top)
    {
        cdr_outbox_mark(&hub->outbox, rec, CDR_OUTBOX_ORDERED);
    }

    if (hub->zone->joining.lone_n && h->top >= hub->zone->joining.lone_n) {
        own->lone = h->tail;
    }

    own->upto = 0;

    if (own->join.forgotten) {
        cdr_log_cursor_oldest(&hub->log, &own->again);
        cdr_outbox_first(&hub->outbox, &cur);

        own->upto = (cdr_outbox_next(&hub->outbox, &cur, &rec) == CDR_OK)
                    ? rec->n : cdr_outbox_n(&hub->outbox) + 1;
    }

    ngx_conductor_zone_unlock(hub);
}


/*
 * Where reading goes on.  What Redis has lost of its end is offered to it once
 * more, by all servers, and it may stand below what was read.
 */

static void
ngx_conductor_join_where(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h)
{
    uint64_t                  age;
    const char               *missing;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_joining_t  *joining;

    hub = own->join.hub;
    joining = &hub->zone->joining;

    age = ngx_conductor_now() - atomic_load(&joining->created_ms);
    own->old = (h->now > age) ? h->now - age : 0;

    missing = ngx_conductor_join_missing(own, h);

    if (missing) {
        ngx_conductor_join_gap(own, missing);
    }

    ngx_conductor_zone_lock(hub);

    if (missing || own->join.forgotten) {

        /* they need not follow each other */

        joining->last_index = 0;
    }

    own->read.ms = joining->last_ms;
    own->read.n = joining->last_n;

    if (joining->run_id[0] == '\0' && joining->based) {

        /* that place was given by our own clock */

        own->read.ms = ngx_min(own->read.ms, own->old);
        own->read.n = 0;
    }

    ngx_conductor_zone_unlock(hub);

    own->target = h->tail;

    if (own->join.forgotten) {
        own->read.ms -= ngx_min(own->read.ms, NGX_CONDUCTOR_JOIN_AGAIN);
        own->read.n = 0;
    }

    own->again_due = 1;
}


/*
 * Why entries are missing between our last one and what the stream has; NULL
 * if they are not.
 */

static const char *
ngx_conductor_join_missing(ngx_conductor_join_own_t *own,
    ngx_conductor_join_hello_t *h)
{
    uint64_t                  away;
    cdr_log_pos_t             last;
    ngx_conductor_joining_t  *joining;

    joining = &own->join.hub->zone->joining;

    last.ms = joining->last_ms;
    last.n = joining->last_n;
    last.local = 0;

    if (h->there || joining->based || (last.ms | last.n) == 0) {
        return NULL;
    }

    away = ngx_conductor_now() - atomic_load(&joining->read_ms);

    if (own->join.forgotten) {
        return (away > NGX_CONDUCTOR_JOIN_AGAIN)
               ? "Redis has lost what was not read" : NULL;
    }

    return (cdr_log_cmp(&h->first, &last) > 0)
           ? "the stream in Redis has dropped what was not read" : NULL;
}
