/*
 * Questions about the history.
 *
 * They are answered name by name: the next name there is comes from an index,
 * and its intervals in the time in question from the same one.  So the work is
 * that of a page, whatever the history holds, and can be left after each name.
 */

#include "cdr_store_int.h"

#include <string.h>


#define CDR_STORE_STOP_STEPS  20000     /* of SQLite's machine: a millisecond */


/* Which of the parameters a statement has. */

#define CDR_STORE_NAME      1
#define CDR_STORE_FROM      2
#define CDR_STORE_TO        3
#define CDR_STORE_NOW       4
#define CDR_STORE_REVIEWER  5
#define CDR_STORE_FEATURE   6
#define CDR_STORE_ROLE      7


typedef struct {
    cdr_store_t              *store;
    const cdr_store_query_t  *query;
    cdr_store_row_pt          row;
    cdr_store_stop_pt         stop;
    void                     *ctx;
    sqlite3_stmt             *next;     /* the name after one */
    sqlite3_stmt             *sum;
    uint32_t                  rows;
    bool                      stopped;
} cdr_store_asking_t;


static int cdr_store_asking(cdr_store_asking_t *a, uint64_t now_ms);
static int cdr_store_asking_prepare(cdr_store_asking_t *a);
static void cdr_store_asking_bind(cdr_store_asking_t *a, uint64_t now_ms);
static int cdr_store_walk(cdr_store_asking_t *a);
static int cdr_store_walk_one(cdr_store_asking_t *a, bool *more);
static cdr_str_t cdr_store_value(sqlite3_value *value);
static int cdr_store_sum(cdr_store_asking_t *a, cdr_str_t name, bool *more);
static int cdr_store_stopped(void *data);


int
cdr_store_history(cdr_store_t *store, const cdr_store_query_t *query,
    uint64_t now_ms, cdr_store_row_pt row, cdr_store_stop_pt stop, void *ctx)
{
    int                 rc;
    cdr_store_asking_t  asking;

    memset(&asking, 0, sizeof(cdr_store_asking_t));

    asking.store = store;
    asking.query = query;
    asking.row = row;
    asking.stop = stop;
    asking.ctx = ctx;

    if (stop) {
        sqlite3_progress_handler(store->db, CDR_STORE_STOP_STEPS,
                                 cdr_store_stopped, &asking);
    }

    rc = cdr_store_asking(&asking, now_ms);
    rc = cdr_store_result(store, rc);

    sqlite3_progress_handler(store->db, 0, NULL, NULL);

    (void) sqlite3_finalize(asking.next);
    (void) sqlite3_finalize(asking.sum);

    return asking.stopped ? CDR_TOOBIG : rc;
}


static int
cdr_store_asking(cdr_store_asking_t *a, uint64_t now_ms)
{
    int  rc;

    rc = cdr_store_asking_prepare(a);

    if (rc != SQLITE_OK) {
        return rc;
    }

    cdr_store_asking_bind(a, now_ms);

    return cdr_store_walk(a);
}


/* "IS" finds the names that are NULL too, in the index as well. */

static int
cdr_store_asking_prepare(cdr_store_asking_t *a)
{
    int          rc;
    char        *sql;
    const char  *column, *reviewer, *feature, *role;

    column = a->query->by == CDR_STORE_BY_FEATURE ? "feature" : "reviewer_id";

    reviewer = a->query->reviewer.data ? " AND reviewer_id IS ?5" : "";
    feature = a->query->feature.data ? " AND feature IS ?6" : "";
    role = a->query->role.data == NULL ? ""
           : a->query->role.len ? " AND instr(',' || role || ',',"
                                  " ',' || ?7 || ',')"
                                : " AND role IS NULL";

    sql = sqlite3_mprintf("SELECT %s FROM presence_history WHERE %s > ?%d"
                          " AND typeof(%s) = 'text' ORDER BY %s LIMIT 1",
                          column, column, CDR_STORE_NAME, column, column);
    if (sql == NULL) {
        return SQLITE_NOMEM;
    }

    rc = sqlite3_prepare_v2(a->store->db, sql, -1, &a->next, NULL);

    sqlite3_free(sql);

    if (rc != SQLITE_OK) {
        return rc;
    }

    sql = sqlite3_mprintf(
        "SELECT count(*), sum(min(ended, ?%d) - max(started_at, ?%d)),"
        " min(max(started_at, ?%d)), max(min(ended, ?%d)) FROM ("
        "SELECT started_at, ended_at AS ended FROM presence_history"
        " WHERE %s IS ?%d AND ended_at > ?%d AND started_at < ?%d%s%s%s"
        " UNION ALL "
        "SELECT started_at, max(started_at, ?%d) FROM presence_history"
        " WHERE %s IS ?%d AND ended_at IS NULL AND started_at < ?%d%s%s%s)",
        CDR_STORE_TO, CDR_STORE_FROM, CDR_STORE_FROM, CDR_STORE_TO,
        column, CDR_STORE_NAME, CDR_STORE_FROM, CDR_STORE_TO,
        reviewer, feature, role,
        CDR_STORE_NOW, column, CDR_STORE_NAME, CDR_STORE_TO,
        reviewer, feature, role);

    if (sql == NULL) {
        return SQLITE_NOMEM;
    }

    rc = sqlite3_prepare_v2(a->store->db, sql, -1, &a->sum, NULL);

    sqlite3_free(sql);

    return rc;
}


/* Up to now, and what is open ends there. */

static void
cdr_store_asking_bind(cdr_store_asking_t *a, uint64_t now_ms)
{
    uint64_t                  to_ms;
    const cdr_store_query_t  *q;

    q = a->query;
    to_ms = q->to_ms < now_ms ? q->to_ms : now_ms;

    (void) sqlite3_bind_int64(a->sum, CDR_STORE_FROM,
                              (sqlite3_int64) q->from_ms);
    (void) sqlite3_bind_int64(a->sum, CDR_STORE_TO, (sqlite3_int64) to_ms);
    (void) sqlite3_bind_int64(a->sum, CDR_STORE_NOW, (sqlite3_int64) now_ms);

    /* those that the statement does not have are not bound */

    (void) cdr_store_bind(a->sum, CDR_STORE_REVIEWER, q->reviewer);
    (void) cdr_store_bind(a->sum, CDR_STORE_FEATURE, q->feature);
    (void) cdr_store_bind(a->sum, CDR_STORE_ROLE, q->role);
}


static int
cdr_store_walk(cdr_store_asking_t *a)
{
    int              rc;
    bool             more;
    cdr_str_t        name;
    const cdr_str_t  none = cdr_str_null;

    more = true;
    name = a->query->by == CDR_STORE_BY_FEATURE ? a->query->feature
                                                : a->query->reviewer;

    if (name.data) {
        return a->query->after.data ? SQLITE_OK
                                    : cdr_store_sum(a, name, &more);
    }

    rc = SQLITE_OK;

    if (a->query->after.data == NULL) {
        rc = cdr_store_sum(a, none, &more);
    }

    /* after the empty text, which is none of the names */

    (void) sqlite3_bind_text64(a->next, CDR_STORE_NAME,
                               a->query->after.len
                               ? (const char *) a->query->after.data : "",
                               a->query->after.len, SQLITE_STATIC,
                               SQLITE_UTF8);

    while (rc == SQLITE_OK && more) {
        rc = cdr_store_walk_one(a, &more);
    }

    return rc;
}


/* The next name and its row; the one after it is asked for then. */

static int
cdr_store_walk_one(cdr_store_asking_t *a, bool *more)
{
    int             rc;
    sqlite3_value  *name;

    rc = sqlite3_step(a->next);

    if (rc != SQLITE_ROW) {
        *more = false;
        return sqlite3_reset(a->next);
    }

    name = sqlite3_value_dup(sqlite3_column_value(a->next, 0));

    (void) sqlite3_reset(a->next);

    if (name == NULL) {
        return SQLITE_NOMEM;
    }

    rc = cdr_store_sum(a, cdr_store_value(name), more);

    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_value(a->next, CDR_STORE_NAME, name);
    }

    sqlite3_value_free(name);

    return rc;
}


static cdr_str_t
cdr_store_value(sqlite3_value *value)
{
    cdr_str_t  text;

    text.data = sqlite3_value_text(value);
    text.len = text.data ? (size_t) sqlite3_value_bytes(value) : 0;

    return text;
}


static int
cdr_store_sum(cdr_store_asking_t *a, cdr_str_t name, bool *more)
{
    int              rc;
    cdr_store_row_t  row;

    (void) cdr_store_bind(a->sum, CDR_STORE_NAME, name);

    rc = sqlite3_step(a->sum);

    if (rc == SQLITE_ROW && sqlite3_column_int64(a->sum, 0)) {
        row.name = name;
        row.visits = (uint64_t) sqlite3_column_int64(a->sum, 0);
        row.time_ms = (uint64_t) sqlite3_column_int64(a->sum, 1);
        row.first_ms = (uint64_t) sqlite3_column_int64(a->sum, 2);
        row.last_ms = (uint64_t) sqlite3_column_int64(a->sum, 3);

        *more = a->row(a->ctx, &row) && ++a->rows < a->query->limit;
    }

    return sqlite3_reset(a->sum);
}


static int
cdr_store_stopped(void *data)
{
    cdr_store_asking_t  *a = data;

    if (a->stop(a->ctx)) {
        a->stopped = true;
    }

    return a->stopped;
}
