/*
 * The answer of /metrics to people and programs: one JSON object with the
 * names that Prometheus knows; where there is a label, an object by its
 * values.
 */

#include "cdr.h"
#include "cdr_metrics_text.h"


static void cdr_metrics_json_levels(cdr_json_out_t *out,
    const cdr_metrics_t *m);
static void cdr_metrics_json_figures(cdr_json_out_t *out,
    const cdr_metrics_t *m);
static void cdr_metrics_json_labels(cdr_json_out_t *out,
    const cdr_metrics_t *m, const cdr_figure_family_t *f);
static void cdr_metrics_json_family(cdr_json_out_t *out,
    const cdr_metrics_t *m, const cdr_histogram_family_t *f);
static void cdr_metrics_json_rows(cdr_json_out_t *out, const cdr_metrics_t *m,
    const cdr_histogram_family_t *f);
static void cdr_metrics_json_histogram(cdr_json_out_t *out,
    const cdr_histogram_t *h, uint32_t digits);
static void cdr_metrics_json_key(cdr_json_out_t *out, const char **sep,
    cdr_str_t name);


void
cdr_metrics_json(cdr_json_out_t *out, const cdr_metrics_t *m)
{
    const cdr_histogram_family_t  *f;

    cdr_json_put_lit(out, "{\"hub\":");
    cdr_json_put_string(out, m->hub);
    cdr_json_put_lit(out, ",\"server\":");
    cdr_json_put_string(out, m->server);
    cdr_json_put_lit(out, ",\"version\":");
    cdr_json_put_string(out, m->version);

    cdr_metrics_json_levels(out, m);
    cdr_metrics_json_figures(out, m);

    for (f = cdr_histogram_families(); f->n; f++) {
        cdr_metrics_json_family(out, m, f);
    }

    cdr_json_put_lit(out, "}\n");
}


static void
cdr_metrics_json_levels(cdr_json_out_t *out, const cdr_metrics_t *m)
{
    uint32_t                   i;
    const char                *sep, *inner;
    const uint64_t            *level;
    const cdr_level_family_t  *f;

    sep = ",";

    for (f = cdr_level_families(); f->n; f++) {

        level = &m->levels[f->first];

        if (f->labels == NULL) {

            if (*level != CDR_LEVEL_NONE) {
                cdr_metrics_json_key(out, &sep, f->name);
                cdr_metrics_number(out, *level, cdr_metrics_digits(f->unit),
                                   false);
            }

            continue;
        }

        if (*level == CDR_LEVEL_NONE) {
            continue;
        }

        cdr_metrics_json_key(out, &sep, f->name);
        cdr_json_put_lit(out, "{");
        inner = "";

        for (i = 0; i < f->n; i++) {
            if (level[i] != CDR_LEVEL_NONE) {
                cdr_metrics_json_key(out, &inner, f->labels[i]);
                cdr_json_put_u64(out, level[i]);
            }
        }

        cdr_json_put_lit(out, "}");
    }
}


static void
cdr_metrics_json_figures(cdr_json_out_t *out, const cdr_metrics_t *m)
{
    const char                 *sep;
    const cdr_figure_family_t  *f;

    sep = ",";

    for (f = cdr_figure_families(); f->n; f++) {

        cdr_metrics_json_key(out, &sep, f->metric);

        if (f->labels) {
            cdr_metrics_json_labels(out, m, f);

        } else {
            cdr_json_put_u64(out, m->figures[f->first]);
        }
    }
}


static void
cdr_metrics_json_labels(cdr_json_out_t *out, const cdr_metrics_t *m,
    const cdr_figure_family_t *f)
{
    uint32_t     i;
    cdr_str_t    name;
    const char  *sep;

    cdr_json_put_lit(out, "{");
    sep = "";

    for (i = 0; i < f->n; i++) {
        cdr_metrics_json_key(out, &sep, f->labels[i]);
        cdr_json_put_u64(out, m->figures[f->first + i]);
    }

    for (i = 0; f->cells && i < m->cells.n; i++) {

        if (cdr_cells_name(&m->cells, i, &name) == f->cells) {
            cdr_metrics_json_key(out, &sep, name);
            cdr_json_put_u64(out, m->figures[CDR_FIGURES + i]);
        }
    }

    cdr_json_put_lit(out, "}");
}


/* All of a family together, and with labels each by itself. */

static void
cdr_metrics_json_family(cdr_json_out_t *out, const cdr_metrics_t *m,
    const cdr_histogram_family_t *f)
{
    const char       *sep;
    cdr_histogram_t   sum;

    sep = ",";

    cdr_metrics_sum(m, f, &sum);

    cdr_metrics_json_key(out, &sep, f->name);
    cdr_json_put_lit(out, "{");
    cdr_metrics_json_histogram(out, &sum, f->ms ? 3 : 6);

    if (f->labels) {
        cdr_metrics_json_key(out, &sep, f->label);
        cdr_metrics_json_rows(out, m, f);
    }

    cdr_json_put_lit(out, "}");
}


static void
cdr_metrics_json_rows(cdr_json_out_t *out, const cdr_metrics_t *m,
    const cdr_histogram_family_t *f)
{
    uint32_t                i, digits;
    cdr_str_t               name;
    const char             *sep;
    const cdr_histogram_t  *h;

    digits = f->ms ? 3 : 6;
    sep = "{";

    for (i = 0; i < f->n + (f->cells ? m->cells.n : 0); i++) {

        if (i < f->n) {
            h = &m->histograms[f->first + i];
            name = f->labels[i];

            if (f->cells && h->count == 0) {
                continue;
            }

        } else {
            h = cdr_metrics_cell(m, f, i - f->n, &name);

            if (h == NULL) {
                continue;
            }
        }

        cdr_metrics_json_key(out, &sep, name);
        cdr_json_put_lit(out, "{");
        cdr_metrics_json_histogram(out, h, digits);
        cdr_json_put_lit(out, "}");
    }

    cdr_json_put(out, "{", *sep == '{');
    cdr_json_put_lit(out, "}");
}


/* Without observations there are no quantiles. */

static void
cdr_metrics_json_histogram(cdr_json_out_t *out, const cdr_histogram_t *h,
    uint32_t digits)
{
    uint32_t                i;
    static const uint32_t   permille[] = { 500, 950, 990 };
    static const cdr_str_t  keys[] = {
        cdr_str(",\"p50\":"), cdr_str(",\"p95\":"), cdr_str(",\"p99\":")
    };

    cdr_json_put_lit(out, "\"count\":");
    cdr_json_put_u64(out, h->count);
    cdr_json_put_lit(out, ",\"sum\":");
    cdr_metrics_number(out, h->sum, digits, false);

    for (i = 0; i < 3; i++) {
        cdr_json_put(out, keys[i].data, keys[i].len);

        if (h->count) {
            cdr_metrics_number(out, cdr_histogram_quantile(h, permille[i]),
                               digits, false);

        } else {
            cdr_json_put_lit(out, "null");
        }
    }
}


static void
cdr_metrics_json_key(cdr_json_out_t *out, const char **sep, cdr_str_t name)
{
    cdr_json_put(out, *sep, **sep != '\0');
    cdr_json_put_string(out, name);
    cdr_json_put_lit(out, ":");

    *sep = ",";
}
