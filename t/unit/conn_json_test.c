/* A connection as JSON. */

#include "cdr.h"
#include "cdr_conn_json.h"

#include "cdr_test.h"


static void said(const cdr_conn_copy_t *c, bool stale, const char *expected,
    const char *name);
static void fill(cdr_conn_copy_t *c);


int
main(void)
{
    size_t           i;
    uint8_t          buf[CDR_CONN_JSON_MAX];
    cdr_str_t        server;
    cdr_conn_copy_t  c;
    static uint8_t   bad[CDR_CONN_STRINGS_MAX];

    memset(&c, 0, sizeof(cdr_conn_copy_t));

    said(&c, true,
         "{\"connectionId\":\"conn_AAAAAAAAAAAAAAAA\",\"userId\":null,"
         "\"role\":null,\"address\":null,\"server\":\"s\",\"worker\":0,"
         "\"connectedAt\":0,\"lastSeen\":0,\"status\":\"online\","
         "\"currentFeature\":null,\"transport\":\"websocket\","
         "\"protocol\":\"native\",\"subscriptions\":0,"
         "\"queue\":{\"bytes\":0,\"messages\":0},"
         "\"rate\":{\"received\":0.000,\"sent\":0.000},"
         "\"received\":{\"messages\":0,\"bytes\":0},"
         "\"sent\":{\"messages\":0,\"bytes\":0},\"latencyMs\":null,"
         "\"stale\":true}", "one of which nothing is known");

    fill(&c);

    said(&c, false,
         "{\"connectionId\":\"conn_AAAAAAAAAAAAAAAA\","
         "\"userId\":\"a\\\"\\n\",\"role\":null,\"address\":\"::1\","
         "\"server\":\"s\",\"worker\":42,\"connectedAt\":7,\"lastSeen\":8,"
         "\"status\":\"busy\",\"currentFeature\":null,"
         "\"transport\":\"websocket\",\"protocol\":\"echo\","
         "\"subscriptions\":3,\"queue\":{\"bytes\":5,\"messages\":1},"
         "\"rate\":{\"received\":12.034,\"sent\":0.005},"
         "\"received\":{\"messages\":1,\"bytes\":2},"
         "\"sent\":{\"messages\":3,\"bytes\":18446744073709551615},"
         "\"latencyMs\":0,\"draining\":true}", "one of which all is");

    memset(bad, 1, sizeof(bad));

    for (i = 0; i < CDR_CONN_STRINGS; i++) {
        c.str[i].data = bad;
    }

    c.str[CDR_CONN_USER].len = CDR_CONN_USER_MAX;
    c.str[CDR_CONN_ROLE].len = CDR_CONN_ROLE_MAX;
    c.str[CDR_CONN_FEATURE].len = CDR_CONN_FEATURE_MAX;
    c.str[CDR_CONN_ADDRESS].len = CDR_CONN_ADDRESS_MAX;
    c.conn.connected_ms = c.seen_ms = UINT64_MAX;
    memset(&c.look, 0xff, sizeof(cdr_conn_look_t));

    server.data = bad;
    server.len = 255;

    ok(cdr_conn_object(NULL, &c, server, true) <= CDR_CONN_JSON_MAX
       && cdr_conn_object(buf, &c, server, true)
          == cdr_conn_object(NULL, &c, server, true),
       "the largest one has room");

    return done_testing();
}


static void
said(const cdr_conn_copy_t *c, bool stale, const char *expected,
    const char *name)
{
    size_t     len;
    uint8_t    buf[CDR_CONN_JSON_MAX];
    cdr_str_t  server = cdr_str("s");

    len = cdr_conn_object(buf, c, server, stale);

    ok(len == strlen(expected) && memcmp(buf, expected, len) == 0
       && cdr_conn_object(NULL, c, server, stale) == len, "%s", name);
}


static void
fill(cdr_conn_copy_t *c)
{
    static const cdr_str_t  user = cdr_str("a\"\n");
    static const cdr_str_t  address = cdr_str("::1");

    c->str[CDR_CONN_USER] = user;
    c->str[CDR_CONN_ADDRESS] = address;
    c->conn.owner.pid = 42;
    c->conn.connected_ms = 7;
    c->conn.status = CDR_STATUS_BUSY;
    c->seen_ms = 8;
    c->look.protocol = CDR_CONN_ECHO;
    c->look.channels = 3;
    c->look.queue_bytes = 5;
    c->look.queue_messages = 1;
    c->look.rate_in = 12034;
    c->look.rate_out = 5;
    c->look.messages_in = 1;
    c->look.bytes_in = 2;
    c->look.messages_out = 3;
    c->look.bytes_out = UINT64_MAX;
    c->look.latency = 1;
    c->look.draining = 1;
}
