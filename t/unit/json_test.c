/* The scanner and the canonical writer, beside jansson. */

#include <jansson.h>

#include "cdr_test.h"
#include "cdr_json.h"


#define MEMBERS  4


typedef struct {
    const char  *text;
    bool         good;
} verdict_t;


typedef struct {
    const char  *from;
    const char  *to;
} pair_t;


static const verdict_t  verdicts[] = {
    { "{}", true },
    { "[]", true },
    { " \t\r\n[ ] \n", true },
    { "[1,2.5,-3,0,-0,1e5,1E+5,1.0e-5]", true },
    { "[true,false,null]", true },
    { "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}", true },
    { "{\"\":1}", true },
    { "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\"]", true },
    { "[\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\"]", true },
    { "[\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\x7f\"]", true },
    { "[9223372036854775807,-9223372036854775808]", true },
    { "[1.7976931348623158e308,-1.7976931348623158e+308]", true },
    { "[1e-999,0e999,0.0e999999999999999999999999]", true },
    { "[0.00001e312,100000e303,12345678901234567890.5]", true },
    { "", false },
    { " ", false },
    { "1", false },
    { "\"a\"", false },
    { "null", false },
    { "\xef\xbb\xbf{}", false },
    { "[1,]", false },
    { "[,1]", false },
    { "[1 2]", false },
    { "[1}", false },
    { "{\"a\":1]", false },
    { "{\"a\"}", false },
    { "{\"a\",1}", false },
    { "{\"a\":1,}", false },
    { "{a:1}", false },
    { "{'a':1}", false },
    { "{1:1}", false },
    { "{} {}", false },
    { "[]]", false },
    { "[01]", false },
    { "[-]", false },
    { "[+1]", false },
    { "[.5]", false },
    { "[1.]", false },
    { "[1.e5]", false },
    { "[1e]", false },
    { "[1e+]", false },
    { "[0x10]", false },
    { "[NaN]", false },
    { "[Infinity]", false },
    { "[tru]", false },
    { "[truex]", false },
    { "[nullnull]", false },
    { "[True]", false },
    { "[9223372036854775808]", false },
    { "[-9223372036854775809]", false },
    { "[100000000000000000000]", false },
    { "[1.7976931348623159e308]", false },
    { "[-1e309]", false },
    { "[0.00001e314]", false },
    { "[1e99999999999999999999]", false },
    { "[\"a]", false },
    { "[\"\t\"]", false },
    { "[\"\x1f\"]", false },
    { "[\"\\x\"]", false },
    { "[\"\\u12\"]", false },
    { "[\"\\u12g4\"]", false },
    { "[\"\\u0000\"]", false },
    { "{\"\\u0000\":1}", false },
    { "[\"\\ud800\"]", false },
    { "[\"\\udc00\"]", false },
    { "[\"\\ud800\\u0041\"]", false },
    { "[\"\\ud800\\ud800\"]", false },
    { "[\"\\ud800x\"]", false },
    { "[\"\x80\"]", false },
    { "[\"\xc0\x80\"]", false },
    { "[\"\xc2\"]", false },
    { "[\"\xe0\x80\x80\"]", false },
    { "[\"\xed\xa0\x80\"]", false },
    { "[\"\xf0\x80\x80\x80\"]", false },
    { "[\"\xf4\x90\x80\x80\"]", false },
    { "[\"\xf5\x80\x80\x80\"]", false },
    { "[\"\xe2\x82\"]", false },
    { "{\"a\":1,\"a\":2}", false },
    { "{\"a\":1,\"\\u0061\":2}", false },
    { "{\"\\u00e4\":1,\"\xc3\xa4\":2}", false },
    { "{\"\\ud83d\\ude00\":1,\"b\":0,\"\xf0\x9f\x98\x80\":2}", false },
    { "[{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}]", false },
    { "{\"\":1,\"\":2}", false },
    { "[1] /* no */", false },
};


static const pair_t  canonical[] = {
    { "{}", "{}" },
    { " { \"a\" : [ 1 , 2 ] }\n", "{\"a\":[1,2]}" },
    { "[\" a  b \"]", "[\" a  b \"]" },
    { "[\"\\/\"]", "[\"/\"]" },
    { "[\"\\u0041\\u00e4\\u20ac\"]", "[\"A\xc3\xa4\xe2\x82\xac\"]" },
    { "[\"\\ud83d\\ude00\"]", "[\"\xf0\x9f\x98\x80\"]" },
    { "[\"\\u0022\\u005c\"]", "[\"\\\"\\\\\"]" },
    { "[\"\\u0008\\u000c\\u000A\\u000d\\u0009\"]", "[\"\\b\\f\\n\\r\\t\"]" },
    { "[\"\\u0001\\u001F\"]", "[\"\\u0001\\u001f\"]" },
    { "[\"\\u007f\x7f\"]", "[\"\x7f\x7f\"]" },
    { "[ -0 , 1E5,1.50 ]", "[-0,1E5,1.50]" },
    { "{\"\\u0061\" :\"x\\\"\" , \"b\":\"\"}",
      "{\"a\":\"x\\\"\",\"b\":\"\"}" },
};


static const pair_t  escapes[] = {
    { "", "" },
    { "plain text that is longer than a word",
      "plain text that is longer than a word" },
    { "\"\\/", "\\\"\\\\/" },
    { "\b\f\n\r\t\x01\x1f\x7f", "\\b\\f\\n\\r\\t\\u0001\\u001f\x7f" },
    { "\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80" },
    { "a\x80z", "a\xef\xbf\xbdz" },
    { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "\xe2\x82", "\xef\xbf\xbd" },
    { "\xe2\x82(", "\xef\xbf\xbd(" },
    { "\xf0\x9f\x98\"", "\xef\xbf\xbd\\\"" },
    { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
};


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


/* The bytes alone, in memory that ends with them. */

static cdr_str_t
exact(const char *s, size_t len)
{
    uint8_t    *p;
    cdr_str_t   t;

    p = malloc(len ? len : 1);
    memcpy(p, s, len);

    t.data = p;
    t.len = len;

    return t;
}


static int
scan(const char *s, size_t len)
{
    int              rc;
    cdr_str_t        t;
    cdr_json_scan_t  c = { .max_depth = 32 };

    t = exact(s, len);
    rc = cdr_json_scan(&c, t);
    free((void *) t.data);

    return rc;
}


static bool
jansson(const char *s, size_t len)
{
    json_t  *j;

    j = json_loadb(s, len, JSON_REJECT_DUPLICATES, NULL);
    json_decref(j);

    return j != NULL;
}


static void
test_verdicts(void)
{
    size_t            i, len;
    const verdict_t  *v;

    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        v = &verdicts[i];
        len = strlen(v->text);

        ok((scan(v->text, len) == CDR_OK) == v->good
           && jansson(v->text, len) == v->good,
           "text %zu is %s here and in jansson", i,
           v->good ? "taken" : "refused");
    }
}


/* Every prefix and every change of one byte, as jansson sees it. */

static void
test_mutations(void)
{
    int          b;
    char        *copy;
    size_t       i, n, len, prefix, change;
    const char  *text;

    prefix = 0;
    change = 0;

    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        text = verdicts[i].text;
        len = strlen(text);
        copy = malloc(len + 1);

        for (n = 0; n <= len; n++) {
            prefix += (scan(text, n) == CDR_OK) != jansson(text, n);
        }

        for (n = 0; n < len; n++) {
            memcpy(copy, text, len);

            for (b = 1; b < 256; b++) {
                copy[n] = (char) b;
                change += (scan(copy, len) == CDR_OK) != jansson(copy, len);
            }
        }

        free(copy);
    }

    ok(prefix == 0, "jansson agrees about every prefix of every text");
    ok(change == 0, "jansson agrees about every change of one byte");
}


/* The first number that does not fit, to its last digit. */

static void
test_real_limit(void)
{
    char  over[] =
        "[1797693134862315807937289714053034150799341327100378269361737789"
        "8044496829276475094664901797758720709633028641669288791094655554"
        "7851940402630657488671505820681908902000708383676273854845817711"
        "5317644757302700698555713669596228429148198608349364752927190741"
        "68444365510704342711559699508093042880177904174497792.0]";
    char  *last;

    ok(scan(over, strlen(over)) == CDR_ERROR && !jansson(over, strlen(over)),
       "the least real that rounds beyond a double is refused");

    last = strstr(over, "792.0]");
    memcpy(last, "791.9", 5);

    ok(scan(over, strlen(over)) == CDR_OK && jansson(over, strlen(over)),
       "a real a little below it is taken");
}


static void
test_nul(void)
{
    ok(scan("[\0]", 3) == CDR_ERROR && scan("[]\0", 3) == CDR_ERROR
       && scan("[\"a\0\"]", 6) == CDR_ERROR,
       "a NUL byte is refused");

    ok(scan("[1\0]", 4) == CDR_ERROR && jansson("[1\0]", 4),
       "a NUL byte behind a number is refused, though jansson overlooks it");
}


static void
test_depth(void)
{
    size_t           n, wrong;
    cdr_json_scan_t  c = { .members = NULL };
    char             text[2 * 80 + 1];

    wrong = 0;

    for (n = 1; n < 80; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);
        text[2 * n] = '\0';

        c.max_depth = 32;
        wrong += (cdr_json_scan(&c, str(text)) == CDR_OK) != (n <= 32)
                 || c.too_deep != (n > 32);

        c.max_depth = 1000;
        wrong += (cdr_json_scan(&c, str(text)) == CDR_OK)
                 != (n <= CDR_JSON_MAX_DEPTH);
    }

    ok(wrong == 0, "what is deeper than allowed is refused, and said to be");
}


static void
test_members(void)
{
    int                rc;
    cdr_json_scan_t    c = { .max_members = MEMBERS, .max_depth = 32 };
    cdr_json_member_t  m[MEMBERS];

    c.members = m;

    rc = cdr_json_scan(&c, str(" { \"a\" : {\"x\":1} ,\"\\u0062\":\"t\\n\","
                               "\"c\":[ ],\"d\": 1.5 } "));

    ok(rc == CDR_OK && c.nmembers == 4 && c.type == CDR_JSON_OBJECT,
       "the members of the top-level object are listed, no others");
    ok(m[0].type == CDR_JSON_OBJECT && !m[0].key_escaped
       && cdr_json_eq(m[0].value, str("{\"x\":1}")),
       "a member has its type and its slice of the text");
    ok(m[1].key_escaped && cdr_json_eq(m[1].key, str("\\u0062"))
       && cdr_json_find(m, 4, str("b")) == &m[1],
       "an escaped key is marked, and found by what it decodes to");
    ok(m[2].type == CDR_JSON_ARRAY && m[3].type == CDR_JSON_REAL
       && cdr_json_eq(m[3].value, str("1.5")),
       "the slice of a number ends with its last digit");
    ok(cdr_json_find(m, 4, str("x")) == NULL, "a missing member is not found");

    rc = cdr_json_scan(&c, str("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}"));

    ok(rc == CDR_TOOBIG && c.nmembers == MEMBERS,
       "one member more than there is room for is too many");

    rc = cdr_json_scan(&c, str("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5"));

    ok(rc == CDR_ERROR, "but a text that is wrong is rather wrong");

    rc = cdr_json_scan(&c, str("{\"a\":1,\"b\":[}"));

    ok(rc == CDR_ERROR && c.nmembers == 1 && c.offset == 12 && c.error,
       "an error has its place and a text, and leaves what was complete");

    rc = cdr_json_scan(&c, str("[{\"a\":1}]"));

    ok(rc == CDR_OK && c.nmembers == 0 && c.type == CDR_JSON_ARRAY,
       "an array has no members");

    rc = cdr_json_scan_value(&c, str(" {\"a\":1} x"));

    ok(rc == CDR_OK && c.end == 8 && c.nmembers == 1,
       "one value is scanned out of a longer text");
}


/* Objects of n members, "twin" of which has the key of another. */

static char *
many_keys(unsigned n, unsigned twin, bool escape)
{
    char      *text, *p;
    unsigned   i, k;

    text = malloc(n * 32 + 8);
    p = text;
    *p++ = '{';

    for (i = 0; i < n; i++) {
        k = (i == twin) ? n / 3 : i;
        p += sprintf(p, "%s\"%s%u\":0", i ? "," : "",
                     (escape && i % 2) ? "\\u006b" : "k", k * 7919 % 100003);
    }

    strcpy(p, "}");

    return text;
}


static void
test_duplicates(void)
{
    char             *text;
    unsigned          n, wrong;
    cdr_json_scan_t   c = { .max_depth = 32 };

    wrong = 0;

    for (n = 2; n <= 200; n++) {
        text = many_keys(n, n, n % 2);
        wrong += (cdr_json_scan(&c, str(text)) != CDR_OK);
        free(text);

        text = many_keys(n, n - 1, n % 2);
        wrong += (cdr_json_scan(&c, str(text)) != CDR_ERROR);
        wrong += (c.error == NULL
                  || strcmp(c.error, "a key is there twice") != 0);
        free(text);
    }

    ok(wrong == 0, "a key that is there twice is found among any number");

    text = many_keys(CDR_JSON_MAX_KEYS, CDR_JSON_MAX_KEYS, true);
    ok(cdr_json_scan(&c, str(text)) == CDR_OK,
       "an object may have 1,024 members");
    free(text);

    text = many_keys(CDR_JSON_MAX_KEYS + 1, 0, true);
    ok(cdr_json_scan(&c, str(text)) == CDR_TOOBIG, "and no more");
    free(text);
}


static void
test_array_of_objects(void)
{
    char             *text, *p;
    unsigned          i;
    cdr_json_scan_t   c = { .max_depth = 2 };

    text = malloc(3000 * 16 + 8);
    p = text;

    for (i = 0; i < 3000; i++) {
        p += sprintf(p, "%c{\"a\":1,\"b\":2}", i ? ',' : '[');
    }

    strcpy(p, "]");

    ok(cdr_json_scan(&c, str(text)) == CDR_OK,
       "objects that are closed no longer count against the limit");
    free(text);
}


static void
test_canonical(void)
{
    size_t         i, n;
    uint8_t        out[256];
    cdr_str_t      from, got;
    const pair_t  *t;

    for (i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
        t = &canonical[i];
        from = exact(t->from, strlen(t->from));

        n = cdr_json_canonical(out, from);
        got.data = out;
        got.len = n;

        ok(n == cdr_json_canonical_size(from)
           && cdr_json_eq(got, str(t->to)), "text %zu becomes canonical", i);

        free((void *) from.data);
    }
}


static void
test_texts(void)
{
    size_t         i, n;
    uint8_t        out[256], back[256];
    cdr_str_t      got;
    const pair_t  *t;

    for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        t = &escapes[i];
        n = cdr_json_escape(out, str(t->from));
        got.data = out;
        got.len = n;

        ok(n == cdr_json_escape_size(str(t->from))
           && cdr_json_eq(got, str(t->to)), "bytes %zu are escaped", i);
    }

    n = cdr_json_unescape(back, str("a\\n\\u00e4\\ud83d\\ude00\\/"));

    ok(n == 9 && memcmp(back, "a\n\xc3\xa4\xf0\x9f\x98\x80/", 9) == 0,
       "a text is decoded");
    ok(cdr_json_text_chars(str("a\\n\\u00e4\\ud83d\\ude00\\/\xe2\x82\xac"))
       == 6, "characters are counted, whatever way they are written");
    ok(cdr_json_text_eq(str("\\u0061b"), str("ab"))
       && !cdr_json_text_eq(str("\\u0061b"), str("abc"))
       && !cdr_json_text_eq(str("\\u0061bc"), str("ab")),
       "a text is compared as it decodes");
    ok(cdr_json_text_hash(str("\\u0061b")) == cdr_json_hash(str("ab")),
       "and so is its hash");
    ok(cdr_json_escape_size((cdr_str_t) cdr_str_null) == 0
       && cdr_json_unescape_size((cdr_str_t) cdr_str_null) == 0
       && cdr_json_canonical_size((cdr_str_t) cdr_str_null) == 0,
       "nothing is nothing");
}


static void
test_numbers(void)
{
    int       shift;
    char      want[32];
    size_t    n, wrong;
    uint8_t   got[CDR_JSON_U64_LEN];
    uint64_t  v;

    wrong = 0;

    for (shift = 0; shift <= 64; shift++) {
        v = (shift == 64) ? UINT64_MAX : (uint64_t) 1 << shift;
        n = cdr_json_u64(got, v);

        wrong += ((size_t) sprintf(want, "%llu", (unsigned long long) v) != n
                  || memcmp(got, want, n) != 0 || cdr_json_u64_size(v) != n);
    }

    ok(wrong == 0, "numbers are written in decimal");
    ok(cdr_json_u64(got, 0) == 1 && got[0] == '0', "and so is 0");
}


int
main(void)
{
    test_verdicts();
    test_mutations();
    test_real_limit();
    test_nul();
    test_depth();
    test_members();
    test_duplicates();
    test_array_of_objects();
    test_canonical();
    test_texts();
    test_numbers();

    return done_testing();
}
