// How good a connection is: round trips, loss, stability, and a grade.

import { createChanges, systemClock } from './changes.js';
import type { ConductorError } from './error.js';
import { createTimer } from './timer.js';
import type { Clock, Send, Status } from './types.js';

/**
 * A grade: by the average round trip `Excellent` under 100 ms, `Good` under
 * 250, `Fair` under 500, else `Poor`; `Offline` while not connected.
 */
export type Quality = 'Excellent' | 'Good' | 'Fair' | 'Poor' | 'Offline';

/** What is known of a connection.  A new object only if it is different. */
export interface QualityMetrics {
  /** The last round trip in milliseconds; null if there is none. */
  readonly latency: number | null;
  /** The average of those among the last 10. */
  readonly averageLatency: number | null;
  /** Which share of the last 10 was not answered, in percent. */
  readonly packetLoss: number;
  /**
   * 100 if all round trips take the same time, down to 0 if they deviate by
   * as much as they take; null before there are two.
   */
  readonly stability: number | null;
  /** The grade; null while connected and nothing is measured yet. */
  readonly quality: Quality | null;
  /** How many of the last 10 there are, answered or not. */
  readonly samples: number;
}

/** What {@link createQuality} is given. */
export interface QualityOptions {
  readonly send: Send;
  readonly status: Status;
  /** Milliseconds between two pings; 10,000 unless told, 1,000 at least. */
  readonly checkInterval?: number;
  readonly clock?: Clock;
}

/** Measures a connection, once it is started. */
export interface QualityMonitor {
  /** What is known now. */
  readonly metrics: QualityMetrics;
  /** Begins to measure, in a task of its own. */
  start(): void;
  /** Measures no more; what is known stays. */
  stop(): void;
  /** Says how the connection is; any but `connected` is `Offline`. */
  setStatus(status: Status): void;
  /** Tells of other {@link metrics}, once for each turn. */
  onChange(listener: () => void): () => void;
}

/** How many round trips count. */
const SAMPLES = 10;

/** Differences of a few milliseconds are no instability. */
const STEADY = 50;

/** What is known of a connection that is not there. */
export const OFFLINE: QualityMetrics = {
  latency: null, averageLatency: null, packetLoss: 0, stability: null,
  quality: 'Offline', samples: 0,
};

/**
 * Measures a connection by sending `ping`.  Pings count as messages in the
 * server's limit: 6 of 100 in a minute, unless told otherwise.  No ping is
 * sent from a page that is hidden.
 */
export function createQuality(options: QualityOptions): QualityMonitor {
  const { send, clock = systemClock } = options;
  const interval = Math.max(1000, options.checkInterval ?? 10_000);
  const changes = createChanges(clock);
  const timer = createTimer(clock);

  let connected = options.status === 'connected';
  let metrics = connected ? measure([]) : OFFLINE;
  let samples: readonly (number | null)[] = [];
  let started = false;
  let turn = 0;

  function set(next: QualityMetrics): void {
    if (JSON.stringify(next) !== JSON.stringify(metrics)) {
      metrics = next;
      changes.tell();
    }
  }

  function add(sample: number | null): void {
    samples = [...samples, sample].slice(-SAMPLES);
    set(measure(samples));
  }

  /** Ends what is under way; what comes of it is not counted. */
  function halt(): void {
    turn++;
    timer.clear();
  }

  function ping(): void {
    halt();

    if (started && connected && !hidden()) {
      const mine = turn;
      const begun = clock.now();

      const done = (error?: ConductorError) => {
        if (mine === turn) {
          const lost = error && !error.reply;
          // unless the clock was set meanwhile, it is within these bounds
          const took = Math.min(Math.max(clock.now() - begun, 0), interval);

          add(lost ? null : took);
          timer.set(
            Math.max(error?.retryAfterMs ?? 0, interval - took), ping);
        }
      };

      send({ type: 'ping' }, { queue: false, timeout: interval })
        .then(() => done(), done);
    }
  }

  /** What a page measures that is not seen says nothing. */
  function seen(): void {
    halt();

    if (!hidden()) {
      timer.set(0, ping);
    }
  }

  return {
    get metrics() {
      return metrics;
    },

    start() {
      if (!started) {
        started = true;
        page()?.addEventListener('visibilitychange', seen);
        timer.set(0, ping);
      }
    },

    stop() {
      started = false;
      halt();
      page()?.removeEventListener('visibilitychange', seen);
    },

    setStatus(status) {
      if (connected !== (status === 'connected')) {
        connected = !connected;
        samples = [];
        halt();
        set(connected ? measure(samples) : OFFLINE);
        ping();
      }
    },

    onChange: changes.on,
  };
}

/** The figures of some round trips, null for those not answered. */
function measure(samples: readonly (number | null)[]): QualityMetrics {
  const times = samples.filter((ms) => ms !== null);
  const count = times.length;
  const mean = times.reduce((sum, ms) => sum + ms, 0) / count;
  const deviation = Math.sqrt(
    times.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / count);

  return {
    latency: times[count - 1] ?? null,
    averageLatency: count ? Math.round(mean) : null,
    packetLoss: samples.length
      ? Math.round(100 - 100 * count / samples.length) : 0,
    stability: count < 2 ? null : Math.round(
      Math.max(0, 100 - 100 * deviation / Math.max(mean, STEADY))),
    quality: samples.length ? grade(count ? mean : Infinity) : null,
    samples: samples.length,
  };
}

/** The grade of a round trip of so many milliseconds. */
export function grade(ms: number): Quality {
  return ms < 100 ? 'Excellent' : ms < 250 ? 'Good'
    : ms < 500 ? 'Fair' : 'Poor';
}

function page(): Document | undefined {
  return globalThis.document;
}

function hidden(): boolean {
  return page()?.visibilityState === 'hidden';
}
