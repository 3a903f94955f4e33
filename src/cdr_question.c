/* Questions of one process to another, in shared memory. */

#include "cdr.h"
#include "cdr_question.h"

#include <string.h>


#define CDR_QUESTION_MAGIC  0x43647171U     /* "Cdqq" */

#define CDR_QUESTION_FREE   0
#define CDR_QUESTION_ASKED  1
#define CDR_QUESTION_TAKEN  2
#define CDR_QUESTION_READY  3


struct cdr_question_shm_s {
    _Alignas(64)
    uint32_t          magic;
    uint32_t          version;
    uint32_t          n;
};


struct cdr_question_slot_s {
    _Alignas(64)
    _Atomic uint32_t  state;
    uint32_t          asker;
    uint64_t          serial;       /* one more with every question */
    uint64_t          asked_ms;
    uint64_t          taker;
    uint32_t          status;
    uint32_t          text_len;
    uint32_t          answer_len;
    uint8_t           text[CDR_QUESTION_TEXT];
    uint8_t           answer[CDR_QUESTION_ANSWER];
};


static cdr_question_slot_t *cdr_question_find(const cdr_question_t *q,
    const cdr_question_ticket_t *ticket);
static uint32_t cdr_question_state(const cdr_question_slot_t *slot);
static void cdr_question_set(cdr_question_slot_t *slot, uint32_t state);


size_t
cdr_question_size(uint32_t n)
{
    if (n > CDR_QUESTION_MAX) {
        return 0;
    }

    return sizeof(cdr_question_shm_t) + n * sizeof(cdr_question_slot_t);
}


size_t
cdr_question_each(void)
{
    return sizeof(cdr_question_slot_t);
}


int
cdr_question_init(void *mem, uint32_t n)
{
    uint32_t              i;
    cdr_question_shm_t   *shm;
    cdr_question_slot_t  *slots;

    if (n > CDR_QUESTION_MAX) {
        return CDR_ERROR;
    }

    shm = mem;
    slots = (cdr_question_slot_t *) (shm + 1);

    /* only what tells a slot: the rest is not touched before its use */

    for (i = 0; i < n; i++) {
        memset(&slots[i], 0, offsetof(cdr_question_slot_t, text));
    }

    shm->version = CDR_QUESTION_VERSION;
    shm->n = n;
    shm->magic = CDR_QUESTION_MAGIC;

    return CDR_OK;
}


int
cdr_question_attach(cdr_question_t *q, void *mem, size_t size)
{
    cdr_question_shm_t  *shm;

    shm = mem;

    if (size < sizeof(cdr_question_shm_t)) {
        return CDR_ERROR;
    }

    if (shm->magic != CDR_QUESTION_MAGIC
        || shm->version != CDR_QUESTION_VERSION
        || shm->n > CDR_QUESTION_MAX)
    {
        return CDR_DECLINED;
    }

    if (size < cdr_question_size(shm->n)) {
        return CDR_ERROR;
    }

    q->n = shm->n;
    q->slots = (cdr_question_slot_t *) (shm + 1);

    return CDR_OK;
}


/* A slot that is free, or whose asker must be dead. */

int
cdr_question_ask(cdr_question_t *q, cdr_str_t text, uint32_t asker,
    uint64_t now_ms, cdr_question_ticket_t *ticket)
{
    uint32_t              i;
    cdr_question_slot_t  *slot;

    if (text.len > CDR_QUESTION_TEXT) {
        return CDR_TOOBIG;
    }

    slot = NULL;

    for (i = 0; i < q->n; i++) {
        slot = &q->slots[i];

        if (cdr_question_state(slot) == CDR_QUESTION_FREE
            || (int64_t) (now_ms - slot->asked_ms) > CDR_QUESTION_PATIENCE)
        {
            break;
        }
    }

    if (i == q->n) {
        return CDR_FULL;
    }

    cdr_question_set(slot, CDR_QUESTION_FREE);

    slot->serial++;
    slot->asker = asker;
    slot->asked_ms = now_ms;
    slot->text_len = (uint32_t) text.len;

    if (text.len) {
        memcpy(slot->text, text.data, text.len);
    }

    cdr_question_set(slot, CDR_QUESTION_ASKED);

    ticket->slot = i;
    ticket->serial = slot->serial;

    return CDR_OK;
}


int
cdr_question_take(cdr_question_t *q, uint64_t taker, uint8_t *text,
    size_t *len, cdr_question_ticket_t *ticket)
{
    uint32_t              i, state;
    cdr_question_slot_t  *slot, *oldest;

    oldest = NULL;

    for (i = 0; i < q->n; i++) {
        slot = &q->slots[i];
        state = cdr_question_state(slot);

        if (state != CDR_QUESTION_ASKED
            && (state != CDR_QUESTION_TAKEN || slot->taker == taker))
        {
            continue;
        }

        if (oldest == NULL
            || (int64_t) (slot->asked_ms - oldest->asked_ms) < 0)
        {
            oldest = slot;
        }
    }

    if (oldest == NULL) {
        return CDR_DECLINED;
    }

    oldest->taker = taker;

    *len = oldest->text_len <= CDR_QUESTION_TEXT ? oldest->text_len : 0;
    memcpy(text, oldest->text, *len);

    ticket->slot = (uint32_t) (oldest - q->slots);
    ticket->serial = oldest->serial;

    cdr_question_set(oldest, CDR_QUESTION_TAKEN);

    return CDR_OK;
}


int
cdr_question_answer(cdr_question_t *q, uint64_t taker,
    const cdr_question_ticket_t *ticket, uint32_t status, cdr_str_t answer,
    uint32_t *asker)
{
    cdr_question_slot_t  *slot;

    if (answer.len > CDR_QUESTION_ANSWER) {
        return CDR_TOOBIG;
    }

    slot = cdr_question_find(q, ticket);

    if (slot == NULL || cdr_question_state(slot) != CDR_QUESTION_TAKEN
        || slot->taker != taker)
    {
        return CDR_DECLINED;
    }

    slot->status = status;
    slot->answer_len = (uint32_t) answer.len;

    if (answer.len) {
        memcpy(slot->answer, answer.data, answer.len);
    }

    *asker = slot->asker;

    cdr_question_set(slot, CDR_QUESTION_READY);

    return CDR_OK;
}


int
cdr_question_collect(cdr_question_t *q, const cdr_question_ticket_t *ticket,
    uint32_t *status, uint8_t *answer, size_t *len)
{
    cdr_question_slot_t  *slot;

    slot = cdr_question_find(q, ticket);

    if (slot == NULL) {
        return CDR_DECLINED;
    }

    if (cdr_question_state(slot) != CDR_QUESTION_READY) {
        return CDR_AGAIN;
    }

    *status = slot->status;
    *len = slot->answer_len <= CDR_QUESTION_ANSWER ? slot->answer_len : 0;
    memcpy(answer, slot->answer, *len);

    cdr_question_set(slot, CDR_QUESTION_FREE);

    return CDR_OK;
}


bool
cdr_question_answered(const cdr_question_t *q,
    const cdr_question_ticket_t *ticket)
{
    cdr_question_slot_t  *slot;

    slot = cdr_question_find(q, ticket);

    return slot == NULL || cdr_question_state(slot) == CDR_QUESTION_READY;
}


uint32_t
cdr_question_used(const cdr_question_t *q)
{
    uint32_t  i, n;

    n = 0;

    for (i = 0; i < q->n; i++) {
        n += (cdr_question_state(&q->slots[i]) != CDR_QUESTION_FREE);
    }

    return n;
}


void
cdr_question_drop(cdr_question_t *q, const cdr_question_ticket_t *ticket)
{
    cdr_question_slot_t  *slot;

    slot = cdr_question_find(q, ticket);

    if (slot) {
        cdr_question_set(slot, CDR_QUESTION_FREE);
    }
}


/* The slot, while it has the question of this ticket. */

static cdr_question_slot_t *
cdr_question_find(const cdr_question_t *q,
    const cdr_question_ticket_t *ticket)
{
    cdr_question_slot_t  *slot;

    if (ticket->slot >= q->n) {
        return NULL;
    }

    slot = &q->slots[ticket->slot];

    return (slot->serial == ticket->serial
            && cdr_question_state(slot) != CDR_QUESTION_FREE) ? slot : NULL;
}


static uint32_t
cdr_question_state(const cdr_question_slot_t *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire);
}


static void
cdr_question_set(cdr_question_slot_t *slot, uint32_t state)
{
    atomic_store_explicit(&slot->state, state, memory_order_release);
}
