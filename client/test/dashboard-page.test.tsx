// @vitest-environment jsdom
// What parts of the dashboard show and say aloud, and where the focus goes.

import {
  act, cleanup, fireEvent, render, renderHook, screen,
} from '@testing-library/react';
import type { ReactNode } from 'react';
import { describe, expect, it, vi } from 'vitest';
import { Announcer } from '../dashboard/events/Announcer.js';
import { Events } from '../dashboard/events/Events.js';
import { headline } from '../dashboard/events/headlines.js';
import { ReplayBar } from '../dashboard/events/ReplayBar.js';
import type { Replay } from '../dashboard/events/useReplay.js';
import { useFigures } from '../dashboard/figures/useFigures.js';
import { Connection } from '../dashboard/header/Connection.js';
import { Publish } from '../dashboard/publish/Publish.js';
import { Queue } from '../dashboard/queue/Queue.js';
import { ConductorProvider, useWebSocket } from '../src/react/index.js';
import type { UnknownEvent } from '../src/index.js';
import { does, pass, say, server, usePage, welcome } from './fake-page.js';

vi.mock('../dashboard/events/headlines.js', async (original) => {
  const { headline: real } = await original<{ headline: typeof headline }>();

  return { headline: vi.fn(real) };
});

usePage();

const event = (n: number): UnknownEvent => ({
  type: 'task-status-changed', taskId: `T${n}`, featureSlug: 'f',
  oldStatus: 'a', newStatus: 'b', timestamp: 1, eventId: `1-${n}`,
});

type Own = ReturnType<typeof useWebSocket>;

/** Shows a part of the page, connected. */
async function shown(part: (own: Own) => ReactNode): Promise<void> {
  function Part() {
    return part(useWebSocket());
  }

  render(
    <ConductorProvider url="ws://hub.test/"><Part /></ConductorProvider>);
  await pass();
  await welcome();
}

const button = (name: string) => screen.getByRole('button', { name });

describe('events', () => {
  it('are told aloud every five seconds, however many come', async () => {
    const said = new Set<string>();
    const part = (n: number) => (
      <Announcer events={[event(n)]} total={n} />);
    const { rerender } = render(part(0));

    for (let n = 1; n <= 40; n++) {
      rerender(part(n));
      await pass(300);
      said.add(screen.getByRole('status').textContent ?? '');
    }

    expect([...said]).toEqual(['',
      '2 new events, the last one: T2 from a to b',
      '17 new events, the last one: T19 from a to b',
      '17 new events, the last one: T36 from a to b']);
  });

  it('keep what was said between them while they are held', async () => {
    await shown(({ client }) => <Events client={client} role="r" />);
    await say(event(1));
    await does(() => server.last.lose());
    await pass(1500);
    await welcome();
    await say({ type: 'resumed', recovered: true, count: 0,
      lastEventId: '1-1' });
    expect(screen.getByText(/^Connected again/)).toBeTruthy();
    fireEvent.click(button('Pause'));
    await pass();
    await say(event(2), { type: 'resumed', recovered: false, count: 0,
      lastEventId: '1-2', reason: 'gap' });
    expect(screen.getByText(/^Connected again/)).toBeTruthy();
    expect(screen.queryByText(/lost on their way/)).toBeNull();
    fireEvent.click(button('Go on'));
    await pass();
    expect(screen.getByText(/lost on their way/)).toBeTruthy();
  });

  it('are rendered once each', async () => {
    await shown(({ client }) => <Events client={client} role="r" />);
    await say(event(1), event(2), event(3));
    await pass(1000);
    vi.mocked(headline).mockClear();
    await say(event(4));
    expect(screen.getByText('T4')).toBeTruthy();
    expect(vi.mocked(headline).mock.calls).toEqual([[event(4)]]);
  });

  it('keep the focus of who goes back through them', async () => {
    await shown(({ client }) => <Events client={client} role="r" />);
    button('Replay').focus();
    fireEvent.click(button('Replay'));
    await pass();
    expect(document.activeElement).toBe(button('Back to live'));
  });

  it('are not told one by one while they are played', () => {
    const replay = (position: number) => ({
      status: 'on', from: 1, position, playing: true,
      history: { events: [event(1), event(2)], complete: true },
    } as Partial<Replay> as Replay);
    const bar = (n: number) => (
      <ReplayBar replay={replay(n)} wanted={{ feature: '', type: '' }} />);
    const { container, rerender } = render(bar(1));
    const aloud = () => container.querySelector('[aria-live]')?.textContent;
    const before = aloud();

    expect(before).toMatch(/^It begins/);
    expect(container.textContent).toContain('Event 1 of 2, as of');
    rerender(bar(2));
    expect(container.textContent).toContain('Event 2 of 2, as of');
    expect(aloud()).toBe(before);
  });
});

describe('the queue', () => {
  it('can be scrolled by keys, and keeps the focus when cleared', async () => {
    await shown(({ client, state, send }) => (
      <>
        <Queue client={client} state={state} />
        <button onClick={() => void send({ type: 'agent:a' })
          .catch(() => undefined)}>Say</button>
      </>));
    fireEvent.click(button('Work offline'));
    fireEvent.click(button('Say'));
    await pass();
    expect(screen.getByRole('list', { name: 'Offline queue' }).tabIndex)
      .toBe(0);
    button('Clear').focus();
    fireEvent.click(button('Clear'));
    await pass();
    expect(screen.queryByRole('list')).toBeNull();
    expect(document.activeElement).toBe(button('Go online'));
  });
});

describe('a connection that fails', () => {
  it('keeps the button that tries again, and its focus', async () => {
    await shown(({ client, state }) => (
      <Connection client={client} state={state} />));
    await does(() => server.last.lose());
    button('Connect now').focus();
    fireEvent.click(button('Connect now'));
    await pass();
    expect(screen.getByText('Trying now.')).toBeTruthy();
    expect(document.activeElement).toBe(button('Connect now'));
    expect(button('Connect now').getAttribute('aria-disabled')).toBe('true');
  });
});

describe('the form', () => {
  const field = (label: string) =>
    (screen.getByLabelText(label) as HTMLSelectElement).value;

  it('goes on with what is queued, and not with what is refused',
    async () => {
      await shown(({ client }) => <Publish client={client} />);
      await does(() => server.last.lose());
      fireEvent.click(button('Publish'));
      await pass();
      expect(field('Old status')).toBe('InReview');
      await pass(2000);
      await does(() => server.last.lose(4503, 'bad_role'));
      fireEvent.click(button('Publish'));
      await pass();
      expect(screen.getByText('Not published: this page is not connected.'))
        .toBeTruthy();
      expect(field('Old status')).toBe('InReview');
    });
});

describe('the figures', () => {
  it.each([
    [403, 'refused'], [404, 'refused'], [500, 'away'], [503, 'away'],
  ])('after an answer %d are %s', async (status, then) => {
    vi.stubGlobal('fetch', async () => ({ ok: false, status }));

    const { result } = renderHook(() => useFigures());

    await pass();
    expect(result.current.status).toBe(then);
    cleanup();
    await act(() => vi.advanceTimersByTimeAsync(10));
  });
});
