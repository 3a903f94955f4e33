/* The message window of a connection. */

#include "cdr.h"
#include "cdr_rate.h"

#include "cdr_test.h"


#define START  1700000000000U


static const cdr_rate_limits_t  hundred = { 100, 60000, 0, 0 };


static unsigned
passed(cdr_rate_t *r, const cdr_rate_limits_t *limits, uint64_t now,
    unsigned n)
{
    unsigned  pass;
    uint64_t  retry;

    for (pass = 0; n; n--) {
        pass += (cdr_rate_check(r, limits, now, 10, &retry) == CDR_OK);
    }

    return pass;
}


static void
test_window(void)
{
    uint64_t    retry;
    unsigned    i, pass;
    cdr_rate_t  r;

    memset(&r, 0, sizeof(r));

    ok(passed(&r, &hundred, START, 150) == 100,
       "exactly 100 of 150 messages in one instant pass");

    ok(cdr_rate_check(&r, &hundred, START + 20000, 10, &retry)
       == CDR_DECLINED && retry == 40000,
       "a refusal says how long the window still lasts");

    ok(cdr_rate_check(&r, &hundred, START + 59999, 10, &retry)
       == CDR_DECLINED && retry == 1,
       "one millisecond before its end the window still refuses");

    ok(cdr_rate_check(&r, &hundred, START + 60000, 10, &retry) == CDR_OK
       && retry == 0,
       "at its end the next message passes");

    ok(r.start_ms == START + 60000,
       "and starts the next window");

    memset(&r, 0, sizeof(r));

    for (pass = 0, i = 0; i < 200; i++) {
        pass += passed(&r, &hundred, START + i * 299, 1);
    }

    ok(pass == 100, "exactly 100 pass when they are spread over the window");

    memset(&r, 0, sizeof(r));
    (void) passed(&r, &hundred, START, 1);

    ok(passed(&r, &hundred, START + 59999, 120) == 99,
       "the window is fixed: it starts with its first message");
}


static void
test_close(void)
{
    int                rc;
    unsigned           i;
    uint64_t           retry;
    cdr_rate_t         r;
    cdr_rate_limits_t  l = { 5, 1000, 0, 0 };

    memset(&r, 0, sizeof(r));
    (void) passed(&r, &l, START, 5);

    for (rc = CDR_DECLINED, i = 0; i < 49; i++) {
        rc = cdr_rate_check(&r, &l, START, 10, &retry);

        if (rc != CDR_DECLINED) {
            break;
        }
    }

    ok(i == 49, "refusals up to ten times the limit only refuse");
    ok(cdr_rate_check(&r, &l, START, 10, &retry) == CDR_TOOBIG
       && retry == 1000,
       "the refusal that makes it ten times the limit asks to close");
    ok(cdr_rate_check(&r, &l, START, 10, &retry) == CDR_TOOBIG,
       "and so does every further one");
    ok(cdr_rate_check(&r, &l, START + 1000, 10, &retry) == CDR_OK
       && r.refused == 0,
       "a new window forgets the refusals");

    memset(&r, 0, sizeof(r));
    l.close_after = 2;
    (void) passed(&r, &l, START, 6);

    ok(cdr_rate_check(&r, &l, START, 10, &retry) == CDR_TOOBIG,
       "close_after replaces the default");
}


static void
test_bytes(void)
{
    uint64_t           retry;
    cdr_rate_t         r;
    cdr_rate_limits_t  l = { 5, 1000, 100, 0 };

    memset(&r, 0, sizeof(r));

    ok(cdr_rate_check(&r, &l, START, 100, &retry) == CDR_OK,
       "as many bytes as the limit pass");
    ok(cdr_rate_check(&r, &l, START, 1, &retry) == CDR_DECLINED,
       "one byte more does not");
    ok(r.count == 1 && r.bytes == 100,
       "a refused message takes nothing of the window");
    ok(cdr_rate_check(&r, &l, START, 0, &retry) == CDR_OK,
       "an empty message still passes");
    ok(cdr_rate_check(&r, &l, START + 1000, SIZE_MAX, &retry) == CDR_DECLINED
       && r.bytes == 0,
       "no size overflows the sum");

    memset(&r, 0, sizeof(r));
    l.messages = 0;

    ok(passed(&r, &l, START, 50) == 10,
       "bytes may be limited without a limit of messages");
    ok(passed(&r, &l, START, 5000) == 0
       && cdr_rate_check(&r, &l, START, 10, &retry) == CDR_DECLINED,
       "and then nothing asks to close by itself");
}


static void
test_clock(void)
{
    uint64_t           retry;
    cdr_rate_t         r;
    cdr_rate_limits_t  off = { 5, 0, 10, 1 };

    memset(&r, 0, sizeof(r));
    (void) passed(&r, &hundred, START, 60);

    ok(passed(&r, &hundred, START - 3600000, 60) == 40,
       "a clock that goes back gives nobody a second allowance");
    ok(cdr_rate_check(&r, &hundred, START - 3600000, 1, &retry)
       == CDR_DECLINED && retry == 60000,
       "nor does anyone wait longer than a window for it");
    ok(passed(&r, &hundred, START - 3600000 + 60000, 120) == 100,
       "from then on it is a window like any other");

    memset(&r, 0, sizeof(r));

    ok(passed(&r, &off, START, 1000) == 1000 && r.count == 0,
       "a window of no length limits nothing");

    memset(&r, 0, sizeof(r));
    r.count = UINT32_MAX;
    r.refused = UINT32_MAX;
    r.start_ms = START;

    ok(cdr_rate_check(&r, &hundred, START, 1, &retry) == CDR_TOOBIG
       && r.refused == UINT32_MAX,
       "counts stop at their maximum");
}


int
main(void)
{
    test_window();
    test_close();
    test_bytes();
    test_clock();

    return done_testing();
}
