/*
 * Origins (RFC 6454): which web page asks, and whether it may.
 *
 * Schemes and hosts are compared without regard to case and otherwise byte by
 * byte: browsers send them in one form (lower case, "xn--" labels, compressed
 * IPv6), so that nothing is decoded here.  Nothing allocates.
 */

#ifndef CDR_ORIGIN_H_INCLUDED
#define CDR_ORIGIN_H_INCLUDED


#include "cdr.h"


typedef enum {
    CDR_ORIGIN_NULL = 0,    /* "null": a sandboxed or local page, nobody */
    CDR_ORIGIN_TUPLE        /* scheme, host and port */
} cdr_origin_kind_t;


typedef struct {
    cdr_origin_kind_t  kind;
    cdr_str_t          scheme;
    cdr_str_t          host;    /* an IPv6 address has its brackets */
    uint16_t           port;    /* given, or 80 and 443; 0: not known */
    bool               port_given;
} cdr_origin_t;


/*
 * Parses the value of an Origin field: one serialized origin, scheme://host
 * or scheme://host:port, or "null" (RFC 6454, sections 6.2 and 7.1).
 *
 * Returns CDR_OK with "o" filled, its strings pointing into "origin"; or
 * CDR_ERROR for anything else: a path or a slash at the end, user
 * information, an empty host or label, a port that is 0, above 65535 or has
 * leading zeros, a list of origins.
 */

int cdr_origin_parse(cdr_str_t origin, cdr_origin_t *o);


/*
 * True if the origin is the host that the request itself was sent to, given
 * by its Host field; "tls" tells whether the request came over TLS.
 *
 * Only an http or https origin can be.  Hosts must be equal, and so must the
 * ports, where the scheme stands in for one that the origin does not name
 * and "tls" for one that Host does not name.  If neither names a port they
 * count as equal: behind a proxy that ends TLS an https page talks to a
 * plain connection.
 */

bool cdr_origin_is_host(const cdr_origin_t *o, cdr_str_t host, bool tls);


/*
 * True if the origin is admitted by one pattern of an allow list.  A pattern
 * is "*" for any origin, "null" included, or an origin; a default port may be
 * left out of it.  If its host starts with "*.", it stands for all hosts below
 * the rest, at any depth, but not for the rest itself: *.example.com is
 * a.example.com and a.b.example.com, not example.com.
 *
 * A pattern that cdr_origin_pattern_check() refuses admits nothing.
 */

bool cdr_origin_match(const cdr_origin_t *o, cdr_str_t pattern);


/*
 * Checks a pattern at configuration time.
 *
 * Returns CDR_OK, or CDR_ERROR with "why" set to a static text that fits
 * after 'invalid origin "...": '.
 */

int cdr_origin_pattern_check(cdr_str_t pattern, const char **why);


#endif /* CDR_ORIGIN_H_INCLUDED */
