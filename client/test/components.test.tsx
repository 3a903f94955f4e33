// @vitest-environment jsdom
// The components: what they show, what they say aloud, when they render.

import { render, screen } from '@testing-library/react';
import { Profiler } from 'react';
import { describe, expect, it } from 'vitest';
import { OFFLINE } from '../src/core/quality.js';
import type { QualityMetrics } from '../src/core/quality.js';
import type { Reviewer } from '../src/core/types.js';
import {
  ConductorProvider, ConnectionQualityBadge, ConnectionQualityCard,
  formatMinutes, ReviewerPresence,
} from '../src/react/index.js';
import type { PresenceView } from '../src/react/index.js';
import {
  does, list, pass, reviewer, say, server, usePage, welcome,
} from './fake-page.js';

const url = 'ws://hub.test/';

const good: QualityMetrics = {
  latency: 120, averageLatency: 130, packetLoss: 10, stability: 95,
  quality: 'Good', samples: 10,
};

usePage();

/** Who is there, for a component without a connection. */
function view(...people: object[]): PresenceView {
  const reviewers = people as Reviewer[];

  return {
    reviewers, total: reviewers.length, me: null, known: true, stale: false,
  };
}

const figures = () => screen.getAllByRole('term').map((term, i) =>
  [term.textContent, screen.getAllByRole('definition')[i]?.textContent]);

describe('ReviewerPresence', () => {
  it('waits for the list, and then says that nobody is there', async () => {
    render(<ConductorProvider url={url}><ReviewerPresence />
    </ConductorProvider>);
    await pass();
    await welcome();

    const region = screen.getByRole('region', { name: 'Reviewers' });

    expect(region.getAttribute('aria-busy')).toBe('true');
    expect(region.textContent).toContain('Waiting for the list');
    await say(list());
    expect(region.getAttribute('aria-busy')).toBe('false');
    expect(region.textContent).toContain('Nobody is here');
    expect(screen.queryByRole('list')).toBeNull();
  });

  it('shows name, role, status, feature and time', async () => {
    render(<ConductorProvider url={url}><ReviewerPresence />
    </ConductorProvider>);
    await pass();
    await welcome();
    await say(list(
      reviewer('alice', {
        role: 'architect', status: 'busy', currentFeature: 'search',
        connectedAt: Date.now() - 125 * 60_000,
      }),
      reviewer('conn_WkqxEGHo', { userId: null, connectedAt: Date.now() })));

    const [alice, guest] = screen.getAllByRole('listitem');

    expect(alice?.textContent).toContain('alice (you)');

    for (const word of ['architect', 'busy', 'search', '2 h 5 min']) {
      expect(alice?.textContent).toContain(word);
    }

    expect(guest?.textContent).toContain('guest EGHo');
    expect(guest?.textContent).toContain('no feature');
    expect(guest?.textContent).toContain('just now');
  });

  it('says when what it shows is old', async () => {
    render(<ConductorProvider url={url}><ReviewerPresence />
    </ConductorProvider>);
    await pass();
    await welcome();
    await say(list(reviewer('bob')));
    await does(() => server.last.lose());
    expect(screen.getByText('Not connected: this is how it was'))
      .toBeTruthy();
    expect(screen.getAllByRole('listitem')).toHaveLength(1);
  });

  it('shows some, and how many more there are', () => {
    const people = Array.from({ length: 9 }, (_, i) => reviewer(`r${i}`));

    render(<ReviewerPresence presence={view(...people)} limit={4} />);
    expect(screen.getAllByRole('listitem')).toHaveLength(4);
    expect(screen.getByText('and 5 more')).toBeTruthy();
  });

  it('says aloud how many there are, not all that happens', async () => {
    const said: string[] = [];
    const { rerender } = render(<ReviewerPresence presence={view()} />);
    const status = screen.getByRole('status');
    const hear = new MutationObserver(() =>
      said.push(status.textContent ?? ''));

    hear.observe(status,
      { childList: true, characterData: true, subtree: true });
    await pass(10_000);
    expect(said).toEqual([]);

    for (let n = 1; n <= 5; n++) {
      const people = Array.from({ length: n }, (_, i) => reviewer(`r${i}`));

      rerender(<ReviewerPresence presence={view(...people)} />);
      await pass(500);
    }

    rerender(<ReviewerPresence
      presence={view(reviewer('r0', { status: 'away' }))} />);
    await pass(10_000);
    expect(said).toEqual(['1 reviewer here']);
    hear.disconnect();
  });

  it('renders a time when it is another, and nothing else', async () => {
    const people = view(reviewer('bob',
      { connectedAt: Date.now() - 30_000 }));
    let rendered = 0;

    render(
      <Profiler id="p" onRender={() => rendered++}>
        <ReviewerPresence presence={people} announce={false} />
      </Profiler>);
    await pass();
    rendered = 0;
    await pass(25_000);
    expect(rendered).toBe(0);
    expect(screen.getByText('just now')).toBeTruthy();
    await pass(10_000);
    expect(rendered).toBe(1);
    expect(screen.getByText('1 min')).toBeTruthy();
  });

  it('reckons by the clock of the server', async () => {
    render(<ConductorProvider url={url}><ReviewerPresence />
    </ConductorProvider>);
    await pass();
    await welcome('alice', { timestamp: Date.now() + 3_600_000 });
    await say(list(reviewer('bob', { connectedAt: Date.now() + 3_000_000 })));
    await pass(6000);
    expect(screen.getByText('10 min')).toBeTruthy();
  });

  it('shows a feature and words as it is told', () => {
    render(<ReviewerPresence
      presence={view(reviewer('bob', { currentFeature: 'search' }))}
      labels={{ title: 'Wer da ist' }}
      renderFeature={(feature) => <a href={`/f/${feature}`}>{feature}</a>} />);
    expect(screen.getByRole('link', { name: 'search' })
      .getAttribute('href')).toBe('/f/search');
    expect(screen.getByRole('region', { name: 'Wer da ist' })).toBeTruthy();
  });

  it.each([
    [0, 'just now'], [1, '1 min'], [59, '59 min'], [60, '1 h 0 min'],
    [1439, '23 h 59 min'], [1440, '1 d 0 h'], [4560, '3 d 4 h'],
  ])('writes %d minutes as %s', (minutes, text) => {
    expect(formatMinutes(minutes)).toBe(text);
  });
});

describe('ConnectionQualityCard', () => {
  it('shows the grade and all figures', () => {
    render(<ConnectionQualityCard status="connected" metrics={good} />);
    expect(screen.getByRole('region', { name: 'Connection quality' })
      .textContent).toContain('Good');
    expect(figures()).toEqual([
      ['Latency', '120 ms'], ['Average', '130 ms'],
      ['Packet loss', '10 %'], ['Stability', '95 %'],
    ]);
  });

  it('has no figures before anything is measured', () => {
    render(<ConnectionQualityCard status="connected"
      metrics={{ ...OFFLINE, quality: null }} />);

    const region = screen.getByRole('region');

    expect(region.getAttribute('aria-busy')).toBe('true');
    expect(region.textContent).toContain('Measuring');
    expect(figures().map(([, value]) => value))
      .toEqual(['\u2013', '\u2013', '\u2013', '\u2013']);
  });

  it('is offline at once, whatever was measured', () => {
    render(<ConnectionQualityCard status="waiting" metrics={good} />);
    expect(screen.getByRole('region').textContent)
      .toContain('Offline \u00b7 Reconnecting');
    expect(figures().map(([, value]) => value))
      .toEqual(['\u2013', '\u2013', '\u2013', '\u2013']);
  });
});

describe('ConnectionQualityBadge', () => {
  it('shows the grade and the average', () => {
    const { container } = render(
      <ConnectionQualityBadge status="connected" metrics={good} />);

    expect(container.textContent).toBe('Connection quality: Good130 ms');
    expect(container.querySelectorAll('[data-on]')).toHaveLength(3);
  });

  it.each([
    ['Excellent', 4], ['Good', 3], ['Fair', 2], ['Poor', 1],
  ] as const)('has for %s %d bars', (quality, bars) => {
    const { container } = render(<ConnectionQualityBadge
      status="connected" metrics={{ ...good, quality }} />);

    expect(container.querySelectorAll('[data-on]')).toHaveLength(bars);
  });

  it('says another grade aloud when it has settled', async () => {
    const badge = (metrics: QualityMetrics) => (
      <ConnectionQualityBadge status="connected" metrics={metrics} />);
    const { rerender } = render(badge(good));
    const status = screen.getByRole('status');

    await pass(5000);
    expect(status.textContent).toBe('');
    rerender(badge({ ...good, quality: 'Poor' }));
    await pass(1000);
    rerender(badge({ ...good, latency: 90 }));
    await pass(5000);
    expect(status.textContent).toBe('');
    rerender(badge({ ...good, quality: 'Fair' }));
    await pass(5000);
    expect(status.textContent).toBe('Connection quality: Fair');
    rerender(badge(good));
    await pass(5000);
    expect(status.textContent).toBe('Connection quality: Good');
  });
});
