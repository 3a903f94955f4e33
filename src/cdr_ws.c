/* The parser of the frames that a client sends (RFC 6455, section 5). */

#include "cdr.h"
#include "cdr_codes.h"
#include "cdr_utf8.h"
#include "cdr_ws.h"

#include <string.h>


#define CDR_WS_MASKED   0x80    /* in the second byte */
#define CDR_WS_LENGTH   0x7f
#define CDR_WS_CONTROL  0x08    /* in an opcode */

#define cdr_ws_control(first)  ((first) & CDR_WS_CONTROL)

#define cdr_ws_wrong(ev, text)                                                \
    cdr_ws_error(ev, CDR_CLOSE_PROTOCOL, text, sizeof(text) - 1)

#define cdr_ws_too_big(ev, text)                                              \
    cdr_ws_error(ev, CDR_CLOSE_TOO_BIG, text, sizeof(text) - 1)

/* One row of the table of first bytes, by opcode: 0, 1-2, 3-7, 8-10, 11-15. */

#define cdr_ws_row(cont, data, control, other)                                \
    cont, data, data, other, other, other, other, other,                      \
    control, control, control, other, other, other, other, other


/* What a first byte is. */

enum {
    RSV,                        /* wrong: reserved bit */
    OPC,                        /* wrong: reserved opcode */
    CUT,                        /* wrong: control frame in fragments */
    CTL,                        /* a control frame */
    NEW,                        /* begins a message */
    ZIP,                        /* begins a compressed message */
    CON                         /* goes on with a message */
};


/* A header, taken apart as far as its bytes are there. */

typedef struct {
    uint64_t  len;              /* of the payload */
    size_t    mask;             /* where the mask stands */
} cdr_ws_header_t;


static int cdr_ws_read_header(cdr_ws_parser_t *p, const cdr_ws_limits_t *l,
    uint8_t **pos, uint8_t *end, cdr_ws_event_t *ev);
static int cdr_ws_check_header(const cdr_ws_parser_t *p,
    const cdr_ws_limits_t *l, const uint8_t *b, size_t n, cdr_ws_header_t *h,
    cdr_ws_event_t *ev);
static uint64_t cdr_ws_max(const cdr_ws_parser_t *p,
    const cdr_ws_limits_t *l, uint8_t first);
static int cdr_ws_check_first(const cdr_ws_parser_t *p,
    const cdr_ws_limits_t *l, uint8_t first, cdr_ws_event_t *ev);
static int cdr_ws_check_length(const uint8_t *b, size_t n, cdr_ws_header_t *h,
    cdr_ws_event_t *ev);
static int cdr_ws_check_length_16(const uint8_t *b, size_t n,
    cdr_ws_header_t *h, cdr_ws_event_t *ev);
static int cdr_ws_check_length_64(const uint8_t *b, size_t n,
    cdr_ws_header_t *h, cdr_ws_event_t *ev);
static void cdr_ws_open_frame(cdr_ws_parser_t *p, const uint8_t *b,
    const cdr_ws_header_t *h);
static int cdr_ws_read_payload(cdr_ws_parser_t *p, uint8_t **pos, uint8_t *end,
    cdr_ws_event_t *ev);
static void cdr_ws_control_event(cdr_ws_parser_t *p, cdr_ws_event_t *ev);
static void cdr_ws_data_event(cdr_ws_parser_t *p, cdr_ws_event_t *ev);
static void cdr_ws_unmask(uint8_t *p, size_t len, uint8_t mask[4]);
static uint64_t cdr_ws_number(const uint8_t *p, size_t size);
static int cdr_ws_error(cdr_ws_event_t *ev, uint16_t code, const char *text,
    size_t len);


static const uint8_t  cdr_ws_first_byte[256] = {

                                           /* FIN RSV1 RSV2 RSV3 */

    cdr_ws_row(CON, NEW, CUT, OPC),        /*  0   0    0    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   0    0    1   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   0    1    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   0    1    1   */
    cdr_ws_row(RSV, ZIP, RSV, RSV),        /*  0   1    0    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   1    0    1   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   1    1    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  0   1    1    1   */
    cdr_ws_row(CON, NEW, CTL, OPC),        /*  1   0    0    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   0    0    1   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   0    1    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   0    1    1   */
    cdr_ws_row(RSV, ZIP, RSV, RSV),        /*  1   1    0    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   1    0    1   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   1    1    0   */
    cdr_ws_row(RSV, RSV, RSV, RSV),        /*  1   1    1    1   */
};


void
cdr_ws_parser_init(cdr_ws_parser_t *p)
{
    memset(p, 0, sizeof(cdr_ws_parser_t));
}


int
cdr_ws_parse(cdr_ws_parser_t *p, const cdr_ws_limits_t *l, uint8_t *buf,
    size_t len, size_t *used, cdr_ws_event_t *ev)
{
    int       rc;
    uint8_t  *pos, *end;

    *used = len;

    if (len == 0) {
        return CDR_AGAIN;
    }

    pos = buf;
    end = buf + len;

    do {
        if (!p->payload) {
            rc = cdr_ws_read_header(p, l, &pos, end, ev);

            if (rc != CDR_OK) {
                return rc;
            }
        }

        rc = cdr_ws_read_payload(p, &pos, end, ev);

        if (rc == CDR_OK) {
            *used = (size_t) (pos - buf);
            return CDR_OK;
        }

    } while (pos < end);

    return CDR_AGAIN;
}


/*
 * Reads a header where it stands; only one that the end of the input may cut
 * is collected in the parser.  It is checked from its first byte each time, so
 * that any cut gives the same answer.
 */

static int
cdr_ws_read_header(cdr_ws_parser_t *p, const cdr_ws_limits_t *l,
    uint8_t **pos, uint8_t *end, cdr_ws_event_t *ev)
{
    int              rc;
    size_t           n, had;
    const uint8_t   *b;
    cdr_ws_header_t  h;

    b = *pos;
    n = (size_t) (end - *pos);
    had = p->nhead;

    if (n > sizeof(p->head) - had) {
        n = sizeof(p->head) - had;
    }

    if (had || n < sizeof(p->head)) {
        memcpy(p->head + had, *pos, n);
        b = p->head;
    }

    rc = cdr_ws_check_header(p, l, b, had + n, &h, ev);

    if (rc == CDR_AGAIN) {
        p->nhead = (uint8_t) (had + n);
        *pos += n;
    }

    if (rc == CDR_OK) {
        cdr_ws_open_frame(p, b, &h);
        *pos += h.mask + sizeof(p->mask) - had;
    }

    return rc;
}


/* Checks the first n bytes of a header.  CDR_AGAIN: right so far. */

static int
cdr_ws_check_header(const cdr_ws_parser_t *p, const cdr_ws_limits_t *l,
    const uint8_t *b, size_t n, cdr_ws_header_t *h, cdr_ws_event_t *ev)
{
    int       rc;
    uint64_t  max;

    rc = cdr_ws_check_first(p, l, b[0], ev);

    if (rc != CDR_OK) {
        return rc;
    }

    rc = cdr_ws_check_length(b, n, h, ev);

    if (rc != CDR_OK) {
        return rc;
    }

    max = cdr_ws_max(p, l, b[0]);

    if (!cdr_ws_control(b[0]) && (p->size > max || h->len > max - p->size)) {
        return cdr_ws_too_big(ev, "message too long");
    }

    return n < h->mask + sizeof(p->mask) ? CDR_AGAIN : CDR_OK;
}


/* The limit for the message that a data frame begins or goes on with. */

static uint64_t
cdr_ws_max(const cdr_ws_parser_t *p, const cdr_ws_limits_t *l, uint8_t first)
{
    uint8_t  begun;

    begun = p->message ? p->message : first;

    return ((begun & CDR_WS_RSV1) && l->max_compressed > l->max_message)
           ? l->max_compressed : l->max_message;
}


static int
cdr_ws_check_first(const cdr_ws_parser_t *p, const cdr_ws_limits_t *l,
    uint8_t first, cdr_ws_event_t *ev)
{
    uint8_t  kind;

    kind = cdr_ws_first_byte[first];

    if (kind == CTL) {
        return CDR_OK;
    }

    if (kind == RSV || (kind == ZIP && !l->deflate)) {
        return cdr_ws_wrong(ev, "reserved bit");
    }

    if (kind == OPC) {
        return cdr_ws_wrong(ev, "reserved opcode");
    }

    if (kind == CUT) {
        return cdr_ws_wrong(ev, "fragmented control frame");
    }

    if (kind == CON && !p->message) {
        return cdr_ws_wrong(ev, "continuation without a message");
    }

    if (kind != CON && p->message) {
        return cdr_ws_wrong(ev, "message inside a message");
    }

    if (l->max_fragments && p->frames >= l->max_fragments) {
        return cdr_ws_too_big(ev, "too many fragments");
    }

    return CDR_OK;
}


static int
cdr_ws_check_length(const uint8_t *b, size_t n, cdr_ws_header_t *h,
    cdr_ws_event_t *ev)
{
    if (n < 2) {
        return CDR_AGAIN;
    }

    if (!(b[1] & CDR_WS_MASKED)) {
        return cdr_ws_wrong(ev, "unmasked frame");
    }

    h->len = b[1] & CDR_WS_LENGTH;
    h->mask = 2;

    if (h->len < CDR_WS_LENGTH_16) {
        return CDR_OK;
    }

    if (cdr_ws_control(b[0])) {
        return cdr_ws_wrong(ev, "control frame too long");
    }

    return h->len == CDR_WS_LENGTH_16 ? cdr_ws_check_length_16(b, n, h, ev)
                                      : cdr_ws_check_length_64(b, n, h, ev);
}


static int
cdr_ws_check_length_16(const uint8_t *b, size_t n, cdr_ws_header_t *h,
    cdr_ws_event_t *ev)
{
    if (n < 4) {
        return CDR_AGAIN;
    }

    h->len = cdr_ws_number(b + 2, 2);
    h->mask = 4;

    if (h->len < CDR_WS_LENGTH_16) {
        return cdr_ws_wrong(ev, "length not in its shortest form");
    }

    return CDR_OK;
}


/* Wrong as soon as no bytes to come can make it right. */

static int
cdr_ws_check_length_64(const uint8_t *b, size_t n, cdr_ws_header_t *h,
    cdr_ws_event_t *ev)
{
    if (n > 2 && b[2] & 0x80) {
        return cdr_ws_wrong(ev, "length over 63 bits");
    }

    if (n >= 8 && cdr_ws_number(b + 2, 6) == 0) {
        return cdr_ws_wrong(ev, "length not in its shortest form");
    }

    if (n < 10) {
        return CDR_AGAIN;
    }

    h->len = cdr_ws_number(b + 2, 8);
    h->mask = 10;

    return CDR_OK;
}


static void
cdr_ws_open_frame(cdr_ws_parser_t *p, const uint8_t *b,
    const cdr_ws_header_t *h)
{
    p->nhead = 0;
    p->payload = true;
    p->frame = b[0];
    p->rest = h->len;
    memcpy(p->mask, b + h->mask, sizeof(p->mask));

    if (cdr_ws_control(b[0])) {
        return;
    }

    if (!p->message) {
        p->message = b[0];
    }

    p->size += h->len;
    p->frames++;
}


/* CDR_DECLINED: there is nothing to report. */

static int
cdr_ws_read_payload(cdr_ws_parser_t *p, uint8_t **pos, uint8_t *end,
    cdr_ws_event_t *ev)
{
    size_t  n;

    n = (size_t) (end - *pos);

    if (n > p->rest) {
        n = (size_t) p->rest;
    }

    cdr_ws_unmask(*pos, n, p->mask);

    ev->data = *pos;
    ev->len = n;

    *pos += n;
    p->rest -= n;
    p->payload = (p->rest != 0);

    if (n == 0 && (p->payload || !(p->frame & CDR_WS_FIN))) {
        return CDR_DECLINED;
    }

    if (cdr_ws_control(p->frame)) {
        cdr_ws_control_event(p, ev);

    } else {
        cdr_ws_data_event(p, ev);
    }

    return CDR_OK;
}


static void
cdr_ws_control_event(cdr_ws_parser_t *p, cdr_ws_event_t *ev)
{
    ev->opcode = p->frame & CDR_WS_OPCODE;
    ev->type = ev->opcode == CDR_WS_OP_CLOSE ? CDR_WS_CLOSE
               : ev->opcode == CDR_WS_OP_PING ? CDR_WS_PING : CDR_WS_PONG;
    ev->first = !p->control_begun;
    ev->last = !p->payload;
    ev->compressed = false;

    p->control_begun = !ev->last;
}


static void
cdr_ws_data_event(cdr_ws_parser_t *p, cdr_ws_event_t *ev)
{
    ev->type = CDR_WS_DATA;
    ev->opcode = p->message & CDR_WS_OPCODE;
    ev->first = !p->message_begun;
    ev->last = !p->payload && (p->frame & CDR_WS_FIN);
    ev->compressed = (p->message & CDR_WS_RSV1) != 0;

    p->message_begun = !ev->last;

    if (ev->last) {
        p->message = 0;
        p->size = 0;
        p->frames = 0;
    }
}


/* Unmasks (5.3) in place and turns the mask to the byte that follows. */

static void
cdr_ws_unmask(uint8_t *p, size_t len, uint8_t mask[4])
{
    size_t    i;
    uint8_t   m[8];
    uint64_t  w, k;

    memcpy(m, mask, 4);
    memcpy(m + 4, mask, 4);
    memcpy(&k, m, 8);

    while (len >= 8) {
        memcpy(&w, p, 8);
        w ^= k;
        memcpy(p, &w, 8);

        p += 8;
        len -= 8;
    }

    for (i = 0; i < len; i++) {
        p[i] ^= m[i];
    }

    memcpy(mask, m + (len & 3), 4);
}


/* Reads a number in network byte order. */

static uint64_t
cdr_ws_number(const uint8_t *p, size_t size)
{
    uint64_t  n;

    for (n = 0; size; size--) {
        n = n << 8 | *p++;
    }

    return n;
}


static int
cdr_ws_error(cdr_ws_event_t *ev, uint16_t code, const char *text, size_t len)
{
    ev->code = code;
    ev->reason.data = (const uint8_t *) text;
    ev->reason.len = len;

    return CDR_ERROR;
}


int
cdr_ws_close_parse(const uint8_t *p, size_t len, uint16_t *code,
    cdr_str_t *reason)
{
    cdr_utf8_t  state;

    reason->data = NULL;
    reason->len = 0;

    if (len == 0) {
        *code = CDR_CLOSE_NO_STATUS;
        return CDR_OK;
    }

    if (len == 1 || len > CDR_WS_CONTROL_MAX) {
        *code = CDR_CLOSE_PROTOCOL;
        return CDR_ERROR;
    }

    *code = (uint16_t) cdr_ws_number(p, 2);

    if (!cdr_ws_close_code_valid(*code)) {
        *code = CDR_CLOSE_PROTOCOL;
        return CDR_ERROR;
    }

    state = 0;

    if (cdr_utf8_check(&state, p + 2, len - 2) != CDR_OK
        || !cdr_utf8_done(&state))
    {
        *code = CDR_CLOSE_BAD_DATA;
        return CDR_ERROR;
    }

    reason->data = p + 2;
    reason->len = len - 2;

    return CDR_OK;
}


bool
cdr_ws_close_code_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003)
           || (code >= 1007 && code <= 1014)
           || (code >= 3000 && code <= 4999);
}
