/*
 * One slot in shared memory for each process of the server: who it is, when
 * it last gave a sign of life, whether it has been woken, and its figures.
 *
 * Figures are cumulative per slot, not per process: the next owner of a slot
 * goes on counting where the last one stopped.  A cell therefore never goes
 * back, nothing has to be carried over when a process dies, and the sum over
 * all slots is right and monotonic at every moment.  Gauges are a process's
 * own and are 0 when its slot changes hands.
 *
 * How many figures there are is said when the slots are laid out.  The
 * figures of a slot that was never claimed are not touched, so that they need
 * no memory.  One more row, CDR_SLOTS_SHARED, belongs to whoever has the
 * mutex: for what is counted by a process without a slot, or of the dead.
 *
 * Claiming and releasing run under the caller's mutex; a slot counts as taken
 * by a single store of its state.  The rest needs no lock.
 */

#ifndef CDR_SLOTS_H_INCLUDED
#define CDR_SLOTS_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_SLOTS_VERSION    2
#define CDR_SLOTS            256
#define CDR_SLOTS_SHARED     CDR_SLOTS  /* the figures of no process */
#define CDR_SLOTS_FIGURES    65536      /* at most, for each slot */
#define CDR_GAUGES_MAX       24


typedef enum {
    CDR_SLOT_FREE = 0,
    CDR_SLOT_ACTIVE,
    CDR_SLOT_DRAINING
} cdr_slot_state_t;


typedef enum {
    CDR_SLOT_WORKER = 1,
    CDR_SLOT_KEEPER
} cdr_slot_kind_t;


typedef struct {
    _Alignas(64)
    _Atomic uint32_t    state;          /* cdr_slot_state_t */
    _Atomic uint32_t    incarnation;    /* one more with every owner */
    _Atomic uint32_t    kind;           /* cdr_slot_kind_t */
    _Atomic int32_t     pid;
    _Atomic uint64_t    start;          /* the process's, from /proc */
    _Atomic uint64_t    heartbeat_ms;   /* stored by the owner */
    _Atomic uint32_t    connections;    /* stored by the owner */
    _Atomic uint32_t    behind;         /* the last incarnation of which not
                                           all was given back yet, or 0 */

    _Alignas(64)
    _Atomic uint32_t    pending;        /* a wake-up is under way */

    _Alignas(64)
    _Atomic uint64_t    gauges[CDR_GAUGES_MAX];
} cdr_slot_t;


typedef struct cdr_slots_shm_s  cdr_slots_shm_t;


typedef struct {
    cdr_slots_shm_t    *shm;
    cdr_slot_t         *slots;
    _Atomic uint64_t   *figures;        /* of all slots, row by row */
    uint32_t            nfigures;       /* of each */
} cdr_slots_t;


/* Bytes for so many figures; 0 for none, or over CDR_SLOTS_FIGURES. */

size_t cdr_slots_size(uint32_t nfigures);

/*
 * All slots free, all figures 0, in cdr_slots_size() bytes aligned to 64.
 * CDR_OK, or CDR_ERROR for a number of figures that cannot be.
 */

int cdr_slots_init(void *mem, uint32_t nfigures);

/*
 * CDR_OK; CDR_DECLINED if there are no slots or of another version;
 * CDR_ERROR if "size" is too small.
 */

int cdr_slots_attach(cdr_slots_t *s, void *mem, size_t size);

/* Under the mutex: rebuilds the set of taken slots from their states. */

void cdr_slots_repair(cdr_slots_t *s);

/*
 * Under the mutex: makes a process the owner of slot "i".  CDR_OK, with its
 * incarnation in *incarnation; whatever is still recorded for this slot and
 * an incarnation below belongs to the dead and is to be given back.
 * CDR_DECLINED if there is no such slot.
 */

int cdr_slots_claim(cdr_slots_t *s, uint32_t i, cdr_slot_kind_t kind,
    int32_t pid, uint64_t start, uint64_t now_ms, uint32_t *incarnation);

/*
 * Under the mutex: frees a slot, for its owner or for a dead one whose things
 * were given back.  CDR_OK, or CDR_DECLINED if that owner no longer has it.
 */

int cdr_slots_release(cdr_slots_t *s, uint32_t i, uint32_t incarnation);

/* The owner says that it is draining. */

void cdr_slots_drain(cdr_slots_t *s, uint32_t i);

/*
 * Iterates over the slots that are not free: the number of the first one at
 * or above "i", or CDR_SLOTS.
 */

uint32_t cdr_slots_next(const cdr_slots_t *s, uint32_t i);

/*
 * The figures of a slot, or of CDR_SLOTS_SHARED: "nfigures" of them.  They are
 * 0 once the slot is claimed for the first time, and nothing before.
 */

_Atomic uint64_t *cdr_slots_figures(const cdr_slots_t *s, uint32_t i);

/*
 * The sum of a figure or a gauge over all slots; cdr_slots_sums() is that of
 * all figures at once, in "nfigures" places.
 */

uint64_t cdr_slots_sum(const cdr_slots_t *s, uint32_t figure);
void cdr_slots_sums(const cdr_slots_t *s, uint64_t *sums);
uint64_t cdr_slots_sum_gauge(const cdr_slots_t *s, uint32_t gauge);
uint64_t cdr_slots_connections(const cdr_slots_t *s);


/*
 * Wake-ups.  Whoever appended to the log calls cdr_slot_wake() for every
 * slot, and writes to its eventfd if that returns true.  The owner, when it
 * wakes (and on its safety tick: a process may die between the flag and the
 * write), calls cdr_slot_clear_pending() and THEN reads the log up to its
 * end.
 *
 * No wake-up is lost: both are read-modify-writes of one word, so one of them
 * comes first.  If the clearing comes second it reads what the waker wrote,
 * and with it sees the head that was stored before; if it comes first the
 * waker finds the flag clear and writes.  Cleared after reading instead, an
 * event appended in between would wait for the next one.
 */

bool cdr_slot_wake(cdr_slot_t *slot);
void cdr_slot_clear_pending(cdr_slot_t *slot);


/*
 * Only the owner of a slot, in its one thread, changes its figures (those of
 * CDR_SLOTS_SHARED: who has the mutex); so a plain load and store will do, and
 * others may read them at any time.
 */

static inline void
cdr_figure_add(_Atomic uint64_t *figure, uint64_t n)
{
    uint64_t  v;

    v = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, v + n, memory_order_relaxed);
}


static inline void
cdr_slot_gauge(cdr_slot_t *slot, uint32_t gauge, uint64_t value)
{
    atomic_store_explicit(&slot->gauges[gauge], value, memory_order_relaxed);
}


#endif /* CDR_SLOTS_H_INCLUDED */
