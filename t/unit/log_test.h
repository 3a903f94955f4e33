/* What the tests of the event log share: events that are known again. */

#ifndef LOG_TEST_H_INCLUDED
#define LOG_TEST_H_INCLUDED


#include "cdr.h"
#include "cdr_log.h"

#include <stdlib.h>
#include <string.h>

#include "cdr_test.h"


#define EPOCH     1700000000000U
#define RING      8192
#define EVENTS    64


static const cdr_log_params_t  params = {
    RING, EVENTS, EPOCH, { EPOCH, 0, 0 }
};

static const cdr_str_t  type = cdr_str("task");


static inline cdr_log_t
fresh(void *mem, const cdr_log_params_t *p)
{
    cdr_log_t  log;

    memset(mem, 0xa5, cdr_log_size(p));
    (void) cdr_log_init(mem, p);
    (void) cdr_log_attach(&log, mem, cdr_log_size(p));

    return log;
}


/* Every byte of a payload follows from the event's number. */

static inline void
pattern(uint8_t *p, uint64_t seq, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        p[i] = (uint8_t) (seq * 31 + i);
    }
}


static inline bool
matches(const cdr_log_event_t *e)
{
    size_t  i;

    for (i = 0; i < e->payload.len; i++) {
        if (e->payload.data[i] != (uint8_t) (e->seq * 31 + i)) {
            return false;
        }
    }

    return e->type.len == type.len
           && memcmp(e->type.data, type.data, type.len) == 0;
}


/* One event of "len" bytes, at position { ms, n, local }, 0: its own. */

static inline int
append_at(cdr_log_t *log, size_t len, uint64_t ms, uint64_t n, uint64_t local,
    uint64_t time_ms)
{
    int                rc;
    uint8_t           *p;
    cdr_log_tx_t       tx;
    cdr_log_fields_t   f;

    memset(&f, 0, sizeof(f));

    f.time_ms = time_ms;
    f.pos.ms = ms;
    f.pos.n = n;
    f.pos.local = local;
    f.server = 3;
    f.boot = 4;
    f.n = 5;
    f.flags = 6;

    rc = cdr_log_begin(log, &tx, cdr_log_record_size(type.len, len), 1);

    if (rc != CDR_OK) {
        return rc;
    }

    p = cdr_log_add(log, &tx, &f, type, len);

    if (p == NULL) {
        return CDR_DECLINED;
    }

    pattern(p, tx.seq - 1, len);
    cdr_log_commit(log, &tx);

    return CDR_OK;
}


static inline int
append(cdr_log_t *log, size_t len)
{
    return append_at(log, len, 0, 0, 0, EPOCH);
}


/* All events held, from the oldest: their number, or -1 if one is wrong. */

static inline long
readable(const cdr_log_t *log)
{
    int               rc;
    long              n;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;

    cdr_log_cursor_oldest(log, &cur);

    for (n = 0; (rc = cdr_log_next(log, &cur, &e)) == CDR_OK; n++) {

        if (e.seq != cur.seq || !matches(&e) || !cdr_log_valid(log, e.seq)) {
            return -1;
        }
    }

    return rc == CDR_AGAIN ? n : -1;
}


#endif /* LOG_TEST_H_INCLUDED */
