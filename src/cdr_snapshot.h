/*
 * What outlives a server: its event log, its revocations and who it was, as
 * the bytes of a file.
 *
 * A file is a header (magic, version, whether it is encrypted, salt) and
 * chunks.  Each has its length, its bytes, and a seal over them, its number,
 * its length, the header, and whether it is the last: SHA-256, or with a key
 * AES-256-GCM under a key of the file's own (HKDF with the salt).  So a file
 * that was cut off, changed, put together of others or made with another key
 * is found out, before anything of it is used.  Without a key this is no
 * protection against who can write files.
 *
 * In the chunks are records: events in the order of their positions, then
 * revocations, then the head.  Numbers are little-endian.
 */

#ifndef CDR_SNAPSHOT_H_INCLUDED
#define CDR_SNAPSHOT_H_INCLUDED


#include "cdr.h"
#include "cdr_log.h"
#include "cdr_revoke.h"


#define CDR_SNAPSHOT_VERSION    3
#define CDR_SNAPSHOT_KEY_LEN    32
#define CDR_SNAPSHOT_NAME_MAX   64
#define CDR_SNAPSHOT_SALT_LEN   16
#define CDR_SNAPSHOT_EPOCHS     16      /* earlier lives that are remembered */

#define CDR_SNAPSHOT_EVENTS       1     /* which file it is */
#define CDR_SNAPSHOT_REVOCATIONS  2
#define CDR_SNAPSHOT_SERVER       3


/* A life of the server whose events stand in the log, or stood there. */

typedef struct {
    uint64_t             ms;            /* of the positions it gave */
    uint64_t             last_n;        /* the last one that was kept */
} cdr_snapshot_epoch_t;


typedef struct {
    uint32_t             kind;
    bool                 encrypted;     /* set when it is read */
    bool                 final;         /* nothing came behind it */
    uint64_t             time_ms;       /* when it was made */
    uint64_t             boot;          /* the life that made it, */
    uint64_t             epoch_ms;      /* of whose positions, */
    uint64_t             owner[2];      /* in which process: pid, start */
    cdr_str_t            name;          /* the server's, if generated */
    cdr_log_pos_t        base;          /* position before the first event */
    cdr_log_pos_t        last;          /* of the last one, or the base */
    cdr_log_pos_t        gap;           /* after what was lost before these
                                           events, or among them; 0: none */
    uint64_t             nevents;
    uint32_t             nepochs;
    cdr_snapshot_epoch_t epochs[CDR_SNAPSHOT_EPOCHS];
                                        /* the lives before */
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
    uint8_t                        salt[CDR_SNAPSHOT_SALT_LEN];
                                                /* random, never twice */
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
 * Writes a snapshot through "write", in pieces of at most 64 KB and a bit.
 * The log is read as any reader does, without a lock: events that are
 * overwritten meanwhile, and all before them, are not in it.  Sets the head's
 * base, last and nevents (base and last are the caller's without a log).
 * CDR_OK; what "write" returned; CDR_AGAIN (the log was always overwritten
 * before it was read); CDR_NOMEM; CDR_ERROR (encryption failed; the name is
 * too long).
 */

int cdr_snapshot_save(cdr_snapshot_t *s, cdr_snapshot_write_pt write,
    void *ctx, const cdr_alloc_t *alloc);

/*
 * Checks the bytes of a file, all of them, and reads its head; strings of it
 * lie in a decrypted copy, which cdr_snapshot_close() frees.  A file that is
 * not encrypted is read with a key, too.  CDR_OK; CDR_DECLINED (another
 * version, or no snapshot), CDR_ERROR (damaged, cut off, or another key),
 * CDR_NOMEM; *error says so then, without a subject ("is damaged").
 */

typedef struct cdr_snapshot_file_s  cdr_snapshot_file_t;

int cdr_snapshot_open(cdr_snapshot_file_t **file, const uint8_t *data,
    size_t len, const uint8_t *key, const cdr_alloc_t *alloc,
    const char **error);
const cdr_snapshot_head_t *cdr_snapshot_head(const cdr_snapshot_file_t *file);

/*
 * Gives the reader all events in order, then all revocations.  The strings of
 * an event lie in the copy; its number counts from 1.  CDR_OK, or what the
 * reader returned.
 */

int cdr_snapshot_read(const cdr_snapshot_file_t *file,
    const cdr_snapshot_reader_t *reader);

/* Accepts NULL. */

void cdr_snapshot_close(cdr_snapshot_file_t *file);

/*
 * The key of snapshots from a secret of any length (HKDF-SHA256, RFC 5869).
 * CDR_OK, or CDR_ERROR if OpenSSL fails.
 */

int cdr_snapshot_key(uint8_t key[CDR_SNAPSHOT_KEY_LEN], cdr_str_t secret);


#endif /* CDR_SNAPSHOT_H_INCLUDED */
