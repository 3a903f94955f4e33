/* What the tests of the store share: a directory, and a second connection. */

#ifndef CDR_STORE_TEST_H_INCLUDED
#define CDR_STORE_TEST_H_INCLUDED


#include <unistd.h>

#include "cdr_test.h"
#include "cdr_store_int.h"


#define NOW  1900000000000ULL           /* Unix milliseconds */
#define TTL  1800

#define str(s)  (cdr_str_t) { (const uint8_t *) (s), strlen(s) }


/*
 * Built against SQLCipher, all that is tested here is so with a key: the bytes
 * themselves, since those of a passphrase take a tenth of a second to derive.
 */

#ifdef CDR_SQLCIPHER
#define KEY  "x'00112233445566778899aabbccddeeff"                              \
             "0123456789abcdef0123456789abcdef'"
#else
#define KEY  ""
#endif


static char              dir[64];
static char              path[128];
static char              why[CDR_STORE_ERROR_LEN];
static cdr_store_t      *store;
static cdr_store_conf_t  conf;


static inline void
remove_database(void)
{
    size_t  i;
    char    name[160];

    static const char  *suffix[] = {
        "", "-wal", "-shm", "-journal", ".old"
    };

    for (i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
        (void) snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
        (void) remove(name);
    }
}


static inline void
remove_directory(void)
{
    remove_database();

    if (rmdir(dir) != 0) {
        perror(dir);
    }
}


/* A directory that is removed at the end, and a name in it. */

static inline void
directory(void)
{
    const char  *tmp = getenv("TMPDIR");

    /* without a disk to wait for, where that can be */

    if (tmp == NULL) {
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }

    (void) snprintf(dir, sizeof(dir), "%.40s/cdr-store-XXXXXX", tmp);

    if (mkdtemp(dir) == NULL) {
        perror(dir);
        exit(2);
    }

    (void) atexit(remove_directory);
    (void) snprintf(path, sizeof(path), "%s/tasks.db", dir);

    conf.path = path;
    conf.key = str(KEY);
    conf.ttl_s = TTL;
    conf.history_s = 30 * 24 * 3600;
    conf.busy_ms = 20;
}


static inline int
open_store(void)
{
    return cdr_store_open(&store, &conf, why);
}


static inline void
close_store(void)
{
    cdr_store_close(store);
    store = NULL;
}


/* Somebody else's connection. */

static inline sqlite3 *
other(void)
{
    sqlite3  *db;

    if (sqlite3_open(path, &db) != SQLITE_OK) {
        printf("# %s\n", sqlite3_errmsg(db));
        exit(2);
    }

#ifdef CDR_SQLCIPHER
    (void) sqlite3_key(db, KEY, sizeof(KEY) - 1);
#endif

    return db;
}


static inline int
run_in(sqlite3 *db, const char *sql)
{
    int    rc;
    char  *error = NULL;

    rc = sqlite3_exec(db, sql, NULL, NULL, &error);

    if (rc != SQLITE_OK) {
        printf("# %s: %s\n", sql, error);
    }

    sqlite3_free(error);

    return rc;
}


static inline int
run(const char *sql)
{
    int       rc;
    sqlite3  *db = other();

    rc = run_in(db, sql);

    (void) sqlite3_close(db);

    return rc;
}


static inline int
gather(void *data, int n, char **value, char **name)
{
    int   i;
    char *text = data;

    (void) name;

    for (i = 0; i < n; i++) {
        (void) snprintf(text + strlen(text), 4096 - strlen(text), "%s%s",
                        i ? "|" : "", value[i] ? value[i] : "NULL");
    }

    (void) snprintf(text + strlen(text), 4096 - strlen(text), "\n");

    return 0;
}


/* The rows of a question, each with a newline, columns with bars between. */

static inline const char *
ask(const char *sql)
{
    char        *error = NULL;
    sqlite3     *db = other();
    static char  text[4096];

    text[0] = '\0';

    if (sqlite3_exec(db, sql, gather, text, &error) != SQLITE_OK) {
        (void) snprintf(text, sizeof(text), "%s", error);
    }

    sqlite3_free(error);
    (void) sqlite3_close(db);

    return text;
}


#define is_text(got, expected, ...)                                           \
    do {                                                                      \
        const char  *got_ = (got);                                            \
        ok(strcmp(got_, expected) == 0, __VA_ARGS__);                         \
        if (strcmp(got_, expected)) { printf("# got: %s\n", got_); }          \
    } while (0)


static inline cdr_store_change_t
change(const char *id, cdr_status_t status, const char *feature, uint64_t at)
{
    cdr_store_change_t  c;

    memset(&c, 0, sizeof(c));

    c.id = str(id);
    c.role = str("architect");
    c.feature = str(feature);
    c.server = str("node-1");
    c.status = status;
    c.connections = status == CDR_STATUS_OFFLINE ? 0 : 1;
    c.connected_ms = NOW;
    c.at_ms = at;

    return c;
}


static inline int
put(const char *id, cdr_status_t status, const char *feature, uint64_t at)
{
    cdr_store_change_t  c = change(id, status, feature, at);

    return cdr_store_apply(store, &c, 1, at);
}


#endif /* CDR_STORE_TEST_H_INCLUDED */
