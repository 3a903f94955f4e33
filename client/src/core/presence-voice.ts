// Says what a client is doing, and says it again on a new connection.

import { systemClock } from './clock.js';
import type { ConductorError } from './error.js';
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

/** Makes the voice of a client. */
export function createVoice(client: Client): Voice {
  const timer = createTimer(client.options.clock ?? systemClock);

  let said: OwnPresence = {};
  let told = '{}';
  let user: string | null | undefined;

  function tell(): void {
    const text = JSON.stringify(said);

    if (client.state.status !== 'connected' || text === told) {
      return;
    }

    told = text;
    client.send({ type: 'presence-update', ...said }, { queue: false })
      .catch((error: ConductorError) => {
        if (error.rateLimited && told === text) {
          told = '';
          timer.set(error.retryAfterMs ?? 1000, tell);
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
      off();
      timer.clear();
    },
  };
}
