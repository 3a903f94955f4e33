/* Writing presence: changes, making all of it true, renewing and sweeping. */

#include "cdr_store_int.h"

#include <string.h>


/* The interval of a reviewer that has not ended, as the history has it. */

typedef struct {
    sqlite3_int64    id;
    sqlite3_int64    started_ms;
    bool             same;          /* as what it is now */
} cdr_store_open_t;


static int cdr_store_put(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 now_ms, bool reconcile);
static int cdr_store_put_row(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 now_ms);
static int cdr_store_put_history(cdr_store_t *store,
    const cdr_store_change_t *c, bool reconcile);
static int cdr_store_interval(cdr_store_t *store,
    const cdr_store_change_t *c, cdr_store_open_t *open, bool *found);
static int cdr_store_interval_end(cdr_store_t *store,
    const cdr_store_open_t *open, sqlite3_int64 at_ms);
static int cdr_store_interval_change(cdr_store_t *store,
    const cdr_store_open_t *open, const cdr_store_change_t *c);
static int cdr_store_interval_begin(cdr_store_t *store,
    const cdr_store_change_t *c);
static int cdr_store_seen(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 *seen_ms);
static int cdr_store_live(cdr_store_t *store, const cdr_store_change_t *c);
static int cdr_store_others(cdr_store_t *store, sqlite3_int64 now_ms);
static int cdr_store_each(cdr_store_t *store, sqlite3_int64 now_ms);
static int cdr_store_delete(cdr_store_t *store, cdr_store_statement_e which,
    sqlite3_int64 before, bool *more);
static cdr_str_t cdr_store_status(cdr_status_t status);
static bool cdr_store_equal(cdr_str_t a, cdr_str_t b);


static const cdr_str_t  cdr_store_statuses[] = {
    cdr_str("online"),
    cdr_str("away"),
    cdr_str("busy"),
    cdr_str("offline")
};


int
cdr_store_apply(cdr_store_t *store, const cdr_store_change_t *change, size_t n,
    uint64_t now_ms)
{
    int     rc;
    size_t  i;

    rc = cdr_store_begin(store);

    for (i = 0; rc == SQLITE_OK && i < n; i++) {
        rc = cdr_store_put(store, &change[i], (sqlite3_int64) now_ms, false);
    }

    return cdr_store_end(store, rc);
}


static int
cdr_store_put(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 now_ms, bool reconcile)
{
    int  rc;

    rc = store->history_ms ? cdr_store_put_history(store, c, reconcile)
                           : SQLITE_OK;

    return rc == SQLITE_OK ? cdr_store_put_row(store, c, now_ms) : rc;
}


/* Not "ON CONFLICT": the SQLCipher of Debian 12 does not know it. */

static int
cdr_store_put_row(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 now_ms)
{
    int            rc;
    size_t         i;
    sqlite3_int64  at_s, seen_s;
    sqlite3_stmt  *statement;

    static const cdr_store_statement_e  which[] = {
        CDR_STORE_ROW_UPDATE, CDR_STORE_ROW_INSERT
    };

    at_s = (sqlite3_int64) (c->at_ms / 1000);
    seen_s = c->status == CDR_STATUS_OFFLINE ? at_s : now_ms / 1000;

    for (i = 0; i < 2; i++) {
        statement = store->statement[which[i]];

        (void) cdr_store_bind(statement, 1, c->id);
        (void) cdr_store_bind(statement, 2, cdr_store_status(c->status));
        (void) cdr_store_bind(statement, 3, c->feature);
        (void) sqlite3_bind_int64(statement, 4,
                                  (sqlite3_int64) (c->connected_ms / 1000));
        (void) sqlite3_bind_int64(statement, 5, at_s);
        (void) sqlite3_bind_int64(statement, 6, seen_s + store->ttl_s);
        (void) cdr_store_bind(statement, 7, c->role);
        (void) cdr_store_bind(statement, 8, c->server);
        (void) sqlite3_bind_int64(statement, 9, c->connections);
        (void) sqlite3_bind_int64(statement, 10, seen_s);

        rc = cdr_store_run(statement);

        if (rc != SQLITE_OK || sqlite3_changes(store->db)) {
            return rc;
        }
    }

    return SQLITE_OK;
}


/*
 * An interval from before the reviewer came is one of an earlier stay, whose
 * end nobody told: it ended when the reviewer was last seen, or where the next
 * stay began.
 */

static int
cdr_store_put_history(cdr_store_t *store, const cdr_store_change_t *c,
    bool reconcile)
{
    int               rc;
    bool              found;
    sqlite3_int64     end_ms, seen_ms;
    cdr_store_open_t  open;

    rc = cdr_store_interval(store, c, &open, &found);
    if (rc != SQLITE_OK) {
        return rc;
    }

    end_ms = (sqlite3_int64) c->at_ms;

    if (found && open.started_ms < (sqlite3_int64) c->connected_ms) {
        open.same = false;
        end_ms = (sqlite3_int64) c->connected_ms;

        if (reconcile) {
            rc = cdr_store_seen(store, c, &seen_ms);

            if (seen_ms && seen_ms < end_ms) {
                end_ms = seen_ms;
            }
        }
    }

    if (rc != SQLITE_OK || (found && open.same)) {
        return rc;
    }

    if (found && end_ms <= open.started_ms
        && c->status != CDR_STATUS_OFFLINE
        && open.started_ms >= (sqlite3_int64) c->connected_ms)
    {
        return cdr_store_interval_change(store, &open, c);
    }

    if (found) {
        rc = cdr_store_interval_end(store, &open, end_ms);
    }

    if (rc == SQLITE_OK && c->status != CDR_STATUS_OFFLINE) {
        rc = cdr_store_interval_begin(store, c);
    }

    return rc;
}


static int
cdr_store_interval(cdr_store_t *store, const cdr_store_change_t *c,
    cdr_store_open_t *open, bool *found)
{
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_OPEN_FIND];

    (void) cdr_store_bind(statement, 1, c->id);

    *found = sqlite3_step(statement) == SQLITE_ROW;

    if (*found) {
        open->id = sqlite3_column_int64(statement, 0);
        open->started_ms = sqlite3_column_int64(statement, 1);
        open->same = cdr_store_equal(cdr_store_column(statement, 2),
                                     cdr_store_status(c->status))
                     && cdr_store_equal(cdr_store_column(statement, 3),
                                        c->role)
                     && cdr_store_equal(cdr_store_column(statement, 4),
                                        c->feature);
    }

    return sqlite3_reset(statement);
}


/* An interval has a length, or it was none. */

static int
cdr_store_interval_end(cdr_store_t *store, const cdr_store_open_t *open,
    sqlite3_int64 at_ms)
{
    sqlite3_stmt  *statement;

    if (at_ms <= open->started_ms) {
        statement = store->statement[CDR_STORE_OPEN_DELETE];

    } else {
        statement = store->statement[CDR_STORE_OPEN_END];
        (void) sqlite3_bind_int64(statement, 2, at_ms);
    }

    (void) sqlite3_bind_int64(statement, 1, open->id);

    return cdr_store_run(statement);
}


static int
cdr_store_interval_change(cdr_store_t *store, const cdr_store_open_t *open,
    const cdr_store_change_t *c)
{
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_OPEN_CHANGE];

    (void) sqlite3_bind_int64(statement, 1, open->id);
    (void) cdr_store_bind(statement, 2, cdr_store_status(c->status));
    (void) cdr_store_bind(statement, 3, c->role);
    (void) cdr_store_bind(statement, 4, c->feature);
    (void) cdr_store_bind(statement, 5, c->server);

    return cdr_store_run(statement);
}


static int
cdr_store_interval_begin(cdr_store_t *store, const cdr_store_change_t *c)
{
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_OPEN_INSERT];

    (void) cdr_store_bind(statement, 1, c->id);
    (void) cdr_store_bind(statement, 2, cdr_store_status(c->status));
    (void) cdr_store_bind(statement, 3, c->role);
    (void) cdr_store_bind(statement, 4, c->feature);
    (void) cdr_store_bind(statement, 5, c->server);
    (void) sqlite3_bind_int64(statement, 6, (sqlite3_int64) c->at_ms);

    return cdr_store_run(statement);
}


static int
cdr_store_seen(cdr_store_t *store, const cdr_store_change_t *c,
    sqlite3_int64 *seen_ms)
{
    sqlite3_stmt  *statement;

    *seen_ms = 0;

    statement = store->statement[CDR_STORE_LIVE_SEEN];

    (void) cdr_store_bind(statement, 1, c->id);

    if (sqlite3_step(statement) == SQLITE_ROW) {
        *seen_ms = sqlite3_column_int64(statement, 0);
    }

    return sqlite3_reset(statement);
}


/* Who is there is gathered in a table of this connection's, in memory. */

int
cdr_store_reconcile_begin(cdr_store_t *store)
{
    return cdr_store_result(store,
                    cdr_store_run(store->statement[CDR_STORE_LIVE_CLEAR]));
}


int
cdr_store_reconcile_add(cdr_store_t *store, const cdr_store_change_t *change,
    size_t n)
{
    int     rc;
    size_t  i;

    rc = SQLITE_OK;

    for (i = 0; rc == SQLITE_OK && i < n; i++) {

        if (change[i].status != CDR_STATUS_OFFLINE) {
            rc = cdr_store_live(store, &change[i]);
        }
    }

    return cdr_store_result(store, rc);
}


static int
cdr_store_live(cdr_store_t *store, const cdr_store_change_t *c)
{
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_LIVE_ADD];

    (void) cdr_store_bind(statement, 1, c->id);
    (void) sqlite3_bind_int(statement, 2, (int) c->status);
    (void) cdr_store_bind(statement, 3, c->feature);
    (void) cdr_store_bind(statement, 4, c->role);
    (void) cdr_store_bind(statement, 5, c->server);
    (void) sqlite3_bind_int64(statement, 6, c->connections);
    (void) sqlite3_bind_int64(statement, 7, (sqlite3_int64) c->connected_ms);
    (void) sqlite3_bind_int64(statement, 8, (sqlite3_int64) c->at_ms);

    return cdr_store_run(statement);
}


int
cdr_store_reconcile_end(cdr_store_t *store, uint64_t now_ms)
{
    int  rc;

    rc = cdr_store_begin(store);

    if (rc == SQLITE_OK) {
        rc = cdr_store_others(store, (sqlite3_int64) now_ms);
    }

    if (rc == SQLITE_OK) {
        rc = cdr_store_each(store, (sqlite3_int64) now_ms);
    }

    return cdr_store_end(store, rc);
}


static int
cdr_store_others(cdr_store_t *store, sqlite3_int64 now_ms)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_LIVE_OTHERS];

    (void) sqlite3_bind_int64(statement, 1, now_ms / 1000);
    (void) sqlite3_bind_int64(statement, 2, store->ttl_s);

    rc = cdr_store_run(statement);
    if (rc != SQLITE_OK) {
        return rc;
    }

    statement = store->statement[CDR_STORE_LIVE_END];

    (void) sqlite3_bind_int64(statement, 1, now_ms);

    /* without history nobody would end those that are left of it */

    (void) sqlite3_bind_int(statement, 2, store->history_ms == 0);

    return cdr_store_run(statement);
}


static int
cdr_store_each(cdr_store_t *store, sqlite3_int64 now_ms)
{
    int                  rc, reset;
    sqlite3_stmt        *statement;
    cdr_store_change_t   c;

    rc = SQLITE_OK;
    statement = store->statement[CDR_STORE_LIVE_EACH];

    while (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        c.id = cdr_store_column(statement, 0);
        c.status = (cdr_status_t) sqlite3_column_int(statement, 1);
        c.feature = cdr_store_column(statement, 2);
        c.role = cdr_store_column(statement, 3);
        c.server = cdr_store_column(statement, 4);
        c.connections = (uint32_t) sqlite3_column_int64(statement, 5);
        c.connected_ms = (uint64_t) sqlite3_column_int64(statement, 6);
        c.at_ms = (uint64_t) sqlite3_column_int64(statement, 7);

        rc = cdr_store_put(store, &c, now_ms, true);
    }

    reset = sqlite3_reset(statement);

    return rc == SQLITE_OK ? reset : rc;
}


int
cdr_store_renew(cdr_store_t *store, uint64_t now_ms)
{
    int            rc;
    sqlite3_stmt  *statement;

    rc = cdr_store_begin(store);

    if (rc == SQLITE_OK) {
        statement = store->statement[CDR_STORE_RENEW];

        (void) sqlite3_bind_int64(statement, 1,
                                  (sqlite3_int64) (now_ms / 1000));
        (void) sqlite3_bind_int64(statement, 2, store->ttl_s);

        rc = cdr_store_run(statement);
    }

    return cdr_store_end(store, rc);
}


int
cdr_store_sweep(cdr_store_t *store, uint64_t now_ms, bool *more)
{
    int            rc;
    sqlite3_int64  now;

    *more = false;
    now = (sqlite3_int64) now_ms;

    rc = cdr_store_begin(store);

    if (rc == SQLITE_OK) {
        rc = cdr_store_delete(store, CDR_STORE_SWEEP_ROWS, now / 1000, more);
    }

    if (rc == SQLITE_OK && store->history_ms) {
        rc = cdr_store_delete(store, CDR_STORE_SWEEP_HISTORY,
                              now - store->history_ms, more);
    }

    return cdr_store_end(store, rc);
}


static int
cdr_store_delete(cdr_store_t *store, cdr_store_statement_e which,
    sqlite3_int64 before, bool *more)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = store->statement[which];

    (void) sqlite3_bind_int64(statement, 1, before);
    (void) sqlite3_bind_int(statement, 2, CDR_STORE_SWEEP);

    rc = cdr_store_run(statement);

    if (rc == SQLITE_OK
        && sqlite3_changes(store->db) == CDR_STORE_SWEEP)
    {
        *more = true;
    }

    return rc;
}


static cdr_str_t
cdr_store_status(cdr_status_t status)
{
    return cdr_store_statuses[status <= CDR_STATUS_OFFLINE
                              ? status : CDR_STATUS_OFFLINE];
}


static bool
cdr_store_equal(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
