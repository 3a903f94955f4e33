/* The table of guests: servers, and what becomes of their guests. */

#include "cdr.h"
#include "cdr_guest_shm.h"

#include <string.h>


static int cdr_guest_come(cdr_guest_t *g, uint32_t index,
    const cdr_guest_info_t *info, uint64_t now_ms);
static int cdr_guest_change(cdr_guest_t *g, cdr_guest_entry_t *guest,
    cdr_reviewer_entry_t *e, const cdr_guest_info_t *info, uint64_t now_ms);
static int cdr_guest_leave(cdr_guest_t *g, cdr_guest_entry_t *guest,
    uint64_t now_ms, uint64_t due_ms);
static void cdr_guest_name(cdr_guest_server_t *s, cdr_str_t label);
static bool cdr_guest_valid(const cdr_guest_info_t *info);


void
cdr_guest_self(cdr_guest_t *g, uint64_t server)
{
    g->shm->self = server;
}


int
cdr_guest_find(const cdr_guest_t *g, uint64_t server, uint32_t *index)
{
    uint32_t                   i;
    const cdr_guest_server_t  *s;

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {
        s = &g->servers[i];

        if (s->server == server
            && atomic_load_explicit(&s->state, memory_order_relaxed)
               == CDR_GUEST_LIVE)
        {
            *index = i;
            return CDR_OK;
        }
    }

    return CDR_DECLINED;
}


/*
 * In place of the one that was forgotten first, so that its name is known for
 * as long as it can be.
 */

int
cdr_guest_server(cdr_guest_t *g, uint64_t server, cdr_str_t label,
    uint32_t *index)
{
    uint32_t             i, found;
    cdr_guest_server_t  *s;

    if (cdr_guest_find(g, server, index) == CDR_OK) {
        cdr_guest_name(&g->servers[*index], label);
        return CDR_OK;
    }

    found = CDR_GUEST_SERVERS;

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {
        s = &g->servers[i];

        if (atomic_load_explicit(&s->state, memory_order_relaxed)
            == CDR_GUEST_FREE
            && (found == CDR_GUEST_SERVERS
                || s->seen_ms < g->servers[found].seen_ms))
        {
            found = i;
        }
    }

    if (found == CDR_GUEST_SERVERS) {
        return CDR_FULL;
    }

    s = &g->servers[found];

    s->pass = 0;
    s->server = server;
    s->boot = 0;
    s->version = 0;
    s->seen_ms = 0;
    s->guests = 0;
    s->stale = 0;
    cdr_guest_name(s, label);

    atomic_store_explicit(&s->state, CDR_GUEST_LIVE, memory_order_release);

    *index = found;

    return CDR_OK;
}


int
cdr_guest_peer(const cdr_guest_t *g, uint32_t index, cdr_guest_peer_t *peer)
{
    const cdr_guest_server_t  *s;

    if (index >= CDR_GUEST_SERVERS) {
        return CDR_DECLINED;
    }

    s = &g->servers[index];

    if (atomic_load_explicit(&s->state, memory_order_relaxed)
        != CDR_GUEST_LIVE)
    {
        return CDR_DECLINED;
    }

    peer->server = s->server;
    peer->boot = s->boot;
    peer->version = s->version;
    peer->seen_ms = s->seen_ms;
    peer->guests = s->guests;
    peer->stale = s->stale;
    peer->label.data = s->label;
    peer->label.len = s->len;

    return CDR_OK;
}


int
cdr_guest_next(const cdr_guest_t *g, uint32_t *index, cdr_guest_peer_t *peer)
{
    while (*index < CDR_GUEST_SERVERS) {

        if (cdr_guest_peer(g, *index, peer) == CDR_OK) {
            return CDR_OK;
        }

        ++*index;
    }

    return CDR_DECLINED;
}


void
cdr_guest_set_version(cdr_guest_t *g, uint32_t index, uint64_t boot,
    uint64_t version)
{
    g->servers[index].boot = boot;
    g->servers[index].version = version;
}


void
cdr_guest_seen(cdr_guest_t *g, uint32_t index, uint64_t now_ms)
{
    g->servers[index].seen_ms = now_ms;
}


void
cdr_guest_stale(cdr_guest_t *g, uint32_t index, bool stale)
{
    g->servers[index].stale = stale;
}


void
cdr_guest_forget(cdr_guest_t *g, uint32_t index)
{
    atomic_store_explicit(&g->servers[index].state, CDR_GUEST_FREE,
                          memory_order_release);
}


int
cdr_guest_put(cdr_guest_t *g, uint32_t index, const cdr_guest_info_t *info,
    uint64_t now_ms)
{
    int                    rc;
    cdr_guest_entry_t     *guest;
    cdr_reviewer_entry_t  *e;

    if (!cdr_guest_valid(info)) {
        return CDR_TOOBIG;
    }

    rc = cdr_reviewer_find(g->presence, info->id, info->anonymous, &e);

    if (rc == CDR_ERROR) {
        return CDR_ERROR;
    }

    guest = (rc == CDR_OK) ? cdr_guest_of(g, e, index) : NULL;

    if (guest == NULL) {
        return cdr_guest_come(g, index, info, now_ms);
    }

    guest->pass = g->servers[index].pass;

    if (cdr_guest_same(g, guest, info)) {
        return CDR_DECLINED;
    }

    return cdr_guest_change(g, guest, e, info, now_ms);
}


int
cdr_guest_remove(cdr_guest_t *g, uint32_t index, cdr_str_t id,
    bool anonymous, uint64_t now_ms, uint64_t due_ms)
{
    int                    rc;
    cdr_guest_entry_t     *guest;
    cdr_reviewer_entry_t  *e;

    if (id.len == 0) {
        return CDR_DECLINED;
    }

    rc = cdr_reviewer_find(g->presence, id, anonymous, &e);

    if (rc != CDR_OK) {
        return rc;
    }

    guest = cdr_guest_of(g, e, index);

    return guest ? cdr_guest_leave(g, guest, now_ms, due_ms) : CDR_DECLINED;
}


void
cdr_guest_begin(cdr_guest_t *g, uint32_t index)
{
    g->servers[index].pass++;
}


int
cdr_guest_sweep(cdr_guest_t *g, uint32_t index, uint32_t *cursor,
    uint32_t max, uint64_t now_ms, uint64_t due_ms)
{
    uint32_t            high;
    cdr_guest_entry_t  *guest;

    high = cdr_guest_high(g);

    for ( /* void */ ; *cursor < high; ++*cursor) {

        if (max-- == 0) {
            return CDR_AGAIN;
        }

        guest = &g->entries[*cursor];

        if (cdr_guest_state(guest) != CDR_GUEST_LIVE
            || guest->server != index
            || guest->pass == g->servers[index].pass)
        {
            continue;
        }

        if (cdr_guest_leave(g, guest, now_ms, due_ms) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    return CDR_OK;
}


void
cdr_guest_fill(const cdr_guest_t *g, cdr_guest_fill_t *fill)
{
    uint32_t  i;

    fill->guests = g->shm->guests;
    fill->entries = g->n;
    fill->servers = 0;

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {
        fill->servers += (atomic_load_explicit(&g->servers[i].state,
                                               memory_order_relaxed)
                          == CDR_GUEST_LIVE);
    }
}


int
cdr_guest_own(const cdr_presence_t *p, uint32_t reviewer,
    cdr_guest_info_t *info)
{
    uint32_t                     conn;
    uint64_t                     text;
    const cdr_registry_entry_t  *c;
    const cdr_reviewer_entry_t  *e;

    e = cdr_presence_entry(p, reviewer + 1);

    if (e == NULL
        || (cdr_reviewer_state(e) != CDR_REVIEWER_LIVE
            && cdr_reviewer_state(e) != CDR_REVIEWER_LEAVING))
    {
        return CDR_DECLINED;
    }

    text = atomic_load_explicit(&e->text, memory_order_relaxed);

    info->id.data = cdr_reviewer_text(p, e);
    info->id.len = cdr_text_id(text);
    info->anonymous = e->anonymous;
    info->connections = e->connections;
    info->connected_ms = e->connected_ms;
    memcpy(info->connection, e->connection, CDR_CONN_ID_LEN);

    if (e->connections == 0) {

        if (cdr_reviewer_state(e) != CDR_REVIEWER_LEAVING
            || cdr_guest_head(p->guests, e)->own == 0)
        {
            return CDR_DECLINED;
        }

        info->status = (cdr_status_t) e->status;
        info->role.data = info->id.data + info->id.len;
        info->role.len = cdr_text_role(text);
        info->feature.data = info->role.data + info->role.len;
        info->feature.len = cdr_text_feature(text);
        info->spoke = true;
        info->said_ms = e->updated_ms;

        return CDR_OK;
    }

    conn = e->conns.first - 1;
    c = cdr_registry_entry(p->registry, conn);

    if (c == NULL) {
        return CDR_DECLINED;
    }

    info->status = (cdr_status_t) c->conn.status;
    info->role = cdr_registry_string(p->registry, conn, CDR_CONN_ROLE);
    info->feature = cdr_registry_string(p->registry, conn, CDR_CONN_FEATURE);
    info->spoke = (p->links[conn].stamp != 0);
    info->said_ms = c->conn.updated_ms;

    if (cdr_guest_head(p->guests, e)->server) {
        memcpy(info->connection, c->conn.id, CDR_CONN_ID_LEN);
    }

    return CDR_OK;
}


uint64_t
cdr_guest_time(const cdr_presence_t *p, uint32_t conn, uint64_t now_ms)
{
    uint64_t                     said;
    cdr_guest_entry_t           *guest;
    const cdr_registry_entry_t  *c;
    const cdr_reviewer_entry_t  *e;

    e = (p->guests && conn < p->shm->links)
        ? cdr_presence_entry(p, p->links[conn].reviewer) : NULL;

    if (e == NULL) {
        return now_ms;
    }

    said = 0;
    guest = cdr_guest_first(p, e);
    c = e->conns.first ? cdr_registry_entry(p->registry, e->conns.first - 1)
                       : NULL;

    if (guest) {
        said = guest->said_ms;
    }

    if (c && c->conn.updated_ms > said) {
        said = c->conn.updated_ms;
    }

    return now_ms > said ? now_ms : said + 1;
}


/*
 * The reviewer is there before its guest is: one that was killed in between
 * leaves a reviewer that has nothing, and leaves.
 */

static int
cdr_guest_come(cdr_guest_t *g, uint32_t index, const cdr_guest_info_t *info,
    uint64_t now_ms)
{
    int                    rc, fits;
    bool                   there;
    cdr_guest_entry_t     *guest;
    cdr_reviewer_name_t    name;
    cdr_reviewer_entry_t  *e;

    rc = cdr_guest_take(g, &guest);

    if (rc != CDR_OK) {
        return rc;
    }

    name.id = info->id;
    name.anonymous = info->anonymous;

    rc = cdr_reviewer_obtain(g->presence, &name, now_ms, &e);

    if (rc != CDR_OK) {
        cdr_guest_free(g, guest);
        return rc;
    }

    there = (cdr_reviewer_state(e) == CDR_REVIEWER_LIVE
             || cdr_reviewer_state(e) == CDR_REVIEWER_LEAVING);

    fits = cdr_guest_write(g, guest, info);

    guest->reviewer = cdr_reviewer_link(g->presence, e);
    guest->server = (uint16_t) index;
    guest->pass = g->servers[index].pass;

    cdr_reviewer_open(e);

    if (fits == CDR_ERROR
        || cdr_reviewer_arrive(g->presence, e, now_ms) != CDR_OK)
    {
        return CDR_ERROR;
    }

    if (!there || info->connected_ms < e->connected_ms) {
        e->connected_ms = info->connected_ms;
    }

    cdr_guest_set_state(guest, CDR_GUEST_LIVE);
    g->shm->guests++;
    g->servers[index].guests++;

    if (cdr_guest_link(g, guest) != CDR_OK) {
        return CDR_ERROR;
    }

    rc = cdr_reviewer_change(g->presence, e, info->connection, now_ms);

    return rc == CDR_OK ? fits : rc;
}


static int
cdr_guest_change(cdr_guest_t *g, cdr_guest_entry_t *guest,
    cdr_reviewer_entry_t *e, const cdr_guest_info_t *info, uint64_t now_ms)
{
    int  rc, fits;

    cdr_reviewer_open(e);

    atomic_store_explicit(&guest->open, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);

    if (cdr_guest_unlink(g, guest) != CDR_OK) {
        return CDR_ERROR;
    }

    fits = cdr_guest_write(g, guest, info);

    if (fits == CDR_ERROR || cdr_guest_link(g, guest) != CDR_OK) {
        return CDR_ERROR;
    }

    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guest->open, 0, memory_order_relaxed);

    if (info->connected_ms < e->connected_ms) {
        e->connected_ms = info->connected_ms;
    }

    rc = cdr_reviewer_change(g->presence, e, info->connection, now_ms);

    return rc == CDR_OK ? fits : rc;
}


static int
cdr_guest_leave(cdr_guest_t *g, cdr_guest_entry_t *guest, uint64_t now_ms,
    uint64_t due_ms)
{
    uint8_t                id[CDR_CONN_ID_LEN];
    uint32_t               connections;
    cdr_reviewer_entry_t  *e;

    e = cdr_presence_entry(g->presence, guest->reviewer);

    if (e == NULL || cdr_guest_unlink(g, guest) != CDR_OK) {
        return CDR_ERROR;
    }

    cdr_reviewer_open(e);

    connections = guest->connections;
    memcpy(id, guest->connection, CDR_CONN_ID_LEN);

    g->shm->guests--;
    g->servers[guest->server].guests--;
    cdr_guest_free(g, guest);

    cdr_guest_head(g, e)->own = 0;

    return cdr_reviewer_lose(g->presence, e, id, now_ms,
                             connections ? due_ms : now_ms);
}


static void
cdr_guest_name(cdr_guest_server_t *s, cdr_str_t label)
{
    s->len = (uint8_t) (label.len < CDR_GUEST_LABEL_MAX
                        ? label.len : CDR_GUEST_LABEL_MAX);

    if (s->len) {
        memcpy(s->label, label.data, s->len);
    }
}


static bool
cdr_guest_valid(const cdr_guest_info_t *info)
{
    return info->id.len && info->id.len <= CDR_REVIEWER_ID_MAX
           && info->role.len <= CDR_CONN_ROLE_MAX
           && info->feature.len <= CDR_CONN_FEATURE_MAX
           && info->status < CDR_STATUS_OFFLINE;
}
