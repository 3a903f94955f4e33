/* Assembles the messages of a client from its frames. */

#include <string.h>

#include "cdr_receiver.h"


#define CDR_PARTIAL_MIN   256
#define CDR_INFLATED_MIN  4096


struct cdr_partial_s {
    uint8_t     *data;
    size_t       len;
    size_t       size;
    cdr_utf8_t   utf8;
    bool         message;       /* a message is open */
    bool         done;          /* handed out, to be freed */
    uint8_t      ncontrol;
    uint8_t      control[CDR_WS_CONTROL_MAX];
};


static int receiver_event(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, cdr_received_t *ev);
static int receiver_control(cdr_receiver_t *r,
    const cdr_receiver_conf_t *conf, const cdr_ws_event_t *frame,
    cdr_received_t *ev);
static int receiver_close(const uint8_t *data, size_t len,
    cdr_received_t *ev);
static int receiver_data(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, cdr_received_t *ev);
static int receiver_message(const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, uint8_t *data, size_t len,
    cdr_received_t *ev);
static void receiver_done(const cdr_ws_event_t *frame, uint8_t *data,
    size_t len, cdr_received_t *ev);
static int receiver_inflate(const cdr_receiver_conf_t *conf, uint8_t *data,
    size_t len, size_t *outlen);
static int inflated_grow(cdr_inflated_t *inflated, const cdr_alloc_t *alloc,
    size_t used, size_t max);
static cdr_partial_t *receiver_partial(cdr_receiver_t *r,
    const cdr_alloc_t *alloc);
static int partial_append(cdr_partial_t *part, const cdr_alloc_t *alloc,
    const uint8_t *data, size_t len, uint64_t max);
static void receiver_sweep(cdr_receiver_t *r, const cdr_alloc_t *alloc);
static int receiver_fail(cdr_received_t *ev, uint16_t code,
    const char *reason);


void
cdr_receiver_init(cdr_receiver_t *r)
{
    cdr_ws_parser_init(&r->parser);
    r->partial = NULL;
}


void
cdr_receiver_free(cdr_receiver_t *r, const cdr_receiver_conf_t *conf)
{
    if (r->partial == NULL) {
        return;
    }

    conf->alloc->free(conf->alloc->ctx, r->partial->data);
    conf->alloc->free(conf->alloc->ctx, r->partial);

    r->partial = NULL;
}


bool
cdr_receiver_in_frame(const cdr_receiver_t *r)
{
    return r->parser.payload || r->parser.nhead;
}


int
cdr_receiver_feed(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    uint8_t *buf, size_t len, size_t *used, cdr_received_t *ev)
{
    int             rc;
    size_t          n;
    cdr_ws_event_t  frame;

    *used = 0;

    if (r->partial) {
        receiver_sweep(r, conf->alloc);
    }

    while (*used < len) {
        rc = cdr_ws_parse(&r->parser, &conf->ws, buf + *used, len - *used,
                          &n, &frame);
        *used += n;

        if (rc == CDR_ERROR) {
            return receiver_fail(ev, frame.code,
                                (const char *) frame.reason.data);
        }

        if (rc != CDR_OK) {
            return rc;
        }

        rc = receiver_event(r, conf, &frame, ev);

        if (rc != CDR_AGAIN) {
            return rc;
        }
    }

    return CDR_AGAIN;
}


void
cdr_inflated_shrink(cdr_inflated_t *inflated, const cdr_alloc_t *alloc,
    size_t keep)
{
    if (inflated->size > keep) {
        alloc->free(alloc->ctx, inflated->data);
        inflated->data = NULL;
        inflated->size = 0;
    }
}


void
cdr_inflated_free(cdr_inflated_t *inflated, const cdr_alloc_t *alloc)
{
    cdr_inflated_shrink(inflated, alloc, 0);
    cdr_inflater_del(inflated->inflater);
    inflated->inflater = NULL;
}


static int
receiver_event(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, cdr_received_t *ev)
{
    if (frame->type == CDR_WS_DATA) {
        return receiver_data(r, conf, frame, ev);
    }

    return receiver_control(r, conf, frame, ev);
}


static int
receiver_control(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, cdr_received_t *ev)
{
    size_t          len;
    uint8_t        *data;
    cdr_partial_t  *part;

    data = frame->data;
    len = frame->len;

    if (!frame->first || !frame->last) {

        part = receiver_partial(r, conf->alloc);

        if (part == NULL) {
            return CDR_NOMEM;
        }

        if (frame->first) {
            part->ncontrol = 0;
        }

        if (len) {
            memcpy(part->control + part->ncontrol, data, len);
            part->ncontrol = (uint8_t) (part->ncontrol + len);
        }

        if (!frame->last) {
            return CDR_AGAIN;
        }

        data = part->control;
        len = part->ncontrol;
        part->done = !part->message;
    }

    if (frame->type == CDR_WS_CLOSE) {
        return receiver_close(data, len, ev);
    }

    ev->type = (frame->type == CDR_WS_PING) ? CDR_RECEIVED_PING
                                            : CDR_RECEIVED_PONG;
    ev->opcode = frame->opcode;
    ev->data = data;
    ev->len = len;

    return CDR_OK;
}


static int
receiver_close(const uint8_t *data, size_t len, cdr_received_t *ev)
{
    uint16_t   code;
    cdr_str_t  reason;

    if (cdr_ws_close_parse(data, len, &code, &reason) != CDR_OK) {
        return receiver_fail(ev, code, (code == CDR_CLOSE_BAD_DATA)
                                       ? "close reason is not UTF-8"
                                       : "invalid close frame");
    }

    ev->type = CDR_RECEIVED_CLOSE;
    ev->opcode = CDR_WS_OP_CLOSE;
    ev->data = NULL;
    ev->len = 0;
    ev->code = code;

    return CDR_OK;
}


static int
receiver_data(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, cdr_received_t *ev)
{
    uint64_t        max;
    cdr_partial_t  *part;

    if (frame->opcode == CDR_WS_OP_BINARY && !conf->binary) {
        return receiver_fail(ev, CDR_CLOSE_UNSUPPORTED, "messages are text");
    }

    if (frame->first && frame->last) {
        return receiver_message(conf, frame, frame->data, frame->len, ev);
    }

    part = receiver_partial(r, conf->alloc);

    if (part == NULL) {
        return CDR_NOMEM;
    }

    part->message = true;

    if (frame->opcode == CDR_WS_OP_TEXT && !frame->compressed
        && cdr_utf8_check(&part->utf8, frame->data, frame->len) != CDR_OK)
    {
        return receiver_fail(ev, CDR_CLOSE_BAD_DATA, "text is not UTF-8");
    }

    max = conf->ws.max_message;

    if (frame->compressed && max < conf->ws.max_compressed) {
        max = conf->ws.max_compressed;
    }

    if (partial_append(part, conf->alloc, frame->data, frame->len, max)
        != CDR_OK)
    {
        return CDR_NOMEM;
    }

    if (!frame->last) {
        return CDR_AGAIN;
    }

    part->done = true;

    if (frame->compressed) {
        return receiver_message(conf, frame, part->data, part->len, ev);
    }

    if (frame->opcode == CDR_WS_OP_TEXT && !cdr_utf8_done(&part->utf8)) {
        return receiver_fail(ev, CDR_CLOSE_BAD_DATA, "text is not UTF-8");
    }

    receiver_done(frame, part->data, part->len, ev);

    return CDR_OK;
}


/* A whole message, as its frames carried it. */

static int
receiver_message(const cdr_receiver_conf_t *conf,
    const cdr_ws_event_t *frame, uint8_t *data, size_t len,
    cdr_received_t *ev)
{
    int         rc;
    cdr_utf8_t  utf8;

    if (frame->compressed) {
        rc = receiver_inflate(conf, data, len, &len);

        switch (rc) {

        case CDR_OK:
            break;

        case CDR_TOOBIG:
            return receiver_fail(ev, CDR_CLOSE_TOO_BIG,
                                 "inflated message is too big");

        case CDR_ERROR:
            return receiver_fail(ev, CDR_CLOSE_PROTOCOL,
                                 "message cannot be inflated");

        default:
            return rc;
        }

        data = conf->inflated->data;
    }

    utf8 = 0;

    if (frame->opcode == CDR_WS_OP_TEXT
        && (cdr_utf8_check(&utf8, data, len) != CDR_OK
            || !cdr_utf8_done(&utf8)))
    {
        return receiver_fail(ev, CDR_CLOSE_BAD_DATA, "text is not UTF-8");
    }

    receiver_done(frame, data, len, ev);

    return CDR_OK;
}


static void
receiver_done(const cdr_ws_event_t *frame, uint8_t *data, size_t len,
    cdr_received_t *ev)
{
    ev->type = CDR_RECEIVED_MESSAGE;
    ev->opcode = frame->opcode;
    ev->data = data;
    ev->len = len;
}


/* CDR_OK, CDR_TOOBIG, CDR_ERROR or CDR_NOMEM. */

static int
receiver_inflate(const cdr_receiver_conf_t *conf, uint8_t *data, size_t len,
    size_t *outlen)
{
    int              rc;
    size_t           n, used, total, max;
    cdr_inflated_t  *inf;

    inf = conf->inflated;
    max = (conf->ws.max_message > SIZE_MAX) ? SIZE_MAX
                                            : (size_t) conf->ws.max_message;

    if (inf->inflater == NULL) {
        inf->inflater = cdr_inflater_new(conf->alloc);

        if (inf->inflater == NULL) {
            return CDR_NOMEM;
        }
    }

    cdr_inflater_reset(inf->inflater);

    total = 0;

    for ( ;; ) {

        if (total == inf->size && total < max
            && inflated_grow(inf, conf->alloc, total, max) != CDR_OK)
        {
            return CDR_NOMEM;
        }

        n = (inf->size < max) ? inf->size : max;

        rc = cdr_inflate(inf->inflater, data, len, &used, true,
                         inf->data ? inf->data + total : NULL, n - total, &n);

        total += n;
        data = used ? data + used : data;
        len -= used;

        if (rc == CDR_OK) {
            *outlen = total;
            return CDR_OK;
        }

        if (rc != CDR_AGAIN) {
            return CDR_ERROR;
        }

        if (total >= max) {
            return CDR_TOOBIG;
        }
    }
}


static int
inflated_grow(cdr_inflated_t *inflated, const cdr_alloc_t *alloc,
    size_t used, size_t max)
{
    size_t    size;
    uint8_t  *data;

    size = (used > SIZE_MAX / 2) ? SIZE_MAX : used * 2;
    size = (size < CDR_INFLATED_MIN) ? CDR_INFLATED_MIN : size;
    size = (size > max) ? max : size;

    data = alloc->alloc(alloc->ctx, size);

    if (data == NULL) {
        return CDR_NOMEM;
    }

    if (used) {
        memcpy(data, inflated->data, used);
    }

    alloc->free(alloc->ctx, inflated->data);

    inflated->data = data;
    inflated->size = size;

    return CDR_OK;
}


static cdr_partial_t *
receiver_partial(cdr_receiver_t *r, const cdr_alloc_t *alloc)
{
    if (r->partial == NULL) {
        r->partial = alloc->alloc(alloc->ctx, sizeof(cdr_partial_t));

        if (r->partial) {
            memset(r->partial, 0, sizeof(cdr_partial_t));
        }
    }

    return r->partial;
}


static int
partial_append(cdr_partial_t *part, const cdr_alloc_t *alloc,
    const uint8_t *data, size_t len, uint64_t max)
{
    size_t    size;
    uint8_t  *p;

    if (len == 0) {
        return CDR_OK;
    }

    if (part->size - part->len < len) {
        size = part->size * 2;
        size = (size < CDR_PARTIAL_MIN) ? CDR_PARTIAL_MIN : size;
        size = (size > max) ? (size_t) max : size;
        size = (size < part->len + len) ? part->len + len : size;

        p = alloc->alloc(alloc->ctx, size);

        if (p == NULL) {
            return CDR_NOMEM;
        }

        if (part->len) {
            memcpy(p, part->data, part->len);
        }

        alloc->free(alloc->ctx, part->data);

        part->data = p;
        part->size = size;
    }

    memcpy(part->data + part->len, data, len);
    part->len += len;

    return CDR_OK;
}


/* What was handed out by the call before is done with. */

static void
receiver_sweep(cdr_receiver_t *r, const cdr_alloc_t *alloc)
{
    if (r->partial->done) {
        alloc->free(alloc->ctx, r->partial->data);
        alloc->free(alloc->ctx, r->partial);
        r->partial = NULL;
    }
}


static int
receiver_fail(cdr_received_t *ev, uint16_t code, const char *reason)
{
    ev->code = code;
    ev->reason = reason;

    return CDR_ERROR;
}
