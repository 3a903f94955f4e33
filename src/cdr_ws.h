/*
 * WebSocket framing for a server (RFC 6455, section 5): a parser of the frames
 * that a client sends and an encoder of those that it gets.
 *
 * Neither allocates or does I/O.  The parser takes input in any pieces, keeps
 * 48 bytes per connection, and refuses what is wrong at the byte that decides.
 */

#ifndef CDR_WS_H_INCLUDED
#define CDR_WS_H_INCLUDED


#include "cdr.h"


/* The first byte of a frame (RFC 6455, 5.2; RFC 7692, 6). */

#define CDR_WS_FIN          0x80
#define CDR_WS_RSV1         0x40    /* the message is compressed */
#define CDR_WS_OPCODE       0x0f

#define CDR_WS_OP_CONT      0x0
#define CDR_WS_OP_TEXT      0x1
#define CDR_WS_OP_BINARY    0x2
#define CDR_WS_OP_CONTROL   0x8     /* the bit of control frames */
#define CDR_WS_OP_CLOSE     0x8
#define CDR_WS_OP_PING      0x9
#define CDR_WS_OP_PONG      0xa

/* In the second byte: the length stands in so many bits behind it. */

#define CDR_WS_LENGTH_16    126
#define CDR_WS_LENGTH_64    127

/* Sizes in bytes. */

#define CDR_WS_HEADER_MAX   10     /* of a frame to a client: unmasked */
#define CDR_WS_CONTROL_MAX  125    /* payload of a control frame */
#define CDR_WS_REASON_MAX   123    /* reason in a close frame */


/*
 * What a connection allows.  Not stored: passed with each call, so that
 * thousands of connections share one.
 */

typedef struct {
    uint64_t  max_message;      /* bytes of payload as on the wire, that is,
                                   before inflating; 0 allows only empty ones */
    uint32_t  max_fragments;    /* frames of a message; 0 is unlimited */
    bool      deflate;          /* permessage-deflate was negotiated */
    uint64_t  max_compressed;   /* the same for a compressed message, where
                                   this is the larger: what does not compress
                                   grows by some bytes */
} cdr_ws_limits_t;


/* The state of a connection's input.  Opaque. */

typedef struct {
    uint64_t  rest;             /* payload of the frame still to come */
    uint64_t  size;             /* payload of the message announced so far */
    uint32_t  frames;           /* frames of the message so far */
    uint8_t   mask[4];          /* turned to the next byte of payload */
    uint8_t   head[14];         /* a header that the input's end cut */
    uint8_t   nhead;            /* bytes of it */
    uint8_t   frame;            /* first byte of the current frame */
    uint8_t   message;          /* first byte of the open message, or 0 */
    bool      payload;          /* inside a frame, behind its header */
    bool      message_begun;    /* a piece of the message was reported */
    bool      control_begun;    /* a piece of the control frame was reported */
} cdr_ws_parser_t;

_Static_assert(sizeof(cdr_ws_parser_t) <= 48, "a parser outgrew its 48 bytes");


typedef enum {
    CDR_WS_DATA,                /* a piece of a message */
    CDR_WS_PING,                /* a piece of a control frame */
    CDR_WS_PONG,
    CDR_WS_CLOSE
} cdr_ws_type_e;


/*
 * What was parsed.  Pieces of a message come in order, those of a control
 * frame too; a control frame may come between two pieces of a message, with
 * "first" and "last" of its own.
 */

typedef struct {
    cdr_ws_type_e   type;
    uint8_t         opcode;     /* the message's (text, binary), or the control
                                   frame's */
    bool            first;      /* the first piece of the message or frame */
    bool            last;       /* it is complete with this piece */
    bool            compressed; /* the message is compressed: RSV1 */
    uint16_t        code;       /* of CDR_ERROR: the close code */
    cdr_str_t       reason;     /* of CDR_ERROR: a short static text */
    uint8_t        *data;       /* the payload, unmasked; inside the input */
    size_t          len;        /* its length; 0 only with "last" */
} cdr_ws_event_t;


/* Makes a parser ready for the first byte behind the handshake. */

void cdr_ws_parser_init(cdr_ws_parser_t *p);


/*
 * Parses buf up to and including the next event.  Needs buf writable: payload
 * is unmasked in place.  *used is set in each case.
 *
 * CDR_OK     *ev is an event and *used how many bytes were consumed, 1 or
 *            more.  Call again with the rest.
 * CDR_AGAIN  all input was consumed (*used == len) without an event; *ev is
 *            not valid.  Also for len == 0, where buf may be NULL.
 * CDR_ERROR  the input is wrong: ev->code is 1002 or 1009, ev->reason says
 *            why; nothing else in *ev is valid.  *used is len: what follows
 *            cannot be read.  Do not call again.
 *
 * A message or control frame is reported in as many pieces as the input has;
 * a control frame that is whole in buf is one event.  An empty frame is an
 * event only if it ends something.  What follows a close frame is for the
 * caller to ignore (5.5.1), and so is text for the caller to check (8.1).
 *
 * Refused with 1002: a wrong first byte (reserved bit or opcode, fragmented
 * control frame, continuation without a message, message inside a message),
 * an unmasked frame (5.1), a control frame over 125 bytes (5.5), a length
 * not in its shortest form or with its top bit set (5.2).  Refused with 1009
 * (10.4): a frame whose announced length takes the message over max_message,
 * at the byte that completes the length; a frame beyond max_fragments, at its
 * first byte.
 */

int cdr_ws_parse(cdr_ws_parser_t *p, const cdr_ws_limits_t *l, uint8_t *buf,
    size_t len, size_t *used, cdr_ws_event_t *ev);


/*
 * Takes the whole payload of a close frame apart (5.5.1, 7.4).  p may be NULL
 * if len is 0.
 *
 * CDR_OK     *code is the client's, 1005 if it gave none; *reason points into
 *            p and may be empty
 * CDR_ERROR  *code is the one to close with: 1002 if the payload is one byte
 *            or over 125, or its code may not be on the wire, 1007 if the
 *            reason is not UTF-8; *reason is empty
 */

int cdr_ws_close_parse(const uint8_t *p, size_t len, uint16_t *code,
    cdr_str_t *reason);


/*
 * True for the close codes that may be sent (7.4 and the IANA registry): 1000
 * to 1003, 1007 to 1014, 3000 to 4999.
 */

bool cdr_ws_close_code_valid(uint16_t code);


/*
 * Writes the header of an unmasked frame with "len" bytes of payload, in its
 * shortest form.  "first" is the first byte: flags and opcode.  "len" is less
 * than 2^63.  Returns the header's length, at most CDR_WS_HEADER_MAX.
 */

size_t cdr_ws_header(uint8_t dst[CDR_WS_HEADER_MAX], uint8_t first,
    uint64_t len);


/* Returns how many bytes cdr_ws_header() will write. */

size_t cdr_ws_header_size(uint64_t len);


/*
 * How many frames that are no control frames end in the first "len" bytes of
 * frames written with cdr_ws_header().
 */

size_t cdr_ws_messages(const uint8_t *p, size_t len);


/*
 * Writes a whole close frame and returns its length.  "code" is one that may
 * be sent; "reason" is UTF-8, and over 123 bytes it is cut between two
 * characters.  Code 1005 writes a frame without code and reason, the answer
 * to one that had none (5.5.1).
 */

size_t cdr_ws_close_frame(uint8_t dst[2 + CDR_WS_CONTROL_MAX], uint16_t code,
    cdr_str_t reason);


#endif /* CDR_WS_H_INCLUDED */
