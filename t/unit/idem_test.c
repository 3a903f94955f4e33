/* Idempotency keys: what is kept, for how long, a full table, repair. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_idem_shm.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define RECORDS  8
#define SMALL    1000                   /* keys from here on: the small share */
#define START    1700000000000U
#define HEAD     1000                   /* of the log */


static size_t                  size;
static const cdr_idem_owner_t  me = { 3, 7 };


static cdr_idem_t
table(void *mem)
{
    cdr_idem_t  t;

    memset(mem, 0xa5, size);
    (void) cdr_idem_init(mem, RECORDS);
    (void) cdr_idem_attach(&t, mem, size);

    return t;
}


/* All of them in two buckets. */

static cdr_idem_hash_t
key(uint64_t n)
{
    return (cdr_idem_hash_t) { { n * RECORDS + n % 2, n } };
}


static int
find(cdr_idem_t *t, uint64_t n, uint64_t now, cdr_idem_answer_t *answer)
{
    cdr_idem_hash_t    k;
    cdr_idem_answer_t  dummy;

    k = key(n);

    return cdr_idem_find(t, &k, now, answer ? answer : &dummy);
}


static int
reserve(cdr_idem_t *t, uint64_t n, const cdr_idem_owner_t *owner,
    uint64_t now, cdr_idem_ticket_t *ticket)
{
    cdr_idem_hash_t    k;
    cdr_idem_answer_t  answer;

    k = key(n);

    return cdr_idem_reserve(t, &k, (n < SMALL) ? CDR_IDEM_LARGE
                                               : CDR_IDEM_SMALL,
                            owner, now, ticket, &answer);
}


static int
complete(cdr_idem_t *t, const cdr_idem_ticket_t *ticket, uint64_t seq,
    uint64_t now)
{
    cdr_idem_answer_t  a = {
        .kind = 1, .count = 2, .seq = seq, .ms = START, .n = seq,
        .digest = { { 5, 6 } }
    };

    return cdr_idem_complete(t, ticket, &a, now);
}


/* Begun and done at once: the events "seq" and the next. */

static int
add(cdr_idem_t *t, uint64_t n, uint64_t seq, uint64_t now)
{
    int                rc;
    cdr_idem_ticket_t  ticket;

    rc = reserve(t, n, NULL, now, &ticket);

    return (rc == CDR_OK) ? complete(t, &ticket, seq, now) : rc;
}


/* Whether what is derived agrees with the records. */

static bool
whole(cdr_idem_t *t)
{
    uint32_t            i, high, running, done;
    cdr_idem_fill_t     fill;
    cdr_idem_answer_t   answer;
    cdr_idem_record_t  *e;

    cdr_idem_fill(t, &fill);

    running = 0;
    done = 0;

    high = cdr_idem_high(t);

    for (i = 0; i < high; i++) {
        e = &t->records[i];

        switch (cdr_idem_get(&e->state)) {

        case CDR_IDEM_FREE:
            break;

        case CDR_IDEM_RUNNING:
            running++;

            if (cdr_idem_find(t, &e->key, START, &answer) != CDR_AGAIN) {
                return false;
            }

            break;

        case CDR_IDEM_DONE:
            done++;

            if (t->ring[e->share * RECORDS + e->order % RECORDS] != i + 1
                || cdr_idem_find(t, &e->key, START, &answer) != CDR_OK)
            {
                return false;
            }

            break;

        default:
            return false;
        }
    }

    return running == fill.running && done == fill.done;
}


static void
test_layout(void *mem)
{
    cdr_idem_t       t;
    cdr_idem_fill_t  fill;

    memset(mem, 0, size);

    ok(cdr_idem_attach(&t, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a table");
    ok(cdr_idem_size(0) == 0 && cdr_idem_size(UINT32_MAX) == 0,
       "a table of no record or of too many has no size");
    ok(cdr_idem_init(mem, 0) == CDR_ERROR, "and is not laid out");

    t = table(mem);
    cdr_idem_fill(&t, &fill);

    ok(fill.records == RECORDS && fill.running == 0 && fill.done == 0,
       "a new table is empty");
    ok(cdr_idem_attach(&t, mem, size - 1) == CDR_ERROR
       && cdr_idem_attach(&t, mem, 8) == CDR_ERROR,
       "a table does not fit in less than its size");
    ok(cdr_idem_size(4096) < 4096 * (cdr_idem_bytes_per_record() + 1),
       "a table is not much more than its records");
}


static void
test_once(void *mem)
{
    cdr_idem_t         t;
    cdr_idem_answer_t  a;
    cdr_idem_ticket_t  ticket, second;

    t = table(mem);

    ok(find(&t, 1, START, NULL) == CDR_DECLINED, "a new key is not known");
    ok(reserve(&t, 1, &me, START, &ticket) == CDR_OK, "so it may be begun");
    ok(find(&t, 1, START, NULL) == CDR_AGAIN
       && reserve(&t, 1, &me, START, &second) == CDR_AGAIN
       && second.link == 0,
       "but not twice at a time");
    ok(cdr_idem_complete(&t, &second, &a, START) == CDR_DECLINED
       && cdr_idem_release(&t, &second) == CDR_DECLINED,
       "who has no ticket cannot end it");
    ok(reserve(&t, 1, &me, START + 2 * CDR_IDEM_KEEP_MS, &second)
       == CDR_AGAIN,
       "however long it takes");

    ok(complete(&t, &ticket, 41, START + 5) == CDR_OK, "it is done once");
    ok(reserve(&t, 1, &me, START + 6, &second) == CDR_DECLINED,
       "and then not begun again");
    ok(find(&t, 1, START + 6, &a) == CDR_OK && a.kind == 1 && a.count == 2
       && a.seq == 41 && a.ms == START && a.n == 41 && a.digest.word[1] == 6,
       "since what was done is known");
    ok(complete(&t, &ticket, 50, START + 7) == CDR_DECLINED
       && cdr_idem_release(&t, &ticket) == CDR_DECLINED,
       "a ticket is good for one use");

    (void) reserve(&t, 2, &me, START, &ticket);
    ok(cdr_idem_release(&t, &ticket) == CDR_OK
       && find(&t, 2, START, NULL) == CDR_DECLINED,
       "what fails is forgotten");
    ok(reserve(&t, 2, &me, START, &second) == CDR_OK
       && second.link == ticket.link
       && cdr_idem_release(&t, &ticket) == CDR_DECLINED,
       "and an old ticket does not end the next attempt");
    ok(whole(&t), "all of it is in its place");
}


static void
test_expiry(void *mem)
{
    int         i;
    cdr_idem_t  t;

    t = table(mem);

    (void) add(&t, 1, 1, START);
    (void) add(&t, 2, 3, START + 1);

    ok(find(&t, 1, START + CDR_IDEM_KEEP_MS - 1, NULL) == CDR_OK,
       "a key is kept for ten minutes");
    ok(find(&t, 1, START + CDR_IDEM_KEEP_MS, NULL) == CDR_DECLINED
       && find(&t, 2, START + CDR_IDEM_KEEP_MS, NULL) == CDR_OK,
       "and not longer");
    ok(find(&t, 2, START - 1000, NULL) == CDR_OK,
       "a clock that goes back does not end it");
    ok(add(&t, 1, 5, START + CDR_IDEM_KEEP_MS) == CDR_OK,
       "it may be used for something else then");
    ok(whole(&t), "all of it is in its place");

    for (i = 10; i < 10 + RECORDS; i++) {
        (void) add(&t, (uint64_t) i, 1, START);
    }

    ok(find(&t, 10 + RECORDS - 1, START + CDR_IDEM_KEEP_MS, NULL)
       == CDR_DECLINED && find(&t, 10, START, NULL) == CDR_DECLINED
       && whole(&t),
       "one that is too old takes all with it that are older");
}


static void
test_full(void *mem)
{
    uint64_t           i;
    cdr_idem_t         t;
    cdr_idem_ticket_t  ticket[RECORDS], last;

    t = table(mem);

    for (i = 1; i <= RECORDS; i++) {
        (void) add(&t, i, i, START + i);
    }

    ok(add(&t, 100, 1, START + 100) == CDR_OK
       && find(&t, 1, START + 100, NULL) == CDR_DECLINED
       && find(&t, 2, START + 100, NULL) == CDR_OK,
       "in a full table the oldest makes way");

    t = table(mem);

    for (i = 0; i < RECORDS; i++) {
        (void) reserve(&t, i, &me, START, &ticket[i]);
    }

    ok(whole(&t) && reserve(&t, 100, &me, START, &last) == CDR_FULL,
       "those under way make way for nobody");
    ok(reserve(&t, 3, &me, START, &last) == CDR_AGAIN,
       "and are known all the same");

    (void) complete(&t, &ticket[5], 1, START);

    ok(reserve(&t, 100, &me, START, &last) == CDR_OK
       && find(&t, 5, START, NULL) == CDR_DECLINED,
       "the first that is done does");
    ok(cdr_idem_release(&t, &ticket[0]) == CDR_OK
       && reserve(&t, 101, &me, START, &last) == CDR_OK && whole(&t),
       "and what fails makes room");
}


static void
test_shares(void *mem)
{
    uint64_t           i;
    cdr_idem_t         t;
    cdr_idem_fill_t    fill;
    cdr_idem_ticket_t  ticket;

    t = table(mem);

    for (i = 1; i <= RECORDS; i++) {
        (void) add(&t, i, i, START);
    }

    for (i = 0; i < 20; i++) {
        (void) add(&t, SMALL + i, 1, START);
    }

    ok(find(&t, 3, START, NULL) == CDR_OK
       && find(&t, 2, START, NULL) == CDR_DECLINED,
       "the small share takes a quarter and not more");
    ok(find(&t, SMALL + 19, START, NULL) == CDR_OK
       && find(&t, SMALL + 18, START, NULL) == CDR_OK
       && find(&t, SMALL + 17, START, NULL) == CDR_DECLINED && whole(&t),
       "in which the oldest makes way");

    for (i = 10; i < 30; i++) {
        (void) add(&t, i, 1, START);
    }

    ok(find(&t, SMALL + 18, START, NULL) == CDR_OK
       && find(&t, 29, START, NULL) == CDR_OK && whole(&t),
       "and the large one leaves it that");

    cdr_idem_repair(&t, HEAD);

    ok(find(&t, SMALL + 18, START, NULL) == CDR_OK && whole(&t),
       "also after a repair");
    ok(add(&t, SMALL + 40, 1, START) == CDR_OK
       && find(&t, SMALL + 18, START, NULL) == CDR_DECLINED
       && find(&t, SMALL + 19, START, NULL) == CDR_OK,
       "which knows what is oldest");

    t = table(mem);

    for (i = 0; i < 20; i++) {
        (void) add(&t, SMALL + i, 1, START);
    }

    cdr_idem_fill(&t, &fill);

    ok(fill.done == RECORDS / 4, "where there is room it takes no more");

    for (i = 0; i < RECORDS; i++) {
        (void) reserve(&t, i, &me, START, &ticket);
    }

    ok(whole(&t) && find(&t, SMALL + 19, START, NULL) == CDR_DECLINED,
       "but makes way for what is under way");
}


static void
test_owner(void *mem)
{
    uint32_t           n;
    cdr_idem_t         t;
    cdr_idem_ticket_t  ticket;

    static const cdr_idem_owner_t  next = { 3, 8 }, other = { 4, 7 };

    t = table(mem);

    ok(cdr_idem_release_owner(&t, 3, 7, &n) == CDR_OK && n == 0,
       "a dead owner may have left nothing");

    (void) reserve(&t, 1, &me, START, &ticket);
    (void) reserve(&t, 2, &me, START, &ticket);
    (void) complete(&t, &ticket, 1, START);
    (void) reserve(&t, 3, &next, START, &ticket);
    (void) reserve(&t, 4, &other, START, &ticket);

    ok(cdr_idem_release_owner(&t, 3, 6, &n) == CDR_OK && n == 0,
       "a later owner of the slot loses nothing");
    ok(cdr_idem_release_owner(&t, 3, 7, &n) == CDR_OK && n == 1
       && find(&t, 1, START, NULL) == CDR_DECLINED,
       "what a dead one had begun may be begun again");
    ok(find(&t, 2, START, NULL) == CDR_OK, "what it had done stays done");
    ok(find(&t, 3, START, NULL) == CDR_AGAIN
       && find(&t, 4, START, NULL) == CDR_AGAIN && whole(&t),
       "and nobody else's is touched");
}


static void
test_repair(void *mem)
{
    uint32_t           i;
    cdr_idem_t         t;
    cdr_idem_ticket_t  ticket, held;

    t = table(mem);

    (void) add(&t, 1, HEAD - 1, START);
    (void) reserve(&t, 2, &me, START, &ticket);
    (void) reserve(&t, 3, NULL, START, &held);
    (void) add(&t, 4, HEAD, START);

    cdr_idem_repair(&t, HEAD);

    ok(find(&t, 1, START, NULL) == CDR_OK, "a repair keeps what is done");
    ok(find(&t, 2, START, NULL) == CDR_AGAIN
       && complete(&t, &ticket, 1, START) == CDR_OK,
       "and what is under way, for its owner to end");
    ok(find(&t, 3, START, NULL) == CDR_DECLINED
       && cdr_idem_release(&t, &held) == CDR_DECLINED,
       "but not what its writer had not finished");
    ok(find(&t, 4, START, NULL) == CDR_DECLINED,
       "nor what the log does not have");
    ok(whole(&t), "all of it is in its place");

    for (i = 0; i < RECORDS; i++) {
        t.buckets[i] = 1;
        t.records[i].next = 1;
    }

    ok(reserve(&t, 9, &me, START, &ticket) == CDR_ERROR,
       "a chain that runs in a circle is an error");

    for (i = 0; i < RECORDS; i++) {
        t.buckets[i] = 0xffffff;
        t.ring[i] = 0xffffff;
        t.ring[RECORDS + i] = 0xffffff;
    }

    ok(find(&t, 9, START, NULL) == CDR_ERROR
       && add(&t, 9, 1, START + CDR_IDEM_KEEP_MS) == CDR_ERROR,
       "and so is one that leads out of the table");

    cdr_idem_repair(&t, HEAD);

    ok(whole(&t) && find(&t, 1, START, NULL) == CDR_OK,
       "a repair rebuilds them from the records");

    t.records[0].order += 3;
    cdr_idem_repair(&t, HEAD);

    ok(whole(&t) && find(&t, 2, START, NULL) == CDR_DECLINED
       && add(&t, 9, 1, START) == CDR_OK,
       "where nobody knows what is oldest, all of it is forgotten");
}


/* The log, as far as it concerns these: what it has when the mutex is free. */

static void
work(void *mem)
{
    uint64_t           i;
    uint32_t           n;
    cdr_idem_t         t;
    cdr_idem_ticket_t  ticket, second;

    (void) cdr_idem_attach(&t, mem, size);

    (void) reserve(&t, 21, &me, START, &ticket);
    (void) reserve(&t, 22, &me, START, &second);
    (void) complete(&t, &ticket, 5, START);
    (void) cdr_idem_release(&t, &second);
    (void) reserve(&t, 23, &me, START, &second);

    for (i = 30; i < 34; i++) {
        (void) add(&t, i, i, START);
        (void) add(&t, SMALL + i, i, START);
    }

    (void) add(&t, 34, HEAD + 1, START);
    (void) cdr_idem_release_owner(&t, 3, 7, &n);
    (void) find(&t, 21, START + CDR_IDEM_KEEP_MS, NULL);
}


static bool
usable(void *mem)
{
    uint32_t           n;
    uint64_t           i;
    cdr_idem_t         t;
    cdr_idem_ticket_t  ticket;

    if (cdr_idem_attach(&t, mem, size) != CDR_OK) {
        return false;
    }

    cdr_idem_repair(&t, HEAD);

    if (!whole(&t)
        || find(&t, 34, START, NULL) != CDR_DECLINED
        || cdr_idem_release_owner(&t, 3, 7, &n) != CDR_OK
        || !whole(&t))
    {
        return false;
    }

    /* The whole table can be had. */

    for (i = 100; i < 100 + RECORDS; i++) {
        if (reserve(&t, i, &me, START, &ticket) != CDR_OK) {
            return false;
        }
    }

    return whole(&t) && reserve(&t, 99, &me, START, &ticket) == CDR_FULL;
}


/* Begun by one, and done by another who knows only the key. */

static void
test_lent(void *mem)
{
    uint32_t           n;
    cdr_idem_t         t;
    cdr_idem_hash_t    k[4];
    cdr_idem_answer_t  a, done = { .kind = 1, .count = 2, .ms = START };
    cdr_idem_ticket_t  ticket;

    t = table(mem);

    for (n = 0; n < 4; n++) {
        k[n] = key(n);
    }

    (void) reserve(&t, 1, &me, START, &ticket);
    ok(cdr_idem_forget(&t, &k[1]) == CDR_OK
       && find(&t, 1, START, NULL) == CDR_AGAIN,
       "what has an owner is not ended by its key");
    ok(cdr_idem_lend(&t, &ticket) == CDR_OK
       && cdr_idem_release_owner(&t, me.slot, me.incarnation, &n) == CDR_OK
       && n == 0 && find(&t, 1, START, NULL) == CDR_AGAIN,
       "what was lent outlives its owner");
    ok(cdr_idem_note(&t, &k[1], &done, START) == CDR_OK
       && find(&t, 1, START, &a) == CDR_OK && a.ms == START && whole(&t),
       "and is done");
    ok(cdr_idem_release(&t, &ticket) == CDR_DECLINED
       && cdr_idem_lend(&t, &ticket) == CDR_DECLINED, "for its owner too");

    done.ms++;
    ok(cdr_idem_note(&t, &k[1], &done, START) == CDR_OK
       && find(&t, 1, START, &a) == CDR_OK && a.ms == START,
       "what was done first stays");
    ok(cdr_idem_note(&t, &k[2], &done, START) == CDR_OK
       && find(&t, 2, START, &a) == CDR_OK && a.ms == START + 1,
       "what nobody has begun here is kept as well");

    cdr_idem_repair(&t, 0);
    ok(find(&t, 1, START, &a) == CDR_OK && find(&t, 2, START, &a) == CDR_OK
       && whole(&t), "and over a repair, as no log has to have it");

    (void) reserve(&t, 3, &me, START, &ticket);
    (void) cdr_idem_lend(&t, &ticket);
    ok(cdr_idem_forget(&t, &k[3]) == CDR_OK
       && find(&t, 3, START, NULL) == CDR_DECLINED && whole(&t),
       "what was lent and not done is forgotten");
    ok(cdr_idem_forget(&t, &k[3]) == CDR_OK
       && cdr_idem_forget(&t, &k[1]) == CDR_OK
       && find(&t, 1, START, &a) == CDR_OK, "and nothing else");
}


int
main(void)
{
    void        *mem;
    cdr_idem_t   t;
    cdr_step_t   step;

    size = cdr_idem_size(RECORDS);
    mem = cdr_step_map(size);

    test_layout(mem);
    test_once(mem);
    test_expiry(mem);
    test_full(mem);
    test_shares(mem);
    test_owner(mem);
    test_repair(mem);
    test_lent(mem);

    t = table(mem);

    (void) add(&t, 1, 1, START);
    (void) add(&t, 2, 2, START);
    (void) add(&t, 3, 3, START);

    step.mem = mem;
    step.size = size;
    step.op = work;
    step.check = usable;

    ok_step(&step, "no record is lost wherever a writer is killed");

    return done_testing();
}
