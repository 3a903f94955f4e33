/* The commands of clients: what a text message says, and who is to answer. */

#ifndef CDR_COMMAND_H_INCLUDED
#define CDR_COMMAND_H_INCLUDED


#include "cdr.h"
#include "cdr_codes.h"
#include "cdr_json.h"


#define CDR_COMMAND_MAX_DEPTH    32
#define CDR_COMMAND_MAX_MEMBERS  64

/* characters, not bytes, of "type", "id" and "key" */
#define CDR_COMMAND_MAX_TEXT     64

/* their bytes: at most 4 in UTF-8, and 6 in canonical JSON (\u001f) */
#define CDR_COMMAND_TEXT_LEN     (CDR_COMMAND_MAX_TEXT * 4)
#define CDR_COMMAND_ID_LEN       (CDR_COMMAND_MAX_TEXT * 6 + 2)


/* What a client can ask for.  X(symbol, name) */

#define CDR_COMMAND_TYPES(X)                                                  \
    X(CDR_COMMAND_OTHER,            "other") /* for a back end, or unknown */ \
    X(CDR_COMMAND_AGENT,            "agent") /* agent:NAME */                 \
    X(CDR_COMMAND_AUTH,             "auth")                                   \
    X(CDR_COMMAND_PING,             "ping")                                   \
    X(CDR_COMMAND_PRESENCE_UPDATE,  "presence-update")                        \
    X(CDR_COMMAND_PUBLISH,          "publish")                                \
    X(CDR_COMMAND_RESUME,           "resume")                                 \
    X(CDR_COMMAND_SUBSCRIBE,        "subscribe")                              \
    X(CDR_COMMAND_UNSUBSCRIBE,      "unsubscribe")


#define CDR_X_COMMAND_ENUM(symbol, name)  symbol,

typedef enum {
    CDR_COMMAND_TYPES(CDR_X_COMMAND_ENUM)
    CDR_COMMAND_N
} cdr_command_type_e;


/*
 * A command.  Its strings point into the message and into the struct itself:
 * it is valid as long as both stay where they are.
 */

typedef struct {
    cdr_command_type_e   type;
    cdr_str_t            name;          /* "type", plain */
    cdr_str_t            agent;         /* NAME of agent:NAME, plain */
    cdr_str_t            id;            /* canonical JSON; data NULL: none */
    cdr_str_t            key;           /* plain; data NULL: none */

    size_t               nmembers;
    cdr_json_member_t    members[CDR_COMMAND_MAX_MEMBERS];

    /* after CDR_ERROR: for the answer, which also carries "id" */
    unsigned             code;          /* CDR_ERR_BAD_JSON, _BAD_MESSAGE */
    cdr_str_t            error;         /* a sentence */

    uint8_t              name_buf[CDR_COMMAND_TEXT_LEN];
    uint8_t              key_buf[CDR_COMMAND_TEXT_LEN];
    uint8_t              id_buf[CDR_COMMAND_ID_LEN];
} cdr_command_t;


/*
 * Reads a message.  Returns CDR_OK, or CDR_ERROR with "code" and "error":
 * BAD_JSON if it is not an object in JSON or nested deeper than
 * CDR_COMMAND_MAX_DEPTH, BAD_MESSAGE if it has more than
 * CDR_COMMAND_MAX_MEMBERS members, or its "type" (a string of 1 to 64
 * characters), "id" (a string or number of at most 64) or "key" (a string of
 * at most 64) is not as it has to be.  After CDR_ERROR "id" is still set where
 * it could be read.
 */
int cdr_command_parse(cdr_command_t *cmd, cdr_str_t text);


/* The member of that name, or NULL. */
const cdr_json_member_t *cdr_command_member(const cdr_command_t *cmd,
    cdr_str_t name);


/*
 * A string member, plain.  It points into the message, or into "buf" of
 * "max" bytes if it had to be decoded.  Returns CDR_OK; CDR_DECLINED if the
 * member is missing or null; CDR_ERROR if it is no string; CDR_TOOBIG if it is
 * longer than "max" bytes.
 */
int cdr_command_string(const cdr_command_t *cmd, cdr_str_t name, uint8_t *buf,
    size_t max, cdr_str_t *value);


/*
 * An integer member.  Returns CDR_OK; CDR_DECLINED if it is missing or null;
 * CDR_ERROR if it is anything else, a real such as 1e3 included.
 */
int cdr_command_integer(const cdr_command_t *cmd, cdr_str_t name,
    int64_t *value);


/*
 * A member of that type as it came.  Returns CDR_OK; CDR_DECLINED if it is
 * missing or null; CDR_ERROR if it is of another type.
 */
int cdr_command_raw(const cdr_command_t *cmd, cdr_str_t name,
    cdr_json_type_e type, cdr_str_t *value);


#endif /* CDR_COMMAND_H_INCLUDED */
