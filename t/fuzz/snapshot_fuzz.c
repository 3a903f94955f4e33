/*
 * Files of any bytes, and records of any bytes in a file whose seals are right,
 * encrypted or not.  Whatever is taken for a snapshot must be read in the
 * bounds of its copy, with as many events as its head says, in order.
 */

#include "cdr.h"
#include "cdr_snapshot_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>


typedef struct {
    uint64_t       events;
    cdr_log_pos_t  last;
    unsigned       sum;
} seen_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void *
own_alloc(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size ? size : 1);
}


static void
own_free(void *ctx, void *p)
{
    (void) ctx;

    free(p);
}


static const cdr_alloc_t  alloc = { own_alloc, own_free, NULL };


static void
add(seen_t *seen, cdr_str_t str)
{
    size_t  i;

    for (i = 0; i < str.len; i++) {
        seen->sum += str.data[i];
    }
}


static int
on_event(void *ctx, const cdr_log_event_t *e)
{
    seen_t               *seen = ctx;
    const cdr_log_pos_t  *pos;

    pos = &e->fields.pos;

    assert(e->seq == ++seen->events);
    assert(e->type.len <= CDR_LOG_TYPE_MAX);
    assert(seen->events == 1 || pos->ms > seen->last.ms
           || (pos->ms == seen->last.ms && pos->n > seen->last.n)
           || (pos->ms == seen->last.ms && pos->n == seen->last.n
               && pos->local > seen->last.local));

    add(seen, e->type);
    add(seen, e->payload);

    seen->last = *pos;

    return CDR_OK;
}


static int
on_revoked(void *ctx, const cdr_snapshot_revoked_t *r)
{
    (void) ctx;

    assert(r->kind == CDR_REVOKE_USER || r->kind == CDR_REVOKE_JTI);

    return CDR_OK;
}


static void
look(const uint8_t *data, size_t size, const uint8_t *key)
{
    int                         rc;
    uint8_t                    *copy;
    seen_t                      seen;
    const char                 *error;
    cdr_snapshot_file_t        *file;
    cdr_snapshot_reader_t       reader = { on_event, on_revoked, &seen };
    const cdr_snapshot_head_t  *head;

    error = NULL;
    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);

    rc = cdr_snapshot_open(&file, copy, size, key, &alloc, &error);

    free(copy);

    if (rc != CDR_OK) {
        assert(rc == CDR_ERROR || rc == CDR_DECLINED);
        assert(error && *error);
        return;
    }

    memset(&seen, 0, sizeof(seen));

    head = cdr_snapshot_head(file);

    assert(cdr_snapshot_read(file, &reader) == CDR_OK);
    assert(seen.events == head->nevents);
    assert(head->name.len <= CDR_SNAPSHOT_NAME_MAX);
    assert(head->nepochs <= CDR_SNAPSHOT_EPOCHS);

    add(&seen, head->name);

    cdr_snapshot_close(file);
}


/* A file of these records. */

static void
look_sealed(const uint8_t *data, size_t size, const uint8_t *key)
{
    size_t               n;
    uint8_t             *file, *p;
    uint32_t             word;
    cdr_snapshot_seal_t  seal;

    file = malloc(CDR_SNAPSHOT_HEADER_LEN + size
                  + (size / CDR_SNAPSHOT_CHUNK + 1)
                    * (CDR_SNAPSHOT_WORD_LEN + CDR_SNAPSHOT_SEAL_MAX));

    memset(file, 0, CDR_SNAPSHOT_HEADER_LEN);
    memcpy(file, CDR_SNAPSHOT_MAGIC, CDR_SNAPSHOT_AT_VERSION);

    p = cdr_snapshot_put32(file + CDR_SNAPSHOT_AT_VERSION,
                           CDR_SNAPSHOT_VERSION);
    (void) cdr_snapshot_put32(p, key ? CDR_SNAPSHOT_ENCRYPTED : 0);

    assert(cdr_snapshot_seal_init(&seal, file, key) == CDR_OK);

    p = file + CDR_SNAPSHOT_HEADER_LEN;

    do {
        n = size < CDR_SNAPSHOT_CHUNK ? size : CDR_SNAPSHOT_CHUNK;
        word = (uint32_t) n | (n == size ? CDR_SNAPSHOT_LAST : 0);

        p = cdr_snapshot_put32(p, word);
        memcpy(p, data, n);

        assert(cdr_snapshot_seal(&seal, word, p, p + n) == CDR_OK);

        p += n + seal.len;
        data += n;
        size -= n;

    } while (size);

    look(file, (size_t) (p - file), key);

    cdr_snapshot_seal_free(&seal);
    free(file);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t  key[CDR_SNAPSHOT_KEY_LEN] = "any";

    if (size == 0) {
        return 0;
    }

    switch (data[0]) {

    case 'e':
        look_sealed(data + 1, size - 1, key);
        break;

    case 'p':
        look_sealed(data + 1, size - 1, NULL);
        break;

    default:
        look(data, size, key);
    }

    return 0;
}
