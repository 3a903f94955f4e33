/* Lines of the audit log. */

#include "cdr.h"
#include "cdr_audit.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


#define CDR_AUDIT_CLIPPED  ",\"clipped\":true"
#define CDR_AUDIT_ROOM     (CDR_AUDIT_LINE - sizeof(CDR_AUDIT_CLIPPED "}\n"))
#define CDR_AUDIT_ESCAPE   6        /* bytes of the longest */


static bool cdr_audit_member(cdr_audit_t *a, const char *name, size_t value);
static void cdr_audit_string(cdr_audit_t *a, cdr_str_t text);
static void cdr_audit_put(cdr_audit_t *a, const void *data, size_t len);
static void cdr_audit_time(cdr_audit_t *a, uint64_t ms);
static void cdr_audit_digits(cdr_audit_t *a, uint64_t n, unsigned digits);
static uint32_t cdr_audit_char(const uint8_t *p, size_t len);
static bool cdr_audit_plain(uint32_t cp);
static void cdr_audit_escape(cdr_audit_t *a, uint32_t cp);


#define cdr_audit_lit(a, lit)  cdr_audit_put(a, "" lit, sizeof(lit) - 1)

#define CDR_X_AUDIT_NAME(symbol, name)  cdr_str(name),

static const cdr_str_t  cdr_audit_names[] = {
    CDR_AUDIT_KINDS(CDR_X_AUDIT_NAME)
};


cdr_str_t
cdr_audit_name(cdr_audit_e kind)
{
    return cdr_audit_names[kind];
}


void
cdr_audit_begin(cdr_audit_t *a, cdr_audit_e kind, uint64_t ms)
{
    a->len = 0;
    a->clipped = false;

    cdr_audit_lit(a, "{\"time\":\"");
    cdr_audit_time(a, ms);
    cdr_audit_lit(a, "\",\"event\":\"");
    cdr_audit_put(a, cdr_audit_names[kind].data, cdr_audit_names[kind].len);
    cdr_audit_lit(a, "\"");
}


void
cdr_audit_text(cdr_audit_t *a, const char *name, cdr_str_t text)
{
    if (text.data == NULL) {

        if (cdr_audit_member(a, name, sizeof("null"))) {
            cdr_audit_lit(a, "null");
        }

        return;
    }

    if (cdr_audit_member(a, name, sizeof("\"\"") + CDR_AUDIT_ESCAPE)) {
        cdr_audit_string(a, text);
    }
}


void
cdr_audit_number(cdr_audit_t *a, const char *name, uint64_t n)
{
    if (cdr_audit_member(a, name, CDR_JSON_U64_LEN)) {
        a->len += cdr_json_u64(a->data + a->len, n);
    }
}


void
cdr_audit_list(cdr_audit_t *a, const char *name, const cdr_str_t *texts,
    size_t n)
{
    size_t  i;

    if (!cdr_audit_member(a, name, sizeof("[]"))) {
        return;
    }

    cdr_audit_lit(a, "[");

    for (i = 0; i < n; i++) {

        if (a->len + sizeof(",\"\"]") + CDR_AUDIT_ESCAPE > CDR_AUDIT_ROOM) {
            a->clipped = true;
            break;
        }

        if (i) {
            cdr_audit_lit(a, ",");
        }

        cdr_audit_string(a, texts[i]);
    }

    cdr_audit_lit(a, "]");
}


void
cdr_audit_end(cdr_audit_t *a)
{
    if (a->clipped) {
        cdr_audit_lit(a, CDR_AUDIT_CLIPPED);
    }

    cdr_audit_lit(a, "}\n");
}


/* The name, if there is room for it and so many bytes of a value. */

static bool
cdr_audit_member(cdr_audit_t *a, const char *name, size_t value)
{
    size_t  len;

    len = strlen(name);

    if (a->len + len + sizeof(",\"\":") + value > CDR_AUDIT_ROOM) {
        a->clipped = true;
        return false;
    }

    cdr_audit_lit(a, ",\"");
    cdr_audit_put(a, name, len);
    cdr_audit_lit(a, "\":");

    return true;
}


/* In quotes, and as much of it as there is room for. */

static void
cdr_audit_string(cdr_audit_t *a, cdr_str_t text)
{
    int             n;
    size_t          last;
    const uint8_t  *p, *end;

    last = a->len + CDR_AUDIT_TEXT;

    if (last > CDR_AUDIT_ROOM - sizeof("\"]")) {
        last = CDR_AUDIT_ROOM - sizeof("\"]");
    }

    cdr_audit_lit(a, "\"");

    p = text.data;
    end = text.len ? p + text.len : p;

    while (p < end) {

        if (a->len + CDR_AUDIT_ESCAPE > last) {
            a->clipped = true;
            break;
        }

        n = (*p < 0x80) ? 1 : cdr_json_utf8(p, end);

        if (n <= 0) {
            cdr_audit_lit(a, "\xef\xbf\xbd");
            p += (n < 0) ? -n : 1;
            continue;
        }

        if (cdr_audit_plain(cdr_audit_char(p, (size_t) n))) {
            cdr_audit_put(a, p, (size_t) n);

        } else {
            cdr_audit_escape(a, cdr_audit_char(p, (size_t) n));
        }

        p += n;
    }

    cdr_audit_lit(a, "\"");
}


static void
cdr_audit_put(cdr_audit_t *a, const void *data, size_t len)
{
    memcpy(a->data + a->len, data, len);
    a->len += len;
}


/* The proleptic Gregorian calendar, in years that begin in March. */

static void
cdr_audit_time(cdr_audit_t *a, uint64_t ms)
{
    uint64_t  days, era, day, year, month, s;

    s = ms / 1000 % 86400;
    days = ms / 86400000 + 719468;

    era = days / 146097;
    days %= 146097;

    year = (days - days / 1460 + days / 36524 - days / 146096) / 365;
    day = days - (365 * year + year / 4 - year / 100);
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;

    month = (month < 10) ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);

    cdr_audit_digits(a, year, 4);
    cdr_audit_lit(a, "-");
    cdr_audit_digits(a, month, 2);
    cdr_audit_lit(a, "-");
    cdr_audit_digits(a, day + 1, 2);
    cdr_audit_lit(a, "T");
    cdr_audit_digits(a, s / 3600, 2);
    cdr_audit_lit(a, ":");
    cdr_audit_digits(a, s / 60 % 60, 2);
    cdr_audit_lit(a, ":");
    cdr_audit_digits(a, s % 60, 2);
    cdr_audit_lit(a, ".");
    cdr_audit_digits(a, ms % 1000, 3);
    cdr_audit_lit(a, "Z");
}


static void
cdr_audit_digits(cdr_audit_t *a, uint64_t n, unsigned digits)
{
    unsigned  i;

    for (i = digits; i > 0; i--) {
        a->data[a->len + i - 1] = (uint8_t) ('0' + n % 10);
        n /= 10;
    }

    a->len += digits;
}


/* The character of a sequence that is right. */

static uint32_t
cdr_audit_char(const uint8_t *p, size_t len)
{
    size_t    i;
    uint32_t  cp;

    if (len == 1) {
        return *p;
    }

    cp = *p & (0x7fu >> len);

    for (i = 1; i < len; i++) {
        cp = cp << 6 | (p[i] & 0x3fu);
    }

    return cp;
}


/* Does it stand for itself, in a line and on a screen? */

static bool
cdr_audit_plain(uint32_t cp)
{
    if (cp < 0x80) {
        return cp >= 0x20 && cp != 0x7f && cp != '"' && cp != '\\';
    }

    return cp >= 0xa0 && cp != 0xad && cp != 0x61c && cp != 0x180e
           && !(cp >= 0x200b && cp <= 0x200f)
           && !(cp >= 0x2028 && cp <= 0x202e)
           && !(cp >= 0x2060 && cp <= 0x206f)
           && cp != 0xfeff
           && !(cp >= 0xfff0 && cp <= 0xfffb)
           && !(cp >= 0xe0000 && cp <= 0xe0fff);
}


static void
cdr_audit_escape(cdr_audit_t *a, uint32_t cp)
{
    unsigned           shift;
    static const char  hex[] = "0123456789abcdef";

    if (cp == '"' || cp == '\\') {
        a->data[a->len++] = '\\';
        a->data[a->len++] = (uint8_t) cp;
        return;
    }

    if (cp > 0xffff) {

        /* of those there is nothing to read */

        cdr_audit_lit(a, "\xef\xbf\xbd");
        return;
    }

    cdr_audit_lit(a, "\\u");

    for (shift = 16; shift > 0; shift -= 4) {
        a->data[a->len++] = (uint8_t) hex[cp >> (shift - 4) & 0xf];
    }
}
