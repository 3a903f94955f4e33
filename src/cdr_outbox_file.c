/* What is kept of an outbox: its bytes. */

#include "cdr.h"
#include "cdr_outbox_file.h"
#include "cdr_snapshot_int.h"

#include <string.h>


#define CDR_OUTBOX_FILE_MAGIC    "CdrOutb\n"
#define CDR_OUTBOX_FILE_HEAD     24
#define CDR_OUTBOX_FILE_REC      64         /* and the items */
#define CDR_OUTBOX_FILE_KEYED    1U         /* in a record's flags */


struct cdr_outbox_file_s {
    cdr_snapshot_seal_t   seal;
    cdr_alloc_t           alloc;
};


/* What is being read. */

typedef struct {
    cdr_snapshot_seal_t   seal;
    uint8_t              *p;
    uint8_t              *end;
} cdr_outbox_reader_t;


static void cdr_outbox_file_header(uint8_t *p, bool encrypted,
    const uint8_t *salt);
static int cdr_outbox_file_open(cdr_outbox_reader_t *r, const uint8_t *key,
    const char **error);
static int cdr_outbox_file_next(cdr_outbox_reader_t *r, cdr_str_t *chunk);
static int cdr_outbox_file_records(cdr_str_t chunk,
    cdr_outbox_file_rec_pt handler, void *ctx);
static int cdr_outbox_file_get(cdr_str_t *rest, cdr_outbox_file_rec_t *rec);
static bool cdr_outbox_file_items(const cdr_outbox_file_rec_t *rec);


int
cdr_outbox_file_new(cdr_outbox_file_t **file,
    const cdr_outbox_file_head_t *head, const uint8_t *key,
    const uint8_t salt[CDR_SNAPSHOT_SALT_LEN], const cdr_alloc_t *alloc,
    uint8_t first[CDR_OUTBOX_FILE_FIRST], size_t *len)
{
    int                 rc;
    size_t              size;
    uint8_t            *p;
    cdr_outbox_file_t  *f;

    f = alloc->alloc(alloc->ctx, sizeof(cdr_outbox_file_t));

    if (f == NULL) {
        return CDR_NOMEM;
    }

    f->alloc = *alloc;

    cdr_outbox_file_header(first, key != NULL, salt);

    rc = cdr_snapshot_seal_init(&f->seal, first, key);

    if (rc == CDR_OK) {
        p = first + CDR_SNAPSHOT_HEADER_LEN + CDR_OUTBOX_FILE_WORD;
        p = cdr_snapshot_put64(p, head->server);
        p = cdr_snapshot_put64(p, head->owner[0]);
        (void) cdr_snapshot_put64(p, head->owner[1]);

        rc = cdr_outbox_file_chunk(f, first + CDR_SNAPSHOT_HEADER_LEN,
                                   CDR_OUTBOX_FILE_HEAD, &size);
    }

    if (rc != CDR_OK) {
        cdr_outbox_file_del(f);
        return rc;
    }

    *file = f;
    *len = CDR_SNAPSHOT_HEADER_LEN + size;

    return CDR_OK;
}


static void
cdr_outbox_file_header(uint8_t *p, bool encrypted, const uint8_t *salt)
{
    memcpy(p, CDR_OUTBOX_FILE_MAGIC, CDR_SNAPSHOT_AT_VERSION);
    p += CDR_SNAPSHOT_AT_VERSION;

    p = cdr_snapshot_put32(p, CDR_OUTBOX_FILE_VERSION);
    p = cdr_snapshot_put32(p, encrypted ? CDR_SNAPSHOT_ENCRYPTED : 0);

    memcpy(p, salt, CDR_SNAPSHOT_SALT_LEN);
}


void
cdr_outbox_file_del(cdr_outbox_file_t *file)
{
    cdr_alloc_t  alloc;

    if (file == NULL) {
        return;
    }

    alloc = file->alloc;

    cdr_snapshot_seal_free(&file->seal);
    alloc.free(alloc.ctx, file);
}


size_t
cdr_outbox_file_size(const cdr_outbox_rec_t *rec)
{
    return CDR_OUTBOX_FILE_REC + rec->len;
}


uint8_t *
cdr_outbox_file_put(uint8_t *p, const cdr_outbox_rec_t *rec)
{
    p = cdr_snapshot_put32(p, rec->kind);
    p = cdr_snapshot_put32(p, rec->keyed ? CDR_OUTBOX_FILE_KEYED : 0);
    p = cdr_snapshot_put32(p, rec->count);
    p = cdr_snapshot_put32(p, rec->len);
    p = cdr_snapshot_put64(p, rec->n);
    p = cdr_snapshot_put64(p, rec->time_ms);
    p = cdr_snapshot_put64(p, rec->key.word[0]);
    p = cdr_snapshot_put64(p, rec->key.word[1]);
    p = cdr_snapshot_put64(p, rec->digest.word[0]);
    p = cdr_snapshot_put64(p, rec->digest.word[1]);

    memcpy(p, rec + 1, rec->len);

    return p + rec->len;
}


int
cdr_outbox_file_chunk(cdr_outbox_file_t *file, uint8_t *chunk, size_t len,
    size_t *size)
{
    uint32_t  word;

    if (len == 0 || len > CDR_OUTBOX_FILE_CHUNK) {
        return CDR_ERROR;
    }

    word = (uint32_t) len;

    (void) cdr_snapshot_put32(chunk, word);

    chunk += CDR_OUTBOX_FILE_WORD;
    *size = CDR_OUTBOX_FILE_WORD + len + file->seal.len;

    return cdr_snapshot_seal(&file->seal, word, chunk, chunk + len);
}


int
cdr_outbox_file_read(uint8_t *data, size_t len, const uint8_t *key,
    cdr_outbox_file_head_t *head, cdr_outbox_file_rec_pt rec, void *ctx,
    const char **error)
{
    int                   rc;
    cdr_str_t             chunk;
    const uint8_t        *p;
    cdr_outbox_reader_t   r;

    r.p = data;
    r.end = data + len;

    rc = cdr_outbox_file_open(&r, key, error);

    if (rc != CDR_OK) {
        return rc;
    }

    if (cdr_outbox_file_next(&r, &chunk) != CDR_OK
        || chunk.len != CDR_OUTBOX_FILE_HEAD)
    {
        cdr_snapshot_seal_free(&r.seal);
        *error = "is damaged, or was written with another key";
        return CDR_ERROR;
    }

    p = chunk.data;

    head->server = cdr_snapshot_get64(&p);
    head->owner[0] = cdr_snapshot_get64(&p);
    head->owner[1] = cdr_snapshot_get64(&p);

    rc = CDR_OK;

    while (rec && rc == CDR_OK
           && cdr_outbox_file_next(&r, &chunk) == CDR_OK)
    {
        rc = cdr_outbox_file_records(chunk, rec, ctx);
    }

    cdr_snapshot_seal_free(&r.seal);

    if (rc != CDR_OK) {
        *error = "is damaged";
    }

    return rc;
}


static int
cdr_outbox_file_open(cdr_outbox_reader_t *r, const uint8_t *key,
    const char **error)
{
    int             rc;
    uint32_t        version, flags;
    const uint8_t  *p;

    if (r->end - r->p < CDR_SNAPSHOT_HEADER_LEN
        || memcmp(r->p, CDR_OUTBOX_FILE_MAGIC, CDR_SNAPSHOT_AT_VERSION) != 0)
    {
        *error = "is no outbox";
        return CDR_DECLINED;
    }

    p = r->p + CDR_SNAPSHOT_AT_VERSION;

    version = cdr_snapshot_get32(&p);
    flags = cdr_snapshot_get32(&p);

    if (version != CDR_OUTBOX_FILE_VERSION
        || flags > CDR_SNAPSHOT_ENCRYPTED)
    {
        *error = "is of another version";
        return CDR_DECLINED;
    }

    if (flags && key == NULL) {
        *error = "is encrypted";
        return CDR_ERROR;
    }

    rc = cdr_snapshot_seal_init(&r->seal, r->p, flags ? key : NULL);

    if (rc != CDR_OK) {
        cdr_snapshot_seal_free(&r->seal);
        *error = "cannot be decrypted";
    }

    r->p += CDR_SNAPSHOT_HEADER_LEN;

    return rc;
}


/* CDR_DECLINED at the end, wherever it is. */

static int
cdr_outbox_file_next(cdr_outbox_reader_t *r, cdr_str_t *chunk)
{
    size_t          left;
    uint8_t        *data;
    uint32_t        word;
    const uint8_t  *p;

    left = (size_t) (r->end - r->p);

    if (left < CDR_OUTBOX_FILE_WORD + r->seal.len) {
        return CDR_DECLINED;
    }

    left -= CDR_OUTBOX_FILE_WORD + r->seal.len;

    p = r->p;
    word = cdr_snapshot_get32(&p);

    if (word == 0 || word > CDR_OUTBOX_FILE_CHUNK || word > left) {
        return CDR_DECLINED;
    }

    data = r->p + CDR_OUTBOX_FILE_WORD;

    if (cdr_snapshot_unseal(&r->seal, word, data, data, data + word)
        != CDR_OK)
    {
        return CDR_DECLINED;
    }

    chunk->data = data;
    chunk->len = word;

    r->p = data + word + r->seal.len;

    return CDR_OK;
}


static int
cdr_outbox_file_records(cdr_str_t chunk, cdr_outbox_file_rec_pt handler,
    void *ctx)
{
    int                    rc;
    cdr_outbox_file_rec_t  rec;

    while (chunk.len) {

        rc = cdr_outbox_file_get(&chunk, &rec);

        if (rc == CDR_OK) {
            rc = handler(ctx, &rec);
        }

        if (rc != CDR_OK) {
            return rc;
        }
    }

    return CDR_OK;
}


static int
cdr_outbox_file_get(cdr_str_t *rest, cdr_outbox_file_rec_t *rec)
{
    uint32_t        kind, flags;
    const uint8_t  *p;

    if (rest->len < CDR_OUTBOX_FILE_REC) {
        return CDR_ERROR;
    }

    p = rest->data;

    kind = cdr_snapshot_get32(&p);
    flags = cdr_snapshot_get32(&p);

    rec->kind = (cdr_outbox_kind_e) kind;
    rec->keyed = (flags & CDR_OUTBOX_FILE_KEYED) != 0;
    rec->count = cdr_snapshot_get32(&p);
    rec->items.len = cdr_snapshot_get32(&p);
    rec->n = cdr_snapshot_get64(&p);
    rec->time_ms = cdr_snapshot_get64(&p);
    rec->key.word[0] = cdr_snapshot_get64(&p);
    rec->key.word[1] = cdr_snapshot_get64(&p);
    rec->digest.word[0] = cdr_snapshot_get64(&p);
    rec->digest.word[1] = cdr_snapshot_get64(&p);
    rec->items.data = p;

    if (kind > CDR_OUTBOX_CONTROL
        || rec->items.len > rest->len - CDR_OUTBOX_FILE_REC
        || !cdr_outbox_file_items(rec))
    {
        return CDR_ERROR;
    }

    rest->data = p + rec->items.len;
    rest->len -= CDR_OUTBOX_FILE_REC + rec->items.len;

    return CDR_OK;
}


static bool
cdr_outbox_file_items(const cdr_outbox_file_rec_t *rec)
{
    int                rc;
    uint32_t           n, flags;
    cdr_str_t          type, text;
    cdr_outbox_iter_t  it;

    it.rest = rec->items;
    n = 0;

    while ((rc = cdr_outbox_item(&it, &flags, &type, &text)) == CDR_OK) {
        n++;
    }

    return rc == CDR_DECLINED && n > 0 && n == rec->count
           && n <= CDR_OUTBOX_BATCH;
}
