// The time and the chance of the machine.

import type { Clock } from './types.js';

/** The clock that is used unless another is given. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (call, ms) => setTimeout(call, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
};
