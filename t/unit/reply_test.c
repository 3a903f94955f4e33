/* What the server says to one client, to the byte. */

#include <jansson.h>

#include "cdr_test.h"
#include "cdr_json.h"
#include "cdr_reply.h"


static const cdr_str_t  none = cdr_str_null;

static uint8_t  out[1024];


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


/* What was counted, what was written, and what it has to be. */

static bool
same(size_t size, size_t len, const char *want)
{
    json_t     *j;
    cdr_str_t   got = { out, len };

    j = json_loadb((char *) out, len, JSON_REJECT_DUPLICATES, NULL);
    json_decref(j);

    if (!cdr_json_eq(got, str(want))) {
        printf("# %.*s\n", (int) len, out);
        return false;
    }

    return j && size == len;
}


static void
test_welcome(void)
{
    size_t               size;
    cdr_reply_welcome_t  w;

    w.connection = str("conn_1");
    w.message = str("Welcome to \"us\"");
    w.timestamp = 1700000000000;
    w.user = str("u\n");
    w.role = none;
    w.server = str("node-1");
    w.last_event = str("1700000000000-3");
    w.ping = 25000;
    w.limits = (cdr_reply_limits_t) { 100, 60000, 0, 65536, 1048576 };

    size = cdr_reply_welcome(NULL, &w);

    ok(same(size, cdr_reply_welcome(out, &w),
            "{\"type\":\"welcome\",\"connectionId\":\"conn_1\","
            "\"message\":\"Welcome to \\\"us\\\"\","
            "\"timestamp\":1700000000000,\"userId\":\"u\\n\",\"role\":null,"
            "\"server\":\"node-1\",\"lastEventId\":\"1700000000000-3\","
            "\"pingMs\":25000,\"limits\":{\"messages\":100,\"per\":60000,"
            "\"maxMessage\":65536,\"maxQueue\":1048576}}"),
       "welcome says who is who and what the limits are");

    w.message = str("");
    w.user = none;
    w.last_event = none;
    w.limits = (cdr_reply_limits_t) { 0, 60000, 0, 0, 0 };

    size = cdr_reply_welcome(NULL, &w);

    ok(same(size, cdr_reply_welcome(out, &w),
            "{\"type\":\"welcome\",\"connectionId\":\"conn_1\","
            "\"message\":\"\",\"timestamp\":1700000000000,\"userId\":null,"
            "\"role\":null,\"server\":\"node-1\",\"lastEventId\":null,"
            "\"pingMs\":25000,\"limits\":{}}"),
       "limits that are off are left out");

    w.limits = (cdr_reply_limits_t) { 0, 1000, 4096, 0, 0 };
    size = cdr_reply_welcome(NULL, &w);
    (void) cdr_reply_welcome(out, &w);

    ok(size > 36 && memcmp(out + size - 36,
                           ",\"limits\":{\"bytes\":4096,\"per\":1000}}", 36)
                    == 0,
       "a limit of bytes has its window");
}


static void
test_ack(void)
{
    ok(same(cdr_reply_ack(NULL, str("7"), none),
            cdr_reply_ack(out, str("7"), none), "{\"type\":\"ack\",\"id\":7}"),
       "ack carries the id");
    ok(same(cdr_reply_ack(NULL, str("\"a\""), str("\"sessionId\":\"s\"")),
            cdr_reply_ack(out, str("\"a\""), str("\"sessionId\":\"s\"")),
            "{\"type\":\"ack\",\"id\":\"a\",\"sessionId\":\"s\"}"),
       "and what the command answers");
}


static void
test_error(void)
{
    cdr_str_t  code;

    code = cdr_reply_code(CDR_ERR_BAD_JSON);

    ok(same(cdr_reply_error(NULL, code, str("No."), none),
            cdr_reply_error(out, code, str("No."), none),
            "{\"type\":\"error\",\"code\":\"bad_json\",\"error\":\"No.\"}"),
       "an error has a code and a sentence");

    code = cdr_reply_code(CDR_ERR_UNAVAILABLE);

    ok(same(cdr_reply_error(NULL, code, str("a \xff"), str("1")),
            cdr_reply_error(out, code, str("a \xff"), str("1")),
            "{\"type\":\"error\",\"code\":\"unavailable\","
            "\"error\":\"a \xef\xbf\xbd\",\"id\":1}"),
       "and the id of the command");
}


static void
test_rate_limited(void)
{
    ok(same(cdr_reply_rate_limited(NULL, 59999, none),
            cdr_reply_rate_limited(out, 59999, none),
            "{\"type\":\"error\",\"code\":\"rate_limited\",\"error\":\""
            "Rate limit exceeded. Please slow down.\",\"rateLimited\":true,"
            "\"retryAfterMs\":59999}"),
       "a client over its rate hears when to go on");
    ok(same(cdr_reply_rate_limited(NULL, 0, str("\"x\"")),
            cdr_reply_rate_limited(out, 0, str("\"x\"")),
            "{\"type\":\"error\",\"code\":\"rate_limited\",\"error\":\""
            "Rate limit exceeded. Please slow down.\",\"rateLimited\":true,"
            "\"retryAfterMs\":0,\"id\":\"x\"}"),
       "and which command was refused");
}


static void
test_pong(void)
{
    ok(same(cdr_reply_pong(NULL, str("1"), 1700000000000, str("1-1")),
            cdr_reply_pong(out, str("1"), 1700000000000, str("1-1")),
            "{\"type\":\"pong\",\"id\":1,\"timestamp\":1700000000000,"
            "\"lastEventId\":\"1-1\"}"),
       "pong has the id, the time and the last event");
    ok(same(cdr_reply_pong(NULL, none, 0, none),
            cdr_reply_pong(out, none, 0, none),
            "{\"type\":\"pong\",\"timestamp\":0,\"lastEventId\":null}"),
       "or the time alone");
}


static void
test_resumed(void)
{
    ok(same(cdr_reply_resumed(NULL, true, 12, str("1-1"), none),
            cdr_reply_resumed(out, true, 12, str("1-1"), none),
            "{\"type\":\"resumed\",\"recovered\":true,\"count\":12,"
            "\"lastEventId\":\"1-1\"}"),
       "resumed says how many events came");
    ok(same(cdr_reply_resumed(NULL, false, 0, str("1-1"), str("expired")),
            cdr_reply_resumed(out, false, 0, str("1-1"), str("expired")),
            "{\"type\":\"resumed\",\"recovered\":false,\"count\":0,"
            "\"lastEventId\":\"1-1\",\"reason\":\"expired\"}"),
       "or why not");
}


int
main(void)
{
    test_welcome();
    test_ack();
    test_error();
    test_rate_limited();
    test_pong();
    test_resumed();

    return done_testing();
}
