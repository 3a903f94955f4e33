/* Tests of the assembly of messages: what it holds, and what it costs. */

#include "receiver_test.h"


/* Runs of a message of "len" bytes whose limit is "max". */

static bool
inflates(size_t len, uint64_t max, cdr_inflated_t *shared, bool fits)
{
    bool     good;
    char    *want;
    size_t   i;
    peer_t   p;
    bytes_t  in;

    static const size_t  steps[][2] = {
        { SIZE_MAX, SIZE_MAX }, { SIZE_MAX, 7 }, { 5, SIZE_MAX }, { 9, 4 }
    };

    want = malloc(len + 100);
    good = true;

    for (i = 0; i < count_of(steps); i++) {
        memset(want, 'x', len + 100);
        memset(&in, 0, sizeof(in));
        add_deflated(&in, CDR_WS_OP_TEXT, want, len, steps[i][0]);

        memcpy(want, "text:", 5);
        strcpy(want + 5 + len, "\n");

        peer_init(&p, &(cdr_ws_limits_t) { max, 0, true, 0 }, false);
        p.inflated = *shared;
        p.meter.count.held += (shared->data != NULL);
        p.meter.live += shared->size;

        (void) peer_steps(&p, &in, steps[i][1]);
        good = peer_said(&p, fits ? want
                                : "error 1009 inflated message is too big\n")
               && good;

        cdr_receiver_free(&p.receiver, &p.conf);
        cdr_inflater_del(p.inflated.inflater);
        p.inflated.inflater = NULL;
        *shared = p.inflated;
        good = p.meter.count.held == (shared->data != NULL) && good;

        free(p.lines.data);
        free(in.data);
    }

    free(want);

    return good;
}


static void
test_inflation_cap(void)
{
    size_t          i, n;
    peer_t          p;
    cdr_inflated_t  shared;

    static const size_t  sizes[] = {
        32, 100, 4095, 4096, 4097, 8191, 8192, 8193, 65536, 100000, MIB
    };

    peer_init(&p, &(cdr_ws_limits_t) { MAX, 0, true, 0 }, false);

    for (i = 0; i < count_of(sizes); i++) {
        n = sizes[i];
        memset(&shared, 0, sizeof(shared));
        ok(inflates(n, n, &shared, true)
           && inflates(n, n - 1, &shared, false)
           && inflates(n + 1, n, &shared, false),
           "a message may inflate to its limit of %zu bytes and no byte more",
           n);
        ok(shared.size <= n, "and the memory for it never exceeds the limit");
        cdr_inflated_shrink(&shared, &p.alloc, 0);
    }

    memset(&shared, 0, sizeof(shared));
    ok(inflates(MIB, MIB, &shared, true)
       && inflates(5000, 5000, &shared, true)
       && inflates(5000, 4999, &shared, false)
       && inflates(MIB, MIB - 1, &shared, false),
       "also where the memory is larger than the limit");
    cdr_inflated_shrink(&shared, &p.alloc, 0);

    (void) peer_free(&p);
}


/* What does not compress is larger on the wire than the limit. */

static void
test_incompressible(void)
{
    peer_t    p;
    bytes_t   in;
    uint8_t   noise[1000];
    unsigned  i, x;

    cdr_ws_limits_t  ws = { sizeof(noise), 0, true, 0 };

    for (i = 0, x = 1; i < sizeof(noise); i++) {
        x = x * 1103515245 + 12345;
        noise[i] = (uint8_t) (x >> 16);
    }

    memset(&in, 0, sizeof(in));
    add_deflated(&in, CDR_WS_OP_BINARY, noise, sizeof(noise), SIZE_MAX);

    peer_init(&p, &ws, true);
    (void) peer_steps(&p, &in, SIZE_MAX);
    ok(peer_said(&p, "error 1009 message too long\n"),
       "the wire limit of a message holds for a compressed one");
    (void) peer_free(&p);

    ws.max_compressed = cdr_deflate_bound(sizeof(noise));

    peer_init(&p, &ws, true);
    (void) peer_steps(&p, &in, 7);
    ok(p.lines.len > sizeof(noise),
       "but where it has one of its own, noise of the full size passes");
    (void) peer_free(&p);

    free(in.data);
}


/* Two connections take turns byte by byte with one inflater. */

static void
test_shared_inflater(void)
{
    bool     same;
    size_t   i;
    peer_t   a, b;
    bytes_t  in;

    cdr_ws_limits_t  ws = { 64, 0, true };

    memset(&in, 0, sizeof(in));
    add_frame(&in, 0x41, HELLO, 3);
    add_frame(&in, 0x80, &HELLO[3], 4);
    add_frame(&in, 0xc1, "\x07\xff", 2);

    peer_init(&a, &ws, false);
    peer_init(&b, &ws, false);
    b.conf.alloc = &a.alloc;
    b.conf.inflated = &a.inflated;

    for (i = 0; i < in.len; i++) {
        (void) peer_feed(&a, in.data + i, 1);

        if (i) {
            (void) peer_feed(&b, in.data + i - 1, 1);
        }
    }

    same = peer_said(&a, "text:Hello\nerror 1002 message cannot be "
                            "inflated\n")
           && peer_said(&b, "text:Hello\n");
    ok(same, "unfinished compressed messages do not meet in the inflater");

    i = in.len;
    add_frame(&in, 0xc1, HELLO, 7);
    cdr_receiver_free(&b.receiver, &b.conf);
    cdr_receiver_init(&b.receiver);
    (void) peer_feed(&b, in.data + i, in.len - i);
    ok(peer_said(&b, "text:Hello\ntext:Hello\n"),
       "nor does a broken one spoil the next");

    cdr_receiver_free(&b.receiver, &b.conf);
    free(b.lines.data);
    ok(peer_free(&a), "and nothing is left of them");
    free(in.data);
}


static void
test_in_frame(void)
{
    size_t    i;
    peer_t    p;
    bytes_t   in;
    unsigned  bad;

    memset(&in, 0, sizeof(in));
    add_frame(&in, 0x01, "abc", 3);
    add_frame(&in, 0x89, "", 0);
    add_frame(&in, 0x80, "de", 2);

    peer_init(&p, &(cdr_ws_limits_t) { MAX, 0, false, 0 }, false);
    bad = cdr_receiver_in_frame(&p.receiver);

    for (i = 0; i < in.len; i++) {
        (void) peer_feed(&p, in.data + i, 1);
        bad += cdr_receiver_in_frame(&p.receiver)
               != (i + 1 != 9 && i + 1 != 15 && i + 1 != 23);
    }

    ok(bad == 0, "a receiver knows at each byte whether it is inside a frame");

    (void) peer_free(&p);
    free(in.data);
}


static void
test_nothing_taken(void)
{
    peer_t   p;
    bytes_t  in;

    memset(&in, 0, sizeof(in));
    add_frame(&in, 0x81, "a text", 6);
    add_frame(&in, 0x82, "binary", 6);
    add_frame(&in, 0x89, "ping", 4);
    add_frame(&in, 0x01, "", 0);
    add_frame(&in, 0x80, "rest", 4);
    add_frame(&in, 0x88, "\x03\xe8", 2);

    peer_init(&p, &(cdr_ws_limits_t) { MAX, 0, true, 0 }, true);
    (void) peer_feed(&p, in.data, in.len);
    ok(peer_said(&p, "text:a text\nbinary:binary\nping:ping\ntext:rest\n"
                     "close 1000\n")
       && p.meter.count.calls == 0,
       "nothing is allocated for what arrives whole");

    ok(sizeof(cdr_receiver_t) <= 56, "a receiver takes 56 bytes");

    (void) peer_free(&p);
    free(in.data);
}


/* The head of a frame of 16 MiB and ten bytes of it. */

static void
test_announced(void)
{
    peer_t   p;
    bytes_t  in;

    memset(&in, 0, sizeof(in));
    add(&in, "\x81\xff\0\0\0\0\1\0\0\0\0\0\0\0", 14);

    peer_init(&p, &(cdr_ws_limits_t) { 16 * MIB, 0, false, 0 }, false);
    (void) peer_feed(&p, in.data, in.len);
    ok(p.meter.count.calls == 0, "an announced message takes no memory");

    (void) peer_feed(&p, "0123456789", 10);
    ok(p.meter.count.calls == 2 && p.meter.asked < 1024 && p.broken == 0,
       "ten bytes of 16 MiB take less than a kilobyte");

    (void) peer_free(&p);
    free(in.data);
}


static void
test_given_back(void)
{
    int              rc;
    size_t           used;
    uint8_t          ping[] = { 0x89, 0x80, 0, 0, 0, 0 };
    uint8_t          text[] = { 0x01, 0x82, 0, 0, 0, 0, 'a', 'b',
                                0x80, 0x81, 0, 0, 0, 0, 'c', 0x89 };
    peer_t           p;
    cdr_received_t   ev;

    peer_init(&p, &(cdr_ws_limits_t) { MAX, 0, false, 0 }, false);

    rc = cdr_receiver_feed(&p.receiver, &p.conf, text, 16, &used, &ev);
    ok(rc == CDR_OK && used == 15 && ev.len == 3
       && memcmp(ev.data, "abc", 3) == 0 && p.meter.count.held > 0,
       "a message of fragments is kept for the caller");

    rc = cdr_receiver_feed(&p.receiver, &p.conf, NULL, 0, &used, &ev);
    ok(rc == CDR_AGAIN && used == 0 && p.meter.count.held == 0,
       "and given back by the next call, be it for no bytes");

    rc = cdr_receiver_feed(&p.receiver, &p.conf, text, 8, &used, &ev);
    ok(rc == CDR_AGAIN && p.meter.count.held == 2, "an open message is kept");

    ping[1] = 0x82;
    rc = cdr_receiver_feed(&p.receiver, &p.conf, ping, 6, &used, &ev);
    rc = cdr_receiver_feed(&p.receiver, &p.conf, text, 1, &used, &ev);
    rc = cdr_receiver_feed(&p.receiver, &p.conf, text + 6, 1, &used, &ev);
    ok(rc == CDR_OK && ev.type == CDR_RECEIVED_PING && ev.len == 2,
       "a ping that comes in pieces comes out while a message is open");

    rc = cdr_receiver_feed(&p.receiver, &p.conf, text + 8, 7, &used, &ev);
    ok(rc == CDR_OK && ev.type == CDR_RECEIVED_MESSAGE && ev.len == 3,
       "and does not end it");

    cdr_receiver_free(&p.receiver, &p.conf);
    ok(p.meter.count.held == 0, "the end takes what the last call left");
    cdr_receiver_free(&p.receiver, &p.conf);
    ok(peer_free(&p), "and may come twice");
}


static void
test_shrink(void)
{
    char    *text;
    peer_t   p;
    bytes_t  in;

    text = malloc(MIB);
    memset(text, 'x', MIB);
    memset(&in, 0, sizeof(in));

    peer_init(&p, &(cdr_ws_limits_t) { MIB, 0, true, 0 }, false);

    add_deflated(&in, CDR_WS_OP_TEXT, text, 10000, SIZE_MAX);
    (void) peer_feed(&p, in.data, in.len);
    cdr_inflated_shrink(&p.inflated, &p.alloc, p.inflated.size);
    ok(p.inflated.data && p.inflated.size == 16384,
       "what a usual message needed is kept");

    in.len = 0;
    add_deflated(&in, CDR_WS_OP_TEXT, text, MIB, SIZE_MAX);
    (void) peer_feed(&p, in.data, in.len);
    ok(p.inflated.size == MIB, "and grows for a large one");

    cdr_inflated_shrink(&p.inflated, &p.alloc, 65536);
    ok(p.inflated.data == NULL && p.inflated.size == 0
       && p.inflated.inflater != NULL, "which leaves nothing behind");

    in.len = 0;
    p.lines.len = 0;
    add_frame(&in, 0xc1, HELLO, 7);
    (void) peer_feed(&p, in.data, in.len);
    ok(peer_said(&p, "text:Hello\n"), "and the next message comes through");

    ok(peer_free(&p), "all memory comes back");
    free(in.data);
    free(text);
}


static void
test_big_messages(void)
{
    char     *want;
    size_t    i, n;
    peer_t    p;
    bytes_t   in;

    cdr_ws_limits_t  ws = { 16 * MIB, 65536, true };

    n = 16 * MIB;
    want = malloc(n + 7);
    memcpy(want, "text:", 5);
    memset(want + 5, 'x', n);
    strcpy(want + 5 + n, "\n");
    memset(&in, 0, sizeof(in));

    add_frame(&in, 0x81, want + 5, n);
    peer_init(&p, &ws, false);
    (void) peer_steps(&p, &in, 20011);
    ok(peer_said(&p, want), "a message of 16 MiB comes through in pieces");
    ok(p.meter.asked < 3 * n && p.meter.count.calls < 20,
       "and what it takes grows by doubling");
    ok(peer_free(&p), "and comes back");

    in.len = 0;
    add_deflated(&in, CDR_WS_OP_TEXT, want + 5, n, 1000);
    peer_init(&p, &ws, false);
    (void) peer_steps(&p, &in, 999);
    ok(peer_said(&p, want), "and compressed, in fragments");
    ok(p.meter.asked < 3 * n, "where doubling is the rule, too");
    ok(peer_free(&p), "and comes back");

    for (in.len = 0, i = 0; i < 65536; i++) {
        add_frame(&in, (i == 0 ? 1 : 0) | (i == 65535 ? 0x80 : 0),
                  want + 5, 1);
    }

    strcpy(want + 5 + 65536, "\n");
    peer_init(&p, &ws, false);
    (void) peer_steps(&p, &in, 4096);
    ok(peer_said(&p, want), "a message of 65,536 fragments comes through");
    ok(p.meter.asked < 4 * 65536 && p.meter.count.calls < 20,
       "and is not copied with each of them");
    ok(peer_free(&p), "and comes back");

    ws.max_fragments = 65535;
    peer_init(&p, &ws, false);
    (void) peer_steps(&p, &in, 4096);
    ok(peer_said(&p, "error 1009 too many fragments\n") && peer_free(&p),
       "and is refused where 65,535 are allowed");

    free(in.data);
    free(want);
}


/*
 * What came out before memory failed is what would have come out anyway.
 * Returns how much of that is not so.
 */

static unsigned
fails_well(peer_t *p, const peer_t *all, const bytes_t *in, size_t step)
{
    int       rc;
    unsigned  bad;

    p->lines.len -= strlen("no memory\n");
    bad = p->lines.len >= all->lines.len
          || (p->lines.len && memcmp(p->lines.data, all->lines.data,
                                     p->lines.len) != 0);

    /* the inflater serves the next connection all the same */

    cdr_receiver_free(&p->receiver, &p->conf);
    cdr_receiver_init(&p->receiver);
    p->lines.len = 0;
    rc = peer_steps(p, in, step);
    bad += (rc != CDR_AGAIN || p->lines.len != all->lines.len);

    return bad + !peer_free(p);
}


static void
test_no_memory(void)
{
    int        rc;
    char       text[9000];
    size_t     i;
    peer_t     all, p;
    bytes_t    in;
    unsigned   k, bad, failed;

    static const size_t  steps[] = { 1, 7, 300, SIZE_MAX };

    cdr_ws_limits_t  ws = { 16384, 0, true };

    memset(&in, 0, sizeof(in));
    memset(text, 'x', sizeof(text));
    add_frame(&in, 0x01, text, 3000);
    add_frame(&in, 0x89, text, 125);
    add_frame(&in, 0x80, text, 3000);
    add_deflated(&in, CDR_WS_OP_TEXT, text, sizeof(text), 11);
    add_frame(&in, 0x88, "\x03\xe8", 2);

    bad = 0;
    failed = 0;

    for (i = 0; i < count_of(steps); i++) {
        peer_init(&all, &ws, false);
        bad += peer_steps(&all, &in, steps[i]) != CDR_AGAIN;

        for (k = 1; ; k++) {
            peer_init(&p, &ws, false);
            p.meter.count.fail_at = k;
            rc = peer_steps(&p, &in, steps[i]);
            bad += p.broken;

            if (rc == CDR_AGAIN) {
                bad += (k != all.meter.count.calls + 1);
                bad += !peer_free(&p);
                break;
            }

            bad += (rc != CDR_NOMEM);
            bad += fails_well(&p, &all, &in, steps[i]);
            failed++;
        }

        bad += !peer_free(&all);
    }

    ok(bad == 0 && failed > 20, "each allocation may fail: that is told, "
       "nothing is lost, and the next message finds all in order");

    free(in.data);
}


int
main(void)
{
    test_inflation_cap();
    test_incompressible();
    test_shared_inflater();
    test_in_frame();
    test_nothing_taken();
    test_announced();
    test_given_back();
    test_shrink();
    test_big_messages();
    test_no_memory();

    return done_testing();
}
