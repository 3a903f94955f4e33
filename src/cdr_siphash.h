/*
 * SipHash-2-4 with a 64-bit result: the keyed hash behind every table whose
 * keys come from the wire, so that nobody outside can choose collisions.
 */

#ifndef CDR_SIPHASH_H_INCLUDED
#define CDR_SIPHASH_H_INCLUDED


#include "cdr.h"


#define CDR_SIPHASH_KEY_LEN  16


/*
 * Hashes "len" bytes at "data" (NULL is fine if len is 0) under a secret key
 * of 16 bytes.  The result does not depend on the machine's byte order.
 */

uint64_t cdr_siphash(const uint8_t key[CDR_SIPHASH_KEY_LEN], const void *data,
    size_t len);


#endif /* CDR_SIPHASH_H_INCLUDED */
