/* The text of event ids. */

#include "cdr.h"
#include "cdr_log.h"

#include <stdlib.h>
#include <string.h>

#include "cdr_test.h"


static bool
id_is(const char *text, int expect)
{
    size_t          len;
    uint8_t         out[CDR_EVENT_ID_LEN], *flush;
    cdr_event_id_t  id;

    /* Flush against the end of its allocation: reading past it is seen. */

    len = strlen(text);
    flush = malloc(len ? len : 1);
    memcpy(flush, text, len);

    if (cdr_event_id_parse(&id, flush, len) != expect) {
        free(flush);
        return false;
    }

    free(flush);

    return expect != CDR_OK
           || (cdr_event_id_print(out, &id) == len
               && memcmp(out, text, len) == 0);
}


static void
test_ids(void)
{
    size_t          i;
    cdr_log_pos_t   pos = { 1700000000000, 42, 0 };
    cdr_event_id_t  id;
    uint8_t         out[CDR_EVENT_ID_LEN];

    static const char  *good[] = {
        "0-0", "1700000000000-42", "1-0~0.0", "1700000000000-42~7.13",
        "1-2~3.4~5.6", "1-2~3.4~5.6~7.8~9.10",
        "18446744073709551615-18446744073709551615",
        ("18446744073709551615-18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615")
    };

    static const char  *bad[] = {
        "", "-", "1", "1-", "-1", "01-1", "1-01", "00-0", "1-1 ", " 1-1",
        "+1-1", "1--1", "1-1~", "1-1~1", "1-1~1.", "1-1~.1", "1-1~01.1",
        "1-1~1.01", "1-1~1.1.", "1-1~1.1~", "1-1~1.1~2", "1-1~1.1~2.",
        "1-1~1.1~2.2~3.3~4.4~5.5", "1-1~1.1x", "1-1x", "1_1", "1-1-1", "a-1",
        "18446744073709551616-0", "0-18446744073709551616",
        "99999999999999999999-0", "0-0~0.18446744073709551616",
        ("0-00000000000000000000000000000000000000000000000000000000000000000"
         "00000000000000000000")
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(id_is(good[i], CDR_OK), "\"%s\" is an event id and prints so",
           good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(id_is(bad[i], CDR_ERROR), "\"%s\" is no event id", bad[i]);
    }

    ok(!id_is("1-1\0", CDR_ERROR)
       && cdr_event_id_parse(&id, (const uint8_t *) "1-1\0", 4) == CDR_ERROR,
       "a NUL is a byte like any other");

    cdr_event_id_set(&id, &pos, 9);
    ok(cdr_event_id_print(out, &id) == 16
       && memcmp(out, "1700000000000-42", 16) == 0,
       "the id of an event ordered by the hub is its position");

    pos.local = 3;
    cdr_event_id_set(&id, &pos, 9);
    ok(cdr_event_id_print(out, &id) == 20
       && memcmp(out, "1700000000000-42~9.3", 20) == 0,
       "that of one ordered alone names its server as well");
}


int
main(void)
{
    test_ids();

    return done_testing();
}
