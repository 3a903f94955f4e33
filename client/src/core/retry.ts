// When the next attempt to connect begins.

import { pauseOf } from './codes.js';
import type { Verdict } from './codes.js';
import { isOnline } from './page.js';
import { createTimer } from './timer.js';
import type { Clock } from './types.js';

// Milliseconds between attempts that something hurries.
const HURRY = 1_000;

// Milliseconds between attempts while there is said to be no network.
const OFFLINE = 30_000;

// So often it is tried in haste nevertheless, to a server on this machine:
// that needs no network, and has only been started anew.
const TRIES = 3;

const DELAYS: readonly number[] = [1_000, 2_000, 4_000, 8_000];

/** Plans attempts. */
export interface Retry {
  /** An attempt begins, to an address on this machine or another. */
  began(near: boolean): void;
  /** It has succeeded. */
  connected(): void;
  /** The connection or the attempt is over; gives when the next begins. */
  plan(verdict: Verdict): number;
  /** The network has gone, or come: gives when the next begins. */
  replan(hurry: boolean): number;
  /** No attempt follows.  `anew`: pauses begin with the shortest again. */
  stop(anew?: boolean): void;
}

/** Makes {@link Retry}; `begin` begins an attempt. */
export function createRetry(
  clock: Clock,
  given: readonly number[] | undefined,
  begin: () => void,
): Retry {
  const delays = given?.length ? given : DELAYS;
  const timer = createTimer(clock);
  let step = 0;
  let last = 0;
  let upSince: number | undefined;
  let due = 0;
  let earliest = 0;
  let longest = 0;
  let local = false;

  const arm = (hurry: boolean) => {
    const now = clock.now();
    const calm = !isOnline() && !(local && (hurry || step <= TRIES));

    // the time of day may have been set back since
    due = Math.min(due, now + longest);

    const at = calm ? Math.max(due, now + OFFLINE) : due;

    timer.set(at - now, begin);
    return at;
  };

  return {
    began(near) {
      timer.clear();
      last = clock.now();
      local = near;
    },

    connected() {
      upSince = clock.now();
    },

    plan(verdict) {
      const now = clock.now();

      // a connection that does not last is no reason to hurry
      if (upSince !== undefined && now - upSince >= Math.max(...delays)) {
        step = 0;
      }

      if (verdict.slow) {
        step = Math.max(step, delays.length - 1);
      }

      // a new token is fetched at once, the first time
      due = now + (verdict.token && step === 0 ? 0
        : pauseOf(delays, step, verdict.retry, clock.random()));
      longest = due - now;
      earliest = now + (verdict.retry ?? 0);
      upSince = undefined;
      step++;

      return arm(false);
    },

    replan(hurry) {
      if (hurry) {
        due = Math.min(due, Math.max(earliest, last + HURRY, clock.now()));
      }

      return arm(hurry);
    },

    stop(anew) {
      timer.clear();
      upSince = undefined;

      if (anew) {
        step = 0;
      }
    },
  };
}
