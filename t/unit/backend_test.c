/* What a back end is told and what it answers, to the byte. */

#include "cdr_test.h"
#include "cdr_backend.h"


static const cdr_str_t  none = cdr_str_null;

static uint8_t               out[2048];
static cdr_backend_answer_t  a;


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static bool
same(size_t size, size_t len, const char *want)
{
    cdr_str_t  got = { out, len };

    if (!cdr_json_eq(got, str(want))) {
        printf("# %.*s\n", (int) len, (char *) out);
        return false;
    }

    return size == len;
}


static int
answer(const char *text)
{
    return cdr_backend_answer(&a, str(text));
}


static cdr_call_t
call(cdr_call_kind_e kind)
{
    cdr_call_t  c = { kind, cdr_str("i"), cdr_str("h"), cdr_str("s"),
                      cdr_str("conn_1"), cdr_str("ann"), cdr_str_null,
                      cdr_str("::1"), 5 };

    return c;
}


static void
test_told(void)
{
    size_t         size;
    cdr_call_t     c;
    cdr_command_t  cmd;

    c = call(CDR_CALL_MESSAGE);

    ok(cdr_command_parse(&cmd, str("{ \"type\":\"agent:x\", \"id\":1,"
        "\"n\" : [ 1, {\"id\":2} ],\"token\":\"t\",\"k\\u0065y\":\"k\" }"))
        == CDR_OK, "a command");

    size = cdr_backend_message(NULL, &c, &cmd, none);

    ok(same(size, cdr_backend_message(out, &c, &cmd, none),
        "{\"kind\":\"message\",\"id\":\"i\",\"hub\":\"h\",\"server\":\"s\","
        "\"connectionId\":\"conn_1\",\"userId\":\"ann\",\"role\":null,"
        "\"address\":\"::1\",\"timestamp\":5,\"message\":{\"type\":\"agent:x\","
        "\"n\":[1,{\"id\":2}]}}"),
        "is told without what is between client and hub");

    size = cdr_backend_message(NULL, &c, &cmd, str("sess_1"));

    ok(size == cdr_backend_message(out, &c, &cmd, str("sess_1"))
       && memcmp(out + size - 23, "},\"sessionId\":\"sess_1\"}", 23) == 0,
       "with its session");

    c = call(CDR_CALL_CONNECT);
    size = cdr_backend_connect(NULL, &c, str("conductor.v1"), none);

    ok(same(size, cdr_backend_connect(out, &c, str("conductor.v1"),
                                               none),
        "{\"kind\":\"connect\",\"id\":\"i\",\"hub\":\"h\",\"server\":\"s\","
        "\"connectionId\":\"conn_1\",\"userId\":\"ann\",\"role\":null,"
        "\"address\":\"::1\",\"timestamp\":5,\"protocol\":\"conductor.v1\","
        "\"lastEventId\":null}"), "a client that comes");
}


static void
test_answers(void)
{
    ok(answer("") == CDR_OK && answer(" \r\n") == CDR_OK
       && answer("{}") == CDR_OK && answer("{\"x\":1}") == CDR_OK
       && a.ack.data == NULL && a.close == 0 && !a.identity
       && a.expires == -1, "nothing is enough");

    ok(answer("{\"identity\":{\"user\":\"\\u0061\",\"role\":"
              "[\"r\",\"q\"],\"expires\":9}}") == CDR_OK
       && a.identity && cdr_json_eq(a.user, str("a"))
       && cdr_json_eq(a.role, str("r,q")) && a.expires == 9,
       "an identity");

    ok(answer("{\"identity\":{\"userId\":\"b\"}}") == CDR_OK && a.identity
       && cdr_json_eq(a.user, str("b")) && a.role.data == NULL,
       "as a call names it");

    ok(answer("{\"close\":true}") == CDR_OK && a.close == 1000
       && answer("{\"close\":4000}") == CDR_OK && a.close == 4000
       && answer("{\"close\":{\"reason\":\"so\"}}") == CDR_OK
       && a.close == 1000 && strcmp(a.reason, "so") == 0
       && answer("{\"close\":false}") == CDR_OK && a.close == 0,
       "a close");

    ok(answer("{\"emit\":null,\"ack\":null,\"identity\":null,"
              "\"close\":null}") == CDR_OK
       && a.emit.data == NULL && a.ack.data == NULL && !a.identity,
       "null is nothing");
}


static void
test_wrong(void)
{
    size_t             i;
    static const char *wrong[] = {
        "[]", "1", "{", "{\"emit\":1}", "{\"emit\":\"x\"}",
        "{\"publish\":true}", "{\"subscribe\":1}", "{\"unsubscribe\":{}}",
        "{\"identity\":[]}", "{\"identity\":{\"user\":1}}",
        "{\"identity\":{\"role\":[1]}}", "{\"identity\":{\"role\":{}}}",
        "{\"identity\":{\"expires\":\"1\"}}",
        "{\"identity\":{\"expires\":1700000000000}}",
        "{\"identity\":{\"role\":[\"x,admin\"]}}",
        "{\"identity\":{\"userId\":\"a\\u0001\"}}",
        "{\"identity\":{\"expires\":-1}}",
        "{\"close\":999}", "{\"close\":1001}", "{\"close\":5000}",
        "{\"close\":\"x\"}", "{\"close\":{\"code\":\"x\"}}",
        "{\"close\":{\"reason\":1}}", "{\"close\":1e3}",
        "{\"close\":99999999999999999999}"
    };

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(answer(wrong[i]) == CDR_ERROR && a.error, "%s is wrong",
                    wrong[i]);
    }
}


static void
test_lists(void)
{
    unsigned         n;
    cdr_str_t        list, item;
    cdr_json_type_e  type;

    list = cdr_backend_list(str("[ \"a\" , {\"b\":[1]},[2]]"));

    for (n = 0; cdr_backend_next(&list, &item, &type) == CDR_OK; n++) {
        ok(type == (n == 0 ? CDR_JSON_STRING
                             : n == 1 ? CDR_JSON_OBJECT : CDR_JSON_ARRAY),
                    "item %u", n);
    }

    ok(n == 3, "all items");

    list = cdr_backend_list(str("{\"a\":1}"));

    ok(cdr_backend_next(&list, &item, &type) == CDR_OK
       && type == CDR_JSON_OBJECT
       && cdr_backend_next(&list, &item, &type) == CDR_DECLINED,
       "a value is a list of one");

    list = cdr_backend_list(str("[]"));
    ok(cdr_backend_next(&list, &item, &type) == CDR_DECLINED,
       "an empty array has none");
}


static void
test_written(void)
{
    size_t             size;
    cdr_json_scan_t    s;
    cdr_json_member_t  members[8];

    ok(answer("{\"ack\":{\"type\":\"x\",\"a\" : 1,\"id\":2,"
              "\"b\":[ 2 ]}}") == CDR_OK, "an ack");
    size = cdr_backend_ack(NULL, &a);
    ok(same(size, cdr_backend_ack(out, &a), "\"a\":1,\"b\":[2]"),
       "its members");

    ok(answer("{\"ack\":[ 1 ]}") == CDR_OK, "another ack");
    size = cdr_backend_ack(NULL, &a);
    ok(same(size, cdr_backend_ack(out, &a), "\"data\":[1]"),
       "is data");

    s.members = members;
    s.max_members = 8;
    s.max_depth = 8;

    ok(cdr_json_scan(&s, str("{\"timestamp\":1,\"type\":\"x\","
                                      "\"n\":{ }}")) == CDR_OK, "a message");
    size = cdr_backend_emit(NULL, members, s.nmembers, 7);
    ok(same(size, cdr_backend_emit(out, members, s.nmembers, 7),
                     "{\"type\":\"x\",\"n\":{},\"timestamp\":7}"),
       "has the hub's time");
}


static void
test_own(void)
{
    ok(cdr_backend_own(str("ping")) && cdr_backend_own(str("agent:x"))
       && cdr_backend_own(str("other")) && cdr_backend_own(str("echo"))
       && !cdr_backend_own(str("custom")) && !cdr_backend_own(none),
       "which types are the hub's own");
}


int
main(void)
{
    test_told();
    test_answers();
    test_wrong();
    test_lists();
    test_written();
    test_own();

    return done_testing();
}
