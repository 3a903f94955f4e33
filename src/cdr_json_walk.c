/* Walking over JSON that was scanned, one value after the other. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_json_internal.h"


static const uint8_t *cdr_json_skip_string(const uint8_t *p,
    const uint8_t *end);
static const uint8_t *cdr_json_skip_nested(const uint8_t *p,
    const uint8_t *end);


const uint8_t *
cdr_json_skip_value(const uint8_t *p, const uint8_t *end)
{
    switch (*p) {

    case '"':
        return cdr_json_skip_string(p, end);

    case '{':
    case '[':
        return cdr_json_skip_nested(p, end);
    }

    do {
        p++;
    } while (p < end && *p != ',' && *p != '}' && *p != ']'
             && !cdr_json_is(*p, CDR_JSON_SPACE));

    return p;
}


/* From the opening quote to behind the closing one. */

static const uint8_t *
cdr_json_skip_string(const uint8_t *p, const uint8_t *end)
{
    for (p++; /* void */; p++) {
        p = cdr_json_skip_plain(p, end);

        if (p == end) {
            return end;
        }

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && ++p == end) {
            return end;
        }
    }
}


/* Brackets are only counted: the scanner has seen that they match. */

static const uint8_t *
cdr_json_skip_nested(const uint8_t *p, const uint8_t *end)
{
    size_t  depth;

    depth = 0;

    while (p < end) {

        switch (*p) {

        case '"':
            p = cdr_json_skip_string(p, end);
            continue;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':

            if (--depth == 0) {
                return p + 1;
            }

            break;
        }

        p++;
    }

    return end;
}


bool
cdr_json_walk_key(const uint8_t **pos, const uint8_t *end, cdr_str_t *key)
{
    const uint8_t  *p, *q;

    p = cdr_json_skip_space(*pos, end);
    *pos = p;

    if (p == end || *p != '"') {
        return false;
    }

    q = cdr_json_skip_string(p, end);

    key->data = p + 1;
    key->len = (size_t) (q - p) - 1;

    if (key->len == 0 || q[-1] != '"') {
        return false;
    }

    key->len--;

    p = cdr_json_skip_space(q, end);

    if (p == end || *p != ':') {
        return false;
    }

    *pos = cdr_json_skip_space(p + 1, end);

    return *pos < end;
}


bool
cdr_json_walk_comma(const uint8_t **pos, const uint8_t *end)
{
    *pos = cdr_json_skip_space(*pos, end);

    if (*pos == end || **pos != ',') {
        return false;
    }

    *pos = cdr_json_skip_space(*pos + 1, end);

    return *pos < end;
}
