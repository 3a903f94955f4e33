/* Inside the table of guests: its layout, and what its files share. */

#ifndef CDR_GUEST_SHM_H_INCLUDED
#define CDR_GUEST_SHM_H_INCLUDED


#include "cdr.h"
#include "cdr_guest.h"
#include "cdr_presence_shm.h"


#define CDR_GUEST_INLINE     96         /* string bytes in an entry */
#define CDR_GUEST_BLOCK      384        /* string bytes in a block */
#define CDR_GUEST_PER_BLOCK  8          /* guests to one block */


typedef enum {
    CDR_GUEST_FREE = 0,
    CDR_GUEST_LIVE
} cdr_guest_state_t;


struct cdr_guest_server_s {
    _Atomic uint32_t      state;        /* cdr_guest_state_t */
    uint32_t              pass;         /* of reading all of it */
    uint64_t              server;
    uint64_t              boot;
    uint64_t              version;
    uint64_t              seen_ms;
    uint32_t              guests;
    uint8_t               stale;
    uint8_t               len;
    uint8_t               label[CDR_GUEST_LABEL_MAX];
};


/* Of a reviewer, by its index. */

struct cdr_guest_head_s {
    cdr_chain_ends_t      guests;       /* the one that is told first */
    uint16_t              server;       /* index + 1 of the one whose guest is
                                           told of; 0: this one */
    uint16_t              own;          /* it leaves, or has left, as the last
                                           of its own connections ended */
};


/*
 * Primary are the state, the reviewer, the server, and what it says.  What is
 * being written is "open".
 */

struct cdr_guest_entry_s {
    _Atomic uint32_t      state;        /* cdr_guest_state_t */
    uint32_t              next;         /* in the free list */
    uint32_t              reviewer;     /* number + 1 */
    cdr_chain_t           chain;        /* of the same reviewer */
    uint32_t              connections;

    uint64_t              said_ms;
    uint64_t              connected_ms;
    uint64_t              text;         /* where the strings are, how long */

    uint32_t              pass;
    uint16_t              server;       /* index */
    uint8_t               status;
    uint8_t               spoke;
    _Atomic uint8_t       open;
    uint8_t               spare[3];
    uint8_t               connection[CDR_CONN_ID_LEN];

    uint8_t               strings[CDR_GUEST_INLINE];
};


struct cdr_guest_shm_s {
    _Alignas(64)
    _Atomic uint32_t      magic;
    uint32_t              version;      /* of the layout */
    uint32_t              nconns;
    uint32_t              n;
    uint32_t              high;
    uint32_t              free;
    uint32_t              block_free;
    uint32_t              guests;
    uint64_t              self;         /* this server */
};


/* "text" of a guest. */

#define cdr_guest_role(text)     ((size_t) ((text) & 0xff))
#define cdr_guest_feature(text)  ((size_t) ((text) >> 8 & 0xff))
#define cdr_guest_block(text)    ((uint32_t) ((text) >> 32))


/* cdr_guest_entry.c: entries, their strings, and the links to reviewers */

/* The one that is told of this reviewer, if any is; NULL: there is none. */

cdr_guest_entry_t *cdr_guest_first(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);

/*
 * How many connections its guests have; and the guest of a server, NULL if
 * there is none.
 */

uint32_t cdr_guest_connections(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);
cdr_guest_entry_t *cdr_guest_of(const cdr_guest_t *g,
    const cdr_reviewer_entry_t *e, uint32_t server);

/*
 * For who reads a reviewer: the label of the server whose guest is told of
 * (data NULL: none's); is it as last known; the last sign of life of its
 * guests' servers, 0 for none.
 */

cdr_str_t cdr_guest_label(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);
bool cdr_guest_stands(const cdr_presence_t *p, const cdr_reviewer_entry_t *e);
uint64_t cdr_guest_sign(const cdr_presence_t *p,
    const cdr_reviewer_entry_t *e);

/* What a guest says. */

void cdr_guest_says(const cdr_guest_t *g, const cdr_guest_entry_t *guest,
    cdr_reviewer_says_t *says);

/* Is what it says newer than what this connection of its reviewer says? */

bool cdr_guest_newer(const cdr_presence_t *p, const cdr_guest_entry_t *guest,
    uint32_t conn);

/* Into its place among those of its reviewer, and out: CDR_OK, CDR_ERROR. */

int cdr_guest_link(const cdr_guest_t *g, cdr_guest_entry_t *guest);
int cdr_guest_unlink(const cdr_guest_t *g, cdr_guest_entry_t *guest);

/* A free entry, for the caller to fill: CDR_OK, CDR_FULL, CDR_ERROR. */

int cdr_guest_take(cdr_guest_t *g, cdr_guest_entry_t **guest);
void cdr_guest_free(cdr_guest_t *g, cdr_guest_entry_t *guest);

/* Writes what it says: CDR_OK; CDR_FULL if something had to be left out. */

int cdr_guest_write(cdr_guest_t *g, cdr_guest_entry_t *guest,
    const cdr_guest_info_t *info);
bool cdr_guest_same(const cdr_guest_t *g, const cdr_guest_entry_t *guest,
    const cdr_guest_info_t *info);


/* cdr_guest_repair.c: a part of cdr_presence_repair() */

/* Before reviewers are looked at; and when they are. */

void cdr_guest_empty(cdr_guest_t *g);
void cdr_guest_repair(cdr_guest_t *g);


static inline cdr_guest_head_t *
cdr_guest_head(const cdr_guest_t *g, const cdr_reviewer_entry_t *e)
{
    return &g->heads[e - g->presence->entries];
}


static inline uint32_t
cdr_guest_high(const cdr_guest_t *g)
{
    return g->shm->high < g->n ? g->shm->high : g->n;
}


static inline uint32_t
cdr_guest_state(const cdr_guest_entry_t *guest)
{
    return atomic_load_explicit(&guest->state, memory_order_relaxed);
}


static inline void
cdr_guest_set_state(cdr_guest_entry_t *guest, uint32_t state)
{
    atomic_store_explicit(&guest->state, state, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}


#endif /* CDR_GUEST_SHM_H_INCLUDED */
