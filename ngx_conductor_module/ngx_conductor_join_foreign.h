/*
 * What programs that are no servers of the hub publish in Redis.
 *
 * Every server hears every message of a public channel: what the servers put
 * there themselves, with the id that it has in the log, and what is foreign.
 * Each hands what is foreign to a script, which adds it to the stream when it
 * is told of it for the first time.  Equal messages are told apart by counting:
 * a server that has heard one so often as the stream has it makes it one more.
 */

#ifndef NGX_CONDUCTOR_JOIN_FOREIGN_H_INCLUDED
#define NGX_CONDUCTOR_JOIN_FOREIGN_H_INCLUDED


#include "ngx_conductor_join_own.h"


#define NGX_CONDUCTOR_JOIN_CHANNEL     1024     /* bytes of its name in Redis */
#define NGX_CONDUCTOR_FOREIGN_AHEAD    2000     /* ms that the reader may be
                                                   behind */
#define NGX_CONDUCTOR_FOREIGN_RETRY    1000     /* ms */
#define NGX_CONDUCTOR_FOREIGN_AGE      30000    /* ms to try it */
#define NGX_CONDUCTOR_FOREIGN_KEPT     120000   /* ms that it is counted */
#define NGX_CONDUCTOR_FOREIGN_LOOK     1000     /* events of the log */
#define NGX_CONDUCTOR_FOREIGN_MAX      4096     /* messages that wait, */
#define NGX_CONDUCTOR_FOREIGN_BYTES    (8 * 1024 * 1024)


/* A message that was heard. */

typedef struct {
    ngx_queue_t                   queue;
    ngx_conductor_join_t         *join;
    ngx_msec_t                    heard;
    ngx_msec_t                    retry;    /* not before */
    uint64_t                      ms;       /* the place that it says it has; */
    uint64_t                      n;        /* 0: none */
    uint64_t                      session;  /* in which it was heard, */
    uint64_t                      since;    /* and when that began, Redis' ms */
    uint64_t                      serial;   /* of the call that tells of it; 0:
                                               none was made */
    unsigned                      asked:1;  /* the script, just now */
    unsigned                      doubtful:1;     /* heard of a Redis that has
                                                     forgotten */
    ngx_str_t                     channel;  /* without what all begin with */
    ngx_str_t                     text;
} ngx_conductor_heard_t;


typedef struct {
    ngx_queue_t                   ahead;    /* until the reader is there */
    ngx_queue_t                   told;     /* to the script */
    ngx_uint_t                    n;        /* of both */
    size_t                        bytes;
    uint64_t                      session;
    uint64_t                      since;
    uint64_t                      serial;
    unsigned                      bad:1;    /* one was; logged */
    unsigned                      late:1;   /* likewise */
} ngx_conductor_foreign_t;


/*
 * ngx_conductor_join_foreign_call.c
 *
 * Checks a message and asks the script.  NGX_OK; NGX_DECLINED: it is no event
 * that is foreign, *error says why, or is NULL if it is the hub's own;
 * NGX_ERROR: no link, or no memory.
 */

ngx_int_t ngx_conductor_foreign_tell(ngx_conductor_heard_t *h,
    ngx_conductor_join_reply_pt handler, const char **error);

/* It has its place, "ms-n": the audit log is told what it is. */

void ngx_conductor_foreign_placed(ngx_conductor_heard_t *h, cdr_str_t place);

/*
 * The id of an event's text, if it is the last thing that it says: NGX_OK with
 * a place.  Whether the log has an event there.  Whether the reader has not
 * come so far.
 */

ngx_int_t ngx_conductor_foreign_place(ngx_str_t *text, uint64_t *ms,
    uint64_t *n);
ngx_uint_t ngx_conductor_foreign_known(ngx_conductor_hub_t *hub, uint64_t ms,
    uint64_t n);


#endif /* NGX_CONDUCTOR_JOIN_FOREIGN_H_INCLUDED */
