/* What the files of the store share. */

#ifndef CDR_STORE_INT_H_INCLUDED
#define CDR_STORE_INT_H_INCLUDED


#include "cdr_store.h"

#ifdef CDR_SQLCIPHER
#define SQLITE_HAS_CODEC  1
#include <sqlcipher/sqlite3.h>
#else
#include <sqlite3.h>
#endif


typedef enum {
    CDR_STORE_BEGIN = 0,
    CDR_STORE_COMMIT,
    CDR_STORE_VERSION,
    CDR_STORE_ROW_UPDATE,
    CDR_STORE_ROW_INSERT,
    CDR_STORE_OPEN_FIND,
    CDR_STORE_OPEN_END,
    CDR_STORE_OPEN_CHANGE,
    CDR_STORE_OPEN_DELETE,
    CDR_STORE_OPEN_INSERT,
    CDR_STORE_RENEW,
    CDR_STORE_SWEEP_ROWS,
    CDR_STORE_SWEEP_HISTORY,
    CDR_STORE_LIVE_CLEAR,
    CDR_STORE_LIVE_ADD,
    CDR_STORE_LIVE_OTHERS,
    CDR_STORE_LIVE_END,
    CDR_STORE_LIVE_EACH,
    CDR_STORE_LIVE_SEEN,
    CDR_STORE_STATEMENTS
} cdr_store_statement_e;


struct cdr_store_s {
    sqlite3          *db;
    sqlite3_stmt     *statement[CDR_STORE_STATEMENTS];
    char             *wal;          /* its path */
    sqlite3_int64     data_version;
    sqlite3_int64     ttl_s;
    sqlite3_int64     history_ms;
    bool              keyed;
    bool              reconciling;
    char              error[CDR_STORE_ERROR_LEN];
};


/*
 * Functions that return "rc" return a code of SQLite's, SQLITE_OK if they did
 * what they are for.
 *
 * cdr_store.c
 */

int cdr_store_exec(cdr_store_t *store, const char *sql);

/* Reads the number that moves with every change by others. */

int cdr_store_look(cdr_store_t *store);

/* Runs a statement that gives no rows, bound by the caller. */

int cdr_store_run(sqlite3_stmt *statement);

/*
 * Begins to write.  cdr_store_end() commits, or rolls back if "rc" is an
 * error; cdr_store_result() is for what has no transaction.  Both return a
 * code of the core's, and leave a text.
 */

int cdr_store_begin(cdr_store_t *store);
int cdr_store_end(cdr_store_t *store, int rc);
int cdr_store_result(cdr_store_t *store, int rc);

int cdr_store_bind(sqlite3_stmt *statement, int n, cdr_str_t text);
cdr_str_t cdr_store_column(sqlite3_stmt *statement, int n);

/* Leaves a text of the caller's for an error that SQLite does not know. */

int cdr_store_refuse(cdr_store_t *store, const char *format, ...);

/* What cdr_store_refuse() returns: never one of SQLite's. */

#define CDR_STORE_REFUSED  (-1)

/* cdr_store_schema.c */

int cdr_store_schema(cdr_store_t *store);
int cdr_store_statements(cdr_store_t *store);


#endif /* CDR_STORE_INT_H_INCLUDED */
