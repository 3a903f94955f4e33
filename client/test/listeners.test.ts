// Who is told of what, and how often.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { fake, settle } from './fake.js';

afterEach(() => vi.restoreAllMocks());

describe('a change of the state', () => {
  it('is told once for all messages of a turn', async () => {
    const it = fake();
    const changed = vi.fn();

    await it.up();
    await it.clock.pass(0);
    it.client.onChange(changed);
    it.socket.say({ type: 'resumed', recovered: false, lastEventId: '1-1' });
    it.socket.say({ type: 'resumed', recovered: true, lastEventId: '1-2' });
    it.socket.say({ type: 'resumed', recovered: false, lastEventId: '1-3' });
    expect(changed).not.toHaveBeenCalled();
    await it.clock.pass(0);
    expect(changed).toHaveBeenCalledTimes(1);
  });

  it('is a new object, and without a change it is the same', async () => {
    const it = fake();

    await it.up();

    const before = it.client.state;

    it.socket.say({ type: 'e', eventId: '1-1' });
    it.socket.say({ type: 'resumed', recovered: true, lastEventId: '1-2' });
    it.client.connect();
    expect(it.client.state).toBe(before);
    it.socket.end();
    expect(it.client.state).not.toBe(before);
    expect(before.status).toBe('connected');
  });

  it('is not told to who has gone', async () => {
    const it = fake();
    const changed = vi.fn();
    const end = it.client.onChange(changed);

    it.client.connect();
    end();
    await it.clock.pass(0);
    expect(changed).not.toHaveBeenCalled();
  });
});

describe('a listener', () => {
  it('hears messages of its type, or all', async () => {
    const it = fake();
    const some = vi.fn();
    const all = vi.fn();

    it.client.on('e', some);
    it.client.on('*', all);
    await it.up();
    it.socket.say({ type: 'e', n: 1 });
    it.socket.say({ type: 'f', n: 2 });
    expect(some.mock.calls).toEqual([[{ type: 'e', n: 1 }]]);
    expect(all.mock.calls.map(([{ type }]) => type))
      .toEqual(['welcome', 'e', 'f']);
  });

  it('finds the client in the state of its message', async () => {
    const it = fake();
    const states: string[] = [];

    it.client.on('welcome', () => states.push(it.client.state.status));
    it.client.on('e', () => states.push(String(it.client.lastEventId)));
    await it.up();
    it.socket.say({ type: 'e', eventId: '1-4' });
    expect(states).toEqual(['connected', '1-4']);
  });

  it('that throws harms nobody', async () => {
    const it = fake();
    const error = new Error('mine');
    const reported = vi.fn();
    const other = vi.fn();

    vi.stubGlobal('reportError', reported);
    it.client.on('e', () => {
      throw error;
    });
    it.client.on('e', other);
    it.client.onChange(() => {
      throw error;
    });
    it.client.onChange(other);
    await it.up();
    await it.clock.pass(0);
    it.socket.say({ type: 'e' });
    expect(other).toHaveBeenCalledTimes(2);
    expect(reported.mock.calls).toEqual([[error], [error]]);
    expect(it.client.state.status).toBe('connected');
  });

  it('that throws is written of where there is no reportError', async () => {
    const it = fake();
    const written = vi.spyOn(console, 'error').mockReturnValue();

    vi.stubGlobal('reportError', undefined);
    it.client.on('welcome', () => {
      throw new Error('mine');
    });
    await it.up();
    expect(written).toHaveBeenCalledTimes(1);
  });

  it('may go, and take others along, while it is told', async () => {
    const it = fake();
    const heard: string[] = [];

    const ends = [
      it.client.on('e', () => {
        heard.push('first');
        ends.forEach((end) => end());
      }),
      it.client.on('e', () => heard.push('second')),
    ];

    await it.up();
    it.socket.say({ type: 'e' });
    it.socket.say({ type: 'e' });
    expect(heard).toEqual(['first']);
  });

  it('that is added by another hears the next message first', async () => {
    const it = fake();
    const heard = vi.fn();

    it.client.on('e', () => it.client.on('e', heard));
    await it.up();
    it.socket.say({ type: 'e' });
    expect(heard).not.toHaveBeenCalled();
    it.socket.say({ type: 'e' });
    expect(heard).toHaveBeenCalledTimes(1);
  });

  it('may be added twice, and go once', async () => {
    const it = fake();
    const heard = vi.fn();
    const end = it.client.on('e', heard);

    it.client.on('e', heard);
    await it.up();
    end();
    end();
    it.socket.say({ type: 'e' });
    expect(heard).toHaveBeenCalledTimes(1);
  });

  it('may end the connection', async () => {
    const it = fake();
    const later = vi.fn();

    it.client.on('e', () => it.client.disconnect());
    it.client.on('f', later);
    await it.up();
    it.socket.say({ type: 'e' });
    it.socket.say({ type: 'f' });
    expect(later).not.toHaveBeenCalled();
    expect(it.client.state.status).toBe('idle');
  });

  it('may connect anew when it hears of the end', async () => {
    const it = fake();

    it.client.onChange(() => {
      if (it.client.state.status === 'closed') {
        it.client.setToken('new');
      }
    });
    await it.up();
    it.socket.end(4401, 'token_expired');
    await it.clock.pass(0);
    await settle();
    expect(it.socket.token).toBe('new');
  });

  it.each([
    'x', '', '[]', 'null', '1', '{}', '{"type":1}', new ArrayBuffer(2),
  ])('hears nothing of what is no message: %j', async (data) => {
    const it = fake();
    const heard = vi.fn();

    await it.up();
    it.client.on('*', heard);
    it.socket.onmessage?.({ data });
    expect(heard).not.toHaveBeenCalled();
  });
});
