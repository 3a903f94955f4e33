/* The answer of /metrics to Prometheus: text format 0.0.4, or OpenMetrics. */

#include <string.h>

#include "cdr.h"
#include "cdr_metrics_text.h"


typedef struct {
    cdr_json_out_t         *out;
    const cdr_metrics_t    *m;
    bool                    open;       /* OpenMetrics */
} cdr_metrics_ctx_t;


typedef enum {
    CDR_METRIC_COUNTER = 0,
    CDR_METRIC_GAUGE,
    CDR_METRIC_HISTOGRAM,
    CDR_METRIC_UNKNOWN
} cdr_metric_type_e;


static void cdr_metrics_levels(const cdr_metrics_ctx_t *c);
static bool cdr_metrics_told(const cdr_metrics_ctx_t *c,
    const cdr_level_family_t *f);
static void cdr_metrics_figures(const cdr_metrics_ctx_t *c);
static void cdr_metrics_histograms(const cdr_metrics_ctx_t *c);
static void cdr_metrics_broadcast(const cdr_metrics_ctx_t *c);
static void cdr_metrics_build(const cdr_metrics_ctx_t *c);
static void cdr_metrics_head(const cdr_metrics_ctx_t *c, cdr_str_t name,
    cdr_str_t help, cdr_metric_type_e type);
static cdr_str_t cdr_metrics_base(const cdr_metrics_ctx_t *c, cdr_str_t name,
    cdr_metric_type_e *type);
static void cdr_metrics_sample(const cdr_metrics_ctx_t *c, cdr_str_t name,
    cdr_str_t label, cdr_str_t value);
static void cdr_metrics_labels(const cdr_metrics_ctx_t *c, cdr_str_t label,
    cdr_str_t value);
static void cdr_metrics_label(const cdr_metrics_ctx_t *c, cdr_str_t label,
    cdr_str_t value);
static void cdr_metrics_value(const cdr_metrics_ctx_t *c, uint64_t n,
    uint32_t digits);
static void cdr_metrics_histogram(const cdr_metrics_ctx_t *c,
    const cdr_histogram_family_t *f, const cdr_histogram_t *h,
    cdr_str_t value);
static void cdr_metrics_part(const cdr_metrics_ctx_t *c,
    const cdr_histogram_family_t *f, const char *suffix, cdr_str_t value);


static const cdr_str_t  cdr_metrics_none = cdr_str_null;


void
cdr_metrics_text(cdr_json_out_t *out, const cdr_metrics_t *m, bool open)
{
    cdr_metrics_ctx_t  c = { out, m, open };

    cdr_metrics_levels(&c);
    cdr_metrics_figures(&c);
    cdr_metrics_histograms(&c);
    cdr_metrics_broadcast(&c);
    cdr_metrics_build(&c);

    if (open) {
        cdr_json_put_lit(out, "# EOF\n");
    }
}


static void
cdr_metrics_levels(const cdr_metrics_ctx_t *c)
{
    uint32_t                   i;
    const uint64_t            *level;
    const cdr_level_family_t  *f;

    for (f = cdr_level_families(); f->n; f++) {

        if (!cdr_metrics_told(c, f)) {
            continue;
        }

        cdr_metrics_head(c, f->name, f->help,
                         f->counter ? CDR_METRIC_COUNTER : CDR_METRIC_GAUGE);

        level = &c->m->levels[f->first];

        for (i = 0; i < f->n; i++) {

            if (level[i] == CDR_LEVEL_NONE) {
                continue;
            }

            cdr_metrics_sample(c, f->name, f->label,
                               f->labels ? f->labels[i] : cdr_metrics_none);
            cdr_metrics_value(c, level[i], cdr_metrics_digits(f->unit));
        }
    }
}


static bool
cdr_metrics_told(const cdr_metrics_ctx_t *c, const cdr_level_family_t *f)
{
    uint32_t  i;

    for (i = 0; i < f->n; i++) {
        if (c->m->levels[f->first + i] != CDR_LEVEL_NONE) {
            return true;
        }
    }

    return false;
}


static void
cdr_metrics_figures(const cdr_metrics_ctx_t *c)
{
    uint32_t                    i;
    cdr_str_t                   name;
    const uint64_t             *sums;
    const cdr_figure_family_t  *f;

    sums = c->m->figures;

    for (f = cdr_figure_families(); f->n; f++) {

        cdr_metrics_head(c, f->metric, f->help, CDR_METRIC_COUNTER);

        for (i = 0; i < f->n; i++) {
            cdr_metrics_sample(c, f->metric, f->label,
                               f->labels ? f->labels[i] : cdr_metrics_none);
            cdr_metrics_value(c, sums[f->first + i], 0);
        }

        for (i = 0; f->cells && i < c->m->cells.n; i++) {

            if (cdr_cells_name(&c->m->cells, i, &name) == f->cells) {
                cdr_metrics_sample(c, f->metric, f->label, name);
                cdr_metrics_value(c, sums[CDR_FIGURES + i], 0);
            }
        }
    }
}


/* Where there are cells, rows beside theirs are told if something is there. */

static void
cdr_metrics_histograms(const cdr_metrics_ctx_t *c)
{
    uint32_t                       i;
    cdr_str_t                      name;
    const cdr_histogram_t         *h;
    const cdr_histogram_family_t  *f;

    for (f = cdr_histogram_families(); f->n; f++) {

        cdr_metrics_head(c, f->name, f->help, CDR_METRIC_HISTOGRAM);

        for (i = 0; i < f->n; i++) {
            h = &c->m->histograms[f->first + i];

            if (f->cells == 0 || h->count) {
                cdr_metrics_histogram(c, f, h, f->labels ? f->labels[i]
                                                         : cdr_metrics_none);
            }
        }

        for (i = 0; i < c->m->cells.n; i++) {
            h = cdr_metrics_cell(c->m, f, i, &name);

            if (h) {
                cdr_metrics_histogram(c, f, h, name);
            }
        }
    }
}


/* What there is by event, of all events, in seconds. */

static void
cdr_metrics_broadcast(const cdr_metrics_ctx_t *c)
{
    cdr_histogram_t                sum;
    cdr_histogram_family_t         all;
    const cdr_histogram_family_t  *f;
    static const cdr_str_t         name
                                   = cdr_str("conductor_broadcast_seconds");

    for (f = cdr_histogram_families(); f->first != CDR_HISTOGRAM_SENT; f++) {
        /* void */
    }

    all = *f;
    all.name = name;
    all.ms = false;

    cdr_metrics_sum(c->m, f, &sum);
    cdr_metrics_head(c, name, f->help, CDR_METRIC_HISTOGRAM);
    cdr_metrics_histogram(c, &all, &sum, cdr_metrics_none);
}


static void
cdr_metrics_build(const cdr_metrics_ctx_t *c)
{
    static const cdr_str_t  name = cdr_str("conductor_build_info"),
                            help = cdr_str("What runs here."),
                            server = cdr_str("server"),
                            version = cdr_str("version"),
                            nginx = cdr_str("nginx");

    cdr_metrics_head(c, name, help, CDR_METRIC_GAUGE);

    cdr_json_put(c->out, name.data, name.len);
    cdr_json_put_lit(c->out, "{");
    cdr_metrics_labels(c, server, c->m->server);
    cdr_json_put_lit(c->out, ",");
    cdr_metrics_label(c, version, c->m->version);
    cdr_json_put_lit(c->out, ",");
    cdr_metrics_label(c, nginx, c->m->nginx);
    cdr_json_put_lit(c->out, "} 1\n");
}


static void
cdr_metrics_head(const cdr_metrics_ctx_t *c, cdr_str_t name, cdr_str_t help,
    cdr_metric_type_e type)
{
    static const cdr_str_t  types[] = {
        cdr_str("counter"), cdr_str("gauge"), cdr_str("histogram"),
        cdr_str("unknown")
    };

    name = cdr_metrics_base(c, name, &type);

    cdr_json_put_lit(c->out, "# HELP ");
    cdr_json_put(c->out, name.data, name.len);
    cdr_json_put_lit(c->out, " ");
    cdr_json_put(c->out, help.data, help.len);
    cdr_json_put_lit(c->out, "\n# TYPE ");
    cdr_json_put(c->out, name.data, name.len);
    cdr_json_put_lit(c->out, " ");
    cdr_json_put(c->out, types[type].data, types[type].len);
    cdr_json_put_lit(c->out, "\n");
}


/*
 * In OpenMetrics a family of counters is called without the "_total" of its
 * samples; where they have none, it is no counter there.
 */

static cdr_str_t
cdr_metrics_base(const cdr_metrics_ctx_t *c, cdr_str_t name,
    cdr_metric_type_e *type)
{
    static const cdr_str_t  total = cdr_str("_total");

    if (!c->open || *type != CDR_METRIC_COUNTER) {
        return name;
    }

    if (name.len > total.len
        && memcmp(name.data + name.len - total.len, total.data, total.len)
           == 0)
    {
        name.len -= total.len;

    } else {
        *type = CDR_METRIC_UNKNOWN;
    }

    return name;
}


/* All of a sample but its value. */

static void
cdr_metrics_sample(const cdr_metrics_ctx_t *c, cdr_str_t name,
    cdr_str_t label, cdr_str_t value)
{
    cdr_json_put(c->out, name.data, name.len);
    cdr_json_put_lit(c->out, "{");
    cdr_metrics_labels(c, label, value);
    cdr_json_put_lit(c->out, "} ");
}


static void
cdr_metrics_labels(const cdr_metrics_ctx_t *c, cdr_str_t label,
    cdr_str_t value)
{
    static const cdr_str_t  hub = cdr_str("hub");

    cdr_metrics_label(c, hub, c->m->hub);

    if (value.data) {
        cdr_json_put_lit(c->out, ",");
        cdr_metrics_label(c, label, value);
    }
}


static void
cdr_metrics_label(const cdr_metrics_ctx_t *c, cdr_str_t label,
    cdr_str_t value)
{
    size_t  i;

    cdr_json_put(c->out, label.data, label.len);
    cdr_json_put_lit(c->out, "=\"");

    for (i = 0; i < value.len; i++) {

        switch (value.data[i]) {

        case '\n':
            cdr_json_put_lit(c->out, "\\n");
            break;

        case '"':
        case '\\':
            cdr_json_put_lit(c->out, "\\");
            /* fall through */

        default:
            cdr_json_put(c->out, &value.data[i], 1);
        }
    }

    cdr_json_put_lit(c->out, "\"");
}


static void
cdr_metrics_value(const cdr_metrics_ctx_t *c, uint64_t n, uint32_t digits)
{
    cdr_metrics_number(c->out, n, digits, false);
    cdr_json_put_lit(c->out, "\n");
}


static void
cdr_metrics_histogram(const cdr_metrics_ctx_t *c,
    const cdr_histogram_family_t *f, const cdr_histogram_t *h,
    cdr_str_t value)
{
    uint32_t         k, digits;
    uint64_t         n;
    const uint64_t  *bounds;

    bounds = cdr_histogram_bounds();
    digits = f->ms ? 3 : 6;
    n = 0;

    for (k = 0; k < CDR_HISTOGRAM_BUCKETS; k++) {
        n += h->buckets[k];

        cdr_metrics_part(c, f, "_bucket", value);
        cdr_json_put_lit(c->out, ",le=\"");

        if (k < CDR_HISTOGRAM_BOUNDS) {
            cdr_metrics_number(c->out, bounds[k], digits, c->open);

        } else {
            cdr_json_put_lit(c->out, "+Inf");
        }

        cdr_json_put_lit(c->out, "\"} ");
        cdr_metrics_value(c, n, 0);
    }

    cdr_metrics_part(c, f, "_sum", value);
    cdr_json_put_lit(c->out, "} ");
    cdr_metrics_value(c, h->sum, digits);

    cdr_metrics_part(c, f, "_count", value);
    cdr_json_put_lit(c->out, "} ");
    cdr_metrics_value(c, h->count, 0);
}


static void
cdr_metrics_part(const cdr_metrics_ctx_t *c, const cdr_histogram_family_t *f,
    const char *suffix, cdr_str_t value)
{
    cdr_json_put(c->out, f->name.data, f->name.len);
    cdr_json_put(c->out, suffix, strlen(suffix));
    cdr_json_put_lit(c->out, "{");
    cdr_metrics_labels(c, f->label, value);
}
