// Commands and what becomes of them.

import { describe, expect, it, vi } from 'vitest';
import { fake, rejection, settle } from './fake.js';
import { ConductorError } from '../src/index.js';
import type { Outbox, Reply } from '../src/index.js';

const ping = { type: 'ping' };

describe('a command', () => {
  it('has an id of its own, and gives its answer', async () => {
    const it = fake();

    await it.up();

    const first = it.client.send({ type: 'a', x: 1, id: 'mine' });
    const second = it.client.send({ type: 'b' });
    const ids = it.socket.sent.map(({ id }) => id);

    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain('mine');
    it.socket.answer('b', { n: 2 });
    it.socket.answer('a', { n: 1 });
    expect(await first).toEqual({ type: 'ack', id: ids[0], n: 1 });
    expect(await second).toEqual({ type: 'ack', id: ids[1], n: 2 });
  });

  it('has another id on another connection', async () => {
    const it = fake();

    await it.up();
    it.client.send(ping).catch(() => undefined);
    it.socket.end();
    await it.again();
    it.socket.welcome();
    it.client.send(ping).catch(() => undefined);

    const ids = it.sockets.map((socket) => socket.last('ping')?.id);

    expect(new Set(ids).size).toBe(2);
  });

  it('that is refused says why', async () => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.send({ type: 'a' }));

    it.socket.refuse('a', 'rate_limited', {
      error: 'Rate limit exceeded. Please slow down.',
      rateLimited: true, retryAfterMs: 41_250,
    });
    expect(await error).toBeInstanceOf(ConductorError);
    expect(await error).toMatchObject({
      name: 'ConductorError', code: 'rate_limited', rateLimited: true,
      retryAfterMs: 41_250,
      message: 'Rate limit exceeded. Please slow down.',
      reply: { type: 'error', code: 'rate_limited' },
    });
  });

  it('waits ten seconds, or as long as it is told', async () => {
    const it = fake({ aliveInterval: 0 });

    await it.up();

    const long = rejection(it.client.send(ping));
    const short = rejection(it.client.send(ping, { timeout: 50 }));

    await it.clock.pass(50);
    expect((await short).code).toBe('timeout');
    await it.clock.pass(9_950);
    expect((await long).code).toBe('timeout');
    expect(it.clock.pending).toBe(0);
  });

  it('waits as long as the client is told', async () => {
    const it = fake({ timeout: 70 });

    await it.up();

    const error = rejection(it.client.send(ping));

    await it.clock.pass(70);
    expect((await error).code).toBe('timeout');
  });

  it('can be aborted, before it is sent and after', async () => {
    const it = fake();
    const before = new AbortController();
    const after = new AbortController();

    await it.up();
    before.abort();
    expect((await rejection(it.client.send(ping, { signal: before.signal })))
      .code).toBe('aborted');
    expect(it.socket.sent).toEqual([]);

    const error = rejection(it.client.send(ping, { signal: after.signal }));

    after.abort();
    expect((await error).code).toBe('aborted');
    it.socket.answer('ping');
    await it.clock.pass(0);
  });

  it('lets go of its signal and its timer', async () => {
    const it = fake({ aliveInterval: 0 });
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, 'removeEventListener');

    await it.up();
    await it.clock.pass(0);

    const reply = it.client.send(ping, { signal });

    it.socket.answer('ping');
    await reply;
    expect(removed).toHaveBeenCalledTimes(1);
    await it.clock.pass(0);
    expect(it.clock.pending).toBe(0);
  });

  it('needs a connection', async () => {
    const it = fake();
    const code = async () => (await rejection(it.client.send(ping))).code;

    expect(await code()).toBe('disconnected');
    it.client.connect();
    await settle();
    expect(await code()).toBe('disconnected');
    it.socket.welcome();
    it.socket.end();
    expect(await code()).toBe('disconnected');
    it.client.connect();
    await settle();
    it.socket.end(4500);
    expect(await code()).toBe('closed');
  });

  it.each([
    ['a loss', 1006, 'disconnected'], ['a restart', 1012, 'disconnected'],
    ['too large a message', 1009, 'closed'], ['a fault', 1002, 'closed'],
    ['a binary message', 1003, 'closed'], ['no UTF-8', 1007, 'closed'],
    ['a revocation', 4500, 'closed'],
  ])('in flight at %s is rejected', async (_, code, expected) => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.send(ping));

    it.socket.end(code);
    expect((await error).code).toBe(expected);
  });

  it('in flight at disconnect() is rejected', async () => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.send(ping));

    it.client.disconnect();
    expect((await error).code).toBe('disconnected');
  });

  it('that is larger than the server takes is not sent', async () => {
    const it = fake();
    const send = (text: string) => it.client.send({ type: 'a', text });

    await it.up();

    const size = JSON.stringify({ type: 'a', text: '', id: 1 }).length;

    send('x'.repeat(1_000 - size)).catch(() => undefined);
    expect(it.socket.sent).toHaveLength(1);
    expect((await rejection(send('x'.repeat(1_001 - size)))).code)
      .toBe('too_large');
    expect((await rejection(send('€'.repeat(400)))).code).toBe('too_large');
    expect(it.socket.sent).toHaveLength(1);
    await it.clock.pass(0);
  });

  it('that is no JSON is not in flight', async () => {
    const it = fake({ aliveInterval: 0 });

    await it.up();
    expect((await rejection(it.client.send({ type: 'a', n: 1n }))).code)
      .toBe('bad_message');
    await it.clock.pass(0);
    expect(it.clock.pending).toBe(0);
  });

  it('is one of a thousand in flight at most', async () => {
    const it = fake();

    await it.up();

    const errors: Promise<{ code: string }>[] = [];

    for (let i = 0; i < 1_001; i++) {
      errors.push(rejection(it.client.send(ping)));
    }

    expect((await errors.at(-1))?.code).toBe('queue_full');
    it.socket.end();
    expect((await errors[0])?.code).toBe('disconnected');
  });

  it.each([
    { code: 'busy', error: { toString: 1, valueOf: 1 }, retryAfterMs: -5 },
    { code: 7, error: ['x'], retryAfterMs: 'soon' },
    { ['__proto__']: { code: 'x' }, error: null, retryAfterMs: {} },
  ])('is refused in whatever words: %j', async (words) => {
    const it = fake();

    await it.up();

    const error = rejection(it.client.send(ping));

    it.socket.refuse('ping', 'x', { code: undefined, ...words });
    expect((await error).message).toBe('');
    expect((await error).retryAfterMs).toBe(0);
  });

  it('is not answered by what nobody asked for', async () => {
    const it = fake();
    const heard = vi.fn();

    await it.up();
    it.client.on('error', heard);
    it.socket.say({ type: 'ack', id: 77 });
    it.socket.say({ type: 'ack' });
    it.socket.say({ type: 'error', code: 'bad_json', error: 'x' });
    expect(heard).toHaveBeenCalledTimes(1);
  });
});

describe('a queue in the way', () => {
  const outbox = () => {
    const push = vi.fn<Outbox['push']>(async () =>
      ({ type: 'ack', id: 1 }) as Reply);

    return { push };
  };

  it('takes what is sent, connected or not', async () => {
    const it = fake();
    const queue = outbox();
    const detach = it.client.attach(queue);

    await it.client.send(ping, { timeout: 5 });
    await it.up();
    await it.client.send(ping);
    expect(queue.push.mock.calls).toEqual([[ping, { timeout: 5 }], [ping, {}]]);
    expect(it.socket.sent).toEqual([]);
    detach();
    it.client.send(ping).catch(() => undefined);
    expect(queue.push).toHaveBeenCalledTimes(2);
    expect(it.socket.sent).toHaveLength(1);
  });

  it('is passed by where that is wanted', async () => {
    const it = fake();
    const queue = outbox();

    it.client.attach(queue);
    expect((await rejection(it.client.send(ping, { queue: false }))).code)
      .toBe('disconnected');
    expect(queue.push).not.toHaveBeenCalled();
  });

  it('is passed by what the client itself sends', async () => {
    const it = fake({ token: 'a', subscriptions: [] });
    const queue = outbox();

    it.client.attach(queue);
    await it.up();
    it.client.subscribe('c').catch(() => undefined);
    it.client.setToken('b');
    await settle();
    expect(it.socket.sent.map(({ type }) => type))
      .toEqual(['resume', 'subscribe', 'auth']);
    expect(queue.push).not.toHaveBeenCalled();
  });

  it('that is gone does not take another\'s place away', async () => {
    const it = fake();
    const [one, two] = [outbox(), outbox()];
    const detach = it.client.attach(one);

    it.client.attach(two);
    detach();
    await it.client.send(ping);
    expect(two.push).toHaveBeenCalledTimes(1);
  });
});
