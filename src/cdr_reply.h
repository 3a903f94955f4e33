/*
 * What the server says to one client: welcome, ack, error, pong, resumed.
 *
 * Each function writes one JSON object to "dst" and returns its length; with
 * "dst" NULL it only returns the length.  Strings are plain UTF-8 and are
 * escaped here, but for "id", which is canonical JSON as the command parser
 * gives it, and is left out where its data is NULL.  Other strings whose data
 * is NULL are written as null.
 */

#ifndef CDR_REPLY_H_INCLUDED
#define CDR_REPLY_H_INCLUDED


#include "cdr.h"
#include "cdr_codes.h"


/* The limits a client should know; one that is 0 is off and left out. */

typedef struct {
    uint64_t       messages;        /* in each window of */
    uint64_t       per;             /* milliseconds; goes with the two */
    uint64_t       bytes;           /* in each such window */
    uint64_t       max_message;     /* bytes */
    uint64_t       max_queue;       /* bytes */
} cdr_reply_limits_t;


typedef struct {
    cdr_str_t           connection;
    cdr_str_t           message;
    uint64_t            timestamp;  /* Unix milliseconds */
    cdr_str_t           user;
    cdr_str_t           role;
    cdr_str_t           server;
    cdr_str_t           last_event;
    uint64_t            ping;       /* milliseconds */
    cdr_reply_limits_t  limits;
} cdr_reply_welcome_t;


size_t cdr_reply_welcome(uint8_t *dst, const cdr_reply_welcome_t *w);


/*
 * "extra" is the inside of a JSON object, without braces, that the command
 * answers; empty if there is none.
 */
size_t cdr_reply_ack(uint8_t *dst, cdr_str_t id, cdr_str_t extra);


/* The name of an error code CDR_ERR_...; a constant. */
cdr_str_t cdr_reply_code(unsigned code);


/* "code" is the name of an error code, "error" a sentence. */
size_t cdr_reply_error(uint8_t *dst, cdr_str_t code, cdr_str_t error,
    cdr_str_t id);


/* The error of a client over its rate, which may go on in "retry" ms. */
size_t cdr_reply_rate_limited(uint8_t *dst, uint64_t retry, cdr_str_t id);


size_t cdr_reply_pong(uint8_t *dst, cdr_str_t id, uint64_t timestamp,
    cdr_str_t last_event);


/* "reason" is left out where its data is NULL, as it is after recovery. */
size_t cdr_reply_resumed(uint8_t *dst, bool recovered, uint64_t count,
    cdr_str_t last_event, cdr_str_t reason);


#endif /* CDR_REPLY_H_INCLUDED */
