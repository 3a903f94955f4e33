/* The tables: making them, taking them over, and bringing them up to date. */

#include "cdr_store_int.h"

#include <string.h>


#define CDR_STORE_FIRST_IS_KEY  0x80000000U


typedef struct {
    const char              *name;
    const char              *type;
    bool                     fixed;     /* a table without it is not ours */
} cdr_store_col_t;


typedef struct {
    const char              *name;
    const char              *sql;
    const cdr_store_col_t   *columns;
} cdr_store_table_t;


static int cdr_store_migrate(cdr_store_t *store);
static int cdr_store_version(cdr_store_t *store, sqlite3_int64 *version);
static int cdr_store_ensure(cdr_store_t *store,
    const cdr_store_table_t *table);
static int cdr_store_columns(cdr_store_t *store,
    const cdr_store_table_t *table, unsigned *have);
static int cdr_store_add_columns(cdr_store_t *store,
    const cdr_store_table_t *table, unsigned have);
static int cdr_store_kind(cdr_store_t *store, const char *name, bool *there);
static int cdr_store_number(cdr_store_t *store, const char *sql,
    sqlite3_int64 *n);
static int cdr_store_probe(cdr_store_t *store);


static const cdr_store_col_t  cdr_store_presence_columns[] = {
    { "reviewer_id",     "TEXT",    true },
    { "status",          "TEXT",    true },
    { "current_feature", "TEXT",    true },
    { "connected_at",    "INTEGER", true },
    { "updated_at",      "INTEGER", true },
    { "expires_at",      "INTEGER", true },
    { "role",            "TEXT",    false },
    { "server",          "TEXT",    false },
    { "connections",     "INTEGER", false },
    { "seen_at",         "INTEGER", false },
    { NULL, NULL, false }
};

static const cdr_store_col_t  cdr_store_history_columns[] = {
    { "id",              "INTEGER", true },
    { "reviewer_id",     "TEXT",    true },
    { "role",            "TEXT",    false },
    { "status",          "TEXT",    false },
    { "feature",         "TEXT",    false },
    { "server",          "TEXT",    false },
    { "started_at",      "INTEGER", true },
    { "ended_at",        "INTEGER", true },
    { NULL, NULL, false }
};

static const cdr_store_col_t  cdr_store_schema_columns[] = {
    { "version",         "INTEGER", true },
    { NULL, NULL, false }
};


static const cdr_store_table_t  cdr_store_tables[] = {

    { "reviewer_presence",
      "CREATE TABLE reviewer_presence(reviewer_id TEXT PRIMARY KEY,"
      " status TEXT, current_feature TEXT, connected_at INTEGER,"
      " updated_at INTEGER, expires_at INTEGER, role TEXT, server TEXT,"
      " connections INTEGER, seen_at INTEGER)",
      cdr_store_presence_columns },

    { "presence_history",
      "CREATE TABLE presence_history(id INTEGER PRIMARY KEY,"
      " reviewer_id TEXT, role TEXT, status TEXT, feature TEXT, server TEXT,"
      " started_at INTEGER, ended_at INTEGER)",
      cdr_store_history_columns },

    { "conductor_schema",
      "CREATE TABLE conductor_schema(version INTEGER)",
      cdr_store_schema_columns },

    { NULL, NULL, NULL }
};


/* For a table that was there and has no such primary key. */

static const char  cdr_store_unique[] =
    "CREATE UNIQUE INDEX IF NOT EXISTS conductor_presence_reviewer"
    " ON reviewer_presence(reviewer_id)";

/*
 * The second one finds the open interval of a reviewer too; the last is what
 * old history is deleted by.
 */

static const char  cdr_store_indexes[] =
    "CREATE INDEX IF NOT EXISTS conductor_presence_expires"
    " ON reviewer_presence(expires_at);"
    "CREATE INDEX IF NOT EXISTS conductor_history_reviewer"
    " ON presence_history(reviewer_id, ended_at);"
    "CREATE INDEX IF NOT EXISTS conductor_history_feature"
    " ON presence_history(feature, ended_at);"
    "CREATE INDEX IF NOT EXISTS conductor_history_ended"
    " ON presence_history(ended_at) WHERE ended_at IS NOT NULL;";


/*
 * What is done to rows that are there, by the version that they come from.
 * Tables, columns and indexes that are missing are made before, for every
 * version.  From 0, which has no table of versions: times of an application
 * that counted milliseconds.
 */

static const char *const  cdr_store_steps[CDR_STORE_SCHEMA] = {

    "UPDATE reviewer_presence SET connected_at = connected_at / 1000"
    " WHERE connected_at > 100000000000 AND typeof(connected_at) = 'integer';"
    "UPDATE reviewer_presence SET updated_at = updated_at / 1000"
    " WHERE updated_at > 100000000000 AND typeof(updated_at) = 'integer';"
    "UPDATE reviewer_presence SET expires_at = expires_at / 1000"
    " WHERE expires_at > 100000000000 AND typeof(expires_at) = 'integer';"
};


static const char *const  cdr_store_sql[CDR_STORE_STATEMENTS] = {

    [CDR_STORE_BEGIN] = "BEGIN IMMEDIATE",
    [CDR_STORE_COMMIT] = "COMMIT",
    [CDR_STORE_VERSION] = "PRAGMA data_version",

    [CDR_STORE_ROW_UPDATE] =
        "UPDATE reviewer_presence SET status = ?2, current_feature = ?3,"
        " connected_at = ?4, updated_at = ?5, expires_at = ?6, role = ?7,"
        " server = ?8, connections = ?9, seen_at = ?10"
        " WHERE reviewer_id = ?1",

    [CDR_STORE_ROW_INSERT] =
        "INSERT INTO reviewer_presence(reviewer_id, status, current_feature,"
        " connected_at, updated_at, expires_at, role, server, connections,"
        " seen_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",

    [CDR_STORE_OPEN_FIND] =
        "SELECT id, started_at, status, role, feature FROM presence_history"
        " WHERE reviewer_id = ?1 AND ended_at IS NULL",

    [CDR_STORE_OPEN_END] =
        "UPDATE presence_history SET ended_at = ?2 WHERE id = ?1",

    [CDR_STORE_OPEN_CHANGE] =
        "UPDATE presence_history SET status = ?2, role = ?3, feature = ?4,"
        " server = ?5 WHERE id = ?1",

    [CDR_STORE_OPEN_DELETE] =
        "DELETE FROM presence_history WHERE id = ?1",

    [CDR_STORE_OPEN_INSERT] =
        "INSERT INTO presence_history(reviewer_id, status, role, feature,"
        " server, started_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",

    [CDR_STORE_RENEW] =
        "UPDATE reviewer_presence SET expires_at = ?1 + ?2, seen_at = ?1"
        " WHERE status <> 'offline'",

    [CDR_STORE_SWEEP_ROWS] =
        "DELETE FROM reviewer_presence WHERE reviewer_id IN"
        " (SELECT reviewer_id FROM reviewer_presence WHERE expires_at < ?1"
        " AND status = 'offline' AND reviewer_id IS NOT NULL LIMIT ?2)",

    [CDR_STORE_SWEEP_HISTORY] =
        "DELETE FROM presence_history WHERE id IN"
        " (SELECT id FROM presence_history WHERE ended_at < ?1 LIMIT ?2)",

    [CDR_STORE_LIVE_CLEAR] = "DELETE FROM temp.conductor_live",

    [CDR_STORE_LIVE_ADD] =
        "INSERT OR REPLACE INTO temp.conductor_live(reviewer_id, status,"
        " feature, role, server, connections, connected_ms, at_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",

    [CDR_STORE_LIVE_OTHERS] =
        "UPDATE reviewer_presence SET status = 'offline', connections = 0,"
        " updated_at = coalesce(nullif(min(?1, max("
        "  cast(ifnull(updated_at, 0) AS INTEGER), ifnull(seen_at, 0))), 0),"
        "  ?1),"
        " expires_at = ?2 + coalesce(nullif(min(?1, max("
        "  cast(ifnull(updated_at, 0) AS INTEGER), ifnull(seen_at, 0))), 0),"
        "  ?1)"
        " WHERE ifnull(status, '') <> 'offline'"
        " AND NOT EXISTS (SELECT 1 FROM temp.conductor_live AS l"
        "  WHERE l.reviewer_id = reviewer_presence.reviewer_id)",

    [CDR_STORE_LIVE_END] =
        "UPDATE presence_history SET ended_at = max(started_at, ifnull("
        "  (SELECT min(1000 * max(p.updated_at, ifnull(p.seen_at, 0)), ?1)"
        "   FROM reviewer_presence AS p"
        "   WHERE p.reviewer_id = presence_history.reviewer_id), ?1))"
        " WHERE ended_at IS NULL"
        " AND (?2 OR NOT EXISTS (SELECT 1 FROM temp.conductor_live AS l"
        "  WHERE l.reviewer_id = presence_history.reviewer_id))",

    [CDR_STORE_LIVE_EACH] =
        "SELECT reviewer_id, status, feature, role, server, connections,"
        " connected_ms, at_ms FROM temp.conductor_live",

    [CDR_STORE_LIVE_SEEN] =
        "SELECT 1000 * max(cast(ifnull(updated_at, 0) AS INTEGER),"
        " ifnull(seen_at, 0)) FROM reviewer_presence WHERE reviewer_id = ?1"
};


int
cdr_store_schema(cdr_store_t *store)
{
    int  rc;

    /* a database that is not ours is not locked, let alone written */

    rc = cdr_store_version(store, NULL);

    if (rc == SQLITE_OK) {
        rc = cdr_store_exec(store, "BEGIN IMMEDIATE");
    }

    if (rc != SQLITE_OK) {
        return rc;
    }

    rc = cdr_store_migrate(store);

    return rc == SQLITE_OK ? cdr_store_exec(store, "COMMIT") : rc;
}


static int
cdr_store_migrate(cdr_store_t *store)
{
    int                       rc;
    char                     *sql;
    sqlite3_int64             version;
    const cdr_store_table_t  *table;

    rc = cdr_store_version(store, &version);

    for (table = cdr_store_tables; rc == SQLITE_OK && table->name; table++) {
        rc = cdr_store_ensure(store, table);
    }

    if (rc == SQLITE_OK) {
        rc = cdr_store_exec(store, cdr_store_indexes);
    }

    if (rc != SQLITE_OK || version == CDR_STORE_SCHEMA) {
        return rc;
    }

    while (rc == SQLITE_OK && version < CDR_STORE_SCHEMA) {
        rc = cdr_store_exec(store, cdr_store_steps[version++]);
    }

    if (rc != SQLITE_OK) {
        return rc;
    }

    sql = sqlite3_mprintf("DELETE FROM conductor_schema;"
                          "INSERT INTO conductor_schema VALUES(%d)",
                          CDR_STORE_SCHEMA);

    rc = sql ? cdr_store_exec(store, sql) : SQLITE_NOMEM;

    sqlite3_free(sql);

    return rc;
}


/* 0 where there is none yet. */

static int
cdr_store_version(cdr_store_t *store, sqlite3_int64 *version)
{
    int            rc;
    bool           there;
    unsigned       have;
    sqlite3_int64  n;

    n = 0;

    rc = cdr_store_kind(store, "conductor_schema", &there);

    if (rc == SQLITE_OK && there) {
        rc = cdr_store_columns(store, &cdr_store_tables[2], &have);

        if (rc == SQLITE_OK) {
            rc = cdr_store_number(store, "SELECT max(cast(version AS INTEGER))"
                                  " FROM conductor_schema", &n);
        }
    }

    if (rc != SQLITE_OK) {
        return rc;
    }

    if (n > CDR_STORE_SCHEMA || n < 0) {
        return cdr_store_refuse(store, "its tables are those of a newer "
                                "version (schema %lld, this one knows %d)",
                                (long long) n, CDR_STORE_SCHEMA);
    }

    if (version) {
        *version = n;
    }

    return SQLITE_OK;
}


static int
cdr_store_ensure(cdr_store_t *store, const cdr_store_table_t *table)
{
    int       rc;
    bool      there;
    unsigned  have;

    rc = cdr_store_kind(store, table->name, &there);
    if (rc != SQLITE_OK) {
        return rc;
    }

    if (!there) {
        return cdr_store_exec(store, table->sql);
    }

    rc = cdr_store_columns(store, table, &have);
    if (rc != SQLITE_OK) {
        return rc;
    }

    rc = cdr_store_add_columns(store, table, have);

    if (rc == SQLITE_OK && table == cdr_store_tables
        && !(have & CDR_STORE_FIRST_IS_KEY))
    {
        rc = cdr_store_exec(store, cdr_store_unique);
    }

    return rc;
}


/* A bit of "have" for each column of ours; the fixed ones must be there. */

static int
cdr_store_columns(cdr_store_t *store, const cdr_store_table_t *table,
    unsigned *have)
{
    int            rc, key;
    char          *sql;
    size_t         i;
    unsigned       keys;
    const char    *name;
    sqlite3_stmt  *statement;

    keys = 0;
    *have = 0;

    sql = sqlite3_mprintf("PRAGMA main.table_info(%Q)", table->name);
    if (sql == NULL) {
        return SQLITE_NOMEM;
    }

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    sqlite3_free(sql);

    while (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        name = (const char *) sqlite3_column_text(statement, 1);
        key = sqlite3_column_int(statement, 5);

        for (i = 0; table->columns[i].name; i++) {

            if (name && sqlite3_stricmp(name, table->columns[i].name) == 0) {
                *have |= 1U << i;
                keys |= key ? 1U << i : 0;
                key = 0;
            }
        }

        keys |= key ? CDR_STORE_FIRST_IS_KEY : 0;
    }

    *have |= keys == 1 ? CDR_STORE_FIRST_IS_KEY : 0;

    if (rc == SQLITE_OK) {
        rc = sqlite3_finalize(statement);
    }

    for (i = 0; rc == SQLITE_OK && table->columns[i].name; i++) {

        if (table->columns[i].fixed && !(*have & 1U << i)) {
            rc = cdr_store_refuse(store, "its table \"%s\" is not one of "
                                  "Conductor's: it has no column \"%s\"",
                                  table->name, table->columns[i].name);
        }
    }

    return rc;
}


static int
cdr_store_add_columns(cdr_store_t *store, const cdr_store_table_t *table,
    unsigned have)
{
    int     rc;
    char   *sql;
    size_t  i;

    rc = SQLITE_OK;

    for (i = 0; rc == SQLITE_OK && table->columns[i].name; i++) {

        if (have & 1U << i) {
            continue;
        }

        sql = sqlite3_mprintf("ALTER TABLE main.%s ADD COLUMN %s %s",
                              table->name, table->columns[i].name,
                              table->columns[i].type);

        rc = sql ? cdr_store_exec(store, sql) : SQLITE_NOMEM;

        sqlite3_free(sql);
    }

    return rc;
}


/* Whether there is a table; something else of its name is refused. */

static int
cdr_store_kind(cdr_store_t *store, const char *name, bool *there)
{
    int            rc;
    char          *sql;
    sqlite3_int64  tables, all;

    tables = 0;
    all = 0;

    sql = sqlite3_mprintf("SELECT count(*) FROM main.sqlite_master"
                          " WHERE lower(name) = %Q", name);
    if (sql == NULL) {
        return SQLITE_NOMEM;
    }

    rc = cdr_store_number(store, sql, &all);

    sqlite3_free(sql);

    if (rc == SQLITE_OK) {
        sql = sqlite3_mprintf("SELECT count(*) FROM main.sqlite_master"
                              " WHERE lower(name) = %Q AND type = 'table'",
                              name);
        if (sql == NULL) {
            return SQLITE_NOMEM;
        }

        rc = cdr_store_number(store, sql, &tables);

        sqlite3_free(sql);
    }

    *there = tables != 0;

    if (rc == SQLITE_OK && tables != all) {
        rc = cdr_store_refuse(store, "its \"%s\" is no table", name);
    }

    return rc;
}


static int
cdr_store_number(cdr_store_t *store, const char *sql, sqlite3_int64 *n)
{
    int            rc;
    sqlite3_stmt  *statement;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }

    if (sqlite3_step(statement) == SQLITE_ROW) {
        *n = sqlite3_column_int64(statement, 0);
    }

    return sqlite3_finalize(statement);
}


int
cdr_store_statements(cdr_store_t *store)
{
    int     rc;
    size_t  i;

    rc = cdr_store_exec(store, "CREATE TEMP TABLE conductor_live("
                               "reviewer_id TEXT PRIMARY KEY, status TEXT,"
                               " feature TEXT, role TEXT, server TEXT,"
                               " connections INTEGER, connected_ms INTEGER,"
                               " at_ms INTEGER)");

    for (i = 0; rc == SQLITE_OK && i < CDR_STORE_STATEMENTS; i++) {
        rc = sqlite3_prepare_v2(store->db, cdr_store_sql[i], -1,
                                &store->statement[i], NULL);
    }

    return rc == SQLITE_OK ? cdr_store_probe(store) : rc;
}


/*
 * A row that is taken back: constraints of an application that had the table
 * first are found now.
 */

static int
cdr_store_probe(cdr_store_t *store)
{
    int               rc;
    sqlite3_stmt     *statement;
    const cdr_str_t   id = cdr_str("conductor:probe");
    const cdr_str_t   status = cdr_str("offline");

    rc = cdr_store_begin(store);
    if (rc != SQLITE_OK) {
        return rc;
    }

    statement = store->statement[CDR_STORE_ROW_INSERT];

    (void) cdr_store_bind(statement, 1, id);
    (void) cdr_store_bind(statement, 2, status);
    (void) sqlite3_bind_int64(statement, 4, 1);
    (void) sqlite3_bind_int64(statement, 5, 1);
    (void) sqlite3_bind_int64(statement, 6, 1);

    rc = cdr_store_run(statement);

    if (rc != SQLITE_OK) {
        return rc;
    }

    rc = cdr_store_exec(store, "ROLLBACK");

    /* what was there before is no change */

    return rc == SQLITE_OK ? cdr_store_look(store) : rc;
}
