// The client: a connection, those who listen to it, and what goes over it.

import { createChanges } from './changes.js';
import { systemClock } from './clock.js';
import { aborted } from './commands.js';
import { createConnection } from './connection.js';
import { createListeners } from './listeners.js';
import type { Listeners } from './listeners.js';
import type { Client, ClientOptions, Message, Outbox } from './types.js';

/**
 * Makes a client; it connects when {@link Client.connect} is called.
 *
 * @example
 * ```ts
 * const client = createClient({
 *   url: 'wss://hub.example.com/ws',
 *   token: async () => (await fetch('/token')).text(),
 * });
 *
 * client.on('task-status-changed', ({ taskId, newStatus }) =>
 *   console.log(`${taskId} is ${newStatus}`));
 * client.connect();
 * ```
 */
export function createClient(options: ClientOptions): Client {
  const changes = createChanges(options.clock ?? systemClock);
  const heard = new Map<string, Listeners<[Message]>>();
  let outbox: Outbox | undefined;

  const hear = (message: Message) => {
    heard.get(message.type)?.call(message);
    heard.get('*')?.call(message);
  };

  const connection = createConnection(
    options, changes.tell, hear, () => outbox?.unsure?.());

  const { recovery, connect, disconnect, setToken } = connection;

  return {
    options,
    get state() {
      return connection.state;
    },
    get lastEventId() {
      return recovery.since;
    },
    onChange: changes.on,

    on(type, listener) {
      const listeners = heard.get(type) ?? createListeners<[Message]>();

      heard.set(type, listeners);
      return listeners.add(listener as unknown as (message: Message) => void);
    },

    connect,
    disconnect,
    setToken,

    send(command, how = {}) {
      if (how.signal?.aborted) {
        return Promise.reject(aborted());
      }

      return outbox && how.queue !== false
        ? outbox.push(command, how) : connection.send(command, how);
    },

    subscribe: (channel, filter) => recovery.want(channel, true, filter),
    unsubscribe: (channel) => recovery.want(channel, false),

    attach(queue) {
      outbox = queue;

      return () => {
        if (outbox === queue) {
          outbox = undefined;
        }
      };
    },
  };
}
