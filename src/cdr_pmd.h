/*
 * Negotiation of permessage-deflate: RFC 7692, section 7.1.
 *
 * We never take context over, in either direction, and say so in every
 * answer: one compressed frame then serves all clients, and a client costs no
 * compression state between its messages.
 */

#ifndef CDR_PMD_H_INCLUDED
#define CDR_PMD_H_INCLUDED


#include "cdr.h"


/* The longest value that cdr_pmd_response() writes. */

#define CDR_PMD_RESPONSE_MAX  128

#define CDR_PMD_BITS_MAX      15      /* of a window: 32 KB */


/* What was agreed.  All zeroes: no compression. */

typedef struct {
    bool     on;
    bool     server_bits_offered;       /* to be named in the answer */
    bool     client_bits_offered;       /* with a value: likewise */
    uint8_t  server_max_window_bits;    /* 8 to 15, of what we send */
    uint8_t  client_max_window_bits;    /* 8 to 15, of what we receive */
} cdr_pmd_t;


/*
 * Walks the offers of one Sec-WebSocket-Extensions line in the client's order
 * of preference and takes the first permessage-deflate offer that we can
 * serve.  An offer with an unknown, repeated or wrongly valued parameter is
 * passed over (RFC 7692, section 7.1), and so are other extensions and empty
 * list members.
 *
 * The caller zeroes "pmd" before the first line and calls for each line.  Once
 * an offer is taken, later lines (and the rest of the line) are only checked
 * for their syntax, so that it makes no difference how a client splits them.
 *
 * Returns CDR_OK if an offer is taken, by this line or one before;
 * CDR_DECLINED if there is none so far, "pmd" unchanged; CDR_ERROR if the
 * line is not an extension list (RFC 6455, section 9.1), for which the
 * handshake must fail; "pmd" is then undefined.
 */

int cdr_pmd_negotiate(cdr_str_t value, cdr_pmd_t *pmd);


/*
 * The value of the Sec-WebSocket-Extensions field that accepts the offer.
 *
 * Returns its length, at most CDR_PMD_RESPONSE_MAX; 0 if "pmd" is not on.
 * Writes it, without a NUL, if "size" has room for all of it, else nothing;
 * "dst" may be NULL if "size" is 0.
 */

size_t cdr_pmd_response(const cdr_pmd_t *pmd, uint8_t *dst, size_t size);


/*
 * True if a message of "len" octets may be sent to this client as our 15-bit
 * stream compresses it.
 */

bool cdr_pmd_may_compress(const cdr_pmd_t *pmd, size_t len);


/*
 * True if that needs no more than a window of so many bits: all do with 15,
 * and with less those that are no longer than the window, since no distance
 * in a message can reach back further than its length.
 */

bool cdr_pmd_fits(uint8_t bits, size_t len);


#endif /* CDR_PMD_H_INCLUDED */
