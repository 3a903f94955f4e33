/* The highest numbers of sources: raised, kept, given way to, repaired. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_log.h"
#include "cdr_source.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define NOW   1700000000000U
#define RING  65536


static const cdr_log_params_t  params = { RING, 256, NOW, { 0, 0, 0 } };


static cdr_source_t
fresh(void *mem)
{
    cdr_source_t  t;

    memset(mem, 0xa5, cdr_source_size());
    (void) cdr_source_init(mem);
    (void) cdr_source_attach(&t, mem, cdr_source_size());

    return t;
}


static void
test_layout(void *mem)
{
    cdr_source_t  t;

    memset(mem, 0xa5, cdr_source_size());

    ok(cdr_source_attach(&t, mem, cdr_source_size()) == CDR_DECLINED
       && t.shm == NULL, "what is no table is not attached");

    ok(cdr_source_attach(&t, mem, cdr_source_size() - 1) == CDR_ERROR
       && t.shm == NULL, "nor one that does not fit");

    t = fresh(mem);
    ok(t.shm && cdr_source_highest(&t, 1) == 0,
       "a fresh one knows nobody");
}


static void
test_raise(void *mem)
{
    cdr_source_t  t;

    t = fresh(mem);

    cdr_source_raise(&t, 1, 0, NOW);
    cdr_source_raise(&t, 1, 7, NOW);
    cdr_source_raise(&t, 2, 5, NOW);
    cdr_source_raise(&t, 1, 6, NOW);

    ok(cdr_source_highest(&t, 1) == 7, "a number only grows");
    ok(cdr_source_highest(&t, 2) == 5, "each source has its own");
    ok(cdr_source_highest(&t, 3) == 0, "one that was not seen has none");
}


static void
test_full(void *mem)
{
    bool          good;
    uint64_t      i;
    cdr_source_t  t;

    t = fresh(mem);

    for (i = 1; i <= CDR_SOURCES; i++) {
        cdr_source_raise(&t, i, i, NOW + i);
    }

    cdr_source_raise(&t, 1, 1, NOW + CDR_SOURCES + 1);
    cdr_source_raise(&t, 9999, 4, NOW + CDR_SOURCES + 2);

    for (good = true, i = 3; i <= CDR_SOURCES; i++) {
        good = good && cdr_source_highest(&t, i) == i;
    }

    ok(good && cdr_source_highest(&t, 1) == 1
       && cdr_source_highest(&t, 9999) == 4,
       "a full table takes a new source");
    ok(cdr_source_highest(&t, 2) == 0,
       "in place of the one that was silent longest");
}


static void
append(cdr_log_t *log, uint64_t server, uint64_t n)
{
    cdr_str_t         type = cdr_str("t");
    cdr_log_tx_t      tx;
    cdr_log_fields_t  f;

    memset(&f, 0, sizeof(f));

    f.server = server;
    f.boot = server;
    f.n = n;
    f.time_ms = NOW;

    (void) cdr_log_begin(log, &tx, cdr_log_record_size(1, 0), 1);
    (void) cdr_log_add(log, &tx, &f, type, 0);
    cdr_log_commit(log, &tx);
}


static void
test_repair(void *mem, void *logmem)
{
    cdr_log_t     log;
    cdr_source_t  t;

    t = fresh(mem);

    (void) cdr_log_init(logmem, &params);
    (void) cdr_log_attach(&log, logmem, cdr_log_size(&params));

    cdr_source_raise(&t, 1, 10, NOW);

    append(&log, 1, 10);
    append(&log, 2, 30);
    append(&log, 1, 11);

    cdr_source_repair(&t, &log, NOW);

    ok(cdr_source_highest(&t, 1) == 11
       && cdr_source_highest(&t, 2) == 30,
       "what a writer left in the log is found there");
}


static void
step_fill(void *mem)
{
    uint64_t      i;
    cdr_source_t  t;

    t = fresh(mem);

    for (i = 1; i <= CDR_SOURCES; i++) {
        cdr_source_raise(&t, i, i, NOW + i);
    }
}


static void
step_raise(void *mem)
{
    cdr_source_t  t;

    (void) cdr_source_attach(&t, mem, cdr_source_size());

    cdr_source_raise(&t, 9999, 4, NOW + 9999);
    cdr_source_raise(&t, 5, 500, NOW + 9999);
}


/* A number is the old one or the new one, and a source's own. */

static bool
step_check(void *mem)
{
    uint64_t      i, n;
    cdr_source_t  t;

    if (cdr_source_attach(&t, mem, cdr_source_size()) != CDR_OK) {
        return false;
    }

    for (i = 1; i <= CDR_SOURCES; i++) {
        n = cdr_source_highest(&t, i);

        if (n != 0 && n != i && !(i == 5 && n == 500)) {
            return false;
        }
    }

    n = cdr_source_highest(&t, 9999);

    return n == 0 || n == 4;
}


int
main(void)
{
    void        *mem, *log;
    cdr_step_t   step;

    mem = cdr_step_map((cdr_source_size() + 4095) / 4096 * 4096);
    log = cdr_step_map(cdr_log_size(&params) + 4096);

    test_layout(mem);
    test_raise(mem);
    test_full(mem);
    test_repair(mem, log);

    step_fill(mem);

    step.mem = mem;
    step.size = cdr_source_size();
    step.op = step_raise;
    step.check = step_check;

    ok_step(&step, "a number is whole, and its own source's, wherever its "
            "writer is killed");

    return done_testing();
}
