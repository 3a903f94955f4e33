/* Tests of the assembly of messages: what comes out, when, at what cost. */

#include "cdr_test.h"
#include "cdr_frames.h"
#include "cdr_receiver.h"


#define MAX   UINT64_MAX
#define MIB   (1u << 20)

#define S(lit)  cdr_str(lit)

#define count_of(a)  (sizeof(a) / sizeof((a)[0]))


/* Counts bytes too, each piece having its size in front. */

typedef struct {
    cdr_test_alloc_t   count;
    size_t             live;
    size_t             asked;       /* all that was ever asked for */
} meter_t;


/* A connection, and what it came to in one text, whatever the chunking. */

typedef struct {
    meter_t                meter;
    cdr_alloc_t            alloc;
    cdr_inflated_t         inflated;
    cdr_receiver_conf_t    conf;
    cdr_receiver_t         receiver;
    bytes_t                lines;   /* one for each message, control frame
                                       and error */
    unsigned               broken;  /* promises not kept */
    size_t                 fed;
} peer_t;


typedef struct {
    int                    first;
    cdr_str_t              payload;
} frame_t;


typedef struct {
    const char            *name;
    cdr_ws_limits_t        ws;
    bool                   binary;
    frame_t                frames[8];       /* until one that is 0 */
    const char            *expected;
} talk_t;


static void
add_frames(bytes_t *b, const frame_t *frames, size_t n)
{
    size_t  i;

    for (i = 0; i < n && frames[i].payload.data; i++) {
        add_frame(b, frames[i].first, frames[i].payload.data,
                  frames[i].payload.len);
    }
}


/* Adds a compressed message in frames of at most "step" bytes. */

static void
add_deflated(bytes_t *b, int opcode, const void *data, size_t len, size_t step)
{
    int              first;
    size_t           i, n, size;
    uint8_t         *p;
    cdr_alloc_t      alloc;
    cdr_deflater_t  *d;
    cdr_test_alloc_t  count = { 0, 0, 0 };

    alloc.alloc = cdr_test_alloc;
    alloc.free = cdr_test_free;
    alloc.ctx = &count;

    d = cdr_deflater_new(&alloc, 6);
    size = cdr_deflate_bound(len);
    p = malloc(size);

    (void) cdr_deflate(d, data, len, p, size, &size);

    for (i = 0; i < size; i += n) {
        n = (size - i < step) ? size - i : step;
        first = (i == 0) ? CDR_WS_RSV1 | opcode : 0;
        first |= (i + n == size) ? CDR_WS_FIN : 0;
        add_frame(b, first, p + i, n);
    }

    free(p);
    cdr_deflater_del(d);
}


static void *
meter_alloc(void *ctx, size_t size)
{
    char     *p;
    meter_t  *m = ctx;

    p = cdr_test_alloc(&m->count, 16 + size);

    if (p == NULL) {
        return NULL;
    }

    m->live += size;
    m->asked += size;
    memcpy(p, &size, sizeof(size_t));

    return p + 16;
}


static void
meter_free(void *ctx, void *p)
{
    char     *head;
    size_t    size;
    meter_t  *m = ctx;

    if (p == NULL) {
        return;
    }

    head = (char *) p - 16;
    memcpy(&size, head, sizeof(size_t));
    m->live -= size;

    cdr_test_free(&m->count, head);
}


static void
peer_init(peer_t *p, const cdr_ws_limits_t *ws, bool binary)
{
    memset(p, 0, sizeof(peer_t));

    p->alloc.alloc = meter_alloc;
    p->alloc.free = meter_free;
    p->alloc.ctx = &p->meter;

    p->conf.ws = *ws;
    p->conf.binary = binary;
    p->conf.alloc = &p->alloc;
    p->conf.inflated = &p->inflated;

    memset(&p->receiver, 0xee, sizeof(cdr_receiver_t));
    cdr_receiver_init(&p->receiver);
}


/* Returns false if something was left behind. */

static bool
peer_free(peer_t *p)
{
    bool  clean;

    cdr_receiver_free(&p->receiver, &p->conf);
    cdr_inflated_free(&p->inflated, &p->alloc);

    clean = (p->meter.count.held == 0 && p->meter.live == 0);

    free(p->lines.data);
    memset(&p->lines, 0, sizeof(bytes_t));

    return clean;
}


static void
peer_note(peer_t *p, int rc, const cdr_received_t *ev)
{
    char  line[100];

    static const char *const  names[] = { "", "ping:", "pong:" };

    if (rc == CDR_NOMEM) {
        add_text(&p->lines, "no memory\n");
        return;
    }

    if (rc == CDR_ERROR) {
        snprintf(line, sizeof(line), "error %d %s\n", ev->code, ev->reason);
        add_text(&p->lines, line);
        return;
    }

    if (ev->type == CDR_RECEIVED_CLOSE) {
        snprintf(line, sizeof(line), "close %d\n", ev->code);
        add_text(&p->lines, line);
        p->broken += (ev->opcode != CDR_WS_OP_CLOSE);
        return;
    }

    if (ev->type == CDR_RECEIVED_MESSAGE) {
        add_text(&p->lines, ev->opcode == CDR_WS_OP_TEXT ? "text:"
                            : ev->opcode == CDR_WS_OP_BINARY ? "binary:" : "?");
        p->broken += (ev->len > p->conf.ws.max_message);

    } else {
        add_text(&p->lines, names[ev->type]);
    }

    add(&p->lines, ev->data, ev->len);
    add_text(&p->lines, "\n");
}


/*
 * What the receiver holds is at most a small head and twice what arrived, and
 * nothing between two messages; one inflater of all has the rest.
 */

static void
peer_check_memory(peer_t *p)
{
    size_t  own;

    own = p->meter.live - p->inflated.size;

    if (p->inflated.inflater == NULL) {
        p->broken += (own > 512 + 2 * p->fed);
    }

    if (p->receiver.parser.message == 0
        && !cdr_receiver_in_frame(&p->receiver))
    {
        p->broken += (p->receiver.partial != NULL);
    }
}


/* Feeds one piece, in memory of exactly its size. */

static int
peer_feed(peer_t *p, const void *data, size_t len)
{
    int              rc;
    size_t           used;
    uint8_t         *piece, *pos, *end;
    cdr_received_t   ev;

    piece = malloc(len ? len : 1);
    memcpy(piece, data, len);
    pos = piece;
    end = piece + len;
    p->fed += len;

    for ( ;; ) {
        memset(&ev, 0xee, sizeof(ev));
        used = 12345;
        rc = cdr_receiver_feed(&p->receiver, &p->conf, pos,
                               (size_t) (end - pos), &used, &ev);

        p->broken += (used > (size_t) (end - pos));
        pos += used;

        if (rc == CDR_AGAIN) {
            p->broken += (pos != end);
            peer_check_memory(p);
            break;
        }

        peer_note(p, rc, &ev);

        if (rc != CDR_OK) {
            break;
        }
    }

    free(piece);

    return rc;
}


/* Feeds an input cut after each of "cuts" (ascending). */

static int
peer_run(peer_t *p, const bytes_t *in, const size_t *cuts, size_t n)
{
    int     rc;
    size_t  i, from, to;

    rc = CDR_AGAIN;

    for (i = 0, from = 0; rc == CDR_AGAIN && i <= n; i++, from = to) {
        to = (i < n) ? cuts[i] : in->len;
        rc = peer_feed(p, in->data + from, to - from);
    }

    return rc;
}


/* In pieces of "step" bytes. */

static int
peer_steps(peer_t *p, const bytes_t *in, size_t step)
{
    int     rc;
    size_t  i, n;

    rc = CDR_AGAIN;

    for (i = 0; rc == CDR_AGAIN && i < in->len; i += n) {
        n = (in->len - i < step) ? in->len - i : step;
        rc = peer_feed(p, in->data + i, n);
    }

    return rc;
}


static bool
peer_said(const peer_t *p, const char *expected)
{
    bool  same;

    same = p->broken == 0 && p->lines.len == strlen(expected)
           && (p->lines.len == 0
               || memcmp(p->lines.data, expected, p->lines.len) == 0);

    if (!same) {
        printf("# broken: %u, got:\n%.*s", p->broken, (int) p->lines.len,
               p->lines.len ? (const char *) p->lines.data : "");
    }

    return same;
}


static bool
run(const talk_t *t, const bytes_t *in, const size_t *cuts, size_t n)
{
    bool    same;
    peer_t  p;

    peer_init(&p, &t->ws, t->binary);
    (void) peer_run(&p, in, cuts, n);
    same = peer_said(&p, t->expected);

    return peer_free(&p) && same;
}


/* Whole, byte by byte, all cuts in two, in three if short, 100 random ones. */

static bool
run_all_ways(const talk_t *t, const bytes_t *in)
{
    bool      good;
    size_t    i, j, n, *cuts, two[2];
    uint32_t  r;

    cuts = malloc((in->len + 1) * sizeof(size_t));
    good = run(t, in, NULL, 0);

    for (i = 0; i < in->len; i++) {
        cuts[i] = i + 1;
    }

    good = good && run(t, in, cuts, in->len - 1);

    for (i = 0; good && i <= in->len; i++) {
        good = run(t, in, &i, 1);
    }

    for (i = 0; good && in->len <= 60 && i < in->len; i++) {
        for (j = i; good && j < in->len; j++) {
            two[0] = i;
            two[1] = j;
            good = run(t, in, two, 2);
        }
    }

    for (r = 1, j = 0; good && j < 100; j++) {
        for (n = 0, i = 0; i < in->len; i++) {
            r = r * 1664525 + 1013904223;

            if ((r >> 16) % (j % 23 + 2) == 0) {
                cuts[n++] = i;
            }
        }

        good = run(t, in, cuts, n);
    }

    free(cuts);

    return good;
}


static void
ok_talks(const talk_t *talks, size_t n)
{
    size_t   i;
    bytes_t  in;

    for (i = 0; i < n; i++) {
        memset(&in, 0, sizeof(in));
        add_frames(&in, talks[i].frames, count_of(talks[i].frames));
        ok(run_all_ways(&talks[i], &in), "in every chunking: %s",
           talks[i].name);
        free(in.data);
    }
}


static void
test_messages(void)
{
    static const talk_t  talks[] = {
        { "a text, a binary and an empty message",
          { MAX, 0, false }, true,
          { { 0x81, S("Hello") }, { 0x82, S("\xff\xfe") }, { 0x81, S("") },
            { 0x82, S("") } },
          "text:Hello\nbinary:\xff\xfe\ntext:\nbinary:\n" },

        { "fragments, empty ones too, and the next message",
          { MAX, 0, false }, true,
          { { 0x01, S("Hel") }, { 0x00, S("") }, { 0x80, S("lo") },
            { 0x01, S("") }, { 0x00, S("x") }, { 0x80, S("") },
            { 0x81, S("next") } },
          "text:Hello\ntext:x\ntext:next\n" },

        { "a message of nothing but empty fragments",
          { 0, 3, false }, true,
          { { 0x02, S("") }, { 0x00, S("") }, { 0x80, S("") },
            { 0x81, S("") } },
          "binary:\ntext:\n" },

        { "control frames between, inside and behind messages",
          { MAX, 0, false }, true,
          { { 0x89, S("a") }, { 0x01, S("He") }, { 0x89, S("in") },
            { 0x00, S("l") }, { 0x8a, S("pong\xff") }, { 0x80, S("lo") },
            { 0x89, S("") } },
          "ping:a\nping:in\npong:pong\xff\ntext:Hello\nping:\n" },

        { "a close frame inside a message",
          { MAX, 0, false }, true,
          { { 0x01, S("He") }, { 0x88, S("\x03\xe9 bye") } },
          "close 1001\n" },

        { "a close frame without a code",
          { MAX, 0, false }, true,
          { { 0x81, S("x") }, { 0x88, S("") } },
          "text:x\nclose 1005\n" },

        { "a close frame of one byte",
          { MAX, 0, false }, true,
          { { 0x88, S("\x03") } },
          "error 1002 invalid close frame\n" },

        { "a close frame with a code that may not be sent",
          { MAX, 0, false }, true,
          { { 0x89, S("a") }, { 0x88, S("\x03\xed") } },
          "ping:a\nerror 1002 invalid close frame\n" },

        { "a close frame whose reason is not UTF-8",
          { MAX, 0, false }, true,
          { { 0x01, S("a") }, { 0x88, S("\x03\xe8 \xc3") } },
          "error 1007 close reason is not UTF-8\n" },

        { "a broken rule of framing, in the words of the parser",
          { MAX, 0, false }, true,
          { { 0x81, S("a") }, { 0x80, S("b") } },
          "text:a\nerror 1002 continuation without a message\n" },

        { "a message over the limit, behind one that fills it",
          { 5, 0, false }, true,
          { { 0x01, S("abc") }, { 0x80, S("de") }, { 0x01, S("abc") },
            { 0x80, S("def") } },
          "text:abcde\nerror 1009 message too long\n" },

        { "one fragment too many",
          { MAX, 2, false }, true,
          { { 0x01, S("abc") }, { 0x80, S("de") }, { 0x01, S("abc") },
            { 0x00, S("de") }, { 0x80, S("f") } },
          "text:abcde\nerror 1009 too many fragments\n" },

        { "a binary message where only text is taken",
          { MAX, 0, true }, false,
          { { 0x81, S("a") }, { 0x82, S("b") } },
          "text:a\nerror 1003 messages are text\n" },

        { "an empty one",
          { MAX, 0, true }, false,
          { { 0x82, S("") } },
          "error 1003 messages are text\n" },

        { "one in fragments, around a ping",
          { MAX, 0, true }, false,
          { { 0x02, S("") }, { 0x89, S("p") }, { 0x80, S("b") } },
          "ping:p\nerror 1003 messages are text\n" },

        { "a compressed one, which is not even looked at",
          { MAX, 0, true }, false,
          { { 0xc2, S("\x07\xff") } },
          "error 1003 messages are text\n" },
    };

    ok_talks(talks, count_of(talks));
}


#define HELLO       "\xf2\x48\xcd\xc9\xc9\x07\x00"      /* RFC 7692, 7.2.3.1 */
#define HELLO_FIN   "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"  /* 7.2.3.4 */
#define HELLO_BARE  "\xf3\x48\xcd\xc9\xc9\x07\x00"


static void
test_compressed(void)
{
    static const talk_t  talks[] = {
        { "compressed messages, with and without a last block",
          { MAX, 0, true }, false,
          { { 0xc1, S(HELLO) }, { 0xc1, S(HELLO_FIN) },
            { 0xc1, S(HELLO_BARE) }, { 0x81, S("plain") },
            { 0xc1, S(HELLO) } },
          "text:Hello\ntext:Hello\ntext:Hello\ntext:plain\ntext:Hello\n" },

        { "a compressed message in fragments and around control frames",
          { MAX, 0, true }, true,
          { { 0x42, S("\xf2\x48") }, { 0x89, S("p") }, { 0x00, S("") },
            { 0x00, S("\xcd") }, { 0x8a, S("") }, { 0x80,
              S("\xc9\xc9\x07\x00") }, { 0x81, S("x") } },
          "ping:p\npong:\nbinary:Hello\ntext:x\n" },

        { "a close frame inside a compressed message",
          { MAX, 0, true }, true,
          { { 0x41, S("\xf2\x48") }, { 0x88, S("\x03\xe8") } },
          "close 1000\n" },

        { "empty compressed messages",
          { MAX, 0, true }, false,
          { { 0xc1, S("\x00") }, { 0xc1, S("") }, { 0x41, S("") },
            { 0x80, S("") }, { 0x41, S("") }, { 0x80, S("\x00") },
            { 0xc1, S("\x03\x00") } },
          "text:\ntext:\ntext:\ntext:\ntext:\n" },

        { "an empty compressed message where only those are allowed",
          { 0, 0, true }, false,
          { { 0xc1, S("") }, { 0x81, S("") } },
          "text:\ntext:\n" },

        { "a block type that does not exist",
          { MAX, 0, true }, false,
          { { 0xc1, S("\x07\xff") } },
          "error 1002 message cannot be inflated\n" },

        { "a reference before the first byte",
          { MAX, 0, true }, false,
          { { 0xc1, S(HELLO) }, { 0x41, S("\x02") }, { 0x89, S("p") },
            { 0x80, S("\x02\x00") } },
          "text:Hello\nping:p\nerror 1002 message cannot be inflated\n" },

        { "a message that ends inside a block",
          { MAX, 0, true }, false,
          { { 0xc1, S(HELLO) }, { 0x41, S("\xf2\x48") }, { 0x80, S("\xcd") } },
          "text:Hello\nerror 1002 message cannot be inflated\n" },

        { "compressed text that is not UTF-8",
          { MAX, 0, true }, true,
          { { 0xc2, S("\x00\x01\x00\xfe\xff\xff\x00") },
            { 0xc1, S("\x00\x01\x00\xfe\xff\xff\x00") } },
          "binary:\xff\nerror 1007 text is not UTF-8\n" },

        { "compressed text that ends inside a character",
          { MAX, 0, true }, false,
          { { 0x41, S("\x00\x02\x00\xfd") }, { 0x80, S("\xff\xe2\x82\x00") } },
          "error 1007 text is not UTF-8\n" },

        { "a compressed message where that was not agreed on",
          { MAX, 0, false }, true,
          { { 0xc1, S(HELLO) } },
          "error 1002 reserved bit\n" },
    };

    ok_talks(talks, count_of(talks));
}


/* How many bytes of an input it takes to be refused; 0: it is not. */

static size_t
refused_at(const talk_t *t, const bytes_t *in)
{
    int     rc;
    size_t  i;
    peer_t  p;

    peer_init(&p, &t->ws, t->binary);

    for (i = 0, rc = CDR_AGAIN; i < in->len && rc == CDR_AGAIN; i++) {
        rc = peer_feed(&p, in->data + i, 1);
    }

    if (rc != CDR_ERROR || !peer_said(&p, t->expected)) {
        i = 0;
    }

    return peer_free(&p) ? i : 0;
}


/* The same byte decides if all before it comes in one piece with it. */

static bool
is_refused_at(const talk_t *t, const bytes_t *in, size_t at)
{
    int      rc, before;
    peer_t   p;
    bytes_t  part;

    part = *in;
    part.len = at - 1;
    peer_init(&p, &t->ws, t->binary);
    before = peer_run(&p, &part, NULL, 0);
    (void) peer_free(&p);

    part.len = at;
    peer_init(&p, &t->ws, t->binary);
    rc = peer_run(&p, &part, NULL, 0);
    (void) peer_free(&p);

    return refused_at(t, in) == at && before == CDR_AGAIN && rc == CDR_ERROR;
}


/* Each wrong text is wrong at its last byte. */

static const cdr_str_t  wrong_texts[] = {
    S("\x80"), S("\xc0"), S("\xc1"), S("\xf5"), S("\xff"), S("\xc3("),
    S("\xe0\x9f"), S("\xed\xa0"), S("\xf0\x8f"), S("\xf4\x90"),
    S("\xe2\x82\xe2"), S("\xf0\x9f\x98\x41"), S("\xc3\xa9\xc3\xff")
};


static void
test_wrong_text(void)
{
    size_t    i, j, k;
    uint8_t   text[64];
    bytes_t   in;
    unsigned  bad[3] = { 0, 0, 0 };

    static const talk_t  t = {
        NULL, { MAX, 0, false }, false, { { 0, cdr_str_null } },
        "error 1007 text is not UTF-8\n"
    };

    for (i = 0; i < count_of(wrong_texts); i++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + 10, wrong_texts[i].data, wrong_texts[i].len);
        j = 10 + wrong_texts[i].len;

        memset(&in, 0, sizeof(in));
        add_frame(&in, 0x81, text, sizeof(text));
        bad[0] += !is_refused_at(&t, &in, 6 + j);

        in.len = 0;
        add_frame(&in, 0x01, "abc", 3);
        add_frame(&in, 0x00, text, sizeof(text));
        bad[1] += !is_refused_at(&t, &in, 9 + 6 + j);

        /* the wrong bytes are in two frames, an empty one between them */

        for (k = 11; k < j; k++) {
            in.len = 0;
            add_frame(&in, 0x01, text, k);
            add_frame(&in, 0x00, text, 0);
            add_frame(&in, 0x80, text + k, sizeof(text) - k);
            bad[2] += !is_refused_at(&t, &in, 6 + k + 6 + 6 + j - k);
        }

        free(in.data);
    }

    ok(bad[0] == 0, "wrong text is refused inside an unfinished frame");
    ok(bad[1] == 0, "and inside an unfinished frame of a later fragment");
    ok(bad[2] == 0, "and where two fragments meet, at the same byte");
}


static void
test_text_boundaries(void)
{
    static const talk_t  talks[] = {
        { "a character in four fragments and around a ping",
          { MAX, 0, false }, false,
          { { 0x01, S("\xf0") }, { 0x00, S("\x9f") }, { 0x89, S("\xff") },
            { 0x00, S("\x98") }, { 0x80, S("\x80") }, { 0x81, S("\xc3\xa9") } },
          "ping:\xff\ntext:\xf0\x9f\x98\x80\ntext:\xc3\xa9\n" },

        { "text that ends inside a character",
          { MAX, 0, false }, false,
          { { 0x81, S("\xc3\xa9") }, { 0x81, S("x\xe2\x82") } },
          "text:\xc3\xa9\nerror 1007 text is not UTF-8\n" },

        { "text in fragments that ends inside a character",
          { MAX, 0, false }, false,
          { { 0x01, S("x\xe2") }, { 0x80, S("\x82") } },
          "error 1007 text is not UTF-8\n" },

        { "text whose last frame is empty and leaves a character cut",
          { MAX, 0, false }, false,
          { { 0x01, S("x\xe2\x82") }, { 0x80, S("") } },
          "error 1007 text is not UTF-8\n" },

        { "a character that the next message would complete",
          { MAX, 0, false }, false,
          { { 0x01, S("\xe2") }, { 0x80, S("\x82") }, { 0x81, S("\xac") } },
          "error 1007 text is not UTF-8\n" },

        { "binary in fragments need not be text",
          { MAX, 0, false }, true,
          { { 0x02, S("\xff") }, { 0x80, S("\xe2") }, { 0x82, S("\xc0") },
            { 0x81, S("a") } },
          "binary:\xff\xe2\nbinary:\xc0\ntext:a\n" },
    };

    ok_talks(talks, count_of(talks));
}


static void
test_refused_early(void)
{
    size_t   i, n;
    talk_t   t;
    uint8_t  big[70000];
    bytes_t  in;

    static const size_t  sizes[][2] = {
        { 101, 2 }, { 126, 4 }, { 65535, 4 }, { 65536, 10 }, { 70000, 10 }
    };

    memset(&t, 0, sizeof(t));
    memset(&in, 0, sizeof(in));
    memset(big, 'x', sizeof(big));
    t.ws.max_message = 100;
    t.expected = "error 1009 message too long\n";

    for (i = 0; i < count_of(sizes); i++) {
        in.len = 0;
        add_frame(&in, 0x81, big, sizes[i][0]);
        ok(is_refused_at(&t, &in, sizes[i][1]),
           "%zu bytes where 100 are allowed are refused by their length",
           sizes[i][0]);
    }

    in.len = 0;
    add_frame(&in, 0x01, big, 60);
    add_frame(&in, 0x00, big, 40);
    n = in.len;
    add_frame(&in, 0x80, big, 1);
    ok(is_refused_at(&t, &in, n + 2), "and so is the sum of fragments");

    in.len = 0;
    t.ws.max_message = MAX;
    t.expected = "error 1003 messages are text\n";
    add_frame(&in, 0x82, big, 1000);
    ok(is_refused_at(&t, &in, 9),
       "a binary message is refused at its first byte");

    free(in.data);
}


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


/* What came out before memory failed is what would have come out anyway. */

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
            p.lines.len -= strlen("no memory\n");
            bad += p.lines.len >= all.lines.len
                   || (p.lines.len && memcmp(p.lines.data, all.lines.data,
                                             p.lines.len) != 0);

            /* the inflater serves the next connection all the same */

            cdr_receiver_free(&p.receiver, &p.conf);
            cdr_receiver_init(&p.receiver);
            p.lines.len = 0;
            rc = peer_steps(&p, &in, steps[i]);
            bad += (rc != CDR_AGAIN || p.lines.len != all.lines.len);

            failed++;
            bad += !peer_free(&p);
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
    test_messages();
    test_compressed();
    test_wrong_text();
    test_text_boundaries();
    test_refused_early();
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
