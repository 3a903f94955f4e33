/*
 * The figures that each process counts in its slot: their numbers, and the
 * names under which they are told.
 *
 * The first CDR_FIGURES are the same for every hub.  Behind them are cells,
 * which get their names from the configuration, see cdr_cells.h.  A label
 * never comes from the wire: what has no figure of its own counts as "other".
 */

#ifndef CDR_FIGURES_H_INCLUDED
#define CDR_FIGURES_H_INCLUDED


#include "cdr.h"
#include "cdr_call.h"
#include "cdr_cells.h"
#include "cdr_codes.h"
#include "cdr_command.h"


/*
 * Why connections ended, beside the labels of CDR_CLOSE_CODES.  X(symbol,
 * label)
 */

#define CDR_ENDINGS(X)                                                        \
    X(CDR_ENDED_OTHER,        "other")  /* another code of the client */      \
    X(CDR_ENDED_BACKEND,      "backend")        /* a back end said so, */     \
    X(CDR_ENDED_UNASKED,      "backend_failed") /* or failed at "connect" */  \
    X(CDR_ENDED_LOST,         "lost")   /* with their worker */


/*
 * Messages of clients, beside the names of CDR_COMMAND_TYPES.
 *
 * X(symbol, label)
 */

#define CDR_RECEIVED_KINDS(X)                                                 \
    X(CDR_RECEIVED_INVALID,   "invalid")    /* no command */                  \
    X(CDR_RECEIVED_UNREAD,    "unread")     /* the client was closed for it */\
    X(CDR_RECEIVED_ECHO,      "echo")


/* Messages of the server that are no configured events.  X(symbol, type) */

#define CDR_SENT_TYPES(X)                                                     \
    X(CDR_SENT_OTHER,         "other")                                        \
    X(CDR_SENT_WELCOME,       "welcome")                                      \
    X(CDR_SENT_ACK,           "ack")                                          \
    X(CDR_SENT_ERROR,         "error")                                        \
    X(CDR_SENT_PONG,          "pong")                                         \
    X(CDR_SENT_RESUMED,       "resumed")                                      \
    X(CDR_SENT_ECHO,          "echo")                                         \
    X(CDR_SENT_LIST,          "presence-list")                                \
    X(CDR_SENT_UPDATE,        "presence-update")                              \
    X(CDR_SENT_DIFF,          "presence-diff")                                \
    X(CDR_SENT_NOTIFICATION,  "admin-notification")


/* Messages that were counted as sent but were dropped.  X(symbol, reason) */

#define CDR_DROPS(X)                                                          \
    X(CDR_DROP_SLOW,          "slow")   /* the client was too far behind */   \
    X(CDR_DROP_GONE,          "gone")   /* it ended before it had them */


/* What became of clients that missed something.  X(symbol, outcome) */

#define CDR_RESUMES(X)                                                        \
    X(CDR_RESUME_RECOVERED,   "recovered")                                    \
    X(CDR_RESUME_UNKNOWN,     "unknown")    /* no position of this hub */     \
    X(CDR_RESUME_EXPIRED,     "expired")    /* no longer held */              \
    X(CDR_RESUME_OVERRUN,     "overrun")    /* overwritten while read */      \
    X(CDR_RESUME_UPGRADE,     "upgrade")    /* did not outlive its server */  \
    X(CDR_RESUME_GAP,         "gap")        /* its worker was overrun */


/* Publications that were refused.  X(symbol, reason) */

#define CDR_REFUSED_KINDS(X)                                               \
    X(CDR_REFUSED_BAD_JSON,    "bad_json")                                    \
    X(CDR_REFUSED_INVALID,     "invalid")                                     \
    X(CDR_REFUSED_TOO_LARGE,   "too_large")                                   \
    X(CDR_REFUSED_FORBIDDEN,   "forbidden")                                   \
    X(CDR_REFUSED_CONFLICT,    "conflict")                                    \
    X(CDR_REFUSED_UNAVAILABLE, "unavailable")                                 \
    X(CDR_REFUSED_OTHER,       "other")


/* Limits that were passed under "dry run".  X(symbol, limit) */

#define CDR_DRY_RUNS(X)                                                       \
    X(CDR_DRY_RUN_CONN,       "address_limit")                                \
    X(CDR_DRY_RUN_USER,       "user_limit")                                   \
    X(CDR_DRY_RUN_HANDSHAKES, "handshake_limit")                              \
    X(CDR_DRY_RUN_MESSAGES,   "rate_limited")


/* Identities that were looked at.  X(symbol, outcome) */

#define CDR_IDENTITIES(X)                                                     \
    X(CDR_IDENTITY_ACCEPTED,  "accepted")                                     \
    X(CDR_IDENTITY_MISSING,   "missing")                                      \
    X(CDR_IDENTITY_INVALID,   "invalid")                                      \
    X(CDR_IDENTITY_EXPIRED,   "expired")                                      \
    X(CDR_IDENTITY_REVOKED,   "revoked")


/* What became of calls of back ends.  X(symbol, outcome) */

#define CDR_CALL_OUTCOMES(X)                                                  \
    X(CDR_CALLED_OK,          "ok")                                           \
    X(CDR_CALLED_FAILED,      "failed")     /* no answer, or not 2xx */       \
    X(CDR_CALLED_TIMEOUT,     "timeout")                                      \
    X(CDR_CALLED_TOO_BIG,     "too_big")    /* the answer */                  \
    X(CDR_CALLED_INVALID,     "invalid")    /* likewise */                    \
    X(CDR_CALLED_BUSY,        "busy")       /* too many wait: never called */


#define CDR_X_FIGURE_ENUM(symbol, label)        symbol,
#define CDR_X_FIGURE_CODE(symbol, code, label)  CDR_ENDED_ ## symbol,

enum { CDR_CLOSE_CODES(CDR_X_FIGURE_CODE) CDR_ENDINGS(CDR_X_FIGURE_ENUM)
       CDR_ENDED_N };
enum { CDR_RECEIVED_FIRST_ = CDR_COMMAND_N - 1,
       CDR_RECEIVED_KINDS(CDR_X_FIGURE_ENUM) CDR_RECEIVED_N };
enum { CDR_SENT_TYPES(CDR_X_FIGURE_ENUM) CDR_SENT_N };
enum { CDR_DROPS(CDR_X_FIGURE_ENUM) CDR_DROP_N };
enum { CDR_RESUMES(CDR_X_FIGURE_ENUM) CDR_RESUME_N };
enum { CDR_REFUSED_KINDS(CDR_X_FIGURE_ENUM) CDR_REFUSED_N };
enum { CDR_DRY_RUNS(CDR_X_FIGURE_ENUM) CDR_DRY_RUN_N };
enum { CDR_IDENTITIES(CDR_X_FIGURE_ENUM) CDR_IDENTITY_N };
enum { CDR_CALL_OUTCOMES(CDR_X_FIGURE_ENUM) CDR_CALLED_N };


/* The numbers; where a kind is added, as in CDR_FIGURE_ERRORS + code. */

enum {
    CDR_FIGURE_CONNECTIONS = 0,         /* taken since the start */
    CDR_FIGURE_EVENTS,                  /* accepted */
    CDR_FIGURE_OVERRUNS,                /* of a worker's reading */
    CDR_FIGURE_ENDED,                   /* + CDR_ENDED_... */
    CDR_FIGURE_REFUSED = CDR_FIGURE_ENDED + CDR_ENDED_N,
    CDR_FIGURE_RECEIVED = CDR_FIGURE_REFUSED + CDR_REFUSAL_N,
    CDR_FIGURE_SENT = CDR_FIGURE_RECEIVED + CDR_RECEIVED_N,
    CDR_FIGURE_ERRORS = CDR_FIGURE_SENT + CDR_SENT_N,
    CDR_FIGURE_DROPPED = CDR_FIGURE_ERRORS + CDR_ERROR_N,
    CDR_FIGURE_DROPPED_BYTES = CDR_FIGURE_DROPPED + CDR_DROP_N,
    CDR_FIGURE_RESUMES = CDR_FIGURE_DROPPED_BYTES + CDR_DROP_N,
    CDR_FIGURE_PUBLISH = CDR_FIGURE_RESUMES + CDR_RESUME_N,
    CDR_FIGURE_DRY_RUN = CDR_FIGURE_PUBLISH + CDR_REFUSED_N,
    CDR_FIGURE_IDENTITY = CDR_FIGURE_DRY_RUN + CDR_DRY_RUN_N,
    CDR_FIGURE_CALLS = CDR_FIGURE_IDENTITY + CDR_IDENTITY_N,
    CDR_FIGURE_AUDIT_LOST = CDR_FIGURE_CALLS + CDR_CALLED_N,
    CDR_FIGURES
};


/* What a process has at the moment, in the gauges of its slot. */

#define CDR_BACKENDS  8                 /* of a hub */

enum {
    CDR_GAUGE_SENT = 0,                 /* number of the last event it has
                                           sent, and 1; 0: it has no clients */
    CDR_GAUGE_QUEUED_BYTES,             /* for clients */
    CDR_GAUGE_QUEUED_MESSAGES,
    CDR_GAUGE_BEHIND,                   /* clients that something waits for */
    CDR_GAUGE_SESSIONS,                 /* of agents */
    CDR_GAUGE_CALLS,                    /* of back ends, under way, */
    CDR_GAUGE_CALLS_WAITING,            /* and waiting for their turn */
    CDR_GAUGE_CALLERS,                  /* a bit for each back end that it
                                           waits for */
    CDR_GAUGE_BACKEND,                  /* + its number: calls under way, */
    CDR_GAUGE_BACKEND_KEY = CDR_GAUGE_BACKEND + CDR_BACKENDS,
                                        /* + its number: which one it is */
    CDR_GAUGE_N = CDR_GAUGE_BACKEND_KEY + CDR_BACKENDS
};


/* Figures that differ in a label only, or one alone. */

typedef struct {
    cdr_str_t            name;
    cdr_str_t            metric;        /* as it is told to Prometheus, */
    cdr_str_t            label;         /* with this label */
    cdr_str_t            help;
    uint32_t             first;
    uint32_t             n;
    const cdr_str_t     *labels;        /* NULL: one, without a label */
    cdr_cell_kind_e      cells;         /* that belong to it as well, or 0 */
    bool                 total;         /* of interest by itself */
} cdr_figure_family_t;


/* The families, in the order of their figures; ends with n = 0. */
const cdr_figure_family_t *cdr_figure_families(void);

/*
 * The ending CDR_ENDED_... for a close code.  Codes that a client sends by
 * itself count by name only where the RFC means them for that: 1000, 1001, and
 * 1005 for none; the hub's own reasons stay the hub's.
 */
uint32_t cdr_figure_ending(uint32_t code, bool by_client);

/* Its label; a constant that ends with a NUL byte. */
cdr_str_t cdr_figure_ending_label(uint32_t ending);

/*
 * The number of the figure for messages of a type that is sent: of the native
 * type of that name, of its cell, or of "other" if it has none.
 */
uint32_t cdr_figure_sent(const cdr_cells_t *cells, cdr_str_t type);

/* The label of an outcome CDR_CALLED_...; ends with a NUL byte. */
cdr_str_t cdr_figure_called(uint32_t outcome);

/* The label of an outcome CDR_RESUME_...; the reason in "resumed". */
cdr_str_t cdr_figure_resume(uint32_t outcome);

/* The sum of a family, cells included, of the sums of all figures. */
uint64_t cdr_figure_total(const cdr_figure_family_t *f,
    const cdr_cells_t *cells, const uint64_t *sums);

/*
 * All figures that are not 0 as a JSON object: of numbers, or of objects by
 * label.  Returns the length; with "dst" NULL it only returns the length.
 */
size_t cdr_figures_json(uint8_t *dst, const cdr_cells_t *cells,
    const uint64_t *sums);


#endif /* CDR_FIGURES_H_INCLUDED */
