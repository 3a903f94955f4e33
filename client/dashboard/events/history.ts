// Fetches what the server still holds of the past.

import type {
  Client, ClientOptions, Filter, Resumed, UnknownEvent,
} from '../../src/core/types.js';
import { createClient } from '../../src/core/client.js';
import { isEvent } from './entries.js';
import { CHANNEL } from './useFilter.js';

/** A part of the past, from the oldest event to the newest. */
export interface History {
  readonly events: readonly UnknownEvent[];
  /** False if events between the position and now are not held any more. */
  readonly complete: boolean;
}

const AT_MOST = 1000;

/**
 * The events after a position, as the user of a client may see them.  A
 * connection of its own asks for them: on one that is live nothing is sent
 * again.
 */
export function history(
  client: Client, since: string, filter: Filter, signal: AbortSignal,
): Promise<History> {
  const { url, token } = client.options;
  const options: ClientOptions = {
    url,
    since,
    subscriptions: [{ channel: CHANNEL, filter }],
    ...token !== undefined && { token },
  };

  return new Promise((resolve, reject) => {
    const past = createClient(options);
    const events: UnknownEvent[] = [];

    function end(done: () => void): void {
      past.disconnect();
      signal.removeEventListener('abort', aborted);
      done();
    }

    function aborted(): void {
      end(() => reject(new Error('aborted')));
    }

    past.on('*', (message) => {
      if (isEvent(message)) {
        events.push(message);
        events.splice(0, events.length - AT_MOST);
      }
    });

    past.on('resumed', ({ recovered }: Resumed) => {
      end(() => resolve({ events, complete: recovered }));
    });

    past.onChange(() => {
      if (past.state.status === 'closed' || past.state.status === 'waiting') {
        end(() => reject(new Error('not connected')));
      }
    });

    signal.addEventListener('abort', aborted);
    past.connect();
  });
}
