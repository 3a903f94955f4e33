/*
 * The header fields of a WebSocket opening handshake: RFC 6455, section 4.2.
 *
 * Nothing here allocates or keeps what it was given.  Values are as an HTTP
 * parser leaves them: without the white space around them.  A field that came
 * in several lines is given line by line.
 */

#ifndef CDR_HANDSHAKE_H_INCLUDED
#define CDR_HANDSHAKE_H_INCLUDED


#include "cdr.h"


#define CDR_WS_KEY_LEN      24      /* a Sec-WebSocket-Key */
#define CDR_WS_ACCEPT_LEN   28      /* a Sec-WebSocket-Accept */

/* A client that offers more subprotocols than this is refused. */

#define CDR_WS_SUBPROTOCOLS_MAX  32


/*
 * What a client offered in Sec-WebSocket-Protocol.  The caller zeroes it
 * before the first line.  Strings point into the values that were given.
 */

typedef struct {
    bool       conductor;   /* the wanted protocol is among the offers */
    cdr_str_t  bearer;      /* what follows "bearer."; data is NULL: none */
    size_t     count;       /* entries so far, the bearer entry included */
    cdr_str_t  entries[CDR_WS_SUBPROTOCOLS_MAX];
} cdr_ws_subprotocols_t;


/* True if the two are equal but for the case of ASCII letters. */

bool cdr_str_ieq(cdr_str_t a, cdr_str_t b);


/* True if the character may stand in a token (RFC 9110, section 5.6.2). */

bool cdr_is_tchar(uint8_t ch);


/*
 * True if the comma-separated list "value" has "token" as a member, without
 * regard to case (RFC 9110, section 5.6.1).  Empty members are skipped; only
 * a whole member counts: "websocket/13" is not "websocket".
 */

bool cdr_list_has(cdr_str_t value, cdr_str_t token);


/*
 * Checks a Sec-WebSocket-Key: the base64 form of 16 octets (RFC 6455, section
 * 4.2.1, item 5), that is 22 characters of the alphabet and "==".  The four
 * bits of the last character that decode to nothing may have any value, as
 * RFC 4648, section 3.5, leaves to a decoder: the key is still one of 16
 * octets, and only its text goes into the answer.
 *
 * Returns CDR_OK or CDR_ERROR.
 */

int cdr_ws_key_check(cdr_str_t key);


/*
 * Writes the Sec-WebSocket-Accept for a key that passed cdr_ws_key_check()
 * (RFC 6455, section 4.2.2, item 5.4): 28 characters, no NUL.
 *
 * Returns CDR_OK, or CDR_ERROR if libcrypto cannot compute a SHA-1 (it has no
 * memory, or a policy forbids the digest) or the key is of another length;
 * "dst" is then undefined.
 */

int cdr_ws_accept(cdr_str_t key, uint8_t dst[CDR_WS_ACCEPT_LEN]);


/*
 * Checks a Sec-WebSocket-Version (RFC 6455, sections 4.2.1, item 6, and 4.3).
 *
 * Returns CDR_OK for 13; CDR_DECLINED for any other number from 0 to 255
 * without leading zeros, which is to be answered with 426; CDR_ERROR for what
 * is no version, a list of them included.
 */

int cdr_ws_version_check(cdr_str_t version);


/*
 * Takes the next entry from a Sec-WebSocket-Protocol value (RFC 6455, section
 * 11.3.4: a list of tokens, none of them empty).  "rest" is the value at
 * first and is advanced by each call.
 *
 * Returns CDR_OK with the entry in "entry"; CDR_DECLINED at the end of the
 * list; CDR_ERROR if the entry is empty, as that of an empty value is, or not
 * a token (RFC 9110, section 5.6.2), after which "rest" must not be used.
 */

int cdr_ws_subprotocol_next(cdr_str_t *rest, cdr_str_t *entry);


/*
 * Adds one Sec-WebSocket-Protocol line to "out", noting whether "wanted" was
 * offered (names of subprotocols are compared with regard to case) and the
 * token in an entry "bearer.<token>".
 *
 * Returns CDR_OK, or CDR_ERROR if the line is malformed, an entry is empty or
 * was already given (RFC 6455, section 4.1, item 10), a bearer entry has no
 * token or is the second one, or there are more than
 * CDR_WS_SUBPROTOCOLS_MAX entries; "out" is then undefined.
 */

int cdr_ws_subprotocols(cdr_str_t value, cdr_str_t wanted,
    cdr_ws_subprotocols_t *out);


#endif /* CDR_HANDSHAKE_H_INCLUDED */
