/* What servers are told to do: written, read, and refused. */

#include "cdr_control.h"
#include "cdr_test.h"


#define S(text)  ((cdr_str_t) cdr_str(text))


static cdr_control_t  c;
static uint8_t        buf[CDR_CONTROL_NAME_MAX];


static int
parse(const char *text)
{
    cdr_str_t  str = { (const uint8_t *) text, strlen(text) };

    return cdr_control_parse(&c, str, buf);
}


/* The text of "in", read again. */

static int
again(const cdr_control_t *in)
{
    size_t     len;
    uint8_t    text[1024];
    cdr_str_t  str = { text, 0 };

    len = cdr_control_print(NULL, in);
    str.len = cdr_control_print(text, in);

    return (str.len == len) ? cdr_control_parse(&c, str, buf) : CDR_ERROR;
}


static int
is(cdr_str_t a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}


static void
test_again(void)
{
    cdr_control_t  in;

    memset(&in, 0, sizeof(in));

    in.kind = CDR_CONTROL_DISCONNECT;
    in.name = S("conn_WkqxEGHoosEq8tT9");

    ok(again(&in) == CDR_OK && c.kind == CDR_CONTROL_DISCONNECT
       && is(c.name, "conn_WkqxEGHoosEq8tT9"),
       "to disconnect is read as it was written");

    in.kind = CDR_CONTROL_DRAIN;
    in.name = S("node \"1\"\n");
    in.on = true;

    ok(again(&in) == CDR_OK && c.kind == CDR_CONTROL_DRAIN && c.on
       && is(c.name, "node \"1\"\n"),
       "so is to drain, whatever the server's name");

    in.on = false;

    ok(again(&in) == CDR_OK && !c.on, "so is to take that back");

    in.kind = CDR_CONTROL_REVOKE;
    in.revoked = CDR_REVOKE_JTI;
    in.hash[0] = 0x0123456789abcdefULL;
    in.hash[1] = UINT64_MAX;
    in.until_ms = INT64_MAX;

    ok(again(&in) == CDR_OK && c.kind == CDR_CONTROL_REVOKE
       && c.revoked == CDR_REVOKE_JTI && c.hash[0] == in.hash[0]
       && c.hash[1] == in.hash[1] && c.until_ms == INT64_MAX,
       "so is to revoke");

    in.revoked = CDR_REVOKE_USER;
    in.until_ms = 0;

    ok(again(&in) == CDR_OK && c.revoked == CDR_REVOKE_USER
       && c.until_ms == 0,
       "so is to lift that");
}


static void
test_wrong(void)
{
    char    text[1024];
    size_t  i;

    static const char  *const wrong[] = {
        "", "[]", "7", "{\"do\":\"drain\"", "{\"do\":\"disconnect\"}",
        "{\"do\":\"disconnect\",\"id\":7}",
        "{\"do\":\"disconnect\",\"id\":\"\"}",
        "{\"do\":\"drain\",\"server\":\"a\"}",
        "{\"do\":\"drain\",\"server\":\"a\",\"on\":1}",
        "{\"do\":\"drain\",\"on\":true}",
        "{\"do\":\"revoke\",\"kind\":\"role\","
            "\"hash\":\"00000000000000000000000000000000\",\"until\":0}",
        "{\"do\":\"revoke\",\"kind\":\"user\","
            "\"hash\":\"0000000000000000000000000000000\",\"until\":0}",
        "{\"do\":\"revoke\",\"kind\":\"user\","
            "\"hash\":\"0000000000000000000000000000000G\",\"until\":0}",
        "{\"do\":\"revoke\",\"kind\":\"user\","
            "\"hash\":\"00000000000000000000000000000000\",\"until\":-1}",
        "{\"do\":\"revoke\",\"kind\":\"user\","
            "\"hash\":\"00000000000000000000000000000000\",\"until\":1.5}",
        "{\"do\":\"revoke\",\"kind\":\"user\","
            "\"hash\":\"00000000000000000000000000000000\"}",
    };

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(parse(wrong[i]) == CDR_ERROR, "refused: %s", wrong[i]);
    }

    ok(parse("{}") == CDR_DECLINED, "an object that says nothing is not ours");
    ok(parse("{\"do\":\"dance\"}") == CDR_DECLINED, "nor is another wish");
    ok(parse("{\"id\":\"x\",\"new\":[{}],\"do\":\"disconnect\"}") == CDR_OK
       && is(c.name, "x"),
       "the order is free, and what is not known is left alone");

    (void) snprintf(text, sizeof(text),
                    "{\"do\":\"disconnect\",\"id\":\"%0255d\"}", 1);
    ok(parse(text) == CDR_OK && c.name.len == CDR_CONTROL_NAME_MAX,
       "a name has 255 bytes");
    (void) snprintf(text, sizeof(text),
                    "{\"do\":\"disconnect\",\"id\":\"%0256d\"}", 1);
    ok(parse(text) == CDR_ERROR, "and no more");
}


static void
test_field(void)
{
    uint8_t            text[CDR_CONTROL_FIELD_LEN];
    cdr_str_t          str = { text, 0 };
    cdr_revoke_kind_t  kind;
    uint64_t           in[2] = { 1, 0xfedcba9876543210ULL }, out[2];

    str.len = cdr_control_field(text, CDR_REVOKE_USER, in);

    ok(str.len == CDR_CONTROL_FIELD_LEN
       && is(str, "user:0000000000000001fedcba9876543210"),
       "the name of a revoked user");
    ok(cdr_control_field_parse(str, &kind, out) == CDR_OK
       && kind == CDR_REVOKE_USER && out[0] == in[0] && out[1] == in[1],
       "is read again");

    str.len = cdr_control_field(text, CDR_REVOKE_JTI, in);

    ok(is(str, "jti:0000000000000001fedcba9876543210")
       && cdr_control_field_parse(str, &kind, out) == CDR_OK
       && kind == CDR_REVOKE_JTI && out[1] == in[1],
       "so is that of a token");

    ok(cdr_control_field_parse(S(""), &kind, out) == CDR_ERROR,
       "nothing is no name");
    ok(cdr_control_field_parse(S("jti"), &kind, out) == CDR_ERROR,
       "nor is half of one");
    ok(cdr_control_field_parse(S("user:1"), &kind, out) == CDR_ERROR,
       "nor is one with a short hash");
}


int
main(void)
{
    test_again();
    test_wrong();
    test_field();

    return done_testing();
}
