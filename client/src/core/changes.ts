// Tells those who listen that a store has changed, once for each turn.

import { createListeners } from './listeners.js';
import type { Clock } from './types.js';

export { systemClock } from './clock.js';

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
  const { add, call } = createListeners();
  let pending = false;

  return {
    on: add,

    tell() {
      if (!pending) {
        pending = true;
        clock.setTimeout(() => {
          pending = false;
          call();
        }, 0);
      }
    },
  };
}
