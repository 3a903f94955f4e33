// @vitest-environment jsdom
// The hooks: when they connect, when they render, and what they give.

import { render, renderHook } from '@testing-library/react';
import { StrictMode, useState } from 'react';
import type { ReactNode } from 'react';
import { describe, expect, it, vi } from 'vitest';
import { createClient } from '../src/core/client.js';
import { createQueue } from '../src/core/queue.js';
import {
  ConductorProvider, useConnectionQuality, useEvents, useOfflineQueue,
  usePresence, useWebSocket,
} from '../src/react/index.js';
import type { ConnectionOptions } from '../src/react/index.js';
import {
  does, list, pass, reviewer, say, server, usePage, welcome,
} from './fake-page.js';

const url = 'ws://hub.test/';

usePage();

/** Calls a hook below a provider and counts how often it is called. */
async function below<T>(hook: () => T) {
  let renders = 0;

  const { result, unmount } = renderHook(() => {
    renders++;
    return hook();
  }, {
    wrapper: ({ children }: { children: ReactNode }) => (
      <ConductorProvider url={url}>{children}</ConductorProvider>
    ),
  });

  await pass();

  return {
    result, unmount,
    /** How often since it was last asked. */
    renders: () => [renders, renders = 0][0],
  };
}

/** Calls `useWebSocket` with options that may change. */
async function connected(options: ConnectionOptions) {
  const hook = renderHook(
    (given: ConnectionOptions) => useWebSocket({ ...given }),
    { initialProps: options });

  await pass();
  await welcome();
  return hook;
}

describe('useWebSocket', () => {
  it('tells the state of the connection', async () => {
    const { result } = renderHook(() => useWebSocket({ url }));

    await pass();
    expect(result.current).toMatchObject({
      status: 'connecting', connectionId: null, userId: null, role: null,
      queueSize: 0,
    });
    await welcome('alice', { role: 'architect' });
    expect(result.current).toMatchObject({
      status: 'connected', connectionId: 'conn_1', userId: 'alice',
      role: 'architect',
    });
    expect(result.current.lastEventId).toBe('1-0');
    await does(() => server.last.lose());
    expect(result.current.status).toBe('waiting');
    expect(result.current.state.error?.code).toBe(1006);
  });

  it('renders again for a change, and for nothing else', async () => {
    let renders = 0;

    const { result } = renderHook(() => {
      renders++;
      return useWebSocket({ url });
    });

    await pass();
    renders = 0;
    await welcome();
    expect(renders).toBe(1);

    const before = result.current;

    await say({ type: 'task-status-changed', eventId: '1-1', timestamp: 1 },
      list(reviewer('bob')));
    await does(() => result.current.send({ type: 'agent:a' }));
    await pass(120_000);
    expect(renders).toBe(1);
    expect(result.current).toBe(before);
    expect(before.lastEventId).toBe('1-1');
  });

  it('makes one connection in StrictMode, and ends it', async () => {
    const { unmount } = renderHook(() => useWebSocket({ url }),
      { wrapper: StrictMode });

    await pass();
    await welcome();
    expect(server.sockets).toHaveLength(1);
    expect(server.last.closed).toBe(false);
    unmount();
    await pass();
    expect(server.last.closed).toBe(true);
    await pass(60_000);
    expect(server.sockets).toHaveLength(1);
  });

  it('compares its options by value', async () => {
    const hook = await connected({
      url, token: 't', subscriptions: [{ channel: 'tasks:updates' }],
      queue: { maxQueueSize: 7 },
    });
    const { client } = hook.result.current;

    hook.rerender({
      url: new URL(url), token: 't',
      subscriptions: [{ channel: 'tasks:updates' }],
      queue: { maxQueueSize: 7 },
    });
    await pass();
    expect(hook.result.current.client).toBe(client);
    expect(server.sockets).toHaveLength(1);
  });

  it('makes another connection for another address', async () => {
    const hook = await connected({ url });
    const first = server.last;

    hook.rerender({ url: 'ws://other.test/' });
    expect(hook.result.current.status).not.toBe('connected');
    await pass();
    expect(first.closed).toBe(true);
    expect(server.sockets).toHaveLength(2);
    expect(server.last.url).toBe('ws://other.test/');
    await welcome('bob');
    expect(hook.result.current.userId).toBe('bob');
  });

  it('does not connect without an address, or if it is not enabled',
    async () => {
      const hook = renderHook(
        (given: ConnectionOptions) => useWebSocket(given),
        { initialProps: { url: undefined } as ConnectionOptions });

      await pass();
      expect(server.sockets).toHaveLength(0);
      expect(hook.result.current.status).toBe('idle');
      await does(() => hook.result.current.connect());
      expect(server.sockets).toHaveLength(0);
      hook.rerender({ url, enabled: false });
      await pass();
      expect(server.sockets).toHaveLength(0);
      hook.rerender({ url });
      await pass();
      await welcome();
      expect(hook.result.current.status).toBe('connected');
      hook.rerender({ url, enabled: false });
      await pass();
      expect(hook.result.current.status).toBe('idle');
      expect(server.sockets).toHaveLength(1);
    });

  it('asks the token function of the last render', async () => {
    const first = vi.fn(() => 'one');
    const second = vi.fn(() => 'two');
    const hook = await connected({ url, token: first });

    hook.rerender({ url, token: second });
    await pass();
    expect(server.sockets).toHaveLength(1);
    expect(server.all('auth')).toEqual([]);
    await does(() => server.last.lose());
    await pass(5000);
    expect(server.sockets).toHaveLength(2);
    expect(server.last.protocols).toContain('bearer.two');
    expect(first).toHaveBeenCalledTimes(1);
  });

  it('renews its token on the same connection', async () => {
    const hook = await connected({ url, token: 'one' });

    hook.rerender({ url, token: 'two' });
    await pass();
    expect(server.all('auth')).toMatchObject([{ token: 'two' }]);
    expect(server.sockets).toHaveLength(1);
  });

  it('comes back with the token of another user, and without their queue',
    async () => {
      const hook = await connected({ url, token: 'one' });

      server.answer = (c) => c['type'] === 'auth'
        ? { type: 'error', code: 'forbidden', error: 'another user' } : null;

      const reply = hook.result.current.send({ type: 'agent:a' });
      const outcome = expect(reply).rejects
        .toMatchObject({ code: 'aborted' });

      hook.rerender({ url, token: 'two' });
      await pass();
      expect(server.sockets).toHaveLength(2);
      expect(server.last.protocols).toContain('bearer.two');
      expect(hook.result.current.queueSize).toBe(1);
      await welcome('bob');
      await outcome;
      expect(hook.result.current.queueSize).toBe(0);
      expect(server.all('agent:a')).toHaveLength(1);
    });

  it('logs out and in: nothing connects in between', async () => {
    const hook = await connected({ url, token: 'one' });
    const { client } = hook.result.current;

    hook.rerender({ url, token: undefined, enabled: false });
    await pass();
    expect(server.last.closed).toBe(true);
    await does(() => {
      hook.result.current.send({ type: 'agent:a' }).catch(() => undefined);
    });
    await pass(60_000);
    expect(hook.result.current).toMatchObject(
      { status: 'idle', queueSize: 1 });
    expect(server.sockets).toHaveLength(1);

    hook.rerender({ url, token: 'two' });
    await pass();
    expect(server.sockets).toHaveLength(2);
    expect(server.last.protocols).toContain('bearer.two');
    expect(hook.result.current.client).toBe(client);
    await welcome('bob');
    expect(hook.result.current).toMatchObject(
      { userId: 'bob', queueSize: 0 });
    expect(server.all('agent:a')).toEqual([]);
  });

  it('sends what children say in their first effect', async () => {
    function Child() {
      const { send } = useWebSocket();
      const [sent, set] = useState(false);

      if (!sent) {
        set(true);
        queueMicrotask(() => void send({ type: 'agent:a' }));
      }

      return null;
    }

    render(
      <ConductorProvider url={url}><Child /></ConductorProvider>);
    await pass();
    await welcome();
    expect(server.all('agent:a')).toHaveLength(1);
  });

  it('has no queue if it is not wanted', async () => {
    const { result } = renderHook(() =>
      useWebSocket({ url, enableOfflineQueue: false }));

    await pass();
    await expect(result.current.send({ type: 'agent:a' })).rejects
      .toMatchObject({ code: 'disconnected' });
  });

  it('says what is missing without options and provider', () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(() => renderHook(() => useWebSocket())).toThrow(/Provider/);
    expect(() => renderHook(() => usePresence())).toThrow(/Provider/);
  });

  it('is idle after disconnect, until connect', async () => {
    const { result } = await connected({ url });

    await does(() => result.current.disconnect());
    expect(result.current.status).toBe('idle');
    await pass(60_000);
    expect(server.sockets).toHaveLength(1);
    await does(() => result.current.connect());
    expect(server.sockets).toHaveLength(2);
  });
});

describe('ConductorProvider', () => {
  it('connects a client that it is given, and leaves it so', async () => {
    const client = createClient({ url });
    const queue = createQueue(client);

    const { result, unmount } = renderHook(() => useWebSocket(), {
      wrapper: ({ children }: { children: ReactNode }) => (
        <ConductorProvider client={client} queue={queue}>
          {children}
        </ConductorProvider>
      ),
    });

    await pass();
    await does(() => {
      client.send({ type: 'agent:a' }).catch(() => undefined);
    });
    expect(result.current.queueSize).toBe(1);
    await welcome();
    expect(result.current.client).toBe(client);
    expect(result.current.queueSize).toBe(0);
    unmount();
    await pass();
    expect(client.state.status).toBe('connected');
    client.disconnect();
    queue.close();
  });

  it('gives all below one connection', async () => {
    const { result } = await below(() => [useWebSocket(), useWebSocket()]);

    expect(server.sockets).toHaveLength(1);
    expect(result.current[0]?.client).toBe(result.current[1]?.client);
  });
});

describe('usePresence', () => {
  it('tells who is there, and renders for nothing else', async () => {
    const { result, renders } = await below(() => usePresence());

    expect(result.current).toMatchObject({ known: false, reviewers: [] });
    await welcome();
    renders();

    const { set } = result.current;

    await say(list(reviewer('bob'), reviewer('alice')));
    expect(renders()).toBe(1);
    expect(result.current.set).toBe(set);
    expect(result.current.reviewers.map((r) => r.reviewerId))
      .toEqual(['alice', 'bob']);
    expect(result.current).toMatchObject(
      { known: true, stale: false, total: 2 });
    expect(result.current.me?.reviewerId).toBe('alice');

    await say({ ...reviewer('bob'), type: 'presence-update', timestamp: 1 });
    await say({ type: 'task-status-changed', eventId: '1-1', timestamp: 1 });
    expect(renders()).toBe(0);

    await does(() => server.last.lose());
    expect(result.current).toMatchObject({ known: true, stale: true });
  });

  it('says what this client is doing when that changes', async () => {
    let feature = 'a';
    const { result } = await below(() => {
      const [, again] = useState(0);

      return [again, usePresence({ currentFeature: feature })] as const;
    });

    await welcome();
    await does(() => result.current[0](1));
    feature = 'b';
    await does(() => result.current[0](2));
    expect(server.all('presence-update').map((c) => c['currentFeature']))
      .toEqual(['a', 'b']);
  });

  it('uses a client that it is given, and ends nothing of it', async () => {
    const ws = await connected({ url });
    const { client } = ws.result.current;
    const { result, unmount } = renderHook(() => usePresence({ client }));

    await say(list(reviewer('bob')));
    expect(result.current.total).toBe(1);
    unmount();
    await pass();
    expect(ws.result.current.status).toBe('connected');

    const own = createClient({ url });
    const other = renderHook(() => usePresence({ client: own }));

    own.connect();
    await pass();
    await welcome();
    await say(list(reviewer('bob'), reviewer('carl')));
    expect(other.result.current.total).toBe(2);
    other.unmount();
    await pass();
    expect(own.state.status).toBe('connected');
    own.disconnect();
  });

  it('follows a given client from when it is asked', async () => {
    const client = createClient({ url });

    client.connect();
    await pass();
    await welcome();

    const { result } = renderHook(() => usePresence(), {
      wrapper: ({ children }: { children: ReactNode }) => (
        <ConductorProvider client={client}>{children}</ConductorProvider>
      ),
    });

    await pass();
    expect(server.all('subscribe')).toMatchObject(
      [{ channel: 'presence:updates' }]);
    await say(list(reviewer('bob')));
    expect(result.current.total).toBe(1);
    client.disconnect();
  });
});

describe('useEvents', () => {
  const event = (n: number, type = 'task-status-changed') =>
    ({ type, taskId: `T${n}`, eventId: `1-${n}`, timestamp: n });

  it('gives the last ones, those of one turn at once', async () => {
    const { result, renders } = await below(() => useEvents({ limit: 3 }));

    await welcome();
    renders();
    await say(event(1), event(2), event(3), event(4));
    expect(renders()).toBe(1);
    expect(result.current.events.map((e) => e.eventId))
      .toEqual(['1-2', '1-3', '1-4']);
    await say(list(reviewer('bob')));
    expect(renders()).toBe(0);
    await does(() => result.current.clear());
    expect(result.current.events).toEqual([]);
  });

  it('gives those of some types', async () => {
    const { result } = await below(() =>
      useEvents({ types: ['stakeholder-review'] }));

    await welcome();
    await say(event(1), event(2, 'stakeholder-review'));
    expect(result.current.events.map((e) => e.featureSlug))
      .toEqual([undefined]);
  });

  it('pauses, and resumes with what came meanwhile', async () => {
    const { result } = await below(() => useEvents());

    await welcome();
    await does(() => result.current.pause());
    await say(event(1));
    expect(result.current).toMatchObject(
      { events: [], paused: true, held: 1 });
    await does(() => result.current.resume());
    expect(result.current.events).toHaveLength(1);
  });
});

describe('useOfflineQueue', () => {
  it('tells what waits', async () => {
    const { result } = await below(() =>
      ({ ...useWebSocket(), queue: useOfflineQueue() }));
    const { clearQueue, flush } = result.current.queue;

    await does(() => {
      result.current.send({ type: 'agent:a', n: 1 }).catch(() => undefined);
    });
    expect(result.current.queue.items).toMatchObject(
      [{ command: { type: 'agent:a', n: 1 }, tries: 0, sending: false }]);
    expect(result.current.queueSize).toBe(1);
    expect(result.current.queue).toMatchObject({ clearQueue, flush });
    await welcome();
    expect(result.current.queue.size).toBe(0);
  });

  it('gives the connection a queue as its options say', async () => {
    const { result } = await below(() => {
      useOfflineQueue({ maxQueueSize: 1, storageKey: 'mine' });
      return useWebSocket();
    });

    await does(() => {
      result.current.send({ type: 'agent:a' }).catch(() => undefined);
    });
    await expect(result.current.send({ type: 'agent:a' })).rejects
      .toMatchObject({ code: 'queue_full' });
    expect(localStorage.getItem('mine')).toContain('agent:a');
  });

  it('sends in StrictMode what was stored, once', async () => {
    const before = await below(() => useWebSocket());

    await welcome();
    await does(() => server.last.lose());
    await does(() => {
      before.result.current.send({ type: 'agent:a' }).catch(() => undefined);
    });
    before.unmount();
    await pass();

    const { result } = renderHook(() => useWebSocket({ url }),
      { wrapper: StrictMode });

    await pass();
    expect(result.current.queueSize).toBe(1);
    await welcome();
    expect(server.all('agent:a')).toHaveLength(1);
  });
});

describe('useConnectionQuality', () => {
  it('measures the provider\'s connection while it is there', async () => {
    const { result, unmount } = await below(() => useConnectionQuality());

    expect(result.current.quality).toBe('Offline');
    await welcome();
    await pass();
    expect(result.current).toMatchObject(
      { quality: 'Excellent', samples: 1, packetLoss: 0 });
    unmount();
    await pass(60_000);
    expect(server.all('ping')).toHaveLength(1);
  });

  it('measures once at a time in StrictMode', async () => {
    renderHook(() => {
      const { status, send } = useWebSocket({ url });

      return useConnectionQuality({ status, send });
    }, { wrapper: StrictMode });

    await pass();
    await welcome();
    await pass(10_000);
    expect(server.all('ping')).toHaveLength(2);
  });

  it('is stopped and started', async () => {
    const { result } = await below(() => useConnectionQuality());
    const { startMonitoring, stopMonitoring } = result.current;

    await does(stopMonitoring);
    await welcome();
    await pass(25_000);
    expect(server.all('ping')).toHaveLength(0);
    await does(startMonitoring);
    expect(server.all('ping')).toHaveLength(1);
    expect(result.current.startMonitoring).toBe(startMonitoring);
  });

  it('renders for other figures only', async () => {
    const { renders } = await below(() => useConnectionQuality());

    await welcome();
    await pass(95_000);
    renders();
    await pass(50_000);
    expect(renders()).toBe(0);
  });
});
