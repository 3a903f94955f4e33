// The hooks and components where there is no page.

import { createElement, StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, it, vi } from 'vitest';
import {
  ConductorProvider, ConnectionQualityBadge, ConnectionQualityCard,
  ReviewerPresence, useConnectionQuality, useEvents, useOfflineQueue,
  usePresence, useWebSocket,
} from '../src/react/index.js';

function Page() {
  const ws = useWebSocket();
  const quality = useConnectionQuality();
  const { events } = useEvents({ types: ['task-status-changed'] });
  const { size } = useOfflineQueue({ maxQueueSize: 5 });
  const { set } = usePresence({ currentFeature: 'search' });

  quality.startMonitoring();
  set({ status: 'busy' });

  return (
    <main>
      {ws.status} {events.length} {size}
      <ReviewerPresence />
      <ConnectionQualityBadge status={ws.status} metrics={quality} />
      <ConnectionQualityCard status={ws.status} metrics={quality} />
    </main>
  );
}

const page = (
  <StrictMode>
    <ConductorProvider url="wss://hub.test/ws" token="t"><Page />
    </ConductorProvider>
  </StrictMode>
);

it('a server renders them without connecting, waiting or storing', () => {
  const said = vi.spyOn(console, 'error');
  const timers = [vi.spyOn(globalThis, 'setTimeout'),
    vi.spyOn(globalThis, 'setInterval')];
  const connects = vi.fn();

  vi.stubGlobal('WebSocket', connects);

  const html = renderToString(page);

  expect(html).toContain('idle');
  expect(html).toContain('Waiting for the list');
  expect(html).toContain('Offline');
  expect(said).not.toHaveBeenCalled();
  expect(connects).not.toHaveBeenCalled();
  timers.forEach((timer) => expect(timer).not.toHaveBeenCalled());
});

it('a server renders an address that only a page can complete', () => {
  const html = renderToString(createElement(ConductorProvider,
    { url: '/ws' }, createElement(Page)));

  expect(html).toContain('idle');
});
