/*
 * Files of any bytes, and records of any bytes in a file whose seals are right,
 * encrypted or not.  Whatever is taken for a record must have all its items.
 */

#include "cdr.h"
#include "cdr_outbox_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>


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
static const uint8_t      key[CDR_SNAPSHOT_KEY_LEN];
static const uint8_t      salt[CDR_SNAPSHOT_SALT_LEN];


static int
on_record(void *ctx, const cdr_outbox_file_rec_t *rec)
{
    size_t             i;
    unsigned          *sum = ctx;
    uint32_t           n, flags;
    cdr_str_t          type, text;
    cdr_outbox_iter_t  it = { rec->items };

    assert(rec->kind <= CDR_OUTBOX_CONTROL);
    assert(rec->count > 0 && rec->count <= CDR_OUTBOX_BATCH);

    for (n = 0; cdr_outbox_item(&it, &flags, &type, &text) == CDR_OK; n++) {
        for (i = 0; i < text.len; i++) {
            *sum += text.data[i];
        }
    }

    assert(n == rec->count && it.rest.len == 0);

    return CDR_OK;
}


static void
read_all(uint8_t *file, size_t len)
{
    int                     rc;
    unsigned                sum;
    const char             *error;
    cdr_outbox_file_head_t  head;

    sum = 0;
    error = NULL;

    rc = cdr_outbox_file_read(file, len, key, &head, on_record, &sum, &error);

    assert(rc == CDR_OK || error != NULL);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                      encrypted;
    size_t                   len, chunk;
    uint8_t                 *file;
    cdr_outbox_file_t       *f;
    cdr_outbox_file_head_t   head = { 1, { 2, 3 } };

    file = malloc(CDR_OUTBOX_FILE_FIRST + CDR_OUTBOX_FILE_WORD + size
                  + CDR_OUTBOX_FILE_SEAL);

    memcpy(file, data, size);
    read_all(file, size);

    for (encrypted = 0; size && encrypted < 2; encrypted++) {

        if (cdr_outbox_file_new(&f, &head, encrypted ? key : NULL, salt,
                                &alloc, file, &len)
            != CDR_OK)
        {
            break;
        }

        memcpy(file + len + CDR_OUTBOX_FILE_WORD, data, size);

        if (cdr_outbox_file_chunk(f, file + len, size, &chunk) == CDR_OK) {
            read_all(file, len + chunk);
        }

        cdr_outbox_file_del(f);
    }

    free(file);

    return 0;
}
