/* What /metrics tells beside figures and histograms: its names. */

#include "cdr.h"
#include "cdr_metrics.h"


#define CDR_X_LABEL(symbol, label)  cdr_str(label),


static const cdr_str_t  cdr_level_tables[] = { CDR_TABLES(CDR_X_LABEL) };
static const cdr_str_t  cdr_level_redis[] = { CDR_REDIS_STATES(CDR_X_LABEL) };
static const cdr_str_t  cdr_level_workers[] = {
    CDR_WORKER_STATES(CDR_X_LABEL)
};


#define cdr_level(name, help, level)                                          \
    { cdr_str(name), cdr_str(help), level, 1, cdr_str_null, NULL,             \
      CDR_LEVEL_PLAIN, false }

#define cdr_level_counter(name, help, level)                                  \
    { cdr_str(name), cdr_str(help), level, 1, cdr_str_null, NULL,             \
      CDR_LEVEL_PLAIN, true }

#define cdr_level_time(name, help, level, unit)                               \
    { cdr_str(name), cdr_str(help), level, 1, cdr_str_null, NULL, unit,       \
      false }

#define cdr_level_list(name, help, level, n, label, labels)                   \
    { cdr_str(name), cdr_str(help), level, n, cdr_str(label), labels,         \
      CDR_LEVEL_PLAIN, false }


static const cdr_level_family_t  cdr_level_table[] = {

    cdr_level("websocket_connections_total",
              "Connections there are.", CDR_LEVEL_CONNECTIONS),
    cdr_level("websocket_active_sessions",
              "Sessions of agents there are.", CDR_LEVEL_SESSIONS),

    cdr_level_list("conductor_zone_entries",
                   "Entries in use of the zone's tables.", CDR_LEVEL_USED,
                   CDR_TABLE_N, "table", cdr_level_tables),
    cdr_level_list("conductor_zone_entries_limit",
                   "Entries that the zone's tables have.", CDR_LEVEL_ROOM,
                   CDR_TABLE_N, "table", cdr_level_tables),
    cdr_level("conductor_zone_bytes",
              "Size of the zone.", CDR_LEVEL_ZONE_BYTES),

    cdr_level("conductor_log_events",
              "Events held for who comes back.", CDR_LEVEL_LOG_EVENTS),
    cdr_level("conductor_log_events_limit",
              "Events that can be held.", CDR_LEVEL_LOG_EVENTS_MAX),
    cdr_level("conductor_log_bytes",
              "Bytes of the events held.", CDR_LEVEL_LOG_BYTES),
    cdr_level("conductor_log_bytes_limit",
              "Bytes that can be held.", CDR_LEVEL_LOG_BYTES_MAX),

    cdr_level("conductor_queue_bytes",
              "Bytes that wait for clients to take them.",
              CDR_LEVEL_QUEUE_BYTES),
    cdr_level("conductor_queue_messages",
              "Messages that wait for clients to take them.",
              CDR_LEVEL_QUEUE_MESSAGES),
    cdr_level("conductor_slow_consumers",
              "Clients that something waits for.", CDR_LEVEL_BEHIND),

    cdr_level_list("conductor_workers",
                   "Worker processes.", CDR_LEVEL_WORKERS,
                   CDR_WORKER_STATE_N, "state", cdr_level_workers),
    cdr_level("conductor_draining",
              "1 while this server sends its clients away.",
              CDR_LEVEL_DRAINING),
    cdr_level("conductor_keeper_up",
              "1 if the keeper has given a sign of life.", CDR_LEVEL_KEEPER),
    cdr_level("conductor_database_up",
              "1 if the database is open and can be written.",
              CDR_LEVEL_DATABASE),

    cdr_level("conductor_redis_up",
              "1 if Redis orders the events of the hub.", CDR_LEVEL_REDIS),
    cdr_level_list("conductor_redis_state",
                   "1 for how the hub is joined to its Redis.",
                   CDR_LEVEL_REDIS_STATE, CDR_REDIS_STATE_N, "state",
                   cdr_level_redis),
    cdr_level_time("conductor_redis_last_lag_seconds",
                   "How long the last own event took to come back from "
                   "Redis.", CDR_LEVEL_REDIS_LAG, CDR_LEVEL_US),
    cdr_level_counter("conductor_redis_reconnects_total",
                      "How often the link to Redis was made again.",
                      CDR_LEVEL_REDIS_RECONNECTS),
    cdr_level_counter("conductor_redis_dropped_events_total",
                      "Events of this server that the others miss.",
                      CDR_LEVEL_REDIS_DROPPED),
    cdr_level_counter("conductor_redis_rejected_messages_total",
                      "Messages in Redis that were not taken.",
                      CDR_LEVEL_REDIS_REJECTED),
    cdr_level("conductor_servers",
              "Servers of the hub that are there, this one too.",
              CDR_LEVEL_SERVERS),
    cdr_level("conductor_outbox_events",
              "Events that Redis does not have yet.",
              CDR_LEVEL_OUTBOX_EVENTS),
    cdr_level("conductor_outbox_bytes",
              "Bytes of these.", CDR_LEVEL_OUTBOX_BYTES),
    cdr_level("conductor_outbox_bytes_limit",
              "Bytes that the outbox has.", CDR_LEVEL_OUTBOX_BYTES_MAX),

    cdr_level("conductor_backend_calls_active",
              "Calls of back ends under way.", CDR_LEVEL_CALLS),
    cdr_level("conductor_backend_calls_waiting",
              "Calls of back ends that wait for their turn.",
              CDR_LEVEL_CALLS_WAITING),

    cdr_level("conductor_backend_outbox_records",
              "What back ends are still to be told.", CDR_LEVEL_ERRANDS),
    cdr_level("conductor_backend_outbox_bytes",
              "Bytes of that.", CDR_LEVEL_ERRANDS_BYTES),
    cdr_level("conductor_backend_outbox_bytes_limit",
              "Bytes that their outbox has.", CDR_LEVEL_ERRANDS_BYTES_MAX),
    cdr_level_counter("conductor_backend_delivered_total",
                      "What back ends were told out of the outbox.",
                      CDR_LEVEL_ERRANDS_DONE),
    cdr_level_counter("conductor_backend_retries_total",
                      "How often they did not take it, and it was tried "
                      "again.", CDR_LEVEL_ERRANDS_FAILED),
    cdr_level_counter("conductor_backend_dropped_total",
                      "What they will not be told.",
                      CDR_LEVEL_ERRANDS_DROPPED),

    cdr_level_time("conductor_start_time_seconds",
                   "When the zone was made, in seconds since 1970.",
                   CDR_LEVEL_STARTED, CDR_LEVEL_MS),

    { cdr_str_null, cdr_str_null, 0, 0, cdr_str_null, NULL, CDR_LEVEL_PLAIN,
      false }
};


const cdr_level_family_t *
cdr_level_families(void)
{
    return cdr_level_table;
}
