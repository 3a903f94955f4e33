// Asks the server for some of the events only.

import { useCallback, useState } from 'react';

import type { Client, Filter } from '../../src/core/types.js';
import { failure } from '../app/words.js';
import type { Wanted } from './entries.js';

/** The channel of the events that have features. */
export const CHANNEL = 'tasks:updates';

/** All events. */
export const ALL: Wanted = { feature: '', type: '' };

/** The filter of the server that stands for what is wanted. */
export function filterOf({ feature, type }: Wanted): Filter {
  return {
    ...feature !== '' && { featureSlug: feature },
    ...type !== '' && { type },
  };
}

function sentence({ feature, type }: Wanted): string {
  if (feature === '' && type === '') {
    return '';
  }

  return feature !== '' && type !== ''
    ? 'Other features and types are not sent to this page.'
    : `Other ${feature !== '' ? 'features' : 'types'} are not sent to this`
      + ' page.';
}

/** What is wanted, what the page says of it, and how to want something else. */
export function useFilter(client: Client): {
  wanted: Wanted;
  said: string;
  failed: boolean;
  want: (some: Partial<Wanted>) => void;
} {
  const [wanted, setWanted] = useState(ALL);
  const [said, setSaid] = useState('');
  const [failed, setFailed] = useState(false);

  const want = useCallback((some: Partial<Wanted>) => {
    const next = { ...wanted, ...some };

    if (next.feature === wanted.feature && next.type === wanted.type) {
      return;
    }

    setWanted(next);

    client.subscribe(CHANNEL, filterOf(next)).then(() => {
      setFailed(false);
      setSaid(sentence(next));
    }, (error: { code?: string; message?: string }) => {
      const { code = '', message = '' } = error;

      // it is said again with the next connection
      setFailed(code !== 'disconnected');
      setSaid(code === 'disconnected' ? sentence(next)
        : `The server does not filter: ${failure(code, message)}.`);
    });
  }, [client, wanted]);

  return { wanted, said, failed, want };
}
