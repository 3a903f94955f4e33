/* Unit tests of the negotiation of permessage-deflate. */

#include "cdr_test.h"
#include "cdr_pmd.h"


#define PMD  "permessage-deflate"


static void test_accepted(void);
static void test_declined(void);
static void test_malformed(void);
static void test_bits(void);
static void test_lines(void);
static void test_response(void);
static void test_may_compress(void);
static void test_every_cut(void);
static int negotiate(const char *line, cdr_pmd_t *pmd);


int
main(void)
{
    test_accepted();
    test_declined();
    test_malformed();
    test_bits();
    test_lines();
    test_response();
    test_may_compress();
    test_every_cut();

    return done_testing();
}


/* "server" and "client" are the bits to be agreed; 0: not to be named. */

static void
test_accepted(void)
{
    bool       fine;
    size_t     i;
    cdr_pmd_t  p;

    static const struct {
        const char  *line;
        int          server, client;
    } t[] = {
        { PMD, 0, 0 },
        { "  " PMD "\t ", 0, 0 },
        { PMD "; server_no_context_takeover", 0, 0 },
        { PMD "; client_no_context_takeover", 0, 0 },
        { PMD "; client_max_window_bits", 0, 0 },
        { PMD "; client_max_window_bits=10", 0, 10 },
        { PMD "; server_max_window_bits=10", 10, 0 },
        { PMD "; server_max_window_bits=15", 15, 0 },
        { PMD "; client_max_window_bits=\"10\"", 0, 10 },
        { PMD "; server_max_window_bits=\"9\"", 9, 0 },
        { PMD "; server_max_window_bits=\"\\1\\0\"", 10, 0 },
        { PMD ";server_max_window_bits=8;client_max_window_bits=9", 8, 9 },
        { PMD "\t;\tserver_max_window_bits = 8 ; client_max_window_bits", 8,
          0 },
        { PMD "; server_no_context_takeover; client_no_context_takeover"
          "; server_max_window_bits=12; client_max_window_bits=13", 12, 13 },
        { PMD "; client_max_window_bits=13; server_max_window_bits=12"
          "; client_no_context_takeover; server_no_context_takeover", 12,
          13 },
        { "x-webkit-deflate-frame, " PMD, 0, 0 },
        { "foo; bar=baz; bar=\"b\\az\"; qux, " PMD "; client_max_window_bits",
          0, 0 },
        { PMD "," PMD "; server_max_window_bits=10", 0, 0 },
        { PMD "; server_max_window_bits=7," PMD "; server_max_window_bits=11,"
          PMD, 11, 0 },
        { PMD "; client_max_window_bits; server_max_window_bits=10,"
          PMD "; client_max_window_bits", 10, 0 },
        { PMD "; unknown, " PMD, 0, 0 },
        { PMD "; client_max_window_bits=8; client_max_window_bits=9, " PMD
          "; client_max_window_bits=14", 0, 14 },
        { ", ,\t," PMD ",,", 0, 0 },
        { PMD ", foo; a=b", 0, 0 }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        fine = negotiate(t[i].line, &p) == CDR_OK && p.on
               && p.server_bits_offered == (t[i].server != 0)
               && p.client_bits_offered == (t[i].client != 0)
               && p.server_max_window_bits
                  == (t[i].server ? t[i].server : 15)
               && p.client_max_window_bits
                  == (t[i].client ? t[i].client : 15);

        ok(fine, "accepts: %s", t[i].line);
    }
}


static void
test_declined(void)
{
    size_t     i;
    cdr_pmd_t  p;

    static const char  *t[] = {
        "", "   ", ",", " , ,",
        "foo", "foo; bar", "permessage-deflate2", "x" PMD,
        "Permessage-Deflate", "deflate-frame; server_max_window_bits=10",
        PMD "; unknown", PMD "; unknown=1", PMD "; unknown=\"1\"",
        PMD "; Server_No_Context_Takeover",
        PMD "; server_no_context_takeover=true",
        PMD "; server_no_context_takeover=1",
        PMD "; server_no_context_takeover=\"15\"",
        PMD "; client_no_context_takeover=true",
        PMD "; client_no_context_takeover=15",
        PMD "; server_no_context_takeover; server_no_context_takeover",
        PMD "; client_no_context_takeover; client_no_context_takeover",
        PMD "; server_max_window_bits",
        PMD "; server_max_window_bits=7", PMD "; server_max_window_bits=16",
        PMD "; server_max_window_bits=0", PMD "; server_max_window_bits=08",
        PMD "; server_max_window_bits=\"08\"",
        PMD "; server_max_window_bits=010",
        PMD "; server_max_window_bits=1", PMD "; server_max_window_bits=20",
        PMD "; server_max_window_bits=+9", PMD "; server_max_window_bits=-9",
        PMD "; server_max_window_bits=1a", PMD "; server_max_window_bits=a",
        PMD "; server_max_window_bits=100",
        PMD "; server_max_window_bits=10; server_max_window_bits=10",
        PMD "; client_max_window_bits=7", PMD "; client_max_window_bits=16",
        PMD "; client_max_window_bits=09", PMD "; client_max_window_bits=x",
        PMD "; client_max_window_bits; client_max_window_bits",
        PMD "; client_max_window_bits; client_max_window_bits=10",
        PMD "; client_max_window_bits=10; client_max_window_bits",
        PMD "; server_max_window_bits=10; unknown",
        PMD "; unknown; server_max_window_bits=10"
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(negotiate(t[i], &p) == CDR_DECLINED && !p.on, "declines: \"%s\"",
           t[i]);
    }
}


static void
test_malformed(void)
{
    size_t     i;
    cdr_pmd_t  p;

    static const char  *t[] = {
        PMD ";", PMD "; ", PMD ";;", PMD "; ;client_max_window_bits",
        PMD "; client_max_window_bits;", PMD "; client_max_window_bits=",
        PMD "; client_max_window_bits=,", PMD "; client_max_window_bits= ;",
        PMD "; =10", PMD "=10", PMD " x", PMD "/1", PMD "; a b",
        PMD "; a=b c", PMD "; a=b=c",
        PMD "; client_max_window_bits=\"10",
        PMD "; client_max_window_bits=\"10\\",
        PMD "; client_max_window_bits=\"10\\\"",
        PMD "; client_max_window_bits=\"\"",
        PMD "; client_max_window_bits=\"1 0\"",
        PMD "; client_max_window_bits=\"10\"x",
        PMD "; client_max_window_bits=\"10\"\"10\"",
        PMD "; client_max_window_bits='10\"",
        PMD "; a=\"b,c\"", PMD "; a=\"b;c\"", PMD "; a=\"\\ \"",
        ";", "; a", "=", "\"" PMD "\"", PMD ", foo;", PMD ", foo=1",
        "foo;, " PMD, PMD "\x01", PMD "\xff", PMD "; a=\x7f",
        "(comment)", PMD "\r\n", PMD ", @"
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(negotiate(t[i], &p) == CDR_ERROR, "refuses: case %d", (int) i + 1);
    }

    memset(&p, 0, sizeof(p));

    ok(cdr_pmd_negotiate((cdr_str_t) { (const uint8_t *) PMD "\0", 19 }, &p)
       == CDR_ERROR, "refuses: a NUL at the end");
}


static void
test_bits(void)
{
    int        n, wrong;
    char       line[80];
    cdr_pmd_t  p;

    for (wrong = 0, n = 0; n < 300; n++) {
        snprintf(line, sizeof(line), PMD "; server_max_window_bits=%d", n);

        wrong += (negotiate(line, &p) == CDR_OK) != (n >= 8 && n <= 15);
        wrong += p.on && p.server_max_window_bits != n;
    }

    ok(wrong == 0, "of 0 to 299, 8 to 15 are window bits");
}


static void
test_lines(void)
{
    int        rc;
    size_t     i;
    cdr_pmd_t  p;

    static const struct {
        cdr_str_t    line;
        int          rc;
        const char  *name;
    } t[] = {
        { cdr_str_null, CDR_DECLINED, "no value" },
        { cdr_str("foo"), CDR_DECLINED, "another extension" },
        { cdr_str(PMD "; server_max_window_bits=9"), CDR_OK,
          "an offer in a later line is taken" },
        { cdr_str(PMD), CDR_OK, "a second offer changes nothing" },
        { cdr_str("foo"), CDR_OK, "nor does another extension" },
        { cdr_str("foo;"), CDR_ERROR, "a malformed line is still refused" }
    };

    memset(&p, 0, sizeof(p));

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        rc = cdr_pmd_negotiate(t[i].line, &p);

        ok(rc == t[i].rc && p.on == (i >= 2)
           && p.server_max_window_bits == (i >= 2 ? 9 : 0), "lines: %s",
           t[i].name);
    }
}


static void
test_response(void)
{
    bool        fine;
    size_t      i, n, len;
    uint8_t     dst[CDR_PMD_RESPONSE_MAX + 1];
    cdr_pmd_t   p;

#define BOTH  PMD "; server_no_context_takeover; client_no_context_takeover"

    static const struct {
        const char  *line, *response;
    } t[] = {
        { PMD, BOTH },
        { PMD "; client_max_window_bits", BOTH },
        { PMD "; client_max_window_bits=15",
          BOTH "; client_max_window_bits=15" },
        { PMD "; client_max_window_bits=\"9\"",
          BOTH "; client_max_window_bits=9" },
        { PMD "; server_max_window_bits=10; client_max_window_bits",
          BOTH "; server_max_window_bits=10" },
        { PMD "; client_max_window_bits=12; server_max_window_bits=8",
          BOTH "; server_max_window_bits=8; client_max_window_bits=12" },
        { PMD "; client_max_window_bits=10; server_max_window_bits=11",
          BOTH "; server_max_window_bits=11; client_max_window_bits=10" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        (void) negotiate(t[i].line, &p);
        len = strlen(t[i].response);

        memset(dst, '#', sizeof(dst));

        ok(cdr_pmd_response(&p, dst, sizeof(dst)) == len
           && memcmp(dst, t[i].response, len) == 0 && dst[len] == '#'
           && len <= CDR_PMD_RESPONSE_MAX, "answers: %s", t[i].response);
    }

    ok(len == CDR_PMD_RESPONSE_MAX, "the longest answer has the maximum");

    for (fine = true, n = 0; n <= len; n++) {
        memset(dst, '#', sizeof(dst));

        fine = fine && cdr_pmd_response(&p, n ? dst : NULL, n) == len
               && dst[n] == '#' && (n == len || dst[0] == '#');
    }

    ok(fine, "an answer is written as a whole or not at all");

    memset(&p, 0, sizeof(p));

    ok(cdr_pmd_response(&p, dst, sizeof(dst)) == 0, "no agreement, no answer");
}


static void
test_may_compress(void)
{
    bool       fine;
    size_t     max;
    uint8_t    bits;
    cdr_pmd_t  p;

    memset(&p, 0, sizeof(p));

    ok(!cdr_pmd_may_compress(&p, 1), "nothing is compressed if not agreed");

    p.on = true;

    for (fine = true, bits = 8; bits <= 15; bits++) {
        p.server_max_window_bits = bits;
        max = (size_t) 1 << bits;

        fine = fine && cdr_pmd_may_compress(&p, 0)
               && cdr_pmd_may_compress(&p, max);

        fine = fine && cdr_pmd_may_compress(&p, max + 1) == (bits == 15);
    }

    ok(fine, "a message is compressed up to the client's window");
    ok(cdr_pmd_may_compress(&p, SIZE_MAX), "and of any length with a full one");
}


/* What is cut anywhere must not be read past its end (the sanitizer sees). */

static void
test_every_cut(void)
{
    int        rc;
    bool       fine;
    size_t     n;
    uint8_t   *mem;
    cdr_pmd_t  p;

    static const char  line[] = "foo; a=\"b\\c\", " PMD
        "; server_max_window_bits=\"\\9\" ; client_max_window_bits = 1";

    for (fine = true, n = 0; n < sizeof(line); n++) {
        mem = malloc(n ? n : 1);
        memcpy(mem, line, n);
        memset(&p, 0, sizeof(p));

        rc = cdr_pmd_negotiate((cdr_str_t) { mem, n }, &p);
        fine = fine && (rc != CDR_OK || p.on);

        free(mem);
    }

    ok(fine, "every cut of a line has an answer");
}


static int
negotiate(const char *line, cdr_pmd_t *pmd)
{
    cdr_str_t  value;

    value.data = (const uint8_t *) line;
    value.len = strlen(line);

    memset(pmd, 0, sizeof(cdr_pmd_t));

    return cdr_pmd_negotiate(value, pmd);
}
