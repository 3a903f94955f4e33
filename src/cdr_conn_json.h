/* A connection as JSON, for administrators. */

#ifndef CDR_CONN_JSON_H_INCLUDED
#define CDR_CONN_JSON_H_INCLUDED


#include "cdr.h"
#include "cdr_registry.h"


/* A bound of an object, whatever the strings are. */

#define CDR_CONN_JSON_MAX  (1024 + 6 * (CDR_CONN_STRINGS_MAX + 255))


/*
 * {"connectionId":...,"userId":...,"role":...,"address":...,"server":...,
 * "worker":...,"connectedAt":...,"lastSeen":...,"status":...,
 * "currentFeature":...,"transport":...,"protocol":...,"subscriptions":...,
 * "queue":{"bytes","messages"},"rate":{"received","sent"},"received":
 * {"messages","bytes"},"sent":{...},"latencyMs":...}, and "draining" and
 * "stale" where they are true.
 *
 * "server" is the name of this one, at most 255 bytes; "stale": the owner has
 * not told of it.  Times are Unix milliseconds, rates messages a second; what
 * is not known is null.  Writes to "dst", which has CDR_CONN_JSON_MAX bytes,
 * and returns the length; with "dst" NULL it only returns the length.
 */

size_t cdr_conn_object(uint8_t *dst, const cdr_conn_copy_t *conn,
    cdr_str_t server, bool stale);


#endif /* CDR_CONN_JSON_H_INCLUDED */
