/* Inside the answers of /metrics: what their writers share. */

#ifndef CDR_METRICS_TEXT_H_INCLUDED
#define CDR_METRICS_TEXT_H_INCLUDED


#include "cdr_json.h"
#include "cdr_metrics.h"


/* cdr_metrics_text.c, cdr_metrics_json.c: all of it */

void cdr_metrics_text(cdr_json_out_t *out, const cdr_metrics_t *m, bool open);
void cdr_metrics_json(cdr_json_out_t *out, const cdr_metrics_t *m);

/*
 * cdr_metrics.c: a number of which the last "digits" are decimals, without
 * zeros at its end; "point": with one decimal at least.
 */

void cdr_metrics_number(cdr_json_out_t *out, uint64_t n, uint32_t digits,
    bool point);

/* The decimals of a level's unit. */

uint32_t cdr_metrics_digits(cdr_level_unit_e unit);

/* All rows of a family together. */

void cdr_metrics_sum(const cdr_metrics_t *m, const cdr_histogram_family_t *f,
    cdr_histogram_t *sum);

/*
 * The row of a cell, if it is of the family's kind and there is one; NULL.
 */

const cdr_histogram_t *cdr_metrics_cell(const cdr_metrics_t *m,
    const cdr_histogram_family_t *f, uint32_t cell, cdr_str_t *name);


#endif /* CDR_METRICS_TEXT_H_INCLUDED */
