/* The store: tables that were there before, of whatever version. */

#include "cdr_store_test.h"


static void six_columns_are_taken_over(void);
static void without_a_key_too(void);
static void an_older_version_is_brought_up(void);
static void a_newer_one_is_declined(void);
static void tables_of_others_are_declined(void);
static void tables_that_vanish_come_back(void);
static void keys(void);


int
main(void)
{
    directory();

    six_columns_are_taken_over();
    without_a_key_too();
    an_older_version_is_brought_up();
    a_newer_one_is_declined();
    tables_of_others_are_declined();
    tables_that_vanish_come_back();
    keys();

    return done_testing();
}


static void
six_columns_are_taken_over(void)
{
    remove_database();

    (void) run("CREATE TABLE tasks(id TEXT);"
               "INSERT INTO tasks VALUES('T01');"
               "CREATE TABLE reviewer_presence(reviewer_id TEXT PRIMARY KEY,"
               " status TEXT DEFAULT 'online', current_feature TEXT,"
               " connected_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
               " expires_at INTEGER NOT NULL);"
               "INSERT INTO reviewer_presence VALUES"
               "('old', 'online', 'f', 1899999000, 1899999500, 1900001000),"
               "('ms', 'busy', NULL, 1899999000123, 1899999500123,"
               " 1900001000123)");

    ok(open_store() == CDR_OK, "an application's table is taken over: %s",
       why);

    is_text(ask("SELECT * FROM reviewer_presence ORDER BY 1"),
            "ms|busy|NULL|1899999000|1899999500|1900001000|NULL|NULL|NULL|"
            "NULL\n"
            "old|online|f|1899999000|1899999500|1900001000|NULL|NULL|NULL|"
            "NULL\n",
            "with its rows; milliseconds have become seconds");

    is_text(ask("SELECT version FROM conductor_schema"), "1\n",
            "and has a version");

    (void) cdr_store_reconcile_begin(store);
    ok(cdr_store_reconcile_end(store, NOW) == CDR_OK, "nobody is there");

    is_text(ask("SELECT reviewer_id, status, expires_at"
                " FROM reviewer_presence ORDER BY 1"),
            "ms|offline|1900001300\nold|offline|1900001300\n",
            "its rows are offline");

    is_text(ask("SELECT id FROM tasks"), "T01\n",
            "the application's other tables are its own");

    close_store();
    ok(open_store() == CDR_OK, "it opens again");
    close_store();
}


static void
without_a_key_too(void)
{
    remove_database();

    (void) run("CREATE TABLE reviewer_presence(reviewer_id, status,"
               " current_feature, connected_at, updated_at, expires_at, x)");

    ok(open_store() == CDR_OK, "a table without primary key: %s", why);
    (void) put("a", CDR_STATUS_ONLINE, "", NOW);
    (void) put("a", CDR_STATUS_AWAY, "", NOW + 1);
    is_text(ask("SELECT reviewer_id, status FROM reviewer_presence"),
            "a|away\n", "has one row for a reviewer");
    is_text(ask("SELECT name FROM sqlite_master"
                " WHERE name = 'conductor_presence_reviewer'"),
            "conductor_presence_reviewer\n", "and an index to find it");
    close_store();

    remove_database();

    (void) run("CREATE TABLE reviewer_presence(reviewer_id, status,"
               " current_feature, connected_at, updated_at, expires_at);"
               "INSERT INTO reviewer_presence(reviewer_id)"
               " VALUES('a'), ('a')");

    ok(open_store() == CDR_DECLINED, "one reviewer twice is declined");
    ok(strstr(why, "UNIQUE") != NULL, "with why: %s", why);
}


static void
an_older_version_is_brought_up(void)
{
    remove_database();

    (void) run("CREATE TABLE conductor_schema(version INTEGER);"
               "INSERT INTO conductor_schema VALUES(0);"
               "CREATE TABLE reviewer_presence(reviewer_id TEXT PRIMARY KEY,"
               " status TEXT, current_feature TEXT, connected_at INTEGER,"
               " updated_at INTEGER, expires_at INTEGER, role TEXT);"
               "INSERT INTO reviewer_presence VALUES"
               "('a', 'online', 'f', 1, 2, 3, 'admin');"
               "CREATE TABLE presence_history(id INTEGER PRIMARY KEY,"
               " reviewer_id TEXT, started_at INTEGER, ended_at INTEGER);"
               "INSERT INTO presence_history(reviewer_id, started_at)"
               " VALUES('a', 5)");

    ok(open_store() == CDR_OK, "an older version: %s", why);
    is_text(ask("SELECT version FROM conductor_schema"), "1\n",
            "is brought up to date");
    is_text(ask("SELECT * FROM reviewer_presence"),
            "a|online|f|1|2|3|admin|NULL|NULL|NULL\n", "its rows stay");
    is_text(ask("SELECT reviewer_id, started_at, ended_at, feature, server"
                " FROM presence_history"), "a|5|NULL|NULL|NULL\n",
            "and its history");
    close_store();
}


static void
a_newer_one_is_declined(void)
{
    remove_database();

    ok(open_store() == CDR_OK, "a database");
    close_store();

    (void) run("UPDATE conductor_schema SET version = 7");

    ok(open_store() == CDR_DECLINED && store == NULL,
       "a newer version's is declined");
    is_text(why, "its tables are those of a newer version (schema 7, this "
                 "one knows 1)", "with a clear text");
    is_text(ask("SELECT version FROM conductor_schema"), "7\n",
            "and left as it is");

    (void) run("UPDATE conductor_schema SET version = -1");
    ok(open_store() == CDR_DECLINED, "a version that cannot be is declined");
}


static void
tables_of_others_are_declined(void)
{
    size_t  i;

    static const struct {
        const char  *sql;
        const char  *says;
    } foreign[] = {
        { "CREATE TABLE reviewer_presence(id)", "no column \"reviewer_id\"" },
        { "CREATE TABLE presence_history(reviewer_id)", "no column \"id\"" },
        { "CREATE TABLE conductor_schema(x)", "no column \"version\"" },
        { "CREATE VIEW reviewer_presence AS SELECT 1", "is no table" },
        { "CREATE TABLE t(a); CREATE INDEX presence_history ON t(a)",
          "is no table" },
        { "CREATE TABLE reviewer_presence(reviewer_id TEXT PRIMARY KEY,"
          " status TEXT, current_feature TEXT, connected_at INTEGER,"
          " updated_at INTEGER, expires_at INTEGER,"
          " tenant TEXT NOT NULL)", "does not take a row" },
        { "CREATE TABLE reviewer_presence(reviewer_id INTEGER PRIMARY KEY,"
          " status TEXT, current_feature TEXT, connected_at INTEGER,"
          " updated_at INTEGER, expires_at INTEGER)", "does not take a row" }
    };

    for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        remove_database();
        (void) run(foreign[i].sql);

        ok(open_store() == CDR_DECLINED && store == NULL, "%s is declined",
           foreign[i].sql);
        ok(strstr(why, foreign[i].says) != NULL, "and says: %s", why);
    }
}


static void
tables_that_vanish_come_back(void)
{
    remove_database();

    ok(open_store() == CDR_OK, "a database");
    (void) run("DROP TABLE presence_history");

    ok(put("a", CDR_STATUS_ONLINE, "f", NOW) == CDR_ERROR,
       "without its table the store wants to be opened anew");
    ok(strstr(cdr_store_error(store), "presence_history") != NULL,
       "and says: %s", cdr_store_error(store));
    is_text(ask("SELECT count(*) FROM reviewer_presence"), "0\n",
            "nothing of it was done");

    close_store();
    ok(open_store() == CDR_OK, "then it is there again");
    ok(put("a", CDR_STATUS_ONLINE, "f", NOW) == CDR_OK, "and works");
    close_store();
}


static void
keys(void)
{
    const cdr_str_t  key = conf.key;

    remove_database();

#ifdef CDR_SQLCIPHER

    ok(cdr_store_encrypts(), "this build encrypts");

    conf.key = str("a passphrase");
    ok(open_store() == CDR_OK, "a database with a key");
    close_store();
    ok(open_store() == CDR_OK, "opens with it again");
    close_store();

    conf.key = str("another key");
    ok(open_store() == CDR_DECLINED, "another key is declined");
    ok(strstr(why, "no SQLite database that this key opens") != NULL,
       "with a clear text: %s", why);

    conf.key.len = 0;
    ok(open_store() == CDR_DECLINED, "no key is declined");
    ok(strstr(why, "is encrypted") != NULL, "with a clear text: %s", why);

#else

    ok(!cdr_store_encrypts(), "this build does not encrypt");

    conf.key = str("a key");
    ok(open_store() == CDR_DECLINED && store == NULL,
       "so a key is declined, rather than ignored");
    ok(strstr(why, "cannot encrypt") != NULL, "with a clear text: %s", why);

#endif

    conf.key = key;
}
