/* Reading a snapshot: all of it is checked before anything is used. */

#include "cdr.h"
#include "cdr_log_shm.h"
#include "cdr_snapshot_int.h"

#include <string.h>


struct cdr_snapshot_file_s {
    cdr_alloc_t          alloc;
    uint8_t             *data;          /* the records */
    size_t               len;
    size_t               first;         /* where those begin that count */
    cdr_snapshot_head_t  head;
};


/* Going through the records. */

typedef struct {
    const uint8_t       *p;
    const uint8_t       *end;
    uint8_t              type;
    cdr_str_t            body;
} cdr_snapshot_walk_t;


typedef struct {
    bool                 revoked;       /* no events any more */
    uint64_t             nevents;       /* that count */
    cdr_log_pos_t        first;
    cdr_log_pos_t        last;
} cdr_snapshot_seen_t;


static int cdr_snapshot_unpack(cdr_snapshot_file_t *file, const uint8_t *data,
    size_t len, const uint8_t *key, const char **error);
static int cdr_snapshot_chunks(cdr_snapshot_file_t *file,
    cdr_snapshot_seal_t *seal, const uint8_t *p, const uint8_t *end,
    const char **error);
static int cdr_snapshot_check(cdr_snapshot_file_t *file);
static int cdr_snapshot_check_record(cdr_snapshot_file_t *file,
    cdr_snapshot_walk_t *walk, cdr_snapshot_seen_t *seen);
static int cdr_snapshot_next(cdr_snapshot_walk_t *walk);
static int cdr_snapshot_get_event(cdr_str_t body, cdr_log_event_t *event);
static int cdr_snapshot_get_revoked(cdr_str_t body,
    cdr_snapshot_revoked_t *revoked);
static int cdr_snapshot_get_head(cdr_str_t body, cdr_snapshot_head_t *head);
static void cdr_snapshot_get_pos(const uint8_t **p, cdr_log_pos_t *pos);


int
cdr_snapshot_open(cdr_snapshot_file_t **file, const uint8_t *data, size_t len,
    const uint8_t *key, const cdr_alloc_t *alloc, const char **error)
{
    int                   rc;
    uint32_t              version;
    const uint8_t        *p;
    cdr_snapshot_file_t  *f;

    if (len < CDR_SNAPSHOT_HEADER_LEN
        || memcmp(data, CDR_SNAPSHOT_MAGIC, CDR_SNAPSHOT_AT_VERSION) != 0)
    {
        *error = "is no snapshot";
        return CDR_DECLINED;
    }

    p = data + CDR_SNAPSHOT_AT_VERSION;
    version = cdr_snapshot_get32(&p);

    if (version != CDR_SNAPSHOT_VERSION) {
        *error = "was made by another version, or is damaged";
        return CDR_DECLINED;
    }

    *error = "does not fit into memory";

    f = alloc->alloc(alloc->ctx, sizeof(cdr_snapshot_file_t));

    if (f == NULL) {
        return CDR_NOMEM;
    }

    memset(f, 0, sizeof(cdr_snapshot_file_t));

    f->alloc = *alloc;
    f->data = alloc->alloc(alloc->ctx, len);

    if (f->data == NULL) {
        cdr_snapshot_close(f);
        return CDR_NOMEM;
    }

    rc = cdr_snapshot_unpack(f, data, len, key, error);

    if (rc == CDR_OK) {
        *error = "is damaged";
        rc = cdr_snapshot_check(f);
    }

    if (rc != CDR_OK) {
        cdr_snapshot_close(f);
        return rc;
    }

    *file = f;

    return CDR_OK;
}


const cdr_snapshot_head_t *
cdr_snapshot_head(const cdr_snapshot_file_t *file)
{
    return &file->head;
}


int
cdr_snapshot_read(const cdr_snapshot_file_t *file,
    const cdr_snapshot_reader_t *reader)
{
    int                     rc;
    uint64_t                seq;
    cdr_log_event_t         event;
    cdr_snapshot_walk_t     walk;
    cdr_snapshot_revoked_t  revoked;

    walk.p = file->data + file->first;
    walk.end = file->data + file->len;

    rc = CDR_OK;
    seq = 0;

    while (rc == CDR_OK && cdr_snapshot_next(&walk) == CDR_OK) {

        if (walk.type == CDR_SNAPSHOT_REC_EVENT && reader->event) {
            (void) cdr_snapshot_get_event(walk.body, &event);

            event.seq = ++seq;
            rc = reader->event(reader->ctx, &event);

        } else if (walk.type == CDR_SNAPSHOT_REC_REVOKED && reader->revoked) {
            (void) cdr_snapshot_get_revoked(walk.body, &revoked);

            rc = reader->revoked(reader->ctx, &revoked);
        }
    }

    return rc;
}


void
cdr_snapshot_close(cdr_snapshot_file_t *file)
{
    cdr_alloc_t  alloc;

    if (file) {
        alloc = file->alloc;

        alloc.free(alloc.ctx, file->data);
        alloc.free(alloc.ctx, file);
    }
}


static int
cdr_snapshot_unpack(cdr_snapshot_file_t *file, const uint8_t *data, size_t len,
    const uint8_t *key, const char **error)
{
    int                   rc;
    uint32_t              flags;
    const uint8_t        *p;
    cdr_snapshot_seal_t   seal;

    p = data + CDR_SNAPSHOT_AT_FLAGS;
    flags = cdr_snapshot_get32(&p);

    if (flags & ~CDR_SNAPSHOT_ENCRYPTED) {
        *error = "is damaged";
        return CDR_ERROR;
    }

    if (flags && key == NULL) {
        *error = "is encrypted, and there is no key";
        return CDR_ERROR;
    }

    file->head.encrypted = (flags != 0);

    rc = cdr_snapshot_seal_init(&seal, data, flags ? key : NULL);

    if (rc == CDR_OK) {
        rc = cdr_snapshot_chunks(file, &seal, data + CDR_SNAPSHOT_HEADER_LEN,
                                 data + len, error);
    }

    cdr_snapshot_seal_free(&seal);

    return rc;
}


static int
cdr_snapshot_chunks(cdr_snapshot_file_t *file, cdr_snapshot_seal_t *seal,
    const uint8_t *p, const uint8_t *end, const char **error)
{
    size_t    len;
    uint32_t  word;

    *error = "was cut off";

    do {
        if ((size_t) (end - p) < CDR_SNAPSHOT_WORD_LEN) {
            return CDR_ERROR;
        }

        word = cdr_snapshot_get32(&p);
        len = word & ~CDR_SNAPSHOT_LAST;

        if (len > CDR_SNAPSHOT_CHUNK
            || (len < CDR_SNAPSHOT_CHUNK && !(word & CDR_SNAPSHOT_LAST)))
        {
            *error = "is damaged";
            return CDR_ERROR;
        }

        if ((size_t) (end - p) < len + seal->len) {
            return CDR_ERROR;
        }

        if (cdr_snapshot_unseal(seal, word, file->data + file->len, p, p + len)
            != CDR_OK)
        {
            *error = seal->cipher ? "is damaged, or was made with another key"
                                  : "is damaged";
            return CDR_ERROR;
        }

        file->len += len;
        p += len + seal->len;

    } while (!(word & CDR_SNAPSHOT_LAST));

    if (p != end) {
        *error = "is damaged";
        return CDR_ERROR;
    }

    return CDR_OK;
}


/*
 * The order of the records and of the events' positions, every length, and
 * that the head tells of the rest what is true.
 */

static int
cdr_snapshot_check(cdr_snapshot_file_t *file)
{
    cdr_snapshot_walk_t         walk;
    cdr_snapshot_seen_t         seen;
    const cdr_snapshot_head_t  *head;

    walk.p = file->data;
    walk.end = file->data + file->len;

    memset(&seen, 0, sizeof(cdr_snapshot_seen_t));

    do {
        if (cdr_snapshot_next(&walk) != CDR_OK
            || cdr_snapshot_check_record(file, &walk, &seen) != CDR_OK)
        {
            return CDR_ERROR;
        }

    } while (walk.type != CDR_SNAPSHOT_REC_HEAD);

    head = &file->head;

    if (walk.p != walk.end || seen.nevents != head->nevents) {
        return CDR_ERROR;
    }

    if (seen.nevents == 0) {
        return cdr_log_cmp(&head->base, &head->last) ? CDR_ERROR : CDR_OK;
    }

    return (cdr_log_cmp(&head->base, &seen.first) < 0
            && cdr_log_cmp(&head->last, &seen.last) == 0)
           ? CDR_OK : CDR_ERROR;
}


static int
cdr_snapshot_check_record(cdr_snapshot_file_t *file, cdr_snapshot_walk_t *walk,
    cdr_snapshot_seen_t *seen)
{
    cdr_log_event_t         event;
    cdr_snapshot_revoked_t  revoked;

    if (seen->revoked && walk->type < CDR_SNAPSHOT_REC_REVOKED) {
        return CDR_ERROR;
    }

    switch (walk->type) {

    case CDR_SNAPSHOT_REC_EVENT:

        if (cdr_snapshot_get_event(walk->body, &event) != CDR_OK
            || (seen->nevents
                && cdr_log_cmp(&event.fields.pos, &seen->last) <= 0))
        {
            return CDR_ERROR;
        }

        if (seen->nevents++ == 0) {
            seen->first = event.fields.pos;
        }

        seen->last = event.fields.pos;
        break;

    case CDR_SNAPSHOT_REC_RESET:
        file->first = (size_t) (walk->p - file->data);
        seen->nevents = 0;
        break;

    case CDR_SNAPSHOT_REC_REVOKED:
        seen->revoked = true;
        return cdr_snapshot_get_revoked(walk->body, &revoked);

    case CDR_SNAPSHOT_REC_HEAD:
        return cdr_snapshot_get_head(walk->body, &file->head);

    default:
        return CDR_ERROR;
    }

    return CDR_OK;
}


static int
cdr_snapshot_next(cdr_snapshot_walk_t *walk)
{
    size_t  len;

    if ((size_t) (walk->end - walk->p) < CDR_SNAPSHOT_RECORD_LEN) {
        return CDR_DECLINED;
    }

    walk->type = *walk->p++;
    len = cdr_snapshot_get32(&walk->p);

    if ((size_t) (walk->end - walk->p) < len) {
        return CDR_DECLINED;
    }

    walk->body.data = walk->p;
    walk->body.len = len;
    walk->p += len;

    return CDR_OK;
}


static int
cdr_snapshot_get_event(cdr_str_t body, cdr_log_event_t *event)
{
    const uint8_t  *p;

    if (body.len < CDR_SNAPSHOT_EVENT_LEN) {
        return CDR_ERROR;
    }

    p = body.data;

    event->fields.time_ms = cdr_snapshot_get64(&p);
    event->fields.arrived_us = 0;
    cdr_snapshot_get_pos(&p, &event->fields.pos);
    event->fields.server = cdr_snapshot_get64(&p);
    event->fields.boot = cdr_snapshot_get64(&p);
    event->fields.n = cdr_snapshot_get64(&p);
    event->fields.lone = cdr_snapshot_get64(&p);
    event->settled.ms = cdr_snapshot_get64(&p);
    event->settled.n = cdr_snapshot_get64(&p);
    event->settled.local = 0;
    event->fields.flags = cdr_snapshot_get32(&p);

    event->type.len = cdr_snapshot_get32(&p);
    event->type.data = p;

    if (event->type.len > CDR_LOG_TYPE_MAX
        || event->type.len > body.len - CDR_SNAPSHOT_EVENT_LEN)
    {
        return CDR_ERROR;
    }

    event->payload.data = p + event->type.len;
    event->payload.len = body.len - CDR_SNAPSHOT_EVENT_LEN - event->type.len;

    return CDR_OK;
}


static int
cdr_snapshot_get_revoked(cdr_str_t body, cdr_snapshot_revoked_t *revoked)
{
    uint32_t        kind;
    const uint8_t  *p;

    if (body.len != CDR_SNAPSHOT_REVOKED_LEN) {
        return CDR_ERROR;
    }

    p = body.data;
    kind = cdr_snapshot_get32(&p);

    if (kind != CDR_REVOKE_USER && kind != CDR_REVOKE_JTI) {
        return CDR_ERROR;
    }

    revoked->kind = (cdr_revoke_kind_t) kind;
    revoked->hash[0] = cdr_snapshot_get64(&p);
    revoked->hash[1] = cdr_snapshot_get64(&p);
    revoked->until_ms = cdr_snapshot_get64(&p);
    revoked->issued_ms = cdr_snapshot_get64(&p);

    return CDR_OK;
}


static int
cdr_snapshot_get_head(cdr_str_t body, cdr_snapshot_head_t *head)
{
    uint32_t        i, flags;
    uint64_t        len;
    const uint8_t  *p;

    if (body.len < CDR_SNAPSHOT_HEAD_LEN) {
        return CDR_ERROR;
    }

    p = body.data;

    head->kind = cdr_snapshot_get32(&p);
    head->nepochs = cdr_snapshot_get32(&p);
    head->time_ms = cdr_snapshot_get64(&p);
    head->boot = cdr_snapshot_get64(&p);
    head->epoch_ms = cdr_snapshot_get64(&p);
    head->owner[0] = cdr_snapshot_get64(&p);
    head->owner[1] = cdr_snapshot_get64(&p);
    cdr_snapshot_get_pos(&p, &head->base);
    cdr_snapshot_get_pos(&p, &head->last);
    head->nevents = cdr_snapshot_get64(&p);
    len = cdr_snapshot_get64(&p);
    cdr_snapshot_get_pos(&p, &head->gap);
    flags = cdr_snapshot_get32(&p);

    head->final = (flags == CDR_SNAPSHOT_FINAL);

    if (flags & ~CDR_SNAPSHOT_FINAL || len > CDR_SNAPSHOT_NAME_MAX
        || head->nepochs > CDR_SNAPSHOT_EPOCHS
        || body.len - CDR_SNAPSHOT_HEAD_LEN
           != len + head->nepochs * CDR_SNAPSHOT_EPOCH_LEN)
    {
        return CDR_ERROR;
    }

    for (i = 0; i < head->nepochs; i++) {
        head->epochs[i].ms = cdr_snapshot_get64(&p);
        head->epochs[i].last_n = cdr_snapshot_get64(&p);
    }

    head->name.data = p;
    head->name.len = (size_t) len;

    return CDR_OK;
}


static void
cdr_snapshot_get_pos(const uint8_t **p, cdr_log_pos_t *pos)
{
    pos->ms = cdr_snapshot_get64(p);
    pos->n = cdr_snapshot_get64(p);
    pos->local = cdr_snapshot_get64(p);
}
