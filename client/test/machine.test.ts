// Every state of a client, and what each thing that can happen makes of it.

import { describe, expect, it, vi } from 'vitest';
import { fake, settle } from './fake.js';
import type { Fake } from './fake.js';
import type { ClientOptions, Status } from '../src/index.js';

type Place = Status | 'fetching';

const token = () => new Promise<string>(() => undefined);

// How a client gets into each state; `fetching` is `connecting` while the
// token is not there yet.
const ways: Record<Place, (options?: Partial<ClientOptions>)
  => Promise<Fake>> = {
  async idle(options) {
    return fake(options);
  },

  async fetching() {
    const it = fake({ token });

    it.client.connect();
    await settle();
    return it;
  },

  async connecting(options) {
    const it = fake(options);

    it.client.connect();
    await settle();
    return it;
  },

  async connected(options) {
    const it = fake(options);

    await it.up();
    return it;
  },

  async waiting(options) {
    const it = await ways.connecting(options);

    it.socket.end();
    return it;
  },

  async closed(options) {
    const it = await ways.connecting(options);

    it.socket.end(4500, 'revoked');
    return it;
  },
};

// What can happen; to the last socket, if there is one.
const things: Record<string, (it: Fake) => unknown> = {
  connect: ({ client }) => client.connect(),
  disconnect: ({ client }) => client.disconnect(),
  'another token': ({ client }) => client.setToken('other'),
  'no token': ({ client }) => client.setToken(undefined),
  'a welcome': ({ socket }) => socket?.welcome(),
  'an event': ({ socket }) => socket?.say({ type: 'e', eventId: '1-9' }),
  'no message': ({ socket }) => socket?.onmessage?.({ data: '{' }),
  'a lost connection': ({ socket }) => socket?.end(1006),
  'a restart': ({ socket }) => socket?.end(1012, 'retry=500'),
  'an ended token': ({ socket }) => socket?.end(4401, 'token_expired'),
  'a revocation': ({ socket }) => socket?.end(4500, 'revoked'),
  'a refused origin': ({ socket }) => socket?.end(4503, 'forbidden'),
  'a fault': ({ socket }) => socket?.end(1009, 'too_big'),
  'ten seconds': ({ clock }) => clock.pass(10_000),
  'fifteen seconds': ({ clock }) => clock.pass(15_000),
};

// The state after it; `=` stays, and a socket that is gone says nothing.
const table: Record<string, Record<Place, string>> = {
  connect: {
    idle: 'connecting', fetching: '=', connecting: '=', connected: '=',
    waiting: 'connecting', closed: 'connecting',
  },
  disconnect: {
    idle: '=', fetching: 'idle', connecting: 'idle', connected: 'idle',
    waiting: 'idle', closed: 'idle',
  },
  'another token': {
    idle: '=', fetching: '=', connecting: '=', connected: '=',
    waiting: 'connecting', closed: 'connecting',
  },
  'no token': {
    idle: '=', fetching: '=', connecting: '=', connected: 'connecting',
    waiting: 'connecting', closed: '=',
  },
  'a welcome': {
    idle: '=', fetching: '=', connecting: 'connected', connected: '=',
    waiting: '=', closed: '=',
  },
  'an event': {
    idle: '=', fetching: '=', connecting: '=', connected: '=',
    waiting: '=', closed: '=',
  },
  'no message': {
    idle: '=', fetching: '=', connecting: '=', connected: '=',
    waiting: '=', closed: '=',
  },
  'a lost connection': {
    idle: '=', fetching: '=', connecting: 'waiting', connected: 'waiting',
    waiting: '=', closed: '=',
  },
  'a restart': {
    idle: '=', fetching: '=', connecting: 'waiting', connected: 'waiting',
    waiting: '=', closed: '=',
  },
  'an ended token': {
    idle: '=', fetching: '=', connecting: 'closed', connected: 'closed',
    waiting: '=', closed: '=',
  },
  'a revocation': {
    idle: '=', fetching: '=', connecting: 'closed', connected: 'closed',
    waiting: '=', closed: '=',
  },
  'a refused origin': {
    idle: '=', fetching: '=', connecting: 'closed', connected: 'closed',
    waiting: '=', closed: '=',
  },
  'a fault': {
    idle: '=', fetching: '=', connecting: 'waiting', connected: 'waiting',
    waiting: '=', closed: '=',
  },
  'ten seconds': {
    idle: '=', fetching: '=', connecting: '=', connected: '=',
    waiting: 'connecting', closed: '=',
  },
  'fifteen seconds': {
    idle: '=', fetching: 'waiting', connecting: 'waiting', connected: '=',
    waiting: 'connecting', closed: '=',
  },
};

describe.each(Object.keys(table))('%s', (thing) => {
  const row = table[thing] as Record<Place, string>;

  it.each(Object.keys(row) as Place[])('while %s', async (place) => {
    const it = await ways[place]({ token: 'first', aliveInterval: 0 });
    const before = it.client.state.status;

    await things[thing]?.(it);
    await settle();

    const { status, retryAt, error } = it.client.state;

    expect(status).toBe(row[place] === '=' ? before : row[place]);

    // whatever happened: one socket at most is alive, and only where it may
    const alive = it.sockets.filter(({ readyState }) => readyState < 2);

    expect(alive.length).toBeLessThanOrEqual(1);

    if (status !== 'connecting' && status !== 'connected') {
      expect(alive).toEqual([]);
    }

    expect(retryAt !== null).toBe(status === 'waiting');

    if (status === 'waiting' || status === 'closed') {
      expect(error).toMatchObject({ final: status === 'closed' });
    } else if (status !== 'connecting') {
      expect(error).toBeNull();
    }
  });
});

describe('a client', () => {
  it('offers the protocol and the token', async () => {
    const it = fake({ token: 'abc', url: 'https://host/ws?a=1#b' });

    it.client.connect();
    await settle();
    expect(it.socket.url).toBe('wss://host/ws?a=1');
    expect(it.socket.protocols).toEqual(['conductor.v1', 'bearer.abc']);
  });

  it('offers no token where there is none', async () => {
    const it = fake();

    it.client.connect();
    await settle();
    expect(it.socket.protocols).toEqual(['conductor.v1']);
  });

  it('is connected when welcome has come, not before', async () => {
    const it = fake();

    it.client.connect();
    await settle();
    it.socket.readyState = 1;
    it.socket.onopen?.({});
    expect(it.client.state.status).toBe('connecting');
    it.socket.welcome();
    expect(it.client.state).toMatchObject({
      status: 'connected', error: null, attempts: 0, retryAt: null,
      welcome: { userId: 'ann' },
    });
  });

  it('is welcomed once', async () => {
    const it = fake();

    await it.up();

    const { state } = it.client;

    it.socket.welcome({ userId: 'bob' });
    expect(it.client.state).toBe(state);
  });

  it('gives up an attempt that takes too long', async () => {
    const it = fake({ connectTimeout: 3_000 });

    it.client.connect();
    await it.clock.pass(2_999);
    expect(it.client.state.status).toBe('connecting');
    await it.clock.pass(1);
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { code: 1006, reason: 'timeout' },
    });
    expect(it.sockets[0]?.closed).toBe(true);
  });

  it('makes one socket when it is mounted twice', async () => {
    const it = fake();

    it.client.connect();
    it.client.disconnect();
    it.client.connect();
    it.client.connect();
    await settle();
    expect(it.sockets).toHaveLength(1);
    expect(it.client.state.status).toBe('connecting');
  });

  it('hears nothing of a socket that it has left', async () => {
    const it = fake();
    const heard = vi.fn();

    it.client.on('*', heard);

    const old = await it.up();

    it.client.disconnect();
    heard.mockClear();
    old.say({ type: 'e' });
    old.end(4500);
    expect(heard).not.toHaveBeenCalled();
    expect(it.client.state.status).toBe('idle');
    expect(old.closed).toBe(true);
  });

  it('is closed for good by an address that is none', async () => {
    const it = fake({
      token: 'a b',
      WebSocket: class {
        constructor() {
          throw new SyntaxError('wrong');
        }
      } as never,
    });

    it.client.connect();
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'closed', error: { final: true, reason: 'SyntaxError: wrong' },
    });
  });

  it('says at once that there is no WebSocket', () => {
    vi.stubGlobal('WebSocket', undefined);

    const { client } = fake({ WebSocket: undefined as never });

    expect(() => client.connect()).toThrow(TypeError);
    expect(client.state.status).toBe('idle');
  });

  it('takes the WebSocket of the platform', async () => {
    const made: string[] = [];

    vi.stubGlobal('WebSocket', class {
      constructor(url: string) {
        made.push(url);
      }
    });

    const { client } = fake({ WebSocket: undefined as never });

    client.connect();
    await settle();
    expect(made).toEqual(['ws://host/ws']);
  });

  it('resolves an address against that of the page', async () => {
    vi.stubGlobal('location', { href: 'https://page/a/b' });

    const it = fake({ url: '/ws' });

    it.client.connect();
    await settle();
    expect(it.socket.url).toBe('wss://page/ws');
  });

  it('leaves nothing behind after ten thousand reconnects', async () => {
    const it = fake({
      token: () => 'abc', subscriptions: [{ channel: 'c' }],
    });

    const sizes = new Set<number>();

    for (let i = 0; i < 10_000; i++) {
      it.client.connect();
      await settle(5);
      it.socket.welcome();
      it.socket.answer('resume');
      it.client.send({ type: 'ping' }).catch(() => undefined);
      it.socket.end();
      it.sockets.length = 0;
      sizes.add(it.clock.pending);
    }

    it.client.disconnect();
    await it.clock.pass(0);
    sizes.add(it.clock.pending);
    // an attempt, and who is told of changes
    expect([...sizes]).toEqual([3, 0]);
  }, 300_000);
});
