/* Inside the table of reviewers: its layout, and what its files share. */

#ifndef CDR_PRESENCE_SHM_H_INCLUDED
#define CDR_PRESENCE_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_presence.h"
#include "cdr_siphash.h"


#define CDR_REVIEWER_INLINE     128     /* string bytes in an entry */
#define CDR_REVIEWER_BLOCK      640     /* string bytes in a block */
#define CDR_REVIEWER_PER_BLOCK  8       /* connections to one block */

#define CDR_PRESENCE_TAKEN      UINT32_MAX      /* in block_next */

#define CDR_PRESENCE_SLOTS      128     /* of those who leave */
#define CDR_PRESENCE_SLOT_MS    256


typedef enum {
    CDR_REVIEWER_FREE = 0,
    CDR_REVIEWER_LIVE,
    CDR_REVIEWER_LEAVING,               /* has no connection left */
    CDR_REVIEWER_OFFLINE
} cdr_reviewer_state_t;


/* Links are numbers + 1, and 0 for none. */

typedef struct {
    uint32_t              prev;
    uint32_t              next;
} cdr_chain_t;


typedef struct {
    uint32_t              first;
    uint32_t              last;
} cdr_chain_ends_t;


/* Chains of one kind: where the links of the first element are. */

typedef struct {
    uint8_t              *base;
    size_t                stride;
    uint32_t              n;
} cdr_chains_t;


/* Of a connection, by its index in the registry. */

struct cdr_presence_link_s {
    uint32_t              reviewer;     /* 0: it is in none */
    uint32_t              stamp;        /* of the version at which it said
                                           something; 0: it has not */
    cdr_chain_t           chain;
};


/*
 * Primary are the state, the times, and the strings of those who have no
 * connection.  "text" says where the strings are and how long: one store.
 * What is being changed is "open".
 */

struct cdr_reviewer_entry_s {
    _Atomic uint32_t      state;        /* cdr_reviewer_state_t */
    uint32_t              next;         /* by id, or in the free list */
    cdr_chain_t           order;        /* by version */
    cdr_chain_t           due;          /* among those who leave */
    cdr_chain_ends_t      conns;        /* who said something last, first */
    uint32_t              said;         /* the last of these who did */
    uint32_t              connections;

    uint64_t              version;
    uint64_t              joined;
    uint64_t              connected_ms;
    uint64_t              updated_ms;
    uint64_t              seen_ms;      /* of who has no connection */
    uint64_t              due_ms;       /* when it will be offline */
    _Atomic uint64_t      text;

    uint8_t               connection[CDR_CONN_ID_LEN];
    _Atomic uint8_t       open;
    uint8_t               status;       /* before it was offline */
    uint8_t               anonymous;
    uint8_t               slot;         /* while it leaves */

    uint8_t               strings[CDR_REVIEWER_INLINE];
};


/*
 * Entries at "high" and above were never used and their memory never
 * touched, and so it is with the links.
 */

struct cdr_presence_shm_s {
    _Alignas(64)
    _Atomic uint32_t      magic;
    uint32_t              version;      /* of the layout */
    uint32_t              nconns;
    uint32_t              high;
    uint32_t              links;        /* "high" of these */
    uint32_t              free;
    uint32_t              block_free;
    uint32_t              live;
    uint32_t              leaving;
    uint32_t              offline;
    _Atomic uint64_t      last;         /* version */
    uint64_t              forgotten;    /* highest version that was */
    uint64_t              passed;       /* slot that expire has come to */
    uint32_t              nguests;
    uint8_t               key[CDR_SIPHASH_KEY_LEN];

    cdr_chain_ends_t      order[2];     /* not offline, offline: oldest
                                           version first */
    cdr_chain_ends_t      slots[CDR_PRESENCE_SLOTS];
};


/* "text" of an entry. */

#define cdr_text_id(text)       ((size_t) ((text) & 0xff))
#define cdr_text_role(text)     ((size_t) ((text) >> 8 & 0xff))
#define cdr_text_feature(text)  ((size_t) ((text) >> 16 & 0xff))
#define cdr_text_block(text)    ((uint32_t) ((text) >> 32))

#define cdr_text_size(text)                                                   \
    (cdr_text_id(text) + cdr_text_role(text) + cdr_text_feature(text))


/* cdr_presence_chain.c: links both ways, checked before they are followed */

cdr_chains_t cdr_presence_orders(const cdr_presence_t *p);
cdr_chains_t cdr_presence_dues(const cdr_presence_t *p);
cdr_chains_t cdr_presence_conns(const cdr_presence_t *p);

/* Puts it behind "after", 0: in front.  CDR_OK or CDR_ERROR. */

int cdr_chain_insert(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t self, uint32_t after);
int cdr_chain_remove(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    uint32_t self);

/* Sorts upwards what is linked by "next" alone. */

typedef uint64_t (*cdr_chain_key_pt)(const cdr_presence_t *p, uint32_t link);

void cdr_chain_sort(const cdr_chains_t *c, cdr_chain_ends_t *ends,
    const cdr_presence_t *p, cdr_chain_key_pt key);


/* cdr_presence_entry.c: entries by id, their strings, their blocks */

typedef struct {
    cdr_str_t             id;
    bool                  anonymous;
    uint8_t               text[CDR_CONN_ID_TEXT_LEN];
} cdr_reviewer_name_t;

/* Whose connection it is, as the registry says. */

void cdr_reviewer_name(const cdr_presence_t *p, uint32_t conn,
    cdr_reviewer_name_t *name);

/* CDR_OK, CDR_DECLINED or CDR_ERROR. */

int cdr_reviewer_find(const cdr_presence_t *p, cdr_str_t id, bool anonymous,
    cdr_reviewer_entry_t **found);

/*
 * A free entry with that name, in no list yet: CDR_OK, CDR_FULL or CDR_ERROR.
 * And into the index, and out of it into the free list.
 */

int cdr_reviewer_take(cdr_presence_t *p, const cdr_reviewer_name_t *name,
    cdr_reviewer_entry_t **found);
void cdr_reviewer_index(cdr_presence_t *p, cdr_reviewer_entry_t *e);
int cdr_reviewer_free(cdr_presence_t *p, cdr_reviewer_entry_t *e);

/*
 * What is to be told of a reviewer: by the newest of its connections and of
 * its guests.  CDR_OK; CDR_DECLINED if it has none; CDR_ERROR.
 */

typedef struct {
    unsigned              status;
    unsigned              server;       /* index + 1; 0: this one */
    cdr_str_t             role;
    cdr_str_t             feature;
    const uint8_t        *connection;
} cdr_reviewer_says_t;

int cdr_reviewer_says(const cdr_presence_t *p, const cdr_reviewer_entry_t *e,
    cdr_reviewer_says_t *says);

/*
 * Writes it into an entry that is open: CDR_OK; CDR_FULL if there was no
 * block, and role or feature are left out; CDR_ERROR.
 */

int cdr_reviewer_tell(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const cdr_reviewer_says_t *says);

/* Does it say that? */

bool cdr_reviewer_tells(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e, const cdr_reviewer_says_t *says);

/* Can "text" be true? */

bool cdr_reviewer_text_valid(const cdr_presence_t *p, uint64_t text);

const uint8_t *cdr_reviewer_text(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);

/* On all servers. */

uint32_t cdr_reviewer_connections(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);

/* Has it said anything, according to the registry? */

bool cdr_reviewer_spoke(const cdr_presence_t *p, uint32_t conn);


/* cdr_presence.c */

/*
 * The reviewer of that name, a new one if there is none, in place of another
 * if need be: CDR_OK, CDR_FULL or CDR_ERROR.
 */

int cdr_reviewer_obtain(cdr_presence_t *p, const cdr_reviewer_name_t *name,
    uint64_t now_ms, cdr_reviewer_entry_t **found);

/* It has a connection or a guest: whatever it was before, now it is there. */

int cdr_reviewer_arrive(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms);

/* It has lost one, and leaves if that was the last. */

int cdr_reviewer_lose(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const uint8_t *id, uint64_t now_ms, uint64_t due_ms);

/* What is to be told of it, as a change by the one with "id". */

int cdr_reviewer_change(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    const uint8_t *id, uint64_t now_ms);

/* The next version for an entry, which is put at the end of its order. */

int cdr_reviewer_order(cdr_presence_t *p, cdr_reviewer_entry_t *e,
    uint64_t now_ms);


/* cdr_presence_expire.c: among those who leave, and out of them */

int cdr_reviewer_due(cdr_presence_t *p, cdr_reviewer_entry_t *e);
int cdr_reviewer_undue(cdr_presence_t *p, cdr_reviewer_entry_t *e);

/* Makes room for one more: CDR_OK, CDR_FULL or CDR_ERROR. */

int cdr_reviewer_recycle(cdr_presence_t *p, uint64_t now_ms);


static inline uint32_t
cdr_reviewer_link(const cdr_presence_t *p, const cdr_reviewer_entry_t *e)
{
    return (uint32_t) (e - p->entries) + 1;
}


static inline uint32_t
cdr_presence_high(const cdr_presence_t *p)
{
    return p->shm->high < p->n ? p->shm->high : p->n;
}


/* NULL if there is none, or cannot be. */

static inline cdr_reviewer_entry_t *
cdr_presence_entry(const cdr_presence_t *p, uint32_t link)
{
    return (link && link <= cdr_presence_high(p)) ? &p->entries[link - 1]
                                                  : NULL;
}


static inline uint32_t
cdr_reviewer_state(const cdr_reviewer_entry_t *e)
{
    return atomic_load_explicit(&e->state, memory_order_relaxed);
}


static inline void
cdr_reviewer_set_state(cdr_reviewer_entry_t *e, uint32_t state)
{
    atomic_store_explicit(&e->state, state, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}


/* A kill between the two leaves what repair is to look at. */

static inline void
cdr_reviewer_open(cdr_reviewer_entry_t *e)
{
    atomic_store_explicit(&e->open, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}


static inline void
cdr_reviewer_close(cdr_reviewer_entry_t *e)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&e->open, 0, memory_order_relaxed);
}


#endif /* CDR_PRESENCE_SHM_H_INCLUDED */
