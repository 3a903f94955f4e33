/* Bodies of publications. */

#include "cdr_test.h"
#include "cdr_publish.h"


#define MAX_EVENTS  4
#define OK          -1          /* in place of a kind of error */

#define A           "{\"type\":\"a\"}"


typedef struct {
    const char  *body;
    bool         ndjson;
    int          kind;
    size_t       n;             /* events, or the index of the wrong one */
    const char  *error;
} body_t;


static const cdr_str_t  require[] = { cdr_str("x") };

static const cdr_event_type_t  types[] = {
    { cdr_str("a"), 0, 0, NULL },
    { cdr_str("b"), 1, 1, require }
};


static const body_t  bodies[] = {
    { A, false, OK, 1, NULL },
    { " \r\n" A "\r\n", false, OK, 1, NULL },
    { "{\n \"type\" :\n\"b\",\"x\":0\n}\n", false, OK, 1, NULL },
    { "[" A "]", false, OK, 1, NULL },
    { " [ " A "\n,\t" A " ] ", false, OK, 2, NULL },
    { A "\n" A, false, OK, 2, NULL },
    { A "\n\n {\n\"type\":\"a\"} \n", false, OK, 2, NULL },
    { A, true, OK, 1, NULL },
    { "\n\r\n" A "\r\n \t\n" A "\n\n", true, OK, 2, NULL },
    { A "\n" A "\n" A "\n" A, true, OK, 4, NULL },

    { "", false, CDR_PUBLISH_NOT_JSON, 0, "the body is empty" },
    { " \n", false, CDR_PUBLISH_NOT_JSON, 0, "the body is empty" },
    { "\r\n\n", true, CDR_PUBLISH_NOT_JSON, 0, "the body is empty" },
    { "[]", false, CDR_PUBLISH_NOT_JSON, 0, "the array is empty" },
    { "[ \n]", false, CDR_PUBLISH_NOT_JSON, 0, "the array is empty" },
    { "[", false, CDR_PUBLISH_NOT_JSON, 0, "the text ends too early" },
    { "[" A, false, CDR_PUBLISH_NOT_JSON, 1, "a comma or ] is expected" },
    { "[" A " " A "]", false, CDR_PUBLISH_NOT_JSON, 1,
      "a comma or ] is expected" },
    { "[" A ",]", false, CDR_PUBLISH_NOT_JSON, 1, "a value is expected" },
    { "[" A "," A, false, CDR_PUBLISH_NOT_JSON, 2,
      "a comma or ] is expected" },
    { "[" A "]x", false, CDR_PUBLISH_NOT_JSON, 1,
      "something follows the array" },
    { A A, false, CDR_PUBLISH_NOT_JSON, 1, "something follows the event" },
    { A "," A, false, CDR_PUBLISH_NOT_JSON, 1,
      "something follows the event" },
    { A "\n[" A "]", false, CDR_PUBLISH_NOT_JSON, 1,
      "neither an object nor an array" },
    { "7", false, CDR_PUBLISH_NOT_JSON, 0, "neither an object nor an array" },
    { "hello", false, CDR_PUBLISH_NOT_JSON, 0,
      "neither an object nor an array" },
    { "{\"type\":\"a\"", false, CDR_PUBLISH_NOT_JSON, 0,
      "the text ends too early" },
    { A "\n{\"type\":\n\"a\"}", true, CDR_PUBLISH_NOT_JSON, 1,
      "the text ends too early" },
    { A "\n" A " x\n", true, CDR_PUBLISH_NOT_JSON, 1,
      "something follows the event on its line" },
    { "{\"type\":\"a\",\"type\":\"a\"}", false, CDR_PUBLISH_NOT_JSON, 0,
      "a key is there twice" },

    { "[" A ",1]", false, CDR_PUBLISH_INVALID, 1,
      "the event is not an object" },
    { "[[]]", false, CDR_PUBLISH_INVALID, 0, "the event is not an object" },
    { "[" A "]", true, CDR_PUBLISH_INVALID, 0, "the event is not an object" },
    { "{}", false, CDR_PUBLISH_INVALID, 0, "the event has no type" },
    { "[" A ",{\"type\":\"z\"}]", false, CDR_PUBLISH_INVALID, 1,
      "the type of the event is unknown" },
    { A "\n{\"type\":\"b\"}\n", true, CDR_PUBLISH_INVALID, 1,
      "a required field is missing" },

    { "[" A "," A "," A "," A "," A "]", false, CDR_PUBLISH_TOO_MANY, 4,
      "the request has too many events" },
    { A "\n" A "\n" A "\n" A "\nx", true, CDR_PUBLISH_TOO_MANY, 4,
      "the request has too many events" },
};


static cdr_event_catalogue_t  catalogue;
static cdr_publish_t          pub;


/* A whole pass over the body, in memory that ends with it. */

static int
pass(const char *text, size_t len, bool ndjson)
{
    int        rc;
    uint8_t   *p;
    cdr_str_t  body;

    p = malloc(len ? len : 1);
    memcpy(p, text, len);
    body.data = p;
    body.len = len;

    cdr_publish_init(&pub, body, ndjson, &catalogue, MAX_EVENTS);

    do {
        rc = cdr_publish_next(&pub);
    } while (rc == CDR_OK);

    if (cdr_publish_next(&pub) != rc) {
        rc = CDR_FULL;
    }

    free(p);

    return rc;
}


static void
test_bodies(void)
{
    int            rc;
    size_t         i;
    const body_t  *b;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        b = &bodies[i];
        rc = pass(b->body, strlen(b->body), b->ndjson);

        if (b->kind == OK) {
            ok(rc == CDR_DECLINED && pub.index == b->n,
               "body %zu has %zu event(s)", i, b->n);
            continue;
        }

        ok(rc == CDR_ERROR && (int) pub.error.kind == b->kind
           && pub.error.index == b->n
           && strcmp(pub.error.error, b->error) == 0,
           "body %zu: event %zu, %s", i, b->n, b->error);

        if (rc == CDR_ERROR && strcmp(pub.error.error, b->error) != 0) {
            printf("# %s\n", pub.error.error);
        }
    }
}


/* A body that is cut is refused, but at the end of a line. */

static void
test_cut(void)
{
    size_t       n, wrong;
    const char   text[] = "[" A "," A "]";
    const char   lines[] = A "\n" A;

    wrong = 0;

    for (n = 0; n < sizeof(text) - 1; n++) {
        wrong += pass(text, n, false) != CDR_ERROR;
    }

    ok(wrong == 0, "an array that is cut anywhere is refused");

    wrong = 0;

    for (n = 0; n < sizeof(lines) - 1; n++) {
        wrong += (pass(lines, n, true) == CDR_DECLINED)
                 != (n == sizeof(A) - 1 || n == sizeof(A));
    }

    ok(wrong == 0, "lines that are cut are refused, but between events");
}


static void
test_event(void)
{
    int        rc;
    cdr_str_t  body = cdr_str("[{\"type\":\"a\",\"n\":1},"
                              "{\"type\":\"b\",\"x\":2,\"y\":3}]");
    cdr_str_t  x = cdr_str("x");

    cdr_publish_init(&pub, body, false, &catalogue, MAX_EVENTS);

    rc = cdr_publish_next(&pub);
    ok(rc == CDR_OK && pub.type == &types[0] && pub.nmembers == 2,
       "the first event is there with its type and members");

    rc = cdr_publish_next(&pub);
    ok(rc == CDR_OK && pub.type == &types[1] && pub.nmembers == 3
       && cdr_json_find(pub.members, pub.nmembers, x) == &pub.members[1],
       "then the second");

    rc = cdr_publish_next(&pub);
    ok(rc == CDR_DECLINED && pub.index == 2, "and no more");
}


static void
test_error(void)
{
    cdr_str_t  x = cdr_str("x");

    (void) pass(A "\n {\"type\":\"b\"}", 27, false);
    ok(cdr_json_eq(pub.error.field, x) && pub.error.index == 1,
       "a missing field is named, with the index of its event");

    (void) pass("[" A ",{\"type\":]", 23, false);
    ok(pub.error.field.data == NULL && pub.error.offset == 22,
       "an error in JSON has its offset in the body");
}


static void
test_deep(void)
{
    char    text[160];
    size_t  n;

    n = (size_t) sprintf(text, "[{\"type\":\"a\",\"x\":%.*s%.*s}]",
                         31, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                         31, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    ok(pass(text, n, false) == CDR_DECLINED,
       "an event may be nested 32 deep, in an array or not");

    n = (size_t) sprintf(text, "{\"type\":\"a\",\"x\":%.*s%.*s}",
                         32, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                         32, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    ok(pass(text, n, false) == CDR_ERROR
       && pub.error.kind == CDR_PUBLISH_NOT_JSON, "and no deeper");
}


int
main(void)
{
    size_t    wrong;
    uint16_t  slots[4];

    ok(cdr_event_catalogue_init(&catalogue, types, 2, slots, &wrong) == CDR_OK,
       "a catalogue is made");

    test_bodies();
    test_cut();
    test_event();
    test_error();
    test_deep();

    return done_testing();
}
