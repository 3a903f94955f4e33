/* Roles and channels of a policy, and what a set of roles sees of it. */

#include "cdr.h"
#include "cdr_policy.h"
#include "cdr_policy_int.h"


uint32_t
cdr_policy_role(const cdr_str_t *names, unsigned n, cdr_str_t name)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (cdr_json_eq(names[i], name)) {
            return (uint32_t) 1 << i;
        }
    }

    return 0;
}


uint32_t
cdr_policy_roles(const cdr_policy_t *policy, cdr_str_t roles)
{
    uint32_t        mask;
    cdr_str_t       role;
    const uint8_t  *comma;

    for (mask = 0; roles.len; /* void */) {
        role = roles;
        comma = memchr(roles.data, ',', roles.len);

        if (comma) {
            role.len = (size_t) (comma - roles.data);
            roles.data = comma + 1;
            roles.len -= role.len + 1;

        } else {
            roles.len = 0;
        }

        mask |= cdr_policy_role(policy->roles, policy->nroles, role);
    }

    return mask;
}


unsigned
cdr_policy_channel(const cdr_policy_t *policy, cdr_str_t name)
{
    unsigned  i;

    for (i = 0; i < policy->nchannels; i++) {
        if (cdr_json_eq(policy->channels[i].name, name)) {
            return i;
        }
    }

    return CDR_POLICY_MAX_CHANNELS;
}


size_t
cdr_view_size(const cdr_policy_t *policy)
{
    return sizeof(cdr_view_t) + policy->catalogue.ntypes * sizeof(uint32_t);
}


void
cdr_view_init(cdr_view_t *view, const cdr_policy_t *policy, uint32_t roles)
{
    unsigned                 i;
    uint32_t                 needed;
    const cdr_event_type_t  *type;

    view->roles = roles;
    view->channels = 0;
    view->nclasses = (unsigned) policy->catalogue.ntypes;

    for (i = 0; i < policy->nchannels; i++) {
        needed = policy->channels[i].roles;

        if (needed == 0 || (needed & roles)) {
            view->channels |= (uint64_t) 1 << i;
        }
    }

    for (i = 0; i < view->nclasses; i++) {
        type = &policy->catalogue.types[i];

        if ((view->channels >> type->channel & 1)
            && (type->roles == 0 || (type->roles & roles)))
        {
            view->classes[i] = cdr_event_class(type, roles);

        } else {
            view->classes[i] = CDR_CLASS_NONE;
        }
    }
}


bool
cdr_view_eq(const cdr_view_t *a, const cdr_view_t *b)
{
    return a->channels == b->channels
           && a->nclasses == b->nclasses
           && memcmp(a->classes, b->classes, a->nclasses * sizeof(uint32_t))
              == 0;
}
