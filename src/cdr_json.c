/* The JSON scanner: strict, in one pass, without allocation. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


/* What may come next; also returned in place of CDR_OK, hence not negative. */

typedef enum {
    CDR_JSON_WANT_VALUE = 0,
    CDR_JSON_WANT_FIRST_VALUE,          /* or the end of an empty array */
    CDR_JSON_WANT_KEY,
    CDR_JSON_WANT_FIRST_KEY,            /* or the end of an empty object */
    CDR_JSON_WANT_COMMA                 /* or the end of what is open */
} cdr_json_want_e;


/*
 * The keys of all open objects lie on one stack, those of the innermost on
 * top; they are compared and dropped when it closes.
 */

typedef struct {
    cdr_json_scan_t    *s;
    const uint8_t      *start;
    const uint8_t      *p;
    const uint8_t      *end;
    cdr_json_member_t   member;         /* of the top-level object */
    size_t              nmembers;
    uint64_t            objects;        /* bit d: at depth d + 1 */
    unsigned            depth;
    unsigned            nkeys;
    uint16_t            base[CDR_JSON_MAX_DEPTH];
    cdr_json_key_t      keys[CDR_JSON_MAX_KEYS];
} cdr_json_ctx_t;


static int cdr_json_run(cdr_json_ctx_t *c);
static int cdr_json_scan_any(cdr_json_ctx_t *c);
static int cdr_json_scan_key(cdr_json_ctx_t *c);
static int cdr_json_scan_comma(cdr_json_ctx_t *c);
static int cdr_json_open(cdr_json_ctx_t *c, bool object);
static int cdr_json_close(cdr_json_ctx_t *c);
static int cdr_json_finish(cdr_json_ctx_t *c, cdr_json_type_e type);
static int cdr_json_scan_literal(cdr_json_ctx_t *c, const char *word,
    size_t len, cdr_json_type_e type);
static int cdr_json_scan_string(cdr_json_ctx_t *c, bool *escaped);
static const uint8_t *cdr_json_scan_escape(cdr_json_ctx_t *c,
    const uint8_t *p);
static int cdr_json_scan_number(cdr_json_ctx_t *c);
static int cdr_json_fail(cdr_json_ctx_t *c, const uint8_t *p,
    const char *error);


const uint8_t  cdr_json_class[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  2,  0,  0,  2,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     3,  1,  0,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,
    13, 13, 13, 13, 13, 13, 13, 13, 13, 13,  1,  1,  1,  1,  1,  1,
     1,  9,  9,  9,  9,  9,  9,  1,  1,  1,  1,  1,  1,  1,  1,  1,
     1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  0,  1,  1,  1,
     1,  9,  9,  9,  9,  9,  9,  1,  1,  1,  1,  1,  1,  1,  1,  1,
     1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,
};


int
cdr_json_scan(cdr_json_scan_t *s, cdr_str_t text)
{
    int             rc;
    const uint8_t  *p, *end;

    rc = cdr_json_scan_value(s, text);

    if (rc != CDR_OK && s->end == 0) {
        return rc;
    }

    end = text.data + text.len;

    if (s->type != CDR_JSON_OBJECT && s->type != CDR_JSON_ARRAY) {
        s->offset = 0;
        s->error = "neither an object nor an array";
        return CDR_ERROR;
    }

    p = cdr_json_skip_space(text.data + s->end, end);

    if (p < end) {
        s->offset = (size_t) (p - text.data);
        s->error = "something follows the end";
        return CDR_ERROR;
    }

    return rc;
}


/* "end" stays 0 unless the whole value was scanned and found well-formed. */

int
cdr_json_scan_value(cdr_json_scan_t *s, cdr_str_t text)
{
    int             rc;
    cdr_json_ctx_t  c;

    s->nmembers = 0;
    s->type = CDR_JSON_NULL;
    s->end = 0;
    s->offset = 0;
    s->error = NULL;
    s->too_deep = false;

    if (text.len == 0) {
        s->error = "the text ends too early";
        return CDR_ERROR;
    }

    if (text.len > UINT32_MAX) {
        s->error = "the text is too long";
        return CDR_TOOBIG;
    }

    c.s = s;
    c.start = text.data;
    c.p = text.data;
    c.end = text.data + text.len;
    c.nmembers = 0;
    c.objects = 0;
    c.depth = 0;
    c.nkeys = 0;

    rc = cdr_json_run(&c);

    if (rc != CDR_OK) {
        return rc;
    }

    s->end = (size_t) (c.p - c.start);

    if (s->members && c.nmembers > s->max_members) {
        s->error = "too many members";
        return CDR_TOOBIG;
    }

    return CDR_OK;
}


static int
cdr_json_run(cdr_json_ctx_t *c)
{
    int  want;

    want = CDR_JSON_WANT_VALUE;

    do {
        c->p = cdr_json_skip_space(c->p, c->end);

        if (c->p == c->end) {
            return cdr_json_fail(c, c->p, "the text ends too early");
        }

        switch (want) {

        case CDR_JSON_WANT_FIRST_VALUE:
            want = (*c->p == ']') ? cdr_json_close(c) : cdr_json_scan_any(c);
            break;

        case CDR_JSON_WANT_FIRST_KEY:
            want = (*c->p == '}') ? cdr_json_close(c) : cdr_json_scan_key(c);
            break;

        case CDR_JSON_WANT_KEY:
            want = cdr_json_scan_key(c);
            break;

        case CDR_JSON_WANT_COMMA:
            want = cdr_json_scan_comma(c);
            break;

        default: /* CDR_JSON_WANT_VALUE */
            want = cdr_json_scan_any(c);
        }

        if (want < 0) {
            return want;
        }

    } while (c->depth);

    return CDR_OK;
}


static int
cdr_json_scan_any(cdr_json_ctx_t *c)
{
    int   rc;
    bool  escaped;

    if (c->depth == 1) {
        c->member.value.data = c->p;
    }

    switch (*c->p) {

    case '{':
        return cdr_json_open(c, true);

    case '[':
        return cdr_json_open(c, false);

    case '"':
        rc = cdr_json_scan_string(c, &escaped);
        return (rc == CDR_OK) ? cdr_json_finish(c, CDR_JSON_STRING) : rc;

    case 't':
        return cdr_json_scan_literal(c, "true", 4, CDR_JSON_TRUE);

    case 'f':
        return cdr_json_scan_literal(c, "false", 5, CDR_JSON_FALSE);

    case 'n':
        return cdr_json_scan_literal(c, "null", 4, CDR_JSON_NULL);

    default:
        return cdr_json_scan_number(c);
    }
}


/* A key and its colon. */

static int
cdr_json_scan_key(cdr_json_ctx_t *c)
{
    bool             escaped;
    cdr_str_t        text;
    cdr_json_key_t  *key;

    if (*c->p != '"') {
        return cdr_json_fail(c, c->p, "a key is expected");
    }

    text.data = c->p + 1;

    if (c->nkeys == CDR_JSON_MAX_KEYS) {
        (void) cdr_json_fail(c, c->p, "too many members");
        return CDR_TOOBIG;
    }

    if (cdr_json_scan_string(c, &escaped) != CDR_OK) {
        return CDR_ERROR;
    }

    text.len = (size_t) (c->p - 1 - text.data);

    if (c->depth == 1) {
        c->member.key = text;
        c->member.key_escaped = escaped;
    }

    key = &c->keys[c->nkeys++];
    key->hash = cdr_json_text_hash(text);
    key->pos = (uint32_t) (text.data - c->start);
    key->len = (uint32_t) text.len;

    c->p = cdr_json_skip_space(c->p, c->end);

    if (c->p == c->end || *c->p != ':') {
        return cdr_json_fail(c, c->p, "a colon is expected");
    }

    c->p++;

    return CDR_JSON_WANT_VALUE;
}


/* A comma between values, or the bracket behind the last one. */

static int
cdr_json_scan_comma(cdr_json_ctx_t *c)
{
    bool  object;

    object = c->objects >> (c->depth - 1) & 1;

    if (*c->p == ',') {
        c->p++;
        return object ? CDR_JSON_WANT_KEY : CDR_JSON_WANT_VALUE;
    }

    if (*c->p != (object ? '}' : ']')) {
        return cdr_json_fail(c, c->p, object ? "a comma or } is expected"
                                             : "a comma or ] is expected");
    }

    return cdr_json_close(c);
}


static int
cdr_json_open(cdr_json_ctx_t *c, bool object)
{
    unsigned  max;

    max = c->s->max_depth;

    if (c->depth >= max || c->depth >= CDR_JSON_MAX_DEPTH) {
        c->s->too_deep = true;
        return cdr_json_fail(c, c->p, "nested too deeply");
    }

    c->p++;
    c->base[c->depth] = (uint16_t) c->nkeys;
    c->objects &= ~((uint64_t) 1 << c->depth);
    c->objects |= (uint64_t) object << c->depth;
    c->depth++;

    return object ? CDR_JSON_WANT_FIRST_KEY : CDR_JSON_WANT_FIRST_VALUE;
}


static int
cdr_json_close(cdr_json_ctx_t *c)
{
    bool      object;
    uint32_t  pos;
    unsigned  base;

    c->p++;
    c->depth--;

    base = c->base[c->depth];
    object = c->objects >> c->depth & 1;

    if (c->nkeys - base > 1
        && cdr_json_unique(c->start, &c->keys[base], c->nkeys - base, &pos)
           != CDR_OK)
    {
        return cdr_json_fail(c, c->start + pos, "a key is there twice");
    }

    c->nkeys = base;

    return cdr_json_finish(c, object ? CDR_JSON_OBJECT : CDR_JSON_ARRAY);
}


/* The end of a value, which is the whole text, a top-level member, or less. */

static int
cdr_json_finish(cdr_json_ctx_t *c, cdr_json_type_e type)
{
    cdr_json_scan_t  *s;

    s = c->s;

    if (c->depth == 0) {
        s->type = type;
        return CDR_JSON_WANT_COMMA;
    }

    if (c->depth == 1 && (c->objects & 1) && s->members) {

        if (c->nmembers++ < s->max_members) {
            c->member.value.len = (size_t) (c->p - c->member.value.data);
            c->member.type = type;
            s->members[s->nmembers++] = c->member;
        }
    }

    return CDR_JSON_WANT_COMMA;
}


static int
cdr_json_scan_literal(cdr_json_ctx_t *c, const char *word, size_t len,
    cdr_json_type_e type)
{
    if ((size_t) (c->end - c->p) < len || memcmp(c->p, word, len) != 0) {
        return cdr_json_fail(c, c->p, "a value is expected");
    }

    c->p += len;

    return cdr_json_finish(c, type);
}


/* RFC 8259 section 7: from the opening quote to behind the closing one. */

static int
cdr_json_scan_string(cdr_json_ctx_t *c, bool *escaped)
{
    int             n;
    const uint8_t  *p;

    *escaped = false;
    p = c->p + 1;

    for ( ;; ) {
        p = cdr_json_skip_plain(p, c->end);

        if (p == c->end) {
            return cdr_json_fail(c, p, "a string is not closed");
        }

        if (*p == '"') {
            c->p = p + 1;
            return CDR_OK;
        }

        if (*p == '\\') {
            *escaped = true;
            p = cdr_json_scan_escape(c, p);

            if (p == NULL) {
                return CDR_ERROR;
            }

            continue;
        }

        if (*p < 0x20) {
            return cdr_json_fail(c, p, "a control character in a string");
        }

        n = cdr_json_utf8(p, c->end);

        if (n < 0) {
            return cdr_json_fail(c, p, "not UTF-8");
        }

        p += n;
    }
}


/* From a backslash to behind the escape sequence; NULL if it is wrong. */

static const uint8_t *
cdr_json_scan_escape(cdr_json_ctx_t *c, const uint8_t *p)
{
    int32_t  cp, low;

    if (c->end - p < 2 || memchr("\"\\/bfnrtu", p[1], 9) == NULL) {
        (void) cdr_json_fail(c, p, "an unknown escape sequence");
        return NULL;
    }

    if (p[1] != 'u') {
        return p + 2;
    }

    cp = cdr_json_hex4(p + 2, c->end);

    if (cp <= 0) {
        (void) cdr_json_fail(c, p, cp ? "a malformed \\u escape"
                                      : "\\u0000 is not allowed");
        return NULL;
    }

    if (!cdr_json_surrogate(cp, 0xd800) && !cdr_json_surrogate(cp, 0xdc00)) {
        return p + 6;
    }

    if (cdr_json_surrogate(cp, 0xd800)
        && c->end - p >= 12 && p[6] == '\\' && p[7] == 'u')
    {
        low = cdr_json_hex4(p + 8, c->end);

        if (low > 0 && cdr_json_surrogate(low, 0xdc00)) {
            return p + 12;
        }
    }

    (void) cdr_json_fail(c, p, "half of a surrogate pair");

    return NULL;
}


/* RFC 8259 section 6. */

static int
cdr_json_scan_number(cdr_json_ctx_t *c)
{
    bool            real;
    const uint8_t  *p, *q;

    real = false;
    p = c->p + (*c->p == '-');
    q = cdr_json_skip_digits(p, c->end);

    if (q == p) {
        return cdr_json_fail(c, c->p, "a value is expected");
    }

    if (*p == '0') {
        q = p + 1;
    }

    if (q < c->end && *q == '.') {
        real = true;
        p = q + 1;
        q = cdr_json_skip_digits(p, c->end);

        if (q == p) {
            return cdr_json_fail(c, q, "a digit is expected");
        }
    }

    if (q < c->end && (*q == 'e' || *q == 'E')) {
        real = true;
        p = q + 1;

        if (p < c->end && (*p == '+' || *p == '-')) {
            p++;
        }

        q = cdr_json_skip_digits(p, c->end);

        if (q == p) {
            return cdr_json_fail(c, q, "a digit is expected");
        }
    }

    if (!(real ? cdr_json_real_fits : cdr_json_integer_fits)(c->p, q)) {
        return cdr_json_fail(c, c->p, real ? "a real number is too big"
                                           : "an integer is too big");
    }

    c->p = q;

    return cdr_json_finish(c, real ? CDR_JSON_REAL : CDR_JSON_INTEGER);
}


static int
cdr_json_fail(cdr_json_ctx_t *c, const uint8_t *p, const char *error)
{
    c->s->error = error;
    c->s->offset = (size_t) (p - c->start);

    return CDR_ERROR;
}
