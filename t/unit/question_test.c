/* Questions from one process to another, and who may die on the way. */

#include "cdr_test.h"
#include "cdr_question.h"


#define WORKER  3
#define KEEPER  ((uint64_t) 7 << 32 | 1)
#define NEXT    ((uint64_t) 7 << 32 | 2)

#define str(s)  (cdr_str_t) { (const uint8_t *) (s), strlen(s) }


static void an_answer_comes_back(void);
static void slots_are_few(void);
static void askers_may_go(void);
static void keepers_may_go(void);
static void sizes_are_checked(void);
static void memory_is_checked(void);


static void                  *mem;
static cdr_question_t         q;
static cdr_question_ticket_t  ticket;
static uint8_t                text[CDR_QUESTION_TEXT];
static uint8_t                answer[CDR_QUESTION_ANSWER];
static size_t                 len;
static uint32_t               status;
static uint32_t               asker;


static void
setup(uint32_t n)
{
    mem = aligned_alloc(64, cdr_question_size(n));
    memset(mem, 0xaa, cdr_question_size(n));

    (void) cdr_question_init(mem, n);
    (void) cdr_question_attach(&q, mem, cdr_question_size(n));
}


static bool
got(const char *expected)
{
    return len == strlen(expected) && memcmp(answer, expected, len) == 0;
}


int
main(void)
{
    an_answer_comes_back();
    slots_are_few();
    askers_may_go();
    keepers_may_go();
    sizes_are_checked();
    memory_is_checked();

    return done_testing();
}


static void
an_answer_comes_back(void)
{
    cdr_question_ticket_t  taken;

    setup(2);

    ok(cdr_question_take(&q, KEEPER, text, &len, &taken) == CDR_DECLINED,
       "nobody has asked");
    ok(cdr_question_ask(&q, str("who?"), WORKER, 1000, &ticket) == CDR_OK,
       "a question is asked");
    ok(!cdr_question_answered(&q, &ticket)
       && cdr_question_collect(&q, &ticket, &status, answer, &len)
          == CDR_AGAIN, "there is no answer yet");

    ok(cdr_question_take(&q, KEEPER, text, &len, &taken) == CDR_OK
       && len == 4 && memcmp(text, "who?", 4) == 0, "it is taken");
    ok(cdr_question_take(&q, KEEPER, text, &len, &taken) == CDR_DECLINED,
       "once");
    ok(cdr_question_answer(&q, KEEPER, &ticket, 200, str("me"), &asker)
       == CDR_OK && asker == WORKER, "it is answered to who asked");
    ok(cdr_question_answered(&q, &ticket), "who sees it");
    ok(cdr_question_answer(&q, KEEPER, &ticket, 200, str("me"), &asker)
       == CDR_DECLINED, "one answer is enough");
    ok(cdr_question_collect(&q, &ticket, &status, answer, &len) == CDR_OK
       && status == 200 && got("me"), "and collects it");
    ok(cdr_question_collect(&q, &ticket, &status, answer, &len)
       == CDR_DECLINED, "once");

    free(mem);
}


static void
slots_are_few(void)
{
    cdr_question_ticket_t  a, b, c;

    setup(2);

    (void) cdr_question_ask(&q, str("b"), WORKER, 1001, &b);
    (void) cdr_question_ask(&q, str("a"), WORKER, 1000, &a);

    ok(cdr_question_ask(&q, str("c"), WORKER, 1002, &c) == CDR_FULL,
       "a question too many is refused");

    (void) cdr_question_take(&q, KEEPER, text, &len, &c);
    ok(c.slot == a.slot && c.serial == a.serial,
       "the one that has waited longest is first");

    ok(cdr_question_ask(&q, str("c"), WORKER, 900, &c) == CDR_FULL,
       "a process whose clock is behind takes none");
    ok(cdr_question_ask(&q, str("c"), WORKER,
                        1002 + CDR_QUESTION_PATIENCE, &c) == CDR_OK,
       "one whose asker must be dead is given away");

    free(mem);
}


static void
askers_may_go(void)
{
    cdr_question_ticket_t  taken, next;

    setup(1);

    (void) cdr_question_ask(&q, str("a"), WORKER, 1000, &ticket);
    (void) cdr_question_take(&q, KEEPER, text, &len, &taken);
    cdr_question_drop(&q, &ticket);

    ok(cdr_question_answer(&q, KEEPER, &taken, 200, str("late"), &asker)
       == CDR_DECLINED, "an answer that nobody waits for finds nobody");

    (void) cdr_question_ask(&q, str("b"), WORKER, 1000, &next);

    ok(cdr_question_answer(&q, KEEPER, &taken, 200, str("late"), &asker)
       == CDR_DECLINED, "nor does it answer the next question");
    cdr_question_drop(&q, &ticket);
    ok(cdr_question_take(&q, KEEPER, text, &len, &taken) == CDR_OK
       && taken.serial == next.serial, "an old ticket drops nothing of it");
    ok(cdr_question_answered(&q, &ticket),
       "who has an old ticket need not wait");

    free(mem);
}


static void
keepers_may_go(void)
{
    cdr_question_ticket_t  taken;

    setup(1);

    (void) cdr_question_ask(&q, str("a"), WORKER, 1000, &ticket);
    (void) cdr_question_take(&q, KEEPER, text, &len, &taken);

    ok(cdr_question_take(&q, NEXT, text, &len, &taken) == CDR_OK,
       "the next keeper takes what the last one did not answer");
    ok(cdr_question_answer(&q, KEEPER, &ticket, 200, str("old"), &asker)
       == CDR_DECLINED, "whose answer is too late");
    ok(cdr_question_answer(&q, NEXT, &ticket, 200, str("new"), &asker)
       == CDR_OK, "and answers it");
    ok(cdr_question_collect(&q, &ticket, &status, answer, &len) == CDR_OK
       && got("new"), "as the asker sees");

    free(mem);
}


static void
sizes_are_checked(void)
{
    static uint8_t  big[CDR_QUESTION_ANSWER + 1];

    setup(1);

    ok(cdr_question_ask(&q, (cdr_str_t) { big, CDR_QUESTION_TEXT + 1 },
                        WORKER, 0, &ticket) == CDR_TOOBIG,
       "a question may be too long");
    ok(cdr_question_ask(&q, (cdr_str_t) { big, CDR_QUESTION_TEXT }, WORKER,
                        0, &ticket) == CDR_OK, "or just not");
    (void) cdr_question_take(&q, KEEPER, text, &len, &ticket);
    ok(cdr_question_answer(&q, KEEPER, &ticket, 200,
                           (cdr_str_t) { big, sizeof(big) }, &asker)
       == CDR_TOOBIG, "an answer may be too long");
    ok(cdr_question_answer(&q, KEEPER, &ticket, 200,
                           (cdr_str_t) { big, sizeof(big) - 1 }, &asker)
       == CDR_OK, "or just not");
    ok(cdr_question_collect(&q, &ticket, &status, answer, &len) == CDR_OK
       && len == CDR_QUESTION_ANSWER, "and comes whole");

    free(mem);
}


static void
memory_is_checked(void)
{
    ok(cdr_question_size(CDR_QUESTION_MAX + 1) == 0
       && cdr_question_init(NULL, CDR_QUESTION_MAX + 1) == CDR_ERROR,
       "there are not too many slots");

    setup(1);
    ok(cdr_question_attach(&q, mem, cdr_question_size(1) - 1) == CDR_ERROR,
       "all of them are there");
    ok(cdr_question_attach(&q, mem, 10) == CDR_ERROR, "or some of it");
    memset(mem, 0, 64);
    ok(cdr_question_attach(&q, mem, cdr_question_size(1)) == CDR_DECLINED,
       "what was not laid out is not taken");
    free(mem);

    setup(0);
    ok(cdr_question_ask(&q, str("a"), WORKER, 0, &ticket) == CDR_FULL,
       "there may be none");
    ticket.slot = 5;
    ok(cdr_question_answered(&q, &ticket), "and no ticket is good");
    free(mem);
}
