// Brings a new token to a connection before the old one ends.

import { isRefusal } from './error.js';
import { createTimer } from './timer.js';
import { expiryOf } from './token.js';
import type { Tokens } from './token.js';
import type { Clock, Reply } from './types.js';

/** Renews the token of one connection at a time. */
export interface Renewal {
  /** A connection with a token began, when its server's time was `now`. */
  start(token: string | null, now: number): void;
  stop(): void;
  /** The source is another one. */
  now(): void;
}

/** What {@link createRenewal} needs. */
export interface RenewalOptions {
  readonly clock: Clock;
  readonly tokens: Tokens;
  auth(token: string): Promise<Reply>;
  /** This token is in force. */
  done(token: string | null): void;
  /** This connection cannot have that token, or there is none yet. */
  reconnect(token: string | null | undefined): void;
}

// A token is renewed when a fifth of its time is left, or a minute; never
// more often than so many milliseconds.
const SHARE = 0.2;
const MARGIN = 60_000;
const PAUSE = 2_000;

/** Makes {@link Renewal}. */
export function createRenewal(options: RenewalOptions): Renewal {
  const { clock, tokens } = options;
  const timer = createTimer(clock);
  let current: string | null = null;
  let ahead = 0;
  let turn = {};

  const plan = () => {
    const end = tokens.renewable ? expiryOf(current) : undefined;
    const left = (end ?? 0) - ahead - clock.now();

    // behind the end there is nothing to renew: the server closes
    if (left > 0) {
      timer.set(
        Math.max(left - Math.min(left * SHARE, MARGIN), PAUSE),
        () => void renew(false),
      );
    }
  };

  const renew = async (other: boolean) => {
    const mine = turn = {};
    let token: string | null | undefined;

    timer.clear();

    try {
      token = await tokens.fetch();

      if (mine === turn && token !== null && token !== current) {
        await options.auth(token);

        if (mine === turn) {
          current = token;
          other = false;
        }
      }
    } catch (error) {
      other ||= isRefusal(error);
    }

    if (mine !== turn) {
      return;
    }

    if (other && token !== current) {
      options.reconnect(token);
      return;
    }

    options.done(current);
    plan();
  };

  return {
    start(token, now) {
      current = token;
      ahead = now - clock.now();
      plan();
    },

    stop() {
      turn = {};
      timer.clear();
    },

    now: () => void renew(true),
  };
}
