/*
 * Kills a writer at every instruction, without killing anyone: a child is
 * single-stepped through an operation on shared memory, and each state that
 * the memory passes through is copied and given to a check, which sees just
 * what a SIGKILL at this instruction would have left.
 */

#ifndef CDR_STEP_H_INCLUDED
#define CDR_STEP_H_INCLUDED


#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cdr.h"


#define CDR_STEP_MAX  2000000


typedef struct {
    void    *mem;                       /* from cdr_step_map() */
    size_t   size;
    void   (*op)(void *mem);            /* what the child does */
    bool   (*check)(void *copy);        /* may change the copy */
} cdr_step_t;


static inline void *
cdr_step_map(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
             0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }

    return p;
}


static inline pid_t
cdr_step_child(void (*op)(void *mem), void *mem)
{
    int    status;
    pid_t  pid;

    fflush(stdout);

    pid = fork();

    if (pid == 0) {

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
            _exit(77);
        }

        raise(SIGSTOP);
        op(mem);
        _exit(0);
    }

    if (pid == -1 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        return -1;
    }

    return pid;
}


/*
 * The number of different states checked; 0 if a check failed, -1 where
 * tracing is not allowed.
 */

static inline long
cdr_step(const cdr_step_t *s)
{
    int    status;
    long   steps, states;
    bool   good;
    void  *last, *copy;
    pid_t  pid;

    pid = cdr_step_child(s->op, s->mem);

    if (pid == -1) {
        return -1;
    }

    last = aligned_alloc(64, (s->size + 63) & ~(size_t) 63);
    copy = aligned_alloc(64, (s->size + 63) & ~(size_t) 63);

    memset(last, 0, s->size);

    good = true;
    states = 0;

    for (steps = 0; steps < CDR_STEP_MAX; steps++) {

        if (memcmp(last, s->mem, s->size) != 0) {
            memcpy(last, s->mem, s->size);
            memcpy(copy, s->mem, s->size);

            states++;
            good = s->check(copy) && good;
        }

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1
            || waitpid(pid, &status, 0) != pid
            || !WIFSTOPPED(status))
        {
            break;
        }
    }

    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        (void) waitpid(pid, &status, 0);
        good = false;
    }

    free(last);
    free(copy);

    return good && WEXITSTATUS(status) == 0 ? states : 0;
}


/*
 * The same for a reader without a lock: it is stopped at one instruction
 * after the other, and each time something is written before it goes on.
 * When it has read all it calls cdr_race_end(), judges what it saw, and ends
 * with _exit(0) if that was right.
 */

typedef struct {
    void    *mem;
    void   (*reset)(void *mem);         /* the state to begin with */
    void   (*reader)(void *mem);        /* what the child does */
    void   (*write)(void *mem);         /* what happens meanwhile */
} cdr_race_t;


static inline void
cdr_race_end(void)
{
    raise(SIGSTOP);
}


/* Goes "n" instructions; false if the child came to the end before. */

static inline bool
cdr_race_go(pid_t pid, long n, long *done)
{
    int  status;

    for (*done = 0; *done < n; ++*done) {

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1
            || waitpid(pid, &status, 0) != pid
            || !WIFSTOPPED(status)
            || WSTOPSIG(status) == SIGSTOP)
        {
            return false;
        }
    }

    return true;
}


/* Lets the child judge: true if it is content. */

static inline bool
cdr_race_finish(pid_t pid)
{
    int  status;

    do {
        if (ptrace(PTRACE_CONT, pid, NULL, NULL) == -1
            || waitpid(pid, &status, 0) != pid)
        {
            return false;
        }
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);

    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        (void) waitpid(pid, &status, 0);
        return false;
    }

    return WEXITSTATUS(status) == 0;
}


/* The number of places it was stopped at; 0 or -1 as above. */

static inline long
cdr_race(const cdr_race_t *r)
{
    long   all, at, done, places;
    bool   good;
    pid_t  pid;

    r->reset(r->mem);
    pid = cdr_step_child(r->reader, r->mem);

    if (pid == -1) {
        return -1;
    }

    (void) cdr_race_go(pid, CDR_STEP_MAX, &all);
    good = cdr_race_finish(pid);
    places = 0;

    /* All places of a short way, some hundred of a long one. */

    for (at = 0; good && at < all; at += 1 + all / 100) {
        r->reset(r->mem);
        pid = cdr_step_child(r->reader, r->mem);

        if (pid == -1) {
            return 0;
        }

        if (cdr_race_go(pid, at, &done)) {
            r->write(r->mem);
            places++;
        }

        good = cdr_race_finish(pid);
    }

    return good ? places : 0;
}


/*
 * An assertion with either: "never out of order, wherever it is killed".
 *
 * A sanitizer makes ten instructions of one, and each of them costs two
 * context switches here: these are for a build of their own, without.
 */

#ifdef CDR_STEP

#define ok_step(step, ...)                                                    \
    cdr_step_ok(cdr_step(step), "states", __VA_ARGS__)

#define ok_race(race, ...)                                                    \
    cdr_step_ok(cdr_race(race), "places", __VA_ARGS__)

#else

#define ok_step(step, ...)  (void) (step)
#define ok_race(race, ...)  (void) (race)

#endif


#define cdr_step_ok(result, what, ...)                                        \
    do {                                                                      \
        long  cdr_step_n_ = (result);                                         \
                                                                              \
        if (cdr_step_n_ == -1) {                                              \
            cdr_test_n++;                                                     \
            printf("ok %d # SKIP tracing a child is not allowed\n",           \
                   cdr_test_n);                                               \
                                                                              \
        } else {                                                              \
            ok(cdr_step_n_ > 1, __VA_ARGS__);                                 \
            printf("# %ld " what "\n", cdr_step_n_);                          \
        }                                                                     \
    } while (0)


#endif /* CDR_STEP_H_INCLUDED */
