/*
 * Names from the configuration that figures are counted by: a table in shared
 * memory that only grows, so that a name keeps its cell over every reload, and
 * old and new workers count in the same one.
 *
 * Names are added under the caller's mutex; an entry counts once the number of
 * entries has moved, by a single store, so one that was being written by a
 * process that died never was.  Reading needs no lock.
 */

#ifndef CDR_CELLS_H_INCLUDED
#define CDR_CELLS_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"


#define CDR_CELLS_VERSION   1
#define CDR_CELLS_MAX       16384
#define CDR_CELLS_NAME_MAX  64          /* bytes */
#define CDR_CELLS_NONE      UINT32_MAX


/* What a cell counts; the same name may have one of each. */

typedef enum {
    CDR_CELL_SENT = 1,                  /* messages to clients */
    CDR_CELL_RECEIVED                   /* messages of clients */
} cdr_cell_kind_e;


typedef struct cdr_cells_shm_s  cdr_cells_shm_t;


typedef struct {
    cdr_cells_shm_t    *shm;
    uint32_t            n;              /* cells there are */
} cdr_cells_t;


/* Bytes for a table of "n" cells; 0 if n is 0 or over CDR_CELLS_MAX. */

size_t cdr_cells_size(uint32_t n);

/*
 * Lays an empty table out in cdr_cells_size() bytes at "mem", aligned to 64.
 * CDR_OK or CDR_ERROR (n out of range).
 */

int cdr_cells_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there is no table or one of another version;
 * CDR_ERROR if it does not fit in "size".
 */

int cdr_cells_attach(cdr_cells_t *t, void *mem, size_t size);

/*
 * Under the mutex: sees to it that a name has a cell.  CDR_OK; CDR_FULL if
 * there is none left; CDR_TOOBIG if the name is empty or longer than
 * CDR_CELLS_NAME_MAX.
 */

int cdr_cells_add(cdr_cells_t *t, cdr_cell_kind_e kind, cdr_str_t name);

/* The cell of a name, or CDR_CELLS_NONE. */

uint32_t cdr_cells_find(const cdr_cells_t *t, cdr_cell_kind_e kind,
    cdr_str_t name);

/* How many cells have a name. */

uint32_t cdr_cells_used(const cdr_cells_t *t);

/* The kind of a cell below cdr_cells_used(), and its name, which stays. */

cdr_cell_kind_e cdr_cells_name(const cdr_cells_t *t, uint32_t i,
    cdr_str_t *name);


#endif /* CDR_CELLS_H_INCLUDED */
