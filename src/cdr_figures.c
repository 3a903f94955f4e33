/* The figures of a hub: their numbers and names. */

#include <string.h>

#include "cdr.h"
#include "cdr_figures.h"
#include "cdr_json.h"


#define CDR_X_LABEL(symbol, label)                cdr_str(label),
#define CDR_X_CODE_LABEL(symbol, code, label)     cdr_str(label),
#define CDR_X_REFUSAL_LABEL(symbol, s, c, l, t)   cdr_str(l),
#define CDR_X_ENDING(symbol, code, label)                                     \
    case symbol: return CDR_ENDED_ ## symbol;


static void cdr_figures_family(cdr_json_out_t *out,
    const cdr_figure_family_t *f, const cdr_cells_t *cells,
    const uint64_t *sums);
static void cdr_figures_label(cdr_json_out_t *out, const char **sep,
    cdr_str_t label, uint64_t n);


static const cdr_str_t  cdr_figure_endings[] = {
    CDR_CLOSE_CODES(CDR_X_CODE_LABEL) CDR_ENDINGS(CDR_X_LABEL)
};

static const cdr_str_t  cdr_figure_refusals[] = {
    CDR_REFUSALS(CDR_X_REFUSAL_LABEL)
};

static const cdr_str_t  cdr_figure_received[] = {
    CDR_COMMAND_TYPES(CDR_X_LABEL) CDR_RECEIVED_KINDS(CDR_X_LABEL)
};

static const cdr_str_t  cdr_figure_sents[] = { CDR_SENT_TYPES(CDR_X_LABEL) };
static const cdr_str_t  cdr_figure_errors[] = { CDR_ERROR_CODES(CDR_X_LABEL) };
static const cdr_str_t  cdr_figure_drops[] = { CDR_DROPS(CDR_X_LABEL) };
static const cdr_str_t  cdr_figure_resumes[] = { CDR_RESUMES(CDR_X_LABEL) };
static const cdr_str_t  cdr_figure_dry_runs[] = { CDR_DRY_RUNS(CDR_X_LABEL) };

static const cdr_str_t  cdr_figure_calls[] = { CDR_CALL_OUTCOMES(CDR_X_LABEL) };

static const cdr_str_t  cdr_figure_identities[] = {
    CDR_IDENTITIES(CDR_X_LABEL)
};

static const cdr_str_t  cdr_figure_publish[] = {
    CDR_REFUSED_KINDS(CDR_X_LABEL)
};


static const cdr_figure_family_t  cdr_figure_table[] = {

    { cdr_str("connectionsTotal"),
      cdr_str("websocket_connections_count"), cdr_str_null,
      cdr_str("Connections established."),
      CDR_FIGURE_CONNECTIONS, 1, NULL, 0, true },

    { cdr_str("events"),
      cdr_str("conductor_events_total"), cdr_str_null,
      cdr_str("Events accepted into the log."),
      CDR_FIGURE_EVENTS, 1, NULL, 0, false },

    { cdr_str("overruns"),
      cdr_str("conductor_log_overruns_total"), cdr_str_null,
      cdr_str("How often a worker found events overwritten before it had "
              "sent them."),
      CDR_FIGURE_OVERRUNS, 1, NULL, 0, false },

    { cdr_str("disconnections"),
      cdr_str("websocket_disconnections_total"), cdr_str("reason"),
      cdr_str("Connections that ended."),
      CDR_FIGURE_ENDED, CDR_ENDED_N, cdr_figure_endings, 0, true },

    { cdr_str("refused"),
      cdr_str("conductor_handshake_refusals_total"), cdr_str("reason"),
      cdr_str("Handshakes that were refused."),
      CDR_FIGURE_REFUSED, CDR_REFUSAL_N, cdr_figure_refusals, 0, true },

    { cdr_str("messagesReceived"),
      cdr_str("websocket_messages_received_total"), cdr_str("event"),
      cdr_str("Messages of clients."),
      CDR_FIGURE_RECEIVED, CDR_RECEIVED_N, cdr_figure_received,
      CDR_CELL_RECEIVED, true },

    { cdr_str("messagesSent"),
      cdr_str("websocket_messages_sent_total"), cdr_str("event"),
      cdr_str("Messages to clients."),
      CDR_FIGURE_SENT, CDR_SENT_N, cdr_figure_sents, CDR_CELL_SENT, true },

    { cdr_str("errors"),
      cdr_str("websocket_errors_total"), cdr_str("type"),
      cdr_str("Errors that clients were told."),
      CDR_FIGURE_ERRORS, CDR_ERROR_N, cdr_figure_errors, 0, true },

    { cdr_str("dropped"),
      cdr_str("conductor_dropped_messages_total"), cdr_str("reason"),
      cdr_str("Messages counted as sent that clients did not get."),
      CDR_FIGURE_DROPPED, CDR_DROP_N, cdr_figure_drops, 0, true },

    { cdr_str("droppedBytes"),
      cdr_str("conductor_dropped_bytes_total"), cdr_str("reason"),
      cdr_str("Bytes of messages counted as sent that clients did not get."),
      CDR_FIGURE_DROPPED_BYTES, CDR_DROP_N, cdr_figure_drops, 0, false },

    { cdr_str("resumes"),
      cdr_str("conductor_resumes_total"), cdr_str("outcome"),
      cdr_str("Clients that came back for what they missed, or were told "
              "that they miss something."),
      CDR_FIGURE_RESUMES, CDR_RESUME_N, cdr_figure_resumes, 0, false },

    { cdr_str("publicationsRefused"),
      cdr_str("conductor_publications_refused_total"), cdr_str("reason"),
      cdr_str("Publications over HTTP that were refused."),
      CDR_FIGURE_PUBLISH, CDR_REFUSED_N, cdr_figure_publish, 0, false },

    { cdr_str("dryRun"),
      cdr_str("conductor_limit_dry_run_total"), cdr_str("limit"),
      cdr_str("What limits would have refused, had they been in force."),
      CDR_FIGURE_DRY_RUN, CDR_DRY_RUN_N, cdr_figure_dry_runs, 0, false },

    { cdr_str("identities"),
      cdr_str("conductor_authentications_total"), cdr_str("outcome"),
      cdr_str("Identities that were asked for, and what was found."),
      CDR_FIGURE_IDENTITY, CDR_IDENTITY_N, cdr_figure_identities, 0, false },

    { cdr_str("backendCalls"),
      cdr_str("conductor_backend_calls_total"), cdr_str("outcome"),
      cdr_str("Calls of back ends."),
      CDR_FIGURE_CALLS, CDR_CALLED_N, cdr_figure_calls, 0, false },

    { cdr_str("auditLost"),
      cdr_str("conductor_audit_lines_lost_total"), cdr_str_null,
      cdr_str("Lines of the audit log that could not be written."),
      CDR_FIGURE_AUDIT_LOST, 1, NULL, 0, false },

    { cdr_str_null, cdr_str_null, cdr_str_null, cdr_str_null, 0, 0, NULL, 0,
      false }
};


const cdr_figure_family_t *
cdr_figure_families(void)
{
    return cdr_figure_table;
}


uint32_t
cdr_figure_ending(uint32_t code, bool by_client)
{
    if (by_client && code != CDR_CLOSE_NORMAL && code != CDR_CLOSE_GOING_AWAY
        && code != CDR_CLOSE_NO_STATUS)
    {
        return CDR_ENDED_OTHER;
    }

    switch (code) {
    CDR_CLOSE_CODES(CDR_X_ENDING)
    }

    return CDR_ENDED_OTHER;
}


cdr_str_t
cdr_figure_ending_label(uint32_t ending)
{
    return cdr_figure_endings[ending];
}


cdr_str_t
cdr_figure_called(uint32_t outcome)
{
    return cdr_figure_calls[outcome];
}


cdr_str_t
cdr_figure_resume(uint32_t outcome)
{
    return cdr_figure_resumes[outcome];
}


uint32_t
cdr_figure_sent(const cdr_cells_t *cells, cdr_str_t type)
{
    uint32_t          i;
    const cdr_str_t  *s;

    for (i = 0; i < CDR_SENT_N; i++) {
        s = &cdr_figure_sents[i];

        if (s->len == type.len && memcmp(s->data, type.data, type.len) == 0) {
            return CDR_FIGURE_SENT + i;
        }
    }

    i = cdr_cells_find(cells, CDR_CELL_SENT, type);

    return (i == CDR_CELLS_NONE) ? CDR_FIGURE_SENT + CDR_SENT_OTHER
                                 : CDR_FIGURES + i;
}


uint64_t
cdr_figure_total(const cdr_figure_family_t *f, const cdr_cells_t *cells,
    const uint64_t *sums)
{
    uint32_t         i, n;
    uint64_t         total;
    cdr_str_t        name;
    cdr_cell_kind_e  kind;

    total = 0;

    for (i = 0; i < f->n; i++) {
        total += sums[f->first + i];
    }

    n = f->cells ? cdr_cells_used(cells) : 0;

    for (i = 0; i < n; i++) {
        kind = cdr_cells_name(cells, i, &name);

        if (kind == f->cells) {
            total += sums[CDR_FIGURES + i];
        }
    }

    return total;
}


size_t
cdr_figures_json(uint8_t *dst, const cdr_cells_t *cells, const uint64_t *sums)
{
    const char                 *sep;
    cdr_json_out_t              out = { dst, 0 };
    const cdr_figure_family_t  *f;

    sep = "{";

    for (f = cdr_figure_table; f->n; f++) {

        if (cdr_figure_total(f, cells, sums) == 0) {
            continue;
        }

        cdr_json_put(&out, sep, 1);
        sep = ",";

        cdr_json_put_string(&out, f->name);
        cdr_json_put_lit(&out, ":");

        if (f->labels) {
            cdr_figures_family(&out, f, cells, sums);

        } else {
            cdr_json_put_u64(&out, sums[f->first]);
        }
    }

    if (*sep == '{') {
        cdr_json_put_lit(&out, "{");
    }

    cdr_json_put_lit(&out, "}");

    return out.len;
}


static void
cdr_figures_family(cdr_json_out_t *out, const cdr_figure_family_t *f,
    const cdr_cells_t *cells, const uint64_t *sums)
{
    uint32_t         i, n;
    cdr_str_t        name;
    const char      *sep;
    cdr_cell_kind_e  kind;

    sep = "{";

    for (i = 0; i < f->n; i++) {
        cdr_figures_label(out, &sep, f->labels[i], sums[f->first + i]);
    }

    n = f->cells ? cdr_cells_used(cells) : 0;

    for (i = 0; i < n; i++) {
        kind = cdr_cells_name(cells, i, &name);

        if (kind == f->cells) {
            cdr_figures_label(out, &sep, name, sums[CDR_FIGURES + i]);
        }
    }

    cdr_json_put_lit(out, "}");
}


static void
cdr_figures_label(cdr_json_out_t *out, const char **sep, cdr_str_t label,
    uint64_t n)
{
    if (n == 0) {
        return;
    }

    cdr_json_put(out, *sep, 1);
    cdr_json_put_string(out, label);
    cdr_json_put_lit(out, ":");
    cdr_json_put_u64(out, n);

    *sep = ",";
}
