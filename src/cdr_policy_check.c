/* Whether what is configured can be a policy. */

#include "cdr.h"
#include "cdr_policy.h"
#include "cdr_policy_int.h"
#include "cdr_utf8.h"


typedef struct {
    const cdr_policy_conf_t  *conf;
    cdr_policy_error_t       *err;
    const char               *directive;
    cdr_policy_roles_t        roles;
} cdr_policy_check_t;


static int cdr_policy_check_channel(cdr_policy_check_t *c, size_t i);
static int cdr_policy_check_event(cdr_policy_check_t *c, size_t i);
static int cdr_policy_check_redacts(cdr_policy_check_t *c,
    const cdr_event_conf_t *ev);
static int cdr_policy_check_name(cdr_policy_check_t *c, cdr_str_t name,
    cdr_str_t earlier);
static int cdr_policy_check_roles(cdr_policy_check_t *c,
    const char *directive, cdr_str_t where, const cdr_names_t *roles);
static int cdr_policy_check_paths(cdr_policy_check_t *c,
    const char *directive, cdr_str_t where, const cdr_names_t *paths);
static bool cdr_policy_text_valid(cdr_str_t name);
static int cdr_policy_fail(cdr_policy_check_t *c, const char *error,
    cdr_str_t where, cdr_str_t name);


static const cdr_str_t  cdr_policy_nothing = cdr_str_null;


int
cdr_policy_check(const cdr_policy_conf_t *conf, cdr_policy_error_t *err)
{
    size_t              i;
    cdr_policy_check_t  c = { .conf = conf, .err = err, .directive = "" };

    if (conf->nchannels > CDR_POLICY_MAX_CHANNELS) {
        return cdr_policy_fail(&c, "there are more than 64 channels",
                               cdr_policy_nothing, cdr_policy_nothing);
    }

    if (conf->nevents > CDR_POLICY_MAX_EVENTS) {
        return cdr_policy_fail(&c, "there are more than 256 events",
                               cdr_policy_nothing, cdr_policy_nothing);
    }

    cdr_policy_roles_init(&c.roles, conf);

    for (i = 0; i < conf->nchannels; i++) {
        if (cdr_policy_check_channel(&c, i) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    for (i = 0; i < conf->nevents; i++) {
        if (cdr_policy_check_event(&c, i) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    return CDR_OK;
}


static int
cdr_policy_check_channel(cdr_policy_check_t *c, size_t i)
{
    size_t                     j;
    const cdr_channel_conf_t  *ch;

    ch = c->conf->channels;

    if (cdr_policy_check_name(c, ch[i].name, cdr_policy_nothing) != CDR_OK) {
        return CDR_ERROR;
    }

    for (j = 0; j < i; j++) {
        if (cdr_policy_check_name(c, ch[i].name, ch[j].name) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    return cdr_policy_check_roles(c, "roles", ch[i].name, &ch[i].roles);
}


static int
cdr_policy_check_event(cdr_policy_check_t *c, size_t i)
{
    size_t                   j;
    const cdr_event_conf_t  *ev;

    ev = c->conf->events;

    if (cdr_policy_check_name(c, ev[i].name, cdr_policy_nothing) != CDR_OK) {
        return CDR_ERROR;
    }

    for (j = 0; j < i; j++) {
        if (cdr_policy_check_name(c, ev[i].name, ev[j].name) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    ev += i;

    if (ev->channel >= c->conf->nchannels) {
        return cdr_policy_fail(c, "the channel does not exist", ev->name,
                               cdr_policy_nothing);
    }

    if (cdr_policy_check_roles(c, "roles", ev->name, &ev->roles) != CDR_OK
        || cdr_policy_check_roles(c, "publish_roles", ev->name,
                                  &ev->publish_roles)
           != CDR_OK
        || cdr_policy_check_paths(c, "require", ev->name, &ev->require)
           != CDR_OK
        || cdr_policy_check_paths(c, "fields", ev->name, &ev->fields)
           != CDR_OK)
    {
        return CDR_ERROR;
    }

    return cdr_policy_check_redacts(c, ev);
}


static int
cdr_policy_check_redacts(cdr_policy_check_t *c, const cdr_event_conf_t *ev)
{
    size_t                    i, n;
    cdr_policy_rules_t        rules;
    const cdr_redact_conf_t  *redact;

    n = 0;
    rules.n = 0;

    for (i = 0; i < ev->nredacts; i++) {
        redact = &ev->redacts[i];

        if (cdr_policy_check_paths(c, "redact", ev->name, &redact->paths)
            != CDR_OK
            || cdr_policy_check_roles(c, "redact", ev->name, &redact->unless)
               != CDR_OK)
        {
            return CDR_ERROR;
        }

        if (redact->paths.n > CDR_POLICY_MAX_PATHS - n) {
            return cdr_policy_fail(c, "an event has at most 256 paths in each "
                                   "of these", ev->name,
                             redact->paths.names[CDR_POLICY_MAX_PATHS - n]);
        }

        n += redact->paths.n;

        if (cdr_policy_rule(&rules, &c->roles, redact) == 0) {
            return cdr_policy_fail(c, "an event has at most 31 different "
                                   "lists of roles in \"unless_role\"",
                                   ev->name, redact->unless.names[0]);
        }
    }

    return CDR_OK;
}


static int
cdr_policy_check_name(cdr_policy_check_t *c, cdr_str_t name,
    cdr_str_t earlier)
{
    if (!cdr_policy_name_valid(name)) {
        return cdr_policy_fail(c, "a name is 1 to 255 bytes of UTF-8 without "
                               "control characters", name, name);
    }

    if (cdr_json_eq(name, earlier)) {
        return cdr_policy_fail(c, "the name is there twice", name, name);
    }

    return CDR_OK;
}


static int
cdr_policy_check_roles(cdr_policy_check_t *c, const char *directive,
    cdr_str_t where, const cdr_names_t *roles)
{
    size_t  i;

    c->directive = directive;

    for (i = 0; i < roles->n; i++) {

        if (!cdr_policy_role_valid(roles->names[i])) {
            return cdr_policy_fail(c, "a role is 1 to 255 bytes of UTF-8 "
                                   "without comma, space or control character",
                                   where, roles->names[i]);
        }

        if (cdr_policy_role(c->roles.names, c->roles.n, roles->names[i])
            == 0)
        {
            return cdr_policy_fail(c, "a hub names at most 32 roles", where,
                                   roles->names[i]);
        }
    }

    return CDR_OK;
}


static int
cdr_policy_check_paths(cdr_policy_check_t *c, const char *directive,
    cdr_str_t where, const cdr_names_t *paths)
{
    size_t  i;

    c->directive = directive;

    if (paths->n > CDR_POLICY_MAX_PATHS) {
        return cdr_policy_fail(c, "an event has at most 256 paths in each of "
                               "these", where,
                               paths->names[CDR_POLICY_MAX_PATHS]);
    }

    for (i = 0; i < paths->n; i++) {

        if (cdr_mask_path_check(paths->names[i]) != CDR_OK) {
            return cdr_policy_fail(c, "a path is 1 to 16 names of 1 to 255 "
                                   "bytes with dots between them", where,
                                   paths->names[i]);
        }

        if (cdr_event_reserved(paths->names[i])) {
            return cdr_policy_fail(c, "this field belongs to the hub", where,
                                   paths->names[i]);
        }
    }

    return CDR_OK;
}


bool
cdr_policy_name_valid(cdr_str_t name)
{
    return name.len <= CDR_EVENT_MAX_NAME && cdr_policy_text_valid(name);
}


bool
cdr_policy_role_valid(cdr_str_t name)
{
    return name.len <= CDR_POLICY_MAX_ROLE && cdr_policy_text_valid(name)
           && memchr(name.data, ',', name.len) == NULL
           && memchr(name.data, ' ', name.len) == NULL;
}


static bool
cdr_policy_text_valid(cdr_str_t name)
{
    size_t      i;
    cdr_utf8_t  state;

    state = 0;

    for (i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f) {
            return false;
        }
    }

    return name.len
           && cdr_utf8_check(&state, name.data, name.len) == CDR_OK
           && cdr_utf8_done(&state);
}


static int
cdr_policy_fail(cdr_policy_check_t *c, const char *error, cdr_str_t where,
    cdr_str_t name)
{
    c->err->error = error;
    c->err->directive = c->directive;
    c->err->where = where;
    c->err->name = name;

    return CDR_ERROR;
}
