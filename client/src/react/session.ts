// A client with its queue and its presence, as long as React needs them.

import { createClient } from '../core/client.js';
import { createPresence } from '../core/presence.js';
import type { Presence, PresenceOptions } from '../core/presence.js';
import { createQueue } from '../core/queue.js';
import type { Queue, QueueOptions } from '../core/queue.js';
import type {
  Client, ClientOptions, State, TokenSource,
} from '../core/types.js';

/** A connection as a component asks for it. */
export interface ConnectionOptions
  extends Omit<ClientOptions, 'url' | 'token'> {
  /** Where to connect; nowhere as long as it is missing. */
  readonly url: string | URL | null | undefined;
  /** Whose connection it is; another one changes that. */
  readonly token?: TokenSource | undefined;
  /** `false`: connect only when `connect` is called. */
  readonly enabled?: boolean;
  /** Whether what is sent while offline waits; true unless told. */
  readonly enableOfflineQueue?: boolean;
  /** How it waits. */
  readonly queue?: QueueOptions;
  /** Which reviewers to follow. */
  readonly presence?: PresenceOptions;
}

/** What a page has made for itself, and React is to use. */
export interface ClientParts {
  readonly client: Client;
  readonly queue?: Queue;
  readonly presence?: Presence;
}

/** What the hooks of one connection have in common. */
export interface Session {
  readonly client: Client;
  readonly queue: Queue | null;
  readonly presence: Presence | null;
  /** By how much the server's clock is ahead of this one's, in ms. */
  readonly skew: number;
  /** Tells that any of its parts has changed. */
  listen(listener: () => void): () => void;
  /** Follows who is there, if it did not yet. */
  follow(): void;
  /** Uses another queue from now on. */
  setQueue(options: QueueOptions | null): void;
  /** A component is there that uses it. */
  start(connect: boolean): void;
  /** One is gone; if it was the last in this turn the connection ends. */
  stop(): void;
}

/** Of a client that has never connected, and of every one on a server. */
export const IDLE: State = {
  status: 'idle', welcome: null, error: null,
  attempts: 0, retryAt: null, recovered: true,
};

const sessions = new WeakMap<Client, Session>();

/** The session that a hook has made for a client. */
export function sessionOf(client: Client): Session {
  return sessions.get(client) ?? adoptClient({ client });
}

/** Makes the session of a new client; nothing happens before it starts. */
export function openSession(options: ConnectionOptions): Session {
  const {
    url, token, enabled, enableOfflineQueue, queue, presence, ...rest
  } = options;
  const client = createClient({
    ...rest, url: url ?? '', ...token !== undefined && { token },
  });

  return createSession({ client }, true,
    enableOfflineQueue === false ? null : queue ?? {}, presence);
}

/** Makes the session of a client that a page has made. */
export function adoptClient(parts: ClientParts): Session {
  return createSession(parts, false, null);
}

function createSession(
  parts: ClientParts, own: boolean, queueOptions: QueueOptions | null,
  presenceOptions?: PresenceOptions,
): Session {
  const { client } = parts;
  const listeners = new Set<() => void>();

  let queue = parts.queue ?? null;
  let presence = parts.presence ?? null;
  let wanted = queueOptions;
  let users = 0;
  let running = false;
  let following = false;
  let skew = 0;
  let ends: (() => void)[] = [];
  let endQueue: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell = () => [...listeners].forEach((listener) => listener());

  function openQueue(): void {
    endQueue?.();
    endQueue = undefined;
    queue = parts.queue ?? (wanted ? createQueue(client, wanted) : null);

    if (queue) {
      const mine = queue;
      const off = mine.onChange(tell);

      endQueue = () => {
        off();
        mine === parts.queue || mine.close();
      };
    }
  }

  function follow(): void {
    if (running && !following) {
      const mine = presence ?? createPresence(client, presenceOptions);

      presence = mine;
      following = true;
      ends.push(mine.onChange(tell), () => {
        following = false;

        if (mine !== parts.presence) {
          mine.close();
          presence = null;
        }
      });
    }
  }

  function end(): void {
    running = false;
    own && client.disconnect();
    endQueue?.();
    endQueue = undefined;
    ends.forEach((call) => call());
    ends = [];
  }

  const session: Session = {
    client,
    get queue() { return queue; },
    get presence() { return presence; },
    get skew() { return skew; },
    follow,

    listen(listener) {
      const mine = () => listener();

      listeners.add(mine);
      return () => void listeners.delete(mine);
    },

    setQueue(options) {
      if (JSON.stringify(options) !== JSON.stringify(wanted)) {
        wanted = options;
        running && openQueue();
        tell();
      }
    },

    start(connect) {
      users++;
      clearTimeout(timer);

      if (!running) {
        running = true;
        ends = [client.onChange(tell), client.on('welcome', (welcome) => {
          skew = welcome.timestamp - Date.now();
        })];
        openQueue();
        own && follow();
        tell();
      }

      if (connect && client.state.status === 'idle') {
        client.connect();
      }
    },

    stop() {
      users--;
      clearTimeout(timer);
      timer = setTimeout(() => users || end(), 0);
    },
  };

  sessions.set(client, session);
  return session;
}
