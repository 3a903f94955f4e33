/*
 * JSON as the hub needs it: a strict scanner that allocates nothing, and the
 * writers of canonical text.
 *
 * The scanner takes what RFC 8259 allows, as UTF-8, and refuses what its
 * readers would disagree about: duplicate keys (compared as they decode, in
 * every object), \u0000, lone surrogates, integers outside int64, and reals
 * beyond a double.  These are the verdicts of jansson's json_loadb() with
 * JSON_REJECT_DUPLICATES, with three limits in addition: the depth given by
 * the caller, CDR_JSON_MAX_KEYS, and a text of less than 4 GB; and but for the
 * NUL byte that jansson 2.14 overlooks behind a number or literal.
 *
 * "Text" below means what stands between the quotes of a JSON string, as it
 * came.  Functions that take a text or a value slice expect one that the
 * scanner has accepted; given anything else they stay inside the slice, and
 * what they write is unspecified but as long as its size function said.
 */

#ifndef CDR_JSON_H_INCLUDED
#define CDR_JSON_H_INCLUDED


#include <string.h>

#include "cdr.h"


/* The deepest nesting a caller may allow; "[]" has a depth of 1. */

#define CDR_JSON_MAX_DEPTH  64


/*
 * The members an object may have, those read so far of the objects around it
 * included.  Objects that are closed no longer count, so an array of any
 * number of small objects is fine.
 */

#define CDR_JSON_MAX_KEYS   1024


/* The longest decimal uint64_t. */

#define CDR_JSON_U64_LEN    20


typedef enum {
    CDR_JSON_NULL = 0,
    CDR_JSON_FALSE,
    CDR_JSON_TRUE,
    CDR_JSON_INTEGER,           /* fits int64_t */
    CDR_JSON_REAL,              /* has a fraction or an exponent */
    CDR_JSON_STRING,
    CDR_JSON_ARRAY,
    CDR_JSON_OBJECT
} cdr_json_type_e;


/* A member of a top-level object; both slices point into the scanned text. */

typedef struct {
    cdr_str_t         key;          /* text between the quotes */
    cdr_str_t         value;        /* from its first byte to its last */
    cdr_json_type_e   type;
    bool              key_escaped;  /* the key has a backslash */
} cdr_json_member_t;


typedef struct {
    /* the caller's: where members go (NULL: not wanted), and the limits */
    cdr_json_member_t  *members;
    size_t              max_members;
    unsigned            max_depth;  /* 1 .. CDR_JSON_MAX_DEPTH */

    /* the result */
    size_t              nmembers;
    cdr_json_type_e     type;       /* of the top-level value */
    size_t              end;        /* offset behind that value */

    /* where and why it went wrong; NULL while nothing did */
    size_t              offset;
    const char         *error;
    bool                too_deep;
} cdr_json_scan_t;


/* A writer; with "dst" NULL it only counts. */

typedef struct {
    uint8_t            *dst;
    size_t              len;        /* bytes so far */
} cdr_json_out_t;


/*
 * Scans a whole text: one object or array with nothing but white space around
 * it (RFC 8259 section 2).
 *
 * Returns CDR_OK; CDR_ERROR if the text is wrong or too deep ("too_deep" tells
 * which); CDR_TOOBIG if an object exceeds CDR_JSON_MAX_KEYS, or the text
 * 4 GB, or if all is well but the top-level object has more than
 * "max_members" members (the first of them are in "members").  "error" and
 * "offset" are set unless CDR_OK; "members" holds the "nmembers" complete
 * ones in each case.
 */
int cdr_json_scan(cdr_json_scan_t *s, cdr_str_t text);


/*
 * The same for one value of any type at the start of a longer text: leading
 * white space is skipped, and "end" tells where the value ends.  What follows
 * is not looked at, so a number or literal may run into other bytes.
 */
int cdr_json_scan_value(cdr_json_scan_t *s, cdr_str_t text);


/*
 * The member of that name, compared with the decoded keys, or NULL.  "name"
 * is plain UTF-8.
 */
const cdr_json_member_t *cdr_json_find(const cdr_json_member_t *members,
    size_t n, cdr_str_t name);


/* The text between the quotes of a string value. */

static inline cdr_str_t
cdr_json_text(cdr_str_t value)
{
    cdr_str_t  text = { value.data + 1, value.len - 2 };

    return text;
}


/* Whether two strings are the same bytes. */

static inline bool
cdr_json_eq(cdr_str_t a, cdr_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/* Whether a text decodes to these bytes. */
bool cdr_json_text_eq(cdr_str_t text, cdr_str_t plain);


/* Whether the key of a member decodes to these bytes. */

static inline bool
cdr_json_key_eq(const cdr_json_member_t *m, cdr_str_t plain)
{
    return m->key_escaped ? cdr_json_text_eq(m->key, plain)
                          : cdr_json_eq(m->key, plain);
}


/* The FNV-1a hash of bytes, and of the bytes that a text decodes to. */
uint32_t cdr_json_hash(cdr_str_t plain);
uint32_t cdr_json_text_hash(cdr_str_t text);


/* The number of Unicode characters that a text decodes to. */
size_t cdr_json_text_chars(cdr_str_t text);


/*
 * Decodes a text (RFC 8259 section 7).  cdr_json_unescape() returns the bytes
 * written; "dst" has room for cdr_json_unescape_size(), never more than
 * text.len, and may be text.data.
 */
size_t cdr_json_unescape_size(cdr_str_t text);
size_t cdr_json_unescape(uint8_t *dst, cdr_str_t text);


/*
 * The canonical form of a value: no white space outside strings; in strings
 * only the quote, the backslash and bytes below 0x20 are escaped, in their
 * short form where there is one; numbers as they came.  Never longer than the
 * value.  cdr_json_canonical() returns the bytes written.
 */
size_t cdr_json_canonical_size(cdr_str_t value);
size_t cdr_json_canonical(uint8_t *dst, cdr_str_t value);

/* The same for a text, such as a key. */
size_t cdr_json_canonical_text_size(cdr_str_t text);
size_t cdr_json_canonical_text(uint8_t *dst, cdr_str_t text);


/*
 * Any bytes as the inside of a JSON string, escaped as in canonical text.
 * What is not UTF-8 (RFC 3629) becomes U+FFFD, one for each maximal part of a
 * sequence.  cdr_json_escape() returns the bytes written.
 */
size_t cdr_json_escape_size(cdr_str_t plain);
size_t cdr_json_escape(uint8_t *dst, cdr_str_t plain);


/* Decimal digits of a number; cdr_json_u64() returns the bytes written. */
size_t cdr_json_u64_size(uint64_t n);
size_t cdr_json_u64(uint8_t *dst, uint64_t n);


/* Appends bytes as they are. */

static inline void
cdr_json_put(cdr_json_out_t *out, const void *data, size_t len)
{
    if (out->dst && len) {
        memcpy(out->dst + out->len, data, len);
    }

    out->len += len;
}


#define cdr_json_put_lit(out, lit)                                            \
    cdr_json_put(out, "" lit, sizeof(lit) - 1)


/* Append plain bytes, escaped and in quotes, and a number. */
void cdr_json_put_string(cdr_json_out_t *out, cdr_str_t plain);
void cdr_json_put_u64(cdr_json_out_t *out, uint64_t n);


#endif /* CDR_JSON_H_INCLUDED */
