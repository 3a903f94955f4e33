/*
 * Who is there: reviewers, each with the connections that are theirs, in one
 * fixed table in shared memory beside the registry.
 *
 * A reviewer is a user, or a connection without one.  What is told of a
 * reviewer is what the one of its connections said that said something last;
 * when that one ends, it is what the newest of the remaining ones said.  When
 * the last one has ended the reviewer stays as it was until a time that the
 * caller gives, and is offline from then on, until it is forgotten.
 *
 * Every change gives the reviewer the next version, and the reviewers are
 * linked in the order of their versions.  So whoever knows what was at some
 * version finds all that differs by looking at those above it, each once and
 * as it is now, however often it has changed: there is no queue that could
 * overflow.  The one thing that cannot be found this way is a reviewer that
 * was forgotten; a reader that had not seen it offline is told so and has to
 * begin anew.
 *
 * The registry is primary: which connections there are, and what each said.
 * The rest can be rebuilt from it, but for those who have no connection left.
 * What other servers tell of their reviewers counts like connections, where
 * there is a table of guests (cdr_guest.h).
 *
 * All of this but cdr_presence_version() runs under the caller's mutex.
 * Functions that follow links check every index and never take more steps
 * than there are entries.
 */

#ifndef CDR_PRESENCE_H_INCLUDED
#define CDR_PRESENCE_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_registry.h"


#define CDR_PRESENCE_VERSION     2
#define CDR_REVIEWER_ID_MAX      CDR_CONN_USER_MAX

#define CDR_PRESENCE_BATCH       256        /* reviewers read at once */
#define CDR_PRESENCE_TEXT        65536      /* bytes of their strings */


typedef struct cdr_presence_shm_s  cdr_presence_shm_t;
typedef struct cdr_reviewer_entry_s  cdr_reviewer_entry_t;
typedef struct cdr_presence_link_s  cdr_presence_link_t;
typedef struct cdr_guest_s  cdr_guest_t;


/* A process's handle; "registry" is that of the same zone. */

typedef struct {
    cdr_presence_shm_t    *shm;
    uint32_t              *buckets;
    cdr_presence_link_t   *links;           /* of connections, by index */
    uint32_t              *block_next;
    uint8_t               *blocks;
    cdr_reviewer_entry_t  *entries;
    uint32_t               n;
    uint32_t               nconns;
    uint32_t               nblocks;
    cdr_registry_t        *registry;
    cdr_guest_t           *guests;          /* NULL: there are none */
} cdr_presence_t;


/* A reviewer as it is; strings point into the batch. */

typedef struct {
    uint32_t               index;           /* its place while it is there */
    uint32_t               connections;     /* on all servers; 0: about to
                                               leave, or offline */
    uint64_t               version;         /* of the last change */
    uint64_t               joined;          /* the version it came with */
    uint64_t               connected_ms;    /* since when it is there */
    uint64_t               updated_ms;      /* last change */
    uint64_t               seen_ms;         /* last sign of life, or when it
                                               was gone */
    cdr_status_t           status;
    bool                   anonymous;       /* the id is a connection's */
    bool                   stale;           /* as last known */
    uint8_t                connection[CDR_CONN_ID_LEN];
                                            /* the last one that changed it */
    cdr_str_t              id;
    cdr_str_t              role;            /* len 0: none */
    cdr_str_t              feature;         /* len 0: none */
    cdr_str_t              server;          /* that told this of it; data
                                               NULL: this one */
} cdr_reviewer_t;


/* About 90 KB: one for a process. */

typedef struct {
    uint32_t               n;
    size_t                 used;
    cdr_reviewer_t         item[CDR_PRESENCE_BATCH];
    uint8_t                text[CDR_PRESENCE_TEXT];
} cdr_presence_batch_t;


/* How far a reader has come; begin with all 0. */

typedef struct {
    uint64_t               version;
    uint32_t               place[2];        /* only to find it sooner */
} cdr_presence_cursor_t;


typedef struct {
    uint32_t               live;            /* not offline */
    uint32_t               leaving;         /* of these, without connection */
    uint32_t               offline;
    uint32_t               entries;         /* of the table */
} cdr_presence_fill_t;


/*
 * Bytes for "nconns" connections (the registry's entries) and "nguests" guests,
 * 0 if out of range; there are a few more reviewers than both, for those who
 * have left.  cdr_presence_size(n, m) <= cdr_presence_overhead()
 * + n * bytes_per_conn() + m * bytes_per_guest().
 */

size_t cdr_presence_size(uint32_t nconns, uint32_t nguests);
size_t cdr_presence_bytes_per_conn(void);
size_t cdr_presence_bytes_per_guest(void);
size_t cdr_presence_overhead(void);

/* How many reviewers a table of so many has. */

uint32_t cdr_presence_reviewers(uint32_t nconns, uint32_t nguests);

/*
 * Lays an empty table out in cdr_presence_size() bytes at "mem", aligned to
 * 64; "key" is the secret of its hash, CDR_SIPHASH_KEY_LEN bytes.  Entries are
 * not touched before their first use.  CDR_OK or CDR_ERROR.
 */

int cdr_presence_init(void *mem, uint32_t nconns, uint32_t nguests,
    const uint8_t *key);

/* CDR_OK; CDR_DECLINED: no table or of another version; CDR_ERROR.  Guests
 * are attached to it then. */

int cdr_presence_attach(cdr_presence_t *p, cdr_registry_t *registry,
    void *mem, size_t size);

/*
 * After a holder died, and after cdr_registry_repair(): rebuilds all that is
 * derived.  Connections in the registry belong to their reviewers again, but
 * for those whose flags have "without" set; reviewers who have none left leave
 * at "due_ms".
 */

void cdr_presence_repair(cdr_presence_t *p, uint32_t without,
    uint64_t now_ms, uint64_t due_ms);


/*
 * All times are Unix milliseconds.
 *
 * A connection that is in the registry joins its reviewer: who, role, status
 * and feature are what the registry says.  CDR_OK; CDR_FULL if there is no
 * room for one more reviewer (then it is in none, and the functions below
 * return CDR_DECLINED for it); CDR_ERROR if links are wrong and want
 * cdr_presence_repair().
 */

int cdr_presence_join(cdr_presence_t *p, uint32_t conn, uint64_t now_ms);

/*
 * What the registry says of a connection has changed: status and feature.  It
 * becomes the newest of its reviewer's.  CDR_OK; CDR_FULL if there was no room
 * for its strings, and the feature, if need be the role, is left out;
 * CDR_DECLINED or CDR_ERROR.
 */

int cdr_presence_changed(cdr_presence_t *p, uint32_t conn, uint64_t now_ms);

/*
 * What the registry says of its role may have changed: told if it is the
 * newest of its reviewer's.  Returns as above.
 */

int cdr_presence_role(cdr_presence_t *p, uint32_t conn, uint64_t now_ms);

/*
 * What a user said who has no connection and is not offline yet: for the one
 * that comes back.  CDR_OK; CDR_DECLINED if there is no such user; CDR_ERROR.
 * The feature lies in the table.
 */

int cdr_presence_kept(const cdr_presence_t *p, cdr_str_t id,
    cdr_status_t *status, cdr_str_t *feature);

/*
 * A connection is about to leave the registry, and is still in it.  If it was
 * the last of its reviewer, that one leaves at "due_ms".  Returns as above.
 */

int cdr_presence_leave(cdr_presence_t *p, uint32_t conn, uint64_t now_ms,
    uint64_t due_ms);

/*
 * Makes those offline whose time to leave has come, *n of them, and forgets
 * those who have been offline since "forget_ms" or longer; at most "max" of
 * both.  CDR_OK; CDR_AGAIN if there were more; CDR_ERROR as above.
 */

int cdr_presence_expire(cdr_presence_t *p, uint64_t now_ms,
    uint64_t forget_ms, uint32_t max, uint32_t *n);


/* The version of the last change.  Without the lock. */

uint64_t cdr_presence_version(const cdr_presence_t *p);

/*
 * Reads the next reviewers above the cursor, in the order of their versions,
 * into an emptied batch, and moves the cursor over them.  CDR_OK (batch->n is
 * 0 at the end: the cursor's version is then cdr_presence_version());
 * CDR_DECLINED if one was forgotten that the cursor had not passed: begin anew
 * with cdr_presence_recent() and the cursor that cdr_presence_end() gives.
 */

int cdr_presence_changes(const cdr_presence_t *p,
    cdr_presence_cursor_t *cursor, cdr_presence_batch_t *batch);

void cdr_presence_end(const cdr_presence_t *p, cdr_presence_cursor_t *cursor);

/*
 * Reads reviewers who are not offline, the one that changed last first, into
 * an emptied batch.  "below" is UINT64_MAX at first, and becomes the version
 * of the last one read.  CDR_OK; CDR_DECLINED if there are no more.
 */

int cdr_presence_recent(const cdr_presence_t *p, uint64_t *below,
    cdr_presence_batch_t *batch);

/*
 * Reads all reviewers, the offline ones too, in the order of their index, into
 * an emptied batch; looks at no more than 4 * CDR_PRESENCE_BATCH entries from
 * *index on, and moves that.  CDR_OK; CDR_DECLINED if there are no more.
 */

int cdr_presence_scan(const cdr_presence_t *p, uint32_t *index,
    cdr_presence_batch_t *batch);

/* One reviewer by its id: CDR_OK, CDR_DECLINED or CDR_ERROR. */

int cdr_presence_get(const cdr_presence_t *p, cdr_str_t id, bool anonymous,
    cdr_presence_batch_t *batch);

void cdr_presence_fill(const cdr_presence_t *p, cdr_presence_fill_t *fill);


#endif /* CDR_PRESENCE_H_INCLUDED */
