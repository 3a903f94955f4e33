/* Filters of subscriptions. */

#include "cdr_test.h"
#include "cdr_filter.h"
#include "cdr_mask.h"


#define EVENT  "{\"type\":\"note\",\"a\":1,\"b\":{\"c\":\"x\",\"d\":[1,\"y\"," \
               "{\"e\":null}]},\"f\":[],\"g\":[{\"h\":1,\"i\":true},"         \
               "[{\"h\":2}],3],\"q\\\"\":1.0,\"timestamp\":17,"               \
               "\"eventId\":\"17-1\"}"


typedef struct {
    const char  *filter;
    bool         passes;
} case_t;


static const case_t  cases[] = {
    { "{}", true },
    { " { } ", true },
    { "{\"a\":1}", true },
    { "{\"a\":2}", false },
    { "{\"a\":\"1\"}", false },
    { "{\"a\":1.0}", false },
    { "{\"a\":[2,1]}", true },
    { "{\"a\":[2,3]}", false },
    { "{\"a\":[]}", false },
    { "{\"a\": [ ] }", false },
    { "{\"\\u0061\":[2, 1 ]}", true },
    { "{\"z\":1}", false },
    { "{\"z\":null}", false },
    { "{\"type\":\"note\"}", true },
    { "{\"type\":\"n\\u006fte\",\"a\":1}", true },
    { "{\"type\":\"note\",\"a\":2}", false },
    { "{\"a\":1,\"eventId\":\"17-1\",\"timestamp\":17}", true },
    { "{\"b\":1}", false },
    { "{\"b.c\":\"x\"}", true },
    { "{\"b\\u002ec\":\"x\"}", true },
    { "{\"b.c\":\"y\"}", false },
    { "{\"b.c.d\":\"x\"}", false },
    { "{\"b.d\":1}", true },
    { "{\"b.d\":\"y\"}", true },
    { "{\"b.d\":null}", false },
    { "{\"b.d.e\":null}", true },
    { "{\"f\":1}", false },
    { "{\"f.a\":1}", false },
    { "{\"g.h\":1}", true },
    { "{\"g.h\":2}", true },
    { "{\"g\":3}", true },
    { "{\"g.h\":3}", false },
    { "{\"g.h\":2,\"g.i\":true}", true },
    { "{\"g.h\":2,\"g.i\":false}", false },
    { "{\"q\\\"\":1.0}", true },
    { "{\"q\\\"\":1}", false },
};


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static cdr_str_t
data(const cdr_filter_t *filter)
{
    cdr_str_t  t = { filter->data, filter->len };

    return t;
}


static const char *
compile(cdr_filter_t *filter, const char *text)
{
    int               rc;
    cdr_str_t         value;
    const char       *error;
    cdr_json_scan_t   s = { .max_depth = 32 };

    value = str(text);

    if (cdr_json_scan_value(&s, value) != CDR_OK) {
        abort();
    }

    value.len = s.end;

    while (*value.data == ' ') {
        value.data++;
        value.len--;
    }

    rc = cdr_filter_compile(filter, value, &error);

    return (rc == CDR_OK) ? NULL : error;
}


static void
test_cases(void)
{
    bool           passes;
    size_t         i;
    cdr_filter_t   filter;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (compile(&filter, cases[i].filter) != NULL) {
            ok(0, "%s is a filter", cases[i].filter);
            continue;
        }

        passes = cdr_filter_match(data(&filter), str(EVENT));

        ok(passes == cases[i].passes, "%s %s", cases[i].filter,
           cases[i].passes ? "lets pass" : "does not");
    }
}


static void
test_errors(void)
{
    size_t         i;
    const char    *error;
    cdr_filter_t   filter;

    static const struct {
        const char  *text, *error;
    } wrong[] = {
        { "[]", "\"filter\" must be an object" },
        { "1", "\"filter\" must be an object" },
        { "null", "\"filter\" must be an object" },
        { "\"{}\"", "\"filter\" must be an object" },
        { "{\"a\":{}}", "a filter has strings, numbers, booleans and null" },
        { "{\"a\":[1,{}]}",
          "a filter has strings, numbers, booleans and null" },
        { "{\"a\":[[1]]}",
          "a filter has strings, numbers, booleans and null" },
        { "{\"\":1}",
          "a field of a filter must be names with dots between them" },
        { "{\"a..b\":1}",
          "a field of a filter must be names with dots between them" },
        { "{\"a\\n\":1}",
          "a field of a filter must be names with dots between them" },
        { "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
          "\"i\":1}", "a filter has at most 8 fields" },
    };

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        error = compile(&filter, wrong[i].text);
        ok(error && strcmp(error, wrong[i].error) == 0, "%s: %s",
           wrong[i].text, wrong[i].error);
    }

    ok(compile(&filter, "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,"
                        "\"g\":1,\"h\":1}") == NULL, "8 fields are fine");
}


static void
test_limits(void)
{
    char           text[CDR_FILTER_MAX_SIZE + 2], *p;
    unsigned       i;
    const char    *error;
    cdr_filter_t   filter;

    p = text + sprintf(text, "{\"a\":[0");

    for (i = 1; i < CDR_FILTER_MAX_VALUES; i++) {
        p += sprintf(p, ",%u", i);
    }

    strcpy(p, "]}");
    ok(compile(&filter, text) == NULL
       && cdr_filter_match(data(&filter), str("{\"a\":63}"))
       && !cdr_filter_match(data(&filter), str("{\"a\":64}")),
       "64 values are fine");

    strcpy(p, "],\"b\":1}");
    error = compile(&filter, text);
    ok(error && strcmp(error, "a filter has at most 64 values") == 0,
       "65 are not, in all fields together");

    memset(text, ' ', sizeof(text));
    memcpy(text, "{\"a\":1", 6);
    text[CDR_FILTER_MAX_SIZE - 1] = '}';
    text[CDR_FILTER_MAX_SIZE] = '\0';
    ok(compile(&filter, text) == NULL && filter.len, "1024 bytes are fine");

    text[CDR_FILTER_MAX_SIZE - 1] = ' ';
    text[CDR_FILTER_MAX_SIZE] = '}';
    text[CDR_FILTER_MAX_SIZE + 1] = '\0';
    error = compile(&filter, text);
    ok(error && strcmp(error, "a filter has at most 1024 bytes") == 0
       && filter.len == 0, "1025 are not");
}


/* A filter of 1024 bytes that grows the most. */

/* Of values that differ in length, and begin with one another. */

static void
test_every_value(void)
{
    char          text[1024], event[64];
    size_t        n;
    unsigned      i, found, other;
    const char   *error;
    cdr_filter_t  filter;

    n = (size_t) sprintf(text, "{\"a\":[");

    for (i = 0; i < CDR_FILTER_MAX_VALUES; i++) {
        n += (size_t) sprintf(text + n, "%s%u", i ? "," : "", i * i * 7);
    }

    (void) sprintf(text + n, "]}");

    ok(cdr_filter_compile(&filter, str(text), &error) == CDR_OK,
       "a list of 64 numbers");

    found = 0;
    other = 0;

    for (i = 0; i < CDR_FILTER_MAX_VALUES * CDR_FILTER_MAX_VALUES * 7; i++) {
        (void) sprintf(event, "{\"a\":[\"x\",%u]}", i);
        found += cdr_filter_match(data(&filter), str(event));

        (void) sprintf(event, "{\"a\":\"%u\"}", i);
        other += cdr_filter_match(data(&filter), str(event));
    }

    ok(found == CDR_FILTER_MAX_VALUES && other == 0,
       "each of them passes, and nothing else");
}


static void
test_room(void)
{
    char            text[CDR_FILTER_MAX_SIZE + 1], *p;
    unsigned        i, j;
    cdr_filter_t    filter, *own;

    p = text + sprintf(text, "{");

    for (i = 0; i < CDR_FILTER_MAX_FIELDS; i++) {
        p += sprintf(p, "%s\"%u", i ? "," : "", i);

        for (j = 1; j < CDR_MASK_MAX_DEPTH; j++) {
            p += sprintf(p, ".\\\"");
        }

        p += sprintf(p, "\":[1");

        for (j = 1; j < CDR_FILTER_MAX_VALUES / CDR_FILTER_MAX_FIELDS; j++) {
            p += sprintf(p, ",%u", j + 1);
        }

        p += sprintf(p, "]");
    }

    strcpy(p, "}");

    own = malloc(sizeof(cdr_filter_t));
    ok(compile(own, text) == NULL && own->len < sizeof(filter.data),
       "what grows the most has room");
    free(own);
}


static bool
same(const char *one, const char *other)
{
    cdr_filter_t  a, b;

    return compile(&a, one) == NULL && compile(&b, other) == NULL
           && cdr_json_eq(data(&a), data(&b));
}


static void
test_equal(void)
{
    ok(same("{\"a\":1,\"b\":[\"x\",\"y\",null]}",
            "{ \"\\u0062\" : [ null, \"y\",\"\\u0078\"],\"a\":[1]}"),
       "a filter is the same in another order and form");
    ok(same("{\"a\":[2,1,2,1,1]}", "{\"a\":[1,2]}"),
       "and with a value that is there twice");
    ok(same("{}", "{ }"), "an empty one is empty");
    ok(!same("{\"a\":1}", "{\"a\":\"1\"}") && !same("{\"a\":1}", "{\"a\":2}")
       && !same("{\"a\":1}", "{\"b\":1}") && !same("{\"a\":[]}", "{}")
       && !same("{\"a.b\":1}", "{\"a\":1}")
       && !same("{\"a\":[1,2]}", "{\"a\":1}"),
       "others are others");
}


static void
test_any_bytes(void)
{
    size_t         n;
    unsigned       passed;
    uint8_t       *in;
    cdr_str_t      event, cut;
    cdr_filter_t   filter;

    (void) compile(&filter, "{\"b.d.e\":null,\"a\":[1,2]}");

    passed = 0;

    for (n = 0; n < sizeof(EVENT) - 1; n++) {
        in = malloc(n ? n : 1);
        memcpy(in, EVENT, n);
        event.data = in;
        event.len = n;
        passed += cdr_filter_match(data(&filter), event);
        free(in);
    }

    ok(passed > 0 && passed < n, "an event that is cut is safe");

    passed = 0;

    for (n = 1; n < filter.len; n++) {
        in = malloc(n);
        memcpy(in, filter.data, n);
        cut.data = in;
        cut.len = n;
        passed += cdr_filter_match(cut, str("{\"type\":\"x\"}"));
        free(in);
    }

    ok(passed == 0, "and a filter that is cut lets nothing pass");

    ok(!cdr_filter_match(data(&filter), str(""))
       && !cdr_filter_match(data(&filter), str("[1]")),
       "what is no object does not pass");
}


int
main(void)
{
    test_cases();
    test_errors();
    test_limits();
    test_every_value();
    test_room();
    test_equal();
    test_any_bytes();

    return done_testing();
}
