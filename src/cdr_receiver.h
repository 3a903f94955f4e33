/*
 * From the bytes of a client to whole messages: frames, fragments, inflation,
 * UTF-8.  RFC 6455 sections 5 to 7, RFC 7692 section 6.2.
 *
 * A message that arrives whole is handed out where it lies.  Memory is taken
 * only for one that does not, grows with what has arrived, never with what
 * was announced, and is given back with its end.  A compressed message is
 * kept as it came and inflated when it is complete, so that an unfinished one
 * costs what the client sent and no inflater.
 */

#ifndef CDR_RECEIVER_H_INCLUDED
#define CDR_RECEIVER_H_INCLUDED


#include "cdr.h"
#include "cdr_codes.h"
#include "cdr_deflate.h"
#include "cdr_utf8.h"
#include "cdr_ws.h"


/* What is inflated into; one serves all receivers of a process. */

typedef struct {
    cdr_inflater_t        *inflater;    /* made at the first need */
    uint8_t               *data;
    size_t                 size;
} cdr_inflated_t;


typedef struct {
    cdr_ws_limits_t        ws;          /* max_message also caps inflation */
    bool                   binary;      /* else only text is taken */
    const cdr_alloc_t     *alloc;
    cdr_inflated_t        *inflated;    /* shared; needed with ws.deflate */
} cdr_receiver_conf_t;


typedef struct cdr_partial_s  cdr_partial_t;


/* Zeroed by cdr_receiver_init(); 56 bytes of a connection. */

typedef struct {
    cdr_ws_parser_t        parser;
    cdr_partial_t         *partial;     /* a message or control frame of which
                                           more is to come, else NULL */
} cdr_receiver_t;


typedef enum {
    CDR_RECEIVED_MESSAGE,
    CDR_RECEIVED_PING,
    CDR_RECEIVED_PONG,
    CDR_RECEIVED_CLOSE
} cdr_received_type_e;


typedef struct {
    cdr_received_type_e    type;
    uint8_t                opcode;      /* of a message: text or binary */
    uint8_t               *data;        /* of a message, ping or pong: valid
                                           until the next call, of any receiver
                                           that shares conf->inflated */
    size_t                 len;
    uint16_t               code;        /* of a close: 1005 if it had none;
                                           of CDR_ERROR: to close with */
    const char            *reason;      /* of CDR_ERROR: why */
} cdr_received_t;


void cdr_receiver_init(cdr_receiver_t *r);

/* Gives back all memory; the receiver can be used no further. */

void cdr_receiver_free(cdr_receiver_t *r, const cdr_receiver_conf_t *conf);

/* True inside a frame of which more is to come. */

bool cdr_receiver_in_frame(const cdr_receiver_t *r);

/*
 * Consumes bytes up to the next message or control frame.  The input is
 * unmasked in place and has to stay until the next call.
 *
 * CDR_OK: "ev" is filled, "used" bytes were consumed; call again with the
 * rest, also if that is none.  CDR_AGAIN: all was consumed.  CDR_ERROR: the
 * connection must fail with ev->code (1002, 1003, 1007, 1009) and ev->reason.
 * CDR_NOMEM: there is no memory for what arrived.  After the last two nothing
 * may follow but cdr_receiver_free().
 */

int cdr_receiver_feed(cdr_receiver_t *r, const cdr_receiver_conf_t *conf,
    uint8_t *buf, size_t len, size_t *used, cdr_received_t *ev);


/*
 * Gives back what an unusually large message left behind; "keep" bytes may
 * stay.  Between two calls of cdr_receiver_feed(), when its data is done with.
 */

void cdr_inflated_shrink(cdr_inflated_t *inflated, const cdr_alloc_t *alloc,
    size_t keep);

void cdr_inflated_free(cdr_inflated_t *inflated, const cdr_alloc_t *alloc);


#endif /* CDR_RECEIVER_H_INCLUDED */
