// Where the token comes from, and when it ends.

import type { TokenSource } from './types.js';

// The same token is refused so often before it is clear that no other comes.
const REFUSALS = 4;

/** The present token source. */
export interface Tokens {
  /** A function, which may give another token than before. */
  readonly renewable: boolean;
  /** Fetches a token; who asks meanwhile gets the same one. */
  fetch(): Promise<string | null>;
  /** The server has refused a token; true if no other will come. */
  refuse(token: string | null): boolean;
  /** The server has accepted one, or it is tried from the beginning. */
  accept(): void;
  /** Asks anew the next time, whatever is still being fetched. */
  forget(): void;
  /** Takes another source; false if it is the same. */
  set(source: TokenSource | undefined): boolean;
}

// What a token may be made of; the page of an error is none, and the next
// answer may be one.
const TOKEN = /^[\w!#$%&'*+.^`|~-]*$/;

async function fetched(source: Exclude<TokenSource, string>) {
  const token = await source();

  if (!TOKEN.test(token ?? '')) {
    throw new TypeError('what was fetched is no token');
  }

  return token;
}

/** Makes {@link Tokens}. */
export function createTokens(source: TokenSource | undefined): Tokens {
  let fetching: Promise<string | null> | undefined;
  let refused: string | null = null;
  let refusals = 0;

  const forget = () => {
    fetching = undefined;
  };

  return {
    get renewable() {
      return typeof source === 'function';
    },

    fetch() {
      if (fetching) {
        return fetching;
      }

      const mine = Promise.resolve()
        .then(() => typeof source === 'function'
          ? fetched(source) : source)
        .then((token) => token || null);

      const done = () => {
        if (fetching === mine) {
          forget();
        }
      };

      fetching = mine;
      mine.then(done, done);
      return mine;
    },

    refuse(token) {
      refusals = token === refused ? refusals + 1 : 1;
      refused = token;
      return typeof source !== 'function' || refusals >= REFUSALS;
    },

    accept() {
      refusals = 0;
    },

    forget,

    set(other) {
      if (other === source) {
        return false;
      }

      forget();
      refusals = 0;
      source = other;
      return true;
    },
  };
}

/**
 * When a JWT ends, in Unix milliseconds by the clock of who issued it;
 * undefined if it does not say, or is something else.  Nothing is verified:
 * that is up to the server.
 */
export function expiryOf(token: string | null): number | undefined {
  try {
    const claims = token?.split('.')[1] ?? '';
    const text = atob(claims.replace(/-/g, '+').replace(/_/g, '/'));
    const { exp } = JSON.parse(text) as { exp?: unknown };

    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
