/* The answers of /metrics: which one, and what they share. */

#include "cdr.h"
#include "cdr_metrics_text.h"


size_t
cdr_metrics_write(uint8_t *dst, const cdr_metrics_t *m,
    cdr_metrics_format_e format)
{
    cdr_json_out_t  out = { dst, 0 };

    if (format == CDR_METRICS_JSON) {
        cdr_metrics_json(&out, m);

    } else {
        cdr_metrics_text(&out, m, format == CDR_METRICS_OPEN);
    }

    return out.len;
}


void
cdr_metrics_number(cdr_json_out_t *out, uint64_t n, uint32_t digits,
    bool point)
{
    uint8_t   c;
    uint64_t  unit;

    for (unit = 1; digits; digits--) {
        unit *= 10;
    }

    cdr_json_put_u64(out, n / unit);

    n %= unit;

    if (n == 0) {
        if (point) {
            cdr_json_put_lit(out, ".0");
        }

        return;
    }

    cdr_json_put_lit(out, ".");

    while (n) {
        unit /= 10;
        c = (uint8_t) ('0' + n / unit);
        cdr_json_put(out, &c, 1);
        n %= unit;
    }
}


uint32_t
cdr_metrics_digits(cdr_level_unit_e unit)
{
    switch (unit) {

    case CDR_LEVEL_US:
        return 6;

    case CDR_LEVEL_MS:
        return 3;

    default:
        return 0;
    }
}


void
cdr_metrics_sum(const cdr_metrics_t *m, const cdr_histogram_family_t *f,
    cdr_histogram_t *sum)
{
    uint32_t                i;
    cdr_str_t               name;
    const cdr_histogram_t  *h;

    *sum = m->histograms[f->first];

    for (i = 1; i < f->n; i++) {
        cdr_histogram_add(sum, &m->histograms[f->first + i]);
    }

    for (i = 0; i < m->cells.n; i++) {
        h = cdr_metrics_cell(m, f, i, &name);

        if (h) {
            cdr_histogram_add(sum, h);
        }
    }
}


const cdr_histogram_t *
cdr_metrics_cell(const cdr_metrics_t *m, const cdr_histogram_family_t *f,
    uint32_t cell, cdr_str_t *name)
{
    if (f->cells == 0 || CDR_HISTOGRAMS + cell >= m->nhistograms
        || cdr_cells_name(&m->cells, cell, name) != f->cells)
    {
        return NULL;
    }

    return &m->histograms[CDR_HISTOGRAMS + cell];
}
