/*
 * Reviewers as JSON: the objects of GET /presence, and the messages that tell
 * of them.
 *
 * Functions write to "dst" and return the length; with "dst" NULL they only
 * return the length, which is exact.  Times are Unix milliseconds.  What is
 * not known is null: the user of a connection without one, a role, a feature.
 */

#ifndef CDR_PRESENCE_JSON_H_INCLUDED
#define CDR_PRESENCE_JSON_H_INCLUDED


#include "cdr.h"
#include "cdr_mask.h"
#include "cdr_presence.h"


/* What may be hidden of a reviewer.  X(symbol, name) */

#define CDR_REVIEWER_FIELDS(X)                                                \
    X(CDR_REVIEWER_ID,           "reviewerId")                                \
    X(CDR_REVIEWER_CONNECTION,   "connectionId")                              \
    X(CDR_REVIEWER_USER,         "userId")                                    \
    X(CDR_REVIEWER_ROLE,         "role")                                      \
    X(CDR_REVIEWER_STATUS,       "status")                                    \
    X(CDR_REVIEWER_FEATURE,      "currentFeature")                            \
    X(CDR_REVIEWER_CONNECTED,    "connectedAt")                               \
    X(CDR_REVIEWER_SEEN,         "lastSeen")                                  \
    X(CDR_REVIEWER_CONNECTIONS,  "connections")                               \
    X(CDR_REVIEWER_SERVER,       "server")                                    \
    X(CDR_REVIEWER_STALE,        "stale")

#define CDR_X_REVIEWER_ENUM(symbol, name)  symbol,

enum { CDR_REVIEWER_FIELDS(CDR_X_REVIEWER_ENUM) CDR_REVIEWER_FIELDS_N };

#define cdr_reviewer_hides(hidden, field)  ((hidden) >> (field) & 1)


/* A bound of an object and of an update of it, whatever the strings are. */

#define CDR_REVIEWER_JSON_MAX                                                 \
    (1024 + 6 * (2 * CDR_REVIEWER_ID_MAX + CDR_CONN_ROLE_MAX                  \
                 + CDR_CONN_FEATURE_MAX + 255))


/*
 * For whom it is written.  "hidden" has a bit for each field that is left out.
 * Where who it is is hidden, and "reviewerId" is not, that is a name made
 * under the secret "key" (CDR_SIPHASH_KEY_LEN bytes): one for each reviewer,
 * the same in all messages, and nobody's.
 */

typedef struct {
    uint32_t        hidden;
    cdr_str_t       server;         /* this one, at most 255 bytes */
    const uint8_t  *key;
} cdr_reviewer_view_t;


/*
 * The fields that a class of an event type hides, by the tree of the type's
 * paths; NULL hides none.
 */

uint32_t cdr_reviewer_hidden(const cdr_mask_t *mask, uint32_t rules);

/*
 * {"reviewerId":...,"userId":...,"role":...,"status":...,"currentFeature":...,
 * "connectedAt":...,"lastSeen":...,"connections":...,"server":...}, and
 * "stale" where it is true.
 */

size_t cdr_reviewer_object(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r);

/* The message "presence-update"; its connection is the one that changed it. */

size_t cdr_reviewer_update(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r);

/* The id as a JSON string; nothing where it is hidden. */

size_t cdr_reviewer_left(uint8_t *dst, const cdr_reviewer_view_t *view,
    const cdr_reviewer_t *r);

/* The name of a status CDR_STATUS_..., and the reverse, or CDR_DECLINED. */

cdr_str_t cdr_status_name(unsigned status);
int cdr_status_parse(cdr_str_t name, cdr_status_t *status);


/*
 * The messages "presence-list" and "presence-diff", and the answer to GET
 * /presence, around what was written before: the insides of their arrays.
 * "cursor" is left out where its data is NULL.
 */

size_t cdr_presence_list(uint8_t *dst, cdr_str_t reviewers, uint64_t total,
    bool truncated, uint64_t timestamp);
size_t cdr_presence_diff(uint8_t *dst, cdr_str_t joined, cdr_str_t changed,
    cdr_str_t left, uint64_t timestamp);
size_t cdr_presence_answer(uint8_t *dst, cdr_str_t reviewers, uint64_t count,
    uint64_t total, cdr_str_t cursor);


#endif /* CDR_PRESENCE_JSON_H_INCLUDED */
