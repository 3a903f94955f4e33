/* What a back end is called with. */

#include "cdr_test.h"
#include "cdr_call.h"


#define str(s)  (cdr_str_t) { (const uint8_t *) (s), strlen(s) }


static void a_disconnect_is_written(void);
static void presence_is_written(void);
static void strings_are_escaped(void);


static cdr_call_t  call;
static uint8_t     text[1024];


static void
setup(cdr_call_kind_e kind)
{
    call.kind = kind;
    call.id = str("conn_x.1");
    call.hub = str("h");
    call.server = str("node-1");
    call.connection = str("conn_x");
    call.user = str("ann");
    call.role = str("");
    call.address = str("127.0.0.1");
    call.timestamp = 1700000000000;
}


/* Is it that, and as long as it was counted? */

static bool
is(const cdr_json_out_t *size, const cdr_json_out_t *out, const char *expected)
{
    return size->len == out->len && out->len == strlen(expected)
           && memcmp(text, expected, out->len) == 0;
}


int
main(void)
{
    a_disconnect_is_written();
    presence_is_written();
    strings_are_escaped();

    return done_testing();
}


static void
a_disconnect_is_written(void)
{
    cdr_json_out_t  size = { NULL, 0 }, out = { text, 0 };

    setup(CDR_CALL_DISCONNECT);

    cdr_call_put(&size, &call);
    cdr_call_put_disconnect(&size, str("idle"), 4408, 12);
    cdr_call_put(&out, &call);
    cdr_call_put_disconnect(&out, str("idle"), 4408, 12);

    ok(is(&size, &out,
          "{\"kind\":\"disconnect\",\"id\":\"conn_x.1\",\"hub\":\"h\","
          "\"server\":\"node-1\",\"connectionId\":\"conn_x\","
          "\"userId\":\"ann\",\"role\":null,\"address\":\"127.0.0.1\","
          "\"timestamp\":1700000000000,\"reason\":\"idle\",\"code\":4408,"
          "\"durationMs\":12}"), "a disconnect has all its members");
}


static void
presence_is_written(void)
{
    cdr_json_out_t  size = { NULL, 0 }, out = { text, 0 };

    setup(CDR_CALL_PRESENCE);

    cdr_call_put(&size, &call);
    cdr_call_put_presence(&size, &call, str("away"), str("login"));
    cdr_call_put(&out, &call);
    cdr_call_put_presence(&out, &call, str("away"), str("login"));

    ok(is(&size, &out,
          "{\"kind\":\"presence\",\"id\":\"conn_x.1\",\"hub\":\"h\","
          "\"server\":\"node-1\",\"connectionId\":\"conn_x\","
          "\"userId\":\"ann\",\"role\":null,\"address\":\"127.0.0.1\","
          "\"timestamp\":1700000000000,\"presence\":{\"userId\":\"ann\","
          "\"role\":null,\"status\":\"away\",\"currentFeature\":\"login\"}}"),
       "presence has all its members");
}


static void
strings_are_escaped(void)
{
    cdr_json_out_t  size = { NULL, 0 }, out = { text, 0 };

    setup(CDR_CALL_CONNECT);

    call.user = str("a\"\\\n\xff");

    cdr_call_put(&size, &call);
    cdr_call_put(&out, &call);

    ok(size.len == out.len
       && strstr((char *) text, "\"userId\":\"a\\\"\\\\\\n\xef\xbf\xbd\"")
          != NULL, "a user's name cannot end its string");
}
