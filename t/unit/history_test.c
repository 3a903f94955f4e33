/* Questions about the history, and their answers as JSON. */

#include "cdr_store_test.h"
#include "cdr_history.h"


static void by_reviewer(void);
static void by_feature(void);
static void filters(void);
static void pages(void);
static void names_of_any_kind(void);
static void it_can_be_stopped(void);


static char               text[CDR_HISTORY_MAX * 64];
static cdr_history_ask_t  question;


int
main(void)
{
    directory();

    (void) open_store();

    (void) put("ann", CDR_STATUS_ONLINE, "", NOW + 1000);
    (void) put("ann", CDR_STATUS_ONLINE, "f", NOW + 2000);
    (void) put("ann", CDR_STATUS_AWAY, "g", NOW + 4000);
    (void) put("ann", CDR_STATUS_OFFLINE, "g", NOW + 5000);
    (void) put("ann", CDR_STATUS_ONLINE, "f", NOW + 8000);
    (void) put("bob", CDR_STATUS_ONLINE, "f", NOW + 3000);

    by_reviewer();
    by_feature();
    filters();
    pages();
    names_of_any_kind();
    it_can_be_stopped();

    close_store();

    return done_testing();
}


static void
begin(cdr_store_by_e by, uint64_t from, uint64_t to)
{
    memset(&question, 0, sizeof(question));

    question.by = by;
    question.from_ms = NOW + from;
    question.to_ms = NOW + to;
    question.limit = CDR_HISTORY_LIMIT;
}


/* What is in "items", from an answer whose time is NOW + 10 s. */

static const char *
answered(cdr_store_stop_pt stop)
{
    int     rc;
    char   *p, *end;
    size_t  len;

    rc = cdr_history_answer(store, &question, NOW + 10000, stop, NULL,
                            (uint8_t *) text, 32768, &len);

    if (rc != CDR_OK) {
        return rc == CDR_TOOBIG ? "too big" : "error";
    }

    text[len] = '\0';

    p = strstr(text, "\"items\":");
    end = strchr(text, '\n');
    *end = '\0';

    return p + 8;
}


static void
by_reviewer(void)
{
    begin(CDR_STORE_BY_REVIEWER, 0, 20000);

    is_text(answered(NULL),
            "[{\"reviewerId\":\"ann\",\"timeMs\":6000,\"visits\":4,"
            "\"first\":1900000001000,\"last\":1900000010000},"
            "{\"reviewerId\":\"bob\",\"timeMs\":7000,\"visits\":1,"
            "\"first\":1900000003000,\"last\":1900000010000}],\"count\":2}",
            "who is there now is so until now");

    ok(strstr(text, "{\"by\":\"reviewer\",\"from\":1900000000000,"
                    "\"to\":1900000010000,") == text,
       "the answer tells its time, which ends now");

    begin(CDR_STORE_BY_REVIEWER, 2500, 4500);

    is_text(answered(NULL),
            "[{\"reviewerId\":\"ann\",\"timeMs\":2000,\"visits\":2,"
            "\"first\":1900000002500,\"last\":1900000004500},"
            "{\"reviewerId\":\"bob\",\"timeMs\":1500,\"visits\":1,"
            "\"first\":1900000003000,\"last\":1900000004500}],\"count\":2}",
            "times are within the time that is asked for");

    begin(CDR_STORE_BY_REVIEWER, 0, 1000);
    is_text(answered(NULL), "[],\"count\":0}", "before it all, nobody");

    begin(CDR_STORE_BY_REVIEWER, 5000, 5000);
    is_text(answered(NULL),
            "[{\"reviewerId\":\"bob\",\"timeMs\":0,\"visits\":1,"
            "\"first\":1900000005000,\"last\":1900000005000}],\"count\":1}",
            "at one moment, who was there");
}


static void
by_feature(void)
{
    begin(CDR_STORE_BY_FEATURE, 0, 9000);

    is_text(answered(NULL),
            "[{\"feature\":null,\"timeMs\":1000,\"visits\":1,"
            "\"first\":1900000001000,\"last\":1900000002000},"
            "{\"feature\":\"f\",\"timeMs\":9000,\"visits\":3,"
            "\"first\":1900000002000,\"last\":1900000009000},"
            "{\"feature\":\"g\",\"timeMs\":1000,\"visits\":1,"
            "\"first\":1900000004000,\"last\":1900000005000}],\"count\":3}",
            "features have the time of all, no feature comes first");
}


static void
filters(void)
{
    begin(CDR_STORE_BY_FEATURE, 0, 9000);
    (void) cdr_history_name(&question, CDR_HISTORY_REVIEWER, str("bob"));
    is_text(answered(NULL),
            "[{\"feature\":\"f\",\"timeMs\":6000,\"visits\":1,"
            "\"first\":1900000003000,\"last\":1900000009000}],\"count\":1}",
            "of one reviewer");

    begin(CDR_STORE_BY_REVIEWER, 0, 9000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("g"));
    is_text(answered(NULL),
            "[{\"reviewerId\":\"ann\",\"timeMs\":1000,\"visits\":1,"
            "\"first\":1900000004000,\"last\":1900000005000}],\"count\":1}",
            "of one feature");

    begin(CDR_STORE_BY_REVIEWER, 0, 9000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str(""));
    is_text(answered(NULL),
            "[{\"reviewerId\":\"ann\",\"timeMs\":1000,\"visits\":1,"
            "\"first\":1900000001000,\"last\":1900000002000}],\"count\":1}",
            "of no feature");

    begin(CDR_STORE_BY_FEATURE, 0, 9000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("g"));
    ok(strstr(answered(NULL), "\"count\":1}") != NULL,
       "a feature by features is that one");

    begin(CDR_STORE_BY_REVIEWER, 0, 9000);
    (void) cdr_history_name(&question, CDR_HISTORY_ROLE, str("architect"));
    ok(strstr(answered(NULL), "\"count\":2}") != NULL, "of a role");

    (void) cdr_history_name(&question, CDR_HISTORY_ROLE, str("archi"));
    ok(strstr(answered(NULL), "\"count\":0}") != NULL, "which is whole");

    (void) cdr_history_name(&question, CDR_HISTORY_ROLE, str(""));
    ok(strstr(answered(NULL), "\"count\":0}") != NULL, "or none");
}


/* Follows the cursors; returns how many pages there were. */

static unsigned
turn_pages(uint32_t limit, unsigned *items)
{
    char       *cursor, *end;
    unsigned    n;
    const char *p;

    for (n = 1, *items = 0; n < 1000; n++) {
        question.limit = limit;
        p = answered(NULL);

        for (p = strstr(p, "timeMs"); p; p = strstr(p + 1, "timeMs")) {
            (*items)++;
        }

        cursor = strstr(text, "\"cursor\":\"");

        if (cursor == NULL) {
            return n;
        }

        cursor += 10;
        end = strchr(cursor, '"');
        *end = '\0';

        if (cdr_history_cursor(&question, str(cursor)) != CDR_OK) {
            return 0;
        }
    }

    return n;
}


static void
pages(void)
{
    size_t               i;
    unsigned             n, items;
    const char          *wrong[] = { "", "2", "0YQ", "1", "1*", "1YQ=" };
    cdr_store_change_t   c;
    char                 id[256];

    begin(CDR_STORE_BY_FEATURE, 0, 9000);
    ok(turn_pages(1, &items) == 3 && items == 3, "one feature a page");
    begin(CDR_STORE_BY_FEATURE, 0, 9000);
    ok(turn_pages(2, &items) == 2 && items == 3, "two features a page");
    begin(CDR_STORE_BY_FEATURE, 0, 9000);
    ok(turn_pages(3, &items) == 1 && items == 3,
       "a page that has them all is the last");

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(cdr_history_cursor(&question, str(wrong[i])) == CDR_ERROR,
           "\"%s\" is no cursor", wrong[i]);
    }

    /* names of which each takes much room in the answer */

    memset(id, 1, 255);
    id[255] = '\0';

    for (i = 0; i < 100; i++) {
        id[253] = (char) ('a' + i / 10);
        id[254] = (char) ('a' + i % 10);
        c = change(id, CDR_STATUS_ONLINE, "big", NOW + 9000);
        (void) cdr_store_apply(store, &c, 1, NOW + 9000);
    }

    begin(CDR_STORE_BY_REVIEWER, 9000, 10000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("big"));
    ok((n = turn_pages(CDR_HISTORY_MAX, &items)) == 5 && items == 100,
       "a page ends where it is full, too (%u pages, %u items)", n, items);
}


static void
names_of_any_kind(void)
{
    char        text_of[256];
    unsigned    items;
    const char  expected[] = "[{\"reviewerId\":\"\\\"\\\\\\u0001\xc3\xa9\","
                             "\"timeMs\":1000,\"visits\":1,"
                             "\"first\":1900000009000,"
                             "\"last\":1900000010000}],\"count\":1}";

    (void) put("\"\\\001\xc3\xa9", CDR_STATUS_ONLINE, "odd", NOW + 9000);

    begin(CDR_STORE_BY_REVIEWER, 0, 10000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("odd"));
    is_text(answered(NULL), expected, "names are escaped");

    ok(run("INSERT INTO presence_history(reviewer_id, started_at, feature)"
           " VALUES(7, 1900000009000, 'n'), (x'ff', 1900000009000, 'n'),"
           " (NULL, 1900000009000, 'n'),"
           " (replace(hex(zeroblob(500)), '0', 'z'), 1900000009000, 'n'),"
           " ('last', 1900000009000, 'n')") == SQLITE_OK,
       "others wrote what we do not");

    begin(CDR_STORE_BY_REVIEWER, 0, 10000);
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("n"));
    ok(turn_pages(1, &items) < 10 && items >= 2,
       "what can be told of it is told");

    memset(text_of, 'x', 256);
    ok(cdr_history_name(&question, CDR_HISTORY_ROLE,
                        (cdr_str_t) { (uint8_t *) text_of, 256 })
       == CDR_TOOBIG, "a name has 255 bytes");
}


static bool
stop_at_once(void *ctx)
{
    (void) ctx;
    return true;
}


static void
it_can_be_stopped(void)
{
    (void) run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
               " SELECT i + 1 FROM n WHERE i < 20000)"
               " INSERT INTO presence_history(reviewer_id, feature,"
               " started_at, ended_at) SELECT 'many', 'm', i, i + 1 FROM n");

    begin(CDR_STORE_BY_FEATURE, 0, 10000);
    question.from_ms = 0;
    (void) cdr_history_name(&question, CDR_HISTORY_FEATURE, str("m"));
    is_text(answered(stop_at_once), "too big", "it can be stopped");
    ok(strstr(answered(NULL), "\"timeMs\":20000,") != NULL,
       "and asked again");
}
