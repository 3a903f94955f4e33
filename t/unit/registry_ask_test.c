/* Connections that their owners are asked about, and what these tell. */

#include "cdr.h"
#include "cdr_registry.h"

#include "cdr_test.h"


#define ENTRIES  8


static cdr_registry_t fresh(void *mem);
static void add(cdr_registry_t *r, uint8_t n, uint32_t *index,
    uint32_t *generation);
static void test_lists(void *mem);
static void test_told(void *mem);
static void test_lost(void *mem);


int
main(void)
{
    void  *mem;

    mem = aligned_alloc(64, (cdr_registry_size(ENTRIES) + 63) / 64 * 64);

    test_lists(mem);
    test_told(mem);
    test_lost(mem);

    free(mem);

    return done_testing();
}


static cdr_registry_t
fresh(void *mem)
{
    cdr_registry_t  r;

    if (cdr_registry_init(mem, ENTRIES) != CDR_OK
        || cdr_registry_attach(&r, mem, cdr_registry_size(ENTRIES)) != CDR_OK)
    {
        abort();
    }

    return r;
}


static void
add(cdr_registry_t *r, uint8_t n, uint32_t *index, uint32_t *generation)
{
    cdr_conn_info_t  info;

    memset(&info, 0, sizeof(cdr_conn_info_t));
    info.id[0] = n;

    if (cdr_registry_add(r, &info, index, generation) != CDR_OK) {
        abort();
    }
}


static void
test_lists(void *mem)
{
    uint32_t          i[4], g[4], n, seen;
    cdr_registry_t    r;
    _Atomic uint32_t  one, two;

    r = fresh(mem);
    atomic_init(&one, 0);
    atomic_init(&two, 0);

    for (n = 0; n < 4; n++) {
        add(&r, (uint8_t) n, &i[n], &g[n]);
    }

    ok(cdr_registry_asked(&r, &one) == UINT32_MAX, "nobody is asked about");

    ok(cdr_registry_ask(&r, i[0], g[0], &one) == CDR_OK
       && cdr_registry_ask(&r, i[1], g[1], &two) == CDR_OK
       && cdr_registry_ask(&r, i[2], g[2], &one) == CDR_OK,
       "connections come on the list of their owner");
    ok(cdr_registry_ask(&r, i[2], g[2], &one) == CDR_OK
       && cdr_registry_ask(&r, i[0], g[0], &one) == CDR_OK,
       "as often as it is asked");
    ok(cdr_registry_ask(&r, i[3], g[3] + 1, &one) == CDR_DECLINED
       && cdr_registry_ask(&r, ENTRIES, 1, &one) == CDR_DECLINED,
       "one that is not there does not");

    for (seen = 0, n = 0; n < 2; n++) {
        seen |= 1U << cdr_registry_asked(&r, &one);
    }

    ok(seen == (1U << i[0] | 1U << i[2])
       && cdr_registry_asked(&r, &one) == UINT32_MAX,
       "the owner takes each once");
    ok(cdr_registry_asked(&r, &two) == i[1]
       && cdr_registry_asked(&r, &two) == UINT32_MAX,
       "and another owner its own");
    ok(cdr_registry_ask(&r, i[0], g[0], &one) == CDR_OK
       && cdr_registry_asked(&r, &one) == i[0], "then it can be asked again");
}


static void
test_told(void *mem)
{
    uint32_t         i, g, looks;
    cdr_registry_t   r;
    cdr_conn_copy_t  copy;
    cdr_conn_look_t  look;

    r = fresh(mem);
    add(&r, 1, &i, &g);

    memset(&look, 0, sizeof(cdr_conn_look_t));
    look.queue_bytes = 7;
    looks = atomic_load(&cdr_registry_entry(&r, i)->looks);

    ok(!cdr_registry_told(&r, i, g, looks), "nothing is told yet");

    cdr_registry_tell(&r, i, g + 1, &look);
    ok(!cdr_registry_told(&r, i, g, looks), "nor by another generation");

    cdr_registry_tell(&r, i, g, &look);
    ok(cdr_registry_told(&r, i, g, looks)
       && cdr_registry_snapshot(&r, i, &copy) == CDR_OK
       && copy.look.queue_bytes == 7, "what is told is there");

    looks = atomic_load(&cdr_registry_entry(&r, i)->looks);
    (void) cdr_registry_remove(&r, i, g);
    ok(cdr_registry_told(&r, i, g, looks), "who has ended is not waited for");

    add(&r, 2, &i, &g);
    ok(cdr_registry_snapshot(&r, i, &copy) == CDR_OK
       && copy.look.queue_bytes == 0, "the next one has nothing of it");
}


/* What an owner that died leaves on its list. */

static void
test_lost(void *mem)
{
    uint32_t          i[3], g[3], n;
    cdr_registry_t    r;
    _Atomic uint32_t  dead, head;

    r = fresh(mem);
    atomic_init(&dead, 0);
    atomic_init(&head, 0);

    for (n = 0; n < 3; n++) {
        add(&r, (uint8_t) n, &i[n], &g[n]);
        (void) cdr_registry_ask(&r, i[n], g[n], &dead);
    }

    (void) cdr_registry_remove(&r, i[1], g[1]);
    add(&r, 9, &i[1], &g[1]);

    for (n = 0; n < ENTRIES; n++) {
        if (cdr_registry_asked(&r, &dead) == UINT32_MAX) {
            break;
        }
    }

    ok(n == 3, "who comes into a place on a list does not cut it");

    ok(cdr_registry_ask(&r, i[1], g[1], &head) == CDR_OK
       && cdr_registry_asked(&r, &head) == i[1],
       "then it can be asked about, of another owner");
    ok(cdr_registry_ask(&r, i[0], g[0], &head) == CDR_OK
       && cdr_registry_asked(&r, &head) == i[0], "so can those behind it");

    (void) cdr_registry_ask(&r, i[2], g[2], &dead);
    atomic_store(&dead, 0);
    cdr_registry_repair(&r);

    ok(cdr_registry_ask(&r, i[2], g[2], &head) == CDR_OK
       && cdr_registry_asked(&r, &head) == i[2],
       "after a repair nobody is on a list");

    atomic_store(&dead, 1000);
    ok(cdr_registry_asked(&r, &dead) == UINT32_MAX
       && atomic_load(&dead) == 0, "a link to nowhere is an end");
}
