/*
 * The URL of Redis: any bytes are safe, an error has a reason, and what was
 * understood can be written as a URL that means the same.
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdr.h"
#include "cdr_redis_url.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char *
encoded(char *dst, cdr_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        dst += sprintf(dst, "%%%02x", s.data[i]);
    }

    return dst;
}


static char *
address(char *dst, const cdr_redis_url_t *url)
{
    uint32_t                 i;
    const cdr_redis_host_t  *h;

    for (i = 0; i < url->nhosts; i++) {
        h = &url->hosts[i];

        dst += sprintf(dst, h->ipv6 ? "%s[%.*s]" : "%s%.*s", i ? "," : "",
                       (int) h->host.len, (char *) h->host.data);

        if (h->port) {
            dst += sprintf(dst, ":%u", h->port);
        }
    }

    return dst;
}


static size_t
written(char *dst, const cdr_redis_url_t *url)
{
    char  *p;

    p = dst + sprintf(dst, "%s", url->nhosts ? url->tls ? "rediss://"
                                                        : "redis://"
                                             : "unix://");

    p = encoded(p, url->user);
    *p++ = ':';
    p = encoded(p, url->password);
    *p++ = '@';

    if (url->nhosts) {
        p = address(p, url);

    } else {
        *p++ = '/';
        p = encoded(p, (cdr_str_t) { url->path.data + 1, url->path.len - 1 });
    }

    p += sprintf(p, "?db=%u", url->database);

    return (size_t) (p - dst);
}


static int
same(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             *again;
    uint8_t          *buf, *buf2;
    uint32_t          i;
    cdr_str_t         text = { data, size }, hidden;
    const char       *why;
    cdr_redis_url_t   url, url2;

    hidden = cdr_redis_url_hidden(text);
    assert(hidden.len <= size);

    buf = malloc(size + !size);
    assert(buf);

    if (cdr_redis_url_parse(&url, text, buf, &why) != CDR_OK) {
        assert(why && *why);
        free(buf);
        return 0;
    }

    again = malloc(size * 3 + 64 + CDR_REDIS_URL_HOSTS * 8);
    assert(again);

    text.data = (uint8_t *) again;
    text.len = written(again, &url);

    if (text.len <= CDR_REDIS_URL_LEN) {
        buf2 = malloc(text.len);
        assert(buf2);
        assert(cdr_redis_url_parse(&url2, text, buf2, &why) == CDR_OK);
        assert(url2.tls == (url.tls && url.nhosts));
        assert(same(url.user, url2.user) && same(url.password, url2.password));
        assert(same(url.path, url2.path) && url.database == url2.database);
        assert(url.nhosts == url2.nhosts);

        for (i = 0; i < url.nhosts; i++) {
            assert(same(url.hosts[i].host, url2.hosts[i].host));
            assert(url.hosts[i].port == url2.hosts[i].port);
        }

        free(buf2);
    }

    free(again);
    free(buf);

    return 0;
}
