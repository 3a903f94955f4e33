// Asks whether a silent connection still lives.

import { createTimer } from './timer.js';
import type { Clock } from './types.js';

/** Watches one connection at a time. */
export interface Alive {
  start(): void;
  stop(): void;
  /** Something came. */
  heard(): void;
  /** Asks now, for an answer in so many milliseconds. */
  ask(patience: number): void;
  /** What was sent at that time has no answer: asks, if all is silent. */
  doubt(since: number, patience: number): void;
}

/** What {@link createAlive} needs. */
export interface AliveOptions {
  readonly clock: Clock;
  /** Milliseconds of silence after which it asks; 0 for never. */
  readonly interval: number;
  /** Asks for an answer of any kind. */
  ping(): void;
  /** Nothing came in time. */
  dead(): void;
}

// Milliseconds until silence after a ping means death.
const PATIENCE = 10_000;

/** Makes {@link Alive}. */
export function createAlive(options: AliveOptions): Alive {
  const { clock, interval } = options;
  const silence = createTimer(clock);
  const answer = createTimer(clock);
  let last = 0;
  let asking = false;

  const ask = (patience: number) => {
    if (!asking) {
      asking = true;
      answer.set(patience, options.dead);
      options.ping();
    }
  };

  // One timer for many messages.
  const watch = () => {
    if (interval > 0) {
      // the time of day may be set back: that, too, is a reason to ask
      silence.set(Math.min(last + interval - clock.now(), interval), () => {
        if (Math.abs(clock.now() - last) >= interval) {
          ask(PATIENCE);
        }

        if (!asking) {
          watch();
        }
      });
    }
  };

  return {
    start() {
      last = clock.now();
      watch();
    },

    stop() {
      asking = false;
      silence.clear();
      answer.clear();
    },

    heard() {
      last = clock.now();

      if (asking) {
        asking = false;
        answer.clear();
        watch();
      }
    },

    ask,

    doubt(since, patience) {
      if (interval > 0 && last <= since) {
        ask(patience);
      }
    },
  };
}
