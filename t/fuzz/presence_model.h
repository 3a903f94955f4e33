/* A model of the table of reviewers, and whether the table is like it. */

#ifndef PRESENCE_MODEL_H_INCLUDED
#define PRESENCE_MODEL_H_INCLUDED


#include "cdr.h"
#include "cdr_presence.h"
#include "cdr_presence_shm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define CONNS      16
#define USERS      6
#define REVIEWERS  (CONNS + CONNS / 8 + 64)
#define HIDDEN     1


typedef struct {
    bool        live;
    bool        hidden;
    bool        listed;             /* has a reviewer */
    uint32_t    generation;
    unsigned    user;               /* USERS: none */
    unsigned    role;               /* length of it */
    unsigned    status;
    unsigned    feature;
    uint64_t    said;               /* when, 0: never */
    uint64_t    joined;
    uint8_t     id[CDR_CONN_ID_LEN];
} conn_t;


typedef enum { NONE, LIVE, LEAVING, OFFLINE } state_t;


typedef struct {
    state_t     state;
    char        id[CDR_REVIEWER_ID_MAX + 1];
    bool        anonymous;
    bool        partial;            /* not all strings had room */
    unsigned    connections;
    unsigned    role;
    unsigned    status;
    unsigned    feature;
    uint64_t    since;              /* offline */
    uint64_t    due;
    uint64_t    order;              /* of the change to that */
} reviewer_t;


typedef struct {
    cdr_registry_t          r;
    cdr_presence_t          p;
    conn_t                  conns[CONNS];
    reviewer_t              reviewers[REVIEWERS];
    uint64_t                now;
    uint64_t                clock;
    uint32_t                ids;
    bool                    damaged;

    cdr_presence_cursor_t   cursor;
    cdr_reviewer_t          view[REVIEWERS];    /* by index; version 0: none */
    cdr_presence_batch_t    batch;

    const uint8_t          *in;
    size_t                  left;
    uint8_t                 letters[256];
} model_t;


static inline unsigned
byte(model_t *m)
{
    if (m->left == 0) {
        return 0;
    }

    m->left--;

    return *m->in++;
}


static inline cdr_str_t
letters(model_t *m, size_t len)
{
    cdr_str_t  s = { m->letters, len };

    return s;
}


/* Some users have names that need a block, or fill an entry alone. */

static inline size_t
user_len(unsigned user)
{
    static const size_t  len[USERS] = { 1, 40, 120, 128, 129, 255 };

    return len[user];
}


static inline reviewer_t *
find(model_t *m, const char *id, bool anonymous)
{
    unsigned  i;

    for (i = 0; i < REVIEWERS; i++) {

        if (m->reviewers[i].state != NONE
            && m->reviewers[i].anonymous == anonymous
            && strcmp(m->reviewers[i].id, id) == 0)
        {
            return &m->reviewers[i];
        }
    }

    return NULL;
}


static inline void
name(model_t *m, const conn_t *c, char *id)
{
    memset(id, 0, CDR_REVIEWER_ID_MAX + 1);

    if (c->user < USERS) {
        memcpy(id, m->letters, user_len(c->user));

    } else {
        cdr_conn_id_print((uint8_t *) id, c->id);
    }
}


static inline reviewer_t *
reviewer(model_t *m, const conn_t *c)
{
    char  id[CDR_REVIEWER_ID_MAX + 1];

    name(m, c, id);

    return find(m, id, c->user == USERS);
}


/* What is told of it: by who said something last, else by who came last. */

static inline void
tell(model_t *m, reviewer_t *v)
{
    conn_t    *c, *best;
    unsigned   i;

    best = NULL;
    v->connections = 0;

    for (i = 0; i < CONNS; i++) {
        c = &m->conns[i];

        if (!c->live || !c->listed || reviewer(m, c) != v) {
            continue;
        }

        v->connections++;

        if (best == NULL || c->said > best->said
            || (c->said == best->said && c->joined > best->joined))
        {
            best = c;
        }
    }

    if (best) {
        v->state = LIVE;
        v->role = best->role;
        v->status = best->status;
        v->feature = best->feature;
    }
}


static inline void
check_item(model_t *m, const cdr_reviewer_t *item)
{
    char         id[CDR_REVIEWER_ID_MAX + 1];
    reviewer_t  *v;

    memset(id, 0, sizeof(id));
    memcpy(id, item->id.data, item->id.len);

    v = find(m, id, item->anonymous);

    assert(v != NULL);
    assert(item->connections == v->connections);
    assert((item->status == CDR_STATUS_OFFLINE) == (v->state == OFFLINE));
    assert(v->state == OFFLINE || item->status == v->status);
    assert(item->joined <= item->version);
    assert(item->connected_ms <= m->now && item->updated_ms <= m->now);

    if (v->partial) {
        return;
    }

    assert(item->role.len == v->role && item->feature.len == v->feature);
    assert(memcmp(item->role.data, m->letters, v->role) == 0);
    assert(memcmp(item->feature.data, m->letters, v->feature) == 0);
}


/* What a reader knows, who begins anew when it is told to. */

static inline void
read_changes(model_t *m)
{
    int       rc;
    uint32_t  i;
    uint64_t  below, last;

    last = m->cursor.version;

    while ((rc = cdr_presence_changes(&m->p, &m->cursor, &m->batch))
           == CDR_OK && m->batch.n)
    {
        for (i = 0; i < m->batch.n; i++) {
            assert(m->batch.item[i].version > last);
            last = m->batch.item[i].version;
            m->view[m->batch.item[i].index] = m->batch.item[i];
        }
    }

    if (rc == CDR_DECLINED) {
        memset(m->view, 0, sizeof(m->view));
        cdr_presence_end(&m->p, &m->cursor);
        below = UINT64_MAX;

        while (cdr_presence_recent(&m->p, &below, &m->batch) == CDR_OK) {
            for (i = 0; i < m->batch.n; i++) {
                m->view[m->batch.item[i].index] = m->batch.item[i];
            }
        }
    }

    assert(m->cursor.version == cdr_presence_version(&m->p));
}


static inline bool
in_view(const cdr_reviewer_t *v)
{
    return v->version && v->status != CDR_STATUS_OFFLINE;
}


static inline void
check(model_t *m)
{
    uint32_t             i, index, n, live, counts[OFFLINE + 1];
    cdr_reviewer_t      *item;
    cdr_presence_fill_t  fill;

    if (m->damaged) {
        return;
    }

    memset(counts, 0, sizeof(counts));

    for (i = 0; i < REVIEWERS; i++) {
        counts[m->reviewers[i].state]++;
    }

    cdr_presence_fill(&m->p, &fill);

    assert(fill.live == counts[LIVE] + counts[LEAVING]);
    assert(fill.leaving == counts[LEAVING] && fill.offline == counts[OFFLINE]);
    assert(fill.entries == REVIEWERS);

    read_changes(m);

    for (live = 0, i = 0; i < REVIEWERS; i++) {
        live += in_view(&m->view[i]);
    }

    assert(live == fill.live);

    index = 0;
    n = 0;

    while (cdr_presence_scan(&m->p, &index, &m->batch) == CDR_OK) {
        for (i = 0; i < m->batch.n; i++) {
            item = &m->batch.item[i];
            check_item(m, item);
            n++;

            if (item->status != CDR_STATUS_OFFLINE) {
                assert(in_view(&m->view[item->index]));
                assert(m->view[item->index].version == item->version);
            }
        }
    }

    assert(n == fill.live + fill.offline);
}


#endif /* PRESENCE_MODEL_H_INCLUDED */
