/*
 * Lines of the audit log: one JSON object each, whatever the strings in it
 * are.
 *
 * What is no UTF-8 becomes U+FFFD.  Escaped is what JSON wants escaped, and
 * all that would break a line or change how it is shown: control characters
 * of ASCII and ISO 6429, line and paragraph separators, and characters that
 * are not seen or turn the direction of text.
 */

#ifndef CDR_AUDIT_H_INCLUDED
#define CDR_AUDIT_H_INCLUDED


#include "cdr.h"


#define CDR_AUDIT_LINE  8192        /* bytes of the longest line */
#define CDR_AUDIT_TEXT  1536        /* and of the longest string, escaped */


/* What is told.  X(symbol, name) */

#define CDR_AUDIT_KINDS(X)                                                    \
    X(CDR_AUDIT_CONNECT,       "connect")                                     \
    X(CDR_AUDIT_REFUSE,        "refuse")                                      \
    X(CDR_AUDIT_AUTHENTICATE,  "authenticate")                                \
    X(CDR_AUDIT_DISCONNECT,    "disconnect")                                  \
    X(CDR_AUDIT_PUBLISH,       "publish")                                     \
    X(CDR_AUDIT_DENY,          "deny")                                        \
    X(CDR_AUDIT_REVOKE,        "revoke")                                      \
    X(CDR_AUDIT_ADMIN,         "admin")


#define CDR_X_AUDIT_ENUM(symbol, name)  symbol,

typedef enum { CDR_AUDIT_KINDS(CDR_X_AUDIT_ENUM) CDR_AUDIT_N } cdr_audit_e;


/* A line as it is written; the caller's. */

typedef struct {
    size_t   len;
    bool     clipped;               /* something did not fit */
    uint8_t  data[CDR_AUDIT_LINE];
} cdr_audit_t;


/* The name of a kind; a constant that ends with a NUL byte. */
cdr_str_t cdr_audit_name(cdr_audit_e kind);


/*
 * Begins a line with "time", the Unix milliseconds as ISO 8601, and "event".
 * Then members are added; names are plain and short.  A text without data is
 * null.  What is longer than CDR_AUDIT_TEXT, or does not fit, is cut or left
 * out, and the line ends with "clipped".
 */
void cdr_audit_begin(cdr_audit_t *a, cdr_audit_e kind, uint64_t ms);
void cdr_audit_text(cdr_audit_t *a, const char *name, cdr_str_t text);
void cdr_audit_number(cdr_audit_t *a, const char *name, uint64_t n);
void cdr_audit_list(cdr_audit_t *a, const char *name, const cdr_str_t *texts,
    size_t n);

/* Ends it with a line feed; from then on data and len are the line. */
void cdr_audit_end(cdr_audit_t *a);


#endif /* CDR_AUDIT_H_INCLUDED */
