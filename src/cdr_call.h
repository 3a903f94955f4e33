/*
 * What a back end is called with: a JSON object that says of which client it
 * is, and what it did.
 *
 * All are written twice: with the output's "dst" NULL only their length is
 * counted.
 */

#ifndef CDR_CALL_H_INCLUDED
#define CDR_CALL_H_INCLUDED


#include "cdr.h"
#include "cdr_json.h"


/* X(symbol, kind) */

#define CDR_CALL_KINDS(X)                                                     \
    X(CDR_CALL_CONNECT,     "connect")                                        \
    X(CDR_CALL_MESSAGE,     "message")                                        \
    X(CDR_CALL_DISCONNECT,  "disconnect")                                     \
    X(CDR_CALL_PRESENCE,    "presence")


#define CDR_X_CALL_ENUM(symbol, kind)  symbol,

typedef enum { CDR_CALL_KINDS(CDR_X_CALL_ENUM) CDR_CALL_N } cdr_call_kind_e;


/* Strings are plain; an empty user or role is written as null. */

typedef struct {
    cdr_call_kind_e   kind;
    cdr_str_t         id;               /* unique, the same when repeated */
    cdr_str_t         hub;
    cdr_str_t         server;
    cdr_str_t         connection;
    cdr_str_t         user;
    cdr_str_t         role;
    cdr_str_t         address;
    uint64_t          timestamp;        /* Unix, ms */
} cdr_call_t;


/* The name of a kind, a constant. */
cdr_str_t cdr_call_kind(cdr_call_kind_e kind);

/*
 * Appends the object without its end: members follow, each after a comma, and
 * a brace.
 */
void cdr_call_put(cdr_json_out_t *out, const cdr_call_t *call);

/* The members of a disconnect, with the brace. */
void cdr_call_put_disconnect(cdr_json_out_t *out, cdr_str_t reason,
    uint32_t code, uint64_t duration_ms);

/* Those of presence, likewise. */
void cdr_call_put_presence(cdr_json_out_t *out, const cdr_call_t *call,
    cdr_str_t status, cdr_str_t feature);


#endif /* CDR_CALL_H_INCLUDED */
