/* What was done under a key, and is not done again. */

#ifndef NGX_CONDUCTOR_IDEM_H_INCLUDED
#define NGX_CONDUCTOR_IDEM_H_INCLUDED


#include "ngx_conductor.h"


/* A key, and what is known of it: see ngx_conductor_idem.c. */

typedef struct {
    ngx_conductor_hub_t          *hub;
    cdr_idem_hash_t               key;
    cdr_idem_hash_t               shared;     /* with Redis: the same key, as
                                                 all servers have it */
    cdr_idem_hash_t               digest;     /* of what is asked for */
    cdr_idem_share_t              share;
    cdr_idem_ticket_t             ticket;     /* while this request has it */
    cdr_idem_answer_t             answer;     /* as the first was answered */
} ngx_conductor_idem_t;


/* The first event of a publication, and by it all others. */

typedef struct {
    cdr_log_pos_t                 pos;
    uint64_t                      lone;       /* server, with pos.local */
    ngx_uint_t                    alone;      /* the others follow in "local",
                                                 else in "n" */
} ngx_conductor_first_t;


/* ngx_conductor_idem.c: what was done under a key */

#define NGX_CONDUCTOR_DONE_PUBLISH     1    /* what was done, in a record */
#define NGX_CONDUCTOR_DONE_COMMAND     2
#define NGX_CONDUCTOR_DONE_ALONE       3    /* a publication, placed so */

#define NGX_CONDUCTOR_IDEM_LOCATION    1    /* whose key it is */
#define NGX_CONDUCTOR_IDEM_USER        2
#define NGX_CONDUCTOR_IDEM_CONNECTION  3

void ngx_conductor_idem_key(ngx_conductor_idem_t *idem, ngx_uint_t kind,
    ngx_str_t *parts, ngx_uint_t n);
void ngx_conductor_idem_digest(ngx_conductor_idem_t *idem, ngx_str_t *data);
ngx_int_t ngx_conductor_idem_find(ngx_conductor_idem_t *idem);
ngx_int_t ngx_conductor_idem_reserve(ngx_conductor_idem_t *idem,
    ngx_uint_t running);
ngx_int_t ngx_conductor_idem_complete(ngx_conductor_idem_t *idem);
void ngx_conductor_idem_release(ngx_conductor_idem_t *idem);
void ngx_conductor_idem_repair(ngx_conductor_hub_t *hub);
void ngx_conductor_idem_local(ngx_conductor_hub_t *hub,
    const cdr_idem_hash_t *shared, cdr_idem_hash_t *key);
void ngx_conductor_idem_first(const cdr_idem_answer_t *answer,
    ngx_conductor_first_t *first);


#endif /* NGX_CONDUCTOR_IDEM_H_INCLUDED */
