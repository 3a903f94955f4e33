/* The text of event ids: what a client resumes from. */

#include "cdr.h"
#include "cdr_event_id.h"
#include "cdr_json.h"

#include <string.h>


static const uint8_t *cdr_event_id_parse_u64(uint64_t *n, const uint8_t *p,
    const uint8_t *end);


size_t
cdr_event_id_print(uint8_t *dst, const cdr_event_id_t *id)
{
    uint8_t  *p;

    p = dst;
    p += cdr_json_u64(p, id->ms);
    *p++ = '-';
    p += cdr_json_u64(p, id->n);

    if (id->has_origin) {
        *p++ = '~';
        p += cdr_json_u64(p, id->server);
        *p++ = '.';
        p += cdr_json_u64(p, id->origin_n);
    }

    return (size_t) (p - dst);
}


int
cdr_event_id_parse(cdr_event_id_t *id, const uint8_t *data, size_t len)
{
    const uint8_t  *p, *end;

    if (len == 0 || len > CDR_EVENT_ID_LEN) {
        return CDR_ERROR;
    }

    memset(id, 0, sizeof(cdr_event_id_t));

    end = data + len;
    p = cdr_event_id_parse_u64(&id->ms, data, end);

    if (p == NULL || p == end || *p != '-') {
        return CDR_ERROR;
    }

    p = cdr_event_id_parse_u64(&id->n, p + 1, end);

    if (p == NULL) {
        return CDR_ERROR;
    }

    if (p == end) {
        return CDR_OK;
    }

    if (*p != '~') {
        return CDR_ERROR;
    }

    p = cdr_event_id_parse_u64(&id->server, p + 1, end);

    if (p == NULL || p == end || *p != '.') {
        return CDR_ERROR;
    }

    p = cdr_event_id_parse_u64(&id->origin_n, p + 1, end);

    if (p != end) {
        return CDR_ERROR;
    }

    id->has_origin = true;

    return CDR_OK;
}


/* The place behind the number, or NULL if there is none that is canonical. */

static const uint8_t *
cdr_event_id_parse_u64(uint64_t *n, const uint8_t *p, const uint8_t *end)
{
    uint64_t        value;
    unsigned        digit;
    const uint8_t  *first;

    value = 0;

    for (first = p; p < end && *p >= '0' && *p <= '9'; p++) {
        digit = (unsigned) (*p - '0');

        if (p > first && *first == '0') {
            return NULL;
        }

        if (value > (UINT64_MAX - digit) / 10) {
            return NULL;
        }

        value = value * 10 + digit;
    }

    if (p == first) {
        return NULL;
    }

    *n = value;

    return p;
}
