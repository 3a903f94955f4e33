/* A question about the history of presence, and its answer as JSON. */

#ifndef CDR_HISTORY_H_INCLUDED
#define CDR_HISTORY_H_INCLUDED


#include "cdr.h"
#include "cdr_store.h"


#define CDR_HISTORY_NAME      255       /* bytes of a name */
#define CDR_HISTORY_LIMIT     500       /* items, unless asked */
#define CDR_HISTORY_MAX       1000
#define CDR_HISTORY_CURSOR    (1 + (CDR_HISTORY_NAME + 2) / 3 * 4)


typedef enum {
    CDR_HISTORY_REVIEWER = 0,
    CDR_HISTORY_FEATURE,
    CDR_HISTORY_ROLE,
    CDR_HISTORY_AFTER,
    CDR_HISTORY_NAMES
} cdr_history_name_e;


/* Without pointers, so that its bytes can be handed to another process. */

typedef struct {
    uint64_t        from_ms;
    uint64_t        to_ms;
    uint32_t        by;                 /* cdr_store_by_e */
    uint32_t        limit;
    uint32_t        given;              /* names, a bit each */
    uint32_t        users;              /* no reviewer who is a connection */
    uint32_t        len[CDR_HISTORY_NAMES];
    uint8_t         name[CDR_HISTORY_NAMES][CDR_HISTORY_NAME];
} cdr_history_ask_t;


/* Sets a name: CDR_OK, or CDR_TOOBIG. */

int cdr_history_name(cdr_history_ask_t *ask, cdr_history_name_e which,
    cdr_str_t name);

/* Sets what an earlier answer gave as "cursor": CDR_OK or CDR_ERROR. */

int cdr_history_cursor(cdr_history_ask_t *ask, cdr_str_t cursor);

/*
 * Asks the store and writes the answer, one JSON object, into the "size" bytes
 * of "dst", of which there are 2048 at least.  It has as many items as fit,
 * and a cursor if there are more.  CDR_OK; CDR_TOOBIG if "stop" ended it
 * before there was one item; else what cdr_store_history() returns.
 */

int cdr_history_answer(cdr_store_t *store, const cdr_history_ask_t *ask,
    uint64_t now_ms, cdr_store_stop_pt stop, void *ctx, uint8_t *dst,
    size_t size, size_t *len);


#endif /* CDR_HISTORY_H_INCLUDED */
