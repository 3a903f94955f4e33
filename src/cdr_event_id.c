/* The text of event ids: what a client resumes from. */

#include "cdr.h"
#include "cdr_event_id.h"
#include "cdr_json.h"

#include <string.h>


static const uint8_t *cdr_event_id_parse_u64(uint64_t *n, const uint8_t *p,
    const uint8_t *end);


void
cdr_event_id_add(cdr_event_id_t *id, uint64_t server, uint64_t n)
{
    unsigned  i;

    for (i = 0; i < id->norigins; i++) {

        if (id->origins[i].server == server) {

            if (id->origins[i].n < n) {
                id->origins[i].n = n;
            }

            return;
        }
    }

    if (id->norigins == CDR_EVENT_ID_ORIGINS) {
        id->norigins--;

        memmove(id->origins, id->origins + 1,
                id->norigins * sizeof(cdr_event_origin_t));
    }

    id->origins[id->norigins].server = server;
    id->origins[id->norigins].n = n;
    id->norigins++;
}


size_t
cdr_event_id_print(uint8_t *dst, const cdr_event_id_t *id)
{
    uint8_t   *p;
    unsigned   i;

    p = dst;
    p += cdr_json_u64(p, id->ms);
    *p++ = '-';
    p += cdr_json_u64(p, id->n);

    for (i = 0; i < id->norigins; i++) {
        *p++ = '~';
        p += cdr_json_u64(p, id->origins[i].server);
        *p++ = '.';
        p += cdr_json_u64(p, id->origins[i].n);
    }

    return (size_t) (p - dst);
}


int
cdr_event_id_parse(cdr_event_id_t *id, const uint8_t *data, size_t len)
{
    const uint8_t       *p, *end;
    cdr_event_origin_t  *origin;

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

    while (p && p < end && *p == '~' && id->norigins < CDR_EVENT_ID_ORIGINS) {
        origin = &id->origins[id->norigins++];

        p = cdr_event_id_parse_u64(&origin->server, p + 1, end);

        if (p == NULL || p == end || *p != '.') {
            return CDR_ERROR;
        }

        p = cdr_event_id_parse_u64(&origin->n, p + 1, end);
    }

    return (p == end) ? CDR_OK : CDR_ERROR;
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
