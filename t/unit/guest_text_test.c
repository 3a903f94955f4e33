/* What servers tell each other of their reviewers, as text. */

#include "cdr_test.h"

#include "cdr_guest_text.h"


static cdr_str_t
str(const char *s)
{
    cdr_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static bool
same(cdr_str_t a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}


static cdr_guest_info_t
ann(void)
{
    cdr_guest_info_t  info;

    memset(&info, 0, sizeof(info));

    info.id = str("ann");
    info.status = CDR_STATUS_BUSY;
    info.role = str("architect,admin");
    info.feature = str("a \"b\"\n");
    info.connections = 2;
    info.spoke = true;
    info.said_ms = 1700000000001;
    info.connected_ms = 1700000000000;

    return info;
}


static void
test_line(void)
{
    bool              gone;
    size_t            len;
    uint8_t           line[CDR_GUEST_LINE_MAX], buf[CDR_GUEST_STRINGS];
    cdr_str_t         text;
    cdr_guest_info_t  a, b;

    a = ann();
    len = cdr_guest_line(NULL, &a);
    text.data = line;
    text.len = cdr_guest_line(line, &a);

    ok(len == text.len
       && same(text, "{\"id\":\"ann\",\"status\":\"busy\","
                     "\"role\":\"architect,admin\","
                     "\"feature\":\"a \\\"b\\\"\\n\",\"connections\":2,"
                     "\"connection\":\"conn_AAAAAAAAAAAAAAAA\","
                     "\"spoke\":true,\"said\":1700000000001,"
                     "\"since\":1700000000000}"),
       "a reviewer is a line");

    memset(&b, 0, sizeof(b));
    ok(cdr_guest_line_parse(&b, &gone, text, buf) == CDR_OK && !gone
       && same(b.id, "ann") && !b.anonymous && b.status == CDR_STATUS_BUSY
       && same(b.role, "architect,admin") && same(b.feature, "a \"b\"\n")
       && b.connections == 2 && b.spoke && b.said_ms == a.said_ms
       && b.connected_ms == a.connected_ms, "which says what it was");

    a.anonymous = true;
    a.spoke = false;
    a.feature.len = 0;
    text.len = cdr_guest_line(line, &a);
    ok(cdr_guest_line_parse(&b, &gone, text, buf) == CDR_OK && b.anonymous
       && !b.spoke && b.feature.len == 0, "what is not there is not");

    text.len = cdr_guest_gone(line, str("conn_x"), true);
    ok(text.len == cdr_guest_gone(NULL, str("conn_x"), true)
       && cdr_guest_line_parse(&b, &gone, text, buf) == CDR_OK && gone
       && b.anonymous && same(b.id, "conn_x"), "or it is gone");

    text.len = cdr_guest_field(line, str("a:b"), false);
    ok(same(text, "u:a:b"), "fields have names");
    text.len = cdr_guest_field(line, str("conn_x"), true);
    ok(same(text, "c:conn_x"), "of two kinds");
}


static void
test_longest(void)
{
    bool              gone;
    uint8_t           buf[CDR_GUEST_STRINGS];
    uint8_t          *line;
    cdr_str_t         text;
    cdr_guest_info_t  a, b;
    static uint8_t    ones[256];

    memset(ones, 1, sizeof(ones));

    a = ann();
    a.anonymous = true;
    a.id = (cdr_str_t) { ones, CDR_REVIEWER_ID_MAX };
    a.role = (cdr_str_t) { ones, CDR_CONN_ROLE_MAX };
    a.feature = (cdr_str_t) { ones, CDR_CONN_FEATURE_MAX };
    a.connections = CDR_REGISTRY_ENTRIES_MAX;
    a.said_ms = a.connected_ms = UINT64_MAX;

    text.len = cdr_guest_line(NULL, &a);
    line = malloc(text.len);
    text.data = line;
    (void) cdr_guest_line(line, &a);

    ok(text.len < CDR_GUEST_LINE_MAX, "the longest strings fit in a line");
    ok(cdr_guest_line_parse(&b, &gone, text, buf) == CDR_ERROR,
       "of which a time is one that could not be");
    free(line);

    a.said_ms = a.connected_ms = 1;
    text.len = cdr_guest_line(NULL, &a);
    line = malloc(text.len);
    text.data = line;
    (void) cdr_guest_line(line, &a);
    ok(cdr_guest_line_parse(&b, &gone, text, buf) == CDR_OK
       && b.feature.len == CDR_CONN_FEATURE_MAX, "and come back");
    free(line);
}


static void
test_wrong(void)
{
    unsigned          i;
    bool              good, gone;
    uint8_t           buf[CDR_GUEST_STRINGS];
    cdr_guest_info_t  info;

#define REST  "\"connection\":\"conn_AAAAAAAAAAAAAAAA\",\"said\":1,"          \
              "\"since\":1}"

    static const char  *wrong[] = {
        "", "{}", "[]", "{\"id\":7}", "{\"id\":\"\",\"gone\":true}",
        "{\"id\":\"a\"}", "{\"id\":\"a\",\"gone\":1}",
        "{\"id\":\"a\",\"gone\":true} x",
        "{\"id\":\"a\",\"status\":\"offline\",\"role\":\"\",\"feature\":\"\","
        "\"connections\":1," REST,
        "{\"id\":\"a\",\"status\":\"quiet\",\"role\":\"\",\"feature\":\"\","
        "\"connections\":1," REST,
        "{\"id\":\"a\",\"status\":\"busy\",\"role\":\"\",\"feature\":\"\","
        "\"connections\":-1," REST,
        "{\"id\":\"a\",\"status\":\"busy\",\"role\":\"\",\"feature\":\"\","
        "\"connections\":1.5," REST,
        "{\"id\":\"a\",\"status\":\"busy\",\"role\":\"\",\"feature\":\"\","
        "\"connections\":99999999999," REST,
        "{\"id\":\"a\",\"status\":\"busy\",\"role\":null,\"feature\":\"\","
        "\"connections\":1," REST,
        "{\"id\":\"a\",\"status\":\"busy\",\"role\":\"\","
        "\"connections\":1," REST,
        ("{\"id\":\"a\",\"status\":\"busy\",\"role\":\"\",\"feature\":\"\","
         "\"connections\":1,\"connection\":\"AAAA\",\"said\":1,\"since\":1}")
    };

    good = true;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (cdr_guest_line_parse(&info, &gone, str(wrong[i]), buf)
            != CDR_ERROR)
        {
            printf("# %s\n", wrong[i]);
            good = false;
        }
    }

    ok(good, "what is no such line is refused");
    ok(cdr_guest_line_parse(&info, &gone,
                            str("{\"id\":\"a\",\"status\":\"busy\","
                                "\"role\":\"\",\"feature\":\"\","
                                "\"connections\":1,\"later\":[1]," REST), buf)
       == CDR_OK, "what a later version adds is not");
}


static void
test_note(void)
{
    uint8_t           text[128];
    cdr_str_t         line, all;
    cdr_guest_note_t  a, b;

    a.server = UINT64_MAX;
    a.version = 12;
    a.all = true;
    a.gone = false;

    line.data = text;
    line.len = cdr_guest_note(text, &a);
    ok(line.len == cdr_guest_note(NULL, &a)
       && same(line, "{\"server\":\"18446744073709551615\",\"version\":12,"
                     "\"all\":true}")
       && cdr_guest_note_parse(&b, line) == CDR_OK && b.server == UINT64_MAX
       && b.version == 12 && b.all, "a note says whose the lines are");

    ok(cdr_guest_note_parse(&b, str("{\"server\":\"1\",\"version\":0}"))
       == CDR_OK && !b.all, "and whether they are all");
    ok(cdr_guest_note_parse(&b, str("{\"server\":1,\"version\":0}"))
       == CDR_ERROR
       && cdr_guest_note_parse(&b, str("{\"server\":\"1x\",\"version\":0}"))
          == CDR_ERROR
       && cdr_guest_note_parse(&b, str("{\"server\":\"18446744073709551616\","
                                       "\"version\":0}"))
          == CDR_ERROR
       && cdr_guest_note_parse(&b, str("{\"server\":\"1\"}")) == CDR_ERROR,
       "a server or a version that is none is refused");

    a.all = false;
    a.gone = true;
    a.leave = 10000;

    line.data = text;
    line.len = cdr_guest_note(text, &a);
    ok(line.len == cdr_guest_note(NULL, &a)
       && same(line, "{\"server\":\"18446744073709551615\",\"version\":12,"
                     "\"gone\":true,\"leave\":10000}")
       && cdr_guest_note_parse(&b, line) == CDR_OK && b.gone && !b.all
       && b.leave == 10000, "or that a server stops");
    ok(cdr_guest_note_parse(&b, str("{\"server\":\"1\",\"version\":0,"
                                    "\"gone\":true}"))
       == CDR_ERROR
       && cdr_guest_note_parse(&b, str("{\"server\":\"1\",\"version\":0,"
                                       "\"gone\":true,\"leave\":3600001}"))
          == CDR_ERROR,
       "and how long its reviewers have to be elsewhere");

    all = str("a\n\nbc");
    ok(cdr_guest_next_line(&all, &line) && same(line, "a")
       && cdr_guest_next_line(&all, &line) && same(line, "")
       && cdr_guest_next_line(&all, &line) && same(line, "bc")
       && !cdr_guest_next_line(&all, &line), "lines come one by one");
}


int
main(void)
{
    test_line();
    test_longest();
    test_wrong();
    test_note();

    return done_testing();
}
