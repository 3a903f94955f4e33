// Who is there, as a server that obeys tells it.

import { describe, expect, it } from 'vitest';
import { createClient } from '../src/core/client.js';
import { createPresence } from '../src/core/presence.js';
import type { PresenceOptions } from '../src/core/presence.js';
import type { Fields } from '../src/core/types.js';
import { FakeClock } from './fake.js';
import { FakeServer } from './fake-server.js';

const T = 1_700_000_000_000;

const one = (reviewerId: string, more: Fields = {}): Fields => ({
  reviewerId, userId: reviewerId, role: null, status: 'online',
  currentFeature: null, connectedAt: T, lastSeen: T, connections: 1, ...more,
});

const list = (reviewers: Fields[], more: Fields = {}): Fields => ({
  type: 'presence-list', reviewers, total: reviewers.length,
  truncated: false, timestamp: T, ...more,
});

const update = (reviewerId: string, more: Fields = {}): Fields => {
  const { lastSeen, connections, ...rest } = one(reviewerId, more);

  return { type: 'presence-update', timestamp: T, ...rest };
};

async function connected(options: PresenceOptions = {}) {
  const clock = new FakeClock();
  const server = new FakeServer();
  const client = createClient({
    url: 'ws://hub.test/', WebSocket: server.Socket, clock, aliveInterval: 0,
  });
  const presence = createPresence(client, options);
  let told = 0;

  presence.onChange(() => told++);

  const connect = async (user: string | null = 'alice') => {
    client.connect();
    await clock.pass();
    server.last.welcome(user);
    await clock.pass();
    told = 0;
  };

  const say = async (...messages: Fields[]) => {
    messages.forEach((message) => server.last.say(message));
    await clock.pass();
  };

  const lose = async () => {
    server.last.lose();
    await clock.pass();
  };

  await connect();

  return {
    clock, server, client, presence, connect, say, lose,
    ids: () => presence.reviewers.map((r) => r.reviewerId),
    told: () => told,
  };
}

describe('presence', () => {
  it('is known when a list has come', async () => {
    const { presence, say, ids } = await connected();

    expect(presence.known).toBe(false);
    await say(list([one('carl'), one('alice')]));
    expect(presence.known).toBe(true);
    expect(ids()).toEqual(['alice', 'carl']);
    expect(presence.total).toBe(2);
  });

  it('follows updates: who comes, changes and goes', async () => {
    const { presence, say, ids } = await connected();

    await say(list([one('alice')]), update('bob'));
    expect(ids()).toEqual(['alice', 'bob']);
    await say(update('bob', { status: 'busy', currentFeature: 'search' }));
    expect(presence.byId('bob')).toMatchObject(
      { status: 'busy', currentFeature: 'search' });
    await say(update('bob', { status: 'offline' }));
    expect(ids()).toEqual(['alice']);
    expect(presence.byId('bob')).toBeUndefined();
  });

  it('keeps of one what an update does not mention', async () => {
    const { presence, say } = await connected();

    await say(list([one('bob', { connections: 3 })]),
      update('bob', { status: 'away' }));
    expect(presence.byId('bob')).toMatchObject(
      { status: 'away', connections: 3 });
  });

  it('follows diffs', async () => {
    const { presence, say, ids } = await connected();

    await say(list([one('alice'), one('bob')]), {
      type: 'presence-diff', joined: [one('carl')],
      changed: [one('alice', { status: 'away' })], left: ['bob', 'nobody'],
      timestamp: T,
    });
    expect(ids()).toEqual(['alice', 'carl']);
    expect(presence.byId('alice')?.status).toBe('away');
    expect(presence.total).toBe(2);
  });

  it('takes a list in the place of all before', async () => {
    const { say, ids } = await connected();

    await say(list([one('alice'), one('bob')]));
    await say(list([one('bob')]));
    expect(ids()).toEqual(['bob']);
  });

  it('tells once of what came in one turn', async () => {
    const { say, told } = await connected();

    await say(list([one('alice')]), update('bob'), update('carl'));
    expect(told()).toBe(1);
  });

  it('is the same object until something is different', async () => {
    const { presence, say, told } = await connected();

    await say(list([one('alice'), one('bob')]));

    const { state } = presence;
    const bob = presence.byId('bob');
    const count = told();

    await say(update('bob'));
    expect(told()).toBe(count);
    await say(list([one('bob', { lastSeen: T + 5 }), one('alice')]));
    expect(presence.state).toBe(state);
    await say(update('alice', { status: 'busy' }));
    expect(presence.reviewers).not.toBe(state.reviewers);
    expect(presence.byId('bob')).toBe(bob);
  });

  it('stays as it was while there is no connection', async () => {
    const { say, lose, ids } = await connected();

    await say(list([one('alice')]));
    await lose();
    expect(ids()).toEqual(['alice']);
  });

  it('counts those whom a list had no room for', async () => {
    const { presence, say } = await connected();

    await say(list([one('alice')], { total: 10, truncated: true }));
    expect(presence).toMatchObject({ total: 10, truncated: true });

    await say(update('hidden', { status: 'offline' }));
    expect(presence.total).toBe(9);
    await say(update('old', { connectedAt: T - 1 }));
    expect(presence.total).toBe(9);
    await say(update('new', { connectedAt: T + 1 }));
    expect(presence.total).toBe(10);
  });

  it('knows who this client is, by its user', async () => {
    const { presence, say } = await connected();

    await say(list([one('alice'), one('bob')]));
    expect(presence.me?.reviewerId).toBe('alice');
  });

  it('knows who this client is, by its connection', async () => {
    const { presence, say } = await connected();

    await say(list([one('r_1', { userId: undefined })]));
    expect(presence.me).toBeNull();
    await say(update('r_1', { connectionId: 'conn_1' }));
    expect(presence.me?.reviewerId).toBe('r_1');
  });

  it('cannot show whose id is hidden', async () => {
    const { presence, say } = await connected();
    const { reviewerId, ...hidden } = one('x');

    await say(list([hidden, hidden]), { ...hidden, type: 'presence-update' });
    expect(presence).toMatchObject({ reviewers: [], total: 2 });
  });

  it('subscribes with its filter and drops who passes no more', async () => {
    const { server, say, ids } = await connected(
      { filter: { currentFeature: ['a', 'b'] } });

    expect(server.all('subscribe')).toMatchObject([
      { channel: 'presence:updates', filter: { currentFeature: ['a', 'b'] } },
    ]);
    await say(list([one('bob', { currentFeature: 'a' })]));
    expect(ids()).toEqual(['bob']);
    await say(update('bob', { currentFeature: 'c' }));
    expect(ids()).toEqual([]);
    await say(update('bob', { currentFeature: 'b' }));
    expect(ids()).toEqual(['bob']);
  });

  it('asks for a list if it begins on a live connection', async () => {
    const { server, client, clock } = await connected();

    createPresence(client);
    await clock.pass();
    expect(server.last.got.map((c) => [c['type'], c['channel']])).toEqual([
      ['unsubscribe', 'presence:updates'], ['subscribe', 'presence:updates'],
    ]);
  });

  it('listens no more when it is closed', async () => {
    const { presence, say, ids } = await connected();

    presence.close();
    await say(list([one('alice')]));
    expect(ids()).toEqual([]);
  });
});

describe('what a client says of itself', () => {
  it('is said once for a turn', async () => {
    const { server, presence, clock } = await connected();

    presence.set({ status: 'away' });
    presence.set({ status: 'busy' });
    presence.set({ currentFeature: 'search' });
    await clock.pass();
    expect(server.all('presence-update')).toMatchObject(
      [{ status: 'busy', currentFeature: 'search' }]);
  });

  it('is not said twice', async () => {
    const { server, presence, clock } = await connected();

    presence.set({ status: 'busy' });
    await clock.pass();
    presence.set({ status: 'busy' });
    await clock.pass();
    expect(server.all('presence-update')).toHaveLength(1);
  });

  it('is said again on a new connection', async () => {
    const { server, presence, clock, lose, connect } = await connected();

    presence.set({ status: 'busy' });
    await clock.pass();
    await lose();
    presence.set({ currentFeature: 'search' });
    await connect();
    expect(server.all('presence-update')).toMatchObject([
      { status: 'busy' }, { status: 'busy', currentFeature: 'search' },
    ]);
  });

  it('is not said in the name of another user', async () => {
    const { server, presence, clock, lose, connect } = await connected();

    presence.set({ status: 'busy' });
    await clock.pass();
    await lose();
    await connect('bob');
    expect(server.all('presence-update')).toHaveLength(1);
  });

  it('waits as long as the server says', async () => {
    const { server, presence, clock } = await connected();

    server.answer = () => ({
      type: 'error', code: 'rate_limited', error: 'slow', rateLimited: true,
      retryAfterMs: 3000,
    });
    presence.set({ status: 'busy' });
    await clock.pass(2999);
    expect(server.all('presence-update')).toHaveLength(1);
    server.answer = () => ({ type: 'ack' });
    await clock.pass(1);
    expect(server.all('presence-update')).toHaveLength(2);
    await clock.pass(60_000);
    expect(server.all('presence-update')).toHaveLength(2);
  });

  it('is said again if the server was busy', async () => {
    const { server, presence, clock } = await connected();

    server.answer = () => ({ type: 'error', code: 'busy', error: 'busy' });
    presence.set({ status: 'busy' });
    await clock.pass(999);
    expect(server.all('presence-update')).toHaveLength(1);
    server.answer = () => ({ type: 'ack' });
    await clock.pass(60_000);
    expect(server.all('presence-update')).toHaveLength(2);
  });

  it('can be said again if there was no answer', async () => {
    const { server, presence, clock } = await connected();

    server.answer = () => null;
    presence.set({ status: 'busy' });
    await clock.pass(10_000);
    presence.set({ status: 'busy' });
    await clock.pass();
    expect(server.all('presence-update')).toHaveLength(2);
  });

  it('is not said after the end', async () => {
    const { server, presence, clock } = await connected();

    server.answer = () => null;
    presence.set({ status: 'busy' });
    await clock.pass();
    presence.close();
    server.last.say({
      type: 'error', code: 'rate_limited', error: 'slow',
      id: server.last.got.at(-1)?.['id'], retryAfterMs: 10,
    });
    await clock.pass(60_000);
    expect(server.all('presence-update')).toHaveLength(1);
  });

  it('is not repeated where there is no presence', async () => {
    const { server, presence, clock } = await connected();

    server.answer = () =>
      ({ type: 'error', code: 'unavailable', error: 'none here' });
    presence.set({ status: 'busy' });
    await clock.pass(60_000);
    expect(server.all('presence-update')).toHaveLength(1);
  });
});
