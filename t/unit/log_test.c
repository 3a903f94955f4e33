/* The event log: order, wrap-around, overrun, positions. */

#include "log_test.h"


static void
test_layout(void)
{
    void              *mem;
    size_t             size;
    cdr_log_t          log;
    cdr_log_params_t   p;

    size = cdr_log_size(&params);
    mem = aligned_alloc(64, size);
    memset(mem, 0, size);

    ok(cdr_log_attach(&log, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a log");

    (void) fresh(mem, &params);

    ok(cdr_log_attach(&log, mem, size) == CDR_OK && log.size == RING
       && log.events == EVENTS && log.epoch_ms == EPOCH,
       "a log is found again by another process");
    ok(cdr_log_attach(&log, mem, size - 1) == CDR_ERROR
       && cdr_log_attach(&log, mem, 8) == CDR_ERROR,
       "a log does not fit in less than its size");

    ((uint32_t *) mem)[1]++;
    ok(cdr_log_attach(&log, mem, size) == CDR_DECLINED,
       "another layout version is declined");

    p = params;
    p.size = CDR_LOG_SIZE_MIN - 1;
    ok(cdr_log_size(&p) == 0 && cdr_log_init(mem, &p) == CDR_ERROR,
       "a ring that is too small is refused");
    p.size = SIZE_MAX;
    ok(cdr_log_size(&p) == 0, "and so is one that is too large");
    p = params;
    p.events = CDR_LOG_EVENTS_MIN - 1;
    ok(cdr_log_size(&p) == 0, "or holds too few events");
    p.events = SIZE_MAX;
    ok(cdr_log_size(&p) == 0, "or too many");

    free(mem);
}


static void
test_append(void *mem)
{
    int                rc;
    cdr_log_t          log;
    cdr_log_pos_t      pos;
    cdr_log_event_t    e;
    cdr_log_fill_t     fill;
    cdr_log_cursor_t   cur, end;

    log = fresh(mem, &params);

    cdr_log_cursor_end(&log, &cur);
    ok(cdr_log_next(&log, &cur, &e) == CDR_AGAIN, "an empty log has nothing");

    rc = cdr_log_last(&log, &pos);
    ok(rc == CDR_OK && pos.ms == EPOCH && pos.n == 0,
       "and its last position is the base");

    ok(append(&log, 100) == CDR_OK && append(&log, 0) == CDR_OK,
       "events are appended, one of them without a payload");

    rc = cdr_log_next(&log, &cur, &e);
    ok(rc == CDR_OK && e.seq == 1 && e.payload.len == 100 && matches(&e)
       && e.fields.time_ms == EPOCH && e.fields.pos.ms == EPOCH
       && e.fields.pos.n == 1 && e.fields.pos.local == 0
       && e.fields.server == 3 && e.fields.boot == 4 && e.fields.n == 5
       && e.fields.flags == 6,
       "an event is read as it was written, with its own position");

    rc = cdr_log_next(&log, &cur, &e);
    ok(rc == CDR_OK && e.seq == 2 && e.payload.len == 0, "then the next one");
    ok(cdr_log_next(&log, &cur, &e) == CDR_AGAIN && cur.seq == 2,
       "then there is none");

    cdr_log_cursor_end(&log, &end);
    ok(end.seq == 2, "a cursor at the end passes what was");

    cur.seq = 3;
    ok(cdr_log_next(&log, &cur, &e) == CDR_DECLINED,
       "a cursor from the future is declined");

    cdr_log_fill(&log, &fill);
    ok(fill.events == 2 && fill.head == 2 && fill.tail == 1
       && fill.events_max == EVENTS && fill.bytes_max == RING
       && fill.bytes == cdr_log_record_size(4, 100)
                        + cdr_log_record_size(4, 0),
       "the fill is told");
}


static void
test_batches(void *mem)
{
    cdr_log_t          log;
    cdr_log_tx_t       tx;
    cdr_log_pos_t      pos;
    cdr_log_cursor_t   cur;
    cdr_log_fields_t   f;

    log = fresh(mem, &params);

    (void) append(&log, 100);
    (void) append(&log, 0);

    memset(&f, 0, sizeof(f));
    (void) cdr_log_begin(&log, &tx, 1000, 2);
    (void) cdr_log_add(&log, &tx, &f, type, 10);
    cdr_log_cursor_end(&log, &cur);
    ok(cur.seq == 2, "nothing of a batch is seen before it is committed");

    ok(append(&log, 10) == CDR_OK && readable(&log) == 3,
       "a batch that was given up leaves no hole");

    (void) cdr_log_begin(&log, &tx, cdr_log_record_size(4, 10), 1);
    ok(cdr_log_add(&log, &tx, &f, type, 17) == NULL,
       "more bytes than announced are not taken");
    ok(cdr_log_add(&log, &tx, &f, type, SIZE_MAX) == NULL,
       "nor is a size that overflows");
    ok(cdr_log_add(&log, &tx, &f, type, 10) != NULL
       && cdr_log_add(&log, &tx, &f, type, 0) == NULL,
       "nor are more events than announced");

    ok(cdr_log_begin(&log, &tx, RING / 4 + 1, 1) == CDR_TOOBIG
       && cdr_log_begin(&log, &tx, RING / 4, 1) == CDR_OK,
       "a batch may take a quarter of the ring");
    ok(cdr_log_begin(&log, &tx, 64, EVENTS / 4 + 1) == CDR_TOOBIG
       && cdr_log_begin(&log, &tx, 64, EVENTS / 4) == CDR_OK,
       "and a quarter of the index");

    ok(append_at(&log, 1, EPOCH, 3, 0, 0) == CDR_DECLINED
       && append_at(&log, 1, EPOCH - 1, 9, 0, 0) == CDR_DECLINED
       && append_at(&log, 1, EPOCH, 3, 1, 0) == CDR_OK
       && append_at(&log, 1, EPOCH, 3, 1, 0) == CDR_DECLINED
       && append_at(&log, 1, EPOCH, 4, 0, 0) == CDR_OK,
       "a position that does not grow is not taken");

    ok(append_at(&log, 1, EPOCH + 5, 7, 2, 0) == CDR_OK
       && append(&log, 10) == CDR_OK
       && cdr_log_last(&log, &pos) == CDR_OK && pos.ms == EPOCH + 5
       && pos.n == 8 && pos.local == 0,
       "who gives none goes on behind those that another order gave");
}


static void
test_wrap(void *mem)
{
    bool              good;
    size_t            len, first, i;
    cdr_log_t         log;
    cdr_log_fill_t    fill;
    cdr_log_params_t  p;

    good = true;

    /* Rings of every size round the wrap, entered at every offset. */

    for (len = 0; len < 700; len += 7) {
        for (first = 0; first < 200; first += 8) {
            p = params;
            p.size = CDR_LOG_SIZE_MIN + first / 2;
            log = fresh(mem, &p);

            (void) append(&log, first);

            for (i = 0; i < 40; i++) {
                good = append(&log, len) == CDR_OK && good;
                good = readable(&log) > 0 && good;
            }

            cdr_log_fill(&log, &fill);
            good = fill.head == 41 && fill.bytes <= p.size / 8 * 8
                   && fill.events + 41 - fill.events == fill.head && good;
        }
    }

    ok(good, "events of any size wrap at any offset and stay readable");

    log = fresh(mem, &params);

    for (i = 0; i < 1000; i++) {
        (void) append(&log, 0);
    }

    cdr_log_fill(&log, &fill);
    ok(fill.events == EVENTS && readable(&log) == EVENTS,
       "small events are limited by their number");

    p.size = RING;
    p.events = CDR_LOG_EVENTS_MIN;
    log = fresh(mem, &p);

    for (i = 0; i < 100; i++) {
        (void) append(&log, i);
    }

    ok(readable(&log) == CDR_LOG_EVENTS_MIN, "the smallest index works");
}


static void
test_overrun(void *mem)
{
    size_t            i;
    cdr_log_t         log;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur, kept;

    log = fresh(mem, &params);

    cdr_log_cursor_end(&log, &cur);
    (void) append(&log, 500);
    (void) cdr_log_next(&log, &cur, &e);

    ok(cdr_log_valid(&log, e.seq), "what lies in the ring is valid");

    for (i = 0; cdr_log_valid(&log, e.seq) && i < 100; i++) {

        if (!matches(&e)) {
            break;
        }

        (void) append(&log, 500);
    }

    ok(i > 10 && i < 100 && !cdr_log_valid(&log, e.seq),
       "it is said to be gone before its first byte changes");

    kept = cur;
    ok(cdr_log_next(&log, &cur, &e) == CDR_OK,
       "the event after it may still be there");

    for (i = 0; i < 100; i++) {
        (void) append(&log, 500);
    }

    ok(cdr_log_next(&log, &kept, &e) == CDR_DECLINED && kept.seq == 1,
       "a reader that fell behind is told so");

    cdr_log_cursor_oldest(&log, &kept);
    ok(cdr_log_next(&log, &kept, &e) == CDR_OK && matches(&e),
       "and goes on with the oldest event");
}


static bool
found(cdr_log_t *log, uint64_t ms, uint64_t n, uint64_t local,
    cdr_log_found_t expect, uint64_t seq)
{
    int               rc;
    cdr_log_pos_t     pos;
    cdr_log_found_t   why;
    cdr_log_cursor_t  cur;

    pos.ms = ms;
    pos.n = n;
    pos.local = local;

    rc = cdr_log_find(log, &pos, &cur, &why);

    return rc == (expect == CDR_LOG_FOUND ? CDR_OK : CDR_DECLINED)
           && why == expect && cur.seq == seq;
}


static void
test_find(void *mem)
{
    bool              good;
    uint64_t          i, tail;
    cdr_log_t         log;
    cdr_log_pos_t     pos;
    cdr_log_fill_t    fill;
    cdr_log_params_t  p;

    log = fresh(mem, &params);

    ok(found(&log, EPOCH, 0, 0, CDR_LOG_FOUND, 0),
       "the base is found in an empty log");
    ok(found(&log, EPOCH, 1, 0, CDR_LOG_UNKNOWN, 0),
       "a position in the future is unknown");
    ok(found(&log, EPOCH - 1, 7, 0, CDR_LOG_EXPIRED, 0),
       "a position from before the log has expired");

    for (i = 0; i < 200; i++) {
        (void) append(&log, i % 60);
    }

    cdr_log_fill(&log, &fill);
    tail = fill.tail;

    for (good = true, i = 1; i <= 210; i++) {
        good = good && found(&log, EPOCH, i, 0,
                             i + 1 < tail ? CDR_LOG_EXPIRED
                             : i <= 200 ? CDR_LOG_FOUND : CDR_LOG_UNKNOWN,
                             i + 1 < tail ? tail - 1 : i <= 200 ? i : 200);
    }

    ok(good, "every position held is found, with the last one dropped, and no"
       " other");

    p = params;
    p.base.ms = 0;
    log = fresh(mem, &p);

    (void) append_at(&log, 9, 1000, 5, 0, 0);
    (void) append_at(&log, 9, 1000, 9, 0, 0);
    (void) append_at(&log, 9, 1000, 9, 1, 0);
    (void) append_at(&log, 9, 1000, 9, 2, 0);
    (void) append_at(&log, 9, 1003, 0, 2, 0);
    (void) append_at(&log, 9, 1004, 0, 0, 0);

    ok(found(&log, 0, 0, 0, CDR_LOG_FOUND, 0)
       && found(&log, 1000, 5, 0, CDR_LOG_FOUND, 1)
       && found(&log, 1000, 9, 0, CDR_LOG_FOUND, 2)
       && found(&log, 1000, 9, 1, CDR_LOG_FOUND, 3)
       && found(&log, 1000, 9, 2, CDR_LOG_FOUND, 4)
       && found(&log, 1003, 0, 2, CDR_LOG_FOUND, 5)
       && found(&log, 1004, 0, 0, CDR_LOG_FOUND, 6),
       "positions given by Redis and ordered alone are found");
    ok(found(&log, 1000, 6, 0, CDR_LOG_UNKNOWN, 1)
       && found(&log, 1000, 9, 7, CDR_LOG_UNKNOWN, 4)
       && found(&log, 1003, 0, 0, CDR_LOG_UNKNOWN, 4)
       && found(&log, 2000, 0, 0, CDR_LOG_UNKNOWN, 6),
       "one in between is unknown, and its place is told");

    ok(cdr_log_last(&log, &pos) == CDR_OK && pos.ms == 1004 && pos.n == 0,
       "the last position is told");
}


static void
test_expire(void *mem)
{
    size_t            n, m;
    uint64_t          i;
    cdr_log_t         log;
    cdr_log_pos_t     pos;
    cdr_log_fill_t    fill;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;

    log = fresh(mem, &params);

    for (i = 1; i <= 20; i++) {
        (void) append_at(&log, 20, 0, 0, 0, EPOCH + i * 10);
    }

    cur.seq = 3;
    n = cdr_log_expire(&log, EPOCH + 100, 4);
    m = cdr_log_expire(&log, EPOCH + 100, 100);
    ok(n == 4 && m == 5 && readable(&log) == 11,
       "events older than the history are dropped, a few at a time");
    ok(cdr_log_next(&log, &cur, &e) == CDR_DECLINED,
       "who still wanted one of them is told");

    n = cdr_log_expire(&log, UINT64_MAX, 100);
    cdr_log_fill(&log, &fill);
    ok(n == 11 && fill.events == 0 && fill.bytes == 0, "all may be dropped");
    ok(found(&log, EPOCH, 20, 0, CDR_LOG_FOUND, 20)
       && found(&log, EPOCH, 19, 0, CDR_LOG_EXPIRED, 20),
       "a client that missed nothing still resumes");
    ok(cdr_log_last(&log, &pos) == CDR_OK && pos.n == 20,
       "the last position outlives its event");
    ok(append(&log, 20) == CDR_OK && readable(&log) == 1,
       "and the log goes on");
}


static void
test_repair(void *mem)
{
    size_t            i;
    bool              good;
    cdr_log_t         log;
    cdr_log_tx_t      tx;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;
    uint64_t          bad[] = { 0, 1, 5, 1000000, UINT64_MAX / 2,
                                UINT64_MAX };

    log = fresh(mem, &params);

    for (i = 0; i < 200; i++) {
        (void) append(&log, 100);
    }

    ok(cdr_log_repair(&log) == CDR_OK && readable(&log) > 10,
       "a repair of a sound log changes nothing");

    good = true;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        /* The tail, then the head, then the index: anything at all. */

        memcpy((uint8_t *) mem + 72, &bad[i], 8);
        (void) cdr_log_repair(&log);
        good = good && append(&log, 100) == CDR_OK && readable(&log) >= 1;

        memcpy((uint8_t *) mem + 64, &bad[i], 8);
        (void) cdr_log_repair(&log);
        good = good && cdr_log_repair(&log) == CDR_OK;
        good = good && cdr_log_begin(&log, &tx, 100, 1) == CDR_OK;
    }

    ok(good, "damaged numbers cost the history, not the log");

    log = fresh(mem, &params);
    (void) append(&log, 100);
    (void) append(&log, 100);

    memset((uint8_t *) mem + 128, 0xff, (EVENTS + 1) * 40);
    cur.seq = 0;
    ok(cdr_log_next(&log, &cur, &e) == CDR_DECLINED,
       "a damaged index entry is not followed");
    ok(cdr_log_begin(&log, &tx, 100, 1) == CDR_ERROR
       && cdr_log_repair(&log) == CDR_ERROR
       && append_at(&log, 100, EPOCH + 1, 0, 0, EPOCH) == CDR_OK
       && readable(&log) == 1,
       "and repaired before it is written behind");

    log = fresh(mem, &params);
    (void) append(&log, 100);
    memset(log.data, 0xff, 48);
    cur.seq = 0;
    ok(cdr_log_next(&log, &cur, &e) == CDR_DECLINED,
       "nor is a damaged record");
}


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, (cdr_log_size(&params) + RING + 63) & ~(size_t) 63);

    test_layout();
    test_append(mem);
    test_batches(mem);
    test_wrap(mem);
    test_overrun(mem);
    test_find(mem);
    test_expire(mem);
    test_repair(mem);

    free(mem);

    return done_testing();
}
