// Tells those who listen that a store has changed, once for each turn.

import type { Clock } from './types.js';

/** The time and the chance of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
};

/** Listeners of a store. */
export interface Changes {
  /** Adds a listener and returns what takes it away. */
  on(listener: () => void): () => void;
  /** Has the listeners called soon; however often, they are called once. */
  tell(): void;
}

/**
 * Makes the listeners of a store.  They are called by a timer, since a
 * browser gives each frame of a socket a task of its own: what came together
 * is told together.
 */
export function createChanges(clock: Clock): Changes {
  const listeners = new Set<() => void>();
  let pending = false;

  const call = () => {
    pending = false;

    for (const listener of [...listeners]) {
      listener();
    }
  };

  return {
    on(listener) {
      const own = () => listener();

      listeners.add(own);
      return () => void listeners.delete(own);
    },

    tell() {
      if (!pending && listeners.size) {
        pending = true;
        clock.setTimeout(call, 0);
      }
    },
  };
}
