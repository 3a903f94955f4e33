// The store of events.

import { describe, expect, it, vi } from 'vitest';
import { fake } from './fake.js';
import { createEvents } from '../src/index.js';
import type { Events } from '../src/index.js';

const event = (n: number, type = 'e') => ({ type, n, eventId: `1-${n}` });
const numbers = (store: Events) => store.events.map((one) => one.n);

describe('the store of events', () => {
  it('has the last ones, the newest last', async () => {
    const it = fake();
    const store = createEvents(it.client, { limit: 3 });

    await it.up();
    [1, 2, 3, 4].forEach((n) => it.socket.say(event(n)));
    expect(numbers(store)).toEqual([2, 3, 4]);
  });

  it('may have none at all', async () => {
    const it = fake();
    const store = createEvents(it.client, { limit: 0 });

    await it.up();
    it.socket.say(event(1));
    expect(store.events).toEqual([]);
  });

  it('has two hundred unless told', async () => {
    const it = fake();
    const store = createEvents(it.client);

    await it.up();

    for (let n = 0; n < 300; n++) {
      it.socket.say(event(n));
    }

    expect(store.events).toHaveLength(200);
  });

  it('has nothing but events, and of those what is wanted', async () => {
    const it = fake();
    const all = createEvents(it.client);
    const some = createEvents(it.client, { types: ['f'] });

    await it.up();
    it.socket.say({ type: 'ack', id: 1, eventId: '1-1' });
    it.socket.say({ type: 'pong', lastEventId: '1-1' });
    it.socket.say({ type: 'presence-update', reviewerId: 'x' });
    it.socket.say(event(2));
    it.socket.say(event(3, 'f'));
    expect(numbers(all)).toEqual([2, 3]);
    expect(numbers(some)).toEqual([3]);
  });

  it('tells once for all events of a turn', async () => {
    const it = fake();
    const store = createEvents(it.client);
    const changed = vi.fn();

    await it.up();
    store.onChange(changed);

    const before = store.events;

    it.socket.say({ type: 'presence-update' });
    await it.clock.pass(0);
    expect(changed).not.toHaveBeenCalled();
    expect(store.events).toBe(before);
    [1, 2, 3].forEach((n) => it.socket.say(event(n)));
    await it.clock.pass(0);
    expect(changed).toHaveBeenCalledTimes(1);
    expect(store.events).toBe(store.events);
  });

  it('counts gaps', async () => {
    const it = fake();
    const store = createEvents(it.client);

    await it.up();
    it.socket.say({ type: 'resumed', recovered: true, lastEventId: '1-1' });
    it.socket.say({ type: 'resumed', recovered: false, lastEventId: '1-1' });
    expect(store.gaps).toBe(1);
  });

  it('can be paused, and then shows what has come', async () => {
    const it = fake();
    const store = createEvents(it.client, { limit: 3 });

    await it.up();
    it.socket.say(event(1));
    store.pause();

    const before = store.events;

    [2, 3, 4, 5].forEach((n) => it.socket.say(event(n)));
    expect(store.events).toBe(before);
    expect([store.paused, store.held]).toEqual([true, 4]);
    store.resume();
    expect(numbers(store)).toEqual([3, 4, 5]);
    expect([store.paused, store.held]).toEqual([false, 0]);
  });

  it('can be cleared, while it is paused, too', async () => {
    const it = fake();
    const store = createEvents(it.client);

    await it.up();
    it.socket.say(event(1));
    store.pause();
    it.socket.say(event(2));
    store.clear();
    expect([store.events, store.held, store.paused]).toEqual([[], 0, true]);
    store.resume();
    expect(store.events).toEqual([]);
  });

  it('forgets what another user has seen', async () => {
    const it = fake();
    const store = createEvents(it.client);

    await it.up();
    it.socket.say(event(1));
    it.socket.end();
    await it.again();
    it.socket.welcome();
    expect(numbers(store)).toEqual([1]);
    it.socket.end();
    await it.again();
    it.socket.welcome({ userId: 'bob' });
    expect(numbers(store)).toEqual([]);
  });

  it('hears nothing once it is closed', async () => {
    const it = fake();
    const store = createEvents(it.client);

    await it.up();
    store.close();
    it.socket.say(event(1));
    expect(store.events).toEqual([]);
  });
});
