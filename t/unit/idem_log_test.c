/* A publication with a key: the key and the events, or neither. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_idem.h"
#include "cdr_log.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define RECORDS  8
#define START    1700000000000U


/* The log lies behind the table. */

static size_t                  size;
static const cdr_idem_owner_t  me = { 3, 7 };
static const cdr_idem_hash_t   key = { { 50, 60 } };

static const cdr_log_params_t  params = {
    .size = CDR_LOG_SIZE_MIN, .events = 16, .epoch_ms = START,
    .base = { START, 0, 0 }
};


static void
make(void *mem)
{
    (void) cdr_idem_init(mem, RECORDS);
    (void) cdr_log_init((uint8_t *) mem + size, &params);
}


static void
attach(void *mem, cdr_idem_t *t, cdr_log_t *log)
{
    (void) cdr_idem_attach(t, mem, size);
    (void) cdr_log_attach(log, (uint8_t *) mem + size, cdr_log_size(&params));
}


/* Two events, as a worker does it. */

static void
publish(void *mem)
{
    cdr_log_t          log;
    cdr_idem_t         t;
    cdr_log_tx_t       tx;
    cdr_log_fields_t   fields = { 0 };
    cdr_idem_answer_t  answer = { 0 };
    cdr_idem_ticket_t  ticket;

    static const cdr_str_t  type = cdr_str("e");

    attach(mem, &t, &log);

    (void) cdr_idem_reserve(&t, &key, CDR_IDEM_LARGE, &me, START, &ticket,
                            &answer);
    (void) cdr_log_begin(&log, &tx, 2 * cdr_log_record_size(1, 8), 2);

    answer.count = 2;
    answer.seq = tx.seq;

    (void) cdr_log_add(&log, &tx, &fields, type, 8);
    (void) cdr_log_add(&log, &tx, &fields, type, 8);
    (void) cdr_idem_complete(&t, &ticket, &answer, START);

    cdr_log_commit(&log, &tx);
}


static bool
agree(void *mem)
{
    int                rc;
    uint32_t           n;
    cdr_log_t          log;
    cdr_idem_t         t;
    cdr_log_fill_t     fill;
    cdr_idem_answer_t  answer;

    attach(mem, &t, &log);

    (void) cdr_log_repair(&log);
    cdr_log_fill(&log, &fill);

    cdr_idem_repair(&t, fill.head);

    if (cdr_idem_release_owner(&t, me.slot, me.incarnation, &n) != CDR_OK) {
        return false;
    }

    rc = cdr_idem_find(&t, &key, START, &answer);

    return (fill.head == 0) ? rc == CDR_DECLINED
                            : fill.head == 2 && rc == CDR_OK
                              && answer.seq == 1;
}


int
main(void)
{
    void               *mem;
    cdr_log_t           log;
    cdr_idem_t          t;
    cdr_step_t          step;
    cdr_idem_answer_t   answer;

    size = cdr_idem_size(RECORDS);
    step.size = size + cdr_log_size(&params);

    mem = cdr_step_map(step.size);

    make(mem);

    step.mem = mem;
    step.op = publish;
    step.check = agree;

    ok_step(&step, "a killed writer leaves the events and their key, or none");

    make(mem);
    publish(mem);
    attach(mem, &t, &log);

    ok(cdr_idem_find(&t, &key, START, &answer) == CDR_OK
       && answer.count == 2,
       "a publication leaves its key");
    ok(agree(mem), "and a repair later, too");

    return done_testing();
}
