/*
 * The table of reviewers against lists of connections: who joins, says
 * something, leaves, is offline and forgotten, as the input says; and a reader
 * of the changes, who after each step knows what the table says.  Now and then
 * links are destroyed, which may cost an error but nothing else.
 */

#include "presence_model.h"


static void
mend(model_t *m, int rc)
{
    assert(rc != CDR_ERROR || m->damaged);

    if (rc == CDR_ERROR) {
        cdr_presence_repair(&m->p, HIDDEN, m->now, m->now + 100);
    }
}


static bool
there(model_t *m, const reviewer_t *v)
{
    cdr_str_t  id = { (const uint8_t *) v->id, strlen(v->id) };

    return cdr_presence_get(&m->p, id, v->anonymous, &m->batch) == CDR_OK;
}


/*
 * To make room one may be gone: that which was offline longest, or if none
 * was, one of those who leave.
 */

static void
recycled(model_t *m, bool scarce)
{
    unsigned     i, n;
    reviewer_t  *v, *old, *gone;

    old = NULL;
    gone = NULL;

    for (n = 0, i = 0; i < REVIEWERS; i++) {
        v = &m->reviewers[i];

        if (v->state == NONE) {
            continue;
        }

        n++;

        if (v->state == OFFLINE && (old == NULL || v->order < old->order)) {
            old = v;
        }

        if (!there(m, v)) {
            assert(gone == NULL);
            gone = v;
        }
    }

    if (gone) {
        assert(scarce || n == REVIEWERS);
        assert(old ? gone == old : gone->state == LEAVING);
        gone->state = NONE;
    }
}


/* The reviewer of a connection, a new one if there is none. */

static reviewer_t *
obtain(model_t *m, const conn_t *c)
{
    unsigned     i;
    reviewer_t  *v;

    v = reviewer(m, c);

    if (v) {
        return v;
    }

    for (i = 0; m->reviewers[i].state != NONE; i++) {
        assert(i + 1 < REVIEWERS);
    }

    v = &m->reviewers[i];

    memset(v, 0, sizeof(reviewer_t));
    v->state = LIVE;
    v->anonymous = (c->user == USERS);
    name(m, c, v->id);

    return v;
}


/* Blocks are scarce here: what had no room is seen from what is there. */

static void
told(model_t *m, reviewer_t *v, int rc)
{
    cdr_str_t  id;

    tell(m, v);

    id.data = (const uint8_t *) v->id;
    id.len = strlen(v->id);

    v->partial = false;

    if (cdr_presence_get(&m->p, id, v->anonymous, &m->batch) == CDR_OK
        && (m->batch.item[0].feature.len != v->feature
            || m->batch.item[0].role.len != v->role))
    {
        v->partial = true;
        assert(rc == CDR_FULL
               || id.len + v->role + v->feature > CDR_REVIEWER_INLINE);
    }
}


static void
do_join(model_t *m, unsigned i)
{
    int               rc;
    conn_t           *c;
    uint32_t          index;
    cdr_conn_info_t   info;

    c = &m->conns[i];

    if (c->live) {
        return;
    }

    memset(&info, 0, sizeof(info));
    memset(c, 0, sizeof(conn_t));

    m->now++;
    m->ids++;
    memcpy(c->id, &m->ids, sizeof(m->ids));
    memcpy(info.id, &m->ids, sizeof(m->ids));

    c->user = byte(m) % (USERS + 3);
    c->user = c->user > USERS ? USERS : c->user;
    c->role = byte(m) % 8 * 9;
    c->hidden = (byte(m) % 8 == 0);
    c->joined = ++m->clock;

    info.identity.user = letters(m, c->user < USERS ? user_len(c->user) : 0);
    info.identity.role = letters(m, c->role);
    info.flags = c->hidden ? HIDDEN : 0;
    info.connected_ms = m->now;

    if (!c->hidden
        && cdr_presence_kept(&m->p, info.identity.user, &info.status,
                             &info.feature)
           == CDR_OK)
    {
        c->status = info.status;
        c->feature = (unsigned) info.feature.len;
        c->said = (c->status || c->feature) ? c->joined : 0;
    }

    if (cdr_registry_add(&m->r, &info, &index, &c->generation) != CDR_OK) {
        return;
    }

    /* the numbers of the registry and of the model are the same */

    if (index != i) {
        m->conns[index] = *c;
        c->live = false;
        c = &m->conns[index];
    }

    c->live = true;

    if (c->hidden) {
        return;
    }

    rc = cdr_presence_join(&m->p, index, m->now);
    mend(m, rc);

    if (m->damaged) {
        return;
    }

    c->listed = (rc == CDR_OK);
    assert(c->listed || (rc == CDR_FULL && c->user < USERS
                         && user_len(c->user) > CDR_REVIEWER_INLINE));

    recycled(m, c->user < USERS
                && user_len(c->user) > CDR_REVIEWER_INLINE);

    if (rc == CDR_OK) {
        told(m, obtain(m, c), rc);
    }
}


static void
do_changed(model_t *m, conn_t *c, uint32_t index)
{
    int       rc;
    unsigned  status, feature;

    status = byte(m) % 3;
    feature = byte(m) % (CDR_CONN_FEATURE_MAX + 1);

    if (!c->live
        || cdr_registry_set_feature(&m->r, index, c->generation, status,
                                    letters(m, feature), m->now)
           != CDR_OK)
    {
        return;
    }

    c->status = status;
    c->feature = feature;

    rc = cdr_presence_changed(&m->p, index, m->now);
    mend(m, rc);

    if (m->damaged) {
        return;
    }

    assert((rc == CDR_DECLINED) == !c->listed);

    if (c->listed) {
        c->said = ++m->clock;
        told(m, reviewer(m, c), rc);
    }
}


static void
do_role(model_t *m, conn_t *c, uint32_t index)
{
    int                   rc;
    cdr_conn_identity_t   who;

    memset(&who, 0, sizeof(who));

    who.user = letters(m, c->user < USERS ? user_len(c->user) : 0);
    who.role = letters(m, byte(m) % 8 * 9);

    if (!c->live
        || cdr_registry_set_identity(&m->r, index, c->generation, &who)
           != CDR_OK)
    {
        return;
    }

    c->role = (unsigned) who.role.len;

    rc = cdr_presence_role(&m->p, index, m->now);
    mend(m, rc);

    if (!m->damaged && c->listed) {
        told(m, reviewer(m, c), rc);
    }
}


static void
do_leave(model_t *m, conn_t *c, uint32_t index)
{
    int          rc;
    uint64_t     due;
    reviewer_t  *v;

    if (!c->live) {
        return;
    }

    due = m->now + byte(m) * 20;
    v = c->listed ? reviewer(m, c) : NULL;

    rc = cdr_presence_leave(&m->p, index, m->now, due);
    mend(m, rc);

    if (rc == CDR_ERROR) {
        (void) cdr_presence_leave(&m->p, index, m->now, due);
    }

    assert(cdr_registry_remove(&m->r, index, c->generation) == CDR_OK);
    c->live = false;

    if (v == NULL || m->damaged) {
        return;
    }

    assert(rc == CDR_OK);

    v->connections = 0;
    told(m, v, rc);

    if (v->connections == 0) {
        v->state = LEAVING;
        v->due = due;
    }
}


static void
do_expire(model_t *m)
{
    int          rc;
    uint32_t     n, i, max, gone, kept;
    uint64_t     forget;
    reviewer_t  *v;

    m->now += byte(m) * 10;
    forget = m->now - (byte(m) % 2 ? 500 : 5000);
    max = (byte(m) % 4) ? UINT32_MAX : 2;

    rc = cdr_presence_expire(&m->p, m->now, forget, max, &n);
    mend(m, rc);

    if (m->damaged) {
        return;
    }

    while (rc == CDR_AGAIN) {
        assert(n <= max);
        rc = cdr_presence_expire(&m->p, m->now, forget, UINT32_MAX, &kept);
        n += kept;
    }

    for (gone = 0, i = 0; i < REVIEWERS; i++) {
        v = &m->reviewers[i];

        if (v->state == LEAVING && v->due <= m->now) {
            v->state = OFFLINE;
            v->since = m->now;
            gone++;
        }

        if (v->state == OFFLINE && v->since <= forget) {
            v->state = NONE;
        }
    }

    assert(n == gone);

    /* in what order, the table says */

    i = 0;

    while (cdr_presence_scan(&m->p, &i, &m->batch) == CDR_OK) {
        for (n = 0; n < m->batch.n; n++) {
            char  id[CDR_REVIEWER_ID_MAX + 1];

            memset(id, 0, sizeof(id));
            memcpy(id, m->batch.item[n].id.data, m->batch.item[n].id.len);
            v = find(m, id, m->batch.item[n].anonymous);
            assert(v != NULL);
            v->order = m->batch.item[n].version;
        }
    }
}


/* Changes nothing, but that what had no room may have some now. */

static void
do_repair(model_t *m)
{
    unsigned     i;
    conn_t      *c;
    reviewer_t   v;

    cdr_presence_repair(&m->p, HIDDEN, m->now, m->now + 100);
    memset(m->cursor.place, 0xff, sizeof(m->cursor.place));

    for (i = 0; i < CONNS; i++) {
        c = &m->conns[i];

        if (!c->live || c->hidden) {
            continue;
        }

        v.anonymous = (c->user == USERS);
        name(m, c, v.id);

        assert(!c->listed || there(m, &v));

        if (!c->listed && there(m, &v)) {
            c->listed = true;
            c->said = (c->status || c->feature) ? ++m->clock : 0;
        }

        if (c->listed) {
            told(m, obtain(m, c), CDR_OK);
        }
    }
}


/* Anything into the links; what is primary stays. */

static void
do_damage(model_t *m)
{
    uint32_t               value, i;
    cdr_reviewer_entry_t  *e;

    value = byte(m);
    value = (value & 0x80) ? value * 0x01010101 : value;
    i = byte(m);
    e = &m->p.entries[i % (m->p.shm->high ? m->p.shm->high : 1)];

    switch (m->p.shm->high ? byte(m) % 12 : 0) {
    case 0: m->p.buckets[i % REVIEWERS] = value; break;
    case 1: m->p.block_next[i % m->p.nblocks] = value; break;
    case 2: e->next = value; break;
    case 3: e->order.prev = value; break;
    case 4: e->order.next = value; break;
    case 5: e->due.prev = value; break;
    case 6: e->due.next = value; break;
    case 7: e->conns.first = value; break;
    case 8: e->said = value; break;
    case 9: m->p.shm->order[i % 2].first = value; break;
    case 10: m->p.shm->slots[i % CDR_PRESENCE_SLOTS].first = value; break;
    default: m->p.shm->free = value;
    }

    m->damaged = true;
}


/* However it was: all connections have a reviewer that counts them. */

static void
check_repaired(model_t *m)
{
    uint32_t             i, index, live, sum;
    cdr_presence_fill_t  fill;

    cdr_presence_repair(&m->p, HIDDEN, m->now, m->now + 100);
    cdr_presence_fill(&m->p, &fill);

    for (live = 0, i = 0; i < CONNS; i++) {
        live += (m->conns[i].live && !m->conns[i].hidden
                 && (m->conns[i].user == USERS
                     || user_len(m->conns[i].user) <= CDR_REVIEWER_INLINE));
    }

    index = 0;
    sum = 0;

    while (cdr_presence_scan(&m->p, &index, &m->batch) == CDR_OK) {
        for (i = 0; i < m->batch.n; i++) {
            sum += m->batch.item[i].connections;
        }
    }

    assert(sum >= live && sum <= CONNS);
    assert(fill.live + fill.offline <= REVIEWERS);
    assert(fill.leaving <= fill.live);

    read_changes(m);
}


static void
step(model_t *m)
{
    unsigned  op, index;

    op = byte(m);
    index = op % CONNS;

    switch (op / CONNS) {
    case 0: case 1: case 2: case 3: case 4: case 5:
        do_join(m, index);
        break;

    case 6: case 7: case 8:
        do_changed(m, &m->conns[index], index);
        break;

    case 9:
        do_role(m, &m->conns[index], index);
        break;

    case 10: case 11: case 12: case 13:
        do_leave(m, &m->conns[index], index);
        break;

    case 14:
        do_expire(m);
        break;

    default:
        if (index == 0) {
            do_damage(m);

        } else if (index < 8 && !m->damaged) {
            do_repair(m);
        }
    }

    check(m);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void     *table, *registry;
    size_t    i, n;
    model_t  *m;

    static const uint8_t  key[CDR_SIPHASH_KEY_LEN] = { 7 };

    m = calloc(1, sizeof(model_t));

    m->in = data;
    m->left = size;
    m->now = 1000000;

    for (i = 0; i < sizeof(m->letters); i++) {
        m->letters[i] = (uint8_t) ('a' + i % 26);
    }

    n = cdr_registry_size(CONNS);
    registry = aligned_alloc(64, (n + 63) / 64 * 64);
    assert(cdr_registry_init(registry, CONNS) == CDR_OK);
    assert(cdr_registry_attach(&m->r, registry, n) == CDR_OK);

    n = cdr_presence_size(CONNS, 0);
    table = aligned_alloc(64, (n + 63) / 64 * 64);
    memset(table, 0x5a, n);
    assert(cdr_presence_init(table, CONNS, 0, key) == CDR_OK);
    assert(cdr_presence_attach(&m->p, &m->r, table, n) == CDR_OK);

    while (m->left) {
        step(m);
    }

    check_repaired(m);

    free(table);
    free(registry);
    free(m);

    return 0;
}
