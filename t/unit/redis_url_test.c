/* Tests of the URL of Redis: what each says, or why it is none. */

#include "cdr.h"
#include "cdr_redis_url.h"
#include "cdr_test.h"


typedef struct {
    const char  *text;
    const char  *said;          /* what show() makes of it, or why not */
} vector_t;


static const char *parse(const char *text, size_t len);
static void show(char *dst, const cdr_redis_url_t *url);
static void test_good(void);
static void test_bad(void);
static void test_long(void);
static void test_hidden(void);


/* tls user|password path host:port ... /database */

static const vector_t  good[] = {
    { "redis://h", "|  h:0 /0" },
    { "redis://h/", "|  h:0 /0" },
    { "rediss://h", "tls |  h:0 /0" },
    { "redis://redis-1.example.com:6380/15",
      "|  redis-1.example.com:6380 /15" },
    { "redis://10.0.0.1,b_2:1,c/999999", "|  10.0.0.1:0 b_2:1 c:0 /999999" },
    { "redis://[::1]", "|  [::1]:0 /0" },
    { "redis://[fe80::1]:65535,h/3", "|  [fe80::1]:65535 h:0 /3" },
    { "redis://h?db=7", "|  h:0 /7" },
    { "redis://h/?db=7", "|  h:0 /7" },
    { "redis://ann@h", "ann|  h:0 /0" },
    { "redis://ann:@h", "ann|  h:0 /0" },
    { "redis://:pass@h", "|pass  h:0 /0" },
    { "redis://ann:pass@h:1/2", "ann|pass  h:1 /2" },
    { "redis://a%3an%40n:p%2F%3aa%25@h", "a:n@n|p/:a%  h:0 /0" },
    { "redis://ann:a:b@c/d?e@h/1", "ann|a:b@c/d?e  h:0 /1" },
    { "redis://%c3%a4:%FF@h", "\xc3\xa4|\xff  h:0 /0" },
    { "unix:/run/redis.sock", "| /run/redis.sock /0" },
    { "unix:/run/redis.sock:4", "| /run/redis.sock /4" },
    { "unix:/run/redis.sock?db=4", "| /run/redis.sock /4" },
    { "unix:/a%3a1%20b:2", "| /a:1 b /2" },
    { "unix:///run/redis.sock", "| /run/redis.sock /0" },
    { "unix:/a@b", "| /a@b /0" },
    { "unix://ann:pass@/s:1", "ann|pass /s /1" },
    { "redis+unix:/s", "| /s /0" },
    { "redis+unix://:pass@/s?db=1", "|pass /s /1" }
};


static const vector_t  bad[] = {
    { "", "begin with" },
    { "h", "begin with" },
    { "redis:", "begin with" },
    { "redis:/h", "begin with" },
    { "REDIS://h", "begin with" },
    { "http://h", "begin with" },
    { "redis://h h", "space" },
    { "redis://h\n", "control" },
    { "redis://h\x7f", "control" },
    { "redis://", "host is missing" },
    { "redis://:1", "host is missing" },
    { "redis:///0", "host is missing" },
    { "redis://a,", "host is missing" },
    { "redis://ann:pass@", "host is missing" },
    { "redis://a b", "space" },
    { "redis://a%41", "name or an address" },
    { "redis://.a", "name or an address" },
    { "redis://-a", "name or an address" },
    { "redis://a\xc3\xa4", "name or an address" },
    { "redis://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "at most 16" },
    { "redis://[", "in brackets" },
    { "redis://[]", "in brackets" },
    { "redis://[::1", "in brackets" },
    { "redis://[::g]", "in brackets" },
    { "redis://[::1]1", "only a port" },
    { "redis://[::1]:", "port is" },
    { "redis://h:", "port is" },
    { "redis://h:0", "port is" },
    { "redis://h:01", "port is" },
    { "redis://h:65536", "port is" },
    { "redis://h:+1", "port is" },
    { "redis://h:1:2", "port is" },
    { "redis://h/x", "database is" },
    { "redis://h/-1", "database is" },
    { "redis://h/00", "database is" },
    { "redis://h/1000000", "database is" },
    { "redis://h/1/2", "database is" },
    { "redis://h/1,i", "database is" },
    { "redis://h/1?db=2", "given twice" },
    { "redis://h?db=2?db=3", "name or an address" },
    { "redis://h?db=", "database is" },
    { "redis://h?", "only \"?db=\"" },
    { "redis://h?timeout=1", "only \"?db=\"" },
    { "redis://a%@h", "two hexadecimal" },
    { "redis://a%4@h", "two hexadecimal" },
    { "redis://a%4x@h", "two hexadecimal" },
    { "redis://:a%00@h", "not 00" },
    { "unix:", "full name" },
    { "unix:s", "full name" },
    { "unix://h/s", "full name" },
    { "unix:/s:", "database is" },
    { "unix:/s:1:", "database is" },
    { "unix:/s:1?db=1", "given twice" },
    { "unix:/s%", "two hexadecimal" }
};


/* What is not to be shown of each. */

static const vector_t  hidden[] = {
    { "redis://h:1/2", "" },
    { "redis://ann:pass@h", "ann:pass" },
    { "redis://ann:p@ss@h", "ann:p@ss" },
    { "redis://:pa://ss@h", ":pa://ss" },
    { "ann:pass@h", "ann:pass" },
    { "redis:/ann:pass@h", "redis:/ann:pass" },
    { "redis://@h", "" },
    { "", "" }
};


int
main(void)
{
    test_good();
    test_bad();
    test_long();
    test_hidden();

    return done_testing();
}


/* Buffers have their exact size, so that ASan sees a byte too far. */

static const char *
parse(const char *text, size_t len)
{
    int               rc;
    char             *in;
    uint8_t          *buf;
    cdr_str_t         s;
    const char       *why;
    cdr_redis_url_t   url;
    static char       said[8192];

    in = malloc(len + !len);
    buf = malloc(len + !len);

    if (in == NULL || buf == NULL) {
        abort();
    }

    memcpy(in, text, len);

    s.data = (uint8_t *) in;
    s.len = len;

    rc = cdr_redis_url_parse(&url, s, buf, &why);

    if (rc == CDR_OK) {
        show(said, &url);
    }

    free(in);
    free(buf);

    return (rc == CDR_OK) ? said : why;
}


static void
show(char *dst, const cdr_redis_url_t *url)
{
    uint32_t                 i;
    const cdr_redis_host_t  *h;

    dst += sprintf(dst, "%s%.*s|%.*s %.*s ", url->tls ? "tls " : "",
                   (int) url->user.len, (char *) url->user.data,
                   (int) url->password.len, (char *) url->password.data,
                   (int) url->path.len, (char *) url->path.data);

    for (i = 0; i < url->nhosts; i++) {
        h = &url->hosts[i];
        dst += sprintf(dst, h->ipv6 ? "[%.*s]:%u " : "%.*s:%u ",
                       (int) h->host.len, (char *) h->host.data, h->port);
    }

    sprintf(dst, "/%u", url->database);
}


static void
test_good(void)
{
    size_t       i;
    const char  *said;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        said = parse(good[i].text, strlen(good[i].text));
        ok(strcmp(said, good[i].said) == 0, "%s is read", good[i].text);

        if (strcmp(said, good[i].said) != 0) {
            printf("# %s\n", said);
        }
    }
}


static void
test_bad(void)
{
    size_t       i;
    const char  *said;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        said = parse(bad[i].text, strlen(bad[i].text));
        ok(strstr(said, bad[i].said) != NULL, "%zu is refused: %s", i,
           bad[i].said);

        if (strstr(said, bad[i].said) == NULL) {
            printf("# %s\n", said);
        }
    }
}


static void
test_long(void)
{
    size_t  n;
    char    text[CDR_REDIS_URL_LEN + 2];

    memset(text, 'x', sizeof(text));
    memcpy(text, "redis://", 8);

    ok(strchr(parse(text, 8 + 253), ':') != NULL,
       "a name has up to 253 letters");
    ok(strstr(parse(text, 8 + 254), "name or an address") != NULL,
       "and no more");

    memcpy(text + CDR_REDIS_URL_LEN - 2, "@h", 2);
    ok(strncmp(parse(text, CDR_REDIS_URL_LEN), "xxx", 3) == 0,
       "a URL may have 4096 bytes");
    text[CDR_REDIS_URL_LEN] = 'h';
    ok(strstr(parse(text, CDR_REDIS_URL_LEN + 1), "longer") != NULL,
       "and no more");

    memcpy(text, "unix:/xxx", 9);
    n = sizeof("unix:") - 1 + CDR_REDIS_URL_PATH;
    ok(parse(text, n)[0] == '|', "a socket's name may have 107 bytes");
    ok(strstr(parse(text, n + 1), "107") != NULL, "and no more");
}


static void
test_hidden(void)
{
    size_t     i;
    cdr_str_t  text, part;

    for (i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        text.data = (const uint8_t *) hidden[i].text;
        text.len = strlen(hidden[i].text);

        part = cdr_redis_url_hidden(text);

        ok(part.len == strlen(hidden[i].said)
           && (part.len == 0
               || memcmp(part.data, hidden[i].said, part.len) == 0),
           "what is hidden of %s is \"%s\"", hidden[i].text, hidden[i].said);
    }
}
