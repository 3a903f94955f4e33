/* What waits for Redis, and who waits for that. */

#include "outbox_test.h"


static void records_are_read_in_their_order(void);
static void what_is_done_makes_way(void);
static void the_ring_goes_round(void);
static void numbers_grow_over_lives(void);
static void what_others_miss_may_go(void);
static void tickets_are_finished(void);
static void askers_may_go(void);
static void askers_may_change_their_mind(void);
static void sizes_are_checked(void);
static void damage_is_cut_off(void);


int
main(void)
{
    records_are_read_in_their_order();
    what_is_done_makes_way();
    the_ring_goes_round();
    numbers_grow_over_lives();
    what_others_miss_may_go();
    tickets_are_finished();
    askers_may_go();
    askers_may_change_their_mind();
    sizes_are_checked();
    damage_is_cut_off();

    return done_testing();
}


static void
records_are_read_in_their_order(void)
{
    uint32_t            flags;
    cdr_str_t           name, text;
    cdr_outbox_iter_t   it;
    cdr_outbox_rec_t   *found;
    cdr_outbox_cursor_t seek;

    setup();

    ok(next() == 0, "there is nothing to read");

    (void) put(2, 10);
    (void) put(1, 0);

    ok(next() == 1 && rec->n == 1 && rec->count == 2 && rec->ticket == 0,
       "the first record is read");

    cdr_outbox_items(rec, &it);

    ok(cdr_outbox_item(&it, &flags, &name, &text) == CDR_OK && flags == 0
       && name.len == 4 && memcmp(name.data, "note", 4) == 0
       && text.len == 10 && text.data[9] == 'x', "with its first item");
    ok(cdr_outbox_item(&it, &flags, &name, &text) == CDR_OK && flags == 1
       && cdr_outbox_item(&it, &flags, &name, &text) == CDR_DECLINED,
       "and its second and last one");
    ok(next() == 2 && rec->n == 3 && next() == 0, "then the second record");

    ok(cdr_outbox_find(&ob, 2, &found) == CDR_OK && found->number == 1
       && cdr_outbox_find(&ob, 3, &found) == CDR_OK
       && found->number == 2, "each is found by its events");
    ok(cdr_outbox_find(&ob, 4, &found) == CDR_DECLINED
       && cdr_outbox_find(&ob, 0, &found) == CDR_DECLINED,
       "and by no other");

    memset(&seek, 0, sizeof(cdr_outbox_cursor_t));

    ok(cdr_outbox_seek(&ob, &seek, 1, &found) == CDR_OK
       && found->number == 1
       && cdr_outbox_seek(&ob, &seek, 3, &found) == CDR_OK
       && found->number == 2,
       "from the one that was found last");
    ok(cdr_outbox_seek(&ob, &seek, 4, &found) == CDR_DECLINED
       && cdr_outbox_seek(&ob, &seek, 2, &found) == CDR_OK
       && found->number == 1, "or from the first, for one before that");

    it.rest.len = 3;
    it.rest.data = (const uint8_t *) "abc";
    ok(cdr_outbox_item(&it, &flags, &name, &text) == CDR_ERROR,
       "an item that is cut off is none");

    free(mem);
}


static void
what_is_done_makes_way(void)
{
    cdr_outbox_fill_t   fill;
    cdr_outbox_rec_t   *r[4];

    setup();

    for (int i = 0; i < 4; i++) {
        (void) put(1, 8);
        r[i] = rec;
    }

    cdr_outbox_mark(&ob, r[0], CDR_OUTBOX_ORDERED);
    ok(held() == 4, "Redis has it, the log has not: it is kept");

    cdr_outbox_mark(&ob, r[1], CDR_OUTBOX_ORDERED|CDR_OUTBOX_RETURNED);
    ok(held() == 4, "it is not the oldest: it is kept");

    cdr_outbox_mark(&ob, r[2], CDR_OUTBOX_PLACED|CDR_OUTBOX_RETURNED);
    cdr_outbox_mark(&ob, r[0], CDR_OUTBOX_RETURNED);
    cdr_outbox_fill(&ob, &fill);
    ok(fill.records == 2 && fill.events == 2
       && fill.oldest_ms == 1000 + r[2]->number,
       "the log has it too: it goes, and so does what waited behind it");

    cdr_outbox_mark(&ob, r[2], CDR_OUTBOX_ORDERED);
    cdr_outbox_mark(&ob, r[3], CDR_OUTBOX_REPEATED);
    cdr_outbox_fill(&ob, &fill);
    ok(fill.records == 0 && fill.used == 0 && fill.oldest_ms == 0,
       "what was placed and ordered, or is a repetition, goes");
    ok(next() == 0, "nothing of it is read any more");

    (void) put(1, 8);
    ok(next() == 5, "but what comes after it is");

    free(mem);
}


static void
the_ring_goes_round(void)
{
    bool      good;
    uint32_t  i, n, lens[4] = { 0, 1001, 17, 30000 };

    setup();

    good = true;
    n = 0;

    for (i = 0; i < 2000; i++) {

        while (put(1, lens[i % 4]) == CDR_FULL) {
            good = good && next() == ++n
                   && rec->len == cdr_outbox_item_size(4, lens[(n - 1) % 4]);
            cdr_outbox_mark(&ob, rec, CDR_OUTBOX_ORDERED|CDR_OUTBOX_RETURNED);
        }

        if (i % 100 == 0) {
            cdr_outbox_repair(&ob);
        }
    }

    while (next()) {
        n++;
        good = good && rec->number == n && rec->n == n;
        cdr_outbox_mark(&ob, rec, CDR_OUTBOX_REPEATED);
    }

    ok(good && n == 2000, "2,000 records go through it in their order");
    ok(held() == 0 && cdr_outbox_n(&ob) == 2000, "and it is empty");

    free(mem);
}


static void
numbers_grow_over_lives(void)
{
    uint8_t  *p;

    setup();

    cdr_outbox_start(&ob, 5000);
    cdr_outbox_start(&ob, 10);
    (void) put(3, 0);
    ok(rec->n == 5001 && cdr_outbox_n(&ob) == 5003,
       "numbers begin where they are told to");

    (void) cdr_outbox_begin(&ob, cdr_outbox_item_size(0, 0), 1, NULL, &rec,
                            &p, &ticket);
    (void) cdr_outbox_put(p, 0, (cdr_str_t) { NULL, 0 },
                          (cdr_str_t) { NULL, 0 });
    rec->n = 6000;
    rec->marks = CDR_OUTBOX_PLACED;
    cdr_outbox_commit(&ob, rec);

    (void) next();
    ok(next() == 2 && rec->n == 6000
       && rec->marks == (CDR_OUTBOX_PLACED|CDR_OUTBOX_TAKEN),
       "a record of an earlier life keeps its own");

    (void) put(1, 0);
    ok(rec->n == 6001, "and the next one is above it");

    (void) cdr_outbox_begin(&ob, 100, 1, &me, &rec, &p, &ticket);
    (void) put(1, 0);
    ok(rec->n == 6002 && next() == 3 && next() == 4 && next() == 0,
       "what was begun and given up leaves nothing");

    free(mem);
}


static void
what_others_miss_may_go(void)
{
    setup();

    ok(cdr_outbox_drop(&ob) == 0, "nothing is dropped from nothing");

    (void) put(5, 1);
    ok(cdr_outbox_drop(&ob) == 0 && held() == 1,
       "what has no place anywhere is not dropped");

    cdr_outbox_mark(&ob, rec, CDR_OUTBOX_PLACED);
    (void) put(1, 1);
    ok(cdr_outbox_drop(&ob) == 5 && held() == 1 && cdr_outbox_drop(&ob) == 0,
       "what was placed is");

    free(mem);
}


static void
tickets_are_finished(void)
{
    uint32_t               slot, i;
    cdr_ticket_t           tickets[TICKETS];
    cdr_outbox_rec_t      *r[TICKETS];
    cdr_ticket_state_e     state;
    cdr_ticket_outcome_t   out, got;

    setup();

    for (i = 0; i < TICKETS; i++) {
        (void) put_at(&ob, 1, 1, &me);
        tickets[i] = ticket;
        r[i] = rec;
    }

    ok(put_at(&ob, 1, 1, &me) == CDR_FULL && put(1, 1) == CDR_OK,
       "there are so many tickets");
    ok(cdr_ticket_finish(&ob, rec, CDR_TICKET_DONE, &out, &slot)
       == CDR_DECLINED, "nobody waits for a record without one");

    ok(cdr_ticket_take(&ob, &tickets[1], &state, &got) == CDR_AGAIN
       && state == CDR_TICKET_WAITING
       && !cdr_ticket_finished(&ob, &tickets[1]), "the asker waits");

    memset(&out, 0, sizeof(cdr_ticket_outcome_t));
    out.first.ms = 5;
    out.lone = 9;
    slot = 0;

    ok(cdr_ticket_finish(&ob, r[1], CDR_TICKET_DONE, &out, &slot) == CDR_OK
       && slot == me.slot && cdr_ticket_finished(&ob, &tickets[1]),
       "its record is done, and it is told");
    ok(cdr_ticket_finish(&ob, r[1], CDR_TICKET_FAILED, &out, &slot)
       == CDR_DECLINED, "once");
    ok(cdr_ticket_take(&ob, &tickets[1], &state, &got) == CDR_OK
       && state == CDR_TICKET_DONE && got.first.ms == 5 && got.lone == 9,
       "it takes the outcome");
    ok(cdr_ticket_take(&ob, &tickets[1], &state, &got) == CDR_DECLINED,
       "once");

    cdr_ticket_leave(&ob, &tickets[2]);
    ok(cdr_ticket_take(&ob, &tickets[2], &state, &got) == CDR_DECLINED,
       "who left has no ticket");
    (void) put_at(&ob, 1, 1, &me);
    ok(put_at(&ob, 1, 1, &me) == CDR_FULL,
       "but its record has, until it is finished");
    ok(cdr_ticket_finish(&ob, r[2], CDR_TICKET_DONE, &out, &slot)
       == CDR_DECLINED && put_at(&ob, 1, 1, &me) == CDR_OK,
       "then it is another's");
    ok(cdr_ticket_take(&ob, &tickets[2], &state, &got) == CDR_DECLINED,
       "and not its own");

    free(mem);
}


static void
askers_may_go(void)
{
    uint32_t                slot;
    cdr_outbox_fill_t       fill;
    cdr_outbox_rec_t       *r[3];
    cdr_ticket_outcome_t    out;
    const cdr_idem_owner_t  later = { 3, 8 };

    setup();

    memset(&out, 0, sizeof(cdr_ticket_outcome_t));

    (void) put_at(&ob, 1, 1, &me);
    r[0] = rec;
    (void) put_at(&ob, 1, 1, &me);
    r[1] = rec;
    (void) put_at(&ob, 1, 1, &later);
    r[2] = rec;

    (void) cdr_ticket_finish(&ob, r[0], CDR_TICKET_DONE, &out, &slot);

    cdr_ticket_release_owner(&ob, 3, 7);
    cdr_outbox_fill(&ob, &fill);
    ok(fill.waiting == 1, "only who took its slot still waits");

    ok(cdr_ticket_finish(&ob, r[2], CDR_TICKET_DONE, &out, &slot) == CDR_OK
       && cdr_ticket_finish(&ob, r[1], CDR_TICKET_DONE, &out, &slot)
          == CDR_DECLINED, "what the dead asked for is finished for nobody");

    cdr_ticket_release_owner(&ob, 3, 8);
    cdr_ticket_release_owner(&ob, 3, 8);

    ok(put_at(&ob, 1, 1, &me) == CDR_OK && put_at(&ob, 1, 1, &me) == CDR_OK
       && put_at(&ob, 1, 1, &me) == CDR_OK
       && put_at(&ob, 1, 1, &me) == CDR_OK, "and all tickets are free again");

    free(mem);
}


static void
askers_may_change_their_mind(void)
{
    setup();

    (void) put(1, 1);
    (void) put(2, 1);
    (void) put(1, 1);

    ok(next() == 1 && cdr_outbox_cancel(&ob, 1) == CDR_DECLINED,
       "what was read cannot be cancelled");
    ok(cdr_outbox_cancel(&ob, 2) == CDR_OK
       && cdr_outbox_cancel(&ob, 2) == CDR_DECLINED
       && cdr_outbox_cancel(&ob, 9) == CDR_DECLINED,
       "what was not can, once");
    ok(next() == 3 && rec->n == 4, "it is passed over");

    cdr_outbox_mark(&ob, rec, CDR_OUTBOX_REPEATED);
    ok(cdr_outbox_find(&ob, 1, &rec) == CDR_OK && held() == 3, "and kept");
    cdr_outbox_mark(&ob, rec, CDR_OUTBOX_REPEATED);
    ok(held() == 0, "until what is before it is done");

    free(mem);
}


static void
sizes_are_checked(void)
{
    cdr_outbox_t  other;

    ok(cdr_outbox_size(SIZE - 1, 1) == 0 && cdr_outbox_size(SIZE, 0) == 0
       && cdr_outbox_size((size_t) 1 << 34, 1) == 0
       && cdr_outbox_init(NULL, SIZE, 0) == CDR_ERROR,
       "what is out of range is refused");

    setup();

    ok(cdr_outbox_attach(&other, mem, size - 1) == CDR_ERROR
       && cdr_outbox_attach(&other, mem, 8) == CDR_ERROR,
       "it does not fit into less");

    ok(put(1, SIZE / 2) == CDR_TOOBIG && put(0, 0) == CDR_TOOBIG
       && put(CDR_OUTBOX_BATCH + 1, 0) == CDR_TOOBIG,
       "half of the ring and more is never taken");
    ok(put(1, SIZE / 2 - 200) == CDR_OK && put(1, SIZE / 2) == CDR_TOOBIG
       && put(1, SIZE / 2 - 200) == CDR_OK
       && put(1, 1000) == CDR_FULL, "what does not fit now is refused");

    memset(mem, 0, size);
    ok(cdr_outbox_attach(&other, mem, size) == CDR_DECLINED,
       "there must be one");

    free(mem);
}


static void
damage_is_cut_off(void)
{
    setup();

    (void) put(1, 8);
    (void) put(1, 8);
    rec->size = 3;
    (void) put(1, 8);

    cdr_outbox_repair(&ob);
    ok(held() == 1 && next() == 1 && next() == 0,
       "behind a record that is damaged nothing is held");

    (void) put(1, 8);
    ok(next() && rec->n == 4, "and no number is given twice");

    free(mem);
}
