// The hook of the offline queue: what waits.

import { useMemo, useSyncExternalStore } from 'react';
import type { QueueOptions } from '../core/queue.js';
import type { QueueItem } from '../core/queue-list.js';
import type { Client } from '../core/types.js';
import { useEarlyEffect, useSession } from './context.js';

/** What {@link useOfflineQueue} is given. */
export interface UseOfflineQueueOptions extends QueueOptions {
  /** In place of the client of the provider above. */
  readonly client?: Client | null;
}

/** What {@link useOfflineQueue} gives. */
export interface OfflineQueue {
  /** Those that wait, the oldest first. */
  readonly items: readonly QueueItem[];
  /** How many there are. */
  readonly size: number;
  /** The same. */
  readonly queueSize: number;
  /** Forgets them. */
  readonly clearQueue: () => void;
  /** Tries again at once, if connected. */
  readonly flush: () => void;
}

const EMPTY: readonly QueueItem[] = [];

/**
 * What waits for the connection.  With options the connection gets a queue
 * that is as they say.
 *
 * @example
 * ```tsx
 * const queue = useOfflineQueue({ maxQueueSize: 20 });
 * return <button onClick={queue.clearQueue}>{queue.size} waiting</button>;
 * ```
 */
export function useOfflineQueue(
  options: UseOfflineQueueOptions = {},
): OfflineQueue {
  const { client, ...own } = options;
  const session = useSession(client);
  const given = Object.keys(own).length ? JSON.stringify(own) : '';

  const items = useSyncExternalStore(session.listen,
    () => session.queue?.items ?? EMPTY, () => EMPTY);

  useEarlyEffect(() => {
    if (given) {
      session.setQueue(own);
    }
  }, [session, given]);

  const methods = useMemo(() => ({
    clearQueue: () => session.queue?.clear(),
    flush: () => session.queue?.flush(),
  }), [session]);

  return useMemo(() => ({
    items, size: items.length, queueSize: items.length, ...methods,
  }), [items, methods]);
}
