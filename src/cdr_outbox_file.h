/*
 * What is kept of an outbox: the records that Redis does not have, so that
 * they outlive the server.
 *
 * A header, and then sealed chunks: the first says whose it is, each other one
 * has some records, in their order.  Chunks are added; one that a crash has cut
 * off, or left out of order, ends the file.  With a key the chunks are
 * encrypted, else their seals are mere checksums.
 */

#ifndef CDR_OUTBOX_FILE_H_INCLUDED
#define CDR_OUTBOX_FILE_H_INCLUDED


#include "cdr.h"
#include "cdr_outbox.h"
#include "cdr_snapshot.h"


#define CDR_OUTBOX_FILE_VERSION  1
#define CDR_OUTBOX_FILE_FIRST    96         /* bytes of header and first chunk,
                                               at most */
#define CDR_OUTBOX_FILE_WORD     4          /* bytes before a chunk's own, */
#define CDR_OUTBOX_FILE_SEAL     32         /* and behind them, at most */
#define CDR_OUTBOX_FILE_CHUNK    0x7fffffff /* bytes of a chunk, at most */


typedef struct {
    uint64_t                   server;
    uint64_t                   owner[2];    /* who has it: the process, and
                                               when it was started */
} cdr_outbox_file_head_t;


/* A record as it is read; the items lie in the bytes of the file. */

typedef struct {
    cdr_outbox_kind_e          kind;
    uint32_t                   count;
    uint64_t                   n;
    uint64_t                   time_ms;
    bool                       keyed;
    cdr_idem_hash_t            key;
    cdr_idem_hash_t            digest;
    cdr_str_t                  items;
} cdr_outbox_file_rec_t;


/* CDR_OK, or anything else to give up. */

typedef int (*cdr_outbox_file_rec_pt)(void *ctx,
    const cdr_outbox_file_rec_t *rec);


typedef struct cdr_outbox_file_s  cdr_outbox_file_t;


/*
 * A file that is to be written: "key" of CDR_SNAPSHOT_KEY_LEN bytes, NULL: not
 * encrypted; "salt" is random, and never used twice.  CDR_OK, with its first
 * bytes in "first" (*len of them); CDR_NOMEM; CDR_ERROR: encryption failed.
 */

int cdr_outbox_file_new(cdr_outbox_file_t **file,
    const cdr_outbox_file_head_t *head, const uint8_t *key,
    const uint8_t salt[CDR_SNAPSHOT_SALT_LEN], const cdr_alloc_t *alloc,
    uint8_t first[CDR_OUTBOX_FILE_FIRST], size_t *len);

/* Accepts NULL. */

void cdr_outbox_file_del(cdr_outbox_file_t *file);

/* A record among the bytes of a chunk: how many it has, and writes them. */

size_t cdr_outbox_file_size(const cdr_outbox_rec_t *rec);
uint8_t *cdr_outbox_file_put(uint8_t *p, const cdr_outbox_rec_t *rec);

/*
 * The next chunk, to be added to the file: "chunk" has FILE_WORD bytes, then
 * "len" bytes of records (1 to FILE_CHUNK), then room for FILE_SEAL bytes.
 * CDR_OK, with the bytes to be written in *size; CDR_ERROR.
 */

int cdr_outbox_file_chunk(cdr_outbox_file_t *file, uint8_t *chunk, size_t len,
    size_t *size);

/*
 * Reads a file, which is decrypted in place: whose it is, and each record.  A
 * file that is not encrypted is read with a key, too.  CDR_OK, also if its end
 * is missing; what "rec" returned; CDR_DECLINED (another version, or no such
 * file), CDR_ERROR (damaged, or another key), CDR_NOMEM; *error says so then,
 * without a subject ("is damaged").  "rec" may be NULL.
 */

int cdr_outbox_file_read(uint8_t *data, size_t len, const uint8_t *key,
    cdr_outbox_file_head_t *head, cdr_outbox_file_rec_pt rec, void *ctx,
    const char **error);


#endif /* CDR_OUTBOX_FILE_H_INCLUDED */
