/* Unit tests of origins: parsing, the request's own host, allow lists. */

#include "cdr_test.h"
#include "cdr_origin.h"


static cdr_str_t str(const char *s);
static void test_parse(void);
static void test_wrong(void);
static void test_host(void);
static void test_match(void);
static void test_pattern(void);
static void test_every_cut(void);


/* A copy without a NUL, so that the sanitizer sees a read past its end. */

static uint8_t  *copies[4];
static int       copies_n;


int
main(void)
{
    int  i;

    test_parse();
    test_wrong();
    test_host();
    test_match();
    test_pattern();
    test_every_cut();

    for (i = 0; i < 4; i++) {
        free(copies[i]);
    }

    return done_testing();
}


static cdr_str_t
str(const char *s)
{
    cdr_str_t   v;
    uint8_t   **p;

    p = &copies[copies_n++ % 4];
    free(*p);

    v.len = strlen(s);
    *p = malloc(v.len ? v.len : 1);
    memcpy(*p, s, v.len);
    v.data = *p;

    return v;
}


static void
test_parse(void)
{
    cdr_origin_t  o;

    ok(cdr_origin_parse(str("https://app.example.com"), &o) == CDR_OK
       && o.kind == CDR_ORIGIN_TUPLE && o.scheme.len == 5
       && memcmp(o.scheme.data, "https", 5) == 0 && o.host.len == 15
       && memcmp(o.host.data, "app.example.com", 15) == 0
       && o.port == 443 && !o.port_given, "parse: an https origin");

    ok(cdr_origin_parse(str("http://localhost:3000"), &o) == CDR_OK
       && o.host.len == 9 && o.port == 3000 && o.port_given,
       "parse: an http origin with a port");

    ok(cdr_origin_parse(str("HTTP://h"), &o) == CDR_OK && o.port == 80,
       "parse: a scheme in capitals has its default port");

    ok(cdr_origin_parse(str("http://[::1]"), &o) == CDR_OK
       && o.host.len == 5 && o.port == 80, "parse: an IPv6 address");

    ok(cdr_origin_parse(str("http://[2001:db8::1]:8080"), &o) == CDR_OK
       && o.host.len == 13 && o.port == 8080,
       "parse: an IPv6 address with a port");

    ok(cdr_origin_parse(str("http://[::ffff:192.0.2.1]"), &o) == CDR_OK,
       "parse: an IPv6 address with an IPv4 part");

    ok(cdr_origin_parse(str("http://127.0.0.1:65535"), &o) == CDR_OK
       && o.port == 65535, "parse: an IPv4 address and the highest port");

    ok(cdr_origin_parse(str("null"), &o) == CDR_OK
       && o.kind == CDR_ORIGIN_NULL && o.host.data == NULL,
       "parse: null is its own kind");

    ok(cdr_origin_parse(str("moz-extension://a-b-c"), &o) == CDR_OK
       && o.port == 0 && !o.port_given,
       "parse: another scheme has no default port");

    ok(cdr_origin_parse(str("https://xn--bcher-kva.example."), &o) == CDR_OK,
       "parse: a name with the dot of the root");

    ok(cdr_origin_parse(str("http://my_host"), &o) == CDR_OK,
       "parse: an underscore, as names in a local network have");
}


static void
test_wrong(void)
{
    size_t        i;
    cdr_str_t     s;
    cdr_origin_t  o;

    static const char  *t[] = {
        "", " ", "Null", "NULL", "nul", "nulll", "example.com",
        "example.com:80", "//example.com", "://example.com", "https:",
        "https:/", "https://", "https:///", "https:example.com",
        "https//example.com", "1http://h", "ht tp://h", "-http://h",
        "https://h/", "https://h/path", "https://h?q", "https://h#f",
        "https://h:443/", "https://u@h", "https://u:p@h", "https://:443",
        "https://h:", "https://h:0", "https://h:080", "https://h:65536",
        "https://h:99999", "https://h:100000", "https://h:4294967376",
        "https://h:80a", "https://h:-1", "https://h: 80", "https://h:80:80",
        "https://.h", "https://a..h", "https://.", "https://h h",
        "https://h ", " https://h", "https://a https://b",
        "https://a,https://b", "https://*", "https://*.h", "https://h%41",
        "https://h\\", "https://h\x7f", "https://\xc3\xbc",
        "https://[", "https://[]", "https://[:]", "https://[::1",
        "https://[::1]x", "https://[::1]:", "https://[::1]:x",
        "https://[1]", "https://[::g]", "https://[::1%25eth0]",
        "https://[::1]]", "https://::1", "https://]",
        "https://[00000000000000:00000000000000000000000:0000000000]",
        "file://", "file:///"
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(cdr_origin_parse(str(t[i]), &o) == CDR_ERROR,
           "parse: refuses \"%s\"", t[i]);
    }

    s.data = NULL;
    s.len = 0;
    ok(cdr_origin_parse(s, &o) == CDR_ERROR, "parse: refuses no value");

    s.data = (const uint8_t *) "https://a\0b";
    s.len = 11;
    ok(cdr_origin_parse(s, &o) == CDR_ERROR, "parse: refuses a NUL inside");
}


static void
test_host(void)
{
    bool          is;
    size_t        i;
    cdr_origin_t  o;

    static const struct {
        const char  *origin, *host;
        bool         tls, is;
        const char  *name;
    } t[] = {
        { "https://h.example", "h.example", true, true, "the same name" },
        { "https://H.example", "h.EXAMPLE", true, true, "in another case" },
        { "https://h.example", "h.example", false, true,
          "an https page behind a proxy that ends TLS" },
        { "http://h.example", "h.example", true, true,
          "neither names a port" },
        { "http://h:80", "h", false, true, "a default port against none" },
        { "https://h", "h:443", false, true, "the scheme's port in Host" },
        { "http://h", "h:80", true, true, "the port in Host decides" },
        { "http://h:5111", "h:5111", false, true, "the same port" },
        { "http://h:443", "h", true, true, "Host's default follows TLS" },
        { "http://[::1]:5111", "[::1]:5111", false, true, "IPv6" },
        { "http://[2001:DB8::1]", "[2001:db8::1]", false, true,
          "IPv6 in another case" },
        { "http://h", "h:", false, true, "an empty port in Host is none" },
        { "http://h:3000", "h:5111", false, false, "another port" },
        { "http://h:3000", "h", false, false, "a port against the default" },
        { "http://h", "h:5111", false, false, "the default against a port" },
        { "https://h:443", "h", false, false,
          "a named 443 against a plain connection" },
        { "http://h.example", "example", false, false, "a parent" },
        { "http://example", "h.example", false, false, "a child" },
        { "http://h", "h.", false, false, "the dot of the root" },
        { "ws://h", "h", false, false, "another scheme" },
        { "ws://h:80", "h:80", false, false, "another scheme with a port" },
        { "null", "null", false, false, "the null origin" },
        { "http://h", "", false, false, "an empty Host" },
        { "http://h", "h:80x", false, false, "a wrong Host" },
        { "http://h", "u@h", false, false, "user information in Host" },
        { "http://h", "h/", false, false, "a slash in Host" },
        { "http://h", "*", false, false, "an asterisk in Host" },
        { "http://h", "[::1", false, false, "an open bracket in Host" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        is = cdr_origin_parse(str(t[i].origin), &o) == CDR_OK
             && cdr_origin_is_host(&o, str(t[i].host), t[i].tls);

        ok(is == t[i].is, "host: %s %s", t[i].name,
           t[i].is ? "is the same host" : "is not");
    }
}


static void
test_match(void)
{
    bool          is;
    size_t        i;
    cdr_origin_t  o;

    static const struct {
        const char  *origin, *pattern;
        bool         is;
    } t[] = {
        { "https://app.example.com", "https://app.example.com", true },
        { "https://app.example.com", "HTTPS://App.Example.com", true },
        { "https://app.example.com", "https://app.example.com:443", true },
        { "https://app.example.com:443", "https://app.example.com", true },
        { "https://app.example.com", "http://app.example.com", false },
        { "https://app.example.com", "https://app.example.com:8443", false },
        { "https://app.example.com:8443", "https://app.example.com", false },
        { "https://app.example.com", "https://example.com", false },
        { "https://app.example.com", "https://*.example.com", true },
        { "https://a.b.example.com", "https://*.example.com", true },
        { "https://A.EXAMPLE.COM", "https://*.example.com", true },
        { "https://example.com", "https://*.example.com", false },
        { "https://badexample.com", "https://*.example.com", false },
        { "https://a.example.com.evil.net", "https://*.example.com", false },
        { "https://example.com.evil.net", "https://*.example.com", false },
        { "http://a.example.com", "https://*.example.com", false },
        { "https://a.example.com:8443", "https://*.example.com", false },
        { "https://a.example.com:8443", "https://*.example.com:8443", true },
        { "https://a.example.com", "https://a.*.com", false },
        { "http://a.localhost:3000", "http://*.localhost:3000", true },
        { "http://[::1]:3000", "http://[::1]:3000", true },
        { "http://[::1]", "http://[::2]", false },
        { "app://local", "app://local", true },
        { "app://local:1", "app://local", false },
        { "null", "*", true },
        { "null", "null", false },
        { "null", "https://null", false },
        { "https://null", "null", false },
        { "https://any.where:1", "*", true },
        { "https://a.example.com", "", false },
        { "https://a.example.com", "https://a.example.com/", false },
        { "https://a.example.com", "a.example.com", false },
        { "https://a.example.com", "https://*", false },
        { "https://a.example.com", "https://*.", false },
        { "https://a.example.com", "https://**.example.com", false }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        is = cdr_origin_parse(str(t[i].origin), &o) == CDR_OK
             && cdr_origin_match(&o, str(t[i].pattern));

        ok(is == t[i].is, "match: \"%s\" %s %s", t[i].pattern,
           t[i].is ? "admits" : "does not admit", t[i].origin);
    }
}


static void
test_pattern(void)
{
    int          rc;
    size_t       i;
    const char  *why;

    static const struct {
        const char  *pattern, *why;    /* NULL: right */
    } t[] = {
        { "*", NULL },
        { "https://example.com", NULL },
        { "http://localhost:3000", NULL },
        { "https://*.example.com", NULL },
        { "https://*.example.com:8443", NULL },
        { "http://[::1]:3000", NULL },
        { "capacitor://localhost", NULL },
        { "", "scheme" },
        { "example.com", "scheme" },
        { "localhost:3000", "scheme" },
        { "**", "scheme" },
        { "*.example.com", "scheme" },
        { "*://example.com", "scheme" },
        { "null", "sandboxed" },
        { "https://example.com/", "end after the host" },
        { "https://example.com/app", "end after the host" },
        { "https://*/", "end after the host" },
        { "https://", "host is missing" },
        { "https://:443", "host is missing" },
        { "https://*", "must follow" },
        { "https://*.", "must follow" },
        { "https://*:443", "must follow" },
        { "https://*example.com", "must follow" },
        { "https://a.*.com", "first label" },
        { "https://*.*.com", "first label" },
        { "https://a*.com", "first label" },
        { "https://*..com", "label of the host is empty" },
        { "https://b\xc3\xbc" "cher.example", "xn--" },
        { "https://u@h", "no host has" },
        { "https://a b", "no host has" },
        { "https://*.[::1]", "no host has" },
        { "https://h:", "port is missing" },
        { "https://h:0", "1 to 65535" },
        { "https://h:*", "1 to 65535" },
        { "https://h:70000", "1 to 65535" },
        { "https://[::1", "IPv6" },
        { "https://[h]", "IPv6" },
        { "https://[::1]h", "only a port" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        why = NULL;
        rc = cdr_origin_pattern_check(str(t[i].pattern), &why);

        if (t[i].why == NULL) {
            ok(rc == CDR_OK, "pattern: takes %s", t[i].pattern);

        } else {
            ok(rc == CDR_ERROR && why && strstr(why, t[i].why),
               "pattern: refuses \"%s\", saying \"%s\"", t[i].pattern,
               t[i].why);
        }
    }
}


/* What is cut anywhere must not be read past its end (the sanitizer sees). */

static void
test_every_cut(void)
{
    bool          fine;
    char          buf[64];
    size_t        i, n;
    cdr_origin_t  o;
    const char   *why;

    static const char  *t[] = {
        "https://*.example.com:8443", "https://a.example.com:8443",
        "http://[2001:db8::1]:80", "null"
    };

    fine = true;

    for (i = 0; i < 4; i++) {
        for (n = 0; n <= strlen(t[i]); n++) {
            memcpy(buf, t[i], n);
            buf[n] = '\0';

            if (cdr_origin_parse(str(buf), &o) == CDR_OK) {
                fine = fine && cdr_origin_match(&o, str("*"));
                (void) cdr_origin_is_host(&o, str(buf), true);
            }

            if (cdr_origin_pattern_check(str(buf), &why) == CDR_ERROR) {
                fine = fine && why != NULL;
            }
        }
    }

    ok(fine, "every cut of an origin or pattern has an answer");
}
