/* Texts of JSON strings, decoded and compared. */

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
static void cdr_json_write_plain(cdr_json_out_t *out, cdr_str_t text);


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


const uint8_t *
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


size_t
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
