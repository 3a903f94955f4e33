/* What stands in the stream that all servers of a hub read. */

#include "cdr.h"
#include "cdr_json.h"
#include "cdr_stream.h"

#include <string.h>


static int cdr_stream_field(cdr_stream_entry_t *e, cdr_str_t name,
    cdr_str_t value, unsigned *seen, const char **error);
static unsigned cdr_stream_known(cdr_str_t name);
static int cdr_stream_origin(cdr_stream_entry_t *e, cdr_str_t text);
static int cdr_stream_whole(cdr_str_t text, uint64_t max, uint64_t *n);
static int cdr_stream_number(cdr_str_t *text, int end, uint64_t *n);


/* In the order of the bits of what was seen. */

static const char  cdr_stream_names[CDR_STREAM_FIELDS + 1] = "otfecmi";

#define CDR_STREAM_O  0x01
#define CDR_STREAM_T  0x02
#define CDR_STREAM_F  0x04
#define CDR_STREAM_E  0x08
#define CDR_STREAM_C  0x10
#define CDR_STREAM_M  0x20
#define CDR_STREAM_I  0x40


int
cdr_stream_place(cdr_str_t text, uint64_t *ms, uint64_t *n)
{
    return (cdr_stream_number(&text, '-', ms) == CDR_OK
            && cdr_stream_number(&text, -1, n) == CDR_OK)
           ? CDR_OK : CDR_ERROR;
}


size_t
cdr_stream_place_print(uint8_t *dst, uint64_t ms, uint64_t n)
{
    size_t  len;

    len = cdr_json_u64(dst, ms);
    dst[len++] = '-';

    return len + cdr_json_u64(dst + len, n);
}


int
cdr_stream_entry(cdr_stream_entry_t *e, cdr_str_t id,
    const cdr_str_t *fields, size_t n, const char **error)
{
    size_t    i;
    unsigned  seen;

    memset(e, 0, sizeof(cdr_stream_entry_t));

    if (cdr_stream_place(id, &e->ms, &e->n) != CDR_OK
        || e->ms >= CDR_STREAM_MS_END || e->n >= CDR_STREAM_N_END)
    {
        e->ms = 0;
        e->n = 0;

        *error = "has no place";
        return CDR_ERROR;
    }

    seen = 0;

    for (i = 0; i + 1 < n; i += 2) {
        if (cdr_stream_field(e, fields[i], fields[i + 1], &seen, error)
            != CDR_OK)
        {
            return CDR_ERROR;
        }
    }

    if (!(seen & CDR_STREAM_O)) {
        *error = "has no origin";
        return CDR_ERROR;
    }

    if (!(seen & CDR_STREAM_T)) {
        *error = "has no time";
        return CDR_ERROR;
    }

    if (!(seen & CDR_STREAM_E) == !(seen & CDR_STREAM_C)) {
        *error = "is not one thing";
        return CDR_ERROR;
    }

    e->control = ((seen & CDR_STREAM_C) != 0);

    return CDR_OK;
}


static int
cdr_stream_field(cdr_stream_entry_t *e, cdr_str_t name, cdr_str_t value,
    unsigned *seen, const char **error)
{
    int       rc;
    uint64_t  flags;
    unsigned  bit;

    bit = cdr_stream_known(name);

    if (*seen & bit) {
        *error = "has a field twice";
        return CDR_ERROR;
    }

    *seen |= bit;
    rc = CDR_OK;

    switch (bit) {

    case CDR_STREAM_O:
        rc = cdr_stream_origin(e, value);
        break;

    case CDR_STREAM_T:
        rc = cdr_stream_whole(value, INT64_MAX, &e->time_ms);
        break;

    case CDR_STREAM_I:
        rc = cdr_stream_whole(value, UINT64_MAX, &e->index);
        break;

    case CDR_STREAM_F:
        rc = cdr_stream_whole(value, UINT32_MAX, &flags);
        e->flags = (rc == CDR_OK) ? (uint32_t) flags : 0;
        break;

    case CDR_STREAM_E:
    case CDR_STREAM_C:
        e->text = value;
        break;

    case CDR_STREAM_M:
        e->signature = value;
        break;
    }

    if (rc != CDR_OK) {
        *error = "has a wrong number";
    }

    return rc;
}


/* Its bit, or 0. */

static unsigned
cdr_stream_known(cdr_str_t name)
{
    unsigned  i;

    if (name.len == 1) {
        for (i = 0; i < CDR_STREAM_FIELDS; i++) {
            if (name.data[0] == (uint8_t) cdr_stream_names[i]) {
                return 1U << i;
            }
        }
    }

    return 0;
}


static int
cdr_stream_origin(cdr_stream_entry_t *e, cdr_str_t text)
{
    return (cdr_stream_number(&text, '.', &e->server) == CDR_OK
            && cdr_stream_number(&text, -1, &e->number) == CDR_OK
            && e->number != 0)
           ? CDR_OK : CDR_ERROR;
}


int
cdr_stream_answer(cdr_str_t text, cdr_idem_answer_t *answer)
{
    uint64_t   count;
    cdr_str_t  hash;

    memset(answer, 0, sizeof(cdr_idem_answer_t));

    if (text.len <= CDR_STREAM_HASH_LEN
        || text.data[CDR_STREAM_HASH_LEN] != ' ')
    {
        return CDR_ERROR;
    }

    hash.data = text.data;
    hash.len = CDR_STREAM_HASH_LEN;

    text.data += CDR_STREAM_HASH_LEN + 1;
    text.len -= CDR_STREAM_HASH_LEN + 1;

    if (cdr_stream_hash(hash, &answer->digest) != CDR_OK
        || cdr_stream_number(&text, ' ', &answer->ms) != CDR_OK
        || cdr_stream_number(&text, ' ', &answer->n) != CDR_OK
        || cdr_stream_whole(text, UINT32_MAX, &count) != CDR_OK)
    {
        return CDR_ERROR;
    }

    answer->count = (uint32_t) count;

    return CDR_OK;
}


void
cdr_stream_hash_print(uint8_t *dst, const cdr_idem_hash_t *hash)
{
    unsigned  i;

    static const char  hex[] = "0123456789abcdef";

    for (i = 0; i < CDR_STREAM_HASH_LEN; i++) {
        dst[i] = (uint8_t) hex[(hash->word[i / 16] >> (60 - i % 16 * 4)) & 15];
    }
}


int
cdr_stream_hash(cdr_str_t text, cdr_idem_hash_t *hash)
{
    uint8_t   c;
    unsigned  i;
    uint64_t  digit;

    if (text.len != CDR_STREAM_HASH_LEN) {
        return CDR_ERROR;
    }

    hash->word[0] = 0;
    hash->word[1] = 0;

    for (i = 0; i < CDR_STREAM_HASH_LEN; i++) {
        c = text.data[i];

        if (c >= '0' && c <= '9') {
            digit = (uint64_t) (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            digit = (uint64_t) (c - 'a' + 10);

        } else {
            return CDR_ERROR;
        }

        hash->word[i / 16] = hash->word[i / 16] << 4 | digit;
    }

    return CDR_OK;
}


static int
cdr_stream_whole(cdr_str_t text, uint64_t max, uint64_t *n)
{
    return (cdr_stream_number(&text, -1, n) == CDR_OK && *n <= max)
           ? CDR_OK : CDR_ERROR;
}


/* A number, and behind it the byte "end", or with -1 nothing more. */

static int
cdr_stream_number(cdr_str_t *text, int end, uint64_t *n)
{
    size_t    i;
    uint64_t  value, digit;

    value = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            break;
        }

        digit = (uint64_t) (text->data[i] - '0');

        if ((i && text->data[0] == '0') || value > (UINT64_MAX - digit) / 10) {
            return CDR_ERROR;
        }

        value = value * 10 + digit;
    }

    if (i == 0) {
        return CDR_ERROR;
    }

    if (end == -1) {
        if (i != text->len) {
            return CDR_ERROR;
        }

    } else {
        if (i == text->len || text->data[i] != end) {
            return CDR_ERROR;
        }

        text->data += i + 1;
        text->len -= i + 1;
    }

    *n = value;

    return CDR_OK;
}
