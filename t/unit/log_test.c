/* The event log: order, wrap-around, overrun, positions, killed writers. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_log.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "cdr_test.h"
#include "cdr_step.h"


#define EPOCH     1700000000000U
#define RING      8192
#define EVENTS    64

#define WRITERS   2
#define READERS   3
#define KILLS     150


static const cdr_log_params_t  params = {
    RING, EVENTS, EPOCH, { EPOCH, 0, 0 }
};

static const cdr_str_t  type = cdr_str("task");


static cdr_log_t
fresh(void *mem, const cdr_log_params_t *p)
{
    cdr_log_t  log;

    memset(mem, 0xa5, cdr_log_size(p));
    (void) cdr_log_init(mem, p);
    (void) cdr_log_attach(&log, mem, cdr_log_size(p));

    return log;
}


/* Every byte of a payload follows from the event's number. */

static void
pattern(uint8_t *p, uint64_t seq, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        p[i] = (uint8_t) (seq * 31 + i);
    }
}


static bool
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

static int
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


static int
append(cdr_log_t *log, size_t len)
{
    return append_at(log, len, 0, 0, 0, EPOCH);
}


/* All events held, from the oldest: their number, or -1 if one is wrong. */

static long
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
    cdr_log_tx_t       tx;
    cdr_log_pos_t      pos;
    cdr_log_event_t    e;
    cdr_log_fill_t     fill;
    cdr_log_cursor_t   cur, end;
    cdr_log_fields_t   f;

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


/* A batch of three into a full ring, stepped through. */

static void
batch(void *mem)
{
    unsigned           i;
    uint8_t           *p;
    cdr_log_t          log;
    cdr_log_tx_t       tx;
    cdr_log_fields_t   f;

    (void) cdr_log_attach(&log, mem, cdr_log_size(&params));

    memset(&f, 0, sizeof(f));
    (void) cdr_log_begin(&log, &tx, 1500, 3);

    for (i = 0; i < 3; i++) {
        p = cdr_log_add(&log, &tx, &f, type, 300 + i);
        memset(p, 0, 8);
        pattern(p, tx.seq - 1, 300 + i);
    }

    cdr_log_commit(&log, &tx);
}


static bool
usable(void *mem)
{
    size_t            i;
    cdr_log_t         log;
    cdr_log_fill_t    fill;

    if (cdr_log_attach(&log, mem, cdr_log_size(&params)) != CDR_OK
        || cdr_log_repair(&log) != CDR_OK)
    {
        return false;
    }

    cdr_log_fill(&log, &fill);

    if ((fill.head != 100 && fill.head != 103) || readable(&log) < 5) {
        return false;
    }

    for (i = 0; i < 30; i++) {

        if (append(&log, 300) != CDR_OK || readable(&log) < 5) {
            return false;
        }
    }

    return true;
}


/*
 * Several processes: writers that are killed at random while they append
 * batches, readers that see every event once, in order, untorn.
 */

typedef struct {
    pthread_mutex_t   mutex;
    _Atomic uint32_t  stop;
    _Atomic uint32_t  life[WRITERS];
    _Atomic uint64_t  torn;
    _Atomic uint64_t  disorder;
    _Atomic uint64_t  overruns;
    _Atomic uint64_t  read;
    _Atomic uint64_t  recovered;
} shared_t;


/* What an event of the crowd says, before its pattern. */

typedef struct {
    uint32_t          writer;
    uint32_t          life;
    uint64_t          n;
    uint32_t          batch;        /* events in its batch, */
    uint32_t          place;        /* and which it is */
} saying_t;


static void
lock(shared_t *sh, cdr_log_t *log)
{
    if (pthread_mutex_lock(&sh->mutex) == EOWNERDEAD) {
        sh->recovered++;

        if (cdr_log_repair(log) != CDR_OK) {
            sh->disorder++;
        }

        (void) pthread_mutex_consistent(&sh->mutex);
    }
}


static void
say(cdr_log_t *log, saying_t *s, unsigned *seed)
{
    size_t            len[4], bytes;
    uint8_t          *p;
    uint32_t          i;
    cdr_log_tx_t      tx;
    cdr_log_fields_t  f;

    memset(&f, 0, sizeof(f));

    s->batch = 1 + (uint32_t) rand_r(seed) % 4;

    for (bytes = 0, i = 0; i < s->batch; i++) {
        len[i] = sizeof(saying_t) + (size_t) rand_r(seed) % 200;
        bytes += cdr_log_record_size(type.len, len[i]);
    }

    if (cdr_log_begin(log, &tx, bytes, s->batch) != CDR_OK) {
        return;
    }

    for (i = 0; i < s->batch; i++) {
        s->n++;
        s->place = i;

        p = cdr_log_add(log, &tx, &f, type, len[i]);

        if (p == NULL) {
            return;
        }

        memcpy(p, s, sizeof(saying_t));
        pattern(p + sizeof(saying_t), tx.seq - 1, len[i] - sizeof(saying_t));
    }

    cdr_log_commit(log, &tx);
}


static void
writer(shared_t *sh, cdr_log_t *log, uint32_t id)
{
    unsigned  seed;
    saying_t  s;

    memset(&s, 0, sizeof(s));

    s.writer = id;
    s.life = ++sh->life[id];
    seed = id * 1000 + s.life;

    while (!sh->stop) {
        lock(sh, log);
        say(log, &s, &seed);
        (void) pthread_mutex_unlock(&sh->mutex);
    }

    _exit(0);
}


/* What a reader remembers: the event before, and the last of each writer. */

typedef struct {
    saying_t          prev;
    saying_t          last[WRITERS];
    bool              gap;              /* before the next event */
    bool              missed[WRITERS];  /* before the next one of it */
} memory_t;


static void
forget(memory_t *m)
{
    uint32_t  i;

    m->gap = true;

    for (i = 0; i < WRITERS; i++) {
        m->missed[i] = true;
    }
}


/* Whether an event follows from those before it. */

static bool
follows(memory_t *m, const saying_t *s)
{
    bool       good;
    uint64_t   n;
    saying_t  *own;

    own = &m->last[s->writer];
    n = (s->life == own->life) ? own->n : 0;

    good = s->life >= own->life
           && (m->missed[s->writer] ? s->n > n : s->n == n + 1);

    if (!m->gap && m->prev.place + 1 < m->prev.batch) {
        good = good && s->writer == m->prev.writer
               && s->place == m->prev.place + 1;

    } else if (!m->gap) {
        good = good && s->place == 0;
    }

    m->gap = false;
    m->missed[s->writer] = false;
    m->prev = *s;
    *own = *s;

    return good;
}


static void
reader(shared_t *sh, cdr_log_t *log, unsigned slow)
{
    int               rc;
    bool              same;
    size_t            i;
    uint32_t          stop;
    saying_t          s;
    memory_t          m;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;
    struct timespec   pause = { 0, 20000 };

    memset(&m, 0, sizeof(m));
    memset(&s, 0, sizeof(s));

    cur.seq = 0;

    for ( ;; ) {
        stop = sh->stop;
        rc = cdr_log_next(log, &cur, &e);

        if (rc == CDR_AGAIN) {

            if (stop) {
                _exit(0);
            }

            continue;
        }

        if (rc == CDR_DECLINED) {
            sh->overruns++;
            cdr_log_cursor_oldest(log, &cur);
            forget(&m);
            continue;
        }

        if (slow && e.seq % slow == 0) {
            (void) nanosleep(&pause, NULL);
        }

        same = (e.payload.len >= sizeof(saying_t));

        if (same) {
            memcpy(&s, e.payload.data, sizeof(saying_t));

            for (i = sizeof(saying_t); i < e.payload.len; i++) {
                same = same && e.payload.data[i]
                       == (uint8_t) (e.seq * 31 + i - sizeof(saying_t));
            }
        }

        if (!cdr_log_valid(log, e.seq)) {
            forget(&m);
            continue;
        }

        if (!same || s.writer >= WRITERS) {
            sh->torn++;
            continue;
        }

        if (!follows(&m, &s)) {
            sh->disorder++;
        }

        sh->read++;
    }
}


static pid_t
spawn(shared_t *sh, cdr_log_t *log, bool writes, uint32_t id)
{
    pid_t  pid;

    fflush(stdout);
    pid = fork();

    if (pid == 0) {

        if (writes) {
            writer(sh, log, id);
        }

        reader(sh, log, id);
    }

    return pid;
}


static void
test_crowd(void *mem)
{
    int                  status;
    bool                 good;
    pid_t                writers[WRITERS], readers[READERS];
    unsigned             i, w, seed;
    shared_t            *sh;
    cdr_log_t            log;
    cdr_log_fill_t       fill;
    struct timespec      pause;
    pthread_mutexattr_t  attr;

    log = fresh(mem, &params);
    sh = cdr_step_map(sizeof(shared_t));

    (void) pthread_mutexattr_init(&attr);
    (void) pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void) pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void) pthread_mutex_init(&sh->mutex, &attr);

    for (i = 0; i < READERS; i++) {
        readers[i] = spawn(sh, &log, false, i * 7);
    }

    for (i = 0; i < WRITERS; i++) {
        writers[i] = spawn(sh, &log, true, i);
    }

    /* A kill at a random moment is the point: there is nothing to await. */

    for (seed = 1, i = 0; i < KILLS; i++) {
        w = (unsigned) rand_r(&seed) % WRITERS;
        pause.tv_sec = 0;
        pause.tv_nsec = rand_r(&seed) % 3000000;
        (void) nanosleep(&pause, NULL);

        (void) kill(writers[w], SIGKILL);
        (void) waitpid(writers[w], &status, 0);
        writers[w] = spawn(sh, &log, true, w);
    }

    sh->stop = 1;

    for (good = true, i = 0; i < WRITERS; i++) {
        (void) waitpid(writers[i], &status, 0);
        good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && good;
    }

    for (i = 0; i < READERS; i++) {
        (void) waitpid(readers[i], &status, 0);
        good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && good;
    }

    cdr_log_fill(&log, &fill);

    ok(good, "all processes ended by themselves");
    ok(fill.head > 1000 && sh->read > 1000,
       "the writers wrote and the readers read");
    ok(sh->torn == 0, "no event was ever read torn");
    ok(sh->disorder == 0,
       "all were read in order and once, batches whole, whoever was killed");

    printf("# %llu written, %llu read, %llu overruns, %llu died locked\n",
           (unsigned long long) fill.head, (unsigned long long) sh->read,
           (unsigned long long) sh->overruns,
           (unsigned long long) sh->recovered);
}


static bool
id_is(const char *text, int expect)
{
    size_t          len;
    uint8_t         out[CDR_EVENT_ID_LEN], *flush;
    cdr_event_id_t  id;

    /* Flush against the end of its allocation: reading past it is seen. */

    len = strlen(text);
    flush = malloc(len ? len : 1);
    memcpy(flush, text, len);

    if (cdr_event_id_parse(&id, flush, len) != expect) {
        free(flush);
        return false;
    }

    free(flush);

    return expect != CDR_OK
           || (cdr_event_id_print(out, &id) == len
               && memcmp(out, text, len) == 0);
}


static void
test_ids(void)
{
    size_t          i;
    cdr_log_pos_t   pos = { 1700000000000, 42, 0 };
    cdr_event_id_t  id;
    uint8_t         out[CDR_EVENT_ID_LEN];

    static const char  *good[] = {
        "0-0", "1700000000000-42", "1-0~0.0", "1700000000000-42~7.13",
        "1-2~3.4~5.6", "1-2~3.4~5.6~7.8~9.10",
        "18446744073709551615-18446744073709551615",
        ("18446744073709551615-18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615"
         "~18446744073709551615.18446744073709551615")
    };

    static const char  *bad[] = {
        "", "-", "1", "1-", "-1", "01-1", "1-01", "00-0", "1-1 ", " 1-1",
        "+1-1", "1--1", "1-1~", "1-1~1", "1-1~1.", "1-1~.1", "1-1~01.1",
        "1-1~1.01", "1-1~1.1.", "1-1~1.1~", "1-1~1.1~2", "1-1~1.1~2.",
        "1-1~1.1~2.2~3.3~4.4~5.5", "1-1~1.1x", "1-1x", "1_1", "1-1-1", "a-1",
        "18446744073709551616-0", "0-18446744073709551616",
        "99999999999999999999-0", "0-0~0.18446744073709551616",
        ("0-00000000000000000000000000000000000000000000000000000000000000000"
         "00000000000000000000")
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(id_is(good[i], CDR_OK), "\"%s\" is an event id and prints so",
           good[i]);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(id_is(bad[i], CDR_ERROR), "\"%s\" is no event id", bad[i]);
    }

    ok(!id_is("1-1\0", CDR_ERROR)
       && cdr_event_id_parse(&id, (const uint8_t *) "1-1\0", 4) == CDR_ERROR,
       "a NUL is a byte like any other");

    cdr_event_id_set(&id, &pos, 9);
    ok(cdr_event_id_print(out, &id) == 16
       && memcmp(out, "1700000000000-42", 16) == 0,
       "the id of an event ordered by the hub is its position");

    pos.local = 3;
    cdr_event_id_set(&id, &pos, 9);
    ok(cdr_event_id_print(out, &id) == 20
       && memcmp(out, "1700000000000-42~9.3", 20) == 0,
       "that of one ordered alone names its server as well");
}


/* A reader in the middle of the oldest event when its bytes go. */

static void
race_reset(void *mem)
{
    size_t     i;
    cdr_log_t  log;

    log = fresh(mem, &params);

    for (i = 0; i < 100; i++) {
        (void) append(&log, 300);
    }
}


static void
race_write(void *mem)
{
    size_t     i;
    cdr_log_t  log;

    (void) cdr_log_attach(&log, mem, cdr_log_size(&params));

    for (i = 0; i < 21; i++) {
        (void) append(&log, 340 + i);
    }
}


static void
race_read(void *mem)
{
    int               rc;
    bool              valid;
    uint8_t           copy[RING], name[CDR_LOG_TYPE_MAX];
    cdr_log_t         log;
    cdr_log_event_t   e;
    cdr_log_cursor_t  cur;

    (void) cdr_log_attach(&log, mem, cdr_log_size(&params));

    cdr_log_cursor_oldest(&log, &cur);
    rc = cdr_log_next(&log, &cur, &e);

    valid = false;

    if (rc == CDR_OK) {
        memcpy(copy, e.payload.data, e.payload.len);
        memcpy(name, e.type.data, e.type.len);
        valid = cdr_log_valid(&log, e.seq);
    }

    cdr_race_end();

    if (valid) {
        e.payload.data = copy;
        e.type.data = name;
        _exit(!(e.fields.pos.n == e.seq && matches(&e)));
    }

    _exit(!(rc == CDR_OK || rc == CDR_DECLINED));
}


static void
race_find(void *mem)
{
    int               rc;
    cdr_log_t         log;
    cdr_log_pos_t     pos, last;
    cdr_log_found_t   found;
    cdr_log_cursor_t  cur;

    (void) cdr_log_attach(&log, mem, cdr_log_size(&params));

    pos.ms = EPOCH;
    pos.n = 90;
    pos.local = 0;

    rc = cdr_log_find(&log, &pos, &cur, &found);
    cdr_race_end();

    if (!(rc == CDR_OK && cur.seq == 90)
        && !(rc == CDR_DECLINED && found == CDR_LOG_EXPIRED))
    {
        _exit(1);
    }

    rc = cdr_log_last(&log, &last);

    _exit(!(rc == CDR_OK && last.ms == EPOCH
            && (last.n == 100 || last.n == 121)));
}


int
main(void)
{
    void        *mem;
    size_t       i;
    cdr_log_t    log;
    cdr_race_t   race;
    cdr_step_t   step;

    mem = cdr_step_map(cdr_log_size(&params) + RING);

    test_layout();
    test_append(mem);
    test_wrap(mem);
    test_overrun(mem);
    test_find(mem);
    test_expire(mem);
    test_repair(mem);
    test_ids();

    log = fresh(mem, &params);

    for (i = 0; i < 100; i++) {
        (void) append(&log, 300);
    }

    step.mem = mem;
    step.size = cdr_log_size(&params);
    step.op = batch;
    step.check = usable;

    ok_step(&step, "a batch is there or not, wherever its writer is killed");

    race.mem = mem;
    race.reset = race_reset;
    race.reader = race_read;
    race.write = race_write;

    ok_race(&race, "an event is whole or gone, wherever it is overwritten");

    race.reader = race_find;

    ok_race(&race, "a position is found or expired, wherever it goes");

    test_crowd(mem);

    return done_testing();
}
