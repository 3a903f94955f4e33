// @vitest-environment jsdom
// The offline queue in a page: reloads, and what a page that is left leaves.

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../src/core/client.js';
import { createQueue } from '../src/core/queue.js';
import type { Command } from '../src/core/types.js';
import { FakeClock } from './fake.js';
import { FakeServer } from './fake-server.js';

const KEY = 'aivo_websocket_queue';

/** One page after the other of a tab; time goes on for all. */
let clock: FakeClock;
let server: FakeServer;

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  clock = new FakeClock();
  server = new FakeServer();
});

async function open(user?: string | null) {
  const heard: [string, EventListener][] = [];
  const add = vi.spyOn(window, 'addEventListener')
    .mockImplementation((type, call) => {
      heard.push([type, call as EventListener]);
    });

  const client = createClient({
    url: 'ws://hub.test/', WebSocket: server.Socket, clock, aliveInterval: 0,
  });
  const queue = createQueue(client, { locks: null });

  add.mockRestore();

  const tell = async (type: string, more: object = {}) => {
    const event = Object.assign(new Event(type), more);

    heard.filter(([name]) => name === type).forEach(([, call]) => call(event));
    await clock.pass();
  };

  const online = async (name: string | null) => {
    client.connect();
    await clock.pass();
    server.last.welcome(name);
    await clock.pass();
  };

  if (user !== undefined) {
    await online(user);
  }

  return {
    client, queue, tell, online,
    send: (command: Command) =>
      void client.send(command).catch(() => undefined),
    offline: async () => {
      server.last.lose();
      await clock.pass();
      client.disconnect();
    },
  };
}

describe('a page that is loaded again', () => {
  it('goes on at once with what it had', async () => {
    const before = await open('alice');

    await before.offline();
    before.send({ type: 'agent:a' });
    await before.tell('pagehide');

    const after = await open();

    expect(after.queue.size).toBe(1);
    await after.online('alice');
    expect(server.all('agent:a')).toHaveLength(1);
    expect(after.queue.size).toBe(0);
    expect(JSON.parse(localStorage.getItem(KEY) ?? '')).toEqual(
      { user: 'alice', items: [] });
  });

  it('sends again what was on its way, under its key', async () => {
    server.answer = () => null;

    const before = await open('alice');

    before.send({ type: 'publish', event: {} });
    await before.tell('pagehide');
    server.answer = () => ({ type: 'ack' });
    await open('alice');

    const [one, two] = server.all('publish');

    expect(two?.['key']).toBe(one?.['key']);
  });

  it('goes on with nothing of another user', async () => {
    const before = await open('alice');

    await before.offline();
    before.send({ type: 'agent:a' });
    await before.tell('pagehide');

    const after = await open('bob');

    expect(after.queue.size).toBe(0);
    expect(server.all('agent:a')).toEqual([]);
    expect(localStorage.getItem(KEY)).not.toContain('agent:a');
  });

  it('loses nothing to another tab meanwhile', async () => {
    const before = await open('alice');
    const other = await open('alice');

    server.sockets[0]?.lose();
    before.send({ type: 'agent:a' });
    before.client.disconnect();
    await before.tell('pagehide');
    await other.tell('storage', { key: KEY });

    const after = await open();

    expect(after.queue.size).toBe(1);
    await clock.pass(60_000);
    expect(other.queue.size).toBe(0);
    expect(server.all('agent:a')).toEqual([]);
  });
});

describe('a page that is left open', () => {
  it('says nothing of its user when another one has come', async () => {
    const before = await open('alice');

    before.client.disconnect();
    await open('bob');
    await before.tell('storage', { key: KEY });
    await clock.pass(60_000);
    before.queue.clear();
    await clock.pass(60_000);
    expect(localStorage.getItem(KEY)).not.toContain('alice');
  });

  it('discards nothing of another user', async () => {
    const before = await open('alice');

    before.client.disconnect();

    const other = await open('bob');

    await other.offline();
    other.send({ type: 'agent:a' });
    await other.tell('pagehide');
    await before.tell('storage', { key: KEY });
    await clock.pass(60_000);
    expect((await open('bob')).queue.size).toBe(0);
    expect(server.all('agent:a')).toHaveLength(1);
  });
});

describe('pages that write at once', () => {
  it('lose nothing that waits, and bring nothing back', async () => {
    const one = await open('alice');
    const other = await open('alice');

    for (const page of [other, one]) {
      server.sockets[page === one ? 0 : 1]?.lose();
      page.client.disconnect();
    }

    const before = localStorage.getItem(KEY) ?? '{}';

    one.send({ type: 'agent:a' });

    const waiting = localStorage.getItem(KEY) ?? '';

    // what another page has read before, and writes after
    localStorage.setItem(KEY, before);
    await one.tell('storage', { key: KEY });
    expect(localStorage.getItem(KEY)).toContain('agent:a');

    one.queue.clear();
    await clock.pass();
    expect(localStorage.getItem(KEY)).not.toContain('agent:a');

    localStorage.setItem(KEY, waiting);
    await one.tell('storage', { key: KEY });
    expect(localStorage.getItem(KEY)).not.toContain('agent:a');
  });
});

describe('a page that is closed', () => {
  it('leaves what it had to another tab', async () => {
    const one = await open('alice');
    const other = await open('alice');

    server.sockets[0]?.lose();
    one.client.disconnect();
    one.send({ type: 'agent:a' });
    await one.tell('pagehide');
    await other.tell('storage', { key: KEY });
    expect(server.all('agent:a')).toEqual([]);
    await clock.pass(10_000);
    expect(server.all('agent:a')).toHaveLength(1);
  });

  it('leaves it to a tab that is opened later', async () => {
    const one = await open('alice');

    await one.offline();
    one.send({ type: 'agent:a' });
    await one.tell('pagehide');
    sessionStorage.clear();
    await open('alice');
    await clock.pass(10_000);
    expect(server.all('agent:a')).toHaveLength(1);
  });

  it('has it back if it is shown again in time', async () => {
    const one = await open('alice');

    await one.offline();
    one.send({ type: 'agent:a' });
    await one.tell('pagehide');
    await one.tell('pageshow');
    await open('alice');
    await clock.pass(60_000);
    expect(server.all('agent:a')).toEqual([]);
    expect(one.queue.size).toBe(1);
  });

  it('has lost it if another tab took it over', async () => {
    const one = await open('alice');

    await one.offline();

    const reply = one.client.send({ type: 'agent:a' });
    const outcome = expect(reply).rejects
      .toMatchObject({ code: 'disconnected' });

    await one.tell('pagehide');
    sessionStorage.clear();

    // the page is frozen, and its timers with it
    const frozen = clock;

    clock = new FakeClock();
    await clock.pass(60_000);
    await open('alice');
    expect(server.all('agent:a')).toHaveLength(1);
    await frozen.pass(60_000);
    await one.tell('pageshow');
    await outcome;
    expect(one.queue.size).toBe(0);
  });
});

describe('a page whose storage is forbidden', () => {
  it('queues in memory', async () => {
    const forbidden = () => {
      throw new DOMException('not here', 'SecurityError');
    };

    vi.spyOn(window, 'localStorage', 'get').mockImplementation(forbidden);
    vi.spyOn(window, 'sessionStorage', 'get').mockImplementation(forbidden);

    const { send, queue, online } = await open();

    send({ type: 'agent:a' });
    expect(queue.size).toBe(1);

    // also if the machine has slept meanwhile
    vi.spyOn(clock, 'now').mockReturnValue(clock.now() + 300_000);
    queue.flush();
    await clock.pass(60_000);
    expect(queue.size).toBe(1);
    vi.mocked(clock.now).mockRestore();
    await online('alice');
    expect(server.all('agent:a')).toHaveLength(1);
  });
});
