/* A TAP producer for the unit tests of the core, and a failing allocator. */

#ifndef CDR_TEST_H_INCLUDED
#define CDR_TEST_H_INCLUDED


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdr.h"


static int  cdr_test_n;
static int  cdr_test_failed;


/* One assertion: a line of TAP, named by a sentence. */

#define ok(cond, ...)                                                         \
    cdr_test_ok(!!(cond), __FILE__, __LINE__, #cond, __VA_ARGS__)


#define cdr_test_ok(good, file, line, text, ...)                              \
    do {                                                                      \
        int  cdr_test_good_ = (good);                                         \
                                                                              \
        cdr_test_n++;                                                         \
        printf("%sok %d - ", cdr_test_good_ ? "" : "not ", cdr_test_n);       \
        printf(__VA_ARGS__);                                                  \
        printf("\n");                                                         \
        if (!cdr_test_good_) {                                                \
            cdr_test_failed++;                                                \
            printf("# failed at %s:%d: %s\n", file, line, text);              \
        }                                                                     \
    } while (0)


/* The last statement of main(). */

static inline int
done_testing(void)
{
    printf("1..%d\n", cdr_test_n);
    return cdr_test_failed ? 1 : 0;
}


/*
 * An allocator that fails its "fail_at"-th call (counted from 1; 0: never)
 * and counts what is still held, so that a test can run an operation with
 * every allocation failing once and see that nothing leaks.
 */

typedef struct {
    unsigned  calls;
    unsigned  fail_at;
    long      held;
} cdr_test_alloc_t;


static inline void *
cdr_test_alloc(void *ctx, size_t size)
{
    cdr_test_alloc_t  *a = ctx;
    void              *p;

    a->calls++;

    if (a->fail_at && a->calls == a->fail_at) {
        return NULL;
    }

    p = malloc(size ? size : 1);

    if (p) {
        a->held++;
    }

    return p;
}


static inline void
cdr_test_free(void *ctx, void *p)
{
    cdr_test_alloc_t  *a = ctx;

    if (p) {
        a->held--;
        free(p);
    }
}


#endif /* CDR_TEST_H_INCLUDED */
