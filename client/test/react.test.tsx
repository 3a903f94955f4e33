// @vitest-environment jsdom
// The hooks, in a page that is none, with a server that obeys.

import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  ConnectionQualityBadge, ConnectionQualityCard, useConnectionQuality,
  useWebSocket,
} from '../src/react/index.js';
import type { Connection } from '../src/react/index.js';
import { FakeServer } from './fake/server.js';

let server: FakeServer;

/** Lets time go by, and React render what came of it. */
const pass = (ms = 20) => act(() => vi.advanceTimersByTimeAsync(ms));

const welcome = async (user: string | null = 'alice') => {
  server.last.welcome(user);
  await pass();
};

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  sessionStorage.clear();
  server = new FakeServer();
  vi.stubGlobal('WebSocket', server.Socket);
});

afterEach(async () => {
  cleanup();
  await vi.advanceTimersByTimeAsync(10);
  vi.useRealTimers();
});

describe('the examples', () => {
  it('of the queue runs as printed', async () => {
    const said: unknown[] = [];
    let got: Connection | undefined;

    function Example() {
      const ws = useWebSocket({
        url: 'ws://localhost:4003',
        token: 'your-token',
        enableOfflineQueue: true,  // Enable queue (default: true)
      });

      said.push(['Queue size:', ws.queueSize]);
      got = ws;
      return null;
    }

    render(<Example />);
    await pass();
    expect(server.sockets).toHaveLength(1);
    expect(server.last.protocols)
      .toEqual(['conductor.v1', 'bearer.your-token']);

    await act(async () => {
      got?.send({ type: 'agent:a' }).catch(() => undefined);
    });
    await pass();
    expect(said.at(-1)).toEqual(['Queue size:', 1]);

    await act(async () => got?.clearQueue());
    await pass();
    expect(said.at(-1)).toEqual(['Queue size:', 0]);
  });

  it('of the card runs as printed', async () => {
    function MyComponent() {
      const ws = useWebSocket({ url: 'ws://localhost:4003' });
      const quality = useConnectionQuality({
        status: ws.status,
        send: ws.send
      });

      return (
        <ConnectionQualityCard 
          status={ws.status} 
          metrics={quality} 
        />
      );
    }

    render(<MyComponent />);
    await pass();
    await welcome();
    await pass();
    expect(screen.getByText('Excellent')).toBeTruthy();
    expect(server.all('ping')).toHaveLength(1);
    await pass(10_000);
    expect(server.all('ping')).toHaveLength(2);
  });

  it('of the badge and of manual control run as printed', async () => {
    function Header() {
      const ws = useWebSocket({ url: 'ws://localhost:4003' });
      const quality = useConnectionQuality({
        status: ws.status,
        send: ws.send,
        checkInterval: 10000  // Check every 10 seconds
      });

      // Manual control
      quality.startMonitoring();
      quality.stopMonitoring();

      return (
        <header>
          <ConnectionQualityBadge 
            status={ws.status} 
            metrics={quality} 
          />
        </header>
      );
    }

    render(<Header />);
    await pass();
    await welcome();
    await pass(25_000);
    expect(server.all('ping')).toHaveLength(0);
    expect(screen.getByRole('banner').textContent).toContain('Measuring');
  });
});
