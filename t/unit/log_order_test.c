/* Places in the hub's order: clients go from server to server of a model. */

#include "cdr.h"
#include "cdr_log.h"
#include "cdr_source.h"

#include "cdr_test.h"


#define EPOCH    1700000000000U
#define SERVERS  3
#define CLIENTS  4
#define STEPS    3000
#define EVENTS   20000
#define ROUNDS   60


static const cdr_log_params_t  params = { 1 << 19, 2048, EPOCH, { 0, 0, 0 } };

static const cdr_str_t  type = cdr_str("t");


/* An event of the model; its number is its index. */

typedef struct {
    uint64_t          server;       /* 1 .. SERVERS */
    uint64_t          n;
    cdr_log_pos_t     place;        /* in the stream; 0: not yet */
} event_t;


typedef struct {
    void             *mem;
    void             *sources;
    cdr_log_t         log;
    cdr_source_t      source;
    cdr_log_cursor_t  settled;
    uint64_t          id;
    uint64_t          n;
    uint64_t          lone_n;
    bool              alone;
    size_t            read;         /* entries of the stream */
    cdr_log_pos_t     last;         /* of these */
    unsigned          waiting[EVENTS];
    unsigned          nwaiting;     /* own, for the stream */
} server_t;


/* A client: what it was given, and what it knows of that. */

typedef struct {
    unsigned          at;           /* its server */
    cdr_log_cursor_t  cur;
    cdr_event_id_t    id;
    bool              leaves;       /* events out that it had */
    bool              ahead;        /* of its server */
    uint8_t           had[EVENTS];
    uint64_t          last_n[SERVERS + 1];
} client_t;


static event_t   events[EVENTS];
static unsigned  nevents;
static unsigned  stream[EVENTS];
static size_t    nstream;
static server_t  servers[SERVERS];
static client_t  clients[CLIENTS];
static unsigned  lost, doubled, disorder, unknown, moves, stays;


static void
put(server_t *s, unsigned event, cdr_log_pos_t pos, uint64_t lone)
{
    uint8_t           *p;
    cdr_log_tx_t       tx;
    cdr_log_fields_t   f;

    memset(&f, 0, sizeof(f));

    f.time_ms = EPOCH;
    f.pos = pos;
    f.server = events[event].server;
    f.boot = f.server;
    f.n = events[event].n;
    f.lone = lone;

    (void) cdr_log_begin(&s->log, &tx, cdr_log_record_size(1, 4), 1);
    p = cdr_log_add(&s->log, &tx, &f, type, 4);

    if (p == NULL) {
        printf("# an event could not be added\n");
        exit(1);
    }

    memcpy(p, &event, 4);
    cdr_log_commit(&s->log, &tx);
    cdr_source_raise(&s->source, f.server, f.n, EPOCH);
}


static void
place_alone(server_t *s, unsigned event)
{
    cdr_log_pos_t  pos = s->last;

    s->lone_n = events[event].n;
    pos.local = s->lone_n;

    put(s, event, pos, s->id);
}


static void
publish(server_t *s)
{
    event_t  *e;

    e = &events[nevents];

    e->server = s->id;
    e->n = ++s->n;
    s->waiting[s->nwaiting++] = nevents++;

    if (s->alone) {
        place_alone(s, nevents - 1);
    }
}


/* Redis takes some of what a server offers; it may not hear of it. */

static void
offer(server_t *s, unsigned max)
{
    unsigned  i, event;

    for (i = 0; i < s->nwaiting && i < max; i++) {
        event = s->waiting[i];

        nstream++;
        events[event].place.ms = EPOCH + nstream / 3;
        events[event].place.n = nstream % 3 + 1;
        stream[nstream - 1] = event;
    }

    s->nwaiting -= i;
    memmove(s->waiting, s->waiting + i, s->nwaiting * sizeof(unsigned));
}


static void
read_stream(server_t *s, unsigned max)
{
    event_t        *e;
    unsigned        event;
    cdr_log_pos_t   pos;

    while (max-- && s->read < nstream) {
        event = stream[s->read++];
        e = &events[event];
        s->last = e->place;

        if (e->n <= cdr_source_highest(&s->source, e->server)) {
            (void) cdr_log_settle(&s->log, &s->settled, s->id, e->n,
                                  &e->place);

        } else {
            pos = e->place;
            pos.local = s->lone_n;
            put(s, event, pos, s->lone_n ? s->id : 0);
        }

        if (e->server == s->id && e->n >= s->lone_n) {
            s->lone_n = 0;
        }
    }
}


/* No answer from Redis: what it has not returned gets its place here. */

static void
go_alone(server_t *s)
{
    unsigned  i;

    s->alone = true;

    for (i = 0; i < nevents; i++) {
        if (events[i].server == s->id
            && events[i].n > cdr_source_highest(&s->source, s->id))
        {
            place_alone(s, i);
        }
    }
}


static void
move(client_t *c, unsigned to)
{
    cdr_log_pos_t  pos;

    c->at = to;
    c->leaves = true;
    c->ahead = true;

    pos.ms = c->id.ms;
    pos.n = c->id.n;
    pos.local = 0;

    if (cdr_log_cmp(&pos, &servers[to].last) > 0) {
        return;
    }

    c->ahead = false;

    if (cdr_log_since(&servers[to].log, &pos, &c->cur) != CDR_OK) {
        unknown++;
    }
}


static void
pass(client_t *c, const cdr_log_event_t *e)
{
    cdr_event_id_t  id;

    cdr_event_id_set(&id, &e->fields.pos, e->fields.lone);

    if (!c->leaves) {
        c->id = id;
        return;
    }

    if (id.ms > c->id.ms || (id.ms == c->id.ms && id.n > c->id.n)) {
        c->id.ms = id.ms;
        c->id.n = id.n;
    }

    if (id.norigins) {
        cdr_event_id_add(&c->id, id.origins[0].server, id.origins[0].n);
    }
}


static void
give(client_t *c, unsigned max)
{
    uint64_t          n;
    unsigned          event;
    cdr_log_event_t   e;

    if (c->ahead) {
        move(c, c->at);
    }

    while (!c->ahead && max--
           && cdr_log_next(&servers[c->at].log, &c->cur, &e) == CDR_OK)
    {
        if (c->leaves && cdr_log_had(&e, &c->id)) {
            pass(c, &e);
            continue;
        }

        memcpy(&event, e.payload.data, 4);
        pass(c, &e);

        n = events[event].n;
        doubled += c->had[event]++ != 0;
        disorder += n <= c->last_n[events[event].server];
        c->last_n[events[event].server] = n;
        stays += c->leaves;
    }
}


static void
start(void)
{
    unsigned   i;
    server_t  *s;

    nevents = 0;
    nstream = 0;

    memset(events, 0, sizeof(events));
    memset(clients, 0, sizeof(clients));

    for (i = 0; i < SERVERS; i++) {
        s = &servers[i];

        (void) cdr_log_init(s->mem, &params);
        (void) cdr_log_attach(&s->log, s->mem, cdr_log_size(&params));
        (void) cdr_source_init(s->sources);
        (void) cdr_source_attach(&s->source, s->sources, cdr_source_size());

        s->settled.seq = 0;
        s->id = i + 1;
        s->n = 0;
        s->lone_n = 0;
        s->alone = false;
        s->read = 0;
        s->nwaiting = 0;
        memset(&s->last, 0, sizeof(s->last));
    }

    /* what the hub's order begins with, all know */

    publish(&servers[0]);
    offer(&servers[0], 1);

    for (i = 0; i < SERVERS; i++) {
        read_stream(&servers[i], 1);
    }
}


static void
step(unsigned *seed)
{
    server_t  *s;
    client_t  *c;

    s = &servers[(unsigned) rand_r(seed) % SERVERS];
    c = &clients[(unsigned) rand_r(seed) % CLIENTS];

    switch ((unsigned) rand_r(seed) % 16) {

    case 0:
        if (s->alone) {
            s->alone = false;

        } else {
            go_alone(s);
        }
        break;

    case 1:
        move(c, (unsigned) rand_r(seed) % SERVERS);
        moves++;
        break;

    case 2:
    case 3:
    case 4:
        publish(s);
        break;

    case 5:
    case 6:
    case 7:
        if (!s->alone) {
            offer(s, 3);
        }
        break;

    case 8:
    case 9:
    case 10:
        if (!s->alone) {
            read_stream(s, 1 + (unsigned) rand_r(seed) % 4);
        }
        break;

    default:
        give(c, 1 + (unsigned) rand_r(seed) % 5);
    }
}


/* In the end all servers have returned, and the clients read all. */

static void
finish(void)
{
    unsigned  i, j;

    for (i = 0; i < SERVERS; i++) {
        servers[i].alone = false;
        offer(&servers[i], EVENTS);
    }

    for (i = 0; i < SERVERS; i++) {
        read_stream(&servers[i], EVENTS);
    }

    for (i = 0; i < CLIENTS; i++) {
        give(&clients[i], EVENTS);

        for (j = 0; j < nevents; j++) {
            lost += clients[i].had[j] == 0;
        }
    }
}


static void
test_model(void)
{
    unsigned  i, round, seed;

    for (i = 0; i < SERVERS; i++) {
        servers[i].mem = aligned_alloc(64, (cdr_log_size(&params) + 63)
                                           / 64 * 64);
        servers[i].sources = aligned_alloc(64, (cdr_source_size() + 63)
                                               / 64 * 64);
    }

    for (round = 1; round <= ROUNDS; round++) {
        seed = round;
        start();

        for (i = 0; i < STEPS; i++) {
            step(&seed);
        }

        finish();
    }

    ok(moves > 1000 && stays > 1000, "clients went from server to server");
    ok(lost == 0, "no client missed an event");
    ok(doubled == 0, "none had one twice");
    ok(disorder == 0, "each had a server's events in their order");

    ok(unknown == 0, "no id was unknown to a server");

    printf("# %u moves, %u lost, %u doubled, %u in disorder, %u unknown\n",
           moves, lost, doubled, disorder, unknown);

    for (i = 0; i < SERVERS; i++) {
        free(servers[i].mem);
        free(servers[i].sources);
    }
}


int
main(void)
{
    test_model();

    return done_testing();
}
