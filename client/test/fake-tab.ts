// Tabs of a browser with a queue each, a clock and a server that obey.

import { createClient } from '../src/core/client.js';
import { createQueue } from '../src/core/queue.js';
import type { QueueOptions } from '../src/core/queue.js';
import type { Command, Fields } from '../src/core/types.js';
import { FakeClock, FakeStore } from './fake.js';
import { FakeServer } from './fake-server.js';

/** Where a queue is stored. */
export const KEY = 'aivo_websocket_queue';

/** What tabs have in common. */
export interface World {
  clock: FakeClock;
  server: FakeServer;
  store: FakeStore;
}

/** A new one. */
export function world(): World {
  return {
    clock: new FakeClock(), server: new FakeServer(), store: new FakeStore(),
  };
}

/** A tab of a browser: a client and its queue. */
export function tab(at: World, options: QueueOptions = {}) {
  const client = createClient({
    url: 'ws://hub.test/', WebSocket: at.server.Socket, clock: at.clock,
    aliveInterval: 0,
  });
  const queue = createQueue(client,
    { store: at.store, locks: null, ...options });

  const online = async (user: string | null = 'alice') => {
    client.connect();
    await at.clock.pass();
    at.server.last.welcome(user);
    await at.clock.pass();
  };

  const offline = async () => {
    at.server.last.lose();
    await at.clock.pass();
  };

  const send = (command: Command) => {
    const promise = client.send(command);

    promise.catch(() => undefined);
    return promise;
  };

  return { client, queue, online, offline, send,
    pass: () => at.clock.pass() };
}

/** A command that is known by its number. */
export const said = (n: number): Command => ({ type: 'agent:a', n });

/** The numbers of commands. */
export const ns = (commands: readonly Fields[]) => commands.map((c) => c['n']);

/** A server's answer that something was not done. */
export const refuse = (code: string, more: Fields = {}) => () =>
  ({ type: 'error', code, error: code, ...more });

/** What is in the store. */
export const stored = ({ store }: World) =>
  JSON.parse(store.items.get(KEY) ?? '{"items":[]}') as
    { user?: string; items: Fields[] };
