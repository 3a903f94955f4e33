// From where history can be told: the first position that this browser knew.

import { useEffect, useState } from 'react';

import type { Client } from '../../src/core/types.js';

/** A position and when it was that of the server. */
export interface Start {
  readonly since: string;
  readonly at: number;
}

function key(user: string): string {
  return `conductor_dashboard_start:${user}`;
}

function kept(name: string): Start | null {
  try {
    const start = JSON.parse(localStorage.getItem(name) ?? '') as Start;

    return typeof start.since === 'string' && typeof start.at === 'number'
      ? start : null;
  } catch {
    return null;
  }
}

function keep(name: string, start: Start): void {
  try {
    localStorage.setItem(name, JSON.stringify(start));
  } catch {
    // a browser that stores nothing knows its own visit only
  }
}

/**
 * Where history starts, kept over visits; `forget` takes the present instead,
 * for a server that does not know the position any more.
 */
export function useStart(client: Client): {
  start: Start | null;
  forget: () => void;
} {
  const [start, setStart] = useState<Start | null>(null);

  useEffect(() => client.on('welcome', ({ userId, lastEventId, timestamp }) => {
    const name = key(userId ?? '');

    setStart((old) => {
      const found = old ?? kept(name) ?? { since: lastEventId, at: timestamp };

      keep(name, found);
      return found;
    });
  }), [client]);

  function forget(): void {
    const { welcome } = client.state;
    const since = client.lastEventId;

    if (welcome !== null && since !== null) {
      const present = { since, at: Date.now() };

      keep(key(welcome.userId ?? ''), present);
      setStart(present);
    }
  }

  return { start, forget };
}
