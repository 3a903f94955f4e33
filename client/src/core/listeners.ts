// Sets of listeners, none of which can harm the others.

import type { Clock } from './types.js';
import { createTimer } from './timer.js';

/** Those who listen to one thing. */
export interface Listeners<A extends unknown[]> {
  /** Adds a listener; what is returned takes it away. */
  add(listener: (...args: A) => void): () => void;
  /** Calls them all. */
  call(...args: A): void;
  readonly size: number;
}

// As an uncaught error would be reported, without ending anything.
function report(error: unknown): void {
  if (typeof reportError === 'function') {
    reportError(error);
  } else {
    console.error(error);
  }
}

/** Makes {@link Listeners}. */
export function createListeners<A extends unknown[] = []>(): Listeners<A> {
  // a listener may be added twice, and is then called twice
  const all = new Set<{ listener: (...args: A) => void }>();

  return {
    add(listener) {
      const entry = { listener };

      all.add(entry);
      return () => void all.delete(entry);
    },

    call(...args) {
      for (const entry of [...all]) {
        if (!all.has(entry)) {
          continue;
        }

        try {
          entry.listener(...args);
        } catch (error) {
          report(error);
        }
      }
    },

    get size() {
      return all.size;
    },
  };
}

/** A store's listeners: all changes of one turn are one call. */
export interface Changes {
  onChange(listener: () => void): () => void;
  /** Something has changed; the listeners hear of it in a task of its own. */
  changed(): void;
  /** Nobody is called any more for what has changed so far. */
  cancel(): void;
}

/**
 * Makes {@link Changes}.  A browser brings each message in a task of its
 * own, so only a later task sees all that came together.
 */
export function createChanges(clock: Clock): Changes {
  const listeners = createListeners();
  const timer = createTimer(clock);
  let pending = false;

  return {
    onChange: listeners.add,

    changed() {
      if (!pending) {
        pending = true;
        timer.set(0, () => {
          pending = false;
          listeners.call();
        });
      }
    },

    cancel() {
      pending = false;
      timer.clear();
    },
  };
}
