/* A list of subscriptions in a command. */

#include "cdr.h"
#include "cdr_subscription.h"

#include "cdr_test.h"


/* The channels of a list, joined; then the error, if there is one. */

static bool
reads(const char *json, const char *expected)
{
    int                       rc;
    size_t                    len;
    char                      got[512];
    const char               *error;
    cdr_subscription_t        sub;
    cdr_subscription_iter_t   it;

    it.rest.data = (const uint8_t *) json;
    it.rest.len = strlen(json);
    it.n = 0;
    len = 0;
    error = "";

    while ((rc = cdr_subscription_next(&it, &sub, &error)) == CDR_OK
           && len < 256)
    {
        memcpy(got + len, sub.channel.data, sub.channel.len);
        len += sub.channel.len;

        if (sub.filter.data) {
            got[len++] = '=';
            memcpy(got + len, sub.filter.data, sub.filter.len);
            len += sub.filter.len;
        }

        got[len++] = ';';
    }

    if (rc == CDR_ERROR) {
        got[len++] = '!';
    }

    got[len] = '\0';

    return strcmp(got, expected) == 0;
}


static void
test_lists(void)
{
    ok(reads("[]", ""), "an empty list has none");
    ok(reads("[ \t\r\n ]", ""), "nor has one with spaces");
    ok(reads("[{\"channel\":\"a\"}]", "a;"), "a channel");
    ok(reads("[ {\"channel\" : \"a\"} , {\"channel\":\"b:c\"} ]", "a;b:c;"),
       "several, with spaces");
    ok(reads("[{\"filter\":{\"x\":[1,\"],\"]},\"channel\":\"a\"},"
             "{\"channel\":\"b\"}]", "a={\"x\":[1,\"],\"]};b;"),
       "with filters, and members in any order");
    ok(reads("[{\"channel\":\"a\",\"filter\":null,\"more\":7}]", "a;"),
       "a filter of null is none, and more members do not matter");
    ok(reads("[{\"ch\\u0061nnel\":\"\\u0061\"}]", "\\u0061;"),
       "a name may be escaped; the channel is as it came");
    ok(reads("[{\"channel\":\"a\",\"filter\":7}]", "a=7;"),
       "what a filter is, is not looked at");
}


static void
test_wrong(void)
{
    ok(reads("[7]", "!"), "a number is no subscription");
    ok(reads("[\"a\"]", "!"), "nor a string");
    ok(reads("[null]", "!"), "nor null");
    ok(reads("[[{\"channel\":\"a\"}]]", "!"), "nor a list");
    ok(reads("[{}]", "!"), "nor an object without a channel");
    ok(reads("[{\"channel\":7}]", "!"), "nor with another than a string");
    ok(reads("[{\"channel\":null}]", "!"), "nor with null");
    ok(reads("[{\"channel\":\"a\"},7]", "a;!"), "the second may be wrong");
    ok(reads("[{\"channel\":\"a\",\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,"
             "\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"10\":1,\"11\":1,\"12\":1,"
             "\"13\":1,\"14\":1,\"15\":1,\"16\":1}]", "!"),
       "it has too many members");
    ok(reads("", "") && reads("[", "") && reads("[{", "!")
       && reads("[,,", ""), "what is no array is safe to read");
}


static void
test_many(void)
{
    int                       rc;
    char                      json[4096];
    size_t                    len;
    unsigned                  i, n;
    const char               *error;
    cdr_subscription_t        sub;
    cdr_subscription_iter_t   it;

    len = 0;

    for (i = 0; i <= CDR_SUBSCRIPTION_MAX; i++) {
        len += (size_t) snprintf(json + len, sizeof(json) - len,
                                 "%c{\"channel\":\"c\"}", i ? ',' : '[');
    }

    json[len++] = ']';

    it.rest.data = (const uint8_t *) json;
    it.rest.len = len;
    it.n = 0;
    n = 0;

    while ((rc = cdr_subscription_next(&it, &sub, &error)) == CDR_OK) {
        n++;
    }

    ok(n == CDR_SUBSCRIPTION_MAX && rc == CDR_ERROR,
       "so many are read, and not one more");
}


int
main(void)
{
    test_lists();
    test_wrong();
    test_many();

    return done_testing();
}
