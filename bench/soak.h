/* Clients that come back after every fault, and what they should see. */

#ifndef SOAK_H_INCLUDED
#define SOAK_H_INCLUDED


#include "bench.h"


#define BENCH_MS         1000000ull
#define BENCH_SETTLED    (5 * BENCH_SECOND)  /* then presence must be true */


/* What is to be seen of a reviewer. */

typedef struct {
    uint8_t            status;          /* 0: offline, or not there */
    uint32_t           feature;         /* 0: none */
} bench_seen_t;


/* A connection as its reviewer was seen by it; times as of bench_wall(). */

typedef struct {
    uint64_t           from;            /* when its welcome was read */
    uint64_t           until;           /* not offline before */
} bench_stay_t;


/* A client, beside its connection. */

typedef struct {
    char               since[64];       /* the last event */
    uint64_t           at;              /* when to come, while it is closed */
    uint64_t           closed;          /* when its connection ended */
    uint64_t           retry;           /* which is how long it may stay away */
    uint64_t           closing;         /* since when, if the server has */
    uint64_t           changed;         /* since when it is as it is now */
    bench_stay_t       stay;            /* the last connection */
    bench_stay_t       before;          /* and the one before it */
    uint64_t           heard;           /* the server's time, at least */
    bool               there;           /* welcome, and not yet closed */
    unsigned           attempts;
    bool               leaves;          /* will stay away when it is closed */
    bool               blamed;          /* was already counted */
    bool               resuming;
    uint64_t           replayed;        /* events before "resumed" */
    bench_seen_t       said;
    bool               subscribed;
    bool               listed;          /* a watcher: it has its list */
    uint64_t           since_listed;
    bench_seen_t      *view;            /* a watcher: of every reviewer */
} bench_soak_client_t;


struct bench_soak_s {
    bench_soak_client_t *clients;
    double             rate;            /* events a second */
    double             changes;         /* of presence, a second */
    uint64_t           due[BENCH_PUBLISHERS];
    uint64_t           change_due;
    uint64_t           scan;            /* when to look at clients */
    uint64_t           check;           /* and at views */
    bool               quit;

    bench_source_t     control;
    char               line[256];
    size_t             line_len;

    uint64_t           sent_on;         /* closed with 1012 */
    uint64_t           slow;            /* with 1013 */
    uint64_t           cut;             /* without a close frame */
    uint64_t           refused;
    uint64_t           repeated;        /* publications */
    uint64_t           resumed;
    uint64_t           unrecovered;
    uint64_t           replayed;        /* events of all resumes */
    uint64_t           miscounted;      /* "resumed" with a wrong count */

    uint64_t           said;            /* changes of presence */
    uint64_t           lists;
    uint64_t           updates;
    uint64_t           diffs;
    uint64_t           ghosts;          /* seen after BENCH_SETTLED */
    uint64_t           missing;         /* not seen */
    uint64_t           stale;           /* seen as they were before */
    uint64_t           early;           /* updates before the list */
    uint64_t           flaps;           /* offline for a moment */

    /* at the last look */

    int                watching;        /* watchers who have their list */
    int                unsure;          /* clients who are on their way */
    uint64_t           unlike;          /* what watchers see otherwise */
    uint64_t           oldest;          /* ns; since when that is so */
};


/* soak_client.c: what a client does */

void bench_soak_hooks(bench_t *b);
void bench_soak_clients(bench_t *b, uint64_t now);
void bench_soak_say(bench_t *b, bench_conn_t *c, uint64_t now);
int bench_soak_open(bench_t *b);


/* soak_control.c: lines that a driver writes, and the answers */

void bench_soak_control(bench_t *b);


/* view.c: what watchers of presence are told */

void bench_view_reset(bench_t *b, bench_soak_client_t *s);
bool bench_view_message(bench_t *b, bench_conn_t *c,
    const unsigned char *data, size_t len);
void bench_view_check(bench_t *b, uint64_t now);

/* Is a client there (1), gone (0), or on its way (-1), and since when? */

int bench_view_state(bench_t *b, int i, uint64_t now, uint64_t *since);

extern const char  *bench_view_statuses[4];


/* stay.c: how long somebody is to be seen at least */

void bench_stay_begin(bench_t *b, int i);
void bench_stay_heard(bench_t *b, int i, const unsigned char *data,
    size_t len);

/* "waited": the end may have waited in the server, behind other output. */

void bench_stay_end(bench_t *b, int i, uint64_t retry, bool waited);
bool bench_stay_flaps(bench_t *b, int i, uint64_t at);
uint64_t bench_stamp(const unsigned char *data, size_t len);


#endif /* SOAK_H_INCLUDED */
