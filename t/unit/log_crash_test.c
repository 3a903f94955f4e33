/* The event log under killed writers, and readers who are overwritten. */

#define _GNU_SOURCE

#include "log_test.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "cdr_step.h"


#define WRITERS   2
#define READERS   3
#define KILLS     150


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


/* Whether an event is whole; and what it says. */

static bool
is_whole(const cdr_log_event_t *e, saying_t *s)
{
    bool    same;
    size_t  i;

    if (e->payload.len < sizeof(saying_t)) {
        return false;
    }

    memcpy(s, e->payload.data, sizeof(saying_t));
    same = true;

    for (i = sizeof(saying_t); i < e->payload.len; i++) {
        same = same && e->payload.data[i]
                       == (uint8_t) (e->seq * 31 + i - sizeof(saying_t));
    }

    return same;
}


static void
reader(shared_t *sh, cdr_log_t *log, unsigned slow)
{
    int               rc;
    bool              same;
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

        same = is_whole(&e, &s);

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


static shared_t *
share(void)
{
    shared_t             *sh;
    pthread_mutexattr_t   attr;

    sh = cdr_step_map(sizeof(shared_t));

    (void) pthread_mutexattr_init(&attr);
    (void) pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    (void) pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    (void) pthread_mutex_init(&sh->mutex, &attr);

    return sh;
}


static bool
all_end(const pid_t *pids, unsigned n)
{
    int       status;
    bool      good;
    unsigned  i;

    for (good = true, i = 0; i < n; i++) {
        (void) waitpid(pids[i], &status, 0);
        good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && good;
    }

    return good;
}


static void
test_crowd(void *mem)
{
    int              status;
    bool             good;
    pid_t            writers[WRITERS], readers[READERS];
    unsigned         i, w, seed;
    shared_t        *sh;
    cdr_log_t        log;
    cdr_log_fill_t   fill;
    struct timespec  pause;

    log = fresh(mem, &params);
    sh = share();

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

    good = all_end(writers, WRITERS);
    good = all_end(readers, READERS) && good;

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
