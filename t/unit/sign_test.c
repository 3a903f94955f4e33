/* Tests of signatures: nothing but what was signed, by the same secret. */

#include "cdr.h"
#include "cdr_sign.h"
#include "cdr_test.h"


#define MANY  1000


static cdr_str_t str(const char *s);
static void test_known(void);
static void test_changes(void);
static void test_lists(void);
static void test_texts(void);
static void test_repeated(void);


static const char  secret[] = "0123456789abcdef0123456789abcdef";


int
main(void)
{
    test_known();
    test_changes();
    test_lists();
    test_texts();
    test_repeated();

    return done_testing();
}


static cdr_str_t
str(const char *s)
{
    cdr_str_t  r = { (const uint8_t *) s, strlen(s) };

    return r;
}


/*
 * printf '\0\0\0\0\0\0\0\3log\0\0\0\0\0\0\0\1x\0\0\0\0\0\0\0\0' \
 *     | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary \
 *     | basenc --base64url
 */

static void
test_known(void)
{
    uint8_t     dst[CDR_SIGN_LEN];
    cdr_sign_t  sign;
    cdr_str_t   parts[3] = { str("log"), str("x"), str("") };
    const char  known[] = "zBXgMuoU4LSepheZKKIn09qhhVETOzPkszo5MH6vhhA";

    ok(cdr_sign_init(&sign, str(secret)) == CDR_OK, "there is a key");
    ok(cdr_sign(&sign, parts, 3, dst) == CDR_OK
       && memcmp(dst, known, CDR_SIGN_LEN) == 0,
       "a signature is what others make of it");
    ok(cdr_sign_check(&sign, parts, 3, (cdr_str_t) { dst, sizeof(dst) })
       == CDR_OK, "and is believed");

    cdr_sign_free(&sign);
    cdr_sign_free(&sign);
}


static void
test_changes(void)
{
    int         good;
    size_t      i;
    uint8_t     dst[CDR_SIGN_LEN + 1], text[] = "an event of a hub";
    cdr_str_t   part = { text, sizeof(text) - 1 };
    cdr_str_t   signature = { dst, CDR_SIGN_LEN };
    cdr_sign_t  sign, other;

    (void) cdr_sign_init(&sign, str(secret));
    (void) cdr_sign_init(&other, str("0123456789abcdef0123456789abcdeF"));
    (void) cdr_sign(&sign, &part, 1, dst);

    ok(cdr_sign_check(&other, &part, 1, signature) == CDR_DECLINED,
       "another secret makes another");

    good = 1;

    for (i = 0; i < part.len * 8; i++) {
        text[i / 8] = (uint8_t) (text[i / 8] ^ (1 << i % 8));
        good &= (cdr_sign_check(&sign, &part, 1, signature) == CDR_DECLINED);
        text[i / 8] = (uint8_t) (text[i / 8] ^ (1 << i % 8));
    }

    ok(good, "no bit of a text can be changed");

    good = 1;

    for (i = 0; i < CDR_SIGN_LEN * 8; i++) {
        dst[i / 8] = (uint8_t) (dst[i / 8] ^ (1 << i % 8));
        good &= (cdr_sign_check(&sign, &part, 1, signature) == CDR_DECLINED);
        dst[i / 8] = (uint8_t) (dst[i / 8] ^ (1 << i % 8));
    }

    ok(good, "nor of its signature");

    good = 1;

    for (signature.len = 0; signature.len <= sizeof(dst); signature.len++) {
        good &= ((cdr_sign_check(&sign, &part, 1, signature) == CDR_OK)
                 == (signature.len == CDR_SIGN_LEN));
    }

    ok(good, "which has one length");

    cdr_sign_free(&sign);
    cdr_sign_free(&other);
}


static void
test_lists(void)
{
    uint8_t     dst[5][CDR_SIGN_LEN];
    size_t      i, j, same;
    cdr_str_t   ab[2] = { str("a"), str("b") };
    cdr_str_t   joined[2] = { str("ab"), str("") };
    cdr_str_t   turned[2] = { str("b"), str("a") };
    cdr_str_t   one[1] = { str("ab") };
    cdr_sign_t  sign;

    (void) cdr_sign_init(&sign, str(secret));
    (void) cdr_sign(&sign, ab, 2, dst[0]);
    (void) cdr_sign(&sign, joined, 2, dst[1]);
    (void) cdr_sign(&sign, turned, 2, dst[2]);
    (void) cdr_sign(&sign, one, 1, dst[3]);
    (void) cdr_sign(&sign, NULL, 0, dst[4]);

    same = 0;

    for (i = 0; i < 5; i++) {
        for (j = 0; j < i; j++) {
            same += (memcmp(dst[i], dst[j], CDR_SIGN_LEN) == 0);
        }
    }

    ok(same == 0, "lists of the same letters have different signatures");

    cdr_sign_free(&sign);
}


static void
test_texts(void)
{
    uint8_t     dst[CDR_SIGN_LEN + 1 + 5];
    cdr_str_t   text = { dst, sizeof(dst) };
    cdr_str_t   none = { dst, CDR_SIGN_LEN + 1 };
    cdr_sign_t  sign;

    (void) cdr_sign_init(&sign, str(secret));

    ok(cdr_sign_text(&sign, str("p"), str("hello"), dst) == CDR_OK
       && cdr_sign_text_check(&sign, str("q"), &text) == CDR_DECLINED
       && text.len == sizeof(dst),
       "a text is good for one thing only");
    ok(cdr_sign_text_check(&sign, str("p"), &text) == CDR_OK
       && text.len == 5 && memcmp(text.data, "hello", 5) == 0,
       "and comes back without its signature");

    dst[CDR_SIGN_LEN] = '.';
    text.data = dst;
    text.len = sizeof(dst);
    ok(cdr_sign_text_check(&sign, str("p"), &text) == CDR_DECLINED,
       "a space stands between them");

    text = str("{\"a\":1}");
    ok(cdr_sign_text_check(&sign, str("p"), &text) == CDR_DECLINED,
       "one without a signature is refused");

    ok(cdr_sign_text(&sign, str("p"), str(""), dst) == CDR_OK
       && cdr_sign_text_check(&sign, str("p"), &none) == CDR_OK
       && none.len == 0,
       "an empty text can be signed");

    cdr_sign_free(&sign);
}


static void
test_repeated(void)
{
    int         good;
    size_t      i;
    uint8_t     first[CDR_SIGN_LEN], dst[CDR_SIGN_LEN];
    cdr_str_t   a = str("a"), b = str("b");
    cdr_sign_t  sign;

    (void) cdr_sign_init(&sign, str(secret));
    (void) cdr_sign(&sign, &a, 1, first);

    good = 1;

    for (i = 0; i < MANY; i++) {
        good &= (cdr_sign(&sign, &b, 1, dst) == CDR_OK);
        good &= (cdr_sign(&sign, &a, 1, dst) == CDR_OK
                 && memcmp(dst, first, CDR_SIGN_LEN) == 0);
    }

    ok(good, "a key signs again and again");

    cdr_sign_free(&sign);
}
