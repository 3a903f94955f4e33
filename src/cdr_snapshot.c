/* Writing a snapshot. */

#include "cdr.h"
#include "cdr_log_shm.h"
#include "cdr_snapshot_int.h"

#include <string.h>


#define CDR_SNAPSHOT_TRIES  16      /* of reading a log that is overwritten */


typedef struct {
    cdr_snapshot_write_pt   write;
    void                   *ctx;
    int                     rc;         /* of the first failure */
    size_t                  len;        /* bytes in the chunk */
    uint8_t                *chunk;      /* word, bytes, seal */
    cdr_snapshot_seal_t     seal;
} cdr_snapshot_out_t;


static void cdr_snapshot_header(const cdr_snapshot_t *s, uint8_t *header);
static int cdr_snapshot_records(cdr_snapshot_out_t *out, cdr_snapshot_t *s);
static int cdr_snapshot_log(cdr_snapshot_out_t *out, cdr_snapshot_t *s);
static int cdr_snapshot_events(cdr_snapshot_out_t *out, cdr_snapshot_t *s,
    cdr_log_cursor_t *cur);
static void cdr_snapshot_put_event(cdr_snapshot_out_t *out,
    const cdr_log_event_t *event);
static void cdr_snapshot_put_revoked(cdr_snapshot_out_t *out,
    const cdr_snapshot_revoked_t *revoked);
static void cdr_snapshot_put_head(cdr_snapshot_out_t *out,
    const cdr_snapshot_head_t *head);
static uint8_t *cdr_snapshot_pos(uint8_t *p, const cdr_log_pos_t *pos);
static void cdr_snapshot_record(cdr_snapshot_out_t *out, uint8_t type,
    size_t len);
static void cdr_snapshot_put(cdr_snapshot_out_t *out, const uint8_t *data,
    size_t len);
static void cdr_snapshot_flush(cdr_snapshot_out_t *out, uint32_t last);


int
cdr_snapshot_save(cdr_snapshot_t *s, cdr_snapshot_write_pt write, void *ctx,
    const cdr_alloc_t *alloc)
{
    int                 rc;
    uint8_t             header[CDR_SNAPSHOT_HEADER_LEN];
    cdr_snapshot_out_t  out;

    if (s->head.name.len > CDR_SNAPSHOT_NAME_MAX
        || s->head.nepochs > CDR_SNAPSHOT_EPOCHS)
    {
        return CDR_ERROR;
    }

    memset(&out, 0, sizeof(cdr_snapshot_out_t));

    out.write = write;
    out.ctx = ctx;
    out.chunk = alloc->alloc(alloc->ctx,
                             CDR_SNAPSHOT_WORD_LEN + CDR_SNAPSHOT_CHUNK
                             + CDR_SNAPSHOT_SEAL_MAX);

    if (out.chunk == NULL) {
        return CDR_NOMEM;
    }

    cdr_snapshot_header(s, header);

    rc = cdr_snapshot_seal_init(&out.seal, header, s->key);

    if (rc == CDR_OK) {
        rc = write(ctx, header, CDR_SNAPSHOT_HEADER_LEN);
    }

    if (rc == CDR_OK) {
        rc = cdr_snapshot_records(&out, s);
    }

    cdr_snapshot_seal_free(&out.seal);
    alloc->free(alloc->ctx, out.chunk);

    return rc;
}


static void
cdr_snapshot_header(const cdr_snapshot_t *s, uint8_t *header)
{
    uint8_t  *p;

    memcpy(header, CDR_SNAPSHOT_MAGIC, CDR_SNAPSHOT_AT_VERSION);

    p = header + CDR_SNAPSHOT_AT_VERSION;
    p = cdr_snapshot_put32(p, CDR_SNAPSHOT_VERSION);
    p = cdr_snapshot_put32(p, s->key ? CDR_SNAPSHOT_ENCRYPTED : 0);

    memcpy(p, s->salt, CDR_SNAPSHOT_SALT_LEN);
}


static int
cdr_snapshot_records(cdr_snapshot_out_t *out, cdr_snapshot_t *s)
{
    int     rc;
    size_t  i;

    s->head.nevents = 0;

    if (s->log) {
        rc = cdr_snapshot_log(out, s);

        if (rc != CDR_OK) {
            return rc;
        }
    }

    for (i = 0; i < s->nrevoked; i++) {
        cdr_snapshot_put_revoked(out, &s->revoked[i]);
    }

    cdr_snapshot_put_head(out, &s->head);
    cdr_snapshot_flush(out, CDR_SNAPSHOT_LAST);

    return out->rc;
}


/*
 * Events without a hole up to what was the end: if one was overwritten before
 * it was read, those before it do not count, and it goes on from the oldest.
 */

static int
cdr_snapshot_log(cdr_snapshot_out_t *out, cdr_snapshot_t *s)
{
    int               rc;
    unsigned          i;
    cdr_log_place_t   place;
    cdr_log_cursor_t  cur;

    for (i = 0; i < CDR_SNAPSHOT_TRIES; i++) {
        cdr_log_cursor_oldest(s->log, &cur);

        if (cdr_log_get(s->log, cur.seq, &place)) {
            s->head.base = place.pos;
            s->head.last = place.pos;
            s->head.nevents = 0;

            rc = cdr_snapshot_events(out, s, &cur);

            if (rc != CDR_DECLINED) {
                return rc;
            }
        }

        cdr_snapshot_record(out, CDR_SNAPSHOT_REC_RESET, 0);
    }

    return CDR_AGAIN;
}


/* CDR_DECLINED: one was overwritten. */

static int
cdr_snapshot_events(cdr_snapshot_out_t *out, cdr_snapshot_t *s,
    cdr_log_cursor_t *cur)
{
    cdr_log_event_t   event;
    cdr_log_cursor_t  end;

    cdr_log_cursor_end(s->log, &end);

    while (cur->seq < end.seq && out->rc == CDR_OK) {

        if (cdr_log_next(s->log, cur, &event) != CDR_OK) {
            return CDR_DECLINED;
        }

        cdr_snapshot_put_event(out, &event);

        if (!cdr_log_valid(s->log, event.seq)) {
            return CDR_DECLINED;
        }

        s->head.last = event.fields.pos;
        s->head.nevents++;
    }

    return out->rc;
}


static void
cdr_snapshot_put_event(cdr_snapshot_out_t *out, const cdr_log_event_t *event)
{
    uint8_t                  *p;
    uint8_t                   buf[CDR_SNAPSHOT_EVENT_LEN];
    const cdr_log_fields_t   *fields;

    fields = &event->fields;

    p = cdr_snapshot_put64(buf, fields->time_ms);
    p = cdr_snapshot_pos(p, &fields->pos);
    p = cdr_snapshot_put64(p, fields->server);
    p = cdr_snapshot_put64(p, fields->boot);
    p = cdr_snapshot_put64(p, fields->n);
    p = cdr_snapshot_put64(p, fields->lone);
    p = cdr_snapshot_put64(p, event->settled.ms);
    p = cdr_snapshot_put64(p, event->settled.n);
    p = cdr_snapshot_put32(p, fields->flags);
    (void) cdr_snapshot_put32(p, (uint32_t) event->type.len);

    cdr_snapshot_record(out, CDR_SNAPSHOT_REC_EVENT,
                        sizeof(buf) + event->type.len + event->payload.len);
    cdr_snapshot_put(out, buf, sizeof(buf));
    cdr_snapshot_put(out, event->type.data, event->type.len);
    cdr_snapshot_put(out, event->payload.data, event->payload.len);
}


static void
cdr_snapshot_put_revoked(cdr_snapshot_out_t *out,
    const cdr_snapshot_revoked_t *revoked)
{
    uint8_t  *p;
    uint8_t   buf[CDR_SNAPSHOT_REVOKED_LEN];

    p = cdr_snapshot_put32(buf, (uint32_t) revoked->kind);
    p = cdr_snapshot_put64(p, revoked->hash[0]);
    p = cdr_snapshot_put64(p, revoked->hash[1]);
    p = cdr_snapshot_put64(p, revoked->until_ms);
    (void) cdr_snapshot_put64(p, revoked->issued_ms);

    cdr_snapshot_record(out, CDR_SNAPSHOT_REC_REVOKED, sizeof(buf));
    cdr_snapshot_put(out, buf, sizeof(buf));
}


static void
cdr_snapshot_put_head(cdr_snapshot_out_t *out,
    const cdr_snapshot_head_t *head)
{
    uint8_t   *p;
    uint32_t   i;
    uint8_t    buf[CDR_SNAPSHOT_HEAD_LEN
                   + CDR_SNAPSHOT_EPOCHS * CDR_SNAPSHOT_EPOCH_LEN];

    p = cdr_snapshot_put32(buf, head->kind);
    p = cdr_snapshot_put32(p, head->nepochs);
    p = cdr_snapshot_put64(p, head->time_ms);
    p = cdr_snapshot_put64(p, head->boot);
    p = cdr_snapshot_put64(p, head->epoch_ms);
    p = cdr_snapshot_put64(p, head->owner[0]);
    p = cdr_snapshot_put64(p, head->owner[1]);
    p = cdr_snapshot_pos(p, &head->base);
    p = cdr_snapshot_pos(p, &head->last);
    p = cdr_snapshot_put64(p, head->nevents);
    p = cdr_snapshot_put64(p, head->name.len);
    p = cdr_snapshot_pos(p, &head->gap);
    p = cdr_snapshot_put32(p, head->final ? CDR_SNAPSHOT_FINAL : 0);

    for (i = 0; i < head->nepochs; i++) {
        p = cdr_snapshot_put64(p, head->epochs[i].ms);
        p = cdr_snapshot_put64(p, head->epochs[i].last_n);
    }

    cdr_snapshot_record(out, CDR_SNAPSHOT_REC_HEAD,
                        (size_t) (p - buf) + head->name.len);
    cdr_snapshot_put(out, buf, (size_t) (p - buf));
    cdr_snapshot_put(out, head->name.data, head->name.len);
}


static uint8_t *
cdr_snapshot_pos(uint8_t *p, const cdr_log_pos_t *pos)
{
    p = cdr_snapshot_put64(p, pos->ms);
    p = cdr_snapshot_put64(p, pos->n);

    return cdr_snapshot_put64(p, pos->local);
}


static void
cdr_snapshot_record(cdr_snapshot_out_t *out, uint8_t type, size_t len)
{
    uint8_t  buf[CDR_SNAPSHOT_RECORD_LEN];

    buf[0] = type;
    (void) cdr_snapshot_put32(buf + 1, (uint32_t) len);

    cdr_snapshot_put(out, buf, sizeof(buf));
}


static void
cdr_snapshot_put(cdr_snapshot_out_t *out, const uint8_t *data, size_t len)
{
    size_t  n;

    while (len && out->rc == CDR_OK) {

        if (out->len == CDR_SNAPSHOT_CHUNK) {
            cdr_snapshot_flush(out, 0);
            continue;
        }

        n = CDR_SNAPSHOT_CHUNK - out->len;
        n = n < len ? n : len;

        memcpy(out->chunk + CDR_SNAPSHOT_WORD_LEN + out->len, data, n);

        out->len += n;
        data += n;
        len -= n;
    }
}


static void
cdr_snapshot_flush(cdr_snapshot_out_t *out, uint32_t last)
{
    uint8_t   *data;
    uint32_t   word;

    if (out->rc != CDR_OK) {
        return;
    }

    word = (uint32_t) out->len | last;
    data = cdr_snapshot_put32(out->chunk, word);

    out->rc = cdr_snapshot_seal(&out->seal, word, data, data + out->len);

    if (out->rc == CDR_OK) {
        out->rc = out->write(out->ctx, out->chunk,
                             CDR_SNAPSHOT_WORD_LEN + out->len
                             + out->seal.len);
    }

    out->len = 0;
}
