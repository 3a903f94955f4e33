/*
 * What a back end is told of a client that has said something or comes, and
 * what it answers.  An answer is a JSON object of members that may each be
 * missing; others are ignored.
 */

#ifndef CDR_BACKEND_H_INCLUDED
#define CDR_BACKEND_H_INCLUDED


#include "cdr.h"
#include "cdr_call.h"
#include "cdr_command.h"
#include "cdr_json.h"


#define CDR_BACKEND_REASON_MAX   123    /* bytes, RFC 6455 section 5.5 */
#define CDR_BACKEND_NAME_MAX     255    /* of a user, and of all roles */


/* Members of an answer; "data" NULL: it has none. */

typedef struct {
    cdr_str_t            ack;           /* any value */
    cdr_json_type_e      ack_type;
    cdr_str_t            emit;          /* an object, or an array */
    cdr_str_t            publish;       /* likewise */
    cdr_str_t            subscribe;     /* a string, an object or an array */
    cdr_str_t            unsubscribe;   /* a string or an array */

    bool                 identity;      /* with what is set of these: */
    cdr_str_t            user;          /* plain */
    cdr_str_t            role;          /* plain; comma-joined */
    int64_t              expires;       /* Unix seconds; -1: not said */

    unsigned             close;         /* code, 0: no */

    const char          *error;         /* after CDR_ERROR, a sentence */

    uint8_t              user_buf[CDR_BACKEND_NAME_MAX];
    uint8_t              role_buf[CDR_BACKEND_NAME_MAX];
    char                 reason[CDR_BACKEND_REASON_MAX + 1];
} cdr_backend_answer_t;


/* Whether messages of this type are the hub's own, whoever else wants them. */
bool cdr_backend_own(cdr_str_t type);


/*
 * What a client's message is told as: the call, "message" with the object that
 * came but for "id", "key" and "token", and "sessionId" if there is one.
 * Returns the length; with "dst" NULL it only returns the length.
 */
size_t cdr_backend_message(uint8_t *dst, const cdr_call_t *call,
    const cdr_command_t *cmd, cdr_str_t session);


/* The same for a new client: "protocol" and "lastEventId". */
size_t cdr_backend_connect(uint8_t *dst, const cdr_call_t *call,
    cdr_str_t protocol, cdr_str_t last_event);


/*
 * Reads an answer, which stays where it is as long as the result is used.
 * CDR_OK, also for an empty text; CDR_ERROR with a sentence in "error" if it
 * is no object, or one of the members above is not as it has to be.
 */
int cdr_backend_answer(cdr_backend_answer_t *a, cdr_str_t text);


/*
 * A list of one value, or of the items of an array, and the next item of it:
 * CDR_OK, or CDR_DECLINED at the end.  "list" is used up.
 */
cdr_str_t cdr_backend_list(cdr_str_t value);
int cdr_backend_next(cdr_str_t *list, cdr_str_t *item, cdr_json_type_e *type);


/*
 * The inside of the ack's object: the members of an object but "type" and
 * "id", or a value of another type as "data".  Returns the length; as above.
 */
size_t cdr_backend_ack(uint8_t *dst, const cdr_backend_answer_t *a);


/*
 * A message for one client: the members of an object, with a timestamp of the
 * hub.  Returns the length; as above.
 */
size_t cdr_backend_emit(uint8_t *dst, const cdr_json_member_t *members,
    size_t n, uint64_t timestamp);


#endif /* CDR_BACKEND_H_INCLUDED */
