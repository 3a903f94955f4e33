/* The store: rows and intervals, on files, by eyes of another connection. */

#include "cdr_store_test.h"


static void a_row_is_as_documented(void);
static void rows_live_and_expire(void);
static void intervals_follow_what_changes(void);
static void history_may_be_off(void);
static void clocks_may_go_back(void);
static void reconciling_makes_it_true(void);
static void reconciling_after_an_absence(void);
static void others_may_write_too(void);
static void sweeping_is_bounded(void);
static void many_at_once(void);


int
main(void)
{
    directory();

    a_row_is_as_documented();
    rows_live_and_expire();
    intervals_follow_what_changes();
    history_may_be_off();
    clocks_may_go_back();
    reconciling_makes_it_true();
    reconciling_after_an_absence();
    others_may_write_too();
    sweeping_is_bounded();
    many_at_once();

    return done_testing();
}


#define fresh()                                                               \
    do {                                                                      \
        remove_database();                                                    \
        conf.history_s = 30 * 24 * 3600;                                      \
        ok(open_store() == CDR_OK, "a new database is made");                \
    } while (0)


static void
a_row_is_as_documented(void)
{
    fresh();

    is_text(ask("PRAGMA journal_mode"), "wal\n", "there is a log");

    ok(put("007", CDR_STATUS_BUSY, "editor", NOW + 5999) == CDR_OK,
       "a reviewer is written");

    is_text(ask("SELECT * FROM reviewer_presence"),
            "007|busy|editor|1900000000|1900000005|1900001805|architect|"
            "node-1|1|1900000005\n",
            "the columns stand in their order, times are seconds");

    is_text(ask("SELECT typeof(reviewer_id), typeof(connected_at)"
                " FROM reviewer_presence"), "text|integer\n",
            "an id of digits is text");

    ok(put("007", CDR_STATUS_ONLINE, "", NOW + 7000) == CDR_OK,
       "a change is written");

    is_text(ask("SELECT status, current_feature FROM reviewer_presence"),
            "online|NULL\n", "without a feature it is NULL");

    is_text(ask("SELECT name FROM sqlite_master WHERE type = 'index'"
                " AND tbl_name = 'reviewer_presence' AND sql IS NOT NULL"),
            "conductor_presence_expires\n", "expires_at has an index");

    ok(put("it's \"x\"; DROP TABLE reviewer_presence", CDR_STATUS_AWAY, "",
           NOW) == CDR_OK, "an id may be anything");

    is_text(ask("SELECT count(*) FROM reviewer_presence"), "2\n",
            "and is only an id");

    is_text(ask("PRAGMA integrity_check"), "ok\n", "the database is sound");

    close_store();
}


static void
rows_live_and_expire(void)
{
    bool  more;

    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);
    (void) put("b", CDR_STATUS_ONLINE, "f", NOW);
    (void) put("b", CDR_STATUS_OFFLINE, "f", NOW + 1000);

    is_text(ask("SELECT reviewer_id, status, connections, expires_at"
                " FROM reviewer_presence ORDER BY 1"),
            "a|online|1|1900001800\nb|offline|0|1900001801\n",
            "who is offline expires after the TTL");

    ok(cdr_store_renew(store, NOW + 3600 * 1000) == CDR_OK,
       "the others are renewed");

    is_text(ask("SELECT reviewer_id, expires_at FROM reviewer_presence"
                " ORDER BY 1"), "a|1900005400\nb|1900001801\n",
            "and only they");

    ok(run("DELETE FROM reviewer_presence WHERE expires_at < 1900001801")
       == SQLITE_OK, "a cleanup by hand");

    is_text(ask("SELECT count(*) FROM reviewer_presence"), "2\n",
            "takes nobody who is there");

    ok(cdr_store_sweep(store, NOW + 1801 * 1000, &more) == CDR_OK && !more,
       "a sweep in the second of it");
    is_text(ask("SELECT count(*) FROM reviewer_presence"), "2\n",
            "is too early");

    ok(cdr_store_sweep(store, NOW + 1802 * 1000, &more) == CDR_OK && !more,
       "a sweep a second later");
    is_text(ask("SELECT reviewer_id FROM reviewer_presence"), "a\n",
            "deletes the row that has expired");

    ok(cdr_store_sweep(store, NOW + 999999 * 1000ULL, &more) == CDR_OK,
       "after a long sleep of the machine");
    is_text(ask("SELECT reviewer_id FROM reviewer_presence"), "a\n",
            "a row that is not offline stays");

    close_store();
}


static void
intervals_follow_what_changes(void)
{
    const char  *all = "SELECT reviewer_id, status, feature,"
                       " started_at - 1900000000000, ended_at - 1900000000000"
                       " FROM presence_history ORDER BY id";

    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 100);
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 100);
    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 200);

    is_text(ask(all), "a|online|f|100|NULL\n", "the same again is the same");

    (void) put("a", CDR_STATUS_ONLINE, "g", NOW + 300);
    (void) put("a", CDR_STATUS_AWAY, "g", NOW + 400);
    (void) put("a", CDR_STATUS_AWAY, "", NOW + 500);
    (void) put("a", CDR_STATUS_OFFLINE, "", NOW + 600);
    (void) put("a", CDR_STATUS_OFFLINE, "", NOW + 700);

    is_text(ask(all), "a|online|f|100|300\na|online|g|300|400\n"
                      "a|away|g|400|500\na|away|NULL|500|600\n",
            "one ends where the next begins, and offline is none");

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 800);
    (void) put("a", CDR_STATUS_ONLINE, "g", NOW + 800);

    is_text(ask("SELECT feature FROM presence_history WHERE ended_at IS NULL"),
            "g\n", "what lasted no time was not");

    (void) put("a", CDR_STATUS_OFFLINE, "g", NOW + 800);
    is_text(ask("SELECT count(*) FROM presence_history"), "4\n",
            "nor is there an interval of no length");

    close_store();
}


static void
history_may_be_off(void)
{
    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 100);
    (void) put("a", CDR_STATUS_OFFLINE, "f", NOW + 800);
    is_text(ask("SELECT count(*) FROM presence_history"), "1\n",
            "with history there is an interval");

    close_store();

    conf.history_s = 0;
    ok(open_store() == CDR_OK, "without history");
    (void) put("b", CDR_STATUS_ONLINE, "f", NOW + 900);
    is_text(ask("SELECT count(*) FROM presence_history"), "1\n",
            "none is written");
    close_store();

    conf.history_s = 3600;
    (void) open_store();
    (void) put("b", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) cdr_store_renew(store, NOW + 9000);
    close_store();

    conf.history_s = 0;
    (void) open_store();
    {
        cdr_store_change_t  c = change("b", CDR_STATUS_ONLINE, "f",
                                       NOW + 1000);

        (void) cdr_store_reconcile_begin(store);
        (void) cdr_store_reconcile_add(store, &c, 1);
        (void) cdr_store_reconcile_end(store, NOW + 12000);
    }
    is_text(ask("SELECT started_at - 1900000000000, ended_at - 1900000000000"
                " FROM presence_history WHERE reviewer_id = 'b'"),
            "1000|9000\n", "and what was open has ended");

    close_store();
}


static void
clocks_may_go_back(void)
{
    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 5000);
    (void) put("a", CDR_STATUS_ONLINE, "g", NOW + 2000);
    (void) put("a", CDR_STATUS_OFFLINE, "g", NOW + 9000);

    is_text(ask("SELECT feature, started_at - 1900000000000,"
                " ended_at - 1900000000000 FROM presence_history"),
            "g|5000|9000\n", "no interval ends before it begins");

    close_store();
}


static void
reconciling_makes_it_true(void)
{
    cdr_store_change_t  now[2];

    fresh();

    (void) put("gone", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) put("stays", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) put("moved", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) put("left", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) put("left", CDR_STATUS_OFFLINE, "f", NOW + 2000);

    now[0] = change("stays", CDR_STATUS_ONLINE, "f", NOW + 1000);
    now[1] = change("moved", CDR_STATUS_BUSY, "g", NOW + 5000);

    ok(cdr_store_reconcile_begin(store) == CDR_OK
       && cdr_store_reconcile_add(store, &now[0], 1) == CDR_OK
       && cdr_store_reconcile_add(store, &now[1], 1) == CDR_OK,
       "who is there is told in pieces");

    is_text(ask("SELECT count(*) FROM reviewer_presence"
                " WHERE status = 'online'"), "3\n",
            "which nobody sees before the end");

    ok(run("CREATE TABLE mine(n); INSERT INTO mine VALUES(1)") == SQLITE_OK,
       "and which locks nothing");

    ok(cdr_store_reconcile_end(store, NOW + 9000) == CDR_OK, "the end");

    is_text(ask("SELECT reviewer_id, status, updated_at, expires_at"
                " FROM reviewer_presence ORDER BY 1"),
            "gone|offline|1900000001|1900001801\n"
            "left|offline|1900000002|1900001802\n"
            "moved|busy|1900000005|1900001809\n"
            "stays|online|1900000001|1900001809\n",
            "who is not there is offline as of when it was seen");

    is_text(ask("SELECT reviewer_id, feature, started_at - 1900000000000,"
                " ended_at - 1900000000000 FROM presence_history"
                " ORDER BY reviewer_id, id"),
            "gone|f|1000|1000\nleft|f|1000|2000\nmoved|f|1000|5000\n"
            "moved|g|5000|NULL\nstays|f|1000|NULL\n",
            "and the intervals agree");

    ok(cdr_store_reconcile_begin(store) == CDR_OK
       && cdr_store_reconcile_end(store, NOW + 10000) == CDR_OK,
       "nobody is there");

    is_text(ask("SELECT count(*) FROM reviewer_presence"
                " WHERE status <> 'offline'"), "0\n", "all are offline");
    is_text(ask("SELECT count(*) FROM presence_history"
                " WHERE ended_at IS NULL"), "0\n", "all intervals have ended");

    close_store();
}


/* The machine lost its power; the same reviewer is there when it is up. */

static void
reconciling_after_an_absence(void)
{
    cdr_store_change_t  c;

    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 1000);
    ok(cdr_store_renew(store, NOW + 60000) == CDR_OK, "seen after a minute");
    close_store();

    ok(open_store() == CDR_OK, "the old file");

    c = change("a", CDR_STATUS_ONLINE, "f", NOW + 600000);
    c.connected_ms = NOW + 600000;

    (void) cdr_store_reconcile_begin(store);
    (void) cdr_store_reconcile_add(store, &c, 1);
    ok(cdr_store_reconcile_end(store, NOW + 600500) == CDR_OK,
       "it is there again after ten");

    is_text(ask("SELECT started_at - 1900000000000, ended_at - 1900000000000"
                " FROM presence_history ORDER BY id"),
            "1000|60000\n600000|NULL\n",
            "the time in between is in no interval");

    c.connected_ms = NOW + 700000;
    c.at_ms = NOW + 700000;
    ok(cdr_store_apply(store, &c, 1, NOW + 700000) == CDR_OK,
       "it left and came, all within a tick");

    is_text(ask("SELECT started_at - 1900000000000, ended_at - 1900000000000"
                " FROM presence_history WHERE id > 1 ORDER BY id"),
            "600000|700000\n700000|NULL\n", "and these are two stays");

    close_store();
}


static void
others_may_write_too(void)
{
    bool  changed;

    fresh();

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW);

    ok(cdr_store_changed(store, &changed) == CDR_OK && !changed,
       "what this writes is no change by others");

    ok(run("INSERT INTO reviewer_presence(reviewer_id, status, updated_at)"
           " VALUES('old', 'idle', '1899999999.5'), (NULL, 'online', 'x');"
           "UPDATE reviewer_presence SET status = 'gone', connections = 'x'"
           " WHERE reviewer_id = 'a'") == SQLITE_OK, "another program writes");

    ok(cdr_store_changed(store, &changed) == CDR_OK && changed,
       "that is seen");
    ok(cdr_store_changed(store, &changed) == CDR_OK && !changed, "once");

    (void) put("a", CDR_STATUS_ONLINE, "f", NOW + 1000);
    (void) cdr_store_reconcile_begin(store);
    {
        cdr_store_change_t  c = change("a", CDR_STATUS_ONLINE, "f", NOW);
        (void) cdr_store_reconcile_add(store, &c, 1);
    }
    ok(cdr_store_reconcile_end(store, NOW + 2000) == CDR_OK, "and mended");

    is_text(ask("SELECT reviewer_id, status, updated_at, expires_at"
                " FROM reviewer_presence ORDER BY 1"),
            "NULL|offline|1900000002|1900001802\n"
            "a|online|1900000000|1900001802\n"
            "old|offline|1899999999|1900001799\n",
            "whatever it wrote");

    close_store();
}


static void
sweeping_is_bounded(void)
{
    int       calls;
    bool      more;
    sqlite3  *db;

    fresh();

    db = other();
    (void) run_in(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
                      " SELECT i + 1 FROM n WHERE i < 5000)"
                      " INSERT INTO presence_history(reviewer_id, started_at,"
                      " ended_at) SELECT 'u' || i, i, i + 1 FROM n");
    (void) run_in(db, "INSERT INTO presence_history(reviewer_id, started_at)"
                      " VALUES('still', 1)");
    (void) sqlite3_close(db);

    for (calls = 1, more = true; more && calls < 10; calls++) {
        ok(cdr_store_sweep(store, NOW, &more) == CDR_OK, "sweep %d", calls);

        if (calls == 1) {
            is_text(ask("SELECT count(*) FROM presence_history"), "3001\n",
                    "a call deletes so many");
        }
    }

    ok(calls == 4, "until there is no more");
    is_text(ask("SELECT reviewer_id FROM presence_history"), "still\n",
            "what has not ended is not old");

    close_store();
}


static void
many_at_once(void)
{
    size_t               i;
    const size_t         n = 10000;
    cdr_store_change_t  *c = calloc(n, sizeof(cdr_store_change_t));
    char               (*id)[16] = calloc(n, 16);

    fresh();

    for (i = 0; i < n; i++) {
        (void) snprintf(id[i], 16, "user-%zu", i);
        c[i] = change(id[i], CDR_STATUS_ONLINE, "f", NOW + i);
    }

    ok(cdr_store_apply(store, c, n, NOW + n) == CDR_OK, "10,000 changes");
    is_text(ask("SELECT count(*) FROM reviewer_presence"), "10000\n",
            "are as many rows");
    is_text(ask("SELECT count(*) FROM presence_history"), "10000\n",
            "and intervals");

    (void) cdr_store_reconcile_begin(store);
    (void) cdr_store_reconcile_add(store, c, n);
    ok(cdr_store_reconcile_end(store, NOW + n) == CDR_OK, "reconciled");
    is_text(ask("SELECT count(*) FROM presence_history"), "10000\n",
            "they stay as they are");

    free(c);
    free(id);
    close_store();
}
