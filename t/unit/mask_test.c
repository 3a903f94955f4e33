/* What of an event is visible. */

#include <jansson.h>

#include "cdr_model.h"
#include "mask_test.h"


typedef struct {
    const char  *show;          /* paths with spaces between; NULL: all */
    const char  *hide;          /* under rule 1 */
    const char  *from;          /* canonical members without the braces */
    const char  *want;
    const char  *name;
} sight_t;


static const sight_t  sights[] = {
    { NULL, NULL, "\"a\":1,\"b\":[{}]", "\"a\":1,\"b\":[{}]",
      "an empty tree shows everything" },
    { NULL, "a", "\"a\":1,\"b\":2", "\"b\":2", "a member is hidden" },
    { NULL, "a b", "\"a\":1,\"b\":2", "", "or all of them" },
    { NULL, "b", "\"a\":1,\"b\":{\"a\":1},\"c\":3", "\"a\":1,\"c\":3",
      "one in the middle" },
    { NULL, "a.b", "\"a\":{\"b\":1,\"c\":2,\"d\":[]}",
      "\"a\":{\"c\":2,\"d\":[]}", "the first of an object" },
    { NULL, "a.c", "\"a\":{\"b\":1,\"c\":2,\"d\":[]}",
      "\"a\":{\"b\":1,\"d\":[]}", "the one between" },
    { NULL, "a.d", "\"a\":{\"b\":1,\"c\":2,\"d\":[]}",
      "\"a\":{\"b\":1,\"c\":2}", "the last" },
    { NULL, "a.b a.c a.d", "\"a\":{\"b\":1,\"c\":2,\"d\":[]}", "\"a\":{}",
      "an object of which nothing remains is {}" },
    { NULL, "a.b", "\"a\":1", "\"a\":1", "a scalar has no parts to hide" },
    { NULL, "a.b", "\"a\":{}", "\"a\":{}", "nor has {}" },
    { NULL, "a.b", "\"a\":[1,{\"b\":1},[{\"b\":2,\"c\":3}],[]]",
      "\"a\":[1,{},[{\"c\":3}],[]]", "arrays keep their length" },
    { NULL, "a.b.c", "\"a\":{\"b\":{\"c\":1,\"d\":{\"c\":1}},\"c\":1}",
      "\"a\":{\"b\":{\"d\":{\"c\":1}},\"c\":1}", "a path is of three names" },
    { NULL, "a.b", "\"a\":{\"c\":\"}\\\"\",\"b\":\"{\\\\\"},\"b\":\"x\"",
      "\"a\":{\"c\":\"}\\\"\"},\"b\":\"x\"", "brackets and quotes in strings" },
    { NULL, "a\"\\.\xc3\xa4",
      "\"a\\\"\\\\\":{\"\xc3\xa4\":1,\"\":2}", "\"a\\\"\\\\\":{\"\":2}",
      "names are compared as they decode" },

    { "a", NULL, "\"a\":{\"b\":1},\"b\":2,\"aa\":3", "\"a\":{\"b\":1}",
      "a path is shown, and nothing else" },
    { "a.b", NULL, "\"a\":{\"b\":{\"c\":1},\"c\":2},\"b\":3",
      "\"a\":{\"b\":{\"c\":1}}", "a part is shown, and nothing else" },
    { "a.b", NULL, "\"a\":1,\"b\":2", "", "a scalar has no parts to show" },
    { "a.b", NULL, "\"a\":{\"c\":1}", "\"a\":{}",
      "an object without the part is {}" },
    { "a.b", NULL, "\"a\":[1,{\"b\":2,\"c\":3},[4],null,{}]",
      "\"a\":[{\"b\":2},[],{}]",
      "of an array what has parts is left" },
    { "a.b a", NULL, "\"a\":{\"b\":1,\"c\":2}", "\"a\":{\"b\":1,\"c\":2}",
      "the whole includes the part" },
    { "a a.b", NULL, "\"a\":{\"b\":1,\"c\":2}", "\"a\":{\"b\":1,\"c\":2}",
      "in any order" },
    { "a.b.c a.b.d a.e", NULL,
      "\"a\":{\"b\":{\"c\":1,\"d\":2,\"e\":3},\"e\":{\"f\":1},\"f\":1}",
      "\"a\":{\"b\":{\"c\":1,\"d\":2},\"e\":{\"f\":1}}",
      "paths may share their beginning" },

    { "a b", "a", "\"a\":1,\"b\":2,\"c\":3", "\"b\":2",
      "to hide beats to show" },
    { "a.b", "a", "\"a\":{\"b\":1}", "", "the whole beats the part" },
    { "a", "a.b", "\"a\":{\"b\":1,\"c\":2}", "\"a\":{\"c\":2}",
      "the part of what is shown is hidden" },
    { "a.b", "a.b.c", "\"a\":{\"b\":{\"c\":1,\"d\":2},\"c\":3}",
      "\"a\":{\"b\":{\"d\":2}}", "and deeper" },
    { "a.b.c a", "a.b.e", "\"a\":{\"b\":{\"c\":1,\"d\":2,\"e\":3}}",
      "\"a\":{\"b\":{\"c\":1,\"d\":2}}", "what is shown is so to its depth" },
    { "a", "b.c", "\"b\":{\"d\":1},\"a\":1", "\"a\":1",
      "to hide shows nothing" },
};


/* What remains of an object's members, in three ways that have to agree. */

static char *
remains(const cdr_mask_t *mask, uint32_t rules, const char *members)
{
    char                *text, *in, *place, *end;
    cdr_str_t            key, value;
    cdr_json_out_t       out, over;
    cdr_json_scan_t      s;
    const cdr_mask_t    *node;
    cdr_json_member_t    m[64];

    in = malloc(strlen(members) + 3);
    sprintf(in, "{%s}", members);

    s = (cdr_json_scan_t) { .members = m, .max_members = 64, .max_depth = 64 };

    if (cdr_json_scan(&s, str(in)) != CDR_OK) {
        abort();
    }

    text = calloc(1, strlen(members) + 1);
    end = text;

    for (size_t i = 0; i < s.nmembers; i++) {
        key = m[i].key;
        value = m[i].value;

        if (!cdr_mask_field(mask, rules, key, value, &node)) {
            continue;
        }

        end += sprintf(end, "%s\"%.*s\":", end > text ? "," : "",
                       (int) key.len, key.data);

        out = (cdr_json_out_t) { NULL, 0 };
        cdr_mask_put(&out, node, rules, value);

        place = malloc(value.len);
        memcpy(place, value.data, value.len);
        value.data = (uint8_t *) place;
        over = (cdr_json_out_t) { (uint8_t *) place, 0 };
        cdr_mask_put(&over, node, rules, value);

        value.data = m[i].value.data;

        if (out.len > value.len || over.len != out.len) {
            abort();
        }

        out = (cdr_json_out_t) { (uint8_t *) end, 0 };
        cdr_mask_put(&out, node, rules, value);

        if (out.len != over.len || memcmp(end, place, out.len) != 0) {
            abort();
        }

        end += out.len;
        free(place);
    }

    *end = '\0';
    free(in);

    return text;
}


static void
test_sights(void)
{
    char              *got;
    size_t             i;
    cdr_mask_t        *mask;
    const sight_t     *s;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };

    for (i = 0; i < sizeof(sights) / sizeof(sights[0]); i++) {
        s = &sights[i];
        mask = cdr_mask_new(&alloc);

        if (each(mask, s->show, 0) != CDR_OK
            || each(mask, s->hide, 2) != CDR_OK)
        {
            abort();
        }

        got = remains(mask, CDR_MASK_EVERYONE | 3, s->from);
        ok(strcmp(got, s->want) == 0, "%s", s->name);

        if (strcmp(got, s->want) != 0) {
            printf("# %s\n", got);
        }

        free(got);

        cdr_mask_del(mask);
    }

    ok(counter.held == 0, "and all of it is given back");
}


static void
test_paths(void)
{
    char  path[600], *p;
    int   i;

    ok(cdr_mask_path_check(str("a")) == CDR_OK
       && cdr_mask_path_check(str("a.b c.\xc3\xa4")) == CDR_OK,
       "a path is names with dots between");

    ok(cdr_mask_path_check(str("")) == CDR_ERROR
       && cdr_mask_path_check(str(".")) == CDR_ERROR
       && cdr_mask_path_check(str("a.")) == CDR_ERROR
       && cdr_mask_path_check(str(".a")) == CDR_ERROR
       && cdr_mask_path_check(str("a..b")) == CDR_ERROR,
       "no name is empty");

    ok(cdr_mask_path_check(str("a\n")) == CDR_ERROR
       && cdr_mask_path_check(str("\x7f")) == CDR_ERROR
       && cdr_mask_path_check(str("a.\xc3")) == CDR_ERROR
       && cdr_mask_path_check(str("\xed\xa0\x80")) == CDR_ERROR,
       "names are UTF-8 without control characters");

    for (i = 0, p = path; i < 17; i++) {
        p += sprintf(p, "%sa", i ? "." : "");
    }

    ok(cdr_mask_path_check(str(path)) == CDR_ERROR
       && cdr_mask_path_check(str(path + 2)) == CDR_OK,
       "there are at most 16 names");

    memset(path, 'a', sizeof(path));
    path[255] = '.';
    path[511] = '\0';
    ok(cdr_mask_path_check(str(path)) == CDR_OK, "a name has 255 bytes");

    path[511] = 'a';
    path[512] = '\0';
    ok(cdr_mask_path_check(str(path)) == CDR_ERROR, "and no more");
}


static void
test_rules(void)
{
    char              *got;
    cdr_mask_t        *mask;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };
    const char         all[] = "\"a\":1,\"b\":{\"c\":2,\"d\":3},\"e\":4";

    mask = cdr_mask_new(&alloc);
    each(mask, "a b.c", 1);
    each(mask, "b.d", 2);
    each(mask, "e", CDR_MASK_EVERYONE);

    got = remains(mask, 0, all);
    ok(strcmp(got, all) == 0, "no rule hides nothing");
    free(got);

    got = remains(mask, CDR_MASK_EVERYONE | 4, all);
    ok(strcmp(got, "\"a\":1,\"b\":{\"c\":2,\"d\":3}") == 0,
       "what is hidden from everyone");
    free(got);

    got = remains(mask, CDR_MASK_EVERYONE | 1, all);
    ok(strcmp(got, "\"b\":{\"d\":3}") == 0, "and by a rule");
    free(got);

    got = remains(mask, CDR_MASK_EVERYONE | 2, all);
    ok(strcmp(got, "\"a\":1,\"b\":{\"c\":2}") == 0, "or by another one");
    free(got);

    got = remains(mask, CDR_MASK_EVERYONE | 3, all);
    ok(strcmp(got, "\"b\":{}") == 0, "or by all of them");
    free(got);

    got = remains(NULL, CDR_MASK_EVERYONE | 3, all);
    ok(strcmp(got, all) == 0, "no tree hides nothing");
    free(got);

    cdr_mask_del(mask);
    cdr_mask_del(NULL);
}


/* Names, and values of all kinds, from few letters, so that paths meet. */

static uint32_t  seed = 1;


static unsigned
chance(unsigned n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 16) % n;
}


static char *
some_members(char *p, unsigned depth, char open)
{
    unsigned            i, n, from;
    const char         *words[] = { "a", "b", "c", "\\\"", "d.e" };
    static const char  *scalars[] = { "1", "null", "\"x\"", "\"{\\\"\"",
                                      "-2.5", "true", "\"\"" };

    n = chance(4);
    from = chance(5);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s", i ? "," : "");

        if (open == '{') {
            p += sprintf(p, "\"%s\":", words[(from + i) % 5]);
        }

        switch (depth ? chance(3) : 2) {

        case 0:
            p = some_members(p + sprintf(p, "{"), depth - 1, '{');
            p += sprintf(p, "}");
            break;

        case 1:
            p = some_members(p + sprintf(p, "["), depth - 1, '[');
            p += sprintf(p, "]");
            break;

        default:
            p += sprintf(p, "%s", scalars[chance(7)]);
        }
    }

    return p;
}


static char *
some_path(char *p)
{
    unsigned            i, n;
    static const char  *names[] = { "a", "b", "c", "\"", "d", "e" };

    n = 1 + chance(3);

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s%s", i ? "." : "", names[chance(6)]);
    }

    return p + 1;
}


/* One event under some paths; whether what remains is what the model says. */

static bool
like_the_model(const cdr_alloc_t *alloc)
{
    bool         same;
    char         text[8192], paths[512], *p, *got, *want, *again;
    json_t      *was, *is;
    model_t      m = { 0 };
    cdr_mask_t  *mask;

    mask = cdr_mask_new(alloc);
    p = paths;

    for (m.nshow = chance(4); m.nshow; m.nshow--) {

        /* most often all is shown */

        if (chance(2)) {
            break;
        }
    }

    m.all = (m.nshow == 0);
    m.nhide = chance(5);

    for (unsigned i = 0; i < m.nshow; i++) {
        m.show[i] = p;
        p = some_path(p);
        cdr_mask_show(mask, str(m.show[i]));
    }

    for (unsigned i = 0; i < m.nhide; i++) {
        m.hide[i] = p;
        p = some_path(p);
        cdr_mask_hide(mask, str(m.hide[i]), 1);
    }

    text[0] = '{';
    p = some_members(text + 1, 5, '{');
    *p = '\0';

    got = remains(mask, 1, text + 1);
    strcpy(p, "}");

    was = json_loads(text, 0, NULL);
    is = model_prune(was, &m);
    want = json_dumps(is, JSON_COMPACT);
    again = malloc(strlen(got) + 3);
    sprintf(again, "{%s}", got);

    same = strcmp(again, want) == 0;

    if (!same) {
        printf("# %s\n# got  %s\n# want %s\n", text, again, want);
    }

    json_decref(was);
    json_decref(is);
    free(want);
    free(again);
    free(got);
    cdr_mask_del(mask);

    return same;
}


static void
test_model(void)
{
    unsigned           i, differ;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };

    for (i = 0, differ = 0; i < 20000 && differ < 3; i++) {
        differ += !like_the_model(&alloc);
    }

    ok(differ == 0, "of 20,000 events that remains which should");
    ok(counter.held == 0, "and no memory");
}


static void
test_deep(void)
{
    char               text[4 * 64 + 200], want[sizeof(text)], *got;
    cdr_mask_t        *mask;
    cdr_test_alloc_t   counter = { 0 };
    cdr_alloc_t        alloc = { cdr_test_alloc, cdr_test_free, &counter };

    mask = cdr_mask_new(&alloc);
    each(mask, "a.b", 1);

    memset(text, '[', sizeof(text));
    memcpy(text, "\"a\":", 4);
    strcpy(text + 4 + 62, "{\"b\":1}");
    memset(text + strlen(text), ']', 62);
    text[4 + 62 + 7 + 62] = '\0';

    memcpy(want, text, 4 + 62);
    strcpy(want + 4 + 62, "{}");
    memset(want + 4 + 62 + 2, ']', 62);
    want[4 + 62 + 2 + 62] = '\0';

    got = remains(mask, 1, text);
    ok(strcmp(got, want) == 0, "as deep as the scanner goes, it is hidden");

    free(got);
    cdr_mask_del(mask);
}


int
main(void)
{
    test_paths();
    test_sights();
    test_rules();
    test_model();
    test_deep();

    return done_testing();
}
