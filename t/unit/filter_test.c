/* Filters of subscriptions. */

#include "cdr_test.h"
#include "cdr_filter.h"


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
    cdr_str_t      data;
    cdr_filter_t   filter;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (compile(&filter, cases[i].filter) != NULL) {
            ok(0, "%s is a filter", cases[i].filter);
            continue;
        }

        data.data = filter.data;
        data.len = filter.len;
        passes = cdr_filter_match(data, str(EVENT));

        ok(passes == cases[i].passes, "%s %s", cases[i].filter,
           cases[i].passes ? "lets pass" : "does not");
    }
}


int
main(void)
{
    test_cases();

    return done_testing();
}
