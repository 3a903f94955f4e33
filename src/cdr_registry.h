/*
 * The registry of connections: one fixed entry in shared memory for each
 * connection of the server, the source of truth for presence, limits and
 * administration.
 *
 * An entry is primary, and live by a single store of its state.  The chains
 * by id, the free lists and the live count are derived and can be rebuilt.
 * Everything that changes an entry runs under the caller's mutex and inside
 * an odd "version" of the entry, so that readers without the lock can tell a
 * torn copy.  Fields marked "owner" are changed by the owning process alone,
 * without the lock.
 *
 * Strings lie packed inside the entry; where they are too long for it, all of
 * an entry's strings lie in a block of a common pool.
 *
 * Functions that follow links check every index and never take more steps
 * than there are entries; on a wrong link they return CDR_ERROR and want
 * cdr_registry_repair().
 */

#ifndef CDR_REGISTRY_H_INCLUDED
#define CDR_REGISTRY_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_rate.h"


#define CDR_REGISTRY_VERSION      2
#define CDR_REGISTRY_ENTRIES_MAX  (1U << 26)

#define CDR_CONN_ID_LEN           12        /* random bytes */
#define CDR_CONN_ID_TEXT_LEN      21        /* "conn_" and base64url of them */

#define CDR_CONN_USER_MAX         255
#define CDR_CONN_ROLE_MAX         255
#define CDR_CONN_FEATURE_MAX      128
#define CDR_CONN_ADDRESS_MAX      64
#define CDR_CONN_STRINGS_MAX      (CDR_CONN_USER_MAX + CDR_CONN_ROLE_MAX      \
                                   + CDR_CONN_FEATURE_MAX                     \
                                   + CDR_CONN_ADDRESS_MAX)

#define CDR_CONN_INLINE           144       /* string bytes in an entry */
#define CDR_CONN_BLOCK            704       /* string bytes in a block */
#define CDR_CONN_PER_BLOCK        8         /* entries to one block */

#define CDR_CONN_LAST             UINT32_MAX

/* In "flags"; the low 24 bits are the caller's. */
#define CDR_CONN_TORN             0x80000000U   /* its writer was killed: no
                                                   string or role is left */


typedef enum {
    CDR_CONN_FREE = 0,
    CDR_CONN_LIVE
} cdr_conn_state_t;


typedef enum {
    CDR_CONN_NATIVE = 0,
    CDR_CONN_ECHO,
    CDR_CONN_SOCKETIO
} cdr_conn_protocol_t;


typedef enum {
    CDR_STATUS_ONLINE = 0,
    CDR_STATUS_AWAY,
    CDR_STATUS_BUSY,
    CDR_STATUS_OFFLINE
} cdr_status_t;


/* The order of the strings in an entry. */

enum {
    CDR_CONN_USER = 0,
    CDR_CONN_ROLE,
    CDR_CONN_FEATURE,
    CDR_CONN_ADDRESS,
    CDR_CONN_STRINGS
};


typedef struct {
    uint16_t              slot;
    int32_t               pid;
    uint32_t              incarnation;
} cdr_conn_owner_t;


typedef struct {
    cdr_str_t             user;
    cdr_str_t             role;
    uint32_t              roles;            /* bit mask */
    uint64_t              expires_s;        /* of the token; 0: never */
    uint64_t              jti[2];           /* hash; 0, 0: none */
    uint64_t              user_key;         /* counter key; 0: not counted */
} cdr_conn_identity_t;


/* What cdr_registry_add() is told. */

typedef struct {
    uint8_t               id[CDR_CONN_ID_LEN];
    cdr_conn_owner_t      owner;
    uint64_t              connected_ms;
    uint8_t               family;           /* the caller's constants */
    uint8_t               addr[16];
    uint16_t              port;
    cdr_str_t             address;          /* text */
    uint64_t              conn_key;         /* counter key; 0: not counted */
    uint32_t              flags;
    uint32_t              backend;          /* the caller's */
    cdr_status_t          status;
    cdr_str_t             feature;
    cdr_conn_identity_t   identity;
} cdr_conn_info_t;


/* The part of an entry that readers copy. */

typedef struct {
    uint64_t              connected_ms;
    uint64_t              updated_ms;       /* of presence */
    uint64_t              expires_s;
    uint64_t              conn_key;
    uint64_t              user_key;
    uint64_t              jti[2];
    uint8_t               addr[16];
    uint8_t               id[CDR_CONN_ID_LEN];
    uint32_t              roles;
    uint32_t              flags;
    cdr_conn_owner_t      owner;
    uint32_t              block;            /* number + 1; 0: inline */
    uint16_t              port;
    uint8_t               family;
    uint8_t               status;           /* cdr_status_t */
    uint8_t               len[CDR_CONN_STRINGS];
    uint32_t              backend;
} cdr_conn_t;


/* What only the owner of a connection knows, as it was when it last told. */

typedef struct {
    uint64_t              messages_in;
    uint64_t              messages_out;
    uint64_t              bytes_in;
    uint64_t              bytes_out;
    uint32_t              queue_bytes;
    uint32_t              queue_messages;
    uint32_t              rate_in;          /* messages in 1000 seconds */
    uint32_t              rate_out;
    uint32_t              latency;          /* ms of the last ping, and 1;
                                               0: not known */
    uint16_t              channels;         /* subscribed */
    uint8_t               protocol;         /* cdr_conn_protocol_t */
    uint8_t               draining;
} cdr_conn_look_t;


typedef struct {
    _Alignas(64)
    _Atomic uint32_t      state;            /* cdr_conn_state_t */
    _Atomic uint32_t      version;          /* odd while being written */
    _Atomic uint32_t      generation;       /* one more with every use */
    uint32_t              next;             /* by id, or in the free list */

    cdr_conn_t            conn;

    cdr_rate_t            rate;                         /* owner */
    _Atomic uint64_t      seen_ms;                      /* owner */
    uint64_t              session;          /* owner: what it likes */

    cdr_conn_look_t       look;
    _Atomic uint32_t      looks;            /* how often it was told */
    uint32_t              asked;            /* the next whose owner is asked,
                                               + 1, or CDR_CONN_LAST; 0: it
                                               is not */

    uint8_t               strings[CDR_CONN_INLINE];
} cdr_registry_entry_t;


/* A consistent copy of an entry; the strings point into "text". */

typedef struct {
    uint32_t              index;
    uint32_t              generation;
    cdr_conn_t            conn;
    uint64_t              seen_ms;
    cdr_conn_look_t       look;             /* whole under the mutex only */
    cdr_str_t             str[CDR_CONN_STRINGS];
    uint8_t               text[CDR_CONN_STRINGS_MAX];
} cdr_conn_copy_t;


typedef struct {
    uint32_t              live;
    uint32_t              entries;
    uint32_t              blocks;           /* taken */
    uint32_t              blocks_max;
} cdr_registry_fill_t;


typedef struct cdr_registry_shm_s  cdr_registry_shm_t;


typedef struct {
    cdr_registry_shm_t   *shm;
    uint32_t             *buckets;
    uint32_t             *block_next;
    uint8_t              *blocks;
    cdr_registry_entry_t *entries;
    uint32_t              n;
    uint32_t              nblocks;
} cdr_registry_t;


/*
 * Called for a dead owner's connection while it is still live, under the
 * mutex: the place to take it out of counters and sessions.
 */

typedef void (*cdr_registry_release_pt)(void *ctx, uint32_t index,
    const cdr_registry_entry_t *e);


/*
 * Bytes for "n" entries, 0 if out of range; and the share of one entry, all
 * tables included, rounded up, for the question how many fit:
 * cdr_registry_size(n) <= cdr_registry_overhead() + n * bytes_per_entry().
 */

size_t cdr_registry_size(uint32_t n);
size_t cdr_registry_bytes_per_entry(void);
size_t cdr_registry_overhead(void);

/*
 * Lays an empty registry out in cdr_registry_size() bytes at "mem", aligned
 * to 64.  Entries are not touched before their first use.  CDR_OK or
 * CDR_ERROR (n out of range).
 */

int cdr_registry_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there is no registry or one of another version;
 * CDR_ERROR if it does not fit in "size".
 */

int cdr_registry_attach(cdr_registry_t *r, void *mem, size_t size);

/*
 * Under the mutex, after a holder died: rebuilds what is derived, in O(n).
 * An entry in the middle of a change loses its strings and roles and is
 * marked CDR_CONN_TORN; its owner is the one who died.
 */

void cdr_registry_repair(cdr_registry_t *r);


/*
 * Under the mutex, all of the following.
 *
 * Adds a connection: CDR_OK, with its index and generation; CDR_FULL if there
 * is no entry, or no block for its strings; CDR_TOOBIG if a string is too
 * long; CDR_ERROR.
 */

int cdr_registry_add(cdr_registry_t *r, const cdr_conn_info_t *info,
    uint32_t *index, uint32_t *generation);

/* CDR_OK; CDR_DECLINED if that connection is not there; CDR_ERROR. */

int cdr_registry_remove(cdr_registry_t *r, uint32_t index,
    uint32_t generation);

/*
 * Replaces the identity.  The caller moves the count from the old user_key to
 * the new one.  CDR_OK; on CDR_DECLINED, CDR_TOOBIG, CDR_FULL (no block for
 * the strings) and CDR_ERROR nothing is changed.
 */

int cdr_registry_set_identity(cdr_registry_t *r, uint32_t index,
    uint32_t generation, const cdr_conn_identity_t *identity);

/* Replaces presence: status, feature and updated_ms.  Returns as above. */

int cdr_registry_set_feature(cdr_registry_t *r, uint32_t index,
    uint32_t generation, cdr_status_t status, cdr_str_t feature,
    uint64_t now_ms);

/* Replaces the flags that are the caller's.  CDR_OK or CDR_DECLINED. */

int cdr_registry_set_flags(cdr_registry_t *r, uint32_t index,
    uint32_t generation, uint32_t flags);

/* By id, in O(1): CDR_OK with index and generation; CDR_DECLINED; CDR_ERROR. */

int cdr_registry_find(cdr_registry_t *r, const uint8_t id[CDR_CONN_ID_LEN],
    uint32_t *index, uint32_t *generation);

/*
 * Gives back the connections of a dead owner: all of "slot" whose incarnation
 * is "incarnation" or an earlier one.  Looks at no more than "budget" entries
 * from *cursor on, which is 0 at the first call.  CDR_OK when done (the
 * cursor is 0 again), CDR_AGAIN when there is more to look at, CDR_ERROR.
 */

int cdr_registry_release_owner(cdr_registry_t *r, uint16_t slot,
    uint32_t incarnation, uint32_t *cursor, uint32_t budget,
    cdr_registry_release_pt release, void *ctx);

/*
 * Who wants to know of a connection what only its owner does puts it on the
 * owner's list, whose head is the caller's and 0 in the beginning; the owner
 * takes one after the other, and tells.  What an owner that is gone left on
 * its list is to be taken for it.  A connection in the place of one that ended
 * is asked about once the list of that one was taken: whoever asks waits only
 * for so long.
 *
 * cdr_registry_ask() returns CDR_OK, also if it is on a list, or CDR_DECLINED
 * if that connection is not there; cdr_registry_asked() the index of one that
 * may have ended since, or UINT32_MAX.
 */

int cdr_registry_ask(cdr_registry_t *r, uint32_t index, uint32_t generation,
    _Atomic uint32_t *head);
uint32_t cdr_registry_asked(cdr_registry_t *r, _Atomic uint32_t *head);
void cdr_registry_tell(cdr_registry_t *r, uint32_t index,
    uint32_t generation, const cdr_conn_look_t *look);


/*
 * Without the lock, all of the following.
 *
 * The entry for its owner's own fields, and for reading under the mutex; NULL
 * if there is no such index.  A string of an entry, under the mutex.
 */

cdr_registry_entry_t *cdr_registry_entry(const cdr_registry_t *r,
    uint32_t index);
cdr_str_t cdr_registry_string(const cdr_registry_t *r, uint32_t index,
    unsigned which);

/*
 * A consistent copy.  CDR_OK; CDR_DECLINED if there is no live connection at
 * this index; CDR_AGAIN if it kept changing or its writer died: come back
 * later, or under the mutex.
 */

int cdr_registry_snapshot(const cdr_registry_t *r, uint32_t index,
    cdr_conn_copy_t *copy);

/*
 * Iterates: the index of the first live entry at or above "index", or
 * UINT32_MAX.  What comes and goes meanwhile may be seen or not.
 */

uint32_t cdr_registry_next(const cdr_registry_t *r, uint32_t index);

uint32_t cdr_registry_live(const cdr_registry_t *r);

/*
 * Whether that connection has ended, or its owner has told of it since "looks"
 * was read from its entry.
 */

bool cdr_registry_told(const cdr_registry_t *r, uint32_t index,
    uint32_t generation, uint32_t looks);

void cdr_registry_fill(const cdr_registry_t *r, cdr_registry_fill_t *fill);


/* The text of an id, CDR_CONN_ID_TEXT_LEN bytes without a NUL. */

void cdr_conn_id_print(uint8_t *dst, const uint8_t id[CDR_CONN_ID_LEN]);

/* CDR_OK or CDR_ERROR; accepts only what cdr_conn_id_print() prints. */

int cdr_conn_id_parse(uint8_t id[CDR_CONN_ID_LEN], const uint8_t *data,
    size_t len);


#endif /* CDR_REGISTRY_H_INCLUDED */
