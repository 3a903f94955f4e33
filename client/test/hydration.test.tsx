// @vitest-environment jsdom
// What a server has rendered becomes a page.

import { act } from '@testing-library/react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { expect, it, vi } from 'vitest';
import {
  ConductorProvider, ConnectionQualityCard, ReviewerPresence,
  useConnectionQuality, useWebSocket,
} from '../src/react/index.js';
import { pass, say, list, reviewer, server, usePage, welcome }
  from './fake-page.js';

usePage();

function Page() {
  const { status, queueSize } = useWebSocket();
  const quality = useConnectionQuality();

  return (
    <main>
      <output>{status} {queueSize}</output>
      <ReviewerPresence />
      <ConnectionQualityCard status={status} metrics={quality} />
    </main>
  );
}

it('it is taken over as it is, and goes on from there', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const faults: unknown[] = [];
  const page = (
    <ConductorProvider url="ws://hub.test/"><Page /></ConductorProvider>);
  const place = document.body.appendChild(document.createElement('div'));

  // What waits here, no server could know of.
  localStorage.setItem('aivo_websocket_queue', JSON.stringify({
    user: 'alice',
    items: [{
      key: 'k', command: { type: 'agent:a' }, at: Date.now(), tries: 0,
      sent: 0, user: 'alice', tab: 'gone', till: 0,
    }],
  }));

  place.innerHTML = renderToString(page);
  expect(place.querySelector('output')?.textContent).toBe('idle 0');

  // a server has no document, where React 18 would warn of effects
  said.mockClear();

  const root = await act(async () => hydrateRoot(place, page,
    { onRecoverableError: (error) => faults.push(error) }));

  await pass();
  expect(place.querySelector('output')?.textContent).toBe('connecting 1');
  await welcome();
  await say(list(reviewer('bob')));
  expect(place.textContent).toContain('bob');
  expect(server.sockets).toHaveLength(1);
  expect(server.all('agent:a')).toMatchObject([{ key: 'k' }]);
  expect(faults).toEqual([]);
  expect(said).not.toHaveBeenCalled();
  act(() => root.unmount());
});
