/*
 * The scanner gives jansson's verdicts, canonical text means the same and
 * stays the same, and any bytes survive escaping.
 */

#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "cdr.h"
#include "cdr_json.h"


#define MEMBERS  16
#define DEPTH    32


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* How deep a value is nested, and the most keys on one way into it. */

static void
measure(const json_t *j, unsigned *depth, size_t *keys)
{
    size_t       i, k;
    unsigned     d;
    json_t      *v;
    const char  *name;

    *depth = 0;
    *keys = json_object_size(j);

    if (json_is_object(j)) {
        json_object_foreach((json_t *) j, name, v) {
            measure(v, &d, &k);
            *depth = d > *depth ? d : *depth;
            *keys = k + json_object_size(j) > *keys
                    ? k + json_object_size(j) : *keys;
        }
    }

    json_array_foreach(j, i, v) {
        measure(v, &d, &k);
        *depth = d > *depth ? d : *depth;
        *keys = k > *keys ? k : *keys;
    }

    *depth += json_is_object(j) || json_is_array(j);
}


static void
check_members(const cdr_json_scan_t *s, const json_t *j)
{
    size_t      i, len;
    json_t     *v, *w;
    uint8_t    *key;
    cdr_str_t   plain;

    assert(s->nmembers == json_object_size(j));

    for (i = 0; i < s->nmembers; i++) {
        key = malloc(s->members[i].key.len + 1);
        len = cdr_json_unescape(key, s->members[i].key);
        assert(len == cdr_json_unescape_size(s->members[i].key));

        plain.data = key;
        plain.len = len;

        assert(cdr_json_find(s->members, s->nmembers, plain)
               == &s->members[i]);
        assert(cdr_json_hash(plain)
               == cdr_json_text_hash(s->members[i].key));

        v = json_object_getn(j, (char *) key, len);
        w = json_loadb((const char *) s->members[i].value.data,
                       s->members[i].value.len, JSON_DECODE_ANY, NULL);
        assert(v && w && json_equal(v, w));
        assert(json_is_string(v) == (s->members[i].type == CDR_JSON_STRING));
        assert(json_is_integer(v) == (s->members[i].type == CDR_JSON_INTEGER));
        assert(json_is_real(v) == (s->members[i].type == CDR_JSON_REAL));

        json_decref(w);
        free(key);
    }
}


static void
check_canonical(cdr_str_t text, const json_t *j)
{
    size_t      size;
    json_t     *again;
    uint8_t    *one, *two;
    cdr_str_t   canon;

    size = cdr_json_canonical_size(text);
    assert(size <= text.len);

    one = malloc(size);
    assert(cdr_json_canonical(one, text) == size);

    canon.data = one;
    canon.len = size;

    assert(cdr_json_canonical_size(canon) == size);
    two = malloc(size);
    assert(cdr_json_canonical(two, canon) == size);
    assert(memcmp(one, two, size) == 0);

    again = json_loadb((char *) one, size, JSON_REJECT_DUPLICATES, NULL);
    assert(again && json_equal(again, j));

    json_decref(again);
    free(two);
    free(one);
}


static void
check_escape(cdr_str_t raw)
{
    size_t      size;
    json_t     *utf8;
    uint8_t    *text, *back;
    cdr_str_t   t;

    size = cdr_json_escape_size(raw);
    text = malloc(size + 1);
    assert(cdr_json_escape(text, raw) == size);

    t.data = text;
    t.len = size;

    assert(cdr_json_unescape_size(t) <= size);
    back = malloc(size + 1);
    size = cdr_json_unescape(back, t);
    assert(size == cdr_json_unescape_size(t));

    utf8 = json_stringn((char *) back, size);
    assert(utf8);
    json_decref(utf8);

    utf8 = json_stringn((const char *) raw.data, raw.len);

    if (utf8) {
        assert(size == raw.len && memcmp(back, raw.data, size) == 0);
        assert(cdr_json_text_eq(t, raw));
        json_decref(utf8);
    }

    /* in place */

    assert(cdr_json_unescape(text, t) == size);
    assert(memcmp(text, back, size) == 0);

    free(back);
    free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                rc;
    size_t             keys;
    json_t            *j;
    uint8_t           *copy;
    unsigned           depth;
    cdr_str_t          text;
    cdr_json_scan_t    s;
    cdr_json_member_t  members[MEMBERS];

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    text.data = copy;
    text.len = size;

    s.members = members;
    s.max_members = MEMBERS;
    s.max_depth = DEPTH;

    rc = cdr_json_scan(&s, text);
    j = json_loadb((char *) copy, size, JSON_REJECT_DUPLICATES, NULL);

    assert((rc == CDR_OK) == (s.error == NULL));
    assert(s.offset <= size);

    depth = 0;
    keys = 0;

    if (j) {
        measure(j, &depth, &keys);
    }

    if (rc == CDR_OK) {
        assert(j && depth <= DEPTH);
        check_members(&s, j);

    } else if (rc == CDR_TOOBIG) {
        assert(s.end == 0 || (j && json_object_size(j) > MEMBERS));
        assert(s.end != 0 || j == NULL || keys > CDR_JSON_MAX_KEYS);

    } else {

        /* jansson overlooks a NUL byte behind a number or literal */

        assert(j == NULL || (s.too_deep && depth > DEPTH)
               || (s.offset < size && copy[s.offset] == '\0'));
    }

    if (j && rc != CDR_ERROR) {
        check_canonical(text, j);
    }

    json_decref(j);

    check_escape(text);

    /* what is no JSON stays inside its bounds and its announced size */

    free(copy);
    keys = cdr_json_canonical_size((cdr_str_t) { data, size });
    copy = malloc(keys ? keys : 1);
    assert(cdr_json_canonical(copy, (cdr_str_t) { data, size }) == keys);
    assert(keys <= size);
    assert(cdr_json_text_chars((cdr_str_t) { data, size }) <= size);
    free(copy);

    return 0;
}
