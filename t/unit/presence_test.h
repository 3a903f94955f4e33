/* What the tests of presence share: both tables, and what is done to them. */

#ifndef PRESENCE_TEST_H_INCLUDED
#define PRESENCE_TEST_H_INCLUDED


#include "cdr_test.h"

#include "cdr_presence.h"
#include "cdr_presence_shm.h"


#define CONNS   16
#define HIDDEN  1


/* Both tables, one behind the other as in a zone. */

typedef struct {
    cdr_registry_t         r;
    cdr_presence_t         p;
} tables_t;


static uint32_t              next_id;
static cdr_presence_batch_t  batch;

static const uint8_t         key[CDR_SIPHASH_KEY_LEN] = { 1, 2, 3 };


static inline size_t
registry_size(uint32_t n)
{
    return (cdr_registry_size(n) + 63) & ~(size_t) 63;
}


static inline size_t
tables_size(uint32_t n)
{
    return registry_size(n) + ((cdr_presence_size(n, 0) + 63) & ~(size_t) 63);
}


static inline tables_t
attach(void *mem, uint32_t n)
{
    tables_t  t;

    (void) cdr_registry_attach(&t.r, mem, cdr_registry_size(n));
    (void) cdr_presence_attach(&t.p, NULL,
                               (uint8_t *) mem + registry_size(n),
                               cdr_presence_size(n, 0));
    return t;
}


static inline tables_t
fresh(void *mem, uint32_t n)
{
    memset((uint8_t *) mem + registry_size(n), 0x5a, cdr_presence_size(n, 0));

    (void) cdr_registry_init(mem, n);
    (void) cdr_presence_init((uint8_t *) mem + registry_size(n), n, 0, key);

    next_id = 0;

    return attach(mem, n);
}


static inline cdr_str_t
text(const char *s)
{
    cdr_str_t  str = { (const uint8_t *) s, strlen(s) };

    return str;
}


/* The handle of the registry is that of this copy of the tables. */

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

    if (cdr_registry_add(&t->r, &info, index, &generation) != CDR_OK) {
        return CDR_FULL;
    }

    t->p.registry = &t->r;

    return cdr_presence_join(&t->p, *index, now);
}


static inline int
say(tables_t *t, uint32_t index, cdr_status_t status, const char *feature,
    uint64_t now)
{
    uint32_t  generation;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_feature(&t->r, index, generation, status,
                                    text(feature), now);
    t->p.registry = &t->r;

    return cdr_presence_changed(&t->p, index, now);
}


static inline int
become(tables_t *t, uint32_t index, const char *user, const char *role,
    uint64_t now)
{
    uint32_t              generation;
    cdr_conn_identity_t   who;

    memset(&who, 0, sizeof(who));
    who.user = text(user);
    who.role = text(role);

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);

    (void) cdr_registry_set_identity(&t->r, index, generation, &who);
    t->p.registry = &t->r;

    return cdr_presence_role(&t->p, index, now);
}


static inline int
leave(tables_t *t, uint32_t index, uint64_t now, uint64_t due)
{
    int       rc;
    uint32_t  generation;

    t->p.registry = &t->r;

    generation = atomic_load(&cdr_registry_entry(&t->r, index)->generation);
    rc = cdr_presence_leave(&t->p, index, now, due);
    (void) cdr_registry_remove(&t->r, index, generation);

    return rc;
}


/* "status feature connections", or "none". */

static inline const char *
told(tables_t *t, const char *user)
{
    cdr_reviewer_t  *v;
    static char      line[64 + CDR_CONN_FEATURE_MAX];

    static const char  *status[] = { "online", "away", "busy", "offline" };

    t->p.registry = &t->r;

    if (cdr_presence_get(&t->p, text(user), false, &batch) != CDR_OK) {
        return "none";
    }

    v = &batch.item[0];

    snprintf(line, sizeof(line), "%s %.*s %u", status[v->status],
             (int) v->feature.len, v->feature.data ? v->feature.data
                                                   : (uint8_t *) "",
             v->connections);

    return line;
}


/* All that is above the cursor: "ann online, bob offline". */

static inline const char *
changes(tables_t *t, cdr_presence_cursor_t *cursor)
{
    int          rc;
    size_t       at;
    uint32_t     i;
    static char  line[1024];

    line[0] = '\0';
    at = 0;
    t->p.registry = &t->r;

    while ((rc = cdr_presence_changes(&t->p, cursor, &batch)) == CDR_OK
           && batch.n)
    {
        for (i = 0; i < batch.n && at < sizeof(line) - 100; i++) {
            at += (size_t) snprintf(line + at, sizeof(line) - at, "%s%.*s%s",
                                    at ? " " : "",
                                    (int) batch.item[i].id.len,
                                    batch.item[i].id.data,
                                    batch.item[i].status
                                    == CDR_STATUS_OFFLINE ? "-" : "+");
        }
    }

    return rc == CDR_OK ? line : "anew";
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


#endif /* PRESENCE_TEST_H_INCLUDED */
