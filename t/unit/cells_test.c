/* Names that figures are counted by: kept, found, full, killed. */

#define _GNU_SOURCE

#include "cdr.h"
#include "cdr_cells.h"

#include "cdr_test.h"
#include "cdr_step.h"


#define N  3


static const cdr_str_t  first = cdr_str("task-status-changed");
static const cdr_str_t  second = cdr_str("e");
static const cdr_str_t  third = cdr_str("f");


static void
test_layout(void)
{
    void         *mem;
    size_t        size;
    cdr_cells_t   t;

    size = cdr_cells_size(N);
    mem = aligned_alloc(64, (size + 63) & ~(size_t) 63);
    memset(mem, 0, size);

    ok(cdr_cells_attach(&t, mem, size) == CDR_DECLINED,
       "zeroed memory is not taken for a table");

    memset(mem, 0xa5, size);

    ok(cdr_cells_init(mem, N) == CDR_OK
       && cdr_cells_attach(&t, mem, size) == CDR_OK && t.n == N
       && cdr_cells_used(&t) == 0,
       "a table laid out over old bytes is empty");
    ok(cdr_cells_attach(&t, mem, size - 1) == CDR_ERROR
       && cdr_cells_attach(&t, mem, 8) == CDR_ERROR,
       "it does not fit in less than its size");
    ok(cdr_cells_size(0) == 0 && cdr_cells_init(mem, 0) == CDR_ERROR
       && cdr_cells_size(CDR_CELLS_MAX + 1) == 0,
       "there is at least one cell, and at most CDR_CELLS_MAX");

    ((uint32_t *) mem)[1]++;

    ok(cdr_cells_attach(&t, mem, size) == CDR_DECLINED,
       "another layout version is declined");

    free(mem);
}


static void
test_names(cdr_cells_t *t)
{
    uint32_t   i;
    uint8_t    buf[CDR_CELLS_NAME_MAX + 1];
    cdr_str_t  name;

    memset(buf, 'x', sizeof(buf));
    name.data = buf;
    name.len = sizeof(buf);

    ok(cdr_cells_add(t, CDR_CELL_SENT, name) == CDR_TOOBIG
       && cdr_cells_add(t, CDR_CELL_SENT, (cdr_str_t) cdr_str_null)
          == CDR_TOOBIG,
       "a name has 1 to 64 bytes");

    ok(cdr_cells_find(t, CDR_CELL_SENT, first) == CDR_CELLS_NONE,
       "what was not added is not found");
    ok(cdr_cells_add(t, CDR_CELL_SENT, first) == CDR_OK
       && cdr_cells_add(t, CDR_CELL_RECEIVED, first) == CDR_OK
       && cdr_cells_find(t, CDR_CELL_SENT, first) == 0
       && cdr_cells_find(t, CDR_CELL_RECEIVED, first) == 1,
       "a name has a cell of each kind");
    ok(cdr_cells_add(t, CDR_CELL_SENT, first) == CDR_OK
       && cdr_cells_used(t) == 2 && cdr_cells_find(t, CDR_CELL_SENT, first)
                                    == 0,
       "added again, it keeps it");

    name.len = CDR_CELLS_NAME_MAX;

    ok(cdr_cells_add(t, CDR_CELL_SENT, name) == CDR_OK
       && cdr_cells_find(t, CDR_CELL_SENT, name) == 2,
       "the longest name has one");
    ok(cdr_cells_add(t, CDR_CELL_SENT, second) == CDR_FULL
       && cdr_cells_add(t, CDR_CELL_SENT, first) == CDR_OK
       && cdr_cells_used(t) == N,
       "when the table is full, those who have one keep it");

    i = cdr_cells_name(t, 1, &name);

    ok(i == CDR_CELL_RECEIVED && name.len == first.len
       && memcmp(name.data, first.data, name.len) == 0,
       "a cell knows its name and kind");
}


static void
add(void *mem)
{
    cdr_cells_t  t;

    (void) cdr_cells_attach(&t, mem, cdr_cells_size(N));
    (void) cdr_cells_add(&t, CDR_CELL_SENT, second);
    (void) cdr_cells_add(&t, CDR_CELL_RECEIVED, third);
}


static bool
usable(void *mem)
{
    cdr_cells_t  t;

    if (cdr_cells_attach(&t, mem, cdr_cells_size(N)) != CDR_OK
        || cdr_cells_find(&t, CDR_CELL_SENT, first) != 0)
    {
        return false;
    }

    return cdr_cells_add(&t, CDR_CELL_SENT, second) == CDR_OK
           && cdr_cells_add(&t, CDR_CELL_RECEIVED, third) == CDR_OK
           && cdr_cells_find(&t, CDR_CELL_SENT, second) == 1
           && cdr_cells_find(&t, CDR_CELL_RECEIVED, third) == 2
           && cdr_cells_used(&t) == N;
}


int
main(void)
{
    void         *mem;
    cdr_step_t    step;
    cdr_cells_t   t;

    test_layout();

    mem = cdr_step_map(cdr_cells_size(N));
    (void) cdr_cells_init(mem, N);
    (void) cdr_cells_attach(&t, mem, cdr_cells_size(N));

    test_names(&t);

    (void) cdr_cells_init(mem, N);
    (void) cdr_cells_add(&t, CDR_CELL_SENT, first);

    step.mem = mem;
    step.size = cdr_cells_size(N);
    step.op = add;
    step.check = usable;

    ok_step(&step, "a table is whole wherever an addition is killed");

    return done_testing();
}
