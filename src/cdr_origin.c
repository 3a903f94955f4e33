/* Origins (RFC 6454): which web page asks, and whether it may. */

#include "cdr.h"
#include "cdr_handshake.h"
#include "cdr_origin.h"

#include <string.h>


#define CDR_ORIGIN_IPV6_MAX  47    /* the longest form, in brackets */

#define cdr_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')
#define cdr_is_alpha(ch)  (((ch) | 0x20) >= 'a' && ((ch) | 0x20) <= 'z')
#define cdr_is_hex(ch)                                                        \
    (cdr_is_digit(ch) || (((ch) | 0x20) >= 'a' && ((ch) | 0x20) <= 'f'))


static const char *cdr_origin_read(cdr_str_t s, bool wildcard,
    cdr_origin_t *o);
static size_t cdr_origin_read_scheme(cdr_str_t s);
static const char *cdr_origin_read_authority(cdr_str_t s, bool wildcard,
    cdr_origin_t *o);
static const char *cdr_origin_check_host(cdr_str_t host, bool wildcard);
static const char *cdr_origin_check_name(cdr_str_t name);
static const char *cdr_origin_check_ipv6(cdr_str_t host);
static const char *cdr_origin_read_port(cdr_str_t s, uint16_t *port);
static uint16_t cdr_origin_default_port(cdr_str_t scheme);
static bool cdr_origin_is(cdr_str_t s, const char *lit, size_t len);

#define cdr_origin_is_lit(s, lit)  cdr_origin_is(s, lit, sizeof(lit) - 1)


int
cdr_origin_parse(cdr_str_t origin, cdr_origin_t *o)
{
    memset(o, 0, sizeof(cdr_origin_t));

    if (cdr_origin_is_lit(origin, "null")) {
        o->kind = CDR_ORIGIN_NULL;
        return CDR_OK;
    }

    return cdr_origin_read(origin, false, o) == NULL ? CDR_OK : CDR_ERROR;
}


bool
cdr_origin_is_host(const cdr_origin_t *o, cdr_str_t host, bool tls)
{
    cdr_origin_t  h;

    if (o->kind != CDR_ORIGIN_TUPLE
        || cdr_origin_default_port(o->scheme) == 0)
    {
        return false;
    }

    memset(&h, 0, sizeof(cdr_origin_t));

    if (cdr_origin_read_authority(host, false, &h) != NULL
        || !cdr_str_ieq(o->host, h.host))
    {
        return false;
    }

    if (!o->port_given && !h.port_given) {
        return true;
    }

    if (!h.port_given) {
        h.port = tls ? 443 : 80;
    }

    return o->port == h.port;
}


bool
cdr_origin_match(const cdr_origin_t *o, cdr_str_t pattern)
{
    cdr_str_t     tail;
    cdr_origin_t  p;

    if (cdr_origin_is_lit(pattern, "*")) {
        return true;
    }

    if (o->kind != CDR_ORIGIN_TUPLE
        || cdr_origin_read(pattern, true, &p) != NULL
        || !cdr_str_ieq(o->scheme, p.scheme)
        || o->port != p.port)
    {
        return false;
    }

    if (p.host.data[0] != '*') {
        return cdr_str_ieq(o->host, p.host);
    }

    p.host.data++;
    p.host.len--;

    if (o->host.len <= p.host.len) {
        return false;
    }

    tail.data = o->host.data + (o->host.len - p.host.len);
    tail.len = p.host.len;

    return cdr_str_ieq(tail, p.host);
}


int
cdr_origin_pattern_check(cdr_str_t pattern, const char **why)
{
    cdr_origin_t  o;

    if (cdr_origin_is_lit(pattern, "*")) {
        return CDR_OK;
    }

    if (cdr_origin_is_lit(pattern, "null")) {
        *why = "\"null\" is every sandboxed page, only \"*\" admits it";
        return CDR_ERROR;
    }

    *why = cdr_origin_read(pattern, true, &o);

    return *why == NULL ? CDR_OK : CDR_ERROR;
}


/* Reads scheme://host[:port].  Returns NULL, or what is wrong with it. */

static const char *
cdr_origin_read(cdr_str_t s, bool wildcard, cdr_origin_t *o)
{
    size_t       i, n;
    const char  *why;

    memset(o, 0, sizeof(cdr_origin_t));

    n = cdr_origin_read_scheme(s);

    if (n == 0 || s.len - n < 3 || memcmp(s.data + n, "://", 3) != 0) {
        return "it does not begin with a scheme such as \"https://\"";
    }

    o->kind = CDR_ORIGIN_TUPLE;
    o->scheme.data = s.data;
    o->scheme.len = n;

    s.data += n + 3;
    s.len -= n + 3;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] == '/' || s.data[i] == '?' || s.data[i] == '#') {
            return "it does not end after the host and port";
        }
    }

    why = cdr_origin_read_authority(s, wildcard, o);

    if (why) {
        return why;
    }

    if (!o->port_given) {

        if (s.data[s.len - 1] == ':') {
            return "the port is missing after \":\"";
        }

        o->port = cdr_origin_default_port(o->scheme);
    }

    return NULL;
}


/* Returns the length of the scheme (RFC 3986, section 3.1), or 0. */

static size_t
cdr_origin_read_scheme(cdr_str_t s)
{
    size_t   i;
    uint8_t  ch;

    for (i = 0; i < s.len; i++) {
        ch = s.data[i];

        if (cdr_is_alpha(ch)) {
            continue;
        }

        if (i == 0
            || (!cdr_is_digit(ch) && ch != '+' && ch != '-' && ch != '.'))
        {
            break;
        }
    }

    return i;
}


/* Reads host[:port]; the port may be empty (RFC 3986, section 3.2.3). */

static const char *
cdr_origin_read_authority(cdr_str_t s, bool wildcard, cdr_origin_t *o)
{
    size_t       n;
    const char  *why;

    for (n = 0; n < s.len; n++) {
        if (s.data[n] == (s.data[0] == '[' ? ']' : ':')) {
            break;
        }
    }

    if (n < s.len && s.data[0] == '[') {
        n++;
    }

    o->host.data = s.data;
    o->host.len = n;

    why = cdr_origin_check_host(o->host, wildcard);

    if (why || n == s.len) {
        return why;
    }

    if (s.data[n] != ':') {
        return "only a port may follow the address";
    }

    s.data += n + 1;
    s.len -= n + 1;

    if (s.len == 0) {
        return NULL;
    }

    o->port_given = true;

    return cdr_origin_read_port(s, &o->port);
}


static const char *
cdr_origin_check_host(cdr_str_t host, bool wildcard)
{
    if (host.len && host.data[0] == '[') {
        return cdr_origin_check_ipv6(host);
    }

    if (wildcard && host.len && host.data[0] == '*') {

        if (host.len < 3 || host.data[1] != '.') {
            return "a domain such as \".example.com\" must follow the \"*\"";
        }

        host.data += 2;
        host.len -= 2;
    }

    return cdr_origin_check_name(host);
}


/* A name or an IPv4 address: labels, and perhaps the dot of the root. */

static const char *
cdr_origin_check_name(cdr_str_t name)
{
    size_t   i;
    uint8_t  ch, last;

    if (name.len == 0) {
        return "the host is missing";
    }

    last = '.';

    for (i = 0; i < name.len; i++) {
        ch = name.data[i];

        if (ch == '*') {
            return "a \"*\" may only be the first label of the host";
        }

        if (ch >= 0x80) {
            return "the host must be given in its \"xn--\" form";
        }

        if (ch == '.') {

            if (last == '.') {
                return "a label of the host is empty";
            }

        } else if (!cdr_is_alpha(ch) && !cdr_is_digit(ch)
                   && ch != '-' && ch != '_')
        {
            return "the host has a character that no host has";
        }

        last = ch;
    }

    return NULL;
}


/* Only what the characters say: a wrong address equals no right one. */

static const char *
cdr_origin_check_ipv6(cdr_str_t host)
{
    size_t    i;
    uint8_t   ch;
    unsigned  colons;

    colons = 0;

    for (i = 1; i + 1 < host.len; i++) {
        ch = host.data[i];

        if (ch == ':') {
            colons++;

        } else if (!cdr_is_hex(ch) && ch != '.') {
            break;
        }
    }

    if (i + 1 != host.len || host.data[i] != ']' || colons < 2
        || host.len > CDR_ORIGIN_IPV6_MAX)
    {
        return "what is in brackets is not an IPv6 address";
    }

    return NULL;
}


static const char *
cdr_origin_read_port(cdr_str_t s, uint16_t *port)
{
    size_t    i;
    uint32_t  n;

    n = 0;

    for (i = 0; i < s.len; i++) {

        if (i == 5 || !cdr_is_digit(s.data[i]) || s.data[0] == '0') {
            return "the port is not a number from 1 to 65535";
        }

        n = n * 10 + (uint32_t) (s.data[i] - '0');
    }

    if (n > 65535) {
        return "the port is not a number from 1 to 65535";
    }

    *port = (uint16_t) n;

    return NULL;
}


/* 0 if it is not one of the two schemes that a web page comes by. */

static uint16_t
cdr_origin_default_port(cdr_str_t scheme)
{
    static const cdr_str_t  http = cdr_str("http");
    static const cdr_str_t  https = cdr_str("https");

    if (cdr_str_ieq(scheme, https)) {
        return 443;
    }

    return cdr_str_ieq(scheme, http) ? 80 : 0;
}


static bool
cdr_origin_is(cdr_str_t s, const char *lit, size_t len)
{
    return s.len == len && memcmp(s.data, lit, len) == 0;
}
