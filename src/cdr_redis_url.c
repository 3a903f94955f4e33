/* Where Redis is, as a URL. */

#include "cdr_redis_url.h"

#include <string.h>


typedef struct {
    cdr_redis_url_t  *url;
    cdr_str_t         rest;             /* of the text */
    uint8_t          *buf;              /* what is left of the room */
    bool              database;         /* it was given */
    const char       *why;
} url_parser_t;


static int url_scheme(url_parser_t *p, bool *path);
static bool url_skip(cdr_str_t *text, const char *prefix);
static int url_query(url_parser_t *p);
static int url_unix(url_parser_t *p);
static int url_network(url_parser_t *p);
static int url_user(url_parser_t *p, cdr_str_t user);
static int url_database(url_parser_t *p, cdr_str_t text);
static int url_decode(url_parser_t *p, cdr_str_t text, cdr_str_t *dst);
static int url_host(url_parser_t *p, cdr_str_t text);
static int url_bracketed(url_parser_t *p, cdr_str_t text,
    cdr_redis_host_t *host, cdr_str_t *port);
static bool url_host_valid(cdr_str_t host);
static bool url_number(cdr_str_t text, uint32_t max, uint32_t *n);
static int url_error(url_parser_t *p, const char *why);
static const uint8_t *url_find(cdr_str_t text, uint8_t ch);
static const uint8_t *url_find_last(cdr_str_t text, uint8_t ch);
static cdr_str_t url_cut(cdr_str_t *text, const uint8_t *at);
static int url_hex(uint8_t ch);


int
cdr_redis_url_parse(cdr_redis_url_t *url, cdr_str_t text, uint8_t *buf,
    const char **why)
{
    int           rc;
    bool          path;
    url_parser_t  p = { url, text, buf, false, NULL };

    memset(url, 0, sizeof(cdr_redis_url_t));

    rc = url_scheme(&p, &path);

    if (rc == CDR_OK) {
        rc = url_query(&p);
    }

    if (rc == CDR_OK) {
        rc = path ? url_unix(&p) : url_network(&p);
    }

    *why = p.why;

    return rc;
}


cdr_str_t
cdr_redis_url_hidden(cdr_str_t text)
{
    size_t          i;
    cdr_str_t       hidden = cdr_str_null;
    const uint8_t  *at;

    at = url_find_last(text, '@');

    if (at == NULL) {
        return hidden;
    }

    hidden.data = text.data;
    hidden.len = (size_t) (at - text.data);

    for (i = 0; i + 3 <= hidden.len; i++) {
        if (memcmp(hidden.data + i, "://", 3) == 0) {
            hidden.data += i + 3;
            hidden.len -= i + 3;
            break;
        }
    }

    return hidden;
}


static int
url_scheme(url_parser_t *p, bool *path)
{
    size_t  i;

    if (p->rest.len > CDR_REDIS_URL_LEN) {
        return url_error(p, "it is longer than 4096 bytes");
    }

    for (i = 0; i < p->rest.len; i++) {
        if (p->rest.data[i] <= ' ' || p->rest.data[i] == 0x7f) {
            return url_error(p, "it has a space or a control character");
        }
    }

    *path = url_skip(&p->rest, "unix:") || url_skip(&p->rest, "redis+unix:");

    if (*path) {
        return CDR_OK;
    }

    p->url->tls = url_skip(&p->rest, "rediss://");

    if (p->url->tls || url_skip(&p->rest, "redis://")) {
        return CDR_OK;
    }

    return url_error(p, "it must begin with \"redis://\", \"rediss://\" or "
                        "\"unix:\"");
}


static bool
url_skip(cdr_str_t *text, const char *prefix)
{
    size_t  len;

    len = strlen(prefix);

    if (text->len < len || memcmp(text->data, prefix, len) != 0) {
        return false;
    }

    text->data += len;
    text->len -= len;

    return true;
}


/* "?db=N" at the end; then that is not in "rest" any more. */

static int
url_query(url_parser_t *p)
{
    cdr_str_t       query;
    const uint8_t  *mark, *at;

    mark = url_find_last(p->rest, '?');
    at = url_find_last(p->rest, '@');

    if (mark == NULL || (at && at > mark)) {
        return CDR_OK;
    }

    query = p->rest;
    p->rest = url_cut(&query, mark);

    if (!url_skip(&query, "db=")) {
        return url_error(p, "only \"?db=\" may follow");
    }

    return url_database(p, query);
}


/* [//[user[:password]@]]/path[:database] */

static int
url_unix(url_parser_t *p)
{
    cdr_str_t       user, path;
    const uint8_t  *at;

    path = p->rest;

    if (url_skip(&path, "//")) {
        at = url_find_last(path, '@');

        if (at) {
            user = url_cut(&path, at);

            if (url_user(p, user) != CDR_OK) {
                return CDR_ERROR;
            }
        }
    }

    if (path.len == 0 || path.data[0] != '/') {
        return url_error(p, "a socket has a full name, which begins "
                            "with \"/\"");
    }

    at = url_find_last(path, ':');

    if (at) {
        user = url_cut(&path, at);

        if (url_database(p, path) != CDR_OK) {
            return CDR_ERROR;
        }

        path = user;
    }

    if (url_decode(p, path, &p->url->path) != CDR_OK) {
        return CDR_ERROR;
    }

    if (p->url->path.len > CDR_REDIS_URL_PATH) {
        return url_error(p, "the name of a socket has at most 107 bytes");
    }

    return CDR_OK;
}


/* [user[:password]@]host[:port][,...][/[database]] */

static int
url_network(url_parser_t *p)
{
    cdr_str_t       user, hosts;
    const uint8_t  *at;

    hosts = p->rest;
    at = url_find_last(hosts, '@');

    if (at) {
        user = url_cut(&hosts, at);

        if (url_user(p, user) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    at = url_find(hosts, '/');

    if (at) {
        p->rest = hosts;
        hosts = url_cut(&p->rest, at);

        if (p->rest.len && url_database(p, p->rest) != CDR_OK) {
            return CDR_ERROR;
        }
    }

    do {
        at = url_find(hosts, ',');
        user = at ? url_cut(&hosts, at) : hosts;

        if (url_host(p, user) != CDR_OK) {
            return CDR_ERROR;
        }
    } while (at);

    return CDR_OK;
}


static int
url_user(url_parser_t *p, cdr_str_t user)
{
    cdr_str_t       name;
    const uint8_t  *colon;

    colon = url_find(user, ':');
    name = colon ? url_cut(&user, colon) : user;

    if (url_decode(p, name, &p->url->user) != CDR_OK) {
        return CDR_ERROR;
    }

    return colon ? url_decode(p, user, &p->url->password) : CDR_OK;
}


static int
url_database(url_parser_t *p, cdr_str_t text)
{
    if (p->database) {
        return url_error(p, "the database is given twice");
    }

    p->database = true;

    if (!url_number(text, CDR_REDIS_URL_DATABASE, &p->url->database)) {
        return url_error(p, "the database is a number from 0 to 999999");
    }

    return CDR_OK;
}


static int
url_decode(url_parser_t *p, cdr_str_t text, cdr_str_t *dst)
{
    int       high, low;
    size_t    i;
    uint8_t  *out;

    out = p->buf;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] != '%') {
            *out++ = text.data[i];
            continue;
        }

        high = (i + 2 < text.len) ? url_hex(text.data[i + 1]) : -1;
        low = (i + 2 < text.len) ? url_hex(text.data[i + 2]) : -1;

        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            return url_error(p, "\"%\" stands before two hexadecimal digits, "
                                "not 00");
        }

        *out++ = (uint8_t) (high * 16 + low);
        i += 2;
    }

    dst->data = p->buf;
    dst->len = (size_t) (out - p->buf);
    p->buf = out;

    return CDR_OK;
}


static int
url_host(url_parser_t *p, cdr_str_t text)
{
    uint32_t           n;
    cdr_str_t          port = cdr_str_null;
    const uint8_t     *colon;
    cdr_redis_host_t  *host;

    if (p->url->nhosts == CDR_REDIS_URL_HOSTS) {
        return url_error(p, "a list has at most 16 hosts");
    }

    host = &p->url->hosts[p->url->nhosts++];

    if (text.len && text.data[0] == '[') {

        if (url_bracketed(p, text, host, &port) != CDR_OK) {
            return CDR_ERROR;
        }

    } else {
        colon = url_find(text, ':');
        host->host = colon ? url_cut(&text, colon) : text;

        if (colon) {
            port = text;
        }

        if (!url_host_valid(host->host)) {
            return url_error(p, host->host.len
                   ? "a host is a name or an address, IPv6 in brackets"
                   : "a host is missing");
        }
    }

    if (port.data == NULL) {
        return CDR_OK;
    }

    if (!url_number(port, 65535, &n) || n == 0) {
        return url_error(p, "a port is a number from 1 to 65535");
    }

    host->port = (uint16_t) n;

    return CDR_OK;
}


static int
url_bracketed(url_parser_t *p, cdr_str_t text, cdr_redis_host_t *host,
    cdr_str_t *port)
{
    size_t          i;
    const uint8_t  *end;

    end = url_find(text, ']');

    if (end == NULL || end == text.data + 1) {
        return url_error(p, "an IPv6 address stands in brackets");
    }

    host->ipv6 = true;
    host->host = url_cut(&text, end);
    host->host.data++;
    host->host.len--;

    for (i = 0; i < host->host.len; i++) {
        if (url_hex(host->host.data[i]) < 0 && host->host.data[i] != ':'
            && host->host.data[i] != '.')
        {
            return url_error(p, "an IPv6 address stands in brackets");
        }
    }

    if (text.len && text.data[0] != ':') {
        return url_error(p, "only a port may follow the brackets");
    }

    if (text.len) {
        port->data = text.data + 1;
        port->len = text.len - 1;
    }

    return CDR_OK;
}


static bool
url_host_valid(cdr_str_t host)
{
    size_t   i;
    uint8_t  ch;

    if (host.len == 0 || host.len > 253) {
        return false;
    }

    for (i = 0; i < host.len; i++) {
        ch = host.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || ch == '-' || ch == '_' || ch == '.'))
        {
            return false;
        }
    }

    return host.data[0] != '.' && host.data[0] != '-';
}


static bool
url_number(cdr_str_t text, uint32_t max, uint32_t *n)
{
    size_t  i;

    if (text.len == 0 || text.len > 6 || (text.len > 1 && *text.data == '0')) {
        return false;
    }

    *n = 0;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }

        *n = *n * 10 + (uint32_t) (text.data[i] - '0');
    }

    return *n <= max;
}


static int
url_error(url_parser_t *p, const char *why)
{
    p->why = why;
    return CDR_ERROR;
}


static const uint8_t *
url_find(cdr_str_t text, uint8_t ch)
{
    return text.len ? memchr(text.data, ch, text.len) : NULL;
}


static const uint8_t *
url_find_last(cdr_str_t text, uint8_t ch)
{
    size_t  i;

    for (i = text.len; i > 0; i--) {
        if (text.data[i - 1] == ch) {
            return text.data + i - 1;
        }
    }

    return NULL;
}


/* What stands before "at"; "text" becomes what stands behind it. */

static cdr_str_t
url_cut(cdr_str_t *text, const uint8_t *at)
{
    cdr_str_t  before;

    before.data = text->data;
    before.len = (size_t) (at - text->data);

    text->data = at + 1;
    text->len -= before.len + 1;

    return before;
}


static int
url_hex(uint8_t ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}
