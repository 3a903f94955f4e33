/* The outbox of a zone: made with it, and finished by the keeper. */

#include "ngx_conductor_offer.h"

#include <openssl/rand.h>


#define NGX_CONDUCTOR_OUTBOX_LIVES  10      /* bits: numbers of a ms */


static void ngx_conductor_outbox_found(ngx_conductor_hub_t *hub,
    ngx_log_t *log);
static void ngx_conductor_outbox_note(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec, const cdr_idem_answer_t *answer);
static void ngx_conductor_outbox_unlock(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec);


ngx_int_t
ngx_conductor_outbox_create(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    uint64_t                  now;
    ngx_conductor_joining_t  *joining;

    if (hub->redis == NULL) {
        return NGX_OK;
    }

    joining = &hub->zone->joining;
    now = ngx_conductor_now();

    if (RAND_bytes((u_char *) &joining->server, sizeof(uint64_t)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    if (joining->server == 0) {
        joining->server = 1;
    }

    atomic_store(&joining->created_ms, now);
    atomic_store(&joining->since_ms, now);
    atomic_store(&joining->state, NGX_CONDUCTOR_REDIS_ALONE);

    ngx_conductor_outbox_found(hub, log);

    cdr_outbox_start(&hub->outbox, now << NGX_CONDUCTOR_OUTBOX_LIVES);

    return NGX_OK;
}


void
ngx_conductor_outbox_kept(ngx_conductor_hub_t *hub, ngx_conductor_kept_t *box)
{
    box->outbox = &hub->outbox;
    box->prefix = "outbox.";
    box->name = "outbox";
    box->server = hub->zone->joining.server;
}


static void
ngx_conductor_outbox_found(ngx_conductor_hub_t *hub, ngx_log_t *log)
{
    ngx_conductor_kept_t   box;
    ngx_conductor_found_t  found;

    ngx_conductor_outbox_kept(hub, &box);
    ngx_conductor_outbox_restore(hub, &box, &found, log);

    if (found.server == 0) {
        return;
    }

    hub->zone->joining.server = found.server;
    hub->zone->joining.lone_n = found.n;

    if (found.dropped) {
        atomic_store(&hub->zone->joining.dropped, found.dropped);

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "hub \"%V\": %uL events that Redis does not have find "
                      "no room in the outbox", &hub->name, found.dropped);
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "hub \"%V\" begins with %uL events that Redis does not "
                  "have", &hub->name, found.events - found.dropped);
}


ngx_int_t
ngx_conductor_outbox_finish(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec, cdr_ticket_state_e state,
    const cdr_ticket_outcome_t *outcome, uint32_t *slot)
{
    cdr_idem_answer_t     answer;
    cdr_ticket_outcome_t  out;

    out = *outcome;

    if (rec->keyed && state == CDR_TICKET_FAILED) {
        ngx_conductor_outbox_unlock(hub, rec);

    } else if (rec->keyed) {

        if (state == CDR_TICKET_REPEATED) {
            out.answer.kind = NGX_CONDUCTOR_DONE_PUBLISH;
            out.answer.seq = 0;
            answer = out.answer;

        } else {
            ngx_memzero(&answer, sizeof(cdr_idem_answer_t));

            answer.kind = out.alone ? NGX_CONDUCTOR_DONE_ALONE
                                    : NGX_CONDUCTOR_DONE_PUBLISH;
            answer.count = rec->count;
            answer.ms = out.first.ms;
            answer.n = out.first.n;
            answer.local = out.first.local;
            answer.lone = out.lone;
            answer.digest = rec->digest;
        }

        ngx_conductor_outbox_note(hub, rec, &answer);
    }

    return cdr_ticket_finish(&hub->outbox, rec, state, &out, slot) == CDR_OK
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_conductor_outbox_cancel(ngx_conductor_hub_t *hub, uint64_t n)
{
    cdr_outbox_rec_t  *rec;

    if (cdr_outbox_cancel(&hub->outbox, n) != CDR_OK) {
        return NGX_DECLINED;
    }

    if (cdr_outbox_find(&hub->outbox, n, &rec) == CDR_OK && rec->keyed) {
        ngx_conductor_outbox_unlock(hub, rec);
    }

    return NGX_OK;
}


/* Whoever repeats it is answered like the first; one that is lost, is lost. */

static void
ngx_conductor_outbox_note(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec, const cdr_idem_answer_t *answer)
{
    cdr_idem_hash_t  key;

    ngx_conductor_idem_local(hub, &rec->key, &key);

    if (cdr_idem_note(&hub->idem, &key, answer, ngx_current_msec)
        == CDR_ERROR)
    {
        ngx_conductor_idem_repair(hub);
        (void) cdr_idem_note(&hub->idem, &key, answer, ngx_current_msec);
    }
}


/* It was not done: the key may be used again. */

static void
ngx_conductor_outbox_unlock(ngx_conductor_hub_t *hub,
    const cdr_outbox_rec_t *rec)
{
    cdr_idem_hash_t  key;

    ngx_conductor_idem_local(hub, &rec->key, &key);

    if (cdr_idem_forget(&hub->idem, &key) == CDR_ERROR) {
        ngx_conductor_idem_repair(hub);
        (void) cdr_idem_forget(&hub->idem, &key);
    }
}
