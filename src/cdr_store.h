/*
 * Presence in an SQLite database: the table of reviewers, and the history of
 * who was where.
 *
 * The database may be an application's own, with other tables in it: the two
 * tables, and "conductor_schema" with the version of both, are all that is
 * touched.  A table "reviewer_presence" that is there already and has the
 * first six columns is taken over.
 *
 * Every function may block for as long as the file system does, and for
 * "busy_ms" on another's lock: they are for a thread of their own.  Each runs
 * in one transaction or none; whatever fails can simply be done again.
 */

#ifndef CDR_STORE_H_INCLUDED
#define CDR_STORE_H_INCLUDED


#include "cdr.h"
#include "cdr_registry.h"


#define CDR_STORE_SCHEMA      1
#define CDR_STORE_ERROR_LEN   256
#define CDR_STORE_SWEEP       2000      /* rows deleted in a transaction */


typedef struct cdr_store_s  cdr_store_t;


typedef struct {
    const char       *path;
    cdr_str_t         key;          /* of the encryption; len 0: none */
    uint64_t          ttl_s;        /* a row that is offline stays so long */
    uint64_t          history_s;    /* age at which history is dropped; 0:
                                       none is written */
    unsigned          busy_ms;
} cdr_store_conf_t;


/* What a reviewer is from "at_ms" on.  Times are Unix milliseconds. */

typedef struct {
    cdr_str_t         id;
    cdr_str_t         role;
    cdr_str_t         feature;      /* len 0: NULL in the table */
    cdr_str_t         server;
    cdr_status_t      status;
    uint32_t          connections;
    uint64_t          connected_ms;
    uint64_t          at_ms;
} cdr_store_change_t;


typedef enum {
    CDR_STORE_BY_REVIEWER = 0,
    CDR_STORE_BY_FEATURE
} cdr_store_by_e;


/*
 * A question about the history; strings are copied where they are needed.  A
 * filter with data NULL is none; of len 0 it is for those who have no feature
 * or role.  A role is one of those that a reviewer has.
 */

typedef struct {
    uint64_t          from_ms;
    uint64_t          to_ms;
    cdr_store_by_e    by;
    cdr_str_t         reviewer;
    cdr_str_t         feature;
    cdr_str_t         role;
    cdr_str_t         after;        /* the last name of the page before, of
                                       len 0 for "no feature"; data NULL: from
                                       the first on */
    uint32_t          limit;        /* rows */
} cdr_store_query_t;


typedef struct {
    cdr_str_t         name;         /* data NULL: no feature */
    uint64_t          time_ms;      /* within the time that was asked for */
    uint64_t          visits;       /* intervals */
    uint64_t          first_ms;     /* begin of the first, */
    uint64_t          last_ms;      /* end of the last, within that time */
} cdr_store_row_t;

/* Called for each row; false ends the query. */

typedef bool (*cdr_store_row_pt)(void *ctx, const cdr_store_row_t *row);

/* Asked every few milliseconds of a question; true ends it. */

typedef bool (*cdr_store_stop_pt)(void *ctx);


/* Whether a key can be used: this was built against SQLCipher. */

bool cdr_store_encrypts(void);


/*
 * Opens or makes the database, with write-ahead log, and brings its tables to
 * this version.  CDR_OK; else *store is NULL and "error", of
 * CDR_STORE_ERROR_LEN bytes, a text that ends with NUL: CDR_AGAIN (locked, no
 * space, cannot be opened or written now), CDR_DECLINED (no database, another
 * key, a table that is somebody else's, or a newer version's), CDR_NOMEM.
 */

int cdr_store_open(cdr_store_t **store, const cdr_store_conf_t *conf,
    char *error);

/* Accepts NULL. */

void cdr_store_close(cdr_store_t *store);

/*
 * The rest returns CDR_OK; CDR_AGAIN if the database is locked or full, or the
 * disk cannot be written: nothing is done, the store stays open; CDR_ERROR if
 * it has to be opened anew.  cdr_store_error() then tells why, until the next
 * call.
 */

const char *cdr_store_error(const cdr_store_t *store);

/*
 * Writes changes in their order.  The row gets the newest; an offline one
 * expires ttl_s later, others are renewed until now.  In the history the open
 * interval of a reviewer ends where status, role or feature differ, and
 * another one begins; offline begins none.  The same again changes nothing.
 */

int cdr_store_apply(cdr_store_t *store, const cdr_store_change_t *change,
    size_t n, uint64_t now_ms);

/*
 * Makes the table equal what is there: begin, add all reviewers who are not
 * offline in any number of calls, end.  Rows of others become offline as of
 * the time they were last known to be there, and their intervals end then.
 * Between begin and end nothing is locked or to be seen by others.
 */

int cdr_store_reconcile_begin(cdr_store_t *store);
int cdr_store_reconcile_add(cdr_store_t *store,
    const cdr_store_change_t *change, size_t n);
int cdr_store_reconcile_end(cdr_store_t *store, uint64_t now_ms);

/* Lets the rows that are not offline expire ttl_s from now. */

int cdr_store_renew(cdr_store_t *store, uint64_t now_ms);

/*
 * Deletes offline rows that have expired, and history that is too old, at most
 * CDR_STORE_SWEEP of each.  *more: there are others, call again when those who
 * wait have had their turn.
 */

int cdr_store_sweep(cdr_store_t *store, uint64_t now_ms, bool *more);

/*
 * *changed: somebody else has written to the database since the last call, or
 * the file of that name is gone or another one (then also CDR_ERROR).
 */

int cdr_store_changed(cdr_store_t *store, bool *changed);

/*
 * Rows in the order of their names' bytes, no feature first.  Also
 * CDR_TOOBIG: "stop", which may be NULL, has ended it; the rows so far are
 * whole, and a question "after" the last one goes on.
 */

int cdr_store_history(cdr_store_t *store, const cdr_store_query_t *query,
    uint64_t now_ms, cdr_store_row_pt row, cdr_store_stop_pt stop, void *ctx);


#endif /* CDR_STORE_H_INCLUDED */
