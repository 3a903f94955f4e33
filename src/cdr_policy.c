/* The policy: loading it from a block, and the views of sets of roles. */

#include "cdr.h"
#include "cdr_policy.h"
#include "cdr_policy_int.h"


/* The policy is the first member, so that it can be turned back. */

typedef struct {
    cdr_policy_t         policy;
    uint8_t             *block;         /* a copy: all strings lie in it */
    size_t               len;
    cdr_event_type_t    *types;
    uint16_t            *slots;
    size_t               ntypes;
} cdr_policy_own_t;


/* What is left of a block; "wrong" once anything was. */

typedef struct {
    cdr_policy_own_t    *own;
    const cdr_alloc_t   *alloc;
    cdr_str_t            rest;
    bool                 wrong;
} cdr_policy_load_t;


static int cdr_policy_load(cdr_policy_load_t *c);
static void cdr_policy_load_roles(cdr_policy_load_t *c);
static void cdr_policy_load_channels(cdr_policy_load_t *c);
static int cdr_policy_load_events(cdr_policy_load_t *c);
static int cdr_policy_load_event(cdr_policy_load_t *c,
    cdr_event_type_t *type);
static int cdr_policy_load_require(cdr_policy_load_t *c,
    cdr_event_type_t *type);
static int cdr_policy_load_rules(cdr_policy_load_t *c,
    cdr_event_type_t *type);
static int cdr_policy_load_mask(cdr_policy_load_t *c, cdr_event_type_t *type,
    size_t nshow, cdr_str_t show);
static cdr_str_t cdr_policy_get_path(cdr_policy_load_t *c);
static uint32_t cdr_policy_get_roles(cdr_policy_load_t *c);
static size_t cdr_policy_get_count(cdr_policy_load_t *c, size_t max);
static cdr_str_t cdr_policy_get_str(cdr_policy_load_t *c);
static uint16_t cdr_policy_get_u16(cdr_policy_load_t *c);
static uint32_t cdr_policy_get_u32(cdr_policy_load_t *c);
static const uint8_t *cdr_policy_get(cdr_policy_load_t *c, size_t len);
static void *cdr_policy_alloc(cdr_policy_load_t *c, size_t size);


cdr_policy_t *
cdr_policy_new(const uint8_t *block, size_t len, const cdr_alloc_t *alloc)
{
    cdr_policy_own_t   *own;
    cdr_policy_load_t   c;

    own = alloc->alloc(alloc->ctx, sizeof(cdr_policy_own_t));

    if (own == NULL) {
        return NULL;
    }

    memset(own, 0, sizeof(cdr_policy_own_t));
    own->policy.alloc = *alloc;

    c.own = own;
    c.alloc = alloc;
    c.wrong = false;

    own->block = cdr_policy_alloc(&c, len);
    own->len = len;

    if (own->block) {

        if (len) {
            memcpy(own->block, block, len);
        }

        c.rest.data = own->block;
        c.rest.len = len;

        if (cdr_policy_load(&c) == CDR_OK) {
            return &own->policy;
        }
    }

    cdr_policy_del(&own->policy);

    return NULL;
}


void
cdr_policy_del(cdr_policy_t *policy)
{
    size_t             i;
    cdr_alloc_t        alloc;
    cdr_policy_own_t  *own;

    if (policy == NULL) {
        return;
    }

    own = (cdr_policy_own_t *) policy;
    alloc = policy->alloc;

    for (i = 0; i < own->ntypes; i++) {
        cdr_mask_del((cdr_mask_t *) own->types[i].mask);
        alloc.free(alloc.ctx, (void *) own->types[i].require);
        alloc.free(alloc.ctx, (void *) own->types[i].unless);
    }

    alloc.free(alloc.ctx, own->types);
    alloc.free(alloc.ctx, own->slots);
    alloc.free(alloc.ctx, own->block);
    alloc.free(alloc.ctx, own);
}


bool
cdr_policy_is(const cdr_policy_t *policy, const uint8_t *block, size_t len)
{
    const cdr_policy_own_t  *own;

    own = (const cdr_policy_own_t *) policy;

    return len == own->len && (len == 0 || memcmp(block, own->block, len) == 0);
}


static int
cdr_policy_load(cdr_policy_load_t *c)
{
    if (cdr_policy_get_u32(c) != CDR_POLICY_BLOCK) {
        return CDR_ERROR;
    }

    cdr_policy_load_roles(c);
    cdr_policy_load_channels(c);

    return c->wrong ? CDR_ERROR : cdr_policy_load_events(c);
}


static void
cdr_policy_load_roles(cdr_policy_load_t *c)
{
    size_t         i, n;
    cdr_str_t      name;
    cdr_policy_t  *policy;

    policy = &c->own->policy;
    n = cdr_policy_get_count(c, CDR_POLICY_MAX_ROLES);

    for (i = 0; i < n; i++) {
        name = cdr_policy_get_str(c);

        if (!cdr_policy_role_valid(name)
            || cdr_policy_role(policy->roles, policy->nroles, name))
        {
            c->wrong = true;
            return;
        }

        policy->roles[policy->nroles++] = name;
    }
}


static void
cdr_policy_load_channels(cdr_policy_load_t *c)
{
    size_t         i, n;
    uint16_t       on;
    cdr_str_t      name;
    cdr_policy_t  *policy;

    policy = &c->own->policy;
    n = cdr_policy_get_count(c, CDR_POLICY_MAX_CHANNELS);

    for (i = 0; i < n; i++) {
        name = cdr_policy_get_str(c);
        on = cdr_policy_get_u16(c);

        if (on > 1
            || !cdr_policy_name_valid(name)
            || cdr_policy_channel(policy, name) != CDR_POLICY_MAX_CHANNELS)
        {
            c->wrong = true;
            return;
        }

        policy->channels[i].name = name;
        policy->channels[i].on = on;
        policy->channels[i].roles = cdr_policy_get_roles(c);

        policy->defaults |= (uint64_t) on << i;
        policy->nchannels++;
    }
}


static int
cdr_policy_load_events(cdr_policy_load_t *c)
{
    int                rc;
    size_t             i, n, wrong;
    cdr_policy_own_t  *own;

    own = c->own;
    n = cdr_policy_get_count(c, CDR_POLICY_MAX_EVENTS);

    own->types = cdr_policy_alloc(c, n * sizeof(cdr_event_type_t));
    own->slots = cdr_policy_alloc(c, cdr_event_catalogue_slots(n)
                                     * sizeof(uint16_t));

    if (own->types == NULL || own->slots == NULL) {
        return CDR_NOMEM;
    }

    memset(own->types, 0, n * sizeof(cdr_event_type_t));
    own->ntypes = n;

    for (i = 0; i < n; i++) {
        rc = cdr_policy_load_event(c, &own->types[i]);

        if (rc != CDR_OK || c->wrong) {
            return CDR_ERROR;
        }
    }

    if (c->wrong || c->rest.len) {
        return CDR_ERROR;
    }

    return cdr_event_catalogue_init(&own->policy.catalogue, own->types, n,
                                    own->slots, &wrong);
}


static int
cdr_policy_load_event(cdr_policy_load_t *c, cdr_event_type_t *type)
{
    int        rc;
    size_t     i, nshow;
    cdr_str_t  show;

    type->name = cdr_policy_get_str(c);
    type->channel = cdr_policy_get_u16(c);
    type->roles = cdr_policy_get_roles(c);
    type->publish_roles = cdr_policy_get_roles(c);

    if (!cdr_policy_name_valid(type->name)
        || type->channel >= c->own->policy.nchannels)
    {
        return CDR_ERROR;
    }

    rc = cdr_policy_load_require(c, type);

    if (rc != CDR_OK) {
        return rc;
    }

    nshow = cdr_policy_get_count(c, CDR_POLICY_MAX_PATHS);
    show = c->rest;

    for (i = 0; i < nshow; i++) {
        (void) cdr_policy_get_path(c);
    }

    rc = cdr_policy_load_rules(c, type);

    if (rc != CDR_OK || c->wrong) {
        return CDR_ERROR;
    }

    return cdr_policy_load_mask(c, type, nshow, show);
}


static int
cdr_policy_load_require(cdr_policy_load_t *c, cdr_event_type_t *type)
{
    size_t      i, n;
    cdr_str_t  *require;

    n = cdr_policy_get_count(c, CDR_POLICY_MAX_PATHS);

    if (n == 0) {
        return CDR_OK;
    }

    require = cdr_policy_alloc(c, n * sizeof(cdr_str_t));

    if (require == NULL) {
        return CDR_NOMEM;
    }

    type->require = require;
    type->nrequire = (uint16_t) n;

    for (i = 0; i < n; i++) {
        require[i] = cdr_policy_get_path(c);
    }

    return CDR_OK;
}


static int
cdr_policy_load_rules(cdr_policy_load_t *c, cdr_event_type_t *type)
{
    size_t     i, n;
    uint32_t  *unless;

    n = cdr_policy_get_count(c, CDR_MASK_RULES);

    if (n == 0) {
        return CDR_OK;
    }

    unless = cdr_policy_alloc(c, n * sizeof(uint32_t));

    if (unless == NULL) {
        return CDR_NOMEM;
    }

    type->unless = unless;
    type->nrules = (unsigned) n;

    for (i = 0; i < n; i++) {
        unless[i] = cdr_policy_get_roles(c);
    }

    return CDR_OK;
}


/* "show" is where the paths that are visible stand in the block. */

static int
cdr_policy_load_mask(cdr_policy_load_t *c, cdr_event_type_t *type,
    size_t nshow, cdr_str_t show)
{
    int                 rc;
    size_t              i, nhide;
    uint32_t            rules;
    cdr_mask_t         *mask;
    cdr_policy_load_t   again;

    nhide = cdr_policy_get_count(c, CDR_POLICY_MAX_PATHS);

    if (nshow + nhide == 0) {
        return CDR_OK;
    }

    mask = cdr_mask_new(c->alloc);

    if (mask == NULL) {
        return CDR_NOMEM;
    }

    type->mask = mask;
    type->hide_everyone = (nshow != 0);

    again = *c;
    again.rest = show;
    rc = CDR_OK;

    for (i = 0; rc == CDR_OK && i < nshow; i++) {
        rc = cdr_mask_show(mask, cdr_policy_get_path(&again));
    }

    for (i = 0; rc == CDR_OK && i < nhide; i++) {
        rules = cdr_policy_get_u32(c);

        if (rules == 0
            || ((rules & ~CDR_MASK_EVERYONE) >> type->nrules) != 0)
        {
            return CDR_ERROR;
        }

        rc = cdr_mask_hide(mask, cdr_policy_get_path(c), rules);

        if (rules & CDR_MASK_EVERYONE) {
            type->hide_everyone = true;
        }
    }

    return rc;
}


static cdr_str_t
cdr_policy_get_path(cdr_policy_load_t *c)
{
    cdr_str_t  path;

    path = cdr_policy_get_str(c);

    if (cdr_mask_path_check(path) != CDR_OK || cdr_event_reserved(path)) {
        c->wrong = true;
    }

    return path;
}


/* A set of the roles that the block names. */

static uint32_t
cdr_policy_get_roles(cdr_policy_load_t *c)
{
    uint32_t  roles;

    roles = cdr_policy_get_u32(c);

    if ((uint64_t) roles >> c->own->policy.nroles) {
        c->wrong = true;
    }

    return roles;
}


/* 0 once anything is wrong, so nothing is read then. */

static size_t
cdr_policy_get_count(cdr_policy_load_t *c, size_t max)
{
    size_t  n;

    n = cdr_policy_get_u16(c);

    if (n > max) {
        c->wrong = true;
    }

    return c->wrong ? 0 : n;
}


static cdr_str_t
cdr_policy_get_str(cdr_policy_load_t *c)
{
    cdr_str_t  str = cdr_str_null;
    size_t     len;

    len = cdr_policy_get_u16(c);
    str.data = cdr_policy_get(c, len);

    if (str.data) {
        str.len = len;
    }

    return str;
}


static uint16_t
cdr_policy_get_u16(cdr_policy_load_t *c)
{
    uint16_t        n;
    const uint8_t  *p;

    n = 0;
    p = cdr_policy_get(c, sizeof(n));

    if (p) {
        memcpy(&n, p, sizeof(n));
    }

    return n;
}


static uint32_t
cdr_policy_get_u32(cdr_policy_load_t *c)
{
    uint32_t        n;
    const uint8_t  *p;

    n = 0;
    p = cdr_policy_get(c, sizeof(n));

    if (p) {
        memcpy(&n, p, sizeof(n));
    }

    return n;
}


static const uint8_t *
cdr_policy_get(cdr_policy_load_t *c, size_t len)
{
    const uint8_t  *p;

    if (c->wrong || len > c->rest.len) {
        c->wrong = true;
        return NULL;
    }

    p = c->rest.data;

    c->rest.data += len;
    c->rest.len -= len;

    return p;
}


static void *
cdr_policy_alloc(cdr_policy_load_t *c, size_t size)
{
    return c->alloc->alloc(c->alloc->ctx, size ? size : 1);
}
