/* A worker does an errand: it calls the location of a back end. */

#include "ngx_conductor_errand.h"
#include "ngx_conductor_call.h"


#define NGX_CONDUCTOR_ERRAND_TIME  60000    /* ms */


typedef struct {
    ngx_conductor_hub_t          *hub;
    uint32_t                      i;          /* what is lent */
    uint32_t                      kind;       /* CDR_CALL_... */
} ngx_conductor_doing_t;


static void ngx_conductor_errand_do(ngx_conductor_hub_t *hub, uint32_t i);
static ngx_int_t ngx_conductor_errand_copy(ngx_conductor_hub_t *hub,
    cdr_lend_t *lend, ngx_str_t *text, u_char *id, uint32_t *kind);
static ngx_int_t ngx_conductor_errand_call(ngx_conductor_hub_t *hub,
    uint32_t i, ngx_str_t *text, u_char *id, uint32_t kind);
static void ngx_conductor_errand_answer(void *data,
    ngx_conductor_answer_t *answer);
static void ngx_conductor_errand_return(ngx_conductor_hub_t *hub, uint32_t i,
    cdr_lend_state_e state, ngx_uint_t result);


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


static void
ngx_conductor_errand_do(ngx_conductor_hub_t *hub, uint32_t i)
{
    uint32_t     kind;
    ngx_int_t    rc;
    ngx_str_t    text;
    cdr_lend_t  *lend;
    u_char       id[CDR_CONN_ID_TEXT_LEN];

    lend = &hub->errands->lends.lends[i];

    /* a worker that ends is not to be kept from it */

    if (ngx_exiting || ngx_terminate || ngx_quit
        || ngx_conductor_target(hub, lend->tag) == NULL)
    {
        ngx_conductor_errand_return(hub, i, CDR_LEND_REFUSED, 0);
        return;
    }

    rc = ngx_conductor_errand_copy(hub, lend, &text, id, &kind);

    if (rc == NGX_DECLINED) {

        /* it made way */

        ngx_conductor_errand_return(hub, i, CDR_LEND_DONE, 0);
        return;
    }

    if (rc == NGX_OK) {
        rc = ngx_conductor_errand_call(hub, i, &text, id, kind);
        ngx_free(text.data);
    }

    if (rc != NGX_OK) {
        ngx_conductor_errand_return(hub, i, CDR_LEND_REFUSED, 0);
    }
}


static ngx_int_t
ngx_conductor_errand_copy(ngx_conductor_hub_t *hub, cdr_lend_t *lend,
    ngx_str_t *text, u_char *id, uint32_t *kind)
{
    cdr_str_t             type, value;
    ngx_int_t             rc;
    cdr_outbox_rec_t     *rec;
    cdr_outbox_iter_t     it;
    cdr_outbox_cursor_t   cur;

    rc = NGX_DECLINED;
    cur.at = lend->at;
    cur.number = 0;

    ngx_conductor_zone_lock(hub);

    if (cdr_outbox_seek(&hub->errand_box, &cur, lend->n, &rec) == CDR_OK) {

        cdr_outbox_items(rec, &it);

        if (cdr_outbox_item(&it, kind, &type, &value) == CDR_OK) {
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

    return rc;
}


static ngx_int_t
ngx_conductor_errand_call(ngx_conductor_hub_t *hub, uint32_t i,
    ngx_str_t *text, u_char *id, uint32_t kind)
{
    ngx_conductor_doing_t      *doing;
    ngx_conductor_target_t     *target;
    ngx_conductor_call_conf_t   conf;

    target = ngx_conductor_target(hub, hub->errands->lends.lends[i].tag);

    doing = ngx_alloc(sizeof(ngx_conductor_doing_t), ngx_cycle->log);
    if (doing == NULL) {
        return NGX_ERROR;
    }

    doing->hub = hub;
    doing->i = i;
    doing->kind = kind % CDR_CALL_N;

    ngx_memzero(&conf, sizeof(ngx_conductor_call_conf_t));

    conf.hub = hub;
    conf.server = target->server;
    conf.uri = target->uri;
    conf.body = *text;
    conf.connection.data = id;
    conf.connection.len = CDR_CONN_ID_TEXT_LEN;
    conf.timeout = NGX_CONDUCTOR_ERRAND_TIME;
    conf.handler = ngx_conductor_errand_answer;
    conf.data = doing;

    if (ngx_conductor_call(&conf) == NULL) {
        ngx_free(doing);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_conductor_errand_answer(void *data, ngx_conductor_answer_t *answer)
{
    ngx_conductor_doing_t *doing = data;

    ngx_uint_t            done;
    ngx_conductor_hub_t  *hub;

    hub = doing->hub;

    ngx_conductor_count(hub, CDR_FIGURE_CALLS + CDR_CALLED_OK
                             + answer->outcome, 1);
    ngx_conductor_observe(hub, CDR_HISTOGRAM_CALL + doing->kind, answer->us);

    /* what it answers is not read, so it is never too much */

    done = answer->outcome == NGX_CONDUCTOR_CALL_OK
           || (answer->outcome == NGX_CONDUCTOR_CALL_TOO_BIG
               && answer->status >= NGX_HTTP_OK
               && answer->status < NGX_HTTP_SPECIAL_RESPONSE);

    ngx_conductor_errand_return(hub, doing->i,
                                done ? CDR_LEND_DONE : CDR_LEND_FAILED,
                                answer->status);
    ngx_free(doing);
}


static void
ngx_conductor_errand_return(ngx_conductor_hub_t *hub, uint32_t i,
    cdr_lend_state_e state, ngx_uint_t result)
{
    cdr_lend_return(&hub->errands->lends, i, state, (uint32_t) result);

    ngx_conductor_wake_keeper(hub);
}
