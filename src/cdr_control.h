/*
 * What the servers of a hub are told to do, as text: a JSON object whose
 * member "do" says what.
 *
 *     {"do":"disconnect","id":"conn_..."}
 *     {"do":"revoke","kind":"user","hash":"32 hex digits","until":0}
 *     {"do":"drain","server":"NAME","on":true}
 *
 * Members that are not known are left alone, so that a newer server may say
 * more than an older one reads.
 */

#ifndef CDR_CONTROL_H_INCLUDED
#define CDR_CONTROL_H_INCLUDED


#include "cdr.h"
#include "cdr_revoke.h"


#define CDR_CONTROL_NAME_MAX   255      /* bytes of an id or a server's name */
#define CDR_CONTROL_FIELD_LEN  37       /* the longest name of a revocation */


typedef enum {
    CDR_CONTROL_DISCONNECT = 0,
    CDR_CONTROL_REVOKE,
    CDR_CONTROL_DRAIN
} cdr_control_kind_e;


typedef struct {
    cdr_control_kind_e    kind;
    cdr_str_t             name;         /* plain: the connection's id, or the
                                           server's name */
    cdr_revoke_kind_t     revoked;
    uint64_t              hash[2];
    uint64_t              until_ms;     /* Unix; 0: lifted */
    bool                  on;           /* drain, or take that back */
} cdr_control_t;


/*
 * The text; returns its bytes, which are not written to NULL.  What it is not
 * about need not be set.
 */
size_t cdr_control_print(uint8_t *dst, const cdr_control_t *control);


/*
 * CDR_OK; CDR_DECLINED: an object that says something else; CDR_ERROR: no
 * object, or a member that is needed is missing or wrong.  "name" is decoded
 * to the caller's memory at "buf".
 */
int cdr_control_parse(cdr_control_t *control, cdr_str_t text,
    uint8_t buf[CDR_CONTROL_NAME_MAX]);


/*
 * The name of a revocation, "user:" or "jti:" and the hash as hex digits.
 * Returns its bytes, of at most CDR_CONTROL_FIELD_LEN; and back: CDR_OK or
 * CDR_ERROR.
 */
size_t cdr_control_field(uint8_t *dst, cdr_revoke_kind_t kind,
    const uint64_t hash[2]);
int cdr_control_field_parse(cdr_str_t text, cdr_revoke_kind_t *kind,
    uint64_t hash[2]);


#endif /* CDR_CONTROL_H_INCLUDED */
