/* Names that figures are counted by. */

#include <string.h>

#include "cdr.h"
#include "cdr_cells.h"


#define CDR_CELLS_MAGIC  0x4364724eU    /* "CdrN" */


typedef struct {
    uint8_t             kind;
    uint8_t             len;
    uint8_t             name[CDR_CELLS_NAME_MAX];
} cdr_cell_t;


struct cdr_cells_shm_s {
    _Alignas(64)
    _Atomic uint32_t    magic;
    uint32_t            version;
    uint32_t            n;
    _Atomic uint32_t    used;
    cdr_cell_t          cells[];
};


size_t
cdr_cells_size(uint32_t n)
{
    if (n == 0 || n > CDR_CELLS_MAX) {
        return 0;
    }

    return sizeof(cdr_cells_shm_t) + n * sizeof(cdr_cell_t);
}


int
cdr_cells_init(void *mem, uint32_t n)
{
    cdr_cells_shm_t  *shm;

    if (cdr_cells_size(n) == 0) {
        return CDR_ERROR;
    }

    shm = mem;

    atomic_store_explicit(&shm->magic, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->used, 0, memory_order_relaxed);

    shm->version = CDR_CELLS_VERSION;
    shm->n = n;

    atomic_store_explicit(&shm->magic, CDR_CELLS_MAGIC, memory_order_release);

    return CDR_OK;
}


int
cdr_cells_attach(cdr_cells_t *t, void *mem, size_t size)
{
    size_t            total;
    cdr_cells_shm_t  *shm;

    if (size < sizeof(cdr_cells_shm_t)) {
        return CDR_ERROR;
    }

    shm = mem;

    if (atomic_load_explicit(&shm->magic, memory_order_acquire)
        != CDR_CELLS_MAGIC
        || shm->version != CDR_CELLS_VERSION)
    {
        return CDR_DECLINED;
    }

    total = cdr_cells_size(shm->n);

    if (total == 0 || total > size) {
        return CDR_ERROR;
    }

    t->shm = shm;
    t->n = shm->n;

    return CDR_OK;
}


int
cdr_cells_add(cdr_cells_t *t, cdr_cell_kind_e kind, cdr_str_t name)
{
    uint32_t     used;
    cdr_cell_t  *cell;

    if (name.len == 0 || name.len > CDR_CELLS_NAME_MAX) {
        return CDR_TOOBIG;
    }

    if (cdr_cells_find(t, kind, name) != CDR_CELLS_NONE) {
        return CDR_OK;
    }

    used = cdr_cells_used(t);

    if (used == t->n) {
        return CDR_FULL;
    }

    cell = &t->shm->cells[used];

    cell->kind = (uint8_t) kind;
    cell->len = (uint8_t) name.len;
    memcpy(cell->name, name.data, name.len);

    atomic_store_explicit(&t->shm->used, used + 1, memory_order_release);

    return CDR_OK;
}


uint32_t
cdr_cells_find(const cdr_cells_t *t, cdr_cell_kind_e kind, cdr_str_t name)
{
    uint32_t           i, used;
    const cdr_cell_t  *cell;

    used = cdr_cells_used(t);

    for (i = 0; i < used; i++) {
        cell = &t->shm->cells[i];

        if (cell->kind == kind && cell->len == name.len
            && memcmp(cell->name, name.data, name.len) == 0)
        {
            return i;
        }
    }

    return CDR_CELLS_NONE;
}


uint32_t
cdr_cells_used(const cdr_cells_t *t)
{
    uint32_t  used;

    used = atomic_load_explicit(&t->shm->used, memory_order_acquire);

    return (used < t->n) ? used : t->n;
}


cdr_cell_kind_e
cdr_cells_name(const cdr_cells_t *t, uint32_t i, cdr_str_t *name)
{
    const cdr_cell_t  *cell;

    cell = &t->shm->cells[i];

    name->data = cell->name;
    name->len = cell->len;

    return (cdr_cell_kind_e) cell->kind;
}
