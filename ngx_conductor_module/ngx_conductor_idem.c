/* What was done under a key: the hub's table, asked and told. */

#include "ngx_conductor.h"

#include <cdr_siphash.h>
#include <openssl/sha.h>


#define NGX_CONDUCTOR_IDEM_PARTS   4
#define NGX_CONDUCTOR_IDEM_DIGEST  0        /* no kind of a key is */


static void ngx_conductor_idem_hash(ngx_conductor_hub_t *hub,
    ngx_uint_t kind, u_char *data, size_t len, cdr_idem_hash_t *hash);
static void ngx_conductor_idem_own(ngx_conductor_hub_t *hub, ngx_uint_t kind,
    u_char *data, size_t len, cdr_idem_hash_t *hash);
static void ngx_conductor_idem_shared(ngx_uint_t kind, u_char *data,
    size_t len, cdr_idem_hash_t *hash);


/*
 * Of kind and all parts, each hashed by itself: so it matters where one ends
 * and the next begins, and none is too long.
 */

void
ngx_conductor_idem_key(ngx_conductor_idem_t *idem, ngx_uint_t kind,
    ngx_str_t *parts, ngx_uint_t n)
{
    ngx_uint_t       i;
    cdr_idem_hash_t  hash[NGX_CONDUCTOR_IDEM_PARTS];

    n = ngx_min(n, NGX_CONDUCTOR_IDEM_PARTS);

    for (i = 0; i < n; i++) {
        ngx_conductor_idem_hash(idem->hub, kind, parts[i].data, parts[i].len,
                                &hash[i]);
    }

    ngx_conductor_idem_hash(idem->hub, kind, (u_char *) hash,
                            n * sizeof(cdr_idem_hash_t), &idem->key);

    if (idem->hub->redis) {
        idem->shared = idem->key;
        ngx_conductor_idem_local(idem->hub, &idem->shared, &idem->key);
    }
}


/* The key in this server's table: nobody outside can choose its place. */

void
ngx_conductor_idem_local(ngx_conductor_hub_t *hub,
    const cdr_idem_hash_t *shared, cdr_idem_hash_t *key)
{
    ngx_conductor_idem_own(hub, NGX_CONDUCTOR_IDEM_DIGEST, (u_char *) shared,
                           sizeof(cdr_idem_hash_t), key);
}


void
ngx_conductor_idem_first(const cdr_idem_answer_t *answer,
    ngx_conductor_first_t *first)
{
    first->pos.ms = answer->ms;
    first->pos.n = answer->n;
    first->pos.local = answer->local;
    first->lone = answer->lone;
    first->alone = (answer->kind == NGX_CONDUCTOR_DONE_ALONE);
}


void
ngx_conductor_idem_digest(ngx_conductor_idem_t *idem, ngx_str_t *data)
{
    ngx_conductor_idem_hash(idem->hub, NGX_CONDUCTOR_IDEM_DIGEST, data->data,
                            data->len, &idem->digest);
}


static void
ngx_conductor_idem_hash(ngx_conductor_hub_t *hub, ngx_uint_t kind,
    u_char *data, size_t len, cdr_idem_hash_t *hash)
{
    if (hub->redis) {
        ngx_conductor_idem_shared(kind, data, len, hash);

    } else {
        ngx_conductor_idem_own(hub, kind, data, len, hash);
    }
}


/* Of SHA-256: all servers find the same. */

static void
ngx_conductor_idem_shared(ngx_uint_t kind, u_char *data, size_t len,
    cdr_idem_hash_t *hash)
{
    u_char  sum[SHA256_DIGEST_LENGTH];

    (void) SHA256(data, len, sum);

    sum[0] ^= (u_char) kind;

    ngx_memcpy(hash, sum, sizeof(cdr_idem_hash_t));
}


/* 128 bits, under secrets that no counted key is hashed with. */

static void
ngx_conductor_idem_own(ngx_conductor_hub_t *hub, ngx_uint_t kind,
    u_char *data, size_t len, cdr_idem_hash_t *hash)
{
    uint8_t  secret[CDR_SIPHASH_KEY_LEN];

    ngx_memcpy(secret, hub->zone->secret, CDR_SIPHASH_KEY_LEN);

    secret[0] ^= (uint8_t) kind;
    secret[1] ^= 1;

    hash->word[0] = cdr_siphash(secret, data, len);

    secret[1] ^= 3;

    hash->word[1] = cdr_siphash(secret, data, len);
}


/*
 * Under the lock of the zone, all of the following.
 *
 * NGX_DONE: it was done before, and idem->answer says what.  NGX_AGAIN: it is
 * being done.  NGX_DECLINED: it is new.
 */

ngx_int_t
ngx_conductor_idem_find(ngx_conductor_idem_t *idem)
{
    int          rc;
    cdr_idem_t  *table;

    table = &idem->hub->idem;

    rc = cdr_idem_find(table, &idem->key, ngx_current_msec, &idem->answer);

    if (rc == CDR_ERROR) {
        ngx_conductor_idem_repair(idem->hub);
        rc = cdr_idem_find(table, &idem->key, ngx_current_msec,
                           &idem->answer);
    }

    /* there nothing is known: new */

    return (rc == CDR_OK) ? NGX_DONE
                          : (rc == CDR_AGAIN) ? NGX_AGAIN : NGX_DECLINED;
}


/*
 * NGX_OK: it is new, and this request has it: until it completes or releases
 * it, if "running", or else until the lock is given up.  NGX_DONE, NGX_AGAIN
 * as above; NGX_BUSY: the table is full of what is running.
 */

ngx_int_t
ngx_conductor_idem_reserve(ngx_conductor_idem_t *idem, ngx_uint_t running)
{
    int                   rc;
    cdr_idem_owner_t      owner;
    ngx_conductor_hub_t  *hub;

    hub = idem->hub;

    owner.slot = (uint32_t) hub->slot;
    owner.incarnation = hub->incarnation;

    rc = cdr_idem_reserve(&hub->idem, &idem->key, idem->share,
                          running ? &owner : NULL, ngx_current_msec,
                          &idem->ticket, &idem->answer);

    if (rc == CDR_ERROR) {
        ngx_conductor_idem_repair(hub);
        rc = cdr_idem_reserve(&hub->idem, &idem->key, idem->share,
                              running ? &owner : NULL, ngx_current_msec,
                              &idem->ticket, &idem->answer);
    }

    switch (rc) {

    case CDR_OK:
        return NGX_OK;

    case CDR_DECLINED:
        return NGX_DONE;

    case CDR_AGAIN:
        return NGX_AGAIN;

    default:
        return NGX_BUSY;
    }
}


/* Keeps idem->answer.  NGX_OK or NGX_ERROR. */

ngx_int_t
ngx_conductor_idem_complete(ngx_conductor_idem_t *idem)
{
    int  rc;

    idem->answer.digest = idem->digest;

    rc = cdr_idem_complete(&idem->hub->idem, &idem->ticket, &idem->answer,
                           ngx_current_msec);

    if (rc != CDR_OK) {
        return NGX_ERROR;
    }

    idem->ticket.link = 0;

    return NGX_OK;
}


/* It was not done.  Does nothing where this request does not have it. */

void
ngx_conductor_idem_release(ngx_conductor_idem_t *idem)
{
    if (idem->ticket.link == 0) {
        return;
    }

    if (cdr_idem_release(&idem->hub->idem, &idem->ticket) == CDR_ERROR) {
        ngx_conductor_idem_repair(idem->hub);
        (void) cdr_idem_release(&idem->hub->idem, &idem->ticket);
    }

    idem->ticket.link = 0;
}


void
ngx_conductor_idem_repair(ngx_conductor_hub_t *hub)
{
    cdr_log_fill_t  fill;

    cdr_log_fill(&hub->log, &fill);
    cdr_idem_repair(&hub->idem, fill.head);
}
