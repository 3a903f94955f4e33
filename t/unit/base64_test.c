/* Tests of base64url: the one canonical form, and nothing else. */

#include "cdr.h"
#include "cdr_base64.h"
#include "cdr_test.h"


typedef struct {
    char  text[16];
    char  bytes[40];            /* or what the text is an example of */
} vector_t;


static int decode(const char *text, size_t text_len, uint8_t *dst,
    size_t size, size_t *len);
static void test_vectors(void);
static void test_round_trips(void);
static void test_refusals(void);
static void test_every_short_text(void);
static void test_room(void);


/* RFC 4648 section 10, without the padding. */

static const vector_t  vectors[] = {
    { "", "" },
    { "Zg", "f" },
    { "Zm8", "fo" },
    { "Zm9v", "foo" },
    { "Zm9vYg", "foob" },
    { "Zm9vYmE", "fooba" },
    { "Zm9vYmFy", "foobar" }
};


int
main(void)
{
    test_vectors();
    test_round_trips();
    test_refusals();
    test_every_short_text();
    test_room();

    return done_testing();
}


/* Both buffers have their exact size, so that ASan sees a byte too far. */

static int
decode(const char *text, size_t text_len, uint8_t *dst, size_t size,
    size_t *len)
{
    int         rc;
    uint8_t    *in, *out;
    cdr_str_t   src;

    in = malloc(text_len + !text_len);
    out = malloc(size + !size);

    if (in == NULL || out == NULL) {
        abort();
    }

    memcpy(in, text, text_len);

    src.data = in;
    src.len = text_len;

    rc = cdr_base64url_decode(out, size, len, src);

    if (rc == CDR_OK) {
        memcpy(dst, out, *len);
    }

    free(in);
    free(out);

    return rc;
}


static void
test_vectors(void)
{
    size_t            i, n, len;
    uint8_t           buf[16];
    cdr_str_t         src;
    const vector_t   *v;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        v = &vectors[i];
        n = strlen(v->bytes);

        ok(decode(v->text, strlen(v->text), buf, n, &len) == CDR_OK
           && len == n && memcmp(buf, v->bytes, n) == 0,
           "\"%s\" decodes to \"%s\"", v->text, v->bytes);

        src.data = (const uint8_t *) v->bytes;
        src.len = n;

        ok(cdr_base64url_encode(buf, src) == strlen(v->text)
           && memcmp(buf, v->text, strlen(v->text)) == 0,
           "\"%s\" encodes to \"%s\"", v->bytes, v->text);
    }

    ok(decode("-_-_", 4, buf, 3, &len) == CDR_OK && len == 3
       && memcmp(buf, "\xfb\xff\xbf", 3) == 0,
       "minus and underscore are digits 62 and 63");
}


static void
test_round_trips(void)
{
    int         good, canonical;
    size_t      n, i, chars, len;
    uint8_t     bytes[300], text[400], back[300];
    cdr_str_t   src;

    good = 1;
    canonical = 1;

    for (n = 0; n <= sizeof(bytes); n++) {

        for (i = 0; i < n; i++) {
            bytes[i] = (uint8_t) (i * 167 + n * 13);
        }

        src.data = bytes;
        src.len = n;

        chars = cdr_base64url_encode(text, src);

        canonical &= (chars == cdr_base64url_encoded_len(n)
                      && n <= cdr_base64url_decoded_max(chars));
        good &= (decode((char *) text, chars, back, n, &len) == CDR_OK
                 && len == n && memcmp(back, bytes, n) == 0);
    }

    ok(good, "bytes of every length up to 300 come back as they went");
    ok(canonical, "the sizes that the macros give are right");
}


static void
test_refusals(void)
{
    size_t       i, len;
    uint8_t      buf[16];

    static const vector_t  bad[] = {
        { "Zg==", "padding of two" },
        { "Zm8=", "padding of one" },
        { "Zm9v=", "padding where there is none" },
        { "====", "nothing but padding" },
        { "Z", "a single character" },
        { "Zm9vY", "five characters" },
        { "Zm 8", "a space" },
        { "Zm8\n", "a line feed at the end" },
        { "\tZm8", "a tab at the start" },
        { "Zm+v", "the plus of plain base64" },
        { "Zm/v", "the slash of plain base64" },
        { "Zm.v", "a dot" },
        { "Zm\xc3\xa9", "a letter that is not ASCII" },
        { "Zh", "four unused bits that are not zero" },
        { "Zm9", "two unused bits that are not zero" },
        { "Zm9vYh", "unused bits after a full group" }
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        len = 77;

        ok(decode(bad[i].text, strlen(bad[i].text), buf, 16, &len)
           == CDR_ERROR && len == 0, "%s is refused", bad[i].bytes);
    }

    ok(decode("Zm\0v", 4, buf, 16, &len) == CDR_ERROR, "a NUL is refused");
}


/* What is accepted must encode to the same text again. */

static void
test_every_short_text(void)
{
    int         same;
    size_t      len;
    uint8_t     text[2], bytes[2], back[4];
    unsigned    i, accepted;
    cdr_str_t   src;

    same = 1;
    accepted = 0;

    for (i = 0; i < 0x10000; i++) {
        text[0] = (uint8_t) (i >> 8);
        text[1] = (uint8_t) i;

        src.data = text;
        src.len = 2;

        if (cdr_base64url_decode(bytes, 1, &len, src) != CDR_OK) {
            continue;
        }

        accepted++;

        src.data = bytes;
        src.len = len;

        same &= (cdr_base64url_encode(back, src) == 2
                 && memcmp(back, text, 2) == 0);
    }

    ok(accepted == 256, "of all texts of two bytes 256 are base64url");
    ok(same, "each of them is the encoding of its own byte");
}


static void
test_room(void)
{
    size_t   len;
    uint8_t  buf[8];

    ok(decode("Zm9v", 4, buf, 2, &len) == CDR_TOOBIG && len == 0,
       "three bytes do not go into two");
    ok(decode("Zm8", 3, buf, 1, &len) == CDR_TOOBIG,
       "two bytes do not go into one");
    ok(decode("Zg", 2, buf, 0, &len) == CDR_TOOBIG,
       "one byte does not go into none");
    ok(decode("", 0, buf, 0, &len) == CDR_OK && len == 0,
       "nothing goes into nothing");
}
