/* From the table of reviewers to what the database is to be told. */

#include "ngx_conductor_keeper.h"


#define NGX_CONDUCTOR_CHANGES_HOLDS  16     /* of the lock, in one go */


static ngx_conductor_changes_t *ngx_conductor_changes_new(
    ngx_conductor_hub_t *hub, cdr_presence_batch_t *batch);
static void ngx_conductor_changes_set(cdr_store_change_t *change,
    ngx_conductor_hub_t *hub, cdr_reviewer_t *reviewer, u_char **text);
static void ngx_conductor_changes_copy(cdr_str_t *to, cdr_str_t *from,
    u_char **text);


static cdr_presence_batch_t  ngx_conductor_batch;


void
ngx_conductor_changes_collect(ngx_conductor_keeper_t *k)
{
    int                       rc;
    ngx_uint_t                i;
    ngx_conductor_hub_t      *hub;
    cdr_presence_cursor_t     cursor;
    ngx_conductor_changes_t  *changes;

    hub = k->hub;

    for (i = 0; i < NGX_CONDUCTOR_CHANGES_HOLDS; i++) {

        if (k->queued > NGX_CONDUCTOR_KEEPER_QUEUE
            || cdr_presence_version(&hub->reviewers) == k->cursor.version)
        {
            return;
        }

        cursor = k->cursor;

        ngx_conductor_zone_lock(hub);
        rc = cdr_presence_changes(&hub->reviewers, &cursor,
                                  &ngx_conductor_batch);
        ngx_conductor_zone_unlock(hub);

        if (rc != CDR_OK) {

            /* somebody was forgotten: all is looked at */

            k->untrue = 1;
            return;
        }

        if (ngx_conductor_batch.n == 0) {
            k->cursor = cursor;
            return;
        }

        changes = ngx_conductor_changes_new(hub, &ngx_conductor_batch);
        if (changes == NULL) {
            return;
        }

        k->cursor = cursor;
        k->queued += changes->size;
        ngx_queue_insert_tail(&k->changes, &changes->queue);
    }
}


ngx_conductor_changes_t *
ngx_conductor_changes_scan(ngx_conductor_keeper_t *k, ngx_uint_t *end)
{
    int                       rc;
    ngx_conductor_hub_t      *hub;
    ngx_conductor_changes_t  *changes;

    hub = k->hub;

    if (k->index == 0) {

        /* what is read now is newer */

        ngx_conductor_changes_forget(k);
    }

    ngx_conductor_zone_lock(hub);

    if (k->index == 0) {

        /* what changes from now on is told again */

        cdr_presence_end(&hub->reviewers, &k->cursor);
    }

    rc = cdr_presence_scan(&hub->reviewers, &k->index, &ngx_conductor_batch);

    ngx_conductor_zone_unlock(hub);

    *end = (rc != CDR_OK);

    if (*end) {
        return NULL;
    }

    changes = ngx_conductor_changes_new(hub, &ngx_conductor_batch);

    return changes;
}


/* As if they had gone a moment ago. */

void
ngx_conductor_changes_leave(ngx_conductor_changes_t *changes, uint64_t now)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < changes->n; i++) {

        if (changes->change[i].status == CDR_STATUS_OFFLINE) {
            continue;
        }

        changes->change[n] = changes->change[i];
        changes->change[n].status = CDR_STATUS_OFFLINE;
        changes->change[n].connections = 0;
        changes->change[n].at_ms = now;
        n++;
    }

    changes->n = n;
}


/* The first of the queue is in the database. */

void
ngx_conductor_changes_drop(ngx_conductor_keeper_t *k)
{
    ngx_queue_t              *q;
    ngx_conductor_changes_t  *changes;

    q = ngx_queue_head(&k->changes);
    changes = ngx_queue_data(q, ngx_conductor_changes_t, queue);

    ngx_queue_remove(q);
    k->queued -= changes->size;

    ngx_free(changes);
}


/* All of the queue. */

void
ngx_conductor_changes_forget(ngx_conductor_keeper_t *k)
{
    while (!ngx_queue_empty(&k->changes)) {
        ngx_conductor_changes_drop(k);
    }
}


static ngx_conductor_changes_t *
ngx_conductor_changes_new(ngx_conductor_hub_t *hub,
    cdr_presence_batch_t *batch)
{
    size_t                    size;
    u_char                   *text;
    uint32_t                  i;
    ngx_conductor_changes_t  *changes;

    size = sizeof(ngx_conductor_changes_t)
           + batch->n * sizeof(cdr_store_change_t);

    changes = ngx_alloc(size + batch->used, ngx_cycle->log);
    if (changes == NULL) {
        return NULL;
    }

    changes->size = size + batch->used;
    changes->n = batch->n;
    changes->version = batch->n ? batch->item[batch->n - 1].version : 0;

    text = (u_char *) changes + size;

    for (i = 0; i < batch->n; i++) {
        ngx_conductor_changes_set(&changes->change[i], hub, &batch->item[i],
                                  &text);
    }

    return changes;
}


static void
ngx_conductor_changes_set(cdr_store_change_t *change,
    ngx_conductor_hub_t *hub, cdr_reviewer_t *reviewer, u_char **text)
{
    ngx_conductor_changes_copy(&change->id, &reviewer->id, text);
    ngx_conductor_changes_copy(&change->role, &reviewer->role, text);
    ngx_conductor_changes_copy(&change->feature, &reviewer->feature, text);

    if (reviewer->server.data) {
        ngx_conductor_changes_copy(&change->server, &reviewer->server, text);

    } else {
        change->server.data = hub->label.data;
        change->server.len = hub->label.len;
    }

    change->status = reviewer->status;
    change->connections = reviewer->connections;
    change->connected_ms = reviewer->connected_ms;
    change->at_ms = reviewer->updated_ms;
}


static void
ngx_conductor_changes_copy(cdr_str_t *to, cdr_str_t *from, u_char **text)
{
    to->data = *text;
    to->len = from->len;

    *text = ngx_cpymem(*text, from->data, from->len);
}
