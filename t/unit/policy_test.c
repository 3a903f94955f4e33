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


int
main(void)
{
    test_load();

    return done_testing();
}
