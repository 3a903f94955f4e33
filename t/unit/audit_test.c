/* Lines of the audit log. */

#include "cdr.h"
#include "cdr_audit.h"
#include "cdr_json.h"

#include "cdr_test.h"


static cdr_audit_t  line;


static cdr_str_t
str(const char *text)
{
    cdr_str_t  s = { (const uint8_t *) text, strlen(text) };

    return s;
}


/* Is the line one JSON object, with a line feed at its end only? */

static bool
whole(void)
{
    cdr_str_t          text = { line.data, line.len - 1 };
    cdr_json_scan_t    scan;
    cdr_json_member_t  members[64];

    memset(&scan, 0, sizeof(scan));

    scan.members = members;
    scan.max_members = 64;
    scan.max_depth = 2;

    return line.len <= CDR_AUDIT_LINE
           && memchr(line.data, '\n', line.len) == line.data + line.len - 1
           && cdr_json_scan(&scan, text) == CDR_OK
           && scan.type == CDR_JSON_OBJECT;
}


static bool
is(const char *want)
{
    return line.len == strlen(want) && memcmp(line.data, want, line.len) == 0;
}


/* Is a line with one text that? */

static bool
text_is(cdr_str_t text, const char *want)
{
    char  all[2 * CDR_AUDIT_LINE];

    cdr_audit_begin(&line, CDR_AUDIT_DENY, 0);
    cdr_audit_text(&line, "t", text);
    cdr_audit_end(&line);

    (void) snprintf(all, sizeof(all), "{\"time\":\"1970-01-01T00:00:00.000Z\","
                    "\"event\":\"deny\",\"t\":%s}\n", want);

    return is(all) && whole();
}


static bool
time_is(uint64_t ms, const char *want)
{
    cdr_audit_begin(&line, CDR_AUDIT_CONNECT, ms);

    return memcmp(line.data + 9, want, strlen(want)) == 0;
}


static void
test_members(void)
{
    static const cdr_str_t  none = cdr_str_null;
    cdr_str_t               list[2] = { cdr_str("a"), cdr_str("\n") };

    cdr_audit_begin(&line, CDR_AUDIT_PUBLISH, 1771491000123);
    cdr_audit_text(&line, "user", str("ann"));
    cdr_audit_text(&line, "role", none);
    cdr_audit_text(&line, "empty", str(""));
    cdr_audit_number(&line, "n", 0);
    cdr_audit_number(&line, "m", UINT64_MAX);
    cdr_audit_list(&line, "types", list, 2);
    cdr_audit_list(&line, "no", list, 0);
    cdr_audit_end(&line);

    ok(is("{\"time\":\"2026-02-19T08:50:00.123Z\",\"event\":\"publish\","
          "\"user\":\"ann\",\"role\":null,\"empty\":\"\",\"n\":0,"
          "\"m\":18446744073709551615,\"types\":[\"a\",\"\\u000a\"],"
          "\"no\":[]}\n"),
       "texts, numbers, lists, and what is null");
}


static void
test_time(void)
{
    ok(time_is(0, "1970-01-01T00:00:00.000Z"), "the epoch");
    ok(time_is(951827696789, "2000-02-29T12:34:56.789Z"), "a leap day");
    ok(time_is(951868800000, "2000-03-01T00:00:00.000Z"), "the day after it");
    ok(time_is(1767225599999, "2025-12-31T23:59:59.999Z"), "the end of a year");
    ok(time_is(4107542400000, "2100-03-01T00:00:00.000Z"),
       "a century without a leap day");
}


static void
test_escapes(void)
{
    ok(text_is(str("a\"b\\c/"), "\"a\\\"b\\\\c/\""), "quotes and backslashes");
    ok(text_is(str("\n\r\t\x1b[2J\x7f"),
               "\"\\u000a\\u000d\\u0009\\u001b[2J\\u007f\""),
       "control characters");
    ok(text_is(str("\xc2\x85\xc2\x9b\xc2\xa0"), "\"\\u0085\\u009b\xc2\xa0\""),
       "those of ISO 6429");
    ok(text_is(str("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae\xe2\x81\xa6"
                   "\xef\xbb\xbf\xe2\x80\x8b"),
               "\"\\u2028\\u2029\\u202e\\u2066\\ufeff\\u200b\""),
       "separators, turns of direction, and what is not seen");
    ok(text_is(str("gr\xc3\xb6\xc3\x9f" "e \xe6\x97\xa5 \xf0\x9f\x98\x80"),
               "\"gr\xc3\xb6\xc3\x9f" "e \xe6\x97\xa5 \xf0\x9f\x98\x80\""),
       "letters of all kinds are left");
    ok(text_is(str("\xf3\xa0\x80\x81"), "\"\xef\xbf\xbd\""),
       "tags are nothing to read");
    ok(text_is(str("\xff" "a\xc3(\xe2\x80"),
               "\"\xef\xbf\xbd" "a\xef\xbf\xbd(\xef\xbf\xbd\""),
       "what is no UTF-8 is replaced");
}


static void
test_clipped(void)
{
    size_t      n;
    unsigned    i;
    bool        good;
    cdr_str_t   text, list[600];
    static uint8_t  big[2 * CDR_AUDIT_LINE];
    static const uint8_t  bytes[] = { 'a', '\n', '"', 0xff, 0xc3, 0xe2, 0x01 };

    for (n = 0, good = true; n < sizeof(bytes); n++) {
        memset(big, bytes[n], sizeof(big));

        for (text.data = big, text.len = 0; text.len < 2000; text.len++) {
            cdr_audit_begin(&line, CDR_AUDIT_ADMIN, 0);

            for (i = 0; i < 9; i++) {
                cdr_audit_text(&line, (char[2]) { (char) ('a' + i) }, text);
                cdr_audit_number(&line, (char[2]) { (char) ('k' + i) }, i);
            }

            cdr_audit_end(&line);

            good = good && whole();
        }
    }

    ok(good, "a line of any length of any bytes is whole");
    ok(line.clipped && line.len > CDR_AUDIT_LINE - 100
       && memcmp(line.data + line.len - 17, ",\"clipped\":true}\n", 17) == 0,
       "and says that it was cut");

    text.len = 255;
    memset(big, 1, 255);

    cdr_audit_begin(&line, CDR_AUDIT_ADMIN, 0);
    cdr_audit_text(&line, "user", text);
    cdr_audit_text(&line, "role", text);
    cdr_audit_text(&line, "targetUser", text);
    cdr_audit_end(&line);

    ok(!line.clipped && whole(), "no user or role is cut");

    for (i = 0; i < 600; i++) {
        list[i] = str("abcdefghijklmnopqrst");
    }

    cdr_audit_begin(&line, CDR_AUDIT_ADMIN, 0);
    cdr_audit_list(&line, "l", list, 600);
    cdr_audit_end(&line);

    ok(line.clipped && whole(), "a list is cut between two texts");
}


int
main(void)
{
    unsigned  kind;
    bool      good;

    test_members();
    test_time();
    test_escapes();
    test_clipped();

    for (kind = 0, good = true; kind < CDR_AUDIT_N; kind++) {
        good = good && cdr_audit_name(kind).len
               && cdr_audit_name(kind).data[cdr_audit_name(kind).len] == '\0';
    }

    ok(good, "every kind has a name");

    return done_testing();
}
