/*
 * Histograms: how long things took, in cells that all processes share.
 *
 * A row of cells is a histogram: how many observations fell into each bucket,
 * and their sum.  Observing is two additions that nothing can tear, without a
 * lock; so what was observed stays, whoever dies, and never goes back.  How
 * many observations there are is not stored but added up from the buckets.
 *
 * The first CDR_HISTOGRAMS rows are the same for every hub; behind them each
 * cell of cdr_cells.h has one, for the type of events it is named after.
 *
 * All times are microseconds, and all histograms have the same buckets.
 */

#ifndef CDR_HISTOGRAM_H_INCLUDED
#define CDR_HISTOGRAM_H_INCLUDED


#include <stdatomic.h>

#include "cdr.h"
#include "cdr_figures.h"


#define CDR_HISTOGRAM_VERSION  1
#define CDR_HISTOGRAM_BOUNDS   16
#define CDR_HISTOGRAM_BUCKETS  (CDR_HISTOGRAM_BOUNDS + 1)


/* The rows; where a kind is added, as in CDR_HISTOGRAM_CALL + kind. */

enum {
    CDR_HISTOGRAM_COMMIT = 0,       /* of the database */
    CDR_HISTOGRAM_QUERY,            /* a question to it */
    CDR_HISTOGRAM_REDIS,            /* from acceptance to the hub's order */
    CDR_HISTOGRAM_CALL,             /* of a back end: + CDR_CALL_... */
    CDR_HISTOGRAM_SENT = CDR_HISTOGRAM_CALL + CDR_CALL_N,
                                    /* an event to the last client:
                                       + CDR_SENT_... */
    CDR_HISTOGRAMS = CDR_HISTOGRAM_SENT + CDR_SENT_N
                                    /* + cell, of events with one */
};


/* Histograms that differ in a label only, or one alone. */

typedef struct {
    cdr_str_t                 name;
    cdr_str_t                 help;
    uint32_t                  first;
    uint32_t                  n;
    cdr_str_t                 label;
    const cdr_str_t          *labels;     /* NULL: one, without a label */
    cdr_cell_kind_e           cells;      /* whose rows belong to it, or 0 */
    bool                      ms;         /* told in ms, else in seconds */
} cdr_histogram_family_t;


typedef struct cdr_histogram_shm_s  cdr_histogram_shm_t;


typedef struct {
    cdr_histogram_shm_t      *shm;
    uint32_t                  n;          /* rows */
} cdr_histograms_t;


/* One of them, as it was read. */

typedef struct {
    uint64_t                  count;
    uint64_t                  sum;
    uint64_t                  buckets[CDR_HISTOGRAM_BUCKETS];
} cdr_histogram_t;


/* The upper bounds of all buckets but the last; each belongs to its bucket. */
const uint64_t *cdr_histogram_bounds(void);

/* The families, in the order of their rows; ends with n = 0. */
const cdr_histogram_family_t *cdr_histogram_families(void);

/*
 * The row for events that count in this figure, which is what
 * cdr_figure_sent() returned.
 */
uint32_t cdr_histogram_sent(uint32_t figure);

/* Bytes for "n" rows; 0 if n is 0 or too large. */
size_t cdr_histogram_size(uint32_t n);

/*
 * Lays "n" empty histograms out in cdr_histogram_size() bytes at "mem", which
 * is aligned to 64.  CDR_OK or CDR_ERROR (n out of range).
 */
int cdr_histogram_init(void *mem, uint32_t n);

/*
 * CDR_OK; CDR_DECLINED if there are none or those of another version;
 * CDR_ERROR if they do not fit in "size".
 */
int cdr_histogram_attach(cdr_histograms_t *t, void *mem, size_t size);

/* Something took so long; nothing for a row that does not exist. */
void cdr_histogram_observe(const cdr_histograms_t *t, uint32_t row,
    uint64_t us);

/* Reads a row that exists. */
void cdr_histogram_read(const cdr_histograms_t *t, uint32_t row,
    cdr_histogram_t *h);

/* Adds one to another. */
void cdr_histogram_add(cdr_histogram_t *sum, const cdr_histogram_t *h);

/*
 * The time that so many thousandths of the observations did not exceed,
 * interpolated within its bucket; at most the last bound.  0 if there are no
 * observations.
 */
uint64_t cdr_histogram_quantile(const cdr_histogram_t *h, uint32_t permille);


#endif /* CDR_HISTOGRAM_H_INCLUDED */
