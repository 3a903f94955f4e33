/*
 * Guests: the reviewers of the hub's other servers, as these tell of them.
 *
 * Each server tells the others what its own connections make of a reviewer:
 * one guest for each server and reviewer.  In the table of reviewers
 * (cdr_presence.h) a guest is like a connection: the reviewer is there while
 * it has either, and what is told of it is what the one of them said that said
 * something last, on whatever server.
 *
 * One process writes guests.  A fixed table in shared memory, under the
 * caller's mutex.  Which guests there are, and what each says, is primary; what
 * links them to reviewers is made anew by cdr_presence_repair().  A guest that
 * was being written when its writer died is dropped: the next writer reads all
 * of every server again.
 */

#ifndef CDR_GUEST_H_INCLUDED
#define CDR_GUEST_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_presence.h"


#define CDR_GUEST_VERSION    1
#define CDR_GUEST_SERVERS    256            /* others that are known at once */
#define CDR_GUEST_LABEL_MAX  255


typedef struct cdr_guest_shm_s     cdr_guest_shm_t;
typedef struct cdr_guest_server_s  cdr_guest_server_t;
typedef struct cdr_guest_head_s    cdr_guest_head_t;
typedef struct cdr_guest_entry_s   cdr_guest_entry_t;


/* A process's handle. */

struct cdr_guest_s {
    cdr_guest_shm_t      *shm;
    cdr_guest_server_t   *servers;
    cdr_guest_head_t     *heads;            /* of reviewers, by index */
    uint32_t             *block_next;
    uint8_t              *blocks;
    cdr_guest_entry_t    *entries;
    uint32_t              n;
    uint32_t              nblocks;
    cdr_presence_t       *presence;
};


/* What a server says of one of its reviewers. */

typedef struct {
    cdr_str_t             id;
    bool                  anonymous;
    cdr_status_t          status;
    cdr_str_t             role;
    cdr_str_t             feature;
    uint32_t              connections;      /* 0: it is leaving there */
    bool                  spoke;            /* has it said something? */
    uint64_t              said_ms;          /* when, or when it came */
    uint64_t              connected_ms;     /* since when it is there */
    uint8_t               connection[CDR_CONN_ID_LEN];
                                            /* the last one that changed it */
} cdr_guest_info_t;


/* What is known of a server; the label points into the table. */

typedef struct {
    uint64_t              server;
    uint64_t              boot;             /* of its life */
    uint64_t              version;          /* of what was read; 0: nothing,
                                               or not all of it */
    uint64_t              seen_ms;          /* its last sign of life */
    uint32_t              guests;
    bool                  stale;
    cdr_str_t             label;
} cdr_guest_peer_t;


typedef struct {
    uint32_t              guests;
    uint32_t              entries;
    uint32_t              servers;
} cdr_guest_fill_t;


/*
 * Bytes for "nguests" guests beside a table of reviewers that was made for
 * "nconns" and as many of them; 0 if out of range.  And the share of one more
 * guest, where there are as many as connections:
 * cdr_guest_size(n, n) <= cdr_guest_overhead() + n * bytes_per_guest().
 */

size_t cdr_guest_size(uint32_t nconns, uint32_t nguests);
size_t cdr_guest_bytes_per_guest(void);
size_t cdr_guest_overhead(void);

/* At "mem", aligned to 64; entries are not touched before their first use. */

int cdr_guest_init(void *mem, uint32_t nconns, uint32_t nguests);

/*
 * To the table of reviewers of the same zone, which has its guests from then
 * on.  CDR_OK; CDR_DECLINED: no table, or of another version; CDR_ERROR: too
 * small, or made for other numbers.
 */

int cdr_guest_attach(cdr_guest_t *g, cdr_presence_t *presence, void *mem,
    size_t size);

/* The id of this server: equal times are ordered by it, everywhere alike. */

void cdr_guest_self(cdr_guest_t *g, uint64_t server);


/*
 * Under the mutex, all of the following.
 *
 * The index of a server: CDR_OK; CDR_DECLINED if it is not known.  The same,
 * and it is made if it is not there, with nothing read yet: CDR_FULL if there
 * are too many.  It has that label from then on; a longer one is cut.
 */

int cdr_guest_find(const cdr_guest_t *g, uint64_t server, uint32_t *index);
int cdr_guest_server(cdr_guest_t *g, uint64_t server, cdr_str_t label,
    uint32_t *index);

/* CDR_OK; CDR_DECLINED if there is none.  For all: from 0 on, *index moves. */

int cdr_guest_peer(const cdr_guest_t *g, uint32_t index,
    cdr_guest_peer_t *peer);
int cdr_guest_next(const cdr_guest_t *g, uint32_t *index,
    cdr_guest_peer_t *peer);

void cdr_guest_set_version(cdr_guest_t *g, uint32_t index, uint64_t boot,
    uint64_t version);
void cdr_guest_seen(cdr_guest_t *g, uint32_t index, uint64_t now_ms);

/* What is told of its reviewers is as last known, or is true again. */

void cdr_guest_stale(cdr_guest_t *g, uint32_t index, bool stale);

/* It is not known any more.  It has no guests left, see cdr_guest_sweep(). */

void cdr_guest_forget(cdr_guest_t *g, uint32_t index);


/*
 * A guest of a server comes, or says something else.  CDR_OK; CDR_DECLINED if
 * nothing is new; CDR_FULL if there is no room for it, or for all of its
 * strings (role or feature are left out then); CDR_TOOBIG if one is too long,
 * or the id is empty; CDR_ERROR if links are wrong and want
 * cdr_presence_repair().
 */

int cdr_guest_put(cdr_guest_t *g, uint32_t index,
    const cdr_guest_info_t *info, uint64_t now_ms);

/*
 * A guest leaves.  If nothing is left of its reviewer, that one leaves at
 * "due_ms", but at once if the guest was leaving already on its own server.
 * CDR_OK; CDR_DECLINED if there is none; CDR_ERROR as above.
 */

int cdr_guest_remove(cdr_guest_t *g, uint32_t index, cdr_str_t id,
    bool anonymous, uint64_t now_ms, uint64_t due_ms);

/*
 * All of a server is read anew: begin, then cdr_guest_put() for each, then
 * sweep, from a cursor of 0 on, until it returns CDR_OK: those that were not
 * put leave, at "due_ms" as above.  Looks at no more than "max" entries, and
 * returns CDR_AGAIN then; CDR_ERROR as above.  Begin and sweep alone: all of
 * them leave.
 */

void cdr_guest_begin(cdr_guest_t *g, uint32_t index);
int cdr_guest_sweep(cdr_guest_t *g, uint32_t index, uint32_t *cursor,
    uint32_t max, uint64_t now_ms, uint64_t due_ms);

void cdr_guest_fill(const cdr_guest_t *g, cdr_guest_fill_t *fill);


/*
 * What this server tells the others of a reviewer, by its index in the table
 * of reviewers; strings point into the tables.  CDR_OK; CDR_DECLINED if it is
 * none of this server's.
 */

int cdr_guest_own(const cdr_presence_t *p, uint32_t reviewer,
    cdr_guest_info_t *info);

/*
 * The time at which a connection that is about to say something says it: now,
 * but later than what is told of its reviewer, whatever the clocks of other
 * servers are.
 */

uint64_t cdr_guest_time(const cdr_presence_t *p, uint32_t conn,
    uint64_t now_ms);


#endif /* CDR_GUEST_H_INCLUDED */
