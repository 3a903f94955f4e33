// When a client comes back, and what hurries or delays it.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { fake, settle } from './fake.js';
import type { Fake } from './fake.js';
import { pauseOf, readClose } from '../src/core/codes.js';

const STEPS = [1_000, 2_000, 4_000, 8_000];

const pause = ({ client, clock }: Fake) =>
  (client.state.retryAt ?? NaN) - clock.time;

// Ends each attempt and gives the pauses that follow.
async function pauses(it: Fake, count: number): Promise<number[]> {
  const all: number[] = [];

  for (let i = 0; i < count; i++) {
    it.socket.end();
    all.push(pause(it));
    await it.again();
    await settle();
  }

  return all;
}

describe('after a loss', () => {
  it('a client tries after 1, 2, 4, 8 seconds, then every 8', async () => {
    const it = fake();

    await it.up();
    expect(await pauses(it, 6)).toEqual([...STEPS, 8_000, 8_000]);
    expect(it.client.state.attempts).toBe(6);
  });

  it('pauses differ by a fifth at most', () => {
    expect(pauseOf(STEPS, 0, undefined, 0)).toBe(800);
    expect(pauseOf(STEPS, 0, undefined, 0.999999)).toBe(1_200);
    expect(pauseOf(STEPS, 9, undefined, 0.5)).toBe(8_000);
  });

  it('what the server asks for is waited for, or a fifth more', async () => {
    expect(pauseOf(STEPS, 3, 500, 0)).toBe(500);
    expect(pauseOf(STEPS, 3, 500, 0.999999)).toBe(600);

    const it = fake();

    await it.up();
    it.socket.end(1012, 'retry=4711');
    expect(pause(it)).toBeGreaterThanOrEqual(4_711);
    expect(it.client.state.error).toEqual(
      { code: 1012, reason: 'retry=4711', final: false });
  });

  it('pauses of one\'s own are kept to', async () => {
    const it = fake({ delays: [10, 20] });

    await it.up();
    expect(await pauses(it, 3)).toEqual([10, 20, 20]);
  });

  it('no pauses of one\'s own are those of the package', async () => {
    const it = fake({ delays: [] });

    await it.up();
    expect(await pauses(it, 2)).toEqual([1_000, 2_000]);
  });

  it('a connection that lasts makes pauses short again', async () => {
    const it = fake();

    await it.up();
    await pauses(it, 3);
    it.socket.welcome();
    await it.clock.pass(8_000);
    it.socket.end();
    expect(pause(it)).toBe(1_000);
  });

  it('a connection that does not last does not', async () => {
    const it = fake();

    await it.up();

    for (const step of STEPS) {
      it.socket.end();
      expect(pause(it)).toBe(step);
      await it.again();
      it.socket.welcome();
      await it.clock.pass(100);
    }
  });

  it('connect() tries at once, and the timer not once more', async () => {
    const it = fake();

    await it.up();
    it.socket.end();
    it.client.connect();
    await settle();
    expect(it.sockets).toHaveLength(2);
    await it.clock.pass(5_000);
    expect(it.sockets).toHaveLength(2);
  });

  it('disconnect() ends all attempts', async () => {
    const it = fake();

    await it.up();
    it.socket.end();
    it.client.disconnect();
    await it.clock.pass(60_000);
    expect(it.sockets).toHaveLength(1);
    expect(it.clock.pending).toBe(0);
  });
});

describe('the close code', () => {
  it.each([
    [1000, false, 1_000], [1001, false, 1_000], [1005, false, 1_000],
    [1006, false, 1_000], [1011, false, 1_000], [1012, false, 1_000],
    [4408, false, 1_000], [4429, false, 1_000], [4499, false, 1_000],
    [5000, false, 1_000],
    [1002, false, 8_000], [1003, false, 8_000], [1007, false, 8_000],
    [1009, false, 8_000], [1013, false, 8_000],
    [4401, true, 0], [4500, true, 0], [4503, true, 0], [4999, true, 0],
  ])('%i: final %s, pause %i', async (code, final, ms) => {
    const it = fake({ token: 'abc' });

    await it.up();
    it.socket.end(code, 'why');
    expect(it.client.state).toMatchObject({
      status: final ? 'closed' : 'waiting', error: { code, final },
    });

    if (!final) {
      expect(pause(it)).toBe(ms);
    } else {
      await it.clock.pass(60_000);
      expect(it.sockets).toHaveLength(1);
    }
  });

  it('has a time in its reason, or has none', () => {
    expect(readClose(4429, 'retry=0').retry).toBe(0);
    expect(readClose(1012, 'retry=99').retry).toBe(99);
    expect(readClose(1012, 'retry=').retry).toBeUndefined();
    expect(readClose(1012, 'noretry=9').retry).toBeUndefined();
    expect(readClose(1012, 'retry=99999999999').retry).toBeUndefined();
  });
});

describe('a page', () => {
  const events = new EventTarget();
  const page = Object.assign(new EventTarget(), {
    visibilityState: 'visible',
  });

  const browser = (onLine = true) => {
    vi.stubGlobal('navigator', { onLine });
    vi.stubGlobal('document', page);
    vi.stubGlobal('addEventListener',
      events.addEventListener.bind(events));
    vi.stubGlobal('removeEventListener',
      events.removeEventListener.bind(events));
  };

  const say = (type: string, onLine = true) => {
    vi.stubGlobal('navigator', { onLine });
    events.dispatchEvent(new Event(type));
  };

  const show = (visibilityState: string) => {
    page.visibilityState = visibilityState;
    page.dispatchEvent(new Event('visibilitychange'));
  };

  let it_: Fake | undefined;

  afterEach(() => it_?.client.disconnect());

  const make = async (onLine = true, url = 'ws://host/ws') => {
    browser(onLine);
    it_ = fake({ aliveInterval: 0, url });
    await it_.up();
    return it_;
  };

  it('that is offline tries slowly', async () => {
    const it = await make();

    say('offline', false);
    it.socket.end();
    expect(pause(it)).toBe(30_000);
    await it.clock.pass(30_000);
    expect(it.sockets).toHaveLength(2);
  });

  it.each([
    'ws://localhost:5111/ws', 'ws://hub.localhost/ws', 'ws://127.0.0.1/ws',
    'ws://127.1/ws', 'ws://[::1]:8080/ws',
  ])('that is offline tries in haste at first where %s is', async (url) => {
    const it = await make(false, url);

    expect(await pauses(it, 4)).toEqual([1_000, 2_000, 4_000, 30_000]);
    it.socket.end();
    expect(pause(it)).toBe(30_000);
    await it.clock.pass(100);
    show('visible');
    expect(pause(it)).toBe(900);
  });

  it.each([
    'ws://localhost.example/ws', 'ws://127.0.0.1.example/ws',
    'ws://mylocalhost/ws', 'ws://[::2]/ws', 'ws://127.0.0.2/ws',
  ])('that is offline tries slowly where %s is', async (url) => {
    const it = await make(false, url);

    it.socket.end();
    show('visible');
    expect(pause(it)).toBe(30_000);
  });

  it('that goes offline while it waits, too', async () => {
    const it = await make();

    it.socket.end();
    expect(pause(it)).toBe(1_000);
    say('offline', false);
    expect(pause(it)).toBe(30_000);
  });

  it('that is online again tries at once', async () => {
    const it = await make();

    await it.clock.pass(5_000);
    say('offline', false);
    it.socket.end();
    await it.clock.pass(100);
    say('online');
    expect(pause(it)).toBe(0);
    await it.clock.pass(0);
    expect(it.sockets).toHaveLength(2);
  });

  it('that flaps does not try more than once a second', async () => {
    const it = await make();

    await it.clock.pass(5_000);

    for (let i = 0; i < 20; i++) {
      it.socket.end();
      say('offline', false);
      say('online');
      await it.clock.pass(100);
    }

    expect(it.sockets.length).toBeLessThanOrEqual(4);
  });

  it('does not come before the time that the server said', async () => {
    const it = await make();

    await it.clock.pass(5_000);
    it.socket.end(4429, 'retry=20000');
    await it.clock.pass(1_000);
    say('online');
    show('visible');
    expect(pause(it)).toBe(19_000);
  });

  it('that is looked at again tries at once', async () => {
    const it = await make();

    await it.clock.pass(5_000);
    show('hidden');
    it.socket.end();
    show('visible');
    await it.clock.pass(0);
    expect(it.sockets).toHaveLength(2);
  });

  it.each(['shown', 'online', 'offline', 'pageshow'])(
    'that is %s asks whether its connection lives', async (what) => {
      const it = await make();

      if (what === 'shown') {
        show('visible');
      } else {
        say(what, what !== 'offline');
      }

      expect(it.socket.last('ping')).toBeDefined();
      await it.clock.pass(4_999);
      expect(it.client.state.status).toBe('connected');
      await it.clock.pass(1);
      expect(it.client.state.error).toMatchObject({ reason: 'silent' });
    },
  );

  it.each([-3_600_000, 3_600_000])(
    'whose clock is set by %i ms does not wait longer for it', async (ms) => {
      const it = await make();

      await it.clock.pass(5_000);
      it.socket.end();
      it.clock.set(ms);
      say('offline');
      expect(pause(it)).toBeLessThanOrEqual(1_000);
      say('online');
      expect(pause(it)).toBeLessThanOrEqual(1_000);
    },
  );

  it('whose connection answers keeps it', async () => {
    const it = await make();

    say('offline', false);
    it.socket.answer('ping', { type: 'pong' });
    await it.clock.pass(60_000);
    expect(it.client.state.status).toBe('connected');
  });

  it('is not listened to after the end', async () => {
    const added = vi.spyOn(events, 'addEventListener');
    const removed = vi.spyOn(events, 'removeEventListener');
    const it = await make();

    it.client.disconnect();
    it.client.connect();
    await settle();
    it.socket.end(4500);
    expect(added.mock.calls.length).toBe(8);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  });
});

describe('a silent connection', () => {
  it('is asked whether it lives, and lives', async () => {
    const it = fake({ aliveInterval: 20_000 });

    await it.up();
    await it.clock.pass(19_999);
    expect(it.socket.sent).toEqual([]);
    await it.clock.pass(1);
    expect(it.socket.last('ping')).toBeDefined();
    it.socket.answer('ping', { type: 'pong' });
    await it.clock.pass(19_999);
    expect(it.socket.sent).toHaveLength(1);
    await it.clock.pass(1);
    expect(it.socket.sent).toHaveLength(2);
  });

  it('that is dead is left', async () => {
    const it = fake({ aliveInterval: 20_000 });

    await it.up();
    await it.clock.pass(30_000);
    expect(it.client.state).toMatchObject({
      status: 'waiting', error: { code: 1006, reason: 'silent' },
    });
    expect(it.socket.closed).toBe(true);
  });

  it('is asked even if the one before was lost while it was', async () => {
    const it = fake({ aliveInterval: 20_000 });

    await it.up();
    await it.clock.pass(20_000);
    it.socket.end();
    await it.again();
    it.socket.welcome();
    it.socket.answer('resume');
    await it.clock.pass(20_000);
    expect(it.socket.last('ping')).toBeDefined();
  });

  it('lives if it says anything at all', async () => {
    const it = fake({ aliveInterval: 20_000 });

    await it.up();

    for (let i = 0; i < 10; i++) {
      await it.clock.pass(15_000);
      it.socket.say({ type: 'e' });
    }

    expect(it.socket.sent).toEqual([]);
    await it.clock.pass(25_000);
    it.socket.say({ type: 'e' });
    await it.clock.pass(15_000);
    expect(it.client.state.status).toBe('connected');
  });

  it('is asked when a command has no answer', async () => {
    const it = fake({ aliveInterval: 60_000, timeout: 1_000 });

    await it.up();
    it.client.send({ type: 'a' }).catch(() => undefined);
    await it.clock.pass(500);
    it.socket.say({ type: 'e' });
    await it.clock.pass(500);
    expect(it.socket.last('ping')).toBeUndefined();

    it.client.send({ type: 'a' }).catch(() => undefined);
    await it.clock.pass(1_000);
    expect(it.socket.last('ping')).toBeDefined();
    await it.clock.pass(5_000);
    expect(it.client.state.status).toBe('waiting');
  });

  it('is asked even if the clock was set back', async () => {
    const it = fake({ aliveInterval: 20_000 });

    await it.up();
    it.clock.set(-3_600_000);
    await it.clock.pass(20_000);
    expect(it.socket.last('ping')).toBeDefined();
    it.socket.answer('ping', { type: 'pong' });
    await it.clock.pass(20_000);
    expect(it.socket.sent).toHaveLength(2);
    await it.clock.pass(10_000);
    expect(it.client.state.error).toMatchObject({ reason: 'silent' });
  });

  it('is not asked where that is switched off', async () => {
    const it = fake({ aliveInterval: 0 });

    await it.up();
    await it.clock.pass(1_000_000);
    expect(it.socket.sent).toEqual([]);
    expect(it.clock.pending).toBe(0);
  });
});
