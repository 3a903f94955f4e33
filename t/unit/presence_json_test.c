/* Reviewers as JSON, to the byte; every field hidden; the longest strings. */

#include <jansson.h>

#include "cdr_test.h"
#include "cdr_json.h"
#include "cdr_presence_json.h"


static const cdr_str_t  none = cdr_str_null;
static const uint8_t    secret[16] = "0123456789abcdef";

static uint8_t  out[CDR_REVIEWER_JSON_MAX];


static void *
mem_alloc(void *ctx, size_t size)
{
    (void) ctx;
    return malloc(size ? size : 1);
}


static void
mem_free(void *ctx, void *p)
{
    (void) ctx;
    free(p);
}


static cdr_str_t
str(const char *s)
{
    return (cdr_str_t) { (const uint8_t *) s, strlen(s) };
}


static cdr_reviewer_t
alice(void)
{
    cdr_reviewer_t  r;

    memset(&r, 0, sizeof(r));

    r.connections = 2;
    r.connected_ms = 1700000000000;
    r.updated_ms = 1700000001000;
    r.seen_ms = 1700000002000;
    r.status = CDR_STATUS_BUSY;
    r.id = str("alice");
    r.role = str("architect");
    r.feature = str("search");

    return r;
}


static cdr_reviewer_view_t
all(void)
{
    cdr_reviewer_view_t  v = { 0, str("node-1"), secret };

    return v;
}


/* What was counted, what was written, and what it has to be. */

static bool
same(size_t size, size_t len, const char *want)
{
    json_t     *j;
    cdr_str_t   got = { out, len };

    j = json_loadb((char *) out, len, JSON_REJECT_DUPLICATES
                                      | JSON_DECODE_ANY, NULL);
    json_decref(j);

    if (size != len || j == NULL || !cdr_json_eq(got, str(want))) {
        printf("# %zu %zu %.*s\n", size, len, (int) len, out);
        return false;
    }

    return true;
}


static void
test_object(void)
{
    size_t               size;
    cdr_reviewer_t       r = alice();
    cdr_reviewer_view_t  v = all();

    size = cdr_reviewer_object(NULL, &v, &r);
    ok(same(size, cdr_reviewer_object(out, &v, &r),
            "{\"reviewerId\":\"alice\",\"userId\":\"alice\","
            "\"role\":\"architect\",\"status\":\"busy\","
            "\"currentFeature\":\"search\",\"connectedAt\":1700000000000,"
            "\"lastSeen\":1700000002000,\"connections\":2,"
            "\"server\":\"node-1\"}"),
       "a reviewer has all the fields");

    r.anonymous = true;
    r.id = str("conn_AAAAAAAAAAAAAAAA");
    r.role = none;
    r.feature = none;
    r.status = CDR_STATUS_ONLINE;
    r.stale = true;
    r.server = str("node-2");

    size = cdr_reviewer_object(NULL, &v, &r);
    ok(same(size, cdr_reviewer_object(out, &v, &r),
            "{\"reviewerId\":\"conn_AAAAAAAAAAAAAAAA\",\"userId\":null,"
            "\"role\":null,\"status\":\"online\",\"currentFeature\":null,"
            "\"connectedAt\":1700000000000,\"lastSeen\":1700000002000,"
            "\"connections\":2,\"server\":\"node-2\",\"stale\":true}"),
       "one without a user, role and feature has null; it may be stale, and "
       "of another server");

    r = alice();
    r.feature = str("a\"b\\c\n\x01\xff\xc3\xa9");
    v = all();
    v.hidden = ~(1u << CDR_REVIEWER_FEATURE);

    size = cdr_reviewer_object(NULL, &v, &r);
    ok(same(size, cdr_reviewer_object(out, &v, &r),
            "{\"currentFeature\":"
            "\"a\\\"b\\\\c\\n\\u0001\xef\xbf\xbd\xc3\xa9\"}"),
       "strings are escaped, and what is hidden leaves no comma behind");

    v.hidden = ~0u;
    size = cdr_reviewer_object(NULL, &v, &r);
    ok(same(size, cdr_reviewer_object(out, &v, &r), "{}"),
       "with everything hidden it is empty");
}


static void
test_update(void)
{
    size_t               size;
    cdr_reviewer_t       r = alice();
    cdr_reviewer_view_t  v = all();

    size = cdr_reviewer_update(NULL, &v, &r);
    ok(same(size, cdr_reviewer_update(out, &v, &r),
            "{\"type\":\"presence-update\","
            "\"connectionId\":\"conn_AAAAAAAAAAAAAAAA\","
            "\"reviewerId\":\"alice\",\"userId\":\"alice\","
            "\"role\":\"architect\",\"status\":\"busy\","
            "\"currentFeature\":\"search\",\"connectedAt\":1700000000000,"
            "\"timestamp\":1700000001000}"),
       "an update names the connection");

    v.hidden = ~0u;
    size = cdr_reviewer_update(NULL, &v, &r);
    ok(same(size, cdr_reviewer_update(out, &v, &r),
            "{\"type\":\"presence-update\",\"timestamp\":1700000001000}"),
       "with everything hidden its type and time are left");

    ok(cdr_reviewer_left(NULL, &v, &r) == 0, "a hidden id is not told");

    v.hidden = 0;
    size = cdr_reviewer_left(NULL, &v, &r);
    ok(same(size, cdr_reviewer_left(out, &v, &r), "\"alice\""),
       "who has left is told by the id");
}


static cdr_str_t
id_of(cdr_reviewer_view_t *v, cdr_reviewer_t *r)
{
    static uint8_t  buf[4][1024];
    static int      n;
    uint8_t        *p = buf[n++ & 3];

    return (cdr_str_t) { p, cdr_reviewer_left(p, v, r) };
}


static void
test_names(void)
{
    cdr_str_t            a, b, c;
    cdr_reviewer_t       r = alice();
    cdr_reviewer_view_t  v = all();

    v.hidden = 1u << CDR_REVIEWER_USER;

    a = id_of(&v, &r);
    b = id_of(&v, &r);
    r.id = str("bob");
    c = id_of(&v, &r);

    ok(a.len == 20 && memcmp(a.data, "\"r_", 3) == 0,
       "where the user is hidden, the id is a name");
    ok(cdr_json_eq(a, b) && !cdr_json_eq(a, c),
       "always the same one, and another for another reviewer");

    r.anonymous = true;
    ok(cdr_json_eq(id_of(&v, &r), str("\"bob\"")),
       "a connection's id is none of a user");

    v.hidden = 1u << CDR_REVIEWER_CONNECTION;
    ok(cdr_json_eq(id_of(&v, &r), c), "unless connections are hidden");

    r.anonymous = false;
    ok(cdr_json_eq(id_of(&v, &r), str("\"bob\"")),
       "which leaves users as they are");
}


static void
test_hidden(void)
{
    cdr_mask_t          *mask;
    static cdr_alloc_t   alloc = { mem_alloc, mem_free, NULL };

    ok(cdr_reviewer_hidden(NULL, ~0u) == 0, "no mask hides nothing");

    mask = cdr_mask_new(&alloc);
    (void) cdr_mask_hide(mask, str("role"), 1);
    (void) cdr_mask_hide(mask, str("stale"), CDR_MASK_EVERYONE);
    (void) cdr_mask_hide(mask, str("userId.x"), CDR_MASK_EVERYONE);

    ok(cdr_reviewer_hidden(mask, CDR_MASK_EVERYONE)
       == 1u << CDR_REVIEWER_STALE, "what a class hides is hidden");
    ok(cdr_reviewer_hidden(mask, CDR_MASK_EVERYONE | 1)
       == (1u << CDR_REVIEWER_STALE | 1u << CDR_REVIEWER_ROLE),
       "for another class more");

    cdr_mask_del(mask);

    mask = cdr_mask_new(&alloc);
    (void) cdr_mask_show(mask, str("status"));

    ok(cdr_reviewer_hidden(mask, CDR_MASK_EVERYONE)
       == ((1u << CDR_REVIEWER_FIELDS_N) - 1) - (1u << CDR_REVIEWER_STATUS),
       "where fields are named the others are hidden");

    cdr_mask_del(mask);
}


static void
test_limits(void)
{
    size_t               size, len;
    uint8_t             *p;
    cdr_reviewer_t       r = alice();
    cdr_reviewer_view_t  v = all();
    static uint8_t       ones[256];

    memset(ones, 1, sizeof(ones));

    r.id = (cdr_str_t) { ones, CDR_REVIEWER_ID_MAX };
    r.role = (cdr_str_t) { ones, CDR_CONN_ROLE_MAX };
    r.feature = (cdr_str_t) { ones, CDR_CONN_FEATURE_MAX };
    r.connected_ms = r.updated_ms = r.seen_ms = UINT64_MAX;
    r.connections = UINT32_MAX;
    r.server = (cdr_str_t) { ones, 255 };
    r.stale = true;

    size = cdr_reviewer_object(NULL, &v, &r);
    p = malloc(size);
    len = cdr_reviewer_object(p, &v, &r);
    ok(len == size && size < CDR_REVIEWER_JSON_MAX,
       "the longest strings fit, all of them escaped");
    free(p);

    size = cdr_reviewer_update(NULL, &v, &r);
    p = malloc(size);
    len = cdr_reviewer_update(p, &v, &r);
    ok(len == size && size < CDR_REVIEWER_JSON_MAX, "in an update as well");
    free(p);
}


static void
test_messages(void)
{
    size_t  size;

    size = cdr_presence_list(NULL, none, 0, false, 5);
    ok(same(size, cdr_presence_list(out, none, 0, false, 5),
            "{\"type\":\"presence-list\",\"reviewers\":[],\"total\":0,"
            "\"truncated\":false,\"timestamp\":5}"),
       "a list may be empty");

    size = cdr_presence_list(NULL, str("{},{}"), 7, true, 5);
    ok(same(size, cdr_presence_list(out, str("{},{}"), 7, true, 5),
            "{\"type\":\"presence-list\",\"reviewers\":[{},{}],\"total\":7,"
            "\"truncated\":true,\"timestamp\":5}"),
       "or truncated");

    size = cdr_presence_diff(NULL, str("{}"), none, str("\"a\",\"b\""), 5);
    ok(same(size, cdr_presence_diff(out, str("{}"), none, str("\"a\",\"b\""),
                                    5),
            "{\"type\":\"presence-diff\",\"joined\":[{}],\"changed\":[],"
            "\"left\":[\"a\",\"b\"],\"timestamp\":5}"),
       "a diff has three lists");

    size = cdr_presence_answer(NULL, str("{}"), 1, 9, str("x"));
    ok(same(size, cdr_presence_answer(out, str("{}"), 1, 9, str("x")),
            "{\"reviewers\":[{}],\"count\":1,\"total\":9,\"cursor\":\"x\"}\n"),
       "an answer has a cursor");

    size = cdr_presence_answer(NULL, none, 0, 0, none);
    ok(same(size, cdr_presence_answer(out, none, 0, 0, none),
            "{\"reviewers\":[],\"count\":0,\"total\":0}\n"),
       "or none at its end");
}


static void
test_status(void)
{
    unsigned      i;
    cdr_status_t  status;

    for (i = 0; i <= CDR_STATUS_OFFLINE; i++) {
        ok(cdr_status_parse(cdr_status_name(i), &status) == CDR_OK
           && status == i, "status %u is known by its name", i);
    }

    ok(cdr_status_parse(str("Online"), &status) == CDR_DECLINED
       && cdr_status_parse(none, &status) == CDR_DECLINED,
       "no other name is one");
}


int
main(void)
{
    test_object();
    test_update();
    test_names();
    test_hidden();
    test_limits();
    test_messages();
    test_status();

    return done_testing();
}
