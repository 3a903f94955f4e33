/*
 * What /metrics answers: the figures, histograms and levels of a hub, as text
 * for Prometheus (text format 0.0.4, or OpenMetrics 1.0), or as JSON.
 *
 * A level is what is told beside figures and histograms: how full something
 * is, whether something works.  All that is told is read into a cdr_metrics_t
 * first, so that it can be measured and written.
 */

#ifndef CDR_METRICS_H_INCLUDED
#define CDR_METRICS_H_INCLUDED


#include "cdr.h"
#include "cdr_cells.h"
#include "cdr_figures.h"
#include "cdr_histogram.h"


typedef enum {
    CDR_METRICS_TEXT = 0,           /* text format 0.0.4 */
    CDR_METRICS_OPEN,               /* OpenMetrics 1.0 */
    CDR_METRICS_JSON
} cdr_metrics_format_e;


/* Tables with a fixed number of entries.  X(symbol, name) */

#define CDR_TABLES(X)                                                         \
    X(CDR_TABLE_CONNECTIONS,  "connections")                                  \
    X(CDR_TABLE_KEYS,         "counted_keys")                                 \
    X(CDR_TABLE_WINDOWS,      "windows")                                      \
    X(CDR_TABLE_REVOCATIONS,  "revocations")                                  \
    X(CDR_TABLE_IDEMPOTENCY,  "idempotency_keys")                             \
    X(CDR_TABLE_FIGURES,      "names_of_figures")                             \
    X(CDR_TABLE_REVIEWERS,    "reviewers")                                    \
    X(CDR_TABLE_QUESTIONS,    "questions")


/* How a hub is joined to its Redis.  X(symbol, name) */

#define CDR_REDIS_STATES(X)                                                   \
    X(CDR_REDIS_ALONE,        "alone")                                        \
    X(CDR_REDIS_RETURNING,    "returning")                                    \
    X(CDR_REDIS_JOINED,       "joined")


#define CDR_WORKER_STATES(X)                                                  \
    X(CDR_WORKERS_ACTIVE,     "active")                                       \
    X(CDR_WORKERS_DRAINING,   "draining")


enum { CDR_TABLES(CDR_X_FIGURE_ENUM) CDR_TABLE_N };
enum { CDR_REDIS_STATES(CDR_X_FIGURE_ENUM) CDR_REDIS_STATE_N };
enum { CDR_WORKER_STATES(CDR_X_FIGURE_ENUM) CDR_WORKER_STATE_N };


/* The levels; where a kind is added, as in CDR_LEVEL_USED + table. */

enum {
    CDR_LEVEL_CONNECTIONS = 0,
    CDR_LEVEL_SESSIONS,
    CDR_LEVEL_USED,
    CDR_LEVEL_ROOM = CDR_LEVEL_USED + CDR_TABLE_N,
    CDR_LEVEL_ZONE_BYTES = CDR_LEVEL_ROOM + CDR_TABLE_N,
    CDR_LEVEL_LOG_EVENTS,
    CDR_LEVEL_LOG_EVENTS_MAX,
    CDR_LEVEL_LOG_BYTES,
    CDR_LEVEL_LOG_BYTES_MAX,
    CDR_LEVEL_QUEUE_BYTES,
    CDR_LEVEL_QUEUE_MESSAGES,
    CDR_LEVEL_BEHIND,
    CDR_LEVEL_WORKERS,
    CDR_LEVEL_DRAINING = CDR_LEVEL_WORKERS + CDR_WORKER_STATE_N,
    CDR_LEVEL_KEEPER,
    CDR_LEVEL_DATABASE,
    CDR_LEVEL_REDIS,
    CDR_LEVEL_REDIS_STATE,
    CDR_LEVEL_REDIS_LAG = CDR_LEVEL_REDIS_STATE + CDR_REDIS_STATE_N,
    CDR_LEVEL_REDIS_RECONNECTS,
    CDR_LEVEL_REDIS_DROPPED,
    CDR_LEVEL_REDIS_REJECTED,
    CDR_LEVEL_SERVERS,
    CDR_LEVEL_OUTBOX_EVENTS,
    CDR_LEVEL_OUTBOX_BYTES,
    CDR_LEVEL_OUTBOX_BYTES_MAX,
    CDR_LEVEL_CALLS,
    CDR_LEVEL_CALLS_WAITING,
    CDR_LEVEL_ERRANDS,
    CDR_LEVEL_ERRANDS_BYTES,
    CDR_LEVEL_ERRANDS_BYTES_MAX,
    CDR_LEVEL_ERRANDS_DONE,
    CDR_LEVEL_ERRANDS_FAILED,
    CDR_LEVEL_ERRANDS_DROPPED,
    CDR_LEVEL_STARTED,
    CDR_LEVEL_N
};

#define CDR_LEVEL_NONE  UINT64_MAX      /* there is no such thing here */


typedef enum {
    CDR_LEVEL_PLAIN = 0,
    CDR_LEVEL_US,                   /* microseconds, told in seconds */
    CDR_LEVEL_MS                    /* milliseconds, likewise */
} cdr_level_unit_e;


/* Levels that differ in a label only, or one alone. */

typedef struct {
    cdr_str_t                  name;
    cdr_str_t                  help;
    uint32_t                   first;
    uint32_t                   n;
    cdr_str_t                  label;
    const cdr_str_t           *labels;      /* NULL: one, without a label */
    cdr_level_unit_e           unit;
    bool                       counter;
} cdr_level_family_t;


typedef struct {
    cdr_str_t                  hub;
    cdr_str_t                  server;
    cdr_str_t                  version;     /* of this module, */
    cdr_str_t                  nginx;       /* and of nginx */
    cdr_cells_t                cells;       /* n: those that have a name */
    const uint64_t            *figures;     /* sums of all */
    const cdr_histogram_t     *histograms;  /* all rows */
    uint32_t                   nhistograms;
    uint64_t                   levels[CDR_LEVEL_N];
} cdr_metrics_t;


/* The families, in the order of their levels; ends with n = 0. */
const cdr_level_family_t *cdr_level_families(void);

/*
 * Writes all of it and returns the length; with "dst" NULL it only returns the
 * length.
 */
size_t cdr_metrics_write(uint8_t *dst, const cdr_metrics_t *m,
    cdr_metrics_format_e format);

/*
 * The text format that an Accept header (RFC 9110, section 12.5.1) asks for:
 * OpenMetrics if it is named and wanted no less than plain text.
 */
cdr_metrics_format_e cdr_metrics_accepted(cdr_str_t accept);


#endif /* CDR_METRICS_H_INCLUDED */
