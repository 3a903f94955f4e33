/*
 * Fuzzes the header fields of a handshake, Origin included: results point into
 * the input, and what was understood says the same when written again.
 *
 * Input: one or two lines, separated by a line feed.  The first is a value of
 * any field, the second another line of it, or the Host or allow-list pattern
 * to compare an origin with.
 */

#include "cdr_handshake.h"
#include "cdr_origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define must(cond)  ((cond) ? (void) 0 : abort())


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(cdr_str_t value);
static void check_key(cdr_str_t value);
static void check_version(cdr_str_t value);
static void check_subprotocols(cdr_str_t value, cdr_str_t more);
static void check_entries(const cdr_ws_subprotocols_t *s);
static void check_origin(cdr_str_t value, cdr_str_t other);
static void check_pattern(cdr_str_t pattern, const cdr_origin_t *o);
static bool inside(cdr_str_t part, cdr_str_t value);
static bool is(cdr_str_t s, const char *lit);
static cdr_str_t exact(const uint8_t *p, size_t len);


static const cdr_str_t  wanted = cdr_str("conductor.v1");


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cdr_str_t       value, more;
    const uint8_t  *lf;

    lf = size ? memchr(data, '\n', size) : NULL;

    /* memory of their own, so that a read past the end is seen */

    value = exact(data, lf ? (size_t) (lf - data) : size);
    more = lf ? exact(lf + 1, size - value.len - 1) : exact(NULL, 0);

    check_list(value);
    check_key(value);
    check_version(value);
    check_subprotocols(value, more);
    check_origin(value, more);

    free((void *) (uintptr_t) value.data);
    free((void *) (uintptr_t) more.data);

    return 0;
}


/* A member is what stands between commas or ends, less the white space. */

static void
check_list(cdr_str_t value)
{
    bool       has;
    size_t     i, start, a, b;
    cdr_str_t  member;

    static const cdr_str_t  token = cdr_str("websocket");

    has = false;
    start = 0;

    for (i = 0; i <= value.len; i++) {

        if (i < value.len && value.data[i] != ',') {
            continue;
        }

        a = start;
        b = i;

        while (a < b && (value.data[a] == ' ' || value.data[a] == '\t')) {
            a++;
        }

        while (a < b
               && (value.data[b - 1] == ' ' || value.data[b - 1] == '\t'))
        {
            b--;
        }

        member.data = value.data + a;
        member.len = b - a;
        has = has || cdr_str_ieq(member, token);

        start = i + 1;
    }

    must(cdr_list_has(value, token) == has);
}


static void
check_key(cdr_str_t value)
{
    int      rc;
    uint8_t  dst[CDR_WS_ACCEPT_LEN];

    rc = cdr_ws_key_check(value);

    must(rc == CDR_OK || rc == CDR_ERROR);

    if (rc == CDR_OK) {
        must(value.len == CDR_WS_KEY_LEN);
        must(cdr_ws_accept(value, dst) == CDR_OK);
        must(dst[CDR_WS_ACCEPT_LEN - 1] == '='
             && dst[CDR_WS_ACCEPT_LEN - 2] != '=');
    }
}


static void
check_version(cdr_str_t value)
{
    int   rc, i;
    char  text[12];

    rc = CDR_ERROR;

    for (i = 0; i < 256; i++) {
        snprintf(text, sizeof(text), "%d", i);

        if (is(value, text)) {
            rc = i == 13 ? CDR_OK : CDR_DECLINED;
        }
    }

    must(cdr_ws_version_check(value) == rc);
}


static void
check_subprotocols(cdr_str_t value, cdr_str_t more)
{
    int                    rc;
    size_t                 i, first;
    cdr_ws_subprotocols_t  s;

    memset(&s, 0, sizeof(s));

    rc = cdr_ws_subprotocols(value, wanted, &s);
    first = s.count;

    if (rc == CDR_OK && more.len) {
        rc = cdr_ws_subprotocols(more, wanted, &s);
    }

    must(rc == CDR_OK || rc == CDR_ERROR);

    if (rc == CDR_ERROR) {
        return;
    }

    must(s.count >= 1 && s.count <= CDR_WS_SUBPROTOCOLS_MAX);

    for (i = 0; i < s.count; i++) {
        must(inside(s.entries[i], i < first ? value : more));
    }

    check_entries(&s);
}


/* Written as one line, the entries mean the same. */

static void
check_entries(const cdr_ws_subprotocols_t *s)
{
    size_t                 i, j, len;
    uint8_t               *line, *p;
    cdr_str_t              joined;
    cdr_ws_subprotocols_t  t;

    for (len = 0, i = 0; i < s->count; i++) {
        len += s->entries[i].len + 2;

        for (j = 0; j < s->entries[i].len; j++) {
            must(cdr_is_tchar(s->entries[i].data[j]));
        }
    }

    line = malloc(len);
    must(line);

    for (p = line, i = 0; i < s->count; i++) {
        memcpy(p, s->entries[i].data, s->entries[i].len);
        p += s->entries[i].len;
        *p++ = ',';
        *p++ = '\t';
    }

    joined.data = line;
    joined.len = len - 2;
    memset(&t, 0, sizeof(t));

    must(cdr_ws_subprotocols(joined, wanted, &t) == CDR_OK);
    must(t.count == s->count && t.conductor == s->conductor);
    must(t.bearer.len == s->bearer.len
         && (t.bearer.data != NULL) == (s->bearer.data != NULL));

    joined.len = len - 1;
    memset(&t, 0, sizeof(t));

    must(cdr_ws_subprotocols(joined, wanted, &t) == CDR_ERROR);

    free(line);
}


static void
check_origin(cdr_str_t value, cdr_str_t other)
{
    size_t        len;
    cdr_str_t     authority;
    cdr_origin_t  o;

    static const cdr_str_t  any = cdr_str("*");
    static const cdr_str_t  http = cdr_str("http");
    static const cdr_str_t  https = cdr_str("https");

    if (cdr_origin_parse(value, &o) != CDR_OK) {
        return;
    }

    must(cdr_origin_match(&o, any));
    check_pattern(other, &o);

    if (o.kind == CDR_ORIGIN_NULL) {
        must(is(value, "null"));
        must(!cdr_origin_is_host(&o, other, true));
        return;
    }

    must(inside(o.scheme, value) && inside(o.host, value));
    must(o.scheme.len && o.host.len);
    must(!o.port_given || o.port);

    /* scheme, "://", host and what is left, which is the port */

    len = o.scheme.len + 3 + o.host.len;
    must(o.port_given ? len + 1 < value.len : len == value.len);

    must(cdr_origin_match(&o, value));

    authority.data = o.host.data;
    authority.len = value.len - o.scheme.len - 3;

    /* the same host and port, or a scheme that is not the web's */

    must(cdr_origin_is_host(&o, authority, true)
         == (cdr_str_ieq(o.scheme, http) || cdr_str_ieq(o.scheme, https)));

    (void) cdr_origin_is_host(&o, other, false);
}


static void
check_pattern(cdr_str_t pattern, const cdr_origin_t *o)
{
    int          rc;
    const char  *why;

    why = NULL;
    rc = cdr_origin_pattern_check(pattern, &why);

    must(rc == CDR_OK || (rc == CDR_ERROR && why && *why));

    /* nothing passes by a pattern that is refused at configuration time */

    must(rc == CDR_OK || !cdr_origin_match(o, pattern));
}


static bool
inside(cdr_str_t part, cdr_str_t value)
{
    return part.data >= value.data && part.len <= value.len
           && (size_t) (part.data - value.data) <= value.len - part.len;
}


static bool
is(cdr_str_t s, const char *lit)
{
    return s.len == strlen(lit) && memcmp(s.data, lit, s.len) == 0;
}


static cdr_str_t
exact(const uint8_t *p, size_t len)
{
    uint8_t   *copy;
    cdr_str_t  s;

    copy = malloc(len ? len : 1);
    must(copy);

    if (len) {
        memcpy(copy, p, len);
    }

    s.data = copy;
    s.len = len;

    return s;
}
