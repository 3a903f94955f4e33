// A clock that goes on when a test says so.

import type { Clock } from '../../src/core/types.js';

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** A clock, and how to let it go on. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  now = () => this.#now;
  random = () => 0.5;

  setTimeout = (call: () => void, ms: number): unknown => {
    const timer = { at: this.#now + ms, call };

    this.#timers.add(timer);
    return timer;
  };

  clearTimeout = (timer: unknown) => {
    this.#timers.delete(timer as Timer);
  };

  /** How many timers are pending. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time go by, and everything happen that is due. */
  async pass(ms = 0): Promise<void> {
    const end = this.#now + ms;

    for (;;) {
      await settle();

      const [next] = [...this.#timers]
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at);

      if (!next) {
        break;
      }

      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }

    this.#now = end;
  }
}

/** Lets promises be kept that only wait for each other. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
  }
}
