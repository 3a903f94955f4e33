/* Writing JSON: strings, numbers, and what was read in canonical form. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


static void cdr_json_write_value(cdr_json_out_t *out, cdr_str_t value);
static const uint8_t *cdr_json_string_end(const uint8_t *p,
    const uint8_t *end, bool *escaped);
static void cdr_json_write_text(cdr_json_out_t *out, cdr_str_t text);
static void cdr_json_write_escaped(cdr_json_out_t *out, cdr_str_t plain);
static size_t cdr_json_encode_escaped(uint8_t *dst, uint32_t cp);


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

    for (len = 1; n >= 10000; len += 4) {
        n /= 10000;
    }

    return len + (n >= 10) + (n >= 100) + (n >= 1000);
}


/* Two digits at a time: a division costs more than all else. */

size_t
cdr_json_u64(uint8_t *dst, uint64_t n)
{
    size_t             len;
    uint8_t           *p;
    static const char  pairs[] =
        "00010203040506070809101112131415161718192021222324"
        "25262728293031323334353637383940414243444546474849"
        "50515253545556575859606162636465666768697071727374"
        "75767778798081828384858687888990919293949596979899";

    len = cdr_json_u64_size(n);
    p = dst + len;

    for ( /* void */ ; n >= 10; n /= 100) {
        p -= 2;
        memcpy(p, pairs + 2 * (n % 100), 2);
    }

    if (p > dst) {
        *dst = (uint8_t) ('0' + n);
    }

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
