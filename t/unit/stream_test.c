/* What stands in a stream, right and wrong. */

#include "cdr_stream.h"
#include "cdr_test.h"


#define S(text)  ((cdr_str_t) cdr_str(text))


static const char  *error;


static int
entry(cdr_stream_entry_t *e, const cdr_str_t *fields, size_t n)
{
    error = "";

    return cdr_stream_entry(e, S("1700000000000-7"), fields, n, &error);
}


static void
test_place(void)
{
    size_t    len;
    uint64_t  ms, n;
    uint8_t   text[CDR_STREAM_PLACE_LEN];

    ok(cdr_stream_place(S("17-3"), &ms, &n) == CDR_OK && ms == 17 && n == 3,
       "a place is read");

    len = cdr_stream_place_print(text, UINT64_MAX, UINT64_MAX);

    ok(len == CDR_STREAM_PLACE_LEN
       && cdr_stream_place((cdr_str_t) { text, len }, &ms, &n) == CDR_OK
       && ms == UINT64_MAX && n == UINT64_MAX,
       "the longest one is printed and read");

    ok(cdr_stream_place(S("18446744073709551616-0"), &ms, &n) == CDR_ERROR,
       "a number beyond 64 bits is refused");
    ok(cdr_stream_place(S("017-3"), &ms, &n) == CDR_ERROR,
       "so is a leading zero");
    ok(cdr_stream_place(S("17"), &ms, &n) == CDR_ERROR, "so is half a place");
    ok(cdr_stream_place(S("17-"), &ms, &n) == CDR_ERROR,
       "so is one without its end");
    ok(cdr_stream_place(S("17-3 "), &ms, &n) == CDR_ERROR,
       "so is one with more behind it");
    ok(cdr_stream_place(S(""), &ms, &n) == CDR_ERROR, "so is nothing");
}


static void
test_entry(void)
{
    cdr_stream_entry_t  e;

    const cdr_str_t  event[] = {
        S("o"), S("18446744073709551615.9007199254740993"),
        S("t"), S("1700000000001"), S("i"), S("12"), S("f"), S("3"),
        S("e"), S("{\"type\":\"a\"}"), S("m"), S("abc"),
        S("new"), S("later")
    };
    const cdr_str_t  control[] = {
        S("c"), S("{}"), S("t"), S("0"), S("o"), S("0.1")
    };

    ok(entry(&e, event, 14) == CDR_OK && e.ms == 1700000000000 && e.n == 7,
       "an entry has its place");
    ok(e.server == UINT64_MAX && e.number == 9007199254740993,
       "its origin, to the last digit");
    ok(e.time_ms == 1700000000001 && e.flags == 3 && !e.control,
       "its time and its flags");
    ok(e.index == 12, "and which one it is");
    ok(e.text.data == event[9].data && e.text.len == event[9].len,
       "its event, in place");
    ok(e.signature.data == event[11].data && e.signature.len == 3,
       "and its signature");

    ok(entry(&e, event, 10) == CDR_OK && e.signature.data == NULL,
       "it may have no signature");
    ok(entry(&e, control, 6) == CDR_OK && e.control && e.server == 0
       && e.flags == 0, "fields come in any order, control is told apart");
    ok(entry(&e, event + 2, 8) == CDR_ERROR, "without an origin: %s", error);
    ok(entry(&e, event, 2) == CDR_ERROR, "without a time: %s", error);
    ok(entry(&e, event, 4) == CDR_ERROR, "without an event: %s", error);
    ok(entry(&e, event, 9) == CDR_ERROR, "a name without a value is nothing");
    ok(cdr_stream_entry(&e, S("x"), event, 12, &error) == CDR_ERROR,
       "without a place: %s", error);
}


static void
test_wrong(void)
{
    size_t              i;
    cdr_str_t           f[8];
    cdr_stream_entry_t  e;

    static const char  *const  origins[] = {
        "", "1", "1.", "1.0", "1.2.3", "-1.2", "1.2x", ".2", "1..3", "01.2",
        "1.18446744073709551616", "18446744073709551616.1"
    };

    f[0] = S("o");
    f[2] = S("t");
    f[3] = S("5");
    f[4] = S("e");
    f[5] = S("{}");

    for (i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
        f[1].data = (const uint8_t *) origins[i];
        f[1].len = strlen(origins[i]);

        ok(entry(&e, f, 6) == CDR_ERROR, "the origin \"%s\" is refused",
           origins[i]);
    }

    f[1] = S("1.2");

    ok(entry(&e, f, 6) == CDR_OK, "the origin \"1.2\" is not");

    f[3] = S("9223372036854775808");
    ok(entry(&e, f, 6) == CDR_ERROR, "a time beyond int64 is refused");

    f[3] = S("5");
    f[6] = S("f");
    f[7] = S("4294967296");
    ok(entry(&e, f, 8) == CDR_ERROR, "flags beyond 32 bits are refused");

    f[6] = S("t");
    f[7] = S("5");
    ok(entry(&e, f, 8) == CDR_ERROR, "a field that is there twice: %s",
       error);

    f[6] = S("c");
    ok(entry(&e, f, 8) == CDR_ERROR, "an event and a command: %s", error);
}


static void
test_answer(void)
{
    uint8_t            hex[CDR_STREAM_HASH_LEN];
    cdr_idem_hash_t    hash;
    cdr_idem_answer_t  a;

    const cdr_idem_hash_t  h = { { 0x0123456789abcdefULL, 0xf } };

    cdr_stream_hash_print(hex, &h);

    ok(memcmp(hex, "0123456789abcdef000000000000000f", 32) == 0,
       "a hash is printed");
    ok(cdr_stream_hash((cdr_str_t) { hex, 32 }, &hash) == CDR_OK
       && hash.word[0] == h.word[0] && hash.word[1] == h.word[1],
       "and read");
    ok(cdr_stream_hash((cdr_str_t) { hex, 31 }, &hash) == CDR_ERROR,
       "a shorter one is refused");
    ok(cdr_stream_hash(S("0123456789ABCDEF000000000000000f"), &hash)
       == CDR_ERROR, "so are capitals");

    ok(cdr_stream_answer(S("0123456789abcdef000000000000000f 17 3 2"), &a)
       == CDR_OK && a.digest.word[1] == 0xf && a.ms == 17 && a.n == 3
       && a.count == 2, "an answer is read");
    ok(cdr_stream_answer(S("0123456789abcdef000000000000000f 17 3"), &a)
       == CDR_ERROR, "one that is cut off is refused");
    ok(cdr_stream_answer(S("0123456789abcdef000000000000000f"), &a)
       == CDR_ERROR, "wherever that is");
    ok(cdr_stream_answer(S("0123456789abcdef000000000000000f-17 3 2"), &a)
       == CDR_ERROR, "a wrong separator is refused");
}


int
main(void)
{
    test_place();
    test_entry();
    test_wrong();
    test_answer();

    return done_testing();
}
