/* Texts of JSON strings, decoded, compared and written in canonical form. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


#define CDR_JSON_FNV_START    2166136261u
#define cdr_json_fnv(h, b)    (((h) ^ (uint32_t) (b)) * 16777619u)


/* Bytes of a text, as they decode. */

typedef struct {
    const uint8_t      *p;
    const uint8_t      *end;
    uint8_t             buf[4];
    unsigned            pos;
    unsigned            len;
} cdr_json_reader_t;


static cdr_json_reader_t cdr_json_reader(cdr_str_t text);
static int cdr_json_read(cdr_json_reader_t *r);
static void cdr_json_write_value(cdr_json_out_t *out, cdr_str_t value);
static const uint8_t *cdr_json_string_end(const uint8_t *p,
    const uint8_t *end, bool *escaped);
static void cdr_json_write_text(cdr_json_out_t *out, cdr_str_t text);
static void cdr_json_write_plain(cdr_json_out_t *out, cdr_str_t text);
static void cdr_json_write_escaped(cdr_json_out_t *out, cdr_str_t plain);
static const uint8_t *cdr_json_decode(const uint8_t *p, const uint8_t *end,
    uint32_t *cp);
static size_t cdr_json_encode(uint8_t *dst, uint32_t cp);
static size_t cdr_json_encode_escaped(uint8_t *dst, uint32_t cp);


const cdr_json_member_t *
cdr_json_find(const cdr_json_member_t *members, size_t n, cdr_str_t name)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (cdr_json_key_eq(&members[i], name)) {
            return &members[i];
        }
    }

    return NULL;
}


bool
cdr_json_text_eq(cdr_str_t text, cdr_str_t plain)
{
    size_t             i;
    cdr_json_reader_t  r;

    if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL) {
        return cdr_json_eq(text, plain);
    }

    r = cdr_json_reader(text);

    for (i = 0; i < plain.len; i++) {
        if (cdr_json_read(&r) != plain.data[i]) {
            return false;
        }
    }

    return cdr_json_read(&r) < 0;
}


uint32_t
cdr_json_hash(cdr_str_t plain)
{
    size_t    i;
    uint32_t  hash;

    hash = CDR_JSON_FNV_START;

    for (i = 0; i < plain.len; i++) {
        hash = cdr_json_fnv(hash, plain.data[i]);
    }

    return hash;
}


uint32_t
cdr_json_text_hash(cdr_str_t text)
{
    int                b;
    uint32_t           hash;
    cdr_json_reader_t  r;

    if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL) {
        return cdr_json_hash(text);
    }

    r = cdr_json_reader(text);
    hash = CDR_JSON_FNV_START;

    while ((b = cdr_json_read(&r)) >= 0) {
        hash = cdr_json_fnv(hash, b);
    }

    return hash;
}


size_t
cdr_json_text_chars(cdr_str_t text)
{
    size_t          n;
    uint32_t        cp;
    const uint8_t  *p, *end;

    if (text.len == 0) {
        return 0;
    }

    p = text.data;
    end = p + text.len;

    for (n = 0; p < end; /* void */) {

        if (*p == '\\') {
            p = cdr_json_decode(p, end, &cp);
            n++;
            continue;
        }

        /* a character is its first byte */

        n += ((*p++ & 0xc0) != 0x80);
    }

    return n;
}


int
cdr_json_text_cmp(cdr_str_t a, cdr_str_t b)
{
    int                x, y;
    size_t             min;
    cdr_json_reader_t  ra, rb;

    min = (a.len < b.len) ? a.len : b.len;

    if (memchr(a.data, '\\', a.len) == NULL
        && memchr(b.data, '\\', b.len) == NULL)
    {
        x = memcmp(a.data, b.data, min);
        return x ? x : (a.len > min) - (b.len > min);
    }

    ra = cdr_json_reader(a);
    rb = cdr_json_reader(b);

    do {
        x = cdr_json_read(&ra);
        y = cdr_json_read(&rb);
    } while (x == y && x >= 0);

    return x - y;
}


static cdr_json_reader_t
cdr_json_reader(cdr_str_t text)
{
    cdr_json_reader_t  r = { text.data, text.data + text.len, { 0 }, 0, 0 };

    return r;
}


/* The next byte, or -1. */

static int
cdr_json_read(cdr_json_reader_t *r)
{
    uint32_t  cp;

    if (r->pos < r->len) {
        return r->buf[r->pos++];
    }

    if (r->p == r->end) {
        return -1;
    }

    if (*r->p != '\\') {
        return *r->p++;
    }

    r->p = cdr_json_decode(r->p, r->end, &cp);
    r->len = (unsigned) cdr_json_encode(r->buf, cp);
    r->pos = 1;

    return r->buf[0];
}


size_t
cdr_json_unescape_size(cdr_str_t text)
{
    cdr_json_out_t  out = { NULL, 0 };

    cdr_json_write_plain(&out, text);

    return out.len;
}


size_t
cdr_json_unescape(uint8_t *dst, cdr_str_t text)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_write_plain(&out, text);

    return out.len;
}


size_t
cdr_json_canonical_size(cdr_str_t value)
{
    cdr_json_out_t  out = { NULL, 0 };

    cdr_json_write_value(&out, value);

    return out.len;
}


size_t
cdr_json_canonical(uint8_t *dst, cdr_str_t value)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_write_value(&out, value);

    return out.len;
}


size_t
cdr_json_canonical_text_size(cdr_str_t text)
{
    cdr_json_out_t  out = { NULL, 0 };

    cdr_json_write_text(&out, text);

    return out.len;
}


size_t
cdr_json_canonical_text(uint8_t *dst, cdr_str_t text)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_write_text(&out, text);

    return out.len;
}


size_t
cdr_json_escape_size(cdr_str_t plain)
{
    cdr_json_out_t  out = { NULL, 0 };

    cdr_json_write_escaped(&out, plain);

    return out.len;
}


size_t
cdr_json_escape(uint8_t *dst, cdr_str_t plain)
{
    cdr_json_out_t  out = { dst, 0 };

    cdr_json_write_escaped(&out, plain);

    return out.len;
}


void
cdr_json_put_string(cdr_json_out_t *out, cdr_str_t plain)
{
    cdr_json_put_lit(out, "\"");
    cdr_json_write_escaped(out, plain);
    cdr_json_put_lit(out, "\"");
}


void
cdr_json_put_u64(cdr_json_out_t *out, uint64_t n)
{
    if (out->dst) {
        out->len += cdr_json_u64(out->dst + out->len, n);

    } else {
        out->len += cdr_json_u64_size(n);
    }
}


size_t
cdr_json_u64_size(uint64_t n)
{
    size_t  len;

    for (len = 1; n >= 10; len++) {
        n /= 10;
    }

    return len;
}


size_t
cdr_json_u64(uint8_t *dst, uint64_t n)
{
    size_t   len;
    uint8_t  buf[CDR_JSON_U64_LEN], *p;

    p = buf + CDR_JSON_U64_LEN;

    do {
        *--p = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    len = (size_t) (buf + CDR_JSON_U64_LEN - p);
    memcpy(dst, p, len);

    return len;
}


/* What is canonical already is copied in runs, as long as they can be. */

static void
cdr_json_write_value(cdr_json_out_t *out, cdr_str_t value)
{
    bool            escaped;
    cdr_str_t       text;
    const uint8_t  *p, *end, *run;

    if (value.len == 0) {
        return;
    }

    p = value.data;
    end = p + value.len;
    run = p;

    while (p < end) {

        if (cdr_json_is(*p, CDR_JSON_SPACE)) {
            cdr_json_put(out, run, (size_t) (p - run));
            p = cdr_json_skip_space(p, end);
            run = p;
            continue;
        }

        if (*p++ != '"') {
            continue;
        }

        text.data = p;
        p = cdr_json_string_end(p, end, &escaped);

        if (escaped) {
            text.len = (size_t) (p - text.data);
            cdr_json_put(out, run, (size_t) (text.data - run));
            cdr_json_write_text(out, text);
            run = p;
        }

        /* the closing quote */

        p += (p < end);
    }

    cdr_json_put(out, run, (size_t) (end - run));
}


/* From behind the opening quote to the closing one, or to "end". */

static const uint8_t *
cdr_json_string_end(const uint8_t *p, const uint8_t *end, bool *escaped)
{
    *escaped = false;

    for ( ;; ) {
        p = cdr_json_skip_plain(p, end);

        if (p == end || *p == '"') {
            return p;
        }

        if (*p == '\\') {
            *escaped = true;
            p += (end - p > 1);
        }

        p++;
    }
}


static void
cdr_json_write_text(cdr_json_out_t *out, cdr_str_t text)
{
    uint8_t         buf[6];
    uint32_t        cp;
    const uint8_t  *p, *q, *end;

    if (text.len == 0) {
        return;
    }

    p = text.data;
    end = p + text.len;

    while ((q = memchr(p, '\\', (size_t) (end - p))) != NULL) {
        cdr_json_put(out, p, (size_t) (q - p));
        p = cdr_json_decode(q, end, &cp);
        cdr_json_put(out, buf, cdr_json_encode_escaped(buf, cp));
    }

    cdr_json_put(out, p, (size_t) (end - p));
}


/* The destination may be the text itself. */

static void
cdr_json_write_plain(cdr_json_out_t *out, cdr_str_t text)
{
    uint8_t         buf[4];
    uint32_t        cp;
    const uint8_t  *p, *q, *end;

    if (text.len == 0) {
        return;
    }

    p = text.data;
    end = p + text.len;

    do {
        q = memchr(p, '\\', (size_t) (end - p));

        if (q == NULL) {
            q = end;
        }

        if (out->dst) {
            memmove(out->dst + out->len, p, (size_t) (q - p));
        }

        out->len += (size_t) (q - p);
        p = q;

        if (q < end) {
            p = cdr_json_decode(q, end, &cp);
            cdr_json_put(out, buf, cdr_json_encode(buf, cp));
        }

    } while (p < end);
}


static void
cdr_json_write_escaped(cdr_json_out_t *out, cdr_str_t plain)
{
    int             n;
    uint8_t         buf[6];
    const uint8_t  *p, *run, *end;

    if (plain.len == 0) {
        return;
    }

    p = plain.data;
    end = p + plain.len;
    run = p;

    while ((p = cdr_json_skip_plain(p, end)) < end) {

        n = (*p < 0x80) ? 0 : cdr_json_utf8(p, end);

        if (n > 0) {
            p += n;
            continue;
        }

        cdr_json_put(out, run, (size_t) (p - run));

        if (n == 0) {
            cdr_json_put(out, buf, cdr_json_encode_escaped(buf, *p));
            p++;

        } else {
            cdr_json_put_lit(out, "\xef\xbf\xbd");
            p -= n;
        }

        run = p;
    }

    cdr_json_put(out, run, (size_t) (end - run));
}


/* The character of an escape sequence, and the byte behind it. */

static const uint8_t *
cdr_json_decode(const uint8_t *p, const uint8_t *end, uint32_t *cp)
{
    int32_t            c, low;
    const char        *s;
    static const char  from[] = "bfnrt", to[] = "\b\f\n\r\t";

    *cp = '?';

    if (end - p < 2) {
        return end;
    }

    if (p[1] != 'u') {
        s = memchr(from, p[1], 5);
        *cp = s ? (uint32_t) to[s - from] : (p[1] < 0x20) ? '?' : p[1];
        return p + 2;
    }

    c = cdr_json_hex4(p + 2, end);

    if (c < 0) {
        return p + 2;
    }

    if (cdr_json_surrogate(c, 0xd800) && end - p >= 12) {
        low = cdr_json_hex4(p + 8, end);

        if (low >= 0 && cdr_json_surrogate(low, 0xdc00)) {
            *cp = 0x10000u + ((uint32_t) (c & 0x3ff) << 10
                              | (uint32_t) (low & 0x3ff));
            return p + 12;
        }
    }

    *cp = (uint32_t) c;

    return p + 6;
}


static size_t
cdr_json_encode(uint8_t *dst, uint32_t cp)
{
    if (cp < 0x80) {
        dst[0] = (uint8_t) cp;
        return 1;
    }

    if (cp < 0x800) {
        dst[0] = (uint8_t) (0xc0 | cp >> 6);
        dst[1] = (uint8_t) (0x80 | (cp & 0x3f));
        return 2;
    }

    if (cp < 0x10000) {
        dst[0] = (uint8_t) (0xe0 | cp >> 12);
        dst[1] = (uint8_t) (0x80 | (cp >> 6 & 0x3f));
        dst[2] = (uint8_t) (0x80 | (cp & 0x3f));
        return 3;
    }

    dst[0] = (uint8_t) (0xf0 | cp >> 18);
    dst[1] = (uint8_t) (0x80 | (cp >> 12 & 0x3f));
    dst[2] = (uint8_t) (0x80 | (cp >> 6 & 0x3f));
    dst[3] = (uint8_t) (0x80 | (cp & 0x3f));

    return 4;
}


/* The same inside a JSON string; "dst" has room for 6 bytes. */

static size_t
cdr_json_encode_escaped(uint8_t *dst, uint32_t cp)
{
    static const char  hex[] = "0123456789abcdef";
    static const char  escapes[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

    if (cp >= 0x20 && cp != '"' && cp != '\\') {
        return cdr_json_encode(dst, cp);
    }

    dst[0] = '\\';
    dst[1] = (uint8_t) ((cp < 0x20) ? (uint32_t) escapes[cp] : cp);

    if (dst[1] != 'u') {
        return 2;
    }

    dst[2] = '0';
    dst[3] = '0';
    dst[4] = (uint8_t) hex[cp >> 4];
    dst[5] = (uint8_t) hex[cp & 0xf];

    return 6;
}
