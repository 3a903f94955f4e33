/* What the tests of the outbox share: one of them, and what is put in. */

#ifndef OUTBOX_TEST_H_INCLUDED
#define OUTBOX_TEST_H_INCLUDED


#include "cdr.h"
#include "cdr_outbox.h"

#include "cdr_test.h"


#define SIZE     CDR_OUTBOX_SIZE_MIN
#define TICKETS  4


static void                   *mem;
static size_t                  size;
static cdr_outbox_t            ob;
static cdr_outbox_cursor_t     cur;
static cdr_outbox_rec_t       *rec;
static cdr_ticket_t            ticket;
static const cdr_idem_owner_t  me = { 3, 7 };
static const cdr_str_t         type = cdr_str("note");


static inline void
setup(void)
{
    size = cdr_outbox_size(SIZE, TICKETS);
    mem = aligned_alloc(64, (size + 63) & ~(size_t) 63);
    memset(mem, 0xaa, size);

    (void) cdr_outbox_init(mem, SIZE, TICKETS);
    (void) cdr_outbox_attach(&ob, mem, size);
    cdr_outbox_first(&ob, &cur);
}


/* A record of "count" items of "len" bytes each. */

static inline int
put_at(cdr_outbox_t *box, uint32_t count, size_t len,
    const cdr_idem_owner_t *asker)
{
    int              rc;
    uint8_t         *p;
    uint32_t         i;
    cdr_str_t        str;
    static uint8_t   text[SIZE];

    memset(text, 'x', len);
    str.data = text;
    str.len = len;

    rc = cdr_outbox_begin(box, count * cdr_outbox_item_size(type.len, len),
                          count, asker, &rec, &p, &ticket);

    if (rc != CDR_OK) {
        return rc;
    }

    rec->time_ms = 1000 + rec->number;

    for (i = 0; i < count; i++) {
        p = cdr_outbox_put(p, i, type, str);
    }

    cdr_outbox_commit(box, rec);

    return CDR_OK;
}


static inline int
put(uint32_t count, size_t len)
{
    return put_at(&ob, count, len, NULL);
}


/* The number of the next record; 0: none. */

static inline uint64_t
next(void)
{
    return cdr_outbox_next(&ob, &cur, &rec) == CDR_OK ? rec->number : 0;
}


static inline uint64_t
held(void)
{
    cdr_outbox_fill_t  fill;

    cdr_outbox_fill(&ob, &fill);

    return fill.records;
}


#endif /* OUTBOX_TEST_H_INCLUDED */
