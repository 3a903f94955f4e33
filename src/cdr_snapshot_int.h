/* Inside snapshots: the bytes of a file, and what seals them. */

#ifndef CDR_SNAPSHOT_INT_H_INCLUDED
#define CDR_SNAPSHOT_INT_H_INCLUDED


#include "cdr.h"
#include "cdr_snapshot.h"

#include <openssl/evp.h>


#define CDR_SNAPSHOT_MAGIC       "CdrSnap\n"
#define CDR_SNAPSHOT_ENCRYPTED   1U         /* in the header's flags */

/* The header: magic, version, flags, salt. */

#define CDR_SNAPSHOT_HEADER_LEN  32
#define CDR_SNAPSHOT_AT_VERSION  8
#define CDR_SNAPSHOT_AT_FLAGS    12
#define CDR_SNAPSHOT_AT_SALT     16

/* A chunk: its word, so many bytes, its seal.  Only the last may be short. */

#define CDR_SNAPSHOT_CHUNK       65536U
#define CDR_SNAPSHOT_LAST        0x80000000U        /* in the word */
#define CDR_SNAPSHOT_WORD_LEN    4
#define CDR_SNAPSHOT_GCM_TAG     16
#define CDR_SNAPSHOT_SEAL_MAX    32

/* A record: its type, the length of what follows, that. */

#define CDR_SNAPSHOT_RECORD_LEN  5

#define CDR_SNAPSHOT_REC_EVENT    1
#define CDR_SNAPSHOT_REC_RESET    2         /* no event before it counts */
#define CDR_SNAPSHOT_REC_REVOKED  3
#define CDR_SNAPSHOT_REC_HEAD     4         /* the last one */

#define CDR_SNAPSHOT_EVENT_LEN    88        /* and the type, the payload */
#define CDR_SNAPSHOT_REVOKED_LEN  36
#define CDR_SNAPSHOT_HEAD_LEN     140       /* and epochs, name */
#define CDR_SNAPSHOT_EPOCH_LEN    16

#define CDR_SNAPSHOT_FINAL        1U        /* in the head's flags */


typedef struct {
    uint8_t          header[CDR_SNAPSHOT_HEADER_LEN];
    uint8_t          key[CDR_SNAPSHOT_KEY_LEN];
    uint64_t         index;         /* of the next chunk */
    size_t           len;           /* of a seal */
    EVP_CIPHER_CTX  *cipher;        /* one of them is not NULL */
    EVP_MD_CTX      *digest;
} cdr_snapshot_seal_t;


/*
 * For the file with this header; "key" is that of snapshots, NULL if it is not
 * encrypted.  CDR_OK, CDR_NOMEM, CDR_ERROR; to be freed in each case.
 */

int cdr_snapshot_seal_init(cdr_snapshot_seal_t *seal,
    const uint8_t header[CDR_SNAPSHOT_HEADER_LEN], const uint8_t *key);
void cdr_snapshot_seal_free(cdr_snapshot_seal_t *seal);

/*
 * The next chunk, whose word is "word": its bytes are encrypted where they
 * are, and the seal put at "tag".  CDR_OK or CDR_ERROR.
 */

int cdr_snapshot_seal(cdr_snapshot_seal_t *seal, uint32_t word, uint8_t *data,
    uint8_t *tag);

/*
 * Back, to "dst", which may be "data".  CDR_OK, or CDR_ERROR if the seal is not
 * of these bytes.
 */

int cdr_snapshot_unseal(cdr_snapshot_seal_t *seal, uint32_t word,
    uint8_t *dst, const uint8_t *data, const uint8_t *tag);


static inline uint8_t *
cdr_snapshot_put32(uint8_t *p, uint32_t value)
{
    unsigned  i;

    for (i = 0; i < 4; i++) {
        *p++ = (uint8_t) (value >> (8 * i));
    }

    return p;
}


static inline uint8_t *
cdr_snapshot_put64(uint8_t *p, uint64_t value)
{
    p = cdr_snapshot_put32(p, (uint32_t) value);

    return cdr_snapshot_put32(p, (uint32_t) (value >> 32));
}


static inline uint32_t
cdr_snapshot_get32(const uint8_t **p)
{
    unsigned  i;
    uint32_t  value;

    value = 0;

    for (i = 0; i < 4; i++) {
        value |= (uint32_t) *(*p)++ << (8 * i);
    }

    return value;
}


static inline uint64_t
cdr_snapshot_get64(const uint8_t **p)
{
    uint64_t  value;

    value = cdr_snapshot_get32(p);

    return value | (uint64_t) cdr_snapshot_get32(p) << 32;
}


#endif /* CDR_SNAPSHOT_INT_H_INCLUDED */
