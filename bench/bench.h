/* What the files of the load client share. */

#ifndef BENCH_H_INCLUDED
#define BENCH_H_INCLUDED


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


#define BENCH_PUBLISHERS   8
#define BENCH_SERVERS      8        /* of one hub */
#define BENCH_TOKEN_MAX    512
#define BENCH_BODY_MAX     1024
#define BENCH_BUFFER       8388608  /* the largest frame of a server */
#define BENCH_OPENING      128      /* handshakes under way at once */
#define BENCH_PER_ADDRESS  10       /* connections from one address */
#define BENCH_SECOND       1000000000ull
#define BENCH_HIST_SIZE    4096
#define BENCH_EXTRA        512      /* connections besides the clients */


typedef struct bench_s       bench_t;
typedef struct bench_conn_s  bench_conn_t;
typedef struct bench_soak_s  bench_soak_t;


/* A server that is measured. */

typedef struct {
    const char           *name;
    const char           *path;         /* of clients */
    const char           *echo;         /* of clients whose messages are
                                           answered; %d is their number */
    bool                  welcome;      /* it speaks first */
    bool                  event;        /* it takes events, not texts */
    bool                  socketio;     /* in packets of Engine.IO */
} bench_peer_t;


typedef struct {
    const bench_peer_t   *peer;
    const char           *test;         /* the case */
    const char           *secret;       /* of tokens */
    uint16_t              ports[BENCH_SERVERS];
    int                   servers;
    pid_t                 pid;          /* of the server's first process */
    int                   clients;
    int                   publishers;
    int                   count;        /* messages or handshakes */
    int                   depth;        /* unanswered requests a publisher */
    double                rate;         /* messages a second */
    double                seconds;
    int                   watchers;     /* clients that watch presence */
    double                changes;      /* of presence, a second */
    double                wait;         /* seconds, for what must come */
    double                leave;        /* as configured, in seconds */
    double                resumes;      /* a second */
    bool                  apart;        /* the servers know nothing of each
                                           other, and each gets every event */
} bench_conf_t;


/* Latencies, in buckets of 1/64 of their size. */

typedef struct {
    uint64_t              n;
    uint64_t              min;
    uint64_t              max;
    uint64_t              buckets[BENCH_HIST_SIZE];
} bench_hist_t;


/* Whoever epoll tells of: the first member of connections, publishers. */

typedef struct {
    void                (*handler)(bench_t *b, void *self);
} bench_source_t;


/* What a client has had of one publisher. */

typedef struct {
    uint32_t              last;         /* highest number, from 1 on */
    uint64_t              window;       /* bit i: number last - i has come */
} bench_audit_t;


typedef enum {
    BENCH_CLOSED = 0,
    BENCH_HANDSHAKE,
    BENCH_WELCOME,
    BENCH_OPEN,
    BENCH_CLOSING
} bench_state_e;


struct bench_conn_s {
    bench_source_t        source;
    int                   fd;
    int                   id;
    int                   server;       /* that it connects to */
    bench_state_e         state;
    uint64_t              quiet;        /* see bench_quiet() */
    uint64_t              look;         /* which brought something last */
    unsigned char        *rest;         /* of a frame that is not whole */
    size_t                rest_len;
    uint64_t              sent;         /* when the message to be answered */
    uint32_t              nsent;
    uint64_t              order;        /* a hash of all that came */
    uint64_t              missed;       /* and counted as lost, while it came
                                           back */
    uint32_t              gap;          /* publishers, as bits, of whom it was
                                           told that something is missing */
    bench_audit_t         audit[BENCH_PUBLISHERS];
};


typedef struct {
    uint64_t              due;          /* when it was to be sent */
    uint32_t              near;         /* clients of its server that have it */
    uint32_t              far;          /* and of the others */
} bench_sent_t;


typedef struct {
    bench_source_t        source;
    int                   fd;
    uint32_t              n;            /* published */
    uint32_t              answered;
    bool                  waiting;      /* for an answer; soak only */
    uint64_t              again;        /* when to repeat; soak only */
    bench_sent_t         *sent;
    uint32_t              size;
    size_t                len;          /* of an answer, so far */
    char                  buffer[16384];
} bench_post_t;


struct bench_s {
    bench_conf_t          conf;
    int                   epoll;
    uint64_t              look;         /* number of the last look that found
                                           all there was */
    uint64_t              looked;       /* and when it began */

    bench_conn_t         *conns;
    uint32_t              there[BENCH_SERVERS];     /* clients of each */
    int                   opening;
    int                   opened;       /* and welcome */
    int                   done;         /* and closed again */

    bench_post_t          posts[BENCH_PUBLISHERS];

    void                (*message)(bench_t *b, bench_conn_t *c,
                                   const unsigned char *data, size_t len);
    void                (*open)(bench_t *b, bench_conn_t *c,
                                const unsigned char *data, size_t len);
    void                (*end)(bench_t *b, bench_conn_t *c);
    void                (*answered)(bench_t *b, bench_post_t *p);

    /* NULL: whatever is lost or refused is an error */

    size_t              (*path)(bench_t *b, bench_conn_t *c, char *buf,
                                size_t size);
    void                (*closed)(bench_t *b, bench_conn_t *c,
                                  const unsigned char *data, size_t len);
    void                (*refused)(bench_t *b, bench_conn_t *c,
                                   const char *head, size_t len);
    void                (*failed)(bench_t *b, bench_post_t *p, int status);
    bench_soak_t         *soak;

    uint64_t              until;        /* no new messages from then on */
    uint64_t              delivered;
    uint64_t              bytes;        /* of these */
    uint64_t              replies;
    uint64_t              lost;
    uint64_t              doubled;
    uint64_t              reordered;
    uint64_t              told;         /* lost, but said so */
    uint64_t              errors;

    bench_hist_t          latency;      /* of events */
    bench_hist_t          near;         /* until the last client of its server
                                           has one */
    bench_hist_t          far;          /* and of the others */
    bench_hist_t          reply;        /* of answers */
};


/* load.c: the loop */

uint64_t bench_clock(void);
uint64_t bench_wall(void);              /* ns since 1970 */
void bench_fail(const char *fmt, ...) __attribute__((noreturn,
    format(printf, 1, 2)));

/* Handles what is there, or comes before the time "until" in ns. */

void bench_turn(bench_t *b, uint64_t until);

/* When, at last, nothing was there for it to read that it has not read since:
   what it reads now came later, however late it is itself. */

uint64_t bench_quiet(bench_t *b, bench_conn_t *c);
void bench_unquiet(bench_t *b, bench_conn_t *c);


/* cases.c: what is measured.  Each prints one line of JSON. */

bool bench_run(bench_t *b);


/* What cases share: all clients connect; all that was published has come, or
   nothing more comes; for so long; CPU of the server since then. */

void bench_open_all(bench_t *b);
void bench_drain(bench_t *b);
uint64_t bench_posted(bench_t *b);
uint64_t bench_expected(bench_t *b);    /* deliveries of these */
void bench_rest(bench_t *b, uint64_t ns);
uint64_t bench_cpu_since(bench_t *b, uint64_t before);

/* What was before this does not count; the audit goes on. */

void bench_forget(bench_t *b);

/* Messages at a fixed rate, in turn by each publisher, or where servers are
   apart, by one of each at the same time. */

void bench_fixed(bench_t *b);
void bench_fixed_rate(bench_t *b, double seconds);


/* One message of a client, which is answered. */

void bench_ping(bench_t *b, bench_conn_t *c);


/* case_load.c, case_presence.c, case_resume.c */

void bench_load(bench_t *b);
void bench_presence(bench_t *b);
void bench_resume(bench_t *b);
void bench_resumes(bench_t *b);

/* The string under a name; its size, or 0 if it has none or no room. */

size_t bench_value(const unsigned char *data, size_t len, const char *name,
    char *buf, size_t size);

bool bench_is(const unsigned char *data, size_t len, const char *type);


/* soak.c: does nothing get lost whatever fails?  See bench/README.md. */

void bench_soak(bench_t *b);


/* conn.c: clients */

/* False if there is nobody to connect to, where that is no error. */

bool bench_conn_open(bench_t *b, bench_conn_t *c);
void bench_conn_close(bench_t *b, bench_conn_t *c);

/* Sends a masked frame of at most 125 bytes. */

void bench_conn_send(bench_t *b, bench_conn_t *c, unsigned opcode,
    const char *data, size_t len);


/* frame.c: what a server sends them */

/* Takes whole frames; returns how many bytes these were. */

size_t bench_frames(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len);


/* audit.c: does every client get everything once and in order? */

void bench_audit(bench_t *b, bench_conn_t *c, const unsigned char *data,
    size_t len);
void bench_audit_end(bench_t *b);
uint64_t bench_audit_orders(bench_t *b);


/* post.c: publishers */

void bench_posts_open(bench_t *b);
bool bench_post_open(bench_t *b, bench_post_t *p);
void bench_post(bench_t *b, bench_post_t *p, uint64_t due);

/* The last one once more, with the same key.  False if that cannot be. */

bool bench_post_send(bench_t *b, bench_post_t *p);


/* token.c: a JSON Web Token, signed by HS256 */

size_t bench_token(char *buf, const char *secret, int user);


/* hist.c */

void bench_hist_add(bench_hist_t *h, uint64_t ns);
double bench_hist_at(const bench_hist_t *h, double quantile);   /* in us */


/* proc.c: a process and all that it has started */

typedef struct {
    uint64_t              anon;         /* Pss in bytes */
    uint64_t              file;
    uint64_t              shmem;
} bench_memory_t;

uint64_t bench_proc_cpu(pid_t root);    /* ns, of all their threads */
uint64_t bench_proc_redis(pid_t root);  /* of those that are Redis */
bench_memory_t bench_proc_memory(pid_t root);


#endif /* BENCH_H_INCLUDED */
