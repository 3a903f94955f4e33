// Sets of listeners, none of which can harm the others.

/** Those who listen to one thing. */
export interface Listeners<A extends unknown[]> {
  /** Adds a listener; what is returned takes it away. */
  add(listener: (...args: A) => void): () => void;
  /** Calls them all. */
  call(...args: A): void;
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
  };
}
