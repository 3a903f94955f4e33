/*
 * Compression of single WebSocket messages: RFC 7692, sections 7.2.1, 7.2.2.
 *
 * Both streams are zlib's, raw, with a window of 15 bits, and start afresh
 * with each message.  All memory is taken by _new(), none later.
 */

#ifndef CDR_DEFLATE_H_INCLUDED
#define CDR_DEFLATE_H_INCLUDED


#include "cdr.h"


/* About 270 KB.  Serves any number of clients, one message after another. */

typedef struct cdr_deflater_s  cdr_deflater_t;

/* About 40 KB.  Serves one message at a time. */

typedef struct cdr_inflater_s  cdr_inflater_t;


/*
 * Makes a deflater of a level from 1 to 9.  "alloc" is copied; its ctx must
 * outlive the deflater.
 *
 * Returns NULL if there is no memory or no such level.  The caller owns the
 * result; _del() accepts NULL.
 */

cdr_deflater_t *cdr_deflater_new(const cdr_alloc_t *alloc, int level);
void cdr_deflater_del(cdr_deflater_t *d);


/* Room with which cdr_deflate() of "len" octets cannot run out of it. */

size_t cdr_deflate_bound(size_t len);


/*
 * Compresses one whole message: the payload as it stands in a frame with RSV1
 * set, that is without the 00 00 FF FF at the end.  An empty message becomes
 * a single 00.
 *
 * Returns CDR_OK with the length in "outlen"; CDR_TOOBIG if "size" is too
 * small, which must be at least 5 octets above the result; CDR_ERROR never,
 * unless zlib is broken.  Not having the room is cheap: a caller that wants
 * to compress only for a gain gives the length of the message as "size".
 * The deflater is ready for the next message in each case.
 */

int cdr_deflate(cdr_deflater_t *d, const uint8_t *in, size_t len,
    uint8_t *out, size_t size, size_t *outlen);


/*
 * Makes an inflater, ready for a message.  "alloc" is copied; its ctx must
 * outlive the inflater.
 *
 * Returns NULL if there is no memory.  The caller owns the result; _del()
 * accepts NULL.
 */

cdr_inflater_t *cdr_inflater_new(const cdr_alloc_t *alloc);
void cdr_inflater_del(cdr_inflater_t *inf);


/*
 * Forgets a message that was not finished.  Of it, as of every former
 * message, nothing can be referred to by the next one.
 */

void cdr_inflater_reset(cdr_inflater_t *inf);


/*
 * Inflates a piece of a message.  "last" says that the message ends with this
 * piece, which may be empty; the 00 00 FF FF is added here.  The number of
 * octets taken from "in" is stored in "used", of those written to "out" in
 * "outlen", in each case.  The octets written before are not looked at again:
 * "out" may be another buffer with each call.
 *
 * Returns CDR_OK if the piece is used up; with "last" the message is then
 * complete and the inflater ready for the next one, without it more output of
 * this piece may come with the next one.  Returns CDR_AGAIN if "out" is full
 * and something must still be written: call again with the rest of "in", be
 * it empty, and the same "last".  Returns CDR_ERROR if this is not a DEFLATE
 * stream or the message ends inside a block; what was written is of no use,
 * and every call says so until cdr_inflater_reset().
 *
 * A block with BFINAL set is legal anywhere: the next block follows at the
 * next octet and may refer to what came before (RFC 7692, sections 7.2.1 and
 * 7.2.3.4).  A message that ends before the first octet, or with such a
 * block, lacks its empty block but is taken as complete.
 *
 * How large a message may become is the caller's to bound: with "size" no
 * larger than what is still allowed, 0 included, CDR_AGAIN after the last
 * octet of that means that it is exceeded.
 */

int cdr_inflate(cdr_inflater_t *inf, const uint8_t *in, size_t len,
    size_t *used, bool last, uint8_t *out, size_t size, size_t *outlen);


#endif /* CDR_DEFLATE_H_INCLUDED */
