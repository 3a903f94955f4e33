/*
 * Vocabulary shared by the whole core: return codes, strings, allocator.
 *
 * The core is pure C11.  It includes no nginx header, opens no socket, reads
 * no clock and keeps no global state: time, randomness and memory come in as
 * arguments.  Everything in it can therefore be driven by a unit test, a
 * fuzzer or a benchmark without a server around it.
 */

#ifndef CDR_H_INCLUDED
#define CDR_H_INCLUDED


#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>


/*
 * Return codes.  Functions return one of these and nothing else unless their
 * comment says so.
 */

#define CDR_OK         0    /* done */
#define CDR_AGAIN     -1    /* not complete yet: call again with more input */
#define CDR_ERROR     -2    /* the input is wrong */
#define CDR_DECLINED  -3    /* not there, not ours, not wanted */
#define CDR_TOOBIG    -4    /* a limit given by the caller was exceeded */
#define CDR_NOMEM     -5    /* the allocator returned NULL */
#define CDR_FULL      -6    /* a fixed table or ring has no room */


/*
 * A string is a pointer and a length.  It owns nothing, need not end with a
 * NUL byte and may contain any byte.
 */

typedef struct {
    const uint8_t  *data;
    size_t          len;
} cdr_str_t;

#define cdr_str(lit)   { (const uint8_t *) (lit), sizeof(lit) - 1 }
#define cdr_str_null   { NULL, 0 }


/*
 * Memory comes from the caller.  alloc() returns NULL when there is none;
 * free() accepts NULL.  Both are called with "ctx" as their first argument.
 */

typedef struct {
    void  *(*alloc)(void *ctx, size_t size);
    void   (*free)(void *ctx, void *p);
    void    *ctx;
} cdr_alloc_t;


#endif /* CDR_H_INCLUDED */
