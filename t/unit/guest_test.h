/* What the tests of guests share: a zone of them, and what is told. */

#ifndef GUEST_TEST_H_INCLUDED
#define GUEST_TEST_H_INCLUDED


#include "cdr_test.h"

#include "cdr_guest.h"
#include "cdr_guest_shm.h"
#include "cdr_presence.h"
#include "cdr_presence_shm.h"


#define CONNS   16
#define GUESTS  12
#define HIDDEN  1


/* All tables, one behind the other as in a zone. */

typedef struct {
    cdr_registry_t         r;
    cdr_presence_t         p;
    cdr_guest_t            g;
} tables_t;


static uint32_t              next_id;
static cdr_presence_batch_t  batch;

static const uint8_t         key[CDR_SIPHASH_KEY_LEN] = { 1, 2, 3 };


static inline size_t
padded(size_t n)
{
    return (n + 63) & ~(size_t) 63;
}


static inline size_t
tables_size(void)
{
    return padded(cdr_registry_size(CONNS))
           + padded(cdr_presence_size(CONNS, GUESTS))
           + padded(cdr_guest_size(CONNS, GUESTS));
}


static inline void *
guests(void *mem)
{
    return (uint8_t *) mem + padded(cdr_registry_size(CONNS))
           + padded(cdr_presence_size(CONNS, GUESTS));
}


/* Handles point to each other, so they stay where they are. */

static inline tables_t *
attach(tables_t *t, void *mem)
{
    (void) cdr_registry_attach(&t->r, mem, cdr_registry_size(CONNS));
    (void) cdr_presence_attach(&t->p, &t->r,
                               (uint8_t *) mem
                               + padded(cdr_registry_size(CONNS)),
                               cdr_presence_size(CONNS, GUESTS));
    (void) cdr_guest_attach(&t->g, &t->p, guests(mem),
                            cdr_guest_size(CONNS, GUESTS));
    return t;
}


static inline tables_t *
fresh(tables_t *t, void *mem)
{
    memset(mem, 0x5a, tables_size());

    (void) cdr_registry_init(mem, CONNS);
    (void) cdr_presence_init((uint8_t *) mem
                             + padded(cdr_registry_size(CONNS)), CONNS,
                             GUESTS, key);
    (void) cdr_guest_init(guests(mem), CONNS, GUESTS);

    next_id = 0;
    attach(t, mem);
    cdr_guest_self(&t->g, 50);

    return t;
}


static inline cdr_str_t
text(const char *s)
{
    cdr_str_t  str = { (const uint8_t *) s, strlen(s) };

    return str;
}


static inline int
join(tables_t *t, const char *user, uint64_t now, uint32_t *index)
{
    uint32_t         generation;
    cdr_conn_info_t  info;

    memset(&info, 0, sizeof(info));

    next_id++;
    memcpy(info.id, &next_id, sizeof(next_id));
    info.identity.user = text(user);
    info.identity.role = text("reviewer");
    info.connected_ms = now;
    info.status = CDR_STATUS_ONLINE;

    (void) cdr_presence_kept(&t->p, info.identity.user, &info.status,
                             &info.feature);

    if (cdr_registry_add(&t->r, &info, index, &generation) != CDR_OK) {
        return CDR_FULL;
    }

    return cdr_presence_join(&t->p, *index, now);
}


static inline int
say(tables_t *t, uint32_t index, cdr_status_t status, const char *feature,
    uint64_t now)
{
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_feature(&t->r, index, generation, status,
                                    text(feature),
                                    cdr_guest_time(&t->p, index, now));

    return cdr_presence_changed(&t->p, index, now);
}


static inline int
leave(tables_t *t, uint32_t index, uint64_t now, uint64_t due)
{
    int       rc;
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);
    rc = cdr_presence_leave(&t->p, index, now, due);
    (void) cdr_registry_remove(&t->r, index, generation);

    return rc;
}


static inline uint32_t
server(tables_t *t, uint64_t id, const char *label)
{
    uint32_t  index;

    return cdr_guest_server(&t->g, id, text(label), &index) == CDR_OK
           ? index : UINT32_MAX;
}


/* A guest with so many connections; "feature" NULL: it said nothing. */

static inline int
put(tables_t *t, uint32_t index, const char *user, uint32_t connections,
    cdr_status_t status, const char *feature, uint64_t said)
{
    cdr_guest_info_t  info;

    memset(&info, 0, sizeof(info));

    info.id = text(user);
    info.status = status;
    info.role = text("guest");
    info.feature = text(feature ? feature : "");
    info.connections = connections;
    info.spoke = (feature != NULL);
    info.said_ms = said;
    info.connected_ms = 900;

    return cdr_guest_put(&t->g, index, &info, said);
}


static inline int
drop(tables_t *t, uint32_t index, const char *user, uint64_t now,
    uint64_t due)
{
    return cdr_guest_remove(&t->g, index, text(user), false, now, due);
}


/* "status feature connections server", or "none"; "!" where it is stale. */

static inline const char *
told(tables_t *t, const char *user)
{
    cdr_reviewer_t  *v;
    static char      line[600];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK) {
        return "none";
    }

    v = &batch.item[0];

    snprintf(line, sizeof(line), "%s %.*s %u %.*s%s", status[v->status],
             (int) v->feature.len, v->feature.data ? v->feature.data
                                                   : (uint8_t *) "",
             v->connections, (int) v->server.len,
             v->server.data ? v->server.data : (uint8_t *) "",
             v->stale ? "!" : "");

    return line;
}


/* What this server tells the others: "status feature connections". */

static inline const char *
own(tables_t *t, const char *user)
{
    cdr_guest_info_t  info;
    static char       line[300];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK
        || cdr_guest_own(&t->p, batch.item[0].index, &info) != CDR_OK)
    {
        return "none";
    }

    snprintf(line, sizeof(line), "%s %.*s %u", status[info.status],
             (int) info.feature.len, info.feature.data, info.connections);

    return line;
}


#define is(got, expected, ...)                                                \
    do {                                                                      \
        const char  *is_got_ = (got);                                         \
                                                                              \
        ok(strcmp(is_got_, expected) == 0, __VA_ARGS__);                      \
                                                                              \
        if (strcmp(is_got_, expected) != 0) {                                 \
            printf("# got \"%s\"\n", is_got_);                                \
        }                                                                     \
    } while (0)


static inline uint32_t
expire(tables_t *t, uint64_t now)
{
    uint32_t  n;

    (void) cdr_presence_expire(&t->p, now, 0, 99, &n);

    return n;
}


#endif /* GUEST_TEST_H_INCLUDED */
