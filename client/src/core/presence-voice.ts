// Says what a client is doing, and says it again on a new connection.

import { systemClock } from './clock.js';
import { isRefusal } from './error.js';
import type { ConductorError, ErrorCode } from './error.js';
import { createTimer } from './timer.js';
import type { Client, ReviewerStatus } from './types.js';

/** What a client says of itself; what is missing stays as it was. */
export interface OwnPresence {
  readonly status?: Exclude<ReviewerStatus, 'offline'>;
  /** What it is working on, of at most 128 bytes; null for nothing. */
  readonly currentFeature?: string | null;
}

/** See {@link Presence.set}. */
export interface Voice {
  say(own: OwnPresence): void;
  close(): void;
}

// What is said again, and after how many milliseconds if the server does not
// say when.
const AGAIN: readonly ErrorCode[] = ['rate_limited', 'busy'];
const PAUSE = 1_000;

/** Makes the voice of a client. */
export function createVoice(client: Client): Voice {
  const timer = createTimer(client.options.clock ?? systemClock);

  let said: OwnPresence = {};
  let told = '{}';
  let user: string | null | undefined;
  let closed = false;

  function tell(): void {
    const text = JSON.stringify(said);

    if (client.state.status !== 'connected' || text === told) {
      return;
    }

    told = text;
    client.send({ type: 'presence-update', ...said }, { queue: false })
      .catch((error: ConductorError) => {
        const { code, retryAfterMs } = error;

        if (told !== text || closed || isRefusal(error)) {
          return;
        }

        told = '';

        if (AGAIN.includes(code)) {
          timer.set(retryAfterMs || PAUSE, tell);
        }
      });
  }

  const off = client.on('welcome', ({ userId }) => {
    said = user === undefined || user === userId ? said : {};
    user = userId;
    told = '{}';
    timer.set(0, tell);
  });

  return {
    say(own) {
      said = { ...said, ...own };
      timer.set(0, tell);
    },

    close() {
      closed = true;
      off();
      timer.clear();
    },
  };
}
