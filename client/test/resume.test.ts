// Coming back: from where, for whom, and with nothing lost or doubled.

import { describe, expect, it, vi } from 'vitest';
import { FakeStore, fake, settle } from './fake.js';
import type { Fake, FakeSocket } from './fake.js';

const event = (n: number) => ({ type: 'e', n, eventId: `1-${n}` });

// The numbers of the events that a client is told of.
function numbers({ client }: Fake): unknown[] {
  const all: unknown[] = [];

  client.on('e', ({ n }) => all.push(n));
  return all;
}

// Loses the connection and gets another welcome.
async function back(it: Fake, welcome = {}): Promise<FakeSocket> {
  it.socket.end();
  await it.again();
  it.socket.welcome({ lastEventId: '1-99', ...welcome });
  await settle();
  return it.socket;
}

const resumed = (lastEventId: string, fields = {}) => ({
  type: 'resumed', recovered: true, count: 0, lastEventId, ...fields,
});

describe('a first connection', () => {
  it('is not held, and knows where it begins', async () => {
    const it = fake();

    await it.up({ lastEventId: '1-7' });
    expect(it.socket.url).toBe('ws://host/ws');
    expect(it.socket.sent).toEqual([]);
    expect(it.client.lastEventId).toBe('1-7');
  });

  it('may begin at a position that was given', async () => {
    const it = fake({ since: '1-3' });

    await it.up();
    expect(it.socket.url).toBe('ws://host/ws?hold=1');
    expect(it.socket.last('resume')).toMatchObject({ since: '1-3' });
  });

  it('keeps the arguments of its address', async () => {
    const it = fake({ since: '1-3', url: 'ws://host/ws?a=b&hold=0' });

    await it.up();
    expect(it.socket.url).toBe('ws://host/ws?a=b&hold=1');
  });
});

describe('a position', () => {
  const since = async (it: Fake) =>
    (await back(it)).last('resume')?.since;

  it('is that of the welcome', async () => {
    const it = fake();

    await it.up({ lastEventId: '1-7' });
    expect(await since(it)).toBe('1-7');
  });

  it('is that of the last event', async () => {
    const it = fake();

    await it.up();
    it.socket.say(event(8));
    expect(it.client.lastEventId).toBe('1-8');
    expect(await since(it)).toBe('1-8');
  });

  it('is that of a pong', async () => {
    const it = fake();

    await it.up();
    it.socket.say({ type: 'pong', lastEventId: '1-9' });
    expect(await since(it)).toBe('1-9');
  });

  it('is not that of an event that was published', async () => {
    const it = fake();

    await it.up({ lastEventId: '1-7' });
    it.socket.say({ type: 'ack', id: 5, eventId: '1-50' });
    expect(await since(it)).toBe('1-7');
  });

  it('moves with what was missed, not with the new welcome', async () => {
    const it = fake();

    await it.up();
    it.socket.say(event(8));
    await back(it);
    expect(it.client.lastEventId).toBe('1-8');
    it.socket.answer('resume');
    it.socket.say(event(9));
    expect(await since(it)).toBe('1-9');
    it.socket.answer('resume');
    it.socket.say(resumed('1-20'));
    expect(await since(it)).toBe('1-20');
  });

  it('stays while the server has not agreed to resume', async () => {
    const it = fake();

    await it.up();
    it.socket.say(event(8));
    await back(it);
    it.socket.say({ type: 'pong', lastEventId: '1-99' });
    it.socket.say(event(99));
    expect(it.client.lastEventId).toBe('1-8');
    expect(await since(it)).toBe('1-8');
  });

  it('moves with all that is read in one go', async () => {
    const it = fake();

    await it.up();
    it.socket.end();
    await it.again();
    it.socket.welcome();
    // no turn of the event loop between these
    it.socket.answer('resume');
    it.socket.say(event(9));
    expect(it.client.lastEventId).toBe('1-9');
  });

  it('stays over disconnect() and connect()', async () => {
    const it = fake();

    await it.up();
    it.socket.say(event(8));
    it.client.disconnect();
    await it.up();
    expect(it.socket.last('resume')).toMatchObject({ since: '1-8' });
  });

  it('of a first connection that was lost on hold is its welcome', async () => {
    const it = fake({ subscriptions: [] });

    await it.up({ lastEventId: '1-7' });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-7' });
    expect(await since(it)).toBe('1-7');
  });
});

describe('an event', () => {
  it('that was had before is not told again', async () => {
    const it = fake();
    const told = numbers(it);

    await it.up();
    [1, 2, 3].forEach((n) => it.socket.say(event(n)));
    await back(it);
    it.socket.answer('resume');
    [2, 3, 4].forEach((n) => it.socket.say(event(n)));
    it.socket.say(resumed('1-4'));
    [4, 5].forEach((n) => it.socket.say(event(n)));
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });

  it('is told again only when a thousand others have come', async () => {
    const it = fake();
    const told = numbers(it);

    await it.up();

    for (let n = 0; n < 1_000; n++) {
      it.socket.say(event(n));
    }

    it.socket.say(event(0));
    expect(told).toHaveLength(1_000);
    it.socket.say(event(1_000));
    it.socket.say(event(0));
    expect(told).toHaveLength(1_002);
  });
});

describe('what is missing', () => {
  it('is told by the state and by a message', async () => {
    const it = fake();
    const heard = vi.fn();

    it.client.on('resumed', heard);
    await it.up();
    expect(it.client.state.recovered).toBe(true);
    await back(it);
    it.socket.answer('resume');
    it.socket.say(resumed('1-50', { recovered: false, reason: 'expired' }));
    expect(it.client.state.recovered).toBe(false);
    expect(heard).toHaveBeenCalledWith(
      expect.objectContaining({ reason: 'expired' }));
    expect(it.client.lastEventId).toBe('1-50');
  });

  it('is told of a gap that the server reports unasked', async () => {
    const it = fake();

    await it.up();
    it.socket.say(resumed('1-60', { recovered: false, reason: 'gap' }));
    expect(it.client.state.recovered).toBe(false);
    await back(it);
    expect(it.client.state.recovered).toBe(true);
  });

  it('is all that was before a position which is none', async () => {
    const it = fake({ since: '?' });

    await it.up({ lastEventId: '1-7' });
    it.socket.refuse('resume', 'bad_message');
    await settle();
    expect(it.socket.last('resume')).toMatchObject({ since: '1-7' });
    it.socket.answer('resume');
    await settle();
    it.socket.say(resumed('1-7'));
    expect(it.client.state).toMatchObject({
      status: 'connected', recovered: false,
    });
    expect(it.client.lastEventId).toBe('1-7');
  });
});

describe('a resume', () => {
  it.each([
    ['busy', {}, 1_000],
    ['unavailable', {}, 1_000],
    ['rate_limited', { retryAfterMs: 41_250 }, 41_250],
  ])('that is answered with %s is tried on another connection',
    async (code, fields, pause) => {
      const it = fake();

      await it.up();
      it.socket.say(event(8));
      await back(it);
      await it.clock.pass(0);

      const old = it.socket;

      old.refuse('resume', code, fields);
      await settle();
      expect(it.client.state.status).toBe('waiting');
      expect(it.client.state.error?.reason).toMatch(/^resume/);
      expect(old.closed).toBe(true);
      expect((it.client.state.retryAt ?? 0) - it.clock.time)
        .toBeGreaterThanOrEqual(pause);
      expect(it.client.lastEventId).toBe('1-8');
    });

  it('that is not answered while the server holds is, too', async () => {
    const it = fake({ aliveInterval: 0 });

    await it.up();
    await back(it);
    await it.clock.pass(8_000);
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { reason: 'resume' },
    });
  });

  it('that is lost with its connection does nothing more', async () => {
    const it = fake();

    await it.up();
    await back(it);
    it.socket.end(1012, 'retry=100');
    await settle();
    expect(it.client.state.error?.code).toBe(1012);
    await it.again();
    expect(it.client.state.status).toBe('connecting');
  });
});

describe('another user', () => {
  it('does not get what the one before has missed', async () => {
    const it = fake({ token: 'a' });
    const told = numbers(it);

    await it.up();
    it.socket.say(event(8));
    await back(it, { userId: 'bob', lastEventId: '1-30' });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-30' });
    expect(it.client.state.recovered).toBe(false);
    it.socket.answer('resume');
    it.socket.say(resumed('1-30'));
    expect(it.client.state.recovered).toBe(false);
    it.socket.say(event(8));
    expect(told).toEqual([8, 8]);
  });

  it('is nobody, too', async () => {
    const it = fake();

    await it.up();
    await back(it, { userId: null, lastEventId: '1-30' });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-30' });
  });

  it('is whoever comes first, for a position that was given', async () => {
    const it = fake({ since: '1-3' });

    await it.up({ userId: 'bob' });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-3' });
  });
});

describe('a position that is stored', () => {
  const stored = (store: FakeStore) => JSON.parse(store.items.get('k') ?? '');
  const kept = (since: string, user: string | null) => {
    const store = new FakeStore();

    store.items.set('k', JSON.stringify({ since, user }));
    return { resume: { store, key: 'k' } };
  };

  it('is stored once for all events of a turn', async () => {
    const store = new FakeStore();
    const set = vi.spyOn(store, 'setItem');
    const it = fake({ resume: { store, key: 'k' } });

    await it.up();
    [1, 2, 3].forEach((n) => it.socket.say(event(n)));
    await it.clock.pass(0);
    expect(set).toHaveBeenCalledTimes(1);
    expect(stored(store)).toEqual({ since: '1-3', user: 'ann' });
    await it.clock.pass(1_000);
    it.socket.say({ type: 'presence-update' });
    await it.clock.pass(0);
    expect(set).toHaveBeenCalledTimes(1);
  });

  it('is stored when the connection ends', async () => {
    const store = new FakeStore();
    const it = fake({ resume: { store, key: 'k' } });

    await it.up();
    it.socket.say(event(1));
    it.client.disconnect();
    expect(stored(store)).toEqual({ since: '1-1', user: 'ann' });
  });

  it('is not stored once more while it is the same', async () => {
    const store = new FakeStore();
    const set = vi.spyOn(store, 'setItem');
    const it = fake({ resume: { store, key: 'k' } });

    await it.up();
    await it.clock.pass(0);
    it.socket.end();
    it.client.disconnect();
    expect(set).toHaveBeenCalledTimes(1);
  });

  it('is resumed from after a reload of the page', async () => {
    const it = fake(kept('1-5', 'ann'));

    await it.up();
    expect(it.socket.last('resume')).toMatchObject({ since: '1-5' });
  });

  it('of somebody else is discarded', async () => {
    const options = kept('1-5', 'bob');
    const it = fake(options);

    await it.up({ lastEventId: '1-7' });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-7' });
    await it.clock.pass(0);
    expect(stored(options.resume.store))
      .toEqual({ since: '1-7', user: 'ann' });
  });

  it('of nobody is nobody\'s', async () => {
    const it = fake(kept('1-5', null));

    await it.up({ userId: null });
    expect(it.socket.last('resume')).toMatchObject({ since: '1-5' });
  });

  it('is older than one that is given', async () => {
    const it = fake({ ...kept('1-5', 'bob'), since: '1-6' });

    await it.up();
    expect(it.socket.last('resume')).toMatchObject({ since: '1-6' });
  });

  it.each(['', '{', 'null', '[]', '{"since":1,"user":"a"}', '{"since":"1-1"}'])(
    'is none if it reads %j', async (text) => {
      const store = new FakeStore();

      store.items.set('k', text);

      const it = fake({ resume: { store, key: 'k' } });

      await it.up();
      expect(it.socket.url).toBe('ws://host/ws');
    },
  );

  it('is kept in memory where nothing can be stored', async () => {
    const store = new FakeStore();

    store.full = true;
    store.getItem = () => {
      throw new Error('SecurityError');
    };

    const it = fake({ resume: { store, key: 'k' } });

    await it.up();
    it.socket.say(event(1));
    await it.clock.pass(0);
    expect(it.client.lastEventId).toBe('1-1');
  });
});
