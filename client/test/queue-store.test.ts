// What a queue keeps in a store, and shares with other tabs there.

import { describe, expect, it } from 'vitest';
import type { Fields } from '../src/core/types.js';
import { FakeClock } from './fake.js';
import { KEY, ns, refuse, said, stored, tab, world } from './fake-tab.js';

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
