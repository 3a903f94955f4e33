// The last events of a hub, as a store.

import { createChanges } from './changes.js';
import { systemClock } from './clock.js';
import type { Client, EventMap, EventOf, Message } from './types.js';

/** What {@link createEvents} is given. */
export interface EventsOptions<K extends string = string> {
  /** Types of events; all of them unless told. */
  readonly types?: readonly K[];
  /** So many are kept, the newest; 200 unless told. */
  readonly limit?: number;
}

/** The last events. */
export interface Events<K extends string = string> {
  /** The newest is last; the same array until something is different. */
  readonly events: readonly EventOf<K>[];
  /** How often the server has said that events are missing. */
  readonly gaps: number;
  /** Nothing is shown until {@link resume}. */
  readonly paused: boolean;
  /** How many events have come since {@link pause}. */
  readonly held: number;
  /** Keeps {@link events} as they are; what comes meanwhile is held. */
  pause(): void;
  /** Shows what came meanwhile, as far as it was kept. */
  resume(): void;
  /** Forgets all events and gaps. */
  clear(): void;
  /** Tells of changes, once for each turn.  Returns what ends that. */
  onChange(listener: () => void): () => void;
  /** Listens to the client no longer. */
  close(): void;
}

const NOT_EVENTS = ['ack', 'error'];

/** Keeps the last events that a client gets; another user's are forgotten. */
export function createEvents<K extends keyof EventMap | (string & {})>(
  client: Client,
  options: EventsOptions<K> = {},
): Events<K> {
  const { types, limit = 200 } = options;
  const changes = createChanges(client.options.clock ?? systemClock);
  let all: readonly EventOf<K>[] = [];
  let shown = all;
  let gaps = 0;
  let held = 0;
  let paused = false;
  let user = client.state.welcome?.userId;

  const clear = () => {
    if (all.length || shown.length || gaps) {
      all = shown = [];
      gaps = held = 0;
      changes.tell();
    }
  };

  const add = (event: EventOf<K>) => {
    all = limit > 0 ? [...all, event].slice(-limit) : [];

    if (paused) {
      held++;
    } else {
      shown = all;
    }

    changes.tell();
  };

  const hear = (message: Message) => {
    const { type } = message;

    if (type === 'welcome') {
      const { userId } = message as { userId?: string | null };

      if (user !== undefined && user !== userId) {
        clear();
      }

      user = userId;
    } else if (type === 'resumed') {
      if (message.recovered === false) {
        gaps++;
        changes.tell();
      }
    } else if (typeof message.eventId === 'string'
      && !NOT_EVENTS.includes(type)
      && (!types || (types as readonly string[]).includes(type)))
    {
      add(message as unknown as EventOf<K>);
    }
  };

  return {
    get events() {
      return shown;
    },
    get gaps() {
      return gaps;
    },
    get paused() {
      return paused;
    },
    get held() {
      return held;
    },

    pause() {
      if (!paused) {
        paused = true;
        changes.tell();
      }
    },

    resume() {
      if (paused) {
        paused = false;
        shown = all;
        held = 0;
        changes.tell();
      }
    },

    clear,
    onChange: changes.on,
    close: client.on('*', hear),
  };
}
