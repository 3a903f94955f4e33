/* The rules of a hub. */

#include "cdr_test.h"
#include "cdr_policy.h"


#define names(...)                                                            \
    { (const cdr_str_t[]) { __VA_ARGS__ },                                    \
      sizeof((const cdr_str_t[]) { __VA_ARGS__ }) / sizeof(cdr_str_t) }
#define none  { NULL, 0 }


static const cdr_channel_conf_t  channels[] = {
    { cdr_str("tasks"), true, none },
    { cdr_str("admin"), true, names(cdr_str("admin")) },
    { cdr_str("more"), false, none }
};

static const cdr_redact_conf_t  redacts[] = {
    { names(cdr_str("notes"), cdr_str("reviewer.email")), none },
    { names(cdr_str("estimate")),
      names(cdr_str("architect"), cdr_str("admin")) }
};

static const cdr_event_conf_t  events[] = {
    { cdr_str("status"), 0, names(cdr_str("task"), cdr_str("reviewer.id")),
      none, none, names(cdr_str("system"), cdr_str("admin")), redacts, 2 },
    { cdr_str("review"), 0, none, names(cdr_str("verdict")),
      names(cdr_str("architect"), cdr_str("reviewer")), none, NULL, 0 },
    { cdr_str("alert"), 1, none, none, none, none, NULL, 0 }
};

static const cdr_policy_conf_t  conf = { channels, 3, events, 3 };


static cdr_test_alloc_t  counter;
static cdr_alloc_t       heap = { cdr_test_alloc, cdr_test_free, &counter };


static cdr_str_t
str(const char *s)
{
    cdr_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static uint8_t *
pack(const cdr_policy_conf_t *c, size_t *len)
{
    uint8_t  *block;

    *len = cdr_policy_pack(NULL, c);
    block = malloc(*len);

    if (cdr_policy_pack(block, c) != *len) {
        abort();
    }

    return block;
}


static void
test_load(void)
{
    size_t                   len;
    uint8_t                 *block;
    cdr_view_t              *view;
    cdr_policy_t            *p;
    cdr_policy_error_t       err;
    const cdr_event_type_t  *type;

    ok(cdr_policy_check(&conf, &err) == CDR_OK, "a policy is right");

    block = pack(&conf, &len);
    p = cdr_policy_new(block, len, &heap);
    memset(block, 0xff, len);
    free(block);

    ok(p != NULL, "it is packed and loaded");

    ok(p->nroles == 4 && p->nchannels == 3 && p->defaults == 3
       && p->catalogue.ntypes == 3, "with what it has");
    ok(cdr_policy_channel(p, str("more")) == 2
       && cdr_policy_channel(p, str("mor")) == CDR_POLICY_MAX_CHANNELS,
       "channels are found");
    ok(cdr_policy_roles(p, str("admin")) == 1
       && cdr_policy_roles(p, str("x,system,admin,admi")) == 3
       && cdr_policy_roles(p, str("")) == 0
       && cdr_policy_roles(p, str(",,")) == 0, "roles are bits");

    type = cdr_event_find(&p->catalogue, str("status"));
    ok(type && type->hide_everyone && type->mask && type->nrules == 1
       && type->roles == 0 && type->publish_roles == 3
       && type->nrequire == 2
       && cdr_json_eq(type->require[1], str("reviewer.id")),
       "an event has what it was given");

    view = malloc(cdr_view_size(p));
    cdr_view_init(view, p, 0);
    ok(view->channels == 5 && view->nclasses == 3
       && view->classes[0] == (CDR_MASK_EVERYONE | 1)
       && view->classes[1] == CDR_CLASS_NONE
       && view->classes[2] == CDR_CLASS_NONE,
       "without a role one sees what everyone sees");

    cdr_view_init(view, p, 1);
    ok(view->channels == 7
       && view->classes[0] == CDR_MASK_EVERYONE
       && view->classes[1] == CDR_CLASS_NONE
       && view->classes[2] == CDR_MASK_EVERYONE,
       "an admin sees more");

    free(view);
    cdr_policy_del(p);
    ok(counter.held == 0, "nothing is left");
}


/* A policy of one channel and one event. */

static const cdr_channel_conf_t  one_channel = { cdr_str("c"), true, none };
static cdr_event_conf_t          one_event;
static cdr_policy_conf_t         one;


static void
reset(void)
{
    one_event = (cdr_event_conf_t) { .name = str("e") };
    one = (cdr_policy_conf_t) { &one_channel, 1, &one_event, 1 };
}


static bool
fails(const cdr_policy_conf_t *c, const char *where, const char *name,
    const char *error)
{
    bool                as;
    cdr_policy_error_t  err = { .error = "none" };

    as = cdr_policy_check(c, &err) == CDR_ERROR
         && strcmp(err.error, error) == 0
         && cdr_json_eq(err.where, str(where))
         && cdr_json_eq(err.name, str(name));

    if (!as) {
        printf("# %s, %.*s, %.*s\n", err.error, (int) err.where.len,
               err.where.data, (int) err.name.len, err.name.data);
    }

    return as;
}


static void
test_roles(void)
{
    size_t               i;
    char                 text[40][8], longest[257];
    cdr_str_t            names[40];
    cdr_policy_error_t   err;
    static const char    wrong[] = "a role is 1 to 255 bytes of UTF-8 "
                                   "without comma, space or control character";

    static const char  *const bad[] = { "", "a,b", "a b", "a\t", "\x7f",
                                        "\xff", "\xc3" };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset();
        names[0] = str(bad[i]);
        one_event.roles = (cdr_names_t) { names, 1 };
        ok(fails(&one, "e", bad[i], wrong), "role %zu cannot be one", i);
    }

    reset();
    memset(longest, 'r', 256);
    names[0] = (cdr_str_t) { (uint8_t *) longest, 255 };
    one_event.publish_roles = (cdr_names_t) { names, 1 };
    ok(cdr_policy_check(&one, &err) == CDR_OK, "a role may have 255 bytes");

    longest[256] = '\0';
    names[0].len = 256;
    ok(fails(&one, "e", longest, wrong), "and no more");

    for (i = 0; i < 40; i++) {
        sprintf(text[i], "r%zu", i);
        names[i] = str(text[i]);
    }

    reset();
    one_event.roles = (cdr_names_t) { names, 20 };
    one_event.publish_roles = (cdr_names_t) { names + 12, 20 };
    ok(cdr_policy_check(&one, &err) == CDR_OK, "there may be 32 roles");

    one_event.publish_roles.n = 21;
    ok(fails(&one, "e", "r32", "a hub names at most 32 roles"),
       "and no more");
}


static void
test_names(void)
{
    cdr_channel_conf_t   two[65];
    cdr_event_conf_t     many[257];
    cdr_policy_error_t   err;
    char                 text[257][8];
    size_t               i;
    static const char    wrong[] = "a name is 1 to 255 bytes of UTF-8 "
                                   "without control characters";

    memset(two, 0, sizeof(two));
    memset(many, 0, sizeof(many));

    for (i = 0; i < 257; i++) {
        sprintf(text[i], "n%zu", i);
        many[i].name = str(text[i]);

        if (i < 65) {
            two[i].name = str(text[i]);
        }
    }

    one = (cdr_policy_conf_t) { two, 64, many, 256 };
    ok(cdr_policy_check(&one, &err) == CDR_OK,
       "there may be 64 channels and 256 events");

    one.nchannels = 65;
    ok(fails(&one, "", "", "there are more than 64 channels"), "not 65");

    one.nchannels = 64;
    one.nevents = 257;
    ok(fails(&one, "", "", "there are more than 256 events"), "nor 257");

    one.nevents = 256;
    two[63].name = str("n5");
    ok(fails(&one, "n5", "n5", "the name is there twice"),
       "no two channels have one name");

    two[63].name = str("\n");
    ok(fails(&one, "\n", "\n", wrong), "and each has one");

    two[63].name = str("x");
    many[255].name = str("n0");
    ok(fails(&one, "n0", "n0", "the name is there twice"),
       "no two events have one name");

    many[255].name = str("");
    ok(fails(&one, "", "", wrong), "and each has one");

    many[255].name = str("y");
    many[255].channel = 64;
    ok(fails(&one, "y", "", "the channel does not exist"),
       "an event has a channel");

    one.nchannels = 0;
    one.nevents = 0;
    ok(cdr_policy_check(&one, &err) == CDR_OK, "a policy may be empty");
}


static void
test_paths(void)
{
    size_t              i;
    cdr_str_t           paths[257];
    cdr_redact_conf_t   redact[2];
    cdr_policy_error_t  err;
    static const char   wrong[] = "a path is 1 to 16 names of 1 to 255 bytes "
                                  "with dots between them";
    static const char   own[] = "this field belongs to the hub";
    static const char   many[] = "an event has at most 256 paths in each of "
                                 "these";

    for (i = 0; i < 257; i++) {
        paths[i] = str("a.b");
    }

    reset();
    memset(redact, 0, sizeof(redact));
    one_event.require = (cdr_names_t) { paths, 256 };
    one_event.fields = (cdr_names_t) { paths, 256 };
    one_event.redacts = redact;
    one_event.nredacts = 2;
    redact[0].paths = (cdr_names_t) { paths, 200 };
    redact[1].paths = (cdr_names_t) { paths, 56 };
    ok(cdr_policy_check(&one, &err) == CDR_OK, "there may be 256 paths");

    redact[1].paths.n = 57;
    ok(fails(&one, "e", "a.b", many), "not 257");

    redact[1].paths.n = 1;
    one_event.fields.n = 257;
    ok(fails(&one, "e", "a.b", many), "of no kind");

    one_event.fields.n = 1;
    paths[255] = str("a..b");
    ok(fails(&one, "e", "a..b", wrong), "a required path is one");

    one_event.require.n = 0;
    paths[0] = str("eventId");
    ok(fails(&one, "e", "eventId", own), "an own field is not to be shown");

    one_event.fields.n = 0;
    paths[0] = str("timestamp.a");
    ok(fails(&one, "e", "timestamp.a", own), "nor to be hidden");
}


/* Every set of roles that exempts is a rule, whatever its order. */

static void
test_rules(void)
{
    size_t                   i, len;
    uint8_t                 *block;
    cdr_str_t                path[2], pairs[33][2];
    cdr_policy_t            *p;
    cdr_redact_conf_t        redact[33];
    const cdr_event_type_t  *type;

    static const cdr_str_t  r[] = {
        cdr_str("a"), cdr_str("b"), cdr_str("c"), cdr_str("d"), cdr_str("e"),
        cdr_str("f"), cdr_str("g"), cdr_str("h"), cdr_str("i")
    };

    path[0] = str("x");
    path[1] = str("y.z");
    memset(redact, 0, sizeof(redact));

    for (i = 0; i < 33; i++) {
        pairs[i][0] = r[i % 8];
        pairs[i][1] = r[(i % 8 + 1 + i / 8) % 9];
        redact[i].paths = (cdr_names_t) { path, 2 };
        redact[i].unless = (cdr_names_t) { pairs[i], 2 };
    }

    /* one set three times */

    redact[31].unless = redact[0].unless;
    pairs[32][0] = pairs[0][1];
    pairs[32][1] = pairs[0][0];

    reset();
    one_event.redacts = redact;
    one_event.nredacts = 33;

    block = pack(&one, &len);
    p = cdr_policy_new(block, len, &heap);
    type = p ? p->catalogue.types : NULL;
    ok(type && type->nrules == 31 && !type->hide_everyone,
       "there may be 31 rules, and equal ones are one");
    cdr_policy_del(p);
    free(block);

    redact[32].unless.n = 1;
    pairs[32][0] = r[8];
    ok(fails(&one, "e", "i", "an event has at most 31 different lists of "
             "roles in \"unless_role\""), "and no more");
}


static cdr_str_t
left(const cdr_event_type_t *type, uint32_t class, const char *key,
    char *text)
{
    cdr_str_t          value = str(text);
    cdr_json_out_t     out = { (uint8_t *) text, 0 };
    const cdr_mask_t  *node;

    if (!cdr_mask_field(type->mask, class, str(key), value, &node)) {
        return str("hidden");
    }

    cdr_mask_put(&out, node, class, value);
    value.len = out.len;

    return value;
}


static void
test_masks(void)
{
    char                     text[] = "{\"email\":1,\"id\":2}";
    size_t                   len;
    uint8_t                 *block;
    cdr_policy_t            *p;
    const cdr_event_type_t  *type;

    block = pack(&conf, &len);
    p = cdr_policy_new(block, len, &heap);

    ok(cdr_policy_is(p, block, len), "a policy knows what it is made of");
    block[len - 1] ^= 1;
    ok(!cdr_policy_is(p, block, len) && !cdr_policy_is(p, block, len - 1)
       && !cdr_policy_is(p, NULL, 0), "and what it is not made of");
    free(block);

    type = cdr_event_find(&p->catalogue, str("status"));
    ok(cdr_json_eq(left(type, CDR_MASK_EVERYONE, "notes", text),
                   str("hidden"))
       && cdr_json_eq(left(type, CDR_MASK_EVERYONE, "reviewer", text),
                      str("{\"id\":2}")),
       "what is redacted from everyone is hidden");
    ok(cdr_json_eq(left(type, cdr_event_class(type, 8), "estimate", text),
                   str("hidden"))
       && cdr_json_eq(left(type, cdr_event_class(type, 4), "estimate",
                           (char[]) { "5" }), str("5")),
       "what is redacted unless one has a role is hidden from others");

    type = cdr_event_find(&p->catalogue, str("review"));
    ok(type->hide_everyone
       && cdr_json_eq(left(type, CDR_MASK_EVERYONE, "other", text),
                      str("hidden"))
       && cdr_json_eq(left(type, CDR_MASK_EVERYONE, "verdict",
                           (char[]) { "5" }), str("5")),
       "of fields nothing else is seen");

    type = cdr_event_find(&p->catalogue, str("alert"));
    ok(type->mask == NULL && !type->hide_everyone,
       "what hides nothing has no mask");

    cdr_policy_del(p);
}


static void
test_views(void)
{
    size_t         len;
    uint8_t       *block;
    cdr_view_t    *a, *b;
    cdr_policy_t  *p;

    block = pack(&conf, &len);
    p = cdr_policy_new(block, len, &heap);
    free(block);

    a = malloc(cdr_view_size(p));
    b = malloc(cdr_view_size(p));

    /* admin, architect, reviewer and system are 1, 4, 8 and 2 */

    ok(cdr_policy_roles(p, str("architect")) == 4
       && cdr_policy_roles(p, str("reviewer")) == 8, "roles are in order");

    cdr_view_init(a, p, 0);
    cdr_view_init(b, p, 2);
    ok(cdr_view_eq(a, b) && a->roles != b->roles,
       "who may only publish sees what everyone sees");

    cdr_view_init(a, p, 1 | 4);
    ok(!cdr_view_eq(a, b), "who sees more does not");

    cdr_view_init(b, p, 1 | 4 | 2);
    ok(cdr_view_eq(a, b), "roles that add nothing do not count");

    cdr_view_init(b, p, 1 | 8);
    ok(cdr_view_eq(a, b), "nor by which of them it is");

    cdr_view_init(a, p, 4);
    cdr_view_init(b, p, 8);
    ok(!cdr_view_eq(a, b), "a class makes a difference");

    free(a);
    free(b);
    cdr_policy_del(p);
}


static void
test_block(void)
{
    size_t          i, n, len, loaded;
    uint8_t        *block, *again, *cut;
    cdr_policy_t   *p;

    block = pack(&conf, &len);
    again = pack(&conf, &n);
    ok(n == len && memcmp(block, again, n) == 0,
       "the same configuration gives the same bytes");
    free(again);

    loaded = 0;

    for (i = 0; i < len; i++) {
        cut = malloc(i ? i : 1);
        memcpy(cut, block, i);
        p = cdr_policy_new(cut, i, &heap);
        loaded += p != NULL;
        cdr_policy_del(p);
        free(cut);
    }

    ok(loaded == 0, "a block that is cut anywhere is none");

    cut = malloc(len + 1);
    memcpy(cut, block, len);
    cut[len] = 0;
    ok(cdr_policy_new(cut, len + 1, &heap) == NULL, "nor with more behind");

    for (i = 0; i < len; i++) {
        for (n = 1; n < 256; n++) {
            cut[i] ^= (uint8_t) n;
            cdr_policy_del(cdr_policy_new(cut, len, &heap));
            cut[i] = block[i];
        }
    }

    ok(counter.held == 0, "any byte of it may change");

    cut[0]++;
    ok(cdr_policy_new(cut, len, &heap) == NULL, "the first ones are known");

    free(cut);
    free(block);
}


static void
test_memory(void)
{
    size_t         len;
    uint8_t       *block;
    unsigned       n;
    cdr_policy_t  *p;

    block = pack(&conf, &len);
    p = NULL;

    for (n = 1; p == NULL && n < 100 && counter.held == 0; n++) {
        counter.calls = 0;
        counter.fail_at = n;
        p = cdr_policy_new(block, len, &heap);
    }

    ok(p && n > 10, "each of %u allocations may fail", n - 2);

    cdr_policy_del(p);
    ok(counter.held == 0, "and nothing is left");

    counter.fail_at = 0;
    free(block);

    cdr_policy_del(NULL);
}


int
main(void)
{
    test_load();
    test_roles();
    test_names();
    test_paths();
    test_rules();
    test_masks();
    test_views();
    test_block();
    test_memory();

    return done_testing();
}
