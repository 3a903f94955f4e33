/* The table of reviewers: who comes, changes and goes. */

#include "cdr.h"
#include "cdr_guest_shm.h"
#include "cdr_presence_shm.h"

#include <string.h>


static int cdr_reviewer_attach(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint32_t conn);
static int cdr_reviewer_detach(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint32_t conn);
static cdr_presence_link_t *cdr_presence_link(const cdr_presence_t *p,
    uint32_t conn);


int
cdr_presence_join(cdr_presence_t *p, uint32_t conn, uint64_t now_ms)
{
    int                    rc, fits;
    cdr_reviewer_name_t    name;
    cdr_registry_entry_t  *c;
    cdr_reviewer_entry_t  *e;

    c = cdr_registry_entry(p->registry, conn);

    if (c == NULL || conn >= p->nconns
        || atomic_load_explicit(&c->state, memory_order_relaxed)
           != CDR_CONN_LIVE)
    {
        return CDR_DECLINED;
    }

    while (p->shm->links <= conn) {
        memset(&p->links[p->shm->links], 0, sizeof(cdr_presence_link_t));
        p->shm->links++;
    }

    if (p->links[conn].reviewer) {
        return CDR_ERROR;
    }

    cdr_reviewer_name(p, conn, &name);

    rc = cdr_reviewer_obtain(p, &name, now_ms, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    cdr_reviewer_open(e);

    if (cdr_reviewer_attach(p, e, conn) != CDR_OK
        || cdr_reviewer_arrive(p, e, now_ms) != CDR_OK)
    {
        return CDR_ERROR;
    }

    fits = cdr_reviewer_change(p, e, c->conn.id, now_ms);

    return fits == CDR_FULL ? CDR_OK : fits;
}


int
cdr_presence_changed(cdr_presence_t *p, uint32_t conn, uint64_t now_ms)
{
    cdr_presence_link_t   *link;
    cdr_reviewer_entry_t  *e;

    link = cdr_presence_link(p, conn);

    if (link == NULL || link->reviewer == 0) {
        return CDR_DECLINED;
    }

    e = cdr_presence_entry(p, link->reviewer);

    if (e == NULL) {
        return CDR_ERROR;
    }

    cdr_reviewer_open(e);

    if (cdr_reviewer_detach(p, e, conn) != CDR_OK) {
        return CDR_ERROR;
    }

    link->stamp = 1;

    if (cdr_reviewer_attach(p, e, conn) != CDR_OK) {
        return CDR_ERROR;
    }

    return cdr_reviewer_change(p, e,
                         cdr_registry_entry(p->registry, conn)->conn.id,
                         now_ms);
}


int
cdr_presence_role(cdr_presence_t *p, uint32_t conn, uint64_t now_ms)
{
    cdr_presence_link_t   *link;
    cdr_reviewer_says_t    says;
    cdr_reviewer_entry_t  *e;

    link = cdr_presence_link(p, conn);

    if (link == NULL || link->reviewer == 0) {
        return CDR_DECLINED;
    }

    e = cdr_presence_entry(p, link->reviewer);

    if (e == NULL || cdr_reviewer_says(p, e, &says) != CDR_OK) {
        return CDR_ERROR;
    }

    /* where a guest is told of, other servers may still be told of this */

    if (e->conns.first != conn + 1
        || (says.server == 0 && cdr_reviewer_tells(p, e, &says)))
    {
        return CDR_OK;
    }

    cdr_reviewer_open(e);

    return cdr_reviewer_change(p, e,
                         cdr_registry_entry(p->registry, conn)->conn.id,
                         now_ms);
}


int
cdr_presence_leave(cdr_presence_t *p, uint32_t conn, uint64_t now_ms,
    uint64_t due_ms)
{
    cdr_presence_link_t   *link;
    cdr_reviewer_entry_t  *e;

    link = cdr_presence_link(p, conn);

    if (link == NULL || link->reviewer == 0) {
        return CDR_DECLINED;
    }

    e = cdr_presence_entry(p, link->reviewer);

    if (e == NULL) {
        return CDR_ERROR;
    }

    cdr_reviewer_open(e);

    if (cdr_reviewer_detach(p, e, conn) != CDR_OK) {
        return CDR_ERROR;
    }

    link->reviewer = 0;
    link->stamp = 0;

    if (p->guests) {
        cdr_guest_head(p->guests, e)->own = 1;
    }

    return cdr_reviewer_lose(p, e,
                         cdr_registry_entry(p->registry, conn)->conn.id,
                         now_ms, due_ms);
}


int
cdr_presence_kept(const cdr_presence_t *p, cdr_str_t id,
    cdr_status_t *status, cdr_str_t *feature)
{
    int                    rc;
    uint64_t               text;
    cdr_reviewer_entry_t  *e;

    if (id.len == 0) {
        return CDR_DECLINED;
    }

    rc = cdr_reviewer_find(p, id, false, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    if (cdr_reviewer_state(e) != CDR_REVIEWER_LEAVING
        && (cdr_reviewer_state(e) != CDR_REVIEWER_LIVE
            || cdr_reviewer_connections(p, e)))
    {
        return CDR_DECLINED;
    }

    text = atomic_load_explicit(&e->text, memory_order_relaxed);

    *status = e->status;
    feature->data = cdr_reviewer_text(p, e) + cdr_text_id(text)
                    + cdr_text_role(text);
    feature->len = cdr_text_feature(text);

    return CDR_OK;
}


int
cdr_reviewer_obtain(cdr_presence_t *p, const cdr_reviewer_name_t *name,
    uint64_t now_ms, cdr_reviewer_entry_t **found)
{
    int  rc;

    rc = cdr_reviewer_find(p, name->id, name->anonymous, found);

    if (rc != CDR_DECLINED) {
        return rc;
    }

    rc = cdr_reviewer_take(p, name, found);

    if (rc != CDR_FULL) {
        return rc;
    }

    rc = cdr_reviewer_recycle(p, now_ms);

    return rc == CDR_OK ? cdr_reviewer_take(p, name, found) : rc;
}


/* Who has said something is before those who have not, the newest first. */

static int
cdr_reviewer_attach(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint32_t conn)
{
    bool                  spoke;
    cdr_chains_t          c;
    cdr_presence_link_t  *link;

    c = cdr_presence_conns(p);
    link = &p->links[conn];
    spoke = link->stamp || cdr_reviewer_spoke(p, conn);

    if (e->said > c.n
        || cdr_chain_insert(&c, &e->conns, conn + 1, spoke ? 0 : e->said)
           != CDR_OK)
    {
        return CDR_ERROR;
    }

    if (spoke && e->said == 0) {
        e->said = conn + 1;
    }

    /* That of the version it is going to have; 0 says something else. */

    link->stamp = spoke ? (uint32_t) (cdr_presence_version(p) + 1) : 0;
    link->stamp += (spoke && link->stamp == 0);
    link->reviewer = cdr_reviewer_link(p, e);

    e->connections++;

    return CDR_OK;
}


static int
cdr_reviewer_detach(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint32_t conn)
{
    uint32_t      prev;
    cdr_chains_t  c;

    c = cdr_presence_conns(p);
    prev = p->links[conn].chain.prev;

    if (e->connections == 0
        || cdr_chain_remove(&c, &e->conns, conn + 1) != CDR_OK
        || (e->connections == 1) != (e->conns.first == 0)
        || (e->conns.first
            && cdr_registry_entry(p->registry, e->conns.first - 1) == NULL))
    {
        return CDR_ERROR;
    }

    if (e->said == conn + 1) {
        e->said = prev;
    }

    e->connections--;

    return CDR_OK;
}


int
cdr_reviewer_arrive(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms)
{
    uint32_t      state;
    cdr_chains_t  c;

    state = cdr_reviewer_state(e);

    switch (state) {

    case CDR_REVIEWER_LIVE:
        return CDR_OK;

    case CDR_REVIEWER_LEAVING:

        if (cdr_reviewer_undue(p, e) != CDR_OK) {
            return CDR_ERROR;
        }

        break;

    case CDR_REVIEWER_OFFLINE:
        c = cdr_presence_orders(p);

        if (cdr_chain_remove(&c, &p->shm->order[1], cdr_reviewer_link(p, e))
            != CDR_OK)
        {
            return CDR_ERROR;
        }

        p->shm->offline--;
        break;
    }

    if (state != CDR_REVIEWER_LEAVING) {
        e->joined = cdr_presence_version(p) + 1;
        e->connected_ms = now_ms;
    }

    cdr_reviewer_set_state(e, CDR_REVIEWER_LIVE);

    if (state == CDR_REVIEWER_FREE) {
        cdr_reviewer_index(p, e);
    }

    if (state != CDR_REVIEWER_LEAVING) {
        p->shm->live++;
        c = cdr_presence_orders(p);

        return cdr_chain_insert(&c, &p->shm->order[0],
                                cdr_reviewer_link(p, e),
                                p->shm->order[0].last);
    }

    return CDR_OK;
}


int
cdr_reviewer_lose(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const uint8_t *id, uint64_t now_ms, uint64_t due_ms)
{
    int                  rc;
    cdr_reviewer_says_t  says;

    rc = cdr_reviewer_says(p, e, &says);

    if (rc == CDR_OK) {
        rc = cdr_reviewer_change(p, e, says.connection, now_ms);

        return rc == CDR_FULL ? CDR_OK : rc;
    }

    if (rc == CDR_ERROR) {
        return CDR_ERROR;
    }

    e->seen_ms = now_ms;
    e->due_ms = due_ms;
    memcpy(e->connection, id, CDR_CONN_ID_LEN);

    cdr_reviewer_set_state(e, CDR_REVIEWER_LEAVING);

    rc = cdr_reviewer_due(p, e);

    if (rc == CDR_OK && p->guests) {

        /* it may come back elsewhere: other servers have to know */

        rc = cdr_reviewer_order(p, e, now_ms);
    }

    cdr_reviewer_close(e);

    return rc;
}


int
cdr_reviewer_change(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const uint8_t *id, uint64_t now_ms)
{
    int                  rc;
    cdr_reviewer_says_t  says;

    if (cdr_reviewer_says(p, e, &says) != CDR_OK) {
        return CDR_ERROR;
    }

    memcpy(e->connection, id, CDR_CONN_ID_LEN);

    rc = cdr_reviewer_tell(p, e, &says);

    if (rc == CDR_ERROR || cdr_reviewer_order(p, e, now_ms) != CDR_OK) {
        return CDR_ERROR;
    }

    cdr_reviewer_close(e);

    return rc;
}


int
cdr_reviewer_order(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms)
{
    uint64_t           version;
    cdr_chains_t       c;
    cdr_chain_ends_t  *ends;

    version = cdr_presence_version(p) + 1;
    atomic_store_explicit(&p->shm->last, version, memory_order_release);

    e->version = version;
    e->updated_ms = now_ms;

    ends = &p->shm->order[cdr_reviewer_state(e) == CDR_REVIEWER_OFFLINE];

    if (ends->last == cdr_reviewer_link(p, e)) {
        return CDR_OK;
    }

    c = cdr_presence_orders(p);

    if (cdr_chain_remove(&c, ends, cdr_reviewer_link(p, e)) != CDR_OK) {
        return CDR_ERROR;
    }

    return cdr_chain_insert(&c, ends, cdr_reviewer_link(p, e), ends->last);
}


static cdr_presence_link_t *
cdr_presence_link(const cdr_presence_t *p, uint32_t conn)
{
    return (conn < p->nconns && conn < p->shm->links
            && cdr_registry_entry(p->registry, conn))
           ? &p->links[conn] : NULL;
}
