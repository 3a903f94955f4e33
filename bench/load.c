/*
 * The load client: thousands of WebSocket clients and some publishers in one
 * thread, who count and time what they get.  Usage: see bench/README.md.
 */

#define _GNU_SOURCE

#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>


#define BENCH_EVENTS  64


static void bench_options(bench_conf_t *conf, char **argv);
static bool bench_option(bench_conf_t *conf, const char *name,
    const char *value);
static void bench_ports(bench_conf_t *conf, const char *list);
static const bench_peer_t *bench_peer(const char *name);


static const bench_peer_t  bench_peers[] = {
    { "bare",      "/ws", "/ws",        true,  false, false },
    { "nchan",     "/ws", "/own?id=%d", false, false, false },
    { "ws",        "/ws", "/ws",        true,  false, false },
    { "conductor", "/ws", "/ws",        true,  true,  false },
    { "socketio",  "/socket.io/?EIO=4&transport=websocket", "",
                                        true,  false, true },
    { NULL,        NULL,  NULL,         false, false, false }
};


int
main(int argc, char **argv)
{
    int            i;
    bool           ok;
    bench_t       *b;
    struct rlimit  rl;

    (void) argc;

    b = calloc(1, sizeof(bench_t));
    if (b == NULL) {
        bench_fail("no memory");
    }

    bench_options(&b->conf, argv + 1);

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &rl);
    }

    b->epoll = epoll_create1(0);
    b->conns = calloc((size_t) b->conf.clients + BENCH_EXTRA,
                      sizeof(bench_conn_t));

    if (b->epoll == -1 || b->conns == NULL) {
        bench_fail("no memory");
    }

    for (i = 0; i < b->conf.clients + BENCH_EXTRA; i++) {
        b->conns[i].id = i;
        b->conns[i].fd = -1;

        /* at each as many of every role */

        b->conns[i].server = i / 2 % b->conf.servers;

        if (i < b->conf.clients) {
            b->there[b->conns[i].server]++;
        }
    }

    ok = bench_run(b);

    return ok ? 0 : 3;
}


uint64_t
bench_clock(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * BENCH_SECOND + (uint64_t) ts.tv_nsec;
}


uint64_t
bench_wall(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * BENCH_SECOND + (uint64_t) ts.tv_nsec;
}


void
bench_fail(const char *fmt, ...)
{
    va_list  args;

    fflush(stdout);
    fputs("bench: ", stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputc('\n', stderr);
    exit(1);
}


void
bench_turn(bench_t *b, uint64_t until)
{
    int                 i, n;
    uint64_t            now, wait, wall;
    bench_source_t     *source;
    struct timespec     ts;
    struct epoll_event  events[BENCH_EVENTS];

    now = bench_clock();
    wait = (until == 0) ? 10 * BENCH_SECOND : until > now ? until - now : 0;

    ts.tv_sec = (time_t) (wait / BENCH_SECOND);
    ts.tv_nsec = (long) (wait % BENCH_SECOND);

    wall = bench_wall();

    n = epoll_pwait2(b->epoll, events, BENCH_EVENTS, &ts, NULL);

    if (n == -1 && errno != EINTR) {
        bench_fail("epoll_pwait2: %s", strerror(errno));
    }

    if (n == 0 && until == 0) {
        bench_fail("the server has said nothing for ten seconds");
    }

    for (i = 0; i < n; i++) {
        source = events[i].data.ptr;
        source->handler(b, source);
    }

    if (n >= 0 && n < BENCH_EVENTS) {
        b->look++;
        b->looked = wall;
    }
}


uint64_t
bench_quiet(bench_t *b, bench_conn_t *c)
{
    return c->look < b->look ? b->looked : c->quiet;
}


/* It has something in the present look. */

void
bench_unquiet(bench_t *b, bench_conn_t *c)
{
    c->quiet = bench_quiet(b, c);
    c->look = b->look + 1;
}


static void
bench_options(bench_conf_t *conf, char **argv)
{
    char        *value;
    static char  secret[] = "the bench's own secret of enough bytes";

    memset(conf, 0, sizeof(bench_conf_t));

    conf->secret = secret;
    conf->clients = 100;
    conf->publishers = 4;
    conf->count = 1000;
    conf->depth = 1;
    conf->rate = 100;
    conf->seconds = 1;
    conf->wait = 60;
    conf->leave = 2;

    for ( /* void */ ; *argv; argv++) {
        value = strchr(*argv, '=');

        if (value == NULL) {
            bench_fail("\"%s\" is not of the form name=value", *argv);
        }

        *value++ = '\0';

        if (!bench_option(conf, *argv, value)) {
            bench_fail("there is no option \"%s\"", *argv);
        }
    }

    if (conf->peer == NULL || conf->test == NULL || conf->servers == 0
        || conf->publishers < 1 || conf->publishers > BENCH_PUBLISHERS
        || (conf->apart && conf->publishers % conf->servers))
    {
        bench_fail("usage: load case=NAME peer=NAME port=N[,N...] [pid=N] "
                   "[clients=N] [publishers=1..%d] [count=N] [depth=N] "
                   "[rate=N] [seconds=N] [watchers=N] [changes=N] [leave=N] "
                   "[resumes=N] [apart=0|1]",
                   BENCH_PUBLISHERS);
    }
}


static bool
bench_option(bench_conf_t *conf, const char *name, const char *value)
{
    if (strcmp(name, "case") == 0) {
        conf->test = value;

    } else if (strcmp(name, "peer") == 0) {
        conf->peer = bench_peer(value);

    } else if (strcmp(name, "port") == 0) {
        bench_ports(conf, value);

    } else if (strcmp(name, "pid") == 0) {
        conf->pid = atoi(value);

    } else if (strcmp(name, "clients") == 0) {
        conf->clients = atoi(value);

    } else if (strcmp(name, "publishers") == 0) {
        conf->publishers = atoi(value);

    } else if (strcmp(name, "count") == 0) {
        conf->count = atoi(value);

    } else if (strcmp(name, "depth") == 0) {
        conf->depth = atoi(value);

    } else if (strcmp(name, "rate") == 0) {
        conf->rate = atof(value);

    } else if (strcmp(name, "seconds") == 0) {
        conf->seconds = atof(value);

    } else if (strcmp(name, "watchers") == 0) {
        conf->watchers = atoi(value);

    } else if (strcmp(name, "changes") == 0) {
        conf->changes = atof(value);

    } else if (strcmp(name, "wait") == 0) {
        conf->wait = atof(value);

    } else if (strcmp(name, "leave") == 0) {
        conf->leave = atof(value);

    } else if (strcmp(name, "resumes") == 0) {
        conf->resumes = atof(value);

    } else if (strcmp(name, "apart") == 0) {
        conf->apart = (atoi(value) != 0);

    } else {
        return false;
    }

    return true;
}


/* One port, or those of several servers, by commas. */

static void
bench_ports(bench_conf_t *conf, const char *list)
{
    char  *end;

    for ( ;; ) {
        if (conf->servers == BENCH_SERVERS) {
            bench_fail("there are more than %d ports", BENCH_SERVERS);
        }

        conf->ports[conf->servers++] = (uint16_t) strtoul(list, &end, 10);

        if (*end != ',') {
            return;
        }

        list = end + 1;
    }
}


static const bench_peer_t *
bench_peer(const char *name)
{
    const bench_peer_t  *peer;

    for (peer = bench_peers; peer->name; peer++) {
        if (strcmp(peer->name, name) == 0) {
            return peer;
        }
    }

    bench_fail("there is no peer \"%s\"", name);
}
