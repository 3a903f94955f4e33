// One timer that can be set again; what it waited for before is forgotten.

import type { Clock } from './types.js';

/** A timer of which one run at most is pending. */
export interface Timer {
  set(ms: number, call: () => void): void;
  clear(): void;
}

// What a longer delay becomes, since it would be taken for none.
const LONGEST = 0x7fffffff;

/** Makes a {@link Timer}. */
export function createTimer(clock: Clock): Timer {
  let timer: unknown;

  const clear = () => {
    clock.clearTimeout(timer);
    timer = undefined;
  };

  return {
    set(ms, call) {
      clear();
      timer = clock.setTimeout(call, Math.min(Math.max(ms, 0), LONGEST));
    },
    clear,
  };
}
