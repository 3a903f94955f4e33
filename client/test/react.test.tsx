// @vitest-environment jsdom
// The examples of the hooks, as they are printed.

import { render, screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import {
  ConnectionQualityBadge, ConnectionQualityCard, useConnectionQuality,
  useOfflineQueue, useWebSocket,
} from '../src/react/index.js';
import type { Connection } from '../src/react/index.js';
import { does, pass, server, usePage, welcome } from './fake-page.js';

usePage();

describe('the example', () => {
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
    expect(server.last.url).toBe('ws://localhost:4003/');
    expect(server.last.protocols)
      .toEqual(['conductor.v1', 'bearer.your-token']);

    await does(() => {
      got?.send({ type: 'agent:a' }).catch(() => undefined);
    });
    expect(said.at(-1)).toEqual(['Queue size:', 1]);
    expect(localStorage.getItem('aivo_websocket_queue')).toContain('agent:a');

    await does(() => got?.clearQueue());
    expect(said.at(-1)).toEqual(['Queue size:', 0]);
    expect(localStorage.getItem('aivo_websocket_queue')).toBeNull();
  });

  it('of the queue\'s options runs as printed', async () => {
    let size: number | undefined;

    function Example() {
      const ws = useWebSocket({ url: 'ws://localhost:4003' });
      const queue = useOfflineQueue({
        client: ws.client,
        maxQueueSize: 100,           // Max messages in queue
        maxRetries: 3,               // Max retry attempts
        persistToStorage: true,      // Save to localStorage
        storageKey: 'aivo_websocket_queue'
      });

      size = queue.size;
      return null;
    }

    render(<Example />);
    await pass();
    expect(size).toBe(0);
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
    expect(screen.getByText('Offline \u00b7 Connecting')).toBeTruthy();
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
