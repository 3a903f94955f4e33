// The offline queue: what waits, what fails.

import { describe, expect, it, vi } from 'vitest';
import type { Command } from '../src/core/types.js';
import { ns, refuse, said, stored, tab, world } from './fake-tab.js';

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
