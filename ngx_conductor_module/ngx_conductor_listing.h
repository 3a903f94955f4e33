/* A request for the list of connections. */

#ifndef NGX_CONDUCTOR_LISTING_H_INCLUDED
#define NGX_CONDUCTOR_LISTING_H_INCLUDED


#include "ngx_conductor_admin.h"


typedef struct {
    uint32_t                      index;
    uint32_t                      generation;
    uint32_t                      looks;
} ngx_conductor_listed_t;


typedef struct {
    ngx_queue_t                   queue;
    ngx_http_request_t           *request;
    ngx_conductor_hub_t          *hub;
    ngx_event_t                   timer;

    ngx_str_t                     user;       /* data NULL: any */
    ngx_str_t                     role;
    ngx_str_t                     feature;
    ngx_str_t                     address;
    ngx_cidr_t                    cidr;       /* family 0: none */
    ngx_uint_t                    limit;
    uint32_t                      index;      /* the next to be looked at */

    ngx_conductor_listed_t       *items;
    ngx_uint_t                    n;
    ngx_uint_t                    told;       /* of these, in their order */
    unsigned                      more:1;
    unsigned                      waiting:1;
} ngx_conductor_listing_t;


/* Has the worker of a connection told of it, or has it ended? */

#define ngx_conductor_listing_told(l, item)                                   \
    cdr_registry_told(&(l)->hub->registry, (item)->index,                     \
                      (item)->generation, (item)->looks)


/* ngx_conductor_listing_answer.c: NGX_OK, or NGX_ERROR without memory */

ngx_int_t ngx_conductor_listing_answer(ngx_conductor_listing_t *l,
    ngx_str_t *body);


#endif /* NGX_CONDUCTOR_LISTING_H_INCLUDED */
