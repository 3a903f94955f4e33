/* Revocations: what is let in, when, and what a killed writer leaves. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_revoke.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define ENTRIES  8
#define NOW      1700000000000
#define LATER    (NOW + 1000)


static size_t          size;
static const uint64_t  none[2];


static cdr_str_t
str(const char *text)
{
    cdr_str_t  s = { (const uint8_t *) text, strlen(text) };

    return s;
}


static int
put(cdr_revoke_t *t, cdr_revoke_kind_t kind, const char *name,
    uint64_t until, uint64_t now)
{
    uint64_t  hash[2];

    cdr_revoke_hash(str(name), hash);

    return cdr_revoke_set(t, kind, hash, until, now);
}


static bool
revoked(cdr_revoke_t *t, const char *user, const char *jti, uint64_t now)
{
    uint64_t  hash[2];

    cdr_revoke_hash(str(jti ? jti : ""), hash);

    return cdr_revoke_check(t, str(user), jti ? hash : none, now);
}


static cdr_revoke_t
table(void *mem)
{
    cdr_revoke_t  t;

    memset(mem, 0xa5, size);
    (void) cdr_revoke_init(mem, ENTRIES);
    (void) cdr_revoke_attach(&t, mem, size);

    return t;
}


static void
test_layout(void *mem)
{
    cdr_revoke_t  t;

    ok(cdr_revoke_size(0) == 0
       && cdr_revoke_size(CDR_REVOKE_ENTRIES_MAX + 1) == 0
       && cdr_revoke_init(mem, 0) == CDR_ERROR,
       "a table has at least one record and not too many");
    ok(cdr_revoke_attach(&t, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a table");

    t = table(mem);

    ok(t.n == ENTRIES, "a table laid out over old bytes can be attached");
    ok(cdr_revoke_attach(&t, mem, size - 1) == CDR_ERROR
       && cdr_revoke_attach(&t, mem, 8) == CDR_ERROR,
       "a table does not fit in less than its size");

    ((uint32_t *) mem)[1]++;

    ok(cdr_revoke_attach(&t, mem, size) == CDR_DECLINED,
       "another layout version is declined");
}


static void
test_told(void *mem)
{
    uint64_t                   hash[2];
    cdr_revoke_t               t;
    const cdr_revoke_entry_t  *e;

    t = table(mem);
    cdr_revoke_hash(str("ann"), hash);

    (void) put(&t, CDR_REVOKE_USER, "ann", LATER, NOW);
    e = cdr_revoke_get(&t, CDR_REVOKE_USER, hash);

    ok(cdr_revoke_set_told(&t, CDR_REVOKE_USER, hash, LATER + 1, NOW + 1)
       == CDR_OK
       && revoked(&t, "ann", NULL, LATER)
       && cdr_revoke_get(&t, CDR_REVOKE_USER, hash) == e
       && e->issued_ms == 0,
       "another server may revoke, and it is known that it did");

    (void) put(&t, CDR_REVOKE_USER, "ann", LATER, NOW + 2);

    ok(e->issued_ms == NOW + 2, "until it is done here");
    ok(cdr_revoke_set_told(&t, CDR_REVOKE_USER, hash, 0, NOW + 3) == CDR_OK
       && !revoked(&t, "ann", NULL, NOW + 3) && e->issued_ms == 0,
       "another one may lift it");

    cdr_revoke_hash(str("eve"), hash);

    ok(cdr_revoke_set_told(&t, CDR_REVOKE_USER, hash, 0, NOW) == CDR_OK
       && cdr_revoke_get(&t, CDR_REVOKE_USER, hash) == NULL,
       "and nothing is kept where there is nothing to lift");
}


static void
test_check(void *mem)
{
    uint32_t                   i, n, generation;
    uint64_t                   hash[2];
    cdr_revoke_t               t;
    const cdr_revoke_entry_t  *e;

    t = table(mem);
    generation = cdr_revoke_generation(&t);

    ok(!revoked(&t, "ann", "j1", NOW), "nobody is revoked at first");
    ok(put(&t, CDR_REVOKE_USER, "ann", LATER, NOW) == CDR_OK
       && revoked(&t, "ann", "j1", NOW) && revoked(&t, "ann", NULL, NOW),
       "a user is revoked, with and without a jti");
    ok(cdr_revoke_generation(&t) != generation, "which moves the generation");
    ok(!revoked(&t, "bob", "ann", NOW) && !revoked(&t, "", NULL, NOW),
       "and nobody else, nor a jti of that name");
    ok(revoked(&t, "ann", NULL, LATER - 1) && !revoked(&t, "ann", NULL, LATER),
       "until that time and not at it");

    (void) put(&t, CDR_REVOKE_JTI, "j2", LATER, NOW);

    ok(revoked(&t, "bob", "j2", NOW) && !revoked(&t, "j2", NULL, NOW),
       "a jti is revoked, and no user of that name");

    (void) put(&t, CDR_REVOKE_USER, "", LATER, NOW);

    ok(revoked(&t, "", NULL, NOW) && !revoked(&t, "bob", NULL, NOW),
       "those without a user can be revoked");

    (void) put(&t, CDR_REVOKE_USER, "ann", LATER + 500, NOW + 1);
    cdr_revoke_hash(str("ann"), hash);
    e = cdr_revoke_get(&t, CDR_REVOKE_USER, hash);

    ok(e && e->until_ms == LATER + 500 && e->issued_ms == NOW + 1
       && revoked(&t, "ann", NULL, LATER),
       "a second revocation replaces the first");

    generation = cdr_revoke_generation(&t);
    (void) put(&t, CDR_REVOKE_USER, "ann", 0, NOW + 2);

    ok(!revoked(&t, "ann", NULL, NOW + 2)
       && cdr_revoke_generation(&t) != generation,
       "and a time that is over lifts it");
    ok(put(&t, CDR_REVOKE_USER, "eve", NOW, NOW) == CDR_OK
       && (cdr_revoke_hash(str("eve"), hash),
           cdr_revoke_get(&t, CDR_REVOKE_USER, hash) == NULL),
       "without one to lift it takes no record");

    for (i = n = 0; cdr_revoke_next(&t, &i); n++) { /* void */ }

    cdr_revoke_hash(str(""), hash);
    i = 0;
    e = cdr_revoke_next(&t, &i);

    ok(n == 3 && e && i == 1 && cdr_revoke_next(&t, &i) != e,
       "all records can be gone through, one by one");
}


static void
test_full(void *mem)
{
    int           i;
    char          name[16];
    bool          all;
    cdr_revoke_t  t;

    t = table(mem);

    for (i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "u%d", i);
        (void) put(&t, CDR_REVOKE_USER, name, LATER + (i & 1), NOW);
    }

    ok(put(&t, CDR_REVOKE_USER, "x", LATER, NOW) == CDR_FULL
       && !revoked(&t, "x", NULL, NOW),
       "a full table refuses a new revocation");
    ok(put(&t, CDR_REVOKE_USER, "u0", LATER, NOW + 1) == CDR_OK,
       "but not one that is there");

    all = true;

    for (i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "u%d", i);
        all = revoked(&t, name, NULL, NOW) && all;
    }

    ok(all, "and forgets none");

    for (i = 0; i < ENTRIES / 2; i++) {
        snprintf(name, sizeof(name), "v%d", i);
        all = put(&t, CDR_REVOKE_JTI, name, LATER + 9, LATER) == CDR_OK
              && all;
    }

    ok(all && put(&t, CDR_REVOKE_JTI, "x", LATER + 9, LATER) == CDR_FULL
       && revoked(&t, "u1", NULL, LATER) && !revoked(&t, "u0", NULL, LATER)
       && revoked(&t, "x", "v0", LATER),
       "records that are over are used again, and no others");
}


static void
test_damage(void *mem)
{
    uint32_t      i, generation;
    cdr_revoke_t  t;

    t = table(mem);

    (void) put(&t, CDR_REVOKE_USER, "ann", LATER, NOW);
    (void) put(&t, CDR_REVOKE_USER, "bob", LATER, NOW);

    for (i = 0; i < ENTRIES; i++) {
        t.buckets[i] = 0xffff;
    }

    ok(revoked(&t, "ann", NULL, NOW) && !revoked(&t, "eve", NULL, NOW),
       "links that lead nowhere change no verdict");

    for (i = 0; i < ENTRIES; i++) {
        t.buckets[i] = 1;
    }

    t.entries[0].next = 1;

    ok(revoked(&t, "bob", NULL, NOW) && !revoked(&t, "eve", NULL, NOW),
       "nor do those that lead in a circle");

    t.shm = mem;
    generation = cdr_revoke_generation(&t);
    cdr_revoke_repair(&t);

    ok(revoked(&t, "ann", NULL, NOW) && revoked(&t, "bob", NULL, NOW)
       && put(&t, CDR_REVOKE_USER, "eve", LATER, NOW) == CDR_OK
       && cdr_revoke_generation(&t) != generation,
       "a repair makes the table whole, and a new generation");
}


/* What the child does: a record anew, one replaced, one in place of others. */

static void
work(void *mem)
{
    char          name[16];
    int           i;
    cdr_revoke_t  t;

    (void) cdr_revoke_attach(&t, mem, size);

    for (i = 1; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "u%d", i);
        (void) put(&t, CDR_REVOKE_USER, name, LATER, NOW);
    }

    (void) put(&t, CDR_REVOKE_USER, "keep", LATER + 9, NOW);
    (void) put(&t, CDR_REVOKE_JTI, "new", LATER + 9, LATER);
}


static bool
usable(void *mem)
{
    int           i;
    char          name[16];
    cdr_revoke_t  t;

    if (cdr_revoke_attach(&t, mem, size) != CDR_OK) {
        return false;
    }

    cdr_revoke_repair(&t);

    if (!revoked(&t, "keep", NULL, LATER - 1) || revoked(&t, "x", "x", NOW)) {
        return false;
    }

    for (i = 0; i < ENTRIES; i++) {
        snprintf(name, sizeof(name), "w%d", i);

        if (put(&t, CDR_REVOKE_USER, name, LATER + 99, LATER + 10)
            != CDR_OK)
        {
            return false;
        }
    }

    return put(&t, CDR_REVOKE_USER, "x", LATER + 99, LATER + 10)
           == CDR_FULL;
}


int
main(void)
{
    void          *mem;
    cdr_step_t     step;
    cdr_revoke_t   t;

    size = cdr_revoke_size(ENTRIES);
    mem = cdr_step_map(size);

    test_layout(mem);
    test_check(mem);
    test_told(mem);
    test_full(mem);
    test_damage(mem);

    t = table(mem);
    (void) put(&t, CDR_REVOKE_USER, "keep", LATER, NOW);

    step.mem = mem;
    step.size = size;
    step.op = work;
    step.check = usable;

    ok_step(&step, "none is lost wherever a writer is killed");

    return done_testing();
}
