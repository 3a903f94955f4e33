// Up to where this client knows everything, and what it has had already.

import type { ClientOptions, Welcome } from './types.js';

// So many of the last event ids are known.  After a resume the server sends
// nothing twice; on a connection that was not held, it may.
const KNOWN = 1000;

/** A position of one user. */
export interface Position {
  /** Where to resume from; null if there is nothing to come back to. */
  readonly since: string | null;
  /**
   * Whose connection it is from now on.  False if the position was somebody
   * else's: then there is none any more.
   */
  welcome(welcome: Welcome): boolean;
  /** Everything up to here is known. */
  move(since: unknown): void;
  /** Whether an event was not had before. */
  isNew(eventId: string): boolean;
  /** Stores the position, if it has changed and there is where. */
  save(): void;
}

/** Makes a {@link Position} from what was given or stored. */
export function createPosition(options: ClientOptions): Position {
  const { resume } = options;
  const known = new Set<string>();
  let since: string | null = null;
  let user: string | null | undefined;
  let saved = true;

  if (options.since) {
    since = options.since;
  } else if (resume) {
    try {
      const stored = JSON.parse(resume.store.getItem(resume.key) ?? '') as
        { since?: unknown; user?: unknown };

      if (typeof stored.since === 'string'
        && (typeof stored.user === 'string' || stored.user === null))
      {
        since = stored.since;
        user = stored.user;
      }
    } catch {
      // what cannot be read is none
    }
  }

  return {
    get since() {
      return since;
    },

    welcome({ userId }) {
      const same = user === undefined || user === userId;

      if (!same) {
        since = null;
        known.clear();
      }

      saved &&= user === userId;
      user = userId;
      return same;
    },

    move(to) {
      if (typeof to === 'string' && to !== since) {
        since = to;
        saved = false;
      }
    },

    isNew(eventId) {
      if (known.has(eventId)) {
        return false;
      }

      known.add(eventId);

      if (known.size > KNOWN) {
        known.delete(known.values().next().value as string);
      }

      return true;
    },

    save() {
      if (saved || !resume || since === null || user === undefined) {
        return;
      }

      saved = true;

      try {
        resume.store.setItem(resume.key, JSON.stringify({ since, user }));
      } catch {
        // full or forbidden: it holds until the page is gone
      }
    },
  };
}
