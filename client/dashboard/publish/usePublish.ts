// Publishes an event over the connection, and says how that went.

import { useCallback, useState } from 'react';

import type { Client, Fields } from '../../src/core/types.js';
import { failure } from '../app/words.js';

/** What the form says below its button. */
export interface Answer {
  readonly state: '' | 'good' | 'wait' | 'bad';
  readonly text: string;
}

interface Refused {
  readonly code?: string;
  readonly message?: string;
  readonly retryAfterMs?: number;
}

function refused(error: Refused, role: string | null): string {
  const { code = '', message = '', retryAfterMs } = error;

  if (code === 'forbidden') {
    return `your role, ${role ?? 'none'}, may watch but not publish this.`;
  }

  if (code === 'rate_limited') {
    const seconds = Math.ceil((retryAfterMs ?? 1000) / 1000);

    return `too many messages at once. Possible again in ${seconds} s.`;
  }

  return `${failure(code, message)}.`;
}

// With a key a publication is done once, however often it is sent.
function key(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

/** `publish` is true once the event is accepted. */
export function usePublish(client: Client): {
  answer: Answer;
  publish: (event: Fields) => Promise<boolean>;
} {
  const [answer, setAnswer] = useState<Answer>({ state: '', text: '' });

  const publish = useCallback(async (event: Fields) => {
    const { status, welcome } = client.state;

    if (status === 'closed') {
      setAnswer({
        state: 'bad',
        text: 'Not published: this page is not connected.',
      });
      return false;
    }

    setAnswer(status === 'connected'
      ? { state: 'wait', text: 'Publishing…' }
      : { state: 'wait', text: 'Waits in the queue for the connection.' });

    try {
      await client.send({ type: 'publish', key: key(), event });
      setAnswer({ state: 'good', text: 'Published to everyone connected.' });
      return true;
    } catch (error) {
      const why = refused(error as Refused, welcome?.role ?? null);

      setAnswer({ state: 'bad', text: `Not published: ${why}` });
      return false;
    }
  }, [client]);

  return { answer, publish };
}
