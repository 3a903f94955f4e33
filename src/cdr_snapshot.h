/*
 * What outlives a server: its event log, its revocations and its name, as the
 * bytes of a file.
 *
 * The file is written front to back through a function of the caller's and
 * read as a whole.  It is checked before anything of it is used: a file that
 * was cut off, changed or made with another key is found out.  With a key it
 * is encrypted, AES-256-GCM in chunks, each of which is bound to its place.
 */

#ifndef CDR_SNAPSHOT_H_INCLUDED
#define CDR_SNAPSHOT_H_INCLUDED


#include "cdr.h"
#include "cdr_log.h"
#include "cdr_revoke.h"


#define CDR_SNAPSHOT_VERSION    1
#define CDR_SNAPSHOT_KEY_LEN    32
#define CDR_SNAPSHOT_NAME_MAX   64
#define CDR_SNAPSHOT_EPOCHS     16      /* earlier lives that are remembered */


/* A life of the server whose events stand in the log, or stood there. */

typedef struct {
    uint64_t             ms;            /* of the positions it gave */
    uint64_t             last_n;        /* the last one that was kept */
} cdr_snapshot_epoch_t;


typedef struct {
    uint64_t             time_ms;       /* when it was made */
    uint64_t             boot;
    cdr_str_t            name;          /* the server's, if generated */
    cdr_log_pos_t        last;          /* position of the last event */
    uint32_t             nepochs;
    cdr_snapshot_epoch_t epochs[CDR_SNAPSHOT_EPOCHS];
} cdr_snapshot_head_t;


typedef struct {
    cdr_revoke_kind_t    kind;
    uint64_t             hash[2];
    uint64_t             until_ms;
    uint64_t             issued_ms;
} cdr_snapshot_revoked_t;


/* What is to be kept; "log" and "revoked" may be NULL: none of it. */

typedef struct {
    cdr_snapshot_head_t            head;
    const cdr_log_t               *log;
    const cdr_snapshot_revoked_t  *revoked;     /* copied under the lock */
    size_t                         nrevoked;
    const uint8_t                 *key;         /* _KEY_LEN bytes; NULL:
                                                   not encrypted */
    uint8_t                        salt[16];    /* random, with a key */
} cdr_snapshot_t;


/* CDR_OK, or anything else to give up. */

typedef int (*cdr_snapshot_write_pt)(void *ctx, const uint8_t *data,
    size_t len);


/* What a file is read into.  Each may be NULL; not CDR_OK gives up. */

typedef struct {
    int  (*event)(void *ctx, const cdr_log_event_t *event);
    int  (*revoked)(void *ctx, const cdr_snapshot_revoked_t *revoked);
    void  *ctx;
} cdr_snapshot_reader_t;


/*
 * Writes a snapshot.  The log is read as any reader does, without a lock:
 * events that are overwritten meanwhile are not in it, and head.last is set to
 * the last one that is.  CDR_OK; what "write" returned; CDR_NOMEM; CDR_ERROR
 * (encryption failed).
 */

int cdr_snapshot_save(cdr_snapshot_t *s, cdr_snapshot_write_pt write,
    void *ctx);

/*
 * Checks the bytes of a file and reads its head; strings of it lie in the
 * decrypted copy, which cdr_snapshot_close() frees.  CDR_OK; CDR_DECLINED
 * (another version, or no snapshot), CDR_ERROR (damaged, or another key),
 * CDR_NOMEM; *error is a sentence then.
 */

typedef struct cdr_snapshot_file_s  cdr_snapshot_file_t;

int cdr_snapshot_open(cdr_snapshot_file_t **file, const uint8_t *data,
    size_t len, const uint8_t *key, const cdr_alloc_t *alloc,
    const char **error);
const cdr_snapshot_head_t *cdr_snapshot_head(const cdr_snapshot_file_t *file);

/* Gives the reader all events in order, then all revocations. */

int cdr_snapshot_read(cdr_snapshot_file_t *file,
    const cdr_snapshot_reader_t *reader);

/* Accepts NULL. */

void cdr_snapshot_close(cdr_snapshot_file_t *file);

/* The key of a snapshot from a secret of any length (HKDF, RFC 5869). */

int cdr_snapshot_key(uint8_t key[CDR_SNAPSHOT_KEY_LEN], cdr_str_t secret);


#endif /* CDR_SNAPSHOT_H_INCLUDED */
