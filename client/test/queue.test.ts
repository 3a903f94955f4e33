// The offline queue, with a clock and a server that obey.

import { describe, expect, it, vi } from 'vitest';
import { createClient } from '../src/core/client.js';
import { createQueue } from '../src/core/queue.js';
import type { QueueOptions } from '../src/core/queue.js';
import type { Command, Fields } from '../src/core/types.js';
import { FakeClock, FakeStore } from './fake.js';
import { FakeServer } from './fake-server.js';

const KEY = 'aivo_websocket_queue';

interface World {
  clock: FakeClock;
  server: FakeServer;
  store: FakeStore;
}

function world(): World {
  return {
    clock: new FakeClock(), server: new FakeServer(), store: new FakeStore(),
  };
}

/** A tab of a browser: a client and its queue. */
function tab(at: World, options: QueueOptions = {}) {
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

const said = (n: number): Command => ({ type: 'agent:a', n });

const ns = (commands: readonly Fields[]) => commands.map((c) => c['n']);

const refuse = (code: string, more: Fields = {}) => () =>
  ({ type: 'error', code, error: code, ...more });

const stored = ({ store }: World) =>
  JSON.parse(store.items.get(KEY) ?? '{"items":[]}') as
    { user?: string; items: Fields[] };

describe('a queue', () => {
  it('keeps what is sent offline and sends it in order', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    const replies = [1, 2, 3].map((n) => send(said(n)));

    expect(queue.size).toBe(3);
    expect(ns(queue.items.map((i) => i.command))).toEqual([1, 2, 3]);

    await online();

    expect(ns(at.server.all('agent:a'))).toEqual([1, 2, 3]);
    expect((await Promise.all(replies)).map((r) => r.type))
      .toEqual(['ack', 'ack', 'ack']);
    expect(queue.size).toBe(0);
  });

  it('gives each a key, but for what has one', async () => {
    const at = world();
    const { send, online } = tab(at);

    send(said(1));
    send({ ...said(2), key: 'mine' });
    await online();

    const [one, two] = at.server.all('agent:a');

    expect(one?.['key']).toMatch(/^\S{16,64}$/);
    expect(two?.['key']).toBe('mine');
  });

  it('sends at once while connected, and side by side', async () => {
    const at = world();
    const { queue, send, online } = tab(at);

    at.server.answer = () => null;
    await online();
    send(said(1));
    send(said(2));

    expect(ns(at.server.all('agent:a'))).toEqual([1, 2]);
    expect(queue.size).toBe(0);
  });

  it('repeats with its key what the connection was lost under', async () => {
    const at = world();
    const { queue, send, online, offline } = tab(at);

    at.server.answer = () => null;
    await online();

    const reply = send(said(1));

    await offline();
    expect(queue.size).toBe(1);
    at.server.answer = () => ({ type: 'ack', here: true });
    await online();

    const [one, two] = at.server.all('agent:a');

    expect(two?.['key']).toBe(one?.['key']);
    expect(await reply).toMatchObject({ here: true });
    expect(queue.size).toBe(0);
  });

  it('keeps nothing that makes no sense later', async () => {
    const at = world();
    const { queue, send } = tab(at);

    for (const type of ['ping', 'auth', 'resume', 'subscribe']) {
      await expect(send({ type })).rejects.toMatchObject(
        { code: 'disconnected' });
    }

    expect(queue.size).toBe(0);
  });

  it('keeps nothing that is sent with `queue: false`', async () => {
    const at = world();
    const { queue, client } = tab(at);

    await expect(client.send(said(1), { queue: false })).rejects
      .toMatchObject({ code: 'disconnected' });
    expect(queue.size).toBe(0);
  });

  it('is bounded', async () => {
    const at = world();
    const { queue, send } = tab(at, { maxQueueSize: 2 });

    send(said(1));
    send(said(2));
    await expect(send(said(3))).rejects.toMatchObject({ code: 'queue_full' });
    expect(ns(queue.items.map((i) => i.command))).toEqual([1, 2]);
  });

  it('lets a message expire', async () => {
    const at = world();
    const { queue, send, online } = tab(at, { maxAge: 60_000 });
    const reply = send(said(1));

    await at.clock.pass(30_000);
    send(said(2));
    await at.clock.pass(30_000);
    await expect(reply).rejects.toMatchObject({ code: 'expired' });
    expect(queue.size).toBe(1);
    await online();
    expect(ns(at.server.all('agent:a'))).toEqual([2]);
  });

  it('forgets what is aborted', async () => {
    const at = world();
    const { queue, client, online } = tab(at);
    const abort = new AbortController();
    const reply = client.send(said(1), { signal: abort.signal });

    abort.abort();
    await expect(reply).rejects.toMatchObject({ code: 'aborted' });
    expect(queue.size).toBe(0);
    expect(stored(at).items).toEqual([]);
    await online();
    expect(at.server.all('agent:a')).toEqual([]);
  });

  it('does not hold on to what could abort it', async () => {
    const at = world();
    const { client, online } = tab(at);
    const { signal } = new AbortController();
    const adds = vi.spyOn(signal, 'addEventListener');
    const removes = vi.spyOn(signal, 'removeEventListener');

    await online();
    await client.send(said(1), { signal });
    expect(adds).toHaveBeenCalledTimes(1);
    expect(removes.mock.calls[0]?.[1]).toBe(adds.mock.calls[0]?.[1]);
  });

  it('refuses what is no JSON, and goes on with the rest', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    const round: Command = { type: 'agent:a' };

    round['self'] = round;

    for (const wrong of [round, { type: 'agent:a', n: 1n }]) {
      await expect(send(wrong)).rejects.toMatchObject({ code: 'bad_message' });
    }

    expect(queue.size).toBe(0);
    send(said(1));
    await online();
    await expect(send(round)).rejects.toMatchObject({ code: 'bad_message' });
    send(said(2));
    expect(ns(at.server.all('agent:a'))).toEqual([1, 2]);
  });

  it('sends what it was given, whatever became of it since', async () => {
    const at = world();
    const { send, online } = tab(at);
    const command = { type: 'agent:a', n: 1 };

    send(command);
    command.n = 2;
    await online();
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
  });

  it('waits no longer than it should if the clock is set back', async () => {
    const at = world();
    const { send, online } = tab(at);

    at.server.answer = refuse('busy');
    await online();
    send(said(1));
    await at.clock.pass();
    at.clock.set(-3_600_000);
    at.server.answer = () => ({ type: 'ack' });
    await at.clock.pass(40_000);
    expect(at.server.all('agent:a')).toHaveLength(2);
  });

  it('keeps its promises when the client is refused for good', async () => {
    const at = world();
    const { client, queue, send, online } = tab(at);

    await online();
    at.server.last.lose(4500, 'revoked');

    const sent = send(said(1));
    const late = send(said(2));

    expect(client.state.status).toBe('closed');
    client.setToken('another');
    await at.clock.pass();
    at.server.last.welcome();
    await at.clock.pass();
    expect((await sent).type).toBe('ack');
    expect((await late).type).toBe('ack');
    at.server.last.lose(4500, 'revoked');

    const never = send(said(3));

    await at.clock.pass(86_400_000);
    await expect(never).rejects.toMatchObject({ code: 'expired' });
    expect(queue.size).toBe(0);
  });

  it('is cleared', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    const reply = send(said(1));

    queue.clear();
    await expect(reply).rejects.toMatchObject({ code: 'aborted' });
    expect(queue.size).toBe(0);
    await online();
    expect(at.server.all('agent:a')).toEqual([]);
  });

  it('merges what a client says of its presence', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    const one = send({ type: 'presence-update', status: 'busy' });
    const two = send({ type: 'presence-update', currentFeature: 'b' });

    expect(queue.size).toBe(1);
    await online();
    expect(at.server.all('presence-update')).toMatchObject(
      [{ status: 'busy', currentFeature: 'b' }]);
    expect(await one).toBe(await two);
  });

  it('tells once of what changed in a turn', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    let told = 0;

    queue.onChange(() => told++);

    const before = queue.items;

    send(said(1));
    send(said(2));
    await at.clock.pass();
    expect(told).toBe(1);
    expect(queue.items).not.toBe(before);
    await online();

    told = 0;
    const now = queue.items;

    send(said(3));
    await at.clock.pass();
    expect(told).toBe(0);
    expect(queue.items).toBe(now);
  });
});

describe('what fails', () => {
  it('is repeated after a pause that grows, and then given up', async () => {
    const at = world();
    const { queue, send, online } = tab(at);
    const times: number[] = [];

    at.server.answer = () => {
      times.push(at.clock.now());
      return refuse('busy')();
    };

    await online();

    const reply = send(said(1));

    await at.clock.pass(60_000);
    await expect(reply).rejects.toMatchObject({ code: 'gave_up' });
    expect(times.slice(1).map((t, i) => t - (times[i] ?? 0)))
      .toEqual([1000, 2000, 4000]);
    expect(queue.size).toBe(0);
  });

  it('is repeated as often as `maxRetries` says', async () => {
    const at = world();
    const { send, online } = tab(at, { maxRetries: 1 });

    at.server.answer = refuse('unavailable');
    await online();
    send(said(1));
    await at.clock.pass(60_000);
    expect(at.server.all('agent:a')).toHaveLength(2);
  });

  it('waits as long as the server says, and that is no failure', async () => {
    const at = world();
    const { send, online } = tab(at, { maxRetries: 0 });
    let until = 0;

    at.server.answer = () => at.clock.now() >= until ? { type: 'ack' }
      : refuse('rate_limited', { retryAfterMs: until - at.clock.now() })();

    await online();
    until = at.clock.now() + 41_250;

    const reply = send(said(1));

    await at.clock.pass();
    send(said(2));
    await at.clock.pass(41_249);
    expect(at.server.all('agent:a')).toHaveLength(1);
    await at.clock.pass(1);
    expect(ns(at.server.all('agent:a'))).toEqual([1, 1, 2]);
    expect((await reply).type).toBe('ack');
  });

  it('is not repeated if the server has refused it', async () => {
    const at = world();
    const { queue, send, online } = tab(at);

    at.server.answer = refuse('forbidden');
    await online();
    await expect(send(said(1))).rejects.toMatchObject({ code: 'forbidden' });
    expect(queue.size).toBe(0);
  });

  it('does not hold up what comes behind it', async () => {
    const at = world();
    const { send, online } = tab(at);

    at.server.answer = (c) => c['n'] === 1
      ? refuse('bad_message')() : { type: 'ack' };

    send(said(1));
    const two = send(said(2));

    await online();
    expect((await two).type).toBe('ack');
  });

  it('is repeated after no answer came', async () => {
    const at = world();
    const { client, online } = tab(at);

    at.server.answer = () => null;
    await online();

    const reply = client.send(said(1), { timeout: 500 });

    await at.clock.pass(600);
    at.server.answer = () => ({ type: 'ack' });
    await at.clock.pass(2000);
    expect((await reply).type).toBe('ack');
    expect(at.server.all('agent:a')).toHaveLength(2);
  });

  it('is not repeated if it closed the connection', async () => {
    const at = world();
    const { queue, send, online } = tab(at);

    at.server.answer = () => null;
    await online();

    const reply = send(said(1));

    at.server.last.lose(1009, 'too_big');
    await expect(reply).rejects.toMatchObject({ code: 'closed' });
    expect(queue.size).toBe(0);
  });

  it('waits on if the server refuses the client for good', async () => {
    const at = world();
    const { client, queue, send, online } = tab(at);

    at.server.answer = () => null;
    await online();

    const lost = send(said(1));

    at.server.last.lose(4503, 'forbidden');
    await expect(lost).rejects.toMatchObject({ code: 'closed' });
    expect(client.state.status).toBe('closed');

    const [cleared, kept] = [send(said(2)), send(said(3))];

    expect(ns(queue.items.map((i) => i.command))).toEqual([2, 3]);
    queue.clear();
    await expect(cleared).rejects.toMatchObject({ code: 'aborted' });
    await expect(kept).rejects.toMatchObject({ code: 'aborted' });

    const later = send(said(4));

    at.server.answer = () => ({ type: 'ack' });
    await online();
    expect(await later).toMatchObject({ type: 'ack' });
  });

  it('is given up before the server forgets its key', async () => {
    const at = world();
    const { send, online, offline } = tab(at);

    at.server.answer = () => null;
    await online();

    const reply = send(said(1));

    await offline();

    const waiting = send(said(2));

    await at.clock.pass(600_000);
    await expect(reply).rejects.toMatchObject({ code: 'gave_up' });
    at.server.answer = () => ({ type: 'ack' });
    await online();
    expect((await waiting).type).toBe('ack');
    expect(ns(at.server.all('agent:a'))).toEqual([1, 2]);
  });

  it('is tried again at once if asked', async () => {
    const at = world();
    const { queue, send, online } = tab(at);

    at.server.answer = refuse('busy');
    await online();
    send(said(1));
    await at.clock.pass();
    at.server.answer = () => ({ type: 'ack' });
    queue.flush();
    await at.clock.pass();
    expect(at.server.all('agent:a')).toHaveLength(2);
    expect(queue.size).toBe(0);
  });
});

describe('a stored queue', () => {
  it('outlives its page', async () => {
    const at = world();
    const one = tab(at);

    await one.online();
    await one.offline();
    one.send(said(1));
    one.send(said(2));

    const keys = stored(at).items.map((i) => i['key']);

    one.queue.close();
    one.client.disconnect();

    const two = tab(at);

    expect(two.queue.size).toBe(2);
    await two.online();
    expect(ns(at.server.all('agent:a'))).toEqual([1, 2]);
    expect(at.server.all('agent:a').map((c) => c['key'])).toEqual(keys);
    expect(stored(at).items).toEqual([]);
  });

  it('is nothing that another user could send', async () => {
    const at = world();
    const one = tab(at);

    await one.online('alice');
    await one.offline();
    one.send(said(1));
    one.queue.close();
    one.client.disconnect();

    const two = tab(at);

    await two.online('bob');
    await at.clock.pass(300_000);
    expect(at.server.all('agent:a')).toEqual([]);
    expect(stored(at)).toMatchObject({ user: 'bob', items: [] });
  });

  it('is discarded when the user changes on a live page', async () => {
    const at = world();
    const { queue, send, online, offline } = tab(at);

    await online('alice');
    await offline();

    const reply = send(said(1));

    await online('bob');
    await expect(reply).rejects.toMatchObject({ code: 'aborted' });
    expect(queue.size).toBe(0);
    expect(at.server.all('agent:a')).toEqual([]);
    expect(stored(at).items).toEqual([]);
  });

  it.each(['waiting', 'closed', 'idle', 'connected'])(
    'knows nobody after another token, while %s', async (status) => {
      const at = world();
      const { client, queue, send, online } = tab(at);

      await online('alice');

      if (status === 'connected') {
        at.server.answer = refuse('forbidden');
      } else if (status === 'idle') {
        client.disconnect();
      } else {
        at.server.last.lose(status === 'closed' ? 4500 : 1006);
      }

      expect(client.state.status).toBe(status);

      const old = status === 'connected' ? null : send(said(1));

      client.setToken('bob');
      await at.clock.pass();

      const reply = send(said(2));

      expect(stored(at).items.at(-1)).not.toHaveProperty('user');
      at.server.answer = () => ({ type: 'ack' });
      client.connect();
      await at.clock.pass();
      at.server.last.welcome('bob');
      await at.clock.pass();
      expect((await reply).type).toBe('ack');
      expect(ns(at.server.all('agent:a'))).toEqual([2]);
      expect(queue.size).toBe(0);

      if (old) {
        await expect(old).rejects.toMatchObject({ code: 'aborted' });
      }

      at.server.last.lose();
      send(said(3));
      expect(stored(at).items).toMatchObject([{ user: 'bob' }]);
    });

  it.each([
    ['before', 'bob', false], ['after', 'alice', true],
  ])('and a loss %s the server takes another token', async (_, user, had) => {
    const at = world();
    const { client, send, online, offline } = tab(at);

    await online('alice');
    at.server.answer = had ? () => ({ type: 'ack' }) : () => null;
    client.setToken('other');
    await at.clock.pass();
    await offline();

    const reply = send(said(1));

    expect('user' in (stored(at).items[0] ?? {})).toBe(had);
    at.server.answer = () => ({ type: 'ack' });
    await online(user);
    expect((await reply).type).toBe('ack');
  });

  it.each(['connected', 'waiting', 'idle'])(
    'is nothing for the next one between logout, while %s, and login',
    async (status) => {
      const at = world();
      const { client, send, online, offline } = tab(at);

      await online('alice');

      if (status === 'waiting') {
        await offline();
      } else if (status === 'idle') {
        client.disconnect();
      }

      client.setToken(undefined);
      client.disconnect();

      const reply = send(said(1));

      client.setToken('bob');
      await online('bob');
      await expect(reply).rejects.toMatchObject({ code: 'aborted' });
      expect(at.server.all('agent:a')).toEqual([]);
    });

  it('merges nothing of two users', async () => {
    const at = world();
    const { client, send, online, offline } = tab(at);

    await online('alice');
    await offline();
    send({ type: 'presence-update', currentFeature: 'secret' });
    client.setToken('bob');
    send({ type: 'presence-update', status: 'busy' });
    await online('bob');
    expect(at.server.all('presence-update')).toMatchObject([
      { status: 'busy' }]);
    expect(at.server.all('presence-update')[0])
      .not.toHaveProperty('currentFeature');
  });

  it('belongs to the last known user before a page is let in', async () => {
    const at = world();
    const one = tab(at);

    await one.online('alice');
    one.queue.close();
    one.client.disconnect();

    const two = tab(at);
    const reply = two.send(said(1));

    expect(stored(at).items).toMatchObject([{ user: 'alice' }]);
    await two.online('bob');
    await expect(reply).rejects.toMatchObject({ code: 'aborted' });
  });

  it('without a known user is sent by its own page only', async () => {
    const at = world();
    const one = tab(at);

    one.send(said(1));
    one.queue.close();

    const two = tab(at);

    two.send(said(2));
    await two.online('alice');
    expect(ns(at.server.all('agent:a'))).toEqual([2]);
  });

  it('may be full: it goes on in memory', async () => {
    const at = world();
    const { queue, send, online } = tab(at);

    at.store.full = true;
    send(said(1));
    expect(queue.size).toBe(1);
    await online();
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
  });

  it('may be forbidden: it goes on in memory', async () => {
    const at = world();

    at.store.forbidden = true;

    const { queue, send, online } = tab(at);

    send(said(1));
    expect(queue.size).toBe(1);
    await online();
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
  });

  it.each([
    'nonsense', '[]', '7', 'null', '{"items":7}', '{"items":[null,7,"x"]}',
    '{"items":[{"key":1}]}', '{"items":[{"key":"k","command":null}]}',
    '{"items":[{"key":"k","command":{"type":"x"},"at":"never"}]}',
  ])('may be corrupt: %s', async (text) => {
    const at = world();

    at.store.items.set(KEY, text);

    const { queue, send, online } = tab(at);

    expect(queue.size).toBe(0);
    send(said(1));
    await online();
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
    expect(at.server.last.got).toHaveLength(1);
  });

  it('may have times of a clock that went wrong', async () => {
    const at = world();
    const day = 86_400_000;
    const item = (key: string, more: Fields) => ({
      key, command: { type: 'agent:a' }, user: 'alice', tab: 'x', ...more,
    });

    at.store.items.set(KEY, JSON.stringify({ user: 'alice', items: [
      item('a', { at: at.clock.now() + 99 * day, till: 1e300 }),
      item('b', { at: `${at.clock.now()}`, till: 1, tries: 'x', sent: {} }),
    ] }));

    const { queue, online } = tab(at, { maxRetries: 1 });

    at.server.answer = refuse('busy');
    await online();
    await at.clock.pass(200_000);
    expect(queue.size).toBe(0);
    expect(at.server.all('agent:a').map((c) => c['key']))
      .toEqual(['b', 'b', 'a', 'a']);
  });

  it('is not there if it is not wanted', async () => {
    const at = world();
    const { send } = tab(at, { persistToStorage: false });

    send(said(1));
    expect(at.store.items.size).toBe(0);
  });

  it('has a key of its own', async () => {
    const at = world();
    const { send } = tab(at, { storageKey: 'other' });

    send(said(1));
    expect([...at.store.items.keys()]).toEqual(['other']);
  });
});

describe('several tabs', () => {
  it('each send what is their own', async () => {
    const at = world();
    const one = tab(at);
    const two = tab(at);

    one.send(said(1));
    two.send(said(2));
    expect(stored(at).items).toHaveLength(2);
    await one.online();
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
    await two.online();
    expect(ns(at.server.all('agent:a'))).toEqual([1, 2]);
    expect(stored(at).items).toEqual([]);
  });

  it('send what a closed tab has left, one of them', async () => {
    const at = world();
    const one = tab(at);
    const two = tab(at);
    const three = tab(at);

    await one.online();
    await two.online();
    await three.online();
    at.server.sockets[0]?.lose();
    one.send(said(1));
    one.queue.close();
    one.client.disconnect();
    await at.clock.pass(120_000);
    two.send({ type: 'agent:b' });
    three.send({ type: 'agent:b' });
    await at.clock.pass(120_000);
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
    expect(stored(at).items).toEqual([]);
  });

  it('wait for one that may still be there', async () => {
    const at = world();
    const one = tab(at);

    await one.online('alice');
    await one.offline();
    one.client.disconnect();
    one.send(said(1));

    const two = tab(at);

    await two.online('alice');
    await at.clock.pass(600_000);
    expect(at.server.all('agent:a')).toEqual([]);
    expect(one.queue.size).toBe(1);
    expect(two.queue.size).toBe(0);
  });

  it('take over one at a time where the browser has locks', async () => {
    const at = world();
    const one = tab(at);
    const calls: (() => void)[] = [];
    const locks = {
      request(name: string, call: () => void) {
        expect(name).toBe(KEY);
        calls.push(call);
        return Promise.resolve();
      },
    };

    await one.online();
    await one.offline();
    one.send(said(1));
    one.queue.close();

    const two = tab(at, { locks });

    expect(two.queue.size).toBe(0);
    calls.forEach((call) => call());
    await at.clock.pass();
    expect(two.queue.size).toBe(1);
  });

  it('send what a tab had that has crashed', async () => {
    const at = world();
    const one = tab({ ...at, clock: new FakeClock() });

    one.client.connect();
    await one.pass();
    at.server.last.welcome('alice').lose();
    await one.pass();
    one.send(said(1));

    // its clock stands still from now on
    const two = tab(at);

    await two.online('alice');
    await at.clock.pass(89_000);
    expect(at.server.all('agent:a')).toEqual([]);
    await at.clock.pass(1000);
    expect(ns(at.server.all('agent:a'))).toEqual([1]);
    expect(stored(at).items).toEqual([]);
  });

  it('leave no timer behind', async () => {
    const at = world();
    const { queue, client, send } = tab(at);

    send(said(1));
    client.disconnect();
    queue.close();
    await at.clock.pass();
    expect(at.clock.pending).toBe(0);
  });
});
