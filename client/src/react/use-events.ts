// The hook of events: the last ones.

import { useCallback, useMemo, useRef, useSyncExternalStore } from 'react';
import { createEvents } from '../core/events.js';
import type { Events } from '../core/events.js';
import type { Client, EventMap, EventOf } from '../core/types.js';
import { useSession } from './context.js';

/** What {@link useEvents} is given. */
export interface UseEventsOptions<K extends string = string> {
  /** Types of events; all of them unless told. */
  readonly types?: readonly K[];
  /** So many are kept, the newest; 200 unless told. */
  readonly limit?: number;
  /** In place of the client of the provider above. */
  readonly client?: Client | null;
}

/** What {@link useEvents} gives. */
export interface EventsResult<K extends string = string> {
  /** The newest is last. */
  readonly events: readonly EventOf<K>[];
  /** How often the server has said that events are missing. */
  readonly gaps: number;
  readonly paused: boolean;
  /** How many events have come since `pause`. */
  readonly held: number;
  /** Keeps the list as it is. */
  readonly pause: () => void;
  /** Shows what came meanwhile. */
  readonly resume: () => void;
  /** Forgets all events and gaps. */
  readonly clear: () => void;
}

/**
 * The last events that came since the component is there; all that came in
 * one turn are one rendering.
 *
 * @example
 * ```tsx
 * const { events } = useEvents({ types: ['task-status-changed'], limit: 20 });
 * return <p>{events.at(-1)?.newStatus}</p>;
 * ```
 */
export function useEvents<K extends keyof EventMap | (string & {})>(
  options: UseEventsOptions<K> = {},
): EventsResult<K> {
  const { client } = useSession(options.client);
  const { limit = 200 } = options;
  const types = JSON.stringify(options.types ?? null);
  const held = useRef<Store<K> | null>(null);

  const listen = useCallback((listener: () => void) => {
    const chosen = JSON.parse(types) as readonly K[] | null;
    const store = createStore(createEvents(client,
      { limit, ...chosen && { types: chosen } }));

    held.current = store;
    listener();

    const off = store.events.onChange(listener);

    return () => {
      off();
      store.events.close();
    };
  }, [client, limit, types]);

  const shown = useSyncExternalStore(listen,
    () => held.current?.read() ?? NONE, () => NONE) as Shown<K>;

  const methods = useMemo(() => ({
    pause: () => held.current?.events.pause(),
    resume: () => held.current?.events.resume(),
    clear: () => held.current?.events.clear(),
  }), []);

  return useMemo(() => ({ ...shown, ...methods }), [shown, methods]);
}

type Shown<K extends string> =
  Pick<EventsResult<K>, 'events' | 'gaps' | 'paused' | 'held'>;

interface Store<K extends string> {
  readonly events: Events<K>;
  /** The same object until something is different. */
  read(): Shown<K>;
}

const NONE: Shown<never> = { events: [], gaps: 0, paused: false, held: 0 };

function createStore<K extends string>(store: Events<K>): Store<K> {
  let shown: Shown<K> = NONE;

  return {
    events: store,

    read() {
      const { events, gaps, paused, held } = store;

      if (events.length + shown.events.length > 0 && events !== shown.events
        || gaps !== shown.gaps || paused !== shown.paused
        || held !== shown.held) {
        shown = { events, gaps, paused, held };
      }

      return shown;
    },
  };
}
