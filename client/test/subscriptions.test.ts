// What is subscribed, and how it outlives the connection.

import { describe, expect, it, vi } from 'vitest';
import { fake, rejection, settle } from './fake.js';
import type { Fake, FakeSocket } from './fake.js';

const said = ({ sent }: FakeSocket) =>
  sent.map(({ id: _, ...command }) => command);

async function back(it: Fake): Promise<FakeSocket> {
  it.socket.end();
  await it.again();
  it.socket.welcome({ lastEventId: '1-99' });
  await settle();
  return it.socket;
}

// Whether a promise is still pending.
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  await settle();
  return await Promise.race([promise, 'pending']) === 'pending';
}

describe('subscriptions that were given', () => {
  const subscriptions = [
    { channel: 'c', filter: { a: [1, 2] } }, { channel: 'd' },
  ];

  it('are all said before anything comes', async () => {
    const it = fake({ subscriptions });

    await it.up({ lastEventId: '1-7' });
    expect(it.socket.url).toBe('ws://host/ws?hold=1');
    expect(said(it.socket)).toEqual(
      [{ type: 'resume', since: '1-7', subscriptions }]);
  });

  it('may be none at all', async () => {
    const it = fake({ subscriptions: [] });

    await it.up();
    expect(said(it.socket)).toEqual(
      [{ type: 'resume', since: '1-0', subscriptions: [] }]);
  });

  it('are said again on each connection, with what has changed', async () => {
    const it = fake({ subscriptions });

    await it.up();
    it.socket.answer('resume');
    it.client.subscribe('c', { a: 3 }).catch(() => undefined);
    it.client.subscribe('e').catch(() => undefined);
    it.client.unsubscribe('d').catch(() => undefined);
    expect(said(it.socket).slice(1)).toEqual([
      { type: 'subscribe', channel: 'c', filter: { a: 3 } },
      { type: 'subscribe', channel: 'e' },
      { type: 'unsubscribe', channel: 'd' },
    ]);

    const expected = {
      type: 'resume',
      subscriptions: [
        { channel: 'c', filter: { a: 3 } }, { channel: 'e' },
      ],
    };

    expect(said(await back(it))).toMatchObject([expected]);
    expect(said(await back(it))).toMatchObject([expected]);
  });

  it('are received but for those that are refused', async () => {
    const it = fake({ subscriptions });

    await it.up({ lastEventId: '1-7' });
    it.socket.refuse('resume', 'forbidden');
    await settle();
    expect(said(it.socket).slice(1)).toEqual([
      { type: 'subscribe', channel: 'c', filter: { a: [1, 2] } },
      { type: 'subscribe', channel: 'd' },
    ]);
    it.socket.refuse('subscribe', 'forbidden');
    it.socket.say({ type: 'ack', id: it.socket.sent[1]?.id });
    await settle();
    expect(said(it.socket).slice(3)).toEqual([{
      type: 'resume', since: '1-7', subscriptions: [subscriptions[0]],
    }]);
    it.socket.answer('resume');
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'connected', recovered: true,
    });
    // another day the role may allow it
    expect(said(await back(it))).toMatchObject([{ subscriptions }]);
  });

  it('are tried on another connection if the server is busy', async () => {
    const it = fake({ subscriptions });

    await it.up();
    it.socket.refuse('resume', 'forbidden');
    await settle();
    it.socket.refuse('subscribe', 'busy');
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { reason: 'resume' },
    });
  });

  it('that are refused with a position that is none', async () => {
    const it = fake({ subscriptions: [{ channel: 'c' }], since: '?' });

    await it.up({ lastEventId: '1-7' });
    it.socket.refuse('resume', 'bad_message');
    await settle();
    it.socket.answer('subscribe');
    await settle();
    it.socket.refuse('resume', 'bad_message');
    await settle();
    expect(said(it.socket).at(-1)).toEqual({
      type: 'resume', since: '1-7', subscriptions: [{ channel: 'c' }],
    });
    it.socket.answer('resume');
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'connected', recovered: false,
    });
  });
});

describe('subscriptions that are more than a message can hold', () => {
  const names = [...'abcdefghij'].map((name) => name.repeat(99));
  const subscriptions = names.map((channel) => ({ channel }));

  it('are said one by one', async () => {
    const it = fake({ subscriptions, since: '1-3' });

    await it.up({ lastEventId: '1-7' });
    expect(said(it.socket)).toEqual(subscriptions.map(({ channel }) =>
      ({ type: 'subscribe', channel })));
    it.socket.sent.forEach(({ id }) => it.socket.say({ type: 'ack', id }));
    await settle();
    expect(said(it.socket).at(-1)).toEqual({ type: 'resume', since: '1-3' });
    it.socket.answer('resume');
    await it.clock.pass(20_000);
    expect(it.client.state).toMatchObject({
      status: 'connected', recovered: true,
    });
    expect(it.sockets).toHaveLength(1);
  });

  it('are one message again where that is large enough', async () => {
    const it = fake({ subscriptions });

    await it.up();
    it.socket.end();
    await it.again();
    it.socket.welcome({ limits: { maxMessage: 9_999, maxQueue: 1 } });
    await settle();
    expect(said(it.socket)).toMatchObject([{ type: 'resume', subscriptions }]);
  });

  it.each([undefined, [{ channel: 'c' }]])(
    'as a single one is, are refused and not said again: %j',
    async (list) => {
      const it = fake(list ? { subscriptions: list } : {});

      await it.up();
      it.socket.answer('resume');
      await settle();
      expect((await rejection(
        it.client.subscribe('d', { a: 'x'.repeat(999) }))).code)
        .toBe('too_large');
      expect(said(await back(it))).toMatchObject([{ type: 'resume' }]);
      it.socket.answer('resume');
      await settle();
      expect(it.client.state.status).toBe('connected');
    },
  );

  it('and a position that is, are no reason to try for ever', async () => {
    const it = fake({ since: 'x'.repeat(999) });

    await it.up({ lastEventId: '1-7' });
    expect(said(it.socket)).toEqual([{ type: 'resume', since: '1-7' }]);
    it.socket.answer('resume');
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'connected', recovered: false,
    });
  });
});

describe('changes of the default subscriptions', () => {
  it('are said again on hold, in front of resume', async () => {
    const it = fake();

    await it.up();
    it.client.subscribe('d', { a: 1 }).catch(() => undefined);
    it.client.unsubscribe('c').catch(() => undefined);
    it.socket.answer('subscribe');
    it.socket.answer('unsubscribe');

    const expected = [
      { type: 'subscribe', channel: 'd', filter: { a: 1 } },
      { type: 'unsubscribe', channel: 'c' },
      { type: 'resume', since: '1-0' },
    ];

    expect(said(await back(it))).toEqual(expected);
    expect(it.socket.url).toBe('ws://host/ws?hold=1');
    expect(said(await back(it))).toEqual(expected);
  });

  it('hold the first connection if they were made before', async () => {
    const it = fake();

    it.client.subscribe('d').catch(() => undefined);
    await it.up({ lastEventId: '1-7' });
    expect(it.socket.url).toBe('ws://host/ws?hold=1');
    expect(said(it.socket)).toEqual([
      { type: 'subscribe', channel: 'd' }, { type: 'resume', since: '1-7' },
    ]);
  });

  it('are said on a connection that began without them', async () => {
    const it = fake();

    it.client.connect();
    await settle();
    it.client.subscribe('d').catch(() => undefined);
    it.socket.welcome();
    expect(it.socket.url).toBe('ws://host/ws');
    expect(said(it.socket)).toEqual([{ type: 'subscribe', channel: 'd' }]);
  });

  it('are not said again if the server refused them', async () => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.subscribe('d'));

    it.socket.refuse('subscribe', 'unknown_channel');
    expect((await error).code).toBe('unknown_channel');
    expect(said(await back(it))).toEqual([{ type: 'resume', since: '1-0' }]);
  });

  it('go back to what the server had agreed to', async () => {
    const it = fake();

    await it.up();
    it.client.subscribe('d', { a: 1 }).catch(() => undefined);
    it.socket.answer('subscribe');
    await settle();

    const error = rejection(it.client.subscribe('d', { a: [] }));

    it.socket.refuse('subscribe', 'bad_message');
    await error;
    expect(said(await back(it))).toMatchObject([
      { type: 'subscribe', filter: { a: 1 } }, { type: 'resume' },
    ]);
  });
});

describe('two changes, both refused,', () => {
  it('go back to what the server had agreed to', async () => {
    const it = fake();

    await it.up();
    it.client.subscribe('d', { a: 1 }).catch(() => undefined);
    it.socket.answer('subscribe');
    await settle();

    const errors = [2, 3].map((a) =>
      rejection(it.client.subscribe('d', { a })));

    it.socket.sent.slice(1).forEach(({ id }) =>
      it.socket.say({ type: 'error', code: 'bad_message', error: '', id }));
    await Promise.all(errors);
    expect(said(await back(it))).toMatchObject([
      { type: 'subscribe', filter: { a: 1 } }, { type: 'resume' },
    ]);
  });
});

describe('the promise of subscribe()', () => {
  it('waits for a connection', async () => {
    const it = fake();
    const reply = it.client.subscribe('d');

    await it.up();
    expect(await isPending(reply)).toBe(true);
    it.socket.answer('subscribe', { channel: 'd' });
    expect(await reply).toMatchObject({ type: 'ack', channel: 'd' });
  });

  it('waits over a loss', async () => {
    const it = fake();

    await it.up();

    const reply = it.client.subscribe('d');

    it.socket.end();
    expect(await isPending(reply)).toBe(true);
    await it.again();
    it.socket.welcome();
    it.socket.answer('subscribe');
    expect(await reply).toMatchObject({ type: 'ack' });
  });

  it('is that of the whole list, where there is one', async () => {
    const it = fake({ subscriptions: [{ channel: 'c' }] });

    const on = it.client.subscribe('d');
    const off = it.client.unsubscribe('c');

    await it.up();
    expect(await off).toMatchObject({ type: 'ack' });
    expect(said(it.socket)).toMatchObject(
      [{ type: 'resume', subscriptions: [{ channel: 'd' }] }]);
    it.socket.answer('resume');
    expect(await on).toMatchObject({ type: 'ack' });
  });

  it('is kept by the last of several', async () => {
    const it = fake();
    const first = it.client.subscribe('d');
    const second = it.client.subscribe('d', { a: 1 });

    await it.up();
    expect(said(it.socket)[0]).toMatchObject({ filter: { a: 1 } });
    it.socket.answer('subscribe');
    expect(await first).toEqual(await second);
  });

  it('of one in flight is kept by the next after a loss', async () => {
    const it = fake();

    await it.up();

    const first = it.client.subscribe('d');
    const second = it.client.unsubscribe('d');

    it.socket.end();
    await it.again();
    it.socket.welcome();
    await settle();
    expect(said(it.socket)).toMatchObject(
      [{ type: 'unsubscribe' }, { type: 'resume' }]);
    it.socket.answer('unsubscribe');
    expect(await first).toEqual(await second);
  });

  it.each([
    ['disconnect()', ({ client }: Fake) => client.disconnect(),
      'disconnected'],
    ['a final refusal', ({ socket }: Fake) => socket.end(4500), 'closed'],
  ])('is rejected by %s, which takes back nothing', async (_, end, code) => {
    const it = fake();

    it.client.connect();
    await settle();

    const error = rejection(it.client.subscribe('d'));

    end(it);
    expect((await error).code).toBe(code);
    await it.up();
    expect(said(it.socket)[0])
      .toEqual({ type: 'subscribe', channel: 'd' });
  });

  it('in flight at disconnect() is rejected', async () => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.subscribe('d'));

    it.client.disconnect();
    expect((await error).code).toBe('disconnected');
  });

  it('in flight at disconnect(), with another behind it, too', async () => {
    const it = fake();

    await it.up();

    const errors = [1, 2].map((a) =>
      rejection(it.client.subscribe('d', { a })));

    it.client.disconnect();
    expect((await Promise.all(errors)).map(({ code }) => code))
      .toEqual(['disconnected', 'disconnected']);
  });

  it('that is not answered in time is rejected', async () => {
    const it = fake({ timeout: 50 });

    await it.up();

    const error = rejection(it.client.subscribe('d'));

    await it.clock.pass(50);
    expect((await error).code).toBe('timeout');
    expect(said(await back(it))[0]).toMatchObject({ type: 'subscribe' });
  });

  it('may be ignored without harm', async () => {
    const unhandled = vi.fn();
    const it = fake();

    process.on('unhandledRejection', unhandled);
    await it.up();
    // those of the restoring itself
    it.client.subscribe('d').catch(() => undefined);
    it.socket.refuse('subscribe', 'busy');
    await back(it);
    it.socket.end(4500);
    await new Promise((done) => setTimeout(done, 0));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});
