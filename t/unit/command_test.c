/* The commands of clients. */

#include "cdr_test.h"
#include "cdr_command.h"


#define NONE  "(none)"


typedef struct {
    const char          *text;
    cdr_command_type_e   type;
    const char          *name;
    const char          *id;
    const char          *key;
} good_t;


typedef struct {
    const char          *text;
    unsigned             code;
    const char          *id;
} bad_t;


static const good_t  good[] = {
    { "{\"type\":\"ping\"}", CDR_COMMAND_PING, "ping", NONE, NONE },
    { " {\"id\":1,\"type\":\"auth\"}\n", CDR_COMMAND_AUTH, "auth", "1", NONE },
    { "{\"type\":\"publish\",\"id\":\"x y\"}", CDR_COMMAND_PUBLISH, "publish",
      "\"x y\"", NONE },
    { "{\"type\":\"resume\",\"id\":-1.5E3}", CDR_COMMAND_RESUME, "resume",
      "-1.5E3", NONE },
    { "{\"type\":\"subscribe\",\"key\":\"\"}", CDR_COMMAND_SUBSCRIBE,
      "subscribe", NONE, "" },
    { "{\"type\":\"unsubscribe\",\"key\":\"k\\u00e4\\n\"}",
      CDR_COMMAND_UNSUBSCRIBE, "unsubscribe", NONE, "k\xc3\xa4\n" },
    { "{\"t\\u0079pe\":\"presence\\u002dupdate\",\"\\u0069d\":\"\\u0041\\/\"}",
      CDR_COMMAND_PRESENCE_UPDATE, "presence-update", "\"A/\"", NONE },
    { "{\"type\":\"agent:planner\"}", CDR_COMMAND_AGENT, "agent:planner", NONE,
      NONE },
    { "{\"type\":\"agent:\"}", CDR_COMMAND_OTHER, "agent:", NONE, NONE },
    { "{\"type\":\"Ping\",\"id\":\"\"}", CDR_COMMAND_OTHER, "Ping", "\"\"",
      NONE },
    { "{\"type\":\"pin\\nx\",\"id\":\"\\u0001\"}", CDR_COMMAND_OTHER,
      "pin\nx", "\"\\u0001\"", NONE },
};


static const bad_t  bad[] = {
    { "", CDR_ERR_BAD_JSON, NONE },
    { "hello", CDR_ERR_BAD_JSON, NONE },
    { "\"ping\"", CDR_ERR_BAD_JSON, NONE },
    { "[{\"type\":\"ping\"}]", CDR_ERR_BAD_JSON, NONE },
    { "{\"id\":1,\"type\":\"ping\"", CDR_ERR_BAD_JSON, NONE },
    { "{\"id\":1,\"type\":\"ping\"}{}", CDR_ERR_BAD_JSON, NONE },
    { "{\"id\":1,\"id\":2,\"type\":\"ping\"}", CDR_ERR_BAD_JSON, NONE },
    { "{}", CDR_ERR_BAD_MESSAGE, NONE },
    { "{\"id\":7}", CDR_ERR_BAD_MESSAGE, "7" },
    { "{\"type\":7,\"id\":\"a\"}", CDR_ERR_BAD_MESSAGE, "\"a\"" },
    { "{\"type\":\"\",\"id\":7}", CDR_ERR_BAD_MESSAGE, "7" },
    { "{\"type\":null,\"id\":7}", CDR_ERR_BAD_MESSAGE, "7" },
    { "{\"type\":\"ping\",\"id\":null}", CDR_ERR_BAD_MESSAGE, NONE },
    { "{\"type\":\"ping\",\"id\":true}", CDR_ERR_BAD_MESSAGE, NONE },
    { "{\"type\":\"ping\",\"id\":{}}", CDR_ERR_BAD_MESSAGE, NONE },
    { "{\"type\":\"ping\",\"id\":7,\"key\":1}", CDR_ERR_BAD_MESSAGE, "7" },
    { "{\"type\":\"ping\",\"id\":7,\"key\":null}", CDR_ERR_BAD_MESSAGE, "7" },
};


static cdr_command_t  cmd;
static char           last[8192];


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


/* The message is kept, because a command points into it. */

static int
parse(const char *text)
{
    strcpy(last, text);

    return cdr_command_parse(&cmd, str(last));
}


static bool
is(cdr_str_t got, const char *want)
{
    return strcmp(want, NONE) == 0 ? got.data == NULL
                                   : got.data && cdr_json_eq(got, str(want));
}


static void
test_good(void)
{
    size_t         i;
    const good_t  *g;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        g = &good[i];

        ok(parse(g->text) == CDR_OK && cmd.type == g->type
           && is(cmd.name, g->name) && is(cmd.id, g->id)
           && is(cmd.key, g->key), "message %zu is a command", i);
    }

    (void) parse("{\"type\":\"agent:planner\"}");
    ok(is(cmd.agent, "planner"), "an agent has its name");

    (void) parse("{\"type\":\"ping\"}");
    ok(is(cmd.agent, NONE), "another command has none");
}


static void
test_bad(void)
{
    size_t        i;
    const bad_t  *b;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        b = &bad[i];

        ok(parse(b->text) == CDR_ERROR && cmd.code == b->code
           && is(cmd.id, b->id) && cmd.error.len,
           "message %zu is refused, and its id is %s", i, b->id);
    }
}


/* A message with that member made of n times the same text. */

static int
parse_long(const char *member, const char *start, const char *one,
    unsigned n, const char *end)
{
    char      *p;
    unsigned   i;

    p = last + sprintf(last, "{%s\"%s\":%s",
                       strcmp(member, "type") ? "\"type\":\"ping\"," : "",
                       member, start);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s", one);
    }

    strcpy(p, end);
    strcat(p, "}");

    return cdr_command_parse(&cmd, str(last));
}


static void
test_lengths(void)
{
    size_t                    i, wrong;
    static const char *const  ones[] = {
        "a", "\xc3\xa4", "\xf0\x9f\x98\x80", "\\u00e4", "\\ud83d\\ude00",
        "\\u0001", "\\n"
    };
    static const char *const  names[] = { "type", "id", "key" };

    wrong = 0;

    for (i = 0; i < 7 * 3; i++) {
        wrong += parse_long(names[i / 7], "\"", ones[i % 7], 64, "\"")
                 != CDR_OK;
        wrong += parse_long(names[i / 7], "\"", ones[i % 7], 65, "\"")
                 != CDR_ERROR;
        wrong += cmd.code != CDR_ERR_BAD_MESSAGE;
    }

    ok(wrong == 0, "64 characters are allowed, however long they are written");

    ok(parse_long("id", "0.", "1", 62, "") == CDR_OK && cmd.id.len == 64
       && parse_long("id", "0.", "1", 63, "") == CDR_ERROR
       && cmd.id.data == NULL,
       "so many are in a number");
}


static void
test_members(void)
{
    char      *p;
    unsigned   i;

    p = last + sprintf(last, "{\"id\":5,\"type\":\"ping\"");

    for (i = 2; i < CDR_COMMAND_MAX_MEMBERS; i++) {
        p += sprintf(p, ",\"m%u\":0", i);
    }

    strcpy(p, "}");
    ok(cdr_command_parse(&cmd, str(last)) == CDR_OK && cmd.nmembers == 64,
       "a message may have 64 members");

    strcpy(p, ",\"x\":0}");
    ok(cdr_command_parse(&cmd, str(last)) == CDR_ERROR
       && cmd.code == CDR_ERR_BAD_MESSAGE && is(cmd.id, "5"),
       "and no more, which its id hears");
}


static void
test_depth(void)
{
    ok(parse_long("x", "", "[", 31, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")
       == CDR_OK, "a message may be nested 32 deep");

    strcpy(last, "{\"id\":5,\"x\":");
    memset(last + 12, '[', 32);
    memset(last + 44, ']', 32);
    strcpy(last + 76, "}");

    ok(cdr_command_parse(&cmd, str(last)) == CDR_ERROR
       && cmd.code == CDR_ERR_BAD_JSON && is(cmd.id, "5"),
       "and no deeper, which its id hears");
}


static void
test_accessors(void)
{
    uint8_t    buf[4];
    int64_t    n;
    cdr_str_t  v;

    (void) parse("{\"type\":\"x\",\"plain\":\"abcd\",\"esc\":\"\\u0061bcd\","
                 "\"min\":-9223372036854775808,\"max\":9223372036854775807,"
                 "\"zero\":-0,\"real\":1.0,\"null\":null,\"list\":[1, 2],"
                 "\"obj\":{\"a\" :1}}");

    ok(cdr_command_string(&cmd, str("plain"), NULL, 4, &v) == CDR_OK
       && is(v, "abcd"), "a string is there without a copy");
    ok(cdr_command_string(&cmd, str("esc"), buf, 4, &v) == CDR_OK
       && is(v, "abcd") && v.data == buf, "or decoded into a buffer");
    ok(cdr_command_string(&cmd, str("plain"), buf, 3, &v) == CDR_TOOBIG
       && cdr_command_string(&cmd, str("esc"), buf, 3, &v) == CDR_TOOBIG,
       "if it is not too long");
    ok(cdr_command_string(&cmd, str("no"), buf, 4, &v) == CDR_DECLINED
       && cdr_command_string(&cmd, str("null"), buf, 4, &v) == CDR_DECLINED
       && cdr_command_string(&cmd, str("list"), buf, 4, &v) == CDR_ERROR,
       "and a string at all");
    ok(cdr_command_integer(&cmd, str("min"), &n) == CDR_OK && n == INT64_MIN
       && cdr_command_integer(&cmd, str("max"), &n) == CDR_OK
       && n == INT64_MAX
       && cdr_command_integer(&cmd, str("zero"), &n) == CDR_OK && n == 0,
       "integers are read to their limits");
    ok(cdr_command_integer(&cmd, str("real"), &n) == CDR_ERROR
       && cdr_command_integer(&cmd, str("null"), &n) == CDR_DECLINED,
       "a real is none");
    ok(cdr_command_raw(&cmd, str("list"), CDR_JSON_ARRAY, &v) == CDR_OK
       && is(v, "[1, 2]")
       && cdr_command_raw(&cmd, str("obj"), CDR_JSON_OBJECT, &v) == CDR_OK
       && is(v, "{\"a\" :1}")
       && cdr_command_raw(&cmd, str("obj"), CDR_JSON_ARRAY, &v) == CDR_ERROR,
       "arrays and objects are there as they came");
}


int
main(void)
{
    test_good();
    test_bad();
    test_lengths();
    test_members();
    test_depth();
    test_accessors();

    return done_testing();
}
