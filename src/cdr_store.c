/* The database: opening and closing it, transactions, and what errors mean. */

#include "cdr_store_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int cdr_store_connect(cdr_store_t *store,
    const cdr_store_conf_t *conf);
static int cdr_store_unlock(cdr_store_t *store, const cdr_store_conf_t *conf);
static int cdr_store_prepare(cdr_store_t *store);
static int cdr_store_log(cdr_store_t *store);
static bool cdr_store_gone(cdr_store_t *store);
static int cdr_store_code(int rc);
static void cdr_store_text(cdr_store_t *store, int rc);
static const char *cdr_store_reason(const cdr_store_t *store, int rc);


bool
cdr_store_encrypts(void)
{
#ifdef CDR_SQLCIPHER
    return true;
#else
    return false;
#endif
}


int
cdr_store_open(cdr_store_t **store, const cdr_store_conf_t *conf, char *error)
{
    int           rc;
    cdr_store_t  *s;

    *store = NULL;
    error[0] = '\0';

    s = sqlite3_malloc64(sizeof(cdr_store_t));
    if (s == NULL) {
        (void) snprintf(error, CDR_STORE_ERROR_LEN, "out of memory");
        return CDR_NOMEM;
    }

    memset(s, 0, sizeof(cdr_store_t));

    s->ttl_s = (sqlite3_int64) conf->ttl_s;
    s->history_ms = (sqlite3_int64) conf->history_s * 1000;
    s->keyed = conf->key.len != 0;

    rc = cdr_store_connect(s, conf);

    if (rc == SQLITE_OK) {
        rc = cdr_store_prepare(s);
    }

    if (rc == SQLITE_OK) {
        *store = s;
        return CDR_OK;
    }

    if (rc != CDR_STORE_REFUSED) {
        cdr_store_text(s, rc);
    }

    memcpy(error, s->error, CDR_STORE_ERROR_LEN);

    rc = (rc & 0xff) == SQLITE_NOMEM ? CDR_NOMEM : cdr_store_code(rc);

    cdr_store_close(s);

    return rc == CDR_ERROR ? CDR_DECLINED : rc;
}


static int
cdr_store_connect(cdr_store_t *store, const cdr_store_conf_t *conf)
{
    int  rc;

    rc = sqlite3_open_v2(conf->path, &store->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                         | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                         NULL);

    if (rc == SQLITE_OK) {

        /* beside the file, if this is a link to one */

        store->wal = sqlite3_mprintf("%s-wal",
                                     sqlite3_db_filename(store->db, "main"));
        rc = store->wal ? SQLITE_OK : SQLITE_NOMEM;
    }

    if (rc != SQLITE_OK) {
        return rc;
    }

    (void) sqlite3_extended_result_codes(store->db, 1);
    (void) sqlite3_busy_timeout(store->db, (int) conf->busy_ms);

    return cdr_store_unlock(store, conf);
}


/*
 * With another library in its place the key would be ignored, and the text
 * plain: nginx has one name space for what its modules load.
 */

static int
cdr_store_unlock(cdr_store_t *store, const cdr_store_conf_t *conf)
{
    if (conf->key.len == 0) {
        return SQLITE_OK;
    }

#ifdef CDR_SQLCIPHER
    {
        int            rc;
        bool           there;
        sqlite3_stmt  *statement;

        rc = sqlite3_key(store->db, conf->key.data, (int) conf->key.len);
        if (rc != SQLITE_OK) {
            return rc;
        }

        rc = sqlite3_prepare_v2(store->db, "PRAGMA cipher_version", -1,
                                &statement, NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }

        there = sqlite3_step(statement) == SQLITE_ROW;
        rc = sqlite3_finalize(statement);

        if (rc != SQLITE_OK || there) {
            return rc;
        }
    }
#endif

    return cdr_store_refuse(store, "a key is given, but the SQLite library in "
                            "this process cannot encrypt");
}


/*
 * NORMAL: a commit is in the hands of the system, so whatever happens to this
 * process, it holds; only at a checkpoint it waits for the disk.  A power cut
 * may cost the last commits, never the database, and presence is made true
 * anew after it anyway.
 */

static int
cdr_store_prepare(cdr_store_t *store)
{
    int  rc;

    rc = cdr_store_exec(store, "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA cache_size = -8000;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "SELECT count(*) FROM sqlite_master;");

    if (rc == SQLITE_OK && sqlite3_db_readonly(store->db, "main") == 1) {
        rc = SQLITE_READONLY;
    }

    if (rc == SQLITE_OK) {
        rc = cdr_store_schema(store);
    }

    if (rc == SQLITE_OK) {
        rc = cdr_store_log(store);
    }

    if (rc == SQLITE_OK) {
        rc = cdr_store_statements(store);
    }

    return rc;
}


/* The log, once it is known that the database may be touched. */

static int
cdr_store_log(cdr_store_t *store)
{
    int            rc;
    bool           wal;
    sqlite3_stmt  *statement;

    rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1,
                            &statement, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }

    wal = sqlite3_step(statement) == SQLITE_ROW
          && sqlite3_stricmp((const char *) sqlite3_column_text(statement, 0),
                             "wal") == 0;

    rc = sqlite3_finalize(statement);

    if (rc == SQLITE_OK && !wal) {
        rc = cdr_store_refuse(store, "there is no write-ahead log on this "
                              "file system: it cannot share memory");
    }

    return rc;
}


/*
 * A file that was renamed is not that of its name any more, but the log still
 * is the one that whoever opens the name will find: empty it first.
 */

void
cdr_store_close(cdr_store_t *store)
{
    size_t  i;

    if (store == NULL) {
        return;
    }

    for (i = 0; i < CDR_STORE_STATEMENTS; i++) {
        (void) sqlite3_finalize(store->statement[i]);
    }

    if (store->statement[0] && cdr_store_gone(store)) {
        (void) sqlite3_wal_checkpoint_v2(store->db, NULL,
                                         SQLITE_CHECKPOINT_TRUNCATE,
                                         NULL, NULL);
    }

    (void) sqlite3_close(store->db);

    sqlite3_free(store->wal);
    sqlite3_free(store);
}


static bool
cdr_store_gone(cdr_store_t *store)
{
    int           there, moved;
    sqlite3_vfs  *vfs;

    moved = 0;

    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED,
                             &moved)
        == SQLITE_OK
        && moved)
    {
        return true;
    }

    /* that it exists would be denied of a log that is empty yet */

    vfs = sqlite3_vfs_find(NULL);
    there = 1;

    return vfs->xAccess(vfs, store->wal, SQLITE_ACCESS_READWRITE, &there)
           == SQLITE_OK
           && !there;
}


int
cdr_store_changed(cdr_store_t *store, bool *changed)
{
    int            rc;
    sqlite3_int64  before;

    *changed = false;

    if (cdr_store_gone(store)) {
        *changed = true;
        return cdr_store_result(store,
                                cdr_store_refuse(store, "its file has been "
                                                 "removed or replaced"));
    }

    before = store->data_version;
    rc = cdr_store_look(store);
    *changed = before != store->data_version;

    return cdr_store_result(store, rc);
}


int
cdr_store_look(cdr_store_t *store)
{
    sqlite3_stmt  *statement;

    statement = store->statement[CDR_STORE_VERSION];

    if (sqlite3_step(statement) == SQLITE_ROW) {
        store->data_version = sqlite3_column_int64(statement, 0);
    }

    return sqlite3_reset(statement);
}


const char *
cdr_store_error(const cdr_store_t *store)
{
    return store->error;
}


int
cdr_store_exec(cdr_store_t *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}


int
cdr_store_run(sqlite3_stmt *statement)
{
    (void) sqlite3_step(statement);

    return sqlite3_reset(statement);
}


int
cdr_store_begin(cdr_store_t *store)
{
    return cdr_store_run(store->statement[CDR_STORE_BEGIN]);
}


int
cdr_store_end(cdr_store_t *store, int rc)
{
    if (rc == SQLITE_OK) {
        rc = cdr_store_run(store->statement[CDR_STORE_COMMIT]);
    }

    rc = cdr_store_result(store, rc);

    if (!sqlite3_get_autocommit(store->db)) {
        (void) cdr_store_exec(store, "ROLLBACK");
    }

    return rc;
}


int
cdr_store_result(cdr_store_t *store, int rc)
{
    if (rc == CDR_STORE_REFUSED) {
        return CDR_ERROR;
    }

    store->error[0] = '\0';

    if (rc == SQLITE_OK) {
        return CDR_OK;
    }

    cdr_store_text(store, rc);

    return cdr_store_code(rc);
}


/* An empty string is no string. */

int
cdr_store_bind(sqlite3_stmt *statement, int n, cdr_str_t text)
{
    if (text.len == 0) {
        return sqlite3_bind_null(statement, n);
    }

    return sqlite3_bind_text64(statement, n, (const char *) text.data,
                               text.len, SQLITE_STATIC, SQLITE_UTF8);
}


cdr_str_t
cdr_store_column(sqlite3_stmt *statement, int n)
{
    cdr_str_t  text;

    text.data = sqlite3_column_text(statement, n);
    text.len = text.data ? (size_t) sqlite3_column_bytes(statement, n) : 0;

    return text;
}


int
cdr_store_refuse(cdr_store_t *store, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    (void) vsnprintf(store->error, CDR_STORE_ERROR_LEN, format, args);
    va_end(args);

    return CDR_STORE_REFUSED;
}


/* What may pass by itself, and what wants the database opened anew. */

static int
cdr_store_code(int rc)
{
    if (rc == SQLITE_READONLY_DBMOVED) {
        return CDR_ERROR;
    }

    switch (rc & 0xff) {

    case SQLITE_OK:
        return CDR_OK;

    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOMEM:
        return CDR_AGAIN;

    default:
        return CDR_ERROR;
    }
}


static void
cdr_store_text(cdr_store_t *store, int rc)
{
    int          n;
    const char  *said;

    said = sqlite3_errmsg(store->db);

    if (store->db == NULL || (sqlite3_extended_errcode(store->db) & 0xff)
                             != (rc & 0xff))
    {
        said = sqlite3_errstr(rc);
    }

    switch (rc & 0xff) {

    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        n = store->db ? sqlite3_system_errno(store->db) : 0;

        if (n) {
            said = strerror(n);
        }
    }

    (void) snprintf(store->error, CDR_STORE_ERROR_LEN, "%s (%s)",
                    cdr_store_reason(store, rc), said);
}


static const char *
cdr_store_reason(const cdr_store_t *store, int rc)
{
    switch (rc & 0xff) {

    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return "it is locked by another program";

    case SQLITE_FULL:
        return "no space is left for it";

    case SQLITE_IOERR:
        return "reading or writing it failed";

    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return "it cannot be written";

    case SQLITE_CANTOPEN:
        return "it, or a file beside it, cannot be opened";

    case SQLITE_NOMEM:
        return "out of memory";

    case SQLITE_NOTADB:
        return store->keyed ? "it is no SQLite database that this key opens"
                            : "it is no SQLite database, or is encrypted";

    case SQLITE_CORRUPT:
        return "it is damaged";

    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return "a table in it does not take a row of presence";

    default:
        return "SQLite says no";
    }
}
