/* What binds the chunks of a snapshot to their file, place and key. */

#include "cdr.h"
#include "cdr_snapshot_int.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/kdf.h>


#define CDR_SNAPSHOT_NONCE_LEN  12
#define CDR_SNAPSHOT_BOUND_LEN  (CDR_SNAPSHOT_HEADER_LEN + 12)

#define CDR_SNAPSHOT_INFO       "conductor snapshot"
#define CDR_SNAPSHOT_INFO_FILE  "conductor snapshot file"


static int cdr_snapshot_hkdf(uint8_t key[CDR_SNAPSHOT_KEY_LEN],
    cdr_str_t secret, cdr_str_t salt, cdr_str_t info);
static void cdr_snapshot_bound(const cdr_snapshot_seal_t *seal,
    uint32_t word, uint8_t *dst);
static int cdr_snapshot_digest(cdr_snapshot_seal_t *seal, uint32_t word,
    const uint8_t *data, uint8_t *tag);
static int cdr_snapshot_crypt(cdr_snapshot_seal_t *seal, uint32_t word,
    uint8_t *dst, const uint8_t *data, int encrypt, uint8_t *tag);


int
cdr_snapshot_seal_init(cdr_snapshot_seal_t *seal,
    const uint8_t header[CDR_SNAPSHOT_HEADER_LEN], const uint8_t *key)
{
    cdr_str_t  salt, secret;

    cdr_str_t  info = cdr_str(CDR_SNAPSHOT_INFO_FILE);

    memset(seal, 0, sizeof(cdr_snapshot_seal_t));
    memcpy(seal->header, header, CDR_SNAPSHOT_HEADER_LEN);

    if (key == NULL) {
        seal->len = CDR_SNAPSHOT_SEAL_MAX;
        seal->digest = EVP_MD_CTX_new();

        return seal->digest ? CDR_OK : CDR_NOMEM;
    }

    seal->len = CDR_SNAPSHOT_GCM_TAG;
    seal->cipher = EVP_CIPHER_CTX_new();

    if (seal->cipher == NULL) {
        return CDR_NOMEM;
    }

    secret.data = key;
    secret.len = CDR_SNAPSHOT_KEY_LEN;
    salt.data = header + CDR_SNAPSHOT_AT_SALT;
    salt.len = CDR_SNAPSHOT_SALT_LEN;

    return cdr_snapshot_hkdf(seal->key, secret, salt, info);
}


void
cdr_snapshot_seal_free(cdr_snapshot_seal_t *seal)
{
    EVP_CIPHER_CTX_free(seal->cipher);
    EVP_MD_CTX_free(seal->digest);

    OPENSSL_cleanse(seal, sizeof(cdr_snapshot_seal_t));
}


int
cdr_snapshot_seal(cdr_snapshot_seal_t *seal, uint32_t word, uint8_t *data,
    uint8_t *tag)
{
    int  rc;

    rc = seal->cipher ? cdr_snapshot_crypt(seal, word, data, data, 1, tag)
                      : cdr_snapshot_digest(seal, word, data, tag);

    seal->index++;

    return rc;
}


int
cdr_snapshot_unseal(cdr_snapshot_seal_t *seal, uint32_t word, uint8_t *dst,
    const uint8_t *data, const uint8_t *tag)
{
    int      rc;
    uint8_t  own[CDR_SNAPSHOT_SEAL_MAX];

    if (seal->cipher) {
        memcpy(own, tag, CDR_SNAPSHOT_GCM_TAG);
        rc = cdr_snapshot_crypt(seal, word, dst, data, 0, own);

    } else {
        rc = cdr_snapshot_digest(seal, word, data, own);

        if (rc == CDR_OK && memcmp(own, tag, seal->len) != 0) {
            rc = CDR_ERROR;
        }

        if (dst != data) {
            memcpy(dst, data, word & ~CDR_SNAPSHOT_LAST);
        }
    }

    seal->index++;

    return rc;
}


int
cdr_snapshot_key(uint8_t key[CDR_SNAPSHOT_KEY_LEN], cdr_str_t secret)
{
    cdr_str_t  info = cdr_str(CDR_SNAPSHOT_INFO);
    cdr_str_t  salt = cdr_str("");

    return cdr_snapshot_hkdf(key, secret, salt, info);
}


static int
cdr_snapshot_hkdf(uint8_t key[CDR_SNAPSHOT_KEY_LEN], cdr_str_t secret,
    cdr_str_t salt, cdr_str_t info)
{
    int            rc;
    size_t         len;
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    len = CDR_SNAPSHOT_KEY_LEN;

    rc = ctx
         && EVP_PKEY_derive_init(ctx) > 0
         && EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) > 0
         && EVP_PKEY_CTX_set1_hkdf_salt(ctx, salt.data, (int) salt.len) > 0
         && EVP_PKEY_CTX_set1_hkdf_key(ctx, secret.data, (int) secret.len) > 0
         && EVP_PKEY_CTX_add1_hkdf_info(ctx, info.data, (int) info.len) > 0
         && EVP_PKEY_derive(ctx, key, &len) > 0;

    EVP_PKEY_CTX_free(ctx);

    return rc ? CDR_OK : CDR_ERROR;
}


/* What a seal is over besides the bytes: header, number, word. */

static void
cdr_snapshot_bound(const cdr_snapshot_seal_t *seal, uint32_t word,
    uint8_t *dst)
{
    memcpy(dst, seal->header, CDR_SNAPSHOT_HEADER_LEN);
    dst += CDR_SNAPSHOT_HEADER_LEN;

    dst = cdr_snapshot_put64(dst, seal->index);
    (void) cdr_snapshot_put32(dst, word);
}


static int
cdr_snapshot_digest(cdr_snapshot_seal_t *seal, uint32_t word,
    const uint8_t *data, uint8_t *tag)
{
    int      rc;
    uint8_t  bound[CDR_SNAPSHOT_BOUND_LEN];

    cdr_snapshot_bound(seal, word, bound);

    rc = EVP_DigestInit_ex(seal->digest, EVP_sha256(), NULL) > 0
         && EVP_DigestUpdate(seal->digest, bound, sizeof(bound)) > 0
         && EVP_DigestUpdate(seal->digest, data,
                             word & ~CDR_SNAPSHOT_LAST) > 0
         && EVP_DigestFinal_ex(seal->digest, tag, NULL) > 0;

    return rc ? CDR_OK : CDR_ERROR;
}


/* The key is the file's own, so the number of a chunk is a nonce. */

static int
cdr_snapshot_crypt(cdr_snapshot_seal_t *seal, uint32_t word, uint8_t *dst,
    const uint8_t *data, int encrypt, uint8_t *tag)
{
    int              rc, n;
    uint8_t          end[CDR_SNAPSHOT_GCM_TAG];
    uint8_t          nonce[CDR_SNAPSHOT_NONCE_LEN];
    uint8_t          bound[CDR_SNAPSHOT_BOUND_LEN];
    EVP_CIPHER_CTX  *ctx;

    ctx = seal->cipher;

    cdr_snapshot_bound(seal, word, bound);

    memset(nonce, 0, sizeof(nonce));
    (void) cdr_snapshot_put64(nonce, seal->index);

    rc = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, nonce,
                           encrypt) > 0
         && EVP_CipherUpdate(ctx, NULL, &n, bound, (int) sizeof(bound)) > 0
         && EVP_CipherUpdate(ctx, dst, &n, data,
                             (int) (word & ~CDR_SNAPSHOT_LAST)) > 0
         && (encrypt
             || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG,
                                    CDR_SNAPSHOT_GCM_TAG, tag) > 0)
         && EVP_CipherFinal_ex(ctx, end, &n) > 0
         && (!encrypt
             || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG,
                                    CDR_SNAPSHOT_GCM_TAG, tag) > 0);

    return rc ? CDR_OK : CDR_ERROR;
}
