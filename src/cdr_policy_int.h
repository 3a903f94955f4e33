/* What the files of the policy share: the form of the block, and the roles. */

#ifndef CDR_POLICY_INT_H_INCLUDED
#define CDR_POLICY_INT_H_INCLUDED


#include "cdr.h"
#include "cdr_policy.h"


/*
 * A block is made of native, unaligned integers, and of strings behind their
 * length as a uint16_t:
 *
 *     uint32_t  CDR_POLICY_BLOCK, which a change of the form changes
 *     uint16_t  roles, each
 *               string    name
 *     uint16_t  channels, each
 *               string    name
 *               uint16_t  on
 *               uint32_t  roles
 *     uint16_t  events, each
 *               string    name
 *               uint16_t  channel
 *               uint32_t  roles
 *               uint32_t  roles that publish
 *               uint16_t  required paths, each a string
 *               uint16_t  visible paths, each a string
 *               uint16_t  rules, each the uint32_t of the roles exempt
 *               uint16_t  hidden paths, each
 *                         uint32_t  rules
 *                         string    path
 */

#define CDR_POLICY_BLOCK  0x31726463u


/* Roles by their bits. */

typedef struct {
    cdr_str_t  names[CDR_POLICY_MAX_ROLES];
    unsigned   n;
} cdr_policy_roles_t;


/* The roles that redactions of an event exempt, each set once. */

typedef struct {
    uint32_t   unless[CDR_MASK_RULES];
    unsigned   n;
} cdr_policy_rules_t;


/* Whether these bytes can be a role, or the name of a channel or event. */
bool cdr_policy_role_valid(cdr_str_t name);
bool cdr_policy_name_valid(cdr_str_t name);

/* The bit of a role, or 0 if it has none. */
uint32_t cdr_policy_role(const cdr_str_t *names, unsigned n, cdr_str_t name);

/* Gives the roles bits in the order in which they are named, up to 32. */
void cdr_policy_roles_init(cdr_policy_roles_t *roles,
    const cdr_policy_conf_t *conf);
uint32_t cdr_policy_roles_mask(const cdr_policy_roles_t *roles,
    const cdr_names_t *names);

/*
 * The rule of a redaction, made if there is none; CDR_MASK_EVERYONE if it
 * exempts nobody, 0 if there are too many.
 */
uint32_t cdr_policy_rule(cdr_policy_rules_t *rules,
    const cdr_policy_roles_t *roles, const cdr_redact_conf_t *redact);


#endif /* CDR_POLICY_INT_H_INCLUDED */
