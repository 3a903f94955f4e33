/* Packing a policy into its block. */

#include "cdr.h"
#include "cdr_policy.h"
#include "cdr_policy_int.h"


typedef struct {
    cdr_json_out_t      out;
    cdr_policy_roles_t  roles;
} cdr_policy_pack_t;


static void cdr_policy_roles_add(cdr_policy_roles_t *roles,
    const cdr_names_t *names);
static void cdr_policy_pack_event(cdr_policy_pack_t *c,
    const cdr_event_conf_t *ev);
static void cdr_policy_pack_redacts(cdr_policy_pack_t *c,
    const cdr_event_conf_t *ev);
static void cdr_policy_put_names(cdr_policy_pack_t *c,
    const cdr_names_t *names);
static void cdr_policy_put_roles(cdr_policy_pack_t *c,
    const cdr_names_t *names);
static void cdr_policy_put_str(cdr_policy_pack_t *c, cdr_str_t str);
static void cdr_policy_put_u16(cdr_policy_pack_t *c, size_t n);
static void cdr_policy_put_u32(cdr_policy_pack_t *c, uint32_t n);


size_t
cdr_policy_pack(uint8_t *dst, const cdr_policy_conf_t *conf)
{
    size_t             i;
    cdr_policy_pack_t  c;

    c.out.dst = dst;
    c.out.len = 0;

    cdr_policy_roles_init(&c.roles, conf);

    cdr_policy_put_u32(&c, CDR_POLICY_BLOCK);
    cdr_policy_put_u16(&c, c.roles.n);

    for (i = 0; i < c.roles.n; i++) {
        cdr_policy_put_str(&c, c.roles.names[i]);
    }

    cdr_policy_put_u16(&c, conf->nchannels);

    for (i = 0; i < conf->nchannels; i++) {
        cdr_policy_put_str(&c, conf->channels[i].name);
        cdr_policy_put_u16(&c, conf->channels[i].on);
        cdr_policy_put_roles(&c, &conf->channels[i].roles);
    }

    cdr_policy_put_u16(&c, conf->nevents);

    for (i = 0; i < conf->nevents; i++) {
        cdr_policy_pack_event(&c, &conf->events[i]);
    }

    return c.out.len;
}


void
cdr_policy_roles_init(cdr_policy_roles_t *roles,
    const cdr_policy_conf_t *conf)
{
    size_t                   i, j;
    const cdr_event_conf_t  *ev;

    roles->n = 0;

    for (i = 0; i < conf->nchannels; i++) {
        cdr_policy_roles_add(roles, &conf->channels[i].roles);
    }

    for (i = 0; i < conf->nevents; i++) {
        ev = &conf->events[i];

        cdr_policy_roles_add(roles, &ev->roles);
        cdr_policy_roles_add(roles, &ev->publish_roles);

        for (j = 0; j < ev->nredacts; j++) {
            cdr_policy_roles_add(roles, &ev->redacts[j].unless);
        }
    }
}


static void
cdr_policy_roles_add(cdr_policy_roles_t *roles, const cdr_names_t *names)
{
    size_t  i;

    for (i = 0; i < names->n && roles->n < CDR_POLICY_MAX_ROLES; i++) {
        if (cdr_policy_role(roles->names, roles->n, names->names[i]) == 0) {
            roles->names[roles->n++] = names->names[i];
        }
    }
}


uint32_t
cdr_policy_roles_mask(const cdr_policy_roles_t *roles,
    const cdr_names_t *names)
{
    size_t    i;
    uint32_t  mask;

    mask = 0;

    for (i = 0; i < names->n; i++) {
        mask |= cdr_policy_role(roles->names, roles->n, names->names[i]);
    }

    return mask;
}


uint32_t
cdr_policy_rule(cdr_policy_rules_t *rules, const cdr_policy_roles_t *roles,
    const cdr_redact_conf_t *redact)
{
    unsigned  i;
    uint32_t  unless;

    if (redact->unless.n == 0) {
        return CDR_MASK_EVERYONE;
    }

    unless = cdr_policy_roles_mask(roles, &redact->unless);

    for (i = 0; i < rules->n && rules->unless[i] != unless; i++) { /* void */ }

    if (i == CDR_MASK_RULES) {
        return 0;
    }

    if (i == rules->n) {
        rules->unless[rules->n++] = unless;
    }

    return (uint32_t) 1 << i;
}


static void
cdr_policy_pack_event(cdr_policy_pack_t *c, const cdr_event_conf_t *ev)
{
    cdr_policy_put_str(c, ev->name);
    cdr_policy_put_u16(c, ev->channel);
    cdr_policy_put_roles(c, &ev->roles);
    cdr_policy_put_roles(c, &ev->publish_roles);
    cdr_policy_put_names(c, &ev->require);
    cdr_policy_put_names(c, &ev->fields);

    cdr_policy_pack_redacts(c, ev);
}


static void
cdr_policy_pack_redacts(cdr_policy_pack_t *c, const cdr_event_conf_t *ev)
{
    size_t               i, j, n;
    uint32_t             rule;
    cdr_policy_rules_t   rules;
    const cdr_names_t   *paths;

    n = 0;
    rules.n = 0;

    for (i = 0; i < ev->nredacts; i++) {
        (void) cdr_policy_rule(&rules, &c->roles, &ev->redacts[i]);
        n += ev->redacts[i].paths.n;
    }

    cdr_policy_put_u16(c, rules.n);

    for (i = 0; i < rules.n; i++) {
        cdr_policy_put_u32(c, rules.unless[i]);
    }

    cdr_policy_put_u16(c, n);

    for (i = 0; i < ev->nredacts; i++) {
        rule = cdr_policy_rule(&rules, &c->roles, &ev->redacts[i]);
        paths = &ev->redacts[i].paths;

        for (j = 0; j < paths->n; j++) {
            cdr_policy_put_u32(c, rule);
            cdr_policy_put_str(c, paths->names[j]);
        }
    }
}


static void
cdr_policy_put_names(cdr_policy_pack_t *c, const cdr_names_t *names)
{
    size_t  i;

    cdr_policy_put_u16(c, names->n);

    for (i = 0; i < names->n; i++) {
        cdr_policy_put_str(c, names->names[i]);
    }
}


static void
cdr_policy_put_roles(cdr_policy_pack_t *c, const cdr_names_t *names)
{
    cdr_policy_put_u32(c, cdr_policy_roles_mask(&c->roles, names));
}


static void
cdr_policy_put_str(cdr_policy_pack_t *c, cdr_str_t str)
{
    cdr_policy_put_u16(c, str.len);
    cdr_json_put(&c->out, str.data, str.len);
}


static void
cdr_policy_put_u16(cdr_policy_pack_t *c, size_t n)
{
    uint16_t  u;

    u = (uint16_t) n;
    cdr_json_put(&c->out, &u, sizeof(u));
}


static void
cdr_policy_put_u32(cdr_policy_pack_t *c, uint32_t n)
{
    cdr_json_put(&c->out, &n, sizeof(n));
}
