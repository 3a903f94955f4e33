// Where tokens come from, when they are renewed, and what may cross.

import { describe, expect, it, vi } from 'vitest';
import { fake, settle, tokenUntil } from './fake.js';
import { expiryOf } from '../src/core/token.js';

const START = 1_000_000;

// A promise that the test settles.
function later<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;

  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });

  return { promise, resolve, reject };
}

// Gives these tokens, one after the other; the last one again and again.
function giving(...tokens: string[]) {
  return vi.fn(() => tokens.length > 1 ? tokens.shift() : tokens[0]);
}

describe('the end of a token', () => {
  it('is read from a JWT', () => {
    expect(expiryOf(tokenUntil(5_000))).toBe(5_000);
    expect(expiryOf(tokenUntil(5_000, { name: '???>>>ÿÿ' }))).toBe(5_000);
  });

  it.each([
    null, '', 'abc', 'a.b.c', 'a.%%%.c', `a.${btoa('{}')}.c`,
    `a.${btoa('null')}.c`, `a.${btoa('{"exp":"5"}')}.c`,
  ])('is not known of %j', (token) => {
    expect(expiryOf(token)).toBeUndefined();
  });
});

describe('a token that is a string', () => {
  it('is refused once and for all', async () => {
    const it = fake({ token: 'old' });

    await it.up();
    it.socket.end(4401, 'token_expired');
    expect(it.client.state).toMatchObject({
      status: 'closed',
      error: { code: 4401, reason: 'token_expired', final: true },
    });
    await it.clock.pass(60_000);
    expect(it.sockets).toHaveLength(1);
  });

  it('is not renewed', async () => {
    const it = fake({ token: tokenUntil(START + 60_000), aliveInterval: 0 });

    await it.up();
    await it.clock.pass(120_000);
    expect(it.socket.sent).toEqual([]);
  });

  it('is followed by another, which connects', async () => {
    const it = fake({ token: 'old' });

    await it.up();
    it.socket.end(4401, 'token_expired');
    it.client.setToken('new');
    await settle();
    expect(it.socket.token).toBe('new');
    expect(it.client.state.status).toBe('connecting');
  });

  it('changes nothing if it is the same again', async () => {
    const it = fake({ token: 'old' });

    await it.up();
    it.client.setToken('old');
    await settle();
    expect(it.socket.sent).toEqual([]);
    expect(it.client.state.status).toBe('connected');
  });
});

describe('a token that is fetched', () => {
  it('is fetched for each connection', async () => {
    const it = fake({ token: giving('a', 'b', 'c') });

    expect((await it.up()).token).toBe('a');
    it.socket.end();
    expect((await it.again()).token).toBe('b');
  });

  it('may be none', async () => {
    const it = fake({ token: async () => null });

    expect((await it.up()).protocols).toEqual(['conductor.v1']);
  });

  it('is fetched at once when it has ended', async () => {
    const it = fake({ token: giving('a', 'b') });

    await it.up();
    it.socket.end(4401, 'token_expired');
    await it.clock.pass(0);
    expect(it.socket.token).toBe('b');
    it.socket.welcome();
    expect(it.client.state.status).toBe('connected');
  });

  it('is the same one too often: that is the end', async () => {
    const token = giving('a');
    const it = fake({ token });
    const pauses: number[] = [];

    it.client.connect();
    await settle();

    while (it.client.state.status !== 'closed') {
      it.socket.end(4401, 'token_expired');

      if (it.client.state.retryAt !== null) {
        pauses.push(it.client.state.retryAt - it.clock.time);
      }

      await it.again();
    }

    expect(pauses).toEqual([0, 2_000, 4_000]);
    expect(token).toHaveBeenCalledTimes(4);
    expect(it.client.state.error?.final).toBe(true);

    // a later attempt is counted anew
    it.client.connect();
    await settle();
    it.socket.end(4401, 'token_expired');
    expect(it.client.state.status).toBe('waiting');
  });

  it('is always another, and always refused: without haste', async () => {
    let n = 0;
    const it = fake({ token: () => `t${++n}` });

    it.client.connect();

    for (let i = 0; i < 10; i++) {
      await settle();
      it.socket.end(4401, 'bad_token');
      expect(it.client.state.status).toBe('waiting');
      await it.again();
    }

    expect(it.clock.time).toBeGreaterThan(START + 50_000);
  });

  it('cannot be fetched now, but later', async () => {
    const token = vi.fn<() => Promise<string>>()
      .mockRejectedValueOnce(new Error('no'))
      .mockImplementationOnce(() => {
        throw new Error('no');
      })
      .mockResolvedValue('a');

    const it = fake({ token });

    it.client.connect();
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { code: 1006, reason: 'no_token' },
    });
    await it.again();
    await settle();
    expect(it.client.state.status).toBe('waiting');
    await it.again();
    await settle();
    expect(it.socket.token).toBe('a');
  });

  it.each(['<html>502 Bad Gateway</html>', 'a b', 'ä', 'a\n', { a: 1 }])(
    'is none that could be offered, but another time: %j', async (wrong) => {
      const token = vi.fn<() => Promise<string>>()
        .mockResolvedValueOnce(wrong as string).mockResolvedValue('a.b-c_d');

      const it = fake({ token });

      it.client.connect();
      await settle();
      expect(it.client.state).toMatchObject({
        status: 'waiting', error: { reason: 'no_token', final: false },
      });
      await it.again();
      await settle();
      expect(it.socket.token).toBe('a.b-c_d');
    },
  );

  it('that never comes is asked for again', async () => {
    const first = later<string>();
    const token = vi.fn<() => Promise<string>>()
      .mockReturnValueOnce(first.promise).mockResolvedValue('b');

    const it = fake({ token });

    it.client.connect();
    await it.clock.pass(15_000);
    expect(it.client.state.error?.reason).toBe('timeout');
    await it.again();
    await settle();
    first.resolve('a');
    await settle();
    expect(it.sockets.map((socket) => socket.token)).toEqual(['b']);
  });

  it('makes no socket if it comes after disconnect()', async () => {
    const first = later<string>();
    const it = fake({ token: () => first.promise });

    it.client.connect();
    await settle();
    it.client.disconnect();
    first.resolve('a');
    await settle();
    expect(it.sockets).toEqual([]);
    expect(it.client.state.status).toBe('idle');
  });

  it('is fetched once for who connects twice meanwhile', async () => {
    const first = later<string>();
    const token = vi.fn(() => first.promise);
    const it = fake({ token });

    it.client.connect();
    await settle();
    it.client.disconnect();
    it.client.connect();
    await settle();
    first.resolve('a');
    await settle();
    expect(token).toHaveBeenCalledTimes(1);
    expect(it.sockets.map((socket) => socket.token)).toEqual(['a']);
  });

  it('comes too late if another was set meanwhile', async () => {
    const first = later<string>();
    const it = fake({ token: () => first.promise });

    it.client.connect();
    await settle();
    it.client.setToken('b');
    await settle();
    first.resolve('a');
    await settle();
    expect(it.sockets.map((socket) => socket.token)).toEqual(['b']);
  });

  it('fails too late if another was set meanwhile', async () => {
    const first = later<string>();
    const it = fake({ token: () => first.promise });

    it.client.connect();
    await settle();
    it.client.setToken('b');
    first.reject(new Error('no'));
    await settle();
    expect(it.client.state.status).toBe('connecting');
    expect(it.socket.token).toBe('b');
  });

  it('that comes too late does not end the wait for the other', async () => {
    const first = later<string>();
    const second = later<string>();
    const other = vi.fn(() => second.promise);
    const it = fake({ token: () => first.promise });

    it.client.connect();
    await settle();
    it.client.setToken(other);
    await settle();
    first.resolve('a');
    await settle();
    it.client.disconnect();
    it.client.connect();
    await settle();
    second.resolve('b');
    await settle();
    expect(other).toHaveBeenCalledTimes(1);
    expect(it.sockets.map((socket) => socket.token)).toEqual(['b']);
  });

  it('set during a handshake takes the place of that', async () => {
    const it = fake({ token: 'a' });

    it.client.connect();
    await settle();
    it.client.setToken('b');
    await settle();
    expect(it.sockets.map((socket) => [socket.token, socket.closed]))
      .toEqual([['a', true], ['b', false]]);
  });
});

describe('a token that ends', () => {
  const until = (seconds: number) => tokenUntil(START + seconds * 1_000);

  it.each([
    ['a minute', 600, 540], ['a fifth of its time', 100, 80],
    ['nothing', 1, 2],
  ])('is renewed %s before', async (_, lives, after) => {
    const [a, b] = [until(lives), until(10_000)];
    const it = fake({ token: giving(a, b), aliveInterval: 0 });

    await it.up();
    await it.clock.pass(after * 1_000 - 1);
    expect(it.socket.sent).toEqual([]);
    await it.clock.pass(1);
    expect(it.socket.last('auth')).toMatchObject({ token: b });
    it.socket.answer('auth');
    await it.clock.pass(100_000);
    expect(it.client.state.status).toBe('connected');
    expect(it.sockets).toHaveLength(1);
  });

  it('is renewed by the server\'s clock', async () => {
    const it = fake({ token: giving(until(600), 'b'), aliveInterval: 0 });

    await it.up({ timestamp: START + 500_000 });
    await it.clock.pass(80_000);
    expect(it.socket.last('auth')).toMatchObject({ token: 'b' });
  });

  it('is renewed again and again', async () => {
    const it = fake({
      token: () => tokenUntil(it.clock.time + 100_000),
      aliveInterval: 0,
    });

    await it.up();

    for (let i = 1; i <= 5; i++) {
      await it.clock.pass(80_000);
      expect(it.socket.sent).toHaveLength(i);
      it.socket.answer('auth');
    }
  });

  it('is asked for again if it is still the old one', async () => {
    const token = giving(until(100), until(100), until(1_000));
    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    await it.clock.pass(80_000);
    expect(token).toHaveBeenCalledTimes(2);
    await it.clock.pass(16_000);
    expect(it.socket.last('auth')).toMatchObject({ token: until(1_000) });
  });

  it('is asked for again if it could not be fetched', async () => {
    const token = vi.fn<() => Promise<string>>()
      .mockResolvedValueOnce(until(100))
      .mockRejectedValueOnce(new Error('no'))
      .mockResolvedValue(until(1_000));

    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    await it.clock.pass(96_000);
    expect(it.socket.last('auth')).toBeDefined();
    expect(it.client.state.status).toBe('connected');
  });

  it('is sent again if the server was busy', async () => {
    const it = fake({
      token: giving(until(100), until(1_000)), aliveInterval: 0,
    });

    await it.up();
    await it.clock.pass(80_000);
    it.socket.refuse('auth', 'rate_limited', { retryAfterMs: 1 });
    await it.clock.pass(16_000);
    expect(it.socket.sent).toHaveLength(2);
    expect(it.client.state.status).toBe('connected');
  });

  it('and whose follower is refused, connects anew with that', async () => {
    const token = giving(until(100), until(1_000), 'c');
    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    await it.clock.pass(80_000);
    it.socket.refuse('auth', 'forbidden');
    await settle();
    expect(it.sockets.map((socket) => socket.token))
      .toEqual([until(100), until(1_000)]);
    expect(token).toHaveBeenCalledTimes(2);
  });

  it('is fetched once if the connection is lost meanwhile', async () => {
    const second = later<string>();
    const token = vi.fn<() => Promise<string>>()
      .mockResolvedValueOnce(until(100))
      .mockReturnValueOnce(second.promise);

    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    await it.clock.pass(80_000);
    it.socket.end();
    await it.again();
    second.resolve('b');
    await settle();
    expect(token).toHaveBeenCalledTimes(2);
    expect(it.sockets).toHaveLength(2);
    expect(it.socket.token).toBe('b');
    expect(it.sockets[0]?.sent).toEqual([]);
  });

  it('is forgotten by disconnect()', async () => {
    const second = later<string>();
    const token = vi.fn<() => Promise<string>>()
      .mockResolvedValueOnce(until(100))
      .mockReturnValueOnce(second.promise);

    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    await it.clock.pass(80_000);
    it.client.disconnect();
    second.resolve('b');
    await it.clock.pass(0);
    expect(it.socket.sent).toEqual([]);
    expect(it.clock.pending).toBe(0);
  });

  it('is not fetched once the connection is gone', async () => {
    const token = giving(until(100));
    const it = fake({ token, aliveInterval: 0 });

    await it.up();
    it.client.disconnect();
    await it.clock.pass(0);
    expect(it.clock.pending).toBe(0);
    await it.clock.pass(100_000);
    expect(token).toHaveBeenCalledTimes(1);
  });
});

describe('another token', () => {
  it('is given to the connection', async () => {
    const it = fake({ token: 'a' });

    await it.up();
    it.client.setToken('b');
    await settle();
    expect(it.socket.last('auth')).toMatchObject({ token: 'b' });
    it.socket.answer('auth');
    await settle();
    expect(it.client.state.status).toBe('connected');
    expect(it.sockets).toHaveLength(1);
  });

  it.each(['forbidden', 'token_expired', 'busy'])(
    'that is answered with %s has a connection of its own',
    async (code) => {
      const it = fake({ token: 'a' });

      await it.up();
      it.client.setToken('b');
      await settle();
      it.socket.refuse('auth', code);
      await settle();
      expect(it.sockets.map((socket) => socket.token)).toEqual(['a', 'b']);
      expect(it.client.state.status).toBe('connecting');
    },
  );

  it('that is none has a connection without', async () => {
    const it = fake({ token: 'a' });

    await it.up();
    it.client.setToken(undefined);
    await settle();
    expect(it.socket.protocols).toEqual(['conductor.v1']);
  });

  it('counts, of two the second one', async () => {
    const it = fake({ token: 'a' });

    await it.up();
    it.client.setToken('b');
    it.client.setToken('c');
    await settle();
    expect(it.socket.sent.map(({ token }) => token)).toEqual(['c']);

    const d = later<string>();

    it.client.setToken(() => d.promise);
    it.client.setToken('e');
    d.resolve('d');
    await settle();
    expect(it.socket.sent.map(({ token }) => token)).toEqual(['c', 'e']);
  });

  it('that cannot be fetched leaves nobody as the old user', async () => {
    const it = fake({ token: 'a' });

    await it.up();
    it.client.setToken(() => Promise.reject(new Error('no')));
    await settle();
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { reason: 'no_token' },
    });
  });
});
