/* A worker does an errand: it calls the location of a back end. */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_backend.h"


#define NGX_CONDUCTOR_ERRAND_MEMBERS  16    /* of an object, at most */


typedef struct {
    ngx_queue_t                   queue;      /* of this worker's */
    ngx_conductor_hub_t          *hub;
    ngx_conductor_target_t       *target;
    ngx_conductor_backend_t      *backend;    /* the same, for its tickets */
    ngx_conductor_ticket_t        ticket;
    ngx_conductor_call_t         *call;
    uint32_t                      i;          /* what is lent */
    uint32_t                      kind;       /* CDR_CALL_... */
} ngx_conductor_doing_t;


static void ngx_conductor_errand_do(ngx_conductor_hub_t *hub, uint32_t i);
static ngx_conductor_doing_t *ngx_conductor_errand_doing(
    ngx_conductor_hub_t *hub, uint32_t i);
static void ngx_conductor_errand_begin(void *data);
static ngx_int_t ngx_conductor_errand_copy(ngx_conductor_doing_t *doing,
    ngx_str_t *text, u_char *id);
static ngx_int_t ngx_conductor_errand_call(ngx_conductor_doing_t *doing,
    ngx_str_t *text, u_char *id);
static void ngx_conductor_errand_address(ngx_str_t *text, ngx_str_t *address);
static void ngx_conductor_errand_answer(void *data,
    ngx_conductor_answer_t *answer);
static void ngx_conductor_errand_end(ngx_conductor_doing_t *doing,
    cdr_lend_state_e state, ngx_uint_t result);
static void ngx_conductor_errand_return(ngx_conductor_hub_t *hub, uint32_t i,
    cdr_lend_state_e state, ngx_uint_t result);


static ngx_queue_t  ngx_conductor_doings = {
    &ngx_conductor_doings, &ngx_conductor_doings
};


void
ngx_conductor_errands_do(ngx_conductor_hub_t *hub)
{
    uint32_t  i;

    if (hub->errands == NULL || hub->slot == NGX_CONDUCTOR_NO_SLOT) {
        return;
    }

    for ( ;; ) {
        i = cdr_lend_take(&hub->errands->lends, (uint32_t) hub->slot,
                          hub->incarnation);

        if (i == CDR_LENDS) {
            return;
        }

        ngx_conductor_errand_do(hub, i);
    }
}


/* A worker that ends is not kept from it for longer than "drain". */

void
ngx_conductor_errands_tick(void)
{
    ngx_queue_t            *q, *next;
    ngx_conductor_doing_t  *doing;

    if (!ngx_exiting) {
        return;
    }

    for (q = ngx_queue_head(&ngx_conductor_doings);
         q != ngx_queue_sentinel(&ngx_conductor_doings);
         q = next)
    {
        next = ngx_queue_next(q);
        doing = ngx_queue_data(q, ngx_conductor_doing_t, queue);

        if (doing->call == NULL) {
            ngx_conductor_backend_forget(&doing->ticket);
            ngx_conductor_errand_end(doing, CDR_LEND_REFUSED, 0);

        } else if (ngx_conductor_overdue(doing->hub)) {
            ngx_conductor_call_cancel(doing->call);
            ngx_conductor_backend_leave(doing->backend);
            ngx_conductor_errand_end(doing, CDR_LEND_REFUSED, 0);
        }
    }
}


static void
ngx_conductor_errand_do(ngx_conductor_hub_t *hub, uint32_t i)
{
    ngx_conductor_doing_t  *doing;

    if (ngx_exiting || ngx_terminate || ngx_quit) {
        ngx_conductor_errand_return(hub, i, CDR_LEND_REFUSED, 0);
        return;
    }

    doing = ngx_conductor_errand_doing(hub, i);

    if (doing == NULL) {
        ngx_conductor_errand_return(hub, i, CDR_LEND_REFUSED, 0);
        return;
    }

    if (ngx_conductor_backend_enter(doing->backend, &doing->ticket)
        == NGX_OK)
    {
        ngx_conductor_errand_begin(doing);
    }
}


/* NULL without memory, or if the configuration does not have its target. */

static ngx_conductor_doing_t *
ngx_conductor_errand_doing(ngx_conductor_hub_t *hub, uint32_t i)
{
    ngx_uint_t                 k;
    ngx_conductor_doing_t     *doing;
    ngx_conductor_target_t    *target;
    ngx_conductor_backend_t  **backend;

    target = ngx_conductor_target(hub, hub->errands->lends.lends[i].tag);
    backend = hub->backends.elts;

    for (k = 0; target && k < hub->backends.nelts; k++) {
        if (backend[k]->server && backend[k]->tag == target->tag) {
            break;
        }
    }

    if (target == NULL || k == hub->backends.nelts) {
        return NULL;
    }

    doing = ngx_calloc(sizeof(ngx_conductor_doing_t), ngx_cycle->log);
    if (doing == NULL) {
        return NULL;
    }

    doing->hub = hub;
    doing->target = target;
    doing->backend = backend[k];
    doing->i = i;

    doing->ticket.wait = NGX_CONDUCTOR_WAIT_ERRAND;
    doing->ticket.limit = target->calls;
    doing->ticket.handler = ngx_conductor_errand_begin;
    doing->ticket.data = doing;

    ngx_queue_insert_tail(&ngx_conductor_doings, &doing->queue);

    return doing;
}


/* Its turn has come. */

static void
ngx_conductor_errand_begin(void *data)
{
    ngx_conductor_doing_t *doing = data;

    ngx_int_t  rc;
    ngx_str_t  text;
    u_char     id[CDR_CONN_ID_TEXT_LEN];

    rc = ngx_conductor_errand_copy(doing, &text, id);

    if (rc == NGX_OK) {
        rc = ngx_conductor_errand_call(doing, &text, id);
        ngx_free(text.data);
    }

    if (rc == NGX_OK) {
        return;
    }

    ngx_conductor_backend_leave(doing->backend);

    /* or it made way: nobody has done it, and the keeper forgets it */

    ngx_conductor_errand_end(doing, (rc == NGX_DECLINED) ? CDR_LEND_LOST
                                                         : CDR_LEND_REFUSED,
                             0);
}


static ngx_int_t
ngx_conductor_errand_copy(ngx_conductor_doing_t *doing, ngx_str_t *text,
    u_char *id)
{
    cdr_str_t             type, value;
    ngx_int_t             rc;
    cdr_lend_t           *lend;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_iter_t     it;
    cdr_outbox_cursor_t   cur;
    ngx_conductor_hub_t  *hub;

    hub = doing->hub;
    lend = &hub->errands->lends.lends[doing->i];

    rc = NGX_DECLINED;
    cur.at = lend->at;
    cur.number = 0;

    ngx_conductor_zone_lock(hub);

    if (cdr_outbox_seek(&hub->errand_box, &cur, lend->n, &rec) == CDR_OK) {

        cdr_outbox_items(rec, &it);

        if (cdr_outbox_item(&it, &doing->kind, &type, &value) == CDR_OK) {
            text->len = value.len;
            text->data = ngx_alloc(value.len, ngx_cycle->log);
            rc = NGX_ERROR;

            if (text->data) {
                ngx_memcpy(text->data, value.data, value.len);
                cdr_conn_id_print(id, (u_char *) &rec->key);
                rc = NGX_OK;
            }
        }
    }

    ngx_conductor_zone_unlock(hub);

    doing->kind %= CDR_CALL_N;

    return rc;
}


static ngx_int_t
ngx_conductor_errand_call(ngx_conductor_doing_t *doing, ngx_str_t *text,
    u_char *id)
{
    ngx_conductor_call_conf_t  conf;
    u_char                     address[CDR_CONN_ADDRESS_MAX];

    ngx_memzero(&conf, sizeof(ngx_conductor_call_conf_t));

    conf.hub = doing->hub;
    conf.server = doing->target->server;
    conf.uri = doing->target->uri;
    conf.body = *text;
    conf.address.data = address;
    conf.connection.data = id;
    conf.connection.len = CDR_CONN_ID_TEXT_LEN;
    conf.timeout = doing->target->timeout;
    conf.handler = ngx_conductor_errand_answer;
    conf.data = doing;

    ngx_conductor_errand_address(text, &conf.address);

    doing->call = ngx_conductor_call(&conf);

    return doing->call ? NGX_OK : NGX_ERROR;
}


/* The client's, as the object says; into room for the longest. */

static void
ngx_conductor_errand_address(ngx_str_t *text, ngx_str_t *address)
{
    cdr_str_t                 json, value;
    cdr_json_scan_t           scan;
    cdr_json_member_t         members[NGX_CONDUCTOR_ERRAND_MEMBERS];
    const cdr_json_member_t  *member;
    static const cdr_str_t    name = cdr_str("address");

    json.data = text->data;
    json.len = text->len;

    scan.members = members;
    scan.max_members = NGX_CONDUCTOR_ERRAND_MEMBERS;
    scan.max_depth = CDR_JSON_MAX_DEPTH;

    if (cdr_json_scan(&scan, json) != CDR_OK) {
        return;
    }

    member = cdr_json_find(members, scan.nmembers, name);

    if (member && member->type == CDR_JSON_STRING) {
        value = cdr_json_text(member->value);

        if (cdr_json_unescape_size(value) <= CDR_CONN_ADDRESS_MAX) {
            address->len = cdr_json_unescape(address->data, value);
        }
    }
}


static void
ngx_conductor_errand_answer(void *data, ngx_conductor_answer_t *answer)
{
    ngx_conductor_doing_t *doing = data;

    ngx_uint_t            done;
    ngx_conductor_hub_t  *hub;

    hub = doing->hub;

    ngx_conductor_backend_leave(doing->backend);

    ngx_conductor_count(hub, CDR_FIGURE_CALLS + CDR_CALLED_OK
                             + answer->outcome, 1);
    ngx_conductor_observe(hub, CDR_HISTOGRAM_CALL + doing->kind, answer->us);

    /* what it answers is not read, so it is never too much */

    done = answer->outcome == NGX_CONDUCTOR_CALL_OK
           || (answer->outcome == NGX_CONDUCTOR_CALL_TOO_BIG
               && answer->status >= NGX_HTTP_OK
               && answer->status < NGX_HTTP_SPECIAL_RESPONSE);

    ngx_conductor_errand_end(doing, done ? CDR_LEND_DONE : CDR_LEND_FAILED,
                             answer->status);
}


static void
ngx_conductor_errand_end(ngx_conductor_doing_t *doing, cdr_lend_state_e state,
    ngx_uint_t result)
{
    ngx_conductor_errand_return(doing->hub, doing->i, state, result);

    ngx_queue_remove(&doing->queue);
    ngx_free(doing);
}


static void
ngx_conductor_errand_return(ngx_conductor_hub_t *hub, uint32_t i,
    cdr_lend_state_e state, ngx_uint_t result)
{
    cdr_lend_return(&hub->errands->lends, i, state, (uint32_t) result);

    ngx_conductor_wake_keeper(hub);
}
