/* The repair of the table of guests, as a part of that of the reviewers. */

#include "cdr.h"
#include "cdr_guest_shm.h"

#include <string.h>


static bool cdr_guest_keep(cdr_guest_t *g, cdr_guest_entry_t *guest);


void
cdr_guest_empty(cdr_guest_t *g)
{
    uint32_t           i;
    cdr_guest_head_t  *head;

    for (i = 0; i < cdr_presence_high(g->presence); i++) {
        head = &g->heads[i];

        memset(&head->guests, 0, sizeof(cdr_chain_ends_t));
        head->server = 0;
        head->own = 1;
    }
}


/* What is dropped has to be read again, with all of its server. */

void
cdr_guest_repair(cdr_guest_t *g)
{
    uint32_t            i, block;
    cdr_guest_entry_t  *guest;

    g->shm->high = cdr_guest_high(g);
    g->shm->free = 0;
    g->shm->block_free = 0;
    g->shm->guests = 0;

    for (i = 0; i < CDR_GUEST_SERVERS; i++) {
        g->servers[i].guests = 0;
    }

    memset(g->block_next, 0, g->nblocks * sizeof(uint32_t));

    for (i = g->shm->high; i-- > 0; /* void */ ) {
        guest = &g->entries[i];
        memset(&guest->chain, 0, sizeof(cdr_chain_t));

        if (!cdr_guest_keep(g, guest)) {

            if (cdr_guest_state(guest) == CDR_GUEST_LIVE
                && guest->server < CDR_GUEST_SERVERS)
            {
                g->servers[guest->server].version = 0;
            }

            cdr_guest_set_state(guest, CDR_GUEST_FREE);

            guest->text = 0;
            atomic_store_explicit(&guest->open, 0, memory_order_relaxed);
            guest->next = g->shm->free;
            g->shm->free = i + 1;

            continue;
        }

        block = cdr_guest_block(guest->text);

        if (block) {
            g->block_next[block - 1] = CDR_PRESENCE_TAKEN;
        }

        g->shm->guests++;
        g->servers[guest->server].guests++;
    }

    for (i = g->nblocks; i-- > 0; /* void */ ) {

        if (g->block_next[i] != CDR_PRESENCE_TAKEN) {
            g->block_next[i] = g->shm->block_free;
            g->shm->block_free = i + 1;
        }
    }
}


/* One that is whole, of a server and a reviewer that there are. */

static bool
cdr_guest_keep(cdr_guest_t *g, cdr_guest_entry_t *guest)
{
    uint32_t               block;
    cdr_reviewer_entry_t  *e;

    if (cdr_guest_state(guest) != CDR_GUEST_LIVE
        || atomic_load_explicit(&guest->open, memory_order_relaxed)
        || guest->server >= CDR_GUEST_SERVERS
        || atomic_load_explicit(&g->servers[guest->server].state,
                                memory_order_relaxed)
           != CDR_GUEST_LIVE)
    {
        return false;
    }

    e = cdr_presence_entry(g->presence, guest->reviewer);
    block = cdr_guest_block(guest->text);

    return e && cdr_reviewer_state(e) != CDR_REVIEWER_FREE
           && block <= g->nblocks
           && (block == 0 || g->block_next[block - 1] != CDR_PRESENCE_TAKEN)
           && cdr_guest_role(guest->text) + cdr_guest_feature(guest->text)
              <= (block ? CDR_GUEST_BLOCK : CDR_GUEST_INLINE)
           && cdr_guest_of(g, e, guest->server) == NULL
           && cdr_guest_link(g, guest) == CDR_OK;
}
