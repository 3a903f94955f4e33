/*
 * The rules of a hub: its roles, channels and events; who may see and publish
 * what.
 *
 * What the configuration says is packed into one block of bytes, and the
 * policy is loaded from that block and from nothing else: workers of an older
 * configuration load the block of the newer one out of shared memory, so that
 * a reload changes the rules for the clients that are still theirs.
 *
 * Roles that are named in a hub are bits of a mask.  What a set of roles sees
 * is a view: for each channel whether it may be subscribed, and for each event
 * type the class, which is the set of rules that hide something.
 */

#ifndef CDR_POLICY_H_INCLUDED
#define CDR_POLICY_H_INCLUDED


#include "cdr.h"
#include "cdr_event.h"


#define CDR_POLICY_MAX_ROLES     32
#define CDR_POLICY_MAX_ROLE      255    /* bytes of its name */
#define CDR_POLICY_MAX_CHANNELS  64
#define CDR_POLICY_MAX_EVENTS    256
#define CDR_POLICY_MAX_PATHS     256    /* in require, fields, redact each */

/* Not to be seen at all; CDR_MASK_EVERYONE is in every class that is seen. */
#define CDR_CLASS_NONE           0


/* As configured; all strings plain.  Arrays of names may be empty. */

typedef struct {
    const cdr_str_t             *names;
    size_t                       n;
} cdr_names_t;


typedef struct {
    cdr_str_t                    name;
    bool                         on;        /* every client starts with it */
    cdr_names_t                  roles;     /* empty: everyone */
} cdr_channel_conf_t;


typedef struct {
    cdr_names_t                  paths;
    cdr_names_t                  unless;    /* roles; empty: from everyone,
                                               before it is stored */
} cdr_redact_conf_t;


typedef struct {
    cdr_str_t                    name;
    size_t                       channel;   /* index */
    cdr_names_t                  require;   /* paths */
    cdr_names_t                  fields;    /* paths; empty: all */
    cdr_names_t                  roles;     /* that see it; empty: everyone */
    cdr_names_t                  publish_roles;     /* empty: none */
    const cdr_redact_conf_t     *redacts;
    size_t                       nredacts;
} cdr_event_conf_t;


typedef struct {
    const cdr_channel_conf_t    *channels;
    size_t                       nchannels;
    const cdr_event_conf_t      *events;
    size_t                       nevents;
} cdr_policy_conf_t;


/*
 * What is wrong: a sentence, the event or channel, the name at fault, and the
 * directive that gives it, or "".
 */

typedef struct {
    const char                  *error;
    cdr_str_t                    where;
    cdr_str_t                    name;
    const char                  *directive;
} cdr_policy_error_t;


typedef struct {
    cdr_str_t                    name;
    bool                         on;
    uint32_t                     roles;     /* 0: everyone */
} cdr_channel_t;


/* All of it lies in memory of its own. */

typedef struct {
    cdr_str_t                    roles[CDR_POLICY_MAX_ROLES];
    unsigned                     nroles;
    cdr_channel_t                channels[CDR_POLICY_MAX_CHANNELS];
    unsigned                     nchannels;
    uint64_t                     defaults;  /* channels on at the start */
    cdr_event_catalogue_t        catalogue;
    cdr_alloc_t                  alloc;
} cdr_policy_t;


/* What a set of roles sees. */

typedef struct {
    uint32_t                     roles;     /* one set that sees this */
    uint64_t                     channels;  /* that it may subscribe */
    unsigned                     nclasses;  /* of event types */
    uint32_t                     classes[];
} cdr_view_t;


/*
 * Checks what is configured: CDR_OK, or CDR_ERROR with "err" filled (more than
 * CDR_POLICY_MAX_..., a name empty, longer than CDR_EVENT_MAX_NAME or there
 * twice, a path or role that cannot be one, a path to what is no field, more
 * than CDR_MASK_RULES sets of roles that something is hidden from in an event,
 * a channel's index out of range).  A role is 1 to 255 bytes of UTF-8 without
 * comma, space or control character.
 */
int cdr_policy_check(const cdr_policy_conf_t *conf, cdr_policy_error_t *err);

/* Whether these bytes can be a role: 1 to 255 as said above. */
bool cdr_policy_role_valid(cdr_str_t name);

/*
 * Packs what was checked and returns the bytes; with "dst" NULL only counts
 * them.  The same configuration gives the same bytes, and they hold no
 * address, so blocks can be compared.
 */
size_t cdr_policy_pack(uint8_t *dst, const cdr_policy_conf_t *conf);

/*
 * The policy of a block, of which nothing is used afterwards.  NULL if there
 * is no memory, or if the block is not one (any bytes are safe to give).
 */
cdr_policy_t *cdr_policy_new(const uint8_t *block, size_t len,
    const cdr_alloc_t *alloc);
void cdr_policy_del(cdr_policy_t *policy);

/* Whether a policy was made of these bytes. */
bool cdr_policy_is(const cdr_policy_t *policy, const uint8_t *block,
    size_t len);

/*
 * The bits of those of the comma-joined roles that the hub names.  A role that
 * it does not name has none, and sees what everyone sees.
 */
uint32_t cdr_policy_roles(const cdr_policy_t *policy, cdr_str_t roles);

/* The index of a channel, or CDR_POLICY_MAX_CHANNELS. */
unsigned cdr_policy_channel(const cdr_policy_t *policy, cdr_str_t name);

/*
 * Bytes of a view of this policy; what these roles see; and whether two views
 * are of the same things, which makes sense for views of one policy.  An event
 * is seen by those who may subscribe its channel and have one of its own
 * roles, if it has any.
 */
size_t cdr_view_size(const cdr_policy_t *policy);
void cdr_view_init(cdr_view_t *view, const cdr_policy_t *policy,
    uint32_t roles);
bool cdr_view_eq(const cdr_view_t *a, const cdr_view_t *b);


#endif /* CDR_POLICY_H_INCLUDED */
