/* Tests of the assembly of messages: what comes out, and when. */

#include "receiver_test.h"


static const talk_t  messages[] = {
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


static void
test_messages(void)
{
    ok_talks(messages, count_of(messages));
}


static const talk_t  compressed[] = {
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


static void
test_compressed(void)
{
    ok_talks(compressed, count_of(compressed));
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


static const talk_t  text_boundaries[] = {
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


static void
test_text_boundaries(void)
{
    ok_talks(text_boundaries, count_of(text_boundaries));
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


int
main(void)
{
    test_messages();
    test_compressed();
    test_wrong_text();
    test_text_boundaries();
    test_refused_early();

    return done_testing();
}
