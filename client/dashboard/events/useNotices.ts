// What the page has to say of its own connection, in the list of events.

import { useEffect, useState } from 'react';

import type { Client } from '../../src/core/types.js';
import { isEvent, type Notice } from './entries.js';

const KEPT = 50;

let ids = 0;

function words(recovered: boolean, count: number, reason?: string): string {
  if (reason === 'gap') {
    return 'Some events were lost on their way to this page.';
  }

  if (!recovered) {
    return 'Connected again. Events of the time in between may be missing.';
  }

  return `Connected again. ${count === 0 ? 'Nothing was missed.'
    : 'What was missed is here.'}`;
}

/** Notices from the oldest to the newest. */
export function useNotices(client: Client): readonly Notice[] {
  const [notices, setNotices] = useState<readonly Notice[]>([]);

  useEffect(() => {
    let last: string | null = null;

    function say(text: string): void {
      const notice = { id: ++ids, at: Date.now(), text, after: last };

      setNotices((old) => [...old, notice].slice(-KEPT));
    }

    const ends = [
      client.on('*', (message) => {
        if (isEvent(message)) {
          last = message.eventId;
        } else if (message.type === 'error' && message['id'] === undefined) {
          say(`The server says: ${String(message['error'])} `
            + `(${String(message['code'])})`);
        }
      }),
      client.on('resumed', ({ recovered, count, reason }) => {
        say(words(recovered, count, reason));
      }),
    ];

    return () => ends.forEach((end) => end());
  }, [client]);

  return notices;
}
