// The server's own figures: what GET /metrics answers, made into samples.

/** How many samples a chart shows. */
export const KEPT = 60;

/** Percentiles in milliseconds; null without observations. */
export interface Latency {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** One answer of the server, as far as the charts need it. */
export interface Sample {
  /** Milliseconds of a clock that never goes back. */
  readonly at: number;
  readonly started: number;
  readonly connections: number;
  /** Messages sent to clients since the server started. */
  readonly sent: number;
  /** Of those, each second since the sample before; null for the first. */
  readonly rate: number | null;
  readonly latency: Latency;
  /** What was refused since the server started, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly workers: number;
  readonly kept: number;
  readonly keptLimit: number;
}

type Metrics = Record<string, unknown>;

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function family(metrics: Metrics, name: string): Record<string, number> {
  const found = metrics[name];

  return typeof found === 'object' && found !== null
    ? found as Record<string, number> : {};
}

function sum(values: Record<string, number>): number {
  return Object.values(values).reduce((all, value) => all + number(value), 0);
}

function percentile(metrics: Metrics, name: string): number | null {
  const value = family(metrics, 'websocket_message_latency_ms')[name];

  return typeof value === 'number' ? value : null;
}

// Handshakes, commands and publications are refused for reasons of one name.
function refusals(metrics: Metrics): Record<string, number> {
  const all: Record<string, number> = {};

  for (const name of ['conductor_handshake_refusals_total',
    'websocket_errors_total', 'conductor_publications_refused_total']) {
    for (const [reason, count] of Object.entries(family(metrics, name))) {
      if (number(count) > 0) {
        all[reason] = (all[reason] ?? 0) + count;
      }
    }
  }

  return all;
}

/** What an answer of the server says, seen after the one before it. */
export function sample(metrics: Metrics, at: number, before?: Sample): Sample {
  const sent = sum(family(metrics, 'websocket_messages_sent_total'));
  const started = number(metrics['conductor_start_time_seconds']);
  const follows = before !== undefined && before.started === started
    && sent >= before.sent && at > before.at;

  return {
    at,
    started,
    connections: number(metrics['websocket_connections_total']),
    sent,
    rate: follows ? (sent - before.sent) * 1000 / (at - before.at) : null,
    latency: {
      p50: percentile(metrics, 'p50'),
      p95: percentile(metrics, 'p95'),
      p99: percentile(metrics, 'p99'),
    },
    refusals: refusals(metrics),
    workers: family(metrics, 'conductor_workers')['active'] ?? 0,
    kept: number(metrics['conductor_log_events']),
    keptLimit: number(metrics['conductor_log_events_limit']),
  };
}

/** A number as it is read: few digits, and none that mean nothing. */
export function brief(value: number | null): string {
  if (value === null) {
    return '–';
  }

  const digits = value >= 100 || Number.isInteger(value) ? 0
    : value >= 10 ? 1 : 2;

  return value.toLocaleString('en', { maximumFractionDigits: digits });
}
