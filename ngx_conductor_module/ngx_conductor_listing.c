/*
 * The list of connections, by user, role, feature and address, in pages: what
 * the table has of them, and what their workers are asked for first.
 */

#include "ngx_conductor_listing.h"
#include "ngx_conductor_offer.h"


#define NGX_CONDUCTOR_LISTING_LIMIT  500
#define NGX_CONDUCTOR_LISTING_MAX    10000
#define NGX_CONDUCTOR_LISTING_LOOKS  (128 * 1024)     /* at entries */
#define NGX_CONDUCTOR_LISTING_HOLD   64     /* asked for in a hold */
#define NGX_CONDUCTOR_LISTING_WAIT   500    /* ms, for workers */


static ngx_int_t ngx_conductor_listing_args(ngx_conductor_admin_t *a,
    ngx_conductor_listing_t *l);
static ngx_int_t ngx_conductor_listing_address(ngx_conductor_admin_t *a,
    ngx_conductor_listing_t *l);
static void ngx_conductor_listing_scan(ngx_conductor_listing_t *l);
static ngx_uint_t ngx_conductor_listing_match(ngx_conductor_listing_t *l,
    cdr_conn_copy_t *c);
static ngx_uint_t ngx_conductor_listing_is(ngx_str_t *want, cdr_str_t *str);
static ngx_uint_t ngx_conductor_listing_in(ngx_cidr_t *cidr, cdr_conn_t *c);
static void ngx_conductor_listing_ask(ngx_conductor_listing_t *l);
static ngx_int_t ngx_conductor_listing_wait(ngx_conductor_listing_t *l);
static void ngx_conductor_listing_leave(void *data);
static void ngx_conductor_listing_timeout(ngx_event_t *ev);
static void ngx_conductor_listing_finish(ngx_conductor_listing_t *l);


static ngx_queue_t  ngx_conductor_listings;


ngx_int_t
ngx_conductor_admin_connections(ngx_conductor_admin_t *a)
{
    ngx_int_t                 rc;
    ngx_conductor_listing_t  *l;

    l = ngx_pcalloc(a->request->pool, sizeof(ngx_conductor_listing_t));
    if (l == NULL) {
        return NGX_ERROR;
    }

    l->request = a->request;
    l->hub = a->hub;
    l->limit = NGX_CONDUCTOR_LISTING_LIMIT;

    rc = ngx_conductor_listing_args(a, l);

    if (rc != NGX_OK) {
        return rc;
    }

    l->items = ngx_palloc(a->request->pool,
                          l->limit * sizeof(ngx_conductor_listed_t));
    if (l->items == NULL) {
        return NGX_ERROR;
    }

    ngx_conductor_listing_scan(l);

    if (l->n == 0 || a->hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return ngx_conductor_listing_answer(l, &a->answer);
    }

    ngx_conductor_listing_ask(l);

    return ngx_conductor_listing_wait(l);
}


/* Whoever waits and whose connections have all been told of. */

void
ngx_conductor_listing_turn(void)
{
    ngx_queue_t              *q;
    ngx_conductor_listing_t  *l;

    if (ngx_conductor_listings.next == NULL) {
        return;
    }

    q = ngx_queue_head(&ngx_conductor_listings);

    while (q != ngx_queue_sentinel(&ngx_conductor_listings)) {
        l = ngx_queue_data(q, ngx_conductor_listing_t, queue);
        q = ngx_queue_next(q);

        while (l->told < l->n
               && ngx_conductor_listing_told(l, &l->items[l->told]))
        {
            l->told++;
        }

        if (l->told == l->n) {
            ngx_conductor_listing_finish(l);

            /* this may have ended others, too */

            q = ngx_queue_head(&ngx_conductor_listings);
        }
    }
}


static ngx_int_t
ngx_conductor_listing_args(ngx_conductor_admin_t *a,
    ngx_conductor_listing_t *l)
{
    ngx_int_t  rc;

    rc = ngx_conductor_admin_known(a, "user role feature address limit cursor",
                   "there are the arguments user, role, feature, address, "
                   "limit and cursor, and no other");

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_arg(a, "user", &l->user);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_arg(a, "role", &l->role);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_arg(a, "feature", &l->feature);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_listing_address(a, l);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_limit(a, NGX_CONDUCTOR_LISTING_MAX,
                                       &l->limit);
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_admin_cursor(a, &l->index);
    }

    return rc;
}


/* As it is written, or all of a network. */

static ngx_int_t
ngx_conductor_listing_address(ngx_conductor_admin_t *a,
    ngx_conductor_listing_t *l)
{
    ngx_int_t  rc;

    rc = ngx_conductor_admin_arg(a, "address", &l->address);

    if (rc != NGX_OK || l->address.data == NULL) {
        return rc;
    }

    if (l->address.len >= 5 && ngx_strncmp(l->address.data, "unix:", 5) == 0) {
        return NGX_OK;
    }

    rc = ngx_ptocidr(&l->address, &l->cidr);

    if (rc == NGX_ERROR) {
        return ngx_conductor_admin_wrong(a, NGX_HTTP_BAD_REQUEST,
                                         "it is no address and no network",
                                         "address");
    }

    return NGX_OK;
}


/* A page ends when it is full, or when so many were looked at in vain. */

static void
ngx_conductor_listing_scan(ngx_conductor_listing_t *l)
{
    uint32_t                 i;
    ngx_uint_t               looks;
    cdr_registry_t          *registry;
    cdr_conn_copy_t          copy;
    cdr_registry_entry_t    *e;
    ngx_conductor_listed_t  *item;

    registry = &l->hub->registry;
    looks = 0;

    for (i = cdr_registry_next(registry, l->index);
         i != UINT32_MAX;
         i = cdr_registry_next(registry, i + 1))
    {
        l->index = i;

        if (l->n == l->limit || looks++ == NGX_CONDUCTOR_LISTING_LOOKS) {
            l->more = 1;
            return;
        }

        e = cdr_registry_entry(registry, i);

        item = &l->items[l->n];
        item->index = i;
        item->looks = atomic_load(&e->looks);

        if (cdr_registry_snapshot(registry, i, &copy) != CDR_OK
            || !ngx_conductor_listing_match(l, &copy))
        {
            continue;
        }

        item->generation = copy.generation;
        l->n++;
    }
}


static ngx_uint_t
ngx_conductor_listing_match(ngx_conductor_listing_t *l, cdr_conn_copy_t *c)
{
    return ngx_conductor_listing_is(&l->user, &c->str[CDR_CONN_USER])
           && ngx_conductor_listing_is(&l->feature,
                                       &c->str[CDR_CONN_FEATURE])
           && (ngx_conductor_listing_is(&l->address,
                                        &c->str[CDR_CONN_ADDRESS])
               || ngx_conductor_listing_in(&l->cidr, &c->conn))
           && (l->role.data == NULL
               || ngx_conductor_role_is(&l->role, c->str[CDR_CONN_ROLE]));
}


static ngx_uint_t
ngx_conductor_listing_is(ngx_str_t *want, cdr_str_t *str)
{
    return want->data == NULL
           || (want->len == str->len
               && ngx_memcmp(want->data, str->data, want->len) == 0);
}


static ngx_uint_t
ngx_conductor_listing_in(ngx_cidr_t *cidr, cdr_conn_t *c)
{
    in_addr_t   inaddr;

#if (NGX_HAVE_INET6)
    ngx_uint_t  i;
#endif

    if (cidr->family == 0 || c->family != cidr->family) {
        return 0;
    }

#if (NGX_HAVE_INET6)

    if (c->family == AF_INET6) {

        for (i = 0; i < 16; i++) {
            if ((c->addr[i] & cidr->u.in6.mask.s6_addr[i])
                != cidr->u.in6.addr.s6_addr[i])
            {
                return 0;
            }
        }

        return 1;
    }

#endif

    ngx_memcpy(&inaddr, c->addr, sizeof(in_addr_t));

    return c->family == AF_INET
           && (inaddr & cidr->u.in.mask) == cidr->u.in.addr;
}


/* Asks those workers for what only they know. */

static void
ngx_conductor_listing_ask(ngx_conductor_listing_t *l)
{
    uint32_t                 slot;
    ngx_uint_t               i, end;
    ngx_conductor_hub_t     *hub;
    cdr_registry_entry_t    *e;
    ngx_conductor_listed_t  *item;
    u_char                   wake[CDR_SLOTS];

    hub = l->hub;
    ngx_memzero(wake, sizeof(wake));

    for (i = 0; i < l->n; /* void */ ) {
        end = ngx_min(i + NGX_CONDUCTOR_LISTING_HOLD, l->n);

        ngx_conductor_zone_lock(hub);

        for ( /* void */ ; i < end; i++) {
            item = &l->items[i];
            e = cdr_registry_entry(&hub->registry, item->index);
            slot = e->conn.owner.slot % CDR_SLOTS;

            if (cdr_registry_ask(&hub->registry, item->index,
                                 item->generation, &hub->zone->asked[slot])
                == CDR_OK)
            {
                wake[slot] = 1;
            }
        }

        ngx_conductor_zone_unlock(hub);
    }

    for (i = 0; i < CDR_SLOTS; i++) {
        if (wake[i]) {
            ngx_conductor_wake_worker(hub, (uint32_t) i);
        }
    }
}


static ngx_int_t
ngx_conductor_listing_wait(ngx_conductor_listing_t *l)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(l->request, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_conductor_listing_leave;
    cln->data = l;

    if (ngx_conductor_listings.next == NULL) {
        ngx_queue_init(&ngx_conductor_listings);
    }

    ngx_queue_insert_tail(&ngx_conductor_listings, &l->queue);

    l->waiting = 1;
    l->timer.handler = ngx_conductor_listing_timeout;
    l->timer.data = l->request->connection;
    l->timer.log = l->request->connection->log;

    ngx_add_timer(&l->timer, NGX_CONDUCTOR_LISTING_WAIT);

    return NGX_DONE;
}


static void
ngx_conductor_listing_leave(void *data)
{
    ngx_conductor_listing_t *l = data;

    if (!l->waiting) {
        return;
    }

    l->waiting = 0;

    ngx_queue_remove(&l->queue);

    if (l->timer.timer_set) {
        ngx_del_timer(&l->timer);
    }
}


/* A timer's data is a connection, for nginx's debugging. */

static void
ngx_conductor_listing_timeout(ngx_event_t *ev)
{
    ngx_conductor_listing_t  *l;

    l = (ngx_conductor_listing_t *)
            ((u_char *) ev - offsetof(ngx_conductor_listing_t, timer));

    ngx_conductor_listing_finish(l);
}


static void
ngx_conductor_listing_finish(ngx_conductor_listing_t *l)
{
    ngx_int_t   rc;
    ngx_str_t   body;

    ngx_conductor_listing_leave(l);

    rc = ngx_conductor_listing_answer(l, &body);

    ngx_conductor_offer_finalize(l->request, (rc == NGX_OK)
                             ? ngx_conductor_send_json(l->request, NGX_HTTP_OK,
                                                       &body)
                             : NGX_HTTP_INTERNAL_SERVER_ERROR);
}
